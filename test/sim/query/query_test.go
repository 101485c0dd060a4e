package query_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/teststorage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/sim/query"
)

// expressions is what adapter rules are made of.
var expressions = []string{
	`rate(late_total[30s])`,
	`rate(late_total[2m])`,
	`increase(late_total{pod="a"}[1m])`,
	`irate(late_total[1m])`,
	`delta(cores[1m])`,
	`deriv(late_total[1m])`,
	`predict_linear(late_total[2m], 60)`,
	`rate(late_total[1m] offset 30s)`,
	`avg_over_time(cores[2m])`,
	`max_over_time(cores[2m])`,
	`last_over_time(cores[40s])`,
	`cores`,
	`cores offset 1m`,
	`sum by (pod) (max without (job, instance) (rate(late_total{namespace="n",pod=~"a|b"}[40s])))`,
	`sum by (pod) (rate(late_total[40s])) / sum by (pod) (cores)`,
	`sum by (namespace) (rate(late_total[1m])) / avg by (namespace) (cores)`,
	`rate(late_total[1m]) / on (pod, job) cores`,
	`rate(late_total[1m]) / ignoring (instance) cores{job="one"}`,
	`min(cores) or vector(0)`,
	`sum(absent_total) or vector(0)`,
	`sum by (pod) (cores) or sum by (pod) (rate(late_total[1m]))`,
	`cores and on (pod) rate(late_total[1m])`,
	`cores unless on (pod) rate(late_total{pod="a"}[1m])`,
	`clamp_min(sum(rate(late_total[1m])), 3)`,
	`clamp_max(rate(late_total[1m]), 0.4)`,
	`clamp(rate(late_total[1m]), 0.1, 0.4)`,
	`cores > 1.5`,
	`0 < cores < +Inf`,
	`1.5 <= cores`,
	`cores != bool 1.5`,
	`vector(7) > bool scalar(sum(cores))`,
	`sum by (pod) (rate(late_total[40s])) > on (pod) sum by (pod) (cores)`,
	`sum by (pod) (rate(late_total[40s])) / (0 < sum by (pod) (last_over_time(cores[40s])) < +Inf) < +Inf`,
	`2 * sum(rate(late_total[1m])) - 1`,
	`-scalar(sum(cores)) + avg(rate(late_total[1m]))`,
	`count by (job) (cores)`,
	`sum by (pod) (rate(late_total[40s]) + 30 / 40 * clamp_min(rate(late_total[40s]) - rate(late_total[40s] offset 40s), 0))`,
}

// TestAgreesWithPrometheus asks both Prometheus' own engine and this one, over the same samples:
// counters that reset, scrapes that fail, targets that come late and go away.
func TestAgreesWithPrometheus(t *testing.T) {
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute})
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 1))
		storage := teststorage.New(t)
		t.Cleanup(func() { require.NoError(t, storage.Close()) })
		store := query.NewStore()
		store.Keep(64)
		appender := storage.Appender(context.Background())
		interval := []int64{5000, 15000, 30000}[seed%3]
		for _, pod := range []string{"a", "b", "c"} {
			for _, job := range []string{"one", "two"} {
				for _, metric := range []string{"late_total", "cores"} {
					ls := labels.FromStrings("namespace", "n", "pod", pod, "job", job, "instance", fmt.Sprint(pod, job, "-", metric == "cores"))
					series := store.Add(metric, ls)
					named := labels.NewBuilder(ls).Set(labels.MetricName, metric).Labels()
					counter := 100 * random.Float64()
					at := random.Int64N(interval)
					if pod == "a" {
						at = 0 // samples at the very ends of ranges
					}
					if pod == "c" {
						at += 300_000
					}
					for ; at < 600_000; at += interval {
						switch {
						case metric == "cores":
							counter = 1 + random.Float64()
						case random.IntN(15) == 0:
							counter = 0
						default:
							counter += math.Floor(20 * random.Float64())
						}
						if random.IntN(12) == 0 {
							continue
						}
						if pod == "b" && at > 500_000 {
							_, err := appender.Append(0, named, at, math.Float64frombits(value.StaleNaN))
							require.NoError(t, err)
							series.MarkStale(at)
							break
						}
						_, err := appender.Append(0, named, at, counter)
						require.NoError(t, err)
						series.Append(at, counter)
					}
				}
			}
		}
		require.NoError(t, appender.Commit())
		for _, text := range expressions {
			compiled, err := query.Compile(store, text)
			require.NoError(t, err, text)
			for i := range int64(20) {
				at := 580_000 + 5_000*i
				if i%2 == 1 {
					at += 3_001
				}
				ask, err := engine.NewInstantQuery(context.Background(), storage, nil, text, time.UnixMilli(at))
				require.NoError(t, err, text)
				result := ask.Exec(context.Background())
				require.NoError(t, result.Err, text)
				vector, err := result.Vector()
				require.NoError(t, err, text)
				want := map[string]float64{}
				for _, s := range vector {
					want[labels.NewBuilder(s.Metric).Del(labels.MetricName).Labels().String()] = s.F
				}
				got := map[string]float64{}
				require.NoError(t, compiled.Eval(at, nil, func(s query.Sample) { got[s.Labels.String()] = s.Value }), text)
				require.Len(t, got, len(want), "%s at %d, seed %d: got %v, Prometheus gives %v", text, at, seed, got, want)
				for key, v := range want {
					require.Contains(t, got, key, "%s at %d", text, at)
					require.InDelta(t, v, got[key], 1e-9*math.Max(1, math.Abs(v)), "%s at %d, seed %d, %s", text, at, seed, key)
				}
				ask.Close()
			}
		}
	}
}

func TestCompileSaysWhatItDoesNotKnow(t *testing.T) {
	for text, want := range map[string]string{
		`histogram_quantile(0.9, x)`:          "does not know this part of PromQL",
		`rate(x[5m:1m])`:                      "does not know this part of PromQL",
		`sum by (pod (x)`:                     "unexpected",
		`{pod="a"}`:                           "selects no metric by its name",
		`x * on (pod) group_left () y`:        "does not know this part of PromQL",
		`quantile(0.9, x)`:                    "does not know this part of PromQL",
		`x ^ 2`:                               "does not know this part of PromQL",
		`rate(x[5m] @ 1)`:                     "does not know this part of PromQL",
		`predict_linear(x[5m], scalar(y))`:    "wants a number as argument 2 of predict_linear",
		`label_replace(x, "a", "b", "c", "")`: "does not know this part of PromQL",
	} {
		_, err := query.Compile(query.NewStore(), text)
		assert.ErrorContains(t, err, want, text)
	}
}

func TestPodsMatcherIsASet(t *testing.T) {
	store := query.NewStore()
	store.Keep(4)
	for _, pod := range []string{"a", "b", "c"} {
		store.Add("cores", labels.FromStrings("pod", pod)).Append(1000, 1)
	}
	q, err := query.Compile(store, fmt.Sprintf(`cores{pod=%q}`, query.PodsMatcher))
	require.NoError(t, err)
	var got []string
	require.NoError(t, q.Eval(2000, map[string]struct{}{"a": {}, "c": {}}, func(s query.Sample) { got = append(got, s.Labels.Get("pod")) }))
	assert.Equal(t, []string{"a", "c"}, got)
}

func TestForgetDropsOnlyWhatIsOld(t *testing.T) {
	store := query.NewStore()
	store.Keep(4)
	gone, here := store.Add("x", labels.FromStrings("pod", "gone")), store.Add("x", labels.FromStrings("pod", "here"))
	for at := int64(0); at < 60_000; at += 10_000 {
		gone.Append(at, float64(at))
		here.Append(at, float64(at))
	}
	gone.MarkStale(60_000)
	q, err := query.Compile(store, `rate(x[1m])`)
	require.NoError(t, err)
	count := func() (n int) {
		require.NoError(t, q.Eval(61_000, nil, func(query.Sample) { n++ }))
		return n
	}
	store.Forget(59_999)
	assert.Equal(t, 2, count(), "a range still sees a target that is gone")
	store.Forget(60_000)
	assert.Equal(t, 1, count())
}
