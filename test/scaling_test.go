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

// The bounds of the request.
const (
	minReplicas = 2
	maxReplicas = 10
)

// The spike of the story, in the worth of one pod. It needs more than the
// minimum and less than the maximum, by half a pod either way and more.
const (
	quietPods = 0.8
	spikePods = 4.5
)

const (
	quietTime = 15 * time.Second
	spikeTime = 110 * time.Second
	// ceaseTime is for how long overruns must be gone with the spike still on.
	ceaseTime = 30 * time.Second
	// scaleDownTime is the window of the rate (30 s), the stabilization (60 s), two
	// decisions (15 s each) and a pod's drain, doubled for a busy machine.
	scaleDownTime = 4 * time.Minute
)

// Late frames bring pods, the pods end the late frames while the load is still
// on, and leave when it is gone. What the autoscaler did is on record.
func TestScaling(t *testing.T) {
	s := harness.New(t)
	s.Install("local")
	s.WaitFor(2*time.Minute, append(wait.Chain(s.Release), wait.Replicas(s.Release, minReplicas))...)

	pod := s.MeasurePod()
	s.Step("a frame costs %.1f ms of CPU; a pod renders %.0f frames a second", pod.FrameCost*1000, pod.FramesPerSecond())
	before, err := recordedScalings(t.Context(), s.Release)
	require.NoError(t, err)
	recording := s.Record()

	spike := load.Spike{
		Base: quietPods * pod.FramesPerSecond(), Peak: spikePods * pod.FramesPerSecond(),
		Before: quietTime, During: spikeTime,
	}
	s.Step("ask for %.0f frames a second, then for %.0f", spike.Base, spike.Peak)
	d := s.Drive(pod.Budget, spike.Stages()...)
	summary := s.Finish(d)

	s.Step("the load is gone: the pods leave")
	s.WaitFor(scaleDownTime, wait.Replicas(s.Release, minReplicas), wait.PodsReady(s.Release))
	line := recording.Stop("A spike on the test cluster", d)
	keepTimeline(s, line, d.Begun)

	t.Run("pods came", func(t *testing.T) {
		peak, _ := line.PeakReadyReplicas().Value()
		assert.Greater(t, peak, spikePods, "Ready replicas at the peak")
		assert.LessOrEqual(t, peak, float64(maxReplicas))
	})
	t.Run("they ended the late frames", func(t *testing.T) {
		spikeBegan, spikeEnded := d.Begun.Add(quietTime), d.Begun.Add(quietTime+spikeTime)
		// A hundredth of the frames may be late: the machine is shared.
		ceased, err := line.OverrunsCeasedAt(spikeBegan, spikeEnded, spike.Peak/100, ceaseTime)
		require.NoError(t, err)
		before, _ := line.InBudgetShareBetween(spikeBegan, ceased).Value()
		after, known := line.InBudgetShareBetween(ceased, spikeEnded).Value()
		require.True(t, known, "share in budget after the overruns had ceased")
		t.Logf("overruns ceased %s after the spike began; in budget before %.1f %%, after %.1f %%",
			ceased.Sub(spikeBegan).Round(time.Second), before*100, after*100)
		assert.Less(t, 1-after, (1-before)/4, "share of late frames after, against a quarter of that before")
		// Capacity ended them, not luck: as many frames were offered as before, more
		// than the first pods could render and fewer than those that were Ready could.
		arrived := meanFramesPerSecond(line, ceased, spikeEnded)
		ready, known := line.ReadyReplicasAt(ceased).Value()
		require.True(t, known, "Ready replicas when the overruns ceased")
		assert.InDelta(t, spike.Peak, arrived, spike.Peak/10, "frames a second that arrived after the overruns had ceased")
		assert.Greater(t, arrived, minReplicas*pod.FramesPerSecond(), "frames a second, against what %d pods render", minReplicas)
		assert.Less(t, arrived, ready*pod.FramesPerSecond(), "frames a second, against what %.0f pods render", ready)
	})
	t.Run("every frame is accounted for", func(t *testing.T) {
		assert.Zero(t, summary.Failed, "frames without an answer")
		assert.Zero(t, summary.NeverStarted, "frames that the load could not start")
	})
	t.Run("Prometheus recorded each scaling", func(t *testing.T) {
		var seen scalings
		for _, scaling := range line.Scalings() {
			if scaling.Up() {
				seen.up++
			} else {
				seen.down++
			}
		}
		require.Positive(t, seen.up)
		require.Positive(t, seen.down)
		require.NoError(t, wait.For(t.Context(), 30*time.Second, wait.Condition{Name: "Prometheus to have recorded what was seen", Unmet: func(ctx context.Context) error {
			after, err := recordedScalings(ctx, s.Release)
			if got := (scalings{after.up - before.up, after.down - before.down}); err == nil && got != seen {
				err = fmt.Errorf("recorded %+v, seen %+v: %v", got, seen, line.Scalings())
			}
			return err
		}}))
	})
}

// scalings counts changes of the desired replicas by direction.
type scalings struct{ up, down int }

// recordedScalings reads the counters of the renderer's HPA in Prometheus.
func recordedScalings(ctx context.Context, r kube.Release) (scalings, error) {
	var counts scalings
	for name, count := range map[string]*int{"up": &counts.up, "down": &counts.down} {
		expression := fmt.Sprintf("holograph:hpa_scale_%s_events:total{namespace=%q,horizontalpodautoscaler=%q}", name, r.Namespace, r.Renderer())
		value, found, err := r.Scalar(ctx, expression)
		if err != nil {
			return scalings{}, err
		}
		if !found {
			return scalings{}, fmt.Errorf("%s is not recorded", expression)
		}
		*count = int(value)
	}
	return counts, nil
}

// meanFramesPerSecond is the mean of what arrived between two times.
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

// keepTimeline writes the story as data and as a picture.
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
