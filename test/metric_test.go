package test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/wait"
)

// localRelist is the adapter's relist interval in values-examples/local.yaml.
const localRelist = 5 * time.Second

// TestMetric: every link from the renderer's counter to the autoscaler holds, and the metric is served as soon as Prometheus
// can compute it. The stories of a folder share a release: run alone, this one is about an installation, and after
// TestLateFramesOnly about an upgrade that replaces Prometheus and the adapter at once.
func TestMetric(t *testing.T) {
	s := harness.New(t)

	s.Step("install the chart")
	s.Install("local")

	s.Step("follow the metric from the renderer to the autoscaler")
	s.WaitFor(time.Minute, wait.Chain(s.Release)...)

	s.Step("no frame was late, so the autoscaler stays at its minimum")
	s.WaitFor(time.Minute, wait.Replicas(s.Release, minReplicas))

	s.Step("the autoscaler had late frames within one relist of the first rate")
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	served, err := firstRate(ctx, s.Release)
	require.NoError(t, err)
	missed, err := lastMissed(ctx, s.Release)
	require.NoError(t, err)
	assert.False(t, missed.After(served.Add(localRelist+time.Second)),
		"the HPA was last without late frames at %s, want at most a relist of %s after %s: then Prometheus could compute the first rate",
		missed.Format(time.TimeOnly), localRelist, served.Format(time.TimeOnly))
}

// firstRate returns when Prometheus had two samples of a pod, which a rate takes.
func firstRate(ctx context.Context, r kube.Release) (time.Time, error) {
	api, err := r.Prometheus()
	if err != nil {
		return time.Time{}, err
	}
	value, _, err := api.Query(ctx, fmt.Sprintf("%s{namespace=%q}[1h]", kube.OverrunsMetric, r.Namespace), time.Now())
	if err != nil {
		return time.Time{}, err
	}
	series, ok := value.(model.Matrix)
	if !ok || len(series) == 0 {
		return time.Time{}, fmt.Errorf("Prometheus has no sample of %s", kube.OverrunsMetric)
	}
	var first time.Time
	for _, one := range series {
		if len(one.Values) < 2 {
			continue
		}
		if at := one.Values[1].Timestamp.Time(); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	if first.IsZero() {
		return time.Time{}, fmt.Errorf("no pod has two samples of %s", kube.OverrunsMetric)
	}
	return first, nil
}

// lastMissed returns when the HPA last reported that it could not get the metric of late frames; zero if it never did.
func lastMissed(ctx context.Context, r kube.Release) (time.Time, error) {
	events, err := r.CoreV1().Events(r.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: "type=" + corev1.EventTypeWarning + ",involvedObject.kind=HorizontalPodAutoscaler,involvedObject.name=" + r.Renderer(),
	})
	if err != nil {
		return time.Time{}, err
	}
	var last time.Time
	for _, event := range events.Items {
		if event.Reason == "FailedGetPodsMetric" && strings.Contains(event.Message, kube.OverrunsMetric) && event.LastTimestamp.After(last) {
			last = event.LastTimestamp.Time
		}
	}
	return last, nil
}
