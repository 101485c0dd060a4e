package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	"sigs.k8s.io/yaml"

	"holograph/ci/repo"
	"holograph/test/internal/chart"
)

// original is what the chart renders without a fault, under the values that turn its parts on.
type original struct {
	values   map[string]chart.Values
	rendered map[string]string
}

func newOriginal(directory string) (*original, error) {
	// The defaults come first: most faults show there.
	o := &original{values: map[string]chart.Values{"": {}}, rendered: map[string]string{}}
	examples, err := repo.Path("values-examples", "*.yaml")
	if err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(examples)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		values := chart.Values{}
		if err := read(path, &values); err != nil {
			return nil, err
		}
		o.values[filepath.Base(path)] = values
	}
	sets, err := repo.Path("test", "chart", "testdata", "values.yaml")
	if err != nil {
		return nil, err
	}
	if err := read(sets, &o.values); err != nil {
		return nil, err
	}
	loaded, err := chart.Load(directory)
	if err != nil {
		return nil, err
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
	return rendered.Stable() + rendered.Notes, nil
}

// compare returns a verdict on a fault that no test needs to see, "" on any other.
func (o *original) compare(directory string) (string, error) {
	loaded, err := chart.Load(directory)
	if err != nil {
		return unrendered, nil
	}
	for _, name := range slices.Sorted(maps.Keys(o.values)) {
		rendered, err := o.render(loaded, name)
		if err != nil {
			return unrendered, nil
		}
		if rendered != o.rendered[name] {
			return "", nil
		}
	}
	return equal, nil
}
