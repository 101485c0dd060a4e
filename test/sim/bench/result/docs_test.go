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
	runs, leftOut, err := ReadAll(folder)
	require.NoError(t, err)
	figures, err := os.ReadFile(filepath.Join(folder, "figures.json"))
	require.NoError(t, err)
	var r Record
	require.NoError(t, json.Unmarshal(figures, &r))
	const stale = "docs/bench is stale; run: go -C test/sim run ./bench --from docs/bench"
	require.Len(t, r, len(runs), stale)
	first := map[string]Run{}
	for i, run := range runs {
		require.Equal(t, run.File(), Run{Number: r[i].Number, Shape: r[i].Shape}.File(), stale)
		r[i].Run = run
		if _, found := first[run.Shape]; !found {
			first[run.Shape] = run
		}
	}
	var want strings.Builder
	require.NoError(t, r.Write(&want, leftOut))
	got, err := os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	assert.Equal(t, want.String(), string(got), stale)
	for _, run := range first {
		for _, f := range run.Fleets {
			var timeline strings.Builder
			require.NoError(t, report.Timeline(&timeline, run.Timeline(f), nil))
			name := run.Shape + "-" + f.Name + ".csv"
			kept, err := os.ReadFile(filepath.Join(folder, name))
			require.NoError(t, err)
			assert.Equal(t, timeline.String(), string(kept), name)
		}
	}
}
