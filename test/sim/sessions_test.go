package main

import (
	"os"
	"regexp"
	"strconv"
	"strings"
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
	const example = "../../values-examples/sessions.yaml"
	cut, sooner := figures("--values", example)
	assert.Zero(t, cut, "sessions that were cut off")

	text, err := os.ReadFile(example)
	require.NoError(t, err)
	require.Contains(t, string(text), "deletionCost:\n  enabled: true")
	cut, ending := figures("--values", file(t, "no-costs.yaml", strings.Replace(string(text), "deletionCost:\n  enabled: true", "", 1)))
	assert.Zero(t, cut, "sessions that were cut off, without deletionCost")
	assert.Less(t, sooner, ending/1.5, "percent of the pods' time that only ends sessions, compared with that without deletionCost")

	cut, _ = figures("--values", file(t, "short.yaml", `signals: {demand: {offered: {metric: viewer_sessions, type: gauge}, capacity: {value: "4"}}}`))
	assert.Greater(t, cut, 1.0, "sessions that were cut off after 30 s")
}
