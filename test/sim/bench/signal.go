package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"holograph/test/internal/kube"
	"holograph/test/sim/bench/result"
)

// lookEvery is the time between two looks at what an autoscaler is served.
const lookEvery = time.Second

// servedSignal is what an autoscaler was served, and when the samples behind it were taken.
type servedSignal struct {
	readings []reading
	sampled  []time.Time
}

type reading struct {
	at    time.Time
	ratio float64
}

// followSignal looks at what the release's autoscaler is served, as often as once a second, until ctx ends. A look
// that fails is left out: the autoscaler gets no answer at such a moment either.
func followSignal(ctx context.Context, r kube.Release) *servedSignal {
	s := &servedSignal{}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		if ratio, sampled, err := served(ctx, r); err == nil {
			s.readings = append(s.readings, reading{time.Now(), ratio})
			for _, at := range sampled {
				if n := len(s.sampled); n == 0 || at.After(s.sampled[n-1]) {
					s.sampled = append(s.sampled, at)
				}
			}
		}
		select {
		case <-ctx.Done():
			return s
		case <-ticker.C:
		}
	}
}

// Record writes what was seen into the fleet's record, in seconds from start.
func (s *servedSignal) Record(start time.Time, into *result.Fleet) {
	into.Served = nil
	for _, r := range s.readings {
		into.Served = append(into.Served, result.Reading{At: inSeconds(r.at.Sub(start)), Ratio: r.ratio})
	}
	for _, at := range s.sampled {
		into.Scraped = append(into.Scraped, inSeconds(at.Sub(start)))
	}
}

// served returns the largest of the autoscaler's metrics as a multiple of its target, on average over the
// pods that have a value. Where the metric is CPU use, it returns the times of its samples too.
func served(ctx context.Context, r kube.Release) (ratio float64, sampled []time.Time, err error) {
	hpa, err := r.HPA(ctx)
	if err != nil {
		return 0, nil, err
	}
	for _, metric := range hpa.Spec.Metrics {
		var value float64
		switch metric.Type {
		case autoscalingv2.PodsMetricSourceType:
			value, err = podsMetric(ctx, r, metric.Pods)
		case autoscalingv2.ExternalMetricSourceType:
			value, err = externalMetric(ctx, r, metric.External)
		case autoscalingv2.ResourceMetricSourceType:
			value, sampled, err = cpuUse(ctx, r, metric.Resource)
		default:
			err = fmt.Errorf("the metric type %s is not known here", metric.Type)
		}
		if err != nil {
			return 0, nil, err
		}
		ratio = max(ratio, value)
	}
	return ratio, sampled, nil
}

func podsMetric(ctx context.Context, r kube.Release, metric *autoscalingv2.PodsMetricSource) (float64, error) {
	values, err := r.PodMetric(ctx, metric.Metric.Name)
	if err != nil {
		return 0, err
	}
	if len(values) == 0 {
		return 0, fmt.Errorf("no pod has %s", metric.Metric.Name)
	}
	sum := 0.0
	for _, value := range values {
		sum += value
	}
	return sum / float64(len(values)) / metric.Target.AverageValue.AsApproximateFloat64(), nil
}

// externalMetric is the total that KEDA serves, against the target of all pods that run.
func externalMetric(ctx context.Context, r kube.Release, metric *autoscalingv2.ExternalMetricSource) (float64, error) {
	total, err := r.ExternalMetric(ctx, r.Namespace, metric.Metric)
	if err != nil {
		return 0, err
	}
	pods, err := r.Pods(ctx)
	if err != nil {
		return 0, err
	}
	if len(pods) == 0 {
		return 0, fmt.Errorf("there is no pod")
	}
	return total.AsApproximateFloat64() / float64(len(pods)) / metric.Target.AverageValue.AsApproximateFloat64(), nil
}

func cpuUse(ctx context.Context, r kube.Release, metric *autoscalingv2.ResourceMetricSource) (float64, []time.Time, error) {
	deployment, err := r.Deployment(ctx)
	if err != nil {
		return 0, nil, err
	}
	request := deployment.Spec.Template.Spec.Containers[0].Resources.Requests.Cpu().AsApproximateFloat64()
	raw, err := r.Discovery().RESTClient().Get().AbsPath("/apis/metrics.k8s.io/v1beta1/namespaces", r.Namespace, "pods").
		Param("labelSelector", r.RendererSelector()).DoRaw(ctx)
	if err != nil {
		return 0, nil, err
	}
	var list metricsv1beta1.PodMetricsList
	if err := json.Unmarshal(raw, &list); err != nil {
		return 0, nil, err
	}
	return utilization(list, request, float64(*metric.Target.AverageUtilization)/100)
}

// utilization is the pods' CPU use over what they request, as a multiple of the target.
func utilization(list metricsv1beta1.PodMetricsList, request, target float64) (float64, []time.Time, error) {
	if len(list.Items) == 0 {
		return 0, nil, fmt.Errorf("no pod has CPU metrics")
	}
	used, sampled := 0.0, []time.Time{}
	for _, pod := range list.Items {
		for _, container := range pod.Containers {
			cpu := container.Usage[corev1.ResourceCPU]
			used += cpu.AsApproximateFloat64()
		}
		sampled = append(sampled, pod.Timestamp.Time)
	}
	return used / (request * float64(len(list.Items))) / target, sampled, nil
}

// overruns returns the times of the samples between two times in which Prometheus saw a pod's overruns grow. A pod's
// first sample in that time has none to be compared with.
func overruns(ctx context.Context, prometheus kube.Release, namespace string, from, until time.Time) ([]time.Time, error) {
	api, err := prometheus.Prometheus()
	if err != nil {
		return nil, err
	}
	// A range selector gives the samples as they were scraped, with their own times.
	query := fmt.Sprintf("%s{namespace=%q}[%ds]", kube.OverrunsMetric, namespace, int(until.Sub(from).Seconds()))
	value, _, err := api.Query(ctx, query, until)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", query, err)
	}
	matrix, ok := value.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("query %s: got a %s, want a matrix", query, value.Type())
	}
	return grew(matrix), nil
}

// grew are the times of samples that are greater than the one before.
func grew(matrix model.Matrix) []time.Time {
	var times []time.Time
	for _, series := range matrix {
		for i := 1; i < len(series.Values); i++ {
			if series.Values[i].Value > series.Values[i-1].Value {
				times = append(times, series.Values[i].Timestamp.Time())
			}
		}
	}
	return times
}

// frameCost returns the CPU seconds that a frame takes, and the cores that a pod takes beside frames, over all fleets
// and the time before the given one.
func frameCost(ctx context.Context, prometheus kube.Release, at time.Time, back, scrapeInterval time.Duration) (frame, idle float64, err error) {
	of := func(metric string) string {
		return fmt.Sprintf("%s{namespace=~\"bench-.+\",container=\"renderer\"}[%ds]", metric, int(back.Seconds()))
	}
	frame, err = scalarAt(ctx, prometheus, "sum(increase("+of("holograph_offered_cpu_seconds_total")+")) / sum(increase("+of("holograph_frames_total")+"))", at)
	if err != nil {
		return 0, 0, err
	}
	idle, err = scalarAt(ctx, prometheus, fmt.Sprintf("(sum(increase(%s)) - sum(increase(%s))) / (sum(count_over_time(%s)) * %v)",
		of("process_cpu_seconds_total"), of("holograph_render_cpu_seconds_total"), of("process_cpu_seconds_total"), scrapeInterval.Seconds()), at)
	return frame, idle, err
}

// scalarAt evaluates an expression that gives one number at a time that is past.
func scalarAt(ctx context.Context, prometheus kube.Release, expression string, at time.Time) (float64, error) {
	api, err := prometheus.Prometheus()
	if err != nil {
		return 0, err
	}
	value, _, err := api.Query(ctx, expression, at)
	if err != nil {
		return 0, fmt.Errorf("query %s: %w", expression, err)
	}
	vector, ok := value.(model.Vector)
	if !ok || len(vector) != 1 {
		return 0, fmt.Errorf("query %s: got %v, want one number", expression, value)
	}
	return float64(vector[0].Value), nil
}
