package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
)

// A world is an MCP server at /mcp and its authorization server, on one origin unless a test says otherwise. What it does
// is data; what it saw is counted. Refresh tokens are single-use, and using one again ends the whole sign-in.
type world struct {
	*httptest.Server
	t testing.TB

	mu sync.Mutex // guards what follows

	// The script.
	prm       map[string]any                                    // resource metadata; nil means none
	meta      map[string]any                                    // added to the server metadata; a nil value removes a member
	noMeta    bool                                              // no server metadata at all
	token     map[string]any                                    // added to every token response, likewise
	callback  url.Values                                        // added to every callback; an empty value removes a parameter
	challenge string                                            // of a 401; "" means one with resource_metadata
	scope     string                                            // that /mcp needs beyond any token
	take      func(w http.ResponseWriter, r *http.Request) bool // takes a request over, not under mu
	register  map[string]any                                    // added to every registration response

	// What was seen.
	counts  map[string]int
	forms   map[string]url.Values // the last request of each kind
	auth    map[string]string     // its Authorization
	bodies  []string              // at /mcp, of accepted requests
	clients map[string][]string   // redirect URIs
	codes   map[string]url.Values // the authorization request of each code
	access  map[string]string     // family of each good access token
	refresh map[string]string     // family of each refresh token, used or not
	used    map[string]bool
	scopes  map[string]string // of each family
	serial  int
}

func newWorld(t testing.TB) *world {
	w := &world{
		t: t, counts: map[string]int{}, forms: map[string]url.Values{}, auth: map[string]string{}, clients: map[string][]string{},
		codes: map[string]url.Values{}, access: map[string]string{}, refresh: map[string]string{}, used: map[string]bool{},
		scopes: map[string]string{}, meta: map[string]any{}, token: map[string]any{}, register: map[string]any{}, callback: url.Values{},
	}
	w.Server = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(w.Close)
	w.script(func() {
		w.prm = map[string]any{"resource": w.URL + "/mcp", "authorization_servers": []string{w.URL}}
	})
	return w
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	kind := strings.TrimPrefix(r.URL.Path, "/")
	if g := r.PostForm.Get("grant_type"); g != "" {
		kind += ":" + g
	}
	w.mu.Lock()
	w.counts[kind]++
	w.forms[kind] = r.Form
	w.auth[kind] = r.Header.Get("Authorization")
	take := w.take
	w.mu.Unlock()
	if take != nil && take(rw, r) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch r.URL.Path {
	case "/mcp":
		w.serveMCP(rw, r)
	case "/.well-known/oauth-protected-resource/mcp":
		if w.prm == nil {
			http.NotFound(rw, r)
			return
		}
		reply(rw, 200, w.prm)
	case "/.well-known/oauth-authorization-server":
		if w.noMeta {
			http.NotFound(rw, r)
			return
		}
		reply(rw, 200, merge(map[string]any{
			"issuer": w.URL, "authorization_endpoint": w.URL + "/authorize", "token_endpoint": w.URL + "/token",
			"registration_endpoint": w.URL + "/register", "revocation_endpoint": w.URL + "/revoke",
			"code_challenge_methods_supported": []string{"S256"}, "token_endpoint_auth_methods_supported": []string{"none"},
		}, w.meta))
	case "/register":
		w.serveRegister(rw, r)
	case "/authorize":
		w.serveAuthorize(rw, r)
	case "/token":
		w.serveToken(rw, r)
	case "/device":
		reply(rw, 200, map[string]any{"device_code": "canary-device", "user_code": "ABCD-EFGH",
			"verification_uri": w.URL + "/enter", "expires_in": 600, "interval": 1})
	case "/revoke":
		delete(w.refresh, r.PostForm.Get("token"))
		delete(w.access, r.PostForm.Get("token"))
	default:
		http.NotFound(rw, r)
	}
}

func (w *world) serveMCP(rw http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	family, ok := w.access[token]
	switch {
	case !ok:
		w.counts["401"]++
		ch := w.challenge
		if ch == "" {
			ch = `Bearer error="invalid_token", resource_metadata="` + w.URL + `/.well-known/oauth-protected-resource/mcp"`
		}
		rw.Header().Set("WWW-Authenticate", ch)
		rw.WriteHeader(http.StatusUnauthorized)
	case w.scope != "" && !slices.Contains(strings.Fields(w.scopes[family]), w.scope):
		w.counts["403"]++
		rw.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+w.scope+`"`)
		rw.WriteHeader(http.StatusForbidden)
	default:
		body, _ := io.ReadAll(r.Body)
		w.bodies = append(w.bodies, string(body))
		w.counts["200"]++
		io.WriteString(rw, "answer to "+string(body))
	}
}

func (w *world) serveRegister(rw http.ResponseWriter, r *http.Request) {
	var md struct {
		RedirectURIs []string `json:"redirect_uris"`
		Method       string   `json:"token_endpoint_auth_method"`
	}
	body, _ := io.ReadAll(r.Body)
	w.forms["register"] = url.Values{"body": {string(body)}}
	if err := json.Unmarshal(body, &md); err != nil {
		reply(rw, 400, map[string]any{"error": "invalid_client_metadata"})
		return
	}
	id := fmt.Sprintf("client-%d", w.next())
	w.clients[id] = md.RedirectURIs
	reply(rw, 201, merge(map[string]any{"client_id": id, "redirect_uris": md.RedirectURIs, "token_endpoint_auth_method": md.Method}, w.register))
}

func (w *world) serveAuthorize(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if !slices.Contains(w.clients[q.Get("client_id")], q.Get("redirect_uri")) {
		rw.Header().Set("Content-Type", "text/html")
		rw.WriteHeader(http.StatusBadRequest)
		io.WriteString(rw, "<h1>redirect_uri is not registered for client</h1>")
		return
	}
	code := fmt.Sprintf("canary-code-%d", w.next())
	w.codes[code] = q
	back := url.Values{"code": {code}, "state": {q.Get("state")}}
	for k, v := range w.callback {
		back[k] = v
		if v[0] == "" {
			delete(back, k)
		}
	}
	http.Redirect(rw, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (w *world) serveToken(rw http.ResponseWriter, r *http.Request) {
	f := r.PostForm
	family := fmt.Sprintf("family-%d", w.next())
	switch f.Get("grant_type") {
	case "authorization_code":
		q := w.codes[f.Get("code")]
		delete(w.codes, f.Get("code"))
		sum := sha256.Sum256([]byte(f.Get("code_verifier")))
		if q == nil || base64.RawURLEncoding.EncodeToString(sum[:]) != q.Get("code_challenge") ||
			q.Get("redirect_uri") != f.Get("redirect_uri") || q.Get("resource") != f.Get("resource") {
			reply(rw, 400, map[string]any{"error": "invalid_grant"})
			return
		}
		w.scopes[family] = q.Get("scope")
	case "refresh_token":
		old := f.Get("refresh_token")
		if w.used[old] { // stolen: nobody keeps anything
			maps.DeleteFunc(w.access, func(_, v string) bool { return v == w.refresh[old] })
			maps.DeleteFunc(w.refresh, func(k, v string) bool { return v == w.refresh[old] && k != old })
		}
		if w.used[old] || w.refresh[old] == "" {
			reply(rw, 400, map[string]any{"error": "invalid_grant", "error_description": "refresh token " + old + " was already used"})
			return
		}
		w.used[old] = true
		family = w.refresh[old]
	case "client_credentials", deviceGrant:
	default:
		reply(rw, 400, map[string]any{"error": "unsupported_grant_type"})
		return
	}
	reply(rw, 200, merge(map[string]any{"access_token": w.issue(w.access, "access", family), "token_type": "bearer",
		"expires_in": 3300, "refresh_token": w.issue(w.refresh, "refresh", family), "scope": ""}, w.token))
}

func (w *world) issue(where map[string]string, kind, family string) string {
	token := fmt.Sprintf("canary-%s-%d", kind, w.next())
	where[token] = family
	return token
}

func (w *world) next() int { w.serial++; return w.serial }

// script changes the script.
func (w *world) script(edit func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	edit()
}

// taking has f see every request first; it takes over those for which it returns true.
func (w *world) taking(f func(w http.ResponseWriter, r *http.Request) bool) {
	w.script(func() { w.take = f })
}

// refuseAll makes every access token worthless, as a server does that loses its memory.
func (w *world) refuseAll() {
	w.script(func() { clear(w.access) })
}

func (w *world) count(kind string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[kind]
}

func (w *world) form(kind string) url.Values {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.forms[kind]
}

// authorization returns that of the last request of a kind.
func (w *world) authorization(kind string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.auth[kind]
}

// wantCounts compares what the server saw with "kind=n" for each kind.
func (w *world) wantCounts(want ...string) {
	w.t.Helper()
	for _, s := range want {
		kind, n, _ := strings.Cut(s, "=")
		if got := fmt.Sprint(w.count(kind)); got != n {
			w.t.Errorf("server saw %s %s times, want %s", kind, got, n)
		}
	}
}

func reply(rw http.ResponseWriter, status int, v map[string]any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	json.NewEncoder(rw).Encode(v)
}

// merge adds the members of b to a; a nil one removes.
func merge(a, b map[string]any) map[string]any {
	for k, v := range b {
		a[k] = v
		if v == nil {
			delete(a, k)
		}
	}
	return a
}

// A browser opens pages as a person does who agrees with everything.
type browser struct {
	mu    sync.Mutex
	pages []string // opened
	away  bool     // nobody looks at it

	shown chan string // bodies of the pages that it ended up at; nil means that nobody wants them
}

func (b *browser) open(page string) error {
	b.mu.Lock()
	b.pages = append(b.pages, page)
	away := b.away
	b.mu.Unlock()
	if away {
		return nil
	}
	return b.visit(page)
}

func (b *browser) visit(page string) error {
	resp, err := http.Get(page)
	if err != nil {
		return nil // a browser shows that, and the launcher does not care
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if b.shown != nil {
		b.shown <- string(body)
	}
	return err
}

func (b *browser) tabs() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.pages)
}

// config returns a Config for w with a store in dir.
func (w *world) config(dir string, b *browser) Config {
	u, err := url.Parse(w.URL + "/mcp")
	if err != nil {
		w.t.Fatal(err)
	}
	return Config{Server: u, Store: &keychain.Store{Dir: dir, Kind: keychain.File}, OpenURL: b.open}
}

func newClient(t testing.TB, cfg Config) *Client {
	c := New(cfg)
	t.Cleanup(func() { c.Close() })
	return c
}

// call sends body and returns the answer's status and body.
func call(ctx context.Context, c *Client, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.Server.String(), strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer), err
}

// mustCall is call for a request of the IDE that has to succeed.
func mustCall(t testing.TB, c *Client, body string) {
	t.Helper()
	status, answer, err := call(Interactive(t.Context()), c, body)
	if err != nil || status != 200 || answer != "answer to "+body {
		t.Fatalf("call: %d %q, %v", status, answer, err)
	}
}
