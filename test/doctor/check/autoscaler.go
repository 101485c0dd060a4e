package check

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/doctor/description"
	"holograph/test/internal/kube"
)

func hasAutoscaler(p description.Path) bool { return p.Autoscaler != nil }

// ScaledObject is whether KEDA has made an autoscaler and finds its triggers.
var ScaledObject = Link{
	Name:  "scaled-object",
	Holds: "the ScaledObject to be Ready",
	on:    func(p description.Path) bool { return hasAutoscaler(p) && p.Autoscaler.ScaledObject != "" },
	look: func(ctx context.Context, s subject) (string, error) {
		name := s.Path.Autoscaler.ScaledObject
		object, err := s.scaledObject(ctx)
		if err != nil {
			return "", err
		}
		status := object.Status
		ready := object.condition("Ready")
		switch fallback := object.condition("Fallback"); {
		case ready.Status == "":
			return "", broken("check that KEDA's operator runs and watches namespace "+s.Namespace, "ScaledObject %s has no condition Ready yet", name)
		case ready.Status != "True":
			return "", broken("fix what the message says; KEDA's operator logs the rest",
				"ScaledObject %s is not Ready: %s: %s", name, ready.Reason, ready.Message)
		case object.stopped():
			// KEDA asks nothing any more, so its other conditions are those of before.
			return "", s.paused(object)
		case fallback.Status == "True":
			return "", broken("check that KEDA's operator reaches Prometheus; its log says what it got",
				"ScaledObject %s holds its fallback replicas, because a trigger fails: %s", name, fallback.Message)
		}
		return fmt.Sprintf("Ready, with HPA %s", status.HPAName), nil
	},
}

// pauses are the annotations with which KEDA's object is paused. The first two stop it, and KEDA deletes its autoscaler. With the
// others, which forbid one direction, both go on.
var pauses = []string{
	"autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas",
	"autoscaling.keda.sh/paused-scale-in", "autoscaling.keda.sh/paused-scale-out",
}

// pauses returns the annotations of KEDA's object that pause it, as KEDA reads them: a number of replicas whatever it is, and any
// other text than a no.
func (o scaledObject) pauses() (set []string) {
	for _, pause := range pauses {
		value, found := o.Metadata.Annotations[pause]
		yes, err := strconv.ParseBool(value)
		if found && (yes || err != nil || pause == pauses[1]) {
			set = append(set, pause)
		}
	}
	return set
}

// stopped is whether KEDA has paused its object in both directions.
func (o scaledObject) stopped() bool {
	set := o.pauses()
	return o.condition("Paused").Status == "True" && (len(set) == 0 || slices.Contains(pauses[:2], set[0]))
}

// paused says which of its annotations pause KEDA's object.
func (s subject) paused(object scaledObject) error {
	name, set, message := s.Path.Autoscaler.ScaledObject, object.pauses(), object.condition("Paused").Message
	switch last := len(set) - 1; {
	case last < 0:
		return broken("wait until KEDA's operator has taken notice; if that changes nothing, read its log, and restart it",
			"ScaledObject %s is paused, and no annotation of it says so: %s", name, message)
	case last == 0:
		return broken(fmt.Sprintf("when the reason for that is over, remove it: %s-; if it stands in keda.annotations or commonAnnotations, remove it there too",
			s.kubectl("annotate scaledobject %s %s", name, set[0])),
			"ScaledObject %s is paused by its annotation %s: %s", name, set[0], message)
	default:
		return broken(fmt.Sprintf("when the reason for that is over, remove them: %s-; if they stand in keda.annotations or commonAnnotations, remove them there too",
			s.kubectl("annotate scaledobject %s %s", name, strings.Join(set, "- "))),
			"ScaledObject %s is paused by its annotations %s and %s: %s", name, strings.Join(set[:last], ", "), set[last], message)
	}
}

// scaledObject is what KEDA has of its object.
type scaledObject struct {
	Metadata struct{ Annotations map[string]string }
	Status   struct {
		HPAName    string `json:"hpaName"`
		Conditions []kedaCondition
		// Health has, by its metric, how many queries of a trigger have failed since the last one that did not.
		Health map[string]struct{ NumberOfFailures int }
	}
}

type kedaCondition struct{ Type, Status, Reason, Message string }

// condition returns a condition of KEDA's object, an empty one where it has none of that type.
func (o scaledObject) condition(kind string) kedaCondition {
	for _, condition := range o.Status.Conditions {
		if condition.Type == kind {
			return condition
		}
	}
	return kedaCondition{}
}

// scaledObject reads KEDA's object.
func (s subject) scaledObject(ctx context.Context) (object scaledObject, err error) {
	name := s.Path.Autoscaler.ScaledObject
	raw, err := kube.Raw(ctx, s.Discovery().RESTClient().Get().AbsPath("/apis/keda.sh/v1alpha1/namespaces", s.Namespace, "scaledobjects", name))
	if apierrors.IsNotFound(err) {
		return object, broken("install KEDA where the cluster has none, and run "+s.upgrade(), "namespace %s has no ScaledObject %s", s.Namespace, name)
	}
	if err != nil {
		return object, err
	}
	err = json.Unmarshal(raw, &object)
	return object, err
}

// hpa returns the HorizontalPodAutoscaler of the chart or of KEDA.
func (s subject) hpa(ctx context.Context) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	name := s.Path.Autoscaler.HorizontalPodAutoscaler
	hpa, err := s.AutoscalingV2().HorizontalPodAutoscalers(s.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		remedy := "run " + s.upgrade()
		if s.Path.Autoscaler.ScaledObject != "" {
			remedy = "read the log of KEDA's operator, which makes it"
		}
		return nil, broken(remedy, "namespace %s has no HorizontalPodAutoscaler %s", s.Namespace, name)
	}
	return hpa, err
}

// Autoscaler is whether the HPA asks for the release's metrics, gets them and
// computes replicas from them.
var Autoscaler = Link{
	Name:  "autoscaler",
	Holds: "the HPA to be ScalingActive on its metrics",
	on:    hasAutoscaler,
	look: func(ctx context.Context, s subject) (string, error) {
		hpa, err := s.hpa(ctx)
		if err != nil {
			return "", err
		}
		describe := "see " + s.kubectl("describe hpa %s", hpa.Name)
		var asked []string
		for _, metric := range hpa.Spec.Metrics {
			asked = append(asked, metricName(metric))
		}
		// KEDA chooses the names of its metrics.
		if s.Path.Autoscaler.ScaledObject == "" {
			for _, metric := range s.wantedMetrics() {
				if !slices.Contains(asked, metric) {
					return "", broken("run "+s.upgrade(), "HPA %s asks for %s, and not for %s, which is served", hpa.Name, strings.Join(asked, ", "), metric)
				}
			}
		}
		if able := kube.Condition(hpa, autoscalingv2.AbleToScale); able != nil && able.Status != corev1.ConditionTrue {
			return "", broken(describe, "HPA %s: AbleToScale is %s: %s: %s", hpa.Name, able.Status, able.Reason, able.Message)
		}
		switch active := kube.Condition(hpa, autoscalingv2.ScalingActive); {
		case active == nil:
			return "", broken("wait for its first decision, or check that the controller manager runs", "HPA %s has no condition ScalingActive yet", hpa.Name)
		case active.Status != corev1.ConditionTrue:
			return "", broken("the links before this one hold, so wait for its next decision, 15 s later by default; if that changes nothing, "+describe,
				"HPA %s: ScalingActive is %s: %s: %s", hpa.Name, active.Status, active.Reason, active.Message)
		}
		current := map[string]string{}
		for _, status := range hpa.Status.CurrentMetrics {
			// A status with an empty type shows up first.
			switch {
			case status.Type == autoscalingv2.PodsMetricSourceType && status.Pods != nil:
				current[status.Pods.Metric.Name] = value(status.Pods.Current)
			case status.Type == autoscalingv2.ObjectMetricSourceType && status.Object != nil:
				current[status.Object.Metric.Name] = value(status.Object.Current)
			case status.Type == autoscalingv2.ExternalMetricSourceType && status.External != nil:
				current[status.External.Metric.Name] = value(status.External.Current)
			}
		}
		var read []string
		for i, name := range asked {
			if name == "" {
				continue
			}
			value, has := current[name]
			if !has {
				return "", broken("wait for its next decision; if that changes nothing, "+describe, "HPA %s has no current value of %s", hpa.Name, name)
			}
			read = append(read, fmt.Sprintf("%s %s of %s", name, value, target(hpa.Spec.Metrics[i])))
		}
		return fmt.Sprintf("%d of %d to %d pods wanted; %s", hpa.Status.DesiredReplicas, minReplicas(hpa), hpa.Spec.MaxReplicas, strings.Join(read, ", ")), nil
	},
}

// metricName is empty for a metric of a kind that the release does not use.
func metricName(metric autoscalingv2.MetricSpec) string {
	switch {
	case metric.Pods != nil:
		return metric.Pods.Metric.Name
	case metric.Object != nil:
		return metric.Object.Metric.Name
	case metric.External != nil:
		return metric.External.Metric.Name
	}
	return ""
}

func target(metric autoscalingv2.MetricSpec) string {
	of := autoscalingv2.MetricTarget{}
	switch {
	case metric.Pods != nil:
		of = metric.Pods.Target
	case metric.Object != nil:
		of = metric.Object.Target
	case metric.External != nil:
		of = metric.External.Target
	}
	return value(autoscalingv2.MetricValueStatus{AverageValue: of.AverageValue, Value: of.Value})
}

func value(status autoscalingv2.MetricValueStatus) string {
	switch {
	case status.AverageValue != nil:
		return status.AverageValue.String()
	case status.Value != nil:
		return status.Value.String()
	}
	return "unknown"
}

func minReplicas(hpa *autoscalingv2.HorizontalPodAutoscaler) int32 {
	if hpa.Spec.MinReplicas == nil {
		return 1
	}
	return *hpa.Spec.MinReplicas
}

// Headroom is whether the autoscaler may have as many pods as it wants, in both directions. A pause of one direction is looked at
// last, because a person who looks for a fault may have paused the autoscaler for that time.
var Headroom = Link{
	Name:  "headroom",
	Holds: "the HPA to want no more pods than it may have, and nobody to have paused it",
	on:    hasAutoscaler,
	look: func(ctx context.Context, s subject) (string, error) {
		hpa, err := s.hpa(ctx)
		if err != nil {
			return "", err
		}
		if limited := kube.Condition(hpa, autoscalingv2.ScalingLimited); limited != nil && limited.Status == corev1.ConditionTrue && limited.Reason == "TooManyReplicas" {
			return "", broken("write a larger autoscaling.maxReplicas, give each pod more to work with (renderer.resources), or send less",
				"HPA %s is pinned at its maximum of %d pods: %s", hpa.Name, hpa.Spec.MaxReplicas, limited.Message)
		}
		if s.Path.Autoscaler.ScaledObject != "" {
			object, err := s.scaledObject(ctx)
			if err != nil {
				return "", err
			}
			if object.condition("Paused").Status == "True" {
				return "", s.paused(object)
			}
		}
		finding := fmt.Sprintf("%d of at most %d pods", hpa.Status.DesiredReplicas, hpa.Spec.MaxReplicas)
		// The values may say so, and a person who looked for a fault may have left it behind.
		if behavior := hpa.Spec.Behavior; behavior != nil {
			if isDisabled(behavior.ScaleUp) {
				finding += ", and none is added: selectPolicy of scaleUp is Disabled"
			}
			if isDisabled(behavior.ScaleDown) {
				finding += ", and none is removed: selectPolicy of scaleDown is Disabled"
			}
		}
		return finding, nil
	},
}

// isDisabled is whether the autoscaler may not change the number of pods in a direction.
func isDisabled(rules *autoscalingv2.HPAScalingRules) bool {
	return rules != nil && rules.SelectPolicy != nil && *rules.SelectPolicy == autoscalingv2.DisabledPolicySelect
}
