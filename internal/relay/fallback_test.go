package relay_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// modernErrors are what only a server of 2026-07-28 or later answers.
var modernErrors = map[string]reply{
	"-32020":        status(400, `{"jsonrpc":"2.0","id":$ID,"error":{"code":-32020,"message":"m"}}`),
	"-32021":        status(400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32021,"message":"m"}}`),
	"-32022":        status(400, `{"jsonrpc":"2.0","error":{"code":-32022,"message":"m","data":{"supported":["2026-07-28"]}}}`),
	"-32601 as 404": status(404, `{"jsonrpc":"2.0","id":$ID,"error":{"code":-32601,"message":"m"}}`),
}

// TestFallback looks at what is tried when the first POST is refused. The server is there at /mcp by HTTP+SSE, too.
func TestFallback(t *testing.T) {
	const endpoint = "event: endpoint\ndata: /messages\n\n"
	streams := map[string]script{
		"at the same URL": {"/mcp GET": listening(endpoint), "/messages initialize": onStream(result("$ID", welcome))},
		"beside it":       {"/sse GET": listening(endpoint), "/messages initialize": onStream(result("$ID", welcome))},
	}
	refusals := map[string]reply{
		"400":                  status(400, ""),
		"404":                  status(404, "<html>not found"),
		"405":                  status(405, ""),
		"400 with an error":    status(400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request"}}`),
		"404 with an error":    status(404, `{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}`),
		"-32601 as 400":        status(400, `{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"m"}}`),
		"-32602 as 400":        status(400, `{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"m"}}`),
		"-32022 in other case": status(400, `{"jsonrpc":"2.0","id":0,"Error":{"code":-32022,"message":"m"}}`),
	}
	for place, stream := range streams {
		for name, refused := range refusals {
			for _, transport := range []remote.Transport{"", remote.HTTPFirst} {
				bubble(t, place+" after "+name+" "+string(transport), func(t *testing.T) {
					s := newServer(t, merge(stream, script{"/mcp initialize": refused, "/messages x": onStream(result("$ID", `{}`))}))
					cfg := s.unhurried()
					cfg.Remote.Transport = transport
					c := start(t, cfg)
					c.write(initialize, initialized, call(1, "x"))
					c.want(welcomed, result(1, `{}`))
					c.end()
					want := []string{"POST /mcp", "GET /mcp", "POST /messages", "POST /messages", "POST /messages"}
					if place == "beside it" {
						want = slices.Insert(want, 2, "GET /sse")
					}
					wantPaths(t, s, want...)
				})
			}
			bubble(t, "http-only after "+name, func(t *testing.T) {
				s := newServer(t, merge(stream, script{"/mcp initialize": refused}))
				cfg := s.unhurried()
				cfg.Remote.Transport = remote.HTTPOnly
				c := start(t, cfg)
				c.write(initialize)
				c.wantError("0", refusalCode(name), "")
				c.end()
				wantPaths(t, s, "POST /mcp")
			})
		}
	}
	all := merge(streams["at the same URL"], streams["beside it"])
	for name, modern := range modernErrors {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, merge(all, script{"/mcp initialize": modern}))
			c := start(t, s.unhurried())
			c.write(initialize)
			if line := c.next(); !strings.Contains(line, `"id":0`) || !strings.Contains(line, `"message":"m"`) {
				t.Errorf("client got %s", line)
			}
			c.end()
			wantPaths(t, s, "POST /mcp")
		})
	}
	for name, refused := range map[string]reply{
		"401": status(401, "who?"), "402": status(402, "who?"), "403": status(403, "who?"), "406": status(406, "who?"), "410": status(410, "who?"),
		"415": status(415, "who?"), "422": status(422, "who?"), "429": status(429, "who?"), "500": status(500, "404 Not Found who?"), "502": status(502, "who?"),
		"503": status(503, "who?"), "301": status(301, "who?", "Location", "/sse"), "303": status(303, "who?", "Location", "/sse"),
		"200 of HTML": status(200, "who?", "Content-Type", "text/html"), "202": accepted, "broken": broken,
		"error": body(`{"jsonrpc":"2.0","id":0,"error":{"code":-31000,"message":"who?"}}`),
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, merge(all, script{"/mcp initialize": refused}))
			c := start(t, s.unhurried())
			c.write(initialize)
			c.wantError("0", -31000, map[bool]string{false: "who?"}[name == "202" || name == "broken"])
			c.end()
			wantPaths(t, s, "POST /mcp")
		})
	}
}

// refusalCode returns the code that http-only answers to one of TestFallback's refusals.
func refusalCode(name string) int {
	switch name {
	case "400 with an error":
		return -32000
	case "404 with an error":
		return -32001
	case "-32601 as 400":
		return -32601
	case "-32602 as 400":
		return -32602
	}
	return -31000
}

// TestFallbackFails has no transport work. What the first said is the answer.
func TestFallbackFails(t *testing.T) {
	for name, get := range map[string]reply{
		"405":         status(405, ""),
		"404":         status(404, "nor here"),
		"HTML":        status(200, "<html>", "Content-Type", "text/html"),
		"no endpoint": listening("event: hello\ndata: /messages\n\n"),
		"empty":       events(""),
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"initialize": status(404, "not here"), "GET": get})
			c := start(t, s.unhurried())
			began := time.Now()
			c.write(initialize)
			c.wantError("0", -31000, `"status":404,"text":"not here"`)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			wantPaths(t, s, "POST /mcp", "GET /mcp", "GET /sse")
			// The next message tries again: nothing was concluded.
			s.script["initialize"] = session("s1")
			c.write(initialize)
			c.want(welcomed)
			c.end()
		})
	}
}

// TestFallbackOther is about the other orders.
func TestFallbackOther(t *testing.T) {
	stream := script{"/mcp GET": listening("event: endpoint\ndata: /messages\n\n"), "/messages initialize": onStream(result("$ID", welcome))}
	for _, test := range []struct {
		name      string
		transport remote.Transport
		script    script
		works     bool
		paths     []string
	}{
		{"sse-first, sse", remote.SSEFirst, stream, true, []string{"GET /mcp", "POST /messages"}},
		{"sse-only, sse", remote.SSEOnly, stream, true, []string{"GET /mcp", "POST /messages"}},
		{"sse-first, http", remote.SSEFirst, nil, true, []string{"GET /mcp", "GET /sse", "POST /mcp", "DELETE /mcp"}},
		{"sse-only, http", remote.SSEOnly, nil, false, []string{"GET /mcp", "GET /sse"}},
		{"sse-first, 403", remote.SSEFirst, script{"GET": status(403, "")}, false, []string{"GET /mcp"}},
		{"sse-only, 500", remote.SSEOnly, script{"GET": status(500, "")}, false, []string{"GET /mcp"}},
		{"http-only, http", remote.HTTPOnly, nil, true, []string{"POST /mcp", "DELETE /mcp"}},
	} {
		bubble(t, test.name, func(t *testing.T) {
			s := newServer(t, test.script)
			cfg := s.unhurried()
			cfg.Remote.Transport = test.transport
			c := start(t, cfg)
			c.write(initialize)
			if test.works {
				c.want(welcomed)
			} else {
				c.wantError("0", -31000, "")
			}
			c.end()
			wantPaths(t, s, test.paths...)
		})
	}
}

// TestFallbackOrigin has the server name an endpoint that is not its own.
func TestFallbackOrigin(t *testing.T) {
	for endpoint, path := range map[string]string{
		"/messages":                        "/messages",
		"messages?session=1":               "/a/messages",
		"?session=1":                       "/a/sse",
		"http://server.test/messages":      "/messages",
		"http://SERVER.test:80/messages":   "/messages",
		"//server.test/messages":           "/messages",
		" /messages ":                      "/messages",
		"http://evil.test/messages":        "",
		"//evil.test/messages":             "",
		"https://server.test/messages":     "",
		"http://server.test:8080/messages": "",
		"http://server.test.evil.test/x":   "",
		"http://server.test@evil.test/x":   "",
		"http://[::1/x":                    "",
		"ftp://server.test/messages":       "",
		"javascript:alert(1)":              "",
	} {
		bubble(t, endpoint, func(t *testing.T) {
			s := newServer(t, script{"GET": listening("event: endpoint\ndata: " + endpoint + "\n\n"), "initialize": onStream(result("$ID", welcome))})
			cfg := s.config()
			cfg.Remote.Transport = remote.SSEOnly
			cfg.Remote.URL.Path = "/a/sse"
			c := start(t, cfg)
			c.write(initialize)
			if path == "" {
				c.wantError("0", -31000, "endpoint")
				c.end()
				wantPaths(t, s, "GET /a/sse")
				return
			}
			c.want(welcomed)
			c.end()
			wantPaths(t, s, "GET /a/sse", "POST "+path)
		})
	}
}

// TestFallbackHeaders looks at every request of HTTP+SSE.
func TestFallbackHeaders(t *testing.T) {
	for version, header := range map[string]string{"2024-11-05": "", "2025-03-26": "", "2025-06-18": "2025-06-18", "2025-11-25": "2025-11-25"} {
		bubble(t, version, func(t *testing.T) {
			s := newServer(t, script{
				"GET": listening("event: endpoint\ndata: /messages\n\n"), "initialize": onStream(result("$ID", strings.ReplaceAll(welcome, "2025-06-18", version))),
				"x": onStream(result("$ID", `{}`)),
			})
			cfg := s.config()
			cfg.Remote.Transport = remote.SSEOnly
			cfg.Remote.Header = http.Header{"X-Extra": {"1"}}
			c := start(t, cfg)
			c.write(initialize, initialized, call(1, "x"))
			c.want(strings.ReplaceAll(welcomed, "2025-06-18", version), result(1, `{}`))
			c.end()
			s.wantRequests("GET", "initialize", "notifications/initialized", "x")
			for _, r := range s.requests() {
				want := header
				if r.name == "initialize" || r.name == "GET" {
					want = ""
				}
				if got := r.Header.Get("Mcp-Protocol-Version"); got != want {
					t.Errorf("%s has version %q, want %q", r.name, got, want)
				}
				if r.Header.Get("X-Extra") != "1" || r.UserAgent() != "atlassian-mcp/1" || r.Header.Get("Mcp-Session-Id") != "" {
					t.Errorf("%s has %v", r.name, r.Header)
				}
			}
		})
	}
}

// merge returns what both say.
func merge(a, b script) script {
	both := make(script)
	for _, s := range []script{a, b} {
		for name, reply := range s {
			both[name] = reply
		}
	}
	return both
}

// wantPaths fails the test if the server saw anything but requests, in this order.
func wantPaths(t *testing.T, s *server, requests ...string) {
	t.Helper()
	synctest.Wait()
	var got []string
	for _, r := range s.requests() {
		got = append(got, r.Method+" "+r.URL.Path)
	}
	if !slices.Equal(got, requests) {
		t.Errorf("server saw %q, want %q", got, requests)
	}
}
