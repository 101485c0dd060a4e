package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var background = context.Background()

func TestFrameOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := counting(t)
		answer := get(s, frameAt(time.Now().Add(-5*time.Millisecond)))
		assert.Equal(t, http.StatusOK, answer.Code)
		assert.Equal(t, "phase", answer.Body.String())
		assert.Equal(t, "application/octet-stream", answer.Header().Get("Content-Type"))
		assert.Equal(t, "5", answer.Header().Get("Content-Length"))
		assert.Equal(t, "queue;dur=0.000, render;dur=10.000, total;dur=10.000", answer.Header().Get("Server-Timing"))
		assert.Equal(t, "false", answer.Header().Get("Holograph-Over-Budget"))
		requireFrames(t, s, 1, 0, 0, 1)
		assert.Zero(t, sample(t, s, "holograph_frame_overrun_seconds_total"))
	})
}

func TestFrameExactlyInBudgetIsOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := counting(t, func(o *Options) { o.Budget = cost })
		assert.Equal(t, "false", get(s, frameAt(time.Now())).Header().Get("Holograph-Over-Budget"))
		requireFrames(t, s, 1, 0, 0, 1)
	})
}

func TestLateFrameIsOverBudgetByItsLateness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := counting(t, func(o *Options) { o.Budget = 3 * time.Millisecond })
		answer := get(s, frameAt(time.Now()))
		assert.Equal(t, http.StatusOK, answer.Code)
		assert.Equal(t, "true", answer.Header().Get("Holograph-Over-Budget"))
		requireFrames(t, s, 1, 1, 0, 1)
		assert.InDelta(t, 0.007, sample(t, s, "holograph_frame_overrun_seconds_total"), 1e-9, "10 - 3 ms")
	})
}

// Three frames take 30 of the 33 ms, and 2 are to spare.
func TestQueueTakesWhatCanBeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := counting(t)
		var answers []<-chan *httptest.ResponseRecorder
		for range 3 {
			answers = append(answers, ask(background, s))
		}
		assert.EqualValues(t, 1, sample(t, s, "holograph_frames_in_flight"))
		assert.EqualValues(t, 2, sample(t, s, "holograph_frames_queued"))

		start := time.Now()
		refused := get(s, frameAt(start))
		assert.Zero(t, time.Since(start), "at once")
		assert.Equal(t, http.StatusServiceUnavailable, refused.Code)
		assert.Equal(t, "the frame cannot be complete within its budget\n", refused.Body.String())

		for i, want := range []string{
			"queue;dur=0.000, render;dur=10.000, total;dur=10.000",
			"queue;dur=10.000, render;dur=10.000, total;dur=20.000",
			"queue;dur=20.000, render;dur=10.000, total;dur=30.000",
		} {
			answer := <-answers[i]
			assert.Equal(t, http.StatusOK, answer.Code)
			assert.Equal(t, want, answer.Header().Get("Server-Timing"))
		}
		requireFrames(t, s, 4, 1, 1, 3)
		assert.Zero(t, sample(t, s, "holograph_frames_in_flight"))
		assert.Zero(t, sample(t, s, "holograph_frames_queued"))
	})
}

func TestWorkersRenderAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := counting(t, func(o *Options) { o.Concurrency, o.Budget = 2, cost })
		first, second := ask(background, s), ask(background, s)
		assert.EqualValues(t, 2, sample(t, s, "holograph_frames_in_flight"))
		assert.Equal(t, "the frame cannot be complete within its budget\n", get(s, frameAt(time.Now())).Body.String())
		advance(cost)
		assert.Equal(t, http.StatusOK, (<-first).Code)
		assert.Equal(t, http.StatusOK, (<-second).Code)
	})
}

// The first frame takes 40 ms instead of 10. The budget of the second is spent before.
func TestFrameIsRefusedWhenItsBudgetIsSpentInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var took time.Duration
		s := changing(t, &took)
		took = 40 * time.Millisecond
		start := time.Now()
		first, second := ask(background, s), ask(background, s)
		refused := <-second
		assert.Equal(t, budget, time.Since(start), "at once, not when its turn comes")
		assert.Equal(t, http.StatusServiceUnavailable, refused.Code)
		assert.Equal(t, "the frame's budget was spent before its turn came\n", refused.Body.String())
		assert.Zero(t, sample(t, s, "holograph_frames_queued"), "its place is free again")
		<-first
		requireFrames(t, s, 2, 2, 1, 1)
	})
}

// Under a tight CPU limit timers fire late; the worker must not render what is lost already.
func TestWorkerDoesNotRenderAFrameWithoutBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := counting(t)
		spent := &job{deadline: time.Now(), done: make(chan struct{}, 1)}
		start := time.Now()
		require.True(t, s.queue.offer(spent))
		<-spent.done
		assert.Equal(t, late, spent.fate)
		assert.Zero(t, time.Since(start))
	})
}

// Its turn comes in budget. Were it over budget, one client that gives up would move the fleet.
func TestFrameWhoseClientWentAwayIsNotOverBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := counting(t)
		first := ask(background, s)
		ctx, goAway := context.WithCancel(background)
		second := ask(ctx, s)
		goAway()
		<-first
		start := time.Now()
		assert.Equal(t, "the client went away before the frame's turn came\n", (<-second).Body.String())
		assert.Zero(t, time.Since(start), "nothing is rendered for nobody")
		requireFrames(t, s, 2, 0, 0, 1)
	})
}

// The frame's budget is spent before its turn comes. Were it not over budget, clients that give up would hide
// that the renderer is too slow.
func TestFrameWhoseClientWentAwayIsOverBudgetWhereItWouldHaveBeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := counting(t, func(o *Options) { o.Budget = cost / 2 })
		first := ask(background, s)
		ctx, goAway := context.WithCancel(background)
		second := ask(ctx, s)
		goAway()
		assert.Equal(t, http.StatusServiceUnavailable, (<-second).Code)
		<-first
		requireFrames(t, s, 2, 2, 1, 1)
	})
}

func TestFrameWhoseClientWentAwayTooLateIsRendered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := counting(t)
		ctx, goAway := context.WithCancel(background)
		first := ask(ctx, s)
		goAway()
		<-first
		requireFrames(t, s, 1, 0, 0, 1)
	})
}

func TestFramesCountOnceReadyHasBeenAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(testOptions())
		s.start()
		t.Cleanup(s.stop)

		assert.Equal(t, http.StatusServiceUnavailable, get(s, "/readyz").Code, "before the warm-up")
		assert.Equal(t, http.StatusOK, get(s, "/healthz").Code)
		advance(cost)
		assert.Equal(t, http.StatusOK, get(s, frameAt(time.Now())).Code)
		requireFrames(t, s, 0, 0, 0, 0)
		assert.Zero(t, sample(t, s, "holograph_render_cpu_seconds_total"))
		assert.Zero(t, sample(t, s, "holograph_offered_cpu_seconds_total"))

		// What arrives before counts neither, whatever becomes of it after.
		ctx, goAway := context.WithCancel(background)
		rendered, refused := ask(background, s), ask(ctx, s)
		assert.Equal(t, http.StatusOK, get(s, "/readyz").Code)
		goAway()
		assert.Equal(t, http.StatusServiceUnavailable, (<-refused).Code)
		assert.Equal(t, http.StatusOK, (<-rendered).Code)
		requireFrames(t, s, 0, 0, 0, 0)

		get(s, frameAt(time.Now()))
		requireFrames(t, s, 1, 0, 0, 1)

		s.draining.Store(true)
		assert.Equal(t, http.StatusServiceUnavailable, get(s, "/readyz").Code, "while draining")
		get(s, frameAt(time.Now()))
		requireFrames(t, s, 2, 0, 0, 2)
	})
}

func TestOfferedCPUIsWhatFramesTookPlusTheMeanForEachRefusal(t *testing.T) {
	s := New(testOptions(func(o *Options) { o.NewRenderer = newHologram }))
	s.accounts.warmUp(4 * time.Millisecond)
	s.accounts.refuse()
	assert.InDelta(t, 0.004, sample(t, s, "holograph_offered_cpu_seconds_total"), 1e-12, "the warm-up is the first guess")

	s.accounts.render(0, 20*time.Millisecond)
	assert.InDelta(t, 0.020, sample(t, s, "holograph_render_cpu_seconds_total"), 1e-12)
	assert.InDelta(t, 0.024, sample(t, s, "holograph_offered_cpu_seconds_total"), 1e-12)

	s.accounts.refuse()
	assert.InDelta(t, 0.024+0.005, sample(t, s, "holograph_offered_cpu_seconds_total"), 1e-12, "4 + (20-4)/16 ms")
	assert.InDelta(t, 0.020, sample(t, s, "holograph_render_cpu_seconds_total"), 1e-12)
}

func TestRenderedFrameCostsCPU(t *testing.T) {
	s := New(testOptions(func(o *Options) { o.NewRenderer, o.Budget = newHologram, time.Minute }))
	s.start()
	t.Cleanup(s.stop)
	require.Eventually(t, func() bool { return get(s, "/readyz").Code == http.StatusOK }, 5*time.Second, time.Millisecond)

	phase := get(s, frameAt(time.Now()))
	assert.Len(t, phase.Body.Bytes(), 16*16)
	first := sample(t, s, "holograph_render_cpu_seconds_total")
	assert.Positive(t, first)
	assert.Equal(t, first, sample(t, s, "holograph_offered_cpu_seconds_total"))

	get(s, frameAt(time.Now()))
	assert.Greater(t, sample(t, s, "holograph_render_cpu_seconds_total"), first)
}

func TestMetricsAreThereFromTheStart(t *testing.T) {
	s := New(testOptions(func(o *Options) { o.Concurrency = 4 }))
	page := get(s, "/metrics").Body.String()
	for _, metric := range []struct{ name, kind, sample string }{
		{"holograph_frames_total", "counter", "holograph_frames_total 0"},
		{"holograph_frames_over_budget_total", "counter", "holograph_frames_over_budget_total 0"},
		{"holograph_frames_abandoned_total", "counter", "holograph_frames_abandoned_total 0"},
		{"holograph_client_frames_over_budget_total", "counter", "holograph_client_frames_over_budget_total 0"},
		{"holograph_client_clock_implausible_total", "counter", `holograph_client_clock_implausible_total{reason="ahead"} 0`},
		{"holograph_client_clock_implausible_total", "counter", `holograph_client_clock_implausible_total{reason="behind"} 0`},
		{"holograph_requests_refused_total", "counter", `holograph_requests_refused_total{reason="timeout"} 0`},
		{"holograph_frame_overrun_seconds_total", "counter", "holograph_frame_overrun_seconds_total 0"},
		{"holograph_frames_refused_total", "counter", "holograph_frames_refused_total 0"},
		{"holograph_frame_duration_seconds", "histogram", "holograph_frame_duration_seconds_count 0"},
		{"holograph_render_cpu_seconds_total", "counter", "holograph_render_cpu_seconds_total 0"},
		{"holograph_offered_cpu_seconds_total", "counter", "holograph_offered_cpu_seconds_total 0"},
		{"holograph_cpu_capacity_cores", "gauge", "holograph_cpu_capacity_cores 0.1"},
		{"holograph_frames_in_flight", "gauge", "holograph_frames_in_flight 0"},
		{"holograph_frames_queued", "gauge", "holograph_frames_queued 0"},
		{"holograph_frame_budget_seconds", "gauge", "holograph_frame_budget_seconds 0.033"},
		{"holograph_render_concurrency", "gauge", "holograph_render_concurrency 4"},
		{"holograph_build_info", "gauge", `holograph_build_info{goversion="` + runtime.Version() + `",version="1.2.3"} 1`},
		{"go_goroutines", "gauge", "go_goroutines"},
		{"process_cpu_seconds_total", "counter", "process_cpu_seconds_total"},
	} {
		assert.Regexp(t, `(?m)^# HELP `+metric.name+` \S`, page)
		assert.Contains(t, page, "# TYPE "+metric.name+" "+metric.kind+"\n")
		assert.Regexp(t, `(?m)^`+regexp.QuoteMeta(metric.sample), page)
	}
}

// held is a collector that holds each gathering until it is released.
type held struct {
	prometheus.Gauge
	release chan struct{}
}

func (h held) Collect(metrics chan<- prometheus.Metric) {
	<-h.release
	h.Gauge.Collect(metrics)
}

// Clients that ask at once share a page. What one of them writes changes nothing in the page of another.
func TestClientsShareTheWholePage(t *testing.T) {
	const (
		text = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
		// What Prometheus sends where it does not ask for native histograms.
		scrape = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5," +
			"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
		binary = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	)
	for name, first := range map[string]struct{ target, accept, made string }{
		"one name":          {target: "/metrics?name[]=nothing", accept: scrape, made: text},
		"another format":    {target: "/metrics", accept: binary, made: "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores"},
		"OpenMetrics first": {target: "/metrics", accept: "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8," + binary + ";q=0.9", made: "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores"},
		"other names":       {target: "/metrics", accept: "text/plain;version=0.0.4;escaping=dots", made: "text/plain; version=0.0.4; charset=utf-8; escaping=dots"},
		"the same":          {target: "/metrics", accept: scrape, made: text},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(testOptions())
				gauge := held{prometheus.NewGauge(prometheus.GaugeOpts{Name: "held", Help: "Held."}), make(chan struct{})}
				s.accounts.registry.MustRegister(gauge)
				// The pages themselves, so that a request counts which the server refuses before.
				ask := func(target, accept string) *httptest.ResponseRecorder {
					request, recorder := httptest.NewRequest(http.MethodGet, target, nil), httptest.NewRecorder()
					request.Header.Set("Accept", accept)
					go s.metrics.ServeHTTP(recorder, request)
					synctest.Wait()
					return recorder
				}
				leader := ask(first.target, first.accept)
				scraper := ask("/metrics", scrape)
				close(gauge.release)
				synctest.Wait()
				assert.Equal(t, first.made, leader.Header().Get("Content-Type"), "what the first client gets")
				assert.Equal(t, text, scraper.Header().Get("Content-Type"), "what Prometheus gets")
				for _, sample := range []string{"held 0\n", "holograph_frames_over_budget_total 0\n", "holograph_build_info{"} {
					assert.Contains(t, scraper.Body.String(), sample, "what Prometheus gets")
				}
			})
		})
	}
}

func TestMetricsHaveNoParameters(t *testing.T) {
	s := New(testOptions())
	for _, target := range []string{"/metrics?name[]=nothing", "/metrics?name%5B%5D=go_goroutines", "/metrics?x", "/metrics?;"} {
		answer := get(s, target)
		assert.Equal(t, http.StatusBadRequest, answer.Code, target)
		assert.Equal(t, "the metrics have no parameters; they are at /metrics\n", answer.Body.String(), target)
		assert.Equal(t, "close", answer.Header().Get("Connection"), target)
	}
	requireRefused(t, s, map[string]float64{"parameters": 4})
	assert.Equal(t, http.StatusOK, get(s, "/metrics").Code)
}

func TestCapacityIsAtMostTheConcurrency(t *testing.T) {
	s := New(testOptions(func(o *Options) { o.Concurrency, o.Capacity = 2, func() float64 { return 8 } }))
	assert.EqualValues(t, 2, sample(t, s, "holograph_cpu_capacity_cores"))
}

func TestOtherMethodsAreRefused(t *testing.T) {
	s := New(testOptions())
	for _, method := range []string{http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		answer := do(background, s, method, frameAt(time.Now()))
		assert.Equal(t, http.StatusMethodNotAllowed, answer.Code)
		assert.Equal(t, "GET", answer.Header().Get("Allow"))
		assert.Equal(t, "/frame is fetched with GET, not with "+method+"\n", answer.Body.String())
	}
	for _, method := range []string{http.MethodPost, http.MethodConnect, strings.Repeat("M", 1000)} {
		for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
			answer := do(background, s, method, path)
			assert.Equal(t, http.StatusMethodNotAllowed, answer.Code)
			assert.Less(t, answer.Body.Len(), 100, "what a client wrote is not written back at length")
		}
	}
	assert.Equal(t, http.StatusOK, do(background, s, http.MethodHead, "/healthz").Code)
	assert.Equal(t, http.StatusNotFound, get(s, "/frames").Code)
	assert.Equal(t, http.StatusNotFound, get(s, "//frame").Code)
	requireRefused(t, s, map[string]float64{"method": 5 + 9, "path": 2})
}

func TestMalformedRequestIsNoFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := counting(t)
		answer := get(s, "/frame")
		assert.Equal(t, http.StatusBadRequest, answer.Code)
		assert.Equal(t, "scheduled is missing; write scheduled=<Unix time in microseconds>\n", answer.Body.String())
		requireFrames(t, s, 0, 0, 0, 0)
		requireRefused(t, s, map[string]float64{"parameters": 1})
	})
}

func TestOldConnectionIsClosedAfterItsResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener, terminate, served := serving()
		client := listener.client()
		advance(cost)

		response, _, err := fetch(client, frameAt(time.Now()))
		require.NoError(t, err)
		assert.False(t, response.Close, "a new connection stays")
		advance(10*time.Second - cost)
		response, _, err = fetch(client, frameAt(time.Now()))
		require.NoError(t, err)
		assert.False(t, response.Close, "at its maximum age it stays")
		assert.EqualValues(t, 1, listener.dials.Load())

		response, _, err = fetch(client, frameAt(time.Now()))
		require.NoError(t, err)
		assert.True(t, response.Close, "beyond its maximum age it closes")
		response, _, err = fetch(client, frameAt(time.Now()))
		require.NoError(t, err)
		assert.False(t, response.Close)
		assert.EqualValues(t, 2, listener.dials.Load(), "and the client connects anew")

		terminate()
		require.NoError(t, <-served)
	})
}

// A thousand questions on one connection would be answered one after the other, even if no client reads the answers.
func TestProbesAndScrapesEndTheirConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener, terminate, served := serving()
		advance(cost)
		for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
			response, _, err := fetch(listener.client(), path)
			require.NoError(t, err)
			assert.True(t, response.Close, path)
		}
		until(t, terminate, served)
	})
}

func TestRefusedFrameClosesItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener, terminate, served := serving(func(o *Options) { o.Budget = cost })
		advance(cost)
		first, second := listener.client(), listener.client()

		asked := make(chan error, 1)
		go func() {
			_, _, err := fetch(first, frameAt(time.Now()))
			asked <- err
		}()
		synctest.Wait()
		response, _, err := fetch(second, frameAt(time.Now()))
		require.NoError(t, err)
		assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
		assert.True(t, response.Close, "the next frame may find a pod with room")
		require.NoError(t, <-asked)
		response, _, err = fetch(second, frameAt(time.Now()))
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, response.StatusCode)
		assert.False(t, response.Close)
		assert.EqualValues(t, 3, listener.dials.Load())

		terminate()
		require.NoError(t, <-served)
	})
}

// The client asks for three frames every 50 ms, as if nothing had happened, until nobody accepts its
// connections. When the listener closes, one of the last three is being rendered and two wait.
func TestDrainLosesNoFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, listener, terminate, served := serving()
		client := listener.client()
		advance(cost)
		_, _, err := fetch(client, "/readyz")
		require.NoError(t, err)

		const terminated = 155 * time.Millisecond
		start := time.Now()
		time.AfterFunc(terminated, terminate)

		var asked sync.WaitGroup
		var mu sync.Mutex
		var answered, refused int
		var lastAsked time.Duration
		for time.Since(start) < 2*time.Second {
			for range 3 {
				asked.Go(func() {
					at := time.Since(start)
					response, body, err := fetch(client, frameAt(time.Now()))
					mu.Lock()
					defer mu.Unlock()
					if errors.Is(err, errRefused) {
						refused++
						return
					}
					if assert.NoErrorf(t, err, "frame asked for at %v", at) {
						answered++
						lastAsked = max(lastAsked, at)
						assert.Equalf(t, http.StatusOK, response.StatusCode, "frame asked for at %v", at)
						assert.Equal(t, "phase", string(body))
						assert.Equalf(t, at > terminated, response.Close, "connection of the frame asked for at %v", at)
					}
				})
			}
			advance(50 * time.Millisecond)
			if at := time.Since(start); at == 200*time.Millisecond {
				response, body, err := fetch(client, "/readyz")
				require.NoError(t, err)
				assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
				assert.Equal(t, "draining\n", string(body))
			}
		}
		asked.Wait()
		require.NoError(t, <-served)
		assert.Equal(t, 1150*time.Millisecond, lastAsked, "the listener closes at 155 + 1000 ms")
		assert.Equal(t, 24*3, answered)
		assert.Equal(t, 16*3, refused)
		requireFrames(t, s, 72, 0, 0, 72)
	})
}

func TestDrainWaitsForASlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener, terminate, served := serving()
		connection, err := listener.dial(background, "", "")
		require.NoError(t, err)
		_, err = connection.Write([]byte("GET " + frameAt(time.Now().Add(cost)) + " HTTP/1.1\r\nHost: renderer\r\n\r\n"))
		require.NoError(t, err)

		terminate()
		advance(2 * time.Second)
		assert.Empty(t, served, "the listener is closed, but the answer is not read")
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, response.StatusCode)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		assert.Equal(t, "phase", string(body))
		require.NoError(t, <-served)
	})
}

func TestServeReportsABrokenListener(t *testing.T) {
	s, listener := New(testOptions(func(o *Options) { o.NewRenderer = newHologram })), newPipes()
	require.NoError(t, listener.Close())
	assert.ErrorContains(t, s.Serve(t.Context(), listener), "serve on memory: ")
}

// discard is a ResponseWriter that costs nothing itself.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkRefusal is the cost of a refusal to the handler alone, without the HTTP server around it.
func BenchmarkRefusal(b *testing.B) {
	s := New(testOptions())
	s.counting.Store(true)
	s.queue.close()
	r := httptest.NewRequest(http.MethodGet, frameAt(time.Now()), nil)
	w := discard{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		s.frame(w, r)
	}
	require.Positive(b, sample(b, s, "holograph_frames_refused_total"))
}

// BenchmarkRefusalOverTCP is the time from request to refusal on a kept connection; client and server share it.
func BenchmarkRefusalOverTCP(b *testing.B) {
	s := New(testOptions(func(o *Options) { o.ConnectionMaxAge = time.Hour }))
	s.counting.Store(true)
	s.queue.close()
	server := httptest.NewServer(s.handler)
	defer server.Close()
	target := server.URL + frameAt(time.Now())
	var body bytes.Buffer
	for b.Loop() {
		response, err := server.Client().Get(target)
		require.NoError(b, err)
		body.Reset()
		_, err = body.ReadFrom(response.Body)
		require.NoError(b, err)
		response.Body.Close()
	}
	require.Equal(b, "the frame cannot be complete within its budget\n", body.String())
}
