package bump

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/image"
	"holograph/ci/program"
	"holograph/ci/repo"
)

func TestAnUnknownProgramIsRefusedWithTheKnownOnes(t *testing.T) {
	err := Bump(t.Context(), nil, "promethius", "v3.14.0")
	assert.ErrorContains(t, err, `there is no program "promethius"; the programs are alertmanager, cert-manager, cni-plugins, `)
	assert.ErrorContains(t, err, ", prometheus, ")
}

func TestAMissingVersionIsRefused(t *testing.T) {
	assert.EqualError(t, Bump(t.Context(), nil, "k6", ""), "no version of k6 is given; write VERSION=v1.2.3 or VERSION=latest")
}

// All that a version stands in by hand: of each program that values.yaml has a tag of, the tag,
// and of each that the simulator requires, its go.mod.
func TestEveryPlaceOfAVersionIsFound(t *testing.T) {
	for _, c := range []struct {
		program program.Program
		folders []string
		images  int
	}{
		{program.Prometheus, []string{"ci/modules/prometheus", "test/sim"}, 1},
		{program.PrometheusAdapter, []string{"ci/modules/prometheus-adapter"}, 1},
		{program.KubeStateMetrics, []string{"ci/modules/kube-state-metrics"}, 1},
		{program.Kubernetes, []string{"ci/modules/kubernetes", "test/sim"}, 0},
		{program.KubernetesOldest, []string{"ci/modules/kubernetes-oldest"}, 0},
		{program.Helm, []string{"", "test/sim"}, 0},
		{program.K6, []string{"ci/modules/k6"}, 0},
	} {
		pinned, err := c.program.Module()
		require.NoError(t, err)
		folders, err := foldersOf(c.program, pinned)
		require.NoError(t, err)
		assert.Subset(t, folders, c.folders, "the go.mod files that require %s", c.program.Name)
		images, err := imagesOf(c.program)
		require.NoError(t, err)
		assert.Len(t, images, c.images, "the images in values.yaml that hold %s", c.program.Name)
	}
}

func TestTheTagOfOneImageIsReplaced(t *testing.T) {
	path, err := repo.Path("charts", "holograph", "values.yaml")
	require.NoError(t, err)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	images, err := imagesOf(program.Prometheus)
	require.NoError(t, err)
	old := images[0].Ref[strings.LastIndex(images[0].Ref, ":")+1:]
	after, err := replaceTag(before, "prometheus/prometheus", old, "v9.9.9")
	require.NoError(t, err)
	assert.Equal(t, strings.Replace(string(before), "tag: "+old, "tag: v9.9.9", 1), string(after))

	_, err = replaceTag(before, "prometheus/prometheus", "v0.0.1", "v9.9.9")
	assert.EqualError(t, err, "no line `tag: v0.0.1` follows `repository: prometheus/prometheus`")
}

func TestTheDigestOfOneImageIsRemoved(t *testing.T) {
	path, err := repo.Path("ci", "image", "catalogue.go")
	require.NoError(t, err)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	images, err := image.Chart()
	require.NoError(t, err)
	dropped := 0
	for _, img := range images {
		if img.Digest == "" {
			continue
		}
		after, err := dropDigest(before, img.Ref)
		require.NoError(t, err)
		assert.NotContains(t, string(after), img.Digest)
		dropped++
	}
	assert.Positive(t, dropped, "images with a digest: the test drops each")
	_, err = dropDigest(before, "quay.io/x/y:v1")
	assert.EqualError(t, err, "want one line for quay.io/x/y:v1, found 0")
}
