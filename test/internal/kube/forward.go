package kube

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
)

// ConsolePath is the path of the status page below the address of Prometheus.
const ConsolePath = "/consoles/holograph.html"

// ForwardPrometheus makes the release's Prometheus answer on a loopback address of
// this machine until ctx ends, and returns its URL. The wanted port is taken where
// it is free, else another. It shows the login, so that a person need not, and each
// connection finds the pod anew, so that a new pod of Prometheus breaks nothing.
func (r Release) ForwardPrometheus(ctx context.Context, port string) (string, error) {
	address, access := r.prometheus()
	address, client, err := r.reachWith(address, access)
	if err != nil {
		return "", err
	}
	server, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	proxy := &httputil.ReverseProxy{
		Transport: client.Transport,
		Rewrite:   func(request *httputil.ProxyRequest) { request.SetURL(server) },
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
	local := &http.Server{Handler: onlyAs(listener.Addr().String(), proxy), ReadHeaderTimeout: callTimeout}
	go func() { _ = local.Serve(listener) }()
	context.AfterFunc(ctx, func() { _ = local.Close() })
	return "http://" + listener.Addr().String(), nil
}

// onlyAs answers only to clients that call the server by its address or as localhost: a
// page of another site, whose name resolves to this server, must not read what the login
// opens.
func onlyAs(address string, handler http.Handler) http.Handler {
	_, port, _ := net.SplitHostPort(address)
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if request.Host != address && request.Host != net.JoinHostPort("localhost", port) {
			http.Error(response, "This is Prometheus for http://"+address+" alone.", http.StatusForbidden)
			return
		}
		handler.ServeHTTP(response, request)
	})
}
