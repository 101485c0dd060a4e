package timeline

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const head = "time,offered_frames_per_second,frames_per_second,overruns_per_second,desired_replicas,ready_replicas,in_budget_share\n"

func TestCSVGolden(t *testing.T) {
	var csv bytes.Buffer
	require.NoError(t, story().WriteCSV(&csv))
	golden(t, "testdata/story.csv", csv.Bytes())

	read, err := ReadCSV(bytes.NewReader(csv.Bytes()))
	require.NoError(t, err)
	assert.Equal(t, story().Points(), read.Points(), "what is read is what was written")
}

func TestReadCSV(t *testing.T) {
	tests := map[string]struct {
		csv     string
		want    []Point
		wantErr string
	}{
		"gaps stay gaps":  {csv: head + "2026-01-02T15:04:05.000Z,,1,0,,2,NaN\n", want: []Point{{At: start, FramesPerSecond: Read(1), OverrunsPerSecond: Read(0), ReadyReplicas: Read(2)}}},
		"no points":       {csv: head},
		"empty":           {csv: "", wantErr: "the timeline's first line is not"},
		"another table":   {csv: "time,load\n", wantErr: "the timeline's first line is not"},
		"short row":       {csv: head + "2026-01-02T15:04:05.000Z,1\n", wantErr: "reading the timeline: record on line 2: wrong number of fields"},
		"not a time":      {csv: head + "noon,,,,,,\n", wantErr: `line 2 of the timeline has the time "noon"; write one such as 2026-01-02T15:04:05.000Z`},
		"not a number":    {csv: head + "2026-01-02T15:04:05.000Z,,,many,,,\n", wantErr: `line 2 of the timeline has "many" as overruns_per_second; write a number, or nothing where it is not known`},
		"a number's unit": {csv: head + "2026-01-02T15:04:05.000Z,,,,,,50%\n", wantErr: `line 2 of the timeline has "50%" as in_budget_share; write a number, or nothing where it is not known`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			read, err := ReadCSV(strings.NewReader(test.csv))
			if test.wantErr != "" {
				require.ErrorContains(t, err, test.wantErr)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, read.Points())
		})
	}
}
