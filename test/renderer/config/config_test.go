package config

import (
	"flag"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func environment(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}
}

func TestDefaults(t *testing.T) {
	got, err := Parse(nil, environment(nil), 3, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, Config{
		ListenAddress:    ":8080",
		FrameBudget:      33 * time.Millisecond,
		FrameWidth:       64,
		FrameHeight:      64,
		FramePoints:      30,
		Concurrency:      3,
		MaxConnections:   1024,
		ConnectionMaxAge: 10 * time.Second,
		DrainDelay:       5 * time.Second,
		GracePeriod:      25 * time.Second,
	}, got)
}

func TestFlagBeatsEnvironment(t *testing.T) {
	got, err := Parse([]string{"--frame-budget=20ms", "-concurrency", "3"}, environment(map[string]string{
		"HOLOGRAPH_FRAME_BUDGET":       "wrong, and not asked",
		"HOLOGRAPH_LISTEN_ADDRESS":     "127.0.0.1:9000",
		"HOLOGRAPH_FRAME_WIDTH":        "32",
		"HOLOGRAPH_FRAME_HEIGHT":       "16",
		"HOLOGRAPH_FRAME_POINTS":       "5",
		"HOLOGRAPH_CONCURRENCY":        "2",
		"HOLOGRAPH_MAX_CONNECTIONS":    "16",
		"HOLOGRAPH_CONNECTION_MAX_AGE": "1s",
		"HOLOGRAPH_DRAIN_DELAY":        "0s",
		"HOLOGRAPH_GRACE_PERIOD":       "1s",
	}), 1, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, Config{
		ListenAddress:    "127.0.0.1:9000",
		FrameBudget:      20 * time.Millisecond,
		FrameWidth:       32,
		FrameHeight:      16,
		FramePoints:      5,
		Concurrency:      3,
		MaxConnections:   16,
		ConnectionMaxAge: time.Second,
		DrainDelay:       0,
		GracePeriod:      time.Second,
	}, got)
}

func TestWrongSettingIsOneSentence(t *testing.T) {
	for _, test := range []struct {
		args []string
		env  map[string]string
		want string
	}{
		{args: []string{"--frame-budget=0s"}, want: `--frame-budget is "0s"; write a duration from 1ms to 1m0s such as 33ms`},
		{args: []string{"--frame-budget=-5ms"}, want: `--frame-budget is "-5ms"; write a duration from 1ms to 1m0s such as 33ms`},
		{args: []string{"--frame-budget=2m"}, want: `--frame-budget is "2m"; write a duration from 1ms to 1m0s such as 33ms`},
		{env: map[string]string{"HOLOGRAPH_FRAME_BUDGET": "33"}, want: `HOLOGRAPH_FRAME_BUDGET is "33"; write a duration from 1ms to 1m0s such as 33ms`},
		{env: map[string]string{"HOLOGRAPH_FRAME_BUDGET": ""}, want: `HOLOGRAPH_FRAME_BUDGET is ""; write a duration from 1ms to 1m0s such as 33ms`},
		{args: []string{"--concurrency=0"}, want: `--concurrency is "0"; write a whole number from 1 to 1024`},
		{args: []string{"--frame-width=7"}, want: `--frame-width is "7"; write a whole number from 8 to 2048`},
		{args: []string{"--frame-height=4096"}, want: `--frame-height is "4096"; write a whole number from 8 to 2048`},
		{args: []string{"--frame-points=many"}, want: `--frame-points is "many"; write a whole number from 1 to 100000`},
		{args: []string{"--max-connections=15"}, want: `--max-connections is "15"; write a whole number from 16 to 65536`},
		{args: []string{"--grace-period=0s"}, want: `--grace-period is "0s"; write a duration from 1s to 24h0m0s such as 25s`},
		{args: []string{"--connection-max-age=0"}, want: `--connection-max-age is "0"; write a duration from 1ms to 24h0m0s such as 10s`},
		{args: []string{"--drain-delay=-1s"}, want: `--drain-delay is "-1s"; write a duration from 0s to 1h0m0s such as 5s`},
		{args: []string{"--listen-address=8080"}, want: `--listen-address is "8080"; write a host and a port number such as :8080 or 127.0.0.1:8080`},
		{args: []string{"--listen-address=:http"}, want: `--listen-address is ":http"; write a host and a port number such as :8080 or 127.0.0.1:8080`},
		{args: []string{"--frame-bugdet=33ms"}, want: `flag provided but not defined: -frame-bugdet; run with --help to see the flags`},
		{args: []string{"--frame-budget"}, want: `flag needs an argument: -frame-budget; run with --help to see the flags`},
		{args: []string{"33ms"}, want: `unexpected argument "33ms"; write settings as flags such as --frame-budget=33ms`},
	} {
		t.Run(test.want, func(t *testing.T) {
			_, err := Parse(test.args, environment(test.env), 1, io.Discard)
			assert.EqualError(t, err, test.want)
		})
	}
}

func TestHelpNamesEveryFlagAndVariable(t *testing.T) {
	var help strings.Builder
	_, err := Parse([]string{"--help"}, environment(nil), 1, &help)
	require.ErrorIs(t, err, flag.ErrHelp)
	for _, s := range settings(1) {
		assert.Contains(t, help.String(), "--"+s.flag+", "+variable(s.flag)+" (default "+s.preset+")")
	}
}

// Whatever a flag says, Parse answers with settings in range or an error.
func FuzzParse(f *testing.F) {
	for _, s := range settings(1) {
		f.Add("--" + s.flag + "=" + s.preset)
		f.Add("--" + s.flag + "=")
	}
	f.Add("--")
	f.Add("-")
	f.Add("--frame-budget=1e9h")
	f.Fuzz(func(t *testing.T, arg string) {
		c, err := Parse([]string{arg}, environment(nil), 1, io.Discard)
		if err != nil {
			assert.NotEmpty(t, err.Error())
			return
		}
		assert.Positive(t, c.FrameBudget)
		assert.LessOrEqual(t, c.FrameBudget, MaxBudget)
		assert.Positive(t, c.Concurrency)
		assert.Positive(t, c.ConnectionMaxAge)
		assert.GreaterOrEqual(t, c.DrainDelay, time.Duration(0))
		assert.Positive(t, c.MaxConnections)
		assert.Positive(t, c.GracePeriod)
	})
}
