package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// files returns the files of c's store that hold secrets.
func (c *Client) files(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(c.cfg.Store.Dir, "*.secret"))
	if err != nil || len(names) == 0 {
		t.Fatalf("files in the store: %q, %v", names, err)
	}
	return names
}

// A rotated token that can't be stored is used from memory; the spent one in the store is not used again.
func TestStoreCannotBeWritten(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		apart bool // renewal in a process of its own
	}{{"here", false}, {"apart", true}} {
		t.Run(test.name, func(t *testing.T) {
			w, b := newWorld(t), &browser{}
			cfg := w.config(t.TempDir(), b)
			var mu sync.Mutex
			var told []string
			cfg.Progress = func(s string) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, s)
			}
			if test.apart {
				cfg.Renewer = role{Server: w.URL + "/mcp", Dir: cfg.Store.Dir}.renewer
			}
			c := newClient(t, cfg)
			mustCall(t, c, "sign in")
			for _, name := range c.files(t) {
				// In the way of the new content.
				if err := os.Mkdir(name+".new", 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				w.refuseAll()
				mustCall(t, c, "x")
			}
			w.wantCounts("token:refresh_token=3", "authorize=1")
			if s := strings.Join(told, "\n"); !strings.Contains(s, "could not be stored") {
				t.Errorf("told: %s", s)
			}

			// So with a sign-in.
			w.script(func() { clear(w.access); clear(w.refresh) })
			mustCall(t, c, "y")
			mustCall(t, c, "z")
			w.wantCounts("token:authorization_code=2")
		})
	}
}

// That nobody knows whether there is a grant is no reason to ask the user.
func TestStoreCannotBeRead(t *testing.T) {
	w, b, dir := newWorld(t), &browser{}, t.TempDir()
	c := newClient(t, w.config(dir, b))
	mustCall(t, c, "sign in")
	names := c.files(t)
	for _, name := range names {
		if err := errors.Join(os.Rename(name, name+".away"), os.Mkdir(name, 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	c = newClient(t, w.config(dir, b))
	if status, _, err := call(Interactive(t.Context()), c, "x"); err == nil {
		t.Errorf("got %d", status)
	}
	for _, name := range names {
		if err := errors.Join(os.Remove(name), os.Rename(name+".away", name)); err != nil {
			t.Fatal(err)
		}
	}
	mustCall(t, c, "x")
	w.wantCounts("authorize=1", "401=1")
}

// A damaged or half-written secret is none: the user signs in again.
func TestStoreIsDamaged(t *testing.T) {
	for name, damage := range map[string]func(data []byte) []byte{
		"half":  func(data []byte) []byte { return data[:len(data)/2] },
		"empty": func([]byte) []byte { return nil },
		"other": func(data []byte) []byte { return bytes.Repeat([]byte{0xff}, len(data)) },
	} {
		t.Run(name, func(t *testing.T) {
			w, b, dir := newWorld(t), &browser{}, t.TempDir()
			c := newClient(t, w.config(dir, b))
			mustCall(t, c, "sign in")
			for _, name := range c.files(t) {
				data, err := os.ReadFile(name)
				if err == nil {
					err = os.WriteFile(name, damage(data), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			c = newClient(t, w.config(dir, b))
			mustCall(t, c, "x")
			w.wantCounts("authorize=2")
			mustCall(t, newClient(t, w.config(dir, b)), "y")
			w.wantCounts("authorize=2")
		})
	}
}

// A grant whole to the store may still not be a grant.
func TestDecodeGrant(t *testing.T) {
	good := &grant{Server: "s", Issuer: "i", Resource: "r", registration: registration{ClientID: "c", AuthMethod: authNone},
		TokenEndpoint: "https://as.example/token", AccessToken: "a", RefreshToken: "r", Requested: []string{"x"},
		Issued: time.Now().UTC().Round(0), Expires: time.Now().UTC().Round(0)}
	if got, err := decodeGrant(good.encode()); err != nil || !reflect.DeepEqual(got, good) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, edit := range []func(*grant){
		func(g *grant) { g.Issuer = "" },
		func(g *grant) { g.ClientID = "" },
		func(g *grant) { g.TokenEndpoint = "" },
		func(g *grant) { g.AccessToken = "a\r\nb" },
		func(g *grant) { g.RefreshToken = "a b" },
	} {
		bad := *good
		edit(&bad)
		if got, err := decodeGrant(bad.encode()); err == nil {
			t.Errorf("accepted %+v", got)
		}
	}
}

func FuzzDecodeGrant(f *testing.F) {
	f.Add([]byte(`{"issuer":"i","client_id":"c","token_endpoint":"t","access_token":"a","expires":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"issuer":"i","client_id":"c","token_endpoint":"t","access_token":"a\n"}`))
	f.Add([]byte(`{"issuer":`))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := decodeGrant(data)
		if err != nil {
			if len(data) > 20 && strings.Contains(err.Error(), string(data)) {
				t.Error("error quotes the secret")
			}
			return
		}
		again, err := decodeGrant(g.encode())
		if err != nil || again.AccessToken != g.AccessToken || !again.Expires.Equal(g.Expires) {
			t.Errorf("%+v became %+v, %v", g, again, err)
		}
		now := time.Now()
		g.due(now)
		g.expired(now)
		g.status()
	})
}

// Whatever happens, no secret is told, logged or returned in an error.
func TestNothingSecretIsTold(t *testing.T) {
	t.Parallel()
	w, b := newWorld(t), &browser{}
	var log safeBuffer
	cfg := w.config(t.TempDir(), b)
	cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Progress = func(s string) { log.Write([]byte(s + "\n")) }
	cfg.Renewer = role{Server: w.URL + "/mcp", Dir: cfg.Store.Dir}.renewer
	w.script(func() {
		w.register = map[string]any{"client_secret": "canary-secret", "token_endpoint_auth_method": authPost}
	})
	c := newClient(t, cfg)
	note := func(err error) {
		if err != nil {
			log.Write([]byte(err.Error() + "\n"))
		}
	}
	mustCall(t, c, "x")
	verifier := w.form("token:authorization_code").Get("code_verifier")
	for _, fault := range []func(rw http.ResponseWriter, r *http.Request){
		func(rw http.ResponseWriter, r *http.Request) {
			s, _ := json.Marshal(r.PostForm) // a server that quotes what it does not like
			reply(rw, 400, map[string]any{"error": "invalid_request", "error_description": string(s)})
		},
		func(rw http.ResponseWriter, r *http.Request) { http.Error(rw, r.PostForm.Encode(), 400) },
		func(rw http.ResponseWriter, r *http.Request) { rw.Write([]byte(r.PostForm.Encode())) },
		func(rw http.ResponseWriter, r *http.Request) {
			reply(rw, 200, map[string]any{"access_token": "canary-dpop", "token_type": "DPoP"})
		},
		func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "/token?"+r.PostForm.Encode(), http.StatusTemporaryRedirect)
		},
		func(rw http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	} {
		w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/token" {
				fault(rw, r)
			}
			return r.URL.Path == "/token"
		})
		w.refuseAll()
		c.renewLimit = time.Second
		res := c.renewHere(t.Context(), renewal{Key: c.grant.key(), Refused: digest(c.grant.AccessToken)})
		log.Write([]byte(res.Failure + "\n"))
		c.cfg.Renewer = nil // at work it has been seen
		_, _, err := call(t.Context(), c, "x")
		note(err)
		note(c.Login(t.Context()))
	}
	w.taking(nil)
	note(c.Login(t.Context()))
	note(c.Logout(t.Context()))
	text := log.String()
	if strings.Contains(text, "canary-") || strings.Contains(text, verifier) {
		t.Errorf("a secret was told:\n%s", text)
	}
	if !strings.Contains(text, "[redacted]") {
		t.Errorf("the server's words are gone:\n%s", text)
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
