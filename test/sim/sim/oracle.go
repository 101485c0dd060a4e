package sim

import (
	"math"

	"holograph/test/sim/fleet"
)

// LateShare is the share of late frames the oracle allows in any second.
const LateShare = 0.01

// patience is how long a valley must last before the oracle's replicas follow it when reversals are
// counted. It is the HPA's own default for scaling down.
const patience = 300

// Oracle knows the future: it is the fewest pods that keep every second within the limit. With sessions it is the fewest
// pods with a place for each, as if every viewer found it at once and could be moved between pods.
type Oracle struct {
	// Pods is the fewest pods for every second, at least one. They start and stop in no time.
	Pods []int
	// PodSeconds is their sum.
	PodSeconds float64
	// Reversals is how often the trace itself asks for a change of direction: those of an oracle
	// that keeps a pod which it needs again within five minutes.
	Reversals int
}

// NewOracle returns the oracle for a load in pods' worth and the pods' capacity, second by second.
func NewOracle(config fleet.Config, load, capacity []float64) Oracle {
	full := config.Utilization(LateShare)
	need := func(s int) float64 { return load[s] / (capacity[s] * full) }
	if sessions := config.Sessions; sessions != nil {
		inProgress := config.InProgress(load)
		need = func(s int) float64 { return float64(inProgress[s]) / float64(sessions.Places) }
	}
	o := Oracle{Pods: make([]int, len(load))}
	for s := range load {
		o.Pods[s] = max(1, int(math.Ceil(need(s)-1e-9)))
		o.PodSeconds += float64(o.Pods[s])
	}
	o.Reversals = Reversals(keep(o.Pods))
	return o
}

// keep returns the pods of an oracle that lets none go which it needs again within patience seconds.
func keep(pods []int) []int {
	ahead := most(pods, patience)
	kept := make([]int, len(pods))
	for s := range pods {
		kept[s] = pods[s]
		if s > 0 {
			kept[s] = max(pods[s], min(kept[s-1], ahead[s]))
		}
	}
	return kept
}

// most returns for every second the most pods needed from then on for so many seconds.
func most(pods []int, seconds int) []int {
	ahead := make([]int, len(pods))
	// Seconds of the window ahead whose pods are more than those of any second before them.
	var peaks []int
	for s := len(pods) - 1; s >= 0; s-- {
		for len(peaks) > 0 && pods[peaks[len(peaks)-1]] <= pods[s] {
			peaks = peaks[:len(peaks)-1]
		}
		peaks = append(peaks, s)
		if peaks[0] > s+seconds {
			peaks = peaks[1:]
		}
		ahead[s] = pods[peaks[0]]
	}
	return ahead
}

// Reversals counts the changes of direction in a sequence of replica counts.
func Reversals(replicas []int) int {
	count, direction := 0, 0
	for i := 1; i < len(replicas); i++ {
		next := direction
		switch {
		case replicas[i] > replicas[i-1]:
			next = 1
		case replicas[i] < replicas[i-1]:
			next = -1
		}
		if direction != 0 && next != direction {
			count++
		}
		direction = next
	}
	return count
}
