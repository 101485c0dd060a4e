package chart_test

import (
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
	"holograph/test/renderer/config"
)

// caCertificate has the form of a PEM certificate.
const caCertificate = `-----BEGIN CERTIFICATE-----
MIIBXzCCAQWgAwIBAgIBATAKBggqhkjOPQQDAjAAMB4XDTI2MDEwMTAwMDAwMFoX
-----END CERTIFICATE-----
`

// ownPrometheus is the beginning of values under `prometheus` for a Prometheus that is not the chart's.
const ownPrometheus = `enabled: false, url: "https://prometheus.example"`

// refusalsOfTexts are the cases of texts that a program would misread, or that show a secret.
var refusalsOfTexts = map[string]refusal{
	"line separator": {
		`renderer: {podAnnotations: {a: "x\n\u2028      paused: true"}}`,
		`renderer.podAnnotations.a: must be text without control characters, Unicode line separators, byte order marks and replacement characters (got "\u2028"), because YAML and terminals interpret them: remove it.`},
	"carriage return": {
		`signals: {overruns: {query: "sum by (<<.GroupBy>>) (rate(x{<<.LabelMatchers>>}[2m]))\r- seriesQuery: evil"}}`,
		`signals.overruns.query: must be text without control characters, Unicode line separators, byte order marks and replacement characters (got "\r-"), because YAML and terminals interpret them: remove it.`},
	"next line in a list": {
		`renderer: {command: [run, "x\n\u0085a"]}`,
		`renderer.command[1]: must be text without control characters, Unicode line separators, byte order marks and replacement characters (got "\u0085"), because YAML and terminals interpret them: remove it.`},
	"escape in a key": {
		`renderer: {extraVolumes: [{name: a, csi: {driver: b, volumeAttributes: {"\e[31m": c}}}]}`,
		`renderer.extraVolumes[0].csi.volumeAttributes: must be text without control characters, Unicode line separators, byte order marks and replacement characters (got "\x1b"), because YAML and terminals interpret them: remove it.`},
	"control character below a key of two lines": {
		`prometheus: {` + ownPrometheus + `, headersFrom: {"a\nb": {name: "\a", key: c}}}`,
		`prometheus.headersFrom."a\nb".name: must be text without control characters, Unicode line separators, byte order marks and replacement characters (got "\a"), because YAML and terminals interpret them: remove it.`},
	"login in the URL": {
		`prometheus: {enabled: false, url: "https://admin:s3cr3t@prometheus.example"}`,
		`prometheus.url: must be a URL without a login (got one with an @), because everyone who may read the release or a pod could read the password: write prometheus.auth.basicAuth.existingSecret, prometheus.auth.bearerToken.existingSecret or prometheus.headersFrom, which take it from a Secret.`},
	"key in the URL": {
		`prometheus: {enabled: false, url: "https://prometheus.example/?api_key=s3cr3t"}`,
		`prometheus.url: must be a URL without ? and # (got one with them), because clients append a path to it, and everyone who may read the release could read a credential in it: write only the address, and a credential under prometheus.auth or prometheus.headersFrom, which take it from a Secret.`},
	"path of Prometheus' API": {
		`prometheus: {enabled: false, url: "https://aps-workspaces.eu-central-1.amazonaws.com/workspaces/ws-1/api/v1/query"}`,
		`prometheus.url: must be the address that clients append /api/v1 to (got one that ends with /api/v1/query), because Prometheus has nothing at the path that results: write the URL without that end.`},
	"URL of no port": {
		`prometheus: {enabled: false, url: "http://a:"}`,
		`prometheus.url: must be http:// or https://, a host, and optionally a port and a path (got something else), because clients of Prometheus read nothing else: write it like http://prometheus.monitoring.svc:9090 or https://metrics.example/prometheus.`},
	"credential in a header": {
		`prometheus: {` + ownPrometheus + `, headers: {authorization: Bearer s3cr3t}}`,
		`prometheus.headers: must not have authorization (got it), because everyone who may read the release or a pod could read the credential: write prometheus.auth.bearerToken.existingSecret or prometheus.auth.basicAuth.existingSecret, which take it from a Secret.`},
	"key in a header": {
		`prometheus: {` + ownPrometheus + `, headers: {X-Api-Key: s3cr3t}}`,
		`prometheus.headers: must be headers that name a tenant, X-Scope-OrgID, THANOS-TENANT, X-Tenant-ID, X-Org-ID, AccountID, ProjectID (got X-Api-Key), because another header may be a credential, which everyone who may read the release or a pod could read: write prometheus.headersFrom.X-Api-Key, which takes it from a Secret.`},
	"header that cannot be sent": {
		`prometheus: {` + ownPrometheus + `, headers: {X-Scope-OrgID: "a\tb"}}`,
		`prometheus.headers.X-Scope-OrgID: must be printable ASCII without $ and without spaces around it (got something else), because an HTTP header holds nothing else, and the kubelet expands $(NAME) as a variable: remove the other characters.`},
	"one header twice": {
		`prometheus: {` + ownPrometheus + `, headers: {X-Scope-OrgID: a, x-scope-orgid: b}}`,
		`prometheus.headers.x-scope-orgid: must be set once (got it twice), because names of headers ignore case: remove one.`},
	"secret for a header's name": {
		`prometheus: {` + ownPrometheus + `, headersFrom: {"s3cr3t!": {name: a, key: b}}}`,
		`prometheus.headersFrom: must have names of headers as its keys (got something else, which may be the secret itself), because HTTP allows no other names: write letters, digits and dashes, like X-Api-Key.`},
	"header of the client's own": {
		`prometheus: {` + ownPrometheus + `, headersFrom: {Host: {name: a, key: b}}}`,
		`prometheus.headersFrom: must be headers that a client may choose (got Host), because HTTP clients set that one themselves: remove it.`},
	"one header here and there": {
		`prometheus: {` + ownPrometheus + `, headers: {X-Scope-OrgID: a}, headersFrom: {x-scope-orgid: {name: a, key: b}}}`,
		`prometheus.headersFrom.x-scope-orgid: must be set once, here or in prometheus.headers (got it twice), because names of headers ignore case: remove one.`},
	"two credentials, one of them a header": {
		`prometheus: {` + ownPrometheus + `, headersFrom: {Authorization: {name: a, key: b}}, auth: {bearerToken: {existingSecret: c}}}`,
		`prometheus.headersFrom: must not have Authorization with prometheus.auth (got both), because a request carries only one of the two: remove one.`},
	"secret for a Secret's name": {
		`prometheus: {` + ownPrometheus + `, auth: {bearerToken: {existingSecret: "eyJ.s3cr3t_"}}}`,
		`prometheus.auth.bearerToken.existingSecret: must be the name of a Secret (got something else, which may be the secret itself), because the values may hold only names of Secrets: create a Secret that holds it, and write its name.`},
	"secret for a Secret's key": {
		`prometheus: {` + ownPrometheus + `, headersFrom: {X-Api-Key: {name: a, key: "s3cr3t="}}}`,
		`prometheus.headersFrom.X-Api-Key.key: must be a key in the Secret (got something else, which may be the secret itself), because the values may hold only keys of Secrets: write the key, like token.`},
	"login in the runbook": {
		`alerts: {runbook: "https://reader:s3cr3t@wiki.example"}`,
		`alerts.runbook: must be a URL without a login and without a credential in its query (got one with it), because every alert shows it: write only the address.`},
	"runbook that is a script": {
		`alerts: {runbook: "javascript:alert%281%29"}`,
		`alerts.runbook: must be a URL that begins with http:// or https:// and has no #, or empty (got something else), because each alert appends # and its name to it: write it like https://wiki.example/holograph.`},
	"label of the alert's own": {
		`alerts: {labels: {namespace: other}}`,
		`alerts.labels: must not be a label that alerts have already, which are alertname, alertstate, severity, metric, condition, status, deployment, statefulset, horizontalpodautoscaler, namespace, pod, rule_group, alertmanager, reason and those that begin with __ (got namespace), because routes, silences and the runbook use them: write another name.`},
	"label by which requests are told apart": {
		`alerts: {labels: {reason: oncall}}`,
		`alerts.labels: must not be a label that alerts have already, which are alertname, alertstate, severity, metric, condition, status, deployment, statefulset, horizontalpodautoscaler, namespace, pod, rule_group, alertmanager, reason and those that begin with __ (got reason), because routes, silences and the runbook use them: write another name.`},
	"label that tells clusters apart": {
		`{signals: {matchers: {cluster: eu}}, alerts: {labels: {cluster: prod}}}`,
		`alerts.labels: must not be a label that alerts have already, which are alertname, alertstate, severity, metric, condition, status, deployment, statefulset, horizontalpodautoscaler, namespace, pod, rule_group, alertmanager, reason, cluster and those that begin with __ (got cluster), because routes, silences and the runbook use them: write another name.`},
	"label that is a template": {
		`alerts: {labels: {team: "{{ nosuch }}"}}`,
		`alerts.labels.team: must be plain text without {{ (got it), because Prometheus reads it as a template, and refuses all rules if it cannot: write the text itself.`},
	"label that Prometheus drops": {
		`signals: {labels: {pod: __name__}}`,
		`signals.labels.pod: must not begin with __ (got __name__), because Prometheus drops such labels before it stores a sample: write another name.`},
	"CA that is a file name": {
		`prometheus: {` + ownPrometheus + `, tls: {ca: ca.pem}}`,
		`prometheus.tls.ca: must be certificates in PEM and nothing else (got something else), because programs that verify with them read nothing else: write each from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.`},
	"CA with another object": {
		`prometheus: {` + ownPrometheus + `, tls: {ca: "-----BEGIN CERTIFICATE-----\rapiVersion: rbac.authorization.k8s.io/v1\rkind: ClusterRoleBinding\r"}}`,
		`prometheus.tls.ca: must be text without control characters, Unicode line separators, byte order marks and replacement characters (got "\ra"), because YAML and terminals interpret them: remove it.`},
	"private key in place of a CA": {
		`prometheusAdapter: {certificate: {existingSecret: mine, caBundle: "-----BEGIN PRIVATE KEY-----\nMIIs3cr3t\n-----END PRIVATE KEY-----"}}`,
		`prometheusAdapter.certificate.caBundle: must be certificates in PEM and nothing else (got a private key), because programs that verify with them read nothing else: write each from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.`},
	"frame of two minutes": {
		`frame: {budget: 2m}`,
		`frame.budget: must be from 1ms to 1m (got 2m), because a renderer measures milliseconds and accepts a frame at most a minute before it is late: write the time that one frame may take, like 33ms.`},
	"port set twice": {
		`renderer: {env: [{name: HOLOGRAPH_LISTEN_ADDRESS, value: ":9000"}]}`,
		`renderer.env: must not have HOLOGRAPH_LISTEN_ADDRESS (got a value for it), because the chart sets it: write renderer.port instead.`},
	"drain of nothing": {
		`renderer: {env: [{name: HOLOGRAPH_DRAIN_DELAY, value: a while}]}`,
		`renderer.env: must set HOLOGRAPH_DRAIN_DELAY to a duration (got "a while"), because the renderer does not start otherwise: write it like 5s.`},
	"killed while it drains": {
		`renderer: {terminationGracePeriodSeconds: 10}`,
		`renderer.terminationGracePeriodSeconds: must be 11 or more (got 10), because it must cover renderer.lifecycle.preStop.sleep.seconds (5), the reference renderer's own drain (5s) and a last frame (33ms), and frames in flight would be lost otherwise.`},
	"adapter shut out": {
		`{prometheusAdapter: {enabled: false}, networkPolicy: {enabled: true}}`,
		`networkPolicy.queriers: must name the adapter that queries the embedded Prometheus (got none), because the policy does not admit it otherwise, and nothing would scale: write prometheusAdapter.existing.namespace, or its pods as a peer, like {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}.`},
}

// refusalsOfNamespaces are the cases of namespaces that Helm accepts with --namespace and a cluster does not.
var refusalsOfNamespaces = map[string]refusal{
	"two arguments": {"a,b",
		`--namespace: must be a name of at most 63 lower-case letters, digits and dashes (got "a,b"), because it is part of names and addresses.`},
	"another document": {"a\n---\nb: c",
		`--namespace: must be a name of at most 63 lower-case letters, digits and dashes (got "a\n---\nb: c"), because it is part of names and addresses.`},
}

// TestInvalidNamespacesAreRefused: helm template accepts any text as a namespace, so the chart checks it.
func TestInvalidNamespacesAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range refusalsOfNamespaces {
		_, err := chart.Template(chart.Options{Namespace: test.values})
		if assert.Error(t, err, "%s: the namespace %q is accepted", name, test.values) {
			assert.Equal(t, test.message, failurePlace.ReplaceAllString(err.Error(), ""))
		}
	}
}

// TestTextsCannotInjectYAML writes texts with line breaks and YAML into each value. The chart refuses them with a message,
// or renders no object and no field from them.
func TestTextsCannotInjectYAML(t *testing.T) {
	t.Parallel()
	breaks := []string{"\n", "\r", "\r\n", "\u0085", "\u2028", "\u2029", "\n\r", "\n\u2028", "\n\u2029", "\n\u0085"}
	object := []string{"apiVersion: rbac.authorization.k8s.io/v1", "kind: ClusterRoleBinding", "metadata: {name: taken}",
		"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}", "data: null"}
	places := map[string]func(text string) chart.Values{
		"prometheus.tls.ca": func(text string) chart.Values {
			return chart.Merge(chart.Set("prometheus", chart.Parse(t, "{"+ownPrometheus+"}")), chart.Set("prometheus.tls.ca", "-----BEGIN CERTIFICATE-----"+text))
		},
		"prometheusAdapter.certificate.caBundle": func(text string) chart.Values {
			return chart.Merge(chart.Set("prometheusAdapter.certificate.existingSecret", "mine"), chart.Set("prometheusAdapter.certificate.caBundle", caCertificate+text))
		},
		"prometheus.url": func(text string) chart.Values {
			return chart.Merge(chart.Set("prometheus.enabled", false), chart.Set("prometheus.url", "https://a"+text))
		},
		"prometheus.headers": func(text string) chart.Values {
			return chart.Merge(chart.Set("prometheus", chart.Parse(t, "{"+ownPrometheus+"}")), chart.Set("prometheus.headers", map[string]any{"X-Scope-OrgID": "a" + text}))
		},
		"alerts.labels":     func(text string) chart.Values { return chart.Set("alerts.labels", map[string]any{"team": "a" + text}) },
		"alerts.runbook":    func(text string) chart.Values { return chart.Set("alerts.runbook", "https://a"+text) },
		"commonAnnotations": func(text string) chart.Values { return chart.Set("commonAnnotations", map[string]any{"a": "a" + text}) },
		"renderer.args":     func(text string) chart.Values { return chart.Set("renderer.args", []any{"a" + text}) },
		"renderer.env": func(text string) chart.Values {
			return chart.Parse(t, fmt.Sprintf("renderer: {env: [{name: A, value: %q}]}", "a"+text))
		},
		"frame.budget": func(text string) chart.Values { return chart.Set("frame.budget", "33ms"+text) },
		"a key of keda.metadata": func(text string) chart.Values {
			return chart.Merge(named(t, "KEDA"), chart.Set("keda.metadata", map[string]any{"a" + text: "b"}))
		},
		"signals.overruns.query": func(text string) chart.Values {
			return chart.Set("signals.overruns.query", "sum by (<<.GroupBy>>) (rate(x{<<.LabelMatchers>>}[2m]))"+text)
		},
		"namespaceOverride": func(text string) chart.Values { return chart.Set("namespaceOverride", "a"+text) },
		"prometheus.tls.clientSecret": func(text string) chart.Values {
			return chart.Merge(chart.Set("prometheus", chart.Parse(t, "{"+ownPrometheus+"}")), chart.Set("prometheus.tls.clientSecret", "a"+text))
		},
		"prometheusAdapter.extraRules": func(text string) chart.Values {
			return chart.Merge(named(t, "existing adapter"), chart.Set("prometheusAdapter.extraRules", []any{map[string]any{"seriesQuery": "a" + text}}))
		},
	}
	for place, values := range places {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			for _, end := range breaks {
				// A document of its own, and fields at several indentations.
				for _, lines := range [][]string{object, {"---", "a: b"}, {"  paused: true"}, {"    paused: true", "\"", "'", "}"}} {
					text := end + strings.Join(lines, end) + end
					rendered, err := chart.Template(chart.Options{Values: []chart.Values{values(text)}, SkipSchema: true})
					if err != nil {
						require.Regexp(t, `execution error at \(holograph/templates/[^)]*\): [^\n]*[.]$`, err.Error(), "the error for the text %q is not a refusal", text)
						continue
					}
					for _, object := range rendered.Objects {
						require.NotEqual(t, "taken", object.Name(), "the text %q creates an object, want none", text)
						spec, _ := object["spec"].(map[string]any)
						require.NotContains(t, spec, "paused", "the text %q sets a field of the spec, want none", text)
					}
				}
			}
		})
	}
}

// TestNoSecretIsShown writes a secret into values where a user may write one by mistake: the chart refuses it, and the
// refusal does not show it.
func TestNoSecretIsShown(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	for _, values := range []string{
		`url: "https://admin:s3cr3t@prometheus.example"`,
		`url: "https://s3cr3t@prometheus.example"`,
		`url: "https://admin:s3cr3t%40prometheus.example"`,
		`url: "https://admin:s3 cr3t s3cr3t@prometheus.example"`,
		`url: "https://admin:s3cr3t"`,
		`url: "admin:s3cr3t@prometheus.example"`,
		`url: "https://prometheus.example?token=s3cr3t"`,
		`url: "https://prometheus.example/#s3cr3t"`,
		ownPrometheus + `, headers: {X-Api-Key: s3cr3t}`,
		ownPrometheus + `, headers: {Cookie: s3cr3t}`,
		ownPrometheus + `, headers: {Proxy-Authorization: Basic s3cr3t}`,
		ownPrometheus + `, headers: {CF-Access-Client-Id: s3cr3t}`,
		ownPrometheus + `, headers: {X-Scope-OrgID: "s3cr3t\nX-Api-Key: s3cr3t"}`,
		ownPrometheus + `, headers: {X-Scope-OrgID: "s3cr3t\e"}`,
		ownPrometheus + `, headersFrom: {X-Api-Key: s3cr3t}`,
		ownPrometheus + `, headersFrom: {X-Api-Key: {name: "s3cr3t=", key: a}}`,
		ownPrometheus + `, headersFrom: {X-Api-Key: {name: a, key: "s3cr3t/"}}`,
		ownPrometheus + `, headersFrom: {X-Api-Key: {name: a, key: b, value: s3cr3t}}`,
		ownPrometheus + `, auth: {bearerToken: {existingSecret: "s3cr3t_A"}}`,
		ownPrometheus + `, auth: {bearerToken: {existingSecret: a, key: "s3cr3t="}}`,
		ownPrometheus + `, auth: {basicAuth: {existingSecret: "admin:s3cr3t"}}`,
		ownPrometheus + `, tls: {clientSecret: "-----BEGIN PRIVATE KEY-----\ns3cr3t"}`,
		ownPrometheus + `, tls: {ca: "-----BEGIN PRIVATE KEY-----\ns3cr3t"}`,
	} {
		for _, other := range []chart.Values{{}, named(t, "KEDA")} {
			rendered, err := chart.Template(chart.Options{Values: []chart.Values{other, chart.Parse(t, "prometheus: {enabled: false, "+strings.TrimPrefix(values, "enabled: false, ")+"}")}})
			if err != nil {
				assert.NotContains(t, err.Error(), secret, "the refusal of %s shows the secret", values)
				continue
			}
			assert.Fail(t, "the values are rendered, want a refusal", "%s:\n%s", values, rendered.Manifest)
		}
	}
}

// TestPrometheusURLsParse: every URL that the chart accepts is one that its clients can parse, and reaches them unchanged.
func TestPrometheusURLsParse(t *testing.T) {
	t.Parallel()
	render := func(address string) (*chart.Rendered, error) {
		return chart.Template(chart.Options{Values: []chart.Values{chart.Set("prometheus.enabled", false), chart.Set("prometheus.url", address)}})
	}
	for _, address := range []string{
		"http://prometheus.monitoring.svc:9090", "https://metrics.example/prometheus", "http://a", "http://a/", "https://10.0.0.1:443/a%20b/..",
		"http://[::1]:9090", "http://[2001:db8::8:800:200c:417a]/a", "http://[::]", "http://[1:2:3:4:5:6:7:8]", "http://a_b.example.:65535", "https://a/~team:x,y;z=1!&*+",
	} {
		rendered, err := render(address)
		if !assert.NoError(t, err, "%q is refused, want it accepted", address) {
			continue
		}
		parsed, err := url.Parse(address)
		require.NoError(t, err)
		assert.NotEmpty(t, parsed.Hostname(), "host of %q", address)
		_, err = http.NewRequest(http.MethodGet, address, nil)
		assert.NoError(t, err)
		assert.Contains(t, rendered.Container(t, chart.PrometheusAdapter).Args, "--prometheus-url="+address)
		assert.Equal(t, address, pathOf(t, rendered).Prometheus.URL)
	}
	for _, address := range []string{
		"http://[:::", "http://%zz", "http://a:", "http://a:b", "http://a:0", "http://a:65536", "http://", "http:///a", "https://", "http:a", "//a", "a:9090", "ftp://a",
		"HTTP://a", "http://a b", "http://a/ b", "http://a/%", "http://a/%2", "http://[1:2]", "http://[1::2::3]", "http://[::1%25eth0]", "http://::1/", "http://a..b", "http://-a", "http://a/\"", "http://a/'",
		"http://a/$(PROMETHEUS_AUTHORIZATION)", "http://a/{{ .Values }}", "http://a\n", "http://a\r\nb: c", "http://a\u2028", "http://a\\b", "http://a\x00", "http://a?", "http://a#", "http://a@b", "http://a/<b>", "http://é", " http://a", "http://a: b",
	} {
		_, err := render(address)
		if assert.Error(t, err, "%q is accepted, want a refusal", address) {
			assert.Regexp(t, failurePlace, err.Error(), "the error for %q is not a refusal of the chart", address)
		}
	}
}

// TestHeadersCanBeSent: every header that the chart accepts can be sent over HTTP and arrives unchanged.
func TestHeadersCanBeSent(t *testing.T) {
	t.Parallel()
	var received http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { received = r.Header.Clone() }))
	defer server.Close()
	for value, accepted := range map[string]bool{
		"a": true, "a|b": true, "a b": true, "!#%&'()*+,-./:;<=>?@[]^_`{|}~\"\\": true,
		"": false, " a": false, "a ": false, "\t": false, "a\rb": false, "a\nb": false, "a\x00": false, "a\u2028b": false, "é": false, "$(A)": false, "a\tb": false, "\x7f": false,
	} {
		rendered, err := chart.Template(chart.Options{Values: []chart.Values{chart.Parse(t, "prometheus: {"+ownPrometheus+"}"), chart.Set("prometheus.headers", map[string]any{"X-Scope-OrgID": value})}})
		if !accepted {
			if assert.Error(t, err, "%q is accepted, want a refusal", value) {
				assert.Regexp(t, failurePlace, err.Error())
			}
			continue
		}
		require.NoError(t, err, "%q is refused, want it accepted", value)
		assert.Contains(t, rendered.Container(t, chart.PrometheusAdapter).Args, "--prometheus-header=X-Scope-OrgID="+value)
		request, err := http.NewRequest(http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		request.Header["X-Scope-OrgID"] = []string{pathOf(t, rendered).Prometheus.Headers["X-Scope-OrgID"]}
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err, "%q", value)
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		assert.Equal(t, value, received.Get("X-Scope-OrgID"), "header that the server received")
	}
}

// TestHeadersFromSecrets: each client of Prometheus takes a secret header from its Secret.
func TestHeadersFromSecrets(t *testing.T) {
	t.Parallel()
	values := chart.Parse(t, `prometheus: {`+ownPrometheus+`, headersFrom: {X-Api-Key: {name: "1e3", key: "0x1"}}}`)
	rendered := chart.Render(t, values)
	adapter := rendered.Container(t, chart.PrometheusAdapter)
	assert.Contains(t, adapter.Args, "--prometheus-header=X-Api-Key=$(PROMETHEUS_HEADER_X_API_KEY)")
	reference := &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "1e3"}, Key: "0x1"}
	assert.Equal(t, []corev1.EnvVar{{Name: "PROMETHEUS_HEADER_X_API_KEY", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: reference}}}, adapter.Env)

	file := pathOf(t, rendered).Prometheus.HeaderFiles["X-Api-Key"]
	var mounted []string
	for _, pod := range chart.Of[*corev1.Pod](t, rendered) {
		for _, mount := range pod.Spec.Containers[0].VolumeMounts {
			for _, volume := range pod.Spec.Volumes {
				if volume.Name != mount.Name || volume.Projected == nil {
					continue
				}
				for _, source := range volume.Projected.Sources {
					for _, item := range source.Secret.Items {
						mounted = append(mounted, mount.MountPath+"/"+item.Path+" "+source.Secret.Name+" "+item.Key)
					}
				}
			}
		}
	}
	assert.Equal(t, []string{file + " 1e3 0x1"}, mounted, "files of the header in the doctor's pod")

	scaled := chart.Render(t, named(t, "KEDA"), values)
	for _, trigger := range renderedScaledObject(t, scaled).Spec.Triggers {
		assert.Equal(t, "custom", trigger.Metadata["authModes"])
		assert.NotContains(t, trigger.Metadata, "customHeaders")
	}
	var names []string
	for _, object := range chart.Of[*corev1.ConfigMap](t, scaled) {
		if object.Name == "holograph-prometheus-header" {
			names = append(names, object.Data["header"])
		}
	}
	assert.Equal(t, []string{"X-Api-Key"}, names, "headers in ConfigMaps for KEDA")
	assert.YAMLEq(t, `
secretTargetRef: [{parameter: customAuthValue, name: "1e3", key: "0x1"}]
configMapTargetRef: [{parameter: customAuthHeader, name: holograph-prometheus-header, key: header}]`, triggerAuthentication(t, scaled))
}

// TestCertificatesParse: crypto/x509 parses every PEM that the chart accepts, with every form of line breaks.
func TestCertificatesParse(t *testing.T) {
	t.Parallel()
	var valid string
	for _, secret := range certificates(t, chart.Render(t)) {
		valid = string(secret.Data["ca.crt"])
	}
	require.True(t, x509.NewCertPool().AppendCertsFromPEM([]byte(valid)), "crypto/x509 does not parse the generated CA, with which the test begins: %s", valid)
	for _, text := range []string{valid, strings.TrimSpace(valid), strings.ReplaceAll(valid, "\n", "\r\n"), valid + valid, valid + "\n" + valid, "\n" + valid} {
		values := chart.Parse(t, `prometheus: {`+ownPrometheus+`}`)
		rendered := chart.Render(t, values, chart.Set("prometheus.tls.ca", text), chart.Set("prometheusAdapter.certificate", map[string]any{"existingSecret": "mine", "caBundle": text}))
		want := strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")) + "\n"
		found := 0
		for _, object := range chart.Of[*corev1.ConfigMap](t, rendered) {
			if ca, has := object.Data["ca.crt"]; has {
				found++
				assert.Equal(t, want, ca)
				assert.True(t, x509.NewCertPool().AppendCertsFromPEM([]byte(ca)), "crypto/x509 does not parse the CA of %q, which the chart accepts", text)
			}
		}
		assert.Equal(t, 1, found, "ConfigMaps with the CA of Prometheus")
		for _, service := range chart.Each[*apiregistrationv1.APIService](t, rendered) {
			assert.Equal(t, want, string(service.Spec.CABundle))
		}
	}
	for _, text := range []string{"# root\n" + valid, valid + "text", strings.ReplaceAll(valid, "\n", "\r"), strings.ReplaceAll(valid, "\n", "\n "), strings.ReplaceAll(valid, "\n", "\u2028"),
		strings.TrimSuffix(strings.TrimSpace(valid), "-"), valid[:200], "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nTWluZQ==\n-----END CERTIFICATE-----\n"} {
		_, err := chart.Template(chart.Options{Values: []chart.Values{chart.Parse(t, `prometheus: {`+ownPrometheus+`}`), chart.Set("prometheus.tls.ca", text)}})
		if assert.Error(t, err, "%q is accepted, want a refusal", text) {
			assert.Regexp(t, failurePlace, err.Error())
		}
	}
}

// TestRendererAcceptsItsConfiguration: the reference renderer parses the environment and the arguments that the chart
// renders, and its drain fits into the grace period.
func TestRendererAcceptsItsConfiguration(t *testing.T) {
	t.Parallel()
	all := renderings(t)
	all["with another port"] = chart.Set("renderer.port", 9000)
	all["with the longest budget"] = chart.Parse(t, "{frame: {budget: 1m}, renderer: {terminationGracePeriodSeconds: 70}}")
	for name, values := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := chart.Render(t, values)
			container := rendered.Container(t, chart.Renderer)
			variables := map[string]string{}
			for _, variable := range container.Env {
				variables[variable.Name] = variable.Value
			}
			parsed, err := config.Parse(container.Args, func(name string) (string, bool) { value, found := variables[name]; return value, found }, 1, io.Discard)
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprintf(":%d", container.Ports[0].ContainerPort), parsed.ListenAddress)

			pod := rendered.Deployment(t, chart.Renderer).Spec.Template.Spec
			needed := parsed.DrainDelay + parsed.FrameBudget
			if container.Lifecycle != nil && container.Lifecycle.PreStop != nil && container.Lifecycle.PreStop.Sleep != nil {
				needed += time.Duration(container.Lifecycle.PreStop.Sleep.Seconds) * time.Second
			}
			assert.LessOrEqual(t, needed, time.Duration(*pod.TerminationGracePeriodSeconds)*time.Second, "preStop sleep, drain and frame budget together, which must fit into the grace period")
		})
	}
}

// TestDrainFitsIntoTheGracePeriod: the chart refuses a grace period that is shorter than the drain, wherever the drain
// delay is set.
func TestDrainFitsIntoTheGracePeriod(t *testing.T) {
	t.Parallel()
	for values, accepted := range map[string]bool{
		`terminationGracePeriodSeconds: 11`:                                           true,
		`terminationGracePeriodSeconds: 6`:                                            false,
		`env: [{name: HOLOGRAPH_DRAIN_DELAY, value: 24.9s}]`:                          true,
		`env: [{name: HOLOGRAPH_DRAIN_DELAY, value: 25s}]`:                            false,
		`env: [{name: HOLOGRAPH_DRAIN_DELAY, value: 60s}]`:                            false,
		`env: [{name: HOLOGRAPH_DRAIN_DELAY, value: 1m}]`:                             false,
		`args: [--drain-delay=1m]`:                                                    false,
		`args: [-drain-delay, 1m]`:                                                    false,
		`{args: [--drain-delay=1s], env: [{name: HOLOGRAPH_DRAIN_DELAY, value: 1h}]}`: true,
		`{lifecycle: null, terminationGracePeriodSeconds: 5}`:                         false,
		`{lifecycle: null, terminationGracePeriodSeconds: 6}`:                         true,
		`{image: {repository: film/renderer}, terminationGracePeriodSeconds: 6}`:      true,
		`{image: {repository: film/renderer}, terminationGracePeriodSeconds: 5}`:      false,
		`{image: {repository: film/renderer}, terminationGracePeriodSeconds: 6, env: [{name: HOLOGRAPH_DRAIN_DELAY, value: 2s}]}`:   false,
		`{terminationGracePeriodSeconds: 6, env: [{name: HOLOGRAPH_DRAIN_DELAY, valueFrom: {configMapKeyRef: {name: a, key: b}}}]}`: true,
	} {
		parsed := map[string]any{}
		require.NoError(t, yaml.Unmarshal([]byte(values), &parsed))
		_, err := chart.Template(chart.Options{Values: []chart.Values{{"renderer": parsed}}})
		if accepted {
			assert.NoError(t, err, "%s are refused, want them accepted", values)
		} else if assert.Error(t, err, "%s are accepted, want a refusal", values) {
			assert.Regexp(t, failurePlace, err.Error())
		}
	}
}

// TestNamesLikeNumbersAreQuoted: names that YAML could read as numbers, booleans or null remain strings.
func TestNamesLikeNumbersAreQuoted(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"true", "null", "0x1", "1e3", "1", "y", "0o7", "1.5", "no"} {
		label := name
		if name[0] < 'a' {
			label = "pod"
		}
		rendered := chart.Render(t, named(t, "operator"), chart.Parse(t, fmt.Sprintf(`
signals: {labels: {pod: %q}}
prometheus: {`+ownPrometheus+`, tls: {caSecret: {name: %[2]q, key: %[2]q}, clientSecret: %[2]q}, auth: {bearerToken: {existingSecret: %[2]q, key: %[2]q}}}`, label, name)))
		for _, object := range rendered.Objects {
			assert.NoError(t, object.Validate(), "%s: %s", name, object)
		}
		assert.Contains(t, slices.Collect(maps.Values(accessFiles(t, rendered))), "Secret "+name+" "+name)
	}
}

// TestTemplatesQuoteValues reads the templates of objects: each action prints a quoted text, JSON, a number, or YAML from
// toYaml or another template. Templates of queries and pages are left out, because promtool and rulefmt (test/sim/schema)
// check them.
func TestTemplatesQuoteValues(t *testing.T) {
	t.Parallel()
	last := regexp.MustCompile(`(^|\| *|\()(quote|toJson|toYaml|int|include "holograph[.][A-Za-z.]+")[^|]*(\| *(trim|n?indent [0-9]+) *)*$`)
	// Templates that print a name, an address or a number, and no YAML.
	scalars := regexp.MustCompile(`include "holograph[.](fullname|name|namespace|chart|container|image|pem|[A-Za-z]+[.](name|url|existingName|caName|accessPath|volumeSize|selector|scrapeTimeout|headerVariable|headerName|checksum|serviceAccountName))"`)
	control := regexp.MustCompile(`^(if|else|end|range|with|define|template|block|break|continue|fail)\b|^\$[A-Za-z_]* *:?=|^\$[A-Za-z_]+, *\$[A-Za-z_]+ *:=|^/\*`)
	action := regexp.MustCompile(`(?s)\{\{-?\s*(.*?)\s*-?\}\}`)
	actions := 0
	for name, text := range chart.Files(t) {
		if !strings.HasPrefix(name, "templates/") || !strings.HasSuffix(name, ".yaml") || strings.HasPrefix(name, "templates/validate/") || strings.HasSuffix(name, "extraobjects.yaml") {
			continue
		}
		for _, match := range action.FindAllStringSubmatch(string(text), -1) {
			printed := match[1]
			if control.MatchString(printed) {
				continue
			}
			actions++
			if printed == "." || strings.HasPrefix(printed, ". | nindent") || strings.HasPrefix(printed, ". | trim | nindent") {
				// Inside `with include ... | ...`: a block that another template wrote.
				before, _, _ := strings.Cut(string(text), match[0])
				with := before[strings.LastIndex(before, "{{- with "):]
				assert.Regexp(t, `^\{\{- with (include "holograph[.](scheduling|networkPolicy[.]receivers)"|\$accessSources)`, with, "%s prints a value that YAML may misread: end %s with `| quote`", name, match[0])
				continue
			}
			assert.Regexp(t, last, printed, "%s prints a value that YAML may misread: end it with `| quote`", name)
			if !strings.Contains(printed, "quote") && !strings.Contains(printed, "toYaml") {
				assert.NotRegexp(t, scalars, lastCommand(printed), "%s prints a name that YAML may misread: end it with `| quote`", name)
			}
		}
	}
	assert.Greater(t, actions, 200, "actions that print something: the templates have more")
}

// lastCommand returns the command of a pipeline that prints the value, without trim and indentation.
func lastCommand(pipeline string) string {
	parts := strings.Split(pipeline, "|")
	for len(parts) > 1 && regexp.MustCompile(`^\s*(trim|n?indent [0-9]+)\s*$`).MatchString(parts[len(parts)-1]) {
		parts = parts[:len(parts)-1]
	}
	command := strings.TrimSpace(parts[len(parts)-1])
	if i := strings.Index(command, "("); i > 0 {
		command = command[:i]
	}
	return command
}
