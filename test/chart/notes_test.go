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

// TestNotesNameACertificateOnlyWhereAnAdapterServesWithIt: where no adapter is installed, the notes ask for no certificate.
func TestNotesNameACertificateOnlyWhereAnAdapterServesWithIt(t *testing.T) {
	t.Parallel()
	const certificate = "holograph-prometheus-adapter-certificate"
	assert.Contains(t, chart.Render(t).Notes, certificate, "notes of the defaults, which generate a certificate")
	for name, values := range map[string]chart.Values{
		"KEDA scales":        chart.Example(t, "keda"),
		"nothing scales":     chart.Set("autoscaling.enabled", false),
		"an adapter is used": chart.Example(t, "existing-adapter"),
	} {
		assert.NotContains(t, chart.Render(t, values).Notes, certificate, "notes where %s: want no word on a certificate, because no adapter is installed", name)
	}
}
