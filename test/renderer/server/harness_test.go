package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holograph/test/renderer/hologram"
)

const (
	budget = 33 * time.Millisecond
	// cost is how long the patient renderer takes for a frame.
	cost = 10 * time.Millisecond
)

// patient is a renderer that takes its time. In a synctest bubble that time is virtual.
type patient struct{}

func (patient) AppendPhase(dst []byte, _ time.Time) []byte {
	<-time.After(cost)
	return append(dst, "phase"...)
}

func newHologram() Renderer {
	r, err := hologram.New(16, 16, 10)
	if err != nil {
		panic(err)
	}
	return r
}

func testOptions(change ...func(*Options)) Options {
	options := Options{
		Budget:           budget,
		Concurrency:      1,
		MaxConnections:   16,
		ConnectionMaxAge: 10 * time.Second,
		DrainDelay:       time.Second,
		GracePeriod:      25 * time.Second,
		Version:          "1.2.3",
		Capacity:         func() float64 { return 0.1 },
		NewRenderer:      func() Renderer { return patient{} },
		Logger:           slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&options)
	}
	return options
}

// working is a server at work, warmed up, in a synctest bubble. It is not yet ready: /readyz has not been asked.
func working(t *testing.T, change ...func(*Options)) *Server {
	t.Helper()
	s := New(testOptions(change...))
	s.start()
	t.Cleanup(s.stop)
	advance(cost)
	require.True(t, s.warm.Load())
	return s
}

// serving is a server that answers on the listener until terminate is called; served then gets what Serve returns.
func serving(change ...func(*Options)) (s *Server, listener *pipes, terminate func(), served <-chan error) {
	s, listener = New(testOptions(change...)), newPipes()
	ctx, terminate := context.WithCancel(background)
	result := make(chan error, 1)
	go func() { result <- s.Serve(ctx, listener) }()
	return s, listener, terminate, result
}

// counting is working, and ready.
func counting(t *testing.T, change ...func(*Options)) *Server {
	t.Helper()
	s := working(t, change...)
	require.Equal(t, http.StatusOK, get(s, "/readyz").Code)
	return s
}

// advance lets virtual time pass and everything that falls due happen.
func advance(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func get(s *Server, target string) *httptest.ResponseRecorder {
	return do(context.Background(), s, http.MethodGet, target)
}

func do(ctx context.Context, s *Server, method, target string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	s.handler.ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, method, target, nil))
	return recorder
}

// frameAt is the target of a frame scheduled at the given time.
func frameAt(scheduled time.Time) string {
	return fmt.Sprintf("/frame?scheduled=%d", scheduled.UnixMicro())
}

// ask asks for a frame scheduled now and delivers the answer later.
func ask(ctx context.Context, s *Server) <-chan *httptest.ResponseRecorder {
	answer := make(chan *httptest.ResponseRecorder, 1)
	target := frameAt(time.Now())
	go func() { answer <- do(ctx, s, http.MethodGet, target) }()
	synctest.Wait() // so that frames arrive in the order of asking
	return answer
}

// reasons are the values above zero of a counter with the label reason.
func reasons(t testing.TB, s *Server, name string) map[string]float64 {
	t.Helper()
	families, err := s.accounts.registry.Gather()
	require.NoError(t, err)
	found := map[string]float64{}
	for _, family := range families {
		if family.GetName() == name {
			for _, m := range family.GetMetric() {
				require.Len(t, m.GetLabel(), 1)
				if n := m.GetCounter().GetValue(); n > 0 {
					found[m.GetLabel()[0].GetValue()] = n
				}
			}
			return found
		}
	}
	require.Failf(t, "no such metric", "%s", name)
	return nil
}

// requireRefused checks how many requests were refused before they were frames, by reason.
func requireRefused(t testing.TB, s *Server, want map[string]float64) {
	t.Helper()
	require.Equal(t, want, reasons(t, s, "holograph_requests_refused_total"), "requests refused")
}

// sample is the value of a metric without labels; for a histogram, the number of observations.
func sample(t testing.TB, s *Server, name string) float64 {
	t.Helper()
	families, err := s.accounts.registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == name {
			require.Len(t, family.GetMetric(), 1)
			m := family.GetMetric()[0]
			switch {
			case m.GetCounter() != nil:
				return m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				return m.GetGauge().GetValue()
			default:
				return float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	require.Failf(t, "no such metric", "%s", name)
	return 0
}

// requireFrames checks the counts of frames: all, over budget, refused, rendered.
func requireFrames(t *testing.T, s *Server, frames, overBudget, refused, rendered int) {
	t.Helper()
	require.EqualValues(t, frames, sample(t, s, "holograph_frames_total"), "frames")
	require.EqualValues(t, overBudget, sample(t, s, "holograph_frames_over_budget_total"), "frames over budget")
	require.EqualValues(t, refused, sample(t, s, "holograph_frames_refused_total"), "frames refused")
	require.EqualValues(t, rendered, sample(t, s, "holograph_frame_duration_seconds"), "durations of rendered frames")
	require.EqualValues(t, frames-refused-rendered, sample(t, s, "holograph_frames_abandoned_total"), "frames abandoned")
}

// pipes is a listener in memory, so that a client and an http.Server can meet in a synctest bubble.
type pipes struct {
	connections chan net.Conn
	closed      chan struct{}
	closeOnce   sync.Once
	dials       atomic.Int32
}

var errRefused = errors.New("connection refused")

func newPipes() *pipes {
	return &pipes{connections: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.connections:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.closeOnce.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.connections <- there:
		p.dials.Add(1)
		return here, nil
	case <-p.closed:
		return nil, errRefused
	}
}

func (p *pipes) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: p.dial}}
}

// fetch reads a whole answer.
func fetch(c *http.Client, target string) (*http.Response, []byte, error) {
	response, err := c.Get("http://renderer" + target)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	var body bytes.Buffer
	_, err = io.Copy(&body, response.Body)
	return response, body.Bytes(), err
}
