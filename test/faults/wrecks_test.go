package faults

import (
	"context"
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
)

// editDeployment changes a Deployment and returns what changes it back.
func editDeployment(ctx context.Context, r kube.Release, name string, edit func(*appsv1.Deployment)) (func(context.Context) error, error) {
	deployments := r.AppsV1().Deployments(r.Namespace)
	before, err := deployments.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	update := func(ctx context.Context, edit func(*appsv1.Deployment)) error {
		return retry.RetryOnConflict(retry.DefaultRetry, func() error {
			deployment, err := deployments.Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			edit(deployment)
			_, err = deployments.Update(ctx, deployment, metav1.UpdateOptions{})
			return err
		})
	}
	return func(ctx context.Context) error {
		return update(ctx, func(deployment *appsv1.Deployment) {
			// The autoscaler may have decided meanwhile.
			if *deployment.Spec.Replicas == 0 {
				deployment.Spec.Replicas = before.Spec.Replicas
			}
			deployment.Spec.Template = before.Spec.Template
		})
	}, update(ctx, edit)
}

func neverReady(ctx context.Context, r kube.Release) (func(context.Context) error, error) {
	return editDeployment(ctx, r, renderer, func(deployment *appsv1.Deployment) {
		deployment.Spec.Template.Spec.Containers[0].ReadinessProbe.HTTPGet.Path = "/nowhere"
	})
}

func otherPort(ctx context.Context, r kube.Release) (func(context.Context) error, error) {
	return editDeployment(ctx, r, renderer, func(deployment *appsv1.Deployment) {
		container := &deployment.Spec.Template.Spec.Containers[0]
		container.Ports[0].ContainerPort = 9000
		container.Env = append(container.Env, corev1.EnvVar{Name: "HOLOGRAPH_LISTEN_ADDRESS", Value: ":9000"})
	})
}

func scaleToNothing(deployment string) func(context.Context, kube.Release) (func(context.Context) error, error) {
	return func(ctx context.Context, r kube.Release) (func(context.Context) error, error) {
		return editDeployment(ctx, r, deployment, func(deployment *appsv1.Deployment) { *deployment.Spec.Replicas = 0 })
	}
}

// editConfig changes one file of a ConfigMap and returns what changes it back.
func editConfig(ctx context.Context, r kube.Release, name, file string, edit func(string) string) (func(context.Context) error, error) {
	configs := r.CoreV1().ConfigMaps(r.Namespace)
	config, err := configs.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	before := config.Data[file]
	write := func(ctx context.Context, text string) error {
		config, err := configs.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		config.Data[file] = text
		_, err = configs.Update(ctx, config, metav1.UpdateOptions{})
		return err
	}
	after := edit(before)
	if after == before {
		return nil, fmt.Errorf("nothing to change in %s of ConfigMap %s", file, name)
	}
	return func(ctx context.Context) error { return write(ctx, before) }, write(ctx, after)
}

// editScrapes changes the scrape job of the renderer, which is the first one.
func editScrapes(from, to string) func(context.Context, kube.Release) (func(context.Context) error, error) {
	return func(ctx context.Context, r kube.Release) (func(context.Context) error, error) {
		return editConfig(ctx, r, prometheus, "prometheus.yaml", func(text string) string { return strings.Replace(text, from, to, 1) })
	}
}

const apiService = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1." + kube.Group

// misdirect lets one version of the custom metrics API point at a Service that
// does not exist.
func misdirect(ctx context.Context, r kube.Release) (func(context.Context) error, error) {
	point := func(ctx context.Context, service string) error {
		patch := fmt.Appendf(nil, `{"spec":{"service":{"name":%q}}}`, service)
		return r.Discovery().RESTClient().Patch(types.MergePatchType).AbsPath(apiService).Body(patch).Do(ctx).Error()
	}
	return func(ctx context.Context) error { return point(ctx, adapter) }, point(ctx, "nobody")
}

// unbind takes a component's Role away.
func unbind(name string) func(context.Context, kube.Release) (func(context.Context) error, error) {
	return func(ctx context.Context, r kube.Release) (func(context.Context) error, error) {
		bindings := r.RbacV1().RoleBindings(r.Namespace)
		binding, err := bindings.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		binding.ResourceVersion = ""
		return func(ctx context.Context) error {
			_, err := bindings.Create(ctx, binding, metav1.CreateOptions{})
			return err
		}, bindings.Delete(ctx, name, metav1.DeleteOptions{})
	}
}

func deleteHPA(ctx context.Context, r kube.Release) (func(context.Context) error, error) {
	hpas := r.AutoscalingV2().HorizontalPodAutoscalers(r.Namespace)
	hpa, err := r.HPA(ctx)
	if err != nil {
		return nil, err
	}
	hpa.ResourceVersion = ""
	return func(ctx context.Context) error {
		_, err := hpas.Create(ctx, hpa, metav1.CreateOptions{})
		return err
	}, hpas.Delete(ctx, hpa.Name, metav1.DeleteOptions{})
}

// removeRule takes a rule out of the adapter's configuration. The adapter has it until it is restarted, and has it
// not until it is restarted again.
func removeRule(s *harness.Story) (restart, putBack func()) {
	s.Helper()
	putBack = wreck(s, fault{wreck: func(ctx context.Context, r kube.Release) (func(context.Context) error, error) {
		return editConfig(ctx, r, adapter, "config.yaml", func(text string) string {
			var config map[string][]any
			require.NoError(s, yaml.Unmarshal([]byte(text), &config))
			config["rules"] = config["rules"][:1]
			edited, err := yaml.Marshal(config)
			require.NoError(s, err)
			return string(edited)
		})
	}})
	restart = func() {
		ctx, cancel := s.Within(namedTime)
		defer cancel()
		require.NoError(s, s.Release.CoreV1().Pods(s.Release.Namespace).DeleteCollection(ctx, metav1.DeleteOptions{},
			metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=prometheus-adapter"}))
	}
	return restart, putBack
}

// editHPA changes the autoscaler and returns what changes it back.
func editHPA(ctx context.Context, r kube.Release, edit func(*autoscalingv2.HorizontalPodAutoscalerSpec)) (func(context.Context) error, error) {
	before, err := r.HPA(ctx)
	if err != nil {
		return nil, err
	}
	update := func(ctx context.Context, edit func(*autoscalingv2.HorizontalPodAutoscalerSpec)) error {
		return retry.RetryOnConflict(retry.DefaultRetry, func() error {
			hpa, err := r.HPA(ctx)
			if err != nil {
				return err
			}
			edit(&hpa.Spec)
			_, err = r.AutoscalingV2().HorizontalPodAutoscalers(r.Namespace).Update(ctx, hpa, metav1.UpdateOptions{})
			return err
		})
	}
	return func(ctx context.Context) error {
		return update(ctx, func(spec *autoscalingv2.HorizontalPodAutoscalerSpec) { *spec = before.Spec })
	}, update(ctx, edit)
}

func renameMetric(ctx context.Context, r kube.Release) (func(context.Context) error, error) {
	return editHPA(ctx, r, func(spec *autoscalingv2.HorizontalPodAutoscalerSpec) { spec.Metrics[0].Pods.Metric.Name = "frames" })
}

// pin holds the autoscaler at two pods, and lets the least demand ask for more.
func pin(ctx context.Context, r kube.Release) (func(context.Context) error, error) {
	return editHPA(ctx, r, func(spec *autoscalingv2.HorizontalPodAutoscalerSpec) {
		spec.MaxReplicas = 2
		spec.Metrics[1].Pods.Target.AverageValue = resource.NewMilliQuantity(1, resource.DecimalSI)
	})
}
