package kube

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

// The bounds of what is read of one answer. A server decides on the size of its answer: the
// bounds keep the doctor within its pod's memory, and are wide enough for thousands of pods.
const (
	// maxAnswer bounds a body, after it is decompressed.
	maxAnswer = 8 << 20
	// maxRefusal bounds the body of an answer that refuses, which is for a person to
	// read. The rest is left unread.
	maxRefusal = 64 << 10
	// maxItems bounds the list items of a JSON body. Three bytes of one become more
	// than a kilobyte of memory where they are a pod.
	maxItems = 1 << 14
	// maxDepth bounds how deep they are nested. The objects of Kubernetes stay below 30.
	maxDepth = 100
	// maxHeader bounds an answer's header.
	maxHeader = 64 << 10
	// maxPage bounds a pod's page of metrics, as the chart's prometheus.scrapeLimits.bodySize does by default. maxLine
	// bounds one of its lines, which may be labels from end to end, and maxSeries the series of one name.
	maxPage   = 1 << 20
	maxLine   = 64 << 10
	maxSeries = 10_000
)

// limitKey is the key of a request's context for a bound of the body that is less than maxAnswer.
type limitKey struct{}

// TooMuch is the error of an answer that exceeds a bound.
type TooMuch struct {
	// Who answered, and what it is too much of.
	Who, What string
}

// Error implements error.
func (t *TooMuch) Error() string {
	return fmt.Sprintf("%s answers with %s, which is more than is read of one answer", t.Who, t.What)
}

// Wait is the error of a server that asks to wait.
type Wait struct {
	Who, Status string
	// After is how long; zero where the server does not say it in a way that is understood.
	After time.Duration
}

// Error implements error.
func (w *Wait) Error() string {
	long := "a while"
	if w.After > 0 {
		long = w.After.String()
	}
	return fmt.Sprintf("%s answers %s and asks to wait for %s", w.Who, w.Status, long)
}

// Unreachable is the error of a server that cannot be connected to.
type Unreachable struct {
	Who string
	Err error
}

// Error implements error.
func (u *Unreachable) Error() string { return fmt.Sprintf("%s is not reached: %v", u.Who, u.Err) }

// Unwrap returns what keeps it from being reached.
func (u *Unreachable) Unwrap() error { return u.Err }

// APIServer is who answers on behalf of a cluster.
const APIServer = "the API server"

// bounded reads a whole answer before its caller does, within the bounds, and
// follows no redirect to another server, because the credentials would be sent
// there too.
type bounded struct {
	http.RoundTripper
	// server is who answers, or passes on what others do.
	server string
	// retried says that the sender of a request waits itself, where a server asks
	// for it and the request's time allows.
	retried bool
}

// WrappedRoundTripper returns what sends the requests, through which client-go cancels one that times out.
func (b bounded) WrappedRoundTripper() http.RoundTripper { return b.RoundTripper }

// bound returns the configuration with the answers of a server bounded.
func bound(config *rest.Config, server string, retried bool) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return bounded{next, server, retried} })
	return config
}

// direct is what reaches a server that is not behind the API server, and asks it
// for nothing but the answer.
var direct = func() *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = maxHeader
	return transport
}()

// who names the server that answers at an address.
func (b bounded) who(address *url.URL) string {
	if b.server == APIServer {
		return behind(address)
	}
	return b.server
}

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	who := b.who(request.URL)
	if from := request.Response; from != nil && from.Request != nil && !sameServer(from.Request.URL, request.URL) {
		return nil, fmt.Errorf("%s redirects to another server, %s, and a request with credentials does not follow", b.who(from.Request.URL), Origin(request.URL))
	}
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	response, err := b.RoundTripper.RoundTrip(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
	if err != nil {
		// On the way by a forwarded port, it may be the API server that is not reached.
		var away *Unreachable
		if !connected.Load() && !errors.As(err, &away) {
			err = &Unreachable{Who: b.server, Err: err}
		}
		return nil, err
	}
	response.Request = request
	// client-go's transports to the API server read more.
	if size := headerSize(response.Header); size > maxHeader {
		response.Body.Close()
		return nil, &TooMuch{Who: who, What: fmt.Sprintf("a header of more than %d KiB", maxHeader>>10)}
	}
	if wait := b.asked(who, request, response); wait != nil {
		response.Body.Close()
		return nil, wait
	}
	if response.StatusCode == http.StatusSwitchingProtocols {
		response.Body.Close()
		return nil, fmt.Errorf("%s answers %s to a request without an upgrade", who, status(response))
	}
	// A watch does not end, and is read event by event. No redirect begins one.
	if request.URL.Query().Get("watch") != "" && request.Response == nil {
		return response, nil
	}
	body, err := read(who, response)
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return response, nil
}

func headerSize(header http.Header) (size int) {
	for name, values := range header {
		for _, value := range values {
			size += len(name) + len(": ") + len(value) + len("\r\n")
		}
	}
	return size
}

// Origin is a server's address, without anything that could be secret.
func Origin(address *url.URL) string { return address.Scheme + "://" + address.Host }

func sameServer(a, b *url.URL) bool { return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host) }

// asked returns the error of a server that asks to be asked later, unless the sender of the
// request waits by itself.
func (b bounded) asked(who string, request *http.Request, response *http.Response) error {
	after := response.Header.Get("Retry-After")
	if response.StatusCode != http.StatusTooManyRequests && (after == "" || response.StatusCode < http.StatusInternalServerError) {
		return nil
	}
	wait := &Wait{Who: who, Status: status(response)}
	if seconds, err := strconv.Atoi(after); err == nil && seconds > 0 {
		wait.After = time.Duration(min(seconds, 1<<30)) * time.Second
	} else if at, err := http.ParseTime(after); err == nil {
		wait.After = max(0, time.Until(at).Round(time.Second))
	}
	if deadline, limited := request.Context().Deadline(); b.retried && wait.After > 0 && limited && time.Now().Add(wait.After).Before(deadline) {
		return nil
	}
	return wait
}

// status is an answer's code and what HTTP calls it, in place of the server's own
// words for it.
func status(response *http.Response) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", response.StatusCode, http.StatusText(response.StatusCode)))
}

// read returns the body of an answer that is within the bounds.
func read(who string, response *http.Response) ([]byte, error) {
	limit := maxAnswer
	if less, bounded := response.Request.Context().Value(limitKey{}).(int); bounded {
		limit = less
	}
	refused := response.StatusCode >= http.StatusBadRequest
	if refused {
		limit = maxRefusal
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)+1))
	switch {
	case len(body) > limit && refused:
		return body[:limit], nil
	case len(body) > limit:
		return nil, &TooMuch{Who: who, What: fmt.Sprintf("more than %d MiB", limit>>20)}
	case err != nil:
		return nil, fmt.Errorf("the answer of %s is cut after %d bytes: %w", who, len(body), err)
	}
	return body, digestible(who, body)
}

// abyss matches a number that takes the parser of Kubernetes' quantities minutes and
// gigabytes: it shifts by as many digits as the exponent says.
var abyss = regexp.MustCompile(`["\s:,\[][+-]?(?:[0-9.]+[eE]-[0-9]{5,}|[0-9.]{19,}[eE]\+?[0-9]{5,})["\s,}\]]`)

// digestible returns why a body, where it is JSON or protobuf, would take more memory or time
// than its size lets expect.
func digestible(who string, body []byte) error {
	if bytes.HasPrefix(body, protobufMagic) {
		return digestibleProtobuf(who, body)
	}
	if start := bytes.TrimLeft(body, " \t\r\n"); len(start) == 0 || start[0] != '{' && start[0] != '[' {
		return nil
	}
	var isList []bool
	items, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			isList = append(isList, c == '[')
			if len(isList) > maxDepth {
				return &TooMuch{Who: who, What: fmt.Sprintf("JSON that is nested more than %d deep", maxDepth)}
			}
			if c == '[' {
				items++
			}
		case (c == '}' || c == ']') && len(isList) > 0:
			isList = isList[:len(isList)-1]
		case c == ',' && len(isList) > 0 && isList[len(isList)-1]:
			items++
		}
		if items > maxItems {
			return &TooMuch{Who: who, What: fmt.Sprintf("more than %d list items", maxItems)}
		}
	}
	if found := abyss.Find(body); found != nil {
		return &TooMuch{Who: who, What: fmt.Sprintf("a number of more digits (%.40s) than a quantity has", bytes.Trim(found, "\" \t\r\n:,[]}"))}
	}
	return nil
}

// through is what follows the name of who answers by way of an API server.
const through = ", through " + APIServer

// behind names who answers what is asked of an API server, which passes many
// requests on.
func behind(address *url.URL) string {
	if match := proxied.FindStringSubmatch(address.Path); match != nil {
		return strings.TrimSuffix(match[2], "s") + " " + match[1] + "/" + match[3] + through
	}
	if match := aggregated.FindStringSubmatch(address.Path); match != nil {
		return match[1] + through
	}
	return APIServer
}

var (
	proxied    = regexp.MustCompile(`/api/v1/namespaces/([^/]+)/(pods|services)/(?:https?:)?([^/:]+)(?::[^/]*)?/proxy(?:/|$)`)
	aggregated = regexp.MustCompile(`/apis/((?:custom|external)\.metrics\.k8s\.io)(?:/|$)`)
)

// jsonOnly refuses what an API server answers in another encoding than the one that
// it was asked for: client-go would decode it.
type jsonOnly struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (j jsonOnly) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := j.RoundTripper.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if given := response.Header.Get("Content-Type"); given != "" {
		media, _, err := mime.ParseMediaType(given)
		if media == runtime.ContentTypeProtobuf && strings.HasPrefix(request.Header.Get("Accept"), media) {
			return response, nil
		}
		if err != nil || strings.Contains(media, "yaml") || strings.Contains(media, "protobuf") || strings.Contains(media, "cbor") {
			response.Body.Close()
			return nil, fmt.Errorf("%s answers with the content type %.60q, and was asked for JSON", behind(request.URL), given)
		}
	}
	return response, nil
}

// WrappedRoundTripper returns what sends the requests, through which client-go cancels one that times out.
func (j jsonOnly) WrappedRoundTripper() http.RoundTripper { return j.RoundTripper }

// errRedirect is the error of a redirect that leaves what was asked.
var errRedirect = errors.New("it redirects to a path that is not its own, and the doctor does not follow")

// below lets a client follow redirects only below a path.
func below(path string) func(*http.Request, []*http.Request) error {
	return func(request *http.Request, via []*http.Request) error {
		switch {
		case len(via) >= 10:
			return errors.New("it redirects again and again")
		case !sameServer(via[0].URL, request.URL):
			return nil // The transport says where it does not go.
		case !strings.HasPrefix(request.URL.Path, path) || strings.Contains(request.URL.Path, "/../"):
			return errRedirect
		}
		return nil
	}
}
