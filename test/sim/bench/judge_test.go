package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/repo"
	"holograph/test/sim/bench/result"
	"holograph/test/sim/fleet"
)

// TestLoadOf: a simulation of recorded rows is offered the load of each of their seconds.
func TestLoadOf(t *testing.T) {
	load, capacity := loadOf("a", []fleet.Row{{Load: 1.2, Capacity: 0.95}, {Load: 4.5, Capacity: 0.9}, {Load: 1.2, Capacity: 0.95}}).Seconds()
	assert.Equal(t, []float64{1.2, 4.5, 1.2}, load)
	assert.Equal(t, []float64{0.95, 0.9, 0.95}, capacity)
}

// recorded is a run that the machinery of a run on record gives, under a load of the given shape: each policy of the
// comparison has a fleet that answers the load with six pods.
func recorded(t *testing.T, number int, l benchLoad) result.Run {
	t.Helper()
	run := result.Run{
		Number: number, Shape: l.shape, Date: "2026-01-02", Cores: 2, Spike: l.spike, ScrapeInterval: 15, SyncPeriod: 15,
		Pod: result.Pod{Cores: 0.03, Budget: 2.2, FramesPerSecond: 5, LoadedFramesPerSecond: 6, IdleCores: 0.0036},
	}
	ready := func(at float64) *float64 { return &at }
	profile := run.Profile()
	for i, p := range policies {
		f := result.Fleet{
			Name: p.name, Started: float64(i) * l.stagger.Seconds(), FirstBad: ready(l.spike.Before + 1), StartDelay: 0.01,
			Replicas: []result.Change{{At: -5, Replicas: 2}, {At: l.spike.Before + 15, Replicas: 6}},
			Pods:     []result.PodLife{{Created: -5, Ready: ready(-4)}, {Created: -5, Ready: ready(-4)}},
		}
		for range 4 {
			f.Pods = append(f.Pods, result.PodLife{Created: l.spike.Before + 15, Ready: ready(l.spike.Before + 22)})
		}
		for s := range int(l.spike.Length()) {
			sent := int(profile.FramesPerSecondAt(seconds(float64(s) + 0.5)))
			inBudget := sent
			if at := float64(s); at > l.spike.Before+l.spike.Rise && at < l.spike.Before+l.spike.Rise+20 {
				inBudget = sent / 2
			}
			f.Sent, f.InBudget = append(f.Sent, sent), append(f.InBudget, inBudget)
		}
		run.Fleets = append(run.Fleets, f)
	}
	for range int(run.LastStarted() + l.spike.Length()) {
		run.Busy = append(run.Busy, 0.6)
	}
	return run
}

// TestAPageOfSeveralRuns: runs that are kept one after the other become one page with the mean and the spread of them all.
func TestAPageOfSeveralRuns(t *testing.T) {
	root, err := repo.Root()
	require.NoError(t, err)
	t.Chdir(root)
	folder := t.TempDir()
	for number := 1; number <= 2; number++ {
		for _, l := range loads {
			run := recorded(t, number, l)
			if number == 2 {
				// One policy does worse in the second run.
				run.Fleets[1].InBudget[int(l.spike.PeakEnd())-30] = 0
			}
			require.NoError(t, run.Save(folder))
		}
	}
	var out bytes.Buffer
	require.NoError(t, publish(&out, folder))
	assert.Contains(t, out.String(), "step: bad frames of the default, as a share of a step with a peak of 33 minutes: ")
	assert.Contains(t, out.String(), "(runs 1 and 2)")
	page, err := os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "runs [1](runs/1/step.json) of 2026-01-02, [2](runs/2/step.json) of 2026-01-02.")
	assert.Regexp(t, `\| CPU 70 % \| [0-9.]+ % \([0-9.]+ to [0-9.]+\) \|`, string(page), "the spread of the two runs")
	assert.Regexp(t, `\| \*\*default\*\* \| [0-9.]+ % \|`, string(page), "runs that agree have no spread")
	for _, word := range []string{"NaN", "%!", "not judged"} {
		assert.NotContains(t, string(page), word)
	}
	for _, l := range loads {
		for _, p := range policies {
			for _, kind := range []string{".csv", ".svg"} {
				assert.FileExists(t, filepath.Join(folder, l.shape+"-"+p.name+kind))
			}
		}
	}

	other := recorded(t, 3, loads[0])
	other.Spike.Peak = 4.5
	other.Date = "2026-01-01"
	require.NoError(t, other.Save(folder))
	require.NoError(t, publish(&out, folder))
	page, err = os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "Left out, as its load or its policies are other than those of the latest run: `runs/3/step.json`.")
}
