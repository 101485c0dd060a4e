package chart

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/prometheus-adapter/pkg/config"
	"sigs.k8s.io/prometheus-adapter/pkg/naming"
	"sigs.k8s.io/yaml"
)

// AdapterConfig is prometheus-adapter's configuration file, as far as this chart writes it.
type AdapterConfig struct {
	Rules []AdapterRule `json:"rules"`
}

// AdapterRule says which series become which custom metric.
type AdapterRule struct{ config.DiscoveryRule }

// AdapterConfig returns the adapter's configuration, refusing keys that AdapterConfig does not know.
func (r *Rendered) AdapterConfig(t testing.TB) AdapterConfig {
	t.Helper()
	var config AdapterConfig
	require.NoError(t, yaml.UnmarshalStrict([]byte(r.ConfigMap(t, PrometheusAdapter).Data["config.yaml"]), &config))
	return config
}

// Namer returns what prometheus-adapter makes of a rule: the names of its metrics and the queries behind them.
func Namer(rule config.DiscoveryRule) (naming.MetricNamer, error) {
	namers, err := naming.NamersFromConfig([]config.DiscoveryRule{rule}, mapper)
	if err != nil {
		return nil, err
	}
	return namers[0], nil
}

// mapper knows the resources that metrics are about.
var mapper = func() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{corev1.SchemeGroupVersion, appsv1.SchemeGroupVersion})
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Namespace"), meta.RESTScopeRoot)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Pod"), meta.RESTScopeNamespace)
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("Deployment"), meta.RESTScopeNamespace)
	return mapper
}()

// Label returns the Prometheus label that the rule associates with a Kubernetes resource, "" where none is.
func (r AdapterRule) Label(resource string) string {
	for label, association := range r.Resources.Overrides {
		if association.Resource == resource {
			return label
		}
	}
	return ""
}

// Query returns the PromQL that the adapter sends when it is asked for the metric of some pods of a namespace.
func (r AdapterRule) Query(t testing.TB, series, namespace string, pods ...string) string {
	t.Helper()
	return r.QueryWith(t, series, namespace, labels.Everything(), pods...)
}

// QueryWith returns the same where the request has a selector of series too, as spec.metrics[].pods.metric.selector of an
// autoscaler is one.
func (r AdapterRule) QueryWith(t testing.TB, series, namespace string, selector labels.Selector, pods ...string) string {
	t.Helper()
	return r.query(t, series, schema.GroupResource{Resource: "pods"}, namespace, selector, pods...)
}

// TotalQuery returns the PromQL that the adapter sends when it is asked for the metric of a Deployment.
func (r AdapterRule) TotalQuery(t testing.TB, series, namespace, deployment string) string {
	t.Helper()
	return r.query(t, series, schema.GroupResource{Group: appsv1.GroupName, Resource: "deployments"}, namespace, labels.Everything(), deployment)
}

func (r AdapterRule) query(t testing.TB, series string, resource schema.GroupResource, namespace string, selector labels.Selector, names ...string) string {
	t.Helper()
	namer, err := Namer(r.DiscoveryRule)
	require.NoError(t, err)
	query, err := namer.QueryForSeries(series, resource, namespace, selector, names...)
	require.NoError(t, err)
	return string(query)
}

// PrometheusFiles returns the embedded Prometheus' configuration files by name.
func (r *Rendered) PrometheusFiles(t testing.TB) map[string]string {
	t.Helper()
	return r.ConfigMap(t, Prometheus).Data
}

// RulesFile returns the embedded Prometheus' recording rules.
func (r *Rendered) RulesFile(t testing.TB) string {
	t.Helper()
	rules, found := r.PrometheusFiles(t)["rules.yaml"]
	require.True(t, found, "the embedded Prometheus has no rules.yaml")
	return rules
}
