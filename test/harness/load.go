package harness

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"holograph/test/drive"
	"holograph/test/load"
	"holograph/test/watch"
)

// Pod is what one renderer pod can do.
type Pod struct {
	// FrameCost is the CPU seconds that a frame takes.
	FrameCost float64
	// FramesPerSecond is the rate at which the pod's CPU limit is used up.
	FramesPerSecond float64
}

// MeasurePod finds out what one renderer pod can do on this machine.
func (s *Story) MeasurePod() Pod {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	cost, err := watch.FrameCost(ctx, s.Release)
	require.NoError(s, err)
	deployment, err := s.Release.Deployment(ctx)
	require.NoError(s, err)
	cores := deployment.Spec.Template.Spec.Containers[0].Resources.Limits.Cpu().AsApproximateFloat64()
	require.Positive(s, cores, "without a CPU limit a pod's capacity is unknown")
	return Pod{FrameCost: cost, FramesPerSecond: cores / cost}
}

// loadName names the stories' load: there is one at a time.
const loadName = "load"

// Drive starts a load on the release's renderer, which ends with the story at
// the latest.
func (s *Story) Drive(stages ...load.Stage) *drive.Drive {
	s.Helper()
	ctx, cancel := s.Within(2 * time.Minute)
	defer cancel()
	d, err := drive.Start(ctx, s.Release, loadName, load.Profile{Stages: stages, Budget: s.budget()})
	require.NoError(s, err)
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := drive.Remove(ctx, s.Release, loadName); err != nil {
			s.Logf("the load could not be removed: %v", err)
		}
	})
	return d
}

// Finish waits for the load's end and returns its counts.
func (s *Story) Finish(d *drive.Drive) load.Summary {
	s.Helper()
	ctx, cancel := s.Within(time.Until(d.Begun.Add(d.Profile.Duration())) + 2*time.Minute)
	defer cancel()
	summary, err := d.Wait(ctx)
	require.NoError(s, err)
	s.Logf("    %s", summary)
	return summary
}

// Record records what the release's loop does, until it is stopped.
func (s *Story) Record() *watch.Recording { return watch.Record(s.Context(), s.Release) }

// budget reads the frame budget that the renderer was given.
func (s *Story) budget() time.Duration {
	s.Helper()
	ctx, cancel := s.Within(10 * time.Second)
	defer cancel()
	deployment, err := s.Release.Deployment(ctx)
	require.NoError(s, err)
	for _, variable := range deployment.Spec.Template.Spec.Containers[0].Env {
		if variable.Name == "HOLOGRAPH_FRAME_BUDGET" {
			budget, err := time.ParseDuration(variable.Value)
			require.NoError(s, err)
			return budget
		}
	}
	require.Fail(s, "the renderer has no HOLOGRAPH_FRAME_BUDGET")
	return 0
}
