package report

import (
	"io"
	"math"
	"time"

	"holograph/test/internal/plot"
	"holograph/test/sim/sim"
)

// Line is one run in a picture.
type Line struct {
	// Name stands in the legend; Note follows it.
	Name, Note string
	Result     sim.Result
}

var colors = []plot.Color{plot.Blue, plot.Orange, plot.Green, plot.Purple}

// maxPoints is how many points of a series are drawn, one for a pixel of the picture.
const maxPoints = 900

// Picture draws load, replicas and late frames over time, all runs over one another. Runs share one
// trace.
func Picture(w io.Writer, title string, lines []Line) error {
	first := lines[0].Result
	picture := plot.Picture{Title: title, Span: second(len(first.Rows)), From: "the start of the load"}
	load := plot.Series{Name: "load", Color: plot.Grey, Area: true}
	for s := 0; s < len(first.Rows); s += bin(len(first.Rows)) {
		load.Points = append(load.Points, plot.Point{At: second(s), Value: first.Rows[s].Load / first.Rows[s].Capacity})
	}
	pods := []plot.Series{load, {Name: "oracle", Color: plot.Ink, Dashed: true, Step: true, Points: steps(len(first.Rows), func(s int) int { return first.Oracle.Pods[s] })}}
	var bad []plot.Series
	for i, l := range lines {
		rows, color := l.Result.Rows, colors[i%len(colors)]
		picture.Keys = append(picture.Keys, plot.Key{Color: color, Name: l.Name, Note: l.Note})
		picture.About += l.Name + ": " + l.Note + ". "
		pods = append(pods, plot.Series{Color: color, Line: true, Step: true, Points: steps(len(rows), func(s int) int { return rows[s].Spec })})
		bad = append(bad, plot.Series{Color: color, Line: true, Area: true, Points: late(l.Result)})
	}
	picture.Panels = []plot.Panel{
		{Heading: "Replicas", Unit: "pods", Height: 216, Ticks: plot.WholeTicks(plot.Top(1, pods...), 6), Series: pods},
		{Heading: "Late or refused", Unit: "percent of frames", Height: 94, Ticks: []float64{0, 25, 50, 75, 100}, Series: bad},
	}
	return picture.Write(w)
}

func second(s int) time.Duration { return time.Duration(s) * time.Second }

// bin is how many seconds one point stands for.
func bin(seconds int) int { return max(1, seconds/maxPoints) }

// steps are the points at which a number of pods changes.
func steps(seconds int, pods func(second int) int) []plot.Point {
	var points []plot.Point
	for s := range seconds {
		if s == 0 || pods(s) != pods(s-1) {
			points = append(points, plot.Point{At: second(s), Value: float64(pods(s))})
		}
	}
	return append(points, plot.Point{At: second(seconds), Value: float64(pods(seconds - 1))})
}

// late is the share of late frames in percent, with a gap where there were no frames.
func late(r sim.Result) []plot.Point {
	var points []plot.Point
	size := bin(len(r.Rows))
	for s := 0; s < len(r.Rows); s += size {
		var frames, late float64
		for _, row := range r.Rows[s:min(s+size, len(r.Rows))] {
			frames += row.Frames
			late += row.Late
		}
		share := math.NaN()
		if frames > 0 {
			share = 100 * late / frames
		}
		points = append(points, plot.Point{At: second(s), Value: share})
	}
	return points
}
