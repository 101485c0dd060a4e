package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"holograph/test/doctor/deletioncost"
	"holograph/test/internal/kube"
	"holograph/test/internal/listen"
)

// deletionCostCommand is the first argument with which the program writes deletion costs in place of a report.
const deletionCostCommand = "deletion-cost"

// probeAddress is where that command answers the probes.
const probeAddress = ":8080"

// writeDeletionCosts writes the costs of a release's pods until ctx is done, and returns the exit code. It runs in the
// cluster only.
func writeDeletionCosts(ctx context.Context, args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("doctor "+deletionCostCommand, flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("config", "/etc/deletion-cost/"+deletioncost.File, "`file` that says which pods have costs and who knows how busy they are")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitHealthy
	case err == nil && flags.NArg() > 0:
		fmt.Fprintf(stderr, "doctor: %q is not expected; write --config\n", kube.Shown(flags.Arg(0)))
		return exitUsage
	case err != nil:
		return exitUsage
	}
	if err := serveDeletionCosts(ctx, *file, slog.New(slog.NewTextHandler(stderr, nil))); err != nil {
		fmt.Fprintln(stderr, "doctor:", kube.Shown(err.Error()))
		return exitCouldNotLook
	}
	return exitHealthy
}

func serveDeletionCosts(ctx context.Context, file string, log *slog.Logger) error {
	text, err := kube.ReadFile(file)
	if err != nil {
		return err
	}
	config, err := deletioncost.Decode(text)
	if err != nil {
		return err
	}
	inside, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := kube.New(inside)
	if err != nil {
		return err
	}
	client.Inside = true
	writer, err := deletioncost.New(client, config, log)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", probeAddress)
	if err != nil {
		return err
	}
	server, bounded := probeServer(listener, writer.Handler())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(bounded); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		writer.Run(ctx)
		return server.Close()
	})
	return group.Wait()
}

// probeConnections is how many connections the probes' port has at once. With what [probeServer] reads, they take 4 MiB
// of the 128 MiB that the pod has.
const probeConnections = 256

// probeServer answers the kubelet on a listener, and returns what the server serves. Anyone else who reaches the port may
// hold a connection for 5 seconds, unless another client needs it, and send a small header.
func probeServer(listener net.Listener, handler http.Handler) (*http.Server, net.Listener) {
	bounded := listen.New(listener, probeConnections, func(string) {})
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			connection := listen.Of(r)
			connection.Work()
			handler.ServeHTTP(w, r)
			// What follows may wait for a body that does not come.
			connection.Answer(0)
		}),
		ConnContext: listen.ConnContext, ConnState: bounded.ConnState,
		MaxHeaderBytes: 4 << 10,
		ReadTimeout:    5 * time.Second, WriteTimeout: 5 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server.SetKeepAlivesEnabled(false)
	return server, bounded
}
