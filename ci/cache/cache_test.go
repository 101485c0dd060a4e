package cache

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeyKeepsItsPartsApart(t *testing.T) {
	assert.NotEqual(t, Key("ab", "c"), Key("a", "bc"))
	assert.Equal(t, Key("ab", "c"), Key("ab", "c"))
}

func TestPublish(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	entry, err := Path("images", "one")
	require.NoError(t, err)

	t.Run("a failure leaves nothing", func(t *testing.T) {
		err := Publish(entry, func(temporary string) error {
			require.NoError(t, os.WriteFile(temporary, []byte("half"), 0o644))
			return errors.New("interrupted")
		})
		assert.EqualError(t, err, "interrupted")
		assert.False(t, Has(entry), "the cache has an entry of which only half was written")
		assertNothingTemporary(t)
	})
	t.Run("a success is there as a whole", func(t *testing.T) {
		require.NoError(t, Publish(entry, func(temporary string) error {
			assert.False(t, Has(entry), "nothing may stand there before it is whole")
			return os.WriteFile(temporary, []byte("whole"), 0o644)
		}))
		content, err := os.ReadFile(entry)
		require.NoError(t, err)
		assert.Equal(t, "whole", string(content))
		assertNothingTemporary(t)
	})
	t.Run("what a killed run left is removed a day later", func(t *testing.T) {
		old, err := Path("tmp", "killed")
		require.NoError(t, err)
		young, err := Path("tmp", "at-work")
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(old, 0o755))
		require.NoError(t, os.MkdirAll(young, 0o755))
		longAgo := time.Now().Add(-25 * time.Hour)
		require.NoError(t, os.Chtimes(old, longAgo, longAgo))
		require.NoError(t, Publish(entry, func(temporary string) error { return os.WriteFile(temporary, nil, 0o644) }))
		assert.False(t, Has(old), "the cache has what was left behind 25 hours ago")
		assert.True(t, Has(young), "the cache lacks what another run may be writing")
	})
}

// Clean would leave a folder that it does not know, and a cache without its tag would be refused for it.
func TestAPathIsInAKnownFolder(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := Path("vulndb", "1")
	assert.NoError(t, err)
	_, err = Path("video", "1")
	assert.EqualError(t, err, "the cache has no folder video: add it to kinds")
}

func assertNothingTemporary(t *testing.T) {
	t.Helper()
	folder, err := Path("tmp")
	require.NoError(t, err)
	entries, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	assert.Empty(t, entries)
}

// A folder that XDG_CACHE_HOME leads to by mistake may be another program's.
func TestAFolderThatIsNotTheCacheIsLeft(t *testing.T) {
	for title, make := range map[string]func(root string) error{
		"files": func(root string) error { return os.WriteFile(filepath.Join(root, "notes.txt"), nil, 0o600) },
		"folders beside those of a cache": func(root string) error {
			return errors.Join(os.Mkdir(filepath.Join(root, "images"), 0o755), os.Mkdir(filepath.Join(root, "video"), 0o755))
		},
		"a file with the name of a folder": func(root string) error { return os.WriteFile(filepath.Join(root, "images"), nil, 0o600) },
		"another program's cache":          func(root string) error { return os.WriteFile(filepath.Join(root, tag), []byte(tagText[:43]), 0o600) },
	} {
		t.Run(title, func(t *testing.T) {
			base := t.TempDir()
			t.Setenv("XDG_CACHE_HOME", base)
			root := filepath.Join(base, "holograph")
			require.NoError(t, os.Mkdir(root, 0o755))
			require.NoError(t, make(root))
			before, err := os.ReadDir(root)
			require.NoError(t, err)
			_, err = Path("images")
			assert.ErrorContains(t, err, "so it is not this project's cache: move it, or set XDG_CACHE_HOME to another folder")
			assert.ErrorContains(t, Clean(io.Discard), "so it is not this project's cache")
			after, err := os.ReadDir(root)
			require.NoError(t, err)
			assert.Equal(t, before, after)
		})
	}
}

func TestClean(t *testing.T) {
	fill := func(t *testing.T) (root string) {
		image, err := Path("images", "one")
		require.NoError(t, err)
		require.NoError(t, Publish(image, func(temporary string) error { return os.WriteFile(temporary, nil, 0o644) }))
		return filepath.Dir(filepath.Dir(image))
	}
	t.Run("all of it", func(t *testing.T) {
		t.Setenv("XDG_CACHE_HOME", t.TempDir())
		root := fill(t)
		require.NoError(t, Clean(io.Discard))
		assert.NoDirExists(t, root)
		assert.NoError(t, Clean(io.Discard), "what is not there")
		assert.NoDirExists(t, root)
	})
	t.Run("a cache of an earlier version", func(t *testing.T) {
		base := t.TempDir()
		t.Setenv("XDG_CACHE_HOME", base)
		root := filepath.Join(base, "holograph")
		require.NoError(t, os.MkdirAll(filepath.Join(root, "clusters", "holograph"), 0o755))
		require.NoError(t, os.MkdirAll(filepath.Join(root, "locks"), 0o755))
		require.NoError(t, Clean(io.Discard))
		assert.NoDirExists(t, root)
	})
	t.Run("not what a person put there", func(t *testing.T) {
		t.Setenv("XDG_CACHE_HOME", t.TempDir())
		root := fill(t)
		notes := filepath.Join(root, "notes.txt")
		require.NoError(t, os.WriteFile(notes, nil, 0o600))
		var out strings.Builder
		require.NoError(t, Clean(&out))
		assert.Equal(t, "Left alone: "+notes+"\n", out.String())
		assert.FileExists(t, notes)
		assert.NoDirExists(t, filepath.Join(root, "images"))
		fill(t)
	})
	t.Run("behind a link to a larger disk", func(t *testing.T) {
		base, disk := t.TempDir(), t.TempDir()
		t.Setenv("XDG_CACHE_HOME", base)
		require.NoError(t, os.Symlink(disk, filepath.Join(base, "holograph")))
		assert.Equal(t, disk, fill(t))
		require.NoError(t, Clean(io.Discard))
		assert.NoDirExists(t, filepath.Join(disk, "images"))
		assert.Equal(t, disk, fill(t), "the link stays")
	})
}

// Everything old in the folder that a link points to would be removed.
func TestTheFolderOfTemporaryFilesIsNoLink(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	folder, err := Path("tmp")
	require.NoError(t, err)
	other := t.TempDir()
	require.NoError(t, os.Symlink(other, folder))
	precious := filepath.Join(other, "precious")
	require.NoError(t, os.Mkdir(precious, 0o755))
	longAgo := time.Now().Add(-25 * time.Hour)
	require.NoError(t, os.Chtimes(precious, longAgo, longAgo))
	entry, err := Path("images", "one")
	require.NoError(t, err)
	assert.ErrorContains(t, Publish(entry, func(temporary string) error { return os.WriteFile(temporary, nil, 0o644) }),
		folder+" is not a folder, want one: remove it")
	assert.DirExists(t, precious)
}
