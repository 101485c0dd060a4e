// Command pager takes the place of a paging service: it receives Alertmanager's webhooks at POST /<receiver>, and answers
// GET / with the alerts that it received, oldest first.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxNotifications bounds the memory: one alert a second for half an hour.
const maxNotifications = 2000

// Notification is one alert of a webhook.
type Notification struct {
	// At is when it arrived.
	At time.Time `json:"at"`
	// Receiver is the path of the webhook without the slash.
	Receiver string `json:"receiver"`
	// Status is firing or resolved.
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

type pager struct {
	sync.Mutex
	notifications []Notification
}

func (p *pager) receive(w http.ResponseWriter, r *http.Request) {
	var sent struct{ Alerts []Notification }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&sent); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.Lock()
	defer p.Unlock()
	for _, notification := range sent.Alerts {
		notification.At, notification.Receiver = time.Now(), strings.TrimPrefix(r.URL.Path, "/")
		p.notifications = append(p.notifications, notification)
	}
	p.notifications = p.notifications[max(0, len(p.notifications)-maxNotifications):]
}

func (p *pager) list(w http.ResponseWriter, _ *http.Request) {
	p.Lock()
	defer p.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(p.notifications); err != nil {
		log.Print(err)
	}
}

func main() {
	received := &pager{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{receiver}", received.receive)
	mux.HandleFunc("GET /", received.list)
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}
