package relay_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// TestSessionLostWithSignIn has the server forget the session, and then the user. The client learns what a person is to do, as in a session that is open.
func TestSessionLostWithSignIn(t *testing.T) {
	for name, quiet := range map[string]bool{"a call begins another": false, "a call joins the stream, which has begun another": true} {
		bubble(t, name, func(t *testing.T) {
			s, p := newLossy(t, forms["404"], nil), newPerson()
			p.signIn()
			cfg := p.config(s.config())
			do := cfg.Remote.Do
			var lost atomic.Bool
			cfg.Remote.Do = func(req *http.Request) (*http.Response, error) {
				if lost.Load() && req.Method == http.MethodPost && req.Header.Get("Mcp-Session-Id") == "" && lost.Swap(false) {
					time.Sleep(time.Second) // the call comes
					p.signOut()
				}
				return do(req)
			}
			c := start(t, cfg)
			c.write(initialize, initialized)
			c.want(welcomed)
			synctest.Wait()
			s.forget()
			lost.Store(true)
			if quiet {
				s.hangUp()
				for lost.Load() {
					time.Sleep(10 * time.Millisecond)
				}
			}
			c.write(call(1, "tools/call"))
			c.wantText(1, true, "Call the tool sign_in, then repeat this call. The user signs in on this page: "+page)
			c.write(callSignIn(2, ""))
			synctest.Wait()
			p.signIn()
			c.wantText(2, false, "is signed in")
			c.write(call(3, "tools/call"))
			c.want(result(3, `{}`))
			c.end()
			if tabs, _ := p.shown(); s.executed.Load() != 1 || tabs != 1 {
				t.Errorf("%d calls, %d tabs", s.executed.Load(), tabs)
			}
		})
	}
}

// TestSSELostWithSignIn has the stream, which is the session, break when the server has forgotten the user. Nobody is asked to sign in for a stream, but
// for the call that waits for it, at once.
func TestSSELostWithSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newLegacy(t, nil), newPerson()
		p.gets = true
		p.signIn()
		cfg := p.config(s.config())
		cfg.Remote.Transport = remote.SSEOnly
		c := start(t, cfg)
		c.write(initialize, initialized)
		c.want(welcomed)
		synctest.Wait()
		p.signOut()
		s.hangUp()
		time.Sleep(time.Minute)
		if tabs, _ := p.shown(); tabs != 0 {
			t.Errorf("%d tabs for a stream", tabs)
		}
		c.write(call(1, "tools/call"))
		time.Sleep(5 * time.Second)
		if tabs, _ := p.shown(); tabs != 1 {
			t.Fatalf("%d tabs for a call", tabs)
		}
		p.signIn()
		began := time.Now()
		c.want(result(1, `{}`))
		if took := time.Since(began); took > time.Second {
			t.Errorf("back after %v", took)
		}
		c.end()
	})
}

// TestSSELostForAPerson has a call find the stream just lost, and a person needed to open another. It waits for them in vain, and says so.
func TestSSELostForAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newLegacy(t, nil), newPerson()
		p.gets = true
		p.signIn()
		cfg := p.config(s.config())
		cfg.Remote.Transport = remote.SSEOnly
		do := cfg.Remote.Do
		cfg.Remote.Do = func(req *http.Request) (*http.Response, error) {
			time.Sleep(time.Millisecond) // the way to the server, which says that it wants to know who asks
			return do(req)
		}
		c := start(t, cfg)
		c.write(initialize, initialized)
		c.want(welcomed)
		synctest.Wait()
		p.signOut()
		s.hangUp()
		synctest.Wait()
		began := time.Now()
		c.write(call(1, "tools/call"))
		c.wantText(1, true, page)
		if took := time.Since(began); took > 21*time.Second {
			t.Errorf("took %v", took)
		}
		c.end()
	})
}

// TestSessionLostAgain has a proxy answer 404 for a while, to all or to what comes after initialize. What the client is told is about the session.
func TestSessionLostAgain(t *testing.T) {
	gone := status(404, "nothing here")
	for name, more := range map[string]script{
		"all":         {"initialize": inTurn(session("s1"), gone)},
		"initialized": {"notifications/initialized": inTurn(accepted, gone)},
		"call":        nil,
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"tools/call": gone})
			for name, reply := range more {
				s.script[name] = reply
			}
			cfg := s.config()
			cfg.Remote.Hint = func(err error) string {
				if _, ok := errors.AsType[*remote.SessionError](err); !ok {
					return "not about a session"
				}
				return "about a session"
			}
			c := start(t, cfg)
			c.write(initialize, initialized)
			c.want(welcomed)
			c.write(call(1, "tools/call"))
			c.want(`{"jsonrpc":"2.0","id":1,"error":{"code":-31000,"message":"starting the session again: server answered 404 Not Found (about a session)",` +
				`"data":{"source":"atlassian-mcp","status":404,"text":"nothing here"}}}`)
			s.count("initialize", 2)
		})
	}
}
