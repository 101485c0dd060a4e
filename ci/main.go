// Command ci obtains what Holograph's clusters run, and removes clusters. The
// Makefile is its menu. It imports nothing that takes long to compile, so that a
// fresh machine shows progress within seconds.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"holograph/ci/cache"
	"holograph/ci/cluster"
	"holograph/ci/stock"
)

// commands are what `go run ./ci <command>` does.
var commands = map[string]func(context.Context) error{
	"images":      func(ctx context.Context) error { return stock.Fill(ctx, os.Stderr) },
	"down":        down,
	"clean-cache": func(context.Context) error { return cache.Clean() },
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) != 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: go run ./ci <command>; `make help` lists what there is")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		stop()
		os.Exit(1)
	}
}

// down removes the clusters of `make up` and of tests that were told to keep theirs.
func down(ctx context.Context) error {
	for _, name := range []string{cluster.Shown, cluster.Tests} {
		if err := cluster.Delete(ctx, name); err != nil {
			return err
		}
		fmt.Println("Removed:", name)
	}
	return nil
}
