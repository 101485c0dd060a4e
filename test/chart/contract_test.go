package chart_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"holograph/ci/repo"
	"holograph/test/internal/chart"
)

// contract returns the rows of the tables of docs/renderer.md, the contract of a renderer, by their first cell without
// backquotes. A row's last cell names the keys that change what the others say.
func contract(t *testing.T) map[string][]string {
	t.Helper()
	path, err := repo.Path("docs", "renderer.md")
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	rows := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) >= 3 {
			rows[strings.Trim(cells[0], " `")] = cells
		}
	}
	require.NotEmpty(t, rows)
	return rows
}

// TestTheContractNamesKeysThatExist: anyone who follows docs/renderer.md finds each key in values.yaml. A key without a group
// is in the group of the one before it.
func TestTheContractNamesKeysThatExist(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile("`([a-z][A-Za-z.]*)`")
	values, keys := chart.Defaults(t), 0
	for row, cells := range contract(t) {
		group := ""
		for _, match := range named.FindAllStringSubmatch(cells[len(cells)-1], -1) {
			key := match[1]
			if !strings.Contains(key, ".") {
				key = group + "." + key
			}
			group = key[:strings.LastIndex(key, ".")]
			keys++
			var at any = map[string]any(values)
			for _, part := range strings.Split(key, ".") {
				inner, _ := at.(map[string]any)
				value, found := inner[part]
				if !assert.True(t, found, "docs/renderer.md names the key %s for %s, which values.yaml does not have", key, row) {
					break
				}
				at = value
			}
		}
	}
	assert.GreaterOrEqual(t, keys, 20, "keys that the contract names")
}

// TestTheContractSaysTheDefaults: what docs/renderer.md says that a renderer must do is what the chart asks for by default.
func TestTheContractSaysTheDefaults(t *testing.T) {
	t.Parallel()
	var values struct {
		Renderer struct {
			Port                                        int
			Metrics                                     struct{ Path string }
			StartupProbe, ReadinessProbe, LivenessProbe corev1.Probe
			PodSecurityContext                          corev1.PodSecurityContext
			Resources                                   corev1.ResourceRequirements
			Lifecycle                                   corev1.Lifecycle
			TerminationGracePeriodSeconds               int64
		}
		Signals struct {
			Frames, Refused, Overruns struct{ Name string }
			Demand                    struct{ Offered, Capacity struct{ Metric string } }
		}
	}
	text, err := yaml.Marshal(chart.Defaults(t))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &values))
	renderer, signals := values.Renderer, values.Signals
	rows := contract(t)
	says := func(row, text string) {
		t.Helper()
		if assert.Contains(t, rows, row, "docs/renderer.md") {
			assert.Contains(t, rows[row][1], text, "docs/renderer.md on %s", row)
		}
	}
	started := renderer.StartupProbe
	sleep := renderer.Lifecycle.PreStop.Sleep.Seconds
	says("frames", fmt.Sprintf("port %d", renderer.Port))
	says("probes", fmt.Sprintf("`%s` within %d s", started.HTTPGet.Path, started.PeriodSeconds*started.FailureThreshold))
	says("probes", "`"+renderer.ReadinessProbe.HTTPGet.Path+"`")
	says("probes", "`"+renderer.LivenessProbe.HTTPGet.Path+"`")
	says("user", fmt.Sprintf("UID and GID %d,", *renderer.PodSecurityContext.RunAsUser))
	assert.Equal(t, renderer.PodSecurityContext.RunAsUser, renderer.PodSecurityContext.RunAsGroup)
	assert.EqualValues(t, 1, renderer.Resources.Limits.Cpu().Value(), "cores")
	says("resources", "one core and "+renderer.Resources.Limits.Memory().String())
	says("drain", fmt.Sprintf("for %d s, then SIGTERM, and has %d s", sleep, renderer.TerminationGracePeriodSeconds-sleep))
	says("metrics", "`"+renderer.Metrics.Path+"`")
	for _, metric := range []string{signals.Frames.Name, signals.Refused.Name, signals.Overruns.Name, signals.Demand.Offered.Metric, signals.Demand.Capacity.Metric} {
		assert.Contains(t, rows, metric, "docs/renderer.md on the metrics")
	}
}
