package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"holograph/test/doctor/report"
	"holograph/test/harness"
	"holograph/test/kube"
	"holograph/test/link"
	"holograph/test/wait"
)

const (
	// namedTime is for a fault to show: a rollout, a ConfigMap's way into a pod, a few
	// scrapes. The longest takes 15 s on an idle machine.
	namedTime = 90 * time.Second
	// mendedTime is for every link to hold again: a pod's start, two scrapes, a relist
	// and a decision of the autoscaler. The longest takes 30 s on an idle machine.
	mendedTime = 2 * time.Minute
)

// The names of what is broken.
const (
	renderer   = "holograph-renderer"
	prometheus = "holograph-prometheus"
	adapter    = "holograph-prometheus-adapter"
)

// fault is one broken link.
type fault struct {
	name string
	// wreck breaks the release and returns what undoes that.
	wreck func(ctx context.Context, r kube.Release) (mend func(context.Context) error, err error)
	// link is what the doctor must name, and says is in the cause that it gives.
	link, says string
}

// Each link is broken in turn. The doctor names it and no other, and finds all well
// once it is mended.
func TestDoctor(t *testing.T) {
	s := harness.New(t)
	s.Step("install the chart")
	// A fault that is looked for need not be waited for.
	s.UpgradeWith(map[string]string{"doctor.wait": "1s"}, "local.yaml")
	s.WaitFor(2*time.Minute, link.Chain(s.Release)...)

	s.Step("nothing is broken, from outside and inside the cluster")
	s.WaitFor(namedTime, healthy(s.Release))
	printed, err := s.HelmTest()
	require.NoError(t, err, printed)
	assert.Contains(t, printed, "Every link holds.")

	for _, fault := range []fault{
		{"a renderer that does not become Ready", neverReady, "renderer-pods", "container renderer runs and does not pass its readiness probe"},
		{"a renderer at another port", otherPort, "renderer-metrics", "does not give its metrics at port 8080, path /metrics: "},
		{"Prometheus scaled to nothing", scaleToNothing(prometheus), "prometheus", "Deployment holograph-prometheus is scaled to 0 pods"},
		{"scrapes of a port where nobody listens", editScrapes("target_label: \"namespace\"\n", "target_label: \"namespace\"\n"+
			"      - source_labels: [__meta_kubernetes_pod_ip]\n        target_label: __address__\n        replacement: $1:9\n"),
			"targets", "connection refused"},
		{"scrapes under other labels", editScrapes("target_label: \"pod\"\n", "target_label: kubernetes_pod_name\n"), "series", `kubernetes_pod_name="holograph-renderer-`},
		{"the adapter scaled to nothing", scaleToNothing(adapter), "adapter-pods", "Deployment holograph-prometheus-adapter is scaled to 0 pods"},
		{"an APIService that points at nothing", misdirect, "api-service", "is not Available: ServiceNotFound"},
		{"an adapter that may not list pods", unbind(adapter), "values", "may not list pods in namespace holograph"},
		{"no autoscaler", deleteHPA, "autoscaler", "namespace holograph has no HorizontalPodAutoscaler holograph-renderer"},
	} {
		s.Step("%s", fault.name)
		mend := wreck(s, fault)
		expect(s, fault)
		mend()
		s.WaitFor(mendedTime, healthy(s.Release))
	}
}

// wreck breaks something and returns what mends it, at the story's end at the
// latest.
func wreck(s *harness.Story, fault fault) (mend func()) {
	s.Helper()
	ctx, cancel := s.Within(namedTime)
	defer cancel()
	undo, err := fault.wreck(ctx, s.Release)
	require.NoError(s, err)
	mended := false
	mend = func() {
		if mended {
			return
		}
		mended = true
		ctx, cancel := context.WithTimeout(context.Background(), namedTime)
		defer cancel()
		require.NoError(s, undo(ctx))
	}
	s.Cleanup(mend)
	return mend
}

// expect waits until the doctor names the fault, and checks what it says.
func expect(s *harness.Story, fault fault) {
	s.Helper()
	var broken *report.Link
	s.WaitFor(namedTime, wait.Condition{Name: "the doctor to name " + fault.link, Unmet: func(ctx context.Context) error {
		found := report.OfRelease(ctx, s.Release)
		broken = found.Broken()
		if broken == nil {
			return errors.New("it finds nothing wrong")
		}
		if broken.Name != fault.link || !strings.Contains(broken.Cause, fault.says) {
			return fmt.Errorf("it names %s: %s", broken.Name, broken.Cause)
		}
		return nil
	}})
	s.Logf("    cause:  %s", broken.Cause)
	s.Logf("    remedy: %s", broken.Remedy)
	assert.NotEmpty(s, broken.Remedy)
}

// healthy is met when the doctor finds that every link holds.
func healthy(r kube.Release) wait.Condition {
	return wait.Condition{Name: "every link to hold", Unmet: func(ctx context.Context) error {
		found := report.OfRelease(ctx, r)
		if broken := found.Broken(); broken != nil {
			return fmt.Errorf("%s: %s", broken.Name, broken.Cause)
		}
		return nil
	}}
}

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
