package chart_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"holograph/test/internal/chart"
)

func TestBehavior(t *testing.T) {
	t.Parallel()
	behavior := chart.Render(t).HorizontalPodAutoscaler(t).Spec.Behavior
	require.NotNil(t, behavior)
	most := autoscalingv2.MaxChangePolicySelect
	assert.Equal(t, &autoscalingv2.HPAScalingRules{
		StabilizationWindowSeconds: new(int32(0)),
		SelectPolicy:               &most,
		Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 300, PeriodSeconds: 15}},
	}, behavior.ScaleUp)
	assert.Equal(t, &autoscalingv2.HPAScalingRules{
		StabilizationWindowSeconds: new(int32(300)),
		SelectPolicy:               &most,
		Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 10, PeriodSeconds: 120}},
	}, behavior.ScaleDown)

	empty := chart.Render(t, chart.Parse(t, "autoscaling: {behavior: {scaleUp: null, scaleDown: null}}")).HorizontalPodAutoscaler(t)
	assert.Equal(t, &autoscalingv2.HorizontalPodAutoscalerBehavior{}, empty.Spec.Behavior, "an empty behavior is not an absent one")
}
