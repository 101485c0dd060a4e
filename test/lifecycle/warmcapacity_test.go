package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/ci/program"
	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/wait"
)

// placeTime is the most that a renderer pod may wait for the place of a placeholder.
const placeTime = 10 * time.Second

// TestPlaceholdersGiveWay: on a full node, a renderer pod that the autoscaler adds takes the place of a placeholder within
// seconds, and nobody else's. The placeholder comes back when the fleet shrinks. `helm --wait` does not wait for a placeholder
// without a node.
func TestPlaceholdersGiveWay(t *testing.T) {
	withEachHelm(t, func(s *harness.Story, _ program.Program) {
		s.Step("install the chart")
		s.UpgradeWith(nil, "local")

		s.Step("let three pods fill the node, and ask for two renderers and two placeholders")
		// Three fit into the room for three and a half, and four do not.
		request := fmt.Sprintf("%dm", roomBesideRenderers(s)*2/7)
		set := map[string]string{
			"renderer.resources.requests.cpu": request, "renderer.resources.limits.cpu": request,
			"warmCapacity.placeholders.pods":                            "2",
			"autoscaling.behavior.scaleDown.stabilizationWindowSeconds": "15",
		}
		s.UpgradeWith(set, "local")
		s.WaitFor(time.Minute, wait.PodsReady(s.Release), placed(s, 1))
		require.Len(s, s.PodsOf(chart.Placeholder), 2, "placeholders after Helm had waited for the release: one has no node")

		s.Step("add a renderer pod")
		s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
		set["autoscaling.minReplicas"] = "3"
		s.UpgradeWith(set, "local")
		s.WaitFor(time.Minute, wait.Replicas(s.Release, 3), placed(s, 0))
		added := slices.MaxFunc(s.PodsOf(chart.Renderer), func(a, b corev1.Pod) int {
			return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
		})
		scheduled, has := kube.Took(added, corev1.PodScheduled)
		require.True(s, has, "pod %s has a node", added.Name)
		assert.LessOrEqual(s, scheduled, placeTime, "time until pod %s has a node", added.Name)
		ready, _ := kube.Took(added, corev1.PodReady)
		s.Logf("    pod %s has a node after %s and is Ready after %s", added.Name, scheduled, ready)
		assert.Equal(s, []string{string(chart.Placeholder)}, preempted(s), "whose pods were removed for the renderer's")

		s.Step("remove it again")
		set["autoscaling.minReplicas"] = "2"
		s.UpgradeWith(set, "local")
		s.WaitFor(2*time.Minute, wait.Replicas(s.Release, 2), placed(s, 1))

		s.Step("change the template of the placeholders")
		set["warmCapacity.podAnnotations.story"] = "changed"
		s.UpgradeWith(set, "local")
		s.WaitFor(time.Minute, placed(s, 1), wait.Condition{Name: "every placeholder to have the new template", Unmet: func(context.Context) error {
			pods := s.PodsOf(chart.Placeholder)
			if len(pods) != 2 {
				return fmt.Errorf("there are %d placeholders, want 2", len(pods))
			}
			for _, pod := range pods {
				if pod.Annotations["story"] != "changed" {
					return fmt.Errorf("%s has the old one", pod.Name)
				}
			}
			return nil
		}})

		s.Step("uninstall")
		require.Contains(s, strings.Join(s.Objects(), "\n"), "PriorityClass", "objects of the release, of which one has no namespace")
		s.Uninstall()
		s.WaitFor(time.Minute, s.NothingLeft())
	})
}

// roomBesideRenderers returns how much CPU of the cluster's one node nobody but the renderers requests, in thousandths of a core.
func roomBesideRenderers(s *harness.Story) int64 {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	nodes, err := s.Release.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	require.NoError(s, err)
	require.Len(s, nodes.Items, 1, "nodes of the cluster")
	room := nodes.Items[0].Status.Allocatable.Cpu().MilliValue()
	pods, err := s.Release.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	require.NoError(s, err)
	for _, pod := range pods.Items {
		if pod.Labels["app.kubernetes.io/component"] == string(chart.Renderer) {
			continue
		}
		for _, container := range pod.Spec.Containers {
			room -= container.Resources.Requests.Cpu().MilliValue()
		}
	}
	require.Positive(s, room, "CPU of the node that nobody requests")
	return room
}

// placed is met when that many placeholders run.
func placed(s *harness.Story, want int) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("%d placeholders to run", want), Unmet: func(context.Context) error {
		ready := 0
		var states []string
		for _, pod := range s.PodsOf(chart.Placeholder) {
			if kube.Ready(pod) {
				ready++
			}
			states = append(states, fmt.Sprintf("%s is %s", pod.Name, pod.Status.Phase))
		}
		if ready != want {
			return fmt.Errorf("%d run: %v", ready, states)
		}
		return nil
	}}
}

// preempted returns the components whose pods were removed to make room, each once. The scheduler writes an event for each pod.
func preempted(s *harness.Story) []string {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	events, err := s.Release.CoreV1().Events(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: "reason=Preempted"})
	require.NoError(s, err)
	var components []string
	for _, event := range events.Items {
		component := event.InvolvedObject.Name
		if strings.Contains(component, "-"+string(chart.Placeholder)+"-") {
			component = string(chart.Placeholder)
		}
		components = append(components, component)
	}
	slices.Sort(components)
	return slices.Compact(components)
}
