package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// clock is a time that a test moves on.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

// counted reads a page of metrics without labels.
func counted(t *testing.T, page []byte) map[string]float64 {
	t.Helper()
	got := map[string]float64{}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(page))
	require.NoError(t, err)
	for name, family := range families {
		got[name] = family.Metric[0].GetCounter().GetValue() + family.Metric[0].GetGauge().GetValue()
	}
	return got
}

// All pods together count what the load asks for, however many they are.
func TestPodsShareTheLoad(t *testing.T) {
	at := &clock{time.Unix(1000, 0)}
	c := newCrowd(nil, at.now)
	c.load = 6
	addresses := []string{"10.244.1.1", "10.244.1.2", "10.244.2.1", "10.244.2.2"}
	for _, address := range addresses {
		assert.Zero(t, counted(t, c.scrape(address))["holograph_offered_cpu_seconds_total"], "a new pod has counted nothing")
	}
	at.Time = at.Add(10 * time.Second)
	for _, address := range addresses {
		got := counted(t, c.scrape(address))
		assert.Equal(t, map[string]float64{
			"holograph_offered_cpu_seconds_total": 15, "holograph_frames_total": 450,
			"holograph_frames_over_budget_total": 150, "holograph_cpu_capacity_cores": 1,
		}, got, "a quarter of six pods' work in 10 s, of which a pod can do one pod's")
	}
}

// A pod that is no longer scraped leaves its part to the others.
func TestAPodThatIsGoneHasNoLoad(t *testing.T) {
	at := &clock{time.Unix(1000, 0)}
	c := newCrowd(nil, at.now)
	c.load = 1
	c.scrape("10.244.1.1")
	c.scrape("10.244.1.2")
	at.Time = at.Add(forgotten + time.Second)
	alone := forgotten + time.Second
	assert.InDelta(t, alone.Seconds(), counted(t, c.scrape("10.244.1.1"))["holograph_offered_cpu_seconds_total"], 1e-9, "all of the load, not half of it")
	assert.Len(t, c.pods, 1)
}

// A step to the load of thousands of pods must not offer the first two what the chart's queries drop as broken.
func TestAPodIsOfferedWhatTheQueriesKeep(t *testing.T) {
	at := &clock{time.Unix(1000, 0)}
	c := newCrowd(nil, at.now)
	c.load = 10000
	c.scrape("10.244.1.1")
	c.scrape("10.244.1.2")
	at.Time = at.Add(10 * time.Second)
	got := counted(t, c.scrape("10.244.1.1"))
	assert.Less(t, got["holograph_offered_cpu_seconds_total"], 10*1000.0, "in 10 s: the most of holograph_demand is a thousand times the capacity")
	assert.Less(t, got["holograph_frames_total"], 10*10000.0, "in 10 s: the chart's signals.frames.maxRate is 10000")
}

func TestLoadThatIsNoNumberIsRefused(t *testing.T) {
	c := newCrowd(nil, time.Now)
	for query, want := range map[string]int{"?pods=12.5": http.StatusOK, "?pods=-1": http.StatusBadRequest, "?pods=many": http.StatusBadRequest, "": http.StatusBadRequest} {
		answer := httptest.NewRecorder()
		c.setLoad(answer, httptest.NewRequest(http.MethodPut, "/load"+query, nil))
		assert.Equal(t, want, answer.Code, "PUT /load%s: %s", query, answer.Body)
	}
	assert.InDelta(t, 12.5, c.load, 0)
}

// The answer comes from the address that the scraper connected to, with what a Go program exports of itself.
func TestEachAddressIsAPod(t *testing.T) {
	ballast, err := runtimeMetrics()
	require.NoError(t, err)
	server := httptest.NewServer(newCrowd(ballast, time.Now))
	defer server.Close()
	answer, err := http.Get(server.URL)
	require.NoError(t, err)
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	require.NoError(t, err)
	assert.Contains(t, families, "holograph_cpu_capacity_cores")
	assert.Contains(t, families, "go_goroutines")
	assert.Contains(t, server.Config.Handler.(*crowd).pods, "127.0.0.1")
}
