package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
)

// This file keeps sessions (MCP 2025-11-25, "Session Management"), with their stream for messages that answer nothing ("Listening
// for Messages from the Server").

// maxSessions is how many may be open. Beyond that the oldest ends: clients need not say that they have done.
const maxSessions = 1000

// A session is what initialize has opened, or a connection to /v1/sse.
type session struct {
	id       string
	endpoint string
	account  string
	opened   int64 // on Server.clock
	since    time.Time
	ctx      context.Context
	end      context.CancelFunc
	inbox    chan message // of /v1/sse

	mu      sync.Mutex // guards the rest
	client  string     // what initialize said
	version string     // that was agreed on
	calls   map[string]*call
	unhear  context.CancelFunc // ends the stream that listens; nil if there is none
	used    time.Time          // when its last message came
}

// A SessionInfo is an open session, for people to look at.
type SessionInfo struct {
	ID       string    `json:"id"` // the beginning of it
	Endpoint string    `json:"endpoint"`
	Account  string    `json:"account"`
	Client   string    `json:"client"`
	Version  string    `json:"version"` // of the protocol
	Since    time.Time `json:"since"`
	Used     time.Time `json:"used"`   // when the last message came
	Stream   bool      `json:"stream"` // whether it listens
}

// open opens a session for p.
func (s *Server) open(p peer) *session {
	sess := &session{
		id:       randomHex(32), // what a Durable Object's ID looks like
		endpoint: p.endpoint.path,
		account:  p.grant.Account,
		opened:   s.clock.Add(1),
		since:    time.Now(),
		inbox:    make(chan message),
		calls:    map[string]*call{},
		used:     time.Now(),
	}
	sess.ctx, sess.end = context.WithCancel(s.ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sessions) >= maxSessions {
		s.closeSession(slices.MinFunc(slices.Collect(maps.Values(s.sessions)), func(a, b *session) int { return cmp.Compare(a.opened, b.opened) }))
	}
	s.sessions[sess.id] = sess
	s.record.opened()
	return sess
}

// session returns the session of p that has this ID, nil if p has none.
func (s *Server) session(id string, p peer) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	sess := s.sessions[id]
	if sess == nil || sess.endpoint != p.endpoint.path || sess.account != p.grant.Account {
		return nil
	}
	return sess
}

// kill ends the session with this ID, if there is one: calls in it are not answered.
func (s *Server) kill(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sess := s.sessions[id]; sess != nil {
		s.closeSession(sess)
	}
}

// KillSessions ends all sessions, as a new version of the real server does. The clients are not told.
func (s *Server) KillSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sess := range s.sessions {
		s.closeSession(sess)
	}
}

// closeSession ends sess. The caller holds mu.
func (s *Server) closeSession(sess *session) {
	delete(s.sessions, sess.id)
	sess.end()
}

// Sessions returns the open sessions, oldest first.
func (s *Server) Sessions() []SessionInfo {
	s.mu.Lock()
	open := slices.SortedFunc(maps.Values(s.sessions), func(a, b *session) int { return cmp.Compare(a.opened, b.opened) })
	s.mu.Unlock()
	infos := make([]SessionInfo, len(open))
	for i, sess := range open {
		sess.mu.Lock()
		infos[i] = SessionInfo{
			ID: sess.id[:8], Endpoint: sess.endpoint, Account: sess.account, Client: sess.client, Version: sess.version, Since: sess.since,
			Used: sess.used, Stream: sess.unhear != nil,
		}
		sess.mu.Unlock()
	}
	return infos
}

// begin notes that a request is being answered, so that it can be cancelled.
func (sess *session) begin(s *Server, p peer, m message) *call {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	sess.used = time.Now()
	c := &call{server: s, peer: p, message: m}
	// A client that has gone has not cancelled anything ("Sending Messages to the Server"): only the session and the client's word count.
	c.ctx, c.cancel = context.WithCancel(sess.ctx)
	sess.calls[string(m.ID)] = c
	return c
}

func (sess *session) forget(c *call) {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	if sess.calls[string(c.ID)] == c {
		delete(sess.calls, string(c.ID))
	}
}

// notified takes a notification or a response, of which only one matters here.
func (sess *session) notified(m message) {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	sess.used = time.Now()
	if m.Method != string(mcp.MethodNotificationCancelled) {
		return
	}
	var params struct {
		RequestID json.RawMessage `json:"requestId"`
	}
	if json.Unmarshal(m.Params, &params) != nil {
		return
	}
	if c := sess.calls[string(params.RequestID)]; c != nil {
		c.cancel()
	}
}

// name returns what the client calls itself.
func (sess *session) name() string {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	return sess.client
}

// begun notes what initialize said.
func (sess *session) begun(client, version string) {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	sess.client, sess.version = brief(client), version
}

// hear makes the stream of ctx the one that listens for the session, and ends the one that did. The stream calls left when it ends.
func (sess *session) hear(ctx context.Context) (heard context.Context, left func()) {
	heard, end := context.WithCancel(ctx)
	stop := context.AfterFunc(sess.ctx, end)
	current := true
	replaced := func() { current = false; end() } // called with mu held
	sess.mu.Lock()
	defer sess.mu.Unlock()
	if sess.unhear != nil {
		sess.unhear()
	}
	sess.unhear = replaced
	return heard, func() {
		stop()
		end()
		sess.mu.Lock()
		defer sess.mu.Unlock()
		if current {
			sess.unhear = nil
		}
	}
}

// serveStream opens a stream for what the server has to say of its own accord.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request, p peer) {
	if !acceptsEvents(r) {
		refuse(w, http.StatusNotAcceptable, codeRefused, "Not Acceptable: Client must accept text/event-stream")
		return
	}
	id := r.Header.Get(mcp.HeaderSessionID)
	if id == "" {
		plain(w, http.StatusBadRequest, "Missing sessionId")
		return
	}
	sess := s.session(id, p)
	if sess == nil {
		sessionNotFound(w)
		return
	}
	ctx, left := sess.hear(r.Context())
	defer left()
	news, deaf := s.listen("") // before the client sees its stream
	defer deaf()
	w.Header().Set(mcp.HeaderSessionID, sess.id)
	out := newStream(w)
	for {
		select {
		case method := <-news:
			out.message(notification{mcp.JSONRPC_VERSION, method, nil})
		case <-ctx.Done():
			return
		}
	}
}

// listen returns where notifications without parameters come from: those of a method, or of all if it is "".
func (s *Server) listen(method string) (news <-chan string, deaf func()) {
	ch := make(chan string, 4) // what says that something has changed needs no saying often
	s.mu.Lock()
	s.listeners[ch] = method
	s.mu.Unlock()
	s.record.streamed(1)
	return ch, func() {
		s.mu.Lock()
		delete(s.listeners, ch)
		s.mu.Unlock()
		s.record.streamed(-1)
	}
}

// notifyToolsChanged tells all who listen that tools/list has another answer now.
func (s *Server) notifyToolsChanged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch, method := range s.listeners {
		if method == "" || method == mcp.MethodNotificationToolsListChanged {
			select {
			case ch <- mcp.MethodNotificationToolsListChanged:
			default: // it has been told, and has not got round to it
			}
		}
	}
}

// serveDelete ends a session.
func (s *Server) serveDelete(w http.ResponseWriter, r *http.Request, p peer) {
	id := r.Header.Get(mcp.HeaderSessionID)
	if id == "" {
		refuse(w, http.StatusBadRequest, codeRefused, "Bad Request: Mcp-Session-Id header is required")
		return
	}
	if s.session(id, p) == nil {
		sessionNotFound(w)
		return
	}
	s.kill(id)
	w.WriteHeader(http.StatusNoContent)
}
