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

// TestNotesMissACPULimit: without one, every pod of the reference renderer reports the cores of its whole node.
func TestNotesMissACPULimit(t *testing.T) {
	t.Parallel()
	const note = "renderer.resources.limits.cpu is empty"
	for values, want := range map[string]bool{
		`{}`: false,
		`{renderer: {resources: {limits: {cpu: null}}}}`:                                                         true,
		`{renderer: {resources: {limits: null}}}`:                                                                true,
		`{renderer: {resources: {limits: {cpu: null}}}, signals: {demand: {enabled: false}}}`:                    false,
		`{renderer: {resources: {limits: {cpu: null}}}, signals: {demand: {capacity: {value: "1"}}}}`:            false,
		`{renderer: {resources: {limits: {cpu: null}}}, signals: {demand: {capacity: {metric: renderer_gpus}}}}`: false,
	} {
		assert.Equal(t, want, strings.Contains(chart.Render(t, chart.Parse(t, values)).Notes, note), "whether the notes miss a CPU limit, with %s", values)
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
