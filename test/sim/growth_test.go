package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"holograph/test/sim/fleet"
	"holograph/test/sim/sim"
)

// The time counts from the step of the load, also for pods that were Ready before it.
func TestReadyAfter(t *testing.T) {
	var run sim.Result
	for s := range step + 20 {
		run.Rows = append(run.Rows, fleet.Row{Ready: 2 + max(0, s-step-4)})
	}
	assert.InDelta(t, 0, readyAfter(run, 2), 0)
	assert.InDelta(t, 5, readyAfter(run, 3), 0)
	assert.True(t, math.IsNaN(readyAfter(run, 100)))
}
