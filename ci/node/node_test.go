package node

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/program"
)

// A node that is built must be what kind's own node image is.
func TestBuiltNodeIsOfTheVersionThatKindNames(t *testing.T) {
	kinds, err := Version()
	require.NoError(t, err)
	pinned, err := program.Kubernetes.Version()
	require.NoError(t, err)
	assert.Equal(t, kinds, pinned, "ci/modules/kubernetes/go.mod against the default node image of kind in go.mod")
}

// The images in a node carry the tags that kubeadm looks for; their contents must
// be of these versions.
func TestControlPlaneIsWhatKubeadmAsksFor(t *testing.T) {
	module, err := program.Kubernetes.ModuleDir(t.Context())
	require.NoError(t, err)
	names, err := controlPlane(module)
	require.NoError(t, err)
	etcd, err := program.Etcd.Version()
	require.NoError(t, err)
	coreDNS, err := program.CoreDNS.Version()
	require.NoError(t, err)

	tag := func(ref string) string { return ref[strings.LastIndex(ref, ":")+1:] }
	wanted, _, _ := strings.Cut(tag(names.etcd), "-")
	assert.Equal(t, wanted, strings.TrimPrefix(etcd, "v"), "ci/modules/etcd/go.mod against kubeadm's constants")
	assert.Equal(t, tag(names.coreDNS), coreDNS, "ci/modules/coredns/go.mod against kubeadm's constants")
}
