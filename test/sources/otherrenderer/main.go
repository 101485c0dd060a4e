// Command other-renderer is a renderer that knows nothing of Holograph, for the story that describes it by values alone.
// It shares no code, port, path, setting or metric with the reference renderer. `other-renderer render` answers each
// GET /view with a frame; `other-renderer export` runs beside it in the pod and serves its figures to Prometheus.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// The addresses that the two commands listen on. The figures stay within the pod.
const (
	viewAddress    = ":9000"
	figuresAddress = "127.0.0.1:9001"
	metricsAddress = ":9102"
)

// drainTime is for the frames that are under way when the pod is stopped: each ends within patience and its own CPU time.
// Sessions take longer.
const drainTime = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx is done, and then ends what is under way.
func run(ctx context.Context, args []string) error {
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	switch command {
	case "render":
		cost := flags.Duration("frame-cpu", 5*time.Millisecond, "CPU time of a frame")
		workers := flags.Int("workers", 1, "frames drawn at once")
		slots := flags.Int("slots", 4, "sessions held at once")
		longest := flags.Duration("longest-session", 10*time.Minute, "the time that a session may last")
		if err := flags.Parse(args); err != nil {
			return err
		}
		r := newRenderer(*workers, func() []byte { return draw(*cost) })
		r.slots, r.longest = *slots, *longest
		context.AfterFunc(ctx, r.leave)
		// The exporter reads the figures until the last session has ended.
		drained, end := context.WithCancel(context.WithoutCancel(ctx))
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error {
			defer end()
			return serve(ctx, drainTime+r.longest, map[string]http.Handler{viewAddress: r.views()})
		})
		group.Go(func() error {
			return serve(drained, drainTime, map[string]http.Handler{figuresAddress: http.HandlerFunc(r.tellFigures)})
		})
		return group.Wait()
	case "export":
		if err := flags.Parse(args); err != nil {
			return err
		}
		return serve(outlive(ctx, "http://"+figuresAddress), drainTime, map[string]http.Handler{metricsAddress: exporter("http://" + figuresAddress)})
	default:
		return fmt.Errorf("the command is %q; write render or export", command)
	}
}

// serve serves each handler on its address until ctx is done, and then ends the requests that are under way, within drain.
func serve(ctx context.Context, drain time.Duration, handlers map[string]http.Handler) error {
	group, ctx := errgroup.WithContext(ctx)
	for address, handler := range handlers {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
		// A Service spreads connections over the pods, not requests. With a connection for each frame a new pod has its
		// share at once.
		server.SetKeepAlivesEnabled(false)
		group.Go(func() error {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
			defer cancel()
			return server.Shutdown(ending)
		})
	}
	return group.Wait()
}
