package remote

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

const (
	// maxInFlight is how many requests may be at the server at once, or their answers on the way to Receive. More would only queue there, out of
	// reach of a cancellation, or fill the memory here if nobody receives them.
	maxInFlight = 64

	// maxPings is how many pings may be there beyond that.
	maxPings = 8

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

	// reopen begins another session for the calls that follow, and leaves the present one to those that are under way.
	reopen(ctx context.Context) error

	// awake opens again, at once, the streams that a sleep of this computer has probably broken, but none on which an answer may still come.
	awake()
}

// A conn is what the two transports have in common: the order of messages, the requests that are owed an answer, and the way to Receive.
type conn struct {
	cfg       Config
	transport transport
	ctx       context.Context // done when the conn is closed
	cancel    context.CancelFunc
	tasks     sync.WaitGroup // every goroutine of the conn
	hand      handshake

	post     http.Header // what every POST carries
	inbox    chan delivery
	received []jsonrpc.Message // what Receive returns next
	lent     int               // length of what Receive has taken, which is not done with until the next Receive
	drained  chan struct{}     // closed after CloseSend, when nothing is left to do
	wake     chan struct{}     // has a token when dispatch has something to look at

	mu       sync.Mutex         // guards the rest
	stirred  chan struct{}      // closed by stir; nil if nobody naps
	clock    time.Time          // when lookAtClock did last, by the wall clock
	room     chan struct{}      // closed when there is room in queue again; nil if nobody has asked
	queue    []*call            // waiting for their turn
	bytes    int                // length of the messages in queue
	unread   int                // length of the messages in inbox and received
	arriving int                // length of what has come of others, see intake
	beyond   *intake            // of the one that may be longer than there is room for; nil if there is none
	eased    chan struct{}      // closed when one of these has changed; nil if nobody waits for that
	flying   int                // requests that are one of maxInFlight
	open     map[string][]*call // requests whose response has not been received, by the key of their id, oldest first
	left     int                // calls that are not over
	closing  bool               // CloseSend has been called
	answered bool               // the first message is, or need not be before others
	early    []jsonrpc.Message  // what came until then, and the answer, for Receive
	asked    map[string][]any   // what asked the client the requests that it has not answered, by the key of their id: *session or *eventStream

	renewing  chan struct{} // closed when the renewal of the session under way is over; nil if there is none
	renewals  int           // begun
	renewedAt time.Time     // when the last began
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
	http2     bool // they go over HTTP/2
	begun     bool // and their header has gone
	flying    bool // counted in conn.flying
	renewals  int  // of the conn when it was sent
	settled   bool // a response has been chosen, or none is wanted any more
	cancelled bool
	deadline  time.Time                             // zero if there is none; see RequestTimeout
	token     string                                // key of its progress token; "" if there is none
	expired   bool                                  // answered because of its deadline
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
		inbox:   make(chan delivery, 256),
		drained: make(chan struct{}),
		wake:    make(chan struct{}, 1),
		open:    make(map[string][]*call),
		asked:   make(map[string][]any),
	}
	c.post = c.header()
	c.post.Set("Content-Type", "application/json")
	c.post.Set("Accept", "application/json, text/event-stream")
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return c
}

// newCall returns a call that is given up with ctx, c's or one that ends before.
func newCall(ctx context.Context, m jsonrpc.Message) *call {
	call := &call{m: m, wrote: make(chan struct{}), done: make(chan struct{})}
	call.ctx, call.cancel = context.WithCancel(ctx)
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
