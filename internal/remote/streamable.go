package remote

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is the sending half of Streamable HTTP (MCP 2025-03-26 to 2026-07-28, "Transports"): one POST for each message, answered
// by JSON or by an event stream.

// A streamable is the transport Streamable HTTP.
type streamable struct {
	*conn
	tools toolHeaders

	sessionMu sync.Mutex // guards the rest
	session   *session   // nil until initialize has been answered
	renewal   *renewal   // nil if the session is not being started again
}

func newStreamable(ctx context.Context, cfg Config) *streamable {
	s := &streamable{conn: newConn(ctx, cfg)}
	s.transport = s
	return s
}

const (
	// maxPatience is how long, in all, a request may wait because the server says Retry-After.
	maxPatience = time.Minute

	codeHeaderMismatch = -32020 // MCP 2026-07-28, "Error Codes"
)

// exchange sends call and reads all that comes back for it. It is transport's.
func (s *streamable) exchange(call *call) {
	s.awaitRenewal(call)
	session := s.current()
	if call.m.Method == "initialize" {
		session = nil // it asks for one of its own
	} else if session == nil && modernVersion(call.m) != "" {
		s.mu.Lock()
		call.modern = true
		s.mu.Unlock()
	}
	switch {
	case session == nil && urgent(call):
		return // only a session asks its client anything, or is told of a cancellation
	case call.m.Kind == jsonrpc.Response:
		var ok bool
		if session, ok = s.asker(call.m, session); !ok {
			return
		}
	}
	s.exchangeIn(session, call)
}

// exchangeIn is exchange in a session, which is nil for a message that belongs to none.
func (s *streamable) exchangeIn(session *session, call *call) {
	session.enter()
	defer func() { session.exit() }()
	var waited time.Duration
	for renewed, relearned := false, false; ; {
		resp, err := s.post(session, call)
		if err != nil {
			s.fail(call, s.lost(call, err))
			return
		}
		if resp.StatusCode/100 == 2 {
			s.accepted(session, call, resp)
			return
		}
		r := readRefusal(resp)
		switch {
		case session.named() && r.aboutSession() && call.m.Kind == jsonrpc.Response:
			s.fail(call, r) // it would answer another question in another session
			return
		case session.named() && r.aboutSession() && !renewed && call.answer == nil:
			// The server has refused the message, so even a tools/call may be sent again.
			s.forgotten(session)
			next, err := s.renew(call.ctx, session, call.isRequest())
			if err != nil {
				s.fail(call, err)
				return
			}
			next.enter()
			session.exit()
			session, renewed = next, true
		case waitable(r, call, &waited):
			if !sleep(call.ctx, r.RetryAfter) {
				return
			}
		case call.modern && !relearned && errorCode(r.body) == codeHeaderMismatch && s.relearn(call):
			relearned = true
		case session.named() && r.Status == http.StatusNotFound && r.body.Kind != jsonrpc.Response:
			s.fail(call, &SessionError{&r.StatusError})
			return
		default:
			s.refuse(call, r)
			return
		}
	}
}

// waitable reports whether the server asks to send call again soon, and may be obeyed: what only reads can wait, while a tool call is the
// model's to repeat.
func waitable(r *refusal, call *call, waited *time.Duration) bool {
	if r.Status != http.StatusTooManyRequests && r.Status != http.StatusServiceUnavailable {
		return false
	}
	if r.RetryAfter == 0 || *waited+r.RetryAfter > maxPatience || !call.isRequest() || !slices.Contains(readers, call.m.Method) {
		return false
	}
	*waited += r.RetryAfter
	return true
}

// readers are the methods that change nothing at the server.
var readers = []string{
	"initialize", "server/discover", "tools/list", "resources/list", "resources/templates/list", "resources/read", "prompts/list", "prompts/get",
}

// post sends call's message and returns when the status of the answer is there.
func (s *streamable) post(session *session, call *call) (*http.Response, error) {
	return s.persist(call, func() (*http.Response, error) { return s.postOnce(session, call) })
}

func (s *streamable) postOnce(session *session, call *call) (*http.Response, error) {
	req, ctx := s.newPost(s.cfg.URL, call)
	if call.modern {
		headers, err := s.tools.headers(call.m)
		if err != nil {
			return nil, err
		}
		for name, values := range headers {
			req.Header[name] = values
		}
	}
	session.mark(req.Header)
	return s.do(ctx, req)
}

const (
	// maxRefusals is how often a request may be sent again that the server has refused to look at.
	maxRefusals = 4

	// maxEndings is how often it may be sent again because its connection was about to end. Servers end theirs as a matter of course, after so
	// many requests for one, and the more requests are under way the more of them meet that; with pace it is half a minute of nothing else.
	maxEndings = 32
)

// persist does post, which sends call, again while a server of HTTP/2 says that it has not looked at it.
func (c *conn) persist(call *call, post func() (*http.Response, error)) (*http.Response, error) {
	for refusals, endings := 0, 0; ; {
		resp, err := post()
		var untouched *untouchedError
		if !errors.As(err, &untouched) {
			return resp, err
		}
		c.mu.Lock()
		call.sent, call.begun = false, false
		c.mu.Unlock()
		wait := time.Duration(0)
		if untouched.ending {
			wait = pace(endings)
			endings++
		} else {
			if refusals > 0 {
				wait = backoff(refusals - 1)
			}
			refusals++
		}
		if refusals > maxRefusals || endings > maxEndings || wait > 0 && !sleep(call.ctx, wait) {
			return nil, err
		}
	}
}

// newPost returns a POST of call's message and the context to send it in. It waits for the message's turn when it has its connection, so that messages are written in the
// order in which the client wrote them while their connections are made side by side, and lets the next message go when it is written. A request
// that has been cancelled by then is not written at all.
func (c *conn) newPost(to *url.URL, call *call) (*http.Request, context.Context) {
	var body *bytes.Reader
	var watched *watchedConnection
	trace := &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			http2 := isHTTP2(info.Conn)
			if !c.begin(call, http2) {
				body.Reset(nil) // net/http finds it too short before it has written anything
			}
			if watched = nil; !http2 {
				watched = watchedConn(info.Conn)
				watched.afterWrite(call.written)
			}
		},
		WroteHeaders: func() { c.wroteHeaders(call) },
		WroteRequest: func(httptrace.WroteRequestInfo) {
			if watched == nil { // for a connection of HTTP/1.1 it comes before the last of the request has left the buffer
				call.written()
			}
		},
		GotFirstResponseByte: func() { c.heard(call) },
	}
	req := &http.Request{
		Method:        http.MethodPost,
		URL:           to,
		Host:          to.Host,
		Header:        maps.Clone(c.post), // nobody changes its values
		ContentLength: int64(len(call.m.Raw)),
		GetBody: func() (io.ReadCloser, error) {
			if !c.repeatable(call) {
				return nil, errTwice
			}
			body = bytes.NewReader(call.m.Raw)
			return io.NopCloser(body), nil
		},
	}
	req.Body, _ = req.GetBody()
	return req, httptrace.WithClientTrace(call.ctx, trace)
}

// header returns what every request carries.
func (c *conn) header() http.Header {
	h := c.cfg.Header.Clone()
	if h == nil {
		h = make(http.Header)
	}
	h.Set("User-Agent", c.cfg.UserAgent)
	return h
}

// isHTTP2 reports whether conn is one of HTTP/2, which net/http speaks only over TLS.
func isHTTP2(conn net.Conn) bool {
	secure, ok := conn.(*tls.Conn)
	return ok && secure.ConnectionState().NegotiatedProtocol == "h2"
}

// heard notes that the server has answered what was sent of call. If Do fails after that, as it does when the answer was 401 and
// nobody signs in, then the server has refused the message.
func (c *conn) heard(call *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	call.heard = true
	call.written() // what it has not read by now is no reason to let others wait
}

// wroteHeaders notes that the server may have seen the beginning of call.
func (c *conn) wroteHeaders(call *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	call.begun = call.http2
}

var errTwice = errors.New("request may have reached the server and must not be sent twice")

// repeatable reports whether call's message may be written again, which net/http wants to do after some failures. With HTTP/1.1 it does
// so only when nothing was written; with HTTP/2 also when the server has broken the protocol in the middle, however often.
func (c *conn) repeatable(call *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !call.begun || call.heard
}

// lost says of the error of an HTTP exchange whether the server may have carried out the message.
func (c *conn) lost(call *call, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if call.sent && !call.heard {
		return &lostError{err}
	}
	return err
}

// accepted reads a successful answer to call.
func (s *streamable) accepted(session *session, call *call, resp *http.Response) {
	s.stir()
	if id := resp.Header.Get("Mcp-Session-Id"); session == nil && id != "" {
		session = newStranger(id) // so that the stream of initialize can be taken up again
		defer func() {
			if s.isLost(call) {
				s.tasks.Go(func() { s.abandon(session) })
			}
		}()
	}
	media := mediaType(resp)
	switch {
	case !call.isRequest():
		if call.m.Method == "notifications/initialized" {
			s.initialized(session, call.m)
		}
		s.finish(call) // its answer is the status; whatever else comes must not hold up others
	case call.answer != nil && call.onAnswer != nil: // ours, see restart
	case call.m.Method == "initialize":
		s.watch(call, func(m jsonrpc.Message) jsonrpc.Message {
			s.establish(call.m, m, resp.Header)
			return m
		})
	case call.m.Method == "tools/list" && call.modern:
		s.watch(call, s.learn)
	default:
		s.watch(call, s.hand.note(call.m))
	}
	switch {
	case media == "text/event-stream":
		s.stream(session, call, resp.Body)
	case media == "application/json" && call.isRequest():
		in := s.newIntake(call.ctx, resp.Body)
		defer in.done()
		m, err := readMessage(in, resp.ContentLength, s.cfg.MaxMessage)
		resp.Body.Close()
		if err != nil {
			s.fail(call, err)
			return
		}
		s.route(m, session, call)
	case !call.isRequest() || resp.StatusCode != http.StatusOK:
		discard(resp)
	default:
		s.fail(call, readContentError(resp))
	}
	if call.isRequest() && !s.isSettled(call) {
		s.fail(call, errNoAnswer)
	}
}

// isLost reports whether call's response was made up.
func (c *conn) isLost(call *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return call.settled && call.cause != nil
}

// abandon ends a session that the server has begun but whose initialize has got no answer: it won't be used.
func (s *streamable) abandon(session *session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), CloseTimeout) // it is due at the end of the conn too
	defer cancel()
	s.leave(ctx, session)
}

// learn takes note of a list of tools and removes those that MCP 2026-07-28 forbids to offer over HTTP.
func (s *streamable) learn(m jsonrpc.Message) jsonrpc.Message {
	m, removed := s.tools.learn(m)
	for _, tool := range removed {
		s.cfg.Log.Warn("tool left out: its headers are not valid", "tool", tool.name, "reason", tool.reason)
	}
	return m
}

// relearn asks for the list of tools, after the server has said that the headers of a call don't match its body: the schemas that
// they come from may have changed (MCP 2026-07-28, "Client Behavior"). It reports whether there is a list.
func (s *streamable) relearn(refused *call) bool {
	meta := jsonrpc.Lookup(refused.m.Raw, "params", "_meta")
	if refused.m.Method != "tools/call" || meta == nil {
		return false
	}
	params := `{"_meta":` + string(meta) + `}`
	for range 100 { // pages; a server that never ends is not worth more
		m, err := s.ask(refused.ctx, jsonrpc.NewRequest(s.hand.newID(), "tools/list", []byte(params)), func(call *call) {
			call.modern = true
			s.exchangeIn(nil, call)
		})
		if err != nil || m.Failed {
			return false
		}
		cursor := jsonrpc.Lookup(m.Raw, "result", "nextCursor")
		if len(cursor) < len(`"x"`) {
			return true
		}
		params = `{"_meta":` + string(meta) + `,"cursor":` + string(cursor) + `}`
	}
	return true
}

// readStep is how much of a body is read at once: so little that it is still in the processor's cache when it is parsed.
const readStep = 64 << 10

// readMessage reads a body that is one message, of length bytes or -1 if that is not known.
func readMessage(in *intake, length, limit int64) (jsonrpc.Message, error) {
	var parser jsonrpc.Parser
	var raw []byte
	switch n := length; {
	case n > limit:
		return jsonrpc.Message{}, &tooLarge{limit}
	case n == 0:
		return jsonrpc.Message{}, errNoAnswer
	case n > 0:
		if n > uncounted {
			if err := in.await(int(n)); err != nil {
				return jsonrpc.Message{}, err
			}
		}
		raw = make([]byte, n)
		for rest := raw; len(rest) > 0; {
			step := rest[:min(len(rest), readStep)]
			if _, err := io.ReadFull(in, step); err != nil {
				return jsonrpc.Message{}, &lostError{err}
			}
			rest = rest[len(step):]
			if len(rest)+len(step) == len(raw) && bytes.HasPrefix(raw, []byte(byteOrderMark)) { // JSON has none, and may be taken with one (RFC 8259 §8.1)
				raw, step = raw[len(byteOrderMark):], step[len(byteOrderMark):]
			}
			parser.Add(step)
		}
	default:
		var data eventData
		buffer := make([]byte, readStep)
		var n int
		var err error
		for n < len(byteOrderMark) && err == nil {
			var more int
			more, err = in.Read(buffer[n:])
			n += more
		}
		text := bytes.TrimPrefix(buffer[:n], []byte(byteOrderMark))
		for {
			parser.Add(text)
			if data.add(text); data.size > limit {
				return jsonrpc.Message{}, &tooLarge{limit}
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return jsonrpc.Message{}, &lostError{err}
			}
			n, err = in.Read(buffer)
			text = buffer[:n]
		}
		raw = data.bytes()
	}
	m, err := parser.Message(raw)
	if err != nil {
		return m, &messageError{err}
	}
	return m, nil
}

// errorCode returns the code of an error response, 0 if m is none.
func errorCode(m jsonrpc.Message) int {
	code, _ := strconv.ParseFloat(string(jsonrpc.Lookup(m.Raw, "error", "code")), 64)
	return int(code)
}

// hangUp ends the session at the server (MCP 2025-11-25, "Session Management"). Whether that worked makes no difference.
func (s *streamable) hangUp(ctx context.Context) { s.leave(ctx, s.current()) }

// leave tells the server that session is over.
func (s *streamable) leave(ctx context.Context, session *session) {
	if !session.named() {
		return
	}
	req, err := http.NewRequest(http.MethodDelete, s.cfg.URL.String(), nil)
	if err != nil {
		return
	}
	req.Header = s.header()
	session.mark(req.Header)
	if resp, err := s.do(ctx, req); err == nil {
		resp.Body.Close()
	}
}
