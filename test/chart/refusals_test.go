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

// refusal is one set of values that would install and then not work, and the sentence that refuses it.
type refusal struct{ values, message string }

// allRefusals are the cases of every part of the chart; a part with a file of its own joins here.
var allRefusals = []map[string]refusal{refusals, refusalsOfOldKubernetes, refusalsOfPods, refusalsOfPolicies, refusalsOfExtraObjects, refusalsOfKEDA, refusalsOfTexts}

// refusalsInClusters are those for what a cluster holds already, or for what Helm was told beside the values; each has
// a test of its own.
var refusalsInClusters = []map[string]refusal{refusalsOfOwners, refusalsOfTakeBack, refusalsOfNamespaces}

var refusals = map[string]refusal{
	"duration": {
		`signals: {overruns: {window: 2 minutes}}`,
		`signals.overruns.window (2 minutes) is not a duration above zero: write it like 15s, 2m or 1m30s.`},
	"duration of nothing": {
		`prometheus: {scrapeInterval: 0s}`,
		`prometheus.scrapeInterval (0s) is not a duration above zero: write it like 15s, 2m or 1m30s.`},
	"duration that others are divided by": {
		`alerts: {errorBudgetBurn: {fast: [{percent: 2, long: 0h, short: 5m}]}}`,
		`alerts.errorBudgetBurn.fast[0].long (0h) is not a duration above zero: write it like 15s, 2m or 1m30s.`},
	"duration of the wrong order": {
		`prometheusAdapter: {maxAge: 30s1m}`,
		`prometheusAdapter.maxAge (30s1m) is not a duration above zero: write it like 15s, 2m or 1m30s.`},
	"no budget": {
		`frame: {budget: 0ms}`,
		`frame.budget (0ms) leaves a frame no time at all: write the time that one frame may take, like 33ms.`},
	"metric that PromQL takes for a number": {
		`signals: {frames: {name: NaN}}`,
		`signals.frames.name: must be a name that PromQL takes for one (got NaN), because that is a word of its own, and no query with it could be read: write another.`},
	"one name for two labels": {
		`signals: {labels: {pod: namespace}}`,
		`signals.labels gives one name to two labels (namespace: namespace, pod: namespace, container: container): write three different names.`},
	"label that is dropped": {
		`signals: {labels: {pod: instance}}`,
		`signals.labels.pod (instance) is also in signals.scrapeLabels, which are dropped before pods are told apart: remove it from one of them.`},
	"target of nothing": {
		`signals: {overruns: {target: "0.0"}}`,
		`signals.overruns.target (0.0) is not a quantity of at least 1m, the smallest value that the custom metrics API carries: write late frames per second and pod, like "0.1".`},
	"target that no pod can reach": {
		`signals: {frames: {maxRate: 50}, overruns: {target: "0.1k"}}`,
		`signals.overruns.target: must be at most signals.frames.maxRate, which is 50 (got 0.1k), because a pod with more late frames does not count, and none would ever be added.`},
	"target below what the API carries": {
		`signals: {overruns: {target: "0.9m"}}`,
		`signals.overruns.target (0.9m) is not a quantity of at least 1m, the smallest value that the custom metrics API carries: write late frames per second and pod, like "0.1".`},
	"window too short": {
		`{signals: {overruns: {window: 1m31s}}, prometheus: {scrapeInterval: 23s}}`,
		`signals.overruns.window (1m31s) is shorter than 4 times prometheus.scrapeInterval (23s), so lost scrapes would leave pods without a value: write 92s or more, or scrape more often.`},
	"demand window of nothing": {
		`signals: {demand: {window: a minute}}`,
		`signals.demand.window (a minute) is not a duration above zero: write it like 15s, 2m or 1m30s.`},
	"demand window too short": {
		`signals: {demand: {window: 59s}}`,
		`signals.demand.window (59s) is shorter than 4 times prometheus.scrapeInterval (15s), so lost scrapes would leave pods without a value: write 1m or more, or scrape more often.`},
	"demand target of nothing": {
		`signals: {demand: {target: three quarters}}`,
		`signals.demand.target (three quarters) is not a quantity of at least 1m, the smallest value that the custom metrics API carries: write the part of a pod's capacity to use, like "0.75".`},
	"demand target in percent": {
		`signals: {demand: {target: "75"}}`,
		`signals.demand.target (75) is above 1, which is a full pod, so that frames would be late before a pod is added: write the part of a pod's capacity to use, like "0.75".`},
	"one name for two signals": {
		`signals: {demand: {name: holograph_frames_over_budget_total}}`,
		`signals.demand.name (holograph_frames_over_budget_total) is also signals.overruns.name, and the adapter would serve one of the two in place of both: write another name, like holograph_demand.`},
	"capacity that is the offer": {
		`signals: {demand: {capacityMetric: holograph_offered_cpu_seconds_total}}`,
		`signals.demand.capacityMetric (holograph_offered_cpu_seconds_total) is also signals.demand.offeredMetric, and a metric over itself says nothing: write the gauge of what the pod can do.`},
	"renderers that speak for kube-state-metrics": {
		`signals: {otherMetrics: [holograph, kube_deployment]}`,
		`signals.otherMetrics: must be without kube, scrape and ALERTS (got kube_deployment), because a renderer could say as these what only kube-state-metrics and Prometheus are to say.`},
	"all frames late": {
		`signals: {frames: {name: holograph_frames_over_budget_total}}`,
		`signals.frames.name (holograph_frames_over_budget_total) is also signals.overruns.name, so that every frame would count as late: write the counter of all frames.`},
	"all requests refused": {
		`signals: {refused: {name: holograph_frames_total}}`,
		`signals.refused.name (holograph_frames_total) is also a counter of frames, so that every frame would count as a refused request: write the counter of refused requests, or nothing where there is none.`},
	"scrapes too far apart": {
		`kubeStateMetrics: {scrapeInterval: 2m31s}`,
		`kubeStateMetrics.scrapeInterval (2m31s) is longer than 2m30s, and Prometheus forgets a sample after 5m, so that one lost scrape would leave it without any: write 2m30s or less.`},
	"minimum above maximum": {
		`autoscaling: {minReplicas: 11}`,
		`autoscaling.minReplicas (11) is above autoscaling.maxReplicas (10): write a minimum that is at most the maximum.`},
	"budget set twice": {
		`renderer: {env: [{name: HOLOGRAPH_FRAME_BUDGET, value: 16ms}]}`,
		`renderer.env sets HOLOGRAPH_FRAME_BUDGET, which the chart sets already: write frame.budget instead.`},
	"grace period set twice": {
		`renderer: {env: [{name: HOLOGRAPH_GRACE_PERIOD, value: 16s}]}`,
		`renderer.env sets HOLOGRAPH_GRACE_PERIOD, which the chart sets already: write renderer.terminationGracePeriodSeconds instead.`},
	"two disruption budgets": {
		`renderer: {podDisruptionBudget: {minAvailable: 1}}`,
		`renderer.podDisruptionBudget has both maxUnavailable and minAvailable, and Kubernetes takes one: set the other to null.`},
	"no disruption budget": {
		`renderer: {podDisruptionBudget: {maxUnavailable: null}}`,
		`renderer.podDisruptionBudget has neither of maxUnavailable and minAvailable, and Kubernetes takes one: set the other to null.`},
	"no eviction": {
		`renderer: {podDisruptionBudget: {maxUnavailable: 0%}}`,
		`renderer.podDisruptionBudget.maxUnavailable (0%) forbids every eviction, so that no node could ever be drained: write 1 or more.`},
	"all must stay": {
		`renderer: {podDisruptionBudget: {maxUnavailable: null, minAvailable: 2}}`,
		`renderer.podDisruptionBudget.minAvailable (2) keeps all of the 2 pods of autoscaling.minReplicas, so that no node could ever be drained: use maxUnavailable: 1, or keep fewer.`},
	"all must stay, in percent": {
		`{autoscaling: {enabled: false}, renderer: {replicaCount: 3, podDisruptionBudget: {maxUnavailable: null, minAvailable: 67%}}}`,
		`renderer.podDisruptionBudget.minAvailable (67%) keeps all of the 3 pods of renderer.replicaCount, so that no node could ever be drained: use maxUnavailable: 1, or keep fewer.`},
	"own namespace served": {
		`servedNamespaces: [film, holograph]`,
		`servedNamespaces lists holograph, which is this release's own namespace and served without that: remove it.`},
	"served by nothing": {
		`{servedNamespaces: [film, games], prometheus: {enabled: false}, prometheusAdapter: {enabled: false}, kubeStateMetrics: {enabled: false}}`,
		`servedNamespaces (film, games) are to use this release's Prometheus, adapter and kube-state-metrics, and all three are off: enable one of them, or write servedNamespaces: [].`},
	"token for the embedded Prometheus": {
		`prometheus: {auth: {bearerToken: {existingSecret: login}}}`,
		`prometheus.auth.bearerToken.existingSecret is for a Prometheus of your own, and prometheus.enabled is true: set prometheus.enabled to false and write prometheus.url, or leave it empty.`},
	"login without encryption": {
		`prometheus: {enabled: false, url: "http://prometheus.example", auth: {bearerToken: {existingSecret: token}}}`,
		`prometheus.auth.bearerToken.existingSecret is set, and prometheus.url (http://prometheus.example) is not encrypted, so that what it protects could be read on the way: write a URL that begins with https://.`},
	"password without encryption": {
		`prometheus: {enabled: false, url: "http://prometheus.monitoring.svc.example", auth: {basicAuth: {existingSecret: login}}}`,
		`prometheus.auth.basicAuth.existingSecret is set, and prometheus.url (http://prometheus.monitoring.svc.example) is not encrypted, so that what it protects could be read on the way: write a URL that begins with https://.`},
	"two authorities": {
		`prometheus: {enabled: false, url: "https://prometheus.example", tls: {ca: "-----BEGIN CERTIFICATE-----\nMIIA\n-----END CERTIFICATE-----", caSecret: {name: authority}}}`,
		`prometheus.tls.ca and prometheus.tls.caSecret.name (authority) both name the authority of one Prometheus: leave one of them empty.`},
	"two credentials": {
		`prometheus: {enabled: false, url: "https://prometheus.example", auth: {bearerToken: {existingSecret: token}, basicAuth: {existingSecret: login}}}`,
		`prometheus.auth has a bearer token (token) and basic authentication (login), and a request carries one of the two: leave one of them empty.`},
	"two adapters": {
		`prometheusAdapter: {existing: {namespace: monitoring}}`,
		`prometheusAdapter.existing.namespace (monitoring) is that of an adapter of your own, and prometheusAdapter.enabled is true: set prometheusAdapter.enabled to false, or leave the namespace empty.`},
	"rules for no adapter": {
		`prometheusAdapter: {enabled: false, existing: {extraRules: [{seriesQuery: up}]}}`,
		`prometheusAdapter.existing.extraRules is set, and prometheusAdapter.existing.namespace is empty, so that it is written nowhere: write the namespace of your adapter.`},
	"scraped twice": {
		`{podMonitor: {enabled: true}, scrapeAnnotations: {enabled: true}}`,
		`podMonitor.enabled and scrapeAnnotations.enabled are both true, and a Prometheus that follows both scrapes each renderer twice: set one of them to false.`},
	"two Prometheuses": {
		`prometheus: {url: http://prometheus.example}`,
		`prometheus.url (http://prometheus.example) is not asked while prometheus.enabled is true: set prometheus.enabled to false, or leave the URL empty.`},
	"no Prometheus": {
		`prometheus: {enabled: false}`,
		`prometheus.url is empty and prometheus.enabled is false, so the adapter has no Prometheus to ask: write your Prometheus' URL, like http://prometheus.monitoring.svc:9090.`},
	"retention without a unit": {
		`prometheus: {retention: {size: "512"}}`,
		`prometheus.retention.size (512) is not a size: write a whole number of KB, MB, GB or TB, like 512MB.`},
	"relisting too often": {
		`prometheusAdapter: {relistInterval: 10s}`,
		`prometheusAdapter.relistInterval (10s) is shorter than prometheus.scrapeInterval (15s), and nothing new can be found between two scrapes: write 15s or more.`},
	"forgotten between relists": {
		`prometheusAdapter: {relistInterval: 2m1s}`,
		`prometheusAdapter.maxAge (2m) is shorter than prometheusAdapter.relistInterval (2m1s), with which the adapter does not start: write 2m1s or more.`},
	"forgotten after one lost scrape": {
		`prometheusAdapter: {relistInterval: 15s, maxAge: 29s}`,
		`prometheusAdapter.maxAge (29s) is shorter than twice prometheus.scrapeInterval (15s), so one lost scrape would make the metric disappear: write 30s or more.`},
	"certificate without authority": {
		`prometheusAdapter: {certificate: {existingSecret: mine}}`,
		`prometheusAdapter.certificate.caBundle holds no certificate, so the API server could not verify the one in existingSecret (mine): write the PEM of the authority that signed it.`},
	"dashboard of nothing": {
		`{prometheus: {enabled: false, url: http://prometheus.example}, dashboard: {enabled: true}}`,
		`dashboard.enabled shows what the recording rules record, and no Prometheus is given them: set prometheusRule.enabled to true, or dashboard.enabled to false.`},
	"alert that outlasts its cause": {
		`alerts: {errorBudgetBurn: {fast: [{percent: 2, long: 1h, short: 60m}]}}`,
		`alerts.errorBudgetBurn.fast[0].short (60m) is not shorter than its long (1h), so that the alert would outlast what it tells of: write a twelfth of it, as 5m is of 1h.`},
	"alert over more than the objective": {
		`slo: {window: 1d}`,
		`alerts.errorBudgetBurn.slow[0].long (3d) is longer than slo.window (1d), over which the budget is judged: write a shorter time.`},
	"alert over more than is kept": {
		`prometheus: {retention: {time: 1d}}`,
		`alerts.errorBudgetBurn.slow[0].long (3d) is longer than prometheus.retention.time (1d), so that nobody would remember it: keep more history, or write a shorter time.`},
	"alert that cannot fire": {
		`slo: {objective: 90}`,
		`alerts.errorBudgetBurn.fast[0].percent (2) of the budget of slo.objective (90) cannot be spent within 1h, even if every frame is late: write less than 1.4.`},
	"alert without a duration": {
		`alerts: {metricAbsent: {for: soon}}`,
		`alerts.metricAbsent.for (soon) is not a duration above zero: write it like 15s, 2m or 1m30s.`},
	"authority without certificate": {
		`prometheusAdapter: {certificate: {caBundle: "-----BEGIN CERTIFICATE-----\nMIIA\n-----END CERTIFICATE-----"}}`,
		`prometheusAdapter.certificate.caBundle verifies a certificate of your own, and none is named: write prometheusAdapter.certificate.existingSecret, or leave caBundle empty.`},
}

// refusalsOfOldKubernetes are told that the cluster is the oldest Kubernetes that the chart takes.
var refusalsOfOldKubernetes = map[string]refusal{
	"device claims before Kubernetes 1.34": {
		`renderer: {resourceClaims: [{name: gpu, resourceClaimName: gpu}]}`,
		`renderer.resourceClaims has been a field of Kubernetes since 1.34, and this cluster is v1.30.14: ask for devices under renderer.resources.limits.`},
	"tolerance before Kubernetes 1.35": {
		`autoscaling: {behavior: {scaleDown: {tolerance: 0.2}}}`,
		`autoscaling.behavior.scaleDown.tolerance (0.2) is a field of Kubernetes 1.35 and later, and this cluster is v1.30.14: remove it.`},
}

// TestRefusals holds one case for each message of the chart's own checks.
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
				require.Error(t, err, "rendered, and should say: %s", test.message)
				assert.Equal(t, test.message, failurePlace.ReplaceAllString(err.Error(), ""))
			})
		}
	}
}

// failurePlace is where Helm says that a template failed, which begins its message.
var failurePlace = regexp.MustCompile(`(?s)^.*execution error at \(holograph/templates/[^)]*\): `)

// TestEveryRefusalHasACase reads the sentences out of the templates and finds a case for each.
func TestEveryRefusalHasACase(t *testing.T) {
	t.Parallel()
	verb := regexp.MustCompile(`%[a-z]`)
	call := regexp.MustCompile(`\bfail\b`)
	sentence := regexp.MustCompile(`\bfail (?:\(printf )?("(?:[^"\\]|\\.)*")`)
	comment := regexp.MustCompile(`(?s)\{\{-? */\*.*?\*/ *-?\}\}`)
	for name, text := range chart.Files(t) {
		if !strings.HasPrefix(name, "templates/") {
			continue
		}
		template := comment.ReplaceAllString(string(text), "")
		found := sentence.FindAllStringSubmatch(template, -1)
		assert.Len(t, found, len(call.FindAllString(template, -1)), "%s fails with something else than a sentence", name)
		for _, match := range found {
			format, err := strconv.Unquote(match[1])
			require.NoError(t, err)
			pattern := regexp.MustCompile("^" + verb.ReplaceAllString(regexp.QuoteMeta(format), ".*") + "$")
			shown := func(cases map[string]refusal) bool {
				return slices.ContainsFunc(slices.Collect(maps.Values(cases)), func(r refusal) bool { return pattern.MatchString(r.message) })
			}
			assert.True(t, slices.ContainsFunc(allRefusals, shown) || slices.ContainsFunc(refusalsInClusters, shown), "%s: no case shows: %s", name, format)
		}
	}
}

// TestCoherentEdges are the values just inside what TestRefusals refuses.
func TestCoherentEdges(t *testing.T) {
	t.Parallel()
	for _, values := range []string{
		`{signals: {overruns: {window: 1m32s}, demand: {window: 1m32s}}, prometheus: {scrapeInterval: 23s}}`,
		`{signals: {overruns: {window: 1m32s}, demand: {enabled: false}}, prometheus: {scrapeInterval: 23s}}`,
		`autoscaling: {minReplicas: 10}`,
		`prometheusAdapter: {relistInterval: 15s, maxAge: 30s}`,
		`signals: {overruns: {target: 1m}}`,
		`signals: {overruns: {target: 1}}`,
		`signals: {demand: {target: 1m}}`,
		`signals: {demand: {target: 1000m}}`,
		`renderer: {lifecycle: {preStop: {sleep: null, exec: {command: [drain]}}}}`,
		`renderer: {lifecycle: null, terminationGracePeriodSeconds: 6, startupProbe: null}`,
		`{autoscaling: {enabled: false}, renderer: {replicaCount: 3, podDisruptionBudget: {maxUnavailable: null, minAvailable: 66%}}}`,
		`{slo: {window: 3d}, prometheus: {retention: {time: 3d}}}`,
		`{slo: {objective: 90}, alerts: {errorBudgetBurn: {fast: [{percent: 1.3, long: 1h, short: 59m}]}}}`,
		`{slo: {objective: 50, window: 1h}, prometheus: {retention: {time: 1h}}, alerts: {enabled: false}}`,
		`{prometheus: {enabled: false, url: http://prometheus.example, retention: {time: 1h}}}`,
	} {
		_, err := chart.Template(chart.Options{Values: []chart.Values{chart.Parse(t, values)}})
		assert.NoError(t, err, values)
	}
}
