package tune

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"holograph/test/sim/manifest"
	"holograph/test/sim/report"
)

// at is a policy with the given cost and percentage of bad frames.
func at(cost, bad float64) Policy {
	return Policy{All: report.All{Frames: 100, Late: bad, Cost: cost}}
}

func TestFront(t *testing.T) {
	tried := []Policy{at(1.5, 0.1), at(1.2, 1), at(1.3, 2), at(1.3, 0.5), at(1.6, 0.1), at(1.4, 0.5)}
	assert.Equal(t, []Policy{at(1.2, 1), at(1.3, 0.5), at(1.5, 0.1)}, front(tried), "nobody on the front is beaten in both")
}

// TestPolicyReplacesItsBase: the base's spare pods are not those of a policy without any.
func TestPolicyReplacesItsBase(t *testing.T) {
	base := manifest.Values{Map: map[string]any{"autoscaling": map[string]any{"headroom": 1.5}}}
	assert.EqualValues(t, 0.0, base.Overlay(Policy{}.Values()).Map["autoscaling"].(map[string]any)["headroom"], "headroom of a policy without spare pods, on top of a base with them")
}

func TestBetter(t *testing.T) {
	flapping := at(1.3, 0.5)
	flapping.All.Reversals = 40
	for _, c := range []struct {
		name          string
		goal          Goal
		better, worse Policy
	}{
		{"within the budget beats beyond it", Goal{PodHours: 1.4}, at(1.4, 5), at(1.5, 0)},
		{"within the budget fewer bad frames count", Goal{PodHours: 1.4}, at(1.4, 0.4), at(1.2, 0.5)},
		{"beyond the budget the cheaper comes closer", Goal{PodHours: 1.1}, at(1.2, 3), at(1.3, 0)},
		{"a kept SLO beats a missed one", Goal{SLO: 99.5}, at(3, 0.5), at(1, 0.6)},
		{"a kept SLO is kept for less", Goal{SLO: 99.5}, at(1.2, 0.5), at(1.3, 0)},
		{"a missed SLO is missed by less", Goal{SLO: 99.5}, at(2, 0.6), at(1, 0.7)},
		{"reversals weigh", Goal{PodHours: 1.4}, at(1.3, 0.8), flapping},
	} {
		s := Search{Goal: c.goal}
		assert.True(t, s.better(c.better.All, c.worse.All), c.name)
		assert.False(t, s.better(c.worse.All, c.better.All), c.name)
	}
}
