package relay_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// tracked returns a request whose progress is told by a token.
func tracked(id any, method string, token any) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,"method":%q,"params":{"_meta":{"progressToken":%v}}}`, id, method, token)
}

// connectImpatient runs a relay with a limit of a minute for requests, and has a session opened.
func connectImpatient(t *testing.T, s *server, transport remote.Transport) *client {
	t.Helper()
	cfg := s.config()
	cfg.Remote.Transport, cfg.Remote.RequestTimeout = transport, time.Minute
	c := start(t, cfg)
	c.write(initialize, initialized)
	c.want(welcomed)
	synctest.Wait()
	return c
}

// TestRecoverDeadline has a request take longer than it may.
func TestRecoverDeadline(t *testing.T) {
	progress := func(token string) string {
		return `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":` + token + `,"progress":1}}`
	}
	// Each tells for five minutes, every half a minute, what is said on the stream of the call.
	for _, test := range []struct {
		name, token, said string
		answered          bool
	}{
		{"silence", "7", "", false},
		{"comments", "7", ": wait\n\n", false},
		{"its progress", "7", data(progress("7")), true},
		{"its progress, as text", `"a/b"`, data(progress(`"a\/b"`)), true},
		{"progress of another", "7", data(progress("8")), false},
		{"progress of another kind", "7", data(progress(`"7"`)), false},
		{"progress of nothing", "7", data(`{"jsonrpc":"2.0","method":"notifications/progress","params":{}}`), false},
		{"something else", "7", data(`{"jsonrpc":"2.0","method":"notifications/message","params":{"progressToken":7}}`), false},
	} {
		bubble(t, test.name, func(t *testing.T) {
			s := newServer(t, script{"tools/call": func(s *server, w http.ResponseWriter, r request) {
				for range 10 {
					stream(w, r, test.said)
					select {
					case <-time.After(30 * time.Second):
					case <-r.Context().Done():
						return
					}
				}
				stream(w, r, data(result("$ID", `"late"`)))
			}})
			c := connectImpatient(t, s, remote.HTTPOnly)
			began := time.Now()
			c.write(tracked(1, "tools/call", test.token))
			line := c.next()
			for m := mustParse(t, line); m.Method != ""; m = mustParse(t, line) {
				line = c.next()
			}
			m := mustParse(t, line)
			if m.Failed == test.answered {
				t.Errorf("client got %s", line)
			}
			if took := time.Since(began); !test.answered && took != time.Minute {
				t.Errorf("took %v", took)
			}
			synctest.Wait()
			if !test.answered {
				wantBody(t, s, "notifications/cancelled", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"no answer in time"}}`)
				s.count("notifications/cancelled", 1)
			} else {
				s.count("notifications/cancelled", 0)
			}
			s.count("tools/call", 1)
			time.Sleep(10 * time.Minute)
			for len(c.lines) > 0 {
				if m := mustParse(t, c.next()); m.Method == "" {
					t.Errorf("client got %s late", m.Raw)
				}
			}
			c.write(call(2, "ping"))
			c.want(result(2, `{}`))
			c.end()
		})
	}
}

// TestRecoverDeadlineLate has the answer come when it has been given up.
func TestRecoverDeadlineLate(t *testing.T) {
	bubble(t, "json", func(t *testing.T) {
		s := newServer(t, script{"tools/call": func(s *server, w http.ResponseWriter, r request) {
			time.Sleep(70 * time.Second)
			answer(`"late"`)(s, w, r)
		}})
		c := connectImpatient(t, s, remote.HTTPOnly)
		c.write(call(1, "tools/call"))
		c.wantError("1", -31000, "no answer and no progress for 1m0s; the request has been cancelled, but may have been carried out")
		time.Sleep(time.Minute)
		c.quiet()
		s.count("notifications/cancelled", 1)
		c.write(call(1, "ping")) // the id is free again
		c.want(result(1, `{}`))
		c.end()
	})
	bubble(t, "sse", func(t *testing.T) {
		s := newLegacy(t, nil)
		c := connectImpatient(t, s.server, remote.SSEOnly)
		c.write(call(1, "slow"))
		c.wantError("1", -31000, "no answer")
		s.message(result(1, `"late"`))
		c.quiet()
		s.count("notifications/cancelled", 1)
		c.write(call(2, "tools/call"))
		c.want(result(2, `{}`))
		s.count("GET", 1)
		c.end()
	})
	bubble(t, "modern", func(t *testing.T) {
		gone := make(chan struct{})
		s := newServer(t, script{"tools/call": func(s *server, w http.ResponseWriter, r request) {
			stream(w, r, ": here\n\n")
			<-r.Context().Done()
			close(gone)
		}, "subscriptions/listen": listening("")})
		cfg := s.config()
		cfg.Remote.RequestTimeout = time.Minute
		c := start(t, cfg)
		meta := `"params":{"name":"x","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`
		c.write(`{"jsonrpc":"2.0","id":"l","method":"subscriptions/listen",`+meta, `{"jsonrpc":"2.0","id":1,"method":"tools/call",`+meta)
		c.wantError("1", -31000, "no answer")
		<-gone // which is how its era cancels
		time.Sleep(time.Hour)
		c.quiet()
		s.count("notifications/cancelled", 0)
		s.message(result(`"l"`, `{}`))
		c.want(result(`"l"`, `{}`)) // for which there is no limit
		c.in.Close()
		<-c.done
	})
	bubble(t, "client cancels too", func(t *testing.T) {
		s := newServer(t, script{"tools/call": hang})
		c := connectImpatient(t, s, remote.HTTPOnly)
		c.write(call(1, "tools/call"))
		c.wantError("1", -31000, "no answer")
		c.write(cancelled(1), call(2, "ping"))
		c.want(result(2, `{}`))
		c.in.Close()
		<-c.done
	})
}

// TestRecoverDeadlineUnsent has requests wait for their turn longer than they may. The server never hears of them.
func TestRecoverDeadlineUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"hang": hang})
		c := connectImpatient(t, s, remote.HTTPOnly)
		for i := range 64 {
			c.write(tracked(i, "hang", i))
		}
		time.Sleep(30 * time.Second)
		for i := range 100 {
			c.write(call(100+i, "hang"))
		}
		var ids []string
		for range 164 {
			m := mustParse(t, c.next())
			if !m.Failed {
				t.Errorf("client got %s", m.Raw)
			}
			ids = append(ids, string(m.ID))
		}
		slices.Sort(ids)
		if len(slices.Compact(ids)) != 164 {
			t.Errorf("%d were answered", len(ids))
		}
		synctest.Wait()
		s.count("hang", 128) // 64 got a place when the first were given up
		s.count("notifications/cancelled", 128)
		time.Sleep(time.Minute)
		c.quiet()
		c.write(call(1000, "ping"))
		c.want(result(1000, `{}`))
		c.end()
	})
}

// TestRecoverNoDeadline has no limit, as is the default.
func TestRecoverNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"tools/call": func(s *server, w http.ResponseWriter, r request) {
			time.Sleep(24 * time.Hour)
			answer(`{}`)(s, w, r)
		}})
		c := connect(t, s)
		c.write(call(1, "tools/call"))
		time.Sleep(24*time.Hour - time.Minute)
		c.quiet()
		c.want(result(1, `{}`))
		c.end()
	})
}
