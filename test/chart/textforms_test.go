package chart_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
)

// TestFormsTakeTheirExamples: what a refusal tells a user to write has the form, and what the entry calls unlike it has not.
func TestFormsTakeTheirExamples(t *testing.T) {
	t.Parallel()
	for _, form := range chart.Forms(t) {
		for _, example := range form.Like {
			assert.Regexp(t, form.Pattern, example, "an example of %s", form.Must)
		}
		for _, other := range form.Unlike {
			assert.NotRegexp(t, form.Pattern, other, "must be %s", form.Must)
		}
	}
}

// TestFormsHaveALongestText: the longest text is taken, and one that is longer is not.
func TestFormsHaveALongestText(t *testing.T) {
	t.Parallel()
	longest := 0
	for _, form := range chart.Forms(t) {
		if form.Longest == 0 {
			continue
		}
		longest++
		refused := func(length int) bool {
			values, at := textAt(strings.Split(form.Keys[0], "."), strings.Repeat("a", length), chart.Parse(t, string(chart.File(t, "values.yaml"))))
			_, err := chart.Template(chart.Options{Values: []chart.Values{values.(chart.Values)}, SkipSchema: true})
			return err != nil && strings.Contains(err.Error(), strings.TrimPrefix(at, ".")+": must be "+form.Must)
		}
		assert.False(t, refused(form.Longest), "whether %s refuses %d characters", form.Keys[0], form.Longest)
		assert.True(t, refused(form.Longest+1), "whether %s refuses %d characters", form.Keys[0], form.Longest+1)
	}
	assert.Positive(t, longest, "forms with a longest text")
}

// TestEveryFormRefuses gives every key that has a form a text that no form takes. The refusal is a sentence with the key.
func TestEveryFormRefuses(t *testing.T) {
	t.Parallel()
	const wrong = "\u00a7\nkind: Secret"
	defaults := chart.Parse(t, string(chart.File(t, "values.yaml")))
	for _, form := range chart.Forms(t) {
		for _, key := range form.Keys {
			t.Run(key, func(t *testing.T) {
				t.Parallel()
				values, at := textAt(strings.Split(key, "."), wrong, defaults)
				_, err := chart.Template(chart.Options{Values: []chart.Values{values.(chart.Values)}, SkipSchema: true})
				require.Error(t, err)
				want := fmt.Sprintf("%s: must be %s (got %s), because %s: write it like %s.",
					strings.TrimPrefix(at, "."), form.Must, strings.ReplaceAll(wrong, "\n", " "), form.Because, strings.Join(form.Like, " or "))
				assert.Contains(t, failurePlace.ReplaceAllString(err.Error(), ""), want)
			})
		}
	}
}

// textAt returns values that hold a text at a path, and the key under which a refusal names it. For "*" they have an
// item where the defaults have a list, and a new key where they have a map.
func textAt(path []string, text string, defaults any) (any, string) {
	if len(path) == 0 {
		return text, ""
	}
	if _, list := defaults.([]any); list {
		below, at := textAt(path[1:], text, nil)
		return []any{below}, "[0]" + at
	}
	name := strings.Replace(path[0], "*", "cpu", 1)
	known, _ := defaults.(chart.Values)
	below, at := textAt(path[1:], text, known[name])
	return chart.Values{name: below}, "." + name + at
}

// TestSchemaShowsNoPatterns: a text of the chart's own has a form, whose refusal is a sentence, and no pattern in the
// schema, which would be the message. Kubernetes documents the fields of its own types.
func TestSchemaShowsNoPatterns(t *testing.T) {
	t.Parallel()
	ofKubernetes := append([]string{
		"autoscaling.metrics", "extraObjects", "global.tolerations",
		"networkPolicy.clients", "networkPolicy.scrapers", "networkPolicy.queriers", "networkPolicy.apiServer.peers",
		"networkPolicy.prometheus.peers", "networkPolicy.rendererEgress",
		"prometheusAdapter.certificate.certManager.issuerRef.group",
		"renderer.dnsConfig", "renderer.env", "renderer.envFrom", "renderer.extraContainers", "renderer.extraVolumeMounts",
		"renderer.extraVolumes", "renderer.hostAliases", "renderer.httpRoute.parentRefs", "renderer.httpRoute.rules",
		"renderer.initContainers", "renderer.resourceClaims", "renderer.resources.claims", "renderer.service.clusterIP",
		"renderer.service.extraPorts.*.appProtocol", "renderer.service.loadBalancerClass", "renderer.topologySpreadConstraints",
	}, kubernetesTypes...)
	for _, component := range append(slices.Clone(alikeComponents), "renderer") {
		ofKubernetes = append(ofKubernetes, component+".affinity", component+".tolerations", component+".extraEnv")
	}
	schema := map[string]any{}
	require.NoError(t, json.Unmarshal(chart.File(t, "values.schema.json"), &schema))
	for _, key := range patterns(schema, schema["definitions"].(map[string]any), "") {
		known := slices.ContainsFunc(ofKubernetes, func(prefix string) bool { return key == prefix || strings.HasPrefix(key, prefix+".") })
		assert.True(t, known, "%s has a pattern in the schema, want a form in files/forms.yaml: a user would have to read the pattern", key)
	}
}

// patterns are the keys below a node of the schema that have a pattern; "*" is an item of a list or any key of a map.
func patterns(node any, definitions map[string]any, path string) []string {
	schema, ok := node.(map[string]any)
	if !ok {
		return nil
	}
	var found []string
	if _, has := schema["pattern"]; has {
		found = append(found, strings.TrimPrefix(path, "."))
	}
	if reference, _ := schema["$ref"].(string); reference != "" {
		found = append(found, patterns(definitions[strings.TrimPrefix(reference, "#/definitions/")], definitions, path)...)
	}
	for _, alternatives := range []string{"allOf", "anyOf", "oneOf"} {
		parts, _ := schema[alternatives].([]any)
		for _, part := range parts {
			found = append(found, patterns(part, definitions, path)...)
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		found = append(found, patterns(properties[name], definitions, path+"."+name)...)
	}
	named, _ := schema["patternProperties"].(map[string]any)
	for _, below := range append(slices.Collect(maps.Values(named)), schema["items"], schema["additionalProperties"]) {
		found = append(found, patterns(below, definitions, path+".*")...)
	}
	return found
}

// TestFormsAreOfKeysThatThereAre: a form of a key that the schema does not have would check nothing.
func TestFormsAreOfKeysThatThereAre(t *testing.T) {
	t.Parallel()
	schema := map[string]any{}
	require.NoError(t, json.Unmarshal(chart.File(t, "values.schema.json"), &schema))
	_, err := chart.WithForms(schema, chart.Forms(t))
	assert.NoError(t, err)
	_, err = chart.WithForms(schema, []chart.Form{{Pattern: "a", Keys: []string{"renderer.image.taag"}}})
	assert.ErrorContains(t, err, "renderer.image.taag has a form, and the schema does not have that key")
}
