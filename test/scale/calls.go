package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"holograph/test/internal/kube"
	"holograph/test/internal/wait"
	"holograph/test/scale/fleet"
	"holograph/test/scale/result"
)

const (
	// idleWindow is the time for which it is measured what the components use without the calls, and callWindow the least time
	// for which calls are sent, one after the other: a hundred and more of the cheap ones, so that what else the components do
	// is small against them.
	idleWindow, callWindow = 8 * time.Second, 8 * time.Second
	// leastCalls is the least number of calls, unless they take longer than mostCallTime. The record has the number.
	leastCalls = 30
	// mostFailed is the most calls that may fail.
	mostFailed   = 5
	mostCallTime = 3 * time.Minute
)

// requests returns the paths of the requests that the autoscaler of a fleet sends for a decision, one for each metric.
func (r *runner) requests(ctx context.Context, number int) ([]string, error) {
	namespace, name := fleet.Namespace(number), fleet.Name(number)
	hpa, err := r.client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	scale, err := r.client.AppsV1().Deployments(namespace).GetScale(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	version := ""
	if hpa.Spec.Metrics[0].Type != autoscalingv2.ExternalMetricSourceType {
		if version, err = r.client.MetricsVersion(ctx); err != nil {
			return nil, err
		}
	}
	return requestsOf(hpa, scale.Status.Selector, version)
}

// requestsOf are the paths of an autoscaler's requests. The selector is that of the scaled workload, the version that of
// custom.metrics.k8s.io.
func requestsOf(hpa *autoscalingv2.HorizontalPodAutoscaler, selector, version string) ([]string, error) {
	var paths []string
	custom := "/apis/" + kube.Group + "/" + version + "/namespaces/" + hpa.Namespace
	for _, metric := range hpa.Spec.Metrics {
		switch metric.Type {
		case autoscalingv2.PodsMetricSourceType:
			paths = append(paths, custom+"/pods/*/"+metric.Pods.Metric.Name+"?"+url.Values{"labelSelector": {selector}}.Encode())
		case autoscalingv2.ObjectMetricSourceType:
			paths = append(paths, custom+"/deployments.apps/"+metric.Object.DescribedObject.Name+"/"+metric.Object.Metric.Name)
		case autoscalingv2.ExternalMetricSourceType:
			path := "/apis/external.metrics.k8s.io/v1beta1/namespaces/" + hpa.Namespace + "/" + metric.External.Metric.Name
			if metric.External.Metric.Selector != nil {
				path += "?" + url.Values{"labelSelector": {metav1.FormatLabelSelector(metric.External.Metric.Selector)}}.Encode()
			}
			paths = append(paths, path)
		default:
			return nil, fmt.Errorf("the autoscaler %s has a metric of type %s, want Pods, Object or External", hpa.Name, metric.Type)
		}
	}
	return paths, nil
}

// call sends a request to the API server, and returns the whole answer.
func (r *runner) call(ctx context.Context, path, accept string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(r.client.Config.Host, "/")+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	response, err := r.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s: %s", path, response.Status, body[:min(len(body), 500)])
	}
	return body, nil
}

// served is met when each request is answered with that many values.
func (r *runner) served(paths []string, values int) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("%d values of each metric", values), Unmet: func(ctx context.Context) error {
		for _, path := range paths {
			body, err := r.call(ctx, path, runtime.ContentTypeJSON)
			if err != nil {
				return err
			}
			var list struct{ Items []json.RawMessage }
			if err := json.Unmarshal(body, &list); err != nil {
				return err
			}
			if len(list.Items) != values {
				return fmt.Errorf("%s has %d", path, len(list.Items))
			}
		}
		return nil
	}}
}

// measureCalls measures the requests of one autoscaler's decisions: how long they take, and what they cost each component.
// The autoscaler itself must not send them at the same time, or seldom.
func (r *runner) measureCalls(ctx context.Context, paths []string) (result.Cell, error) {
	var cell result.Cell
	idle, _, err := r.window(ctx, func() error { return pause(ctx, idleWindow) })
	if err != nil {
		return cell, err
	}
	var took []float64
	failed := 0
	busy, after, err := r.window(ctx, func() error {
		begun := time.Now()
		for (len(took) < leastCalls || time.Since(begun) < callWindow) && time.Since(begun) < mostCallTime {
			sent := time.Now()
			if _, err := r.call(ctx, paths[(len(took)+failed)%len(paths)], kube.AutoscalersAccept); err != nil {
				// The autoscaler tries again after its period.
				r.say("  A call failed after %s: %s", time.Since(sent).Round(time.Millisecond), firstLine(err))
				if failed++; failed > mostFailed || ctx.Err() != nil {
					return err
				}
				continue
			}
			took = append(took, 1000*time.Since(sent).Seconds())
		}
		return nil
	})
	if err != nil {
		return cell, err
	}
	cell.Calls, cell.Failed, cell.P50, cell.P99 = len(took), failed, result.Quantile(took, 0.5), result.Quantile(took, 0.99)
	cell.CPU = map[string]float64{}
	for name, cores := range busy.cores {
		// What a component does at all times is no cost of a call.
		cell.CPU[name] = 1000 * max(0, cores-idle.cores[name]) * busy.seconds / float64(len(took)+failed)
	}
	cell.RSS, cell.PrometheusCores, cell.Elsewhere = memory(after), idle.cores[result.Prometheus], busy.elsewhere
	return cell, nil
}

// use is what was used in a window of time, in cores: by each component, and by programs outside the node.
type use struct {
	seconds   float64
	cores     map[string]float64
	elsewhere float64
}

// window measures what the components use while do runs, and returns the processes at its end too.
func (r *runner) window(ctx context.Context, do func() error) (use, reading, error) {
	before, err := r.processes(ctx)
	if err != nil {
		return use{}, reading{}, err
	}
	begun := time.Now()
	if err := do(); err != nil {
		return use{}, reading{}, err
	}
	u := use{seconds: time.Since(begun).Seconds(), cores: map[string]float64{}}
	after, err := r.processes(ctx)
	if err != nil {
		return use{}, reading{}, err
	}
	seconds, err := used(before, after)
	if err != nil {
		return use{}, reading{}, err
	}
	for name, s := range seconds {
		u.cores[name] = s / u.seconds
	}
	u.elsewhere = max(0, (after.machine-before.machine-after.node+before.node).Seconds()/u.seconds)
	return u, after, nil
}

// pause is a window of measurement in which nothing is sent.
func pause(ctx context.Context, length time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(length):
		return nil
	}
}
