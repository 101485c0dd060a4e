package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"holograph/ci/image"
	"holograph/ci/program"
)

// PolicyQueue is the number of the netfilter queue from which kube-network-policies takes packets.
const PolicyQueue = "98"

// NetworkPolicies returns upstream's manifest of kube-network-policies with the image of the cluster.
func NetworkPolicies(ctx context.Context) ([]byte, error) {
	directory, err := program.KubeNetworkPolicies.ModuleDir(ctx)
	if err != nil {
		return nil, err
	}
	upstream, err := os.ReadFile(filepath.Join(directory, "install.yaml"))
	if err != nil {
		return nil, err
	}
	var manifest bytes.Buffer
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(upstream), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return manifest.Bytes(), nil
		} else if err != nil {
			return nil, err
		}
		if object.GetKind() == "DaemonSet" {
			if object.Object, err = enforcer(object.Object); err != nil {
				return nil, err
			}
		}
		if len(object.Object) == 0 {
			continue
		}
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&manifest, "---\n%s", text)
	}
}

// enforcer adapts the DaemonSet of kube-network-policies to this cluster. It sets the image, and makes the program run as
// root, which is not the user of images that are built here. It removes the plugin that reads pods from the container
// runtime, because the node does not have its sockets; the program then reads pods from the API server.
func enforcer(content map[string]any) (map[string]any, error) {
	var daemons appsv1.DaemonSet
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &daemons); err != nil {
		return nil, err
	}
	held, err := image.KubeNetworkPolicies()
	if err != nil {
		return nil, err
	}
	pod := &daemons.Spec.Template.Spec
	pod.Volumes = nil
	container := &pod.Containers[0]
	container.Image, container.ImagePullPolicy, container.VolumeMounts = held.Ref, corev1.PullIfNotPresent, nil
	container.Command = []string{held.Path}
	container.Args = []string{"--hostname-override=$(MY_NODE_NAME)", "--v=2", "--nfqueue-id=" + PolicyQueue}
	container.SecurityContext = &corev1.SecurityContext{Privileged: new(true), RunAsUser: new(int64(0))}
	return runtime.DefaultUnstructuredConverter.ToUnstructured(&daemons)
}
