package relay_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// TestFailureStatus turns what HTTP says into an error of JSON-RPC's.
func TestFailureStatus(t *testing.T) {
	long := strings.Repeat("é", 4000)
	for _, test := range []struct {
		name  string
		reply reply
		want  string // "" means that a text is not looked at
	}{
		{"403", status(403, "IP not allowed"), `{"code":-31000,"message":"server answered 403 Forbidden","data":{"source":"atlassian-mcp","status":403,"text":"IP not allowed"}}`},
		{"500", status(500, ""), `{"code":-31000,"message":"server answered 500 Internal Server Error","data":{"source":"atlassian-mcp","status":500}}`},
		{"599", status(599, "<&>"), `{"code":-31000,"message":"server answered 599","data":{"source":"atlassian-mcp","status":599,"text":"<&>"}}`},
		{"429", status(429, "slow", "Retry-After", "7"), `{"code":-31000,"message":"server answered 429 Too Many Requests","data":{"retryAfter":7,"source":"atlassian-mcp","status":429,"text":"slow"}}`},
		{"503", status(503, "", "Retry-After", "0"), `{"code":-31000,"message":"server answered 503 Service Unavailable","data":{"source":"atlassian-mcp","status":503}}`},
		{"413", status(413, `{"message":"too big"}`), `{"code":-31000,"message":"server answered 413 Request Entity Too Large","data":{"source":"atlassian-mcp","status":413,"text":"{\"message\":\"too big\"}"}}`},
		{"403, Atlassian", status(403, `{"code":403,"message":"Forbidden by admin"}`), `{"code":-31000,"message":"server answered 403 Forbidden","data":{"source":"atlassian-mcp","status":403,"text":"{\"code\":403,\"message\":\"Forbidden by admin\"}"}}`},
		{"403, OAuth", status(403, `{"error":"insufficient_scope","error_description":"more"}`), `{"code":-31000,"message":"server answered 403 Forbidden","data":{"source":"atlassian-mcp","status":403,"text":"{\"error\":\"insufficient_scope\",\"error_description\":\"more\"}"}}`},
		{"500, error object", status(500, `{"error":{"message":"oops"}}`), `{"code":-31000,"message":"server answered 500 Internal Server Error","data":{"source":"atlassian-mcp","status":500,"text":"{\"error\":{\"message\":\"oops\"}}"}}`},
		{"500, result", status(500, `{"result":"oops"}`), `{"code":-31000,"message":"server answered 500 Internal Server Error","data":{"source":"atlassian-mcp","status":500,"text":"{\"result\":\"oops\"}"}}`},
		{"500, null error", status(500, `{"error":null,"status":500}`), `{"code":-31000,"message":"server answered 500 Internal Server Error","data":{"source":"atlassian-mcp","status":500,"text":"{\"error\":null,\"status\":500}"}}`},
		{"500, long", status(500, long), `{"code":-31000,"message":"server answered 500 Internal Server Error","data":{"source":"atlassian-mcp","status":500,"text":"` + long[:4096] + `"}}`},
		{"500, not UTF-8", status(500, "a\xffb"), `{"code":-31000,"message":"server answered 500 Internal Server Error","data":{"source":"atlassian-mcp","status":500,"text":"ab"}}`},
	} {
		for wire, s := range map[string]script{
			"http": {"tools/call": test.reply},
			"sse":  {"/mcp initialize": status(404, ""), "GET": listening("event: endpoint\ndata: /messages\n\n"), "initialize": onStream(result("$ID", welcome)), "tools/call": test.reply},
		} {
			bubble(t, wire+" "+test.name, func(t *testing.T) {
				s := newServer(t, s)
				c := connect(t, s)
				c.write(call(`"a"`, "tools/call"))
				c.want(`{"jsonrpc":"2.0","id":"a","error":` + test.want + `}`)
				c.quiet()
				c.end()
				s.count("tools/call", 1)
			})
		}
		bubble(t, "initialize "+test.name, func(t *testing.T) {
			s := newServer(t, script{"initialize": test.reply})
			var reported []error
			cfg := s.unhurried()
			cfg.Report = func(err error) { reported = append(reported, err) }
			cfg.Remote.Hint = func(err error) string { return "" }
			c := start(t, cfg)
			c.write(initialize)
			if strings.HasPrefix(test.name, "429") { // waited out
				c.in.Close()
				<-c.done
				return
			}
			c.want(`{"jsonrpc":"2.0","id":0,"error":` + test.want + `}`)
			c.end()
			var status *remote.StatusError
			if len(reported) != 1 || !errors.As(reported[0], &status) {
				t.Errorf("reported %v", reported)
			}
		})
	}
}

// TestFailureHint adds advice.
func TestFailureHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"initialize": inTurn(status(403, ""), session("s1")), "x": status(500, ""), "y": accepted})
		cfg := s.config()
		cfg.Remote.Hint = func(err error) string {
			var status *remote.StatusError
			if errors.As(err, &status) {
				return fmt.Sprint("try ", status.Status)
			}
			return ""
		}
		c := start(t, cfg)
		c.write(initialize)
		c.wantError("0", -31000, `"message":"server answered 403 Forbidden (try 403)"`)
		c.write(initialize, initialized, call(1, "x"), call(2, "y"))
		c.want(welcomed)
		c.wantAll(
			`{"jsonrpc":"2.0","id":1,"error":{"code":-31000,"message":"server answered 500 Internal Server Error (try 500)","data":{"source":"atlassian-mcp","status":500}}}`,
			`{"jsonrpc":"2.0","id":2,"error":{"code":-31000,"message":"server accepted the request but sent no answer","data":{"source":"atlassian-mcp"}}}`)
		c.end()
	})
}

// TestFailureRetryAfter waits when the server asks to, with what only reads.
func TestFailureRetryAfter(t *testing.T) {
	busy := func(seconds string) reply { return status(503, "later", "Retry-After", seconds) }
	for _, test := range []struct {
		name     string
		method   string
		replies  []reply
		requests int
		took     time.Duration
		answered bool
	}{
		{"list", "tools/list", []reply{busy("7"), answer(`{}`)}, 2, 7 * time.Second, true},
		{"429", "resources/read", []reply{status(429, "", "Retry-After", "7"), answer(`{}`)}, 2, 7 * time.Second, true},
		{"prompt", "prompts/get", []reply{busy("1"), busy("2"), busy("3"), answer(`{}`)}, 4, 6 * time.Second, true},
		{"date", "prompts/list", []reply{func(s *server, w http.ResponseWriter, r request) {
			busy(time.Now().Add(5*time.Second).UTC().Format(http.TimeFormat))(s, w, r)
		}, answer(`{}`)}, 2, 5 * time.Second, true},
		{"a minute", "tools/list", []reply{busy("60"), answer(`{}`)}, 2, time.Minute, true},
		{"more than a minute", "tools/list", []reply{busy("61"), answer(`{}`)}, 1, 0, false},
		{"more than a minute in all", "tools/list", []reply{busy("40"), busy("40"), answer(`{}`)}, 2, 40 * time.Second, false},
		{"always", "tools/list", []reply{busy("1")}, 61, time.Minute, false},
		{"not said", "tools/list", []reply{status(503, ""), answer(`{}`)}, 1, 0, false},
		{"nonsense", "tools/list", []reply{busy("soon"), answer(`{}`)}, 1, 0, false},
		{"negative", "tools/list", []reply{busy("-7"), answer(`{}`)}, 1, 0, false},
		{"500", "tools/list", []reply{status(500, "", "Retry-After", "7"), answer(`{}`)}, 1, 0, false},
		{"call", "tools/call", []reply{busy("7"), answer(`{}`)}, 1, 0, false},
		{"unknown", "x/y", []reply{busy("7"), answer(`{}`)}, 1, 0, false},
	} {
		bubble(t, test.name, func(t *testing.T) {
			s := newServer(t, script{test.method: inTurn(test.replies...)})
			c := connect(t, s)
			began := time.Now()
			c.write(call(1, test.method))
			if test.answered {
				c.want(result(1, `{}`))
			} else {
				c.wantError("1", -31000, `"status":`)
			}
			if took := time.Since(began).Round(time.Second); took != test.took {
				t.Errorf("took %v, want %v", took, test.took)
			}
			s.count(test.method, test.requests)
			c.end()
		})
	}
	bubble(t, "initialize", func(t *testing.T) {
		s := newServer(t, script{"initialize": inTurn(busy("7"), status(429, "", "Retry-After", "30"), session("s1"))})
		c := start(t, s.unhurried())
		began := time.Now()
		c.write(initialize, initialized)
		c.want(welcomed)
		if took := time.Since(began); took != 37*time.Second {
			t.Errorf("took %v", took)
		}
		c.end()
	})
	bubble(t, "others go on", func(t *testing.T) {
		s := newServer(t, script{"tools/list": inTurn(busy("30"), answer(`{}`))})
		c := connect(t, s)
		began := time.Now()
		c.write(call(1, "tools/list"), call(2, "tools/call"))
		c.want(result(2, `{}`))
		if took := time.Since(began); took != 0 {
			t.Errorf("took %v", took)
		}
		c.want(result(1, `{}`))
		c.end()
	})
}

// TestFailureNotRepeated breaks connections at every stage of a call, which must not be made again.
func TestFailureNotRepeated(t *testing.T) {
	for name, reply := range map[string]reply{
		"no answer": broken, "500": status(500, ""), "502": status(502, ""), "503": status(503, "", "Retry-After", "1"), "504": status(504, ""), "408": status(408, ""), "429": status(429, "", "Retry-After", "1"),
		"cut": cut("data: {"), "cut JSON": short("{"), "ended": events(""), "202": accepted, "HTML": status(200, "", "Content-Type", "text/html"),
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"tools/call": reply})
			c := connect(t, s)
			c.write(call(1, "ping"))
			c.want(result(1, `{}`)) // there is a connection now that can be used again
			c.write(call(2, "tools/call"))
			c.wantError("2", -31000, "")
			time.Sleep(time.Hour)
			c.quiet()
			s.count("tools/call", 1)
			c.end()
		})
	}
}

// TestFailureNetwork loses the network in the middle of a session. What could not be sent is said not to have been.
func TestFailureNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		n := newNetwork(t, s)
		c := start(t, n.config(s))
		c.write(initialize, initialized, call(1, "x"))
		c.want(welcomed, result(1, `{}`))
		n.down.Store(true)
		n.transport.CloseIdleConnections()
		synctest.Wait()
		c.write(call(2, "x"))
		if line := c.next(); !strings.Contains(line, "connection refused") || strings.Contains(line, "may have been") {
			t.Errorf("client got %s", line)
		}
		c.end()
	})
}

// A network can be down.
type network struct {
	transport *http.Transport
	down      atomic.Bool

	mu       sync.Mutex // guards attempts
	attempts []time.Time
}

// tried returns when somebody has tried to get through, after the first n times.
func (n *network) tried(after int) []time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.attempts[after:])
}

var errNetwork = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}

func newNetwork(t *testing.T, s *server) *network {
	n := new(network)
	n.transport = &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		n.mu.Lock()
		n.attempts = append(n.attempts, time.Now())
		n.mu.Unlock()
		if n.down.Load() {
			return nil, errNetwork
		}
		return s.net.Dial(ctx, network, addr)
	}}
	t.Cleanup(n.transport.CloseIdleConnections)
	return n
}

// config returns what relays to s through n.
func (n *network) config(s *server) relay.Config {
	cfg := s.config()
	cfg.Remote.Do = remote.NewClient(n.transport).Do
	return cfg
}

// TestFailureSilence has a server that takes connections and says nothing.
func TestFailureSilence(t *testing.T) {
	for name, silent := range map[string]reply{"no status": hang, "no event": listening(""), "no body": func(s *server, w http.ResponseWriter, r request) {
		w.Header().Set("Content-Type", "application/json")
		w.(http.Flusher).Flush()
		hang(s, w, r)
	}} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"initialize": inTurn(silent, session("s1"))})
			c := start(t, s.unhurried())
			began := time.Now()
			c.write(initialize)
			c.wantError("0", -31000, "not answered in time")
			if took := time.Since(began); took != 20*time.Second {
				t.Errorf("took %v", took)
			}
			c.write(initialize)
			c.want(welcomed)
			c.end()
		})
	}
}

// TestFailureCookies keeps a client with the backend that has its session.
func TestFailureCookies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"initialize": body(result("$ID", welcome), "Set-Cookie", "AWSALB=1; Path=/", "Mcp-Session-Id", "s1"), "GET": listening("")})
		c := connect(t, s)
		c.end()
		for _, r := range s.requests()[1:] {
			if got := r.Header.Get("Cookie"); got != "AWSALB=1" {
				t.Errorf("%s has cookie %q", r.name, got)
			}
		}
	})
}

// TestFailureRedirect follows redirects within the origin and with the method kept.
func TestFailureRedirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"/mcp x": status(307, "", "Location", "/other"), "/mcp y": status(308, "", "Location", "http://server.test/other"), "/mcp z": status(307, "", "Location", "/mcp")})
		c := connect(t, s)
		for i, method := range []string{"x", "y"} {
			c.write(call(i+1, method))
			c.want(result(i+1, `{}`))
			wantBody(t, s, method, call(i+1, method))
		}
		c.write(call(3, "z"))
		c.wantError("3", -31000, `"status":307`)
		c.end()
		for _, r := range s.requests("x", "y") {
			if r.Header.Get("Mcp-Session-Id") != "s1" {
				t.Errorf("%s %s has %v", r.name, r.URL, r.Header)
			}
		}
	})
}
