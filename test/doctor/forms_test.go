package main

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"holograph/test/doctor/description"
	"holograph/test/internal/chart"
)

// form is a renderer with metrics of its own, as the values describe it.
type form struct {
	values string
	// page is what each pod exports, stored what Prometheus has of that: names, and labels that tell series apart.
	page   string
	stored []series
}

type series struct {
	name   string
	labels map[string]string
}

const demandOf = "holograph_offered_cpu_seconds_total 1\nholograph_cpu_capacity_cores 1\n"

var demandSeries = []series{{name: "holograph_offered_cpu_seconds_total"}, {name: "holograph_cpu_capacity_cores"}}

const foreign = "prometheus: {enabled: false, url: http://holograph-prometheus.holograph.svc:9090}, "

var forms = map[string]form{
	"late ones of all frames": {
		`signals: {frames: {name: frames_total}, overruns: {metric: frames_total, selector: {late: "true"}}}`,
		"frames_total{late=\"false\"} 7\n" + demandOf,
		append([]series{{"frames_total", map[string]string{"late": "false"}}}, demandSeries...)},
	"a counter with a label": {
		`signals: {overruns: {metric: dropped_total, selector: {reason: budget}}}`,
		"dropped_total{reason=\"full\"} 7\ndropped_total{reason=\"budget\"} 0\n" + demandOf,
		append([]series{{"dropped_total", map[string]string{"reason": "budget"}}}, demandSeries...)},
	"a histogram": {
		`signals: {overruns: {histogram: {metric: frame_seconds}}}`,
		"frame_seconds_bucket{le=\"0.025\"} 1\nframe_seconds_bucket{le=\"0.0330\"} 1\nframe_seconds_bucket{le=\"+Inf\"} 1\nframe_seconds_sum 1\nframe_seconds_count 1\n" + demandOf,
		append([]series{{name: "frame_seconds_count"}, {"frame_seconds_bucket", map[string]string{"le": "0.025"}}, {"frame_seconds_bucket", map[string]string{"le": "0.033"}}}, demandSeries...)},
	"a native histogram": {
		`signals: {overruns: {histogram: {metric: frame_seconds, type: native}}, demand: {offered: {metric: frame_seconds}, capacity: {value: "45"}}}`,
		"frame_seconds_bucket{le=\"+Inf\"} 1\nframe_seconds_sum 1\nframe_seconds_count 1\n",
		[]series{{name: "frame_seconds"}}},
	"a recorded counter and OpenTelemetry's names": {
		`{` + foreign + `signals: {overruns: {metric: "render:late:total"}, demand: {offered: {metric: sessions.active, type: gauge}, capacity: {value: "4"}}}}`,
		"sessions_active 1\n",
		[]series{{name: "render:late:total"}, {name: "sessions.active"}}},
	"several clusters, and no container's label": {
		`{` + foreign + `signals: {matchers: {cluster: eu}, labels: {container: ""}}}`,
		"holograph_frames_over_budget_total 0\n" + demandOf,
		[]series{{"holograph_frames_over_budget_total", map[string]string{"cluster": "eu"}}, {"up", map[string]string{"cluster": "eu"}},
			{"holograph_offered_cpu_seconds_total", map[string]string{"cluster": "eu"}}, {"holograph_cpu_capacity_cores", map[string]string{"cluster": "eu"}}}},
	"a query": {
		`signals: {overruns: {query: "sum by (<<.GroupBy>>) (rate(dropped_total{<<.LabelMatchers>>}[2m]))"}}`,
		"holograph_frames_total 0\n" + demandOf,
		append([]series{{name: "holograph_frames_total"}}, demandSeries...)},
	"metrics of the Deployment": {
		`signals: {overruns: {metricType: Object}, demand: {metricType: Object}}`,
		"holograph_frames_over_budget_total 0\n" + demandOf,
		append([]series{{name: "holograph_frames_over_budget_total"}}, demandSeries...)},
}

// cluster returns one on which nothing is wrong with the renderer.
func (f form) cluster(t *testing.T) *cluster {
	t.Helper()
	c := healthy(t, f.values)
	ups := c.samples[:0:0]
	for _, sample := range c.samples {
		if sample.name == "up" {
			ups = append(ups, sample)
		}
	}
	p, err := description.Decode([]byte(c.configMap("holograph-doctor").Data[description.File]))
	require.NoError(t, err)
	c.samples, c.answers = nil, map[string][]any{}
	for _, up := range ups {
		c.exported[up.labels["pod"]] = f.page
		c.samples = append(c.samples, up)
		for _, one := range f.stored {
			labels := maps.Clone(up.labels)
			maps.Copy(labels, one.labels)
			c.samples = append(c.samples, sample{name: one.name, labels: labels, value: "1", age: 7 * time.Second})
		}
		for _, signal := range p.Signals {
			if signal.Query != "" {
				c.answers[signal.Query] = append(c.answers[signal.Query], map[string]any{"metric": map[string]string{"pod": up.labels["pod"]}, "value": []any{0, "0"}})
			}
		}
	}
	return c
}

// TestForms: the doctor finds nothing wrong with a renderer whose metrics are as the values describe them.
func TestForms(t *testing.T) {
	t.Parallel()
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := examine(t, form.cluster(t))
			assert.True(t, found.Healthy, found.Text())
		})
	}
}

// formFaults are what can be wrong with one of the forms, by its name.
var formFaults = map[string]struct {
	form string
	fault
}{
	"a pod without the counter": {"late ones of all frames", fault{
		wrong:  func(_ *testing.T, c *cluster) { c.exported["holograph-renderer-1"] = demandOf },
		link:   "renderer-metrics",
		cause:  "pod holograph-renderer-1 exports no frames_total at port 8080, path /metrics",
		remedy: "let the renderer export it from its start, or write the name that it has under signals.overruns.metric"}},
	"a counter without the label": {"a counter with a label", fault{
		wrong: func(_ *testing.T, c *cluster) {
			c.exported["holograph-renderer-1"] = strings.ReplaceAll(c.exported["holograph-renderer-1"], "budget", "late")
		},
		link:   "renderer-metrics",
		cause:  `pod holograph-renderer-1 exports no dropped_total{reason="budget"} at port 8080, path /metrics`,
		remedy: "let the renderer export it from its start, or write the name that it has under signals.overruns.metric"}},
	"a histogram without the budget's bucket": {"a histogram", fault{
		wrong: func(_ *testing.T, c *cluster) {
			c.exported["holograph-renderer-1"] = strings.ReplaceAll(c.exported["holograph-renderer-1"], "0.0330", "5e-02")
		},
		link:   "renderer-metrics",
		cause:  "pod holograph-renderer-1 exports frame_seconds_bucket with the bounds 0.025, 5e-02, +Inf and none at 0.033, which is frame.budget, so nobody knows how many frames are late",
		remedy: "write a frame.budget that is one of them, or let the renderer have a bucket that ends at 0.033"}},
	"a bucket that Prometheus drops": {"a histogram", fault{
		wrong: func(_ *testing.T, c *cluster) {
			c.relabel(func(labels map[string]string) {
				if labels["le"] == "0.033" {
					labels["le"] = "0.05"
				}
			})
		},
		link:   "series",
		cause:  "Prometheus has of pod holograph-renderer-0 frame_seconds_bucket with the bounds 0.025, 0.05 and none at 0.033, which is frame.budget, so nobody knows how many frames are late",
		remedy: "write a frame.budget that is one of them, or let the renderer have a bucket that ends at 0.033"}},
	"native histograms that are not scraped": {"a native histogram", fault{
		wrong: func(_ *testing.T, c *cluster) { c.forget("frame_seconds", "holograph-renderer-0") },
		link:  "series",
		cause: "Prometheus scrapes pod holograph-renderer-0 and has no frame_seconds of it",
		remedy: "let it scrape native histograms (scrape_native_histograms), or write signals.overruns.histogram.type: classic; " +
			"what is embedded is written anew by " + upgrade}},
	"another cluster's": {"several clusters, and no container's label", fault{
		wrong: func(_ *testing.T, c *cluster) {
			for _, sample := range c.samples {
				if sample.name != "up" && sample.labels["pod"] == "holograph-renderer-0" {
					sample.labels["cluster"] = "us"
				}
			}
		},
		link: "series",
		cause: `Prometheus has holograph_frames_over_budget_total of pod holograph-renderer-0 under other labels: ` +
			`{cluster="us", container="renderer", instance="10.0.3.0:8080", namespace="holograph", pod="holograph-renderer-0"}, without cluster="eu"`,
		remedy: "write under signals.labels the names that your Prometheus uses, or let its relabelling set these; what is embedded is written anew by " + upgrade}},
	"a query without a value of a pod": {"a query", fault{
		wrong: func(_ *testing.T, c *cluster) {
			for query := range c.answers {
				c.answers[query] = c.answers[query][:1]
			}
		},
		link:  "series",
		cause: "signals.overruns.query gives no value for pod holograph-renderer-1 that is a number from 0 to signals.frames.maxRate, and one for 1 others",
		remedy: "wait for two scrapes of the pod, which a rate takes; if that changes nothing, check that Prometheus has the query's metrics of the pod: " +
			"if they are missing where the chart writes the scrape, add the beginning of their names to signals.otherMetrics, which for dropped_total is dropped; " +
			"if they are there, let the query give one value for each pod, 0 where no frame is late: add `or 0 *` a query that every pod has"}},
	"a renderer's label that is taken for the scraper's": {"several clusters, and no container's label", fault{
		wrong: func(_ *testing.T, c *cluster) {
			c.exported["holograph-renderer-1"] = "holograph_frames_over_budget_total{endpoint=\"/left\"} 0\nholograph_frames_over_budget_total{endpoint=\"/right\"} 0\n" + demandOf
		},
		link: "series",
		cause: "pod holograph-renderer-1 exports series of holograph_frames_over_budget_total that differ only in the label endpoint, which signals.scrapeLabels has, " +
			"so only the largest of them counts",
		remedy: "remove it from signals.scrapeLabels, or let the renderer call it otherwise"}},
	"metrics of the Deployment that are not listed": {"metrics of the Deployment", fault{
		wrong: func(_ *testing.T, c *cluster) { delete(c.objects, "holograph_demand") },
		link:  "discovery",
		cause: "custom.metrics.k8s.io/v1beta2 does not list deployments.apps/holograph_demand; it lists deployments.apps/holograph_frames_over_budget_total",
		remedy: "wait for the adapter's next relist, every 30s; if that changes nothing, read its log: " +
			"kubectl --namespace holograph logs deployment/holograph-prometheus-adapter"}},
	"no value of the Deployment": {"metrics of the Deployment", fault{
		wrong: func(_ *testing.T, c *cluster) { c.objects["holograph_demand"] = "" },
		link:  "values",
		cause: "there is no value of holograph_demand for Deployment holograph-renderer, as no pod has one",
		remedy: "wait, as new pods have a first value 90s after their start; if that changes nothing, see that holograph_cpu_capacity_cores is above 0 and no more than a number can say, " +
			"and that Prometheus has the metric up of the pods: where samples are sent to Prometheus it has not, and signals.demand.metricType must be Pods"}},
}

// TestFaultsOfForms: the doctor names what is wrong with a renderer's own metrics.
func TestFaultsOfForms(t *testing.T) {
	t.Parallel()
	for name, test := range formFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := forms[test.form].cluster(t)
			test.wrong(t, c)
			test.found(t, examine(t, c))
		})
	}
}

// TestRenamedLabels: a Prometheus that sets a label itself renames the renderer's, and nothing is wrong.
func TestRenamedLabels(t *testing.T) {
	t.Parallel()
	c := forms["several clusters, and no container's label"].cluster(t)
	c.exported["holograph-renderer-1"] = "holograph_frames_over_budget_total{endpoint=\"/left\"} 0\nholograph_frames_over_budget_total{endpoint=\"/right\"} 0\n" + demandOf
	c.relabel(func(labels map[string]string) { labels["exported_endpoint"] = "/left" })
	found := examine(t, c)
	assert.True(t, found.Healthy, found.Text())
}

// TestDescriptionFollowsTheForm: what the doctor is told is what the values say.
func TestDescriptionFollowsTheForm(t *testing.T) {
	t.Parallel()
	described := func(name string) description.Path {
		for _, config := range chart.Of[*corev1.ConfigMap](t, render(t, forms[name].values)) {
			if text := config.Data[description.File]; text != "" {
				p, err := description.Decode([]byte(text))
				require.NoError(t, err)
				return p
			}
		}
		return description.Path{}
	}
	assert.Equal(t, []description.Series{{Name: "frame_seconds_count", Value: "signals.overruns.histogram.metric"},
		{Name: "frame_seconds_bucket", Value: "signals.overruns.histogram.metric", Bound: "0.033"}}, described("a histogram").Signals[0].Series)
	assert.Equal(t, []description.Series{{Name: "frame_seconds", Value: "signals.demand.offered.metric", Native: true}}, described("a native histogram").Signals[1].Series)
	assert.Equal(t, map[string]string{"cluster": "eu"}, described("several clusters, and no container's label").Matchers)
	assert.Empty(t, described("a histogram").ScrapeLabels, "labels that the doctor looks at where the embedded Prometheus renames the renderer's")
}
