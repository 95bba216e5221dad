package sandbox_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
)

const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},` +
	`"io.modelcontextprotocol/clientInfo":{"name":"modern","version":"2"}}`

func modern(method, name string) http.Header {
	h := http.Header{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {method}}
	if name != "" {
		h.Set("Mcp-Name", name)
	}
	return h
}

func request(method, params string) string {
	return `{"jsonrpc":"2.0","id":"m","method":"` + method + `","params":{` + params + `}}`
}

func TestModern(t *testing.T) {
	s := start(t)
	c, _ := signIn(t, s, "/mcp")
	call := request("tools/call", `"name":"atlassianUserInfo","arguments":{},`+meta)
	without := func(h http.Header, key string) http.Header { h[key] = nil; return h }
	with := func(h http.Header, key, value string) http.Header { h.Set(key, value); return h }
	for _, test := range []struct {
		name, body string
		header     http.Header
		status     int
		code       int // of the error; 0 if there is none
	}{
		{"discover", request("server/discover", meta), modern("server/discover", ""), 200, 0},
		{"list", request("tools/list", meta), modern("tools/list", ""), 200, 0},
		{"call", call, modern("tools/call", "atlassianUserInfo"), 200, 0},
		{"name in base64", call, modern("tools/call", "=?base64?YXRsYXNzaWFuVXNlckluZm8=?="), 200, 0},
		{"session that nobody knows", call, with(modern("tools/call", "atlassianUserInfo"), "Mcp-Session-Id", "x"), 200, 0},
		{"no version header", call, without(modern("tools/call", "atlassianUserInfo"), "Mcp-Protocol-Version"), 400, mcp.HEADER_MISMATCH},
		{"another version in the header", call, with(modern("tools/call", "atlassianUserInfo"), "Mcp-Protocol-Version", "2025-11-25"), 400, mcp.HEADER_MISMATCH},
		{"no method header", call, without(modern("tools/call", "atlassianUserInfo"), "Mcp-Method"), 400, mcp.HEADER_MISMATCH},
		{"another method", call, modern("tools/list", "atlassianUserInfo"), 400, mcp.HEADER_MISMATCH},
		{"no name", call, modern("tools/call", ""), 400, mcp.HEADER_MISMATCH},
		{"another name", call, modern("tools/call", "search"), 400, mcp.HEADER_MISMATCH},
		{"bad base64", call, modern("tools/call", "=?base64?!?="), 400, mcp.HEADER_MISMATCH},
		{"unknown version", strings.ReplaceAll(call, "2026-07-28", "2031-01-01"),
			with(modern("tools/call", "atlassianUserInfo"), "Mcp-Protocol-Version", "2031-01-01"), 400, mcp.UNSUPPORTED_PROTOCOL_VERSION},
		{"unknown version in the header alone", whoAmI, http.Header{"Mcp-Protocol-Version": {"2031-01-01"}}, 400, mcp.UNSUPPORTED_PROTOCOL_VERSION},
		{"no _meta", request("server/discover", ""), modern("server/discover", ""), 400, mcp.INVALID_PARAMS},
		{"no capabilities", request("server/discover", `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`),
			modern("server/discover", ""), 400, mcp.INVALID_PARAMS},
		{"ping", request("ping", meta), modern("ping", ""), 404, mcp.METHOD_NOT_FOUND},
		{"logging/setLevel", request("logging/setLevel", `"level":"debug",`+meta), modern("logging/setLevel", ""), 404, mcp.METHOD_NOT_FOUND},
		{"no such resource", request("resources/read", `"uri":"ui://x",`+meta), modern("resources/read", "ui://x"), 200, mcp.INVALID_PARAMS},
		{"no such tool", request("tools/call", `"name":"x",`+meta), modern("tools/call", "x"), 200, mcp.INVALID_PARAMS},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := *c
			c.t = t
			r := c.do("POST", test.body, test.header)
			text := r.body
			if events := r.events(); len(events) == 1 {
				text = events[0]
			}
			var m struct {
				ID     any
				Result map[string]any
				Error  mcp.JSONRPCErrorDetails
			}
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				t.Fatalf("%v: %s", err, r.body)
			}
			if r.StatusCode != test.status || m.Error.Code != test.code || m.ID != "m" && m.ID != 2.0 {
				t.Errorf("%d %s\nwant %d and error %d", r.StatusCode, r.body, test.status, test.code)
			}
			if test.code == 0 && m.Result["resultType"] != "complete" {
				t.Errorf("result %v", m.Result)
			}
			if r.Header.Get("Mcp-Session-Id") != "" {
				t.Error("there is a session")
			}
		})
	}
	for _, method := range []string{"GET", "DELETE"} {
		if r := c.do(method, "", nil); r.StatusCode != 405 || r.Header.Get("Allow") != "POST" {
			t.Errorf("%s: %d %s", method, r.StatusCode, r.body)
		}
	}
	if calls := s.Calls(); len(calls) != 4 || calls[3].Client != "modern 2" || calls[3].Session != "" {
		t.Errorf("calls %+v", calls)
	}
	// Who comes with initialize gets what there was before.
	c.initialize()
	if r := c.post(whoAmI); r.StatusCode != 200 {
		t.Errorf("in a session: %d %s", r.StatusCode, r.body)
	}
}

// TestListen listens for changes, of which there is one when tools come or go.
func TestListen(t *testing.T) {
	s := start(t)
	c, _ := signIn(t, s, "/mcp")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	listen := func(filter string) *bufio.Reader {
		resp, err := c.open(ctx, "POST", request("subscriptions/listen", `"notifications":{`+filter+`},`+meta), modern("subscriptions/listen", ""))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return bufio.NewReader(resp.Body)
	}
	want := func(r *bufio.Reader, want string) {
		t.Helper()
		if name, data := readEvent(t, r); name != "message" || data != want {
			t.Errorf("event %s %s\nwant %s", name, data, want)
		}
	}
	const id = `"_meta":{"io.modelcontextprotocol/subscriptionId":"m"}`
	const end = `{"jsonrpc":"2.0","id":"m","result":{` + id + `,"resultType":"complete"}}`
	tools, nothing := listen(`"toolsListChanged":true,"promptsListChanged":true`), listen(``)
	want(tools, `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{`+id+`,"notifications":{"toolsListChanged":true}}}`)
	want(nothing, `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{`+id+`,"notifications":{}}}`)
	if err := s.SetFault("unscoped-token", ""); err != nil {
		t.Fatal(err)
	}
	want(tools, `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{`+id+`}}`)
	closed := make(chan struct{})
	go func() { defer close(closed); s.Close() }()
	want(tools, end)
	want(nothing, end)
	<-closed
}

// TestModernCancel cancels a call by going away.
func TestModernCancel(t *testing.T) {
	s := start(t, "slow=3600")
	c, _ := signIn(t, s, "/mcp")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp, err := c.open(ctx, "POST", request("tools/call", `"name":"atlassianUserInfo",`+meta), modern("tools/call", "atlassianUserInfo"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cancel()
	io.Copy(io.Discard, resp.Body)
	eventually(t, s, "the call goes on", func(n counts) bool { return n.Calls == 1 })
	if calls := s.Calls(); calls[0].Status != "cancelled" || len(s.Counts().Executed) != 0 {
		t.Errorf("calls %+v", calls)
	}
}
