package promises

import (
	"time"

	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/promise"
)

const (
	// loadPods is the load in units of what one pod renders. It takes enough pods, more than the minimum of two.
	loadPods, enough = 2.5, 3
	// settleTime is for the fleet to grow to the load: 45 s when measured.
	settleTime = 3 * time.Minute
	// blindTime is longer than what could keep the replicas without the promise: the signals' window (30 s) or the
	// stabilization window (60 s), whichever is longer, and a decision (15 s).
	blindTime = 80 * time.Second
)

var prometheusPromises = []promise.Promise{
	{
		Subject: promise.Prometheus, Name: "prometheus killed",
		Says:   "No scale-down. Scaling goes on by itself within two minutes.",
		Fault:  "Prometheus' process is killed.",
		Within: 2 * time.Minute,
		Keep: func(d *promise.Day) {
			d.Load(loadPods)
			d.Settle(settleTime, enough)
			d.Inject(harness.KillProcess(chart.Prometheus))
			begun := time.Now()
			d.Hold(blindTime, d.Before, d.Before)
			d.Recovered(begun)
		},
	},
	{
		Subject: promise.Prometheus, Name: "prometheus paused",
		Says:   "The replicas hold while it hangs. The kubelet restarts it, and scaling goes on by itself within five minutes.",
		Fault:  "Prometheus' process is stopped (SIGSTOP) and not continued.",
		Within: 5 * time.Minute,
		Keep: func(d *promise.Day) {
			d.Load(loadPods)
			d.Settle(settleTime, enough)
			d.Inject(harness.Freeze(chart.Prometheus))
			begun := time.Now()
			d.WaitFor(2*time.Minute, d.Blind())
			d.Hold(blindTime, d.Before, d.Before)
			d.Recovered(begun)
		},
	},
	{
		Subject: promise.Prometheus, Name: "prometheus cut off",
		Says:   "The replicas hold while nothing reaches it. Scaling goes on within a minute after the network does.",
		Fault:  "The node refuses every packet between Prometheus' pod and other pods.",
		Within: time.Minute,
		Keep: func(d *promise.Day) {
			d.Load(loadPods)
			d.Settle(settleTime, enough)
			fix := d.Inject(harness.CutOff(chart.Prometheus))
			d.WaitFor(time.Minute, d.Blind())
			d.Hold(blindTime, d.Before, d.Before)
			fix()
			d.Recovered(time.Now())
		},
	},
}
