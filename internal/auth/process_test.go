package auth

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
)

// These tests run several processes: the test binary itself, in one of two roles.

// A role is what a process of the test binary does in place of the tests.
type role struct {
	Name   string // "call" makes one request and prints "ok"; "renew" is the renewing process
	Server string
	Dir    string // of the store
	Away   bool   // nobody looks at the browser: its page is printed after "page "
}

const roleVariable = "AUTH_TEST_ROLE"

func TestMain(m *testing.M) {
	data := os.Getenv(roleVariable)
	if data == "" {
		os.Exit(m.Run())
	}
	var r role
	if err := json.Unmarshal([]byte(data), &r); err != nil {
		panic(err)
	}
	if err := r.run(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func (r role) run() error {
	server, err := url.Parse(r.Server)
	if err != nil {
		return err
	}
	b := &browser{}
	cfg := Config{Server: server, Store: &keychain.Store{Dir: r.Dir, Kind: keychain.File}, OpenURL: b.open, Renewer: r.renewer}
	if r.Away {
		cfg.OpenURL = func(page string) error {
			fmt.Println("page", page)
			return nil
		}
	}
	c := New(cfg)
	defer c.Close()
	if r.Name == "renew" {
		return c.Renew(os.Stdin, os.Stdout)
	}
	if err := callOK(c, "from another process"); err != nil {
		return err
	}
	fmt.Println("ok")
	return nil
}

func (r role) renewer() *exec.Cmd {
	r.Name = "renew"
	return r.command(context.Background())
}

func (r role) command(ctx context.Context) *exec.Cmd {
	data, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), roleVariable+"="+string(data))
	return cmd
}

// A process runs a role.
type process struct {
	*exec.Cmd
	out *bufio.Scanner
}

func startRole(t *testing.T, r role) *process {
	t.Helper()
	cmd := r.command(t.Context())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &process{cmd, bufio.NewScanner(out)}
}

// want reads lines up to one that begins with prefix, and returns the rest of it.
func (p *process) want(t *testing.T, prefix string) string {
	t.Helper()
	var all []string
	for p.out.Scan() {
		if rest, ok := strings.CutPrefix(p.out.Text(), prefix); ok {
			return strings.TrimSpace(rest)
		}
		all = append(all, p.out.Text())
	}
	t.Fatalf("output without %q: %q", prefix, all)
	return ""
}

// kill ends p as hosts do.
func (p *process) kill() {
	p.Process.Kill()
	p.Wait()
}

func TestProcessesShareOneRefresh(t *testing.T) {
	t.Parallel()
	w, b, dir := newWorld(t), &browser{}, t.TempDir()
	mustCall(t, newClient(t, w.config(dir, b)), "sign in")
	w.refuseAll()
	r := role{Name: "call", Server: w.URL + "/mcp", Dir: dir}
	procs := make([]*process, 8)
	for i := range procs {
		procs[i] = startRole(t, r)
	}
	for _, p := range procs {
		p.want(t, "ok")
		if err := p.Wait(); err != nil {
			t.Error(err)
		}
	}
	w.wantCounts("token:refresh_token=1", "authorize=1", "200=9")
}

func TestProcessesShareOneSignIn(t *testing.T) {
	t.Parallel()
	w, dir := newWorld(t), t.TempDir()
	procs := make([]*process, 5)
	for i := range procs {
		procs[i] = startRole(t, role{Name: "call", Server: w.URL + "/mcp", Dir: dir})
	}
	for _, p := range procs {
		p.want(t, "ok")
		p.Wait()
	}
	w.wantCounts("register=1", "authorize=1", "200=5")
}

// A host kills the process while the authorization server is at work: what it grants is not lost.
func TestRotationSurvivesKill(t *testing.T) {
	t.Parallel()
	w, b, dir := newWorld(t), &browser{}, t.TempDir()
	mustCall(t, newClient(t, w.config(dir, b)), "sign in")
	w.refuseAll()
	atWork, goOn := w.holdRefresh()
	p := startRole(t, role{Name: "call", Server: w.URL + "/mcp", Dir: dir})
	<-atWork
	p.kill()
	close(goOn)
	mustCall(t, newClient(t, w.config(dir, b)), "next start")
	w.wantCounts("token:refresh_token=1", "authorize=1", "token:authorization_code=1")
}

// The renewing process dies too, before it has asked for anything: the next one does it.
func TestRenewingProcessKilled(t *testing.T) {
	t.Parallel()
	w, b, dir := newWorld(t), &browser{}, t.TempDir()
	c := newClient(t, w.config(dir, b))
	mustCall(t, c, "sign in")
	w.refuseAll()
	g, err := c.stored(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := c.cfg.Store.Lock(t.Context(), g.key())
	if err != nil {
		t.Fatal(err)
	}
	r := role{Name: "renew", Server: w.URL + "/mcp", Dir: dir}
	cmd, out, err := launch(r.renewer, renewal{Key: g.key(), Refused: digest(g.AccessToken)})
	if err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill() // waiting for the lock, or not even that far
	cmd.Wait()
	out.Close()
	unlock()
	mustCall(t, c, "x")
	w.wantCounts("token:refresh_token=1", "authorize=1")
}

// The process that opened the tab is killed: the next one finishes the same tab.
func TestSignInOfDeadProcessIsFinished(t *testing.T) {
	t.Parallel()
	w, b, dir := newWorld(t), &browser{}, t.TempDir()
	owner := startRole(t, role{Name: "call", Server: w.URL + "/mcp", Dir: dir, Away: true})
	page := owner.want(t, "page ")
	cfg := w.config(dir, b)
	pages := make(chan string, 8)
	cfg.Page = func(page string) { pages <- page }
	c := newClient(t, cfg)
	done := make(chan error)
	go func() { done <- callOK(c, "x") }()
	if got := <-pages; got != page {
		t.Errorf("waiting for %s, which is not the owner's page", got)
	}
	owner.kill()
	if p := <-pages; p != "" { // it stops waiting for the owner
		t.Errorf("waiting for %s", p)
	}
	if p := <-pages; p != page { // and takes over
		t.Errorf("waiting for %s, which is not the owner's page", p)
	}
	b.visit(page)
	if err := <-done; err != nil {
		t.Error(err)
	}
	w.wantCounts("register=1", "authorize=1", "200=1")
	if b.tabs() != 0 {
		t.Errorf("%d more tabs", b.tabs())
	}
}

// Nobody finishes the tab of one process: those that waited for it don't open another.
func TestIgnoredTabIsNotRepeated(t *testing.T) {
	t.Parallel()
	w, b, dir := newWorld(t), &browser{away: true}, t.TempDir()
	var clients []*Client
	for range 3 {
		cfg := w.config(dir, b)
		cfg.AuthTimeout = 3 * time.Second // more than one look at what the others do
		clients = append(clients, newClient(t, cfg))
	}
	together(t, len(clients), func(i int) error {
		err := callOK(clients[i], "x")
		var need *SignInError
		if !errors.As(err, &need) {
			return fmt.Errorf("got %w, want a SignInError", err)
		}
		return nil
	})
	if b.tabs() != 1 {
		t.Errorf("%d tabs", b.tabs())
	}
	w.wantCounts("register=1")
}
