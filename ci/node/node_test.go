package node

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/semver"

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

	// A later patch release has the same interface, and repairs that kubeadm's may lack.
	holds := func(program, ref, pinned string) {
		_, wanted, _ := strings.Cut(ref, ":")
		wanted, _, _ = strings.Cut("v"+strings.TrimPrefix(wanted, "v"), "-")
		assert.Equal(t, semver.MajorMinor(wanted), semver.MajorMinor(pinned), "ci/modules/%s/go.mod against kubeadm's constants", program)
		assert.GreaterOrEqual(t, semver.Compare(pinned, wanted), 0, "ci/modules/%s/go.mod has %s, and kubeadm's constants %s", program, pinned, wanted)
	}
	holds("etcd", names.etcd, etcd)
	holds("coredns", names.coreDNS, coreDNS)
}

// A node image that is built here is not under kind's own name, whose place another
// program on the machine may look at.
func TestABuiltNodeHasANameOfItsOwn(t *testing.T) {
	built, err := builtRef()
	require.NoError(t, err)
	version, err := Version()
	require.NoError(t, err)
	assert.Equal(t, "localhost/holograph-node:"+version, built)
	assert.NotContains(t, built, "kindest")
}
