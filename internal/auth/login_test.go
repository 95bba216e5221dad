package auth

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestScopes(t *testing.T) {
	for _, test := range []struct {
		name      string
		config    string
		challenge string
		resource  []string // scopes_supported of the resource
		server    []string // and of the authorization server
		want      string
	}{
		{"nothing said", "", "", nil, nil, ""},
		{"nothing said, offline_access listed", "", "", nil, []string{"offline_access"}, ""},
		{"challenge", "", "a b", []string{"c"}, []string{"d"}, "a b"},
		{"resource", "", "", []string{"c", "d"}, []string{"e"}, "c d"},
		{"offline_access listed", "", "", []string{"c"}, []string{"c", "offline_access"}, "c offline_access"},
		{"offline_access there", "", "", []string{"offline_access", "c"}, []string{"offline_access"}, "offline_access c"},
		{"offline_access of the resource only", "", "", []string{"offline_access"}, []string{"c"}, "offline_access"},
		{"configured", "x y", "a", []string{"c"}, []string{"offline_access"}, "x y"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, b := newWorld(t), &browser{}
			w.script(func() {
				w.prm["scopes_supported"] = test.resource
				w.meta["scopes_supported"] = test.server
				if test.challenge != "" {
					w.challenge = `Bearer scope="` + test.challenge + `"`
				}
			})
			cfg := w.config(t.TempDir(), b)
			cfg.Scope = test.config
			mustCall(t, newClient(t, cfg), "x")
			if q := w.form("authorize"); q.Get("scope") != test.want || q.Has("scope") != (test.want != "") {
				t.Errorf("scope %q, want %q", q.Get("scope"), test.want)
			}
		})
	}
}

func TestIssuerOfTheAnswer(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		name string
		iss  string // of the callback; "" means none
		ok   bool
	}{
		{"right", w.URL, true},
		{"missing", "", false},
		{"wrong", "https://evil.example", false},
		{"with a slash", w.URL + "/", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.script(func() {
				w.meta["authorization_response_iss_parameter_supported"] = true
				w.callback = url.Values{"iss": {test.iss}}
			})
			before := w.count("token:authorization_code")
			status, _, err := call(Interactive(t.Context()), newClient(t, w.config(t.TempDir(), &browser{})), "x")
			if (err == nil && status == 200) != test.ok {
				t.Errorf("got %d, %v", status, err)
			}
			if sent := w.count("token:authorization_code") > before; sent != test.ok {
				t.Errorf("code sent: %v", sent)
			}
		})
	}
}

func TestDenied(t *testing.T) {
	w, b := newWorld(t), &browser{shown: make(chan string, 1)}
	w.script(func() {
		w.callback = url.Values{"code": {""}, "error": {"access_denied"}, "error_description": {"<i>not today</i>"}}
	})
	dir := t.TempDir()
	c := newClient(t, w.config(dir, b))
	_, _, err := call(Interactive(t.Context()), c, "x")
	if !errors.Is(err, ErrDenied) {
		t.Errorf("got %v, want ErrDenied", err)
	}
	if page := <-b.shown; !strings.Contains(page, "Sign-in refused") || !strings.Contains(page, "&lt;i&gt;not today") {
		t.Errorf("page: %s", page)
	}
	// No process asks again by itself.
	for _, c := range []*Client{c, newClient(t, w.config(dir, b))} {
		_, _, err = call(Interactive(t.Context()), c, "x")
		var need *SignInError
		if !errors.As(err, &need) {
			t.Errorf("got %v, want a SignInError", err)
		}
	}
	if b.tabs() != 1 {
		t.Errorf("%d tabs", b.tabs())
	}
	w.wantCounts("token:authorization_code=0")
}

func TestIgnoredTab(t *testing.T) {
	t.Parallel()
	w, b := newWorld(t), &browser{away: true}
	cfg := w.config(t.TempDir(), b)
	cfg.AuthTimeout = 300 * time.Millisecond
	c := newClient(t, cfg)
	_, _, err := call(Interactive(t.Context()), c, "x")
	var need *SignInError
	if !errors.As(err, &need) || b.tabs() != 1 {
		t.Errorf("got %v and %d tabs", err, b.tabs())
	}
	// Its time has passed, so that it may be repeated.
	b.mu.Lock()
	b.away = false
	b.mu.Unlock()
	mustCall(t, c, "x")
	if b.tabs() != 2 {
		t.Errorf("%d tabs", b.tabs())
	}
}

// The authorization server has forgotten our registration: it is renewed once, without a dead end.
func TestForgottenRegistration(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		forget func(w *world, rw http.ResponseWriter, r *http.Request) bool
	}{
		{"HTML page at authorize", nil}, // what world does by itself
		{"error page elsewhere", func(w *world, rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/authorize" {
				return false
			}
			q := url.Values{"error": {"unauthorized_client"}, "error_description": {"redirect_uri is not registered for client"}}
			http.Redirect(rw, r, w.URL+"/error?"+q.Encode(), http.StatusFound)
			return true
		}},
		{"error by the browser", func(w *world, rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/authorize" || r.Header.Get("Accept") == "text/html" { // not at our own look
				return false
			}
			q := url.Values{"error": {"invalid_request"}, "error_description": {"redirect_uri is not registered"}, "state": {r.Form.Get("state")}}
			http.Redirect(rw, r, r.Form.Get("redirect_uri")+"?"+q.Encode(), http.StatusFound)
			return true
		}},
		{"invalid_client at the token endpoint", func(w *world, rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/token" {
				reply(rw, 401, map[string]any{"error": "invalid_client"})
			}
			return r.URL.Path == "/token"
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, b := newWorld(t), &browser{}
			c := newClient(t, w.config(t.TempDir(), b))
			mustCall(t, c, "x")
			first := w.form("authorize").Get("client_id")
			w.script(func() {
				clear(w.access)
				clear(w.refresh) // so that only the user can help
				if test.forget == nil {
					delete(w.clients, first)
				}
			})
			if test.forget != nil {
				w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
					id := r.Form.Get("client_id")
					return id == first && r.PostForm.Get("grant_type") != "refresh_token" && test.forget(w, rw, r)
				})
			}
			mustCall(t, c, "y")
			w.wantCounts("register=2")
			if got := w.form("token:authorization_code").Get("client_id"); got == first {
				t.Error("the forgotten client was used again")
			}
		})
	}
}

func TestRegistrationIsReusedWithItsPort(t *testing.T) {
	w, b := newWorld(t), &browser{}
	dir := t.TempDir()
	mustCall(t, newClient(t, w.config(dir, b)), "x")
	uri := w.form("authorize").Get("redirect_uri")
	forget := func() { w.script(func() { clear(w.access); clear(w.refresh) }) }
	forget()
	mustCall(t, newClient(t, w.config(dir, b)), "y")
	w.wantCounts("register=1")
	if got := w.form("authorize").Get("redirect_uri"); got != uri {
		t.Errorf("redirect URI %s, want %s", got, uri)
	}
	// Somebody else has the port now: another port is another registration.
	forget()
	ln, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(portOf(uri)))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	mustCall(t, newClient(t, w.config(dir, b)), "z")
	w.wantCounts("register=2")
	if got := w.form("authorize").Get("redirect_uri"); got == uri {
		t.Error("same redirect URI on a taken port")
	}
}

// A server that changes its authorization server gets a new registration; the old client ID is not shown to the new one.
func TestAuthorizationServerMigration(t *testing.T) {
	w, as2, b := newWorld(t), newWorld(t), &browser{}
	c := newClient(t, w.config(t.TempDir(), b))
	mustCall(t, c, "x")
	w.script(func() {
		w.prm["authorization_servers"] = []string{as2.URL}
		clear(w.access)
		clear(w.refresh)
	})
	// What as2 issues is good at w from now on.
	w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		as2.script(func() {
			if f, ok := as2.access[token]; ok && r.Form.Get("grant_type") == "" {
				w.script(func() { w.access[token] = f })
			}
		})
		return false
	})
	status, _, err := call(Interactive(t.Context()), c, "y")
	if err != nil || status != 200 {
		t.Fatalf("got %d, %v", status, err)
	}
	as2.wantCounts("register=1", "authorize=1", "token:authorization_code=1", "token:refresh_token=0")
	w.wantCounts("register=1", "authorize=1")
}

func TestPastedCallback(t *testing.T) {
	w, b := newWorld(t), &browser{}
	cfg := w.config(t.TempDir(), b)
	var told []string
	cfg.Progress = func(s string) { told = append(told, s) }
	asked := 0
	cfg.Prompt = func(ctx context.Context, page string) (string, error) {
		asked++
		if asked == 1 {
			return "http://127.0.0.1:1/callback?code=canary-x&state=wrong", nil
		}
		hc := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := hc.Get(page)
		if err != nil {
			return "", err
		}
		resp.Body.Close()
		return "  " + resp.Header.Get("Location") + "\n", nil
	}
	mustCall(t, newClient(t, cfg), "x")
	if asked != 2 || b.tabs() != 0 {
		t.Errorf("asked %d times, %d tabs", asked, b.tabs())
	}
	if len(told) == 0 || !strings.Contains(told[0], w.URL+"/authorize?") {
		t.Errorf("told: %q", told)
	}
}

func TestDeviceCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(func() { w.meta["device_authorization_endpoint"] = w.URL + "/device" })
	pending := true
	w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.PostForm.Get("grant_type") == deviceGrant && pending {
			pending = false
			reply(rw, 400, map[string]any{"error": "authorization_pending"})
			return true
		}
		return false
	})
	cfg := w.config(t.TempDir(), &browser{})
	cfg.DeviceCode, cfg.OpenURL = true, nil
	var told []string
	cfg.Progress = func(s string) { told = append(told, s) }
	mustCall(t, newClient(t, cfg), "x")
	if len(told) == 0 || !strings.Contains(told[0], "ABCD-EFGH") {
		t.Errorf("told: %q", told)
	}
	if got := w.form("token:" + deviceGrant).Get("resource"); got != w.URL+"/mcp" {
		t.Errorf("resource %q", got)
	}
	w.wantCounts("device=1", "token:"+deviceGrant+"=2", "authorize=0")
}

func TestClientCredentials(t *testing.T) {
	w, b := newWorld(t), &browser{}
	w.script(func() { w.prm["scopes_supported"] = []string{"read"} })
	cfg := w.config(t.TempDir(), b)
	cfg.ClientCredentials, cfg.ClientID, cfg.ClientSecret = true, "service", "canary-secret"
	c := newClient(t, cfg)
	// Nobody has to wait for it.
	if status, _, err := call(t.Context(), c, "x"); status != 200 || err != nil {
		t.Fatalf("got %d, %v", status, err)
	}
	w.refuseAll()
	mustCall(t, c, "y")
	f := w.form("token:client_credentials")
	if f.Get("resource") != w.URL+"/mcp" || f.Get("scope") != "read" || w.authorization("token:client_credentials") == "" {
		t.Errorf("request: %v", f)
	}
	w.wantCounts("token:client_credentials=2", "register=0", "authorize=0", "token:refresh_token=0")
}

// TestTokenEndpoint has a service know where its tokens are: it asks for no metadata, and authenticates as it was told to.
func TestTokenEndpoint(t *testing.T) {
	for _, method := range []string{"", authBasic, authPost} {
		w := newWorld(t)
		cfg := w.config(t.TempDir(), &browser{})
		cfg.ClientCredentials, cfg.ClientID, cfg.ClientSecret, cfg.ClientAuthMethod = true, "service", "canary-secret", method
		cfg.TokenEndpoint, cfg.Scope, cfg.IPv4 = w.URL+"/token?tenant=1", "read", true
		mustCall(t, newClient(t, cfg), "x")
		f := w.form("token:client_credentials")
		if f.Get("resource") != w.URL+"/mcp" || f.Get("scope") != "read" || f.Get("tenant") != "1" {
			t.Errorf("request: %v", f)
		}
		if basic := w.authorization("token:client_credentials") != ""; basic == (method == authPost) || (f.Get("client_secret") != "") != (method == authPost) {
			t.Errorf("method %q: Authorization: %t, request %v", method, basic, f)
		}
		w.wantCounts("token:client_credentials=1", ".well-known/oauth-protected-resource/mcp=0", ".well-known/oauth-authorization-server=0")
	}
}

func TestResourceOverrides(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	cfg := w.config(dir, &browser{})
	cfg.Resource = "https://tenant.example/"
	mustCall(t, newClient(t, cfg), "x")
	if got := w.form("authorize").Get("resource"); got != "https://tenant.example/" {
		t.Errorf("resource %q", got)
	}
	cfg = w.config(dir, &browser{})
	cfg.OmitResource = true
	cfg.AuthorizeParams = url.Values{"audience": {"x"}}
	mustCall(t, newClient(t, cfg), "x")
	if q := w.form("authorize"); q.Has("resource") || q.Get("audience") != "x" {
		t.Errorf("request: %v", q)
	}
	w.wantCounts("authorize=2")
}

func TestLogout(t *testing.T) {
	w, b, dir := newWorld(t), &browser{}, t.TempDir()
	c := newClient(t, w.config(dir, b))
	mustCall(t, c, "x")
	s, err := c.Status(t.Context())
	if err != nil || !s.SignedIn || !s.Renewable || s.Issuer != w.URL || s.Server != w.URL+"/mcp" {
		t.Errorf("status %+v, %v", s, err)
	}
	if all, err := c.StatusAll(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("status of all: %+v, %v", all, err)
	}
	if err := c.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	w.wantCounts("revoke=2")
	if s, err := c.Status(t.Context()); err != nil || s.SignedIn {
		t.Errorf("status %+v, %v", s, err)
	}
	if keys, err := c.cfg.Store.List(t.Context()); err != nil || len(keys) != 0 {
		t.Errorf("left in the store: %q, %v", keys, err)
	}
	mustCall(t, c, "y")
	if err := c.LogoutAll(t.Context()); err != nil {
		t.Error(err)
	}
	if keys, err := c.cfg.Store.List(t.Context()); err != nil || len(keys) != 0 {
		t.Errorf("left in the store: %q, %v", keys, err)
	}
	w.wantCounts("revoke=4", "authorize=2", "register=2")
}

// TestLogoutRefused checks that a server need not revoke every kind of token (RFC 7009 §2.2.1), and that one that revokes none is not hidden.
func TestLogoutRefused(t *testing.T) {
	for _, test := range []struct {
		name    string
		refused map[string]string // error by token_type_hint
		want    string            // in the error; "" means none
	}{
		{"refresh tokens alone", map[string]string{"access_token": "unsupported_token_type"}, ""},
		{"access tokens alone", map[string]string{"refresh_token": "unsupported_token_type"}, ""},
		{"neither", map[string]string{"access_token": "unsupported_token_type", "refresh_token": "unsupported_token_type"}, "unsupported_token_type"},
		{"not from us", map[string]string{"access_token": "invalid_client", "refresh_token": "invalid_client"}, "signed out on this computer"},
		{"not just now", map[string]string{"refresh_token": "temporarily_unavailable"}, "temporarily_unavailable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, b := newWorld(t), &browser{}
			w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
				code := test.refused[r.PostForm.Get("token_type_hint")]
				if r.URL.Path == "/revoke" && code != "" {
					reply(rw, http.StatusBadRequest, map[string]any{"error": code})
					return true
				}
				return false
			})
			c := newClient(t, w.config(t.TempDir(), b))
			mustCall(t, c, "x")
			err := c.Logout(t.Context())
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			w.wantCounts("revoke=2")
			if s, err := c.Status(t.Context()); err != nil || s.SignedIn {
				t.Errorf("status %+v, %v", s, err)
			}
		})
	}
}

// TestLogoutInterrupted has the user interrupt a logout while the server is told. What is kept then is not said to be gone.
func TestLogoutInterrupted(t *testing.T) {
	w, b, dir := newWorld(t), &browser{}, t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var interrupted atomic.Bool
	w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/revoke" || !interrupted.CompareAndSwap(false, true) {
			return false
		}
		cancel()
		<-r.Context().Done()
		return true
	})
	c := newClient(t, w.config(dir, b))
	mustCall(t, c, "x")
	err := c.Logout(ctx)
	kept := func() bool {
		keys, err := c.cfg.Store.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, grantPrefix) })
	}
	if err == nil || kept() && strings.Contains(err.Error(), "signed out on this computer") {
		t.Errorf("the tokens are kept: %t, and %v", kept(), err)
	}
	if err := c.Logout(t.Context()); err != nil || kept() {
		t.Errorf("another logout: %v; the tokens are kept: %t", err, kept())
	}
}

func TestLoginAnew(t *testing.T) {
	w, b := newWorld(t), &browser{}
	c := newClient(t, w.config(t.TempDir(), b))
	mustCall(t, c, "x")
	before := c.grant.AccessToken
	if err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.grant.AccessToken == before {
		t.Error("same token")
	}
	w.wantCounts("register=1", "token:authorization_code=2", "token:refresh_token=0")
	if b.tabs() != 2 {
		t.Errorf("%d tabs", b.tabs())
	}
}

func TestImport(t *testing.T) {
	w, b := newWorld(t), &browser{}
	w.script(func() { w.refresh["canary-imported"] = "family-i" })
	c := newClient(t, w.config(t.TempDir(), b))
	if err := c.Import(t.Context(), Imported{ClientID: "their-client", RefreshToken: "canary-imported"}); err != nil {
		t.Fatal(err)
	}
	mustCall(t, c, "x")
	w.wantCounts("token:refresh_token=1", "authorize=0", "register=0")
	if err := c.Import(t.Context(), Imported{Issuer: "https://other.example", ClientID: "x", RefreshToken: "y"}); err == nil {
		t.Error("imported from another authorization server")
	}
}
