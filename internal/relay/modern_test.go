package relay_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

const (
	meta     = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
	discover = `{"jsonrpc":"2.0","id":"d","method":"server/discover","params":{` + meta + `}}`
	found    = `{"jsonrpc":"2.0","id":"d","result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}}`
)

// modern returns a request of 2026-07-28.
func modern(id any, method, params string) string {
	if params != "" {
		params += ","
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,"method":%q,"params":{%s%s}}`, id, method, params, meta)
}

// TestDiscoverRefused has a client begin with server/discover and the server not know it. What it knows is then found out by initialize.
func TestDiscoverRefused(t *testing.T) {
	refusals := map[string]reply{
		"400":                  status(400, ""),
		"400, missing session": status(400, `{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Mcp-Session-Id header is required"},"id":null}`),
		"400, -32602":          status(400, `{"jsonrpc":"2.0","id":"d","error":{"code":-32602,"message":"Invalid params"}}`),
		"404":                  status(404, "not found"),
		"404, error":           status(404, `{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}`),
		"404, -32601":          status(404, `{"jsonrpc":"2.0","id":"d","error":{"code":-32601,"message":"Method not found"}}`),
		"405":                  status(405, ""),
		"406":                  status(406, ""),
		"422":                  status(422, ""),
		"200, -32601":          body(`{"jsonrpc":"2.0","id":"d","error":{"code":-32601,"message":"Method not found"}}`),
		"200, -32602":          body(`{"jsonrpc":"2.0","id":"d","error":{"code":-32602,"message":"Invalid request parameters"}}`),
		"200, -32000":          events(data(`{"jsonrpc":"2.0","id":"d","error":{"code":-32000,"message":"not initialized"}}`)),
		"200, id null":         body(`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"not initialized"}}`),
		"202":                  accepted,
		"HTML":                 status(200, "<html>", "Content-Type", "text/html"),
		"not JSON":             body("{"),
		"stream of nothing":    events(""),
	}
	for name, refused := range refusals {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"server/discover": refused})
			c := start(t, s.config())
			c.write(discover)
			c.wantError(`"d"`, -32601, "")
			wantPaths(t, s, "POST /mcp")
			c.write(initialize, initialized, call(1, "tools/list"))
			c.want(welcomed, result(1, `{}`))
			c.end()
			s.count("initialize", 1)
		})
		bubble(t, name+" then HTTP+SSE", func(t *testing.T) {
			s := newServer(t, script{
				"/mcp initialize": status(404, ""), "/mcp GET": listening("event: endpoint\ndata: /messages\n\n"),
				"server/discover": refused, "initialize": onStream(result("$ID", welcome)), "tools/list": onStream(result("$ID", `{}`)),
			})
			c := start(t, s.config())
			c.write(discover)
			c.wantError(`"d"`, -32601, "")
			c.write(initialize, initialized, call(1, "tools/list"))
			c.want(welcomed, result(1, `{}`))
			c.end()
			wantPaths(t, s, "POST /mcp", "POST /mcp", "GET /mcp", "POST /messages", "POST /messages", "POST /messages")
		})
	}
	for _, transport := range []remote.Transport{remote.SSEFirst, remote.SSEOnly} {
		bubble(t, string(transport), func(t *testing.T) {
			s := newServer(t, script{"GET": listening("event: endpoint\ndata: /messages\n\n"), "initialize": onStream(result("$ID", welcome))})
			cfg := s.config()
			cfg.Remote.Transport = transport
			c := start(t, cfg)
			c.write(discover)
			c.wantError(`"d"`, -32601, "")
			wantPaths(t, s)
			c.write(initialize)
			c.want(welcomed)
			c.end()
		})
	}
}

// TestDiscoverFails has something be wrong that says nothing about what the server knows.
func TestDiscoverFails(t *testing.T) {
	for name, test := range map[string]struct {
		reply reply
		code  int
		text  string
	}{
		"401":           {status(401, "who?"), -31000, `"status":401`},
		"403":           {status(403, "no"), -31000, `"status":403`},
		"429":           {status(429, "slow"), -31000, `"status":429`},
		"500":           {status(500, "oops"), -31000, `"status":500`},
		"503":           {status(503, "later"), -31000, `"status":503`},
		"-32020":        {modernErrors["-32020"], -32020, ""},
		"-32021":        {status(400, `{"jsonrpc":"2.0","id":"d","error":{"code":-32021,"message":"m","data":{"requiredCapabilities":["x"]}}}`), -32021, `"data":{"requiredCapabilities":["x"]}`},
		"-32022":        {status(400, `{"jsonrpc":"2.0","id":"d","error":{"code":-32022,"message":"m","data":{"supported":["2030-01-01"]}}}`), -32022, `"data":{"supported":["2030-01-01"]}`},
		"-32022 as 200": {body(`{"jsonrpc":"2.0","id":"d","error":{"code":-32022,"message":"m","data":{"supported":["2030-01-01"]}}}`), -32022, `"data":{"supported":["2030-01-01"]}`},
		"broken":        {broken, -31000, ""},
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"server/discover": test.reply})
			c := start(t, s.unhurried())
			c.write(discover)
			c.wantError(`"d"`, test.code, test.text)
			wantPaths(t, s, "POST /mcp")
			c.write(initialize)
			c.want(welcomed)
			c.end()
		})
	}
}

// TestModern passes a client of 2026-07-28 through to a server of the same.
func TestModern(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{
			"server/discover":      body(found, "Mcp-Session-Id", "should-not-be-there"),
			"tools/call":           events("id: 7\n" + data(`{"jsonrpc":"2.0","id":1,"method":"roots/list"}`) + data(result("$ID", `{"resultType":"complete"}`))),
			"subscriptions/listen": events(": keep-alive\n\n"),
		})
		c := start(t, s.config())
		c.write(discover)
		c.want(found)
		call := modern(1, "tools/call", `"name":"Hello, 世界","arguments":{}`)
		c.write(call)
		c.want(result(1, `{"resultType":"complete"}`)) // and not the server's request
		c.write(result(1, `{}`), cancelled(1), cancelled(99), cancelled(`"d"`))
		read := modern(2, "resources/read", `"uri":"file:///a"`)
		c.write(read)
		c.want(result(2, `{}`))
		c.quiet()
		c.end()
		s.wantRequests("server/discover", "tools/call", "resources/read")
		wantBody(t, s, "tools/call", call)
		wantBody(t, s, "resources/read", read)
		for _, r := range s.requests() {
			name := map[string]string{"tools/call": "=?base64?SGVsbG8sIOS4lueVjA==?=", "resources/read": "file:///a"}[r.name]
			for header, want := range map[string]string{
				"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": r.name, "Mcp-Name": name, "Mcp-Session-Id": "", "Last-Event-Id": "",
				"Accept": "application/json, text/event-stream", "Content-Type": "application/json",
			} {
				if got := r.Header.Get(header); got != want {
					t.Errorf("%s has %s %q, want %q", r.name, header, got, want)
				}
			}
		}
	})
}

// connectModern runs a relay and has server/discover answered.
func connectModern(t *testing.T, s *server) *client {
	t.Helper()
	s.script["server/discover"] = body(found)
	c := start(t, s.config())
	c.write(discover)
	c.want(found)
	return c
}

// TestModernCancel closes streams to cancel what goes on on them.
func TestModernCancel(t *testing.T) {
	for name, begin := range map[string]string{"silent": "", "talking": data(`{"jsonrpc":"2.0","method":"notifications/progress"}`)} {
		bubble(t, name, func(t *testing.T) {
			gone := make(chan struct{})
			s := newServer(t, script{"tools/call": func(s *server, w http.ResponseWriter, r request) {
				if begin != "" {
					stream(w, r, begin)
				}
				<-r.Context().Done()
				close(gone)
			}})
			c := connectModern(t, s)
			c.write(modern(1, "tools/call", `"name":"a"`))
			if begin != "" {
				c.want(`{"jsonrpc":"2.0","method":"notifications/progress"}`)
			}
			synctest.Wait()
			c.write(cancelled(1))
			<-gone
			c.quiet()
			c.write(modern(1, "tools/list", ""))
			c.want(result(1, `{}`))
			c.end()
			s.wantRequests("server/discover", "tools/call", "tools/list")
		})
	}
}

// TestModernListen holds subscriptions open.
func TestModernListen(t *testing.T) {
	const acknowledged = `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}`
	const lost = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"sub","reason":`
	listen := modern(`"sub"`, "subscriptions/listen", `"notifications":{}`)
	setUp := func(t *testing.T) (*server, *client) {
		s := newServer(t, script{"subscriptions/listen": listening("id: 1\n" + data(acknowledged))})
		c := connectModern(t, s)
		c.write(listen)
		c.want(acknowledged)
		time.Sleep(10 * time.Hour)
		s.say(": still here\n\n")
		s.message(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		c.want(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		c.quiet()
		return s, c
	}
	for name, end := range map[string]func(*server){"end": (*server).hangUp, "break": (*server).breakOff} {
		bubble(t, name, func(t *testing.T) {
			s, c := setUp(t)
			end(s)
			if line := c.next(); !strings.HasPrefix(line, lost) {
				t.Errorf("client got %s", line)
			}
			c.quiet()
			c.write(listen)
			c.want(acknowledged)
			c.end()
			s.wantRequests("server/discover", "subscriptions/listen", "subscriptions/listen")
		})
	}
	bubble(t, "answer", func(t *testing.T) {
		s, c := setUp(t)
		s.message(`{"jsonrpc":"2.0","id":"sub","result":{"resultType":"complete"}}`)
		s.hangUp()
		c.want(`{"jsonrpc":"2.0","id":"sub","result":{"resultType":"complete"}}`)
		c.quiet()
		c.end()
	})
	bubble(t, "cancelled", func(t *testing.T) {
		s, c := setUp(t)
		c.write(cancelled(`"sub"`))
		c.quiet()
		if n := len(s.streams); n != 0 {
			t.Errorf("%d streams are open", n)
		}
		c.end()
		s.wantRequests("server/discover", "subscriptions/listen")
	})
	bubble(t, "end of input", func(t *testing.T) {
		_, c := setUp(t)
		began := time.Now()
		c.end()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
	bubble(t, "refused", func(t *testing.T) {
		s := newServer(t, script{"subscriptions/listen": status(500, "")})
		c := connectModern(t, s)
		c.write(listen)
		c.wantError(`"sub"`, -31000, `"status":500`)
		c.end()
	})
	bubble(t, "many", func(t *testing.T) {
		s := newServer(t, script{"subscriptions/listen": listening(data(acknowledged))})
		c := connectModern(t, s)
		for i := range 100 { // they are not among the 64 that may be at the server
			c.write(modern(i, "subscriptions/listen", ""))
			c.want(acknowledged)
		}
		c.write(modern(1000, "tools/list", ""))
		c.want(result(1000, `{}`))
		c.end()
	})
}

// TestModernBroken breaks the stream of a call, which is then lost whatever ids its events had.
func TestModernBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"tools/call": cut("id: 1\nretry: 1\ndata:\n\n")})
		c := connectModern(t, s)
		c.write(modern(1, "tools/call", `"name":"a"`))
		c.wantError("1", -31000, "may have been carried out")
		c.end()
		s.wantRequests("server/discover", "tools/call")
	})
}

// TestModernFailures has errors pass as they are.
func TestModernFailures(t *testing.T) {
	for _, test := range []struct {
		status     int
		text, want string
	}{
		{400, `{"jsonrpc":"2.0","id":1,"error":{"code":-32021,"message":"m","data":{"requiredCapabilities":["sampling"]}}}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32021,"message":"m","data":{"requiredCapabilities":["sampling"]}}}`},
		{400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"m"}}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"m"}}`},
		{400, `{"jsonrpc":"2.0","error":{"code":-32602,"message":"m"}}`, `{"id":1,"jsonrpc":"2.0","error":{"code":-32602,"message":"m"}}`},
		{404, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"m"}}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"m"}}`},
	} {
		bubble(t, test.text, func(t *testing.T) {
			s := newServer(t, script{"x": status(test.status, test.text)})
			c := connectModern(t, s)
			c.write(modern(1, "x", ""))
			c.want(test.want)
			c.end()
			s.wantRequests("server/discover", "x")
		})
	}
}

// tools is a result of tools/list: one tool with a mirrored argument, and one that may not be offered.
const (
	goodTool = `{"name":"good","inputSchema":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}}}`
	badTool  = `{"name":"bad","inputSchema":{"type":"object","properties":{"n":{"type":"number","x-mcp-header":"N"}}}}`
)

// TestModernTools learns which arguments to mirror.
func TestModernTools(t *testing.T) {
	for name, form := range map[string]func(string) reply{
		"json":   func(text string) reply { return body(text) },
		"stream": func(text string) reply { return events(data(text)) },
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"tools/list": form(`{"jsonrpc":"2.0","id":$ID,"result":{"tools":[` + badTool + `, ` + goodTool + `],"ttlMs":1}}`)})
			c := connectModern(t, s)
			c.write(modern(1, "tools/list", ""))
			c.want(`{"jsonrpc":"2.0","id":1,"result":{"tools":[` + goodTool + `],"ttlMs":1}}`)
			c.write(modern(2, "tools/call", `"name":"good","arguments":{"n":9007199254740993}`))
			c.want(result(2, `{}`))
			if got := s.requests("tools/call")[0].Header.Get("Mcp-Param-N"); got != "9007199254740993" {
				t.Errorf("Mcp-Param-N is %q", got)
			}
			c.end()
		})
	}
}

// TestModernMismatch has the server say that a call's headers don't match, as they can't before the tools are known.
func TestModernMismatch(t *testing.T) {
	mismatch := status(400, `{"jsonrpc":"2.0","id":$ID,"error":{"code":-32020,"message":"m"}}`)
	needsHeader := func(s *server, w http.ResponseWriter, r request) {
		if r.Header.Get("Mcp-Param-N") == "" {
			mismatch(s, w, r)
		} else {
			answer(`{}`)(s, w, r)
		}
	}
	page := func(s *server, w http.ResponseWriter, r request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(r.body, `"cursor":"p<2"`) {
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"tools":[%s]}}`, r.m.ID, goodTool)
		} else {
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"tools":[%s],"nextCursor":"p<2"}}`, r.m.ID, badTool)
		}
	}
	for _, test := range []struct {
		name   string
		script script
		want   string
		seen   []string
	}{
		{"learnt", script{"tools/call": needsHeader, "tools/list": page}, result(1, `{}`), []string{"tools/call", "tools/list", "tools/list", "tools/call"}},
		{"still", script{"tools/call": mismatch, "tools/list": page}, `{"jsonrpc":"2.0","id":1,"error":{"code":-32020,"message":"m"}}`, []string{"tools/call", "tools/list", "tools/list", "tools/call"}},
		{"no list", script{"tools/call": mismatch, "tools/list": status(500, "")}, `{"jsonrpc":"2.0","id":1,"error":{"code":-32020,"message":"m"}}`, []string{"tools/call", "tools/list"}},
	} {
		bubble(t, test.name, func(t *testing.T) {
			s := newServer(t, test.script)
			c := connectModern(t, s)
			call := modern(1, "tools/call", `"name":"good","arguments":{"n":1}`)
			c.write(call)
			c.want(test.want)
			c.quiet() // the list was ours
			c.end()
			if got := s.names()[1:]; !slices.Equal(got, test.seen) {
				t.Errorf("server saw %q, want %q", got, test.seen)
			}
			wantBody(t, s, "tools/call", call)
			for _, r := range s.requests("tools/list") {
				if r.Header.Get("Mcp-Method") != "tools/list" || r.Header.Get("Mcp-Protocol-Version") != "2026-07-28" || !strings.Contains(r.body, meta) {
					t.Errorf("%v %s", r.Header, r.body)
				}
			}
		})
	}
}

// TestModernFirst has a client begin with something other than server/discover, which it may.
func TestModernFirst(t *testing.T) {
	bubble(t, "slow call", func(t *testing.T) {
		s := newServer(t, script{"tools/call": func(s *server, w http.ResponseWriter, r request) {
			stream(w, r, data(`{"jsonrpc":"2.0","method":"notifications/progress"}`))
			time.Sleep(time.Minute)
			io.WriteString(w, data(result(1, `{}`)))
		}})
		c := start(t, s.config())
		c.write(modern(1, "tools/call", `"name":"a"`))
		c.want(`{"jsonrpc":"2.0","method":"notifications/progress"}`, result(1, `{}`))
		c.end()
		s.count("tools/call", 1)
	})
	bubble(t, "listen", func(t *testing.T) {
		s := newServer(t, script{"subscriptions/listen": listening(data(`{"jsonrpc":"2.0","method":"n"}`))})
		c := start(t, s.config())
		c.write(modern(1, "subscriptions/listen", ""), modern(2, "tools/list", ""))
		c.wantAll(`{"jsonrpc":"2.0","method":"n"}`, result(2, `{}`))
		time.Sleep(time.Hour)
		c.quiet()
		c.end()
	})
}

// TestDiscoverThenInitialize has a client of both eras take the older, of a server of both.
func TestDiscoverThenInitialize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"GET": listening("")})
		c := connectModern(t, s)
		c.write(initialize, initialized, call(1, "tools/list"))
		c.want(welcomed, result(1, `{}`))
		c.quiet()
		c.end()
		s.count("GET", 1)
		s.count("DELETE", 1)
		if r := s.requests("tools/list")[0]; r.Header.Get("Mcp-Session-Id") != "s1" || r.Header.Get("Mcp-Method") != "" {
			t.Errorf("tools/list has %v", r.Header)
		}
	})
}
