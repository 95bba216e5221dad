package remote

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

const (
	// maxInFlight is how many requests may be unanswered at the server at once. More would only queue there, out of reach of a cancellation.
	maxInFlight = 64

	// maxWaiting and maxWaitingBytes are how much may wait for its turn here. Beyond that Send blocks, and with it whoever feeds it.
	maxWaiting      = 1024
	maxWaitingBytes = 64 << 20

	// cancelGrace is how long the exchange of a cancelled request may go on. The server may still say something on its stream,
	// but is free never to end it.
	cancelGrace = 30 * time.Second
)

// A transport carries calls. There are two: streamable and sse.
type transport interface {
	// exchange sends c to the server and returns when nothing more will come of it here. It settles c if c is a request whose
	// answer can't come by another way.
	exchange(c *call)

	// hangUp tells the server that the session is over.
	hangUp(ctx context.Context)
}

// A conn is what the two transports have in common: the order of messages, the requests that are owed an answer, and the way to Receive.
type conn struct {
	cfg       Config
	transport transport
	ctx       context.Context // done when the conn is closed
	cancel    context.CancelFunc
	tasks     sync.WaitGroup // every goroutine of the conn

	inbox   chan delivery
	drained chan struct{} // closed after CloseSend, when nothing is left to do

	mu       sync.Mutex // guards the rest
	changed  chan struct{}
	queue    []*call            // waiting for their turn
	bytes    int                // length of the messages in queue
	flying   int                // requests at the server
	open     map[string][]*call // requests whose response has not been received, by the key of their id, oldest first
	left     int                // calls that are not over
	closing  bool               // CloseSend has been called
	answered bool               // the first message is
	early    []jsonrpc.Message  // what came until then, and the answer, for Receive
	asked    map[string]int     // requests of the server's in its present session that the client has not answered, by the key of their id
}

// A delivery is a message on its way to Receive.
type delivery struct {
	m jsonrpc.Message
	c *call // the request that m answers; nil if none
}

// A call is a message on its way to the server, and what becomes of it.
type call struct {
	m      jsonrpc.Message
	ctx    context.Context // done when the call is to be given up
	cancel context.CancelFunc
	answer chan jsonrpc.Message // where the response goes if not to Receive
	modern bool                 // of a protocol without sessions, 2026-07-28 or later
	turn   <-chan struct{}      // closed when the message before has been written
	once   sync.Once
	wrote  chan struct{} // closed when this one has been written, or never will be

	// Guarded by conn.mu.
	sent      bool // its bytes may be with the server
	heard     bool // the server has answered them
	flying    bool // counted in conn.flying
	settled   bool // a response has been chosen, or none is wanted any more
	cancelled bool
	over      bool                                  // nothing is left to do for it
	done      chan struct{}                         // closed when settled
	cause     error                                 // why the response was made up; nil if it is the server's
	onAnswer  func(jsonrpc.Message) jsonrpc.Message // see watch
	on        *eventStream                          // what it was sent on, with HTTP+SSE
}

// newConn returns a conn whose transport is still to be set. It outlives ctx, which is only for opening it.
func newConn(ctx context.Context, cfg Config) *conn {
	c := &conn{
		cfg:     cfg,
		inbox:   make(chan delivery, 64),
		drained: make(chan struct{}),
		changed: make(chan struct{}),
		open:    make(map[string][]*call),
		asked:   make(map[string]int),
	}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return c
}

func (c *conn) newCall(m jsonrpc.Message) *call {
	call := &call{m: m, wrote: make(chan struct{}), done: make(chan struct{})}
	call.ctx, call.cancel = context.WithCancel(c.ctx)
	return call
}

// attend marks call as one that the client waits for, if it is.
func (c *conn) attend(call *call) {
	if call.isRequest() {
		call.ctx = c.cfg.Waiting(call.ctx)
	}
}

// written says that the next message may be written.
func (c *call) written() { c.once.Do(func() { close(c.wrote) }) }

func (c *call) isRequest() bool { return c.m.Kind == jsonrpc.Request }

// Send is part of Conn.
func (c *conn) Send(ctx context.Context, m jsonrpc.Message) error {
	if c.giveUp(m) {
		return nil
	}
	call := c.newCall(m)
	c.attend(call)
	c.mu.Lock()
	for c.full(call) {
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.ctx.Done():
			return net.ErrClosed
		}
		c.mu.Lock()
	}
	c.expect(call)
	c.queue = append(c.queue, call)
	c.bytes += len(m.Raw)
	c.change()
	c.mu.Unlock()
	return nil
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
	}
}

// change wakes whoever waits for a change of c's state. c.mu is held.
func (c *conn) change() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// dispatch sends what is in the queue, in order, until the conn is closed.
func (c *conn) dispatch() {
	turn := make(chan struct{})
	close(turn)
	var last <-chan struct{} = turn
	for {
		call := c.next()
		if call == nil {
			return
		}
		call.turn, last = last, call.wrote
		c.tasks.Go(func() {
			defer call.cancel()
			c.transport.exchange(call)
			call.written()
			if !call.isRequest() {
				c.finish(call)
			}
		})
		// The session begins with these two: until the server has taken them, it knows nothing that anything else could be about.
		if call.m.Method == "initialize" || call.m.Method == "notifications/initialized" {
			select {
			case <-call.done:
			case <-c.ctx.Done():
			}
		}
	}
}

// next takes the call from the queue whose turn it is. It returns nil when the conn is closed.
func (c *conn) next() *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.ctx.Err() == nil {
		i := 0
		if c.flying >= maxInFlight {
			i = slices.IndexFunc(c.queue, urgent)
		}
		if 0 <= i && i < len(c.queue) {
			call := c.queue[i]
			c.queue = slices.Delete(c.queue, i, i+1)
			c.bytes -= len(call.m.Raw)
			if call.isRequest() && call.m.Method != "subscriptions/listen" { // which stays there by design
				call.flying = true
				c.flying++
			}
			c.change()
			return call
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-c.ctx.Done():
		}
		c.mu.Lock()
	}
	return nil
}

// begin marks call as sent. It is called when the first byte of its message is about to be written, and returns false if that must not happen any more.
func (c *conn) begin(call *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if call.cancelled {
		return false
	}
	call.sent, call.heard = true, false
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
	if q := slices.Index(c.queue, call); q >= 0 {
		c.queue = slices.Delete(c.queue, q, q+1)
		c.bytes -= len(call.m.Raw)
	}
	c.settleLocked(call)
	c.finishLocked(call)
	if call.sent && !call.modern {
		// The call's own context can't do it: it ends with the exchange, which is what this is to end.
		stop := time.AfterFunc(cancelGrace, call.cancel)
		context.AfterFunc(call.ctx, func() { stop.Stop() })
		return false
	}
	call.cancel()
	return true
}

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
	select {
	case c.inbox <- delivery{m, call}:
	case <-c.ctx.Done():
	}
}

func (c *conn) settleLocked(call *call) bool {
	if call.settled {
		return false
	}
	call.settled = true
	close(call.done)
	if call.flying {
		call.flying = false
		c.flying--
		c.change()
	}
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
	select {
	case c.inbox <- delivery{m: m}:
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

// takeEarly returns the first message that is left of those that keep took.
func (c *conn) takeEarly() (jsonrpc.Message, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.early) == 0 {
		return jsonrpc.Message{}, false
	}
	m := c.early[0]
	c.early = c.early[1:]
	return m, true
}

// route takes a message that came on the stream of call, or on none in particular (nil), to whom it is for.
func (c *conn) route(m jsonrpc.Message, on *call) {
	switch m.Kind {
	case jsonrpc.Batch: // MCP 2025-03-26 only
		for _, m := range jsonrpc.Split(m) {
			c.route(m, on)
		}
	case jsonrpc.Notification:
		c.deliver(m)
	case jsonrpc.Request:
		if on != nil && on.modern {
			c.cfg.Log.Warn("server sent a request, which its protocol version forbids", "method", m.Method)
			return
		}
		c.mu.Lock()
		c.asked[m.ID.Key()]++
		c.mu.Unlock()
		c.deliver(m)
	case jsonrpc.Response:
		if call, onAnswer := c.owed(m, on); call != nil {
			if anonymous(m.ID) {
				m = m.WithID(call.m.ID)
			}
			if onAnswer != nil {
				m = onAnswer(m)
			}
			c.settle(call, m, nil)
			return
		}
		c.cfg.Log.Debug("server answered what nobody waits for", "id", m.ID)
	default:
		c.cfg.Log.Warn("server sent JSON that is no message")
	}
}

// wanted reports whether the server still wants m, the client's response to a request of the server's. In another session than the one that
// asked, it could be taken for the answer to something else.
func (c *conn) wanted(m jsonrpc.Message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := m.ID.Key()
	if c.asked[key] == 0 {
		return false
	}
	if c.asked[key]--; c.asked[key] == 0 {
		delete(c.asked, key)
	}
	return true
}

// unask says that the session is lost in which the server has asked what it has.
func (c *conn) unask() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.asked)
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

// ask sends a request of our own by exchange and returns its response.
func (c *conn) ask(ctx context.Context, m jsonrpc.Message, exchange func(*call)) (jsonrpc.Message, error) {
	call := c.newCall(m)
	defer call.cancel()
	defer context.AfterFunc(ctx, call.cancel)()
	call.answer = make(chan jsonrpc.Message, 1)
	c.mu.Lock()
	c.expect(call)
	c.mu.Unlock()
	defer c.finish(call)
	c.tasks.Go(func() { exchange(call) })
	select {
	case m := <-call.answer:
		return m, nil
	case <-call.ctx.Done():
		return jsonrpc.Message{}, call.ctx.Err()
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
func (c *conn) Receive(ctx context.Context) (jsonrpc.Message, error) {
	if m, ok := c.takeEarly(); ok {
		return m, nil
	}
	for {
		var d delivery
		select {
		case d = <-c.inbox:
		default:
			select {
			case d = <-c.inbox:
			case <-c.drained:
				select {
				case d = <-c.inbox:
				default:
					return jsonrpc.Message{}, io.EOF
				}
			case <-ctx.Done():
				return jsonrpc.Message{}, ctx.Err()
			case <-c.ctx.Done():
				return jsonrpc.Message{}, net.ErrClosed
			}
		}
		if d.c == nil || c.handOver(d.c) {
			return d.m, nil
		}
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
