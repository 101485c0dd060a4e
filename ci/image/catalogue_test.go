package image

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A set is what it adds, no less and no more.
func TestSetsAddToWhatEveryClusterRuns(t *testing.T) {
	base, err := All()
	require.NoError(t, err)
	for set, images := range sets {
		extended, err := All(set)
		require.NoError(t, err)
		assert.Equal(t, base, extended[:len(base)], "set %s", set)
		assert.Len(t, extended, len(base)+len(images), "set %s", set)
	}
	bench, err := All(Bench)
	require.NoError(t, err)
	assert.Regexp(t, `^registry\.k8s\.io/metrics-server/metrics-server:v\d+\.\d+\.\d+$`, bench[len(base)].Ref)
}

// An image that two sets hold is one.
func TestSetsShareImages(t *testing.T) {
	all, err := All(Sources, Bench)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, img := range all {
		assert.False(t, seen[img.Ref], "%s is listed twice", img.Ref)
		seen[img.Ref] = true
	}
}

func TestAnUnknownSetIsNamed(t *testing.T) {
	_, err := All("bnech")
	require.ErrorContains(t, err, `"bnech" is no set of images: there are [`)
}
