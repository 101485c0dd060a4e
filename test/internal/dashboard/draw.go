package dashboard

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"holograph/test/internal/plot"
)

// The page's measures in pixels. A cell of the grid is as high as Grafana's.
const (
	Width   = 1280
	edge    = 16 // around the grid
	header  = 64
	columns = 24
	cell    = 30
	gap     = 8
	title   = 26 // of a panel

	axis        = 52 // left of the plots of numbers
	margin      = 34 // right of all plots, for half a time
	timeRoom    = 75 // of a time on the axis
	above       = 8
	below       = 24
	legendRow   = 20
	legendEnd   = 8
	letter      = 7.4 // of a legend and of the names of states: none is wider on average
	legendExtra = 36  // of an entry: its sample, and the gap to the next
)

// colors are those of Grafana's names that the chart uses. Other colors are written as #rrggbb.
var colors = map[string]string{"red": "#d73a49", "orange": "#e8860c", "green": "#2f9e5b", "blue": "#2f7ed8"}

// palette has the colors of series that have none of their own, in their order.
var palette = []string{"#2f9e5b", "#d9a514", "#2f7ed8", "#8957e5", "#d73a49", "#16a3a3", "#e078b0", "#7a5230", "#6b7280", "#1f3a68"}

func color(name string) string { return cmp.Or(colors[name], name) }

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Parse(pageHTML))

// tile is a panel as the page shows it.
type tile struct {
	Panel
	Row, Column int
	// Missing is what stands in place of values where there are none.
	Missing string
	Values  []value
	Plot    *drawing
}

// value is the content of a stat, and of a gauge, which has arcs.
type value struct {
	Text, Background, Color string
	Arcs                    []arc
}

type arc struct {
	Path, Color string
	Width       int
}

// drawing is a plot over time.
type drawing struct {
	Width, Height, Left, Right, Top, Bottom float64
	Grid, Times, Rows, Bounds, Legend       []mark
	Lines                                   []line
	Bars, Events                            []bar
}

// mark is a place on an axis, or an entry of a legend.
type mark struct {
	At          float64
	Name, Color string
}

type line struct {
	Line, Area, Color, Dashes string
	Width, Opacity            float64
}

type bar struct {
	X, Y, Width, Height, Opacity float64
	Color                        string
}

// Baseline is that of a text whose middle is at the mark.
func (m mark) Baseline() float64       { return m.At + 4 }
func (d *drawing) LabelsEnd() float64  { return d.Left - 8 }
func (d *drawing) TimesAt() float64    { return d.Bottom + 18 }
func (d *drawing) x(s float64) float64 { return d.Left + min(1, max(0, s))*(d.Right-d.Left) }
func (a *Answer) share(at time.Duration) float64 {
	return float64(at) / float64(a.Span.End.Sub(a.Span.Start))
}

// Height is that of the page.
func (d *Dashboard) Height() int {
	rows := 0
	for _, panel := range d.Panels {
		rows = max(rows, panel.GridPos.Y+panel.GridPos.H)
	}
	return header + rows*(cell+gap) - gap + edge
}

// Write draws the page.
func (a *Answer) Write(w io.Writer) error {
	content := struct {
		Title, From, To string
		Annotations     []mark
		Tiles           []tile
	}{Title: a.Dashboard.Title, From: a.Span.Start.UTC().Format(time.DateTime), To: a.Span.End.UTC().Format(time.TimeOnly)}
	for _, annotation := range a.Dashboard.Annotations.List {
		content.Annotations = append(content.Annotations, mark{Name: annotation.Name, Color: color(annotation.IconColor)})
	}
	for _, panel := range a.Dashboard.Panels {
		t, err := a.tile(panel)
		if err != nil {
			return fmt.Errorf("panel %q: %w", panel.Title, err)
		}
		content.Tiles = append(content.Tiles, t)
	}
	return page.Execute(w, content)
}

func (a *Answer) tile(panel Panel) (t tile, err error) {
	t = tile{Panel: panel, Row: panel.GridPos.Y + 1, Column: panel.GridPos.X + 1}
	switch all := a.series[panel.ID]; {
	case panel.Type == "row":
	case len(all) == 0:
		t.Missing = panel.FieldConfig.Defaults.NoValue
	case panel.Type == "timeseries":
		t.Plot, err = a.lines(panel, all)
	case panel.Type == "state-timeline":
		t.Plot, err = a.states(panel, all)
	default:
		for i, one := range all {
			t.Values = append(t.Values, panel.value(one.points[0].Value, palette[i%len(palette)]))
		}
	}
	return t, err
}

// value is a number as a stat or a gauge shows it.
func (p Panel) value(number float64, own string) value {
	field := p.FieldConfig.Defaults
	if field.Color.Mode == "thresholds" {
		own = field.threshold(number)
	}
	v := value{Text: field.text(number), Background: "transparent", Color: own}
	if p.Options.ColorMode == "background" {
		v.Background, v.Color = own, "#ffffff"
	}
	if p.Type == "gauge" {
		v.Arcs = []arc{{arcPath(56, 0, 1), "#e7e9ec", 14}, {arcPath(56, 0, number), own, 14}}
		// The ring outside shows the thresholds.
		steps := field.Thresholds.Steps
		for i, step := range steps {
			from, to := 0.0, 1.0
			if step.Value != nil {
				from = *step.Value
			}
			if i+1 < len(steps) {
				to = *steps[i+1].Value
			}
			v.Arcs = append(v.Arcs, arc{arcPath(67, from, to), color(step.Color), 4})
		}
	}
	return v
}

// arcPath is a part of a gauge of two thirds of a circle, between two shares of it.
func arcPath(radius, from, to float64) string {
	from, to = min(1, max(0, from)), min(1, max(0, to))
	if from >= to {
		return ""
	}
	point := func(share float64) string {
		sin, cos := math.Sincos((210 - 240*share) * math.Pi / 180)
		return fmt.Sprintf("%.2f %.2f", 80+radius*cos, 72-radius*sin)
	}
	large := 0
	if 240*(to-from) > 180 {
		large = 1
	}
	return fmt.Sprintf("M%s A%g %g 0 %d 1 %s", point(from), radius, radius, large, point(to))
}

// text is a number with its unit.
func (f Field) text(number float64) string {
	suffix := ""
	switch f.Unit {
	case "percentunit":
		number, suffix = number*100, "%"
	case "short":
		for _, next := range []string{" K", " Mil", " Bil"} {
			if math.Abs(number) < 1000 {
				break
			}
			number, suffix = number/1000, next
		}
	}
	if f.Decimals == nil {
		return plot.Number(number) + suffix
	}
	return strconv.FormatFloat(number, 'f', *f.Decimals, 64) + suffix
}

// threshold is the color of a number.
func (f Field) threshold(number float64) (name string) {
	for _, step := range f.Thresholds.Steps {
		if step.Value == nil || number >= *step.Value {
			name = color(step.Color)
		}
	}
	return name
}

// frame is an empty plot with its time axis, above a legend.
func (a *Answer) frame(panel Panel, left float64, legend []mark) *drawing {
	pos := panel.GridPos
	column := float64(Width-2*edge-(columns-1)*gap) / columns
	d := &drawing{Width: float64(pos.W)*column + float64(pos.W-1)*gap - 2, Left: left, Top: above, Legend: legend}
	rows, used := 1, 0.0
	for _, entry := range legend {
		wide := letter*float64(len(entry.Name)) + legendExtra
		if used += wide; used > d.Width-2*legendEnd {
			rows, used = rows+1, wide
		}
	}
	d.Height = float64(pos.H*(cell+gap) - gap - title - rows*legendRow - legendEnd)
	d.Right, d.Bottom = d.Width-margin, d.Height-below
	step := plot.TimeTicks(a.Span.End.Sub(a.Span.Start), int((d.Right-d.Left)/timeRoom))[1]
	format := "15:04"
	if step < time.Minute {
		format = "15:04:05"
	}
	// The first is the first time on the clock that is a multiple of the step.
	for at := a.Span.Start.Add(step - 1).Truncate(step); !at.After(a.Span.End); at = at.Add(step) {
		d.Times = append(d.Times, mark{At: d.x(a.share(at.Sub(a.Span.Start))), Name: at.UTC().Format(format)})
	}
	for _, e := range a.events {
		if from, to := d.x(a.share(e.from)), d.x(a.share(e.to)); e.from >= 0 {
			d.Events = append(d.Events, bar{X: from, Width: max(4, to-from), Color: color(e.color)})
		}
	}
	return d
}

// lines is a panel of the type timeseries.
func (a *Answer) lines(panel Panel, all []series) (*drawing, error) {
	field := panel.FieldConfig.Defaults
	var drawn []line
	var legend []mark
	top := 0.0
	for i, one := range all {
		l := line{Color: palette[i%len(palette)], Width: field.Custom.LineWidth, Opacity: field.Custom.FillOpacity / 100}
		if err := panel.override(one.target, &l); err != nil {
			return nil, err
		}
		drawn, legend = append(drawn, l), append(legend, mark{Name: one.name, Color: l.Color})
		top = plot.Top(top, plot.Series{Points: one.points})
	}
	d := a.frame(panel, axis, legend)
	ticks := plot.Ticks(cmp.Or(top, 1), 5)
	if field.Decimals != nil {
		ticks = plot.WholeTicks(cmp.Or(top, 1), 5)
	}
	y := func(v float64) float64 { return d.Bottom - v/ticks[len(ticks)-1]*(d.Bottom-d.Top) }
	for _, tick := range ticks {
		d.Grid = append(d.Grid, mark{At: y(tick), Name: field.text(tick)})
	}
	for i, one := range all {
		path := plot.Series{Points: one.points, Step: field.Custom.LineInterpolation == "stepAfter"}
		drawn[i].Line, drawn[i].Area = path.Paths(func(at time.Duration) float64 { return d.x(a.share(at)) }, y)
	}
	d.Lines = drawn
	if field.Custom.ThresholdsStyle.Mode == "dashed" {
		for _, step := range field.Thresholds.Steps {
			if step.Value != nil && *step.Value <= ticks[len(ticks)-1] {
				d.Bounds = append(d.Bounds, mark{At: y(*step.Value), Color: color(step.Color)})
			}
		}
	}
	return d, nil
}

// override gives a line what a panel says of its query alone.
func (p Panel) override(target Target, l *line) error {
	for _, override := range p.FieldConfig.Overrides {
		if override.Matcher.Options != target.RefID {
			continue
		}
		for _, property := range override.Properties {
			var fixed struct{ FixedColor string }
			var style struct{ Dash []float64 }
			var err error
			switch property.ID {
			case "color":
				err = json.Unmarshal(property.Value, &fixed)
				l.Color = color(fixed.FixedColor)
			case "custom.lineStyle":
				err = json.Unmarshal(property.Value, &style)
				l.Dashes = strings.Trim(fmt.Sprint(style.Dash), "[]")
			case "custom.fillOpacity":
				err = json.Unmarshal(property.Value, &l.Opacity)
				l.Opacity /= 100
			}
			if err != nil {
				return fmt.Errorf("the override %s: %w", property.ID, err)
			}
		}
	}
	return nil
}

// states is a panel of the type state-timeline.
func (a *Answer) states(panel Panel, all []series) (*drawing, error) {
	field := panel.FieldConfig.Defaults
	left := 0.0
	for _, one := range all {
		left = max(left, letter*float64(len(one.name))+legendEnd)
	}
	var legend []mark
	d := a.frame(panel, left, []mark{{}})
	height := (d.Bottom - d.Top) / float64(len(all))
	for i, one := range all {
		middle := d.Top + (float64(i)+0.5)*height
		d.Rows = append(d.Rows, mark{At: middle, Name: one.name})
		for j, point := range one.points {
			if math.IsNaN(point.Value) || j > 0 && one.points[j-1].Value == point.Value {
				continue
			}
			end := a.Span.End.Sub(a.Span.Start)
			if next := slices.IndexFunc(one.points[j:], func(p plot.Point) bool { return p.Value != point.Value }); next > 0 {
				end = one.points[j+next].At
			}
			state, found := field.Mappings[0].Options[plot.Number(point.Value)]
			if !found {
				return nil, fmt.Errorf("%s is %v, want a value of the mappings: no other has a color", one.name, point.Value)
			}
			if entry := (mark{Name: state.Text, Color: color(state.Color)}); !slices.Contains(legend, entry) {
				legend = append(legend, entry)
			}
			x := d.x(a.share(point.At))
			d.Bars = append(d.Bars, bar{
				X: x, Y: middle - height*panel.Options.RowHeight/2, Width: d.x(a.share(end)) - x, Height: height * panel.Options.RowHeight,
				Color: color(state.Color), Opacity: field.Custom.FillOpacity / 100,
			})
		}
	}
	d.Legend = legend
	return d, nil
}
