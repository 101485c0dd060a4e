package main

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSessionsExample: no session of the example is cut off, and each is with Kubernetes' own grace period of 30 s. Pods that
// are removed take less time to end their sessions if they have few.
func TestSessionsExample(t *testing.T) {
	t.Parallel()
	figures := func(args ...string) (cut, ending float64) {
		printed := run(t, append(args, "--chart", shipped, "--trace", "flash-crowd", "--seeds", "3")...)
		match := regexp.MustCompile(`, ([0-9.]+) sessions were cut off, ([0-9.]+) % of the pods' time only ended sessions`).FindStringSubmatch(printed)
		require.NotNil(t, match, printed)
		for i, figure := range []*float64{&cut, &ending} {
			var err error
			*figure, err = strconv.ParseFloat(match[i+1], 64)
			require.NoError(t, err)
		}
		return cut, ending
	}
	cut, ending := figures("--values", "../../values-examples/sessions.yaml")
	assert.Zero(t, cut, "sessions that were cut off")

	cut, sooner := figures("--values", "../../values-examples/sessions.yaml", "--session-fewest-first")
	assert.Zero(t, cut, "sessions that were cut off, the emptiest pods first")
	assert.Less(t, sooner, ending/1.5, "percent of the pods' time that only ends sessions, the emptiest pods first")

	cut, _ = figures("--values", file(t, "short.yaml", `signals: {demand: {offered: {metric: viewer_sessions, type: gauge}, capacity: {value: "4"}}}`))
	assert.Greater(t, cut, 1.0, "sessions that were cut off after 30 s")
}
