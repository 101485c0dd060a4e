package chart_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
)

// scaledObject is KEDA's ScaledObject as far as the chart writes it; the definition in KEDA's module holds the rest
// to account (chart.Object.Validate).
type scaledObject struct {
	Metadata struct {
		Name        string
		Annotations map[string]string
	}
	Spec struct {
		ScaleTargetRef                   autoscalingv2.CrossVersionObjectReference
		MinReplicaCount, MaxReplicaCount int
		Fallback                         struct {
			FailureThreshold, Replicas int
			Behavior                   string
		}
		Advanced struct {
			HorizontalPodAutoscalerConfig struct {
				Name     string
				Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior
			}
		}
		Triggers []struct {
			Type, Name, MetricType string
			Metadata               map[string]string
			AuthenticationRef      struct{ Name string }
		}
	}
}

func renderedScaledObject(t *testing.T, rendered *chart.Rendered) scaledObject {
	t.Helper()
	var found []scaledObject
	for _, object := range rendered.Objects {
		if object.Kind() != "ScaledObject" {
			continue
		}
		text, err := yaml.Marshal(object)
		require.NoError(t, err)
		var decoded scaledObject
		require.NoError(t, yaml.Unmarshal(text, &decoded))
		found = append(found, decoded)
	}
	require.Len(t, found, 1)
	return found[0]
}

// TestScaledObject: the ScaledObject scales as the autoscaler and the adapter's rules do: same limits, behavior, targets and
// queries.
func TestScaledObject(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, named(t, "KEDA"))
	object := renderedScaledObject(t, rendered)
	autoscaler := chart.Render(t).HorizontalPodAutoscaler(t)
	rules := chart.Render(t).AdapterConfig(t).Rules

	assert.Equal(t, autoscaler.Spec.ScaleTargetRef, object.Spec.ScaleTargetRef)
	assert.EqualValues(t, *autoscaler.Spec.MinReplicas, object.Spec.MinReplicaCount)
	assert.EqualValues(t, autoscaler.Spec.MaxReplicas, object.Spec.MaxReplicaCount)
	assert.Equal(t, autoscaler.Spec.Behavior, object.Spec.Advanced.HorizontalPodAutoscalerConfig.Behavior)
	assert.Equal(t, autoscaler.Name, object.Spec.Advanced.HorizontalPodAutoscalerConfig.Name, "name of KEDA's autoscaler: that of the running one, so that KEDA takes it over")
	assert.Equal(t, "true", object.Metadata.Annotations["scaledobject.keda.sh/transfer-hpa-ownership"])

	series := []string{"holograph_frames_over_budget_total", "holograph_offered_cpu_seconds_total"}
	require.Len(t, object.Spec.Triggers, len(autoscaler.Spec.Metrics))
	for i, trigger := range object.Spec.Triggers {
		assert.Equal(t, "prometheus", trigger.Type)
		assert.Equal(t, "AverageValue", trigger.MetricType)
		assert.Equal(t, autoscaler.Spec.Metrics[i].Pods.Target.AverageValue.AsApproximateFloat64(), parseNumber(t, trigger.Metadata["threshold"]))
		assert.Equal(t, "false", trigger.Metadata["ignoreNullValues"], "ignoreNullValues: an empty result must not be read as 0")
		assert.Equal(t, "http://holograph-prometheus.holograph.svc:9090", trigger.Metadata["serverAddress"])
		// Two names make the rule's matcher a regular expression, as the trigger's is.
		want := rules[i].Query(t, series[i], "holograph", "PODS", "")
		want = strings.ReplaceAll(strings.ReplaceAll(want, `PODS|`, `holograph-renderer-[bcdfghjklmnpqrstvwxz2456789]{1,10}-?[bcdfghjklmnpqrstvwxz2456789]{5}`), "\n", " ")
		assert.True(t, strings.HasPrefix(trigger.Metadata["query"], "sum("+want+") + "+trigger.Metadata["threshold"]+" * (count("),
			"the query of %s is %s, want the sum of %s and a term for pods without a value", trigger.Name, trigger.Metadata["query"], want)
	}

	assert.Empty(t, chart.Of[*autoscalingv2.HorizontalPodAutoscaler](t, rendered), "HorizontalPodAutoscalers of the chart, want none because KEDA creates it")
	assert.NotContains(t, components(rendered), "prometheus-adapter")
	assert.Contains(t, rendered.Notes, "get scaledobject holograph-renderer")
	assert.NotContains(t, rendered.Notes, "custom.metrics.k8s.io")
}

// TestKEDAQueries runs the queries of the triggers in Prometheus' own engine.
func TestKEDAQueries(t *testing.T) {
	t.Parallel()
	triggers := renderedScaledObject(t, chart.Render(t, named(t, "KEDA"))).Spec.Triggers
	ruleTest(t, t.TempDir(), "keda_query.yaml", func(name string) string {
		switch name {
		case "overruns":
			return triggers[0].Metadata["query"]
		case "demand":
			return triggers[1].Metadata["query"]
		}
		require.FailNow(t, "unknown placeholder", "${%s}", name)
		return ""
	})
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

// TestKEDAShowsItsCredentials: what Prometheus asks for is named in a TriggerAuthentication that both triggers use.
func TestKEDAShowsItsCredentials(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, named(t, "KEDA"), chart.Parse(t, `
prometheus:
  enabled: false
  url: https://prometheus.example
  headers: {X-Scope-OrgID: team-a}
  tls: {caSecret: {name: private-ca}, clientSecret: mine}
  auth: {bearerToken: {existingSecret: token}}`))
	for _, trigger := range renderedScaledObject(t, rendered).Spec.Triggers {
		assert.Equal(t, "https://prometheus.example", trigger.Metadata["serverAddress"])
		assert.Equal(t, "tls,bearer", trigger.Metadata["authModes"])
		assert.Equal(t, "X-Scope-OrgID=team-a", trigger.Metadata["customHeaders"])
		assert.Equal(t, "holograph-renderer", trigger.AuthenticationRef.Name)
	}
	var authentications int
	for _, object := range rendered.Objects {
		if object.Kind() != "TriggerAuthentication" {
			continue
		}
		authentications++
		require.NoError(t, chart.Newest.Validate(object))
		text, err := yaml.Marshal(object["spec"])
		require.NoError(t, err)
		assert.YAMLEq(t, `
secretTargetRef:
  - {parameter: ca, name: private-ca, key: ca.crt}
  - {parameter: cert, name: mine, key: tls.crt}
  - {parameter: key, name: mine, key: tls.key}
  - {parameter: bearerToken, name: token, key: token}`, string(text))
	}
	assert.Equal(t, 1, authentications)
}

// parseNumber returns the number that a text holds.
func parseNumber(t *testing.T, text string) float64 {
	t.Helper()
	value, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return value
}

var refusalsOfKEDA = map[string]refusal{
	"a CA without credentials": {
		`{autoscaling: {provider: keda}, prometheus: {enabled: false, url: https://prometheus.example, tls: {caSecret: {name: private-ca}}}}`,
		`prometheus.tls: must not have a CA without credentials where KEDA queries Prometheus (got a CA alone), because KEDA uses a CA only together with credentials: write prometheus.auth or prometheus.tls.clientSecret, or give the CA to KEDA's operator and remove it here.`},
	"a header of two": {
		`{autoscaling: {provider: keda}, prometheus: {enabled: false, url: https://prometheus.example, headers: {X-Scope-OrgID: "a,b"}}}`,
		`prometheus.headers.X-Scope-OrgID: must be a value without , and = (got one with them), because KEDA splits headers at them: write a value without them.`},
	"two secret headers": {
		`{autoscaling: {provider: keda}, prometheus: {enabled: false, url: https://prometheus.example, headersFrom: {X-B: {name: a, key: b}, X-A: {name: a, key: a}}}}`,
		`prometheus.headersFrom: must be one header where KEDA queries Prometheus (got X-A, X-B), because its scaler takes only one header from a Secret: keep one.`},
	"a secret header beside a token": {
		`{autoscaling: {provider: keda}, prometheus: {enabled: false, url: https://prometheus.example, headersFrom: {X-A: {name: a, key: b}}, auth: {bearerToken: {existingSecret: token}}}}`,
		`prometheus.headersFrom: must be empty with prometheus.auth where KEDA queries Prometheus (got X-A), because its scaler sends either a login or a header from a Secret: remove one of them.`},
	"a fallback above the maximum": {
		`{keda: {fallback: {replicas: 11}}, autoscaling: {provider: keda}}`,
		`keda.fallback.replicas: must be from autoscaling.minReplicas to autoscaling.maxReplicas (got 11, with 2 to 10), because KEDA could not scale to it: write a number between them, or leave it empty.`},
}

var refusalsOfTakeBack = map[string]refusal{
	"the autoscaler is KEDA's": {"",
		"autoscaling.provider: must be keda while KEDA scales the renderers (got hpa), because HorizontalPodAutoscaler holograph/holograph-renderer belongs to ScaledObject holograph-renderer and is deleted with it: " +
			"first run kubectl --namespace holograph delete scaledobject holograph-renderer, which changes no pods, or write autoscaling.provider: keda."},
}

// TestTakeBack: an upgrade from KEDA to the autoscaler is refused while the HorizontalPodAutoscaler is owned by KEDA's
// ScaledObject, and would be deleted with it. Another owner, or none, is accepted.
func TestTakeBack(t *testing.T) {
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

// TestOldKEDAIsNamed: the notes name a KEDA that ignores the fallback's behavior, where the cluster shows its kinds.
func TestOldKEDAIsNamed(t *testing.T) {
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
