// Package relay copies messages between a client on standard input and output and a session with a remote server.
//
//	in ──line──▶ read ─▶ loop ─▶ Conn.Send ─────────────────▶ server
//	                      │  ╲
//	                      │   held until there is a session ─▶ Dial      dial.go
//	                      │   or for as long as may be, then answered    handshake.go
//	                      │   by what a person is to do, if one must     signin.go
//	                      ▼
//	out ◀─line──────── answer
//	out ◀─line──────── copy ◀─ Conn.Receive ◀──────────────────── server
//
// loop is the only one to know whether there is a session, and never waits for anything else. Hosts wait for the answer to initialize
// for a second or a few, so a client whose server takes longer is answered here, from what the server said last time or in general
// terms, and gets the session later: it is told then that all lists have changed.
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
	"github.com/atlassian-mcp/atlassian-mcp/internal/policy"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// A Config says what to relay to.
type Config struct {
	Remote remote.Config
	Dial   func(context.Context, remote.Config, jsonrpc.Message) (remote.Conn, error) // opens a session, as [remote.Dial] does, which nil means
	Report func(error)                                                                // told of each failure to open a session, for the person at the terminal; nil means nobody

	Started      time.Time                             // when the host began to wait for the answer to initialize; zero means when Run is called
	Recall       func(context.Context) Memory          // returns what was remembered of the server; it may take its time; nil means nothing
	Remember     func(Memory)                          // keeps that for the next process; nil means not to
	Capabilities []byte                                // what the server can do, in JSON, for as long as it has not said so; nil means everything
	Version      string                                // of this program, for the same
	Transient    func(error) bool                      // whether a failure to open a session may be over by itself; nil means [remote.Transient]
	Tools        *policy.Tools                         // which of the server's tools the client may see and call; nil means all
	Site         *policy.Site                          // where calls may work; nil means anywhere
	Locate       func(context.Context) (string, error) // returns the cloudId of Site, and may take its time; for Site alone
	Advise       func(jsonrpc.Message) jsonrpc.Message // returns a response with advice in it, or as it is; nil means that there is none
	SignIn       *SignIn                               // how a person is asked to sign in; nil means that none can

	// HungUp is closed when nobody can write to the input any more. It is for when the input is not read, because too much is waiting;
	// at other times its end is what counts. Nil means that this can't be told.
	HungUp <-chan struct{}

	// Orphaned is closed when whoever was to use the relay is gone, though others keep the input open. It counts as the end of the input.
	Orphaned <-chan struct{}

	Log *slog.Logger // nil means discard
}

const (
	// drainTimeout is how long answers may still come after the end of the input. With remote.CloseTimeout it leaves the process done in two
	// seconds, which is when hosts stop waiting for it.
	drainTimeout = 1500 * time.Millisecond

	// pipeTimeout is the same for a client that has written all it has to say at once, as printf does: it closes the input at the start, not at the
	// end, and waits for its answers. See hand.piped.
	pipeTimeout = time.Minute

	// maxHeld and maxHeldBytes are how many messages may wait for the session, for the site or for the person. Beyond that the input is not read. In
	// the session it is remote that lets as many wait: what it has no room for waits here, and nothing behind it is read.
	maxHeld      = 1024
	maxHeldBytes = 64 << 20

	// maxReplies is how many answers of our own may wait to be written. Beyond that the input is not read.
	maxReplies = 1024

	// writeGrace is how long Run waits at the end for a write to a client that has stopped reading, which nothing can interrupt.
	writeGrace = 50 * time.Millisecond
)

// Run relays messages until in reaches its end or ctx is done, and returns nil; or until out can't be written, and returns that error.
//
// The first request opens the session. If that fails for good, the client gets the reason as its answer, and its next message opens the
// session anew. If it takes its time, initialize is answered here, 500 ms after cfg.Started with what cfg.Recall returns or else after 2 s, and
// every other request waits for the session for cfg.Remote.HandshakeTimeout.
//
// After the end of in, answers that are still to come get 1.5 s. A client that has sent more requests without waiting for the answer to initialize is
// no host but a pipe that ends where it has no more to say: it gets its answers for a minute. When Run returns, the session is over, and nothing of it is left
// but the goroutine that reads in: nothing can interrupt a read of standard input, and the process is about to end.
func Run(ctx context.Context, in io.Reader, out io.Writer, cfg Config) error {
	if cfg.Dial == nil {
		cfg.Dial = remote.Dial
	}
	if cfg.Report == nil {
		cfg.Report = func(error) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Started.IsZero() {
		cfg.Started = time.Now()
	}
	if cfg.Remote.HandshakeTimeout == 0 {
		cfg.Remote.HandshakeTimeout = handshakeTimeout
	}
	if cfg.Transient == nil {
		cfg.Transient = remote.Transient
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &relay{
		cfg:     cfg,
		ctx:     ctx,
		stop:    cancel,
		out:     jsonrpc.NewWriter(out),
		answers: make(chan []jsonrpc.Message),
	}
	r.opened = make(chan opening)
	r.hand.recalled = make(chan Memory)
	r.site.found = make(chan policy.Place)
	r.person.asked, r.person.looked, r.person.elicited = make(chan error), make(chan struct{}), make(map[string]*elicitation)
	r.cfg.Remote.Answer = r.instead
	r.tasks.Go(r.answer)
	lines := make(chan line)
	go read(ctx, jsonrpc.NewReader(in, cfg.Remote.MaxMessage), lines)
	grace := r.loop(lines)

	err := r.cause()
	cancel(nil)
	r.dials.Wait()
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
	case <-time.After(max(grace, writeGrace)):
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

// A relay is the state of Run. It is loop's alone, but for out, answers, batches and what is atomic.
type relay struct {
	cfg   Config
	ctx   context.Context
	stop  context.CancelCauseFunc // ends everything; the cause is what Run returns
	tasks sync.WaitGroup
	out   *jsonrpc.Writer

	conn    remote.Conn            // nil until there is a session
	written chan struct{}          // closed when everything has been received and written; nil without conn
	held    []waiting              // what waits for the session, or for room in it
	bytes   int                    // length of held
	ended   bool                   // the input has: nobody will ask for anything more
	replies []jsonrpc.Message      // answers of our own that wait to be written
	answers chan []jsonrpc.Message // takes them to be written
	batches batches

	opener        // dial.go
	hand   hand   // handshake.go
	person person // signin.go
	site   site   // site.go
}

// A waiting message is one that is held.
type waiting struct {
	jsonrpc.Message
	since time.Time // when it was read
}

// loop takes lines, and brings forward what waits, until it is time to end. It waits for nothing else, so that whatever hangs, the end
// of the input and of ctx are noticed. It returns how long what has been written may still take to be read.
func (r *relay) loop(lines <-chan line) (grace time.Duration) {
	var deadline time.Time     // of the answers; zero before the end of the input
	var ended <-chan time.Time // fires at deadline
	orphaned := r.cfg.Orphaned
	end := func(limit time.Duration) {
		lines, deadline, ended = nil, time.Now().Add(limit), time.After(limit)
		r.end(deadline.Add(-writeGrace))
	}
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	var closing, drained bool // of conn, after the end of the input
	var gone, progress bool   // nobody can write to the input any more, and whether it has been read since
	for {
		r.flush()
		if lines == nil && len(r.held)+len(r.site.waiting) == 0 && r.dialing == nil {
			switch {
			case r.conn != nil && !closing:
				r.conn.CloseSend()
				closing = true
			case (r.conn == nil || drained) && len(r.replies) == 0:
				return time.Until(deadline)
			}
		}

		input, hungUp := lines, (<-chan struct{})(nil)
		if r.full() {
			input, hungUp = nil, r.cfg.HungUp
		}
		if lines == nil || gone {
			hungUp = nil
		}
		var room <-chan struct{}
		if r.conn != nil && len(r.held) > 0 {
			room = r.conn.Room()
		}
		var answers chan<- []jsonrpc.Message
		if len(r.replies) > 0 {
			answers = r.answers
		}
		var due <-chan time.Time
		if at := r.due(); !at.IsZero() {
			alarm.Reset(time.Until(at))
			due = alarm.C
		}
		select {
		case l := <-input:
			progress = true
			if l.err == nil {
				r.take(l.m)
			} else if !r.misread(l.err) {
				end(r.patience())
			}
		case <-orphaned:
			orphaned = nil
			end(drainTimeout)
		case <-hungUp:
			gone, progress = true, false
			ended = time.After(drainTimeout)
		case answers <- r.replies:
			r.replies = nil
		case o := <-r.opened:
			r.open(o)
		case <-due:
			r.expire(time.Now())
		case m := <-r.hand.recalled:
			r.recall(m)
		case at := <-r.site.found:
			r.located(at)
		case <-r.person.changed(r.cfg.SignIn):
			r.personChanged()
			r.move()
			r.resume()
		case err := <-r.person.asked:
			r.signInEnded(err)
		case <-r.person.looked:
			r.person.looking = false
		case <-room:
		case <-r.written:
			r.written, drained = nil, true
		case <-ended:
			if lines == nil || !progress {
				return 0
			}
			progress = false // what is left of the input is still being taken
			ended = time.After(drainTimeout)
		case <-r.ctx.Done():
			return 0
		}
	}
}

// full reports whether so much waits that the input is not to be read.
func (r *relay) full() bool {
	n, bytes := len(r.held)+len(r.site.waiting)+len(r.person.asking), r.bytes+r.site.bytes
	for _, a := range r.person.asking {
		bytes += len(a.m.Raw)
	}
	return r.conn != nil && len(r.held) > 0 || n >= maxHeld || bytes >= maxHeldBytes || len(r.replies) >= maxReplies
}

// patience returns how long answers may come after the end of the input.
func (r *relay) patience() time.Duration {
	if r.hand.piped {
		return pipeTimeout
	}
	return drainTimeout
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
		if k := long.Message.Kind; k == jsonrpc.Request || k == jsonrpc.Invalid || k == jsonrpc.Batch {
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

// send gives m to the session, or keeps it until there is one and it has room.
func (r *relay) send(m jsonrpc.Message) {
	if answer, ok := r.batches.cancel(m); ok {
		r.reply(answer)
	}
	if id, ok := m.Cancels(); ok && r.unsend(id) {
		return
	}
	if r.ours(m) {
		return
	}
	if answer, refused := r.cfg.Tools.Refuse(m); refused {
		if m.Kind == jsonrpc.Request {
			r.answerInBatch(answer)
		}
		return
	}
	m, ok := r.toSite(m)
	if !ok {
		return
	}
	waiting := len(r.held) > 0 && m.Kind != jsonrpc.Response && m.Method != "notifications/cancelled" // the others go ahead
	switch {
	case r.conn == nil:
		r.await(m)
	case waiting || !r.conn.Send(m):
		r.hold(m)
	}
	if m.Method == "notifications/initialized" {
		r.hand.ready = true
		r.announce()
	}
}

// hold keeps m until there is a session, or room in it.
func (r *relay) hold(m jsonrpc.Message) {
	r.held = append(r.held, waiting{m, time.Now()})
	r.bytes += len(m.Raw)
}

// flush gives the session what has been held, as far as it takes it.
func (r *relay) flush() {
	for r.conn != nil && len(r.held) > 0 && r.conn.Send(r.held[0].Message) {
		r.unhold(0)
	}
}

// unhold removes one of the messages that are held.
func (r *relay) unhold(i int) waiting {
	m := r.held[i]
	r.bytes -= len(m.Raw)
	r.held = slices.Delete(r.held, i, i+1)
	return m
}

// unsend cancels a request that no session has yet, or none is to have. It returns false if there is no such request.
func (r *relay) unsend(id jsonrpc.ID) bool {
	is := func(m jsonrpc.Message) bool { return m.Kind == jsonrpc.Request && m.ID.Key() == id.Key() }
	if d := r.dialing; d != nil && d.first.Method != "initialize" && is(d.first.Message) {
		r.abandon()
		r.hand.discover = waiting{}
		r.dial(false)
		return true
	}
	if i := slices.IndexFunc(r.held, func(m waiting) bool { return is(m.Message) }); i >= 0 {
		r.unhold(i)
		return true
	}
	if i := slices.IndexFunc(r.site.waiting, is); i >= 0 {
		r.site.remove(i)
		return true
	}
	if i := slices.IndexFunc(r.person.asking, func(a *ask) bool { return is(a.m) }); i >= 0 {
		r.person.asking = slices.Delete(r.person.asking, i, i+1)
		return true
	}
	return false
}

// copy writes what the session has said already, and what it says until there is no more.
func (r *relay) copy(early []jsonrpc.Message) {
	defer close(r.written)
	r.write(r.batches.collect(r.permitted(early))...)
	for {
		messages, err := r.conn.Receive(r.ctx)
		if err != nil {
			return
		}
		r.write(r.batches.collect(r.permitted(messages))...)
	}
}

// permitted returns messages, which it may change, without what the client may not see, and with advice.
func (r *relay) permitted(messages []jsonrpc.Message) []jsonrpc.Message {
	for i, m := range messages {
		messages[i] = r.cfg.Site.Edit(r.cfg.Tools.Edit(m))
		if m.Kind == jsonrpc.Response && r.cfg.Advise != nil {
			messages[i] = r.cfg.Advise(messages[i])
		}
	}
	return messages
}

// reply has m, which is our own, written.
func (r *relay) reply(m jsonrpc.Message) { r.replies = append(r.replies, m) }

// answerInBatch has m written, in the array of its batch if it has one.
func (r *relay) answerInBatch(m jsonrpc.Message) {
	for _, m := range r.batches.collect([]jsonrpc.Message{m}) {
		r.reply(m)
	}
}

// answer writes the answers of our own. It is apart from loop so that a client that doesn't read can't hold up what it sends.
func (r *relay) answer() {
	for messages := range r.answers {
		r.write(messages...)
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
