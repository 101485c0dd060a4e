package chart_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/yaml"

	"holograph/test/doctor/description"
	"holograph/test/internal/chart"
	"holograph/test/internal/kube"
	"holograph/test/internal/podsecurity"
)

// pathOf returns the description that a rendering gives the doctor.
func pathOf(t *testing.T, rendered *chart.Rendered) description.Path {
	t.Helper()
	p, err := description.Decode([]byte(rendered.ConfigMap(t, chart.Doctor).Data[description.File]))
	require.NoError(t, err)
	return p
}

// TestDoctorKnowsThePath compares the description with the objects that it names.
func TestDoctorKnowsThePath(t *testing.T) {
	t.Parallel()
	for name, values := range renderings(t) {
		rendered := chart.Render(t, values)
		if !slices.Contains(components(rendered), string(chart.Doctor)) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pathOf(t, rendered)
			named := map[string]bool{}
			for _, object := range rendered.Objects {
				named[object.Kind()+" "+object.Namespace()+"/"+object.Name()] = true
			}
			exists := func(kind, name string) {
				t.Helper()
				assert.True(t, named[kind+" "+p.Namespace+"/"+name], "no %s %s", kind, name)
			}
			selects := func(component chart.Component, selector string) {
				t.Helper()
				parsed, err := labels.Parse(selector)
				require.NoError(t, err)
				assert.True(t, parsed.Matches(labels.Set(rendered.Deployment(t, component).Spec.Template.Labels)), "the selector %s finds no pod of %s", selector, component)
			}
			containers := rendered.Deployment(t, chart.Renderer).Spec.Template.Spec.Containers
			exports := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == p.Renderer.Container })
			require.GreaterOrEqual(t, exports, 0, "the renderer's pod has no container %s", p.Renderer.Container)
			assert.Equal(t, chart.DefaultRelease, p.Release)
			exists(p.Renderer.Kind, p.Renderer.Name)
			selects(chart.Renderer, p.Renderer.Selector)
			assert.True(t, slices.ContainsFunc(containers[exports].Ports, func(port corev1.ContainerPort) bool { return int(port.ContainerPort) == p.Renderer.Port }), "container %s has no port %d", p.Renderer.Container, p.Renderer.Port)

			if p.Adapter != nil {
				var config struct {
					Rules []map[string]any `json:"rules"`
				}
				for _, candidate := range chart.Of[*corev1.ConfigMap](t, rendered) {
					if candidate.Namespace == p.Adapter.ConfigMap.Namespace && candidate.Name == p.Adapter.ConfigMap.Name {
						require.NoError(t, yaml.Unmarshal([]byte(candidate.Data[p.Adapter.ConfigMap.Key]), &config))
					}
				}
				require.GreaterOrEqual(t, len(config.Rules), len(p.Signals), "ConfigMap %v", p.Adapter.ConfigMap)
				assert.Equal(t, config.Rules[len(config.Rules)-len(p.Signals):], p.Adapter.Rules)
			}
			if p.Adapter != nil && p.Adapter.Deployment != "" {
				exists("Deployment", p.Adapter.Deployment)
				exists("Service", p.Adapter.Service)
				selects(chart.PrometheusAdapter, p.Adapter.Selector)
				assert.Equal(t, rendered.Deployment(t, chart.PrometheusAdapter).Spec.Template.Annotations["checksum/config"], p.Adapter.Checksum)
				var registered []string
				for _, service := range chart.Of[*apiregistrationv1.APIService](t, rendered) {
					registered = append(registered, service.Name)
				}
				assert.Equal(t, registered, p.APIServices)
			}
			if p.Prometheus != nil && p.Prometheus.Deployment != "" {
				exists("Deployment", p.Prometheus.Deployment)
				service := strings.Split(strings.TrimPrefix(p.Prometheus.URL, "http://"), ".")
				exists("Service", service[0])
				assert.Equal(t, p.Namespace, service[1])
			}
			if p.Autoscaler != nil && p.Autoscaler.ScaledObject != "" {
				exists("ScaledObject", p.Autoscaler.ScaledObject)
				assert.Equal(t, renderedScaledObject(t, rendered).Spec.Advanced.HorizontalPodAutoscalerConfig.Name, p.Autoscaler.HorizontalPodAutoscaler)
			} else if p.Autoscaler != nil {
				exists("HorizontalPodAutoscaler", p.Autoscaler.HorizontalPodAutoscaler)
				var asked, described []string
				for _, metric := range rendered.HorizontalPodAutoscaler(t).Spec.Metrics {
					// Others are added by autoscaling.metrics, and are not this release's.
					switch {
					case metric.Pods != nil:
						asked = append(asked, metric.Pods.Metric.Name)
					case metric.Object != nil:
						asked = append(asked, metric.Object.Metric.Name)
					}
				}
				for _, signal := range p.Signals {
					described = append(described, signal.Metric)
				}
				assert.Equal(t, asked, described)
			}
		})
	}
}

// TestDoctorKnowsTheSignals gives each name an odd value and finds it in the description.
func TestDoctorKnowsTheSignals(t *testing.T) {
	t.Parallel()
	p := pathOf(t, chart.Render(t, oddSignals(), chart.Parse(t, `
renderer: {port: 9999, metrics: {path: /odd}}
prometheus:
  enabled: false
  url: https://odd.example/team
  scrapeInterval: 7s
  headers: {X-Scope-OrgID: odd}
  tls: {ca: "-----BEGIN CERTIFICATE-----\nMIIA\n-----END CERTIFICATE-----", clientSecret: odd}
  auth: {bearerToken: {existingSecret: odd}}
prometheusAdapter: {relistInterval: 9s}`)))
	assert.Equal(t, []description.Signal{
		{Metric: "odd_late_total", Resource: "pods", FirstValue: "14s", Series: []description.Series{{Name: "odd_late_total", Value: "signals.overruns.name"}}},
		// A scrape, and five quarters of its window.
		{Metric: "odd_demand", Resource: "pods", FirstValue: "471s", Series: []description.Series{
			{Name: "odd_offered", Value: "signals.demand.offered.metric"}, {Name: "odd_capacity", Value: "signals.demand.capacity.metric"}}},
	}, p.Signals)
	assert.Equal(t, description.Labels{Namespace: "odd_namespace", Pod: "odd_pod", Container: "odd_container"}, p.Labels)
	assert.Equal(t, 9999, p.Renderer.Port)
	assert.Equal(t, "/odd", p.Renderer.Path)
	assert.Equal(t, &description.Prometheus{URL: "https://odd.example/team", ScrapeInterval: "7s", Access: kube.Access{
		Headers:   map[string]string{"X-Scope-OrgID": "odd"},
		CAFile:    "/etc/prometheus-access/ca.crt",
		CertFile:  "/etc/prometheus-access/tls.crt",
		KeyFile:   "/etc/prometheus-access/tls.key",
		TokenFile: "/etc/prometheus-access/token",
	}}, p.Prometheus)
	assert.Equal(t, "9s", p.Adapter.RelistInterval)
}

// TestHelmTest: the doctor's pod is a test hook of Helm, meets the restricted Pod Security Standard, and mounts what the
// description names.
func TestHelmTest(t *testing.T) {
	t.Parallel()
	for name, values := range renderings(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := chart.Render(t, values)
			for _, pod := range chart.Of[*corev1.Pod](t, rendered) {
				assert.Equal(t, "test", pod.Annotations["helm.sh/hook"], "the hook: helm install must not run the doctor, and helm test must")
				assert.Equal(t, "before-hook-creation", pod.Annotations["helm.sh/hook-delete-policy"], "when Helm deletes the pod: helm test --logs reads the log of one that has ended")
				assert.Equal(t, "hook-succeeded,hook-failed", pod.Annotations["helm.sh/hook-output-log-policy"], "when Helm prints the pod's log")
				assert.Equal(t, corev1.RestartPolicyNever, pod.Spec.RestartPolicy)
				podsecurity.AssertRestricted(t, pod.Name, &pod.ObjectMeta, &pod.Spec)
				require.Len(t, pod.Spec.Containers, 1)
				container := pod.Spec.Containers[0]
				assert.True(t, *container.SecurityContext.ReadOnlyRootFilesystem)
				assert.Contains(t, container.Resources.Limits, corev1.ResourceMemory)
				assert.Equal(t, rendered.ConfigMap(t, chart.Doctor).Name, pod.Spec.Volumes[0].ConfigMap.Name)
				require.Len(t, container.VolumeMounts, len(pod.Spec.Volumes))
				// What the description names is mounted.
				files := mounted(pod)
				if prometheus := pathOf(t, rendered).Prometheus; prometheus != nil {
					for _, file := range []string{prometheus.CAFile, prometheus.CertFile, prometheus.KeyFile, prometheus.TokenFile, prometheus.AuthorizationFile} {
						assert.True(t, file == "" || files[file], "%s is not mounted", file)
						delete(files, file)
					}
				}
				assert.Empty(t, files, "mounted files that are not in the description")
				assert.Contains(t, container.Args, "--release=holograph")
				assert.Contains(t, container.Args, "--namespace=holograph")
				assert.Contains(t, container.Args, "--path="+container.VolumeMounts[0].MountPath+"/"+description.File)
				assert.Contains(t, rendered.Notes, "helm test holograph --namespace holograph")
			}
		})
	}

	pods := chart.Of[*corev1.Pod](t, chart.Render(t, named(t, "everything")))
	require.Len(t, pods, 1)
	assert.Equal(t, "checks", pods[0].Labels["part"])
	assert.Equal(t, "checks", pods[0].Annotations["part"])
	assert.Equal(t, "graphics", pods[0].Annotations["contact"])
	assert.Equal(t, map[string]string{"pool": "system"}, pods[0].Spec.NodeSelector)
	assert.Equal(t, "registry.example:5000/holograph-doctor:0.1.0", pods[0].Spec.Containers[0].Image)

	own := chart.Render(t, chart.Parse(t, `doctor: {image: {registry: registry.example, tag: "1"}, wait: 5s}`))
	container := chart.Of[*corev1.Pod](t, own)[0].Spec.Containers[0]
	assert.Equal(t, "registry.example/holograph-doctor:1", container.Image)
	assert.Contains(t, container.Args, "--wait=5s")
	assert.NotContains(t, own.Notes, "NOTE: for `helm test`")
}

// mounted lists the files of a pod's projected volumes.
func mounted(pod *corev1.Pod) map[string]bool {
	files := map[string]bool{}
	for i, volume := range pod.Spec.Volumes {
		if volume.Projected == nil {
			continue
		}
		for _, source := range volume.Projected.Sources {
			var items []corev1.KeyToPath
			if source.Secret != nil {
				items = append(items, source.Secret.Items...)
			}
			if source.ConfigMap != nil {
				items = append(items, source.ConfigMap.Items...)
			}
			for _, item := range items {
				files[pod.Spec.Containers[0].VolumeMounts[i].MountPath+"/"+item.Path] = true
			}
		}
	}
	return files
}

// TestDoctorMayOnlyRead lists all permissions of the doctor's ServiceAccount: it may get and list, and nothing else.
func TestDoctorMayOnlyRead(t *testing.T) {
	t.Parallel()
	may := func(values string) map[string][]string {
		t.Helper()
		return permissions(t, chart.Render(t, chart.Parse(t, values)), chart.Doctor)
	}
	assert.Equal(t, map[string][]string{
		"holograph": {
			"list pods. ",
			"get deployments.apps holograph-renderer,holograph-prometheus,holograph-prometheus-adapter",
			"get configmaps. holograph-prometheus-adapter",
			"get horizontalpodautoscalers.autoscaling holograph-renderer",
			"get pods/holograph_frames_over_budget_total.custom.metrics.k8s.io ",
			"get pods/holograph_demand.custom.metrics.k8s.io ",
		},
		"": {"get apiservices.apiregistration.k8s.io v1beta1.custom.metrics.k8s.io,v1beta2.custom.metrics.k8s.io"},
	}, may(""))
	assert.Equal(t, map[string][]string{
		"holograph": {
			"list pods. ",
			"get deployments.apps holograph-renderer",
			"get horizontalpodautoscalers.autoscaling holograph-renderer",
			"get pods/holograph_frames_over_budget_total.custom.metrics.k8s.io ",
		},
	}, may(`{prometheus: {enabled: false}, prometheusAdapter: {enabled: false}, signals: {demand: {enabled: false}}}`))
	assert.Equal(t, []string{"get configmaps. shared-rules"}, may(`
prometheusAdapter: {enabled: false, existing: {namespace: monitoring, configMap: shared-rules}}`)["monitoring"])
	assert.Equal(t, map[string][]string{"holograph": {"list pods. ", "get deployments.apps holograph-renderer"}},
		may(`{autoscaling: {enabled: false}, prometheus: {enabled: false}, prometheusAdapter: {enabled: false}}`))
	assert.Empty(t, slices.Collect(maps.Keys(may(`doctor: {enabled: false}`))))
}

// TestDoctorIsToldEverything: the description of a default installation has every part of the path. The doctor passes over a part
// that it lacks, and would say that all is well.
func TestDoctorIsToldEverything(t *testing.T) {
	t.Parallel()
	p := pathOf(t, chart.RenderWith(t, chart.Options{Release: "studio", Namespace: "film", Values: []chart.Values{chart.Set("namespaceOverride", "games")}}))
	assert.Equal(t, []string{"studio", "film", "games"}, []string{p.Release, p.ReleaseNamespace, p.Namespace}, "the release, its namespace, in which helm looks for it, and the namespace of its objects")
	assert.Equal(t, description.Renderer{
		APIVersion: "apps/v1", Kind: "Deployment", Name: "studio-holograph-renderer", Own: true,
		Selector:  "app.kubernetes.io/component=renderer,app.kubernetes.io/instance=studio,app.kubernetes.io/name=holograph",
		Container: "renderer", Port: 8080, Path: "/metrics",
	}, p.Renderer, "the renderer, and that it is the chart's own, whose values the doctor then names")
	assert.Equal(t, []description.Signal{
		{Metric: "holograph_frames_over_budget_total", Resource: "pods", FirstValue: "30s", Series: []description.Series{{Name: "holograph_frames_over_budget_total", Value: "signals.overruns.name"}}},
		{Metric: "holograph_demand", Resource: "pods", FirstValue: "90s", Series: []description.Series{
			{Name: "holograph_offered_cpu_seconds_total", Value: "signals.demand.offered.metric"}, {Name: "holograph_cpu_capacity_cores", Value: "signals.demand.capacity.metric"}}},
	}, p.Signals, "the metrics of the autoscaler, and what each is computed from")
	assert.Equal(t, description.Labels{Namespace: "namespace", Pod: "pod", Container: "container"}, p.Labels, "the labels of samples")
	assert.Equal(t, &description.Prometheus{
		URL: "http://studio-holograph-prometheus.games.svc:9090", Deployment: "studio-holograph-prometheus", ScrapeInterval: "15s",
		Access: kube.Access{AuthorizationFile: "/etc/prometheus-access/authorization", Login: &kube.Login{Namespace: "games", Name: "studio-holograph-prometheus-login"}},
	}, p.Prometheus, "the embedded Prometheus, and both ways to log in to it: in the cluster and from a checkout")
	require.NotNil(t, p.Adapter, "the adapter")
	assert.Len(t, p.Adapter.Rules, 2, "the rules that the adapter must have")
	assert.NotEmpty(t, p.Adapter.Checksum, "the checksum by which the doctor knows an adapter that has not read its rules")
	p.Adapter.Rules, p.Adapter.Checksum = nil, ""
	assert.Equal(t, &description.Adapter{
		ConfigMap:  description.ConfigMap{Namespace: "games", Name: "studio-holograph-prometheus-adapter", Key: "config.yaml"},
		Deployment: "studio-holograph-prometheus-adapter", Service: "studio-holograph-prometheus-adapter",
		Selector:       "app.kubernetes.io/component=prometheus-adapter,app.kubernetes.io/instance=studio,app.kubernetes.io/name=holograph",
		RelistInterval: "30s",
	}, p.Adapter, "the adapter, its pods and where its rules are")
	assert.Equal(t, []string{"v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"}, p.APIServices, "the APIs on which the autoscaler may find its metrics")
	assert.Equal(t, &description.Autoscaler{HorizontalPodAutoscaler: "studio-holograph-renderer"}, p.Autoscaler, "the autoscaler")
}

// TestDoctorWaitsForTheMetrics: helm test right after an installation does not fail because the metrics are not there yet.
func TestDoctorWaitsForTheMetrics(t *testing.T) {
	t.Parallel()
	for scrapes, want := range map[string]string{"15s": "--wait=3m", "1m": "--wait=465s"} {
		pods := chart.Of[*corev1.Pod](t, chart.Render(t, chart.Set("prometheus.scrapeInterval", scrapes)))
		require.Len(t, pods, 1)
		assert.Contains(t, pods[0].Spec.Containers[0].Args, want, "the arguments of the doctor with scrapes every %s: a scrape, a full window of demand, a relist of the adapter and a decision of the autoscaler, and 3m at least", scrapes)
	}
}
