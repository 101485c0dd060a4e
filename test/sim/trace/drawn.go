package trace

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Drawn is a trace that was drawn at random, and the surroundings that were drawn with it.
type Drawn struct {
	Trace
	// Kind is one of [Kinds].
	Kind string
	// MaxReplicas is what the autoscaler may have: 2 to 40 pods, and never fewer than the load's peak needs.
	MaxReplicas int
	// FrameRate is how many frames a pod of nominal capacity renders per second: 5 to 90.
	FrameRate float64
	// PodStart is the time from a pod's creation until it is Ready: 10 to 60 s.
	PodStart time.Duration
}

// Kinds are the kinds of load that are drawn, and what varies in each.
var Kinds = []struct{ Name, About string }{
	{"flash-crowd", "2 to 10 times the load within 0 to 60 s, for 1 to 30 minutes, then fading over 2 to 20 minutes"},
	{"bursts", "3 to 10 bursts of 2 to 8 minutes, each of another height, on a fifth to two fifths of the peak"},
	{"diurnal", "once up and down in two hours, with noise of 2 to 10 % that lasts about a minute"},
	{"sawtooth", "up in a straight line and back at once, every 10 to 30 minutes"},
	{"steady", "one load, at every tenth of a pod, with noise of 0 to 4 % that lasts about a minute"},
	{"leak", "a load that doubles or triples in a straight line over an hour and a half"},
	{"capacity-drop", "every pod loses 15 to 45 % of its capacity for 5 to 40 minutes, under one load"},
}

// Set is a set of drawn traces. The two have no trace in common.
type Set uint64

// Training is what policies are tuned on, Test what they are judged on.
const (
	Training Set = 1
	Test     Set = 2
)

// EachKind is how many traces of each kind a set has.
const EachKind = 20

// Draw returns the traces of a set, by kind. The same set is always the same traces. Each lasts two hours.
func Draw(set Set) []Drawn {
	var all []Drawn
	for k, kind := range Kinds {
		for i := range EachKind {
			d := draw(kind.Name, i, rand.New(rand.NewPCG(uint64(set), uint64(1000*k+i))))
			d.Kind, d.Name = kind.Name, fmt.Sprintf("%s-%02d", kind.Name, i+1)
			all = append(all, d)
		}
	}
	return all
}

// draw draws the trace with the number i of its kind.
func draw(kind string, i int, random *rand.Rand) Drawn {
	between := func(low, high float64) float64 { return low + (high-low)*random.Float64() }
	// Evenly between the logarithms, so that 2 to 4 is as likely as 20 to 40.
	scaled := func(low, high float64) float64 { return low * math.Pow(high/low, random.Float64()) }
	d := Drawn{
		MaxReplicas: int(math.Round(scaled(2, 40))),
		FrameRate:   math.Round(scaled(5, 90)),
		PodStart:    time.Duration(math.Round(between(10, 60))) * time.Second,
	}
	peak := between(0.3, 0.8) * float64(d.MaxReplicas)
	at := func(second, load, capacity float64) {
		d.Points = append(d.Points, Point{math.Floor(second), round(load), round(capacity)})
	}
	const end = 2 * hour
	switch kind {
	case "flash-crowd":
		low := peak / scaled(2, 10)
		begin := between(600, 1500)
		top := begin + between(0, 60)
		fade := top + 60*scaled(1, 30)
		over := 60 * scaled(2, 20)
		at(0, low, 1)
		at(begin, low, 1)
		at(top, peak, 1)
		at(fade, peak, 1)
		at(fade+over/3, low+(peak-low)/3, 1) // steep first, as crowds leave
		at(fade+over, low, 1)
		at(end, low, 1)
	case "bursts":
		low := peak * between(0.2, 0.4)
		n := 3 + random.IntN(8)
		every := (end - 600) / float64(n)
		at(0, low, 1)
		for b := range n {
			begin := 600 + every*float64(b) + between(0, every/4)
			until := begin + min(60*between(2, 8), 0.7*every)
			height := between(0.5, 1) * peak
			at(begin, low, 1)
			at(begin, height, 1)
			at(until, height, 1)
			at(until, low, 1)
		}
		at(end, low, 1)
	case "diurnal":
		low, noise := peak*between(0.2, 0.4), wander(random, between(0.02, 0.1))
		for s := 0.0; s <= end; s += 20 {
			at(s, ((peak+low)/2-(peak-low)/2*math.Cos(2*math.Pi*s/end))*noise(), 1)
		}
	case "sawtooth":
		low, period := peak*between(0.2, 0.5), 60*between(10, 30)
		for s := 0.0; s < end; s += period {
			last := min(1, (end-s)/period)
			at(s, low, 1)
			at(s+last*period, low+last*(peak-low), 1)
		}
	case "steady":
		// Every fraction of a pod is drawn: a load just below a pod's boundary is another matter than one just above.
		load := math.Floor(peak) + (float64(i%10)+random.Float64())/10
		load = max(0.3, min(load, 0.9*float64(d.MaxReplicas)))
		noise := wander(random, between(0, 0.04))
		for s := 0.0; s <= end; s += 20 {
			at(s, load*noise(), 1)
		}
	case "leak":
		low := peak / between(2, 3)
		at(0, low, 1)
		at(900, low, 1)
		at(900+5400, peak, 1)
		at(end, peak, 1)
	case "capacity-drop":
		left := between(0.55, 0.85)
		load := peak * left
		begin := between(900, 1800)
		until := begin + 60*between(5, 40)
		at(0, load, 1)
		at(begin, load, 1)
		at(begin, load, left)
		at(until, load, left)
		at(until, load, 1)
		at(end, load, 1)
	}
	return d
}

// wander returns factors around 1, one for every 20 s, whose noise of the given spread lasts about a minute.
func wander(random *rand.Rand, spread float64) func() float64 {
	keep := math.Exp(-20.0 / 60)
	noise := spread * random.NormFloat64()
	return func() float64 {
		noise = keep*noise + math.Sqrt(1-keep*keep)*spread*random.NormFloat64()
		return max(0.2, 1+noise)
	}
}
