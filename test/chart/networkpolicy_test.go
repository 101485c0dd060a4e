package chart_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"holograph/test/internal/chart"
	"holograph/test/internal/connections"
)

// refusalsOfPolicies are the cases of network policies that would cut the chart's own connections.
var refusalsOfPolicies = map[string]refusal{
	"a range of ports that ends before it begins": {
		`networkPolicy: {enabled: true, rendererEgress: [{ports: [{port: 443, endPort: 80}]}]}`,
		`networkPolicy.rendererEgress[0].ports[0].endPort: must be at least the number of port (got 80, with 443), because Kubernetes takes no other range: write the first port as port and the last as endPort.`},
	"a range of ports without its first": {
		`networkPolicy: {enabled: true, rendererEgress: [{ports: [{endPort: 80}]}]}`,
		`networkPolicy.rendererEgress[0].ports[0].endPort: must be at least the number of port (got 80, with none), because Kubernetes takes no other range: write the first port as port and the last as endPort.`},
	"a range of ports from a name": {
		`networkPolicy: {enabled: true, rendererEgress: [{ports: [{port: media, endPort: 40010}]}]}`,
		`networkPolicy.rendererEgress[0].ports[0].endPort: must be at least the number of port (got 40010, with media), because Kubernetes takes no other range: write the first port as port and the last as endPort.`},
	"a second Prometheus that may not scrape": {
		`{networkPolicy: {enabled: true}, podMonitor: {enabled: true}}`,
		`networkPolicy.scrapers: must name your Prometheus with podMonitor.enabled (got none), because the policies admit only the embedded one otherwise: write its pods as a peer, like {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}.`},
	"an API server on any port": {
		`networkPolicy: {enabled: true, apiServer: {ports: null}}`,
		`networkPolicy.apiServer.ports: must not be empty (got none), because a rule without ports opens all of them: write the port on which your API server listens, or leave out the key, for 443 and 6443.`},
	"renderers that nobody may scrape": {
		`{prometheus: {enabled: false, url: http://prometheus.example}, networkPolicy: {enabled: true, clients: [{podSelector: {}}]}}`,
		`networkPolicy.scrapers: must not be empty where prometheus.url does not name a Service with its namespace, like http://prometheus.monitoring.svc:9090 (got none), because no Prometheus could scrape the renderers: write the peers that are your Prometheus.`},
	"kube-state-metrics that nobody may scrape": {
		`{prometheus: {enabled: false, url: http://prometheus.example}, networkPolicy: {enabled: true}}`,
		`networkPolicy.scrapers: must not be empty where prometheus.url does not name a Service with its namespace, like http://prometheus.monitoring.svc:9090 (got none), because no Prometheus could scrape kube-state-metrics: write the peers that are your Prometheus.`},
}

// clusterOf is the cluster of one release, and a function that returns the pod of one of its components, nil where it has none.
func clusterOf(t *testing.T, rendered *chart.Rendered) (*connections.Cluster, func(chart.Component) *connections.Pod) {
	t.Helper()
	release := &connections.Release{Name: chart.DefaultRelease, Namespace: chart.DefaultNamespace, Rendered: rendered}
	cluster, err := connections.New(release)
	require.NoError(t, err)
	return cluster, func(component chart.Component) *connections.Pod { return cluster.Of(release, component) }
}

// TestNetworkPolicies asks for each connection that the chart needs, and for some that nobody needs.
func TestNetworkPolicies(t *testing.T) {
	t.Parallel()
	const renderer, prometheus, adapter, kubeStateMetrics, doctor = chart.Renderer, chart.Prometheus, chart.PrometheusAdapter, chart.KubeStateMetrics, chart.Doctor
	type connection struct {
		from, to chart.Component
		port     int32
	}
	for name, test := range map[string]struct {
		values          string
		allowed, denied []connection
	}{
		"defaults": {"{}",
			[]connection{
				{"outside", renderer, 8080}, {"unlisted pod", renderer, 8080},
				{prometheus, renderer, 8080}, {prometheus, kubeStateMetrics, 8080}, {adapter, prometheus, 9090},
				{"outside", adapter, 6443},
				{prometheus, "outside", 443}, {adapter, "outside", 6443}, {kubeStateMetrics, "outside", 443},
				{doctor, renderer, 8080}, {doctor, prometheus, 9090}, {doctor, "outside", 443}, {doctor, "unlisted pod", 53},
				{renderer, "unlisted pod", 53}, {adapter, "outside", 53}, {prometheus, "outside", 53}, {kubeStateMetrics, "unlisted pod", 53},
			},
			[]connection{
				{renderer, "outside", 443}, {renderer, prometheus, 9090}, {renderer, renderer, 8080}, {"unlisted pod", prometheus, 9090},
				{"outside", prometheus, 9090}, {"unlisted pod", kubeStateMetrics, 8080}, {kubeStateMetrics, prometheus, 9090},
				{adapter, renderer, 8080}, {prometheus, "unlisted pod", 8080}, {"outside", renderer, 22}, {adapter, "outside", 80},
				{prometheus, "renderer elsewhere", 8080},
				{doctor, kubeStateMetrics, 8080}, {doctor, "outside", 80}, {prometheus, doctor, 8080},
			}},
		"selected peers": {`
networkPolicy:
  clients: [{ipBlock: {cidr: 192.0.2.0/24}}]
  scrapers: [{podSelector: {matchLabels: {role: unlisted}}, namespaceSelector: {}}]
  queriers: [{podSelector: {matchLabels: {role: unlisted}}, namespaceSelector: {}}]
  rendererEgress: [{to: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 443, protocol: TCP}]}]
  apiServer: {peers: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [8443]}
renderer: {port: 9000}`,
			[]connection{
				{"outside", renderer, 9000}, {prometheus, renderer, 9000}, {"unlisted pod", renderer, 9000}, {"unlisted pod", prometheus, 9090},
				{"unlisted pod", kubeStateMetrics, 8080}, {renderer, "outside", 443}, {adapter, "outside", 8443}, {"outside", adapter, 6443},
				{doctor, renderer, 9000}, {doctor, prometheus, 9090}, {doctor, "outside", 8443},
			},
			[]connection{
				{"renderer elsewhere", renderer, 9000}, {"renderer elsewhere", prometheus, 9090}, {adapter, "outside", 443},
				{"unlisted pod", adapter, 6443}, {renderer, "outside", 8443},
			}},
		"a range of ports": {`networkPolicy: {rendererEgress: [{ports: [{port: 40000, endPort: 40010, protocol: TCP}]}]}`,
			[]connection{{renderer, "outside", 40000}, {renderer, "outside", 40010}},
			[]connection{{renderer, "outside", 39999}, {renderer, "outside", 40011}}},
		"a block without a part of it": {`
networkPolicy:
  clients: [{ipBlock: {cidr: 192.0.0.0/16, except: [192.0.2.0/24]}}]
  rendererEgress: [{to: [{ipBlock: {cidr: 192.0.0.0/16, except: [192.0.3.0/24]}}], ports: [{port: 443, protocol: TCP}]}]`,
			[]connection{{renderer, "outside", 443}},
			[]connection{{"outside", renderer, 8080}}},
		"Alertmanagers and a store": {`
prometheus:
  alertmanagers: [{url: "http://alertmanager.monitoring.svc:9093"}, {url: "https://alertmanager.example/team"}]
  remoteWrite: [{url: "https://metrics.example:8443/api/v1/push"}]
networkPolicy: {apiServer: {ports: [6443]}}`,
			[]connection{{prometheus, "unlisted pod", 9093}, {prometheus, "outside", 443}, {prometheus, "outside", 8443}},
			[]connection{{prometheus, "outside", 80}, {renderer, "unlisted pod", 9093}, {adapter, "outside", 8443}}},
		"a store that asks the cloud who Prometheus is, behind a proxy": {`
prometheus:
  extraEnv: [{name: HTTP_PROXY, value: "proxy.example:3129"}, {name: https_proxy, value: "http://team:a%b@proxy.example:3128"}, {name: GOGC, value: "50"}]
  remoteWrite: [{url: "https://metrics.example:8443", sigv4: {region: eu-central-1}}]
networkPolicy: {apiServer: {ports: [6443]}}`,
			[]connection{{prometheus, "outside", 3128}, {prometheus, "outside", 3129}, {prometheus, "outside", 443}, {prometheus, "outside", 8443}},
			[]connection{{prometheus, "outside", 80}, {adapter, "outside", 3128}}},
		"served namespaces": {`servedNamespaces: [games]`,
			[]connection{{prometheus, "renderer elsewhere", 8080}},
			[]connection{{prometheus, "unlisted pod", 8080}}},
		"deletion costs": {`deletionCost: {enabled: true}`,
			[]connection{{chart.DeletionCost, prometheus, 9090}, {chart.DeletionCost, "outside", 443}, {chart.DeletionCost, "unlisted pod", 53}},
			[]connection{{chart.DeletionCost, renderer, 8080}, {chart.DeletionCost, "outside", 80}, {"unlisted pod", chart.DeletionCost, 8080}, {prometheus, chart.DeletionCost, 8080}}},
		"ports of the renderer's Service": {`
renderer:
  extraPorts: [{name: media, containerPort: 40000}]
  extraContainers: [{name: relay, image: relay, ports: [{name: relay, containerPort: 41000}]}]
  service: {extraPorts: [{name: media, port: 4000, targetPort: media}, {name: relay, port: 4100, targetPort: relay}, {name: control, port: 42000}]}`,
			[]connection{{"outside", renderer, 40000}, {"outside", renderer, 41000}, {"outside", renderer, 42000}},
			[]connection{{"outside", renderer, 4000}, {"outside", renderer, 4100}}},
		"renderers on their nodes": {`renderer: {port: 9000, extraPodSpec: {hostNetwork: true}}`,
			[]connection{{prometheus, "outside", 9000}, {doctor, "outside", 9000}},
			[]connection{{prometheus, "outside", 9001}, {doctor, "outside", 9001}, {adapter, "outside", 9000}}},
		"another Prometheus": {`
prometheus: {enabled: false, url: https://prometheus.example}
kubeStateMetrics: {enabled: false}
networkPolicy: {prometheus: {peers: [{podSelector: {matchLabels: {role: unlisted}}, namespaceSelector: {}}], ports: [9090]}}`,
			[]connection{{adapter, "unlisted pod", 9090}, {doctor, "unlisted pod", 9090}},
			[]connection{{adapter, "unlisted pod", 9091}, {adapter, "outside", 9090}, {doctor, "outside", 9090}}},
		"another Prometheus, anywhere": {`{prometheus: {enabled: false, url: https://prometheus.example}, kubeStateMetrics: {enabled: false}}`,
			[]connection{{adapter, "outside", 8428}, {"outside", renderer, 8080}},
			[]connection{{renderer, "outside", 8428}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := chart.Render(t, chart.Set("networkPolicy.enabled", true), chart.Parse(t, test.values))
			cluster, of := clusterOf(t, rendered)
			for _, policy := range chart.Of[*networkingv1.NetworkPolicy](t, rendered) {
				assert.ElementsMatch(t, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}, policy.Spec.PolicyTypes, policy.Name)
			}
			ends := map[chart.Component]*connections.Pod{
				"outside":            connections.Outside,
				"unlisted pod":       {Namespace: "elsewhere", Name: "unlisted", Labels: map[string]string{"role": "unlisted"}},
				"renderer elsewhere": {Namespace: "games", Name: "game-renderer", Labels: map[string]string{"app.kubernetes.io/name": "holograph", "app.kubernetes.io/instance": "game", "app.kubernetes.io/component": "renderer"}},
			}
			forbidden := func(c connection) string {
				end := func(name chart.Component) *connections.Pod {
					pod, known := ends[name]
					if !known {
						pod = of(name)
						require.NotNil(t, pod, "the pod of %s", name)
					}
					return pod
				}
				return cluster.Forbidden(end(c.from), end(c.to), c.port, corev1.ProtocolTCP)
			}
			for _, c := range test.allowed {
				assert.Empty(t, forbidden(c), "a connection from %s to port %d of %s is denied, want it allowed", c.from, c.port, c.to)
			}
			for _, c := range test.denied {
				assert.NotEmpty(t, forbidden(c), "a connection from %s to port %d of %s is allowed, want it denied", c.from, c.port, c.to)
			}
		})
	}
	assert.Empty(t, chart.Of[*networkingv1.NetworkPolicy](t, chart.Render(t)), "NetworkPolicies by default, want none")
}

// TestPodsResolveNames: OpenShift's resolver listens on 5353 behind its Service, whose port of 53 its network has replaced
// when it compares the port.
func TestPodsResolveNames(t *testing.T) {
	t.Parallel()
	values := chart.Parse(t, `{networkPolicy: {enabled: true}, deletionCost: {enabled: true}}`)
	for name, c := range map[string]struct {
		options chart.Options
		denied  bool
	}{
		"on OpenShift": {chart.Options{Values: []chart.Values{values}, APIVersions: openShift}, false},
		"elsewhere":    {chart.Options{Values: []chart.Values{values}}, true},
	} {
		rendered, err := chart.Template(c.options)
		require.NoError(t, err)
		cluster, of := clusterOf(t, rendered)
		for _, component := range []chart.Component{chart.Renderer, chart.Prometheus, chart.PrometheusAdapter, chart.KubeStateMetrics, chart.Doctor, chart.DeletionCost} {
			for _, protocol := range []corev1.Protocol{corev1.ProtocolUDP, corev1.ProtocolTCP} {
				assert.Empty(t, cluster.Forbidden(of(component), connections.Outside, 53, protocol), "%s: %s asks a resolver on 53/%s", name, component, protocol)
				assert.Equal(t, c.denied, cluster.Forbidden(of(component), connections.Outside, 5353, protocol) != "", "%s: a policy denies %s a resolver on 5353/%s", name, component, protocol)
			}
		}
	}
}

// TestAStoreMayAskTheCloudWhoPrometheusIs: the identity of a pod comes from an address that only its node has, which no peer
// but a block of addresses selects.
func TestAStoreMayAskTheCloudWhoPrometheusIs(t *testing.T) {
	t.Parallel()
	for field, asks := range map[string]bool{"sigv4: {region: eu-central-1}": true, "azuread: {cloud: AzurePublic}": true, "google_iam: {}": true, "remote_timeout: 30s": false} {
		rendered := chart.Render(t, chart.Parse(t, `{networkPolicy: {enabled: true}, prometheus: {remoteWrite: [{url: "https://metrics.example", `+field+`}]}}`))
		found := false
		for _, policy := range chart.Of[*networkingv1.NetworkPolicy](t, rendered) {
			for _, rule := range policy.Spec.Egress {
				for _, peer := range rule.To {
					found = found || policy.Name == "holograph-prometheus" && peer.IPBlock != nil && peer.IPBlock.CIDR == "169.254.0.0/16" && rule.Ports[0].Port.IntValue() == 80
				}
			}
		}
		assert.Equal(t, asks, found, "whether Prometheus may ask for its pod's identity, with %s", field)
	}
}
