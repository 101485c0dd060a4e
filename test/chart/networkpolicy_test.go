package chart_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"holograph/test/internal/chart"
)

// refusalsOfPolicies are the cases of network policies that would cut the chart's own connections.
var refusalsOfPolicies = map[string]refusal{
	"renderers that nobody may scrape": {
		`{prometheus: {enabled: false, url: http://prometheus.example}, networkPolicy: {enabled: true, clients: [{podSelector: {}}]}}`,
		`networkPolicy.scrapers: must not be empty where prometheus.url names no Service of this cluster (got none), because no Prometheus could scrape the renderers: write the peers that are your Prometheus.`},
	"kube-state-metrics that nobody may scrape": {
		`{prometheus: {enabled: false, url: http://prometheus.example}, networkPolicy: {enabled: true}}`,
		`networkPolicy.scrapers: must not be empty where prometheus.url names no Service of this cluster (got none), because no Prometheus could scrape kube-state-metrics: write the peers that are your Prometheus.`},
}

// endpoint is one end of a connection: a pod, or an address outside the cluster if labels is nil.
type endpoint struct {
	namespace string
	labels    labels.Set
}

// network evaluates a rendering's NetworkPolicies, as a network plugin does.
type network struct {
	policies []*networkingv1.NetworkPolicy
	// ports are the named ports of the pods.
	ports map[string]int32
}

// allows reports whether a connection from one end to a port of the other is allowed on both sides.
func (n network) allows(t *testing.T, from, to endpoint, port int32) bool {
	t.Helper()
	return n.allowedBySide(t, from, to, port, networkingv1.PolicyTypeEgress) && n.allowedBySide(t, to, from, port, networkingv1.PolicyTypeIngress)
}

func (n network) allowedBySide(t *testing.T, own, other endpoint, port int32, direction networkingv1.PolicyType) bool {
	t.Helper()
	isolated := false
	for _, policy := range n.policies {
		if own.labels == nil || policy.Namespace != own.namespace || !matches(t, &policy.Spec.PodSelector, own.labels) {
			continue
		}
		require.ElementsMatch(t, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}, policy.Spec.PolicyTypes, policy.Name)
		isolated = true
		if direction == networkingv1.PolicyTypeEgress {
			for _, rule := range policy.Spec.Egress {
				if n.matchesPort(rule.Ports, port) && n.matchesPeer(t, rule.To, policy.Namespace, other) {
					return true
				}
			}
		} else {
			for _, rule := range policy.Spec.Ingress {
				if n.matchesPort(rule.Ports, port) && n.matchesPeer(t, rule.From, policy.Namespace, other) {
					return true
				}
			}
		}
	}
	return !isolated
}

func (n network) matchesPort(allowed []networkingv1.NetworkPolicyPort, port int32) bool {
	for _, candidate := range allowed {
		if candidate.Port == nil || candidate.Port.Type == intstr.Int && candidate.Port.IntVal == port || n.ports[candidate.Port.StrVal] == port {
			return true
		}
	}
	return len(allowed) == 0
}

func (n network) matchesPeer(t *testing.T, peers []networkingv1.NetworkPolicyPeer, namespace string, other endpoint) bool {
	t.Helper()
	for _, peer := range peers {
		if peer.IPBlock != nil {
			// The one outside address of the tests is in every block that they use.
			if other.labels == nil {
				return true
			}
			continue
		}
		if other.labels == nil {
			continue
		}
		if peer.NamespaceSelector == nil && other.namespace != namespace ||
			peer.NamespaceSelector != nil && !matches(t, peer.NamespaceSelector, labels.Set{"kubernetes.io/metadata.name": other.namespace}) {
			continue
		}
		if peer.PodSelector == nil || matches(t, peer.PodSelector, other.labels) {
			return true
		}
	}
	return len(peers) == 0
}

func matches(t *testing.T, selector *metav1.LabelSelector, set labels.Set) bool {
	t.Helper()
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	require.NoError(t, err)
	return parsed.Matches(set)
}

// TestNetworkPolicies asks for each connection that the chart needs, and for some that nobody needs.
func TestNetworkPolicies(t *testing.T) {
	t.Parallel()
	const renderer, prometheus, adapter, kubeStateMetrics, doctor = "renderer", "prometheus", "prometheus-adapter", "kube-state-metrics", "doctor"
	outside := endpoint{}
	type connection struct {
		from, to string
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
		"Alertmanagers and a store": {`
prometheus:
  alertmanagers: [{url: "http://alertmanager.monitoring.svc:9093"}, {url: "https://alertmanager.example/team"}]
  remoteWrite: [{url: "https://metrics.example:8443/api/v1/push"}]
networkPolicy: {apiServer: {ports: [6443]}}`,
			[]connection{{prometheus, "unlisted pod", 9093}, {prometheus, "outside", 443}, {prometheus, "outside", 8443}},
			[]connection{{prometheus, "outside", 80}, {renderer, "unlisted pod", 9093}, {adapter, "outside", 8443}}},
		"served namespaces": {`servedNamespaces: [games]`,
			[]connection{{prometheus, "renderer elsewhere", 8080}},
			[]connection{{prometheus, "unlisted pod", 8080}}},
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
			rules := network{policies: chart.Of[*networkingv1.NetworkPolicy](t, rendered), ports: map[string]int32{"https": 6443}}
			ends := map[string]endpoint{
				"outside":            outside,
				"unlisted pod":       {"elsewhere", labels.Set{"role": "unlisted"}},
				"renderer elsewhere": {"games", labels.Set{"app.kubernetes.io/name": "holograph", "app.kubernetes.io/instance": "game", "app.kubernetes.io/component": "renderer"}},
			}
			for _, component := range []chart.Component{renderer, prometheus, adapter, kubeStateMetrics} {
				if !slices.Contains(components(rendered), string(component)) {
					continue
				}
				ends[string(component)] = endpoint{"holograph", rendered.Deployment(t, component).Spec.Template.Labels}
			}
			for _, pod := range chart.Of[*corev1.Pod](t, rendered) {
				ends[doctor] = endpoint{"holograph", pod.Labels}
			}
			allowed := func(c connection) bool {
				rules := rules
				rules.ports = map[string]int32{"https": 6443, "http": rendered.Container(t, renderer).Ports[0].ContainerPort}
				switch c.to {
				case prometheus:
					rules.ports["http"] = 9090
				case kubeStateMetrics:
					rules.ports["http"] = 8080
				}
				return rules.allows(t, ends[c.from], ends[c.to], c.port)
			}
			for _, c := range test.allowed {
				assert.True(t, allowed(c), "a connection from %s to port %d of %s is denied, want it allowed", c.from, c.port, c.to)
			}
			for _, c := range test.denied {
				assert.False(t, allowed(c), "a connection from %s to port %d of %s is allowed, want it denied", c.from, c.port, c.to)
			}
		})
	}
	assert.Empty(t, chart.Of[*networkingv1.NetworkPolicy](t, chart.Render(t)), "NetworkPolicies by default, want none")
}
