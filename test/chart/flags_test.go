package chart_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"holograph/test/internal/chart"
)

// TestFlags compares the arguments of each supporting container with what it needs, and says what a different one breaks.
func TestFlags(t *testing.T) {
	t.Parallel()
	type flag struct{ value, why string }
	for component, want := range map[chart.Component]map[string]flag{
		chart.PrometheusAdapter: {
			"secure-port":             {"6443", "the Service leads to this port"},
			"tls-cert-file":           {"/var/run/serving-cert/tls.crt", "the APIServices verify this certificate; without it the adapter makes one that nobody trusts"},
			"tls-private-key-file":    {"/var/run/serving-cert/tls.key", "it is the key of that certificate"},
			"config":                  {"/etc/adapter/config.yaml", "the rules are there"},
			"prometheus-url":          {"http://holograph-prometheus.holograph.svc:9090", "the embedded Prometheus is there"},
			"prometheus-header":       {"Authorization=$(PROMETHEUS_AUTHORIZATION)", "the embedded Prometheus answers nobody without its login"},
			"prometheus-verb":         {"POST", "the query names every pod, and past some hundred pods that is too long for a URL"},
			"metrics-relist-interval": {"30s", "a metric of new pods is served after this interval"},
			"metrics-max-age":         {"2m", "a metric is forgotten after this time without a sample"},
			"client-qps":              {"50", "the adapter lists pods for each decision, and its default of 5 a second is enough for 37 autoscalers"},
			"client-burst":            {"100", "many autoscalers decide at one time after a restart of their controller"},
		},
		chart.Prometheus: {
			"config.file":                 {"/etc/prometheus/prometheus.yaml", "the scrape jobs are there"},
			"config.auto-reload":          {"", "a changed configuration is taken up without a restart, which would lose the history"},
			"config.auto-reload-interval": {"15s", "a changed configuration is taken up within it"},
			"storage.tsdb.path":           {"/prometheus", "it is the only folder that can be written to"},
			"web.console.templates":       {"/etc/prometheus/consoles", "the status page is there"},
			"web.listen-address":          {":9090", "the Service leads to this port"},
			"web.route-prefix":            {"/", "an external URL with a path, for links, does not move the pages and the API"},
			"web.config.file":             {"/etc/prometheus-login/web.yaml", "without it anyone may query"},
			"web.max-connections":         {"100", "what arrives before a login is looked at is bounded"},
			"web.read-timeout":            {"30s", "silent connections end, and the adapter's stays open between two questions, 15 s apart"},
			"web.cors.origin":             {"none", "no other page queries in the name of its reader"},
			"query.max-concurrency":       {"4", "four queries of the most samples fit into the memory limit"},
			"query.max-samples":           {"5000000", "four queries of the most samples fit into the memory limit"},
			"query.timeout":               {"30s", "a query that takes too long ends"},
		},
		chart.KubeStateMetrics: {
			"port":             {"8080", "Prometheus scrapes this port"},
			"telemetry-port":   {"8081", "the readiness probe asks this port"},
			"namespaces":       {"holograph", "its Role allows no other namespace"},
			"resources":        {"deployments,horizontalpodautoscalers", "rules and alerts read the series of these"},
			"metric-allowlist": {"^kube_horizontalpodautoscaler_(created|spec_(min|max)_replicas|status_(condition|(current|desired)_replicas)),^kube_deployment_(spec|status)_replicas.*", "rules and alerts read these series; others would fill its page, and have labels of any length"},
		},
	} {
		container := chart.Render(t).Container(t, component)
		got := flags(t, container)
		require.Len(t, container.Args, len(got), "%s has a flag twice: %v", component, container.Args)
		for name, flag := range want {
			value, found := got[name]
			if assert.True(t, found, "%s has no flag --%s, want --%[2]s=%s: %s", component, name, flag.value, flag.why) {
				assert.Equal(t, flag.value, value, "--%s of %s: %s", name, component, flag.why)
			}
			delete(got, name)
		}
		assert.Empty(t, got, "flags of %s that this test does not know: say what they are for", component)
	}
}

// TestEveryFileThatAFlagNamesIsMounted looks for each file in the volumes of the pod that is told to read it.
func TestEveryFileThatAFlagNamesIsMounted(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	pods := rendered.PodTemplates(t)
	for _, file := range []struct{ component, name, source string }{
		{"prometheus-adapter", "/etc/adapter/config.yaml", "ConfigMap holograph-prometheus-adapter config.yaml"},
		{"prometheus-adapter", "/var/run/serving-cert/tls.crt", "Secret holograph-prometheus-adapter-certificate tls.crt"},
		{"prometheus-adapter", "/var/run/serving-cert/tls.key", "Secret holograph-prometheus-adapter-certificate tls.key"},
		{"prometheus", "/etc/prometheus/prometheus.yaml", "ConfigMap holograph-prometheus prometheus.yaml"},
		{"prometheus", "/etc/prometheus/rules.yaml", "ConfigMap holograph-prometheus rules.yaml"},
		{"prometheus", "/etc/prometheus/client.yaml", "ConfigMap holograph-prometheus client.yaml"},
		{"prometheus", "/etc/prometheus/consoles/holograph.html", "ConfigMap holograph-prometheus holograph.html"},
		{"prometheus", "/etc/prometheus-login/web.yaml", "Secret holograph-prometheus-login web.yaml"},
		{"prometheus", "/etc/prometheus-login/username", "Secret holograph-prometheus-login username"},
		{"prometheus", "/etc/prometheus-login/password", "Secret holograph-prometheus-login password"},
		{"doctor", "/etc/doctor/doctor.yaml", "ConfigMap holograph-doctor doctor.yaml"},
		{"doctor", "/etc/prometheus-access/authorization", "Secret holograph-prometheus-login authorization"},
	} {
		files := mountedFiles(t, rendered, pods["holograph-"+file.component].Spec)
		assert.Equal(t, file.source, files[file.name], "what %s finds at %s", file.component, file.name)
	}
	adapter := mountedFiles(t, rendered, pods["holograph-prometheus-adapter"].Spec)
	assert.NotContains(t, adapter, "/var/run/serving-cert/ca.crt", "the files of the adapter: it does not use the CA")
	prometheus := mountedFiles(t, rendered, pods["holograph-prometheus"].Spec)
	assert.NotContains(t, prometheus, "/etc/prometheus-login/authorization", "the files of Prometheus: it does not use the header that its clients send")
	assert.NotContains(t, prometheus, "/etc/prometheus/consoles/prometheus.yaml", "the folder of consoles, all of which Prometheus serves")
}

// The renderer's volumes are the values' own.
func TestConfigurationIsMountedReadOnly(t *testing.T) {
	t.Parallel()
	for name, values := range renderings(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for pod, template := range chart.Render(t, values).PodTemplates(t) {
				if strings.HasSuffix(pod, "-renderer") {
					continue
				}
				configuration := map[string]bool{}
				for _, volume := range template.Spec.Volumes {
					configuration[volume.Name] = volume.ConfigMap != nil || volume.Secret != nil || volume.Projected != nil
				}
				for _, container := range template.Spec.Containers {
					for _, mount := range container.VolumeMounts {
						assert.True(t, mount.ReadOnly || !configuration[mount.Name],
							"the mount %s of %s in %s can be written to, want readOnly: it holds configuration or credentials", mount.MountPath, container.Name, pod)
					}
				}
			}
		})
	}
}

// mountedFiles returns which key of which ConfigMap or Secret the first container of a pod finds at each path.
func mountedFiles(t *testing.T, rendered *chart.Rendered, pod corev1.PodSpec) map[string]string {
	t.Helper()
	keys := map[string][]string{}
	for _, object := range rendered.Objects {
		data, _ := object["data"].(map[string]any)
		for key := range data {
			keys[object.Kind()+" "+object.Name()] = append(keys[object.Kind()+" "+object.Name()], key)
		}
	}
	files := map[string]string{}
	for _, mount := range pod.Containers[0].VolumeMounts {
		add := func(source string, items []corev1.KeyToPath) {
			if items == nil {
				for _, key := range keys[source] {
					items = append(items, corev1.KeyToPath{Key: key, Path: key})
				}
			}
			for _, item := range items {
				assert.Contains(t, keys[source], item.Key, "the keys of %s: a pod that mounts another does not start", source)
				files[mount.MountPath+"/"+item.Path] = source + " " + item.Key
			}
			assert.True(t, mount.ReadOnly, "the mount %s of %s can be written to, and nothing writes there", mount.Name, source)
		}
		for _, volume := range pod.Volumes {
			if volume.Name != mount.Name {
				continue
			}
			switch {
			case volume.ConfigMap != nil:
				add("ConfigMap "+volume.ConfigMap.Name, volume.ConfigMap.Items)
			case volume.Secret != nil:
				add("Secret "+volume.Secret.SecretName, volume.Secret.Items)
			case volume.Projected != nil:
				for _, source := range volume.Projected.Sources {
					if source.Secret != nil {
						add("Secret "+source.Secret.Name, source.Secret.Items)
					}
					if source.ConfigMap != nil {
						add("ConfigMap "+source.ConfigMap.Name, source.ConfigMap.Items)
					}
				}
			}
		}
	}
	return files
}

// TestPrometheusHasRoomForItsHistory: Prometheus can write to its database, whose volume holds twice what it keeps: the
// log and the head of the database are no part of the retention.
func TestPrometheusHasRoomForItsHistory(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	container := rendered.Container(t, chart.Prometheus)
	var volume string
	for _, mount := range container.VolumeMounts {
		if mount.MountPath == flags(t, container)["storage.tsdb.path"] {
			assert.False(t, mount.ReadOnly, "the database can only be read")
			volume = mount.Name
		}
	}
	require.NotEmpty(t, volume, "nothing is mounted at --storage.tsdb.path, and the root file system can only be read")
	for _, candidate := range rendered.Deployment(t, chart.Prometheus).Spec.Template.Spec.Volumes {
		if candidate.Name == volume {
			require.NotNil(t, candidate.EmptyDir)
			require.NotNil(t, candidate.EmptyDir.SizeLimit, "the database has no limit and may fill its node's disk")
			assert.Zero(t, candidate.EmptyDir.SizeLimit.Cmp(resource.MustParse("1Gi")), "the volume is %v, want twice the 512MB that are kept", candidate.EmptyDir.SizeLimit)
		}
	}
	grace := rendered.Deployment(t, chart.Prometheus).Spec.Template.Spec.TerminationGracePeriodSeconds
	require.NotNil(t, grace)
	assert.GreaterOrEqual(t, time.Duration(*grace)*time.Second, time.Minute, "the time to write the head of the database out; the log is replayed otherwise")
}
