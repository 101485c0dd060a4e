package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/ci/image"
)

// nodeTimeout bounds a change to the node itself. Loading the images of two small programs takes 3 s.
const nodeTimeout = time.Minute

// TakeFromNode removes the images from the node, with all their names and layers. The end of the story loads them again from
// the cache, so they must be there.
func (s *Story) TakeFromNode(images ...image.Image) {
	s.Helper()
	ctx, cancel := s.Within(nodeTimeout)
	defer cancel()
	var archives []string
	for _, img := range images {
		archive, cached, err := img.Archive()
		require.NoError(s, err)
		require.True(s, cached, "%s must be in the cache, from which the end of the story loads it again", img.Ref)
		archives = append(archives, archive)
	}
	s.Cleanup(func() {
		// s.Context() is canceled before the cleanups run.
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
	require.Contains(s, left, "prometheus", "images of the node: the list must have those of the cluster, or a missing image proves nothing")
	for _, img := range images {
		name, _, _ := strings.Cut(img.Ref[strings.LastIndex(img.Ref, "/")+1:], ":")
		require.NotContains(s, left, name, "images of the node: %s must not be there under any name", img.Ref)
	}
}

// ServeToNode lets the node pull over plain HTTP from a registry that listens on a loopback address of this machine, until the
// story ends. The registry has the same address in the node.
func (s *Story) ServeToNode(registry string) {
	s.Helper()
	ctx, cancel := s.Within(nodeTimeout)
	defer cancel()
	route, err := s.cluster.Exec(ctx, s.cluster.Node(), "ip", "-4", "route", "show", "default")
	require.NoError(s, err)
	words := strings.Fields(route)
	require.Greater(s, len(words), 2, "the default route of the node is %q, want one through this machine", route)
	listener, err := net.Listen("tcp", net.JoinHostPort(words[2], "0"))
	require.NoError(s, err, "listen on the gateway of the engine's network, which must be this machine")
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

// Volume breaks nothing: it makes an empty volume in the node, without a class, for the claim of that name in the release's
// namespace. The fix removes claim and volume.
func Volume(claim string) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		node := s.cluster.Node()
		folder, err := s.cluster.Exec(ctx, node, "mktemp", "--directory", "--tmpdir=/var")
		if err != nil {
			return nil, err
		}
		volumes, claims := s.Release.CoreV1().PersistentVolumes(), s.Release.CoreV1().PersistentVolumeClaims(s.Release.Namespace)
		fix := func(ctx context.Context) error {
			err := claims.Delete(ctx, claim, metav1.DeleteOptions{})
			if apierrors.IsNotFound(err) {
				err = nil
			}
			return errors.Join(err, volumes.Delete(ctx, claim, metav1.DeleteOptions{}))
		}
		_, err = volumes.Create(ctx, &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: claim},
			Spec: corev1.PersistentVolumeSpec{
				Capacity:               corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("100Gi")},
				AccessModes:            []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: strings.TrimSpace(folder)}},
				ClaimRef:               &corev1.ObjectReference{Namespace: s.Release.Namespace, Name: claim},
				NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
					MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
				}}}},
			},
		}, metav1.CreateOptions{})
		return fix, err
	}
}
