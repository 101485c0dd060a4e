package report

import (
	"fmt"
	"io"
	"math"
	"strings"

	"holograph/test/sim/sim"
)

// Line is one run in a picture.
type Line struct {
	// Name stands in the legend; Note follows it, in grey.
	Name, Note string
	Result     sim.Result
}

// Colours that stay apart for colour-blind readers (Okabe and Ito, 2008).
var colours = []string{"#0072B2", "#D55E00", "#009E73", "#CC79A7"}

const (
	width, height       = 960.0, 452.0 // and lineHeight for every run
	left, right         = 56.0, 20.0
	podsTop, podsBottom = 66.0, 282.0
	lateTop, lateBottom = 318.0, 412.0
	lineHeight          = 18.0
)

// Picture draws load, replicas and overruns over time, all runs over one another. Runs share one
// trace.
func Picture(w io.Writer, title string, lines []Line) error {
	rows := lines[0].Result.Rows
	most := 1.0
	for s, row := range rows {
		most = math.Max(most, math.Max(row.Load/row.Capacity, float64(lines[0].Result.Oracle.Pods[s])))
	}
	for _, l := range lines {
		for _, row := range l.Result.Rows {
			most = math.Max(most, float64(row.Spec))
		}
	}
	p := &page{seconds: float64(len(rows)), podsStep: tick(most, 6)}
	p.pods = math.Ceil(most/p.podsStep) * p.podsStep

	legend := lineHeight * float64(len(lines))
	p.f(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#333">`, width, height+legend, width, height+legend)
	p.f(`<rect width="%g" height="%g" fill="#fff"/>`, width, height+legend)
	p.f(`<text x="%g" y="24" font-size="16" font-weight="bold">%s</text>`, left, escape(title))
	p.legend(lines)
	p.f(`<g transform="translate(0,%g)">`, legend)
	p.axes()
	p.load(lines[0].Result)
	for i, l := range lines {
		p.replicas(l.Result, colours[i%len(colours)])
	}
	for i, l := range lines {
		p.late(l.Result, colours[i%len(colours)], len(lines) > 1)
	}
	p.f(`</g></svg>`)
	_, err := io.WriteString(w, p.out.String())
	return err
}

type page struct {
	out            strings.Builder
	seconds        float64
	pods, podsStep float64
}

func (p *page) f(format string, args ...any) { fmt.Fprintf(&p.out, format+"\n", args...) }

func (p *page) x(second float64) float64 { return left + second/p.seconds*(width-left-right) }
func (p *page) y(pods float64) float64 {
	return podsBottom - pods/p.pods*(podsBottom-podsTop)
}
func lateY(share float64) float64 { return lateBottom - share*(lateBottom-lateTop) }

// legend takes one line for every run, below the title.
func (p *page) legend(lines []Line) {
	p.f(`<g transform="translate(%g,20)"><rect y="-6" width="22" height="12" fill="#ccc"/><text x="28" y="4">load</text><path d="M80 0h22" stroke="#555" stroke-dasharray="3 2"/><text x="108" y="4">oracle</text></g>`, width-right-150)
	for i, l := range lines {
		p.f(`<g transform="translate(%g,%g)"><path d="M0 0H22" stroke="%s" stroke-width="2.2"/><text x="28" y="4">%s <tspan fill="#777">%s</tspan></text></g>`,
			left, 44+lineHeight*float64(i), colours[i%len(colours)], escape(l.Name), escape(l.Note))
	}
}

func (p *page) axes() {
	p.f(`<text x="%g" y="%g" font-weight="bold">Pods</text>`, left, podsTop-12)
	p.f(`<text x="%g" y="%g" font-weight="bold">Frames late or refused</text>`, left, lateTop-8)
	for v := 0.0; v <= p.pods+1e-9; v += p.podsStep {
		p.f(`<path d="M%g %.1fH%g" stroke="#e4e4e4"/><text x="%g" y="%.1f" text-anchor="end">%g</text>`, left, p.y(v), width-right, left-8, p.y(v)+4, v)
	}
	for _, v := range []float64{0, 0.5, 1} {
		p.f(`<path d="M%g %.1fH%g" stroke="#e4e4e4"/><text x="%g" y="%.1f" text-anchor="end">%.0f %%</text>`, left, lateY(v), width-right, left-8, lateY(v)+4, 100*v)
	}
	step := tick(p.seconds/60, 9)
	for m := 0.0; m*60 <= p.seconds+1; m += step {
		p.f(`<text x="%.1f" y="%g" text-anchor="middle">%g</text>`, p.x(m*60), lateBottom+18, m)
	}
	p.f(`<text x="%g" y="%g" text-anchor="end" fill="#777">minutes</text>`, width-right, lateBottom+34)
}

// load draws what is needed: load over capacity, as an area, and the oracle's pods.
func (p *page) load(r sim.Result) {
	var area, line strings.Builder
	fmt.Fprintf(&area, "M%.1f %.1f", p.x(0), p.y(0))
	bin := math.Max(1, math.Floor(p.seconds/900))
	for s := 0; s < len(r.Rows); s += int(bin) {
		fmt.Fprintf(&area, "L%.1f %.1f", p.x(float64(s)), p.y(r.Rows[s].Load/r.Rows[s].Capacity))
	}
	fmt.Fprintf(&area, "L%.1f %.1fZ", p.x(p.seconds), p.y(0))
	p.f(`<path d="%s" fill="#ccc" fill-opacity="0.75"/>`, area.String())
	steps(&line, r.Oracle.Pods, p)
	p.f(`<path d="%s" fill="none" stroke="#555" stroke-dasharray="3 2"/>`, line.String())
}

func (p *page) replicas(r sim.Result, colour string) {
	spec := make([]int, len(r.Rows))
	for s, row := range r.Rows {
		spec[s] = row.Spec
	}
	var line strings.Builder
	steps(&line, spec, p)
	p.f(`<path d="%s" fill="none" stroke="%s" stroke-width="2.2" stroke-opacity="0.9"/>`, line.String(), colour)
}

func steps(out *strings.Builder, values []int, p *page) {
	fmt.Fprintf(out, "M%.1f %.1f", p.x(0), p.y(float64(values[0])))
	for s := 1; s < len(values); s++ {
		if values[s] != values[s-1] {
			fmt.Fprintf(out, "H%.1fV%.1f", p.x(float64(s)), p.y(float64(values[s])))
		}
	}
	fmt.Fprintf(out, "H%.1f", p.x(p.seconds))
}

func (p *page) late(r sim.Result, colour string, several bool) {
	bin := int(math.Max(1, math.Ceil(p.seconds/900)))
	var line strings.Builder
	fmt.Fprintf(&line, "M%.1f %.1f", p.x(0), lateY(0))
	for s := 0; s < len(r.Rows); s += bin {
		var frames, late float64
		for _, row := range r.Rows[s:min(s+bin, len(r.Rows))] {
			frames += row.Frames
			late += row.Late
		}
		if frames > 0 {
			fmt.Fprintf(&line, "L%.1f %.1f", p.x(float64(s)), lateY(late/frames))
		}
	}
	fmt.Fprintf(&line, "L%.1f %.1f", p.x(p.seconds), lateY(0))
	opacity := 0.35
	if several {
		opacity = 0.2 // so that the run below shows through
	}
	p.f(`<path d="%s" fill="%s" fill-opacity="%g" stroke="%s" stroke-width="1.2"/>`, line.String(), colour, opacity, colour)
}

// tick is a round step that cuts most into at most n parts.
func tick(most float64, n float64) float64 {
	raw := most / n
	base := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5, 10} {
		if base*m >= raw {
			return math.Max(1, base*m)
		}
	}
	return base * 10
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
