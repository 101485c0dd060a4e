package sim_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/sim/fleet"
	"holograph/test/sim/manifest"
	"holograph/test/sim/sim"
	"holograph/test/sim/trace"
)

// sessionsExample renders values-examples/sessions.yaml on top of local.yaml, with other values over both.
func sessionsExample(t testing.TB, over map[string]any) *manifest.Manifest {
	t.Helper()
	local, err := manifest.ReadValues("../../../values-examples/local.yaml")
	require.NoError(t, err)
	example, err := manifest.ReadValues("../../../values-examples/sessions.yaml")
	require.NoError(t, err)
	return render(t, "../../../charts/holograph", local.Overlay(example.Map).Overlay(over))
}

// TestOracleOfSessions: it has a place for each session, and no pod more.
func TestOracleOfSessions(t *testing.T) {
	config := fleet.Defaults()
	config.Sessions = fleet.DefaultSessions(4)
	load, capacity := standard(t, "step").Seconds()
	o := sim.NewOracle(config, load, capacity)
	for s, sessions := range config.InProgress(load) {
		require.GreaterOrEqual(t, 4*o.Pods[s], sessions, "places in second %d", s)
		require.Less(t, 4*(o.Pods[s]-1), max(1, sessions), "places of one pod fewer in second %d", s)
	}
	assert.Greater(t, slices.Max(o.Pods), 2*o.Pods[0], "pods after the step")
}

// TestSessionsOfACluster repeats the promise "fleet shrinks" of docs/faults.md as it ran when the example's target was 0.75:
// sessions of two minutes that arrive evenly and are not tried again, of which 12 would be in progress for six minutes, and
// a quarter of that afterwards. The cluster refused 7 of 38 and had 4 pods at most.
func TestSessionsOfACluster(t *testing.T) {
	m := sessionsExample(t, map[string]any{
		"signals":     map[string]any{"demand": map[string]any{"target": "0.75"}},
		"autoscaling": map[string]any{"behavior": map[string]any{"scaleDown": map[string]any{"stabilizationWindowSeconds": 0}}},
	})
	const more, recovery = 360, 83
	load := trace.Trace{Name: "fleet shrinks", Points: []trace.Point{{Load: 0, Capacity: 1}, {Second: 1, Load: 0, Capacity: 1},
		{Second: 1, Load: 3, Capacity: 1}, {Second: more, Load: 3, Capacity: 1}, {Second: more, Load: 0.75, Capacity: 1}, {Second: more + recovery, Load: 0.75, Capacity: 1}}}
	var shares, most, viewers []float64
	for seed := range uint64(100) {
		options := sim.Options{Fleet: fleet.Defaults()}
		options.Fleet.Seed, options.Fleet.PodStart, options.Fleet.ScrapeInterval = seed, 5*time.Second, m.ScrapeInterval
		options.Fleet.Sessions = &fleet.Sessions{Places: m.Places, Length: 1e4 * time.Hour, Longest: 2 * time.Minute, Tries: 1, Paced: true}
		r, err := sim.Run(m, load, options)
		require.NoError(t, err)
		peak := 0
		for _, row := range r.Rows {
			peak = max(peak, row.Spec)
		}
		shares, most, viewers = append(shares, r.Late/r.Frames), append(most, float64(peak)), append(viewers, r.Frames)
		assert.Zero(t, r.Cut, "sessions that were cut off, seed %d", seed)
	}
	middle := func(values []float64) (low, mean, high float64) {
		slices.Sort(values)
		for _, v := range values {
			mean += v / float64(len(values))
		}
		return values[4], mean, values[95]
	}
	low, mean, high := middle(shares)
	t.Logf("refused %.3f, in nine runs of ten %.3f to %.3f", mean, low, high)
	assert.LessOrEqual(t, low, 7.0/38, "share that is refused, in all runs but a twentieth")
	assert.GreaterOrEqual(t, high, 7.0/38, "share that is refused, in all runs but a twentieth")
	low, mean, high = middle(most)
	t.Logf("most pods %.2f, %.0f to %.0f", mean, low, high)
	assert.LessOrEqual(t, low, 4.0, "most pods, in all runs but a twentieth")
	assert.GreaterOrEqual(t, high, 4.0, "most pods, in all runs but a twentieth")
	_, mean, _ = middle(viewers)
	assert.InDelta(t, 38, mean, 2, "viewers")
}
