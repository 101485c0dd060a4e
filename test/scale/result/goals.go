package result

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"holograph/test/internal/spread"
)

// The modes, as the record has them.
const (
	Pods       = "pods"
	Object     = "object"
	KEDA       = "keda"
	CachedKEDA = "keda-cached"
)

// The goals' bounds, and the sizes at which they are judged.
const (
	largeFleet      = 5000
	manyAutoscalers = 500
	// cheaper is how many times less CPU a call for a total must cost than one for a value of each pod.
	cheaper = 20
	// fast is the most that the median of a call for a total may take, in milliseconds.
	fast = 20
	// syncPeriod is the time that Kubernetes' autoscaler waits after each decision, in seconds, and inTime what a whole period
	// may last: a tenth more.
	syncPeriod = 15
	inTime     = 1.1 * syncPeriod
)

// Goal is something that the runs should show.
type Goal struct {
	// What is judged, in words, and Unit the unit of its figures.
	What, Unit string
	// Got are the runs' figures, Bound what their mean is held to: AtLeast says from which side.
	Got     spread.Value
	Bound   float64
	AtLeast bool
	// Runs is how many runs have the figure.
	Runs int
}

// Met reports whether the mean of the runs meets the bound.
func (g Goal) Met() bool {
	if g.AtLeast {
		return g.Got.Mean >= g.Bound
	}
	return g.Got.Mean <= g.Bound
}

// bound is the bound in words.
func (g Goal) bound() string {
	side := "at most"
	if g.AtLeast {
		side = "at least"
	}
	return fmt.Sprintf("%s %.4g%s", side, g.Bound, g.Unit)
}

// verdict is what the runs show, in a word.
func (g Goal) verdict() string {
	switch {
	case g.Runs == 0:
		return "not judged, as no run on record shows it"
	case g.Met():
		return "met"
	default:
		return "missed"
	}
}

// String is the goal with its figures in one line.
func (g Goal) String() string {
	if g.Runs == 0 {
		return g.What + ": " + g.verdict()
	}
	return fmt.Sprintf("%s: %s, %s: %s (%s)", g.What, g.Got.Text("%.3g", g.Unit), g.bound(), g.verdict(), runs(g.Runs))
}

// runs is a number of runs in words.
func runs(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", n)
}

// goal judges a figure of each run.
func (r Record) goal(what, unit string, bound float64, atLeast bool, figure func(Run) float64) Goal {
	g := Goal{What: what, Unit: unit, Bound: bound, AtLeast: atLeast, Got: spread.Over(r, figure)}
	for _, run := range r {
		if !math.IsNaN(figure(run)) {
			g.Runs++
		}
	}
	return g
}

// Goals are those that the runs on record are held to.
func (r Record) Goals() []Goal {
	goals := []Goal{
		r.goal("CPU of a call at 5,000 pods, adapter and API server: Pods as a multiple of Object", " times", cheaper, true, func(run Run) float64 {
			pods, object := run.cell(Pods, largeFleet), run.cell(Object, largeFleet)
			if pods == nil || object == nil {
				return math.NaN()
			}
			return pods.Path() / object.Path()
		}),
		r.goal("median time of a call at 5,000 pods, Object", " ms", fast, false, func(run Run) float64 {
			if cell := run.cell(Object, largeFleet); cell != nil {
				return cell.P50
			}
			return math.NaN()
		}),
	}
	for _, mode := range []string{Pods, Object, KEDA} {
		goals = append(goals, r.goal("time between two decisions of each of 500 autoscalers of ten pods, "+names[mode], " s", inTime, false, func(run Run) float64 {
			if many := run.many(mode, manyAutoscalers, run.ControllerRate); many != nil {
				return many.Period
			}
			return math.NaN()
		}))
	}
	return goals
}

// cell returns that of a mode and a size, or nil.
func (r Run) cell(mode string, pods int) *Cell {
	at := slices.IndexFunc(r.Cells, func(c Cell) bool { return c.Mode == mode && c.Pods == pods })
	if at < 0 {
		return nil
	}
	return &r.Cells[at]
}

// many returns the measurement of a mode with so many autoscalers and that limit of the controller manager, or nil.
func (r Run) many(mode string, autoscalers, rate int) *Many {
	at := slices.IndexFunc(r.Many, func(m Many) bool {
		return m.Mode == mode && m.Autoscalers == autoscalers && m.ControllerRate == rate
	})
	if at < 0 {
		return nil
	}
	return &r.Many[at]
}

// String is the growth in one line.
func (g Growth) String() string {
	var parts []string
	for _, reached := range g.Reached {
		parts = append(parts, fmt.Sprintf("%d Ready after %.0f s", reached.Pods, reached.Seconds))
	}
	return strings.Join(parts, ", ")
}
