package result

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holograph/test/internal/plot"
	"holograph/test/internal/spread"
)

// names name the modes for a reader.
var names = map[string]string{Pods: "Pods", Object: "Object", KEDA: "KEDA", CachedKEDA: "KEDA, cached"}

// colors tell the modes apart in the picture.
var colors = map[string]plot.Color{Pods: plot.Orange, Object: plot.Blue, KEDA: plot.Green, CachedKEDA: plot.Purple}

// order is that of the modes on the page.
var order = []string{Pods, Object, KEDA, CachedKEDA}

// picture is the file of the picture, beside the page.
const picture = "calls.svg"

// Publish writes the page and the picture of the record into the folder.
func (r Record) Publish(folder string) error {
	if err := os.WriteFile(filepath.Join(folder, "README.md"), []byte(r.Page()), 0o644); err != nil {
		return err
	}
	if !r.drawable() {
		return nil
	}
	var out bytes.Buffer
	if err := r.Draw(&out); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, picture), out.Bytes(), 0o644)
}

// Page returns the page of the docs.
func (r Record) Page() string {
	var out strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	p("# Fleets of thousands of pods, and hundreds of autoscalers")
	p("")
	p("What it costs to bring the metric to the autoscaler, measured on a kind cluster with the chart's Prometheus,")
	p("prometheus-adapter or KEDA, and Kubernetes' own autoscaler. `make scale ARGS=\"--run 1\"` measures and replaces run 1 on record;")
	p("this page and the picture are made of [all runs on record](figures.json). Do not edit it.")
	p("Figures are means over the runs, with the least and the most of one run in parentheses where runs differ.")
	p("")
	for _, run := range r {
		p("- Run %d of %s, %.0f minutes on a machine of %d cores, which does everything that is measured%s%s.", run.Number, run.Date, run.Minutes, run.Cores,
			when(run.Narrowed, "; **narrowed**: `%s`"), when(run.Ended, "; **it ended early**: %s"))
	}
	if !slices.Contains(r.modes(), KEDA) {
		p("- No run on record has KEDA.")
	}
	p("")
	r.goals(p)
	r.stops(p)
	r.calls(p)
	r.prometheus(p)
	r.growth(p)
	r.autoscalers(p)
	r.method(p)
	return out.String()
}

// when formats a text that may be empty.
func when(text, format string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf(format, text)
}

type printer func(format string, args ...any)

func (r Record) goals(p printer) {
	p("## Goals")
	p("")
	p("| goal | bound | mean | spread | runs | verdict |")
	p("| --- | --- | --: | --: | --: | --- |")
	for _, g := range r.Goals() {
		mean, apart := "–", "–"
		if g.Runs > 0 {
			mean = fmt.Sprintf("%.3g%s", g.Got.Mean, g.Unit)
			apart = fmt.Sprintf("%.3g to %.3g", g.Got.Least, g.Got.Most)
		}
		mark := map[bool]string{true: "🟢 ", false: "🔴 "}[g.Met()]
		if g.Runs == 0 {
			mark = ""
		}
		p("| %s | %s | %s | %s | %d | %s%s |", g.What, g.bound(), mean, apart, g.Runs, mark, g.verdict())
	}
	p("")
	p("The autoscaler waits %d s after each decision, so the time between two of them is longer than that by the decision itself and by the wait for its turn; %.3g s are within the period.", syncPeriod, inTime)
	p("")
}

// sizes are the numbers of pods that any run has, ascending.
func (r Record) sizes() []int {
	var all []int
	for _, run := range r {
		for _, cell := range run.Cells {
			all = append(all, cell.Pods)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// modes are those that any run has cells of, in the page's order.
func (r Record) modes() []string {
	return slices.DeleteFunc(slices.Clone(order), func(mode string) bool {
		return !slices.ContainsFunc(r, func(run Run) bool {
			return slices.ContainsFunc(run.Cells, func(c Cell) bool { return c.Mode == mode })
		})
	})
}

// over is a figure of the cells of a mode and a size, over the runs.
func (r Record) over(mode string, pods int, figure func(Run, Cell) float64) spread.Value {
	return spread.Over(r, func(run Run) float64 {
		if cell := run.cell(mode, pods); cell != nil {
			return figure(run, *cell)
		}
		return math.NaN()
	})
}

// share is a component's memory as a share of the chart's default limit.
func share(component string) func(Run, Cell) float64 {
	return func(run Run, cell Cell) float64 { return cell.RSS[component] / run.Limits[component] }
}

// exceeds returns the first size at which what serves a mode has more memory than the chart's default limit, and the largest
// before it; 0 where there is none.
func (r Record) exceeds(mode, component string) (first, before int) {
	for _, pods := range r.sizes() {
		v := r.over(mode, pods, share(component))
		switch {
		case math.IsNaN(v.Mean):
		case v.Mean > 1:
			return pods, before
		default:
			before = pods
		}
	}
	return 0, before
}

// limit is the chart's default limit of a component's memory in MiB, of the latest run.
func (r Record) limit(component string) float64 { return r[len(r)-1].Limits[component] }

// firstMode is the mode that is measured first at each size. Prometheus then has the series of the pods, and not yet the
// queries of the others.
func (r Record) firstMode() string { return cmp.Or(append(r.modes(), "")[0], Pods) }

// stops says where each way ends.
func (r Record) stops(p printer) {
	lines := r.ends()
	if slowest := r.slowest(); slowest != nil {
		lines = append(lines, fmt.Sprintf("**Autoscalers**: with the controller manager's default of 20 requests a second for each client, %d autoscalers (%s) decide every %.0f s, not every %d. `--kube-api-qps` of the controller manager raises it; on a managed cluster it is the provider's.",
			slowest.Autoscalers, names[slowest.Mode], slowest.Period, syncPeriod))
	}
	if len(lines) == 0 {
		return
	}
	p("## Where each way stops")
	p("")
	for _, line := range lines {
		p("- %s", line)
	}
	p("")
}

// ends are the sentences on one autoscaler and on Prometheus.
func (r Record) ends() []string {
	sizes := r.sizes()
	if len(sizes) == 0 {
		return nil
	}
	largest := sizes[len(sizes)-1]
	memory := func(mode, component string, pods int) string {
		return r.over(mode, pods, func(_ Run, c Cell) float64 { return c.RSS[component] }).Text("%.0f", " MiB")
	}
	within := fmt.Sprintf("up to %s pods, the largest size measured,", Number(largest))
	var lines []string
	if slices.Contains(r.modes(), Pods) {
		text := within + " the adapter stays below the chart's default memory limit"
		if first, before := r.exceeds(Pods, Adapter); first > 0 {
			text = fmt.Sprintf("at %s pods the adapter needs %s, more than the chart's default limit of %.0f MiB: raise `prometheusAdapter.resources.limits.memory`",
				Number(first), memory(Pods, Adapter, first), r.limit(Adapter))
			if before > 0 {
				text += fmt.Sprintf("; at %s it needs %s", Number(before), memory(Pods, Adapter, before))
			}
		}
		lines = append(lines, fmt.Sprintf("**Pods** (the default): %s.", text))
	}
	if slices.Contains(r.modes(), Object) {
		lines = append(lines, fmt.Sprintf("**Object**: the adapter lists no pods, and has %s at %s pods. A call takes what its query takes in Prometheus, which evaluates the values of all pods at that moment, twice. A total that a rule records would be there within milliseconds, but up to 15 s old.", memory(Object, Adapter, largest), Number(largest)))
	}
	if slices.Contains(r.modes(), KEDA) {
		lines = append(lines, "**KEDA**: only the query in Prometheus depends on the number of pods. With `useCachedMetrics`, for which the chart has no value, KEDA queries once in its `pollingInterval` of 30 s, and the autoscaler gets values that are up to 30 s old.",
			"**KEDA with many autoscalers**: each trigger holds a connection of Prometheus, two for each autoscaler. When all connections are taken, Prometheus' own liveness probe gets none. With 500 autoscalers Prometheus restarted twice in run 5, with the chart's `--web.max-connections=100`, and not in run 6, with 2,000. [Raise it](../sources.md#one-adapter-several-releases) as the release that serves has it here.")
	}
	mode := r.firstMode()
	text := fmt.Sprintf("%s it stays below its default limit of %.0f MiB in the first minutes", within, r.limit(Prometheus))
	if first, before := r.exceeds(mode, Prometheus); first > 0 {
		text = fmt.Sprintf("at %s pods it needs %s within minutes, more than its default limit of %.0f MiB. From that size on, use [your own Prometheus](../sources.md#your-own-prometheus), or raise `prometheus.resources.limits.memory`",
			Number(first), memory(mode, Prometheus, first), r.limit(Prometheus))
		if before > 0 {
			text += fmt.Sprintf(". At %s pods it needed %s", Number(before), memory(mode, Prometheus, before))
		}
	}
	return append(lines, fmt.Sprintf("**The embedded Prometheus**: %s.", text))
}

// slowest returns the measurement with the default of the controller manager in which the time between two decisions was
// the longest, or nil if all of them were in time.
func (r Record) slowest() *Many {
	var found *Many
	for _, run := range r {
		for i, m := range run.Many {
			if m.ControllerRate == 0 && m.Period > inTime && (found == nil || m.Period > found.Period) {
				found = &run.Many[i]
			}
		}
	}
	return found
}

// Number writes a whole number with a comma between thousands.
func Number(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", Number(n/1000), n%1000)
}

// table prints a row for each mode and a column for each size.
func (r Record) table(p printer, format string, figure func(Run, Cell) float64) {
	header, rule := "| pods", "| ---"
	for _, pods := range r.sizes() {
		header += " | " + Number(pods)
		rule += " | --:"
	}
	p("%s |", header)
	p("%s |", rule)
	for _, mode := range r.modes() {
		line := "| " + names[mode]
		for _, pods := range r.sizes() {
			line += " | " + r.over(mode, pods, figure).Text(format, "")
		}
		p("%s |", line)
	}
	p("")
}

func (r Record) calls(p printer) {
	if len(r.modes()) == 0 {
		return
	}
	p("## One autoscaler")
	p("")
	if r.drawable() {
		p("![CPU and time of a request of the autoscaler over the number of pods, on logarithmic axes, for each way to serve the metric](%s)", picture)
		p("")
	}
	p("A call is one of the two requests that the autoscaler sends for a decision, every %d s: one for late frames and one for demand.", syncPeriod)
	p("")
	p("CPU of a call in milliseconds, what serves the metric and the API server together:")
	p("")
	r.table(p, "%.1f", func(_ Run, c Cell) float64 { return c.Path() })
	p("Of that, the API server:")
	p("")
	r.table(p, "%.1f", func(_ Run, c Cell) float64 { return c.CPU[APIServer] })
	p("Prometheus, in addition:")
	p("")
	r.table(p, "%.1f", func(_ Run, c Cell) float64 { return c.CPU[Prometheus] })
	p("All of it together:")
	p("")
	r.table(p, "%.1f", func(_ Run, c Cell) float64 { return c.Path() + c.CPU[Prometheus] })
	p("Time of a call in milliseconds, the median:")
	p("")
	r.table(p, "%.1f", func(_ Run, c Cell) float64 { return c.P50 })
	p("The 99th percentile, which of 30 calls is the slowest:")
	p("")
	r.table(p, "%.0f", func(_ Run, c Cell) float64 { return c.P99 })
	p("Number of calls that were answered:")
	p("")
	r.table(p, "%.0f", func(_ Run, c Cell) float64 { return float64(c.Calls) })
	for _, run := range r {
		for _, c := range run.Cells {
			if c.Failed > 0 {
				p("In run %d, %s at %s pods: %d of %d calls failed.", run.Number, names[c.Mode], Number(c.Pods), c.Failed, c.Calls+c.Failed)
				p("")
			}
		}
	}
	p("Memory of what serves the metric in MiB: the adapter, or KEDA's operator and metrics server together.")
	p("")
	r.table(p, "%.0f", func(_ Run, c Cell) float64 {
		if c.Mode == KEDA || c.Mode == CachedKEDA {
			return c.RSS[KEDAOperator] + c.RSS[KEDAMetricsServer]
		}
		return c.RSS[Adapter]
	})
}

func (r Record) prometheus(p printer) {
	if len(r.modes()) == 0 {
		return
	}
	mode := r.firstMode()
	p("## The embedded Prometheus")
	p("")
	p("It finds and scrapes each pod every 15 s, and evaluates the chart's rules. Without calls of an autoscaler it used:")
	p("")
	p("| pods | targets | series | memory, MiB | of the default limit | cores |")
	p("| --: | --: | --: | --: | --: | --: |")
	for _, pods := range r.sizes() {
		of := func(figure func(Cell) float64) spread.Value {
			return r.over(mode, pods, func(_ Run, c Cell) float64 { return figure(c) })
		}
		p("| %s | %s | %s | %s | %s | %s |", Number(pods),
			of(func(c Cell) float64 { return c.Targets }).Text("%.0f", ""),
			of(func(c Cell) float64 { return c.Series }).Text("%.0f", ""),
			of(func(c Cell) float64 { return c.RSS[Prometheus] }).Text("%.0f", ""),
			r.over(mode, pods, func(run Run, c Cell) float64 { return 100 * share(Prometheus)(run, c) }).Text("%.0f", " %"),
			of(func(c Cell) float64 { return c.PrometheusCores }).Text("%.2f", ""))
	}
	p("")
	p("Memory is that after the calls of the first mode, minutes after the pods came. It grows for about two hours, until Prometheus writes its first block.")
	p("")
}

// GrowthSizes are the numbers of Ready pods that any run has the time of, ascending.
func (r Record) GrowthSizes() []int {
	var all []int
	for _, run := range r {
		for _, growth := range run.Growths {
			for _, reached := range growth.Reached {
				all = append(all, reached.Pods)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Growth is how many seconds after the load rose so many pods were Ready in a mode, over the runs.
func (r Record) Growth(mode string, pods int) spread.Value {
	return spread.Over(r, func(run Run) float64 {
		for _, growth := range run.Growths {
			for _, reached := range growth.Reached {
				if growth.Mode == mode && reached.Pods == pods {
					return reached.Seconds
				}
			}
		}
		return math.NaN()
	})
}

func (r Record) growth(p printer) {
	columns := r.GrowthSizes()
	if len(columns) == 0 {
		return
	}
	p("## From 2 pods to thousands")
	p("")
	p("The load rises in one step to twice what the largest fleet can do, and no policy of `autoscaling.behavior` holds the growth back. Seconds from the step until so many pods are Ready, on the way to the largest size:")
	p("")
	header, rule := "| Ready pods", "| ---"
	for _, pods := range columns {
		header += " | " + Number(pods)
		rule += " | --:"
	}
	p("%s |", header)
	p("%s |", rule)
	for _, mode := range order {
		line, any := "| "+names[mode], false
		for _, pods := range columns {
			v := r.Growth(mode, pods)
			any = any || !math.IsNaN(v.Mean)
			line += " | " + v.Text("%.0f", "")
		}
		if any {
			p("%s |", line)
		}
	}
	p("")
	for _, run := range r {
		if len(run.Growths) > 0 && run.MostLoad > 0 {
			p("In run %d, a pod was offered %g times its capacity at most. The queries drop one with much more as broken.", run.Number, run.MostLoad)
			p("")
		}
	}
	p("The simulator's fleet is [beside it](../simulation/large.md#from-2-pods-to-5000). With the chart's default policy a fleet grows to at most four times its size every 15 s, whatever serves the metric.")
	p("")
}

func (r Record) autoscalers(p printer) {
	var rows []Many
	for _, run := range r {
		for _, m := range run.Many {
			same := func(other Many) bool {
				return other.Mode == m.Mode && other.Autoscalers == m.Autoscalers && other.ControllerRate == m.ControllerRate
			}
			if !slices.ContainsFunc(rows, same) {
				rows = append(rows, m)
			}
		}
	}
	if len(rows) == 0 {
		return
	}
	slices.SortStableFunc(rows, func(a, b Many) int {
		return cmp.Or(cmp.Compare(b.ControllerRate, a.ControllerRate), cmp.Compare(slices.Index(order, a.Mode), slices.Index(order, b.Mode)), cmp.Compare(a.Autoscalers, b.Autoscalers))
	})
	p("## Many autoscalers")
	p("")
	p("Fleets of ten pods each in ten namespaces, with one Prometheus and one adapter or KEDA for all of them. The time between two decisions and that of a decision are from the controller manager's")
	p("`horizontal_pod_autoscaler_controller_reconciliation_duration_seconds`, over two decisions of each autoscaler. CPU is in cores, memory in MiB.")
	p("")
	p("| | autoscalers | controller manager, requests/s | a decision every | takes, mean | p99, at most | failed | controller manager | API server | adapter or KEDA | Prometheus | other programs | adapter or KEDA, memory | Prometheus, memory |")
	p("| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |")
	for _, row := range rows {
		over := func(figure func(Many) float64) spread.Value {
			return spread.Over(r, func(run Run) float64 {
				if m := run.many(row.Mode, row.Autoscalers, row.ControllerRate); m != nil {
					return figure(*m)
				}
				return math.NaN()
			})
		}
		serving := func(of map[string]float64) float64 {
			if row.Mode == KEDA || row.Mode == CachedKEDA {
				return of[KEDAOperator] + of[KEDAMetricsServer]
			}
			return of[Adapter]
		}
		rate := "20, the default"
		if row.ControllerRate > 0 {
			rate = fmt.Sprint(row.ControllerRate)
		}
		p("| %s | %d | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |", names[row.Mode], row.Autoscalers, rate,
			over(func(m Many) float64 { return m.Period }).Text("%.1f", " s"),
			over(func(m Many) float64 { return 1000 * m.Mean }).Text("%.0f", " ms"),
			over(func(m Many) float64 {
				if m.P99 == 0 {
					return math.NaN()
				}
				return 1000 * m.P99
			}).Text("%.0f", " ms"),
			over(func(m Many) float64 { return 100 * m.Failed }).Text("%.1f", " %"),
			over(func(m Many) float64 { return m.Cores[ControllerManager] }).Text("%.2f", ""),
			over(func(m Many) float64 { return m.Cores[APIServer] }).Text("%.2f", ""),
			over(func(m Many) float64 { return serving(m.Cores) }).Text("%.2f", ""),
			over(func(m Many) float64 { return m.Cores[Prometheus] }).Text("%.2f", ""),
			over(func(m Many) float64 { return m.Elsewhere }).Text("%.2f", ""),
			over(func(m Many) float64 { return serving(m.RSS) }).Text("%.0f", ""),
			over(func(m Many) float64 { return m.RSS[Prometheus] }).Text("%.0f", ""))
	}
	p("")
	p("The controller manager makes five decisions at a time (`--concurrent-horizontal-pod-autoscaler-syncs`). Where the number of autoscalers, times what a decision takes, divided by five, exceeds %d s, that is the time between two decisions of each. A decision takes longer on a machine that is busy with other programs.", syncPeriod)
	p("")
	var rates []int
	for _, run := range r {
		for _, m := range run.Many {
			rates = append(rates, m.AdapterRate)
		}
	}
	slices.Sort(rates)
	var texts []string
	for _, rate := range slices.Compact(rates) {
		texts = append(texts, Number(rate))
	}
	p("The adapter had `--client-qps` of %s: two requests in %d s for each of the most autoscalers of a run, twice, or a least number. The chart derives it from servedNamespaces in the same way, with a least number of 50, which is enough for 375 autoscalers in mode Pods.", strings.Join(texts, " and "), syncPeriod)
	p("")
}

func (r Record) method(p printer) {
	p("## How it is measured")
	p("")
	p("- **Pods** are those of the chart's renderer on nodes of [kwok](https://kwok.sigs.k8s.io), which have no processes: at most 250 on a node. The node takes their addresses for its own, and one program answers Prometheus there for each of them, with the four signals and what a Go program exports of itself.")
	p("- **The release** that serves is the chart with its own Prometheus, kube-state-metrics and adapter, with higher memory limits, and since run 6 with `--web.max-connections=2000` for KEDA. The fleets are rendered from the chart as [releases that it serves](../sources.md#one-adapter-several-releases).")
	p("- **Calls** are sent one after the other, with the header of the autoscaler's client, at least 30 and for at least 8 s. The autoscaler itself is absent meanwhile, except KEDA's, and the adapter's `--client-qps` is above what these calls need. Time is that until the whole answer is there.")
	p("- **CPU** is that of each process in the node's /proc, less what it uses in 8 s without calls. Memory is resident memory.")
	p("- **The controller manager** may send %d requests a second for each controller, where nothing else is said. At its default of 20 it creates 20 pods a second. The scheduler has its default.", r[len(r)-1].ControllerRate)
	p("- **Other programs** of the machine, kwok and the measurement among them, used %s cores on average while calls were sent. The more they use, the longer a call takes; CPU of a call does not depend on it.", r.elsewhere().Text("%.1f", ""))
	p("- **Ratios** of one run are measured side by side. Absolute figures depend on the machine.")
}

// elsewhere is the CPU that other programs used, on average over a run's measurements.
func (r Record) elsewhere() spread.Value {
	return spread.Over(r, func(run Run) float64 {
		total, n := 0.0, 0.0
		for _, cell := range run.Cells {
			total, n = total+cell.Elsewhere, n+1
		}
		for _, many := range run.Many {
			total, n = total+many.Elsewhere, n+1
		}
		return total / n
	})
}

// drawable reports whether there is a line to draw.
func (r Record) drawable() bool { return len(r.sizes()) > 1 }

// Draw draws the cost of a call over the number of pods.
func (r Record) Draw(w io.Writer) error {
	curves := func(figure func(Cell) float64) []plot.Curve {
		var all []plot.Curve
		for _, mode := range r.modes() {
			curve := plot.Curve{Name: names[mode], Color: colors[mode]}
			for _, pods := range r.sizes() {
				curve.Points = append(curve.Points, plot.XY{X: float64(pods), Y: r.over(mode, pods, func(_ Run, c Cell) float64 { return figure(c) }).Mean})
			}
			all = append(all, curve)
		}
		return all
	}
	return plot.LogLog{
		Title: "What a request of the autoscaler costs",
		About: "CPU time and duration of one request for a metric over the number of pods, for each way to serve it. Both axes are logarithmic.",
		X:     "pods",
		Panels: []plot.LogPanel{
			{Heading: "CPU of a request", Unit: "ms, what serves the metric and the API server", Height: 180, Curves: curves(Cell.Path)},
			{Heading: "CPU of a request", Unit: "ms, Prometheus", Height: 140, Curves: curves(func(c Cell) float64 { return c.CPU[Prometheus] })},
			{Heading: "Time of a request", Unit: "ms, median", Height: 180, Curves: curves(func(c Cell) float64 { return c.P50 }), Bounds: []plot.Bound{{Value: fast, Name: "goal"}}},
		},
	}.Write(w)
}
