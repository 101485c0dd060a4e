package result

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/sim/report"
)

// result is a run in which the default's fleet answers the step within 22 of the 20 seconds of the floor.
func result() Result {
	run := Run{
		Date: "2026-01-02", Cores: 2, Command: "make bench", ScrapeInterval: 15, SyncPeriod: 15,
		Spike: Spike{Base: 1.2, Peak: 4.5, Before: 60, During: 120, After: 60},
		Pod:   Pod{Cores: 0.05, Budget: 0.66, FramesPerSecond: 10, LoadedFramesPerSecond: 10},
	}
	for range 240 {
		run.Busy = append(run.Busy, 0.5)
	}
	for _, name := range []string{LateFramesOnly, CPU, Default} {
		f := Fleet{
			Name: name, FirstBad: at(61), Refused: 3, LoadSpread: 0.15, StartDelay: 0.004, Scraped: []float64{65}, Served: []Reading{{At: 66, Ratio: 8}},
			Replicas: []Change{{At: -5, Replicas: 2}, {At: 72, Replicas: 5}}, Pods: []PodLife{{Created: -5, Ready: at(-4)}, {Created: -5, Ready: at(-4)}},
		}
		for range 3 {
			f.Pods = append(f.Pods, PodLife{Created: 73, Ready: at(78)})
		}
		for s := range 240 {
			bad := 0
			if s >= 61 && s < 83 {
				bad = 10
			}
			f.Sent, f.InBudget = append(f.Sent, 40), append(f.InBudget, 40-bad)
		}
		run.Fleets = append(run.Fleets, f)
	}
	figures := func(bad, reversals, podSeconds float64) report.Figures {
		return report.Figures{Frames: 10000, BadFrames: bad, WorstMinuteRatio: 0.7, RecoverySeconds: 22, Reversals: reversals, PodSeconds: podSeconds, OraclePodSeconds: 1000}
	}
	return Result{
		Run:       run,
		Measured:  map[string]report.Figures{LateFramesOnly: figures(800, 4, 2000), CPU: figures(300, 0, 1500), Default: figures(200, 1, 1500)},
		Simulated: map[string]report.Figures{LateFramesOnly: figures(850, 4, 2150), CPU: figures(300, 0, 1500), Default: figures(301, 2.5, 1700)},
		Spread:    map[string]report.Figures{LateFramesOnly: figures(800, 4, 2000), CPU: figures(300, 0, 1500), Default: figures(200, 1, 1500)},
	}
}

func TestGoals(t *testing.T) {
	met := func(change func(*Result)) []bool {
		r := result()
		change(&r)
		var list []bool
		for _, goal := range r.Goals() {
			list = append(list, goal.Met())
		}
		return list
	}
	set := func(policy string, change func(*report.Figures)) func(*Result) {
		return func(r *Result) {
			f := r.Measured[policy]
			change(&f)
			r.Measured[policy] = f
		}
	}
	for name, test := range map[string]struct {
		change func(*Result)
		want   []bool
	}{
		"all at their limits":             {func(*Result) {}, []bool{true, true, true, true, true, true}},
		"a frame too many":                {set(Default, func(f *report.Figures) { f.BadFrames = 201 }), []bool{false, true, true, true, true, true}},
		"a reversal too many":             {set(Default, func(f *report.Figures) { f.Reversals = 2 }), []bool{true, false, true, true, true, true}},
		"no reversals to have a part of":  {set(LateFramesOnly, func(f *report.Figures) { f.Reversals = 0 }), []bool{true, false, true, true, true, true}},
		"more pods than late frames only": {set(LateFramesOnly, func(f *report.Figures) { f.PodSeconds = 1499 }), []bool{true, true, false, true, true, true}},
		"as many bad as with CPU":         {set(CPU, func(f *report.Figures) { f.BadFrames = 200 }), []bool{true, true, true, false, true, true}},
		"more pods than with CPU":         {set(CPU, func(f *report.Figures) { f.PodSeconds = 1499 }), []bool{true, true, true, true, false, true}},
		"overruns too long": {func(r *Result) {
			for s := 83; s < 100; s++ {
				r.Run.Fleets[2].InBudget[s] = 0
			}
		}, []bool{true, true, true, true, true, false}},
		"overruns that stay": {func(r *Result) {
			for s := 83; s < 180; s++ {
				r.Run.Fleets[2].InBudget[s] = 0
			}
		}, []bool{true, true, true, true, true, false}},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, met(test.change)) })
	}
}

func TestGoalsInWords(t *testing.T) {
	assert.Equal(t, "bad frames: 201, at most 200 frames: missed", Goal{"bad frames", 201, 200, "frames"}.String())
	assert.Equal(t, "reaction time: 22, at most 30 seconds: met", Goal{"reaction time", 22, 30, "seconds"}.String())
	assert.Equal(t, "reaction time: none, at most 30 seconds: missed", Goal{"reaction time", math.NaN(), 30, "seconds"}.String())
}

func TestPredictionsOff(t *testing.T) {
	r := result()
	off := func(policy string) []string { return Prediction{policy, r.Measured[policy], r.Simulated[policy]}.Off() }
	assert.Empty(t, off(LateFramesOnly), "7.5 % of the pod-seconds and 0.5 % of the frames")
	assert.Empty(t, off(CPU))
	assert.Equal(t, []string{"pod-seconds", "bad frames", "reversals"}, off(Default))
}

func TestPage(t *testing.T) {
	var out strings.Builder
	require.NoError(t, result().Write(&out))
	for _, line := range []string{
		"| **default** | 98.00 % | 200 of 10000 | 70.0 % | 22 s | 1 | 1500 | 1.50 |",
		"- **Machine**: 50 % busy on average while the peak lasted, 50 % in the busiest minute, cluster, load and all. k6 sent 99 of 100 frames at most 4 ms after they were due.",
		"| → scraped | 4.0 (18 %) | 4.0 (18 %) | 4.0 (18 %) |",
		"| → served above target | 1.0 (5 %) | 1.0 (5 %) | 1.0 (5 %) |",
		"| → enough pods Ready | 5.0 (23 %) | 5.0 (23 %) | 5.0 (23 %) |",
		"| **in all** | **22.0** | **22.0** | **22.0** |",
		"| in all, × floor | 1.10 | 1.10 | 1.10 |",
		"- reversals, against a quarter of those of late frames only: 1, at most 1 reversals: met.",
		"| [**default**](default.svg) | measured | 2.00 % | 1500 | 1 | | |",
		"| | predicted | 3.01 % | 1700 | 2.5 | 0.0 pods | off: pod-seconds, bad frames, reversals |",
		"| | with a spread of 15 % | 2.00 % | 1500 | 1.0 | 0.0 pods | within |",
	} {
		assert.Contains(t, out.String(), line+"\n")
	}
	assert.NotContains(t, out.String(), "%!")
	assert.NotContains(t, out.String(), "NaN")
}

func TestPageSaysWhenTheMachineWasSaturated(t *testing.T) {
	r := result()
	var calm, busy strings.Builder
	require.NoError(t, r.Write(&calm))
	assert.NotContains(t, calm.String(), "saturated")
	for s := 60; s < 120; s++ {
		r.Run.Busy[s] = 0.95
	}
	require.NoError(t, r.Write(&busy))
	assert.Contains(t, busy.String(), "**The machine was saturated for a part of the peak.**")
}

func TestPageSaysHowFarTheLoadsAreApart(t *testing.T) {
	r := result()
	var together, apart strings.Builder
	require.NoError(t, r.Write(&together))
	assert.Contains(t, together.String(), "One spike, at the same time, against 3 fleets")
	r.Run.Fleets[1].Started, r.Run.Fleets[2].Started = 20.4, 40.2
	require.NoError(t, r.Write(&apart))
	assert.Contains(t, apart.String(), "One spike, for each 20 s after the one before, against 3 fleets")
}

func TestPageOfOverrunsThatStay(t *testing.T) {
	r := result()
	for s := 61; s < 180; s++ {
		r.Run.Fleets[2].InBudget[s] = 0
	}
	var out strings.Builder
	require.NoError(t, r.Write(&out))
	assert.Contains(t, out.String(), "| → overruns gone | 5.0 (23 %) | 5.0 (23 %) | – |\n")
	assert.Contains(t, out.String(), "| **in all** | **22.0** | **22.0** | – |\n")
	assert.NotContains(t, out.String(), "NaN")
}
