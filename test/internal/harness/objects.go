package harness

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"holograph/test/internal/kube"
	"holograph/test/internal/wait"
)

// LowestReplicas starts to read spec.replicas of the renderer's Deployment five times a second. The returned function stops
// that, and returns the lowest number that was read.
func (s *Story) LowestReplicas() func() int32 {
	return s.lowest("replicas", func(deployment *appsv1.Deployment) int32 { return *deployment.Spec.Replicas })
}

// LowestReady is LowestReplicas for Ready pods.
func (s *Story) LowestReady() func() int32 {
	return s.lowest("Ready pods", func(deployment *appsv1.Deployment) int32 { return deployment.Status.ReadyReplicas })
}

func (s *Story) lowest(what string, of func(*appsv1.Deployment) int32) func() int32 {
	ctx, stop := context.WithCancel(s.Context())
	result := make(chan int32, 1)
	go func() {
		lowest := int32(math.MaxInt32)
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for {
			if deployment, err := s.Release.Deployment(ctx); err == nil {
				lowest = min(lowest, of(deployment))
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
		require.Less(s, lowest, int32(math.MaxInt32), "lowest %s: the Deployment was never read", what)
		return lowest
	}
}

// Objects lists the objects of every kind that have the release's label, as Kind/name. They include objects that controllers
// created for the release, such as pods.
func (s *Story) Objects() []string {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	client, err := dynamic.NewForConfig(s.Release.Config)
	require.NoError(s, err)
	// Discovery returns an error for a group whose server is being removed, such as the release's own metrics API.
	lists, _ := s.Release.Discovery().ServerPreferredResources()
	require.NotEmpty(s, lists, "kinds of objects that the API server has")
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
			require.NoError(s, err, "list %s", resource.Name)
			for _, object := range objects.Items {
				found = append(found, resource.Kind+"/"+object.GetName())
			}
		}
	}
	return found
}

// NothingLeft is met when the cluster has no object of the release.
func (s *Story) NothingLeft() wait.Condition {
	return wait.Condition{Name: "every object of the release to be gone", Unmet: func(context.Context) error {
		if left := s.Objects(); len(left) > 0 {
			return fmt.Errorf("%d objects are left: %s", len(left), strings.Join(left, ", "))
		}
		return nil
	}}
}
