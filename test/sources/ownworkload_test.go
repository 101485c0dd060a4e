package sources

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/internal/guest"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
)

// TestOwnWorkload: a release without a renderer of its own scales a StatefulSet, and then a Deployment, that exist in the
// cluster already. The doctor finds that every link holds.
func TestOwnWorkload(t *testing.T) {
	s := harness.New(t)
	s.Step("the cluster has a StatefulSet and a Deployment with one pod each")
	s.Apply(guest.Namespace(s.Release.Namespace))
	apply(s, "workloads")
	s.Cleanup(func() { removeWorkloads(s) })

	for _, workload := range []struct{ kind, name string }{{"StatefulSet", "stream"}, {"Deployment", "viewer"}} {
		// An HPA that is given another target counts the pods that it added to the one before as added to this one, for as
		// long as a step lasts. A new HPA has no past.
		s.Uninstall()
		s.Step("the release scales the %s to its minimum", workload.kind)
		require.NoError(t, s.Upgrade(harness.Upgrade{
			Examples: []string{"local"},
			Values:   []string{filepath.Join("testdata", "own-workload.yaml")},
			Set: map[string]string{
				"autoscaling.target.kind":          workload.kind,
				"autoscaling.target.name":          workload.name,
				"autoscaling.target.podLabels.app": workload.name,
			},
		}))
		s.WaitFor(2*time.Minute, append(wait.Chain(s.Release), readyPods(s.Release, workload.name, 2))...)
		s.HelmTestPasses()

		s.Step("ask for the frames of three pods: late frames and demand add pods")
		const rate = 3 * otherFramesPerSecond
		d := s.Offer(load.Profile{
			URL: fmt.Sprintf("http://%s.%s.svc:9000", workload.name, s.Release.Namespace), Path: "/view", Budget: otherBudget,
			Stages: load.Steady(rate, storyTimeout),
		})
		s.WaitFor(2*time.Minute, readyPods(s.Release, workload.name, 4))
		s.Cut(d)
	}
}

// readyPods is met when at least that many pods with the label app are Ready.
func readyPods(r kube.Release, app string, want int) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("at least %d Ready pods of %s", want, app), Unmet: func(ctx context.Context) error {
		pods, err := r.LivePods(ctx, r.Namespace, "app="+app)
		if err != nil {
			return err
		}
		ready := 0
		for _, pod := range pods {
			if kube.Ready(pod) {
				ready++
			}
		}
		if ready < want {
			return fmt.Errorf("%d are Ready", ready)
		}
		return nil
	}}
}

// removeWorkloads deletes the objects of testdata/workloads.yaml.
func removeWorkloads(s *harness.Story) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	options, namespace := metav1.DeleteOptions{}, s.Release.Namespace
	assert.NoError(s, s.Release.AppsV1().StatefulSets(namespace).Delete(ctx, "stream", options))
	assert.NoError(s, s.Release.AppsV1().Deployments(namespace).Delete(ctx, "viewer", options))
	for _, name := range []string{"stream", "viewer"} {
		assert.NoError(s, s.Release.CoreV1().Services(namespace).Delete(ctx, name, options))
	}
}
