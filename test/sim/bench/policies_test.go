package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"holograph/ci/repo"
	"holograph/test/internal/chart"
	"holograph/test/sim/bench/result"
	"holograph/test/sim/manifest"
)

// values are those that the policy's fleet is installed with.
func values(t *testing.T, p policy) []chart.Values {
	t.Helper()
	root, err := repo.Root()
	require.NoError(t, err)
	var all []chart.Values
	for _, file := range append([]string{"test/sim/bench/values/pods.yaml"}, p.values...) {
		data, err := os.ReadFile(filepath.Join(root, file))
		require.NoError(t, err)
		all = append(all, chart.Parse(t, string(data)))
	}
	return all
}

// The comparison is one of policies: all else is the same for every fleet.
func TestFleetsDifferInTheirPolicyOnly(t *testing.T) {
	first := chart.Render(t, values(t, policies[0])...).Deployment(t, chart.Renderer)
	for _, p := range policies[1:] {
		d := chart.Render(t, values(t, p)...).Deployment(t, chart.Renderer)
		// Where there is no autoscaler of the chart's, the replicas to begin with are the chart's to say.
		d.Spec.Replicas = first.Spec.Replicas
		assert.Equal(t, first.Spec, d.Spec, p.name)
	}
}

func TestPolicies(t *testing.T) {
	shipped := chart.Render(t).HorizontalPodAutoscaler(t)
	lateOnly := chart.Render(t, chart.Example(t, "late-frames-only")).HorizontalPodAutoscaler(t)
	want := map[string]*autoscalingv2.HorizontalPodAutoscaler{result.LateFramesOnly: lateOnly, result.Default: shipped}
	serving, found := find(result.Default)
	require.True(t, found)
	served := chart.Render(t, values(t, serving)...).AdapterConfig(t)
	for _, p := range policies {
		rendered := chart.Render(t, values(t, p)...)
		if p.name == result.CPU || p.name == result.KEDA || p.name == result.DefaultKEDA {
			assert.Empty(t, chart.Of[*autoscalingv2.HorizontalPodAutoscaler](t, rendered), "the fleet of %s has no autoscaler of the chart's", p.name)
			continue
		}
		got := rendered.HorizontalPodAutoscaler(t).Spec
		if p.name == result.LateFramesOnly {
			assert.Equal(t, served.Rules[0].Name.As, got.Metrics[0].Pods.Metric.Name, "the metric of late frames only, against the rule that the adapter of the comparison has for it")
			got.Metrics[0].Pods.Metric.Name = want[p.name].Spec.Metrics[0].Pods.Metric.Name
		}
		assert.Equal(t, want[p.name].Spec, got, p.name)
	}
	asInstalled := chart.Render(t, chart.Example(t, "late-frames-only")).AdapterConfig(t).Rules[0]
	assert.Equal(t, strings.Fields(asInstalled.MetricsQuery), strings.Fields(served.Rules[0].MetricsQuery), "the query for late frames only, against the example's")
	assert.Nil(t, lateOnly.Spec.Behavior)
	assert.Len(t, lateOnly.Spec.Metrics, 1)
}

// The fleet of the default with KEDA has the targets and the behavior of the default, and the other fleet of KEDA neither.
func TestTheFleetsOfKEDAAreWhatThePageSays(t *testing.T) {
	simulated := func(name string) *autoscalingv2.HorizontalPodAutoscaler {
		p, found := find(name)
		require.True(t, found)
		root, err := repo.Root()
		require.NoError(t, err)
		t.Chdir(root)
		c, err := manifest.Load(p.chart)
		require.NoError(t, err)
		values := manifest.Values{Map: map[string]any{}}
		for _, file := range p.simulated {
			over, err := manifest.ReadValues(file)
			require.NoError(t, err)
			values = values.Overlay(over.Map)
		}
		m, err := c.Render(values)
		require.NoError(t, err)
		return m.HPA
	}
	shipped := simulated(result.Default)
	withKEDA, alone := simulated(result.DefaultKEDA), simulated(result.KEDA)
	assert.Equal(t, shipped.Spec.Behavior, withKEDA.Spec.Behavior, "behavior of the default with KEDA")
	require.Len(t, withKEDA.Spec.Metrics, 2, "metrics of the default with KEDA")
	for i, metric := range withKEDA.Spec.Metrics {
		assert.True(t, shipped.Spec.Metrics[i].Pods.Target.AverageValue.Equal(*metric.External.Target.AverageValue), "target of %s", metric.External.Metric.Name)
	}
	assert.Nil(t, alone.Spec.Behavior, "KEDA at its own defaults has no behavior")
	assert.Len(t, alone.Spec.Metrics, 1, "KEDA at its own defaults has late frames only")
}

// The flash crowd is beyond what three times the two pods before it can do, and within what ten pods can do.
func TestTheFlashCrowdIsLarge(t *testing.T) {
	// A pod does a fifth more than its worth on the cluster.
	const capacity = 1.2
	for _, l := range loads {
		if l.shape == result.FlashCrowd {
			assert.Greater(t, l.spike.Peak, 6*capacity, "pods' worth at the peak, against what 6 pods can do")
			assert.Less(t, l.spike.Peak, 0.9*10*capacity, "pods' worth at the peak, against what 10 pods can do")
		}
	}
}

// Both loads and what comes before them are over within 45 minutes.
func TestARunIsShort(t *testing.T) {
	// Measured: a cluster and its fleets are ready within five minutes.
	total := 0.0
	for _, l := range loads {
		total += l.spike.Length() + float64(len(policies)-1)*l.stagger.Seconds() + 5*60
	}
	assert.LessOrEqual(t, total/60, 45.0, "minutes that both loads take")
}

// The simulated policy holds pods at the share of their limit at which the installed one does.
func TestCPUPolicyIsTheSameInTheSimulator(t *testing.T) {
	read := func(file string) chart.Values {
		path, err := repo.Path(file)
		require.NoError(t, err)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return chart.Parse(t, string(data))
	}
	installed := read("test/sim/bench/chart/values.yaml")["utilization"]
	simulated := read("test/sim/bench/simulated/cpu.yaml")["signals"].(map[string]any)["cpu"].(map[string]any)["utilization"]
	resources := chart.Render(t, read("test/sim/bench/values/pods.yaml")).Container(t, chart.Renderer).Resources
	share := number(t, installed) * resources.Requests.Cpu().AsApproximateFloat64() / resources.Limits.Cpu().AsApproximateFloat64()
	assert.InDelta(t, number(t, simulated), share, 1e-9)
	assert.InDelta(t, 70, share, 1e-9)
}

func number(t *testing.T, value any) float64 {
	t.Helper()
	switch v := value.(type) {
	case float64:
		return v
	case int64:
		return float64(v)
	case int:
		return float64(v)
	}
	t.Fatalf("%v is no number", value)
	return 0
}
