package chart_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"holograph/test/internal/chart"
)

// TestProbes: each probe asks what answers it, and gives a pod the time that it needs.
func TestProbes(t *testing.T) {
	t.Parallel()
	const check = "/bin/promtool check %s --url=http://localhost:9090 --http.config.file=/etc/prometheus/client.yaml"
	type probe struct {
		asks string
		// after is how long the answers may fail before the kubelet acts, timeout how long one may take.
		after, timeout time.Duration
		why            string
	}
	for component, want := range map[chart.Component]map[string]probe{
		chart.Renderer: {
			"startup":   {"HTTP /readyz http", time.Minute, time.Second, "a renderer is sent frames a second after it is ready"},
			"readiness": {"HTTP /readyz http", 15 * time.Second, 5 * time.Second, "a renderer that stops is not sent frames; a busy one answers late"},
			"liveness":  {"HTTP /healthz http", time.Minute, 5 * time.Second, "a busy renderer is not restarted: it would lose its frames"},
		},
		chart.Prometheus: {
			"startup":  {fmt.Sprintf(check, "ready"), 5 * time.Minute, 5 * time.Second, "it replays its log after a crash"},
			"liveness": {fmt.Sprintf(check, "healthy"), 2 * time.Minute, 10 * time.Second, "a restart leaves the autoscaler without a metric"},
		},
		chart.PrometheusAdapter: {
			"startup":   {"HTTPS /readyz https", time.Minute, time.Second, "it lists the metrics first"},
			"readiness": {"HTTPS /readyz https", 15 * time.Second, 5 * time.Second, "the API server asks no adapter that cannot answer"},
			"liveness":  {"HTTPS /livez https", time.Minute, 5 * time.Second, "a restart leaves the autoscaler without a metric"},
		},
		chart.KubeStateMetrics: {
			"readiness": {"HTTP /readyz telemetry", 15 * time.Second, 5 * time.Second, "it is ready once it has listed its objects"},
			"liveness":  {"HTTP /healthz http", time.Minute, 5 * time.Second, "/livez would restart it whenever the API server is away"},
		},
		chart.DeletionCost: {
			"readiness": {"HTTP /readyz http", 15 * time.Second, 5 * time.Second, "a writer that fails shows as one that is not available"},
			"liveness":  {"HTTP /healthz http", time.Minute, 5 * time.Second, "it is not restarted because Prometheus or the API server is away"},
		},
	} {
		container := chart.Render(t, chart.Set("deletionCost.enabled", true)).Container(t, component)
		got := map[string]*corev1.Probe{"startup": container.StartupProbe, "readiness": container.ReadinessProbe, "liveness": container.LivenessProbe}
		for kind, rendered := range got {
			wanted, found := want[kind]
			if !found {
				assert.Nil(t, rendered, "the %s probe of %s", kind, component)
				continue
			}
			if !assert.NotNil(t, rendered, "%s has no %s probe: %s", component, kind, wanted.why) {
				continue
			}
			assert.Equal(t, wanted.asks, asks(t, container, rendered), "what the %s probe of %s asks: %s", kind, component, wanted.why)
			period, failures, timeout := orElse(rendered.PeriodSeconds, 10), orElse(rendered.FailureThreshold, 3), orElse(rendered.TimeoutSeconds, 1)
			assert.Equal(t, wanted.after, time.Duration(period*failures)*time.Second, "how long the %s probe of %s may fail, %d times every %d s: %s", kind, component, failures, period, wanted.why)
			assert.Equal(t, wanted.timeout, time.Duration(timeout)*time.Second, "how long the %s probe of %s may take: %s", kind, component, wanted.why)
		}
	}
}

// asks describes what a probe asks. A port that it names must be one of the container's.
func asks(t *testing.T, container corev1.Container, probe *corev1.Probe) string {
	t.Helper()
	if probe.Exec != nil {
		return strings.Join(probe.Exec.Command, " ")
	}
	require.NotNil(t, probe.HTTPGet)
	port := probe.HTTPGet.Port.StrVal
	assert.NotZero(t, portOf(container, port), "the port %s of a probe of %s is no port of the container", port, container.Name)
	scheme := probe.HTTPGet.Scheme
	if scheme == "" {
		scheme = corev1.URISchemeHTTP
	}
	return fmt.Sprint(scheme, " ", probe.HTTPGet.Path, " ", port)
}

// orElse returns the value, or Kubernetes' own default where it is unset.
func orElse(value, unset int32) int32 {
	if value == 0 {
		return unset
	}
	return value
}
