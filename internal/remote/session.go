package remote

import (
	"context"
	"net/http"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is the session of MCP 2025-11-25 and before ("Lifecycle", "Session Management"): how it begins, and how it begins again
// when the server has forgotten it, without the client's notice.

// A session is what initialize was answered with. A nil session is none: the server keeps no state, or it is too early.
type session struct {
	id      string // "" if the server keeps no sessions
	version string // negotiated
	ctx     context.Context
	usage   usage              // by exchanges
	end     context.CancelFunc // ends what goes on in the background for it
	cut     context.CancelFunc // breaks the stream that listen reads; nil if there is none. Guarded by streamable.sessionMu
}

// newStranger returns a session of which nothing is known yet but its id.
func newStranger(id string) *session { return &session{id: id} }

// named reports whether the server knows the session by an id, which it may forget.
func (s *session) named() bool { return s != nil && s.id != "" }

// mark sets the headers that say to which session a request belongs.
func (s *session) mark(h http.Header) {
	if s == nil {
		return
	}
	if s.id != "" {
		h.Set("Mcp-Session-Id", s.id)
	}
	if s.version != "" {
		h.Set("Mcp-Protocol-Version", s.version)
	}
}

func (s *session) enter() {
	if s != nil {
		s.usage.enter()
	}
}

func (s *session) exit() {
	if s != nil {
		s.usage.exit()
	}
}

func (s *streamable) current() *session {
	s.sessionMu.Lock()
	defer s.sessionMu.Unlock()
	return s.session
}

// newSession returns the session that answer, a response to initialize, begins.
func (s *streamable) newSession(answer jsonrpc.Message, h http.Header) *session {
	session := &session{id: h.Get("Mcp-Session-Id"), version: resultVersion(answer)}
	session.ctx, session.end = context.WithCancel(s.ctx)
	return session
}

// establish takes note of the session that the client's initialize has begun.
func (s *streamable) establish(initialize, answer jsonrpc.Message, h http.Header) {
	if !answer.Failed {
		session := s.newSession(answer, h)
		s.hand.begin(initialize, session.version)
		s.replace(session)
	}
}

func (s *streamable) replace(session *session) {
	s.sessionMu.Lock()
	defer s.sessionMu.Unlock()
	if s.session != nil {
		s.session.end()
	}
	s.session = session
}

// initialized takes note that the server has accepted notifications/initialized, and begins to listen.
func (s *streamable) initialized(session *session, m jsonrpc.Message) {
	if session == nil {
		return
	}
	s.hand.acknowledge(m)
	s.tasks.Go(func() { s.listen(session) })
}

// A renewal is the one attempt to start a session again that everybody waits for.
type renewal struct {
	waiting bool // the client waits for it, so a person may be asked for something
	done    chan struct{}
	session *session
	err     error
}

// renew returns the session that comes after lost, which it starts if no one has yet. With waiting, the client waits for it: if that could help,
// renew begins again what was begun, and has failed, while nobody did.
func (s *streamable) renew(ctx context.Context, lost *session, waiting bool) (*session, error) {
	for {
		r := s.renewalOf(lost, waiting)
		select {
		case <-r.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if r.err == nil || r.waiting || !waiting || Transient(r.err) {
			return r.session, r.err
		}
	}
}

// renewalOf returns the renewal of lost, which may be over.
func (s *streamable) renewalOf(lost *session, waiting bool) *renewal {
	s.sessionMu.Lock()
	defer s.sessionMu.Unlock()
	if s.session != lost {
		r := &renewal{session: s.session, done: make(chan struct{})}
		close(r.done)
		return r
	}
	if s.renewal != nil {
		return s.renewal
	}
	r := &renewal{waiting: waiting, done: make(chan struct{})}
	s.renewal = r
	ctx := s.ctx // not that of the call that happened to be first
	if waiting {
		ctx = s.cfg.Waiting(ctx)
	}
	s.tasks.Go(func() {
		r.session, r.err = s.restart(ctx)
		s.sessionMu.Lock()
		s.renewal = nil
		s.sessionMu.Unlock()
		close(r.done)
	})
	return r
}

// reopen is transport's.
func (s *streamable) reopen(ctx context.Context) error {
	old := s.current()
	if !old.named() {
		return nil // there is nothing in which the server could keep a token
	}
	if _, err := s.renew(ctx, old, false); err != nil {
		return err
	}
	s.tasks.Go(func() {
		old.usage.retire(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), CloseTimeout) // it is due at the end of the conn too
			defer cancel()
			s.leave(ctx, old)
		})
	})
	return nil
}

// asker returns the session that has asked what m answers: not the present one if that was reopened meanwhile. It returns false if that
// session is lost.
func (s *streamable) asker(m jsonrpc.Message, present *session) (*session, bool) {
	asker, ok := s.wanted(m)
	if from, _ := asker.(*session); from.named() && from.id != present.id {
		return from, ok
	}
	return present, ok
}

// forgotten says that the server doesn't know lost any more, and so nothing of what it has asked in it.
func (s *streamable) forgotten(lost *session) {
	s.unask(func(asker any) bool {
		from, _ := asker.(*session)
		return from.named() && from.id == lost.id
	})
}

// renewUntil starts the session again, however long it takes.
func (s *streamable) renewUntil(lost *session) {
	s.forgotten(lost)
	for failures := 0; ; failures++ {
		if _, err := s.renew(lost.ctx, lost, false); err == nil {
			return
		}
		if _, ok := s.nap(lost.ctx, backoff(0), backoff(failures)); !ok {
			return
		}
	}
}

// restart begins a session as the client began the first one, and tells the server again what it has forgotten. The server may be silent for as long
// as in Dial, a person may take the time that Do gives them.
func (s *streamable) restart(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithCancelCause(impatient(ctx, s.cfg.HandshakeTimeout))
	defer cancel(nil)
	var session *session
	answer, err := s.ask(ctx, s.hand.opening().WithID(s.hand.newID()), func(call *call) {
		resp, err := s.post(nil, call)
		time.AfterFunc(s.cfg.HandshakeTimeout, func() { cancel(errSilent) }) // of no effect on what has ended
		switch {
		case err != nil:
			s.fail(call, err)
		case resp.StatusCode/100 != 2:
			s.refuse(call, readRefusal(resp))
		default:
			s.watch(call, func(m jsonrpc.Message) jsonrpc.Message {
				session = s.newSession(m, resp.Header)
				return m
			})
			s.accepted(nil, call, resp)
		}
	})
	if err == nil {
		err = s.hand.check(answer)
	}
	if err == nil {
		err = s.repeat(ctx,
			func(call *call) (*http.Response, error) { return s.post(session, call) },
			func(call *call) { s.exchangeIn(session, call) })
	}
	if err != nil {
		if session != nil {
			ctx, cancel := context.WithTimeout(s.ctx, CloseTimeout)
			defer cancel()
			s.leave(ctx, session)
		}
		return nil, &SessionError{err}
	}
	s.replace(session)
	if m := s.hand.acknowledgement(); m.Raw != nil {
		s.tasks.Go(func() { s.listen(session) })
	}
	return session, nil
}
