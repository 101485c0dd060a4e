package main

import (
	"fmt"
	"io"

	"holograph/test/sim/manifest"
	"holograph/test/sim/report"
	"holograph/test/sim/trace"
)

// gpuChoice runs gpu.yaml with other spare pods, times until scale-down, and times between two steps, under the training set
// that it was chosen on and the standard traces.
func (o options) gpuChoice(w io.Writer, chart *manifest.Chart, gpu manifest.Values, out io.Writer) error {
	objective, _ := chart.Float(gpu, "slo", "objective")
	fmt.Fprintf(w, "\n## The choice of gpu.yaml\n\nIts spare pods and times, with pods that are Ready after 120 s. They must keep its objective of %v %%, under the nine traces and on the mean of the 140 loads of the training set, each of which weighs the same. \"A step\" is the time between two steps up: the chart's own is the window of late frames, the start of a pod and a scrape, 255 s.\n\n", objective)
	const own = "the chart's own"
	var table [][]string
	for _, c := range []struct {
		spare float64
		wait  int
		step  string
	}{{0.5, 600, own}, {1, 600, own}, {1.25, 600, own}, {1.5, 300, own}, {1.5, 300, "60 s"}, {1.5, 600, own}} {
		behavior := map[string]any{"scaleDown": map[string]any{"stabilizationWindowSeconds": c.wait}}
		if c.step != own {
			behavior["scaleUp"] = map[string]any{"policies": []any{
				map[string]any{"type": "Percent", "value": 200, "periodSeconds": 60},
				map[string]any{"type": "Pods", "value": 4, "periodSeconds": 60},
			}}
		}
		m, config, err := o.render(chart, gpu.Overlay(map[string]any{"autoscaling": map[string]any{"headroom": c.spare, "behavior": behavior}}))
		if err != nil {
			return err
		}
		means, err := under(m, config, standard(false), o.seeds, nil)
		if err != nil {
			return err
		}
		drawn, err := judge(m, config, trace.Draw(trace.Training), 1)
		if err != nil {
			return err
		}
		nine, all := report.Sum(means), drawn.All()
		table = append(table, []string{fmt.Sprint(c.spare), fmt.Sprintf("%d s", c.wait), c.step, fmt.Sprintf("%.2f %%", 100*nine.Bad()), fmt.Sprintf("%.2f", nine.Cost), fmt.Sprintf("%.2f %%", 100*all.Bad), fmt.Sprintf("%.2f", all.Cost)})
		fmt.Fprintln(out, "gpu.yaml with headroom", c.spare)
	}
	report.Markdown(w, []string{"headroom", "scale-down after", "a step", "nine traces: bad", "× oracle", "training set: bad", "× oracle"}, table)
	return nil
}
