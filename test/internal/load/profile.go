package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Stage changes the rate of the load in a straight line, from the rate before it to FramesPerSecond. A stage without a
// duration is a step.
type Stage struct {
	FramesPerSecond float64       // at the end of the stage, to a thousandth
	Duration        time.Duration // to a millisecond
}

// Steady returns the stages of a load that begins at once and stays the same.
func Steady(framesPerSecond float64, duration time.Duration) []Stage {
	return []Stage{{FramesPerSecond: framesPerSecond}, {FramesPerSecond: framesPerSecond, Duration: duration}}
}

// MarshalJSON writes the stage as k6 names it, such as {"target":20,"duration":"30000ms"}.
func (s Stage) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Target   float64 `json:"target"`
		Duration string  `json:"duration"`
	}{s.FramesPerSecond, milliseconds(s.Duration) + "ms"})
}

// Profile describes a load, which starts at 0 frames per second and follows its stages.
type Profile struct {
	Stages []Stage
	// Budget is the longest time from a frame's due time until its answer has reached the client, after which the frame
	// counts as late_at_client. Whether a frame is in budget is decided by the renderer.
	Budget time.Duration
	// Slice is the length of the parts of the load for which frames are also counted separately, to a millisecond; 0 is
	// no parts.
	Slice time.Duration
	// Path is the path of frames on a renderer other than the reference renderer. Such a renderer does not say whether a
	// frame is in budget, so the client's clock decides. Empty is the path of the reference renderer.
	Path string
	// URL is the renderer, such as "http://stream:9000". Empty is the release's own.
	URL string
	// Mark is the time after the start from which the summary looks for the first frame that is not in budget.
	Mark time.Duration
}

// Spike is a load that steps from Base up to Peak and back. Rates are in frames per second.
type Spike struct {
	Base, Peak            float64
	Before, During, After time.Duration
}

// Stages returns the stages of the spike.
func (s Spike) Stages() []Stage {
	return slices.Concat(Steady(s.Base, s.Before), Steady(s.Peak, s.During), Steady(s.Base, s.After))
}

// Validate returns an error that says what is wrong with the profile, or nil.
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

// Duration returns the duration of all stages together.
func (p Profile) Duration() time.Duration {
	var total time.Duration
	for _, s := range p.Stages {
		total += s.Duration
	}
	return total
}

// FramesPerSecondAt returns the rate at the time t after the start. At a step it is the rate after the step. Before the start
// and from the end on it is 0.
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

// Frames returns the number of frames in all: the area below the line of the rate. k6 sends the whole frames of it.
func (p Profile) Frames() float64 { return p.FramesBy(p.Duration()) }

// FramesBy returns the number of frames until the time t after the start.
func (p Profile) FramesBy(t time.Duration) float64 {
	from, frames := 0.0, 0.0
	for _, s := range p.Stages {
		if s.Duration > 0 && t > 0 {
			elapsed := min(t, s.Duration)
			to := from + (s.FramesPerSecond-from)*float64(elapsed)/float64(s.Duration)
			frames += (from + to) / 2 * elapsed.Seconds()
		}
		from, t = s.FramesPerSecond, t-s.Duration
	}
	return frames
}

// Peak returns the highest rate, in frames per second.
func (p Profile) Peak() float64 {
	peak := 0.0
	for _, s := range p.Stages {
		peak = max(peak, s.FramesPerSecond)
	}
	return peak
}

// Timeout returns the time after which a frame without an answer counts as failed. It is two budgets, and at least two
// seconds, because a connection to a pod that was just removed may take that long.
func (p Profile) Timeout() time.Duration {
	return max(2*time.Second, 2*p.Budget)
}

// VUs returns the number of virtual users that k6 needs: the highest number of frames without an answer at one time. By
// Little's law that is the peak rate times the timeout. A quarter more keeps k6 from dropping frames while it is short of
// CPU.
func (p Profile) VUs() int {
	return int(math.Ceil(1.25*p.Peak()*p.Timeout().Seconds())) + 1
}
