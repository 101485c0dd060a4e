package timeline

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSVGGolden(t *testing.T) {
	var svg bytes.Buffer
	require.NoError(t, story().WriteSVG(&svg))
	golden(t, "testdata/story.svg", svg.Bytes())
	requireXML(t, svg.Bytes())
}

func TestSVGDrawsGapsAsGaps(t *testing.T) {
	line := &Timeline{}
	for i, r := range []Reading{Read(4), Read(2), {}, Read(3), {}, Read(1), Read(1)} {
		line.Add(Point{At: start.Add(time.Duration(i) * time.Second), OverrunsPerSecond: r})
	}
	path := pathOf(t, line, "line overruns")
	assert.Equal(t, 3, strings.Count(path, "M"), "one path for each run of readings: %s", path)
	assert.Contains(t, path, "h0", "a reading alone is a dot")
	panels := line.panels()
	zero := pixels(firstPanel + panels[0].height + panelGap + panels[1].height)
	assert.NotContains(t, path, zero, "no reading is zero")
	assert.Equal(t, 3, strings.Count(pathOf(t, line, "area overruns"), "Z"), "one area for each run of readings")
}

func TestSVGOfFewReadings(t *testing.T) {
	tests := map[string]*Timeline{
		"one point, all missing": {points: []Point{{At: start}}},
		"one point":              {points: []Point{{At: start, OfferedFramesPerSecond: Read(1), DesiredReplicas: Read(2)}}},
		"markup in the texts": {Title: `<&"'>`, points: []Point{{At: start}, {At: start.Add(time.Hour)}},
			Events: []Event{{start.Add(-time.Hour), "<before>"}, {start.Add(2 * time.Hour), "after&"}}},
	}
	for name, timeline := range tests {
		t.Run(name, func(t *testing.T) {
			var svg bytes.Buffer
			require.NoError(t, timeline.WriteSVG(&svg))
			requireXML(t, svg.Bytes())
			assert.NotRegexp(t, `NaN|Inf`, svg.String())
			for _, x := range regexp.MustCompile(` x[12]?="([^"]+)"`).FindAllStringSubmatch(svg.String(), -1) {
				assert.NotContains(t, x[1], "-", "within the picture")
			}
		})
	}
	assert.EqualError(t, new(Timeline).WriteSVG(io.Discard), "the timeline holds no points, so there is nothing to draw")
}

func TestNiceTicks(t *testing.T) {
	for top, want := range map[float64][]string{
		1:    {"0", "0.5", "1"},
		0.3:  {"0", "0.1", "0.2", "0.3"},
		45:   {"0", "20", "40", "60"},
		29.5: {"0", "10", "20", "30"},
		100:  {"0", "50", "100"},
		1200: {"0", "500", "1000", "1500"},
	} {
		var got []string
		for _, v := range niceTicks(top, 4) {
			got = append(got, number(v))
		}
		assert.Equal(t, want, got, "up to %v", top)
	}
	assert.Equal(t, []float64{0, 1, 2, 3}, wholeTicks(3, 6))
	assert.Equal(t, []float64{0, 2, 4, 6, 8, 10, 12}, wholeTicks(11, 6))
}

func TestTimeTicks(t *testing.T) {
	for _, test := range []struct {
		span time.Duration
		step time.Duration
		n    int // beside 0
	}{
		{time.Second, time.Second, 1},
		{50 * time.Second, 5 * time.Second, 10},
		{330 * time.Second, time.Minute, 5},
		{10 * time.Minute, time.Minute, 10},
		{3 * time.Hour, 30 * time.Minute, 6},
		{1000 * 24 * time.Hour, 128 * 24 * time.Hour, 7},
	} {
		ticks := timeTicks(test.span, maxTimeTicks)
		require.Len(t, ticks, test.n+1, "%v", test.span)
		assert.Equal(t, test.step, ticks[1], "%v", test.span)
	}
	assert.Equal(t, "5:30", clock(330*time.Second))
	assert.Equal(t, "59:59", clock(time.Hour-time.Second))
	assert.Equal(t, "1:00:00", clock(time.Hour-time.Millisecond))
}

func requireXML(t *testing.T, svg []byte) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(svg))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			require.NoError(t, err, "the picture is not XML")
		}
	}
}

// pathOf returns the path of the class in the timeline's picture.
func pathOf(t *testing.T, timeline *Timeline, class string) string {
	t.Helper()
	var svg bytes.Buffer
	require.NoError(t, timeline.WriteSVG(&svg))
	paths := regexp.MustCompile(`<path class="`+class+`" d="([^"]*)"`).FindAllStringSubmatch(svg.String(), -1)
	require.Len(t, paths, 1, "paths of the class %s", class)
	return paths[0][1]
}
