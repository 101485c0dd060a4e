package cache

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache", "holograph")
	// Even with a umask that gives everyone all permissions.
	umask := syscall.Umask(0)
	defer syscall.Umask(umask)
	got, err := OwnFolder(path)
	require.NoError(t, err)
	assert.Equal(t, path, got)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	_, err = OwnFolder(path)
	assert.NoError(t, err, "what is there already")

	t.Run("a link to a larger disk", func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "holograph")
		require.NoError(t, os.Symlink(path, link))
		got, err := OwnFolder(link)
		require.NoError(t, err)
		assert.Equal(t, path, got)
		require.NoError(t, os.Chmod(path, 0o777))
		_, err = OwnFolder(link)
		assert.EqualError(t, err, fmt.Sprintf("%s must not be writable by everyone, because programs are run from it; run: chmod o-w %[1]s", link))
	})
	t.Run("a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "holograph")
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		_, err := OwnFolder(file)
		assert.EqualError(t, err, file+" is not a folder")
	})
	t.Run("another user's", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("only root may give a folder away")
		}
		theirs := filepath.Join(t.TempDir(), "holograph")
		require.NoError(t, os.Mkdir(theirs, 0o755))
		require.NoError(t, os.Chown(theirs, 4711, -1))
		_, err := OwnFolder(theirs)
		assert.EqualError(t, err, theirs+" belongs to user 4711, and this command runs as root, whose files it would then contain: "+
			"run it as the owner, or with your own environment (sudo --set-home)")
	})
}

// What a link points to is not below it.
func TestRemoveFollowsNoLink(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other")
	require.NoError(t, os.MkdirAll(filepath.Join(other, "precious"), 0o755))
	folder := filepath.Join(t.TempDir(), "folder")
	require.NoError(t, os.Mkdir(folder, 0o755))
	require.NoError(t, os.Symlink(other, filepath.Join(folder, "link")))
	require.NoError(t, RemoveFolder(filepath.Join(folder, "link")))
	require.NoError(t, os.Symlink(other, filepath.Join(folder, "link")))
	require.NoError(t, RemoveFolder(folder))
	assert.NoDirExists(t, folder)
	assert.DirExists(t, filepath.Join(other, "precious"))
	assert.NoError(t, RemoveFolder(folder), "what is not there")
}

// debootstrap mounts /proc and the host's /dev/shm into the tree that it fills, and
// leaves them there when it is killed.
func TestRemoveStopsAtMounts(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a folder")
	point := filepath.Join(folder, "tree", "dev shm")
	require.NoError(t, os.MkdirAll(point, 0o755))
	shared := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(shared, "precious"), nil, 0o600))
	if err := syscall.Mount(shared, point, "", syscall.MS_BIND, ""); err != nil {
		t.Skip("this user may not mount:", err)
	}
	defer syscall.Unmount(point, syscall.MNT_DETACH)
	assert.EqualError(t, RemoveFolder(folder), fmt.Sprintf("%s is not removed, as %s is mounted there; run: sudo umount %[2]s", folder, point))
	assert.FileExists(t, filepath.Join(shared, "precious"))
	beside := strings.TrimSuffix(folder, " folder")
	require.NoError(t, os.Mkdir(beside, 0o755))
	assert.NoError(t, RemoveFolder(beside), "a neighbour whose name is the beginning of the folder's")
}
