package result

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/repo"
)

var update = flag.Bool("update", false, "rewrite the page and the picture in docs/scale from the record")

// full is a run in which every goal is met exactly at its bound, but one that it does not show.
func full() Run {
	run := Run{Number: 1, Date: "2026-01-02", Cores: 2, Minutes: 24, ControllerRate: 200, Limits: map[string]float64{Adapter: 256, Prometheus: 512}}
	for i, pods := range []int{100, 5000} {
		for _, mode := range []string{Pods, Object} {
			cost := map[string]float64{Pods: 20, Object: 1}[mode] * float64(1+i)
			run.Cells = append(run.Cells, Cell{
				Mode: mode, Pods: pods, Calls: 30, P50: 20, P99: 40,
				CPU: map[string]float64{Adapter: cost, APIServer: cost, Prometheus: 3},
				RSS: map[string]float64{Adapter: float64(pods)/20 + 10, Prometheus: float64(pods)}, Series: float64(50 * pods), Targets: float64(pods + 3), PrometheusCores: 0.25,
			})
		}
	}
	run.Growths = []Growth{{Mode: Pods, Pods: 5000, Reached: []Reached{{100, 20}, {5000, 130.4}}}}
	for _, mode := range []string{Pods, Object} {
		run.Many = append(run.Many, Many{Mode: mode, Autoscalers: 500, ControllerRate: 200, AdapterRate: 134, Period: 16.5, Mean: 0.03, P99: 0.064,
			Cores: map[string]float64{ControllerManager: 0.2, APIServer: 0.5, Adapter: 0.4, Prometheus: 0.6}, RSS: map[string]float64{Adapter: 120, Prometheus: 900}})
	}
	run.Many = append(run.Many, Many{Mode: Object, Autoscalers: 500, Period: 50, AdapterRate: 134})
	return run
}

// changed is full, changed.
func changed(change func(*Run)) Run {
	run := full()
	change(&run)
	return run
}

func TestQuantile(t *testing.T) {
	values := []float64{9, 1, 8, 2, 7, 3, 6, 4, 5, 10}
	assert.InDelta(t, 5, Quantile(values, 0.5), 0)
	assert.InDelta(t, 10, Quantile(values, 0.99), 0)
	assert.InDelta(t, 1, Quantile(values, 0), 0)
	assert.InDelta(t, 7, Quantile([]float64{7}, 0.99), 0)
	assert.True(t, math.IsNaN(Quantile(nil, 0.5)))
	assert.InDelta(t, 9, values[0], 0, "the values stay in their order")
}

func TestGoals(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Run)
		missed []string
	}{
		"at their bounds":  {func(*Run) {}, nil},
		"Object is dearer": {func(r *Run) { r.Cells[3].CPU[APIServer] += 0.1 }, []string{"CPU of a call at 5,000 pods, adapter and API server: Pods as a multiple of Object"}},
		"Object is slower": {func(r *Run) { r.Cells[3].P50 = 20.1 }, []string{"median time of a call at 5,000 pods, Object"}},
		"Pods is late":     {func(r *Run) { r.Many[0].Period = 16.6 }, []string{"time between two decisions of each of 500 autoscalers of ten pods, Pods"}},
		"at another size":  {func(r *Run) { r.Cells[1].P50 = 100 }, nil},
		"at the default of the controller manager": {func(r *Run) { r.Many[2].Period = 500 }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var missed []string
			for _, goal := range (Record{changed(test.change)}).Goals() {
				if goal.Runs == 0 {
					assert.Contains(t, goal.What, "KEDA", "a goal that the run does not show")
					continue
				}
				if !goal.Met() {
					missed = append(missed, goal.What)
				}
			}
			assert.Equal(t, test.missed, missed)
		})
	}
}

func TestGoalsInWords(t *testing.T) {
	second := changed(func(r *Run) { r.Number, r.Cells[3].P50 = 2, 30 })
	goals := Record{full(), second}.Goals()
	assert.Equal(t, "median time of a call at 5,000 pods, Object: 25 ms (20 to 30), at most 20 ms: missed (2 runs)", goals[1].String())
	assert.Equal(t, "time between two decisions of each of 500 autoscalers of ten pods, KEDA: not judged, as no run on record shows it", goals[4].String())
}

func TestPage(t *testing.T) {
	second := changed(func(r *Run) {
		r.Number, r.Narrowed, r.Ended = 2, "--pods 100,5000", "object, 5000 pods: the adapter was restarted"
		r.Cells[3].P50, r.Cells[3].Failed = 30, 2
	})
	page := Record{full(), second}.Page()
	for _, line := range []string{
		"- Run 1 of 2026-01-02, 24 minutes on a machine of 2 cores, which does everything that is measured.",
		"- Run 2 of 2026-01-02, 24 minutes on a machine of 2 cores, which does everything that is measured; **narrowed**: `--pods 100,5000`; **it ended early**: object, 5000 pods: the adapter was restarted.",
		"| median time of a call at 5,000 pods, Object | at most 20 ms | 25 ms | 20 to 30 | 2 | 🔴 missed |",
		"| CPU of a call at 5,000 pods, adapter and API server: Pods as a multiple of Object | at least 20 times | 20 times | 20 to 20 | 2 | 🟢 met |",
		"| pods | 100 | 5,000 |",
		"| Object | 20.0 | 25.0 (20.0 to 30.0) |",
		"| 5,000 | 5003 | 250000 | 5000 | 977 % | 0.25 |",
		"In run 2, Object at 5,000 pods: 2 of 32 calls failed.",
		"| Pods | 20 | 130 |",
		"| Object | 500 | 20, the default | 50.0 s | 0 ms | – | 0.0 % | 0.00 | 0.00 | 0.00 | 0.00 | 0.00 | 0 | 0 |",
	} {
		assert.Contains(t, page, line+"\n")
	}
	assert.Contains(t, page, "at 5,000 pods the adapter needs 260 MiB, more than the chart's default limit of 256 MiB")
	assert.Contains(t, page, ". At 100 pods it needed 100 MiB.")
	assert.Contains(t, page, "500 autoscalers (Object) decide every 50 s, not every 15.")
	assert.NotContains(t, page, "NaN")
	assert.NotContains(t, page, "%!")
}

// A run with one part gives a page of that part.
func TestPageOfAPart(t *testing.T) {
	one := Record{changed(func(r *Run) { r.Growths, r.Many = nil, nil })}.Page()
	assert.Contains(t, one, "## One autoscaler")
	assert.NotContains(t, one, "## Many autoscalers")
	assert.NotContains(t, one, "## From 2 pods")
	many := Record{changed(func(r *Run) { r.Cells, r.Growths = nil, nil })}.Page()
	assert.Contains(t, many, "## Many autoscalers")
	assert.NotContains(t, many, "## One autoscaler")
	for _, page := range []string{one, many} {
		assert.NotContains(t, page, "NaN")
		assert.NotContains(t, page, "%!")
	}
}

func TestPicture(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Record{full()}.Draw(&out))
	assert.Contains(t, out.String(), `class="line orange"`)
	assert.NotContains(t, out.String(), "NaN")
	assert.False(t, Record{changed(func(r *Run) { r.Cells = r.Cells[:2] })}.drawable(), "one size is no line")
}

func TestARunReplacesTheOneOfItsNumber(t *testing.T) {
	folder := t.TempDir()
	second := changed(func(r *Run) { r.Number = 2 })
	again := changed(func(r *Run) { r.Minutes = 7 })
	require.NoError(t, Record{}.With(second).With(full()).With(again).Save(folder))
	got, err := Read(folder)
	require.NoError(t, err)
	assert.Equal(t, Record{again, second}, got)
	none, err := Read(t.TempDir())
	require.NoError(t, err)
	assert.Empty(t, none)
}

// The page in the docs is what the record gives.
func TestDocs(t *testing.T) {
	folder, err := repo.Path("docs", "scale")
	require.NoError(t, err)
	record, err := Read(folder)
	require.NoError(t, err)
	require.NotEmpty(t, record, "docs/scale/figures.json has no run; run: make scale")
	if *update {
		require.NoError(t, record.Publish(folder))
	}
	const stale = "docs/scale is stale; run: make update"
	page, err := os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	assert.Equal(t, record.Page(), string(page), stale)
	if record.drawable() {
		var want strings.Builder
		require.NoError(t, record.Draw(&want))
		got, err := os.ReadFile(filepath.Join(folder, picture))
		require.NoError(t, err)
		assert.Equal(t, want.String(), string(got), stale)
	}
}
