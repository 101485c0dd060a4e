// Package guest brings into a story what is no part of the release: objects of the cluster's own, KEDA, a browser.
package guest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"holograph/test/internal/kube"
	"holograph/test/internal/wait"
)

// objectTimeout bounds the application of one object: a server that has just learnt a kind takes a second or two
// until it serves it.
const objectTimeout = 30 * time.Second

// manager is who the cluster is told owns the fields.
const manager = "holograph-test"

// Apply applies the objects of a YAML stream on the server, in their order, in place of what is there of them.
// It stops at the first that is refused, and names it.
func Apply(ctx context.Context, c *kube.Client, manifest []byte) error {
	client, err := dynamic.NewForConfig(c.Config)
	if err != nil {
		return err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.Discovery()))
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if len(object.Object) == 0 {
			continue
		}
		name := object.GetKind() + " " + object.GetName()
		err := wait.For(ctx, objectTimeout, wait.Condition{Name: name + " to be applied", Unmet: func(ctx context.Context) error {
			mapping, err := mapper.RESTMapping(object.GroupVersionKind().GroupKind(), object.GroupVersionKind().Version)
			if err != nil {
				// Its definition may be one of the objects before.
				mapper.Reset()
				return err
			}
			var resource dynamic.ResourceInterface = client.Resource(mapping.Resource)
			if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
				resource = client.Resource(mapping.Resource).Namespace(object.GetNamespace())
			}
			_, err = resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: manager, Force: true})
			return err
		}})
		if err != nil {
			return err
		}
	}
}
