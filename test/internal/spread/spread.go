// Package spread says how a figure varies over several runs.
package spread

import (
	"fmt"
	"math"
)

// Value is a figure over runs: its mean, and the least and the most of one run. All are NaN without a run.
type Value struct{ Mean, Least, Most float64 }

// Over is the figure of each of the items, over all of them. An item without a figure gives NaN, and is left out.
func Over[T any](items []T, figure func(T) float64) Value {
	v := Value{math.NaN(), math.NaN(), math.NaN()}
	sum, n := 0.0, 0.0
	for _, item := range items {
		f := figure(item)
		if math.IsNaN(f) {
			continue
		}
		if n == 0 {
			v.Least, v.Most = f, f
		}
		sum, n = sum+f, n+1
		v.Least, v.Most = min(v.Least, f), max(v.Most, f)
	}
	if n > 0 {
		v.Mean = sum / n
	}
	return v
}

// Text writes the mean, and the least and the most where runs differ in what is shown.
func (v Value) Text(format, unit string) string {
	if math.IsNaN(v.Mean) {
		return "–"
	}
	mean, least, most := fmt.Sprintf(format, v.Mean), fmt.Sprintf(format, v.Least), fmt.Sprintf(format, v.Most)
	if least == most {
		return mean + unit
	}
	return fmt.Sprintf("%s%s (%s to %s)", mean, unit, least, most)
}
