package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	streams "k8s.io/streaming/pkg/httpstream"
)

// idleForwarded is how long a forwarded connection is kept for the next request: less
// than the embedded Prometheus keeps it.
const idleForwarded = 20 * time.Second

// forwarded returns what sends requests to a Service by forwarding a port of one of
// its pods. It is for requests with an Authorization header, which the API server's proxy
// removes. Each connection finds a pod anew.
func (c *Client) forwarded(namespace, service, port string) http.RoundTripper {
	made, _ := c.forwards.LoadOrStore(namespace+"/"+service+":"+port, &http.Transport{
		IdleConnTimeout:        idleForwarded,
		MaxResponseHeaderBytes: maxHeader,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return c.Dial(ctx, namespace, service, port)
		},
	})
	return made.(http.RoundTripper)
}

// Redial closes the forwarded connections that are kept for the next request, so that it finds a pod anew. A pod that an
// upgrade has replaced answers on a kept one until it ends.
func (c *Client) Redial() {
	c.forwards.Range(func(_, made any) bool {
		made.(*http.Transport).CloseIdleConnections()
		return true
	})
}

// Dial connects to a port of a Service, by forwarding a port of one of its Ready pods. It returns an error if there is no
// such pod.
func (c *Client) Dial(ctx context.Context, namespace, service, port string) (net.Conn, error) {
	pod, number, err := c.endpoint(ctx, namespace, service, port)
	if err != nil {
		return nil, err
	}
	return c.dialPod(ctx, pod, number)
}

// ErrNoSelector is the error of a Service whose addresses are not those of pods that it selects.
var ErrNoSelector = errors.New("has no selector, so no pod is known whose port could be forwarded")

// endpoint returns a Ready pod of a Service, and the pod's port behind a port of the
// Service.
func (c *Client) endpoint(ctx context.Context, namespace, service, port string) (corev1.Pod, int32, error) {
	object, err := c.CoreV1().Services(namespace).Get(ctx, service, metav1.GetOptions{})
	if err != nil {
		return corev1.Pod{}, 0, err
	}
	if len(object.Spec.Selector) == 0 {
		// As a selector of pods, none would select all pods of the namespace, and one of them would get the login.
		return corev1.Pod{}, 0, fmt.Errorf("service %s/%s %w", namespace, service, ErrNoSelector)
	}
	pods, err := c.LivePods(ctx, namespace, labels.SelectorFromSet(object.Spec.Selector).String())
	if err != nil {
		return corev1.Pod{}, 0, err
	}
	if first := slices.IndexFunc(pods, Ready); first >= 0 {
		number, err := targetPort(object, pods[first], port)
		return pods[first], number, err
	}
	// As the API server says it of its proxy.
	return corev1.Pod{}, 0, fmt.Errorf("no endpoints available for service %q", service)
}

// targetPort returns the number of the pod's port that a Service's port leads to.
func targetPort(service *corev1.Service, pod corev1.Pod, port string) (int32, error) {
	for _, candidate := range service.Spec.Ports {
		if strconv.Itoa(int(candidate.Port)) != port {
			continue
		}
		if candidate.TargetPort.StrVal == "" {
			return max(candidate.TargetPort.IntVal, 1), nil
		}
		for _, container := range pod.Spec.Containers {
			for _, named := range container.Ports {
				if named.Name == candidate.TargetPort.StrVal {
					return named.ContainerPort, nil
				}
			}
		}
	}
	return 0, fmt.Errorf("service %s/%s has no port %s that pod %s has", service.Namespace, service.Name, port, pod.Name)
}

// dialPod connects to a port of a pod through the API server, as kubectl port-forward
// does.
func (c *Client) dialPod(ctx context.Context, pod corev1.Pod, port int32) (net.Conn, error) {
	transport, upgrader, err := spdy.RoundTripperFor(c.Config)
	if err != nil {
		return nil, err
	}
	address := c.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward").URL()
	// The dialer keeps no more of an error than its text.
	kept := &lastError{RoundTripper: statuses{transport}}
	dialer := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: kept}, http.MethodPost, address)
	type dialed struct {
		net.Conn
		error
	}
	done := make(chan dialed, 1)
	go func() {
		connection, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
		if err != nil {
			if kept.err != nil {
				err = kept.err
			}
			// Only the API server answers whether a port is forwarded, so the status is its own.
			var relayed *Relayed
			if errors.As(err, &relayed) {
				err = relayed.error
			}
			done <- dialed{error: err}
			return
		}
		stream, err := open(connection, port)
		if err != nil {
			_ = connection.Close()
		}
		done <- dialed{stream, err}
	}()
	// The dialer knows no context.
	select {
	case <-ctx.Done():
		go func() {
			if late := <-done; late.error == nil {
				_ = late.Close()
			}
		}()
		return nil, ctx.Err()
	case result := <-done:
		return result.Conn, result.error
	}
}

// lastError keeps the error of the last request.
type lastError struct {
	http.RoundTripper
	err error
}

// RoundTrip implements http.RoundTripper.
func (l *lastError) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := l.RoundTripper.RoundTrip(request)
	l.err = err
	return response, err
}

// open opens the two streams of one forwarded connection.
func open(connection streams.Connection, port int32) (net.Conn, error) {
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(int(port)))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	complaints, err := connection.CreateStream(headers)
	if err != nil {
		return nil, err
	}
	// Nothing is written there.
	_ = complaints.Close()
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := connection.CreateStream(headers)
	if err != nil {
		return nil, err
	}
	return &forwardedConn{Stream: data, connection: connection, complaints: complaints}, nil
}

// forwardedConn is a connection to a port of a pod. It has no deadlines: net/http sets
// none on a client's connections, it closes them.
type forwardedConn struct {
	streams.Stream
	connection streams.Connection
	complaints io.Reader
}

// maxComplaint bounds what is read of why a port could not be forwarded.
const maxComplaint = 1 << 10

// Read implements net.Conn. The end of a connection that never was has the node's
// words for it.
func (f *forwardedConn) Read(into []byte) (int, error) {
	n, err := f.Stream.Read(into)
	if n == 0 && errors.Is(err, io.EOF) {
		if text, _ := io.ReadAll(io.LimitReader(f.complaints, maxComplaint)); len(text) > 0 {
			err = errors.New(strings.TrimSpace(string(text)))
		}
	}
	return n, err
}

// Close implements net.Conn.
func (f *forwardedConn) Close() error { return f.connection.Close() }

// LocalAddr implements net.Conn.
func (f *forwardedConn) LocalAddr() net.Addr { return forwardedAddr{} }

// RemoteAddr implements net.Conn.
func (f *forwardedConn) RemoteAddr() net.Addr { return forwardedAddr{} }

// SetDeadline implements net.Conn.
func (f *forwardedConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (f *forwardedConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (f *forwardedConn) SetWriteDeadline(time.Time) error { return nil }

type forwardedAddr struct{}

// Network implements net.Addr.
func (forwardedAddr) Network() string { return "portforward" }

// String implements net.Addr.
func (forwardedAddr) String() string { return "a pod" }
