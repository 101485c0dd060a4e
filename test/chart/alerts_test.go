package chart_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"holograph/ci/repo"
	"holograph/test/internal/chart"
)

// healthy returns the input series of a rule test for a healthy release, without those of some names.
func healthy(t *testing.T, without ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "rules", "healthy.yaml"))
	require.NoError(t, err)
	var series []struct{ Series, Values string }
	require.NoError(t, yaml.Unmarshal(text, &series))
	var lines []string
	left := slices.Clone(without)
	for _, one := range series {
		name, _, _ := strings.Cut(one.Series, "{")
		if slices.Contains(without, name) {
			left = slices.DeleteFunc(left, func(absent string) bool { return absent == name })
			continue
		}
		lines = append(lines, "      - series: '"+one.Series+"'", "        values: "+one.Values)
	}
	require.Empty(t, left, "testdata/rules/healthy.yaml has no such series")
	return strings.Join(lines, "\n")
}

// expandHealthy replaces the placeholders of the alerts' rule tests.
func expandHealthy(t *testing.T) func(string) string {
	return func(name string) string {
		without, found := strings.CutPrefix(name, "healthy")
		require.True(t, found, "no such placeholder: ${%s}", name)
		return healthy(t, strings.Fields(strings.TrimPrefix(strings.TrimSpace(without), "but"))...)
	}
}

// allAlerts are values with which the chart renders every alert that it has.
func allAlerts(t *testing.T, more ...chart.Values) *chart.Rendered {
	t.Helper()
	return chart.Render(t, append([]chart.Values{chart.Parse(t, `{prometheus: {alertmanagers: [{url: "http://alertmanager.monitoring.svc:9093"}]}, deletionCost: {enabled: true}}`)}, more...)...)
}

// watchdog is the alert that always fires.
const watchdog = "HolographWatchdog"

// TestAlerts runs the rule tests in which each alert fires and resolves, with the rules as the chart renders them by
// default, except for the alert that always fires.
func TestAlerts(t *testing.T) {
	t.Parallel()
	for name, mode := range alertTests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := allAlerts(t, chart.Parse(t, mode), chart.Set("alerts.disabled", []any{watchdog}))
			ruleTest(t, writePrometheusFiles(t, rendered), name, expandHealthy(t))
		})
	}
}

// alertTests are the files of testdata/rules that fire alerts, and values that they need.
var alertTests = map[string]string{
	"alerts.yaml":              "",
	"error_budget_alerts.yaml": "",
	"scrape_alerts.yaml":       "",
	"prometheus_alerts.yaml":   "",
	"keda_alerts.yaml":         "autoscaling: {provider: keda}",
	"served_alerts.yaml":       "servedNamespaces: [games, film]",
	"slow_scrapes.yaml":        "prometheus: {scrapeInterval: 2m30s}",
	"served_autoscalers.yaml":  "{servedNamespaces: [games, film], kubeStateMetrics: {scrapeInterval: 2m}}",
}

// TestEveryAlertIsTested reads those files: each alert fires in one of the tests and is resolved later in the same test.
func TestEveryAlertIsTested(t *testing.T) {
	t.Parallel()
	rested := map[string]bool{}
	for name := range alertTests {
		text, err := os.ReadFile(filepath.Join("testdata", "rules", name))
		require.NoError(t, err)
		var file struct{ Tests []alertTest }
		require.NoError(t, yaml.Unmarshal([]byte(os.Expand(string(text), expandHealthy(t))), &file))
		for _, test := range file.Tests {
			test.rested(t, rested)
		}
	}
	for _, alert := range everyAlert(t) {
		if alert.Alert != watchdog {
			assert.True(t, rested[alert.Alert], "no test fires %s and then resolves it: add one to a file of alertTests", alert.Alert)
		}
	}
}

// alertTest is what such a file expects of alerts.
type alertTest struct {
	Name    string
	Queries []struct {
		Expr    string
		Samples []struct{ Labels string } `json:"exp_samples"`
	} `json:"promql_expr_test"`
}

var alertLabel = regexp.MustCompile(`alertname="(\w+)"`)

// rested adds the alerts that fire at one time and do not at a later one.
func (a alertTest) rested(t *testing.T, rested map[string]bool) {
	t.Helper()
	fired := map[string]bool{}
	for _, query := range a.Queries {
		if !strings.HasPrefix(query.Expr, "ALERTS") {
			continue
		}
		now := map[string]bool{}
		for _, sample := range query.Samples {
			name := alertLabel.FindStringSubmatch(sample.Labels)
			require.NotNil(t, name, "%s: %s", a.Name, sample.Labels)
			now[name[1]], fired[name[1]] = true, true
		}
		asked := alertLabel.FindStringSubmatch(query.Expr)
		for name := range fired {
			if !now[name] && (asked == nil || asked[1] == name) {
				rested[name] = true
			}
		}
	}
}

// alert is an alerting rule.
type alert struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

// ruleGroups returns the rule groups of the embedded Prometheus.
func ruleGroups(t *testing.T, rendered *chart.Rendered) (groups []struct {
	Name  string
	Rules []struct {
		alert
		Record string
	}
}) {
	t.Helper()
	var file struct{ Groups any }
	require.NoError(t, yaml.UnmarshalStrict([]byte(rendered.RulesFile(t)), &file))
	text, err := yaml.Marshal(file.Groups)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &groups))
	return groups
}

// alerts returns the alerting rules of the embedded Prometheus.
func alerts(t *testing.T, rendered *chart.Rendered) []alert {
	t.Helper()
	var found []alert
	for _, group := range ruleGroups(t, rendered) {
		for _, rule := range group.Rules {
			if rule.Alert != "" {
				found = append(found, rule.alert)
			}
		}
	}
	return found
}

// everyAlert returns the alerts of all modes.
func everyAlert(t *testing.T) []alert {
	t.Helper()
	return append(alerts(t, allAlerts(t)), alerts(t, allAlerts(t, named(t, "KEDA")))...)
}

// alertNames returns the names of the alerts, each once.
func alertNames(alerts []alert) []string {
	names := map[string]bool{}
	for _, alert := range alerts {
		names[alert.Alert] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func TestAlertsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	rendered := allAlerts(t, chart.Parse(t, `alerts: {labels: {team: graphics}, runbook: https://runbooks.example/holograph}`))
	for _, alert := range alerts(t, rendered) {
		assert.Regexp(t, `^Holograph([A-Z][a-z]+)+$`, alert.Alert)
		if alert.Alert == watchdog {
			assert.Equal(t, "none", alert.Labels["severity"], "severity of the alert that always fires: no route may wake a person with it")
		} else {
			assert.Contains(t, []string{"critical", "warning"}, alert.Labels["severity"], "%s", alert.Alert)
		}
		assert.Equal(t, "graphics", alert.Labels["team"], "%s", alert.Alert)
		assert.Equal(t, "https://runbooks.example/holograph#"+strings.ToLower(alert.Alert), alert.Annotations["runbook_url"], "the annotation that Alertmanager's templates show")
		for _, name := range []string{"summary", "description"} {
			assert.Regexp(t, `\.$`, alert.Annotations[name], "%s: %s is a sentence", alert.Alert, name)
		}
		assert.Len(t, alert.Annotations, 3, "%s", alert.Alert)
	}
}

// TestRunbook keeps docs/runbook.md and the alerts together: one section for each, with the same four parts.
func TestRunbook(t *testing.T) {
	t.Parallel()
	path, err := repo.Path("docs", "runbook.md")
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var sections []string
	for _, section := range regexp.MustCompile(`(?m)^## `).Split(string(text), -1)[1:] {
		name, body, _ := strings.Cut(section, "\n")
		sections = append(sections, name)
		var parts []string
		for _, part := range regexp.MustCompile(`(?m)^\*\*([A-Z][a-z ]+)\.\*\*`).FindAllStringSubmatch(body, -1) {
			parts = append(parts, part[1])
		}
		assert.Equal(t, []string{"Meaning", "Impact", "Look at", "Fix"}, parts, "the parts of the section %s of docs/runbook.md", name)
		assert.Contains(t, body, "```sh\n", "the section %s of docs/runbook.md, want a block of commands to look with", name)
	}
	assert.ElementsMatch(t, alertNames(everyAlert(t)), sections, "sections of docs/runbook.md, want one for each alert, and no other")
	for _, alert := range everyAlert(t) {
		assert.NotContains(t, alert.Annotations, "runbook_url", "%s: without a URL in the values there is none to show", alert.Alert)
	}
}

// TestAlertsFollowTheParts renders the alerts of releases with some parts off: an alert that could never fire is left out.
func TestAlertsFollowTheParts(t *testing.T) {
	t.Parallel()
	all := alertNames(alerts(t, chart.Render(t)))
	for name, test := range map[string]struct {
		values string
		gone   []string
	}{
		"fixed replicas": {"autoscaling: {enabled: false}", []string{
			"HolographAdapterUnavailable", "HolographAutoscalerAtMaximum", "HolographAutoscalerFlapping", "HolographAutoscalerInactive", "HolographAutoscalerUnseen"}},
		"fixed replicas, and others served":          {"{autoscaling: {enabled: false}, servedNamespaces: [film]}", nil},
		"a renderer that counts no refused requests": {"signals: {refused: {name: ''}}", []string{"HolographRequestsRefused"}},
		"another adapter":                            {"prometheusAdapter: {enabled: false}", []string{"HolographAdapterUnavailable"}},
		"nobody shows the autoscaler": {"kubeStateMetrics: {enabled: false}", []string{
			"HolographAdapterUnavailable", "HolographAutoscalerAtMaximum", "HolographAutoscalerFlapping", "HolographAutoscalerInactive", "HolographAutoscalerUnseen",
			"HolographReplicasMismatch", "HolographPodsUnscraped"}},
		"no alerts": {"alerts: {enabled: false}", all},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := chart.Render(t, chart.Parse(t, test.values))
			want := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(test.gone, name) })
			assert.ElementsMatch(t, want, alertNames(alerts(t, rendered)))
		})
	}

	t.Run("the metrics that are waited for", func(t *testing.T) {
		t.Parallel()
		watched := func(values string) map[string]string {
			severities := map[string]string{}
			for _, alert := range alerts(t, chart.Render(t, chart.Parse(t, values))) {
				if alert.Alert == "HolographMetricAbsent" {
					severities[alert.Labels["metric"]] = alert.Labels["severity"]
				}
			}
			return severities
		}
		assert.Equal(t, map[string]string{"holograph_frames_over_budget_total": "critical", "holograph_frames_total": "warning"},
			watched(`signals: {demand: {enabled: false}}`))
		assert.Equal(t, map[string]string{"late": "critical", "all": "critical", "limit": "critical"},
			watched(`signals: {frames: {name: all}, overruns: {name: late}, demand: {offered: {metric: all}, capacity: {metric: limit}}}`),
			"demand may be counted in frames")
		assert.Equal(t, map[string]string{"holograph_frames_over_budget_total": "warning", "holograph_frames_total": "warning"},
			watched(`{autoscaling: {enabled: false}, signals: {demand: {enabled: false}}}`), "nothing scales on them")
	})
}

// TestBurnBounds: an entry of the values is a part of the error budget and a time; the alert's bound is the share of late
// frames that spends that part in that time.
func TestBurnBounds(t *testing.T) {
	t.Parallel()
	bounds := func(values string) []string {
		var found []string
		for _, alert := range alerts(t, chart.Render(t, chart.Parse(t, values))) {
			for _, match := range regexp.MustCompile(`ratio_rate(\w+)\{[^}]*\} > (.*)`).FindAllStringSubmatch(alert.Expr, -1) {
				found = append(found, match[1]+": "+match[2])
			}
		}
		return found
	}
	assert.Equal(t, []string{
		"1h: 14.4 * 0.005", "5m: 14.4 * 0.005", "6h: 6 * 0.005", "30m: 6 * 0.005", "3d: 1 * 0.005", "6h: 1 * 0.005",
	}, bounds(""), "the SRE workbook's")
	assert.Equal(t, []string{"6h: 6 * 0.1", "30m: 6 * 0.1", "3d: 1 * 0.1", "6h: 1 * 0.1"},
		bounds(`slo: {objective: 90}`), "the workbook's, without 14.4 times a tenth of all frames, which cannot be")
	assert.Equal(t, []string{"1h: 14.4 * 0.005", "5m: 14.4 * 0.005", "6h: 6 * 0.005", "30m: 6 * 0.005"},
		bounds(`slo: {window: 1d}`), "the workbook's, without the one over 3d")
	assert.Equal(t, []string{"1h: 14.4 * 0.005", "5m: 14.4 * 0.005", "6h: 6 * 0.005", "30m: 6 * 0.005"},
		bounds(`prometheus: {retention: {time: 2d}}`), "the workbook's, without the one over 3d")
	assert.Equal(t, []string{"3d: 1 * 0.005", "6h: 1 * 0.005"}, bounds(`alerts: {errorBudgetBurn: {fast: null}}`), "null is no alert")
	assert.Equal(t, []string{"2h: 42 * 0.001", "10m: 42 * 0.001"},
		bounds(`{slo: {objective: 99.9, window: 1w}, alerts: {errorBudgetBurn: {fast: [{percent: 50, long: 2h, short: 10m}], slow: null}}}`))
}

// TestTimesOfAlerts: an alert whose time does not follow from the values fires after each spike, each rollout or each
// installation, or never.
func TestTimesOfAlerts(t *testing.T) {
	t.Parallel()
	type times struct{ inactive, atMaximum, mismatch, flapping string }
	counted := regexp.MustCompile(`\[(\w+)\]\) >= `)
	for name, test := range map[string]struct {
		values string
		want   times
	}{
		"defaults":                         {"", times{"5m", "15m", "15m", "1h"}},
		"written":                          {"alerts: {autoscalerInactive: {for: 30s}, autoscalerAtMaximum: {for: 1m}, replicasMismatch: {for: 2m}, autoscalerFlapping: {window: 90m}}", times{"30s", "1m", "2m", "90m"}},
		"pods stay for ten minutes":        {"autoscaling: {behavior: {scaleDown: {stabilizationWindowSeconds: 600}}}", times{"5m", "20m", "15m", "2h"}},
		"pods stay for an hour":            {"autoscaling: {behavior: {scaleDown: {stabilizationWindowSeconds: 3600}}}", times{"5m", "70m", "15m", "12h"}},
		"pods go at once":                  {"autoscaling: {behavior: {scaleDown: {stabilizationWindowSeconds: 0}}}", times{"5m", "15m", "15m", "1h"}},
		"growth waits too":                 {"autoscaling: {behavior: {scaleUp: {stabilizationWindowSeconds: 300}}}", times{"5m", "15m", "15m", "2h"}},
		"Kubernetes' own behavior":         {"autoscaling: {behavior: null}", times{"5m", "15m", "15m", "1h"}},
		"Kubernetes' own way down":         {"autoscaling: {behavior: {scaleDown: null}}", times{"5m", "15m", "15m", "1h"}},
		"scrapes of one minute":            {"prometheus: {scrapeInterval: 1m}", times{"8m", "15m", "15m", "1h"}},
		"pods that start for five minutes": {"autoscaling: {podStart: 5m}", times{"465s", "15m", "75m", "1h"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got times
			for _, alert := range alerts(t, chart.Render(t, chart.Parse(t, test.values))) {
				switch alert.Alert {
				case "HolographAutoscalerInactive":
					got.inactive = alert.For
				case "HolographAutoscalerAtMaximum":
					got.atMaximum = alert.For
				case "HolographReplicasMismatch":
					got.mismatch = alert.For
				case "HolographAutoscalerFlapping":
					if found := counted.FindStringSubmatch(alert.Expr); assert.NotNil(t, found, alert.Expr) {
						got.flapping = found[1]
					}
				}
			}
			assert.Equal(t, test.want, got)
		})
	}
}

func TestSchemaRefusesAlerts(t *testing.T) {
	t.Parallel()
	refusesEach(t, map[string]any{
		"signals.frames.name":                 "all frames",
		"alerts.labels":                       map[string]any{"team-name": "graphics"},
		"alerts.metricAbsent.for":             "5 minutes",
		"alerts.requestsRefused.perSecond":    0,
		"signals.refused.name":                "refused requests",
		"alerts.autoscalerFlapping.reversals": 0,
		"alerts.errorBudgetBurn.fast":         "never",
	})
}

var (
	labelOfAlert = regexp.MustCompile(`\{\{ \$labels\.(\w+) \}\}`)
	valueOfAlert = regexp.MustCompile(`\{\{ \$value[^}]*\}\}`)
)

// TestAlertsReadWell compares each alert with what its reader is shown, its labels and its value in angle brackets.
func TestAlertsReadWell(t *testing.T) {
	t.Parallel()
	type texts struct{ severity, lasts, summary, description string }
	const budget = "<value> of the frames were over budget; the objective of 99.5 % over 30d allows for 0.5 %."
	const silent = "Prometheus has scraped it for 15m, and other pods report the metric. The autoscaler does not know the load of this pod."
	want := map[string]texts{
		"HolographErrorBudgetBurnFast":        {"critical", "", "Frames in <namespace> are late so often that the error budget will not last.", budget},
		"HolographErrorBudgetBurnSlow":        {"warning", "", "Frames in <namespace> are late more often than the error budget allows for.", budget},
		"HolographRequestsRefused":            {"warning", "10m", "Renderers in <namespace> refuse requests before they are frames.", "<value> a second for the reason <reason>. They do not count as frames: their clients get no picture, and nothing scales for them."},
		"HolographAutoscalerUnseen":           {"warning", "10m", "kube-state-metrics shows no autoscaler of the renderers in <namespace>.", "It was deleted, or Prometheus does not get its series. No other alert on the autoscaler can fire."},
		"HolographAutoscalerInactive":         {"critical", "5m", "The autoscaler <horizontalpodautoscaler> in <namespace> does not scale.", "Its condition <condition> is False: the replicas do not change with the load."},
		"HolographAutoscalerAtMaximum":        {"warning", "15m", "The autoscaler <horizontalpodautoscaler> in <namespace> has been at its maximum for 15m.", "It wants <value> replicas and may not create more, so more load causes late frames."},
		"HolographAutoscalerFlapping":         {"warning", "", "The autoscaler <horizontalpodautoscaler> in <namespace> reverses direction too often.", "It reversed <value> times within 1h. Each reversal removes pods that are needed again shortly after."},
		"HolographAdapterUnavailable":         {"critical", "5m", "No pod of holograph-prometheus-adapter in holograph is available.", "Nothing serves the custom metrics API of the cluster, and the replicas of all workloads that scale on it do not change."},
		"HolographDeletionCostsStale":         {"warning", "15m", "No pod of holograph-deletion-cost in holograph is available.", "The deletion costs of the renderers are as old as that, so a pod that holds much may be removed before an idle one."},
		"HolographReplicasMismatch":           {"warning", "15m", "Fewer pods of <deployment> in <namespace> are Ready than are wanted.", "<value> are wanted, and for 15m not all of them have been Ready: the missing pods add no capacity."},
		"HolographScrapeFailing":              {"warning", "15m", "Prometheus cannot scrape <pod> in <namespace>.", "Its scrapes have failed for 15m. Its frames are not counted, and the autoscaler does not know its load."},
		"HolographScrapeFailing, second rule": {"warning", "15m", "holograph-prometheus in holograph cannot scrape the job <job>.", "Its scrapes have failed for 15m. No other alert can fire that needs them: on Prometheus itself for the job prometheus, and otherwise on the autoscalers and Deployments that the job is for."},
		"HolographPodsUnscraped":              {"warning", "15m", "Prometheus does not know all pods of <deployment> in <namespace>.", "<value> pods are Ready, and for 15m fewer have been targets of Prometheus. The frames of the others are not counted."},
		"HolographWatchdog":                   {"none", "", "holograph-prometheus in holograph evaluates its alerts.", "This alert always fires. If it stops arriving, no other alert arrives either."},
		"HolographReloadFailing":              {"warning", "5m", "holograph-prometheus in holograph cannot load its configuration.", "It runs on with the configuration before. After its next restart it would not start."},
		"HolographRulesFailing":               {"warning", "10m", "holograph-prometheus in holograph cannot evaluate rules.", "Rules of the group <rule_group> fail: what they record is missing, and their alerts cannot fire."},
		"HolographNotificationsFailing":       {"warning", "10m", "holograph-prometheus in holograph cannot send alerts.", "Alerts to <alertmanager> fail. Nobody is told of them if no other Alertmanager gets them."},
		"HolographAlertmanagerUnseen":         {"warning", "10m", "holograph-prometheus in holograph finds no Alertmanager.", "The names in prometheus.alertmanagers have no addresses. Nobody is told of any alert."},
	}
	for _, metric := range []string{"holograph_frames_over_budget_total", "holograph_offered_cpu_seconds_total", "holograph_cpu_capacity_cores"} {
		want["HolographMetricAbsent "+metric] = texts{"critical", "5m", "Prometheus has no " + metric + " of any renderer in <namespace>.", "The autoscaler has no value for it, and the replicas do not change."}
		want["HolographPodSilent "+metric] = texts{"warning", "15m", "<pod> in <namespace> reports no " + metric + ".", silent}
	}
	want["HolographMetricAbsent holograph_frames_total"] = texts{"warning", "5m", "Prometheus has no holograph_frames_total of any renderer in <namespace>.",
		"What is computed from it is unknown, such as the share of frames in budget, and no alert on that can fire."}

	shown := func(text string) string {
		return valueOfAlert.ReplaceAllString(labelOfAlert.ReplaceAllString(text, "<$1>"), "<value>")
	}
	got := map[string]texts{}
	for _, alert := range alerts(t, allAlerts(t)) {
		name := strings.TrimSpace(alert.Alert + " " + alert.Labels["metric"])
		if _, first := got[name]; first {
			name += ", second rule"
		}
		got[name] = texts{alert.Labels["severity"], alert.For, shown(alert.Annotations["summary"]), shown(alert.Annotations["description"])}
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(want)), slices.Collect(maps.Keys(got)), "the alerts, with the metric that they are about")
	for name, texts := range want {
		assert.Equal(t, texts.severity, got[name].severity, "the severity of %s: critical is what stops the scaling or will spend the error budget, and wakes a person", name)
		assert.Equal(t, texts.lasts, got[name].lasts, "how long it lasts until %s fires: longer than what passes by itself, such as a restart", name)
		assert.Equal(t, texts.summary, got[name].summary, "the summary of %s: where something is wrong, and what", name)
		assert.Equal(t, texts.description, got[name].description, "the description of %s: what it means and what follows", name)
	}
}
