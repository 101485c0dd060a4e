package result

import (
	"fmt"
	"math"

	"holograph/test/sim/report"
)

// The names of the policies that are compared.
const (
	// LateFramesOnly is one metric, overruns, and no behavior block.
	LateFramesOnly = "late-frames-only"
	// CPU is CPU utilization 70 %.
	CPU = "cpu"
	// KEDA is KEDA at its own defaults, on the same metric as LateFramesOnly.
	KEDA = "keda"
	// Default is the chart's default.
	Default = "default"
)

// Result is a run with its figures, by policy.
type Result struct {
	Run      Run                       `json:"-"`
	Measured map[string]report.Figures `json:"measured"`
	// Simulated is what the model says as it stands.
	Simulated map[string]report.Figures `json:"simulated"`
	// Spread is simulated with the measured spread of the load over the pods, in place of the model's own.
	Spread map[string]report.Figures `json:"spread"`
}

// Goal is something that the run should show.
type Goal struct {
	// What is compared, in words.
	What string
	// Got is what the run gave, Limit the most that meets the goal, both in Unit. Got is NaN where there is none.
	Got, Limit float64
	Unit       string
}

// Met says whether the goal was met.
func (g Goal) Met() bool { return g.Got <= g.Limit }

// String is the goal with its figures in one line.
func (g Goal) String() string {
	verdict := "missed"
	if g.Met() {
		verdict = "met"
	}
	got := "none"
	if !math.IsNaN(g.Got) {
		got = fmt.Sprintf("%.4g", g.Got)
	}
	return fmt.Sprintf("%s: %s, at most %.4g %s: %s", g.What, got, g.Limit, g.Unit, verdict)
}

// saturation is the share of the machine's CPU time from which on frames want for the machine, not for pods.
const saturation = 0.85

// reactionLimit is how many times the floor a reaction may take.
const reactionLimit = 1.5

// Goals are those that a run on a cluster is held to.
func (r Result) Goals() []Goal {
	lateOnly, cpu, shipped := r.Measured[LateFramesOnly], r.Measured[CPU], r.Measured[Default]
	reaction := r.Reaction(Default)
	fewer := cpu.BadFrames - 1
	return []Goal{
		{"bad frames, against a quarter of those of late frames only", shipped.BadFrames, lateOnly.BadFrames / 4, "frames"},
		{"reversals, against a quarter of those of late frames only", shipped.Reversals, lateOnly.Reversals / 4, "reversals"},
		{"pod-seconds, against those of late frames only", shipped.PodSeconds, lateOnly.PodSeconds, "pod-seconds"},
		{"bad frames, against fewer than with CPU utilization", shipped.BadFrames, fewer, "frames"},
		{"pod-seconds, against those of CPU utilization", shipped.PodSeconds, cpu.PodSeconds, "pod-seconds"},
		{"reaction time, against 1.5 times the floor", reaction.Total(), reactionLimit * reaction.Floor, "seconds"},
	}
}

// Reaction is how a policy's fleet answered the step.
func (r Result) Reaction(policy string) Reaction {
	for _, fleet := range r.Run.Fleets {
		if fleet.Name == policy {
			return r.Run.React(fleet)
		}
	}
	return Reaction{}
}

// The most by which a prediction may differ from the run that it predicts, stated before the run was made.
const (
	podSecondsTolerance = 0.10 // of those measured
	badTolerance        = 0.01 // of all frames
	reversalsTolerance  = 1.0
)

// Prediction compares what was simulated with what was measured.
type Prediction struct {
	Policy              string
	Measured, Simulated report.Figures
}

// Off names the figures that differ by more than the tolerance.
func (p Prediction) Off() []string {
	var off []string
	if math.Abs(p.Simulated.PodSeconds-p.Measured.PodSeconds) > podSecondsTolerance*p.Measured.PodSeconds {
		off = append(off, "pod-seconds")
	}
	if math.Abs(p.Simulated.Bad()-p.Measured.Bad()) > badTolerance {
		off = append(off, "bad frames")
	}
	if math.Abs(p.Simulated.Reversals-p.Measured.Reversals) > reversalsTolerance {
		off = append(off, "reversals")
	}
	return off
}
