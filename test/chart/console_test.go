package chart_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
	"holograph/test/internal/promtool"
	"holograph/test/internal/wait"
)

// TestConsoleWithoutData asks for the status page as it is right after an installation, of releases with all parts
// and with few: Prometheus makes a page of the template, and the page says that it has no data.
func TestConsoleWithoutData(t *testing.T) {
	t.Parallel()
	pages := t.TempDir()
	renderings := map[string]chart.Values{
		"defaults":       {},
		"without demand": chart.Set("signals.demand.enabled", false),
		"fixed replicas": chart.Set("autoscaling.enabled", false),
		"no alerts":      chart.Set("alerts.enabled", false),
		"blind":          chart.Set("kubeStateMetrics.enabled", false),
		"served":         chart.Parse(t, "servedNamespaces: [film]"),
		"odd":            chart.Parse(t, `{signals: {labels: {namespace: odd_namespace, pod: odd_pod, container: odd_container}, overruns: {target: 200m}, demand: {target: 1}}, slo: {objective: 95}}`),
	}
	for name, values := range renderings {
		page := chart.Render(t, values).PrometheusFiles(t)["holograph.html"]
		assert.NotContains(t, page, "<<", "%s: something is not put in", name)
		assert.NotEqual(t, name == "no alerts", strings.Contains(page, "No alert fires"), "%s: without alerts it is not known that all is well", name)
		assert.Equal(t, name == "no alerts", strings.Contains(page, "No alerts are installed"), name)
		require.NoError(t, os.WriteFile(filepath.Join(pages, name), []byte(page), 0o644))
	}
	server := promtool.Serve(t, "global: {}", pages)
	for name := range renderings {
		page, err := server.Get(t.Context(), "/consoles/"+name)
		if assert.NoError(t, err, name) {
			assert.Contains(t, page, "Nothing is known of any frame", name)
			assert.NotContains(t, page, "ZgotmplZ", "%s: html/template refused a value", name)
			assert.Contains(t, page, "</html>", name)
		}
	}
}

// sampled is a series of a namespace, and its value at each age.
type sampled struct {
	name, labels string
	value        func(age time.Duration) float64
}

func gauge(name, labels string, value float64) sampled {
	return sampled{name, labels, func(time.Duration) float64 { return value }}
}

func counter(name, labels string, perSecond float64) sampled {
	return sampled{name, labels, func(age time.Duration) float64 { return 1e6 - perSecond*age.Seconds() }}
}

// steps is a number that grew by one at each of the ages.
func steps(name, labels string, ages ...time.Duration) sampled {
	return sampled{name, labels, func(age time.Duration) float64 {
		value := 1.
		for _, step := range ages {
			if age < step {
				value++
			}
		}
		return value
	}}
}

// history is a page of samples with their times: every 5 minutes of the last day, then every 15 s of the last quarter of an hour and of
// the next minutes, as the pages are read later than this is written.
func history(now time.Time, namespaces map[string][]sampled) string {
	var page strings.Builder
	for namespace, all := range namespaces {
		for _, s := range all {
			for age := 25 * time.Hour; age >= -8*time.Minute; {
				fmt.Fprintf(&page, "%s{namespace=%q,%s} %g %d\n", s.name, namespace, s.labels, s.value(age), now.Add(-age).UnixMilli())
				if age > 15*time.Minute {
					age -= 5 * time.Minute
				} else {
					age -= 15 * time.Second
				}
			}
		}
	}
	return page.String()
}

// fleets are the samples of three releases, by namespace: one that is well, one whose budget runs out, and one that is broken.
func fleets() map[string][]sampled {
	const autoscaler, renderer, adapter = `horizontalpodautoscaler="holograph-renderer"`, `deployment="holograph-renderer"`, `deployment="holograph-prometheus-adapter"`
	pod := func(hash string, up, frames, late, offered float64) []sampled {
		labels := fmt.Sprintf(`container="renderer",pod="holograph-renderer-bcdfg-%s"`, hash)
		all := []sampled{gauge("up", labels, up)}
		if up == 1 {
			all = append(all, counter("holograph_frames_total", labels, frames), counter("holograph_frames_over_budget_total", labels, late),
				counter("holograph_offered_cpu_seconds_total", labels, offered), gauge("holograph_cpu_capacity_cores", labels, 2))
		}
		return all
	}
	frames := func(rate, late, budget, share float64) []sampled {
		return []sampled{gauge("holograph:frames:rate", "", rate), gauge("holograph:frames_over_budget:rate", "", late),
			gauge("holograph:error_budget:remaining", "", budget), gauge("holograph:frames_over_budget:ratio_rate30d", "", share)}
	}
	alert := func(name, state, severity, more string) sampled {
		return gauge("ALERTS", fmt.Sprintf("alertname=%q,alertstate=%q,severity=%q%s", name, state, severity, more), 1)
	}
	condition := func(name string) sampled {
		return gauge("holograph:hpa_condition:status", autoscaler+fmt.Sprintf(`,condition=%q,status="true"`, name), 1)
	}
	return map[string][]sampled{
		"well": slices.Concat(frames(30, 0.03, 0.8, 0.001), pod("hjklm", 1, 10, 0.02, 0.6), pod("npqrs", 1, 20, 0.24, 1.8), []sampled{
			gauge("holograph:hpa_replicas:max", autoscaler, 10), gauge("holograph:hpa_replicas:min", autoscaler, 2),
			gauge("holograph:hpa_replicas:current", autoscaler, 4), gauge("holograph:hpa_replicas:desired", autoscaler, 5),
			condition("AbleToScale"), condition("ScalingActive"),
			gauge("kube_deployment_status_replicas_available", adapter, 1),
			gauge("kube_deployment_status_replicas_ready", renderer, 4), gauge("kube_deployment_spec_replicas", renderer, 4),
			steps("holograph:hpa_scale_up_events:total", autoscaler, 5*time.Hour, 31*time.Minute, 30*time.Minute, 6*time.Minute, 5*time.Minute),
			steps("holograph:hpa_scale_down_events:total", autoscaler, 6*time.Hour, 5*time.Hour, 40*time.Minute),
			steps("holograph:hpa_scale_direction:last", autoscaler, 7*time.Hour, 6*time.Hour, 5*time.Hour, 40*time.Minute, 5*time.Minute),
			alert("HolographPodSilent", "pending", "warning", ""), alert("HolographWatchdog", "firing", "none", ""),
		}),
		"tired": slices.Concat(frames(20, 0.08, 0.1, 0.004), []sampled{alert("HolographErrorBudgetBurnSlow", "firing", "warning", "")}),
		"broken": slices.Concat(frames(10, 4, -1.5, 0.0125), pod("tvwxz", 1, 10, 0.34, 3), pod("bcdfg", 0, 0, 0, 0), []sampled{
			gauge("kube_deployment_status_replicas_available", adapter, 0),
			gauge("kube_deployment_status_replicas_ready", renderer, 1), gauge("kube_deployment_spec_replicas", renderer, 2),
			alert("HolographPodSilent", "firing", "warning", `,metric="holograph_frames_total",condition="AbleToScale"`),
			alert("HolographErrorBudgetBurnFast", "firing", "critical", ""),
		}),
	}
}

// TestConsoleShowsWhatIsKnown gives a Prometheus the samples of three releases, and reads the status page of each.
func TestConsoleShowsWhatIsKnown(t *testing.T) {
	t.Parallel()
	page := sync.OnceValue(func() string { return history(time.Now(), fleets()) })
	samples := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = fmt.Fprint(w, page())
	}))
	t.Cleanup(samples.Close)
	consoles := t.TempDir()
	for namespace := range fleets() {
		page := chart.RenderWith(t, chart.Options{Namespace: namespace}).PrometheusFiles(t)["holograph.html"]
		require.NoError(t, os.WriteFile(filepath.Join(consoles, namespace+".html"), []byte(page), 0o644))
	}
	server := promtool.Serve(t, fmt.Sprintf(`
scrape_configs:
  - {job_name: samples, scrape_interval: 2s, scrape_timeout: 2s, honor_labels: true, static_configs: [{targets: [%q]}]}
`, samples.Listener.Addr()), consoles)
	pages := map[string]string{}
	require.NoError(t, wait.For(t.Context(), 2*time.Minute, wait.Condition{Name: "the samples to be in Prometheus", Unmet: func(ctx context.Context) error {
		for namespace := range fleets() {
			page, err := server.Get(ctx, "/consoles/"+namespace+".html")
			if err != nil {
				return err
			}
			if strings.Contains(page, "Nothing is known of any frame") {
				return fmt.Errorf("the page of %s knows no frame", namespace)
			}
			pages[namespace] = page
		}
		return nil
	}}))

	for _, test := range []struct{ namespace, section, want, what string }{
		{"well", "verdict", "No alert fires. 1 may, if it lasts: HolographPodSilent", "what the page says first: no alert, and those that may fire soon, without the one that always fires"},
		{"well", "budget", "Error budget, 30d 80 % 99.90 % of frames within 33ms. The objective is 99.5 %.", "the error budget that is left, the share of frames in budget, and what both are of"},
		{"well", "now", "In budget, now 99.9 % 0.0 late frames a second, over the last 2m late share, last 10 minutes, of 100 %", "the share of frames in budget at present"},
		{"well", "frames", "Frames per second 30.0 at most 30.0 in the last 10 minutes asked for late", "the frames a second"},
		{"well", "replicas", "Replicas 4 current 5 desired 2 minimum 10 maximum current desired, last 10 minutes, up to the maximum", "the pods that there are, are wanted and are allowed"},
		{"well", "links", "From a late frame to a new pod Renderers are scraped holds N s ago Each counts its late frames holds N s ago The adapter is available holds N s ago " +
			"The autoscaler can scale holds N s ago The wanted pods are Ready holds N s ago", "the links from a late frame to a new pod, and when each was last known"},
		{"well", "pods", "Pods pod frames/s late/s late share demand holograph-renderer-bcdfg-hjklm 10.0 0.0 0.30 holograph-renderer-bcdfg-npqrs 20.0 0.2 0.90 " +
			"Demand is load over what a pod can do. The mark is the autoscaler's target, 0.75; the bar ends at 2.", "each pod's frames, late frames and demand, and what demand is"},
		{"well", "scaling-events", "Scaling events 10 min 1 h 24 h up 2 4 5 down 0 1 3 reversals 1 2 5", "the scaling events of 10 minutes, an hour and a day"},
		{"tired", "verdict", "HolographErrorBudgetBurnSlow warning", "the alert that fires"},
		{"tired", "budget", "Error budget, 30d 10 % 99.60 % of frames within 33ms. The objective is 99.5 %.", "the error budget that is nearly spent"},
		{"tired", "pods", "Pods pod frames/s late/s late share demand No renderer is scraped. " +
			"Demand is load over what a pod can do. The mark is the autoscaler's target, 0.75; the bar ends at 2.", "that no pod is known"},
		{"broken", "verdict", "HolographErrorBudgetBurnFast critical HolographPodSilent warning, holograph_frames_total, AbleToScale", "the alerts that fire, the critical one first, with what each is about"},
		{"broken", "budget", "Error budget, 30d spent 98.75 % of frames within 33ms. The objective is 99.5 %. Spent 2.5 times over.", "the error budget that is spent"},
		{"broken", "now", "In budget, now 60.0 % 4.0 late frames a second, over the last 2m late share, last 10 minutes, of 100 %", "the share of frames in budget at present"},
		{"broken", "replicas", "Replicas kube-state-metrics shows no autoscaler.", "that no autoscaler is known"},
		{"broken", "links", "From a late frame to a new pod Renderers are scraped broken N s ago Each counts its late frames broken N s ago The adapter is available broken N s ago " +
			"The autoscaler can scale not known never The wanted pods are Ready broken N s ago", "the links that are broken, and the one of which nothing is known"},
		{"broken", "scaling-events", "Scaling events 10 min 1 h 24 h up – – – down – – – reversals – – –", "that no scaling event is known, which is not that there was none"},
	} {
		assert.Equal(t, test.want, sectionText(t, pages[test.namespace], test.section), "the section %s of the status page of a release that is %s: %s", test.section, test.namespace, test.what)
	}
	for namespace, page := range pages {
		assert.Contains(t, page, "<title>Holograph: holograph in "+namespace+"</title>", "the title says which of several pages it is")
		assert.Regexp(t, `<h1>Holograph</h1><p>holograph in `+namespace+`</p>\s*<p>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC</p>`, page, "the head says whose page it is, and of which time")
		assert.Contains(t, page, `<meta http-equiv="refresh" content="5">`, "the page of %s is loaded again every 5 s: somebody watches it during an incident", namespace)
		assert.Contains(t, page, `<meta charset="utf-8">`, "the page of %s has dashes that are not ASCII", namespace)
	}
	for _, test := range []struct{ namespace, want, what string }{
		{"well", `id="verdict" class="wide banner good"`, "the color of the verdict without an alert"},
		{"tired", `id="verdict" class="wide banner warn"`, "the color of the verdict with a warning"},
		{"broken", `id="verdict" class="wide banner bad"`, "the color of the verdict with a critical alert"},
		{"well", `aria-label="Error budget left" class="good"`, "the color of the budget"},
		{"tired", `aria-label="Error budget left" class="warn"`, "the color of a budget of which less than a quarter is left"},
		{"broken", `aria-label="Error budget left" class="bad"`, "the color of a spent budget"},
		{"well", `stroke-dasharray="80.0 100"`, "the share of the ring"},
		{"broken", `stroke-dasharray="100 100"`, "the ring of a spent budget"},
		{"well", `<p class="big good">99.9 <small>`, "the color of a share above the objective"},
		{"broken", `<p class="big bad">60.0 <small>`, "the color of a share below the objective"},
		{"well", `<polyline class="bad" stroke="currentColor" points="` + line(60, "99.9"), "the line of the late share"},
		{"broken", `<polyline class="bad" stroke="currentColor" points="` + line(60, "61.6"), "the line of the late share, 40 % of 96 above the lower edge"},
		{"well", `<polyline class="plain" stroke="currentColor" points="` + line(60, "4.0"), "the line of the frames: the most of ten minutes is its upper edge"},
		{"well", `<polyline class="warn" stroke="currentColor" points="` + line(60, "52.0"), "the line of the desired pods: the maximum is its upper edge"},
		{"well", `<polyline class="plain" stroke="currentColor" points="` + line(60, "61.6"), "the line of the pods: the maximum is its upper edge"},
		{"well", `title="holograph-renderer in well"`, "whose replicas they are"},
		{"well", `<i class="desired" style="width:50.0%">`, "the bar of the desired pods, of the maximum"},
		{"well", `<i style="width:40.0%">`, "the bar of the pods, of the maximum"},
		{"well", `<b style="left:20.0%">`, "the mark of the minimum"},
		{"well", `title="well/holograph-renderer-bcdfg-npqrs"`, "the whole name of a pod, which a narrow column cuts off"},
		{"well", `<td class="number ">0.0</td>`, "the color of a pod with fewer late frames than the autoscaler's target"},
		{"well", `<td class="number bad">0.2</td>`, "the color of a pod with more late frames than the autoscaler's target"},
		{"well", `<div class="bar bad"><i style="width:1.2%">`, "the bar of the late share"},
		{"well", `<div class="bar plain"><i style="width:15.0%"></i><b style="left:calc(0.75 * 50%)">`, "the bar of the demand, and the mark of the target"},
		{"well", `<div class="bar warn"><i style="width:45.0%">`, "the bar of a demand above the target"},
		{"broken", `<div class="bar bad"><i style="width:75.0%">`, "the bar of a demand that the pod cannot do"},
		{"well", `<li class="holds">`, "the color of a link that holds"},
		{"broken", `<li class="broken">`, "the color of a broken link"},
		{"broken", `<li class="unknown">`, "the color of a link of which nothing is known"},
	} {
		assert.True(t, strings.Contains(pages[test.namespace], test.want), "the status page of a release that is %s has no %s: %s", test.namespace, test.want, test.what)
	}
}

// line is the points of a line that is level, each 10 further.
func line(points int, height string) string {
	var text strings.Builder
	for i := range points {
		fmt.Fprintf(&text, "%d0,%s ", i, height)
	}
	return text.String()
}

var (
	sections = regexp.MustCompile(`(?s)<section([^>]*)>(.*?)</section>`)
	tags     = regexp.MustCompile(`<[^>]*>|&nbsp;`)
	ages     = regexp.MustCompile(`\d+ s ago`)
)

// sectionText is what a reader reads in a section of a page. Its times differ from one reading to the next.
func sectionText(t *testing.T, page, id string) string {
	t.Helper()
	for _, found := range sections.FindAllStringSubmatch(page, -1) {
		if strings.Contains(found[0], `id="`+id+`"`) {
			return ages.ReplaceAllString(strings.Join(strings.Fields(tags.ReplaceAllString(found[2], " ")), " "), "N s ago")
		}
	}
	require.FailNow(t, "no such section", "the status page has no section %s:\n%s", id, page)
	return ""
}
