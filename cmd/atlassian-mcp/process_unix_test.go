//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A child is the program as a process of its own, with pipes for standard input and output.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *os.File
	lines  *bufio.Reader // of stdout
	stderr bytes.Buffer  // to be read after wait
}

func start(t *testing.T, args ...string) *child {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c := &child{cmd: exec.Command("atlassian-mcp", args...), stdout: r, lines: bufio.NewReader(r)}
	c.cmd.Stdout = w
	c.cmd.Stderr = &c.stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.cmd.Process.Kill() // has ended unless the test failed
		r.Close()
	})
	return c
}

func (c *child) write(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(c.stdin, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

func (c *child) read(t *testing.T) string {
	t.Helper()
	line, err := c.lines.ReadString('\n')
	if err != nil {
		t.Fatalf("reading an answer: %v", err)
	}
	return line
}

// wait waits until the child has ended and checks that its exit status is 0.
func (c *child) wait(t *testing.T) {
	t.Helper()
	// Not a measurement: without it a child that does not end would block for ten minutes.
	timer := time.AfterFunc(20*time.Second, func() { c.cmd.Process.Signal(syscall.SIGABRT) })
	defer timer.Stop()
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &c.stderr)
	}
	if strings.Contains(c.stderr.String(), "error:") {
		t.Errorf("standard error: %s", &c.stderr)
	}
}

// states bring a child into each of the states in which it may have to end.
var states = []struct {
	name  string
	enter func(t *testing.T) *child
}{
	{"idle", func(t *testing.T) *child {
		return start(t, startFake(t))
	}},
	{"session open", func(t *testing.T) *child {
		c := start(t, startFake(t))
		c.write(t, initialize)
		c.read(t)
		return c
	}},
	{"call hanging", func(t *testing.T) *child {
		called := make(chan struct{}, 1)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if bytes.Contains(body, []byte("tools/call")) {
				called <- struct{}{}
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			fakeMCP(w, r)
		}))
		t.Cleanup(srv.Close)
		c := start(t, srv.URL)
		c.write(t, initialize)
		c.read(t)
		c.write(t, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
		c.write(t, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"hang"}}`)
		<-called
		return c
	}},
	{"server silent", func(t *testing.T) *child {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		c := start(t, "http://"+l.Addr().String())
		c.write(t, initialize)
		conn, err := l.Accept() // and never a word
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return c
	}},
}

func startFake(t *testing.T) string {
	srv := httptest.NewServer(http.HandlerFunc(fakeMCP))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestSignal checks that the program ends in order when it is told to, though standard input
// stays open: that is how some clients stop their servers.
func TestSignal(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		for _, state := range states {
			if state.name == "idle" {
				continue // nothing tells when the signal handler is there
			}
			t.Run(sig.String()+"/"+state.name, func(t *testing.T) {
				c := state.enter(t)
				if err := c.cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				c.wait(t)
			})
		}
	}
}

// TestHangup checks that the program ends when nobody reads its standard output any more,
// though it has nothing to write and standard input stays open.
func TestHangup(t *testing.T) {
	for _, state := range states {
		t.Run(state.name, func(t *testing.T) {
			c := state.enter(t)
			c.stdout.Close()
			c.wait(t)
		})
	}
}

// TestHangupSocket is TestHangup with a socket, which is what Node.js gives its children.
func TestHangupSocket(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	syscall.CloseOnExec(fds[0])
	defer ours.Close()
	defer theirs.Close()

	c := &child{cmd: exec.Command("atlassian-mcp", startFake(t)), lines: bufio.NewReader(ours)}
	c.cmd.Stdout = theirs
	c.cmd.Stderr = &c.stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.cmd.Process.Kill()
	theirs.Close()
	c.write(t, initialize)
	c.read(t)

	// A reader that will not write is still a reader.
	if err := syscall.Shutdown(fds[0], syscall.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	c.write(t, `{"jsonrpc":"2.0","id":2,"method":"ping"}`)
	if got := c.read(t); !strings.Contains(got, `"id":2`) {
		t.Errorf("the answer to ping is %s", got)
	}
	ours.Close()
	c.wait(t)
}

// TestBrokenPipe checks that writing to a reader that has gone ends the program in order:
// SIGPIPE would kill it.
func TestBrokenPipe(t *testing.T) {
	c := start(t, startFake(t))
	c.stdout.Close()
	io.WriteString(c.stdin, initialize+"\n") // fails if the watch was faster
	c.wait(t)
}
