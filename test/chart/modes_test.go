package chart_test

import (
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
	"holograph/test/internal/connections"
)

// mode is one way to install the chart, which users combine with others.
type mode struct {
	name   string
	values chart.Values
}

// modes are the ways, but those to scale.
func modes(t *testing.T) []mode {
	t.Helper()
	parsed := func(name, text string) mode { return mode{name, chart.Parse(t, text)} }
	all := []mode{
		parsed("policy", `
networkPolicy:
  enabled: true
  clients: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: gateway}}}]
  scrapers: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
  queriers:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: keda}}
      podSelector: {matchLabels: {app: keda-operator}}
  prometheus: {peers: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}], ports: [9090]}`),
		parsed("served", `servedNamespaces: [games]`),
		{"operator", chart.Example(t, "prometheus-operator")},
		parsed("own Prometheus", `prometheus: {enabled: false, url: "http://prometheus-operated.monitoring.svc:9090"}`),
		parsed("no URL", `prometheus: {enabled: false}`),
		parsed("annotations", `
prometheus: {enabled: false, url: "http://prometheus-operated.monitoring.svc:9090"}
scrapeAnnotations: {enabled: true}`),
		parsed("adapter off", `prometheusAdapter: {enabled: false}`),
		parsed("deletion costs", `deletionCost: {enabled: true}`),
		{"existing adapter", chart.Values{"prometheusAdapter": chart.Example(t, "existing-adapter")["prometheusAdapter"]}},
		parsed("login", `prometheus: {auth: {basicAuth: {existingSecret: prometheus-login}}}`),
		parsed("history and receivers", `
prometheus:
  persistence: {enabled: true}
  secrets: [metrics]
  alertmanagers:
    - url: http://alertmanager.monitoring.svc
    - {url: "http://alertmanager-operated.monitoring.svc:9093", headless: true}
    - url: https://alertmanager.example/team
  remoteWrite:
    - url: http://store.monitoring.svc/api/v1/push
    - url: https://metrics.example:8443/api/v1/push
      proxy_url: http://proxy.example:3128
      oauth2: {client_id: holograph, client_secret_file: /etc/prometheus-secrets/metrics/secret, token_url: "https://login.example:9443/token"}`),
	}
	return all
}

// scalers are the ways to scale.
func scalers(t *testing.T) []mode {
	t.Helper()
	return []mode{{"HPA", nil}, {"KEDA", chart.Example(t, "keda")}, {"off", chart.Set("autoscaling.enabled", false)}}
}

// environments are the values files that an installation begins with.
var environments = []string{"defaults", "development", "staging", "production", "gpu", "local"}

// guestOf are the values of a release in the namespace games that a release in servedNamespaces's other end uses, beside those
// that both have.
const guestOf = `
servedNamespaces: []
prometheusAdapter: {enabled: false, existing: {namespace: "", configMap: ""}}
kubeStateMetrics: {enabled: false}`

// guestOfEmbedded are those where the first release has an embedded Prometheus.
const guestOfEmbedded = `
prometheus:
  enabled: false
  url: http://holograph-prometheus.holograph.svc:9090
  auth: {basicAuth: {existingSecret: holograph-prometheus-login}}
  persistence: {enabled: false}
  alertmanagers: []
  remoteWrite: []
  secrets: []`

// guestOfPolicy are those where it has network policies with lists: its Prometheus is in another namespace.
const guestOfPolicy = `
networkPolicy:
  scrapers: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: holograph}}}]
  prometheus: {peers: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: holograph}}}]}`

// combination is a pair of modes, or one or none, in one environment with one way to scale.
type combination struct {
	modes               []mode
	scaler              mode
	environment         string
	environmentalValues chart.Values
}

func (c combination) String() string {
	var names []string
	for _, mode := range c.modes {
		names = append(names, mode.name)
	}
	if len(names) == 0 {
		names = []string{"no mode"}
	}
	return fmt.Sprintf("%s, %s, %s", strings.Join(names, " + "), c.scaler.name, c.environment)
}

// has is whether one of the names is that of a mode, of the scaler or of the environment.
func (c combination) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return name == c.scaler.name || name == c.environment || slices.ContainsFunc(c.modes, func(m mode) bool { return m.name == name })
	})
}

// values are those of the first release.
func (c combination) values() []chart.Values {
	all := []chart.Values{c.environmentalValues, c.scaler.values}
	for _, mode := range c.modes {
		all = append(all, mode.values)
	}
	return all
}

// ownPrometheus is whether the platform's Prometheus is used.
func (c combination) ownPrometheus() bool {
	return c.has("operator", "own Prometheus", "annotations", "no URL")
}

// combinations are all pairs of modes, single modes and none, with every way to scale, in every environment. With -short they are a
// third of them, in which each pair is in every environment, and with every way to scale.
func combinations(t *testing.T) []combination {
	t.Helper()
	var sets [][]mode
	all := modes(t)
	sets = append(sets, nil)
	for i, one := range all {
		sets = append(sets, []mode{one})
		for _, other := range all[i+1:] {
			sets = append(sets, []mode{one, other})
		}
	}
	var found []combination
	for i, set := range sets {
		for j, environment := range environments {
			values := chart.Values{}
			if environment != "defaults" {
				values = chart.Example(t, environment)
			}
			for k, scaler := range scalers(t) {
				if testing.Short() && (i+j)%3 != k {
					continue
				}
				found = append(found, combination{set, scaler, environment, values})
			}
		}
	}
	return found
}

// expectedRefusal is a combination that the chart refuses, and why it cannot work.
type expectedRefusal struct {
	key, reason string
	when        func(combination) bool
}

// expectedRefusals are all of them. The modes are those of modes and scalers.
var expectedRefusals = []expectedRefusal{
	{"networkPolicy.queriers", "the policy of the environment admits only those that the values name to the embedded Prometheus, and nobody names the adapter that asks it",
		func(c combination) bool {
			return c.hasBarePolicy() && !c.ownPrometheus() && c.has("adapter off") && !c.has("existing adapter") && c.has("HPA", "served")
		}},
	{"networkPolicy.scrapers", "the policy of the environment admits only those that the values name to kube-state-metrics, and nobody names the Prometheus that scrapes it",
		func(c combination) bool { return c.hasBarePolicy() && c.hasNoURL() }},
	{"prometheus.url", "the adapter, KEDA or the writer of deletion costs has no Prometheus to ask",
		func(c combination) bool {
			return c.hasNoURL() && (c.has("KEDA", "deletion costs") || !c.has("adapter off", "existing adapter") && c.has("HPA", "served"))
		}},
	{"deletionCost.enabled", "no autoscaler removes pods",
		func(c combination) bool { return c.has("deletion costs") && c.has("off") }},
	{"prometheus.auth.basicAuth.existingSecret", "the login is for a Prometheus that is not there",
		func(c combination) bool { return c.hasNoURL() && c.has("login") }},
	{"prometheus.persistence.enabled", "the volume is for a Prometheus that is not there",
		func(c combination) bool { return c.ownPrometheus() && c.has("history and receivers") }},
	{"prometheus.alertmanagers", "the Alertmanagers are for a Prometheus that is not there",
		func(c combination) bool { return c.ownPrometheus() && c.has("history and receivers") }},
	{"prometheus.secrets", "the Secrets are for a Prometheus that is not there",
		func(c combination) bool { return c.ownPrometheus() && c.has("history and receivers") }},
	{"prometheus.remoteWrite", "the endpoints are for a Prometheus that is not there",
		func(c combination) bool { return c.ownPrometheus() && c.has("history and receivers") }},
	{"scrapeAnnotations.enabled", "a Prometheus that uses annotations and PodMonitors scrapes each renderer twice",
		func(c combination) bool { return c.has("annotations") && c.has("operator") }},
}

// hasBarePolicy is whether the environment has network policies, and nobody says who may connect.
func (c combination) hasBarePolicy() bool { return c.has("staging", "production") && !c.has("policy") }

// hasNoURL is whether there is neither an embedded Prometheus nor the address of another.
func (c combination) hasNoURL() bool {
	return c.has("no URL") && !c.has("operator", "own Prometheus", "annotations")
}

// refusedKeys are the keys that a refusal names, each with its line.
func refusedKeys(err error) map[string]string {
	keys := map[string]string{}
	for _, match := range regexp.MustCompile(`(?m)(?:^|\): )(([A-Za-z][A-Za-z0-9.\[\]]*): must.*)$`).FindAllStringSubmatch(err.Error(), -1) {
		keys[match[2]] = match[1]
	}
	return keys
}

// rendered are the releases of a combination, or the refusals of one of them.
func (c combination) rendered(defaults, guest, guestOfEmbedded, guestOfPolicy chart.Values) ([]*connections.Release, error) {
	release := func(name string, values ...chart.Values) (*connections.Release, error) {
		// The schema looks at each value by itself, and takes a quarter of the time: a mode beside others needs it no more.
		rendered, err := chart.Template(chart.Options{Release: name, Namespace: name, Values: values, SkipSchema: len(c.modes) > 1})
		return &connections.Release{Name: name, Namespace: name, Values: chart.Merge(append([]chart.Values{defaults}, values...)...), Rendered: rendered}, err
	}
	first, err := release(chart.DefaultRelease, c.values()...)
	if err != nil || !c.has("served") {
		return []*connections.Release{first}, err
	}
	values := append(c.values(), guest)
	if !c.ownPrometheus() {
		values = append(values, guestOfEmbedded)
		if c.has("policy") {
			values = append(values, guestOfPolicy)
		}
	}
	second, err := release("games", values...)
	return []*connections.Release{first, second}, err
}

// TestModes renders every pair of modes in every environment with every way to scale, and follows each connection that the
// manifests name. What the chart refuses is refused for a reason that expectedRefusals has, and nothing else.
func TestModes(t *testing.T) {
	t.Parallel()
	defaults, guest, embedded, policy := chart.Defaults(t), chart.Parse(t, guestOf), chart.Parse(t, guestOfEmbedded), chart.Parse(t, guestOfPolicy)
	var mutex sync.Mutex
	found := map[connections.Kind]map[string][]combination{}
	refusals := map[string][]combination{}
	note := func(kind connections.Kind, text string, c combination) {
		mutex.Lock()
		defer mutex.Unlock()
		if found[kind] == nil {
			found[kind] = map[string][]combination{}
		}
		found[kind][text] = append(found[kind][text], c)
	}
	refuse := func(text string, c combination) {
		mutex.Lock()
		defer mutex.Unlock()
		refusals[text] = append(refusals[text], c)
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	all := combinations(t)
	for _, c := range all {
		group.Go(func() error {
			releases, err := c.rendered(defaults, guest, embedded, policy)
			expected := map[string]string{}
			for _, refusal := range expectedRefusals {
				if refusal.when(c) {
					expected[refusal.key] = refusal.reason
				}
			}
			if err != nil {
				keys := refusedKeys(err)
				for key, line := range keys {
					if expected[key] == "" {
						refuse("the refusal is not expected: "+line, c)
					}
				}
				if len(keys) == 0 {
					refuse(fmt.Sprintf("does not render: %v", err), c)
				}
				for _, key := range slices.Sorted(maps.Keys(expected)) {
					if keys[key] == "" {
						refuse(fmt.Sprintf("%s is not among the refusals, want it refused, because %s", key, expected[key]), c)
					}
				}
				return nil
			}
			for _, key := range slices.Sorted(maps.Keys(expected)) {
				refuse(fmt.Sprintf("%s is accepted, want it refused, because %s", key, expected[key]), c)
			}
			cluster, err := connections.New(releases...)
			if err != nil {
				return fmt.Errorf("%v: %w", c, err)
			}
			faults, err := connections.Follow(cluster)
			if err != nil {
				return fmt.Errorf("%v: %w", c, err)
			}
			for _, fault := range faults {
				note(fault.Kind, fault.Text, c)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	t.Logf("%d combinations of %d modes", len(all), len(modes(t)))
	t.Run("refusals", func(t *testing.T) { report(t, refusals) })
	for _, kind := range connections.Kinds {
		t.Run(string(kind), func(t *testing.T) { report(t, found[kind]) })
	}
}

// TestPairsOfValues follows the connections of values that are no modes, each with another that it depends on.
func TestPairsOfValues(t *testing.T) {
	t.Parallel()
	policy := modes(t)[0].values
	const own = `prometheus: {enabled: false, url: "http://prometheus-operated.monitoring.svc:9090"}`
	for name, test := range map[string]struct{ first, guest []chart.Values }{
		"a guest with targets of its own": {
			[]chart.Values{chart.Parse(t, "servedNamespaces: [games]"), policy},
			[]chart.Values{policy, chart.Parse(t, guestOf), chart.Parse(t, guestOfEmbedded), chart.Parse(t, guestOfPolicy), chart.Parse(t, `signals: {overruns: {target: "0.2"}, demand: {target: "0.5"}}`)}},
		"rules of another team, and no autoscaler": {
			[]chart.Values{policy, chart.Parse(t, own), chart.Parse(t, `{autoscaling: {enabled: false}, prometheusAdapter: {extraRules: [{seriesQuery: 'holograph_frames_total{namespace!="",pod!=""}',
				resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}, metricsQuery: 'sum by (<<.GroupBy>>) (rate(<<.Series>>{<<.LabelMatchers>>}[2m]))'}]}}`)}, nil},
		"relabelings of PodMonitors": {
			[]chart.Values{policy, chart.Example(t, "prometheus-operator"), chart.Parse(t, `podMonitor: {relabelings: [{targetLabel: cluster, replacement: eu}], metricRelabelings: [{regex: exported_.+, action: labeldrop}]}`)}, nil},
		"deletion costs with KEDA, down to no pods": {
			[]chart.Values{policy, chart.Example(t, "keda"), chart.Parse(t, `{deletionCost: {enabled: true}, autoscaling: {minReplicas: 0}, keda: {triggers: [{type: cron, metadata: {timezone: UTC, start: "0 8 * * *", end: "0 9 * * *", desiredReplicas: "1"}}]}}`)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			release := func(name string, values []chart.Values) *connections.Release {
				return &connections.Release{Name: name, Namespace: name, Values: chart.Merge(append([]chart.Values{chart.Defaults(t)}, values...)...),
					Rendered: chart.RenderWith(t, chart.Options{Release: name, Namespace: name, Values: values})}
			}
			releases := []*connections.Release{release(chart.DefaultRelease, test.first)}
			if test.guest != nil {
				releases = append(releases, release("games", test.guest))
			}
			cluster, err := connections.New(releases...)
			require.NoError(t, err)
			faults, err := connections.Follow(cluster)
			require.NoError(t, err)
			for _, fault := range faults {
				assert.Fail(t, fault.Text)
			}
		})
	}
}

// report fails for each text, with the combinations that it is about.
func report(t *testing.T, texts map[string][]combination) {
	t.Helper()
	for _, text := range slices.Sorted(maps.Keys(texts)) {
		var where []string
		for _, c := range texts[text] {
			where = append(where, c.String())
		}
		slices.Sort(where)
		where = slices.Compact(where)
		assert.Fail(t, text, "in %d combinations, the first of which are:\n%s", len(where), strings.Join(where[:min(8, len(where))], "\n"))
	}
}

// planted is a fault in what is rendered, and what is said of it.
type planted struct {
	values string
	// object is the one whose text is changed, by its kind and name.
	object, old, new string
	kind             connections.Kind
	says             string
}

// plantedFaults are one or more of each kind.
var plantedFaults = map[string]planted{
	"KEDA is no peer": {`{networkPolicy: {enabled: true, queriers: [{namespaceSelector: {}, podSelector: {matchLabels: {app: keda-operator}}}]}}`,
		"NetworkPolicy holograph-prometheus", "app: keda-operator", "app: operator", connections.Asks,
		"KEDA's operator, for the trigger overruns of ScaledObject holograph/holograph-renderer, cannot reach Prometheus at http://holograph-prometheus.holograph.svc:9090: " +
			"NetworkPolicy holograph/holograph-prometheus forbids ingress from keda/keda-operator to port 9090 of holograph/holograph-prometheus"},
	"KEDA has no URL": {`{}`,
		"ScaledObject holograph-renderer", "serverAddress: http://holograph-prometheus.holograph.svc:9090", `serverAddress: ""`, connections.Asks,
		"KEDA's operator, for the trigger demand of ScaledObject holograph/holograph-renderer, asks Prometheus and has no URL"},
	"KEDA has no credential": {`{}`,
		"TriggerAuthentication holograph-renderer", "name: holograph-renderer", "name: other", connections.Asks,
		"has no credential: there is no TriggerAuthentication holograph-renderer"},
	"another port of Prometheus": {`{}`,
		"Service holograph-prometheus", "port: 9090", "port: 9091", connections.Asks,
		"the adapter holograph/holograph-prometheus-adapter cannot reach Prometheus at http://holograph-prometheus.holograph.svc:9090: Service holograph/holograph-prometheus has no port 9090"},
	"no port behind the Service": {`{}`,
		"Service holograph-prometheus", "targetPort: http", "targetPort: web", connections.Asks,
		"the doctor holograph/holograph-doctor cannot reach Prometheus at http://holograph-prometheus.holograph.svc:9090: port 9090 of Service holograph/holograph-prometheus is port web of holograph/holograph-prometheus, which has none of that name or number"},
	"no way out of the adapter": {`{networkPolicy: {enabled: true}}`,
		"NetworkPolicy holograph-prometheus-adapter", "port: 9090", "port: 9091", connections.Asks,
		"NetworkPolicy holograph/holograph-prometheus-adapter forbids egress to port 9090 of holograph/holograph-prometheus"},
	"no way out of the writer of deletion costs": {`{networkPolicy: {enabled: true}, deletionCost: {enabled: true}}`,
		"NetworkPolicy holograph-deletion-cost", "port: 9090", "port: 9091", connections.Asks,
		"the writer of deletion costs holograph/holograph-deletion-cost cannot reach Prometheus at http://holograph-prometheus.holograph.svc:9090: NetworkPolicy holograph/holograph-deletion-cost forbids egress to port 9090 of holograph/holograph-prometheus"},
	"the doctor has no login": {`{}`,
		"ConfigMap holograph-doctor", "authorizationFile", "caFile", connections.Asks,
		"the doctor holograph/holograph-doctor has no login for the embedded Prometheus"},
	"no way to an Alertmanager": {`{networkPolicy: {enabled: true}, prometheus: {alertmanagers: [{url: "http://alertmanager.monitoring.svc"}]}}`,
		"NetworkPolicy holograph-prometheus", "kubernetes.io/metadata.name: monitoring", "kubernetes.io/metadata.name: other", connections.Sends,
		"the Prometheus holograph/holograph-prometheus cannot send alerts to http://alertmanager.monitoring.svc: " +
			"NetworkPolicy holograph/holograph-prometheus forbids egress to port 9093 of monitoring/alertmanager-0"},
	"no way to the pods of an Alertmanager": {`{networkPolicy: {enabled: true}, prometheus: {alertmanagers: [{url: "http://alertmanager-operated.monitoring.svc:9093", headless: true}]}}`,
		"ConfigMap holograph-prometheus", "port: 9093", "port: 9094", connections.Sends,
		"cannot send alerts to http://alertmanager-operated.monitoring.svc:9094: Service monitoring/alertmanager-operated has no port 9094"},
	"no way to a store": {`{networkPolicy: {enabled: true}, prometheus: {remoteWrite: [{url: "https://metrics.example:8443/api/v1/push"}]}}`,
		"NetworkPolicy holograph-prometheus", "port: 8443", "port: 8444", connections.Sends,
		"cannot send samples to https://metrics.example:8443/api/v1/push: NetworkPolicy holograph/holograph-prometheus forbids egress to port 8443 of an address outside the cluster"},
	"no way to the proxy of a store": {`{networkPolicy: {enabled: true}, prometheus: {remoteWrite: [{url: "https://metrics.example", proxy_url: "http://proxy.example:3128"}]}}`,
		"NetworkPolicy holograph-prometheus", "port: 3128", "port: 3129", connections.Sends,
		"cannot send samples to http://proxy.example:3128: NetworkPolicy holograph/holograph-prometheus forbids egress to port 3128 of an address outside the cluster"},
	"a Prometheus that finds no targets": {`{networkPolicy: {enabled: true}}`,
		"NetworkPolicy holograph-prometheus", "port: 6443", "port: 6444", connections.APIServer,
		"holograph/holograph-prometheus cannot reach the API server: NetworkPolicy holograph/holograph-prometheus forbids egress to port 6443"},
	"no way to the renderers": {`{networkPolicy: {enabled: true}}`,
		"NetworkPolicy holograph-prometheus", "app.kubernetes.io/component: renderer", "app.kubernetes.io/component: rendered", connections.Scrapes,
		"the Prometheus holograph/holograph-prometheus cannot scrape holograph/holograph-renderer: NetworkPolicy holograph/holograph-prometheus forbids egress to port 8080 of holograph/holograph-renderer"},
	"no way to kube-state-metrics": {`{networkPolicy: {enabled: true}}`,
		"NetworkPolicy holograph-kube-state-metrics", "app.kubernetes.io/component: prometheus", "app.kubernetes.io/component: other", connections.Scrapes,
		"NetworkPolicy holograph/holograph-kube-state-metrics forbids ingress from holograph/holograph-prometheus to port 8080 of holograph/holograph-kube-state-metrics"},
	"another container": {`{}`,
		"Deployment holograph-renderer", "name: http", "name: frames", connections.Scrapes,
		"the Prometheus holograph/holograph-prometheus scrapes nothing: scrape job renderer finds no pod"},
	"another port of a PodMonitor": {`{prometheus: {enabled: false, url: "http://prometheus-operated.monitoring.svc:9090"}, podMonitor: {enabled: true}}`,
		"PodMonitor holograph-kube-state-metrics", "port: http", "port: web", connections.Scrapes,
		"the Prometheus monitoring/prometheus-0 scrapes nothing: PodMonitor holograph/holograph-kube-state-metrics finds no pod"},
	"another port of the annotations": {`{prometheus: {enabled: false, url: "http://prometheus-operated.monitoring.svc:9090"}, scrapeAnnotations: {enabled: true}}`,
		"Deployment holograph-renderer", `prometheus.io/port: "8080"`, `prometheus.io/port: "8081"`, connections.Scrapes,
		"the Prometheus monitoring/prometheus-0 scrapes port 8081 of holograph/holograph-renderer, which has no such port"},
	"another renderer for the doctor": {`{}`,
		"ConfigMap holograph-doctor", "port: 8080", "port: 8081", connections.Scrapes,
		"the doctor holograph/holograph-doctor reads metrics at port 8081 of holograph/holograph-renderer, which has no such port"},
	"no way to the adapter": {`{networkPolicy: {enabled: true, apiServer: {peers: [{ipBlock: {cidr: 192.0.2.0/24}}]}}}`,
		"NetworkPolicy holograph-prometheus-adapter", "192.0.2.0", "198.51.100.0", connections.APIServer,
		"the API server cannot reach what serves v1beta2.custom.metrics.k8s.io: NetworkPolicy holograph/holograph-prometheus-adapter forbids ingress from an address outside the cluster to port 6443"},
	"another Service of the adapter": {`{}`,
		"APIService v1beta2.custom.metrics.k8s.io", "name: holograph-prometheus-adapter", "name: other", connections.APIServer,
		"the API server cannot reach what serves v1beta2.custom.metrics.k8s.io: there is no Service holograph/other"},
	"no names": {`{networkPolicy: {enabled: true}}`,
		"NetworkPolicy holograph-doctor", "protocol: UDP", "protocol: SCTP", connections.APIServer,
		"holograph/holograph-doctor cannot resolve names over UDP: NetworkPolicy holograph/holograph-doctor forbids egress to port 53"},
	"no API server": {`{networkPolicy: {enabled: true}}`,
		"NetworkPolicy holograph-kube-state-metrics", "port: 443", "port: 444", connections.APIServer,
		"holograph/holograph-kube-state-metrics cannot reach the API server"},
	"a Service of no pod": {`{}`,
		"Service holograph-renderer", "app.kubernetes.io/component: renderer\n    app.kubernetes.io/instance: holograph\n    app.kubernetes.io/name: holograph\n  type", "app: other\n  type", connections.Services,
		"clients of Service holograph/holograph-renderer cannot reach its port 8080: Service holograph/holograph-renderer selects no pod"},
	"clients shut out": {`{networkPolicy: {enabled: true, clients: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: gateway}}}]}}`,
		"NetworkPolicy holograph-renderer", "kubernetes.io/metadata.name: gateway", "kubernetes.io/metadata.name: other", connections.Services,
		"NetworkPolicy holograph/holograph-renderer forbids ingress from gateway/gateway to port 8080 of holograph/holograph-renderer"},
	"a metric that no rule serves": {`{}`,
		"HorizontalPodAutoscaler holograph-renderer", "name: holograph_demand", "name: other_demand", connections.Autoscales,
		"HorizontalPodAutoscaler holograph/holograph-renderer asks for other_demand of pods, which no rule of the adapter serves"},
	"another Deployment": {`{}`,
		"ScaledObject holograph-renderer", "kind: Deployment\n    name: holograph-renderer", "kind: Deployment\n    name: other", connections.Autoscales,
		"ScaledObject holograph/holograph-renderer scales other, which is not there"},
	"a namespace that is not the object's": {`{prometheus: {enabled: false, url: "http://prometheus-operated.monitoring.svc:9090"}, prometheusRule: {enabled: true}, kubeStateMetrics: {enabled: false, namespaceLabel: exported_namespace}}`,
		"PrometheusRule holograph", "{exported_namespace=", "{namespace=", connections.Selects,
		`no series of kube_horizontalpodautoscaler_status_desired_replicas has namespace="holograph" (it is "monitoring")`},
	"a label that no job sets": {`{}`,
		"ConfigMap holograph-prometheus", `target_label: "container"`, `target_label: "box"`, connections.Selects,
		`container="renderer" (no scrape sets container)`},
	"a label that no annotation sets": {`{prometheus: {enabled: false, url: "http://prometheus-operated.monitoring.svc:9090"}, scrapeAnnotations: {enabled: true}, signals: {labels: {container: ""}}}`,
		"ConfigMap holograph-prometheus-adapter", `pod!=\"\"}`, `pod!=\"\",container=\"renderer\"}`, connections.Selects,
		`container="renderer" (no scrape sets container)`},
	"a metric that relabeling drops": {`{}`,
		"ConfigMap holograph-prometheus", "kube_(horizontalpodautoscaler|deployment)_.+", "kube_deployment_.+", connections.Selects,
		"the rule holograph:hpa_replicas:desired asks the Prometheus holograph/holograph-prometheus for what it does not have: nobody that it scrapes exports kube_horizontalpodautoscaler_status_desired_replicas"},
	"a rule that nothing records": {`{}`,
		"ConfigMap holograph-prometheus", "record: holograph:frames:rate", "record: holograph:frames:speed", connections.Selects,
		"for what it does not have: nobody that it scrapes exports holograph:frames:rate"},
	"pods of another name": {`{}`,
		"ScaledObject holograph-renderer", "holograph-renderer-[", "hologram-renderer-[", connections.Selects,
		"KEDA's trigger overruns asks the Prometheus holograph/holograph-prometheus for what it does not have: no series of holograph_frames_over_budget_total has pod"},
	"series that cannot be joined": {`{signals: {scrapeLabels: [job]}}`,
		"ConfigMap holograph-prometheus-adapter", "sum by (<<.GroupBy>>) (max without (job) (last_over_time", "sum by (view) (max without (job) (last_over_time", connections.Selects,
		"the adapter's rule for holograph_demand asks the Prometheus holograph/holograph-prometheus and gets no result, because series that it joins have no labels in common"},
	"another namespace": {`{}`,
		"Deployment holograph-kube-state-metrics", "--namespaces=holograph", "--namespaces=other", connections.Selects,
		"nobody that it scrapes exports kube_horizontalpodautoscaler_status_desired_replicas"},
}

// TestFollowingNoticesFaults plants a fault in what is rendered, and finds it named: who does not reach whom, and which object
// forbids it. What is rendered for the same values has no fault of that kind.
func TestFollowingNoticesFaults(t *testing.T) {
	t.Parallel()
	var kinds []connections.Kind
	for name, fault := range plantedFaults {
		kinds = append(kinds, fault.kind)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := []chart.Values{chart.Parse(t, fault.values)}
			if strings.HasPrefix(fault.object, "ScaledObject") || strings.HasPrefix(fault.object, "TriggerAuthentication") || strings.HasPrefix(name, "KEDA") {
				values = append([]chart.Values{chart.Example(t, "keda")}, values...)
			}
			release := &connections.Release{Name: chart.DefaultRelease, Namespace: chart.DefaultNamespace,
				Values: chart.Merge(append([]chart.Values{chart.Defaults(t)}, values...)...), Rendered: chart.Render(t, values...)}
			follow := func() []string {
				cluster, err := connections.New(release)
				require.NoError(t, err)
				faults, err := connections.Follow(cluster)
				require.NoError(t, err)
				var texts []string
				for _, found := range faults {
					if found.Kind == fault.kind {
						texts = append(texts, found.Text)
					}
				}
				return texts
			}
			before := strings.Join(follow(), "\n")
			assert.NotContains(t, before, fault.says, "what is rendered has the fault before it is planted")
			plant(t, release.Rendered, fault)
			assert.Contains(t, strings.Join(follow(), "\n"), fault.says, "the planted fault is not noticed")
		})
	}
	for _, kind := range connections.Kinds {
		assert.Contains(t, kinds, kind, "kinds of planted faults")
	}
}

// plant changes the text of one rendered object.
func plant(t *testing.T, rendered *chart.Rendered, fault planted) {
	t.Helper()
	for i, object := range rendered.Objects {
		if object.Kind()+" "+object.Name() != fault.object {
			continue
		}
		text, err := yaml.Marshal(object)
		require.NoError(t, err)
		require.Contains(t, string(text), fault.old, "the rendered %s", fault.object)
		changed := chart.Object{}
		require.NoError(t, yaml.Unmarshal([]byte(strings.ReplaceAll(string(text), fault.old, fault.new)), &changed))
		rendered.Objects[i] = changed
		return
	}
	require.Fail(t, "no such object", "%s", fault.object)
}
