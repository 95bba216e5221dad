package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestFirstSignIn(t *testing.T) {
	w, b := newWorld(t), &browser{shown: make(chan string, 1)}
	c := newClient(t, w.config(t.TempDir(), b))
	mustCall(t, c, "one")
	mustCall(t, c, "two")
	w.wantCounts("401=1", "200=2", "register=1", "authorize=1", "token:authorization_code=1", "token:refresh_token=0")
	if got := w.bodies; len(got) != 2 || got[0] != "one" || got[1] != "two" {
		t.Errorf("bodies that arrived: %q", got)
	}
	a, x := w.form("authorize"), w.form("token:authorization_code")
	for _, q := range []url.Values{a, x} {
		if q.Get("resource") != w.URL+"/mcp" {
			t.Errorf("resource %q", q.Get("resource"))
		}
	}
	if a.Get("code_challenge_method") != "S256" || len(a.Get("state")) < 32 || len(x.Get("code_verifier")) < 43 || a.Has("scope") {
		t.Errorf("authorization request: %v", a)
	}
	for _, want := range []string{`"application_type":"native"`, `"refresh_token"`, a.Get("redirect_uri")} {
		if !strings.Contains(w.form("register").Get("body"), want) {
			t.Errorf("registration %s lacks %s", w.form("register").Get("body"), want)
		}
	}
	if page := <-b.shown; !strings.Contains(page, "Signed in") {
		t.Errorf("page: %q", page)
	}
}

func TestNextProcessIsSignedIn(t *testing.T) {
	w, b, dir := newWorld(t), &browser{}, t.TempDir()
	mustCall(t, newClient(t, w.config(dir, b)), "one")
	mustCall(t, newClient(t, w.config(dir, b)), "two")
	w.wantCounts("401=1", "authorize=1", "register=1")

	// Another profile is another person.
	cfg := w.config(dir, b)
	cfg.Profile = "other"
	mustCall(t, newClient(t, cfg), "three")
	w.wantCounts("401=2", "authorize=2", "register=2")
}

func TestOnlyInteractiveRequestsOpenABrowser(t *testing.T) {
	w, b := newWorld(t), &browser{}
	c := newClient(t, w.config(t.TempDir(), b))
	_, _, err := call(t.Context(), c, "stream")
	var need *SignInError
	if !errors.As(err, &need) {
		t.Fatalf("got %v, want a SignInError", err)
	}
	w.wantCounts("register=0", "authorize=0")
	if b.tabs() != 0 {
		t.Error("a browser was opened")
	}
}

func TestManyRequestsOneSignIn(t *testing.T) {
	w, b := newWorld(t), &browser{}
	c := newClient(t, w.config(t.TempDir(), b))
	together(t, 8, func(i int) error { return callOK(c, fmt.Sprint(i)) })
	w.wantCounts("200=8", "register=1", "authorize=1")
}

// together runs f n times at once.
func together(t *testing.T, n int, f func(int) error) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := f(i); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func callOK(c *Client, body string) error {
	status, answer, err := call(Interactive(context.Background()), c, body)
	if err != nil || status != 200 || answer != "answer to "+body {
		return fmt.Errorf("call: %d %q, %w", status, answer, err)
	}
	return nil
}

func TestManyRefusedOneRefresh(t *testing.T) {
	w, b := newWorld(t), &browser{}
	c := newClient(t, w.config(t.TempDir(), b))
	mustCall(t, c, "first")
	w.refuseAll()
	together(t, 8, func(i int) error { return callOK(c, fmt.Sprint(i)) })
	w.wantCounts("200=9", "authorize=1", "token:refresh_token=1")
	if got := w.form("token:refresh_token").Get("resource"); got != w.URL+"/mcp" {
		t.Errorf("resource at refresh: %q", got)
	}
}

func TestManyClientsOneRefresh(t *testing.T) {
	t.Parallel()
	w, b, dir := newWorld(t), &browser{}, t.TempDir()
	clients := make([]*Client, 6)
	for i := range clients {
		clients[i] = newClient(t, w.config(dir, b)) // a store of its own each
		mustCall(t, clients[i], "first")
	}
	w.refuseAll()
	together(t, len(clients), func(i int) error { return callOK(clients[i], fmt.Sprint(i)) })
	w.wantCounts("authorize=1", "token:refresh_token=1", "200=12")
}

func TestManyClientsOneSignIn(t *testing.T) {
	t.Parallel()
	w, b, dir := newWorld(t), &browser{}, t.TempDir()
	clients := make([]*Client, 5)
	for i := range clients {
		clients[i] = newClient(t, w.config(dir, b))
	}
	together(t, len(clients), func(i int) error { return callOK(clients[i], fmt.Sprint(i)) })
	w.wantCounts("register=1", "authorize=1", "200=5")
	if b.tabs() != 1 {
		t.Errorf("%d tabs", b.tabs())
	}
}

func TestSecondRefusalIsTheAnswer(t *testing.T) {
	w, b := newWorld(t), &browser{}
	c := newClient(t, w.config(t.TempDir(), b))
	w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/mcp" {
			rw.WriteHeader(http.StatusUnauthorized)
		}
		return r.URL.Path == "/mcp"
	})
	status, _, err := call(Interactive(t.Context()), c, "x")
	if status != http.StatusUnauthorized || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
	w.wantCounts("mcp=2", "authorize=1")
}

// A token may end once more while it is being renewed, without a word from anybody. That is no reason to ask the user.
func TestRefreshedTokenEnds(t *testing.T) {
	w, b := newWorld(t), &browser{}
	c := newClient(t, w.config(t.TempDir(), b))
	mustCall(t, c, "first")
	var sent atomic.Int32
	w.taking(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/mcp" && sent.Add(1) <= 2 {
			w.refuseAll()
		}
		return false
	})
	mustCall(t, c, "second")
	w.wantCounts("token:refresh_token=2", "authorize=1", "401=3", "200=2")
}

// Refreshed tokens that are refused too mean that the authorization server has changed.
func TestRefreshedTokenRefused(t *testing.T) {
	w, b := newWorld(t), &browser{}
	c := newClient(t, w.config(t.TempDir(), b))
	mustCall(t, c, "first")
	w.refuseAll()
	var willing atomic.Bool
	w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/mcp" || willing.Load() {
			return false
		}
		rw.WriteHeader(http.StatusUnauthorized)
		return true
	})
	if status, _, err := call(Interactive(t.Context()), c, "x"); status != 401 || err != nil {
		t.Fatalf("got %d, %v", status, err)
	}
	w.wantCounts("token:refresh_token=2", "authorize=1")
	willing.Store(true)
	w.refuseAll()
	mustCall(t, c, "y")
	w.wantCounts("token:refresh_token=2", "token:authorization_code=2")
}

func TestStepUp(t *testing.T) {
	w, b := newWorld(t), &browser{}
	w.script(func() { w.prm["scopes_supported"] = []string{"read"} })
	c := newClient(t, w.config(t.TempDir(), b))
	mustCall(t, c, "read")
	w.script(func() { w.scope = "write" })

	// A background request must not ask.
	if status, _, err := call(t.Context(), c, "x"); status != http.StatusForbidden || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
	w.wantCounts("authorize=1")
	mustCall(t, c, "write")
	w.wantCounts("authorize=2", "register=1")
	if got := w.form("authorize").Get("scope"); got != "read write" {
		t.Errorf("scope %q", got)
	}
}

func TestStepUpIsLimited(t *testing.T) {
	w, b := newWorld(t), &browser{}
	w.script(func() {
		w.challenge = `Bearer scope="admin", resource_metadata="` + w.URL + `/.well-known/oauth-protected-resource/mcp"`
	})
	w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/mcp" || r.Header.Get("Authorization") == "" {
			return false
		}
		rw.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="admin"`)
		rw.WriteHeader(http.StatusForbidden)
		return true
	})
	c := newClient(t, w.config(t.TempDir(), b))
	for range 3 {
		if status, _, err := call(Interactive(t.Context()), c, "x"); status != http.StatusForbidden || err != nil {
			t.Fatalf("got %d, %v", status, err)
		}
	}
	w.wantCounts("authorize=3")
}

func TestOtherForbiddenIsTheAnswer(t *testing.T) {
	w, b := newWorld(t), &browser{}
	c := newClient(t, w.config(t.TempDir(), b))
	mustCall(t, c, "x")
	w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
		rw.Header().Set("WWW-Authenticate", `Bearer error="access_denied"`)
		http.Error(rw, "no", http.StatusForbidden)
		return true
	})
	if status, answer, err := call(Interactive(t.Context()), c, "x"); status != 403 || answer != "no\n" || err != nil {
		t.Errorf("got %d %q, %v", status, answer, err)
	}
	w.wantCounts("mcp=3", "authorize=1")
}

func TestStaticAuthorization(t *testing.T) {
	w, b := newWorld(t), &browser{}
	cfg := w.config(t.TempDir(), b)
	cfg.Authorization = "Basic Y2FuYXJ5"
	c := newClient(t, cfg)
	_, _, err := call(Interactive(t.Context()), c, "x")
	var static *StaticError
	if !errors.As(err, &static) {
		t.Errorf("got %v, want a StaticError", err)
	}
	if got := w.authorization("mcp"); got != cfg.Authorization {
		t.Errorf("Authorization %q", got)
	}
	w.wantCounts("mcp=1", "authorize=0", "register=0")
}

func TestTokensStayAtTheServer(t *testing.T) {
	w, other, b := newWorld(t), newWorld(t), &browser{}
	c := newClient(t, w.config(t.TempDir(), b))
	mustCall(t, c, "x")

	req, err := http.NewRequest("GET", other.URL+"/mcp", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := c.Do(req); err == nil {
		t.Errorf("request to another origin got %s", resp.Status)
	}
	w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
		http.Redirect(rw, r, other.URL+"/mcp", http.StatusTemporaryRedirect)
		return true
	})
	if status, _, err := call(t.Context(), c, "x"); err == nil {
		t.Errorf("redirect to another origin got %d", status)
	}
	other.wantCounts("mcp=0")
}

func TestDoNeedsARewindableBody(t *testing.T) {
	w, b := newWorld(t), &browser{}
	c := newClient(t, w.config(t.TempDir(), b))
	req, err := http.NewRequest("POST", w.URL+"/mcp", struct{ *strings.Reader }{strings.NewReader("x")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(req); err == nil {
		t.Error("no error")
	}
	w.wantCounts("mcp=0")
}

// The sign-in goes on when the request that caused it has gone.
func TestSignInOutlivesItsRequest(t *testing.T) {
	w, b := newWorld(t), &browser{away: true}
	cfg := w.config(t.TempDir(), b)
	pages := make(chan string, 8)
	cfg.Page = func(page string) { pages <- page }
	c := newClient(t, cfg)
	ctx, cancel := context.WithCancel(Interactive(t.Context()))
	done := make(chan error)
	go func() {
		_, _, err := call(ctx, c, "x")
		done <- err
	}()
	page := <-pages
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if c.Page() != page {
		t.Errorf("page %q", c.Page())
	}
	go b.visit(page)
	mustCall(t, c, "y")
	w.wantCounts("authorize=1", "register=1")
}

func TestCloseEndsAPendingSignIn(t *testing.T) {
	w, b := newWorld(t), &browser{away: true}
	cfg := w.config(t.TempDir(), b)
	pages := make(chan string, 8)
	cfg.Page = func(page string) { pages <- page }
	c := newClient(t, cfg)
	done := make(chan error)
	go func() {
		_, _, err := call(Interactive(t.Context()), c, "x")
		done <- err
	}()
	page := <-pages
	c.Close()
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	u, _ := url.Parse(page)
	if resp, err := http.Get(u.Query().Get("redirect_uri")); err == nil {
		resp.Body.Close()
		t.Error("the port is still open")
	}
	// The next one finishes the same page.
	cfg2 := w.config(cfg.Store.Dir, b)
	cfg2.Page = func(page string) { pages <- page }
	c2 := newClient(t, cfg2)
	go func() {
		_, _, err := call(Interactive(t.Context()), c2, "x")
		done <- err
	}()
	for p := range pages { // the first Client still says that there is no page
		if p == page {
			break
		}
	}
	b.visit(page)
	if err := <-done; err != nil {
		t.Error(err)
	}
	w.wantCounts("authorize=1", "register=1", "200=1")
	if b.tabs() != 1 {
		t.Errorf("%d tabs", b.tabs())
	}
}
