package trace

import (
	"math"
	"math/rand/v2"
)

// Standard is one of the standard traces and what it stands for.
type Standard struct {
	Trace
	// About says what happens, in one or two lines.
	About string
	// Large marks the loads of 100 pods and more, which need a maxReplicas of their own.
	Large bool
}

const hour = 3600.0

// StandardTraces makes every standard trace anew; the same call gives the same numbers.
// All loads are in pods' worth. All but the large ones fit into ten pods.
func StandardTraces() []Standard {
	list := []Standard{
		{Trace: Trace{"step", []Point{{0, 1.2, 1}, {600, 1.2, 1}, {600, 4.5, 1}, {2 * hour, 4.5, 1}}},
			About: "Viewers arrive at once after ten minutes and stay: 1.2 pods' worth, then 4.5."},
		{Trace: Trace{"ramp", []Point{{0, 1.5, 1}, {900, 1.5, 1}, {900 + 1800, 7, 1}, {900 + 3600, 7, 1}, {900 + 5400, 1.5, 1}, {2 * hour, 1.5, 1}}},
			About: "Half an hour up from 1.5 to 7 pods' worth, half an hour there, half an hour down."},
		{Trace: Trace{"flash-crowd", []Point{{0, 1.5, 1}, {1200, 1.5, 1}, {1230, 7, 1}, {1500, 7, 1}, {3300, 2, 1}, {2 * hour, 1.5, 1}}},
			About: "A link goes round: from 1.5 to 7 pods' worth within half a minute, five minutes of it, then half an hour of fading."},
		{Trace: diurnal(), About: "A day in four hours: between 1.5 and 6.5 pods' worth, with noise of 5 % that lasts about a minute."},
		{Trace: sawtooth(), About: "Every 20 minutes the load climbs from 1.5 to 6 pods' worth and falls back at once."},
		{Trace: bursts(), About: "On and off at random: 1.5 pods' worth, and eight bursts of 4 to 6.5 that last two to six minutes."},
		{Trace: Trace{"slow-leak", []Point{{0, 2.5, 1}, {600, 2.5, 1}, {2 * hour, 5.5, 1}}},
			About: "Every frame takes a little longer than the one before: 2.5 pods' worth grow to 5.5 over two hours."},
		{Trace: Trace{"capacity-drop", []Point{{0, 3.5, 1}, {1800, 3.5, 1}, {1800, 3.5, 0.65}, {3600, 3.5, 0.65}, {3600, 3.5, 1}, {2 * hour, 3.5, 1}}},
			About: "A noisy neighbour takes 35 % of every pod's capacity for half an hour; CPU time per frame stays the same."},
		{Trace: Trace{"load-1", []Point{{0, 1, 1}, {2 * hour, 1, 1}}},
			About: "One pod's worth, all the time."},
	}
	shape := Trace{"", []Point{{0, 0.5, 1}, {600, 0.5, 1}, {900, 1, 1}, {3600, 1, 1}, {4500, 0.6, 1}, {2 * hour, 0.6, 1}}}
	for _, n := range []struct {
		name  string
		scale float64
	}{{"load-100", 100}, {"load-1000", 1000}, {"load-5000", 5000}} {
		list = append(list, Standard{Trace: shape.Scale(n.name, n.scale), Large: true,
			About: "Half of the named number of pods' worth, all of it within five minutes, then 60 %."})
	}
	return list
}

func diurnal() Trace {
	random := rand.New(rand.NewPCG(1, 0))
	t := Trace{Name: "diurnal"}
	noise := 0.0
	for s := 0.0; s <= 4*hour; s += 20 {
		// A first-order filter with a time constant of one minute keeps the noise's spread at 5 %.
		keep := math.Exp(-20.0 / 60)
		noise = keep*noise + math.Sqrt(1-keep*keep)*0.05*random.NormFloat64()
		level := 4 - 2.5*math.Cos(2*math.Pi*s/(4*hour))
		t.Points = append(t.Points, Point{s, round(level * (1 + noise)), 1})
	}
	return t
}

func sawtooth() Trace {
	t := Trace{Name: "sawtooth"}
	for s := 0.0; s < 2*hour; s += 1200 {
		t.Points = append(t.Points, Point{s, 1.5, 1}, Point{s + 1200, 6, 1})
	}
	return t
}

func bursts() Trace {
	random := rand.New(rand.NewPCG(2, 0))
	t := Trace{"bursts", []Point{{0, 1.5, 1}}}
	for i := range 8 {
		start := 600 + 800*float64(i) + math.Floor(300*random.Float64())
		length := 120 + math.Floor(240*random.Float64())
		height := round(4 + 2.5*random.Float64())
		t.Points = append(t.Points, Point{start, 1.5, 1}, Point{start, height, 1},
			Point{start + length, height, 1}, Point{start + length, 1.5, 1})
	}
	t.Points = append(t.Points, Point{2 * hour, 1.5, 1})
	return t
}

func round(v float64) float64 { return math.Round(v*1000) / 1000 }
