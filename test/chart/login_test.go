package chart_test

import (
	"encoding/base64"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
	"holograph/test/internal/kube"
	"holograph/test/internal/promtool"
)

// loginSecret is the Secret with the embedded Prometheus' login, as the chart names it.
const loginSecret = "holograph-prometheus-login"

// login returns that Secret's data, decoded; nil where it is not rendered.
func login(t *testing.T, rendered *chart.Rendered) map[string]string {
	t.Helper()
	var data map[string]string
	for _, secret := range chart.Of[*corev1.Secret](t, rendered) {
		if secret.Name != loginSecret {
			continue
		}
		require.Nil(t, data, "a second Secret %s", secret.Name)
		data = map[string]string{}
		for key, value := range secret.Data {
			data[key] = string(value)
		}
	}
	return data
}

// webUsers returns the users of a web configuration with the hashes of their passwords.
func webUsers(t *testing.T, text string) map[string]string {
	t.Helper()
	var config struct {
		Users map[string]string `json:"basic_auth_users"`
	}
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &config))
	return config.Users
}

// TestLogin: the embedded Prometheus has one user with a random password, which differs between two installations. The
// Secret has it in every form that a client needs.
func TestLogin(t *testing.T) {
	t.Parallel()
	first, second := login(t, chart.RenderWith(t, chart.Options{})), login(t, chart.RenderWith(t, chart.Options{}))
	require.NotNil(t, first)
	assert.Regexp(t, `^[0-9A-Za-z]{40}$`, first["password"])
	assert.NotEqual(t, first["password"], second["password"], "the password of two installations")
	pair := first["username"] + ":" + first["password"]
	assert.Equal(t, "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)), first["authorization"])
	users := webUsers(t, first["web.yaml"])
	require.Len(t, users, 1)
	assert.NoError(t, bcrypt.CompareHashAndPassword([]byte(users[first["username"]]), []byte(first["password"])))
	assert.Len(t, first, 4)
	assert.Nil(t, login(t, chart.Render(t, named(t, "login"))), "the login of a Prometheus that does not run")
}

// TestNobodyIsShownThePassword: the password, its header and its hash are in the Secret and in no other rendered object.
func TestNobodyIsShownThePassword(t *testing.T) {
	t.Parallel()
	for mode, values := range waysToServe(t) {
		rendered := chart.Render(t, values)
		secrets := login(t, rendered)
		if secrets == nil {
			continue
		}
		texts := map[string]string{"NOTES": rendered.Notes}
		for _, object := range rendered.Objects {
			if object.Kind() != "Secret" || object.Name() != loginSecret {
				text, err := yaml.Marshal(object)
				require.NoError(t, err)
				texts[object.Kind()+"/"+object.Name()] = string(text)
			}
		}
		hash := webUsers(t, secrets["web.yaml"])[secrets["username"]]
		for _, secret := range []string{secrets["password"], strings.TrimPrefix(secrets["authorization"], "Basic "), hash} {
			for where, text := range texts {
				assert.NotContains(t, text, secret, "%s: %s", mode, where)
				assert.NotContains(t, text, base64.StdEncoding.EncodeToString([]byte(secret)), "%s: %s", mode, where)
			}
		}
	}
}

// TestLoginIsKept: an upgrade finds the login and changes nothing, the adapter included; another generation, or a
// Secret that is not whole, makes a new one and restarts the adapter, which reads it when it starts.
func TestLoginIsKept(t *testing.T) {
	t.Parallel()
	installed := chart.Render(t)
	before := login(t, installed)
	checksum := func(r *chart.Rendered) string {
		sum := r.Deployment(t, chart.PrometheusAdapter).Spec.Template.Annotations["checksum/login"]
		require.NotEmpty(t, sum)
		return sum
	}
	upgraded := chart.RenderWith(t, chart.Options{Cluster: installed.Objects})
	assert.Equal(t, before, login(t, upgraded))
	assert.Equal(t, checksum(installed), checksum(upgraded))
	assert.Contains(t, installed.Notes, "Prometheus has a new password, in the Secret "+loginSecret)
	assert.NotContains(t, upgraded.Notes, "new password")

	rotated := chart.RenderWith(t, chart.Options{Cluster: installed.Objects, Values: []chart.Values{chart.Set("prometheus.auth.basicAuth.generation", 2)}})
	assert.NotEqual(t, before["password"], login(t, rotated)["password"], "after another generation")
	assert.NotEqual(t, checksum(installed), checksum(rotated))
	assert.Contains(t, rotated.Notes, "new password")
	again := chart.RenderWith(t, chart.Options{Cluster: rotated.Objects, Values: []chart.Values{chart.Set("prometheus.auth.basicAuth.generation", 2)}})
	assert.Equal(t, login(t, rotated), login(t, again))

	for key := range before {
		broken := chart.RenderWith(t, chart.Options{})
		for _, object := range broken.Objects {
			if object.Kind() == "Secret" && object.Name() == loginSecret {
				delete(object["data"].(map[string]any), key)
			}
		}
		fixed := chart.RenderWith(t, chart.Options{Cluster: broken.Objects})
		assert.Len(t, login(t, fixed), len(before), "login after an upgrade found a Secret without %s, want a new and complete one", key)
		assert.NotEqual(t, login(t, broken)["password"], login(t, fixed)["password"], "login after an upgrade found a Secret without %s, want a new and complete one", key)
	}
}

// TestLoginOfYourOwn: every object that uses the generated Secret uses an existing one where the values name it.
func TestLoginOfYourOwn(t *testing.T) {
	t.Parallel()
	with := 0
	for mode, values := range waysToServe(t) {
		all := chart.Render(t, values)
		if login(t, all) == nil {
			continue
		}
		with++
		rendered := chart.Render(t, values, chart.Set("prometheus.auth.basicAuth.existingSecret", "own-login"))
		assert.Nil(t, login(t, rendered), "%s: the generated Secret beside the existing one", mode)
		assert.NotContains(t, rendered.Manifest+rendered.Notes, loginSecret, mode)
		assert.NotContains(t, rendered.Manifest, "checksum/login", mode)
		assert.Equal(t, len(matchingLines(all.Stable(), `\b`+loginSecret+`\b`))-1, len(matchingLines(rendered.Stable(), `\bown-login\b`)), "%s: number of references to the Secret", mode)
	}
	assert.Positive(t, with, "ways to serve the metric with a generated login")
}

// TestWhoHasTheLogin: the login is given to Prometheus' own pod, the adapter, the doctor, and KEDA in the adapter's place.
// The doctor mounts it: it may not read Secrets through the API.
func TestWhoHasTheLogin(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	assert.Equal(t, []corev1.EnvVar{{Name: "PROMETHEUS_AUTHORIZATION", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: loginSecret}, Key: "authorization",
	}}}}, rendered.Container(t, chart.PrometheusAdapter).Env)
	assert.Contains(t, rendered.Container(t, chart.PrometheusAdapter).Args, "--prometheus-header=Authorization=$(PROMETHEUS_AUTHORIZATION)")
	for _, pod := range chart.Each[*corev1.Pod](t, rendered) {
		text, err := yaml.Marshal(pod.Spec.Volumes)
		require.NoError(t, err)
		assert.Contains(t, string(text), loginSecret)
	}
	path := rendered.ConfigMap(t, "doctor").Data["doctor.yaml"]
	assert.Contains(t, path, `authorizationFile: "/etc/prometheus-access/authorization"`)
	assert.Contains(t, path, `name: "`+loginSecret+`"`, "the Secret that the doctor reads from a laptop")

	keda := chart.Render(t, named(t, "KEDA"))
	for _, trigger := range renderedScaledObject(t, keda).Spec.Triggers {
		assert.Equal(t, "basic", trigger.Metadata["authModes"])
		assert.Equal(t, "holograph-renderer", trigger.AuthenticationRef.Name)
	}
	assert.YAMLEq(t, `{secretTargetRef: [{parameter: username, name: `+loginSecret+`, key: username}, {parameter: password, name: `+loginSecret+`, key: password}]}`, triggerAuthentication(t, keda))

	existing := chart.Render(t, named(t, "existing adapter"))
	assert.Contains(t, existing.Notes, "copy the key authorization of the Secret "+loginSecret)
}

// TestPrometheusScrapesItselfOnLocalhost: Prometheus sends its login to localhost only, and not to another pod that has its
// labels.
func TestPrometheusScrapesItselfOnLocalhost(t *testing.T) {
	t.Parallel()
	var config struct {
		Jobs []struct {
			Name      string            `json:"job_name"`
			BasicAuth map[string]string `json:"basic_auth"`
			Relabel   []struct {
				Target      string `json:"target_label"`
				Replacement string `json:"replacement"`
			} `json:"relabel_configs"`
		} `json:"scrape_configs"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(chart.Render(t).PrometheusFiles(t)["prometheus.yaml"]), &config))
	shown := 0
	for _, job := range config.Jobs {
		if job.BasicAuth == nil {
			continue
		}
		shown++
		assert.Equal(t, "prometheus", job.Name)
		var address string
		for _, rule := range job.Relabel {
			if rule.Target == "__address__" {
				address = rule.Replacement
			}
		}
		assert.Equal(t, "localhost:9090", address, "address of the job with the login")
	}
	assert.Equal(t, 1, shown, "jobs with the login")
}

// statusOf is what a path of Prometheus answers, with an Authorization header or without.
func statusOf(t *testing.T, method, url, authorization string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	request.Header.Set("Origin", "https://evil.example")
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response
}

// guardedPrometheus starts a Prometheus as the chart does, and returns it with the folder that its files are in.
func guardedPrometheus(t *testing.T, replace ...string) (server promtool.Server, secrets map[string]string, folder string) {
	t.Helper()
	rendered := chart.Render(t)
	secrets, folder = login(t, rendered), t.TempDir()
	files := map[string]string{"holograph.html": rendered.PrometheusFiles(t)["holograph.html"]}
	maps.Copy(files, secrets)
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	edit := strings.NewReplacer(append([]string{"/etc/prometheus-login", folder}, replace...)...)
	setup := promtool.Setup{Configuration: "global: {}", Consoles: folder, Authorization: secrets["authorization"]}
	for _, argument := range rendered.Container(t, chart.Prometheus).Args {
		name, _, _ := strings.Cut(argument, "=")
		// Where the files are, and where it listens, differs on this machine.
		if !slices.Contains([]string{"--config.file", "--storage.tsdb.path", "--web.console.templates", "--web.listen-address"}, name) {
			setup.Arguments = append(setup.Arguments, edit.Replace(argument))
		}
	}
	// The check that the pod runs, with the file that it is given.
	client := edit.Replace(rendered.PrometheusFiles(t)["client.yaml"])
	require.NoError(t, os.WriteFile(filepath.Join(folder, "client.yaml"), []byte(client), 0o600))
	return promtool.ServeWith(t, setup), secrets, folder
}

// TestPrometheusRequiresItsLogin: a Prometheus that runs with the chart's flags answers 401 on every path without its login. With the login, the
// status page, the doctor's queries and the pod's own probe work.
func TestPrometheusRequiresItsLogin(t *testing.T) {
	t.Parallel()
	server, secrets, folder := guardedPrometheus(t)
	basic := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	wrongLogins := map[string]string{
		"without a login":    "",
		"another password":   basic(secrets["username"] + ":wrong"),
		"no password":        basic(secrets["username"] + ":"),
		"another name":       basic("admin:" + secrets["password"]),
		"the hash for it":    basic(secrets["username"] + ":" + webUsers(t, secrets["web.yaml"])[secrets["username"]]),
		"as a bearer token":  "Bearer " + secrets["password"],
		"what is no header":  "Basic",
		"a password and one": basic(secrets["username"] + ":" + secrets["password"] + "x"),
	}
	for _, path := range []string{
		"/", "/-/healthy", "/-/ready", "/-/reload", "/-/quit", "/metrics", "/federate?match[]=up", "/consoles/holograph.html", "/consoles/", "/user/", "/query",
		"/targets", "/config", "/flags", "/status", "/assets/", "/static/", "/favicon.svg", "/version", "/nothing", "/../metrics", "//metrics",
		"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile?seconds=1", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/fgprof",
		"/api/v1/query?query=up", "/api/v1/query_range?query=up&start=0&end=1&step=1", "/api/v1/series?match[]=up", "/api/v1/labels", "/api/v1/targets",
		"/api/v1/status/config", "/api/v1/status/flags", "/api/v1/status/tsdb", "/api/v1/read", "/api/v1/write", "/api/v1/otlp/v1/metrics",
		"/api/v1/admin/tsdb/snapshot", "/api/v1/notifications/live", "/api/v1/format_query?query=up",
	} {
		for login, header := range wrongLogins {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions, http.MethodHead} {
				response := statusOf(t, method, server.URL+path, header)
				assert.Equal(t, http.StatusUnauthorized, response.StatusCode, "%s %s %s", method, path, login)
				if login != "without a login" && login != "another password" {
					break
				}
			}
		}
	}
	for _, path := range []string{"/-/healthy", "/-/ready", "/metrics", "/api/v1/query?query=up", "/consoles/holograph.html"} {
		response := statusOf(t, http.MethodGet, server.URL+path, secrets["authorization"])
		assert.Equal(t, http.StatusOK, response.StatusCode, path)
		assert.Empty(t, response.Header.Get("Access-Control-Allow-Origin"), "%s may be read by a page of another origin, want no CORS header", path)
	}
	page, err := server.Get(t.Context(), "/consoles/holograph.html")
	require.NoError(t, err)
	assert.Contains(t, page, "</html>")

	inside, err := kube.New(&rest.Config{Host: "http://127.0.0.1:1"})
	require.NoError(t, err)
	inside.Inside = true
	api, err := inside.PrometheusAt(server.URL, kube.Access{AuthorizationFile: filepath.Join(folder, "authorization")})
	require.NoError(t, err)
	_, err = kube.Vector(t.Context(), api, "vector(1)")
	assert.NoError(t, err, "query of the doctor with the file of its pod")

	for _, check := range []string{"ready", "healthy"} {
		assert.NoError(t, promtool.Run(t.Context(), folder, "check", check, "--url="+server.URL, "--http.config.file=client.yaml"))
		assert.Error(t, promtool.Run(t.Context(), folder, "check", check, "--url="+server.URL), "the check passes without the login, want a refusal")
	}

	// A new login is taken up in place, and the one before no longer opens.
	next := login(t, chart.RenderWith(t, chart.Options{}))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "web.yaml"), []byte(next["web.yaml"]), 0o600))
	assert.Equal(t, http.StatusUnauthorized, statusOf(t, http.MethodGet, server.URL+"/metrics", secrets["authorization"]).StatusCode)
	assert.Equal(t, http.StatusOK, statusOf(t, http.MethodGet, server.URL+"/metrics", next["authorization"]).StatusCode)
}

// TestConnectionLimitKeepsTheAdapter: idle connections use up --web.max-connections. The adapter's connection, which was
// opened before them, still works, and Prometheus closes the idle ones after the read timeout.
func TestConnectionLimitKeepsTheAdapter(t *testing.T) {
	t.Parallel()
	server, secrets, _ := guardedPrometheus(t, "--web.read-timeout=30s", "--web.read-timeout=3s")
	adapter := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	ask := func() (reused bool) {
		trace := &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) { reused = got.Reused }}
		request, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, server.URL+"/api/v1/query?query=up", nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", secrets["authorization"])
		response, err := adapter.Do(request)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode)
		return reused
	}
	ask()
	idle := make([]net.Conn, 200)
	for i := range idle {
		conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		require.NoError(t, err)
		defer conn.Close()
		idle[i] = conn
	}
	assert.True(t, ask(), "the adapter's query used a new connection, want the open one: idle connections would block a new one")
	for _, conn := range idle[:50] {
		_, err := conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, io.EOF, "an idle connection is open, want it closed by Prometheus")
	}
}

// TestLargeQueriesAreRefused: Prometheus refuses a query that needs more memory than the pod has, and answers the largest
// query of the chart.
func TestLargeQueriesAreRefused(t *testing.T) {
	t.Parallel()
	server, _, _ := guardedPrometheus(t)
	api := server.API(t)
	_, _, err := api.Query(t.Context(), "sum_over_time(vector(1)[30d:200ms])", time.Now())
	assert.ErrorContains(t, err, "too many samples")
	// 30 days have this number of samples at an interval of 15 s.
	value, _, err := api.Query(t.Context(), "count_over_time(vector(1)[30d:15s])", time.Now())
	require.NoError(t, err)
	assert.Contains(t, value.String(), "172800")
}
