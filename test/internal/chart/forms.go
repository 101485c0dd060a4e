package chart

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// Form is the form of the texts at some keys: an entry of files/forms.yaml.
type Form struct {
	// Must and Because are parts of the sentence that refuses a text of another form.
	Must, Because string
	// Like are examples, and Unlike texts of another form.
	Like, Unlike []string
	// Pattern is a regular expression, of RE2's syntax, that the whole text matches.
	Pattern string
	// Longest is how many bytes the text may have, 0 where the pattern says that.
	Longest int
	// Keys are paths below the values, in which "*" is every key of a map or every item of a list.
	Keys []string
}

// Forms returns the forms that charts/holograph checks.
func Forms(t testing.TB) []Form {
	t.Helper()
	var forms []Form
	require.NoError(t, yaml.UnmarshalStrict(File(t, "files/forms.yaml"), &forms))
	return forms
}

// WithForms returns a copy of a JSON schema in which each form is a pattern, and a length, at its keys. It fails where the schema does
// not have one of the keys.
func WithForms(schema map[string]any, forms []Form) (map[string]any, error) {
	definitions, _ := schema["definitions"].(map[string]any)
	copied := copyOf(schema).(map[string]any)
	for _, form := range forms {
		for _, key := range form.Keys {
			nodes := []map[string]any{copied}
			for _, step := range strings.Split(key, ".") {
				var below []map[string]any
				for _, node := range nodes {
					expand(node, definitions)
					below = append(below, children(node, step)...)
				}
				nodes = below
			}
			if len(nodes) == 0 {
				return nil, fmt.Errorf("%s has a form, and the schema does not have that key", key)
			}
			for _, node := range nodes {
				node["pattern"] = form.Pattern
				if form.Longest > 0 {
					node["maxLength"] = float64(form.Longest)
				}
			}
		}
	}
	return copied, nil
}

// expand lays what a node refers to under the node's own fields.
func expand(node, definitions map[string]any) {
	references := []any{map[string]any{"$ref": node["$ref"]}}
	if all, found := node["allOf"].([]any); found {
		references = all
	}
	for _, each := range references {
		reference, _ := each.(map[string]any)["$ref"].(string)
		definition, found := definitions[strings.TrimPrefix(reference, "#/definitions/")]
		if !found {
			continue
		}
		delete(node, "$ref")
		delete(node, "allOf")
		for key, value := range copyOf(definition).(map[string]any) {
			if _, own := node[key]; !own {
				node[key] = value
			}
		}
		expand(node, definitions)
	}
}

// children are the nodes of the schema for one step of a path below a node.
func children(node map[string]any, step string) []map[string]any {
	properties, _ := node["properties"].(map[string]any)
	var below []any
	switch {
	case step != "*":
		below = append(below, properties[step])
	default:
		patterns, _ := node["patternProperties"].(map[string]any)
		for _, named := range []map[string]any{properties, patterns} {
			for _, name := range slices.Sorted(maps.Keys(named)) {
				below = append(below, named[name])
			}
		}
		below = append(below, node["items"], node["additionalProperties"])
	}
	var nodes []map[string]any
	for _, each := range below {
		if node, ok := each.(map[string]any); ok {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// copyOf copies maps and lists, with all that is in them.
func copyOf(value any) any {
	switch value := value.(type) {
	case map[string]any:
		copied := maps.Clone(value)
		for key, below := range copied {
			copied[key] = copyOf(below)
		}
		return copied
	case []any:
		copied := slices.Clone(value)
		for i, below := range copied {
			copied[i] = copyOf(below)
		}
		return copied
	}
	return value
}
