// Package result holds what one run of the comparison left, and computes from it what the run shows: the
// timeline of every fleet, and how its reaction's time is spent. It asks no cluster.
package result

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"holograph/test/internal/load"
)

// Run is one run of the comparison. Times without a date are seconds, and those of a fleet count from the
// start of its load.
type Run struct {
	// Number is which run of the comparison it belongs to, from 1, and Shape what its load is: one of [Shapes].
	Number int    `json:"run"`
	Shape  string `json:"shape"`
	// Date is the day of the run; Cores are those of the machine.
	Date  string `json:"date"`
	Cores int    `json:"cores"`
	Spike Spike  `json:"spike"`
	Pod   Pod    `json:"pod"`
	// ScrapeInterval is the time between two scrapes of a renderer, SyncPeriod between two decisions of an
	// autoscaler.
	ScrapeInterval float64 `json:"scrape_interval_seconds"`
	SyncPeriod     float64 `json:"sync_period_seconds"`
	// Busy is the share of the machine's CPU time that was used, second by second from the first load's start.
	Busy   []float64 `json:"busy"`
	Fleets []Fleet   `json:"fleets"`
}

// Stagger is the time from the start of one fleet's load to that of the next, on average.
func (r Run) Stagger() float64 {
	if len(r.Fleets) < 2 {
		return 0
	}
	return (r.Fleets[len(r.Fleets)-1].Started - r.Fleets[0].Started) / float64(len(r.Fleets)-1)
}

// The shapes of the load.
const (
	// Step is a load that steps up, stays, and steps back.
	Step = "step"
	// FlashCrowd is one that rises within half a minute beyond what the first pods of the default can do, stays a few minutes, and
	// fades.
	FlashCrowd = "flash-crowd"
)

// Shapes are in the order in which they are run.
var Shapes = []string{Step, FlashCrowd}

// Spike is the load, in pods' worth and seconds. Rise and Fade are in a straight line; 0 is a step.
type Spike struct {
	Base   float64 `json:"base_pods"`
	Peak   float64 `json:"peak_pods"`
	Before float64 `json:"before_seconds"`
	Rise   float64 `json:"rise_seconds,omitempty"`
	During float64 `json:"during_seconds"`
	Fade   float64 `json:"fade_seconds,omitempty"`
	After  float64 `json:"after_seconds"`
}

// PeakEnd is when the peak is over.
func (s Spike) PeakEnd() float64 { return s.Before + s.Rise + s.During }

// Length is that of the whole load.
func (s Spike) Length() float64 { return s.PeakEnd() + s.Fade + s.After }

// Pod is what one pod is given and can do.
type Pod struct {
	Cores  float64 `json:"cores"`
	Budget float64 `json:"budget_seconds"`
	// FramesPerSecond is what a pod's CPU is enough for, measured before the load. It is the pod's worth in
	// which the load is told.
	FramesPerSecond float64 `json:"frames_per_second"`
	// LoadedFramesPerSecond is the same, measured over the peak.
	LoadedFramesPerSecond float64 `json:"loaded_frames_per_second"`
	// IdleCores are what a pod takes beside frames, measured over the peak: for scrapes, probes and its runtime.
	IdleCores float64 `json:"idle_cores"`
}

// Fleet is one policy's pods and what became of its load.
type Fleet struct {
	Name string `json:"name"`
	// Started is when its load began, after the first of all.
	Started float64 `json:"started_seconds"`
	// Sent and InBudget count frames by the second in which they were due.
	Sent     []int `json:"sent"`
	InBudget []int `json:"in_budget"`
	// Late, Refused, Failed and NeverStarted say what became of the others.
	Late         int `json:"late"`
	Refused      int `json:"refused"`
	Failed       int `json:"failed"`
	NeverStarted int `json:"never_started"`
	// FirstBad is when the first frame after the step was due that was not in budget; nil if none was.
	FirstBad *float64 `json:"first_bad"`
	// StartDelay is how late k6 sent all but one of a hundred frames.
	StartDelay float64 `json:"start_delay_seconds"`
	// Replicas are those that the Deployment wants, from each change on.
	Replicas []Change  `json:"replicas"`
	Pods     []PodLife `json:"pods"`
	// Scraped are the times of samples that show overruns which the sample before did not.
	Scraped []float64 `json:"scraped"`
	// Served is what the autoscaler could read, as a multiple of its target.
	Served []Reading `json:"served"`
}

// Change is a new number of replicas.
type Change struct {
	At       float64 `json:"at"`
	Replicas int     `json:"replicas"`
}

// PodLife is when a pod was seen to exist, to be Ready, to leave and to be gone; never is nil.
type PodLife struct {
	Created float64  `json:"created"`
	Ready   *float64 `json:"ready"`
	Leaving *float64 `json:"leaving"`
	Gone    *float64 `json:"gone"`
}

// Reading is the largest of an autoscaler's metrics as a multiple of its target.
type Reading struct {
	At    float64 `json:"at"`
	Ratio float64 `json:"ratio"`
}

// Write keeps the run in a file.
func (r Run) Write(file string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

// Read reads a file that [Run.Write] wrote.
func Read(file string) (Run, error) {
	var r Run
	data, err := os.ReadFile(file)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// LastStarted is when the last fleet's load began, after the first of all.
func (r Run) LastStarted() float64 {
	last := 0.0
	for _, f := range r.Fleets {
		last = max(last, f.Started)
	}
	return last
}

// BusyBetween is the mean share of the machine's CPU time that was used, and that of its busiest minute.
func (r Run) BusyBetween(from, to float64) (mean, worst float64) {
	seconds := r.Busy[min(int(from), len(r.Busy)):min(int(to), len(r.Busy))]
	if len(seconds) == 0 {
		return math.NaN(), math.NaN()
	}
	for start := 0; start < len(seconds); start += 60 {
		worst = max(worst, average(seconds[start:min(start+60, len(seconds))]))
	}
	return average(seconds), worst
}

func average(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// Capacity is what a pod can do under load, as a share of what it could before.
func (p Pod) Capacity() float64 { return p.LoadedFramesPerSecond / p.FramesPerSecond }

// PodStart is the mean time from a pod's creation until it is Ready, over the pods made after the time.
func (f Fleet) PodStart(after float64) (seconds float64, pods int) {
	for _, p := range f.Pods {
		if p.Created >= after && p.Ready != nil {
			seconds += *p.Ready - p.Created
			pods++
		}
	}
	return seconds / float64(pods), pods
}

// PodStart is that of all fleets together, over the pods made after the step.
func (r Run) PodStart() (seconds float64, pods int) {
	for _, f := range r.Fleets {
		if mean, n := f.PodStart(r.Spike.Before); n > 0 {
			seconds += mean * float64(n)
			pods += n
		}
	}
	return seconds / float64(pods), pods
}

// ReplicasAt is how many replicas the Deployment wanted at the time.
func (f Fleet) ReplicasAt(at float64) int {
	n := 0
	for _, c := range f.Replicas {
		if c.At > at {
			break
		}
		n = c.Replicas
	}
	return n
}

// PodsAt is how many pods there were at the time, and how many of them took frames.
func (f Fleet) PodsAt(at float64) (all, ready int) {
	for _, p := range f.Pods {
		if p.Created > at || !before(at, p.Gone) {
			continue
		}
		all++
		if p.Ready != nil && *p.Ready <= at && before(at, p.Leaving) {
			ready++
		}
	}
	return all, ready
}

// before says whether at is before the end, which may never come.
func before(at float64, end *float64) bool { return end == nil || at < *end }

// offered counts the frames that were due in each second: those sent and those that never started. When the
// latter were due is known from the profile, whose frames k6 counts out in order: what is short of it by the
// end of a second was dropped by then.
func (f Fleet) offered(profile load.Profile) []int {
	counts := make([]int, len(f.Sent))
	sum, dropped := 0, 0
	for i, sent := range f.Sent {
		sum += sent
		due := int(math.Round(profile.FramesBy(time.Duration(i+1) * time.Second)))
		until := min(max(due-sum, dropped), f.NeverStarted)
		if i == len(counts)-1 {
			until = f.NeverStarted
		}
		counts[i] = sent + until - dropped
		dropped = until
	}
	return counts
}

// sorted returns the times in order.
func sorted(times []float64) []float64 {
	times = slices.Clone(times)
	slices.Sort(times)
	return times
}

// SortPods puts pods in the order in which they came.
func SortPods(pods []PodLife) {
	slices.SortFunc(pods, func(a, b PodLife) int { return cmp.Compare(a.Created, b.Created) })
}
