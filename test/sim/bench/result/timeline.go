package result

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"holograph/test/internal/load"
)

// Row is one second of a fleet, in the columns of the simulator's timelines.
type Row struct {
	// Load is what was asked for in pods' worth, Capacity what a pod can do of one.
	Load, Capacity float64
	// Replicas are wanted, Ready take frames, Pods exist.
	Replicas, Ready, Pods int
	// Frames were due, Bad of them were late, refused, without an answer or never started.
	Frames, Bad int
}

// Profile is the load that k6 was given.
func (r Run) Profile() load.Profile {
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	return load.Profile{
		Stages: load.Spike{
			Base: r.Spike.Base * r.Pod.FramesPerSecond, Peak: r.Spike.Peak * r.Pod.FramesPerSecond,
			Before: seconds(r.Spike.Before), During: seconds(r.Spike.During), After: seconds(r.Spike.After),
		}.Stages(),
		Budget: seconds(r.Pod.Budget),
		Slice:  time.Second,
		Mark:   seconds(r.Spike.Before),
	}
}

// Timeline returns the fleet second by second. Pods and replicas are those at a second's end.
func (r Run) Timeline(f Fleet) []Row {
	rows := make([]Row, len(f.Sent))
	profile := r.Profile()
	for i, offered := range f.offered(profile) {
		at := float64(i + 1)
		// Not the frames that fell due in it, one more or fewer than that: the oracle would follow them.
		rate := profile.FramesPerSecondAt(time.Duration(i)*time.Second + time.Second/2)
		all, ready := f.PodsAt(at)
		rows[i] = Row{
			Load: rate / r.Pod.FramesPerSecond, Capacity: r.Pod.Capacity(),
			Replicas: f.ReplicasAt(at), Ready: ready, Pods: all,
			Frames: offered, Bad: offered - f.InBudget[i],
		}
	}
	return rows
}

// WriteTimeline writes rows as the simulator writes its own and reads recorded ones. The oracle is left out:
// it is the simulator's to say.
func WriteTimeline(w io.Writer, rows []Row) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "seconds,load,capacity,replicas,ready,pods,oracle,frames,late")
	for i, row := range rows {
		fmt.Fprintf(out, "%d,%.4g,%.4g,%d,%d,%d,,%d,%d\n", i, row.Load, row.Capacity, row.Replicas, row.Ready, row.Pods, row.Frames, row.Bad)
	}
	return out.Flush()
}

// WriteTrace writes the rows' load as a trace for the simulator.
func WriteTrace(w io.Writer, rows []Row) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "seconds,load,capacity")
	fmt.Fprintf(out, "0,%.4g,%.4g\n", rows[0].Load, rows[0].Capacity)
	for i, row := range rows {
		// The simulator reads a second in its middle.
		fmt.Fprintf(out, "%d.5,%.4g,%.4g\n", i, row.Load, row.Capacity)
	}
	last := rows[len(rows)-1]
	fmt.Fprintf(out, "%d,%.4g,%.4g\n", len(rows), last.Load, last.Capacity)
	return out.Flush()
}
