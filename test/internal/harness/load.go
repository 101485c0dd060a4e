package harness

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"holograph/test/internal/load"
)

// MeasurePod finds out what one renderer pod can do on this machine.
func (s *Story) MeasurePod() load.Pod {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	pod, err := load.MeasurePod(ctx, s.Release)
	require.NoError(s, err)
	return pod
}

// loadName names the stories' load: there is one at a time.
const loadName = "load"

// Drive starts a load on the release's renderer, which ends with the story at
// the latest. The budget is a frame's.
func (s *Story) Drive(budget time.Duration, stages ...load.Stage) *load.Drive {
	s.Helper()
	ctx, cancel := s.Within(2 * time.Minute)
	defer cancel()
	d, err := load.Start(ctx, s.Release, loadName, load.Profile{Stages: stages, Budget: budget})
	require.NoError(s, err)
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := load.Remove(ctx, s.Release, loadName); err != nil {
			s.Logf("the load could not be removed: %v", err)
		}
	})
	return d
}

// Finish waits for the load's end and returns its counts.
func (s *Story) Finish(d *load.Drive) load.Summary {
	s.Helper()
	ctx, cancel := s.Within(time.Until(d.Begun.Add(d.Profile.Duration())) + 2*time.Minute)
	defer cancel()
	summary, err := d.Wait(ctx)
	require.NoError(s, err)
	s.Logf("    %s", summary)
	return summary
}

// Cut ends the load now and returns its counts. It fails where the load was over
// already, and so did not cover what the story did meanwhile.
func (s *Story) Cut(d *load.Drive) load.Summary {
	s.Helper()
	require.Positive(s, time.Until(d.Begun.Add(d.Profile.Duration())), "the load ended by itself")
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	require.NoError(s, d.Stop(ctx))
	return s.Finish(d)
}

// Record records what the release's loop does, until it is stopped.
func (s *Story) Record() *load.Recording { return load.Record(s.Context(), s.Release) }
