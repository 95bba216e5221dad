//go:build unix

package main

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOrphan kills the process that has started the program, while others have the other ends of its standard streams.
func TestOrphan(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Mcp-Session-Id", "1")
		if r.Method == http.MethodDelete {
			close(left)
			return
		}
		fakeMCP(w, r)
	}))
	defer srv.Close()
	out, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	host := exec.Command("sh", "-c", `atlassian-mcp "$0" <&3 & wait`, srv.URL)
	host.Stdout = theirs
	in, ours, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	host.ExtraFiles = []*os.File{in}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	in.Close()
	lines := bufio.NewReader(out)
	io.WriteString(ours, initialize+"\n")
	if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "result") {
		t.Fatalf("%s, %v", line, err)
	}
	host.Process.Signal(syscall.SIGKILL)
	host.Wait()

	// Not a measurement: a program that stays would keep this open for ever.
	defer time.AfterFunc(time.Minute, func() { out.Close() }).Stop()
	if rest, err := io.ReadAll(lines); err != nil {
		t.Errorf("the program is still there: %q, %v", rest, err)
	}
	select {
	case <-left:
	default:
		t.Error("its session is still there")
	}
}

// TestPollParent checks that a parent can be told to have ended without the help of the system.
func TestPollParent(t *testing.T) {
	if !pollParent(t.Context(), os.Getppid()+1) {
		t.Error("another parent goes unnoticed")
	}
}
