package remote

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is the way of a message from the server: whom it answers, who wants to see it, and who receives it.

// settle answers call with m, which cause is the reason for if m was made up, unless it has been answered or cancelled before.
func (c *conn) settle(call *call, m jsonrpc.Message, cause error) {
	c.mu.Lock()
	won := c.settleLocked(call)
	if won {
		call.cause = cause
	}
	c.mu.Unlock()
	if !won {
		return
	}
	if call.answer != nil {
		c.keep(m)        // that of the first message is the client's too
		call.answer <- m // has room for one, and there is only one
		c.finish(call)
		return
	}
	c.give(delivery{m, call})
}

func (c *conn) settleLocked(call *call) bool {
	if call.settled {
		return false
	}
	call.settled = true
	close(call.done)
	return true
}

func (c *conn) isSettled(call *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return call.settled
}

// finish says that nothing is left to do for call.
func (c *conn) finish(call *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settleLocked(call)
	c.finishLocked(call)
}

func (c *conn) finishLocked(call *call) {
	if call.over {
		return
	}
	call.over = true
	if call.flying { // till now, so that the server is not asked for answers that nobody receives
		call.flying = false
		c.flying--
		c.change()
	}
	if call.isRequest() {
		key := call.m.ID.Key()
		calls := c.open[key]
		i := slices.Index(calls, call)
		if c.open[key] = slices.Delete(calls, i, i+1); len(calls) == 1 {
			delete(c.open, key)
		}
	}
	c.left--
	c.checkDrained()
}

// checkDrained closes c.drained if that is due. c.mu is held.
func (c *conn) checkDrained() {
	if c.closing && c.left == 0 {
		select {
		case <-c.drained:
		default:
			close(c.drained)
		}
	}
}

// deliver hands a message of the server's own to Receive.
func (c *conn) deliver(m jsonrpc.Message) {
	if c.keep(m) {
		return
	}
	c.give(delivery{m: m})
}

// give puts d into the inbox when there is room for it.
func (c *conn) give(d delivery) {
	for full := c.charge(d); full != nil; full = c.charge(d) {
		select {
		case <-full:
		case <-c.ctx.Done():
			return
		}
	}
	select {
	case c.inbox <- d:
	case <-c.ctx.Done():
	}
}

// maxEarly is how much may come before the answer to the first message. What a server says beyond that is dropped.
const maxEarly = 1024

// keep has m received when Dial has returned, if m is the answer to the first message or comes before it. It returns false otherwise.
func (c *conn) keep(m jsonrpc.Message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answered {
		return false
	}
	c.answered = m.Kind == jsonrpc.Response
	if c.answered || len(c.early) < maxEarly {
		c.early = append(c.early, m)
	}
	return true
}

// takeEarly returns the messages that keep took.
func (c *conn) takeEarly() []jsonrpc.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	early := c.early
	c.early = nil
	return early
}

// route takes a message that came from a session or an event stream, on the stream of a call or on none in particular (nil), to whom it is for.
func (c *conn) route(m jsonrpc.Message, from any, on *call) {
	switch m.Kind {
	case jsonrpc.Batch: // MCP 2025-03-26 only
		for _, m := range jsonrpc.Split(m) {
			c.route(m, from, on)
		}
	case jsonrpc.Notification:
		c.progress(m)
		c.deliver(m)
	case jsonrpc.Request:
		if on != nil && on.modern {
			c.cfg.Log.Warn("server sent a request, which its protocol version forbids", "method", m.Method)
			return
		}
		c.mu.Lock()
		key := m.ID.Key()
		c.asked[key] = append(c.asked[key], from)
		c.mu.Unlock()
		c.deliver(m)
	case jsonrpc.Response:
		if !proper(m) {
			c.unreadable(on, &messageError{errors.New("its error is not one of JSON-RPC")})
			return
		}
		if call, onAnswer := c.owed(m, on); call != nil {
			if anonymous(m.ID) {
				m = m.WithID(call.m.ID)
			}
			if onAnswer != nil {
				m = onAnswer(m)
			}
			c.heed(call, m)
			c.settle(call, m, nil)
			return
		}
		c.cfg.Log.Debug("server answered what nobody waits for", "id", m.ID)
	default:
		c.cfg.Log.Warn("server sent JSON that is no message")
	}
}

// wanted returns what has asked the client what m answers, and false if that is lost. In another session than the one that asked, m could be taken for
// the answer to something else.
func (c *conn) wanted(m jsonrpc.Message) (asker any, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := m.ID.Key()
	askers := c.asked[key]
	if len(askers) == 0 {
		c.cfg.Log.Debug("client answered what the server has not asked", "id", m.ID)
		return nil, false
	}
	if c.asked[key] = askers[1:]; len(askers) == 1 {
		delete(c.asked, key)
	}
	return askers[0], true
}

// unask says that those that have asked are lost for which lost is true.
func (c *conn) unask(lost func(asker any) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, askers := range c.asked {
		if c.asked[key] = slices.DeleteFunc(askers, lost); len(c.asked[key]) == 0 {
			delete(c.asked, key)
		}
	}
}

// owed returns the request that the response m answers, and who wants to see the answer.
func (c *conn) owed(m jsonrpc.Message, on *call) (*call, func(jsonrpc.Message) jsonrpc.Message) {
	key := m.ID.Key()
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.open[key]
	if on != nil && (on.m.ID.Key() == key || anonymous(m.ID)) {
		calls = []*call{on} // an error may come without an id, but on the stream of its request
	}
	for _, call := range calls {
		if !call.settled {
			return call, call.onAnswer
		}
	}
	return nil, nil
}

// watch has f see, and perhaps change, the response to a call before it is settled.
func (c *conn) watch(call *call, f func(jsonrpc.Message) jsonrpc.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	call.onAnswer = f
}

// anonymous reports whether a response with this id doesn't say what it answers (JSON-RPC 2.0 §5).
func anonymous(id jsonrpc.ID) bool { return id == "" || id == "null" }

// ask sends a request of our own by exchange and returns its response. It is marked as ctx is, see Config.Waiting.
func (c *conn) ask(ctx context.Context, m jsonrpc.Message, exchange func(*call)) (jsonrpc.Message, error) {
	// The response may come on another stream, before the status of the request. To cancel that then would be too early: net/http closes the connection,
	// which may be that of the next request already (it does so still in Go 1.26).
	call := newCall(context.WithoutCancel(ctx), m)
	call.answer = make(chan jsonrpc.Message, 1)
	c.mu.Lock()
	c.expect(call)
	c.mu.Unlock()
	defer c.finish(call)
	defer c.wait(call)
	c.tasks.Go(func() {
		defer call.cancel()
		defer context.AfterFunc(c.ctx, call.cancel)()
		exchange(call)
	})
	select {
	case m := <-call.answer:
		c.mu.Lock()
		defer c.mu.Unlock()
		return m, call.cause
	case <-ctx.Done():
		call.cancel()
		return jsonrpc.Message{}, context.Cause(ctx)
	}
}

// CloseSend is part of Conn.
func (c *conn) CloseSend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	c.checkDrained()
}

// Receive is part of Conn.
func (c *conn) Receive(ctx context.Context) ([]jsonrpc.Message, error) {
	clear(c.received) // or its messages would stay in memory until others take their places
	c.received = append(c.received[:0], c.takeEarly()...)
	c.discharge()
	for len(c.received) == 0 {
		select {
		case d := <-c.inbox:
			c.take(d)
		case <-c.drained:
			if c.takeAll(); len(c.received) == 0 {
				return nil, io.EOF
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.ctx.Done():
			return nil, net.ErrClosed
		}
	}
	c.takeAll()
	return c.received, nil
}

// takeAll takes what is in the inbox, so much that it can be written together.
func (c *conn) takeAll() {
	for len(c.received) < cap(c.inbox) {
		select {
		case d := <-c.inbox:
			c.take(d)
		default:
			return
		}
	}
}

// take has Receive return d, unless d answers what has been cancelled since.
func (c *conn) take(d delivery) {
	c.lent += len(d.m.Raw)
	if d.c == nil || c.handOver(d.c) {
		c.received = append(c.received, d.m)
	}
}

// handOver ends a call whose response is about to be received. It returns false if the call has been cancelled since.
func (c *conn) handOver(call *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finishLocked(call)
	return !call.cancelled
}

// Close is part of Conn.
func (c *conn) Close() error {
	if c.ctx.Err() == nil {
		c.cancel() // first, since whatever is still going on would take the end of the session for its loss and start another
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), CloseTimeout)
		c.transport.hangUp(ctx)
		cancel()
	}
	c.tasks.Wait()
	return nil
}
