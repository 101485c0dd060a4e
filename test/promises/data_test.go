package promises

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/promise"
	"holograph/test/internal/wait"
)

// wrongTime is for wrong data that Prometheus has read to reach the replicas: the signals' window (30 s), the stabilization
// window (30 s) and a decision (15 s).
const wrongTime = 80 * time.Second

var dataPromises = []promise.Promise{
	{
		Subject: promise.Data, Name: "scrapes stop",
		Says:   "The replicas hold, whatever the last values were, and also when the scrapes come back: demand has no value until its window is full again. HolographScrapeFailing fires.",
		Fault:  "Prometheus scrapes every renderer at a closed port.",
		Alerts: []string{"HolographScrapeFailing"},
		Within: time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(loadPods)
			e.Settle(settleTime, enough)
			fix := e.Inject(unscraped(".*"))
			e.WaitFor(3*time.Minute, e.Blind())
			e.Hold(blindTime, e.Before, maximum)
			e.Alerted(time.Minute)
			fix()
			e.Recovered(time.Now())
			e.Hold(wrongTime, e.Before, maximum)
		},
	},
	{
		Subject: promise.Data, Name: "half of the pods unseen",
		Says:   "No scale-down below what the load needs. HolographScrapeFailing fires.",
		Fault:  "Prometheus scrapes half of the renderers at a closed port.",
		Alerts: []string{"HolographScrapeFailing"},
		Within: time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(loadPods)
			e.Settle(settleTime, enough)
			pods := names(e)
			fix := e.Inject(unscraped(strings.Join(pods[:len(pods)/2], "|")))
			e.WaitFor(2*time.Minute, wait.Answer(e.Release, `up{job="renderer"} == 0`))
			e.Hold(wrongTime, enough, maximum)
			e.Alerted(time.Minute)
			fix()
			e.Recovered(time.Now(), wait.Answer(e.Release, `min(up{job="renderer"}) == 1`))
		},
	},
	{
		Subject: promise.Data, Name: "a pod reports no numbers",
		Says:   "The pod counts as one without values. The fleet scales by the others as before, and no pod is removed because of it.",
		Fault:  "One renderer's counter of late frames is NaN and that of its frames infinite.",
		Within: time.Minute,
		Keep: lie(1, map[string]string{
			"holograph_frames_over_budget_total": "vector(0) / 0",
			"holograph_frames_total":             "vector(1) / 0",
		}),
	},
	{
		Subject: promise.Data, Name: "a counter is reset again and again",
		Says:   "A reset is not a number of frames: the replicas stay what the load needs.",
		Fault:  "One renderer's counters begin at 0 again every 20 s.",
		Within: time.Minute,
		Keep: lie(1, map[string]string{
			"holograph_frames_over_budget_total": "vector(0)",
			"holograph_frames_total":             "5 * vector(time() % 20)",
		}),
	},
	{
		Subject: promise.Data, Name: "a pod reports enormous values",
		Says:   "The pod counts as one without values, and moves the fleet by no more than one pod.",
		Fault:  "One renderer's counters grow by a million frames a second, all of them late.",
		Within: time.Minute,
		Keep: lie(1, map[string]string{
			"holograph_frames_over_budget_total": "1e6 * vector(time())",
			"holograph_frames_total":             "1e6 * vector(time())",
		}),
	},
	{
		Subject: promise.Data, Name: "a pod reports false late frames",
		Says:   "The pod asks for no more pods than signals.overruns.maxRatio, which are four with its own.",
		Fault:  "One renderer's counters grow by four frames a second, all of them late.",
		Within: time.Minute,
		// No more frames than a pod can render, so that demand asks for no pod.
		Keep: lie(1, map[string]string{
			"holograph_frames_over_budget_total": "4 * vector(time())",
			"holograph_frames_total":             "4 * vector(time())",
		}),
	},
	{
		Subject: promise.Data, Name: "scraped twice",
		Says:   "Two scrapes of a pod are one measurement: the replicas stay what the load needs.",
		Fault:  "Prometheus has a second scrape job for the renderers.",
		Within: time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(loadPods)
			e.Settle(settleTime, enough)
			fix := e.Inject(harness.ScrapeTwice(chart.Renderer))
			e.WaitFor(2*time.Minute, wait.Answer(e.Release, `count(up{job="renderer-again"}) >= 3`))
			e.Hold(wrongTime, e.Before-1, e.Before+1)
			fix()
			e.Recovered(time.Now())
		},
	},
}

// lie makes Prometheus scrape the results of these queries in place of the metrics of one renderer. Meanwhile the replicas may
// change by that many.
func lie(by int32, queries map[string]string) func(e *promise.Experiment) {
	return func(e *promise.Experiment) {
		e.Load(loadPods)
		e.Settle(settleTime, enough)
		pod := names(e)[0]
		fix := e.Inject(harness.Lie(pod, queries))
		samples := fmt.Sprintf("scrape_samples_scraped{pod=%q, job=\"renderer\"}", pod)
		e.WaitFor(2*time.Minute, wait.Answer(e.Release, fmt.Sprintf("%s == %d", samples, len(queries))))
		e.Hold(wrongTime, max(enough, e.Before-by), e.Before+by)
		fix()
		e.Recovered(time.Now(), wait.Answer(e.Release, fmt.Sprintf("%s > %d", samples, len(queries))))
	}
}

// names returns the names of the renderer's pods.
func names(e *promise.Experiment) (all []string) {
	for _, pod := range e.PodsOf(chart.Renderer) {
		all = append(all, pod.Name)
	}
	require.NotEmpty(e, all, "renderer pods")
	return all
}

// unscraped makes Prometheus scrape the pods whose names match at a closed port.
func unscraped(pods string) harness.Fault {
	return harness.Relabel(chart.Renderer, harness.Relabeling{
		SourceLabels: []string{"__meta_kubernetes_pod_name", "__meta_kubernetes_pod_ip"},
		Regex:        "(?:" + pods + ");(.+)", TargetLabel: "__address__", Replacement: "$1:9",
	})
}
