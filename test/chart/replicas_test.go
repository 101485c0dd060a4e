package chart_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"holograph/test/internal/chart"
)

// A number of pods that Helm wrote stays in the manifest while Helm would reset it otherwise, and no longer.
// test/lifecycle shows on a cluster that Helm resets it.
func TestReplicasSurviveTheSwitchToAutoscaling(t *testing.T) {
	t.Parallel()
	const (
		helm3      = `{manager: helm, operation: Update, fieldsV1: {"f:spec": {"f:replicas": {}}}}`
		helm4      = `{manager: helm, operation: Apply, fieldsV1: {"f:metadata": {"f:annotations": {"f:holograph/replicas-in-manifest": {}}}, "f:spec": {"f:replicas": {}}}}`
		flux       = `{manager: helm-controller, operation: Apply, fieldsV1: {"f:metadata": {"f:annotations": {"f:holograph/replicas-in-manifest": {}}}, "f:spec": {"f:replicas": {}}}}`
		other      = `{manager: somebody, operation: Apply, fieldsV1: {"f:spec": {"f:replicas": {}}}}`
		autoscaler = `{manager: kube-controller-manager, operation: Update, subresource: scale, fieldsV1: {"f:spec": {"f:replicas": {}}}}`
		status     = `{manager: kube-controller-manager, operation: Update, subresource: status, fieldsV1: {"f:status": {"f:replicas": {}}}}`
	)
	written := chart.Object(chart.Set("metadata.annotations.holograph/replicas-in-manifest", "true"))
	for name, test := range map[string]struct {
		annotated bool
		managers  string
		live      int
		want      any
	}{
		"Helm never wrote it":                    {managers: helm3, live: 5},
		"Helm 3 wrote it":                        {annotated: true, managers: helm3 + "," + status, live: 5, want: int64(5)},
		"Helm 3 wrote it, the autoscaler since":  {annotated: true, managers: helm3 + "," + autoscaler, live: 7, want: int64(7)},
		"Helm 4 wrote it":                        {annotated: true, managers: helm4 + "," + status, live: 5, want: int64(5)},
		"Helm 4 wrote it, the autoscaler since":  {annotated: true, managers: helm4 + "," + autoscaler, live: 7},
		"Flux wrote it":                          {annotated: true, managers: flux + "," + status, live: 5, want: int64(5)},
		"Flux wrote it, the autoscaler since":    {annotated: true, managers: flux + "," + autoscaler, live: 7},
		"Helm 3 wrote it, and somebody applied":  {annotated: true, managers: helm3 + "," + other, live: 7, want: int64(7)},
		"Helm wrote fewer than the autoscaler's": {annotated: true, managers: helm3, live: 1, want: int64(2)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live := chart.Parse(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: holograph-renderer, namespace: holograph, managedFields: [`+test.managers+`]}`)
			live = chart.Merge(live, chart.Set("spec.replicas", int64(test.live)))
			if test.annotated {
				live = chart.Merge(live, written)
			}
			rendered := chart.RenderWith(t, chart.Options{Cluster: []chart.Object{live}})
			deployment := rendered.Deployment(t, chart.Renderer)
			if test.want == nil {
				assert.Nil(t, deployment.Spec.Replicas)
				assert.NotContains(t, deployment.Annotations, "holograph/replicas-in-manifest")
				return
			}
			require.NotNil(t, deployment.Spec.Replicas)
			assert.EqualValues(t, test.want, *deployment.Spec.Replicas)
			assert.Contains(t, deployment.Annotations, "holograph/replicas-in-manifest", "annotations of the Deployment, which the next upgrade reads")
		})
	}
}

func TestReplicasWithoutTheAutoscalerAreMarked(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, "{autoscaling: {enabled: false}, renderer: {replicaCount: 0, podDisruptionBudget: {enabled: false}}}"))
	deployment := rendered.Deployment(t, chart.Renderer)
	require.NotNil(t, deployment.Spec.Replicas)
	assert.Zero(t, *deployment.Spec.Replicas, "replicas of the Deployment, want those of renderer.replicaCount")
	assert.Contains(t, deployment.Annotations, "holograph/replicas-in-manifest")
}

func TestReplicasAreRenderedOnlyWithoutTheAutoscaler(t *testing.T) {
	t.Parallel()
	assert.Nil(t, chart.Render(t).Deployment(t, chart.Renderer).Spec.Replicas)

	rendered := chart.Render(t, chart.Parse(t, "{autoscaling: {enabled: false}, renderer: {replicaCount: 3}}"))
	assert.EqualValues(t, 3, *rendered.Deployment(t, chart.Renderer).Spec.Replicas)
	assert.Empty(t, chart.Of[*autoscalingv2.HorizontalPodAutoscaler](t, rendered))
}
