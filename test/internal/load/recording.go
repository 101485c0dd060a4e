package load

import (
	"context"
	"fmt"
	"time"

	"holograph/test/internal/kube"
	"holograph/test/internal/timeline"
)

const (
	// interval is the time between two readings. With values-examples/local.yaml Prometheus scrapes every 5 s.
	interval = 2 * time.Second
	// rateWindow is the window of the rates. It is three scrapes with values-examples/local.yaml, so it always has the two
	// samples that a rate needs.
	rateWindow = "15s"
)

// Observe reads the rates of all frames and of frames over budget, and the replicas, once. The point lacks what cannot be
// read, and the error is the first reason.
func Observe(ctx context.Context, r kube.Release) (timeline.Point, error) {
	point := timeline.Point{At: time.Now()}
	var first error
	rate := func(counter string) timeline.Reading {
		value, found, err := r.Scalar(ctx, fmt.Sprintf("sum(rate(%s{namespace=%q}[%s]))", counter, r.Namespace, rateWindow))
		if err != nil && first == nil {
			first = err
		}
		if err != nil || !found {
			return timeline.Reading{}
		}
		return timeline.Read(value)
	}
	point.FramesPerSecond = rate("holograph_frames_total")
	point.OverrunsPerSecond = rate(kube.OverrunsMetric)
	frames, counted := point.FramesPerSecond.Value()
	if overruns, known := point.OverrunsPerSecond.Value(); known && counted && frames > 0 {
		point.InBudgetShare = timeline.Read(1 - overruns/frames)
	}
	if hpa, err := r.HPA(ctx); err == nil {
		point.DesiredReplicas = timeline.Read(float64(hpa.Status.DesiredReplicas))
	} else if first == nil {
		first = err
	}
	if deployment, err := r.Deployment(ctx); err == nil {
		point.ReadyReplicas = timeline.Read(float64(deployment.Status.ReadyReplicas))
	} else if first == nil {
		first = err
	}
	return point, first
}

// Recording is a series of readings, one every two seconds until Stop.
type Recording struct {
	stop    context.CancelFunc
	stopped chan struct{}
	// points is used only by the goroutine of Record until stopped is closed.
	points []timeline.Point
}

// Record starts a recording.
func Record(ctx context.Context, r kube.Release) *Recording {
	recording := &Recording{stopped: make(chan struct{})}
	until, stop := context.WithCancel(ctx)
	recording.stop = stop
	read := func() {
		// A failed reading is a gap in the timeline.
		point, _ := Observe(ctx, r)
		recording.points = append(recording.points, point)
	}
	go func() {
		defer close(recording.stopped)
		// The last reading, after Stop, has what the story has just waited for.
		defer read()
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			read()
			select {
			case <-until.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	return recording
}

// Stop ends the recording and returns the readings, each with the rate of the load at that time.
func (r *Recording) Stop(title string, d *Drive) *timeline.Timeline {
	r.stop()
	<-r.stopped
	t := &timeline.Timeline{Title: title}
	for _, point := range r.points {
		offered := d.Profile.FramesPerSecondAt(point.At.Sub(d.Begun))
		point.OfferedFramesPerSecond = timeline.Read(offered)
		t.Add(point)
	}
	return t
}
