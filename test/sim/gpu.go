package main

import (
	"fmt"
	"io"

	"holograph/test/sim/manifest"
	"holograph/test/sim/report"
	"holograph/test/sim/trace"
)

// gpuChoice runs gpu.yaml with other spare pods and times until scale-down, under the training set that it was chosen on and
// the standard traces.
func (o options) gpuChoice(w io.Writer, chart *manifest.Chart, gpu manifest.Values, out io.Writer) error {
	objective, _ := chart.Float(gpu, "slo", "objective")
	fmt.Fprintf(w, "\n## The choice of gpu.yaml\n\nIts spare pods and times, with pods that are Ready after 120 s. They must keep its objective of %v %%, under the nine traces and on the mean of the 140 loads of the training set, each of which weighs the same.\n\n", objective)
	var table [][]string
	for _, c := range []struct {
		spare float64
		wait  int
	}{{0.5, 600}, {1, 600}, {1.25, 600}, {1.5, 300}, {1.5, 600}} {
		behavior := map[string]any{"scaleDown": map[string]any{"stabilizationWindowSeconds": c.wait}}
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
		table = append(table, []string{fmt.Sprint(c.spare), fmt.Sprintf("%d s", c.wait), fmt.Sprintf("%.2f %%", 100*nine.Bad()), fmt.Sprintf("%.2f", nine.Cost), fmt.Sprintf("%.2f %%", 100*all.Bad), fmt.Sprintf("%.2f", all.Cost)})
		fmt.Fprintln(out, "gpu.yaml with headroom", c.spare)
	}
	report.Markdown(w, []string{"headroom", "scale-down after", "nine traces: bad", "× oracle", "training set: bad", "× oracle"}, table)
	return nil
}
