package fleet

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/sim/query"
)

// short are sessions of three minutes on average with so many places a pod: exponential, or all of the same length.
func short(places int, same bool) *Sessions {
	s := DefaultSessions(places)
	s.Length, s.Longest = 3*time.Minute, time.Hour
	if same {
		s.Length, s.Longest = 1e4*time.Hour, 3*time.Minute
	}
	return s
}

// erlangB is the share of calls that are lost where so many lines are offered a load in lines' worth.
func erlangB(lines int, load float64) float64 {
	lost := 1.0
	for n := 1; n <= lines; n++ {
		lost = load * lost / (float64(n) + load*lost)
	}
	return lost
}

// held starts a fleet whose number of pods does not change, with viewers for so many pods' worth of sessions, and runs it.
func held(t *testing.T, s *Sessions, pods int, load float64, seconds int) *Fleet {
	t.Helper()
	config := Defaults()
	config.Seed, config.Sessions = 1, s
	l, c := constant(load, seconds)
	f, _ := start(t, config, pods, l, c)
	f.run(seconds)
	return f
}

// shares are the viewers who were refused at their first try, and who left, of those who arrived.
func (f *Fleet) shares() (refused, left float64) {
	var arrived float64
	for _, row := range f.Rows {
		arrived += row.Frames
		refused += row.Refused
		left += row.Late
	}
	return refused / arrived, left / arrived
}

// TestRefusalsAreErlangs: a Service that picks pods at random gives each pod a Poisson process of its own, so a pod whose
// viewers try once loses what Erlang's formula says for its places, whatever the distribution of the lengths is.
func TestRefusalsAreErlangs(t *testing.T) {
	for _, c := range []struct {
		places, pods int
		utilization  float64 // the load, as a part of all places
	}{{1, 10, 0.6}, {4, 10, 0.6}, {4, 10, 0.75}, {4, 10, 1.5}, {16, 10, 0.75}, {40, 1, 0.75}} {
		for _, same := range []bool{false, true} {
			s := short(c.places, same)
			s.Tries = 1
			refused, left := held(t, s, c.pods, c.utilization*float64(c.pods), 100_000).shares()
			want := erlangB(c.places, c.utilization*float64(c.places))
			assert.InDelta(t, want, refused, 0.01, "share of viewers that %d pods of %d places refuse at %v, lengths the same: %v", c.pods, c.places, c.utilization, same)
			assert.Equal(t, refused, left)
		}
	}
}

// TestRefusalsWithRetries: where all viewers try until they have a place, the tries that are refused add to those that
// a pod gets. What is refused then is near Erlang's formula for the load with which a pod carries its part of the sessions;
// the formula takes the pods of a fleet for independent of one another.
func TestRefusalsWithRetries(t *testing.T) {
	for _, utilization := range []float64{0.5, 0.6, 0.75} {
		s := short(4, false)
		s.Tries = 1e6
		refused, left := held(t, s, 10, 10*utilization, 100_000).shares()
		carried := 4 * utilization
		offered := carried
		for range 1000 {
			offered = carried / (1 - erlangB(4, offered))
		}
		assert.InDelta(t, erlangB(4, offered), refused, 0.04, "share of first tries that are refused at %v", utilization)
		assert.Zero(t, left)
	}
}

// TestTries: of viewers who arrive twice as fast as one place can take them, each second one tries six times, every two
// seconds, and leaves. All that becomes of viewers counts in the second in which they arrived.
func TestTries(t *testing.T) {
	config := Defaults()
	config.Sessions = short(1, true)
	config.Sessions.Paced = true
	l, c := constant(2, 3550)
	f, _ := start(t, config, 1, l, c)
	waited, longest := 0, 0
	for second := range l {
		f.run(second + 1)
		if waited++; len(f.waiting) == 0 {
			waited = 0
		}
		longest = max(longest, waited)
	}
	refused, left := f.shares()
	assert.InDelta(t, 0.5, refused, 0.02, "share of viewers who were refused")
	assert.Equal(t, refused, left, "share of viewers who left")
	assert.Equal(t, 10, longest, "seconds that a viewer waits")
	for s, row := range f.Rows {
		require.LessOrEqual(t, max(row.Refused, row.Late), row.Frames, "viewers of second %d", s)
	}
}

// TestAssignedSessions: where something assigns the sessions, a fleet loses what Erlang's formula says for all places
// together.
func TestAssignedSessions(t *testing.T) {
	s := short(4, false)
	s.Tries, s.Assigned = 1, true
	refused, _ := held(t, s, 5, 4, 100_000).shares()
	assert.InDelta(t, erlangB(20, 16), refused, 0.01, "share of viewers whom 5 pods of 4 places refuse")
}

// TestSessionsInProgress: without refusals their number is that of an M/G/∞ queue, a Poisson number whose mean is the load,
// and a fleet with room for all holds exactly them.
func TestSessionsInProgress(t *testing.T) {
	const load, seconds = 7.5, 400_000
	for _, same := range []bool{false, true} {
		config := Defaults()
		config.Seed, config.Sessions = 1, short(4, same)
		l, _ := constant(load, seconds)
		inProgress := config.InProgress(l)
		var mean, variance float64
		for _, n := range inProgress {
			mean += float64(n) / seconds
		}
		for _, n := range inProgress {
			variance += (float64(n) - mean) * (float64(n) - mean) / seconds
		}
		assert.InDelta(t, 4*load, mean, 1, "mean, lengths the same: %v", same)
		assert.InDelta(t, 4*load, variance, 4, "variance, lengths the same: %v", same)
	}

	s := short(1000, false)
	config := Defaults()
	config.Seed, config.Sessions = 1, s
	l, c := constant(0.03, 2000)
	f, _ := start(t, config, 3, l, c)
	for second, want := range config.InProgress(l) {
		f.run(second + 1)
		got := 0
		for _, p := range f.pods {
			got += len(p.ends)
		}
		require.Equal(t, want, got, "sessions in second %d", second)
	}
}

// TestRemovedPodEndsItsSessions: it takes no new one, and is gone with its last one.
func TestRemovedPodEndsItsSessions(t *testing.T) {
	for name, c := range map[string]struct {
		grace time.Duration
		cut   bool
	}{"grace period of the longest session": {time.Hour, false}, "Kubernetes' own grace period": {30 * time.Second, true}} {
		t.Run(name, func(t *testing.T) {
			config := Defaults()
			config.Sessions = short(4, false)
			l, capacity := constant(6, 4000)
			named := identity
			named.Grace = c.grace
			f, err := New(config, named, epoch, 8, l, capacity, query.NewStore(), nil, time.Minute)
			require.NoError(t, err)
			f.SetScale(4)
			f.run(1)
			var leaving []*pod
			sessions, last := 0, 0
			for _, p := range f.pods {
				if p.gone != 0 {
					leaving = append(leaving, p)
					sessions += len(p.ends)
					for _, end := range p.ends {
						last = max(last, end)
					}
				}
			}
			require.Len(t, leaving, 4)
			require.Positive(t, sessions, "sessions on the pods that are removed")
			spec, status := f.Scale()
			assert.Equal(t, []int{4, 4, 4}, []int{spec, status, f.Rows[0].Leaving})
			for second := 2; second <= 4000; second++ {
				f.run(second)
				left := 0
				for _, p := range leaving {
					left += len(p.ends)
				}
				require.LessOrEqual(t, left, sessions, "sessions on pods that are removed, in second %d", second)
				sessions = left
			}
			gone, cut := 0, 0.0
			for s, row := range f.Rows {
				if row.Leaving > 0 {
					gone = s + 1
				}
				cut += row.Cut
			}
			if c.cut {
				assert.Positive(t, cut, "sessions that were cut off")
				assert.Equal(t, 30, gone, "second at which the last removed pod is gone")
				return
			}
			assert.Zero(t, cut, "sessions that were cut off")
			assert.Equal(t, last, gone, "second at which the last removed pod is gone: that in which the last session ends")
		})
	}
}

// TestFewestFirst: the pod that is removed is one with the fewest sessions. Without a cost it has more, as Kubernetes does not
// know of them.
func TestFewestFirst(t *testing.T) {
	removed := func(fewest bool) (sessions, least int) {
		for seed := range uint64(20) {
			config := Defaults()
			config.Seed, config.Sessions = seed, short(4, false)
			config.Sessions.FewestFirst = fewest
			l, c := constant(9, 100)
			f, _ := start(t, config, 12, l, c)
			f.run(20)
			fewestOfAll := math.MaxInt
			for _, p := range f.pods {
				fewestOfAll = min(fewestOfAll, len(p.ends))
			}
			f.SetScale(11)
			f.run(21)
			for _, p := range f.pods {
				if p.gone != 0 {
					sessions += len(p.ends)
				}
			}
			least += fewestOfAll
		}
		return sessions, least
	}
	got, least := removed(true)
	assert.LessOrEqual(t, got, least, "sessions of the pods that are removed, by their cost")
	got, least = removed(false)
	assert.Greater(t, got, 2*least, "sessions of the pods that are removed, without a cost")
}
