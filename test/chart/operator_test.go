package chart_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
)

// ofKind returns the rendered objects of one kind by name.
func ofKind(rendered *chart.Rendered, kind string) map[string]chart.Object {
	found := map[string]chart.Object{}
	for _, object := range rendered.Objects {
		if object.Kind() == kind {
			found[object.Name()] = object
		}
	}
	return found
}

// valueAt returns the value at a path of keys and indices below an object.
func valueAt(t *testing.T, value any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case int:
			list, _ := value.([]any)
			require.Greater(t, len(list), step, "%v", path)
			value = list[step]
		case string:
			object, ok := value.(chart.Object)
			if ok {
				value = map[string]any(object)
			}
			mapping, _ := value.(map[string]any)
			require.Contains(t, mapping, step, "%v", path)
			value = mapping[step]
		}
	}
	return value
}

// TestPodMonitors: the PodMonitors give the same pods the same job and the same labels as the embedded Prometheus does.
func TestPodMonitors(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, named(t, "operator"), chart.Parse(t, "signals: {labels: {pod: kubernetes_pod_name}}"))
	monitors := ofKind(rendered, "PodMonitor")
	require.Len(t, monitors, 2)
	for component, want := range map[chart.Component]string{
		chart.Renderer:         "{interval: 15s, scrapeTimeout: 10s, path: /metrics, port: http, honorTimestamps: false}",
		chart.KubeStateMetrics: "{interval: 5s, scrapeTimeout: 5s, path: /metrics, port: http, honorTimestamps: false}",
	} {
		monitor := monitors["holograph-"+string(component)]
		require.NotNil(t, monitor, "PodMonitor of %s", component)
		assert.Equal(t, "stack", valueAt(t, monitor, "metadata", "labels", "release"))
		assert.Equal(t, map[string]any{"contact": "graphics"}, valueAt(t, monitor, "metadata", "annotations"))

		pods := rendered.Deployment(t, component).Spec.Template.Labels
		for key, value := range valueAt(t, monitor, "spec", "selector", "matchLabels").(map[string]any) {
			assert.Equal(t, pods[key], value, key)
		}
		assert.Equal(t, string(component), pods[valueAt(t, monitor, "spec", "jobLabel").(string)], "the job's name is that of the embedded Prometheus' job")

		endpoint := chart.Merge(valueAt(t, monitor, "spec", "podMetricsEndpoints", 0).(map[string]any))
		relabelings := fmt.Sprint(endpoint["relabelings"])
		delete(endpoint, "relabelings")
		delete(endpoint, "metricRelabelings")
		assert.Equal(t, chart.Parse(t, want), endpoint)
		assert.Contains(t, relabelings, fmt.Sprintf("map[action:keep regex:%s sourceLabels:[__meta_kubernetes_pod_container_name]]", component))
		named := "map[action:replace sourceLabels:[__meta_kubernetes_pod_name] targetLabel:kubernetes_pod_name]"
		if component == chart.Renderer {
			assert.Contains(t, relabelings, named)
		} else {
			assert.NotContains(t, relabelings, named, "its own labels say whom it speaks of")
		}
	}

	assert.Len(t, ofKind(chart.Render(t, named(t, "operator"), chart.Set("kubeStateMetrics.enabled", false)), "PodMonitor"), 1)
	assert.NotContains(t, rendered.Notes, "which records scaling events")
	elsewhere := chart.Render(t, named(t, "operator"), chart.Set("podMonitor.apiVersion", "azmonitoring.coreos.com/v1"))
	assert.Equal(t, "azmonitoring.coreos.com/v1", ofKind(elsewhere, "PodMonitor")["holograph-renderer"].APIVersion())
}

// TestPrometheusRule: its groups are those of the embedded Prometheus' rules file, without those on that Prometheus itself.
func TestPrometheusRule(t *testing.T) {
	t.Parallel()
	rule := ofKind(chart.Render(t, named(t, "operator")), "PrometheusRule")["holograph"]
	require.NotNil(t, rule)
	assert.Equal(t, "stack", valueAt(t, rule, "metadata", "labels", "release"))
	var embedded struct{ Groups []any }
	require.NoError(t, yaml.Unmarshal([]byte(chart.Render(t).RulesFile(t)), &embedded))
	require.NotEmpty(t, embedded.Groups)
	shared := slices.DeleteFunc(embedded.Groups, func(group any) bool { return group.(map[string]any)["name"] == "holograph-prometheus" })
	assert.Equal(t, shared, valueAt(t, rule, "spec", "groups"))
	text, err := yaml.Marshal(rule)
	require.NoError(t, err)
	assert.NotRegexp(t, `prometheus_(config|rule|notifications|http)_`, string(text), "a Prometheus of your own has no series of the embedded one")

	elsewhere := chart.Render(t, named(t, "operator"), chart.Set("prometheusRule.apiVersion", "azmonitoring.coreos.com/v1"))
	assert.Equal(t, "azmonitoring.coreos.com/v1", ofKind(elsewhere, "PrometheusRule")["holograph"].APIVersion())
	assert.Empty(t, ofKind(chart.Render(t), "PrometheusRule"))
	assert.Empty(t, ofKind(chart.Render(t), "PodMonitor"))
}

// TestLabelsOfAKindReplaceCommonLabels: the Operator and Grafana select objects by such labels, so those for one kind of object take the place
// of commonLabels, as annotations do.
func TestLabelsOfAKindReplaceCommonLabels(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, named(t, "operator"), chart.Parse(t, `{commonLabels: {release: studio, team: film}, podMonitor: {labels: {release: stack}},
		prometheusRule: {labels: {release: stack, app.kubernetes.io/part-of: monitoring}}, dashboard: {enabled: true, labels: {team: grafana}}}`))
	monitor, rule := ofKind(rendered, "PodMonitor")["holograph-renderer"], ofKind(rendered, "PrometheusRule")["holograph"]
	assert.Equal(t, "stack", valueAt(t, monitor, "metadata", "labels", "release"))
	assert.Equal(t, "film", valueAt(t, monitor, "metadata", "labels", "team"))
	assert.Equal(t, "stack", valueAt(t, rule, "metadata", "labels", "release"))
	assert.Equal(t, "monitoring", valueAt(t, rule, "metadata", "labels", "app.kubernetes.io/part-of"))
	assert.Equal(t, "grafana", valueAt(t, ofKind(rendered, "ConfigMap")["holograph-holograph-dashboard"], "metadata", "labels", "team"))
}

// TestScrapeAnnotations: the annotations name the renderer's port and path; annotations of the values take precedence.
func TestScrapeAnnotations(t *testing.T) {
	t.Parallel()
	annotations := func(values string) map[string]string {
		return chart.Render(t, chart.Parse(t, values)).Deployment(t, chart.Renderer).Spec.Template.Annotations
	}
	assert.Empty(t, annotations(""))
	assert.Equal(t, map[string]string{
		"prometheus.io/scrape": "true", "prometheus.io/port": "9000", "prometheus.io/path": "/m",
	}, annotations("{scrapeAnnotations: {enabled: true}, renderer: {port: 9000, metrics: {path: /m}}}"))
	assert.Equal(t, map[string]string{
		"prometheus.io/scrape": "false", "prometheus.io/port": "8080", "prometheus.io/path": "/metrics", "scene": "city",
	}, annotations(`{scrapeAnnotations: {enabled: true}, renderer: {podAnnotations: {prometheus.io/scrape: "false", scene: city}}}`))
}

// TestPodMonitorsHaveMoreRelabelings: those of the values are the last ones, so that they see what the chart's own leave, with
// the action that the API server would add.
func TestPodMonitorsHaveMoreRelabelings(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, named(t, "operator"), chart.Parse(t, `podMonitor: {relabelings: [{targetLabel: cluster, replacement: eu}], metricRelabelings: [{regex: view, action: labeldrop}]}`))
	// What changes no label by which rules and adapter find samples is not refused.
	chart.Render(t, named(t, "operator"), chart.Parse(t, `kubeStateMetrics: {enabled: false}
signals: {labels: {pod: kubernetes_pod}}
podMonitor:
  relabelings: [{sourceLabels: [pod], targetLabel: pod, regex: (.*)-.*}, {targetLabel: deployment, replacement: film}, {sourceLabels: [namespace], targetLabel: kubernetes_pod, action: keepequal}]
  metricRelabelings: [{regex: pod|namespaces, action: labeldrop}, {regex: "namespace|kubernetes_pod|container|__name__|le", action: labelkeep}, {regex: "exported_(.+)", action: labelmap}]`))
	monitors := ofKind(rendered, "PodMonitor")
	require.NotEmpty(t, monitors)
	for name, monitor := range monitors {
		assert.NoError(t, monitor.Validate(), name)
		for list, want := range map[string]map[string]any{
			"relabelings":       {"targetLabel": "cluster", "replacement": "eu", "action": "replace"},
			"metricRelabelings": {"regex": "view", "action": "labeldrop"},
		} {
			steps, _ := valueAt(t, monitor, "spec", "podMetricsEndpoints", 0, list).([]any)
			require.NotEmpty(t, steps, "%s of PodMonitor %s", list, name)
			assert.Equal(t, want, steps[len(steps)-1], "the last of the %s of PodMonitor %s", list, name)
		}
	}
}
