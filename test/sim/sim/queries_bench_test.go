package sim_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/teststorage"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
)

// BenchmarkDemand is what Prometheus does for one call of the autoscaler. One number for the fleet (Object) takes more
// than the pods' numbers (Pods), because the pods without a value are reckoned with in the query, in place of in the
// autoscaler.
func BenchmarkDemand(b *testing.B) {
	const offered, capacity = "holograph_offered_cpu_seconds_total", "holograph_cpu_capacity_cores"
	const alphabet = "bcdfghjklmnpqrstvwxz2456789"
	rule := func(metricType string) chart.AdapterRule {
		return chart.AdapterRule{DiscoveryRule: shipped(b, map[string]any{"signals": map[string]any{"demand": map[string]any{"metricType": metricType}}}).Rules.Rules[1]}
	}
	each, total := rule("Pods"), rule("Object")
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 50e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute})
	b.Cleanup(func() { require.NoError(b, engine.Close()) })
	for _, pods := range []int{10, 100, 1000, 5000} {
		storage := teststorage.New(b)
		b.Cleanup(func() { require.NoError(b, storage.Close()) })
		appender := storage.Appender(context.Background())
		var names []string
		for pod := range pods {
			var suffix [5]byte
			for i, rest := 0, pod; i < len(suffix); i, rest = i+1, rest/len(alphabet) {
				suffix[i] = alphabet[rest%len(alphabet)]
			}
			name := "holograph-renderer-5d7c9bb4f8-" + string(suffix[:])
			names = append(names, name)
			for _, metric := range []string{offered, capacity, "up"} {
				series := labels.FromStrings(labels.MetricName, metric, "namespace", "film", "pod", name, "container", "renderer", "job", "renderer", "instance", name)
				for scrape := range 20 {
					value := map[string]float64{offered: 9 * float64(scrape), capacity: 1, "up": 1}[metric]
					_, err := appender.Append(0, series, 15_000*int64(scrape), value)
					require.NoError(b, err)
				}
			}
		}
		require.NoError(b, appender.Commit())
		for how, query := range map[string]string{
			"Pods":   each.Query(b, offered, "film", names...),
			"Object": total.TotalQuery(b, offered, "film", "holograph-renderer"),
		} {
			b.Run(fmt.Sprintf("%s/%d", how, pods), func(b *testing.B) {
				for b.Loop() {
					asked, err := engine.NewInstantQuery(context.Background(), storage, nil, query, time.UnixMilli(285_000))
					require.NoError(b, err)
					result := asked.Exec(context.Background())
					require.NoError(b, result.Err)
					vector, err := result.Vector()
					require.NoError(b, err)
					require.NotEmpty(b, vector)
					asked.Close()
				}
			})
		}
	}
}
