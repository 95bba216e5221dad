package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/policy"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// An mcpClient is this program as an MCP client, for the commands that ask the server something themselves. It does one thing after the other.
type mcpClient struct {
	conn    remote.Conn
	explain explainer // for whoever is signed in
	modern  bool      // the server knows no sessions: each request says who it comes from (MCP 2026-07-28)
	server  mcp.InitializeResult
	policy  *policy.Tools // what the user's flags permit; nil permits all
	site    *policy.Site  // where tools may work; nil means anywhere
	locate  func(context.Context) (string, error)
	renew   func(context.Context) error        // gets a new token; nil if there is none to get
	told    func(method string, params []byte) // of notifications; nil means nobody
	calls   int
	failed  sync.Map // error by jsonrpc.ID, of the requests that the server gave no answer to
}

// openClient opens a session with the server that the flags and args name, and shows on line what it waits for. It opens no browser: who is not
// signed in gets an [auth.SignInError]. close ends it, also if err is not nil.
func (f *relayFlags) openClient(cmd *cobra.Command, args []string, line *statusLine) (c *mcpClient, close func(), err error) {
	log, closeLog, err := openLog(cmd.ErrOrStderr(), f.debug, f.logFile)
	if err != nil {
		return nil, func() {}, err
	}
	cfg, user, err := f.config(cmd, args, log)
	if err != nil {
		closeLog()
		return nil, func() {}, err
	}
	line.show("connecting to " + cfg.Remote.URL.Host)
	if c, err = dial(cmd.Context(), cfg.Remote); err == nil {
		c.explain = user.explain
		c.policy, c.site, c.locate, c.renew = cfg.Tools, cfg.Site, cfg.Locate, cfg.Remote.Renew
	}
	return c, func() {
		if c != nil {
			line.show("ending the session")
			c.conn.Close()
		}
		user.Close()
		closeLog()
	}, err
}

// dial opens a session (MCP 2025-11-25, "Lifecycle"), or finds a server that knows none (MCP 2026-07-28, "Discovery"). Its errors have the
// advice that there is on a refusal of Atlassian's.
func dial(ctx context.Context, cfg remote.Config) (*mcpClient, error) {
	c := &mcpClient{explain: func(status int, text string) (atlassian.Refusal, bool) {
		return atlassian.Explain(cfg.URL.String(), status, text)
	}}
	cfg.Waiting = nil // nobody is asked to sign in
	cfg.Stale = nil   // the session ends before a new one could help
	cfg.Hint = nil    // a person gets it on a line of its own
	cfg.Answer = c.noteFailure
	err := c.open(ctx, cfg, mcp.MethodInitialize, mcp.InitializeParams{
		ProtocolVersion: mcp.LATEST_LEGACY_PROTOCOL_VERSION,
		ClientInfo:      implementation(),
	}, &c.server)
	if err == nil {
		c.conn.Send(jsonrpc.NewRequest("", string(mcp.MethodNotificationInitialized), nil))
		return c, nil
	}
	if answered, ok := errors.AsType[*answeredError](err); ok && answered.modern() {
		c.modern = true
		var found mcp.DiscoverResult
		if c.open(ctx, cfg, mcp.MethodServerDiscover, struct{}{}, &found) == nil {
			c.server = mcp.InitializeResult{ProtocolVersion: mcp.ProtocolVersion20260728, Capabilities: found.Capabilities}
			if info := found.Meta.ServerInfo(); info != nil {
				c.server.ServerInfo = *info
			}
			return c, nil
		}
	}
	return nil, err
}

func implementation() mcp.Implementation {
	return mcp.Implementation{Name: "atlassian-mcp", Version: buildVersion()}
}

// open makes c.conn, with its first request.
func (c *mcpClient) open(ctx context.Context, cfg remote.Config, method mcp.MCPMethod, params, result any) error {
	first, err := c.request(method, params)
	if err != nil {
		return err
	}
	if c.conn, err = remote.Dial(ctx, cfg, first); err != nil {
		return c.openError(err)
	}
	if err := c.await(ctx, first.ID, result); err != nil {
		c.conn.Close()
		return err
	}
	return nil
}

// openError returns what there is to say about an error of [remote.Dial].
func (c *mcpClient) openError(err error) error {
	failed, ok := errors.AsType[*remote.OpenError](err)
	if !ok {
		return err
	}
	_, refused := errors.AsType[*remote.StatusError](err)
	answered, _ := errors.AsType[*answeredError](c.answerError(failed.Answer))
	switch {
	case failed.Err == nil:
		return c.answerError(failed.Answer)
	case refused && answered != nil && answered.modern():
		return answered
	}
	return c.explained(err)
}

// explained returns err, with advice if it is a refusal of Atlassian's.
func (c *mcpClient) explained(err error) error {
	if status, ok := errors.AsType[*remote.StatusError](err); ok {
		if r, ok := c.explain(status.Status, status.Body); ok {
			return &refusedError{err, r}
		}
	}
	return err
}

// noteFailure is [remote.Config]'s Answer. It has no better answer, but keeps err: a person can be told more than is made of it for programs.
func (c *mcpClient) noteFailure(m jsonrpc.Message, err error) (jsonrpc.Message, bool) {
	c.failed.Store(m.ID, err)
	return jsonrpc.Message{}, false
}

// call sends a request and waits for its result.
func (c *mcpClient) call(ctx context.Context, method mcp.MCPMethod, params, result any) error {
	m, err := c.request(method, params)
	if err != nil {
		return err
	}
	if answer, refused := c.policy.Refuse(m); refused { // a tool that another one is to run
		return &advisedError{c.answerError(answer), "that is what --allow-tool and --ignore-tool say"}
	}
	if m, err = c.toSite(ctx, m); err != nil {
		return err
	}
	c.conn.Send(m) // has room: nothing else is on its way
	err = c.await(ctx, m.ID, result)
	if ctx.Err() != nil {
		c.giveUp(ctx, m.ID)
	}
	return err
}

// toSite returns m as it may go to the server, see policy.Site.
func (c *mcpClient) toSite(ctx context.Context, m jsonrpc.Message) (jsonrpc.Message, error) {
	passes, verdict, why := c.site.Judge(m, policy.Place{})
	if verdict == policy.Undecided {
		id, err := c.locate(ctx)
		passes, verdict, why = c.site.Judge(m, policy.Place{CloudID: id, Err: err})
	}
	if verdict == policy.Refused {
		return m, elsewhere(why)
	}
	return passes, nil
}

// elsewhere returns why in words for the person who gave the command, where they are not for a model.
func elsewhere(why *policy.SiteError) error {
	if unknown, ok := errors.AsType[*advisedError](why); ok {
		return unknown
	}
	advice := "correct the arguments, or leave out --site"
	if why.Advice != "" {
		advice = clause(why.Advice) + ", or change --site"
	}
	return &advisedError{fmt.Errorf("not called: --site keeps calls at %s, %s", why.Site, why.Reason), advice}
}

// cancelGrace is how long the end of the program waits for the server to be told that nobody waits for its answer.
const cancelGrace = 500 * time.Millisecond

// giveUp tells the server that nobody waits for the answer to the request any more (MCP 2025-11-25, "Cancellation").
func (c *mcpClient) giveUp(ctx context.Context, id jsonrpc.ID) {
	params, err := json.Marshal(map[string]json.RawMessage{"requestId": json.RawMessage(id)})
	if err != nil {
		return
	}
	c.conn.Send(jsonrpc.NewRequest("", string(mcp.MethodNotificationCancelled), params))
	c.conn.CloseSend()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelGrace) // ctx is what has ended
	defer cancel()
	for {
		if _, err := c.conn.Receive(ctx); err != nil {
			return
		}
	}
}

func (c *mcpClient) request(method mcp.MCPMethod, params any) (jsonrpc.Message, error) {
	data, err := json.Marshal(params)
	if err == nil && c.modern {
		data, err = withMeta(data)
	}
	if err != nil {
		return jsonrpc.Message{}, err
	}
	c.calls++
	return jsonrpc.NewRequest(jsonrpc.ID(strconv.Itoa(c.calls)), string(method), data), nil
}

// withMeta adds to the params of a request what each of 2026-07-28 has in _meta.
func withMeta(params json.RawMessage) (json.RawMessage, error) {
	var members struct {
		Meta map[string]any `json:"_meta"`
	}
	rest := make(map[string]json.RawMessage)
	if err := errors.Join(json.Unmarshal(params, &members), json.Unmarshal(params, &rest)); err != nil {
		return nil, err
	}
	if members.Meta == nil {
		members.Meta = make(map[string]any)
	}
	members.Meta[mcp.MetaKeyProtocolVersion] = mcp.ProtocolVersion20260728
	members.Meta[mcp.MetaKeyClientInfo] = implementation()
	members.Meta[mcp.MetaKeyClientCapabilities] = struct{}{}
	meta, err := json.Marshal(members.Meta)
	if err != nil {
		return nil, err
	}
	rest["_meta"] = meta
	return json.Marshal(rest)
}

// await waits for the response to the request with id. Meanwhile it answers what the server asks: that it is there.
func (c *mcpClient) await(ctx context.Context, id jsonrpc.ID, result any) error {
	for {
		messages, err := c.conn.Receive(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("waiting for the server: %v", err)
		}
		var answer jsonrpc.Message
		for _, m := range messages {
			switch {
			case m.Kind == jsonrpc.Response && m.ID == id:
				answer = c.site.Edit(m)
			case m.Kind == jsonrpc.Notification && c.told != nil:
				c.told(m.Method, jsonrpc.Lookup(m.Raw, "params"))
			case m.Kind == jsonrpc.Request && m.Method == string(mcp.MethodPing):
				c.conn.Send(jsonrpc.NewResponse(m.ID, []byte("{}")))
			case m.Kind == jsonrpc.Request:
				c.conn.Send(jsonrpc.ErrorResponse(m.ID, jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "this client can't do that"}))
			}
		}
		switch {
		case answer.Raw == nil:
		case answer.Failed:
			if err, ok := c.failed.Load(id); ok {
				return c.explained(err.(error))
			}
			return c.answerError(answer)
		default:
			if err := json.Unmarshal(jsonrpc.Lookup(answer.Raw, "result"), result); err != nil {
				return fmt.Errorf("the server's answer can't be read: %v", err)
			}
			return nil
		}
	}
}

// An answeredError is a response that is an error.
type answeredError struct {
	message    string
	code       float64
	supported  []string      // protocol versions, if that is what the error is about
	status     int           // of HTTP, if that is why; 0 otherwise
	text       string        // of the HTTP answer
	retryAfter time.Duration // 0 if it was not said
}

func (e *answeredError) Error() string { return e.message }

// modern reports whether this is how a server that knows 2026-07-28 alone answers initialize ("Backward Compatibility").
func (e *answeredError) modern() bool {
	switch int(e.code) {
	case mcp.UNSUPPORTED_PROTOCOL_VERSION, mcp.HEADER_MISMATCH, mcp.MISSING_REQUIRED_CLIENT_CAPABILITY, jsonrpc.CodeMethodNotFound:
		return true
	}
	return len(e.supported) > 0
}

// answerError returns the error that a response is, with advice if it is a refusal of Atlassian's.
func (c *mcpClient) answerError(m jsonrpc.Message) error {
	err := answerError(m)
	answered, ok := err.(*answeredError)
	if !ok {
		return err
	}
	if r, ok := c.explain(answered.status, answered.message+" "+answered.text); ok {
		return &refusedError{err, r}
	}
	return err
}

func answerError(m jsonrpc.Message) error {
	var answer struct {
		Error struct {
			Code    float64 `json:"code"`
			Message string  `json:"message"`
			Data    any     `json:"data"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Raw, &answer); err != nil {
		return fmt.Errorf("the server's answer can't be read: %v", err)
	}
	err := &answeredError{message: cmp.Or(answer.Error.Message, "the server answered with an error without a message"), code: answer.Error.Code}
	data, _ := answer.Error.Data.(map[string]any) // else there is nothing to learn from it
	err.text, _ = data["text"].(string)
	if seconds, ok := data["retryAfter"].(float64); ok {
		err.retryAfter = time.Duration(seconds * float64(time.Second))
	}
	if status, ok := data["status"].(float64); ok {
		err.status = int(status)
	}
	if versions, ok := data["supported"].([]any); ok {
		for _, v := range versions {
			err.supported = append(err.supported, fmt.Sprint(v))
		}
	}
	return err
}

// A refusedError is an error by which Atlassian's servers say no, in words that are known.
type refusedError struct {
	err     error
	refusal atlassian.Refusal
}

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// pages calls a method that lists something, page after page, and returns what is under member of each.
func (c *mcpClient) pages(ctx context.Context, method mcp.MCPMethod, member string) ([]json.RawMessage, error) {
	var all []json.RawMessage
	seen := make(map[string]bool) // cursors: a server that repeats one would go on for ever
	for cursor := ""; ; {
		params := map[string]string{}
		if cursor != "" {
			params["cursor"] = cursor
		}
		var page map[string]json.RawMessage
		if err := c.call(ctx, method, params, &page); err != nil {
			return nil, err
		}
		var items []json.RawMessage
		if list, ok := page[member]; ok {
			if err := json.Unmarshal(list, &items); err != nil {
				return nil, fmt.Errorf("the server's answer to %s can't be read: %v", method, err)
			}
		}
		all = append(all, items...)
		if cursor, _ = jsonrpc.Text(page["nextCursor"]); cursor == "" || seen[cursor] {
			return all, nil
		}
		seen[cursor] = true
	}
}

// printJSON writes v for programs.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
