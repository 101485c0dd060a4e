// Command pager stands for the service behind an Alertmanager that calls people: it takes Alertmanager's webhooks at
// POST /<receiver>, and answers GET / with all that it was sent, oldest first.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"
)

// most bounds what is kept: an alert a second for half an hour.
const most = 2000

// Call is one alert of one webhook.
type Call struct {
	// At is when it arrived.
	At time.Time `json:"at"`
	// Receiver is the path that it was sent to, without the slash.
	Receiver string `json:"receiver"`
	// Status is firing or resolved.
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

type pager struct {
	sync.Mutex
	calls []Call
}

func (p *pager) take(w http.ResponseWriter, r *http.Request) {
	var sent struct{ Alerts []Call }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&sent); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.Lock()
	defer p.Unlock()
	for _, call := range sent.Alerts {
		call.At, call.Receiver = time.Now(), strings.TrimPrefix(r.URL.Path, "/")
		p.calls = append(p.calls, call)
	}
	p.calls = p.calls[max(0, len(p.calls)-most):]
}

func (p *pager) list(w http.ResponseWriter, _ *http.Request) {
	p.Lock()
	defer p.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(p.calls); err != nil {
		log.Print(err)
	}
}

func main() {
	calls := &pager{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{receiver}", calls.take)
	mux.HandleFunc("GET /", calls.list)
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}
