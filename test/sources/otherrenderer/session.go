package main

import (
	"fmt"
	"net/http"
	"time"
)

// session holds a viewer's connection for as long as the request asks, and sends something every second. A renderer that
// leaves ends the sessions that it has, and refuses others, as one does that has no place left.
func (r *renderer) session(w http.ResponseWriter, request *http.Request) {
	length, err := time.ParseDuration(request.FormValue("for"))
	if err != nil || length <= 0 || length > r.longest {
		http.Error(w, fmt.Sprintf("for is %q; write a duration above 0 and at most %s", request.FormValue("for"), r.longest), http.StatusBadRequest)
		return
	}
	if !r.enter() {
		http.Error(w, "no place is free", http.StatusServiceUnavailable)
		return
	}
	defer r.count(func(f *figures) { f.Sessions-- })
	ended := time.After(length)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if _, err := fmt.Fprintln(w, "on"); err != nil {
			return // the viewer has left
		}
		http.NewResponseController(w).Flush()
		select {
		case <-request.Context().Done():
			return
		case <-ended:
			return
		case <-tick.C:
		}
	}
}

// enter takes a place, if one is free and the renderer stays.
func (r *renderer) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leaving || r.counted.Sessions >= r.slots {
		return false
	}
	r.counted.Sessions++
	return true
}
