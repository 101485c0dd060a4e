package schema_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template/parse"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/labels"
	k8sschema "k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/prometheus-adapter/pkg/config"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
	"holograph/test/sim/schema"
)

func TestMain(m *testing.M) {
	// Helm tells there of every value that it drops.
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}

// shipped is the chart, with its schema compiled once: Helm compiles it for each rendering, which takes longer
// than all the rest.
type shipped struct {
	chart *chart.Chart
	// text is the schema with the forms of texts as patterns, from which values are drawn.
	text map[string]any
	// schema is the one that Helm reads.
	schema *jsonschema.Schema
}

func load(t testing.TB) shipped {
	t.Helper()
	directory, err := chart.Directory()
	require.NoError(t, err)
	loaded, err := chart.Load(directory)
	require.NoError(t, err)
	source := chart.File(t, "values.schema.json")
	text := map[string]any{}
	require.NoError(t, json.Unmarshal(source, &text))
	text, err = chart.WithForms(text, chart.Forms(t))
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(source))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("file:///values.schema.json", document))
	compiled, err := compiler.Compile("file:///values.schema.json")
	require.NoError(t, err)
	return shipped{loaded, text, compiled}
}

// outcome is what became of one set of values.
type outcome int

const (
	refusedBySchema outcome = iota
	refusedBySentence
	rendered
)

// sentences are what the chart's own checks say, as Helm reports it: the lines of one `fail`.
var sentences = regexp.MustCompile(`execution error at \(holograph/templates/[^)]*\): .*[.](?:\n.*[.])*$`)

// judge renders values and reports everything that is wrong with the outcome.
func (s shipped) judge(release string, overrides chart.Values) (outcome, []string) {
	all, err := s.chart.Values(overrides)
	if err != nil {
		return refusedBySchema, []string{"Helm cannot lay the values over the defaults: " + err.Error()}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return refusedBySchema, []string{err.Error()}
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return refusedBySchema, []string{err.Error()}
	}
	if s.schema.Validate(instance) != nil {
		return refusedBySchema, nil
	}
	got, err := s.render(release, overrides)
	if err != nil {
		if sentences.MatchString(strings.TrimSpace(err.Error())) {
			return refusedBySentence, nil
		}
		// Helm gives a template no way to look at another's error, and this one names the user's own.
		if strings.Contains(err.Error(), "error calling tpl: ") && overrides["extraObjects"] != nil {
			return refusedBySentence, nil
		}
		return refusedBySentence, []string{"the schema accepts the values, and the chart fails without a sentence: " + err.Error()}
	}
	seen, problems := judgeDocuments(got)
	if harmless, changed := tame(overrides); changed {
		// A text decides what is in an object, never which objects there are.
		if rendered, err := s.render(release, harmless.(map[string]any)); err == nil {
			want, _ := judgeDocuments(rendered)
			if !maps.Equal(want, seen) {
				problems = append(problems, fmt.Sprintf("the objects are %v, want %v: those of a harmless text", slices.Sorted(maps.Keys(seen)), slices.Sorted(maps.Keys(want))))
			}
		}
	}
	return rendered, problems
}

// render renders values that the schema accepts.
func (s shipped) render(release string, overrides chart.Values) (*chart.Rendered, error) {
	return s.chart.Template(chart.Options{Release: release, Namespace: "film", Values: []chart.Values{overrides}, SkipSchema: true})
}

// tame puts "a" in the place of each text that may end its place, and tells whether there was one.
func tame(value any) (any, bool) {
	changed := false
	switch v := value.(type) {
	case string:
		if schema.Hostile(v) {
			return "a", true
		}
	case []any:
		tamed := make([]any, len(v))
		for i, item := range v {
			below := false
			tamed[i], below = tame(item)
			changed = changed || below
		}
		return tamed, changed
	case map[string]any:
		tamed := map[string]any{}
		for key, item := range v {
			below := false
			tamed[key], below = tame(item)
			changed = changed || below
		}
		return tamed, changed
	}
	return value, false
}

// judgeDocuments returns which objects are rendered, but for extraObjects, and everything that is wrong with them.
func judgeDocuments(got *chart.Rendered) (map[string]bool, []string) {
	var problems []string
	seen := map[string]bool{}
	for i, document := range got.Documents {
		if strings.HasSuffix(document.Template, "extraobjects.yaml") {
			continue
		}
		if err := schema.Refusal([]byte(document.Text)); err != nil {
			problems = append(problems, err.Error())
		}
		object := got.Objects[i]
		identity := strings.Join([]string{object.APIVersion(), object.Kind(), object.Namespace(), object.Name()}, " ")
		if seen[identity] {
			problems = append(problems, identity+" is rendered twice")
		}
		seen[identity] = true
		data, _ := object["data"].(map[string]any)
		if object.Kind() == "ConfigMap" {
			problems = append(problems, queries(data)...)
			problems = append(problems, readBy(data)...)
		}
		if object.Kind() == "PrometheusRule" {
			text, err := yaml.Marshal(object["spec"])
			if err != nil {
				problems = append(problems, err.Error())
			}
			problems = append(problems, readBy(map[string]any{"rules.yaml": string(text)})...)
		}
	}
	return seen, problems
}

// readBy gives the files of a ConfigMap to those who read them: Prometheus' parser of rules, Grafana's of JSON, the
// parser of Prometheus' pages.
func readBy(data map[string]any) []string {
	var problems []string
	for file, content := range data {
		text := asText(content)
		switch path.Ext(file) {
		case ".yaml":
			if file != "rules.yaml" {
				continue
			}
			_, errs := rulefmt.Parse([]byte(text), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
			for _, err := range errs {
				problems = append(problems, "Prometheus refuses rules.yaml: "+err.Error())
			}
		case ".json":
			if !json.Valid([]byte(text)) {
				problems = append(problems, file+" is not JSON: "+text)
			}
		case ".html":
			page := parse.New(file)
			page.Mode = parse.SkipFuncCheck
			if _, err := page.Parse(text, "", "", map[string]*parse.Tree{}); err != nil {
				problems = append(problems, "Prometheus cannot read its page: "+err.Error())
			}
		}
	}
	return problems
}

func asText(value any) string {
	text, _ := value.(string)
	return text
}

// queries parses every PromQL expression below a ConfigMap's files.
func queries(data map[string]any) []string {
	var problems []string
	for file, content := range data {
		if !strings.HasSuffix(file, ".yaml") {
			continue
		}
		var document any
		if err := yaml.UnmarshalStrict([]byte(asText(content)), &document); err != nil {
			problems = append(problems, file+" is not YAML: "+err.Error())
			continue
		}
		var walk func(value any)
		walk = func(value any) {
			switch v := value.(type) {
			case []any:
				for _, item := range v {
					walk(item)
				}
			case map[string]any:
				for key, item := range v {
					query, isText := item.(string)
					var err error
					if key == "metricsQuery" {
						query, err = expand(v)
					}
					if isText && (key == "expr" || key == "metricsQuery" || key == "seriesQuery") {
						if err == nil {
							_, err = parser.NewParser(parser.Options{}).ParseExpr(query)
						}
						if err != nil {
							problems = append(problems, file+": "+key+": "+err.Error()+": "+query)
						}
					}
					walk(item)
				}
			}
		}
		walk(document)
	}
	return problems
}

// expand returns the query that prometheus-adapter makes of a rule for one pod.
func expand(fields map[string]any) (string, error) {
	text, err := yaml.Marshal(fields)
	if err != nil {
		return "", err
	}
	var rule config.DiscoveryRule
	if err := yaml.UnmarshalStrict(text, &rule); err != nil {
		return "", err
	}
	namer, err := chart.Namer(rule)
	if err != nil {
		return "", err
	}
	query, err := namer.QueryForSeries("series", k8sschema.GroupResource{Resource: "pods"}, "film", labels.Everything(), "a")
	return string(query), err
}

// releases are names that Helm takes.
var releases = []string{"holograph", "a", "my.release", "1up", strings.Repeat("r", 53), "a-" + strings.Repeat("b", 41) + "-c"}

// attempt draws values from a source of chance and judges them.
func (s shipped) attempt(t testing.TB, source rand.Source) outcome {
	t.Helper()
	return s.try(t, source, schema.NewDrawer(s.text, source))
}

func (s shipped) try(t testing.TB, source rand.Source, drawer *schema.Drawer) outcome {
	t.Helper()
	drawn := drawer.Draw()
	release := releases[rand.New(source).IntN(len(releases))]
	result, problems := s.judge(release, drawn)
	if len(problems) > 0 {
		text, _ := yaml.Marshal(drawn)
		assert.Fail(t, "the schema takes values that do not work", "release %s\n%s\n%s", release, text, strings.Join(problems, "\n"))
	}
	return result
}

// TestNoValuesRenderWhatKubernetesRefuses draws values from the schema: all values that the schema accepts either render
// objects that the API server creates, but for what is left to it, or are refused with one of the chart's sentences.
func TestNoValuesRenderWhatKubernetesRefuses(t *testing.T) {
	s := load(t)
	counts := map[outcome]int{}
	const draws = 150
	for seed := range uint64(draws) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { counts[s.attempt(t, rand.NewPCG(seed, 0))]++ })
	}
	t.Logf("of %d: %d refused by the schema, %d by a sentence, %d rendered", draws, counts[refusedBySchema], counts[refusedBySentence], counts[rendered])
	// A drawer that the schema always refuses, or that sets nothing, would find nothing.
	assert.Greater(t, counts[rendered], draws/5)
	assert.Greater(t, counts[refusedBySentence], draws/20)
}

// TestNoTextLeavesItsPlace draws attacks for every text that has no pattern.
func TestNoTextLeavesItsPlace(t *testing.T) {
	s := load(t)
	counts := map[outcome]int{}
	const draws = 200
	for seed := range uint64(draws) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			source := rand.NewPCG(seed, 2)
			counts[s.try(t, source, schema.NewDrawer(s.text, source).Attacking())]++
		})
	}
	t.Logf("of %d: %d refused by the schema, %d by a sentence, %d rendered", draws, counts[refusedBySchema], counts[refusedBySentence], counts[rendered])
	assert.Greater(t, counts[rendered], draws/20)
	assert.Greater(t, counts[refusedBySentence], draws/20)
}

// TestNamesThatPromQLKnows gives each word of PromQL's as the name of a metric and of a label.
func TestNamesThatPromQLKnows(t *testing.T) {
	s := load(t)
	for _, word := range append(parser.Keywords(), "NaN", "Inf", "Infinity", "e", "x", "sum") {
		for key, overrides := range map[string]any{
			"frames.name":       map[string]any{"frames": map[string]any{"name": word}},
			"overruns.name":     map[string]any{"overruns": map[string]any{"name": word}},
			"overruns.metric":   map[string]any{"overruns": map[string]any{"metric": word}},
			"overruns.selector": map[string]any{"overruns": map[string]any{"selector": map[string]any{word: "x"}}},
			"a histogram":       map[string]any{"overruns": map[string]any{"histogram": map[string]any{"metric": word, "type": "native"}}},
			"demand.offered":    map[string]any{"demand": map[string]any{"offered": map[string]any{"metric": word}}},
			"demand.capacity":   map[string]any{"demand": map[string]any{"capacity": map[string]any{"metric": word}}},
			"labels.pod":        map[string]any{"labels": map[string]any{"pod": word}},
			"labels.namespace":  map[string]any{"labels": map[string]any{"namespace": word}},
			"labels.container":  map[string]any{"labels": map[string]any{"container": word}},
			"scrapeLabels":      map[string]any{"scrapeLabels": []any{word}},
		} {
			_, problems := s.judge("holograph", map[string]any{"signals": overrides})
			assert.Empty(t, problems, "signals.%s: %s", key, word)
		}
	}
}

// chance lets the bytes of a fuzzer be a source of chance: when they end, so do the surprises.
//
// Then it gives the least that math/rand takes at once, whether it looks at 32 bits or at 64. A zero it may
// throw away and ask again, for ever.
type chance struct{ bytes []byte }

// Uint64 implements rand.Source.
func (c *chance) Uint64() uint64 {
	if len(c.bytes) == 0 {
		return 1<<32 | 1
	}
	var n uint64
	for range 8 {
		n <<= 8
		if len(c.bytes) > 0 {
			n |= uint64(c.bytes[0])
			c.bytes = c.bytes[1:]
		}
	}
	return n
}

// FuzzValues searches on from where the seeds end: go -C test/sim test -fuzz Values ./schema
func FuzzValues(f *testing.F) {
	s := load(f)
	for seed := range uint64(16) {
		source, text := rand.NewPCG(seed, 1), []byte{}
		for range 64 {
			n := source.Uint64()
			for shift := range 8 {
				text = append(text, byte(n>>(8*shift)))
			}
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) { s.attempt(t, &chance{text}) })
}
