package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// CodeLocal is the code of the errors that are made up here, outside the range that JSON-RPC reserves, so that nobody takes
// them for the server's (MCP 2026-07-28, "Error Codes").
const CodeLocal = -31000

// source is what they have in their data.
const source = "atlassian-mcp"

// maxErrorText is how much is kept of the text that comes with an error, in bytes. More is a web page.
const maxErrorText = 4 << 10

// An OpenError says that there is no session.
type OpenError struct {
	Answer jsonrpc.Message // the response that the first message is owed
	Err    error           // why, for the person; nil if the server answered by itself
}

func (e *OpenError) Error() string {
	if e.Err == nil {
		return "server refused the session"
	}
	return "opening the session: " + e.Err.Error()
}

func (e *OpenError) Unwrap() error { return e.Err }

// AnswerTo returns the response to m, a request for which there is no session now. What the server has said is about the first message, and must not pass
// for what it says of m.
func (e *OpenError) AnswerTo(m jsonrpc.Message) jsonrpc.Message {
	said := jsonrpc.Lookup(e.Answer.Raw, "error")
	if by, _ := jsonrpc.Text(jsonrpc.Lookup(said, "data", "source")); by == source || e.Answer.ID.Key() == m.ID.Key() {
		return e.Answer.WithID(m.ID)
	}
	words, _ := jsonrpc.Text(jsonrpc.Lookup(said, "message"))
	text := fmt.Sprintf("opening the session: server answered with error %s: %s", jsonrpc.Lookup(said, "code"), words)
	return Failure(m.ID, text, map[string]any{"error": json.RawMessage(said)})
}

// A StatusError is an HTTP status that is no success.
type StatusError struct {
	Status      int
	RetryAfter  time.Duration // 0 if the server didn't say
	Location    string        // of a redirect that was not followed, without query
	ContentType string
	Body        string // its beginning
}

func (e *StatusError) Error() string {
	text := strings.TrimSpace(fmt.Sprintf("server answered %d %s", e.Status, http.StatusText(e.Status)))
	if e.Location != "" {
		text += fmt.Sprintf(", which leads to %q", e.Location)
	}
	return text
}

// A SessionError says that the server has lost a session that was open, and that another could not take its place.
type SessionError struct {
	Err error
}

func (e *SessionError) Error() string { return "starting the session again: " + e.Err.Error() }
func (e *SessionError) Unwrap() error { return e.Err }

// A ContentError is a successful answer that is neither JSON nor an event stream, such as a login page.
type ContentError struct {
	ContentType string
	Body        string // its beginning
}

func (e *ContentError) Error() string {
	if e.ContentType == "" {
		return "server answered without a content type"
	}
	return fmt.Sprintf("server answered with content of type %q", e.ContentType)
}

// A lostError says that a request was sent and that its answer will not come. The server may have done what it asks for.
type lostError struct{ cause error }

func (e *lostError) Error() string {
	if e.cause == nil {
		return "connection ended before the answer came; the request may have been carried out"
	}
	return fmt.Sprintf("connection broke before the answer came; the request may have been carried out: %v", e.cause)
}

func (e *lostError) Unwrap() error { return e.cause }

var (
	errNoAnswer       = errors.New("server accepted the request but sent no answer")
	errSilent   error = silentError{}
)

// A silentError says that the server has been sent a message and has said nothing for too long. It is a context.DeadlineExceeded.
type silentError struct{}

func (silentError) Error() string        { return "server has not answered in time" }
func (silentError) Is(target error) bool { return target == context.DeadlineExceeded }

// fail answers call with err.
func (c *conn) fail(call *call, err error) {
	if call.isRequest() {
		c.settle(call, c.failure(call, err), err)
		return
	}
	if call.ctx.Err() == nil {
		c.cfg.Log.Warn("message was not delivered to the server", "method", call.m.Method, "error", err)
	}
}

// failure makes up the response to call that err is the fate of.
func (c *conn) failure(call *call, err error) jsonrpc.Message {
	if c.cfg.Answer != nil && call.answer == nil { // the client's, not one of ours
		if answer, ok := c.cfg.Answer(call.m, err); ok {
			return answer
		}
	}
	return c.answer(call.m.ID, err)
}

// answer makes up the response to the request id that err is the fate of.
func (c *conn) answer(id jsonrpc.ID, err error) jsonrpc.Message {
	text := err.Error()
	if hint := c.cfg.Hint(err); hint != "" {
		text += " (" + hint + ")"
	}
	data := make(map[string]any)
	var status *StatusError
	if errors.As(err, &status) {
		data["status"] = status.Status
		if status.RetryAfter > 0 {
			data["retryAfter"] = status.RetryAfter.Seconds()
		}
		if status.Body != "" {
			data["text"] = status.Body
		}
	}
	var content *ContentError
	if errors.As(err, &content) && content.Body != "" {
		data["text"] = content.Body
	}
	return Failure(id, text, data)
}

// Failure makes up the error that answers the request id. Its data says whose words these are, and what more says, which may be nil.
func Failure(id jsonrpc.ID, text string, more map[string]any) jsonrpc.Message {
	data := map[string]any{"source": source}
	maps.Copy(data, more)
	return jsonrpc.ErrorResponse(id, jsonrpc.Error{Code: CodeLocal, Message: text, Data: data})
}

// A refusal is an HTTP status that is no success, with the JSON-RPC error that came as its body, if one did.
type refusal struct {
	StatusError
	body jsonrpc.Message // Kind is Invalid if there is none
}

func (r *refusal) Unwrap() error { return &r.StatusError }

// readRefusal reads and closes the body of resp, whose status is no success.
func readRefusal(resp *http.Response) *refusal {
	text := readText(resp, 1<<20)
	r := &refusal{StatusError: StatusError{
		Status:      resp.StatusCode,
		RetryAfter:  retryAfter(resp.Header.Get("Retry-After"), time.Now()),
		ContentType: resp.Header.Get("Content-Type"),
	}}
	if to, err := resp.Location(); err == nil {
		r.Location = (&url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path}).String()
	}
	if m, err := jsonrpc.Parse([]byte(strings.TrimSpace(strings.TrimPrefix(text, byteOrderMark)))); err == nil && m.Failed && proper(m) {
		r.body = m
	}
	r.Body = strings.ToValidUTF8(text[:min(len(text), maxErrorText)], "")
	return r
}

// proper reports whether a response is one of JSON-RPC's: an error that is an object with a code (JSON-RPC 2.0 §5.1), or a result. OAuth and
// gateways have other ideas of what "error" is, and no client would understand them.
func proper(m jsonrpc.Message) bool {
	if !m.Failed {
		return true
	}
	_, err := strconv.ParseFloat(string(jsonrpc.Lookup(m.Raw, "error", "code")), 64)
	return err == nil
}

// refuse answers call with what the server said.
func (c *conn) refuse(call *call, r *refusal) {
	if call.isRequest() && r.body.Kind == jsonrpc.Response {
		c.settle(call, r.body.WithID(call.m.ID), r)
		return
	}
	c.fail(call, &r.StatusError)
}

// aboutSession reports whether the server refuses a request because it doesn't know the session: with 404 (MCP 2025-11-25, "Session
// Management"), or with 400 and words to that effect, as the official SDK's example servers do. An error under the request's own
// id comes from further inside than that.
func (r *refusal) aboutSession() bool {
	inside := r.body.Kind == jsonrpc.Response && !anonymous(r.body.ID)
	switch r.Status {
	case http.StatusNotFound:
		return !inside || errorCode(r.body) != jsonrpc.CodeMethodNotFound
	case http.StatusBadRequest:
		return !inside && strings.Contains(strings.ToLower(r.Body), "session")
	}
	return false
}

// retryAfter returns how long a Retry-After header (RFC 9110 §10.2.3) asks to wait; 0 if it doesn't.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil && date.After(now) {
		return date.Sub(now)
	}
	return 0
}

// readContentError reads and closes the body of resp, whose type is not what it should be.
func readContentError(resp *http.Response) error {
	return &ContentError{resp.Header.Get("Content-Type"), readText(resp, maxErrorText)}
}

// sleep waits for d. It returns false if ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
