package plot

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// LogLog is a picture of values over another number, both on logarithmic axes, on which a value that grows in proportion is a
// line of 45 degrees whatever it costs.
type LogLog struct {
	// Title is the heading, and About says in words what the picture shows, for readers who cannot see it.
	Title, About string
	// X names the horizontal axis.
	X      string
	Panels []LogPanel
}

// LogPanel is one of the plots.
type LogPanel struct {
	// Heading names what is drawn, and Unit its unit.
	Heading, Unit string
	// Height is in pixels.
	Height float64
	Curves []Curve
	// Bounds are horizontal lines.
	Bounds []Bound
}

// Curve is a line through points, with a dot at each.
type Curve struct {
	// Name stands in the panel's legend.
	Name  string
	Color Color
	// Points are in the order of X. A point that is not above 0 has no place, and is left out.
	Points []XY
}

// XY is a point.
type XY struct{ X, Y float64 }

// logAxis is a range from one power of ten to another.
type logAxis struct{ from, to float64 }

// axisOf returns the powers of ten that enclose the values, at least one decade.
func axisOf(values []float64) logAxis {
	a := logAxis{math.Floor(math.Log10(slices.Min(values))), math.Ceil(math.Log10(slices.Max(values)))}
	if a.to == a.from {
		a.to++
	}
	return a
}

// share is the place of a value on the axis, from 0 to 1.
func (a logAxis) share(v float64) float64 { return (math.Log10(v) - a.from) / (a.to - a.from) }

// decades are the powers of ten on the axis.
func (a logAxis) decades() []float64 {
	var all []float64
	for e := a.from; e <= a.to; e++ {
		all = append(all, math.Pow(10, e))
	}
	return all
}

// Write draws the picture.
func (p LogLog) Write(w io.Writer) error {
	var xs []float64
	for i, panel := range p.Panels {
		found := false
		for j, curve := range panel.Curves {
			curve.Points = slices.DeleteFunc(slices.Clone(curve.Points), func(at XY) bool { return !(at.X > 0) || !(at.Y > 0) })
			p.Panels[i].Curves[j] = curve
			for _, at := range curve.Points {
				xs, found = append(xs, at.X), true
			}
		}
		if !found {
			return fmt.Errorf("the panel %q has no point above 0", panel.Heading)
		}
	}
	if len(xs) == 0 {
		return errors.New("the picture has no panel")
	}
	d := &drawing{Picture: Picture{Title: p.Title, About: p.About}}
	d.logLog(p, xs)
	if _, err := w.Write(d.out.Bytes()); err != nil {
		return fmt.Errorf("writing the picture %q: %w", p.Title, err)
	}
	return nil
}

func (d *drawing) logLog(p LogLog, xs []float64) {
	height := float64(firstPanel + footer + (len(p.Panels)-1)*panelGap)
	for _, panel := range p.Panels {
		height += panel.Height
	}
	d.begin(height)
	// The axis ends where the values do, so that no decade is empty.
	slices.Sort(xs)
	xs = slices.Compact(xs)
	horizontal := logAxis{math.Log10(xs[0]), math.Log10(xs[len(xs)-1])}
	if len(xs) == 1 {
		horizontal = axisOf(xs)
	}
	x := func(v float64) float64 { return left + horizontal.share(v)*(right-left) }
	top := float64(firstPanel)
	for i, panel := range p.Panels {
		gap := float64(headingGap)
		if i == 0 {
			gap = firstGap
		}
		var legend []Series
		var ys []float64
		for _, curve := range panel.Curves {
			legend = append(legend, Series{Name: curve.Name, Color: curve.Color, Line: true})
			for _, at := range curve.Points {
				ys = append(ys, at.Y)
			}
		}
		for _, bound := range panel.Bounds {
			ys = append(ys, bound.Value)
		}
		d.heading(Panel{Heading: panel.Heading, Unit: panel.Unit, Series: legend}, top-gap)
		vertical := axisOf(ys)
		y := func(v float64) float64 { return top + panel.Height*(1-vertical.share(v)) }
		for _, v := range vertical.decades() {
			d.line("grid", left, y(v), right, y(v))
			d.text(left-8, y(v)+4, "end", "", Number(v))
		}
		for _, v := range xs {
			d.line("grid", x(v), top, x(v), top+panel.Height)
		}
		d.line("base", left, top+panel.Height, right, top+panel.Height)
		for _, bound := range panel.Bounds {
			d.line("bound", left, y(bound.Value), right, y(bound.Value))
			d.text(right+7, y(bound.Value)+4, "start", "", bound.Name)
		}
		for _, curve := range panel.Curves {
			d.curve(curve, x, y)
		}
		top += panel.Height + panelGap
	}
	bottom := top - panelGap
	for _, v := range xs {
		d.text(x(v), bottom+tickGap, "middle", "", Number(v))
	}
	d.text(right, bottom+2*tickGap, "end", "", p.X)
	d.add("</svg>")
}

// curve draws the line and the dots of a curve.
func (d *drawing) curve(c Curve, x, y func(float64) float64) {
	if len(c.Points) == 0 {
		return
	}
	var line, dots strings.Builder
	for i, at := range c.Points {
		letter := "L"
		if i == 0 {
			letter = "M"
		}
		fmt.Fprintf(&line, "%s%s %s", letter, pixels(x(at.X)), pixels(y(at.Y)))
		// A round cap makes a dot of a line without length.
		fmt.Fprintf(&dots, "M%s %sh0", pixels(x(at.X)), pixels(y(at.Y)))
	}
	d.add(`  <path class="line %s" d="%s"/>`, c.Color, line.String())
	d.add(`  <path class="line %s" style="stroke-width: 7" d="%s"/>`, c.Color, dots.String())
}

// begin writes what every picture begins with.
func (d *drawing) begin(height float64) {
	d.add(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%s" viewBox="0 0 %[1]d %[2]s" role="img">`, width, pixels(height))
	d.add("  <title>%s</title>", escape(d.Title))
	d.add("  <desc>%s</desc>", escape(d.About))
	d.add("  <style>%s  </style>", style)
	d.add(`  <rect class="card" x="0.5" y="0.5" width="%d" height="%s" rx="8"/>`, width-1, pixels(height-1))
	d.text(edge, title, "start", "title", d.Title)
}
