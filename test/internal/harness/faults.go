package harness

import (
	"context"
	"fmt"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/doctor/report"
	"holograph/test/internal/chart"
	"holograph/test/internal/wait"
)

const (
	// breakTimeout is for the API server to take a fault; a composed fault waits for pods as well.
	breakTimeout = 90 * time.Second
	// fixTimeout is for one fix: an update and, for a Deployment, its rollout.
	fixTimeout = 90 * time.Second
	// recoveryTimeout is for every link to hold after the fixes: a pod's start, two scrapes, a relist and a decision
	// of the autoscaler. The longest takes 30 s on an idle machine.
	recoveryTimeout = 2 * time.Minute
)

// Fault breaks one thing of a story's release and returns what fixes it. Where it may have changed something before it
// failed, it returns the fix beside the error. [Story.Break] applies it. A fault may be composed of others: it calls
// Break for each of them, and returns a nil Fix where these fix everything.
type Fault func(ctx context.Context, s *Story) (Fix, error)

// Fix undoes a fault, and waits until the pods that it concerns run as before.
type Fix func(ctx context.Context) error

// Break applies a fault to the story's release. When the story ends, or the part of it that [Story.Run] runs, the fault
// is fixed, and if every link held before the story's first fault, the end waits until every link holds again. The
// returned function fixes the fault before that.
func (s *Story) Break(fault Fault) (fix func()) {
	s.Helper()
	ctx, cancel := s.Within(breakTimeout)
	defer cancel()
	if !s.broken {
		s.broken, s.wasHealthy = true, report.OfRelease(ctx, s.Release).Healthy
	}
	undo, err := fault(ctx, s)
	done := undo == nil
	fix = func() {
		s.Helper()
		if done {
			return
		}
		done = true
		ctx, cancel := s.within(context.Background(), fixTimeout)
		defer cancel()
		assert.NoError(s, undo(ctx), "the fault could not be fixed, so later failures may be its consequence")
	}
	s.fixes = append(s.fixes, fix)
	require.NoError(s, err, "the fault could not be applied")
	return fix
}

// fix fixes the story's faults, the last one first, and waits for what held before the first.
func (s *Story) fix() {
	s.Helper()
	for i := len(s.fixes) - 1; i >= 0; i-- {
		s.fixes[i]()
	}
	if s.broken && s.wasHealthy {
		ctx, cancel := s.within(context.Background(), recoveryTimeout)
		defer cancel()
		begun := time.Now()
		assert.NoError(s, wait.For(ctx, recoveryTimeout, s.Healthy()), "the faults are fixed and the release does not recover")
		s.Logf("    recovered %s after the fixes", time.Since(begun).Round(time.Second))
	}
}

// Healthy is met when the doctor, asked from outside the cluster, finds that every link holds.
func (s *Story) Healthy() wait.Condition {
	return wait.Condition{Name: "every link to hold", Unmet: func(ctx context.Context) error {
		found := report.OfRelease(ctx, s.Release)
		if broken := found.Broken(); broken != nil {
			return fmt.Errorf("%s is broken: %s", broken.Name, broken.Cause)
		}
		if unseen := found.Unseen(); unseen != nil {
			return fmt.Errorf("%s could not be looked at: %s", unseen.Name, unseen.Cause)
		}
		return nil
	}}
}

// name is the name of the component's objects.
func (s *Story) name(c chart.Component) string { return s.Release.Name + "-" + string(c) }

// selector selects the component's pods.
func (s *Story) selector(c chart.Component) string {
	return "app.kubernetes.io/instance=" + s.Release.Name + ",app.kubernetes.io/component=" + string(c)
}

// PodsOf returns the component's pods that are not being deleted.
func (s *Story) PodsOf(c chart.Component) []corev1.Pod {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	pods, err := s.Release.LivePods(ctx, s.Release.Namespace, s.selector(c))
	require.NoError(s, err)
	return pods
}

// Restart deletes the component's pods, and waits until those that take their place are Ready.
func (s *Story) Restart(ctx context.Context, c chart.Component) error {
	err := s.Release.CoreV1().Pods(s.Release.Namespace).DeleteCollection(ctx, metav1.DeleteOptions{},
		metav1.ListOptions{LabelSelector: s.selector(c)})
	if err != nil {
		return err
	}
	return wait.For(ctx, fixTimeout, s.running(c))
}

// running is met when the component's Deployment has been rolled out and each of its pods is Ready.
func (s *Story) running(c chart.Component) wait.Condition {
	return s.rolledOut(s.Release.Namespace, s.name(c))
}

// rolledOut is running for a Deployment that need not be the release's.
func (s *Story) rolledOut(namespace, name string) wait.Condition {
	return wait.Condition{Name: "the pods of " + name + " to be Ready", Unmet: func(ctx context.Context) error {
		deployment, err := s.Release.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		want, status := *deployment.Spec.Replicas, deployment.Status
		if status.ObservedGeneration < deployment.Generation || status.UpdatedReplicas != want || status.Replicas != want {
			return fmt.Errorf("%d of %d pods are of the present template, and there are %d in all", status.UpdatedReplicas, want, status.Replicas)
		}
		// The status may be older than the deletion of a pod.
		pods, err := s.Release.LivePods(ctx, namespace, metav1.FormatLabelSelector(deployment.Spec.Selector))
		if err != nil {
			return err
		}
		ready := int32(0)
		for _, pod := range pods {
			for _, condition := range pod.Status.Conditions {
				if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
					ready++
				}
			}
		}
		if ready != want {
			return fmt.Errorf("%d of %d pods are Ready", ready, want)
		}
		return nil
	}}
}
