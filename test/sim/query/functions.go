package query

import "math"

// rangeFunctions are PromQL's functions of a range. The second argument is the range's length in
// seconds, or the function's own second argument.
var rangeFunctions = map[string]func(w window, argument float64) (float64, bool){
	"rate": func(w window, length float64) (float64, bool) {
		return extrapolated(w, true, length)
	},
	"increase": func(w window, _ float64) (float64, bool) { return extrapolated(w, true, 1) },
	"delta":    func(w window, _ float64) (float64, bool) { return extrapolated(w, false, 1) },
	"irate": func(w window, _ float64) (float64, bool) {
		n := len(w.t)
		if n < 2 {
			return 0, false
		}
		step := w.v[n-1] - w.v[n-2]
		if step < 0 {
			step = w.v[n-1]
		}
		return step / (float64(w.t[n-1]-w.t[n-2]) / 1000), true
	},
	"deriv": func(w window, _ float64) (float64, bool) {
		if len(w.t) < 2 {
			return 0, false
		}
		slope, _ := regression(w, w.t[0])
		return slope, true
	},
	"predict_linear": func(w window, ahead float64) (float64, bool) {
		if len(w.t) < 2 {
			return 0, false
		}
		slope, level := regression(w, w.end)
		return slope*ahead + level, true
	},
	"avg_over_time": func(w window, _ float64) (float64, bool) {
		sum := 0.0
		for _, v := range w.v {
			sum += v
		}
		return sum / float64(len(w.v)), true
	},
	"max_over_time": func(w window, _ float64) (float64, bool) {
		most := w.v[0]
		for _, v := range w.v[1:] {
			if v > most || math.IsNaN(most) {
				most = v
			}
		}
		return most, true
	},
	"last_over_time": func(w window, _ float64) (float64, bool) { return w.v[len(w.v)-1], true },
}

// extrapolated is what rate, increase and delta share: the change between the first and the last
// sample, counter resets added back, extended to the ends of the range where samples come close to
// them, per so many seconds. Source: extrapolatedRate in Prometheus' promql/functions.go, without native
// histograms and start timestamps.
func extrapolated(w window, counter bool, per float64) (float64, bool) {
	n := len(w.t) - 1
	if n < 1 {
		return 0, false
	}
	change := w.v[n] - w.v[0]
	if counter {
		for i := 1; i <= n; i++ {
			if w.v[i] < w.v[i-1] {
				change += w.v[i-1]
			}
		}
	}
	toStart := float64(w.t[0]-w.start) / 1000
	toEnd := float64(w.end-w.t[n]) / 1000
	sampled := float64(w.t[n]-w.t[0]) / 1000
	between := sampled / float64(n)
	if toStart >= 1.1*between {
		toStart = between / 2
	}
	if counter && change > 0 && w.v[0] >= 0 {
		// A counter cannot have been below zero. Of Inf over Inf nothing can be told.
		if toZero := sampled * (w.v[0] / change); toZero < toStart {
			toStart = toZero
		}
	}
	if toEnd >= 1.1*between {
		toEnd = between / 2
	}
	extent := sampled + toStart + toEnd
	if v := change * extent / sampled; !math.IsInf(v, 0) {
		return v / per, true
	}
	// In Prometheus' order the largest numbers stay numbers.
	return change * (extent / sampled / per), true
}

// regression fits a straight line; level is its value at the time at (milliseconds), slope is per
// second.
func regression(w window, at int64) (slope, level float64) {
	var n, x, y, xy, xx float64
	constant := true
	for i := range w.t {
		dx := float64(w.t[i]-at) / 1000
		constant = constant && w.v[i] == w.v[0]
		n++
		x += dx
		y += w.v[i]
		xy += dx * w.v[i]
		xx += dx * dx
	}
	if constant {
		return 0, w.v[0]
	}
	slope = (xy - x*y/n) / (xx - x*x/n)
	return slope, (y - slope*x) / n
}
