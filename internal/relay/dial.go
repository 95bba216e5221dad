package relay

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// This file opens the session, with the client's initialize if there is one, and tries again for as long as that may help: soon while requests wait,
// at once when one comes, and now and then while nobody waits.

const (
	// handshakeTimeout is how long a request waits for the session, if the Config doesn't say.
	handshakeTimeout = 20 * time.Second

	// firstRetry and lastRetry are how long to wait before the next attempt while requests wait, at first and at last.
	firstRetry = 500 * time.Millisecond
	lastRetry  = 10 * time.Second

	// idleRetry is how long to wait while none does.
	idleRetry = 30 * time.Second
)

// An opener is the state of opening the session.
type opener struct {
	dialing  *dialing       // nil if no session is being opened
	opened   chan opening   // from dial
	dials    sync.WaitGroup // every dialing, abandoned ones too
	failure  error          // of the last dialing, an *remote.OpenError; nil if there was none
	failures int            // in a row
	retryAt  time.Time      // zero: not before another request comes
	fresh    bool           // there is a request that is younger than the last dialing
}

// A dialing is an attempt to open a session.
type dialing struct {
	first  waiting
	cancel context.CancelFunc
	quiet  atomic.Bool // nobody waits for it, so no person is to be asked for anything
}

// An opening is the outcome of a dialing.
type opening struct {
	dialing *dialing
	conn    remote.Conn
	early   []jsonrpc.Message // received already: the answer to the first message, and what came before
	err     error
}

// opens reports whether m is a message that begins a session and does nothing else, so that it can be sent again.
func opens(m jsonrpc.Message) bool { return m.Method == "initialize" || m.Method == "server/discover" }

// dial opens a session, unless there is one or one is being opened, or there is nothing to open it with. With quiet, no person is asked for anything.
func (r *relay) dial(quiet bool) {
	if r.conn != nil || r.dialing != nil || r.hand.recalling {
		return
	}
	var first waiting
	switch i := slices.IndexFunc(r.held, func(m waiting) bool { return m.Kind == jsonrpc.Request }); {
	case r.hand.initialize.Raw != nil:
		first = r.hand.initialize
	case r.hand.discover.Raw != nil:
		first = r.hand.discover
	case i >= 0:
		first = r.unhold(i)
	default:
		return
	}
	ctx, cancel := context.WithCancel(r.ctx)
	d := &dialing{first: first, cancel: cancel}
	d.quiet.Store(quiet)
	cfg := r.cfg.Remote
	if attended := cfg.Waiting; attended != nil {
		cfg.Waiting = func(ctx context.Context) context.Context {
			if d.quiet.Load() {
				return ctx
			}
			return attended(ctx)
		}
	}
	r.dialing, r.retryAt, r.fresh = d, time.Time{}, false
	r.dials.Go(func() {
		o := opening{dialing: d}
		o.conn, o.err = r.cfg.Dial(ctx, cfg, first.Message)
		if o.err == nil && opens(first.Message) {
			early, _ := o.conn.Receive(ctx) // at least the answer is there
			o.early = slices.Clone(early)
		}
		select {
		case r.opened <- o:
		case <-ctx.Done():
			if o.err == nil {
				o.conn.Close() // with the answer in it, which nobody wants any more
			}
		}
	})
}

// abandon gives up the dialing under way.
func (r *relay) abandon() {
	r.dialing.cancel()
	r.dialing = nil
}

// open takes the outcome of a dialing.
func (r *relay) open(o opening) {
	d := o.dialing
	if d != r.dialing { // was abandoned a moment ago
		if o.err == nil {
			r.dials.Go(func() { o.conn.Close() })
		}
		return
	}
	r.abandon()
	if failed, ok := errors.AsType[*remote.OpenError](o.err); ok {
		r.refused(d, failed)
		return
	}
	d.quiet.Store(false) // what is sent in the session is sent because somebody waits for it
	r.conn, r.failure, r.failures = o.conn, nil, 0
	r.written = make(chan struct{})
	if first := r.hand.initialize; !opens(d.first.Message) && first.Raw != nil {
		r.hand.initialize, r.hand.deadline = waiting{}, time.Time{}
		r.held = slices.Insert(r.held, 0, first)
		r.bytes += len(first.Raw)
	}
	switch d.first.Method {
	case "initialize":
		o.early = r.welcome(o.early)
	case "server/discover":
		r.hand.discover = waiting{}
		r.learn(func(m *Memory) { m.Legacy = false })
	}
	r.tasks.Go(func() { r.copy(o.early) })
	r.announce()
}

// refused takes a failure to open the session.
func (r *relay) refused(d *dialing, failed *remote.OpenError) {
	r.failure = failed
	byPerson := r.byPerson(failed)
	r.personChanged()
	if failed.Err != nil && !(byPerson && (r.person.page != "" || d.quiet.Load())) && r.ctx.Err() == nil {
		r.cfg.Report(failed.Err) // unless the person knows, or nobody has asked
	}
	if !opens(d.first.Message) {
		// It may have been carried out, and nothing else can begin this session: the client is told what became of it.
		r.lack(d.first.Message)
		r.failHeld()
		return
	}
	switch {
	case r.ended, !byPerson && (failed.Err == nil || !r.cfg.Transient(failed.Err)):
		r.refuse(d.first.Message, failed)
	case byPerson && r.person.needed:
		switch {
		case d.quiet.Load() && r.fresh:
			r.dial(false)
		case !d.quiet.Load() && r.person.page == "":
			r.failHeld() // nobody is being asked, so nothing is worth waiting for
		}
	default:
		r.failures++
		r.retryAt = time.Now().Add(r.pause())
	}
}

// refuse tells the client that there will be no session.
func (r *relay) refuse(first jsonrpc.Message, failed *remote.OpenError) {
	told := first.Method == "initialize" && r.hand.told != nil
	switch {
	case first.Method == "server/discover":
		r.hand.discover = waiting{}
		if code := jsonrpc.Lookup(failed.Answer.Raw, "error", "code"); failed.Err == nil && string(code) == "-32601" {
			r.learn(func(m *Memory) { m.Legacy = true })
		}
	case !told:
		r.hand.initialize, r.hand.deadline = waiting{}, time.Time{}
	}
	if !told {
		r.answerInBatch(failed.Answer)
	}
	if told || failed.Err != nil || r.ended {
		r.failHeld()
		return
	}
	// The server has refused this message, which says nothing about the next.
	held := r.held
	r.held, r.bytes = nil, 0
	for _, m := range held {
		r.await(m.Message)
	}
}

// failHeld answers the requests that have waited for a session which could not be opened. Each would only wait for the same thing again.
func (r *relay) failHeld() {
	held := r.held
	r.held, r.bytes = nil, 0
	for _, m := range held {
		switch {
		case m.Kind == jsonrpc.Request:
			r.lack(m.Message)
		case m.Method == "notifications/initialized" && r.hand.told != nil && !r.ended:
			r.hold(m.Message) // which is true of any session that there may be later
		}
	}
}

// pause returns how long to wait before the next attempt.
func (r *relay) pause() time.Duration {
	if r.idle() {
		return idleRetry
	}
	d := min(lastRetry, firstRetry<<min(r.failures-1, 10))
	return d/2 + rand.N(d/2)
}

// idle reports whether no request waits for the session, or would have to next.
func (r *relay) idle() bool {
	return r.hand.deadline.IsZero() && len(r.site.waiting) == 0 && !slices.ContainsFunc(r.held, func(m waiting) bool { return m.Kind == jsonrpc.Request })
}
