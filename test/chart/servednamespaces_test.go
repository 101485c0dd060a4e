package chart_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
)

// podDiscovery is where a scrape job looks for pods, as far as the chart writes it.
type podDiscovery struct {
	Namespaces struct {
		Names []string `json:"names"`
	} `json:"namespaces"`
	Selectors []struct {
		Label string `json:"label"`
	} `json:"selectors"`
}

// discovery returns where the embedded Prometheus looks for the pods of one job.
func discovery(t *testing.T, rendered *chart.Rendered, job string) []podDiscovery {
	t.Helper()
	var config struct {
		Jobs []struct {
			Name      string         `json:"job_name"`
			Discovery []podDiscovery `json:"kubernetes_sd_configs"`
		} `json:"scrape_configs"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(rendered.PrometheusFiles(t)["prometheus.yaml"]), &config))
	for _, candidate := range config.Jobs {
		if candidate.Name == job {
			return candidate.Discovery
		}
	}
	require.FailNow(t, "no such scrape job", "%s", job)
	return nil
}

// TestServedNamespaces: the renderers of other namespaces are scraped and looked up, with Roles there and
// nothing cluster-wide.
func TestServedNamespaces(t *testing.T) {
	t.Parallel()
	alone := chart.Render(t)
	rendered := chart.Render(t, chart.Parse(t, "servedNamespaces: [film, games]"))

	renderers := discovery(t, rendered, "renderer")
	require.Len(t, renderers, 2)
	assert.Equal(t, discovery(t, alone, "renderer"), renderers[:1], "discovery of the release's own renderers, which must not change")
	assert.Equal(t, []string{"film", "games"}, renderers[1].Namespaces.Names)
	require.Len(t, renderers[1].Selectors, 1)
	assert.Equal(t, "app.kubernetes.io/component=renderer,app.kubernetes.io/name=holograph", renderers[1].Selectors[0].Label, "selector of the served renderers, which must match releases of any name")
	for _, job := range []string{"kube-state-metrics", "prometheus"} {
		assert.Equal(t, discovery(t, alone, job), discovery(t, rendered, job), "%s runs in the release's namespace only", job)
	}
	assert.Contains(t, rendered.Container(t, chart.KubeStateMetrics).Args, "--namespaces=holograph,film,games")

	granted := roles(t, rendered)
	for _, component := range []chart.Component{chart.Prometheus, chart.PrometheusAdapter, chart.KubeStateMetrics} {
		own := granted["holograph/holograph-"+string(component)]
		require.NotEmpty(t, own, "Role of %s in the namespace of the release", component)
		assert.Equal(t, roles(t, alone)["holograph/holograph-"+string(component)], own)
		for _, namespace := range []string{"film", "games"} {
			assert.Equal(t, own, granted[namespace+"/holograph:holograph-"+string(component)], "%s in %s", component, namespace)
		}
	}
	assert.Len(t, granted, 10, "Roles: of three components in three namespaces each, and of the doctor")
	assert.Equal(t, len(chart.Of[*rbacv1.ClusterRole](t, alone)), len(chart.Of[*rbacv1.ClusterRole](t, rendered)))
	assert.Equal(t, len(chart.Of[*rbacv1.ClusterRoleBinding](t, alone)), len(chart.Of[*rbacv1.ClusterRoleBinding](t, rendered)))
}

// roles returns, by "namespace/name", what each Role grants and to whom its binding gives it.
func roles(t *testing.T, rendered *chart.Rendered) map[string]string {
	t.Helper()
	bound := map[string]string{}
	for _, binding := range chart.Of[*rbacv1.RoleBinding](t, rendered) {
		bound[binding.Namespace+"/"+binding.RoleRef.Name] = fmt.Sprint(binding.Subjects)
	}
	granted := map[string]string{}
	for _, role := range chart.Of[*rbacv1.Role](t, rendered) {
		key := role.Namespace + "/" + role.Name
		require.Contains(t, bound, key, "Roles without a RoleBinding")
		granted[key] = fmt.Sprint(role.Rules, bound[key])
	}
	return granted
}

// TestServedNamespacesOfWhatRuns: a part that is off is given no Roles.
func TestServedNamespacesOfWhatRuns(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, "{servedNamespaces: [film], prometheus: {enabled: false, url: http://prometheus.example}, kubeStateMetrics: {enabled: false}}"))
	var served []string
	for key := range roles(t, rendered) {
		if strings.HasPrefix(key, "film/") {
			served = append(served, key)
		}
	}
	assert.Equal(t, []string{"film/holograph:holograph-prometheus-adapter"}, served)
}

// TestReleaseThatAnotherServes renders a release that another one serves: only its renderer and autoscaler, and notes that say
// what the other release must be told.
func TestReleaseThatAnotherServes(t *testing.T) {
	t.Parallel()
	rendered := chart.RenderWith(t, chart.Options{Namespace: "film", Values: []chart.Values{named(t, "guest")}})
	assert.Equal(t, []string{"doctor", "renderer"}, components(rendered))
	rendered.HorizontalPodAutoscaler(t)
	for _, object := range rendered.Objects {
		assert.Equal(t, "film", object.Namespace(), "%v", object)
	}
	assert.Contains(t, rendered.Notes, "list film in its servedNamespaces")

	// The host's rules have its own targets in two places: what late frames count at most, and below what a total may not fall.
	rules := chart.Render(t, totals, chart.Parse(t, "servedNamespaces: [film]")).AdapterConfig(t).Rules
	assert.Contains(t, rules[0].MetricsQuery, ", 0.35)", "the limit of late frames in the host's rule, which is 3.5 times its own target of 0.1")
	assert.Contains(t, rules[1].MetricsQuery, "clamp_max(0.75 * ", "the least total in the host's rule, which has its own target of demand")
	assert.Contains(t, rendered.Notes, "only if its signals.overruns.maxRatio, times its signals.overruns.target, is more than 0.11, or")
	assert.NotContains(t, rendered.Notes, "too, or a pod without a value", "the notes of a guest without totals")
	other := chart.RenderWith(t, chart.Options{Namespace: "film", Values: []chart.Values{named(t, "guest"), totals, chart.Parse(t, `{signals: {overruns: {target: 500m}, demand: {target: "0.5"}}, autoscaling: {behavior: {scaleUp: {tolerance: "0.2"}}}}`)}})
	assert.Contains(t, other.Notes, "times its signals.overruns.target, is more than 0.6, or its maxRatio is null. Its signals.overruns.target must be 500m too, or a pod without a value adds or removes others. Its signals.demand.target must be 0.5 too, or")
	fixed := chart.RenderWith(t, chart.Options{Namespace: "film", Values: []chart.Values{named(t, "guest"), chart.Parse(t, "{autoscaling: {enabled: false}, servedNamespaces: []}")}})
	assert.NotContains(t, fixed.Notes, "Late frames add pods", "notes of a guest that no autoscaler scales")

	// What the host looks for there is what the guest's pods carry.
	host := chart.Render(t, chart.Parse(t, "servedNamespaces: [film]"))
	labels := rendered.Deployment(t, chart.Renderer).Spec.Template.Labels
	for _, term := range strings.Split(discovery(t, host, "renderer")[1].Selectors[0].Label, ",") {
		key, value, _ := strings.Cut(term, "=")
		assert.Equal(t, value, labels[key], key)
	}
}
