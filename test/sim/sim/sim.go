// Package sim puts the parts together: one trace, one policy, one seed in, a timeline out.
package sim

import (
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"holograph/test/sim/adapter"
	"holograph/test/sim/fleet"
	"holograph/test/sim/manifest"
	"holograph/test/sim/query"
	"holograph/test/sim/trace"
)

// latency is how long the adapter takes to answer. Without it the HPA's syncs would keep one phase
// to the scrapes for ever.
const latency = 40 * time.Millisecond

// Calm is how many seconds without an overrun make an end of overruns.
const Calm = 30

// Overrun says whether more frames of a second are late than the oracle allows.
func Overrun(row fleet.Row) bool { return row.Late > LateShare*row.Frames }

// Options are what neither the trace nor the manifests say.
type Options struct {
	Fleet fleet.Config
	// Down says when a metric cannot be had; nil means always.
	Down func(metric string, sinceStart time.Duration) bool
	// Observe sees every answer that the HPA gets, and the replicas and pods at that moment; nil is
	// fine. Pods must not be kept.
	Observe func(answer adapter.Answer, spec int, pods []*corev1.Pod)
}

// Result is what happened.
type Result struct {
	Rows []fleet.Row
	// Oracle is what would have been enough.
	Oracle Oracle
	Summary
}

// Summary is a run in numbers.
type Summary struct {
	// Frames were offered and Late of them were late or refused.
	Frames, Late float64
	// WorstMinute is the share of frames in budget in the worst minute.
	WorstMinute float64
	// Recovery is the longest time from the first second with an [Overrun] to the first of [Calm] seconds without one.
	Recovery time.Duration
	// Reversals counts the changes of direction beyond those the trace asks for; Changes counts
	// all changes of the replicas.
	Reversals, Changes float64
	// PodHours is the time of all pods that exist, OracleHours the oracle's.
	PodHours, OracleHours float64
	// Refused is how many viewers a full pod refused at their first try, Cut how many sessions ended with their pod, and
	// LeavingHours the time of pods that only ended their sessions. All three are of sessions.
	Refused, Cut, LeavingHours float64
	// Queries is the number of metric requests that the HPA made.
	Queries int
}

// InBudget is the share of frames in budget.
func (s Summary) InBudget() float64 { return 1 - s.Late/s.Frames }

// Cost is pod-hours as a multiple of the oracle's.
func (s Summary) Cost() float64 { return s.PodHours / s.OracleHours }

// Run simulates a release's HPA under a trace.
func Run(m *manifest.Manifest, t trace.Trace, options Options) (Result, error) {
	load, capacity := t.Seconds()
	result := Result{Oracle: NewOracle(options.Fleet, load, capacity)}
	var failed error
	err := bubble(func() { failed = run(m, load, capacity, options, &result) })
	if err == nil {
		err = failed
	}
	return result, err
}

// Judge gives rows that were recorded on a cluster the same oracle and figures as simulated ones.
func Judge(rows []fleet.Row, config fleet.Config) Result {
	load, capacity := make([]float64, len(rows)), make([]float64, len(rows))
	for i, row := range rows {
		load[i], capacity[i] = row.Load, row.Capacity
	}
	o := NewOracle(config, load, capacity)
	return Result{Rows: rows, Oracle: o, Summary: summarize(rows, o)}
}

func run(m *manifest.Manifest, load, capacity []float64, options Options, result *Result) error {
	config := options.Fleet
	pod := labels.FromStrings("namespace", m.Pods.Namespace, "pod", "pod", "container", m.Pods.Container)
	store := query.NewStore()
	metrics, err := adapter.New(m.Rules, m.Triggers, m.HPA, store, fleet.Metrics, pod, latency)
	if err != nil {
		return err
	}
	names, horizon := metrics.Reads()
	store.Keep(int(horizon/config.ScrapeInterval) + 3)

	least, most := int(ptr.Deref(m.HPA.Spec.MinReplicas, 1)), int(m.HPA.Spec.MaxReplicas)
	epoch := time.Now()
	// A settled fleet has some room; one that starts as small as the oracle's would begin with overruns.
	replicas := int(math.Ceil(1.25 * load[0] / (capacity[0] * config.Utilization(LateShare))))
	f, err := fleet.New(config, m.Pods, epoch, max(least, min(most, replicas)), load, capacity, store, names, horizon)
	if err != nil {
		return err
	}
	metrics.Attach(f, epoch)
	if options.Down != nil {
		metrics.Down = func(metric string, now time.Time) bool { return options.Down(metric, now.Sub(epoch)) }
	}
	if options.Observe != nil {
		metrics.Observe = func(a adapter.Answer) {
			spec, _ := f.Scale()
			options.Observe(a, spec, f.Pods())
		}
	}
	end := epoch.Add(time.Duration(len(load)) * time.Second)
	time.Sleep(f.Phase(syncPeriod))
	if err := control(m.HPA, m.Selector, f, metrics, end); err != nil {
		return err
	}
	result.Rows = f.Rows
	result.Summary = summarize(f.Rows, result.Oracle)
	result.Queries = metrics.Requests
	// A controller that sleeps looks like a policy that never scales.
	want := float64(len(m.HPA.Spec.Metrics)) * end.Sub(epoch).Seconds() / syncPeriod.Seconds()
	if got := float64(metrics.Requests); math.Abs(got-want) > 0.05*want+2 {
		return fmt.Errorf("the HPA controller asked for metrics %v times in %v, not about %.0f times: it did not run as it should", got, end.Sub(epoch), want)
	}
	return nil
}

func summarize(rows []fleet.Row, o Oracle) Summary {
	s := Summary{WorstMinute: 1, OracleHours: o.PodSeconds / 3600}
	replicas := make([]int, len(rows))
	var frames, late float64
	bad, calm := -1, 0
	for i, row := range rows {
		s.Frames += row.Frames
		s.Late += row.Late
		s.Refused += row.Refused
		s.Cut += row.Cut
		s.PodHours += float64(row.Pods) / 3600
		s.LeavingHours += float64(row.Leaving) / 3600
		replicas[i] = row.Spec
		if i > 0 && row.Spec != rows[i-1].Spec {
			s.Changes++
		}
		frames += row.Frames
		late += row.Late
		if i%60 == 59 {
			if frames > 0 {
				s.WorstMinute = min(s.WorstMinute, 1-late/frames)
			}
			frames, late = 0, 0
		}
		if Overrun(row) {
			if bad < 0 {
				bad = i
			}
			calm = 0
			continue
		}
		if calm++; bad >= 0 && (calm == Calm || i == len(rows)-1) {
			s.Recovery = max(s.Recovery, time.Duration(i-calm+1-bad)*time.Second)
			bad = -1
		}
	}
	if bad >= 0 {
		s.Recovery = max(s.Recovery, time.Duration(len(rows)-bad)*time.Second)
	}
	s.Reversals = float64(max(0, Reversals(replicas)-o.Reversals))
	return s
}

// Mean averages summaries of runs that differ in their seed.
func Mean(runs []Summary) Summary {
	var m Summary
	n := float64(len(runs))
	for _, r := range runs {
		m.Frames += r.Frames / n
		m.Late += r.Late / n
		m.WorstMinute += r.WorstMinute / n
		m.Recovery += r.Recovery / time.Duration(len(runs))
		m.Reversals += r.Reversals / n
		m.Changes += r.Changes / n
		m.PodHours += r.PodHours / n
		m.OracleHours += r.OracleHours / n
		m.Refused += r.Refused / n
		m.Cut += r.Cut / n
		m.LeavingHours += r.LeavingHours / n
		m.Queries += r.Queries
	}
	m.Queries /= len(runs)
	return m
}
