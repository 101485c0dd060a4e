package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/sim/fleet"
	"holograph/test/sim/manifest"
	"holograph/test/sim/report"
	"holograph/test/sim/sim"
	"holograph/test/sim/trace"
)

var lateFramesOnly = map[string]any{
	"signals":     map[string]any{"overruns": map[string]any{"limit": ""}, "demand": map[string]any{"enabled": false}},
	"autoscaling": map[string]any{"behavior": nil},
}

func render(t testing.TB, folder string, v manifest.Values) *manifest.Manifest {
	t.Helper()
	chart, err := manifest.Load(folder)
	require.NoError(t, err)
	m, err := chart.Render(v)
	require.NoError(t, err)
	return m
}

// shipped renders the chart that users install.
func shipped(t testing.TB, values map[string]any) *manifest.Manifest {
	t.Helper()
	return render(t, "../../../charts/holograph", manifest.Values{Map: values})
}

// release renders the chart of the experiments, which knows ideas that charts/holograph left out.
func release(t testing.TB, values map[string]any) *manifest.Manifest {
	t.Helper()
	return render(t, "../testdata/experiments", manifest.Values{Map: values})
}

// TestExperimentsAreTheChart: the tables' default is what the chart installs, and their policy
// of late frames only is what its values example installs. Lost scrapes show whether the queries differ.
func TestExperimentsAreTheChart(t *testing.T) {
	example, err := manifest.ReadValues("../../../values-examples/late-frames-only.yaml")
	require.NoError(t, err)
	for name, c := range map[string]struct{ chart, experiment *manifest.Manifest }{
		"default":          {shipped(t, nil), release(t, nil)},
		"late frames only": {render(t, "../../../charts/holograph", example), release(t, lateFramesOnly)},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.chart.HPA.Spec, c.experiment.HPA.Spec)
			assert.Equal(t, c.chart.ScrapeInterval, c.experiment.ScrapeInterval)
			options := sim.Options{Fleet: fleet.Defaults()}
			options.Fleet.ScrapeLoss = 0.1
			want, err := sim.Run(c.chart, standard(t, "bursts"), options)
			require.NoError(t, err)
			got, err := sim.Run(c.experiment, standard(t, "bursts"), options)
			require.NoError(t, err)
			assert.Equal(t, want.Summary, got.Summary)
		})
	}
}

func standard(t testing.TB, name string) trace.Trace {
	t.Helper()
	for _, s := range trace.StandardTraces() {
		if s.Name == name {
			return s.Trace
		}
	}
	t.Fatalf("no trace %s", name)
	return trace.Trace{}
}

func means(t testing.TB, m *manifest.Manifest, seeds int, traces ...trace.Trace) []sim.Summary {
	t.Helper()
	cases := make([]sim.Case, len(traces))
	for i, tr := range traces {
		cases[i] = sim.Case{Manifest: m, Trace: tr, Fleet: fleet.Defaults()}
	}
	runs, err := sim.Seeds(cases, seeds, nil)
	require.NoError(t, err)
	out := make([]sim.Summary, len(runs))
	for i, r := range runs {
		out[i] = sim.Mean(r)
	}
	return out
}

// TestStep is the first goal of the chart's default: 1.2 pods' worth become 4.5.
func TestStep(t *testing.T) {
	got := means(t, shipped(t, nil), 5, standard(t, "step"))[0]
	assert.GreaterOrEqual(t, got.InBudget(), 0.995, "frames in budget")
	assert.LessOrEqual(t, got.Reversals, 1.0, "reversals")
	assert.LessOrEqual(t, got.Cost(), 1.25, "pod-hours as a multiple of the oracle's")
}

// TestAllTraces is the second goal of the chart's default, whose minReplicas are 2.
func TestAllTraces(t *testing.T) {
	var traces []trace.Trace
	for _, s := range trace.StandardTraces() {
		if !s.Large {
			traces = append(traces, s.Trace)
		}
	}
	before := report.Sum(means(t, release(t, lateFramesOnly), 3, traces...))
	after := report.Sum(means(t, shipped(t, nil), 3, traces...))
	assert.LessOrEqual(t, after.Bad(), before.Bad()/8, "bad frames")
	assert.LessOrEqual(t, after.Cost, 1.45, "pod-hours as a multiple of the oracle's")
	assert.LessOrEqual(t, after.Reversals, 3.0, "reversals")
}

// TestLateFramesOnlyOscillates guards the model: 28 reversals with the controller's legacy limits, 30
// with the API server's default behavior.
func TestLateFramesOnlyOscillates(t *testing.T) {
	legacy := means(t, release(t, lateFramesOnly), 3, standard(t, "step"))[0]
	assert.InDelta(t, 28, legacy.Reversals, 1)
	assert.InDelta(t, 59, legacy.Changes, 3)
	documented := release(t, lateFramesOnly)
	documented.HPA.Spec.Behavior = release(t, map[string]any{"autoscaling": map[string]any{"behavior": map[string]any{
		"scaleUp":   map[string]any{"policies": []any{map[string]any{"type": "Pods", "value": 4, "periodSeconds": 15}, map[string]any{"type": "Percent", "value": 100, "periodSeconds": 15}}},
		"scaleDown": map[string]any{"stabilizationWindowSeconds": 300, "policies": []any{map[string]any{"type": "Percent", "value": 100, "periodSeconds": 15}}},
	}}}).HPA.Spec.Behavior
	assert.InDelta(t, 30, means(t, documented, 3, standard(t, "step"))[0].Reversals, 1.5)
}

func TestSameSeedSameTimeline(t *testing.T) {
	m := release(t, nil)
	run := func(seed uint64) string {
		options := sim.Options{Fleet: fleet.Defaults()}
		options.Fleet.Seed = seed
		r, err := sim.Run(m, standard(t, "bursts"), options)
		require.NoError(t, err)
		return fmt.Sprintf("%v", r.Rows)
	}
	first := run(1)
	for range 3 {
		require.Equal(t, first, run(1))
	}
	assert.NotEqual(t, first, run(2))
}

// TestControllerRan: a worker that sleeps for ever looks like a policy that never scales.
func TestControllerRan(t *testing.T) {
	r, err := sim.Run(release(t, nil), standard(t, "step"), sim.Options{Fleet: fleet.Defaults()})
	require.NoError(t, err)
	syncs := 7200 / 15.08 // two requests of 40 ms make a sync's period 15.08 s
	assert.InDelta(t, 2*syncs, r.Queries, 6)
}

// TestMetricsDown: without any metric the fleet keeps its size, and afterwards it goes on.
func TestMetricsDown(t *testing.T) {
	options := sim.Options{Fleet: fleet.Defaults(), Down: func(_ string, at time.Duration) bool { return at > 5*time.Minute && at < 20*time.Minute }}
	r, err := sim.Run(release(t, nil), standard(t, "step"), options)
	require.NoError(t, err)
	for s := 320; s < 1200; s++ {
		require.Equal(t, 2, r.Rows[s].Spec, "second %d", s)
	}
	assert.Equal(t, 7, r.Rows[1300].Spec, "pods after the outage")
}

// TestOutageOfScrapesRemovesNoPod: when scrapes have failed for longer than the stabilization window remembers, the first
// samples after them are too few for the load, and remove no pod that the fleet would have kept without the outage.
func TestOutageOfScrapesRemovesNoPod(t *testing.T) {
	const begin, end = 40 * time.Minute, 50 * time.Minute
	for name, values := range map[string]map[string]any{
		"Pods":   nil,
		"Object": {"signals": map[string]any{"demand": map[string]any{"metricType": "Object"}}},
		"KEDA":   {"autoscaling": map[string]any{"provider": "keda"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := shipped(t, values)
			// A seed moves scrapes and decisions against one another.
			for seed := range uint64(8) {
				options := sim.Options{Fleet: fleet.Defaults()}
				options.Fleet.Seed = seed
				want, err := sim.Run(m, standard(t, "step"), options)
				require.NoError(t, err)
				options.Fleet.Unscraped = func(at int64) bool { return at >= begin.Milliseconds() && at < end.Milliseconds() }
				got, err := sim.Run(m, standard(t, "step"), options)
				require.NoError(t, err)
				for s := int(begin.Seconds()); s < len(got.Rows); s++ {
					require.GreaterOrEqual(t, got.Rows[s].Spec, want.Rows[s].Spec, "replicas in second %d with seed %d: scrapes fail from %.0f to %.0f", s, seed, begin.Seconds(), end.Seconds())
				}
			}
		})
	}
}

// BenchmarkTenPods is two virtual hours of a ten-pod fleet: at most 0.1 s.
func BenchmarkTenPods(b *testing.B) { bench(b, release(b, nil), standard(b, "sawtooth")) }

// BenchmarkFiveThousandPods is two virtual hours of up to 8,000 pods: at most 5 s.
func BenchmarkFiveThousandPods(b *testing.B) {
	bench(b, release(b, map[string]any{"autoscaling": map[string]any{"minReplicas": 1000, "maxReplicas": 8000}}), standard(b, "load-5000"))
}

// BenchmarkFiveHundredRuns is a search's worth of runs on all cores: at most 15 s on two.
func BenchmarkFiveHundredRuns(b *testing.B) {
	m := release(b, nil)
	for b.Loop() {
		_, err := sim.Seeds([]sim.Case{{Manifest: m, Trace: standard(b, "sawtooth"), Fleet: fleet.Defaults()}}, 500, nil)
		require.NoError(b, err)
	}
}

func bench(b *testing.B, m *manifest.Manifest, t trace.Trace) {
	b.ReportAllocs()
	for b.Loop() {
		_, err := sim.Run(m, t, sim.Options{Fleet: fleet.Defaults()})
		require.NoError(b, err)
	}
}
