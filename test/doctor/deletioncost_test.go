package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// servedProbes serves the writer's probes, and returns their address.
func servedProbes(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server, bounded := probeServer(listener, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	go func() { assert.ErrorIs(t, server.Serve(bounded), http.ErrServerClosed) }()
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return listener.Addr().String()
}

// TestProbePortIsBounded: nobody who reaches the port of the probes can fill the writer's memory or keep the kubelet out of
// it: a large header is refused, an incomplete request ends, and a connection has one answer.
func TestProbePortIsBounded(t *testing.T) {
	t.Parallel()
	address := servedProbes(t)

	for name, test := range map[string]struct {
		request, status string
	}{
		"a probe":             {"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK"},
		"a large header":      {"GET /healthz HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("a", 16<<10) + "\r\n\r\n", "431 Request Header Fields Too Large"},
		"an unfinished head":  {"GET /healthz HTTP/1.1\r\nHost: a\r\n", ""},
		"a body that is owed": {"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n", "200 OK"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connection, err := net.Dial("tcp", address)
			require.NoError(t, err)
			defer connection.Close()
			_, err = io.WriteString(connection, test.request)
			require.NoError(t, err)
			// Twice the server's own limit, so that a server without one fails here.
			require.NoError(t, connection.SetReadDeadline(time.Now().Add(10*time.Second)))
			answer, err := io.ReadAll(bufio.NewReader(connection))
			assert.NoError(t, err, "the end of the connection: it is open after 10 s")
			line, _, _ := strings.Cut(string(answer), "\r\n")
			assert.Equal(t, test.status, strings.TrimPrefix(line, "HTTP/1.1 "), "the answer")
		})
	}
}

// TestProbesAreAnsweredInACrowd: the kubelet has its answer while strangers hold more connections than the port has, long
// before the server's own limits end them.
func TestProbesAreAnsweredInACrowd(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"silence":                   "",
		"unfinished heads":          "GET /healthz HTTP/1.1\r\nHost: a\r\n",
		"bodies that are owed":      "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n",
		"answers that nobody reads": "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := servedProbes(t)
			dial := func(text string) net.Conn {
				connection, err := net.Dial("tcp", address)
				require.NoError(t, err)
				t.Cleanup(func() { connection.Close() })
				io.WriteString(connection, text)
				return connection
			}
			for range probeConnections + 10 {
				dial(text)
			}
			probe := dial("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
			require.NoError(t, probe.SetReadDeadline(time.Now().Add(3*time.Second)))
			line, err := bufio.NewReader(probe).ReadString('\n')
			require.NoError(t, err, "the answer to the probe: the strangers hold every connection")
			assert.Equal(t, "HTTP/1.1 200 OK\r\n", line, "the answer to the probe")
		})
	}
}
