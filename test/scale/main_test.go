package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/scale/fleet"
	"holograph/test/scale/result"
)

func TestFlags(t *testing.T) {
	whole, err := parse(nil)
	require.NoError(t, err)
	assert.Equal(t, plan{number: 1, pods: []int{100, 500, 1000, 2000, 5000}, autoscalers: []int{10, 100, 300, 500}, modes: fleet.Modes, growth: true}, whole)
	narrow, err := parse([]string{"--run", "3", "--pods", "500,100,500", "--autoscalers", "none", "--modes", "object", "--growth=false"})
	require.NoError(t, err)
	assert.Equal(t, plan{
		number: 3, pods: []int{100, 500}, modes: []fleet.Mode{fleet.Object},
		narrowed: "--autoscalers none --growth=false --modes object --pods 500,100,500",
	}, narrow)
	for args, want := range map[string]string{
		"--run 0":                         "--run is 0, want 1 or more: runs on record are numbered from 1",
		"--pods 100,x":                    `--pods has "x", want numbers of 2 or more with commas between them, or none`,
		"--autoscalers 1":                 `--autoscalers has "1", want numbers of 2 or more with commas between them, or none`,
		"--modes cpu":                     `--modes has "cpu", want some of ["pods" "object" "keda" "keda-cached"]: each is a way to serve the metric`,
		"--pods none --modes keda-cached": "there is nothing to measure: autoscalers of ten pods are measured in the modes [\"pods\" \"object\" \"keda\"] only",
		"--pods none --autoscalers none":  "there is nothing to measure: --pods and --autoscalers are both none",
		"100":                             `"100" is not a flag`,
	} {
		_, err := parse(strings.Fields(args))
		assert.EqualError(t, err, want, args)
	}
}

// A name in /proc may have blanks and brackets, and other programs are left out.
func TestProcesses(t *testing.T) {
	const before = `100
4096
cpu  500 100 300 9000 50 20 30 70 0 0
cpu0 500 100 300 9000 50 20 30 70 0 0
11 (a) (b c)) S 1 2 3 4 5 6 7 8 9 10 900 900 0 0 20 0 9 0 500 1000 7 0
21 (kube-apiserver) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 9 0 500 1000 25600 0
31 (adapter) S 1 2 3 4 5 6 7 8 9 10 10 0 0 0 20 0 9 0 500 1000 256 0
`
	then, err := parseProcesses(before)
	require.NoError(t, err)
	assert.Equal(t, reading{
		components: map[string]process{
			result.APIServer: {cpu: 2 * time.Second, rss: 100 << 20, id: 21},
			result.Adapter:   {cpu: 100 * time.Millisecond, rss: 1 << 20, id: 31},
		},
		machine: 9500 * time.Millisecond, node: 20100 * time.Millisecond,
	}, then)
	assert.Equal(t, map[string]float64{result.APIServer: 100, result.Adapter: 1}, memory(then))

	now, err := parseProcesses(strings.Replace(before, "10 150 50", "10 160 65", 1))
	require.NoError(t, err)
	seconds, err := used(then, now)
	require.NoError(t, err)
	assert.InDelta(t, 0.25, seconds[result.APIServer], 1e-9)
	assert.Zero(t, seconds[result.Adapter])

	restarted, err := parseProcesses(strings.Replace(before, "31 (adapter)", "32 (adapter)", 1))
	require.NoError(t, err)
	_, err = used(then, restarted)
	assert.EqualError(t, err, "adapter was restarted while it was measured: process 31, and then 32")
	delete(restarted.components, result.Adapter)
	_, err = used(then, restarted)
	assert.EqualError(t, err, "adapter ended while it was measured")

	_, err = parseProcesses(before + "33 (adapter) S 1 2 3 4 5 6 7 8 9 10 10 0 0 0 20 0 9 0 500 1000 256 0\n")
	assert.EqualError(t, err, "adapter runs twice, as the processes 31 and 33")
	_, err = parseProcesses("")
	assert.EqualError(t, err, `the node lists no processes: ""`)
}

// The figures are of what was decided between two readings, whatever the decisions were.
func TestReconciliations(t *testing.T) {
	read := func(text string) reconciliations {
		t.Helper()
		r, err := parseReconciliations("# TYPE horizontal_pod_autoscaler_controller_reconciliation_duration_seconds histogram\n" + text)
		require.NoError(t, err)
		return r
	}
	const name = "horizontal_pod_autoscaler_controller_reconciliation_duration_seconds"
	lines := func(labels, low, high, sum string) string {
		return name + `_bucket{` + labels + `,le="0.032"} ` + low + "\n" + name + `_bucket{` + labels + `,le="+Inf"} ` + high + "\n" +
			name + `_sum{` + labels + `} ` + sum + "\n" + name + `_count{` + labels + `} ` + high + "\n"
	}
	before := read(lines(`action="none",error="none"`, "10", "10", "0.1"))
	after := read(lines(`action="none",error="none"`, "100", "105", "4.1") + lines(`action="none",error="internal"`, "5", "5", "0.05"))
	done := after.since(before)
	assert.InDelta(t, 100, done.count, 0)
	assert.InDelta(t, 5, done.failed, 0)
	assert.InDelta(t, 4.05, done.seconds, 1e-9)
	assert.InDelta(t, 0.032, done.quantile(0.95), 0)
	assert.Zero(t, done.quantile(0.99), "above the last bound")
	_, err := parseReconciliations("up 1\n")
	assert.EqualError(t, err, "the controller manager has no metric "+name)
}

// The period does not depend on when in a round the measurement begins, nor on how the decisions are spread over a round.
func TestPeriod(t *testing.T) {
	at := func(seconds int, count float64) reconciliations {
		return reconciliations{at: time.Unix(int64(1000+seconds), 0), count: count}
	}
	for name, seen := range map[string][]reconciliations{
		"all at once, after a round":  {at(1, 100), at(14, 100), at(16, 110), at(29, 110), at(31, 120), at(44, 120), at(46, 130)},
		"all at once, before a round": {at(14, 100), at(16, 110), at(29, 110), at(31, 120), at(44, 120), at(46, 130)},
		"evenly":                      {at(0, 100), at(3, 102), at(36, 124), at(39, 126)},
	} {
		assert.InDelta(t, 15, period(seen, 10, 2).Seconds(), 1e-6, name)
	}
}

func TestRequestsAreThoseOfTheAutoscaler(t *testing.T) {
	hpa := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "film", Namespace: "fleets-0"}}
	hpa.Spec.Metrics = []autoscalingv2.MetricSpec{
		{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{Metric: autoscalingv2.MetricIdentifier{Name: "late"}}},
		{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{
			Metric: autoscalingv2.MetricIdentifier{Name: "late"}, DescribedObject: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "film"},
		}},
		{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: autoscalingv2.MetricIdentifier{
			Name: "s0-prometheus", Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"scaledobject.keda.sh/name": "film"}},
		}}},
	}
	got, err := requestsOf(hpa, "app=film,tier=gpu", "v1beta2")
	require.NoError(t, err)
	assert.Equal(t, []string{
		"/apis/custom.metrics.k8s.io/v1beta2/namespaces/fleets-0/pods/*/late?labelSelector=app%3Dfilm%2Ctier%3Dgpu",
		"/apis/custom.metrics.k8s.io/v1beta2/namespaces/fleets-0/deployments.apps/film/late",
		"/apis/external.metrics.k8s.io/v1beta1/namespaces/fleets-0/s0-prometheus?labelSelector=scaledobject.keda.sh%2Fname%3Dfilm",
	}, got)
	hpa.Spec.Metrics[0].Type = autoscalingv2.ResourceMetricSourceType
	_, err = requestsOf(hpa, "", "v1beta2")
	assert.EqualError(t, err, "the autoscaler film has a metric of type Resource, want Pods, Object or External")
}

// After a change of the mode, an autoscaler counts only with the metrics of the new one.
func TestActivity(t *testing.T) {
	hpa := autoscalingv2.HorizontalPodAutoscaler{}
	hpa.Spec.Metrics = []autoscalingv2.MetricSpec{{Type: autoscalingv2.ObjectMetricSourceType}}
	hpa.Status.CurrentMetrics = []autoscalingv2.MetricStatus{{Type: autoscalingv2.PodsMetricSourceType}}
	assert.EqualError(t, activity(hpa, autoscalingv2.ObjectMetricSourceType), "it has 0 of 1 metrics of type Object")
	hpa.Status.CurrentMetrics[0].Type = autoscalingv2.ObjectMetricSourceType
	require.NoError(t, activity(hpa, autoscalingv2.ObjectMetricSourceType))
	assert.EqualError(t, activity(hpa, autoscalingv2.ExternalMetricSourceType), "it has 0 of 1 metrics of type External")
	hpa.Status.Conditions = []autoscalingv2.HorizontalPodAutoscalerCondition{{Type: autoscalingv2.ScalingActive, Status: corev1.ConditionFalse, Reason: "FailedGetObjectMetric", Message: "no value"}}
	assert.EqualError(t, activity(hpa, autoscalingv2.ObjectMetricSourceType), "FailedGetObjectMetric: no value")
}

func TestAdapterRate(t *testing.T) {
	assert.Equal(t, 50, adapterRateFor(10), "the least that the chart writes")
	assert.Equal(t, 134, adapterRateFor(500))
}

// The page compares memory with the chart's own limits.
func TestDefaultLimits(t *testing.T) {
	t.Chdir("../..")
	limits, err := defaultLimits()
	require.NoError(t, err)
	assert.Equal(t, map[string]float64{result.Adapter: 256, result.Prometheus: 512}, limits)
}

func TestTheCrowdHasTheNodesNetwork(t *testing.T) {
	manifest, err := crowdPod()
	require.NoError(t, err)
	assert.Contains(t, string(manifest), "hostNetwork: true")
}
