package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a frame waits for its turn. It bounds the queue: a frame that waited longer is of no use.
const patience = time.Second

// bounds are those of the histogram of frame times, in seconds.
var bounds = []float64{0.008, 0.016, 0.033, 0.066, 0.1, 0.25, 0.5, 1, 2}

// figures are what a renderer has counted since its start.
type figures struct {
	// Requested counts the frames that were asked for.
	Requested uint64 `json:"requested"`
	// Ended counts the frames that were answered or given up, and Seconds is the time that they took in all.
	Ended   uint64  `json:"ended"`
	Seconds float64 `json:"seconds"`
	// Within counts the frames that ended within each of the bounds.
	Within []uint64 `json:"within"`
	// Sessions are those that viewers hold now.
	Sessions int `json:"sessions"`
}

// renderer draws as many frames at once as it has workers. The others wait for their turn in the order in which they
// arrived.
type renderer struct {
	draw  func() []byte
	turns chan struct{}
	// slots is how many sessions the renderer has places for, and longest how long one may last.
	slots   int
	longest time.Duration

	mu      sync.Mutex
	counted figures
	leaving bool
}

func newRenderer(workers int, draw func() []byte) *renderer {
	return &renderer{draw: draw, turns: make(chan struct{}, max(1, workers)), counted: figures{Within: make([]uint64, len(bounds))}}
}

// views returns what clients and the kubelet reach.
func (r *renderer) views() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /view", r.view)
	mux.HandleFunc("GET /session", r.session)
	mux.HandleFunc("GET /health/live", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /health/ready", r.ready)
	return mux
}

// view answers with a frame, and counts the time from its arrival to its end. A frame that has no turn within patience,
// or whose client leaves before, is given up, and its time counts as well.
func (r *renderer) view(w http.ResponseWriter, request *http.Request) {
	arrived := time.Now()
	r.count(func(f *figures) { f.Requested++ })
	waiting, cancel := context.WithTimeout(request.Context(), patience)
	defer cancel()
	var frame []byte
	select {
	case r.turns <- struct{}{}:
		frame = r.draw()
		<-r.turns
	case <-waiting.Done():
	}
	took := time.Since(arrived).Seconds()
	r.count(func(f *figures) {
		f.Ended++
		f.Seconds += took
		for i := range bounds {
			if took <= bounds[i] {
				f.Within[i]++
			}
		}
	})
	if frame == nil {
		http.Error(w, fmt.Sprintf("the frame had no turn within %s", patience), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(frame) // where that fails the client has left
}

func (r *renderer) count(change func(*figures)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.counted)
}

// leave has the Service send no further frames.
func (r *renderer) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leaving = true
}

func (r *renderer) ready(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leaving {
		http.Error(w, "leaving", http.StatusServiceUnavailable)
	}
}

// tellFigures answers with the figures as JSON.
func (r *renderer) tellFigures(w http.ResponseWriter, _ *http.Request) {
	var now figures
	r.count(func(f *figures) {
		now = *f
		now.Within = slices.Clone(f.Within)
	})
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(now) // where that fails the exporter has left
}

// draw uses up that much CPU time and returns a frame. A frame is a time and not a picture, so that a CPU limit gives the
// same frames per second on every machine.
func draw(cost time.Duration) []byte {
	// The clock is that of the thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	frame := make([]byte, 4<<10)
	for begun := threadTime(); threadTime()-begun < cost; {
		sum := sha256.Sum256(frame)
		copy(frame, frame[len(sum):])
		copy(frame[len(frame)-len(sum):], sum[:])
	}
	return frame
}

// threadTime returns the CPU time of the calling thread.
func threadTime() time.Duration {
	var used unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &used); err != nil {
		panic(err) // every Linux has this clock
	}
	return time.Duration(used.Nano())
}
