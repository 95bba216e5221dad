//go:build linux

package keychain

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// These tests use a real D-Bus session bus and a real Secret Service: GNOME Keyring.

const (
	password = "keyring-password"

	// no service at all: nothing can be started on such a bus
	bareBus = `<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><policy context="default">` +
		`<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`
)

// A session is a session bus and what a desktop puts on it.
type session struct {
	t       *testing.T
	home    string
	address string
	bus     *exec.Cmd
	conn    *dbus.Conn
	keyring *exec.Cmd
}

// startSession starts a bus, on which services can be started as usual unless config says otherwise.
func startSession(t *testing.T, config string) *session {
	t.Helper()
	for _, name := range []string{"dbus-daemon", "gnome-keyring-daemon"} {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("ATLASSIAN_MCP_PEERS") == "required" {
			t.Fatalf("%s is not installed: apt-get install dbus gnome-keyring", name)
		}
		t.Skipf("the real Secret Service is not tested, since %s is not installed (apt-get install dbus gnome-keyring)", name)
	}
	home, err := os.MkdirTemp("", "keyring") // short, since it is to hold sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })

	s := &session{t: t, home: home}
	run := filepath.Join(home, fmt.Sprint(os.Getuid()))
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	kind := "--session"
	if config != "" {
		kind = "--config-file=" + filepath.Join(home, "bus.conf")
		if err := os.WriteFile(filepath.Join(home, "bus.conf"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.bus = exec.Command("dbus-daemon", "--nofork", "--print-address", kind, "--address=unix:path="+filepath.Join(run, "bus"))
	s.bus.Env = s.env()
	stdout, err := s.bus.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.start(s.bus)
	if s.address, err = bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	s.address = strings.TrimSpace(s.address)
	if s.conn, err = dbus.Connect(s.address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.conn.Close() })
	return s
}

// env is the environment on the desktop. There is no display.
func (s *session) env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.home, "XDG_RUNTIME_DIR=" + s.home,
		"DBUS_SESSION_BUS_ADDRESS=" + s.address, "GOCOVERDIR=" + os.Getenv("GOCOVERDIR"),
	}
}

// start starts a program that lives until the end of the test.
func (s *session) start(cmd *exec.Cmd) {
	s.t.Helper()
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// startKeyring starts GNOME Keyring, whose login keyring has our password and is unlocked or not. An earlier
// one ends.
func (s *session) startKeyring(unlocked bool) {
	s.t.Helper()
	if s.keyring != nil {
		s.keyring.Process.Kill()
		s.keyring.Wait()
	}
	owners := make(chan *dbus.Signal, 16)
	s.conn.Signal(owners)
	defer s.conn.RemoveSignal(owners)
	if err := s.conn.AddMatchSignal(dbus.WithMatchInterface("org.freedesktop.DBus"),
		dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, secretsName)); err != nil {
		s.t.Fatal(err)
	}
	s.keyring = exec.Command("gnome-keyring-daemon", "--foreground", "--components=secrets")
	if unlocked {
		s.keyring.Args = append(s.keyring.Args, "--unlock")
		s.keyring.Stdin = strings.NewReader(password)
	}
	s.keyring.Env = s.env()
	s.start(s.keyring)
	for owner := range owners {
		if owner.Name == "org.freedesktop.DBus.NameOwnerChanged" && owner.Body[2] != "" {
			break
		}
	}
	if reason := lockReason(s.t.Context(), s.conn); (reason == "") != unlocked {
		s.t.Fatalf("keyring started with unlocked=%v is locked because %q", unlocked, reason)
	}
}

// ignorePrompts shows prompts to somebody who never answers. The channel gets one value for each.
func (s *session) ignorePrompts() <-chan dbus.ObjectPath {
	s.t.Helper()
	prompts := make(prompter, 16)
	const name = "org.gnome.keyring.SystemPrompter"
	if err := s.conn.Export(prompts, "/org/gnome/keyring/Prompter", "org.gnome.keyring.internal.Prompter"); err != nil {
		s.t.Fatal(err)
	}
	if reply, err := s.conn.RequestName(name, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		s.t.Fatal(reply, err)
	}
	return prompts
}

type prompter chan dbus.ObjectPath

func (p prompter) BeginPrompting(callback dbus.ObjectPath) *dbus.Error {
	p <- callback
	return nil
}

func (p prompter) StopPrompting(dbus.ObjectPath) *dbus.Error { return nil }

// program returns a program that uses this session by default, with a Dir of its own.
func (s *session) program() program {
	return program{dir: filepath.Join(s.home, "state"), kind: Auto, env: s.env()}
}

func (s *session) wantNoFiles(p program) {
	s.t.Helper()
	if files, _ := filepath.Glob(filepath.Join(p.dir, "*"+sealedSuffix)); len(files) != 0 {
		s.t.Errorf("secrets in files: %q", files)
	}
}

func TestSecretService(t *testing.T) {
	s := startSession(t, "")
	s.startKeyring(true)
	p := s.program()

	if r := p.do(t, nil, "backend"); r.Err != "" || r.Backend != (Backend{Kind: Keychain, Name: "Secret Service"}) {
		t.Errorf("backend: %+v, %s", r.Backend, r.Err)
	}
	if r := p.do(t, nil, "get", "key"); r.Class != "not found" {
		t.Errorf("get of nothing: %s", r.Err)
	}
	for _, size := range []int{0, 5000, 100_000, 4000} { // each over the one before
		want := secret(size)
		if r := p.do(t, want, "set", "key"); r.Err != "" {
			t.Fatalf("set of %d bytes: %s", size, r.Err)
		}
		if r := p.do(t, nil, "get", "key"); r.Err != "" || !bytes.Equal(r.Value, want) {
			t.Errorf("get in another process: %d bytes, %s; want %d", len(r.Value), r.Err, size)
		}
	}

	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if r := p.do(t, nil, "increment", "counter", "10"); r.Err != "" {
				t.Error(r.Err)
			}
		})
	}
	wg.Wait()
	if r := p.do(t, nil, "get", "counter"); string(r.Value) != "20" {
		t.Errorf("two processes counted to %q, %s; want 20", r.Value, r.Err)
	}

	for range 5 {
		cmd, stop := p.start(t, "overwrite", "killed")
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		stop()
		if r := p.do(t, nil, "get", "killed"); r.Err != "" || !isWhole(r.Value) {
			t.Fatalf("get after a kill: %d bytes, %s", len(r.Value), r.Err)
		}
	}

	r := p.do(t, nil, "list")
	if fmt.Sprint(r.Keys) != "[counter key killed]" {
		t.Errorf("list: %q, %s", r.Keys, r.Err)
	}
	for _, key := range r.Keys {
		if r := p.do(t, nil, "delete", key); r.Err != "" {
			t.Errorf("delete: %s", r.Err)
		}
	}
	var left []dbus.ObjectPath
	err := s.conn.Object(secretsName, loginCollection).
		Call(secretsInterface+".Collection.SearchItems", 0, map[string]string{"service": "atlassian-mcp"}).Store(&left)
	if err != nil || len(left) != 0 {
		t.Errorf("%d items left in the keyring, %v", len(left), err)
	}
	s.wantNoFiles(p)
}

// TestSecretServiceLocked locks the keyring, and shows the prompt to nobody or to somebody who does not
// answer. In the end the old secret is still there.
func TestSecretServiceLocked(t *testing.T) {
	for _, ignored := range []bool{false, true} {
		t.Run(fmt.Sprintf("ignored=%v", ignored), func(t *testing.T) {
			s := startSession(t, "")
			s.startKeyring(true)
			p := s.program()
			if r := p.do(t, []byte("old"), "set", "key"); r.Err != "" {
				t.Fatal(r.Err)
			}

			s.startKeyring(false)
			var prompts <-chan dbus.ObjectPath
			if ignored {
				prompts = s.ignorePrompts()
				p.timeout = 500 * time.Millisecond
			}
			for _, args := range [][]string{{"get", "key"}, {"set", "key"}, {"delete", "key"}, {"get", "absent"}} {
				r := p.do(t, []byte("new"), args...)
				if r.Class != "locked" || r.Value != nil {
					t.Errorf("%q: %q, class %q: %s; want a LockedError", args, r.Value, r.Class, r.Err)
				}
			}
			if ignored {
				<-prompts // somebody was asked; GNOME Keyring asks one thing at a time
			}
			if r := p.do(t, nil, "backend"); r.Class != "locked" || r.Backend.Kind != Keychain {
				t.Errorf("backend: %+v, %s", r.Backend, r.Err)
			}
			s.wantNoFiles(p)

			s.startKeyring(true)
			p.timeout = 0
			if r := p.do(t, nil, "get", "key"); string(r.Value) != "old" {
				t.Errorf("get after unlocking: %q, %s; want the old secret", r.Value, r.Err)
			}
		})
	}
}

// TestSecretServiceWithoutKeyring is a server on which nobody ever logged in to a desktop.
func TestSecretServiceWithoutKeyring(t *testing.T) {
	s := startSession(t, "") // which starts the daemon when it is called
	p := s.program()
	if r := p.do(t, []byte("x"), "set", "key"); r.Class != "locked" || !strings.Contains(r.Err, "no default keyring") {
		t.Errorf("set: %s; want a LockedError that says why", r.Err)
	}
	s.wantNoFiles(p)
}

func TestSecretServiceHangs(t *testing.T) {
	s := startSession(t, "")
	s.startKeyring(true)
	p := s.program()
	if err := s.keyring.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p.timeout = 500 * time.Millisecond
	for _, args := range [][]string{{"get", "key"}, {"set", "key"}, {"delete", "key"}, {"backend"}} {
		if r := p.do(t, []byte("x"), args...); r.Class != "timeout" {
			t.Errorf("%q: class %q: %s; want a TimeoutError", args, r.Class, r.Err)
		}
	}
	s.wantNoFiles(p)
}

// TestPromptLost ends the Secret Service, or the whole bus, under a process that waits for a prompt.
func TestPromptLost(t *testing.T) {
	for _, lost := range []string{"keyring", "bus"} {
		t.Run(lost, func(t *testing.T) {
			s := startSession(t, "")
			s.startKeyring(true)
			s.startKeyring(false)
			prompts := s.ignorePrompts()
			p := s.program()
			p.timeout = 10 * time.Minute // longer than the test
			done := make(chan result, 1)
			go func() { done <- p.do(t, nil, "get", "key") }()
			<-prompts
			if lost == "bus" {
				s.bus.Process.Kill()
			} else {
				s.keyring.Process.Kill()
			}
			if r := <-done; r.Class != "locked" {
				t.Errorf("get: class %q: %s; want a LockedError", r.Class, r.Err)
			}
			s.wantNoFiles(p)
		})
	}
}

func TestNoSecretService(t *testing.T) {
	s := startSession(t, bareBus)
	dead := startSession(t, bareBus)
	dead.bus.Process.Kill()
	dead.bus.Wait()
	trap := trapLaunch(t)

	for name, address := range map[string]string{
		"no service": s.address,
		"dead bus":   dead.address,
		"no socket":  "unix:path=/nonexistent",
		"disabled":   "disabled:",
		"dev null":   "/dev/null",
		"empty":      "",
		"autolaunch": "autolaunch:",
	} {
		t.Run(name, func(t *testing.T) {
			p := program{dir: t.TempDir(), kind: Auto, env: []string{"PATH=" + trap, "DISPLAY=:99",
				"KEYCHAIN_TEST_RUN=/nonexistent", "DBUS_SESSION_BUS_ADDRESS=" + address}}
			if r := p.do(t, nil, "backend"); r.Backend.Kind != File || r.Backend.Name != p.dir || r.Backend.Reason == "" {
				t.Errorf("backend: %+v, %s", r.Backend, r.Err)
			}
			if r := p.do(t, []byte("x"), "set", "key"); r.Err != "" {
				t.Error(r.Err)
			}
			if r := p.do(t, nil, "get", "key"); string(r.Value) != "x" {
				t.Errorf("get: %q, %s", r.Value, r.Err)
			}
			secretFile(t, p.dir)

			p.kind = Keychain
			if r := p.do(t, nil, "get", "key"); r.Class != "no service" {
				t.Errorf("get from the keychain: class %q: %s; want a NoServiceError", r.Class, r.Err)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(trap, "started")); err == nil {
		t.Error("dbus-launch was started")
	}
}

// trapLaunch returns a directory for PATH whose dbus-launch leaves a file named started.
func trapLaunch(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\n: >" + filepath.Join(dir, "started") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "dbus-launch"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func init() {
	if dir := os.Getenv("KEYCHAIN_TEST_RUN"); dir != "" {
		runDir = dir
	}
}

// TestStrippedEnvironment finds the bus at its standard place, with an environment of nothing.
func TestStrippedEnvironment(t *testing.T) {
	s := startSession(t, "")
	s.startKeyring(true)
	p := program{dir: t.TempDir(), kind: Auto, env: []string{"KEYCHAIN_TEST_RUN=" + s.home}}
	if r := p.do(t, []byte("x"), "set", "key"); r.Err != "" {
		t.Error(r.Err)
	}
	if r := p.do(t, nil, "backend"); r.Backend.Kind != Keychain {
		t.Errorf("backend: %+v, %s", r.Backend, r.Err)
	}
	if r := s.program().do(t, nil, "get", "key"); string(r.Value) != "x" {
		t.Errorf("get on the desktop: %q, %s", r.Value, r.Err)
	}
}
