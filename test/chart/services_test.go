package chart_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"holograph/test/internal/chart"
)

// TestServicesLeadToTheirContainers follows each port of each Service to the port that the container listens on.
func TestServicesLeadToTheirContainers(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	// listens returns the port that the process is told to listen on.
	listens := map[chart.Component]func(corev1.Container) string{
		chart.Renderer: func(container corev1.Container) string {
			for _, variable := range container.Env {
				if variable.Name == "HOLOGRAPH_LISTEN_ADDRESS" {
					return variable.Value
				}
			}
			return "nothing"
		},
		chart.Prometheus:        func(container corev1.Container) string { return flags(t, container)["web.listen-address"] },
		chart.PrometheusAdapter: func(container corev1.Container) string { return ":" + flags(t, container)["secure-port"] },
		chart.KubeStateMetrics:  func(container corev1.Container) string { return ":" + flags(t, container)["port"] },
	}
	for component, port := range map[chart.Component]int32{chart.Renderer: 8080, chart.Prometheus: 9090, chart.PrometheusAdapter: 443, chart.KubeStateMetrics: 8080} {
		service := serviceOf(t, rendered, component)
		require.Len(t, service.Spec.Ports, 1, "the ports of the Service of %s", component)
		assert.Equal(t, corev1.ServiceTypeClusterIP, service.Spec.Type, "the Service of %s: nothing is open to the outside unless the values ask for it", component)
		assert.Equal(t, port, service.Spec.Ports[0].Port, "the port of the Service of %s, which its callers are given", component)
		assert.Equal(t, corev1.ProtocolTCP, service.Spec.Ports[0].Protocol, "the protocol of the Service of %s", component)
		container := rendered.Container(t, component)
		target := portOf(container, service.Spec.Ports[0].TargetPort.StrVal)
		assert.NotZero(t, target, "targetPort %s of the Service of %s is no port of the container", service.Spec.Ports[0].TargetPort.String(), component)
		assert.Equal(t, ":"+strconv.Itoa(int(target)), listens[component](container), "where %s listens, and its containerPort", component)
	}
	external := chart.Render(t, chart.Parse(t, "{renderer: {port: 9000, service: {type: LoadBalancer, port: 80}}, prometheus: {service: {type: NodePort, port: 9191}}}"))
	renderer, prometheus := serviceOf(t, external, chart.Renderer), serviceOf(t, external, chart.Prometheus)
	assert.Equal(t, corev1.ServiceTypeLoadBalancer, renderer.Spec.Type)
	assert.EqualValues(t, 80, renderer.Spec.Ports[0].Port)
	assert.EqualValues(t, 9000, portOf(external.Container(t, chart.Renderer), renderer.Spec.Ports[0].TargetPort.StrVal))
	assert.Equal(t, corev1.ServiceTypeNodePort, prometheus.Spec.Type)
	assert.EqualValues(t, 9191, prometheus.Spec.Ports[0].Port)
	assert.Equal(t, "http://holograph-prometheus.holograph.svc:9191", flags(t, external.Container(t, chart.PrometheusAdapter))["prometheus-url"], "the URL follows the Service's port")
}

// serviceOf returns the Service of a component.
func serviceOf(t *testing.T, rendered *chart.Rendered, component chart.Component) *corev1.Service {
	t.Helper()
	for _, service := range chart.Of[*corev1.Service](t, rendered) {
		if service.Name == "holograph-"+string(component) {
			return service
		}
	}
	require.FailNow(t, "no Service", "%s", component)
	return nil
}

// portOf returns the number of a container's named TCP port, 0 where there is none.
func portOf(container corev1.Container, name string) int32 {
	for _, port := range container.Ports {
		if port.Name == name && port.Protocol == corev1.ProtocolTCP {
			return port.ContainerPort
		}
	}
	return 0
}

// TestAPIServicesLeadToTheAdapter: the API server asks the adapter's Service for both versions of the custom metrics API.
func TestAPIServicesLeadToTheAdapter(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	service := serviceOf(t, rendered, chart.PrometheusAdapter)
	priorities := map[string]int32{}
	for _, registered := range chart.Of[*apiregistrationv1.APIService](t, rendered) {
		spec := registered.Spec
		assert.Equal(t, "custom.metrics.k8s.io", spec.Group, "the group of %s", registered.Name)
		assert.Equal(t, spec.Version+"."+spec.Group, registered.Name, "Kubernetes refuses another name")
		require.NotNil(t, spec.Service, "%s leads nowhere", registered.Name)
		assert.Equal(t, service.Name, spec.Service.Name, "the Service of %s", registered.Name)
		assert.Equal(t, service.Namespace, spec.Service.Namespace, "the namespace of the Service of %s", registered.Name)
		require.NotNil(t, spec.Service.Port)
		assert.Equal(t, service.Spec.Ports[0].Port, *spec.Service.Port, "the port of %s", registered.Name)
		assert.EqualValues(t, 100, spec.GroupPriorityMinimum, "groupPriorityMinimum of %s, which prometheus-adapter's own chart has too: the group's order against others", registered.Name)
		priorities[spec.Version] = spec.VersionPriority
	}
	assert.Len(t, priorities, 2, "the versions that the autoscaler's clients ask for")
	assert.Greater(t, priorities["v1beta2"], priorities["v1beta1"], "clients that take the preferred version take the newer one")
	assert.Positive(t, priorities["v1beta1"], "Kubernetes refuses another priority")
}

// TestCertificateNamesTheService: the API server verifies the certificate for the name of the Service that it asks.
func TestCertificateNamesTheService(t *testing.T) {
	t.Parallel()
	leaf := serving(t, chart.Render(t), time.Now()).certificate
	assert.Equal(t, []string{"holograph-prometheus-adapter.holograph.svc", "holograph-prometheus-adapter.holograph", "holograph-prometheus-adapter"}, leaf.DNSNames,
		"the names of the adapter's certificate: in the cluster it is called by each of them")
	assert.Equal(t, "holograph-prometheus-adapter-ca", leaf.Issuer.CommonName, "the name of the CA, which says whose it is")
}
