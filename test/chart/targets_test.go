package chart_test

import (
	"maps"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"holograph/test/internal/chart"
)

// relabelTarget runs the relabel_configs of a scrape job, as Prometheus does, on a target that service discovery found.
func relabelTarget(t *testing.T, job chart.Values, target map[string]string) (kept bool, relabelled map[string]string) {
	t.Helper()
	text, err := yaml.Marshal(job["relabel_configs"])
	require.NoError(t, err)
	var steps []*relabel.Config
	require.NoError(t, yaml.Unmarshal(text, &steps))
	for _, step := range steps {
		require.NoError(t, step.Validate(model.UTF8Validation))
	}
	builder := labels.NewBuilder(labels.FromMap(target))
	kept = relabel.ProcessBuilder(builder, steps...)
	return kept, builder.Labels().Map()
}

// TestScrapeTargets gives each job pods as service discovery finds them: it keeps the running pods of its Deployment, by
// the port http of their main container, and names the pod in their samples.
func TestScrapeTargets(t *testing.T) {
	t.Parallel()
	jobs := scrapeJobs(t, chart.Render(t))
	require.Len(t, jobs, 3)
	for name, job := range jobs {
		pod := map[string]string{
			"__address__":                               "10.0.0.7:8080",
			"__meta_kubernetes_namespace":               "holograph",
			"__meta_kubernetes_pod_name":                "holograph-" + name + "-5d4b7c9f68-2vxqz",
			"__meta_kubernetes_pod_phase":               "Running",
			"__meta_kubernetes_pod_ready":               "false",
			"__meta_kubernetes_pod_controller_kind":     "ReplicaSet",
			"__meta_kubernetes_pod_controller_name":     "holograph-" + name + "-5d4b7c9f68",
			"__meta_kubernetes_pod_container_name":      name,
			"__meta_kubernetes_pod_container_port_name": "http",
		}
		kept, relabelled := relabelTarget(t, job, pod)
		require.True(t, kept, "the job %s drops its own pod, want it scraped even if it is not ready: its series must exist before it gets load", name)
		own := map[string]string{}
		maps.Copy(own, relabelled)
		maps.DeleteFunc(own, func(label, _ string) bool { return label != model.AddressLabel && label[0] == '_' })
		want := map[string]string{"__address__": "10.0.0.7:8080", "namespace": "holograph", "pod": pod["__meta_kubernetes_pod_name"], "container": name}
		switch name {
		case "kube-state-metrics":
			want = map[string]string{"__address__": "10.0.0.7:8080"}
		case "prometheus":
			want["__address__"] = "localhost:9090"
		}
		assert.Equal(t, want, own, "the address and the labels of a target of the job %s: samples of kube-state-metrics are about other pods, and only Prometheus itself gets its login", name)

		for label, other := range map[string]string{
			"__meta_kubernetes_pod_phase":               "Pending",
			"__meta_kubernetes_pod_controller_kind":     "StatefulSet",
			"__meta_kubernetes_pod_controller_name":     "holograph-other-5d4b7c9f68",
			"__meta_kubernetes_pod_container_name":      "proxy",
			"__meta_kubernetes_pod_container_port_name": "telemetry",
		} {
			changed := maps.Clone(pod)
			changed[label] = other
			kept, _ := relabelTarget(t, job, changed)
			assert.False(t, kept, "the job %s scrapes a pod with %s %q, want %q only", name, label, other, pod[label])
		}
	}
}

// TestScrapeJobs: each job looks for the pods of its own component, and asks them for the right page often enough.
func TestScrapeJobs(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	var config struct {
		Global struct {
			Scrape     string `yaml:"scrape_interval"`
			Timeout    string `yaml:"scrape_timeout"`
			Evaluation string `yaml:"evaluation_interval"`
		}
		Storage struct {
			TSDB struct{ Retention struct{ Time, Size string } }
		}
		Rules []string `yaml:"rule_files"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(rendered.PrometheusFiles(t)["prometheus.yaml"]), &config))
	assert.Equal(t, "15s", config.Global.Scrape, "the interval between two samples of a renderer, of which each window holds four at least")
	assert.Equal(t, "10s", config.Global.Timeout, "the scrape timeout, shorter than the interval")
	assert.Equal(t, "15s", config.Global.Evaluation, "the interval between two evaluations of rules: more would see the same samples")
	assert.Equal(t, "30d", config.Storage.TSDB.Retention.Time, "the history that is kept: the window of the objective")
	assert.Equal(t, "512MB", config.Storage.TSDB.Retention.Size, "the size of the history that is kept")
	assert.Equal(t, []string{"rules.yaml"}, config.Rules, "the rule files")
	jobs := scrapeJobs(t, rendered)
	for name, interval := range map[string]any{"renderer": nil, "prometheus": nil, "kube-state-metrics": "5s"} {
		job := jobs[name]
		assert.Equal(t, interval, job["scrape_interval"], "scrape_interval of the job %s; nil is the global one. Scaling events are counted from samples 5 s apart", name)
		assert.Equal(t, interval, job["scrape_timeout"], "scrape_timeout of the job %s", name)
		assert.Equal(t, "/metrics", job["metrics_path"], "metrics_path of the job %s", name)
		found := discovery(t, rendered, name)
		require.Len(t, found, 1, "service discoveries of the job %s", name)
		assert.Equal(t, []string{"holograph"}, found[0].Namespaces.Names, "namespaces of the job %s", name)
		require.Len(t, found[0].Selectors, 1)
		assert.Equal(t, "app.kubernetes.io/component="+name+",app.kubernetes.io/instance=holograph,app.kubernetes.io/name=holograph", found[0].Selectors[0].Label,
			"the pods that the job %s asks Kubernetes for", name)
	}
}

// TestScrapeLimits: a target's page is bounded, so that a broken or hostile one costs no other its samples.
func TestScrapeLimits(t *testing.T) {
	t.Parallel()
	jobs := scrapeJobs(t, chart.Render(t))
	for served, want := range map[int]int{1: 10000, 60: 60000} {
		job := scrapeJobs(t, chart.Render(t, serves(served)))["kube-state-metrics-served"]
		assert.EqualValues(t, want, job["sample_limit"], "sample_limit of the job for the objects of %d served namespaces", served)
	}
	for name, want := range map[string]map[string]any{
		"renderer":           {"sample_limit": 500, "body_size_limit": "1MB", "label_limit": 40, "label_name_length_limit": 200, "label_value_length_limit": 1000},
		"kube-state-metrics": {"sample_limit": 10000, "body_size_limit": "64MB", "label_limit": 40, "label_name_length_limit": 200, "label_value_length_limit": 1000},
		"prometheus":         {"sample_limit": 5000, "body_size_limit": "4MB"},
	} {
		for limit, value := range want {
			assert.EqualValues(t, value, jobs[name][limit], "%s of the job %s", limit, name)
		}
	}
}
