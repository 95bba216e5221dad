package relay_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestCancelSent cancels a request that is with the server.
func TestCancelSent(t *testing.T) {
	for _, id := range []string{`1`, `"a"`, `9007199254740993`, `1.5`, `null`} {
		for name, late := range map[string]reply{
			"answered late":           answer(`"late"`),
			"answered late on stream": events(data(`{"jsonrpc":"2.0","id":$ID,"result":"late"}`)),
			"refused late":            status(500, "late"),
			"cut late":                broken,
		} {
			bubble(t, id+" "+name, func(t *testing.T) {
				ready := make(chan struct{})
				s := newServer(t, script{"slow": after(ready, late)})
				c := connect(t, s)
				c.write(call(id, "slow"))
				synctest.Wait()
				c.write(cancelled(id))
				synctest.Wait()
				wantBody(t, s, "notifications/cancelled", cancelled(id))
				close(ready)
				c.quiet()
				c.write(call(id, "ping")) // the id is free
				c.want(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{}}`, id))
				c.end()
				s.count("slow", 1)
			})
		}
	}
}

// TestCancelOther cancels what is not there to be cancelled.
func TestCancelOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := make(chan struct{})
		s := newServer(t, script{"slow": after(ready, answer(`{}`))})
		c := connect(t, s)
		c.write(call(1, "x"))
		c.want(result(1, `{}`))
		c.write(call(2, "slow"))
		synctest.Wait()
		for _, m := range []string{
			cancelled(1), cancelled(99), cancelled(`"2"`), `{"jsonrpc":"2.0","method":"notifications/cancelled"}`,
			`{"jsonrpc":"2.0","method":"notifications/cancelled","params":[2]}`, `{"jsonrpc":"2.0","method":"notifications/Cancelled","params":{"requestId":2}}`,
			cancelled(0), // initialize
		} {
			c.write(m)
			synctest.Wait()
			wantBody(t, s, map[bool]string{true: "notifications/Cancelled", false: "notifications/cancelled"}[strings.Contains(m, "Cancelled")], m)
		}
		c.quiet()
		close(ready)
		c.want(result(2, `{}`))
		c.end()
	})
}

// TestCancelOpening cancels what waits for the session.
func TestCancelOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := make(chan struct{})
		s := newServer(t, script{"initialize": after(ready, session("s1"))})
		c := start(t, s.config())
		c.write(initialize, initialized, call(1, "x"), call(2, "x"), cancelled(1), cancelled(0))
		synctest.Wait()
		close(ready)
		c.want(welcomed, result(2, `{}`))
		c.quiet()
		s.count("x", 1)
		s.count("notifications/cancelled", 0) // not of initialize either, which can't be cancelled
		c.end()
	})
}

// TestCancelResuming cancels a call while its stream is out of reach.
func TestCancelResuming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"slow": events("id: 1\nretry: 10000\n\n"), "GET": status(503, "")})
		c := connect(t, s)
		c.write(call(1, "slow"))
		time.Sleep(12 * time.Second)
		c.write(cancelled(1))
		time.Sleep(time.Hour)
		c.quiet()
		s.count("notifications/cancelled", 1)
		c.end()
	})
}

// TestCancelWaiting cancels a request that the server has asked to repeat later.
func TestCancelWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"tools/list": inTurn(status(503, "", "Retry-After", "30"), answer(`"late"`))})
		c := connect(t, s)
		c.write(call(1, "tools/list"))
		time.Sleep(10 * time.Second)
		c.write(cancelled(1))
		time.Sleep(time.Hour)
		c.quiet()
		s.count("tools/list", 1)
		c.end()
	})
}

// TestCancelRace cancels calls at the time when they are answered. Each is answered once at most, and not at all once the server has
// had the cancellation and the client an answer to what it asked after it.
func TestCancelRace(t *testing.T) {
	const calls = 300
	var gone sync.Map // ids whose cancellation the server has seen
	var executed atomic.Int32
	s := newServer(t, script{
		"x": func(s *server, w http.ResponseWriter, r request) {
			executed.Add(1)
			answer(`{}`)(s, w, r)
		},
		"notifications/cancelled": func(s *server, w http.ResponseWriter, r request) {
			gone.Store(r.body, true)
			accepted(s, w, r)
		},
	})
	c := start(t, s.config())
	c.write(initialize, initialized)
	c.want(welcomed)
	answers := make(map[string]int)
	for i := 1; i <= calls; i++ {
		lines := []string{call(i, "x"), cancelled(i), call(fmt.Sprintf(`"after %d"`, i), "ping")}
		if i%3 == 0 { // give it a chance to be answered
			c.write(lines[0])
			lines = lines[1:]
		}
		c.write(lines...)
		for {
			line := c.next()
			answers[line]++
			if line == fmt.Sprintf(`{"jsonrpc":"2.0","id":"after %d","result":{}}`, i) {
				break
			}
			if line != result(i, `{}`) {
				t.Fatalf("client got %s after cancelling %d", line, i)
			}
		}
	}
	for line, n := range answers {
		if n != 1 {
			t.Errorf("%d × %s", n, line)
		}
	}
	if len(answers) < calls {
		t.Errorf("%d answers", len(answers))
	}
	if int(executed.Load()) > calls {
		t.Errorf("server executed %d calls of %d", executed.Load(), calls)
	}
	c.end()
}

// TestCancelTwice uses an id again as soon as it has cancelled it.
func TestCancelTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := make(chan struct{})
		s := newServer(t, script{"slow": inTurn(after(ready, answer(`"first"`)), answer(`"second"`))})
		c := connect(t, s)
		c.write(call(1, "slow"))
		synctest.Wait()
		c.write(cancelled(1), call(1, "slow"))
		c.want(result(1, `"second"`))
		close(ready)
		c.quiet()
		c.end()
	})
}

// TestCancelFirst cancels the request that opens the session. It gets no answer, and the next one opens it anew.
func TestCancelFirst(t *testing.T) {
	for name, first := range map[string]string{"call": call(`"d"`, "tools/call"), "server/discover": discover, "list": call(`"d"`, "tools/list")} {
		for how, silent := range map[string]reply{"hangs": hang, "hangs inside": stall(200, "application/json"), "one byte": raw("H"), "500": stall(500, "")} {
			bubble(t, name+" "+how, func(t *testing.T) {
				s := newServer(t, script{mustParse(t, first).Method: silent})
				c := start(t, s.unhurried())
				c.write(first)
				time.Sleep(time.Second)
				c.write(cancelled(`"d"`))
				time.Sleep(time.Hour)
				c.quiet()
				c.write(initialize, initialized, call(1, "x"))
				c.want(welcomed, result(1, `{}`))
				c.end()
				s.count(mustParse(t, first).Method, 1)
			})
		}
	}
}
