package timeline

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"holograph/test/internal/plot"
)

// WriteSVG draws the timeline: the load, the overruns, the replicas with the autoscaler's decisions, and
// the share of frames in budget, below one another on one time axis. Gaps in the readings are gaps in the
// lines. A timeline without points is an error.
func (t *Timeline) WriteSVG(w io.Writer) error {
	if len(t.points) == 0 {
		return errors.New("the timeline holds no points, so there is nothing to draw")
	}
	return t.picture().Write(w)
}

func (t *Timeline) picture() plot.Picture {
	series := func(s plot.Series, of func(Point) Reading, scale float64) plot.Series {
		for _, p := range t.points {
			value, known := of(p).Value()
			if !known {
				value = math.NaN()
			}
			s.Points = append(s.Points, plot.Point{At: t.since(p.At), Value: value * scale})
		}
		return s
	}
	load := []plot.Series{
		series(plot.Series{Name: "asked for", Color: plot.Grey, Line: true, Area: true}, func(p Point) Reading { return p.OfferedFramesPerSecond }, 1),
		series(plot.Series{Name: "counted by the renderers", Color: plot.Blue, Line: true}, func(p Point) Reading { return p.FramesPerSecond }, 1),
	}
	overruns := []plot.Series{
		series(plot.Series{Color: plot.Orange, Line: true, Area: true}, func(p Point) Reading { return p.OverrunsPerSecond }, 1),
	}
	replicas := []plot.Series{
		series(plot.Series{Name: "ready", Color: plot.Sky, Area: true, Step: true}, func(p Point) Reading { return p.ReadyReplicas }, 1),
		series(plot.Series{Name: "desired by the autoscaler", Color: plot.Ink, Line: true, Step: true}, func(p Point) Reading { return p.DesiredReplicas }, 1),
	}
	share := []plot.Series{
		series(plot.Series{Color: plot.Green, Line: true}, func(p Point) Reading { return p.InBudgetShare }, 100),
	}
	pods := plot.Panel{
		Heading: "Replicas", Unit: "pods", Height: 132, Series: replicas,
		// One more than the bound, so that the marks of the decisions have room above the line.
		Ticks: plot.WholeTicks(plot.Top(max(1, float64(t.MaxReplicas)), replicas...)+1, 6),
	}
	for _, bound := range []struct {
		name     string
		replicas int
	}{{"min", t.MinReplicas}, {"max", t.MaxReplicas}} {
		if bound.replicas > 0 {
			pods.Bounds = append(pods.Bounds, plot.Bound{Value: float64(bound.replicas), Name: fmt.Sprint(bound.name, " ", bound.replicas)})
		}
	}
	for _, s := range t.ScalingEvents() {
		pods.Marks = append(pods.Marks, plot.Mark{At: t.since(s.At), Value: float64(max(s.From, s.To)), Up: s.Up(), Text: strconv.Itoa(s.To)})
	}
	picture := plot.Picture{
		Title: t.Title, About: t.describe(), Span: t.since(t.points[len(t.points)-1].At), From: "the first reading",
		Panels: []plot.Panel{
			{Heading: "Load", Unit: "frames per second", Height: 112, Ticks: plot.Ticks(plot.Top(1, load...), 4), Series: load},
			{Heading: "Overruns", Unit: "frames over budget per second", Height: 92, Ticks: plot.Ticks(plot.Top(1, overruns...), 4), Series: overruns},
			pods,
			{Heading: "In budget", Unit: "percent of frames", Height: 84, Ticks: []float64{0, 25, 50, 75, 100}, Series: share},
		},
	}
	for _, e := range t.Events {
		picture.Events = append(picture.Events, plot.Event{At: t.since(e.At), Name: e.Name})
	}
	return picture
}

// since is a time on the picture's axis, which begins with the first point.
func (t *Timeline) since(at time.Time) time.Duration { return at.Sub(t.points[0].At) }

// describe says in words what the picture shows.
func (t *Timeline) describe() string {
	ups, downs := 0, 0
	for _, s := range t.ScalingEvents() {
		if s.Up() {
			ups++
		} else {
			downs++
		}
	}
	span := t.points[len(t.points)-1].At.Sub(t.points[0].At)
	text := fmt.Sprintf("Scale-ups: %d, scale-downs: %d in %s (minutes:seconds)", ups, downs, plot.Clock(span))
	add := func(format string, peak Reading, scale float64) {
		if peak.known {
			text += fmt.Sprintf(format, plot.Number(math.Round(peak.value*scale*10)/10))
		}
	}
	add(", at most %s replicas ready", t.PeakReadyReplicas(), 1)
	add(", at most %s frames per second asked for", t.peak(func(p Point) Reading { return p.OfferedFramesPerSecond }), 1)
	add(", at most %s overruns per second", t.peak(func(p Point) Reading { return p.OverrunsPerSecond }), 1)
	return text + "."
}
