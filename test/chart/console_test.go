package chart_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
	"holograph/test/internal/promtool"
)

// TestConsoleWithoutData asks for the status page as it is right after an installation, of releases with all parts
// and with few: Prometheus makes a page of the template, and the page says that it has no data.
func TestConsoleWithoutData(t *testing.T) {
	t.Parallel()
	pages := t.TempDir()
	renderings := map[string]chart.Values{
		"defaults":       {},
		"without demand": chart.Set("signals.demand.enabled", false),
		"fixed replicas": chart.Set("autoscaling.enabled", false),
		"no alerts":      chart.Set("alerts.enabled", false),
		"blind":          chart.Set("kubeStateMetrics.enabled", false),
		"served":         chart.Parse(t, "servedNamespaces: [film]"),
		"odd":            chart.Parse(t, `{signals: {labels: {namespace: odd_namespace, pod: odd_pod, container: odd_container}, overruns: {target: 200m}, demand: {target: 1}}, slo: {objective: 95}}`),
	}
	for name, values := range renderings {
		page := chart.Render(t, values).PrometheusFiles(t)["holograph.html"]
		assert.NotContains(t, page, "<<", "%s: something is not put in", name)
		assert.NotEqual(t, name == "no alerts", strings.Contains(page, "No alert fires"), "%s: without alerts it is not known that all is well", name)
		assert.Equal(t, name == "no alerts", strings.Contains(page, "No alerts are installed"), name)
		require.NoError(t, os.WriteFile(filepath.Join(pages, name), []byte(page), 0o644))
	}
	server := promtool.Serve(t, "global: {}", pages)
	for name := range renderings {
		page, err := server.Get(t.Context(), "/consoles/"+name)
		if assert.NoError(t, err, name) {
			assert.Contains(t, page, "Nothing is known of any frame", name)
			assert.NotContains(t, page, "ZgotmplZ", "%s: html/template refused a value", name)
			assert.Contains(t, page, "</html>", name)
		}
	}
}
