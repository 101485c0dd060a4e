package test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/wait"
)

// TestLateFramesOnly: under values-examples/late-frames-only.yaml every link holds, and the metric is the rate of frames over
// budget in frames per second. What the objects say is checked without a cluster, by TestSpecification in test/chart.
func TestLateFramesOnly(t *testing.T) {
	s := harness.New(t)

	s.Step("install the chart with late frames as its only metric")
	s.Install("late-frames-only")
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)

	s.Step("compare the metric with Prometheus' own rate")
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	served, err := s.Release.PodMetric(ctx, kube.OverrunsMetric)
	require.NoError(t, err)
	queried, err := s.Release.Query(ctx, `sum by (pod) (rate(holograph_frames_over_budget_total{namespace="`+s.Release.Namespace+`"}[2m]))`)
	require.NoError(t, err)
	require.Len(t, queried, len(served), "pods with a rate in Prometheus, against those that the API serves")
	for _, sample := range queried {
		pod := string(sample.Metric["pod"])
		require.Contains(t, served, pod, "pods whose metric the API serves")
		// The adapter cuts to thousandths.
		assert.InDelta(t, float64(sample.Value), served[pod], 0.01, "frames over budget per second of %s", pod)
	}
}
