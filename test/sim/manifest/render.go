package manifest

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
	"helm.sh/helm/v3/pkg/chartutil"
	kyaml "sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
	"holograph/test/sim/fleet"
)

// Chart is a chart that can be rendered many times with different values.
type Chart struct{ chart *chart.Chart }

// Load reads the chart in a folder.
func Load(folder string) (*Chart, error) {
	c, err := chart.Load(folder)
	if err != nil {
		return nil, fmt.Errorf("--chart %s: %w", folder, err)
	}
	return &Chart{c}, nil
}

// LoadFS reads the chart in a folder of a file system.
func LoadFS(files fs.FS, folder string) (*Chart, error) {
	sub, err := fs.Sub(files, folder)
	if err != nil {
		return nil, err
	}
	c, err := chart.LoadFS(sub)
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", folder, err)
	}
	return &Chart{c}, nil
}

// Values are a chart's values, and the file they came from.
type Values struct {
	// Name is the file's name, "" for values that are in no file.
	Name string
	Map  map[string]any

	node *yaml.Node
}

// ReadValues reads a values file.
func ReadValues(name string) (Values, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return Values{}, fmt.Errorf("--values: %w", err)
	}
	return ParseValues(name, text)
}

// ParseValues reads values from YAML text. Errors name line and column.
func ParseValues(name string, text []byte) (Values, error) {
	v := Values{Name: name, Map: map[string]any{}}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		line, what := 1, strings.TrimPrefix(err.Error(), "yaml: ")
		if m := yamlLine.FindStringSubmatch(what); m != nil {
			fmt.Sscan(m[1], &line)
			what = m[2]
		}
		return v, fmt.Errorf("%s: line %d, column %d: %s", name, line, firstColumn(text, line), what)
	}
	if len(document.Content) == 0 {
		return v, nil
	}
	v.node = document.Content[0]
	if v.node.Kind != yaml.MappingNode {
		return v, fmt.Errorf("%s: line %d, column %d: values are a list of keys; write key: value", name, v.node.Line, v.node.Column)
	}
	if err := kyaml.Unmarshal(text, &v.Map); err != nil {
		return v, fmt.Errorf("%s: line 1, column 1: %w", name, err)
	}
	return v, nil
}

var yamlLine = regexp.MustCompile(`(?s)^line (\d+): (.*)`)

func firstColumn(text []byte, line int) int {
	lines := strings.Split(string(text), "\n")
	if line < 1 || line > len(lines) {
		return 1
	}
	l := lines[line-1]
	return len(l) - len(strings.TrimLeft(l, " ")) + 1
}

// Float looks up a number, such as slo.objective, in the values on top of the chart's own.
func (c *Chart) Float(v Values, path ...string) (float64, bool) {
	merged, err := c.chart.Values(v.Map)
	if err != nil {
		return 0, false
	}
	table, err := chartutil.Values(merged).Table(strings.Join(path[:len(path)-1], "."))
	if err != nil {
		return 0, false
	}
	switch n := table[path[len(path)-1]].(type) {
	case float64:
		return n, true
	case int64:
		return float64(n), true
	case int:
		return float64(n), true
	case string:
		f, err := strconv.ParseFloat(n, 64)
		return f, err == nil
	}
	return 0, false
}

// PodStart is autoscaling.podStart in the values on top of the chart's own, 0 where the chart has no such value.
func (c *Chart) PodStart(v Values) (time.Duration, error) {
	merged, err := c.chart.Values(v.Map)
	if err != nil {
		return 0, err
	}
	table, err := chartutil.Values(merged).Table("autoscaling")
	if err != nil {
		return 0, err
	}
	text, ok := table["podStart"].(string)
	if !ok {
		return 0, nil
	}
	start, err := model.ParseDuration(text)
	if err != nil {
		return 0, v.locate(fmt.Errorf("autoscaling.podStart: %w", err))
	}
	return time.Duration(start), nil
}

// Render gives the manifests of a release named holograph in the namespace holograph, as
// `helm template` prints them, and reads them. Errors name the line and column of the value at
// fault where one can be told.
func (c *Chart) Render(v Values) (*Manifest, error) {
	rendered, err := c.chart.Template(chart.Options{Values: []chart.Values{v.Map}})
	if err != nil {
		return nil, v.locate(err)
	}
	m, err := Parse([]byte(rendered.Manifest))
	if err != nil {
		return nil, v.locate(err)
	}
	if m.Places, err = c.places(v); err != nil {
		return nil, v.locate(err)
	}
	return m, nil
}

// places is signals.demand.capacity.value in the values on top of the chart's own where demand is of the sessions that the
// model knows, and 0 elsewhere.
func (c *Chart) places(v Values) (int, error) {
	merged, err := c.chart.Values(v.Map)
	if err != nil {
		return 0, err
	}
	if metric, err := chartutil.Values(merged).PathValue("signals.demand.offered.metric"); err != nil || metric != fleet.SessionsMetric {
		return 0, nil
	}
	places, ok := c.Float(v, "signals", "demand", "capacity", "value")
	if !ok || places < 1 || places != math.Trunc(places) {
		return 0, fmt.Errorf("signals.demand.capacity.value: must be a whole number of sessions, because the pods of the simulator export no capacity for %s", fleet.SessionsMetric)
	}
	return int(places), nil
}

// fields tells which value a field of the HPA comes from.
var fields = strings.NewReplacer("spec.minReplicas", "autoscaling.minReplicas", "spec.maxReplicas", "autoscaling.maxReplicas",
	"spec.behavior", "autoscaling.behavior", "spec.metrics", "signals")

// paths finds values' paths in messages: /a/b/0 as the JSON schema's and a.b[0] as everybody else's.
var paths = regexp.MustCompile(`(?:[A-Za-z]\w*(?:\[\d+\])?\.)+[A-Za-z]\w*(?:\[\d+\])?|(?:/\w+)+`)

// locate puts file, line and column of the value that an error speaks of in front of it.
func (v Values) locate(err error) error {
	text := oneSentence(err.Error())
	if v.node == nil {
		return fmt.Errorf("%s", text)
	}
	for _, path := range paths.FindAllString(fields.Replace(text), -1) {
		keys := strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune("./[]", r) })
		if at := find(v.node, keys); at != nil {
			return fmt.Errorf("%s: line %d, column %d: %s", v.Name, at.Line, at.Column, text)
		}
	}
	return fmt.Errorf("%s: %s", v.Name, text)
}

// oneSentence strips what Helm puts around a template's fail message, and keeps the first of a
// schema's complaints.
func oneSentence(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if m := failed.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	if m := complaint.FindStringSubmatch(text); m != nil {
		return strings.ReplaceAll(strings.TrimPrefix(m[1], "/"), "/", ".") + ": " + m[2]
	}
	return text
}

var (
	failed    = regexp.MustCompile(`execution error at \([^)]*\): (.*)`)
	complaint = regexp.MustCompile(`at '(/[^']*)': (.*?)(?: - at '|$)`)
)

// find walks down keys as far as they exist and returns the deepest value, nil when the first key
// is not there.
func find(node *yaml.Node, keys []string) *yaml.Node {
	var found *yaml.Node
	for _, key := range keys {
		var next *yaml.Node
		switch node.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(node.Content); i += 2 {
				if node.Content[i].Value == key {
					next = node.Content[i+1]
				}
			}
		case yaml.SequenceNode:
			for i, item := range node.Content {
				if fmt.Sprint(i) == key {
					next = item
				}
			}
		}
		if next == nil {
			break
		}
		node, found = next, next
	}
	return found
}

// Overlay returns a copy of v with the given values on top, as a second --values file would give.
func (v Values) Overlay(over map[string]any) Values {
	v.Map = chart.Merge(v.Map, over)
	return v
}
