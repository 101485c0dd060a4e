package sources

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/internal/chart"
	"holograph/test/internal/guest"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
)

// storyTimeout is how long a load lasts if the story does not end it before.
const storyTimeout = 5 * time.Minute

// fallbackReplicas is the number of replicas while KEDA gets no value. It is more than the minimum, so that the story can
// tell the fallback from the fleet after the load.
const fallbackReplicas = 3

// TestKEDA: KEDA takes over from a running autoscaler without fewer replicas for a moment, scales down when the load is over,
// and scales to its fallback while Prometheus is gone.
func TestKEDA(t *testing.T) {
	s := harness.New(t)
	s.Uninstall()
	s.Step("the cluster has KEDA")
	ctx, cancel := s.Within(10 * time.Minute)
	defer cancel()
	require.NoError(t, guest.InstallKEDA(ctx, s.Release.Client))

	s.Step("the chart's own autoscaler scales up under load")
	s.Install("local")
	s.WaitFor(2*time.Minute, append(wait.Chain(s.Release), wait.Replicas(s.Release, 2))...)
	pod := s.MeasurePod()
	rate := loadPods * pod.FramesPerSecond()
	d := s.Drive(pod.Budget, load.Steady(rate, storyTimeout))
	s.WaitFor(time.Minute, wait.ReplicasAtLeast(s.Release, 3))

	s.Step("KEDA takes over")
	lowest := s.LowestReplicas()
	s.UpgradeWith(map[string]string{
		"keda.fallback.replicas": fmt.Sprint(fallbackReplicas),
		// The story waits for this time below. 30 s are two decisions of the autoscaler, in place of four.
		"autoscaling.behavior.scaleDown.stabilizationWindowSeconds": "30",
	}, "local", "keda")
	s.WaitFor(time.Minute, scaledByKEDA(s.Release))
	s.WaitFor(time.Minute, wait.Chain(s.Release)...)
	assert.Greater(t, lowest(), int32(2), "lowest replicas while KEDA took over under load")
	s.HelmTestPasses()

	s.Step("the load is over: KEDA's autoscaler scales down")
	s.Cut(d)
	s.WaitFor(4*time.Minute, wait.Replicas(s.Release, 2))

	s.Step("Prometheus is gone: KEDA scales to its fallback")
	fix := s.Break(harness.Scale(chart.Prometheus, 0))
	s.WaitFor(3*time.Minute, onFallback(s.Release), wait.Replicas(s.Release, fallbackReplicas))
	fix()

	s.Step("the chart's own autoscaler takes over again when the ScaledObject is deleted; until then, the chart refuses it")
	require.ErrorContains(t, s.Upgrade(harness.Upgrade{Examples: []string{"local"}}),
		"HorizontalPodAutoscaler holograph/holograph-renderer belongs to ScaledObject holograph-renderer and is deleted with it: first run kubectl --namespace holograph delete scaledobject holograph-renderer, which changes no pods")
	require.NoError(t, s.Release.Discovery().RESTClient().Delete().AbsPath(scaledObject(s.Release)).Do(ctx).Error())
	s.Install("local")
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
}

// scaledByKEDA is met when KEDA's autoscaler is the only one and has a value of each signal.
func scaledByKEDA(r kube.Release) wait.Condition {
	return wait.Condition{Name: "KEDA's autoscaler to be the only one, with a value of both signals", Unmet: func(ctx context.Context) error {
		list, err := r.AutoscalingV2().HorizontalPodAutoscalers(r.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		if len(list.Items) != 1 {
			return fmt.Errorf("there are %d autoscalers, want 1", len(list.Items))
		}
		hpa := list.Items[0]
		if owner := metav1.GetControllerOf(&hpa); owner == nil || owner.Kind != "ScaledObject" {
			return fmt.Errorf("the owner of %s is %v, want a ScaledObject", hpa.Name, owner)
		}
		read := 0
		for _, current := range hpa.Status.CurrentMetrics {
			if current.Type == autoscalingv2.ExternalMetricSourceType {
				read++
			}
		}
		if read != 2 {
			return fmt.Errorf("%s has %d of 2 external metrics: %v", hpa.Name, read, hpa.Status.Conditions)
		}
		return nil
	}}
}

// scaledObject returns the API path of the release's ScaledObject.
func scaledObject(r kube.Release) string {
	return "/apis/keda.sh/v1alpha1/namespaces/" + r.Namespace + "/scaledobjects/" + r.Renderer()
}

// onFallback is met when the ScaledObject reports that its fallback is active.
func onFallback(r kube.Release) wait.Condition {
	return wait.Condition{Name: "the ScaledObject to report its fallback", Unmet: func(ctx context.Context) error {
		raw, err := kube.Raw(ctx, r.Discovery().RESTClient().Get().AbsPath(scaledObject(r)))
		if err != nil {
			return err
		}
		var scaled struct {
			Status struct{ Conditions []metav1.Condition }
		}
		if err := json.Unmarshal(raw, &scaled); err != nil {
			return err
		}
		for _, c := range scaled.Status.Conditions {
			if c.Type == "Fallback" && c.Status == metav1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("its conditions are %v", scaled.Status.Conditions)
	}}
}
