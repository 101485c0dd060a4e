package chart_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"holograph/test/internal/chart"
)

// definitionPart is one part of the metric's definition. Two odd values tell whether what is rendered follows the value, and
// the default, where it cannot be taken for anything else, whether it is written down a second time.
type definitionPart struct {
	path     string
	odd, new string
	// forms are other spellings of odd that would do the same: in seconds, in thousandths.
	forms []string
	// hardCoded matches the default where it stands for this part.
	hardCoded string
	// ways are those to serve the metric that show it; empty is all.
	ways []string
}

// definition lists the parts.
var definition = []definitionPart{
	{path: "signals.overruns.name", odd: "odd_late_total", new: "new_late_total", hardCoded: `holograph_frames_over_budget_total`},
	{path: "signals.overruns.window", odd: "7m13s", new: "8m17s", forms: []string{"433s", "433000"}, hardCoded: `(rate|increase)\([^]]*\[2m\]`},
	{path: "signals.overruns.target", odd: "0.3713", new: "0.4919", forms: []string{"371.3m", "371m"}, hardCoded: `\b0\.1\b([^.]|$)`},
	{path: "signals.demand.name", odd: "odd_demand", new: "new_demand", hardCoded: `holograph_demand`},
	{path: "signals.demand.offered.metric", odd: "odd_offered", new: "new_offered", hardCoded: `holograph_offered_cpu_seconds_total`},
	{path: "signals.demand.capacity.metric", odd: "odd_capacity", new: "new_capacity", hardCoded: `holograph_cpu_capacity_cores`},
	{path: "signals.demand.window", odd: "6m11s", new: "9m19s", forms: []string{"371s", "371000"}, hardCoded: `(rate|last_over_time)\([^]]*\[1m\]`},
	{path: "signals.demand.target", odd: "0.6367", new: "0.5857", forms: []string{"636.7m", "636m", "63.67"}, hardCoded: `\b0\.75\b`},
	{path: "signals.labels.namespace", odd: "odd_namespace", new: "new_namespace"},
	{path: "signals.labels.pod", odd: "odd_pod", new: "new_pod", hardCoded: labelled("pod")},
	{path: "signals.labels.container", odd: "odd_container", new: "new_container", hardCoded: labelled("container")},
	{path: "signals.scrapeLabels", odd: "odd_scraper", new: "new_scraper", hardCoded: `prometheus_replica`},
	{path: "signals.frames.name", odd: "odd_frames_total", new: "new_frames_total", hardCoded: `holograph_frames_total`,
		ways: []string{"bundled adapter", "the operator"}},
	{path: "frame.budget", odd: "41.7ms", new: "43.9ms", forms: []string{"0.0417"}, hardCoded: `\b33ms\b|\b0\.033\b`},
}

// oddSignals returns the values of the signals of which none is the default.
func oddSignals() chart.Values {
	odd := chart.Values{}
	for _, p := range definition {
		if strings.HasPrefix(p.path, "signals.") {
			odd = chart.Merge(odd, p.value(p.odd))
		}
	}
	return odd
}

// labelled matches a Prometheus label in queries, groupings, legends and annotations.
func labelled(name string) string {
	return `[{,]` + name + `(=|!=|=~|!~)|\b(by|without|on|ignoring) ?\([^)]*\b` + name + `\b[^)]*\)|\{\{ ?(\$labels\.)?` + name + ` ?\}\}`
}

// TestTheMetricIsDefinedOnce changes each part of the metric's definition, in each way to serve it: what is rendered, the notes
// included, holds the new value and the old one nowhere.
func TestTheMetricIsDefinedOnce(t *testing.T) {
	t.Parallel()
	odd := chart.Set("prometheusAdapter.maxAge", "20m")
	for _, p := range definition {
		odd = chart.Merge(odd, p.value(p.odd))
	}
	for way, values := range waysToServe(t) {
		text := func(t *testing.T, more ...chart.Values) string {
			rendered := chart.RenderWith(t, chart.Options{Values: append([]chart.Values{odd, values}, more...), SkipSchema: true})
			return rendered.Stable() + rendered.Notes
		}
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			before := text(t)
			for _, p := range definition {
				if len(p.ways) > 0 && !slices.Contains(p.ways, way) {
					continue
				}
				after := text(t, p.value(p.new))
				assert.NotEmpty(t, matchingLines(before, p.odd), "%s is not used", p.path)
				assert.NotEmpty(t, matchingLines(after, p.new), "%s is not used", p.path)
				for _, form := range append(p.forms, p.odd) {
					assert.Empty(t, matchingLines(after, `\b`+regexp.QuoteMeta(form)+`\b`), "%s was %s, and is still there", p.path, form)
				}
				if p.hardCoded != "" {
					assert.Empty(t, matchingLines(after, p.hardCoded), "the default of %s is written down a second time", p.path)
				}
			}
		})
	}
}

func (p definitionPart) value(value string) chart.Values {
	if p.path == "signals.scrapeLabels" {
		return chart.Set(p.path, []any{value})
	}
	return chart.Set(p.path, value)
}

// matchingLines returns the lines of a text that a pattern matches.
func matchingLines(text, pattern string) []string {
	matcher := regexp.MustCompile(pattern)
	var found []string
	for line := range strings.Lines(text) {
		if matcher.MatchString(line) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
