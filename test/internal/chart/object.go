package chart

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/yaml"
)

// Component is a part of the release, as app.kubernetes.io/component names it and as its objects' names end.
type Component string

// The components. Each is also the name of its main container.
const (
	Renderer          Component = "renderer"
	Prometheus        Component = "prometheus"
	PrometheusAdapter Component = "prometheus-adapter"
	KubeStateMetrics  Component = "kube-state-metrics"
	DeletionCost      Component = "deletion-cost"
	Doctor            Component = "doctor"
	// Placeholder and PrePull are off by default.
	Placeholder Component = "placeholder"
	PrePull     Component = "pre-pull"
)

// Object is one rendered document without a schema.
type Object map[string]any

// Kind returns the object's kind, "" where it has none.
func (o Object) Kind() string { return o.text("kind") }

// APIVersion returns the object's apiVersion, "" where it has none.
func (o Object) APIVersion() string { return o.text("apiVersion") }

// Name returns metadata.name, "" where it has none.
func (o Object) Name() string { return Object(o.mapping("metadata")).text("name") }

// Namespace returns metadata.namespace, "" for a cluster-scoped object.
func (o Object) Namespace() string { return Object(o.mapping("metadata")).text("namespace") }

// String names the object in messages, "apps/v1 Deployment holograph-renderer".
func (o Object) String() string {
	return fmt.Sprintf("%s %s %s", o.APIVersion(), o.Kind(), o.Name())
}

func (o Object) text(key string) string {
	value, _ := o[key].(string)
	return value
}

func (o Object) mapping(key string) map[string]any {
	value, _ := o[key].(map[string]any)
	return value
}

// Typed decodes the object into its Go type and refuses what the API server would refuse to read:
// unknown and doubled fields, wrong types, malformed quantities.
func (o Object) Typed() (runtime.Object, error) {
	text, err := yaml.Marshal(o)
	if err != nil {
		return nil, err
	}
	object, _, err := strictDecoder.Decode(text, nil, nil)
	return object, err
}

// Of returns the rendered objects of one Go type, such as *appsv1.Deployment, in installation order. Kinds of other
// projects have none here. The objects are the caller's own to change.
func Of[T runtime.Object](t testing.TB, rendered *Rendered) []T {
	t.Helper()
	all, err := rendered.typed()
	require.NoError(t, err)
	var found []T
	for _, object := range all {
		if _, ok := object.(T); ok {
			found = append(found, object.DeepCopyObject().(T))
		}
	}
	return found
}

// Each is Of for a loop that checks every object of a kind. It fails the test if there is none, because the loop would then
// check nothing.
func Each[T runtime.Object](t testing.TB, rendered *Rendered) []T {
	t.Helper()
	found := Of[T](t, rendered)
	require.NotEmpty(t, found, "objects of the type %T: the test checks each of them", *new(T))
	return found
}

// PodTemplates returns what every pod of the release is made of, by the name of its Deployment, StatefulSet or DaemonSet, or
// its own.
func (r *Rendered) PodTemplates(t testing.TB) map[string]corev1.PodTemplateSpec {
	t.Helper()
	templates := map[string]corev1.PodTemplateSpec{}
	for _, deployment := range Of[*appsv1.Deployment](t, r) {
		templates[deployment.Name] = deployment.Spec.Template
	}
	for _, set := range Of[*appsv1.StatefulSet](t, r) {
		templates[set.Name] = set.Spec.Template
	}
	for _, set := range Of[*appsv1.DaemonSet](t, r) {
		templates[set.Name] = set.Spec.Template
	}
	for _, pod := range Of[*corev1.Pod](t, r) {
		templates[pod.Name] = corev1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}
	}
	require.NotEmpty(t, templates)
	return templates
}

// typed decodes the objects whose Go types this package knows.
func typed(objects []Object) ([]runtime.Object, error) {
	var all []runtime.Object
	for _, object := range objects {
		if object.custom() {
			continue
		}
		one, err := object.Typed()
		if err != nil {
			return nil, fmt.Errorf("%v: %w", object, err)
		}
		all = append(all, one)
	}
	return all, nil
}

// Deployment returns a component's Deployment.
func (r *Rendered) Deployment(t testing.TB, component Component) *appsv1.Deployment {
	t.Helper()
	return find(t, r, component, func(d *appsv1.Deployment) string { return d.Name })
}

// Container returns the container of a component that carries its name.
func (r *Rendered) Container(t testing.TB, component Component) corev1.Container {
	t.Helper()
	for _, container := range r.Deployment(t, component).Spec.Template.Spec.Containers {
		if container.Name == string(component) {
			return container
		}
	}
	require.FailNow(t, "no such container", "%s", component)
	return corev1.Container{}
}

// ConfigMap returns a component's ConfigMap.
func (r *Rendered) ConfigMap(t testing.TB, component Component) *corev1.ConfigMap {
	t.Helper()
	return find(t, r, component, func(c *corev1.ConfigMap) string { return c.Name })
}

// HorizontalPodAutoscaler returns the renderer's autoscaler.
func (r *Rendered) HorizontalPodAutoscaler(t testing.TB) *autoscalingv2.HorizontalPodAutoscaler {
	t.Helper()
	return find(t, r, Renderer, func(h *autoscalingv2.HorizontalPodAutoscaler) string { return h.Name })
}

// find returns the one object of type T whose name ends in the component's.
func find[T runtime.Object](t testing.TB, r *Rendered, component Component, name func(T) string) T {
	t.Helper()
	var found []T
	for _, object := range Of[T](t, r) {
		if strings.HasSuffix(name(object), "-"+string(component)) {
			found = append(found, object)
		}
	}
	require.Len(t, found, 1, "%T of %s", *new(T), component)
	return found[0]
}

// strictDecoder knows every type that the chart may render.
var strictDecoder = func() runtime.Decoder {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientscheme.AddToScheme(scheme))
	utilruntime.Must(apiregistrationv1.AddToScheme(scheme))
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}()
