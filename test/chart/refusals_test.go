package chart_test

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
)

// refusal is a set of values that the chart refuses, and the message.
type refusal struct{ values, message string }

// allRefusals are the cases of all parts of the chart.
var allRefusals = []map[string]refusal{refusals, refusalsOfOldKubernetes, refusalsOfPods, refusalsOfWarmCapacity, refusalsOfPolicies, refusalsOfTargets, refusalsOfExtraObjects, refusalsOfKEDA, refusalsOfScaling, refusalsOfDeletionCosts, refusalsOfTexts, refusalsOfSignals, refusalsOfAlerting, refusalsOfTheCluster}

// refusalsInClusters are the cases that depend on objects in the cluster or on Helm's flags. Each has its own test.
var refusalsInClusters = []map[string]refusal{refusalsOfOwners, refusalsOfTakeBack, refusalsOfNamespaces, refusalsOfNodes, refusalsOfAliases}

var refusals = map[string]refusal{
	"duration": {
		`signals: {overruns: {window: 2 minutes}}`,
		`signals.overruns.window: must be a duration of hours, minutes, seconds and milliseconds, in this order (got 2 minutes), because not all that read it know other units: write it like 15s or 1m30s.`},
	"duration of zero": {
		`prometheus: {scrapeInterval: 0s}`,
		`prometheus.scrapeInterval: must be a duration above zero (got 0s), because nothing is measured or kept within no time: write it like 15s, 2m or 1m30s.`},
	"alert over a duration of zero": {
		`alerts: {errorBudgetBurn: {fast: [{percent: 2, long: 0h, short: 5m}]}}`,
		`alerts.errorBudgetBurn.fast[0].long: must be a duration above zero (got 0h), because nothing is measured or kept within no time: write it like 15s, 2m or 1m30s.`},
	"duration with units in the wrong order": {
		`prometheusAdapter: {maxAge: 30s1m}`,
		`prometheusAdapter.maxAge: must be a duration of hours, minutes, seconds and milliseconds, in this order (got 30s1m), because not all that read it know other units: write it like 15s or 1m30s.`},
	"frame budget of zero": {
		`frame: {budget: 0ms}`,
		`frame.budget: must be above zero (got 0ms), because every frame would be late: write the time that one frame may take, like 33ms.`},
	"metric that PromQL takes for a number": {
		`signals: {frames: {name: NaN}}`,
		`signals.frames.name: must not be a word that PromQL reserves (got NaN), because Prometheus could not parse the queries that use it: write another name.`},
	"one name for two labels": {
		`signals: {labels: {pod: namespace}}`,
		`signals.labels: must be different names (got namespace: namespace, pod: namespace, container: container), because a label holds one value: rename the label that is there twice.`},
	"label that is dropped": {
		`signals: {labels: {pod: instance}}`,
		`signals.labels.pod: must not be in signals.scrapeLabels (got instance), because the queries drop those before they tell pods apart: remove it from one of them.`},
	"target of zero": {
		`signals: {overruns: {target: "0.0"}}`,
		`signals.overruns.target: must be a quantity of at least 1m (got 0.0), because the custom metrics API carries no smaller value: write late frames per second and pod, like "0.1".`},
	"target that no pod can reach": {
		`signals: {frames: {maxRate: 50}, overruns: {target: "0.1k"}}`,
		`signals.overruns.target: must be at most signals.frames.maxRate, which is 50 (got 0.1k), because the chart drops a value above that, and no pod would ever be added: write a lower target.`},
	"target below what the API carries": {
		`signals: {overruns: {target: "0.9m"}}`,
		`signals.overruns.target: must be a quantity of at least 1m (got 0.9m), because the custom metrics API carries no smaller value: write late frames per second and pod, like "0.1".`},
	"window too short": {
		`{signals: {overruns: {window: 1m31s}, demand: {window: 2m}}, prometheus: {scrapeInterval: 23s}}`,
		`signals.overruns.window: must be at least 4 times prometheus.scrapeInterval (got 1m31s, with an interval of 23s), because one lost scrape would leave pods without a value: write 92s or more, leave it empty, or scrape more often.`},
	"late frames that never add a pod": {
		`signals: {overruns: {maxRatio: "1.1"}}`,
		`signals.overruns.maxRatio: must be more than 1.1, which is 1 and the tolerance of scaleUp (got 1.1), because the autoscaler would never add a pod for late frames: write 3.5, or null for no limit.`},
	"late frames within a tolerance that is written": {
		`{signals: {overruns: {maxRatio: 1.4}}, autoscaling: {behavior: {scaleUp: {tolerance: 500m}}}}`,
		`signals.overruns.maxRatio: must be more than 1.5, which is 1 and the tolerance of scaleUp (got 1.4), because the autoscaler would never add a pod for late frames: write 3.5, or null for no limit.`},
	"demand window that is not a duration": {
		`signals: {demand: {window: a minute}}`,
		`signals.demand.window: must be a duration of hours, minutes, seconds and milliseconds, in this order (got a minute), because not all that read it know other units: write it like 15s or 1m30s.`},
	"demand window too short": {
		`signals: {demand: {window: 59s}}`,
		`signals.demand.window: must be at least 4 times prometheus.scrapeInterval (got 59s, with an interval of 15s), because one lost scrape would leave pods without a value: write 1m or more, leave it empty, or scrape more often.`},
	"demand target that is not a quantity": {
		`signals: {demand: {target: three quarters}}`,
		`signals.demand.target: must be a number up to 1, optionally with m for thousandths (got three quarters), because it is the part of a pod's capacity to use: write it like 0.75 or 750m.`},
	"demand target in percent": {
		`signals: {demand: {target: "75"}}`,
		`signals.demand.target: must be at most 1, which is a full pod (got 75), because frames would be late before a pod is added: write the part of a pod's capacity to use, like "0.75".`},
	"headroom without demand": {
		`{signals: {demand: {enabled: false}}, autoscaling: {headroom: 1}}`,
		`autoscaling.headroom: must be 0 where signals.demand.enabled is false (got 1), because late frames do not say how many pods a load needs: write 0, or set signals.demand.enabled to true.`},
	"headroom of a mean": {
		`{signals: {demand: {metricType: Pods}}, autoscaling: {headroom: "0.5"}}`,
		`autoscaling.headroom: must be 0 where signals.demand.metricType is Pods (got 0.5), because the autoscaler then uses the mean of the pods, to which no pods can be added: write 0, or signals.demand.metricType: Object.`},
	"one name for two signals": {
		`signals: {demand: {name: holograph_frames_over_budget_total}}`,
		`signals.demand.name: must differ from signals.overruns.name (got holograph_frames_over_budget_total for both), because the adapter would serve only one of the two signals: write another name, like holograph_demand.`},
	"renderers with names of kube-state-metrics": {
		`signals: {otherMetrics: [holograph, kube_deployment]}`,
		`signals.otherMetrics: must not have kube, scrape or ALERTS (got kube_deployment), because a renderer could then export metrics under the names of kube-state-metrics and Prometheus: remove it.`},
	"scrapes too far apart": {
		`kubeStateMetrics: {scrapeInterval: 2m31s}`,
		`kubeStateMetrics.scrapeInterval: must be at most 2m30s (got 2m31s), because Prometheus ignores a sample that is older than 5m, and one lost scrape would leave a gap: write 2m30s or less.`},
	"minimum above maximum": {
		`autoscaling: {minReplicas: 11}`,
		`autoscaling.minReplicas: must be at most autoscaling.maxReplicas (got 11, with a maximum of 10), because Kubernetes takes no such autoscaler: lower the minimum or raise the maximum.`},
	"budget set twice": {
		`renderer: {env: [{name: HOLOGRAPH_FRAME_BUDGET, value: 16ms}]}`,
		`renderer.env: must not have HOLOGRAPH_FRAME_BUDGET (got a value for it), because the chart sets it: write frame.budget instead.`},
	"grace period set twice": {
		`renderer: {env: [{name: HOLOGRAPH_GRACE_PERIOD, value: 16s}]}`,
		`renderer.env: must not have HOLOGRAPH_GRACE_PERIOD (got a value for it), because the chart sets it: write renderer.terminationGracePeriodSeconds instead.`},
	"two disruption budgets": {
		`renderer: {podDisruptionBudget: {maxUnavailable: 1, minAvailable: 1}}`,
		`renderer.podDisruptionBudget: must have one of maxUnavailable and minAvailable (got 1 and 1), because Kubernetes accepts only one: write null for the other.`},
	"disruption budget that allows no eviction": {
		`renderer: {podDisruptionBudget: {maxUnavailable: 0%}}`,
		`renderer.podDisruptionBudget.maxUnavailable: must be 1 or more (got 0%), because no pod could be evicted and no node drained: write 1 or more.`},
	"disruption budget that keeps all pods": {
		`renderer: {podDisruptionBudget: {maxUnavailable: null, minAvailable: 2}}`,
		`renderer.podDisruptionBudget.minAvailable: must leave a pod that may be evicted (got 2 of the 2 pods of autoscaling.minReplicas), because no node could be drained: write a lower minAvailable, or null for maxUnavailable: 1.`},
	"disruption budget that keeps all pods, in percent": {
		`{autoscaling: {enabled: false}, renderer: {replicaCount: 3, podDisruptionBudget: {maxUnavailable: null, minAvailable: 67%}}}`,
		`renderer.podDisruptionBudget.minAvailable: must leave a pod that may be evicted (got 67% of the 3 pods of renderer.replicaCount), because no node could be drained: write a lower minAvailable, or null for maxUnavailable: 1.`},
	"served namespaces without a component to serve them": {
		`{servedNamespaces: [film, games], prometheus: {enabled: false}, prometheusAdapter: {enabled: false}, kubeStateMetrics: {enabled: false}}`,
		`servedNamespaces: must be empty where prometheus, prometheusAdapter and kubeStateMetrics are disabled (got film, games), because this release has nothing to serve them with: enable one of the three, or write servedNamespaces: [].`},
	"token for the embedded Prometheus": {
		`prometheus: {auth: {bearerToken: {existingSecret: login}}}`,
		`prometheus.auth.bearerToken.existingSecret: must be empty with prometheus.enabled (got a value), because it is for a Prometheus of your own: leave it empty, or set prometheus.enabled to false and write prometheus.url.`},
	"login without encryption": {
		`prometheus: {enabled: false, url: "http://prometheus.example", auth: {bearerToken: {existingSecret: token}}}`,
		`prometheus.auth.bearerToken.existingSecret: must have a prometheus.url that begins with https:// (got http://prometheus.example), because what it protects would cross the network in plain text: write such a URL.`},
	"password without encryption": {
		`prometheus: {enabled: false, url: "http://prometheus.monitoring.svc.example", auth: {basicAuth: {existingSecret: login}}}`,
		`prometheus.auth.basicAuth.existingSecret: must have a prometheus.url that begins with https:// (got http://prometheus.monitoring.svc.example), because what it protects would cross the network in plain text: write such a URL, or that of another release's Prometheus in this cluster as http://<service>.<namespace>.svc:<port>.`},
	"two CAs": {
		`prometheus: {enabled: false, url: "https://prometheus.example", tls: {ca: "-----BEGIN CERTIFICATE-----\nMIIA\n-----END CERTIFICATE-----", caSecret: {name: private-ca}}}`,
		`prometheus.tls.caSecret.name: must be empty with prometheus.tls.ca (got private-ca), because both name the CA of one Prometheus: leave one of them empty.`},
	"two credentials": {
		`prometheus: {enabled: false, url: "https://prometheus.example", auth: {bearerToken: {existingSecret: token}, basicAuth: {existingSecret: login}}}`,
		`prometheus.auth: must have a bearer token or basic authentication (got token and login), because a request carries only one of the two: leave one of them empty.`},
	"two adapters": {
		`prometheusAdapter: {existing: {namespace: monitoring}}`,
		`prometheusAdapter.existing.namespace: must be empty with prometheusAdapter.enabled (got monitoring), because it is for an adapter of your own: leave it empty, or set prometheusAdapter.enabled to false.`},
	"a ConfigMap for no adapter": {
		`prometheusAdapter: {enabled: false, existing: {configMap: rules}}`,
		`prometheusAdapter.existing.configMap: must be empty without prometheusAdapter.existing.namespace (got rules), because the rules are written only into that namespace: write the namespace of your adapter.`},
	"rules without an adapter": {
		`prometheusAdapter: {enabled: false, extraRules: [{seriesQuery: up}]}`,
		`prometheusAdapter.extraRules: must be empty where this release has no rules for an adapter (got rules), because nothing would serve them: write them into the configuration of your adapter.`},
	"scraped twice": {
		`{podMonitor: {enabled: true}, scrapeAnnotations: {enabled: true}}`,
		`scrapeAnnotations.enabled: must be false with podMonitor.enabled (got true for both), because a Prometheus that uses both scrapes each renderer twice: set one of them to false.`},
	"relabeling in Prometheus' own form": {
		`podMonitor: {enabled: true, metricRelabelings: [{sourceLabels: [a], target_label: b}]}`,
		`podMonitor.metricRelabelings[0].target_label: must be a field in the PodMonitor's form (got one in Prometheus' own), because the API server drops what it does not know, and the step would do something else: write targetLabel.`},
	"pods of another name": {
		`podMonitor: {enabled: true, relabelings: [{targetLabel: cluster, replacement: eu}, {sourceLabels: [__meta_kubernetes_pod_uid], targetLabel: pod}]}`,
		`podMonitor.relabelings[1]: must not change the label pod (got action replace), because the rules and the adapter find the samples by it: remove the step, or let it change another label.`},
	"pods without a namespace": {
		`podMonitor: {enabled: true, metricRelabelings: [{regex: "exported_.*|namespace", action: LabelDrop}]}`,
		`podMonitor.metricRelabelings[0]: must not change the label namespace (got action labeldrop), because the rules and the adapter find the samples by it: remove the step, or let it change another label.`},
	"pods with few labels": {
		`podMonitor: {enabled: true, metricRelabelings: [{regex: __name__|namespace|pod|reason|condition|status|deployment|horizontalpodautoscaler, action: labelkeep}]}`,
		`podMonitor.metricRelabelings[0]: must not change the label container (got action labelkeep), because the rules and the adapter find the samples by it: remove the step, or let it change another label.`},
	"pods of the renderer's own names": {
		`{signals: {labels: {pod: kubernetes_pod}}, podMonitor: {enabled: true, metricRelabelings: [{regex: exported_pod, replacement: kubernetes_pod, action: labelmap}]}}`,
		`podMonitor.metricRelabelings[0]: must not change the label kubernetes_pod (got action labelmap), because the rules and the adapter find the samples by it: remove the step, or let it change another label.`},
	"objects of another name": {
		`podMonitor: {enabled: true, relabelings: [{sourceLabels: [__meta_kubernetes_pod_label_app_kubernetes_io_instance], targetLabel: deployment, action: lowercase}]}`,
		`podMonitor.relabelings[0]: must not change the label deployment (got action lowercase), because the rules and the adapter find the samples by it: remove the step, or let it change another label.`},
	"two Prometheuses": {
		`prometheus: {url: http://prometheus.example}`,
		`prometheus.url: must be empty with prometheus.enabled (got http://prometheus.example), because it is for a Prometheus of your own: leave it empty, or set prometheus.enabled to false.`},
	"no Prometheus": {
		`prometheus: {enabled: false}`,
		`prometheus.url: must be a URL where prometheus.enabled is false (got none), because the adapter has no Prometheus to query: write the URL of your Prometheus, like http://prometheus.monitoring.svc:9090.`},
	"rules that select a label that no scrape sets": {
		`{prometheusRule: {enabled: true}, scrapeAnnotations: {enabled: true}}`,
		`prometheusRule.enabled: must be false with prometheus.enabled and scrapeAnnotations.enabled (got true), because its rules select a container, as the embedded Prometheus labels it, and a scrape by annotations sets no such label: set prometheus.enabled to false, or write podMonitor.enabled in place of scrapeAnnotations.enabled.`},
	"argument that has a key of its own": {
		`prometheus: {extraArgs: [--storage.tsdb.retention.time=90d]}`,
		`prometheus.extraArgs: must not have --storage.tsdb.retention.time (got it), because probes, volumes, clients and rules expect what the chart sets: write prometheus.retention.time.`},
	"argument that moves the pages": {
		`prometheus: {extraArgs: [-web.route-prefix=/prometheus]}`,
		`prometheus.extraArgs: must not have --web.route-prefix (got it), because probes, volumes, clients and rules expect what the chart sets: remove it.`},
	"argument of the adapter that has a value": {
		`prometheusAdapter: {extraArgs: [--metrics-max-age=10s]}`,
		`prometheusAdapter.extraArgs: must not have --metrics-max-age (got it), because probes, volumes, clients and rules expect what the chart sets: write prometheusAdapter.maxAge.`},
	"port of kube-state-metrics": {
		`kubeStateMetrics: {extraArgs: [--port, "9090"]}`,
		`kubeStateMetrics.extraArgs: must not have --port (got it), because probes, volumes, clients and rules expect what the chart sets: remove it.`},
	"headroom of a mean of a StatefulSet": {
		`{autoscaling: {headroom: 1, target: {kind: StatefulSet, name: stream, podLabels: {app: stream}}}, renderer: {enabled: false, metrics: {container: stream, port: 9102}}, signals: {demand: {metricType: Pods}}}`,
		`autoscaling.headroom: must be 0 where signals.demand.metricType is Pods (got 1), because the autoscaler then uses the mean of the pods, to which no pods can be added: write 0.`},
	"login to a Prometheus of the cluster without its namespace": {
		`prometheus: {enabled: false, url: "http://holograph-prometheus:9090", auth: {basicAuth: {existingSecret: login}}}`,
		`prometheus.auth.basicAuth.existingSecret: must have a prometheus.url that begins with https:// (got http://holograph-prometheus:9090), because what it protects would cross the network in plain text: write such a URL, or that of another release's Prometheus in this cluster as http://<service>.<namespace>.svc:<port>.`},
	"retention without a unit": {
		`prometheus: {retention: {size: "512"}}`,
		`prometheus.retention.size: must be a whole number of KB, MB, GB or TB, or of KiB, MiB, GiB or TiB (got 512), because Prometheus reads no other size: write it like 512MB.`},
	"maximum age shorter than a relist": {
		`prometheusAdapter: {relistInterval: 2m1s, maxAge: 2m}`,
		`prometheusAdapter.maxAge: must be at least prometheusAdapter.relistInterval (got 2m, with an interval of 2m1s), because the adapter does not start otherwise: write 2m1s or more, or leave it empty.`},
	"maximum age shorter than two scrapes": {
		`prometheusAdapter: {relistInterval: 15s, maxAge: 29s}`,
		`prometheusAdapter.maxAge: must be at least twice prometheus.scrapeInterval (got 29s, with an interval of 15s), because one lost scrape would make the metric disappear: write 30s or more, or leave it empty.`},
	"dashboard without recording rules": {
		`{prometheus: {enabled: false, url: http://prometheus.example}, dashboard: {enabled: true}}`,
		`dashboard.enabled: must be false without prometheus.enabled and prometheusRule.enabled (got true), because no Prometheus evaluates the recording rules that the dashboard shows: set prometheusRule.enabled to true, or dashboard.enabled to false.`},
	"alert with a short window that is not shorter": {
		`alerts: {errorBudgetBurn: {fast: [{percent: 2, long: 1h, short: 60m}]}}`,
		`alerts.errorBudgetBurn.fast[0].short: must be shorter than long (got 60m, with 1h), because the alert would still fire after its cause has ended: write a twelfth of long, as 5m is of 1h.`},
	"alert over more than the window of the objective": {
		`{slo: {window: 1d}, alerts: {errorBudgetBurn: {slow: [{percent: 10, long: 3d, short: 6h}]}}}`,
		`alerts.errorBudgetBurn.slow[0].long: must be at most slo.window (got 3d, with a window of 1d), because the error budget is that of the window: write a shorter time.`},
	"alert over more than the retention": {
		`{prometheus: {retention: {time: 1d}}, alerts: {errorBudgetBurn: {slow: [{percent: 10, long: 3d, short: 6h}]}}}`,
		`alerts.errorBudgetBurn.slow[0].long: must be at most prometheus.retention.time (got 3d, with a retention of 1d), because Prometheus has no older samples: raise the retention, or write a shorter time.`},
	"alert that cannot fire": {
		`{slo: {objective: 90}, alerts: {errorBudgetBurn: {fast: [{percent: 2, long: 1h, short: 5m}]}}}`,
		`alerts.errorBudgetBurn.fast[0].percent: must be a share of the error budget that can be spent within long (got 2, with an slo.objective of 90 and a long of 1h), because the alert could not fire even if every frame were late: write less than 1.4.`},
	"alert without a duration": {
		`alerts: {metricAbsent: {for: soon}}`,
		`alerts.metricAbsent.for: must be a duration of years, weeks, days, hours, minutes and seconds, in this order (got soon), because Prometheus reads no other: write it like 30d or 1m30s.`},
}

// refusalsOfOldKubernetes are rendered for the oldest Kubernetes that the chart supports.
var refusalsOfOldKubernetes = map[string]refusal{
	"device claims before Kubernetes 1.34": {
		`renderer: {resourceClaims: [{name: gpu, resourceClaimName: gpu}]}`,
		`renderer.resourceClaims: must be empty before Kubernetes 1.34 (got claims), because this cluster is v1.30.14, which does not have the field: request devices under renderer.resources.limits.`},
	"images as volumes before Kubernetes 1.35": {
		`warmCapacity: {prePull: {enabled: true}}`,
		`warmCapacity.prePull.enabled: must be false before Kubernetes 1.35 (got true), because this cluster is v1.30.14, which does not mount images as volumes by default: write false.`},
	"no pods before Kubernetes 1.37": {
		`autoscaling: {minReplicas: 0, metrics: [{type: External, external: {metric: {name: waiting}, target: {type: AverageValue, averageValue: "10"}}}]}`,
		`autoscaling.minReplicas: must be 1 or more before Kubernetes 1.37 (got 0), because this cluster is v1.30.14, which does not scale to 0 by default: write 1, or autoscaling.provider: keda.`},
	"tolerance before Kubernetes 1.35": {
		`autoscaling: {behavior: {scaleDown: {tolerance: 0.2}}}`,
		`autoscaling.behavior.scaleDown.tolerance: must not be set before Kubernetes 1.35 (got 0.2), because this cluster is v1.30.14, which does not have the field: remove it.`},
}

// TestRefusals checks one case for each message of the chart's own checks.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, cases := range allRefusals {
		for name, test := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				options := chart.Options{Values: []chart.Values{chart.Parse(t, test.values)}, SkipSchema: true}
				if _, old := refusalsOfOldKubernetes[name]; old {
					options.KubeVersion = chart.Oldest.Version(t)
				}
				_, err := chart.Template(options)
				require.Error(t, err, "the values are rendered, want the refusal: %s", test.message)
				assert.Equal(t, test.message, failurePlace.ReplaceAllString(err.Error(), ""))
			})
		}
	}
}

// failurePlace is the beginning of Helm's message, with the place of the failure.
var failurePlace = regexp.MustCompile(`(?s)^.*execution error at \(holograph/templates/[^)]*\): `)

// TestAllRefusalsAreShownAtOnce: one run of Helm shows every key that must change, each once.
func TestAllRefusalsAreShownAtOnce(t *testing.T) {
	t.Parallel()
	_, err := chart.Template(chart.Options{SkipSchema: true, Values: []chart.Values{chart.Parse(t,
		`{prometheus: {scrapeInterval: 1m, enabled: false}, autoscaling: {minReplicas: 11, headroom: 1}, signals: {overruns: {window: 2m}, demand: {enabled: false}}, prometheusAdapter: {maxAge: 1m}}`)}})
	require.Error(t, err)
	var keys []string
	for line := range strings.Lines(failurePlace.ReplaceAllString(err.Error(), "")) {
		key, _, _ := strings.Cut(line, ": ")
		keys = append(keys, key)
	}
	assert.Equal(t, []string{"autoscaling.headroom", "signals.overruns.window", "autoscaling.minReplicas", "prometheus.url", "prometheusAdapter.maxAge"}, keys)
}

// TestEveryRefusalHasACase reads the messages from the templates, which all have one pattern, and finds a case for each.
func TestEveryRefusalHasACase(t *testing.T) {
	t.Parallel()
	verb := regexp.MustCompile(`%[a-z]`)
	call := regexp.MustCompile(`include "holograph.refuse"`)
	sentence := regexp.MustCompile(`include "holograph.refuse" (?:\(printf )?("(?:[^"\\]|\\.)*")`)
	comment := regexp.MustCompile(`(?s)\{\{-? */\*.*?\*/ *-?\}\}`)
	for name, text := range chart.Files(t) {
		if !strings.HasPrefix(name, "templates/") {
			continue
		}
		template := comment.ReplaceAllString(string(text), "")
		found := sentence.FindAllStringSubmatch(template, -1)
		assert.Len(t, found, len(call.FindAllString(template, -1)), "%s has a refusal whose message is not a literal text", name)
		for _, match := range found {
			format, err := strconv.Unquote(match[1])
			require.NoError(t, err)
			assert.Regexp(t, `: must .*[(]got .*[)], because .*[.]$`, format, "%s: a refusal, want <key>: must be X (got Y), because Z", name)
			pattern := regexp.MustCompile("^" + verb.ReplaceAllString(regexp.QuoteMeta(format), ".*") + "$")
			hasCase := func(cases map[string]refusal) bool {
				return slices.ContainsFunc(slices.Collect(maps.Values(cases)), func(r refusal) bool { return pattern.MatchString(r.message) })
			}
			assert.True(t, slices.ContainsFunc(allRefusals, hasCase) || slices.ContainsFunc(refusalsInClusters, hasCase), "%s: no case has this message, want one in a table of allRefusals or refusalsInClusters: %s", name, format)
		}
	}
}

// TestBoundaryValuesAreAccepted: the chart accepts values just inside the bounds of TestRefusals.
func TestBoundaryValuesAreAccepted(t *testing.T) {
	t.Parallel()
	for _, values := range []string{
		`{signals: {overruns: {window: 1m32s}, demand: {window: 1m32s}}, prometheus: {scrapeInterval: 23s}}`,
		`{signals: {overruns: {window: 1m32s}, demand: {enabled: false}}, prometheus: {scrapeInterval: 23s}}`,
		`autoscaling: {minReplicas: 10}`,
		`prometheusAdapter: {relistInterval: 15s, maxAge: 30s}`,
		`prometheus: {extraArgs: ["--web.external-url=https://prometheus.example/holograph", --query.max-samples=9000000]}`,
		`prometheusAdapter: {relistInterval: 5s}`,
		`signals: {overruns: {target: 1m}}`,
		`signals: {overruns: {query: 'sum by (<<.GroupBy>>) (max_over_time(rate(late_total{<<.LabelMatchers>>,path=~"\\(a[^b]|\\{"}[1m])[5m:15s]))'}}`,
		`signals: {overruns: {target: 1}}`,
		`signals: {demand: {target: 1m}}`,
		`signals: {demand: {target: 1000m}}`,
		`signals: {labels: {container: ""}}`,
		`signals: {overruns: {histogram: {metric: frame_seconds}}, frames: {name: ""}}`,
		`signals: {overruns: {metric: frames_total, selector: {late: true}}, frames: {name: frames_total}}`,
		`signals: {demand: {capacity: {metric: "", value: 45}}}`,
		`signals: {demand: {enabled: false, capacity: {metric: ""}}}`,
		`autoscaling: {provider: keda, headroom: 1}`,
		`renderer: {lifecycle: {preStop: {sleep: null, exec: {command: [drain]}}}}`,
		`renderer: {minReadySeconds: 600, progressDeadlineSeconds: 601}`,
		`prometheus: {persistence: {enabled: true, accessModes: [ReadWriteOncePod]}}`,
		`renderer: {lifecycle: null, terminationGracePeriodSeconds: 6, startupProbe: null}`,
		`renderer: {image: {repository: "registry.example:5000/acme/renderer"}}`,
		`renderer: {metrics: {port: 9102}, extraPorts: [{name: media, containerPort: 9102, protocol: UDP}]}`,
		`{autoscaling: {enabled: false}, renderer: {replicaCount: 3, podDisruptionBudget: {maxUnavailable: null, minAvailable: 66%}}}`,
		`{slo: {window: 3d}, prometheus: {retention: {time: 3d}}}`,
		`{slo: {window: 1y}, prometheus: {retention: {time: 1y2w}}}`,
		`{prometheus: {enabled: false, url: "https://kubernetes.default.svc/api/v1/namespaces/monitoring/services/prometheus:9090/proxy"}}`,
		`{slo: {objective: 90}, alerts: {errorBudgetBurn: {fast: [{percent: 1.3, long: 1h, short: 59m}]}}}`,
		`{slo: {objective: 50, window: 1h}, prometheus: {retention: {time: 1h}}, alerts: {enabled: false}}`,
		`{prometheus: {enabled: false, url: http://prometheus.example, retention: {time: 1h}}}`,
	} {
		_, err := chart.Template(chart.Options{Values: []chart.Values{chart.Parse(t, values)}})
		assert.NoError(t, err, "%s are refused, want them accepted", values)
	}
}
