package harness

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"holograph/test/wait"
)

// applyTimeout bounds the application of one set of objects: a server that has just learnt a kind takes a
// second or two until it serves it.
const applyTimeout = 30 * time.Second

// Apply brings the objects of a YAML stream into the cluster, in their order, in place of what an earlier
// story left of them. They stay with the cluster.
func (s *Story) Apply(manifest []byte) {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	client, err := dynamic.NewForConfig(s.Release.Config)
	require.NoError(s, err)
	kinds := memory.NewMemCacheClient(s.Release.Discovery())
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(kinds)
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return
		} else {
			require.NoError(s, err)
		}
		if len(object.Object) == 0 {
			continue
		}
		name := object.GetKind() + " " + object.GetName()
		require.NoError(s, wait.For(ctx, applyTimeout, wait.Condition{Name: name + " to be applied", Unmet: func(ctx context.Context) error {
			mapping, err := mapper.RESTMapping(object.GroupVersionKind().GroupKind(), object.GroupVersionKind().Version)
			if err != nil {
				// Its definition may be one of the objects before.
				mapper.Reset()
				return err
			}
			resource := client.Resource(mapping.Resource)
			if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
				_, err = resource.Namespace(object.GetNamespace()).Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "holograph-test", Force: true})
			} else {
				_, err = resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "holograph-test", Force: true})
			}
			return err
		}}))
	}
}
