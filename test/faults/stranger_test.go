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

// strangers is the namespace of pods that do not belong to the release.
const strangers = "strangers"

// TestStranger: a pod in another namespace, with labels copied from the release, gets only what authentication allows. Where
// the network enforces NetworkPolicies, it cannot connect at all. The release scales with the policies enforced, and the
// metrics of a renderer in another namespace do not change its replicas.
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

	endpoints := endpointsOf(s)
	copiedLabels := map[string]string{
		"app.kubernetes.io/name": "holograph", "app.kubernetes.io/instance": s.Release.Name, "app.kubernetes.io/component": string(chart.PrometheusAdapter),
	}
	s.Step("without policies a stranger reaches every endpoint, and gets what authentication allows")
	assert.Equal(t, map[string]int{
		"Prometheus":                      http.StatusUnauthorized,
		"Prometheus' profiles":            http.StatusUnauthorized,
		"Prometheus by its pod":           http.StatusUnauthorized,
		"adapter without a token":         http.StatusForbidden,
		"adapter with a token":            http.StatusForbidden,
		"adapter with a wrong token":      http.StatusUnauthorized,
		"adapter's own metrics":           http.StatusForbidden,
		"API server with a token":         http.StatusForbidden,
		"renderer":                        http.StatusOK,
		"renderer's metrics by its pod":   http.StatusOK,
		"kube-state-metrics":              http.StatusOK,
		"kube-state-metrics' own metrics": http.StatusOK,
	}, s.RequestFrom(strangers, copiedLabels, endpoints), "status of each answer to a stranger while the network enforces no policy")

	s.Step("PromQL in the name of a metric, in the name of a pod or in a selector is not run")
	s.Run("no query is injected", injectsNothing)

	s.Step("the network enforces the policies: a stranger connects to nothing, whatever its labels")
	s.Break(harness.EnforcePolicies())
	answers := s.RequestFrom(strangers, copiedLabels, endpoints)
	assert.Equal(t, http.StatusForbidden, answers["API server with a token"], "status of the API server's answer: the policies of the release do not apply to it")
	delete(answers, "API server with a token")
	for _, endpoint := range slices.Sorted(maps.Keys(answers)) {
		assert.Equal(t, harness.NoConnection, answers[endpoint], "the answer of %s to a stranger is a status, want no connection: networkPolicy.enabled denies every connection that the chart does not need", endpoint)
	}

	s.Step("the doctor finds that every link holds with the policies enforced")
	s.HelmTestPasses()

	s.Step("a renderer in another namespace has the labels of the release, and late frames")
	impostor := impersonate(s)

	s.Step("late frames add pods: the policies admit scrapes, queries, probes and the API server")
	rate := overload * pod.FramesPerSecond()
	s.Drive(pod.Budget, load.Steady(rate, loadTime))
	s.WaitFor(dataTime, wait.ReplicasAtLeast(s.Release, 3))
	s.WaitFor(time.Minute, scraped(s.Release))

	s.Step("Prometheus does not scrape the other renderer, and the custom metrics API has no value of it")
	api, err := s.Release.Prometheus()
	require.NoError(t, err)
	targets, err := api.Targets(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, targets.Active)
	for _, target := range targets.Active {
		assert.NotContains(t, target.ScrapeURL, impostor.Status.PodIP, "targets of Prometheus: pods of a namespace that is not served must not be scraped")
	}
	values, err := s.Release.MetricOfPods(t.Context(), strangers, s.Release.RendererSelector(), kube.OverrunsMetric)
	assert.Empty(t, values, "values of pods of the namespace %s, which the release does not serve", strangers)
	if err != nil {
		assert.ErrorContains(t, err, "unable to list matching resources", "error of the adapter, which has no right to list pods in the namespace %s", strangers)
	}
}

// endpointsOf returns the endpoints of the release that a stranger requests.
func endpointsOf(s *harness.Story) map[string]harness.Endpoint {
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
	return map[string]harness.Endpoint{
		"Prometheus":                      {URL: "http://" + service(chart.Prometheus) + ":9090/api/v1/query?query=up"},
		"Prometheus' profiles":            {URL: "http://" + service(chart.Prometheus) + ":9090/debug/pprof/heap"},
		"Prometheus by its pod":           {URL: "http://" + address(chart.Prometheus) + ":9090/metrics"},
		"adapter without a token":         {URL: adapter + metric},
		"adapter with a token":            {URL: adapter + metric, Headers: bearer(account.Status.Token)},
		"adapter with a wrong token":      {URL: adapter + metric, Headers: bearer("a.wrong.token")},
		"adapter's own metrics":           {URL: adapter + "/metrics"},
		"API server with a token":         {URL: "https://kubernetes.default.svc" + metric, Headers: bearer(account.Status.Token)},
		"renderer":                        {URL: s.Release.RendererURL() + "/readyz"},
		"renderer's metrics by its pod":   {URL: "http://" + address(chart.Renderer) + ":8080/metrics"},
		"kube-state-metrics":              {URL: "http://" + service(chart.KubeStateMetrics) + ":8080/metrics"},
		"kube-state-metrics' own metrics": {URL: "http://" + address(chart.KubeStateMetrics) + ":8081/metrics"},
	}
}

// injectsNothing requests names and selectors from the custom metrics API that contain PromQL.
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
			"the answer to PromQL in %s is %v, want a refusal or no value", name, err)
	}
}

// impersonate runs a copy of a renderer of the release in the namespace of strangers, with the same name, labels and
// metrics, and returns the copy when it is Ready.
func impersonate(s *harness.Story) *corev1.Pod {
	s.Helper()
	own := s.PodsOf(chart.Renderer)[0]
	copied := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: own.Name, Namespace: strangers, Labels: own.Labels}, Spec: own.Spec}
	// The API server has added the value of matchLabelKeys to their selectors, and rejects a pod that has both.
	copied.Spec.TopologySpreadConstraints = nil
	copied.Spec.ServiceAccountName, copied.Spec.DeprecatedServiceAccount, copied.Spec.NodeName = "default", "", ""
	pods := s.Release.CoreV1().Pods(strangers)
	_, err := pods.Create(s.Context(), copied, metav1.CreateOptions{})
	require.NoError(s, err)
	s.WaitFor(time.Minute, wait.Condition{Name: "the renderer in " + strangers + " to be Ready", Unmet: func(ctx context.Context) (err error) {
		if copied, err = pods.Get(ctx, own.Name, metav1.GetOptions{}); err != nil {
			return err
		}
		if !kube.Ready(*copied) {
			return fmt.Errorf("it is %s", copied.Status.Phase)
		}
		return nil
	}})
	s.Cleanup(func() {
		assert.NoError(s, s.Release.CoreV1().Namespaces().Delete(context.Background(), strangers, metav1.DeleteOptions{}))
	})
	return copied
}

// scraped is met when Prometheus has scraped every renderer, also those that were added while the policies were enforced.
func scraped(r kube.Release) wait.Condition {
	return wait.Condition{Name: "every renderer to be scraped", Unmet: func(ctx context.Context) error {
		pods, err := r.Pods(ctx)
		if err != nil {
			return err
		}
		up, found, err := r.Scalar(ctx, `sum(up{job="renderer"})`)
		if err == nil && !found {
			err = errors.New("Prometheus has no target of the renderer")
		}
		if err == nil && int(up) < len(pods) {
			err = fmt.Errorf("%v of %d renderers are up", up, len(pods))
		}
		return err
	}}
}

// nodeAddress returns the address of the cluster's only node, which runs the API server.
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
