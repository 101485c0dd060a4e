// Command up shows the chart at work: it starts a cluster, installs the chart, sends load, and prints a line that follows
// the replicas. `make up` runs it when the images are in the cache.
package main

import (
	"context"
	"errors"
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
	"holograph/test/internal/wait"
)

const (
	// release is the name of the release and of its namespace.
	release = "holograph"
	// loadName is the name of the load's Job.
	loadName = "load"
	// spikes is how often the load rises, in half an hour.
	spikes = 6
	// prometheusPort is the port on this machine at which Prometheus answers, if it is free.
	prometheusPort = "9090"
	// firstScaling bounds the wait for the first scale-up where the output is no terminal.
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

// up brings a cluster with the chart under load. On a terminal it then follows the replicas until ctx ends; elsewhere it
// ends after the first scale-up.
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
	// From here on the cluster is only watched, so `make down` may remove it.
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

// install installs or upgrades the chart with values-examples/local.yaml.
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
		// The image was loaded a moment ago, and the node lists it half a minute later.
		"--set", "renderer.image.pullPolicy=Never",
		"--namespace", release, "--create-namespace", "--kubeconfig", c.Kubeconfig, "--wait", "--timeout", "3m",
	}}.Run(ctx)
	if err == nil {
		fmt.Fprintf(out, "The chart is ready after %s.\n", time.Since(begun).Round(time.Second))
	}
	return err
}

// sendLoad measures how many frames a pod renders, and starts a load that rises from what one pod renders to what 4.5 pods
// render, again and again.
func sendLoad(ctx context.Context, out io.Writer, r kube.Release) (*load.Drive, error) {
	// The load of an earlier `make up` would distort the measurement.
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

// next returns commands that show more, with those that reach the cluster on this machine.
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
		// The escape sequence clears the rest of a longer line before.
		fmt.Fprintf(out, "\r\033[K%s", line)
		select {
		case <-ctx.Done():
		case <-ticker.C:
			continue
		}
		break
	}
	fmt.Fprintln(out, "\nThe cluster keeps running. `make up` comes back to it, `make down` removes it.")
	return nil
}

// summarize waits for the first scale-up and prints it in one line.
func summarize(ctx context.Context, out io.Writer, r kube.Release, d *load.Drive) error {
	begun := time.Now()
	first, err := load.Observe(ctx, r)
	if err != nil {
		return err
	}
	from, _ := first.DesiredReplicas.Value()
	return wait.For(ctx, firstScaling, wait.Condition{Name: "the first scale-up", Unmet: func(ctx context.Context) error {
		point, err := load.Observe(ctx, r)
		if err != nil {
			return err
		}
		to, known := point.DesiredReplicas.Value()
		if !known || to <= from {
			return errors.New(status(point, d))
		}
		fmt.Fprintf(out, "Scaled from %.0f to %.0f replicas after %s.\n%s\n", from, to, time.Since(begun).Round(time.Second), status(point, d))
		return nil
	}})
}

// status formats a point as one line.
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
