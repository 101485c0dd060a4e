package guest

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"holograph/ci/image"
	"holograph/ci/program"
	"holograph/test/internal/kube"
	"holograph/test/internal/wait"
)

const (
	// namespace is that of KEDA's manifests.
	namespace = "keda"
	// readyBudget bounds the time until both Deployments are available: half a minute on two busy cores.
	readyBudget = 2 * time.Minute
)

// InstallKEDA applies KEDA's manifests with the images of the cluster, and waits until KEDA is available.
func InstallKEDA(ctx context.Context, c *kube.Client) error {
	manifest, err := manifest(ctx)
	if err != nil {
		return fmt.Errorf("KEDA: %w", err)
	}
	if err := Apply(ctx, c, manifest); err != nil {
		return fmt.Errorf("KEDA: %w", err)
	}
	return wait.For(ctx, readyBudget, wait.Condition{Name: "KEDA to be available", Unmet: func(ctx context.Context) error {
		list, err := c.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		if len(list.Items) != 2 {
			return fmt.Errorf("there are %d Deployments in its namespace, want 2: the operator and the metrics server", len(list.Items))
		}
		for _, deployment := range list.Items {
			if deployment.Status.AvailableReplicas == 0 {
				return fmt.Errorf("%s has no available pod", deployment.Name)
			}
		}
		return nil
	}})
}

// manifest returns KEDA's manifests without its admission webhook.
func manifest(ctx context.Context) ([]byte, error) {
	directory, err := program.KEDA.ModuleDir(ctx)
	if err != nil {
		return nil, err
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(directory, "config", "minimal"))
	if err != nil {
		return nil, err
	}
	var manifest bytes.Buffer
	for _, resource := range resources.Resources() {
		content, err := resource.Map()
		if err != nil {
			return nil, err
		}
		if resource.GetKind() == "Deployment" {
			if content, err = onThisCluster(content); err != nil {
				return nil, err
			}
		}
		text, err := yaml.Marshal(content)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&manifest, "---\n%s", text)
	}
	return manifest.Bytes(), nil
}

// onThisCluster sets the image of one of KEDA's Deployments to that of the cluster, and starts its readiness probe after 1 s
// in place of upstream's 20 s.
func onThisCluster(content map[string]any) (map[string]any, error) {
	var deployment appsv1.Deployment
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &deployment); err != nil {
		return nil, err
	}
	describe := image.KEDAOperator
	if deployment.Name == "keda-metrics-apiserver" {
		describe = image.KEDAMetricsServer
	}
	held, err := describe()
	if err != nil {
		return nil, err
	}
	container := &deployment.Spec.Template.Spec.Containers[0]
	container.Image, container.ImagePullPolicy = held.Ref, "IfNotPresent"
	container.ReadinessProbe.InitialDelaySeconds = 1
	return runtime.DefaultUnstructuredConverter.ToUnstructured(&deployment)
}
