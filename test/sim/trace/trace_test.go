package trace_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/sim/trace"
)

var update = flag.Bool("update", false, "write the traces' files anew")

const folder = "../traces"

// TestFiles keeps traces/ and the code that makes the traces together.
func TestFiles(t *testing.T) {
	for _, s := range trace.StandardTraces() {
		var text bytes.Buffer
		require.NoError(t, s.Write(&text, s.About+"\nMade by trace/standard.go; `go test ./trace -update` writes it anew."))
		name := filepath.Join(folder, s.Name+".csv")
		if *update {
			require.NoError(t, os.WriteFile(name, text.Bytes(), 0o644))
		}
		want, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.Equal(t, string(want), text.String(), "%s is not what the code makes; go test ./trace -update", name)
		read, err := trace.Read(s.Name, bytes.NewReader(want))
		require.NoError(t, err)
		assert.Equal(t, s.Points, read.Points, name)
		if !s.Large {
			assert.LessOrEqual(t, s.Peak(), 7.5, "%s leaves a ten-pod fleet no room", s.Name)
		}
	}
}

func TestSeconds(t *testing.T) {
	tr := trace.Trace{Points: []trace.Point{{0, 1, 1}, {2, 1, 1}, {2, 4, 0.5}, {4, 6, 1}}}
	load, capacity := tr.Seconds()
	assert.Equal(t, []float64{1, 1, 4.5, 5.5}, load)
	assert.Equal(t, []float64{1, 1, 0.625, 0.875}, capacity)
}

func TestWrongTraces(t *testing.T) {
	long := "seconds,load\n0,1\n600,1\n"
	for text, want := range map[string]string{
		"":                                    "my.csv: the trace is 0 s long; give it at least a minute",
		"time,load\n0,1\n":                    `my.csv: line 1, column 1: the header is "time,load"; write seconds,load or seconds,load,capacity`,
		"# mine\ntime,load\n0,1\n":            `my.csv: line 2, column 1: the header is "time,load"; write seconds,load or seconds,load,capacity`,
		"seconds,load\n0,1\n60,many\n":        `my.csv: line 3, column 4: load is "many"; write a number`,
		"seconds,load\n0,1\n60,-1\n":          "my.csv: line 3, column 4: load is -1; write a number above zero",
		"seconds,load\n0,1\n60,NaN\n":         `my.csv: line 3, column 4: load is "NaN"; write a number`,
		"seconds,load,capacity\n0,1,0\n":      "my.csv: line 2, column 5: capacity is 0; write a number above zero",
		"seconds,load\n\n0,1,1\n":             "my.csv: line 3, column 6: 3 values where the header has 2",
		"seconds,load\n5,1\n":                 "my.csv: line 2, column 1: the first point is at second 5; start at 0",
		"seconds,load\n0,1\n90,1\n30,1\n":     "my.csv: line 4, column 1: second 30 comes after 90; order the points by time",
		strings.Replace(long, "600", "30", 1): "my.csv: the trace is 30 s long; give it at least a minute",
	} {
		_, err := trace.Read("my.csv", strings.NewReader(text))
		assert.EqualError(t, err, want)
	}
	_, err := trace.Read("my.csv", strings.NewReader(long))
	assert.NoError(t, err)
}
