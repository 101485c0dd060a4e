package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/sim/report"
)

// TestMeasured: a recorded run has the figures that a simulated one of the same rows has, whether alone or
// beside a simulation.
func TestMeasured(t *testing.T) {
	folder := t.TempDir()
	load := file(t, "load.csv", "seconds,load\n0,1.2\n120,1.2\n120,4.5\n1200,4.5\n")
	recorded, figures, svg := filepath.Join(folder, "late-frames-only.csv"), filepath.Join(folder, "figures.json"), filepath.Join(folder, "both.svg")
	values := file(t, "values.yaml", "signals: {demand: {enabled: false}}\nautoscaling: {behavior: null}\n")
	simulated := strings.Split(run(t, "--trace", load, "--values", values, "--seeds", "1", "--csv", recorded), "\n")[3]

	alone := run(t, "--measured", recorded)
	assert.Contains(t, alone, "Measured, 20 minutes\n")
	assert.Equal(t, strings.Fields(simulated)[1:], strings.Fields(strings.Split(alone, "\n")[3])[len(strings.Fields("late frames only")):], "the same rows, the same figures")

	beside := run(t, "--measured", recorded, "--trace", load, "--values", values, "--seeds", "1", "--json", figures, "--svg", svg, "--title", "Both")
	assert.Contains(t, beside, "late frames only, measured")
	assert.Contains(t, beside, "values, simulated")
	var list []report.Figures
	data, err := os.ReadFile(figures)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &list))
	require.Len(t, list, 2)
	assert.Zero(t, list[1].MeanReplicaDeviation, "the same policy under the same load")
	// The recording's frames are rounded.
	assert.InDelta(t, list[1].BadFrames, list[0].BadFrames, 5)
	assert.Positive(t, list[0].BadFrames)
	list[0].Name, list[0].Frames, list[0].BadFrames, list[0].WorstMinuteRatio = list[1].Name, list[1].Frames, list[1].BadFrames, list[1].WorstMinuteRatio
	assert.Equal(t, list[1], list[0])
	picture, err := os.ReadFile(svg)
	require.NoError(t, err)
	assert.Contains(t, string(picture), ">Both</text>")
	assert.Contains(t, string(picture), "late frames only, measured")
}

func TestMeasuredRefuses(t *testing.T) {
	good := "seconds,load,capacity,replicas,ready,pods,oracle,frames,late\n0,1,1,2,2,2,,60,0\n"
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no file":        {[]string{"--measured", "nowhere.csv"}, "--measured: open nowhere.csv"},
		"another's file": {[]string{"--measured", file(t, "a.csv", "seconds,load\n0,1\n")}, "a.csv: line 1: a timeline begins with seconds,load,capacity,replicas,ready,pods,oracle,frames,late, and one row a second follows"},
		"values alone":   {[]string{"--measured", file(t, "b.csv", good), "--values", "x.yaml"}, "--measured is simulated beside a run only for that run's load; write --trace load.csv too"},
	} {
		t.Run(name, func(t *testing.T) {
			err := simulate(append([]string{"--chart", experimental}, c.args...), io.Discard, io.Discard)
			require.ErrorContains(t, err, c.want)
		})
	}
}
