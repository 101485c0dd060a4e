package hologram

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"image/png"
	"math"
	"math/cmplx"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var noon = time.UnixMicro(1_767_268_800_123_456)

func newRenderer(t testing.TB, width, height, points int) *Renderer {
	t.Helper()
	r, err := New(width, height, points)
	require.NoError(t, err)
	return r
}

func TestPhaseMatchesGolden(t *testing.T) {
	golden := filepath.Join("testdata", "phase-16x16.golden")
	phase := newRenderer(t, 16, 16, 10).AppendPhase(nil, noon)
	if *update {
		var rows strings.Builder
		for row := range 16 {
			fmt.Fprintf(&rows, "%x\n", phase[row*16:(row+1)*16])
		}
		require.NoError(t, os.WriteFile(golden, []byte(rows.String()), 0o644))
	}
	text, err := os.ReadFile(golden)
	require.NoError(t, err)
	want, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	require.NoError(t, err)
	require.Len(t, phase, len(want))
	for i := range want {
		// Processors with a fused multiply-add may round the last step the other way; 255 and 0 are neighbours.
		assert.LessOrEqualf(t, math.Abs(float64(int8(phase[i]-want[i]))), 1.0, "pixel %d,%d", i%16, i/16)
	}
}

func TestSameTimeGivesSameBytes(t *testing.T) {
	r := newRenderer(t, 24, 16, 10)
	first := r.AppendPhase(nil, noon)
	later := r.AppendPhase(nil, noon.Add(100*time.Millisecond))
	again := r.AppendPhase(nil, noon)
	assert.Len(t, first, 24*16)
	assert.Equal(t, first, again)
	assert.NotEqual(t, first, later, "the scene moves")
	assert.Equal(t, first, newRenderer(t, 24, 16, 10).AppendPhase(nil, noon), "a second renderer agrees")
}

// A hologram is right when its light meets at the points of the scene.
func TestReconstructionShowsThePoints(t *testing.T) {
	for _, size := range []struct{ width, height, points int }{{64, 64, 40}, {64, 40, 20}, {50, 50, 10}} {
		t.Run(fmt.Sprintf("%dx%dx%d", size.width, size.height, size.points), func(t *testing.T) {
			r := newRenderer(t, size.width, size.height, size.points)
			intensity := r.reconstruct(r.AppendPhase(nil, noon))
			var everywhere, atPoints float64
			for _, i := range intensity {
				everywhere += i / float64(len(intensity))
			}
			for _, p := range r.points {
				column := int(math.Round(p.X/PixelPitch + float64(size.width-1)/2))
				row := int(math.Round(p.Y/PixelPitch + float64(size.height-1)/2))
				atPoints += intensity[row*size.width+column] / float64(len(r.points))
			}
			assert.Greater(t, atPoints/everywhere, 10.0, "mean intensity at the points against the mean of the picture")
		})
	}
}

// A prism of 112/256 of a turn per pixel moves the light by 0.79 of the width: most leaves the picture
// on one side, and none may come back on the other.
func TestReconstructionLetsLightLeave(t *testing.T) {
	const side = 64
	prism := make([]byte, side*side)
	for i := range prism {
		prism[i] = byte(112 * (i % side))
	}
	var left, all float64
	for i, intensity := range newRenderer(t, side, side, 1).reconstruct(prism) {
		all += intensity / (side * side)
		if i%side < side/2 {
			left += intensity / (side * side)
		}
	}
	assert.InDelta(t, 0.21, all, 0.02, "share of the light that stays in the picture")
	assert.Less(t, left, 0.03, "share of the light that is on the wrong side")
}

func TestPNGIsAPicture(t *testing.T) {
	r := newRenderer(t, 64, 32, 10)
	picture, err := png.Decode(bytes.NewReader(r.AppendPNG(nil, noon)))
	require.NoError(t, err)
	assert.Equal(t, 512, picture.Bounds().Dx())
	assert.Equal(t, 256, picture.Bounds().Dy())
	assert.Equal(t, r.AppendPNG(nil, noon), r.AppendPNG(nil, noon))
}

func TestFFTMatchesTheSum(t *testing.T) {
	const n = 16
	x := make([]complex128, n)
	for i := range x {
		x[i] = cmplx.Rect(float64(i%5), float64(i*i))
	}
	twiddles := make([]complex128, n/2)
	for i := range twiddles {
		twiddles[i] = cmplx.Rect(1, -2*math.Pi*float64(i)/n)
	}
	got := append([]complex128(nil), x...)
	fft(got, twiddles, false)
	for f := range got {
		var want complex128
		for i := range x {
			want += x[i] * cmplx.Rect(1, -2*math.Pi*float64(f*i)/n)
		}
		assert.InDelta(t, 0, cmplx.Abs(want-got[f]), 1e-12, "bin %d", f)
	}
	fft(got, twiddles, true)
	for i := range x {
		assert.InDelta(t, 0, cmplx.Abs(x[i]-got[i]), 1e-12, "sample %d", i)
	}
}

func TestNewRefusesImpossibleFrames(t *testing.T) {
	for _, size := range []struct {
		width, height, points int
		want                  string
	}{
		{7, 64, 1, "frame width 7 is outside 8 to 2048 pixels"},
		{64, 2049, 1, "frame height 2049 is outside 8 to 2048 pixels"},
		{64, 64, 0, "frame points 0 are outside 1 to 100000"},
	} {
		_, err := New(size.width, size.height, size.points)
		assert.EqualError(t, err, size.want)
	}
}

func BenchmarkPhase(b *testing.B) {
	for _, size := range []struct{ width, height, points int }{{16, 16, 10}, {32, 32, 20}, {48, 48, 20}, {64, 64, 20}, {64, 64, 30}} {
		b.Run(fmt.Sprintf("%dx%dx%d", size.width, size.height, size.points), func(b *testing.B) {
			r := newRenderer(b, size.width, size.height, size.points)
			var frame []byte
			for b.Loop() {
				frame = r.AppendPhase(frame[:0], noon)
			}
		})
	}
}

func BenchmarkPNG(b *testing.B) {
	r := newRenderer(b, 64, 64, 30)
	var frame []byte
	for b.Loop() {
		frame = r.AppendPNG(frame[:0], noon)
	}
}
