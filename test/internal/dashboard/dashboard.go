// Package dashboard draws the chart's Grafana dashboard without Grafana: it reads the dashboard's JSON, asks a Prometheus
// what the panels ask, and lays the answers out as an HTML page. It draws what the chart's panels use and refuses everything
// else: otherwise a later panel could be drawn wrongly, and no test would fail.
package dashboard

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"
)

// Dashboard is what is drawn of a dashboard's JSON.
type Dashboard struct {
	UID, Title  string
	Annotations struct{ List []Annotation }
	Panels      []Panel
}

// Annotation marks the times at which its expression is above 0.
type Annotation struct{ Name, Expr, IconColor string }

// Panel is one of the panels, or the heading of those below it, whose type is "row".
type Panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []Target
	FieldConfig              struct {
		Defaults  Field
		Overrides []struct {
			Matcher    struct{ Options string }
			Properties []struct {
				ID    string
				Value json.RawMessage
			}
		}
	}
	Options struct {
		ColorMode string
		RowHeight float64
	}
}

// Target is one of a panel's queries.
type Target struct{ RefID, Expr, LegendFormat string }

// Field says how values are shown.
type Field struct {
	Color         struct{ Mode string }
	Unit, NoValue string
	Decimals      *int
	Thresholds    struct{ Steps []Step }
	Mappings      []struct {
		Options map[string]struct{ Text, Color string }
	}
	Custom struct {
		LineInterpolation      string
		LineWidth, FillOpacity float64
		ThresholdsStyle        struct{ Mode string }
	}
}

// Step is a threshold: the color of the values from Value on. The first has no value.
type Step struct {
	Color string
	Value *float64
}

// Parse reads a dashboard's JSON. The error names the first field that is not drawn, or not with its value.
func Parse(text string) (*Dashboard, error) {
	var raw map[string]any
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, fmt.Errorf("the dashboard is not JSON: %w", err)
	}
	panels, _ := raw["panels"].([]any)
	delete(raw, "panels")
	if err := check("dashboard", raw); err != nil {
		return nil, err
	}
	for _, panel := range panels {
		fields, _ := panel.(map[string]any)
		if err := check(fmt.Sprint(fields["type"]), fields); err != nil {
			return nil, fmt.Errorf("panel %q: %w", fields["title"], err)
		}
	}
	d := &Dashboard{}
	return d, json.Unmarshal([]byte(text), d)
}

//go:embed known.yaml
var knownYAML []byte

// known are regular expressions of the values of each path, by the type of the panel.
var known = sync.OnceValues(func() (all map[string]map[string]string, err error) {
	return all, yaml.Unmarshal(knownYAML, &all)
})

// check compares a panel, or the dashboard without its panels, with what is known.
func check(kind string, fields map[string]any) error {
	all, err := known()
	if err != nil {
		return err
	}
	values := all[kind]
	if values == nil {
		return fmt.Errorf("type is %q, want one of known.yaml: no other is drawn", kind)
	}
	got := map[string][]string{}
	flatten(got, "", fields)
	for _, pattern := range slices.Sorted(maps.Keys(values)) {
		form := regexp.MustCompile(`(?s)^(?:` + values[pattern] + `)$`)
		found := []string{""}
		for _, field := range slices.Sorted(maps.Keys(got)) {
			if matches, err := path.Match(pattern, field); err != nil {
				return err
			} else if matches {
				found = got[field]
				delete(got, field)
			}
		}
		for _, value := range found {
			if !form.MatchString(value) {
				return fmt.Errorf("%s is %q, want %s: no other is drawn", strings.ReplaceAll(pattern, "/", "."), value, values[pattern])
			}
		}
	}
	for _, field := range slices.Sorted(maps.Keys(got)) {
		return fmt.Errorf("%s is %q, want none: it is not drawn", strings.ReplaceAll(field, "/", "."), got[field])
	}
	return nil
}

// flatten adds the values below a path; those of a list have the path of the list.
func flatten(into map[string][]string, path string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			flatten(into, strings.TrimPrefix(path+"/"+key, "/"), inner)
		}
	case []any:
		for _, inner := range value {
			flatten(into, path, inner)
		}
	case nil:
	default:
		into[path] = append(into[path], fmt.Sprint(value))
	}
}
