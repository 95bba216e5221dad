package remote

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// Dial opens a session with first, a request: initialize, or what a client of 2026-07-28 begins with, server/discover or any other.
//
// It tries the transports that cfg names in their order. That the server doesn't speak Streamable HTTP is concluded from 400, 404 or
// 405 without an error that only a modern server sends (MCP 2026-07-28, "Backward Compatibility"), and from nothing else: what
// needs a sign-in, is forbidden, overloaded or broken says nothing about its transport. If no transport works, what the first one said
// is the answer.
//
// A server that doesn't know server/discover is older than that method. Dial then returns the error that says so, and the next message decides.
//
// The error is always an [*OpenError]. ctx is for opening only; it doesn't limit the Conn.
func Dial(ctx context.Context, cfg Config, first jsonrpc.Message) (Conn, error) {
	cfg = cfg.withDefaults()
	discover := first.Method == "server/discover"
	if discover && (cfg.Transport == SSEFirst || cfg.Transport == SSEOnly) {
		return nil, &OpenError{Answer: jsonrpc.UnknownMethod(first)}
	}

	var attempts []attempt
	post := attempt{openStreamable, cfg.URL}
	for _, u := range eventURLs(cfg.URL) {
		attempts = append(attempts, attempt{openSSE, u})
	}
	switch {
	case discover || cfg.Transport == HTTPOnly:
		attempts = []attempt{post}
	case cfg.Transport == HTTPFirst:
		attempts = append([]attempt{post}, attempts...)
	case cfg.Transport == SSEFirst:
		attempts = append(attempts, post)
	}

	var cause error
	for _, try := range attempts {
		c, answer, err := try.open(ctx, cfg, try.url, first)
		if err == nil && answer.Failed {
			c.Close()
			if discover && !modernError(http.StatusBadRequest, answer) {
				answer = jsonrpc.UnknownMethod(first)
			}
			return nil, &OpenError{Answer: answer}
		}
		if err == nil {
			c.tasks.Go(c.dispatch)
			c.tasks.Go(c.watchClock)
			if cfg.RequestTimeout > 0 {
				c.tasks.Go(c.watchDeadlines)
			}
			if cfg.PingInterval > 0 && first.Method == "initialize" {
				c.tasks.Go(c.keepAwake)
			}
			return c, nil
		}
		if cause == nil || !elsewhere(err) || cfg.Transport == SSEFirst {
			cause = err
		}
		if !elsewhere(err) {
			break
		}
	}

	failed := &conn{cfg: cfg}
	var r *refusal
	switch isRefusal := errors.As(cause, &r); {
	case discover && isRefusal && modernError(r.Status, r.body):
		return nil, &OpenError{Answer: r.body.WithID(first.ID)}
	case discover && older(cause):
		return nil, &OpenError{Answer: jsonrpc.UnknownMethod(first)}
	case isRefusal && r.body.Kind == jsonrpc.Response:
		return nil, &OpenError{Answer: r.body.WithID(first.ID), Err: &r.StatusError}
	}
	return nil, &OpenError{Answer: failed.answer(first.ID, cause), Err: cause}
}

// An attempt is one way to open a session.
type attempt struct {
	open func(context.Context, Config, *url.URL, jsonrpc.Message) (*conn, jsonrpc.Message, error)
	url  *url.URL
}

// eventURLs returns where an HTTP+SSE server may have its event stream if the user gave us u: there, as the specification says, or
// beside it, as servers with both transports have it.
func eventURLs(u *url.URL) []*url.URL {
	urls := []*url.URL{u}
	if path, ok := strings.CutSuffix(u.Path, "/mcp"); ok {
		sibling := *u
		sibling.Path, sibling.RawPath = path+"/sse", ""
		urls = append(urls, &sibling)
	}
	return urls
}

// elsewhere reports whether a failed attempt lets the server still speak the other transport, or the same at another place.
func elsewhere(err error) bool {
	var r *refusal
	if errors.As(err, &r) {
		return slices.Contains([]int{http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed}, r.Status) && !modernError(r.Status, r.body)
	}
	return errors.Is(err, errNoEndpoint)
}

// older reports whether a server that fails server/discover in this way is one that doesn't know it.
func older(err error) bool {
	var r *refusal
	if errors.As(err, &r) {
		return r.Status/100 == 4 && !slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests}, r.Status)
	}
	var content *ContentError
	var unreadable *messageError
	var lost *lostError
	if errors.As(err, &lost) && lost.cause == nil {
		return true // it ended its answer as if there were nothing to say
	}
	return errors.Is(err, errNoAnswer) || errors.As(err, &content) || errors.As(err, &unreadable)
}

// openStreamable opens a session by Streamable HTTP. It returns what start does.
func openStreamable(ctx context.Context, cfg Config, _ *url.URL, first jsonrpc.Message) (*conn, jsonrpc.Message, error) {
	s := newStreamable(ctx, cfg)
	answer, err := s.start(ctx, first, func(call *call) error {
		call.modern = first.Method != "initialize" && modernVersion(first) != ""
		call.ctx = impatient(call.ctx, cfg.HandshakeTimeout)
		for waited := time.Duration(0); ; {
			resp, err := s.post(nil, call)
			switch {
			case errors.Is(err, errSilent):
				return err
			case err != nil:
				return s.lost(call, err)
			case resp.StatusCode/100 == 2:
				s.tasks.Go(func() { s.accepted(nil, call, resp) })
				return nil
			}
			r := readRefusal(resp)
			if !waitable(r, call, &waited) {
				return r
			}
			if !sleep(call.ctx, r.RetryAfter) {
				return call.ctx.Err()
			}
		}
	})
	if err != nil {
		s.Close()
		return nil, answer, err
	}
	return s.conn, answer, nil
}

// start sends first by send and returns the response to it, which may be an error of JSON-RPC's. Only initialize and server/discover are
// worth waiting for: any other request can take as long as it likes, and its response is like all that come later.
func (c *conn) start(ctx context.Context, first jsonrpc.Message, send func(*call) error) (jsonrpc.Message, error) {
	call := newCall(c.ctx, first)
	opens := first.Method == "initialize" || first.Method == "server/discover"
	if opens {
		call.answer = make(chan jsonrpc.Message, 1)
	}
	c.attend(call)
	defer context.AfterFunc(ctx, call.cancel)() // while it is being opened; the stream of the answer may go on after that
	c.mu.Lock()
	c.answered = !opens
	c.expect(call)
	c.mu.Unlock()
	if err := send(call); err != nil || !opens {
		return jsonrpc.Message{}, err
	}
	silence := time.NewTimer(c.cfg.HandshakeTimeout)
	defer silence.Stop()
	select {
	case answer := <-call.answer:
		c.mu.Lock()
		defer c.mu.Unlock()
		return answer, call.cause
	case <-silence.C:
		return jsonrpc.Message{}, errSilent
	case <-ctx.Done():
		return jsonrpc.Message{}, ctx.Err()
	}
}
