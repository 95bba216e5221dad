// Package remote is a session with one remote MCP server over HTTP.
//
// [Dial] opens it with the client's first message and finds out by that message, with no request of its own, which transport the server
// speaks: Streamable HTTP (2025-03-26 and later) or HTTP+SSE (2024-11-05). The [Conn] that it returns keeps one promise above all: every request that
// it is given is answered exactly once, also if the server or the network fails.
//
//	Send ─▶ queue ─▶ dispatch ─▶ exchange ─▶ POST        queue.go, streamable.go or sse.go
//	                                           │
//	                 JSON or an event stream ◀─┘            event.go, stream.go
//	                           │
//	Receive ◀─ inbox ◀─ settle ◀─ route                   inbox.go: one answer for each request
//
// dial.go opens the session, session.go and handshake.go start a lost one again, and stale.go one that has outlived its token. modern.go adds the headers
// of 2026-07-28. wake.go and ssealive.go notice what nobody tells: that this computer has slept, or a connection has no other end any more.
// deadline.go limits how long requests take and intake.go how much waits to be received, failure.go says what went wrong. conn.go holds what all of these share.
package remote

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// A Conn is a session with a remote MCP server.
//
// A Conn answers every request given to Send with exactly one response from Receive. If the server or the network fails, it makes up
// an error response. Two kinds of request get none: one that the client has cancelled, and a subscriptions/listen whose stream broke, which ends
// with notifications/cancelled (MCP 2026-07-28, "Cancellation").
type Conn interface {
	// Send takes m to be written to the server in its turn, and waits for nothing. It returns false, and takes nothing, while too much
	// waits for its turn already. Responses and cancellations, for which others wait, are always taken.
	Send(m jsonrpc.Message) bool

	// Room returns a channel that is closed when it is worth trying Send again.
	Room() <-chan struct{}

	// CloseSend says that no more messages will be sent. Once everything sent has been dealt with, Receive returns io.EOF.
	CloseSend()

	// Receive waits for messages from the server and returns those that are there, in a slice that is good until the next call. Its error
	// is io.EOF after CloseSend, ctx's, or net.ErrClosed. It is for one goroutine.
	Receive(ctx context.Context) ([]jsonrpc.Message, error)

	// Close ends the session. It takes at most [CloseTimeout], which is for telling the server.
	Close() error
}

// A Transport says which transports may be tried, and in which order.
type Transport string

const (
	HTTPFirst Transport = "http-first" // Streamable HTTP, then HTTP+SSE; so is ""
	SSEFirst  Transport = "sse-first"  // HTTP+SSE, then Streamable HTTP
	HTTPOnly  Transport = "http-only"  // Streamable HTTP
	SSEOnly   Transport = "sse-only"   // HTTP+SSE
)

// A Config says where the server is and how to talk to it.
type Config struct {
	URL              *url.URL
	Transport        Transport
	Do               func(*http.Request) (*http.Response, error) // sends a request; nil means NewClient(nil).Do
	Fresh            func()                                      // has later requests use new connections; nil means that this can't be done, or NewClient(nil)'s
	Header           http.Header                                 // added to every request
	UserAgent        string                                      // "" means "atlassian-mcp"
	MaxMessage       int64                                       // longest message from the server, in bytes; 0 means [jsonrpc.MaxMessage]
	Waiting          func(context.Context) context.Context       // marks the context of requests that the client waits for, for Do; nil means no mark
	HandshakeTimeout time.Duration                               // how long the server may be silent before it answers the first message; 0 means 20 s
	Hint             func(error) string                          // advice on an error, added to the answers made up here; nil means none
	Log              *slog.Logger                                // nil means discard

	// Answer answers a request that came to an error in an open session, if it knows something better than the error to say. Nil means
	// that it never does.
	Answer func(m jsonrpc.Message, err error) (answer jsonrpc.Message, ok bool)

	// RequestTimeout is how long a request may take; 0 means for ever. Progress that the server reports of it gives it the same time again, nothing else
	// does. When it is over the request is answered with an error and cancelled at the server. A subscriptions/listen has no such limit.
	RequestTimeout time.Duration

	// PingInterval is how often the server is sent a ping, lest it forget the session; 0 means never. Sessions of 2026-07-28 know no ping.
	PingInterval time.Duration

	// Stale reports whether a tool's result says that the session has outlived its token. Its session is then renewed for the calls that follow,
	// once a minute at most: Renew gets new tokens, then the session is opened again. The result goes on as it is. Nil means that no result says so,
	// and that there are no tokens to get.
	Stale func(result jsonrpc.Message) bool
	Renew func(context.Context) error

	wall func() time.Time // the wall clock; nil means time.Now
}

const (
	handshakeTimeout = 20 * time.Second

	// endpointTimeout is how long an HTTP+SSE server may take to send its endpoint event. It is the first thing that such a server
	// does; what sends none is some other event stream.
	endpointTimeout = 5 * time.Second

	// CloseTimeout is how long Close may take. The process is about to end and its host is waiting, so a server that doesn't answer
	// the DELETE in this time keeps a session that it will have to expire by itself.
	CloseTimeout = 300 * time.Millisecond
)

// withDefaults returns cfg without zero values.
func (cfg Config) withDefaults() Config {
	if cfg.Transport == "" {
		cfg.Transport = HTTPFirst
	}
	if cfg.Do == nil {
		pool := NewPool(http.DefaultTransport.(*http.Transport).Clone())
		cfg.Do, cfg.Fresh = NewClient(pool).Do, pool.Fresh
	}
	if cfg.Fresh == nil {
		cfg.Fresh = func() {}
	}
	if cfg.Renew == nil {
		cfg.Renew = func(context.Context) error { return nil }
	}
	if cfg.wall == nil {
		cfg.wall = time.Now
	}
	if cfg.Waiting == nil {
		cfg.Waiting = func(ctx context.Context) context.Context { return ctx }
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "atlassian-mcp"
	}
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = jsonrpc.MaxMessage
	}
	if cfg.HandshakeTimeout == 0 {
		cfg.HandshakeTimeout = handshakeTimeout
	}
	if cfg.Hint == nil {
		cfg.Hint = func(error) string { return "" }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return cfg
}
