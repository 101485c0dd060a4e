package promises

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/promise"
	"holograph/test/internal/wait"
)

const (
	// loadPods is the load in units of promise.Capacity. At the target of 0.75 it needs enough pods: one more than the minimum.
	loadPods, enough = 2.1, 3
	// settleTime is for the fleet to grow to the load, to lose pods that late frames have added, and to be left alone.
	settleTime = 5 * time.Minute
	// blindTime is longer than what could keep the replicas without the promise: the signals' window (30 s) and the
	// stabilization window (30 s), one after the other, and a decision (15 s).
	blindTime = 75 * time.Second
)

var prometheusPromises = []promise.Promise{
	{
		Subject: promise.Prometheus, Name: "prometheus killed",
		Says:   "No scale-down. Scaling resumes by itself within two minutes.",
		Fault:  "Prometheus' process is killed.",
		Within: 2 * time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(loadPods)
			e.Settle(settleTime, enough)
			e.Inject(harness.KillProcess(chart.Prometheus))
			begun := time.Now()
			e.Hold(blindTime, e.Before, maximum)
			e.Recovered(begun)
		},
	},
	{
		Subject: promise.Prometheus, Name: "prometheus paused",
		Says:   "The replicas hold while it hangs. The kubelet restarts it, and scaling resumes by itself within five minutes.",
		Fault:  "Prometheus' process is stopped (SIGSTOP) and not continued.",
		Within: 5 * time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(loadPods)
			e.Settle(settleTime, enough)
			again := restarted(e, chart.Prometheus)
			e.Inject(harness.Freeze(chart.Prometheus))
			begun := time.Now()
			// The autoscaler says nothing meanwhile: it waits for an answer, up to a minute for each metric.
			e.Hold(blindTime, e.Before, maximum)
			e.Recovered(begun, again)
		},
	},
	{
		Subject: promise.Prometheus, Name: "prometheus cut off",
		Says:   "The replicas hold while nothing reaches it. HolographMetricAbsent and HolographScrapeFailing fire. Scaling resumes within a minute after the network is back.",
		Fault:  "The node refuses every packet between Prometheus' pod and other pods.",
		Alerts: []string{"HolographMetricAbsent", "HolographScrapeFailing"},
		Within: time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(loadPods)
			e.Settle(settleTime, enough)
			fix := e.Inject(harness.CutOff(chart.Prometheus))
			e.WaitFor(time.Minute, e.Blind())
			e.Hold(blindTime, e.Before, maximum)
			fix()
			e.Recovered(time.Now())
		},
	},
	{
		Subject: promise.Prometheus, Name: "prometheus replaced",
		Says:   "With prometheus.persistence the data survive. No scale-down. Scaling resumes by itself within two minutes.",
		Fault:  "Prometheus' pod is deleted.",
		Within: 2 * time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Break(harness.Volume(e.Release.Name + "-" + string(chart.Prometheus)))
			e.Break(upgrade(map[string]string{"prometheus.persistence.enabled": "true", "prometheus.persistence.storageClass": "-"}))
			e.Load(loadPods)
			e.Settle(settleTime, enough)
			begun := time.Now()
			e.Inject(harness.Replace(chart.Prometheus))
			e.Hold(blindTime, e.Before, maximum)
			e.Recovered(begun, wait.Answer(e.Release, fmt.Sprintf(`last_over_time(up{job="renderer"}[1m] @ %d)`, begun.Add(-time.Minute).Unix())))
		},
	},
}

// restarted is met when the kubelet has restarted the first container of each pod that the component had when restarted was
// called.
func restarted(e *promise.Experiment, c chart.Component) wait.Condition {
	before := map[string]int32{}
	for _, pod := range e.PodsOf(c) {
		before[pod.Name] = pod.Status.ContainerStatuses[0].RestartCount
	}
	return wait.Condition{Name: string(c) + " to be restarted", Unmet: func(context.Context) error {
		for _, pod := range e.PodsOf(c) {
			if was, known := before[pod.Name]; known && pod.Status.ContainerStatuses[0].RestartCount == was {
				return errors.New(pod.Name + " has not been")
			}
		}
		return nil
	}}
}
