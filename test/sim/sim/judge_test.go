package sim_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/sim/fleet"
	"holograph/test/sim/sim"
)

// TestJudge: a recording has the figures that the simulator gives the same rows.
func TestJudge(t *testing.T) {
	r, err := sim.Run(release(t, lateFramesOnly), standard(t, "step"), sim.Options{Fleet: fleet.Defaults()})
	require.NoError(t, err)
	judged := sim.Judge(r.Rows, fleet.Defaults())
	want := r.Summary
	want.Queries = 0 // a recording has none
	assert.Equal(t, want, judged.Summary)
	assert.Equal(t, r.Oracle, judged.Oracle)
}
