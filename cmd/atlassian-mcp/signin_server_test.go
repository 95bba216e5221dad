package main

import (
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// A signInServer is an MCP server that wants to know who asks, and the authorization server that tells it, on one origin.
// Each sign-in is that of another account, which the server names in its answer to initialize. All secrets that it issues or takes
// begin with "canary-", refresh tokens are good for one use, and it counts what it sees.
type signInServer struct {
	*httptest.Server // nil until start

	mu      sync.Mutex // guards what follows
	denies  bool       // the user says no
	counts  map[string]int
	codes   map[string]url.Values // the request that led to each
	access  map[string]string     // whose it is
	refresh map[string]string
}

// canaryKey is the API token that a signInServer takes.
const canaryKey = "canary-key"

func (s *signInServer) start() {
	s.counts, s.codes = make(map[string]int), make(map[string]url.Values)
	s.access, s.refresh = make(map[string]string), make(map[string]string)
	mux := http.NewServeMux()
	mux.HandleFunc("/mcp", s.mcp)
	mux.HandleFunc("GET /.well-known/oauth-protected-resource/mcp", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"resource": s.URL + "/mcp", "authorization_servers": []string{s.URL}})
	})
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{
			"issuer": s.URL, "authorization_endpoint": s.URL + "/authorize", "token_endpoint": s.URL + "/token",
			"registration_endpoint": s.URL + "/register", "revocation_endpoint": s.URL + "/revoke",
			"code_challenge_methods_supported": []string{"S256"}, "token_endpoint_auth_methods_supported": []string{"client_secret_post"},
		})
	})
	mux.HandleFunc("POST /register", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusCreated, map[string]any{
			"client_id": "client", "client_secret": "canary-secret", "token_endpoint_auth_method": "client_secret_post",
		})
	})
	mux.HandleFunc("GET /authorize", s.authorize)
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("POST /revoke", func(w http.ResponseWriter, r *http.Request) {
		delete(s.access, r.PostForm.Get("token"))
		delete(s.refresh, r.PostForm.Get("token"))
	})
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/mcp" { // may hang
			mux.ServeHTTP(w, r)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.counts[r.URL.Path]++
		r.ParseForm()
		mux.ServeHTTP(w, r)
	}))
	s.Server.Start() // not before there is a Server for the handlers to know their URL from
}

// mcp is fakeMCP for those who say who they are. Under the name of another host, for which this server is the proxy then,
// it wants to know nothing.
func (s *signInServer) mcp(w http.ResponseWriter, r *http.Request) {
	authorization := r.Header.Get("Authorization")
	user, password, _ := r.BasicAuth()
	s.mu.Lock()
	who := s.access[strings.TrimPrefix(authorization, "Bearer ")]
	switch {
	case "http://"+r.Host != s.URL && authorization == "":
		who = "nobody"
	case authorization == "Bearer "+canaryKey:
		who = "a service"
	case user == "me@example.com" && password == canaryKey:
		who = "me"
	}
	if who == "" {
		s.counts["401"]++
	}
	s.mu.Unlock()
	if who == "" {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", resource_metadata="`+s.URL+`/.well-known/oauth-protected-resource/mcp"`)
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	r.Header.Set("X-Key", "hello, "+who)
	fakeMCP(w, r)
}

func (s *signInServer) authorize(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.UserAgent(), "atlassian-mcp") { // which looks whether its client is still known
		s.counts["tab"]++
	}
	back := url.Values{"state": {r.Form.Get("state")}}
	if s.denies {
		back.Set("error", "access_denied")
		back.Set("error_description", "the user said no")
	} else {
		code := s.next("canary-code") + strings.Repeat("x", 5000) // no terminal takes as much for a line by itself
		s.codes[code] = r.Form
		back.Set("code", code)
	}
	http.Redirect(w, r, r.Form.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (s *signInServer) token(w http.ResponseWriter, r *http.Request) {
	f, who := r.PostForm, ""
	s.counts[f.Get("grant_type")]++
	switch f.Get("grant_type") {
	case "authorization_code":
		asked := s.codes[f.Get("code")]
		verifier := sha256.Sum256([]byte(f.Get("code_verifier")))
		if asked != nil && asked.Get("code_challenge") == base64.RawURLEncoding.EncodeToString(verifier[:]) {
			who = s.next("account")
		}
		delete(s.codes, f.Get("code"))
	case "refresh_token":
		who = s.refresh[f.Get("refresh_token")]
		delete(s.refresh, f.Get("refresh_token"))
	}
	if who == "" || f.Get("client_secret") != "canary-secret" {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "not good: " + f.Encode()})
		return
	}
	access, refresh := s.next("canary-access"), s.next("canary-refresh")
	s.access[access], s.refresh[refresh] = who, who
	writeJSON(w, http.StatusOK, map[string]any{"access_token": access, "refresh_token": refresh, "token_type": "bearer", "expires_in": 3300})
}

// next returns a name that has not been there before.
func (s *signInServer) next(name string) string {
	s.counts[name]++
	return fmt.Sprintf("%s-%d", name, s.counts[name])
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

type signInKey struct{} // of the *signInServer of a script

// setUpSignIn gives a script a home directory, a place for tokens, and a browser.
func setUpSignIn(env *testscript.Env) error {
	env.Values[signInKey{}] = new(signInServer)
	home, bin := filepath.Join(env.WorkDir, "home"), filepath.Join(env.WorkDir, "bin")
	for _, name := range []string{"HOME", "USERPROFILE", "LocalAppData"} {
		env.Setenv(name, home)
	}
	env.Setenv(tokenStoreEnv, "file")
	env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
	if err := os.Mkdir(bin, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"xdg-open", "open"} { // on Linux, on macOS
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\nexec follow \"$1\"\n"), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// follow is what the scripts have for a browser. Its user agrees to everything, or with $AWAY doesn't look at it.
func follow() {
	fmt.Println("Opening in existing browser session.") // is not to get into the messages of the program that opened it
	if os.Getenv("AWAY") != "" {
		return
	}
	res, err := http.Get(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "follow:", err)
		os.Exit(1)
	}
	res.Body.Close()
}

// signIn is "sign-in SETTING" in a script. See the README there.
func signIn(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(signInKey{}).(*signInServer)
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sign-in start|deny|allow|forget|expire")
	}
	if args[0] == "start" {
		s.start()
		ts.Defer(s.Close)
		ts.Setenv("ORIGIN", s.URL)
		ts.Setenv("URL", s.URL+"/mcp")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch args[0] {
	case "deny", "allow":
		s.denies = args[0] == "deny"
	case "forget":
		clear(s.access)
	case "expire":
		clear(s.access)
		clear(s.refresh)
	default:
		ts.Fatalf("sign-in: no setting %q", args[0])
	}
}

// mcpRemote is "mcp-remote NAME VERSION [TOKENS]" in a script.
func mcpRemote(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: mcp-remote NAME VERSION [TOKENS]")
	}
	s := ts.Value(signInKey{}).(*signInServer)
	s.mu.Lock()
	defer s.mu.Unlock()
	const access, refresh = "canary-access-of-mcp-remote", "canary-refresh-of-mcp-remote"
	s.access[access], s.refresh[refresh] = "a user of mcp-remote", "a user of mcp-remote"
	tokens := `{"access_token": "` + access + `", "refresh_token": "` + refresh + `", "token_type": "bearer", "issuer": "` + s.URL + `"}`
	if len(args) > 2 {
		tokens = args[2]
	}
	dir := filepath.Join(cmp.Or(ts.Getenv("MCP_REMOTE_CONFIG_DIR"), filepath.Join(ts.Getenv("HOME"), ".mcp-auth")), args[1])
	ts.Check(os.MkdirAll(dir, 0o755))
	file := filepath.Join(dir, fmt.Sprintf("%x", md5.Sum([]byte(args[0]))))
	ts.Check(os.WriteFile(file+"_tokens.json", []byte(tokens), 0o600))
	ts.Check(os.WriteFile(file+"_client_info.json", []byte(`{"client_id": "client", "client_secret": "canary-secret",
		"token_endpoint_auth_method": "client_secret_post", "redirect_uris": ["http://localhost:3334/oauth/callback"]}`), 0o600))
}

// counted is "counted WHAT=N..." in a script.
func counted(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(signInKey{}).(*signInServer)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, arg := range args {
		what, want, _ := strings.Cut(arg, "=")
		if got := strconv.Itoa(s.counts[what]); neg || got != want {
			ts.Fatalf("the server counted %s %s, not %s, in %v", what, got, want, s.counts)
		}
	}
}

// exits is "exits STATUS COMMAND ARG..." in a script.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND ARG...")
	}
	status := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		status = strconv.Itoa(exit.ExitCode())
	}
	if status != args[0] {
		ts.Fatalf("exit status %s", status)
	}
	for _, stream := range []string{"stdout", "stderr"} {
		if strings.Contains(ts.ReadFile(stream), "canary-") {
			ts.Fatalf("there is a secret on %s", stream)
		}
	}
}
