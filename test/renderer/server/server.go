// Package server serves frames over HTTP, counts those over budget, and drains without losing one.
package server

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
	"golang.org/x/sync/singleflight"

	"holograph/test/internal/listen"
	"holograph/test/renderer/cpu"
)

// Options say how a server works. All of them are required.
type Options struct {
	Budget           time.Duration // from a frame's arrival until it must be complete
	Concurrency      int           // frames rendered at once, at least 1
	MaxConnections   int           // connections at once, those whose frames are rendered aside; half of them may have frames that wait
	ConnectionMaxAge time.Duration // age from which a response closes its connection
	DrainDelay       time.Duration // time in which a draining server still accepts connections
	GracePeriod      time.Duration // time within which a drain must be over, whatever clients do
	Version          string
	// Capacity is the number of cores the process may use. It is asked at every scrape, since a
	// pod can be resized in place.
	Capacity func() float64
	// NewRenderer is called once for each worker.
	NewRenderer func() Renderer
	Logger      *slog.Logger
}

// Renderer renders frames, one at a time.
type Renderer interface {
	// AppendPhase appends the phase hologram of the scene at a time to dst, one byte a pixel, and returns the result.
	AppendPhase(dst []byte, scheduled time.Time) []byte
}

const (
	framePath   = "/frame"
	metricsPath = "/metrics"
	// maxHeader is what http.Server takes as the limit of a header; it adds 4 KiB of its own.
	maxHeader = 4 << 10
	// requestTime is for a client to send its header, answerTime to read its answer. Both begin anew with each
	// request, and neither runs while a frame waits for its turn.
	requestTime = 5 * time.Second
	answerTime  = 10 * time.Second
	// minHang is the least time that a worker has for a frame before it is taken to hang.
	minHang = 30 * time.Second
)

// Server answers GET /frame, /metrics, /healthz and /readyz.
//
// A frame is counted once, when its fate is known: rendered, or refused because it could not be complete within its
// budget, or abandoned because its client had gone by the time its turn came. Its budget runs from
// its arrival, by the server's own clock; the client's clock picks the picture, and has a count of its own. A
// refused frame is over budget. An abandoned one is not: it took nothing that another client needed. A frame whose
// client goes away while it is rendered counts as rendered. Frames that arrive before /readyz has first answered
// 200 are served but not counted.
//
// A request that is refused before it is a frame is counted by the reason.
type Server struct {
	options  Options
	queue    *queue
	accounts *accounts
	handler  http.Handler
	metrics  http.Handler
	buffers  sync.Pool // of *[]byte, for frames
	workers  sync.WaitGroup

	began time.Time
	busy  []atomic.Int64 // for each worker when it took its frame, in ns since began; 0 where it has none

	warm     atomic.Bool
	counting atomic.Bool // set by the first 200 of /readyz, never cleared
	draining atomic.Bool
}

// New makes a server; Serve sets it to work.
func New(options Options) *Server {
	s := &Server{options: options, queue: newQueue(options.Concurrency, options.MaxConnections/2, options.Budget), began: time.Now()}
	s.busy = make([]atomic.Int64, options.Concurrency)
	s.accounts = newAccounts(options, s.queue)
	s.buffers.New = func() any { return new([]byte) }
	s.metrics = coalesce(promhttp.HandlerFor(s.accounts.registry, promhttp.HandlerOpts{
		// The page has some kilobytes. To compress it takes most of a megabyte for each that asks at once.
		DisableCompression: true,
	}))
	s.handler = http.HandlerFunc(s.serve)
	return s
}

// Serve answers on listener until ctx is done. Then it drains: it turns unready at once, goes on accepting
// connections for the drain delay, and returns nil once every accepted frame is answered. What is not answered
// shortly before the grace period is over is cut off, and the error says so.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	log := s.options.Logger
	// Frames with workers and in the queue keep their connections. The queue has at most half of MaxConnections.
	limit := s.options.MaxConnections + s.options.Concurrency
	bounded := listen.New(listener, limit, s.accounts.refuseRequest)
	server := &http.Server{
		Handler:                      s.handler,
		ConnContext:                  listen.ConnContext,
		ConnState:                    bounded.ConnState,
		MaxHeaderBytes:               maxHeader,
		ReadTimeout:                  requestTime,
		WriteTimeout:                 answerTime,
		IdleTimeout:                  time.Minute,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	s.start()

	drained := make(chan error, 1)
	stopDraining := context.AfterFunc(ctx, func() {
		drained <- s.drain(context.WithoutCancel(ctx), server, bounded)
	})
	err := server.Serve(bounded)
	if stopDraining() {
		s.stop()
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	}
	if err := <-drained; err != nil {
		// A worker that hangs would hold the process up as well.
		return err
	}
	s.stop()
	log.Info("stopped")
	return nil
}

// drain ends server within the grace period.
func (s *Server) drain(ctx context.Context, server *http.Server, bounded *listen.Listener) error {
	grace := s.options.GracePeriod
	// The rest is for the process to end in.
	ctx, cancel := context.WithTimeout(ctx, grace-min(time.Second, grace/10))
	defer cancel()
	delay := min(s.options.DrainDelay, grace/2)

	s.draining.Store(true)
	s.options.Logger.Info("draining", "delay", delay.String(), "grace_period", grace.String())
	time.Sleep(delay)
	bounded.Close()
	bounded.Settle(ctx)
	if err := server.Shutdown(ctx); err != nil {
		left := bounded.Count()
		server.Close()
		return fmt.Errorf("drain: %d connections were not done within the grace period of %v, and are cut off", left, grace)
	}
	return nil
}

// start sets the workers to work; the first renders one frame to warm up before it takes frames.
func (s *Server) start() {
	for i := range s.options.Concurrency {
		s.workers.Go(func() { s.work(i) })
	}
}

// stop waits until the queue is empty and the workers are gone.
func (s *Server) stop() {
	s.queue.close()
	s.workers.Wait()
}

func (s *Server) work(number int) {
	// The CPU clock is that of the thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	renderer := s.options.NewRenderer()
	if number == 0 {
		start, began := cpu.ThreadTime(), time.Now()
		renderer.AppendPhase(nil, began)
		cost := cpu.ThreadTime() - start
		s.queue.warmUp(time.Since(began))
		s.accounts.warmUp(cost)
		s.warm.Store(true)
		s.options.Logger.Info("warmed up", "cpu_seconds", cost.Seconds())
	}
	for j := s.queue.next(); j != nil; j = s.queue.next() {
		s.busy[number].Store(max(1, int64(j.started.Sub(s.began))))
		start := cpu.ThreadTime()
		j.frame = s.buffers.Get().(*[]byte)
		*j.frame = renderer.AppendPhase((*j.frame)[:0], j.scheduled)
		j.cpu = cpu.ThreadTime() - start
		j.completed = time.Now()
		s.busy[number].Store(0)
		s.queue.finish(j)
	}
}

// hung reports whether a worker has been with one frame for longer than any frame takes.
func (s *Server) hung() bool {
	now := int64(time.Since(s.began))
	limit := int64(max(minHang, 10*s.options.Budget))
	for i := range s.busy {
		if since := s.busy[i].Load(); since != 0 && now-since > limit {
			return true
		}
	}
	return false
}

// serve answers a request. What cannot be answered is refused here or in frame.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	g := listen.Of(r)
	g.Work()
	// A client with long-lived connections never reaches pods that started after it connected, and a draining server
	// must lose its connections. Anything but frames is asked for rarely and needs no connection that stays.
	if s.draining.Load() || r.URL.Path != framePath || g.Age() > s.options.ConnectionMaxAge {
		w.Header().Set("Connection", "close")
	}
	if r.ContentLength != 0 {
		// The server reads no body, neither before the answer nor after it.
		http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		s.reject(w, r, refusedBody, http.StatusBadRequest, "a request has no body here")
		return
	}
	switch r.URL.Path {
	case framePath:
		if s.allowed(w, r, http.MethodGet) {
			s.frame(w, r)
		}
	case metricsPath:
		if s.allowed(w, r, http.MethodGet, http.MethodHead) {
			s.page(w, r)
		}
	case "/healthz":
		if s.allowed(w, r, http.MethodGet, http.MethodHead) {
			s.healthy(w, r)
		}
	case "/readyz":
		if s.allowed(w, r, http.MethodGet, http.MethodHead) {
			s.ready(w, r)
		}
	default:
		s.reject(w, r, refusedPath, http.StatusNotFound, "there is nothing here; frames are at /frame")
	}
}

// allowed reports whether the request has one of the methods, and refuses it otherwise.
func (s *Server) allowed(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	if slices.Contains(methods, r.Method) {
		return true
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	s.reject(w, r, refusedMethod, http.StatusMethodNotAllowed, fmt.Sprintf("%s is fetched with GET, not with %.20s", r.URL.Path, r.Method))
	return false
}

// reject refuses a request that is no frame, and closes its connection: what else the client has sent on it costs
// nothing then, and a client that sends wrong requests has to connect for each of them.
func (s *Server) reject(w http.ResponseWriter, r *http.Request, reason string, code int, sentence string) {
	s.accounts.refuseRequest(reason)
	w.Header().Set("Connection", "close")
	s.say(w, r, code, sentence)
}

// say answers with one sentence.
func (s *Server) say(w http.ResponseWriter, r *http.Request, code int, sentence string) {
	answer(w, r, 0)
	http.Error(w, sentence, code)
}

// answer begins the time that the client has to read its answer. unread is the size of the frame in it.
func answer(w http.ResponseWriter, r *http.Request, unread int) {
	// A response that is not a connection's has no deadline.
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime))
	listen.Of(r).Answer(unread)
}

// page answers with the metrics.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery != "" {
		s.reject(w, r, refusedParameters, http.StatusBadRequest, "the metrics have no parameters; they are at "+metricsPath)
		return
	}
	s.metrics.ServeHTTP(w, r)
}

func (s *Server) healthy(w http.ResponseWriter, r *http.Request) {
	if s.hung() {
		s.say(w, r, http.StatusServiceUnavailable, "a worker hangs")
		return
	}
	s.say(w, r, http.StatusOK, "ok")
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.draining.Load():
		s.say(w, r, http.StatusServiceUnavailable, "draining")
	case !s.warm.Load():
		s.say(w, r, http.StatusServiceUnavailable, "warming up")
	case s.hung():
		s.say(w, r, http.StatusServiceUnavailable, "a worker hangs")
	default:
		if s.counting.CompareAndSwap(false, true) {
			s.options.Logger.Info("ready")
		}
		s.say(w, r, http.StatusOK, "ready")
	}
}

// clientView is a frame by its client's clock.
type clientView struct {
	skew       string // as request.skew has it
	overBudget bool
}

func (v clientView) String() string {
	if v.skew != "" {
		return "unknown"
	}
	return strconv.FormatBool(v.overBudget)
}

func (s *Server) frame(w http.ResponseWriter, r *http.Request) {
	seen := time.Now()
	arrived := listen.Of(r).Arrived(seen)
	wanted, err := parseRequest(r.URL.RawQuery)
	if err != nil {
		s.reject(w, r, refusedParameters, http.StatusBadRequest, err.Error())
		return
	}
	counted := s.counting.Load()
	view := clientView{skew: wanted.skew(arrived, s.options.Budget)}
	refuse := func(sentence string) {
		view.overBudget = true
		if counted {
			s.accounts.refuse()
			s.accounts.client(view)
		}
		describe(w, time.Since(arrived), 0, time.Since(arrived), true, view)
		// The client's next connection may meet a pod that has room, such as one that has just become Ready.
		w.Header().Set("Connection", "close")
		s.say(w, r, http.StatusServiceUnavailable, sentence)
	}

	deadline := arrived.Add(s.options.Budget)
	if !seen.Before(deadline) {
		refuse("the frame's budget was spent before the renderer saw it")
		return
	}
	j := &job{request: wanted, deadline: deadline, done: make(chan struct{}, 1)}
	if !s.queue.offer(j) {
		refuse("the frame cannot be complete within its budget")
		return
	}

	spent := time.NewTimer(deadline.Sub(seen))
	defer spent.Stop()
	gone := r.Context().Done()
	for decided := false; !decided; {
		select {
		case <-j.done:
			decided = true
		case <-spent.C:
			if s.queue.withdraw(j) {
				refuse("the frame's budget was spent before its turn came")
				return
			}
			<-j.done
			decided = true
		case <-gone:
			s.queue.leave(j)
			gone = nil
		}
	}
	switch j.fate {
	case late:
		refuse("the frame's turn came too late for its budget")
		return
	case abandoned:
		if counted {
			s.accounts.abandon()
		}
		w.Header().Set("Connection", "close")
		s.say(w, r, http.StatusServiceUnavailable, "the client went away before the frame's turn came")
		return
	}

	total := j.completed.Sub(arrived)
	view.overBudget = j.completed.Sub(j.scheduled) > s.options.Budget
	if counted {
		s.accounts.render(total, j.cpu)
		s.accounts.client(view)
	}
	describe(w, j.started.Sub(arrived), j.completed.Sub(j.started), total, total > s.options.Budget, view)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(*j.frame)))
	answer(w, r, len(*j.frame))
	w.Write(*j.frame)
	s.buffers.Put(j.frame)
}

// describe sets the headers that say how long a frame took, and whether that was too long: by the server's clock,
// from arrival, and by the client's, from the scheduled time.
func describe(w http.ResponseWriter, queue, render, total time.Duration, overBudget bool, client clientView) {
	milliseconds := func(d time.Duration) float64 { return max(0, d).Seconds() * 1000 }
	w.Header().Set("Server-Timing", fmt.Sprintf("queue;dur=%.3f, render;dur=%.3f, total;dur=%.3f",
		milliseconds(queue), milliseconds(render), milliseconds(total)))
	w.Header().Set("Holograph-Over-Budget", strconv.FormatBool(overBudget))
	w.Header().Set("Holograph-Client-Over-Budget", client.String())
	w.Header().Set("Cache-Control", "no-store")
}

// page buffers an answer until it is complete.
type page struct {
	bytes.Buffer
	header http.Header
	code   int
}

func (p *page) Header() http.Header  { return p.header }
func (p *page) WriteHeader(code int) { p.code = code }

// coalesce makes a page once for all clients that ask while it is made, one format at a time, so that a thousand
// clients at once take the memory of one and little more CPU. A client that does not read delays no other. The page
// is that of a request of the server's own: a client decides on nothing but its format, which the clients that share
// it have in common.
func coalesce(next http.Handler) http.Handler {
	var pages singleflight.Group
	one := make(chan struct{}, 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// promhttp negotiates like this, without OpenMetrics.
		format := string(expfmt.Negotiate(r.Header))
		made, _, _ := pages.Do(format, func() (any, error) {
			one <- struct{}{}
			defer func() { <-one }()
			whole := &page{header: http.Header{}, code: http.StatusOK}
			next.ServeHTTP(whole, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: metricsPath}, Header: http.Header{"Accept": {format}}})
			return whole, nil
		})
		whole := made.(*page)
		maps.Copy(w.Header(), whole.header)
		answer(w, r, 0)
		w.WriteHeader(whole.code)
		w.Write(whole.Bytes())
	})
}
