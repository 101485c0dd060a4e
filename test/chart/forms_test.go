package chart_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	goyaml "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
	"holograph/test/internal/promtool"
)

// Pods of the renderer, as series have them.
const (
	first  = `namespace="holograph", pod="holograph-renderer-5d4b7c9f68-2vxqz", container="renderer"`
	second = `namespace="holograph", pod="holograph-renderer-5d4b7c9f68-9kwtb", container="renderer"`
	third  = `namespace="holograph", pod="holograph-renderer-5d4b7c9f68-kkx4d", container="renderer"`
)

// measured is a renderer's metrics with the values that describe them, and what comes of them. Scrapes are 15 s apart, so
// that a counter which grows by 15 has a rate of 1.
type measured struct {
	values string
	// series are what Prometheus has, each with the values of 21 scrapes.
	series [][2]string
	// late and demand are those of the first, the second and the third pod; empty is no value.
	late, demand []string
	// frames and over are the recorded rates of all frames and of late ones, total is what an Object metric and KEDA have of
	// late frames.
	frames, over, total string
}

var sound = [][2]string{{"holograph_frames_total{" + first + "}", "0+60x20"}, {"holograph_frames_total{" + second + "}", "0+60x20"}, {"holograph_frames_total{" + third + "}", "0+60x20"}}

var measurements = map[string]measured{
	"a counter under another name, with a label": {
		values: `signals: {overruns: {metric: "render:dropped:total", selector: {reason: budget}}}`,
		series: append([][2]string{
			{`render:dropped:total{` + first + `, reason="budget", view="left"}`, "0+15x20"},
			{`render:dropped:total{` + first + `, reason="budget", view="right"}`, "0+30x20"},
			{`render:dropped:total{` + first + `, reason="budget", view="right", job="another"}`, "0+30x20"},
			{`render:dropped:total{` + first + `, reason="client"}`, "0+150x20"},
			{`render:dropped:total{` + second + `, reason="budget"}`, "NaN+0x20"},
			{`render:dropped:total{` + third + `, reason="budget"}`, "0x20"},
		}, sound...),
		late: []string{"3", "", "0"}, frames: "8", over: "3", total: "3",
	},
	"late ones of all frames": {
		values: `signals: {frames: {name: frames_total, selector: {kind: video}}, overruns: {metric: frames_total, selector: {late: true}}}`,
		series: [][2]string{
			{`frames_total{` + first + `, late="true", kind="audio"}`, "0+150x20"},
			{`frames_total{` + first + `, late="false", kind="video"}`, "0+30x20"},
			{`frames_total{` + first + `, late="true", kind="video"}`, "0+15x20"},
			// No frame of this pod has been late, so that it does not have that series.
			{`frames_total{` + second + `, late="false", kind="video"}`, "0+30x20"},
			{`frames_total{` + third + `, late="false", kind="video"}`, "0+30x20"},
			{`frames_total{` + third + `, late="true", kind="video"}`, "0+15x19 Inf"},
		},
		late: []string{"1", "0", ""}, frames: "5", over: "1", total: "1",
	},
	"a histogram": {
		values: `signals: {frames: {name: ""}, overruns: {histogram: {metric: frame_seconds}}}`,
		series: [][2]string{
			// Two views, one of them scraped twice.
			{`frame_seconds_count{` + first + `, view="left", job="a"}`, "0+30x20"},
			{`frame_seconds_count{` + first + `, view="left", job="b"}`, "0+30x20"},
			{`frame_seconds_count{` + first + `, view="right", job="a"}`, "0+30x20"},
			{`frame_seconds_bucket{` + first + `, view="left", job="a", le="0.033"}`, "0+15x20"},
			{`frame_seconds_bucket{` + first + `, view="left", job="b", le="0.0330"}`, "0+15x20"},
			{`frame_seconds_bucket{` + first + `, view="right", job="a", le="3.3e-02"}`, "0+22.5x20"},
			{`frame_seconds_bucket{` + first + `, view="left", job="a", le="+Inf"}`, "0+30x20"},
			// All in budget.
			{`frame_seconds_count{` + second + `}`, "0+30x20"},
			{`frame_seconds_bucket{` + second + `, le="0.033"}`, "0+30x20"},
			// A reset within the window: 180 frames in 105 s, of which half are late.
			{`frame_seconds_count{` + third + `}`, "0+30x15 0+30x4"},
			{`frame_seconds_bucket{` + third + `, le="0.033"}`, "0+15x15 0+15x4"},
		},
		late: []string{"1.5", "0", "0.857142857142857"}, frames: "7.714285714285714", over: "2.357142857142857", total: "2.357142857142857",
	},
	"a histogram without the budget's bucket, and nonsense in one": {
		values: `signals: {overruns: {histogram: {metric: frame_seconds}}}`,
		series: [][2]string{
			// Of two views one lacks the bucket: the others are not the pod's late frames.
			{`frame_seconds_count{` + first + `, view="left"}`, "0+30x20"},
			{`frame_seconds_bucket{` + first + `, view="left", le="0.033"}`, "0+15x20"},
			{`frame_seconds_count{` + first + `, view="right"}`, "0+30x20"},
			{`frame_seconds_bucket{` + first + `, view="right", le="0.05"}`, "0+30x20"},
			{`frame_seconds_count{` + second + `}`, "0+30x20"},
			{`frame_seconds_bucket{` + second + `, le="0.033"}`, "0+45x20"},
			{`frame_seconds_count{` + third + `}`, "0+30x20"},
			{`frame_seconds_bucket{` + third + `, le="0.033"}`, "0+15x20"},
		},
		late: []string{"", "", "1"}, frames: "2", over: "1", total: "1",
	},
	"a native histogram": {
		values: `{frame: {budget: 1s}, signals: {overruns: {histogram: {metric: frame_seconds, type: native}}, demand: {offered: {metric: frame_seconds}, capacity: {value: 4}}}}`,
		series: [][2]string{
			// Half of the observations are up to 1 s, half are up to 2 s.
			{`frame_seconds{` + first + `, view="left", job="a"}`, "{{schema:0 count:0 sum:0 buckets:[0 0]}}+{{schema:0 count:30 sum:30 buckets:[15 15]}}x20"},
			{`frame_seconds{` + first + `, view="left", job="b"}`, "{{schema:0 count:0 sum:0 buckets:[0 0]}}+{{schema:0 count:30 sum:30 buckets:[15 15]}}x20"},
			{`frame_seconds{` + first + `, view="right", job="a"}`, "{{schema:0 count:0 sum:0 buckets:[0 0]}}+{{schema:0 count:30 sum:30 buckets:[30 0]}}x20"},
			// No frames, which are no late ones.
			{`frame_seconds{` + second + `}`, "{{schema:0 count:30 sum:30 buckets:[15 15]}}x20"},
			{`frame_seconds{` + third + `}`, "0+30x20"},
		},
		late: []string{"1", "0", ""}, frames: "4", over: "1", total: "1", demand: []string{"1", "0", ""},
	},
	"a query": {
		values: `signals: {overruns: {query: "sum by (<<.GroupBy>>) (rate(dropped_total{<<.LabelMatchers>>}[2m])) / 2"}}`,
		series: append([][2]string{
			{`dropped_total{` + first + `}`, "0+15x20"},
			{`dropped_total{` + second + `}`, "0+15x19 Inf"},
			{`dropped_total{` + third + `}`, "0x20"},
			{`dropped_total{namespace="holograph", pod="other", container="renderer"}`, "0+150x20"},
			{`dropped_total{namespace="holograph", pod="holograph-renderer-5d4b7c9f68-kkx4d", container="proxy"}`, "0+150x20"},
		}, sound...),
		late: []string{"0.5", "", "0"}, frames: "8", over: "0.5", total: "0.5",
	},
	"demand of a renderer that counts frames": {
		values: `signals: {demand: {offered: {metric: holograph_frames_total}, capacity: {value: "8"}}}`,
		series: append([][2]string{{`holograph_frames_over_budget_total{` + first + `}`, "0x20"}}, sound...),
		// While two pods have no late frames that are known, all three may be needed.
		late: []string{"0", "", ""}, frames: "12", over: "0", total: "0.3", demand: []string{"0.5", "0.5", "0.5"},
	},
	"demand of sessions": {
		values: `signals: {demand: {offered: {metric: sessions, type: gauge, selector: {state: open}}, capacity: {metric: "", value: "4"}}}`,
		series: append([][2]string{
			{`holograph_frames_over_budget_total{` + first + `}`, "0x20"},
			// The average of the last minute's four.
			{`sessions{` + first + `, state="open", view="left"}`, "9x16 2 4 2 4"},
			{`sessions{` + first + `, state="open", view="right"}`, "1x20"},
			{`sessions{` + first + `, state="open", view="right", job="another"}`, "1x20"},
			{`sessions{` + first + `, state="closed"}`, "100x20"},
			{`sessions{` + second + `, state="open"}`, "1x19 NaN"},
			{`sessions{` + third + `, state="open"}`, "-1x20"},
		}, sound...),
		late: []string{"0", "", ""}, frames: "12", over: "0", total: "0.3", demand: []string{"1", "", ""},
	},
	"OpenTelemetry's names, and no container's label": {
		values: `{prometheus: {enabled: false, url: http://a.example}, prometheusRule: {enabled: true}, signals: {labels: {container: ""}, frames: {name: video.frames}, overruns: {metric: video.frames.late}, demand: {offered: {metric: video.frames}, capacity: {metric: video.capacity}}}}`,
		series: [][2]string{
			{`{"video.frames", namespace="holograph", pod="holograph-renderer-5d4b7c9f68-2vxqz"}`, "0+30x20"},
			{`{"video.frames.late", namespace="holograph", pod="holograph-renderer-5d4b7c9f68-2vxqz"}`, "0+15x20"},
			{`{"video.capacity", namespace="holograph", pod="holograph-renderer-5d4b7c9f68-2vxqz"}`, "4x20"},
		},
		late: []string{"1", "", ""}, frames: "2", over: "1", total: "1", demand: []string{"0.5", "", ""},
	},
	"one of several clusters": {
		values: `{prometheus: {enabled: false, url: http://a.example}, prometheusRule: {enabled: true}, signals: {matchers: {cluster: eu}}}`,
		series: [][2]string{
			{`holograph_frames_total{` + first + `, cluster="eu"}`, "0+30x20"},
			{`holograph_frames_total{` + first + `, cluster="us"}`, "0+300x20"},
			{`holograph_frames_over_budget_total{` + first + `, cluster="eu"}`, "0+15x20"},
			{`holograph_frames_over_budget_total{` + first + `, cluster="us"}`, "0+300x20"},
			{`holograph_offered_cpu_seconds_total{` + first + `, cluster="eu"}`, "0+7.5x20"},
			{`holograph_offered_cpu_seconds_total{` + first + `, cluster="us"}`, "0+75x20"},
			{`holograph_cpu_capacity_cores{` + first + `, cluster="eu"}`, "1x20"},
			{`holograph_cpu_capacity_cores{` + second + `, cluster="us"}`, "1x20"},
			{`up{` + third + `, cluster="us"}`, "1x20"},
			{`kube_deployment_spec_replicas{namespace="holograph", deployment="holograph-renderer", cluster="us"}`, "90x20"},
		},
		late: []string{"1", "", ""}, frames: "2", over: "1", total: "1", demand: []string{"0.5", "", ""},
	},
}

// recordedBy returns the expressions that are recorded, of the embedded Prometheus or of a PrometheusRule.
func recordedBy(t *testing.T, rendered *chart.Rendered) map[string]string {
	t.Helper()
	recorded := map[string]string{}
	var groups []any
	if rule, found := ofKind(rendered, "PrometheusRule")["holograph"]; found {
		groups = valueAt(t, rule, "spec", "groups").([]any)
	} else {
		var file struct{ Groups []any }
		require.NoError(t, yaml.Unmarshal([]byte(rendered.RulesFile(t)), &file))
		groups = file.Groups
	}
	for _, group := range groups {
		for _, rule := range group.(map[string]any)["rules"].([]any) {
			if name, is := rule.(map[string]any)["record"].(string); is {
				recorded[name] = rule.(map[string]any)["expr"].(string)
			}
		}
	}
	return recorded
}

// TestForms runs the adapter's query of each pod, the totals of an Object metric and of KEDA, and the recorded rates in
// Prometheus' own engine, for each way to describe a renderer's metrics.
func TestForms(t *testing.T) {
	t.Parallel()
	pods := []string{"holograph-renderer-5d4b7c9f68-2vxqz", "holograph-renderer-5d4b7c9f68-9kwtb", "holograph-renderer-5d4b7c9f68-kkx4d"}
	for name, test := range measurements {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := chart.Parse(t, test.values)
			rendered := chart.Render(t, values, unlimited)
			recorded := recordedBy(t, rendered)
			var text strings.Builder
			text.WriteString("evaluation_interval: 15s\nfuzzy_compare: true\ntests:\n  - name: form\n    interval: 15s\n    input_series:\n")
			if _, sent := values["prometheus"]; !sent {
				for _, pod := range []string{first, second, third} {
					fmt.Fprintf(&text, "      - {series: 'up{%s}', values: 1x20}\n", pod)
				}
			}
			for _, one := range test.series {
				fmt.Fprintf(&text, "      - {series: '%s', values: '%s'}\n", one[0], one[1])
			}
			text.WriteString("    promql_expr_test:\n")
			expect := func(query string, samples ...string) {
				fmt.Fprintf(&text, "      - expr: %s\n        eval_time: 5m\n        exp_samples: [%s]\n", strconv.Quote(query), strings.Join(samples, ", "))
			}
			found := func(rule chart.AdapterRule) string {
				return strings.TrimSuffix(strings.TrimPrefix(strings.ReplaceAll(rule.Name.Matches, `\`, ""), "^"), "$")
			}
			for i, values := range [][]string{test.late, test.demand} {
				if values == nil {
					continue
				}
				rule := rendered.AdapterConfig(t).Rules[i]
				var samples []string
				for j, value := range values {
					if value != "" {
						samples = append(samples, fmt.Sprintf(`{labels: '{pod="%s"}', value: %s}`, pods[j], value))
					}
				}
				expect(rule.Query(t, found(rule), "holograph", pods...), samples...)
			}
			of := `{namespace="holograph"}`
			if strings.Contains(test.values, "cluster") {
				of = `{namespace="holograph", cluster="eu"}`
			}
			expect(recorded["holograph:frames:rate"], fmt.Sprintf("{labels: '%s', value: %s}", of, test.frames))
			expect(recorded["holograph:frames_over_budget:rate"], fmt.Sprintf("{labels: '%s', value: %s}", of, test.over))
			rule := chart.Render(t, values, unlimited, totals).AdapterConfig(t).Rules[0]
			keda, _ := kedaQueries(t, values, unlimited)
			for _, query := range []string{rule.TotalQuery(t, found(rule), "holograph", "holograph-renderer"), keda} {
				expect("sum("+query+")", fmt.Sprintf("{labels: '{}', value: %s}", test.total))
			}
			directory := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(directory, "form.yaml"), []byte(text.String()), 0o644))
			require.NoError(t, promtool.Run(t.Context(), directory, "test", "rules", "form.yaml"))
		})
	}
}

// TestBudgetIsFoundHoweverItIsWritten: `le` is compared as a number, as Prometheus 2, Prometheus 3 and clients write it.
func TestBudgetIsFoundHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	for budget, test := range map[string]struct{ unit, is, isNot string }{
		"33ms":   {"seconds", "0.033 0.0330 3.3e-02 3.3E-2 3.30e-2", "0.33 0.0333 0.0033 33 10.033 0.03 3.3e-03 3.3e+02 3.3e-20 +Inf 0x033"},
		"100ms":  {"seconds", "0.1 0.10 1e-01 1.0e-1", "0.01 0.11 1 1e-10 10"},
		"1.5ms":  {"seconds", "0.0015 1.5e-03", "0.001 0.015 15e-04"},
		"16.6ms": {"milliseconds", "16.6 16.60 1.66e+01 1.66e1", "16 16.66 166 0.0166"},
		"1s":     {"seconds", "1 1.0 1.00 1e+00 1e0 1.0e+00", "10 0.1 1.1 01.01 1e+01 11 100"},
		"10s":    {"seconds", "10 10.0 1e+01 1.0E1", "1 100 1e+10 10.01"},
		"1m":     {"milliseconds", "60000 60000.0 6e+04 6.0E4", "6000 600000 60"},
	} {
		values := chart.Parse(t, fmt.Sprintf(`{frame: {budget: %s}, renderer: {terminationGracePeriodSeconds: 100}, signals: {overruns: {histogram: {metric: frame_time, unit: %s}}}}`, budget, test.unit))
		rule := chart.Render(t, values).AdapterConfig(t).Rules[0]
		query, err := promtool.Parse(rule.Query(t, "frame_time_count", "holograph", "a"))
		require.NoError(t, err)
		var le *labels.Matcher
		parser.Inspect(query, func(node parser.Node, _ []parser.Node) error {
			if selector, ok := node.(*parser.VectorSelector); ok {
				for _, matcher := range selector.LabelMatchers {
					if matcher.Name == "le" {
						le = matcher
					}
				}
			}
			return nil
		})
		require.NotNil(t, le)
		for _, text := range strings.Fields(test.is) {
			assert.True(t, le.Matches(text), "le=%q is the bucket of a budget of %s in %s, and %s does not find it", text, budget, test.unit, le)
		}
		for _, text := range strings.Fields(test.isNot) {
			assert.False(t, le.Matches(text), "le=%q is not the bucket of a budget of %s in %s, and %s takes it", text, budget, test.unit, le)
		}
	}
}

// TestOwnLabelsOfARenderer: a label of the renderer's that is called like one of a scraper's tells its series apart under the
// embedded Prometheus and under the operator, as it does where a scraper sets that label and Prometheus renames the other.
func TestOwnLabelsOfARenderer(t *testing.T) {
	t.Parallel()
	for where, test := range map[string]struct {
		steps any
		own   []string
	}{
		"scrape job": {scrapeJobs(t, chart.Render(t))["renderer"]["metric_relabel_configs"], []string{"service", "endpoint", "node", "prometheus"}},
		"PodMonitor": {valueAt(t, ofKind(chart.Render(t, named(t, "operator")), "PodMonitor")["holograph-renderer"], "spec", "podMetricsEndpoints", 0, "metricRelabelings"), []string{"service", "node", "prometheus"}},
	} {
		text, err := yaml.Marshal(test.steps)
		require.NoError(t, err)
		steps := relabellings(t, text)
		for _, name := range test.own {
			builder := labels.NewBuilder(labels.FromStrings("__name__", "holograph_frames_total", "job", "renderer", "instance", "10.0.0.1:8080", "pod", "a", name, "/left"))
			require.True(t, relabel.ProcessBuilder(builder, steps...), "the %s drops the series, want it kept", where)
			stored := builder.Labels()
			assert.Equal(t, "/left", stored.Get("exported_"+name), "the %s stores %s", where, stored)
			assert.Empty(t, stored.Get(name), "the %s stores %s, of which the queries drop %s", where, stored, name)
			assert.Equal(t, "renderer", stored.Get("job"), "the scraper's own labels of the %s", where)
		}
	}
}

// relabellings reads steps in the words of a scrape job or of a PodMonitor.
func relabellings(t *testing.T, text []byte) (steps []*relabel.Config) {
	t.Helper()
	text = []byte(strings.NewReplacer("sourceLabels:", "source_labels:", "targetLabel:", "target_label:").Replace(string(text)))
	require.NoError(t, goyaml.Unmarshal(text, &steps))
	for _, step := range steps {
		require.NoError(t, step.Validate(model.UTF8Validation))
	}
	return steps
}

// TestWhatIsScrapedOfHistograms: Prometheus keeps what the queries ask for, and asks for native histograms where they do.
func TestWhatIsScrapedOfHistograms(t *testing.T) {
	t.Parallel()
	for values, test := range map[string]struct {
		native    bool
		kept, not []string
	}{
		`signals: {overruns: {histogram: {metric: frame_seconds}}}`:               {false, []string{"frame_seconds_count", "frame_seconds_bucket"}, []string{"frame_seconds", "frame_seconds_sum", "frame_seconds_buckets"}},
		`signals: {overruns: {histogram: {metric: frame_seconds, type: native}}}`: {true, []string{"frame_seconds"}, []string{"frame_seconds_count", "frame_seconds_sum"}},
		`signals: {overruns: {query: 'sum by (<<.GroupBy>>) (rate({"video.late",<<.LabelMatchers>>}[2m])) + sum by (<<.GroupBy>>) (rate({<<.LabelMatchers>>,__name__="video_dropped"}[2m]))'}}`: {false, []string{"video.late", "video_dropped"}, []string{"video_late"}},
		`signals: {overruns: {metric: "video.late"}, frames: {name: "video.all"}}`:                                                                                                              {false, []string{"video.late", "video.all"}, []string{"video_late", "videoXlate"}},
	} {
		job := scrapeJobs(t, chart.Render(t, chart.Parse(t, values)))["renderer"]
		monitor := ofKind(chart.Render(t, named(t, "operator"), chart.Parse(t, values)), "PodMonitor")["holograph-renderer"]
		require.NoError(t, chart.Newest.Validate(monitor))
		assert.Equal(t, test.native, job["scrape_native_histograms"] == true, values)
		assert.Equal(t, test.native, valueAt(t, monitor, "spec").(map[string]any)["scrapeNativeHistograms"] == true, values)
		assert.Equal(t, !strings.Contains(values, "video"), job["metric_name_escaping_scheme"] == "underscores", "OpenTelemetry's names with underscores: %s", values)
		for _, steps := range []any{job["metric_relabel_configs"], valueAt(t, monitor, "spec", "podMetricsEndpoints", 0, "metricRelabelings")} {
			for _, name := range test.kept {
				assert.True(t, kept(t, steps, map[string]string{"__name__": name}), "%s is dropped, want it kept: %s", name, values)
			}
			for _, name := range test.not {
				assert.False(t, kept(t, steps, map[string]string{"__name__": name}), "%s is kept, want it dropped: %s", name, values)
			}
		}
	}
}

// TestFormsRender: Prometheus takes the rules of each form, and what the values say is shown.
func TestFormsRender(t *testing.T) {
	t.Parallel()
	for name, test := range measurements {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := chart.Parse(t, test.values)
			rendered := chart.Render(t, values, chart.Set("dashboard.enabled", true))
			for _, expression := range rendered.Expressions(t) {
				_, err := promtool.Parse(expression.Text)
				assert.NoError(t, err, "%s: %s", expression.Where, expression.Text)
			}
			if _, foreign := values["prometheus"]; !foreign {
				require.NoError(t, promtool.Run(t.Context(), writePrometheusFiles(t, rendered), "check", "config", "--lint=all", "--lint-fatal", "prometheus.yaml"))
			}
		})
	}
	notes := chart.Render(t, chart.Parse(t, "signals: {overruns: {histogram: {metric: frame_seconds}}}")).Notes
	assert.Contains(t, notes, `not in its bucket le="0.033", which is frame.budget (33ms) in seconds`)
	assert.Contains(t, chart.Render(t, chart.Set("signals.demand.enabled", false)).Notes, "signals.demand.offered.metric", "what to write in place of switching demand off")
}

// TestFormsNameTheCluster: in a backend that holds several clusters no query, rule or alert selects another's series.
func TestFormsNameTheCluster(t *testing.T) {
	t.Parallel()
	values := chart.Parse(t, measurements["one of several clusters"].values)
	rendered := chart.Render(t, values, chart.Parse(t, "{dashboard: {enabled: true}, podMonitor: {enabled: true}}"))
	queries := map[string]string{}
	for _, expression := range rendered.Expressions(t) {
		queries[expression.Where+": "+expression.Text] = expression.Text
	}
	for _, group := range valueAt(t, ofKind(rendered, "PrometheusRule")["holograph"], "spec", "groups").([]any) {
		for _, rule := range group.(map[string]any)["rules"].([]any) {
			expression := rule.(map[string]any)["expr"].(string)
			queries["the rule "+expression] = expression
		}
	}
	for i, rule := range chart.Render(t, values, totals).AdapterConfig(t).Rules {
		queries[fmt.Sprint("the total of signal ", i)] = rule.TotalQuery(t, strings.Trim(rule.Name.Matches, "^$"), "holograph", "holograph-renderer")
		queries[fmt.Sprint("the series of signal ", i)] = rule.SeriesQuery
	}
	for i, rule := range rendered.AdapterConfig(t).Rules {
		queries[fmt.Sprint("the value of signal ", i)] = rule.Query(t, strings.Trim(rule.Name.Matches, "^$"), "holograph", "a")
	}
	queries["KEDA's late frames"], queries["KEDA's demand"] = kedaQueries(t, values)
	selectors := 0
	for where, query := range queries {
		tree, err := promtool.Parse(query)
		require.NoError(t, err, where)
		parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
			if selector, ok := node.(*parser.VectorSelector); ok {
				selectors++
				assert.Contains(t, selector.LabelMatchers, labels.MustNewMatcher(labels.MatchEqual, "cluster", "eu"), "%s selects %s in every cluster", where, selector)
			}
			return nil
		})
	}
	assert.Greater(t, selectors, 50, "selectors of all queries")
}
