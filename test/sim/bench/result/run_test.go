package result

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/sim/fleet"
)

func at(seconds float64) *float64 { return &seconds }

// small is a run of ten seconds with one frame a second before and after, and four at the peak.
func small() Run {
	return Run{
		Spike: Spike{Base: 1, Peak: 4, Before: 3, During: 4, After: 3}, ScrapeInterval: 15, SyncPeriod: 15,
		Pod: Pod{Cores: 0.05, Budget: 0.66, FramesPerSecond: 1, LoadedFramesPerSecond: 0.9},
		Fleets: []Fleet{{
			Name: "default", FirstBad: at(3.2), NeverStarted: 3,
			Sent:     []int{1, 1, 1, 4, 2, 3, 4, 1, 1, 1},
			InBudget: []int{1, 1, 1, 2, 2, 3, 4, 1, 0, 1},
			Replicas: []Change{{-5, 2}, {4.5, 3}},
			Pods: []PodLife{
				{Created: -5, Ready: at(-4)}, {Created: -5, Ready: at(-3), Leaving: at(8), Gone: at(9.5)}, {Created: 4.6, Ready: at(6)},
			},
		}},
	}
}

func TestTimeline(t *testing.T) {
	r := small()
	rows := r.Timeline(r.Fleets[0])
	require.Len(t, rows, 10)
	assert.Equal(t, fleet.Row{Load: 1, Capacity: 0.9, Spec: 2, Ready: 2, Pods: 2, Frames: 1}, rows[0])
	assert.Equal(t, fleet.Row{Load: 4, Capacity: 0.9, Spec: 2, Ready: 2, Pods: 2, Frames: 4, Late: 2}, rows[3], "two were late or refused")
	assert.Equal(t, fleet.Row{Load: 4, Capacity: 0.9, Spec: 3, Ready: 2, Pods: 3, Frames: 4, Late: 2}, rows[4], "two of four never started")
	assert.Equal(t, fleet.Row{Load: 4, Capacity: 0.9, Spec: 3, Ready: 3, Pods: 3, Frames: 4, Late: 1}, rows[5], "one of four never started")
	assert.Equal(t, fleet.Row{Load: 1, Capacity: 0.9, Spec: 3, Ready: 2, Pods: 3, Frames: 1, Late: 1}, rows[8], "a pod that leaves takes no frames")
	assert.Equal(t, 2, rows[9].Pods, "a pod that is gone is not counted")
}

func TestNeverStartedFramesAreAllCounted(t *testing.T) {
	r := small()
	// The dropped frames exceed what the profile is short of: k6 knows better.
	r.Fleets[0].NeverStarted = 9
	offered := 0.0
	for _, row := range r.Timeline(r.Fleets[0]) {
		offered += row.Frames
		assert.GreaterOrEqual(t, row.Frames, row.Late)
	}
	assert.Equal(t, 19.0+9, offered)
}

func TestReadGivesWhatWasWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run.json")
	require.NoError(t, small().Write(file))
	got, err := Read(file)
	require.NoError(t, err)
	assert.Equal(t, small(), got)
}

func TestBusyBetween(t *testing.T) {
	r := Run{Busy: make([]float64, 120)}
	for i := range r.Busy {
		r.Busy[i] = 0.4
		if i >= 60 {
			r.Busy[i] = 0.8
		}
	}
	mean, worst := r.BusyBetween(0, 120)
	assert.InDelta(t, 0.6, mean, 1e-9)
	assert.InDelta(t, 0.8, worst, 1e-9)
	mean, _ = r.BusyBetween(60, 500)
	assert.InDelta(t, 0.8, mean, 1e-9, "what was not measured is left out")
	mean, _ = r.BusyBetween(200, 300)
	assert.True(t, math.IsNaN(mean))
}

func TestPodStartIsTheMeanOverAllPods(t *testing.T) {
	r := small()
	r.Fleets = append(r.Fleets, Fleet{Pods: []PodLife{{Created: 2, Ready: at(100)}, {Created: 4, Ready: at(8)}, {Created: 5, Ready: at(9)}, {Created: 6}}})
	start, pods := r.PodStart()
	assert.Equal(t, 3, pods, "those that were made after the step and are Ready")
	assert.InDelta(t, (1.4+4+4)/3, start, 1e-9)
}

// reacting is a run whose step comes at second 60 and overruns cease at second 100.
func reacting(change func(*Fleet)) (Run, Fleet) {
	r := Run{
		Spike: Spike{Base: 1, Peak: 4, Before: 60, During: 120, After: 60}, ScrapeInterval: 15, SyncPeriod: 15,
		Pod: Pod{FramesPerSecond: 1, LoadedFramesPerSecond: 1},
	}
	f := Fleet{
		FirstBad: at(60.4), Scraped: []float64{20, 67.5, 70}, Served: []Reading{{60, 0.5}, {67, 0.5}, {68, 9}, {69, 9}},
		Replicas: []Change{{-5, 2}, {75, 6}},
		Pods:     []PodLife{{Created: -5, Ready: at(-3)}, {Created: -5, Ready: at(-3)}},
	}
	for i := range 4 {
		f.Pods = append(f.Pods, PodLife{Created: 75.1 + float64(i)/10, Ready: at(80.1 + float64(i)/10)})
	}
	for s := range 240 {
		sent := 1
		if s >= 60 && s < 180 {
			sent = 4
		}
		inBudget := sent
		if s >= 60 && s < 100 {
			inBudget = 2
		}
		f.Sent, f.InBudget = append(f.Sent, sent), append(f.InBudget, inBudget)
	}
	if change != nil {
		change(&f)
	}
	return r, f
}

func TestReact(t *testing.T) {
	nan := math.NaN()
	steps := func(f *Fleet) {
		f.Replicas = []Change{{-5, 2}, {75, 4}, {90, 6}}
		f.Pods[4].Created, f.Pods[4].Ready = 90.5, at(97)
		f.Pods[5].Created, f.Pods[5].Ready = 90.6, at(98)
	}
	tests := map[string]struct {
		change   func(*Fleet)
		want     []float64
		podStart float64
	}{
		"one decision":  {nil, []float64{60.4, 67.5, 68, 75, 75, 75.3, 80.3, 100}, 5},
		"two decisions": {steps, []float64{60.4, 67.5, 68, 75, 90, 90.5, 97, 100}, (5 + 5 + 6.5 + 7.4) / 4},
		"decided before the next look": {func(f *Fleet) { f.Replicas[1].At = 67.8 },
			[]float64{60.4, 67.5, 67.8, 67.8, 67.8, 75.3, 80.3, 100}, 5},
		"no overrun": {func(f *Fleet) { f.FirstBad = nil }, []float64{nan, nan, nan, nan, nan, nan, nan, nan}, 5},
		"never enough": {func(f *Fleet) { f.Replicas[1].Replicas, f.Pods = 4, f.Pods[:4] },
			[]float64{60.4, 67.5, 68, 75, nan, nan, nan, 100}, 5},
		"overruns stay": {func(f *Fleet) {
			for s := 100; s < 180; s += 20 {
				f.InBudget[s] = 3
			}
		}, []float64{60.4, 67.5, 68, 75, 75, 75.3, 80.3, nan}, 5},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, f := reacting(test.change)
			reaction := r.React(f)
			require.Len(t, reaction.Links, len(test.want))
			for i, link := range reaction.Links {
				assert.Equal(t, Links[i], link.Name)
				if math.IsNaN(test.want[i]) {
					assert.True(t, math.IsNaN(link.At), "%s at %v", link.Name, link.At)
					continue
				}
				assert.InDelta(t, test.want[i], link.At, 1e-9, link.Name)
			}
			assert.InDelta(t, test.podStart, reaction.PodStart, 1e-9)
			assert.InDelta(t, 15+test.podStart, reaction.Floor, 1e-9)
		})
	}
}
