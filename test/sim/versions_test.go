package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/repo"
)

// TestVersions: the simulator runs the code of the programs that the clusters and the chart run.
func TestVersions(t *testing.T) {
	for module, folder := range map[string]string{
		"k8s.io/kubernetes":                "ci/modules/kubernetes",
		"github.com/prometheus/prometheus": "ci/modules/prometheus",
		"sigs.k8s.io/prometheus-adapter":   "ci/modules/prometheus-adapter",
	} {
		want, err := repo.ModuleVersion(folder, module)
		require.NoError(t, err)
		got, err := repo.ModuleVersion("test/sim", module)
		require.NoError(t, err)
		assert.Equal(t, want, got, "test/sim/go.mod requires %s at another version than %s/go.mod; run: go -C test/sim get %s@%s && go -C test/sim mod tidy", module, folder, module, want)
	}
}
