package nodes

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/promise"
	"holograph/test/internal/wait"
)

var updateGolden = flag.Bool("update", false, "write docs/faults.md and the promises of docs/faults.json")

const (
	// minimum leaves each worker two pods.
	minimum = 4
	// quietPods is the load in units of promise.Capacity: the pods of one worker bear it.
	quietPods = 1
)

var table = []promise.Promise{
	{
		Subject: promise.Node, Name: "node drained",
		Says:   "The pods leave one at a time, no frame is lost, and the replicas stay.",
		Fault:  "One of two workers is drained (`kubectl drain`).",
		Within: 3 * time.Minute,
		Keep: func(e *promise.Experiment) {
			spread(e)
			e.Load(quietPods)
			e.WaitFor(time.Minute, wait.Replicas(e.Release, minimum))
			node := e.Worker()
			ready := e.LowestReady()
			begun := time.Now()
			e.Inject(harness.Drain(node, 80*time.Second))
			e.Recovered(begun, readyElsewhere(e, node, minimum))
			assert.GreaterOrEqual(e, ready(), int32(minimum-1), "lowest Ready pods: the disruption budget lets one pod go at a time")
			summary := e.Counts()
			assert.Zero(e, summary.Failed, "frames without an answer")
			assert.Zero(e, summary.NeverStarted, "frames that the load could not start")
			assert.EqualValues(e, minimum, e.Wanted(), "replicas after the drain")
		},
	},
	{
		Subject: promise.Node, Name: "node killed",
		Says: "Pods take the place of those on the node within three minutes: Kubernetes notices after 50 seconds that the node is gone, and evicts its pods after global.tolerationSeconds. " +
			"Until it notices that, frames that are sent to its pods are lost.",
		Fault:  "The container of one of two workers is killed.",
		Within: 3 * time.Minute,
		Keep: func(e *promise.Experiment) {
			spread(e)
			e.Load(quietPods)
			e.WaitFor(time.Minute, wait.Replicas(e.Release, minimum))
			node := e.Worker()
			begun := time.Now()
			e.Inject(harness.KillNode(node))
			e.Recovered(begun, readyElsewhere(e, node, minimum))
			summary := e.Counts()
			assert.EqualValues(e, minimum, e.Wanted(), "replicas after the node was killed")
			assert.Less(e, float64(summary.Failed)/float64(summary.Offered()), 0.6, "share of frames without an answer: the other node's pods serve")
		},
	},
}

// sessionTable has the promises to viewers who hold sessions.
var sessionTable = []promise.Promise{
	{
		Subject: promise.Sessions, Name: "node drained under sessions",
		Says:   "No session is cut off: the drain waits until the sessions of the node's pods have ended, and new ones begin on other nodes.",
		Fault:  "One of two workers is drained while viewers hold sessions on it (`kubectl drain`).",
		Within: promise.SessionTime,
		Keep: func(e *promise.Experiment) {
			e.FewSessions()
			node := e.Worker()
			e.WaitFor(promise.SessionTime, held(e, node))
			begun := time.Now()
			e.Inject(harness.Drain(node, promise.SessionTime))
			drained := time.Since(begun)
			e.Recovered(begun, readyElsewhere(e, node, int(e.Wanted())))
			e.NoneCut(promise.SessionLength, drained)
		},
	},
}

// TestPromises takes nodes away while frames arrive.
func TestPromises(t *testing.T) {
	s := harness.New(t)
	s.Step("install the chart")
	s.UpgradeWith(promise.Settings(map[string]string{"autoscaling.minReplicas": fmt.Sprint(minimum)}), "local")
	s.WaitFor(3*time.Minute, append(wait.Chain(s.Release), wait.Replicas(s.Release, minimum))...)
	promise.Run(s, table)
}

// TestPromisesWithSessions takes a node away whose pods hold the sessions of viewers.
func TestPromisesWithSessions(t *testing.T) {
	promise.RunWithSessions(harness.New(t), sessionTable)
}

// TestPage: docs/faults.json has every promise, and docs/faults.md is made of it.
func TestPage(t *testing.T) { promise.Check(t, slices.Concat(table, sessionTable), *updateGolden) }

// spread rolls the pods out again, after an experiment that may have left them on one node, and checks that they are spread.
func spread(e *promise.Experiment) {
	e.Helper()
	e.Rollout(chart.Renderer)
	on := map[string]int{}
	for _, pod := range e.PodsOf(chart.Renderer) {
		on[pod.Spec.NodeName]++
	}
	for node, n := range on {
		assert.LessOrEqual(e, n, minimum/2, "renderers on node %s of two workers", node)
	}
}

// readyElsewhere is met when the renderers are Ready on other nodes.
func readyElsewhere(e *promise.Experiment, node string, pods int) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("%d renderers to be Ready on other nodes than %s", pods, node), Unmet: func(ctx context.Context) error {
		all, err := e.Release.Pods(ctx)
		if err != nil {
			return err
		}
		n, states := 0, []string{}
		for _, pod := range all {
			ready := kube.Ready(pod)
			if ready && pod.Spec.NodeName != node {
				n++
			}
			states = append(states, fmt.Sprintf("%s on %s: Ready %t", pod.Name, pod.Spec.NodeName, ready))
		}
		if n < pods {
			return fmt.Errorf("%d are: %v", n, states)
		}
		return nil
	}}
}

// held is met when the renderers on a node hold a session that has just begun, which the drain must wait for.
func held(e *promise.Experiment, node string) wait.Condition {
	return wait.Condition{Name: "a session to begin on node " + node, Unmet: func(ctx context.Context) error {
		var names []string
		for _, pod := range e.PodsOf(chart.Renderer) {
			if pod.Spec.NodeName == node {
				names = append(names, pod.Name)
			}
		}
		return wait.Answer(e.Release, fmt.Sprintf(`sum(delta(viewer_sessions{pod=~%q}[20s])) > 0`, strings.Join(names, "|"))).Unmet(ctx)
	}}
}
