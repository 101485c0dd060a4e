package adapter_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	klabels "k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/prometheus-adapter/pkg/config"
	"sigs.k8s.io/yaml"

	"holograph/test/sim/adapter"
	"holograph/test/sim/query"
)

// cluster holds pods that the test names.
type cluster struct{ pods []*corev1.Pod }

func (c cluster) AdvanceTo(time.Time) {}
func (c cluster) Pods() []*corev1.Pod { return c.pods }

func pods(names ...string) cluster {
	var c cluster
	for _, name := range names {
		c.pods = append(c.pods, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "n", Labels: map[string]string{"app": "r"}}})
	}
	return c
}

func rules(t *testing.T, text string) (r config.MetricsDiscoveryConfig) {
	t.Helper()
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &r))
	return r
}

const overruns = `
rules:
  - seriesQuery: 'late_total{namespace!="",pod!="",container="c"}'
    seriesFilters: []
    resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
    name: {matches: ^late_total$, as: late}
    metricsQuery: sum by (<<.GroupBy>>) (max without (job, instance) (rate(<<.Series>>{<<.LabelMatchers>>,container="c"}[1m])))
`

func podsMetric(name string) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{Metric: autoscalingv2.MetricIdentifier{Name: name}}}
}

func hpa(metrics ...autoscalingv2.MetricSpec) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "n"}, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{Metrics: metrics}}
}

var exported = []string{"cores", "late_total"}

func series(pod, job string) labels.Labels {
	return labels.FromStrings("namespace", "n", "pod", pod, "container", "c", "job", job, "instance", pod+job)
}

// growing adds a counter that has grown by perSecond for the last minute, on the clock of a synctest
// bubble, so that a slow machine does not move the samples out of a window.
func growing(store *query.Store, ls labels.Labels, perSecond float64) {
	s := store.Add("late_total", ls)
	now := time.Since(time.Unix(0, 0)).Milliseconds()
	for at := int64(0); at <= 60; at += 15 {
		s.Append(now-61_000+at*1000, 1000+perSecond*float64(at))
	}
}

func attach(t *testing.T, text string, store *query.Store, c cluster, metrics ...autoscalingv2.MetricSpec) *adapter.Adapter {
	t.Helper()
	store.Keep(8)
	a, err := adapter.New(rules(t, text), nil, hpa(metrics...), store, exported, series("p", "j"), 0)
	require.NoError(t, err)
	a.Attach(c, time.Unix(0, 0))
	return a
}

func values(t *testing.T, a *adapter.Adapter, name string) map[string]int64 {
	t.Helper()
	got, _, err := a.GetRawMetric(name, "n", klabels.SelectorFromSet(klabels.Set{"app": "r"}), klabels.Everything())
	require.NoError(t, err)
	out := map[string]int64{}
	for pod, v := range got {
		out[pod] = v.Value
	}
	return out
}

func TestPodsMetric(t *testing.T) { synctest.Test(t, testPodsMetric) }

func testPodsMetric(t *testing.T) {
	store := query.NewStore()
	a := attach(t, overruns, store, pods("a", "b", "c", "silent"), podsMetric("late"))
	growing(store, series("a", "one"), 0.1239)
	growing(store, series("a", "two"), 0.1239) // a second scraper counts nothing twice
	growing(store, series("b", "one"), 0.0004)
	growing(store, series("gone", "one"), 5)
	growing(store, labels.FromStrings("namespace", "n", "pod", "c", "container", "sidecar"), 7)
	growing(store, labels.FromStrings("namespace", "elsewhere", "pod", "c", "container", "c"), 7)
	assert.Equal(t, map[string]int64{"a": 123, "b": 0}, values(t, a, "late"),
		"thousandths, cut off; pods without samples, gone pods, other containers and namespaces have no value")
	assert.Equal(t, 1, a.Requests)
}

// TestCPUUse: the controller makes thousandths of what metrics-server gives, and rounds them up.
func TestCPUUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := query.NewStore()
		cpu := autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceCPU}}
		a := attach(t, overruns, store, pods("a", "b", "c"), cpu)
		now := time.Since(time.Unix(0, 0)).Milliseconds()
		for pod, cores := range map[string]float64{"a": 0.0231, "b": 0.023, "c": 0} {
			s := store.Add("process_cpu_seconds_total", series(pod, "one"))
			s.Append(now-16_000, 100)
			s.Append(now-1_000, 100+15*cores)
		}
		got, _, err := a.GetResourceMetric(t.Context(), corev1.ResourceCPU, "n", klabels.SelectorFromSet(klabels.Set{"app": "r"}), "")
		require.NoError(t, err)
		assert.EqualValues(t, 24, got["a"].Value)
		assert.EqualValues(t, 23, got["b"].Value)
		assert.EqualValues(t, 0, got["c"].Value)
	})
}

// TestOnlyListedPods: a rule that forgets its label matchers still answers for listed pods alone.
func TestOnlyListedPods(t *testing.T) { synctest.Test(t, testOnlyListedPods) }

func testOnlyListedPods(t *testing.T) {
	store := query.NewStore()
	a := attach(t, `
rules:
  - seriesQuery: late_total
    resources: {template: <<.Resource>>}
    name: {matches: ^late_total$, as: late}
    metricsQuery: sum by (<<.GroupBy>>) (rate(<<.Series>>[1m]))
`, store, pods("a"), podsMetric("late"))
	growing(store, series("a", "one"), 1)
	growing(store, series("gone", "one"), 5)
	assert.Equal(t, map[string]int64{"a": 1000}, values(t, a, "late"))
}

func TestNothingIsAnError(t *testing.T) {
	store := query.NewStore()
	a := attach(t, overruns, store, pods("a"), podsMetric("late"))
	_, _, err := a.GetRawMetric("late", "n", klabels.Everything(), klabels.Everything())
	assert.EqualError(t, err, "no metrics returned from custom metrics API")
	a.Down = func(string, time.Time) bool { return true }
	_, _, err = a.GetRawMetric("late", "n", klabels.Everything(), klabels.Everything())
	assert.EqualError(t, err, "the metric late is not available")
}

func TestNaNReadsAsZero(t *testing.T) { synctest.Test(t, testNaNReadsAsZero) }

func testNaNReadsAsZero(t *testing.T) {
	store := query.NewStore()
	a := attach(t, `
rules:
  - seriesQuery: cores
    resources: {template: <<.Resource>>}
    name: {matches: ^cores$, as: share}
    metricsQuery: sum by (<<.GroupBy>>) (<<.Series>>{<<.LabelMatchers>>})
`, store, pods("a"), podsMetric("share"))
	store.Add("cores", series("a", "one")).Append(time.Since(time.Unix(0, 0)).Milliseconds()-1000, math.NaN())
	assert.Equal(t, map[string]int64{"a": 0}, values(t, a, "share"))
}

func TestLastRuleWins(t *testing.T) { synctest.Test(t, testLastRuleWins) }

func testLastRuleWins(t *testing.T) {
	store := query.NewStore()
	text := overruns + `
  - seriesQuery: late_total
    resources: {overrides: {namespace: {resource: namespaces}, pod: {resource: pods}}}
    name: {matches: ^(.*)_total$}
    metricsQuery: 2 * sum by (<<.GroupBy>>) (rate(<<.Series>>{<<.LabelMatchers>>}[1m]))
`
	a := attach(t, text, store, pods("a"), podsMetric("late"))
	growing(store, series("a", "one"), 0.25)
	assert.Equal(t, map[string]int64{"a": 500}, values(t, a, "late"))
}

func TestObjectAndExternal(t *testing.T) { synctest.Test(t, testObjectAndExternal) }

func testObjectAndExternal(t *testing.T) {
	store := query.NewStore()
	text := overruns + `
externalRules:
  - seriesQuery: late_total
    resources: {overrides: {namespace: {resource: namespace}}}
    name: {matches: ^late_total$, as: all_late}
    metricsQuery: sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m]))
`
	object := autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{
		DescribedObject: autoscalingv2.CrossVersionObjectReference{Kind: "Namespace", Name: "n"}, Metric: autoscalingv2.MetricIdentifier{Name: "late"}}}
	external := autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: autoscalingv2.MetricIdentifier{Name: "all_late"}}}
	a := attach(t, text, store, pods("a"), object, external)
	growing(store, series("a", "one"), 0.25)
	growing(store, series("gone", "one"), 0.5)
	v, _, err := a.GetObjectMetric("late", "n", &object.Object.DescribedObject, klabels.Everything())
	require.NoError(t, err)
	assert.Equal(t, int64(750), v, "a total counts pods that are gone as long as the window sees them")
	list, _, err := a.GetExternalMetric("all_late", "n", klabels.Everything())
	require.NoError(t, err)
	assert.Equal(t, []int64{750}, list)
}

func TestWrongRules(t *testing.T) {
	for text, want := range map[string]string{
		"rules: []":                             `spec.metrics[0]: no adapter rule gives the metric "late" for pods`,
		`rules: [{seriesQuery: "late_total{"}]`: "spec.metrics[0]: rules[0]: seriesQuery: ",
		`rules: [{seriesQuery: late_total, name: {matches: "("}}]`: "spec.metrics[0]: rules[0]: unable to generate series name filter from name rules",
		`rules: [{seriesQuery: late_total, name: {matches: late_total, as: late}, resources: {template: "<<.Resource>>"}, metricsQuery: "rate(<<.Series>>)"}]`: "spec.metrics[0]: rules[0].metricsQuery: ",
		`rules: [{seriesQuery: late_total, name: {matches: late_total, as: late}, resources: {template: "<<.Resource>>"}, metricsQuery: "<<.Nothing"}]`:        "spec.metrics[0]: rules[0]: unable to construct metrics query",
	} {
		_, err := adapter.New(rules(t, text), nil, hpa(podsMetric("late")), query.NewStore(), exported, series("p", "j"), 0)
		assert.ErrorContains(t, err, want, text)
	}
	memory := autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceMemory}}
	_, err := adapter.New(config.MetricsDiscoveryConfig{}, nil, hpa(memory), query.NewStore(), exported, series("p", "j"), 0)
	assert.EqualError(t, err, `spec.metrics[0]: the simulator knows no resource "memory"; use cpu`)
}
