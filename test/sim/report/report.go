// Package report prints what simulations gave: tables, timelines, and the pages under docs/simulation.
package report

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"holograph/test/sim/fleet"
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

// timelineHeader is the first line of a timeline.
const timelineHeader = "seconds,load,capacity,replicas,ready,pods,oracle,frames,late"

// ReadTimeline reads the rows of what [Timeline] writes, or of a recording in that form. The oracle's column is not
// read: the reader's own model says what would have been enough. The error names the line.
func ReadTimeline(name string, r io.Reader) ([]fleet.Row, error) {
	reader := csv.NewReader(r)
	lines, err := reader.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(lines) < 2 || strings.Join(lines[0], ",") != timelineHeader {
		return nil, fmt.Errorf("%s: line 1: a timeline begins with %s, and one row a second follows", name, timelineHeader)
	}
	var rows []fleet.Row
	for i, line := range lines[1:] {
		var v [9]float64
		for j, text := range line {
			if v[j], err = strconv.ParseFloat(text, 64); err != nil && j != 6 || math.IsNaN(v[j]) || v[j] < 0 {
				return nil, fmt.Errorf("%s: line %d, column %d: %q is no number of %s", name, i+2, j+1, text, lines[0][j])
			}
		}
		if v[0] != float64(i) {
			return nil, fmt.Errorf("%s: line %d, column 1: second %v follows second %d; write one row a second, from 0 on", name, i+2, v[0], i-1)
		}
		if v[2] == 0 || v[8] > v[7] {
			return nil, fmt.Errorf("%s: line %d: a capacity of 0, or more frames late than offered", name, i+2)
		}
		rows = append(rows, fleet.Row{Load: v[1], Capacity: v[2], Spec: int(v[3]), Ready: int(v[4]), Pods: int(v[5]), Frames: v[7], Late: v[8]})
	}
	return rows, nil
}

// Figures is a summary for other programs, in Prometheus' base units.
type Figures struct {
	Name                 string  `json:"name,omitempty"`
	Frames               float64 `json:"frames"`
	BadFrames            float64 `json:"bad_frames"`
	WorstMinuteRatio     float64 `json:"worst_minute_ratio"`
	RecoverySeconds      float64 `json:"recovery_seconds"`
	Reversals            float64 `json:"reversals"`
	PodSeconds           float64 `json:"pod_seconds"`
	OraclePodSeconds     float64 `json:"oracle_pod_seconds"`
	MeanReplicaDeviation float64 `json:"mean_replica_deviation"`
}

// NewFigures returns the figures of a summary. The deviation is that of its replicas from those of the run that it is
// compared with.
func NewFigures(name string, s sim.Summary, deviation float64) Figures {
	return Figures{
		Name: name, Frames: s.Frames, BadFrames: s.Late, WorstMinuteRatio: s.WorstMinute, RecoverySeconds: s.Recovery.Seconds(),
		Reversals: s.Reversals, PodSeconds: 3600 * s.PodHours, OraclePodSeconds: 3600 * s.OracleHours, MeanReplicaDeviation: deviation,
	}
}

// Bad is the share of bad frames.
func (f Figures) Bad() float64 { return f.BadFrames / f.Frames }

// JSON writes the rows' figures as a list, with how far the replicas of the first
// seed's timelines lie from those of the first one, on average and in pods.
func JSON(w io.Writer, rows []Row, timelines []sim.Result) error {
	list := make([]Figures, len(rows))
	for i, r := range rows {
		list[i] = NewFigures(r.Name, r.Summary, Deviation(timelines[0].Rows, timelines[i].Rows))
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(list)
}

// Deviation is the mean over time of how far the replicas of two runs lie apart, in pods.
func Deviation(a, b []fleet.Row) float64 {
	n := min(len(a), len(b))
	sum := 0.0
	for i := range n {
		sum += math.Abs(float64(a[i].Spec - b[i].Spec))
	}
	return sum / float64(n)
}

// Timeline writes rows as CSV, one a second, with the oracle's pods. Without an oracle its column is empty.
func Timeline(w io.Writer, rows []fleet.Row, oracle []int) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, timelineHeader)
	for s, row := range rows {
		pods := ""
		if oracle != nil {
			pods = strconv.Itoa(oracle[s])
		}
		fmt.Fprintf(out, "%d,%.4g,%.4g,%d,%d,%d,%s,%s,%s\n", s, row.Load, row.Capacity, row.Spec, row.Ready, row.Pods, pods, hundredths(row.Frames), hundredths(row.Late))
	}
	return out.Flush()
}

// hundredths writes a number with at most two decimals.
func hundredths(v float64) string { return strconv.FormatFloat(math.Round(100*v)/100, 'f', -1, 64) }

// WriteFile makes a file of what write writes.
func WriteFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// Note says how a run went, for a picture's legend.
func Note(s sim.Summary) string {
	return fmt.Sprintf("%s in budget, %.2f × oracle, %.0f s to recover", Percent(s.InBudget()), s.Cost(), s.Recovery.Round(time.Second).Seconds())
}

// All adds up the summaries of several traces: frames and changes are sums, cost is the mean of
// the traces' own.
type All struct {
	Frames, Late, Reversals, Changes, Cost float64
	// Refused, Cut and LeavingHours are sums too, of sessions; PodHours is the sum that LeavingHours are a part of.
	Refused, Cut, LeavingHours, PodHours float64
	// Traces is how many they are.
	Traces int
}

// Sum adds up means of traces.
func Sum(means []sim.Summary) All {
	var a All
	for _, m := range means {
		a.Frames += m.Frames
		a.Late += m.Late
		a.Reversals += m.Reversals
		a.Changes += m.Changes
		a.Refused += m.Refused
		a.Cut += m.Cut
		a.LeavingHours += m.LeavingHours
		a.PodHours += m.PodHours
		a.Cost += m.Cost() / float64(len(means))
		a.Traces++
	}
	return a
}

// Bad is the share of frames that were late or refused, or of viewers who left without a session.
func (a All) Bad() float64 { return a.Late / a.Frames }

// Viewers tells in one line what became of sessions.
func (a All) Viewers() string {
	return fmt.Sprintf("%s of the viewers left without a session, %s were refused at their first try, %.1f sessions were cut off, %s of the pods' time only ended sessions",
		Percent(a.Bad()), Percent(a.Refused/a.Frames), a.Cut, Percent(a.LeavingHours/a.PodHours))
}
