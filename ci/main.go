// Command ci obtains what Holograph's clusters run, looks into it for known
// vulnerabilities, and removes clusters. The Makefile is its menu. It imports nothing that
// takes long to compile, so that a fresh machine shows progress within seconds.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"holograph/ci/cache"
	"holograph/ci/cluster"
	"holograph/ci/state"
	"holograph/ci/supply"
	"holograph/ci/vulnerability"
)

// commands are what `go run ./ci <command>` does. Two take arguments: images the sets
// of images to obtain beside those that every cluster runs, vulnerabilities the binaries
// to look into beside those in the cache.
var commands = map[string]func(ctx context.Context, arguments []string) error{
	"images":          images,
	"vulnerabilities": vulnerabilities,
	"down":            func(ctx context.Context, _ []string) error { return cluster.Down(ctx, os.Stdout) },
	"clean-cache":     func(ctx context.Context, _ []string) error { return cleanCache(ctx) },
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 || commands[os.Args[1]] == nil || len(os.Args) > 2 && !slices.Contains([]string{"images", "vulnerabilities"}, os.Args[1]) {
		fmt.Fprintln(os.Stderr, "usage: go run ./ci <command>; `make help` lists what there is")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](ctx, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		stop()
		os.Exit(1)
	}
}

// images obtains all that the clusters run, with the named sets.
func images(ctx context.Context, names []string) error {
	var sets []supply.Set
	for _, name := range names {
		sets = append(sets, supply.Set(name))
	}
	return supply.Fill(ctx, os.Stderr, sets...)
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
	release, err := state.Lock(ctx, supply.Lock, func() {
		fmt.Fprintln(os.Stderr, "Another run is obtaining the images; waiting for it.")
	})
	if err != nil {
		return err
	}
	defer release()
	return cache.Clean(os.Stdout)
}
