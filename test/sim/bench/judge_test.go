package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"holograph/test/sim/fleet"
)

// TestLoadOf: a simulation of recorded rows is offered the load of each of their seconds.
func TestLoadOf(t *testing.T) {
	load, capacity := loadOf("a", []fleet.Row{{Load: 1.2, Capacity: 0.95}, {Load: 4.5, Capacity: 0.9}, {Load: 1.2, Capacity: 0.95}}).Seconds()
	assert.Equal(t, []float64{1.2, 4.5, 1.2}, load)
	assert.Equal(t, []float64{0.95, 0.9, 0.95}, capacity)
}
