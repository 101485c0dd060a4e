package server

import (
	"fmt"
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
		{"scheduled=1767268800000000&format=phase", request{scheduled: now}},
		{"format=png&scheduled=1767268800000000", request{scheduled: now, png: true}},
		{"scheduled=1767268801000000", request{scheduled: now.Add(time.Second)}},
		{"scheduled=1767268740000000", request{scheduled: now.Add(-time.Minute)}},
	} {
		got, err := parseRequest(test.query, now)
		require.NoError(t, err, test.query)
		assert.Equal(t, test.want, got, test.query)
	}
}

func TestMalformedRequestIsOneSentence(t *testing.T) {
	for query, want := range map[string]string{
		"":                                 "scheduled is missing; write scheduled=<Unix time in microseconds>",
		"format=png":                       "scheduled is missing; write scheduled=<Unix time in microseconds>",
		"scheduled=":                       `scheduled is "", which is not a whole number; write scheduled=<Unix time in microseconds>`,
		"scheduled=soon":                   `scheduled is "soon", which is not a whole number; write scheduled=<Unix time in microseconds>`,
		"scheduled=1767268800.5":           `scheduled is "1767268800.5", which is not a whole number; write scheduled=<Unix time in microseconds>`,
		"scheduled=99999999999999999999":   `scheduled is "99999999999999999999", which is not a whole number; write scheduled=<Unix time in microseconds>`,
		"scheduled=1767268801000001":       "scheduled is 1767268801000001, more than 1s ahead of the renderer's clock; write scheduled=<Unix time in microseconds>",
		"scheduled=9223372036854775807":    "scheduled is 9223372036854775807, more than 1s ahead of the renderer's clock; write scheduled=<Unix time in microseconds>",
		"scheduled=1767268739999999":       "scheduled is 1767268739999999, more than 1m0s behind the renderer's clock; write scheduled=<Unix time in microseconds>",
		"scheduled=-9223372036854775808":   "scheduled is -9223372036854775808, more than 1m0s behind the renderer's clock; write scheduled=<Unix time in microseconds>",
		"scheduled=1767268800000":          "scheduled is 1767268800000, more than 1m0s behind the renderer's clock; write scheduled=<Unix time in microseconds>",
		"scheduled=1&scheduled=2":          "the parameter scheduled is given 2 times; write it once",
		"scheduled=1&format=gif":           `format is "gif"; write phase or png`,
		"scheduled=1&format=":              `format is ""; write phase or png`,
		"scheduled=1767268800000000&fps=9": `the parameter "fps" is unknown; a frame has the parameters scheduled and format`,
		"scheduled=%zz":                    `the query cannot be read (invalid URL escape "%zz"); write /frame?scheduled=<Unix time in microseconds>`,
	} {
		_, err := parseRequest(query, now)
		assert.EqualError(t, err, want, query)
	}
}

// Whatever a client writes, it gets a frame near the renderer's clock or a sentence.
func FuzzParseRequest(f *testing.F) {
	f.Add("scheduled=1767268800000000")
	f.Add("scheduled=1767268800000000&format=png")
	f.Add("scheduled=-1&format=phase")
	f.Add("scheduled=1;format=png")
	f.Add("scheduled=1&scheduled=1")
	f.Add("%")
	f.Fuzz(func(t *testing.T, query string) {
		r, err := parseRequest(query, now)
		if err != nil {
			assert.NotEmpty(t, err.Error())
			assert.Zero(t, r)
			return
		}
		assert.LessOrEqual(t, r.scheduled.Sub(now), maxAhead)
		assert.GreaterOrEqual(t, r.scheduled.Sub(now), -maxBehind)
		format := "phase"
		if r.png {
			format = "png"
		}
		again, err := parseRequest(fmt.Sprintf("scheduled=%d&format=%s", r.scheduled.UnixMicro(), format), now)
		require.NoError(t, err)
		assert.Equal(t, r, again)
	})
}
