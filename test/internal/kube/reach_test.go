package kube

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Outside the cluster, Services and pods are reached through the API server. Inside the cluster, and for other addresses, the
// address is used as it is.
func TestReach(t *testing.T) {
	outside, err := New(&rest.Config{Host: "https://api.example:6443"})
	require.NoError(t, err)
	inside, err := New(&rest.Config{Host: "https://10.96.0.1:443"})
	require.NoError(t, err)
	inside.Inside = true
	const proxy = "https://api.example:6443/api/v1/namespaces/"
	for address, want := range map[string]string{
		"http://prometheus.monitoring.svc:9090":         proxy + "monitoring/services/http:prometheus:9090/proxy",
		"http://prometheus.monitoring.svc":              proxy + "monitoring/services/http:prometheus:80/proxy",
		"https://mimir.team-a.svc.cluster.local/prefix": proxy + "team-a/services/https:mimir:443/proxy/prefix",
		"https://prometheus.example/team":               "https://prometheus.example/team",
		"http://localhost:9090":                         "http://localhost:9090",
	} {
		got, _, err := outside.Reach(address)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		got, _, err = inside.Reach(address)
		require.NoError(t, err)
		assert.Equal(t, address, got)
	}
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "film", Name: "renderer-0"}, Status: corev1.PodStatus{PodIP: "fd00::1"}}
	got, _, err := outside.ReachPod(pod, 8080)
	require.NoError(t, err)
	assert.Equal(t, proxy+"film/pods/renderer-0:8080/proxy", got)
	got, _, err = inside.ReachPod(pod, 8080)
	require.NoError(t, err)
	assert.Equal(t, "http://[fd00::1]:8080", got)
}

// Queries have the headers, credentials and certificates that a Prometheus requires.
func TestPrometheusAt(t *testing.T) {
	folder := t.TempDir()
	token, login := filepath.Join(folder, "token"), filepath.Join(folder, "authorization")
	require.NoError(t, os.WriteFile(token, []byte("secret"), 0o600))
	require.NoError(t, os.WriteFile(login, []byte("Basic c2VjcmV0\n"), 0o600))
	var seen http.Header
	var method, query string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen, method, query = r.Header, r.Method, r.URL.Query().Get("query")
		w.Write([]byte(`{"status":"success","data":{"resultType":"vector","result":[]}}`))
	}))
	defer server.Close()
	client, err := New(&rest.Config{Host: "https://api.example"})
	require.NoError(t, err)
	ask := func(access Access) error {
		api, err := client.PrometheusAt(server.URL, access)
		if err == nil {
			_, err = Vector(t.Context(), api, "up")
		}
		return err
	}
	require.NoError(t, ask(Access{}))
	assert.Empty(t, seen.Get("Authorization"))
	require.NoError(t, ask(Access{TokenFile: token, Headers: map[string]string{"X-Scope-OrgID": "team"}}))
	assert.Equal(t, "Bearer secret", seen.Get("Authorization"))
	assert.Equal(t, "team", seen.Get("X-Scope-OrgID"))
	require.NoError(t, ask(Access{AuthorizationFile: login}))
	assert.Equal(t, "Basic c2VjcmV0", seen.Get("Authorization"))
	require.NoError(t, ask(Access{HeaderFiles: map[string]string{"X-Api-Key": token}}))
	assert.Equal(t, "secret", seen.Get("X-Api-Key"))
	assert.Equal(t, http.MethodPost, method, "method of queries by default: a query can be too long for a URL")
	require.NoError(t, ask(Access{Verb: http.MethodGet, TokenFile: token}))
	assert.Equal(t, http.MethodGet, method, "method of queries to a proxy that forbids POST")
	assert.Equal(t, "up", query, "query in the URL")
	assert.Equal(t, "Bearer secret", seen.Get("Authorization"))
	assert.ErrorIs(t, ask(Access{AuthorizationFile: login + ".missing"}), os.ErrNotExist)
	assert.ErrorIs(t, ask(Access{HeaderFiles: map[string]string{"X-Api-Key": token + ".missing"}}), os.ErrNotExist)
}

// If the API server itself answers, in place of the server behind its proxy, the error has the API server's message. An answer
// of the server behind the proxy is returned unchanged.
func TestProxyErrors(t *testing.T) {
	var answer string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		w.Write([]byte(answer))
	}))
	defer server.Close()
	client, err := New(&rest.Config{Host: server.URL})
	require.NoError(t, err)
	api, err := client.PrometheusAt("http://prometheus.film.svc:9090", Access{})
	require.NoError(t, err)

	answer = `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no endpoints available","reason":"ServiceUnavailable","code":503}`
	_, err = Vector(t.Context(), api, "up")
	assert.ErrorContains(t, err, "no endpoints available")
	assert.True(t, apierrors.IsServiceUnavailable(err), "the kind of the error %v is not that of the API server's answer", err)

	answer = `{"status":"error","errorType":"unavailable","error":"TSDB not ready"}`
	_, err = Vector(t.Context(), api, "up")
	assert.ErrorContains(t, err, "TSDB not ready")

	answer = `{"kind":"Status","status":"Failure","message":"pods is forbidden","reason":"Forbidden","code":403}`
	_, err = Raw(t.Context(), client.Discovery().RESTClient().Get().AbsPath("/apis/custom.metrics.k8s.io"))
	assert.EqualError(t, err, "pods is forbidden")
	assert.True(t, apierrors.IsForbidden(err), "the kind of the error %v is not that of the API server's answer", err)
}
