package harness

import (
	"context"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"holograph/test/internal/load"
)

// MeasurePod measures how many frames a renderer pod renders on this machine.
func (s *Story) MeasurePod() load.Pod {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	pod, err := load.MeasurePod(ctx, s.Release)
	require.NoError(s, err)
	return pod
}

// loadName is the name of the story's load. A story has one load at a time, and those of [Story.OfferAs] beside it.
const loadName = "load"

// Drive starts loads, one after the other, on the renderer of the release. The end of the story removes them. The budget is
// the frame budget: frames that take longer count as late.
func (s *Story) Drive(budget time.Duration, loads ...[]load.Stage) *load.Drive {
	s.Helper()
	return s.Offer(load.Profile{Stages: slices.Concat(loads...), Budget: budget})
}

// Offer is Drive for any profile.
func (s *Story) Offer(profile load.Profile) *load.Drive {
	s.Helper()
	return s.OfferAs(loadName, profile)
}

// OfferAs is Offer for a load of that name, which runs beside those of other names.
func (s *Story) OfferAs(name string, profile load.Profile) *load.Drive {
	s.Helper()
	ctx, cancel := s.Within(2 * time.Minute)
	defer cancel()
	d, err := load.Start(ctx, s.Release, name, profile)
	require.NoError(s, err)
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := load.Remove(ctx, s.Release, name); err != nil {
			s.Logf("the load could not be removed: %v", err)
		}
	})
	return d
}

// Finish waits until the load ends and returns its counts.
func (s *Story) Finish(d *load.Drive) load.Summary {
	s.Helper()
	ctx, cancel := s.Within(time.Until(d.Begun.Add(d.Profile.Duration())) + 2*time.Minute)
	defer cancel()
	summary, err := d.Wait(ctx)
	require.NoError(s, err)
	s.Logf("    %s", summary)
	return summary
}

// Cut ends the load now and returns its counts. The story fails if the load has ended by itself: then it may have ended
// before the story checked its effects.
func (s *Story) Cut(d *load.Drive) load.Summary {
	s.Helper()
	require.Positive(s, time.Until(d.Begun.Add(d.Profile.Duration())), "time left of the load: it must last until the story ends it")
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	require.NoError(s, d.Stop(ctx))
	return s.Finish(d)
}

// Record starts to record the load and the replicas of the release.
func (s *Story) Record() *load.Recording { return load.Record(s.Context(), s.Release) }
