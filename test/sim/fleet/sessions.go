package fleet

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SessionsMetric is the gauge of the sessions that a pod holds.
const SessionsMetric = "viewer_sessions"

// Sessions are viewers who stay on one pod for as long as their session lasts, where a fleet has them in place of frames.
//
// They arrive at random (Poisson), at the rate that keeps the trace's load, in pods' worth of sessions, in progress. A Service
// picks a Ready pod for each try, without regard to its places. A pod that is removed takes no new session, and exists until
// its last one ends or its grace period is over.
type Sessions struct {
	// Places is how many sessions a pod has room for.
	Places int
	// Length is the mean of the exponential distribution that lengths are drawn from, Longest the length at which all
	// others end.
	Length, Longest time.Duration
	// Retry is the time after which a viewer whom a full pod refused tries again, in whole seconds. Who is refused Tries
	// times leaves.
	Retry time.Duration
	Tries int
	// Paced lets viewers arrive evenly, as a load generator does.
	Paced bool
	// Assigned gives a viewer a place wherever one is free, on the pod with the most sessions, in place of a Service's choice.
	Assigned bool
	// FewestFirst gives each pod a deletion cost of its sessions, so that the emptiest pod is removed first.
	FewestFirst bool
}

// DefaultSessions are sessions of a quarter of an hour on average and an hour at most, and viewers who leave after ten
// seconds.
func DefaultSessions(places int) *Sessions {
	return &Sessions{Places: places, Length: 15 * time.Minute, Longest: time.Hour, Retry: 2 * time.Second, Tries: 6}
}

// mean is the mean length in seconds.
func (s *Sessions) mean() float64 {
	return s.Length.Seconds() * (1 - math.Exp(-s.Longest.Seconds()/s.Length.Seconds()))
}

// viewer is someone who wants a session.
type viewer struct {
	id uint64
	// arrived is the second of the first try, due that of the next one.
	arrived, due int
	// length is that of the session, in seconds.
	length int
	tries  int
}

// viewers returns everybody who arrives under a load, by their arrival: from as long before it begins as the longest session
// lasts.
func (s *Sessions) viewers(seed uint64, load []float64) []viewer {
	random := rand.New(rand.NewPCG(seed, 9))
	var all []viewer
	// In the time in which one viewer arrives on average.
	gap := random.ExpFloat64
	if s.Paced {
		gap = func() float64 { return 1 }
	}
	arrived, next := 0.0, gap()
	for second := -int(s.Longest.Seconds()); second < len(load); second++ {
		arrived += load[max(second, 0)] * float64(s.Places) / s.mean()
		for ; next < arrived; next += gap() {
			length := min(random.ExpFloat64()*s.Length.Seconds(), s.Longest.Seconds())
			all = append(all, viewer{id: uint64(len(all)), arrived: second, due: second, length: max(1, int(math.Round(length)))})
		}
	}
	return all
}

// InProgress is how many sessions would be in progress in each second of a load if every viewer had a place at once.
func (c Config) InProgress(load []float64) []int {
	change := make([]int, len(load)+1)
	for _, v := range c.Sessions.viewers(c.Seed, load) {
		change[min(max(v.arrived, 0), len(load))]++
		change[min(max(v.arrived+v.length, 0), len(load))]--
	}
	sum := 0
	for s := range change {
		sum += change[s]
		change[s] = sum
	}
	return change[:len(load)]
}

// hold lets viewers try for a place, one second's and those who were refused before.
func (f *Fleet) hold(s int) Row {
	at := min(max(s, 0), len(f.load)-1)
	row := Row{Load: f.load[at], Capacity: f.capacity[at], Spec: f.spec, Pods: len(f.pods), Leaving: len(f.pods) - f.active, Cut: float64(f.cut)}
	f.cut = 0
	var ready []*pod
	for _, p := range f.pods {
		p.ends = slices.DeleteFunc(p.ends, func(end int) bool { return end <= s })
		if p.isReady {
			ready = append(ready, p)
		}
	}
	row.Ready = len(ready)
	// What becomes of a viewer counts in the second in which they arrived.
	arrival := func(v viewer) *Row {
		switch {
		case v.arrived == s:
			return &row
		case v.arrived < 0:
			return &Row{}
		}
		return &f.Rows[v.arrived]
	}
	for len(f.viewers) > 0 && f.viewers[0].arrived <= s {
		arrival(f.viewers[0]).Frames++
		f.waiting = append(f.waiting, f.viewers[0])
		f.viewers = f.viewers[1:]
	}
	waiting := f.waiting[:0]
	for _, v := range f.waiting {
		switch {
		case v.due > s:
			waiting = append(waiting, v)
			continue
		case len(ready) > 0:
			if p := f.choose(ready, v); len(p.ends) < f.config.Sessions.Places {
				p.ends = append(p.ends, s+v.length)
				continue
			}
		}
		if v.tries++; v.tries == 1 {
			arrival(v).Refused++
		}
		if v.tries == f.config.Sessions.Tries {
			arrival(v).Late++
			continue
		}
		v.due = s + int(f.config.Sessions.Retry/time.Second)
		waiting = append(waiting, v)
	}
	f.waiting = waiting
	for _, p := range f.pods {
		p.counters[sessionsHeld] = float64(len(p.ends))
	}
	return row
}

// choose returns the pod that a viewer's try reaches.
func (f *Fleet) choose(ready []*pod, v viewer) *pod {
	if !f.config.Sessions.Assigned {
		return ready[int(uniform(f.config.Seed, v.id, 16+uint64(v.tries))*float64(len(ready)))]
	}
	taken := func(p *pod) int {
		if len(p.ends) == f.config.Sessions.Places {
			return -1
		}
		return len(p.ends)
	}
	return slices.MaxFunc(ready, func(a, b *pod) int { return taken(a) - taken(b) })
}

// leave is the second at which a pod that is removed in second s is gone. Sessions that last longer than its grace period
// are cut off.
func (f *Fleet) leave(p *pod, s int) int {
	last := s + max(1, int(f.config.Drain/time.Second))
	grace := s + int(f.identity.Grace/time.Second)
	for _, end := range p.ends {
		last = max(last, min(end, grace))
		if end > grace {
			f.cut++
		}
	}
	return last
}

// rank gives a pod the cost of its removal.
func (p *pod) rank() {
	metav1.SetMetaDataAnnotation(&p.object.ObjectMeta, corev1.PodDeletionCost, strconv.Itoa(len(p.ends)))
}
