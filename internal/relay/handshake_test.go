package relay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
)

// able is what a server answers to initialize that has tools and prompts.
const able = `{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"prompts":{}},"serverInfo":{"name":"s","version":"1"}}`

// changed returns the notification that a list has changed.
func changed(kind string) string {
	return `{"jsonrpc":"2.0","method":"notifications/` + kind + `/list_changed"}`
}

// wantGuess fails the test if the next line is not the answer to initialize of a relay that knows nothing of the server.
func (c *client) wantGuess(version string) {
	c.t.Helper()
	m := mustParse(c.t, c.next())
	if got, _ := jsonrpc.Text(jsonrpc.Lookup(m.Raw, "result", "protocolVersion")); m.ID != "0" || got != version {
		c.t.Errorf("client got %s, want version %s", m.Raw, version)
	}
	if got, _ := jsonrpc.Text(jsonrpc.Lookup(m.Raw, "result", "serverInfo", "name")); got != "atlassian-mcp" {
		c.t.Errorf("client got %s", m.Raw)
	}
}

// wantAt fails the test if d have not passed since began.
func wantAt(t *testing.T, began time.Time, d time.Duration) {
	t.Helper()
	if took := time.Since(began); took != d {
		t.Errorf("took %v, want %v", took, d)
	}
}

// A memory is what one relay keeps for the next.
type memory struct {
	mu    sync.Mutex // guards the rest
	m     relay.Memory
	takes time.Duration // to remember
	times int           // that something was kept
}

// config returns cfg with m.
func (m *memory) config(cfg relay.Config) relay.Config {
	cfg.Recall = func(ctx context.Context) relay.Memory {
		select {
		case <-time.After(m.takes):
		case <-ctx.Done():
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.m
	}
	cfg.Remember = func(new relay.Memory) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.m = new
		m.times++
	}
	return cfg
}

// TestHandshakeUnknown has a server take its time of which nothing is known. A client that waits for three seconds is answered in time, and
// its requests get what the server says.
func TestHandshakeUnknown(t *testing.T) {
	for asked, claimed := range map[string]string{
		"2024-11-05": "2024-11-05", "2025-03-26": "2025-03-26", "2025-06-18": "2025-06-18", "2025-11-25": "2025-11-25",
		"2026-07-28": "2025-11-25", "1999-01-01": "2025-11-25", "": "2025-11-25",
	} {
		bubble(t, asked, func(t *testing.T) {
			ready := make(chan struct{})
			s := newServer(t, script{"initialize": after(ready, body(result("$ID", able), "Mcp-Session-Id", "s1"))})
			c := start(t, s.config())
			began := time.Now()
			c.write(strings.Replace(initialize, "2025-06-18", asked, 1))
			c.wantGuess(claimed)
			wantAt(t, began, 2*time.Second)
			c.write(initialized, call(1, "tools/list"), call("2", "ping"))
			c.want(result(2, `{}`))
			time.Sleep(3 * time.Second)
			c.quiet()
			s.wantRequests("initialize")
			close(ready)
			c.wantAll(changed("tools"), changed("prompts"), result(1, `{}`))
			c.end()
			for _, name := range []string{"initialize", "notifications/initialized", "tools/list", "DELETE"} {
				s.count(name, 1)
			}
			for _, r := range s.requests()[1:] {
				if v := r.Header.Get("Mcp-Protocol-Version"); v != "2025-06-18" {
					t.Errorf("%s has version %q, want the one that the server speaks", r.name, v)
				}
			}
		})
	}
}

// TestHandshakeKnown has a server take its time of which a relay before has learnt what it answers. A client that waits for one second is
// answered in time.
func TestHandshakeKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory
		s := newServer(t, script{"initialize": body(result("$ID", able))})
		c := start(t, m.config(s.config()))
		c.write(initialize, initialized)
		c.want(result(0, able))
		synctest.Wait() // for what it has learnt
		c.end()

		ready := make(chan struct{})
		s.script["initialize"] = after(ready, body(result("$ID", able)))
		m.takes = 400 * time.Millisecond // a keychain does
		c = start(t, m.config(s.config()))
		began := time.Now()
		c.write(initialize)
		c.want(result(0, able))
		wantAt(t, began, 500*time.Millisecond)
		c.write(initialized, call(1, "tools/list"))
		c.quiet()
		close(ready)
		c.wantAll(changed("tools"), changed("prompts"), result(1, `{}`))
		c.end()
		if m.times != 1 {
			t.Errorf("%d memories were kept, want one, since nothing has changed", m.times)
		}

		// Of another version it has not answered anything.
		s = newServer(t, script{"initialize": hang})
		c = start(t, m.config(s.config()))
		began = time.Now()
		c.write(strings.Replace(initialize, "2025-06-18", "2025-11-25", 1))
		c.wantGuess("2025-11-25")
		wantAt(t, began, 2*time.Second)
	})
}

// TestHandshakeStarted counts from the start of the process, unless the client comes later than that.
func TestHandshakeStarted(t *testing.T) {
	m := &memory{m: relay.Memory{Answers: map[string]json.RawMessage{"2025-06-18": json.RawMessage(able)}}}
	for _, test := range []struct {
		since time.Duration
		known bool
		want  time.Duration
	}{
		{300 * time.Millisecond, true, 200 * time.Millisecond},
		{time.Minute, true, 500 * time.Millisecond},
		{300 * time.Millisecond, false, 1700 * time.Millisecond},
		{time.Minute, false, 2 * time.Second},
	} {
		bubble(t, fmt.Sprint(test), func(t *testing.T) {
			s := newServer(t, script{"initialize": hang})
			cfg := s.config()
			if test.known {
				cfg = m.config(cfg)
			}
			cfg.Started = time.Now().Add(-test.since)
			c := start(t, cfg)
			began := time.Now()
			c.write(initialize)
			c.next()
			wantAt(t, began, test.want)
		})
	}
}

// TestHandshakeInTime has the server answer just in time. The client gets nothing else then.
func TestHandshakeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"initialize": func(s *server, w http.ResponseWriter, r request) {
			time.Sleep(1999 * time.Millisecond)
			body(result("$ID", able))(s, w, r)
		}})
		c := start(t, s.config())
		c.write(initialize, initialized, call(1, "prompts/list"), call(2, "resources/list"))
		c.want(result(0, able))
		c.wantAll(result(1, `{}`), result(2, `{}`))
		time.Sleep(time.Hour)
		c.end()
		s.count("resources/list", 1)
	})
}

// TestHandshakeVersions has a client and a server that would each like another version. What they say is not translated, whether the server has answered
// initialize in time or not.
func TestHandshakeVersions(t *testing.T) {
	const (
		called   = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","task":{"ttl":1},"_meta":{"progressToken":1.0}}}`
		did      = `{"content":[],"structuredContent":{"n":1e400},"_meta":{"x":null},"new":[1]}`
		elicited = `{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"mode":"url","elicitationId":1}}`
	)
	versions := []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}
	for _, asked := range versions {
		for _, spoken := range versions {
			for name, late := range map[string]time.Duration{"in time": 0, "late": 5 * time.Second} {
				bubble(t, asked+", "+spoken+", "+name, func(t *testing.T) {
					welcome := strings.Replace(able, "2025-06-18", spoken, 1)
					s := newServer(t, script{"initialize": slowly(late, body(result("$ID", welcome))), "tools/call": answer(did), "GET": listening("")})
					c := start(t, s.config())
					first := strings.Replace(initialize, "2025-06-18", asked, 1)
					c.write(first)
					if late == 0 {
						c.want(result(0, welcome))
					} else {
						c.wantGuess(asked)
					}
					c.write(initialized, called)
					if late > 0 {
						c.wantAll(changed("tools"), changed("prompts"), result(1, did))
					} else {
						c.want(result(1, did))
					}
					synctest.Wait()
					s.message(elicited)
					c.want(elicited)
					c.write(result(`"q"`, `{"action":"accept"}`))
					c.quiet()
					c.end()
					wantBody(t, s, "initialize", first)
					wantBody(t, s, "tools/call", called)
					wantBody(t, s, "response", result(`"q"`, `{"action":"accept"}`))
					for _, r := range s.requests()[1:] {
						if v := r.Header.Get("Mcp-Protocol-Version"); v != spoken {
							t.Errorf("%s has version %q", r.name, v)
						}
					}
				})
			}
		}
	}
}

// TestHandshakeLacking has a server that lacks some of what the client was told.
func TestHandshakeLacking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := make(chan struct{})
		s := newServer(t, script{"initialize": after(ready, body(result("$ID", welcome)))})
		cfg := s.config()
		cfg.Version = "1.2"
		c := start(t, cfg)
		c.write(initialize)
		if line := c.next(); !strings.Contains(line, `"version":"1.2"`) {
			t.Errorf("client got %s", line)
		}
		lists := []string{"tools/list", "prompts/list", "resources/list", "resources/templates/list", "logging/setLevel", "resources/subscribe"}
		want := []string{
			result(0, `{"tools":[]}`), result(1, `{"prompts":[]}`), result(2, `{"resources":[]}`), result(3, `{"resourceTemplates":[]}`), result(4, `{}`),
			`{"jsonrpc":"2.0","id":5,"error":{"code":-32601,"message":"server does not know the method resources/subscribe"}}`,
		}
		c.write(initialized)
		for i, method := range lists {
			c.write(call(i, method))
		}
		c.quiet()
		close(ready)
		c.want(want...)
		for i, method := range lists { // and so it goes on
			c.write(call(i, method))
		}
		c.want(want...)
		c.write(call(6, "tools/call"))
		c.want(result(6, `{}`))
		c.end()
		s.count("tools/list", 0)
		s.count("tools/call", 1)
	})
}

// TestHandshakeCapabilities is about the server that is known by name.
func TestHandshakeCapabilities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"initialize": hang})
		cfg := s.config()
		cfg.Capabilities = []byte(`{"logging":{}}`)
		c := start(t, cfg)
		c.write(initialize)
		if line := c.next(); !strings.Contains(line, `"capabilities":{"logging":{}}`) {
			t.Errorf("client got %s", line)
		}
	})
}

// TestHandshakeSilent has a server that never answers. No request waits for more than the limit, and each is answered once.
func TestHandshakeSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"initialize": hang})
		c := start(t, s.config())
		began := time.Now()
		c.write(initialize, initialized, call(1, "tools/list"), call(2, "tools/call"))
		c.wantGuess("2025-06-18")
		time.Sleep(5 * time.Second)
		c.write(call(3, "tools/list"), call(4, "tools/list"), cancelled(4))
		for i := range 3 {
			c.wantError(fmt.Sprint(i+1), -31000, "not answered")
			wantAt(t, began, []time.Duration{20 * time.Second, 20 * time.Second, 27 * time.Second}[i])
		}
		s.count("tools/list", 0)
		c.quiet()
		began = time.Now()
		c.end()
		wantAt(t, began, 0)
	})
}

// TestHandshakeNetworkDown starts without a network, which comes later. Nothing needs to be started again.
func TestHandshakeNetworkDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"initialize": body(result("$ID", able))})
		n := newNetwork(t, s)
		n.down.Store(true)
		c := start(t, n.config(s))
		began := time.Now()
		c.write(initialize, initialized, call(1, "tools/list"))
		c.wantGuess("2025-06-18")
		wantAt(t, began, 2*time.Second)
		c.wantError("1", -31000, "connection refused")
		wantAt(t, began, 20*time.Second)

		// While nobody waits there is an attempt each 30 s.
		before := len(n.tried(0))
		time.Sleep(10 * time.Minute)
		idle := n.tried(before - 1)
		for i, at := range idle[2:] { // the first is of when a request waited, and the next was due by then
			if pause := at.Sub(idle[i+1]); pause != 30*time.Second {
				t.Errorf("idle attempt %d after %v", i+1, pause)
			}
		}
		if len(idle) < 19 {
			t.Errorf("%d attempts in 10 idle minutes", len(idle))
		}
		c.quiet()
		// A request makes one at once.
		time.Sleep(7 * time.Second)
		before = len(n.tried(0))
		c.write(call(2, "tools/list"))
		synctest.Wait()
		if got := n.tried(before); len(got) != 1 || time.Since(got[0]) != 0 {
			t.Errorf("attempts for a request: %v", got)
		}
		n.down.Store(false)
		c.wantAll(changed("tools"), changed("prompts"), result(2, `{}`))
		c.end()
		s.count("initialize", 1)
		s.count("tools/list", 1)
	})
}

// TestHandshakeRefused is about failures that will not be over by themselves, before and after the client was answered here.
func TestHandshakeRefused(t *testing.T) {
	const said = `{"code":-32602,"message":"no","data":{"n":1e400}}`
	ours := `"message":"opening the session: server answered with error -32602: no","data":{"error":` + said + `,"source":"atlassian-mcp"}}`
	for name, test := range map[string]struct {
		refused reply
		want    string // in the answers to other requests
	}{
		"403":            {status(403, "no"), `"text":"no"`},
		"error":          {body(`{"jsonrpc":"2.0","id":$ID,"error":` + said + `}`), ours},
		"403 with error": {status(403, `{"jsonrpc":"2.0","id":null,"error":`+said+`}`), ours},
	} {
		bubble(t, name, func(t *testing.T) {
			refused := test.refused
			ready := make(chan struct{})
			s := newServer(t, script{"initialize": inTurn(after(ready, refused), refused, body(result("$ID", able)))})
			c := start(t, s.config())
			c.write(initialize, initialized, call(1, "x"), call(2, "x"))
			c.wantGuess("2025-06-18")
			close(ready)
			c.wantError("1", -31000, test.want)
			c.wantError("2", -31000, test.want)
			time.Sleep(time.Hour)
			c.quiet()
			s.count("initialize", 1)
			c.write(call(3, "x"))
			c.wantError("3", -31000, test.want)
			c.write(call(4, "x"))
			c.wantAll(changed("tools"), changed("prompts"), result(4, `{}`))
			c.end()
			s.count("notifications/initialized", 1)
			s.count("x", 1)
		})
	}
}

// TestHandshakeNotRepeated has a client without a handshake begin with a call, which must not be carried out when the client has been told that it was not.
func TestHandshakeNotRepeated(t *testing.T) {
	for name, first := range map[string]reply{"hangs": hang, "broken": broken, "503": status(503, "")} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"tools/call": first})
			c := start(t, s.config())
			c.write(call(1, "tools/call"))
			c.wantError("1", -31000, "")
			time.Sleep(time.Hour)
			c.quiet()
			s.count("tools/call", 1)
		})
	}
}

// TestHandshakeTwice has a client begin again, as one does that has given up.
func TestHandshakeTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := make(chan struct{})
		s := newServer(t, script{"initialize": inTurn(hang, after(ready, body(result("$ID", able))))})
		c := start(t, s.config())
		c.write(initialize)
		synctest.Wait()
		c.write(strings.Replace(initialize, `"id":0`, `"id":1`, 1))
		if line := c.next(); !strings.HasPrefix(line, `{"jsonrpc":"2.0","id":0,"result":`) {
			t.Errorf("client got %s", line)
		}
		close(ready)
		c.want(result(1, able))
		c.write(initialized, call(2, "x"))
		c.wantAll(result(2, `{}`), changed("tools"), changed("prompts"))
		c.end()
	})
}

// TestHandshakeLate has a client begin with a call, and with the handshake only then.
func TestHandshakeLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := make(chan struct{})
		s := newServer(t, script{"tools/call": after(ready, answer(`"called"`)), "initialize": body(result("$ID", able))})
		c := start(t, s.config())
		c.write(call(1, "tools/call"), initialize, initialized)
		time.Sleep(10 * time.Second)
		close(ready)
		c.wantAll(result(0, able), result(1, `"called"`))
		c.end()
		s.count("tools/call", 1)
		s.count("initialize", 1)
	})
}

// TestBatchHeld has initialize come in an array, which can be answered only as a whole.
func TestBatchHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := make(chan struct{})
		s := newServer(t, script{"initialize": after(ready, body(result("$ID", able)))})
		c := start(t, s.config())
		c.write(array(initialize, initialized, call(1, "x")))
		time.Sleep(10 * time.Second)
		c.quiet()
		close(ready)
		lines := []string{c.next(), c.next(), c.next()}
		for _, want := range []string{changed("tools"), changed("prompts")} {
			if !slices.Contains(lines, want) {
				t.Errorf("client got %q, want %s", lines, want)
			}
		}
		i := slices.IndexFunc(lines, func(line string) bool { return line[0] == '[' })
		if i < 0 || !strings.Contains(lines[i], `"name":"atlassian-mcp"`) || !strings.Contains(lines[i], result(1, `{}`)) {
			t.Errorf("client got %q", lines)
		}
		c.end()
		s.count("initialize", 1)
	})
}

// TestOneShot pipes everything in at once and reads what comes out, as a script does. It gets what the server says.
func TestOneShot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(then reply) reply {
			return func(s *server, w http.ResponseWriter, r request) {
				time.Sleep(400 * time.Millisecond)
				then(s, w, r)
			}
		}
		s := newServer(t, script{"initialize": slow(body(result("$ID", able))), "tools/list": slow(answer(`{"tools":[1]}`))})
		c := start(t, s.config())
		c.write(initialize, initialized, call(1, "tools/list"))
		c.in.Close()
		<-c.done
		c.want(result(0, able), result(1, `{"tools":[1]}`))
		c.quiet()
	})
}
