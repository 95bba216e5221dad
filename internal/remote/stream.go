package remote

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is the receiving half of Streamable HTTP: the event stream that answers a POST, the one that a GET opens for what the
// server says by itself, and taking either up again where it broke (MCP 2025-11-25, "Resumability and Redelivery").

const (
	// reconnectDelay is how long to wait before a stream is opened again, if the server doesn't say.
	reconnectDelay = time.Second

	// maxRetry is the longest that a server may ask to wait with that. It is here for the person who waits for the answer.
	maxRetry = 5 * time.Minute

	// resumeLimit is how long the stream of a request may be out of reach before the request is given up. Hosts that set a limit
	// for a call set a minute.
	resumeLimit = time.Minute

	// shortStream is how long a stream without data must have lasted to count as a success. A server that ends each at once doesn't mean to
	// be asked again every second.
	shortStream = 5 * time.Second
)

// backoff returns how long to wait after a number of failures in a row: twice as long each time, in the end 30 s at least and a minute at
// most, with jitter so that a server that comes back isn't met by all of its clients at once.
func backoff(failures int) time.Duration {
	d := min(time.Minute, 500*time.Millisecond<<min(failures, 10))
	return d/2 + rand.N(d/2)
}

// pace returns how long to wait at least when a number of streams in a row have ended as soon as they were there. Some servers ask for no
// time between them at all.
func pace(short int) time.Duration {
	if short == 0 {
		return 0
	}
	return min(time.Second, 10*time.Millisecond<<min(short, 10))
}

// A cursor is where a stream can be taken up again.
type cursor struct {
	id    string        // of the last event; "" if the stream can't be
	retry time.Duration // what the server asks to wait
}

func newCursor() cursor { return cursor{retry: reconnectDelay} }

// readEvents reads and closes a stream of session, the one of call unless that is nil, while ctx wants it. It returns how many events had data, and nil
// at a clean end.
func (s *streamable) readEvents(ctx context.Context, session *session, body io.ReadCloser, call *call, at *cursor) (events int, err error) {
	defer body.Close()
	in := s.newIntake(ctx, body)
	defer in.done()
	r := newEventReader(in, s.cfg.MaxMessage)
	defer r.release()
	for {
		e, err := r.next()
		var large *tooLarge
		switch {
		case err == io.EOF:
			return events, nil
		case errors.As(err, &large):
			if call != nil {
				s.unreadable(call, err)
			}
			in.done()
			continue // the event itself comes when it has been passed over
		case err != nil:
			return events, err
		}
		if len(e.Data) > 0 {
			events++
		}
		if e.HasID {
			at.id = e.ID
		}
		if e.HasRetry {
			at.retry = min(e.Retry, maxRetry)
		}
		s.event(e, session, call)
		in.done()
	}
}

// event routes the message that an event carries, if it carries one.
func (c *conn) event(e event, from any, on *call) {
	if len(e.Data) == 0 && e.Invalid == nil || e.Type != "" && e.Type != "message" {
		return
	}
	if e.Invalid != nil {
		if on == nil && e.Message.ID != "" { // it got as far as that
			on, _ = c.owed(e.Message, nil)
		}
		c.unreadable(on, e.Invalid)
		return
	}
	c.route(e.Message, from, on)
}

// A messageError says that the server sent something that can't be a message.
type messageError struct{ cause error }

func (e *messageError) Error() string {
	return "server sent a message that can't be read: " + e.cause.Error()
}

// unreadable answers the request on whose stream something came that can't be read: it was most likely the answer. On a stream for
// everything (nil) that can only be said if there is but one request.
func (c *conn) unreadable(on *call, err error) {
	if on == nil {
		c.mu.Lock()
		if len(c.open) == 1 {
			for _, calls := range c.open {
				if len(calls) == 1 && calls[0].on != nil {
					on = calls[0]
				}
			}
		}
		c.mu.Unlock()
	}
	if on == nil {
		c.cfg.Log.Warn("message dropped", "error", err)
		return
	}
	c.fail(on, err)
}

// stream reads the event stream that answers call, and goes on after a break as long as call is not settled and the server can do that.
func (s *streamable) stream(session *session, call *call, body io.ReadCloser) {
	at := newCursor()
	for short := 0; ; short++ {
		began := time.Now()
		_, err := s.readEvents(call.ctx, session, body, call, &at)
		if time.Since(began) > shortStream {
			short = 0
		}
		if s.isSettled(call) {
			return
		}
		switch {
		case call.modern && call.m.Method == "subscriptions/listen":
			// It ends like this on stdio when it doesn't end by a response (MCP 2026-07-28, "Cancellation").
			s.deliver(jsonrpc.NewRequest("", "notifications/cancelled", []byte(`{"requestId":`+string(call.m.ID)+`,"reason":"connection to the server was lost"}`)))
			s.finish(call)
			return
		case call.modern || at.id == "":
			s.fail(call, &lostError{err})
			return
		}
		if body, err = s.resume(session, call, at, max(at.retry, pace(short))); err != nil {
			s.fail(call, &lostError{err})
			return
		}
	}
}

// resume opens the stream of call again after the event at at, when delay is over.
func (s *streamable) resume(session *session, call *call, at cursor, delay time.Duration) (io.ReadCloser, error) {
	var since time.Time
	least := delay // which the server has asked for
	for failures := 0; ; failures++ {
		if _, ok := s.nap(call.ctx, least, delay); !ok {
			return nil, context.Cause(call.ctx)
		}
		resp, err := s.get(call.ctx, session, at)
		if err == nil {
			return resp.Body, nil
		}
		if since.IsZero() {
			since = time.Now()
		}
		if !transient(err) || time.Since(since) > resumeLimit {
			return nil, err
		}
		least, delay = min(reconnectDelay, backoff(failures)), backoff(failures)
	}
}

// listen reads what the server says by itself in session, for as long as the session lasts, if the server offers such a stream at all.
func (s *streamable) listen(session *session) {
	at := newCursor()
	offered := false
	for failures, short, vain := 0, 0, 0; ; {
		began := time.Now()
		ctx, cut := context.WithCancel(session.ctx)
		s.onAwake(session, cut)
		resp, err := s.get(ctx, session, at)
		var least, most time.Duration // to wait
		var status *StatusError
		switch {
		case err == nil:
			offered = true
			if resp.ProtoMajor == 1 {
				resp.Body = watchBody(resp.Body, getSilence, cut)
			}
			events, _ := s.readEvents(ctx, session, resp.Body, nil, &at)
			if short++; time.Since(began) > shortStream {
				short = 0
			}
			if least = max(at.retry, pace(short)); events > 0 || short == 0 {
				failures, vain = 0, 0
			} else {
				failures++
				least, most = max(least, backoff(vain)), backoff(failures)
			}
			if ctx.Err() != nil { // by ourselves
				least = pace(short)
			}
		case session.ctx.Err() != nil:
		case offered && session.named() && errors.As(err, &status) && (status.Status == http.StatusNotFound || status.Status == http.StatusBadRequest):
			cut()
			s.renewUntil(session)
			return // the new session has a listener of its own
		case transient(err), offered, ctx.Err() != nil: // whatever a gateway may say meanwhile, there was such a stream
			// What gets through to the server shows that it is worth trying again. If that proves wrong too often, then it shows nothing.
			least, most = backoff(vain), backoff(failures)
			failures++
			if errors.As(err, &status) {
				least = max(least, min(status.RetryAfter, maxPatience))
			}
		default:
			cut()
			s.cfg.Log.Debug("server offers no stream of its own", "error", err)
			return
		}
		cut()
		stirred, ok := s.nap(session.ctx, least, max(least, most))
		if !ok {
			return
		}
		if stirred {
			vain++
		}
	}
}

// onAwake notes how to cut the stream on which session listens.
func (s *streamable) onAwake(session *session, cut context.CancelFunc) {
	s.sessionMu.Lock()
	defer s.sessionMu.Unlock()
	session.cut = cut
}

// awake is transport's.
func (s *streamable) awake() {
	s.sessionMu.Lock()
	defer s.sessionMu.Unlock()
	if s.session != nil && s.session.cut != nil {
		s.session.cut()
	}
}

// get opens an event stream. Its error is a *StatusError if the server refuses.
func (s *streamable) get(ctx context.Context, session *session, at cursor) (*http.Response, error) {
	req, err := http.NewRequest(http.MethodGet, s.cfg.URL.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header = s.header()
	req.Header.Set("Accept", "text/event-stream")
	if at.id != "" {
		req.Header.Set("Last-Event-ID", at.id)
	}
	session.mark(req.Header)
	resp, err := s.do(ctx, req)
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode/100 != 2:
		return nil, &readRefusal(resp).StatusError
	case mediaType(resp) != "text/event-stream":
		return nil, readContentError(resp)
	}
	return resp, nil
}

// transient reports whether what failed with err may well work later.
func transient(err error) bool {
	var status *StatusError
	var content *ContentError
	switch {
	case errors.As(err, &status):
		switch status.Status {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	case errors.As(err, &content), errors.Is(err, context.Canceled):
		return false
	}
	return true
}
