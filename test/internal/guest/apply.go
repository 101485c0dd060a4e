// Package guest has what a cluster of the stories has beside the release: KEDA, a browser, network policies that are
// enforced, and namespaces.
package guest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/pod-security-admission/api"

	"holograph/test/internal/kube"
	"holograph/test/internal/wait"
)

// servedTimeout bounds the time until the API server serves a kind after its definition was applied: a second or two.
const servedTimeout = 30 * time.Second

// manager is the field manager of what the tests apply.
const manager = "holograph-test"

// Namespace returns the manifest of a namespace that enforces the restricted Pod Security Standard.
func Namespace(name string) []byte {
	return fmt.Appendf(nil, "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: %s\n  labels: {%s: %s}\n", name, api.EnforceLevelLabel, api.LevelRestricted)
}

// Apply applies the objects of a YAML stream on the server, in order, and takes over fields that another manager owns. It
// stops at the first object that the API server rejects, and names it in the error.
func Apply(ctx context.Context, c *kube.Client, manifest []byte) error {
	return apply(ctx, c, "", manifest, nil)
}

// DryRun has the API server apply the objects of a YAML stream without storing them, which runs defaulting, validation and
// admission. Objects without a namespace go to the given one. The error names every object that the API server rejects.
func DryRun(ctx context.Context, c *kube.Client, namespace string, manifest []byte) error {
	return apply(ctx, c, namespace, manifest, []string{metav1.DryRunAll})
}

func apply(ctx context.Context, c *kube.Client, namespace string, manifest []byte, dryRun []string) error {
	client, err := dynamic.NewForConfig(c.Config)
	if err != nil {
		return err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.Discovery()))
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096)
	force := true
	options := metav1.PatchOptions{DryRun: dryRun, FieldManager: manager, FieldValidation: metav1.FieldValidationStrict, Force: &force}
	var refused []error
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return errors.Join(refused...)
		} else if err != nil {
			return err
		}
		if len(object.Object) == 0 {
			continue
		}
		body, err := json.Marshal(object)
		if err != nil {
			return err
		}
		name := object.GetKind() + " " + object.GetName()
		var refusal error
		err = wait.For(ctx, servedTimeout, wait.Condition{Name: "the API server to serve " + name, Unmet: func(ctx context.Context) error {
			mapping, err := mapper.RESTMapping(object.GroupVersionKind().GroupKind(), object.GroupVersionKind().Version)
			if err != nil {
				// An earlier object of the stream may have defined this kind.
				mapper.Reset()
				return err
			}
			var resource dynamic.ResourceInterface = client.Resource(mapping.Resource)
			if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
				resource = client.Resource(mapping.Resource).Namespace(cmp.Or(object.GetNamespace(), namespace))
			}
			_, refusal = resource.Patch(ctx, object.GetName(), types.ApplyPatchType, body, options)
			if apierrors.IsNotFound(refusal) || apierrors.IsServiceUnavailable(refusal) {
				return refusal
			}
			return nil
		}})
		if err == nil && refusal != nil {
			err = fmt.Errorf("the API server rejects %s: %w", name, refusal)
		}
		if err != nil && dryRun == nil {
			return err
		}
		refused = append(refused, err)
	}
}
