package chart_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"

	"holograph/test/internal/chart"
	"holograph/test/internal/podsecurity"
)

func TestEveryObjectIsOneThatKubernetesTakes(t *testing.T) {
	t.Parallel()
	for name, values := range renderings(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := chart.Render(t, values)
			seen := map[string]bool{}
			for _, object := range rendered.Objects {
				assert.NoError(t, object.Validate())
				identity := fmt.Sprint(object, " in ", object.Namespace())
				assert.False(t, seen[identity], "%s is rendered twice", identity)
				seen[identity] = true
			}
			for component, pod := range pods(t, rendered) {
				if name == "everything" {
					// The values bring two containers of their own; only the chart's are judged.
					pod.Spec.InitContainers = nil
					pod.Spec.Containers = pod.Spec.Containers[:1]
				}
				podsecurity.AssertRestricted(t, component, &pod.ObjectMeta, &pod.Spec)
				for _, container := range pod.Spec.Containers {
					assert.True(t, *container.SecurityContext.ReadOnlyRootFilesystem, "%s can write to its root file system", container.Name)
					assert.NotEmpty(t, container.Resources.Requests, "%s requests nothing", container.Name)
					assert.Contains(t, container.Resources.Limits, corev1.ResourceMemory, "%s may use all the memory of its node", container.Name)
				}
			}
		})
	}
}

func TestSelectorsFindTheirPods(t *testing.T) {
	t.Parallel()
	for name, values := range renderings(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := chart.Render(t, values)
			pods := map[string]labels.Set{}
			for name, template := range rendered.PodTemplates(t) {
				pods[name] = template.Labels
			}
			// selected is the one workload whose pods a selector finds.
			selected := func(selector map[string]string) string {
				var found []string
				for name, set := range pods {
					if labels.SelectorFromSet(selector).Matches(set) {
						found = append(found, name)
					}
				}
				require.Len(t, found, 1, "selector %v", selector)
				return found[0]
			}
			for _, deployment := range chart.Of[*appsv1.Deployment](t, rendered) {
				assert.Equal(t, deployment.Name, selected(deployment.Spec.Selector.MatchLabels))
			}
			for _, set := range chart.Of[*appsv1.StatefulSet](t, rendered) {
				assert.Equal(t, set.Name, selected(set.Spec.Selector.MatchLabels))
			}
			for _, set := range chart.Of[*appsv1.DaemonSet](t, rendered) {
				assert.Equal(t, set.Name, selected(set.Spec.Selector.MatchLabels))
			}
			for _, service := range chart.Of[*corev1.Service](t, rendered) {
				assert.Equal(t, service.Name, selected(service.Spec.Selector))
			}
			for _, budget := range chart.Of[*policyv1.PodDisruptionBudget](t, rendered) {
				assert.Equal(t, budget.Name, selected(budget.Spec.Selector.MatchLabels))
			}
			for _, autoscaler := range chart.Of[*autoscalingv2.HorizontalPodAutoscaler](t, rendered) {
				assert.Contains(t, pods, autoscaler.Spec.ScaleTargetRef.Name)
			}
		})
	}
}
