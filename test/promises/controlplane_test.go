package promises

import (
	"time"

	"github.com/stretchr/testify/assert"

	"holograph/test/internal/harness"
	"holograph/test/internal/load"
	"holograph/test/internal/promise"
	"holograph/test/internal/wait"
)

var controlPlanePromises = []promise.Promise{
	{
		Subject: promise.ControlPlane, Name: "controller manager killed",
		Says:   "A fleet that was growing goes on to grow when the controller manager is back. The replicas neither fall nor reach the maximum.",
		Fault:  "The controller manager is killed as soon as the autoscaler wants more pods.",
		Within: 2 * time.Minute,
		Keep: func(d *promise.Day) {
			d.Load(quietPods)
			d.Settle(settleTime, minimum)
			d.Stages(load.Steady(loadPods*promise.Capacity, promise.Longest))
			d.WaitFor(time.Minute, wants(d, enough))
			restarts := d.Restarts(harness.ControllerManager)
			d.Inject(harness.KillControlPlane(harness.ControllerManager))
			begun := time.Now()
			d.Recovered(begun, d.Answers(harness.ControllerManager, restarts+1), wait.ReplicasAtLeast(d.Release, enough), wait.PodsReady(d.Release))
			d.Hold(decisions, enough, maximum-1)
			assert.Zero(d, d.Counts().Failed, "frames without an answer")
		},
	},
	{
		Subject: promise.ControlPlane, Name: "API server killed",
		Says:   "The replicas hold, and every frame is answered. The autoscaler reads its metrics again within two minutes.",
		Fault:  "The API server is killed.",
		Within: 2 * time.Minute,
		Keep: func(d *promise.Day) {
			d.Load(loadPods)
			d.Settle(settleTime, enough)
			restarts := d.Restarts(harness.APIServer)
			d.Inject(harness.KillControlPlane(harness.APIServer))
			begun := time.Now()
			d.WaitFor(time.Minute, d.Answers(harness.APIServer, restarts+1))
			d.Hold(decisions, d.Before, d.Before)
			d.Recovered(begun, wait.PodsReady(d.Release))
			assert.Zero(d, d.Counts().Failed, "frames without an answer")
		},
	},
	{
		Subject: promise.ControlPlane, Name: "etcd paused",
		Says:   "The replicas hold, and every frame is answered. The autoscaler reads its metrics again within two minutes.",
		Fault:  "etcd stands still for 20 seconds (SIGSTOP), so that the API server writes nothing.",
		Within: 2 * time.Minute,
		Keep: func(d *promise.Day) {
			d.Load(loadPods)
			d.Settle(settleTime, enough)
			d.Inject(harness.PauseControlPlane(harness.Etcd, 20*time.Second))
			begun := time.Now()
			d.WaitFor(time.Minute, d.Answers(harness.Etcd, 0), d.Answers(harness.APIServer, 0))
			d.Hold(decisions, d.Before, d.Before)
			d.Recovered(begun, wait.PodsReady(d.Release))
			assert.Zero(d, d.Counts().Failed, "frames without an answer")
		},
	},
}
