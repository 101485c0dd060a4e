package server

import (
	"math"
	"slices"
	"time"
)

// remembered is how many frames a pace knows: enough for a mean within some percent where costs vary by a quarter, and
// few enough that a scene twice as costly is known after a second or two on a small pod.
const remembered = 32

// pace is how long the last frames took to render. It goes by the clock and not by CPU time: a frame that waits for a
// processor, as under a CPU limit, is late all the same.
//
// The zero pace has seen no frame, and expects frames to take no time.
type pace struct {
	last [remembered]time.Duration
	seen int // frames, all of them

	mean time.Duration
	low  time.Duration // no frame took less
	high time.Duration // nine of ten frames take no longer
}

// add takes in a frame that took so long to render.
func (p *pace) add(took time.Duration) {
	p.last[p.seen%remembered] = took
	p.seen++

	last := p.last
	known := last[:min(p.seen, remembered)]
	var sum time.Duration
	for _, took := range known {
		sum += took
	}
	p.mean = sum / time.Duration(len(known))
	slices.Sort(known)
	p.low, p.high = known[0], known[(len(known)-1)*9/10]
}

// rest is the time that a frame should have left to be begun.
//
// Where others wait, it is what nine of ten frames take: with the mean alone every second one would be late. To pass a
// frame over costs no capacity then, because another one, which has more time, takes its turn. Where none waits, passing
// it over gains nothing unless it is sure to be late: under a CPU limit one frame takes ten times as long as the next,
// for the limit stopped it, and how long it stopped the last ones says nothing of this one.
func (p *pace) rest(others bool) time.Duration {
	if others {
		return max(p.mean, p.high)
	}
	return p.low
}

// margin is what a frame should have to spare when it comes, beside the mean of each frame before it. A frame that is
// taken and then passed over is refused when its turn comes and not at once.
//
// The first part is what lies between the mean and the slowest tenth, twice, and more with the frames that a worker
// has before: the sum of their costs varies more. With half of it one refusal in six comes late where costs vary by a
// fifth, with all of it one in a hundred; with half as much again, six percent of the capacity are lost at a budget of
// two frames. The second part is for what slows all of them, such as a busy node: it leaves a long queue room for a
// hitch, and costs a short one little.
func (p *pace) margin(before int) time.Duration {
	return time.Duration(2*math.Sqrt(float64(before+1))*float64(max(p.mean, p.high)-p.mean)) + time.Duration(before)*p.mean/10
}
