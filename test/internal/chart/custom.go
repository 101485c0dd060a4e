package chart

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	"sigs.k8s.io/yaml"

	"holograph/ci/program"
)

// definition is where the definition of a custom resource stands: in the module of the program that serves it, or in a module
// that this one requires.
type definition struct {
	program program.Program
	module  string
	file    string
}

// definitions are those of the kinds that are not Kubernetes' own, by "apiVersion/Kind".
var definitions = map[string]definition{
	"autoscaling.x-k8s.io/v1beta1/CapacityBuffer": {program.Karpenter, "", "pkg/apis/crds/autoscaling.x-k8s.io_capacitybuffers.yaml"},
	"cert-manager.io/v1/Certificate":              {program.CertManager, "", "deploy/crds/cert-manager.io_certificates.yaml"},
	"cert-manager.io/v1/Issuer":                   {program.CertManager, "", "deploy/crds/cert-manager.io_issuers.yaml"},
	"gateway.networking.k8s.io/v1/HTTPRoute":      {program.CertManager, "sigs.k8s.io/gateway-api", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"},
	"keda.sh/v1alpha1/ScaledObject":               {program.KEDA, "", "config/crd/bases/keda.sh_scaledobjects.yaml"},
	"keda.sh/v1alpha1/TriggerAuthentication":      {program.KEDA, "", "config/crd/bases/keda.sh_triggerauthentications.yaml"},
	"monitoring.coreos.com/v1/PodMonitor":         {program.PrometheusOperator, "", "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml"},
	"monitoring.coreos.com/v1/PrometheusRule":     {program.PrometheusOperator, "", "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"},
}

// read returns the CustomResourceDefinition as its project writes it.
func (d definition) read() ([]byte, error) {
	folder := d.program.ModuleDir
	if d.module != "" {
		folder = func(ctx context.Context) (string, error) { return d.program.DependencyDir(ctx, d.module) }
	}
	directory, err := folder(context.Background())
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(directory, filepath.FromSlash(d.file)))
}

// Definitions returns the CustomResourceDefinitions of all kinds that the chart renders and Kubernetes lacks, in
// YAML, for a cluster that is to know them.
func Definitions() ([][]byte, error) {
	var all [][]byte
	for _, kind := range slices.Sorted(maps.Keys(definitions)) {
		text, err := definitions[kind].read()
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, nil
}

// CustomKinds returns the kinds of [Definitions], as "apiVersion/Kind", in order.
func CustomKinds() []string { return slices.Sorted(maps.Keys(definitions)) }

// MissingDefaults names the fields that the API server adds to a custom resource when it stores it, such as
// "spec.metricsEndpoints[0].action: replace": those that the definition has a default for and the object lacks.
func (o Object) MissingDefaults() ([]string, error) {
	if !o.custom() {
		return nil, nil
	}
	schema, err := customModel(o.APIVersion(), o.Kind())
	if err != nil {
		return nil, err
	}
	return missingDefaults(map[string]any(o), schema, ""), nil
}

func missingDefaults(value any, schema *spec.Schema, path string) (missing []string) {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(schema.Properties)) {
			field := schema.Properties[key]
			at := strings.TrimPrefix(path+"."+key, ".")
			if held, set := value[key]; set {
				missing = append(missing, missingDefaults(held, &field, at)...)
			} else if field.Default != nil {
				missing = append(missing, fmt.Sprintf("%s: %v", at, field.Default))
			}
		}
		if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
			for _, key := range slices.Sorted(maps.Keys(value)) {
				missing = append(missing, missingDefaults(value[key], schema.AdditionalProperties.Schema, path+"."+key)...)
			}
		}
	case []any:
		if schema.Items != nil && schema.Items.Schema != nil {
			for i, item := range value {
				missing = append(missing, missingDefaults(item, schema.Items.Schema, fmt.Sprintf("%s[%d]", path, i))...)
			}
		}
	}
	return missing
}

var (
	customModelsMu sync.Mutex
	customModels   = map[string]*spec.Schema{}
)

// custom reports whether the object is of a kind that another project defines.
func (o Object) custom() bool {
	_, found := definitions[o.APIVersion()+"/"+o.Kind()]
	return found
}

// validateCustom checks an object against its custom resource definition: right types, nothing required missing,
// and no unknown field, which the API server would drop without a word.
func (o Object) validateCustom() error {
	schema, err := customModel(o.APIVersion(), o.Kind())
	if err != nil {
		return err
	}
	problems := validate.NewSchemaValidator(schema, nil, o.Kind(), strfmt.Default).Validate(map[string]any(o)).Errors
	problems = append(problems, unknown(map[string]any(o), schema, o.Kind())...)
	if len(problems) > 0 {
		return fmt.Errorf("%v: %w", o, errors.Join(problems...))
	}
	return nil
}

// unknown names the fields that the schema does not have.
func unknown(value any, schema *spec.Schema, path string) (problems []error) {
	if keep, found := schema.Extensions.GetBool("x-kubernetes-preserve-unknown-fields"); found && keep {
		return nil
	}
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			field, known := schema.Properties[key]
			switch {
			case known:
				problems = append(problems, unknown(value[key], &field, path+"."+key)...)
			case schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil:
				problems = append(problems, unknown(value[key], schema.AdditionalProperties.Schema, path+"."+key)...)
			// The definition leaves metadata to Kubernetes.
			case len(schema.Properties) > 0:
				problems = append(problems, fmt.Errorf("unknown field %s.%s", path, key))
			}
		}
	case []any:
		if schema.Items != nil && schema.Items.Schema != nil {
			for i, item := range value {
				problems = append(problems, unknown(item, schema.Items.Schema, fmt.Sprintf("%s[%d]", path, i))...)
			}
		}
	}
	return problems
}

// customModel reads the schema of one kind from the module that defines it, once.
func customModel(apiVersion, kind string) (*spec.Schema, error) {
	customModelsMu.Lock()
	defer customModelsMu.Unlock()
	key := apiVersion + "/" + kind
	if schema, read := customModels[key]; read {
		return schema, nil
	}
	where := definitions[key]
	text, err := where.read()
	if err != nil {
		return nil, err
	}
	var resource struct {
		Spec struct {
			Group    string
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema *spec.Schema }
			}
		}
	}
	if err := yaml.Unmarshal(text, &resource); err != nil {
		return nil, fmt.Errorf("%s: %w", where.file, err)
	}
	for _, version := range resource.Spec.Versions {
		if resource.Spec.Group+"/"+version.Name == apiVersion {
			customModels[key] = version.Schema.OpenAPIV3Schema
			return version.Schema.OpenAPIV3Schema, nil
		}
	}
	return nil, fmt.Errorf("%s defines no %s", where.file, key)
}
