package relay_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/policy"
	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
)

const page = "https://auth.test/authorize?a=b&c=d"

var errPerson = errors.New("sign-in needed")

// A person is someone without whom the server can't be used, for as long as they are out. It stands for package auth.
type person struct {
	changed chan struct{}
	gets    bool // GETs need the person too

	mu     sync.Mutex    // guards the rest
	out    bool          // nobody has signed in
	page   string        // that waits
	needed bool          // a request has run into that
	in     chan struct{} // closed when somebody signs in
	opened int           // how often the page was shown because somebody asked for it
	tabs   int           // how often it was because a request needed it
	looks  int
}

func newPerson() *person {
	return &person{changed: make(chan struct{}, 1), out: true, in: make(chan struct{})}
}

// edit changes p and says so.
func (p *person) edit(f func()) {
	p.mu.Lock()
	f()
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// signIn has the person sign in, here or elsewhere.
func (p *person) signIn() {
	p.edit(func() {
		p.out, p.needed, p.page = false, false, ""
		close(p.in)
	})
}

// signOut has the server forget that they did.
func (p *person) signOut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out, p.in = true, make(chan struct{})
}

// shown returns how often the page was because a request needed it, and how often because somebody asked for it.
func (p *person) shown() (tabs, opened int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tabs, p.opened
}

type waitingKey struct{}

// config returns cfg for a server that needs p.
func (p *person) config(cfg relay.Config) relay.Config {
	do := cfg.Remote.Do
	cfg.Remote.Waiting = func(ctx context.Context) context.Context { return context.WithValue(ctx, waitingKey{}, true) }
	cfg.Remote.Do = func(req *http.Request) (*http.Response, error) {
		p.mu.Lock()
		out, in := p.out, p.in
		p.mu.Unlock()
		if out && (req.Method == http.MethodPost || p.gets && req.Method == http.MethodGet) {
			if req.Context().Value(waitingKey{}) == nil {
				p.edit(func() { p.needed = true })
				return nil, errPerson
			}
			p.edit(func() {
				if p.page == "" {
					p.tabs++
				}
				p.page, p.needed = page, true
			})
			select {
			case <-in:
			case <-time.After(20 * time.Second):
				return nil, errPerson
			case <-req.Context().Done():
				return nil, req.Context().Err()
			}
		}
		return do(req)
	}
	cfg.SignIn = &relay.SignIn{
		State: func() (string, bool) {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.page, p.needed
		},
		Changed: p.changed,
		Caused:  func(err error) bool { return errors.Is(err, errPerson) },
		Open: func(ctx context.Context) error {
			var in <-chan struct{}
			p.edit(func() { p.opened, p.page, in = p.opened+1, page, p.in })
			select {
			case <-in:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		Look: func(context.Context) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.looks++
		},
	}
	return cfg
}

// wantTools fails the test if the next line is not the list that has sign_in alone.
func (c *client) wantTools(id any) {
	c.t.Helper()
	line := c.next()
	if !strings.HasPrefix(line, fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,"result":{"tools":[{"name":"sign_in"`, id)) || strings.Count(line, `"inputSchema"`) != 1 {
		c.t.Errorf("client got %s, want the tool sign_in", line)
	}
}

// wantText fails the test if the next line is not the result of a tool, an error or not, with a text somewhere in it.
func (c *client) wantText(id any, failed bool, text string) {
	c.t.Helper()
	line := c.next()
	if !strings.HasPrefix(line, fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,"result":{"content":[`, id)) || !strings.Contains(line, fmt.Sprintf(`"isError":%t`, failed)) || !strings.Contains(line, text) {
		c.t.Errorf("client got %s, want a result with %q, error %t", line, text, failed)
	}
}

// callSignIn returns a call of sign_in.
func callSignIn(id any, meta string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,"method":"tools/call","params":{"name":"sign_in","arguments":{}%s}}`, id, meta)
}

// TestSignIn needs a person from the beginning. The client is told at once, and everything is there when they have signed in.
func TestSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newServer(t, script{"initialize": body(result("$ID", able))}), newPerson()
		c := start(t, p.config(s.config()))
		began := time.Now()
		c.write(initialize)
		c.wantGuess("2025-06-18")
		wantAt(t, began, 0)
		c.write(initialized, call(1, "tools/list"), call(2, "tools/call"), call(3, "prompts/list"))
		time.Sleep(19 * time.Second)
		c.quiet()
		c.wantTools(1)
		wantAt(t, began, 20*time.Second)
		c.wantText(2, true, page)
		if line := c.next(); !strings.HasPrefix(line, `{"jsonrpc":"2.0","id":3,"error":{"code":-31000,`) || !strings.Contains(line, `"url":"`+page+`"`) {
			t.Errorf("client got %s", line)
		}
		time.Sleep(time.Hour)
		c.quiet()
		if tabs, opened := p.shown(); tabs != 1 || opened != 0 {
			t.Errorf("%d tabs, %d asked for", tabs, opened)
		}
		p.mu.Lock()
		if p.looks < 3500 {
			t.Errorf("%d looks", p.looks)
		}
		p.mu.Unlock()
		s.wantRequests()
		p.signIn()
		c.wantAll(changed("tools"), changed("prompts"))
		c.write(call(4, "tools/list"))
		c.want(result(4, `{}`))
		c.write(callSignIn(5, ""))
		c.wantText(5, false, "signed in already")
		c.end()
		s.count("initialize", 1)
		s.count("notifications/initialized", 1)
		s.count("tools/call", 0)
	})
}

// TestSignInInTime has the person sign in while requests wait. Those don't notice.
func TestSignInInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newServer(t, script{"initialize": body(result("$ID", able))}), newPerson()
		c := start(t, p.config(s.config()))
		c.write(initialize, initialized, call(1, "tools/list"), call(2, "tools/call"), cancelled(2))
		c.wantGuess("2025-06-18")
		time.Sleep(15 * time.Second)
		c.quiet()
		p.signIn()
		c.wantAll(changed("tools"), changed("prompts"), result(1, `{}`))
		c.end()
		s.count("tools/call", 0)
		s.count("tools/list", 1)
	})
}

// TestSignInTool calls the tool.
func TestSignInTool(t *testing.T) {
	const progress = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1,"message":"Open this page to sign in: ` + page + `"}}`
	withElicitation := strings.Replace(initialize, `"capabilities":{}`, `"capabilities":{"elicitation":{"form":{},"url":{}}}`, 1)
	begin := func(t *testing.T, first string) (*server, *person, *client) {
		s, p := newServer(t, script{"initialize": body(result("$ID", able))}), newPerson()
		c := start(t, p.config(s.config()))
		c.write(first, initialized)
		c.wantGuess("2025-06-18")
		return s, p, c
	}
	bubble(t, "signed in", func(t *testing.T) {
		s, p, c := begin(t, initialize)
		c.write(callSignIn(1, `,"_meta":{"progressToken":"p"}`))
		c.want(progress)
		c.quiet()
		time.Sleep(49 * time.Second)
		p.signIn()
		c.wantText(1, false, "is signed in")
		c.wantAll(changed("tools"), changed("prompts"))
		c.write(callSignIn(2, "")) // as it was told to if nobody had signed in
		c.wantText(2, false, "is signed in already")
		c.end()
		s.count("tools/call", 0)
		if _, opened := p.shown(); opened != 1 {
			t.Errorf("the page was opened %d times", opened)
		}
	})
	bubble(t, "ignored", func(t *testing.T) {
		_, p, c := begin(t, initialize)
		for id := range 2 {
			began := time.Now()
			c.write(callSignIn(id, ""))
			c.wantText(id, false, "Call sign_in again to go on waiting. The user signs in on this page: "+page)
			wantAt(t, began, 50*time.Second)
		}
		if _, opened := p.shown(); opened != 2 {
			t.Errorf("the page was opened %d times", opened)
		}
		c.write(callSignIn(2, ""), cancelled(2))
		time.Sleep(time.Hour)
		c.quiet()
		c.write(callSignIn(3, ""))
		synctest.Wait()
		began := time.Now()
		c.in.Close()
		<-c.done
		wantAt(t, began, 0)
		c.wantText(3, true, page)
	})
	bubble(t, "elicited", func(t *testing.T) {
		s, p, c := begin(t, withElicitation)
		for i, action := range []string{"decline", "accept"} {
			c.write(callSignIn(i, ""))
			m := mustParse(t, c.next())
			if url, _ := jsonrpc.Text(jsonrpc.Lookup(m.Raw, "params", "url")); m.Method != "elicitation/create" || m.Kind != jsonrpc.Request || url != page {
				t.Errorf("client got %s", m.Raw)
			}
			if mode, _ := jsonrpc.Text(jsonrpc.Lookup(m.Raw, "params", "mode")); mode != "url" {
				t.Errorf("client got %s", m.Raw)
			}
			c.write(result(m.ID, `{"action":"`+action+`"}`))
			if action == "decline" {
				c.wantText(i, true, "does not want to")
				continue
			}
			c.quiet()
			p.signIn()
			if m := mustParse(t, c.next()); m.Method != "notifications/elicitation/complete" {
				t.Errorf("client got %s", m.Raw)
			}
			c.wantText(i, false, "is signed in")
		}
		c.wantAll(changed("tools"), changed("prompts"))
		c.end()
		s.count("response", 0)
	})
	bubble(t, "fails", func(t *testing.T) {
		s, p := newServer(t, nil), newPerson()
		cfg := p.config(s.config())
		cfg.SignIn.Open = func(context.Context) error { return errors.New("no browser, no luck") }
		c := start(t, cfg)
		c.write(initialize, initialized)
		c.wantGuess("2025-06-18")
		c.write(callSignIn(1, ""))
		c.wantText(1, true, "no browser, no luck")
	})
}

// TestSignInAgain has the sign-in end in the middle of the day.
func TestSignInAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newServer(t, script{"initialize": body(result("$ID", able), "Mcp-Session-Id", "s1"), "GET": listening("")}), newPerson()
		p.signIn()
		c := start(t, p.config(s.config()))
		c.write(initialize, initialized)
		c.want(result(0, able))
		c.write(call(1, "tools/call"))
		c.want(result(1, `{}`))
		for range 2 {
			p.signOut()
			began := time.Now()
			c.write(call(2, "tools/call"))
			time.Sleep(time.Second)
			c.write(call(3, "tools/list"))
			time.Sleep(time.Second)
			c.write(call(4, "prompts/list"))
			c.wantText(2, true, page)
			wantAt(t, began, 20*time.Second)
			c.wantTools(3)
			c.wantError("4", -31000, page)
			c.write(callSignIn(5, ""))
			c.quiet()
			p.signIn()
			c.wantText(5, false, "is signed in")
			c.wantAll(changed("tools"), changed("prompts"))
			c.write(call(6, "tools/call"))
			c.want(result(6, `{}`))
			time.Sleep(time.Minute)
			c.quiet()
		}
		c.end()
		s.count("tools/call", 3)
		s.count("initialize", 1)
	})
}

// TestSignInRemembered has a person sign in, in an open session and before one. What is remembered for one sign-in is for the next too, once that has
// a session.
func TestSignInRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory
		kept := func(times int) {
			t.Helper()
			synctest.Wait()
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.times != times || string(m.m.Answers["2025-06-18"]) != able {
				t.Errorf("kept %d times, want %d; the last was %s", m.times, times, m.m.Answers)
			}
		}
		s, p := newServer(t, script{"initialize": body(result("$ID", able))}), newPerson()
		p.signIn()
		c := start(t, m.config(p.config(s.config())))
		c.write(initialize, initialized)
		c.want(result(0, able))
		kept(1)
		p.signOut()
		c.write(call(1, "x"))
		kept(1)
		p.signIn()
		c.want(result(1, `{}`))
		kept(2)
		c.end()

		p.signOut()
		c = start(t, m.config(p.config(s.config())))
		c.write(initialize, initialized)
		c.next() // what is remembered, or a guess if the server's refusal is quicker
		kept(2)
		p.signIn()
		c.wantAll(changed("tools"), changed("prompts"))
		kept(3)
		c.end()
	})
}

// TestSignInPermitted lets the client have one tool of the server's. It has sign_in all the same.
func TestSignInPermitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newServer(t, script{"initialize": body(result("$ID", able)), "tools/list": answer(`{"tools":[{"name":"x"},{"name":"y"}]}`)}), newPerson()
		cfg := p.config(s.config())
		cfg.Tools = &policy.Tools{Allow: []string{"x"}}
		c := start(t, cfg)
		c.write(initialize, initialized, call(1, "tools/list"))
		c.wantGuess("2025-06-18")
		for range 2 {
			c.wantTools(1)
			c.write(callSignIn(2, ""))
			synctest.Wait()
			p.signIn()
			c.wantText(2, false, "is signed in")
			c.wantAll(changed("tools"), changed("prompts"))
			c.write(call(1, "tools/list"))
			c.want(result(1, `{"tools":[{"name":"x"}]}`))
			p.signOut()
			c.write(call(1, "tools/list"))
		}
		c.wantTools(1)
	})
}

// TestSignInModern has a client without a handshake.
func TestSignInModern(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newServer(t, script{"server/discover": body(found)}), newPerson()
		c := start(t, p.config(s.config()))
		c.write(discover)
		c.wantError(`"d"`, -32601, "")
		c.write(modern(1, "tools/list", ""))
		if line := c.next(); !strings.Contains(line, `"name":"sign_in"`) || !strings.Contains(line, `"resultType":"complete"`) || !strings.Contains(line, `"ttlMs":0`) {
			t.Errorf("client got %s", line)
		}
		c.write(modern(2, "tools/call", `"name":"sign_in"`))
		synctest.Wait()
		p.signIn()
		c.wantText(2, false, "is signed in")
		c.write(modern(3, "tools/call", `"name":"x"`))
		c.want(result(3, `{}`))
		c.end()
		s.wantRequests("tools/call")
	})
}

// TestSignInDenied has a person who says no, after which nobody is asked until somebody wants to be. Requests don't wait for that.
func TestSignInDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newServer(t, script{"initialize": body(result("$ID", able))}), newPerson()
		cfg := p.config(s.config())
		do := cfg.Remote.Do
		denied := true
		cfg.Remote.Do = func(req *http.Request) (*http.Response, error) {
			if denied {
				p.edit(func() { p.needed = true })
				return nil, fmt.Errorf("%w: the user said no", errPerson)
			}
			return do(req)
		}
		reports := 0
		cfg.Report = func(error) { reports++ }
		c := start(t, cfg)
		began := time.Now()
		c.write(initialize, initialized, call(1, "tools/list"))
		c.wantGuess("2025-06-18")
		c.wantTools(1)
		c.write(call(2, "tools/call"))
		c.wantText(2, true, "the user said no")
		c.write(call(3, "prompts/list"))
		c.wantError("3", -31000, "the user said no")
		wantAt(t, began, 0)
		if reports == 0 {
			t.Error("nobody was told")
		}
		denied = false
		p.signIn()
		c.wantAll(changed("tools"), changed("prompts"))
		c.end()
	})
}

// TestSignInQuiet reaches a server again for which nobody waits. No person is to be bothered then.
func TestSignInQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newServer(t, nil), newPerson()
		n := newNetwork(t, s)
		n.down.Store(true)
		p.out = false
		c := start(t, p.config(n.config(s)))
		c.write(initialize, initialized)
		c.wantGuess("2025-06-18")
		time.Sleep(time.Minute)
		p.signOut()
		n.down.Store(false)
		time.Sleep(time.Hour)
		if tabs, _ := p.shown(); tabs != 0 {
			t.Errorf("%d tabs", tabs)
		}
		c.write(call(1, "x"))
		synctest.Wait()
		if tabs, _ := p.shown(); tabs != 1 {
			t.Errorf("%d tabs", tabs)
		}
		p.signIn()
		c.want(result(1, `{}`))
		c.end()
	})
}
