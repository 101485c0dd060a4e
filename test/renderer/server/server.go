// Package server offers frames over HTTP, counts those over budget, and drains without losing one.
package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"holograph/test/renderer/cpu"
)

// Options say how a server works. All of them are required.
type Options struct {
	Budget           time.Duration // from a frame's scheduled time until it must be complete
	Concurrency      int           // frames rendered at once, at least 1
	QueueSize        int           // frames that may wait for their turn
	ConnectionMaxAge time.Duration // age from which a response closes its connection
	DrainDelay       time.Duration // time in which a draining server still accepts connections
	Version          string
	// Capacity is the number of cores the process may use. It is asked at every scrape, since a
	// pod can be resized in place.
	Capacity func() float64
	// NewRenderer is called once for each worker.
	NewRenderer func() Renderer
	Logger      *slog.Logger
}

// Renderer renders frames, one at a time. Both methods append to dst and return the result.
type Renderer interface {
	// AppendPhase appends the phase hologram, one byte per pixel.
	AppendPhase(dst []byte, scheduled time.Time) []byte
	// AppendPNG appends a picture of the numerical reconstruction.
	AppendPNG(dst []byte, scheduled time.Time) []byte
}

// Server answers GET /frame, /metrics, /healthz and /readyz.
//
// A frame is counted once, when its fate is known: rendered, or refused because the queue was
// full, because its budget was spent before its turn came, or because its client went away
// while it waited. A refused frame is over budget: the picture has a hole, whoever gave up first. A
// frame whose client goes away while it is rendered counts as rendered. A malformed request is no
// frame. Frames that arrive before /readyz has first answered 200 are served but not counted.
type Server struct {
	options  Options
	queue    *queue
	accounts *accounts
	handler  http.Handler
	jobs     sync.Pool
	workers  sync.WaitGroup

	warm     atomic.Bool
	counting atomic.Bool // set by the first 200 of /readyz, never cleared
	draining atomic.Bool
}

// New makes a server; Serve sets it to work.
func New(options Options) *Server {
	s := &Server{options: options, queue: newQueue(options.Concurrency, options.QueueSize)}
	s.accounts = newAccounts(options, s.queue)
	s.jobs.New = func() any { return &job{done: make(chan struct{}, 1)} }

	mux := http.NewServeMux()
	mux.HandleFunc("/frame", s.frame)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.accounts.registry, promhttp.HandlerOpts{}))
	s.handler = s.limitConnectionAge(mux)
	return s
}

// Serve answers on listener until ctx is done. Then it drains: it turns unready at once, goes on
// accepting connections for the drain delay, and returns nil once every accepted frame is answered.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	log := s.options.Logger
	server := &http.Server{
		Handler:     s.handler,
		ConnContext: connectionContext,
		// A client that stalls must not hold up a drain.
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	s.start()
	defer s.stop()

	drained := make(chan error, 1)
	stopDraining := context.AfterFunc(ctx, func() {
		s.draining.Store(true)
		log.Info("draining", "delay", s.options.DrainDelay.String())
		time.Sleep(s.options.DrainDelay)
		drained <- server.Shutdown(context.WithoutCancel(ctx))
	})
	if err := server.Serve(listener); err != http.ErrServerClosed {
		stopDraining()
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	}
	err := <-drained
	log.Info("stopped")
	return err
}

// start sets the workers to work; the first renders one frame to warm up before it takes frames.
func (s *Server) start() {
	for i := range s.options.Concurrency {
		s.workers.Go(func() { s.work(i == 0) })
	}
}

// stop waits until the queue is empty and the workers are gone.
func (s *Server) stop() {
	s.queue.close()
	s.workers.Wait()
}

func (s *Server) work(warmUp bool) {
	// The CPU clock is that of the thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	renderer := s.options.NewRenderer()
	if warmUp {
		start := cpu.ThreadTime()
		renderer.AppendPhase(nil, time.Now())
		cost := cpu.ThreadTime() - start
		s.accounts.warmUp(cost)
		s.warm.Store(true)
		s.options.Logger.Info("warmed up", "cpu_seconds", cost.Seconds())
	}
	for j := s.queue.next(); j != nil; j = s.queue.next() {
		j.started = time.Now()
		if j.rendered = j.started.Before(j.deadline); j.rendered {
			start := cpu.ThreadTime()
			if j.png {
				j.frame = renderer.AppendPNG(j.frame[:0], j.scheduled)
			} else {
				j.frame = renderer.AppendPhase(j.frame[:0], j.scheduled)
			}
			j.cpu = cpu.ThreadTime() - start
			j.completed = time.Now()
		}
		s.queue.finish(j)
	}
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	switch {
	case s.draining.Load():
		http.Error(w, "draining", http.StatusServiceUnavailable)
	case !s.warm.Load():
		http.Error(w, "warming up", http.StatusServiceUnavailable)
	default:
		if s.counting.CompareAndSwap(false, true) {
			s.options.Logger.Info("ready")
		}
		fmt.Fprintln(w, "ready")
	}
}

func (s *Server) frame(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, fmt.Sprintf("a frame is fetched with GET, not with %s", r.Method), http.StatusMethodNotAllowed)
		return
	}
	arrived := time.Now()
	wanted, err := parseRequest(r.URL.RawQuery, arrived)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	counted := s.counting.Load()
	refuse := func(sentence string) {
		if counted {
			s.accounts.refuse()
		}
		now := time.Now()
		describe(w, now.Sub(arrived), 0, now.Sub(wanted.scheduled), true)
		// The client's next connection may meet a pod that has room, such as one that has just become Ready.
		w.Header().Set("Connection", "close")
		http.Error(w, sentence, http.StatusServiceUnavailable)
	}

	deadline := wanted.scheduled.Add(s.options.Budget)
	if !arrived.Before(deadline) {
		refuse("the frame's budget was spent when it arrived")
		return
	}
	j := s.jobs.Get().(*job)
	defer s.jobs.Put(j)
	j.request, j.deadline = wanted, deadline
	if !s.queue.offer(j) {
		refuse("the queue is full")
		return
	}

	spent := time.NewTimer(deadline.Sub(arrived))
	defer spent.Stop()
	select {
	case <-j.done:
	case <-spent.C:
		if s.queue.withdraw(j) {
			refuse("the frame's budget was spent before its turn came")
			return
		}
		<-j.done
	case <-r.Context().Done():
		if s.queue.withdraw(j) {
			refuse("the client went away before the frame's turn came")
			return
		}
		<-j.done
	}
	if !j.rendered {
		refuse("the frame's budget was spent before its turn came")
		return
	}

	total := j.completed.Sub(j.scheduled)
	if counted {
		s.accounts.render(total, j.cpu)
	}
	describe(w, j.started.Sub(arrived), j.completed.Sub(j.started), total, total > s.options.Budget)
	contentType := "application/octet-stream"
	if j.png {
		contentType = "image/png"
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(j.frame)))
	w.Write(j.frame)
}

// describe sets the headers that say how long a frame took and whether that was too long.
func describe(w http.ResponseWriter, queue, render, total time.Duration, overBudget bool) {
	milliseconds := func(d time.Duration) float64 { return max(0, d).Seconds() * 1000 }
	w.Header().Set("Server-Timing", fmt.Sprintf("queue;dur=%.3f, render;dur=%.3f, total;dur=%.3f",
		milliseconds(queue), milliseconds(render), milliseconds(total)))
	w.Header().Set("Holograph-Over-Budget", strconv.FormatBool(overBudget))
	w.Header().Set("Cache-Control", "no-store")
}

type connectionAcceptedKey struct{}

// connectionContext notes when a connection was accepted; it is the ConnContext of the http.Server.
func connectionContext(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connectionAcceptedKey{}, time.Now())
}

// limitConnectionAge closes old connections after a response. A client with long-lived connections
// otherwise never meets the pods that came after it; a draining server wants none to stay.
func (s *Server) limitConnectionAge(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		accepted, known := r.Context().Value(connectionAcceptedKey{}).(time.Time)
		if s.draining.Load() || known && time.Since(accepted) > s.options.ConnectionMaxAge {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
