package hologram

import (
	"math"
	"time"
)

const (
	// Wavelength of the light, in metres: a green laser of 532 nm.
	Wavelength = 532e-9
	// PixelPitch is the distance between the centres of two pixels of the light modulator, in metres.
	PixelPitch = 8e-6

	starTips   = 5
	innerRatio = 0.45
	// The star stays within 0.34 of the frame's shorter side from the middle; distance() relies on it.
	outerRatio = 0.34

	turnPeriod = 5 * time.Second
	tiltPeriod = 7 * time.Second
	maxTilt    = math.Pi / 6
)

// Point is one point source. X, Y and Z are in metres: X and Y from the middle of the
// hologram, Z from its plane along the direction of the light. Phase is in radians.
type Point struct {
	X, Y, Z float64
	Phase   float64
}

// distance is the length in metres from the hologram to the middle of the scene.
//
// Two limits meet here, for a frame of N pixels of pitch p on its longer side. The fringes of
// a point stay wider than two pixels for a distance of at least 2·(0.5+0.34)·N·p²/λ; the
// transfer function of the angular spectrum, padded to 2N, is sampled without aliasing up
// to 2·N·p²/λ. 1.8 lies between, and gives a focus of about two pixels at every size.
func distance(width, height int) float64 {
	return 1.8 * float64(max(width, height)) * PixelPitch * PixelPitch / Wavelength
}

// scene puts the points of the scene at the given time into points: the outline of a
// five-pointed star which turns in its plane and tilts to and fro about the vertical axis.
func scene(points []Point, width, height int, at time.Time) {
	sin, cos := math.Sincos(2 * math.Pi * cycle(at, turnPeriod))
	sinTilt, cosTilt := math.Sincos(maxTilt * math.Sin(2*math.Pi*cycle(at, tiltPeriod)))
	radius := outerRatio * float64(min(width, height)) * PixelPitch
	middle := distance(width, height)
	for i := range points {
		x, y := star(float64(i) / float64(len(points)))
		x, y = radius*(x*cos-y*sin), radius*(x*sin+y*cos)
		_, spread := math.Modf(float64(i) * math.Phi)
		points[i] = Point{
			X: x * cosTilt,
			Y: y,
			Z: middle + x*sinTilt,
			// Neighbours in step would add up to one bright spot; the golden ratio keeps them out of step.
			Phase: 2 * math.Pi * spread,
		}
	}
}

// cycle is the share, 0 to 1, of the period that has passed at the given time. It counts in whole
// microseconds, as the request does, so that no precision is lost far from 1970.
func cycle(at time.Time, period time.Duration) float64 {
	length := period.Microseconds()
	passed := at.UnixMicro() % length
	if passed < 0 {
		passed += length
	}
	return float64(passed) / float64(length)
}

// star is the point at the given share, 0 to 1, of the way round a five-pointed star with tips at radius 1.
func star(share float64) (x, y float64) {
	corner, along := math.Modf(share * 2 * starTips)
	x0, y0 := starCorner(int(corner))
	x1, y1 := starCorner(int(corner) + 1)
	return x0 + (x1-x0)*along, y0 + (y1-y0)*along
}

func starCorner(i int) (x, y float64) {
	radius := 1.0
	if i%2 == 1 {
		radius = innerRatio
	}
	// Rows of a picture count downwards: the first tip points up.
	y, x = math.Sincos(math.Pi*float64(i)/starTips - math.Pi/2)
	return radius * x, radius * y
}
