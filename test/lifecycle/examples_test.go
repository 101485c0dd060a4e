package lifecycle

import (
	"context"
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"holograph/ci/program"
	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/wait"
)

// The API server takes every object of every example. It is asked to apply each
// without keeping it, which runs its defaulting, validation and admission.
func TestExamplesAreTakenByTheAPI(t *testing.T) {
	s := harness.New(t)
	ctx, cancel := s.Within(2 * time.Minute)
	defer cancel()
	definitions, err := chart.Definitions()
	require.NoError(t, err)
	for _, definition := range definitions {
		s.Apply(definition)
	}
	server := newDryRun(s)
	for _, name := range chart.Examples(t) {
		t.Run(name, func(t *testing.T) {
			rendered := chart.RenderWith(t, chart.Options{Namespace: server.namespace, Values: []chart.Values{chart.Example(t, name)}})
			require.NotEmpty(t, rendered.Objects)
			for _, object := range rendered.Objects {
				assert.NoError(t, server.apply(ctx, object), "%s %s", object.Kind(), object.Name())
			}
		})
	}
	t.Run("what is wrong is refused", func(t *testing.T) {
		wrong := chart.Object(chart.Parse(t, `
apiVersion: v1
kind: Service
metadata: {name: wrong}
spec: {ports: [{port: 70000}]}`))
		assert.ErrorContains(t, server.apply(ctx, wrong), "must be between 1 and 65535")
		unknown := chart.Object(chart.Parse(t, `
apiVersion: v1
kind: ConfigMap
metadata: {name: unknown}
date: {}`))
		assert.ErrorContains(t, server.apply(ctx, unknown), "field not declared in schema")
	})
}

// servedTime is for the API server to serve a kind that it has just been taught.
const servedTime = 30 * time.Second

// dryRun asks the API server what it thinks of objects.
type dryRun struct {
	namespace string
	client    dynamic.Interface
	mapper    *restmapper.DeferredDiscoveryRESTMapper
}

func newDryRun(s *harness.Story) dryRun {
	s.Helper()
	const namespace = "dry-run"
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	// The one thing that is kept, an object needs its namespace even so. Rules for an adapter go into the
	// adapter's: existing-adapter.yaml names it.
	for _, name := range []string{namespace, "monitoring"} {
		_, err := s.Release.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		if !apierrors.IsAlreadyExists(err) {
			require.NoError(s, err)
		}
	}
	client, err := dynamic.NewForConfig(s.Release.Config)
	require.NoError(s, err)
	return dryRun{namespace, client, restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(s.Release.Discovery()))}
}

// apply applies an object on the server, where nothing is kept.
func (d dryRun) apply(ctx context.Context, object chart.Object) error {
	version, err := schema.ParseGroupVersion(object.APIVersion())
	if err != nil {
		return err
	}
	var mapping *meta.RESTMapping
	if err := wait.For(ctx, servedTime, wait.Condition{Name: "the API to serve " + object.Kind(), Unmet: func(context.Context) (err error) {
		if mapping, err = d.mapper.RESTMapping(version.WithKind(object.Kind()).GroupKind(), version.Version); err != nil {
			d.mapper.Reset()
		}
		return err
	}}); err != nil {
		return err
	}
	if object.Kind() == "Pod" {
		// Admission looks the pod's account up, and the dry run before has not made it.
		object = maps.Clone(object)
		spec := maps.Clone(object["spec"].(map[string]any))
		spec["serviceAccountName"] = "default"
		object["spec"] = spec
	}
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	var resource dynamic.ResourceInterface = d.client.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		namespace := object.Namespace()
		if namespace == "" {
			namespace = d.namespace
		}
		resource = d.client.Resource(mapping.Resource).Namespace(namespace)
	}
	force := true
	_, err = resource.Patch(ctx, object.Name(), types.ApplyPatchType, body, metav1.PatchOptions{
		DryRun:          []string{metav1.DryRunAll},
		FieldManager:    "holograph-test",
		FieldValidation: metav1.FieldValidationStrict,
		Force:           &force,
	})
	return err
}

// A release moves from one environment's values to the next, and its links hold in each. Production's pods ask for
// a core each, which a test machine has not.
func TestEnvironments(t *testing.T) {
	s := begin(t, program.Helm)
	for _, example := range []string{"development", "staging"} {
		s.Step("install %s", example)
		s.Install(example)
		s.WaitFor(3*time.Minute, wait.Chain(s.Release)...)
		printed, err := s.HelmTest()
		require.NoError(t, err, printed)
	}
	s.Uninstall()
	s.WaitFor(time.Minute, s.NothingLeft())
}
