package chart_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
)

// nodeWith is a node that lists those images.
func nodeWith(name string, images ...string) chart.Object {
	var list []any
	for _, image := range images {
		list = append(list, map[string]any{"names": []any{image}, "sizeBytes": int64(1)})
	}
	return chart.Object{
		"apiVersion": "v1", "kind": "Node",
		"metadata": map[string]any{"name": name},
		"status":   map[string]any{"images": list},
	}
}

var refusalsOfNodes = map[string]refusal{
	"the reference renderer, which no node lists": {"{}",
		"renderer.image.repository: must name an image that nodes can pull or hold (got localhost/holograph-renderer:0.1.0), because it is in no registry and no node of this cluster lists it: " +
			"write your own renderer's image there, as values-examples/own-renderer.yaml does, or build this one with `make images`, load it into every node and write renderer.image.pullPolicy: Never."},
	"another version than the one that a node lists": {`{renderer: {image: {tag: "0.0.9"}}}`,
		"renderer.image.repository: must name an image that nodes can pull or hold (got localhost/holograph-renderer:0.0.9), because it is in no registry and no node of this cluster lists it: " +
			"write your own renderer's image there, as values-examples/own-renderer.yaml does, or build this one with `make images`, load it into every node and write renderer.image.pullPolicy: Never."},
}

// TestImageThatNoNodeCanGetIsRefused: an image that no registry and no node has is refused before anything is installed.
func TestImageThatNoNodeCanGetIsRefused(t *testing.T) {
	t.Parallel()
	nodes := []chart.Object{nodeWith("empty"), nodeWith("busy", "registry.k8s.io/pause:3.10", "quay.io/prometheus/prometheus:v3.14.0")}
	loaded := nodeWith("loaded", "registry.k8s.io/pause:3.10", "localhost/holograph-renderer:0.1.0")
	for name, test := range refusalsOfNodes {
		cluster := nodes
		if test.values != "{}" {
			cluster = append([]chart.Object{loaded}, nodes...)
		}
		_, err := chart.Template(chart.Options{Cluster: cluster, Values: []chart.Values{chart.Parse(t, test.values)}})
		require.Error(t, err, "%s: rendered, and should say: %s", name, test.message)
		assert.Equal(t, test.message, failurePlace.ReplaceAllString(err.Error(), ""), name)
	}
	for name, options := range map[string]chart.Options{
		"a node lists it":                {Cluster: append([]chart.Object{loaded}, nodes...)},
		"it is said to be on the nodes":  {Cluster: nodes, Values: []chart.Values{chart.Set("renderer.image.pullPolicy", "Never")}},
		"the renderer is another's":      {Cluster: nodes, Values: []chart.Values{chart.Set("renderer.image.repository", "ghcr.io/acme/renderer")}},
		"it comes from a mirror":         {Cluster: nodes, Values: []chart.Values{chart.Set("global.imageRegistry", "mirror.example")}},
		"it was pushed by oneself":       {Cluster: nodes, Values: []chart.Values{chart.Set("renderer.image.registry", "ghcr.io/acme")}},
		"a registry on the node has it":  {Cluster: nodes, Values: []chart.Values{chart.Set("renderer.image.registry", "localhost:5000")}},
		"no renderer is installed":       {Cluster: nodes, Values: []chart.Values{chart.Parse(t, `{renderer: {enabled: false, metrics: {container: frames, port: 9102}}, autoscaling: {target: {name: frames, podLabels: {app: frames}}}}`)}},
		"without a cluster nobody knows": {},
	} {
		_, err := chart.Template(options)
		assert.NoError(t, err, name)
	}
}
