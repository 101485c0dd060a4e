package chart_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"holograph/test/internal/chart"
)

// TestSpecification holds the chart to what was asked for (docs/design.md), number by number, under the values of late frames only.
func TestSpecification(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Example(t, "late-frames-only"))

	autoscaler := rendered.HorizontalPodAutoscaler(t)
	assert.Equal(t, "holograph-renderer", autoscaler.Name)
	assert.Equal(t, autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "holograph-renderer"}, autoscaler.Spec.ScaleTargetRef)
	assert.EqualValues(t, 2, *autoscaler.Spec.MinReplicas)
	assert.EqualValues(t, 10, autoscaler.Spec.MaxReplicas)
	assert.Nil(t, autoscaler.Spec.Behavior, "behavior: want none, which differs from an empty one")
	require.Len(t, autoscaler.Spec.Metrics, 1)
	metric := autoscaler.Spec.Metrics[0]
	require.Equal(t, autoscalingv2.PodsMetricSourceType, metric.Type)
	assert.Equal(t, "holograph_frames_over_budget_total", metric.Pods.Metric.Name)
	assert.Nil(t, metric.Pods.Metric.Selector)
	assert.Equal(t, autoscalingv2.AverageValueMetricType, metric.Pods.Target.Type)
	assert.Equal(t, "100m", metric.Pods.Target.AverageValue.String(), "0.1 late frames per second and pod")

	deployment := rendered.Deployment(t, chart.Renderer)
	assert.Equal(t, "holograph-renderer", deployment.Name)
	assert.Nil(t, deployment.Spec.Replicas, "replicas, which must not be in the manifest: an upgrade would reset them")

	config := rendered.AdapterConfig(t)
	require.Len(t, config.Rules, 1)
	rule := config.Rules[0]
	assert.Equal(t, `holograph_frames_over_budget_total{namespace!="",pod!="",container="renderer"}`, rule.SeriesQuery)
	assert.Empty(t, rule.SeriesFilters)
	assert.Equal(t, "^holograph_frames_over_budget_total$", rule.Name.Matches)
	assert.Equal(t, "holograph_frames_over_budget_total", rule.Name.As)
	assert.Len(t, rule.Resources.Overrides, 2, "overrides: namespace and pod only")
	assert.Equal(t, "namespace", rule.Label("namespace"))
	assert.Equal(t, "pod", rule.Label("pod"))
	assert.Equal(t,
		`(0 <= sum by (pod) (max without (job, instance, service, endpoint, node, prometheus, prometheus_replica) `+
			`(rate(holograph_frames_over_budget_total{namespace="film",pod=~"a|b",container="renderer"}[2m]))) <= 10000)`,
		rule.Query(t, "holograph_frames_over_budget_total", "film", "a", "b"))
}
