// Package hologram computes phase holograms of a small moving scene.
package hologram

import (
	"fmt"
	"math"
	"time"
)

// Limits of a frame. The largest one takes minutes; the limits catch slips of the pen, not slow settings.
const (
	MinSide   = 8
	MaxSide   = 2048
	MinPoints = 1
	MaxPoints = 100_000
)

// Renderer computes frames of one size. It keeps its buffers between frames, so it serves one
// goroutine at a time.
type Renderer struct {
	width, height int
	points        []Point
}

// New makes a renderer of frames of width x height pixels, of a scene of the given number of points.
// It returns an error when a size is outside MinSide..MaxSide or the points are outside MinPoints..MaxPoints.
func New(width, height, points int) (*Renderer, error) {
	for _, side := range []struct {
		name   string
		pixels int
	}{{"width", width}, {"height", height}} {
		if side.pixels < MinSide || side.pixels > MaxSide {
			return nil, fmt.Errorf("frame %s %d is outside %d to %d pixels", side.name, side.pixels, MinSide, MaxSide)
		}
	}
	if points < MinPoints || points > MaxPoints {
		return nil, fmt.Errorf("frame points %d are outside %d to %d", points, MinPoints, MaxPoints)
	}
	return &Renderer{width: width, height: height, points: make([]Point, points)}, nil
}

// AppendPhase appends the phase hologram of the scene at the given time to dst: width*height
// bytes, row by row from the top, 0..255 for a phase of 0..2π. The same time in microseconds
// gives the same bytes.
//
// The method is the superposition of point sources: each point j of the scene adds the wave that
// converges on it, so the field of a pixel at distance r_j from the point is
//
//	U = Σ_j 1/r_j · exp(i·(φ_j − 2π/λ·r_j))
//
// and the hologram is the argument of U. Source: J. P. Waters, "Holographic image synthesis
// utilizing theoretical methods", Applied Physics Letters 9 (1966) 405-407.
func (r *Renderer) AppendPhase(dst []byte, at time.Time) []byte {
	const k = 2 * math.Pi / Wavelength
	scene(r.points, r.width, r.height, at)
	for row := range r.height {
		y := offset(row, r.height)
		for column := range r.width {
			x := offset(column, r.width)
			var re, im float64
			for i := range r.points {
				p := &r.points[i]
				dx, dy := x-p.X, y-p.Y
				length := math.Sqrt(dx*dx + dy*dy + p.Z*p.Z)
				sin, cos := math.Sincos(p.Phase - k*length)
				re += cos / length
				im += sin / length
			}
			dst = append(dst, quantise(math.Atan2(im, re)))
		}
	}
	return dst
}

// offset is the distance in metres of a pixel's centre from the middle of a side of the given number of pixels.
func offset(pixel, side int) float64 {
	return (float64(pixel) - float64(side-1)/2) * PixelPitch
}

// quantise turns a phase in radians into the nearest of 256 steps of a turn.
func quantise(phase float64) byte {
	return byte(int(math.Round(phase/(2*math.Pi)*256)) & 0xff)
}
