package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
)

// strangers is the namespace of pods that are not the release's.
const strangers = "strangers"

// TestStranger: a pod of another namespace, with labels copied from the release, gets what authentication allows, and where
// the network enforces NetworkPolicies nothing at all. The release scales with the policies enforced, and a renderer of
// another namespace moves nothing.
func TestStranger(t *testing.T) {
	s := harness.New(t)
	s.Step("install the chart with NetworkPolicies that admit the load and the API server")
	s.UpgradeWith(map[string]string{
		"networkPolicy.enabled": "true",
		`networkPolicy.clients[0].podSelector.matchLabels.app\.kubernetes\.io/component`: "load",
		"networkPolicy.apiServer.peers[0].ipBlock.cidr":                                  nodeAddress(s) + "/32",
	}, "local")
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
	pod := s.MeasurePod()

	doors := doorsOf(s)
	disguise := map[string]string{
		"app.kubernetes.io/name": "holograph", "app.kubernetes.io/instance": s.Release.Name, "app.kubernetes.io/component": string(chart.PrometheusAdapter),
	}
	s.Step("without policies a stranger reaches every door, and gets what authentication allows")
	assert.Equal(t, map[string]int{
		"Prometheus":                    http.StatusUnauthorized,
		"Prometheus' profiles":          http.StatusUnauthorized,
		"Prometheus by its pod":         http.StatusUnauthorized,
		"adapter without a token":       http.StatusForbidden,
		"adapter with a token":          http.StatusForbidden,
		"adapter with a wrong token":    http.StatusUnauthorized,
		"adapter's own metrics":         http.StatusForbidden,
		"API server with a token":       http.StatusForbidden,
		"renderer":                      http.StatusOK,
		"renderer's metrics by its pod": http.StatusOK,
		"kube-state-metrics":            http.StatusOK,
		"its own metrics":               http.StatusOK,
	}, s.Knock(strangers, disguise, doors), "what a stranger is answered while the network enforces no policy")

	s.Step("a query cannot be smuggled in with the name of a metric, of a pod or with a selector")
	s.Run("no query is injected", injectsNothing)

	s.Step("the network enforces the policies: no door opens, whatever labels the stranger has")
	s.Break(harness.EnforcePolicies())
	answers := s.Knock(strangers, disguise, doors)
	assert.Equal(t, http.StatusForbidden, answers["API server with a token"], "the API server, which is not the release's to close")
	delete(answers, "API server with a token")
	for _, door := range slices.Sorted(maps.Keys(answers)) {
		assert.Equal(t, harness.Closed, answers[door], "the answer of %s to a stranger is a status, want no connection: networkPolicy.enabled denies every connection that the chart does not need", door)
	}

	s.Step("the doctor finds that every link holds with the policies enforced")
	printed, err := s.HelmTest()
	require.NoError(t, err, printed)

	s.Step("a renderer of another namespace has the release's labels and late frames")
	impostor := impersonate(s)

	s.Step("late frames bring pods: scrapes, queries, probes and the API server pass the policies")
	rate := overload * pod.FramesPerSecond()
	s.Drive(pod.Budget, load.Stage{FramesPerSecond: rate}, load.Stage{FramesPerSecond: rate, Duration: loadTime})
	s.WaitFor(dataTime, wait.ReplicasAtLeast(s.Release, 3))
	s.WaitFor(time.Minute, scraped(s.Release))

	s.Step("the other renderer is no target, and the API gives no value of it")
	api, err := s.Release.Prometheus()
	require.NoError(t, err)
	targets, err := api.Targets(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, targets.Active)
	for _, target := range targets.Active {
		assert.NotContains(t, target.ScrapeURL, impostor.Status.PodIP, "targets of Prometheus: pods of a namespace that is not served must not be scraped")
	}
	values, err := s.Release.MetricOfPods(t.Context(), strangers, s.Release.RendererSelector(), "holograph_frames_over_budget_total")
	assert.True(t, len(values) == 0 || apierrors.IsForbidden(err) || apierrors.IsNotFound(err), "values of pods of the namespace %s are %v (%v), want none", strangers, values, err)
}

// doorsOf returns what a stranger would like to open.
func doorsOf(s *harness.Story) map[string]harness.Door {
	s.Helper()
	address := func(c chart.Component) string { return s.PodsOf(c)[0].Status.PodIP }
	service := func(c chart.Component) string {
		return fmt.Sprintf("%s-%s.%s.svc", s.Release.Name, c, s.Release.Namespace)
	}
	version, err := s.Release.MetricsVersion(s.Context())
	require.NoError(s, err)
	metric := fmt.Sprintf("/apis/%s/%s/namespaces/%s/pods/*/holograph_demand", kube.Group, version, s.Release.Namespace)
	account, err := s.Release.CoreV1().ServiceAccounts("default").CreateToken(s.Context(), "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(s, err)
	bearer := func(token string) map[string]string { return map[string]string{"Authorization": "Bearer " + token} }
	adapter := "https://" + service(chart.PrometheusAdapter)
	return map[string]harness.Door{
		"Prometheus":                    {URL: "http://" + service(chart.Prometheus) + ":9090/api/v1/query?query=up"},
		"Prometheus' profiles":          {URL: "http://" + service(chart.Prometheus) + ":9090/debug/pprof/heap"},
		"Prometheus by its pod":         {URL: "http://" + address(chart.Prometheus) + ":9090/metrics"},
		"adapter without a token":       {URL: adapter + metric},
		"adapter with a token":          {URL: adapter + metric, Headers: bearer(account.Status.Token)},
		"adapter with a wrong token":    {URL: adapter + metric, Headers: bearer("a.wrong.token")},
		"adapter's own metrics":         {URL: adapter + "/metrics"},
		"API server with a token":       {URL: "https://kubernetes.default.svc" + metric, Headers: bearer(account.Status.Token)},
		"renderer":                      {URL: s.Release.RendererURL() + "/readyz"},
		"renderer's metrics by its pod": {URL: "http://" + address(chart.Renderer) + ":8080/metrics"},
		"kube-state-metrics":            {URL: "http://" + service(chart.KubeStateMetrics) + ":8080/metrics"},
		"its own metrics":               {URL: "http://" + address(chart.KubeStateMetrics) + ":8081/metrics"},
	}
}

// injectsNothing asks the custom metrics API for names and selectors that are PromQL.
func injectsNothing(s *harness.Story) {
	version, err := s.Release.MetricsVersion(s.Context())
	require.NoError(s, err)
	for name, path := range map[string][2]string{
		"the name of a metric": {"pods/*/" + `holograph_demand{a="b"} or vector(1e9)`, ""},
		"the name of a pod":    {`pods/x"} or vector(1e9) or up{a="/holograph_demand`, ""},
		"a selector":           {"pods/*/holograph_demand", `view="} or vector(1e9) #`},
		"an expression":        {"pods/*/holograph_demand", "view in (.*)"},
	} {
		request := s.Release.Discovery().RESTClient().Get().
			AbsPath("/apis", kube.Group, version, "namespaces", s.Release.Namespace, path[0])
		if path[1] != "" {
			request = request.Param("metricLabelSelector", path[1])
		}
		answer, err := kube.Raw(s.Context(), request)
		if err == nil {
			assert.NotContains(s, string(answer), `"value":`, "the answer to PromQL in %s has a value: %s", name, answer)
			continue
		}
		assert.True(s, apierrors.IsNotFound(err) || apierrors.IsBadRequest(err) || apierrors.IsInvalid(err) || strings.Contains(err.Error(), "unable to"),
			"PromQL in %s is answered with %v, want a refusal or no value", name, err)
	}
}

// impersonate runs a copy of one of the release's renderers in the namespace of strangers, with its name, its labels and
// its metrics, and returns it when it is Ready.
func impersonate(s *harness.Story) *corev1.Pod {
	s.Helper()
	own := s.PodsOf(chart.Renderer)[0]
	copied := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: own.Name, Namespace: strangers, Labels: own.Labels}, Spec: own.Spec}
	// The API server has written the value of matchLabelKeys into their selectors, and takes no pod that has both.
	copied.Spec.TopologySpreadConstraints = nil
	copied.Spec.ServiceAccountName, copied.Spec.DeprecatedServiceAccount, copied.Spec.NodeName = "default", "", ""
	pods := s.Release.CoreV1().Pods(strangers)
	_, err := pods.Create(s.Context(), copied, metav1.CreateOptions{})
	require.NoError(s, err)
	s.WaitFor(time.Minute, wait.Condition{Name: "the renderer in " + strangers + " to be Ready", Unmet: func(ctx context.Context) (err error) {
		if copied, err = pods.Get(ctx, own.Name, metav1.GetOptions{}); err != nil {
			return err
		}
		for _, condition := range copied.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("it is %s", copied.Status.Phase)
	}})
	s.Cleanup(func() {
		assert.NoError(s, s.Release.CoreV1().Namespaces().Delete(context.Background(), strangers, metav1.DeleteOptions{}))
	})
	return copied
}

// scraped is met when Prometheus has scraped every renderer, those that have come since the policies are enforced too.
func scraped(r kube.Release) wait.Condition {
	return wait.Condition{Name: "every renderer to be scraped", Unmet: func(ctx context.Context) error {
		pods, err := r.Pods(ctx)
		if err != nil {
			return err
		}
		up, found, err := r.Scalar(ctx, `sum(up{job="renderer"})`)
		if err == nil && !found {
			err = errors.New("none is")
		}
		if err == nil && int(up) < len(pods) {
			err = fmt.Errorf("%v of %d are", up, len(pods))
		}
		return err
	}}
}

// nodeAddress returns the address of the cluster's node, on which its API server runs.
func nodeAddress(s *harness.Story) string {
	s.Helper()
	nodes, err := s.Release.CoreV1().Nodes().List(s.Context(), metav1.ListOptions{})
	require.NoError(s, err)
	require.Len(s, nodes.Items, 1)
	for _, address := range nodes.Items[0].Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			return address.Address
		}
	}
	require.FailNow(s, "the node has no internal address")
	return ""
}
