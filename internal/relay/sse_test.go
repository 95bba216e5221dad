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

	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// A legacy is a server of HTTP+SSE. Each of its streams is a session of its own.
type legacy struct {
	*server
	opened   atomic.Int32 // streams
	executed atomic.Int32 // calls of tools
}

func newLegacy(t *testing.T, more script) *legacy {
	l := new(legacy)
	known := func(then reply) reply {
		return func(s *server, w http.ResponseWriter, r request) {
			if r.URL.Query().Get("s") == fmt.Sprint(l.opened.Load()) {
				then(s, w, r)
			} else {
				status(404, "no such session")(s, w, r)
			}
		}
	}
	all := script{
		"GET": func(s *server, w http.ResponseWriter, r request) {
			listening(fmt.Sprintf("event: endpoint\ndata: /messages?s=%d\n\n", l.opened.Add(1)))(s, w, r)
		},
		"initialize": known(onStream(result("$ID", welcome))),
		"tools/call": known(func(s *server, w http.ResponseWriter, r request) {
			l.executed.Add(1)
			onStream(result("$ID", `{}`))(s, w, r)
		}),
		"ping": known(onStream(result("$ID", `{}`))), "logging/setLevel": known(onStream(result("$ID", `{}`))), "resources/subscribe": known(onStream(result("$ID", `{}`))),
		"slow": known(accepted), "response": known(accepted), "notifications/initialized": known(accepted), "notifications/cancelled": known(accepted),
	}
	l.server = newServer(t, merge(all, more))
	return l
}

// connect runs a relay and has a session opened.
func (l *legacy) connect() *client {
	l.t.Helper()
	cfg := l.config()
	cfg.Remote.Transport = remote.SSEOnly
	c := start(l.t, cfg)
	c.write(initialize, initialized)
	c.want(welcomed)
	synctest.Wait()
	return c
}

// outage has l answer with a status instead of a stream while what it returns is true.
func (l *legacy) outage(code int) *atomic.Bool {
	down, get := new(atomic.Bool), l.script["GET"]
	l.script["GET"] = func(s *server, w http.ResponseWriter, r request) {
		if down.Load() {
			status(code, "")(s, w, r)
		} else {
			get(s, w, r)
		}
	}
	return down
}

// TestSSELost breaks the stream, which is the session.
func TestSSELost(t *testing.T) {
	for name, lose := range map[string]func(*server){"end": (*server).hangUp, "break": (*server).breakOff} {
		bubble(t, name, func(t *testing.T) {
			s := newLegacy(t, nil)
			c := s.connect()
			level, subscribe := `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"info"}}`, `{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"a"}}`
			c.write(level)
			c.want(result(1, `{}`))
			c.write(subscribe)
			c.want(result(2, `{}`))
			c.write(call(3, "slow"), call(4, "slow"))
			synctest.Wait()
			before := len(s.requests())
			began := time.Now()
			lose(s.server)
			first, second := c.next(), c.next()
			if both := first + second; !strings.Contains(both, `"id":3,"e`) || !strings.Contains(both, `"id":4,"e`) || !strings.Contains(first, "may have been carried out") {
				t.Errorf("client got %s and %s", first, second)
			}
			if took := time.Since(began); took > 0 {
				t.Errorf("took %v", took)
			}
			c.write(call(5, "tools/call")) // waits for the new session
			c.want(result(5, `{}`))
			if took := time.Since(began); took > time.Second {
				t.Errorf("back after %v", took)
			}
			if n := s.executed.Load(); n != 1 {
				t.Errorf("executed %d times", n)
			}
			var names []string
			for _, r := range s.requests()[before:] {
				names = append(names, r.name)
			}
			if want := []string{"GET", "initialize", "notifications/initialized", "logging/setLevel", "resources/subscribe", "tools/call"}; !slices.Equal(names, want) {
				t.Errorf("server saw %q, want %q", names, want)
			}
			s.message(`{"jsonrpc":"2.0","method":"n"}`)
			c.want(`{"jsonrpc":"2.0","method":"n"}`)
			c.quiet()
			c.end()
			s.count("DELETE", 0)
		})
	}
}

// TestSSEForgotten has the server forget the session but not end its stream.
func TestSSEForgotten(t *testing.T) {
	bubble(t, "one call", func(t *testing.T) {
		s := newLegacy(t, nil)
		c := s.connect()
		s.opened.Add(1)
		c.write(call(1, "tools/call"))
		c.want(result(1, `{}`))
		s.count("initialize", 2)
		s.count("GET", 2)
		if n := s.executed.Load(); n != 1 {
			t.Errorf("executed %d times", n)
		}
		c.quiet()
		c.end()
	})
	bubble(t, "many calls", func(t *testing.T) {
		s := newLegacy(t, nil)
		c := s.connect()
		s.opened.Add(1)
		for i := range 20 {
			c.write(call(100+i, "tools/call"))
		}
		// One of them finds out; what has gone out on the old stream by then may count as lost.
		answers := make(map[string]bool)
		for range 20 {
			answers[c.next()[:30]] = true
		}
		if len(answers) != 20 {
			t.Errorf("%d calls answered", len(answers))
		}
		s.count("initialize", 2)
		s.count("GET", 2)
		c.write(call(1, "tools/call"))
		c.want(result(1, `{}`))
		c.quiet()
		c.end()
	})
}

// TestSSELostForAnAnswer is TestSessionLostForAnAnswer with HTTP+SSE.
func TestSSELostForAnAnswer(t *testing.T) {
	for name, lose := range map[string]func(*legacy){
		"stream lost":       func(s *legacy) { s.hangUp() },
		"session forgotten": func(s *legacy) { s.opened.Add(1) },
	} {
		bubble(t, name, func(t *testing.T) {
			s := newLegacy(t, nil)
			c := s.connect()
			s.message(`{"jsonrpc":"2.0","id":1,"method":"elicitation/create"}`)
			c.want(`{"jsonrpc":"2.0","id":1,"method":"elicitation/create"}`)
			lose(s)
			synctest.Wait()
			c.write(result(1, `{"action":"accept"}`))
			time.Sleep(time.Minute)
			for _, r := range s.requests("response") {
				if r.URL.Query().Get("s") == fmt.Sprint(s.opened.Load()) {
					t.Errorf("the new session got the answer for the old one")
				}
			}
			c.write(call(1, "tools/call"))
			c.want(result(1, `{}`))
			c.end()
		})
	}
}

// TestSSEDown has the server be away for an hour.
func TestSSEDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLegacy(t, nil)
		down := s.outage(502)
		c := s.connect()
		down.Store(true)
		s.hangUp()
		synctest.Wait()
		c.write(call(1, "tools/call"))
		began := time.Now()
		c.wantError("1", -31000, "502")
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("answered after %v", took)
		}
		time.Sleep(time.Hour)
		if n := len(s.requests("GET")); n > 300 {
			t.Errorf("%d GETs in an hour", n)
		}
		down.Store(false)
		began = time.Now()
		c.write(call(2, "tools/call"))
		c.want(result(2, `{}`))
		if took := time.Since(began); took > time.Second {
			t.Errorf("back after %v", took)
		}
		if n := s.executed.Load(); n != 1 {
			t.Errorf("executed %d times", n)
		}
		c.end()
	})
}

// TestSSEStatusLater has the server answer on the stream before it says that it has accepted the request, which is not cut off for that.
func TestSSEStatusLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLegacy(t, nil)
		initialize, initialized := s.script["initialize"], make(chan struct{})
		var cut atomic.Bool
		s.script["initialize"] = func(s *server, w http.ResponseWriter, r request) {
			if r.n == 1 {
				initialize(s, w, r)
				return
			}
			s.message(result(r.m.ID, welcome))
			select {
			case <-initialized:
				accepted(s, w, r)
			case <-r.Context().Done():
				cut.Store(true)
			}
		}
		s.script["notifications/initialized"] = func(s *server, w http.ResponseWriter, r request) {
			if r.n == 2 {
				synctest.Wait()
				close(initialized)
			}
			accepted(s, w, r)
		}
		c := s.connect()
		s.hangUp()
		synctest.Wait()
		c.write(call(1, "tools/call"))
		c.want(result(1, `{}`))
		c.end()
		s.count("initialize", 2)
		if cut.Load() {
			t.Error("the request was cut off")
		}
	})
}

// TestSSEBack has the server come back when many calls have asked for it in vain, and nobody asks but those that wait already.
func TestSSEBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLegacy(t, nil)
		down := s.outage(503)
		c := s.connect()
		down.Store(true)
		s.hangUp()
		for i := range 10 {
			time.Sleep(100 * time.Millisecond)
			c.write(call(i, "tools/call"))
		}
		time.Sleep(time.Second)
		before := len(s.requests("GET"))
		time.Sleep(5 * time.Second)
		if n := len(s.requests("GET")) - before; n > 10 {
			t.Errorf("%d attempts in five seconds", n)
		}
		down.Store(false)
		began := time.Now()
		var want []string
		for i := range 10 {
			want = append(want, result(i, `{}`))
		}
		c.wantAll(want...)
		if took := time.Since(began); took > time.Second {
			t.Errorf("back after %v", took)
		}
		c.end()
	})
}

// TestSSEStrange has the server do what it should not.
func TestSSEStrange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLegacy(t, script{
			"in the body": body(`{"jsonrpc":"2.0","id":$ID,"result":"body"}`),
			"refused":     status(400, `{"jsonrpc":"2.0","error":{"code":-32602,"message":"m"}}`),
			"failing":     status(500, "oops"),
			"broken":      broken,
		})
		c := s.connect()
		c.write(call(1, "slow"), call(9, "slow"))
		synctest.Wait()
		for _, m := range []string{"", "{", "not JSON", `{"jsonrpc":"2.0"}`, `7`} {
			s.message(m)
		}
		s.say("event: endpoint\ndata: http://evil.test/\n\n")
		c.quiet()
		s.message(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
		c.want(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
		c.write(result(1, `{}`))
		synctest.Wait()
		wantBody(t, s.server, "response", result(1, `{}`))
		s.message(result(1, `"slow"`))
		c.want(result(1, `"slow"`))
		s.message(result(1, `"again"`))
		c.quiet()
		s.message("{") // can only be the answer to the one that is left
		c.wantError("9", -31000, "can't be read")

		c.write(call(2, "refused"))
		c.want(`{"id":2,"jsonrpc":"2.0","error":{"code":-32602,"message":"m"}}`)
		c.write(call(3, "failing"))
		c.wantError("3", -31000, `"status":500,"text":"oops"`)
		c.write(call(4, "broken"))
		c.wantError("4", -31000, "may have been carried out")
		c.write(call(5, "slow"))
		synctest.Wait()
		c.write(cancelled(5))
		synctest.Wait()
		wantBody(t, s.server, "notifications/cancelled", cancelled(5))
		s.message(result(5, `"late"`))
		c.quiet()
		c.write(call(6, "ping"))
		c.want(result(6, `{}`))
		c.end()
		s.count("GET", 1)
	})
}

// TestSSEEarly has the answer come on the stream before the POST is accepted, and the POST never be.
func TestSSEEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLegacy(t, script{"x": func(s *server, w http.ResponseWriter, r request) {
			s.message(result(r.m.ID, `{}`))
			hang(s, w, r)
		}})
		c := s.connect()
		for i := range 100 { // more than may be at the server at once
			c.write(call(i, "x"))
			c.want(result(i, `{}`))
		}
		c.end()
	})
}

// TestSSEFlapping has the server end each stream as soon as the session has begun on it.
func TestSSEFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLegacy(t, script{"notifications/initialized": func(s *server, w http.ResponseWriter, r request) {
			accepted(s, w, r)
			w.(http.Flusher).Flush()
			s.hangUp()
		}})
		s.connect()
		time.Sleep(10 * time.Minute)
		if n := len(s.requests("GET")); n < 10 || n > 100 {
			t.Errorf("%d GETs in ten minutes", n)
		}
	})
}

// TestSSEUnreadable has the server answer one of two calls with what can't be read, but for its id.
func TestSSEUnreadable(t *testing.T) {
	const limit = 1000
	large := strings.Repeat("x", 2*limit)
	for name, test := range map[string]struct{ m, text string }{
		"bad JSON":            {`{"jsonrpc":"2.0","id":1,"result":{]}`, "can't be read"},
		"cut":                 {`{"jsonrpc":"2.0","id":1,"result":{"a":`, "can't be read"},
		"too large":           {result(1, `"`+large+`"`), "larger than the limit of 1000 bytes"},
		"too large, bad JSON": {`{"jsonrpc":"2.0","id":1,"result":"` + large, "larger than the limit of 1000 bytes"},
	} {
		bubble(t, name, func(t *testing.T) {
			s := newLegacy(t, nil)
			cfg := s.config()
			cfg.Remote.Transport, cfg.Remote.MaxMessage = remote.SSEOnly, limit
			c := start(t, cfg)
			c.write(initialize, initialized)
			c.want(welcomed)
			c.write(call(1, "slow"), call(2, "slow"))
			synctest.Wait()
			s.message(test.m)
			c.wantError("1", -31000, test.text)
			c.quiet()
			s.message(result(2, `{}`))
			c.want(result(2, `{}`))
			c.end()
		})
	}
}
