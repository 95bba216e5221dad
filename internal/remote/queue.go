package remote

import (
	"context"
	"slices"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is the way of a message to the server: its place in the queue, its turn, and its end if the client cancels it before.

// Send is part of Conn.
func (c *conn) Send(m jsonrpc.Message) bool {
	if c.giveUp(m) {
		return true
	}
	c.lookAtClock() // what comes first after a sleep is not to go over what was there before it
	call := newCall(c.ctx, m)
	c.attend(call)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full(call) {
		call.cancel()
		return false
	}
	c.enqueue(call)
	return true
}

// enqueue puts call at the end of the queue. c.mu is held.
func (c *conn) enqueue(call *call) {
	c.expect(call)
	c.queue = append(c.queue, call)
	c.bytes += len(call.m.Raw)
	c.change()
}

// unqueue removes call from the queue, if it is there. c.mu is held.
func (c *conn) unqueue(call *call) {
	if i := slices.Index(c.queue, call); i >= 0 {
		c.queue = slices.Delete(c.queue, i, i+1)
		c.bytes -= len(call.m.Raw)
	}
}

// Room is part of Conn.
func (c *conn) Room() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.room == nil {
		c.room = make(chan struct{})
	}
	room := c.room
	if len(c.queue) == 0 { // else what is in it leaves it some time
		close(c.room)
		c.room = nil
	}
	return room
}

// full reports whether call must wait outside. Responses and cancellations never do: they are what others wait for.
func (c *conn) full(call *call) bool {
	return !urgent(call) && (len(c.queue) >= maxWaiting || len(c.queue) > 0 && c.bytes+len(call.m.Raw) > maxWaitingBytes)
}

// urgent reports whether call goes ahead of requests that wait for a place at the server.
func urgent(call *call) bool {
	return call.m.Kind == jsonrpc.Response || call.m.Method == "notifications/cancelled"
}

// expect counts call among those that are not over. c.mu is held.
func (c *conn) expect(call *call) {
	c.left++
	if call.isRequest() {
		key := call.m.ID.Key()
		c.open[key] = append(c.open[key], call)
		c.limit(call)
	}
}

// change wakes whoever waits for a change of c's state. c.mu is held.
func (c *conn) change() {
	select {
	case c.wake <- struct{}{}:
	default: // dispatch will look anyway
	}
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// dispatch sends what is in the queue, in order, until the conn is closed.
func (c *conn) dispatch() {
	turn := make(chan struct{})
	close(turn)
	var last <-chan struct{} = turn
	idle := make(chan *call)
	defer close(idle)
	for {
		call := c.next()
		if call == nil {
			return
		}
		call.turn, last = last, call.wrote
		select {
		case idle <- call: // its taker has a stack that is large enough: to grow one costs a twentieth of a small call
		default:
			c.tasks.Go(func() { c.work(call, idle) })
		}
		// The session begins with these two: until the server has taken them, it knows nothing that anything else could be about.
		if call.m.Method == "initialize" || call.m.Method == "notifications/initialized" {
			silence := time.NewTimer(c.cfg.HandshakeTimeout) // a server that never says so is not to hold up the rest for ever
			select {
			case <-call.done:
			case <-silence.C:
			case <-c.ctx.Done():
			}
			silence.Stop()
		}
	}
}

// work sends call, and then whatever comes, until more is closed.
func (c *conn) work(call *call, more <-chan *call) {
	for ; call != nil; call = <-more {
		c.transport.exchange(call)
		call.written()
		if !call.isRequest() {
			c.finish(call)
		}
		call.cancel()
	}
}

// next takes the call from the queue whose turn it is. It returns nil when the conn is closed.
func (c *conn) next() *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.ctx.Err() == nil {
		if i := c.first(); i >= 0 {
			call := c.queue[i]
			c.unqueue(call)
			if takesPlace(call) {
				call.flying = true
				c.flying++
			}
			c.change()
			return call
		}
		c.mu.Unlock()
		select {
		case <-c.wake:
		case <-c.ctx.Done():
		}
		c.mu.Lock()
	}
	return nil
}

// first returns where in the queue the call is whose turn it is, -1 if all of it must wait for a place at the server. c.mu is held.
//
// Where there is no place, what takes none goes if nothing is before it: a notification may be about a request before it, so it overtakes
// none but by cancelling one. A ping is about nothing, and whoever sends it takes silence for the end of the connection; a few go ahead of all others.
func (c *conn) first() int {
	if len(c.queue) > 0 && (c.flying < maxInFlight || !takesPlace(c.queue[0])) {
		return 0
	}
	return slices.IndexFunc(c.queue, func(call *call) bool {
		return urgent(call) || call.m.Method == "ping" && c.flying < maxInFlight+maxPings
	})
}

// takesPlace reports whether call is one of the maxInFlight. A subscriptions/listen is not: it stays at the server by design.
func takesPlace(call *call) bool { return call.isRequest() && call.m.Method != "subscriptions/listen" }

// begin waits until call's message may be written, over a connection of HTTP/2 or not, and marks it as sent. It returns false if it must not be written any more.
func (c *conn) begin(call *call, http2 bool) bool {
	if call.turn != nil {
		select {
		case <-call.turn:
		case <-call.ctx.Done():
			return false
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if call.cancelled || call.expired {
		return false
	}
	call.sent, call.heard, call.http2, call.begun, call.renewals = true, false, http2, false, c.renewals
	return true
}

// giveUp cancels the request that m names, if m is the notification for that. It reports whether that was all there is to do: the
// server has never seen the request, or it is of an era in which closing the stream is how to cancel (MCP 2026-07-28, "Cancellation").
func (c *conn) giveUp(m jsonrpc.Message) bool {
	id, ok := m.Cancels()
	if !ok {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.open[id.Key()]
	i := slices.IndexFunc(calls, func(call *call) bool { return !call.cancelled && call.m.Method != "initialize" })
	if i < 0 {
		return false
	}
	call := calls[i]
	call.cancelled = true
	c.unqueue(call)
	c.settleLocked(call)
	c.finishLocked(call)
	if call.sent && !call.modern {
		c.wait(call)
		return false
	}
	call.cancel()
	return true
}

// wait leaves the exchange of call, of which nothing is wanted any more, cancelGrace to end by itself.
func (c *conn) wait(call *call) {
	// The call's own context can't do it: it ends with the exchange, which is what this is to end.
	stop := time.AfterFunc(cancelGrace, call.cancel)
	context.AfterFunc(call.ctx, func() { stop.Stop() })
}
