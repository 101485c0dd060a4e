package test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/chart"
)

// apiService is an APIService of the custom metrics API that a cluster has already.
func apiService(version, namespace, service string, metadata chart.Values) chart.Object {
	return chart.Object(chart.Merge(chart.Values{
		"apiVersion": "apiregistration.k8s.io/v1",
		"kind":       "APIService",
		"metadata":   map[string]any{"name": version + ".custom.metrics.k8s.io"},
		"spec": map[string]any{
			"group": "custom.metrics.k8s.io", "version": version,
			"service": map[string]any{"namespace": namespace, "name": service},
		},
	}, chart.Values{"metadata": metadata}))
}

// ofRelease is the metadata that Helm gives the objects of a release, and the given chart those of its own.
func ofRelease(name, namespace, chartLabel string) chart.Values {
	return chart.Values{
		"annotations": map[string]any{"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace},
		"labels":      map[string]any{"helm.sh/chart": chartLabel},
	}
}

// TestOwnerOfTheMetricsAPI: an adapter that somebody else runs is not pushed aside, and the sentence says whose
// it is and what to write. What belongs to this release stops nothing.
func TestOwnerOfTheMetricsAPI(t *testing.T) {
	t.Parallel()
	const takeOver = ", or set prometheusAdapter.apiService.ownerCheck to false to take it over."
	for name, test := range map[string]struct {
		found   chart.Object
		values  string
		message string
	}{
		"an adapter of a Helm release": {
			found: apiService("v1beta1", "monitoring", "metrics", ofRelease("adapter", "monitoring", "prometheus-adapter-5.3.0")),
			message: "prometheusAdapter.enabled is true, and v1beta1.custom.metrics.k8s.io belongs to the Service monitoring/metrics of the Helm release adapter in namespace monitoring already: " +
				"set prometheusAdapter.enabled to false and prometheusAdapter.existing.namespace to monitoring" + takeOver,
		},
		"an adapter without Helm, on the other version": {
			found: apiService("v1beta2", "monitoring", "metrics", nil),
			message: "prometheusAdapter.enabled is true, and v1beta2.custom.metrics.k8s.io belongs to the Service monitoring/metrics already: " +
				"set prometheusAdapter.enabled to false and prometheusAdapter.existing.namespace to monitoring" + takeOver,
		},
		"another release of this chart": {
			found: apiService("v1beta1", "film", "holograph-prometheus-adapter", ofRelease("holograph", "film", "holograph-0.0.1")),
			message: "prometheusAdapter.enabled is true, and v1beta1.custom.metrics.k8s.io belongs to the Service film/holograph-prometheus-adapter of the Helm release holograph in namespace film already, which is this chart: " +
				"set prometheusAdapter.enabled to false and list holograph in servedNamespaces of that release" + takeOver,
		},
		"this release's own": {
			found: apiService("v1beta1", "holograph", "holograph-prometheus-adapter", ofRelease("holograph", "holograph", "holograph-0.0.1")),
		},
		"this release's own, applied without Helm": {
			found: apiService("v1beta1", "holograph", "holograph-prometheus-adapter", nil),
		},
		"this release's own under its old name": {
			found: apiService("v1beta1", "holograph", "old-prometheus-adapter", ofRelease("holograph", "holograph", "holograph-0.0.1")),
		},
		"no adapter wanted": {
			found:  apiService("v1beta1", "monitoring", "metrics", nil),
			values: "prometheusAdapter: {enabled: false}",
		},
		"no check wanted": {
			found:  apiService("v1beta1", "monitoring", "metrics", nil),
			values: "prometheusAdapter: {apiService: {ownerCheck: false}}",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := chart.Template(chart.Options{Cluster: []chart.Object{test.found}, Values: []chart.Values{chart.Parse(t, test.values)}})
			if test.message == "" {
				require.NoError(t, err)
				return
			}
			require.Error(t, err, "rendered, and should say: %s", test.message)
			assert.True(t, strings.HasSuffix(err.Error(), ": "+test.message), "%s", err)
		})
	}
}
