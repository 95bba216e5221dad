package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// A request waits for the user no longer than Patience, while the page goes on waiting, and what follows uses what comes of it.
func TestPatience(t *testing.T) {
	w, b := newWorld(t), &browser{away: true}
	cfg := w.config(t.TempDir(), b)
	cfg.Patience = time.Millisecond
	changes := make(chan struct{}, 100)
	cfg.Changed = func() { changes <- struct{}{} }
	c := newClient(t, cfg)
	if c.Needed() {
		t.Error("the user is needed for nothing")
	}
	for range 2 {
		_, _, err := call(Interactive(t.Context()), c, "x")
		if e, ok := errors.AsType[*SignInError](err); !ok || e.URL == "" || e.URL != c.Page() {
			t.Fatalf("got %v", err)
		}
		if !c.Needed() {
			t.Error("the user is not needed")
		}
	}
	c.cfg.Patience = time.Hour // of which a request that comes now needs little, since others have waited for the same page
	if _, _, err := call(Interactive(t.Context()), c, "x"); err == nil {
		t.Error("somebody has signed in")
	}
	go b.visit(c.Page())
	for c.Needed() {
		<-changes
	}
	mustCall(t, c, "y")
	w.wantCounts("authorize=1", "register=1", "token:authorization_code=1")
}

// Whoever wants a page that was opened a moment ago, by this process or another, has it in front of them.
func TestShowAgain(t *testing.T) {
	for _, test := range []struct {
		after time.Duration // is what Config.ShowAgain says
		ago   time.Duration // is when the page was opened here
		tabs  int
	}{{time.Hour, 0, 1}, {time.Hour, 2 * time.Hour, 2}, {0, 0, 6}} {
		w, b, dir := newWorld(t), &browser{away: true}, t.TempDir()
		opened, pages := make(chan struct{}, 10), make(chan string, 10)
		cfg := w.config(dir, b)
		cfg.ShowAgain = test.after
		cfg.Patience = time.Millisecond
		cfg.OpenURL = func(page string) error {
			defer func() { opened <- struct{}{} }()
			return b.open(page)
		}
		here := newClient(t, cfg)
		cfg = w.config(dir, b) // with a store of its own
		cfg.ShowAgain, cfg.OpenURL = here.cfg.ShowAgain, here.cfg.OpenURL
		cfg.Page = func(page string) { pages <- page }
		there := newClient(t, cfg)

		if _, _, err := call(Interactive(t.Context()), here, "x"); !isSignIn(err) {
			t.Fatalf("got %v", err)
		}
		here.mu.Lock()
		here.opened = here.opened.Add(-test.ago)
		here.mu.Unlock()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		together(t, 4, func(int) error {
			if err := here.Login(gone); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("got %w", err)
			}
			return nil
		})
		done := make(chan error)
		go func() { done <- there.Login(t.Context()) }()
		page := <-pages
		for range test.tabs {
			<-opened
		}
		b.visit(page)
		if err := <-done; err != nil {
			t.Error(err)
		}
		mustCall(t, here, "y")
		if n := b.tabs(); n != test.tabs {
			t.Errorf("again after %v, opened %v ago: %d tabs, want %d", test.after, test.ago, n, test.tabs)
		}
		w.wantCounts("register=1", "token:authorization_code=1")
	}
}

// So has whoever takes a page over.
func TestShowAgainTakenOver(t *testing.T) {
	w, b, dir := newWorld(t), &browser{away: true}, t.TempDir()
	opened := make(chan struct{}, 10)
	start := func() *Client {
		cfg := w.config(dir, b)
		cfg.ShowAgain, cfg.Patience = time.Hour, time.Millisecond
		cfg.OpenURL = func(page string) error {
			defer func() { opened <- struct{}{} }()
			return b.open(page)
		}
		c := newClient(t, cfg)
		if _, _, err := call(Interactive(t.Context()), c, "x"); !isSignIn(err) {
			t.Fatalf("got %v", err)
		}
		return c
	}
	first := start()
	<-opened
	page := first.Page()
	first.Close()
	next := start()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := next.Login(gone); !errors.Is(err, context.Canceled) || next.Page() != page {
		t.Errorf("got %v, page %s, want %s", err, next.Page(), page)
	}
	b.visit(page)
	mustCall(t, next, "y")
	if n := b.tabs(); n != 1 {
		t.Errorf("%d tabs", n)
	}
	w.wantCounts("register=1", "token:authorization_code=1")
}

// A page that was only told of is in front of nobody.
func TestShowAgainUnopened(t *testing.T) {
	w, b, dir := newWorld(t), &browser{}, t.TempDir()
	cfg := w.config(dir, b)
	cfg.OpenURL, cfg.Patience = nil, time.Millisecond
	if _, _, err := call(Interactive(t.Context()), newClient(t, cfg), "x"); !isSignIn(err) {
		t.Fatalf("got %v", err)
	}
	cfg = w.config(dir, b) // with a store of its own
	cfg.ShowAgain = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := newClient(t, cfg).Login(ctx); err != nil {
		t.Errorf("the page was not opened: %v", err)
	}
	w.wantCounts("register=1", "token:authorization_code=1")
}

func isSignIn(err error) bool {
	_, ok := errors.AsType[*SignInError](err)
	return ok
}

// A server that wants to know who asks, and has no OAuth, gets no browser: somebody has to pass it a key.
func TestNoSignIn(t *testing.T) {
	refuse := func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.WriteHeader(http.StatusUnauthorized)
		return true
	}
	nameless := func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/.well-known/oauth-protected-resource/mcp" {
			return false
		}
		reply(rw, http.StatusOK, map[string]any{"resource": "http://" + r.Host + "/mcp"})
		return true
	}
	for name, take := range map[string]func(http.ResponseWriter, *http.Request) bool{"refuses everybody": refuse, "names no authorization server": nameless} {
		t.Run(name, func(t *testing.T) {
			w, b := newWorld(t), &browser{}
			w.taking(take)
			c := newClient(t, w.config(t.TempDir(), b))
			_, _, err := call(Interactive(t.Context()), c, "x")
			if none, ok := errors.AsType[*NoSignInError](err); !ok || none.Server.String() != w.URL+"/mcp" {
				t.Errorf("got %v", err)
			}
			if c.Needed() || b.tabs() != 0 {
				t.Errorf("somebody is asked to sign in: %t, %d tabs", c.Needed(), b.tabs())
			}
		})
	}
	// A server that refuses what this program registers as does register clients.
	for _, code := range []string{"invalid_redirect_uri", "invalid_client_metadata"} {
		w, b := newWorld(t), &browser{}
		w.script(func() { w.prm, w.noMeta = nil, true })
		w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/register" {
				reply(rw, http.StatusBadRequest, map[string]any{"error": code})
			}
			return r.URL.Path == "/register"
		})
		if _, _, err := call(Interactive(t.Context()), newClient(t, w.config(t.TempDir(), b)), "x"); !isCode(err, code) {
			t.Errorf("got %v, want %s", err, code)
		}
	}
	// That nobody answers there for the moment says nothing.
	w, b := newWorld(t), &browser{}
	w.script(func() { w.prm, w.noMeta = nil, true })
	w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/register" {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
		return r.URL.Path == "/register"
	})
	if _, _, err := call(Interactive(t.Context()), newClient(t, w.config(t.TempDir(), b)), "x"); !isTransient(err) {
		t.Errorf("got %v", err)
	}
}

// Somebody who is needed here may sign in with another program.
func TestLook(t *testing.T) {
	w, b := newWorld(t), &browser{}
	dir := t.TempDir()
	here, there := newClient(t, w.config(dir, b)), newClient(t, w.config(dir, b))
	if _, _, err := call(t.Context(), here, "x"); err == nil || !here.Needed() {
		t.Fatalf("got %v, needed %t", err, here.Needed())
	}
	if err := here.Look(t.Context()); err != nil || !here.Needed() {
		t.Fatalf("got %v, needed %t", err, here.Needed())
	}
	mustCall(t, there, "sign in")
	if err := here.Look(t.Context()); err != nil || here.Needed() {
		t.Errorf("got %v, needed %t", err, here.Needed())
	}
	if status, _, err := call(t.Context(), here, "x"); err != nil || status != 200 {
		t.Errorf("got %d, %v", status, err)
	}
	w.wantCounts("authorize=1")
}

// What the user has signed in as has a name as long as that lasts, renewals included.
func TestAccount(t *testing.T) {
	w, b := newWorld(t), &browser{}
	c := newClient(t, w.config(t.TempDir(), b))
	account := func() string {
		name, err := c.Account(t.Context())
		if err != nil {
			t.Error(err)
		}
		return name
	}
	if name := account(); name != "" {
		t.Errorf("nobody is %q", name)
	}
	mustCall(t, c, "sign in")
	first := account()
	w.refuseAll()
	mustCall(t, c, "renew")
	if name := account(); name == "" || name != first {
		t.Errorf("%q is now %q", first, name)
	}
	if err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if name := account(); name == "" || name == first {
		t.Errorf("%q is still %q", first, name)
	}
	w.wantCounts("token:refresh_token=1", "token:authorization_code=2")
}
