package main

import (
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"k8s.io/utils/ptr"

	"holograph/test/sim/fleet"
	"holograph/test/sim/manifest"
	"holograph/test/sim/report"
	"holograph/test/sim/sim"
	"holograph/test/sim/trace"
)

// sets are the drawn traces by the names that --trace takes.
var sets = map[string]trace.Set{"training": trace.Training, "test": trace.Test}

// judge simulates a release under drawn traces, each in its own surroundings, and returns what became of them by kind. A
// configuration whose pods take another time to start than the model's own keeps it: the release is for such pods.
func judge(m *manifest.Manifest, config fleet.Config, drawn []trace.Drawn, seeds int) (report.Drawn, error) {
	cases := make([]sim.Case, len(drawn))
	for i, d := range drawn {
		cases[i] = sim.Case{Manifest: withMax(m, d.MaxReplicas), Trace: d.Trace, Fleet: config}
		cases[i].Fleet.FrameRate = d.FrameRate
		if config.PodStart == fleet.Defaults().PodStart {
			cases[i].Fleet.PodStart = d.PodStart
		}
	}
	runs, err := sim.Seeds(cases, seeds, nil)
	if err != nil {
		return report.Drawn{}, err
	}
	var result report.Drawn
	for i, d := range drawn {
		result.Add(d.Kind, sim.Mean(runs[i]))
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
		result, err := judge(m, config, drawn, 1)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n%s\n", label(file))
		report.DrawnTable(out, result)
	}
	return nil
}

// writeDrawn runs the policies of the ablation under the test set.
func (o options) writeDrawn(files fs.FS, out io.Writer) error {
	experiment, policies, err := experiments(files)
	if err != nil {
		return err
	}
	drawn := trace.Draw(trace.Test)
	return report.WriteFile(filepath.Join(o.report, "drawn.md"), func(w io.Writer) error {
		fmt.Fprintf(w, "# On loads that the policy was not tuned on\n\nMade by `%s`; do not edit.\n\n", Command)
		fmt.Fprintf(w, "%d traces of two hours, %d of each kind, drawn at random and not used for tuning. Each has a maximum of 2 to 40 pods, 5 to 90 frames per second and pod, and pods that are Ready after 10 to 60 s. ", len(drawn), trace.EachKind)
		fmt.Fprintln(w, "\"Bad\" is the mean over traces of the share of late and refused frames; \"worst tenth\" the mean of the worst tenth of the traces. \"× oracle\", reversals and recovery are means over traces, as [ablation.md](ablation.md) defines them.")
		fmt.Fprintln(w)
		var table, kinds [][]string
		for _, p := range policies {
			if !p.Drawn {
				continue
			}
			m, config, err := o.render(experiment, manifest.Values{Map: p.Values})
			if err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
			result, err := judge(m, config, drawn, 1)
			if err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
			all := result.All()
			table = append(table, []string{p.Name, fmt.Sprintf("%.3f %%", 100*all.Bad), fmt.Sprintf("%.2f %%", 100*all.Worst), fmt.Sprintf("%.2f", all.Cost), fmt.Sprintf("%.2f", all.Reversals), fmt.Sprintf("%.0f s", all.Recovery)})
			line := []string{p.Name}
			for _, k := range trace.Kinds {
				of := result.Of(k.Name)
				line = append(line, fmt.Sprintf("%.2f %% / %.2f / %.1f / %.0f", 100*of.Bad, of.Cost, of.Reversals, of.Recovery))
			}
			kinds = append(kinds, line)
			fmt.Fprintf(out, "%s, drawn\n", p.Name)
		}
		report.Markdown(w, []string{"policy", "bad", "worst tenth", "× oracle", "reversals", "recovery"}, table)
		fmt.Fprintf(w, "\n## By kind\n\nBad frames / pod-hours as a multiple of the oracle's / reversals / seconds to recover.\n\n")
		header := []string{"policy"}
		for _, k := range trace.Kinds {
			header = append(header, k.Name)
		}
		report.Markdown(w, header, kinds)
		fmt.Fprintln(w)
		for _, k := range trace.Kinds {
			fmt.Fprintf(w, "- **%s**: %s\n", k.Name, k.About)
		}
		return nil
	})
}
