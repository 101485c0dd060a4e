package test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
)

// burst is the number of frames that one pod is asked for at once: more than it renders within the budget, and so few that the
// rate stays below the autoscaler's target if all of them are late.
const burst = 20

// TestLateFramesOnly: under values-examples/late-frames-only.yaml every link holds, and the metric is the rate of frames over
// budget over two minutes, in frames per second of each pod. What the objects say is checked without a cluster, by
// TestSpecification in test/chart.
func TestLateFramesOnly(t *testing.T) {
	s := harness.New(t)

	s.Step("install the chart with late frames as its only metric")
	s.Install("late-frames-only")
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)

	s.Step("ask one pod for %d frames at once, until it refuses some", burst)
	pod := s.PodsOf(chart.Renderer)[0]
	s.WaitFor(time.Minute, wait.Condition{Name: "a frame that is over budget", Unmet: func(ctx context.Context) error {
		refused, err := load.Burst(ctx, s.Release, pod, burst)
		if err == nil && refused == 0 {
			err = errors.New("all were in budget")
		}
		return err
	}})

	s.Step("compare the metric with Prometheus' own rate")
	s.WaitFor(time.Minute, wait.Condition{Name: "the rate of late frames of pod " + pod.Name, Unmet: func(ctx context.Context) error {
		served, err := s.Release.PodMetric(ctx, kube.OverrunsMetric)
		if err != nil {
			return err
		}
		queried, err := s.Release.Query(ctx, `sum by (pod) (rate(holograph_frames_over_budget_total{namespace="`+s.Release.Namespace+`"}[2m]))`)
		if err != nil {
			return err
		}
		return compare(served, queried, pod.Name)
	}})
}

// compare returns how the values that the API serves differ from those of a query. That of one pod must be above 0.
func compare(served map[string]float64, queried model.Vector, late string) error {
	if len(queried) != len(served) {
		return fmt.Errorf("the API serves values of %d pods, want %d, as Prometheus has", len(served), len(queried))
	}
	for _, sample := range queried {
		pod := string(sample.Metric["pod"])
		value, found := served[pod]
		if !found {
			return fmt.Errorf("the API serves no value of %s, which Prometheus has", pod)
		}
		// The adapter cuts to thousandths.
		if want := float64(sample.Value); math.Abs(value-want) > 0.002 {
			return fmt.Errorf("the API serves %.3f frames per second over budget of %s, want %.3f, as Prometheus has", value, pod, want)
		}
	}
	if served[late] == 0 {
		return fmt.Errorf("the API serves 0 frames per second over budget of %s, want more: it has refused some", late)
	}
	return nil
}
