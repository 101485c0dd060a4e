package main

import (
	"fmt"
	"io"

	"k8s.io/utils/ptr"

	"holograph/test/sim/fleet"
	"holograph/test/sim/manifest"
	"holograph/test/sim/report"
	"holograph/test/sim/sim"
	"holograph/test/sim/trace"
)

// sets are the drawn traces by the names that --trace takes.
var sets = map[string]trace.Set{"training": trace.Training, "test": trace.Test}

// judge simulates a release under drawn traces, each in its own surroundings, and returns what became of them by kind.
func judge(m *manifest.Manifest, config fleet.Config, drawn []trace.Drawn) (report.Drawn, error) {
	cases := make([]sim.Case, len(drawn))
	for i, d := range drawn {
		cases[i] = sim.Case{Manifest: withMax(m, d.MaxReplicas), Trace: d.Trace, Fleet: config}
		cases[i].Fleet.FrameRate, cases[i].Fleet.PodStart = d.FrameRate, d.PodStart
	}
	runs, err := sim.Seeds(cases, 1, nil)
	if err != nil {
		return report.Drawn{}, err
	}
	var result report.Drawn
	for i, d := range drawn {
		result.Add(d.Kind, runs[i][0])
	}
	return result, nil
}

// withMax is a release with another maximum of pods.
func withMax(m *manifest.Manifest, most int) *manifest.Manifest {
	changed := *m
	changed.HPA = m.HPA.DeepCopy()
	changed.HPA.Spec.MaxReplicas = int32(most)
	changed.HPA.Spec.MinReplicas = ptr.To(min(ptr.Deref(m.HPA.Spec.MinReplicas, 1), int32(most)))
	return &changed
}

// runDrawn simulates policies under a set of drawn traces.
func (o options) runDrawn(chart *manifest.Chart, files []string, out io.Writer) error {
	drawn := trace.Draw(sets[o.trace])
	fmt.Fprintf(out, "%d traces of the %s set, each once\n", len(drawn), o.trace)
	for _, file := range files {
		m, config, err := o.renderFile(chart, file)
		if err != nil {
			return err
		}
		result, err := judge(m, config, drawn)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n%s\n", label(file))
		report.DrawnTable(out, result)
	}
	return nil
}
