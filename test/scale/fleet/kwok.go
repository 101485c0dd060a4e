// Package fleet makes what `make scale` measures: nodes and pods without processes, which kwok plays, and fleets of them,
// rendered from the chart.
package fleet

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"holograph/test/internal/kwok"
)

const (
	// PodsPerNode is the number of pods that a node has room for. The controller manager gives each node 254 addresses.
	PodsPerNode = 250
	// nodeType is the value of the label "type", which the fleets' pods select.
	nodeType = "kwok"
)

// NodesFor returns how many nodes that many pods need. The scheduler spreads pods evenly, so there is one node more.
func NodesFor(pods int) int { return (pods+PodsPerNode-1)/PodsPerNode + 1 }

// Node returns the manifest of a node that kwok plays. It has no label kubernetes.io/os, so no DaemonSet of the cluster runs
// there, and a taint keeps other pods from it.
func Node(number int) *corev1.Node {
	name := fmt.Sprintf("kwok-%02d", number)
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("1k"), corev1.ResourceMemory: resource.MustParse("1Ti"),
		corev1.ResourcePods: *resource.NewQuantity(PodsPerNode, resource.DecimalSI),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Annotations: map[string]string{kwok.Key: kwok.Value},
			Labels: map[string]string{corev1.LabelHostname: name, "type": nodeType},
		},
		Spec:   corev1.NodeSpec{Taints: []corev1.Taint{{Key: kwok.Key, Value: kwok.Value, Effect: corev1.TaintEffectNoSchedule}}},
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
	playing, err := kwok.Command(ctx, kubeconfig, address, folder)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(folder, "kwok.log"))
	if err != nil {
		return nil, err
	}
	playing.Stdout, playing.Stderr = log, log
	if err := playing.Start(); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer log.Close()
		err := playing.Wait()
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
