package chart_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
	"holograph/test/internal/promtool"
)

// writePrometheusFiles puts the embedded Prometheus' configuration into a new folder.
func writePrometheusFiles(t *testing.T, rendered *chart.Rendered) string {
	t.Helper()
	directory := t.TempDir()
	for name, text := range rendered.PrometheusFiles(t) {
		require.NoError(t, os.WriteFile(filepath.Join(directory, name), []byte(text), 0o644))
	}
	return directory
}

// ruleTest writes a rule test of testdata/rules into directory, each ${name} in it replaced by what expand
// returns, and runs it.
func ruleTest(t *testing.T, directory, name string, expand func(string) string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "rules", name))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(directory, name), []byte(os.Expand(string(text), expand)), 0o644))
	require.NoError(t, promtool.Run(t.Context(), directory, "test", "rules", name))
}

func TestPrometheusTakesItsConfiguration(t *testing.T) {
	t.Parallel()
	for name, values := range renderings(t) {
		rendered := chart.Render(t, values)
		if !strings.Contains(strings.Join(components(rendered), " ")+" ", "prometheus ") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The rule files that the configuration names are checked with it, in the strictest way.
			require.NoError(t, promtool.Run(t.Context(), writePrometheusFiles(t, rendered), "check", "config", "--lint=all", "--lint-fatal", "prometheus.yaml"))
		})
	}
}

func TestScalingEventsAreCounted(t *testing.T) {
	t.Parallel()
	interval := 5 * time.Second
	for name, values := range map[string]chart.Values{
		"scaling_events.yaml": {},
		"served_events.yaml":  chart.Parse(t, "servedNamespaces: [studio]"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := chart.RenderWith(t, chart.Options{Namespace: "film", Values: []chart.Values{values}})
			require.Contains(t, rendered.RulesFile(t), fmt.Sprintf("interval: %q\n", interval))
			ruleTest(t, writePrometheusFiles(t, rendered), name, func(name string) string {
				if steps, found := strings.CutPrefix(name, "at "); found {
					count, err := strconv.Atoi(steps)
					require.NoError(t, err)
					return (time.Duration(count) * interval).String()
				}
				require.Equal(t, "interval", name)
				return interval.String()
			})
		})
	}
}

func TestOverrunsQuery(t *testing.T) {
	t.Parallel()
	rule := chart.Render(t).AdapterConfig(t).Rules[0]
	ruleTest(t, t.TempDir(), "overruns_query.yaml", func(name string) string {
		switch name {
		case "series":
			return rule.Name.As
		case "a":
			return rule.Query(t, rule.Name.As, "film", "a")
		case "both":
			return rule.Query(t, rule.Name.As, "film", "a", "b")
		}
		require.FailNow(t, "no such placeholder", "${%s}", name)
		return ""
	})
}

func TestDemandQuery(t *testing.T) {
	t.Parallel()
	const offered, capacity = "holograph_offered_cpu_seconds_total", "holograph_cpu_capacity_cores"
	rule := chart.Render(t).AdapterConfig(t).Rules[1]
	ruleTest(t, t.TempDir(), "demand_query.yaml", func(name string) string {
		switch name {
		case "offered":
			return offered
		case "capacity":
			return capacity
		case "a":
			return rule.Query(t, offered, "film", "a")
		case "both":
			return rule.Query(t, offered, "film", "a", "b")
		case "late":
			return rule.Query(t, offered, "late", "a")
		}
		require.FailNow(t, "no such placeholder", "${%s}", name)
		return ""
	})
}
