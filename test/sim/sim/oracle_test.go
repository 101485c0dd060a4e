package sim_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"holograph/test/sim/fleet"
	"holograph/test/sim/sim"
	"holograph/test/sim/trace"
)

func TestFewestPods(t *testing.T) {
	config := fleet.Defaults()
	load := []float64{0, 0.5, 1.2, 4.5, 4.5, 9.9}
	capacity := []float64{1, 1, 1, 1, 0.5, 1}
	o := sim.NewOracle(config, load, capacity)
	assert.Equal(t, []int{1, 1, 2, 5, 10, 11}, o.Pods)
	assert.Equal(t, 30.0, o.PodSeconds)
	for s, n := range o.Pods {
		if load[s] == 0 {
			continue
		}
		assert.LessOrEqual(t, config.LateShare(load[s]/capacity[s]/float64(n)), sim.LateShare+1e-9)
		if n > 1 {
			assert.Greater(t, config.LateShare(load[s]/capacity[s]/float64(n-1)), sim.LateShare, "one pod fewer is too few")
		}
	}
}

// TestReversals: what the trace asks for is a pod kept through a short valley and dropped in a long one.
func TestReversals(t *testing.T) {
	run := func(levels ...trace.Point) int {
		load, capacity := trace.Trace{Points: levels}.Seconds()
		return sim.NewOracle(fleet.Defaults(), load, capacity).Reversals
	}
	at := func(second, load float64) trace.Point { return trace.Point{Second: second, Load: load, Capacity: 1} }
	assert.Equal(t, 0, run(at(0, 1), at(600, 1), at(600, 4), at(2000, 4)), "a step up")
	assert.Equal(t, 0, run(at(0, 4), at(600, 4), at(600, 1), at(800, 1), at(800, 4), at(2000, 4)), "a valley of 200 s")
	assert.Equal(t, 1, run(at(0, 4), at(600, 4), at(600, 1), at(1000, 1), at(1000, 4), at(2000, 4)), "a valley of 400 s")
	assert.Equal(t, 1, run(at(0, 1), at(600, 1), at(600, 4), at(650, 4), at(650, 1), at(2000, 1)), "a spike")
	assert.Equal(t, 1, run(at(0, 1), at(60, 1), at(60, 4), at(840, 4), at(840, 1), at(1500, 1)), "a spike soon after the beginning")
}

func TestReversalsOfASequence(t *testing.T) {
	assert.Equal(t, 0, sim.Reversals([]int{2, 2, 4, 8}))
	assert.Equal(t, 2, sim.Reversals([]int{2, 4, 4, 2, 2, 3}))
}
