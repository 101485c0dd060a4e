// Package adapter answers the HPA controller's metric requests as prometheus-adapter v0.12,
// metrics-server and KEDA would: from rules and triggers, over the samples that Prometheus holds.
package adapter

import (
	"context"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	klabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	"sigs.k8s.io/prometheus-adapter/pkg/client"
	"sigs.k8s.io/prometheus-adapter/pkg/config"
	"sigs.k8s.io/prometheus-adapter/pkg/naming"

	"holograph/test/internal/chart"
	"holograph/test/sim/query"
)

// Cluster is what the adapter sees of the world.
type Cluster interface {
	// AdvanceTo brings the cluster up to now.
	AdvanceTo(now time.Time)
	// Pods lists the pods that exist, all of them with the same labels.
	Pods() []*corev1.Pod
}

// Answer is one answer to the HPA controller.
type Answer struct {
	At     time.Time
	Metric string
	// Pods holds values in thousandths for a Pods or Resource metric; Value is that of an Object or
	// External metric.
	Pods  metrics.PodMetricsInfo
	Value int64
	Err   error
}

// Adapter implements the HPA controller's MetricsClient.
type Adapter struct {
	store   *query.Store
	epoch   time.Time
	cluster Cluster
	latency time.Duration
	metrics map[string]*metric
	cpu     *query.Query
	pods    map[string]struct{}

	// Down says whether requests for a metric fail at the moment; nil means never.
	Down func(metric string, now time.Time) bool
	// Observe is called with every answer; nil is fine.
	Observe func(Answer)
	// Requests counts the requests so far.
	Requests int
}

type metric struct {
	resourceLabel string
	query         *query.Query
	values        map[string]float64
	// trigger is KEDA's, which serves the metric in place of a rule.
	trigger *Trigger
}

var _ metrics.MetricsClient = (*Adapter)(nil)

// New compiles the queries that the HPA's metrics need over store. An External metric is KEDA's where triggers has its
// name. The exported names and labels say which series exist. Times in the store count from epoch; every request takes
// latency.
func New(rules config.MetricsDiscoveryConfig, triggers map[string]Trigger, hpa *autoscalingv2.HorizontalPodAutoscaler, store *query.Store, exported []string, series labels.Labels, latency time.Duration) (*Adapter, error) {
	a := &Adapter{store: store, latency: latency, metrics: map[string]*metric{}, pods: map[string]struct{}{}}
	for i, spec := range hpa.Spec.Metrics {
		var err error
		switch spec.Type {
		case autoscalingv2.PodsMetricSourceType:
			err = a.custom(rules.Rules, spec.Pods.Metric, schema.GroupResource{Resource: "pods"}, query.PodsMatcher, hpa.Namespace, exported, series)
		case autoscalingv2.ObjectMetricSourceType:
			object := spec.Object.DescribedObject
			resource, _ := meta.UnsafeGuessKindToResource(schema.FromAPIVersionAndKind(object.APIVersion, object.Kind))
			err = a.custom(rules.Rules, spec.Object.Metric, resource.GroupResource(), object.Name, hpa.Namespace, exported, series)
		case autoscalingv2.ExternalMetricSourceType:
			if trigger, ok := triggers[spec.External.Metric.Name]; ok {
				err = a.trigger(spec.External.Metric.Name, trigger)
				break
			}
			err = a.external(rules.ExternalRules, spec.External.Metric, hpa.Namespace, exported, series)
		case autoscalingv2.ResourceMetricSourceType:
			if spec.Resource.Name != corev1.ResourceCPU {
				err = fmt.Errorf("the simulator knows no resource %q; use cpu", spec.Resource.Name)
				break
			}
			a.cpu, err = query.Compile(store, "irate(process_cpu_seconds_total[1m])")
		default:
			err = fmt.Errorf("the simulator knows no metrics of type %s", spec.Type)
		}
		if err != nil {
			return nil, fmt.Errorf("spec.metrics[%d]: %w", i, err)
		}
	}
	return a, nil
}

// Attach sets the cluster and the time that the store's times count from.
func (a *Adapter) Attach(cluster Cluster, epoch time.Time) { a.cluster, a.epoch = cluster, epoch }

// Reads returns the metrics that the queries read and how far back they look.
func (a *Adapter) Reads() (names []string, horizon time.Duration) {
	seen := map[string]bool{}
	add := func(q *query.Query) {
		for _, name := range q.Metrics() {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
		horizon = max(horizon, q.Horizon())
	}
	for _, m := range a.metrics {
		if m.query != nil {
			add(m.query)
		}
	}
	if a.cpu != nil {
		add(a.cpu)
	}
	return names, horizon
}

func (a *Adapter) custom(rules []config.DiscoveryRule, id autoscalingv2.MetricIdentifier, group schema.GroupResource, name, namespace string, exported []string, ls labels.Labels) error {
	// The adapter keeps the last rule that gives a metric.
	for i := len(rules) - 1; i >= 0; i-- {
		namer, series, err := find(rules[i], id.Name, exported, ls)
		if err != nil {
			return fmt.Errorf("rules[%d]: %w", i, err)
		}
		if series == "" {
			continue
		}
		label, err := namer.LabelForResource(group)
		if err != nil {
			continue
		}
		within := namespace
		if group == naming.NsGroupResource {
			within = ""
		} else if _, err := namer.LabelForResource(naming.NsGroupResource); err != nil {
			continue
		}
		text, err := namer.QueryForSeries(series, group, within, selector(id), name)
		if err != nil {
			return fmt.Errorf("rules[%d].metricsQuery: %w", i, err)
		}
		q, err := query.Compile(a.store, string(text))
		if err != nil {
			return fmt.Errorf("rules[%d].metricsQuery: %w", i, err)
		}
		a.metrics[id.Name] = &metric{resourceLabel: string(label), query: q, values: map[string]float64{}}
		return nil
	}
	return fmt.Errorf("no adapter rule gives the metric %q for %s", id.Name, group)
}

func (a *Adapter) external(rules []config.DiscoveryRule, id autoscalingv2.MetricIdentifier, namespace string, exported []string, ls labels.Labels) error {
	for i := len(rules) - 1; i >= 0; i-- {
		namer, series, err := find(rules[i], id.Name, exported, ls)
		if err != nil {
			return fmt.Errorf("externalRules[%d]: %w", i, err)
		}
		if series == "" {
			continue
		}
		text, err := namer.QueryForExternalSeries(series, namespace, selector(id))
		if err != nil {
			return fmt.Errorf("externalRules[%d].metricsQuery: %w", i, err)
		}
		q, err := query.Compile(a.store, string(text))
		if err != nil {
			return fmt.Errorf("externalRules[%d].metricsQuery: %w", i, err)
		}
		a.metrics[id.Name] = &metric{query: q}
		return nil
	}
	return fmt.Errorf("no external adapter rule gives the metric %q", id.Name)
}

// find returns the exported series that the rule serves under the given name, "" where it serves none.
func find(rule config.DiscoveryRule, name string, exported []string, ls labels.Labels) (naming.MetricNamer, string, error) {
	namer, err := chart.Namer(rule)
	if err != nil {
		return nil, "", err
	}
	matchers, err := query.Selector(rule.SeriesQuery)
	if err != nil {
		return nil, "", fmt.Errorf("seriesQuery: %w", err)
	}
	var matching []client.Series
	for _, series := range exported {
		with := labels.NewBuilder(ls).Set(labels.MetricName, series).Labels()
		matches := true
		for _, m := range matchers {
			matches = matches && m.Matches(with.Get(m.Name))
		}
		if matches {
			matching = append(matching, client.Series{Name: series})
		}
	}
	for _, series := range namer.FilterSeries(matching) {
		if served, err := namer.MetricNameForSeries(series); err == nil && served == name {
			return namer, series.Name, nil
		}
	}
	return namer, "", nil
}

// selector returns the selector of a metric's series. Without one it selects everything.
func selector(id autoscalingv2.MetricIdentifier) klabels.Selector {
	if id.Selector == nil {
		return klabels.Everything()
	}
	parsed, err := metav1.LabelSelectorAsSelector(id.Selector)
	if err != nil {
		return klabels.Nothing()
	}
	return parsed
}

// milli is the adapter's conversion: thousandths, cut off; NaN is nothing.
func milli(v float64) int64 {
	if math.IsNaN(v) {
		return 0
	}
	return int64(v * 1000)
}

// milliUp is the CPU use that the controller reads: metrics-server gives billionths of a core, of which MilliValue makes
// thousandths, rounded up.
func milliUp(v float64) int64 { return int64(math.Ceil(math.Round(v*1e9) / 1e6)) }

func (a *Adapter) request(name string, answer func(now time.Time) Answer) Answer {
	time.Sleep(a.latency)
	now := time.Now()
	a.cluster.AdvanceTo(now)
	a.Requests++
	got := Answer{Err: fmt.Errorf("the metric %s is not available", name)}
	if a.Down == nil || !a.Down(name, now) {
		got = answer(now)
	}
	got.At, got.Metric = now, name
	if a.Observe != nil {
		// The controller fills in missing pods in the map it is given.
		seen := got
		seen.Pods = maps.Clone(got.Pods)
		a.Observe(seen)
	}
	return got
}

// podMetrics evaluates a query for the pods that the selector picks.
func (a *Adapter) podMetrics(now time.Time, q *query.Query, podLabel string, selector klabels.Selector, window time.Duration, thousandths func(float64) int64) Answer {
	clear(a.pods)
	// All pods come from one template, so the first one's labels speak for all.
	if pods := a.cluster.Pods(); len(pods) > 0 && selector.Matches(klabels.Set(pods[0].Labels)) {
		for _, pod := range pods {
			a.pods[pod.Name] = struct{}{}
		}
	}
	values := make(metrics.PodMetricsInfo, len(a.pods))
	err := q.Eval(now.Sub(a.epoch).Milliseconds(), a.pods, func(s query.Sample) {
		name := s.Labels.Get(podLabel)
		if _, ok := a.pods[name]; ok {
			values[name] = metrics.PodMetric{Timestamp: now, Window: window, Value: thousandths(s.Value)}
		}
	})
	if err == nil && len(values) == 0 {
		err = fmt.Errorf("no metrics returned from custom metrics API")
	}
	return Answer{Pods: values, Err: err}
}

// GetRawMetric gives a Pods metric.
func (a *Adapter) GetRawMetric(name, namespace string, selector, _ klabels.Selector) (metrics.PodMetricsInfo, time.Time, error) {
	answer := a.request(name, func(now time.Time) Answer {
		m := a.metrics[name]
		return a.podMetrics(now, m.query, m.resourceLabel, selector, time.Minute, milli)
	})
	return answer.Pods, answer.At, answer.Err
}

// GetObjectMetric gives an Object metric.
func (a *Adapter) GetObjectMetric(name, namespace string, object *autoscalingv2.CrossVersionObjectReference, _ klabels.Selector) (int64, time.Time, error) {
	answer := a.request(name, func(now time.Time) Answer {
		m := a.metrics[name]
		clear(m.values)
		err := m.query.Eval(now.Sub(a.epoch).Milliseconds(), nil, func(s query.Sample) { m.values[s.Labels.Get(m.resourceLabel)] = s.Value })
		v, ok := m.values[object.Name]
		if object.Kind == "Namespace" {
			v, ok = m.values[namespace]
		}
		if err == nil && !ok {
			err = fmt.Errorf("no value for %s %s", object.Kind, object.Name)
		}
		return Answer{Value: milli(v), Err: err}
	})
	return answer.Value, answer.At, answer.Err
}

// GetExternalMetric gives an External metric.
func (a *Adapter) GetExternalMetric(name, namespace string, _ klabels.Selector) ([]int64, time.Time, error) {
	var values []int64
	answer := a.request(name, func(now time.Time) Answer {
		if m := a.metrics[name]; m.trigger != nil {
			value, err := m.external(now, a.epoch)
			values = []int64{value}
			return Answer{Value: value, Err: err}
		}
		err := a.metrics[name].query.Eval(now.Sub(a.epoch).Milliseconds(), nil, func(s query.Sample) { values = append(values, milli(s.Value)) })
		if err == nil && len(values) == 0 {
			err = fmt.Errorf("no metrics returned from external metrics API")
		}
		total := int64(0)
		for _, v := range values {
			total += v
		}
		return Answer{Value: total, Err: err}
	})
	return values, answer.At, answer.Err
}

// GetResourceMetric gives CPU usage as metrics-server would, from the last two samples.
func (a *Adapter) GetResourceMetric(_ context.Context, resource corev1.ResourceName, namespace string, selector klabels.Selector, _ string) (metrics.PodMetricsInfo, time.Time, error) {
	answer := a.request(string(resource), func(now time.Time) Answer {
		return a.podMetrics(now, a.cpu, "pod", selector, 15*time.Second, milliUp)
	})
	return answer.Pods, answer.At, answer.Err
}
