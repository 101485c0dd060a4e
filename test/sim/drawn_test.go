package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/sim/fleet"
	"holograph/test/sim/manifest"
	"holograph/test/sim/report"
	"holograph/test/sim/trace"
)

// TestDefaultOnLoadsItWasNotTunedOn: the chart's default has no more late frames than late frames alone as the signal, on any
// kind of load, and half of them on flash crowds. Its other bounds are the goals of docs/simulation.
func TestDefaultOnLoadsItWasNotTunedOn(t *testing.T) {
	chart, err := manifest.Load("../../charts/holograph")
	require.NoError(t, err)
	example, err := manifest.ReadValues("../../values-examples/late-frames-only.yaml")
	require.NoError(t, err)
	drawn := trace.Draw(trace.Test)
	judged := func(v manifest.Values) report.Drawn {
		m, err := chart.Render(v)
		require.NoError(t, err)
		config := fleet.Defaults()
		config.ScrapeInterval = m.ScrapeInterval
		result, err := judge(m, config, drawn, 1)
		require.NoError(t, err)
		return result
	}
	got, lateFramesOnly := judged(manifest.Values{}), judged(example)

	for _, k := range trace.Kinds {
		assert.LessOrEqual(t, got.Of(k.Name).Bad, lateFramesOnly.Of(k.Name).Bad, "bad frames on %s", k.Name)
	}
	assert.LessOrEqual(t, got.Of("flash-crowd").Bad, lateFramesOnly.Of("flash-crowd").Bad/2, "bad frames on flash crowds")
	assert.LessOrEqual(t, got.Of("flash-crowd").Recovery, 100.0, "seconds to recover from flash crowds")
	assert.LessOrEqual(t, got.All().Reversals, 0.3, "reversals of a trace")
	assert.LessOrEqual(t, got.All().Cost, 1.5, "pod-hours as a multiple of the oracle's")
}
