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
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/utils/ptr"

	"holograph/test/internal/chart"
)

// refusalsOfTargets are the cases of workloads and metrics with which nothing is scaled or measured.
var refusalsOfTargets = map[string]refusal{
	"nothing to scale": {
		`{renderer: {enabled: false, metrics: {container: stream, port: 9102}}, autoscaling: {target: {podLabels: {app: stream}}}}`,
		`autoscaling.target.name: must be the name of a workload where renderer.enabled is false (got none), because the release has nothing to scale and to measure: write the name of your Deployment, StatefulSet or Rollout.`},
	"workload whose pods nobody finds": {
		`{renderer: {enabled: false, metrics: {container: stream, port: 9102}}, autoscaling: {target: {name: stream}}}`,
		`autoscaling.target.podLabels: must be labels of the workload's pods where renderer.enabled is false (got none), because Prometheus and the doctor find the pods by them: write the workload's spec.selector.matchLabels.`},
	"workload without a container": {
		`{renderer: {enabled: false, metrics: {port: 9102}}, autoscaling: {target: {name: stream, podLabels: {app: stream}}}}`,
		`renderer.metrics.container: must be the name of the workload's container where renderer.enabled is false (got none), because Prometheus scrapes that container of its pods: write the one that exports the metrics.`},
	"workload without a port of its metrics": {
		`{renderer: {enabled: false, metrics: {container: stream}}, autoscaling: {target: {name: stream, podLabels: {app: stream}}}}`,
		`renderer.metrics.port: must be the port of the metrics that the workload's container declares where renderer.enabled is false (got 0), because Prometheus and the doctor find it by its number, whatever its name is: write it, like 9102.`},
	"Rollout of Kubernetes' own": {
		otherWorkload(`kind: Rollout`),
		`autoscaling.target.apiVersion: must be one of argoproj.io for a Rollout (got apps/v1), because the autoscaler would find no such workload: write argoproj.io/v1alpha1.`},
	"StatefulSet of Argo": {
		otherWorkload(`kind: StatefulSet, apiVersion: argoproj.io/v1alpha1`),
		`autoscaling.target.apiVersion: must be one of apps for a StatefulSet (got argoproj.io/v1alpha1), because the autoscaler would find no such workload: write apps/v1.`},
	"one number for the pods of a StatefulSet": {
		otherWorkload(`kind: StatefulSet`) + `
signals: {demand: {metricType: Object}}`,
		`signals.demand.metricType: must be Pods where autoscaling.target.kind is StatefulSet (got Object), because the adapter's rule makes one number of the pods of a Deployment only: write Pods.`},
	"Rollout without pods": {
		strings.Replace(otherWorkload(`kind: Rollout, apiVersion: argoproj.io/v1alpha1`), "autoscaling: {", "autoscaling: {provider: keda, ", 1) + `
prometheusAdapter: {enabled: false}
keda: {idleReplicaCount: 0, triggers: [{type: cron, metadata: {timezone: UTC, start: 0 8 * * *, end: 0 18 * * *, desiredReplicas: "2"}}]}`,
		`autoscaling.target.kind: must be Deployment or StatefulSet where the autoscaler may remove all pods (got Rollout), because kube-state-metrics shows nothing of a Rollout, and a Rollout without pods looks like a loss of all samples: write an autoscaling.minReplicas of 1 or more, and null for keda.idleReplicaCount.`},
	"namespaces served without a renderer": {
		otherWorkload(`kind: Deployment`) + `
servedNamespaces: [film]`,
		`servedNamespaces: must be empty where renderer.enabled is false (got film), because one scrape job finds all renderers, by the chart's labels and the name of their port: serve them from a release with the chart's renderer.`},
	"annotations of nobody's pods": {
		otherWorkload(`kind: Deployment`) + `
scrapeAnnotations: {enabled: true}`,
		`scrapeAnnotations.enabled: must be false where renderer.enabled is false (got true), because the chart does not write the workload's pods: write prometheus.io/scrape, port and path into its pod template, and signals.labels.container: "", because such a job sets no label for the container.`},
	"two workloads": {
		`autoscaling: {target: {name: stream}}`,
		`autoscaling.target.name: must be empty with renderer.enabled (got stream), because the release scales its own renderer: set renderer.enabled to false, or leave the name empty.`},
	"metrics of no container": {
		`renderer: {metrics: {container: exporter}}`,
		`renderer.metrics.container: must be a container of renderer.extraContainers or renderer.initContainers (got exporter), because nothing else runs in the renderer's pods: write its name, or leave this empty where the renderer exports the metrics itself.`},
	"metrics of a container that ends": {
		`renderer: {metrics: {container: exporter, port: 9102}, initContainers: [{name: exporter, image: exporter}]}`,
		`renderer.metrics.container: must be a container that runs as long as the renderer (got exporter, an init container that ends before the renderer starts), because nobody could read its metrics: write restartPolicy: Always for it in renderer.initContainers.`},
	"sidecar without a port": {
		`renderer: {metrics: {container: exporter}, extraContainers: [{name: exporter, image: exporter}]}`,
		`renderer.metrics.port: must be the port of container exporter (got 0), because it has no port named metrics: write the port.`},
	"two ports of a sidecar": {
		`renderer: {metrics: {container: exporter, port: 9102}, extraContainers: [{name: exporter, image: exporter, ports: [{name: metrics, containerPort: 9103}]}]}`,
		`renderer.metrics.port: must be 0 or the port named metrics of container exporter, which is 9103 (got 9102), because Prometheus reads that one: write 0.`},
	"port of a sidecar with another name": {
		`renderer: {metrics: {container: exporter, port: 9102}, extraContainers: [{name: exporter, image: exporter, ports: [{name: http-metrics, containerPort: 9102}]}]}`,
		`renderer.metrics.port: must be the port of container exporter that is named metrics (got 9102, which is named http-metrics), because Prometheus finds the port by that name: rename the port to metrics.`},
	"Ingress to an existing workload": {
		`{renderer: {enabled: false, ingress: {enabled: true}, metrics: {container: encoder, port: 9102}}, autoscaling: {target: {name: encoder, podLabels: {app: encoder}}}}`,
		`renderer.ingress.enabled: must be false where renderer.enabled is false (got true), because the release has no Service to lead to: write false, and lead your own to the Service of your workload.`},
	"route of no Gateway": {
		`renderer: {httpRoute: {enabled: true}}`,
		`renderer.httpRoute.parentRefs: must name a Gateway (got none), because no Gateway would serve the HTTPRoute: write it like [{name: gateway, namespace: gateways}].`},
	"own port of metrics that nobody may scrape": {
		`{prometheus: {enabled: false, url: http://prometheus.example}, kubeStateMetrics: {enabled: false}, networkPolicy: {enabled: true}, renderer: {metrics: {port: 9102}}}`,
		`networkPolicy.scrapers: must not be empty where prometheus.url does not name a Service with its namespace, like http://prometheus.monitoring.svc:9090 (got none), because no Prometheus could scrape the renderers: write the peers that are your Prometheus.`},
}

// otherWorkload returns values that scale the workload stream in place of the chart's renderer.
func otherWorkload(target string) string {
	return fmt.Sprintf(`renderer: {enabled: false, metrics: {container: streamer, port: 9102, path: /stats}}
autoscaling: {target: {name: stream, podLabels: {app: stream}, %s}}`, target)
}

// workloads are those that a release can scale in place of its own, with what identifies their pods.
var workloads = map[string]struct {
	target, apiVersion, kind string
	owner                    string
	pods, others             []string
}{
	"Deployment": {`kind: Deployment`, "apps/v1", "Deployment", "ReplicaSet stream-5d4b7c9f68",
		[]string{"stream-5d4b7c9f68-2vxqz"}, []string{"stream-0", "stream-other-5d4b7c9f68-2vxqz", "holograph-renderer-5d4b7c9f68-2vxqz"}},
	"StatefulSet": {`kind: StatefulSet`, "apps/v1", "StatefulSet", "StatefulSet stream",
		[]string{"stream-0", "stream-17"}, []string{"stream-5d4b7c9f68-2vxqz", "stream-other-0", "stream-"}},
	"Rollout": {`kind: Rollout, apiVersion: argoproj.io/v1alpha1`, "argoproj.io/v1alpha1", "Rollout", "ReplicaSet stream-5d4b7c9f68",
		[]string{"stream-5d4b7c9f68-2vxqz"}, []string{"stream-0"}},
}

// TestExistingWorkloadIsScaled: with renderer.enabled false, no object of the renderer is made, and the autoscaler of the
// chart or of KEDA scales the workload that autoscaling.target names.
func TestExistingWorkloadIsScaled(t *testing.T) {
	t.Parallel()
	for name, workload := range workloads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := chart.Parse(t, otherWorkload(workload.target))
			everything := chart.Parse(t, `{networkPolicy: {enabled: true}, dashboard: {enabled: true}}`)
			rendered := chart.Render(t, values, everything)
			for _, object := range rendered.Objects {
				assert.False(t, object.Name() == "holograph-renderer" && object.Kind() != "HorizontalPodAutoscaler", "%s is made, want none of the renderer's objects: the workload has its own", object)
			}
			want := chart.Values{"apiVersion": workload.apiVersion, "kind": workload.kind, "name": "stream"}
			hpa := ofKind(rendered, "HorizontalPodAutoscaler")["holograph-renderer"]
			assert.Equal(t, want, valueAt(t, hpa, "spec", "scaleTargetRef"), "what the autoscaler scales")
			scaled := ofKind(chart.Render(t, named(t, "KEDA"), values), "ScaledObject")["holograph-renderer"]
			assert.Equal(t, want, valueAt(t, scaled, "spec", "scaleTargetRef"), "what KEDA scales")

			path := pathOf(t, rendered)
			assert.Equal(t, []string{workload.apiVersion, workload.kind, "stream"}, []string{path.Renderer.APIVersion, path.Renderer.Kind, path.Renderer.Name}, "the workload that the doctor looks at")
			assert.False(t, path.Renderer.Own, "the doctor takes the workload for one of the chart")
			assert.Equal(t, "app=stream", path.Renderer.Selector, "the pods that the doctor looks at")
			assert.Equal(t, "streamer:9102/stats", fmt.Sprintf("%s:%d%s", path.Renderer.Container, path.Renderer.Port, path.Renderer.Path), "where the doctor reads the metrics")
			mayRead := false
			for _, role := range chart.Of[*rbacv1.Role](t, rendered) {
				for _, rule := range role.Rules {
					mayRead = mayRead || role.Name == "holograph-doctor" && slices.Contains(rule.ResourceNames, "stream") &&
						slices.Equal(rule.Resources, []string{strings.ToLower(workload.kind) + "s"}) && slices.Equal(rule.APIGroups, []string{strings.Split(workload.apiVersion, "/")[0]})
				}
			}
			assert.True(t, mayRead, "the doctor may not read %s stream", workload.kind)
			assert.Contains(t, rendered.Notes, "no NetworkPolicy was made for the pods of stream")
			assert.NotContains(t, rendered.Notes, "localhost/holograph-renderer", "the notes: no renderer of the chart runs")
		})
	}
}

// TestExistingWorkloadIsMeasured: the scrape job and every query take the pods of the workload, and no others.
func TestExistingWorkloadIsMeasured(t *testing.T) {
	t.Parallel()
	for name, workload := range workloads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := chart.Render(t, chart.Parse(t, otherWorkload(workload.target)), chart.Parse(t, `{podMonitor: {enabled: true}, dashboard: {enabled: true}}`))
			job := scrapeJobs(t, rendered)["renderer"]
			assert.Equal(t, "/stats", job["metrics_path"])
			assert.Equal(t, "app=stream", discovery(t, rendered, "renderer")[0].Selectors[0].Label, "the pods that the job asks Kubernetes for")
			kind, owner, _ := strings.Cut(workload.owner, " ")
			pod := map[string]string{
				"__address__":                                 "10.0.0.7:9102",
				"__meta_kubernetes_namespace":                 "holograph",
				"__meta_kubernetes_pod_name":                  workload.pods[0],
				"__meta_kubernetes_pod_phase":                 "Running",
				"__meta_kubernetes_pod_controller_kind":       kind,
				"__meta_kubernetes_pod_controller_name":       owner,
				"__meta_kubernetes_pod_container_name":        "streamer",
				"__meta_kubernetes_pod_container_port_name":   "stats",
				"__meta_kubernetes_pod_container_port_number": "9102",
			}
			kept, labels := relabelTarget(t, job, pod)
			assert.True(t, kept, "the job drops a pod of the workload, want it scraped whatever the name of its port")
			assert.Equal(t, "streamer", labels["container"])
			for label, other := range map[string]string{
				"__meta_kubernetes_pod_controller_name": "other", "__meta_kubernetes_pod_container_name": "proxy", "__meta_kubernetes_pod_container_port_number": "8080",
			} {
				changed := maps.Clone(pod)
				changed[label] = other
				kept, _ := relabelTarget(t, job, changed)
				assert.False(t, kept, "the job scrapes a pod with %s %s, want %s only", label, other, pod[label])
			}
			monitor := ofKind(rendered, "PodMonitor")["holograph-renderer"]
			assert.Equal(t, map[string]any{"app": "stream"}, valueAt(t, monitor, "spec", "selector", "matchLabels"), "the pods of the PodMonitor")
			endpoint := valueAt(t, monitor, "spec", "podMetricsEndpoints", 0)
			assert.NotContains(t, endpoint, "port", "the PodMonitor: the name of the workload's port is not known, so its number is asked for")
			assert.Contains(t, fmt.Sprint(valueAt(t, endpoint, "relabelings")), "regex:9102 sourceLabels:[__meta_kubernetes_pod_container_port_number]")

			scaled := chart.Render(t, named(t, "KEDA"), chart.Parse(t, otherWorkload(workload.target)))
			texts := rendered.RulesFile(t) + rendered.PrometheusFiles(t)["holograph.html"] + fmt.Sprint(renderedScaledObject(t, scaled).Spec.Triggers)
			for _, config := range ofKind(rendered, "ConfigMap") {
				texts += fmt.Sprint(config["data"])
			}
			found := regexp.MustCompile(`pod=~\\?"([^"\\]+)\\?"`).FindAllStringSubmatch(texts, -1)
			require.Greater(t, len(found), 10, "matchers of pods in the queries")
			for _, match := range found {
				pattern := regexp.MustCompile("^(?:" + match[1] + ")$")
				for _, pod := range workload.pods {
					assert.Regexp(t, pattern, pod, "a query does not take pod %s", pod)
				}
				for _, pod := range workload.others {
					assert.NotRegexp(t, pattern, pod, "a query takes pod %s, which is none of the workload's", pod)
				}
			}
			assert.NotContains(t, texts, `container="renderer"`, "the queries: the metrics are those of container streamer")
		})
	}
}

// TestAWorkloadWithAnnotations: a job that finds its targets by annotations sets no label for the container, and the queries ask
// for none if signals.labels says so.
func TestAWorkloadWithAnnotations(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, otherWorkload(`kind: Deployment`)), chart.Parse(t, `
prometheus: {enabled: false, url: "http://prometheus.monitoring.svc:9090"}
prometheusRule: {enabled: true}
signals: {labels: {container: ""}}`))
	assert.Contains(t, rendered.Manifest, "holograph_frames_total{")
	assert.NotContains(t, rendered.Manifest, "container=", "the queries of a Prometheus without a label for the container")
}

// TestReadinessOfAWorkload: kube-state-metrics shows replicas of Deployments and StatefulSets, and the alert, the link and
// the panel on them follow. It shows nothing of a Rollout, of which they are left out.
func TestReadinessOfAWorkload(t *testing.T) {
	t.Parallel()
	for name, wanted := range map[string]string{
		"Deployment":  `kube_deployment_spec_replicas{namespace="holograph",deployment="stream"}`,
		"StatefulSet": `kube_statefulset_replicas{namespace="holograph",statefulset="stream"}`,
		"Rollout":     "",
	} {
		rendered := chart.Render(t, chart.Parse(t, otherWorkload(workloads[name].target)))
		rules, page := rendered.RulesFile(t), rendered.PrometheusFiles(t)["holograph.html"]
		shown := wanted != ""
		assert.Equal(t, shown, strings.Contains(rules, "HolographReplicasMismatch"), "whether there is an alert on the Ready pods of a %s", name)
		assert.Equal(t, shown, strings.Contains(page, "The wanted pods are Ready"), "whether the status page has the link of a %s", name)
		assert.Contains(t, rules, wanted)
		scaled := chart.Render(t, named(t, "KEDA"), chart.Parse(t, otherWorkload(workloads[name].target)))
		for _, trigger := range renderedScaledObject(t, scaled).Spec.Triggers {
			assert.Contains(t, trigger.Metadata["query"], wanted, "KEDA's query, which keeps no more pods than the %s is to have", name)
		}
		assert.Equal(t, !shown, strings.Contains(rendered.Notes, "kube-state-metrics shows nothing of a Rollout"), "whether the notes say so of a %s", name)

		arguments := strings.Join(rendered.Container(t, chart.KubeStateMetrics).Args, " ")
		assert.Equal(t, name == "StatefulSet", strings.Contains(arguments, "statefulsets"), "whether kube-state-metrics reads StatefulSets for a %s", name)
		may := false
		for _, role := range chart.Of[*rbacv1.Role](t, rendered) {
			for _, rule := range role.Rules {
				may = may || role.Name == "holograph-kube-state-metrics" && slices.Contains(rule.Resources, "statefulsets")
			}
		}
		assert.Equal(t, name == "StatefulSet", may, "whether kube-state-metrics may read StatefulSets for a %s", name)
		keeps := scrapeJobs(t, rendered)["kube-state-metrics"]["metric_relabel_configs"]
		kept := func(series map[string]string) bool {
			kept, _ := relabelTarget(t, chart.Values{"relabel_configs": keeps}, series)
			return kept
		}
		label := strings.ToLower(name)
		assert.Equal(t, shown, kept(map[string]string{"__name__": "kube_" + label + "_status_replicas_ready", "namespace": "holograph", label: "stream"}), "whether Prometheus keeps kube-state-metrics' series of a %s", name)
		assert.False(t, kept(map[string]string{"__name__": "kube_" + label + "_status_replicas_ready", "namespace": "holograph", label: "other"}), "Prometheus keeps the series of another %s, want that of the workload only", name)
		assert.True(t, kept(map[string]string{"__name__": "kube_horizontalpodautoscaler_status_desired_replicas", "namespace": "holograph", "horizontalpodautoscaler": "holograph-renderer"}), "the autoscaler's series with a %s", name)
		assert.True(t, kept(map[string]string{"__name__": "kube_deployment_status_replicas_available", "namespace": "holograph", "deployment": "holograph-prometheus-adapter"}), "the adapter's series with a %s", name)
	}
}

// TestPodNamesThatKubernetesCuts: of a workload with a long name, the queries find the pods whose names Kubernetes cuts.
func TestPodNamesThatKubernetesCuts(t *testing.T) {
	t.Parallel()
	rule := chart.Render(t, totals).AdapterConfig(t).Rules[1]
	for _, length := range []int{1, 40, 47, 48, 51, 52, 56, 57, 58, 60, 100} {
		name := strings.Repeat("s", length)
		rendered := chart.Render(t, chart.Parse(t, otherWorkload(`kind: Deployment`)), chart.Set("autoscaling.target.name", name), chart.Set("prometheusAdapter.enabled", false), chart.Set("kubeStateMetrics.enabled", false))
		match := regexp.MustCompile(`pod=~"([^"]+)"`).FindStringSubmatch(rendered.RulesFile(t))
		require.NotNil(t, match)
		// As the API server makes names: the ReplicaSet's, a dash, at most 58 characters of that, and five more.
		base := name + "-5d4b7c9f68-"
		pod := base[:min(len(base), 58)] + "2vxqz"
		assert.Regexp(t, "^(?:"+match[1]+")$", pod, "the pods of a Deployment whose name has %d characters", length)
		asked := regexp.MustCompile(`pod=~"([^"]+)"`).FindAllStringSubmatch(rule.TotalQuery(t, "holograph_offered_cpu_seconds_total", "holograph", name), -1)
		require.NotEmpty(t, asked)
		for _, match := range asked {
			pattern := regexp.MustCompile("^(?:" + match[1] + ")$")
			assert.Regexp(t, pattern, pod, "the pods that the adapter asks for, of a Deployment whose name has %d characters", length)
			assert.NotRegexp(t, pattern, "t"+pod)
		}
	}
}

// TestNamesOfWorkloadsAreNoPatterns: the dot in a workload's name stands for itself.
func TestNamesOfWorkloadsAreNoPatterns(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, otherWorkload(`kind: StatefulSet`)), chart.Set("autoscaling.target.name", "acme.stream"))
	match := regexp.MustCompile(`pod=~"([^"]+)"`).FindStringSubmatch(rendered.RulesFile(t))
	require.NotNil(t, match)
	pattern := regexp.MustCompile("^(?:" + match[1] + ")$")
	assert.Regexp(t, pattern, "acme.stream-0")
	assert.NotRegexp(t, pattern, "acmeXstream-0", "a pod of another workload")
}

// TestTheRenderersDeploymentTakesItsValues: fields of the Deployment that users set.
func TestTheRenderersDeploymentTakesItsValues(t *testing.T) {
	t.Parallel()
	deployment := func(values string) appsv1.DeploymentSpec {
		return chart.Render(t, chart.Parse(t, values)).Deployment(t, chart.Renderer).Spec
	}
	plain := deployment("{}")
	assert.Nil(t, plain.ProgressDeadlineSeconds, "progressDeadlineSeconds by default: it is Kubernetes'")
	assert.Nil(t, plain.RevisionHistoryLimit, "revisionHistoryLimit by default: it is Kubernetes'")
	assert.Empty(t, plain.Template.Spec.Volumes, "volumes by default: the cluster autoscaler keeps nodes whose pods have files on their disk")

	spec := deployment(`renderer:
  strategy: {rollingUpdate: {maxSurge: 1}}
  progressDeadlineSeconds: 900
  revisionHistoryLimit: 0
  schedulerName: volcano
  dnsPolicy: None
  dnsConfig: {nameservers: [192.0.2.53], options: [{name: ndots, value: "1"}]}
  hostAliases: [{ip: 192.0.2.1, hostnames: [assets.example]}]
  extraPodSpec: {hostNetwork: true}
  tmp: {enabled: true}
  extraPorts: [{name: media, containerPort: 40000, protocol: UDP}]`)
	assert.Equal(t, "1", spec.Strategy.RollingUpdate.MaxSurge.String())
	assert.EqualValues(t, 900, *spec.ProgressDeadlineSeconds)
	assert.EqualValues(t, 0, *spec.RevisionHistoryLimit)
	pod := spec.Template.Spec
	assert.Equal(t, "volcano", pod.SchedulerName)
	assert.EqualValues(t, "None", pod.DNSPolicy)
	assert.Equal(t, []string{"192.0.2.53"}, pod.DNSConfig.Nameservers)
	assert.Equal(t, []string{"assets.example"}, pod.HostAliases[0].Hostnames)
	assert.True(t, pod.HostNetwork, "a field of the pods that has no value of its own")
	assert.Equal(t, "media 40000 UDP", fmt.Sprint(pod.Containers[0].Ports[1].Name, " ", pod.Containers[0].Ports[1].ContainerPort, " ", pod.Containers[0].Ports[1].Protocol))
	require.Len(t, pod.Volumes, 1)
	assert.Equal(t, "64Mi", pod.Volumes[0].EmptyDir.SizeLimit.String(), "the size of /tmp: a pod that writes more is evicted before the node's disk is full")
	assert.Equal(t, pod.Volumes[0].Name+" /tmp", pod.Containers[0].VolumeMounts[0].Name+" "+pod.Containers[0].VolumeMounts[0].MountPath)
	assert.Equal(t, pod.Volumes[0].Name, spec.Template.Annotations["cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"],
		"the volumes that the cluster autoscaler may lose: otherwise it keeps every node with a renderer")
}

// TestGlobalScheduling: nodeSelector and tolerations of global apply to every pod, and a component's own replace them.
func TestGlobalScheduling(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, `{global: {nodeSelector: {pool: spot}, tolerations: [{key: spot, operator: Exists}]}, prometheus: {nodeSelector: {pool: system}}, renderer: {tolerations: [{key: gpu, operator: Exists}]}}`))
	pods := rendered.PodTemplates(t)
	require.Len(t, pods, 5)
	for name, template := range pods {
		pod := template.Spec
		pool, key := "spot", "spot"
		switch name {
		case "holograph-prometheus":
			pool = "system"
		case "holograph-renderer":
			key = "gpu"
		}
		assert.Equal(t, map[string]string{"pool": pool}, pod.NodeSelector, "the nodeSelector of %s", name)
		require.NotEmpty(t, pod.Tolerations, "tolerations of the pods of %s", name)
		assert.Equal(t, key, pod.Tolerations[0].Key, "the first toleration of %s", name)
	}
}

// TestPodsOfALostNodeAreReplaced: while the pods of a node that Kubernetes has lost are not evicted they count as
// replicas, and no other pods take their place.
func TestPodsOfALostNodeAreReplaced(t *testing.T) {
	t.Parallel()
	lost := []string{"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
	seconds := func(t *testing.T, values string, component string) map[string]int64 {
		of := map[string]int64{}
		for _, toleration := range chart.Render(t, chart.Parse(t, values)).PodTemplates(t)[component].Spec.Tolerations {
			if toleration.TolerationSeconds != nil {
				of[toleration.Key] = *toleration.TolerationSeconds
			}
		}
		return of
	}
	for name, template := range chart.Render(t, nil).PodTemplates(t) {
		pod := template.Spec
		for _, taint := range lost {
			assert.Contains(t, pod.Tolerations, corev1.Toleration{Key: taint, Operator: corev1.TolerationOpExists,
				Effect: corev1.TaintEffectNoExecute, TolerationSeconds: ptr.To[int64](30)}, "tolerations of %s", name)
		}
	}
	assert.Equal(t, map[string]int64{lost[0]: 60, lost[1]: 60}, seconds(t, `{global: {tolerationSeconds: 60}}`, "holograph-renderer"))
	assert.Empty(t, seconds(t, `{global: {tolerationSeconds: null}}`, "holograph-renderer"), "null leaves it to the cluster")
	assert.Equal(t, map[string]int64{lost[0]: 5, lost[1]: 30},
		seconds(t, `{renderer: {tolerations: [{key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 5}]}}`, "holograph-renderer"),
		"a taint that the values name keeps their time, because Kubernetes takes the shortest")
}

// TestPartOfIsOnEveryObject: part-of of commonLabels is on every object and every pod.
func TestPartOfIsOnEveryObject(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, named(t, "operator"), chart.Parse(t, `{commonLabels: {app.kubernetes.io/part-of: stage}, dashboard: {enabled: true}}`))
	for _, object := range rendered.Objects {
		assert.Equal(t, "stage", valueAt(t, object, "metadata", "labels", "app.kubernetes.io/part-of"), "part-of of %s", object)
	}
	for _, deployment := range chart.Of[*appsv1.Deployment](t, rendered) {
		assert.Equal(t, "stage", deployment.Spec.Template.Labels["app.kubernetes.io/part-of"], "part-of of the pods of %s", deployment.Name)
	}
}
