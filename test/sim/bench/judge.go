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

// judge computes the figures of each fleet of a run and simulates it. Where draws is true it writes each one's timeline
// and draws both.
func judge(run result.Run, folder string, draws bool) (result.Result, error) {
	judged := result.Result{Run: run, Number: run.Number, Shape: run.Shape, Measured: map[string]report.Figures{}, Simulated: map[string]report.Figures{}}
	start, pods := run.PodStart()
	if pods == 0 {
		return judged, fmt.Errorf("%s: no pod started after the step, so how fast pods start is not known", run.File())
	}
	var all, two []report.Line
	for _, recorded := range run.Fleets {
		policy, found := find(recorded.Name)
		if !found {
			return judged, fmt.Errorf("%s has a fleet %s, which is no policy of the comparison", run.File(), recorded.Name)
		}
		measured := sim.Judge(run.Timeline(recorded), fleet.Defaults())
		config := fleet.Defaults()
		config.PodStart = seconds(start).Round(100 * time.Millisecond)
		config.FrameRate = decimals(run.Pod.FramesPerSecond, 2)
		config.ScrapeInterval = seconds(run.ScrapeInterval)
		// What a pod can do more or less than was measured before the load is CPU time per frame.
		config.SeenDrop = 1
		config.IdleCPU, config.Cores = decimals(run.Pod.IdleCores/run.Pod.Cores, 3), run.Pod.Cores
		mean, first, err := simulate(policy, config, measured.Rows)
		if err != nil {
			return judged, fmt.Errorf("%s: %s: %w", run.File(), policy.name, err)
		}
		judged.Measured[policy.name] = report.NewFigures("", measured.Summary, 0)
		judged.Simulated[policy.name] = report.NewFigures("", mean, report.Deviation(measured.Rows, first.Rows))
		if !draws {
			continue
		}
		name := run.Shape + "-" + policy.name
		err = report.WriteFile(filepath.Join(folder, name+".csv"), func(w io.Writer) error { return report.Timeline(w, measured.Rows, nil) })
		if err != nil {
			return judged, err
		}
		line := report.Line{Name: strings.ReplaceAll(policy.name, "-", " "), Note: report.Note(measured.Summary), Result: measured}
		all = append(all, line)
		if policy.name == result.LateFramesOnly || policy.name == result.Default {
			two = append(two, line)
		}
		line.Name += ", measured"
		both := []report.Line{line, {Name: policy.name + ", simulated", Note: report.Note(mean), Result: first}}
		if err := draw(folder, name, "Measured and simulated: "+policy.name, both); err != nil {
			return judged, err
		}
	}
	if !draws {
		return judged, nil
	}
	if err := draw(folder, run.Shape, "The same load, measured", all); err != nil {
		return judged, err
	}
	if run.Shape != result.Step {
		return judged, nil
	}
	return judged, draw(folder, "late-frames-only-and-default", "The same load, measured", two)
}

// simulate runs a policy under the load of recorded rows. It returns the mean of all seeds and the first seed's run.
func simulate(p policy, config fleet.Config, rows []fleet.Row) (sim.Summary, sim.Result, error) {
	chart, err := manifest.Load(p.chart)
	if err != nil {
		return sim.Summary{}, sim.Result{}, err
	}
	values := manifest.Values{Map: map[string]any{}}
	for _, file := range p.simulated {
		over, err := manifest.ReadValues(file)
		if err != nil {
			return sim.Summary{}, sim.Result{}, err
		}
		values = values.Overlay(over.Map)
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

func find(name string) (policy, bool) {
	for _, p := range policies {
		if p.name == name {
			return p, true
		}
	}
	return policy{}, false
}
