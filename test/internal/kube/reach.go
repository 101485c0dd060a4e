package kube

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	prometheusapi "github.com/prometheus/client_golang/api"
	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// service matches the host of a Service: its name and its namespace.
var service = regexp.MustCompile(`^([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\.cluster\.local)?\.?$`)

// errNoURL is the error of an address that cannot be parsed.
var errNoURL = errors.New("its address is no URL")

// Reach returns where to send requests that are meant for an HTTP address, and
// what to send them with. A Service's address is reached through the API server,
// so that no port is forwarded, unless this program runs in the cluster.
func (c *Client) Reach(address string) (string, *http.Client, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		// The parser's words hold a part of the address, which may be a password.
		return "", nil, errNoURL
	}
	match := service.FindStringSubmatch(parsed.Hostname())
	if c.Inside || match == nil {
		return address, &http.Client{Transport: bounded{direct, Origin(parsed), false}, Timeout: callTimeout}, nil
	}
	port := parsed.Port()
	if port == "" {
		port = map[string]string{"https": "443"}[parsed.Scheme]
	}
	if port == "" {
		port = "80"
	}
	return c.proxy(fmt.Sprintf("/api/v1/namespaces/%s/services/%s:%s:%s/proxy%s", match[2], parsed.Scheme, match[1], port, parsed.Path))
}

// ReachPod is Reach for a port of a pod.
func (c *Client) ReachPod(pod corev1.Pod, port int) (string, *http.Client, error) {
	if c.Inside {
		return "http://" + net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(port)),
			&http.Client{Transport: bounded{direct, whoIs(pod), false}, Timeout: callTimeout}, nil
	}
	return c.proxy(fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:%d/proxy", pod.Namespace, pod.Name, port))
}

// GetFromPod returns what a pod answers to a GET of a path, query included, on one of its ports: the HTTP status and the
// body. Metrics are asked for in the text format.
func (c *Client) GetFromPod(ctx context.Context, pod corev1.Pod, port int, path string) (status int, body []byte, err error) {
	base, client, err := c.ReachPod(pod, port)
	if err != nil {
		return 0, nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Accept", "text/plain;version=0.0.4")
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

// SeriesOfPod returns what a pod's page of metrics has of the series with some names, by name: each line from the end of the
// name on. The status is that of the answer; if it is not 200, nothing else is returned.
func (c *Client) SeriesOfPod(ctx context.Context, pod corev1.Pod, port int, path string, names map[string]bool) (status int, found map[string][][]byte, err error) {
	status, body, err := c.GetFromPod(context.WithValue(ctx, limitKey{}, maxPage), pod, port, path)
	if err != nil || status != http.StatusOK {
		return status, nil, err
	}
	tooMuch := func(what string, args ...any) error {
		who := whoIs(pod)
		if !c.Inside {
			who += through
		}
		return &TooMuch{Who: who, What: fmt.Sprintf(what, args...)}
	}
	found = map[string][][]byte{}
	for line := range bytes.Lines(body) {
		if len(line) > maxLine {
			return status, nil, tooMuch("a line of more than %d KiB", maxLine>>10)
		}
		end := bytes.IndexAny(line, "{ \t\r\n")
		if end <= 0 || !names[string(line[:end])] {
			continue
		}
		name := string(line[:end])
		if len(found[name]) == maxSeries {
			return status, nil, tooMuch("more than %d series of %s", maxSeries, name)
		}
		found[name] = append(found[name], line[end:])
	}
	return status, found, nil
}

func whoIs(pod corev1.Pod) string { return "pod " + pod.Namespace + "/" + pod.Name }

// Access is what a server requires of its clients, and the CA by which they verify the server.
// Everything that is secret is in files.
type Access struct {
	// Verb is the HTTP method of queries; empty is POST.
	Verb    string            `json:"verb,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	// CAFile holds the CA that signed the server's certificate.
	CAFile string `json:"caFile,omitempty"`
	// CertFile and KeyFile hold the client's own.
	CertFile string `json:"certFile,omitempty"`
	KeyFile  string `json:"keyFile,omitempty"`
	// HeaderFiles hold the values of headers, by their names.
	HeaderFiles map[string]string `json:"headerFiles,omitempty"`
	// TokenFile holds a bearer token, AuthorizationFile a whole Authorization header.
	TokenFile         string `json:"tokenFile,omitempty"`
	AuthorizationFile string `json:"authorizationFile,omitempty"`
	// Login is the Secret with that header, for a program outside the cluster, which has no files.
	Login *Login `json:"login,omitempty"`
}

// Files reports whether a part of the access is in files.
func (a Access) Files() bool {
	return a.CAFile != "" || a.CertFile != "" || a.KeyFile != "" || a.TokenFile != "" || a.AuthorizationFile != "" || len(a.HeaderFiles) > 0
}

// PrometheusAt returns the API of the Prometheus with that URL.
func (c *Client) PrometheusAt(address string, access Access) (prometheusv1.API, error) {
	c.hideURL(address)
	c.hideFile(access.TokenFile)
	address, client, err := c.reachWith(address, access)
	if err != nil {
		return nil, err
	}
	prometheus, err := prometheusapi.NewClient(prometheusapi.Config{Address: address, Client: client})
	if err == nil && access.Verb == http.MethodGet {
		prometheus = getter{prometheus}
	}
	return prometheusv1.NewAPI(prometheus), err
}

// getter sends queries by GET. The API itself sends POST, and GET only after an answer of 405 or 501: a proxy that forbids
// POST answers 403.
type getter struct{ prometheusapi.Client }

// Do implements prometheusapi.Client.
func (g getter) Do(ctx context.Context, request *http.Request) (*http.Response, []byte, error) {
	if request.Method == http.MethodPost {
		query, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, nil, err
		}
		request = request.Clone(ctx)
		request.Method, request.URL.RawQuery = http.MethodGet, string(query)
		request.Body, request.GetBody, request.ContentLength = nil, nil, 0
		request.Header.Del("Content-Type")
	}
	return g.Client.Do(ctx, request)
}

// reachWith is Reach for a server that requires something of its clients.
func (c *Client) reachWith(address string, access Access) (string, *http.Client, error) {
	if access.Login != nil && !c.Inside {
		return c.reachWithLogin(address, access)
	}
	address, client, err := c.Reach(address)
	if err != nil {
		return "", nil, err
	}
	// The API server's proxy does not pass Authorization on and has no client certificate, so
	// credentials are sent directly only.
	if _, proxied := client.Transport.(statuses); !proxied {
		parsed, parseErr := url.Parse(address)
		if parseErr != nil {
			return "", nil, errNoURL
		}
		if client.Transport, err = directAs(parsed, access); err != nil {
			return "", nil, err
		}
	}
	headers := access.header()
	for name, value := range access.Headers {
		// A tenant is a name, which stands in a release's own names too.
		if !strings.EqualFold(name, "X-Scope-OrgID") {
			c.Hide(value)
		}
	}
	files := map[string]string{}
	maps.Copy(files, access.HeaderFiles)
	if access.AuthorizationFile != "" {
		files["Authorization"] = access.AuthorizationFile
	}
	for name, file := range files {
		text, err := ReadFile(file)
		if err != nil {
			return "", nil, err
		}
		c.Hide(string(text))
		headers.Set(name, strings.TrimSpace(string(text)))
	}
	client.Transport = withHeaders{client.Transport, headers}
	return address, client, nil
}

// directAs is direct with the certificates and the token of an access, which it reads anew when their files change.
func directAs(server *url.URL, access Access) (http.RoundTripper, error) {
	config := bound(&rest.Config{
		TLSClientConfig: rest.TLSClientConfig{CAFile: access.CAFile, CertFile: access.CertFile, KeyFile: access.KeyFile},
		BearerTokenFile: access.TokenFile,
	}, Origin(server), false)
	certificates, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	transport := direct
	if certificates != nil {
		transport = direct.Clone()
		transport.TLSClientConfig = certificates
		// The next caller has a transport of its own, so that nobody would use a connection that is kept.
		transport.DisableKeepAlives = true
	}
	return rest.HTTPWrappersForConfig(config, transport)
}

// reachWithLogin reaches a Service by a forwarded port, and sends it the login of a Secret, unless that would tell another
// namespace the login.
func (c *Client) reachWithLogin(address string, access Access) (string, *http.Client, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return "", nil, errNoURL
	}
	match := service.FindStringSubmatch(parsed.Hostname())
	if match == nil || parsed.Scheme != "http" {
		return "", nil, fmt.Errorf("%s is no Service that answers in plain HTTP, and no port of another can be forwarded", address)
	}
	port := cmp.Or(parsed.Port(), "80")
	way := c.forwarded(match[2], match[1], port)
	shown, _ := c.logins.LoadOrStore(fmt.Sprint(match[0], port, *access.Login), &withLogin{RoundTripper: bounded{way, Origin(parsed), false}, client: c, login: *access.Login, to: match[2]})
	return address, &http.Client{Transport: withHeaders{shown.(*withLogin), access.header()}, Timeout: callTimeout}, nil
}

// header returns the headers that are not secret.
func (a Access) header() http.Header {
	headers := http.Header{}
	for name, value := range a.Headers {
		headers.Set(name, value)
	}
	return headers
}

// withHeaders adds headers to each request.
type withHeaders struct {
	http.RoundTripper
	headers http.Header
}

// RoundTrip implements http.RoundTripper.
func (w withHeaders) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	for name, values := range w.headers {
		request.Header[name] = values
	}
	next := w.RoundTripper
	if next == nil {
		next = http.DefaultTransport
	}
	return next.RoundTrip(request)
}

func (c *Client) proxy(path string) (string, *http.Client, error) {
	transport, err := rest.TransportFor(bound(c.Config, APIServer, false))
	if err != nil {
		return "", nil, err
	}
	address := strings.TrimSuffix(c.Config.Host, "/") + path
	parsed, err := url.Parse(address)
	if err != nil {
		return "", nil, errNoURL
	}
	// What is behind the proxy may redirect within itself, and not to the API server's
	// own objects.
	before, _, _ := strings.Cut(path, "/proxy")
	own := parsed.Path[:strings.LastIndex(parsed.Path, before)] + before + "/proxy"
	return address, &http.Client{Transport: statuses{transport}, Timeout: callTimeout, CheckRedirect: below(own)}, nil
}

// Relayed is a status that came through the API server's proxy. It may be the API server's own, or
// that of the server behind the proxy, which may answer anything.
type Relayed struct{ error }

// Unwrap returns the status.
func (r *Relayed) Unwrap() error { return r.error }

// statuses turns what the API server itself answers in place of the server behind its
// proxy, such as "no endpoints available for service", into errors.
type statuses struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (s statuses) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := s.RoundTripper.RoundTrip(request)
	if err != nil || response.StatusCode < http.StatusBadRequest {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	if status := statusOf(body); status != nil {
		return nil, &Relayed{apierrors.FromObject(status)}
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}
