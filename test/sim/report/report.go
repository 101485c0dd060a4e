// Package report prints what simulations gave: tables, timelines, and the pages under docs/simulation.
package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"holograph/test/sim/sim"
)

// Row is one line of a table.
type Row struct {
	Name string
	sim.Summary
}

var header = []string{"", "in budget", "worst minute", "recovery", "reversals", "changes", "pod-hours", "oracle", "× oracle"}

func cells(r Row) []string {
	return []string{
		r.Name,
		Percent(r.InBudget()),
		fmt.Sprintf("%.1f %%", 100*r.WorstMinute),
		fmt.Sprintf("%.0f s", r.Recovery.Seconds()),
		fmt.Sprintf("%.1f", r.Reversals),
		fmt.Sprintf("%.1f", r.Changes),
		fmt.Sprintf("%.2f", r.PodHours),
		fmt.Sprintf("%.2f", r.OracleHours),
		fmt.Sprintf("%.2f", r.Cost()),
	}
}

// Percent writes a share of frames with as many digits as tell 99.9 from 99.99.
func Percent(share float64) string { return fmt.Sprintf("%.2f %%", 100*share) }

// Table prints rows under a header, in columns for a terminal.
func Table(w io.Writer, rows []Row) {
	lines := [][]string{header}
	for _, r := range rows {
		lines = append(lines, cells(r))
	}
	wide := make([]int, len(header))
	for _, line := range lines {
		for i, cell := range line {
			wide[i] = max(wide[i], len([]rune(cell)))
		}
	}
	for _, line := range lines {
		var out strings.Builder
		for i, cell := range line {
			pad := strings.Repeat(" ", wide[i]-len([]rune(cell)))
			if i == 0 {
				out.WriteString(cell + pad)
			} else {
				out.WriteString("  " + pad + cell)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(out.String(), " "))
	}
}

// Markdown prints a Markdown table: the given header, then the rows.
func Markdown(w io.Writer, header []string, rows [][]string) {
	line := func(cells []string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }
	line(header)
	rule := make([]string, len(header))
	for i := range rule {
		rule[i] = "--:"
	}
	rule[0] = "---"
	line(rule)
	for _, r := range rows {
		line(r)
	}
}

// Timeline writes a run as CSV, one row a second.
func Timeline(w io.Writer, r sim.Result) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "seconds,load,capacity,replicas,ready,pods,oracle,frames,late")
	for s, row := range r.Rows {
		fmt.Fprintf(out, "%d,%.4g,%.4g,%d,%d,%d,%d,%.2f,%.2f\n", s, row.Load, row.Capacity, row.Spec, row.Ready, row.Pods, r.Oracle.Pods[s], row.Frames, row.Late)
	}
	return out.Flush()
}

// Note says how a run went, for a picture's legend.
func Note(s sim.Summary) string {
	return fmt.Sprintf("%s in budget, %.2f × oracle, %.0f s to recover", Percent(s.InBudget()), s.Cost(), s.Recovery.Round(time.Second).Seconds())
}

// All adds up the summaries of several traces: frames and changes are sums, cost is the mean of
// the traces' own.
type All struct {
	Frames, Late, Reversals, Changes, Cost float64
}

// Sum adds up means of traces.
func Sum(means []sim.Summary) All {
	var a All
	for _, m := range means {
		a.Frames += m.Frames
		a.Late += m.Late
		a.Reversals += m.Reversals
		a.Changes += m.Changes
		a.Cost += m.Cost() / float64(len(means))
	}
	return a
}

// Bad is the share of frames that were late or refused.
func (a All) Bad() float64 { return a.Late / a.Frames }
