package chart_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

// refusalsOfAliases are the cases of names that a parent chart gives this one.
var refusalsOfAliases = map[string]refusal{
	"gamesEU": {`{}`,
		`fullnameOverride: must be set where a parent chart gives this one an alias with other characters than lower-case letters, digits and dashes (got names holograph-gamesEU-*), because Kubernetes takes no other name: write fullnameOverride, like holograph.`},
}

// TestAliasesAreNames: Helm takes capital letters and underscores in the alias of a dependency, which is then the chart's name.
func TestAliasesAreNames(t *testing.T) {
	t.Parallel()
	directory, err := chart.Directory()
	require.NoError(t, err)
	own, err := chart.Load(directory)
	require.NoError(t, err)
	for alias, test := range refusalsOfAliases {
		aliased := own.Edit("Chart.yaml", func(text string) string { return strings.Replace(text, "name: holograph\n", "name: "+alias+"\n", 1) })
		_, err := aliased.Template(chart.Options{Values: []chart.Values{chart.Parse(t, test.values)}})
		require.Error(t, err, alias)
		assert.True(t, strings.HasSuffix(err.Error(), "): "+test.message), "%s, want the refusal: %s", err, test.message)
		rendered, err := aliased.Template(chart.Options{Values: []chart.Values{chart.Set("fullnameOverride", "games")}})
		require.NoError(t, err, "the alias %s with a name for the objects", alias)
		for _, object := range rendered.Objects {
			assert.NoError(t, object.Validate())
		}
	}
}
