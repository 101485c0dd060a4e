package plot

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// niceStep is the least step of 1, 2 or 5 times a power of ten that divides span into at most parts parts.
func niceStep(span float64, parts int) float64 {
	least := span / float64(parts)
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, factor := range []float64{1, 2, 5} {
		// A hair's breadth, for 0.3/3 is greater than 0.1.
		if factor*power >= least*(1-1e-9) {
			return factor * power
		}
	}
	return 10 * power
}

// Ticks are the ticks from 0 to the first that is at least top, at most parts steps apart from it.
func Ticks(top float64, parts int) []float64 {
	step := niceStep(top, parts)
	n := int(math.Ceil(top/step - 1e-9))
	ticks := make([]float64, n+1)
	for i := range ticks {
		ticks[i] = float64(i) * step
	}
	return ticks
}

// WholeTicks are [Ticks] at whole numbers, for replicas.
func WholeTicks(top float64, parts int) []float64 {
	step := math.Max(1, niceStep(top, parts))
	var ticks []float64
	for v := 0.0; ; v += step {
		ticks = append(ticks, v)
		if v >= top {
			return ticks
		}
	}
}

// TimeTicks are times from 0 to at most span, a familiar number of seconds, minutes or hours apart, at
// most parts of them beside 0.
func TimeTicks(span time.Duration, parts int) []time.Duration {
	steps := []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	}
	step := steps[0]
	for i := 0; int(span/step) > parts; i++ {
		if i < len(steps) {
			step = steps[i]
		} else {
			step *= 2
		}
	}
	var ticks []time.Duration
	for at := time.Duration(0); at <= span; at += step {
		ticks = append(ticks, at)
	}
	return ticks
}

// Clock writes a time since the start as minutes:seconds, from an hour on as hours:minutes:seconds.
func Clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// Number writes a tick's value without the noise of binary fractions.
func Number(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64)
}
