// Package trace holds load over time: what the viewers ask for, second by second.
package trace

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Point is one row of a trace. Between two points load and capacity run in a straight line; two
// points at the same second are a jump.
type Point struct {
	// Second is the time since the start of the trace, in seconds.
	Second float64
	// Load is the render work offered, in pods' worth: 1 keeps one pod of nominal capacity busy.
	Load float64
	// Capacity is what a pod can do, as a share of its nominal capacity: 1 unless something
	// slows all pods down.
	Capacity float64
}

// Trace is a load over time.
type Trace struct {
	// Name is how reports call it.
	Name   string
	Points []Point
}

// Duration is the length of the trace in whole seconds.
func (t Trace) Duration() int {
	if len(t.Points) == 0 {
		return 0
	}
	return int(t.Points[len(t.Points)-1].Second)
}

// Seconds returns load and capacity in the middle of every second.
func (t Trace) Seconds() (load, capacity []float64) {
	n := t.Duration()
	load, capacity = make([]float64, n), make([]float64, n)
	next := 1
	for s := range n {
		at := float64(s) + 0.5
		for next < len(t.Points)-1 && t.Points[next].Second <= at {
			next++
		}
		a, b := t.Points[next-1], t.Points[next]
		share := (at - a.Second) / (b.Second - a.Second)
		load[s] = a.Load + share*(b.Load-a.Load)
		capacity[s] = a.Capacity + share*(b.Capacity-a.Capacity)
	}
	return load, capacity
}

// Peak is the largest load divided by the capacity at that moment, in pods' worth.
func (t Trace) Peak() float64 {
	var peak float64
	for _, p := range t.Points {
		peak = math.Max(peak, p.Load/p.Capacity)
	}
	return peak
}

// Scale returns the trace with its load multiplied by factor, under a new name.
func (t Trace) Scale(name string, factor float64) Trace {
	points := make([]Point, len(t.Points))
	for i, p := range t.Points {
		p.Load *= factor
		points[i] = p
	}
	return Trace{Name: name, Points: points}
}

// Read reads a trace as CSV: the header `seconds,load` or `seconds,load,capacity`, then one point
// a row. Empty lines and lines that start with # are left out. Errors name line and column.
func Read(name string, r io.Reader) (Trace, error) {
	t := Trace{Name: name}
	scanner := bufio.NewScanner(r)
	var columns []string
	for line := 1; scanner.Scan(); line++ {
		text := strings.TrimRight(scanner.Text(), " \t\r")
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		fields := strings.Split(text, ",")
		if columns == nil {
			if text != "seconds,load" && text != "seconds,load,capacity" {
				return t, fmt.Errorf("%s: line %d, column 1: the header is %q; write seconds,load or seconds,load,capacity", name, line, text)
			}
			columns = fields
			continue
		}
		if len(fields) != len(columns) {
			return t, fmt.Errorf("%s: line %d, column %d: %d values where the header has %d", name, line, len(text)+1, len(fields), len(columns))
		}
		values := [3]float64{2: 1}
		column := 1
		for i, field := range fields {
			v, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
			switch {
			case err != nil || math.IsNaN(v) || math.IsInf(v, 0):
				return t, fmt.Errorf("%s: line %d, column %d: %s is %q; write a number", name, line, column, columns[i], field)
			case v < 0 || (v == 0 && columns[i] == "capacity"):
				return t, fmt.Errorf("%s: line %d, column %d: %s is %s; write a number above zero", name, line, column, columns[i], field)
			}
			values[i] = v
			column += len(field) + 1
		}
		if n := len(t.Points); n == 0 && values[0] != 0 {
			return t, fmt.Errorf("%s: line %d, column 1: the first point is at second %v; start at 0", name, line, values[0])
		} else if n > 0 && values[0] < t.Points[n-1].Second {
			return t, fmt.Errorf("%s: line %d, column 1: second %v comes after %v; order the points by time", name, line, values[0], t.Points[n-1].Second)
		}
		t.Points = append(t.Points, Point{values[0], values[1], values[2]})
	}
	if err := scanner.Err(); err != nil {
		return t, fmt.Errorf("%s: %w", name, err)
	}
	if t.Duration() < 60 {
		return t, fmt.Errorf("%s: the trace is %d s long; give it at least a minute", name, t.Duration())
	}
	return t, nil
}

// Write writes the trace in the form that Read reads, with about as comment lines on top.
func (t Trace) Write(w io.Writer, about string) error {
	out := bufio.NewWriter(w)
	for _, line := range strings.Split(about, "\n") {
		fmt.Fprintf(out, "# %s\n", line)
	}
	withCapacity := false
	for _, p := range t.Points {
		withCapacity = withCapacity || p.Capacity != 1
	}
	fmt.Fprint(out, "seconds,load")
	if withCapacity {
		fmt.Fprint(out, ",capacity")
	}
	fmt.Fprintln(out)
	for _, p := range t.Points {
		fmt.Fprintf(out, "%s,%s", number(p.Second), number(p.Load))
		if withCapacity {
			fmt.Fprintf(out, ",%s", number(p.Capacity))
		}
		fmt.Fprintln(out)
	}
	return out.Flush()
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
