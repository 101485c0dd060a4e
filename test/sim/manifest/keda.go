package manifest

import (
	"fmt"
	"strconv"
	"strings"
	_ "time/tzdata" // schedules have time zones, and a machine may have none

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
	"holograph/test/sim/adapter"
)

// scaledObject makes the HPA that KEDA 2.21 makes of a ScaledObject (controllers/keda/hpa.go): one External metric for
// each trigger. The fallback is left out: no source fails in the model.
func (m *Manifest) scaledObject(document []byte) error {
	var s chart.ScaledObject
	if err := yaml.Unmarshal(document, &s); err != nil {
		return err
	}
	spec := s.Spec
	switch {
	case ptr.Deref(spec.MinReplicaCount, 0) < 1 || spec.IdleReplicaCount != nil:
		return fmt.Errorf("spec.minReplicaCount: the simulator does not model a fleet of no pods; write autoscaling.minReplicas of 1 or more, and no keda.idleReplicaCount")
	case spec.Advanced.ScalingModifiers.Formula != "":
		return fmt.Errorf("spec.advanced.scalingModifiers: the simulator does not model formulas; leave keda.scalingModifiers out")
	}
	m.HPA = &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: spec.Advanced.HorizontalPodAutoscalerConfig.Name},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: spec.ScaleTargetRef,
			MinReplicas:    spec.MinReplicaCount,
			MaxReplicas:    ptr.Deref(spec.MaxReplicaCount, 100), // KEDA's own
			Behavior:       spec.Advanced.HorizontalPodAutoscalerConfig.Behavior,
		},
	}
	if m.HPA.Name == "" {
		m.HPA.Name = "keda-hpa-" + s.Name
	}
	m.Triggers = map[string]adapter.Trigger{}
	for i, t := range spec.Triggers {
		if t.UseCachedMetrics {
			return fmt.Errorf("spec.triggers[%d]: the simulator does not model useCachedMetrics; leave it out", i)
		}
		name := fmt.Sprintf("s%d-%s", i, t.Type)
		var trigger adapter.Trigger
		target := resource.MustParse("1")
		switch t.Type {
		case "prometheus":
			threshold, err := strconv.ParseFloat(t.Metadata["threshold"], 64)
			if err != nil || threshold <= 0 {
				return fmt.Errorf("spec.triggers[%d].metadata.threshold is %q; write a number above zero", i, t.Metadata["threshold"])
			}
			target = resource.MustParse(fmt.Sprintf("%.3f", threshold))
			trigger = adapter.Trigger{Query: t.Metadata["query"], IgnoreNull: !strings.EqualFold(t.Metadata["ignoreNullValues"], "false")}
		case "cron":
			replicas, err := strconv.Atoi(t.Metadata["desiredReplicas"])
			if err != nil {
				return fmt.Errorf("spec.triggers[%d].metadata.desiredReplicas is %q; write a number", i, t.Metadata["desiredReplicas"])
			}
			if trigger.Schedule, err = adapter.NewSchedule(t.Metadata["start"], t.Metadata["end"], t.Metadata["timezone"], replicas); err != nil {
				return fmt.Errorf("spec.triggers[%d].metadata.%w", i, err)
			}
		default:
			return fmt.Errorf("spec.triggers[%d]: the simulator knows prometheus and cron, and no type %q", i, t.Type)
		}
		external := autoscalingv2.ExternalMetricSource{
			Metric: autoscalingv2.MetricIdentifier{Name: name, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"scaledobject.keda.sh/name": s.Name}}},
			Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: &target},
		}
		if t.MetricType == autoscalingv2.ValueMetricType {
			external.Target = autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: &target}
		}
		m.HPA.Spec.Metrics = append(m.HPA.Spec.Metrics, autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &external})
		m.Triggers[name] = trigger
	}
	return nil
}
