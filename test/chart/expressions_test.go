package chart_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"holograph/test/internal/chart"
	"holograph/test/internal/dashboard"
	"holograph/test/internal/promtool"
)

// TestExpressionsKnowWhatTheyAskFor parses every expression of rules, dashboard, status page and notes.
// Each series must be one that the renderer exports, a rule records or kube-state-metrics is told to show, each label
// one that such a series has, and labels of frames are called as signals.labels says, whatever that is.
func TestExpressionsKnowWhatTheyAskFor(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]chart.Values{
		"default names": chart.Set("dashboard.enabled", true),
		"odd names":     chart.Merge(oddSignals(), chart.Set("dashboard.enabled", true)),
		"served":        chart.Parse(t, "{servedNamespaces: [film], dashboard: {enabled: true}}"),
		"Alertmanager":  chart.Parse(t, `prometheus: {alertmanagers: [{url: "http://alertmanager.monitoring.svc:9093"}]}`),
		"KEDA":          named(t, "KEDA"),
		"fixed, blind":  chart.Parse(t, "{autoscaling: {enabled: false}, kubeStateMetrics: {enabled: false}, dashboard: {enabled: true}}"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := chart.Render(t, values)
			signals := chart.Merge(chart.Defaults(t), values)["signals"].(map[string]any)
			text := func(path ...string) string {
				node := signals
				for _, key := range path[:len(path)-1] {
					node = node[key].(map[string]any)
				}
				return node[path[len(path)-1]].(string)
			}
			frames := []string{text("frames", "name"), text("overruns", "name"), text("demand", "offered", "metric"), text("demand", "capacity", "metric"), text("refused", "name")}
			var recorded []string
			for _, group := range ruleGroups(t, rendered) {
				for _, rule := range group.Rules {
					recorded = append(recorded, rule.Record)
				}
			}
			objects := shownObjects(t, rendered)
			frameLabels := []string{text("labels", "namespace"), text("labels", "pod"), text("labels", "container")}
			for _, label := range signals["scrapeLabels"].([]any) {
				frameLabels = append(frameLabels, label.(string))
			}
			// Of the requests that were refused.
			frameLabels = append(frameLabels, "reason")
			objectLabels := []string{"namespace", "horizontalpodautoscaler", "deployment", "condition", "status"}

			// What the embedded Prometheus says of itself.
			own := regexp.MustCompile(`^prometheus_(config_last_reload_successful|rule_evaluation_failures_total|http_requests_total|notifications_(errors_total|alertmanagers_discovered))$`)
			ownLabels := []string{text("labels", "namespace"), "job", "rule_group", "alertmanager", "handler", "code"}

			expressions := rendered.Expressions(t)
			require.NotEmpty(t, expressions)
			for _, expression := range expressions {
				tree, err := promtool.Parse(expression.Text)
				if !assert.NoError(t, err, "%s", expression.Where) {
					continue
				}
				var labels []string
				for _, metric := range promtool.Metrics(tree) {
					switch {
					case metric == "ALERTS":
						labels = append(labels, "alertname", "alertstate", "namespace", frameLabels[0])
					case metric == "up":
						// Every Prometheus sets the label job.
						labels = append(append(labels, frameLabels...), "job")
					case own.MatchString(metric):
						labels = append(labels, ownLabels...)
					case slices.Contains(frames, metric), slices.Contains(recorded, metric) && !strings.HasPrefix(metric, "holograph:hpa_"):
						labels = append(labels, frameLabels...)
					case slices.Contains(recorded, metric), objects.MatchString(metric):
						labels = append(labels, objectLabels...)
					default:
						assert.Fail(t, "nothing exports this series", "%s in %s: %s", metric, expression.Where, expression.Text)
					}
				}
				for _, label := range promtool.Labels(tree) {
					assert.Contains(t, labels, label, "%s: no series in %s has this label", expression.Where, expression.Text)
				}
			}
			for _, alert := range alerts(t, rendered) {
				tree, err := promtool.Parse(alert.Expr)
				require.NoError(t, err)
				for _, match := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(alert.Annotations["summary"]+alert.Annotations["description"], -1) {
					assert.Contains(t, promtool.Labels(tree), match[1], "an annotation of %s uses a label that its expression does not have", alert.Alert)
				}
			}
		})
	}
}

// shownObjects matches the series that kube-state-metrics is told to show; none where it is not run.
func shownObjects(t *testing.T, rendered *chart.Rendered) *regexp.Regexp {
	t.Helper()
	if !slices.Contains(components(rendered), string(chart.KubeStateMetrics)) {
		return regexp.MustCompile(`^$`)
	}
	for _, argument := range rendered.Container(t, chart.KubeStateMetrics).Args {
		if list, found := strings.CutPrefix(argument, "--metric-allowlist="); found {
			return regexp.MustCompile(`^(` + strings.ReplaceAll(list, ",", "|") + `)$`)
		}
	}
	require.FailNow(t, "kube-state-metrics has no --metric-allowlist")
	return nil
}

func TestRunbookExpressions(t *testing.T) {
	t.Parallel()
	expressions := chart.RunbookExpressions(t)
	require.NotEmpty(t, expressions)
	for _, expression := range expressions {
		_, err := promtool.Parse(expression.Text)
		assert.NoError(t, err)
	}
}

// TestOperands shows which parts of an expression must have a result where the whole may have none for a good reason.
func TestOperands(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string][]string{
		`a{x="1"} > 0.5`:                       {`a{x="1"} > bool 0.5`},
		`(a > 1 and b > 2) or (c < 3)`:         {`a > bool 1 and b > bool 2`, `c < bool 3`},
		`absent(a{x=~"y.+"})`:                  {`a{x=~"y.+"}`},
		`a unless on (x) b`:                    {`a`},
		`count(a) or vector(0)`:                {`count(a) or vector(0)`},
		`changes(a[1h]) >= 8`:                  {`changes(a[1h]) >= bool 8`},
		`-sum by (x, y) (rate(a[2m]))`:         {`-sum by (x, y) (rate(a[2m]))`},
		`a / on (x) group_left (y) b`:          {`a / on (x) group_left (y) b`},
		`max_over_time(sum(a > 0)[10m:2s])`:    {`max_over_time(sum(a > bool 0)[10m:2s])`},
		`topk(20, a offset 5m)`:                {`topk(20, a offset 5m)`},
		`max without (x) (a) * ignoring (y) b`: {`max without (x) (a) * ignoring (y) b`},
	} {
		tree, err := promtool.Parse(expression)
		require.NoError(t, err)
		var got []string
		for _, operand := range promtool.Operands(tree) {
			got = append(got, operand.String())
			again, err := promtool.Parse(operand.String())
			if assert.NoError(t, err) {
				assert.Equal(t, operand.String(), again.String(), "expression after it was printed and parsed again")
			}
		}
		assert.Equal(t, want, got, expression)
	}
}

// TestDashboard checks what Grafana accepts and a reader of the dashboard would not.
func TestDashboard(t *testing.T) {
	t.Parallel()
	read := func(options chart.Options) *dashboard.Dashboard {
		board, err := dashboard.Parse(chart.RenderWith(t, options).Dashboard(t))
		require.NoError(t, err)
		return board
	}
	on := chart.Set("dashboard.enabled", true)
	first := read(chart.Options{Values: []chart.Values{on}})
	again := read(chart.Options{Values: []chart.Values{on, chart.Set("slo.objective", 99)}})
	other := read(chart.Options{Values: []chart.Values{on}, Namespace: "elsewhere"})
	assert.Regexp(t, `^[A-Za-z0-9_-]{1,40}$`, first.UID)
	assert.Equal(t, first.UID, again.UID, "uid of a dashboard after an upgrade, which links use")
	assert.NotEqual(t, first.UID, other.UID, "uid of two releases' dashboards")

	taken := map[[2]int]string{}
	ids := map[int]bool{}
	for _, panel := range first.Panels {
		assert.False(t, ids[panel.ID], "two panels have the id %d", panel.ID)
		ids[panel.ID] = true
		assert.LessOrEqual(t, panel.GridPos.X+panel.GridPos.W, 24, "right edge of %s", panel.Title)
		for x := panel.GridPos.X; x < panel.GridPos.X+panel.GridPos.W; x++ {
			for y := panel.GridPos.Y; y < panel.GridPos.Y+panel.GridPos.H; y++ {
				assert.Empty(t, taken[[2]int{x, y}], "%s overlaps another panel", panel.Title)
				taken[[2]int{x, y}] = panel.Title
			}
		}
	}

	labels := chart.Of[*corev1.ConfigMap](t, chart.Render(t, on, chart.Parse(t, `dashboard: {namespace: grafana, labels: {grafana_dashboard: null, find: me}}`)))
	found := slices.IndexFunc(labels, func(c *corev1.ConfigMap) bool { return c.Labels["find"] == "me" })
	require.GreaterOrEqual(t, found, 0)
	assert.Equal(t, "grafana", labels[found].Namespace)
	assert.NotContains(t, labels[found].Labels, "grafana_dashboard")
	assert.Equal(t, "dashboard", labels[found].Labels["app.kubernetes.io/component"])
}
