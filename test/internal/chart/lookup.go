package chart

import (
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
)

// lookups answers the chart's `lookup` calls from objects in place of a cluster.
type lookups []Object

// GetClientFor implements helm's engine.ClientProvider. Whether a kind is namespaced is taken from the objects
// themselves: of a kind that none of them has, nothing is found either way.
func (l lookups) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	namespaced := false
	var found []runtime.Object
	for _, object := range l {
		if object.APIVersion() == apiVersion && object.Kind() == kind {
			namespaced = object.Namespace() != ""
			found = append(found, &unstructured.Unstructured{Object: object})
		}
	}
	kinds := schema.FromAPIVersionAndKind(apiVersion, kind)
	resource, _ := meta.UnsafeGuessKindToResource(kinds)
	lists := map[schema.GroupVersionResource]string{resource: kind + "List"}
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, found...)
	return client.Resource(resource), namespaced, nil
}
