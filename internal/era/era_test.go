package era_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/era"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// request returns a request with params.
func request(id any, method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,"method":%q,"params":{%s}}`, id, method, params)
}

func response(id any, result string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,"result":%s}`, id, result)
}

func cancelled(id any) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%v}}`, id)
}

// TestInitialize has a server say what it is, and a client be told so.
func TestInitialize(t *testing.T) {
	const versions = `"supportedVersions":["2026-07-28"]`
	for name, test := range map[string]struct{ version, found, want string }{
		"newest":         {"2025-11-25", `{` + versions + `,"capabilities":{"x":1e400}}`, `{"protocolVersion":"2025-11-25","capabilities":{"x":1e400},"serverInfo":{"name":"server.test","version":"0"}}`},
		"older":          {"2024-11-05", `{` + versions + `,"capabilities":{}}`, `{"protocolVersion":"2024-11-05","capabilities":{},"serverInfo":{"name":"server.test","version":"0"}}`},
		"unknown":        {"2030-01-01", `{` + versions + `}`, `{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"server.test","version":"0"}}`},
		"info at top":    {"2025-06-18", `{` + versions + `,"serverInfo":{"name":"t"}}`, `{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"t"}}`},
		"several":        {"2025-06-18", `{"supportedVersions":["2025-11-25","2026-07-28"],"instructions":"<i>"}`, `{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"server.test","version":"0"},"instructions":"<i>"}`},
		"with line ends": {"2025-06-18", "{\n" + versions + ",\n\"capabilities\":{\n}}", "{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\n},\"serverInfo\":{\"name\":\"server.test\",\"version\":\"0\"}}"},
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"server/discover": result(test.found)})
			c := dial(t, s.config(), strings.Replace(initialize, "2025-11-25", test.version, 1))
			c.want(response(0, test.want))
			s.wantSeen("", `{"jsonrpc":"2.0","id":"#1","method":"server/discover","params":{"_meta":{`+meta+`}}}`)
			c.send(strings.Replace(initialize, `"id":0`, `"id":9`, 1)) // it is answered as often as it is asked
			if line := <-c.lines; !strings.HasPrefix(line, `{"jsonrpc":"2.0","id":9,"result":{"protocolVersion":"2025-11-25",`) {
				t.Error(line)
			}
			c.end()
		})
	}
}

// TestOlder has servers that don't speak 2026-07-28, each in its way. They get the initialize as it is, and everything after it.
func TestOlder(t *testing.T) {
	const welcome = `{"protocolVersion":"2025-06-18","capabilities":{}}`
	for name, refused := range map[string]reply{
		"404":            status(http.StatusNotFound, "not found"),
		"400":            status(http.StatusBadRequest, `{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: no session"},"id":null}`),
		"unknown method": failing(-32601),
		"other version":  status(http.StatusBadRequest, `{"jsonrpc":"2.0","id":$ID,"error":{"code":-32022,"message":"m","data":{"supported":["2030-01-01"]}}}`),
		"older only":     result(`{"supportedVersions":["2025-11-25"]}`),
		"newer only":     result(`{"supportedVersions":["2030-01-01"]}`),
		"silence":        hang,
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"server/discover": refused, "initialize": result(welcome)})
			began := time.Now()
			c := dial(t, s.config(), initialize)
			if waited := time.Since(began); waited > 10*time.Second {
				t.Errorf("the server was asked for %v", waited)
			}
			c.want(response(0, welcome))
			c.send(request(1, "tools/list", ""))
			c.want(response(1, `{"resultType":"complete"}`))
			s.wantSeen("initialize", initialize)
			s.wantSeen("tools/list", request(1, "tools/list", ""))
		})
	}
	bubble(t, "HTTP+SSE", func(t *testing.T) {
		cfg := newServer(t, script{"initialize": result(welcome)}).config()
		cfg.Transport = remote.SSEFirst
		c := dial(t, cfg, initialize)
		c.want(response(0, welcome))
	})
}

// TestUndecided has something be wrong that says nothing about what the server speaks.
func TestUndecided(t *testing.T) {
	for name, wrong := range map[string]reply{
		"401":    status(http.StatusUnauthorized, ""),
		"403":    status(http.StatusForbidden, ""),
		"429":    status(http.StatusTooManyRequests, ""),
		"503":    status(http.StatusServiceUnavailable, ""),
		"broken": broken,
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"server/discover": wrong})
			_, err := era.Dial(t.Context(), s.config(), parse(t, initialize))
			failed, ok := errors.AsType[*remote.OpenError](err)
			if !ok || failed.Err == nil || !strings.HasPrefix(string(failed.Answer.Raw), `{"jsonrpc":"2.0","id":0,"error":{"code":-31000,`) {
				t.Errorf("got %v", err)
			}
			s.wantSeen("initialize")
		})
	}
}

// TestModernClient has a client of 2026-07-28, which needs no help.
func TestModernClient(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := newServer(t, nil)
		discover := request(1, "server/discover", `"_meta":{`+meta+`}`)
		c := dial(t, s.config(), discover)
		c.want(response(1, found))
		s.wantSeen("", discover)
	})
}

// TestRequests compares what the client writes with what the server sees.
func TestRequests(t *testing.T) {
	const logged = meta + `,"io.modelcontextprotocol/logLevel":"warning"`
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		c := connect(t, s)
		c.send(request(1, "logging/setLevel", `"level":"warning"`))
		c.want(response(1, `{}`))
		for _, test := range []struct{ wrote, saw string }{
			{`{"jsonrpc":"2.0","id":2,"method":"m"}`, `{"jsonrpc":"2.0","id":2,"method":"m","params":{"_meta":{` + logged + `}}}`},
			{`{"method":"m","id":1e400} `, `{"method":"m","id":1e400,"params":{"_meta":{` + logged + `}}} `},
			{`{"params":null,"id":"a","method":"m"}`, `{"params":{"_meta":{` + logged + `}},"id":"a","method":"m"}`},
			{`{"params":{},"id":"\u0061b","method":"m"}`, `{"params":{"_meta":{` + logged + `}},"id":"\u0061b","method":"m"}`},
			{`{"params":{"a":[ 1.0 ] },"id":3,"method":"m"}`, `{"params":{"a":[ 1.0 ] ,"_meta":{` + logged + `}},"id":3,"method":"m"}`},
			{`{"params":{"_meta":{ },"b":"<"},"id":4,"method":"m"}`, `{"params":{"_meta":{ ` + logged + `},"b":"<"},"id":4,"method":"m"}`},
			{`{"params":{"_meta":{"progressToken":7}},"id":5,"method":"m"}`, `{"params":{"_meta":{"progressToken":7,` + logged + `}},"id":5,"method":"m"}`},
			{`{"params":{"_meta":null},"id":6,"method":"m"}`, `{"params":{"_meta":{` + logged + `}},"id":6,"method":"m"}`},
		} {
			s.mu.Lock()
			s.seen = nil
			s.mu.Unlock()
			c.send(test.wrote)
			c.want(response(parse(t, test.wrote).ID, `{}`))
			s.wantSeen("", test.saw)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, h := range s.headers {
			if h.Get("Mcp-Protocol-Version") != "2026-07-28" || h.Get("Mcp-Method") == "" || h["Mcp-Session-Id"] != nil {
				t.Errorf("headers %v", h)
			}
		}
	})
}

// TestResults compares what the server writes with what the client gets.
func TestResults(t *testing.T) {
	for wrote, got := range map[string]string{
		`{"resultType":"complete"}`:                                     `{}`,
		`{ "resultType" : "complete" }`:                                 `{ }`,
		`{"resultType":"complete","a":1e400}`:                           `{"a":1e400}`,
		`{"a":"\u003c" , "resultType":"complete"}`:                      `{"a":"\u003c"}`,
		`{"a":1,"resultType":"complete","b":{"resultType":"complete"}}`: `{"a":1,"b":{"resultType":"complete"}}`,
		`{"a":{"resultType":"input_required"}}`:                         `{"a":{"resultType":"input_required"}}`,
		`{"resultType":"complete" , "ttlMs":1,"cacheScope":"private"}`:  `{ "ttlMs":1,"cacheScope":"private"}`,
	} {
		bubble(t, wrote, func(t *testing.T) {
			s := newServer(t, script{"m": result(wrote)})
			c := connect(t, s)
			c.send(request(1, "m", ""))
			c.want(response(1, got))
		})
	}
	for wrote, why := range map[string]string{
		`{"resultType":"task","taskId":"t"}`: `\"task\"`,
		`{"resultType":7}`:                   "unknown type",
		`{"resultType":"input_required"}`:    "takes none",
	} {
		bubble(t, wrote, func(t *testing.T) {
			s := newServer(t, script{"m": result(wrote)})
			c := connect(t, s)
			c.send(request(1, "m", ""))
			c.wantError("1", remote.CodeLocal, why)
		})
	}
	bubble(t, "error", func(t *testing.T) {
		s := newServer(t, script{"m": failing(-32021)})
		c := connect(t, s)
		c.send(request(1, "m", ""))
		c.wantError("1", -32021, "")
	})
}

// TestLocal has what 2026-07-28 doesn't know, which the server is not to see.
func TestLocal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		c := connect(t, s)
		c.send(request(1, "ping", ""))
		c.want(response(1, `{}`))
		c.send(request(2, "logging/setLevel", `"level":"loud"`))
		c.wantError("2", -32602, "")
		c.send(`{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}`, response(`"nothing"`, `{}`), cancelled(99))
		c.send(request(3, "resources/subscribe", ""))
		c.wantError("3", -32602, "")
		c.end()
		if n := s.count(""); n != 1 {
			t.Errorf("server saw %d requests, want server/discover alone", n)
		}
	})
	bubble(t, "not offered", func(t *testing.T) {
		c := dial(t, newServer(t, script{"server/discover": result(`{"supportedVersions":["2026-07-28"]}`)}).config(), initialize)
		<-c.lines
		c.send(request(1, "logging/setLevel", `"level":"info"`))
		c.wantError("1", -32601, "")
		c.send(request(2, "resources/subscribe", `"uri":"a"`))
		c.wantError("2", -32601, "")
		c.send(initialized)
		c.end()
	})
}

// TestProgress has the server report progress of a request and messages, which pass as they are, and ask for something, which it must not.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const progress = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":1.0}}`
		const message = `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1e400}}`
		s := newServer(t, script{"tools/call": events(progress, message, request(1, "roots/list", ""), response("$ID", `{"resultType":"complete"}`))})
		c := connect(t, s)
		c.send(request(1, "tools/call", `"name":"t","_meta":{"progressToken":7}`))
		c.want(progress, message, response(1, `{}`))
	})
}

// TestCancel has the client cancel, which the server learns from the end of the connection and from nothing else.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"tools/call": hang})
		c := connect(t, s)
		c.send(request(1, "tools/call", `"name":"t"`), request(2, "tools/call", `"name":"t"`), cancelled(`1.0`))
		s.wantOver("1")
		c.send(request(2, "m", "")) // while another request has that id
		c.wantError("2", -32600, "")
		c.send(request(1, "m", ""))
		c.want(response(1, `{}`))
		s.wantSeen("notifications/cancelled")
	})
}

// TestSignIn checks for which requests a person may be asked to sign in.
func TestSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		cfg := s.config()
		var marked atomic.Int32
		cfg.Waiting = func(ctx context.Context) context.Context {
			marked.Add(1)
			return ctx
		}
		c := dial(t, cfg, initialize)
		c.want(welcomed)
		c.send(initialized)
		if n := s.count("subscriptions/listen"); n != 1 || marked.Load() != 1 {
			t.Errorf("%d streams, %d marks after server/discover", n, marked.Load())
		}
		c.send(request(1, "tools/list", ""))
		c.want(response(1, `{}`))
		if marked.Load() != 2 {
			t.Errorf("%d marks with tools/list", marked.Load())
		}
	})
}

// TestRoom has a client ask for more than it reads.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		conn, err := era.Dial(t.Context(), s.config(), parse(t, initialize))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		sent := 0
		for conn.Send(parse(t, request(sent, "ping", ""))) {
			sent++
		}
		room := conn.Room()
		select {
		case <-room:
			t.Fatal("there is room, and none")
		default:
		}
		if !conn.Send(parse(t, cancelled(3))) || !conn.Send(parse(t, initialized)) {
			t.Error("no room for what needs none")
		}
		messages, err := conn.Receive(t.Context())
		if err != nil || len(messages) != sent {
			t.Errorf("%d messages for %d pings but one and initialize: %v", len(messages), sent, err)
		}
		<-room
	})
}
