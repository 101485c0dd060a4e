package result

import (
	"fmt"
	"math"

	"holograph/test/internal/spread"
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
	// DefaultKEDA is the chart's default with KEDA in place of the adapter: values-examples/keda.yaml.
	DefaultKEDA = "default-keda"
	// Default is the chart's default.
	Default = "default"
)

// rivals are the policies that the chart's default is compared with.
var rivals = []string{LateFramesOnly, CPU, KEDA}

// Result is a run with its figures, by policy.
type Result struct {
	Run      Run                       `json:"-"`
	Number   int                       `json:"run"`
	Shape    string                    `json:"shape"`
	Measured map[string]report.Figures `json:"measured"`
	// Simulated is what the model says of the load that was recorded.
	Simulated map[string]report.Figures `json:"simulated"`
}

// Goal is something that the runs should show.
type Goal struct {
	// What is compared, in words.
	What string
	// Runs are those that it was judged on, in words.
	Runs string
	// Got is what the runs gave, Limit the most that meets the goal, both in Unit. Got is NaN where there is none.
	Got, Limit float64
	Unit       string
}

// Met says whether the goal was met.
func (g Goal) Met() bool { return g.Got <= g.Limit }

// String is the goal with its figures in one line.
func (g Goal) String() string {
	switch {
	case g.Runs == "":
		return g.What + ": not judged, as no run on record shows it"
	case math.IsNaN(g.Got):
		return fmt.Sprintf("%s: none, at most %.4g %s: missed (%s)", g.What, g.Limit, g.Unit, g.Runs)
	}
	verdict := "missed"
	if g.Met() {
		verdict = "met"
	}
	return fmt.Sprintf("%s: %.4g, at most %.4g %s: %s (%s)", g.What, g.Got, g.Limit, g.Unit, verdict, g.Runs)
}

// saturation is the share of the machine's CPU time from which on frames want for the machine, not for pods.
const saturation = 0.85

// reactionLimit is how many times the floor a reaction may take.
const reactionLimit = 1.5

// The limits of the goals on the step. That on bad frames was set for a peak of longPeak seconds, of which a run measures
// the first part: what is bad are the first half minutes, however long the peak lasts after them.
const (
	badPercent  = 0.7
	longPeak    = 33 * 60
	oracleLimit = 1.45
)

// Goals are those that the runs on record are held to. Each is judged on the mean of the runs of one shape, except
// reversals, of which no run may have one.
func (r Record) Goals() []Goal {
	step, crowd := r.Of(Step), r.Of(FlashCrowd)
	return append(append([]Goal{
		step.longGoal(Default, "the default"),
		step.longGoal(DefaultKEDA, "the default with KEDA"),
		step.goal(Default, "", "step: reversals of the default in any run", reversals, most, 0, 1, "reversals"),
		step.goal(Default, "", "step: pods of the default", timesOracle, mean, oracleLimit, 1, "× oracle"),
		step.goal(Default, LateFramesOnly, "step: bad frames, against a quarter of those of late frames only", percentBad, mean, 0, 0.25, "%"),
		step.goal(Default, CPU, "step: bad frames, against those of CPU utilization", percentBad, mean, 0, 1, "%"),
		step.goal(Default, LateFramesOnly, "step: pod-seconds, against those of late frames only", podSeconds, mean, 0, 1, "pod-seconds"),
		step.reactionGoal(),
	}, crowd.halves()...),
		crowd.goal(Default, "", "flash crowd: reversals of the default in any run", reversals, most, 0, 1, "reversals"))
}

// halves are the goals on the flash crowd: half of the bad frames of each rival.
func (r Record) halves() []Goal {
	var goals []Goal
	for _, rival := range rivals {
		goals = append(goals, r.goal(Default, rival, "flash crowd: bad frames, against half of those of "+plain[rival], percentBad, mean, 0, 0.5, "%"))
	}
	return goals
}

func percentBad(f report.Figures) float64  { return 100 * f.Bad() }
func reversals(f report.Figures) float64   { return f.Reversals }
func podSeconds(f report.Figures) float64  { return f.PodSeconds }
func timesOracle(f report.Figures) float64 { return f.PodSeconds / f.OraclePodSeconds }
func mean(v spread.Value) float64          { return v.Mean }
func most(v spread.Value) float64          { return v.Most }

// goal judges a policy's figure against a limit, or against a share of a rival's.
func (r Record) goal(policy, rival, what string, figure func(report.Figures) float64, of func(spread.Value) float64, limit, share float64, unit string) Goal {
	g := Goal{What: what, Limit: limit, Unit: unit, Got: of(spread.Over(r.Figures(policy), figure))}
	if rival != "" {
		g.Limit = share * of(spread.Over(r.Figures(rival), figure))
	}
	if len(r.Figures(policy)) > 0 && !math.IsNaN(g.Limit) {
		g.Runs = r.words()
	}
	return g
}

// longGoal is about a policy's bad frames as a share of those of a peak of longPeak.
func (r Record) longGoal(policy, name string) Goal {
	g := Goal{What: "step: bad frames of " + name + ", as a share of a step with a peak of 33 minutes", Limit: badPercent, Unit: "%"}
	g.Got = spread.Over(r, func(one Result) float64 {
		f, found := one.Measured[policy]
		if !found {
			return math.NaN()
		}
		rest := (longPeak - one.Run.Spike.During) * one.Run.Spike.Peak * one.Run.Pod.FramesPerSecond
		return 100 * f.BadFrames / (f.Frames + max(0, rest))
	}).Mean
	if len(r.Figures(policy)) > 0 {
		g.Runs = r.words()
	}
	return g
}

// reactionGoal is about how long the default's reaction to the step took.
func (r Record) reactionGoal() Goal {
	g := Goal{What: "step: reaction time of the default, as a multiple of the floor", Limit: reactionLimit, Unit: "× floor"}
	if len(r.Figures(Default)) > 0 {
		g.Runs = r.words()
	}
	g.Got = spread.Over(r, func(one Result) float64 {
		reaction := one.Reaction(Default)
		return reaction.Total() / reaction.Floor
	}).Mean
	for _, one := range r {
		if reaction := one.Reaction(Default); math.IsNaN(reaction.Total()) {
			g.Got = math.NaN() // in this run it did not end
		}
	}
	return g
}

// words names the runs.
func (r Record) words() string {
	if len(r) == 1 {
		return fmt.Sprintf("run %d", r[0].Number)
	}
	text := "runs "
	for i, one := range r {
		switch {
		case i == len(r)-1:
			text += " and "
		case i > 0:
			text += ", "
		}
		text += fmt.Sprint(one.Number)
	}
	return text
}

// Reaction is how a policy's fleet answered the step.
func (r Result) Reaction(policy string) Reaction {
	for _, fleet := range r.Run.Fleets {
		if fleet.Name == policy {
			return r.Run.React(fleet)
		}
	}
	nothing := Reaction{}
	for _, name := range Links {
		nothing.Links = append(nothing.Links, Link{Name: name, At: math.NaN()})
	}
	return nothing
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
