package promises

import (
	"context"
	"fmt"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/promise"
	"holograph/test/internal/wait"
)

const (
	// quietPods is a load that the minimum of two pods bears, in units of promise.Capacity.
	quietPods = 0.8
	// minimum and maximum are the chart's defaults.
	minimum, maximum = 2, 10
	// decisions is the time of three decisions of the autoscaler, and what they read.
	decisions = 50 * time.Second
)

var rendererPromises = []promise.Promise{
	{
		Subject: promise.Renderer, Name: "new version crashes",
		Says:   "The rollout stops at its first pod. The old pods render every frame, and the fleet does not grow. HolographScrapeFailing fires.",
		Fault:  "A new version is rolled out whose process ends at once.",
		Alerts: []string{"HolographScrapeFailing"},
		Within: 2 * time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(quietPods)
			e.Settle(settleTime, minimum)
			fix := e.Inject(harness.EditPods(chart.Renderer, func(pod *corev1.PodSpec) {
				pod.Containers[0].Args = []string{"--frame-budget=never"}
			}))
			e.WaitFor(time.Minute, crashes(e))
			e.Hold(decisions, e.Before, e.Before)
			assert.Zero(e, e.Counts().Failed, "frames without an answer: the old pods serve")
			fix()
			e.Recovered(time.Now(), wait.PodsReady(e.Release))
		},
	},
	{
		Subject: promise.Renderer, Name: "new version starts slowly",
		Says:   "No old pod is removed before its replacement is Ready. Every frame is rendered.",
		Fault:  "A new version is rolled out that is Ready only after 20 seconds.",
		Within: 3 * time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(quietPods)
			e.Settle(settleTime, minimum)
			ready := e.LowestReady()
			e.Inject(harness.EditPods(chart.Renderer, func(pod *corev1.PodSpec) { pod.Containers[0].StartupProbe.InitialDelaySeconds = 20 }))
			e.Recovered(time.Now(), e.RolledOut(chart.Renderer))
			assert.GreaterOrEqual(e, ready(), e.Before, "lowest Ready pods during the rollout")
			assert.Zero(e, e.Counts().Failed, "frames without an answer")
		},
	},
	{
		Subject: promise.Renderer, Name: "rollouts one after the other",
		Says:   "The replicas stay what the load needs, although every pod is new: demand has no value until its window is full, and HolographAutoscalerInactive fires if that lasts. Every frame is rendered.",
		Fault:  "A new version is rolled out, and three more, each as soon as the one before it is complete.",
		Alerts: []string{"HolographAutoscalerInactive"},
		Within: 4 * time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(loadPods)
			e.Settle(settleTime, enough)
			begun := time.Now()
			e.Inject(harness.EditPods(chart.Renderer, version(1)))
			for next := 2; next <= 4; next++ {
				e.WaitFor(time.Minute, e.RolledOut(chart.Renderer))
				assert.GreaterOrEqual(e, e.Wanted(), int32(enough), "replicas after rollout %d: the load is still there", next-1)
				e.Break(harness.EditPods(chart.Renderer, version(next)))
			}
			e.WaitFor(time.Minute, e.RolledOut(chart.Renderer))
			e.Hold(wrongTime, enough, maximum)
			e.Recovered(begun)
			assert.Zero(e, e.Counts().Failed, "frames without an answer")
		},
	},
	{
		Subject: promise.Renderer, Name: "renderer hangs",
		Says:   "The pod gets no frames after its readiness probe has failed, 20 seconds by default. HolographScrapeFailing fires. The kubelet restarts it, and it serves again within three minutes.",
		Fault:  "The process of one renderer is stopped (SIGSTOP).",
		Alerts: []string{"HolographScrapeFailing"},
		Within: 3 * time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(quietPods)
			e.Settle(settleTime, minimum)
			pod := e.PodsOf(chart.Renderer)[0]
			e.Inject(harness.Hang(pod))
			begun := time.Now()
			e.WaitFor(time.Minute, e.PodReady(pod.Name, false, 0))
			unready := time.Since(begun).Round(time.Second)
			e.Recovered(begun, e.PodReady(pod.Name, true, 1), wait.PodsReady(e.Release))
			summary := e.Counts()
			e.Note("no frames went to the pod after %s", unready)
			// One pod of two or three takes frames for 20 s of at least 100 s.
			assert.Less(e, float64(summary.Failed)/float64(summary.Offered()), 0.25, "share of frames without an answer: the other pods serve")
		},
	},
	{
		Subject: promise.Renderer, Name: "renderer out of memory",
		Says:   "The container restarts and serves again within 30 seconds. Only the frames that it was rendering are lost. The fleet does not grow.",
		Fault:  "The kernel kills the process of one renderer for want of memory.",
		Within: 30 * time.Second,
		Keep: func(e *promise.Experiment) {
			e.Load(quietPods)
			e.Settle(settleTime, minimum)
			pod := e.PodsOf(chart.Renderer)[0]
			e.Inject(harness.Starve(pod))
			e.Recovered(time.Now(), e.PodReady(pod.Name, true, 1), wait.PodsReady(e.Release))
			assert.Equal(e, "OOMKilled", e.Ended(pod.Name), "why the container ended")
			e.Hold(decisions, e.Before, e.Before)
			assert.Less(e, e.Counts().Failed, 20, "frames without an answer")
		},
	},
	{
		Subject: promise.Renderer, Name: "pods that have ended",
		Says:   "Pods that have ended, as after an eviction or the shutdown of a node, do not count: the fleet neither grows nor shrinks, and the autoscaler reads its metrics.",
		Fault:  "One pod with the renderer's labels fails, and one completes.",
		Within: time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(loadPods)
			e.Settle(settleTime, enough)
			e.Inject(ended)
			begun := time.Now()
			e.Hold(decisions, e.Before, e.Before)
			e.Recovered(begun)
			assert.Zero(e, e.Counts().Failed, "frames without an answer")
		},
	},
}

// version changes the pods, and nothing that they do.
func version(n int) func(pod *corev1.PodSpec) {
	return func(pod *corev1.PodSpec) {
		pod.Containers[0].Env = append(pod.Containers[0].Env, corev1.EnvVar{Name: fmt.Sprintf("VERSION_%d", n), Value: "new"})
	}
}

// crashes is met when a renderer was restarted twice and waits for the next time.
func crashes(e *promise.Experiment) wait.Condition {
	return wait.Condition{Name: "a new renderer to crash again and again", Unmet: func(ctx context.Context) error {
		pods, err := e.Release.Pods(ctx)
		if err != nil {
			return err
		}
		for _, pod := range pods {
			for _, status := range pod.Status.ContainerStatuses {
				if status.RestartCount >= 2 && status.State.Waiting != nil {
					return nil
				}
			}
		}
		return fmt.Errorf("none of %d has been restarted twice", len(pods))
	}}
}

// ended makes two pods that the autoscaler's selector finds and that have ended. The fix deletes them.
func ended(ctx context.Context, s *harness.Story) (harness.Fix, error) {
	deployment, err := s.Release.Deployment(ctx)
	if err != nil {
		return nil, err
	}
	pods := s.Release.CoreV1().Pods(s.Release.Namespace)
	outcomes := map[string]struct {
		args  []string
		phase corev1.PodPhase
	}{
		"ended-completed": {[]string{"--help"}, corev1.PodSucceeded},
		"ended-failed":    {[]string{"--frame-budget=never"}, corev1.PodFailed},
	}
	fix := func(ctx context.Context) error {
		for name := range outcomes {
			if err := pods.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
				return err
			}
		}
		return nil
	}
	for name, outcome := range outcomes {
		spec := *deployment.Spec.Template.Spec.DeepCopy()
		spec.RestartPolicy = corev1.RestartPolicyNever
		spec.Containers[0].Args = outcome.args
		spec.Containers[0].Lifecycle = nil
		_, err := pods.Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: deployment.Spec.Template.Labels},
			Spec:       spec,
		}, metav1.CreateOptions{})
		if err != nil {
			return fix, err
		}
	}
	for name, outcome := range outcomes {
		err := wait.For(ctx, time.Minute, wait.Condition{Name: fmt.Sprintf("pod %s to be %s", name, outcome.phase), Unmet: func(ctx context.Context) error {
			pod, err := pods.Get(ctx, name, metav1.GetOptions{})
			if err == nil && pod.Status.Phase != outcome.phase {
				err = fmt.Errorf("it is %s", pod.Status.Phase)
			}
			return err
		}})
		if err != nil {
			return fix, err
		}
	}
	return fix, nil
}
