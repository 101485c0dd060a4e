package main

import (
	"context"
	"go/parser"
	"go/token"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"holograph/ci/repo"
)

// slow returns a renderer that draws one frame at a time, each in that time.
func slow(each time.Duration) *renderer {
	return newRenderer(1, func() []byte {
		time.Sleep(each)
		return []byte("a frame")
	})
}

// ask asks for that many frames at once and returns how many were answered with each status.
func ask(t *testing.T, r *renderer, frames int) map[int]int {
	t.Helper()
	statuses := make(chan int, frames)
	for range frames {
		go func() { statuses <- get(r.views(), "/view").Code }()
	}
	answers := map[int]int{}
	for range frames {
		answers[<-statuses]++
	}
	return answers
}

func get(handler http.Handler, path string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	return answer
}

func TestAFrameThatWaitsForItsTurnIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := slow(100 * time.Millisecond)
		assert.Equal(t, map[int]int{http.StatusOK: 5}, ask(t, r, 5))
		assert.EqualValues(t, 5, r.counted.Requested, "frames asked for")
		assert.EqualValues(t, 5, r.counted.Ended, "frames that ended")
		assert.InDelta(t, 0.1+0.2+0.3+0.4+0.5, r.counted.Seconds, 1e-9)
		assert.Equal(t, []uint64{0, 0, 0, 0, 1, 2, 5, 5, 5}, r.counted.Within, "frames within %v s", bounds)
	})
}

func TestAFrameWithoutATurnIsGivenUpAndCountsAsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := slow(300 * time.Millisecond)
		assert.Equal(t, map[int]int{http.StatusOK: 4, http.StatusServiceUnavailable: 6}, ask(t, r, 10))
		assert.EqualValues(t, 10, r.counted.Requested, "frames asked for")
		assert.Equal(t, []uint64{0, 0, 0, 0, 0, 0, 1, 9, 10}, r.counted.Within, "frames within %v s: those that are given up take 1 s", bounds)
	})
}

func TestDrawTakesItsCPUTime(t *testing.T) {
	began := time.Now()
	assert.NotEmpty(t, draw(5*time.Millisecond))
	assert.GreaterOrEqual(t, time.Since(began), 5*time.Millisecond)
}

func TestALeavingRendererIsNotReadyAndStillDraws(t *testing.T) {
	r := slow(0)
	assert.Equal(t, http.StatusOK, get(r.views(), "/health/ready").Code)
	r.leave()
	assert.Equal(t, http.StatusServiceUnavailable, get(r.views(), "/health/ready").Code)
	assert.Equal(t, http.StatusOK, get(r.views(), "/health/live").Code)
	assert.Equal(t, http.StatusOK, get(r.views(), "/view").Code)
}

func TestASessionLastsAsLongAsItAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := slow(0)
		r.slots, r.longest = 2, time.Minute
		begun := time.Now()
		ended := make(chan int, 2)
		for range 2 {
			go func() { ended <- get(r.views(), "/session?for=30s").Code }()
		}
		synctest.Wait()
		assert.Equal(t, 2, r.counted.Sessions, "sessions")
		assert.Equal(t, http.StatusServiceUnavailable, get(r.views(), "/session?for=30s").Code, "the status without a place")
		r.leave()
		for range 2 {
			assert.Equal(t, http.StatusOK, <-ended)
		}
		assert.Equal(t, 30*time.Second, time.Since(begun), "the time of a session of a renderer that leaves")
		assert.Zero(t, r.counted.Sessions, "sessions after their end")
		assert.Equal(t, http.StatusServiceUnavailable, get(r.views(), "/session?for=30s").Code, "the status of a renderer that leaves")
		for _, length := range []string{"", "0s", "2m", "long"} {
			assert.Equal(t, http.StatusBadRequest, get(r.views(), "/session?for="+length).Code, length)
		}
	})
}

func TestTheExporterOutlivesTheRenderer(t *testing.T) {
	renderer := httptest.NewServer(http.HandlerFunc(slow(0).tellFigures))
	ctx, stop := context.WithCancel(t.Context())
	exporting := outlive(ctx, renderer.URL)
	stop()
	select {
	case <-exporting.Done():
		t.Error("the exporter ends before the renderer")
	case <-time.After(1500 * time.Millisecond):
	}
	renderer.Close()
	<-exporting.Done()
}

func TestServeEndsTheFramesUnderWay(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- serve(ctx, drainTime, map[string]http.Handler{address: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			stop()
			// The server closes its listener first, and then waits for the requests that it is answering.
			assert.Eventually(t, func() bool {
				connection, err := net.Dial("tcp", address)
				if err == nil {
					connection.Close()
				}
				return err != nil
			}, 5*time.Second, time.Millisecond, "the server takes connections while it shuts down, want none")
		})})
	}()
	require.Eventually(t, func() bool {
		response, err := http.Get("http://" + address)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return assert.Equal(t, http.StatusOK, response.StatusCode, "status of a frame that was under way when the server was stopped")
	}, 5*time.Second, 10*time.Millisecond, "the server answers no request, want one answered while it shuts down")
	assert.NoError(t, <-served)
}

func TestAnUnknownCommandIsRefused(t *testing.T) {
	for _, args := range [][]string{nil, {"draw"}} {
		assert.ErrorContains(t, run(t.Context(), args), "write render or export")
	}
}

// scrape returns the metrics of a renderer's exporter.
func scrape(t *testing.T, r http.HandlerFunc) *httptest.ResponseRecorder {
	t.Helper()
	server := httptest.NewServer(r)
	defer server.Close()
	return get(exporter(server.URL), metricsPath)
}

func TestTheExporterServesTheRenderersFigures(t *testing.T) {
	r := slow(0)
	r.counted = figures{Requested: 7, Ended: 5, Seconds: 2.5, Within: []uint64{0, 0, 1, 1, 2, 3, 4, 4, 5}, Sessions: 3}
	answer := scrape(t, r.tellFigures)
	assert.Equal(t, http.StatusOK, answer.Code)
	assert.Equal(t, `# HELP frame_duration_seconds Time from a frame's arrival until it was answered or given up.
# TYPE frame_duration_seconds histogram
frame_duration_seconds_bucket{le="0.008"} 0
frame_duration_seconds_bucket{le="0.016"} 0
frame_duration_seconds_bucket{le="0.033"} 1
frame_duration_seconds_bucket{le="0.066"} 1
frame_duration_seconds_bucket{le="0.1"} 2
frame_duration_seconds_bucket{le="0.25"} 3
frame_duration_seconds_bucket{le="0.5"} 4
frame_duration_seconds_bucket{le="1"} 4
frame_duration_seconds_bucket{le="2"} 5
frame_duration_seconds_bucket{le="+Inf"} 5
frame_duration_seconds_sum 2.5
frame_duration_seconds_count 5
# HELP frames_requested_total Frames that were asked for.
# TYPE frames_requested_total counter
frames_requested_total 7
# HELP viewer_sessions Sessions that viewers hold.
# TYPE viewer_sessions gauge
viewer_sessions 3
`, answer.Body.String())
}

func TestAScrapeWithoutFiguresFails(t *testing.T) {
	for name, renderer := range map[string]http.HandlerFunc{
		"gone":         http.NotFound,
		"no figures":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{")) },
		"other bounds": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"within": [1]}`)) },
	} {
		assert.Equal(t, http.StatusInternalServerError, scrape(t, renderer).Code, name)
	}
}

// TestItSharesNothingWithTheReferenceRenderer: otherwise the story of this renderer would prove less than it says.
func TestItSharesNothingWithTheReferenceRenderer(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, imported := range parsed.Imports {
			assert.NotContains(t, imported.Path.Value, "holograph/", "import of %s", file)
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.NotContains(t, string(text), "HOLOGRAPH_", "setting in %s", file)
		assert.NotContains(t, string(text), "holograph_", "metric in %s", file)
	}
}

// TestTheExampleDescribesThisRenderer: whatever values-examples/own-renderer.yaml says of a renderer is so for this one,
// which the story installs with it.
func TestTheExampleDescribesThisRenderer(t *testing.T) {
	var example struct {
		Frame    struct{ Budget string }
		Renderer struct {
			Port    int
			Metrics struct {
				Port            int
				Path, Container string
			}
			ExtraContainers                             []struct{ Name string }
			StartupProbe, ReadinessProbe, LivenessProbe struct{ HTTPGet struct{ Path string } }
		}
		Signals struct {
			Overruns struct{ Histogram struct{ Metric string } }
			Demand   struct{ Offered struct{ Metric string } }
		}
	}
	path, err := repo.Path("values-examples", "own-renderer.yaml")
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &example))

	described := example.Renderer
	assert.Equal(t, viewAddress, ":"+strconv.Itoa(described.Port), "renderer.port")
	assert.Equal(t, metricsAddress, ":"+strconv.Itoa(described.Metrics.Port), "renderer.metrics.port")
	assert.Equal(t, metricsPath, described.Metrics.Path, "renderer.metrics.path")
	if assert.Len(t, described.ExtraContainers, 1) {
		assert.Equal(t, described.ExtraContainers[0].Name, described.Metrics.Container, "renderer.metrics.container")
	}
	r := slow(0)
	for name, probe := range map[string]string{
		"startupProbe":   described.StartupProbe.HTTPGet.Path,
		"readinessProbe": described.ReadinessProbe.HTTPGet.Path,
		"livenessProbe":  described.LivenessProbe.HTTPGet.Path,
	} {
		assert.Regexp(t, "^/health/", probe, "renderer.%s", name)
		assert.Equal(t, http.StatusOK, get(r.views(), probe).Code, "renderer.%s", name)
	}
	exported := scrape(t, r.tellFigures).Body.String()
	assert.Contains(t, exported, "# TYPE "+example.Signals.Overruns.Histogram.Metric+" histogram\n", "signals.overruns.histogram.metric")
	assert.Contains(t, exported, "# TYPE "+example.Signals.Demand.Offered.Metric+" counter\n", "signals.demand.offered.metric")
	budget, err := time.ParseDuration(example.Frame.Budget)
	require.NoError(t, err)
	assert.True(t, slices.Contains(bounds, budget.Seconds()), "frame.budget is %s, want one of the histogram's bounds: %v s", budget, bounds)
}
