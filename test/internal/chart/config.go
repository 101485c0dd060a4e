package chart

import (
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// AdapterConfig is prometheus-adapter's configuration file, as far as this chart writes it
// (sigs.k8s.io/prometheus-adapter, pkg/config).
type AdapterConfig struct {
	Rules []AdapterRule `json:"rules"`
}

// AdapterRule says which series become which custom metric.
type AdapterRule struct {
	// SeriesQuery selects the series that make the metric exist.
	SeriesQuery   string              `json:"seriesQuery"`
	SeriesFilters []map[string]string `json:"seriesFilters"`
	Resources     struct {
		// Overrides maps a Prometheus label to the Kubernetes resource that it names.
		Overrides map[string]struct {
			Group    string `json:"group,omitempty"`
			Resource string `json:"resource"`
		} `json:"overrides"`
	} `json:"resources"`
	Name struct {
		Matches string `json:"matches"`
		As      string `json:"as"`
	} `json:"name"`
	// MetricsQuery is a template with << and >>; Query expands it.
	MetricsQuery string `json:"metricsQuery"`
}

// AdapterConfig returns the adapter's configuration, refusing keys that AdapterConfig does not know.
func (r *Rendered) AdapterConfig(t testing.TB) AdapterConfig {
	t.Helper()
	var config AdapterConfig
	require.NoError(t, yaml.UnmarshalStrict([]byte(r.ConfigMap(t, PrometheusAdapter).Data["config.yaml"]), &config))
	return config
}

// Label returns the Prometheus label that the rule associates with a Kubernetes resource, "" where none is.
func (r AdapterRule) Label(resource string) string {
	for label, association := range r.Resources.Overrides {
		if association.Resource == resource {
			return label
		}
	}
	return ""
}

// Query returns the PromQL that the adapter sends when it is asked for the metric of some pods of a namespace,
// expanded as prometheus-adapter does (pkg/naming/metrics_query.go): one name is matched with `=`, several with `=~`.
func (r AdapterRule) Query(t testing.TB, series, namespace string, pods ...string) string {
	t.Helper()
	pod, operator := r.Label("pod"), "="
	if len(pods) > 1 {
		operator = "=~"
	}
	parsed, err := template.New("metricsQuery").Delims("<<", ">>").Parse(r.MetricsQuery)
	require.NoError(t, err)
	var query strings.Builder
	require.NoError(t, parsed.Execute(&query, map[string]string{
		"Series":        series,
		"LabelMatchers": r.Label("namespace") + `="` + namespace + `",` + pod + operator + `"` + strings.Join(pods, "|") + `"`,
		"GroupBy":       pod,
	}))
	return query.String()
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
