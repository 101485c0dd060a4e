package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/sim/fleet"
	"holograph/test/sim/report"
	"holograph/test/sim/sim"
)

const timelineHeader = "seconds,load,capacity,replicas,ready,pods,oracle,frames,late\n"

func TestReadTimelineGivesWhatTimelineWrote(t *testing.T) {
	rows := []fleet.Row{
		{Load: 1.2, Capacity: 1, Spec: 2, Ready: 2, Pods: 2, Frames: 72, Late: 0},
		{Load: 4.5, Capacity: 0.9, Spec: 6, Ready: 2, Pods: 6, Frames: 270, Late: 150.25},
	}
	var out bytes.Buffer
	require.NoError(t, report.Timeline(&out, rows, sim.Judge(rows, fleet.Defaults()).Oracle.Pods))
	got, err := report.ReadTimeline("x.csv", &out)
	require.NoError(t, err)
	assert.Equal(t, rows, got)
}

// TestTimelineOfARecording: what was counted is whole, and the oracle is the reader's to compute.
func TestTimelineOfARecording(t *testing.T) {
	rows := []fleet.Row{{Load: 1.2, Capacity: 0.95, Spec: 2, Ready: 2, Pods: 3, Frames: 20, Late: 1}, {Load: 4.5, Capacity: 0.95, Spec: 6, Ready: 2, Pods: 6, Frames: 75, Late: 42.126}}
	var out bytes.Buffer
	require.NoError(t, report.Timeline(&out, rows, nil))
	assert.Equal(t, timelineHeader+"0,1.2,0.95,2,2,3,,20,1\n1,4.5,0.95,6,2,6,,75,42.13\n", out.String())
}

func TestReadTimelineRefuses(t *testing.T) {
	const row = "0,1.2,1,2,2,2,,72,0\n"
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {"", "x.csv: line 1: a timeline begins with " + strings.TrimSpace(timelineHeader) + ", and one row a second follows"},
		"a trace":           {"seconds,load\n0,1\n", "x.csv: line 1: a timeline begins with"},
		"no row":            {timelineHeader, "x.csv: line 1: a timeline begins with"},
		"a column short":    {timelineHeader + row + "1,1.2\n", "x.csv: record on line 3: wrong number of fields"},
		"no number":         {timelineHeader + "0,much,1,2,2,2,,72,0\n", `x.csv: line 2, column 2: "much" is no number of load`},
		"below zero":        {timelineHeader + "0,1.2,1,2,2,2,,72,-1\n", `x.csv: line 2, column 9: "-1" is no number of late`},
		"a second left out": {timelineHeader + row + "2,1.2,1,2,2,2,,72,0\n", "x.csv: line 3, column 1: second 2 follows second 0; write one row a second, from 0 on"},
		"no capacity":       {timelineHeader + "0,1.2,0,2,2,2,,72,0\n", "x.csv: line 2: a capacity of 0, or more frames late than offered"},
		"more late":         {timelineHeader + "0,1.2,1,2,2,2,,72,73\n", "x.csv: line 2: a capacity of 0, or more frames late than offered"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := report.ReadTimeline("x.csv", strings.NewReader(c.text))
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestDeviation(t *testing.T) {
	rows := func(replicas ...int) []fleet.Row {
		out := make([]fleet.Row, len(replicas))
		for i, n := range replicas {
			out[i].Spec = n
		}
		return out
	}
	assert.InDelta(t, 1.5, report.Deviation(rows(2, 4, 6, 6), rows(2, 6, 6, 10)), 1e-9)
	assert.Zero(t, report.Deviation(rows(2, 4), rows(2, 4, 9)), "over what both have")
}
