package manifest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/sim/manifest"
)

func load(t *testing.T) *manifest.Chart {
	t.Helper()
	chart, err := manifest.Load("../testdata/experiments")
	require.NoError(t, err)
	return chart
}

func render(t *testing.T, values string) (*manifest.Manifest, error) {
	t.Helper()
	v, err := manifest.ParseValues("my.yaml", []byte(values))
	if err != nil {
		return nil, err
	}
	return load(t).Render(v)
}

// TestWhatTheAPIServerAdds: an absent behavior stays absent, any other gets the documented policies.
func TestWhatTheAPIServerAdds(t *testing.T) {
	m, err := render(t, "autoscaling: {behavior: null}")
	require.NoError(t, err)
	assert.Nil(t, m.HPA.Spec.Behavior)

	m, err = render(t, "autoscaling: {behavior: {scaleUp: null}}")
	require.NoError(t, err)
	require.NotNil(t, m.HPA.Spec.Behavior)
	assert.Len(t, m.HPA.Spec.Behavior.ScaleUp.Policies, 2, "steps up: 100 % or 4 pods every 15 s")

	m, err = render(t, "")
	require.NoError(t, err)
	behavior := m.HPA.Spec.Behavior
	require.NotNil(t, behavior)
	assert.Len(t, behavior.ScaleUp.Policies, 1)
	assert.Equal(t, int32(300), *behavior.ScaleDown.StabilizationWindowSeconds)
	assert.Equal(t, "Max", string(*behavior.ScaleDown.SelectPolicy), "defaulted")
	assert.Equal(t, int32(2), *m.HPA.Spec.MinReplicas)
	assert.Len(t, m.HPA.Spec.Metrics, 2)
	assert.Len(t, m.Rules.Rules, 2)
	assert.Equal(t, 15*time.Second, m.ScrapeInterval)
	assert.Equal(t, "holograph-renderer", m.Pods.Name)
	assert.Equal(t, "renderer", m.Pods.Container)
	assert.Equal(t, "holograph", m.Pods.Namespace)
}

// TestSessions: the places of a pod and its grace period are those of the values.
func TestSessions(t *testing.T) {
	chart, err := manifest.Load("../../../charts/holograph")
	require.NoError(t, err)
	render := func(places string) (*manifest.Manifest, error) {
		v, err := manifest.ParseValues("my.yaml", []byte("renderer: {terminationGracePeriodSeconds: 600}\nsignals: {demand: {offered: {metric: viewer_sessions, type: gauge}, capacity: {value: "+places+"}}}"))
		require.NoError(t, err)
		return chart.Render(v)
	}
	m, err := render(`"4"`)
	require.NoError(t, err)
	assert.Equal(t, 4, m.Places)
	assert.Equal(t, 10*time.Minute, m.Pods.Grace)
	costs, err := chart.Render(manifest.Values{Map: map[string]any{"deletionCost": map[string]any{"enabled": true}}})
	require.NoError(t, err)
	assert.True(t, costs.DeletionCosts, "deletion costs of pods, as the values have them")
	for _, places := range []string{`"2.5"`, `""`} {
		_, err = render(places)
		assert.ErrorContains(t, err, "signals.demand.capacity.value: must be a whole number of sessions, because the pods of the simulator export no capacity for viewer_sessions", places)
	}

	m, err = chart.Render(manifest.Values{Map: map[string]any{}})
	require.NoError(t, err)
	assert.Zero(t, m.Places)
	assert.False(t, m.DeletionCosts)
	assert.Equal(t, 30*time.Second, m.Pods.Grace)
}

func TestWrongValues(t *testing.T) {
	for values, want := range map[string]string{
		"autoscaling:\n  minReplicas: [": "my.yaml: line 2, column ",
		"- a":                            "my.yaml: line 1, column 1: values are a list of keys; write key: value",
		"autoscaling:\n  minReplicas: 5\n  maxReplicas: 3\n":                                  "my.yaml: line 3, column 16: HorizontalPodAutoscaler: spec.maxReplicas: Invalid value: 3",
		"autoscaling:\n  behavior:\n    scaleDown:\n      stabilizationWindowSeconds: 9999\n": "my.yaml: line 4, column 35: HorizontalPodAutoscaler: spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 9999",
		"autoscaling:\n  behavior:\n    scaleUp:\n      stabilisationWindowSeconds: 9\n":      "unknown field",
		"signals:\n  demand:\n    target: lots\n":                                             "my.yaml: ",
	} {
		_, err := render(t, values)
		assert.ErrorContains(t, err, want, values)
		if err != nil {
			assert.NotContains(t, err.Error(), "\n", values)
		}
	}
}

func TestStreamsThatLackSomething(t *testing.T) {
	hpa := "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: d}}\n"
	for stream, want := range map[string]string{
		"":                  "manifests: there is no HorizontalPodAutoscaler; set autoscaling.enabled to true",
		hpa:                 "manifests: there is no Deployment d, which the HorizontalPodAutoscaler scales",
		hpa + "---\n" + hpa: "manifests: there are two HorizontalPodAutoscalers; the simulator wants one",
		"apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\n": "manifests: the HorizontalPodAutoscaler is autoscaling/v1; the simulator wants autoscaling/v2",
	} {
		_, err := manifest.Parse([]byte(stream))
		assert.EqualError(t, err, want)
	}
}

func TestOverlayLeavesItsBaseAlone(t *testing.T) {
	base, err := manifest.ParseValues("my.yaml", []byte("a: {b: 1, c: 2}"))
	require.NoError(t, err)
	over := base.Overlay(map[string]any{"a": map[string]any{"b": 3}})
	assert.EqualValues(t, map[string]any{"b": 3, "c": 2.0}, over.Map["a"])
	assert.EqualValues(t, map[string]any{"b": 1.0, "c": 2.0}, base.Map["a"])
}
