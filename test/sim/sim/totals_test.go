package sim_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	klabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"holograph/test/internal/chart"
	"holograph/test/sim/query"
)

// target is the chart's signals.demand.target, most the demand that one pod can have.
const target, most = 0.75, 10.0

// load is what the pods of a fleet are offered, in pods' worth each.
type load []float64

const offered, capacity = "holograph_offered_cpu_seconds_total", "holograph_cpu_capacity_cores"

// totalQuery returns what the chart's adapter asks Prometheus for the demand of a fleet.
func totalQuery(t *testing.T) string {
	t.Helper()
	rule := shipped(t, map[string]any{"signals": map[string]any{"demand": map[string]any{"metricType": "Object"}}}).Rules.Rules[1]
	namer, err := chart.Namer(rule)
	require.NoError(t, err)
	text, err := namer.QueryForSeries(offered, schema.GroupResource{Group: "apps", Resource: "deployments"}, "holograph", klabels.Everything(), "holograph-renderer")
	require.NoError(t, err)
	return string(text)
}

// total is what the query makes of a fleet, 15 minutes after it began. Broken says what Prometheus knows of a pod in the
// last two minutes.
func total(t *testing.T, text string, pods load, broken func(pod int) knowledge) (float64, bool) {
	t.Helper()
	store := query.NewStore()
	store.Keep(200)
	q, err := query.Compile(store, text)
	require.NoError(t, err)
	const interval, end = 15_000, 900_000
	for i, demand := range pods {
		ls := labels.FromStrings("namespace", "holograph", "container", "renderer", "pod", "holograph-renderer-5d4b7c9f68-"+string([]byte{"bcdfghjklm"[i/10%10], "bcdfghjklm"[i%10], 'x', 'x', 'x'}))
		series := map[string]*query.Series{}
		for _, name := range []string{offered, capacity, "up"} {
			series[name] = store.Add(name, ls)
		}
		random := rand.New(rand.NewPCG(uint64(i), 7))
		for at := int64(i*37%interval) + 1; at <= end; at += interval {
			known := knowledge{}
			if at > end-120_000 {
				known = broken(i)
			}
			answered := random.Float64() >= known.lost
			series["up"].Append(at, map[bool]float64{true: 1}[answered])
			if !answered {
				continue
			}
			value := demand * float64(at) / 1000
			if known.poison != 0 {
				value = known.poison * float64(at)
			}
			series[offered].Append(at, value)
			series[capacity].Append(at, 1)
		}
	}
	var values []float64
	require.NoError(t, q.Eval(end, nil, func(s query.Sample) { values = append(values, s.Value) }))
	if len(values) == 0 {
		return 0, false
	}
	require.Len(t, values, 1)
	return values[0], true
}

// knowledge is what Prometheus knows of a pod: the share of its scrapes that fail, and what its counter says in place of
// the truth, where that is not 0, per millisecond.
type knowledge struct{ lost, poison float64 }

// wanted is the number of pods that a total asks for.
func wanted(total float64) int { return int(math.Ceil(total/target - 1e-6)) }

// TestMissingValuesRemoveNoPod: whatever share of scrapes is lost, whichever pods have no samples, the number of pods that
// the total asks for is not below that of full knowledge, unless it is all pods that there are. And it is never above both.
func TestMissingValuesRemoveNoPod(t *testing.T) {
	text := totalQuery(t)
	answered := 0
	everything := func(int) knowledge { return knowledge{} }
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 3))
		pods := make(load, 1+random.IntN(40))
		mean := 2 * random.Float64()
		for i := range pods {
			pods[i] = mean * 2 * random.Float64()
		}
		full, known := total(t, text, pods, everything)
		require.True(t, known)
		for name, broken := range map[string]func(pod int) knowledge{
			"scrapes are lost":    func(int) knowledge { return knowledge{lost: 0.3} },
			"half are down":       func(pod int) knowledge { return knowledge{lost: float64(pod % 2)} },
			"one has no samples":  func(pod int) knowledge { return knowledge{lost: map[bool]float64{true: 1}[pod == 0]} },
			"most have no sample": func(pod int) knowledge { return knowledge{lost: map[bool]float64{true: 1}[pod != 0]} },
			"one is nonsense":     func(pod int) knowledge { return knowledge{poison: map[bool]float64{true: 1e9}[pod == 0]} },
		} {
			got, known := total(t, text, pods, broken)
			if !known {
				continue // the autoscaler keeps the pods that it has
			}
			answered++
			fleet := fmt.Sprintf("%s, of %d pods with a demand of %.2f together: %d pods wanted, %d by full knowledge", name, len(pods), full, wanted(got), wanted(full))
			// A rate of few samples is off by a fraction of a percent.
			assert.GreaterOrEqual(t, wanted(got*1.01), min(len(pods), wanted(full)), fleet)
			assert.LessOrEqual(t, wanted(got*0.99), max(len(pods), wanted(full)), fleet)
		}
	}
	assert.Greater(t, answered, 200, "totals of the 300, as most fleets have a pod with a value")
}

// TestPodThatNeverReportsHoldsBackABoundedNumber: of a large fleet with little load, a pod without a value keeps no more
// pods than its own most could need.
func TestPodThatNeverReportsHoldsBackABoundedNumber(t *testing.T) {
	text := totalQuery(t)
	pods := make(load, 60)
	for i := range pods {
		pods[i] = 0.1
	}
	full, _ := total(t, text, pods, func(int) knowledge { return knowledge{} })
	got, _ := total(t, text, pods, func(pod int) knowledge { return knowledge{lost: map[bool]float64{true: 1}[pod == 7]} })
	assert.InDelta(t, full-0.1+most, got, 0.01)
}

// TestPoisonedPodMovesTheFleetByABoundedNumber: a pod that says that it is offered anything counts for ten.
func TestPoisonedPodMovesTheFleetByABoundedNumber(t *testing.T) {
	text := totalQuery(t)
	pods := load{0.5, 0.5, 0.5, 0.5}
	for _, poison := range []float64{0.02, 0.5, 0.9, 5, 1e6, 1e300} {
		got, _ := total(t, text, pods, func(pod int) knowledge { return knowledge{poison: map[bool]float64{true: poison}[pod == 0]} })
		assert.LessOrEqual(t, got, 1.5+most+0.01, "a counter that grows by %v a millisecond", poison)
	}
}
