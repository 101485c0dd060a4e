package supply

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestASetAddsItsImages(t *testing.T) {
	base, err := Images()
	require.NoError(t, err)
	assert.Len(t, base, 6, "images of every cluster: the chart's five and k6")
	for set, content := range sets {
		extended, err := Images(set)
		require.NoError(t, err)
		assert.Equal(t, base, extended[:len(base)], "set %s", set)
		assert.Len(t, extended, len(base)+len(content.images), "set %s", set)
	}
}

func TestAnImageOfTwoSetsIsListedOnce(t *testing.T) {
	all, err := Images(Sources, Bench)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, img := range all {
		assert.False(t, seen[img.Ref], "%s is listed twice", img.Ref)
		seen[img.Ref] = true
		if !img.Local {
			_, err := name.NewTag(img.Ref, name.StrictValidation)
			assert.NoError(t, err, "name of an image: it must have a registry and a tag")
		}
	}
}

func TestAnUnknownSetIsRefusedWithTheKnownOnes(t *testing.T) {
	_, err := Images("bnech")
	assert.EqualError(t, err, `the set is "bnech", want one of ["bench" "faults" "lifecycle" "nodes" "promises" "scale" "sources"]`)
}
