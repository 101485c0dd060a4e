package chart_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
)

// TestNotesPrintTheAdapterRules: the notes print the same rules that the chart's own adapter gets.
func TestNotesPrintTheAdapterRules(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]chart.Values{"with demand": {}, "without demand": chart.Set("signals.demand.enabled", false)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := chart.Render(t, values).AdapterConfig(t).Rules
			notes := chart.Render(t, values, chart.Set("prometheusAdapter.enabled", false)).Notes
			_, text, found := strings.Cut(notes, "it reads its rules only when it starts:\n")
			require.True(t, found, "%s", notes)
			var printed chart.AdapterConfig
			require.NoError(t, yaml.UnmarshalStrict([]byte("rules:\n"+text), &printed))
			assert.Equal(t, want, printed.Rules)
		})
	}
}
