package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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

	t.Run("a failed making leaves nothing", func(t *testing.T) {
		err := Publish(entry, func(temporary string) error {
			require.NoError(t, os.WriteFile(temporary, []byte("half"), 0o644))
			return errors.New("interrupted")
		})
		assert.EqualError(t, err, "interrupted")
		assert.False(t, Has(entry))
		assertNoRooms(t)
	})
	t.Run("a good one is whole at once", func(t *testing.T) {
		require.NoError(t, Publish(entry, func(temporary string) error {
			assert.False(t, Has(entry), "nothing may stand there before it is whole")
			return os.WriteFile(temporary, []byte("whole"), 0o644)
		}))
		content, err := os.ReadFile(entry)
		require.NoError(t, err)
		assert.Equal(t, "whole", string(content))
		assertNoRooms(t)
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
		assert.False(t, Has(old))
		assert.True(t, Has(young))
	})
}

func assertNoRooms(t *testing.T) {
	t.Helper()
	workshop, err := Path("tmp")
	require.NoError(t, err)
	rooms, err := filepath.Glob(filepath.Join(workshop, "*"))
	require.NoError(t, err)
	assert.Empty(t, rooms)
}

func TestLockIsHeldByOne(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	release, err := Lock(t.Context(), "stock", func() { t.Error("nobody else holds it") })
	require.NoError(t, err)

	ctx, cancel := context.WithCancelCause(t.Context())
	_, err = Lock(ctx, "stock", func() { cancel(errors.New("told to wait")) })
	assert.ErrorContains(t, err, "told to wait")

	release()
	again, err := Lock(t.Context(), "stock", func() { t.Error("it was released") })
	require.NoError(t, err)
	again()
}
