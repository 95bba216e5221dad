package auth

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// signedIn returns a Client whose token the server has just forgotten.
func signedIn(t *testing.T, w *world, b *browser) *Client {
	t.Helper()
	c := newClient(t, w.config(t.TempDir(), b))
	mustCall(t, c, "sign in")
	w.refuseAll()
	return c
}

// refreshing has f answer refresh requests, given how many there were before.
func (w *world) refreshing(f func(n int, rw http.ResponseWriter) bool) {
	var mu sync.Mutex
	n := -1
	w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.PostForm.Get("grant_type") != "refresh_token" {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		n++
		return f(n, rw)
	})
}

// holdRefresh has each refresh request say on atWork that it is there, and go on when goOn is closed.
func (w *world) holdRefresh() (atWork, goOn chan bool) {
	atWork, goOn = make(chan bool), make(chan bool)
	w.taking(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.PostForm.Get("grant_type") == "refresh_token" {
			atWork <- true
			<-goOn
		}
		return false
	})
	return atWork, goOn
}

func TestRefreshIsRetried(t *testing.T) {
	for name, fault := range map[string]func(rw http.ResponseWriter){
		"503":               func(rw http.ResponseWriter) { rw.WriteHeader(503) },
		"429":               func(rw http.ResponseWriter) { rw.WriteHeader(429) },
		"cut connection":    func(rw http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"server_error":      func(rw http.ResponseWriter) { reply(rw, 400, map[string]any{"error": "server_error"}) },
		"200 with an error": func(rw http.ResponseWriter) { reply(rw, 200, map[string]any{"error": "temporarily_unavailable"}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := newWorld(t), &browser{}
			c := signedIn(t, w, b)
			w.refreshing(func(n int, rw http.ResponseWriter) bool {
				if n == 0 {
					fault(rw)
				}
				return n == 0
			})
			mustCall(t, c, "x")
			w.wantCounts("token:refresh_token=2", "authorize=1")
		})
	}
}

// A process that was stopped finds its time over, and an answer that has come meanwhile. By then the refresh token has been used.
func TestRefreshAnswerAfterDeadline(t *testing.T) {
	t.Parallel()
	w, b := newWorld(t), &browser{}
	c := signedIn(t, w, b)
	c.renewLimit = 200 * time.Millisecond
	w.refreshing(func(int, http.ResponseWriter) bool {
		time.Sleep(2 * c.renewLimit)
		return false // and answers as always
	})
	mustCall(t, c, "x")
	mustCall(t, newClient(t, w.config(c.cfg.Store.Dir, b)), "y")
	w.wantCounts("token:refresh_token=1", "authorize=1")
}

// A server that stays away is no reason to sign anybody in, nor to forget anything.
func TestRefreshUnavailable(t *testing.T) {
	t.Parallel()
	w, b := newWorld(t), &browser{}
	c := signedIn(t, w, b)
	c.renewLimit = time.Second
	w.refreshing(func(_ int, rw http.ResponseWriter) bool {
		rw.Header().Set("Retry-After", "7")
		rw.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	_, _, err := call(Interactive(t.Context()), c, "x")
	var te *TransientError
	if !errors.As(err, &te) || te.RetryAfter != 7*time.Second {
		t.Errorf("got %v, want a TransientError that knows when", err)
	}
	w.taking(nil)
	mustCall(t, c, "x")
	w.wantCounts("token:refresh_token=2", "authorize=1", "register=1")
}

func TestRefreshRefused(t *testing.T) {
	for _, test := range []struct {
		name     string
		status   int
		answer   map[string]any
		register int // registrations in all
	}{
		{"invalid_grant", 400, map[string]any{"error": "invalid_grant"}, 1},
		{"invalid_client", 401, map[string]any{"error": "invalid_client"}, 2},
		{"unauthorized_client", 400, map[string]any{"error": "unauthorized_client"}, 2},
		{"unsupported_grant_type", 400, map[string]any{"error": "unsupported_grant_type"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, b := newWorld(t), &browser{}
			c := signedIn(t, w, b)
			w.refreshing(func(_ int, rw http.ResponseWriter) bool {
				reply(rw, test.status, test.answer)
				return true
			})
			// Nobody waits for this one.
			_, _, err := call(t.Context(), c, "stream")
			var need *SignInError
			if !errors.As(err, &need) || b.tabs() != 1 {
				t.Errorf("got %v and %d tabs, want a SignInError and none but the first", err, b.tabs())
			}
			mustCall(t, c, "x")
			w.wantCounts("token:authorization_code=2", "register="+strconv.Itoa(test.register))
			if b.tabs() != 2 {
				t.Errorf("%d tabs", b.tabs())
			}
		})
	}
}

// What a filter on the way answers says nothing about the sign-in.
func TestRefreshFiltered(t *testing.T) {
	t.Parallel()
	w, b := newWorld(t), &browser{}
	c := signedIn(t, w, b)
	w.refreshing(func(_ int, rw http.ResponseWriter) bool {
		http.Error(rw, "error code: 1010", http.StatusForbidden)
		return true
	})
	if _, _, err := call(Interactive(t.Context()), c, "x"); !isTransient(err) {
		t.Errorf("got %v", err)
	}
	w.wantCounts("token:refresh_token=1", "authorize=1")
}

func TestRefreshEndpointMoved(t *testing.T) {
	w, b := newWorld(t), &browser{}
	w.script(func() { w.meta["token_endpoint"] = w.URL + "/old" })
	w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/old" {
			r.URL.Path = "/token"
		}
		return false
	})
	c := signedIn(t, w, b)
	w.script(func() { delete(w.meta, "token_endpoint") })
	w.taking(nil)
	mustCall(t, c, "x")
	w.wantCounts("old:refresh_token=1", "token:refresh_token=1", "authorize=1")
}

// A server that grants less than it was asked for may be strict when the same is asked again.
func TestRefreshWithoutScope(t *testing.T) {
	w, b := newWorld(t), &browser{}
	w.script(func() { w.prm["scopes_supported"] = []string{"a", "b"} })
	c := signedIn(t, w, b)
	w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.PostForm.Get("grant_type") == "refresh_token" && r.PostForm.Has("scope") {
			reply(rw, 400, map[string]any{"error": "invalid_scope"})
			return true
		}
		return false
	})
	mustCall(t, c, "x")
	w.wantCounts("token:refresh_token=2", "authorize=1")
	if g := c.grant; len(g.Requested) != 2 {
		t.Errorf("scopes forgotten: %q", g.Requested)
	}
}

// With the first request after 80 % of its life a token is renewed; it is not used up to the end.
func TestRenewalAheadOfTime(t *testing.T) {
	t.Parallel()
	w, b := newWorld(t), &browser{}
	c := newClient(t, w.config(t.TempDir(), b))
	mustCall(t, c, "sign in")
	c.age(t, 0.79)
	mustCall(t, c, "young")
	w.wantCounts("token:refresh_token=0")
	c.age(t, 0.81)
	together(t, 4, func(int) error { return callOK(c, "old") })
	w.wantCounts("token:refresh_token=1", "401=1", "authorize=1")

	// If that fails the old token is still good, and others don't wait again.
	c.age(t, 0.81)
	c.renewLimit = time.Second
	w.refreshing(func(_ int, rw http.ResponseWriter) bool { rw.WriteHeader(503); return true })
	mustCall(t, c, "old")
	n := w.count("token:refresh_token")
	mustCall(t, c, "old")
	if w.count("token:refresh_token") != n {
		t.Error("renewal tried again at once")
	}
	w.wantCounts("401=1", "authorize=1")
}

// age makes the current grant look as if part of its life has passed.
func (c *Client) age(t *testing.T, part float64) {
	t.Helper()
	g := *c.grant
	life := g.Expires.Sub(g.Issued)
	g.Issued = time.Now().Add(-time.Duration(part * float64(life)))
	g.Expires = g.Issued.Add(life)
	if err := c.keep(t.Context(), &g); err != nil {
		t.Fatal(err)
	}
	c.adopt(&g, false)
}

// An expired token is not shown to the server when it can be renewed.
func TestExpiredTokenIsNotSent(t *testing.T) {
	w, b := newWorld(t), &browser{}
	c := newClient(t, w.config(t.TempDir(), b))
	mustCall(t, c, "sign in")
	c.age(t, 1.5)
	c2 := newClient(t, w.config(c.cfg.Store.Dir, b))
	if status, _, err := call(t.Context(), c2, "stream"); status != 200 || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
	w.wantCounts("401=1", "token:refresh_token=1", "authorize=1")
}

func TestUnusableTokens(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		token map[string]any
		want  string // in the error
	}{
		{"DPoP", map[string]any{"token_type": "DPoP"}, "DPoP"},
		{"no access token", map[string]any{"access_token": nil}, "token"},
		{"empty access token", map[string]any{"access_token": ""}, "token"},
		{"access token with a line break", map[string]any{"access_token": "canary-a\r\nX: y"}, "malformed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, b := newWorld(t), &browser{shown: make(chan string, 1)}
			w.script(func() { w.token = test.token })
			c := newClient(t, w.config(t.TempDir(), b))
			_, _, err := call(Interactive(t.Context()), c, "x")
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v", err)
			}
			if page := <-b.shown; !strings.Contains(page, "Sign-in failed") || strings.Contains(page, "Signed in") {
				t.Errorf("page: %s", page)
			}
			// The user is not asked again by itself, but may sign in.
			_, _, err = call(Interactive(t.Context()), c, "x")
			var need *SignInError
			if !errors.As(err, &need) || b.tabs() != 1 {
				t.Errorf("got %v and %d tabs", err, b.tabs())
			}
			w.script(func() { w.token = map[string]any{} })
			if err := c.Login(t.Context()); err != nil {
				t.Error(err)
			}
			<-b.shown
			mustCall(t, c, "y")
		})
	}
}

func TestLifetimes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		expiresIn any
		want      time.Duration // 0 is unknown
	}{
		{3600, time.Hour},
		{"3600", time.Hour},
		{3600.0, time.Hour},
		{1.5, time.Second},
		{"3600.0", time.Hour},
		{0, 0},
		{"0", 0},
		{-5, 0},
		{nil, 0},
		{"soon", 0},
		{1e12, maxLifetime * time.Second},
		{1e300, 0},
		{true, 0},
		{[]int{1}, 0},
	} {
		w, b := newWorld(t), &browser{}
		w.script(func() { w.token["expires_in"] = test.expiresIn })
		c := newClient(t, w.config(t.TempDir(), b))
		for _, how := range []string{"sign in", "refresh"} {
			mustCall(t, c, how)
			got := time.Duration(0)
			if !c.grant.Expires.IsZero() {
				got = c.grant.Expires.Sub(c.grant.Issued)
			}
			if got != test.want {
				t.Errorf("expires_in %v at %s: %v, want %v", test.expiresIn, how, got, test.want)
			}
			w.refuseAll()
		}
		w.wantCounts("authorize=1", "token:refresh_token=1")
	}
}

func TestJSONLabelledAsText(t *testing.T) {
	w, b := newWorld(t), &browser{}
	w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			rw.Header().Set("Content-Type", "text/plain")
			rw.Write([]byte(`{"access_token":"canary-x","token_type":"Bearer","scope":["a"]}`))
		}
		return r.URL.Path == "/token"
	})
	w.script(func() { w.access["canary-x"] = "f" })
	c := newClient(t, w.config(t.TempDir(), b))
	mustCall(t, c, "x")
}

// The server may say in another way than by 401 that a token is of no use any more. That is no reason to ask anybody.
func TestRefresh(t *testing.T) {
	w, b, dir := newWorld(t), &browser{}, t.TempDir()
	here, there := newClient(t, w.config(dir, b)), newClient(t, w.config(dir, b))
	refresh := func(c *Client) {
		t.Helper()
		if err := c.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	}
	refresh(here)
	w.wantCounts("mcp=0", "token:refresh_token=0", "authorize=0") // nobody is signed in, so there is nothing to renew

	mustCall(t, here, "sign in")
	mustCall(t, there, "x")
	old := w.authorization("mcp")
	refresh(here)
	w.wantCounts("token:refresh_token=1")
	for _, c := range []*Client{here, there} {
		refreshes := w.count("token:refresh_token")
		if c == there {
			refresh(c) // has the old token, for which there is a newer one in the store
		}
		mustCall(t, c, "y")
		if got := w.authorization("mcp"); got == old || w.count("token:refresh_token") != refreshes {
			t.Errorf("the token was not renewed, or once too often")
		}
	}
	w.wantCounts("401=1", "authorize=1", "token:refresh_token=1")

	w.refreshing(func(_ int, rw http.ResponseWriter) bool {
		reply(rw, 400, map[string]any{"error": "invalid_grant"})
		return true
	})
	if err := here.Refresh(t.Context()); !isSignIn(err) || !here.Needed() {
		t.Errorf("got %v, needed %t", err, here.Needed())
	}
	w.wantCounts("authorize=1", "token:refresh_token=2")

	cfg := w.config(dir, b)
	cfg.Authorization = "Basic canary"
	refresh(newClient(t, cfg))
	w.wantCounts("token:refresh_token=2")
}
