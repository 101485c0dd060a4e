package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/sim/manifest"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	experimental = "testdata/experiments"
	shipped      = "../../charts/holograph"
)

func run(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, simulate(append([]string{"--chart", experimental}, args...), &out, io.Discard))
	return out.String()
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// TestCompareGolden fixes what the command prints: another seed, clock or number of cores changes nothing.
func TestCompareGolden(t *testing.T) {
	lateOnly := file(t, "late-frames-only.yaml", "signals: {overruns: {window: 2m, limit: \"\"}, demand: {enabled: false}}\nautoscaling: {behavior: null}\n")
	own := file(t, "default.yaml", "{}")
	folder := t.TempDir()
	svg, csv := filepath.Join(folder, "step.svg"), filepath.Join(folder, "step.csv")
	out := run(t, "--trace", "step", "--seeds", "3", "--svg", svg, "--csv", csv, "--compare", lateOnly, own)
	golden := filepath.Join("testdata", "compare.txt")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(out), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), out)

	picture, err := os.ReadFile(svg)
	require.NoError(t, err)
	decoder := xml.NewDecoder(bytes.NewReader(picture))
	for {
		if _, err = decoder.Token(); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, io.EOF, "the picture is well-formed")
	for _, text := range []string{"late-frames-only", "default", "oracle", "load", "Late or refused"} {
		assert.Contains(t, string(picture), text)
	}
	for _, name := range []string{"late-frames-only", "default"} {
		timeline, err := os.ReadFile(filepath.Join(folder, "step-"+name+".csv"))
		require.NoError(t, err)
		assert.Equal(t, 7201, strings.Count(string(timeline), "\n"), "a header and a row a second")
	}
}

// TestTraceFile: a user's own CSV is as good as a standard trace.
func TestTraceFile(t *testing.T) {
	own := file(t, "mine.csv", "seconds,load\n0,1.5\n300,1.5\n300,4\n1200,4\n")
	assert.Contains(t, run(t, "--trace", own, "--seeds", "1"), "mine, 20 minutes, means of 1 seeds")
}

func TestAllTraces(t *testing.T) {
	out := run(t, "--trace", "all", "--seeds", "1")
	for _, want := range []string{"step ", "load-1 ", "bursts ", "default: 0."} {
		assert.Contains(t, out, want)
	}
	assert.NotContains(t, out, "load-100")
}

func TestPeakAboveMax(t *testing.T) {
	assert.Contains(t, run(t, "--trace", "load-100", "--seeds", "1"), "Note: load-100 needs 100 pods at its peak, but autoscaling.maxReplicas of default is 10; --max-replicas raises it.")
	assert.NotContains(t, run(t, "--trace", "load-100", "--seeds", "1", "--min-replicas", "30", "--max-replicas", "150"), "Note")
}

// TestTune searches a little and writes values that charts/holograph takes, whose validation is strict.
func TestTune(t *testing.T) {
	out := filepath.Join(t.TempDir(), "tuned.yaml")
	search := []string{"--chart", shipped, "--tune", "--trace", "step", "--tries", "24", "--seeds", "1", "--pod-hours", "1.3", "--out", out}
	printed := run(t, search...)
	assert.Contains(t, printed, "Pareto front")
	assert.Equal(t, printed, run(t, search...), "the same search gives the same answer")
	v, err := manifest.ReadValues(out)
	require.NoError(t, err)
	c, err := manifest.Load(shipped)
	require.NoError(t, err)
	_, err = c.Render(v)
	require.NoError(t, err)
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(text), "# Found by the simulator: 24 policies, traces step.\n"), string(text))
	assert.Contains(t, run(t, "--chart", shipped, "--trace", "step", "--seeds", "1", "--values", out), "slo.objective of 99.5 % kept")
}

func TestTuneForASLO(t *testing.T) {
	out := filepath.Join(t.TempDir(), "tuned.yaml")
	assert.NotContains(t, run(t, "--tune", "--trace", "flash-crowd", "--tries", "30", "--seeds", "1", "--slo", "99", "--out", out), "No policy kept the limit")
	assert.Contains(t, run(t, "--tune", "--trace", "flash-crowd", "--tries", "6", "--seeds", "1", "--slo", "100", "--out", out), "No policy kept the limit")
}

func TestTuneFolder(t *testing.T) {
	own := file(t, "a.csv", "seconds,load\n0,1.5\n600,3\n")
	out := filepath.Join(t.TempDir(), "tuned.yaml")
	assert.Contains(t, run(t, "--tune", "--trace", filepath.Dir(own), "--tries", "3", "--seeds", "1", "--pod-hours", "1.5", "--out", out), "3 policies, traces a, means")
}

// TestWrongInput: one clear sentence.
func TestWrongInput(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		want string
		args []string
	}{
		{"--trace rush-hour is neither a file nor a standard trace; those are step, ramp, flash-crowd", []string{"--trace", "rush-hour"}},
		{"--trace: open none.csv: no such file or directory", []string{"--trace", "none.csv"}},
		{"bad.csv: line 2, column 3: load is \"x\"; write a number", []string{"--trace", file(t, "bad.csv", "seconds,load\n0,x\n")}},
		{"--values: open none.yaml: no such file or directory", []string{"--values", "none.yaml"}},
		{"min.yaml: line 1, column 28: HorizontalPodAutoscaler: spec.minReplicas: Invalid value: 0", []string{"--values", file(t, "min.yaml", "autoscaling: {minReplicas: 0}")}},
		{"--compare wants two or more values files after the flags", []string{"--compare", "a.yaml"}},
		{`"a.yaml" is not a flag; values files follow --compare, everything else has a flag of its own`, []string{"a.yaml"}},
		{"--tune wants one goal: --pod-hours 1.4", []string{"--tune"}},
		{"--tune wants one goal: --pod-hours 1.4", []string{"--tune", "--slo", "99", "--pod-hours", "2"}},
		{"--tune on the test set would leave no loads to judge the policy on", []string{"--tune", "--trace", "test", "--slo", "99"}},
		{"has no CSV files in it", []string{"--tune", "--trace", empty, "--slo", "99"}},
		{"--json is for one trace; write its name in place of --trace all: step, ramp,", []string{"--trace", "all", "--json", "figures.json"}},
		{"--measured is for one trace; write its name in place of --trace all: step, ramp,", []string{"--trace", "all", "--measured", "run.csv"}},
		{"--seeds is 0; write 1 or more", []string{"--seeds", "0"}},
		{"--chart none: ", []string{"--chart", "none"}},
	} {
		err := simulate(append([]string{"--chart", experimental}, c.args...), io.Discard, io.Discard)
		assert.ErrorContains(t, err, c.want, c.args)
		if err != nil {
			assert.NotContains(t, err.Error(), "\n", c.args)
		}
	}
	assert.True(t, errors.Is(simulate([]string{"--help"}, io.Discard, io.Discard), flag.ErrHelp))
}
