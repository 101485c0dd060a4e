package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"holograph/ci/repo"
	"holograph/test/internal/chart"
)

// original is what the chart renders without a fault, under the defaults and perhaps under values that turn its parts on.
type original struct {
	chart    *chart.Chart
	values   map[string]chart.Values
	rendered map[string]string
	equal    string
}

func newOriginal(directory string, all bool) (*original, error) {
	loaded, err := chart.Load(directory)
	if err != nil {
		return nil, err
	}
	// The defaults come first in the order of names: most faults show there.
	o := &original{chart: loaded, values: map[string]chart.Values{"": {}}, rendered: map[string]string{}, equal: hidden}
	if all {
		o.equal = equal
		if err := o.addValues(); err != nil {
			return nil, err
		}
	}
	for name := range o.values {
		rendered, err := o.render(loaded, name)
		if err != nil {
			return nil, err
		}
		o.rendered[name] = rendered
	}
	return o, nil
}

// addValues adds the examples and the sets of the tests.
func (o *original) addValues() error {
	examples, err := repo.Path("values-examples", "*.yaml")
	if err != nil {
		return err
	}
	paths, err := filepath.Glob(examples)
	if err != nil {
		return err
	}
	for _, path := range paths {
		values := chart.Values{}
		if err := read(path, &values); err != nil {
			return err
		}
		o.values[filepath.Base(path)] = values
	}
	sets, err := repo.Path("test", "chart", "testdata", "values.yaml")
	if err != nil {
		return err
	}
	return read(sets, &o.values)
}

// read decodes a YAML file.
func read(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return yaml.Unmarshal(text, into)
}

func (o *original) render(loaded *chart.Chart, name string) (string, error) {
	rendered, err := loaded.Template(chart.Options{Values: []chart.Values{o.values[name]}})
	if err != nil {
		return "", err
	}
	// A fault in a comment or in the indentation of a whole block changes nothing.
	var objects strings.Builder
	for document := range strings.SplitSeq(rendered.Stable(), "\n---\n") {
		object, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			return "", err
		}
		objects.Write(object)
	}
	return objects.String() + rendered.Notes, nil
}

// compare returns a verdict on a fault that no test needs to see, "" on any other.
func (o *original) compare(m mutant) string {
	faulty := o.chart.Edit(m.file, func(text string) string { return apply(text, m) })
	for _, name := range slices.Sorted(maps.Keys(o.values)) {
		rendered, err := o.render(faulty, name)
		if err != nil {
			return unrendered
		}
		if rendered != o.rendered[name] {
			return ""
		}
	}
	return o.equal
}
