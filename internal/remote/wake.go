package remote

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// This file is how a conn notices that it has been cut off though nothing says so, because this computer has slept or the network has dropped a
// connection in silence, and that what has been out of reach is there again.

const (
	// clockInterval is how often the clock is looked at, and clockJump by how much it must have gone on beyond that to say that this computer, or
	// this process, has been asleep. A loaded machine is late by less, and connections survive a shorter sleep.
	clockInterval = 5 * time.Second
	clockJump     = 10 * time.Second

	// A connection on which nothing comes is asked by the system whether its other end is still there: after keepAliveIdle, and
	// then each keepAliveInterval. It is dead after keepAliveCount questions without an answer, 75 s in all. That is for HTTP/1.1, in which nothing else
	// can tell a dead connection from a tool that takes its time; HTTP/2 has pings.
	keepAliveIdle     = 30 * time.Second
	keepAliveInterval = 15 * time.Second
	keepAliveCount    = 3

	// getSilence is how long the stream of a GET may be silent over HTTP/1.1 before it is opened again. A proxy on the way can keep its half of
	// a connection open that has no other half any more; no question of the system's gets beyond it.
	getSilence = 90 * time.Second

	// With HTTP+SSE the server can be asked for a sign of life on the stream, which must not be given up without need: what
	// it owes us would be lost with it. It is asked after sseSilence, and has probeTimeout for it.
	sseSilence   = 60 * time.Second
	probeTimeout = 30 * time.Second
)

// watchClock looks at the clock until the conn is closed.
func (c *conn) watchClock() {
	ticker := time.NewTicker(clockInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			c.lookAtClock()
		case <-c.ctx.Done():
			return
		}
	}
}

// lookAtClock finds out whether this computer has been asleep. Only the wall clock knows: on most systems the monotonic one sleeps too, and
// with it every timer.
func (c *conn) lookAtClock() {
	now := c.cfg.wall().Round(0)
	c.mu.Lock()
	asleep := now.Sub(c.clock) - clockInterval
	if c.clock.IsZero() {
		asleep = 0
	}
	c.clock = now
	c.mu.Unlock()
	if asleep > clockJump {
		c.cfg.Log.Debug("awake again", "after", asleep)
		c.cfg.Fresh()
		c.transport.awake()
		c.stir()
	}
}

// stir tells those who nap that it is worth trying again: the server is there, or the world is not what it was.
func (c *conn) stir() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stirred != nil {
		close(c.stirred)
		c.stirred = nil
	}
}

// nap waits for most, or until something stirs, but at least for least. It returns whether something did, and false if ctx ends before.
func (c *conn) nap(ctx context.Context, least, most time.Duration) (stirred, ok bool) {
	c.mu.Lock()
	if c.stirred == nil {
		c.stirred = make(chan struct{})
	}
	stir := c.stirred
	c.mu.Unlock()
	if !sleep(ctx, min(least, most)) {
		return false, false
	}
	timer := time.NewTimer(most - least)
	defer timer.Stop()
	select {
	case <-stir:
		return true, true
	case <-timer.C:
		return false, true
	case <-ctx.Done():
		return false, false
	}
}

// A Pool sends requests over the connections of an [http.Transport], and can leave all of them behind.
type Pool struct {
	mu        sync.Mutex // guards transport
	transport *http.Transport
}

// NewPool returns a pool of t's connections.
func NewPool(t *http.Transport) *Pool { return &Pool{transport: t} }

// RoundTrip is part of [http.RoundTripper].
func (p *Pool) RoundTrip(req *http.Request) (*http.Response, error) {
	return p.current().RoundTrip(req)
}

// CloseIdleConnections is what http.Client looks for.
func (p *Pool) CloseIdleConnections() { p.current().CloseIdleConnections() }

func (p *Pool) current() *http.Transport {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.transport
}

// Fresh has later requests use new connections. The old ones are most likely dead when it is called, yet what goes on over them goes
// on: with HTTP/2 a request could otherwise come to one that others keep from being idle.
func (p *Pool) Fresh() {
	p.mu.Lock()
	old := p.transport
	p.transport = old.Clone()
	p.mu.Unlock()
	old.CloseIdleConnections()
}

// keepAlive has the system watch over conn.
func keepAlive(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount})
		limitUnacknowledged(tcp, keepAliveIdle+keepAliveCount*keepAliveInterval)
	}
}

// A watchedBody has f called when a read of it has taken limit. It doesn't count how long nobody has read.
type watchedBody struct {
	io.ReadCloser
	limit time.Duration
	timer *time.Timer
	reads atomic.Int64 // that brought something
}

func watchBody(body io.ReadCloser, limit time.Duration, f func()) *watchedBody {
	timer := time.AfterFunc(limit, f)
	timer.Stop()
	return &watchedBody{ReadCloser: body, limit: limit, timer: timer}
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.limit)
	defer b.timer.Stop()
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.reads.Add(1)
	}
	return n, err
}
