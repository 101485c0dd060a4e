package chart_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	klabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
	"holograph/test/internal/promtool"
)

// writePrometheusFiles puts the embedded Prometheus' configuration into a new folder.
func writePrometheusFiles(t *testing.T, rendered *chart.Rendered) string {
	t.Helper()
	directory := t.TempDir()
	for name, text := range rendered.PrometheusFiles(t) {
		require.NoError(t, os.WriteFile(filepath.Join(directory, name), []byte(text), 0o644))
	}
	return directory
}

// ruleTest writes a rule test of testdata/rules into directory, each ${name} in it replaced by what expand
// returns, and runs it.
func ruleTest(t *testing.T, directory, name string, expand func(string) string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "rules", name))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(directory, name), []byte(os.Expand(string(text), expand)), 0o644))
	require.NoError(t, promtool.Run(t.Context(), directory, "test", "rules", name))
}

func TestPrometheusTakesItsConfiguration(t *testing.T) {
	t.Parallel()
	for name, values := range renderings(t) {
		rendered := chart.Render(t, values)
		if !strings.Contains(strings.Join(components(rendered), " ")+" ", "prometheus ") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The rule files that the configuration names are checked with it, in the strictest way.
			require.NoError(t, promtool.Run(t.Context(), writePrometheusFiles(t, rendered), "check", "config", "--lint=all", "--lint-fatal", "prometheus.yaml"))
		})
	}
}

func TestScalingEventsAreCounted(t *testing.T) {
	t.Parallel()
	interval := 5 * time.Second
	for name, values := range map[string]chart.Values{
		"scaling_events.yaml": {},
		"served_events.yaml":  chart.Parse(t, "servedNamespaces: [studio]"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := chart.RenderWith(t, chart.Options{Namespace: "film", Values: []chart.Values{values}})
			require.Contains(t, rendered.RulesFile(t), fmt.Sprintf("interval: %q\n", interval))
			ruleTest(t, writePrometheusFiles(t, rendered), name, func(name string) string {
				if steps, found := strings.CutPrefix(name, "at "); found {
					count, err := strconv.Atoi(steps)
					require.NoError(t, err)
					return (time.Duration(count) * interval).String()
				}
				require.Equal(t, "interval", name)
				return interval.String()
			})
		})
	}
}

// TestNamespacesOfObjects: where your Prometheus has the namespace of kube-state-metrics' objects in another label, rules and
// alerts are on the release's own objects all the same, and have the label namespace.
func TestNamespacesOfObjects(t *testing.T) {
	t.Parallel()
	values := chart.Parse(t, `
prometheus: {enabled: false, url: "http://prometheus.monitoring.svc:9090"}
prometheusRule: {enabled: true}
kubeStateMetrics: {enabled: false, namespaceLabel: exported_namespace}
signals: {demand: {metricType: Object}}`)
	rendered := chart.RenderWith(t, chart.Options{Namespace: "film", Values: []chart.Values{values}})
	directory := t.TempDir()
	text, err := yaml.Marshal(ofKind(rendered, "PrometheusRule")["holograph"]["spec"])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(directory, "rules.yaml"), text, 0o644))
	ruleTest(t, directory, "exported_namespace.yaml", nil)
	served := rendered.AdapterConfig(t).Rules[1].TotalQuery(t, "holograph_offered_cpu_seconds_total", "film", "holograph-renderer")
	triggered := chart.RenderWith(t, chart.Options{Namespace: "film", Values: []chart.Values{values, chart.Set("autoscaling.provider", "keda")}}).Manifest
	for who, query := range map[string]string{"the adapter's query": served, "KEDA's query": strings.ReplaceAll(triggered, `\"`, `"`)} {
		assert.Contains(t, strings.ReplaceAll(query, `\"`, `"`), `kube_deployment_spec_replicas{exported_namespace="film",deployment="holograph-renderer"}`, who)
	}
}

// unlimited has late frames as they are measured, so that a test of how they are measured reads them.
var unlimited = chart.Set("signals.overruns.maxRatio", nil)

func TestOverrunsQuery(t *testing.T) {
	t.Parallel()
	rule := chart.Render(t, unlimited).AdapterConfig(t).Rules[0]
	ruleTest(t, t.TempDir(), "overruns_query.yaml", func(name string) string {
		switch name {
		case "series":
			return rule.Name.As
		case "a":
			return rule.Query(t, rule.Name.As, "film", "a")
		case "both":
			return rule.Query(t, rule.Name.As, "film", "a", "b")
		}
		require.FailNow(t, "no such placeholder", "${%s}", name)
		return ""
	})
}

// TestLateFramesCountUpToTheLimit: whatever one pod counts, it asks for no more than signals.overruns.maxRatio targets, in the
// queries of the adapter and of KEDA. The service level counts all late frames.
func TestLateFramesCountUpToTheLimit(t *testing.T) {
	t.Parallel()
	values := chart.Parse(t, "signals: {overruns: {target: 200m, maxRatio: 2}}")
	pods := chart.Render(t, values).AdapterConfig(t).Rules[0]
	total, _ := totalQueries(t, values)
	scraped, _ := kedaQueries(t, values)
	sent, _ := kedaQueries(t, values, chart.Parse(t, "prometheus: {enabled: false, url: http://prometheus.example}"))
	ruleTest(t, t.TempDir(), "max_ratio.yaml", func(name string) string {
		query, known := map[string]string{
			"pods":    pods.Query(t, pods.Name.As, "holograph", "holograph-renderer-5d4b7c9f68-2vxqz", "holograph-renderer-5d4b7c9f68-9kwtb"),
			"total":   "sum(" + total + ")",
			"scraped": scraped,
			"sent":    sent,
		}[name]
		require.True(t, known, "no such placeholder: ${%s}", name)
		return query
	})
	for _, group := range ruleGroups(t, chart.Render(t, values)) {
		for _, rule := range group.Rules {
			if rule.Record == "holograph:frames_over_budget:rate" {
				assert.NotContains(t, rule.Expr, "clamp_max", "the service level's late frames, want all of them")
			}
		}
	}
}

func TestDemandQuery(t *testing.T) {
	t.Parallel()
	const offered, capacity = "holograph_offered_cpu_seconds_total", "holograph_cpu_capacity_cores"
	rule := chart.Render(t, chart.Set("signals.demand.metricType", "Pods")).AdapterConfig(t).Rules[1]
	ruleTest(t, t.TempDir(), "demand_query.yaml", func(name string) string {
		switch name {
		case "offered":
			return offered
		case "capacity":
			return capacity
		case "a":
			return rule.Query(t, offered, "film", "a")
		case "both":
			return rule.Query(t, offered, "film", "a", "b")
		case "late":
			return rule.Query(t, offered, "late", "a")
		}
		require.FailNow(t, "no such placeholder", "${%s}", name)
		return ""
	})
}

// totals are the values with which each signal is asked for as one number.
var totals = chart.Values{"signals": map[string]any{"overruns": map[string]any{"metricType": "Object"}, "demand": map[string]any{"metricType": "Object"}}}

// totalQueries returns what the adapter asks for the totals of Deployment holograph-renderer.
func totalQueries(t *testing.T, values ...chart.Values) (overruns, demand string) {
	t.Helper()
	rules := chart.Render(t, append([]chart.Values{totals}, values...)...).AdapterConfig(t).Rules
	return rules[0].TotalQuery(t, "holograph_frames_over_budget_total", "holograph", "holograph-renderer"),
		rules[1].TotalQuery(t, "holograph_offered_cpu_seconds_total", "holograph", "holograph-renderer")
}

func TestTotalQueries(t *testing.T) {
	t.Parallel()
	for who, queries := range map[string]func(*testing.T, ...chart.Values) (overruns, demand string){"Object metric": totalQueries, "KEDA": kedaQueries} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			overruns, demand := queries(t, unlimited)
			_, spare := queries(t, chart.Set("autoscaling.headroom", 0.5))
			ruleTest(t, t.TempDir(), "total_query.yaml", func(name string) string {
				query, known := map[string]string{"overruns": overruns, "demand": demand, "spare": spare}[name]
				require.True(t, known, "no such placeholder: ${%s}", name)
				// The adapter finds the Deployment by the label, which the totals of the file lack.
				return "sum(" + query + ")"
			})
		})
	}
}

// TestTotalsAreOfTheDeploymentThatIsAskedFor: the name comes with the request, from anyone who may read metrics. It
// selects the pods of a Deployment of that name, and leaves the query what it is.
func TestTotalsAreOfTheDeploymentThatIsAskedFor(t *testing.T) {
	t.Parallel()
	rule := chart.Render(t, totals).AdapterConfig(t).Rules[1]
	var selectors []int
	for _, name := range []string{"other", `x"} or vector(1e9) or up{pod="`, `a\\`, "$1", "`", "\n"} {
		query := rule.TotalQuery(t, "holograph_offered_cpu_seconds_total", "film", name)
		expression, err := promtool.Parse(query)
		require.NoError(t, err, "the query for %q is %s", name, query)
		selected := 0
		parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
			if selector, ok := node.(*parser.VectorSelector); ok {
				selected++
				assert.Contains(t, selector.LabelMatchers, labels.MustNewMatcher(labels.MatchEqual, "namespace", "film"))
				if selector.Name == "kube_deployment_spec_replicas" {
					assert.Contains(t, selector.LabelMatchers, labels.MustNewMatcher(labels.MatchEqual, "deployment", name))
					return nil
				}
				pods := fmt.Sprintf("%s-[%s]{1,10}-?[%s]{5}", name, alphabet, alphabet)
				assert.True(t, slices.ContainsFunc(selector.LabelMatchers, func(m *labels.Matcher) bool { return m.Name == "pod" && m.Value == pods }),
					"for the name %q, %s is asked for, and not the pods %s", name, selector, pods)
			}
			return nil
		})
		selectors = append(selectors, selected)
		assert.Equal(t, selectors[0], selected, "the query for %q selects other series than that for a name: %s", name, query)
	}
}

// TestSelectorsInjectNoQuery: anyone who may read metrics, or write an autoscaler, may send a selector of series with the
// request. What Kubernetes takes for a selector narrows each series of the query, and leaves the rest of it what it is;
// names of pods that no API server takes do not either.
func TestSelectorsInjectNoQuery(t *testing.T) {
	t.Parallel()
	asked := func(query string) (asked []*parser.VectorSelector, skeleton string) {
		expression, err := promtool.Parse(query)
		if err != nil {
			return nil, ""
		}
		parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
			if selector, ok := node.(*parser.VectorSelector); ok {
				kept := *selector
				asked = append(asked, &kept)
				selector.LabelMatchers = []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, selector.Name)}
			}
			return nil
		})
		return asked, expression.String()
	}
	taken := 0
	for i, rule := range chart.Render(t, chart.Set("signals.demand.metricType", "Pods")).AdapterConfig(t).Rules {
		series := []string{"holograph_frames_over_budget_total", "holograph_offered_cpu_seconds_total"}[i]
		before, skeleton := asked(rule.Query(t, series, "film", "a"))
		require.NotEmpty(t, before)
		for _, text := range []string{
			"view=left", "view!=left", "view in (left,right)", "view notin (left)", "view", "!view", "namespace=other", "pod!=a", "pod in (a,b,c.d)", "container=sidecar",
			`view="} or vector(1) #`, `view=x"} or vector(1) or up{a="`, "view=.+", "view in (.*,x)", "view}=1", "a.b/c=d", "a-b=c", "on=x", "__name__=up", "__name__ in (up,down)",
			"view=\\", "view=`", "view=$1", "view=<<.Series>>", "job=x,view=y", "view>1", "vie\nw=1", "offset=1", "{__name__=up}", `"view"=x`,
		} {
			selector, err := klabels.Parse(text)
			if err != nil {
				continue // The API server and the adapter parse it in the same way, and refuse it.
			}
			namer, err := chart.Namer(rule.DiscoveryRule)
			require.NoError(t, err)
			if _, err := namer.QueryForSeries(series, schema.GroupResource{Resource: "pods"}, "film", selector, "a"); err != nil {
				continue
			}
			query := rule.QueryWith(t, series, "film", selector, "a")
			after, left := asked(query)
			if after == nil {
				continue // Prometheus refuses it.
			}
			taken++
			assert.Equal(t, skeleton, left, "the selector %q changes more of the query than what it selects: %s", text, query)
			require.Len(t, after, len(before), "series that are asked for with the selector %q", text)
			for n := range before {
				for _, matcher := range before[n].LabelMatchers {
					assert.Contains(t, after[n].LabelMatchers, matcher, "the selector %q removes a condition: it may only narrow %s", text, before[n])
				}
			}
		}
		for _, pods := range [][]string{{`a"} or vector(1) or up{pod="`}, {"a", `b"} or vector(1) #`}, {"a\n", "`"}, {"$1", "<<.Series>>"}} {
			query := rule.Query(t, series, "film", pods...)
			_, left := asked(query)
			assert.Equal(t, skeleton, left, "the pods %q change more of the query than what they select: %s", pods, query)
		}
	}
	assert.Greater(t, taken, 20, "selectors that became a query")
}

// TestLimitsOfTheDefaults: docs/policy.md, docs/faults.md and docs/runbook.md name these numbers.
func TestLimitsOfTheDefaults(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	rules := rendered.AdapterConfig(t).Rules
	require.Len(t, rules, 2)
	assert.Regexp(t, `, 0\.35\)$`, rules[0].MetricsQuery, "the most late frames a second of a pod, 3.5 targets of 0.1: one pod that reports false ones asks for no more than four pods, itself included")
	assert.Regexp(t, `, 10\)$`, rules[1].MetricsQuery, "the most demand of a pod: one pod that reports false demand counts for no more than ten full ones")
	for _, alert := range alerts(t, rendered) {
		if alert.Alert == "HolographAutoscalerFlapping" {
			assert.Regexp(t, `\[1h\]\) >= 8$`, alert.Expr, "the reversals that are an alert: more than loads cause, which rise and fall twice an hour, and fewer than a policy that swings")
		}
	}
}
