package harness

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"holograph/test/internal/chart"
	"holograph/test/internal/kube"
)

// storyOn returns a story in a cluster that has only these objects.
func storyOn(t *testing.T, objects ...runtime.Object) *Story {
	client := &kube.Client{Interface: fake.NewClientset(objects...)}
	return &Story{T: t, Release: kube.Release{Client: client, Namespace: "holograph", Name: "holograph"}, Artifacts: t.TempDir()}
}

// TestFaultsAreFixed: the end of a part of a story fixes its faults, the last one first, and none of them twice.
func TestFaultsAreFixed(t *testing.T) {
	s := storyOn(t)
	var done []string
	fault := func(name string) Fault {
		return func(context.Context, *Story) (Fix, error) {
			done = append(done, "break "+name)
			return func(context.Context) error { done = append(done, "fix "+name); return nil }, nil
		}
	}
	s.Run("part", func(s *Story) {
		s.Break(fault("a"))
		fix := s.Break(fault("b"))
		s.Break(func(_ context.Context, s *Story) (Fix, error) {
			s.Break(fault("c"))
			return nil, nil
		})
		fix()
	})
	assert.Equal(t, []string{"break a", "break b", "break c", "fix b", "fix c", "fix a"}, done)
}

// TestInjectors: a fault changes its object, and the end of the story changes it back.
func TestInjectors(t *testing.T) {
	meta := metav1.ObjectMeta{Namespace: "holograph", Name: "holograph-prometheus-adapter"}
	config := &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"config.yaml": "# Comments stay.\nrules: [{a: 1}, {b: 2}]\n", "other": "text"}}
	binding := &rbacv1.RoleBinding{ObjectMeta: meta}
	autoscaler := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "holograph", Name: "holograph-renderer"},
		Spec:       autoscalingv2.HorizontalPodAutoscalerSpec{MaxReplicas: 10},
	}
	s := storyOn(t, config.DeepCopy(), binding.DeepCopy(), autoscaler.DeepCopy())
	objects := func() (*corev1.ConfigMap, []rbacv1.RoleBinding, *autoscalingv2.HorizontalPodAutoscaler) {
		config, err := s.Release.CoreV1().ConfigMaps("holograph").Get(t.Context(), meta.Name, metav1.GetOptions{})
		require.NoError(t, err)
		bindings, err := s.Release.RbacV1().RoleBindings("holograph").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		autoscaler, err := s.Release.HPA(t.Context())
		require.NoError(t, err)
		return config, bindings.Items, autoscaler
	}
	s.Run("part", func(s *Story) {
		s.Break(EditRules(func(rules []any) []any { return rules[1:] }))
		s.Break(Unbind(chart.PrometheusAdapter))
		s.Break(Pin(2))
		broken, bindings, pinned := objects()
		assert.Equal(t, "rules:\n- b: 2\n", broken.Data["config.yaml"])
		assert.Equal(t, "text", broken.Data["other"])
		assert.Empty(t, bindings)
		assert.EqualValues(t, 2, pinned.Spec.MaxReplicas)
	})
	fixed, bindings, unpinned := objects()
	assert.Equal(t, config.Data, fixed.Data)
	assert.Len(t, bindings, 1)
	assert.Equal(t, autoscaler.Spec, unpinned.Spec)
}
