package chart_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/repo"
	"holograph/test/internal/chart"
)

// TestDocsNameTests: every test that a page names exists, and where the page links to it, it is in the file of the link.
func TestDocsNameTests(t *testing.T) {
	t.Parallel()
	root, err := repo.Root()
	require.NoError(t, err)
	tests := testsOf(t, filepath.Join(root, "ci"), filepath.Join(root, "test"))
	name := regexp.MustCompile("`(Test[A-Z]\\w*)(?:/\\w+)?`(?:\\]\\(([^)]+)\\))?")
	proofs := 0
	for _, page := range chart.Pages(t) {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page)))
		require.NoError(t, err)
		for _, match := range name.FindAllStringSubmatch(string(text), -1) {
			files := tests[match[1]]
			assert.NotEmpty(t, files, "files with %s, which %s names", match[1], page)
			if match[2] != "" {
				proofs++
				assert.Contains(t, files, filepath.Join(root, filepath.Dir(page), filepath.FromSlash(match[2])), "files with %s, to which %s links", match[1], page)
			}
		}
	}
	assert.Positive(t, proofs, "tests that the pages link to")
}

// testsOf returns the files below the folders that have a test, by the test's name.
func testsOf(t *testing.T, folders ...string) map[string][]string {
	t.Helper()
	test := regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(`)
	files := map[string][]string{}
	for _, folder := range folders {
		require.NoError(t, filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, match := range test.FindAllStringSubmatch(string(source), -1) {
				files[match[1]] = append(files[match[1]], path)
			}
			return err
		}))
	}
	return files
}
