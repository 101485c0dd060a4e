package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"time"

	"holograph/test/sim/bench/result"
	"holograph/test/sim/fleet"
	"holograph/test/sim/manifest"
	"holograph/test/sim/report"
	"holograph/test/sim/sim"
	"holograph/test/sim/trace"
)

// seeds is how many simulations a prediction is the mean of.
const seeds = 5

// judge writes each fleet's timeline, computes its figures, simulates the run, and draws both.
func judge(run result.Run, folder string) (result.Result, error) {
	judged := result.Result{Run: run, Measured: map[string]report.Figures{}, Simulated: map[string]report.Figures{}, Spread: map[string]report.Figures{}}
	start, pods := run.PodStart()
	if pods == 0 {
		return judged, fmt.Errorf("no pod started after the step, so how fast pods start is not known")
	}
	var all, two []report.Line
	for _, policy := range policies {
		recorded, found := find(run, policy.name)
		if !found {
			return judged, fmt.Errorf("the run has no fleet %s", policy.name)
		}
		measured := sim.Judge(run.Timeline(recorded), fleet.Defaults())
		err := report.WriteFile(filepath.Join(folder, policy.name+".csv"), func(w io.Writer) error { return report.Timeline(w, measured.Rows, nil) })
		if err != nil {
			return judged, err
		}
		predict := func(loadSpread float64) (sim.Summary, sim.Result, error) {
			config := fleet.Defaults()
			config.PodStart = seconds(start).Round(100 * time.Millisecond)
			config.FrameRate = decimals(run.Pod.FramesPerSecond, 2)
			config.ScrapeInterval = seconds(run.ScrapeInterval)
			// What a pod can do more or less than was measured before the load is CPU time per frame.
			config.SeenDrop = 1
			config.IdleCPU, config.Cores = decimals(run.Pod.IdleCores/run.Pod.Cores, 3), run.Pod.Cores
			config.LoadSpread = decimals(loadSpread, 3)
			return simulate(policy, config, measured.Rows)
		}
		mean, first, err := predict(0)
		if err != nil {
			return judged, err
		}
		spread, firstSpread, err := predict(recorded.LoadSpread)
		if err != nil {
			return judged, err
		}
		judged.Measured[policy.name] = report.NewFigures("", measured.Summary, 0)
		judged.Simulated[policy.name] = report.NewFigures("", mean, report.Deviation(measured.Rows, first.Rows))
		judged.Spread[policy.name] = report.NewFigures("", spread, report.Deviation(measured.Rows, firstSpread.Rows))

		line := report.Line{Name: strings.ReplaceAll(policy.name, "-", " "), Note: report.Note(measured.Summary), Result: measured}
		all = append(all, line)
		if policy.name == result.LateFramesOnly || policy.name == result.Default {
			two = append(two, line)
		}
		line.Name += ", measured"
		both := []report.Line{line, {Name: policy.name + ", simulated", Note: report.Note(mean), Result: first}}
		if err := draw(folder, policy.name, "Measured and simulated: "+policy.name, both); err != nil {
			return judged, err
		}
	}
	if err := draw(folder, "spike", "The same spike, measured", all); err != nil {
		return judged, err
	}
	return judged, draw(folder, "late-frames-only-and-default", "The same spike, measured", two)
}

// simulate runs a policy under the load of recorded rows. It returns the mean of all seeds and the first seed's run.
func simulate(p policy, config fleet.Config, rows []fleet.Row) (sim.Summary, sim.Result, error) {
	chart, err := manifest.Load(p.chart)
	if err != nil {
		return sim.Summary{}, sim.Result{}, err
	}
	values := manifest.Values{Map: map[string]any{}}
	if p.simulated != "" {
		if values, err = manifest.ReadValues(p.simulated); err != nil {
			return sim.Summary{}, sim.Result{}, err
		}
	}
	m, err := chart.Render(values)
	if err != nil {
		return sim.Summary{}, sim.Result{}, err
	}
	var first sim.Result
	runs, err := sim.Seeds([]sim.Case{{Manifest: m, Trace: loadOf(p.name, rows), Fleet: config}}, seeds, func(_ int, r sim.Result) { first = r })
	if err != nil {
		return sim.Summary{}, sim.Result{}, err
	}
	return sim.Mean(runs[0]), first, nil
}

// loadOf returns the load of rows as a trace. A trace is read in the middle of each second.
func loadOf(name string, rows []fleet.Row) trace.Trace {
	t := trace.Trace{Name: name}
	add := func(second float64, row fleet.Row) {
		t.Points = append(t.Points, trace.Point{Second: second, Load: row.Load, Capacity: row.Capacity})
	}
	add(0, rows[0])
	for i, row := range rows {
		add(float64(i)+0.5, row)
	}
	add(float64(len(rows)), rows[len(rows)-1])
	return t
}

// draw draws runs over one another.
func draw(folder, name, title string, lines []report.Line) error {
	return report.WriteFile(filepath.Join(folder, name+".svg"), func(w io.Writer) error { return report.Picture(w, title, lines) })
}

// decimals rounds to so many decimals. A prediction depends on no digit that the page does not show.
func decimals(value float64, n int) float64 {
	unit := math.Pow(10, float64(n))
	return math.Round(value*unit) / unit
}

func find(run result.Run, name string) (result.Fleet, bool) {
	for _, fleet := range run.Fleets {
		if fleet.Name == name {
			return fleet, true
		}
	}
	return result.Fleet{}, false
}
