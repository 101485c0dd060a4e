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
	assert.NoError(t, err, "the folder exists already")

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
		theirs := filepath.Join(t.TempDir(), "holograph")
		require.NoError(t, os.Mkdir(theirs, 0o755))
		// Only root can give a folder to another user, so the test runs the check as another user.
		defer func(before func() int) { euid = before }(euid)
		euid = func() int { return 4711 }
		_, err := OwnFolder(theirs)
		assert.EqualError(t, err, theirs+" belongs to "+name(os.Geteuid())+", and this command runs as user 4711, whose files it would then contain: "+
			"run it as the owner, or with your own environment (sudo --set-home)")
	})
}

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
	assert.NoError(t, RemoveFolder(folder), "the folder is gone already")
}

// debootstrap mounts /proc and the host's /dev/shm into the tree that it fills, and
// leaves them there when it is killed.
func TestRemoveStopsAtMounts(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a folder")
	point := filepath.Join(folder, "tree", "dev shm")
	require.NoError(t, os.MkdirAll(point, 0o755))
	shared := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(shared, "precious"), nil, 0o600))
	if err := syscall.Mount(shared, point, "", syscall.MS_BIND, ""); err == nil {
		defer syscall.Unmount(point, syscall.MNT_DETACH)
	} else {
		// Only root can mount. For other users the test writes the line that the kernel has for this mount.
		table := filepath.Join(t.TempDir(), "mountinfo")
		line := "100 90 0:42 / " + strings.ReplaceAll(point, " ", `\040`) + " rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
		require.NoError(t, os.WriteFile(table, []byte(line), 0o600))
		defer func(before string) { mountTable = before }(mountTable)
		mountTable = table
	}
	assert.EqualError(t, RemoveFolder(folder), fmt.Sprintf("%s is not removed, as %s is mounted there; run: sudo umount %[2]s", folder, point))
	assert.FileExists(t, filepath.Join(shared, "precious"))
	beside := strings.TrimSuffix(folder, " folder")
	require.NoError(t, os.Mkdir(beside, 0o755))
	assert.NoError(t, RemoveFolder(beside), "a folder beside it, whose name is a prefix of the folder's name")
}
