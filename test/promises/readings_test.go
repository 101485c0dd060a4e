package promises

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/load"
	"holograph/test/internal/promise"
	"holograph/test/internal/wait"
)

const (
	// pause is how long no frame arrives: three scrapes, and half a minute less than the stabilization window of
	// values-examples/local.yaml, which must cover a pause and the signals' window after it.
	pause = 20 * time.Second
	// lag is by how much a backend is late that receives its samples by remote write.
	lag = 45 * time.Second
)

// readingPromises are for data that are right and come late, too early or not at all.
var readingPromises = []promise.Promise{
	{
		Subject: promise.Data, Name: "scrapes stop after a pause",
		Says:   "The replicas hold while nothing is scraped, because no value lives longer than its window (20 s), and autoscaling.behavior.scaleDown.stabilizationWindowSeconds (60 s) covers the pause and the window. HolographScrapeFailing fires.",
		Fault:  "No frame arrives for 20 s. As soon as Prometheus has read that, the node refuses its packets to every renderer, and the frames come back.",
		Alerts: []string{"HolographScrapeFailing"},
		Within: time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Break(harness.EditAutoscaler(func(spec *autoscalingv2.HorizontalPodAutoscalerSpec) {
				spec.Behavior.ScaleDown.StabilizationWindowSeconds = new(int32(60))
			}))
			const frames, before = loadPods * promise.Capacity, 4 * time.Minute
			e.Stages(load.Steady(frames, before),
				load.Steady(0, pause),
				load.Steady(frames, promise.Longest))
			paused := time.Now().Add(before)
			e.Settle(time.Until(paused), enough)
			e.WaitFor(time.Until(paused)+pause, wait.Answer(e.Release, `max(irate(holograph_frames_total{job="renderer"}[20s])) == 0`))
			fix := e.Inject(harness.Sever(chart.Prometheus, chart.Renderer))
			e.WaitFor(time.Minute, e.Blind())
			e.Hold(blindTime, e.Before, maximum)
			fix()
			e.Recovered(time.Now(), wait.Answer(e.Release, `min(up{job="renderer"}) == 1`))
		},
	},
	{
		Subject: promise.Data, Name: "a pod never reports",
		Says:   "The fleet neither grows for the pod nor shrinks below what the load needs, and it returns to the minimum when the load ends. HolographScrapeFailing fires.",
		Fault:  "A new renderer takes the place of one that is deleted, and no scrape of it ever succeeds.",
		Alerts: []string{"HolographScrapeFailing"},
		Within: time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(loadPods)
			e.Settle(settleTime, enough)
			known := names(e)
			begun := time.Now()
			fix := e.Inject(onlyScraped(known))
			e.WaitFor(3*time.Minute, wait.Answer(e.Release, fmt.Sprintf("prometheus_config_last_reload_success_timestamp_seconds > %d", begun.Unix())))
			require.NoError(e, e.Release.CoreV1().Pods(e.Release.Namespace).Delete(e.Context(), known[0], metav1.DeleteOptions{}))
			e.WaitFor(2*time.Minute, wait.Answer(e.Release, `up{job="renderer"} == 0`))
			e.Hold(wrongTime, enough, e.Before+1)
			e.Alerted(time.Minute)
			e.Counts()
			ended := time.Now()
			e.WaitFor(3*time.Minute, wait.Replicas(e.Release, minimum))
			e.Note("The fleet was at its minimum %s after the load.", time.Since(ended).Round(time.Second))
			fix()
			e.Recovered(time.Now(), wait.Answer(e.Release, `min(up{job="renderer"}) == 1`))
		},
	},
	{
		Subject: promise.Data, Name: "a clock five minutes ahead",
		Says: "There are no values of a time to come, so the replicas hold, and HolographAutoscalerInactive fires. Scaling resumes within a minute after the clock is right. " +
			"The clocks of renderers and of clients do not matter: Prometheus dates samples by its own clock, and a renderer times frames by its own.",
		Fault:  "The adapter asks Prometheus for values of a time five minutes ahead, as it does on a node whose clock is five minutes ahead.",
		Alerts: []string{"HolographAutoscalerInactive"},
		Within: time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(loadPods)
			e.Settle(settleTime, enough)
			fix := e.Inject(asksFor(-5 * time.Minute))
			e.WaitFor(time.Minute, e.Blind())
			e.Hold(blindTime, e.Before, e.Before)
			e.Alerted(time.Minute)
			fix()
			e.Recovered(time.Now())
		},
	},
	{
		Subject: promise.Data, Name: "a backend that lags",
		Says:   "The fleet grows to what the load needs, 45 s later than without the lag, and stays there. signals.*.window must be longer by the lag, as docs/sources.md says.",
		Fault:  "The adapter gets the values of 45 s ago, and then frames begin to arrive.",
		Within: settleTime + lag,
		Keep: func(e *promise.Experiment) {
			fix := e.Inject(asksFor(lag))
			e.WaitFor(time.Minute, e.Reads())
			e.Load(loadPods)
			begun := time.Now()
			e.Recovered(begun, e.Steady(enough, 30*time.Second))
			e.Hold(wrongTime, enough, maximum)
			fix()
		},
	},
}

// onlyScraped makes Prometheus scrape these pods at their port, and all others at a closed one.
func onlyScraped(pods []string) harness.Fault {
	return harness.Relabel(chart.Renderer,
		harness.Relabeling{SourceLabels: []string{"__meta_kubernetes_pod_name"}, Regex: strings.Join(pods, "|"), TargetLabel: "__tmp_scraped", Replacement: "true"},
		harness.Relabeling{SourceLabels: []string{"__tmp_scraped", "__meta_kubernetes_pod_ip"}, Regex: ";(.+)", TargetLabel: "__address__", Replacement: "$1:9"})
}

// ranges matches the ranges of a query, such as [30s].
var ranges = regexp.MustCompile(`\[\w+\]`)

// asksFor makes the adapter ask for values of that long ago, or of a time to come if ago is negative. An adapter on a node with
// a wrong clock asks like that. A backend that gets its samples late answers like that, if the window of the query is longer by
// the delay.
func asksFor(ago time.Duration) harness.Fault {
	return func(ctx context.Context, s *harness.Story) (harness.Fix, error) {
		back, err := harness.EditRules(func(rules []any) []any {
			for _, rule := range rules {
				rule := rule.(map[string]any)
				rule["metricsQuery"] = ranges.ReplaceAllString(rule["metricsQuery"].(string), fmt.Sprintf("$0 offset %.0fs", ago.Seconds()))
			}
			return rules
		})(ctx, s)
		if err != nil {
			return back, err
		}
		return func(ctx context.Context) error {
			if err := back(ctx); err != nil {
				return err
			}
			return s.Restart(ctx, chart.PrometheusAdapter)
		}, s.Restart(ctx, chart.PrometheusAdapter)
	}
}
