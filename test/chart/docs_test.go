package chart_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/repo"
)

// TestDocsNameTests: every test that the docs link to is in the file that the link names.
func TestDocsNameTests(t *testing.T) {
	t.Parallel()
	root, err := repo.Root()
	require.NoError(t, err)
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	proof := regexp.MustCompile("\\[`(Test\\w+)`\\]\\(([^)]+)\\)")
	proofs := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, match := range proof.FindAllStringSubmatch(string(text), -1) {
			proofs++
			source, err := os.ReadFile(filepath.Join(filepath.Dir(page), filepath.FromSlash(match[2])))
			if assert.NoError(t, err, filepath.Base(page)) {
				assert.Contains(t, string(source), "\nfunc "+match[1]+"(", "%s, which %s names", match[2], filepath.Base(page))
			}
		}
	}
	assert.Positive(t, proofs, "tests that the pages name")
}
