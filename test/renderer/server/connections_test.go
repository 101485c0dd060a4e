package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/listen"
)

const head = " HTTP/1.1\r\nHost: renderer\r\n"

// say opens a connection and writes to it for as long as the renderer reads.
func say(t *testing.T, listener *pipes, text string) net.Conn {
	t.Helper()
	connection, err := listener.dial(background, "", "")
	require.NoError(t, err)
	go io.WriteString(connection, text)
	synctest.Wait()
	return connection
}

// until ends the server and waits for the end of its drain.
func until(t *testing.T, terminate func(), served <-chan error) {
	t.Helper()
	terminate()
	require.NoError(t, <-served)
}

// Each of these is refused before it is a frame, at once but for the one that does not end, counted by its reason,
// and moves nothing that scales.
func TestRequestsThatAreNoFrames(t *testing.T) {
	target := "/frame?scheduled=0"
	for name, test := range map[string]struct {
		text   string
		status int // 0: none
		reason string
		after  time.Duration
	}{
		"a body":                       {text: "GET " + target + head + "Content-Length: 10\r\n\r\n", status: 400, reason: refusedBody},
		"a body in chunks":             {text: "GET " + target + head + "Transfer-Encoding: chunked\r\n\r\n", status: 400, reason: refusedBody},
		"a body that asks first":       {text: "GET " + target + head + "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n", status: 400, reason: refusedBody},
		"a body of a post":             {text: "POST " + target + head + "Content-Length: 1000000\r\n\r\nx", status: 400, reason: refusedBody},
		"a body to a probe":            {text: "GET /healthz" + head + "Content-Length: 10\r\n\r\n", status: 400, reason: refusedBody},
		"a head":                       {text: "HEAD " + target + head + "\r\n", status: 405, reason: refusedMethod},
		"options of everything":        {text: "OPTIONS *" + head + "\r\n", status: 404, reason: refusedPath},
		"another path":                 {text: "GET /" + head + "\r\n", status: 404, reason: refusedPath},
		"no time":                      {text: "GET /frame" + head + "\r\n", status: 400, reason: refusedParameters},
		"no time in HTTP/1.0":          {text: "GET /frame HTTP/1.0\r\n\r\n", status: 400, reason: refusedParameters},
		"another expectation":          {text: "GET " + target + head + "Expect: wonders\r\n\r\n", status: 417, reason: refusedMalformed},
		"no host":                      {text: "GET " + target + " HTTP/1.1\r\n\r\n", status: 400, reason: refusedMalformed},
		"two lengths":                  {text: "GET " + target + head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", status: 400, reason: refusedMalformed},
		"a coding nobody knows":        {text: "GET " + target + head + "Transfer-Encoding: zip\r\n\r\n", status: 501, reason: refusedMalformed},
		"another version":              {text: "GET " + target + " HTTP/3.0\r\nHost: renderer\r\n\r\n", status: 505, reason: refusedMalformed},
		"TLS":                          {text: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", status: 400, reason: refusedMalformed},
		"a large header":               {text: "GET " + target + head + "X: " + strings.Repeat("x", 9<<10), status: 431, reason: refusedHeader},
		"many headers":                 {text: "GET " + target + head + strings.Repeat("x:\r\n", 3<<10), status: 431, reason: refusedHeader},
		"a request line without end":   {text: "GET /frame?scheduled=" + strings.Repeat("1", 9<<10), status: 431, reason: refusedHeader},
		"a header that does not end":   {text: "GET " + target + head + "X: y\r\n", reason: refusedTimeout, after: requestTime},
		"a request line of one letter": {text: "G", status: 400, reason: refusedTimeout, after: requestTime},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, listener, terminate, served := serving()
				advance(cost)
				s.counting.Store(true)
				start := time.Now()
				connection := say(t, listener, test.text)
				response, err := http.ReadResponse(bufio.NewReader(connection), &http.Request{Method: strings.Fields(test.text)[0]})
				assert.Equal(t, test.after, time.Since(start), "how long it takes")
				if test.status == 0 {
					assert.Error(t, err, "it is not answered")
				} else {
					require.NoError(t, err)
					assert.Equal(t, test.status, response.StatusCode)
					assert.True(t, response.Close, "its connection ends")
				}
				connection.Close()
				synctest.Wait()
				requireRefused(t, s, map[string]float64{test.reason: 1})
				requireFrames(t, s, 0, 0, 0, 0)
				until(t, terminate, served)
			})
		})
	}
}

// Who goes before a request is whole asked for nothing, unless some of it had come.
func TestClientsThatVanish(t *testing.T) {
	for text, want := range map[string]map[string]float64{
		"":                                      {},
		"GET /frame?sche":                       {refusedMalformed: 1},
		"GET /frame?scheduled=0" + head + "X: ": {refusedMalformed: 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, listener, terminate, served := serving()
			advance(cost)
			say(t, listener, text).Close()
			synctest.Wait()
			requireRefused(t, s, want)
			until(t, terminate, served)
		})
	}
}

// The renderer of these tests has room for 16 connections, and one frame that is rendered.
func TestSilentConnectionsMakeRoomForProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, listener, terminate, served := serving()
		advance(cost)
		for range 17 {
			say(t, listener, "GET /frame?sch")
		}
		advance(listen.MinWait)
		for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
			client := listener.client()
			response, _, err := fetch(client, path)
			require.NoError(t, err)
			assert.Equal(t, http.StatusOK, response.StatusCode)
			client.CloseIdleConnections()
			synctest.Wait()
		}
		requireRefused(t, s, map[string]float64{refusedConnections: 1})
		until(t, terminate, served)
	})
}

// Nobody is sent away before there was time to speak, so that a flood does not wash out those that came just before.
func TestConnectionsHaveTimeToSpeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, listener, terminate, served := serving()
		advance(cost)
		first := say(t, listener, "")
		for range 16 {
			say(t, listener, "")
		}
		start := time.Now()
		late := say(t, listener, "")
		go io.WriteString(first, "GET "+frameAt(time.Now())+head+"\r\n")
		response, err := http.ReadResponse(bufio.NewReader(first), nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, response.StatusCode)
		_, err = io.ReadAll(response.Body)
		require.NoError(t, err)
		advance(time.Until(start.Add(listen.MinWait)))
		requireRefused(t, s, map[string]float64{refusedConnections: 1})
		go io.WriteString(late, "GET /healthz"+head+"\r\n")
		_, err = http.ReadResponse(bufio.NewReader(late), nil)
		require.NoError(t, err)
		assert.Equal(t, listen.MinWait, time.Since(start))
		until(t, terminate, served)
	})
}

func TestFrameInTheQueueKeepsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, listener, terminate, served := serving(func(o *Options) {
			o.Budget, o.NewRenderer = time.Minute, func() Renderer { return slow{time: time.Second} }
		})
		advance(time.Second)
		s.counting.Store(true)
		answers := make(chan int, 3)
		for range 3 {
			go func() {
				response, _, err := fetch(listener.client(), frameAt(time.Now()))
				if err != nil {
					answers <- 0
					return
				}
				answers <- response.StatusCode
			}()
			synctest.Wait()
		}
		for range 100 {
			say(t, listener, "")
			advance(cost)
		}
		for range 3 {
			assert.Equal(t, http.StatusOK, <-answers)
		}
		requireFrames(t, s, 3, 0, 0, 3)
		assert.Positive(t, reasons(t, s, "holograph_requests_refused_total")[refusedConnections])
		until(t, terminate, served)
	})
}

// slow is a renderer of frames that take long, and may be large.
type slow struct {
	time time.Duration
	size int
}

func (s slow) AppendPhase(dst []byte, _ time.Time) []byte {
	<-time.After(s.time)
	return append(dst, make([]byte, s.size)...)
}

// Three frames of 6 MiB are more than may lie about unread: the first one's client has had the longest time.
func TestUnreadFramesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, listener, terminate, served := serving(func(o *Options) {
			o.NewRenderer = func() Renderer { return slow{time: time.Millisecond, size: 6 << 20} }
		})
		advance(cost)
		s.counting.Store(true)
		var unread []net.Conn
		for range 3 {
			unread = append(unread, say(t, listener, "GET "+frameAt(time.Now())+head+"\r\n"))
			advance(cost)
		}
		_, err := unread[0].Read(make([]byte, 1))
		assert.ErrorIs(t, err, io.EOF)
		for _, connection := range unread[1:] {
			response, err := http.ReadResponse(bufio.NewReader(connection), nil)
			require.NoError(t, err)
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			assert.Len(t, body, 6<<20)
		}
		requireFrames(t, s, 3, 0, 0, 3)
		requireRefused(t, s, map[string]float64{refusedConnections: 1})
		until(t, terminate, served)
	})
}

// The times that bound a client do not bound a frame: a budget may be a minute.
func TestFrameMayTakeLongerThanItsClientMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const long = 2*answerTime + time.Second
		s, listener, terminate, served := serving(func(o *Options) {
			o.Budget, o.NewRenderer = time.Minute, func() Renderer { return slow{time: long, size: 9} }
		})
		advance(long)
		s.counting.Store(true)
		start := time.Now()
		response, body, err := fetch(listener.client(), frameAt(start))
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, response.StatusCode)
		assert.Len(t, body, 9)
		assert.Equal(t, long, time.Since(start))
		requireFrames(t, s, 1, 0, 0, 1)
		until(t, terminate, served)
	})
}

// A client that reads nothing has answerTime for each answer, and then its connection.
func TestUnreadAnswerEndsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, listener, terminate, served := serving()
		advance(cost)
		s.counting.Store(true)
		say(t, listener, strings.Repeat("GET "+frameAt(time.Now())+head+"\r\n", 20))
		advance(answerTime)
		requireFrames(t, s, 1, 0, 0, 1)
		start := time.Now()
		until(t, terminate, served)
		assert.Less(t, time.Since(start), 2*time.Second, "it holds up no drain")
	})
}

func TestDrainEndsIdleConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener, terminate, served := serving(func(o *Options) { o.MaxConnections = 1000 })
		advance(cost)
		for i := range 1000 {
			say(t, listener, []string{"", "GET /frame?sched", "GET /healthz" + head + "\r\n"}[i%3])
		}
		start := time.Now()
		terminate()
		require.NoError(t, <-served)
		assert.Less(t, time.Since(start), 25*time.Second, "the grace period")
	})
}

// A worker that hangs holds its frame for ever, and the process only until shortly before its end.
func TestDrainEndsWithinTheGracePeriod(t *testing.T) {
	for _, grace := range []time.Duration{time.Second, 25 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			stuck := make(chan struct{})
			s, listener, terminate, served := serving(func(o *Options) {
				o.GracePeriod, o.DrainDelay = grace, 5*time.Second
				o.NewRenderer = func() Renderer { return stuckAfterWarmUp(stuck) }
			})
			synctest.Wait()
			connection := say(t, listener, "GET "+frameAt(time.Now())+head+"\r\n")
			start := time.Now()
			terminate()
			assert.ErrorContains(t, <-served, fmt.Sprintf("drain: 1 connections were not done within the grace period of %v", grace))
			assert.Less(t, time.Since(start), grace)
			close(stuck)
			connection.Close()
			s.stop()
		})
	}
}

// stuckAfterWarmUp renders one frame, and the next one once release is closed.
func stuckAfterWarmUp(release <-chan struct{}) Renderer { return &stuck{release: release} }

type stuck struct {
	release <-chan struct{}
	warm    bool
}

func (s *stuck) AppendPhase(dst []byte, _ time.Time) []byte {
	if s.warm {
		<-s.release
	}
	s.warm = true
	return append(dst, "phase"...)
}

func TestWorkerThatHangsIsUnhealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := counting(t, func(o *Options) { o.NewRenderer = func() Renderer { return stuckAfterWarmUp(release) } })
		frame := ask(background, s)
		advance(minHang)
		assert.Equal(t, http.StatusOK, get(s, "/healthz").Code, "it may still come")
		advance(time.Nanosecond)
		for _, path := range []string{"/healthz", "/readyz"} {
			answer := get(s, path)
			assert.Equal(t, http.StatusServiceUnavailable, answer.Code)
			assert.Equal(t, "a worker hangs\n", answer.Body.String())
		}
		close(release)
		<-frame
		assert.Equal(t, http.StatusOK, get(s, "/healthz").Code, "it has come")
	})
}

// Whatever a client says of the time, its frame is rendered, and counted by the renderer's clock.
func TestClientsClockMovesNothingThatScales(t *testing.T) {
	for _, test := range []struct {
		off         time.Duration // the client's clock against the renderer's
		implausible string
		late        string // by the client's clock
	}{
		{0, "", "false"}, {time.Millisecond, "", "false"}, {-time.Millisecond, "", "false"},
		{cost - budget, "", "false"}, {cost - budget - time.Microsecond, "", "true"},
		{-300 * time.Millisecond, "", "true"}, {time.Second, "", "false"}, {-2 * time.Second, "", "true"},
		{2 * time.Second, "ahead", "unknown"}, {5 * time.Minute, "ahead", "unknown"}, {100 * 8766 * time.Hour, "ahead", "unknown"},
		{-time.Minute, "behind", "unknown"}, {-5 * time.Minute, "behind", "unknown"}, {-100 * 8766 * time.Hour, "behind", "unknown"},
	} {
		t.Run(test.off.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := counting(t)
				answer := get(s, frameAt(time.Now().Add(test.off)))
				assert.Equal(t, http.StatusOK, answer.Code)
				assert.Equal(t, "false", answer.Header().Get("Holograph-Over-Budget"))
				assert.Equal(t, test.late, answer.Header().Get("Holograph-Client-Over-Budget"))
				requireFrames(t, s, 1, 0, 0, 1)
				assert.Zero(t, sample(t, s, "holograph_frame_overrun_seconds_total"))
				late := 0.0
				if test.late == "true" {
					late = 1
				}
				assert.Equal(t, late, sample(t, s, "holograph_client_frames_over_budget_total"))
				want := map[string]float64{}
				if test.implausible != "" {
					want[test.implausible] = 1
				}
				assert.Equal(t, want, reasons(t, s, "holograph_client_clock_implausible_total"))
			})
		})
	}
}

// An overload shows with a clock that is ahead, too.
func TestClientsClockHidesNoOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := counting(t, func(o *Options) { o.Budget = cost / 2 })
		for _, off := range []time.Duration{0, time.Second, time.Hour, -time.Hour} {
			assert.Equal(t, "true", get(s, frameAt(time.Now().Add(off))).Header().Get("Holograph-Over-Budget"))
		}
		requireFrames(t, s, 4, 4, 0, 4)
	})
}

// A request that lies with the kernel while the pod does not run has arrived all the same.
func TestFrameArrivesWhenItsBytesDo(t *testing.T) {
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer outside.Close()
	client, err := net.Dial("tcp", outside.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	_, err = io.WriteString(client, "GET "+frameAt(time.Now())+head+"\r\n")
	require.NoError(t, err)
	connection, err := outside.Accept()
	require.NoError(t, err)
	require.Eventually(t, func() bool { return listen.Unheard(connection) > budget }, 10*time.Second, time.Millisecond)

	s, listener := New(testOptions(func(o *Options) { o.NewRenderer = newHologram })), newPipes()
	ctx, terminate := context.WithCancel(background)
	served := make(chan error, 1)
	s.counting.Store(true)
	go func() { served <- s.Serve(ctx, listener) }()
	listener.connections <- connection
	response, err := http.ReadResponse(bufio.NewReader(client), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, "the frame's budget was spent before the renderer saw it\n", string(body))
	requireFrames(t, s, 1, 1, 1, 0)
	terminate()
	require.NoError(t, <-served)
}

func TestEveryReasonIsThereFromTheStart(t *testing.T) {
	page := get(New(testOptions()), "/metrics").Body.String()
	for _, reason := range refusals {
		assert.Contains(t, page, fmt.Sprintf("holograph_requests_refused_total{reason=%q} 0\n", reason))
	}
	assert.True(t, slices.IsSorted(refusals))
	assert.Equal(t, len(refusals), strings.Count(page, "holograph_requests_refused_total{"))
}
