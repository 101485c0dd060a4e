// Package listen bounds the connections of an HTTP server in a way that keeps nobody out who sends a request at once: the
// kubelet and Prometheus are answered while strangers hold all of the connections that they may have.
package listen

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
	// MinWait is how long a connection stays at least that sends nothing. It bounds how fast a flood can displace
	// the connections that came just before it.
	MinWait = 100 * time.Millisecond
	// settleTime is how long a listener that has closed waits for the first requests of its last connections.
	settleTime = 250 * time.Millisecond
)

// Why a request is refused before any handler has it, or a connection is closed.
const (
	Connections = "connections" // its connection had to make room for another one
	Header      = "header"      // too large
	Malformed   = "malformed"   // not HTTP, or of a kind that is not spoken here
	Timeout     = "timeout"     // not complete in time
)

// Listener bounds the number of connections and never stops accepting new ones: where there are too many, it
// drops the connection that has waited longest for its client. So clients that send nothing, or read nothing, cannot
// shut out the kubelet and Prometheus, who send their requests at once. A connection whose request is being handled
// stays.
type Listener struct {
	net.Listener
	limit  int
	refuse func(reason string)

	mu      sync.Mutex
	changed *sync.Cond
	clients list.List // of *Conn; in front the one that has waited longest
	unread  int
	closed  bool
}

// New returns a listener whose connections are at most limit. It tells refuse why it refuses what it does. The
// http.Server that serves it has its ConnState and [ConnContext].
func New(listener net.Listener, limit int, refuse func(reason string)) *Listener {
	l := &Listener{Listener: listener, limit: limit, refuse: refuse}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// Accept accepts the next connection, and drops another one where there are too many.
func (l *Listener) Accept() (net.Conn, error) {
	connection, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		// An error is that of a connection which is gone already, and shows at its first use.
		tcp.SetReadBuffer(receiveBuffer)
		tcp.SetWriteBuffer(sendBuffer)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.clients.Len() >= l.limit {
		// Requests that have come are read before a connection is dropped: without this, one goroutine accepts
		// a whole burst before the goroutines that read have their turn.
		l.mu.Unlock()
		runtime.Gosched()
		l.mu.Lock()
	}
	for l.clients.Len() >= l.limit && !l.closed && !l.makeRoom() {
		l.changed.Wait()
	}
	now := time.Now()
	c := &Conn{Conn: connection, listener: l, accepted: now, since: now}
	c.place = l.clients.PushBack(c)
	return c, nil
}

// Close closes the listener and leaves its connections open. The http.Server closes it a second time when it shuts
// down, and would report the error of that.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	l.changed.Broadcast()
	return l.Listener.Close()
}

// Settle waits until every connection has sent a request, for settleTime at most: a server that shuts down closes
// connections whose first request is still on its way.
func (l *Listener) Settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	defer context.AfterFunc(ctx, l.wake)()
	l.mu.Lock()
	defer l.mu.Unlock()
	for ctx.Err() == nil && l.anyNew() {
		l.changed.Wait()
	}
}

// anyNew reports whether a connection has not sent its first request yet. l.mu is held.
func (l *Listener) anyNew() bool {
	for e := l.clients.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*Conn); !c.heard && c.free.IsZero() {
			return true
		}
	}
	return false
}

// Count is the number of connections.
func (l *Listener) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clients.Len()
}

// makeRoom drops the connection that has waited longest for its client, and reports whether it did. It does not where
// none has waited for MinWait; then it wakes Accept when it is time to try again. l.mu is held.
func (l *Listener) makeRoom() bool {
	c := l.longest(func(*Conn) bool { return true })
	if c == nil {
		return false
	}
	if left := MinWait - time.Since(c.since); left > 0 {
		time.AfterFunc(left, l.wake)
		return false
	}
	l.drop(c)
	return true
}

// longest returns the connection that has waited longest for its client, of those that match. l.mu is held.
func (l *Listener) longest(match func(*Conn) bool) *Conn {
	for e := l.clients.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*Conn); !c.working && match(c) {
			return c
		}
	}
	return nil
}

// drop closes a connection. l.mu is held.
func (l *Listener) drop(c *Conn) {
	l.forget(c)
	c.heard = true // a request that it has begun to send is not counted as well
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		// The kernel discards what the client has not read, and keeps nothing of the connection.
		tcp.SetLinger(0)
	}
	c.Conn.Close()
	l.refuse(Connections)
}

func (l *Listener) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed.Broadcast()
}

// forget takes a connection off the list. l.mu is held.
func (l *Listener) forget(c *Conn) {
	if c.place == nil {
		return
	}
	l.clients.Remove(c.place)
	c.place = nil
	l.unread -= c.unread
	c.unread = 0
	l.changed.Broadcast()
}

// ConnState is the ConnState of the http.Server.
func (l *Listener) ConnState(connection net.Conn, state http.ConnState) {
	c := connection.(*Conn)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch state {
	case http.StateActive:
		c.active.Store(true)
		c.wait(0)
	case http.StateIdle:
		c.active.Store(false)
		c.begun.Store(false)
		c.heard, c.free = false, time.Now()
		c.wait(0)
	case http.StateClosed, http.StateHijacked:
		l.forget(c)
	}
}

// Conn is one connection.
type Conn struct {
	net.Conn
	listener *Listener
	accepted time.Time

	// listener.mu guards these.
	place   *list.Element // nil once it is closed
	since   time.Time     // when the wait for its client began
	free    time.Time     // when its last answer was complete
	heard   bool          // its request is with a handler, or was refused before
	working bool          // its request is being handled
	unread  int           // bytes of a frame that the client has yet to read

	begun  atomic.Bool // a byte has come since the last answer
	active atomic.Bool // a header has come, complete or malformed
}

type connKey struct{}

// ConnContext lets handlers find their connection; it is the ConnContext of the http.Server.
func ConnContext(ctx context.Context, connection net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, connection)
}

// Of returns the connection of a request, nil where it did not come through a Listener.
func Of(r *http.Request) *Conn {
	c, _ := r.Context().Value(connKey{}).(*Conn)
	return c
}

// Age is the time since the connection was accepted; 0 where it did not come through a Listener.
func (c *Conn) Age() time.Duration {
	if c == nil {
		return 0
	}
	return time.Since(c.accepted)
}

// Work notes that a request of the connection is being handled.
func (c *Conn) Work() {
	if c == nil {
		return
	}
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.heard, c.working = true, true
	c.listener.changed.Broadcast()
}

// Answer notes that the answer is ready, and that the client has so many bytes of a frame to read. From here on the
// connection may make room for another one.
func (c *Conn) Answer(unread int) {
	if c == nil {
		return
	}
	l := c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	c.wait(unread)
	for l.unread > maxUnread {
		other := l.longest(func(other *Conn) bool { return other != c && other.unread > 0 })
		if other == nil {
			return
		}
		l.drop(other)
	}
}

// wait begins a new wait for the client. listener.mu is held.
func (c *Conn) wait(unread int) {
	if c.place == nil {
		return
	}
	c.working = false
	c.listener.unread += unread - c.unread
	c.unread = unread
	c.since = time.Now()
	c.listener.clients.MoveToBack(c.place)
	c.listener.changed.Broadcast()
}

// Arrived returns when the request came that its handler has now. The kernel knows for how long its bytes have been
// there: a pod at its CPU limit does not run for most of each tenth of a second. A request that the client sent before
// it had read the last answer counts as sent at the end of that answer, or a slow client would look like a slow
// renderer.
func (c *Conn) Arrived(now time.Time) time.Time {
	if c == nil {
		return now
	}
	arrived := now.Add(-Unheard(c.Conn))
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	if arrived.Before(c.free) {
		return c.free
	}
	return arrived
}

// Read counts a request that is not complete in time: the http.Server mostly ends its connection without an answer.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.begun.Store(true)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && c.begun.Load() && !c.active.Load() {
		c.refused(Timeout)
	}
	return n, err
}

// Write counts the requests that the http.Server refuses itself, before any handler has them.
func (c *Conn) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte("HTTP/1.1 431 ")) {
		c.refused(Header)
	} else {
		c.refused(Malformed)
	}
	return c.Conn.Write(p)
}

// refused counts a request that no handler has, once.
func (c *Conn) refused(reason string) {
	c.listener.mu.Lock()
	heard := c.heard
	c.heard = true
	c.listener.mu.Unlock()
	if !heard {
		c.listener.refuse(reason)
	}
}

// CloseWrite is what the http.Server uses to end a connection without losing its last answer.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
