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
		Keep: func(d *promise.Day) {
			d.Load(loadPods)
			d.Settle(settleTime, enough)
			fix := d.Inject(unscraped(".*"))
			d.WaitFor(3*time.Minute, d.Blind())
			d.Hold(blindTime, d.Before, maximum)
			d.Alerted(time.Minute)
			fix()
			d.Recovered(time.Now())
			d.Hold(wrongTime, d.Before, maximum)
		},
	},
	{
		Subject: promise.Data, Name: "half of the pods unseen",
		Says:   "No scale-down below what the load needs. HolographScrapeFailing fires.",
		Fault:  "Prometheus scrapes half of the renderers at a closed port.",
		Alerts: []string{"HolographScrapeFailing"},
		Within: time.Minute,
		Keep: func(d *promise.Day) {
			d.Load(loadPods)
			d.Settle(settleTime, enough)
			pods := names(d)
			fix := d.Inject(unscraped(strings.Join(pods[:len(pods)/2], "|")))
			d.WaitFor(2*time.Minute, wait.Answer(d.Release, `up{job="renderer"} == 0`))
			d.Hold(wrongTime, enough, maximum)
			d.Alerted(time.Minute)
			fix()
			d.Recovered(time.Now(), wait.Answer(d.Release, `min(up{job="renderer"}) == 1`))
		},
	},
	{
		Subject: promise.Data, Name: "a pod reports no numbers",
		Says:   "The pod counts as one without values. The others scale as before, and nothing is scaled down on it.",
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
		Keep: func(d *promise.Day) {
			d.Load(loadPods)
			d.Settle(settleTime, enough)
			fix := d.Inject(harness.ScrapeTwice(chart.Renderer))
			d.WaitFor(2*time.Minute, wait.Answer(d.Release, `count(up{job="renderer-again"}) >= 3`))
			d.Hold(wrongTime, d.Before-1, d.Before+1)
			fix()
			d.Recovered(time.Now())
		},
	},
}

// lie has one renderer's metrics be others, by queries, and allows the replicas to move by so many.
func lie(by int32, queries map[string]string) func(d *promise.Day) {
	return func(d *promise.Day) {
		d.Load(loadPods)
		d.Settle(settleTime, enough)
		pod := names(d)[0]
		fix := d.Inject(harness.Lie(pod, queries))
		samples := fmt.Sprintf("scrape_samples_scraped{pod=%q, job=\"renderer\"}", pod)
		d.WaitFor(2*time.Minute, wait.Answer(d.Release, fmt.Sprintf("%s == %d", samples, len(queries))))
		d.Hold(wrongTime, max(enough, d.Before-by), d.Before+by)
		fix()
		d.Recovered(time.Now(), wait.Answer(d.Release, fmt.Sprintf("%s > %d", samples, len(queries))))
	}
}

// names are those of the renderer's pods.
func names(d *promise.Day) (all []string) {
	for _, pod := range d.PodsOf(chart.Renderer) {
		all = append(all, pod.Name)
	}
	require.NotEmpty(d, all, "renderer pods")
	return all
}

// unscraped has Prometheus scrape the pods whose names match at a closed port.
func unscraped(pods string) harness.Fault {
	return harness.Relabel(chart.Renderer, harness.Relabeling{
		SourceLabels: []string{"__meta_kubernetes_pod_name", "__meta_kubernetes_pod_ip"},
		Regex:        "(?:" + pods + ");(.+)", TargetLabel: "__address__", Replacement: "$1:9",
	})
}
