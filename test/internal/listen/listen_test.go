package listen

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The http.Server closes its listener when it shuts down, be it closed already.
func TestListenerClosesOnce(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d := New(listener, 1, nil)
	require.NoError(t, d.Close())
	require.NoError(t, d.Close())
}

// Were it otherwise, one client that sends two requests and reads slowly would move the fleet.
func TestRequestArrivesAfterTheAnswerBeforeIt(t *testing.T) {
	now := time.Now()
	g := &Conn{listener: New(nil, 1, nil), free: now.Add(-time.Millisecond)}
	assert.Equal(t, now, g.Arrived(now))
	g.free = now.Add(time.Millisecond)
	assert.Equal(t, g.free, g.Arrived(now))
}
