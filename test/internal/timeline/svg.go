package timeline

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The picture's measures in pixels. GitHub shows a README about 900 wide.
const (
	width       = 900
	edge        = 20      // of the texts on the left
	left, right = 58, 842 // of the panels; the bounds' names stand to the right of them
	title       = 33      // baseline of the title
	firstPanel  = 98      // top of the first panel; the events' names stand above it
	eventGap    = 7       // between the events' baseline and the first panel
	firstGap    = 28      // between the first heading's baseline and its panel
	headingGap  = 14      // between any other heading's baseline and its panel
	panelGap    = 48      // between a panel and the next
	tickGap     = 18      // between a panel and the baseline of the times
	footer      = 48      // between the last panel and the bottom
	character   = 6.5     // width of an average character of the legend

	maxTimeTicks = 10 // beside 0
)

// style gives every part its colour. The hues are those of Okabe and Ito, which people with any colour
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
    .offered { stroke: #8c959f; fill: #8c959f }
    .counted { stroke: #0072b2; fill: #0072b2 }
    .overruns { stroke: #d55e00; fill: #d55e00 }
    .ready { stroke: #56b4e9; fill: #56b4e9 }
    .desired { stroke: #1f2328; fill: #1f2328 }
    .share { stroke: #009e73; fill: #009e73 }
    path.line { fill: none }
    path.area { stroke: none }
    path.ready.area { fill-opacity: .55 }
    @media (prefers-color-scheme: dark) {
      text { fill: #9198a1 }
      .title, .heading { fill: #f0f6fc }
      .card { fill: #0d1117; stroke: #3d444d }
      .grid { stroke: #21262d }
      .base, .bound { stroke: #656c76 }
      .event { stroke: #9198a1 }
      .counted { stroke: #58a6e0; fill: #58a6e0 }
      .overruns { stroke: #f0883e; fill: #f0883e }
      .desired { stroke: #f0f6fc; fill: #f0f6fc }
      .share { stroke: #2fc89b; fill: #2fc89b }
      path.line { fill: none }
      path.area { stroke: none }
    }
`

// series is one reading of a timeline over time, as it is drawn.
type series struct {
	name       string // in the legend; the heading names a panel's only series
	class      string
	reading    func(Point) Reading
	scale      float64 // of the reading to the panel's unit
	line, area bool
	step       bool // the value holds until the next reading
}

// panel is one of the stacked plots.
type panel struct {
	heading, unit string
	height        float64
	ticks         []float64 // from 0 to the top
	series        []series
	decisions     bool // whether the autoscaler's bounds and scalings are drawn
}

// WriteSVG draws the timeline: the load, the overruns, the replicas with the autoscaler's decisions, and
// the share of frames in budget, below one another on one time axis. Gaps in the readings are gaps in the
// lines. A timeline without points is an error.
func (t *Timeline) WriteSVG(w io.Writer) error {
	if len(t.points) == 0 {
		return errors.New("the timeline holds no points, so there is nothing to draw")
	}
	d := &drawing{timeline: t, start: t.points[0].At, span: t.points[len(t.points)-1].At.Sub(t.points[0].At)}
	if d.span == 0 {
		d.span = time.Second
	}
	d.draw(t.panels())
	if _, err := w.Write(d.out.Bytes()); err != nil {
		return fmt.Errorf("writing the picture of the timeline: %w", err)
	}
	return nil
}

func (t *Timeline) panels() []panel {
	load := []series{
		{name: "asked for", class: "offered", reading: func(p Point) Reading { return p.OfferedFramesPerSecond }, scale: 1, line: true, area: true},
		{name: "counted by the renderers", class: "counted", reading: func(p Point) Reading { return p.FramesPerSecond }, scale: 1, line: true},
	}
	overruns := []series{
		{class: "overruns", reading: func(p Point) Reading { return p.OverrunsPerSecond }, scale: 1, line: true, area: true},
	}
	replicas := []series{
		{name: "ready", class: "ready", reading: func(p Point) Reading { return p.ReadyReplicas }, scale: 1, area: true, step: true},
		{name: "desired by the autoscaler", class: "desired", reading: func(p Point) Reading { return p.DesiredReplicas }, scale: 1, line: true, step: true},
	}
	share := []series{
		{class: "share", reading: func(p Point) Reading { return p.InBudgetShare }, scale: 100, line: true},
	}
	return []panel{
		{heading: "Load", unit: "frames per second", height: 112, ticks: niceTicks(t.top(load, 1), 4), series: load},
		{heading: "Overruns", unit: "frames over budget per second", height: 92, ticks: niceTicks(t.top(overruns, 1), 4), series: overruns},
		// One more than the bound, so that the decisions' marks have room above the line.
		{heading: "Replicas", unit: "pods", height: 132, ticks: wholeTicks(max(t.top(replicas, 1), float64(t.MaxReplicas))+1, 6), series: replicas, decisions: true},
		{heading: "In budget", unit: "percent of frames", height: 84, ticks: []float64{0, 25, 50, 75, 100}, series: share},
	}
}

// top is the greatest value of the series, at least least.
func (t *Timeline) top(all []series, least float64) float64 {
	top := least
	for _, s := range all {
		if peak := t.peak(s.reading); peak.known {
			top = max(top, peak.value*s.scale)
		}
	}
	return top
}

// drawing writes the parts of one picture.
type drawing struct {
	timeline *Timeline
	start    time.Time
	span     time.Duration
	out      bytes.Buffer
}

func (d *drawing) add(format string, arguments ...any) {
	fmt.Fprintf(&d.out, format+"\n", arguments...)
}

// x is the place of a time. Times outside the points lie on the picture's edge.
func (d *drawing) x(at time.Time) float64 {
	share := float64(at.Sub(d.start)) / float64(d.span)
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

func (d *drawing) draw(panels []panel) {
	height := float64(firstPanel + footer + (len(panels)-1)*panelGap)
	for _, p := range panels {
		height += p.height
	}
	d.add(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%s" viewBox="0 0 %[1]d %[2]s" role="img">`, width, pixels(height))
	d.add("  <title>%s</title>", escape(d.timeline.Title))
	d.add("  <desc>%s</desc>", escape(d.timeline.describe()))
	d.add("  <style>%s  </style>", style)
	d.add(`  <rect class="card" x="0.5" y="0.5" width="%d" height="%s" rx="8"/>`, width-1, pixels(height-1))
	d.text(edge, title, "start", "title", d.timeline.Title)

	top := float64(firstPanel)
	for i, p := range panels {
		gap := float64(headingGap)
		if i == 0 {
			gap = firstGap
		}
		d.heading(p, top-gap)
		d.panel(p, top)
		top += p.height + panelGap
	}
	d.eventNames(firstPanel - eventGap)

	bottom := top - panelGap
	for _, at := range timeTicks(d.span, maxTimeTicks) {
		d.text(d.x(d.start.Add(at)), bottom+tickGap, "middle", "", clock(at))
	}
	unit := "minutes:seconds"
	if d.span >= time.Hour {
		unit = "hours:minutes:seconds"
	}
	d.text(right, bottom+2*tickGap, "end", "", "time since the first reading, "+unit)
	d.add("</svg>")
}

// heading writes the panel's name and unit on the left, the legend on the right.
func (d *drawing) heading(p panel, y float64) {
	d.add(`  <text x="%d" y="%s"><tspan class="heading">%s</tspan> %s</text>`, edge, pixels(y), p.heading, p.unit)
	const swatch = 18
	x := float64(right)
	for _, s := range slices.Backward(p.series) {
		if s.name == "" {
			continue
		}
		x -= swatch
		if s.area {
			d.add(`  <path class="area %s" d="M%s %sh%dv9h-%[4]dz"/>`, s.class, pixels(x), pixels(y-9), swatch)
		}
		switch {
		case s.line && s.area:
			d.add(`  <path class="line %s" d="M%s %sh%d"/>`, s.class, pixels(x), pixels(y-9), swatch)
		case s.line:
			d.add(`  <path class="line %s" d="M%s %sh%d"/>`, s.class, pixels(x), pixels(y-4), swatch)
		}
		d.text(x-7, y, "end", "", s.name)
		x -= 7 + character*float64(len(s.name)) + 22
	}
}

func (d *drawing) panel(p panel, top float64) {
	y := func(v float64) float64 { return top + p.height*(1-v/p.ticks[len(p.ticks)-1]) }
	for _, v := range p.ticks[1:] {
		d.line("grid", left, y(v), right, y(v))
	}
	for _, at := range timeTicks(d.span, maxTimeTicks)[1:] {
		d.line("grid", d.x(d.start.Add(at)), top, d.x(d.start.Add(at)), top+p.height)
	}
	d.line("base", left, y(0), right, y(0))
	for _, v := range p.ticks {
		d.text(left-8, y(v)+4, "end", "", number(v))
	}
	if p.decisions {
		d.bound("min", d.timeline.MinReplicas, y)
		d.bound("max", d.timeline.MaxReplicas, y)
	}
	for _, s := range p.series {
		d.series(s, y)
	}
	for _, e := range d.timeline.Events {
		d.line("event", d.x(e.At), top, d.x(e.At), top+p.height)
	}
	if p.decisions {
		d.scalings(y)
	}
}

// series draws the readings as one path for each run without a gap.
func (d *drawing) series(s series, y func(float64) float64) {
	var line, area strings.Builder
	readings := 0 // since the last gap
	var before string
	end := func() {
		if readings == 1 {
			// The round cap makes a dot of a reading between two gaps.
			line.WriteString("h0")
		}
		if readings > 0 {
			fmt.Fprintf(&area, "V%sZ", pixels(y(0)))
		}
		readings = 0
	}
	for _, p := range d.timeline.points {
		reading := s.reading(p)
		if !reading.known {
			end()
			continue
		}
		x, at := pixels(d.x(p.At)), pixels(y(reading.value*s.scale))
		next := fmt.Sprintf("L%s %s", x, at)
		switch {
		case readings == 0:
			fmt.Fprintf(&line, "M%s %s", x, at)
			fmt.Fprintf(&area, "M%s %sV%s", x, pixels(y(0)), at)
			next = ""
		case at == before:
			next = "H" + x
		case s.step:
			next = "H" + x + "V" + at
		}
		line.WriteString(next)
		area.WriteString(next)
		readings, before = readings+1, at
	}
	end()
	if s.area && area.Len() > 0 {
		d.add(`  <path class="area %s" d="%s"/>`, s.class, area.String())
	}
	if s.line && line.Len() > 0 {
		d.add(`  <path class="line %s" d="%s"/>`, s.class, line.String())
	}
}

// bound draws the autoscaler's least or greatest number of replicas.
func (d *drawing) bound(name string, replicas int, y func(float64) float64) {
	if replicas == 0 {
		return
	}
	at := y(float64(replicas))
	d.line("bound", left, at, right, at)
	d.text(right+7, at+4, "start", "", fmt.Sprintf("%s %d", name, replicas))
}

// scalings marks each decision of the autoscaler with an arrowhead above its step, and beside it the
// replicas it asks for, where the next decision leaves room.
func (d *drawing) scalings(y func(float64) float64) {
	const room = 30
	scalings := d.timeline.Scalings()
	for i, s := range scalings {
		x, tip := d.x(s.At), y(float64(max(s.From, s.To)))-6
		if s.Up() {
			d.add(`  <path class="desired" d="M%s %sl5 8h-10z"/>`, pixels(x), pixels(tip-8))
		} else {
			d.add(`  <path class="desired" d="M%s %sl5 -8h-10z"/>`, pixels(x), pixels(tip))
		}
		if i == len(scalings)-1 || d.x(scalings[i+1].At)-x >= room {
			d.text(x+8, tip, "start", "", strconv.Itoa(s.To))
		}
	}
}

// eventNames writes the events' names above their lines.
func (d *drawing) eventNames(y float64) {
	for _, e := range d.timeline.Events {
		x, anchor := d.x(e.At), "start"
		if x > right-100 {
			anchor = "end"
		}
		d.text(x, y, anchor, "", e.Name)
	}
}

// describe tells in words what the picture shows, for those who do not see it.
func (t *Timeline) describe() string {
	ups, downs := 0, 0
	for _, s := range t.Scalings() {
		if s.Up() {
			ups++
		} else {
			downs++
		}
	}
	span := t.points[len(t.points)-1].At.Sub(t.points[0].At)
	text := fmt.Sprintf("Scale-ups: %d, scale-downs: %d in %s (minutes:seconds)", ups, downs, clock(span))
	add := func(format string, peak Reading, scale float64) {
		if peak.known {
			text += fmt.Sprintf(format, number(math.Round(peak.value*scale*10)/10))
		}
	}
	add(", at most %s replicas ready", t.PeakReadyReplicas(), 1)
	add(", at most %s frames per second asked for", t.peak(func(p Point) Reading { return p.OfferedFramesPerSecond }), 1)
	add(", at most %s overruns per second", t.peak(func(p Point) Reading { return p.OverrunsPerSecond }), 1)
	return text + "."
}

// pixels writes a length to a tenth of a pixel.
func pixels(v float64) string { return number(math.Round(v*10) / 10) }
