package relay_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestSessionHeaders looks at every request of a session.
func TestSessionHeaders(t *testing.T) {
	for name, test := range map[string]struct {
		initialize reply
		id         string
		version    string
		last       []string // what the server sees at the end
	}{
		"named":         {session("s1"), "s1", "2025-06-18", []string{"DELETE"}},
		"nameless":      {answer(welcome), "", "2025-06-18", nil},
		"other version": {body(result("$ID", strings.ReplaceAll(welcome, "2025-06-18", "2025-11-25")), "mcp-session-id", "!~"), "!~", "2025-11-25", []string{"DELETE"}},
		"on a stream": {func(s *server, w http.ResponseWriter, r request) {
			w.Header().Set("MCP-Session-Id", "s2")
			stream(w, r, data(`{"jsonrpc":"2.0","method":"notifications/message"}`)+data(result("$ID", welcome)))
		}, "s2", "2025-06-18", []string{"DELETE"}},
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"initialize": test.initialize, "GET": listening("")})
			cfg := s.config()
			cfg.Remote.Header = http.Header{"X-Extra": {"1", "2"}}
			c := start(t, cfg)
			c.write(initialize, initialized, call(1, "tools/list"))
			for c.next() != result(1, `{}`) {
			}
			synctest.Wait()
			s.message(`{"jsonrpc":"2.0","id":1,"method":"roots/list"}`)
			c.want(`{"jsonrpc":"2.0","id":1,"method":"roots/list"}`)
			c.write(result(1, `{}`))
			c.quiet()
			c.end()
			// The GET is there as soon as notifications/initialized has been accepted, so it may come after tools/list.
			if got := s.names(); got[0] != "initialize" || got[1] != "notifications/initialized" || !slices.Equal(got[5:], test.last) {
				t.Errorf("server saw %q", got)
			}
			s.count("GET", 1)
			for _, r := range s.requests() {
				id, version := test.id, test.version
				if r.name == "initialize" {
					id, version = "", ""
				}
				accept, content := "application/json, text/event-stream", "application/json"
				switch r.Method {
				case http.MethodGet:
					accept, content = "text/event-stream", ""
				case http.MethodDelete:
					accept, content = "", ""
				}
				for header, want := range map[string]string{
					"Mcp-Session-Id":       id,
					"Mcp-Protocol-Version": version,
					"User-Agent":           "atlassian-mcp/1",
					"X-Extra":              "1, 2",
					"Accept":               accept,
					"Content-Type":         content,
					"Last-Event-Id":        "",
					"Mcp-Method":           "",
				} {
					if got := strings.Join(r.Header.Values(header), ", "); got != want {
						t.Errorf("%s has %s %q, want %q", r.name, header, got, want)
					}
				}
			}
		})
	}
}

// TestSessionListens looks at the stream that belongs to no request.
func TestSessionListens(t *testing.T) {
	for name, refused := range map[string]reply{
		"405":         status(405, ""),
		"404":         status(404, "not here"),
		"400":         status(400, "session?"),
		"401":         status(401, ""),
		"501":         status(501, ""),
		"200 of HTML": status(200, "<html>", "Content-Type", "text/html"),
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"GET": refused})
			c := connect(t, s)
			time.Sleep(time.Hour)
			c.quiet()
			c.end()
			s.wantRequests("initialize", "notifications/initialized", "GET", "DELETE")
		})
	}
}

// TestSessionBegins has the server take its time with the first two messages.
func TestSessionBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready, set := make(chan struct{}), make(chan struct{})
		s := newServer(t, script{"initialize": after(ready, session("s1")), "notifications/initialized": after(set, accepted), "GET": listening("")})
		c := start(t, s.config())
		c.write(initialize, initialized, call(1, "tools/list"), call(2, "tools/list"))
		synctest.Wait()
		s.wantRequests("initialize")
		close(ready)
		c.want(welcomed)
		c.quiet()
		s.wantRequests("initialize", "notifications/initialized")
		close(set)
		c.wantAll(result(1, `{}`), result(2, `{}`))
		synctest.Wait()
		s.count("GET", 1)
		c.end()
	})
}

// lossy is a server that forgets its session when told to.
type lossy struct {
	*server
	generation atomic.Int32
	executed   atomic.Int32 // calls of tools
}

func (l *lossy) current() string { return fmt.Sprint("s", l.generation.Load()) }

func newLossy(t *testing.T, forgotten reply, more script) *lossy {
	l := new(lossy)
	known := func(then reply) reply {
		return func(s *server, w http.ResponseWriter, r request) {
			if r.Header.Get("Mcp-Session-Id") == l.current() {
				then(s, w, r)
			} else {
				forgotten(s, w, r)
			}
		}
	}
	all := script{
		"initialize": func(s *server, w http.ResponseWriter, r request) {
			l.generation.Add(1)
			session(l.current())(s, w, r)
		},
		"tools/call": func(s *server, w http.ResponseWriter, r request) {
			l.executed.Add(1)
			answer(`{}`)(s, w, r)
		},
		"tools/list": answer(`{}`), "logging/setLevel": answer(`{}`), "resources/subscribe": answer(`{}`), "resources/unsubscribe": answer(`{}`),
		"notifications/initialized": accepted, "response": accepted, "GET": listening(""),
	}
	for name, reply := range more {
		all[name] = reply
	}
	for name, reply := range all {
		if name != "initialize" {
			all[name] = known(reply)
		}
	}
	l.server = newServer(t, all)
	return l
}

// forget ends the session at the server.
func (l *lossy) forget() { l.generation.Add(1) }

// forms are the ways in which servers say that they don't know a session.
var forms = map[string]reply{
	"404":               status(404, ""),
	"404 with an error": status(404, `{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Session not found"}}`),
	"400":               status(400, `{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}`),
}

// TestSessionLost has the server forget the session while the client has 20 calls to make.
func TestSessionLost(t *testing.T) {
	for name, forgotten := range forms {
		bubble(t, name, func(t *testing.T) {
			s := newLossy(t, forgotten, nil)
			c := connect(t, s.server)
			setUp := []string{
				`{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"debug"}}`,
				`{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"a:1"}}`,
				`{"jsonrpc":"2.0","id":3,"method":"resources/subscribe","params":{"uri":"a:2"}}`,
				`{"jsonrpc":"2.0","id":4,"method":"resources/subscribe","params":{"uri":"a:3"}}`,
				`{"jsonrpc":"2.0","id":5,"method":"resources/unsubscribe","params":{"uri":"a:2"}}`,
				`{"jsonrpc":"2.0","id":6,"method":"logging/setLevel","params":{"level":"info"}}`,
			}
			for i, m := range setUp {
				c.write(m)
				c.want(result(i+1, `{}`))
			}
			before := len(s.requests())
			s.forget()
			var calls, want []string
			for i := range 20 {
				calls = append(calls, call(100+i, "tools/call"))
				want = append(want, result(100+i, `{}`))
			}
			c.write(calls...)
			c.wantAll(want...)
			c.quiet()
			if got := s.executed.Load(); got != 20 {
				t.Errorf("server executed %d calls, want 20", got)
			}

			var replayed []string
			for _, r := range s.requests()[before:] {
				switch {
				case r.name == "tools/call" || r.name == "GET":
				case r.Header.Get("Mcp-Session-Id") == "" != (r.name == "initialize"):
					t.Errorf("%s in session %q", r.name, r.Header.Get("Mcp-Session-Id"))
				default:
					replayed = append(replayed, string(r.m.WithID(`0`).Raw))
				}
			}
			var wantReplayed []string
			for _, m := range []string{initialize, initialized, setUp[5], setUp[1], setUp[3]} {
				wantReplayed = append(wantReplayed, string(mustParse(t, m).WithID(`0`).Raw))
			}
			wantReplayed[1] = string(s.requests("notifications/initialized")[1].m.WithID(`0`).Raw)
			if !slices.Equal(replayed, wantReplayed) {
				t.Errorf("server saw\n\t%s\nwant\n\t%s", strings.Join(replayed, "\n\t"), strings.Join(wantReplayed, "\n\t"))
			}
			if got := s.requests("notifications/initialized")[1].body; got != initialized {
				t.Errorf("server got %s", got)
			}
			// It listens in the new session, and a later call goes there at once.
			gets := s.requests("GET")
			if len(gets) != 2 || gets[1].Header.Get("Mcp-Session-Id") != s.current() {
				t.Errorf("%d GETs", len(gets))
			}
			s.message(`{"jsonrpc":"2.0","method":"n"}`)
			c.want(`{"jsonrpc":"2.0","method":"n"}`)
			before = len(s.requests())
			c.write(call(200, "tools/call"))
			c.want(result(200, `{}`))
			if got := len(s.requests()) - before; got != 1 {
				t.Errorf("%d requests for one call", got)
			}
			c.end()
			if last := s.requests("DELETE"); len(last) != 1 || last[0].Header.Get("Mcp-Session-Id") != s.current() {
				t.Errorf("%d DELETEs", len(last))
			}
		})
	}
}

// TestSessionLostWhileListening has the server forget the session while nothing is asked of it.
func TestSessionLostWhileListening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLossy(t, forms["404"], nil)
		c := connect(t, s.server)
		s.forget()
		s.hangUp()
		time.Sleep(time.Minute)
		synctest.Wait()
		s.count("initialize", 2)
		s.message(`{"jsonrpc":"2.0","method":"n"}`)
		c.want(`{"jsonrpc":"2.0","method":"n"}`)
		c.end()
	})
}

// TestSessionLostForGood has the server not take the client back as it was.
func TestSessionLostForGood(t *testing.T) {
	for name, test := range map[string]struct {
		again reply
		text  string
	}{
		"other version":   {body(result("$ID", strings.ReplaceAll(welcome, "2025-06-18", "2025-03-26")), "Mcp-Session-Id", "s9"), `2025-03-26`},
		"error":           {body(`{"jsonrpc":"2.0","id":$ID,"error":{"code":-32602,"message":"go away"}}`), "go away"},
		"status":          {status(403, "no more"), "403"},
		"still not known": {session("s9"), "404"},
		"cut":             {broken, "EOF"},
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{
				"initialize": inTurn(session("s1"), test.again),
				"tools/call": unlessSession(func() string { return "gone" }, answer(`{}`)),
			})
			c := connect(t, s)
			c.write(call(1, "tools/call"))
			if line := c.next(); !strings.HasPrefix(line, `{"jsonrpc":"2.0","id":1,"error":{`) && !strings.Contains(line, `Session not found`) {
				t.Errorf("client got %s", line)
			} else if name != "still not known" && !strings.Contains(line, test.text) {
				t.Errorf("client got %s, want %q in it", line, test.text)
			}
			s.count("initialize", 2)
			c.quiet()
		})
	}
}

// TestSessionLostForAnAnswer has the server forget the session in which it asked something: the answer is for nobody then, least
// of all for a question of the new session with the same id.
func TestSessionLostForAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLossy(t, forms["404"], nil)
		c := connect(t, s.server)
		s.message(`{"jsonrpc":"2.0","id":1,"method":"elicitation/create"}`)
		c.want(`{"jsonrpc":"2.0","id":1,"method":"elicitation/create"}`)
		s.forget()
		c.write(result(1, `{"action":"accept"}`))
		c.quiet()
		for _, r := range s.requests("response") {
			if r.Header.Get("Mcp-Session-Id") == s.current() {
				t.Errorf("the new session got the answer for the old one")
			}
		}
		c.write(call(1, "tools/call"))
		c.want(result(1, `{}`))
		s.count("initialize", 2)
	})
}

// TestSessionless has a server without sessions answer 404, which is then no loss of one.
func TestSessionless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"initialize": answer(welcome), "tools/call": status(404, "no such thing")})
		c := connect(t, s)
		c.write(call(1, "tools/call"))
		c.wantError("1", -31000, `"status":404,"text":"no such thing"`)
		c.end()
		s.wantRequests("initialize", "notifications/initialized", "GET", "tools/call")
	})
}

// TestSessionEnds has the server take its time to end the session.
func TestSessionEnds(t *testing.T) {
	for name, reply := range map[string]reply{"405": status(405, ""), "hangs": hang, "breaks": broken} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"DELETE": reply})
			c := connect(t, s)
			began := time.Now()
			c.end()
			if took := time.Since(began); took > 500*time.Millisecond {
				t.Errorf("took %v", took)
			}
			s.count("DELETE", 1)
		})
	}
}

// TestSessionEndsOnce has a server that answers everything of a session as soon as it is told to end it. Nothing of that may start another.
func TestSessionEndsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		gone := status(404, "Session not found")
		s := newServer(t, script{
			"GET": inTurn(func(s *server, w http.ResponseWriter, r request) {
				stream(w, r, "retry: 0\n\n")
				<-ended
			}, gone),
			"tools/call": after(ended, gone),
			"DELETE": func(s *server, w http.ResponseWriter, r request) {
				close(ended)
				hang(s, w, r)
			},
		})
		c := connect(t, s)
		c.write(call(1, "tools/call"))
		synctest.Wait()
		c.stop()
		<-c.done
		s.count("initialize", 1)
		s.count("DELETE", 1)
	})
}

// TestSessionMentioned has the server refuse a call with words that could be about the session, but are about what it was called with.
func TestSessionMentioned(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		text   string
	}{
		"400":             {400, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"sprint session not found"}}`},
		"400, parameters": {400, `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"sessionId: required"}}`},
		"404, no method":  {404, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Session not found"}}`},
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"tools/call": status(test.status, test.text)})
			c := connect(t, s)
			c.write(call(1, "tools/call"))
			c.want(test.text)
			c.end()
			s.count("initialize", 1)
			s.count("tools/call", 1)
		})
	}
}

// TestSessionUnanswered has servers begin a session and break off before they answer initialize.
func TestSessionUnanswered(t *testing.T) {
	unanswered := func(id string) reply {
		return func(s *server, w http.ResponseWriter, r request) {
			w.Header().Set("Mcp-Session-Id", id)
			cut("")(s, w, r)
		}
	}
	left := func(t *testing.T, s *server, want ...string) {
		t.Helper()
		var got []string
		for _, r := range s.requests("DELETE") {
			got = append(got, r.Header.Get("Mcp-Session-Id"))
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("sessions ended: %q, want %q", got, want)
		}
	}
	bubble(t, "the first", func(t *testing.T) {
		s := newServer(t, script{"initialize": unanswered("s1")})
		c := start(t, s.unhurried())
		c.write(initialize)
		c.next()
		c.quiet()
		left(t, s, "s1")
		c.end()
		left(t, s, "s1")
	})
	bubble(t, "after a loss", func(t *testing.T) {
		s := newServer(t, script{"initialize": inTurn(session("s1"), unanswered("s2"), session("s3"))})
		s.script["x"] = unlessSession(func() string { return "s3" }, answer(`{}`))
		c := start(t, s.config())
		c.write(initialize, initialized, call(1, "x"))
		for !strings.Contains(c.next(), `"id":1`) {
		}
		c.write(call(2, "x"))
		for !strings.Contains(c.next(), `"id":2`) {
		}
		c.end()
		left(t, s, "s2", "s3")
	})
}
