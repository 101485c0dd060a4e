package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGapsStayGaps(t *testing.T) {
	s := Series{Color: Orange, Line: true, Area: true}
	for i, v := range []float64{4, 2, math.NaN(), 3, math.NaN(), 1, 1} {
		s.Points = append(s.Points, Point{At: time.Duration(i) * time.Second, Value: v})
	}
	svg := drawn(t, Picture{Span: 6 * time.Second, Panels: []Panel{{Height: 92, Ticks: []float64{0, 4}, Series: []Series{s}}}})
	path := pathOf(t, svg, "line orange")
	assert.Equal(t, 3, strings.Count(path, "M"), "one path for each run of points: %s", path)
	assert.Contains(t, path, "h0", "a point between two gaps is a dot")
	assert.NotContains(t, path, pixels(firstPanel+92), "no point is zero")
	assert.Equal(t, 3, strings.Count(pathOf(t, svg, "area orange"), "Z"), "one area for each run of points")
}

func TestStep(t *testing.T) {
	s := Series{Color: Ink, Dashed: true, Step: true, Points: []Point{{At: 0, Value: 0}, {At: time.Second, Value: 4}, {At: 2 * time.Second, Value: 4}}}
	svg := drawn(t, Picture{Span: 2 * time.Second, Panels: []Panel{{Height: 100, Ticks: []float64{0, 4}, Series: []Series{s}}}})
	assert.Equal(t, "M58 198H450V98H842", pathOf(t, svg, "line dashed ink"))
}

func TestMarkupAndTimesOutsideTheAxis(t *testing.T) {
	svg := drawn(t, Picture{
		Title: `<&"'>`, About: "<", From: "&", Span: time.Hour, Keys: []Key{{Color: Blue, Name: "<a>", Note: "&"}},
		Events: []Event{{-time.Hour, "<before>"}, {2 * time.Hour, "after&"}},
		Panels: []Panel{{
			Heading: "<", Unit: "&", Height: 10, Ticks: []float64{0, 1}, Series: []Series{{Name: "<", Color: Blue, Line: true}},
			Bounds: []Bound{{1, "<"}}, Marks: []Mark{{At: 2 * time.Hour, Text: "<"}},
		}},
	})
	for _, x := range regexp.MustCompile(` x[12]?="([^"]+)"`).FindAllStringSubmatch(svg, -1) {
		assert.NotContains(t, x[1], "-", "within the picture")
	}
}

func TestKeysHaveRoomOfTheirOwn(t *testing.T) {
	panels := []Panel{{Heading: "Pods", Height: 100, Ticks: []float64{0, 1}}}
	svg := drawn(t, Picture{Keys: []Key{{Name: "a"}, {Name: "b"}}, Panels: panels})
	assert.Contains(t, svg, `y="58"><tspan class="heading">a<`)
	assert.Contains(t, svg, `y="76"><tspan class="heading">b<`)
	assert.Contains(t, svg, `y="106"><tspan class="heading">Pods<`)
}

func TestNothingToDraw(t *testing.T) {
	const want = "the picture has no panel, or ends before it begins"
	require.EqualError(t, Picture{}.Write(io.Discard), want)
	require.EqualError(t, Picture{Span: -1, Panels: []Panel{{Ticks: []float64{0, 1}}}}.Write(io.Discard), want)
}

// drawn is the picture, which is XML without a number that is none.
func drawn(t *testing.T, p Picture) string {
	t.Helper()
	var svg bytes.Buffer
	require.NoError(t, p.Write(&svg))
	assert.NotRegexp(t, `NaN|Inf`, svg.String())
	decoder := xml.NewDecoder(bytes.NewReader(svg.Bytes()))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return svg.String()
		} else if err != nil {
			require.NoError(t, err, "the picture is not XML")
		}
	}
}

// pathOf returns the only path of the class in a picture.
func pathOf(t *testing.T, svg, class string) string {
	t.Helper()
	paths := regexp.MustCompile(`<path class="`+class+`" d="(M[^"]*)"`).FindAllStringSubmatch(svg, -1)
	require.Len(t, paths, 1, "paths of the class %s", class)
	return paths[0][1]
}
