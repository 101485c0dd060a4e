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
		Number: 1, Shape: Step, Date: "2026-01-02", Cores: 2, ScrapeInterval: 15, SyncPeriod: 15,
		Spike: Spike{Base: 1.2, Peak: 4.5, Before: 60, During: 120, After: 60},
		Pod:   Pod{Cores: 0.05, Budget: 0.66, FramesPerSecond: 10, LoadedFramesPerSecond: 10},
	}
	for range 240 {
		run.Busy = append(run.Busy, 0.5)
	}
	for _, name := range []string{LateFramesOnly, CPU, Default} {
		f := Fleet{
			Name: name, FirstBad: at(61), Refused: 3, StartDelay: 0.004, Scraped: []float64{65}, Served: []Reading{{At: 66, Ratio: 8}},
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
		Run: run, Number: 1, Shape: Step,
		Measured:  map[string]report.Figures{LateFramesOnly: figures(280, 4, 1450), CPU: figures(70, 0, 1500), Default: figures(70, 0, 1450)},
		Simulated: map[string]report.Figures{LateFramesOnly: figures(300, 4, 1500), CPU: figures(70, 0, 1500), Default: figures(301, 2.5, 1700)},
	}
}

// again is a second run of the same, changed.
func again(change func(*Result)) Record {
	second := result()
	second.Number, second.Run.Number = 2, 2
	change(&second)
	return Record{result(), second}
}

func TestGoals(t *testing.T) {
	set := func(policy string, change func(*report.Figures)) func(*Result) {
		return func(r *Result) {
			f := r.Measured[policy]
			change(&f)
			r.Measured[policy] = f
		}
	}
	for name, test := range map[string]struct {
		change func(*Result)
		missed []string
	}{
		"all at their limits": {func(*Result) {}, nil},
		"a frame too many":    {set(Default, func(f *report.Figures) { f.BadFrames = 71 }), []string{"step: bad frames, against a quarter of those of late frames only", "step: bad frames, against those of CPU utilization"}},
		"too many frames, of however long a peak": {func(r *Result) {
			for _, policy := range []string{LateFramesOnly, CPU, Default} {
				f := r.Measured[policy]
				f.BadFrames *= map[bool]float64{true: 200, false: 100}[policy == LateFramesOnly]
				r.Measured[policy] = f
			}
		}, []string{"step: bad frames of the default, as a share of a step with a peak of 33 minutes"}},
		"a reversal in one of two runs":   {set(Default, func(f *report.Figures) { f.Reversals = 1 }), []string{"step: reversals of the default in any run"}},
		"more pods than the oracle's":     {set(Default, func(f *report.Figures) { f.OraclePodSeconds = 999 }), []string{"step: pods of the default"}},
		"more pods than late frames only": {set(LateFramesOnly, func(f *report.Figures) { f.PodSeconds = 1449 }), []string{"step: pod-seconds, against those of late frames only"}},
		"more bad than with CPU":          {set(CPU, func(f *report.Figures) { f.BadFrames = 69 }), []string{"step: bad frames, against those of CPU utilization"}},
		"overruns that stay in one run": {func(r *Result) {
			for s := 83; s < 180; s++ {
				r.Run.Fleets[2].InBudget[s] = 0
			}
		}, []string{"step: reaction time of the default, as a multiple of the floor"}},
	} {
		t.Run(name, func(t *testing.T) {
			var missed []string
			for _, goal := range again(test.change).Goals() {
				if goal.Runs == "" {
					continue
				}
				assert.Equal(t, "runs 1 and 2", goal.Runs, goal.What)
				if !goal.Met() {
					missed = append(missed, goal.What)
				}
			}
			assert.Equal(t, test.missed, missed)
		})
	}
}

func TestTheFlashCrowdIsHeldToHalfOfEachRival(t *testing.T) {
	crowd := result()
	crowd.Shape = FlashCrowd
	crowd.Measured[KEDA] = report.Figures{Frames: 10000, BadFrames: 140}
	var got []string
	for _, goal := range (Record{crowd}).Goals() {
		if goal.Runs != "" {
			got = append(got, goal.String())
		}
	}
	assert.Equal(t, []string{
		"flash crowd: bad frames, against half of those of late frames only: 0.7, at most 1.4 %: met (run 1)",
		"flash crowd: bad frames, against half of those of CPU 70 %: 0.7, at most 0.35 %: missed (run 1)",
		"flash crowd: bad frames, against half of those of KEDA: 0.7, at most 0.7 %: met (run 1)",
		"flash crowd: reversals of the default in any run: 0, at most 0 reversals: met (run 1)",
	}, got)
}

func TestGoalsInWords(t *testing.T) {
	assert.Equal(t, "bad frames: 201, at most 200 frames: missed (run 1)", Goal{"bad frames", "run 1", 201, 200, "frames"}.String())
	assert.Equal(t, "reaction time: 22, at most 30 seconds: met (run 1)", Goal{"reaction time", "run 1", 22, 30, "seconds"}.String())
	assert.Equal(t, "reaction time: none, at most 30 seconds: missed (run 1)", Goal{"reaction time", "run 1", math.NaN(), 30, "seconds"}.String())
	assert.Equal(t, "reaction time: not judged, as no run on record shows it", Goal{What: "reaction time", Got: 1, Limit: 2}.String())
}

func TestPredictionsOff(t *testing.T) {
	r := result()
	off := func(policy string) []string { return Prediction{policy, r.Measured[policy], r.Simulated[policy]}.Off() }
	assert.Empty(t, off(LateFramesOnly), "3.4 % of the pod-seconds and 0.2 % of the frames")
	assert.Empty(t, off(CPU))
	assert.Equal(t, []string{"pod-seconds", "bad frames", "reversals"}, off(Default))
}

func page(t *testing.T, r Record) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, r.Write(&out, nil))
	assert.NotContains(t, out.String(), "%!")
	assert.NotContains(t, out.String(), "NaN")
	return out.String()
}

func TestPage(t *testing.T) {
	out := page(t, again(func(r *Result) { r.Run.Fleets[2].Scraped = []float64{63} }))
	for _, line := range []string{
		"- **A step**: runs [1](runs/1/step.json) of 2026-01-02, [2](runs/2/step.json) of 2026-01-02.",
		"- **A flash crowd**: no run on record.",
		"| **default** | 0.70 % | 70.0 % | 22 s | 0 | 1450 | 1.45 |",
		"- **Machine**: 50 % busy on average from the first fleet's peak to the last one's, 50 % in the busiest minute, cluster, loads and all. k6 sent 99 of 100 frames at most 4 ms after they were due.",
		"| → scraped | 4.0 | 4.0 | 3.0 (2.0 to 4.0) |",
		"| → enough pods Ready | 5.0 | 5.0 | 5.0 |",
		"| **in all** | 22.0 | 22.0 | 22.0 |",
		"| in all, × floor | 1.10 | 1.10 | 1.10 |",
		"- step: reversals of the default in any run: 0, at most 0 reversals: met (runs 1 and 2).",
		"- flash crowd: bad frames, against half of those of KEDA: not judged, as no run on record shows it.",
		"| step | [**default**](step-default.svg) | 0.70 % | 3.01 % | 1450 | 1700 | 0 | 2.5 | 0 of 2; off: pod-seconds in run 1, bad frames in run 1, reversals in run 1, pod-seconds in run 2, bad frames in run 2, reversals in run 2 |",
	} {
		assert.Contains(t, out, line+"\n")
	}
}

func TestPageSaysWhenTheMachineWasSaturated(t *testing.T) {
	assert.NotContains(t, page(t, Record{result()}), "saturated")
	busy := again(func(r *Result) {
		for s := 60; s < 120; s++ {
			r.Run.Busy[s] = 0.95
		}
	})
	assert.Contains(t, page(t, busy), "**The machine was saturated for a part of run 2.**")
}

func TestPageSaysHowFarTheLoadsAreApart(t *testing.T) {
	r := result()
	assert.Contains(t, page(t, Record{r}), "All fleets get it at the same time.")
	r.Run.Fleets[1].Started, r.Run.Fleets[2].Started = 20.4, 40.2
	assert.Contains(t, page(t, Record{r}), "Each fleet gets it 20 s after the one before")
}

func TestPageOfOverrunsThatStay(t *testing.T) {
	r := result()
	for s := 61; s < 180; s++ {
		r.Run.Fleets[2].InBudget[s] = 0
	}
	out := page(t, Record{r})
	assert.Contains(t, out, "| → overruns gone | 5.0 | 5.0 | – |\n")
	assert.Contains(t, out, "| **in all** | 22.0 | 22.0 | – |\n")
}
