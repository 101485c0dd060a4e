// Command crowd answers scrapes in place of pods that have no process. The node takes the addresses of kwok's pods for its
// own, so each address at which a scraper connects is one pod, with counters of its own. All pods together are offered one
// load, which PUT /load?pods=<what that many full pods can do> sets on a loopback port.
package main

import (
	"bytes"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"holograph/test/scale/values"
)

const (
	// metricsAddress is the chart's default port of the metrics, at every address of the node.
	metricsAddress = ":8080"
	// loadAddress is reached from the node only.
	loadAddress = "127.0.0.1:8081"
	// forgotten is the time without a scrape after which a pod no longer has a part of the load: two of the chart's default
	// intervals.
	forgotten = 30 * time.Second
)

// pod is what one address has counted.
type pod struct {
	scraped time.Time
	// frames and late are numbers of frames; offered is in seconds of CPU. A pod has one core.
	frames, late, offered float64
}

// crowd is all pods that were scraped.
type crowd struct {
	// ballast are the metrics of Go and of the process, which every pod has in addition to the signals.
	ballast []byte
	now     func() time.Time

	mu sync.Mutex
	// load is in pods that it fills.
	load    float64
	pods    map[string]*pod
	counted time.Time
	live    int
}

func newCrowd(ballast []byte, now func() time.Time) *crowd {
	return &crowd{ballast: ballast, now: now, pods: map[string]*pod{}}
}

// scrape returns the signals of the pod at an address, in Prometheus' text format. What it counted since the last scrape is
// what its part of the load asked for.
func (c *crowd) scrape(address string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	p := c.pods[address]
	if p == nil {
		p = &pod{scraped: now}
		c.pods[address] = p
		c.counted = time.Time{}
	}
	passed := now.Sub(p.scraped).Seconds()
	p.scraped = now
	demand := min(c.load/float64(c.count(now)), values.MostLoad)
	frames := values.FullRate * demand * passed
	p.offered += demand * passed
	p.frames += frames
	// What exceeds the pod's capacity is late.
	p.late += max(0, frames-values.FullRate*passed)
	var out bytes.Buffer
	for _, series := range []struct {
		name, kind string
		value      float64
	}{
		{"holograph_frames_total", "counter", p.frames},
		{"holograph_frames_over_budget_total", "counter", p.late},
		{"holograph_offered_cpu_seconds_total", "counter", p.offered},
		{"holograph_cpu_capacity_cores", "gauge", 1},
	} {
		fmt.Fprintf(&out, "# TYPE %[1]s %[2]s\n%[1]s %[3]v\n", series.name, series.kind, series.value)
	}
	return out.Bytes()
}

// count returns how many pods share the load. It counts them again once a second, and for each new one.
func (c *crowd) count(now time.Time) int {
	if now.Sub(c.counted) < time.Second {
		return c.live
	}
	c.counted, c.live = now, 0
	for address, p := range c.pods {
		if now.Sub(p.scraped) > forgotten {
			delete(c.pods, address)
			continue
		}
		c.live++
	}
	return c.live
}

// ServeHTTP answers a scrape.
func (c *crowd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		http.Error(w, "the connection has no address", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
	// A scraper that has gone away shows it by a scrape that fails.
	_, _ = w.Write(c.scrape(local.IP.String()))
	_, _ = w.Write(c.ballast)
}

// setLoad handles PUT /load?pods=N.
func (c *crowd) setLoad(w http.ResponseWriter, r *http.Request) {
	load, err := strconv.ParseFloat(r.URL.Query().Get("pods"), 64)
	if err != nil || load < 0 {
		http.Error(w, fmt.Sprintf("pods is %q, want a number that is not negative", r.URL.Query().Get("pods")), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load = load
}

// runtimeMetrics returns what a Go program exports of itself, in Prometheus' text format.
func runtimeMetrics() ([]byte, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := registry.Gather()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := expfmt.NewEncoder(&out, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// run serves until one of the servers fails.
func run() error {
	ballast, err := runtimeMetrics()
	if err != nil {
		return err
	}
	c := newCrowd(ballast, time.Now)
	metrics, load := http.NewServeMux(), http.NewServeMux()
	metrics.Handle("GET /metrics", c)
	load.HandleFunc("PUT /load", c.setLoad)
	failed := make(chan error, 2)
	for address, handler := range map[string]http.Handler{metricsAddress: metrics, loadAddress: load} {
		go func() {
			server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
			failed <- server.ListenAndServe()
		}()
	}
	return <-failed
}

func main() { log.Fatal(run()) }
