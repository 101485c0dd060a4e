package supply

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"holograph/ci/command"
)

// shelf records which parts were got, in which order they ended.
type shelf struct {
	mu  sync.Mutex
	got []string
}

func (s *shelf) part(name string, get func(context.Context) error) part {
	return part{name: name, action: "getting", get: func(ctx context.Context) (string, error) {
		if err := get(ctx); err != nil {
			return "", err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got = append(s.got, name)
		return "got", nil
	}}
}

func quick(context.Context) error { return nil }

func newBoard(t *testing.T, parts int) *command.Board {
	board := command.NewBoard(io.Discard, parts)
	t.Cleanup(func() { board.Close() })
	return board
}

func TestTheLastPartWaitsForAllOthers(t *testing.T) {
	var s shelf
	first := make(chan struct{})
	slow := func(context.Context) error { <-first; return nil }
	parts := []part{
		s.part("kubernetes", slow),
		s.part("etcd", func(context.Context) error { close(first); return nil }),
		s.part("node image", quick),
	}
	assert.NoError(t, work(t.Context(), newBoard(t, len(parts)), parts))
	assert.Len(t, s.got, 3)
	assert.Equal(t, "node image", s.got[2])
}

func TestAFailureStopsTheRestAndIsNamed(t *testing.T) {
	var s shelf
	parts := []part{
		s.part("etcd", func(context.Context) error { return errors.New("no such module") }),
		s.part("kubernetes", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }),
		s.part("node image", quick),
	}
	assert.EqualError(t, work(t.Context(), newBoard(t, len(parts)), parts), "etcd: no such module")
	assert.Empty(t, s.got)
}
