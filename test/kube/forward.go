package kube

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path"
	"strings"

	"k8s.io/client-go/rest"
)

// ConsolePath is the path of the status page below the address of Prometheus.
const ConsolePath = "/consoles/holograph.html"

// ForwardPrometheus makes the release's Prometheus answer on a loopback address of
// this machine until ctx ends, and returns its URL. The wanted port is taken where
// it is free, else another. Each request goes through the API server, so that a new
// pod of Prometheus breaks nothing.
func (r Release) ForwardPrometheus(ctx context.Context, port string) (string, error) {
	transport, err := rest.TransportFor(r.Config)
	if err != nil {
		return "", err
	}
	server, err := url.Parse(r.Config.Host)
	if err != nil {
		return "", err
	}
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(request *httputil.ProxyRequest) {
			// The API server puts its own path before the links of a page. Nothing but Prometheus is reached.
			wanted := path.Clean("/" + strings.TrimPrefix(request.In.URL.Path, r.prometheusPath()))
			request.SetURL(server)
			request.Out.URL.Path, request.Out.URL.RawPath = r.prometheusPath()+wanted, ""
			request.Out.Host = ""
		},
		// The browser shows it; without a handler it would be logged beside what `make up` prints.
		ErrorHandler: func(response http.ResponseWriter, _ *http.Request, err error) {
			http.Error(response, err.Error(), http.StatusBadGateway)
		},
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", err
		}
	}
	local := &http.Server{Handler: proxy, ReadHeaderTimeout: callTimeout}
	go func() { _ = local.Serve(listener) }()
	context.AfterFunc(ctx, func() { _ = local.Close() })
	return "http://" + listener.Addr().String(), nil
}

// prometheusPath is where the API server forwards to the release's Prometheus.
func (r Release) prometheusPath() string {
	return fmt.Sprintf("/api/v1/namespaces/%s/services/%s-prometheus:http/proxy", r.Namespace, r.Name)
}
