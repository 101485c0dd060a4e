// Package fleet makes what `make scale` measures: nodes and pods without processes, which kwok plays, and fleets of them,
// rendered from the chart.
package fleet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"holograph/ci/command"
	"holograph/ci/program"
)

const (
	// PodsPerNode is the number of pods that a node has room for. The controller manager gives each node 254 addresses.
	PodsPerNode = 250
	// nodeKey is kwok's annotation of the nodes that it plays, and the key of the taint that keeps other pods from them.
	nodeKey   = "kwok.x-k8s.io/node"
	nodeValue = "fake"
	// nodeType is the value of the label "type", which the fleets' pods select.
	nodeType = "kwok"
)

// stages are the files of kwok's module, below kustomize/stage, that say how nodes and pods go from one state to the next:
// each as fast as it can.
var stages = []string{
	"node/fast/node-initialize.yaml",
	"node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
	"pod/fast/pod-ready.yaml",
	"pod/fast/pod-delete.yaml",
}

// configuration begins kwok's configuration. The other nodes of the cluster are real.
const configuration = `apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  manageAllNodes: false
  manageNodesWithAnnotationSelector: ` + nodeKey + "=" + nodeValue + `
  nodeLeaseDurationSeconds: 40
  nodeLeaseParallelism: 4
  nodePlayStageParallelism: 4
  podPlayStageParallelism: 16
`

// Configuration returns kwok's configuration with the stages of its module, which is in the folder.
func Configuration(module string) ([]byte, error) {
	out := bytes.NewBufferString(configuration)
	for _, file := range stages {
		text, err := os.ReadFile(filepath.Join(module, "kustomize", "stage", filepath.FromSlash(file)))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(out, "---\n%s", text)
	}
	return out.Bytes(), nil
}

// NodesFor returns how many nodes that many pods need. The scheduler spreads pods evenly, so there is one node more.
func NodesFor(pods int) int { return (pods+PodsPerNode-1)/PodsPerNode + 1 }

// Node returns the manifest of a node that kwok plays. It has no label kubernetes.io/os, so no DaemonSet of the cluster runs there.
func Node(number int) *corev1.Node {
	name := fmt.Sprintf("kwok-%02d", number)
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("1k"), corev1.ResourceMemory: resource.MustParse("1Ti"),
		corev1.ResourcePods: *resource.NewQuantity(PodsPerNode, resource.DecimalSI),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Annotations: map[string]string{nodeKey: nodeValue},
			Labels: map[string]string{corev1.LabelHostname: name, "type": nodeType},
		},
		Spec:   corev1.NodeSpec{Taints: []corev1.Taint{{Key: nodeKey, Value: nodeValue, Effect: corev1.TaintEffectNoSchedule}}},
		Status: corev1.NodeStatus{Allocatable: room, Capacity: room},
	}
}

// CreateNodes makes sure that there are nodes for that many pods.
func CreateNodes(ctx context.Context, client kubernetes.Interface, pods int) error {
	for i := range NodesFor(pods) {
		_, err := client.CoreV1().Nodes().Create(ctx, Node(i), metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

// Ranges returns the addresses of each node's pods, as CIDR, and an error if a node is not Ready or has none yet.
func Ranges(ctx context.Context, client kubernetes.Interface) ([]string, error) {
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: "type=" + nodeType})
	if err != nil {
		return nil, err
	}
	var ranges []string
	for _, node := range list.Items {
		ready := false
		for _, condition := range node.Status.Conditions {
			ready = ready || condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue
		}
		if !ready || node.Spec.PodCIDR == "" {
			return nil, fmt.Errorf("node %s is Ready: %t, and its pods' addresses are %q", node.Name, ready, node.Spec.PodCIDR)
		}
		ranges = append(ranges, node.Spec.PodCIDR)
	}
	return ranges, nil
}

// Play starts kwok on this machine for the cluster of the kubeconfig. It plays nodes of that address, and pods, until ctx ends.
// ended is called with the error if kwok ends before. The returned function waits for its end.
func Play(ctx context.Context, kubeconfig, address, folder string, ended func(error)) (wait func(), err error) {
	module, err := program.Kwok.ModuleDir(ctx)
	if err != nil {
		return nil, err
	}
	config, err := Configuration(module)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(folder, "kwok.yaml")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return nil, err
	}
	binary, err := program.Kwok.Binary(ctx, "kwok")
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(folder, "kwok.log"))
	if err != nil {
		return nil, err
	}
	kwok := exec.CommandContext(ctx, binary, "--config", file, "--kubeconfig", kubeconfig, "--node-ip", address)
	kwok.Stdout, kwok.Stderr = log, log
	command.Interruptible(kwok, 5*time.Second)
	if err := kwok.Start(); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer log.Close()
		err := kwok.Wait()
		if ctx.Err() == nil {
			ended(fmt.Errorf("kwok ended: %w\n%s", err, last(log.Name())))
		}
	}()
	return func() { <-done }, nil
}

// last returns the end of a log.
func last(path string) []byte {
	const most = 2000
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	text, _ := io.ReadAll(file)
	return text[max(0, len(text)-most):]
}
