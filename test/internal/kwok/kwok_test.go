package kwok

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"holograph/ci/program"
)

// The stages are those of kwok's own module, after the options.
func TestConfiguration(t *testing.T) {
	module, err := program.Kwok.ModuleDir(t.Context())
	require.NoError(t, err)
	text, err := configuration(module)
	require.NoError(t, err)
	var kinds, names []string
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		var object struct {
			Kind     string
			Metadata struct{ Name string }
			Options  map[string]any
		}
		require.NoError(t, yaml.Unmarshal(document, &object))
		kinds, names = append(kinds, object.Kind), append(names, object.Metadata.Name)
		if object.Kind == "KwokConfiguration" {
			assert.Equal(t, false, object.Options["manageAllNodes"], "the cluster's own node is real")
			assert.Equal(t, "kwok.x-k8s.io/node=fake", object.Options["manageNodesWithAnnotationSelector"])
		}
	}
	assert.Equal(t, []string{"KwokConfiguration", "Stage", "Stage", "Stage", "Stage"}, kinds)
	assert.Equal(t, []string{"", "node-initialize", "node-heartbeat-with-lease", "pod-ready", "pod-delete"}, names)
}
