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

// record has the names of the obtained parts, in the order in which they ended.
type record struct {
	mu  sync.Mutex
	got []string
}

func (r *record) part(name string, get func(context.Context) error) part {
	return part{name: name, action: "getting", get: func(ctx context.Context) (string, error) {
		if err := get(ctx); err != nil {
			return "", err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, name)
		return "got", nil
	}}
}

func quick(context.Context) error { return nil }

func newBoard(t *testing.T) *command.Board {
	board := command.NewBoard(io.Discard, 3)
	t.Cleanup(func() { board.Close() })
	return board
}

func TestTheNodeImageWaitsForAllOthers(t *testing.T) {
	var r record
	first := make(chan struct{})
	image := r.part("node image", quick)
	lacks := missing{
		parts: []part{
			r.part("kubernetes", func(context.Context) error { <-first; return nil }),
			r.part("etcd", func(context.Context) error { close(first); return nil }),
		},
		node: &image,
	}
	assert.Equal(t, []string{"kubernetes", "etcd", "node image"}, lacks.names())
	assert.NoError(t, lacks.obtain(t.Context(), newBoard(t)))
	assert.Len(t, r.got, 3)
	assert.Equal(t, "node image", r.got[2])
}

func TestAFailureStopsTheRestAndIsNamed(t *testing.T) {
	var r record
	image := r.part("node image", quick)
	lacks := missing{
		parts: []part{
			r.part("etcd", func(context.Context) error { return errors.New("no such module") }),
			r.part("kubernetes", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }),
			r.part("runc", quick),
		},
		node: &image,
	}
	assert.EqualError(t, lacks.obtain(t.Context(), newBoard(t)), "etcd: no such module")
	assert.Empty(t, r.got)
}
