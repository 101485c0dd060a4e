package chart_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"helm.sh/helm/v3/pkg/chartutil"
	corev1 "k8s.io/api/core/v1"

	"holograph/test/internal/chart"
)

// withoutDefault are the keys of the schema that values.yaml does not have: keys for parent charts, newer clusters and
// devices.
var withoutDefault = []string{
	"enabled",
	"autoscaling.behavior.scaleUp.tolerance",
	"autoscaling.behavior.scaleDown.tolerance",
	"renderer.resources.claims",
}

// kubernetesTypes are keys whose values are types of Kubernetes. values.yaml has a default for them, and Kubernetes
// documents their other fields.
var kubernetesTypes = []string{
	"renderer.podSecurityContext", "renderer.securityContext", "renderer.lifecycle", "renderer.strategy",
	"renderer.startupProbe", "renderer.readinessProbe", "renderer.livenessProbe",
	"prometheus.podSecurityContext", "prometheus.securityContext",
	"prometheusAdapter.podSecurityContext", "prometheusAdapter.securityContext",
	"kubeStateMetrics.podSecurityContext", "kubeStateMetrics.securityContext",
	"deletionCost.podSecurityContext", "deletionCost.securityContext",
	"doctor.podSecurityContext", "doctor.securityContext",
	"warmCapacity.podSecurityContext", "warmCapacity.securityContext",
}

// likeTheRenderer are keys that components have as the renderer has them. values.yaml documents them once, and a component has a
// comment only on what differs.
var likeTheRenderer = []string{
	"image", "resources", "podSecurityContext", "securityContext", "service", "annotations", "podLabels", "podAnnotations",
	"nodeSelector", "tolerations", "affinity", "priorityClassName",
}

// alikeComponents are the components that have them.
var alikeComponents = []string{"prometheus", "prometheusAdapter", "kubeStateMetrics", "deletionCost", "doctor", "warmCapacity"}

// commentOfTheRenderer returns the comment on the renderer's key that the key of a component is like.
func commentOfTheRenderer(comments map[string]string, path string) string {
	component, rest, _ := strings.Cut(strings.Replace(path, ".prePull.", ".", 1), ".")
	key, _, _ := strings.Cut(rest, ".")
	if !slices.Contains(alikeComponents, component) || !slices.Contains(likeTheRenderer, key) {
		return ""
	}
	return comments["renderer."+rest]
}

// TestSchemaMatchesValues compares values.yaml with the schema: both have the same keys, the schema refuses unknown ones,
// and its descriptions are the comments of values.yaml, which -update copies.
func TestSchemaMatchesValues(t *testing.T) {
	t.Parallel()
	var values, schema yaml.Node
	require.NoError(t, yaml.Unmarshal(chart.File(t, "values.yaml"), &values))
	// JSON is YAML, and this way its keys keep their order.
	require.NoError(t, yaml.Unmarshal(chart.File(t, "values.schema.json"), &schema))
	definitions := nodeAt(schema.Content[0], "definitions")

	comments := map[string]string{}
	var walk func(path string, comment string, value, node *yaml.Node)
	walk = func(path string, comment string, value, node *yaml.Node) {
		if path != "" {
			if comment == "" {
				comment = commentOfTheRenderer(comments, path)
			}
			comments[path] = comment
			require.NotEmpty(t, comment, "%s has no `# --` comment in values.yaml", path)
			assert.LessOrEqual(t, utf8.RuneCountInString(comment), 160, "characters of the comment of %s in values.yaml: reasons and figures belong on a page of docs", path)
			assert.NotContains(t, comment, " --", "the comment of %s: helm-docs takes the text before ` --` for the name of a value, and leaves this one out of the chart's README", path)
			if *updateGolden {
				setText(node, "description", comment)
			}
			description := nodeAt(node, "description")
			require.NotNil(t, description, "%s has no description in the schema: run `go test ./test/chart -run Schema -update`", path)
			assert.Equal(t, comment, description.Value, "description of %s in the schema, want the comment in values.yaml: run `go test ./test/chart -run Schema -update`", path)
		}
		if all := nodeAt(node, "allOf"); all != nil {
			if reference := nodeAt(all.Content[0], "$ref"); reference != nil {
				node = nodeAt(definitions, strings.TrimPrefix(reference.Value, "#/definitions/"))
				require.NotNil(t, node, "%s: %s", path, reference.Value)
			}
		}
		properties := nodeAt(node, "properties")
		if properties == nil || value.Kind != yaml.MappingNode || len(value.Content) == 0 || slices.Contains(kubernetesTypes, path) {
			return
		}
		closed := nodeAt(node, "additionalProperties")
		assert.True(t, strings.HasPrefix(path, "global") || closed != nil && closed.Value == "false", "the schema of %s accepts unknown keys, want additionalProperties: false", path)
		for i := 0; i < len(properties.Content); i += 2 {
			at := strings.TrimPrefix(path+"."+properties.Content[i].Value, ".")
			found := nodeAt(value, properties.Content[i].Value) != nil
			assert.NotEqual(t, slices.Contains(withoutDefault, at), found, "%s must be either in values.yaml or in withoutDefault: add it to one, or remove it from the other", at)
		}
		for i := 0; i < len(value.Content); i += 2 {
			key := value.Content[i]
			at := strings.TrimPrefix(path+"."+key.Value, ".")
			child := nodeAt(properties, key.Value)
			if assert.NotNil(t, child, "%s is in values.yaml and not in the schema", at) {
				walk(at, documentation(key.HeadComment), value.Content[i+1], child)
			}
		}
	}
	walk("", "", values.Content[0], schema.Content[0])

	text := &bytes.Buffer{}
	writeJSON(text, schema.Content[0], "")
	text.WriteByte('\n')
	if *updateGolden {
		directory, err := chart.Directory()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(directory, "values.schema.json"), text.Bytes(), 0o644))
		return
	}
	// Not by Equal, which would print both before it says what to do.
	assert.True(t, text.String() == string(chart.File(t, "values.schema.json")), "the layout of the schema differs: run `go test ./test/chart -run Schema -update`")
}

// documentation returns the text of a comment after `# --`, up to another marker.
func documentation(comment string) string {
	_, text, found := strings.Cut(comment, "# -- ")
	if !found {
		return ""
	}
	text, _, _ = strings.Cut(text, "\n# @")
	text, _, _ = strings.Cut(text, "\n\n")
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "\n#", "\n")), " ")
}

// nodeAt returns the value of a mapping's key, nil where there is none.
func nodeAt(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// setText gives a mapping's key a text; a new key comes first.
func setText(mapping *yaml.Node, key, text string) {
	value := nodeAt(mapping, key)
	if value == nil {
		value = &yaml.Node{Kind: yaml.ScalarNode}
		mapping.Content = append([]*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, value}, mapping.Content...)
	}
	value.Tag, value.Value = "!!str", text
}

// writeJSON prints a node as JSON, indented by two.
func writeJSON(out *bytes.Buffer, node *yaml.Node, indent string) {
	below := indent + "  "
	switch node.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		brackets, step := "{}", 2
		if node.Kind == yaml.SequenceNode {
			brackets, step = "[]", 1
		}
		out.WriteByte(brackets[0])
		for i := 0; i < len(node.Content); i += step {
			if i > 0 {
				out.WriteByte(',')
			}
			out.WriteString("\n" + below)
			if step == 2 {
				writeJSON(out, node.Content[i], below)
				out.WriteString(": ")
			}
			writeJSON(out, node.Content[i+step-1], below)
		}
		if len(node.Content) > 0 {
			out.WriteString("\n" + indent)
		}
		out.WriteByte(brackets[1])
	default:
		if node.Tag != "!!str" {
			out.WriteString(node.Value)
			return
		}
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(node.Value)
		out.Truncate(out.Len() - 1)
	}
}

// TestDefaultsFitTheSchema validates values.yaml by itself, without values that Helm merges into it.
func TestDefaultsFitTheSchema(t *testing.T) {
	t.Parallel()
	values, err := chartutil.ReadValues(chart.File(t, "values.yaml"))
	require.NoError(t, err)
	assert.NoError(t, chartutil.ValidateAgainstSingleSchema(values, chart.File(t, "values.schema.json")))
}

// TestNullIsRefusedOrRendersValidObjects removes each value, as `null` in a values file does: the chart refuses that, or
// renders valid objects without the value. No list is refused, and no map of which a user writes the keys: for Helm, null
// is the only way to remove what such a map has by default.
func TestNullIsRefusedOrRendersValidObjects(t *testing.T) {
	t.Parallel()
	var values map[string]any
	require.NoError(t, yaml.Unmarshal(chart.File(t, "values.yaml"), &values))
	// Without these two, each rendering has a certificate and a password of its own.
	stable := []chart.Values{
		chart.Set("prometheusAdapter.certificate.certManager.enabled", true),
		chart.Set("prometheus.auth.basicAuth.existingSecret", "prometheus-login"),
	}
	defaults := chart.Render(t, stable...)
	var walk func(path string, value any)
	walk = func(path string, value any) {
		list, isList := value.([]any)
		below, isMap := value.(map[string]any)
		if path != "" {
			t.Run(path, func(t *testing.T) {
				t.Parallel()
				rendered, err := chart.Template(chart.Options{Values: append(slices.Clone(stable), chart.Set(path, nil))})
				// Without an entry, the burn rates of the SRE workbook; null is for no such alerts.
				if strings.HasPrefix(path, "alerts.errorBudgetBurn.") {
					require.NoError(t, err)
					return
				}
				if isList || isMap && (len(below) == 0 || openMap(path)) {
					require.NoError(t, err, "%s is null, want what no entry gives", path)
				}
				if err != nil {
					schema := strings.Contains(err.Error(), "values don't meet the specifications of the schema")
					assert.True(t, schema || failurePlace.MatchString(err.Error()), "%s", err)
					return
				}
				for _, object := range rendered.Objects {
					assert.NoError(t, object.Validate())
				}
				if isList && len(list) == 0 || isMap && len(below) == 0 {
					assert.Equal(t, defaults.Manifest, rendered.Manifest, "%s is null, want what no entry gives", path)
				}
			})
		}
		for key, child := range below {
			walk(strings.TrimPrefix(fmt.Sprint(path, ".", key), "."), child)
		}
	}
	walk("", values)
}

// openMap tells whether a user writes the keys of the map at path, although values.yaml has some.
func openMap(path string) bool {
	return slices.Contains(kubernetesTypes, path) && !strings.HasSuffix(path, "Probe") ||
		strings.HasSuffix(path, ".resources") || strings.HasSuffix(path, ".affinity")
}

// TestSchemaRefuses checks one wrong value for each kind of key. The message must name the key.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	refusesEach(t, map[string]any{
		"unknown":                              1,
		"renderer.unknown":                     1,
		"renderer.port":                        70000,
		"renderer.resources.limits.cpu":        "one",
		"renderer.resources.limits.memoy":      "1Gi",
		"renderer.podLabels.a b":               "c",
		"renderer.podAnnotations.*":            "c",
		"signals.matchers.a-b":                 "c",
		"keda.metadata.a: b":                   "c",
		"renderer.image.tag":                   "a tag",
		"renderer.image.digest":                "sha256:short",
		"renderer.image.repository":            "https://ghcr.io/acme/renderer",
		"renderer.metrics.path":                "metrics",
		"renderer.metrics.port":                70000,
		"renderer.metrics.container":           "The exporter",
		"renderer.extraPorts":                  []any{map[string]any{"name": "media", "containerPort": 40000, "protocol": "QUIC"}},
		"renderer.service.clusterIP":           "none",
		"renderer.service.sessionAffinity":     "Cookie",
		"renderer.ingress.hosts":               []any{"frames.example"},
		"autoscaling.target.kind":              "DaemonSet",
		"global.tolerations":                   []any{"gpu"},
		"frame.budget":                         "33",
		"slo.objective":                        100,
		"signals.labels.pod":                   "pod-name",
		"signals.overruns.name":                "frames-over-budget",
		"signals.overruns.window":              "2 minutes",
		"signals.overruns.target":              "a tenth",
		"signals.overruns.maxRatio":            "twice",
		"signals.demand.enabled":               "yes",
		"signals.demand.name":                  "demand of a pod",
		"signals.demand.offered.metric":        "offered cpu seconds",
		"signals.demand.capacity.metric":       "cpu cores",
		"signals.demand.window":                "1 minute",
		"signals.demand.target":                "75%",
		"autoscaling.minReplicas":              -1,
		"autoscaling.provider":                 "vpa",
		"autoscaling.metrics":                  []any{map[string]any{"type": "External", "resource": map[string]any{"name": "cpu"}}},
		"keda.triggers":                        []any{map[string]any{"name": "show"}},
		"keda.idleReplicaCount":                1,
		"autoscaling.behavior.scaleUpp":        map[string]any{},
		"podMonitor.apiVersion":                "v1",
		"scrapeAnnotations.enabled":            "yes",
		"prometheus.retention.size":            "512",
		"prometheusAdapter.replicaCount":       0,
		"kubeStateMetrics.scrapeInterval":      5,
		"fullnameOverride":                     "Upper",
		"servedNamespaces":                     []any{"film", "film"},
		"prometheusAdapter.existing.configMap": "the rules",
		"global.imagePullSecrets":              []any{1},
		"renderer.podDisruptionBudget":         "none",
		"renderer.serviceAccount.automount":    "no",
		"prometheus.service.type":              "ExternalName",
		"prometheusAdapter.image.pullPolicy":   "Sometimes",
		"warmCapacity.placeholders.pods":       -1,
		"warmCapacity.capacityBuffer.pods":     "20%",
		"warmCapacity.prePull.enabled":         "yes",
	})
}

// refusesEach expects each value to be refused, by the schema or for its form, with a message that names its key.
func refusesEach(t *testing.T, wrong map[string]any) {
	t.Helper()
	for path, value := range wrong {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			_, err := chart.Template(chart.Options{Values: []chart.Values{chart.Set(path, value)}})
			require.Error(t, err)
			place := "/" + strings.ReplaceAll(path, ".", "/")
			parent, key := place[:strings.LastIndex(place, "/")], path[strings.LastIndex(path, ".")+1:]
			named := strings.Contains(err.Error(), "at '"+place) || strings.Contains(err.Error(), path+": must be ") ||
				strings.Contains(err.Error(), fmt.Sprintf("at '%s': additional properties '%s'", parent, key))
			assert.True(t, named, "the refusal does not name %s:\n%s", path, err)
		})
	}
}

// TestSubchartKeysAreAccepted: a parent chart may set enabled and its own keys under global, and write what it shares with
// other charts as those read it.
func TestSubchartKeysAreAccepted(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, `{enabled: true, global: {imageRegistry: mirror.example, other: chart, security: {allowInsecureImages: true}, imagePullSecrets: [registry, {name: mirror}]}}`))
	for _, template := range rendered.PodTemplates(t) {
		assert.Equal(t, []corev1.LocalObjectReference{{Name: "registry"}, {Name: "mirror"}}, template.Spec.ImagePullSecrets, "the pull secrets of %s", template.Name)
	}
}

// TestFieldsOfPodsAreAccepted: what Kubernetes takes in these parts of a pod, the schema takes too.
func TestFieldsOfPodsAreAccepted(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, `
renderer:
  livenessProbe: {terminationGracePeriodSeconds: 20}
  startupProbe: {terminationGracePeriodSeconds: 10}
  podSecurityContext: {supplementalGroupsPolicy: Strict, seLinuxChangePolicy: MountOption}
  extraVolumes: [{name: scenes, image: {reference: "ghcr.io/acme/scenes:1", pullPolicy: IfNotPresent}}]
  extraVolumeMounts: [{name: scenes, mountPath: /scenes}]
  extraContainers: [{name: relay, image: relay, ports: [{containerPort: 3478, protocol: UDP, hostPort: 3478}]}]
  affinity:
    podAntiAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app.kubernetes.io/component: renderer}}, matchLabelKeys: [pod-template-hash]}`))
	for _, object := range rendered.Objects {
		assert.NoError(t, object.Validate())
	}
	pod := rendered.Deployment(t, chart.Renderer).Spec.Template.Spec
	assert.EqualValues(t, 20, *pod.Containers[0].LivenessProbe.TerminationGracePeriodSeconds, "a pod that hangs does not drain: with long sessions it would stay for the whole grace period of the pod")
	assert.Equal(t, "ghcr.io/acme/scenes:1", pod.Volumes[0].Image.Reference)
	assert.EqualValues(t, 3478, pod.Containers[1].Ports[0].HostPort)
	assert.Equal(t, []string{"pod-template-hash"}, pod.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].MatchLabelKeys)
}
