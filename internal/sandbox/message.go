package sandbox

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// This file is JSON-RPC 2.0. It is independent of the program's own reading of it, so that neither excuses the other.

// A message is a request if it has an ID and a method, a notification if it has no ID, and else a response.
type message struct {
	ID     json.RawMessage // as it came
	Method string
	Params json.RawMessage
}

func (m message) isRequest() bool { return m.Method != "" && m.ID != nil }

// An rpcError is the error of a response.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

// A response answers a request.
type response struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

// A notification is a message of ours that nobody answers.
type notification struct {
	JSONRPC string `json:"jsonrpc"`
	Method  string `json:"method"`
	Params  any    `json:"params,omitempty"`
}

// parseBody returns the messages of a body, more than one of which are a batch. If something is wrong it returns what to say.
func parseBody(text []byte) (messages []message, wrong string) {
	if !json.Valid(text) {
		return nil, "Parse error: Invalid JSON"
	}
	parts := []json.RawMessage{text}
	if text = bytes.TrimSpace(text); text[0] == '[' {
		parts = nil
		json.Unmarshal(text, &parts) // it is valid, and an array
	}
	for _, part := range parts {
		m, ok := parseMessage(part)
		if !ok {
			return nil, "Parse error: Invalid JSON-RPC message"
		}
		messages = append(messages, m)
	}
	if messages == nil {
		return nil, "Parse error: Invalid JSON-RPC message"
	}
	return messages, ""
}

func parseMessage(text json.RawMessage) (m message, ok bool) {
	var fields map[string]json.RawMessage // not a struct, which would take "Method" for "method"
	if json.Unmarshal(text, &fields) != nil || string(fields["jsonrpc"]) != `"2.0"` {
		return m, false
	}
	id, hasID := fields["id"]
	if hasID {
		if !validID(id) {
			return m, false
		}
		m.ID = id
	}
	if method, ok := fields["method"]; ok {
		m.Params = fields["params"]
		if len(m.Params) > 0 && m.Params[0] != '{' {
			return m, false // by position, which MCP doesn't have
		}
		return m, json.Unmarshal(method, &m.Method) == nil && m.Method != ""
	}
	_, hasResult := fields["result"]
	_, hasError := fields["error"]
	return m, hasResult && hasID || hasError
}

// validID reports whether id is one that MCP allows: a string or an integer.
func validID(id json.RawMessage) bool {
	if id[0] == '"' {
		return true
	}
	n, err := strconv.ParseFloat(string(id), 64)
	return err == nil && n == math.Trunc(n)
}

// encode returns v as JSON in one line, in which <, > and & are themselves, as JavaScript writes them.
func encode(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // can't be: all of it is ours, or was JSON before
	}
	return bytes.TrimSpace(buf.Bytes())
}
