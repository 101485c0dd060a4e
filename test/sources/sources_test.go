// Package sources tells the stories of the ways to serve the metric other than
// with all that the chart brings: with the cluster's own adapter, with another
// release's, and with the Prometheus that the cluster has.
package sources

import (
	"context"
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

	"holograph/ci/image"
	"holograph/ci/program"
	"holograph/test/doctor/check"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
)

// loadPods is the load of a story in the worth of one pod: it needs more than the
// minimum of two.
const loadPods = 2.5

// An adapter that the cluster has is not pushed aside; it is given the release's
// rules, goes on serving another team's, and the release scales by it.
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

	s.Step("the chart does not push it aside")
	err := s.Upgrade(harness.Upgrade{Examples: []string{"local"}})
	require.ErrorContains(t, err, "prometheusAdapter.enabled is true, and v1beta1.custom.metrics.k8s.io belongs to the Service monitoring/adapter "+
		"of the Helm release adapter in namespace monitoring already: set prometheusAdapter.enabled to false and prometheusAdapter.existing.namespace to monitoring")

	s.Step("the chart writes its rules for that adapter, which still serves another team")
	require.NoError(t, s.Upgrade(withLocal("existing")))

	s.Step("the adapter is given the login of the chart's Prometheus")
	require.NoError(t, s.Release.ShareLogin(t.Context(), "monitoring"))
	settings["login"] = "holograph-prometheus-login"
	require.NoError(t, adapter.Upgrade(harness.Upgrade{Set: settings}))
	s.WaitFor(time.Minute, otherTeamServed(s.Release))

	s.Step("the adapter is given these rules, which hold the other team's")
	settings["rules.existing"] = "holograph-adapter-rules"
	require.NoError(t, adapter.Upgrade(harness.Upgrade{Set: settings}))
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
	s.WaitFor(time.Minute, otherTeamServed(s.Release))

	s.Step("late frames bring pods")
	pod := s.MeasurePod()
	rate := loadPods * pod.FramesPerSecond()
	s.Drive(pod.Budget, load.Stage{FramesPerSecond: rate}, load.Stage{FramesPerSecond: rate, Duration: time.Minute})
	s.WaitFor(time.Minute, wait.ReplicasAtLeast(s.Release, 3))
}

// otherTeamServed is met when the metric of another team has a value: that of the
// release's Prometheus pod.
func otherTeamServed(r kube.Release) wait.Condition {
	return wait.Condition{Name: "another team's metric to be served", Unmet: func(ctx context.Context) error {
		values, err := r.MetricOfPods(ctx, r.Namespace, selector(r, "prometheus"), "queries_of_another_team")
		if err == nil && len(values) != 1 {
			err = fmt.Errorf("%d pods have a value, want one", len(values))
		}
		return err
	}}
}

// Two releases in two namespaces scale by one adapter and one Prometheus; a second
// adapter is refused.
func TestTwoReleases(t *testing.T) {
	s := harness.New(t)
	s.Apply(namespace("film"))
	guest := s.At("film", "holograph-film")

	s.Step("install the release that serves")
	require.NoError(t, s.Upgrade(harness.Upgrade{Examples: []string{"local"}, Set: map[string]string{"servedNamespaces[0]": "film"}}))

	s.Step("a second adapter is refused")
	err := guest.Upgrade(harness.Upgrade{Examples: []string{"local"}})
	require.ErrorContains(t, err, "prometheusAdapter.enabled is true, and v1beta1.custom.metrics.k8s.io belongs to the Service holograph/holograph-prometheus-adapter "+
		"of the Helm release holograph in namespace holograph already, which is this chart: set prometheusAdapter.enabled to false and list film in servedNamespaces of that release")

	s.Step("install the release that is served")
	require.NoError(t, s.Release.ShareLogin(t.Context(), "film"))
	require.NoError(t, guest.Upgrade(withLocal("guest")))

	s.Step("both scale by the same adapter")
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
	s.WaitFor(2*time.Minute, wait.Chain(guest.Release)...)
	s.WaitFor(time.Minute, recorded(s.Release, s.Release), recorded(s.Release, guest.Release))
}

// A platform's Prometheus that asks for certificates, credentials and a tenant is
// asked with them, and none of them is seen anywhere.
func TestPlatformPrometheus(t *testing.T) {
	s := harness.New(t)
	s.Apply(namespace(s.Release.Namespace))
	platform := s.At("monitoring", "metrics")
	platform.Chart = filepath.Join("testdata", "metrics")
	const token, password = "the-token-of-film", "pass:word/of+film"

	s.Step("the cluster has a Prometheus that lets nobody in without all that it asks for")
	require.NoError(t, platform.Upgrade(harness.Upgrade{Set: map[string]string{
		"images.prometheus": ref(t, program.Prometheus, "prometheus"),
		"images.front":      ref(t, program.Front, "front"),
		"namespace":         s.Release.Namespace,
		"tenant":            "film",
		"token":             token,
		"username":          "film",
		"password":          password,
	}}))
	s.WaitFor(time.Minute, wait.Condition{Name: "a request without a login to be refused", Unmet: func(ctx context.Context) error {
		var code int
		s.Release.Discovery().RESTClient().Get().AbsPath("/api/v1/namespaces/monitoring/services/https:metrics-prometheus:login/proxy/api/v1/query").
			Param("query", "up").Do(ctx).StatusCode(&code)
		if code != http.StatusUnauthorized {
			return fmt.Errorf("it is answered with %d", code)
		}
		return nil
	}})

	for _, way := range []string{"token", "login"} {
		s.Step("ask it with a %s", way)
		require.NoError(t, s.Upgrade(withLocal(way)))
		s.WaitFor(time.Minute, wait.PodsReady(s.Release), onePod(s.Release, "prometheus-adapter"))
		// This Prometheus answers nobody who asks through the API server; the doctor's pod
		// has the credentials.
		s.WaitFor(2*time.Minute, wait.From(s.Release, check.AdapterRule)...)
		s.Step("the doctor asks it too")
		said, err := s.Helm("test", s.Release.Name, "--timeout=1m")
		require.NoError(t, err, "%s", said)
		log := adapterLog(s)
		assert.NotContains(t, log, token)
		assert.NotContains(t, log, password)
	}
}

// A Prometheus that the Prometheus Operator runs takes up the release's targets and
// rules, and an adapter beside it can serve what it has.
func TestPrometheusOperator(t *testing.T) {
	s := harness.New(t)

	s.Step("the cluster has the Prometheus Operator, and a Prometheus of it")
	directory, err := program.PrometheusOperator.ModuleDir(s.Context())
	require.NoError(t, err)
	bundle, err := os.ReadFile(filepath.Join(directory, "bundle.yaml"))
	require.NoError(t, err)
	s.Apply(bundle)
	manifest, err := os.ReadFile(filepath.Join("testdata", "operator.yaml"))
	require.NoError(t, err)
	img := ref(t, program.Prometheus, "prometheus")
	s.Apply([]byte(os.Expand(string(manifest), func(name string) string {
		return map[string]string{"prometheus": img, "version": img[strings.LastIndex(img, ":")+1:]}[name]
	})))

	s.Step("install the chart with PodMonitors and a PrometheusRule")
	s.Install("local", "prometheus-operator")
	s.WaitFor(3*time.Minute, wait.Chain(s.Release)...)

	s.Step("its rules are followed there")
	stack := kube.Release{Client: s.Release.Client, Namespace: "monitoring", Name: "stack", Open: true}
	s.WaitFor(2*time.Minute, recorded(stack, s.Release))

	s.Step("an adapter of the cluster's takes the place of the release's")
	s.UpgradeWith(map[string]string{"podMonitor.labels.release": "kube-prometheus-stack"}, "local", "existing-adapter")
	adapter := s.At("monitoring", "adapter")
	adapter.Chart = filepath.Join("testdata", "adapter")
	require.NoError(t, adapter.Upgrade(harness.Upgrade{Set: map[string]string{
		"image":          ref(t, program.PrometheusAdapter, "adapter"),
		"prometheusURL":  "http://prometheus-operated.monitoring.svc:9090",
		"rules.existing": "adapter-rules",
	}}))
	s.WaitFor(3*time.Minute, wait.Chain(s.Release)...)
}

// withLocal are the values of values-examples/local.yaml with those of a file of
// testdata on top.
func withLocal(name string) harness.Upgrade {
	return harness.Upgrade{Examples: []string{"local"}, Values: []string{filepath.Join("testdata", name+".yaml")}}
}

// recorded is met when a Prometheus records what the release's autoscaler wants.
func recorded(prometheus, r kube.Release) wait.Condition {
	return wait.Condition{Name: "the replicas of " + r.Renderer() + " to be recorded", Unmet: func(ctx context.Context) error {
		_, found, err := prometheus.Scalar(ctx, fmt.Sprintf("holograph:hpa_replicas:desired{namespace=%q,horizontalpodautoscaler=%q}", r.Namespace, r.Renderer()))
		if err == nil && !found {
			err = fmt.Errorf("there is no such record")
		}
		return err
	}}
}

// onePod is met when a component of the release has one pod, the one before having
// gone.
func onePod(r kube.Release, component string) wait.Condition {
	return wait.Condition{Name: "one pod of " + component, Unmet: func(ctx context.Context) error {
		pods, err := r.CoreV1().Pods(r.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector(r, component)})
		if err == nil && len(pods.Items) != 1 {
			err = fmt.Errorf("there are %d", len(pods.Items))
		}
		return err
	}}
}

func selector(r kube.Release, component string) string {
	return "app.kubernetes.io/instance=" + r.Name + ",app.kubernetes.io/component=" + component
}

// adapterLog returns what the release's adapter has to say.
func adapterLog(s *harness.Story) string {
	s.Helper()
	pods, err := s.Release.CoreV1().Pods(s.Release.Namespace).List(s.Context(), metav1.ListOptions{LabelSelector: selector(s.Release, "prometheus-adapter")})
	require.NoError(s, err)
	require.Len(s, pods.Items, 1)
	log, err := s.Release.CoreV1().Pods(s.Release.Namespace).GetLogs(pods.Items[0].Name, &corev1.PodLogOptions{}).DoRaw(s.Context())
	require.NoError(s, err)
	require.NotEmpty(s, log)
	return string(log)
}

// ref returns the name of the image that holds a binary of a program.
func ref(t *testing.T, p program.Program, binary string) string {
	t.Helper()
	images, err := image.All(image.Sources)
	require.NoError(t, err)
	for _, img := range images {
		if img.Program.Name == p.Name && img.Binary == binary {
			return img.Ref
		}
	}
	require.FailNow(t, "no such image", "%s of %s", binary, p.Name)
	return ""
}

// namespace returns the manifest of one namespace.
func namespace(name string) []byte {
	return fmt.Appendf(nil, "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: %s\n", name)
}
