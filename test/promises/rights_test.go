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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/doctor/check"
	"holograph/test/doctor/report"
	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/wait"
)

// breakTime is for a component to start anew without the right, two scrapes, and the adapter's next list.
const breakTime = 2 * time.Minute

// right is one verb on one resource that a component's Role grants, and what does not work without it.
type right struct {
	component      chart.Component
	verb, resource string
	// restarts says that the component asks for the right only when it starts.
	restarts bool
	// broken is met when what needs the right does not work.
	broken func(s *harness.Story) wait.Condition
}

var rights = []right{
	{chart.Prometheus, "list", "pods", true, named(check.Targets)},
	{chart.PrometheusAdapter, "list", "pods", false, named(check.Values)},
	{chart.KubeStateMetrics, "list", "horizontalpodautoscalers", true, silent("kube_horizontalpodautoscaler_status_desired_replicas")},
	{chart.KubeStateMetrics, "list", "deployments", true, silent("kube_deployment_spec_replicas")},
	{chart.Doctor, "list", "pods", false, told("may not list pods")},
	{chart.Doctor, "get", "deployments", false, told("may not get deployments")},
	{chart.Doctor, "get", "configmaps", false, told("may not get configmaps")},
	{chart.Doctor, "get", "horizontalpodautoscalers", false, told("may not get horizontalpodautoscalers")},
	{chart.Doctor, "get", "pods/holograph_demand", false, told("may not get pods/holograph_demand")},
}

// TestEachRight: without any one of the rights that docs/permissions.md lists, what the page lists it for does not work.
func TestEachRight(t *testing.T) {
	s := harness.New(t)
	s.Step("install the chart")
	s.UpgradeWith(map[string]string{"doctor.wait": "1s"}, "local")
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)

	for _, right := range rights {
		s.Run(fmt.Sprintf("%s may not %s %s", right.component, right.verb, strings.ReplaceAll(right.resource, "/", " ")), func(s *harness.Story) {
			s.WaitFor(breakTime, s.Healthy())
			if right.restarts {
				s.Break(harness.RestartAtEnd(right.component))
			}
			s.Break(harness.Revoke(right.component, right.verb, right.resource))
			if right.restarts {
				ctx, cancel := s.Within(breakTime)
				defer cancel()
				require.NoError(s, s.Restart(ctx, right.component))
			}
			s.WaitFor(breakTime, right.broken(s))
		})
	}
	s.Run("prometheus-adapter may not ask who its caller is", func(s *harness.Story) {
		s.WaitFor(breakTime, s.Healthy())
		s.Break(harness.DeleteClusterBinding(chart.PrometheusAdapter, ":auth-delegator"))
		s.WaitFor(breakTime, named()(s))
	})
	s.Run("prometheus-adapter may not read the API server's CA", func(s *harness.Story) {
		s.WaitFor(breakTime, s.Healthy())
		s.Break(harness.RestartAtEnd(chart.PrometheusAdapter))
		s.Break(harness.DeleteSystemBinding(chart.PrometheusAdapter, ":auth-reader"))
		for _, pod := range s.PodsOf(chart.PrometheusAdapter) {
			require.NoError(s, s.Release.CoreV1().Pods(pod.Namespace).Delete(s.Context(), pod.Name, metav1.DeleteOptions{}))
		}
		s.WaitFor(breakTime, named()(s))
	})
	s.Run("doctor may not read the APIServices", func(s *harness.Story) {
		s.WaitFor(breakTime, s.Healthy())
		s.Break(harness.DeleteClusterBinding(chart.Doctor, ""))
		s.WaitFor(breakTime, told("may not get apiservices")(s))
	})
}

// named is met when the doctor, asked from outside the cluster, names one of these links as broken; any link if none is
// given.
func named(links ...check.Link) func(*harness.Story) wait.Condition {
	return func(s *harness.Story) wait.Condition {
		return wait.Condition{Name: "the doctor to name a broken link", Unmet: func(ctx context.Context) error {
			broken := report.OfRelease(ctx, s.Release).Broken()
			if broken == nil {
				return errors.New("every link holds: the right is spare, so the chart must not ask for it")
			}
			if len(links) > 0 && !slices.ContainsFunc(links, func(link check.Link) bool { return link.Name == broken.Name }) {
				return fmt.Errorf("it names %s: %s", broken.Name, broken.Cause)
			}
			s.Logf("    %s: %s", broken.Name, broken.Cause)
			return nil
		}}
	}
}

// silent is met when Prometheus has no series of that name any more.
func silent(series string) func(*harness.Story) wait.Condition {
	return func(s *harness.Story) wait.Condition {
		return wait.Condition{Name: "no series " + series, Unmet: func(ctx context.Context) error {
			number, found, err := s.Release.Scalar(ctx, "count("+series+")")
			if err == nil && found {
				err = fmt.Errorf("there are %v: the right is spare, so the chart must not ask for it", number)
			}
			return err
		}}
	}
}

// told is met when `helm test` fails and says this.
func told(says string) func(*harness.Story) wait.Condition {
	return func(s *harness.Story) wait.Condition {
		return wait.Condition{Name: fmt.Sprintf("helm test to say %q", says), Unmet: func(context.Context) error {
			printed, err := s.HelmTest()
			if err == nil {
				return errors.New("it passes: the right is spare, so the chart must not ask for it")
			}
			if !strings.Contains(printed, says) {
				return fmt.Errorf("it says:\n%s", printed)
			}
			assert.Contains(s, printed, "a permission is missing")
			return nil
		}}
	}
}
