// Command ci obtains what Holograph's clusters run, moves it to other versions, looks into it for
// known vulnerabilities, and removes clusters. The Makefile is its menu. It imports nothing that
// takes long to compile, so that a fresh machine shows progress within seconds.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"holograph/ci/bump"
	"holograph/ci/cache"
	"holograph/ci/cluster"
	"holograph/ci/stories"
	"holograph/ci/supply"
	"holograph/ci/timing"
	"holograph/ci/vulnerability"
)

// command is one of what `go run ./ci <command>` does.
type command struct {
	// arguments describes those that it takes; empty is none.
	arguments string
	run       func(ctx context.Context, arguments []string) error
}

var commands = map[string]command{
	"images":          {"[SET...] [--later=SET...]", images},
	"stories":         {"[FLAG...] [FOLDER...]", runStories},
	"vulnerabilities": {"[BINARY...]", vulnerabilities},
	"bump":            {"PROGRAM VERSION", bumpProgram},
	"timed": {"TARGET...", func(ctx context.Context, targets []string) error {
		return timing.Run(ctx, os.Stdout, os.Stderr, targets)
	}},
	"down":        {"", func(ctx context.Context, _ []string) error { return cluster.Down(ctx, os.Stdout) }},
	"clean-cache": {"", func(ctx context.Context, _ []string) error { return cleanCache(ctx) }},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 || commands[os.Args[1]].run == nil {
		fail(2, fmt.Errorf("usage: go run ./ci %s; `make help` lists what there is", strings.Join(slices.Sorted(maps.Keys(commands)), "|")))
	}
	chosen := commands[os.Args[1]]
	if len(os.Args) > 2 && chosen.arguments == "" {
		fail(2, fmt.Errorf("usage: go run ./ci %s, which takes no arguments", os.Args[1]))
	}
	if err := chosen.run(ctx, os.Args[2:]); err != nil {
		stop()
		fail(1, err)
	}
}

func fail(code int, err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(code)
}

// images obtains all that the clusters run, with the named sets, and makes the machine ready for those that come later.
func images(ctx context.Context, arguments []string) error {
	var now, later []supply.Set
	for _, argument := range arguments {
		if name, found := strings.CutPrefix(argument, "--later="); found {
			later = append(later, supply.Set(name))
		} else {
			now = append(now, supply.Set(argument))
		}
	}
	return supply.Fill(ctx, os.Stderr, now, later...)
}

// runStories runs the stories of ./test and of the folders, with the flags of go test that come first.
func runStories(ctx context.Context, arguments []string) error {
	folder := func(argument string) bool { return !strings.HasPrefix(argument, "-") }
	flags, folders := arguments, []string(nil)
	if first := slices.IndexFunc(arguments, folder); first >= 0 {
		flags, folders = arguments[:first], arguments[first:]
	}
	return stories.Run(ctx, os.Stdout, os.Stderr, flags, folders)
}

// bumpProgram moves a foreign program to another version.
func bumpProgram(ctx context.Context, arguments []string) error {
	if len(arguments) != 2 {
		return errors.New("usage: make bump PROGRAM=prometheus VERSION=v3.14.0; docs/versions.md lists the programs")
	}
	return bump.Bump(ctx, os.Stdout, arguments[0], arguments[1])
}

// vulnerabilities looks for known vulnerabilities in the programs in the cache and in the
// binaries given.
func vulnerabilities(ctx context.Context, binaries []string) error {
	subjects, err := vulnerability.Subjects()
	if err != nil {
		return err
	}
	for _, binary := range binaries {
		subjects = append(subjects, vulnerability.Subject{Name: filepath.Base(binary), Binaries: []string{binary}})
	}
	return vulnerability.Check(ctx, os.Stdout, subjects)
}

// cleanCache empties the cache once nobody fills it.
func cleanCache(ctx context.Context) error {
	release, err := supply.Wait(ctx, os.Stderr)
	if err != nil {
		return err
	}
	defer release()
	return cache.Clean(os.Stdout)
}
