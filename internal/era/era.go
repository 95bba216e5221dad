// Package era lets a client that begins with initialize (MCP 2025-11-25 and before) use a server of MCP 2026-07-28, which knows neither a
// handshake nor sessions.
//
//	client ── initialize, ping, setLevel, subscribe ─▶ Send ─┐ answered here
//	       ◀──────────────────────────────────────── Receive ┘
//	client ── any other request ─▶ Send ─▶ _meta ─▶ remote.Conn ─▶ server      splice.go
//	       ◀────────────── Receive ◀─ settle ◀───── remote.Conn ◀─ server
//	                                    │ input_required
//	       ◀─ elicitation, sampling, roots ─▶ the request once more            input.go
//	       ◀─ list_changed, updated ◀────────────── subscriptions/listen       listen.go
//
// A client of 2026-07-28 with an older server needs nothing of the kind: told that the server doesn't know server/discover, it begins with
// initialize.
package era

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

const (
	// discoverTimeout is how long a server may take for server/discover. One that doesn't know it may not answer at all.
	discoverTimeout = 10 * time.Second

	// maxLocal is how many messages of our own may wait to be received. Beyond that Send takes no request.
	maxLocal = 1024
)

// Dial is [remote.Dial], but for a client that begins with initialize. The server is then asked with server/discover first: if it speaks
// 2026-07-28 the Conn translates between the two, and answers initialize from what the server has said. If it doesn't, or is silent for 10 s, it is
// sent the initialize. A failure that says nothing about what the server knows is the error.
//
// The error is always a [*remote.OpenError]. ctx is for opening only; it doesn't limit the Conn.
func Dial(ctx context.Context, cfg remote.Config, first jsonrpc.Message) (remote.Conn, error) {
	if first.Method != string(mcp.MethodInitialize) {
		return remote.Dial(ctx, cfg, first)
	}
	c := newConn(ctx, cfg)
	c.introduce(first)
	err := c.discover(ctx, cfg)
	failed, ok := errors.AsType[*remote.OpenError](err)
	switch {
	case err == nil:
		c.say(jsonrpc.NewResponse(first.ID, c.welcome()))
		return c, nil
	case ok && failed.Err != nil && (ctx.Err() != nil || !errors.Is(failed.Err, context.DeadlineExceeded)):
		return nil, &remote.OpenError{Answer: failed.Answer.WithID(first.ID), Err: failed.Err}
	}
	c.log.Debug("server does not speak 2026-07-28", "reason", err)
	return remote.Dial(ctx, cfg, first)
}

// A conn is a [remote.Conn] for a client of 2025-11-25 or before, around one with a server of 2026-07-28.
type conn struct {
	server remote.Conn
	host   string // of the server
	log    *slog.Logger
	ctx    context.Context // done when the conn is closed
	cancel context.CancelFunc
	tasks  sync.WaitGroup // every goroutine of the conn

	mu         sync.Mutex          // guards the rest
	found      []byte              // the result of server/discover
	client     client              // who the client is
	level      string              // of the messages that it wants; "" if it has not said
	open       map[string]*request // what is at the server, by the key of its id there
	asking     []*request          // what waits for the client's answers
	listening  listening           // listen.go
	local      []jsonrpc.Message   // what Receive returns next
	room       chan struct{}       // closed when there is room in local again; nil if nobody has asked
	interrupt  context.CancelFunc  // has a waiting Receive look at local; nil if none waits
	closing    bool                // CloseSend or Close has been called
	unattended bool                // what is being sent is for nobody who would sign in for it
	prefix     string
	ids        int
}

// A request is one of the client's.
type request struct {
	m      jsonrpc.Message // as it was sent first
	id     jsonrpc.ID      // the client's
	at     jsonrpc.ID      // the server's, which is another after a round of input
	rounds int             // of input
	inputs []input         // that the client is being asked for
	state  []byte          // what the server wants back with them, nil for nothing
}

func newConn(ctx context.Context, cfg remote.Config) *conn {
	c := &conn{
		host:   cfg.URL.Host,
		log:    cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)),
		open:   make(map[string]*request),
		prefix: "atlassian-mcp:" + rand.Text() + ":",
	}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return c
}

// newID returns an id for a request of our own, to either side. Nobody else's can be the same but by malice. c.mu is held.
func (c *conn) newID() jsonrpc.ID {
	c.ids++
	return jsonrpc.ID(strconv.Quote(c.prefix + strconv.Itoa(c.ids)))
}

var errOlder = errors.New("server/discover does not name the version")

// discover asks the server what it can do (MCP 2026-07-28, "Discovery"). The error is remote.Dial's, or errOlder.
func (c *conn) discover(ctx context.Context, cfg remote.Config) error {
	cfg.HandshakeTimeout = min(cmp.Or(cfg.HandshakeTimeout, discoverTimeout), discoverTimeout)
	if waiting := cfg.Waiting; waiting != nil {
		cfg.Waiting = func(ctx context.Context) context.Context {
			if c.unattended { // see listen: Send calls this, and is called with c.mu held
				return ctx
			}
			return waiting(ctx)
		}
	}
	ask := withMeta(jsonrpc.NewRequest(c.newID(), string(mcp.MethodServerDiscover), nil), c.meta())
	server, err := remote.Dial(ctx, cfg, ask)
	if err != nil {
		return err
	}
	early, _ := server.Receive(ctx) // the answer is there, and nothing else has been asked for
	for _, m := range early {
		if m.Kind == jsonrpc.Response && m.ID.Key() == ask.ID.Key() {
			c.found = jsonrpc.Lookup(m.Raw, "result")
		}
	}
	var versions []string
	json.Unmarshal(jsonrpc.Lookup(c.found, "supportedVersions"), &versions)
	if !slices.Contains(versions, mcp.ProtocolVersion20260728) {
		server.Close()
		return errOlder
	}
	c.server = server
	return nil
}

// say has m received. c.mu is held, or nobody else knows c yet.
func (c *conn) say(m ...jsonrpc.Message) {
	c.local = append(c.local, m...)
	if c.interrupt != nil {
		c.interrupt()
	}
}

// Send is part of remote.Conn.
func (c *conn) Send(m jsonrpc.Message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, cancels := m.Cancels()
	switch {
	case cancels:
		c.giveUp(id)
	case m.Kind == jsonrpc.Response:
		c.answered(m)
	case m.Kind == jsonrpc.Notification && m.Method == string(mcp.MethodNotificationInitialized):
		if !c.listening.begun() {
			c.listen()
		}
	case m.Kind != jsonrpc.Request:
		c.log.Debug("message dropped: the server's version has no such thing", "kind", m.Kind.String(), "method", m.Method)
	case len(c.local) >= maxLocal:
		return false
	default:
		return c.request(m)
	}
	return true
}

// request answers a request or sends it on. It returns false if there is no room for it.
func (c *conn) request(m jsonrpc.Message) bool {
	switch m.Method {
	case string(mcp.MethodInitialize):
		c.introduce(m)
		c.say(jsonrpc.NewResponse(m.ID, c.welcome()))
	case string(mcp.MethodPing):
		c.say(jsonrpc.NewResponse(m.ID, []byte(`{}`)))
	case string(mcp.MethodSetLogLevel):
		c.say(c.setLevel(m))
	case string(mcp.MethodResourcesSubscribe), string(mcp.MethodResourcesUnsubscribe):
		c.subscribe(m)
	default:
		r := &request{m: withMeta(m, c.meta()), id: m.ID, at: m.ID}
		if c.open[r.at.Key()] != nil {
			c.say(jsonrpc.ErrorResponse(m.ID, jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: "another request has the same id"}))
			return true
		}
		return c.send(r, r.m)
	}
	return true
}

// send gives m, which is r or r once more, to the server. It returns false if that has no room.
func (c *conn) send(r *request, m jsonrpc.Message) bool {
	if !c.server.Send(m) {
		return false
	}
	c.open[r.at.Key()] = r
	return true
}

// giveUp cancels a request of the client's, wherever it is.
func (c *conn) giveUp(id jsonrpc.ID) {
	key := id.Key()
	c.local = slices.DeleteFunc(c.local, func(m jsonrpc.Message) bool { return m.Kind == jsonrpc.Response && m.ID.Key() == key })
	c.listening.waiting = slices.DeleteFunc(c.listening.waiting, func(w wish) bool { return w.id.Key() == key })
	if i := slices.IndexFunc(c.asking, func(r *request) bool { return r.id.Key() == key }); i >= 0 {
		c.withdraw(c.asking[i])
		return
	}
	for at, r := range c.open {
		if r.id.Key() == key {
			delete(c.open, at)
			c.abort(r.at)
			return
		}
	}
}

// abort cancels what is at the server under an id.
func (c *conn) abort(at jsonrpc.ID) {
	c.server.Send(jsonrpc.NewRequest("", string(mcp.MethodNotificationCancelled), []byte(`{"requestId":`+string(at)+`}`)))
}

// Room is part of remote.Conn.
func (c *conn) Room() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.local) < maxLocal {
		return c.server.Room()
	}
	if c.room == nil {
		c.room = make(chan struct{})
	}
	return c.room
}

// CloseSend is part of remote.Conn. Nobody will answer what the client is being asked, nor wants to be told of changes.
func (c *conn) CloseSend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	for _, r := range slices.Clone(c.asking) {
		c.fail(r, errGone.Error())
	}
	c.deafen()
	c.server.CloseSend()
}

// Receive is part of remote.Conn.
func (c *conn) Receive(ctx context.Context) ([]jsonrpc.Message, error) {
	for {
		c.mu.Lock()
		if messages := c.local; len(messages) > 0 {
			c.local = nil
			if c.room != nil {
				close(c.room)
				c.room = nil
			}
			c.mu.Unlock()
			return messages, nil
		}
		wait, interrupt := context.WithCancel(ctx)
		c.interrupt = interrupt
		c.mu.Unlock()
		received, err := c.server.Receive(wait)
		interrupt()
		c.mu.Lock()
		c.interrupt = nil
		for _, m := range received {
			c.take(m)
		}
		done := err != nil && len(c.local) == 0 && (ctx.Err() != nil || !errors.Is(err, context.Canceled))
		c.mu.Unlock()
		if done {
			return nil, err
		}
	}
}

// take has the client receive what the server has said, in the client's terms.
func (c *conn) take(m jsonrpc.Message) {
	key := m.ID.Key()
	switch r := c.open[key]; {
	case m.Kind == jsonrpc.Notification:
		c.news(m)
	case m.Kind != jsonrpc.Response:
		c.log.Warn("server sent what its protocol version forbids", "kind", m.Kind.String(), "method", m.Method)
	case c.listening.is(m.ID):
		c.deaf(m.ID, m)
	case r != nil:
		delete(c.open, key)
		c.settle(r, m)
	} // else it was cancelled a moment ago
}

// settle answers r, unless the server needs more for that.
func (c *conn) settle(r *request, m jsonrpc.Message) {
	kind, has := jsonrpc.Find(m.Raw, "result", "resultType")
	name, _ := jsonrpc.Text(m.Raw[kind.Start:kind.End])
	switch {
	case m.Failed || !has:
	case name == string(mcp.ResultTypeComplete):
		m = withoutResultType(m)
	case name == string(mcp.ResultTypeInputRequired):
		c.require(r, m)
		return
	default:
		c.fail(r, "server answered with a result of an unknown type: "+strconv.Quote(name))
		return
	}
	if r.at != r.id {
		m = m.WithID(r.id)
	}
	c.say(m)
}

// fail answers r with an error of ours.
func (c *conn) fail(r *request, why string) {
	c.withdraw(r)
	c.say(remote.Failure(r.id, why, nil))
}

// Close is part of remote.Conn.
func (c *conn) Close() error {
	c.mu.Lock()
	c.closing = true
	c.cancel()
	c.mu.Unlock()
	err := c.server.Close()
	c.tasks.Wait()
	return err
}
