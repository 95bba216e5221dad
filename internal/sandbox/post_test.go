package sandbox_test

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
)

func errorBody(code, message string) string {
	return `{"error":{"code":` + code + `,"message":"` + message + `"},"id":null,"jsonrpc":"2.0"}`
}

// TestStatuses is what Atlassian's endpoints answer, row by row.
func TestStatuses(t *testing.T) {
	s := start(t)
	c := newClient(t, s)
	c.initialize()
	const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	none := http.Header{"Mcp-Session-Id": nil}
	unknown := http.Header{"Mcp-Session-Id": {strings.Repeat("0", 64)}}
	notFound := errorBody("-32001", "Session not found")
	large := `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"` + strings.Repeat("x", 4<<20) + `"}}`
	for _, test := range []struct {
		name, method, body string
		header             http.Header
		status             int
		want               string
	}{
		{"accepts no events", "POST", ping, http.Header{"Accept": {"application/json"}}, 406,
			errorBody("-32000", "Not Acceptable: Client must accept both application/json and text/event-stream")},
		{"accepts no JSON", "POST", ping, http.Header{"Accept": {"text/event-stream"}}, 406,
			errorBody("-32000", "Not Acceptable: Client must accept both application/json and text/event-stream")},
		{"accepts nothing", "POST", ping, http.Header{"Accept": nil}, 406,
			errorBody("-32000", "Not Acceptable: Client must accept both application/json and text/event-stream")},
		{"sends text", "POST", ping, http.Header{"Content-Type": {"text/plain"}}, 415,
			errorBody("-32000", "Unsupported Media Type: Content-Type must be application/json")},
		{"more than 4 MiB", "POST", large, nil, 413, errorBody("-32000", "Request body too large. Maximum size is 4194304 bytes")},
		{"bad JSON", "POST", `{"jsonrpc"`, nil, 400, errorBody("-32700", "Parse error: Invalid JSON")},
		{"no JSON", "POST", ``, nil, 400, errorBody("-32700", "Parse error: Invalid JSON")},
		{"bad JSON-RPC", "POST", `{"jsonrpc":"1.0","id":1,"method":"ping"}`, nil, 400, errorBody("-32700", "Parse error: Invalid JSON-RPC message")},
		{"a number", "POST", `17`, nil, 400, errorBody("-32700", "Parse error: Invalid JSON-RPC message")},
		{"an empty batch", "POST", `[]`, nil, 400, errorBody("-32700", "Parse error: Invalid JSON-RPC message")},
		{"a batch with one bad message", "POST", `[` + ping + `,{}]`, nil, 400, errorBody("-32700", "Parse error: Invalid JSON-RPC message")},
		{"an ID that is null", "POST", `{"jsonrpc":"2.0","id":null,"method":"ping"}`, nil, 400, errorBody("-32700", "Parse error: Invalid JSON-RPC message")},
		{"an ID that is no integer", "POST", `{"jsonrpc":"2.0","id":1.5,"method":"ping"}`, nil, 400,
			errorBody("-32700", "Parse error: Invalid JSON-RPC message")},
		{"parameters by position", "POST", `{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}`, nil, 400,
			errorBody("-32700", "Parse error: Invalid JSON-RPC message")},
		{"initialize in a session", "POST", initialize, nil, 400,
			errorBody("-32600", "Invalid Request: Initialization requests must not include a sessionId")},
		{"initialize in a batch", "POST", `[` + initialize + `,` + ping + `]`, none, 400,
			errorBody("-32600", "Invalid Request: Only one initialization request is allowed")},
		{"no session", "POST", ping, none, 400, errorBody("-32000", "Bad Request: Mcp-Session-Id header is required")},
		{"initialize with nothing in it", "POST", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`, none, 400,
			errorBody("-32000", "Bad Request: Mcp-Session-Id header is required")},
		{"unknown session", "POST", ping, unknown, 404, notFound},
		{"GET of an unknown session", "GET", "", unknown, 404, notFound},
		{"DELETE of an unknown session", "DELETE", "", unknown, 404, notFound},
		{"GET that accepts no events", "GET", "", http.Header{"Accept": {"application/json"}}, 406,
			errorBody("-32000", "Not Acceptable: Client must accept text/event-stream")},
		{"GET without session", "GET", "", none, 400, "Missing sessionId"},
		{"DELETE without session", "DELETE", "", none, 400, errorBody("-32000", "Bad Request: Mcp-Session-Id header is required")},
		{"unknown version", "POST", ping, http.Header{"Mcp-Protocol-Version": {"1999-01-01"}}, 400, errorBody("-32000",
			"Bad Request: Unsupported protocol version (supported versions: "+strings.Join(mcp.LegacyProtocolVersions(), ", ")+")")},
		{"a notification", "POST", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, nil, 202, ""},
		{"a response", "POST", `{"jsonrpc":"2.0","id":9,"result":{}}`, nil, 202, ""},
		{"an error", "POST", `{"jsonrpc":"2.0","error":{"code":1,"message":"no"}}`, nil, 202, ""},
		{"a batch of notifications", "POST", `[{"jsonrpc":"2.0","method":"notifications/initialized"},{"jsonrpc":"2.0","method":"notifications/x"}]`,
			nil, 202, ""},
		{"a request", "POST", ping, nil, 200, "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n"},
		{"an unknown method", "POST", `{"jsonrpc":"2.0","id":"é","method":"nonsense"}`, nil, 200,
			"event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"é\",\"error\":{\"code\":-32601,\"message\":\"Method not found\"}}\n\n"},
		{"a large ID", "POST", `{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}`, nil, 200,
			"event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":9007199254740993,\"result\":{}}\n\n"},
		{"a PUT", "PUT", ping, nil, 404, errorBody("-32000", "Not found")},
		{"a web page", "POST", ping, http.Header{"Origin": {"https://attacker.example"}}, 403, errorBody("-32000", "Forbidden: Invalid Origin header")},
		{"a web page that reads", "GET", "", http.Header{"Origin": {"https://attacker.example"}}, 403, errorBody("-32000", "Forbidden: Invalid Origin header")},
		{"a page of its own", "POST", ping, http.Header{"Origin": {s.URL()}}, 200, "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n"},
		{"nobody", "POST", ping, http.Header{"Authorization": nil}, 401,
			`{"error":"invalid_token","error_description":"Missing or invalid access token"}`},
		{"a stranger", "POST", ping, http.Header{"Authorization": {"Bearer x"}}, 401, `{"error":"invalid_token","error_description":"Invalid access token"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := *c
			c.t = t
			r := c.do(test.method, test.body, test.header)
			if r.StatusCode != test.status || strings.TrimSuffix(r.body, "\n") != strings.TrimSuffix(test.want, "\n") {
				t.Errorf("%d %s\nwant %d %s", r.StatusCode, r.body, test.status, test.want)
			}
			h := r.Header
			if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(h.Get("Atl-Traceid")) || h.Get("Atl-Request-Id") == "" || h.Get("Server") != "AtlassianEdge" {
				t.Errorf("header %v", h)
			}
			switch {
			case test.status == 200 && (h.Get("Content-Type") != "text/event-stream" || h.Get("Mcp-Session-Id") != c.session):
				t.Errorf("header %v", h)
			case test.status == 401 && h.Get("WWW-Authenticate") !=
				`Bearer realm="OAuth", error="invalid_token", error_description="Missing or invalid access token"`:
				t.Errorf("WWW-Authenticate: %s", h.Get("WWW-Authenticate"))
			}
		})
	}
	t.Run("DELETE", func(t *testing.T) {
		if r := c.do("DELETE", "", nil); r.StatusCode != 204 || r.body != "" {
			t.Errorf("%d %s", r.StatusCode, r.body)
		}
		if r := c.post(ping); r.StatusCode != 404 || r.body != notFound {
			t.Errorf("after that: %d %s", r.StatusCode, r.body)
		}
	})
	if n := s.Counts(); n.Opened != 1 || n.Open != 0 || n.HTTP["DELETE /v1/mcp 204"] != 1 || n.HTTP["POST /v1/mcp 413"] != 1 || n.Refused != 4 {
		t.Errorf("counts %+v", n)
	}
}

// TestChunked sends more than 4 MiB without saying so first.
func TestChunked(t *testing.T) {
	c := newClient(t, start(t))
	c.initialize()
	req, err := http.NewRequest("POST", c.url, struct{ *strings.Reader }{strings.NewReader(strings.Repeat(" ", 5<<20))})
	if err != nil {
		t.Fatal(err)
	}
	req.Header = c.header.Clone()
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if req.ContentLength != 0 || resp.StatusCode != 413 {
		t.Errorf("length %d, status %d", req.ContentLength, resp.StatusCode)
	}
}

// TestHost sends a request under a name that somebody may have pointed here.
func TestHost(t *testing.T) {
	s := start(t)
	for host, want := range map[string]int{
		"attacker.example": 403, "127.0.0.1.attacker.example:80": 403, "192.0.2.1": 403,
		"localhost:7070": 200, "127.0.0.1": 200, "[::1]:80": 200,
	} {
		req, err := http.NewRequest("GET", s.URL()+"/control/counts", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("host %q: %d, want %d", host, resp.StatusCode, want)
		}
	}
}

func TestInitialize(t *testing.T) {
	c := newClient(t, start(t))
	for asked, want := range map[string]string{
		"2024-11-05": "2024-11-05", "2025-03-26": "2025-03-26", "2025-06-18": "2025-06-18", "2025-11-25": "2025-11-25",
		"2026-07-28": "2025-11-25", "1.0": "2025-11-25",
	} {
		r := c.post(strings.Replace(initialize, "2024-11-05", asked, 1))
		wantBody := "event: message\ndata: " + `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"` + want +
			`","capabilities":{"logging":{},"tools":{"listChanged":true},"resources":{}},` +
			`"serverInfo":{"name":"atlassian-mcp-server","version":"1.0.0"}}}` + "\n\n"
		if r.StatusCode != 200 || r.body != wantBody {
			t.Errorf("asked for %s: %d %s", asked, r.StatusCode, r.body)
		}
		if id := r.Header.Get("Mcp-Session-Id"); !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(id) {
			t.Errorf("session %q", id)
		}
	}
}

func TestBatch(t *testing.T) {
	s := start(t)
	c := newClient(t, s)
	c.initialize()
	r := c.post(`[{"jsonrpc":"2.0","id":"a","method":"ping"},{"jsonrpc":"2.0","method":"notifications/x"},` + whoAmI + `]`)
	if events := r.events(); len(events) != 2 || !strings.Contains(r.body, `"id":"a","result":{}`) || !strings.Contains(r.body, `"id":2,"result"`) {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if n := s.Counts(); n.Executed["2"] != 1 || n.Tools["atlassianUserInfo"] != 1 {
		t.Errorf("counts %+v", n)
	}
}

// TestSessionBelongs tries to use a session at another endpoint, and as somebody else.
func TestSessionBelongs(t *testing.T) {
	s := start(t)
	c, _ := signIn(t, s, "/v1/mcp/authv2")
	c.initialize()
	other := newClient(t, s)
	other.session = c.session
	if r := other.post(whoAmI); r.StatusCode != 404 {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	other.initialize()
	ben := s.Org().People()[1]
	token := s.Issuer().IssueAPIToken(ben.Account, "token")
	other.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(ben.Email+":"+token)))
	if r := other.post(whoAmI); r.StatusCode != 404 {
		t.Errorf("as %s: %d %s", ben.Name, r.StatusCode, r.body)
	}
	if r := c.post(whoAmI); r.StatusCode != 200 {
		t.Errorf("its own: %d %s", r.StatusCode, r.body)
	}
}
