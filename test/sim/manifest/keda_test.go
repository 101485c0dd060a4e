package manifest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/sim/manifest"
)

// renderShipped renders the chart that is installed.
func renderShipped(t *testing.T, values string) (*manifest.Manifest, error) {
	t.Helper()
	chart, err := manifest.Load("../../../charts/holograph")
	require.NoError(t, err)
	v, err := manifest.ParseValues("my.yaml", []byte(values))
	require.NoError(t, err)
	return chart.Render(v)
}

// TestKEDAMakesAnExternalMetricOfEachTrigger: what is simulated is the autoscaler that KEDA makes of the ScaledObject, with
// the queries and targets of its triggers, and not the chart's own autoscaler.
func TestKEDAMakesAnExternalMetricOfEachTrigger(t *testing.T) {
	m, err := renderShipped(t, `
autoscaling: {provider: keda, minReplicas: 3}
signals: {demand: {target: "0.6"}}
keda: {triggers: [{type: cron, metadata: {timezone: Europe/Berlin, start: 50 19 * * *, end: 0 22 * * *, desiredReplicas: "6"}}]}
`)
	require.NoError(t, err)
	assert.Equal(t, int32(3), *m.HPA.Spec.MinReplicas)
	require.NotNil(t, m.HPA.Spec.Behavior, "the chart's behavior is KEDA's too")
	assert.Equal(t, int32(15), m.HPA.Spec.Behavior.ScaleUp.Policies[0].PeriodSeconds)
	var got []string
	for _, metric := range m.HPA.Spec.Metrics {
		got = append(got, metric.External.Metric.Name+" "+metric.External.Target.AverageValue.String())
	}
	assert.Equal(t, []string{"s0-prometheus 100m", "s1-prometheus 600m", "s2-cron 1"}, got)
	assert.Contains(t, m.Triggers["s0-prometheus"].Query, "holograph_frames_over_budget_total")
	assert.Contains(t, m.Triggers["s1-prometheus"].Query, "holograph_offered_cpu_seconds_total")
	assert.False(t, m.Triggers["s1-prometheus"].IgnoreNull, "the chart's triggers take no value for an error")
	require.NotNil(t, m.Triggers["s2-cron"].Schedule)
	for at, want := range map[string]float64{
		"2026-07-01T19:49:00+02:00": 0, "2026-07-01T19:51:00+02:00": 6, "2026-07-01T21:59:00+02:00": 6, "2026-07-01T22:01:00+02:00": 0,
		"2026-01-01T19:51:00+01:00": 6,
	} {
		now, err := time.Parse(time.RFC3339, at)
		require.NoError(t, err)
		assert.Equal(t, want, m.Triggers["s2-cron"].Schedule.At(now), "pods that the schedule wants at %s", at)
	}
}

// TestWhatTheModelHasNotOfKEDA: a ScaledObject that the model would show wrong is refused.
func TestWhatTheModelHasNotOfKEDA(t *testing.T) {
	for values, want := range map[string]string{
		"autoscaling: {provider: keda}\nkeda: {scalingModifiers: {formula: overruns + demand, target: \"1\"}}":                                                                                     "the simulator does not model formulas",
		"autoscaling: {provider: keda}\nkeda: {triggers: [{type: kafka, metadata: {topic: a}}]}":                                                                                                   `the simulator knows prometheus and cron, and no type "kafka"`,
		"autoscaling: {provider: keda, minReplicas: 0}\nkeda: {triggers: [{type: cron, metadata: {timezone: Etc/UTC, start: 0 1 * * *, end: 0 2 * * *, desiredReplicas: \"1\"}}]}":                 "the simulator does not model a fleet of no pods",
		"autoscaling: {provider: keda}\nkeda: {triggers: [{type: cron, metadata: {timezone: Nowhere/Else, start: 0 1 * * *, end: 0 2 * * *, desiredReplicas: \"1\"}}]}":                            "timezone: unknown time zone Nowhere/Else",
		"autoscaling: {provider: keda}\nkeda: {triggers: [{type: prometheus, useCachedMetrics: true, metadata: {serverAddress: http://p, query: sum(holograph_frames_total), threshold: \"1\"}}]}": "the simulator does not model useCachedMetrics",
	} {
		_, err := renderShipped(t, values)
		assert.ErrorContains(t, err, want, values)
	}
}

// TestPodStart: the model's pods start in the time that the values say.
func TestPodStart(t *testing.T) {
	chart, err := manifest.Load("../../../charts/holograph")
	require.NoError(t, err)
	for values, want := range map[string]time.Duration{"": 15 * time.Second, "autoscaling: {podStart: 2m}": 2 * time.Minute} {
		v, err := manifest.ParseValues("my.yaml", []byte(values))
		require.NoError(t, err)
		start, err := chart.PodStart(v)
		require.NoError(t, err)
		assert.Equal(t, want, start, values)
	}
	start, err := load(t).PodStart(manifest.Values{Map: map[string]any{}})
	require.NoError(t, err)
	assert.Zero(t, start, "a chart without the value leaves it to the model")
}
