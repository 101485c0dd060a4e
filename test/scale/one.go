package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/internal/guest"
	"holograph/test/internal/kube"
	"holograph/test/internal/wait"
	"holograph/test/scale/fleet"
	"holograph/test/scale/result"
)

// ready is met when a fleet has exactly that many pods, all Ready.
func (r *runner) ready(number, pods int) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("%d Ready pods", pods), Unmet: func(ctx context.Context) error {
		deployment, err := r.client.AppsV1().Deployments(fleet.Namespace(number)).Get(ctx, fleet.Name(number), metav1.GetOptions{})
		if err != nil {
			return err
		}
		if s := deployment.Status; int(s.ReadyReplicas) != pods || int(s.Replicas) != pods {
			return fmt.Errorf("it has %d, of which %d are Ready", s.Replicas, s.ReadyReplicas)
		}
		return nil
	}}
}

// scraped is met when Prometheus has that many targets in a namespace, all of them up, and knows the demand of each.
func (r *runner) scraped(namespace string, pods int) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("Prometheus to know the demand of %d pods", pods), Unmet: func(ctx context.Context) error {
		for _, query := range []string{
			fmt.Sprintf("count(up{namespace=%q} == 1)", namespace),
			fmt.Sprintf("count(rate(holograph_offered_cpu_seconds_total{namespace=%[1]q}[1m]) and on (pod) up{namespace=%[1]q})", namespace),
		} {
			got, _, err := r.serving.Scalar(ctx, query)
			if err != nil {
				return err
			}
			if int(got) != pods {
				return fmt.Errorf("%s is %g", query, got)
			}
		}
		return nil
	}}
}

// within is the time in which that many pods are created or removed, and what follows of it.
func within(pods int) time.Duration {
	return readyBudget + time.Duration(pods)*time.Second/createRate
}

// one measures one autoscaler over fleets of each size, in each mode.
func (r *runner) one(ctx context.Context, p plan, run *result.Run) error {
	for _, pods := range p.pods {
		first := p.modes[0]
		r.say("One autoscaler, %d pods.", pods)
		// An autoscaler with this least number brings the pods at once.
		t, err := render(first, pods, pods)
		if err != nil {
			return err
		}
		if err := guest.Apply(ctx, r.client, t.Deployments(0, 1)); err != nil {
			return err
		}
		if err := r.autoscale(ctx, first, 1, pods, pods, callRate); err != nil {
			return err
		}
		if err := r.offer(ctx, share*float64(pods)); err != nil {
			return err
		}
		if err := wait.For(ctx, within(pods), r.ready(0, pods), r.scraped(fleet.Namespace(0), pods)); err != nil {
			return err
		}
		for _, mode := range p.modes {
			if mode != r.mode {
				if err := r.autoscale(ctx, mode, 1, pods, pods, callRate); err != nil {
					return err
				}
			}
			cell, err := r.cell(ctx, mode, pods)
			if err != nil {
				return fmt.Errorf("%s, %d pods: %w", mode, pods, err)
			}
			run.Cells = append(run.Cells, cell)
			r.say("  %-11s  p50 %.1f ms, p99 %.1f ms of %d calls; %.1f ms of CPU in what serves the metric and the API server, %.1f in Prometheus.",
				mode, cell.P50, cell.P99, cell.Calls, cell.Path(), cell.CPU[result.Prometheus])
		}
	}
	return nil
}

// cell measures the calls of the autoscaler that exists.
func (r *runner) cell(ctx context.Context, mode fleet.Mode, pods int) (result.Cell, error) {
	var paths []string
	err := wait.For(ctx, readyBudget, wait.Condition{Name: "an autoscaler with its metrics", Unmet: func(ctx context.Context) (err error) {
		if paths, err = r.requests(ctx, 0); err == nil && len(paths) != 2 {
			err = fmt.Errorf("it has %d", len(paths))
		}
		return err
	}})
	if err != nil {
		return result.Cell{}, err
	}
	values := 1
	if mode == fleet.Pods {
		values = pods
	}
	if err := wait.For(ctx, readyBudget, r.served(paths, values)); err != nil {
		return result.Cell{}, err
	}
	if !mode.ByKEDA() {
		// Its own calls would be measured with the others. KEDA creates one that is gone again, whose calls are few against
		// those that are sent.
		err := r.client.AutoscalingV2().HorizontalPodAutoscalers(fleet.Namespace(0)).Delete(ctx, fleet.Name(0), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return result.Cell{}, err
		}
	}
	cell, err := r.measureCalls(ctx, paths)
	if err != nil {
		return cell, err
	}
	cell.Mode, cell.Pods = string(mode), pods
	if cell.Series, _, err = r.serving.Scalar(ctx, "prometheus_tsdb_head_series"); err != nil {
		return cell, err
	}
	cell.Targets, _, err = r.serving.Scalar(ctx, "count(up)")
	return cell, err
}

// growths lets the fleet grow from 2 pods to the largest size in each mode of the adapter. KEDA's autoscaler computes replicas
// from one number as that of the mode Object does.
func (r *runner) growths(ctx context.Context, p plan, run *result.Run) error {
	for _, mode := range p.modes {
		if mode.ByKEDA() {
			continue
		}
		growth, err := r.growth(ctx, mode, p.pods)
		if err != nil {
			return fmt.Errorf("growth with %s: %w", mode, err)
		}
		run.Growths = append(run.Growths, growth)
		r.say("  %-11s  %s", mode, growth)
	}
	return nil
}

func (r *runner) growth(ctx context.Context, mode fleet.Mode, sizes []int) (result.Growth, error) {
	most := sizes[len(sizes)-1]
	growth := result.Growth{Mode: string(mode), Pods: most}
	r.say("From 2 pods to %d, %s.", most, mode)
	if err := r.autoscale(ctx, mode, 1, 2, 2, callRate); err != nil {
		return growth, err
	}
	if err := r.offer(ctx, 2*share); err != nil {
		return growth, err
	}
	if err := wait.For(ctx, within(most), r.ready(0, 2), r.scraped(fleet.Namespace(0), 2), r.active(1)); err != nil {
		return growth, err
	}
	// A load of the two pods only, until it rises.
	if err := r.autoscale(ctx, mode, 1, 2, most, callRate); err != nil {
		return growth, err
	}
	if err := wait.For(ctx, readyBudget, r.active(1)); err != nil {
		return growth, err
	}
	begun := time.Now()
	if err := r.offer(ctx, 2*float64(most)); err != nil {
		return growth, err
	}
	err := wait.For(ctx, within(most), wait.Condition{Name: fmt.Sprintf("%d Ready pods", most), Unmet: func(ctx context.Context) error {
		deployment, err := r.client.AppsV1().Deployments(fleet.Namespace(0)).Get(ctx, fleet.Name(0), metav1.GetOptions{})
		if err != nil {
			return err
		}
		ready := int(deployment.Status.ReadyReplicas)
		for _, size := range sizes[len(growth.Reached):] {
			if ready < size {
				return fmt.Errorf("%d are Ready", ready)
			}
			growth.Reached = append(growth.Reached, result.Reached{Pods: size, Seconds: time.Since(begun).Round(100 * time.Millisecond).Seconds()})
		}
		return nil
	}})
	return growth, err
}

// active is met when each of the first so many fleets has an autoscaler that computes replicas from both metrics.
func (r *runner) active(fleets int) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("%d autoscalers with both metrics", fleets), Every: listInterval, Unmet: func(ctx context.Context) error {
		working := 0
		var last error
		for i := range min(fleets, fleet.Namespaces) {
			list, err := r.client.AutoscalingV2().HorizontalPodAutoscalers(fleet.Namespace(i)).List(ctx, metav1.ListOptions{})
			if err != nil {
				return err
			}
			for _, hpa := range list.Items {
				if err := activity(hpa, metricTypes[r.mode]); err != nil {
					last = fmt.Errorf("%s: %w", hpa.Name, err)
				} else {
					working++
				}
			}
		}
		if working != fleets {
			return errors.Join(fmt.Errorf("there are %d", working), last)
		}
		return nil
	}}
}

// metricTypes are the types of the metrics that an autoscaler has in each mode.
var metricTypes = map[fleet.Mode]autoscalingv2.MetricSourceType{
	fleet.Pods: autoscalingv2.PodsMetricSourceType, fleet.Object: autoscalingv2.ObjectMetricSourceType,
	fleet.KEDA: autoscalingv2.ExternalMetricSourceType, fleet.CachedKEDA: autoscalingv2.ExternalMetricSourceType,
}

// activity returns why an autoscaler does not compute replicas from all of its metrics, which have that type. After a change
// of the mode, its status is still about the metrics that it had.
func activity(hpa autoscalingv2.HorizontalPodAutoscaler, want autoscalingv2.MetricSourceType) error {
	if active := kube.Condition(&hpa, autoscalingv2.ScalingActive); active != nil && active.Status != corev1.ConditionTrue {
		return fmt.Errorf("%s: %s", active.Reason, active.Message)
	}
	known := 0
	for _, metric := range hpa.Status.CurrentMetrics {
		if metric.Type == want {
			known++
		}
	}
	if known != len(hpa.Spec.Metrics) || hpa.Spec.Metrics[0].Type != want {
		return fmt.Errorf("it has %d of %d metrics of type %s", known, len(hpa.Spec.Metrics), want)
	}
	return nil
}
