// Package plot draws SVG pictures of panels below one another: time series on one time axis, or values on logarithmic axes.
package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// The picture's measures in pixels. GitHub shows a README about 900 wide.
const (
	width       = 900
	edge        = 20      // of the texts on the left
	left, right = 58, 842 // of the panels; the bounds' names stand to the right of them
	title       = 33      // baseline of the title
	firstKey    = 58      // baseline of the first key
	keyHeight   = 18
	firstPanel  = 98  // top of the first panel below a title without keys; the events' names stand above it
	eventGap    = 7   // between the events' baseline and the first panel
	firstGap    = 28  // between the first heading's baseline and its panel
	headingGap  = 14  // between any other heading's baseline and its panel
	panelGap    = 48  // between a panel and the next
	tickGap     = 18  // between a panel and the baseline of the times
	footer      = 48  // between the last panel and the bottom
	swatch      = 18  // width of a legend's sample
	character   = 6.5 // width of an average character of the legend

	maxTimeTicks = 10 // beside 0
)

// Color is the color of a series.
type Color string

// The colors of series.
const (
	Grey   Color = "grey"
	Ink    Color = "ink"
	Blue   Color = "blue"
	Sky    Color = "sky"
	Orange Color = "orange"
	Green  Color = "green"
	Purple Color = "purple"
)

// style gives every part its color. The hues are those of Okabe and Ito, which people with any color
// vision tell apart (https://jfly.uni-koeln.de/color/). The card is opaque, so that the picture is as
// legible on the other background as on its own.
const style = `
    text { font: 12px -apple-system, "Segoe UI", "Helvetica Neue", "DejaVu Sans", Arial, sans-serif; fill: #57606a }
    .title { font-size: 17px; font-weight: 600; fill: #1f2328 }
    .heading { font-size: 13px; font-weight: 600; fill: #1f2328 }
    .card { fill: #ffffff; stroke: #d0d7de }
    .grid { stroke: #e4e8ec }
    .base { stroke: #8c959f }
    .bound { stroke: #8c959f; stroke-dasharray: 2 4 }
    .event { stroke: #57606a; stroke-dasharray: 5 4 }
    .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round }
    .area { stroke: none; fill-opacity: .25 }
    .grey { stroke: #8c959f; fill: #8c959f }
    .blue { stroke: #0072b2; fill: #0072b2 }
    .orange { stroke: #d55e00; fill: #d55e00 }
    .sky { stroke: #56b4e9; fill: #56b4e9 }
    .ink { stroke: #1f2328; fill: #1f2328 }
    .green { stroke: #009e73; fill: #009e73 }
    .purple { stroke: #cc79a7; fill: #cc79a7 }
    path.line { fill: none }
    path.area { stroke: none }
    path.sky.area { fill-opacity: .55 }
    path.dashed { stroke-width: 1; stroke-dasharray: 4 3 }
    @media (prefers-color-scheme: dark) {
      text { fill: #9198a1 }
      .title, .heading { fill: #f0f6fc }
      .card { fill: #0d1117; stroke: #3d444d }
      .grid { stroke: #21262d }
      .base, .bound { stroke: #656c76 }
      .event { stroke: #9198a1 }
      .blue { stroke: #58a6e0; fill: #58a6e0 }
      .orange { stroke: #f0883e; fill: #f0883e }
      .ink { stroke: #f0f6fc; fill: #f0f6fc }
      .green { stroke: #2fc89b; fill: #2fc89b }
      path.line { fill: none }
      path.area { stroke: none }
    }
`

// Picture is what is drawn.
type Picture struct {
	// Title is the heading, and About says in words what the picture shows, for readers who cannot see it.
	Title, About string
	// Keys stand below the title, one on a line.
	Keys []Key
	// Span is the length of the time axis, which begins at 0.
	Span time.Duration
	// From completes "time since ", in the name of the time axis.
	From   string
	Panels []Panel
	Events []Event
}

// Key explains a color that several panels share.
type Key struct {
	Color      Color
	Name, Note string
}

// Event is a vertical line through all panels, with its name above them.
type Event struct {
	At   time.Duration
	Name string
}

// Panel is one of the plots.
type Panel struct {
	// Heading names what is drawn, and Unit its unit.
	Heading, Unit string
	// Height is in pixels.
	Height float64
	// Ticks are the values with a horizontal line, from 0 to the top.
	Ticks  []float64
	Series []Series
	Bounds []Bound
	Marks  []Mark
}

// Bound is a horizontal line with its name to the right.
type Bound struct {
	Value float64
	Name  string
}

// Mark is an arrowhead above a value, with a text beside it where the next mark leaves room.
type Mark struct {
	At    time.Duration
	Value float64
	Up    bool
	Text  string
}

// Series is one value over time.
type Series struct {
	// Name stands in the panel's legend; a series without a name is not in it.
	Name  string
	Color Color
	// Line, Dashed and Area say what is drawn: a thick line, a thin broken line, the area below.
	Line, Dashed, Area bool
	// Step says that a value holds until the next point.
	Step bool
	// Points are in the order of time.
	Points []Point
}

// Point is a value of a series at a time. NaN is a gap in the line.
type Point struct {
	At    time.Duration
	Value float64
}

// Top returns the greatest value of the series, at least the given one.
func Top(least float64, series ...Series) float64 {
	for _, s := range series {
		for _, p := range s.Points {
			if p.Value > least {
				least = p.Value
			}
		}
	}
	return least
}

// Write draws the picture.
func (p Picture) Write(w io.Writer) error {
	if p.Span < 0 || len(p.Panels) == 0 {
		return errors.New("the picture has no panel, or ends before it begins")
	}
	if p.Span == 0 {
		p.Span = time.Second
	}
	d := &drawing{Picture: p}
	d.draw()
	if _, err := w.Write(d.out.Bytes()); err != nil {
		return fmt.Errorf("writing the picture %q: %w", p.Title, err)
	}
	return nil
}

// drawing writes the parts of one picture.
type drawing struct {
	Picture
	out bytes.Buffer
}

func (d *drawing) add(format string, arguments ...any) {
	fmt.Fprintf(&d.out, format+"\n", arguments...)
}

// x is the place of a time. Times outside the axis lie on the picture's edge.
func (d *drawing) x(at time.Duration) float64 {
	share := float64(at) / float64(d.Span)
	return left + min(1, max(0, share))*(right-left)
}

func (d *drawing) text(x, y float64, anchor, class, text string) {
	if class != "" {
		class = fmt.Sprintf(" class=%q", class)
	}
	d.add(`  <text x="%s" y="%s" text-anchor="%s"%s>%s</text>`, pixels(x), pixels(y), anchor, class, escape(text))
}

func escape(text string) string {
	var b bytes.Buffer
	// Writing to a buffer cannot fail.
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	d.add(`  <line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, pixels(x1), pixels(y1), pixels(x2), pixels(y2))
}

func (d *drawing) draw() {
	first := float64(firstPanel + keyHeight*len(d.Keys))
	height := first + float64(footer+(len(d.Panels)-1)*panelGap)
	for _, p := range d.Panels {
		height += p.Height
	}
	d.begin(height)
	for i, k := range d.Keys {
		y := float64(firstKey + keyHeight*i)
		d.sample(Series{Color: k.Color, Line: true}, edge, y)
		d.add(`  <text x="%d" y="%s"><tspan class="heading">%s</tspan> %s</text>`, edge+swatch+7, pixels(y), escape(k.Name), escape(k.Note))
	}

	top := first
	for i, p := range d.Panels {
		gap := float64(headingGap)
		if i == 0 {
			gap = firstGap
		}
		d.heading(p, top-gap)
		d.panel(p, top)
		top += p.Height + panelGap
	}
	d.eventNames(first - eventGap)

	bottom := top - panelGap
	for _, at := range TimeTicks(d.Span, maxTimeTicks) {
		d.text(d.x(at), bottom+tickGap, "middle", "", Clock(at))
	}
	unit := "minutes:seconds"
	if d.Span >= time.Hour {
		unit = "hours:minutes:seconds"
	}
	d.text(right, bottom+2*tickGap, "end", "", "time since "+d.From+", "+unit)
	d.add("</svg>")
}

// heading writes the panel's name and unit on the left, the legend on the right.
func (d *drawing) heading(p Panel, y float64) {
	d.add(`  <text x="%d" y="%s"><tspan class="heading">%s</tspan> %s</text>`, edge, pixels(y), escape(p.Heading), escape(p.Unit))
	x := float64(right)
	for _, s := range slices.Backward(p.Series) {
		if s.Name == "" {
			continue
		}
		x -= swatch
		d.sample(s, x, y)
		d.text(x-7, y, "end", "", s.Name)
		x -= 7 + character*float64(len(s.Name)) + 22
	}
}

// sample draws a legend's sample of a series, whose text has the baseline y.
func (d *drawing) sample(s Series, x, y float64) {
	if s.Area {
		d.add(`  <path class="area %s" d="M%s %sh%dv9h-%[4]dz"/>`, s.Color, pixels(x), pixels(y-9), swatch)
	}
	if stroke := s.stroke(); stroke != "" {
		// The line of an area is the upper edge of its sample.
		above := 4.0
		if s.Area {
			above = 9
		}
		d.add(`  <path class="%s" d="M%s %sh%d"/>`, stroke, pixels(x), pixels(y-above), swatch)
	}
}

// stroke is the class of the series' line, "" for none.
func (s Series) stroke() string {
	switch {
	case s.Dashed:
		return "line dashed " + string(s.Color)
	case s.Line:
		return "line " + string(s.Color)
	}
	return ""
}

func (d *drawing) panel(p Panel, top float64) {
	y := func(v float64) float64 { return top + p.Height*(1-v/p.Ticks[len(p.Ticks)-1]) }
	for _, v := range p.Ticks[1:] {
		d.line("grid", left, y(v), right, y(v))
	}
	for _, at := range TimeTicks(d.Span, maxTimeTicks)[1:] {
		d.line("grid", d.x(at), top, d.x(at), top+p.Height)
	}
	d.line("base", left, y(0), right, y(0))
	for _, v := range p.Ticks {
		d.text(left-8, y(v)+4, "end", "", Number(v))
	}
	for _, b := range p.Bounds {
		d.line("bound", left, y(b.Value), right, y(b.Value))
		d.text(right+7, y(b.Value)+4, "start", "", b.Name)
	}
	for _, s := range p.Series {
		d.series(s, y)
	}
	for _, e := range d.Events {
		d.line("event", d.x(e.At), top, d.x(e.At), top+p.Height)
	}
	d.marks(p.Marks, y)
}

// series draws the line and the area of a series.
func (d *drawing) series(s Series, y func(float64) float64) {
	line, area := s.Paths(d.x, y)
	if s.Area && area != "" {
		d.add(`  <path class="area %s" d="%s"/>`, s.Color, area)
	}
	if stroke := s.stroke(); stroke != "" && line != "" {
		d.add(`  <path class="%s" d="%s"/>`, stroke, line)
	}
}

// Paths returns the points as SVG paths, with a part for each run without a gap: a line, and the area between it and 0.
func (s Series) Paths(x func(time.Duration) float64, y func(float64) float64) (string, string) {
	var line, area strings.Builder
	drawn := 0 // points since the last gap
	var before string
	end := func() {
		if drawn == 1 {
			// The round cap makes a dot of a point between two gaps.
			line.WriteString("h0")
		}
		if drawn > 0 {
			fmt.Fprintf(&area, "V%sZ", pixels(y(0)))
		}
		drawn = 0
	}
	for _, p := range s.Points {
		if math.IsNaN(p.Value) {
			end()
			continue
		}
		x, at := pixels(x(p.At)), pixels(y(p.Value))
		next := fmt.Sprintf("L%s %s", x, at)
		switch {
		case drawn == 0:
			fmt.Fprintf(&line, "M%s %s", x, at)
			fmt.Fprintf(&area, "M%s %sV%s", x, pixels(y(0)), at)
			next = ""
		case at == before:
			next = "H" + x
		case s.Step:
			next = "H" + x + "V" + at
		}
		line.WriteString(next)
		area.WriteString(next)
		drawn, before = drawn+1, at
	}
	end()
	return line.String(), area.String()
}

// marks draws an arrowhead above each mark's value.
func (d *drawing) marks(marks []Mark, y func(float64) float64) {
	const room = 30
	for i, m := range marks {
		x, tip := d.x(m.At), y(m.Value)-6
		if m.Up {
			d.add(`  <path class="ink" d="M%s %sl5 8h-10z"/>`, pixels(x), pixels(tip-8))
		} else {
			d.add(`  <path class="ink" d="M%s %sl5 -8h-10z"/>`, pixels(x), pixels(tip))
		}
		if i == len(marks)-1 || d.x(marks[i+1].At)-x >= room {
			d.text(x+8, tip, "start", "", m.Text)
		}
	}
}

// eventNames writes the events' names above their lines.
func (d *drawing) eventNames(y float64) {
	for _, e := range d.Events {
		x, anchor := d.x(e.At), "start"
		if x > right-100 {
			anchor = "end"
		}
		d.text(x, y, anchor, "", e.Name)
	}
}

// pixels writes a length to a tenth of a pixel.
func pixels(v float64) string { return Number(math.Round(v*10) / 10) }
