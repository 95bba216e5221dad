//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSignInFaults runs the program against an authorization server that has a bad day, or means ill, and on a computer that has one.
func TestSignInFaults(t *testing.T) {
	program := peerProgram(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"renewal answered 503", func(t *testing.T, w *world) { testRenewalDelayed(w, http.StatusServiceUnavailable) }},
		{"renewal answered 429", func(t *testing.T, w *world) { testRenewalDelayed(w, http.StatusTooManyRequests) }},
		{"renewal cut", testRenewalCut},
		{"signed out by the server", testSignedOutByServer},
		{"tab ignored", testTabIgnored},
		{"sign-in denied", testSignInDenied},
		{"callback abused", testCallbackAbused},
		{"grant corrupted", testGrantCorrupted},
		{"store full", testStoreFull},
		{"secrets", testSecrets},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, newWorld(t, program))
		})
	}
	for _, test := range badServers {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			testBadServer(t, newWorld(t, program), test)
		})
	}
}

// testRenewalDelayed has the token endpoint ask for patience that nobody has.
func testRenewalDelayed(w *world, status int) {
	s := signedIn(w, 1)[0]
	w.script(func() {
		w.take["refresh"] = func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Retry-After", "3600")
			http.Error(rw, "later", status)
		}
	})
	w.refuseTokens()
	s.wantError(s.call(), "authorization server unavailable")
	w.script(func() { delete(w.take, "refresh") })
	s.mustCall()
	s.end()
	w.want("refreshed=1", "revoked=0", "tab=0")
}

// testRenewalCut has the connection to the token endpoint cut, twice: within the time of one call.
func testRenewalCut(t *testing.T, w *world) {
	s := signedIn(w, 1)[0]
	w.script(func() {
		cuts := 0
		w.take["refresh"] = func(rw http.ResponseWriter, r *http.Request) {
			if cuts++; cuts > 2 {
				w.issue(rw, r)
				return
			}
			panic(http.ErrAbortHandler)
		}
	})
	w.refuseTokens()
	s.mustCall()
	s.end()
	w.want("refresh=3", "refreshed=1", "revoked=0", "tab=0")
}

// testSignedOutByServer has the server forget everything: that is no reason to open a tab before somebody wants something.
func testSignedOutByServer(t *testing.T, w *world) {
	s := signedIn(w, 1)[0]
	w.script(func() { w.browse = nil })
	w.revoke()
	w.cutStreams()
	w.await("refresh", 1)
	w.await("401", 2) // the stream is tried again, so that what the first 401 led to is over
	w.want("tab=0")
	w.script(func() { w.browse = w.visit })
	s.mustCall()
	s.end()
	w.want("tab=1", "refresh=1", "register=0")
}

// signInTime is a short --auth-timeout.
const signInTime = 3 * time.Second

// testTabIgnored leaves a tab alone: there is no other in its time, whoever wants to sign in and whatever becomes of its owner.
func testTabIgnored(t *testing.T, w *world) {
	w.script(func() { w.browse = nil })
	patience := "--auth-timeout=" + signInTime.String()
	owner := w.start(patience)
	owner.initialize()
	page := w.tab(1).args[0]
	other := w.start(patience)
	other.initialize()
	other.stderr.await(pageLine+page, 1)
	owner.signal(syscall.SIGKILL)
	other.stderr.await(pageLine+page, 2)

	w.script(func() { w.browse = w.visit })
	for failed(other.answer(other.call())) { // none opens a tab before it is time, and then one does
	}
	other.end()
	if early := w.first["register"].Add(signInTime).Sub(w.tab(2).at); early > 0 {
		t.Errorf("the second tab came %v too early", early)
	}
	w.want("tab=2", "code=1")
}

// testSignInDenied has the user say no. Nobody asks again at once, in no process.
func testSignInDenied(t *testing.T, w *world) {
	w.script(func() {
		w.refuse = url.Values{"error": {"access_denied"}, "error_description": {"<script>alert(1)</script>"}}
	})
	patience := "--auth-timeout=" + signInTime.String()
	s := w.start(patience)
	s.initialize()
	s.wantError(s.call(), "access_denied")
	if page := w.page(1); !strings.Contains(page, "Sign-in refused") || strings.Contains(page, "<script>alert") {
		t.Errorf("the page says:\n%s", page)
	}
	w.want("tab=1")
	w.script(func() { w.refuse = nil })
	other := w.start(patience)
	other.initialize()
	for failed(other.answer(other.call())) {
	}
	if early := w.first["register"].Add(signInTime).Sub(w.tab(2).at); early > 0 {
		t.Errorf("the second tab came %v too early", early)
	}
	s.mustCall()
	s.end()
	other.end()
	w.want("tab=2", "code=1")
}

// testCallbackAbused knocks at the callback in the wrong way before the browser comes.
func testCallbackAbused(t *testing.T, w *world) {
	w.script(func() { w.browse = nil })
	s := w.start()
	s.initialize()
	page := w.tab(1).args[0]
	for _, query := range []string{
		"code=canary-code&state=wrong",
		"code=canary-code",
		"state=" + strings.Repeat("x", 1<<20),
		"%zz",
	} {
		back := w.callback(page)
		back.RawQuery = query
		resp, err := http.Get(back.String())
		if err != nil {
			if len(query) < 1<<20 { // a connection may be closed before all of that was sent
				t.Errorf("%.30s: %v", query, err)
			}
			continue
		}
		resp.Body.Close()
		if resp.StatusCode/100 != 4 {
			t.Errorf("%.30s: status %d", query, resp.StatusCode)
		}
	}
	w.want("code=0")
	w.visit(page)
	s.opened()
	s.mustCall()
	s.end()
	w.want("tab=1", "code=1")
}

// testGrantCorrupted finds the sign-in destroyed: by half, and in content.
func testGrantCorrupted(t *testing.T, w *world) {
	w.signIn()
	for i, damage := range []func([]byte) []byte{
		func(data []byte) []byte { return data[:len(data)/2] },
		func(data []byte) []byte { return bytes.Replace(data, []byte(`"secret":"e`), []byte(`"secret":"f`), 1) },
		func(data []byte) []byte { return nil },
	} {
		files, err := filepath.Glob(filepath.Join(w.state(), "*.secret"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%d files in the store, %v", len(files), err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := w.start()
		s.initialize()
		s.opened()
		s.mustCall()
		s.end()
		w.want(fmt.Sprint("tab=", i+1))
		if said := s.stderr.String(); !strings.Contains(said, "level=WARN") || !strings.Contains(said, "damaged") {
			t.Errorf("nothing is said about the damage")
		}
	}
	w.want("tab=3", "refresh=0")
	if out, err := w.run("status", w.URL+"/mcp"); err != nil {
		t.Errorf("status: %v\n%s", err, out)
	}
}

// testStoreFull has no room for tokens: they are used from memory, renewed too, and the user is told.
func testStoreFull(t *testing.T, w *world) {
	if err := os.MkdirAll(w.state(), 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := syscall.Mount("tmpfs", w.state(), "tmpfs", 0, "size=4k,mode=0700"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Unmount(w.state(), 0) })
		if err := os.WriteFile(filepath.Join(w.state(), "ballast"), make([]byte, 4096), 0o600); err != nil {
			t.Fatal(err)
		}
	} else { // can't mount, but be kept out
		if err := os.Chmod(w.state(), 0o500); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(w.state(), 0o700) })
	}
	s := w.start()
	s.initialize()
	s.opened()
	s.mustCall()
	if !strings.Contains(s.stderr.String(), "could not be stored") {
		t.Error("the user is not told")
	}
	w.await("ok GET", 1)
	w.refuseTokens()
	s.mustCall()
	w.refuseTokens()
	s.mustCall()
	s.end()
	w.want("tab=1", "register=1", "refreshed=2", "revoked=0")
	w.noFiles = true
}

// testSecrets looks into all that others can see while a secret is in use. The rest is looked at in the end of every test.
func testSecrets(t *testing.T, w *world) {
	look := func() {
		for _, p := range w.processes() {
			if hasCanary([]byte(strings.Join(p.args, " ") + p.environ)) {
				t.Errorf("a secret in the arguments or the environment of %q", p.args)
			}
		}
	}
	release := w.hold("code")
	s := w.start()
	s.initialize()
	w.await("code", 1)
	look()
	release()
	s.opened()
	w.await("ok GET", 1)

	release = w.hold("refreshed")
	w.refuseTokens()
	id := s.call()
	w.await("refreshed", 1)
	if n := len(w.doing("renew")); n != 1 {
		t.Errorf("%d processes renew, want 1", n)
	}
	look()
	release()
	s.wantResult(id)
	s.end()
	if n := len(w.usedTokens()); n != 2 {
		t.Errorf("the server has seen %d tokens, want 2", n)
	}
	log, err := os.ReadFile(w.log)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "level=DEBUG") {
		t.Errorf("--log-file has no debug output:\n%s", log)
	}
}

// A badServer is what must not lead to a sign-in.
type badServer struct {
	name   string
	script func(w *world)
	tabs   string // "0" if it must not get as far as the browser
	says   []string
}

var badServers = []badServer{
	{"javascript page", authorizeAt("javascript:alert(1)"), "0", []string{"javascript:alert(1)"}},
	{"file page", authorizeAt("file:///etc/passwd"), "0", []string{"file:///etc/passwd"}},
	{"page that is an option", authorizeAt("--help"), "0", nil},
	{"page with a quote in its host", authorizeAt("https://example.com'$(touch x)/"), "0", nil},
	{"endless metadata", func(w *world) {
		w.take["metadata"] = func(rw http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "oauth-authorization-server") {
				w.metadata(rw, r)
				return
			}
			rw.Header().Set("Content-Type", "application/json")
			n, _ := io.Copy(rw, io.LimitReader(zeros{}, 100<<20))
			w.script(func() { w.counts["metadata read"] += int(n) })
		}
	}, "0", []string{"more than 1 MiB"}},
	{"DPoP token", tokenWith(map[string]any{"token_type": "DPoP"}), "1", []string{"DPoP"}},
	{"no access token", tokenWith(map[string]any{"access_token": nil}), "1", []string{"did not answer with a token"}},
	{"token with a line break", tokenWith(map[string]any{"access_token": "canary-\r\nX: y"}), "1", []string{"malformed token"}},
}

// zeros is an endless number.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func authorizeAt(page string) func(*world) {
	return func(w *world) { w.meta = map[string]any{"authorization_endpoint": page} }
}

func tokenWith(members map[string]any) func(*world) { return func(w *world) { w.token = members } }

func testBadServer(t *testing.T, w *world, bad badServer) {
	w.script(func() { bad.script(w) })
	s := w.start()
	s.initialize()
	s.wantError(s.call(), bad.says...)
	s.end()
	w.want("tab="+bad.tabs, "ok initialize=0")
	if bad.tabs != "0" {
		if page := w.page(1); !strings.Contains(page, "Sign-in failed") {
			t.Errorf("the page says:\n%s", page)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := w.counts["metadata read"]; n > 20<<20 { // buffers of the system included
		t.Errorf("%d bytes of metadata were taken", n)
	}
	if slices.ContainsFunc(w.tabs, func(t tab) bool { return len(t.args) != 1 }) {
		t.Errorf("tabs %v", w.tabs)
	}
}
