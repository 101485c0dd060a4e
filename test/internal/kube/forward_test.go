package kube

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"

	"holograph/test/internal/kube/fakeapi"
)

// guarded is the API server of a cluster with a Prometheus that requires a login, and that Prometheus.
type guarded struct {
	// password is the one that Prometheus requires, and secret the one in the Secret.
	password, secret atomic.Value
	// copied is the login in the Secret of the same name in the namespace stage; if it is empty, there is none.
	copied string
	// shown are the logins that Prometheus received.
	shown sync.Map
	// reads counts how often the Secret was read, forwards how often a port was forwarded.
	reads, forwards atomic.Int32
	// ready says whether Prometheus' pod is Ready, and selector is that of its Service.
	ready    atomic.Bool
	selector map[string]string
	// refusal is the node's error in place of a connection to the port. forbidden is the API server's error for the forward.
	refusal, forbidden string
}

func newGuarded(t *testing.T) (*guarded, Release) {
	t.Helper()
	g := &guarded{selector: map[string]string{"app": "prometheus"}}
	g.password.Store("old")
	g.secret.Store("old")
	g.ready.Store(true)
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	client, err := New(&rest.Config{Host: server.URL, BearerToken: "of the API server"})
	require.NoError(t, err)
	return g, Release{Client: client, Namespace: "film", Name: "holograph"}
}

// ServeHTTP implements http.Handler.
func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "film", Name: name} }
	var object any
	in, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/"), "/")
	if in == "stage" && path == "secrets/holograph-prometheus-login" {
		path = "secrets/copied"
	}
	switch path {
	case "secrets/copied":
		refusal := map[string]metav1.Status{
			"":          {Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound},
			"forbidden": {Message: "no, no", Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden},
		}
		if status, refused := refusal[g.copied]; refused {
			fakeapi.Answer(w, nil, &apierrors.StatusError{ErrStatus: status})
			return
		}
		object = corev1.Secret{Data: map[string][]byte{"authorization": []byte("Basic " + g.copied)}}
	case "secrets/holograph-prometheus-login":
		g.reads.Add(1)
		object = corev1.Secret{ObjectMeta: meta("holograph-prometheus-login"), Data: map[string][]byte{"authorization": []byte("Basic " + g.secret.Load().(string) + "\n")}}
	case "services/holograph-prometheus":
		object = corev1.Service{ObjectMeta: meta("holograph-prometheus"), Spec: corev1.ServiceSpec{
			Selector: g.selector,
			Ports:    []corev1.ServicePort{{Port: 9090, TargetPort: intstr.FromString("http")}},
		}}
	case "pods":
		pod := corev1.Pod{ObjectMeta: meta("prometheus-0")}
		pod.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 19090}}}}
		if g.ready.Load() {
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}
		object = corev1.PodList{Items: []corev1.Pod{pod}}
	case "pods/prometheus-0/portforward":
		if g.forbidden != "" {
			fakeapi.Answer(w, nil, &apierrors.StatusError{ErrStatus: metav1.Status{Message: g.forbidden, Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden}})
			return
		}
		g.forwards.Add(1)
		if g.refusal != "" {
			fakeapi.Forward(w, r, nil, g.refusal)
			return
		}
		fakeapi.Forward(w, r, http.HandlerFunc(g.prometheus), "")
		return
	default:
		http.NotFound(w, r)
		return
	}
	fakeapi.Answer(w, object, nil)
}

func (g *guarded) prometheus(w http.ResponseWriter, r *http.Request) {
	g.shown.Store(r.Header.Get("Authorization"), true)
	if r.Header.Get("Authorization") != "Basic "+g.password.Load().(string) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.URL.Path == ConsolePath {
		_, _ = io.WriteString(w, "the page for "+r.Host)
		return
	}
	_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"vector","result":[]}}`)
}

// TestPrometheusRequiresALogin: from outside the cluster, the login is read with the user's own rights and sent to Prometheus,
// on one connection for several queries. After a change the new login is read.
func TestPrometheusRequiresALogin(t *testing.T) {
	t.Parallel()
	g, r := newGuarded(t)
	for range 3 {
		_, err := r.Query(t.Context(), "up")
		require.NoError(t, err)
	}
	assert.EqualValues(t, 1, g.reads.Load(), "reads of the Secret for three queries")
	assert.EqualValues(t, 1, g.forwards.Load(), "connections for three queries")
	r.Redial()
	_, err := r.Query(t.Context(), "up")
	require.NoError(t, err)
	assert.EqualValues(t, 2, g.forwards.Load(), "connections for a query more, after Redial")

	g.password.Store("new")
	g.secret.Store("new")
	_, err = r.Query(t.Context(), "up")
	require.ErrorContains(t, err, "401", "error of the first query after a change of the login")
	_, err = r.Query(t.Context(), "up")
	assert.NoError(t, err, "second query after a change of the login, which must read the Secret again")
}

// TestLoginForAnotherNamespace: the login of a namespace is sent to a Service of another one only if that has it already, as the
// namespaces of two releases with one Prometheus do.
func TestLoginForAnotherNamespace(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		service, copied, want string
	}{
		"the same login": {service: "stage", copied: "old\n"},
		"another login":  {service: "stage", copied: "new", want: "has another one under that name"},
		"no login":       {service: "stage", want: "has no Secret of that name"},
		"no rights":      {service: "stage", copied: "forbidden", want: "may not have it: no, no"},
		"its own":        {service: "film"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, r := newGuarded(t)
			g.copied = test.copied
			api, err := r.PrometheusAt("http://holograph-prometheus."+test.service+".svc.cluster.local:9090", Access{Login: &Login{Namespace: "film", Name: "holograph-prometheus-login"}})
			require.NoError(t, err)
			_, err = Vector(t.Context(), api, "up")
			_, sent := g.shown.Load("Basic old")
			if test.want == "" {
				require.NoError(t, err)
				assert.True(t, sent, "Prometheus has the login")
				return
			}
			var withheld *Withheld
			require.ErrorAs(t, err, &withheld)
			assert.EqualError(t, withheld, "the login in Secret film/holograph-prometheus-login is not sent to a Service in the namespace stage, which "+test.want)
			assert.False(t, sent, "the Service has the login, want none")
		})
	}
}

// TestForwardingFails: the error of a forwarded port is that of the server at which it failed.
func TestForwardingFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wrong func(*guarded)
		want  string
	}{
		"no pod is ready":  {func(g *guarded) { g.ready.Store(false) }, `no endpoints available for service "holograph-prometheus"`},
		"no selector":      {func(g *guarded) { g.selector = nil }, "service film/holograph-prometheus has no selector, so no pod is known whose port could be forwarded"},
		"a closed port":    {func(g *guarded) { g.refusal = "connection refused by port 19090" }, "connection refused by port 19090"},
		"no permission":    {func(g *guarded) { g.forbidden = "pods is forbidden" }, "pods is forbidden"},
		"an empty Secret":  {func(g *guarded) { g.secret.Store("") }, "401"},
		"a wrong password": {func(g *guarded) { g.secret.Store("wrong") }, "401"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, r := newGuarded(t)
			test.wrong(g)
			_, err := r.Query(t.Context(), "up")
			assert.ErrorContains(t, err, test.want)
			if g.forbidden != "" {
				assert.True(t, apierrors.IsForbidden(err), "the error is %v, want the API server's Forbidden: the doctor then names the missing permission", err)
			}
		})
	}
}

// TestForwardPrometheus: a user opens the printed address without a password. A page of another site whose name resolves to
// this address gets no answer.
func TestForwardPrometheus(t *testing.T) {
	t.Parallel()
	_, r := newGuarded(t)
	address, err := r.ForwardPrometheus(t.Context(), "0")
	require.NoError(t, err)
	get := func(host string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+ConsolePath, nil)
		require.NoError(t, err)
		if host != "" {
			request.Host = host
		}
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(body)
	}
	code, page := get("")
	assert.Equal(t, http.StatusOK, code)
	assert.Contains(t, page, "the page for ")
	_, port, _ := strings.Cut(strings.TrimPrefix(address, "http://"), ":")
	code, _ = get("localhost:" + port)
	assert.Equal(t, http.StatusOK, code)
	for _, stranger := range []string{"evil.example", "evil.example:" + port, "127.0.0.1.evil.example:" + port} {
		code, page = get(stranger)
		assert.Equal(t, http.StatusForbidden, code, "status of the answer to the host %s", stranger)
		assert.NotContains(t, page, "the page for")
	}
}
