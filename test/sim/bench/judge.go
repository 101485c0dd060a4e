package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"holograph/ci/command"
	"holograph/test/sim/bench/result"
)

// simulator is the binary that `make simulator` builds. It is a module of its own, so that what a run's figures
// mean is asked of it rather than written down twice.
const simulator = ".artifacts/simulator"

// judge writes each fleet's timeline, has the simulator give the figures and predict the run, and draws both.
func judge(ctx context.Context, run result.Run, folder string) (result.Result, error) {
	result := result.Result{Run: run, Measured: map[string]result.Figures{}, Simulated: map[string]result.Figures{}, Spread: map[string]result.Figures{}}
	scratch, err := os.MkdirTemp("", "holograph-bench-")
	if err != nil {
		return result, err
	}
	defer os.RemoveAll(scratch)

	start, pods := run.PodStart()
	if pods == 0 {
		return result, fmt.Errorf("no pod started after the step, so how fast pods start is not known")
	}
	var all, two []string
	for _, policy := range policies {
		fleet, found := find(run, policy.name)
		if !found {
			return result, fmt.Errorf("the run has no fleet %s", policy.name)
		}
		rows := run.Timeline(fleet)
		timeline, trace := filepath.Join(folder, policy.name+".csv"), filepath.Join(scratch, policy.name+"-load.csv")
		if err := write(timeline, func(w io.Writer) error { return result.WriteTimeline(w, rows) }); err != nil {
			return result, err
		}
		if err := write(trace, func(w io.Writer) error { return result.WriteTrace(w, rows) }); err != nil {
			return result, err
		}
		predict := func(extra ...string) (measured, simulated result.Figures, err error) {
			figures, err := simulate(ctx, scratch, append([]string{
				"--chart", policy.chart, "--values", policy.simulated, "--measured", timeline, "--trace", trace,
				"--pod-start", fmt.Sprintf("%.1fs", start), "--frame-rate", fmt.Sprintf("%.2f", run.Pod.FramesPerSecond),
				"--scrape-interval", fmt.Sprintf("%gs", run.ScrapeInterval),
				// What a pod can do more or less than was measured before is CPU time per frame.
				"--seen-drop", "1", "--idle-cpu", fmt.Sprintf("%.3f", run.Pod.IdleCores/run.Pod.Cores),
				"--cores", fmt.Sprint(run.Pod.Cores),
			}, extra...)...)
			if err == nil && len(figures) != 2 {
				err = fmt.Errorf("the simulator gave %d rows of figures for %s, not those measured and those simulated", len(figures), policy.name)
			}
			if err != nil {
				return measured, simulated, err
			}
			return figures[0], figures[1], nil
		}
		result.Measured[policy.name], result.Simulated[policy.name], err = predict(
			"--title", "Measured and simulated: "+policy.name, "--svg", filepath.Join(folder, policy.name+".svg"))
		if err != nil {
			return result, err
		}
		if _, result.Spread[policy.name], err = predict("--load-spread", fmt.Sprintf("%.3f", fleet.LoadSpread)); err != nil {
			return result, err
		}
		all = append(all, "--measured", timeline)
		if policy.name == result.Specified || policy.name == result.Default {
			two = append(two, "--measured", timeline)
		}
	}
	for picture, timelines := range map[string][]string{"spike.svg": all, "as-specified-and-default.svg": two} {
		if _, err := simulate(ctx, scratch, append([]string{"--chart", "charts/holograph",
			"--title", "The same spike, measured", "--svg", filepath.Join(folder, picture)}, timelines...)...); err != nil {
			return result, err
		}
	}
	return result, nil
}

// simulate runs the simulator and returns its figures.
func simulate(ctx context.Context, scratch string, args ...string) ([]result.Figures, error) {
	file := filepath.Join(scratch, "figures.json")
	err := command.Command{Log: "bench", Args: append([]string{"./" + simulator, "--json", file}, args...)}.Run(ctx)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var figures []result.Figures
	return figures, json.Unmarshal(data, &figures)
}

func find(run result.Run, name string) (result.Fleet, bool) {
	for _, fleet := range run.Fleets {
		if fleet.Name == name {
			return fleet, true
		}
	}
	return result.Fleet{}, false
}

func write(name string, f func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := f(file); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
