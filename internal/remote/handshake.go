package remote

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is what a session of MCP 2025-11-25 and before owes to its client, with either transport, and how another is told the same.

// repeat says in a new session what the client said in the old one. It sends a message by post, a request by exchange.
func (c *conn) repeat(ctx context.Context, post func(*call) (*http.Response, error), exchange func(*call)) error {
	if m := c.hand.acknowledgement(); m.Raw != nil {
		call := newCall(ctx, m)
		defer call.cancel()
		resp, err := post(call)
		if err != nil {
			return err
		}
		if resp.StatusCode/100 != 2 {
			return &readRefusal(resp).StatusError
		}
		discard(resp)
	}
	for _, m := range c.hand.wishes() {
		answer, err := c.ask(ctx, m.WithID(c.hand.newID()), exchange)
		if err != nil || answer.Failed {
			c.cfg.Log.Warn("server refused in the new session what it took in the old one", "method", m.Method)
		}
	}
	return nil
}

// A handshake remembers how the client began its session, and what it has asked the server to remember since.
type handshake struct {
	mu            sync.Mutex // guards the rest
	initialize    jsonrpc.Message
	version       string // negotiated
	acknowledged  jsonrpc.Message
	level         jsonrpc.Message   // logging/setLevel
	subscriptions []jsonrpc.Message // resources/subscribe
	prefix        string
	ids           int
}

func (h *handshake) begin(initialize jsonrpc.Message, version string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.initialize, h.version = initialize, version
	h.acknowledged, h.level, h.subscriptions = jsonrpc.Message{}, jsonrpc.Message{}, nil
}

func (h *handshake) acknowledge(m jsonrpc.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acknowledged = m
}

func (h *handshake) opening() jsonrpc.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.initialize
}

// check returns an error if answer, the response to initialize in a new session, isn't one that the client could have been given in the old one.
func (h *handshake) check(answer jsonrpc.Message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if answer.Failed {
		return fmt.Errorf("server answered %s", answer.Raw)
	}
	if version := resultVersion(answer); version != h.version {
		return fmt.Errorf("server now speaks protocol version %q instead of %q", version, h.version)
	}
	return nil
}

func (h *handshake) acknowledgement() jsonrpc.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.acknowledged
}

// wishes returns the requests that set up the session as the client wants it.
func (h *handshake) wishes() []jsonrpc.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	var wishes []jsonrpc.Message
	if h.level.Raw != nil {
		wishes = append(wishes, h.level)
	}
	return append(wishes, h.subscriptions...)
}

// note returns what takes note of the request m once the server has granted it; nil if there is nothing to note.
func (h *handshake) note(m jsonrpc.Message) func(jsonrpc.Message) jsonrpc.Message {
	switch m.Method {
	case "logging/setLevel", "resources/subscribe", "resources/unsubscribe":
		return func(answer jsonrpc.Message) jsonrpc.Message {
			if !answer.Failed {
				h.granted(m)
			}
			return answer
		}
	}
	return nil
}

func (h *handshake) granted(m jsonrpc.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.Method == "logging/setLevel" {
		h.level = m
		return
	}
	uri := paramURI(m)
	h.subscriptions = slices.DeleteFunc(h.subscriptions, func(other jsonrpc.Message) bool { return paramURI(other) == uri })
	if m.Method == "resources/subscribe" {
		h.subscriptions = append(h.subscriptions, m)
	}
}

// newID returns an id for a request of our own. The client's can't be the same but by malice, which would hurt nobody else.
func (h *handshake) newID() jsonrpc.ID {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.prefix == "" {
		h.prefix = "atlassian-mcp:" + rand.Text() + ":"
	}
	h.ids++
	return jsonrpc.ID(strconv.Quote(h.prefix + strconv.Itoa(h.ids)))
}

func paramURI(m jsonrpc.Message) string {
	uri, _ := jsonrpc.Text(jsonrpc.Lookup(m.Raw, "params", "uri"))
	return uri
}

// resultVersion returns the protocol version in the response to initialize.
func resultVersion(m jsonrpc.Message) string {
	version, _ := jsonrpc.Text(jsonrpc.Lookup(m.Raw, "result", "protocolVersion"))
	return version
}
