package chart_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
)

// TestChangedRulesRestartTheAdapter: the adapter reads its rules only when it starts.
func TestChangedRulesRestartTheAdapter(t *testing.T) {
	t.Parallel()
	checksum := func(values ...chart.Values) string {
		return chart.RenderWith(t, chart.Options{Values: values}).Deployment(t, chart.PrometheusAdapter).Spec.Template.Annotations["checksum/config"]
	}
	assert.Equal(t, checksum(), checksum())
	assert.NotEqual(t, checksum(), checksum(chart.Set("signals.overruns.window", "3m")))
}

// TestChangedScrapesRestartNothing: an upgrade that only changes the scrape configuration replaces no pod.
func TestChangedScrapesRestartNothing(t *testing.T) {
	t.Parallel()
	before := chart.Render(t)
	after := chart.RenderWith(t, chart.Options{
		Cluster: before.Objects,
		Values:  []chart.Values{chart.Parse(t, "{prometheus: {scrapeInterval: 10s, retention: {time: 60d}}, kubeStateMetrics: {scrapeInterval: 10s}}")},
	})
	require.NotEqual(t, before.PrometheusFiles(t), after.PrometheusFiles(t))
	for _, component := range []chart.Component{chart.Renderer, chart.Prometheus, chart.PrometheusAdapter, chart.KubeStateMetrics} {
		assert.Equal(t, before.Deployment(t, component).Spec.Template, after.Deployment(t, component).Spec.Template, "%s", component)
	}
}
