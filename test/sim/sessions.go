package main

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"holograph/test/sim/fleet"
	"holograph/test/sim/manifest"
	"holograph/test/sim/report"
	"holograph/test/sim/trace"
)

// writeSessions runs sessions.yaml with other targets, spare pods, places and orders of removal.
func (o options) writeSessions(chart *manifest.Chart, out io.Writer) error {
	example, err := o.values(filepath.Join(o.examples, "sessions.yaml"))
	if err != nil {
		return err
	}
	example = example.Overlay(map[string]any{"deletionCost": map[string]any{"enabled": false}})
	target, _ := chart.Float(example, "signals", "demand", "target")
	places, _ := chart.Float(example, "signals", "demand", "capacity", "value")
	// Viewers are fewer than frames, so a figure needs more runs.
	seeds := 2 * o.seeds
	demand := func(keys map[string]any) map[string]any {
		return map[string]any{"signals": map[string]any{"demand": keys}}
	}
	run := func(over map[string]any, change func(*fleet.Sessions)) (report.All, error) {
		m, config, err := o.render(chart, example.Overlay(over))
		if err != nil {
			return report.All{}, err
		}
		change(config.Sessions)
		means, err := under(m, config, standard(false), seeds, nil)
		return report.Sum(means), err
	}
	asIs := func(*fleet.Sessions) {}
	figures := func(a report.All) []string {
		return []string{report.Percent(a.Bad()), fmt.Sprintf("%.0f %%", 100*a.Refused/a.Frames), fmt.Sprintf("%.2f", a.Cost), fmt.Sprintf("%.1f", a.Reversals), fmt.Sprintf("%.1f %%", 100*a.LeavingHours/a.PodHours)}
	}
	columns := []string{"left", "refused at first", "× oracle", "reversals", "only ending"}

	return report.WriteFile(filepath.Join(o.report, "sessions.md"), func(w io.Writer) error {
		model := fleet.DefaultSessions(int(places))
		fmt.Fprintf(w, "# Viewers who hold sessions, simulated\n\nMade by `%s`; do not edit.\n\n", Command)
		fmt.Fprintf(w, "[sessions.yaml](../../values-examples/sessions.yaml), whose pods have %.0f places, under the standard traces of up to ten pods, %d seeds. Viewers arrive at random, at the rate that keeps the trace's load in progress. Their sessions last %.0f minutes on average and an hour at most. A Service picks a Ready pod for each of them, without regard to its places. A viewer whom a full pod refuses tries again after %.0f s, and leaves after %d refusals. Kubernetes chooses which pod is removed, without `deletionCost`, except where a row says \"emptiest first\". [README.md](README.md#sessions) says how the model was checked.\n\n",
			places, seeds, model.Length.Minutes(), model.Retry.Seconds(), model.Tries)
		fmt.Fprintln(w, "- **Left**: viewers who left without a session, of all who arrived. **Refused at first**: those whose first try was refused.")
		fmt.Fprintln(w, "- **× oracle**: pod-hours as a multiple of the oracle's, which has a place for each session that would be in progress if nobody were refused, on the fewest pods, and could move sessions between pods.")
		fmt.Fprintln(w, "- **Only ending**: the part of the pod-hours in which removed pods end their sessions.")

		fmt.Fprintf(w, "\n## The target\n\nThe example has %v. \"Training set\" is the mean of its 140 loads, each of which weighs the same; loads of [drawn.md](drawn.md) are not in it.\n\n", target)
		var table [][]string
		for _, t := range []float64{0.5, 0.6, 0.65, 0.7, 0.75} {
			over := demand(map[string]any{"target": fmt.Sprint(t)})
			a, err := run(over, asIs)
			if err != nil {
				return err
			}
			m, config, err := o.render(chart, example.Overlay(over))
			if err != nil {
				return err
			}
			drawn, err := judge(m, config, trace.Draw(trace.Training), 1)
			if err != nil {
				return err
			}
			all := drawn.All()
			table = append(table, append(append([]string{fmt.Sprint(t)}, figures(a)...), fmt.Sprintf("%.2f %%", 100*all.Bad), fmt.Sprintf("%.2f", all.Cost)))
			fmt.Fprintln(out, "sessions, target", t)
		}
		report.Markdown(w, append(append([]string{"target"}, columns...), "training set: left", "× oracle"), table)

		fmt.Fprint(w, "\n## One number for all pods, and spare pods\n\nWith `metricType: Object`, sessions on pods that are removed count too.\n\n")
		table = nil
		for _, t := range []float64{target, 0.75} {
			for _, spare := range []float64{0, 0.5, 1} {
				over := demand(map[string]any{"target": fmt.Sprint(t), "metricType": "Object"})
				over["autoscaling"] = map[string]any{"headroom": spare}
				a, err := run(over, asIs)
				if err != nil {
					return err
				}
				table = append(table, append([]string{fmt.Sprintf("%v, %v", t, spare)}, figures(a)...))
			}
		}
		report.Markdown(w, append([]string{"target, headroom"}, columns...), table)
		fmt.Fprintln(out, "sessions, spare pods")

		fmt.Fprint(w, "\n## Who goes first, and who is assigned where\n\n\"Emptiest first\" is a pod deletion cost of the sessions that a pod has at that moment. \"Assigned\" is something that knows the places, and gives a viewer one on the fullest pod that has one, in place of a Service.\n\n")
		table = nil
		for _, t := range []float64{target, 0.75} {
			for _, c := range []struct {
				name   string
				change func(*fleet.Sessions)
			}{
				{"as Kubernetes has it", asIs},
				{"emptiest first", func(s *fleet.Sessions) { s.FewestFirst = true }},
				{"assigned", func(s *fleet.Sessions) { s.Assigned = true }},
				{"assigned, emptiest first", func(s *fleet.Sessions) { s.Assigned, s.FewestFirst = true, true }},
			} {
				a, err := run(demand(map[string]any{"target": fmt.Sprint(t)}), c.change)
				if err != nil {
					return err
				}
				table = append(table, append([]string{fmt.Sprintf("%v, %s", t, c.name)}, figures(a)...))
			}
		}
		report.Markdown(w, append([]string{"target"}, columns...), table)
		fmt.Fprintln(out, "sessions, who goes first")

		fmt.Fprint(w, "\n## Places, how long sessions last, and how long pods start\n\nLeft / pod-hours as a multiple of the oracle's.\n\n")
		table = nil
		targets := []float64{0.5, 0.6, 0.7, 0.8}
		for _, c := range []struct {
			places int
			length time.Duration
			start  string
		}{
			{1, model.Length, "15s"}, {int(places), model.Length, "15s"}, {16, model.Length, "15s"},
			{int(places), 45 * time.Minute, "15s"}, {int(places), model.Length, "120s"},
		} {
			line := []string{fmt.Sprintf("%d, %.0f minutes, %s", c.places, c.length.Minutes(), c.start)}
			for _, t := range targets {
				over := demand(map[string]any{"target": fmt.Sprint(t), "capacity": map[string]any{"value": fmt.Sprint(c.places)}})
				over["autoscaling"] = map[string]any{"podStart": c.start}
				a, err := run(over, func(s *fleet.Sessions) { s.Length = c.length })
				if err != nil {
					return err
				}
				line = append(line, fmt.Sprintf("%s / %.2f", report.Percent(a.Bad()), a.Cost))
			}
			table = append(table, line)
			fmt.Fprintln(out, "sessions,", line[0])
		}
		header := []string{"places, mean length, podStart"}
		for _, t := range targets {
			header = append(header, fmt.Sprintf("target %v", t))
		}
		report.Markdown(w, header, table)
		return nil
	})
}
