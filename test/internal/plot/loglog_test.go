package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLogAxis(t *testing.T) {
	a := axisOf([]float64{0.3, 40})
	assert.Equal(t, []float64{0.1, 1, 10, 100}, a.decades())
	assert.InDelta(t, 1.0/3, a.share(1), 1e-9)
	assert.Equal(t, []float64{10, 100}, axisOf([]float64{10}).decades(), "one value needs a decade too")
}

// In proportion is a straight line, and what is not above 0 has no place.
func TestLogLog(t *testing.T) {
	var svg bytes.Buffer
	require.NoError(t, LogLog{Title: "<a>", About: "&", X: "pods", Panels: []LogPanel{{
		Heading: "CPU", Unit: "ms", Height: 100,
		Curves: []Curve{{"a", Blue, []XY{{100, 1}, {1000, 10}, {10000, 100}}}, {"b", Orange, []XY{{100, 0}, {1000, math.NaN()}, {10000, 10}}}},
		Bounds: []Bound{{10, "<bound"}},
	}}}.Write(&svg))
	assert.Contains(t, svg.String(), `<path class="line blue" d="M58 198L450 148L842 98"/>`)
	assert.Contains(t, svg.String(), `<path class="line orange" d="M842 148"/>`)
	assert.NotRegexp(t, `NaN|Inf`, svg.String())
	decoder := xml.NewDecoder(&svg)
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			require.NoError(t, err, "the picture is not XML")
		}
	}
	assert.EqualError(t, LogLog{}.Write(io.Discard), "the picture has no panel")
	assert.EqualError(t, LogLog{Panels: []LogPanel{{Heading: "CPU"}}}.Write(io.Discard), `the panel "CPU" has no point above 0`)
}
