// Package timeline holds what was read from a cluster while a load was on: the load, the overruns, the
// replicas and the share of frames in budget over time. It answers a scaling story's questions, and is
// kept as CSV and as a picture. A reading that failed is a gap everywhere, never a zero.
package timeline

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Reading is one value that may be missing. Its zero value is missing.
type Reading struct {
	value float64
	known bool
}

// Read is the reading of the value v. NaN and the infinities, by which Prometheus says that there is
// nothing to tell, are missing.
func Read(v float64) Reading {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Reading{}
	}
	return Reading{value: v, known: true}
}

// Value returns the value, and whether it is known.
func (r Reading) Value() (v float64, known bool) { return r.value, r.known }

// String is the value as short as it reads back, and "" if it is missing.
func (r Reading) String() string {
	if !r.known {
		return ""
	}
	return strconv.FormatFloat(r.value, 'g', -1, 64)
}

// Point is what was read at one time.
type Point struct {
	At                     time.Time
	OfferedFramesPerSecond Reading // that the load asks for
	FramesPerSecond        Reading // that the renderers counted, rendered or refused
	OverrunsPerSecond      Reading // frames over budget
	DesiredReplicas        Reading // of the HorizontalPodAutoscaler
	ReadyReplicas          Reading // of the Deployment
	InBudgetShare          Reading // of the frames since the last point, from 0 to 1
}

// Event is a moment worth a mark in the picture, such as "load on".
type Event struct {
	At   time.Time
	Name string
}

// Timeline is a sequence of points. It is not safe for concurrent use.
type Timeline struct {
	Title                    string
	MinReplicas, MaxReplicas int     // the autoscaler's bounds; 0 is not drawn
	Events                   []Event // in any order
	points                   []Point // by time
}

// Add puts the point in its place by time.
func (t *Timeline) Add(p Point) {
	i, _ := slices.BinarySearchFunc(t.points, p, func(a, b Point) int {
		if a.At.After(b.At) {
			return 1
		}
		return -1 // behind points of the same time
	})
	t.points = slices.Insert(t.points, i, p)
}

// Points returns the points by time.
func (t *Timeline) Points() []Point { return slices.Clone(t.points) }

// ScalingEvent is one scaling event: a change of the desired replicas.
type ScalingEvent struct {
	At       time.Time // of the first reading of To
	From, To int
}

// Up says whether the scaling event added replicas.
func (s ScalingEvent) Up() bool { return s.To > s.From }

// String is such as "2→4".
func (s ScalingEvent) String() string { return fmt.Sprintf("%d→%d", s.From, s.To) }

// ScalingEvents returns the changes of the desired replicas by time. Across a gap the last known reading
// counts, so several scaling events within it are seen as one.
func (t *Timeline) ScalingEvents() []ScalingEvent {
	var events []ScalingEvent
	last, known := 0, false
	for _, p := range t.points {
		if !p.DesiredReplicas.known {
			continue
		}
		now := int(math.Round(p.DesiredReplicas.value))
		if known && now != last {
			events = append(events, ScalingEvent{At: p.At, From: last, To: now})
		}
		last, known = now, true
	}
	return events
}

// PeakReadyReplicas is the greatest reading of the ready replicas, missing if there is none.
func (t *Timeline) PeakReadyReplicas() Reading {
	return t.peak(func(p Point) Reading { return p.ReadyReplicas })
}

func (t *Timeline) peak(of func(Point) Reading) Reading {
	var peak Reading
	for _, p := range t.points {
		if r := of(p); r.known && (!peak.known || r.value > peak.value) {
			peak = r
		}
	}
	return peak
}

// ReadyReplicasAt is the last reading of the ready replicas at or before the time at. It is missing if
// that reading is further back than [Timeline.LongestGap].
func (t *Timeline) ReadyReplicasAt(at time.Time) Reading {
	for _, p := range slices.Backward(t.points) {
		if !p.At.After(at) && p.ReadyReplicas.known {
			if at.Sub(p.At) > t.LongestGap() {
				return Reading{}
			}
			return p.ReadyReplicas
		}
	}
	return Reading{}
}

// LongestGap is the time between two readings up to which they answer for what lies between them: three
// times the usual (median) distance of the points, which two failed readings in a row do not exceed.
func (t *Timeline) LongestGap() time.Duration {
	if len(t.points) < 2 {
		return 0
	}
	distances := make([]time.Duration, len(t.points)-1)
	for i := range distances {
		distances[i] = t.points[i+1].At.Sub(t.points[i].At)
	}
	slices.Sort(distances)
	return 3 * distances[len(distances)/2]
}

// OverrunsCeasedAt is the time of the first reading between from and to after which at most the share
// limit (0 to 1) of the frames asked for were overruns for as long as quiet. Such is the overruns' end only if
// overruns were read before, and if no gap in the quiet is longer than [Timeline.LongestGap]. The error says
// what was read instead.
func (t *Timeline) OverrunsCeasedAt(from, to time.Time, limit float64, quiet time.Duration) (time.Time, error) {
	var overrun, ceased, last time.Time
	var gap time.Duration
	for _, p := range t.points {
		if p.At.Before(from) || p.At.After(to) || !p.OverrunsPerSecond.known || !p.OfferedFramesPerSecond.known {
			continue
		}
		switch {
		case p.OverrunsPerSecond.value > limit*p.OfferedFramesPerSecond.value:
			overrun, ceased, gap = p.At, time.Time{}, 0
		case ceased.IsZero():
			ceased = p.At
			if !overrun.IsZero() {
				gap = p.At.Sub(overrun)
			}
		default:
			gap = max(gap, p.At.Sub(last))
		}
		last = p.At
		if !overrun.IsZero() && !ceased.IsZero() && p.At.Sub(ceased) >= quiet && gap <= t.LongestGap() {
			return ceased, nil
		}
	}
	if !ceased.IsZero() {
		gap = max(gap, to.Sub(last))
	}

	since := func(at time.Time) time.Duration { return at.Sub(from).Round(time.Millisecond) }
	window := to.Sub(from).Round(time.Millisecond)
	switch {
	case last.IsZero():
		return time.Time{}, fmt.Errorf("the overruns are not known in all of the %v", window)
	case overrun.IsZero():
		return time.Time{}, fmt.Errorf("overruns were never more than %v of the frames in the %v, so none could cease", limit, window)
	case gap > t.LongestGap():
		return time.Time{}, fmt.Errorf("the overruns seem to have ceased after %v of %v, but then they are not known for %v", since(ceased), window, gap.Round(time.Millisecond))
	}
	return time.Time{}, fmt.Errorf("overruns were still more than %v of the frames after %v of %v; wanted are %v without", limit, since(overrun), window, quiet)
}

// InBudgetShareBetween is the share of the frames between from and to that were in budget, from 0 to 1:
// the mean of the readings weighted by the frames of each. Points without a share or without a number of
// frames are left out. It is missing if no frame is known of.
func (t *Timeline) InBudgetShareBetween(from, to time.Time) Reading {
	var frames, inBudget float64
	for i, p := range t.points {
		// A point tells of the time since the point before it.
		if i == 0 || p.At.Before(from) || p.At.After(to) || !p.InBudgetShare.known || !p.FramesPerSecond.known {
			continue
		}
		told := min(p.At.Sub(t.points[i-1].At), p.At.Sub(from), t.LongestGap())
		weight := p.FramesPerSecond.value * told.Seconds()
		frames += weight
		inBudget += weight * p.InBudgetShare.value
	}
	if frames == 0 {
		return Reading{}
	}
	return Read(inBudget / frames)
}
