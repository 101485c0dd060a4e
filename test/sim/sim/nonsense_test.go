package sim_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/teststorage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/prometheus-adapter/pkg/config"

	"holograph/test/internal/chart"
	"holograph/test/sim/fleet"
	"holograph/test/sim/query"
	"holograph/test/sim/sim"
	"holograph/test/sim/trace"
)

// expand returns the query that the adapter sends for pods a, b and c of a namespace.
func expand(t *testing.T, rule config.DiscoveryRule, series, namespace string) string {
	t.Helper()
	return chart.AdapterRule{DiscoveryRule: rule}.Query(t, series, namespace, "a", "b", "c")
}

// nonsense draws what a pod may export in place of a number.
func nonsense(random *rand.Rand, value float64) float64 {
	return []float64{math.NaN(), math.Inf(1), math.Inf(-1), -value, 0, value + 1e9, value * 1e6, 1.7e16, math.MaxFloat64,
		-math.MaxFloat64, math.SmallestNonzeroFloat64, math.Float64frombits(random.Uint64())}[random.IntN(12)]
}

// TestNonsenseOfOnePod replaces any of one pod's samples by nonsense, and asks Prometheus' own engine what scales: the
// values of the other pods stay what they are, and all values are in bounds. The simulator's engine says the same.
func TestNonsenseOfOnePod(t *testing.T) {
	rules := shipped(t, map[string]any{"signals": map[string]any{"demand": map[string]any{"metricType": "Pods"}}}).Rules.Rules
	require.Len(t, rules, 2)
	const late, offered, capacity = "holograph_frames_over_budget_total", "holograph_offered_cpu_seconds_total", "holograph_cpu_capacity_cores"
	signals := []struct {
		series string
		most   float64
	}{{late, 10000}, {offered, 10}}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute})
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	storage := teststorage.New(t)
	t.Cleanup(func() { require.NoError(t, storage.Close()) })
	store := query.NewStore()
	store.Keep(64)
	replaced, dropped, kept := 0, 0, 0
	for seed := range uint64(150) {
		random := rand.New(rand.NewPCG(seed, 11))
		appender := storage.Appender(t.Context())
		honest, wrong := fmt.Sprint("honest-", seed), fmt.Sprint("wrong-", seed)
		share := []float64{0.1, 0.5, 1}[random.IntN(3)]
		for _, pod := range []string{"a", "b", "c"} {
			for _, metric := range []string{late, offered, capacity} {
				var to [2]*query.Series
				var named [2]labels.Labels
				for i, namespace := range []string{honest, wrong} {
					ls := labels.FromStrings("namespace", namespace, "pod", pod, "container", "renderer", "job", "renderer")
					to[i], named[i] = store.Add(metric, ls), labels.NewBuilder(ls).Set(labels.MetricName, metric).Labels()
				}
				value := 100 * random.Float64()
				for at := random.Int64N(15_000); at < 300_000; at += 15_000 {
					switch {
					case metric == capacity:
						value = 1 + random.Float64()
					case random.IntN(15) == 0:
						value = 0
					default:
						value += 30 * random.Float64()
					}
					for i, v := range []float64{value, value} {
						if i == 1 && pod == "c" && random.Float64() < share {
							v = nonsense(random, value)
							replaced++
						}
						_, err := appender.Append(0, named[i], at, v)
						require.NoError(t, err)
						to[i].Append(at, v)
					}
				}
			}
		}
		require.NoError(t, appender.Commit())
		for i, signal := range signals {
			var compiled [2]*query.Query
			var texts [2]string
			for j, namespace := range []string{honest, wrong} {
				texts[j] = expand(t, rules[i], signal.series, namespace)
				var err error
				compiled[j], err = query.Compile(store, texts[j])
				require.NoError(t, err)
			}
			for at := int64(200_000); at <= 300_000; at += 9_500 {
				var values [2]map[string]float64
				for j := range values {
					ask, err := engine.NewInstantQuery(t.Context(), storage, nil, texts[j], time.UnixMilli(at))
					require.NoError(t, err)
					result := ask.Exec(t.Context())
					require.NoError(t, result.Err)
					vector, err := result.Vector()
					require.NoError(t, err)
					values[j] = map[string]float64{}
					for _, s := range vector {
						values[j][s.Metric.Get("pod")] = s.F
					}
					ask.Close()
					simulated := map[string]float64{}
					require.NoError(t, compiled[j].Eval(at, nil, func(s query.Sample) { simulated[s.Labels.Get("pod")] = s.Value }))
					require.Len(t, simulated, len(values[j]), "seed %d, %s at %d: the simulator's values are %v, Prometheus' %v", seed, signal.series, at, simulated, values[j])
					for pod, v := range values[j] {
						require.InDelta(t, v, simulated[pod], 1e-9*math.Max(1, v), "seed %d, %s of pod %s at %d", seed, signal.series, pod, at)
						// NaN is in no bounds.
						require.True(t, v >= 0 && v <= signal.most, "seed %d: %s of pod %s at %d is %v, want at most %v", seed, signal.series, pod, at, v, signal.most)
					}
				}
				if _, has := values[1]["c"]; has {
					kept++
				} else {
					dropped++
				}
				delete(values[0], "c")
				delete(values[1], "c")
				require.Len(t, values[0], 2)
				require.Equal(t, values[0], values[1], "seed %d: %s of the other pods at %d", seed, signal.series, at)
			}
		}
	}
	// The property is empty if nothing is replaced, or if all or none of it is dropped.
	assert.Greater(t, replaced, 1000)
	assert.Greater(t, dropped, 300)
	assert.Greater(t, kept, 300)
}

// flat is a load that stays, in pods' worth, for 40 minutes.
func flat(load float64) trace.Trace {
	return trace.Trace{Name: "flat", Points: []trace.Point{{Load: load, Capacity: 1}, {Second: 2400, Load: load, Capacity: 1}}}
}

// TestNonsenseMovesNoFleet: what one pod exports in place of a number, once or for ever, takes no pod away and brings none.
func TestNonsenseMovesNoFleet(t *testing.T) {
	const late, offered, capacity = "holograph_frames_over_budget_total", "holograph_offered_cpu_seconds_total", "holograph_cpu_capacity_cores"
	kinds := map[string]func(float64) float64{
		"NaN":             func(float64) float64 { return math.NaN() },
		"Inf":             func(float64) float64 { return math.Inf(1) },
		"-Inf":            func(float64) float64 { return math.Inf(-1) },
		"a jump":          func(v float64) float64 { return v + 1e9 },
		"a larger jump":   func(v float64) float64 { return v + 1.7e16 },
		"the largest":     func(float64) float64 { return math.MaxFloat64 },
		"a fall":          func(v float64) float64 { return v - 1e12 },
		"next to nothing": func(v float64) float64 { return v * 1e-300 },
	}
	for name, c := range map[string]struct {
		values map[string]any
		load   float64
	}{
		"default":                           {nil, 2.5},
		"late frames alone, at the maximum": {map[string]any{"signals": map[string]any{"demand": map[string]any{"enabled": false}}, "autoscaling": map[string]any{"maxReplicas": 5}}, 8},
	} {
		m := shipped(t, c.values)
		options := sim.Options{Fleet: fleet.Defaults()}
		clean, err := sim.Run(m, flat(c.load), options)
		require.NoError(t, err)
		for _, metric := range []string{late, offered, capacity} {
			for kind, change := range kinds {
				// A counter that stands still, or is late frames that begin anew, is what a pod may honestly have.
				if kind == "next to nothing" && metric != capacity {
					continue
				}
				for _, until := range []int64{615_000, math.MaxInt64} {
					// To Prometheus, a counter that returns to where it was has begun anew: TestOnePodsDemandIsBounded.
					if until != math.MaxInt64 && metric != capacity && kind != "NaN" && kind != "Inf" {
						continue
					}
					// What stays where it is, or too large a capacity, is an idle pod's: it hides its own load.
					if until == math.MaxInt64 && (kind == "the largest" || metric == capacity && strings.HasSuffix(kind, "jump")) {
						continue
					}
					options.Fleet.Exported = func(id uint64, exported string, at int64, value float64) float64 {
						if id == 1 && exported == metric && at >= 600_000 && at < until {
							return change(value)
						}
						return value
					}
					got, err := sim.Run(m, flat(c.load), options)
					require.NoError(t, err)
					for s := range got.Rows {
						require.Equal(t, clean.Rows[s].Spec, got.Rows[s].Spec, "%s: %s of one pod is %s until %d: replicas wanted at second %d", name, metric, kind, until, s)
					}
				}
			}
		}
	}
}

// TestOnePodsDemandIsBounded: a pod that says it is asked for a hundred times what it can do, or counts its own past again
// because its counter jumped or fell in one sample and returned, brings no more pods than ten full ones need, in a fleet that may be far larger.
func TestOnePodsDemandIsBounded(t *testing.T) {
	m := shipped(t, map[string]any{"autoscaling": map[string]any{"maxReplicas": 500}})
	options := sim.Options{Fleet: fleet.Defaults()}
	clean, err := sim.Run(m, flat(20), options)
	require.NoError(t, err)
	const target = 0.75
	for kind, change := range map[string]func(at int64, value float64) float64{
		"a hundred times": func(_ int64, value float64) float64 { return 100 * value },
		"-Inf once":       once(math.Inf(-1)),
		"0 once":          once(0),
		"1e9 once":        once(1e9),
		"-1e12 once":      once(-1e12),
	} {
		options.Fleet.Exported = func(id uint64, metric string, at int64, value float64) float64 {
			if id == 1 && metric == "holograph_offered_cpu_seconds_total" {
				return change(at, value)
			}
			return value
		}
		got, err := sim.Run(m, flat(20), options)
		require.NoError(t, err)
		most := 0
		for s := range got.Rows {
			more := got.Rows[s].Spec - clean.Rows[s].Spec
			require.GreaterOrEqual(t, more, 0, "%s: replicas that one pod takes away, at second %d", kind, s)
			require.LessOrEqual(t, more, int(math.Ceil(10/target)), "%s: replicas that one pod brings, at second %d", kind, s)
			most = max(most, more)
		}
		assert.Greater(t, most, 0, "%s: the pod brings some", kind)
	}
}

// once replaces what is exported in one scrape interval, ten minutes after the start.
func once(wrong float64) func(at int64, value float64) float64 {
	return func(at int64, value float64) float64 {
		if at >= 600_000 && at < 615_000 {
			return wrong
		}
		return value
	}
}
