package test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/wait"
)

// What runs on the cluster under values-examples/as-specified.yaml says what was
// asked for, to the letter.
func TestAsSpecified(t *testing.T) {
	s := harness.New(t)

	s.Step("install the chart as specified")
	s.Install("as-specified")
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
	ctx, cancel := s.Within(time.Minute)
	defer cancel()

	t.Run("the autoscaler", func(t *testing.T) {
		hpa, err := s.Release.HPA(ctx)
		require.NoError(t, err)
		assert.Equal(t, autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "holograph-renderer"}, hpa.Spec.ScaleTargetRef)
		assert.EqualValues(t, 2, *hpa.Spec.MinReplicas)
		assert.EqualValues(t, 10, hpa.Spec.MaxReplicas)
		require.Len(t, hpa.Spec.Metrics, 1)
		metric := hpa.Spec.Metrics[0]
		require.Equal(t, autoscalingv2.PodsMetricSourceType, metric.Type)
		assert.Equal(t, "holograph_frames_over_budget_total", metric.Pods.Metric.Name)
		assert.Equal(t, autoscalingv2.AverageValueMetricType, metric.Pods.Target.Type)
		assert.Equal(t, "100m", metric.Pods.Target.AverageValue.String(), "0.1, as Kubernetes writes it")
		assert.Nil(t, hpa.Spec.Behavior, "the request names no behavior")
	})
	t.Run("the adapter's rule", func(t *testing.T) {
		configs, err := s.Release.CoreV1().ConfigMaps(s.Release.Namespace).List(ctx, metav1.ListOptions{
			LabelSelector: "app.kubernetes.io/component=prometheus-adapter",
		})
		require.NoError(t, err)
		require.Len(t, configs.Items, 1)
		rule := configs.Items[0].Data["config.yaml"]
		assert.Contains(t, rule, "holograph_frames_over_budget_total")
		assert.Contains(t, rule, "sum by (<<.GroupBy>>)")
		assert.Contains(t, rule, "[2m]")
	})
	t.Run("the Deployment", func(t *testing.T) {
		deployment, err := s.Release.Deployment(ctx)
		require.NoError(t, err)
		assert.Equal(t, "holograph-renderer", deployment.Name)
		assert.EqualValues(t, 2, *deployment.Spec.Replicas, "set by the autoscaler: the chart renders none")
	})
	t.Run("the metric is the rate of frames over budget, in frames per second", func(t *testing.T) {
		served, err := s.Release.PodMetric(ctx, kube.OverrunsMetric)
		require.NoError(t, err)
		queried, err := s.Release.Query(ctx, `sum by (pod) (rate(holograph_frames_over_budget_total{namespace="`+s.Release.Namespace+`"}[2m]))`)
		require.NoError(t, err)
		require.Len(t, queried, len(served))
		for _, sample := range queried {
			// The adapter cuts to thousandths.
			assert.InDelta(t, float64(sample.Value), served[string(sample.Metric["pod"])], 0.01, sample.Metric["pod"])
		}
	})
}
