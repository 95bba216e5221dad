//go:build linux

package main

import (
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A person is someone at a terminal in which the program runs.
type person struct {
	t        *testing.T
	cmd      *exec.Cmd
	tty      *os.File
	keyboard *os.File // the other end of tty

	shown  *sync.Cond
	mu     sync.Mutex // guards what follows
	screen string     // all that was shown
	seen   int        // bytes of screen that sees has been through
}

// sitDown starts the program in a terminal.
func sitDown(t *testing.T, args ...string) *person {
	t.Helper()
	return sitDownAt(t, nil, args...)
}

// sitDownAt is sitDown on a desktop: env is added to the environment.
func sitDownAt(t *testing.T, env []string, args ...string) *person {
	t.Helper()
	p := &person{t: t, cmd: exec.Command("atlassian-mcp", args...)}
	p.shown = sync.NewCond(&p.mu)
	p.keyboard, p.tty = openTerminal(t)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = p.tty, p.tty, p.tty
	p.cmd.Env = slices.Concat(os.Environ(), []string{"HOME=" + t.TempDir(), tokenStoreEnv + "=file"}, env)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // so that Ctrl-C is for it
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		p.watch()
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill() // has ended unless the test failed
		p.cmd.Wait()
		p.tty.Close() // and with it the watch: nobody else has the terminal
		<-watched
		p.keyboard.Close()
	})
	return p
}

// openTerminal returns the two ends of a new terminal.
func openTerminal(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return keyboard, tty
}

// watch reads what is shown until the terminal is closed.
func (p *person) watch() {
	for b := make([]byte, 4096); ; {
		n, err := p.keyboard.Read(b)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.screen += string(b[:n])
		p.mu.Unlock()
		p.shown.Broadcast()
	}
}

// sees waits until something more is shown, and returns what was shown before it.
func (p *person) sees(text string) (before string) {
	p.t.Helper()
	late := false
	timer := time.AfterFunc(20*time.Second, func() { // not a measurement: a test that hangs should say where
		p.mu.Lock()
		late = true
		p.mu.Unlock()
		p.shown.Broadcast()
	})
	defer timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if before, _, ok := strings.Cut(p.screen[p.seen:], text); ok {
			p.seen += len(before) + len(text)
			return before
		}
		if late {
			p.t.Fatalf("waited for %q; the screen shows:\n%s", text, p.screen)
		}
		p.shown.Wait()
	}
}

func (p *person) types(keys string) {
	p.t.Helper()
	if _, err := p.keyboard.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// leaves waits until the program has ended, and checks its exit status and that the terminal is as it was.
func (p *person) leaves(status int) {
	p.t.Helper()
	p.cmd.Wait()
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		p.t.Errorf("%v", p.cmd.ProcessState)
	}
	mode, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	if want := uint32(unix.ECHO | unix.ICANON | unix.ISIG); mode.Lflag&want != want {
		p.t.Errorf("the terminal is left in mode %#x", mode.Lflag)
	}
}

// TestPaste signs in on a machine that the browser can't come back to.
func TestPaste(t *testing.T) {
	s := new(signInServer)
	s.start()
	defer s.Close()
	p := sitDown(t, "login", "--no-browser", s.URL+"/mcp")
	p.sees("Open this page to sign in: ")
	page := p.sees("\r\n")
	p.sees("paste the address that it shows here: ")

	elsewhere := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := elsewhere.Get(page)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	p.types("http://127.0.0.1:1/callback?code=canary-x&state=x\n")
	p.sees("That is not the address that the browser ended up at")
	p.sees("paste the address that it shows here: ")
	p.types("x\x7f" + res.Header.Get("Location") + "\n")
	p.sees("Signed in to " + s.URL)
	p.leaves(exitOK)
}

// TestComeBack is TestPaste with a browser that comes back after all.
func TestComeBack(t *testing.T) {
	s := new(signInServer)
	s.start()
	defer s.Close()
	p := sitDown(t, "login", "--no-browser", s.URL+"/mcp")
	p.sees("Open this page to sign in: ")
	page := p.sees("\r\n")
	p.sees("paste the address that it shows here: ")
	res, err := http.Get(page)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	p.sees("Signed in to " + s.URL)
	p.leaves(exitOK)
}

// TestTypeToken keeps an API token that is typed in.
func TestTypeToken(t *testing.T) {
	p := sitDown(t, "login", "--api-token", "http://127.0.0.1:1/mcp")
	p.sees("Email address of your Atlassian account")
	p.types("me@example.co\x7f\x7fcom\n")
	p.sees("API token (not shown): ")
	p.types("canary-key\n")
	if shown := p.sees("kept"); strings.Contains(shown, "canary-") {
		t.Errorf("the token was shown: %q", shown)
	}
	p.leaves(exitOK)
}

// TestInterrupt stops at each question.
func TestInterrupt(t *testing.T) {
	s := new(signInServer)
	s.start()
	defer s.Close()
	for _, test := range []struct {
		question string
		args     []string
	}{
		{"Email address", []string{"login", "--api-token", s.URL + "/mcp"}},
		{"API token (not shown)", []string{"login", "--api-token", s.URL + "/mcp"}},
		{"paste the address", []string{"login", "--no-browser", s.URL + "/mcp"}},
	} {
		t.Run(test.question, func(t *testing.T) {
			p := sitDown(t, test.args...)
			if test.question == "API token (not shown)" {
				p.sees("Email address")
				p.types("\n")
			}
			p.sees(test.question)
			p.types("\x03")
			p.sees("atlassian-mcp: error: interrupt")
			p.leaves(exitFailure)
		})
	}
}
