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
		Says:   "A fleet that was growing continues to grow when the controller manager is back. The replicas neither fall nor reach the maximum.",
		Fault:  "The controller manager is killed as soon as the autoscaler wants more pods.",
		Within: 2 * time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(quietPods)
			e.Settle(settleTime, minimum)
			e.Stages(load.Steady(loadPods*promise.Capacity, promise.Longest))
			e.WaitFor(time.Minute, wants(e, enough))
			restarts := e.Restarts(harness.ControllerManager)
			e.Inject(harness.KillControlPlane(harness.ControllerManager))
			begun := time.Now()
			e.Recovered(begun, e.ControlPlaneReady(harness.ControllerManager, restarts+1), wait.ReplicasAtLeast(e.Release, enough), wait.PodsReady(e.Release))
			e.Hold(decisions, enough, maximum-1)
			assert.Zero(e, e.Counts().Failed, "frames without an answer")
		},
	},
	{
		Subject: promise.ControlPlane, Name: "API server killed",
		Says:   "The replicas hold, and every frame is answered. The autoscaler reads its metrics again within two minutes.",
		Fault:  "The API server is killed.",
		Within: 2 * time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(loadPods)
			e.Settle(settleTime, enough)
			restarts := e.Restarts(harness.APIServer)
			e.Inject(harness.KillControlPlane(harness.APIServer))
			begun := time.Now()
			e.WaitFor(time.Minute, e.ControlPlaneReady(harness.APIServer, restarts+1))
			e.Hold(decisions, e.Before, e.Before)
			e.Recovered(begun, wait.PodsReady(e.Release))
			assert.Zero(e, e.Counts().Failed, "frames without an answer")
		},
	},
	{
		Subject: promise.ControlPlane, Name: "etcd paused",
		Says:   "The replicas hold, and every frame is answered. The autoscaler reads its metrics again within two minutes.",
		Fault:  "etcd stands still for 20 seconds (SIGSTOP), so that the API server writes nothing.",
		Within: 2 * time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(loadPods)
			e.Settle(settleTime, enough)
			e.Inject(harness.PauseControlPlane(harness.Etcd, 20*time.Second))
			begun := time.Now()
			e.WaitFor(time.Minute, e.ControlPlaneReady(harness.Etcd, 0), e.ControlPlaneReady(harness.APIServer, 0))
			e.Hold(decisions, e.Before, e.Before)
			e.Recovered(begun, wait.PodsReady(e.Release))
			assert.Zero(e, e.Counts().Failed, "frames without an answer")
		},
	},
}
