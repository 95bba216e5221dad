// Package memnet is a network in the memory of one process, for tests: in a bubble of testing/synctest there is no other, for what waits for a real
// network keeps the bubble's time from passing.
package memnet

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// A Server is all that there is on its network, under whatever address.
type Server struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// Serve returns a server that h serves until stop is called, which waits for it.
func Serve(h http.Handler) (s *Server, stop func()) {
	s = &Server{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: h}
	served := make(chan struct{})
	go func() {
		server.Serve(listener{s})
		close(served)
	}()
	return s, func() {
		server.Close()
		<-served
	}
}

// Dial connects to s. It is for http.Transport.DialContext.
func (s *Server) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case s.conns <- theirs:
		return ours, nil
	case <-s.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A listener is the net.Listener of a server.
type listener struct{ *Server }

func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l listener) Addr() net.Addr { return &net.IPAddr{} }
