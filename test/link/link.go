// Package link names the links of the chain from a late frame to a new pod, in
// the order in which the frame's news travels, each as a condition to wait for.
// The first link that stays unmet is where a loop is broken.
package link

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"holograph/test/kube"
	"holograph/test/wait"
)

// Chain returns all links, from the renderer's pods to the autoscaler. Which
// metrics must arrive, the autoscaler says itself.
func Chain(r kube.Release) []wait.Condition {
	return []wait.Condition{
		PodsReady(r), TargetsUp(r), Series(r), APIServicesAvailable(r), Listed(r), ValueForEveryPod(r), Active(r),
	}
}

// Metrics returns the names of the Pods metrics that the HPA scales on, in its
// order.
func Metrics(ctx context.Context, r kube.Release) ([]string, error) {
	hpa, err := r.HPA(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, metric := range hpa.Spec.Metrics {
		if metric.Type == autoscalingv2.PodsMetricSourceType {
			names = append(names, metric.Pods.Metric.Name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("the HPA has no Pods metric")
	}
	return names, nil
}

// PodsReady is met when every renderer pod is Ready and there are as many as the
// Deployment wants.
func PodsReady(r kube.Release) wait.Condition {
	return wait.Condition{Name: "every renderer pod to be Ready", Unmet: func(ctx context.Context) error {
		deployment, err := r.Deployment(ctx)
		if err != nil {
			return err
		}
		status := deployment.Status
		switch want := *deployment.Spec.Replicas; {
		case status.ObservedGeneration < deployment.Generation:
			return fmt.Errorf("the Deployment's generation %d is not observed yet", deployment.Generation)
		case status.UpdatedReplicas != want || status.Replicas != want:
			return fmt.Errorf("%d of %d pods are of the newest version, %d in all", status.UpdatedReplicas, want, status.Replicas)
		case status.ReadyReplicas != want:
			return fmt.Errorf("%d of %d pods are Ready", status.ReadyReplicas, want)
		}
		return nil
	}}
}

// TargetsUp is met when Prometheus scrapes every Ready renderer pod.
func TargetsUp(r kube.Release) wait.Condition {
	return wait.Condition{Name: "Prometheus to scrape every renderer pod", Unmet: func(ctx context.Context) error {
		return forEveryPod(ctx, r, `up{job="renderer"} == 1`, "no target that is up")
	}}
}

// Series is met when Prometheus has the counter of late frames of every Ready
// renderer pod, under the labels that the adapter needs.
func Series(r kube.Release) wait.Condition {
	return wait.Condition{Name: "Prometheus to have " + kube.OverrunsMetric + " of every renderer pod", Unmet: func(ctx context.Context) error {
		return forEveryPod(ctx, r, fmt.Sprintf("%s{namespace=%q,container=\"renderer\"}", kube.OverrunsMetric, r.Namespace), "no series with its namespace, pod and container")
	}}
}

// forEveryPod checks that the expression has a result for every Ready pod.
func forEveryPod(ctx context.Context, r kube.Release, expression, lack string) error {
	vector, err := r.Query(ctx, expression)
	if err != nil {
		return err
	}
	seen := map[string]float64{}
	for _, sample := range vector {
		seen[string(sample.Metric["pod"])] = float64(sample.Value)
	}
	return coversReadyPods(ctx, r, seen, lack)
}

func coversReadyPods(ctx context.Context, r kube.Release, seen map[string]float64, lack string) error {
	pods, err := r.Pods(ctx)
	if err != nil {
		return err
	}
	if len(pods) == 0 {
		return fmt.Errorf("there is no renderer pod")
	}
	var missing []string
	for _, pod := range pods {
		if _, found := seen[pod.Name]; !found && ready(pod) {
			missing = append(missing, pod.Name)
		}
	}
	if len(missing) > 0 {
		sort.Strings(missing)
		return fmt.Errorf("%s: %s", lack, strings.Join(missing, ", "))
	}
	return nil
}

func ready(pod corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// APIServicesAvailable is met when the API server reaches the adapter, under
// every version that is registered.
func APIServicesAvailable(r kube.Release) wait.Condition {
	return wait.Condition{Name: "the APIServices of " + kube.Group + " to be Available", Unmet: func(ctx context.Context) error {
		raw, err := r.Discovery().RESTClient().Get().AbsPath("/apis/apiregistration.k8s.io/v1/apiservices").DoRaw(ctx)
		if err != nil {
			return err
		}
		var list struct {
			Items []struct {
				Metadata struct{ Name string }
				Spec     struct{ Group string }
				Status   struct {
					Conditions []struct{ Type, Status, Reason, Message string }
				}
			}
		}
		if err := json.Unmarshal(raw, &list); err != nil {
			return err
		}
		registered := 0
		for _, service := range list.Items {
			if service.Spec.Group != kube.Group {
				continue
			}
			registered++
			available := false
			for _, condition := range service.Status.Conditions {
				if condition.Type != "Available" {
					continue
				}
				if condition.Status != "True" {
					return fmt.Errorf("%s: %s: %s", service.Metadata.Name, condition.Reason, condition.Message)
				}
				available = true
			}
			if !available {
				return fmt.Errorf("%s has no condition Available yet", service.Metadata.Name)
			}
		}
		if registered == 0 {
			return fmt.Errorf("none is registered")
		}
		return nil
	}}
}

// Listed is met when discovery lists each of the HPA's metrics for pods.
func Listed(r kube.Release) wait.Condition {
	return wait.Condition{Name: "discovery to list the HPA's metrics", Unmet: func(ctx context.Context) error {
		wanted, err := Metrics(ctx, r)
		if err != nil {
			return err
		}
		listed, err := r.Metrics(ctx)
		if err != nil {
			return err
		}
		for _, metric := range wanted {
			if !slices.Contains(listed, "pods/"+metric) {
				return fmt.Errorf("it lists %v, and not pods/%s", listed, metric)
			}
		}
		return nil
	}}
}

// ValueForEveryPod is met when the custom metrics API has a value of each of the
// HPA's metrics for every Ready renderer pod.
func ValueForEveryPod(r kube.Release) wait.Condition {
	return wait.Condition{Name: "a value of each metric for every renderer pod", Unmet: func(ctx context.Context) error {
		wanted, err := Metrics(ctx, r)
		if err != nil {
			return err
		}
		for _, metric := range wanted {
			values, err := r.PodMetric(ctx, metric)
			if err != nil {
				return err
			}
			if err := coversReadyPods(ctx, r, values, "no value of "+metric); err != nil {
				return err
			}
		}
		return nil
	}}
}

// Active is met when the HPA computes replicas from each of its metrics.
func Active(r kube.Release) wait.Condition {
	return wait.Condition{Name: "the HPA to be ScalingActive on its metrics", Unmet: func(ctx context.Context) error {
		hpa, err := r.HPA(ctx)
		if err != nil {
			return err
		}
		active := false
		for _, condition := range hpa.Status.Conditions {
			if condition.Type != autoscalingv2.ScalingActive {
				continue
			}
			if condition.Status != corev1.ConditionTrue {
				return fmt.Errorf("ScalingActive is %s: %s: %s", condition.Status, condition.Reason, condition.Message)
			}
			active = true
		}
		if !active {
			return fmt.Errorf("it has no condition ScalingActive yet")
		}
		read := map[string]bool{}
		for _, current := range hpa.Status.CurrentMetrics {
			// A status with an empty type shows up first.
			if current.Type == autoscalingv2.PodsMetricSourceType && current.Pods != nil {
				read[current.Pods.Metric.Name] = true
			}
		}
		wanted, err := Metrics(ctx, r)
		if err != nil {
			return err
		}
		for _, metric := range wanted {
			if !read[metric] {
				return fmt.Errorf("its current metrics do not hold %s", metric)
			}
		}
		return nil
	}}
}

// Replicas is met when the HPA wants, and the Deployment has Ready, exactly that
// many pods.
func Replicas(r kube.Release, want int32) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("%d desired and Ready replicas", want), Unmet: func(ctx context.Context) error {
		return replicas(ctx, r, func(n int32) bool { return n == want })
	}}
}

// ReplicasAtLeast is met when the HPA wants, and the Deployment has Ready, that
// many pods or more.
func ReplicasAtLeast(r kube.Release, want int32) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("at least %d desired and Ready replicas", want), Unmet: func(ctx context.Context) error {
		return replicas(ctx, r, func(n int32) bool { return n >= want })
	}}
}

func replicas(ctx context.Context, r kube.Release, enough func(int32) bool) error {
	hpa, err := r.HPA(ctx)
	if err != nil {
		return err
	}
	deployment, err := r.Deployment(ctx)
	if err != nil {
		return err
	}
	desired, ready := hpa.Status.DesiredReplicas, deployment.Status.ReadyReplicas
	if !enough(desired) || !enough(ready) {
		return fmt.Errorf("%d desired, %d Ready", desired, ready)
	}
	return nil
}
