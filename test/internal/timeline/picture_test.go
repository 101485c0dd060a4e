package timeline

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSVGGolden(t *testing.T) {
	var svg bytes.Buffer
	require.NoError(t, story().WriteSVG(&svg))
	golden(t, "testdata/story.svg", svg.Bytes())
}

func TestSVGOfFewReadings(t *testing.T) {
	for name, point := range map[string]Point{
		"all missing": {At: start},
		"some":        {At: start, OfferedFramesPerSecond: Read(1), DesiredReplicas: Read(2)},
	} {
		var svg bytes.Buffer
		require.NoError(t, (&Timeline{points: []Point{point}}).WriteSVG(&svg), name)
		assert.NotRegexp(t, `NaN|Inf`, svg.String(), name)
	}
	assert.EqualError(t, new(Timeline).WriteSVG(io.Discard), "the timeline holds no points, so there is nothing to draw")
}
