package chart

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ScaledObject is KEDA's ScaledObject, as far as it is read here. KEDA's own Go type is in a module with all that KEDA
// requires. [Object.Validate] holds every field to KEDA's definition.
type ScaledObject struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ScaleTargetRef   autoscalingv2.CrossVersionObjectReference `json:"scaleTargetRef"`
		MinReplicaCount  *int32                                    `json:"minReplicaCount"`
		MaxReplicaCount  *int32                                    `json:"maxReplicaCount"`
		IdleReplicaCount *int32                                    `json:"idleReplicaCount"`
		Fallback         struct {
			FailureThreshold int `json:"failureThreshold"`
			Replicas         int `json:"replicas"`
		} `json:"fallback"`
		Advanced struct {
			HorizontalPodAutoscalerConfig struct {
				Name     string                                         `json:"name"`
				Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior"`
			} `json:"horizontalPodAutoscalerConfig"`
			ScalingModifiers struct {
				Formula string `json:"formula"`
			} `json:"scalingModifiers"`
		} `json:"advanced"`
		Triggers []struct {
			Type              string                         `json:"type"`
			Name              string                         `json:"name"`
			MetricType        autoscalingv2.MetricTargetType `json:"metricType"`
			UseCachedMetrics  bool                           `json:"useCachedMetrics"`
			Metadata          map[string]string              `json:"metadata"`
			AuthenticationRef struct {
				Name string `json:"name"`
				Kind string `json:"kind"`
			} `json:"authenticationRef"`
		} `json:"triggers"`
	} `json:"spec"`
}
