package kube

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// asked has each kind of request of this package, with the server that answers it.
var asked = map[string]struct {
	who string
	ask func(ctx context.Context, c *Client, address string) error
}{
	"an object": {"the API server", func(ctx context.Context, c *Client, _ string) error {
		_, err := c.AppsV1().Deployments("film").Get(ctx, "renderer", metav1.GetOptions{})
		return err
	}},
	"a list": {"the API server", func(ctx context.Context, c *Client, _ string) error {
		_, err := c.LivePods(ctx, "film", "")
		return err
	}},
	"the custom metrics": {"custom.metrics.k8s.io, through the API server", func(ctx context.Context, c *Client, _ string) error {
		_, err := c.MetricsVersion(ctx)
		return err
	}},
	"Prometheus through the API server": {"service film/prometheus, through the API server", func(ctx context.Context, c *Client, _ string) error {
		return queried(ctx, c, "http://prometheus.film.svc:9090", Access{})
	}},
	"Prometheus": {"", func(ctx context.Context, c *Client, address string) error { return queried(ctx, c, address, Access{}) }},
	"Prometheus with a token": {"", func(ctx context.Context, c *Client, address string) error {
		token, err := os.CreateTemp("", "token")
		if err != nil {
			return err
		}
		defer os.Remove(token.Name())
		fmt.Fprint(token, "s3cr3t-bearer")
		return errors.Join(token.Close(), queried(ctx, c, address, Access{TokenFile: token.Name()}))
	}},
	"a pod through the API server": {"pod film/renderer-0, through the API server", func(ctx context.Context, c *Client, _ string) error {
		return fetched(ctx, c)
	}},
}

func queried(ctx context.Context, c *Client, address string, access Access) error {
	api, err := c.PrometheusAt(address, access)
	if err == nil {
		_, err = Vector(ctx, api, "up")
	}
	return err
}

func fetched(ctx context.Context, c *Client) error {
	_, _, err := c.GetFromPod(ctx, corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "film", Name: "renderer-0"}}, 8080, "/metrics")
	return err
}

// everyWay sends each kind of request to a server.
func everyWay(t *testing.T, answer http.HandlerFunc, check func(t *testing.T, who string, err error)) {
	t.Helper()
	for way, read := range asked {
		t.Run(way, func(t *testing.T) {
			server := httptest.NewServer(answer)
			defer server.Close()
			client, err := New(&rest.Config{Host: server.URL, BearerToken: "s3cr3t-token"})
			require.NoError(t, err)
			who := read.who
			if who == "" {
				who = server.URL
			}
			check(t, who, read.ask(t.Context(), client, server.URL))
		})
	}
}

// For each kind of request, an answer beyond a limit is an error that names the server and the limit.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	endless := func(w io.Writer) {
		line := bytes.Repeat([]byte("x"), 1<<16)
		for sent := 0; sent < 300<<20; sent += len(line) {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"300 MB": {func(w http.ResponseWriter, _ *http.Request) { endless(w) }, "more than 8 MiB"},
		"300 MB in a few bytes": {func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				endless(w)
				return
			}
			w.Header().Set("Content-Encoding", "gzip")
			packed := gzip.NewWriter(w)
			endless(packed)
			packed.Close()
		}, "more than 8 MiB"},
		"empty items": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"kind":"List","items":[{}%s]}`, strings.Repeat(",{}", maxItems))
		}, "more than 16384 list items"},
		"nested": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Repeat(`{"a":`, 5000))
		}, "nested more than 100 deep"},
		"a small number of a billion digits": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"items":[{"value":"1e-1000000000"}]}`)
		}, "a number of more digits (1e-1000000000) than a quantity has"},
		"a large number of a billion digits": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"items":[{"value":  1234567890123456789012e1000000000 }]}`)
		}, "a number of more digits (1234567890123456789012e1000000000) than a quantity has"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everyWay(t, test.answer, func(t *testing.T, who string, err error) {
				var much *TooMuch
				require.ErrorAs(t, err, &much)
				assert.Equal(t, who, much.Who)
				assert.Contains(t, much.What, test.says)
			})
		})
	}
}

// The page of metrics of a pod has less room than another answer, because each of its bytes may become many in memory.
func TestPagesAreBounded(t *testing.T) {
	t.Parallel()
	many := func(n int, line string) string { return strings.Repeat(line, n) }
	for name, test := range map[string]struct {
		page string
		says string // Empty if the page is read.
		want int
	}{
		"1 MiB":             {page: many(1<<20/64-1, "# "+strings.Repeat("x", 61)+"\n") + "a" + many(63, "\n"), want: 1},
		"more than that":    {page: many(1<<20/64, "# "+strings.Repeat("x", 61)+"\n") + "a", says: "more than 1 MiB"},
		"a full line":       {page: "a{" + many(maxLine/6, `b="c",`)[:maxLine-8] + "} 1\n", want: 1},
		"a line of labels":  {page: "a{" + many(maxLine/6, `b="c",`) + "} 1\n", says: "a line of more than 64 KiB"},
		"a line of comment": {page: "# " + many(maxLine, "x"), says: "a line of more than 64 KiB"},
		"10,000 series":     {page: many(maxSeries, "a{b=\"c\"} 1\n") + many(maxSeries, "aa 1\n"), want: maxSeries},
		"10,001 series":     {page: many(maxSeries+1, "a{b=\"c\"} 1\n"), says: "more than 10000 series of a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, test.page) }))
			defer server.Close()
			host, port, err := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
			require.NoError(t, err)
			number, err := strconv.Atoi(port)
			require.NoError(t, err)
			for who, inside := range map[string]bool{"pod film/renderer-0, through the API server": false, "pod film/renderer-0": true} {
				client, err := New(&rest.Config{Host: server.URL})
				require.NoError(t, err)
				client.Inside = inside
				pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "film", Name: "renderer-0"}, Status: corev1.PodStatus{PodIP: host}}
				_, found, err := client.SeriesOfPod(t.Context(), pod, number, "/metrics", map[string]bool{"a": true})
				if test.says == "" {
					require.NoError(t, err, who)
					assert.Len(t, found["a"], test.want, who)
					continue
				}
				var much *TooMuch
				require.ErrorAs(t, err, &much, who)
				assert.Equal(t, TooMuch{Who: who, What: test.says}, *much)
			}
		})
	}
}

// A string that looks like a number with too many digits is accepted.
func TestNamesThatLookLikeNumbersAreAccepted(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"a":"1e123456"}`, `{"a":"12345678-1234-1234-124e-123456789012"}`, `{"a":"renderer-5d4e-12345"}`,
		`{"a":"1e-9"}`, `{"a":"1e3"}`, `{"a":[1.5e-300]}`, `{"a":"]]]]}}}}[[[[{{{{,,,,\""}`,
	} {
		assert.NoError(t, digestible("who", []byte(body)), body)
	}
}

// The error quotes the body of a refusal up to a limit, and the rest is not read.
func TestRefusalsAreCut(t *testing.T) {
	t.Parallel()
	everyWay(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		for range 1 << 20 {
			if _, err := w.Write([]byte("no, no. ")); err != nil {
				return
			}
		}
	}, func(t *testing.T, who string, err error) {
		if strings.HasPrefix(who, "pod ") {
			return // Here the caller checks the status.
		}
		require.Error(t, err)
		assert.Less(t, len(err.Error()), 2*maxRefusal)
	})
}

// The header of an answer has a limit too, whichever way the answer comes.
func TestHeadersAreBounded(t *testing.T) {
	t.Parallel()
	answer := func(w http.ResponseWriter, _ *http.Request) {
		for i := range 100 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 2048))
		}
	}
	const says = "server response headers exceeded 65536 bytes|response header list larger than advertised limit|connection error: PROTOCOL_ERROR"
	everyWay(t, answer, func(t *testing.T, who string, err error) {
		require.Error(t, err)
		assert.Regexp(t, says+"|^(.*: )?"+who+" answers with a header of more than 64 KiB", err.Error())
	})
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprintf("Prometheus with a CA over HTTP/%d", version), func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(answer))
			server.EnableHTTP2 = version == 2
			server.StartTLS()
			defer server.Close()
			ca := filepath.Join(t.TempDir(), "ca.crt")
			require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
			client, err := New(&rest.Config{Host: server.URL})
			require.NoError(t, err)
			err = queried(t.Context(), client, server.URL, Access{CAFile: ca})
			require.Error(t, err)
			assert.Regexp(t, says, err.Error())
		})
	}
}

// If a server asks for a longer wait than there is time, the request fails at once, and the error has that wait.
func TestALongWaitFailsAtOnce(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"3600":                          "asks to wait for 1h0m0s",
		"":                              "asks to wait for a while",
		"99999999999999999999999":       "asks to wait for a while",
		"-1":                            "asks to wait for a while",
		"soon":                          "asks to wait for a while",
		"Fri, 01 Jan 1999 00:00:00 GMT": "asks to wait for a while",
	} {
		for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			if header == "" && code != http.StatusTooManyRequests {
				continue // Such an answer does not ask for a wait.
			}
			t.Run(fmt.Sprint(code, header), func(t *testing.T) {
				t.Parallel()
				everyWay(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Retry-After", header)
					w.WriteHeader(code)
				}, func(t *testing.T, who string, err error) {
					var wait *Wait
					require.ErrorAs(t, err, &wait)
					assert.Equal(t, who, wait.Who)
					assert.Equal(t, fmt.Sprintf("%s answers %d %s and %s", who, code, http.StatusText(code), want), wait.Error())
				})
			})
		}
	}
}

// A request waits if an API server asks for a short wait.
func TestAShortWaitIsWaited(t *testing.T) {
	t.Parallel()
	var times atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if times.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"kind":"PodList","apiVersion":"v1","items":[]}`)
	}))
	defer server.Close()
	client, err := New(&rest.Config{Host: server.URL})
	require.NoError(t, err)
	_, err = client.LivePods(t.Context(), "film", "")
	require.NoError(t, err)
	assert.EqualValues(t, 2, times.Load())
}

// No redirect sends credentials to another server, or to other objects of the API server.
func TestRedirectsCarryNoCredentials(t *testing.T) {
	t.Parallel()
	var visits atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { visits.Add(1) }))
	t.Cleanup(other.Close)
	for name, test := range map[string]struct {
		to   func(r *http.Request) string
		says string
	}{
		"another server": {func(*http.Request) string { return other.URL + "/steal" }, "another server, " + other.URL + ", and a request with credentials does not follow"},
		"itself":         {func(r *http.Request) string { return r.URL.Path }, "10 redirects"},
	} {
		t.Run(name, func(t *testing.T) {
			everyWay(t, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, test.to(r), http.StatusTemporaryRedirect)
			}, func(t *testing.T, who string, err error) {
				require.Error(t, err)
				says := test.says
				if name == "itself" && strings.Contains(who, "pod ") || name == "itself" && strings.Contains(who, "service ") {
					says = "it redirects again and again"
				}
				assert.ErrorContains(t, err, says)
				assert.NotContains(t, err.Error(), "s3cr3t")
			})
		})
	}
	assert.Zero(t, visits.Load(), "requests to the other server")

	t.Run("Secrets", func(t *testing.T) {
		var seen []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.URL.Path)
			http.Redirect(w, r, "/api/v1/namespaces/film/secrets", http.StatusFound)
		}))
		defer server.Close()
		client, err := New(&rest.Config{Host: server.URL + "/clusters/one"})
		require.NoError(t, err)
		assert.ErrorContains(t, fetched(t.Context(), client), "it redirects to a path that is not its own, and the doctor does not follow")
		assert.ErrorContains(t, queried(t.Context(), client, "http://prometheus.film.svc:9090", Access{}), "it redirects to a path that is not its own, and the doctor does not follow")
		assert.NotContains(t, strings.Join(seen, " "), "secrets")
	})
}

// Requests to an API server ask only for JSON, because only JSON answers are checked against the limits.
func TestJSONIsAskedFor(t *testing.T) {
	t.Parallel()
	everyWay(t, func(w http.ResponseWriter, r *http.Request) {
		if accept := r.Header.Get("Accept"); strings.Contains(accept, "protobuf") || strings.Contains(r.Header.Get("Content-Type"), "protobuf") {
			w.Header().Set("Content-Type", "application/vnd.kubernetes.protobuf")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"kind":"List","apiVersion":"v1","preferredVersion":{"version":"v1"},"status":"success","data":{"resultType":"vector","result":[]}}`)
	}, func(t *testing.T, _ string, err error) {
		if err != nil {
			assert.NotContains(t, err.Error(), "protobuf")
		}
	})
}

// A call that times out cancels its request. client-go looks for the transport that can cancel it below each round tripper,
// and logs "unable to cancel request" if a round tripper hides it.
func TestRequestsCanBeCanceled(t *testing.T) {
	client, err := New(&rest.Config{Host: "http://127.0.0.1:1"})
	require.NoError(t, err)
	transport := client.CoreV1().RESTClient().(*rest.RESTClient).Client.Transport
	for {
		if _, found := transport.(*http.Transport); found {
			return
		}
		wrapper, wraps := transport.(utilnet.RoundTripperWrapper)
		require.True(t, wraps, "%T has no WrappedRoundTripper, want one: it hides the transport that cancels requests", transport)
		transport = wrapper.WrappedRoundTripper()
	}
}

// An answer with another media type than JSON is not decoded.
func TestOtherMediaTypesAreNotDecoded(t *testing.T) {
	t.Parallel()
	for _, media := range []string{"application/yaml", "application/vnd.kubernetes.protobuf", "application/cbor", "application;;"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", media)
			w.Write([]byte("k8s\x00\x0a\x0a"))
		}))
		client, err := New(&rest.Config{Host: server.URL})
		require.NoError(t, err)
		_, err = client.LivePods(t.Context(), "film", "")
		assert.ErrorContains(t, err, fmt.Sprintf("the API server answers with the content type %q, and was asked for JSON", media))
		server.Close()
	}
}

// A switch to another protocol is refused, because its answer never ends.
func TestASwitchOfTheProtocolIsRefused(t *testing.T) {
	t.Parallel()
	everyWay(t, func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer connection.Close()
		fmt.Fprint(connection, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: anything\r\n\r\n")
		io.Copy(io.Discard, connection)
	}, func(t *testing.T, who string, err error) {
		assert.ErrorContains(t, err, who+" answers 101 Switching Protocols to a request without an upgrade")
	})
}

// A body that is shorter than its length is an error.
func TestABodyThatIsCutIsAnError(t *testing.T) {
	t.Parallel()
	everyWay(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Write([]byte(`{"items":[`))
	}, func(t *testing.T, who string, err error) {
		assert.ErrorContains(t, err, "the answer of "+who+" is cut after 10 bytes: unexpected EOF")
	})
}

// A server that cannot be reached gives an error of its own type.
func TestAnUnreachableServerHasAnErrorOfItsOwn(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	client, err := New(&rest.Config{Host: server.URL})
	require.NoError(t, err)
	for way, read := range asked {
		var unreachable *Unreachable
		require.ErrorAs(t, read.ask(t.Context(), client, server.URL), &unreachable, way)
	}
}

// The error does not quote an address that cannot be parsed, because a part of it may be a password.
func TestAddressesAreNotQuoted(t *testing.T) {
	t.Parallel()
	client, err := New(&rest.Config{Host: "https://api.example"})
	require.NoError(t, err)
	folder := t.TempDir()
	token := filepath.Join(folder, "token")
	require.NoError(t, os.WriteFile(token, []byte("secret"), 0o600))
	for _, address := range []string{"http://admin:S3CR3T", "http://admin:S3%zzCR3T@host", "http://admin:S3/CR3T@host", "http://admin:S3CR3T@[::1", "://S3CR3T"} {
		_, err := client.PrometheusAt(address, Access{TokenFile: token})
		require.Error(t, err, "%s is taken for a URL", address)
		assert.EqualError(t, err, "its address is no URL")
	}
}
