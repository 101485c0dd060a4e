package test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/timeline"
	"holograph/test/internal/wait"
)

// The autoscaler's bounds in the request, which are the chart's defaults.
const (
	minReplicas = 2
	maxReplicas = 10
)

// The load before and during the spike, in units of what one pod renders. The spike takes more pods than the minimum and
// fewer than the maximum, by half a pod or more.
const (
	quietPods = 0.8
	spikePods = 4.5
)

const (
	quietTime = 15 * time.Second
	spikeTime = 110 * time.Second
	// ceaseTime is for how long at most lateShare of the frames must be late, while the spike is still on, to show that the
	// overruns have ended.
	ceaseTime = 30 * time.Second
	// lateShare is above 0 because other work runs on the machine.
	lateShare = 0.01
	// scaleDownTime is twice the sum of the rate's window (30 s), the stabilization window (60 s), two decisions (15 s
	// each) and a pod's drain, because the machine may be busy.
	scaleDownTime = 4 * time.Minute
)

// TestScaling: late frames bring pods, the pods end the late frames while the load is still on, and the pods are removed
// when the load is over. Prometheus has recorded each scaling event.
func TestScaling(t *testing.T) {
	s := harness.New(t)
	s.Install("local")
	s.WaitFor(2*time.Minute, append(wait.Chain(s.Release), wait.Replicas(s.Release, minReplicas))...)

	pod := s.MeasurePod()
	s.Step("a frame costs %.1f ms of CPU; a pod renders %.0f frames a second", pod.FrameCost*1000, pod.FramesPerSecond())
	before, err := recordedScalingEvents(t.Context(), s.Release)
	require.NoError(t, err)
	recording := s.Record()

	spike := load.Spike{
		Base: quietPods * pod.FramesPerSecond(), Peak: spikePods * pod.FramesPerSecond(),
		Before: quietTime, During: spikeTime,
	}
	s.Step("ask for %.0f frames a second, then for %.0f", spike.Base, spike.Peak)
	d := s.Drive(pod.Budget, spike.Stages())
	summary := s.Finish(d)

	s.Step("the load is over: the autoscaler goes back to its minimum")
	s.WaitFor(scaleDownTime, wait.Replicas(s.Release, minReplicas), wait.PodsReady(s.Release))
	line := recording.Stop("A spike on the test cluster", d)
	keepTimeline(s, line, d.Begun)

	t.Run("pods came", func(t *testing.T) {
		peak, _ := line.PeakReadyReplicas().Value()
		assert.Greater(t, peak, spikePods, "Ready replicas at the peak")
		assert.LessOrEqual(t, peak, float64(maxReplicas))
	})
	t.Run("pods ended the late frames", func(t *testing.T) {
		spikeBegan, spikeEnded := d.Begun.Add(quietTime), d.Begun.Add(quietTime+spikeTime)
		ceased, err := line.OverrunsCeasedAt(spikeBegan, spikeEnded, lateShare, ceaseTime)
		require.NoError(t, err)
		before, _ := line.InBudgetShareBetween(spikeBegan, ceased).Value()
		after, known := line.InBudgetShareBetween(ceased, spikeEnded).Value()
		require.True(t, known, "share in budget after the overruns had ended is unknown")
		t.Logf("overruns ended %s after the spike began; in budget before that %.1f %%, after it %.1f %%",
			ceased.Sub(spikeBegan).Round(time.Second), before*100, after*100)
		assert.Less(t, 1-after, (1-before)/4, "share of late frames after the overruns had ended, want less than a quarter of the share before")
		// The new pods ended the overruns, not less load: as many frames arrived as before, more than the first pods could
		// render and fewer than the Ready pods could.
		arrived := meanFramesPerSecond(line, ceased, spikeEnded)
		ready, known := line.ReadyReplicasAt(ceased).Value()
		require.True(t, known, "Ready replicas when the overruns ended are unknown")
		assert.InDelta(t, spike.Peak, arrived, spike.Peak/10, "frames a second that arrived after the overruns had ended")
		assert.Greater(t, arrived, minReplicas*pod.FramesPerSecond(), "frames a second that arrived, want more than %d pods render", minReplicas)
		assert.Less(t, arrived, ready*pod.FramesPerSecond(), "frames a second that arrived, want fewer than %.0f pods render", ready)
	})
	t.Run("every frame is accounted for", func(t *testing.T) {
		assert.Zero(t, summary.Failed, "frames without an answer")
		assert.Zero(t, summary.NeverStarted, "frames that the load could not start")
	})
	t.Run("Prometheus recorded each scaling event", func(t *testing.T) {
		var seen scalingEvents
		for _, scaling := range line.ScalingEvents() {
			if scaling.Up() {
				seen.up++
			} else {
				seen.down++
			}
		}
		require.Positive(t, seen.up, "scale-ups in the timeline")
		require.Positive(t, seen.down, "scale-downs in the timeline")
		require.NoError(t, wait.For(t.Context(), 30*time.Second, wait.Condition{Name: "Prometheus to have recorded each scaling event", Unmet: func(ctx context.Context) error {
			after, err := recordedScalingEvents(ctx, s.Release)
			if got := (scalingEvents{after.up - before.up, after.down - before.down}); err == nil && got != seen {
				err = fmt.Errorf("it has recorded %+v, want %+v: the timeline has %v", got, seen, line.ScalingEvents())
			}
			return err
		}}))
	})
}

// scalingEvents counts scaling events by direction.
type scalingEvents struct{ up, down int }

// recordedScalingEvents reads the counters of the HPA's scaling events in Prometheus.
func recordedScalingEvents(ctx context.Context, r kube.Release) (scalingEvents, error) {
	var counts scalingEvents
	for name, count := range map[string]*int{"up": &counts.up, "down": &counts.down} {
		expression := fmt.Sprintf("holograph:hpa_scale_%s_events:total{namespace=%q,horizontalpodautoscaler=%q}", name, r.Namespace, r.Renderer())
		value, found, err := r.Scalar(ctx, expression)
		if err != nil {
			return scalingEvents{}, err
		}
		if !found {
			return scalingEvents{}, fmt.Errorf("%s is not recorded", expression)
		}
		*count = int(value)
	}
	return counts, nil
}

// meanFramesPerSecond returns the mean rate of the frames that arrived between two times.
func meanFramesPerSecond(line *timeline.Timeline, from, to time.Time) float64 {
	var sum, readings float64
	for _, point := range line.Points() {
		if value, known := point.FramesPerSecond.Value(); known && point.At.After(from) && point.At.Before(to) {
			sum += value
			readings++
		}
	}
	return sum / readings
}

// keepTimeline writes the timeline into the story's folder, as CSV and as SVG.
func keepTimeline(s *harness.Story, line *timeline.Timeline, begun time.Time) {
	s.Helper()
	line.MinReplicas, line.MaxReplicas = minReplicas, maxReplicas
	line.Events = []timeline.Event{
		{At: begun, Name: "load on"},
		{At: begun.Add(quietTime), Name: "spike"},
		{At: begun.Add(quietTime + spikeTime), Name: "load off"},
	}
	data, err := os.Create(s.Artifact("timeline.csv"))
	require.NoError(s, err)
	defer data.Close()
	require.NoError(s, line.WriteCSV(data))
	picture, err := os.Create(s.Artifact("timeline.svg"))
	require.NoError(s, err)
	defer picture.Close()
	require.NoError(s, line.WriteSVG(picture))
	s.Logf("    data and picture: %s", s.Artifacts)
}
