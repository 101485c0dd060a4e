package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"holograph/test/sim/fleet"
	"holograph/test/sim/manifest"
	"holograph/test/sim/report"
	"holograph/test/sim/sim"
	"holograph/test/sim/trace"
	"holograph/test/sim/tune"
)

const usage = `Simulates a chart's HorizontalPodAutoscaler under a load, on virtual time.

  --values my.yaml --trace flash-crowd            one policy, one trace
  --trace spike.csv --csv out.csv --svg out.svg   a trace of your own, timeline and picture
  --svg out.svg --compare a.yaml b.yaml           policies over one another
  --trace all --values my.yaml                    one policy, all standard traces up to 10 pods
  --measured a.csv --measured b.csv --svg out.svg runs that were recorded on a cluster, over one another
  --measured a.csv --trace load.csv               such a run, and what is simulated for its load
  --tune --pod-hours 1.4 --out tuned.yaml         the best policy for the training set of drawn loads
  --report ../../docs/simulation                  the pages and pictures of the docs

Flags:
`

type options struct {
	chart, valuesFile, trace string
	csv, svg, out            string
	json, heading            string
	measured                 []string
	report, examples, pages  string
	compare, tune            bool
	seeds, tries             int
	min, max                 int
	goal                     tune.Goal
	podStart, connections    time.Duration
	nodeStart                time.Duration
	placeholders             int
	scrape                   time.Duration
	frameRate, seenDrop      float64
	idleCPU, cores           float64
	scrapeLoss, loadSpread   float64
	session, longest         time.Duration
	assigned                 bool
}

// simulate runs the command with the given arguments. What it prints is the same for the same arguments, byte for
// byte.
func simulate(args []string, out, progress io.Writer) error {
	defaults, sessions := fleet.Defaults(), fleet.DefaultSessions(1)
	var o options
	set := flag.NewFlagSet("sim", flag.ContinueOnError)
	set.SetOutput(progress)
	set.Usage = func() {
		fmt.Fprint(progress, usage)
		set.PrintDefaults()
	}
	set.StringVar(&o.chart, "chart", "../../charts/holograph", "folder of the chart")
	set.StringVar(&o.valuesFile, "values", "", "values file for the chart; none means the chart's own values")
	set.StringVar(&o.trace, "trace", "flash-crowd", "name of a standard trace ("+strings.Join(names(), ", ")+"), all for those of up to 10 pods, training or test for a set of drawn ones, a CSV file (seconds,load[,capacity]), or a folder of CSV files for --tune, which takes training unless it is told another")
	set.StringVar(&o.csv, "csv", "", "write the first seed's timeline to this file")
	set.StringVar(&o.svg, "svg", "", "draw load, replicas and overruns of the first seed into this file")
	set.StringVar(&o.heading, "title", "", "heading of the picture; the trace's name if empty")
	set.StringVar(&o.json, "json", "", "write the figures to this file")
	set.Func("measured", "a run recorded on a cluster, in the form that --csv writes; may be given several times, and is simulated too where --trace is given", func(file string) error {
		o.measured = append(o.measured, file)
		return nil
	})
	set.BoolVar(&o.compare, "compare", false, "compare the values files that follow the flags")
	set.BoolVar(&o.tune, "tune", false, "search targets, windows, behavior, min replicas and headroom")
	set.Float64Var(&o.goal.PodHours, "pod-hours", 0, "--tune: the most that the policy may cost, as a multiple of the oracle's pod-hours")
	set.Float64Var(&o.goal.SLO, "slo", 0, "--tune: the least percentage of frames in budget")
	set.IntVar(&o.tries, "tries", 120, "--tune: how many policies to simulate")
	set.StringVar(&o.out, "out", "tuned.yaml", "--tune: write the best policy's values to this file")
	set.StringVar(&o.report, "report", "", "write the docs' pages and pictures into this folder")
	set.StringVar(&o.pages, "pages", "", "--report: write only these pages, such as examples,schedule; all if empty")
	set.StringVar(&o.examples, "examples", "../../values-examples", "--report: folder of the values files to report on")
	set.IntVar(&o.seeds, "seeds", 5, "runs that differ in scrape and sync phases, pod start times and noise; figures are means")
	set.IntVar(&o.min, "min-replicas", 0, "replaces autoscaling.minReplicas")
	set.IntVar(&o.max, "max-replicas", 0, "replaces autoscaling.maxReplicas")
	set.DurationVar(&o.podStart, "pod-start", 0, "time from a pod's creation until it is Ready; autoscaling.podStart of the values if 0")
	set.DurationVar(&o.nodeStart, "node-start", 0, "time until a pod that finds no room has a new node; 0 means that every pod finds room")
	set.IntVar(&o.placeholders, "placeholders", 0, "placeholder pods, whose nodes pods take that find no room")
	set.DurationVar(&o.connections, "connection-max-age", defaults.ConnectionMaxAge, "how long a viewer's connection sticks to its pod")
	set.DurationVar(&o.scrape, "scrape-interval", 0, "time between scrapes, when the chart brings no Prometheus of its own")
	set.Float64Var(&o.frameRate, "frame-rate", defaults.FrameRate, "frames per second that one pod can render")
	set.Float64Var(&o.scrapeLoss, "scrape-loss", defaults.ScrapeLoss, "share of scrapes that fail, 0 to 1")
	set.Float64Var(&o.loadSpread, "load-spread", defaults.LoadSpread, "spread between pods of their load over a minute, for the connections they have, as a share")
	set.Float64Var(&o.seenDrop, "seen-drop", defaults.SeenDrop, "share of a trace's loss of capacity that shows as CPU time per frame, 0 to 1")
	set.Float64Var(&o.idleCPU, "idle-cpu", defaults.IdleCPU, "share of a pod's CPU that it takes beside frames, 0 to 1")
	set.Float64Var(&o.cores, "cores", defaults.Cores, "CPU of a pod, of which a policy on CPU use sees thousandths")
	set.DurationVar(&o.session, "session-length", sessions.Length, "mean length of the sessions, where signals.demand.offered.metric is "+fleet.SessionsMetric)
	set.DurationVar(&o.longest, "session-longest", sessions.Longest, "length that no session exceeds")
	set.BoolVar(&o.assigned, "session-assigned", false, "give a viewer a place wherever one is free, in place of a Service that picks any pod")
	if err := set.Parse(args); err != nil {
		return err
	}
	if !o.compare && set.NArg() > 0 {
		return fmt.Errorf("%q is not a flag; values files follow --compare, everything else has a flag of its own", set.Arg(0))
	}
	if o.seeds < 1 {
		return fmt.Errorf("--seeds is %d; write 1 or more", o.seeds)
	}
	chart, err := manifest.Load(o.chart)
	if err != nil {
		return err
	}
	given := map[string]bool{}
	set.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case o.report != "":
		return writeReport(o, testdata, chart, out)
	case o.tune:
		return o.runTune(chart, given["trace"], out, progress)
	case len(o.measured) > 0 && !given["trace"] && (o.compare || given["values"]):
		return errors.New("--measured is simulated beside a run only for that run's load; write --trace load.csv too")
	case len(o.measured) > 0 && !given["trace"]:
		return o.runPolicies(chart, nil, out)
	case o.compare:
		if set.NArg() < 2 {
			return errors.New("--compare wants two or more values files after the flags")
		}
		return o.runPolicies(chart, set.Args(), out)
	default:
		return o.runPolicies(chart, []string{o.valuesFile}, out)
	}
}

// runAll simulates policies under all standard traces of up to ten pods.
func (o options) runAll(chart *manifest.Chart, files []string, out io.Writer) error {
	traces := standard(false)
	fmt.Fprintf(out, "All standard traces, means of %d seeds\n", o.seeds)
	for _, file := range files {
		m, config, err := o.renderFile(chart, file)
		if err != nil {
			return err
		}
		means, err := under(m, config, traces, o.seeds, nil)
		if err != nil {
			return err
		}
		var rows []report.Row
		for i, mean := range means {
			rows = append(rows, report.Row{Name: traces[i].Name, Summary: mean})
		}
		fmt.Fprintln(out)
		report.Table(out, rows)
		a := report.Sum(means)
		fmt.Fprintf(out, "%s: %.3f %% bad, %.2f × oracle, %.1f reversals\n", label(file), 100*a.Bad(), a.Cost, a.Reversals)
		if config.Sessions != nil {
			fmt.Fprintf(out, "%s: %s\n", label(file), a.Viewers())
		}
	}
	return nil
}

func names() []string {
	var list []string
	for _, t := range trace.StandardTraces() {
		list = append(list, t.Name)
	}
	return list
}

// findTrace gives a standard trace by its name, or reads a CSV file.
func findTrace(name string) (trace.Trace, error) {
	for _, t := range trace.StandardTraces() {
		if t.Name == name {
			return t.Trace, nil
		}
	}
	file, err := os.Open(name)
	if err != nil {
		if !strings.HasSuffix(name, ".csv") {
			return trace.Trace{}, fmt.Errorf("--trace %s is neither a file nor a standard trace; those are %s", name, strings.Join(names(), ", "))
		}
		return trace.Trace{}, fmt.Errorf("--trace: %w", err)
	}
	defer file.Close()
	t, err := trace.Read(name, file)
	t.Name = strings.TrimSuffix(filepath.Base(name), ".csv")
	return t, err
}

func (o options) values(name string) (manifest.Values, error) {
	v := manifest.Values{Map: map[string]any{}}
	if name != "" {
		var err error
		if v, err = manifest.ReadValues(name); err != nil {
			return v, err
		}
	}
	over := map[string]any{}
	if o.min > 0 {
		over["minReplicas"] = o.min
	}
	if o.max > 0 {
		over["maxReplicas"] = o.max
	}
	if len(over) > 0 {
		v = v.Overlay(map[string]any{"autoscaling": over})
	}
	return v, nil
}

// render gives what the chart installs with the values, and the fleet that it runs on.
func (o options) render(chart *manifest.Chart, v manifest.Values) (*manifest.Manifest, fleet.Config, error) {
	m, err := chart.Render(v)
	if err != nil {
		return nil, fleet.Config{}, err
	}
	start, err := chart.PodStart(v)
	if err != nil {
		return nil, fleet.Config{}, err
	}
	config, err := o.fleetOf(m, start)
	return m, config, err
}

// renderFile is render for a values file, with what the flags say on top.
func (o options) renderFile(chart *manifest.Chart, file string) (*manifest.Manifest, fleet.Config, error) {
	v, err := o.values(file)
	if err != nil {
		return nil, fleet.Config{}, err
	}
	return o.render(chart, v)
}

// errNoInterval says that neither the chart nor a flag tells how often pods are scraped.
var errNoInterval = errors.New("the chart brings no Prometheus with these values, so the simulator cannot tell how often pods are scraped; write --scrape-interval 15s")

// fleetOf is the model's configuration for a release whose values say that its pods take so long to start, 0 where they do
// not say it. With errNoInterval the configuration has the interval of the model.
func (o options) fleetOf(m *manifest.Manifest, start time.Duration) (fleet.Config, error) {
	c := fleet.Defaults()
	c.PodStart, c.ConnectionMaxAge = cmp.Or(o.podStart, start, c.PodStart), o.connections
	c.NodeStart, c.Placeholders = o.nodeStart, o.placeholders
	c.FrameRate, c.SeenDrop, c.ScrapeLoss, c.LoadSpread = o.frameRate, o.seenDrop, o.scrapeLoss, o.loadSpread
	c.IdleCPU, c.Cores = o.idleCPU, o.cores
	if m.Places > 0 {
		c.Sessions = fleet.DefaultSessions(m.Places)
		c.Sessions.Length, c.Sessions.Longest = o.session, o.longest
		c.Sessions.FewestFirst, c.Sessions.Assigned = m.DeletionCosts, o.assigned
	}
	switch {
	case o.scrape > 0:
		c.ScrapeInterval = o.scrape
	case m.ScrapeInterval > 0:
		c.ScrapeInterval = m.ScrapeInterval
	default:
		return c, errNoInterval
	}
	return c, nil
}

func label(file string) string {
	if file == "" {
		return "default"
	}
	return strings.TrimSuffix(filepath.Base(file), ".yaml")
}

func (o options) runPolicies(chart *manifest.Chart, files []string, out io.Writer) error {
	_, drawn := sets[o.trace]
	if o.trace == "all" || drawn {
		for _, one := range []struct{ flag, value string }{{"csv", o.csv}, {"svg", o.svg}, {"json", o.json}, {"measured", strings.Join(o.measured, " ")}} {
			if one.value != "" {
				return fmt.Errorf("--%s is for one trace; write its name in place of --trace %s: %s", one.flag, o.trace, strings.Join(names(), ", "))
			}
		}
		if drawn {
			return o.runDrawn(chart, files, out)
		}
		return o.runAll(chart, files, out)
	}
	var rows []report.Row
	var lines []report.Line
	add := func(name string, summary sim.Summary, result sim.Result) {
		rows = append(rows, report.Row{Name: name, Summary: summary})
		lines = append(lines, report.Line{Name: name, Note: report.Note(summary), Result: result})
	}
	title, seconds := "Measured", 0
	cases := make([]sim.Case, len(files))
	for _, file := range o.measured {
		result, err := o.judge(file)
		if err != nil {
			return err
		}
		name := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(file), ".csv"), "-", " ")
		if len(files) > 0 {
			name += ", measured"
		}
		add(name, result.Summary, result)
		seconds = len(result.Rows)
	}
	if len(files) > 0 {
		t, err := findTrace(o.trace)
		if err != nil {
			return err
		}
		title, seconds = t.Name, int(t.Duration())
		for i, file := range files {
			m, config, err := o.renderFile(chart, file)
			if err != nil {
				return err
			}
			cases[i] = sim.Case{Manifest: m, Trace: t, Fleet: config}
			if peak := t.Peak(); peak > float64(m.HPA.Spec.MaxReplicas) {
				fmt.Fprintf(out, "Note: %s needs %.0f pods at its peak, but autoscaling.maxReplicas of %s is %d; --max-replicas raises it.\n", t.Name, peak, label(file), m.HPA.Spec.MaxReplicas)
			}
		}
		results := make([]sim.Result, len(files))
		runs, err := sim.Seeds(cases, o.seeds, func(c int, r sim.Result) { results[c] = r })
		if err != nil {
			return err
		}
		for i, file := range files {
			name := label(file)
			if len(o.measured) > 0 {
				name += ", simulated"
			}
			add(name, sim.Mean(runs[i]), results[i])
		}
	}
	fmt.Fprintf(out, "%s, %d minutes", title, seconds/60)
	if len(files) > 0 {
		fmt.Fprintf(out, ", means of %d seeds", o.seeds)
	}
	fmt.Fprint(out, "\n\n")
	report.Table(out, rows)
	fmt.Fprintln(out)
	simulated := len(rows) - len(files)
	for i, file := range files {
		if row := rows[simulated+i]; cases[i].Fleet.Sessions != nil {
			fmt.Fprintf(out, "%s: %s\n", row.Name, report.Sum([]sim.Summary{row.Summary}).Viewers())
		}
		v, err := o.values(file)
		if err != nil {
			return err
		}
		if objective, found := chart.Float(v, "slo", "objective"); found && objective > 0 {
			verdict := "kept"
			if 100*rows[simulated+i].InBudget() < objective {
				verdict = "missed"
			}
			fmt.Fprintf(out, "%s: slo.objective of %v %% %s on this trace\n", rows[simulated+i].Name, objective, verdict)
		}
	}
	if o.json != "" {
		timelines := make([]sim.Result, len(lines))
		for i, l := range lines {
			timelines[i] = l.Result
		}
		if err := report.WriteFile(o.json, func(w io.Writer) error { return report.JSON(w, rows, timelines) }); err != nil {
			return err
		}
	}
	if o.csv != "" {
		for i, l := range lines[simulated:] {
			name := o.csv
			if len(files) > 1 {
				name = strings.TrimSuffix(o.csv, ".csv") + "-" + rows[simulated+i].Name + ".csv"
			}
			if err := report.WriteFile(name, func(w io.Writer) error { return report.Timeline(w, l.Result.Rows, l.Result.Oracle.Pods) }); err != nil {
				return err
			}
		}
	}
	if o.svg != "" {
		return report.WriteFile(o.svg, func(w io.Writer) error { return report.Picture(w, o.title(title), lines) })
	}
	return nil
}

// judge reads a recorded run and gives it the figures that simulated ones have.
func (o options) judge(name string) (sim.Result, error) {
	file, err := os.Open(name)
	if err != nil {
		return sim.Result{}, fmt.Errorf("--measured: %w", err)
	}
	defer file.Close()
	rows, err := report.ReadTimeline(name, file)
	if err != nil {
		return sim.Result{}, err
	}
	return sim.Judge(rows, fleet.Defaults()), nil
}

// title is the picture's heading: --title, or what is shown.
func (o options) title(shown string) string {
	if o.heading != "" {
		return o.heading
	}
	return shown
}

func (o options) runTune(chart *manifest.Chart, traceGiven bool, out, progress io.Writer) error {
	v, err := o.values(o.valuesFile)
	if err != nil {
		return err
	}
	_, config, err := o.render(chart, v)
	if err != nil {
		return err
	}
	about, simulate := "", func(m *manifest.Manifest) (report.All, error) { return report.All{}, nil }
	if set, drawn := sets[o.trace]; !traceGiven || drawn {
		if !traceGiven {
			set = trace.Training
		}
		loads := trace.Draw(set)
		about = fmt.Sprintf("%d loads of the training set", len(loads))
		if set == trace.Test {
			return errors.New("--tune on the test set would leave no loads to judge the policy on; leave --trace out, or write another")
		}
		simulate = func(m *manifest.Manifest) (report.All, error) {
			result, err := judge(m, config, loads, o.seeds)
			return result.Sum(), err
		}
	} else {
		traces, err := o.tracesToTune()
		if err != nil {
			return err
		}
		about = "traces " + traceNames(traces)
		simulate = func(m *manifest.Manifest) (report.All, error) {
			means, err := under(m, config, traces, o.seeds, nil)
			return report.Sum(means), err
		}
	}
	search := tune.Search{Chart: chart, Values: v, Simulate: simulate, ScrapeInterval: config.ScrapeInterval, PodStart: config.PodStart, Tries: o.tries, Goal: o.goal,
		Progress: func(done, tries int) { fmt.Fprintf(progress, "\r%d of %d policies", done, tries) }}
	best, front, err := search.Run()
	fmt.Fprintln(progress)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d policies, %s, means of %d seeds; the Pareto front, cheapest first:\n\n", o.tries, about, o.seeds)
	fmt.Fprintln(out, "× oracle  in budget  reversals  policy")
	for _, p := range front {
		mark := "  "
		if p == best {
			mark = " *"
		}
		fmt.Fprintf(out, "%8.2f  %9s  %9.1f %s%s\n", p.All.Cost, report.Percent(1-p.All.Bad()), p.All.Reversals, mark, p)
	}
	head := fmt.Sprintf("Found by the simulator: %d policies, %s.\nFrames in budget %s, pod-hours %.2f times the oracle's, %.1f reversals.",
		o.tries, about, report.Percent(1-best.All.Bad()), best.All.Cost, best.All.Reversals)
	fmt.Fprintf(out, "\nBest: %s\n", best)
	if !o.goal.Meets(best.All) {
		fmt.Fprintln(out, "No policy kept the limit; the best is the one that comes closest. More --tries or a looser goal may help.")
	}
	text, err := tune.File(v, best, head)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Values written to %s\n", o.out)
	return os.WriteFile(o.out, text, 0o644)
}

// tracesToTune are those that --trace names: all standard ones, one, or those of a folder.
func (o options) tracesToTune() ([]trace.Standard, error) {
	if o.trace == "all" {
		return standard(false), nil
	}
	files := []string{o.trace}
	if info, err := os.Stat(o.trace); err == nil && info.IsDir() {
		files, _ = filepath.Glob(filepath.Join(o.trace, "*.csv"))
		slices.Sort(files)
	}
	var traces []trace.Standard
	for _, file := range files {
		t, err := findTrace(file)
		if err != nil {
			return nil, err
		}
		traces = append(traces, trace.Standard{Trace: t})
	}
	if len(traces) == 0 {
		return nil, fmt.Errorf("--trace %s has no CSV files in it", o.trace)
	}
	return traces, nil
}

func traceNames(traces []trace.Standard) string {
	var list []string
	for _, t := range traces {
		list = append(list, t.Name)
	}
	return strings.Join(list, ", ")
}
