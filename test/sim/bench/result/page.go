package result

import (
	"fmt"
	"io"
	"math"
	"strings"

	"holograph/test/sim/report"
)

// titles name the policies for a reader.
var titles = map[string]string{
	LateFramesOnly: "late frames only", CPU: "CPU 70 %", KEDA: "KEDA", Default: "**default**",
}

// Write writes the page of the docs.
func (r Result) Write(w io.Writer) error {
	var out strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	spike, pod := r.Run.Spike, r.Run.Pod

	p("# The comparison on a cluster")
	p("")
	apart := "at the same time"
	if s := r.Run.Stagger(); s >= 1 {
		apart = fmt.Sprintf("for each %.0f s after the one before", s)
	}
	p("One spike, %s, against %d fleets side by side on one kind cluster:", apart, len(r.Run.Fleets))
	p("late frames as the only signal (`values-examples/late-frames-only.yaml`), CPU utilization 70 %% (`test/sim/bench/chart`), KEDA at its own defaults on")
	p("the same late frames (`test/sim/bench/values/keda.yaml`), and the chart's default.")
	p("")
	p("![Load, replicas and bad frames of the policies over one another](spike.svg)")
	p("")
	p("`%s` wrote this page, the pictures and the timelines, on %s, on a machine with %d cores.", r.Run.Command, r.Run.Date, r.Run.Cores)
	p("It writes into `.artifacts/bench`; this folder is a copy.")
	p("")
	p("- **Load**: %.4g pods' worth for %s, %.4g for %s, %.4g for %s. k6 asks for each frame when it is due, whatever became of the ones before.",
		spike.Base, minutes(spike.Before), spike.Peak, minutes(spike.During), spike.Base, minutes(spike.After))
	p("- **Pods**: %.0f millicores each, so that the fleets fit the machine at ten pods each, and a frame budget of %.0f ms. A pod's worth is %.1f frames a second; at the peak a pod could do %.0f %% of that, as %.0f %% of its CPU went to scrapes, probes and its runtime.",
		1000*pod.Cores, 1000*pod.Budget, pod.FramesPerSecond, 100*pod.Capacity(), 100*pod.IdleCores/pod.Cores)
	p("- **Bad frames** are late, refused, without an answer, or never started. The other figures are [defined](../simulation/README.md#what-the-figures-mean) once, for measured and simulated runs alike.")
	mean, worst := r.Run.BusyBetween(spike.Before, spike.Before+spike.During)
	if math.IsNaN(mean) {
		p("- **Machine**: how busy it was is not known.")
	} else {
		p("- **Machine**: %.0f %% busy on average while the peak lasted, %.0f %% in the busiest minute, cluster, load and all. k6 sent 99 of 100 frames at most %.0f ms after they were due.",
			100*mean, 100*worst, 1000*r.startDelay())
	}
	p("")
	if worst > saturation {
		p("**The machine was saturated for a part of the peak.** There, frames can be bad for want of the machine and not of pods, whatever the policy.")
		p("The figures are what was recorded; they do not tell the policies apart as a run on an otherwise idle machine would.")
		p("")
	}

	p("## What came of it")
	p("")
	p("| | in budget | bad frames | worst minute | recovery | reversals | pod-seconds | × oracle |")
	p("| --- | --: | --: | --: | --: | --: | --: | --: |")
	for _, f := range r.Run.Fleets {
		m := r.Measured[f.Name]
		p("| %s | %.2f %% | %.0f of %.0f | %.1f %% | %.0f s | %.0f | %.0f | %.2f |", titles[f.Name], 100*(1-m.Bad()), m.BadFrames, m.Frames,
			100*m.WorstMinuteRatio, m.RecoverySeconds, m.Reversals, m.PodSeconds, m.PodSeconds/m.OraclePodSeconds)
	}
	p("")
	for _, f := range r.Run.Fleets {
		p("- %s: %d late, %d refused, %d without an answer, %d never started.", titles[f.Name], f.Late, f.Refused, f.Failed, f.NeverStarted)
	}
	p("")

	p("## How long the reaction took")
	p("")
	p("From the first frame out of budget after the step, in seconds, and each link's share of the whole. Enough pods are the fewest that can do more than the peak asks for: %d.", r.Run.Need())
	p("")
	r.reactions(p)
	p("")
	p("The floor is half a scrape (%.3g s), half a sync of the autoscaler (%.3g s) and a pod's start as measured in this run.", r.Run.ScrapeInterval/2, r.Run.SyncPeriod/2)
	p("Overruns and the end of them are told by k6; scrapes by the samples' own times; what is served by a look a second at the API; replicas and pods by a watch.")
	p("")

	p("## Goals")
	p("")
	for _, g := range r.Goals() {
		p("- %s.", g)
	}
	p("")

	p("## Prediction and measurement")
	p("")
	p("The simulator ran each policy under the load that was recorded, with pods that start as fast as they did (means of five seeds):")
	p("once as the model stands, which spreads load over pods within 4 %% in a second and evenly in a minute, and once with the spread that was measured between the pods.")
	p("The first is the prediction. It holds if pod-seconds differ by no more than %.0f %%, bad frames by no more than %.0f %% of all frames, and reversals by no more than %.0f.",
		100*podSecondsTolerance, 100*badTolerance, reversalsTolerance)
	p("")
	p("| | | bad frames | pod-seconds | reversals | replicas differ by, on average | |")
	p("| --- | --- | --: | --: | --: | --: | --- |")
	for _, f := range r.Run.Fleets {
		m := r.Measured[f.Name]
		p("| [%s](%s.svg) | measured | %.2f %% | %.0f | %.0f | | |", titles[f.Name], f.Name, 100*m.Bad(), m.PodSeconds, m.Reversals)
		for _, simulated := range []struct {
			name string
			report.Figures
		}{{"predicted", r.Simulated[f.Name]}, {fmt.Sprintf("with a spread of %.0f %%", 100*f.LoadSpread), r.Spread[f.Name]}} {
			verdict := "within"
			if off := (Prediction{f.Name, m, simulated.Figures}).Off(); len(off) > 0 {
				verdict = "off: " + strings.Join(off, ", ")
			}
			p("| | %s | %.2f %% | %.0f | %.1f | %.1f pods | %s |", simulated.name, 100*simulated.Bad(), simulated.PodSeconds, simulated.Reversals, simulated.MeanReplicaDeviation, verdict)
		}
	}
	p("")

	p("## Data")
	p("")
	var files []string
	for _, f := range r.Run.Fleets {
		files = append(files, fmt.Sprintf("[%s.csv](%s.csv)", f.Name, f.Name))
	}
	p("%s: one row a second, in the columns of the simulator's timelines. [run.json](run.json): all that was recorded, from which", strings.Join(files, ", "))
	p("`go -C test/sim run ./bench --from docs/bench/run.json` writes the page anew.")
	_, err := io.WriteString(w, out.String())
	return err
}

// reactions prints a row for each link and a column for each policy.
func (r Result) reactions(p func(format string, args ...any)) {
	header, rule := "|", "| ---"
	reactions := make([]Reaction, len(r.Run.Fleets))
	for i, f := range r.Run.Fleets {
		reactions[i] = r.Reaction(f.Name)
		header += " | " + titles[f.Name]
		rule += " | --:"
	}
	p("%s |", header)
	p("%s |", rule)
	for i := 1; i < len(Links); i++ {
		row := "| → " + Links[i]
		for _, reaction := range reactions {
			row += " | " + link(reaction, i)
		}
		p("%s |", row)
	}
	row, starts, floors, ratios := "| **in all**", "| pod start", "| floor", "| in all, × floor"
	for _, reaction := range reactions {
		row += " | " + seconds(reaction.Total(), "**%.1f**")
		starts += " | " + seconds(reaction.PodStart, "%.1f")
		floors += " | " + seconds(reaction.Floor, "%.1f")
		ratios += " | " + seconds(reaction.Total()/reaction.Floor, "%.2f")
	}
	for _, line := range []string{row, starts, floors, ratios} {
		p("%s |", line)
	}
}

// link is the time that a link took, from the last one before it that was done, and its share.
func link(reaction Reaction, i int) string {
	at, from := reaction.Links[i].At, math.NaN()
	for j := i - 1; j >= 0 && math.IsNaN(from); j-- {
		from = reaction.Links[j].At
	}
	switch {
	case math.IsNaN(at):
		return "–"
	case math.IsNaN(reaction.Total()):
		return fmt.Sprintf("%.1f", at-from)
	}
	return fmt.Sprintf("%.1f (%.0f %%)", at-from, 100*(at-from)/reaction.Total())
}

func seconds(value float64, format string) string {
	if math.IsNaN(value) {
		return "–"
	}
	return fmt.Sprintf(format, value)
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
