package command

import (
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"
	"time"
)

// heartbeat is how often a board says that work still goes on. CI systems take
// silence of some minutes for a hang.
const heartbeat = 30 * time.Second

// Board prints a line as each part starts and ends.
type Board struct {
	out   io.Writer
	total int
	begun time.Time
	stop  chan struct{}

	mu      sync.Mutex
	started int
	running map[string]time.Time
}

// NewBoard returns a board for total parts, which writes to out until Close.
func NewBoard(out io.Writer, total int) *Board {
	b := &Board{out: out, total: total, begun: time.Now(), stop: make(chan struct{}), running: map[string]time.Time{}}
	go b.beat()
	return b
}

// Start announces a part and what is done to it; the returned function
// announces its end and the outcome.
func (b *Board) Start(name, action string) (end func(outcome string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.started++
	number, begun := b.started, time.Now()
	b.running[name] = begun
	fmt.Fprintf(b.out, "[%2d/%d] %s: %s\n", number, b.total, name, action)
	return func(outcome string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.running, name)
		fmt.Fprintf(b.out, "[%2d/%d] %s: %s in %s\n", number, b.total, name, outcome, Elapsed(begun))
	}
}

// Close ends the heartbeat and returns the time since the board was made.
func (b *Board) Close() time.Duration {
	close(b.stop)
	return time.Since(b.begun)
}

func (b *Board) beat() {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-ticker.C:
			b.mu.Lock()
			var busy []string
			for name, begun := range b.running {
				busy = append(busy, fmt.Sprintf("%s (%s)", name, Elapsed(begun)))
			}
			sort.Strings(busy)
			if len(busy) > 0 {
				fmt.Fprintf(b.out, "        %s in all; at work: %s\n", Elapsed(b.begun), strings.Join(busy, ", "))
			}
			b.mu.Unlock()
		}
	}
}

// Elapsed returns the time since begun, in whole seconds once it is over ten.
func Elapsed(begun time.Time) time.Duration {
	d := time.Since(begun)
	if d > 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(100 * time.Millisecond)
}
