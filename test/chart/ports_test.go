package chart_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"holograph/test/internal/chart"
	"holograph/test/internal/connections"
)

// sources are the ways in which metrics have a port of their own: the renderer's, that of a sidecar whose port the values
// name, that of a sidecar that names it itself, and that of a sidecar among the initContainers.
var sources = map[string]struct{ values, container string }{
	"renderer":       {`renderer: {metrics: {port: 9102, path: /stats}}`, "renderer"},
	"sidecar":        {`renderer: {metrics: {port: 9102, path: /stats, container: exporter}, extraContainers: [{name: proxy, image: proxy}, {name: exporter, image: exporter}]}`, "exporter"},
	"named port":     {`renderer: {metrics: {path: /stats, container: exporter}, extraContainers: [{name: exporter, image: exporter, ports: [{name: admin, containerPort: 9000}, {name: metrics, containerPort: 9102}]}]}`, "exporter"},
	"unnamed port":   {`renderer: {metrics: {port: 9102, path: /stats, container: exporter}, extraContainers: [{name: exporter, image: exporter, ports: [{containerPort: 9102}, {containerPort: 9102, protocol: UDP}]}]}`, "exporter"},
	"init container": {`renderer: {metrics: {port: 9102, path: /stats, container: exporter}, initContainers: [{name: exporter, image: exporter, restartPolicy: Always}]}`, "exporter"},
}

// TestMetricsHaveAPortOfTheirOwn: everything that reads the metrics reads them at their port, of the container that exports
// them, and clients of the frames do not reach it.
func TestMetricsHaveAPortOfTheirOwn(t *testing.T) {
	t.Parallel()
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := chart.Render(t, chart.Parse(t, source.values), chart.Parse(t, `{podMonitor: {enabled: true}, networkPolicy: {enabled: true, clients: [{podSelector: {matchLabels: {role: client}}}], scrapers: [{podSelector: {matchLabels: {role: scraper}}}]}}`))
			pod := rendered.Deployment(t, chart.Renderer).Spec.Template
			ports := map[string]int32{}
			for _, container := range append(pod.Spec.Containers, pod.Spec.InitContainers...) {
				if container.Name == source.container {
					for _, port := range container.Ports {
						ports[port.Name] = port.ContainerPort
					}
				}
			}
			assert.EqualValues(t, 9102, ports["metrics"], "the port metrics of container %s", source.container)
			assert.EqualValues(t, 8080, pod.Spec.Containers[0].Ports[0].ContainerPort, "the port of the frames")

			target := map[string]string{
				"__meta_kubernetes_pod_phase":               "Running",
				"__meta_kubernetes_pod_controller_kind":     "ReplicaSet",
				"__meta_kubernetes_pod_controller_name":     "holograph-renderer-5d4b7c9f68",
				"__meta_kubernetes_pod_container_name":      source.container,
				"__meta_kubernetes_pod_container_port_name": "metrics",
			}
			job := scrapeJobs(t, rendered)["renderer"]
			kept, labelled := relabelTarget(t, job, target)
			assert.True(t, kept, "the job drops the port metrics of container %s", source.container)
			assert.Equal(t, source.container, labelled["container"])
			assert.Equal(t, "/stats", job["metrics_path"])
			target["__meta_kubernetes_pod_container_port_name"] = "http"
			kept, _ = relabelTarget(t, job, target)
			assert.False(t, kept, "the job scrapes the port of the frames, want the port of the metrics only")

			endpoint := valueAt(t, ofKind(rendered, "PodMonitor")["holograph-renderer"], "spec", "podMetricsEndpoints", 0)
			assert.Equal(t, "metrics /stats", fmt.Sprint(valueAt(t, endpoint, "port"), " ", valueAt(t, endpoint, "path")), "the port and path of the PodMonitor")
			assert.Contains(t, fmt.Sprint(valueAt(t, endpoint, "relabelings")), "regex:"+source.container+" sourceLabels:[__meta_kubernetes_pod_container_name]")
			for _, rule := range rendered.AdapterConfig(t).Rules {
				assert.Contains(t, rule.SeriesQuery, `container="`+source.container+`"`, "the series of the adapter's rule")
				assert.Contains(t, rule.MetricsQuery, `container="`+source.container+`"`, "the query of the adapter's rule")
			}
			path := pathOf(t, rendered).Renderer
			assert.Equal(t, source.container+":9102/stats", fmt.Sprintf("%s:%d%s", path.Container, path.Port, path.Path), "where the doctor reads the metrics")

			annotated := chart.Render(t, chart.Parse(t, source.values), chart.Set("scrapeAnnotations.enabled", true)).Deployment(t, chart.Renderer).Spec.Template.Annotations
			assert.Equal(t, "9102 /stats", annotated["prometheus.io/port"]+" "+annotated["prometheus.io/path"], "the annotations of the pods")

			cluster, of := clusterOf(t, rendered)
			client := &connections.Pod{Namespace: chart.DefaultNamespace, Name: "client", Labels: map[string]string{"role": "client"}}
			forbidden := func(from *connections.Pod, port int32) string {
				return cluster.Forbidden(from, of(chart.Renderer), port, corev1.ProtocolTCP)
			}
			assert.Empty(t, forbidden(of(chart.Prometheus), 9102), "Prometheus may not scrape the metrics")
			assert.Empty(t, forbidden(of(chart.Doctor), 9102), "the doctor may not read the metrics")
			assert.Empty(t, forbidden(client, 8080), "a client may not ask for frames")
			assert.NotEmpty(t, forbidden(client, 9102), "a client may read the metrics, want it kept to the frames")
		})
	}
}

// TestClientsReachTheExtraPorts: the extra ports are those of the frames' clients, with their protocols: media of WebRTC are datagrams.
func TestClientsReachTheExtraPorts(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, `
renderer: {extraPorts: [{name: media, containerPort: 40000, protocol: UDP}, {name: signalling, containerPort: 8443}]}
networkPolicy: {enabled: true, clients: [{podSelector: {matchLabels: {role: client}}}]}`))
	cluster, of := clusterOf(t, rendered)
	for port, protocol := range map[int32]corev1.Protocol{40000: corev1.ProtocolUDP, 8443: corev1.ProtocolTCP, 8080: corev1.ProtocolTCP} {
		forbidden := func(role string, protocol corev1.Protocol) string {
			return cluster.Forbidden(&connections.Pod{Namespace: chart.DefaultNamespace, Name: role, Labels: map[string]string{"role": role}}, of(chart.Renderer), port, protocol)
		}
		assert.Empty(t, forbidden("client", protocol), "a client may not reach port %d over %s", port, protocol)
		assert.NotEmpty(t, forbidden("other", protocol), "a pod that is no client may reach port %d over %s", port, protocol)
		assert.NotEmpty(t, forbidden("client", corev1.ProtocolSCTP), "a client may reach port %d over another protocol than %s", port, protocol)
	}
}

// TestTheRenderersServiceTakesItsValues: fields of the Service that users set, and none of them by default.
func TestTheRenderersServiceTakesItsValues(t *testing.T) {
	t.Parallel()
	service := serviceOf(t, chart.Render(t, chart.Parse(t, `renderer: {extraPorts: [{name: media, containerPort: 40000, protocol: UDP}], service: {
  type: LoadBalancer, port: 80, nodePort: 30080, clusterIP: 10.96.0.9, externalTrafficPolicy: Local, internalTrafficPolicy: Cluster,
  sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}, loadBalancerClass: example.com/edge, loadBalancerSourceRanges: [192.0.2.0/24],
  ipFamilyPolicy: PreferDualStack, extraPorts: [{name: media, port: 40000, targetPort: media, protocol: UDP}]}}`)), chart.Renderer).Spec
	assert.EqualValues(t, "Local Cluster ClientIP", fmt.Sprint(service.ExternalTrafficPolicy, " ", *service.InternalTrafficPolicy, " ", service.SessionAffinity))
	assert.EqualValues(t, 60, *service.SessionAffinityConfig.ClientIP.TimeoutSeconds)
	assert.Equal(t, "10.96.0.9 example.com/edge PreferDualStack", fmt.Sprint(service.ClusterIP, " ", *service.LoadBalancerClass, " ", *service.IPFamilyPolicy))
	assert.Equal(t, []string{"192.0.2.0/24"}, service.LoadBalancerSourceRanges)
	require.Len(t, service.Ports, 2)
	assert.EqualValues(t, 30080, service.Ports[0].NodePort)
	assert.Equal(t, "media 40000 media UDP", fmt.Sprint(service.Ports[1].Name, " ", service.Ports[1].Port, " ", service.Ports[1].TargetPort.String(), " ", service.Ports[1].Protocol))

	headless := serviceOf(t, chart.Render(t, chart.Parse(t, `renderer: {service: {clusterIP: None}}`)), chart.Renderer).Spec
	assert.Equal(t, corev1.ClusterIPNone, headless.ClusterIP)

	plain := ofKind(chart.Render(t), "Service")["holograph-renderer"]
	var fields []string
	for field := range valueAt(t, plain, "spec").(map[string]any) {
		fields = append(fields, field)
	}
	assert.ElementsMatch(t, []string{"type", "ports", "selector"}, fields, "the fields of the Service by default: the rest is left to Kubernetes")
}

// TestRoutesLeadToTheService: Ingress and HTTPRoute are off by default, and lead to the renderer's Service.
func TestRoutesLeadToTheService(t *testing.T) {
	t.Parallel()
	plain := chart.Render(t)
	assert.Empty(t, ofKind(plain, "Ingress"), "Ingresses by default: nothing is open to the outside")
	assert.Empty(t, ofKind(plain, "HTTPRoute"), "HTTPRoutes by default: nothing is open to the outside")

	rendered := chart.Render(t, chart.Parse(t, `
renderer:
  service: {port: 80}
  ingress: {enabled: true, className: nginx, annotations: {a: b}, hosts: [{host: frames.example, paths: [{path: /frames, pathType: Exact}]}, {host: "*.example"}], tls: [{secretName: frames-tls, hosts: [frames.example]}]}
  httpRoute: {enabled: true, annotations: {a: b}, parentRefs: [{name: gateway, namespace: gateways, sectionName: https}], hostnames: [frames.example], rules: [{matches: [{path: {type: PathPrefix, value: /frames}}], timeouts: {request: 1s}}]}`))
	service := serviceOf(t, rendered, chart.Renderer)
	backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: service.Name, Port: networkingv1.ServiceBackendPort{Name: service.Spec.Ports[0].Name}}}
	ingresses := chart.Of[*networkingv1.Ingress](t, rendered)
	require.Len(t, ingresses, 1)
	spec := ingresses[0].Spec
	assert.Equal(t, "nginx frames-tls b", fmt.Sprint(*spec.IngressClassName, " ", spec.TLS[0].SecretName, " ", ingresses[0].Annotations["a"]))
	assert.Nil(t, spec.DefaultBackend, "requests for other hosts")
	for i, want := range []string{"frames.example /frames Exact", "*.example / Prefix"} {
		path := spec.Rules[i].HTTP.Paths[0]
		assert.Equal(t, want, fmt.Sprint(spec.Rules[i].Host, " ", path.Path, " ", *path.PathType))
		assert.Equal(t, backend, path.Backend, "where %s leads to", want)
	}
	anyHost := chart.Of[*networkingv1.Ingress](t, chart.Render(t, chart.Set("renderer.ingress.enabled", true)))
	require.Len(t, anyHost, 1)
	require.NotNil(t, anyHost[0].Spec.DefaultBackend, "an Ingress without hosts: Kubernetes refuses one that leads nowhere")
	assert.Equal(t, service.Name, anyHost[0].Spec.DefaultBackend.Service.Name)
	onePath := chart.Of[*networkingv1.Ingress](t, chart.Render(t, chart.Parse(t, `renderer: {ingress: {enabled: true, hosts: [{paths: [{path: /frames}]}]}}`)))
	require.Len(t, onePath, 1)
	assert.Equal(t, " /frames Prefix", fmt.Sprint(onePath[0].Spec.Rules[0].Host, " ", onePath[0].Spec.Rules[0].HTTP.Paths[0].Path, " ", *onePath[0].Spec.Rules[0].HTTP.Paths[0].PathType), "a path of all hosts")

	route := ofKind(rendered, "HTTPRoute")["holograph-renderer"]
	require.NotNil(t, route)
	assert.Equal(t, "gateway.networking.k8s.io/v1", route.APIVersion())
	assert.Equal(t, map[string]any{"a": "b"}, valueAt(t, route, "metadata", "annotations"))
	assert.Equal(t, chart.Parse(t, `
parentRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gateway, namespace: gateways, sectionName: https}]
hostnames: [frames.example]
rules: [{matches: [{path: {type: PathPrefix, value: /frames}}], timeouts: {request: 1s}, backendRefs: [{group: "", kind: Service, name: holograph-renderer, port: 80, weight: 1}]}]`), valueAt(t, route, "spec"))

	mesh := chart.Render(t, chart.Parse(t, `renderer: {httpRoute: {enabled: true, parentRefs: [{group: "", kind: Service, name: frames}]}}`))
	assert.Equal(t, []any{map[string]any{"group": "", "kind": "Service", "name": "frames"}}, valueAt(t, ofKind(mesh, "HTTPRoute")["holograph-renderer"], "spec", "parentRefs"), "the parent of a route in a service mesh, which is a Service: a group that is written stays, also an empty one")

	redirecting := chart.Render(t, chart.Parse(t, `
renderer:
  httpRoute:
    enabled: true
    parentRefs: [{name: gateway}]
    rules:
      - {matches: [{path: {value: /old}}], filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]}
      - {filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [cookie]}}]}`))
	for i, backends := range []int{0, 1} {
		rule, _ := valueAt(t, ofKind(redirecting, "HTTPRoute")["holograph-renderer"], "spec", "rules", i).(map[string]any)
		refs, _ := rule["backendRefs"].([]any)
		assert.Len(t, refs, backends, "backends of rule %d: the Gateway API refuses one that redirects and has a backend", i)
		assert.Len(t, rule["filters"], 1)
	}
}

// TestImageReferences: a repository is written as everybody writes it, a registry replaces the one in it, and the notes say
// of an image that no registry has what is to be done.
func TestImageReferences(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ values, image, note string }{
		"default":               {`{}`, "localhost/holograph-renderer:0.1.0", "localhost/holograph-renderer:0.1.0 is in no registry. Build it with `make images` and load it into every node"},
		"full reference":        {`{renderer: {image: {repository: ghcr.io/acme/renderer, tag: "1.2"}}}`, "ghcr.io/acme/renderer:1.2", ""},
		"port of a registry":    {`{renderer: {image: {repository: "registry.example:5000/renderer", tag: "1.2"}}}`, "registry.example:5000/renderer:1.2", ""},
		"Docker Hub":            {`{renderer: {image: {repository: acme/renderer, tag: "1.2"}}}`, "acme/renderer:1.2", ""},
		"registry and path":     {`{renderer: {image: {registry: ghcr.io, repository: acme/renderer, tag: "1.2"}}}`, "ghcr.io/acme/renderer:1.2", ""},
		"mirror":                {`{global: {imageRegistry: mirror.example/hub}, renderer: {image: {repository: ghcr.io/acme/renderer, tag: "1.2"}}}`, "mirror.example/hub/acme/renderer:1.2", ""},
		"mirror of Docker Hub":  {`{global: {imageRegistry: mirror.example}, renderer: {image: {repository: acme/renderer, tag: "1.2"}}}`, "mirror.example/acme/renderer:1.2", ""},
		"mirror of the default": {`{global: {imageRegistry: mirror.example}}`, "mirror.example/holograph-renderer:0.1.0", "mirror.example/holograph-renderer:0.1.0 is in no registry until you push it. Build it with `make images` and push it to mirror.example"},
		"pushed by oneself":     {`{renderer: {image: {registry: ghcr.io/acme}}}`, "ghcr.io/acme/holograph-renderer:0.1.0", ""},
		"loaded by oneself":     {`{renderer: {image: {repository: localhost/acme, tag: "1"}}}`, "localhost/acme:1", "localhost/acme:1 is in no registry. Build it and load it into every node"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := chart.Render(t, chart.Parse(t, test.values), chart.Set("doctor.enabled", false))
			assert.Equal(t, test.image, rendered.Container(t, chart.Renderer).Image)
			if test.note == "" {
				assert.NotContains(t, rendered.Notes, "in no registry", "the notes of an image that a registry has")
			} else {
				assert.Contains(t, rendered.Notes, "NOTE: for the renderer: "+test.note)
			}
		})
	}
	mirrored := chart.Render(t, chart.Set("global.imageRegistry", "mirror.example"))
	assert.Contains(t, mirrored.Notes, "NOTE: for `helm test`: mirror.example/holograph-doctor:0.1.0 is in no registry until you push it.", "the notes say so of the doctor's image too")
	assert.Equal(t, "mirror.example/prometheus/prometheus:", mirrored.Container(t, chart.Prometheus).Image[:len("mirror.example/prometheus/prometheus:")])
}
