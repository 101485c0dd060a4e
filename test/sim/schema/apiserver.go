package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install" // registers the group with legacyscheme, as those below do
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/autoscaling"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	autoscalingvalidation "k8s.io/kubernetes/pkg/apis/autoscaling/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	networkingvalidation "k8s.io/kubernetes/pkg/apis/networking/validation"
	"k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	policyvalidation "k8s.io/kubernetes/pkg/apis/policy/validation"
	"k8s.io/kubernetes/pkg/apis/rbac"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
	rbacvalidation "k8s.io/kubernetes/pkg/apis/rbac/validation"
	"k8s.io/kubernetes/pkg/apis/scheduling"
	_ "k8s.io/kubernetes/pkg/apis/scheduling/install"
	schedulingvalidation "k8s.io/kubernetes/pkg/apis/scheduling/validation"
	"sigs.k8s.io/yaml"
)

// others are the kinds of API servers beside Kubernetes' own, which nothing here can speak for.
var others = []string{"APIService", "CapacityBuffer", "Certificate", "HTTPRoute", "Issuer", "PodMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication"}

var decoder = serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDecoder()

// Refusal returns why the API server would not create the object that a YAML document holds, nil if it would. It
// decodes strictly, sets defaults and validates with the code of the Kubernetes that this module pins.
func Refusal(document []byte) error {
	var meta metav1.PartialObjectMetadata
	if err := yaml.Unmarshal(document, &meta); err != nil {
		return fmt.Errorf("not YAML: %w", err)
	}
	name := fmt.Sprintf("%s %s %s", meta.APIVersion, meta.Kind, meta.Name)
	if slices.Contains(others, meta.Kind) {
		return nil
	}
	object, _, err := decoder.Decode(document, nil, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var found field.ErrorList
	switch o := object.(type) {
	case *apps.Deployment:
		found = appsvalidation.ValidateDeployment(o, pod.GetValidationOptionsFromPodTemplate(&o.Spec.Template, nil))
	case *apps.StatefulSet:
		found = appsvalidation.ValidateStatefulSet(o, appsvalidation.StatefulSetValidationOptions{}, pod.GetValidationOptionsFromPodTemplate(&o.Spec.Template, nil))
	case *apps.DaemonSet:
		found = appsvalidation.ValidateDaemonSet(o, pod.GetValidationOptionsFromPodTemplate(&o.Spec.Template, nil))
	case *autoscaling.HorizontalPodAutoscaler:
		found = autoscalingvalidation.ValidateHorizontalPodAutoscaler(o, autoscalingvalidation.HorizontalPodAutoscalerSpecValidationOptions{
			MinReplicasLowerBound:           0, // HPAScaleToZero is on by default
			ScaleTargetRefValidationOptions: autoscalingvalidation.CrossVersionObjectReferenceValidationOptions{AllowEmptyAPIGroup: true},
			ObjectMetricsValidationOptions:  autoscalingvalidation.CrossVersionObjectReferenceValidationOptions{AllowEmptyAPIGroup: true},
		})
	case *core.ConfigMap:
		found = corevalidation.ValidateConfigMap(o)
	case *core.Pod:
		found = corevalidation.ValidatePodCreate(o, pod.GetValidationOptionsFromPodSpecAndMeta(&o.Spec, nil, &o.ObjectMeta, nil))
	case *core.Secret:
		found = corevalidation.ValidateSecret(o)
	case *core.Service:
		found = corevalidation.ValidateServiceCreate(o)
	case *core.ServiceAccount:
		found = corevalidation.ValidateServiceAccount(o)
	case *networking.Ingress:
		found = networkingvalidation.ValidateIngressCreate(o)
	case *networking.NetworkPolicy:
		found = networkingvalidation.ValidateNetworkPolicy(o, networkingvalidation.NetworkPolicyValidationOptions{})
	case *policy.PodDisruptionBudget:
		found = policyvalidation.ValidatePodDisruptionBudget(o, policyvalidation.PodDisruptionBudgetValidationOptions{})
	case *rbac.ClusterRole:
		found = rbacvalidation.ValidateClusterRole(o, rbacvalidation.ClusterRoleValidationOptions{})
	case *rbac.ClusterRoleBinding:
		found = rbacvalidation.ValidateClusterRoleBinding(o)
	case *rbac.Role:
		found = rbacvalidation.ValidateRole(o)
	case *rbac.RoleBinding:
		found = rbacvalidation.ValidateRoleBinding(o)
	case *scheduling.PriorityClass:
		found = schedulingvalidation.ValidatePriorityClass(o)
	default:
		return fmt.Errorf("%s: nothing here can judge this kind; add its validation", name)
	}
	found = slices.DeleteFunc(found, func(err *field.Error) bool { return leftToIt(meta.Kind, meta.Name, err.Field) })
	if err := errors.Join(toErrors(found)...); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// leftToIt tells whether the chart leaves a field to the API server to judge: what the values take as Kubernetes has it,
// which is all of the renderer's pod, Service and Ingress, and the resources and security contexts of the other pods. A dry
// run shows what the API server says, which knows more of it than a template can.
func leftToIt(kind, name, path string) bool {
	if strings.HasSuffix(name, "-renderer") && slices.Contains([]string{"Deployment", "Service", "Ingress"}, kind) {
		return strings.HasPrefix(path, "spec.") && !strings.HasPrefix(path, "spec.selector")
	}
	return strings.Contains(path, ".resources.") || strings.Contains(path, ".securityContext")
}

func toErrors(list field.ErrorList) []error {
	errs := make([]error, len(list))
	for i, err := range list {
		errs[i] = err
	}
	return errs
}
