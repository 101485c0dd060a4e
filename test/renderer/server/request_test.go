package server

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var now = time.UnixMicro(1_767_268_800_000_000)

func TestParseRequest(t *testing.T) {
	for _, test := range []struct {
		query string
		want  request
	}{
		{"scheduled=1767268800000000", request{scheduled: now}},
		{"scheduled=-1", request{scheduled: time.UnixMicro(-1)}},
		{"scheduled=9223372036854775807", request{scheduled: time.UnixMicro(math.MaxInt64)}},
		{"scheduled=-9223372036854775808", request{scheduled: time.UnixMicro(math.MinInt64)}},
	} {
		got, err := parseRequest(test.query)
		require.NoError(t, err, test.query)
		assert.Equal(t, test.want, got, test.query)
	}
}

func TestMalformedRequestIsOneSentence(t *testing.T) {
	for query, want := range map[string]string{
		"":                                 "scheduled is missing; write scheduled=<Unix time in microseconds>",
		"scheduled=":                       `scheduled is "", which is not a whole number; write scheduled=<Unix time in microseconds>`,
		"scheduled=soon":                   `scheduled is "soon", which is not a whole number; write scheduled=<Unix time in microseconds>`,
		"scheduled=1767268800.5":           `scheduled is "1767268800.5", which is not a whole number; write scheduled=<Unix time in microseconds>`,
		"scheduled=99999999999999999999":   `scheduled is "99999999999999999999", which is not a whole number; write scheduled=<Unix time in microseconds>`,
		"scheduled=NaN":                    `scheduled is "NaN", which is not a whole number; write scheduled=<Unix time in microseconds>`,
		"scheduled=0x10":                   `scheduled is "0x10", which is not a whole number; write scheduled=<Unix time in microseconds>`,
		"scheduled=-9223372036854775809":   `scheduled is "-9223372036854775809", which is not a whole number; write scheduled=<Unix time in microseconds>`,
		"scheduled=1&scheduled=2":          "the parameter scheduled is given 2 times; write it once",
		"scheduled=1&format=png":           `the parameter "format" is unknown; a frame has the parameter scheduled alone`,
		"scheduled=1767268800000000&fps=9": `the parameter "fps" is unknown; a frame has the parameter scheduled alone`,
		"scheduled=%zz":                    `the query cannot be read (invalid URL escape "%zz"); write /frame?scheduled=<Unix time in microseconds>`,
	} {
		_, err := parseRequest(query)
		assert.EqualError(t, err, want, query)
	}
}

// A byte that is no text takes four to quote, so that a long one would come back four times as long.
func TestMalformedRequestIsQuotedBriefly(t *testing.T) {
	long := strings.Repeat("%ff", 3000)
	for _, query := range []string{"scheduled=" + long, long + "=1", "scheduled=1&" + long, "scheduled=1&scheduled=%" + long} {
		_, err := parseRequest(query)
		require.Error(t, err)
		assert.Less(t, len(err.Error()), 400)
	}
}

// The bounds are open: at a second ahead, and at ten and a budget behind, a clock may still be right.
func TestSkew(t *testing.T) {
	for _, test := range []struct {
		after time.Duration // from arrival to the scheduled time
		want  string
	}{
		{0, ""}, {time.Millisecond, ""}, {-time.Millisecond, ""},
		{time.Second, ""}, {time.Second + 1, "ahead"}, {2 * time.Second, "ahead"}, {5 * time.Minute, "ahead"},
		{-2 * time.Second, ""}, {-10*time.Second - budget, ""}, {-10*time.Second - budget - 1, "behind"}, {-5 * time.Minute, "behind"},
		{math.MaxInt64, "ahead"}, {math.MinInt64, "behind"},
	} {
		assert.Equal(t, test.want, request{scheduled: now.Add(test.after)}.skew(now, budget), test.after)
	}
	for microseconds, want := range map[int64]string{0: "behind", math.MinInt64: "behind", math.MaxInt64: "ahead"} {
		assert.Equal(t, want, request{scheduled: time.UnixMicro(microseconds)}.skew(now, budget), microseconds)
	}
}

// Whatever a client writes, it gets a frame or a sentence.
func FuzzParseRequest(f *testing.F) {
	f.Add("scheduled=1767268800000000")
	f.Add("scheduled=-1&format=phase")
	f.Add("scheduled=1;format=png")
	f.Add("scheduled=1&scheduled=1")
	f.Add("%")
	f.Fuzz(func(t *testing.T, query string) {
		r, err := parseRequest(query)
		if err != nil {
			assert.NotEmpty(t, err.Error())
			assert.Less(t, len(err.Error()), 400, "the sentence has a bound, whatever is quoted in it")
			assert.Zero(t, r)
			return
		}
		again, err := parseRequest(fmt.Sprintf("scheduled=%d", r.scheduled.UnixMicro()))
		require.NoError(t, err)
		assert.Equal(t, r, again)
	})
}
