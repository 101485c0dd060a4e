// Package connections follows every connection that the manifests of rendered releases name: who asks Prometheus, what
// Prometheus scrapes, what the API server forwards, what a Service leads to, and which series a query selects. It knows
// Kubernetes' Services and NetworkPolicies and Prometheus' relabeling, and needs no cluster.
package connections

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"holograph/test/internal/chart"
)

// Release is one rendered release.
type Release struct {
	Name, Namespace string
	// Values are all values of the release, those of values.yaml included.
	Values   chart.Values
	Rendered *chart.Rendered
}

// Pod is a pod of the cluster.
type Pod struct {
	Namespace, Name string
	// Workload is the Deployment that the pod belongs to, "" for a pod of its own.
	Workload            string
	Labels, Annotations map[string]string
	Containers          []corev1.Container
}

// String names the pod by its workload, as the rest of its name says nothing.
func (p *Pod) String() string {
	if p == Outside {
		return "an address outside the cluster"
	}
	name := p.Workload
	if name == "" {
		name = p.Name
	}
	return p.Namespace + "/" + name
}

// component is the part of a release that the pod is of, "" for a pod of others.
func (p *Pod) component() chart.Component {
	return chart.Component(p.Labels["app.kubernetes.io/component"])
}

// port returns the number of a port of the pod by its name or number, and whether a container has it.
func (p *Pod) port(wanted intstr.IntOrString) (int32, bool) {
	for _, container := range p.Containers {
		for _, port := range container.Ports {
			if wanted.Type == intstr.String && port.Name == wanted.StrVal || wanted.Type == intstr.Int && port.ContainerPort == wanted.IntVal {
				return port.ContainerPort, true
			}
		}
	}
	return 0, false
}

// replicaSet is the name of the ReplicaSet of the pod's Deployment.
func (p *Pod) replicaSet() string { return p.Workload + "-5d4b7c9f68" }

// Cluster is what runs beside each other: releases, and the pods of others.
type Cluster struct {
	Releases []*Release

	pods          []*Pod
	services      []*corev1.Service
	policies      []*networkingv1.NetworkPolicy
	apiServices   []*apiregistrationv1.APIService
	autoscalers   []*autoscalingv2.HorizontalPodAutoscaler
	scaledObjects []*chart.ScaledObject
	budgets       []*policyv1.PodDisruptionBudget
	deployments   []*appsv1.Deployment
}

// Pods of others, which every cluster has.
const (
	// platform is the namespace of the cluster's own Prometheus and adapter.
	platform = "monitoring"
	// keda is the namespace of KEDA.
	keda = "keda"
	// gateway is the namespace of those who send frames.
	gateway = "gateway"
)

// New returns the cluster that the releases and the platform's own components run in.
func New(releases ...*Release) (*Cluster, error) {
	c := &Cluster{Releases: releases}
	listening := func(name string, port int32) corev1.Container {
		return corev1.Container{Name: name, Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: port}}}
	}
	c.pods = []*Pod{
		{Namespace: platform, Name: "prometheus-0", Labels: map[string]string{"app.kubernetes.io/name": "prometheus"}, Containers: []corev1.Container{listening("prometheus", 9090)}},
		{Namespace: platform, Name: "alertmanager-0", Labels: map[string]string{"app.kubernetes.io/name": "alertmanager"}, Containers: []corev1.Container{listening("alertmanager", 9093)}},
		{Namespace: platform, Name: "store-0", Labels: map[string]string{"app.kubernetes.io/name": "store"}, Containers: []corev1.Container{listening("store", 9009)}},
		{Namespace: platform, Name: "adapter", Labels: map[string]string{"app.kubernetes.io/name": "prometheus-adapter"}},
		{Namespace: keda, Name: "keda-operator", Labels: map[string]string{"app": "keda-operator"}},
		{Namespace: gateway, Name: "gateway", Labels: map[string]string{"app": "gateway"}},
	}
	serving := func(name, application string, port int32, address string) {
		service := &corev1.Service{Spec: corev1.ServiceSpec{
			ClusterIP: address,
			Selector:  map[string]string{"app.kubernetes.io/name": application},
			Ports:     []corev1.ServicePort{{Port: port, TargetPort: intstr.FromString("web")}},
		}}
		service.Namespace, service.Name = platform, name
		c.services = append(c.services, service)
	}
	serving("prometheus-operated", "prometheus", 9090, corev1.ClusterIPNone)
	serving("alertmanager-operated", "alertmanager", 9093, corev1.ClusterIPNone)
	// The ports of Services are not always those of their pods.
	serving("alertmanager", "alertmanager", 80, "")
	serving("store", "store", 80, "")
	for _, release := range releases {
		for _, object := range release.Rendered.Objects {
			if err := c.add(object); err != nil {
				return nil, fmt.Errorf("%v: %w", object, err)
			}
		}
	}
	return c, nil
}

// add puts one rendered object into the cluster.
func (c *Cluster) add(object chart.Object) error {
	switch object.Kind() {
	case "Deployment":
		deployment, err := as[appsv1.Deployment](object)
		if err != nil {
			return err
		}
		c.deployments = append(c.deployments, deployment)
		pod := &Pod{Namespace: deployment.Namespace, Workload: deployment.Name, Labels: deployment.Spec.Template.Labels,
			Annotations: deployment.Spec.Template.Annotations, Containers: containers(deployment.Spec.Template.Spec)}
		// Kubernetes cuts the part before a pod's own five characters to 58.
		base := pod.replicaSet() + "-"
		pod.Name = base[:min(58, len(base))] + "2vxqz"
		c.pods = append(c.pods, pod)
	case "StatefulSet":
		set, err := as[appsv1.StatefulSet](object)
		if err != nil {
			return err
		}
		c.addSet(set.ObjectMeta, set.Spec.Template)
	case "DaemonSet":
		set, err := as[appsv1.DaemonSet](object)
		if err != nil {
			return err
		}
		c.addSet(set.ObjectMeta, set.Spec.Template)
	case "Pod":
		pod, err := as[corev1.Pod](object)
		if err != nil {
			return err
		}
		c.pods = append(c.pods, &Pod{Namespace: pod.Namespace, Name: pod.Name, Labels: pod.Labels, Annotations: pod.Annotations, Containers: containers(pod.Spec)})
	case "Service":
		return put(&c.services, object)
	case "NetworkPolicy":
		return put(&c.policies, object)
	case "APIService":
		return put(&c.apiServices, object)
	case "HorizontalPodAutoscaler":
		return put(&c.autoscalers, object)
	case "ScaledObject":
		return put(&c.scaledObjects, object)
	case "PodDisruptionBudget":
		return put(&c.budgets, object)
	}
	return nil
}

// addSet puts one pod of a StatefulSet or DaemonSet into the cluster.
func (c *Cluster) addSet(set metav1.ObjectMeta, template corev1.PodTemplateSpec) {
	c.pods = append(c.pods, &Pod{Namespace: set.Namespace, Name: set.Name + "-0", Labels: template.Labels,
		Annotations: template.Annotations, Containers: containers(template.Spec)})
}

// containers are those that run as long as the pod.
func containers(pod corev1.PodSpec) []corev1.Container {
	all := slices.Clone(pod.Containers)
	for _, container := range pod.InitContainers {
		if container.RestartPolicy != nil {
			all = append(all, container)
		}
	}
	return all
}

func put[T any](list *[]*T, object chart.Object) error {
	typed, err := as[T](object)
	*list = append(*list, typed)
	return err
}

// as decodes an object into its Go type. Whether the object is well formed is another test's subject.
func as[T any](object chart.Object) (*T, error) {
	typed := new(T)
	return typed, runtime.DefaultUnstructuredConverter.FromUnstructured(object, typed)
}

// selected are the pods of a namespace that have these labels.
func (c *Cluster) selected(namespace string, selector map[string]string) []*Pod {
	var found []*Pod
	for _, pod := range c.pods {
		if pod.Namespace == namespace && labels.SelectorFromSet(selector).Matches(labels.Set(pod.Labels)) {
			found = append(found, pod)
		}
	}
	return found
}

// pod is the one of a Deployment, nil where there is none.
func (c *Cluster) pod(namespace, workload string) *Pod {
	for _, pod := range c.pods {
		if pod.Namespace == namespace && (pod.Workload == workload || pod.Workload == "" && pod.Name == workload) {
			return pod
		}
	}
	return nil
}

// Of is the pod of a component of a release, nil where it has none.
func (c *Cluster) Of(release *Release, component chart.Component) *Pod {
	for _, pod := range c.pods {
		if pod.Namespace == release.Namespace && pod.component() == component && pod.Labels["app.kubernetes.io/instance"] == release.Name {
			return pod
		}
	}
	return nil
}

// service is one of the cluster's Services, nil where there is none of that name.
func (c *Cluster) service(namespace, name string) *corev1.Service {
	for _, service := range c.services {
		if service.Namespace == namespace && service.Name == name {
			return service
		}
	}
	return nil
}

// parseLabels reads a label selector in its text form.
func parseLabels(text string) (func(map[string]string) bool, error) {
	selector, err := labels.Parse(text)
	if err != nil {
		return nil, err
	}
	return func(set map[string]string) bool { return selector.Matches(labels.Set(set)) }, nil
}
