package nodes

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
)

const (
	// minReplicas leaves each worker two pods.
	minReplicas = 4
	// quietPods is the load in units of what one pod renders: two pods can bear it, the other two are for the node's end.
	quietPods = 1
	// loadTime is longer than a part needs its load, which it ends.
	loadTime = 8 * time.Minute
	// nodeLostTime is for the pods of a killed node to run elsewhere: Kubernetes misses a node after 50 s, evicts its pods
	// after global.tolerationSeconds, 30 s, and a pod starts within some seconds.
	nodeLostTime = 150 * time.Second
)

// TestNodes: the fleet bears the loss of a node, planned or not.
func TestNodes(t *testing.T) {
	s := harness.New(t)
	set := map[string]string{"autoscaling.minReplicas": fmt.Sprint(minReplicas)}
	s.UpgradeWith(set, "local")
	s.WaitFor(3*time.Minute, append(wait.Chain(s.Release), wait.Replicas(s.Release, minReplicas))...)
	pod := s.MeasurePod()
	drive := func(s *harness.Story) *load.Drive {
		rate := quietPods * pod.FramesPerSecond()
		return s.Drive(pod.Budget, load.Stage{FramesPerSecond: rate}, load.Stage{FramesPerSecond: rate, Duration: loadTime})
	}

	s.Run("the pods are spread", func(s *harness.Story) {
		for node, n := range perNode(s) {
			assert.LessOrEqual(s, n, minReplicas/2, "renderer pods on node %s of two workers", node)
		}
	})
	s.Run("a node is drained", func(s *harness.Story) {
		d := drive(s)
		node := s.Worker()
		s.Step("drain %s", node)
		replicas, ready := s.WatchReplicas(), lowestReady(s)
		begun := time.Now()
		s.Break(harness.Drain(node))
		s.WaitFor(time.Minute, wait.PodsReady(s.Release), notOn(s, node))
		s.Logf("    the node was empty and every pod Ready after %s", time.Since(begun).Round(time.Second))
		assert.GreaterOrEqual(s, ready(), int32(minReplicas-1), "lowest Ready pods: the disruption budget lets one pod go at a time")
		summary := s.Cut(d)
		assert.Zero(s, summary.Failed, "frames without an answer")
		assert.Zero(s, summary.NeverStarted, "frames that the load could not start")
		assert.GreaterOrEqual(s, replicas().Lowest, int32(minReplicas), "lowest replicas during the drain")
	})
	s.Run("a node is killed", func(s *harness.Story) {
		s.WaitFor(2*time.Minute, wait.Replicas(s.Release, minReplicas))
		require.NoError(s, s.Restart(s.Context(), chart.Renderer), "spread the pods again after the drain")
		s.WaitFor(time.Minute, wait.PodsReady(s.Release))
		d := drive(s)
		node := s.Worker()
		lost := perNode(s)[node]
		s.Step("kill %s, which runs %d renderers", node, lost)
		replicas := s.WatchReplicas()
		begun := time.Now()
		s.Break(harness.KillNode(node))
		s.WaitFor(nodeLostTime, readyElsewhere(s, node, minReplicas))
		took := time.Since(begun).Round(time.Second)
		seen := replicas()
		summary := s.Cut(d)
		s.Logf("    %d pods were Ready elsewhere after %s; replicas %d to %d; frames without an answer: %d of %d",
			minReplicas, took, seen.Lowest, seen.Highest, summary.Failed, summary.Offered())
		assert.GreaterOrEqual(s, seen.Lowest, int32(minReplicas), "lowest replicas while the node was gone")
		// kube-proxy sends frames to the node's pods until their addresses are withdrawn, after 50 s.
		assert.Less(s, float64(summary.Failed)/float64(summary.Offered()), 0.5, "share of frames without an answer: the other node's pods serve all the while")
	})
}

// perNode counts the renderer's pods on each node.
func perNode(s *harness.Story) map[string]int {
	s.Helper()
	count := map[string]int{}
	for _, pod := range s.PodsOf(chart.Renderer) {
		count[pod.Spec.NodeName]++
	}
	return count
}

// notOn is met when no renderer runs on the node.
func notOn(s *harness.Story, node string) wait.Condition {
	return wait.Condition{Name: "no renderer to run on " + node, Unmet: func(ctx context.Context) error {
		pods, err := s.Release.Pods(ctx)
		if err != nil {
			return err
		}
		for _, pod := range pods {
			if pod.Spec.NodeName == node {
				return fmt.Errorf("pod %s does", pod.Name)
			}
		}
		return nil
	}}
}

// readyElsewhere is met when that many renderers are Ready on other nodes.
func readyElsewhere(s *harness.Story, node string, want int) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("%d renderers to be Ready on other nodes than %s", want, node), Unmet: func(ctx context.Context) error {
		pods, err := s.Release.Pods(ctx)
		if err != nil {
			return err
		}
		n, states := 0, []string{}
		for _, pod := range pods {
			ready := false
			for _, condition := range pod.Status.Conditions {
				ready = ready || condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
			}
			if ready && pod.Spec.NodeName != node {
				n++
			}
			states = append(states, fmt.Sprintf("%s on %s: Ready %t", pod.Name, pod.Spec.NodeName, ready))
		}
		if n < want {
			return fmt.Errorf("%d are: %v", n, states)
		}
		return nil
	}}
}

// lowestReady begins to watch the Deployment's Ready pods. The returned function ends that, and returns the lowest number.
func lowestReady(s *harness.Story) func() int32 {
	ctx, stop := context.WithCancel(s.Context())
	lowest := make(chan int32, 1)
	go func() {
		seen := int32(1 << 30)
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for {
			if deployment, err := s.Release.Deployment(ctx); err == nil {
				seen = min(seen, deployment.Status.ReadyReplicas)
			}
			select {
			case <-ctx.Done():
				lowest <- seen
				return
			case <-ticker.C:
			}
		}
	}()
	return func() int32 { stop(); return <-lowest }
}
