package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// asleep is a renderer that sleeps for each frame. It takes no CPU, so that what is measured is the queue.
type asleep time.Duration

func (a asleep) AppendPhase(dst []byte, _ time.Time) []byte {
	sleep(time.Duration(a))
	return append(dst, "phase"...)
}

// sleep is [time.Sleep] to the tenth of a millisecond; that one counts in whole ones.
func sleep(d time.Duration) {
	if left := unix.NsecToTimespec(int64(d)); d > 0 {
		for unix.Nanosleep(&left, &left) == unix.EINTR {
		}
	}
}

// BenchmarkCapacity asks a server for more frames than it can render, evenly and without waiting for answers, over
// TCP. useful-% is how much of the workers' time goes into frames that are on time, late-% into frames that are not,
// and refusal-p99-ms how long a client waits for a refusal. A sleep takes longer than it should, so budget and load
// go by what it took before.
func BenchmarkCapacity(b *testing.B) {
	for _, cost := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond} {
		for _, frames := range []int{2, 5, 20} {
			for _, load := range []float64{1.2, 1.5, 3} {
				b.Run(fmt.Sprintf("cost=%v/budget=%d/load=%v", cost, frames, load), func(b *testing.B) {
					for b.Loop() {
						overload(b, cost, frames, load, 2*time.Second)
					}
				})
			}
		}
	}
}

// overload loads one server for a time and reports what became of it.
func overload(b *testing.B, cost time.Duration, frames int, load float64, length time.Duration) {
	began := time.Now()
	for range 20 {
		asleep(cost).AppendPhase(nil, began)
	}
	took := time.Since(began) / 20

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	s := New(testOptions(func(o *Options) {
		o.Budget, o.MaxConnections, o.DrainDelay = time.Duration(frames)*took, 1024, 0
		o.NewRenderer = func() Renderer { return asleep(cost) }
	}))
	ctx, terminate := context.WithCancel(background)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, listener) }()
	require.Eventually(b, s.warm.Load, 5*time.Second, time.Millisecond)

	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 1024,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, listener.Addr().String())
		},
	}}
	var mu sync.Mutex
	var useful, late float64 // milliseconds
	var refusals []time.Duration
	ask := func() {
		asked := time.Now()
		response, _, err := fetch(client, frameAt(asked))
		answered := time.Since(asked)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			b.Error(err)
			return
		}
		var queued, rendered float64
		fmt.Sscanf(response.Header.Get("Server-Timing"), "queue;dur=%f, render;dur=%f", &queued, &rendered)
		switch {
		case response.StatusCode != http.StatusOK:
			refusals = append(refusals, answered)
		case response.Header.Get("Holograph-Over-Budget") == "true":
			late += rendered
		default:
			useful += rendered
		}
	}
	gap := time.Duration(float64(took) / load)
	var asked sync.WaitGroup
	began = time.Now()
	for at := time.Duration(0); at < length; at += gap {
		sleep(at - time.Since(began))
		asked.Go(ask)
	}
	asked.Wait()
	all := time.Since(began).Seconds() * 1000
	terminate()
	require.NoError(b, <-served)
	client.CloseIdleConnections()

	b.ReportMetric(100*useful/all, "useful-%")
	b.ReportMetric(100*late/all, "late-%")
	if len(refusals) > 0 {
		slices.Sort(refusals)
		b.ReportMetric(refusals[len(refusals)*99/100].Seconds()*1000, "refusal-p99-ms")
	}
	b.ReportMetric(0, "ns/op")
}
