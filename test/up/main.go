// Command up shows the loop at work: a cluster, the chart, load, and a line that
// follows what it does. `make up` runs it once the images are at hand.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"holograph/ci/cluster"
	"holograph/ci/command"
	"holograph/ci/program"
	"holograph/ci/repo"
	"holograph/ci/supply"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/timeline"
)

const (
	// release is the name and the namespace of the chart.
	release = "holograph"
	// loadName is the load that `make up` sends.
	loadName = "load"
	// spikes is how often the load of `make up` rises: half an hour in all.
	spikes = 6
	// prometheusPort is where Prometheus answers on this machine, if it is free.
	prometheusPort = "9090"
	// firstScaling bounds the wait for the first scale-up where nobody watches.
	firstScaling = 3 * time.Minute
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := up(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		stop()
		os.Exit(1)
	}
}

// up brings a cluster with the chart under load, then shows what the loop does
// until ctx ends, or once where the output is no terminal.
func up(ctx context.Context, out *os.File) error {
	if err := supply.Check(ctx); err != nil {
		return err
	}
	c, err := cluster.Start(ctx, out, cluster.Shown, true)
	if err != nil {
		return err
	}
	if err := install(ctx, out, c); err != nil {
		return err
	}
	client, err := kube.Connect(c.Kubeconfig)
	if err != nil {
		return err
	}
	r := kube.Release{Client: client, Namespace: release, Name: release}
	d, err := sendLoad(ctx, out, r)
	if err != nil {
		return err
	}
	// What follows only looks on: `make down` may end it.
	c.Release()
	fmt.Fprint(out, next(c, r))
	if term.IsTerminal(int(out.Fd())) {
		address, err := r.ForwardPrometheus(ctx, prometheusPort)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "Open in a browser, for as long as this runs:\n  %s%s\n\n", address, kube.ConsolePath)
		return follow(ctx, out, r, d)
	}
	return summarize(ctx, out, r, d)
}

// install installs or upgrades the chart with the values for a laptop.
func install(ctx context.Context, out io.Writer, c *cluster.Cluster) error {
	begun := time.Now()
	root, err := repo.Root()
	if err != nil {
		return err
	}
	helm, err := program.Helm.Binary(ctx, "helm")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "Installing charts/holograph with values-examples/local.yaml.")
	err = command.Command{Dir: root, Log: "helm", Args: []string{
		helm, "upgrade", "--install", release, filepath.Join("charts", "holograph"), "--values", filepath.Join("values-examples", "local.yaml"),
		"--namespace", release, "--create-namespace", "--kubeconfig", c.Kubeconfig, "--wait", "--timeout", "3m",
	}}.Run(ctx)
	if err == nil {
		fmt.Fprintf(out, "The chart is ready after %s.\n", time.Since(begun).Round(time.Second))
	}
	return err
}

// sendLoad measures what a pod can render and offers between one pod's worth and
// 4.5 pods' worth, again and again.
func sendLoad(ctx context.Context, out io.Writer, r kube.Release) (*load.Drive, error) {
	// The load of an earlier `make up` would be measured too.
	if err := load.Remove(ctx, r, loadName); err != nil {
		return nil, err
	}
	pod, err := load.MeasurePod(ctx, r)
	if err != nil {
		return nil, err
	}
	capacity := pod.FramesPerSecond()
	fmt.Fprintf(out, "A frame costs %.1f ms of CPU: a pod of %.0f millicores renders %.0f a second.\nSending between %.0f and %.0f frames a second.\n",
		pod.FrameCost*1000, pod.Cores*1000, capacity, capacity, 4.5*capacity)
	profile := load.Profile{Budget: pod.Budget}
	for range spikes {
		profile.Stages = append(profile.Stages, load.Spike{
			Base: capacity, Peak: 4.5 * capacity, Before: 20 * time.Second, During: 100 * time.Second, After: 3 * time.Minute,
		}.Stages()...)
	}
	return load.Start(ctx, r, loadName, profile)
}

// next says what is worth typing now.
func next(c *cluster.Cluster, r kube.Release) string {
	kubectl := "kubectl"
	preface := "  export KUBECONFIG=" + c.Kubeconfig + "\n"
	if _, err := exec.LookPath(kubectl); err != nil {
		kubectl = c.Engine() + " exec " + c.Node() + " kubectl --kubeconfig=/etc/kubernetes/admin.conf"
		preface = ""
	}
	return fmt.Sprintf("\nWorth typing in another terminal:\n%s"+
		"  %[2]s get hpa --namespace %[3]s --watch\n"+
		"  %[2]s get --raw '/apis/%[4]s/v1beta2/namespaces/%[3]s/pods/*/%[5]s'\n"+
		"  %[2]s describe hpa %[6]s --namespace %[3]s\n"+
		"`make down` removes everything.\n\n",
		preface, kubectl, r.Namespace, kube.Group, kube.OverrunsMetric, r.Renderer())
}

// follow keeps one line up to date until ctx ends.
func follow(ctx context.Context, out io.Writer, r kube.Release, d *load.Drive) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		point, err := load.Observe(ctx, r)
		if ctx.Err() != nil {
			break
		}
		line := status(point, d)
		if err != nil {
			line += "  (" + err.Error() + ")"
		}
		// Clear what a longer line before left.
		fmt.Fprintf(out, "\r\033[K%s", line)
		select {
		case <-ctx.Done():
		case <-ticker.C:
			continue
		}
		break
	}
	fmt.Fprintln(out, "\nThe cluster goes on. `make up` comes back to it, `make down` removes it.")
	return nil
}

// summarize waits for the first scale-up and prints one line.
func summarize(ctx context.Context, out io.Writer, r kube.Release, d *load.Drive) error {
	ctx, cancel := context.WithTimeout(ctx, firstScaling)
	defer cancel()
	begun := time.Now()
	first, err := load.Observe(ctx, r)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		point, err := load.Observe(ctx, r)
		from, _ := first.DesiredReplicas.Value()
		if to, known := point.DesiredReplicas.Value(); err == nil && known && to > from {
			fmt.Fprintf(out, "Scaled from %.0f to %.0f replicas after %s.\n%s\n", from, to, time.Since(begun).Round(time.Second), status(point, d))
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no scale-up within %s: %s (%w)", firstScaling, status(point, d), context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// status is a point in one line.
func status(p timeline.Point, d *load.Drive) string {
	return fmt.Sprintf("load %3.0f frames/s   over budget %s/s   replicas %s ready of %s desired   in budget %s",
		d.Profile.FramesPerSecondAt(time.Since(d.Begun)),
		reading(p.OverrunsPerSecond, 1, "%5.1f"), reading(p.ReadyReplicas, 1, "%2.0f"), reading(p.DesiredReplicas, 1, "%2.0f"),
		reading(p.InBudgetShare, 100, "%5.1f %%"))
}

// reading formats a value, or a dash where there is none.
func reading(r timeline.Reading, factor float64, format string) string {
	value, known := r.Value()
	if !known {
		return "-"
	}
	return fmt.Sprintf(format, value*factor)
}
