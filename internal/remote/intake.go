package remote

import (
	"context"
	"io"
	"time"
)

// This file bounds what there is in memory of what the server says, if the client takes it slowly: messages that wait to be received, and what has
// come of others. Who reads for one of those waits, and with that the server.

const (
	// maxUnread is how many bytes there may be of either, and of both before more is read. One message of any length may come beyond that.
	maxUnread = 16 << 20

	// uncounted is how much may come of a message, in bytes, before it counts. Most are shorter.
	uncounted = 64 << 10

	// intakeStall is how long the one message beyond maxUnread may make no progress before another may be that, lest all wait for a server that
	// has forgotten to end one.
	intakeStall = 10 * time.Second
)

// An intake reads a body for one message after the other, when there is room for more. It is for one goroutine.
type intake struct {
	conn *conn
	ctx  context.Context // done when nobody wants what is being read
	body io.Reader
	n    int // bytes of the message that have come
	asks bool

	// Guarded by conn.mu.
	counted int       // in conn.arriving
	at      time.Time // of the last progress, if it is conn.beyond
}

func (c *conn) newIntake(ctx context.Context, body io.Reader) *intake {
	return &intake{conn: c, ctx: ctx, body: body}
}

func (i *intake) Read(p []byte) (int, error) {
	if i.n >= uncounted {
		if err := i.await(i.n); err != nil {
			return 0, err
		}
	}
	n, err := i.body.Read(p)
	i.n += n
	return n, err
}

// await waits until there is room for size bytes of the message.
func (i *intake) await(size int) error {
	i.asks = true
	for {
		full := i.conn.admit(i, size)
		if full == nil {
			return nil
		}
		stalled := time.NewTimer(intakeStall)
		select {
		case <-full:
		case <-stalled.C:
		case <-i.ctx.Done():
			stalled.Stop()
			return context.Cause(i.ctx)
		}
		stalled.Stop()
	}
}

// done says that the message has been received, waits for that, or is not wanted.
func (i *intake) done() {
	i.n = 0
	if !i.asks {
		return
	}
	i.asks = false
	c := i.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arriving -= i.counted
	i.counted = 0
	if c.beyond == i {
		c.beyond = nil
	}
	c.ease()
}

// admit counts size bytes of i's message and returns nil; or, if there is no room for them, what is closed when there may be.
func (c *conn) admit(i *intake, size int) (full <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	size = max(size, i.counted)
	switch {
	case c.beyond == i:
	case c.unread+c.arriving-i.counted+size <= maxUnread:
		c.arriving += size - i.counted
		i.counted = size
	case c.unread == 0 && (c.beyond == nil || time.Since(c.beyond.at) >= intakeStall): // whoever receives has nothing else to do
		c.arriving -= i.counted
		i.counted = 0
		c.beyond = i
	default:
		return c.easing()
	}
	i.at = time.Now()
	return nil
}

// charge counts d among what is unread and returns nil; or, if there is no room for it, what is closed when there may be.
func (c *conn) charge(d delivery) (full <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unread == 0 || c.unread+len(d.m.Raw) <= maxUnread {
		c.unread += len(d.m.Raw)
		return nil
	}
	return c.easing()
}

// discharge says that whoever has received messages has no more use for them.
func (c *conn) discharge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unread -= c.lent
	c.lent = 0
	c.ease()
}

// easing returns what ease closes. c.mu is held.
func (c *conn) easing() <-chan struct{} {
	if c.eased == nil {
		c.eased = make(chan struct{})
	}
	return c.eased
}

// ease has everyone look who waits for room. c.mu is held.
func (c *conn) ease() {
	if c.eased != nil {
		close(c.eased)
		c.eased = nil
	}
}
