package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"holograph/ci/cluster"
	"holograph/ci/command"
	"holograph/ci/image"
	"holograph/ci/program"
	"holograph/ci/supply"
	"holograph/test/internal/guest"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
	"holograph/test/sim/bench/result"
)

const (
	// release is the name of the chart in each fleet's namespace.
	release = "holograph"
	// loadName is the load that each fleet is sent.
	loadName = "spike"
	// syncPeriod is the time between two decisions of Kubernetes' autoscaler, at its default.
	syncPeriod = 15 * time.Second
	// readyBudget is for every link of every fleet to carry, from installation on: a full window of demand, two relists and two scrapes.
	readyBudget = 6 * time.Minute
	// reactionTime is how long after the step the way from an overrun to a decision is watched closely.
	reactionTime = 5 * time.Minute
)

// policyFleet is one policy's release.
type policyFleet struct {
	policy
	kube.Release
}

// measure starts a cluster with a fleet for each policy, sends all of them the load, and returns what was seen.
func measure(ctx context.Context, out io.Writer, l benchLoad) (result.Run, error) {
	run := result.Run{Shape: l.shape, Date: time.Now().Format("2006-01-02"), Cores: runtime.NumCPU(), Spike: l.spike, SyncPeriod: syncPeriod.Seconds()}
	var err error
	if run.ScrapeInterval, err = scrapeInterval(); err != nil {
		return run, err
	}
	if err := supply.Check(ctx, supply.Bench); err != nil {
		return run, err
	}
	c, end, err := cluster.ForMeasurement(ctx, out, cluster.Bench, supply.Bench)
	if err != nil {
		return run, err
	}
	defer end()
	fleets, err := install(ctx, out, c)
	if err != nil {
		return run, err
	}
	if err := waitFor(ctx, out, fleets); err != nil {
		return run, err
	}
	host := fleets[len(fleets)-1]
	pod, err := load.MeasurePod(ctx, host.Release)
	if err != nil {
		return run, err
	}
	run.Pod = result.Pod{Cores: pod.Cores, Budget: pod.Budget.Seconds(), FramesPerSecond: pod.FramesPerSecond()}
	fmt.Fprintf(out, "A frame costs %.1f ms of CPU: a pod of %.0f millicores renders %.1f a second.\n", 1000*pod.FrameCost, 1000*pod.Cores, run.Pod.FramesPerSecond)
	err = offer(ctx, out, fleets, l.stagger, &run)
	return run, err
}

// install brings KEDA, metrics-server and all fleets.
func install(ctx context.Context, out io.Writer, c *cluster.Cluster) ([]policyFleet, error) {
	begun := time.Now()
	client, err := kube.Connect(c.Kubeconfig)
	if err != nil {
		return nil, err
	}
	var fleets []policyFleet
	var guests []string
	for i, policy := range policies {
		r := kube.Release{Client: client, Namespace: "bench-" + policy.name, Name: release}
		fleets = append(fleets, policyFleet{policy, r})
		if i < len(policies)-1 {
			guests = append(guests, r.Namespace)
		}
		// The last fleet's release sets up who may read in the others' namespaces.
		_, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.Namespace}}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return nil, err
		}
	}
	helm, err := program.Helm.Binary(ctx, "helm")
	if err != nil {
		return nil, err
	}
	run := func(name, chart, namespace string, extra ...string) error {
		return command.Command{Log: "bench", Args: append([]string{
			helm, "upgrade", "--install", name, chart, "--namespace", namespace, "--kubeconfig", c.Kubeconfig, "--wait", "--timeout", "5m",
		}, extra...)}.Run(ctx)
	}
	fmt.Fprintln(out, "Installing KEDA, and then a fleet for each policy.")
	if err := guest.InstallKEDA(ctx, client); err != nil {
		return nil, err
	}
	var group errgroup.Group
	for i, f := range fleets {
		group.Go(func() error {
			// The image was loaded into the node.
			extra := []string{"--values", "test/sim/bench/values/pods.yaml", "--set", "renderer.image.pullPolicy=Never"}
			for _, file := range f.values {
				extra = append(extra, "--values", file)
			}
			if i == len(fleets)-1 {
				extra = append(extra, "--set", "servedNamespaces={"+strings.Join(guests, ",")+"}")
			}
			return run(f.Release.Name, "charts/holograph", f.Namespace, extra...)
		})
	}
	group.Go(func() error {
		server, err := image.MetricsServer()
		if err != nil {
			return err
		}
		return run("metrics-server", "test/sim/bench/chart", "bench-cpu", "--set", "image="+server.Ref, "--set", "target="+fleets[0].Renderer())
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, guest := range guests {
		if err := fleets[len(fleets)-1].ShareLogin(ctx, guest); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(out, "They are ready after %s.\n", time.Since(begun).Round(time.Second))
	return fleets, nil
}

// waitFor waits until each autoscaler has its metrics.
func waitFor(ctx context.Context, out io.Writer, fleets []policyFleet) error {
	begun := time.Now()
	for i, f := range fleets {
		conditions := []wait.Condition{wait.PodsReady(f.Release), active(f.Release)}
		if i == len(fleets)-1 {
			conditions = wait.Chain(f.Release)
		}
		if err := wait.For(ctx, readyBudget, conditions...); err != nil {
			return fmt.Errorf("%s: %w", f.policy.name, err)
		}
	}
	fmt.Fprintf(out, "Every autoscaler has its metrics after %s.\n", time.Since(begun).Round(time.Second))
	return nil
}

// active is met when the release's autoscaler computes replicas from its metrics, of any type.
func active(r kube.Release) wait.Condition {
	return wait.Condition{Name: "the autoscaler to be ScalingActive", Unmet: func(ctx context.Context) error {
		hpa, err := r.HPA(ctx)
		if err != nil {
			return err
		}
		active := kube.Condition(hpa, autoscalingv2.ScalingActive)
		switch {
		case active == nil:
			return fmt.Errorf("it has no such condition yet")
		case active.Status != corev1.ConditionTrue:
			return fmt.Errorf("it is %s: %s: %s", active.Status, active.Reason, active.Message)
		}
		return nil
	}}
}

// seen is what was noted of one fleet.
type seen struct {
	pods   *podWatch
	signal *servedSignal
	drive  *load.Drive
	load   load.Summary
}

// offer sends every fleet the load, each so long after the one before, and writes what was seen into the run.
func offer(ctx context.Context, out io.Writer, fleets []policyFleet, stagger time.Duration, run *result.Run) error {
	watched, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	until, stop := context.WithCancel(ctx)
	defer stop()
	profile := run.Profile()
	notes := make([]seen, len(fleets))
	machine := make(chan *machineUse, 1)
	go func() { machine <- followMachine(until) }()
	begun := time.Now()
	fmt.Fprintf(out, "%s  Asking each fleet for %.0f frames a second, then for %.0f, one %s after the other: %s each.\n", begun.Format(time.TimeOnly),
		run.Spike.Base*run.Pod.FramesPerSecond, run.Spike.Peak*run.Pod.FramesPerSecond, stagger, profile.Duration())
	// One fleet's failure ends all.
	group, running := errgroup.WithContext(watched)
	for i, f := range fleets {
		n := &notes[i]
		group.Go(func() (err error) {
			if n.pods, err = watchPods(until, f.Release, fail); err != nil {
				return err
			}
			if err := sleepUntil(running, begun.Add(time.Duration(i)*stagger)); err != nil {
				return err
			}
			if n.drive, err = load.Start(running, f.Release, loadName, profile); err != nil {
				return err
			}
			group.Go(func() error {
				step := n.drive.Begun.Add(profile.Mark)
				if err := sleepUntil(running, step); err != nil {
					return err
				}
				ctx, cancel := context.WithDeadline(running, closelyUntil(step, profile))
				defer cancel()
				n.signal = followSignal(ctx, f.Release)
				return nil
			})
			n.load, err = n.drive.Wait(running)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return cmp.Or(context.Cause(watched), err)
	}
	stop()
	busy := <-machine
	return collect(ctx, fleets, notes, busy, run)
}

// closelyUntil is the end of the reaction time after the step, or of the load where that comes first.
func closelyUntil(step time.Time, profile load.Profile) time.Time {
	return step.Add(min(reactionTime, profile.Duration()-profile.Mark))
}

// sleepUntil waits until the time has come.
func sleepUntil(ctx context.Context, at time.Time) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Until(at)):
		return nil
	}
}

// collect asks Prometheus for its part of the run, and puts all of it together.
func collect(ctx context.Context, fleets []policyFleet, notes []seen, busy *machineUse, run *result.Run) error {
	first := notes[0].load.Start
	for _, n := range notes {
		if n.load.Start.Before(first) {
			first = n.load.Start
		}
	}
	host, profile := fleets[len(fleets)-1].Release, run.Profile()
	for i, f := range fleets {
		n := notes[i]
		entry := result.Fleet{
			Name: f.policy.name, Started: inSeconds(n.load.Start.Sub(first)),
			Late: n.load.Late, Refused: n.load.Refused, Failed: n.load.Failed, NeverStarted: n.load.NeverStarted,
		}
		for _, slice := range n.load.Slices {
			entry.Sent, entry.InBudget = append(entry.Sent, slice.Sent), append(entry.InBudget, slice.InBudget)
		}
		if n.load.FirstOutOfBudget != nil {
			entry.FirstBad = new(inSeconds(*n.load.FirstOutOfBudget))
		}
		if n.load.StartDelay != nil {
			entry.StartDelay = n.load.StartDelay.P99.Seconds()
		}
		n.pods.Record(n.load.Start, &entry)
		n.signal.Record(n.load.Start, &entry)
		hpa, err := f.HPA(ctx)
		if err != nil {
			return err
		}
		if hpa.Spec.Metrics[0].Type != autoscalingv2.ResourceMetricSourceType {
			step := n.load.Start.Add(profile.Mark)
			// Two scrapes earlier, so that each pod has a sample of before the step.
			from, until := step.Add(-2*seconds(run.ScrapeInterval)), closelyUntil(step, profile)
			times, err := overruns(ctx, host, f.Namespace, from, until)
			if err != nil {
				return err
			}
			for _, at := range times {
				entry.Scraped = append(entry.Scraped, inSeconds(at.Sub(n.load.Start)))
			}
		}
		run.Fleets = append(run.Fleets, entry)
	}
	// From the first fleet's step to the end of the last one's peak.
	peaks := seconds(run.LastStarted() + run.Spike.PeakEnd() - run.Spike.Before)
	cost, idle, err := frameCost(ctx, host, first.Add(profile.Mark+peaks), peaks, seconds(run.ScrapeInterval))
	if err != nil {
		return err
	}
	run.Pod.IdleCores, run.Pod.LoadedFramesPerSecond = idle, (run.Pod.Cores-idle)/cost
	run.Busy = busy.Since(first)
	return nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// scrapeInterval is the chart's own, in seconds.
func scrapeInterval() (float64, error) {
	data, err := os.ReadFile("charts/holograph/values.yaml")
	if err != nil {
		return 0, err
	}
	var values struct {
		Prometheus struct{ ScrapeInterval string }
	}
	if err := yaml.Unmarshal(data, &values); err != nil {
		return 0, err
	}
	interval, err := time.ParseDuration(values.Prometheus.ScrapeInterval)
	return interval.Seconds(), err
}
