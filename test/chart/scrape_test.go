package chart_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
	"holograph/test/internal/kube"
	"holograph/test/internal/promtool"
	"holograph/test/internal/wait"
)

// relabelling is a step of relabelling, in the words of a scrape job and in those of a PodMonitor.
type relabelling struct {
	Source  []string `json:"source_labels"`
	Sources []string `json:"sourceLabels"`
	Regex   string   `json:"regex"`
	Action  string   `json:"action"`
}

// scrapeJobs returns the embedded Prometheus' scrape jobs by name, as they are written.
func scrapeJobs(t *testing.T, rendered *chart.Rendered) map[string]chart.Values {
	t.Helper()
	var config struct {
		Jobs []chart.Values `json:"scrape_configs"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(rendered.PrometheusFiles(t)["prometheus.yaml"]), &config))
	jobs := map[string]chart.Values{}
	for _, job := range config.Jobs {
		jobs[job["job_name"].(string)] = job
	}
	return jobs
}

// kept says whether all steps that keep samples keep one of these labels.
func kept(t *testing.T, steps any, labels map[string]string) bool {
	t.Helper()
	text, err := yaml.Marshal(steps)
	require.NoError(t, err)
	var list []relabelling
	require.NoError(t, yaml.Unmarshal(text, &list))
	require.NotEmpty(t, list)
	for _, step := range list {
		if step.Action == "labelmap" || step.Action == "labeldrop" {
			continue
		}
		require.Equal(t, "keep", step.Action)
		var values []string
		for _, name := range append(step.Source, step.Sources...) {
			values = append(values, labels[name])
		}
		if !regexp.MustCompile("^(?:" + step.Regex + ")$").MatchString(strings.Join(values, ";")) {
			return false
		}
	}
	return true
}

// desiredReplicas is the name of kube-state-metrics' series of the replicas that an autoscaler wants.
const desiredReplicas = "kube_horizontalpodautoscaler_status_desired_replicas"

// sampleOf returns the labels of a sample of an object of a namespace. kind is the label with the object's name.
func sampleOf(name, namespace, kind, object string) map[string]string {
	return map[string]string{"__name__": name, "namespace": namespace, kind: object}
}

// sampleNamed returns the labels of a sample that has nothing but a name.
func sampleNamed(name string) map[string]string { return map[string]string{"__name__": name} }

// TestScrapesKeepNothingOfOthers: each scrape job and PodMonitor takes of its targets what they are asked for, and nothing
// that rules, alerts or the status page would attribute to something else.
func TestScrapesKeepNothingOfOthers(t *testing.T) {
	t.Parallel()
	frames := []string{"holograph_frames_total", "holograph_frames_over_budget_total", "holograph_offered_cpu_seconds_total", "holograph_cpu_capacity_cores"}
	const available = "kube_deployment_status_replicas_available"
	ofRenderer := map[bool][]map[string]string{true: {sampleNamed("process_cpu_seconds_total"), sampleNamed("holograph_frames_refused_total")}}
	for _, name := range frames {
		ofRenderer[true] = append(ofRenderer[true], sampleNamed(name))
	}
	for _, name := range []string{"up", "ALERTS", "ALERTS_FOR_STATE", "scrape_samples_scraped", "holograph:frames:rate", "holograph:hpa_replicas:desired",
		"holograph:hpa_condition:status", desiredReplicas, available, "some_other_total", "holograph_frames_total\nup"} {
		ofRenderer[false] = append(ofRenderer[false], sampleOf(name, "holograph", "horizontalpodautoscaler", "holograph-renderer"))
	}
	ofObjects := map[bool][]map[string]string{
		true: {sampleOf(desiredReplicas, "holograph", "horizontalpodautoscaler", "holograph-renderer"),
			sampleOf("kube_deployment_spec_replicas", "holograph", "deployment", "holograph-renderer"),
			sampleOf(available, "holograph", "deployment", "holograph-prometheus-adapter")},
		false: {sampleOf(desiredReplicas, "elsewhere", "horizontalpodautoscaler", "holograph-renderer"),
			sampleOf(desiredReplicas, "holograph", "horizontalpodautoscaler", "other"),
			sampleOf(available, "holograph", "deployment", "other"),
			sampleOf("kube_pod_info", "holograph", "pod", "holograph-renderer"),
			sampleOf("up", "holograph", "horizontalpodautoscaler", "holograph-renderer"),
			sampleOf("ALERTS", "holograph", "deployment", "holograph-renderer"),
			sampleOf("holograph:hpa_replicas:desired", "holograph", "horizontalpodautoscaler", "holograph-renderer")},
	}
	for _, name := range frames {
		ofObjects[false] = append(ofObjects[false], sampleOf(name, "holograph", "pod", "holograph-renderer-5d4b7c9f68-2vxqz"))
	}
	wanted := map[string]map[bool][]map[string]string{"renderer": ofRenderer, "kube-state-metrics": ofObjects}

	embedded := scrapeJobs(t, chart.Render(t))
	monitors := ofKind(chart.Render(t, named(t, "operator")), "PodMonitor")
	for component, want := range wanted {
		for where, steps := range map[string]any{
			"scrape job": embedded[component]["metric_relabel_configs"],
			"PodMonitor": valueAt(t, monitors["holograph-"+component], "spec", "podMetricsEndpoints", 0, "metricRelabelings"),
		} {
			for keep, samples := range want {
				for _, labels := range samples {
					assert.Equal(t, keep, kept(t, steps, labels), "whether the %s %s keeps %v", where, component, labels)
				}
			}
		}
	}
	for _, labels := range append(ofRenderer[false], ofObjects[true]...) {
		assert.False(t, kept(t, embedded["prometheus"]["metric_relabel_configs"], labels), "whether the scrape job prometheus keeps %v", labels)
	}
}

// TestObjectsAreKeptByTheJobOfTheirNamespace: with servedNamespaces, one scrape job of kube-state-metrics keeps the objects of the
// release's namespace, and another those of the other namespaces that the release serves.
func TestObjectsAreKeptByTheJobOfTheirNamespace(t *testing.T) {
	t.Parallel()
	serving := scrapeJobs(t, chart.Render(t, chart.Parse(t, "servedNamespaces: [film, holograph]")))
	for job, namespace := range map[string]string{"kube-state-metrics": "holograph", "kube-state-metrics-served": "film"} {
		for _, of := range []string{"holograph", "film", "elsewhere"} {
			assert.Equal(t, of == namespace, kept(t, serving[job]["metric_relabel_configs"], sampleOf(desiredReplicas, of, "horizontalpodautoscaler", "studio-renderer")),
				"whether the scrape job %s keeps an autoscaler of the namespace %s", job, of)
		}
	}
}

// TestScrapesKeepWhatTheSignalsName: the scrape job and the PodMonitor of the renderer keep the metrics that the signals name, also
// those in signals.overruns.query, and no others.
func TestScrapesKeepWhatTheSignalsName(t *testing.T) {
	t.Parallel()
	odd := scrapeJobs(t, chart.Render(t, oddSignals(), chart.Parse(t, "signals: {otherMetrics: []}")))["renderer"]["metric_relabel_configs"]
	for _, name := range []string{"odd_frames_total", "odd_late_total", "odd_offered", "odd_capacity"} {
		assert.True(t, kept(t, odd, sampleNamed(name)), "the scrape job drops %s, want it kept: a signal has that name", name)
	}
	assert.False(t, kept(t, odd, sampleNamed("holograph_frames_total")), "the scrape job keeps holograph_frames_total, want it dropped: no signal has that name")

	asked := chart.Parse(t, `signals: {otherMetrics: [], overruns: {query: 'sum by (<<.GroupBy>>) (rate(render:dropped_total{<<.LabelMatchers>>}[2m])) + sum by (<<.GroupBy>>) (rate(late_total {kind="video",<<.LabelMatchers>>}[2m])) or 0 * max by (<<.GroupBy>>) (up{<<.LabelMatchers>>})'}}`)
	for name, steps := range map[string]any{
		"scrape job": scrapeJobs(t, chart.Render(t, asked))["renderer"]["metric_relabel_configs"],
		"PodMonitor": valueAt(t, ofKind(chart.Render(t, named(t, "operator"), asked), "PodMonitor")["holograph-renderer"], "spec", "podMetricsEndpoints", 0, "metricRelabelings"),
	} {
		for _, metric := range []string{"render:dropped_total", "late_total"} {
			assert.True(t, kept(t, steps, sampleNamed(metric)), "whether the %s keeps %s, of which signals.overruns.query is", name, metric)
		}
		assert.False(t, kept(t, steps, sampleNamed("rate")), "a function of the query is no metric")
		assert.False(t, kept(t, steps, sampleNamed("up")), "up is Prometheus' own, also where the query asks for it")
	}
}

// TestScrapesAreBounded: no job and no PodMonitor is without a limit, and none has one that another's targets can exceed.
func TestScrapesAreBounded(t *testing.T) {
	t.Parallel()
	values := chart.Parse(t, "prometheus: {scrapeLimits: {samples: 1000000, bodySize: 3MB}}")
	jobs := scrapeJobs(t, chart.Render(t, values))
	for name, job := range jobs {
		for _, limit := range []string{"sample_limit", "body_size_limit"} {
			assert.NotEmpty(t, job[limit], "%s of the scrape job %s", limit, name)
		}
		assert.NotContains(t, job, "target_limit", "scrape job %s: with one target too many, Prometheus would fail all of them", name)
		assert.NotContains(t, job, "honor_labels", "the scrape job %s", name)
		assert.Equal(t, false, job["honor_timestamps"], "the scrape job %s", name)
	}
	monitors := ofKind(chart.Render(t, values, named(t, "operator")), "PodMonitor")
	for _, component := range []string{"renderer", "kube-state-metrics"} {
		monitor := monitors["holograph-"+component]
		require.NoError(t, chart.Newest.Validate(monitor))
		for limit, field := range map[string]string{"sample_limit": "sampleLimit", "body_size_limit": "bodySizeLimit", "label_limit": "labelLimit",
			"label_name_length_limit": "labelNameLengthLimit", "label_value_length_limit": "labelValueLengthLimit"} {
			require.NotEmpty(t, jobs[component][limit], "%s of %s", limit, component)
			assert.Equal(t, jobs[component][limit], valueAt(t, monitor, "spec", field), "%s of %s", limit, component)
		}
		assert.NotContains(t, valueAt(t, monitor, "spec"), "targetLimit")
		assert.NotContains(t, valueAt(t, monitor, "spec", "podMetricsEndpoints", 0), "honorLabels")
	}
	// Two PodMonitors of one pod must not have one job: Prometheus would write its up twice.
	serving := ofKind(chart.Render(t, named(t, "operator"), chart.Parse(t, "servedNamespaces: [film, games]")), "PodMonitor")
	require.NotNil(t, serving["holograph-kube-state-metrics-served"], "the PodMonitor for the objects of served namespaces")
	for name, found := range map[string]bool{"holograph-kube-state-metrics": false, "holograph-kube-state-metrics-served": true} {
		steps, _ := valueAt(t, serving[name], "spec", "podMetricsEndpoints", 0, "relabelings").([]any)
		assert.Equal(t, found, slices.ContainsFunc(steps, func(step any) bool {
			return fmt.Sprint(step) == "map[action:replace replacement:kube-state-metrics-served targetLabel:job]"
		}), "whether PodMonitor %s names its job itself", name)
	}
	assert.EqualValues(t, 1000000, jobs["renderer"]["sample_limit"])
	assert.Equal(t, "3MB", jobs["renderer"]["body_size_limit"])
}

// alphabet is what Kubernetes makes names of.
const alphabet = "bcdfghjklmnpqrstvwxz2456789"

// podOf makes a name of a pod of a Deployment, as Kubernetes does: k8s.io/apiserver/pkg/storage/names.
func podOf(random *rand.Rand, deployment string, hash int) string {
	letters := func(n int) string {
		var text strings.Builder
		for range n {
			text.WriteByte(alphabet[random.IntN(len(alphabet))])
		}
		return text.String()
	}
	base := deployment + "-" + letters(hash) + "-"
	return base[:min(58, len(base))] + letters(5)
}

// TestQueriesCountThePodsOfTheDeployment: rules and KEDA count the pods of the renderer's Deployment, however long its name is, and
// those of no other workload.
func TestQueriesCountThePodsOfTheDeployment(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	matcher := regexp.MustCompile(`\bpod=~\\?"([^"\\]+)\\?"`)
	for _, length := range []int{1, 9, 30, 37, 38, 39, 40, 42, 43} {
		name := strings.Repeat("h", length)
		values := chart.Set("fullnameOverride", name)
		rules := matcher.FindStringSubmatch(chart.Render(t, values).RulesFile(t))
		served := matcher.FindStringSubmatch(chart.Render(t, values, chart.Parse(t, "servedNamespaces: [film]")).RulesFile(t))
		trigger := matcher.FindStringSubmatch(renderedScaledObject(t, chart.Render(t, values, named(t, "KEDA"))).Spec.Triggers[0].Metadata["query"])
		require.NotNil(t, rules)
		require.NotNil(t, served)
		require.NotNil(t, trigger)
		total := matcher.FindStringSubmatch(chart.Render(t, values, totals).AdapterConfig(t).Rules[1].TotalQuery(t, "holograph_offered_cpu_seconds_total", "holograph", name+"-renderer"))
		require.NotNil(t, total)
		for where, found := range map[string][]string{"the rules": rules, "the rules of a release that serves": served, "KEDA's query": trigger, "an Object metric's query": total} {
			pattern := regexp.MustCompile("^(?:" + found[1] + ")$")
			for hash := 1; hash <= 10; hash++ {
				pod := podOf(random, name+"-renderer", hash)
				assert.True(t, pattern.MatchString(pod), "%s do not count %s, want it counted as a pod of the renderer", where, pod)
			}
			// A pod -renderer-5d4b7c9f68 is counted: the pods of a Deployment with a long name are called so.
			for _, other := range []string{"-renderer-canary-5d4b7c9f68-2vxqz", "-renderer-0", "-renderer-canary-2vxqz", "-renderer-5d4b7c9f68-2vxqz-debug",
				"-renderer", "-renderer-5d4b7c9f68-2vxq", "-renderer-aaaaaaaaaa-2vxqz", "-renderers-5d4b7c9f68-2vxqz"} {
				assert.False(t, pattern.MatchString(name+other), "%s count %s, want it left out as a pod of another workload", where, name+other)
			}
		}
	}
}

// exposition is a page of metrics that a target serves.
func exposition(t *testing.T, page func() string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, page())
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// TestHostileRenderers has Prometheus scrape renderers that forge what others say, and that bring more than they may: an
// honest one beside them has its samples, the forged ones are nowhere, and Prometheus says what is wrong with the others.
func TestHostileRenderers(t *testing.T) {
	t.Parallel()
	const honest = "holograph_frames_over_budget_total 7\n"
	many := func(name string, n int, label string) func() string {
		return func() string {
			var page strings.Builder
			for i := range n {
				fmt.Fprintf(&page, "%s{%s=\"%d\"} 1\n", name, label, i)
			}
			return page.String()
		}
	}
	renderers := map[string]struct {
		page func() string
		says string
	}{
		"honest": {page: func() string { return honest }},
		"forging": {page: func() string {
			return honest + `holograph:hpa_replicas:desired{horizontalpodautoscaler="holograph-renderer"} 99
holograph:frames:rate 1e9
kube_deployment_status_replicas_available{deployment="holograph-prometheus-adapter"} 7
ALERTS{alertname="HolographErrorBudgetBurnFast",alertstate="firing"} 1
up 0
up{pod="honest"} 0
scrape_samples_scraped 3
holograph_frames_over_budget_total{namespace="holograph",pod="honest",container="renderer"} NaN
holograph_frames_total 5 1
`
		}},
		"samples": {many("holograph_frames_over_budget_total", 501, "view"), "sample limit exceeded"},
		"body":    {func() string { return "# " + strings.Repeat("x", 1<<20) + "\n" + honest }, "body size limit exceeded"},
		"name":    {func() string { return "holograph_frames_over_budget_total{" + strings.Repeat("x", 201) + "=\"1\"} 1\n" }, "label_name_length_limit exceeded"},
		"value": {func() string {
			return "holograph_frames_over_budget_total{x=\"" + strings.Repeat("x", 1001) + "\"} 1\n"
		}, "label_value_length_limit exceeded"},
		"labels": {func() string {
			var labels []string
			for i := range 41 {
				labels = append(labels, fmt.Sprintf("l%d=\"1\"", i))
			}
			return "holograph_frames_over_budget_total{" + strings.Join(labels, ",") + "} 1\n"
		}, "label_limit exceeded"},
	}
	job := scrapeJobs(t, chart.Render(t))["renderer"]
	delete(job, "kubernetes_sd_configs")
	delete(job, "relabel_configs")
	job["scrape_interval"], job["scrape_timeout"], job["metrics_path"] = "1s", "1s", "/"
	var targets []any
	for pod, renderer := range renderers {
		targets = append(targets, map[string]any{"targets": []string{exposition(t, renderer.page)},
			"labels": map[string]string{"namespace": "holograph", "pod": pod, "container": "renderer"}})
	}
	job["static_configs"] = targets
	config, err := yaml.Marshal(map[string]any{"scrape_configs": []any{job}})
	require.NoError(t, err)
	server := promtool.Serve(t, string(config), "")
	api := server.API(t)

	ask := func(expression string) model.Vector {
		vector, err := kube.Vector(t.Context(), api, expression)
		require.NoError(t, err)
		return vector
	}
	require.NoError(t, wait.For(t.Context(), time.Minute, wait.Condition{Name: "each renderer to be scraped three times", Unmet: func(ctx context.Context) error {
		vector, err := kube.Vector(ctx, api, "count_over_time(up[1m]) >= 3")
		if err == nil && len(vector) < len(renderers) {
			err = fmt.Errorf("%d of %d are", len(vector), len(renderers))
		}
		return err
	}}))
	up := map[string]float64{}
	for _, sample := range ask("min_over_time(up[1m])") {
		up[string(sample.Metric["pod"])] = float64(sample.Value)
	}
	state, err := api.Targets(t.Context())
	require.NoError(t, err)
	require.Len(t, state.Active, len(renderers))
	for _, target := range state.Active {
		pod := string(target.Labels["pod"])
		want := 1.0
		if renderers[pod].says != "" {
			want = 0
		}
		assert.Equal(t, want, up[pod], "up of %s", pod)
		assert.Contains(t, target.LastError, renderers[pod].says, pod)
		if want == 1 {
			assert.Empty(t, target.LastError, "error of the scrape of %s", pod)
		}
	}
	var names []string
	for _, sample := range ask(`{__name__=~".+"}`) {
		if name := string(sample.Metric["__name__"]); !strings.HasPrefix(name, "scrape_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	assert.Equal(t, []string{"holograph_frames_over_budget_total", "holograph_frames_total", "up"}, slices.Compact(names), "names of the samples, without those that the pods forged")
	honestly := ask(`holograph_frames_over_budget_total{pod="honest"}`)
	require.Len(t, honestly, 1)
	assert.EqualValues(t, 7, honestly[0].Value)
	assert.Len(t, ask("up"), len(renderers))
	assert.Len(t, ask("scrape_samples_scraped"), len(renderers))
}

// TestRedirectsOfServedPods has Prometheus scrape a pod that redirects it to an address in the cluster. Who may create pods in a served
// namespace could otherwise have Prometheus send requests to what only Prometheus reaches.
func TestRedirectsOfServedPods(t *testing.T) {
	t.Parallel()
	for values, followed := range map[string]bool{"": true, "servedNamespaces: [film]": false, "servedNamespaces: [holograph]": false} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			var reached atomic.Int32
			inside := exposition(t, func() string {
				reached.Add(1)
				return "holograph_frames_over_budget_total 7\n"
			})
			pod := httptest.NewServer(http.RedirectHandler("http://"+inside+"/", http.StatusFound))
			t.Cleanup(pod.Close)
			job := scrapeJobs(t, chart.Render(t, chart.Parse(t, values)))["renderer"]
			delete(job, "kubernetes_sd_configs")
			delete(job, "relabel_configs")
			job["scrape_interval"], job["scrape_timeout"] = "1s", "1s"
			job["static_configs"] = []any{map[string]any{"targets": []string{strings.TrimPrefix(pod.URL, "http://")}}}
			config, err := yaml.Marshal(map[string]any{"scrape_configs": []any{job}})
			require.NoError(t, err)
			api := promtool.Serve(t, string(config), "").API(t)
			require.NoError(t, wait.For(t.Context(), time.Minute, wait.Condition{Name: "the pod to be scraped", Unmet: func(ctx context.Context) error {
				vector, err := kube.Vector(ctx, api, "up")
				if err == nil && len(vector) == 0 {
					err = errors.New("it is not")
				}
				return err
			}}))
			assert.Equal(t, followed, reached.Load() > 0, "whether the scrape of a pod reaches the address that the pod redirects to")
			state, err := api.Targets(t.Context())
			require.NoError(t, err)
			require.Len(t, state.Active, 1)
			assert.Equal(t, map[bool]string{true: "", false: "server returned HTTP status 302 Found"}[followed], state.Active[0].LastError, "the error of the scrape, as the doctor reads it")
		})
	}
}

// TestServedNamespacesDoNotExhaustTheLimitOfOthers has Prometheus scrape a kube-state-metrics that shows more autoscalers of a served namespace
// than a scrape may have: those of the release's own namespace are scraped all the same.
func TestServedNamespacesDoNotExhaustTheLimitOfOthers(t *testing.T) {
	t.Parallel()
	page := func() string {
		var page strings.Builder
		fmt.Fprintf(&page, "%s{namespace=\"holograph\",horizontalpodautoscaler=\"holograph-renderer\"} 2\n", desiredReplicas)
		for i := range 10001 {
			fmt.Fprintf(&page, "%s{namespace=\"film\",horizontalpodautoscaler=\"a%d-renderer\"} 2\n", desiredReplicas, i)
		}
		return page.String()
	}
	target := exposition(t, page)
	var jobs []any
	for job, config := range scrapeJobs(t, chart.Render(t, chart.Parse(t, "servedNamespaces: [film]"))) {
		if strings.HasPrefix(job, "kube-state-metrics") {
			delete(config, "kubernetes_sd_configs")
			delete(config, "relabel_configs")
			config["scrape_interval"], config["scrape_timeout"] = "1s", "1s"
			config["static_configs"] = []any{map[string]any{"targets": []string{target}}}
			jobs = append(jobs, config)
		}
	}
	config, err := yaml.Marshal(map[string]any{"scrape_configs": jobs})
	require.NoError(t, err)
	api := promtool.Serve(t, string(config), "").API(t)
	require.NoError(t, wait.For(t.Context(), time.Minute, wait.Condition{Name: "each job to scrape three times", Unmet: func(ctx context.Context) error {
		vector, err := kube.Vector(ctx, api, "count_over_time(up[1m]) >= 3")
		if err == nil && len(vector) < len(jobs) {
			err = fmt.Errorf("%d of %d have", len(vector), len(jobs))
		}
		return err
	}}))
	found, err := kube.Vector(t.Context(), api, desiredReplicas)
	require.NoError(t, err)
	require.Len(t, found, 1, "autoscalers that Prometheus has, want that of the release's own namespace")
	assert.EqualValues(t, "holograph", found[0].Metric["namespace"])
	state, err := api.Targets(t.Context())
	require.NoError(t, err)
	require.Len(t, state.Active, 2)
	for _, target := range state.Active {
		want := map[model.LabelValue]string{"kube-state-metrics": "", "kube-state-metrics-served": "sample limit exceeded"}[target.Labels["job"]]
		assert.Equal(t, want, target.LastError, "the error of the job %s", target.Labels["job"])
	}
}

// TestPrometheusKeepsWhatItsAlertsAskFor: an alert on Prometheus itself, whose series its scrape job drops, never fires.
func TestPrometheusKeepsWhatItsAlertsAskFor(t *testing.T) {
	t.Parallel()
	steps := scrapeJobs(t, chart.Render(t))["prometheus"]["metric_relabel_configs"]
	asked := 0
	for _, alert := range everyAlert(t) {
		tree, err := promtool.Parse(alert.Expr)
		require.NoError(t, err)
		for _, metric := range promtool.Metrics(tree) {
			if strings.HasPrefix(metric, "prometheus_") {
				asked++
				assert.True(t, kept(t, steps, map[string]string{"__name__": metric}), "whether the scrape job prometheus keeps %s is false, want true: %s asks for it", metric, alert.Alert)
			}
		}
	}
	assert.Positive(t, asked, "series of Prometheus itself that alerts ask for")
}
