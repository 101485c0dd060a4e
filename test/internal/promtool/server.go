package promtool

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	prometheusapi "github.com/prometheus/client_golang/api"
	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/stretchr/testify/require"

	"holograph/ci/program"
	"holograph/test/internal/wait"
)

// startTimeout bounds the start of a Prometheus without history: 0.3 s, some seconds on a busy machine, and longer than 30 s
// at the lowest priority beside other tests.
const startTimeout = 2 * time.Minute

// Server is a Prometheus on this machine, of the version that the chart runs.
type Server struct {
	// URL is its root, without a slash at the end.
	URL string
	// Authorization is the header that Get shows; empty is none.
	Authorization string
}

// Setup is how a Prometheus runs.
type Setup struct {
	// Configuration is its configuration file. Consoles is a folder of console templates; empty is none.
	Configuration, Consoles string
	// Arguments are added to those that say where its files are and where it listens.
	Arguments []string
	// Authorization is the header that it wants to see.
	Authorization string
}

// Serve runs Prometheus on a configuration until the test ends. Console templates are those in the folder consoles;
// empty is none.
func Serve(t testing.TB, configuration, consoles string) Server {
	t.Helper()
	return ServeWith(t, Setup{Configuration: configuration, Consoles: consoles})
}

// ServeWith is Serve with a Setup.
func ServeWith(t testing.TB, setup Setup) Server {
	t.Helper()
	binary, err := program.Prometheus.Binary(t.Context(), "prometheus")
	require.NoError(t, err)
	directory := t.TempDir()
	file := filepath.Join(directory, "prometheus.yaml")
	require.NoError(t, os.WriteFile(file, []byte(setup.Configuration), 0o644))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())

	log, err := os.Create(filepath.Join(directory, "log"))
	require.NoError(t, err)
	command := exec.Command(binary, append([]string{"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(directory, "data"),
		"--web.listen-address=" + address, "--web.console.templates=" + setup.Consoles}, setup.Arguments...)...)
	command.Stdout, command.Stderr = log, log
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		_ = log.Close()
	})
	server := Server{URL: "http://" + address, Authorization: setup.Authorization}
	ready := wait.Condition{Name: "Prometheus to be ready", Unmet: func(ctx context.Context) error {
		_, err := server.Get(ctx, "/-/ready")
		return err
	}}
	if err := wait.For(t.Context(), startTimeout, ready); err != nil {
		text, _ := os.ReadFile(log.Name())
		require.NoError(t, err, "%s", text)
	}
	return server
}

// Get returns what Prometheus answers on a path; any status but 200 is an error that carries it.
func (s Server) Get(ctx context.Context, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		return "", err
	}
	if s.Authorization != "" {
		request.Header.Set("Authorization", s.Authorization)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, response.Status, body)
	}
	return string(body), err
}

// API returns Prometheus' own API.
func (s Server) API(t testing.TB) prometheusv1.API {
	t.Helper()
	client, err := prometheusapi.NewClient(prometheusapi.Config{Address: s.URL, RoundTripper: authorized{s.Authorization}})
	require.NoError(t, err)
	return prometheusv1.NewAPI(client)
}

// authorized shows a header with each request.
type authorized struct{ header string }

// RoundTrip implements http.RoundTripper.
func (a authorized) RoundTrip(request *http.Request) (*http.Response, error) {
	if a.header != "" {
		request = request.Clone(request.Context())
		request.Header.Set("Authorization", a.header)
	}
	return http.DefaultTransport.RoundTrip(request)
}
