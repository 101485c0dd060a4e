package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"time"

	"holograph/test/internal/plot"
	"holograph/test/internal/spread"
	"holograph/test/scale/result"
	"holograph/test/scale/values"
	"holograph/test/sim/manifest"
	"holograph/test/sim/report"
	"holograph/test/sim/sim"
	"holograph/test/sim/trace"
)

const (
	// largest is the largest fleet of `make scale`, and settledLoad the load of its first two pods, in pods' worth.
	largest     = 5000
	settledLoad = 1.2
	// step is the second at which the load rises, and followed how many seconds are simulated after it.
	step     = 60
	followed = 240
	// growthPicture is the file of the picture, beside the page.
	growthPicture = "growth.svg"
)

// growingFleets are the kinds of metrics with which `make scale` lets a fleet grow.
var growingFleets = []struct {
	mode, name          string
	simulated, measured plot.Color
}{
	{result.Pods, "Pods", plot.Grey, plot.Orange},
	{result.Object, "Object", plot.Ink, plot.Blue},
}

// writeGrowth simulates the fleet that `make scale` lets grow, and writes what was measured beside it.
func (o options) writeGrowth(w io.Writer, chart *manifest.Chart, out io.Writer) error {
	record, err := result.Read(filepath.Join(o.report, "..", "scale"))
	if err != nil {
		return err
	}
	sizes := record.GrowthSizes()
	if len(sizes) == 0 {
		return fmt.Errorf("the record of make scale has no fleet that grows, want one to compare with: make scale ARGS=\"--run 1\"")
	}
	seeds := min(o.seeds, 5)
	header := []string{"Ready pods"}
	for _, size := range sizes {
		header = append(header, result.Number(size))
	}
	var table [][]string
	var curves []plot.Curve
	for _, kind := range growingFleets {
		runs, err := o.grow(chart, kind.name, seeds)
		if err != nil {
			return err
		}
		for _, row := range []struct {
			name  string
			color plot.Color
			after func(size int) spread.Value
		}{
			{kind.name + ", simulated", kind.simulated, func(size int) spread.Value {
				return spread.Over(runs, func(r sim.Result) float64 { return readyAfter(r, size) })
			}},
			{kind.name + ", measured", kind.measured, func(size int) spread.Value { return record.Growth(kind.mode, size) }},
		} {
			cells := []string{row.name}
			curve := plot.Curve{Name: row.name, Color: row.color}
			for _, size := range sizes {
				after := row.after(size)
				cells = append(cells, after.Text("%.0f", ""))
				curve.Points = append(curve.Points, plot.XY{X: float64(size), Y: after.Mean})
			}
			table, curves = append(table, cells), append(curves, curve)
		}
		fmt.Fprintln(out, kind.name, "growth")
	}
	fmt.Fprintf(w, "\n## From 2 pods to 5,000\n\nWhat [`make scale`](../scale/README.md#from-2-pods-to-thousands) measures on a cluster, and the same in the simulator: no policy of `autoscaling.behavior` holds the growth back, a pod is Ready as soon as it runs, and the load rises in one step to twice what %s pods can do. Seconds from the step until so many pods are Ready: means of %d seeds, and of the runs on record, with the least and the most of one in parentheses.\n\n", result.Number(largest), seeds)
	report.Markdown(w, header, table)
	fmt.Fprintf(w, "\n![Seconds until so many pods are Ready over the number of pods, simulated and measured](%s)\n\nThe simulated ReplicaSet creates 500 pods a second, and they are Ready a second later. A pod is offered %d times its capacity at most, as in the runs of which that page says so. What the cluster takes longer is its work: it creates, schedules and starts pods, and finds and scrapes them, with two cores for everything. Where the cluster is faster, it is because the program that answers the scrapes counts the load at the moment of a scrape for the whole time since the last one, up to 15 s.\n", growthPicture, values.MostLoad)
	return report.WriteFile(filepath.Join(o.report, growthPicture), func(w io.Writer) error {
		return plot.LogLog{
			Title:  "How fast a fleet grows",
			About:  "Seconds from a step of the load until so many pods are Ready, simulated and measured. Both axes are logarithmic.",
			X:      "Ready pods",
			Panels: []plot.LogPanel{{Heading: "From 2 pods", Unit: "seconds", Height: 216, Curves: curves}},
		}.Write(w)
	})
}

// grow simulates the fleet with metrics of that type, once for each seed.
func (o options) grow(chart *manifest.Chart, metricType string, seeds int) ([]sim.Result, error) {
	fleet, err := manifest.ParseValues("test/scale/values/fleet.yaml", values.Fleet)
	if err != nil {
		return nil, err
	}
	of := map[string]any{"metricType": metricType}
	v := manifest.Values{Map: map[string]any{"autoscaling": fleet.Map["autoscaling"]}}.Overlay(map[string]any{
		"autoscaling": map[string]any{"minReplicas": 2, "maxReplicas": largest},
		"signals":     map[string]any{"overruns": of, "demand": of},
	})
	m, config, err := o.render(chart, v)
	if err != nil {
		return nil, err
	}
	config.PodStart, config.FrameRate, config.MostLoad = time.Second, values.FullRate, values.MostLoad
	rise := trace.Trace{Name: "growth", Points: []trace.Point{
		{Second: 0, Load: settledLoad, Capacity: 1}, {Second: step, Load: settledLoad, Capacity: 1},
		{Second: step, Load: 2 * largest, Capacity: 1}, {Second: step + followed, Load: 2 * largest, Capacity: 1},
	}}
	var runs []sim.Result
	for seed := range seeds {
		config.Seed = uint64(seed + 1)
		run, err := sim.Run(m, rise, sim.Options{Fleet: config})
		if err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// readyAfter is how many seconds after the step so many pods were Ready, NaN where they never were.
func readyAfter(r sim.Result, pods int) float64 {
	for s, row := range r.Rows {
		if s >= step && row.Ready >= pods {
			return float64(s - step)
		}
	}
	return math.NaN()
}
