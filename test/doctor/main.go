// Doctor walks the path of a Holograph release, from a late frame to a new pod,
// and names the first broken link with its cause and its remedy. The chart runs
// it as its `helm test`; from a laptop it is
//
//	go run ./test/doctor --release holograph --namespace holograph
//
// With the argument deletion-cost it is the release's writer of deletion costs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"holograph/test/doctor/description"
	"holograph/test/doctor/report"
	"holograph/test/internal/kube"
)

// The exit codes.
const (
	exitHealthy      = 0
	exitBroken       = 1
	exitUsage        = 2
	exitCouldNotLook = 3
)

// memory is the soft limit of Go's heap, below the pod's limit: above it, garbage is collected more often.
const memory = 96 << 20

// walkTime is for one walk. A link takes 10 s at most where the server that it asks hangs, and the
// walk ends there; a server that answers byte by byte must not hold the walk for each of a thousand pods.
const walkTime = 2 * time.Minute

// interval is between two walks of one run.
const interval = 2 * time.Second

// version is set with -ldflags "-X main.version=...".
var version = "dev"

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// settings are the flags.
type settings struct {
	release, namespace, kubeconfig, context string
	file, prometheus, output                string
	wait                                    time.Duration
	version                                 bool
}

// run examines a release, or does what the first argument says, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == deletionCostCommand {
		return writeDeletionCosts(ctx, args[1:], stderr)
	}
	s, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitHealthy
	case err != nil:
		fmt.Fprintln(stderr, "doctor:", err)
		return exitUsage
	case s.version:
		fmt.Fprintln(stdout, version)
		return exitHealthy
	}
	client, namespace, err := s.connect()
	var found report.Report
	switch wrong := (wrongCall{}); {
	case errors.As(err, &wrong):
		fmt.Fprintln(stderr, "doctor:", err)
		return exitUsage
	case err != nil:
		found = report.NotConnected(namespace, s.release, err.Error(), "name the cluster's kubeconfig with --kubeconfig")
	default:
		found = s.examine(ctx, client, namespace)
	}
	if s.output == "json" {
		fmt.Fprint(stdout, found.JSON())
	} else {
		fmt.Fprint(stdout, found.Text())
	}
	return exitCodes[found.Verdict]
}

// exitCodes are the verdicts for a program that asks no more.
var exitCodes = map[report.Verdict]int{
	report.Holds: exitHealthy, report.IsBroken: exitBroken, report.CouldNotLook: exitCouldNotLook,
}

// examine walks the release's path, again until all of it holds or the time for
// that is over.
func (s settings) examine(ctx context.Context, client *kube.Client, namespace string) report.Report {
	deadline := time.Now().Add(s.wait)
	for {
		walk, cancel := context.WithTimeout(ctx, walkTime)
		found := report.Of(walk, client, namespace, s.release, func(ctx context.Context) (description.Path, error) {
			return s.read(ctx, client, namespace)
		})
		cancel()
		if found.Healthy || !time.Now().Before(deadline) {
			return found
		}
		select {
		case <-ctx.Done():
			return found
		case <-time.After(interval):
		}
	}
}

// parse reads the flags. The error of a wrong use says what to write; what the
// flag package finds wrong it has said itself.
func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.release, "release", "holograph", "Helm's `name` for the release")
	flags.StringVar(&s.namespace, "namespace", "", "`namespace` that the release's objects are in; the kubeconfig's if empty")
	flags.StringVar(&s.kubeconfig, "kubeconfig", "", "`file` that says how to reach the cluster; kubectl's if empty")
	flags.StringVar(&s.context, "context", "", "`context` of the kubeconfig; its current one if empty")
	flags.StringVar(&s.file, "path", "", "`file` that describes the release's path, in place of the release's ConfigMap")
	flags.StringVar(&s.prometheus, "prometheus", "", "`URL` at which this machine reaches Prometheus, in place of the release's own")
	flags.StringVar(&s.output, "output", "text", "`format` of the report: text or json")
	flags.DurationVar(&s.wait, "wait", 0, "`time` that a broken link is given to come right by itself")
	flags.BoolVar(&s.version, "version", false, "print the version")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	switch {
	case flags.NArg() > 0:
		return s, fmt.Errorf("%q is not expected; name the release with --release", kube.Shown(flags.Arg(0)))
	case s.release == "":
		return s, errors.New("--release is empty; write Helm's name for the release")
	case s.output != "text" && s.output != "json":
		return s, fmt.Errorf("--output %q is not known; write text or json", kube.Shown(s.output))
	case s.wait < 0:
		return s, fmt.Errorf("--wait %s is below zero; write a duration like 2m", s.wait)
	}
	return s, nil
}

// connect returns a client and the namespace to look into. In a pod, unless a
// kubeconfig is named, it is the cluster's own.
func (s settings) connect() (*kube.Client, string, error) {
	if inside, err := rest.InClusterConfig(); err == nil && s.kubeconfig == "" {
		client, err := kube.New(inside)
		if err == nil {
			client.Inside = true
		}
		return client, s.namespace, err
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = s.kubeconfig
	for _, name := range rules.GetLoadingPrecedence() {
		if err := kube.CheckFile(name); err != nil {
			return nil, s.namespace, err
		}
	}
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: s.context})
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, s.namespace, errors.New(kube.Shown(err.Error()))
	}
	if s.context != "" && raw.Contexts[s.context] == nil {
		return nil, s.namespace, wrongCall{fmt.Errorf("--context %q is not in the kubeconfig; write one that kubectl config get-contexts lists", kube.ShownWith(raw, s.context))}
	}
	var client *kube.Client
	config, err := loader.ClientConfig()
	if err == nil {
		client, err = kube.New(config)
	}
	namespace := s.namespace
	if namespace == "" && err == nil {
		namespace, _, err = loader.Namespace()
	}
	if err != nil {
		// What cannot be used of a kubeconfig is quoted in the error.
		return nil, namespace, errors.New(kube.ShownWith(raw, err.Error()))
	}
	return client, namespace, nil
}

// wrongCall is the error of flags that do not fit.
type wrongCall struct{ error }

// read returns the release's path as the flags have it.
func (s settings) read(ctx context.Context, c *kube.Client, namespace string) (description.Path, error) {
	var p description.Path
	if s.file == "" {
		var err error
		if p, err = description.Read(ctx, c, namespace, s.release); err != nil {
			return p, err
		}
	} else {
		text, err := kube.ReadFile(s.file)
		if err != nil {
			return p, err
		}
		if p, err = description.Decode(text); err != nil {
			return p, err
		}
	}
	if s.prometheus != "" {
		if p.Prometheus == nil {
			p.Prometheus = &description.Prometheus{ScrapeInterval: defaultScrapeInterval}
		}
		// A caller who opened another way there has logged in on it.
		p.Prometheus.URL, p.Prometheus.Access = s.prometheus, kube.Access{}
		p.Prometheus.Given, p.Prometheus.Elsewhere = true, false
	}
	return p, nil
}

// defaultScrapeInterval is for a Prometheus of which the chart was told nothing:
// Prometheus' own default.
const defaultScrapeInterval = "1m"
