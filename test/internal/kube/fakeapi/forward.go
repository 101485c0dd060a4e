// Package fakeapi plays the API server for tests of its clients.
package fakeapi

import (
	"io"
	"net"
	"net/http"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// Forward answers a request to forward a port of a pod, until its client leaves. Behind
// the port is an HTTP server; nil is a closed port, and then the client
// is told refusal.
func Forward(w http.ResponseWriter, r *http.Request, behind http.Handler, refusal string) {
	if _, err := httpstream.Handshake(r, w, []string{portforward.PortForwardProtocolV1Name}); err != nil {
		return
	}
	opened := make(chan httpstream.Stream, 2)
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, _ <-chan struct{}) error {
		opened <- stream
		return nil
	})
	if connection == nil {
		return
	}
	defer connection.Close()
	streams := map[string]httpstream.Stream{}
	for range 2 {
		select {
		case stream := <-opened:
			streams[stream.Headers().Get(corev1.StreamType)] = stream
		case <-connection.CloseChan():
			return
		}
	}
	data, complaints := streams[corev1.StreamTypeData], streams[corev1.StreamTypeError]
	if behind == nil {
		_, _ = io.WriteString(complaints, refusal)
		_ = complaints.Close()
		_ = data.Close()
		<-connection.CloseChan()
		return
	}
	_ = complaints.Close()
	near, far := net.Pipe()
	go func() { _ = http.Serve(&one{conn: far}, behind) }()
	go func() {
		_, _ = io.Copy(near, data)
		_ = near.Close()
	}()
	_, _ = io.Copy(data, near)
	_ = data.Close()
}

// one is a listener with one connection. Accept returns it once, and io.EOF after
// that.
type one struct {
	once sync.Once
	conn net.Conn
}

// Accept implements net.Listener.
func (o *one) Accept() (conn net.Conn, err error) {
	err = io.EOF
	o.once.Do(func() { conn, err = o.conn, nil })
	return conn, err
}

// Close implements net.Listener.
func (o *one) Close() error { return nil }

// Addr implements net.Listener.
func (o *one) Addr() net.Addr { return o.conn.LocalAddr() }
