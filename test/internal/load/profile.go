package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// Stage leads the load in a straight line from the rate before it to FramesPerSecond. A stage of no
// duration is a step.
type Stage struct {
	FramesPerSecond float64       // at the end of the stage, to a thousandth
	Duration        time.Duration // to a millisecond
}

// MarshalJSON writes the stage as k6 names it, such as {"target":20,"duration":"30000ms"}.
func (s Stage) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Target   float64 `json:"target"`
		Duration string  `json:"duration"`
	}{s.FramesPerSecond, milliseconds(s.Duration) + "ms"})
}

// Profile is the course of a load from no frames per second through its stages.
type Profile struct {
	Stages []Stage
	// Budget is the time from a frame's scheduled time until its answer has reached the client. It is
	// what late_at_client is counted by; whether a frame was in budget is for the renderer to say.
	Budget time.Duration
	// Slice is the length of the parts of the load by which frames are counted too, to a millisecond; 0
	// counts them in all only.
	Slice time.Duration
	// Path is where frames are asked for, on a renderer other than the reference renderer: whether such a frame was in
	// budget is told by the client's clock, as nothing else tells it. Empty is the reference renderer's own path.
	Path string
	// URL is the renderer, such as "http://stream:9000". Empty is the release's own.
	URL string
	// Mark is the time from which the first frame out of budget is looked for.
	Mark time.Duration
}

// Spike is a load that steps from Base up to Peak and back. Rates are in frames per second.
type Spike struct {
	Base, Peak            float64
	Before, During, After time.Duration
}

// Stages returns the stages of the spike.
func (s Spike) Stages() []Stage {
	return []Stage{
		{s.Base, 0}, {s.Base, s.Before},
		{s.Peak, 0}, {s.Peak, s.During},
		{s.Base, 0}, {s.Base, s.After},
	}
}

// Validate says in one sentence what is wrong with the profile, and nil if nothing is.
func (p Profile) Validate() error {
	for i, s := range p.Stages {
		if !(s.FramesPerSecond >= 0) || math.IsInf(s.FramesPerSecond, 1) {
			return fmt.Errorf("stage %d of the load has the rate %v; write frames per second from 0 up", i+1, s.FramesPerSecond)
		}
		if s.Duration < 0 || s.Duration%time.Millisecond != 0 {
			return fmt.Errorf("stage %d of the load has the duration %v; write whole milliseconds from 0 up", i+1, s.Duration)
		}
	}
	if p.Frames() < 1 {
		return errors.New("the load offers no frame; write stages such as {FramesPerSecond: 20, Duration: 30s}")
	}
	if p.Budget <= 0 {
		return fmt.Errorf("the load has the budget %v; write the renderer's frame budget such as 33ms", p.Budget)
	}
	if p.Path != "" && p.Path[0] != '/' {
		return fmt.Errorf("the load has the path %q; write one such as /view", p.Path)
	}
	for name, d := range map[string]time.Duration{"slice": p.Slice, "mark": p.Mark} {
		if d < 0 || d%time.Millisecond != 0 {
			return fmt.Errorf("the load has the %s %v; write whole milliseconds from 0 up", name, d)
		}
	}
	return nil
}

// Duration is that of all stages together.
func (p Profile) Duration() time.Duration {
	var total time.Duration
	for _, s := range p.Stages {
		total += s.Duration
	}
	return total
}

// FramesPerSecondAt is the rate offered at the time t after the start. At a step it is the rate after the
// step; before the start and from the end on it is 0.
func (p Profile) FramesPerSecondAt(t time.Duration) float64 {
	from, start := 0.0, time.Duration(0)
	if t < 0 {
		return 0
	}
	for _, s := range p.Stages {
		if t < start+s.Duration {
			return from + (s.FramesPerSecond-from)*float64(t-start)/float64(s.Duration)
		}
		from, start = s.FramesPerSecond, start+s.Duration
	}
	return 0
}

// Frames is the number of frames offered in all: the area below the line through the stages. k6 starts as
// many whole frames.
func (p Profile) Frames() float64 { return p.FramesBy(p.Duration()) }

// FramesBy is the number of frames offered until the time t after the start.
func (p Profile) FramesBy(t time.Duration) float64 {
	from, frames := 0.0, 0.0
	for _, s := range p.Stages {
		if s.Duration > 0 && t > 0 {
			told := min(t, s.Duration)
			to := from + (s.FramesPerSecond-from)*float64(told)/float64(s.Duration)
			frames += (from + to) / 2 * told.Seconds()
		}
		from, t = s.FramesPerSecond, t-s.Duration
	}
	return frames
}

// Peak is the greatest rate offered, in frames per second.
func (p Profile) Peak() float64 {
	peak := 0.0
	for _, s := range p.Stages {
		peak = max(peak, s.FramesPerSecond)
	}
	return peak
}

// Timeout is the time after which a frame without an answer counts as failed: two budgets, and at least
// two seconds, which a connection to a pod that has just gone may take.
func (p Profile) Timeout() time.Duration {
	return max(2*time.Second, 2*p.Budget)
}

// VUs is the greatest number of frames under way at once. By Little's law it is the peak rate times the
// longest time that a frame may take; a quarter more keeps frames from being dropped while k6 is short of CPU.
func (p Profile) VUs() int {
	return int(math.Ceil(1.25*p.Peak()*p.Timeout().Seconds())) + 1
}
