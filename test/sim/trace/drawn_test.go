package trace_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/sim/trace"
)

// TestDrawnTraces: what is drawn is what the kinds say, the same each time, and can be written and read.
func TestDrawnTraces(t *testing.T) {
	for _, set := range []trace.Set{trace.Training, trace.Test} {
		drawn := trace.Draw(set)
		assert.Equal(t, drawn, trace.Draw(set), "the same set twice")
		require.Len(t, drawn, len(trace.Kinds)*trace.EachKind)
		kinds := map[string]int{}
		for _, d := range drawn {
			kinds[d.Kind]++
			assert.Equal(t, 2*3600, d.Duration(), d.Name)
			assert.Positive(t, d.Points[0].Load, d.Name)
			assert.LessOrEqual(t, d.Peak(), float64(d.MaxReplicas), "%s needs more pods than it may have", d.Name)
			var text bytes.Buffer
			require.NoError(t, d.Write(&text, d.Kind))
			read, err := trace.Read(d.Name, &text)
			require.NoError(t, err)
			assert.Equal(t, d.Points, read.Points, d.Name)
		}
		for _, k := range trace.Kinds {
			assert.Equal(t, trace.EachKind, kinds[k.Name], k.Name)
		}
	}
}

// TestSetsAreDisjoint: what a policy is judged on is nothing that it was tuned on.
func TestSetsAreDisjoint(t *testing.T) {
	training := trace.Draw(trace.Training)
	for _, judged := range trace.Draw(trace.Test) {
		for _, tuned := range training {
			assert.NotEqual(t, tuned.Points, judged.Points, "%s of both sets", judged.Name)
		}
	}
}
