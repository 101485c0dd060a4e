package test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"holograph/test/chart"
)

// TestExtraObjects renders objects written as maps and as text; in both, templates see the release.
func TestExtraObjects(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, `
extraObjects:
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: '{{ include "holograph.renderer.name" . }}-map'}
    data: {port: "{{ .Values.renderer.port }}"}
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
	for _, name := range []string{"red", "green"} {
		_, found := data[name]
		require.True(t, found, name)
	}
}
