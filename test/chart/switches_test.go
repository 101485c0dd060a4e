package chart_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
)

// TestSwitches turns each part off and names what must go with it, by component.
func TestSwitches(t *testing.T) {
	t.Parallel()
	all := components(chart.Render(t))
	require.Equal(t, []string{"doctor", "kube-state-metrics", "prometheus", "prometheus-adapter", "renderer"}, all)
	for key, test := range map[string]struct {
		values string
		gone   chart.Component
	}{
		"prometheus.enabled":        {"prometheus: {enabled: false, url: http://prometheus.example}", chart.Prometheus},
		"prometheusAdapter.enabled": {"prometheusAdapter: {enabled: false}", chart.PrometheusAdapter},
		"kubeStateMetrics.enabled":  {"kubeStateMetrics: {enabled: false}", chart.KubeStateMetrics},
		"doctor.enabled":            {"doctor: {enabled: false}", chart.Doctor},
	} {
		t.Run(key, func(t *testing.T) {
			rendered := chart.Render(t, chart.Parse(t, test.values))
			want := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return name == string(test.gone) })
			assert.Equal(t, want, components(rendered))
		})
	}
	external := chart.Render(t, chart.Parse(t, "prometheus: {enabled: false, url: http://prometheus.example}"))
	assert.Contains(t, external.Container(t, chart.PrometheusAdapter).Args, "--prometheus-url=http://prometheus.example")

	unscraped := chart.Render(t, chart.Parse(t, "kubeStateMetrics: {enabled: false}"))
	assert.NotContains(t, unscraped.RulesFile(t), "kube_", "rules on series that nothing scrapes")
	assert.NotContains(t, unscraped.RulesFile(t), "holograph:hpa_", "rules on series that nothing records")
	assert.NotContains(t, unscraped.PrometheusFiles(t)["prometheus.yaml"], "kube-state-metrics")
}

// components lists the components that a rendering has objects of.
func components(rendered *chart.Rendered) []string {
	found := map[string]bool{}
	for _, object := range rendered.Objects {
		metadata, _ := object["metadata"].(map[string]any)
		labels, _ := metadata["labels"].(map[string]any)
		found[fmt.Sprint(labels["app.kubernetes.io/component"])] = true
	}
	return slices.Sorted(maps.Keys(found))
}
