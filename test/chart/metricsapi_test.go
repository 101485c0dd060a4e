package chart_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
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

// owners are the APIServices that a cluster has already where one of refusalsOfOwners is due.
var owners = map[string]chart.Object{
	"an adapter of a Helm release":                  apiService("v1beta1", "monitoring", "metrics", ofRelease("adapter", "monitoring", "prometheus-adapter-5.3.0")),
	"an adapter without Helm, on the other version": apiService("v1beta2", "monitoring", "metrics", nil),
	"another release of this chart":                 apiService("v1beta1", "film", "holograph-prometheus-adapter", ofRelease("holograph", "film", "holograph-0.0.1")),
}

var refusalsOfOwners = map[string]refusal{
	"an adapter of a Helm release": {"",
		"prometheusAdapter.enabled: must be false (got true), because v1beta1.custom.metrics.k8s.io belongs to the Service monitoring/metrics of the Helm release adapter in namespace monitoring already: " +
			"set prometheusAdapter.enabled to false and prometheusAdapter.existing.namespace to monitoring, or set prometheusAdapter.apiService.ownerCheck to false to take it over."},
	"an adapter without Helm, on the other version": {"",
		"prometheusAdapter.enabled: must be false (got true), because v1beta2.custom.metrics.k8s.io belongs to the Service monitoring/metrics already: " +
			"set prometheusAdapter.enabled to false and prometheusAdapter.existing.namespace to monitoring, or set prometheusAdapter.apiService.ownerCheck to false to take it over."},
	"another release of this chart": {"",
		"prometheusAdapter.enabled: must be false (got true), because v1beta1.custom.metrics.k8s.io belongs to the Service film/holograph-prometheus-adapter of the Helm release holograph in namespace film already, which is another release of this chart: " +
			"set prometheusAdapter.enabled to false and list holograph in servedNamespaces of that release, or set prometheusAdapter.apiService.ownerCheck to false to take it over."},
}

// TestOwnerOfTheMetricsAPI: the chart does not take the custom metrics API from another adapter. The refusal names the
// adapter and what to write.
func TestOwnerOfTheMetricsAPI(t *testing.T) {
	t.Parallel()
	require.Len(t, owners, len(refusalsOfOwners))
	for name, test := range refusalsOfOwners {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := []chart.Object{owners[name]}
			_, err := chart.Template(chart.Options{Cluster: found})
			require.Error(t, err, "rendered, and should say: %s", test.message)
			assert.Equal(t, test.message, failurePlace.ReplaceAllString(err.Error(), ""))

			for _, way := range []string{"prometheusAdapter: {enabled: false}", "prometheusAdapter: {apiService: {ownerCheck: false}}"} {
				_, err := chart.Template(chart.Options{Cluster: found, Values: []chart.Values{chart.Parse(t, way)}})
				assert.NoError(t, err, way)
			}
		})
	}
}

// TestOwnMetricsAPI: an APIService of this release is no reason to refuse.
func TestOwnMetricsAPI(t *testing.T) {
	t.Parallel()
	for name, found := range map[string]chart.Object{
		"installed by Helm":  apiService("v1beta1", "holograph", "holograph-prometheus-adapter", ofRelease("holograph", "holograph", "holograph-0.0.1")),
		"applied without it": apiService("v1beta1", "holograph", "holograph-prometheus-adapter", nil),
		"under its old name": apiService("v1beta1", "holograph", "old-prometheus-adapter", ofRelease("holograph", "holograph", "holograph-0.0.1")),
	} {
		_, err := chart.Template(chart.Options{Cluster: []chart.Object{found}})
		assert.NoError(t, err, name)
	}
}
