package chart_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"holograph/ci/program"
	"holograph/ci/repo"
	"holograph/test/internal/chart"
)

var updateGolden = flag.Bool("update", false, "write golden files anew from what the chart renders")

// everything turns on what the defaults leave off, so that each template's every branch is rendered once.
const everything = `
nameOverride: hologram
commonLabels: {team: graphics}
commonAnnotations: {contact: graphics}
global:
  imageRegistry: registry.example:5000
  imagePullSecrets: [{name: registry}]
renderer:
  image: {tag: "1.2.3"}
  command: [/renderer]
  args: [--queue-size=4]
  env: [{name: HOLOGRAPH_CONCURRENCY, value: "2"}]
  envFrom: [{configMapRef: {name: scene}}]
  podLabels: {scene: city}
  podAnnotations: {scene: city}
  annotations: {reload: "true"}
  nodeSelector: {gpu: "true"}
  tolerations: [{key: gpu, operator: Exists}]
  affinity: {nodeAffinity: {}}
  topologySpreadConstraints:
    - {maxSkew: 1, topologyKey: rack, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {scene: city}}}
  priorityClassName: frames
  runtimeClassName: nvidia
  resourceClaims: [{name: gpu, resourceClaimTemplateName: gpu}]
  resources: {claims: [{name: gpu}]}
  service: {type: LoadBalancer, port: 80, annotations: {scheme: internal}}
  serviceAccount: {annotations: {role: renderer}}
  podDisruptionBudget: {maxUnavailable: null, minAvailable: 50%}
  extraVolumes: [{name: scratch, emptyDir: {}}]
  extraVolumeMounts: [{name: scratch, mountPath: /scratch}]
  extraContainers: [{name: proxy, image: proxy}]
  initContainers: [{name: fetch, image: fetch}]
autoscaling:
  annotations: {contact: graphics}
  behavior: {scaleDown: {tolerance: 0.2}}
prometheus:
  service: {type: NodePort, annotations: {scheme: internal}}
  podLabels: {part: metrics}
  podAnnotations: {part: metrics}
  nodeSelector: {pool: system}
prometheusAdapter:
  replicaCount: 2
  image: {digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000"}
  podAnnotations: {part: metrics}
  tolerations: [{key: system, operator: Exists}]
kubeStateMetrics:
  priorityClassName: system
  affinity: {nodeAffinity: {}}
dashboard: {enabled: true, namespace: grafana, labels: {folder: graphics}, annotations: {k8s-sidecar-target-directory: graphics}}
networkPolicy:
  enabled: true
  clients: [{ipBlock: {cidr: 10.0.0.0/8}}, {podSelector: {matchLabels: {role: gateway}}}]
  scrapers: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
  queriers: [{podSelector: {matchLabels: {role: dashboard}}, namespaceSelector: {}}]
  rendererEgress: [{ports: [{port: 443, protocol: TCP}]}]
  apiServer: {peers: [{ipBlock: {cidr: 10.96.0.1/32}}], ports: [443]}
extraObjects:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: "{{ .Release.Name }}-scene"}, data: {scene: city}}
doctor:
  podLabels: {part: checks}
  podAnnotations: {part: checks}
  nodeSelector: {pool: system}
`

// renderings are the values that every rendered object is checked under.
func renderings(t *testing.T) map[string]chart.Values {
	t.Helper()
	all := map[string]chart.Values{
		"defaults":              {},
		"everything":            chart.Parse(t, everything),
		"without autoscaling":   chart.Set("autoscaling.enabled", false),
		"without adapter":       chart.Set("prometheusAdapter.enabled", false),
		"without events":        chart.Set("kubeStateMetrics.enabled", false),
		"with other Prometheus": chart.Parse(t, "prometheus: {enabled: false, url: https://prometheus.example/team}"),
		"with policies":         chart.Set("networkPolicy.enabled", true),
		"renderer alone": chart.Parse(t, `
autoscaling: {enabled: false}
prometheus: {enabled: false}
prometheusAdapter: {enabled: false}
kubeStateMetrics: {enabled: false}
doctor: {enabled: false}
renderer: {serviceAccount: {create: false}, podDisruptionBudget: {enabled: false}}`),
		"with KEDA":                chart.Parse(t, kedaValues),
		"with the operator":        chart.Parse(t, withOperator),
		"with annotations":         chart.Set("scrapeAnnotations.enabled", true),
		"with an existing adapter": chart.Parse(t, existingAdapter),
		"with a token":             chart.Parse(t, withToken),
		"with a login":             chart.Parse(t, withLogin),
		"with served namespaces":   chart.Parse(t, "servedNamespaces: [film, games]"),
		"with a certificate": chart.Parse(t, `
prometheusAdapter: {certificate: {existingSecret: mine, caBundle: "-----BEGIN CERTIFICATE-----\nMIIA\n-----END CERTIFICATE-----"}}`),
	}
	for _, name := range chart.Examples(t) {
		all[name+".yaml"] = chart.Example(t, name)
	}
	return all
}

func TestEveryObjectIsOneThatKubernetesTakes(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	require.NoError(t, err)
	restricted := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}

	for name, values := range renderings(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := chart.Render(t, values)
			seen := map[string]bool{}
			for _, object := range rendered.Objects {
				assert.NoError(t, object.Validate())
				identity := fmt.Sprint(object, " in ", object.Namespace())
				assert.False(t, seen[identity], "%s is rendered twice", identity)
				seen[identity] = true
			}
			for _, deployment := range chart.Of[*appsv1.Deployment](t, rendered) {
				pod := deployment.Spec.Template
				if name == "everything" {
					// The values bring two containers of their own; only the chart's are judged.
					pod.Spec.InitContainers = nil
					pod.Spec.Containers = pod.Spec.Containers[:1]
				}
				verdict := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
				assert.True(t, verdict.Allowed, "%s violates the restricted Pod Security Standard: %s", deployment.Name, verdict.ForbiddenDetail())
				for _, container := range pod.Spec.Containers {
					assert.True(t, *container.SecurityContext.ReadOnlyRootFilesystem, "%s can write to its root file system", container.Name)
					assert.NotEmpty(t, container.Resources.Requests, "%s requests nothing", container.Name)
					assert.Contains(t, container.Resources.Limits, corev1.ResourceMemory, "%s may use all the memory of its node", container.Name)
				}
			}
		})
	}
}

func TestSelectorsFindTheirPods(t *testing.T) {
	t.Parallel()
	for name, values := range renderings(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := chart.Render(t, values)
			pods := map[string]labels.Set{}
			for _, deployment := range chart.Of[*appsv1.Deployment](t, rendered) {
				pods[deployment.Name] = deployment.Spec.Template.Labels
			}
			// selected is the one Deployment whose pods a selector finds.
			selected := func(selector map[string]string) string {
				var found []string
				for name, set := range pods {
					if labels.SelectorFromSet(selector).Matches(set) {
						found = append(found, name)
					}
				}
				require.Len(t, found, 1, "selector %v", selector)
				return found[0]
			}
			for _, deployment := range chart.Of[*appsv1.Deployment](t, rendered) {
				assert.Equal(t, deployment.Name, selected(deployment.Spec.Selector.MatchLabels))
			}
			for _, service := range chart.Of[*corev1.Service](t, rendered) {
				assert.Equal(t, service.Name, selected(service.Spec.Selector))
			}
			for _, budget := range chart.Of[*policyv1.PodDisruptionBudget](t, rendered) {
				assert.Equal(t, budget.Name, selected(budget.Spec.Selector.MatchLabels))
			}
			for _, autoscaler := range chart.Of[*autoscalingv2.HorizontalPodAutoscaler](t, rendered) {
				assert.Contains(t, pods, autoscaler.Spec.ScaleTargetRef.Name)
			}
		})
	}
}

func TestExamplesSayWhomTheyAreFor(t *testing.T) {
	t.Parallel()
	for _, name := range chart.Examples(t) {
		path, err := repo.Path("values-examples", name+".yaml")
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		lines := strings.SplitN(string(text), "\n", 3)
		require.Len(t, lines, 3, name)
		assert.Regexp(t, `^# For `, lines[0], "%s.yaml: the first line says whom it is for", name)
		assert.Regexp(t, `^# \S`, lines[1], "%s.yaml: the second line says what it brings", name)
	}
}

// TestSpecification holds the chart to the request, number by number, under the values that promise it.
func TestSpecification(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Example(t, "as-specified"))

	autoscaler := rendered.HorizontalPodAutoscaler(t)
	assert.Equal(t, "holograph-renderer", autoscaler.Name)
	assert.Equal(t, autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "holograph-renderer"}, autoscaler.Spec.ScaleTargetRef)
	assert.EqualValues(t, 2, *autoscaler.Spec.MinReplicas)
	assert.EqualValues(t, 10, autoscaler.Spec.MaxReplicas)
	assert.Nil(t, autoscaler.Spec.Behavior, "the request has no behavior block, and an empty one means something else")
	require.Len(t, autoscaler.Spec.Metrics, 1)
	metric := autoscaler.Spec.Metrics[0]
	require.Equal(t, autoscalingv2.PodsMetricSourceType, metric.Type)
	assert.Equal(t, "holograph_frames_over_budget_total", metric.Pods.Metric.Name)
	assert.Nil(t, metric.Pods.Metric.Selector)
	assert.Equal(t, autoscalingv2.AverageValueMetricType, metric.Pods.Target.Type)
	assert.Equal(t, "100m", metric.Pods.Target.AverageValue.String(), "0.1 late frames per second and pod")

	deployment := rendered.Deployment(t, chart.Renderer)
	assert.Equal(t, "holograph-renderer", deployment.Name)
	assert.Nil(t, deployment.Spec.Replicas, "an upgrade would reset what the autoscaler decided")

	config := rendered.AdapterConfig(t)
	require.Len(t, config.Rules, 1)
	rule := config.Rules[0]
	assert.Equal(t, `holograph_frames_over_budget_total{namespace!="",pod!="",container="renderer"}`, rule.SeriesQuery)
	assert.Empty(t, rule.SeriesFilters)
	assert.Equal(t, "^holograph_frames_over_budget_total$", rule.Name.Matches)
	assert.Equal(t, "holograph_frames_over_budget_total", rule.Name.As)
	assert.Len(t, rule.Resources.Overrides, 2, "namespace and pod, nothing else")
	assert.Equal(t, "namespace", rule.Label("namespace"))
	assert.Equal(t, "pod", rule.Label("pod"))
	assert.Equal(t,
		`(0 <= sum by (pod) (max without (job, instance, service, endpoint, node, prometheus, prometheus_replica) `+
			`(rate(holograph_frames_over_budget_total{namespace="film",pod=~"a|b",container="renderer"}[2m]))) <= 10000)`,
		rule.Query(t, "holograph_frames_over_budget_total", "film", "a", "b"))
}

// TestDemand holds the second signal: its metric stands after the first, and its rule beside the other.
func TestDemand(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)

	metrics := rendered.HorizontalPodAutoscaler(t).Spec.Metrics
	require.Len(t, metrics, 2)
	assert.Equal(t, "holograph_frames_over_budget_total", metrics[0].Pods.Metric.Name)
	demand := metrics[1]
	require.Equal(t, autoscalingv2.PodsMetricSourceType, demand.Type)
	assert.Equal(t, "holograph_demand", demand.Pods.Metric.Name)
	assert.Nil(t, demand.Pods.Metric.Selector)
	assert.Equal(t, autoscalingv2.AverageValueMetricType, demand.Pods.Target.Type)
	assert.Equal(t, "750m", demand.Pods.Target.AverageValue.String(), "three quarters of a pod")

	rules := rendered.AdapterConfig(t).Rules
	require.Len(t, rules, 2)
	rule := rules[1]
	assert.Equal(t, `holograph_offered_cpu_seconds_total{namespace!="",pod!="",container="renderer"}`, rule.SeriesQuery)
	assert.Empty(t, rule.SeriesFilters)
	assert.Equal(t, "^holograph_offered_cpu_seconds_total$", rule.Name.Matches)
	assert.Equal(t, "holograph_demand", rule.Name.As)
	assert.Equal(t, rules[0].Resources, rule.Resources)
	assert.Equal(t,
		`clamp_max((0 <= sum by (pod) (max without (job, instance, service, endpoint, node, prometheus, prometheus_replica) `+
			`(rate(holograph_offered_cpu_seconds_total{namespace="film",pod=~"a|b",container="renderer"}[1m]))) `+
			`/ (0 < sum by (pod) (max without (job, instance, service, endpoint, node, prometheus, prometheus_replica) `+
			`(last_over_time(holograph_cpu_capacity_cores{namespace="film",pod=~"a|b",container="renderer"}[1m]))) < +Inf) <= 1000), 10)`,
		rule.Query(t, "holograph_offered_cpu_seconds_total", "film", "a", "b"))

	for _, name := range []string{"holograph_frames_over_budget_total", "holograph_demand"} {
		assert.Contains(t, rendered.Notes, "/pods/*/"+name+"\"")
	}
	assert.NotContains(t, rendered.Notes, "reversals", "there is no price to name")
}

// TestDemandOff renders for a renderer that only counts frames over budget: nothing asks for what it does not
// export, what is not used is not judged, and the price is named.
func TestDemandOff(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, `signals: {demand: {enabled: false, window: 1s, target: "75", name: holograph_frames_over_budget_total}}`))
	require.Len(t, rendered.HorizontalPodAutoscaler(t).Spec.Metrics, 1)
	require.Len(t, rendered.AdapterConfig(t).Rules, 1)
	for _, name := range []string{"holograph_demand", "holograph_offered_cpu_seconds_total", "holograph_cpu_capacity_cores"} {
		assert.NotContains(t, rendered.Manifest+rendered.Notes, name)
	}
	assert.Contains(t, rendered.Notes, "signals.demand.enabled is false")
	assert.Contains(t, rendered.Notes, "96.8 reversals instead of 2.0, and 1.50 times the pods of an oracle rather than 1.31")

	fixed := chart.Render(t, chart.Parse(t, "{signals: {demand: {enabled: false}}, autoscaling: {enabled: false}}"))
	assert.NotContains(t, fixed.Notes, "reversals", "nothing scales, so nothing costs")
}

// TestNotesPrintTheAdapterRules: they are the very rules that the chart's own adapter would be given.
func TestNotesPrintTheAdapterRules(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]chart.Values{"with demand": {}, "without demand": chart.Set("signals.demand.enabled", false)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := chart.Render(t, values).AdapterConfig(t).Rules
			notes := chart.Render(t, values, chart.Set("prometheusAdapter.enabled", false)).Notes
			_, text, found := strings.Cut(notes, "it reads its rules only when it starts:\n")
			require.True(t, found, "%s", notes)
			var printed chart.AdapterConfig
			require.NoError(t, yaml.UnmarshalStrict([]byte("rules:\n"+text), &printed))
			assert.Equal(t, want, printed.Rules)
		})
	}
}

func TestReplicasAreRenderedOnlyWithoutTheAutoscaler(t *testing.T) {
	t.Parallel()
	assert.Nil(t, chart.Render(t).Deployment(t, chart.Renderer).Spec.Replicas)

	rendered := chart.Render(t, chart.Parse(t, "{autoscaling: {enabled: false}, renderer: {replicaCount: 3}}"))
	assert.EqualValues(t, 3, *rendered.Deployment(t, chart.Renderer).Spec.Replicas)
	assert.Empty(t, chart.Of[*autoscalingv2.HorizontalPodAutoscaler](t, rendered))
}

func TestBehavior(t *testing.T) {
	t.Parallel()
	behavior := chart.Render(t).HorizontalPodAutoscaler(t).Spec.Behavior
	require.NotNil(t, behavior)
	most := autoscalingv2.MaxChangePolicySelect
	assert.Equal(t, &autoscalingv2.HPAScalingRules{
		StabilizationWindowSeconds: new(int32(0)),
		SelectPolicy:               &most,
		Policies: []autoscalingv2.HPAScalingPolicy{
			{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 150},
			{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 150},
		},
	}, behavior.ScaleUp)
	assert.Equal(t, &autoscalingv2.HPAScalingRules{
		StabilizationWindowSeconds: new(int32(300)),
		SelectPolicy:               &most,
		Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 10, PeriodSeconds: 120}},
	}, behavior.ScaleDown)

	empty := chart.Render(t, chart.Parse(t, "autoscaling: {behavior: {scaleUp: null, scaleDown: null}}")).HorizontalPodAutoscaler(t)
	assert.Equal(t, &autoscalingv2.HorizontalPodAutoscalerBehavior{}, empty.Spec.Behavior, "an empty behavior is not an absent one")
}

// TestSwitches turns each part off and names what must go with it, by component.
func TestSwitches(t *testing.T) {
	t.Parallel()
	all := components(chart.Render(t))
	require.Equal(t, []string{"doctor", "kube-state-metrics", "prometheus", "prometheus-adapter", "renderer"}, all)
	for key, test := range map[string]struct {
		values string
		gone   chart.Component
	}{
		"prometheus.enabled":        {"prometheus: {enabled: false, url: http://prometheus.example}", chart.Prometheus},
		"prometheusAdapter.enabled": {"prometheusAdapter: {enabled: false}", chart.PrometheusAdapter},
		"kubeStateMetrics.enabled":  {"kubeStateMetrics: {enabled: false}", chart.KubeStateMetrics},
		"doctor.enabled":            {"doctor: {enabled: false}", chart.Doctor},
	} {
		t.Run(key, func(t *testing.T) {
			rendered := chart.Render(t, chart.Parse(t, test.values))
			want := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return name == string(test.gone) })
			assert.Equal(t, want, components(rendered))
		})
	}
	external := chart.Render(t, chart.Parse(t, "prometheus: {enabled: false, url: http://prometheus.example}"))
	assert.Contains(t, external.Container(t, chart.PrometheusAdapter).Args, "--prometheus-url=http://prometheus.example")

	blind := chart.Render(t, chart.Parse(t, "kubeStateMetrics: {enabled: false}"))
	assert.NotContains(t, blind.RulesFile(t), "kube_", "rules about what nobody scrapes")
	assert.NotContains(t, blind.RulesFile(t), "holograph:hpa_", "rules about what nobody records")
	assert.NotContains(t, blind.PrometheusFiles(t)["prometheus.yaml"], "kube-state-metrics")
}

// components lists the components that a rendering has objects of.
func components(rendered *chart.Rendered) []string {
	found := map[string]bool{}
	for _, object := range rendered.Objects {
		metadata, _ := object["metadata"].(map[string]any)
		labels, _ := metadata["labels"].(map[string]any)
		found[fmt.Sprint(labels["app.kubernetes.io/component"])] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// TestSignalsAreDefinedOnce gives each part of the signals an odd value and looks for it wherever it is used.
func TestSignalsAreDefinedOnce(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, `
signals:
  labels: {namespace: odd_namespace, pod: odd_pod, container: odd_container}
  scrapeLabels: [odd_scraper]
  overruns: {name: odd_total, window: 7m, target: "0.37"}
  frames: {name: odd_frames}
  demand: {name: odd_demand, offeredMetric: odd_offered, capacityMetric: odd_capacity, window: 5m, target: 0.61}
frame: {budget: 41ms}`))

	rules := rendered.AdapterConfig(t).Rules
	require.Len(t, rules, 2)
	rule := rules[0]
	assert.Equal(t, `odd_total{odd_namespace!="",odd_pod!="",odd_container="renderer"}`, rule.SeriesQuery)
	assert.Contains(t, rule.Query(t, rule.Name.As, "film", "a"), `rate(odd_total{odd_namespace="film",odd_pod="a",odd_container="renderer"}[7m])`)
	rule = rules[1]
	assert.Equal(t, `odd_offered{odd_namespace!="",odd_pod!="",odd_container="renderer"}`, rule.SeriesQuery)
	assert.Equal(t, "^odd_offered$", rule.Name.Matches)
	assert.Equal(t, "odd_demand", rule.Name.As)
	demand := rule.Query(t, "odd_offered", "film", "a")
	assert.Contains(t, demand, `rate(odd_offered{odd_namespace="film",odd_pod="a",odd_container="renderer"}[5m])`)
	assert.Contains(t, demand, `last_over_time(odd_capacity{odd_namespace="film",odd_pod="a",odd_container="renderer"}[5m])`)
	assert.Equal(t, 2, strings.Count(demand, "sum by (odd_pod) (max without (odd_scraper) ("))
	targets := map[string]string{}
	for _, metric := range rendered.HorizontalPodAutoscaler(t).Spec.Metrics {
		targets[metric.Pods.Metric.Name] = metric.Pods.Target.AverageValue.String()
	}
	assert.Equal(t, map[string]string{"odd_total": "370m", "odd_demand": "610m"}, targets)
	assert.Contains(t, rendered.Container(t, chart.Renderer).Env, corev1.EnvVar{Name: "HOLOGRAPH_FRAME_BUDGET", Value: "41ms"})
	assert.Contains(t, rendered.Notes, "/pods/*/odd_total")
	assert.Contains(t, rendered.Notes, "/pods/*/odd_demand")
	assert.Contains(t, rendered.Notes, "0.37 late frames per second and pod and at a demand of 0.61")
	for _, label := range []string{"odd_namespace", "odd_pod", "odd_container"} {
		assert.Contains(t, rendered.PrometheusFiles(t)["prometheus.yaml"], fmt.Sprintf("target_label: %q", label))
	}
	for _, name := range []string{"frames_total", "frames_over_budget_total", "demand", "offered_cpu_seconds_total", "cpu_capacity_cores"} {
		assert.NotContains(t, rendered.Manifest+rendered.Notes, "holograph_"+name)
	}
}

// TestImagesArePinnedLikeTheirModules keeps an image's tag and the module that it can be built from together.
func TestImagesArePinnedLikeTheirModules(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	for component, pinned := range map[chart.Component]program.Program{
		chart.Prometheus:        program.Prometheus,
		chart.PrometheusAdapter: program.PrometheusAdapter,
		chart.KubeStateMetrics:  program.KubeStateMetrics,
	} {
		version, err := pinned.Version()
		require.NoError(t, err)
		image := rendered.Container(t, component).Image
		assert.Equal(t, pinned.Tag(version), image[strings.LastIndex(image, ":")+1:], "%s: the chart's tag and the version in %s/go.mod", image, pinned.Folder)
	}
}

// TestSchemaRefuses holds one wrong value for each kind of pattern; the message names the key.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	schemaRefuses(t, map[string]any{
		"unknown":                              1,
		"renderer.unknown":                     1,
		"renderer.port":                        70000,
		"renderer.resources.limits.cpu":        "one",
		"renderer.image.tag":                   "a tag",
		"renderer.image.digest":                "sha256:short",
		"renderer.metricsPath":                 "metrics",
		"frame.budget":                         "33",
		"slo.objective":                        100,
		"signals.labels.pod":                   "pod-name",
		"signals.overruns.name":                "frames-over-budget",
		"signals.overruns.window":              "2 minutes",
		"signals.overruns.target":              "a tenth",
		"signals.demand.enabled":               "yes",
		"signals.demand.name":                  "demand of a pod",
		"signals.demand.offeredMetric":         "offered:cpu_seconds",
		"signals.demand.capacityMetric":        "cpu-cores",
		"signals.demand.window":                "1 minute",
		"signals.demand.target":                "75%",
		"autoscaling.minReplicas":              0,
		"autoscaling.behavior.scaleUpp":        map[string]any{},
		"podMonitor.apiVersion":                "v1",
		"scrapeAnnotations.enabled":            "yes",
		"prometheus.retention.size":            "512",
		"prometheusAdapter.replicaCount":       0,
		"kubeStateMetrics.scrapeInterval":      5,
		"fullnameOverride":                     "Upper",
		"servedNamespaces":                     []any{"film", "film"},
		"prometheusAdapter.existing.configMap": "the rules",
		"global.imagePullSecrets":              []any{"a name"},
		"renderer.podDisruptionBudget":         "none",
		"renderer.serviceAccount.automount":    "no",
		"prometheus.service.type":              "ExternalName",
		"prometheusAdapter.image.pullPolicy":   "Sometimes",
	})
}

// schemaRefuses expects the schema to refuse each value, and the message to name its key.
func schemaRefuses(t *testing.T, wrong map[string]any) {
	t.Helper()
	for path, value := range wrong {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			_, err := chart.Template(chart.Options{Values: []chart.Values{chart.Set(path, value)}})
			require.Error(t, err)
			place := "/" + strings.ReplaceAll(path, ".", "/")
			parent, key := place[:strings.LastIndex(place, "/")], path[strings.LastIndex(path, ".")+1:]
			named := strings.Contains(err.Error(), "at '"+place) || strings.Contains(err.Error(), fmt.Sprintf("at '%s': additional properties '%s'", parent, key))
			assert.True(t, named, "the message does not name %s:\n%s", path, err)
		})
	}
}

func TestSubchartKeysAreTaken(t *testing.T) {
	t.Parallel()
	chart.Render(t, chart.Parse(t, "{enabled: true, global: {imageRegistry: mirror.example, other: chart}}"))
}

func TestRefusesOldKubernetes(t *testing.T) {
	t.Parallel()
	_, err := chart.Template(chart.Options{KubeVersion: "v1.29.9"})
	assert.ErrorContains(t, err, "chart requires kubeVersion: >=1.30.0-0")
	_, err = chart.Template(chart.Options{KubeVersion: "v1.30.0-eks-1"})
	assert.NoError(t, err, "vendors' versions look like pre-releases")
}

// TestNamesFit renders with the longest release name that Helm takes.
func TestNamesFit(t *testing.T) {
	t.Parallel()
	rendered := chart.RenderWith(t, chart.Options{Release: strings.Repeat("r", 53)})
	for _, service := range chart.Of[*corev1.Service](t, rendered) {
		assert.LessOrEqual(t, len(service.Name), 63, service.Name)
	}
}

func TestNamespaceOverride(t *testing.T) {
	t.Parallel()
	rendered := chart.RenderWith(t, chart.Options{Namespace: "elsewhere", Values: []chart.Values{chart.Set("namespaceOverride", "studio")}})
	for _, object := range rendered.Objects {
		assert.Contains(t, []string{"studio", "kube-system", ""}, object.Namespace(), "%v", object)
		assert.NotContains(t, fmt.Sprint(map[string]any(object)), "elsewhere", "%v", object)
	}
	assert.Equal(t, 1, strings.Count(rendered.Notes, "elsewhere"), "Helm itself finds the release where it was installed:\n%s", rendered.Notes)
	assert.Contains(t, rendered.Notes, "helm test holograph --namespace elsewhere")
}

func TestOwnLabelsWinOverCommonOnes(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, "commonLabels: {app.kubernetes.io/component: mine, team: graphics}"))
	deployment := rendered.Deployment(t, chart.Renderer)
	for _, set := range []map[string]string{deployment.Labels, deployment.Spec.Template.Labels} {
		assert.Equal(t, "renderer", set["app.kubernetes.io/component"], "a selector would lose its pods")
		assert.Equal(t, "graphics", set["team"])
	}
}

// served is what the adapter serves with and what the API server verifies it by.
type served struct {
	secret      chart.Object
	certificate *x509.Certificate
	bundle      []byte
	checksum    string
}

// certificates returns the Secrets with certificates that a rendering makes.
func certificates(t *testing.T, rendered *chart.Rendered) []*corev1.Secret {
	t.Helper()
	return slices.DeleteFunc(chart.Of[*corev1.Secret](t, rendered), func(secret *corev1.Secret) bool {
		return secret.Type != corev1.SecretTypeTLS
	})
}

// serving checks that a rendering's certificate, key, APIServices and Deployment belong together.
func serving(t *testing.T, rendered *chart.Rendered, now time.Time) served {
	t.Helper()
	var result served
	for _, object := range rendered.Objects {
		if object.Kind() == "Secret" && object["type"] == string(corev1.SecretTypeTLS) {
			require.Nil(t, result.secret, "two Secrets")
			result.secret = object
		}
	}
	secrets := certificates(t, rendered)
	require.Len(t, secrets, 1)
	pair, err := tls.X509KeyPair(secrets[0].Data["tls.crt"], secrets[0].Data["tls.key"])
	require.NoError(t, err)
	result.certificate = pair.Leaf

	services := chart.Of[*apiregistrationv1.APIService](t, rendered)
	require.Len(t, services, 2)
	for _, service := range services {
		assert.False(t, service.Spec.InsecureSkipTLSVerify)
		assert.Equal(t, string(secrets[0].Data["ca.crt"]), string(service.Spec.CABundle), service.Name)
		authorities := x509.NewCertPool()
		require.True(t, authorities.AppendCertsFromPEM(service.Spec.CABundle))
		_, err := result.certificate.Verify(x509.VerifyOptions{
			Roots: authorities,
			// The name that the API server's aggregator asks for.
			DNSName:     service.Spec.Service.Name + "." + service.Spec.Service.Namespace + ".svc",
			CurrentTime: now.Add(time.Minute),
		})
		require.NoError(t, err, service.Name)
		result.bundle = service.Spec.CABundle
	}
	deployment := rendered.Deployment(t, chart.PrometheusAdapter)
	result.checksum = deployment.Spec.Template.Annotations["checksum/certificate"]
	for _, volume := range deployment.Spec.Template.Spec.Volumes {
		if volume.Secret != nil {
			assert.Equal(t, secrets[0].Name, volume.Secret.SecretName)
		}
	}
	return result
}

// aged returns the Secret as if its certificate ended at another time.
func aged(secret chart.Object, end time.Time) chart.Object {
	return chart.Object(chart.Merge(secret, chart.Values{"metadata": map[string]any{"annotations": map[string]any{
		"holograph/certificate-not-after": strconv.FormatInt(end.Unix(), 10),
	}}}))
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	first := serving(t, chart.Render(t), now)
	assert.WithinDuration(t, now.AddDate(0, 0, 3650), first.certificate.NotAfter, 48*time.Hour)

	upgrade := func(found chart.Object, values ...chart.Values) served {
		t.Helper()
		return serving(t, chart.RenderWith(t, chart.Options{Cluster: []chart.Object{found}, Values: values}), now)
	}
	renewed := func(after served, why string) {
		t.Helper()
		assert.NotEqual(t, first.certificate.Raw, after.certificate.Raw, why)
		assert.NotEqual(t, first.checksum, after.checksum, "the adapter is restarted")
		assert.True(t, strings.HasSuffix(strings.TrimSpace(string(after.bundle)), strings.TrimSpace(string(first.bundle))),
			"until then its old certificate is verified still")
	}
	certificates := func(bundle []byte) (count int) {
		for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
			count++
		}
		return count
	}

	second := upgrade(first.secret)
	assert.Equal(t, first.secret, second.secret, "an upgrade changes nothing")
	assert.Equal(t, first.checksum, second.checksum, "an upgrade restarts nothing")

	third := upgrade(first.secret, chart.Set("prometheusAdapter.certificate.generation", 2))
	renewed(third, "another generation was asked for")
	fourth := upgrade(third.secret, chart.Set("prometheusAdapter.certificate.generation", 3))
	assert.Equal(t, 2, certificates(fourth.bundle), "only the authority before is kept")

	renewed(upgrade(aged(first.secret, now.AddDate(0, 0, 1215))), "less than a third of 3650 days is left")
	assert.Equal(t, first.certificate.Raw, upgrade(aged(first.secret, now.AddDate(0, 0, 1218))).certificate.Raw, "more than a third is left")
	renewed(upgrade(first.secret, chart.Set("prometheusAdapter.certificate.validityDays", 90)), "another validity was asked for")

	torn := chart.Object(chart.Merge(first.secret, chart.Values{"data": map[string]any{"tls.key": ""}}))
	assert.NotEqual(t, first.certificate.Raw, upgrade(torn).certificate.Raw, "a Secret without its key is of no use")
}

func TestOwnCertificate(t *testing.T) {
	t.Parallel()
	authority := "-----BEGIN CERTIFICATE-----\nMIIA\n-----END CERTIFICATE-----\n"
	rendered := chart.Render(t, chart.Values{"prometheusAdapter": map[string]any{"certificate": map[string]any{
		"existingSecret": "mine", "caBundle": authority,
	}}})
	assert.Empty(t, certificates(t, rendered), "none is generated")
	for _, service := range chart.Of[*apiregistrationv1.APIService](t, rendered) {
		assert.Equal(t, authority, string(service.Spec.CABundle))
		assert.False(t, service.Spec.InsecureSkipTLSVerify)
	}
	var mounted []string
	for _, volume := range rendered.Deployment(t, chart.PrometheusAdapter).Spec.Template.Spec.Volumes {
		if volume.Secret != nil {
			mounted = append(mounted, volume.Secret.SecretName)
		}
	}
	assert.Equal(t, []string{"mine"}, mounted)
}

// TestChangedRulesRestartTheAdapter: it reads them only when it starts.
func TestChangedRulesRestartTheAdapter(t *testing.T) {
	t.Parallel()
	checksum := func(values ...chart.Values) string {
		return chart.Render(t, values...).Deployment(t, chart.PrometheusAdapter).Spec.Template.Annotations["checksum/config"]
	}
	assert.Equal(t, checksum(), checksum())
	assert.NotEqual(t, checksum(), checksum(chart.Set("signals.overruns.window", "3m")))
}

// TestNothingElseRestarts: an upgrade that only changes the scrape configuration replaces no pod.
func TestNothingElseRestarts(t *testing.T) {
	t.Parallel()
	before := chart.Render(t)
	after := chart.RenderWith(t, chart.Options{
		Cluster: before.Objects,
		Values:  []chart.Values{chart.Parse(t, "{prometheus: {scrapeInterval: 10s, retention: {time: 60d}}, kubeStateMetrics: {scrapeInterval: 10s}}")},
	})
	require.NotEqual(t, before.PrometheusFiles(t), after.PrometheusFiles(t))
	for _, component := range []chart.Component{chart.Renderer, chart.Prometheus, chart.PrometheusAdapter, chart.KubeStateMetrics} {
		assert.Equal(t, before.Deployment(t, component).Spec.Template, after.Deployment(t, component).Spec.Template, "%s", component)
	}
}

// TestGolden shows in review what a change to the chart does to what it renders.
func TestGolden(t *testing.T) {
	t.Parallel()
	got := chart.Render(t).Stable()
	path := filepath.Join("testdata", "defaults.golden.yaml")
	if *updateGolden {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "write it with `go test ./test/chart -run Golden -update`")
	assert.Equal(t, string(want), got, "if the change is meant, run `go test ./test/chart -run Golden -update`")
}
