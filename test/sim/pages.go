package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
	"holograph/test/sim/fleet"
	"holograph/test/sim/manifest"
	"holograph/test/sim/report"
	"holograph/test/sim/sim"
	"holograph/test/sim/trace"
)

// Command is how the pages say they were made.
const Command = "cd test/sim && go run . --report ../../docs/simulation"

// policy is one row of testdata/ablation.yaml.
type policy struct {
	Name  string `json:"name"`
	Group string `json:"group"`
	About string `json:"about"`
	// Drawn says that it is run under the drawn traces too, of which a run takes ten seconds.
	Drawn  bool           `json:"drawn"`
	Values map[string]any `json:"values"`
}

func standard(large bool) []trace.Standard {
	var list []trace.Standard
	for _, t := range trace.StandardTraces() {
		if t.Large == large {
			list = append(list, t)
		}
	}
	return list
}

// under simulates one release under traces and returns the means by trace.
func under(m *manifest.Manifest, config fleet.Config, traces []trace.Standard, seeds int, keep func(t int, r sim.Result)) ([]sim.Summary, error) {
	cases := make([]sim.Case, len(traces))
	for i, t := range traces {
		cases[i] = sim.Case{Manifest: m, Trace: t.Trace, Fleet: config}
	}
	runs, err := sim.Seeds(cases, seeds, keep)
	if err != nil {
		return nil, err
	}
	means := make([]sim.Summary, len(runs))
	for i, r := range runs {
		means[i] = sim.Mean(r)
	}
	return means, nil
}

func writeReport(o options, files fs.FS, chart *manifest.Chart, out io.Writer) error {
	if err := os.MkdirAll(o.report, 0o755); err != nil {
		return err
	}
	pages := []struct {
		name  string
		write func() error
	}{
		{"ablation", func() error { return o.writeAblation(files, out) }},
		{"examples", func() error { return o.writeExamples(chart, out) }},
		{"drawn", func() error { return o.writeDrawn(files, out) }},
		{"schedule", func() error { return o.writeSchedule(chart, out) }},
		{"surroundings", func() error { return o.writeSurroundings(files, chart, out) }},
		{"sessions", func() error { return o.writeSessions(chart, out) }},
		{"large", func() error { return o.writeLarge(files, chart, out) }},
	}
	var names []string
	for _, page := range pages {
		names = append(names, page.name)
	}
	wanted := names
	if o.pages != "" {
		wanted = strings.Split(o.pages, ",")
	}
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return fmt.Errorf("--pages has %q; the pages are %s", name, strings.Join(names, ", "))
		}
	}
	for _, page := range pages {
		if !slices.Contains(wanted, page.name) {
			continue
		}
		if err := page.write(); err != nil {
			return fmt.Errorf("%s.md: %w", page.name, err)
		}
	}
	return nil
}

// surroundings are worlds unlike the one the default was chosen in.
var surroundings = []struct {
	name   string
	change func(*fleet.Config)
}{
	{"as the goals have it", func(*fleet.Config) {}},
	{"pods Ready after 5 s", func(c *fleet.Config) { c.PodStart = 5 * time.Second }},
	{"pods Ready after 30 s", func(c *fleet.Config) { c.PodStart = 30 * time.Second }},
	{"2 % of the scrapes fail", func(c *fleet.Config) { c.ScrapeLoss = 0.02 }},
	{"10 % of the scrapes fail", func(c *fleet.Config) { c.ScrapeLoss = 0.1 }},
	{"load and capacity twice as noisy", func(c *fleet.Config) { c.LoadNoise, c.CapacityNoise, c.CapacitySpread = 0.08, 0.08, 0.08 }},
	{"connections last 60 s", func(c *fleet.Config) { c.ConnectionMaxAge = time.Minute }},
	{"pods of 600 frames per second", func(c *fleet.Config) { c.FrameRate = 600 }},
	{"lost capacity shows as CPU time", func(c *fleet.Config) { c.SeenDrop = 1 }},
}

// cells runs the standard traces of up to ten pods and returns a line's cells of the result: bad frames, cost and reversals.
func (o options) cells(m *manifest.Manifest, config fleet.Config) ([]string, error) {
	means, err := under(m, config, standard(false), o.seeds, nil)
	if err != nil {
		return nil, err
	}
	a := report.Sum(means)
	return []string{report.Percent(a.Bad()), fmt.Sprintf("%.2f", a.Cost), fmt.Sprintf("%.1f", a.Reversals)}, nil
}

// writeSurroundings runs the policy of late frames only and the default where the model's assumptions differ.
func (o options) writeSurroundings(files fs.FS, shipped *manifest.Chart, out io.Writer) error {
	chart, policies, err := experiments(files)
	if err != nil {
		return err
	}
	return report.WriteFile(filepath.Join(o.report, "surroundings.md"), func(w io.Writer) error {
		fmt.Fprintf(w, "# Other surroundings\n\nMade by `%s`; do not edit.\n\nThe policies of [ablation.md](ablation.md), all standard traces of up to ten pods, %d seeds, with one assumption of the model changed. The oracle lives in the same surroundings.\n\n", Command, o.seeds)
		var table [][]string
		for _, s := range surroundings {
			line := []string{s.name}
			for _, p := range policies {
				if p.Name != "late frames only" && p.Name != "default" {
					continue
				}
				m, config, err := o.render(chart, manifest.Values{Map: p.Values})
				if err != nil {
					return err
				}
				s.change(&config)
				cells, err := o.cells(m, config)
				if err != nil {
					return err
				}
				line = append(line, cells...)
			}
			table = append(table, line)
			fmt.Fprintln(out, s.name)
		}
		report.Markdown(w, []string{"surroundings", "late frames only: bad", "× oracle", "reversals", "default: bad", "× oracle", "reversals"}, table)
		if err := o.slowStarts(w, shipped, out); err != nil {
			return err
		}
		return o.slowNodes(w, shipped, out)
	})
}

// slowStarts are the pod starts of the second table of surroundings.md.
var slowStarts = []time.Duration{60 * time.Second, 120 * time.Second, 300 * time.Second}

// slowStarts runs the default, gpu.yaml and sessions.yaml with pods that take long to start.
func (o options) slowStarts(w io.Writer, chart *manifest.Chart, out io.Writer) error {
	fmt.Fprint(w, "\n## Slow starts\n\nThe chart's default, `gpu.yaml` and `sessions.yaml`, whose pods start in 15 s, 120 s and 15 s as the files have it. \"Left\" are the viewers of [sessions.md](sessions.md) who left without a session.\n\n")
	gpu, err := o.values(filepath.Join(o.examples, "gpu.yaml"))
	if err != nil {
		return err
	}
	sessions, err := o.values(filepath.Join(o.examples, "sessions.yaml"))
	if err != nil {
		return err
	}
	var table [][]string
	for _, start := range slowStarts {
		written := map[string]any{"autoscaling": map[string]any{"podStart": fmt.Sprintf("%.0fs", start.Seconds())}}
		line := []string{fmt.Sprintf("%.0f s", start.Seconds())}
		for _, v := range []manifest.Values{{Map: written}, gpu.Overlay(written), sessions.Overlay(written)} {
			m, config, err := o.render(chart, v)
			if err != nil {
				return err
			}
			config.PodStart = start
			cells, err := o.cells(m, config)
			if err != nil {
				return err
			}
			line = append(line, cells...)
		}
		table = append(table, line)
		fmt.Fprintln(out, "pods Ready after", start)
	}
	report.Markdown(w, []string{"pods Ready after", "default: bad", "× oracle", "reversals", "gpu.yaml: bad", "× oracle", "reversals", "sessions.yaml: left", "× oracle", "reversals"}, table)
	return o.gpuChoice(w, chart, gpu, out)
}

// nodeStart is how long a new node takes in the third table of surroundings.md.
const nodeStart = 120 * time.Second

// spares are what is kept ready for a pod that is added, in pods.
var spares = []struct {
	name         string
	placeholders int
	headroom     float64
}{
	{"none", 0, 0},
	{"1 placeholder", 1, 0}, {"2 placeholders", 2, 0}, {"4 placeholders", 4, 0},
	{"headroom 1 more", 0, 1}, {"headroom 2 more", 0, 2}, {"headroom 4 more", 0, 4},
}

// slowNodes runs the default and gpu.yaml where each pod that is added needs a new node, with placeholders and with headroom.
func (o options) slowNodes(w io.Writer, chart *manifest.Chart, out io.Writer) error {
	fmt.Fprintf(w, "\n## Slow nodes\n\nEach pod has a node of its own, and a new node takes %.0f s. A pod takes the node of a placeholder at once (`warmCapacity.placeholders.pods`), and the placeholder waits for the new one. A node goes with its pod. Placeholders count as pods. The chart's default, with `signals.demand.metricType: Object` and pods that start in 15 s, and `gpu.yaml` with pods that start in 120 s, both with node and pod together as `autoscaling.podStart`. Headroom is that of the values and the pods that the row says.\n\n", nodeStart.Seconds())
	gpu, err := o.values(filepath.Join(o.examples, "gpu.yaml"))
	if err != nil {
		return err
	}
	total := manifest.Values{Map: map[string]any{"signals": map[string]any{"demand": map[string]any{"metricType": "Object"}}}}
	var table [][]string
	for _, spare := range spares {
		line := []string{spare.name}
		for _, policy := range []struct {
			values   manifest.Values
			podStart time.Duration
		}{{total, 15 * time.Second}, {gpu, 120 * time.Second}} {
			headroom, _ := chart.Float(policy.values, "autoscaling", "headroom")
			m, config, err := o.render(chart, policy.values.Overlay(map[string]any{"autoscaling": map[string]any{
				"podStart": fmt.Sprintf("%.0fs", (policy.podStart + nodeStart).Seconds()), "headroom": headroom + spare.headroom}}))
			if err != nil {
				return err
			}
			config.PodStart, config.NodeStart, config.Placeholders = policy.podStart, nodeStart, spare.placeholders
			cells, err := o.cells(m, config)
			if err != nil {
				return err
			}
			line = append(line, cells...)
		}
		table = append(table, line)
		fmt.Fprintln(out, "slow nodes:", spare.name)
	}
	report.Markdown(w, []string{"spare", "default: bad", "× oracle", "reversals", "gpu.yaml: bad", "× oracle", "reversals"}, table)
	return nil
}

// schedules are loads that are known ahead, and the pods that a schedule brings for them: the peak at demand's target.
var schedules = []struct {
	trace, start, end string
	replicas          int
}{
	{"diurnal", "0 1 * * *", "0 3 * * *", 9},
	{"step", "5 0 * * *", "0 2 * * *", 6},
	{"flash-crowd", "12 0 * * *", "45 0 * * *", 10},
}

// writeSchedule runs the chart with KEDA, with and without a cron trigger, under loads that one can know ahead.
func (o options) writeSchedule(chart *manifest.Chart, out io.Writer) error {
	return report.WriteFile(filepath.Join(o.report, "schedule.md"), func(w io.Writer) error {
		fmt.Fprintf(w, "# Pods by the clock\n\nMade by `%s`; do not edit.\n\n", Command)
		fmt.Fprintf(w, "The chart's default with KEDA, without and with a cron trigger as in [schedule.yaml](../../values-examples/schedule.yaml), %d seeds. The clock shows 0:00 when a trace begins.\n\n", o.seeds)
		var table [][]string
		for _, s := range schedules {
			t, err := findTrace(s.trace)
			if err != nil {
				return err
			}
			cron := map[string]any{"type": "cron", "metadata": map[string]any{"timezone": "Etc/UTC", "start": s.start, "end": s.end, "desiredReplicas": fmt.Sprint(s.replicas)}}
			for _, triggers := range [][]any{{}, {cron}} {
				v := manifest.Values{Map: map[string]any{"autoscaling": map[string]any{"provider": "keda"}, "keda": map[string]any{"triggers": triggers}}}
				m, config, err := o.render(chart, v)
				if err != nil {
					return err
				}
				means, err := under(m, config, []trace.Standard{{Trace: t}}, o.seeds, nil)
				if err != nil {
					return err
				}
				name, mean := "none", means[0]
				if len(triggers) > 0 {
					name = fmt.Sprintf("%d pods from `%s` to `%s`", s.replicas, s.start, s.end)
				}
				table = append(table, []string{s.trace, name, fmt.Sprintf("%.2f %%", 100*mean.Late/mean.Frames), fmt.Sprintf("%.2f", mean.Cost()), fmt.Sprintf("%.1f", mean.Reversals), fmt.Sprintf("%.0f s", mean.Recovery.Seconds())})
			}
			fmt.Fprintln(out, "schedule", s.trace)
		}
		report.Markdown(w, []string{"trace", "schedule", "bad", "× oracle", "reversals", "recovery"}, table)
		return nil
	})
}

// byTrace are the policies whose every trace is shown.
var byTrace = []string{"late frames only", "CPU utilization 70 %", "default", "without demand", "without overruns",
	"late frames without a limit", "both over 1m", "demand target 0.6", "minReplicas 3", "minReplicas 4"}

// experiments is the chart of testdata, which knows ideas that the product left out.
func experiments(files fs.FS) (*manifest.Chart, []policy, error) {
	chart, err := manifest.LoadFS(files, "testdata/experiments")
	if err != nil {
		return nil, nil, err
	}
	text, err := fs.ReadFile(files, "testdata/ablation.yaml")
	if err != nil {
		return nil, nil, err
	}
	var policies []policy
	return chart, policies, yaml.UnmarshalStrict(text, &policies)
}

func (o options) writeAblation(files fs.FS, out io.Writer) error {
	experiment, policies, err := experiments(files)
	if err != nil {
		return err
	}
	kubernetes, err := chart.KubeVersion()
	if err != nil {
		return err
	}
	traces := standard(false)
	type row struct {
		policy
		means []sim.Summary
	}
	var rows []row
	lines := make(map[string][]report.Line)
	for _, p := range policies {
		m, config, err := o.render(experiment, manifest.Values{Map: p.Values})
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		results := make([]sim.Result, len(traces))
		means, err := under(m, config, traces, o.seeds, func(t int, r sim.Result) { results[t] = r })
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		rows = append(rows, row{p, means})
		if p.Name == "late frames only" || p.Name == "default" {
			for t := range traces {
				lines[traces[t].Name] = append(lines[traces[t].Name], report.Line{Name: p.Name, Note: report.Note(means[t]), Result: results[t]})
			}
		}
		fmt.Fprintf(out, "%s\n", p.Name)
	}
	for _, name := range []string{"step", "flash-crowd", "diurnal", "bursts", "capacity-drop"} {
		err := report.WriteFile(filepath.Join(o.report, name+".svg"), func(w io.Writer) error { return report.Picture(w, name, lines[name]) })
		if err != nil {
			return err
		}
	}
	return report.WriteFile(filepath.Join(o.report, "ablation.md"), func(w io.Writer) error {
		fmt.Fprintf(w, "# What each part of the default policy does\n\nMade by `%s`; do not edit.\n\n", Command)
		fmt.Fprintf(w, "The unmodified HPA controller of Kubernetes %s on virtual time, %d seeds, all standard traces of up to ten pods. ", strings.TrimPrefix(kubernetes, "v"), o.seeds)
		fmt.Fprintln(w, "\"Bad\" is late or refused, over the frames of all traces together. \"× oracle\" is the mean of the traces' pod-hours as multiples of the oracle's, which knows the future and keeps every second at no more than 1 % late frames with the fewest pods. Reversals are those beyond what the traces ask for, added up over all traces. Every row but those for comparison is the chart's default with what its name says changed, and nothing else.")
		fmt.Fprintln(w)
		var table [][]string
		group := ""
		for _, r := range rows {
			if r.Group != group {
				group = r.Group
				table = append(table, []string{"**" + group + "**", "", "", "", "", "", ""})
			}
			a := report.Sum(r.means)
			name := r.Name
			if r.About != "" {
				name += " (" + r.About + ")"
			}
			step := r.means[0]
			table = append(table, []string{name, fmt.Sprintf("%.3f %%", 100*a.Bad()), fmt.Sprintf("%.2f", a.Cost), fmt.Sprintf("%.1f", a.Reversals),
				report.Percent(step.InBudget()), fmt.Sprintf("%.2f", step.Cost()), fmt.Sprintf("%.1f", step.Reversals)})
		}
		report.Markdown(w, []string{"policy", "bad, all", "× oracle", "reversals", "step: in budget", "× oracle", "reversals"}, table)
		fmt.Fprintf(w, "\n## By trace\n\nBad frames / pod-hours as a multiple of the oracle's / seconds to recover.\n\n")
		header := []string{"policy"}
		for _, t := range traces {
			header = append(header, t.Name)
		}
		table = nil
		for _, r := range rows {
			if !slices.Contains(byTrace, r.Name) {
				continue
			}
			line := []string{r.Name}
			for _, m := range r.means {
				line = append(line, fmt.Sprintf("%.2f %% / %.2f / %.0f", 100*m.Late/m.Frames, m.Cost(), m.Recovery.Seconds()))
			}
			table = append(table, line)
		}
		report.Markdown(w, header, table)
		fmt.Fprintln(w)
		for _, t := range traces {
			fmt.Fprintf(w, "- **%s**: %s\n", t.Name, t.About)
		}
		return nil
	})
}

// notSimulated are the values examples that the model cannot show, and why.
var notSimulated = map[string]string{
	"own-renderer.yaml": "its renderer exports other metrics than the model",
}

// simulated returns the values files of a folder that the model can show.
func simulated(folder string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	return slices.DeleteFunc(files, func(file string) bool { return notSimulated[filepath.Base(file)] != "" }), err
}

func (o options) writeExamples(chart *manifest.Chart, out io.Writer) error {
	files, err := simulated(o.examples)
	if err != nil {
		return err
	}
	traces := standard(false)
	return report.WriteFile(filepath.Join(o.report, "examples.md"), func(w io.Writer) error {
		fmt.Fprintf(w, "# The values examples, simulated\n\nMade by `%s`; do not edit.\n\n", Command)
		fmt.Fprintf(w, "What the chart installs for each file and with no file, under the standard traces of up to ten pods, %d seeds. In budget and × oracle as in [ablation.md](ablation.md). Pods start in `autoscaling.podStart`. A file with KEDA is simulated as the autoscaler that KEDA makes of the ScaledObject. Of `sessions.yaml`, in budget are the viewers who found a place: [sessions.md](sessions.md). What a file says of nodes, rollouts and security is not in the model, nor are the hours of `schedule.yaml`: [schedule.md](schedule.md).\n\n", o.seeds)
		header := []string{"values", "pod start", "slo.objective", "all: in budget", "× oracle", "reversals"}
		for _, t := range traces {
			header = append(header, t.Name)
		}
		var table [][]string
		for _, file := range append([]string{""}, files...) {
			result, err := o.example(chart, file, traces)
			if err != nil {
				return err
			}
			table = append(table, result)
			fmt.Fprintln(out, label(file))
		}
		report.Markdown(w, header, table)
		fmt.Fprintln(w, "\nNot simulated:")
		fmt.Fprintln(w)
		for _, file := range slices.Sorted(maps.Keys(notSimulated)) {
			fmt.Fprintf(w, "- `%s`: %s.\n", file, notSimulated[file])
		}
		return nil
	})
}

func (o options) example(chart *manifest.Chart, file string, traces []trace.Standard) ([]string, error) {
	v, err := o.values(file)
	if err != nil {
		return nil, err
	}
	m, config, err := o.render(chart, v)
	// Without a Prometheus of its own the chart leaves the interval to the cluster.
	if err != nil && !errors.Is(err, errNoInterval) {
		return nil, err
	}
	means, err := under(m, config, traces, o.seeds, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", label(file), err)
	}
	a := report.Sum(means)
	objective, _ := chart.Float(v, "slo", "objective")
	name := label(file)
	if file != "" {
		name = "`" + filepath.Base(file) + "`"
	}
	line := []string{name, fmt.Sprintf("%.0f s", config.PodStart.Seconds()), fmt.Sprintf("%v %%", objective), report.Percent(1 - a.Bad()), fmt.Sprintf("%.2f", a.Cost), fmt.Sprintf("%.1f", a.Reversals)}
	for _, mean := range means {
		line = append(line, report.Percent(mean.InBudget()))
	}
	return line, nil
}

// writeLarge runs the default policy with as many replicas as the large loads need.
func (o options) writeLarge(files fs.FS, shipped *manifest.Chart, out io.Writer) error {
	chart, policies, err := experiments(files)
	if err != nil {
		return err
	}
	return report.WriteFile(filepath.Join(o.report, "large.md"), func(w io.Writer) error {
		fmt.Fprintf(w, "# Large fleets\n\nMade by `%s`; do not edit.\n\nHalf of the load for ten minutes, all of it five minutes later, 60 %% at the end. maxReplicas is 1.6 times the peak, minReplicas a third of it. Means of %d seeds.\n\n", Command, min(o.seeds, 2))
		var table [][]string
		for _, p := range policies {
			if p.Name != "late frames only" && p.Name != "default" {
				continue
			}
			for _, t := range standard(true) {
				peak := t.Peak()
				v := manifest.Values{Map: p.Values}.Overlay(map[string]any{"autoscaling": map[string]any{"minReplicas": int(peak / 3), "maxReplicas": int(1.6 * peak)}})
				m, config, err := o.render(chart, v)
				if err != nil {
					return err
				}
				means, err := under(m, config, []trace.Standard{t}, min(o.seeds, 2), nil)
				if err != nil {
					return err
				}
				s := means[0]
				table = append(table, []string{p.Name, t.Name, report.Percent(s.InBudget()), fmt.Sprintf("%.2f", s.Cost()), fmt.Sprintf("%.1f", s.Reversals), fmt.Sprintf("%.0f s", s.Recovery.Seconds())})
				fmt.Fprintln(out, p.Name, t.Name)
			}
		}
		report.Markdown(w, []string{"policy", "trace", "in budget", "× oracle", "reversals", "recovery"}, table)
		return o.writeGrowth(w, shipped, out)
	})
}
