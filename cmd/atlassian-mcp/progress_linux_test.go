package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

// TestLoginProgress shows what login waits for, on a terminal.
func TestLoginProgress(t *testing.T) {
	s := startSandbox(t)
	t.Setenv("PATH", fakeBrowser(t)+":"+os.Getenv("PATH"))
	t.Setenv("TERM", "xterm")
	p := sitDown(t, "login", s.Endpoint("/v1/mcp"), "--auth-timeout", "90")
	p.sees("Open this page to sign in: ")
	page := p.sees("\r\n")
	p.sees("waiting for you to sign in on that page (Ctrl-C ends it), 1m2")
	if _, err := issuer.Accept(t.Context(), nil, page, issuer.Choice{}); err != nil {
		t.Fatal(err)
	}
	p.sees("\r\x1b[K") // the line is gone before anything else is said
	p.sees("Signed in to " + s.URL())
	p.leaves(exitOK)
}

// TestLoginQuiet shows nothing where there is no terminal, or one that can't move its cursor.
func TestLoginQuiet(t *testing.T) {
	s := startSandbox(t)
	t.Setenv("PATH", fakeBrowser(t)+":"+os.Getenv("PATH"))
	t.Setenv("TERM", "dumb")
	p := sitDown(t, "login", s.Endpoint("/v1/mcp"))
	p.sees("Open this page to sign in: ")
	page := p.sees("\r\n")
	if _, err := issuer.Accept(t.Context(), nil, page, issuer.Choice{}); err != nil {
		t.Fatal(err)
	}
	if before := p.sees("Signed in to "); strings.ContainsAny(before, "\x1b") || strings.Contains(before, "waiting") {
		t.Errorf("showed %q", before)
	}
	p.leaves(exitOK)
}

// fakeBrowser returns a directory with a browser that does nothing.
func fakeBrowser(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/xdg-open", []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A slowServer answers a tool call when it is let go, and reports progress before. It takes other requests as a scripted does.
type slowServer struct {
	*scripted
	cancelled chan string // ids of requests
	release   chan struct{}
	hold      chan struct{} // if not nil, lists wait for it
}

func (s *slowServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var m scriptedCall
	if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&m) != nil {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if s.hold != nil && m.Method == "tools/list" {
		<-s.hold
	}
	switch m.Method {
	case "tools/call":
		w.Header().Set("Content-Type", "text/event-stream")
		event := func(text string) {
			w.Write([]byte("data: " + text + "\n\n"))
			http.NewResponseController(w).Flush()
		}
		event(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"call","progress":2,"total":5,"message":"half\u001b[31m way"}}`)
		select {
		case <-s.release:
			event(`{"jsonrpc":"2.0","id":` + string(m.ID) + `,"result":{"content":[{"type":"text","text":"{\"a\":\"\u009b\u007f\"}"}]}}`)
		case <-r.Context().Done():
		}
	case "notifications/cancelled":
		var params struct{ RequestID json.RawMessage }
		json.Unmarshal(m.Params, &params)
		w.WriteHeader(http.StatusAccepted)
		s.cancelled <- string(params.RequestID)
	default:
		s.scripted.answer(w, m)
	}
}

func startSlow(t *testing.T, hold chan struct{}) (*slowServer, string) {
	t.Helper()
	s := &slowServer{scripted: newScripted(`{"name":"do","description":"Does what takes its time, with a description that is longer than the terminal is wide.","inputSchema":{"type":"object"}}`, nil),
		cancelled: make(chan string, 1), release: make(chan struct{}, 1), hold: hold}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv.URL + "/mcp"
}

// TestCallProgress shows the progress of a tool on a terminal, and what it returns without what moves the cursor.
func TestCallProgress(t *testing.T) {
	s, address := startSlow(t, nil)
	t.Setenv("TERM", "xterm")
	p := sitDown(t, "call", "do", "--server", address)
	p.sees("calling do: 2 of 5 half [31m way")
	s.release <- struct{}{}
	if before := p.sees("\"a\": \""); !strings.Contains(before, "\r\x1b[K") { // broken into lines, below where the progress was
		t.Errorf("showed %q", before)
	}
	if shown := p.sees("}"); strings.ContainsAny(shown, "\x1b\u009b\x7f") {
		t.Errorf("the server moved the cursor: %q", shown)
	}
	p.leaves(exitOK)
}

// TestCallQuiet shows no progress where no terminal is.
func TestCallQuiet(t *testing.T) {
	s, address := startSlow(t, nil)
	s.release <- struct{}{}
	if stdout, stderr, status := newShell(t).run("call", "do", "--server", address); status != exitOK || stderr != "" || strings.Contains(stdout, "of 5") {
		t.Errorf("status %d, standard output %q, standard error %q", status, stdout, stderr)
	}
}

// TestCallInterrupt stops a call by Ctrl-C: the server is told.
func TestCallInterrupt(t *testing.T) {
	s, address := startSlow(t, nil)
	t.Setenv("TERM", "xterm")
	p := sitDown(t, "call", "do", "--server", address)
	p.sees("2 of 5")
	p.types("\x03")
	if id := <-s.cancelled; id != "3" { // after initialize and tools/list
		t.Errorf("cancelled %s", id)
	}
	p.sees("atlassian-mcp: error: interrupt")
	p.leaves(exitFailure)
}

// TestTableFits cuts tables to the width of the terminal.
func TestTableFits(t *testing.T) {
	hold := make(chan struct{})
	_, address := startSlow(t, hold)
	t.Setenv("TERM", "xterm")
	p := sitDown(t, "tools", address)
	p.sees("asking for the server's tools, ")
	size := &unix.Winsize{Row: 24, Col: 40}
	if err := unix.IoctlSetWinsize(int(p.tty.Fd()), unix.TIOCSWINSZ, size); err != nil {
		t.Fatal(err)
	}
	close(hold)
	if before := p.sees("do  writes  "); !strings.HasSuffix(before, "\r\x1b[K") { // where the line was
		t.Errorf("showed %q", before)
	}
	if line := p.sees("\r\n"); line != "Does what takes its time, w…" && line != "Does what takes its time…" {
		t.Errorf("line %q", line)
	}
	p.leaves(exitOK)
}

// TestDoctorProgress shows which check takes its time.
func TestDoctorProgress(t *testing.T) {
	hold := make(chan struct{})
	_, address := startSlow(t, hold)
	t.Setenv("TERM", "xterm")
	p := sitDown(t, "doctor", address)
	p.sees("checking: tools, ")
	close(hold)
	p.sees("\r\x1b[K")
	p.sees(" tools         1\r\n")
	p.sees("log")
	p.leaves(exitOK)
}

// TestDoctorColors marks what doctor finds in colour on a terminal, unless NO_COLOR or the terminal says not to.
func TestDoctorColors(t *testing.T) {
	_, address := startScripted(t, "", nil)
	t.Setenv("TERM", "xterm")
	p := sitDown(t, "doctor", address)
	p.sees("\x1b[32mok \x1b[0m")
	p.sees("log")
	p.leaves(exitOK)

	for _, plain := range [][2]string{{"NO_COLOR", "1"}, {"TERM", "dumb"}} {
		t.Run(plain[0], func(t *testing.T) {
			t.Setenv(plain[0], plain[1])
			p := sitDown(t, "doctor", address)
			if before := p.sees("ok  session"); strings.Contains(before, "\x1b[3") {
				t.Errorf("coloured: %q", before)
			}
			p.sees("log")
			p.leaves(exitOK)
		})
	}
}

// TestFitted breaks lines on a terminal, and nowhere else.
func TestFitted(t *testing.T) {
	keyboard, tty := openTerminal(t)
	defer keyboard.Close()
	defer tty.Close()
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 40}); err != nil {
		t.Fatal(err)
	}
	text := "one two, three and four " + strings.Repeat("ö", 40) + " five"
	want := "one two, three and four\n          " + strings.Repeat("ö", 40) + "\n          five"
	if got := fitted(tty, text, strings.Repeat(" ", 10)); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := fitted(new(strings.Builder), text, "  "); got != text {
		t.Errorf("%q where no terminal is", got)
	}
	if got := fitted(tty, text, strings.Repeat(" ", 30)); got != text {
		t.Errorf("%q where there is no room", got)
	}
}
