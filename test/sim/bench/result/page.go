package result

import (
	"fmt"
	"io"
	"math"
	"strings"

	"holograph/test/internal/spread"
	"holograph/test/sim/report"
)

// titles name the policies for a reader, plain in a sentence.
var (
	titles = map[string]string{
		LateFramesOnly: "late frames only", CPU: "CPU 70 %", KEDA: "KEDA", DefaultKEDA: "default with KEDA", Default: "**default**",
	}
	plain = map[string]string{LateFramesOnly: "late frames only", CPU: "CPU 70 %", KEDA: "KEDA"}
)

// about says what each shape is for.
var about = map[string]string{
	Step:       "Viewers arrive at once and stay.",
	FlashCrowd: "Viewers arrive within half a minute, as many as eight pods can serve, and leave again.",
}

var headings = map[string]string{Step: "A step", FlashCrowd: "A flash crowd"}

// Write writes the page of the docs. Runs that are left out are named by their files.
func (r Record) Write(w io.Writer, leftOut []string) error {
	var out strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	last := r[len(r)-1].Run

	p("# The comparison on a cluster")
	p("")
	p("A step and a flash crowd, each against fleets side by side on one kind cluster:")
	p("late frames only (`values-examples/late-frames-only.yaml`), CPU utilization 70 %% (`test/sim/bench/chart`), KEDA at its own defaults on")
	p("late frames (`test/sim/bench/values/keda.yaml`), the chart's default with KEDA (`values-examples/keda.yaml`), and the chart's default.")
	p("")
	p("`make bench ARGS=\"--run 1\"` measures both loads and adds them to the record as run 1; this page, the pictures and the timelines are made of all runs on record.")
	p("Figures are means over the runs, with the least and the most of one run in parentheses.")
	p("")
	for _, shape := range Shapes {
		var runs []string
		for _, one := range r.Of(shape) {
			runs = append(runs, fmt.Sprintf("[%d](%s) of %s", one.Number, one.Run.File(), one.Run.Date))
		}
		if len(runs) == 0 {
			p("- **%s**: no run on record.", headings[shape])
			continue
		}
		p("- **%s**: runs %s.", headings[shape], strings.Join(runs, ", "))
	}
	for _, file := range leftOut {
		p("- Left out, as its load or its policies are other than those of the latest run: `%s`.", file)
	}
	p("- **Pods**: %.0f millicores each, so that the fleets fit a machine of %d cores at ten pods each, and a frame budget of %.0f ms. A pod's worth is what it does on an idle machine, %s frames a second; at the peak it did %s of that, and %s of its CPU went to scrapes, probes and its runtime.",
		1000*last.Pod.Cores, last.Cores, 1000*last.Pod.Budget,
		spread.Over(r, func(one Result) float64 { return one.Run.Pod.FramesPerSecond }).Text("%.1f", ""),
		spread.Over(r, func(one Result) float64 { return 100 * one.Run.Pod.Capacity() }).Text("%.0f", " %"),
		spread.Over(r, func(one Result) float64 { return 100 * one.Run.Pod.IdleCores / one.Run.Pod.Cores }).Text("%.0f", " %"))
	p("- **Bad frames** are late, refused, without an answer, or never started. The other figures are [defined](../simulation/README.md#what-the-figures-mean) once, for measured and simulated runs alike.")
	p("")
	for _, shape := range Shapes {
		if runs := r.Of(shape); len(runs) > 0 {
			runs.write(p, shape)
		}
	}

	p("## Goals")
	p("")
	for _, g := range r.Goals() {
		p("- %s.", g)
	}
	p("")

	p("## Prediction and measurement")
	p("")
	p("The simulator ran each policy under the load that was recorded, with pods that start as fast as they did (means of five seeds).")
	p("A prediction holds if pod-seconds differ by no more than %.0f %%, bad frames by no more than %.0f %% of all frames, and reversals by no more than %.0f.",
		100*podSecondsTolerance, 100*badTolerance, reversalsTolerance)
	p("")
	p("| | | bad frames: measured | predicted | pod-seconds: measured | predicted | reversals: measured | predicted | holds in |")
	p("| --- | --- | --: | --: | --: | --: | --: | --: | --- |")
	for _, shape := range Shapes {
		r.Of(shape).predictions(p, shape)
	}
	p("")

	p("## Data")
	p("")
	p("Of the first run on record, `<load>-<policy>.csv` has one row a second, in the columns of the simulator's timelines, and `<load>-<policy>.svg` shows it beside the prediction. `%s/` has all that was recorded, from which", RunsFolder)
	p("`go -C test/sim run ./bench --from docs/bench` writes the page anew.")
	_, err := io.WriteString(w, out.String())
	return err
}

// write writes what came of one shape.
func (r Record) write(p func(format string, args ...any), shape string) {
	run := r[len(r)-1].Run
	spike := run.Spike
	p("## %s", headings[shape])
	p("")
	p("%s", about[shape])
	p("")
	p("![Load, replicas and bad frames of the policies over one another](%s.svg)", shape)
	p("")
	line := fmt.Sprintf("- **Load**: %.4g pods' worth for %s", spike.Base, minutes(spike.Before))
	if spike.Rise > 0 {
		line += fmt.Sprintf(", up to %.4g within %s, there for %s", spike.Peak, minutes(spike.Rise), minutes(spike.During))
	} else {
		line += fmt.Sprintf(", %.4g for %s", spike.Peak, minutes(spike.During))
	}
	if spike.Fade > 0 {
		line += fmt.Sprintf(", back within %s, and %s", minutes(spike.Fade), minutes(spike.After))
	} else {
		line += fmt.Sprintf(", %.4g for %s", spike.Base, minutes(spike.After))
	}
	p("%s. k6 asks for each frame when it is due, whatever became of the ones before. %s", line, r.apart())
	var busy, busiest []float64
	for _, one := range r {
		m, worst := one.Run.BusyBetween(one.Run.Spike.Before, one.Run.LastStarted()+one.Run.Spike.PeakEnd())
		busy, busiest = append(busy, 100*m), append(busiest, 100*worst)
	}
	same := func(v float64) float64 { return v }
	p("- **Machine**: %s busy on average from the first fleet's peak to the last one's, %s in the busiest minute, cluster, loads and all. k6 sent 99 of 100 frames at most %s ms after they were due.",
		spread.Over(busy, same).Text("%.0f", " %"), spread.Over(busiest, same).Text("%.0f", " %"),
		spread.Over(r, func(one Result) float64 { return 1000 * one.startDelay() }).Text("%.0f", ""))
	p("")
	for i, worst := range busiest {
		if worst > 100*saturation {
			p("**The machine was saturated for a part of run %d.** There, frames can be bad for want of the machine and not of pods, whatever the policy.", r[i].Number)
			p("")
		}
	}
	p("| | bad frames | worst minute | recovery | reversals | pod-seconds | × oracle |")
	p("| --- | --: | --: | --: | --: | --: | --: |")
	for _, f := range run.Fleets {
		figures := r.Figures(f.Name)
		p("| %s | %s | %s | %s | %s | %s | %s |", titles[f.Name],
			spread.Over(figures, percentBad).Text("%.2f", " %"),
			spread.Over(figures, func(f report.Figures) float64 { return 100 * f.WorstMinuteRatio }).Text("%.1f", " %"),
			spread.Over(figures, func(f report.Figures) float64 { return f.RecoverySeconds }).Text("%.0f", " s"),
			spread.Over(figures, reversals).Text("%.3g", ""),
			spread.Over(figures, podSeconds).Text("%.0f", ""),
			spread.Over(figures, timesOracle).Text("%.2f", ""))
	}
	p("")
	if shape == Step {
		p("### How long the reaction took")
		p("")
		p("From the first frame out of budget after the step, in seconds. Enough pods are the fewest that can do more than the peak asks for: %s.",
			spread.Over(r, func(one Result) float64 { return float64(one.Run.Need()) }).Text("%.0f", ""))
		p("")
		r.reactions(p)
		p("")
		p("The floor is half a scrape (%.3g s), half a sync of the autoscaler (%.3g s) and a pod's start as measured in the run.", run.ScrapeInterval/2, run.SyncPeriod/2)
		p("Overruns and the end of them are told by k6; scrapes by the samples' own times; what is served by a look a second at the API; replicas and pods by a watch.")
		p("")
	}
}

// apart says how far the loads of the fleets are apart.
func (r Record) apart() string {
	s := spread.Over(r, func(one Result) float64 { return one.Run.Stagger() })
	if s.Most < 1 {
		return "All fleets get it at the same time."
	}
	return fmt.Sprintf("Each fleet gets it %s after the one before, so that the fleets' pods do not all start at once.", s.Text("%.0f", " s"))
}

// predictions prints a row for each policy.
func (r Record) predictions(p func(format string, args ...any), shape string) {
	if len(r) == 0 {
		return
	}
	for _, f := range r[len(r)-1].Run.Fleets {
		var simulated []report.Figures
		var off []string
		holds := 0
		for _, one := range r {
			m, s := one.Measured[f.Name], one.Simulated[f.Name]
			simulated = append(simulated, s)
			wrong := (Prediction{f.Name, m, s}).Off()
			if len(wrong) == 0 {
				holds++
			}
			for _, figure := range wrong {
				off = append(off, fmt.Sprintf("%s in run %d", figure, one.Number))
			}
		}
		measured := r.Figures(f.Name)
		verdict := fmt.Sprintf("%d of %d", holds, len(r))
		if len(off) > 0 {
			verdict += "; off: " + strings.Join(off, ", ")
		}
		p("| %s | [%s](%s-%s.svg) | %s | %s | %s | %s | %s | %s | %s |", strings.ReplaceAll(shape, "-", " "), titles[f.Name], shape, f.Name,
			spread.Over(measured, percentBad).Text("%.2f", " %"), spread.Over(simulated, percentBad).Text("%.2f", " %"),
			spread.Over(measured, podSeconds).Text("%.0f", ""), spread.Over(simulated, podSeconds).Text("%.0f", ""),
			spread.Over(measured, reversals).Text("%.3g", ""), spread.Over(simulated, reversals).Text("%.3g", ""), verdict)
	}
}

// reactions prints a row for each link and a column for each policy.
func (r Record) reactions(p func(format string, args ...any)) {
	fleets := r[len(r)-1].Run.Fleets
	row := func(name, format string, of func(Reaction) float64) {
		line := "| " + name
		for _, f := range fleets {
			line += " | " + spread.Over(r, func(one Result) float64 { return of(one.Reaction(f.Name)) }).Text(format, "")
		}
		p("%s |", line)
	}
	header, rule := "|", "| ---"
	for _, f := range fleets {
		header += " | " + titles[f.Name]
		rule += " | --:"
	}
	p("%s |", header)
	p("%s |", rule)
	for i := 1; i < len(Links); i++ {
		row("→ "+Links[i], "%.1f", func(reaction Reaction) float64 { return reaction.took(i) })
	}
	row("**in all**", "%.1f", Reaction.Total)
	row("pod start", "%.1f", func(reaction Reaction) float64 { return reaction.PodStart })
	row("in all, × floor", "%.2f", func(reaction Reaction) float64 { return reaction.Total() / reaction.Floor })
}

// took is the time that a link took, from the last one before it that was done.
func (r Reaction) took(i int) float64 {
	from := math.NaN()
	for j := i - 1; j >= 0 && math.IsNaN(from); j-- {
		from = r.Links[j].At
	}
	return r.Links[i].At - from
}

// startDelay is the largest of the loads'.
func (r Result) startDelay() float64 {
	worst := 0.0
	for _, f := range r.Run.Fleets {
		worst = max(worst, f.StartDelay)
	}
	return worst
}

func minutes(seconds float64) string {
	if seconds < 120 {
		return fmt.Sprintf("%.0f s", seconds)
	}
	return fmt.Sprintf("%.3g minutes", seconds/60)
}
