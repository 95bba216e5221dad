package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// An mcpClient is this program as an MCP client, for the commands that ask the server something themselves. It does one thing after the other.
type mcpClient struct {
	conn   remote.Conn
	server mcp.InitializeResult
	calls  int
	told   func(method string, params []byte) // of notifications; nil means nobody
}

// openClient opens a session with the server that the flags and args name. It opens no browser: who is not signed in gets an
// [auth.SignInError]. close ends it, also if err is not nil.
func (f *relayFlags) openClient(cmd *cobra.Command, args []string) (c *mcpClient, close func(), err error) {
	log, closeLog, err := openLog(cmd.ErrOrStderr(), f.debug, f.logFile)
	if err != nil {
		return nil, func() {}, err
	}
	cfg, user, err := f.config(cmd, args, log)
	if err != nil {
		closeLog()
		return nil, func() {}, err
	}
	cfg.Remote.Waiting = nil
	c, err = dial(cmd.Context(), cfg.Remote)
	return c, func() {
		if c != nil {
			c.conn.Close()
		}
		user.Close()
		closeLog()
	}, err
}

// dial opens a session (MCP 2025-11-25, "Lifecycle").
func dial(ctx context.Context, cfg remote.Config) (*mcpClient, error) {
	c := new(mcpClient)
	first, err := c.request(mcp.MethodInitialize, mcp.InitializeParams{
		ProtocolVersion: mcp.LATEST_LEGACY_PROTOCOL_VERSION,
		ClientInfo:      mcp.Implementation{Name: "atlassian-mcp", Version: buildVersion()},
	})
	if err != nil {
		return nil, err
	}
	if c.conn, err = remote.Dial(ctx, cfg, first); err != nil {
		if failed, ok := errors.AsType[*remote.OpenError](err); ok && failed.Err == nil {
			return nil, answerError(failed.Answer)
		}
		return nil, err
	}
	if err := c.await(ctx, first.ID, &c.server); err != nil {
		c.conn.Close()
		return nil, err
	}
	c.conn.Send(jsonrpc.NewRequest("", string(mcp.MethodNotificationInitialized), nil))
	return c, nil
}

// call sends a request and waits for its result.
func (c *mcpClient) call(ctx context.Context, method mcp.MCPMethod, params, result any) error {
	m, err := c.request(method, params)
	if err != nil {
		return err
	}
	c.conn.Send(m) // has room: nothing else is on its way
	return c.await(ctx, m.ID, result)
}

func (c *mcpClient) request(method mcp.MCPMethod, params any) (jsonrpc.Message, error) {
	data, err := json.Marshal(params)
	if err != nil {
		return jsonrpc.Message{}, err
	}
	c.calls++
	return jsonrpc.NewRequest(jsonrpc.ID(strconv.Itoa(c.calls)), string(method), data), nil
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
				answer = m
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
			return answerError(answer)
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
	retryAfter time.Duration // 0 if it was not said
}

func (e *answeredError) Error() string { return "answer: " + e.message }

func answerError(m jsonrpc.Message) error {
	var answer struct {
		Error struct {
			Message string `json:"message"`
			Data    json.RawMessage
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Raw, &answer); err != nil {
		return fmt.Errorf("the server's answer can't be read: %v", err)
	}
	err := &answeredError{message: answer.Error.Message}
	if seconds, e := strconv.ParseFloat(string(jsonrpc.Lookup(answer.Error.Data, "retryAfter")), 64); e == nil {
		err.retryAfter = time.Duration(seconds * float64(time.Second))
	}
	return err
}

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
