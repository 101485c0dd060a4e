package server

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// receiveBuffer and sendBuffer are what the kernel keeps for a connection. Left to itself it lends each one
	// megabytes, and counts them as the pod's. A request has some hundred bytes.
	receiveBuffer = 8 << 10
	sendBuffer    = 16 << 10
	// maxUnread is how many bytes of rendered frames wait for their clients to read them, over all connections.
	maxUnread = 16 << 20
	// patience is how long a connection has at least to say something. It bounds how fast a flood can wash out
	// those that came just before it.
	patience = 100 * time.Millisecond
	// settling is how long a closing door listens for the first words of those whom it let in last.
	settling = 250 * time.Millisecond
)

// door is the listener of a server. It never stops letting in: where there are too many connections, the one
// that has waited longest for its client leaves. So strangers that say nothing, or read nothing, cannot shut out
// the kubelet and Prometheus, who ask at once. A connection whose answer is being worked on stays.
type door struct {
	net.Listener
	limit  int
	refuse func(reason string)

	mu      sync.Mutex
	changed *sync.Cond
	guests  list.List // of *guest; in front the one that has waited longest
	unread  int
	closed  bool
}

func newDoor(listener net.Listener, limit int, refuse func(reason string)) *door {
	d := &door{Listener: listener, limit: limit, refuse: refuse}
	d.changed = sync.NewCond(&d.mu)
	return d
}

// Accept lets the next connection in, and another one out if need be.
func (d *door) Accept() (net.Conn, error) {
	connection, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		// An error is that of a connection which is gone already, and shows at its first use.
		tcp.SetReadBuffer(receiveBuffer)
		tcp.SetWriteBuffer(sendBuffer)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.guests.Len() >= d.limit {
		// Whoever has spoken is heard before anybody is sent away: without this, one goroutine accepts a
		// whole burst before those that read have their turn.
		d.mu.Unlock()
		runtime.Gosched()
		d.mu.Lock()
	}
	for d.guests.Len() >= d.limit && !d.closed && !d.makeRoom() {
		d.changed.Wait()
	}
	now := time.Now()
	g := &guest{Conn: connection, door: d, accepted: now, since: now}
	g.place = d.guests.PushBack(g)
	return g, nil
}

// Close closes the listener. Those whom it let in stay. The http.Server closes it once more when it shuts down before
// it has noticed, and would report an error.
func (d *door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	d.changed.Broadcast()
	return d.Listener.Close()
}

// settle waits until all who were let in have asked for something, at most for the time of settling: a server
// that shuts down leaves those without an answer whose first request is on its way.
func (d *door) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	defer context.AfterFunc(ctx, d.wake)()
	d.mu.Lock()
	defer d.mu.Unlock()
	for ctx.Err() == nil && d.anyNew() {
		d.changed.Wait()
	}
}

// anyNew reports whether a guest has not been heard yet. d.mu is held.
func (d *door) anyNew() bool {
	for e := d.guests.Front(); e != nil; e = e.Next() {
		if g := e.Value.(*guest); !g.heard && g.free.IsZero() {
			return true
		}
	}
	return false
}

// count is the number of connections.
func (d *door) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.guests.Len()
}

// makeRoom closes the connection that has waited longest for its client. Where that is not long, or there is none,
// it reports false, and that something has changed when it is time to try again. d.mu is held.
func (d *door) makeRoom() bool {
	g := d.longest(func(*guest) bool { return true })
	if g == nil {
		return false
	}
	if left := patience - time.Since(g.since); left > 0 {
		time.AfterFunc(left, d.wake)
		return false
	}
	d.sendAway(g)
	return true
}

// longest is the guest that has waited longest for its client, of those that match. d.mu is held.
func (d *door) longest(match func(*guest) bool) *guest {
	for e := d.guests.Front(); e != nil; e = e.Next() {
		if g := e.Value.(*guest); !g.working && match(g) {
			return g
		}
	}
	return nil
}

// sendAway closes a guest's connection. d.mu is held.
func (d *door) sendAway(g *guest) {
	d.forget(g)
	g.heard = true // what it has begun to say is not counted as well
	if tcp, ok := g.Conn.(*net.TCPConn); ok {
		// What it has not read is dropped, and nothing of the connection stays behind.
		tcp.SetLinger(0)
	}
	g.Conn.Close()
	d.refuse(refusedConnections)
}

func (d *door) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changed.Broadcast()
}

// forget takes a guest off the list. d.mu is held.
func (d *door) forget(g *guest) {
	if g.place == nil {
		return
	}
	d.guests.Remove(g.place)
	g.place = nil
	d.unread -= g.unread
	g.unread = 0
	d.changed.Broadcast()
}

// connState is the ConnState of the http.Server.
func (d *door) connState(connection net.Conn, state http.ConnState) {
	g := connection.(*guest)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch state {
	case http.StateActive:
		g.active.Store(true)
		g.wait(0)
	case http.StateIdle:
		g.active.Store(false)
		g.begun.Store(false)
		g.heard, g.free = false, time.Now()
		g.wait(0)
	case http.StateClosed, http.StateHijacked:
		d.forget(g)
	}
}

// guest is one connection.
type guest struct {
	net.Conn
	door     *door
	accepted time.Time

	// door.mu guards these.
	place   *list.Element // nil once it has left
	since   time.Time     // when the wait for its client began
	free    time.Time     // when its last answer was complete
	heard   bool          // a handler has its request, or it is refused without one
	working bool          // an answer is being worked on
	unread  int           // bytes of a frame that it has yet to read

	begun  atomic.Bool // a byte has come since the last answer
	active atomic.Bool // a header has come, or what stands for one
}

type guestKey struct{}

// connectionContext lets handlers find their guest; it is the ConnContext of the http.Server.
func connectionContext(ctx context.Context, connection net.Conn) context.Context {
	return context.WithValue(ctx, guestKey{}, connection)
}

// guestOf is the guest whose request it is, nil where no door let it in.
func guestOf(r *http.Request) *guest {
	g, _ := r.Context().Value(guestKey{}).(*guest)
	return g
}

// work says that an answer is being worked on.
func (g *guest) work() {
	if g == nil {
		return
	}
	g.door.mu.Lock()
	defer g.door.mu.Unlock()
	g.heard, g.working = true, true
	g.door.changed.Broadcast()
}

// read says that all there is to wait for is the client, who is to read so many bytes of a frame.
func (g *guest) read(unread int) {
	if g == nil {
		return
	}
	d := g.door
	d.mu.Lock()
	defer d.mu.Unlock()
	g.wait(unread)
	for d.unread > maxUnread {
		other := d.longest(func(other *guest) bool { return other != g && other.unread > 0 })
		if other == nil {
			return
		}
		d.sendAway(other)
	}
}

// wait begins the wait for the client anew. door.mu is held.
func (g *guest) wait(unread int) {
	if g.place == nil {
		return
	}
	g.working = false
	g.door.unread += unread - g.unread
	g.unread = unread
	g.since = time.Now()
	g.door.guests.MoveToBack(g.place)
	g.door.changed.Broadcast()
}

// arrived is when a request came that is with its handler now. The kernel knows for how long its bytes have lain
// there unread; a pod at its CPU limit does not run for most of each tenth of a second. What a client sent
// before it read the last answer came with the end of that answer, or its slowness would be the renderer's.
func (g *guest) arrived(now time.Time) time.Time {
	if g == nil {
		return now
	}
	arrived := now.Add(-unheard(g.Conn))
	g.door.mu.Lock()
	defer g.door.mu.Unlock()
	if arrived.Before(g.free) {
		return g.free
	}
	return arrived
}

// Read counts a request that is not complete in time: the http.Server mostly ends its connection without a word.
func (g *guest) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if n > 0 {
		g.begun.Store(true)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && g.begun.Load() && !g.active.Load() {
		g.refused(refusedTimeout)
	}
	return n, err
}

// Write counts what the http.Server refuses by itself, before any handler.
func (g *guest) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte("HTTP/1.1 431 ")) {
		g.refused(refusedHeader)
	} else {
		g.refused(refusedMalformed)
	}
	return g.Conn.Write(p)
}

// refused counts a request that no handler has heard, once.
func (g *guest) refused(reason string) {
	g.door.mu.Lock()
	heard := g.heard
	g.heard = true
	g.door.mu.Unlock()
	if !heard {
		g.door.refuse(reason)
	}
}

// CloseWrite is what the http.Server uses to end a connection without losing its last answer.
func (g *guest) CloseWrite() error {
	if half, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
