package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"

	"holograph/ci/pack/keyring"
	"holograph/ci/repo"
)

// chartCopy returns a copy of the chart in another folder, with files of that time.
func chartCopy(t *testing.T, at time.Time) string {
	t.Helper()
	chart, err := repo.Path("charts", "holograph")
	require.NoError(t, err)
	folder := filepath.Join(t.TempDir(), "checkout")
	require.NoError(t, os.CopyFS(folder, os.DirFS(chart)))
	require.NoError(t, filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		require.NoError(t, err)
		return os.Chtimes(path, at, at)
	}))
	return folder
}

func TestTheSameFilesGiveTheSamePackage(t *testing.T) {
	t.Parallel()
	var packages [2][]byte
	for i, at := range []time.Time{time.Unix(1e9, 0), time.Unix(2e9, 0)} {
		path, err := Package(chartCopy(t, at), t.TempDir())
		require.NoError(t, err)
		packages[i], err = os.ReadFile(path)
		require.NoError(t, err)
	}
	assert.True(t, bytes.Equal(packages[0], packages[1]), "two packages of one chart differ")

	// Both packages may be made within one second, so equal bytes do not prove that the times are fixed.
	unzipped, err := gzip.NewReader(bytes.NewReader(packages[0]))
	require.NoError(t, err)
	files := 0
	for archive := tar.NewReader(unzipped); ; files++ {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		assert.True(t, header.ModTime.Equal(epoch), "the time of %s in the package is %s, want %s", header.Name, header.ModTime, epoch)
	}
	require.Positive(t, files, "files in the package")

	loaded, err := loader.LoadArchive(bytes.NewReader(packages[0]))
	require.NoError(t, err, "Helm must be able to read the package")
	assert.Equal(t, "holograph", loaded.Name())
	for _, file := range loaded.Raw {
		assert.NotEqual(t, "README.md.gotmpl", file.Name, "files of the package: the template of the README is not part of it")
	}
}

func TestProvenance(t *testing.T) {
	t.Parallel()
	chart, err := repo.Path("charts", "holograph")
	require.NoError(t, err)
	path, err := Package(chart, t.TempDir())
	require.NoError(t, err)
	secret, public := keyring.New(t, "Holograph release")
	_, stranger := keyring.New(t, "Somebody else")

	_, err = Verify(path, public)
	assert.ErrorContains(t, err, "holograph", "error of verifying an unsigned package")

	require.NoError(t, Sign(path, "Holograph release", secret, ""))
	report, err := Verify(path, public)
	require.NoError(t, err)
	assert.Contains(t, report, "Signed by: Holograph release")

	_, err = Verify(path, stranger)
	assert.ErrorContains(t, err, "signature made by unknown entity")

	content, err := os.ReadFile(path)
	require.NoError(t, err)
	content[len(content)/2] ^= 1
	require.NoError(t, os.WriteFile(path, content, 0o644))
	_, err = Verify(path, public)
	assert.ErrorContains(t, err, "sha256 sum does not match")

	again, err := Package(chart, filepath.Dir(path))
	require.NoError(t, err)
	assert.Equal(t, path, again)
	assert.NoFileExists(t, path+".prov", "provenance of the old package, which must not stay beside a new one")
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"pack"}, {"sign"}, {"sign", "--key", "k"}, {"verify"}, {"publish", "--registry", "registry.example", "--key", "k"}, {"sign", "--key", "k", "--keyring", "r", "more"}} {
		assert.ErrorContains(t, run(t.Context(), nil, args), "usage:", args)
	}
}
