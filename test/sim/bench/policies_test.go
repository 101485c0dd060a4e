package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"holograph/ci/repo"
	"holograph/test/internal/chart"
	"holograph/test/sim/bench/result"
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
	for _, p := range policies {
		rendered := chart.Render(t, values(t, p)...)
		if p.name == result.CPU || p.name == result.KEDA {
			assert.Empty(t, chart.Of[*autoscalingv2.HorizontalPodAutoscaler](t, rendered), "the fleet of %s has no autoscaler of the chart's", p.name)
			continue
		}
		assert.Equal(t, want[p.name].Spec, rendered.HorizontalPodAutoscaler(t).Spec, p.name)
	}
	assert.Nil(t, lateOnly.Spec.Behavior)
	assert.Len(t, lateOnly.Spec.Metrics, 1)
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
