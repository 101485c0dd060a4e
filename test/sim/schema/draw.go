// Package schema asks whether the chart's schema and checks accept only values that work: it draws values from the
// schema, at the edges of what it allows more often than between them, and says what the API server would refuse of
// the objects that they render.
package schema

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// Drawer draws from one schema, as it is decoded from JSON.
type Drawer struct {
	root    map[string]any
	rand    *rand.Rand
	attacks bool
}

// NewDrawer returns a drawer whose choices follow a source of chance.
func NewDrawer(schema map[string]any, source rand.Source) *Drawer {
	return &Drawer{root: schema, rand: rand.New(source)}
}

// Attacking returns the drawer, which from now on draws nothing but attacks where a text has no pattern.
func (d *Drawer) Attacking() *Drawer {
	d.attacks = true
	return d
}

// Draw returns values that set a few keys. Most fit the schema; what its conditions (if, not) forbid is drawn too.
func (d *Drawer) Draw() map[string]any {
	drawn := map[string]any{}
	properties, _ := d.root["properties"].(map[string]any)
	for range 1 + d.rand.IntN(4) {
		// Of two keys the one with more below it: most of what can go wrong is in the renderer's pod.
		key, other := d.key(properties), d.key(properties)
		if size(properties[other]) > size(properties[key]) {
			key = other
		}
		value, _ := drawn[key].(map[string]any)
		more := d.value(properties[key], 0)
		if below, ok := more.(map[string]any); ok && value != nil {
			for k, v := range below {
				value[k] = v
			}
			continue
		}
		drawn[key] = more
	}
	return drawn
}

func size(node any) int {
	schema, _ := node.(map[string]any)
	properties, _ := schema["properties"].(map[string]any)
	return len(properties)
}

// key draws one of a map's keys; they are sorted, so that the same chance draws the same key.
func (d *Drawer) key(of map[string]any) string {
	keys := make([]string, 0, len(of))
	for key := range of {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys[d.rand.IntN(len(keys))]
}

// value draws what one node of the schema describes.
func (d *Drawer) value(node any, depth int) any {
	schema := d.resolve(node)
	if constant, found := schema["const"]; found {
		return constant
	}
	if choices, _ := schema["enum"].([]any); len(choices) > 0 {
		return choices[d.rand.IntN(len(choices))]
	}
	kinds := []string{}
	switch kind := schema["type"].(type) {
	case string:
		kinds = append(kinds, kind)
	case []any:
		for _, k := range kind {
			kinds = append(kinds, k.(string))
		}
	}
	if len(kinds) == 0 {
		return map[string]any{}
	}
	switch kinds[d.rand.IntN(len(kinds))] {
	case "boolean":
		return d.rand.IntN(2) == 0
	case "integer":
		return d.integer(schema)
	case "number":
		return d.number(schema)
	case "string":
		return d.text(schema)
	case "array":
		return d.list(schema, depth)
	case "object":
		return d.object(schema, depth)
	}
	return nil
}

// resolve follows a reference and picks one of several alternatives, merged into one node.
func (d *Drawer) resolve(node any) map[string]any {
	schema, _ := node.(map[string]any)
	merged := map[string]any{}
	lay := func(above map[string]any) {
		for key, value := range above {
			if required, _ := value.([]any); key == "required" {
				before, _ := merged["required"].([]any)
				value = slices.Concat(before, required)
			}
			merged[key] = value
		}
	}
	if reference, _ := schema["$ref"].(string); reference != "" {
		definitions, _ := d.root["definitions"].(map[string]any)
		lay(d.resolve(definitions[strings.TrimPrefix(reference, "#/definitions/")]))
	}
	if all, _ := schema["allOf"].([]any); len(all) > 0 {
		for _, part := range all {
			lay(d.resolve(part))
		}
	}
	lay(schema)
	if choices, _ := schema["oneOf"].([]any); len(choices) > 0 {
		lay(d.resolve(choices[d.rand.IntN(len(choices))]))
	}
	return merged
}

func (d *Drawer) object(schema map[string]any, depth int) map[string]any {
	drawn := map[string]any{}
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	if depth < 3 {
		// What has a default need not be written.
		if _, pod := properties["containerPort"]; !pod && properties["enabled"] != nil || len(properties) > 8 {
			required = nil
		}
	}
	if len(properties) > 0 {
		for range d.rand.IntN(3 + min(5, len(properties)/8)) {
			key := d.key(properties)
			drawn[key] = d.value(properties[key], depth+1)
		}
	}
	for _, key := range required {
		if _, found := drawn[key.(string)]; !found {
			if property, known := properties[key.(string)]; known && (depth >= 2 || d.rand.IntN(3) == 0) {
				drawn[key.(string)] = d.value(property, depth+1)
			}
		}
	}
	if additional, ok := schema["additionalProperties"].(map[string]any); ok {
		for range d.rand.IntN(3) {
			key := "key"
			if d.rand.IntN(4) == 0 {
				key = d.attack()
			}
			drawn[key] = d.value(additional, depth+1)
		}
	}
	if patterns, _ := schema["patternProperties"].(map[string]any); len(patterns) > 0 {
		for range d.rand.IntN(3) {
			pattern := d.key(patterns)
			key := d.matching(pattern)
			names, _ := schema["propertyNames"].(map[string]any)
			if most, bounded := number(names["maxLength"]); !bounded || float64(len(key)) <= most {
				drawn[key] = d.value(patterns[pattern], depth+1)
			}
		}
	}
	return drawn
}

func (d *Drawer) list(schema map[string]any, depth int) []any {
	least, _ := number(schema["minItems"])
	drawn := []any{}
	for range int(least) + d.rand.IntN(3) {
		drawn = append(drawn, d.value(schema["items"], depth+1))
	}
	return drawn
}

// integer draws from the ends of the allowed range, from small numbers, and from anywhere.
func (d *Drawer) integer(schema map[string]any) any {
	least, _ := number(schema["minimum"])
	most, bounded := number(schema["maximum"])
	if !bounded {
		most = 1 << 31
	}
	switch d.rand.IntN(4) {
	case 0:
		return int64(least)
	case 1:
		return int64(most)
	case 2:
		return int64(min(most, least+float64(d.rand.IntN(12))))
	}
	return int64(least) + d.rand.Int64N(int64(most-least)+1)
}

func (d *Drawer) number(schema map[string]any) any {
	least, _ := number(schema["minimum"])
	if above, found := number(schema["exclusiveMinimum"]); found {
		least = above + 0.001
	}
	most, found := number(schema["maximum"])
	if below, exclusive := number(schema["exclusiveMaximum"]); exclusive {
		most, found = below-0.001, true
	}
	if !found {
		most = least + 10
	}
	switch d.rand.IntN(5) {
	case 0:
		return least
	case 1:
		return most
	case 2:
		return least + 1e-7
	case 3:
		return float64(int64(least) + 1)
	}
	return least + d.rand.Float64()*(most-least)
}

func number(value any) (float64, bool) {
	n, ok := value.(float64)
	return n, ok
}
