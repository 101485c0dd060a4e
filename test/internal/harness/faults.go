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
	"holograph/test/internal/kube"
	"holograph/test/internal/wait"
)

const (
	// breakTimeout bounds the application of a fault. A fault that is composed of others waits for pods too.
	breakTimeout = 90 * time.Second
	// fixTimeout bounds one fix: an update and, for a Deployment, its rollout.
	fixTimeout = 90 * time.Second
	// recoveryTimeout bounds the time until every link holds after the fixes: the start of a pod, two scrapes, a relist and
	// a decision of the autoscaler. The slowest takes 30 s on an idle machine.
	recoveryTimeout = 2 * time.Minute
)

// Fault breaks one thing of a story's release and returns what fixes it. [Story.Break] applies it. A fault that fails
// half-way returns its fix beside the error. A fault may be composed of others: it calls Break for each of them, and returns
// a nil Fix if their fixes undo everything.
type Fault func(ctx context.Context, s *Story) (Fix, error)

// Fix undoes a fault, and waits until the affected pods run as before.
type Fix func(ctx context.Context) error

// Break applies a fault to the story's release. The end of the story, or of the part that [Story.Run] runs, fixes the fault.
// If every link held before the first fault, the end also waits until every link holds again. The returned function fixes
// the fault earlier.
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
		assert.NoError(s, undo(ctx), "fix the fault: later failures may follow from it")
	}
	s.fixes = append(s.fixes, fix)
	require.NoError(s, err, "apply the fault")
	return fix
}

// fix fixes the story's faults, the last one first. If every link held before the first fault, it waits until that is so
// again.
func (s *Story) fix() {
	s.Helper()
	for i := len(s.fixes) - 1; i >= 0; i-- {
		s.fixes[i]()
	}
	if s.broken && s.wasHealthy {
		ctx, cancel := s.within(context.Background(), recoveryTimeout)
		defer cancel()
		begun := time.Now()
		assert.NoError(s, wait.For(ctx, recoveryTimeout, s.Healthy()), "the release does not recover although the faults are fixed")
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

// name returns the name of the component's objects.
func (s *Story) name(c chart.Component) string { return s.Release.Name + "-" + string(c) }

// Selector returns the label selector of the component's pods.
func (s *Story) Selector(c chart.Component) string {
	return "app.kubernetes.io/instance=" + s.Release.Name + ",app.kubernetes.io/component=" + string(c)
}

// PodsOf returns the component's pods that are not being deleted.
func (s *Story) PodsOf(c chart.Component) []corev1.Pod {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	pods, err := s.Release.LivePods(ctx, s.Release.Namespace, s.Selector(c))
	require.NoError(s, err)
	return pods
}

// Restart deletes the component's pods, and waits until those that take their place are Ready.
func (s *Story) Restart(ctx context.Context, c chart.Component) error {
	err := s.Release.CoreV1().Pods(s.Release.Namespace).DeleteCollection(ctx, metav1.DeleteOptions{},
		metav1.ListOptions{LabelSelector: s.Selector(c)})
	if err != nil {
		return err
	}
	return wait.For(ctx, fixTimeout, s.RolledOut(c))
}

// RolledOut is met when every pod of the component's Deployment has the current template and is Ready.
func (s *Story) RolledOut(c chart.Component) wait.Condition {
	return s.rolledOut(s.Release.Namespace, s.name(c))
}

// rolledOut is RolledOut for a Deployment that need not be the release's.
func (s *Story) rolledOut(namespace, name string) wait.Condition {
	return wait.Condition{Name: "the pods of " + name + " to be Ready", Unmet: func(ctx context.Context) error {
		deployment, err := s.Release.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		want, status := *deployment.Spec.Replicas, deployment.Status
		if status.ObservedGeneration < deployment.Generation || status.UpdatedReplicas != want || status.Replicas != want {
			return fmt.Errorf("%d of %d pods have the current template, and there are %d pods in all", status.UpdatedReplicas, want, status.Replicas)
		}
		// The status of the Deployment may not count the deletion of a pod yet.
		pods, err := s.Release.LivePods(ctx, namespace, metav1.FormatLabelSelector(deployment.Spec.Selector))
		if err != nil {
			return err
		}
		ready := int32(0)
		for _, pod := range pods {
			if kube.Ready(pod) {
				ready++
			}
		}
		if ready != want {
			return fmt.Errorf("%d of %d pods are Ready", ready, want)
		}
		return nil
	}}
}
