package promises

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/load"
	"holograph/test/internal/promise"
	"holograph/test/internal/wait"
)

const (
	// overloadMaximum keeps the load small: 3 times what this many pods render, which k6 has to send.
	overloadMaximum = 3
	overload        = 3
	overloadTime    = 2 * time.Minute
	// growTime is for the fleet to reach its maximum after the overload has begun.
	growTime = time.Minute
	// lastPart is the end of the overload, which is not counted: the counters are read before it, while the overload lasts.
	lastPart = 5 * time.Second
)

var overloadPromises = []promise.Promise{
	{
		Subject: promise.Overload, Name: "three times the maximum",
		Says:   "What the pods can render is in budget, and the rest is refused at once: half of the refusals take less than a quarter of the frame budget. No pod restarts. Everything returns to the minimum within four minutes after the load.",
		Fault:  "Three times as many frames arrive for two minutes as the maximum of pods can render. The maximum is set to three.",
		Within: 4 * time.Minute,
		Keep: func(e *promise.Experiment) {
			set := with(map[string]string{"autoscaling.maxReplicas": fmt.Sprint(overloadMaximum)})
			e.Break(upgrade(set))
			e.WaitFor(2*time.Minute, wait.Replicas(e.Release, minimum))
			e.Pod = e.MeasurePod()
			most := overload * overloadMaximum * e.Pod.FramesPerSecond()
			e.Stages(load.Steady(most, overloadTime),
				load.Steady(quietPods*promise.Capacity, promise.Longest))
			before := map[string]int32{}
			for _, pod := range e.PodsOf(chart.Renderer) {
				before[pod.Name] = pod.Status.ContainerStatuses[0].RestartCount
			}
			begun := time.Now()
			e.Inject(nothing)
			e.WaitFor(growTime, wait.Replicas(e.Release, overloadMaximum))
			grown, atFirst := time.Now(), countersOf(e)
			e.WaitFor(overloadTime, passed(begun, overloadTime-lastPart))
			atLast, took := countersOf(e), time.Since(grown).Seconds()
			memory := atLast["process_resident_memory_bytes"]
			e.WaitFor(time.Minute, passed(begun, overloadTime))
			e.Recovered(time.Now(), wait.Replicas(e.Release, minimum), wait.PodsReady(e.Release))
			summary := e.Counts()

			counted := func(name string) float64 { return atLast[name] - atFirst[name] }
			frames := counted("holograph_frames_total") - counted("holograph_frames_refused_total") - counted("holograph_frames_abandoned_total")
			rendered := frames / took
			inBudget := 1 - (counted("holograph_frames_over_budget_total")-counted("holograph_frames_refused_total"))/frames
			capacity := overloadMaximum * e.Pod.FramesPerSecond()
			e.Note("%.0f frames a second were rendered of %.0f that the limits allow, %.1f %% of them in budget; refusals took %s (median) and %s (99 of 100); a pod used at most %.0f MB",
				rendered, capacity, inBudget*100, summary.Refusal.P50, summary.Refusal.P99, memory/1e6)
			for _, pod := range e.PodsOf(chart.Renderer) {
				assert.Equal(e, before[pod.Name], pod.Status.ContainerStatuses[0].RestartCount, "restarts of renderer %s", pod.Name)
			}
			assert.Less(e, memory, 128e6, "memory of the renderer that uses most at the end of the overload, in bytes: the limit is 128Mi")
			assert.GreaterOrEqual(e, inBudget, 0.95, "share of the rendered frames that were in budget by the renderer's own clock")
			// A renderer that throws its capacity away renders a few percent; a busy machine takes less than half away.
			assert.GreaterOrEqual(e, rendered, capacity/2, "frames rendered in a second, of those that the CPU limits allow")
			// A renderer that refuses a frame only when its turn has come takes almost the budget for it.
			assert.Less(e, summary.Refusal.P50, e.Pod.Budget/4, "time of the faster half of the refusals, want less than a quarter of the frame budget: clients can try another pod")
			assert.Zero(e, summary.Failed, "frames without an answer")
		},
	},
}

// nothing is a fault of the load alone.
func nothing(context.Context, *harness.Story) (harness.Fix, error) { return nil, nil }

// passed is met when so much time has gone since then.
func passed(since time.Time, length time.Duration) wait.Condition {
	return wait.Condition{Name: length.String() + " to pass", Unmet: func(context.Context) error {
		if gone := time.Since(since); gone < length {
			return fmt.Errorf("%s have", gone.Round(time.Second))
		}
		return nil
	}}
}

// countersOf adds up the counters of all renderers. Of a gauge it has the greatest value.
func countersOf(e *promise.Experiment) map[string]float64 {
	e.Helper()
	ctx, cancel := e.Within(time.Minute)
	defer cancel()
	sums := map[string]float64{}
	for _, pod := range e.PodsOf(chart.Renderer) {
		status, page, err := e.Release.GetFromPod(ctx, pod, 8080, "/metrics")
		require.NoError(e, err)
		require.Equal(e, http.StatusOK, status, "status of the metrics of %s", pod.Name)
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(bytes.NewReader(page))
		require.NoError(e, err)
		for name, family := range families {
			for _, metric := range family.Metric {
				switch {
				case metric.Counter != nil:
					sums[name] += metric.Counter.GetValue()
				case metric.Gauge != nil:
					sums[name] = max(sums[name], metric.Gauge.GetValue())
				}
			}
		}
	}
	return sums
}
