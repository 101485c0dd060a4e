package chart_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
)

// TestOldestKubernetesTakesEveryObject renders for the oldest Kubernetes that the chart claims. The newest is
// what every other test renders for.
func TestOldestKubernetesTakesEveryObject(t *testing.T) {
	t.Parallel()
	for name, values := range renderings(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered, err := chart.Template(chart.Options{KubeVersion: chart.Oldest.Version(t), Values: []chart.Values{values, withoutNewFields}})
			require.NoError(t, err)
			for _, object := range rendered.Objects {
				assert.NoError(t, chart.Oldest.Validate(object))
			}
		})
	}
}

// withoutNewFields removes the fields that the oldest Kubernetes does not have.
var withoutNewFields = chart.Merge(
	chart.Set("autoscaling.behavior.scaleDown.tolerance", nil),
	chart.Set("renderer.resourceClaims", []any{}),
	chart.Set("renderer.resources.claims", []any{}),
	chart.Set("warmCapacity.prePull.enabled", false),
)

// TestKubernetesVersionsAreWhatTheChartClaims keeps the descriptions and Chart.yaml together.
func TestKubernetesVersionsAreWhatTheChartClaims(t *testing.T) {
	t.Parallel()
	var metadata struct{ KubeVersion string }
	require.NoError(t, yaml.Unmarshal(chart.File(t, "Chart.yaml"), &metadata))
	minor := regexp.MustCompile(`\d+\.\d+`)
	assert.Equal(t, minor.FindString(metadata.KubeVersion), minor.FindString(chart.Oldest.Version(t)), "Chart.yaml and ci/modules/kubernetes-oldest/go.mod")
	unknown := chart.Object{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": map[string]any{"name": "a"},
		"spec": map[string]any{"maxReplicas": int64(2), "scaleTargetRef": map[string]any{"kind": "Deployment", "name": "a"},
			"behavior": map[string]any{"scaleDown": map[string]any{"tolerance": "200m"}}}}
	assert.NoError(t, chart.Newest.Validate(unknown))
	assert.ErrorContains(t, chart.Oldest.Validate(unknown), `unknown field "tolerance"`)
}

func TestRefusesOldKubernetes(t *testing.T) {
	t.Parallel()
	_, err := chart.Template(chart.Options{KubeVersion: "v1.29.9"})
	assert.ErrorContains(t, err, "chart requires kubeVersion: >=1.30.0-0")
	_, err = chart.Template(chart.Options{KubeVersion: "v1.30.0-eks-1"})
	assert.NoError(t, err, "vendors' versions look like pre-releases")
}
