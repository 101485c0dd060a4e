package chart_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"holograph/test/internal/chart"
)

// refusalsOfExtraObjects are the cases of extraObjects that are no Kubernetes objects.
var refusalsOfExtraObjects = map[string]refusal{
	"object that is not YAML": {
		`extraObjects: ["a: {"]`,
		`extraObjects[0]: must be YAML after its templates are expanded (got error converting YAML to JSON: yaml: line 1: did not find expected node content), because Helm could not install it: fix it, or indent with nindent.`},
	"object without a kind": {
		`extraObjects: ["{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}", "{apiVersion: v1, metadata: {name: a}}"]`,
		`extraObjects[1]: must have apiVersion, kind and metadata.name after its templates are expanded (got an object without one of them), because Kubernetes needs all three: write them.`},
	"object that is named by the API server": {
		`extraObjects: [{apiVersion: v1, kind: ConfigMap, metadata: {generateName: scene-}}]`,
		`extraObjects[0]: must have metadata.name in place of metadata.generateName (got scene-), because Helm finds an object by its name when it upgrades or uninstalls: write metadata.name.`},
}

// TestExtraObjects renders objects written as maps and as text; in both, templates see the release.
func TestExtraObjects(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, `
extraObjects:
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: '{{ include "holograph.renderer.name" . }}-map'}
    data: {port: "{{ .Values.renderer.port }}"}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: blue}}
  - |
    {{- range list "red" "green" }}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: {{ . }}, namespace: {{ $.Release.Namespace }}}
    {{- end }}
  - "{{ if .Values.networkPolicy.enabled }}not YAML: at: all{{ end }}"
`))
	data := map[string]map[string]string{}
	for _, config := range chart.Of[*corev1.ConfigMap](t, rendered) {
		data[config.Name] = config.Data
	}
	assert.Equal(t, map[string]string{"port": "8080"}, data["holograph-renderer-map"])
	for _, name := range []string{"blue", "red", "green"} {
		_, found := data[name]
		require.True(t, found, "there is no ConfigMap %s of extraObjects", name)
	}
}
