package chart_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"

	"holograph/test/internal/chart"
)

// TestNamesFit renders with the longest release name that Helm takes.
func TestNamesFit(t *testing.T) {
	t.Parallel()
	rendered := chart.RenderWith(t, chart.Options{Release: strings.Repeat("r", 53)})
	for _, service := range chart.Each[*corev1.Service](t, rendered) {
		assert.LessOrEqual(t, len(service.Name), 63, service.Name)
	}
}

func TestNamespaceOverride(t *testing.T) {
	t.Parallel()
	rendered := chart.RenderWith(t, chart.Options{Namespace: "elsewhere", Values: []chart.Values{chart.Set("namespaceOverride", "studio")}})
	for _, object := range rendered.Objects {
		assert.Contains(t, []string{"studio", "kube-system", ""}, object.Namespace(), "%v", object)
		// The doctor tells a user to run helm there.
		text := strings.Replace(fmt.Sprint(map[string]any(object)), `releaseNamespace: "elsewhere"`, "", 1)
		assert.NotContains(t, text, "elsewhere", "%v", object)
	}
	assert.Equal(t, 1, strings.Count(rendered.Notes, "elsewhere"), "uses of the release's namespace in the notes, which only the helm command needs:\n%s", rendered.Notes)
	assert.Contains(t, rendered.Notes, "helm test holograph --namespace elsewhere")
}

func TestOwnLabelsWinOverCommonOnes(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, "commonLabels: {app.kubernetes.io/component: mine, team: graphics}"))
	deployment := rendered.Deployment(t, chart.Renderer)
	for _, set := range []map[string]string{deployment.Labels, deployment.Spec.Template.Labels} {
		assert.Equal(t, "renderer", set["app.kubernetes.io/component"], "component of a selector, which common labels must not change")
		assert.Equal(t, "graphics", set["team"])
	}
}
