package relay_test

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

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// A tokens is whoever renews them.
type tokens struct {
	current atomic.Int32
	renewed atomic.Int32
	err     error
	took    time.Duration
}

func (k *tokens) renew(ctx context.Context) error {
	k.renewed.Add(1)
	select {
	case <-time.After(k.took):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if k.err == nil {
		k.current.Add(1)
	}
	return k.err
}

// stale is what a tool answers in a session whose token is over, byte for byte.
const stale = `{"content":[{"type":"text","text":"{\"error\":true,\"message\":\"Authentication failed: over\"}"}],  "isError":true}`

// heed has cfg renew tokens and session.
func (k *tokens) heed(cfg *relay.Config) {
	cfg.Remote.Stale = func(m jsonrpc.Message) bool { return strings.Contains(string(m.Raw), "Authentication failed") }
	cfg.Remote.Renew = k.renew
}

// A forgetful is a server whose sessions keep the token that was there when they began. A token ends only when the test says so.
type forgetful struct {
	*server
	tokens
	valid    atomic.Int32 // the first token that is
	sessions atomic.Int32
	executed atomic.Int32
	finish   chan struct{} // "slow" waits for it
}

func newForgetful(t *testing.T) *forgetful {
	f := &forgetful{finish: make(chan struct{})}
	tokenOf := make(map[string]int32)
	gone := make(map[string]bool) // guarded by server.mu, as tokenOf is
	known := func(then reply) reply {
		return func(s *server, w http.ResponseWriter, r request) {
			id := r.Header.Get("Mcp-Session-Id")
			s.mu.Lock()
			_, ok := tokenOf[id]
			ok = ok && !gone[id]
			s.mu.Unlock()
			if !ok {
				status(404, "no such session")(s, w, r)
				return
			}
			then(s, w, r)
		}
	}
	f.server = newServer(t, script{
		"initialize": func(s *server, w http.ResponseWriter, r request) {
			id := fmt.Sprint("s", f.sessions.Add(1))
			s.mu.Lock()
			tokenOf[id] = f.current.Load()
			s.mu.Unlock()
			session(id)(s, w, r)
		},
		"DELETE": func(s *server, w http.ResponseWriter, r request) {
			s.mu.Lock()
			gone[r.Header.Get("Mcp-Session-Id")] = true
			s.mu.Unlock()
		},
		"tools/call": known(func(s *server, w http.ResponseWriter, r request) {
			f.executed.Add(1)
			s.mu.Lock()
			token := tokenOf[r.Header.Get("Mcp-Session-Id")]
			s.mu.Unlock()
			if token < f.valid.Load() {
				answer(stale)(s, w, r)
			} else {
				answer(`{}`)(s, w, r)
			}
		}),
		"slow": known(func(s *server, w http.ResponseWriter, r request) {
			stream(w, r, data(`{"jsonrpc":"2.0","id":"q","method":"elicitation/create"}`))
			select {
			case <-f.finish:
				stream(w, r, data(result("$ID", `{}`)))
			case <-r.Context().Done():
			}
		}),
		"response": known(accepted), "GET": known(listening("")), "ping": known(answer(`{}`)),
	})
	return f
}

func (f *forgetful) connect() *client {
	cfg := f.config()
	f.heed(&cfg)
	c := start(f.t, cfg)
	c.write(initialize, initialized)
	c.want(welcomed)
	synctest.Wait()
	return c
}

// TestStale has a token end in the middle of a session.
func TestStale(t *testing.T) {
	bubble(t, "renewed", func(t *testing.T) {
		s := newForgetful(t)
		s.took = 3 * time.Second
		c := s.connect()
		c.write(call(1, "slow"))
		c.want(`{"jsonrpc":"2.0","id":"q","method":"elicitation/create"}`)
		s.valid.Store(1)
		c.write(call(2, "tools/call"))
		c.want(result(2, stale))
		c.write(call(3, "tools/call"), call(4, "tools/call")) // at once: they wait for the new session
		c.wantAll(result(3, `{}`), result(4, `{}`))
		if n := s.executed.Load(); n != 3 {
			t.Errorf("%d calls were executed, want 3", n)
		}
		if n := s.renewed.Load(); n != 1 {
			t.Errorf("renewed %d times", n)
		}
		s.count("initialize", 2)
		s.count("DELETE", 0)
		// What is under way stays in its session, and so does what the server asks for it.
		c.write(result(`"q"`, `{"action":"accept"}`))
		synctest.Wait()
		if got := s.requests("response")[0].Header.Get("Mcp-Session-Id"); got != "s1" {
			t.Errorf("the old session's answer went to %s", got)
		}
		close(s.finish)
		c.want(result(1, `{}`))
		synctest.Wait()
		s.count("DELETE", 1) // nobody uses it any more
		if got := s.requests("DELETE")[0].Header.Get("Mcp-Session-Id"); got != "s1" {
			t.Errorf("deleted %s", got)
		}
		gets := s.requests("GET")
		if got := gets[len(gets)-1].Header.Get("Mcp-Session-Id"); len(gets) != 2 || got != "s2" {
			t.Errorf("%d streams, the last in %s", len(gets), got)
		}
		s.message(`{"jsonrpc":"2.0","method":"n"}`)
		c.want(`{"jsonrpc":"2.0","method":"n"}`)
		c.end()
		s.count("DELETE", 2)
	})
	bubble(t, "many at once", func(t *testing.T) {
		s := newForgetful(t)
		c := s.connect()
		s.valid.Store(1)
		var calls []string
		for i := range 60 {
			calls = append(calls, call(i, "tools/call"))
		}
		c.write(calls...)
		for range calls {
			c.next()
		}
		synctest.Wait()
		if n := s.renewed.Load(); n != 1 || s.executed.Load() != 60 {
			t.Errorf("renewed %d times for %d calls", n, s.executed.Load())
		}
		s.count("initialize", 2)
		c.write(call(100, "tools/call"))
		c.want(result(100, `{}`))
		c.end()
	})
	bubble(t, "no cure", func(t *testing.T) {
		s := newForgetful(t)
		c := s.connect()
		s.valid.Store(1000)
		for i := range 300 {
			c.write(call(i, "tools/call"))
			c.want(result(i, stale))
			time.Sleep(time.Second)
		}
		if n := s.renewed.Load(); n < 4 || n > 5 {
			t.Errorf("renewed %d times in five minutes", n)
		}
		if n := s.executed.Load(); n != 300 {
			t.Errorf("%d calls were executed", n)
		}
		c.end()
		s.count("initialize", int(s.renewed.Load())+1)
		s.count("DELETE", int(s.renewed.Load())+1)
	})
	bubble(t, "no tokens", func(t *testing.T) {
		s := newForgetful(t)
		s.err = errors.New("nobody is there to sign in")
		c := s.connect()
		s.valid.Store(1)
		c.write(call(1, "tools/call"), call(2, "ping"))
		c.wantAll(result(1, stale), result(2, `{}`))
		c.write(call(3, "tools/call"))
		c.want(result(3, stale))
		s.count("initialize", 1)
		c.end()
	})
	bubble(t, "tokens that don't come", func(t *testing.T) {
		s := newForgetful(t)
		s.took = time.Hour
		c := s.connect()
		s.valid.Store(1)
		c.write(call(1, "tools/call"))
		c.want(result(1, stale))
		began := time.Now()
		c.write(call(2, "ping"))
		c.want(result(2, `{}`)) // in the old session
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("took %v", took)
		}
		c.end()
	})
	bubble(t, "ended meanwhile", func(t *testing.T) {
		s := newForgetful(t)
		s.took = time.Hour
		c := s.connect()
		s.valid.Store(1)
		c.write(call(1, "tools/call"))
		c.want(result(1, stale))
		began := time.Now()
		c.end()
		if took := time.Since(began); took > 0 {
			t.Errorf("took %v to end", took)
		}
		s.count("DELETE", 1)
	})
	bubble(t, "no session", func(t *testing.T) {
		s := newServer(t, script{"initialize": answer(welcome), "tools/call": answer(stale)})
		k := new(tokens)
		cfg := s.config()
		k.heed(&cfg)
		c := start(t, cfg)
		c.write(initialize, initialized)
		c.want(welcomed)
		c.write(call(1, "tools/call"))
		c.want(result(1, stale))
		synctest.Wait()
		if n := k.renewed.Load(); n != 1 {
			t.Errorf("renewed %d times", n)
		}
		s.count("initialize", 1)
		c.end()
	})
}

// TestStaleSSE is TestStale with HTTP+SSE, whose session is its stream.
func TestStaleSSE(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := new(tokens)
		var s *legacy
		s = newLegacy(t, script{
			"tools/call": func(_ *server, w http.ResponseWriter, r request) {
				s.executed.Add(1)
				text := `{}`
				if r.URL.Query().Get("s") == "1" {
					text = stale
				}
				onStream(result("$ID", text))(s.server, w, r)
			},
			"slow": accepted, "response": accepted,
		})
		cfg := s.config()
		cfg.Remote.Transport = remote.SSEOnly
		k.heed(&cfg)
		c := start(t, cfg)
		c.write(initialize, initialized)
		c.want(welcomed)
		synctest.Wait()
		s.mu.Lock()
		first := s.streams[0]
		s.mu.Unlock()
		first.said <- data(`{"jsonrpc":"2.0","id":"q","method":"elicitation/create"}`)
		c.want(`{"jsonrpc":"2.0","id":"q","method":"elicitation/create"}`)
		c.write(call(1, "slow"))
		synctest.Wait()
		c.write(call(2, "tools/call"))
		c.want(result(2, stale))
		c.write(call(3, "tools/call"))
		c.want(result(3, `{}`))
		if n, e := k.renewed.Load(), s.executed.Load(); n != 1 || e != 2 {
			t.Errorf("renewed %d times, %d calls executed", n, e)
		}
		c.write(result(`"q"`, `{}`))
		synctest.Wait()
		if got := s.requests("response")[0].URL.Query().Get("s"); got != "1" {
			t.Errorf("the old session's answer went to %s", got)
		}
		select {
		case <-first.gone:
			t.Error("the old stream was ended with a call on it")
		default:
		}
		first.said <- data(result(1, `"late"`))
		c.want(result(1, `"late"`))
		synctest.Wait()
		select {
		case <-first.gone:
		default:
			t.Error("the old stream goes on for nobody")
		}
		s.message(`{"jsonrpc":"2.0","method":"n"}`)
		c.want(`{"jsonrpc":"2.0","method":"n"}`)
		s.count("GET", 2)
		s.count("initialize", 2)
		c.end()
	})
}
