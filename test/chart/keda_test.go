package chart_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
	"holograph/test/internal/promtool"
)

func renderedScaledObject(t *testing.T, rendered *chart.Rendered) chart.ScaledObject {
	t.Helper()
	var found []chart.ScaledObject
	for _, object := range rendered.Objects {
		if object.Kind() == "ScaledObject" {
			var decoded chart.ScaledObject
			require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(object, &decoded))
			found = append(found, decoded)
		}
	}
	require.Len(t, found, 1)
	return found[0]
}

// triggerAuthentication returns the spec of the only TriggerAuthentication of a rendering as YAML.
func triggerAuthentication(t *testing.T, rendered *chart.Rendered) string {
	t.Helper()
	found := ofKind(rendered, "TriggerAuthentication")
	require.Len(t, found, 1, "TriggerAuthentications")
	object := found["holograph-renderer"]
	require.NoError(t, chart.Newest.Validate(object))
	text, err := yaml.Marshal(object["spec"])
	require.NoError(t, err)
	return string(text)
}

// TestScaledObject: the ScaledObject scales as the autoscaler and the adapter's rules do: same limits, behavior, targets and
// queries.
func TestScaledObject(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, named(t, "KEDA"))
	object := renderedScaledObject(t, rendered)
	autoscaler := chart.Render(t).HorizontalPodAutoscaler(t)
	rules := chart.Render(t, totals).AdapterConfig(t).Rules

	assert.Equal(t, autoscaler.Spec.ScaleTargetRef, object.Spec.ScaleTargetRef)
	assert.Equal(t, autoscaler.Spec.MinReplicas, object.Spec.MinReplicaCount)
	assert.Equal(t, &autoscaler.Spec.MaxReplicas, object.Spec.MaxReplicaCount)
	assert.Equal(t, autoscaler.Spec.Behavior, object.Spec.Advanced.HorizontalPodAutoscalerConfig.Behavior)
	assert.Equal(t, autoscaler.Name, object.Spec.Advanced.HorizontalPodAutoscalerConfig.Name, "name of KEDA's autoscaler: that of the running one, so that KEDA takes it over")
	assert.Equal(t, "true", object.Annotations["scaledobject.keda.sh/transfer-hpa-ownership"])

	series := []string{"holograph_frames_over_budget_total", "holograph_offered_cpu_seconds_total"}
	require.Len(t, object.Spec.Triggers, len(autoscaler.Spec.Metrics))
	for i, trigger := range object.Spec.Triggers {
		assert.Equal(t, "prometheus", trigger.Type)
		assert.Equal(t, autoscalingv2.AverageValueMetricType, trigger.MetricType)
		assert.Equal(t, autoscaler.Spec.Metrics[i].Pods.Target.AverageValue.AsApproximateFloat64(), parseNumber(t, trigger.Metadata["threshold"]))
		assert.Equal(t, "false", trigger.Metadata["ignoreNullValues"], "ignoreNullValues: an empty result must not be read as 0")
		assert.Equal(t, "http://holograph-prometheus.holograph.svc:9090", trigger.Metadata["serverAddress"])
		total, err := promtool.Parse(rules[i].TotalQuery(t, series[i], "holograph", "holograph-renderer"))
		require.NoError(t, err)
		query, err := promtool.Parse(trigger.Metadata["query"])
		require.NoError(t, err)
		// The adapter adds the label by which it finds the Deployment.
		assert.Equal(t, total.(*parser.Call).Args[0].String(), query.String(), "the query of %s, which must be the total of an Object metric", trigger.Name)
		assert.NotContains(t, trigger.Metadata["query"], "\n", "the query of %s, which is one line", trigger.Name)
	}

	assert.Empty(t, chart.Of[*autoscalingv2.HorizontalPodAutoscaler](t, rendered), "HorizontalPodAutoscalers of the chart, want none because KEDA creates it")
	assert.NotContains(t, components(rendered), "prometheus-adapter")
	assert.Contains(t, rendered.Notes, "get scaledobject holograph-renderer")
	assert.NotContains(t, rendered.Notes, "custom.metrics.k8s.io")
}

// kedaQueries returns the queries of the two triggers.
func kedaQueries(t *testing.T, values ...chart.Values) (overruns, demand string) {
	t.Helper()
	triggers := renderedScaledObject(t, chart.Render(t, append([]chart.Values{named(t, "KEDA")}, values...)...)).Spec.Triggers
	return triggers[0].Metadata["query"], triggers[1].Metadata["query"]
}

// TestKEDAWithoutTargets runs KEDA's queries in a Prometheus that is sent its samples and has no targets.
func TestKEDAWithoutTargets(t *testing.T) {
	t.Parallel()
	overruns, demand := kedaQueries(t, unlimited, chart.Parse(t, "prometheus: {enabled: false, url: http://prometheus.example}"))
	ruleTest(t, t.TempDir(), "keda_query.yaml", func(name string) string {
		query, known := map[string]string{"overruns": overruns, "demand": demand}[name]
		require.True(t, known, "no such placeholder: ${%s}", name)
		return query
	})
}

// TestKEDATakesTotals: KEDA knows no value of a pod, so that metricType changes nothing, and pods can be spare.
func TestKEDATakesTotals(t *testing.T) {
	t.Parallel()
	overruns, demand := kedaQueries(t)
	same, other := kedaQueries(t, totals)
	assert.Equal(t, []string{overruns, demand}, []string{same, other}, "queries of KEDA with metricType Object")
	_, spare := kedaQueries(t, chart.Set("autoscaling.headroom", 0.5))
	assert.NotEqual(t, demand, spare, "query of KEDA with headroom")
}

// TestKEDAQueriesFitIntoAnAddress: KEDA sends a query in the URL, of which proxies such as nginx take 8 kB by default.
func TestKEDAQueriesFitIntoAnAddress(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]string{
		"default":                 "",
		"histogram":               "signals: {overruns: {histogram: {metric: frame_duration_seconds}}}",
		"histogram, longest name": "{fullnameOverride: " + strings.Repeat("h", 43) + ", signals: {overruns: {histogram: {metric: frame_duration_seconds}}}}",
	} {
		overruns, demand := kedaQueries(t, chart.Parse(t, values))
		for _, query := range []string{overruns, demand} {
			assert.Less(t, len(url.QueryEscape(query)), 8000, "bytes of a query in a URL: %s", name)
		}
	}
}

// TestKEDAThresholds: a target is a quantity, and KEDA parses plain numbers.
func TestKEDAThresholds(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]float64{"0.1": 0.1, "100m": 0.1, "2": 2, "1k": 1000, "1.5": 1.5} {
		values := chart.Parse(t, "signals: {overruns: {target: "+`"`+target+`"`+"}}")
		trigger := renderedScaledObject(t, chart.Render(t, named(t, "KEDA"), values)).Spec.Triggers[0]
		assert.InDelta(t, want, parseNumber(t, trigger.Metadata["threshold"]), 1e-12, target)
	}
}

// TestKEDAHasAnIdentityOfItsOwn: with a TriggerAuthentication of the cluster's, such as one for a cloud identity, the
// triggers of the signals name it and the chart makes none.
func TestKEDAHasAnIdentityOfItsOwn(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, named(t, "KEDA"), chart.Parse(t, `
prometheus: {enabled: false, url: "https://aps-workspaces.eu-central-1.amazonaws.com/workspaces/ws-1"}
keda:
  authenticationRef: {name: aws, kind: ClusterTriggerAuthentication}
  metadata: {awsRegion: eu-central-1}
  triggers: [{type: cron, name: show, metadata: {start: "0 8 * * *"}}]`))
	triggers := renderedScaledObject(t, rendered).Spec.Triggers
	require.Len(t, triggers, 3, "triggers: two signals and one of the values")
	for _, trigger := range triggers[:2] {
		assert.Equal(t, "aws", trigger.AuthenticationRef.Name, "authentication of %s", trigger.Name)
		assert.Equal(t, "ClusterTriggerAuthentication", trigger.AuthenticationRef.Kind, "kind of the authentication of %s", trigger.Name)
		assert.Equal(t, "eu-central-1", trigger.Metadata["awsRegion"], "region of %s", trigger.Name)
		assert.NotContains(t, trigger.Metadata, "authModes", "%s: KEDA refuses modes beside a cloud identity", trigger.Name)
	}
	assert.Empty(t, triggers[2].AuthenticationRef.Name, "authentication of a trigger of the values, which names its own")
	for _, object := range rendered.Objects {
		assert.NotEqual(t, "TriggerAuthentication", object.Kind(), "the chart makes none beside the one that is named")
	}
}

// TestKEDAShowsItsCredentials: what Prometheus asks for is named in a TriggerAuthentication that both triggers use.
func TestKEDAShowsItsCredentials(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, named(t, "KEDA"), chart.Parse(t, `
prometheus:
  enabled: false
  url: https://prometheus.example/team/
  headers: {X-Scope-OrgID: team-a}
  tls: {caSecret: {name: private-ca}, clientSecret: mine}
  auth: {bearerToken: {existingSecret: token}}`))
	for _, trigger := range renderedScaledObject(t, rendered).Spec.Triggers {
		assert.Equal(t, "https://prometheus.example/team", trigger.Metadata["serverAddress"], "KEDA appends a path that begins with a slash")
		assert.Equal(t, "tls,bearer", trigger.Metadata["authModes"])
		assert.Equal(t, "X-Scope-OrgID=team-a", trigger.Metadata["customHeaders"])
		assert.Equal(t, "holograph-renderer", trigger.AuthenticationRef.Name)
	}
	assert.YAMLEq(t, `
secretTargetRef:
  - {parameter: ca, name: private-ca, key: ca.crt}
  - {parameter: cert, name: mine, key: tls.crt}
  - {parameter: key, name: mine, key: tls.key}
  - {parameter: bearerToken, name: token, key: token}`, triggerAuthentication(t, rendered))
}

// parseNumber returns the number that a text holds.
func parseNumber(t *testing.T, text string) float64 {
	t.Helper()
	value, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return value
}

var refusalsOfKEDA = map[string]refusal{
	"a Prometheus that anyone could pose as": {
		`{autoscaling: {provider: keda}, keda: {metadata: {unsafeSsl: "true"}}}`,
		`keda.metadata.unsafeSsl: must be false (got another value), because anyone on the way could pose as Prometheus, and so set the number of pods: remove it, and for a private CA write prometheus.tls together with credentials in prometheus.auth, or a TriggerAuthentication with the CA and credentials in keda.authenticationRef.name, and their kind in keda.metadata.authModes.`},
	"a CA without credentials": {
		`{autoscaling: {provider: keda}, prometheus: {enabled: false, url: https://prometheus.example, tls: {caSecret: {name: private-ca}}}}`,
		`prometheus.tls: must not have a CA without credentials where KEDA queries Prometheus (got a CA alone), because KEDA uses a CA only together with credentials: write prometheus.auth or prometheus.tls.clientSecret, or a TriggerAuthentication with the CA and credentials in keda.authenticationRef.name, and their kind in keda.metadata.authModes.`},
	"a CA that KEDA does not read": {
		`{autoscaling: {provider: keda}, keda: {authenticationRef: {name: cloud}}, prometheus: {enabled: false, url: https://prometheus.example, tls: {caSecret: {name: private-ca}}}}`,
		`prometheus.tls: must not have a CA without credentials where KEDA queries Prometheus (got a CA alone), because KEDA uses a CA only together with credentials: write prometheus.auth or prometheus.tls.clientSecret, or a TriggerAuthentication with the CA and credentials in keda.authenticationRef.name, and their kind in keda.metadata.authModes.`},
	"a header of two": {
		`{autoscaling: {provider: keda}, prometheus: {enabled: false, url: https://prometheus.example, headers: {X-Scope-OrgID: "a,b"}}}`,
		`prometheus.headers.X-Scope-OrgID: must be a value without , and = (got one with them), because KEDA splits headers at them: write a value without them.`},
	"two secret headers": {
		`{autoscaling: {provider: keda}, prometheus: {enabled: false, url: https://prometheus.example, headersFrom: {X-B: {name: a, key: b}, X-A: {name: a, key: a}}}}`,
		`prometheus.headersFrom: must be one header where KEDA queries Prometheus (got X-A, X-B), because its scaler takes only one header from a Secret: keep one.`},
	"a secret header beside a token": {
		`{autoscaling: {provider: keda}, prometheus: {enabled: false, url: https://prometheus.example, headersFrom: {X-A: {name: a, key: b}}, auth: {bearerToken: {existingSecret: token}}}}`,
		`prometheus.headersFrom: must be empty with prometheus.auth where KEDA queries Prometheus (got X-A), because its scaler sends either a login or a header from a Secret: remove one of them.`},
	"a minimum above the maximum, which the fallback follows": {
		`autoscaling: {provider: keda, minReplicas: 20}`,
		`autoscaling.minReplicas: must be at most autoscaling.maxReplicas (got 20, with a maximum of 10), because Kubernetes takes no such autoscaler: lower the minimum or raise the maximum.`},
	"a fallback above the maximum": {
		`{keda: {fallback: {replicas: 11}}, autoscaling: {provider: keda}}`,
		`keda.fallback.replicas: must be from autoscaling.minReplicas to autoscaling.maxReplicas (got 11, with 2 to 10), because KEDA could not scale to it: write a number between them, or null.`},
}

var refusalsOfTakeBack = map[string]refusal{
	"the autoscaler is KEDA's": {"",
		"autoscaling.provider: must be keda while KEDA scales the renderers (got hpa), because HorizontalPodAutoscaler holograph/holograph-renderer belongs to ScaledObject holograph-renderer and is deleted with it: " +
			"first run kubectl --namespace holograph delete scaledobject holograph-renderer, which changes no pods, or write autoscaling.provider: keda."},
}

// TestUpgradeFromKEDAIsRefusedWhileItOwnsTheAutoscaler: an upgrade from KEDA to the autoscaler is refused while the HorizontalPodAutoscaler is owned by KEDA's
// ScaledObject, and would be deleted with it. Another owner, or none, is accepted.
func TestUpgradeFromKEDAIsRefusedWhileItOwnsTheAutoscaler(t *testing.T) {
	t.Parallel()
	autoscaler := func(owner string) []chart.Object {
		return []chart.Object{chart.Object(chart.Parse(t, `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: holograph-renderer, namespace: holograph, ownerReferences: [`+owner+`]}`))}
	}
	kedas := autoscaler(`{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, name: holograph-renderer, uid: a}`)
	_, err := chart.Template(chart.Options{Cluster: kedas})
	require.Error(t, err)
	assert.Equal(t, refusalsOfTakeBack["the autoscaler is KEDA's"].message, failurePlace.ReplaceAllString(err.Error(), ""))
	_, err = chart.Template(chart.Options{Cluster: kedas, Values: []chart.Values{named(t, "KEDA")}})
	assert.NoError(t, err, "upgrade that keeps KEDA, want it accepted")
	for _, other := range []string{"", "{apiVersion: v1, kind: ConfigMap, name: team, uid: b}"} {
		_, err = chart.Template(chart.Options{Cluster: autoscaler(other)})
		assert.NoError(t, err, "owner %q", other)
	}
}

// TestNotesNameAnOldKEDA: the notes name a KEDA that ignores the fallback's behavior, where the cluster shows its kinds.
func TestNotesNameAnOldKEDA(t *testing.T) {
	t.Parallel()
	const scaledObjects, events = "keda.sh/v1alpha1/ScaledObject", "eventing.keda.sh/v1alpha1/ClusterCloudEventSource"
	for name, test := range map[string]struct {
		kinds []string
		want  bool
	}{
		"a cluster that is not read": {nil, false},
		"KEDA of today":              {[]string{scaledObjects, events}, false},
		"KEDA 2.15":                  {[]string{scaledObjects}, true},
	} {
		notes := chart.RenderWith(t, chart.Options{APIVersions: test.kinds, Values: []chart.Values{named(t, "KEDA")}}).Notes
		assert.Equal(t, test.want, strings.Contains(notes, "older than 2.17"), "%s: whether the notes say that KEDA is too old: %s", name, notes)
	}
	assert.NotContains(t, chart.RenderWith(t, chart.Options{APIVersions: []string{scaledObjects}}).Notes, "2.17", "notes of a release that KEDA does not scale")
}
