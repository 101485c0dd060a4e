package main

import (
	"cmp"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/sim/fleet"
	"holograph/test/sim/manifest"
	"holograph/test/sim/report"
	"holograph/test/sim/sim"
	"holograph/test/sim/trace"
)

// TestExamplesKeepTheirSLO simulates what the chart installs for every values example of the simulated renderer, under all
// standard traces of up to ten pods: the frames of all of them together keep the file's own
// slo.objective. A policy that cannot keep 99.5 % says what it can keep. Of sessions, that many viewers find a place.
func TestExamplesKeepTheirSLO(t *testing.T) {
	chart, err := manifest.Load(shipped)
	require.NoError(t, err)
	files, err := simulated("../../values-examples")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range append([]string{""}, files...) {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			v := manifest.Values{Map: map[string]any{}}
			if file != "" {
				v, err = manifest.ReadValues(file)
				require.NoError(t, err)
			}
			m, err := chart.Render(v)
			require.NoError(t, err)
			config := fleet.Defaults()
			start, err := chart.PodStart(v)
			require.NoError(t, err)
			config.PodStart = cmp.Or(start, config.PodStart)
			if m.ScrapeInterval > 0 {
				config.ScrapeInterval = m.ScrapeInterval
			}
			if m.Places > 0 {
				config.Sessions = fleet.DefaultSessions(m.Places)
				config.Sessions.FewestFirst = m.DeletionCosts
			}
			var cases []sim.Case
			for _, s := range trace.StandardTraces() {
				if !s.Large {
					cases = append(cases, sim.Case{Manifest: m, Trace: s.Trace, Fleet: config})
				}
			}
			runs, err := sim.Seeds(cases, 2, nil)
			require.NoError(t, err)
			means := make([]sim.Summary, len(runs))
			for i, r := range runs {
				means[i] = sim.Mean(r)
			}
			objective, ok := chart.Float(v, "slo", "objective")
			require.True(t, ok, "slo.objective is a number")
			assert.GreaterOrEqual(t, 100*(1-report.Sum(means).Bad()), objective, "percent of frames in budget against slo.objective")
		})
	}
}

// TestAConstantCapacityScalesLikeAMeasuredOne: a renderer that only counts its frames, with a constant for what a pod can do,
// has nearly the figures of the default, which measures CPU time.
func TestAConstantCapacityScalesLikeAMeasuredOne(t *testing.T) {
	t.Parallel()
	figures := func(args ...string) (bad, cost, reversals float64) {
		printed := run(t, append(args, "--chart", shipped, "--trace", "all", "--seeds", "1")...)
		match := regexp.MustCompile(`: ([0-9.]+) % bad, ([0-9.]+) × oracle, ([0-9.]+) reversals`).FindStringSubmatch(printed)
		require.NotNil(t, match, printed)
		for i, figure := range []*float64{&bad, &cost, &reversals} {
			var err error
			*figure, err = strconv.ParseFloat(match[i+1], 64)
			require.NoError(t, err)
		}
		return bad, cost, reversals
	}
	values := file(t, "frames.yaml", `signals: {demand: {offered: {metric: holograph_frames_total}, capacity: {metric: "", value: "60"}}}`)
	bad, cost, reversals := figures("--values", values)
	defaultBad, defaultCost, defaultReversals := figures()
	assert.InDelta(t, defaultBad, bad, defaultBad/10, "percent of frames that are bad")
	assert.InDelta(t, defaultCost, cost, defaultCost/10, "pod-hours as a multiple of the oracle's")
	assert.LessOrEqual(t, reversals, defaultReversals+1, "reversals")
}

// TestAScheduleBringsPodsBeforeTheLoad: with a cron trigger of KEDA the pods for a step that is known ahead are there when it
// comes, so that hardly a frame is late.
func TestAScheduleBringsPodsBeforeTheLoad(t *testing.T) {
	chart, err := manifest.Load(shipped)
	require.NoError(t, err)
	bad := func(triggers ...any) float64 {
		m, err := chart.Render(manifest.Values{Map: map[string]any{"autoscaling": map[string]any{"provider": "keda"}, "keda": map[string]any{"triggers": triggers}}})
		require.NoError(t, err)
		step, err := findTrace("step")
		require.NoError(t, err)
		means, err := under(m, fleet.Defaults(), []trace.Standard{{Trace: step}}, 1, nil)
		require.NoError(t, err)
		return 100 * (1 - means[0].InBudget())
	}
	cron := map[string]any{"type": "cron", "metadata": map[string]any{"timezone": "Etc/UTC", "start": "5 0 * * *", "end": "0 2 * * *", "desiredReplicas": "6"}}
	assert.Less(t, bad(cron), bad()/10, "percent of frames that are bad with a schedule, against a tenth of those without")
}
