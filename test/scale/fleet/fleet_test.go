package fleet

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNodes(t *testing.T) {
	node := Node(7)
	assert.Equal(t, "kwok-07", node.Name)
	assert.Equal(t, "fake", node.Annotations["kwok.x-k8s.io/node"], "kwok selects its nodes by it")
	assert.NotContains(t, node.Labels, "kubernetes.io/os", "kube-proxy would be scheduled to it")
	assert.EqualValues(t, 250, node.Status.Allocatable.Pods().Value())
	require.Len(t, node.Spec.Taints, 1)
	for pods, want := range map[int]int{1: 2, 250: 2, 251: 3, 5000: 21} {
		assert.Equal(t, want, NodesFor(pods), "nodes for %d pods", pods)
	}
}

// Each mode has its own autoscaler, and no placeholder is left.
func TestTemplate(t *testing.T) {
	files := []string{"../values/pods.yaml", "../values/fleet.yaml"}
	for mode, want := range map[Mode]string{
		Pods: "type: Pods\n", Object: "type: Object\n", KEDA: "kind: ScaledObject\n", CachedKEDA: "useCachedMetrics: true\n",
	} {
		t.Run(string(mode), func(t *testing.T) {
			template, err := Render(files, mode, 2, 100)
			require.NoError(t, err)
			deployments, autoscalers := string(template.Deployments(9, 12)), string(template.Autoscalers(11, 12))
			assert.Equal(t, 3, strings.Count(deployments, "kind: Deployment\n"))
			assert.Contains(t, deployments, "  name: "+Name(10)+"\n  namespace: fleets-0\n")
			assert.Contains(t, deployments, "type: kwok\n", "the pods select kwok's nodes")
			assert.NotContains(t, deployments, "replicas:", "the autoscaler's")
			assert.Contains(t, autoscalers, want)
			assert.Equal(t, mode == CachedKEDA, strings.Contains(autoscalers, "useCachedMetrics"))
			assert.Contains(t, autoscalers, "name: fleet-00011-holograph-renderer\n")
			assert.NotContains(t, autoscalers+deployments, "nnnnn")
			assert.NotContains(t, autoscalers+deployments, "fleets-n")
			assert.Contains(t, autoscalers, map[bool]string{true: "maxReplicaCount: 100\n", false: "maxReplicas: 100\n"}[mode.ByKEDA()])
		})
	}
}

// Two fleets are two releases, of which none is in another's namespace by its name.
func TestNames(t *testing.T) {
	assert.Equal(t, "fleets-3", Namespace(13))
	assert.Equal(t, "fleet-00013-holograph-renderer", Name(13))
	assert.NotEqual(t, Release(3), Release(13))
}
