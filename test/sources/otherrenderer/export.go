package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The metrics of the exporter.
const (
	requestedMetric = "frames_requested_total"
	durationMetric  = "frame_duration_seconds"
	sessionsMetric  = "viewer_sessions"
)

// metricsPath is where the exporter serves them.
const metricsPath = "/prometheus"

// exporter returns what Prometheus reaches: the figures of the renderer at that URL, read for each scrape.
func exporter(url string) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&collector{
		url:       url,
		client:    &http.Client{Timeout: 3 * time.Second},
		requested: prometheus.NewDesc(requestedMetric, "Frames that were asked for.", nil, nil),
		duration:  prometheus.NewDesc(durationMetric, "Time from a frame's arrival until it was answered or given up.", nil, nil),
		sessions:  prometheus.NewDesc(sessionsMetric, "Sessions that viewers hold.", nil, nil),
	})
	mux := http.NewServeMux()
	// A scrape without figures fails as a whole, so that Prometheus takes the pod for one that it cannot see.
	mux.Handle("GET "+metricsPath, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}

type collector struct {
	url                           string
	client                        *http.Client
	requested, duration, sessions *prometheus.Desc
}

func (c *collector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- c.requested
	descriptions <- c.duration
	descriptions <- c.sessions
}

func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	f, err := c.read()
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(c.requested, err)
		return
	}
	within := map[float64]uint64{}
	for i, bound := range bounds {
		within[bound] = f.Within[i]
	}
	metrics <- prometheus.MustNewConstMetric(c.requested, prometheus.CounterValue, float64(f.Requested))
	metrics <- prometheus.MustNewConstHistogram(c.duration, f.Ended, f.Seconds, within)
	metrics <- prometheus.MustNewConstMetric(c.sessions, prometheus.GaugeValue, float64(f.Sessions))
}

// read asks the renderer for its figures.
func (c *collector) read() (figures, error) {
	var f figures
	response, err := c.client.Get(c.url)
	if err != nil {
		return f, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return f, fmt.Errorf("the renderer's status is %s", response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(&f); err != nil {
		return f, err
	}
	if len(f.Within) != len(bounds) {
		return f, fmt.Errorf("the renderer has %d bounds, want %d", len(f.Within), len(bounds))
	}
	return f, nil
}

// outlive is done when ctx is, and the renderer at that URL has gone: its sessions are counted until the last one ends.
func outlive(ctx context.Context, url string) context.Context {
	gone, cancel := context.WithCancel(context.WithoutCancel(ctx))
	client := &http.Client{Timeout: 3 * time.Second}
	context.AfterFunc(ctx, func() {
		defer cancel()
		for again := time.NewTicker(time.Second); ; <-again.C {
			response, err := client.Get(url)
			if err != nil {
				return
			}
			response.Body.Close()
		}
	})
	return gone
}
