package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"holograph/test/doctor/check"
	"holograph/test/doctor/report"
	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
)

// namedTime bounds the time until the doctor names a fault: a rollout, the update of a ConfigMap in a pod, a few scrapes.
// The slowest fault takes 15 s on an idle machine.
const namedTime = 90 * time.Second

// named are the faults that the doctor names when it runs outside the cluster.
var named = []struct {
	name  string
	fault harness.Fault
	// link is the link that the doctor must name. says is text of the cause that it must give.
	link check.Link
	says string
}{
	{"renderer never ready", harness.EditPods(chart.Renderer, probe("/nowhere")),
		check.RendererPods, "container renderer runs and does not pass its readiness probe"},
	{"renderer at another port", harness.EditPods(chart.Renderer, listen(9000)),
		check.RendererMetrics, "does not give its metrics at port 8080, path /metrics: "},
	{"prometheus gone", harness.Scale(chart.Prometheus, 0),
		check.Prometheus, "Deployment holograph-prometheus is scaled to 0 pods"},
	{"scrapes of a closed port", harness.Relabel(chart.Renderer, harness.Relabeling{SourceLabels: []string{"__meta_kubernetes_pod_ip"}, TargetLabel: "__address__", Replacement: "$1:9"}),
		check.Targets, "connection refused"},
	{"series under another label", harness.Relabel(chart.Renderer, harness.Relabeling{SourceLabels: []string{"pod"}, TargetLabel: "kubernetes_pod_name"}, harness.Relabeling{Regex: "pod", Action: "labeldrop"}),
		check.Series, `kubernetes_pod_name="holograph-renderer-`},
	{"rule missing", harness.EditRules(first),
		check.AdapterRule, "has 1 rules and none that gives holograph_demand"},
	{"adapter gone", harness.Scale(chart.PrometheusAdapter, 0),
		check.AdapterPods, "Deployment holograph-prometheus-adapter is scaled to 0 pods"},
	{"APIService points at nothing", harness.MisdirectAPI(),
		check.APIService, "is not Available: ServiceNotFound"},
	{"rule not read", rulesNotRead,
		check.Discovery, "started before ConfigMap holograph/holograph-prometheus-adapter was last changed"},
	{"adapter may not list pods", harness.Unbind(chart.PrometheusAdapter),
		check.Values, "may not list pods in namespace holograph"},
	{"adapter cut off", harness.CutOff(chart.PrometheusAdapter),
		check.Values, "unable to fetch metrics"},
	{"autoscaler gone", harness.DeleteAutoscaler(),
		check.Autoscaler, "namespace holograph has no HorizontalPodAutoscaler holograph-renderer"},
	{"autoscaler at its maximum", pinnedUnderLoad,
		check.Headroom, "pinned at its maximum of 2 pods"},
}

// namedByHelmTest are the faults that `helm test` names, which runs the doctor in the cluster.
var namedByHelmTest = []struct {
	name  string
	fault harness.Fault
	// says are texts that `helm test` must print.
	says []string
}{
	{"autoscaler asks for another metric", harness.EditAutoscaler(func(spec *autoscalingv2.HorizontalPodAutoscalerSpec) { spec.Metrics[0].Pods.Metric.Name = "frames" }), []string{
		"The first broken link is autoscaler.",
		"HPA holograph-renderer asks for frames, holograph_demand, and not for holograph_frames_over_budget_total, which is served",
	}},
	{"doctor may not look", harness.Unbind(chart.Doctor), []string{
		"The link renderer-pods could not be looked at, so nobody knows whether it holds.",
		"a permission is missing: ServiceAccount holograph/holograph-doctor may not get deployments of apps in namespace holograph",
	}},
}

// TestDoctor breaks each link in turn, some of them in several ways. The doctor names the broken link, and after the fix
// it finds that every link holds.
func TestDoctor(t *testing.T) {
	s := harness.New(t)
	s.Step("install the chart")
	// By default the doctor waits for a broken link to recover. Here the links are broken on purpose.
	s.UpgradeWith(map[string]string{"doctor.wait": "1s"}, "local")
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
	s.WaitFor(namedTime, s.Healthy())

	s.Run("nothing broken", (*harness.Story).HelmTestPasses)
	for _, c := range named {
		s.Run(c.name, func(s *harness.Story) {
			s.WaitFor(namedTime, s.Healthy())
			s.Break(c.fault)
			expectBroken(s, c.link, c.says)
		})
	}
	s.Run("helm test", func(s *harness.Story) {
		for _, c := range namedByHelmTest {
			s.Run(c.name, func(s *harness.Story) {
				s.WaitFor(namedTime, s.Healthy())
				s.Break(c.fault)
				printed, err := s.HelmTest()
				require.Error(s, err, "helm test passed, want a failure: %s\n%s", c.name, printed)
				for _, text := range c.says {
					assert.Contains(s, printed, text)
				}
			})
		}
	})
	s.Run("everything fixed", (*harness.Story).HelmTestPasses)
}

// expectBroken waits until the doctor names the link as the broken one, with a cause that contains says, and checks that
// it gives a remedy.
func expectBroken(s *harness.Story, link check.Link, says string) {
	s.Helper()
	var broken *report.Link
	s.WaitFor(namedTime, wait.Condition{Name: fmt.Sprintf("the doctor to name %s and say %q", link.Name, says), Unmet: func(ctx context.Context) error {
		found := report.OfRelease(ctx, s.Release)
		broken = found.Broken()
		if unseen := found.Unseen(); unseen != nil {
			return fmt.Errorf("it could not look at %s: %s", unseen.Name, unseen.Cause)
		}
		if broken == nil {
			return errors.New("it finds that every link holds")
		}
		if broken.Name != link.Name || !strings.Contains(broken.Cause, says) {
			return fmt.Errorf("it names %s: %s", broken.Name, broken.Cause)
		}
		return nil
	}})
	s.Logf("    cause:  %s", broken.Cause)
	s.Logf("    remedy: %s", broken.Remedy)
	assert.NotEmpty(s, broken.Remedy, "remedy of %s", link.Name)
}

// probe moves the readiness probe to another path.
func probe(path string) func(*corev1.PodSpec) {
	return func(pod *corev1.PodSpec) { pod.Containers[0].ReadinessProbe.HTTPGet.Path = path }
}

// listen makes the renderer listen at another port, and names that port in its container.
func listen(port int32) func(*corev1.PodSpec) {
	return func(pod *corev1.PodSpec) {
		container := &pod.Containers[0]
		container.Ports[0].ContainerPort = port
		container.Env = append(container.Env, corev1.EnvVar{Name: "HOLOGRAPH_LISTEN_ADDRESS", Value: fmt.Sprintf(":%d", port)})
	}
}

// first keeps only the first of the adapter's rules.
func first(rules []any) []any { return rules[:1] }

// rulesNotRead restarts the adapter while a rule is missing, and then puts the rule back. The adapter reads its rules only
// when it starts, so it does not have that rule.
func rulesNotRead(ctx context.Context, s *harness.Story) (harness.Fix, error) {
	const metric = "pods/holograph_demand"
	s.Break(harness.RestartAtEnd(chart.PrometheusAdapter))
	putBack := s.Break(harness.EditRules(first))
	if err := s.Restart(ctx, chart.PrometheusAdapter); err != nil {
		return nil, err
	}
	s.WaitFor(namedTime, wait.Condition{Name: metric + " not to be listed", Unmet: func(ctx context.Context) error {
		listed, err := s.Release.Metrics(ctx)
		if err == nil && slices.Contains(listed, metric) {
			err = errors.New("it is listed")
		}
		return err
	}})
	putBack()
	return nil, nil
}

// pinnedUnderLoad limits the autoscaler to two pods while the load asks for more.
func pinnedUnderLoad(_ context.Context, s *harness.Story) (harness.Fix, error) {
	s.Break(harness.Pin(2))
	s.Drive(time.Second, load.Steady(5, loadTime))
	return nil, nil
}
