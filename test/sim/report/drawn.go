package report

import (
	"fmt"
	"io"
	"slices"

	"holograph/test/sim/sim"
	"holograph/test/sim/trace"
)

// Drawn is what became of drawn traces.
type Drawn struct{ runs map[string][]sim.Summary }

// Means are means over traces. Bad and Worst are shares of frames that were late or refused: of all traces and of the
// worst tenth of them. Cost is pod-hours as a multiple of the oracle's, Recovery is in seconds.
type Means struct{ Bad, Worst, Cost, Reversals, Recovery float64 }

// Add adds a trace of a kind.
func (d *Drawn) Add(kind string, s sim.Summary) {
	if d.runs == nil {
		d.runs = map[string][]sim.Summary{}
	}
	d.runs[kind] = append(d.runs[kind], s)
}

// Of returns the figures of one kind of trace.
func (d Drawn) Of(kind string) Means { return means(d.runs[kind]) }

// All returns the figures of all traces.
func (d Drawn) All() Means {
	var all []sim.Summary
	for _, k := range trace.Kinds {
		all = append(all, d.runs[k.Name]...)
	}
	return means(all)
}

func means(runs []sim.Summary) Means {
	var f Means
	var bad []float64
	n := float64(len(runs))
	for _, s := range runs {
		bad = append(bad, 1-s.InBudget())
		f.Bad += (1 - s.InBudget()) / n
		f.Cost += s.Cost() / n
		f.Reversals += s.Reversals / n
		f.Recovery += s.Recovery.Seconds() / n
	}
	slices.Sort(bad)
	worst := bad[len(bad)-(len(bad)+9)/10:]
	for _, b := range worst {
		f.Worst += b / float64(len(worst))
	}
	return f
}

// Sum adds the traces up as [Sum] does, except that each trace weighs the same, however many frames it has.
func (d Drawn) Sum() All {
	var all []sim.Summary
	for _, k := range trace.Kinds {
		for _, s := range d.runs[k.Name] {
			s.Late, s.Frames = s.Late/s.Frames, 1
			all = append(all, s)
		}
	}
	return Sum(all)
}

// DrawnTable prints the figures by kind and of all traces, in columns for a terminal.
func DrawnTable(w io.Writer, d Drawn) {
	fmt.Fprintf(w, "%-14s %8s %12s %9s %10s %9s\n", "", "bad", "worst tenth", "× oracle", "reversals", "recovery")
	line := func(name string, f Means) {
		fmt.Fprintf(w, "%-14s %6.3f %% %10.2f %% %9.2f %10.2f %7.0f s\n", name, 100*f.Bad, 100*f.Worst, f.Cost, f.Reversals, f.Recovery)
	}
	for _, k := range trace.Kinds {
		line(k.Name, d.Of(k.Name))
	}
	line("all", d.All())
}
