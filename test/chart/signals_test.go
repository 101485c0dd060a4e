package chart_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"holograph/test/internal/chart"
)

// TestDemand holds the second signal: its metric stands after the first, and its rule beside the other.
func TestDemand(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)

	metrics := rendered.HorizontalPodAutoscaler(t).Spec.Metrics
	require.Len(t, metrics, 2)
	assert.Equal(t, "holograph_frames_over_budget_total", metrics[0].Pods.Metric.Name)
	demand := metrics[1]
	require.Equal(t, autoscalingv2.PodsMetricSourceType, demand.Type)
	assert.Equal(t, "holograph_demand", demand.Pods.Metric.Name)
	assert.Nil(t, demand.Pods.Metric.Selector)
	assert.Equal(t, autoscalingv2.AverageValueMetricType, demand.Pods.Target.Type)
	assert.Equal(t, "750m", demand.Pods.Target.AverageValue.String(), "target of demand")

	rules := rendered.AdapterConfig(t).Rules
	require.Len(t, rules, 2)
	rule := rules[1]
	assert.Equal(t, `holograph_offered_cpu_seconds_total{namespace!="",pod!="",container="renderer"}`, rule.SeriesQuery)
	assert.Empty(t, rule.SeriesFilters)
	assert.Equal(t, "^holograph_offered_cpu_seconds_total$", rule.Name.Matches)
	assert.Equal(t, "holograph_demand", rule.Name.As)
	assert.Equal(t, rules[0].Resources, rule.Resources)
	assert.Equal(t,
		`clamp_max((0 <= sum by (pod) (max without (job, instance, service, endpoint, node, prometheus, prometheus_replica) `+
			`(rate(holograph_offered_cpu_seconds_total{namespace="film",pod=~"a|b",container="renderer"}[1m]) `+
			`and on () last_over_time(holograph_offered_cpu_seconds_total{namespace="film",pod=~"a|b",container="renderer"}[30s] offset 75s))) `+
			`/ (0 < sum by (pod) (max without (job, instance, service, endpoint, node, prometheus, prometheus_replica) `+
			`(last_over_time(holograph_cpu_capacity_cores{namespace="film",pod=~"a|b",container="renderer"}[1m]))) < +Inf) <= 1000), 10)`,
		rule.Query(t, "holograph_offered_cpu_seconds_total", "film", "a", "b"))

	for _, name := range []string{"holograph_frames_over_budget_total", "holograph_demand"} {
		assert.Contains(t, rendered.Notes, "/pods/*/"+name+"\"")
	}
	assert.NotContains(t, rendered.Notes, "late frames only", "notes with the default signals, which need no warning")
}

// TestDemandOff renders for a renderer that only counts frames over budget: nothing asks for what it does not
// export, what is not used is not judged, and the price is named.
func TestDemandOff(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, `signals: {demand: {enabled: false, window: 1s, target: "75", name: holograph_frames_over_budget_total}}`))
	require.Len(t, rendered.HorizontalPodAutoscaler(t).Spec.Metrics, 1)
	require.Len(t, rendered.AdapterConfig(t).Rules, 1)
	for _, name := range []string{"holograph_demand", "holograph_offered_cpu_seconds_total", "holograph_cpu_capacity_cores"} {
		assert.NotContains(t, rendered.Manifest+rendered.Notes, name)
	}
	assert.Contains(t, rendered.Notes, "signals.demand.enabled is false")
	assert.Contains(t, rendered.Notes, "it removes pods until frames are late, adds them, and removes them again")

	fixed := chart.Render(t, chart.Parse(t, "{signals: {demand: {enabled: false}}, autoscaling: {enabled: false}}"))
	assert.NotContains(t, fixed.Notes, "late frames only", "notes without autoscaling, which need no warning")
}

// TestDemandAsATotal: the autoscaler asks for one number for all pods of the Deployment that it scales, and the doctor and the
// notes for the same.
func TestDemandAsATotal(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Set("signals.demand.metricType", "Object"))
	autoscaler := rendered.HorizontalPodAutoscaler(t)
	demand := autoscaler.Spec.Metrics[1]
	require.Equal(t, autoscalingv2.ObjectMetricSourceType, demand.Type)
	assert.Equal(t, "holograph_demand", demand.Object.Metric.Name)
	assert.Equal(t, autoscaler.Spec.ScaleTargetRef, demand.Object.DescribedObject, "described object of demand, want the Deployment that is scaled")
	assert.Equal(t, autoscalingv2.AverageValueMetricType, demand.Object.Target.Type)
	assert.Equal(t, "750m", demand.Object.Target.AverageValue.String(), "target of demand")
	assert.Equal(t, "pod", rendered.AdapterConfig(t).Rules[1].Label("deployment"))
	assert.Equal(t, "deployments.apps", pathOf(t, rendered).Signals[1].Resource)
	assert.Contains(t, permissions(t, rendered, chart.Doctor)["holograph"], "get deployments.apps/holograph_demand.custom.metrics.k8s.io ")
	assert.Contains(t, rendered.Notes, "/deployments.apps/holograph-renderer/holograph_demand\"")
}

// TestLabelsWithoutQuotes: YAML makes a number of an account's ID, and a boolean of true, and the queries have what was written.
func TestLabelsWithoutQuotes(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, `{prometheus: {enabled: false, url: "https://metrics.example"},
		signals: {matchers: {account: 123456789012}, overruns: {metric: holograph_frames_total, selector: {late: true, level: 1000000}}}}`))
	rule := rendered.AdapterConfig(t).Rules[0].MetricsQuery
	for _, want := range []string{`account="123456789012"`, `late="true"`, `level="1000000"`} {
		assert.Contains(t, rule, want)
	}
	assert.Equal(t, map[string]string{"account": "123456789012"}, pathOf(t, rendered).Matchers, "what the doctor looks for")
}
