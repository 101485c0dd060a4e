// Package kube asks a cluster about a Holograph release: its objects, its
// metric on the custom metrics API, and its Prometheus.
package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	externalmetrics "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
)

// Group is the API group that prometheus-adapter serves.
const Group = "custom.metrics.k8s.io"

// OverrunsMetric is the counter of frames over budget, and the name under which
// its rate is served: the chart's default signals.overruns.name.
const OverrunsMetric = "holograph_frames_over_budget_total"

// callTimeout bounds every single call, so that no wait hangs on one.
const callTimeout = 10 * time.Second

// Client talks to one cluster.
type Client struct {
	kubernetes.Interface
	// Config is how the cluster is reached.
	Config *rest.Config
	// Inside says that this program runs in the cluster, where pods and Services are
	// reached as they are; elsewhere the way is through the API server.
	Inside bool

	// forwards holds what sends requests by port-forward, by Service and port.
	forwards sync.Map
	// logins holds what shows a login, by way and Secret.
	logins sync.Map

	secrets
}

// Connect returns a client for the cluster that the kubeconfig file names.
func Connect(kubeconfig string) (*Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
	}
	return New(config)
}

// New returns a client for the cluster that the configuration names.
func New(config *rest.Config) (*Client, error) {
	config.Timeout = callTimeout
	// The default of 5 calls a second makes a watcher late.
	config.QPS, config.Burst = 50, 100
	// The tests list deprecated kinds too, and each list would print a warning.
	config.WarningHandler = rest.NoWarnings{}
	reading := bound(config, APIServer, true)
	// client-go asks for protobuf by default, and a small protobuf answer can decode to a large object.
	reading.ContentType, reading.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	reading.Wrap(func(next http.RoundTripper) http.RoundTripper { return jsonOnly{next} })
	clientset, err := kubernetes.NewForConfig(reading)
	client := &Client{Interface: clientset, Config: config}
	client.hideConfig(config)
	return client, err
}

// Release is an installed Holograph chart.
type Release struct {
	*Client
	// Namespace and Name are Helm's for the release.
	Namespace, Name string
	// Open says that its Prometheus answers without a login: one that the chart does not run.
	Open bool
}

// Renderer is the name of the renderer's Deployment, Service and HPA.
func (r Release) Renderer() string { return r.Name + "-renderer" }

// RendererSelector selects the renderer's pods.
func (r Release) RendererSelector() string {
	return "app.kubernetes.io/instance=" + r.Name + ",app.kubernetes.io/component=renderer"
}

// RendererURL is where pods of the cluster reach the renderer.
func (r Release) RendererURL() string {
	return fmt.Sprintf("http://%s.%s.svc:8080", r.Renderer(), r.Namespace)
}

// Deployment returns the renderer's Deployment.
func (r Release) Deployment(ctx context.Context) (*appsv1.Deployment, error) {
	return r.AppsV1().Deployments(r.Namespace).Get(ctx, r.Renderer(), metav1.GetOptions{})
}

// HPA returns the renderer's HorizontalPodAutoscaler.
func (r Release) HPA(ctx context.Context) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	return r.AutoscalingV2().HorizontalPodAutoscalers(r.Namespace).Get(ctx, r.Renderer(), metav1.GetOptions{})
}

// Pods returns the renderer's pods that are not being deleted.
func (r Release) Pods(ctx context.Context) ([]corev1.Pod, error) {
	return r.LivePods(ctx, r.Namespace, r.RendererSelector())
}

// LivePods returns the pods that a selector finds and that are not being deleted.
func (c *Client) LivePods(ctx context.Context, namespace, selector string) ([]corev1.Pod, error) {
	var alive []corev1.Pod
	options := metav1.ListOptions{LabelSelector: selector, Limit: podsPerPage}
	for range maxPages {
		list, err := c.CoreV1().Pods(namespace).List(ctx, options)
		if err != nil {
			return nil, err
		}
		for _, pod := range list.Items {
			if pod.DeletionTimestamp == nil {
				// Who changed which field is the largest part of many pods.
				pod.ManagedFields = nil
				alive = append(alive, pod)
			}
		}
		if options.Continue = list.Continue; options.Continue == "" {
			return alive, nil
		}
	}
	return nil, &TooMuch{Who: APIServer, What: fmt.Sprintf("more than %d pods", maxPages*podsPerPage)}
}

// Ready reports whether a pod is Ready. One without the condition, which no kubelet has seen yet, is not.
func Ready(pod corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(condition corev1.PodCondition) bool {
		return condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
	})
}

// Took returns the time from a pod's creation until a condition was met, in whole seconds, as Kubernetes keeps it, and whether
// it is met.
func Took(pod corev1.Pod, kind corev1.PodConditionType) (time.Duration, bool) {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == kind && condition.Status == corev1.ConditionTrue {
			return condition.LastTransitionTime.Sub(pod.CreationTimestamp.Time), true
		}
	}
	return 0, false
}

// Condition returns an autoscaler's condition of that kind, nil where the autoscaler has none.
func Condition(hpa *autoscalingv2.HorizontalPodAutoscaler, kind autoscalingv2.HorizontalPodAutoscalerConditionType) *autoscalingv2.HorizontalPodAutoscalerCondition {
	for i, condition := range hpa.Status.Conditions {
		if condition.Type == kind {
			return &hpa.Status.Conditions[i]
		}
	}
	return nil
}

// A page of pods stays below maxItems, of which one with two sidecars has 200, and all
// pages together fit into the doctor's memory.
const (
	podsPerPage = 50
	maxPages    = 80
)

// Query evaluates a PromQL expression in the release's Prometheus, now.
func (r Release) Query(ctx context.Context, expression string) (model.Vector, error) {
	api, err := r.Prometheus()
	if err != nil {
		return nil, err
	}
	return Vector(ctx, api, expression)
}

// Vector evaluates a PromQL expression that gives series, now by Prometheus' clock. A machine whose clock is ahead would ask for a
// time of which Prometheus has no samples yet.
func Vector(ctx context.Context, api prometheusv1.API, expression string) (model.Vector, error) {
	value, _, err := api.Query(ctx, expression, time.Time{})
	return vectorOf(expression, value, err)
}

// VectorByRange is Vector by a request for a range of one moment. Prometheus counts it with those for ranges, so that
// its count of the others is that of who scales on them.
func VectorByRange(ctx context.Context, api prometheusv1.API, expression string) (model.Vector, error) {
	now := time.Now()
	value, _, err := api.QueryRange(ctx, expression, prometheusv1.Range{Start: now, End: now, Step: time.Second})
	if matrix, ok := value.(model.Matrix); ok {
		vector := model.Vector{}
		for _, series := range matrix {
			switch {
			case series == nil:
				vector = append(vector, nil)
			case len(series.Values) > 0:
				last := series.Values[len(series.Values)-1]
				vector = append(vector, &model.Sample{Metric: series.Metric, Value: last.Value, Timestamp: last.Timestamp})
			}
		}
		value = vector
	}
	return vectorOf(expression, value, err)
}

// vectorOf returns the vector that Prometheus' answer to an expression is, or why it is none.
func vectorOf(expression string, value model.Value, err error) (model.Vector, error) {
	if err != nil {
		// The error's text is only "server error: 503": the server's words are its detail.
		var said *prometheusv1.Error
		if errors.As(err, &said) && said.Detail != "" {
			err = fmt.Errorf("%w: %s", err, said.Detail)
		}
		return nil, fmt.Errorf("query %s: %w", expression, err)
	}
	vector, ok := value.(model.Vector)
	switch {
	case value == nil:
		return nil, fmt.Errorf("query %s: got nothing, want a vector", expression)
	case !ok:
		return nil, fmt.Errorf("query %s: got a %s, want a vector", expression, value.Type())
	case slices.Contains(vector, nil):
		return nil, fmt.Errorf("query %s: got a sample that is null", expression)
	}
	return vector, nil
}

// Scalar evaluates an expression that gives one number. Found is false where the
// result is empty, which is not the same as zero.
func (r Release) Scalar(ctx context.Context, expression string) (value float64, found bool, err error) {
	vector, err := r.Query(ctx, expression)
	if err != nil || len(vector) == 0 {
		return 0, false, err
	}
	if len(vector) > 1 {
		return 0, false, fmt.Errorf("query %s: %d series, want one", expression, len(vector))
	}
	return float64(vector[0].Value), true, nil
}

// Prometheus returns the API of the release's own Prometheus.
func (r Release) Prometheus() (prometheusv1.API, error) {
	return r.PrometheusAt(r.prometheus())
}

// prometheus returns the address of the release's own Prometheus, and what it wants to
// see.
func (r Release) prometheus() (string, Access) {
	name := r.Name + "-prometheus"
	access := Access{Login: &Login{Namespace: r.Namespace, Name: name + "-login"}}
	if r.Open {
		access = Access{}
	}
	return fmt.Sprintf("http://%s.%s.svc:9090", name, r.Namespace), access
}

// MetricsVersion returns the version of the custom metrics API that the HPA uses, as it finds it by discovery: the preferred
// one, or the first that it reads.
func (c *Client) MetricsVersion(ctx context.Context) (string, error) {
	raw, err := Raw(ctx, c.Discovery().RESTClient().Get().AbsPath("/apis/"+Group).Timeout(callTimeout))
	if err != nil {
		return "", fmt.Errorf("%s is not served: %w", Group, err)
	}
	var group metav1.APIGroup
	if err := json.Unmarshal(raw, &group); err != nil {
		return "", err
	}
	for _, version := range append([]metav1.GroupVersionForDiscovery{group.PreferredVersion}, group.Versions...) {
		if slices.Contains(metricsVersions, version.Version) {
			return version.Version, nil
		}
	}
	return "", fmt.Errorf("%s is served in none of the versions that an autoscaler reads: %s", Group, strings.Join(metricsVersions, ", "))
}

// Metrics lists the names that the custom metrics API says it serves, such as
// "pods/holograph_frames_over_budget_total".
func (c *Client) Metrics(ctx context.Context) ([]string, error) {
	version, err := c.MetricsVersion(ctx)
	if err != nil {
		return nil, err
	}
	list, err := c.Discovery().ServerResourcesForGroupVersion(Group + "/" + version)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, resource := range list.APIResources {
		names = append(names, resource.Name)
	}
	return names, nil
}

// ExternalMetric returns the total that the external metrics API serves under that name and selector, as the HPA
// asks for it.
func (c *Client) ExternalMetric(ctx context.Context, namespace string, metric autoscalingv2.MetricIdentifier) (resource.Quantity, error) {
	request := c.Discovery().RESTClient().Get().SetHeader("Accept", AutoscalersAccept).
		AbsPath("/apis/external.metrics.k8s.io/v1beta1/namespaces", namespace, metric.Name)
	if metric.Selector != nil {
		request = request.Param("labelSelector", metav1.FormatLabelSelector(metric.Selector))
	}
	var total resource.Quantity
	raw, err := Raw(ctx, request)
	if err != nil {
		return total, err
	}
	list, err := decode[externalmetrics.ExternalMetricValueList](raw)
	if err != nil {
		return total, err
	}
	if len(list.Items) == 0 {
		return total, errors.New("there is no value")
	}
	for _, item := range list.Items {
		// To add numbers whose exponents lie far apart writes out all digits between them.
		if value := item.Value.AsApproximateFloat64(); len(list.Items) > 1 && math.Abs(value) > math.MaxInt64 {
			return total, fmt.Errorf("a part of it is %s, which no total can hold", item.Value.String())
		}
		total.Add(item.Value)
	}
	return total, nil
}

// PodMetric returns a metric of the renderer's pods on the custom metrics API,
// by pod, in the metric's own unit.
func (r Release) PodMetric(ctx context.Context, metric string) (map[string]float64, error) {
	return r.MetricOfPods(ctx, r.Namespace, r.RendererSelector(), metric)
}

// RawPodMetric is PodMetric as the API answers it, in JSON.
func (r Release) RawPodMetric(ctx context.Context, metric string) ([]byte, error) {
	return r.rawMetric(ctx, runtime.ContentTypeJSON, r.Namespace, "pods", "*", metric, r.RendererSelector())
}

// MetricOfPods returns a metric of the pods that a selector finds on the custom
// metrics API, by pod, in the metric's own unit.
func (c *Client) MetricOfPods(ctx context.Context, namespace, selector, metric string) (map[string]float64, error) {
	raw, err := c.rawMetric(ctx, AutoscalersAccept, namespace, "pods", "*", metric, selector)
	if err != nil {
		return nil, err
	}
	items, err := metricValues(raw)
	if err != nil {
		return nil, err
	}
	values := map[string]float64{}
	for _, item := range items {
		values[item.DescribedObject.Name] = item.Value.AsApproximateFloat64()
	}
	return values, nil
}

// MetricOfObject returns a metric of one object on the custom metrics API. The kind is its resource
// and group, such as "deployments.apps".
func (c *Client) MetricOfObject(ctx context.Context, namespace, kind, name, metric string) (resource.Quantity, error) {
	raw, err := c.rawMetric(ctx, AutoscalersAccept, namespace, kind, name, metric, "")
	if err != nil {
		return resource.Quantity{}, err
	}
	items, err := metricValues(raw)
	if err != nil {
		return resource.Quantity{}, err
	}
	if len(items) != 1 {
		return resource.Quantity{}, fmt.Errorf("%s of %s/%s has %d values, want 1", metric, kind, name, len(items))
	}
	return items[0].Value, nil
}

func (c *Client) rawMetric(ctx context.Context, accept, namespace, resource, name, metric, selector string) ([]byte, error) {
	version, err := c.MetricsVersion(ctx)
	if err != nil {
		return nil, err
	}
	request := c.Discovery().RESTClient().Get().SetHeader("Accept", accept).
		AbsPath("/apis", Group, version, "namespaces", namespace, resource, name, metric)
	if selector != "" {
		request = request.Param("labelSelector", selector)
	}
	raw, err := Raw(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", metric, err)
	}
	return raw, nil
}

// Raw sends a request and returns the answer as it is. An error holds the API
// server's words, which client-go keeps only for answers that it decodes.
func Raw(ctx context.Context, request *rest.Request) ([]byte, error) {
	raw, err := request.DoRaw(ctx)
	if err != nil {
		if status := statusOf(raw); status != nil {
			err = apierrors.FromObject(status)
		}
		return nil, err
	}
	return raw, nil
}
