package timing

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// output is the output of targets: images, go test without -v, and go test -v.
const output = `Obtaining 2 parts, each once for this machine
[ 1/2] k6: building go.k6.io/k6 v1.8.1
[ 2/2] quay.io/prometheus/prometheus:v3.14.0: pulling
        1m5s in all; at work: k6 (1m5s)
[ 1/2] k6: failed in 12s
[ 2/2] quay.io/prometheus/prometheus:v3.14.0: built, since the pull failed (no route), in 2m3s
?   	holograph/ci	[no test files]
ok  	holograph/ci/cache	0.021s
ok  	holograph/ci/bom	(cached)
--- FAIL: TestCluster (2.50s)
    cluster_test.go:12: the cluster is gone
FAIL
FAIL	holograph/ci/cluster	3.000s
=== RUN   TestDoctor
    --- PASS: TestDoctor/prometheus_gone (60.00s)
--- PASS: TestDoctor (130.25s)
--- PASS: TestQuick (0.10s)
PASS
ok  	holograph/test/faults	140.000s
--- PASS: TestKilled (30.00s)
FAIL	holograph/test/broken [build failed]
`

func TestOutputIsReadAndPassedOn(t *testing.T) {
	var passed bytes.Buffer
	var l log
	w := &lines{to: &passed, line: l.read}
	// A pipe gives pieces that do not end at line breaks.
	for rest := []byte(output); len(rest) > 0; {
		n, err := w.Write(rest[:min(7, len(rest))])
		require.NoError(t, err)
		rest = rest[n:]
	}
	l.flush()
	assert.Equal(t, output, passed.String())
	assert.Equal(t, []row{
		{name: "k6", took: 12 * time.Second, outcome: "FAILED"},
		{name: "quay.io/prometheus/prometheus:v3.14.0", took: 123 * time.Second},
		{name: "holograph/ci/cache", took: 21 * time.Millisecond},
		{name: "holograph/ci/bom", outcome: "cached"},
		{name: "holograph/ci/cluster", took: 3 * time.Second, outcome: "FAILED", parts: []row{{name: "TestCluster", took: 2500 * time.Millisecond, outcome: "FAILED"}}},
		{name: "holograph/test/faults", took: 140 * time.Second, parts: []row{
			{name: "TestDoctor", took: 130250 * time.Millisecond}, {name: "TestQuick", took: 100 * time.Millisecond},
		}},
		{name: "TestKilled", took: 30 * time.Second},
	}, l.rows)
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	write(&out, []row{
		{name: "vet", took: 9 * time.Second},
		{name: "stories", took: 200 * time.Second, outcome: "FAILED", parts: []row{
			{name: "holograph/test/faults", took: 140 * time.Second, outcome: "FAILED", parts: []row{
				{name: "TestDoctor", took: 130 * time.Second},
				{name: "TestPage", took: 10 * time.Millisecond, outcome: "FAILED"},
				{name: "TestA"}, {name: "TestB", took: 600 * time.Millisecond},
			}},
		}},
		{name: "check", outcome: "not run"},
	}, 209*time.Second)
	var got []string
	for line := range strings.Lines(out.String()) {
		assert.LessOrEqual(t, len(line), 121)
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	assert.Equal(t, []string{
		"target time outcome",
		strings.Repeat("-", width+20),
		"vet 0:09 ok",
		"stories 3:20 FAILED",
		"holograph/test/faults 2:20 FAILED",
		"TestDoctor 2:10",
		"TestPage 0:00 FAILED",
		"2 below 1s or cached 0:01",
		"check 0:00 not run",
		strings.Repeat("-", width+20),
		"total 3:29",
	}, got[3:])
}

// A failure fails make, and later targets are not made.
func TestAFailureIsReturnedAfterTheTable(t *testing.T) {
	bin := t.TempDir()
	// This make prints its target, and fails for one of them.
	require.NoError(t, os.WriteFile(filepath.Join(bin, "make"), []byte("#!/bin/sh\necho \"making $2\"\n[ $2 != broken ] || exit 3\n"), 0o755))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	var out, errOut bytes.Buffer
	err := Run(t.Context(), &out, &errOut, []string{"vet", "broken", "stories"})
	require.ErrorContains(t, err, "make broken: exit status 3")
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit), "the error %v does not wrap that of make, from which the exit status is", err)
	assert.Equal(t, 3, exit.ExitCode())
	assert.Contains(t, out.String(), "making broken")
	assert.NotContains(t, out.String(), "making stories")
	assert.Regexp(t, `(?s)vet .* ok\nbroken .* FAILED\nstories .* not run\n.*total`, out.String())

	out.Reset()
	require.NoError(t, Run(t.Context(), &out, &errOut, []string{"vet"}))
	assert.NotContains(t, out.String(), "FAILED")
}
