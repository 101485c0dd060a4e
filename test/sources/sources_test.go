package sources

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/ci/program"
	"holograph/ci/supply"
	"holograph/test/doctor/check"
	"holograph/test/internal/chart"
	"holograph/test/internal/guest"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
)

// loadPods is the load of a story in units of what one pod renders: it takes more pods than the minimum of two.
const loadPods = 2.5

// TestExistingAdapter: the chart leaves the custom metrics API to an adapter that the cluster has already. With the rules of
// the release, that adapter serves the release's metrics beside those of another team, and the release scales by them.
func TestExistingAdapter(t *testing.T) {
	s := harness.New(t)
	s.Uninstall()
	adapter := s.At("monitoring", "adapter")
	adapter.Chart = filepath.Join("testdata", "adapter")
	settings := map[string]string{
		"image":         ref(t, program.PrometheusAdapter, "adapter"),
		"prometheusURL": "http://holograph-prometheus.holograph.svc:9090",
	}

	s.Step("the cluster has an adapter")
	require.NoError(t, adapter.Upgrade(harness.Upgrade{Set: settings}))

	s.Step("the chart refuses to take its API away")
	err := s.Upgrade(harness.Upgrade{Examples: []string{"local"}})
	require.ErrorContains(t, err, "prometheusAdapter.enabled: must be false (got true), because v1beta1.custom.metrics.k8s.io belongs to the Service monitoring/adapter "+
		"of the Helm release adapter in namespace monitoring already: set prometheusAdapter.enabled to false and prometheusAdapter.existing.namespace to monitoring")

	s.Step("the chart writes its rules for that adapter, which still serves another team")
	require.NoError(t, s.Upgrade(withLocal("existing")))

	s.Step("the adapter is given the login of the chart's Prometheus")
	require.NoError(t, s.Release.ShareLogin(t.Context(), "monitoring"))
	settings["login"] = "holograph-prometheus-login"
	require.NoError(t, adapter.Upgrade(harness.Upgrade{Set: settings}))
	s.WaitFor(time.Minute, otherTeamServed(s))

	s.Step("the adapter is given the rules, which include the other team's")
	settings["rules.existing"] = "holograph-adapter-rules"
	require.NoError(t, adapter.Upgrade(harness.Upgrade{Set: settings}))
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
	s.WaitFor(time.Minute, otherTeamServed(s))

	s.Step("late frames add pods")
	pod := s.MeasurePod()
	rate := loadPods * pod.FramesPerSecond()
	s.Drive(pod.Budget, load.Steady(rate, time.Minute))
	s.WaitFor(time.Minute, wait.ReplicasAtLeast(s.Release, 3))
}

// otherTeamServed is met when the adapter serves the metric of another team. It has one value, for the Prometheus pod of the
// release.
func otherTeamServed(s *harness.Story) wait.Condition {
	return wait.Condition{Name: "another team's metric to be served", Unmet: func(ctx context.Context) error {
		values, err := s.Release.MetricOfPods(ctx, s.Release.Namespace, s.Selector(chart.Prometheus), "queries_of_another_team")
		if err == nil && len(values) != 1 {
			err = fmt.Errorf("%d pods have a value, want 1", len(values))
		}
		return err
	}}
}

// TestTwoReleases: two releases in two namespaces scale by one adapter and one Prometheus. The chart refuses to install a
// second adapter.
func TestTwoReleases(t *testing.T) {
	s := harness.New(t)
	s.Apply(guest.Namespace("film"))
	film := s.At("film", "holograph-film")

	s.Step("install a release that serves the namespace of the other one")
	require.NoError(t, s.Upgrade(harness.Upgrade{Examples: []string{"local"}, Set: map[string]string{"servedNamespaces[0]": "film"}}))

	s.Step("the chart refuses a second adapter")
	err := film.Upgrade(harness.Upgrade{Examples: []string{"local"}})
	require.ErrorContains(t, err, "prometheusAdapter.enabled: must be false (got true), because v1beta1.custom.metrics.k8s.io belongs to the Service holograph/holograph-prometheus-adapter "+
		"of the Helm release holograph in namespace holograph already, which is another release of this chart: set prometheusAdapter.enabled to false and list film in servedNamespaces of that release")

	s.Step("install the other release without an adapter")
	require.NoError(t, s.Release.ShareLogin(t.Context(), "film"))
	require.NoError(t, film.Upgrade(withLocal("guest")))

	s.Step("both scale by the same adapter")
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
	s.WaitFor(2*time.Minute, wait.Chain(film.Release)...)
	s.WaitFor(time.Minute, recorded(s.Release, s.Release), recorded(s.Release, film.Release))
}

// TestPlatformPrometheus: the release scales by the Prometheus of a platform team that requires a certificate, a credential
// and a tenant. The adapter does not log the credential.
func TestPlatformPrometheus(t *testing.T) {
	s := harness.New(t)
	s.Apply(guest.Namespace(s.Release.Namespace))
	platform := s.At("monitoring", "metrics")
	platform.Chart = filepath.Join("testdata", "metrics")
	const token, password = "the-token-of-film", "pass:word/of+film"

	s.Step("the cluster has a Prometheus that requires a certificate, a credential and a tenant")
	require.NoError(t, platform.Upgrade(harness.Upgrade{Set: map[string]string{
		"images.prometheus": ref(t, program.Prometheus, "prometheus"),
		"images.authproxy":  ref(t, program.AuthProxy, "authproxy"),
		"namespace":         s.Release.Namespace,
		"tenant":            "film",
		"token":             token,
		"username":          "film",
		"password":          password,
	}}))
	s.WaitFor(time.Minute, wait.Condition{Name: "a request without a credential to be refused", Unmet: func(ctx context.Context) error {
		var code int
		s.Release.Discovery().RESTClient().Get().AbsPath("/api/v1/namespaces/monitoring/services/https:metrics-prometheus:login/proxy/api/v1/query").
			Param("query", "up").Do(ctx).StatusCode(&code)
		if code != http.StatusUnauthorized {
			return fmt.Errorf("its status is %d, want %d", code, http.StatusUnauthorized)
		}
		return nil
	}})

	for _, way := range []string{"token", "login"} {
		s.Step("the release queries it with a %s", way)
		require.NoError(t, s.Upgrade(withLocal(way)))
		s.WaitFor(time.Minute, wait.PodsReady(s.Release), onePod(s, chart.PrometheusAdapter))
		// Only the doctor's pod has the credential, so only that can check the links before this one.
		s.WaitFor(2*time.Minute, wait.From(s.Release, check.AdapterRule)...)
		s.Step("the doctor queries it too")
		s.HelmTestPasses()
		log := adapterLog(s)
		assert.NotContains(t, log, token, "the adapter's log has the token, want no credential in it")
		assert.NotContains(t, log, password, "the adapter's log has the password, want no credential in it")
	}
}

// TestPrometheusOperator: a Prometheus of the Prometheus Operator scrapes the PodMonitors of the release and evaluates its
// PrometheusRule. The release scales by it, with its own adapter and with an adapter of the cluster.
func TestPrometheusOperator(t *testing.T) {
	s := harness.New(t)

	s.Step("the cluster has the Prometheus Operator, and a Prometheus of it")
	directory, err := program.PrometheusOperator.ModuleDir(s.Context())
	require.NoError(t, err)
	bundle, err := os.ReadFile(filepath.Join(directory, "bundle.yaml"))
	require.NoError(t, err)
	s.Apply(bundle)
	apply(s, "operator")

	s.Step("install the chart with PodMonitors and a PrometheusRule")
	slow := []string{filepath.Join("testdata", "slow-scrapes.yaml")}
	require.NoError(t, s.Upgrade(harness.Upgrade{Examples: []string{"local", "prometheus-operator"}, Values: slow}))
	s.WaitFor(5*time.Minute, wait.Chain(s.Release)...)

	s.Step("that Prometheus evaluates its rules")
	stack := kube.Release{Client: s.Release.Client, Namespace: "monitoring", Name: "stack", Open: true}
	s.WaitFor(2*time.Minute, recorded(stack, s.Release))

	s.Step("the cluster's adapter takes the place of the release's")
	require.NoError(t, s.Upgrade(harness.Upgrade{Examples: []string{"local", "existing-adapter"}, Values: slow}))
	adapter := s.At("monitoring", "adapter")
	adapter.Chart = filepath.Join("testdata", "adapter")
	require.NoError(t, adapter.Upgrade(harness.Upgrade{Set: map[string]string{
		"image":          ref(t, program.PrometheusAdapter, "adapter"),
		"prometheusURL":  "http://prometheus-operated.monitoring.svc:9090",
		"rules.existing": "holograph-adapter-rules",
	}}))
	s.WaitFor(5*time.Minute, wait.Chain(s.Release)...)
}

// TestScrapeAnnotations: the release scales by a Prometheus that finds pods by their annotations, with the scrape job of the
// prometheus-community chart. That job sets no label for the container.
func TestScrapeAnnotations(t *testing.T) {
	s := harness.New(t)
	s.Uninstall()

	s.Step("the cluster has a Prometheus that finds pods by their annotations")
	apply(s, "annotations")

	s.Step("install the chart with annotations")
	require.NoError(t, s.Upgrade(harness.Upgrade{Examples: []string{"local"}, Values: []string{
		filepath.Join("testdata", "slow-scrapes.yaml"), filepath.Join("testdata", "annotated.yaml")}}))
	s.WaitFor(5*time.Minute, wait.Chain(s.Release)...)
}

// apply applies a manifest of testdata with the images of the cluster.
func apply(s *harness.Story, name string) {
	s.Helper()
	prometheus := ref(s.T, program.Prometheus, "prometheus")
	s.ApplyFile(filepath.Join("testdata", name+".yaml"), map[string]string{
		"prometheus": prometheus, "version": prometheus[strings.LastIndex(prometheus, ":")+1:],
		"renderer": ref(s.T, program.OtherRenderer, "other-renderer"),
	})
}

// withLocal returns the values of the example local, overridden by a file of testdata.
func withLocal(name string) harness.Upgrade {
	return harness.Upgrade{Examples: []string{"local"}, Values: []string{filepath.Join("testdata", name+".yaml")}}
}

// recorded is met when the Prometheus of a release records the desired replicas of release r.
func recorded(prometheus, r kube.Release) wait.Condition {
	return wait.Condition{Name: "the desired replicas of " + r.Renderer() + " to be recorded", Unmet: func(ctx context.Context) error {
		_, found, err := prometheus.Scalar(ctx, fmt.Sprintf("holograph:hpa_replicas:desired{namespace=%q,horizontalpodautoscaler=%q}", r.Namespace, r.Renderer()))
		if err == nil && !found {
			err = errors.New("Prometheus has no such series")
		}
		return err
	}}
}

// onePod is met when a component of the release has one pod: the old pods of a rollout are gone.
func onePod(s *harness.Story, component chart.Component) wait.Condition {
	return wait.Condition{Name: "one pod of " + string(component), Unmet: func(ctx context.Context) error {
		pods, err := s.Release.CoreV1().Pods(s.Release.Namespace).List(ctx, metav1.ListOptions{LabelSelector: s.Selector(component)})
		if err == nil && len(pods.Items) != 1 {
			err = fmt.Errorf("there are %d", len(pods.Items))
		}
		return err
	}}
}

// adapterLog returns the log of the release's adapter.
func adapterLog(s *harness.Story) string {
	s.Helper()
	pods := s.PodsOf(chart.PrometheusAdapter)
	require.Len(s, pods, 1, "pods of the adapter")
	log, err := s.Release.CoreV1().Pods(s.Release.Namespace).GetLogs(pods[0].Name, &corev1.PodLogOptions{}).DoRaw(s.Context())
	require.NoError(s, err)
	require.NotEmpty(s, log, "log of the adapter")
	return string(log)
}

// ref returns the reference of the image with that binary of a program.
func ref(t *testing.T, p program.Program, binary string) string {
	t.Helper()
	images, err := supply.Images(supply.Sources)
	require.NoError(t, err)
	for _, img := range images {
		if img.Program.Name == p.Name && img.Binary == binary {
			return img.Ref
		}
	}
	require.FailNow(t, "no such image", "binary %s of program %s", binary, p.Name)
	return ""
}
