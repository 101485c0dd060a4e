package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"holograph/ci/cluster"
	"holograph/ci/command"
	"holograph/ci/image"
	"holograph/ci/program"
	"holograph/ci/supply"
	"holograph/test/internal/guest"
	"holograph/test/internal/kube"
	"holograph/test/internal/wait"
	"holograph/test/scale/fleet"
	"holograph/test/scale/result"
)

const (
	// release is the name of the release that serves all fleets, and of its namespace.
	release = "holograph"
	// controllerRate is the number of requests a second that each controller of the controller manager may send. Kubernetes'
	// default of 20 creates 20 pods a second, and 5,000 in four minutes.
	controllerRate = 200
	// readyBudget bounds the wait for one step of the set-up: the longest is a full window of demand.
	readyBudget = 5 * time.Minute
	// callRate is --client-qps of the adapter while calls are measured one after the other. With the 50 of the chart, calls of few
	// pods would wait for their turn.
	callRate = 100
	// createRate is the least number of pods a second that two cores create, scrape and remove.
	createRate = 12
	// share is the load of a pod for which a fleet neither grows nor shrinks: the chart's target of demand is 0.75.
	share = 0.6
	// fleetPods is the size of each of many fleets.
	fleetPods = 10
	// listInterval is the time between two lists of all fleets, which are megabytes, and metricsInterval that between two readings
	// of the controller manager's metrics. Every half a second, both would keep a fifth of the machine busy that is measured.
	listInterval, metricsInterval = 5 * time.Second, 2 * time.Second
	// rounds is how often each of many autoscalers decides while it is measured.
	rounds = 2
)

// The chart and its values files. The first two are those of the serving release, the others those of the fleets.
const (
	chart         = "charts/holograph"
	servingValues = "test/scale/values/serving.yaml"
	podsValues    = "test/scale/values/pods.yaml"
	fleetValues   = "test/scale/values/fleet.yaml"
)

var scaledObjects = schema.GroupVersionResource{Group: "keda.sh", Version: "v1alpha1", Resource: "scaledobjects"}

// runner measures on one cluster.
type runner struct {
	out     io.Writer
	cluster *cluster.Cluster
	client  *kube.Client
	dynamic dynamic.Interface
	serving kube.Release
	helm    string
	// http sends requests as the autoscaler does, without a limit of its own.
	http *http.Client
	// begun is when the run began, for the lines that say how far it is.
	begun time.Time

	// rate is the limit of the controller manager; 0 is its default.
	rate int
	// adapter is the mode of the adapter's rules, adapterRate its --client-qps, and mode that of the autoscalers that exist.
	adapter     fleet.Mode
	adapterRate int
	mode        fleet.Mode
}

// say prints a line of progress.
func (r *runner) say(format string, args ...any) {
	fmt.Fprintf(r.out, "%5s  %s\n", time.Since(r.begun).Round(time.Second), fmt.Sprintf(format, args...))
}

// measure starts a cluster, measures what is planned, and adds it to the run part by part.
func measure(ctx context.Context, out io.Writer, p plan, run *result.Run) error {
	if err := supply.Check(ctx, supply.Scale); err != nil {
		return err
	}
	limits, err := defaultLimits()
	if err != nil {
		return err
	}
	run.Limits = limits
	c, end, err := cluster.ForMeasurement(ctx, out, cluster.Scale, supply.Scale)
	if err != nil {
		return err
	}
	defer end()
	r, err := connect(ctx, out, c)
	if err != nil {
		return err
	}
	temporary, err := os.MkdirTemp("", "holograph-scale-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	gateway, err := r.gateway(ctx)
	if err != nil {
		return err
	}
	// kwok ends before the cluster does.
	playing, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	ended, err := fleet.Play(playing, c.Kubeconfig, gateway, temporary, fail)
	if err != nil {
		return err
	}
	defer func() {
		fail(nil)
		ended()
	}()
	err = r.parts(playing, p, run)
	if cause := context.Cause(playing); err != nil && cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// connect returns a runner for the cluster.
func connect(ctx context.Context, out io.Writer, c *cluster.Cluster) (*runner, error) {
	client, err := kube.Connect(c.Kubeconfig)
	if err != nil {
		return nil, err
	}
	objects, err := dynamic.NewForConfig(client.Config)
	if err != nil {
		return nil, err
	}
	calls := rest.CopyConfig(client.Config)
	calls.Timeout = mostCallTime
	sender, err := rest.HTTPClientFor(calls)
	if err != nil {
		return nil, err
	}
	helm, err := program.Helm.Binary(ctx, "helm")
	if err != nil {
		return nil, err
	}
	return &runner{
		out: out, cluster: c, client: client, dynamic: objects, helm: helm, http: sender, begun: time.Now(), rate: -1,
		serving: kube.Release{Client: client, Namespace: release, Name: release},
	}, nil
}

// parts sets the cluster up and measures.
func (r *runner) parts(ctx context.Context, p plan, run *result.Run) error {
	most := slices.Max(append(slices.Clone(p.pods), 0))
	for _, n := range p.autoscalers {
		most = max(most, n*fleetPods)
	}
	// A kept cluster may have fleets of an earlier run.
	if err := r.clear(ctx); err != nil {
		return err
	}
	if err := r.setUp(ctx, most, slices.ContainsFunc(p.modes, fleet.Mode.ByKEDA)); err != nil {
		return err
	}
	if len(p.pods) > 0 {
		if err := r.one(ctx, p, run); err != nil {
			return err
		}
	}
	if len(p.pods) > 0 && p.growth {
		if err := r.growths(ctx, p, run); err != nil {
			return err
		}
	}
	if len(p.autoscalers) > 0 {
		return r.many(ctx, p, run)
	}
	return nil
}

// setUp makes nodes for that many pods, and installs what serves the metric.
func (r *runner) setUp(ctx context.Context, pods int, keda bool) error {
	r.say("Making %d nodes without processes.", fleet.NodesFor(pods))
	if err := r.limitControllers(ctx, controllerRate); err != nil {
		return err
	}
	// The serving release has a pod too.
	if err := fleet.CreateNodes(ctx, r.client, pods+1); err != nil {
		return err
	}
	var ranges []string
	err := wait.For(ctx, readyBudget, wait.Condition{Name: "kwok's nodes to be Ready", Unmet: func(ctx context.Context) (err error) {
		ranges, err = fleet.Ranges(ctx, r.client)
		return err
	}})
	if err != nil {
		return err
	}
	if err := r.claim(ctx, ranges); err != nil {
		return err
	}
	crowd, err := crowdPod()
	if err != nil {
		return err
	}
	manifest := slices.Concat(guest.Namespace(release), crowd)
	for i := range fleet.Namespaces {
		manifest = append(manifest, guest.Namespace(fleet.Namespace(i))...)
	}
	if err := guest.Apply(ctx, r.client, manifest); err != nil {
		return err
	}
	err = wait.For(ctx, readyBudget, wait.Condition{Name: "what answers the scrapes to take a load", Unmet: func(ctx context.Context) error {
		return r.offer(ctx, 0)
	}})
	if err != nil {
		return err
	}
	if keda {
		r.say("Installing KEDA.")
		if err := guest.InstallKEDA(ctx, r.client); err != nil {
			return err
		}
	}
	r.say("Installing the chart.")
	if err := r.serve(ctx, fleet.Pods, callRate); err != nil {
		return err
	}
	for i := range fleet.Namespaces {
		if err := r.serving.ShareLogin(ctx, fleet.Namespace(i)); err != nil {
			return err
		}
	}
	return nil
}

// crowdPod returns the manifest of what answers the scrapes, in the network of the node.
func crowdPod() ([]byte, error) {
	crowd, err := image.Crowd()
	if err != nil {
		return nil, err
	}
	manifest, err := yaml.Marshal(&corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "crowd", Namespace: metav1.NamespaceDefault},
		Spec: corev1.PodSpec{
			HostNetwork: true, AutomountServiceAccountToken: new(false),
			NodeSelector: map[string]string{corev1.LabelOSStable: "linux"},
			Containers: []corev1.Container{{
				Name: "crowd", Image: crowd.Ref, ImagePullPolicy: corev1.PullNever,
				SecurityContext: &corev1.SecurityContext{ReadOnlyRootFilesystem: new(true), AllowPrivilegeEscalation: new(false)},
				Resources:       corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m")}},
			}},
		},
	})
	return append([]byte("---\n"), manifest...), err
}

// serve makes the adapter serve the metrics of a mode, with that limit of requests a second, 0 for the chart's own. KEDA needs
// no adapter, and leaves it as it is.
func (r *runner) serve(ctx context.Context, mode fleet.Mode, rate int) error {
	if mode.ByKEDA() {
		mode = r.adapter
	}
	if r.adapter == mode && r.adapterRate == rate && r.adapter != "" {
		return nil
	}
	var served []string
	for i := range fleet.Namespaces {
		served = append(served, fleet.Namespace(i))
	}
	args := []string{
		r.helm, "upgrade", "--install", release, chart, "--namespace", release, "--kubeconfig", r.cluster.Kubeconfig,
		"--wait", "--timeout", readyBudget.String(), "--values", podsValues, "--values", servingValues,
		"--set", "servedNamespaces={" + strings.Join(served, ",") + "}",
	}
	if rate > 0 {
		args = append(args, "--set", fmt.Sprintf("prometheusAdapter.extraArgs={--client-qps=%d,--client-burst=%d}", rate, 2*rate))
	}
	for _, value := range mode.Values() {
		args = append(args, "--set", value)
	}
	if err := (command.Command{Log: "scale", Args: args}).Run(ctx); err != nil {
		return err
	}
	r.adapter, r.adapterRate = mode, rate
	// The adapter that was replaced ends after the new one is Ready.
	return wait.For(ctx, readyBudget, r.settled(result.Adapter, result.APIServer, result.Prometheus, result.ControllerManager))
}

// autoscale gives the first so many fleets autoscalers of that mode, which keep between least and most pods.
func (r *runner) autoscale(ctx context.Context, mode fleet.Mode, fleets, least, most, rate int) error {
	if r.mode.ByKEDA() && !mode.ByKEDA() {
		if err := r.removeScaledObjects(ctx); err != nil {
			return err
		}
	}
	if err := r.serve(ctx, mode, rate); err != nil {
		return err
	}
	t, err := render(mode, least, most)
	if err != nil {
		return err
	}
	r.mode = mode
	return guest.Apply(ctx, r.client, t.Autoscalers(0, fleets))
}

// render renders a fleet.
func render(mode fleet.Mode, least, most int) (fleet.Template, error) {
	return fleet.Render([]string{podsValues, fleetValues}, mode, least, most)
}

// removeScaledObjects removes KEDA's autoscalers, if KEDA is installed.
func (r *runner) removeScaledObjects(ctx context.Context) error {
	return wait.For(ctx, readyBudget, wait.Condition{Name: "KEDA's autoscalers to be gone", Unmet: func(ctx context.Context) error {
		left := 0
		for i := range fleet.Namespaces {
			objects := r.dynamic.Resource(scaledObjects).Namespace(fleet.Namespace(i))
			list, err := objects.List(ctx, metav1.ListOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			if err != nil {
				return err
			}
			if len(list.Items) > 0 {
				if err := objects.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
					return err
				}
			}
			autoscalers, err := r.client.AutoscalingV2().HorizontalPodAutoscalers(fleet.Namespace(i)).List(ctx, metav1.ListOptions{})
			if err != nil {
				return err
			}
			left += len(list.Items)
			for _, hpa := range autoscalers.Items {
				if metav1.GetControllerOf(&hpa) != nil {
					left++
				}
			}
		}
		if left > 0 {
			return fmt.Errorf("%d ScaledObjects and autoscalers are left", left)
		}
		return nil
	}})
}

// clear removes all fleets, their autoscalers and their pods.
func (r *runner) clear(ctx context.Context) error {
	if err := r.removeScaledObjects(ctx); err != nil {
		return err
	}
	r.mode = ""
	now := metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}
	return wait.For(ctx, readyBudget, wait.Condition{Name: "the fleets to be gone", Unmet: func(ctx context.Context) error {
		for i := range fleet.Namespaces {
			namespace := fleet.Namespace(i)
			all := metav1.ListOptions{}
			if err := r.client.AutoscalingV2().HorizontalPodAutoscalers(namespace).DeleteCollection(ctx, now, all); err != nil {
				return err
			}
			if err := r.client.AppsV1().Deployments(namespace).DeleteCollection(ctx, now, all); err != nil {
				return err
			}
			sets, err := r.client.AppsV1().ReplicaSets(namespace).List(ctx, metav1.ListOptions{Limit: 1})
			if err != nil {
				return err
			}
			if len(sets.Items) > 0 {
				return errors.New("ReplicaSets are left")
			}
			// The garbage collector removes one pod after the other.
			if err := r.client.CoreV1().Pods(namespace).DeleteCollection(ctx, now, all); err != nil {
				return err
			}
			pods, err := r.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{Limit: 1})
			if err != nil {
				return err
			}
			if len(pods.Items) > 0 {
				return fmt.Errorf("pods are left in %s", namespace)
			}
		}
		return nil
	}})
}

// defaultLimits returns the chart's default memory limits of what is measured, in MiB.
func defaultLimits() (map[string]float64, error) {
	text, err := os.ReadFile(filepath.Join(chart, "values.yaml"))
	if err != nil {
		return nil, err
	}
	type component struct{ Resources corev1.ResourceRequirements }
	var values struct{ Prometheus, PrometheusAdapter component }
	if err := yaml.Unmarshal(text, &values); err != nil {
		return nil, err
	}
	limits := map[string]float64{}
	for name, c := range map[string]component{result.Prometheus: values.Prometheus, result.Adapter: values.PrometheusAdapter} {
		memory := c.Resources.Limits.Memory()
		if memory.IsZero() {
			return nil, fmt.Errorf("%s/values.yaml: %s has no memory limit, want one: the page says from which size it does not suffice", chart, name)
		}
		limits[name] = memory.AsApproximateFloat64() / (1 << 20)
	}
	return limits, nil
}
