package node

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/semver"
	"sigs.k8s.io/yaml"

	"holograph/ci/program"
	"holograph/ci/repo"
)

// A node image that is built has the Kubernetes of kind's own node image.
func TestBuiltNodeIsOfTheVersionThatKindNames(t *testing.T) {
	kinds, err := Version()
	require.NoError(t, err)
	pinned, err := program.Kubernetes.Version()
	require.NoError(t, err)
	assert.Equal(t, kinds, pinned, "version in ci/modules/kubernetes/go.mod, want that of the default node image of kind in go.mod")
}

// The images in a node have the tags that kubeadm looks for, and programs of these versions.
func TestControlPlaneIsWhatKubeadmAsksFor(t *testing.T) {
	names := pinnedNames(t)
	etcd, err := program.Etcd.Version()
	require.NoError(t, err)
	coreDNS, err := program.CoreDNS.Version()
	require.NoError(t, err)

	// A later patch release has the same interface, and may have more fixes than the one that kubeadm names.
	holds := func(program, ref, pinned string) {
		_, wanted, _ := strings.Cut(ref, ":")
		wanted, _, _ = strings.Cut("v"+strings.TrimPrefix(wanted, "v"), "-")
		assert.Equal(t, semver.MajorMinor(wanted), semver.MajorMinor(pinned), "minor version in ci/modules/%s/go.mod, want that of kubeadm's constants", program)
		assert.GreaterOrEqual(t, semver.Compare(pinned, wanted), 0, "the version in ci/modules/%s/go.mod is %s, want kubeadm's %s or later", program, pinned, wanted)
	}
	holds("etcd", names.etcd, etcd)
	holds("coredns", names.coreDNS, coreDNS)
}

// The chart's placeholders then run an image that a node has.
func TestWarmCapacityRunsTheNodesPauseImage(t *testing.T) {
	path, err := repo.Path("charts", "holograph", "values.yaml")
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var values struct {
		WarmCapacity struct {
			Image struct{ Registry, Repository, Tag string }
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &values))
	image := values.WarmCapacity.Image
	assert.Equal(t, pinnedNames(t).pause, image.Registry+"/"+image.Repository+":"+image.Tag, "warmCapacity.image in values.yaml, want the sandbox_image of kind's containerd")
}

func pinnedNames(t *testing.T) names {
	t.Helper()
	kubernetes, err := program.Kubernetes.ModuleDir(t.Context())
	require.NoError(t, err)
	kind, err := program.Kind.ModuleDir(t.Context())
	require.NoError(t, err)
	read, err := controlPlane(kubernetes, kind)
	require.NoError(t, err)
	return read
}

// A node image that is built here does not have the name of kind's own, because other programs on the machine may use that.
func TestABuiltNodeHasANameOfItsOwn(t *testing.T) {
	built, err := builtRef()
	require.NoError(t, err)
	version, err := Version()
	require.NoError(t, err)
	assert.Equal(t, "localhost/holograph-node:"+version, built)
	assert.NotContains(t, built, "kindest")
}
