package chart_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
)

// named returns a set of values of testdata/values.yaml by its name.
func named(t *testing.T, name string) chart.Values {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "values.yaml"))
	require.NoError(t, err)
	sets := map[string]chart.Values{}
	require.NoError(t, yaml.Unmarshal(text, &sets))
	require.Contains(t, sets, name, "testdata/values.yaml")
	return sets[name]
}

// renderings are the values that every rendered object is checked under.
func renderings(t *testing.T) map[string]chart.Values {
	t.Helper()
	all := map[string]chart.Values{
		"defaults":                 {},
		"everything":               named(t, "everything"),
		"without autoscaling":      chart.Set("autoscaling.enabled", false),
		"without adapter":          chart.Set("prometheusAdapter.enabled", false),
		"without events":           chart.Set("kubeStateMetrics.enabled", false),
		"with other Prometheus":    chart.Parse(t, "prometheus: {enabled: false, url: https://prometheus.example/team}"),
		"with policies":            chart.Set("networkPolicy.enabled", true),
		"renderer alone":           named(t, "alone"),
		"with KEDA":                named(t, "KEDA"),
		"with all of KEDA":         named(t, "KEDA with everything"),
		"with KEDA, for others":    chart.Parse(t, "{autoscaling: {provider: keda}, servedNamespaces: [holograph, film]}"),
		"with the operator":        named(t, "operator"),
		"with annotations":         chart.Set("scrapeAnnotations.enabled", true),
		"with an existing adapter": named(t, "existing adapter"),
		"with a token":             named(t, "token"),
		"with a login":             named(t, "login"),
		"with served namespaces":   chart.Parse(t, "servedNamespaces: [film, games]"),
		"with placeholders":        warm(t),
		"with a certificate": chart.Parse(t, `
prometheusAdapter: {certificate: {existingSecret: mine, caBundle: "-----BEGIN CERTIFICATE-----\nMIIA\n-----END CERTIFICATE-----"}}`),
	}
	all["with cert-manager"] = named(t, "cert-manager")
	all["with an issuer"] = named(t, "issuer")
	for _, name := range chart.Examples(t) {
		all[name+".yaml"] = chart.Example(t, name)
	}
	return all
}

// warm are placeholders, in place of which "everything" has a CapacityBuffer, and pre-pulled images.
func warm(t *testing.T) chart.Values {
	t.Helper()
	return chart.Parse(t, "{warmCapacity: {placeholders: {pods: 2}, prePull: {enabled: true}}, networkPolicy: {enabled: true}}")
}

// waysToServe are the ways to serve and to show the metric; a later one joins by a line.
func waysToServe(t *testing.T) map[string]chart.Values {
	t.Helper()
	return map[string]chart.Values{
		"bundled adapter":      chart.Parse(t, `{dashboard: {enabled: true}, deletionCost: {enabled: true}}`),
		"existing adapter":     chart.Parse(t, `prometheusAdapter: {enabled: false, existing: {namespace: monitoring}}`),
		"another's Prometheus": chart.Parse(t, `prometheus: {enabled: false, url: https://prometheus.example}`),
		"the operator":         named(t, "operator"),
		"KEDA":                 named(t, "KEDA"),
		"annotations":          chart.Parse(t, `scrapeAnnotations: {enabled: true}`),
		"an adapter unknown":   chart.Parse(t, `prometheusAdapter: {enabled: false}`),
	}
}
