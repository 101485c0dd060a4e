package promises

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
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"

	"holograph/test/doctor/check"
	"holograph/test/doctor/deletioncost"
	"holograph/test/doctor/report"
	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/wait"
)

const (
	// breakTime is for a component to start anew without the right, two scrapes, and the adapter's next list.
	breakTime = 2 * time.Minute
	// quick bounds the time until Prometheus knows of a change of the cluster: 5 s until it takes up new targets, and 5 s until
	// a scrape.
	quick = 20 * time.Second
	// starting is longer than a component takes to start and to be seen to work.
	starting = 30 * time.Second
)

// right is one verb on one resource that a component's Role or ClusterRole grants, and what does not work without it.
type right struct {
	component chart.Component
	verb      string
	// resource has its group behind a dot, as Kubernetes names it.
	resource string
	// restarts says that the component asks for the right only when it starts.
	restarts bool
	// broken waits until what needs the right does not work.
	broken func(s *harness.Story)
}

var rights = []right{
	{chart.Prometheus, "list", "pods", true, doctorNames(starting, check.Targets)},
	{chart.Prometheus, "watch", "pods", true, late(newTarget)},
	{chart.PrometheusAdapter, "list", "pods", false, doctorNames(0, check.Values)},
	{chart.KubeStateMetrics, "list", "horizontalpodautoscalers.autoscaling", true, silent("kube_horizontalpodautoscaler_status_desired_replicas", "kube_deployment_spec_replicas")},
	{chart.KubeStateMetrics, "watch", "horizontalpodautoscalers.autoscaling", true, late(newMaximum)},
	{chart.KubeStateMetrics, "list", "deployments.apps", true, silent("kube_deployment_spec_replicas", "kube_horizontalpodautoscaler_status_desired_replicas")},
	{chart.KubeStateMetrics, "watch", "deployments.apps", true, late(newReplicas)},
	{chart.DeletionCost, "list", "pods", false, costsFail(unchanged)},
	{chart.DeletionCost, "patch", "pods/status", false, costsFail(wrongCost)},
	{chart.Doctor, "list", "pods", false, told("may not list pods")},
	{chart.Doctor, "get", "deployments.apps", false, told("may not get deployments of apps")},
	{chart.Doctor, "get", "configmaps", false, told("may not get configmaps")},
	{chart.Doctor, "get", "horizontalpodautoscalers.autoscaling", false, told("may not get horizontalpodautoscalers of autoscaling")},
	{chart.Doctor, "get", "pods/holograph_frames_over_budget_total.custom.metrics.k8s.io", false, told("may not get pods/holograph_frames_over_budget_total of custom.metrics.k8s.io")},
	{chart.Doctor, "get", "pods/holograph_demand.custom.metrics.k8s.io", false, told("may not get pods/holograph_demand of custom.metrics.k8s.io")},
	{chart.Doctor, "get", "apiservices.apiregistration.k8s.io", false, told("may not get apiservices of apiregistration.k8s.io")},
}

// TestEachRight: without any one of the rights that docs/permissions.md lists, what the page lists it for does not work.
func TestEachRight(t *testing.T) {
	s := harness.New(t)
	s.Step("install the chart")
	set := map[string]string{"doctor.wait": "1s", "deletionCost.enabled": "true"}
	for _, component := range []string{"prometheus", "kubeStateMetrics"} {
		// A current API server (1.37) streams a list to a client that may watch, which then needs no right to list.
		// The chart also runs on older ones. Helm would make a boolean of false.
		set[component+".extraEnv[0].name"], set[component+".extraEnv[0].value"] = "KUBE_FEATURE_WatchListClient", "f"
	}
	s.UpgradeWith(set, "local")
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
	assert.ElementsMatch(t, granted(s), losses(rights), "the verbs that the release's Roles grant, against those whose loss is tested")
	each(s, rights)

	s.Run("prometheus-adapter may not ask who its caller is", func(s *harness.Story) {
		s.WaitFor(breakTime, s.Healthy())
		s.Break(harness.DeleteClusterBinding(chart.PrometheusAdapter, ":auth-delegator"))
		doctorNames(0)(s)
	})
	s.Run("prometheus-adapter may not read the CA of the API server's client certificate", func(s *harness.Story) {
		s.WaitFor(breakTime, s.Healthy())
		s.Break(harness.RestartAtEnd(chart.PrometheusAdapter))
		s.Break(harness.DeleteSystemBinding(chart.PrometheusAdapter, ":auth-reader"))
		for _, pod := range s.PodsOf(chart.PrometheusAdapter) {
			require.NoError(s, s.Release.CoreV1().Pods(pod.Namespace).Delete(s.Context(), pod.Name, metav1.DeleteOptions{}))
		}
		doctorNames(starting)(s)
	})
}

// losses names the rights, as granted does.
func losses(rights []right) (all []string) {
	for _, r := range rights {
		all = append(all, r.String())
	}
	return all
}

// each takes one right after the other away.
func each(s *harness.Story, rights []right) {
	s.Helper()
	for _, r := range rights {
		s.Run(strings.NewReplacer("/", " ", "*.", "all of ").Replace(r.String()), func(s *harness.Story) {
			s.WaitFor(breakTime, s.Healthy())
			if r.restarts {
				s.Break(harness.RestartAtEnd(r.component))
			}
			s.Break(harness.Revoke(r.component, r.verb, r.resource))
			if r.restarts {
				ctx, cancel := s.Within(breakTime)
				defer cancel()
				require.NoError(s, s.Restart(ctx, r.component))
			}
			r.broken(s)
		})
	}
}

func (r right) String() string {
	return fmt.Sprintf("%s may not %s %s", r.component, r.verb, r.resource)
}

// granted lists what the release's Roles and ClusterRoles grant, as a right without it is named.
func granted(s *harness.Story) (all []string) {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	ofRelease := metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + s.Release.Name}
	roles, err := s.Release.RbacV1().Roles("").List(ctx, ofRelease)
	require.NoError(s, err)
	clusterRoles, err := s.Release.RbacV1().ClusterRoles().List(ctx, ofRelease)
	require.NoError(s, err)
	add := func(labels map[string]string, rules []rbacv1.PolicyRule) {
		for _, rule := range rules {
			for _, group := range rule.APIGroups {
				for _, name := range rule.Resources {
					for _, verb := range rule.Verbs {
						all = append(all, right{component: chart.Component(labels["app.kubernetes.io/component"]), verb: verb, resource: strings.TrimSuffix(name+"."+group, ".")}.String())
					}
				}
			}
		}
	}
	for _, role := range roles.Items {
		add(role.Labels, role.Rules)
	}
	for _, role := range clusterRoles.Items {
		add(role.Labels, role.Rules)
	}
	return all
}

// doctorNames waits until the doctor, asked from outside the cluster, has for so long named one of these links as broken;
// any link if none is given. A component that starts may need half a minute until every link holds.
func doctorNames(length time.Duration, links ...check.Link) func(*harness.Story) {
	return func(s *harness.Story) {
		since := time.Now()
		var cause string
		s.WaitFor(breakTime, wait.Condition{Name: fmt.Sprintf("the doctor to name a broken link for %s", length), Unmet: func(ctx context.Context) error {
			broken := report.OfRelease(ctx, s.Release).Broken()
			var err error
			switch {
			case broken == nil:
				err = errNotNeeded
			case len(links) > 0 && !slices.ContainsFunc(links, func(link check.Link) bool { return link.Name == broken.Name }):
				err = fmt.Errorf("it names %s: %s", broken.Name, broken.Cause)
			case time.Since(since) < length:
				return fmt.Errorf("it has named %s for %s", broken.Name, time.Since(since).Round(time.Second))
			default:
				cause = broken.Name + ": " + broken.Cause
				return nil
			}
			since = time.Now()
			return err
		}})
		s.Logf("    %s", cause)
	}
}

// errNotNeeded is the error where everything works without a right.
var errNotNeeded = errors.New("everything works without the right, so the chart must not ask for it")

// silent waits until kube-state-metrics shows the second of these series and not the first.
func silent(series, other string) func(*harness.Story) {
	return func(s *harness.Story) {
		s.WaitFor(breakTime, wait.Condition{Name: "no series " + series, Unmet: func(ctx context.Context) error {
			_, found, err := s.Release.Scalar(ctx, fmt.Sprintf("count(%s) unless count(%s)", other, series))
			if err == nil && !found {
				err = errNotNeeded
			}
			return err
		}})
	}
}

// told waits until `helm test` fails and says this.
func told(says string) func(*harness.Story) {
	return func(s *harness.Story) {
		s.WaitFor(breakTime, wait.Condition{Name: fmt.Sprintf("helm test to say %q", says), Unmet: func(context.Context) error {
			printed, err := s.HelmTest()
			if err == nil {
				return errNotNeeded
			}
			if !strings.Contains(printed, says) {
				return fmt.Errorf("it says:\n%s\n%w", printed, err)
			}
			assert.Contains(s, printed, "a permission is missing")
			return nil
		}})
	}
}

// costsFail waits until the writer of deletion costs, which is Ready for a minute after its last success, is not Ready any
// more. The change gives it something to write.
func costsFail(change func(*harness.Story)) func(*harness.Story) {
	return func(s *harness.Story) {
		s.WaitFor(breakTime, s.RolledOut(chart.DeletionCost))
		change(s)
		s.WaitFor(breakTime, wait.Condition{Name: "the writer of deletion costs not to be Ready", Unmet: func(context.Context) error {
			if slices.ContainsFunc(s.PodsOf(chart.DeletionCost), kube.Ready) {
				return errNotNeeded
			}
			return nil
		}})
	}
}

// unchanged changes nothing.
func unchanged(*harness.Story) {}

// wrongCost gives an idle pod the cost of a full one, as the writer itself would have done it.
func wrongCost(s *harness.Story) {
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	pod := s.PodsOf(chart.Renderer)[0]
	_, err := s.Release.CoreV1().Pods(pod.Namespace).ApplyStatus(ctx,
		applycorev1.Pod(pod.Name, pod.Namespace).WithAnnotations(map[string]string{corev1.PodDeletionCost: "4"}),
		metav1.ApplyOptions{FieldManager: deletioncost.Manager})
	require.NoError(s, err)
}

// late changes the cluster up to eight times, until Prometheus knows of a change later than quick. change returns a query that
// Prometheus answers when it knows of the change. A client that may list and not watch lists again and again, at first every
// second and in the end every half minute or minute.
func late(change func(s *harness.Story, i int) (query string)) func(*harness.Story) {
	return func(s *harness.Story) {
		begun := time.Now()
		for i := range 8 {
			query := change(s, i)
			changed := time.Now()
			if err := wait.For(s.Context(), quick, wait.Answer(s.Release, query)); err != nil {
				s.Logf("    change %d, %s after the loss of the right: %v", i+1, changed.Sub(begun).Round(time.Second), err)
				return
			}
			s.Logf("    change %d, %s after the loss of the right, is known after %s", i+1, changed.Sub(begun).Round(time.Second), time.Since(changed).Round(time.Second))
		}
		require.NoError(s, errNotNeeded)
	}
}

// newTarget replaces the pod of kube-state-metrics, because a new one is Ready sooner than a new renderer.
func newTarget(s *harness.Story, _ int) string {
	ctx, cancel := s.Within(breakTime)
	defer cancel()
	require.NoError(s, s.Restart(ctx, chart.KubeStateMetrics))
	return fmt.Sprintf(`up{job="kube-state-metrics", instance=~"%s:.+"} == 1`, s.PodsOf(chart.KubeStateMetrics)[0].Status.PodIP)
}

// newMaximum gives the autoscaler another maximum.
func newMaximum(s *harness.Story, i int) string {
	maximum := int32(20 + i)
	s.Break(harness.EditAutoscaler(func(spec *autoscalingv2.HorizontalPodAutoscalerSpec) { spec.MaxReplicas = maximum }))
	return fmt.Sprintf("kube_horizontalpodautoscaler_spec_max_replicas == %d", maximum)
}

// newReplicas gives the adapter another number of pods.
func newReplicas(s *harness.Story, i int) string {
	replicas := int32(2 + i%2)
	s.Break(harness.Scale(chart.PrometheusAdapter, replicas))
	return fmt.Sprintf(`kube_deployment_spec_replicas{deployment=~".+-prometheus-adapter"} == %d`, replicas)
}
