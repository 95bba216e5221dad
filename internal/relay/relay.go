// Package relay copies messages between a client on standard input and output and a session with a remote server.
//
//	in ──line──▶ read ─▶ loop ─▶ Dial (first request) or Conn.Send ─▶ server
//	                      │ what is no message, what can't be sent
//	                      ▼
//	out ◀─line──────── answer
//	out ◀─line──────── copy ◀─ Conn.Receive ◀────────────────────────── server
//
// loop is the only one to know whether there is a session, and never waits for anything else. What comes before there is one is held.
package relay

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// A Config says what to relay to.
type Config struct {
	Remote remote.Config
	Report func(error)  // told of each failure to open a session, for the person at the terminal; nil means nobody
	Log    *slog.Logger // nil means discard
}

// drainTimeout is how long answers may still come after the end of the input. With remote.CloseTimeout it leaves the process done in two
// seconds, which is when hosts stop waiting for it.
const drainTimeout = 1500 * time.Millisecond

const (
	// maxHeld is how many messages may wait for the session. Beyond that the client has to wait with the next.
	maxHeld = 1024

	// maxAnswers is how many answers of our own may wait to be written. A client that reads none of them is gone.
	maxAnswers = 1024

	// writeGrace is how long Run waits at the end for a write to a client that has stopped reading, which nothing can interrupt.
	writeGrace = 50 * time.Millisecond
)

// Run relays messages until in reaches its end or ctx is done, and returns nil; or until out can't be written, and returns that error.
//
// The first request opens the session. If that fails, the client gets the reason as its answer, and its next message opens the
// session anew. After the end of in, answers that are still to come get 1.5 s. When Run returns, the session is over, and nothing of it is left
// but the goroutine that reads in: nothing can interrupt a read of standard input, and the process is about to end.
func Run(ctx context.Context, in io.Reader, out io.Writer, cfg Config) error {
	if cfg.Report == nil {
		cfg.Report = func(error) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &relay{
		cfg:     cfg,
		ctx:     ctx,
		stop:    cancel,
		out:     jsonrpc.NewWriter(out),
		opened:  make(chan opening, 1),
		answers: make(chan jsonrpc.Message, maxAnswers),
	}
	r.tasks.Go(r.answer)
	lines := make(chan line)
	go read(ctx, jsonrpc.NewReader(in, cfg.Remote.MaxMessage), lines)
	err := r.loop(lines)

	cancel(nil)
	if r.dialing {
		r.conn = (<-r.opened).conn
	}
	if r.conn != nil {
		r.conn.Close()
	}
	close(r.answers)
	finished := make(chan struct{})
	go func() {
		r.tasks.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-time.After(writeGrace):
	}
	return err
}

// A line is what read found on one.
type line struct {
	m   jsonrpc.Message
	err error
}

// read reads messages until the input ends or ctx is done.
func read(ctx context.Context, in *jsonrpc.Reader, lines chan<- line) {
	for {
		m, err := in.Read()
		select {
		case lines <- line{m, err}:
		case <-ctx.Done():
			return
		}
		var syntax *jsonrpc.SyntaxError
		var long *jsonrpc.TooLongError
		if err != nil && !errors.As(err, &syntax) && !errors.As(err, &long) {
			return
		}
	}
}

// An opening is the outcome of remote.Dial.
type opening struct {
	conn remote.Conn
	err  error
}

// A relay is the state of Run. It is loop's alone, but for out, answers and batches.
type relay struct {
	cfg   Config
	ctx   context.Context
	stop  context.CancelCauseFunc // ends everything; the cause is what Run returns
	tasks sync.WaitGroup
	out   *jsonrpc.Writer

	conn    remote.Conn // nil until there is a session
	dialing bool
	opened  chan opening         // from dial
	written chan struct{}        // closed when everything has been received and written; nil without conn
	held    []jsonrpc.Message    // what came while dialing
	answers chan jsonrpc.Message // ours, on their way to the client
	batches batches
}

// loop takes lines and the outcome of dialing until it is time to end.
func (r *relay) loop(lines <-chan line) error {
	var ended <-chan time.Time // fires when waiting for answers is over; nil before the end of the input
	for {
		input := lines
		if len(r.held) >= maxHeld {
			input = nil
		}
		select {
		case l := <-input:
			if l.err == nil {
				r.take(l.m)
			} else if !r.misread(l.err) {
				lines = nil
				ended = time.After(drainTimeout)
				if r.conn != nil {
					r.conn.CloseSend()
				} else if !r.dialing {
					return nil
				}
			}
		case o := <-r.opened:
			r.open(o)
			if lines == nil && r.conn != nil {
				r.conn.CloseSend()
			} else if lines == nil && !r.dialing {
				return nil
			}
		case <-r.written:
			return r.cause()
		case <-ended:
			return nil
		case <-r.ctx.Done():
			return r.cause()
		}
	}
}

// cause returns why the relay was stopped, nil if it was asked to.
func (r *relay) cause() error {
	if failed, ok := errors.AsType[*outputError](context.Cause(r.ctx)); ok {
		return failed
	}
	return nil
}

// misread answers a line that is no message. It returns false if err is the end of the input.
func (r *relay) misread(err error) bool {
	var syntax *jsonrpc.SyntaxError
	var long *jsonrpc.TooLongError
	switch {
	case errors.As(err, &syntax):
		r.cfg.Log.Warn("client sent a line that is not JSON", "error", err)
		r.reply(jsonrpc.ErrorResponse("", jsonrpc.Error{Code: jsonrpc.CodeParse, Message: err.Error()}))
	case errors.As(err, &long):
		r.cfg.Log.Warn("client sent a message that is too long", "method", long.Message.Method, "limit", long.Limit)
		if k := long.Message.Kind; k == jsonrpc.Request || k == jsonrpc.Invalid {
			r.reply(jsonrpc.ErrorResponse(long.Message.ID, jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: err.Error()}))
		}
	default:
		if err != io.EOF {
			r.cfg.Log.Warn("reading from the client", "error", err)
		}
		return false
	}
	return true
}

// take brings a message from the client on its way.
func (r *relay) take(m jsonrpc.Message) {
	switch m.Kind {
	case jsonrpc.Invalid:
		r.reply(invalid(m))
	case jsonrpc.Batch:
		members := jsonrpc.Split(m)
		if len(members) == 0 {
			r.reply(invalid(m))
			return
		}
		for _, answer := range r.batches.add(members) {
			r.reply(answer)
		}
		for _, member := range members {
			if member.Kind != jsonrpc.Invalid && member.Kind != jsonrpc.Batch {
				r.send(member)
			}
		}
	default:
		r.send(m)
	}
}

// invalid answers JSON that is no message (JSON-RPC 2.0 §5.1).
func invalid(m jsonrpc.Message) jsonrpc.Message {
	return jsonrpc.ErrorResponse(m.ID, jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: "not a JSON-RPC request, notification or response"})
}

// send gives m to the session, opens one with it, or keeps it until there is one.
func (r *relay) send(m jsonrpc.Message) {
	if answer, ok := r.batches.cancel(m); ok {
		r.reply(answer)
	}
	switch {
	case r.conn != nil:
		r.conn.Send(r.ctx, m) // fails only when everything is over
	case r.dialing:
		if !r.unhold(m) {
			r.held = append(r.held, m)
		}
	case m.Kind == jsonrpc.Request:
		r.dialing = true
		r.tasks.Go(func() {
			conn, err := remote.Dial(r.ctx, r.cfg.Remote, m)
			r.opened <- opening{conn, err}
		})
	default:
		r.cfg.Log.Debug("message dropped: there is no session", "kind", m.Kind.String(), "method", m.Method)
	}
}

// unhold removes a request from those that wait for the session, if m cancels it.
func (r *relay) unhold(m jsonrpc.Message) bool {
	id, ok := m.Cancels()
	if !ok {
		return false
	}
	i := slices.IndexFunc(r.held, func(h jsonrpc.Message) bool { return h.Kind == jsonrpc.Request && h.ID.Key() == id.Key() })
	if i < 0 {
		return false
	}
	r.held = slices.Delete(r.held, i, i+1)
	return true
}

// open takes the outcome of dialing.
func (r *relay) open(o opening) {
	r.dialing = false
	held := r.held
	r.held = nil
	var failed *remote.OpenError
	if errors.As(o.err, &failed) {
		if failed.Err != nil && r.ctx.Err() == nil {
			r.cfg.Report(failed.Err)
		}
		for _, m := range r.batches.collect([]jsonrpc.Message{failed.Answer}) {
			r.reply(m)
		}
	} else {
		r.conn = o.conn
		r.written = make(chan struct{})
		r.tasks.Go(r.copy)
	}
	for _, m := range held {
		r.send(m)
	}
}

// copy writes what the session says until there is no more.
func (r *relay) copy() {
	defer close(r.written)
	for {
		messages, err := r.conn.Receive(r.ctx)
		if err != nil {
			return
		}
		r.write(r.batches.collect(messages)...)
	}
}

// reply has m, an answer of our own, written.
func (r *relay) reply(m jsonrpc.Message) {
	select {
	case r.answers <- m:
	default:
		r.stop(&outputError{errors.New("it does not read its answers")})
	}
}

// answer writes the answers of our own. It is apart from loop so that a client that doesn't read can't hold up what it sends.
func (r *relay) answer() {
	for m := range r.answers {
		r.write(m)
	}
}

// write writes messages to the client. If that fails there is no client any more.
func (r *relay) write(messages ...jsonrpc.Message) {
	if err := r.out.Write(messages...); err != nil {
		r.stop(&outputError{err})
	}
}

// An outputError says that the client doesn't read any more.
type outputError struct{ cause error }

func (e *outputError) Error() string { return "writing to the client: " + e.cause.Error() }
func (e *outputError) Unwrap() error { return e.cause }
