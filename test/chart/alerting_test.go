package chart_test

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
	"holograph/test/internal/promtool"
)

// refusalsOfAlerting are the cases of alerts and of the embedded Prometheus' receivers and volume.
var refusalsOfAlerting = map[string]refusal{
	"login in the URL of an Alertmanager": {
		`prometheus: {alertmanagers: [{url: "https://admin:s3cr3t@alertmanager.example"}]}`,
		`prometheus.alertmanagers[0].url: must be http:// or https://, a host, and optionally a port and a path (got something else, which may be a credential), because everyone who may read the release could read it: write it like http://alertmanager.monitoring.svc:9093, and a credential under bearerToken or basicAuth, which take it from a Secret.`},
	"path of an Alertmanager's API": {
		`prometheus: {alertmanagers: [{url: "http://alertmanager.monitoring.svc:9093/api/v2/alerts"}]}`,
		`prometheus.alertmanagers[0].url: must be the address that Prometheus appends /api/v2/alerts to (got one that ends with /api/v2/alerts), because Alertmanager has nothing at the path that results: write the URL without that end.`},
	"a field of the Prometheus Operator's form": {
		`prometheus: {remoteWrite: [{url: "https://metrics.example", queueConfig: {maxShards: 10}}]}`,
		`prometheus.remoteWrite[0].queueConfig: must be a field in Prometheus' own form, which has no capital letters (got this one), because Prometheus would not start: write it like queue_config.`},
	"file of a Secret that is not mounted": {
		`prometheus: {secrets: [other], remoteWrite: [{url: "https://metrics.example", basic_auth: {username: team, password_file: /etc/prometheus-secrets/store/password}}]}`,
		`prometheus.secrets: must have every Secret of which prometheus.remoteWrite reads a file (got a file of store, which is not there), because it would not be mounted, and nothing would be sent: add store.`},
	"token in place of a Secret's name": {
		`prometheus: {alertmanagers: [{url: "https://alertmanager.example", bearerToken: {existingSecret: "eyJ.s3cr3t_"}}]}`,
		`prometheus.alertmanagers[0].bearerToken.existingSecret: must be the name of a Secret (got something else, which may be the secret itself), because the values may hold only names of Secrets: create a Secret that holds it, and write its name.`},
	"token in place of a Secret's key": {
		`prometheus: {alertmanagers: [{url: "https://alertmanager.example", bearerToken: {existingSecret: alertmanager, key: "s3cr3t="}}]}`,
		`prometheus.alertmanagers[0].bearerToken.key: must be a key in the Secret (got something else, which may be the secret itself), because the values may hold only keys of Secrets: write the key, like token.`},
	"login of an Alertmanager without encryption": {
		`prometheus: {alertmanagers: [{url: "http://alertmanager.example", basicAuth: {existingSecret: login}}]}`,
		`prometheus.alertmanagers[0].basicAuth: must have a url that begins with https:// (got http://alertmanager.example), because what it protects would cross the network in plain text: write such a URL.`},
	"two credentials of an Alertmanager": {
		`prometheus: {alertmanagers: [{url: "https://alertmanager.example", basicAuth: {existingSecret: login}, bearerToken: {existingSecret: token}}]}`,
		`prometheus.alertmanagers[0].basicAuth: must not be set with bearerToken (got both), because a request carries only one of the two: remove one.`},
	"password of a store": {
		`prometheus: {remoteWrite: [{url: "https://metrics.example", basic_auth: {username: team, password: s3cr3t}}]}`,
		`prometheus.remoteWrite[0].basic_auth.password: must not be set (got a value), because everyone who may read the release could read the credential in it: mount a Secret with prometheus.secrets, and write a field that reads a file, like password_file, or one for the pod's own identity, like azuread's managed_identity.`},
	"key in a header of a store": {
		`prometheus: {remoteWrite: [{url: "https://metrics.example", headers: {X-Api-Key: s3cr3t}}]}`,
		`prometheus.remoteWrite[0].headers: must be headers that name a tenant (got X-Api-Key), because another header may be a credential, which everyone who may read the release could read: write it to http_headers, with files: [/etc/prometheus-secrets/my-secret/header].`},
	"URL of a store that is none": {
		`prometheus: {remoteWrite: [{url: "http://[:::"}]}`,
		`prometheus.remoteWrite[0].url: must be a URL that begins with http:// or https://, without a login and without a credential in its query (got something else), because everyone who may read the release could read it: write only the address, and the credential in a file, like basic_auth.password_file.`},
	"login of a store without encryption": {
		`prometheus: {secrets: [store], remoteWrite: [{url: "http://metrics.example", basic_auth: {username: team, password_file: /etc/prometheus-secrets/store/password}}]}`,
		`prometheus.remoteWrite[0].basic_auth: must have a url that begins with https:// (got http://metrics.example), because what it sends would cross the network in plain text: write such a URL.`},
	"token endpoint without encryption": {
		`prometheus: {secrets: [store], remoteWrite: [{url: "https://metrics.example", oauth2: {client_id: a, client_secret_file: /etc/prometheus-secrets/store/secret, token_url: "http://login.example"}}]}`,
		`prometheus.remoteWrite[0].oauth2.token_url: must begin with https:// (got http://login.example), because the credential that is sent there would cross the network in plain text: write such a URL.`},
	"store that is not verified": {
		`prometheus: {remoteWrite: [{url: "https://metrics.example", tls_config: {insecure_skip_verify: true}}]}`,
		`prometheus.remoteWrite[0].tls_config.insecure_skip_verify: must be false (got true), because anyone on the way could pose as the server and read what is sent to it: write false, and tls_config.ca_file for a private CA.`},
	"headers of a store that are none": {
		`prometheus: {remoteWrite: [{url: "https://metrics.example", headers: x}]}`,
		`prometheus.remoteWrite[0].headers: must be a map of headers (got a string), because Prometheus would not start: write it like {X-Scope-OrgID: team}.`},
	"key in the URL of a store": {
		`prometheus: {remoteWrite: [{url: "https://metrics.example/write?u=team&p=s3cr3t"}]}`,
		`prometheus.remoteWrite[0].url: must be a URL that begins with http:// or https://, without a login and without a credential in its query (got something else), because everyone who may read the release could read it: write only the address, and the credential in a file, like basic_auth.password_file.`},
	"Alertmanager for a Prometheus that is not run": {
		`prometheus: {enabled: false, url: http://prometheus.example, alertmanagers: [{url: "http://alertmanager.example"}]}`,
		`prometheus.alertmanagers: must be empty where prometheus.enabled is false (got a value), because it configures the embedded Prometheus: remove it, and configure your own Prometheus.`},
	"volume for a Prometheus that is not run": {
		`prometheus: {enabled: false, url: http://prometheus.example, persistence: {enabled: true}}`,
		`prometheus.persistence.enabled: must be false where prometheus.enabled is false (got true), because it configures the embedded Prometheus: write false, and configure your own Prometheus.`},
	"password of a certificate": {
		`prometheus: {remoteWrite: [{url: "https://metrics.example", azuread: {certificate: {certificate_password: s3cr3t}}}]}`,
		`prometheus.remoteWrite[0].azuread.certificate.certificate_password: must not be set (got a value), because everyone who may read the release could read the credential in it: mount a Secret with prometheus.secrets, and write a field that reads a file, like password_file, or one for the pod's own identity, like azuread's managed_identity.`},
	"class for a claim that exists": {
		`prometheus: {persistence: {enabled: true, existingClaim: history, storageClass: fast}}`,
		`prometheus.persistence.storageClass: must be empty with prometheus.persistence.existingClaim (got fast), because a claim that exists already has its own: leave it empty.`},
	"volume that the history fills": {
		`prometheus: {retention: {size: 8GB}, persistence: {enabled: true, size: 9Gi}}`,
		`prometheus.persistence.size: must be at least 1.25 times prometheus.retention.size (got 9Gi, with a history of 8GB), because the write-ahead log needs space beside the history, and a full volume ends all scrapes: write 16Gi, or leave it empty.`},
	"more reversals than an hour has room for": {
		`alerts: {autoscalerFlapping: {reversals: 25}}`,
		`alerts.autoscalerFlapping.reversals: must be at most 24 with an alerts.autoscalerFlapping.window of 1h (got 25), because two reversals take at least the stabilization windows of autoscaling.behavior, 5m together, and the alert could not fire: write fewer, or 125m as the window.`},
	"window without room for its reversals": {
		`{autoscaling: {behavior: {scaleDown: {stabilizationWindowSeconds: 1800}}}, alerts: {autoscalerFlapping: {window: 1h}}}`,
		`alerts.autoscalerFlapping.reversals: must be at most 4 with an alerts.autoscalerFlapping.window of 1h (got 8), because two reversals take at least the stabilization windows of autoscaling.behavior, 30m together, and the alert could not fire: write fewer, or 6h as the window.`},
	"alert that does not exist": {
		`alerts: {disabled: [HolographAutoscalerFlaping]}`,
		`alerts.disabled: must be names of alerts (got HolographAutoscalerFlaping), because the alert that you mean would still fire: write names of HolographErrorBudgetBurnFast, HolographErrorBudgetBurnSlow, HolographMetricAbsent, HolographRequestsRefused, HolographAutoscalerUnseen, HolographAutoscalerInactive, HolographAutoscalerAtMaximum, HolographAutoscalerFlapping, HolographAdapterUnavailable, HolographDeletionCostsStale, HolographReplicasMismatch, HolographScrapeFailing, HolographPodSilent, HolographPodsUnscraped, HolographWatchdog, HolographReloadFailing, HolographRulesFailing, HolographKedaSilent, HolographNotificationsFailing, HolographAlertmanagerUnseen.`},
}

// TestReceiversShowNoSecret writes a secret to each place of an Alertmanager or a store where a person may write one: the
// chart refuses it without showing it.
func TestReceiversShowNoSecret(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	store := func(fields string) string { return `remoteWrite: [{url: "https://metrics.example", ` + fields + `}]` }
	for _, values := range []string{
		`alertmanagers: [{url: "https://admin:s3cr3t@alertmanager.example"}]`,
		`alertmanagers: [{url: "https://alertmanager.example?token=s3cr3t"}]`,
		`alertmanagers: [{url: "https://alertmanager.example/#s3cr3t"}]`,
		`alertmanagers: [{url: "https://alertmanager.example", bearerToken: {existingSecret: "s3cr3t="}}]`,
		`alertmanagers: [{url: "https://alertmanager.example", basicAuth: {existingSecret: "admin:s3cr3t"}}]`,
		`alertmanagers: [{url: "https://alertmanager.example", caSecret: {name: a, key: "s3cr3t/"}}]`,
		`alertmanagers: [{url: "https://alertmanager.example", clientSecret: "-----BEGIN PRIVATE KEY-----\ns3cr3t"}]`,
		`secrets: ["s3cr3t="]`,
		`remoteWrite: [{url: "https://admin:s3cr3t@metrics.example"}]`,
		`remoteWrite: [{url: "https://metrics.example?api_key=s3cr3t"}]`,
		store(`basic_auth: {username: a, password: s3cr3t}`),
		store(`bearer_token: s3cr3t`),
		store(`authorization: {credentials: s3cr3t}`),
		store(`oauth2: {client_id: a, client_secret: s3cr3t}`),
		store(`oauth2: {client_id: a, token_url: "https://admin:s3cr3t@login.example"}`),
		store(`oauth2: {client_id: a, endpoint_params: {password: s3cr3t}}`),
		store(`oauth2: {client_id: a, tls_config: {key: s3cr3t}}`),
		store(`tls_config: {key: s3cr3t}`),
		store(`sigv4: {access_key: a, secret_key: s3cr3t}`),
		store(`azuread: {oauth: {client_secret: s3cr3t}}`),
		store(`headers: {X-Api-Key: s3cr3t}`),
		store(`headers: {Authorization: s3cr3t}`),
		store(`http_headers: {X-Api-Key: {values: [s3cr3t]}}`),
		store(`http_headers: {X-Api-Key: {secrets: [s3cr3t]}}`),
		store(`proxy_url: "http://admin:s3cr3t@proxy.example"`),
		store(`proxy_connect_header: {Proxy-Authorization: [s3cr3t]}`),
	} {
		_, err := chart.Template(chart.Options{Values: []chart.Values{chart.Parse(t, "prometheus: {"+values+"}")}})
		if assert.Error(t, err, "%s is rendered, want a refusal: everyone who may read the release could read the secret", values) {
			assert.NotContains(t, err.Error(), secret, "the refusal of %s shows the secret", values)
		}
	}
}

// alertingConfig is what the embedded Prometheus is told of its receivers.
type alertingConfig struct {
	Global struct {
		Labels map[string]string `json:"external_labels"`
	}
	Alerting struct {
		Alertmanagers []map[string]any
	}
	RemoteWrite []map[string]any `json:"remote_write"`
}

func readAlerting(t *testing.T, rendered *chart.Rendered) (config alertingConfig) {
	t.Helper()
	require.NoError(t, yaml.Unmarshal([]byte(rendered.PrometheusFiles(t)["prometheus.yaml"]), &config))
	return config
}

// TestReceivers: a URL is taken apart as Prometheus wants it, and each file that the configuration names is in the pod.
func TestReceivers(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, named(t, "everything"), chart.Parse(t, `prometheus: {externalLabels: {price: "5$"}, alertmanagers: [
		{url: "http://alertmanager-operated.monitoring.svc:9093/", headless: true},
		{url: "https://alertmanager.monitoring.svc/team", headless: true, caSecret: {name: ca, key: ca.pem}, basicAuth: {existingSecret: login}},
		{url: "https://alertmanager.example:9443/team/", clientSecret: client, bearerToken: {existingSecret: "1e3"}},
	]}`))
	config := readAlerting(t, rendered)
	want := chart.Parse(t, `alertmanagers:
- {scheme: http, dns_sd_configs: [{names: [alertmanager-operated.monitoring.svc], type: A, port: 9093}]}
- scheme: https
  path_prefix: /team
  dns_sd_configs: [{names: [alertmanager.monitoring.svc], type: A, port: 443}]
  tls_config: {ca_file: /etc/prometheus-secrets/ca/ca.pem, server_name: alertmanager.monitoring.svc}
  basic_auth: {username_file: /etc/prometheus-secrets/login/username, password_file: /etc/prometheus-secrets/login/password}
- scheme: https
  path_prefix: /team
  static_configs: [{targets: ["alertmanager.example:9443"]}]
  tls_config: {cert_file: /etc/prometheus-secrets/client/tls.crt, key_file: /etc/prometheus-secrets/client/tls.key}
  authorization: {credentials_file: /etc/prometheus-secrets/1e3/token}`)
	got, err := json.Marshal(config.Alerting.Alertmanagers)
	require.NoError(t, err)
	wanted, err := json.Marshal(want["alertmanagers"])
	require.NoError(t, err)
	assert.JSONEq(t, string(wanted), string(got))
	assert.Equal(t, map[string]string{"cluster": "eu", "price": "5$$"}, config.Global.Labels, "a dollar sign begins a variable in external labels")
	assert.Equal(t, "https://metrics.example/api/v1/push", config.RemoteWrite[0]["url"])

	pod := rendered.Deployment(t, chart.Prometheus).Spec.Template.Spec
	secrets := map[string]string{}
	for _, volume := range pod.Volumes {
		if volume.Secret != nil {
			secrets[volume.Name] = volume.Secret.SecretName
		}
	}
	var mounted []string
	for _, mount := range pod.Containers[0].VolumeMounts {
		if name, found := strings.CutPrefix(mount.MountPath, "/etc/prometheus-secrets/"); found {
			assert.Equal(t, name, secrets[mount.Name], "Secret at %s", mount.MountPath)
			assert.True(t, mount.ReadOnly, "the mount %s can be written to", mount.MountPath)
			mounted = append(mounted, name)
		}
	}
	assert.ElementsMatch(t, []string{"metrics-store", "ca", "login", "client", "1e3"}, mounted, "Secrets that are mounted, each once")
}

// TestPersistenceKeepsTheHistory: with persistence the history is on a claim that no uninstall deletes and that the pod may write to.
func TestPersistenceKeepsTheHistory(t *testing.T) {
	t.Parallel()
	data := func(rendered *chart.Rendered) corev1.VolumeSource {
		for _, volume := range rendered.Deployment(t, chart.Prometheus).Spec.Template.Spec.Volumes {
			if volume.Name == "data" {
				return volume.VolumeSource
			}
		}
		require.FailNow(t, "Prometheus has no volume named data")
		return corev1.VolumeSource{}
	}
	claims := func(rendered *chart.Rendered) []*corev1.PersistentVolumeClaim {
		return chart.Of[*corev1.PersistentVolumeClaim](t, rendered)
	}
	assert.Empty(t, claims(chart.Render(t)), "claims by default: a cluster without a default class would leave Prometheus pending")

	rendered := chart.Render(t, chart.Parse(t, `prometheus: {retention: {size: 4GB}, persistence: {enabled: true}}`))
	require.Len(t, claims(rendered), 1)
	claim := claims(rendered)[0]
	require.NotNil(t, data(rendered).PersistentVolumeClaim)
	assert.Equal(t, claim.Name, data(rendered).PersistentVolumeClaim.ClaimName)
	assert.Equal(t, "8Gi", claim.Spec.Resources.Requests.Storage().String(), "size of the claim: twice the history")
	assert.Nil(t, claim.Spec.StorageClassName, "no class means the cluster's default")
	assert.Equal(t, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, claim.Spec.AccessModes)
	assert.Equal(t, "keep", claim.Annotations["helm.sh/resource-policy"], "helm uninstall must keep the history")
	context := rendered.Deployment(t, chart.Prometheus).Spec.Template.Spec.SecurityContext
	require.NotNil(t, context.FSGroup, "without fsGroup a user that is not root cannot write to the volume")
	assert.Equal(t, *context.RunAsGroup, *context.FSGroup)

	none := claims(chart.Render(t, chart.Parse(t, `prometheus: {persistence: {enabled: true, storageClass: "-", size: 2Gi}}`)))[0]
	require.NotNil(t, none.Spec.StorageClassName)
	assert.Empty(t, *none.Spec.StorageClassName)
	assert.Equal(t, "2Gi", none.Spec.Resources.Requests.Storage().String())

	existing := chart.Render(t, chart.Parse(t, `prometheus: {persistence: {enabled: true, existingClaim: history}}`))
	assert.Empty(t, claims(existing))
	assert.Equal(t, "history", data(existing).PersistentVolumeClaim.ClaimName)
}

// TestDisabledAlerts: each alert can be left out alone, and everything else stays.
func TestDisabledAlerts(t *testing.T) {
	t.Parallel()
	for _, values := range []chart.Values{{}, named(t, "KEDA")} {
		rendered := allAlerts(t, values)
		all, groups := alertNames(alerts(t, rendered)), len(ruleGroups(t, rendered))
		for _, name := range all {
			require.True(t, strings.Contains(string(chart.File(t, "templates/prometheus/_alerts.tpl")), "\n  \""+name+"\""), "holograph.alerts.names, want %s there: alerts.disabled takes no other name", name)
			left := allAlerts(t, values, chart.Set("alerts.disabled", []any{name}))
			var want []string
			for _, other := range all {
				if other != name {
					want = append(want, other)
				}
			}
			assert.Equal(t, want, alertNames(alerts(t, left)), "alerts without %s", name)
			assert.Len(t, ruleGroups(t, left), groups, "rule groups without %s", name)
		}
	}
	var every []any
	for _, name := range alertNames(everyAlert(t)) {
		every = append(every, name)
	}
	none := allAlerts(t, chart.Set("alerts.disabled", every))
	assert.Empty(t, alerts(t, none), "alerts where all of them are left out")
	assert.Len(t, ruleGroups(t, none), len(ruleGroups(t, chart.Render(t, chart.Set("alerts.enabled", false)))), "the groups of recording rules stay, and no empty group, which Prometheus would show")
}

// TestNotesSayThatNobodyIsTold: with rules and without an Alertmanager, nobody is told of an alert.
func TestNotesSayThatNobodyIsTold(t *testing.T) {
	t.Parallel()
	const note = "nobody is told of alerts"
	assert.Contains(t, chart.Render(t).Notes, note)
	assert.NotContains(t, allAlerts(t).Notes, note)
	assert.NotContains(t, chart.Render(t, chart.Set("alerts.enabled", false)).Notes, note)
	assert.NotContains(t, chart.Render(t, named(t, "operator")).Notes, note, "a Prometheus of your own has its own Alertmanager")
}

// received is an alert as an Alertmanager gets it.
type received struct{ Labels, Annotations map[string]string }

// TestAlertReachesAnAlertmanager runs Prometheus on the rendered configuration, and an Alertmanager that requires TLS and
// a token: the alert that always fires arrives with what a person needs.
func TestAlertReachesAnAlertmanager(t *testing.T) {
	t.Parallel()
	arrived := make(chan received, 100)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/team/api/v2/alerts" || r.Header.Get("Authorization") != "Bearer right" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		var alerts []received
		_ = json.Unmarshal(body, &alerts)
		for _, alert := range alerts {
			select {
			case arrived <- alert:
			default:
			}
		}
	}))
	defer server.Close()

	rendered := chart.Render(t, chart.Parse(t, `
prometheus:
  scrapeInterval: 1s
  externalLabels: {cluster: eu}
  alertmanagers: [{url: "`+server.URL+`/team", caSecret: {name: trust}, bearerToken: {existingSecret: login}}]
alerts: {runbook: "https://wiki.example/holograph", labels: {team: graphics}}`))
	directory := writePrometheusFiles(t, rendered)
	secrets := filepath.Join(directory, "secrets")
	for name, text := range map[string][]byte{
		"trust/ca.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
		"login/token":  []byte("right"),
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(secrets, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(secrets, name), text, 0o644))
	}
	var config map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(rendered.PrometheusFiles(t)["prometheus.yaml"]), &config))
	// There is no cluster to find targets in.
	delete(config, "scrape_configs")
	config["rule_files"] = []string{filepath.Join(directory, "rules.yaml")}
	text, err := yaml.Marshal(config)
	require.NoError(t, err)
	promtool.Serve(t, strings.ReplaceAll(string(text), "/etc/prometheus-secrets", secrets), "")

	// Prometheus drops an alert that fires before it knows its Alertmanagers, and sends it again after a minute
	// (--rules.alert.resend-delay).
	late := time.After(2 * time.Minute)
	for {
		select {
		case alert := <-arrived:
			if alert.Labels["alertname"] != watchdog {
				continue
			}
			assert.Equal(t, map[string]string{"alertname": watchdog, "cluster": "eu", "namespace": "holograph", "severity": "none", "team": "graphics"}, alert.Labels)
			assert.Equal(t, "https://wiki.example/holograph#holographwatchdog", alert.Annotations["runbook_url"])
			return
		case <-late:
			require.FailNow(t, "the watchdog has not reached the Alertmanager")
		}
	}
}

func TestSchemaRefusesAlerting(t *testing.T) {
	t.Parallel()
	refusesEach(t, map[string]any{
		"prometheus.alertmanagers":            "http://alertmanager.example",
		"prometheus.externalLabels":           map[string]any{"__address__": "a"},
		"prometheus.remoteWrite":              map[string]any{"url": "https://metrics.example"},
		"prometheus.secrets":                  "metrics-store",
		"prometheus.persistence.size":         "16GB",
		"prometheus.persistence.accessModes":  []any{"ReadOnlyMany"},
		"prometheus.persistence.storageClass": "Fast one",
		"alerts.disabled":                     "HolographWatchdog",
		"alerts.podUnseen.for":                "a while",
	})
}

// TestSizesHaveTwoUnits: Prometheus reads MB and MiB as the same number of bytes, and so does what follows from a size.
func TestSizesHaveTwoUnits(t *testing.T) {
	t.Parallel()
	for _, size := range []string{"10GB", "10GiB"} {
		values := chart.Set("prometheus.retention.size", size)
		for _, volume := range chart.Render(t, values).Deployment(t, chart.Prometheus).Spec.Template.Spec.Volumes {
			if volume.EmptyDir != nil {
				assert.Equal(t, "20Gi", volume.EmptyDir.SizeLimit.String(), "the volume for %s", size)
			}
		}
		for claimed, taken := range map[string]bool{"12Gi": false, "13Gi": true} {
			_, err := chart.Template(chart.Options{Values: []chart.Values{values, chart.Parse(t, "prometheus: {persistence: {enabled: true, size: "+claimed+"}}")}})
			assert.Equal(t, taken, err == nil, "whether a claim of %s is taken for a history of %s", claimed, size)
		}
	}
}
