package chart_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"holograph/test/doctor/deletioncost"
	"holograph/test/internal/chart"
	"holograph/test/internal/promtool"
)

// refusalsOfDeletionCosts are the cases of a writer of deletion costs that could do nothing.
var refusalsOfDeletionCosts = map[string]refusal{
	"deletion costs from a Prometheus that knows only KEDA": {
		`{deletionCost: {enabled: true}, autoscaling: {provider: keda}, prometheus: {enabled: false, url: "https://prometheus.example"}, keda: {authenticationRef: {name: aws}}}`,
		`deletionCost.enabled: must be false with keda.authenticationRef (got true, with aws), because the writer of deletion costs does not have the identity of KEDA's pods, and Prometheus would not answer it: write false, or credentials in prometheus.auth in place of keda.authenticationRef.`},
	"deletion costs that no autoscaler follows": {
		`{deletionCost: {enabled: true}, autoscaling: {enabled: false}}`,
		`deletionCost.enabled: must be false where autoscaling.enabled is false (got true), because no autoscaler removes pods, and a rollout removes all old ones: write false.`},
	"deletion costs without demand": {
		`{deletionCost: {enabled: true}, signals: {demand: {enabled: false}}}`,
		`deletionCost.enabled: must be false where signals.demand.enabled is false (got true), because late frames do not say what a pod holds: write false, or set signals.demand.enabled to true.`},
	"deletion costs of a StatefulSet": {
		`{deletionCost: {enabled: true}, renderer: {enabled: false, metrics: {container: stream, port: 9102}}, autoscaling: {target: {kind: StatefulSet, name: stream, podLabels: {app: stream}}}}`,
		`deletionCost.enabled: must be false where autoscaling.target.kind is StatefulSet (got true), because a StatefulSet removes the pod with the highest number, whatever its cost: write false.`},
	"deletion costs that the values set": {
		`{deletionCost: {enabled: true}, renderer: {podAnnotations: {controller.kubernetes.io/pod-deletion-cost: "5"}}}`,
		`renderer.podAnnotations: must not have controller.kubernetes.io/pod-deletion-cost with deletionCost.enabled (got 5), because every pod would keep that cost: remove it, or set deletionCost.enabled to false.`},
	"deletion costs of an unknown Prometheus": {
		`{deletionCost: {enabled: true}, prometheus: {enabled: false}, prometheusAdapter: {enabled: false}}`,
		`prometheus.url: must be a URL where prometheus.enabled is false (got none), because the writer of deletion costs has no Prometheus to query: write the URL of your Prometheus, like http://prometheus.monitoring.svc:9090.`},
}

// costsOf returns the configuration that a rendering gives the writer of deletion costs.
func costsOf(t *testing.T, rendered *chart.Rendered) deletioncost.Config {
	t.Helper()
	config, err := deletioncost.Decode([]byte(rendered.ConfigMap(t, chart.DeletionCost).Data[deletioncost.File]))
	require.NoError(t, err)
	return config
}

// withCosts turns the writer on.
func withCosts() chart.Values { return chart.Set("deletionCost.enabled", true) }

// TestDeletionCostsAreOff: nothing of the writer is rendered by default.
func TestDeletionCostsAreOff(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	assert.NotContains(t, rendered.Manifest, "deletion-cost", "the default objects")
	assert.NotContains(t, rendered.Manifest, "DeletionCost", "the default alerts")
}

// TestDeletionCostsMayOnlyBeWritten: the writer may list pods and patch their subresource status, in the release's namespace
// alone. With the right to patch pods it could change the images of every pod of the namespace.
func TestDeletionCostsMayOnlyBeWritten(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]chart.Values{"alone": nil, "others are served": chart.Parse(t, "servedNamespaces: [film]")} {
		assert.Equal(t, map[string][]string{"holograph": {"list pods. ", "patch pods/status. "}}, permissions(t, chart.Render(t, withCosts(), values), chart.DeletionCost), name)
	}
}

// TestDeletionCostsFollowDemand: the writer asks for the demand that the adapter serves, of the pods of its own release.
func TestDeletionCostsFollowDemand(t *testing.T) {
	t.Parallel()
	const hash = `[bcdfghjklmnpqrstvwxz2456789]`
	for name, test := range map[string]struct {
		values         chart.Values
		pods, selector string
	}{
		"default":           {nil, "holograph-renderer-" + hash + "{1,10}-?" + hash + "{5}", "app.kubernetes.io/component=renderer,app.kubernetes.io/instance=holograph,app.kubernetes.io/name=holograph"},
		"sessions":          {chart.Example(t, "sessions"), "holograph-renderer-", "component=renderer"},
		"odd names":         {chart.Merge(oddSignals(), chart.Set("prometheusAdapter.maxAge", "20m")), "holograph-renderer-", "component=renderer"},
		"others are served": {chart.Parse(t, "servedNamespaces: [film]"), "holograph-renderer-", "component=renderer"},
		"a Rollout":         {chart.Parse(t, otherWorkload(workloads["Rollout"].target)), "stream-", "app=stream"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := chart.Render(t, withCosts(), test.values)
			config := costsOf(t, rendered)
			labels := chart.Merge(chart.Defaults(t), test.values)["signals"].(map[string]any)["labels"].(map[string]any)
			assert.Equal(t, "holograph", config.Namespace)
			assert.Contains(t, config.Selector, test.selector, "the labels of the pods that have costs")
			assert.Equal(t, labels["pod"], config.PodLabel)
			_, err := promtool.Parse(config.Query)
			require.NoError(t, err, config.Query)

			own := regexp.MustCompile(fmt.Sprintf(`%s="holograph",%s=~"([^"]*)"`, labels["namespace"], labels["pod"]))
			require.Regexp(t, own, config.Query, "the query, which must name the release's namespace and pods")
			assert.Contains(t, own.FindStringSubmatch(config.Query)[1], test.pods, "the pods that the query asks for")
			rules := rendered.AdapterConfig(t).Rules
			demand := rules[len(rules)-1]
			series, _, _ := strings.Cut(demand.SeriesQuery, "{")
			served := strings.NewReplacer("<<.Series>>", series, "<<.GroupBy>>", config.PodLabel).Replace(demand.MetricsQuery)
			assert.Equal(t, strings.Join(strings.Fields(served), " "), own.ReplaceAllString(config.Query, "<<.LabelMatchers>>"), "the query, which must be that of the adapter's demand")
		})
	}
	assert.Equal(t, costsOf(t, chart.Render(t, withCosts())).Query, costsOf(t, chart.Render(t, withCosts(), named(t, "KEDA"))).Query, "the query with KEDA, where no adapter runs")
}

// TestDeletionCostsReachPrometheus: the writer is told of Prometheus what the doctor is told, and finds the files of it that
// its configuration names.
func TestDeletionCostsReachPrometheus(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]chart.Values{
		"embedded": nil, "token": named(t, "token"), "login": named(t, "login"), "operator": named(t, "operator"),
		"secret header": chart.Parse(t, `prometheus: {enabled: false, url: https://prometheus.example, headersFrom: {X-Api-Key: {name: key, key: api-key}}}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := chart.Render(t, withCosts(), values)
			prometheus := costsOf(t, rendered).Prometheus
			assert.Equal(t, *pathOf(t, rendered).Prometheus, prometheus)
			pod := rendered.Deployment(t, chart.DeletionCost).Spec.Template
			files := mounted(&corev1.Pod{Spec: pod.Spec})
			named := slices.Collect(maps.Values(prometheus.HeaderFiles))
			named = append(named, prometheus.CAFile, prometheus.CertFile, prometheus.KeyFile, prometheus.TokenFile, prometheus.AuthorizationFile)
			for _, file := range named {
				assert.True(t, file == "" || files[file], "%s is not mounted", file)
				delete(files, file)
			}
			assert.Empty(t, files, "mounted files that the configuration does not name")
		})
	}
}

// TestDeletionCostsRestartWithTheirConfiguration: the writer reads its configuration when it starts, so a changed one replaces its pod, and the
// image is the doctor's.
func TestDeletionCostsRestartWithTheirConfiguration(t *testing.T) {
	t.Parallel()
	checksum := func(values string) string {
		return chart.Render(t, withCosts(), chart.Parse(t, values)).Deployment(t, chart.DeletionCost).Spec.Template.Annotations["checksum/config"]
	}
	before := checksum("")
	assert.Equal(t, before, checksum("{doctor: {enabled: false}, alerts: {enabled: false}}"), "the checksum after a change of other parts")
	for _, values := range []string{`signals: {demand: {window: 2m}}`, `prometheus: {scrapeInterval: 10s}`, `prometheus: {service: {port: 80}}`} {
		assert.NotEqual(t, before, checksum(values), "the checksum after a change of the configuration: %s", values)
	}
	own := chart.Render(t, withCosts(), chart.Parse(t, `doctor: {enabled: false, image: {registry: registry.example, tag: "1"}}`))
	container := own.Container(t, chart.DeletionCost)
	assert.Equal(t, "registry.example/holograph-doctor:1", container.Image)
	assert.Equal(t, []string{"deletion-cost", "--config=" + container.VolumeMounts[0].MountPath + "/" + deletioncost.File}, container.Args)
	assert.NotContains(t, own.Notes, "the image of the writer of deletion costs")
	assert.Contains(t, chart.Render(t, withCosts()).Notes, "NOTE: for the writer of deletion costs: localhost/holograph-doctor:0.1.0 is in no registry.")
}
