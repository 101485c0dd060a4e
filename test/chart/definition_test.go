package chart_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"holograph/test/internal/chart"
)

// modes are the ways to serve and to show the metric; a later one joins by a line.
var modes = map[string]string{
	"bundled adapter":      `dashboard: {enabled: true}`,
	"existing adapter":     `prometheusAdapter: {enabled: false, existing: {namespace: monitoring}}`,
	"another's Prometheus": `prometheus: {enabled: false, url: https://prometheus.example}`,
	"the operator":         withOperator,
	"KEDA":                 kedaValues,
	"annotations":          `scrapeAnnotations: {enabled: true}`,
	"an adapter unknown":   `prometheusAdapter: {enabled: false}`,
}

// part is one part of the metric's definition. Two odd values tell whether what is rendered follows the value, and
// the default, where it cannot be taken for anything else, whether it is written down a second time.
type part struct {
	path     string
	odd, new string
	// forms are other spellings of odd that would do the same: in seconds, in thousandths.
	forms []string
	// hardCoded matches the default where it stands for this part.
	hardCoded string
	// modes are those that show it; empty is all.
	modes []string
}

var parts = []part{
	{path: "signals.overruns.name", odd: "odd_late_total", new: "new_late_total", hardCoded: `holograph_frames_over_budget_total`},
	{path: "signals.overruns.window", odd: "7m13s", new: "8m17s", forms: []string{"433s", "433000"}, hardCoded: `(rate|increase)\([^]]*\[2m\]`},
	{path: "signals.overruns.target", odd: "0.3713", new: "0.4919", forms: []string{"371.3m", "371m"}, hardCoded: `\b0\.1\b([^.]|$)`},
	{path: "signals.demand.name", odd: "odd_demand", new: "new_demand", hardCoded: `holograph_demand`},
	{path: "signals.demand.offeredMetric", odd: "odd_offered", new: "new_offered", hardCoded: `holograph_offered_cpu_seconds_total`},
	{path: "signals.demand.capacityMetric", odd: "odd_capacity", new: "new_capacity", hardCoded: `holograph_cpu_capacity_cores`},
	{path: "signals.demand.window", odd: "6m11s", new: "9m19s", forms: []string{"371s", "371000"}, hardCoded: `(rate|last_over_time)\([^]]*\[1m\]`},
	{path: "signals.demand.target", odd: "0.6367", new: "0.5857", forms: []string{"636.7m", "636m", "63.67"}, hardCoded: `\b0\.75\b`},
	{path: "signals.labels.namespace", odd: "odd_namespace", new: "new_namespace"},
	{path: "signals.labels.pod", odd: "odd_pod", new: "new_pod", hardCoded: labelled("pod")},
	{path: "signals.labels.container", odd: "odd_container", new: "new_container", hardCoded: labelled("container")},
	{path: "signals.scrapeLabels", odd: "odd_scraper", new: "new_scraper", hardCoded: `prometheus_replica`},
	{path: "signals.frames.name", odd: "odd_frames_total", new: "new_frames_total", hardCoded: `holograph_frames_total`,
		modes: []string{"bundled adapter", "the operator"}},
	{path: "frame.budget", odd: "41.7ms", new: "43.9ms", forms: []string{"0.0417"}, hardCoded: `\b33ms\b|\b0\.033\b`},
}

// labelled matches a Prometheus label in queries, groupings, legends and annotations.
func labelled(name string) string {
	return `[{,]` + name + `(=|!=|=~|!~)|\b(by|without|on|ignoring) ?\([^)]*\b` + name + `\b[^)]*\)|\{\{ ?(\$labels\.)?` + name + ` ?\}\}`
}

// TestTheMetricIsDefinedOnce changes each part of the metric's definition, in each mode: what is rendered, the notes
// included, holds the new value and the old one nowhere.
func TestTheMetricIsDefinedOnce(t *testing.T) {
	t.Parallel()
	odd := chart.Set("prometheusAdapter.maxAge", "20m")
	for _, p := range parts {
		odd = chart.Merge(odd, p.value(p.odd))
	}
	for mode, values := range modes {
		text := func(t *testing.T, more ...chart.Values) string {
			rendered := chart.RenderWith(t, chart.Options{Values: append([]chart.Values{odd, chart.Parse(t, values)}, more...), SkipSchema: true})
			return rendered.Stable() + rendered.Notes
		}
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			before := text(t)
			for _, p := range parts {
				if len(p.modes) > 0 && !slices.Contains(p.modes, mode) {
					continue
				}
				after := text(t, p.value(p.new))
				assert.NotEmpty(t, lines(before, p.odd), "%s is not used", p.path)
				assert.NotEmpty(t, lines(after, p.new), "%s is not used", p.path)
				for _, form := range append(p.forms, p.odd) {
					assert.Empty(t, lines(after, `\b`+regexp.QuoteMeta(form)+`\b`), "%s was %s, and is still there", p.path, form)
				}
				if p.hardCoded != "" {
					assert.Empty(t, lines(after, p.hardCoded), "the default of %s is written down a second time", p.path)
				}
			}
		})
	}
}

func (p part) value(value string) chart.Values {
	if p.path == "signals.scrapeLabels" {
		return chart.Set(p.path, []any{value})
	}
	return chart.Set(p.path, value)
}

// lines returns the lines of a text that a pattern matches.
func lines(text, pattern string) []string {
	matcher := regexp.MustCompile(pattern)
	var found []string
	for line := range strings.Lines(text) {
		if matcher.MatchString(line) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
