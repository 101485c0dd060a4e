package nodes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"holograph/ci/command"
	"holograph/ci/program"
	"holograph/test/internal/chart"
	"holograph/test/internal/guest"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/kwok"
	"holograph/test/internal/wait"
)

// pool is Karpenter's pool of nodes for renderers: their label, and the key of their taint.
const pool = "renderers"

// nodePool makes nodes with four cores. Karpenter's provider for kwok needs no more of the class than that there is one.
const nodePool = `
apiVersion: karpenter.kwok.sh/v1alpha1
kind: KWOKNodeClass
metadata: {name: ` + pool + `}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: ` + pool + `}
spec:
  template:
    metadata:
      labels: {pool: ` + pool + `}
    spec:
      requirements:
        - {key: karpenter.kwok.sh/instance-cpu, operator: In, values: ["4"]}
        - {key: kubernetes.io/arch, operator: In, values: [amd64]}
        - {key: kubernetes.io/os, operator: In, values: [linux]}
      taints:
        - {key: ` + pool + `, effect: NoSchedule}
      nodeClassRef: {group: karpenter.kwok.sh, kind: KWOKNodeClass, name: ` + pool + `}
      expireAfter: Never
      # The nodes must go at the end, also if the story fails before its pods do.
      terminationGracePeriod: 10s
  disruption: {consolidationPolicy: WhenEmpty, consolidateAfter: Never}
`

// nodeTime is the most that Karpenter may take to make or to remove nodes that have no processes.
const nodeTime = time.Minute

// TestCapacityBuffer: with a CapacityBuffer, Karpenter keeps nodes for so many renderers more than there are. A pod that is
// added has one at once, and Karpenter makes the next. The nodes have no processes, so this story sends no frames.
func TestCapacityBuffer(t *testing.T) {
	s := harness.New(t)
	s.Step("start Karpenter")
	s.Break(karpenter)

	s.Step("install the chart with two renderers, each of which fills a node, and a buffer of two")
	set := map[string]string{
		"renderer.nodeSelector.pool":       pool,
		"renderer.tolerations[0].key":      pool,
		"renderer.tolerations[0].operator": "Exists",
		"renderer.resources.requests.cpu":  "3",
		"renderer.resources.limits.cpu":    "3",
		"warmCapacity.capacityBuffer.pods": "2",
		"autoscaling.minReplicas":          "2",
	}
	s.UpgradeWith(set, "local")
	s.WaitFor(nodeTime, wait.Replicas(s.Release, 2), nodes(s, 4))
	before := poolNodes(s)

	s.Step("add two renderers")
	set["autoscaling.minReplicas"] = "4"
	s.UpgradeWith(set, "local")
	s.WaitFor(nodeTime, wait.Replicas(s.Release, 4))
	for _, pod := range s.PodsOf(chart.Renderer) {
		assert.Contains(s, before, pod.Spec.NodeName, "node of pod %s, want one that was there before the pods were added", pod.Name)
		waited, has := kube.Took(pod, corev1.PodScheduled)
		require.True(s, has, "pod %s has a node", pod.Name)
		s.Logf("    pod %s had a node after %s", pod.Name, waited)
	}
	s.WaitFor(nodeTime, nodes(s, 6))

	s.Step("uninstall")
	s.Uninstall()
	s.WaitFor(time.Minute, s.NothingLeft())
}

// poolNodes returns the names of Karpenter's nodes that are Ready.
func poolNodes(s *harness.Story) []string {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	names, err := readyNodes(ctx, s.Release.Client)
	require.NoError(s, err)
	return names
}

// nodes is met when Karpenter has made that many nodes, and all are Ready.
func nodes(s *harness.Story, want int) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("%d nodes of Karpenter to be Ready", want), Unmet: func(ctx context.Context) error {
		names, err := readyNodes(ctx, s.Release.Client)
		if err == nil && len(names) != want {
			err = fmt.Errorf("there are %d: %v", len(names), names)
		}
		return err
	}}
}

func readyNodes(ctx context.Context, client *kube.Client) (names []string, err error) {
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: "pool=" + pool})
	if err != nil {
		return nil, err
	}
	for _, node := range list.Items {
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				names = append(names, node.Name)
			}
		}
	}
	return names, nil
}

// karpenter starts Karpenter and kwok on this machine, and creates a pool of nodes. The fix removes the nodes, and ends both.
func karpenter(ctx context.Context, s *harness.Story) (harness.Fix, error) {
	module, err := program.Karpenter.ModuleDir(ctx)
	if err != nil {
		return nil, err
	}
	for _, folder := range []string{"pkg/apis/crds", "kwok/apis/crds"} {
		files, err := filepath.Glob(filepath.Join(module, filepath.FromSlash(folder), "*.yaml"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			definition, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			if err := guest.Apply(ctx, s.Release.Client, definition); err != nil {
				return nil, err
			}
		}
	}
	if err := guest.Apply(ctx, s.Release.Client, []byte(nodePool)); err != nil {
		return nil, err
	}
	// The fix needs both until the nodes are gone.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	playing, err := kwok.Command(running, s.Kubeconfig(), "127.0.0.1", s.Artifacts)
	if err != nil {
		stop()
		return nil, err
	}
	binary, err := program.Karpenter.Binary(ctx, "karpenter")
	if err != nil {
		stop()
		return nil, err
	}
	making := exec.CommandContext(running, binary, "--feature-gates=CapacityBuffer=true", "--disable-leader-election=true", "--metrics-port=0", "--health-probe-port=0")
	making.Env = append(os.Environ(), "KUBECONFIG="+s.Kubeconfig(), "SYSTEM_NAMESPACE=kube-system", "KUBERNETES_MIN_VERSION=1.30.0")
	command.Interruptible(making, 5*time.Second)
	end := func() {
		stop()
		_ = playing.Wait()
		_ = making.Wait()
	}
	for name, started := range map[string]*exec.Cmd{"kwok": playing, "karpenter": making} {
		log, err := os.Create(s.Artifact(name + ".log"))
		if err == nil {
			started.Stdout, started.Stderr = log, log
			err = errors.Join(started.Start(), log.Close())
		}
		if err != nil {
			end()
			return nil, err
		}
	}
	return func(ctx context.Context) error {
		defer end()
		client, err := dynamic.NewForConfig(s.Release.Config)
		if err != nil {
			return err
		}
		pools := schema.GroupVersionResource{Group: "karpenter.sh", Version: "v1", Resource: "nodepools"}
		if err := client.Resource(pools).Delete(ctx, pool, metav1.DeleteOptions{}); err != nil {
			return err
		}
		return wait.For(ctx, nodeTime, nodes(s, 0))
	}, nil
}
