package hologram

import (
	"encoding/hex"
	"flag"
	"fmt"
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

// brightness is the intensity of the light at a place, in metres from the hologram's centre, where a plane wave lights
// the hologram: the sum of the waves of all its pixels (Huygens' principle).
func brightness(phase []byte, width int, at Point) float64 {
	const k = 2 * math.Pi / Wavelength
	var field complex128
	for i, step := range phase {
		dx, dy := at.X-offset(i%width, width), at.Y-offset(i/width, len(phase)/width)
		length := math.Sqrt(dx*dx + dy*dy + at.Z*at.Z)
		field += cmplx.Rect(1/length, 2*math.Pi*float64(step)/256+k*length)
	}
	return real(field)*real(field) + imag(field)*imag(field)
}

// A hologram is right when its light meets at the points of the scene.
func TestLightMeetsAtThePointsOfTheScene(t *testing.T) {
	for _, size := range []struct{ width, height, points int }{{64, 64, 40}, {64, 40, 20}, {50, 50, 10}} {
		t.Run(fmt.Sprintf("%dx%dx%d", size.width, size.height, size.points), func(t *testing.T) {
			r := newRenderer(t, size.width, size.height, size.points)
			phase := r.AppendPhase(nil, noon)
			var everywhere, atPoints float64
			const every = 4 // pixels between the places that stand for everywhere
			places := 0
			for y := 0; y < size.height; y += every {
				for x := 0; x < size.width; x += every {
					everywhere += brightness(phase, size.width, Point{X: offset(x, size.width), Y: offset(y, size.height), Z: r.points[0].Z})
					places++
				}
			}
			everywhere /= float64(places)
			for _, p := range r.points {
				atPoints += brightness(phase, size.width, p) / float64(size.points)
			}
			assert.Greater(t, atPoints/everywhere, 10.0, "mean brightness at the points of the scene, as a multiple of the mean brightness in their plane")
		})
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
