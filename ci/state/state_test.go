package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLockIsHeldByOne(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	release, err := Lock(t.Context(), "images", func() { t.Error("Lock waits for a lock that no process holds") })
	require.NoError(t, err)

	ctx, cancel := context.WithCancelCause(t.Context())
	_, err = Lock(ctx, "images", func() { cancel(errors.New("told to wait")) })
	assert.EqualError(t, err, fmt.Sprintf("images is in use by process %d (state.test): told to wait", os.Getpid()))

	release()
	again, err := Lock(t.Context(), "images", func() { t.Error("Lock waits for a lock that was released") })
	require.NoError(t, err)
	again()
}

// First runs at the same time have one key, and so has every later run.
func TestKeyIsOne(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	keys := make([]string, 20)
	var runs sync.WaitGroup
	begin := make(chan struct{})
	for i := range keys {
		runs.Go(func() {
			<-begin
			key, err := Key()
			assert.NoError(t, err)
			keys[i] = key
		})
	}
	close(begin)
	runs.Wait()
	assert.Len(t, slices.Compact(keys), 1)
	assert.NotEmpty(t, keys[0])

	t.Setenv("XDG_STATE_HOME", t.TempDir())
	other, err := Key()
	require.NoError(t, err)
	assert.NotEqual(t, keys[0], other, "another user's key")

	path, err := Path("key")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = Key()
	assert.ErrorContains(t, err, "is empty")
}

// Where XDG_STATE_HOME is not set, or is none that its standard allows, it is below HOME.
func TestPathIsBelowHome(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	for _, value := range []string{"", "relative"} {
		t.Setenv("XDG_STATE_HOME", value)
		path, err := Path("clusters")
		require.NoError(t, err)
		assert.Equal(t, filepath.Join(home, ".local", "state", "holograph", "clusters"), path)
	}
}

func TestNotes(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	lines, err := Noted("folders")
	require.NoError(t, err)
	assert.Empty(t, lines)
	for _, line := range []string{"/a b", "/c", "/a b"} {
		require.NoError(t, Note("folders", line))
	}
	lines, err = Noted("folders")
	require.NoError(t, err)
	assert.Equal(t, []string{"/a b", "/c"}, lines)
	require.NoError(t, Forget("folders"))
	lines, err = Noted("folders")
	require.NoError(t, err)
	assert.Empty(t, lines)
}
