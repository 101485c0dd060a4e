package lifecycle

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"holograph/ci/program"
	"holograph/test/internal/chart"
	"holograph/test/internal/guest"
	"holograph/test/internal/harness"
	"holograph/test/internal/wait"
)

// TestExamplesAreAccepted: the API server accepts every object of every example. A dry run applies each object without
// storing it, which runs defaulting, validation and admission.
func TestExamplesAreAccepted(t *testing.T) {
	s := harness.New(t)
	ctx, cancel := s.Within(2 * time.Minute)
	defer cancel()
	definitions, err := chart.Definitions()
	require.NoError(t, err)
	for _, definition := range definitions {
		s.Apply(definition)
	}
	// The objects need their namespace. existing-adapter.yaml also needs that of the adapter, because the chart writes the
	// rules for an adapter into the adapter's namespace.
	const namespace = "dry-run"
	s.Apply(slices.Concat(guest.Namespace(namespace), guest.Namespace("monitoring")))
	for _, name := range chart.Examples(t) {
		t.Run(name, func(t *testing.T) {
			rendered := chart.RenderWith(t, chart.Options{Namespace: namespace, Values: []chart.Values{chart.Example(t, name)}})
			require.NotEmpty(t, rendered.Objects)
			var manifest []byte
			for _, object := range rendered.Objects {
				if object.Kind() == "Pod" {
					// Admission requires the pod's ServiceAccount, which a dry run does not create.
					object = withDefaultAccount(object)
				}
				text, err := yaml.Marshal(object)
				require.NoError(t, err)
				manifest = slices.Concat(manifest, []byte("---\n"), text)
			}
			assert.NoError(t, guest.DryRun(ctx, s.Release.Client, namespace, manifest))
		})
	}
	t.Run("wrong objects are rejected", func(t *testing.T) {
		err := guest.DryRun(ctx, s.Release.Client, namespace, []byte(`
apiVersion: v1
kind: Service
metadata: {name: wrong}
spec: {ports: [{port: 70000}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: unknown}
date: {}`))
		assert.ErrorContains(t, err, "must be between 1 and 65535")
		assert.ErrorContains(t, err, "field not declared in schema")
	})
}

// withDefaultAccount returns a copy of a pod that runs as its namespace's default ServiceAccount.
func withDefaultAccount(pod chart.Object) chart.Object {
	pod = maps.Clone(pod)
	spec := maps.Clone(pod["spec"].(map[string]any))
	spec["serviceAccountName"] = "default"
	pod["spec"] = spec
	return pod
}

// TestEnvironments: an upgrade takes a release from the values of one environment to those of the next, and every link holds
// with each. Production is left out, because each of its pods requests a core and a test machine has too few.
func TestEnvironments(t *testing.T) {
	s := begin(t, program.Helm)
	for _, example := range []string{"development", "staging"} {
		s.Step("install %s", example)
		s.Install(example)
		s.WaitFor(3*time.Minute, wait.Chain(s.Release)...)
		s.HelmTestPasses()
	}
	s.Uninstall()
	s.WaitFor(time.Minute, s.NothingLeft())

	s.Step("a dry run of the defaults, whose image was loaded into the node, is not refused")
	_, err := s.Helm("install", s.Release.Name, s.Chart, "--dry-run=server")
	assert.NoError(s, err, "dry run of the defaults: a node that lists the image must be enough")
}
