package sources

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
)

const (
	// otherBudget is the frame budget of testdata/other-renderer.yaml, and otherFramesPerSecond what one of its pods renders
	// with the CPU limit of values-examples/local.yaml.
	otherBudget          = 250 * time.Millisecond
	otherFramesPerSecond = 20
)

// TestOwnRenderer: the chart scales a renderer that was not made for it by the values of values-examples/own-renderer.yaml.
// The renderer has ports, probe paths and metrics of its own, a histogram of frame times, and an exporter as a sidecar. Its
// late frames and its demand add pods, and the pods are removed when the load is over.
func TestOwnRenderer(t *testing.T) {
	s := harness.New(t)
	s.Uninstall()

	s.Step("install the other renderer by values alone")
	require.NoError(t, s.Upgrade(s.OtherRenderer()))
	s.WaitFor(2*time.Minute, append(wait.Chain(s.Release), wait.Replicas(s.Release, 2))...)

	s.Step("the doctor finds no broken link")
	s.HelmTestPasses()

	s.Step("ask for the frames of three pods: late frames and demand add pods")
	const rate = 3 * otherFramesPerSecond
	d := s.Offer(load.Profile{
		Path: "/view", Budget: otherBudget,
		Stages: load.Steady(rate, storyTimeout),
	})
	s.WaitFor(time.Minute, above(s.Release, kube.OverrunsMetric, 0.1), above(s.Release, demandMetric, 0.75))
	s.WaitFor(2*time.Minute, wait.ReplicasAtLeast(s.Release, 4))

	s.Step("the load is over: the pods are removed")
	summary := s.Cut(d)
	assert.Positive(t, summary.Late+summary.Refused, "late and refused frames, before pods were added")
	s.WaitFor(4*time.Minute, wait.Replicas(s.Release, 2), wait.PodsReady(s.Release))
}

// demandMetric is the name under which demand is served: the chart's default signals.demand.name.
const demandMetric = "holograph_demand"

// above is met when the metric of some renderer pod is above the target on the custom metrics API.
func above(r kube.Release, metric string, target float64) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("%s of a pod above %v", metric, target), Unmet: func(ctx context.Context) error {
		values, err := r.PodMetric(ctx, metric)
		if err != nil {
			return err
		}
		for _, value := range values {
			if value > target {
				return nil
			}
		}
		return fmt.Errorf("the values are %v", values)
	}}
}
