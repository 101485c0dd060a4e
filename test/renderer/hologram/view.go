package hologram

import (
	"bytes"
	"image"
	"image/png"
	"math"
	"math/bits"
	"math/cmplx"
	"slices"
	"time"
)

// shortestPicture is the least number of pixels on a picture's shorter side: a frame of 64 pixels
// is too small on a screen to make out its points.
const shortestPicture = 256

// view holds what it takes to look at a hologram; only pictures need it.
type view struct {
	side     int // padded side of the square field, a power of two
	field    []complex128
	column   []complex128
	transfer []complex128
	twiddles []complex128
	encoder  png.Encoder
}

// AppendPNG appends a grey PNG of what an eye would see in the plane of the scene at the given
// time, lit by the hologram of that time, to dst. Pixels are repeated until the shorter side has
// at least 256 of them.
func (r *Renderer) AppendPNG(dst []byte, at time.Time) []byte {
	r.phase = r.AppendPhase(r.phase[:0], at)
	intensity := r.reconstruct(r.phase)

	// A few pixels are far brighter than the rest; the brightest hundredth may saturate.
	sorted := slices.Sorted(slices.Values(intensity))
	white := sorted[len(sorted)-1-len(sorted)/100]
	zoom := (shortestPicture + min(r.width, r.height) - 1) / min(r.width, r.height)
	picture := image.NewGray(image.Rect(0, 0, r.width*zoom, r.height*zoom))
	for y := range r.height * zoom {
		for x := range r.width * zoom {
			grey := math.Sqrt(min(1, intensity[y/zoom*r.width+x/zoom]/white))
			picture.Pix[y*picture.Stride+x] = byte(math.Round(255 * grey))
		}
	}
	out := bytes.NewBuffer(dst)
	if err := r.view.encoder.Encode(out, picture); err != nil {
		panic(err) // a grey picture of a valid size always fits in memory
	}
	return out.Bytes()
}

// reconstruct propagates a plane wave with the given phases to the middle plane of the scene and
// returns the intensity there, width*height values row by row.
//
// The method is the angular spectrum of plane waves: the spectrum of the field is multiplied by
// exp(i·2π·z·√(1/λ² − f_x² − f_y²)). Source: J. W. Goodman, "Introduction to Fourier Optics",
// chapter 3. The field is padded to at least twice its side; see distance for why that is enough.
func (r *Renderer) reconstruct(phase []byte) []float64 {
	if r.view == nil {
		r.view = newView(r.width, r.height)
	}
	v := r.view
	clear(v.field)
	for i, step := range phase {
		sin, cos := math.Sincos(2 * math.Pi * float64(step) / 256)
		v.field[i/r.width*v.side+i%r.width] = complex(cos, sin)
	}
	v.transform(false)
	for i := range v.field {
		v.field[i] *= v.transfer[i]
	}
	v.transform(true)
	intensity := make([]float64, len(phase))
	for i := range intensity {
		u := v.field[i/r.width*v.side+i%r.width]
		intensity[i] = real(u)*real(u) + imag(u)*imag(u)
	}
	return intensity
}

func newView(width, height int) *view {
	side := 1 << bits.Len(uint(2*max(width, height)-1))
	v := &view{
		side:     side,
		field:    make([]complex128, side*side),
		column:   make([]complex128, side),
		transfer: make([]complex128, side*side),
		twiddles: make([]complex128, side/2),
		encoder:  png.Encoder{CompressionLevel: png.BestSpeed},
	}
	for i := range v.twiddles {
		v.twiddles[i] = cmplx.Rect(1, -2*math.Pi*float64(i)/float64(side))
	}
	z := distance(width, height)
	for row := range side {
		for column := range side {
			fx, fy := frequency(column, side), frequency(row, side)
			v.transfer[row*side+column] = cmplx.Rect(1, 2*math.Pi*z*math.Sqrt(1/(Wavelength*Wavelength)-fx*fx-fy*fy))
		}
	}
	return v
}

// frequency is the spatial frequency, per metre, of a bin of a transform of the given side.
func frequency(bin, side int) float64 {
	if bin >= side/2 {
		bin -= side
	}
	return float64(bin) / (float64(side) * PixelPitch)
}

// transform replaces the field by its two-dimensional Fourier transform, or by the inverse.
func (v *view) transform(inverse bool) {
	for row := range v.side {
		fft(v.field[row*v.side:(row+1)*v.side], v.twiddles, inverse)
	}
	for column := range v.side {
		for row := range v.side {
			v.column[row] = v.field[row*v.side+column]
		}
		fft(v.column, v.twiddles, inverse)
		for row := range v.side {
			v.field[row*v.side+column] = v.column[row]
		}
	}
}

// fft replaces x, whose length is a power of two of at least 2, by its discrete Fourier transform, or
// by the inverse with its factor of 1/len(x). twiddles holds exp(-2πi·j/len(x)) for the first half of
// the turn. The method is the radix-2 one of J. W. Cooley and J. W. Tukey, Mathematics of
// Computation 19 (1965) 297-301.
func fft(x, twiddles []complex128, inverse bool) {
	n := len(x)
	shift := 64 - bits.Len(uint(n-1))
	for i := range x {
		if j := int(bits.Reverse64(uint64(i)) >> shift); j > i {
			x[i], x[j] = x[j], x[i]
		}
	}
	for size := 2; size <= n; size *= 2 {
		half, stride := size/2, n/size
		for start := 0; start < n; start += size {
			for j := range half {
				w := twiddles[j*stride]
				if inverse {
					w = cmplx.Conj(w)
				}
				even, odd := x[start+j], w*x[start+j+half]
				x[start+j], x[start+j+half] = even+odd, even-odd
			}
		}
	}
	if inverse {
		for i := range x {
			x[i] /= complex(float64(n), 0)
		}
	}
}
