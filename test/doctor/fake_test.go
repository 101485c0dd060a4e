package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
	"holograph/test/internal/kube"
	"holograph/test/internal/kube/fakeapi"
)

// cluster is what an API server answers about an installed release: the objects
// that the chart renders, and what a running cluster adds to them.
type cluster struct {
	// mutex is held while a request is answered.
	mutex sync.Mutex

	deployments map[string]*appsv1.Deployment
	configMaps  []*corev1.ConfigMap
	services    []*corev1.Service
	secrets     []*corev1.Secret
	// login is the Authorization header that Prometheus requires.
	login        string
	pods         []*corev1.Pod
	hpas         map[string]*autoscalingv2.HorizontalPodAutoscaler
	apiServices  map[string]*apiregistrationv1.APIService
	scaledObject map[string]any
	// workloads are those that are no Deployments, by the end of their path.
	workloads map[string]any
	// exported is what each pod answers at /metrics, by pod.
	exported map[string]string
	// samples are what Prometheus has.
	samples []sample
	// answers are what Prometheus answers to whole expressions.
	answers map[string][]any
	// prometheusDown is what the API server answers in Prometheus' place.
	prometheusDown *metav1.Status
	// targetError is the last error of each target that is down.
	targetError string
	// now is the time by Prometheus' clock, and prometheusStarted when it began; zero is one that does not say.
	now, prometheusStarted time.Time
	// versions are those of the custom metrics API, the preferred one first; values
	// is what it serves, by metric and pod.
	versions []string
	values   map[string]map[string]string
	// objects is what it serves of the Deployment as a whole, by metric.
	objects map[string]string
	// unserved makes the API server unable to reach the adapter.
	unserved bool
	// valuesError is what the adapter answers in place of values.
	valuesError *metav1.Status
	// totals are what KEDA serves, by metric.
	totals map[string]string
	// age is the age of all samples, as Prometheus writes numbers; if it is empty, each sample has its own.
	age string
	// token is the bearer token of the kubeconfig; empty is "fake", which is no secret.
	token string
	// asked is the selector of the last request for a metric of pods.
	asked string
	// busy is a part of the path of the requests that are answered with 429 and the wish to come back in an hour.
	busy string
	// forbidden refuses what the path of a request matches, with its message.
	forbidden map[string]string
}

// sample is a series' newest one.
type sample struct {
	name   string
	labels map[string]string
	value  string
	age    time.Duration
}

const namespace = chart.DefaultNamespace

// started is when everything in the cluster began.
var started = metav1.NewTime(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))

// renderings holds what was rendered, by values: rendering takes a hundred times as
// long as a walk does, and each test decodes objects of its own.
var renderings sync.Map

func render(t *testing.T, values string) *chart.Rendered {
	t.Helper()
	rendered, found := renderings.Load(values)
	if !found {
		rendered, _ = renderings.LoadOrStore(values, chart.Render(t, chart.Parse(t, values)))
	}
	return rendered.(*chart.Rendered)
}

// healthy returns a cluster with a release on which nothing is wrong: two renderer
// pods, an adapter, a Prometheus, an autoscaler at rest.
func healthy(t *testing.T, values string) *cluster {
	t.Helper()
	rendered := render(t, values)
	c := &cluster{
		deployments: map[string]*appsv1.Deployment{},
		hpas:        map[string]*autoscalingv2.HorizontalPodAutoscaler{},
		apiServices: map[string]*apiregistrationv1.APIService{},
		exported:    map[string]string{},
		versions:    []string{"v1beta2", "v1beta1"},
		values:      map[string]map[string]string{},
		objects:     map[string]string{},
		totals:      map[string]string{},
		forbidden:   map[string]string{},
		now:         started.Add(time.Hour),
	}
	c.configMaps = chart.Of[*corev1.ConfigMap](t, rendered)
	c.services = chart.Of[*corev1.Service](t, rendered)
	c.secrets = chart.Of[*corev1.Secret](t, rendered)
	for _, secret := range c.secrets {
		c.login += string(secret.Data["authorization"])
	}
	for _, config := range c.configMaps {
		config.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "helm", Time: &started}}
	}
	for _, deployment := range chart.Of[*appsv1.Deployment](t, rendered) {
		replicas := int32(1)
		if deployment.Name == "holograph-renderer" {
			replicas = 2
		}
		deployment.Spec.Replicas = &replicas
		deployment.Status = appsv1.DeploymentStatus{Replicas: replicas, UpdatedReplicas: replicas, ReadyReplicas: replicas}
		c.deployments[deployment.Name] = deployment
		for i := range replicas {
			template := deployment.Spec.Template
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
				Name: fmt.Sprintf("%s-%d", deployment.Name, i), Namespace: namespace,
				Labels: template.Labels, Annotations: template.Annotations, CreationTimestamp: started,
			}}
			pod.Spec.Containers = template.Spec.Containers
			pod.Status = corev1.PodStatus{
				Phase:      corev1.PodRunning,
				PodIP:      fmt.Sprintf("10.0.%d.%d", len(c.deployments), i),
				Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: started}},
				ContainerStatuses: []corev1.ContainerStatus{{
					Name: template.Spec.Containers[0].Name, Image: template.Spec.Containers[0].Image, Ready: true,
					State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
				}},
			}
			c.pods = append(c.pods, pod)
			if deployment.Name == "holograph-renderer" {
				c.measure(pod)
			}
		}
	}
	for _, service := range chart.Of[*apiregistrationv1.APIService](t, rendered) {
		service.Status.Conditions = []apiregistrationv1.APIServiceCondition{{Type: apiregistrationv1.Available, Status: apiregistrationv1.ConditionTrue}}
		c.apiServices[service.Name] = service
	}
	for _, hpa := range chart.Of[*autoscalingv2.HorizontalPodAutoscaler](t, rendered) {
		hpa.Status = autoscalingv2.HorizontalPodAutoscalerStatus{
			CurrentReplicas: 2, DesiredReplicas: 2,
			Conditions: []autoscalingv2.HorizontalPodAutoscalerCondition{
				{Type: autoscalingv2.AbleToScale, Status: corev1.ConditionTrue, Reason: "ReadyForNewScale"},
				{Type: autoscalingv2.ScalingActive, Status: corev1.ConditionTrue, Reason: "ValidMetricFound"},
				{Type: autoscalingv2.ScalingLimited, Status: corev1.ConditionTrue, Reason: "TooFewReplicas"},
			},
		}
		for _, metric := range hpa.Spec.Metrics {
			status, current := autoscalingv2.MetricStatus{Type: metric.Type}, autoscalingv2.MetricValueStatus{AverageValue: resource.NewMilliQuantity(31, resource.DecimalSI)}
			switch {
			case metric.External != nil:
				status.External = &autoscalingv2.ExternalMetricStatus{Metric: metric.External.Metric, Current: current}
			case metric.Object != nil:
				c.objects[metric.Object.Metric.Name] = "62m"
				delete(c.values, metric.Object.Metric.Name)
				status.Object = &autoscalingv2.ObjectMetricStatus{Metric: metric.Object.Metric, Current: current}
			default:
				status.Pods = &autoscalingv2.PodsMetricStatus{Metric: metric.Pods.Metric, Current: current}
			}
			hpa.Status.CurrentMetrics = append(hpa.Status.CurrentMetrics, status)
		}
		c.hpas[hpa.Name] = hpa
	}
	return c
}

// measure lets a renderer pod export its metrics, Prometheus have them, and the
// adapter serve them.
func (c *cluster) measure(pod *corev1.Pod) {
	origin := map[string]string{"namespace": namespace, "pod": pod.Name, "container": "renderer", "instance": pod.Status.PodIP + ":8080"}
	c.exported[pod.Name] = "# TYPE holograph_frames_over_budget_total counter\nholograph_frames_over_budget_total 0\n" +
		"holograph_offered_cpu_seconds_total{view=\"left eye\"} 1\nholograph_cpu_capacity_cores 1\n"
	c.samples = append(c.samples, sample{name: "up", labels: origin, value: "1"})
	for _, name := range []string{"holograph_frames_over_budget_total", "holograph_offered_cpu_seconds_total", "holograph_cpu_capacity_cores"} {
		c.samples = append(c.samples, sample{name: name, labels: origin, value: "1", age: 7 * time.Second})
	}
	for _, metric := range []string{"holograph_frames_over_budget_total", "holograph_demand"} {
		if c.values[metric] == nil {
			c.values[metric] = map[string]string{}
		}
		c.values[metric][pod.Name] = "31m"
	}
}

// pod returns a pod by its name.
func (c *cluster) pod(name string) *corev1.Pod {
	for _, pod := range c.pods {
		if pod.Name == name {
			return pod
		}
	}
	panic("no pod " + name)
}

// configMap returns a ConfigMap by its name.
func (c *cluster) configMap(name string) *corev1.ConfigMap {
	for _, config := range c.configMaps {
		if config.Name == name {
			return config
		}
	}
	panic("no ConfigMap " + name)
}

// relabel changes the labels of all samples.
func (c *cluster) relabel(change func(labels map[string]string)) {
	for _, sample := range c.samples {
		change(sample.labels)
	}
}

// forget drops samples.
func (c *cluster) forget(name, pod string) {
	var kept []sample
	for _, sample := range c.samples {
		if sample.name != name || sample.labels["pod"] != pod {
			kept = append(kept, sample)
		}
	}
	c.samples = kept
}

// serve starts an API server that answers for the cluster, and returns a
// kubeconfig for it.
func (c *cluster) serve(t *testing.T) (kubeconfig string) {
	t.Helper()
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return kubeconfigFor(t, server.URL, cmp.Or(c.token, "fake"))
}

// kubeconfigFor writes a kubeconfig for an API server.
func kubeconfigFor(t *testing.T, server, token string) (kubeconfig string) {
	t.Helper()
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(kubeconfig, fmt.Appendf(nil, `
apiVersion: v1
kind: Config
current-context: fake
contexts: [{name: fake, context: {cluster: fake, user: fake, namespace: %s}}]
clusters: [{name: fake, cluster: {server: %q}}]
users: [{name: fake, user: {token: %q}}]
`, namespace, server, token), 0o600))
	return kubeconfig
}

// client returns a client of the cluster.
func (c *cluster) client(t *testing.T) *kube.Client {
	t.Helper()
	client, err := kube.Connect(c.serve(t))
	require.NoError(t, err)
	return client
}

// ServeHTTP implements http.Handler.
func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !c.answered(w, r) {
		// A forwarded port stays open until its client closes it.
		fakeapi.Forward(w, r, http.HandlerFunc(c.behindLogin), "")
	}
}

// behindLogin answers for a Prometheus that requires the login.
func (c *cluster) behindLogin(w http.ResponseWriter, r *http.Request) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if r.Header.Get("Authorization") != c.login {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if c.busy != "" && strings.HasPrefix(r.URL.Path, c.busy) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	object, err := c.prometheus(strings.TrimPrefix(r.URL.Path, "/api/v1/"), r.FormValue("query"), r.FormValue("time"))
	fakeapi.Answer(w, object, err)
}

// answered answers every request but one to forward a port of Prometheus' pod.
func (c *cluster) answered(w http.ResponseWriter, r *http.Request) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.busy != "" && strings.Contains(r.URL.Path, c.busy) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}
	for path, message := range c.forbidden {
		if regexp.MustCompile(path).MatchString(r.URL.Path) {
			fakeapi.Answer(w, nil, &apierrors.StatusError{ErrStatus: metav1.Status{
				Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: message,
			}})
			return true
		}
	}
	if strings.HasSuffix(r.URL.Path, "/pods/holograph-prometheus-0/portforward") {
		if c.prometheusDown != nil {
			fakeapi.Answer(w, nil, &apierrors.StatusError{ErrStatus: *c.prometheusDown})
		}
		return c.prometheusDown != nil
	}
	object, err := c.get(w, r)
	if object != nil || err != nil {
		fakeapi.Answer(w, object, err)
	}
	return true
}

// get returns the object at a path, or nil if it has written the answer itself.
func (c *cluster) get(w http.ResponseWriter, r *http.Request) (any, error) {
	in := func(group, version, resource string) (name string, found bool) {
		root := "/api/" + version
		if group != "" {
			root = "/apis/" + group + "/" + version
		}
		return strings.CutPrefix(r.URL.Path, root+"/namespaces/"+namespace+"/"+resource)
	}
	selector, err := labels.Parse(r.FormValue("labelSelector"))
	if err != nil {
		return nil, err
	}
	if name, found := in("apps", "v1", "deployments/"); found {
		return one(c.deployments[name], "deployments", name)
	}
	if name, found := in("autoscaling", "v2", "horizontalpodautoscalers/"); found {
		return one(c.hpas[name], "horizontalpodautoscalers", name)
	}
	if name, found := strings.CutPrefix(r.URL.Path, "/apis/apiregistration.k8s.io/v1/apiservices/"); found {
		return one(c.apiServices[name], "apiservices", name)
	}
	for path, workload := range c.workloads {
		if strings.HasSuffix(r.URL.Path, "/namespaces/"+namespace+"/"+path) {
			return workload, nil
		}
	}
	if name, found := in("keda.sh", "v1alpha1", "scaledobjects/"); found {
		if c.scaledObject == nil {
			return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "scaledobjects"}, name)
		}
		return c.scaledObject, nil
	}
	if name, found := in("external.metrics.k8s.io", "v1beta1", ""); found {
		items := []any{}
		if total, has := c.totals[name]; has {
			items = append(items, map[string]string{"metricName": name, "value": total})
		}
		return map[string]any{"kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1", "items": items}, nil
	}
	if rest, found := in("", "v1", "services/http:holograph-prometheus:9090/proxy/api/v1/"); found {
		if c.prometheusDown != nil {
			return nil, &apierrors.StatusError{ErrStatus: *c.prometheusDown}
		}
		return c.prometheus(rest, r.FormValue("query"), r.FormValue("time"))
	}
	if name, found := in("", "v1", "services/"); found {
		for _, service := range c.services {
			if service.Name == name {
				return service, nil
			}
		}
	}
	if name, found := in("", "v1", "secrets/"); found {
		for _, secret := range c.secrets {
			if secret.Name == name {
				return secret, nil
			}
		}
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name)
	}
	if rest, found := in("", "v1", "pods/"); found {
		pod, path, _ := strings.Cut(rest, ":8080/proxy")
		if text := c.exported[pod]; text != "" && path == "/metrics" {
			fmt.Fprint(w, text)
		} else {
			http.NotFound(w, r)
		}
		return nil, nil
	}
	if rest, found := in("", "v1", "pods"); found && rest == "" {
		list := &corev1.PodList{}
		for _, pod := range c.pods {
			if selector.Matches(labels.Set(pod.Labels)) {
				list.Items = append(list.Items, *pod)
			}
		}
		return list, nil
	}
	if name, found := in("", "v1", "configmaps"); found {
		list := &corev1.ConfigMapList{}
		for _, config := range c.configMaps {
			if name == "/"+config.Name {
				return config, nil
			}
			if selector.Matches(labels.Set(config.Labels)) {
				list.Items = append(list.Items, *config)
			}
		}
		if name != "" {
			return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, name)
		}
		return list, nil
	}
	if len(c.versions) == 0 {
		// No APIService registers this group.
		http.NotFound(w, r)
		return nil, nil
	}
	return c.customMetrics(r.URL.Path, selector)
}

func one[T any](object *T, resource, name string) (any, error) {
	if object == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: resource}, name)
	}
	return object, nil
}

const customMetrics = "custom.metrics.k8s.io"

// served is the version of the custom metrics API that an autoscaler uses: the first that it reads.
func (c *cluster) served() string {
	return c.versions[slices.IndexFunc(c.versions, func(version string) bool { return version == "v1beta1" || version == "v1beta2" })]
}

// customMetrics answers for the adapter.
func (c *cluster) customMetrics(path string, selector labels.Selector) (any, error) {
	rest, found := strings.CutPrefix(path, "/apis/"+customMetrics)
	if !found {
		return nil, apierrors.NewNotFound(schema.GroupResource{}, path)
	}
	if rest == "" {
		group := metav1.APIGroup{Name: customMetrics}
		for _, version := range c.versions {
			group.Versions = append(group.Versions, metav1.GroupVersionForDiscovery{GroupVersion: customMetrics + "/" + version, Version: version})
		}
		group.PreferredVersion = group.Versions[0]
		return group, nil
	}
	served := c.served()
	rest, found = strings.CutPrefix(rest, "/"+served)
	if !found {
		return nil, fmt.Errorf("asked for %s, and an autoscaler asks for %s", path, served)
	}
	if c.unserved {
		return nil, apierrors.NewServiceUnavailable("the server is currently unable to handle the request")
	}
	if rest == "" {
		list := metav1.APIResourceList{GroupVersion: customMetrics + "/" + served}
		for metric := range c.values {
			list.APIResources = append(list.APIResources, metav1.APIResource{Name: "pods/" + metric, Namespaced: true})
		}
		for metric := range c.objects {
			list.APIResources = append(list.APIResources, metav1.APIResource{Name: "deployments.apps/" + metric, Namespaced: true})
		}
		return list, nil
	}
	if c.valuesError != nil {
		return nil, &apierrors.StatusError{ErrStatus: *c.valuesError}
	}
	if metric, found := strings.CutPrefix(rest, "/namespaces/"+namespace+"/deployments.apps/holograph-renderer/"); found {
		value, has := c.objects[metric]
		if !has || value == "" {
			// As prometheus-adapter says it.
			return nil, &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound,
				Message: "the server could not find the metric " + metric + " for deployments.apps holograph-renderer"}}
		}
		return map[string]any{"items": []any{map[string]any{"describedObject": map[string]string{"kind": "Deployment", "name": "holograph-renderer"}, "value": value}}}, nil
	}
	metric := strings.TrimPrefix(rest, "/namespaces/"+namespace+"/pods/*/")
	c.asked = selector.String()
	items := []any{}
	for pod, value := range c.values[metric] {
		if !slices.ContainsFunc(c.pods, func(p *corev1.Pod) bool { return p.Name == pod && selector.Matches(labels.Set(p.Labels)) }) {
			continue
		}
		items = append(items, map[string]any{"describedObject": map[string]string{"kind": "Pod", "name": pod}, "value": value})
	}
	return map[string]any{"items": items}, nil
}

// query matches what the doctor asks Prometheus.
var query = regexp.MustCompile(`^(time\(\) - timestamp\()?([\w:]*)(?:\{(?:"([^"]+)")?(.*)\})?\)?$`)

// prometheus answers for Prometheus.
func (c *cluster) prometheus(endpoint, expression, at string) (any, error) {
	if at != "" {
		// What Prometheus has at a time that this machine names depends on this machine's clock.
		return nil, fmt.Errorf("the time of %s is %s, want none, which is Prometheus' own", expression, at)
	}
	if endpoint == "targets" {
		active := []any{}
		for _, sample := range c.samples {
			if sample.name == "up" && sample.value == "0" {
				active = append(active, map[string]any{"labels": sample.labels, "scrapeUrl": "http://" + sample.labels["instance"] + "/metrics", "health": "down", "lastError": c.targetError})
			}
		}
		return success(map[string]any{"activeTargets": active}), nil
	}
	if endpoint == "status/runtimeinfo" {
		if c.prometheusStarted.IsZero() {
			return nil, apierrors.NewNotFound(schema.GroupResource{}, endpoint)
		}
		return success(map[string]any{"startTime": c.prometheusStarted}), nil
	}
	switch expression {
	case "vector(1)":
		return success(vector(map[string]any{"metric": map[string]string{}, "value": []any{0, "1"}})), nil
	case "vector(time())":
		return success(vector(map[string]any{"metric": map[string]string{}, "value": []any{0, fmt.Sprint(c.now.Unix())}})), nil
	}
	if results, known := c.answers[expression]; known {
		return success(vector(results...)), nil
	}
	match := query.FindStringSubmatch(expression)
	if match == nil {
		return nil, errors.New("the fake Prometheus cannot evaluate " + expression)
	}
	var results []any
	for _, sample := range c.samples {
		if sample.name != cmp.Or(match[2], match[3]) || !matches(sample.labels, match[4]) {
			continue
		}
		value := sample.value
		if match[1] != "" {
			value = cmp.Or(c.age, fmt.Sprint(sample.age.Seconds()))
		}
		results = append(results, map[string]any{"metric": sample.labels, "value": []any{0, value}})
	}
	return success(vector(results...)), nil
}

func matches(labels map[string]string, matchers string) bool {
	for _, matcher := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(matchers, -1) {
		if labels[matcher[1]] != matcher[2] {
			return false
		}
	}
	return true
}

func vector(results ...any) any {
	if results == nil {
		results = []any{}
	}
	return map[string]any{"resultType": "vector", "result": results}
}

func success(data any) any { return map[string]any{"status": "success", "data": data} }

// edit changes the rules in the adapter's configuration.
func (c *cluster) edit(t *testing.T, change func(rules []map[string]any) []map[string]any) {
	t.Helper()
	config := c.configMap("holograph-prometheus-adapter")
	var file struct {
		Rules []map[string]any `json:"rules"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(config.Data["config.yaml"]), &file))
	file.Rules = change(file.Rules)
	text, err := yaml.Marshal(file)
	require.NoError(t, err)
	config.Data["config.yaml"] = string(text)
}
