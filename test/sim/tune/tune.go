// Package tune searches a chart's values for a policy that fits a set of traces.
package tune

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"sigs.k8s.io/yaml"

	"holograph/test/sim/manifest"
	"holograph/test/sim/report"
)

// Goal is what the search is for. Exactly one of its fields is set.
type Goal struct {
	// PodHours is the most that a policy may cost, as a multiple of the oracle's pod-hours. The
	// search then looks for the fewest bad frames.
	PodHours float64
	// SLO is the least percentage of frames in budget. The search then looks for the fewest pod-hours.
	SLO float64
}

// Search is one search.
type Search struct {
	Chart  *manifest.Chart
	Values manifest.Values
	// Simulate says what becomes of a release under the loads that it is tuned on.
	Simulate func(*manifest.Manifest) (report.All, error)
	// ScrapeInterval is the time between two scrapes of a pod, PodStart from a pod's creation until it is Ready.
	ScrapeInterval, PodStart time.Duration
	// Tries is how many policies are simulated.
	Tries int
	Goal  Goal
	// Progress is called after every policy; nil is fine.
	Progress func(done, tries int)
}

// Policy is a point of the search and what it gave.
type Policy struct {
	DemandTarget float64
	Window       time.Duration
	MinReplicas  int
	Headroom     float64
	StepPercent  int
	// StepSeconds is the time between two steps up: one of the choices, or a window, a pod's start and a scrape.
	StepSeconds              int
	DownWait                 int
	DownPercent, DownSeconds int

	All report.All
}

// scrapes is how many a window must hold; the chart refuses fewer.
const scrapes = 4

// choices are the values that the search tries for every part of a policy. A step of 0 is the chart's own: a window, a pod's
// start and a scrape.
var choices = struct {
	target           []float64
	window           []time.Duration
	headroom         []float64
	grow             []int
	step, wait, down []int
	percent          []int
}{
	headroom: []float64{0, 0, 0.5, 1, 1.5, 2},
	grow:     []int{100, 200, 300, 900},
	target:   []float64{0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85},
	window:   []time.Duration{20 * time.Second, 30 * time.Second, 40 * time.Second, time.Minute, 90 * time.Second, 2 * time.Minute},
	step:     []int{0, 0, 15, 30, 60, 120},
	wait:     []int{120, 300, 450, 600, 900},
	down:     []int{15, 60, 120, 180},
	percent:  []int{10, 25, 50, 100},
}

// Values are the policy as values for the chart.
func (p Policy) Values() map[string]any {
	window := model.Duration(p.Window).String()
	step := func(kind string, value int) map[string]any {
		return map[string]any{"type": kind, "value": value, "periodSeconds": p.StepSeconds}
	}
	demand := map[string]any{"window": window, "target": fmt.Sprint(p.DemandTarget)}
	autoscaling := map[string]any{
		"minReplicas": p.MinReplicas,
		"headroom":    p.Headroom,
		"behavior": map[string]any{
			"scaleUp": map[string]any{
				"stabilizationWindowSeconds": 0,
				"policies":                   []any{step("Percent", p.StepPercent), step("Pods", 4)},
			},
			"scaleDown": map[string]any{
				"stabilizationWindowSeconds": p.DownWait,
				"policies":                   []any{map[string]any{"type": "Percent", "value": p.DownPercent, "periodSeconds": p.DownSeconds}},
			},
		},
	}
	if p.Headroom > 0 {
		demand["metricType"] = "Object"
	}
	return map[string]any{
		"signals":     map[string]any{"overruns": map[string]any{"window": window}, "demand": demand},
		"autoscaling": autoscaling,
	}
}

// Run searches: a third of the tries at random, the rest one step at a time from the best so far.
// It returns the best policy and the Pareto front of bad frames against cost, cheapest first. The
// same search gives the same answer.
func (s Search) Run() (Policy, []Policy, error) {
	if (s.Goal.PodHours > 0) == (s.Goal.SLO > 0) {
		return Policy{}, nil, errors.New("--tune wants one goal: --pod-hours 1.4 (the most, as a multiple of the oracle's) or --slo 99.5 (the least percent in budget)")
	}
	least, ok := s.Chart.Float(s.Values, "autoscaling", "minReplicas")
	if !ok {
		least = 2
	}
	mostReplicas, ok := s.Chart.Float(s.Values, "autoscaling", "maxReplicas")
	if !ok {
		mostReplicas = 10
	}
	var windows []time.Duration
	for _, w := range choices.window {
		if w >= scrapes*s.ScrapeInterval {
			windows = append(windows, w)
		}
	}
	if len(windows) == 0 {
		windows = []time.Duration{scrapes * s.ScrapeInterval}
	}
	random := rand.New(rand.NewPCG(1, 0))
	pick := func() Policy {
		p := Policy{
			DemandTarget: choices.target[random.IntN(len(choices.target))],
			Window:       windows[random.IntN(len(windows))],
			MinReplicas:  min(int(least)+random.IntN(3), int(mostReplicas)),
			Headroom:     choices.headroom[random.IntN(len(choices.headroom))],
			StepPercent:  choices.grow[random.IntN(len(choices.grow))],
			StepSeconds:  choices.step[random.IntN(len(choices.step))],
			DownWait:     choices.wait[random.IntN(len(choices.wait))],
			DownPercent:  choices.percent[random.IntN(len(choices.percent))],
			DownSeconds:  choices.down[random.IntN(len(choices.down))],
		}
		if p.StepSeconds == 0 {
			// The chart's own rule, up to what Kubernetes takes.
			p.StepSeconds = min(1800, int((p.Window + s.PodStart + s.ScrapeInterval).Seconds()))
		}
		return p
	}
	seen := map[Policy]bool{}
	var tried []Policy
	var best Policy
	for len(tried) < s.Tries {
		p := pick()
		if len(tried) > s.Tries/3 {
			// One part of the best so far is thrown anew.
			fresh := p
			p = best
			p.All = report.All{}
			switch random.IntN(7) {
			case 0:
				p.DemandTarget = fresh.DemandTarget
			case 1:
				p.Window = fresh.Window
			case 2:
				p.MinReplicas = fresh.MinReplicas
			case 3:
				p.StepPercent, p.StepSeconds = fresh.StepPercent, fresh.StepSeconds
			case 4:
				p.DownWait = fresh.DownWait
			case 5:
				p.DownPercent, p.DownSeconds = fresh.DownPercent, fresh.DownSeconds
			case 6:
				p.Headroom = fresh.Headroom
			}
		}
		if seen[p] {
			// Near a corner every step may be known; a throw from anywhere leads on.
			if p = pick(); seen[p] {
				continue
			}
		}
		seen[p] = true
		var err error
		if p.All, err = s.try(p); err != nil {
			return best, nil, err
		}
		tried = append(tried, p)
		if len(tried) == 1 || s.better(p.All, best.All) {
			best = p
		}
		if s.Progress != nil {
			s.Progress(len(tried), s.Tries)
		}
	}
	return best, front(tried), nil
}

func (s Search) try(p Policy) (report.All, error) {
	m, err := s.Chart.Render(s.Values.Overlay(p.Values()))
	if err != nil {
		return report.All{}, err
	}
	return s.Simulate(m)
}

// Meets says whether a policy stays within the goal's limit.
func (g Goal) Meets(a report.All) bool {
	if g.PodHours > 0 {
		return a.Cost <= g.PodHours
	}
	return 100*(1-a.Bad()) >= g.SLO
}

// better orders policies: within the limit first, then by what the goal looks for. A reversal that
// no trace asks for weighs like 18 % of bad frames or of cost, over the traces: of nine, one like 2 %.
func (s Search) better(a, b report.All) bool {
	if s.Goal.Meets(a) != s.Goal.Meets(b) {
		return s.Goal.Meets(a)
	}
	reversals := func(x report.All) float64 { return 1 + 0.18*x.Reversals/float64(max(1, x.Traces)) }
	byBad, byCost := a.Bad()*reversals(a) < b.Bad()*reversals(b), a.Cost*reversals(a) < b.Cost*reversals(b)
	if (s.Goal.PodHours > 0) == s.Goal.Meets(a) {
		return byBad
	}
	return byCost
}

// front keeps the policies that no other beats in both bad frames and cost.
func front(tried []Policy) []Policy {
	sorted := slices.Clone(tried)
	sort.SliceStable(sorted, func(i, j int) bool {
		if sorted[i].All.Cost != sorted[j].All.Cost {
			return sorted[i].All.Cost < sorted[j].All.Cost
		}
		return sorted[i].All.Bad() < sorted[j].All.Bad()
	})
	var kept []Policy
	for _, p := range sorted {
		if len(kept) == 0 || p.All.Bad() < kept[len(kept)-1].All.Bad() {
			kept = append(kept, p)
		}
	}
	return kept
}

// File writes a policy as a values file, on top of the values the search began with.
func File(base manifest.Values, p Policy, about string) ([]byte, error) {
	values := maps.Clone(base.Overlay(p.Values()).Map)
	body, err := yaml.Marshal(values)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	for _, line := range strings.Split(about, "\n") {
		fmt.Fprintf(&out, "# %s\n", line)
	}
	out.Write(body)
	return []byte(out.String()), nil
}

// String names a policy in one line.
func (p Policy) String() string {
	return fmt.Sprintf("demand %v, windows %s, min %d, headroom %v, up %d %% over %d s, down after %d s by %d %% per %d s", p.DemandTarget, model.Duration(p.Window), p.MinReplicas, p.Headroom, p.StepPercent, p.StepSeconds, p.DownWait, p.DownPercent, p.DownSeconds)
}
