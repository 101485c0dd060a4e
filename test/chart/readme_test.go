package chart_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/program"
	"holograph/test/internal/chart"
)

// TestChartReadme shows in review what a change to the chart does to its README, which helm-docs writes.
func TestChartReadme(t *testing.T) {
	t.Parallel()
	directory, err := chart.Directory()
	require.NoError(t, err)
	binary, err := program.HelmDocs.Binary(t.Context(), "helm-docs")
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), binary, "--dry-run", "--chart-search-root", directory,
		"--sort-values-order", "file", "--badge-style", "flat-square")
	var stderr strings.Builder
	command.Stderr = &stderr
	got, err := command.Output()
	require.NoError(t, err, stderr.String())
	require.NotContains(t, stderr.String(), "level=warning", "helm-docs")
	for _, name := range slices.Concat(alikeComponents, likeTheRenderer) {
		assert.Contains(t, string(got), "`"+name+"`", "README.md.gotmpl must name what has no row because it is as for the renderer")
	}
	path := filepath.Join(directory, "README.md")
	if *updateGolden {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	// Not by Equal, which would print both before it says what to do.
	assert.True(t, bytes.Equal(want, got), "charts/holograph/README.md is stale; run: make update")
}
