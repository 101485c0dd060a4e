package result

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/repo"
	"holograph/test/sim/report"
)

// The page in the docs says what was recorded, and nothing else.
func TestDocs(t *testing.T) {
	folder, err := repo.Path("docs", "bench")
	require.NoError(t, err)
	var r Result
	r.Run, err = Read(filepath.Join(folder, "run.json"))
	require.NoError(t, err)
	figures, err := os.ReadFile(filepath.Join(folder, "figures.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(figures, &r))
	var want strings.Builder
	require.NoError(t, r.Write(&want))
	got, err := os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	assert.Equal(t, want.String(), string(got), "docs/bench/README.md is stale; run: go -C test/sim run ./bench --from docs/bench/run.json --into docs/bench")
	for _, f := range r.Run.Fleets {
		var timeline strings.Builder
		require.NoError(t, report.Timeline(&timeline, r.Run.Timeline(f), nil))
		kept, err := os.ReadFile(filepath.Join(folder, f.Name+".csv"))
		require.NoError(t, err)
		assert.Equal(t, timeline.String(), string(kept), "%s.csv", f.Name)
	}
}
