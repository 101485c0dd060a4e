package harness

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/image"
)

// nodeTimeout bounds what is done to the node itself. The images of two small programs take it 3 s.
const nodeTimeout = time.Minute

// TakeFromNode removes the images from the node until the story ends, with all their names and what they consist of. The
// images must be in the cache, from which the node gets them again.
func (s *Story) TakeFromNode(images ...image.Image) {
	s.Helper()
	ctx, cancel := s.Within(nodeTimeout)
	defer cancel()
	var archives []string
	for _, img := range images {
		archive, cached, err := img.Archive()
		require.NoError(s, err)
		require.True(s, cached, "%s must be in the cache, from which the node gets it again", img.Ref)
		archives = append(archives, archive)
	}
	s.Cleanup(func() {
		// s.Context() has ended before the cleanups.
		ctx, cancel := context.WithTimeout(context.Background(), nodeTimeout)
		defer cancel()
		for _, archive := range archives {
			assert.NoError(s, s.cluster.LoadArchive(ctx, archive))
		}
	})
	for _, img := range images {
		_, err := s.cluster.Exec(ctx, s.cluster.Node(), "crictl", "rmi", img.Ref)
		require.NoError(s, err)
	}
	left, err := s.cluster.Exec(ctx, s.cluster.Node(), "crictl", "images", "--output", "json")
	require.NoError(s, err)
	require.Contains(s, left, "prometheus", "the node must list what it has, or a missing image proves nothing")
	for _, img := range images {
		name, _, _ := strings.Cut(img.Ref[strings.LastIndex(img.Ref, "/")+1:], ":")
		require.NotContains(s, left, name, "the node must not have %s under any name", img.Ref)
	}
}

// ServeToNode lets the node pull from a registry that listens on a loopback address of this machine, over plain HTTP, until
// the story ends. In the node the registry has the same address.
func (s *Story) ServeToNode(registry string) {
	s.Helper()
	ctx, cancel := s.Within(nodeTimeout)
	defer cancel()
	route, err := s.cluster.Exec(ctx, s.cluster.Node(), "ip", "-4", "route", "show", "default")
	require.NoError(s, err)
	words := strings.Fields(route)
	require.Greater(s, len(words), 2, "the node's default route is %q, want one by way of this machine", route)
	listener, err := net.Listen("tcp", net.JoinHostPort(words[2], "0"))
	require.NoError(s, err, "the gateway of the engine's network must be this machine")
	proxy := &http.Server{
		Handler:           httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: registry}),
		ReadHeaderTimeout: nodeTimeout,
	}
	go func() { _ = proxy.Serve(listener) }()
	s.Cleanup(func() { _ = proxy.Close() })

	folder := "/etc/containerd/certs.d/" + registry
	hosts := fmt.Sprintf("server = %[1]q\n\n[host.%[1]q]\n  capabilities = [\"pull\", \"resolve\"]\n", "http://"+listener.Addr().String())
	_, err = s.cluster.Feed(ctx, s.cluster.Node(), strings.NewReader(hosts), "sh", "-c", `mkdir -p "$0" && cat >"$0/hosts.toml"`, folder)
	require.NoError(s, err)
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), nodeTimeout)
		defer cancel()
		_, err := s.cluster.Exec(ctx, s.cluster.Node(), "rm", "-r", folder)
		assert.NoError(s, err)
	})
}
