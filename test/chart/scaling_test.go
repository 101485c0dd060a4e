package chart_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"

	"holograph/test/internal/chart"
	"holograph/test/internal/connections"
)

var refusalsOfScaling = map[string]refusal{
	"metrics that KEDA does not take": {
		`autoscaling: {provider: keda, metrics: [{type: Resource, resource: {name: cpu}}]}`,
		`autoscaling.metrics: must be empty with autoscaling.provider keda (got 1), because KEDA makes the metrics of its autoscaler from triggers: write them as keda.triggers.`},
	"triggers without KEDA": {
		`keda: {triggers: [{type: cron}]}`,
		`keda.triggers: must be empty with autoscaling.provider hpa (got a value), because only KEDA uses it: write autoscaling.provider: keda, or remove it.`},
	"trigger with the name of a signal": {
		`{autoscaling: {provider: keda}, keda: {triggers: [{type: cron, name: demand}]}}`,
		`keda.triggers[0].name: must be unique (got demand, which another trigger has), because KEDA refuses a ScaledObject with one name twice and does not scale: write another name.`},
	"identity without KEDA": {
		`keda: {authenticationRef: {name: aws}}`,
		`keda.authenticationRef.name: must be empty with autoscaling.provider hpa (got aws), because only KEDA uses it: write autoscaling.provider: keda, or prometheus.auth for the adapter.`},
	"identity for the embedded Prometheus": {
		`{autoscaling: {provider: keda}, keda: {authenticationRef: {name: aws}}}`,
		`keda.authenticationRef.name: must be empty where prometheus.enabled is true (got aws), because KEDA must show the embedded Prometheus its login, which the chart hands to KEDA: remove it.`},
	"identity beside a login": {
		`{autoscaling: {provider: keda}, keda: {authenticationRef: {name: aws}}, prometheus: {enabled: false, url: "https://prometheus.example", auth: {basicAuth: {existingSecret: login}}}}`,
		`keda.authenticationRef.name: must be empty with credentials in prometheus.auth, prometheus.tls.clientSecret or prometheus.headersFrom (got aws), because a trigger names only one authentication: remove one of the two.`},
	"query in KEDA's metadata": {
		`{autoscaling: {provider: keda}, keda: {metadata: {query: up}}}`,
		`keda.metadata.query: must not be set (got a value), because the chart writes it itself: write signals.`},
	"missing values read as 0": {
		`{autoscaling: {provider: keda}, keda: {metadata: {ignoreNullValues: "true"}}}`,
		`keda.metadata.ignoreNullValues: must not be set (got a value), because KEDA must not read a missing value as 0 and remove pods: remove it.`},
	"modes of an authentication that is not named": {
		`{autoscaling: {provider: keda}, keda: {metadata: {authModes: basic}}}`,
		`keda.metadata.authModes: must not be set without keda.authenticationRef.name (got a value), because the chart writes it for prometheus.auth: remove it, or name the TriggerAuthentication that holds the credentials.`},
	"idle at the minimum": {
		`{autoscaling: {provider: keda, minReplicas: 0}, keda: {idleReplicaCount: 0, triggers: [{type: cron}]}}`,
		`keda.idleReplicaCount: must be below autoscaling.minReplicas (got 0 for both), because KEDA does not scale otherwise: write null for it, or a higher autoscaling.minReplicas.`},
	"no pods and nothing that starts one": {
		`autoscaling: {provider: keda, minReplicas: 0}`,
		`autoscaling.minReplicas: must be 1 or more without an entry in keda.triggers that has a value without pods (got 0), because without pods nothing counts frames or uses CPU and memory, and the first pod would never start: write such a trigger, like cron.`},
	"a metric of a container that is not there": {
		`autoscaling: {metrics: [{type: ContainerResource, containerResource: {name: cpu, container: encoder, target: {type: Utilization, averageUtilization: 70}}}]}`,
		`autoscaling.metrics[0].containerResource.container: must be a container of the renderer's pods (got encoder), because the autoscaler would have no value for it, and would remove no pod: write renderer.`},
	"a utilization of a container that requests nothing": {
		`{autoscaling: {metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]}, renderer: {extraContainers: [{name: exporter, image: exporter}]}}`,
		`renderer.extraContainers[0].resources.requests.cpu: must be set with the Utilization in autoscaling.metrics[0] (got none), because that is a share of what the containers request, and the autoscaler would have no value for it and would remove no pod: write what the container needs.`},
	"a utilization of a sidecar that requests nothing": {
		`{autoscaling: {provider: keda}, keda: {triggers: [{type: memory, metricType: Utilization, metadata: {value: "70"}}]}, renderer: {initContainers: [{name: proxy, image: proxy, restartPolicy: Always, resources: {requests: {cpu: 10m}}}]}}`,
		`renderer.initContainers[0].resources.requests.memory: must be set with the Utilization in keda.triggers[0] (got none), because that is a share of what the containers request, and the autoscaler would have no value for it and would remove no pod: write what the container needs.`},
	"a trigger on CPU without its type": {
		`{autoscaling: {provider: keda}, keda: {triggers: [{type: cpu, metadata: {value: "70"}}]}}`,
		`keda.triggers[0].metricType: must be Utilization or AverageValue for a trigger of type cpu (got none), because KEDA has no other for it, and would scale by none of the triggers: write Utilization.`},
	"a trigger of a type that it does not have": {
		`{autoscaling: {provider: keda}, keda: {triggers: [{type: cron, metricType: Utilization}]}}`,
		`keda.triggers[0].metricType: must be AverageValue or Value for a trigger of type cron (got Utilization), because KEDA has no other for it, and would scale by none of the triggers: write AverageValue.`},
	"a trigger of values that KEDA does not keep": {
		`{autoscaling: {provider: keda}, keda: {triggers: [{type: cron, useCachedMetrics: true}]}}`,
		`keda.triggers[0].useCachedMetrics: must be false for a trigger of type cron (got true), because KEDA refuses a ScaledObject with it: remove it.`},
	"a target without a formula": {
		`{autoscaling: {provider: keda}, keda: {scalingModifiers: {target: "2"}}}`,
		`keda.scalingModifiers.formula: must be set with keda.scalingModifiers (got none), because KEDA does not scale without it: write a formula over the names of the triggers, like max([overruns, demand]).`},
	"a formula without a target": {
		`{autoscaling: {provider: keda}, keda: {scalingModifiers: {formula: "max([overruns, demand])"}}}`,
		`keda.scalingModifiers.target: must be a number above 0 (got none), because KEDA divides the formula by it to get the number of pods, and does not scale without it: write it like "0.75".`},
	"a formula of a utilization": {
		`{autoscaling: {provider: keda}, keda: {scalingModifiers: {formula: "max([overruns, demand])", target: "2", metricType: Utilization}}}`,
		`keda.scalingModifiers.metricType: must be AverageValue or Value (got Utilization), because KEDA has no other for a formula, and does not scale: write AverageValue.`},
	"no pods and a trigger on their own CPU": {
		`{autoscaling: {provider: keda}, keda: {idleReplicaCount: 0, triggers: [{type: cpu, metricType: Utilization, metadata: {value: "70"}}]}}`,
		`keda.idleReplicaCount: must be null without an entry in keda.triggers that has a value without pods (got 0), because without pods nothing counts frames or uses CPU and memory, and the first pod would never start: write such a trigger, like cron.`},
	"idle pods without KEDA": {
		`keda: {idleReplicaCount: 0}`,
		`keda.idleReplicaCount: must be empty with autoscaling.provider hpa (got a value), because only KEDA uses it: write autoscaling.provider: keda, or remove it.`},
	"no pods and nobody who says so": {
		`{autoscaling: {provider: keda, minReplicas: 0}, keda: {triggers: [{type: cron}]}, kubeStateMetrics: {enabled: false}}`,
		`kubeStateMetrics.enabled: must be true where KEDA scales to 0 pods (got false), because the queries could not tell a Deployment without pods from a loss of all samples: write true, or a higher minimum.`},
	"spare pods of no pods": {
		`{autoscaling: {provider: keda, minReplicas: 0, headroom: 0.5}, keda: {triggers: [{type: cron}]}}`,
		`autoscaling.headroom: must be 0 where the autoscaler may remove all pods (got 0.5), because it asks for spare pods without any load too, and would never remove the last one: write 0, or an autoscaling.minReplicas of 1 or more and null for keda.idleReplicaCount.`},
	"no pods without KEDA": {
		`autoscaling: {minReplicas: 0, metrics: [{type: Resource, resource: {name: cpu}}]}`,
		`autoscaling.minReplicas: must be 1 or more without an External or Object metric in autoscaling.metrics (got 0), because the signals have no value without pods, and the first pod would never start: write 1, or a metric that has a value without pods.`},
	"KEDA without a Prometheus": {
		`{autoscaling: {provider: keda}, prometheus: {enabled: false}}`,
		`prometheus.url: must be a URL where prometheus.enabled is false (got none), because KEDA has no Prometheus to query: write the URL of your Prometheus, like http://prometheus.monitoring.svc:9090.`},
}

// external is a metric that has a value without pods.
const external = `[{type: External, external: {metric: {name: waiting}, target: {type: AverageValue, averageValue: "10"}}}]`

// TestOneNumberIsEnough: anyone who changes one of these numbers writes only that number.
func TestOneNumberIsEnough(t *testing.T) {
	t.Parallel()
	for _, values := range []string{
		`prometheus: {scrapeInterval: 30s}`,
		`prometheus: {scrapeInterval: 1m}`,
		`prometheus: {scrapeInterval: 2m30s}`,
		`autoscaling: {provider: keda}`,
		`autoscaling: {provider: keda, minReplicas: 5}`,
		`autoscaling: {provider: keda, maxReplicas: 3}`,
		`slo: {objective: 90}`,
		`slo: {objective: "99.9"}`,
		`slo: {window: 1d}`,
		`prometheus: {retention: {time: 2d}}`,
		`renderer: {podDisruptionBudget: {minAvailable: 50%}}`,
		`signals: {overruns: {window: 10m}}`,
		`autoscaling: {podStart: 2m}`,
	} {
		rendered, err := chart.Template(chart.Options{Values: []chart.Values{chart.Parse(t, values)}})
		require.NoError(t, err, "%s alone is refused, want it accepted", values)
		assert.NotEmpty(t, rendered.Manifest, "the manifest with %s", values)
	}
}

// TestTimesFollowTheScrapes: what is empty in the values follows from the scrape interval.
func TestTimesFollowTheScrapes(t *testing.T) {
	t.Parallel()
	for scrapes, want := range map[string]struct {
		overruns, demand, relist, age string
		step                          int32
	}{
		"5s":  {"[2m]", "[1m]", "30s", "2m", 140},
		"15s": {"[2m]", "[1m]", "30s", "2m", 150},
		"30s": {"[2m]", "[2m]", "30s", "2m", 165},
		"1m":  {"[4m]", "[4m]", "1m", "4m", 315},
	} {
		rendered := chart.Render(t, chart.Set("prometheus.scrapeInterval", scrapes), chart.Parse(t, "autoscaling: {behavior: {scaleUp: {policies: [{type: Pods, value: 4}]}}}"))
		rules := rendered.AdapterConfig(t).Rules
		assert.Contains(t, rules[0].MetricsQuery, want.overruns, "window of late frames with scrapes every %s, want 2m or 4 scrapes", scrapes)
		assert.Contains(t, rules[1].MetricsQuery, want.demand, "window of demand with scrapes every %s, want 1m or 4 scrapes", scrapes)
		args := rendered.Container(t, chart.PrometheusAdapter).Args
		assert.Contains(t, args, "--metrics-relist-interval="+want.relist, "arguments of the adapter with scrapes every %s", scrapes)
		assert.Contains(t, args, "--metrics-max-age="+want.age, "arguments of the adapter with scrapes every %s", scrapes)
		for _, policy := range rendered.HorizontalPodAutoscaler(t).Spec.Behavior.ScaleUp.Policies {
			assert.Equal(t, want.step, policy.PeriodSeconds, "seconds between two steps up with scrapes every %s, want the window, a pod's start and a scrape", scrapes)
		}
	}
}

// TestPeriodsInTheValuesAreUsed: a period in the values is used, and only the others are derived.
func TestPeriodsInTheValuesAreUsed(t *testing.T) {
	t.Parallel()
	for values, want := range map[string][]int32{
		`{}`: {15},
		`{signals: {overruns: {window: 10m}}, autoscaling: {behavior: {scaleUp: {policies: [{type: Pods, value: 1}]}}}}`:      {630},
		`autoscaling: {podStart: 61s, behavior: {scaleUp: {policies: [{type: Pods, value: 1}]}}}`:                             {196},
		`autoscaling: {podStart: 1h, behavior: {scaleUp: {policies: [{type: Pods, value: 1}]}}}`:                              {1800},
		`autoscaling: {behavior: {scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 15}, {type: Pods, value: 2}]}}}`: {15, 150},
	} {
		var periods []int32
		for _, provider := range []string{"hpa", "keda"} {
			rendered := chart.Render(t, chart.Parse(t, values), chart.Set("autoscaling.provider", provider))
			var behavior *autoscalingv2.HorizontalPodAutoscalerBehavior
			if provider == "keda" {
				behavior = renderedScaledObject(t, rendered).Spec.Advanced.HorizontalPodAutoscalerConfig.Behavior
			} else {
				behavior = rendered.HorizontalPodAutoscaler(t).Spec.Behavior
			}
			periods = nil
			for _, policy := range behavior.ScaleUp.Policies {
				periods = append(periods, policy.PeriodSeconds)
			}
			assert.Equal(t, want, periods, "periods of the steps up with %s and provider %s", values, provider)
		}
	}
}

// TestFallbackStaysWithinTheLimits: KEDA's fallback is 4 pods, or the nearest number that the autoscaler may have.
func TestFallbackStaysWithinTheLimits(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]int{
		`{}`:                                 4,
		`autoscaling: {minReplicas: 5}`:      5,
		`autoscaling: {maxReplicas: 3}`:      3,
		`keda: {fallback: {replicas: 2}}`:    2,
		`autoscaling: {maxReplicas: 2}`:      2,
		`autoscaling: {minReplicas: 1}`:      4,
		`{autoscaling: {maxReplicas: 1000}}`: 4,
	} {
		object := renderedScaledObject(t, chart.Render(t, named(t, "KEDA"), chart.Parse(t, values)))
		assert.Equal(t, want, object.Spec.Fallback.Replicas, "pods of the fallback with %s", values)
	}
}

// TestFallbackWaitsForANewFleet: KEDA ignores the failed queries of a trigger for as long as the pods of a new fleet start and their
// demand has no value, which is a scrape and 1.25 windows, and at least 3 of them. It counts those of its autoscaler together
// with those of its own loop.
func TestFallbackWaitsForANewFleet(t *testing.T) {
	t.Parallel()
	// Seconds.
	type fleet struct{ start, valueless, polling int }
	for values, is := range map[string]fleet{
		`{}`:                                  {15, 90, 30},
		`prometheus: {scrapeInterval: 30s}`:   {15, 180, 30},
		`prometheus: {scrapeInterval: 1m}`:    {15, 360, 30},
		`signals: {demand: {window: 61s}}`:    {15, 92, 30},
		`signals: {overruns: {window: 10m}}`:  {15, 90, 30},
		`signals: {demand: {enabled: false}}`: {15, 30, 30},
		`autoscaling: {podStart: 5m}`:         {300, 90, 30},
		`keda: {pollingInterval: 5}`:          {15, 90, 5},
		`keda: {pollingInterval: 300}`:        {15, 90, 300},
		`{signals: {demand: {window: 20s}}, prometheus: {scrapeInterval: 5s}}`:                                  {15, 30, 30},
		`{signals: {demand: {window: 4s}}, prometheus: {scrapeInterval: 1s}, autoscaling: {podStart: "100ms"}}`: {0, 6, 30},
	} {
		queries := 0
		for _, interval := range []int{15, is.polling} {
			for at := 0; at <= is.start+is.valueless; at += interval {
				queries++
			}
		}
		object := renderedScaledObject(t, chart.Render(t, named(t, "KEDA"), chart.Parse(t, values)))
		assert.Equal(t, max(3, queries), object.Spec.Fallback.FailureThreshold, "failed queries that KEDA ignores with %s", values)
	}
	object := renderedScaledObject(t, chart.Render(t, named(t, "KEDA"), chart.Parse(t, `keda: {fallback: {failureThreshold: 2}}`)))
	assert.Equal(t, 2, object.Spec.Fallback.FailureThreshold, "failed queries that KEDA ignores, against what is written")
}

// TestDisruptionBudgetFromOneNumber: one of the two keys is enough, and none is one pod at a time.
func TestDisruptionBudgetFromOneNumber(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		`{}`: `1 of any`,
		`renderer: {podDisruptionBudget: {maxUnavailable: 10%}}`: `10% of any`,
		`renderer: {podDisruptionBudget: {minAvailable: 50%}}`:   `any of 50%`,
	} {
		budgets := chart.Of[*policyv1.PodDisruptionBudget](t, chart.Render(t, chart.Parse(t, values)))
		require.Len(t, budgets, 1)
		got := []string{"any", "any"}
		if budgets[0].Spec.MaxUnavailable != nil {
			got[0] = budgets[0].Spec.MaxUnavailable.String()
		}
		if budgets[0].Spec.MinAvailable != nil {
			got[1] = budgets[0].Spec.MinAvailable.String()
		}
		assert.Equal(t, want, strings.Join(got, " of "), "pods that may be away, and that must stay, with %s", values)
	}
}

// TestObjectiveFromTheCommandLine: `helm --set slo.objective=99.9` gives a text, which means the same as the number.
func TestObjectiveFromTheCommandLine(t *testing.T) {
	t.Parallel()
	number := chart.Render(t, chart.Parse(t, "{slo: {objective: 99.9}, dashboard: {enabled: true}}"))
	text := chart.Render(t, chart.Parse(t, "{slo: {objective: '99.9'}, dashboard: {enabled: true}}"))
	assert.Equal(t, number.PrometheusFiles(t), text.PrometheusFiles(t), "files of Prometheus with the objective as a text, want those with the number")
	refusesEach(t, map[string]any{"slo.objective": "100"})
	for _, wrong := range []any{"0", "0.0", "-1", "99.", "all", 0, 100} {
		refusesEach(t, map[string]any{"slo.objective": wrong})
	}
}

// adapters are the objects that only an adapter needs.
func adapters(rendered *chart.Rendered) []string {
	var found []string
	for _, object := range rendered.Objects {
		metadata, _ := object["metadata"].(map[string]any)
		labels, _ := metadata["labels"].(map[string]any)
		if labels["app.kubernetes.io/component"] == "prometheus-adapter" || object.Kind() == "APIService" {
			found = append(found, object.Kind())
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// TestTheMetricsAPIIsTakenOnlyForAnAutoscaler: a cluster has one custom.metrics.k8s.io, and a release takes it, and runs an
// adapter or writes rules for another, only where an autoscaler asks for them.
func TestTheMetricsAPIIsTakenOnlyForAnAutoscaler(t *testing.T) {
	t.Parallel()
	own := adapters(chart.Render(t))
	require.Contains(t, own, "APIService")
	for name, test := range map[string]struct {
		values string
		want   []string
	}{
		"autoscaling off":                {`autoscaling: {enabled: false}`, nil},
		"autoscaling off, others served": {`{autoscaling: {enabled: false}, servedNamespaces: [film]}`, own},
		"KEDA":                           {`autoscaling: {provider: keda}`, nil},
		"KEDA, others served":            {`{autoscaling: {provider: keda}, servedNamespaces: [film]}`, own},
		"KEDA that is off":               {`autoscaling: {provider: keda, enabled: false}`, nil},
		"another adapter":                {`prometheusAdapter: {enabled: false, existing: {namespace: monitoring}}`, []string{"ConfigMap"}},
		"another adapter and KEDA":       {`{autoscaling: {provider: keda}, prometheusAdapter: {enabled: false, existing: {namespace: monitoring}}}`, nil},
		"another adapter and no scaling": {`{autoscaling: {enabled: false}, prometheusAdapter: {enabled: false, existing: {namespace: monitoring}}}`, nil},
	} {
		rendered := chart.Render(t, chart.Parse(t, test.values))
		assert.Equal(t, test.want, adapters(rendered), "%s: kinds of objects of an adapter", name)
		hasAlert := slices.Contains(alertNames(alerts(t, rendered)), "HolographAdapterUnavailable")
		assert.Equal(t, slices.Contains(test.want, "APIService"), hasAlert, "%s: whether there is an alert on the adapter, want it where one runs", name)
	}
	off := chart.Render(t, chart.Parse(t, `autoscaling: {provider: keda, enabled: false}`))
	assert.NotContains(t, kinds(off), "ScaledObject", "objects of a release without autoscaling")
	assert.EqualValues(t, 2, *off.Deployment(t, chart.Renderer).Spec.Replicas)
}

func kinds(rendered *chart.Rendered) []string {
	var found []string
	for _, object := range rendered.Objects {
		found = append(found, object.Kind())
	}
	return found
}

// TestAddedMetrics: what is added to the autoscaler follows the signals, which stay.
func TestAddedMetrics(t *testing.T) {
	t.Parallel()
	alone := chart.Render(t).HorizontalPodAutoscaler(t).Spec.Metrics
	added := chart.Render(t, chart.Parse(t, `autoscaling: {metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]}`)).HorizontalPodAutoscaler(t).Spec.Metrics
	require.Len(t, added, len(alone)+1, "metrics of the autoscaler, want the signals and the added one")
	assert.Equal(t, alone, added[:len(alone)])
	assert.Equal(t, corev1.ResourceCPU, added[len(alone)].Resource.Name)

	// A container's own metric, an amount in place of a share, requests of the pod as a whole, and limits, which are the
	// requests where there are none.
	for _, values := range []string{
		`{autoscaling: {metrics: [{type: ContainerResource, containerResource: {name: cpu, container: renderer, target: {type: Utilization, averageUtilization: 70}}}]}, renderer: {extraContainers: [{name: exporter, image: exporter}]}}`,
		`{autoscaling: {metrics: [{type: Resource, resource: {name: cpu, target: {type: AverageValue, averageValue: 500m}}}]}, renderer: {extraContainers: [{name: exporter, image: exporter}]}}`,
		`{autoscaling: {metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]}, renderer: {extraContainers: [{name: exporter, image: exporter}], extraPodSpec: {resources: {requests: {cpu: 2}}}}}`,
		`{autoscaling: {metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]}, renderer: {initContainers: [{name: fetch, image: fetch}], extraContainers: [{name: exporter, image: exporter, resources: {limits: {cpu: 10m}}}]}}`,
		`{autoscaling: {target: {name: stream, podLabels: {app: stream}}, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]}, renderer: {enabled: false, metrics: {container: streamer, port: 9102}}}`,
	} {
		_, err := chart.Template(chart.Options{Values: []chart.Values{chart.Parse(t, values)}})
		assert.NoError(t, err, "%s are refused, want them accepted: the autoscaler has a value", values)
	}

	woken := chart.Options{KubeVersion: "v1.37.0", Values: []chart.Values{chart.Parse(t, `autoscaling: {minReplicas: 0, metrics: `+external+`}`)}}
	rendered, err := chart.Template(woken)
	require.NoError(t, err, "no pods, with a metric that starts the first one")
	assert.Contains(t, rendered.Manifest, "minReplicas: 0")
}

// TestAddedTriggers: what is added to the ScaledObject follows the signals, and KEDA's own fields stand in it.
func TestAddedTriggers(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, named(t, "KEDA with everything"))
	object := renderedScaledObject(t, rendered)
	var names []string
	for _, trigger := range object.Spec.Triggers {
		names = append(names, trigger.Name)
	}
	assert.Equal(t, []string{"overruns", "demand", "show"}, names, "triggers, want those of the signals first")
	var spec map[string]any
	for _, one := range rendered.Objects {
		if one.Kind() == "ScaledObject" {
			require.NoError(t, chart.Newest.Validate(one))
			spec = one["spec"].(map[string]any)
		}
	}
	text, err := json.Marshal(spec)
	require.NoError(t, err)
	for _, want := range []string{`"minReplicaCount":0`, `"pollingInterval":15`, `"cooldownPeriod":60`, `"initialCooldownPeriod":0`, `"formula":"max([overruns, show])"`} {
		assert.Contains(t, string(text), want, "spec of the ScaledObject")
	}
	for _, key := range []string{"pollingInterval", "cooldownPeriod", "initialCooldownPeriod", "idleReplicaCount"} {
		assert.NotContains(t, chart.Render(t, named(t, "KEDA")).Manifest, key+":", "a field whose default is KEDA's")
	}
	numbers := chart.Render(t, named(t, "KEDA"), chart.Parse(t, `keda: {scalingModifiers: {formula: "max([overruns, demand])", target: 2}}`))
	assert.Contains(t, numbers.Manifest, `target: "2"`, "the target of a formula, which helm --set makes a number: the field is a text")
	idle := chart.Render(t, named(t, "KEDA"), chart.Parse(t, `keda: {idleReplicaCount: 0, triggers: [{type: cron, metadata: {start: "0 8 * * *"}}]}`))
	assert.Contains(t, idle.Manifest, "idleReplicaCount: 0")
}

// TestKEDAWithoutPods runs the queries of a fleet that KEDA may scale to 0: a Deployment that is to have no pods has no load,
// and a Deployment whose pods have no samples has no value.
func TestKEDAWithoutPods(t *testing.T) {
	t.Parallel()
	triggers := renderedScaledObject(t, chart.Render(t, named(t, "KEDA with everything"), unlimited)).Spec.Triggers
	ruleTest(t, t.TempDir(), "keda_zero.yaml", func(name string) string {
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

// TestPoliciesOfEveryMode: a NetworkPolicy admits the clients that query the embedded Prometheus, without a further value.
func TestPoliciesOfEveryMode(t *testing.T) {
	t.Parallel()
	pod := func(namespace, name string, labels map[string]string) *connections.Pod {
		return &connections.Pod{Namespace: namespace, Name: name, Labels: labels}
	}
	operator := pod("keda", "keda-operator", map[string]string{"app": "keda-operator"})
	foreign := pod("monitoring", "prometheus-adapter", map[string]string{"app.kubernetes.io/name": "prometheus-adapter"})
	guest := pod("film", "film-doctor", map[string]string{"app.kubernetes.io/name": "holograph", "app.kubernetes.io/instance": "film", "app.kubernetes.io/component": "doctor"})
	stranger := pod("film", "stranger", map[string]string{"app": "stranger"})
	for name, test := range map[string]struct {
		values string
		may    []*connections.Pod
	}{
		"by default":                      {`{}`, nil},
		"KEDA":                            {`autoscaling: {provider: keda}`, []*connections.Pod{operator}},
		"KEDA elsewhere too":              {`{autoscaling: {provider: keda}, networkPolicy: {queriers: [{podSelector: {matchLabels: {app: stranger}}, namespaceSelector: {}}]}}`, []*connections.Pod{operator, stranger}},
		"an adapter of the cluster":       {`prometheusAdapter: {enabled: false, existing: {namespace: monitoring}}`, []*connections.Pod{foreign}},
		"served namespaces":               {`servedNamespaces: [film]`, []*connections.Pod{guest}},
		"nobody asks":                     {`{autoscaling: {enabled: false}, doctor: {enabled: false}}`, nil},
		"nobody asks, and KEDA does not":  {`{autoscaling: {enabled: false, provider: keda}, doctor: {enabled: false}}`, nil},
		"nobody asks, with a Grafana too": {`{autoscaling: {enabled: false}, doctor: {enabled: false}, networkPolicy: {queriers: [{podSelector: {matchLabels: {app: stranger}}, namespaceSelector: {}}]}}`, []*connections.Pod{stranger}},
	} {
		rendered := chart.Render(t, chart.Set("networkPolicy.enabled", true), chart.Parse(t, test.values))
		cluster, of := clusterOf(t, rendered)
		for _, one := range []*connections.Pod{operator, foreign, guest, stranger} {
			forbidden := cluster.Forbidden(one, of(chart.Prometheus), 9090, corev1.ProtocolTCP)
			assert.Equal(t, slices.Contains(test.may, one), forbidden == "", "%s: whether %v may query Prometheus", name, one)
		}
	}
}

// TestScrapersOfYourPrometheus: a NetworkPolicy admits the Prometheus that the values name, as far as they say where it is.
func TestScrapersOfYourPrometheus(t *testing.T) {
	t.Parallel()
	inside := &connections.Pod{Namespace: "monitoring", Name: "prometheus", Labels: map[string]string{"app.kubernetes.io/name": "prometheus"}}
	for name, test := range map[string]struct {
		values string
		want   bool
	}{
		"a Service of the cluster":         {`prometheus: {enabled: false, url: "http://prometheus-operated.monitoring.svc:9090"}`, true},
		"its full name":                    {`prometheus: {enabled: false, url: "https://prometheus.monitoring.svc.cluster.local/prefix"}`, true},
		"peers of Prometheus":              {`{prometheus: {enabled: false, url: "https://prometheus.example"}, networkPolicy: {prometheus: {peers: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}}}`, true},
		"scrapers that are somewhere else": {`{prometheus: {enabled: false, url: "http://prometheus-operated.monitoring.svc:9090"}, networkPolicy: {scrapers: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: agents}}}]}}`, false},
		"the embedded one":                 {`{}`, false},
	} {
		rendered := chart.Render(t, chart.Parse(t, `networkPolicy: {enabled: true, clients: [{podSelector: {matchLabels: {role: gateway}}}]}`), chart.Parse(t, test.values))
		cluster, of := clusterOf(t, rendered)
		for _, component := range []chart.Component{chart.Renderer, chart.KubeStateMetrics} {
			forbidden := cluster.Forbidden(inside, of(component), 8080, corev1.ProtocolTCP)
			assert.Equal(t, test.want, forbidden == "", "%s: whether a Prometheus in monitoring may scrape %s", name, component)
		}
	}
}

// TestExamplesCompose: an environment and what the cluster has already are two files, in either order.
func TestExamplesCompose(t *testing.T) {
	t.Parallel()
	for _, environment := range []string{"development", "staging", "production", "local"} {
		for _, other := range []string{"existing-adapter", "prometheus-operator", "keda", "gpu", "late-frames-only", "development", "production"} {
			for _, pair := range [][]string{{environment, other}, {other, environment}} {
				_, err := chart.Template(chart.Options{Values: []chart.Values{chart.Example(t, pair[0]), chart.Example(t, pair[1])}})
				assert.NoError(t, err, "%s.yaml with %s.yaml over it is refused, want it accepted", pair[0], pair[1])
			}
		}
	}
}

// TestSecondReleaseInANamespace: the message that a second release gets tells it what works.
func TestSecondReleaseInANamespace(t *testing.T) {
	t.Parallel()
	first := apiService("v1beta1", "holograph", "holograph-prometheus-adapter", ofRelease("holograph", "holograph", "holograph-0.0.1"))
	_, err := chart.Template(chart.Options{Release: "second", Cluster: []chart.Object{first}})
	require.ErrorContains(t, err, "list holograph in servedNamespaces of that release")

	host := chart.Render(t, chart.Parse(t, "{servedNamespaces: [holograph], networkPolicy: {enabled: true}}"))
	second := chart.RenderWith(t, chart.Options{Release: "second", Values: []chart.Values{named(t, "guest")}})
	pods := second.Deployment(t, chart.Renderer).Spec.Template.Labels
	found := discovery(t, host, "renderer")
	require.Len(t, found, 1, "places in which the first release looks for renderers")
	selector, err := labels.Parse(found[0].Selectors[0].Label)
	require.NoError(t, err)
	assert.True(t, selector.Matches(labels.Set(pods)), "selector %s of the first release's scrapes, want one that matches the second's pods %v", selector, pods)
	assert.Equal(t, []string{"holograph"}, found[0].Namespaces.Names)
	assert.Contains(t, host.PrometheusFiles(t)["prometheus.yaml"], "ReplicaSet;.+-renderer-", "the ReplicaSets whose pods are scraped, want those of any release")
	assert.Contains(t, host.Container(t, chart.KubeStateMetrics).Args, "--namespaces=holograph", "namespaces of kube-state-metrics, each once")
	assert.Equal(t, roles(t, chart.Render(t)), roles(t, host), "Roles, want none twice")

	cluster, of := clusterOf(t, host)
	assert.Empty(t, cluster.Forbidden(of(chart.Prometheus), &connections.Pod{Namespace: chart.DefaultNamespace, Name: "second-renderer", Labels: pods}, 8080, corev1.ProtocolTCP),
		"the first release's Prometheus may not reach the second's pods")
}

// TestKeysOfSecretsAreTexts: a key that looks like a number is a name in the Secret, and Kubernetes takes only texts.
func TestKeysOfSecretsAreTexts(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"hpa", "keda"} {
		rendered := chart.Render(t, chart.Set("autoscaling.provider", provider), chart.Parse(t, `
prometheus:
  enabled: false
  url: https://prometheus.example
  tls: {caSecret: {name: ca, key: "2"}}
  auth: {bearerToken: {existingSecret: token, key: "456"}}`))
		for _, object := range rendered.Objects {
			assert.NoError(t, object.Validate(), "provider %s", provider)
		}
		for _, key := range []string{`key: "2"`, `key: "456"`} {
			assert.Contains(t, rendered.Manifest, key, "provider %s: the key of a Secret, want it as a text", provider)
		}
	}
}

// TestNoAlertOnAbsentMetricsWithoutPods: where the autoscaler may remove all pods, their metrics may be gone with them, and only then.
func TestNoAlertOnAbsentMetricsWithoutPods(t *testing.T) {
	t.Parallel()
	absent := func(values ...chart.Values) []string {
		var found []string
		for _, alert := range alerts(t, chart.Render(t, values...)) {
			if alert.Alert == "HolographMetricAbsent" {
				found = append(found, alert.Expr)
			}
		}
		require.NotEmpty(t, found)
		return found
	}
	for _, expression := range absent(named(t, "KEDA with everything")) {
		assert.Contains(t, expression, `unless on () max(kube_deployment_spec_replicas{namespace="holograph",deployment="holograph-renderer"}) == 0`,
			"condition of the alert on a metric that is absent, where KEDA may remove all pods")
	}
	for _, expression := range absent() {
		assert.NotContains(t, expression, "unless", "condition of the alert on a metric that is absent, where a pod always runs")
	}
}
