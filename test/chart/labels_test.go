package chart_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
)

// TestLabels: every object has the labels that Kubernetes recommends, in the words of this release.
func TestLabels(t *testing.T) {
	t.Parallel()
	var metadata struct{ Version, AppVersion string }
	require.NoError(t, yaml.Unmarshal(chart.File(t, "Chart.yaml"), &metadata))
	rendered := chart.RenderWith(t, chart.Options{Release: "studio", Values: []chart.Values{chart.Set("dashboard.enabled", true)}})
	for _, object := range rendered.Objects {
		labels := (&unstructured.Unstructured{Object: object}).GetLabels()
		if object.Kind() == "Pod" {
			assert.Equal(t, map[string]string{
				"app.kubernetes.io/name": "holograph", "app.kubernetes.io/instance": "studio", "app.kubernetes.io/component": "doctor",
			}, labels, "the labels of %v", object)
			continue
		}
		component := labels["app.kubernetes.io/component"]
		assert.Contains(t, []string{"renderer", "prometheus", "prometheus-adapter", "kube-state-metrics", "doctor", "dashboard"}, component, "the component of %v", object)
		delete(labels, "app.kubernetes.io/component")
		delete(labels, "grafana_dashboard")
		assert.Equal(t, map[string]string{
			"app.kubernetes.io/name":       "holograph",
			"app.kubernetes.io/instance":   "studio",
			"app.kubernetes.io/managed-by": "Helm",
			"app.kubernetes.io/part-of":    "holograph",
			"app.kubernetes.io/version":    metadata.AppVersion,
			"helm.sh/chart":                "holograph-" + metadata.Version,
		}, labels, "the labels of %v", object)
	}
	for _, deployment := range chart.Of[*appsv1.Deployment](t, rendered) {
		assert.Equal(t, deployment.Spec.Selector.MatchLabels, deployment.Spec.Template.Labels,
			"the labels of the pods of %s: the version is left out, so that an upgrade that changes nothing else restarts nothing", deployment.Name)
	}
}

// TestPodsAreConfined: beyond what the restricted Pod Security Standard asks for, every pod runs as a user and a group that
// own nothing on the node, and gets no variables of other Services.
func TestPodsAreConfined(t *testing.T) {
	t.Parallel()
	for name, template := range chart.Render(t, warm(t), chart.Set("deletionCost.enabled", true)).PodTemplates(t) {
		pod := template.Spec
		nobody := int64(65534)
		if name == "holograph-renderer" {
			// The user of the renderer's image.
			nobody = 65532
		}
		security := pod.SecurityContext
		require.NotNil(t, security, "security context of the pods of %s", name)
		assert.Equal(t, new(true), security.RunAsNonRoot, "runAsNonRoot of %s", name)
		assert.Equal(t, &nobody, security.RunAsUser, "runAsUser of %s: a number, as the kubelet cannot tell whether a named user is root", name)
		assert.Equal(t, &nobody, security.RunAsGroup, "runAsGroup of %s: the default is root's", name)
		assert.Equal(t, &nobody, security.FSGroup, "fsGroup of %s, to whom the files of its volumes belong", name)
		require.NotNil(t, security.SeccompProfile, "seccomp profile of the pods of %s", name)
		assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, security.SeccompProfile.Type, "seccompProfile of %s", name)
		assert.Equal(t, new(false), pod.EnableServiceLinks, "enableServiceLinks of %s: the variables of other Services depend on what was installed before", name)
		for _, container := range pod.Containers {
			assert.Equal(t, new(false), container.SecurityContext.AllowPrivilegeEscalation, "allowPrivilegeEscalation of %s", name)
			assert.Equal(t, new(true), container.SecurityContext.ReadOnlyRootFilesystem, "readOnlyRootFilesystem of %s", name)
			assert.Equal(t, &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}, container.SecurityContext.Capabilities, "capabilities of %s", name)
			assert.Equal(t, corev1.PullIfNotPresent, container.ImagePullPolicy, "imagePullPolicy of %s: a node that has the image starts the pod without a registry", name)
			if name == "holograph-renderer" {
				assert.Equal(t, "1", container.Resources.Limits.Cpu().String(), "the CPU limit of %s, which is its capacity: demand is measured against it", name)
				continue
			}
			if strings.HasPrefix(name, "holograph-placeholder-") {
				continue // It takes the room of a renderer, whose resources it has.
			}
			assert.NotContains(t, container.Resources.Limits, corev1.ResourceCPU, "the limits of %s: a CPU limit would delay its answers on an idle node", name)
		}
	}
}
