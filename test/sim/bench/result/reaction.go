package result

import (
	"math"
	"time"

	"holograph/test/internal/timeline"
	"holograph/test/sim/sim"
)

// tolerance is how far a metric must be above its target before an autoscaler acts: its default.
const tolerance = 0.1

// Link is one part of the way from the first frame out of budget after the step to the last one.
type Link struct {
	// Name completes "until".
	Name string
	// At is when it was done, NaN if it was not while the peak lasted.
	At float64
}

// Links names the links in order.
var Links = []string{
	"an overrun", "scraped", "served above target", "first decision", "enough pods wanted", "enough pods exist", "enough pods Ready", "overruns gone",
}

// Reaction is how a fleet answered the step.
type Reaction struct {
	// Links are in order, the first one being the first frame out of budget. Each one's share of the whole is
	// from the one before.
	Links []Link
	// PodStart is the mean time from the creation of a pod until it is Ready, over those made after the step.
	PodStart float64
	// Floor is half a scrape, half a sync and a pod's start: what a policy that needs no second thought takes
	// on average.
	Floor float64
}

// Total is the time from the first frame out of budget until overruns are gone; NaN where they stayed.
func (r Reaction) Total() float64 { return r.Links[len(r.Links)-1].At - r.Links[0].At }

// Need is the fewest pods that can do more than the peak asks for.
func (r Run) Need() int { return int(r.Spike.Peak/r.Pod.Capacity()) + 1 }

// React finds when each link of a fleet's reaction was done.
//
// Where a link's own time is coarser than the next one's (what is served is looked at once a second, the
// autoscaler may look between), it is no later than the next one's.
func (r Run) React(f Fleet) Reaction {
	need := r.Need()
	end := r.Spike.PeakEnd()
	times := make([]float64, len(Links))
	for i := range times {
		times[i] = math.NaN()
	}
	reaction := Reaction{}
	reaction.PodStart, _ = f.PodStart(r.Spike.Before)
	reaction.Floor = r.ScrapeInterval/2 + r.SyncPeriod/2 + reaction.PodStart
	if f.FirstBad != nil && *f.FirstBad < end {
		times[0] = *f.FirstBad
		times[1] = firstAfter(f.Scraped, times[0])
		times[2] = firstAfter(above(f.Served), times[1])
		times[3] = firstAfter(f.grown(), times[0])
		times[4] = firstWhere(f.changes(), times[0], func(at float64) bool { return f.ReplicasAt(at) >= need })
		times[5] = firstWhere(f.changes(), times[0], func(at float64) bool { all, _ := f.PodsAt(at); return all >= need })
		times[6] = firstWhere(f.changes(), times[0], func(at float64) bool { _, ready := f.PodsAt(at); return ready >= need })
		times[7] = r.calm(f, times[0])
	}
	for i := len(times) - 2; i >= 0; i-- {
		// NaN compares as false: a link that was not done bounds nothing.
		if times[i] > times[i+1] {
			times[i] = times[i+1]
		}
	}
	for i, name := range Links {
		if times[i] >= end {
			times[i] = math.NaN()
		}
		reaction.Links = append(reaction.Links, Link{Name: name, At: times[i]})
	}
	return reaction
}

// calm is when overruns had ceased, from the time on and while the peak lasted, for [sim.Calm] seconds; NaN if they did not.
func (r Run) calm(f Fleet, from float64) float64 {
	var start time.Time
	var line timeline.Timeline
	for i, row := range r.Timeline(f) {
		line.Add(timeline.Point{
			At:                     start.Add(time.Duration(i) * time.Second),
			OfferedFramesPerSecond: timeline.Read(row.Frames), OverrunsPerSecond: timeline.Read(row.Late),
		})
	}
	// A row stands at the start of its second, so the last of the calm ones lasts a second more.
	second := func(s float64) time.Time { return start.Add(time.Duration(math.Floor(s)) * time.Second) }
	ceased, err := line.OverrunsCeasedAt(second(from), second(r.Spike.PeakEnd()-1), sim.LateShare, (sim.Calm-1)*time.Second)
	if err != nil {
		return math.NaN()
	}
	return math.Max(from, ceased.Sub(start).Seconds())
}

// grown are the times at which more replicas were wanted than before.
func (f Fleet) grown() []float64 {
	var times []float64
	for i, c := range f.Replicas {
		if i > 0 && c.Replicas > f.Replicas[i-1].Replicas {
			times = append(times, c.At)
		}
	}
	return times
}

// changes are all times at which something about the pods changed.
func (f Fleet) changes() []float64 {
	var times []float64
	for _, c := range f.Replicas {
		times = append(times, c.At)
	}
	for _, p := range f.Pods {
		times = append(times, p.Created)
		for _, at := range []*float64{p.Ready, p.Leaving, p.Gone} {
			if at != nil {
				times = append(times, *at)
			}
		}
	}
	return sorted(times)
}

// above are the times of readings on which an autoscaler grows.
func above(readings []Reading) []float64 {
	var times []float64
	for _, r := range readings {
		if r.Ratio > 1+tolerance {
			times = append(times, r.At)
		}
	}
	return times
}

func firstAfter(times []float64, from float64) float64 {
	return firstWhere(times, from, func(float64) bool { return true })
}

func firstWhere(times []float64, from float64, holds func(at float64) bool) float64 {
	for _, at := range sorted(times) {
		if at >= from && holds(at) {
			return at
		}
	}
	return math.NaN()
}
