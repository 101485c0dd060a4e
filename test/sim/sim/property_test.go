package sim_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	autoscalingapi "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
	"k8s.io/utils/ptr"

	"holograph/test/sim/adapter"
	"holograph/test/sim/fleet"
	"holograph/test/sim/manifest"
	"holograph/test/sim/sim"
	"holograph/test/sim/trace"
)

// randomPolicy changes a rendered release's HPA into one that nobody would think of.
func randomPolicy(random *rand.Rand, m *manifest.Manifest) {
	spec := &m.HPA.Spec
	spec.MinReplicas = ptr.To(1 + random.Int32N(4))
	spec.MaxReplicas = *spec.MinReplicas + random.Int32N(12)
	quantity := func(from, to float64) *resource.Quantity {
		return resource.NewMilliQuantity(int64(1000*(from+(to-from)*random.Float64())), resource.DecimalSI)
	}
	for i := range spec.Metrics {
		switch metric := &spec.Metrics[i]; metric.Type {
		case autoscalingv2.PodsMetricSourceType:
			metric.Pods.Target.AverageValue = quantity(0.05, 1)
		case autoscalingv2.ObjectMetricSourceType:
			metric.Object.Target.AverageValue = quantity(0.3, 1)
		}
	}
	rules := func() *autoscalingv2.HPAScalingRules {
		r := &autoscalingv2.HPAScalingRules{}
		if random.IntN(2) == 0 {
			r.StabilizationWindowSeconds = ptr.To(random.Int32N(400))
		}
		if random.IntN(3) == 0 {
			r.Tolerance = quantity(0, 0.3)
		}
		r.SelectPolicy = ptr.To([]autoscalingv2.ScalingPolicySelect{autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect}[min(2, random.IntN(8)/3)])
		for range random.IntN(3) {
			r.Policies = append(r.Policies, autoscalingv2.HPAScalingPolicy{
				Type:  []autoscalingv2.HPAScalingPolicyType{autoscalingv2.PodsScalingPolicy, autoscalingv2.PercentScalingPolicy}[random.IntN(2)],
				Value: []int32{1, 2, 4, 10, 25, 50, 100}[random.IntN(7)], PeriodSeconds: 15 + random.Int32N(200)})
		}
		return r
	}
	spec.Behavior = nil
	switch random.IntN(4) {
	case 0:
	case 1:
		spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{}
	default:
		spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: rules(), ScaleDown: rules()}
	}
	autoscalingapi.SetDefaults_HorizontalPodAutoscaler(m.HPA)
}

func randomTrace(random *rand.Rand) trace.Trace {
	t := trace.Trace{Name: "random", Points: []trace.Point{{Load: 6 * random.Float64(), Capacity: 1}}}
	for at := 0.0; at < 3600; {
		before := t.Points[len(t.Points)-1]
		at += 30 + 500*random.Float64()
		next := trace.Point{Second: at, Load: 10 * random.Float64() * random.Float64(), Capacity: before.Capacity}
		if random.IntN(3) == 0 {
			t.Points = append(t.Points, trace.Point{Second: at, Load: before.Load, Capacity: before.Capacity})
		}
		if random.IntN(4) == 0 {
			next.Capacity = 0.5 + 0.5*random.Float64()
		}
		t.Points = append(t.Points, next)
	}
	return t
}

// TestRandomPoliciesAndTraces holds for any policy and any trace:
// replicas stay within min and max; the fleet never shrinks at a sync that lacked a metric; and every
// decision of the controller is the one that the published algorithm gives for the same answers.
func TestRandomPoliciesAndTraces(t *testing.T) {
	runs := 120
	if testing.Short() {
		runs = 40
	}
	decisions, shrunk, grown, lacked := 0, 0, 0, 0
	for n := range runs {
		random := rand.New(rand.NewPCG(uint64(n), 7))
		m := release(t, map[string]any{"signals": map[string]any{
			"overruns": map[string]any{"enabled": random.IntN(5) > 0, "window": []string{"40s", "2m"}[random.IntN(2)]},
			"demand":   map[string]any{"type": []string{"Pods", "Object"}[random.IntN(2)]},
		}})
		randomPolicy(random, m)
		options := sim.Options{Fleet: fleet.Defaults()}
		options.Fleet.Seed = uint64(n)
		options.Fleet.ScrapeLoss = []float64{0, 0.1, 0.4}[random.IntN(3)]
		options.Fleet.PodStart = time.Duration(1+random.IntN(60)) * time.Second
		outage := time.Duration(random.IntN(3600)) * time.Second
		options.Down = func(metric string, at time.Duration) bool {
			return at > outage && at < outage+10*time.Minute && (n%2 == 0 || metric == "holograph_demand")
		}

		algorithm := &reading{spec: m.HPA.Spec}
		var answers []adapter.Answer
		want, before := -1, -1
		options.Observe = func(a adapter.Answer, spec int, pods []*corev1.Pod) {
			if len(answers) == 0 && want >= 0 {
				require.Equal(t, want, spec, "run %d at %v: the controller decided differently from the published algorithm (from %d)", n, a.At, before)
				decisions++
				if spec < before {
					shrunk++
				} else if spec > before {
					grown++
				}
			}
			answers = append(answers, a)
			if len(answers) < len(m.HPA.Spec.Metrics) {
				return
			}
			before, want = spec, algorithm.sync(spec, pods, answers)
			for _, answer := range answers {
				if answer.Err != nil {
					lacked++
					require.GreaterOrEqual(t, want, spec, "run %d at %v: the fleet shrinks without %s", n, a.At, answer.Metric)
					break
				}
			}
			answers = answers[:0]
		}
		result, err := sim.Run(m, randomTrace(random), options)
		require.NoError(t, err, "run %d", n)
		for s, row := range result.Rows {
			require.GreaterOrEqual(t, row.Spec, int(*m.HPA.Spec.MinReplicas), "run %d, second %d", n, s)
			require.LessOrEqual(t, row.Spec, int(m.HPA.Spec.MaxReplicas), "run %d, second %d", n, s)
			require.GreaterOrEqual(t, row.Frames+1e-9, row.Late, "run %d, second %d", n, s)
		}
	}
	// The properties are empty if nothing happens.
	assert.Greater(t, decisions, 200*runs)
	assert.Greater(t, shrunk, runs)
	assert.Greater(t, grown, runs)
	assert.Greater(t, lacked, 10*runs)
}
