// Package config reads the renderer's settings from flags and environment variables.
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"holograph/test/renderer/hologram"
)

// MaxBudget is the longest frame budget: nobody waits longer for a picture.
const MaxBudget = time.Minute

// Config holds the renderer's settings.
type Config struct {
	ListenAddress    string        // host:port, the host may be empty
	FrameBudget      time.Duration // from arrival to completion
	FrameWidth       int           // pixels
	FrameHeight      int           // pixels
	FramePoints      int           // points of the scene
	Concurrency      int           // frames rendered at once
	MaxConnections   int           // open at once, those whose frames are rendered aside
	ConnectionMaxAge time.Duration // after which a response closes its connection
	DrainDelay       time.Duration // from SIGTERM until the listener closes
	GracePeriod      time.Duration // from SIGTERM until SIGKILL
}

// setting is one flag and its twin in the environment.
type setting struct {
	flag, usage, preset string
	parse               func(c *Config, value string) error // the error says what to write instead
}

func settings(concurrency int) []setting {
	return []setting{
		{"listen-address", "host:port to serve HTTP on", ":8080", func(c *Config, value string) error {
			c.ListenAddress = value
			if _, port, err := net.SplitHostPort(value); err == nil {
				if _, err := strconv.ParseUint(port, 10, 16); err == nil {
					return nil
				}
			}
			return errors.New("a host and a port number such as :8080 or 127.0.0.1:8080")
		}},
		{"frame-budget", "time from a frame's arrival until it must be complete", "33ms",
			duration(time.Millisecond, MaxBudget, "33ms", func(c *Config) *time.Duration { return &c.FrameBudget })},
		{"frame-width", "width of a frame in pixels", "64",
			integer(hologram.MinSide, hologram.MaxSide, func(c *Config) *int { return &c.FrameWidth })},
		{"frame-height", "height of a frame in pixels", "64",
			integer(hologram.MinSide, hologram.MaxSide, func(c *Config) *int { return &c.FrameHeight })},
		{"frame-points", "points of the scene; a frame's cost is proportional to width, height and points", "30",
			integer(hologram.MinPoints, hologram.MaxPoints, func(c *Config) *int { return &c.FramePoints })},
		{"concurrency", "frames rendered at once; the default is the whole cores the process may use, at least 1", strconv.Itoa(concurrency),
			integer(1, 1024, func(c *Config) *int { return &c.Concurrency })},
		{"max-connections", "connections at once, beside those whose frames are rendered; one more closes the one that has waited longest for its client, and at most half of them may have frames that wait", "1024",
			integer(16, 65536, func(c *Config) *int { return &c.MaxConnections })},
		{"connection-max-age", "age from which a response closes its connection, so that load reaches new pods", "10s",
			duration(time.Millisecond, 24*time.Hour, "10s", func(c *Config) *time.Duration { return &c.ConnectionMaxAge })},
		{"drain-delay", "time after SIGTERM in which frames are still accepted, so that endpoints can forget the pod; at most half of the grace period", "5s",
			duration(0, time.Hour, "5s", func(c *Config) *time.Duration { return &c.DrainDelay })},
		{"grace-period", "time from SIGTERM until the process is killed; what is not answered shortly before is cut off", "25s",
			duration(time.Second, 24*time.Hour, "25s", func(c *Config) *time.Duration { return &c.GracePeriod })},
	}
}

func integer(low, high int, field func(*Config) *int) func(*Config, string) error {
	return func(c *Config, value string) error {
		number, err := strconv.Atoi(value)
		if err != nil || number < low || number > high {
			return fmt.Errorf("a whole number from %d to %d", low, high)
		}
		*field(c) = number
		return nil
	}
}

func duration(low, high time.Duration, example string, field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, value string) error {
		length, err := time.ParseDuration(value)
		if err != nil || length < low || length > high {
			return fmt.Errorf("a duration from %v to %v such as %s", low, high, example)
		}
		*field(c) = length
		return nil
	}
}

// Parse reads the settings from the arguments, which win, and the environment. concurrency is the
// default of --concurrency; lookupEnv is os.LookupEnv or its like. The error is one sentence that
// names the flag or variable, its value, and what to write. For --help, Parse writes the usage to
// help and returns flag.ErrHelp.
func Parse(args []string, lookupEnv func(string) (string, bool), concurrency int, help io.Writer) (Config, error) {
	all := settings(concurrency)
	flags := flag.NewFlagSet("renderer", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	given := map[string]*string{}
	for _, s := range all {
		flags.Func(s.flag, s.usage, func(value string) error {
			given[s.flag] = &value
			return nil
		})
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		usage(help, all)
		return Config{}, err
	case err != nil:
		return Config{}, fmt.Errorf("%w; run with --help to see the flags", err)
	case flags.NArg() > 0:
		return Config{}, fmt.Errorf("unexpected argument %q; write settings as flags such as --frame-budget=33ms", flags.Arg(0))
	}

	var c Config
	for _, s := range all {
		name, value := "--"+s.flag, s.preset
		if v := given[s.flag]; v != nil {
			value = *v
		} else if v, ok := lookupEnv(variable(s.flag)); ok {
			name, value = variable(s.flag), v
		}
		if err := s.parse(&c, value); err != nil {
			return Config{}, fmt.Errorf("%s is %q; write %w", name, value, err)
		}
	}
	return c, nil
}

// variable is the environment variable that is the twin of a flag.
func variable(flag string) string {
	return "HOLOGRAPH_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func usage(w io.Writer, all []setting) {
	fmt.Fprintln(w, "Usage: renderer [flags]\n\nRenders frames of a phase hologram over HTTP. A flag wins over its environment variable.")
	for _, s := range all {
		fmt.Fprintf(w, "\n  --%s, %s (default %s)\n    \t%s\n", s.flag, variable(s.flag), s.preset, s.usage)
	}
}
