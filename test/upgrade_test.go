package test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"holograph/test/harness"
	"holograph/test/kube"
	"holograph/test/link"
	"holograph/test/load"
	"holograph/test/wait"
)

// upgradePods is the load of the upgrade story in the worth of one pod: it needs
// more than the minimum, so that a reset of the replicas would be seen.
const upgradePods = 2.5

// An upgrade and a rollback under load keep the replicas that the autoscaler
// chose and answer every frame; the removal leaves nothing behind.
func TestUpgrade(t *testing.T) {
	s := harness.New(t)
	s.Install("local.yaml")
	s.WaitFor(2*time.Minute, link.Chain(s.Release)...)
	pod := s.MeasurePod()

	s.Step("ask for more than the minimum of pods can render")
	rate := upgradePods * pod.FramesPerSecond()
	d := s.Drive(pod.Budget, load.Stage{FramesPerSecond: rate}, load.Stage{FramesPerSecond: rate, Duration: 100 * time.Second})
	s.WaitFor(time.Minute, link.ReplicasAtLeast(s.Release, minReplicas+1))
	lowest := watchLowest(s)

	s.Step("upgrade to a new version of the renderer's pods")
	s.UpgradeWith(map[string]string{"renderer.podAnnotations.story": "upgrade"}, "local.yaml")
	s.WaitFor(time.Minute, annotated(s.Release, "upgrade"), link.PodsReady(s.Release))

	s.Step("roll back to the version before")
	s.Rollback()
	s.WaitFor(time.Minute, annotated(s.Release, ""), link.PodsReady(s.Release))

	assert.Greater(t, lowest(), int32(minReplicas), "the fewest replicas wanted meanwhile")
	summary := s.Finish(d)
	assert.Zero(t, summary.Failed, "frames without an answer")
	assert.Zero(t, summary.NeverStarted, "frames that the load could not start")
	assert.Positive(t, summary.InBudget)
}

// watchLowest follows the Deployment's wanted replicas and returns a function
// that ends it and tells the fewest.
func watchLowest(s *harness.Story) func() int32 {
	ctx, stop := context.WithCancel(s.Context())
	result := make(chan int32, 1)
	go func() {
		lowest := int32(maxReplicas + 1)
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for {
			if deployment, err := s.Release.Deployment(ctx); err == nil {
				lowest = min(lowest, *deployment.Spec.Replicas)
			}
			select {
			case <-ctx.Done():
				result <- lowest
				return
			case <-ticker.C:
			}
		}
	}()
	return func() int32 {
		stop()
		lowest := <-result
		require.LessOrEqual(s, lowest, int32(maxReplicas), "the Deployment was never read")
		return lowest
	}
}

// annotated is met when the Deployment's pods carry the story's annotation.
func annotated(r kube.Release, want string) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("pods annotated %q", want), Unmet: func(ctx context.Context) error {
		deployment, err := r.Deployment(ctx)
		if err != nil {
			return err
		}
		if got := deployment.Spec.Template.Annotations["story"]; got != want {
			return fmt.Errorf("they are annotated %q", got)
		}
		return nil
	}}
}

// An uninstalled chart is gone, with everything that it had in other namespaces
// and in the cluster itself.
func TestUninstall(t *testing.T) {
	s := harness.New(t)
	s.Install("local.yaml")
	before := belongings(s)
	require.Contains(t, strings.Join(before, "\n"), "APIService", "the survey must see cluster-scoped objects")

	s.Step("uninstall")
	s.Uninstall()

	s.WaitFor(time.Minute, wait.Condition{Name: "nothing of the release to be left", Unmet: func(context.Context) error {
		if left := belongings(s); len(left) > 0 {
			return fmt.Errorf("%d of %d objects are left: %s", len(left), len(before), strings.Join(left, ", "))
		}
		return nil
	}})
}

// belongings lists every object of the cluster, of any kind, that carries the
// release's label, its pods and their like included.
func belongings(s *harness.Story) []string {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	client, err := dynamic.NewForConfig(s.Release.Config)
	require.NoError(s, err)
	// Discovery fails for groups whose server is just going away; those are ours.
	lists, _ := s.Release.Discovery().ServerPreferredResources()
	require.NotEmpty(s, lists)
	var found []string
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		require.NoError(s, err)
		for _, resource := range list.APIResources {
			if version.Group == kube.Group || !strings.Contains(strings.Join(resource.Verbs, " "), "list") {
				continue
			}
			objects, err := client.Resource(version.WithResource(resource.Name)).List(ctx, metav1.ListOptions{
				LabelSelector: "app.kubernetes.io/instance=" + s.Release.Name,
			})
			require.NoError(s, err, resource.Name)
			for _, object := range objects.Items {
				found = append(found, resource.Kind+"/"+object.GetName())
			}
		}
	}
	return found
}
