package main

import (
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"holograph/test/sim/bench/result"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func after(seconds float64) time.Time {
	return start.Add(time.Duration(seconds * float64(time.Second)))
}

func at(seconds float64) *float64 { return &seconds }

// What the watches tell becomes each pod's life and each change of the replicas, once.
func TestFleetNotesWhatTheWatchesTell(t *testing.T) {
	f := &podWatch{pods: map[string]*life{}}
	deployment := func(seconds float64, replicas int32) {
		f.deployment(after(seconds), &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: &replicas}})
	}
	pod := func(seconds float64, name string, ready, leaving bool) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if ready {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}
		if leaving {
			p.DeletionTimestamp = &metav1.Time{Time: after(seconds)}
		}
		f.pod(after(seconds), p)
		return p
	}
	deployment(-5, 2)
	deployment(-4, 2) // only its status changed
	deployment(10, 4)
	pod(10.2, "b", false, false)
	pod(-5, "a", true, false)
	pod(14.2, "b", true, false)
	pod(15, "b", true, false)
	pod(40, "b", false, true)
	gone := pod(41, "b", false, true)
	f.deleted(after(45.5), cache.DeletedFinalStateUnknown{Key: "x/b", Obj: gone})

	var got result.Fleet
	f.Record(start, &got)
	assert.Equal(t, []result.Change{{At: -5, Replicas: 2}, {At: 10, Replicas: 4}}, got.Replicas)
	assert.Equal(t, []result.PodLife{
		{Created: -5, Ready: at(-5)},
		{Created: 10.2, Ready: at(14.2), Leaving: at(40), Gone: at(45.5)},
	}, got.Pods)
}

func TestUnschedulable(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "bench-cpu", Name: "a"}}
	assert.NoError(t, unschedulable(pod), "the scheduler has not looked at it yet")
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/1 nodes are available: 1 Insufficient cpu."}}
	assert.EqualError(t, unschedulable(pod), "there is no room for pod bench-cpu/a: 0/1 nodes are available: 1 Insufficient cpu.")
	pod.Status.Conditions[0].Status = corev1.ConditionTrue
	assert.NoError(t, unschedulable(pod))
}

func TestGrewFindsTheScrapesThatShowMore(t *testing.T) {
	sample := func(seconds float64, value float64) model.SamplePair {
		return model.SamplePair{Timestamp: model.TimeFromUnixNano(after(seconds).UnixNano()), Value: model.SampleValue(value)}
	}
	times := grew(model.Matrix{
		{Values: []model.SamplePair{sample(0, 3), sample(15, 3), sample(30, 7), sample(45, 7)}},
		{Values: []model.SamplePair{sample(40, 0)}},
	})
	require.Len(t, times, 1)
	assert.True(t, times[0].Equal(after(30)))
}

func TestUtilization(t *testing.T) {
	pod := func(seconds float64, cpu string) metricsv1beta1.PodMetrics {
		return metricsv1beta1.PodMetrics{Timestamp: metav1.Time{Time: after(seconds)}, Containers: []metricsv1beta1.ContainerMetrics{
			{Name: "renderer", Usage: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}},
		}}
	}
	ratio, sampled, err := utilization(metricsv1beta1.PodMetricsList{Items: []metricsv1beta1.PodMetrics{pod(1, "50m"), pod(2, "20m")}}, 0.05, 0.7)
	require.NoError(t, err)
	assert.InDelta(t, 1, ratio, 1e-9, "35 of 50 millicores on average are 70 %")
	assert.Equal(t, []time.Time{after(1), after(2)}, sampled)
	_, _, err = utilization(metricsv1beta1.PodMetricsList{}, 0.05, 0.7)
	assert.EqualError(t, err, "no pod has CPU metrics")
}

func TestCPUTime(t *testing.T) {
	used, total, err := cpuTime("cpu  100 5 20 800 50 1 4 20 7 0\ncpu0 50 2 10 400 25 0 2 10 3 0\n")
	require.NoError(t, err)
	assert.InDelta(t, 1000, total, 1e-9, "guest time is not counted twice")
	assert.InDelta(t, 150, used, 1e-9, "all but idle and waiting for disks")
	for _, wrong := range []string{"", "intr 1 2 3 4 5 6 7 8 9\n", "cpu 1 2 3\n", "cpu a b c d e f g h\n"} {
		_, _, err := cpuTime(wrong)
		assert.ErrorContains(t, err, "/proc/stat begins with")
	}
}

func TestMachineSince(t *testing.T) {
	m := &machineUse{times: []time.Time{after(-1), after(1), after(2)}, busy: []float64{0.9, 0.25049, 0.5}}
	assert.Equal(t, []float64{0.25, 0.5}, m.Since(start))
}
