package chart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	"github.com/stretchr/testify/require"
	"k8s.io/kube-openapi/pkg/util/proto"
	"k8s.io/kube-openapi/pkg/util/proto/validation"

	"holograph/ci/program"
)

// Kubernetes is a version of Kubernetes, with the OpenAPI description of its API that its module carries.
type Kubernetes struct {
	program program.Program
	models  func() (map[string]proto.Schema, error)
}

// The ends of what the chart claims to run on.
var (
	// Oldest is the minor version that Chart.yaml asks for at least.
	Oldest = kubernetes(program.KubernetesOldest)
	// Newest is the version that the tests' clusters run.
	Newest = kubernetes(program.Kubernetes)
)

func kubernetes(pinned program.Program) Kubernetes {
	return Kubernetes{pinned, sync.OnceValues(func() (map[string]proto.Schema, error) { return models(pinned) })}
}

// Version returns the full version, such as "v1.30.14".
func (k Kubernetes) Version(t testing.TB) string {
	t.Helper()
	version, err := k.program.Version()
	require.NoError(t, err)
	return version
}

// Validate checks the object against the API's description: known kind, no unknown field, no required field
// missing, right types. What that description leaves open (it takes a number for any string) is found by
// decoding into the Go type, strictly. A custom resource is checked against its definition, for every version
// of Kubernetes.
func (k Kubernetes) Validate(o Object) error {
	if o.custom() {
		return o.validateCustom()
	}
	models, err := k.models()
	if err != nil {
		return err
	}
	model, known := models[o.APIVersion()+"/"+o.Kind()]
	if !known {
		return fmt.Errorf("%v: Kubernetes knows no such kind", o)
	}
	problems := validation.ValidateModel(map[string]any(o), model, o.Kind())
	if _, err := o.Typed(); err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%v: %w", o, errors.Join(problems...))
	}
	return nil
}

// Validate is Newest.Validate.
func (o Object) Validate() error { return Newest.Validate(o) }

// models reads the OpenAPI description that a Kubernetes module carries into models by "apiVersion/Kind".
func models(pinned program.Program) (map[string]proto.Schema, error) {
	directory, err := pinned.ModuleDir(context.Background())
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(directory, "api", "openapi-spec", "swagger.json"))
	if err != nil {
		return nil, err
	}
	// Nothing here asks for the paths, and parsing them takes ten times as long as the rest.
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return nil, err
	}
	parts["paths"] = json.RawMessage("{}")
	if text, err = json.Marshal(parts); err != nil {
		return nil, err
	}
	document, err := openapi_v2.ParseDocument(text)
	if err != nil {
		return nil, err
	}
	all, err := proto.NewOpenAPIData(document)
	if err != nil {
		return nil, err
	}
	models := map[string]proto.Schema{}
	for _, name := range all.ListModels() {
		model := all.LookupModel(name)
		kinds, _ := model.GetExtensions()["x-kubernetes-group-version-kind"].([]any)
		for _, entry := range kinds {
			kind, _ := entry.(map[any]any)
			apiVersion := fmt.Sprint(kind["version"])
			if group := fmt.Sprint(kind["group"]); group != "" {
				apiVersion = group + "/" + apiVersion
			}
			models[apiVersion+"/"+fmt.Sprint(kind["kind"])] = model
		}
	}
	return models, nil
}
