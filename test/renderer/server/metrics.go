package server

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"holograph/test/internal/listen"
)

// meanWeight is the weight of the newest frame in the running mean of the cost: the mean follows a
// change of the scene within some fifty frames, and a single odd frame moves it little.
const meanWeight = 1.0 / 16

// Why a request is refused before it is a frame; the values of the label reason.
const (
	refusedBody        = "body" // it has one
	refusedConnections = listen.Connections
	refusedHeader      = listen.Header
	refusedMalformed   = listen.Malformed
	refusedMethod      = "method"
	refusedParameters  = "parameters"
	refusedPath        = "path"
	refusedTimeout     = listen.Timeout
)

var refusals = []string{
	refusedBody, refusedConnections, refusedHeader, refusedMalformed,
	refusedMethod, refusedParameters, refusedPath, refusedTimeout,
}

// accounts counts what becomes of frames, and of requests that are none.
type accounts struct {
	registry *prometheus.Registry
	budget   time.Duration

	frames     prometheus.Counter
	overBudget prometheus.Counter
	refused    prometheus.Counter
	abandoned  prometheus.Counter
	overrun    prometheus.Counter
	duration   prometheus.Histogram
	renderCPU  prometheus.Counter
	offeredCPU prometheus.Counter

	// What clients say. Nothing scales on it.
	clientOverBudget prometheus.Counter
	clientClock      *prometheus.CounterVec

	requestsRefused *prometheus.CounterVec

	mu       sync.Mutex
	meanCost float64 // CPU seconds of a rendered frame
}

func newAccounts(options Options, q *queue) *accounts {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	counters := func(name, help string, reasons ...string) *prometheus.CounterVec {
		vector := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"reason"})
		for _, reason := range reasons {
			vector.WithLabelValues(reason)
		}
		return vector
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	a := &accounts{
		registry:   prometheus.NewRegistry(),
		budget:     options.Budget,
		frames:     counter("holograph_frames_total", "Frames asked for since the pod became ready: rendered or refused."),
		overBudget: counter("holograph_frames_over_budget_total", "Frames completed later than the budget after their arrival, or refused, by the renderer's own clock."),
		refused:    counter("holograph_frames_refused_total", "Frames not rendered because they could not be complete within their budget."),
		abandoned:  counter("holograph_frames_abandoned_total", "Frames not rendered because their client had gone when their turn came, in budget."),
		overrun:    counter("holograph_frame_overrun_seconds_total", "Time by which rendered frames missed their budget."),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "holograph_frame_duration_seconds",
			Help: "Time from a frame's arrival to its completion, for rendered frames.",
			// Among them the budgets of 120, 90, 72, 60 and 30 Hz in whole milliseconds.
			Buckets: []float64{0.002, 0.004, 0.008, 0.011, 0.013, 0.016, 0.025, 0.033, 0.05, 0.066, 0.1, 0.15, 0.25, 0.5, 1},
		}),
		renderCPU:  counter("holograph_render_cpu_seconds_total", "CPU time spent rendering frames."),
		offeredCPU: counter("holograph_offered_cpu_seconds_total", "CPU time all frames ask for: what the rendered ones took, and the running mean for each other one."),

		clientOverBudget: counter("holograph_client_frames_over_budget_total", "Frames completed later than the budget after their scheduled time, or refused, by a client's clock that may be right."),
		clientClock: counters("holograph_client_clock_implausible_total",
			fmt.Sprintf("Frames whose scheduled time is more than %v ahead of the renderer's clock at their arrival, or more than %v and a budget behind it.", maxAhead, maxBehind),
			"ahead", "behind"),
		requestsRefused: counters("holograph_requests_refused_total", "Requests refused before they were frames, and connections closed to make room.", refusals...),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "holograph_build_info",
		Help:        "Version of the renderer and of Go; the value is always 1.",
		ConstLabels: prometheus.Labels{"version": options.Version, "goversion": runtime.Version()},
	})
	info.Set(1)
	a.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		a.frames, a.overBudget, a.refused, a.overrun, a.duration, a.renderCPU, a.offeredCPU, info,
		a.abandoned, a.clientOverBudget, a.clientClock, a.requestsRefused,
		gauge("holograph_cpu_capacity_cores", "Cores rendering may use: GOMAXPROCS, the cgroup's limit or the concurrency, whichever is least.", func() float64 {
			return min(options.Capacity(), float64(options.Concurrency))
		}),
		gauge("holograph_frames_in_flight", "Frames being rendered.", func() float64 {
			_, inFlight := q.depth()
			return float64(inFlight)
		}),
		gauge("holograph_frames_queued", "Frames waiting for their turn.", func() float64 {
			waiting, _ := q.depth()
			return float64(waiting)
		}),
		gauge("holograph_frame_budget_seconds", "Time from a frame's arrival until it must be complete.", options.Budget.Seconds),
		gauge("holograph_render_concurrency", "Frames rendered at once.", func() float64 { return float64(options.Concurrency) }),
	)
	return a
}

// warmUp starts the running mean, which otherwise begins with the first counted frame.
func (a *accounts) warmUp(cost time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.meanCost = cost.Seconds()
}

// render counts a rendered frame. total is the time from arrived to completed.
func (a *accounts) render(total, cost time.Duration) {
	a.mu.Lock()
	a.meanCost += meanWeight * (cost.Seconds() - a.meanCost)
	a.mu.Unlock()

	a.frames.Inc()
	if total > a.budget {
		a.overBudget.Inc()
		a.overrun.Add((total - a.budget).Seconds())
	}
	a.duration.Observe(total.Seconds())
	a.renderCPU.Add(cost.Seconds())
	a.offeredCPU.Add(cost.Seconds())
}

// refuse counts a frame that was not rendered in time.
func (a *accounts) refuse() {
	a.overBudget.Inc()
	a.refused.Inc()
	a.skip()
}

// abandon counts a frame that was not rendered because its client had gone. The renderer was in time.
func (a *accounts) abandon() {
	a.abandoned.Inc()
	a.skip()
}

// skip counts a frame that took no work, as one of the mean cost.
func (a *accounts) skip() {
	a.mu.Lock()
	mean := a.meanCost
	a.mu.Unlock()

	a.frames.Inc()
	a.offeredCPU.Add(mean)
}

// client counts a frame as its client sees it.
func (a *accounts) client(view clientView) {
	switch {
	case view.skew != "":
		a.clientClock.WithLabelValues(view.skew).Inc()
	case view.overBudget:
		a.clientOverBudget.Inc()
	}
}

// refuseRequest counts what never became a frame.
func (a *accounts) refuseRequest(reason string) { a.requestsRefused.WithLabelValues(reason).Inc() }
