// Renderer is a reference renderer for Holograph. It computes phase holograms of a small moving scene on the
// CPU and serves them over HTTP, each against a budget of time. See the package server for what it
// counts and the package hologram for what it computes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"

	"holograph/test/renderer/config"
	"holograph/test/renderer/cpu"
	"holograph/test/renderer/hologram"
	"holograph/test/renderer/server"
)

// version is set with -ldflags "-X main.version=...".
var version = "dev"

func main() {
	ctx, _ := untilSignal()
	os.Exit(run(ctx, os.Args[1:], os.LookupEnv, os.DirFS("/"), os.Stdout, os.Stderr))
}

// untilSignal returns a context that is done at the first SIGTERM or SIGINT, for a drain to begin. More SIGTERMs change
// nothing: the kubelet repeats them, the drain ends by itself, and ending it earlier loses the frames in flight. A
// person who presses Ctrl-C twice wants the end at once, and has it.
func untilSignal() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		interrupted := false
		for s := range signals {
			cancel()
			if s == syscall.SIGINT && interrupted {
				os.Exit(128 + int(syscall.SIGINT)) // as a shell has it
			}
			interrupted = interrupted || s == syscall.SIGINT
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}

// run renders until ctx is done and returns the exit code: 0 after a drain, 1 when it cannot
// serve or the drain cut somebody off, 2 for a wrong setting. root is the root of the file system, where the cgroup's limits are.
func run(ctx context.Context, args []string, lookupEnv func(string) (string, bool), root fs.FS, stdout, stderr io.Writer) int {
	cores, err := cpu.Capacity(root)
	if err != nil {
		fmt.Fprintf(stderr, "cannot tell how many cores to use: %v\n", err)
		return 1
	}
	settings, err := config.Parse(args, lookupEnv, max(1, int(cores)), stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, err)
		return 2
	}
	listener, err := net.Listen("tcp", settings.ListenAddress)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}

	log := slog.New(slog.NewJSONHandler(stdout, nil))
	log.Info("starting",
		"version", version,
		"go_version", runtime.Version(),
		"address", listener.Addr().String(),
		"frame_budget", settings.FrameBudget.String(),
		"frame_width", settings.FrameWidth,
		"frame_height", settings.FrameHeight,
		"frame_points", settings.FramePoints,
		"cores", cores,
		"concurrency", settings.Concurrency,
		"max_connections", settings.MaxConnections,
		"connection_max_age", settings.ConnectionMaxAge.String(),
		"drain_delay", settings.DrainDelay.String(),
		"grace_period", settings.GracePeriod.String(),
	)
	s := server.New(server.Options{
		Budget:           settings.FrameBudget,
		Concurrency:      settings.Concurrency,
		MaxConnections:   settings.MaxConnections,
		ConnectionMaxAge: settings.ConnectionMaxAge,
		DrainDelay:       settings.DrainDelay,
		GracePeriod:      settings.GracePeriod,
		Version:          version,
		Capacity:         capacity(root, cores),
		NewRenderer: func() server.Renderer {
			r, err := hologram.New(settings.FrameWidth, settings.FrameHeight, settings.FramePoints)
			if err != nil {
				panic(err) // config.Parse has checked the sizes
			}
			return r
		},
		Logger: log,
	})
	if err := s.Serve(ctx, listener); err != nil {
		log.Error("ended early", "error", err.Error())
		return 1
	}
	return 0
}

// capacity reads the number of cores anew at every call, and keeps the last good answer where that fails.
func capacity(root fs.FS, first float64) func() float64 {
	var last atomic.Uint64
	last.Store(math.Float64bits(first))
	return func() float64 {
		if cores, err := cpu.Capacity(root); err == nil {
			last.Store(math.Float64bits(cores))
		}
		return math.Float64frombits(last.Load())
	}
}
