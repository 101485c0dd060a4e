package chart_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
)

var updateGolden = flag.Bool("update", false, "write golden files anew from what the chart renders")

// TestGolden shows in review what a change to the chart does to what it renders.
func TestGolden(t *testing.T) {
	t.Parallel()
	got := chart.Render(t).Stable()
	path := filepath.Join("testdata", "defaults.golden.yaml")
	if *updateGolden {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "write it with `go test ./test/chart -run Golden -update`")
	// Not by Equal, which would print both before it says what to do.
	assert.True(t, string(want) == got, "the chart renders something else than testdata/defaults.golden.yaml has: run `go test ./test/chart -run Golden -update`, and review the diff")
}
