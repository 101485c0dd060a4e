package fleet

import "math"

// noise gives the same number for the same arguments: bell-shaped, mean 0, spread 1, never beyond
// 3.5. It adds four 16-bit digits of one hash, which costs a few nanoseconds.
func noise(seed, pod, second, stream uint64) float64 {
	h := hash(seed ^ pod*0x9e3779b97f4a7c15 ^ second*0xd1342543de82ef95 ^ stream*0xaf251af3b0f025b5)
	sum := h&0xffff + h>>16&0xffff + h>>32&0xffff + h>>48
	return (float64(sum)/65535 - 2) * math.Sqrt(3)
}

// uniform is like noise, evenly between 0 and 1.
func uniform(seed, pod, stream uint64) float64 {
	return float64(hash(seed^pod*0x9e3779b97f4a7c15^stream*0xaf251af3b0f025b5)>>11) / (1 << 53)
}

// hash is the finalizer of splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
func hash(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// stuck is what a pod's load in a second is, as a multiple of its share, for the connections that it has: never below 0,
// with a memory of ConnectionMaxAge.
func (c Config) stuck(pod uint64, second int) float64 {
	if c.LoadSpread == 0 {
		return 1
	}
	age := max(1, c.ConnectionMaxAge.Seconds())
	whole, part := math.Modf(float64(second)/age + 1e6)
	// Two neighbours in equal parts of their variance, so that it is 1 at any time. Over a minute their curves, each two
	// quarter waves of an age, leave (4/pi)^2 ages per minute of it.
	sin, cos := math.Sincos(part * math.Pi / 2)
	curve := cos*noise(c.Seed, pod, uint64(whole), 8) + sin*noise(c.Seed, pod, uint64(whole)+1, 8)
	return math.Exp(c.LoadSpread * curve / min(1, 4/math.Pi*math.Sqrt(age/60)))
}

// LateShare is the share of frames that miss their budget when the fleet as a whole is offered
// utilization times what it can render, by the spread of a pod's load and capacity from second to
// second: the mean of what exceeds capacity, for normal noise.
func (c Config) LateShare(utilization float64) float64 {
	spread := math.Sqrt(c.LoadNoise*c.LoadNoise*utilization*utilization + c.CapacityNoise*c.CapacityNoise + c.CapacitySpread*c.CapacitySpread)
	excess := utilization - 1
	if spread == 0 {
		return max(0, excess) / utilization
	}
	z := excess / spread
	density := math.Exp(-z*z/2) / math.Sqrt(2*math.Pi)
	below := 0.5 * math.Erfc(-z/math.Sqrt2)
	return (excess*below + spread*density) / utilization
}

// Utilization is the highest utilization at which no more than the given share of frames is late.
func (c Config) Utilization(lateShare float64) float64 {
	low, high := 0.0, 2.0
	for range 50 {
		mid := (low + high) / 2
		if mid > 0 && c.LateShare(mid) > lateShare {
			high = mid
		} else {
			low = mid
		}
	}
	return low
}
