package sandbox_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// openSSE opens a stream of /v1/sse, and returns a client for its messages.
func openSSE(t *testing.T, ctx context.Context, c *client) (events *bufio.Reader, body io.Closer, messages *client) {
	t.Helper()
	resp, err := c.open(ctx, "GET", "", http.Header{"Content-Type": nil})
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	events = bufio.NewReader(resp.Body)
	name, path := readEvent(t, events)
	if name != "endpoint" || !strings.HasPrefix(path, "/v1/sse/message?sessionId=") || len(path) != len("/v1/sse/message?sessionId=")+64 {
		t.Fatalf("event %q %q", name, path)
	}
	to := *c
	to.url = strings.TrimSuffix(c.url, "/v1/sse") + path
	return events, resp.Body, &to
}

func TestSSE(t *testing.T) {
	s := start(t)
	c, _ := signIn(t, s, "/v1/sse")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	events, body, messages := openSSE(t, ctx, c)
	for _, step := range []struct{ send, want string }{
		{initialize, `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2024-11-05",`},
		{`{"jsonrpc":"2.0","method":"notifications/initialized"}`, ""},
		{`{"jsonrpc":"2.0","id":"p","method":"ping"}`, `{"jsonrpc":"2.0","id":"p","result":{}}`},
		{whoAmI, `{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text",`},
	} {
		if r := messages.post(step.send); r.StatusCode != 202 || r.body != "Accepted" {
			t.Fatalf("%s: %d %s", step.send, r.StatusCode, r.body)
		}
		if step.want == "" {
			continue
		}
		if name, data := readEvent(t, events); name != "message" || !strings.HasPrefix(data, step.want) {
			t.Errorf("%s: event %s %s", step.send, name, data)
		}
	}

	for name, test := range map[string]struct {
		url, body string
		header    http.Header
		status    int
		want      string
	}{
		"without session": {s.Endpoint("/v1/sse/message"), whoAmI, nil, 404, "Missing sessionId parameter"},
		"not to message":  {s.Endpoint("/v1/sse"), initialize, nil, 404, "Missing sessionId parameter"},
		"unknown session": {s.Endpoint("/v1/sse/message?sessionId=x"), whoAmI, nil, 404, errorBody("-32001", "Session not found")},
		"text":            {messages.url, whoAmI, http.Header{"Content-Type": {"text/plain"}}, 400, "Unsupported content-type: text/plain"},
		"no JSON":         {messages.url, "{", nil, 400, "Parse error: Invalid JSON"},
		"too large":       {messages.url, strings.Repeat(" ", 5<<20), nil, 400, "Request body too large: 5242880 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			to := *c
			to.t, to.url = t, test.url
			if r := to.do("POST", test.body, test.header); r.StatusCode != test.status || r.body != test.want {
				t.Errorf("%d %s", r.StatusCode, r.body)
			}
		})
	}

	if n := s.Counts(); n.Open != 1 || n.Hearing != 1 {
		t.Errorf("counts %+v", n)
	}
	body.Close()
	eventually(t, s, "the session outlives its stream", func(n counts) bool { return n.Open+n.Hearing == 0 })
	if r := messages.post(whoAmI); r.StatusCode != 404 {
		t.Errorf("after its end: %d %s", r.StatusCode, r.body)
	}
}

// TestSSECancel cancels a call, while another message is answered.
func TestSSECancel(t *testing.T) {
	s := start(t, "slow=3600")
	c, _ := signIn(t, s, "/v1/sse")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	events, body, messages := openSSE(t, ctx, c)
	defer body.Close()
	messages.post(initialize)
	readEvent(t, events)
	for _, m := range []string{
		whoAmI,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`,
		`{"jsonrpc":"2.0","id":3,"method":"ping"}`,
	} {
		if r := messages.post(m); r.StatusCode != 202 {
			t.Fatalf("%s: %d %s", m, r.StatusCode, r.body)
		}
	}
	if _, data := readEvent(t, events); data != `{"jsonrpc":"2.0","id":3,"result":{}}` {
		t.Errorf("event %s", data)
	}
	eventually(t, s, "the call goes on", func(n counts) bool { return n.Calls == 1 })
	if calls := s.Calls(); calls[0].Status != "cancelled" || len(s.Counts().Executed) != 0 {
		t.Errorf("calls %+v", calls)
	}
}

func TestSSERetired(t *testing.T) {
	s := start(t, "sse-retired")
	c := newClient(t, s)
	c.url = s.Endpoint("/v1/sse")
	for _, method := range []string{"GET", "POST"} {
		if r := c.do(method, initialize, nil); r.StatusCode != 404 || r.body != "Not Found" {
			t.Errorf("%s: %d %s", method, r.StatusCode, r.body)
		}
	}
}
