package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is the transport of MCP 2024-11-05, "HTTP with SSE": one GET opens the event stream on which everything comes, its first event names the
// endpoint to which everything is POSTed. The stream is the session; when it breaks, so does the session, and whatever was not answered is lost.

// An sse is the transport HTTP+SSE.
type sse struct {
	*conn
	url *url.URL

	wanting chan struct{} // has room for one; full if a message waits for a stream

	streamMu sync.Mutex    // guards the rest
	stream   *eventStream  // nil while there is none
	changed  chan struct{} // closed when stream changes
	trying   chan struct{} // closed when the last attempt to open one is over; nil if there was none
	trouble  error         // why there is none
	failures int           // in a row, of streams that did not last
	seekers  int           // requests that wait for a stream
	lastID   string        // of the last event, for a server that can go on from there; "" if there is none
	prompt   bool          // the server answers a ping also while it owes us something else
}

// An eventStream is one connection of an sse.
type eventStream struct {
	ctx      context.Context // done when the stream has broken
	cancel   context.CancelFunc
	endpoint *url.URL
	intake   *intake
	events   *eventReader // of intake
	body     io.Closer
	watched  *watchedBody  // what body is over HTTP/1.1; else nil
	silent   chan struct{} // has a token when a sign of life is to be asked for
	usage    usage         // by exchanges
	version  string        // negotiated; guarded by conn.mu
}

var errNoEndpoint = errors.New("server sent no endpoint event")

// openSSE opens a session by HTTP+SSE at u. It returns what start does.
func openSSE(ctx context.Context, cfg Config, u *url.URL, first jsonrpc.Message) (*conn, jsonrpc.Message, error) {
	s := &sse{conn: newConn(ctx, cfg), url: u, wanting: make(chan struct{}, 1), changed: make(chan struct{})}
	s.transport = s
	defer context.AfterFunc(ctx, s.cancel)()
	stream, err := s.connect(cfg.Waiting)
	if err != nil {
		s.Close()
		return nil, jsonrpc.Message{}, err
	}
	s.put(stream)
	s.tasks.Go(func() { s.read(stream) })
	answer, err := s.start(ctx, first, func(call *call) error {
		s.tasks.Go(func() { s.exchange(call) })
		return nil
	})
	if err != nil {
		s.Close()
		return nil, answer, err
	}
	return s.conn, answer, nil
}

// connect opens the event stream and waits for its endpoint. If mark is not nil it marks the request, see Config.Waiting.
func (s *sse) connect(mark func(context.Context) context.Context) (*eventStream, error) {
	stream := &eventStream{silent: make(chan struct{}, 1)}
	stream.ctx, stream.cancel = context.WithCancel(s.ctx)
	ctx := impatient(stream.ctx, s.cfg.HandshakeTimeout)
	if mark != nil {
		ctx = mark(ctx)
	}
	err := s.dial(ctx, stream)
	if err != nil {
		stream.cancel()
		if stream.body != nil {
			stream.body.Close()
		}
		if stream.intake != nil {
			stream.intake.done()
		}
		return nil, err
	}
	return stream, nil
}

// dial is connect but for what is to be done when it fails.
func (s *sse) dial(ctx context.Context, stream *eventStream) error {
	req, err := http.NewRequest(http.MethodGet, s.url.String(), nil)
	if err != nil {
		return err
	}
	req.Header = s.header()
	req.Header.Set("Accept", "text/event-stream")
	s.streamMu.Lock()
	if s.lastID != "" {
		req.Header.Set("Last-Event-ID", s.lastID)
	}
	s.streamMu.Unlock()
	resp, err := s.do(ctx, req)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return readRefusal(resp)
	}
	stream.body = resp.Body
	if mediaType(resp) != "text/event-stream" {
		return errNoEndpoint
	}
	silence := time.AfterFunc(endpointTimeout, stream.cancel)
	defer silence.Stop()
	if resp.ProtoMajor == 1 {
		stream.watched = watchBody(resp.Body, sseSilence, stream.suspect)
		stream.body, resp.Body = stream.watched, stream.watched
	}
	stream.intake = s.newIntake(stream.ctx, resp.Body)
	stream.events = newEventReader(stream.intake, s.cfg.MaxMessage)
	for {
		e, err := stream.events.next()
		switch {
		case err == io.EOF, err != nil && stream.ctx.Err() != nil:
			return errNoEndpoint
		case err != nil:
			return err
		}
		s.passed(e)
		stream.intake.done()
		if e.Type != "endpoint" {
			continue
		}
		stream.endpoint, err = s.url.Parse(strings.TrimSpace(string(e.Data)))
		if err != nil {
			return fmt.Errorf("server named an endpoint that is no URL: %q", e.Data)
		}
		if !sameOrigin(stream.endpoint, s.url) {
			return fmt.Errorf("server named the endpoint %q, which is not of its own origin %s://%s", stream.endpoint.Redacted(), s.url.Scheme, s.url.Host)
		}
		return nil
	}
}

// read reads stream until it breaks.
func (s *sse) read(stream *eventStream) {
	began := time.Now()
	var broken error
	for {
		e, err := stream.events.next()
		var large *tooLarge
		if errors.As(err, &large) {
			stream.intake.done()
			continue // the event itself comes when it has been passed over
		}
		if err != nil {
			broken = err
			break
		}
		s.passed(e)
		s.event(e, stream, nil)
		stream.intake.done()
	}
	stream.intake.done()
	stream.cancel()
	stream.body.Close()
	if broken == io.EOF {
		broken = nil
	}
	if time.Since(began) > shortStream {
		s.streamMu.Lock()
		s.failures = 0
		s.streamMu.Unlock()
	}
	s.lose(stream, broken)
}

// passed notes that e has come.
func (s *sse) passed(e event) {
	if e.HasID {
		s.streamMu.Lock()
		defer s.streamMu.Unlock()
		s.lastID = e.ID
	}
}

// lose has a new stream opened in place of one that has broken, and answers what was sent on that.
func (s *sse) lose(stream *eventStream, cause error) {
	lost := &lostError{cause}
	s.streamMu.Lock()
	if s.stream == stream {
		s.stream, s.trouble = nil, lost // before anybody hears of it, and sends something that would be lost as well
		if s.ctx.Err() == nil {
			s.tasks.Go(s.reconnect)
		}
	}
	s.streamMu.Unlock()

	s.mu.Lock()
	var calls []*call
	for _, open := range s.open {
		for _, call := range open {
			if call.on == stream {
				calls = append(calls, call)
			}
		}
	}
	s.mu.Unlock()
	for _, call := range calls {
		s.fail(call, lost)
	}
	s.unask(func(asker any) bool { return asker == stream })
}

// reconnect opens streams until one works.
func (s *sse) reconnect() {
	for {
		s.streamMu.Lock()
		failures := s.failures
		if s.seekers > 0 {
			failures = min(failures, 1) // each of these requests has cost an attempt, for which none of them is to wait longer
		}
		delay := time.NewTimer(backoff(failures))
		s.failures++
		s.streamMu.Unlock()
		select {
		case <-delay.C:
		case <-s.wanting:
			delay.Stop()
		case <-s.ctx.Done():
			delay.Stop()
			return
		}
		tried := s.try()
		stream, err := s.connect(s.mark())
		if err == nil {
			if err = s.begin(stream); err == nil {
				close(tried)
				return
			}
		}
		s.streamMu.Lock()
		s.trouble = err
		close(tried)
		if !transient(err) || errors.Is(err, errNoEndpoint) {
			s.lastID = "" // perhaps this is what the server can do nothing with
		}
		s.streamMu.Unlock()
		s.cfg.Log.Info("server is out of reach", "error", err)
	}
}

// try notes that an attempt to open a stream begins. Whoever makes it closes what try returns when it is over.
func (s *sse) try() chan struct{} {
	s.streamMu.Lock()
	defer s.streamMu.Unlock()
	s.trying = make(chan struct{})
	return s.trying
}

// mark returns how a stream is marked that is opened now: as its requests are if there are any that wait for it, see Config.Waiting.
func (s *sse) mark() func(context.Context) context.Context {
	s.streamMu.Lock()
	defer s.streamMu.Unlock()
	if s.seekers == 0 {
		return nil
	}
	return s.cfg.Waiting
}

// reopen is transport's.
func (s *sse) reopen(context.Context) error {
	s.streamMu.Lock()
	old := s.stream
	s.streamMu.Unlock()
	if old == nil {
		return nil // another is being opened
	}
	stream, err := s.connect(nil)
	if err != nil {
		return err
	}
	return s.begin(stream)
}

// begin has stream be the one for the calls that follow.
func (s *sse) begin(stream *eventStream) error {
	s.tasks.Go(func() { s.read(stream) })
	if err := s.restart(stream); err != nil {
		stream.cancel()
		return err
	}
	s.put(stream)
	if stream.ctx.Err() != nil { // it broke before it was there to be lost
		s.lose(stream, nil)
	}
	return nil
}

// restart begins a session on stream as the client began the first one, and tells the server again what it has forgotten.
func (s *sse) restart(stream *eventStream) error {
	if s.hand.opening().Raw == nil {
		return nil // a client without a session has nothing to restart
	}
	ctx, cancel := context.WithTimeoutCause(stream.ctx, s.cfg.HandshakeTimeout, errSilent)
	defer cancel()
	answer, err := s.ask(ctx, s.hand.opening().WithID(s.hand.newID()), func(call *call) { s.exchangeOn(stream, call) })
	if err != nil {
		return err
	}
	if err := s.hand.check(answer); err != nil {
		return err
	}
	s.mu.Lock()
	stream.version = resultVersion(answer)
	s.mu.Unlock()
	return s.repeat(ctx,
		func(call *call) (*http.Response, error) { return s.post(stream, call) },
		func(call *call) { s.exchangeOn(stream, call) })
}

func (s *sse) put(stream *eventStream) {
	if stream.watched != nil {
		s.tasks.Go(func() { s.guard(stream) })
	}
	s.streamMu.Lock()
	defer s.streamMu.Unlock()
	if old := s.stream; old != nil {
		old.usage.retire(old.cancel)
	}
	s.stream = stream
	close(s.changed)
	s.changed = make(chan struct{})
}

// establish takes note of the session that the client's initialize has begun.
func (s *sse) establish(stream *eventStream, initialize, answer jsonrpc.Message) {
	if answer.Failed || initialize.Method != "initialize" {
		return
	}
	version := resultVersion(answer)
	s.hand.begin(initialize, version)
	s.mu.Lock()
	stream.version = version
	s.mu.Unlock()
}

// hangUp has nothing to say: the session ends with its stream.
func (s *sse) hangUp(context.Context) {}
