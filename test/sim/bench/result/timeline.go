package result

import (
	"strconv"
	"time"

	"holograph/test/internal/load"
	"holograph/test/sim/fleet"
)

// Profile is the load that k6 was given.
func (r Run) Profile() load.Profile {
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	base, peak := r.Spike.Base*r.Pod.FramesPerSecond, r.Spike.Peak*r.Pod.FramesPerSecond
	return load.Profile{
		Stages: []load.Stage{
			{FramesPerSecond: base}, {FramesPerSecond: base, Duration: seconds(r.Spike.Before)},
			{FramesPerSecond: peak, Duration: seconds(r.Spike.Rise)}, {FramesPerSecond: peak, Duration: seconds(r.Spike.During)},
			{FramesPerSecond: base, Duration: seconds(r.Spike.Fade)}, {FramesPerSecond: base, Duration: seconds(r.Spike.After)},
		},
		Budget: seconds(r.Pod.Budget),
		Slice:  time.Second,
		Mark:   seconds(r.Spike.Before),
	}
}

// Timeline returns the fleet second by second. Pods and replicas are those at a second's end. Load and capacity have
// the four digits that a timeline's file keeps, so that its figures are those of the file too.
func (r Run) Timeline(f Fleet) []fleet.Row {
	rows := make([]fleet.Row, len(f.Sent))
	profile := r.Profile()
	for i, offered := range f.offered(profile) {
		at := float64(i + 1)
		// Not the frames that fell due in it, one more or fewer than that: the oracle would follow them.
		rate := profile.FramesPerSecondAt(time.Duration(i)*time.Second + time.Second/2)
		all, ready := f.PodsAt(at)
		rows[i] = fleet.Row{
			Load: digits(rate / r.Pod.FramesPerSecond), Capacity: digits(r.Pod.Capacity()),
			Spec: f.ReplicasAt(at), Ready: ready, Pods: all,
			Frames: float64(offered), Late: float64(offered - f.InBudget[i]),
		}
	}
	return rows
}

// digits rounds to four significant digits.
func digits(v float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	if err != nil {
		panic(err) // FormatFloat writes what ParseFloat reads
	}
	return rounded
}
