//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A world is what the tests of signing in need: a user with a home directory and a browser, and an MCP server that is its
// own authorization server (signin_world_server_test.go). The programs in it are signin_world_session_test.go's.
//
// Whatever must stay secret contains "canary-". In the end the world looks for that in all that the programs have said
// and written.
type world struct {
	*httptest.Server
	t       *testing.T
	program string
	home    string
	env     []string
	log     string        // file of --log-file
	noFiles bool          // secrets are not to be in files
	ended   chan struct{} // closed when the test is over
	late    *time.Timer   // for a test that hangs to say where
	visits  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	changed  *sync.Cond // when something was counted
	sessions []*session
	isLate   bool
	serial   int

	// The script.
	browse func(page string)                                   // what the user does with a new tab; nil means to ignore it
	holds  map[string]chan struct{}                            // by kind of request; see hold
	take   map[string]func(http.ResponseWriter, *http.Request) // takes over requests of a kind
	meta   map[string]any                                      // added to the server metadata
	token  map[string]any                                      // added to every token response; nil removes a member
	live   map[string]bool                                     // its sessions, by ID; nil if it keeps none
	refuse url.Values                                          // what the authorization endpoint answers in place of a code

	// What was seen.
	counts    map[string]int
	first     map[string]time.Time // when the first of a kind was counted
	tabs      []tab
	pages     []string          // what the browser showed in the end
	clients   map[string]string // redirect URI by client ID
	codes     map[string]url.Values
	access    map[string]string // family of each good access token
	refresh   map[string]string // family of each refresh token, used or not
	used      map[string]bool
	calls     map[string]int // by access token
	lastToken string
	verifiers []string
	streams   map[chan struct{}]bool // to be closed to cut a stream
}

// A tab is what the program asked its desktop to open.
type tab struct {
	args []string
	at   time.Time
}

// desktopEnv is where the xdg-open of a world reports to.
const desktopEnv = "SIGNIN_TEST_DESKTOP"

// The test binary is the xdg-open on a world's PATH.
func init() {
	if filepath.Base(os.Args[0]) != "xdg-open" {
		return
	}
	report, err := json.Marshal(os.Args[1:])
	if err != nil {
		panic(err)
	}
	resp, err := http.Post(os.Getenv(desktopEnv), "application/json", bytes.NewReader(report))
	if err != nil {
		fmt.Fprintln(os.Stderr, "xdg-open:", err)
		os.Exit(4)
	}
	resp.Body.Close()
	os.Exit(0)
}

// newWorld returns a world in which nobody is signed in, and the user agrees to whatever a new tab asks.
func newWorld(t *testing.T, program string) *world {
	w := &world{
		t: t, program: program, home: t.TempDir(), ended: make(chan struct{}),
		holds: map[string]chan struct{}{}, take: map[string]func(http.ResponseWriter, *http.Request){},
		counts: map[string]int{}, first: map[string]time.Time{}, clients: map[string]string{}, codes: map[string]url.Values{}, access: map[string]string{},
		refresh: map[string]string{}, used: map[string]bool{}, calls: map[string]int{}, streams: map[chan struct{}]bool{},
	}
	w.changed = sync.NewCond(&w.mu)
	w.browse = w.visit
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	w.Start()
	desktop := httptest.NewServer(http.HandlerFunc(w.open))
	bin := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "xdg-open")); err != nil {
		t.Fatal(err)
	}
	// As bare as what many clients hand on.
	w.env = []string{"HOME=" + w.home, "PATH=" + bin, tokenStoreEnv + "=file", desktopEnv + "=" + desktop.URL, strings.Join(raceOptions[:], "=")}
	w.log = filepath.Join(w.home, "log")
	// Not a measurement: a test that hangs should say where before all tests are stopped.
	w.late = time.AfterFunc(2*time.Minute, func() {
		w.script(func() { w.isLate = true })
		w.changed.Broadcast()
	})
	t.Cleanup(func() {
		w.late.Stop()
		close(w.ended)
		for _, s := range w.sessions {
			s.kill()
		}
		for _, p := range w.processes() {
			p.kill()
		}
		w.visits.Wait()
		desktop.Close()
		w.CloseClientConnections()
		w.Close()
		w.lookForCanaries()
		if t.Failed() {
			for i, s := range w.sessions {
				t.Logf("process %d, standard error:\n%s", i, s.stderr.String())
			}
		}
	})
	return w
}

// open is the user's desktop.
func (w *world) open(rw http.ResponseWriter, r *http.Request) {
	t := tab{at: time.Now()}
	if err := json.NewDecoder(r.Body).Decode(&t.args); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	w.tabs = append(w.tabs, t)
	browse := w.browse
	w.mu.Unlock()
	if browse != nil && len(t.args) == 1 {
		w.visits.Go(func() { browse(t.args[0]) })
	}
	w.counted("tab", r)
}

// visit opens page as the browser of a user does who agrees to everything.
func (w *world) visit(page string) {
	resp, err := http.Get(page)
	if err != nil {
		w.count("dead end")
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	w.script(func() { w.pages = append(w.pages, string(body)) })
	w.count("page")
}

// script changes the script.
func (w *world) script(edit func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	edit()
}

// hold makes requests of a kind wait, after they were counted, until release is called or their client is gone.
func (w *world) hold(kind string) (release func()) {
	gate := make(chan struct{})
	w.script(func() { w.holds[kind] = gate })
	return sync.OnceFunc(func() {
		w.script(func() { delete(w.holds, kind) })
		close(gate)
	})
}

// count counts something of a kind. If that is held it waits, and returns false if the client of r is gone since.
func (w *world) count(kind string) { w.counted(kind, nil) }

func (w *world) counted(kind string, r *http.Request) bool {
	w.mu.Lock()
	if w.counts[kind]++; w.counts[kind] == 1 {
		w.first[kind] = time.Now()
	}
	gate := w.holds[kind]
	w.mu.Unlock()
	w.changed.Broadcast()
	if gate == nil || r == nil {
		return true
	}
	select {
	case <-gate:
		return true
	case <-r.Context().Done():
		w.count("lost " + kind)
	case <-w.ended:
	}
	return false
}

// await waits until n of a kind have been counted.
func (w *world) await(kind string, n int) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.counts[kind] < n && !w.isLate {
		w.changed.Wait()
	}
	if w.counts[kind] < n {
		w.t.Fatalf("waited for %s %d times, it is %d; seen: %v", kind, n, w.counts[kind], w.counts)
	}
}

// want compares counts with "kind=n" for each kind.
func (w *world) want(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range want {
		kind, n, _ := strings.Cut(s, "=")
		if got := fmt.Sprint(w.counts[kind]); got != n {
			w.t.Errorf("%s %s times, want %s; seen: %v", kind, got, n, w.counts)
		}
	}
}

// tab returns the nth tab, from 1, as soon as there is one.
func (w *world) tab(n int) tab {
	w.t.Helper()
	w.await("tab", n)
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.tabs[n-1]
	if len(t.args) != 1 {
		w.t.Fatalf("xdg-open got %q", t.args)
	}
	return t
}

// page returns the nth page, from 1, that the browser ended up at.
func (w *world) page(n int) string {
	w.t.Helper()
	w.await("page", n)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pages[n-1]
}

// callback returns where the page sends the browser back to.
func (w *world) callback(page string) *url.URL {
	w.t.Helper()
	u, err := url.Parse(page)
	if err != nil {
		w.t.Fatal(err)
	}
	back, err := url.Parse(u.Query().Get("redirect_uri"))
	if err != nil || back.Host == "" {
		w.t.Fatalf("no redirect_uri in %s", page)
	}
	return back
}

// wantClosed checks that nobody listens at u any more.
func (w *world) wantClosed(u *url.URL) {
	w.t.Helper()
	if conn, err := net.Dial("tcp", u.Host); err == nil {
		conn.Close()
		w.t.Errorf("%s is still open", u.Host)
	}
}

// state is the directory in which the program keeps everything.
func (w *world) state() string { return filepath.Join(w.home, ".local", "state", "atlassian-mcp") }

// run runs a command of the program to its end, with the user's consent to what it asks, and returns what it says.
func (w *world) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute) // not a measurement either
	defer cancel()
	cmd := exec.CommandContext(ctx, w.program, args...)
	cmd.Env = w.env
	out, err := cmd.CombinedOutput()
	if hasCanary(out) {
		w.t.Errorf("a secret in the output of %q:\n%s", args, out)
	}
	return string(out), err
}

// signIn has the user sign in, in a tab that is not counted.
func (w *world) signIn() {
	w.t.Helper()
	if out, err := w.run("login", w.URL+"/mcp", "--debug"); err != nil {
		w.t.Fatalf("login: %v\n%s", err, out)
	}
	w.script(func() {
		clear(w.counts)
		w.tabs, w.pages = nil, nil
	})
}

// canaries are what a secret begins with, as it is and in base64, in which the file store keeps secrets.
var canaries = func() (all [][]byte) {
	const canary = "canary-"
	all = append(all, []byte(canary))
	for skip := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", skip) + canary))
		all = append(all, []byte(text[(skip*8+5)/6:(skip+len(canary))*8/6])) // what depends on nothing else
	}
	return all
}()

func hasCanary(data []byte) bool {
	for _, c := range canaries {
		if bytes.Contains(data, c) {
			return true
		}
	}
	return false
}

// lookForCanaries checks that the programs have kept their secrets in the store alone, and that nobody else can read it.
func (w *world) lookForCanaries() {
	for i, s := range w.sessions {
		for name, out := range map[string]*transcript{"output": &s.stdout, "error": &s.stderr} {
			said := out.String()
			if hasCanary([]byte(said)) {
				w.t.Errorf("process %d: a secret in its standard %s", i, name)
			}
			for _, v := range w.verifiers {
				if strings.Contains(said, v) {
					w.t.Errorf("process %d: the code verifier in its standard %s", i, name)
				}
			}
		}
	}
	secrets := 0
	err := filepath.WalkDir(w.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == w.home {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 && !strings.HasPrefix(w.state(), path+"/") {
			w.t.Errorf("%s: mode %v", path, mode)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !hasCanary(data) {
			return nil
		}
		secrets++
		if filepath.Dir(path) != w.state() || filepath.Ext(path) != ".secret" {
			w.t.Errorf("%s has a secret in it", path)
		}
		return nil
	})
	if err != nil {
		w.t.Error(err)
	}
	if w.noFiles && secrets > 0 {
		w.t.Errorf("%d files have a secret in them", secrets)
	} else if !w.noFiles && secrets == 0 && len(w.access) > 0 {
		w.t.Error("no secret found in the store: does this test know what to look for?")
	}
}
