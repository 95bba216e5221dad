//go:build linux

package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestEndProcesses ends the program in each of the states in which it may be, in each of the ways in which hosts do that. Nothing of it is left,
// at home or at the server, and the next process goes on where it was.
func TestEndProcesses(t *testing.T) {
	program := peerProgram(t)
	for _, state := range endStates {
		for _, way := range endWays {
			t.Run(state.name+"/"+way.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, program)
				w.live = make(map[string]bool)
				e := state.enter(w)
				w.end(e, way.end)
				w.goOn(e)
				w.want(append(state.want, "revoked=0")...)
			})
		}
	}
}

// An ending is a process that is about to end, and what goes on around it.
type ending struct {
	*session
	page    string // that waits for the user; "" if none does
	release func() // has the server answer what it has held, or the user do what they are to do; nil if nothing is to be done
	refused bool   // the server takes no token that there is, not even with the end of the session
}

// endWays are how hosts end their servers.
var endWays = []struct {
	name string
	end  func(*session) (killed bool)
}{
	{"end of input", func(s *session) bool { s.stdin.Close(); return false }},
	{"SIGINT", func(s *session) bool { s.cmd.Process.Signal(syscall.SIGINT); return false }},
	{"SIGTERM", func(s *session) bool { s.cmd.Process.Signal(syscall.SIGTERM); return false }},
	{"all at once", func(s *session) bool {
		s.stdin.Close()
		s.cmd.Process.Signal(syscall.SIGTERM)
		s.cmd.Process.Kill()
		return true
	}},
}

// endStates bring a process into a state, and say what is to be counted when the next one has done its work.
var endStates = []struct {
	name  string
	enter func(*world) ending
	want  []string
}{
	{"page ignored", func(w *world) ending {
		w.script(func() { w.browse = nil })
		s := w.start()
		s.initialize()
		page := w.tab(1).args[0]
		return ending{session: s, page: page, release: func() { w.visit(page) }}
	}, []string{"tab=1", "register=1", "code=1"}},

	{"page open in the browser", func(w *world) ending {
		release := w.hold("authorize")
		s := w.start()
		s.initialize()
		page := w.tab(1).args[0]
		w.await("authorize", 1)
		return ending{session: s, page: page, release: release}
	}, []string{"tab=1", "register=1", "authorize=1", "code=1", "dead end=0"}},

	// Whether the server has taken the code nobody can tell any more, so the user has to be asked again.
	{"code on its way", func(w *world) ending {
		release := w.hold("code")
		s := w.start()
		s.initialize()
		w.await("code", 1)
		return ending{session: s, release: release}
	}, []string{"tab=2", "code=2"}},

	{"renewal granted", func(w *world) ending {
		s := signedIn(w, 1)[0]
		release := w.hold("refreshed")
		w.refuseTokens()
		s.call()
		w.await("refreshed", 1)
		return ending{session: s, release: release, refused: true}
	}, []string{"tab=0", "refresh=1", "refreshed=1"}},

	{"renewal asked for", func(w *world) ending {
		s := signedIn(w, 1)[0]
		release := w.hold("refresh")
		w.refuseTokens()
		s.call()
		w.await("refresh", 1)
		return ending{session: s, release: release, refused: true}
	}, []string{"tab=0", "refresh=1", "refreshed=1"}},

	{"call hanging", func(w *world) ending {
		s := signedIn(w, 1)[0]
		release := w.hold("tools/call")
		s.call()
		w.await("tools/call", 1)
		return ending{session: s, release: release}
	}, []string{"tab=0", "refresh=0", "ok tools/call=1"}},

	{"server silent", func(w *world) ending {
		w.signIn()
		release := w.hold("initialize")
		s := w.start()
		s.initialize()
		s.says(1, ours)
		return ending{session: s, release: release}
	}, []string{"tab=0", "refresh=0", "ok initialize=1"}},

	{"sign_in waiting", func(w *world) ending {
		s := w.startSignedOut("--handshake-timeout=1s")
		page := w.tab(1).args[0]
		s.says(s.request("tools/list", "{}"), signInTool)
		s.request("tools/call", `{"name":"sign_in","_meta":{"progressToken":"p"}}`)
		s.notified("notifications/progress")
		return ending{session: s, page: page, release: func() { w.visit(page) }}
	}, []string{"tab=1", "register=1", "code=1"}},

	{"standard output blocked", func(w *world) ending {
		s := signedIn(w, 1)[0]
		w.script(func() {
			w.take["tools/call"] = func(rw http.ResponseWriter, r *http.Request) {
				replyJSON(rw, http.StatusOK, map[string]any{"jsonrpc": "2.0", "id": 2, "result": strings.Repeat("x", 4<<20)})
			}
		})
		s.call()
		if _, err := s.lines.Peek(1); err != nil { // of a line that no pipe holds
			w.t.Fatal(err)
		}
		w.script(func() { delete(w.take, "tools/call") })
		return ending{session: s}
	}, []string{"tab=0", "refresh=0", "ok tools/call=1"}},

	{"standard error blocked", func(w *world) ending {
		w.signIn()
		r, full, err := os.Pipe()
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { r.Close() })
		defer full.Close()
		size, err := unix.FcntlInt(full.Fd(), unix.F_GETPIPE_SZ, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := full.Write(make([]byte, size)); err != nil {
			w.t.Fatal(err)
		}
		s := w.startAs(func(cmd *exec.Cmd) { cmd.Stderr = full })
		s.initialize()
		s.opened()
		s.mustCall()
		w.await("ok GET", 1)
		return ending{session: s}
	}, []string{"tab=0", "refresh=0", "ok tools/call=2"}},

	{"session being renewed", func(w *world) ending {
		s := signedIn(w, 1)[0]
		release := w.hold("initialize")
		w.script(func() { clear(w.live) })
		s.call()
		w.await("initialize", 2)
		return ending{session: s, release: release}
	}, []string{"tab=0", "refresh=0", "ok tools/call=1", "ok initialize=2"}},

	{"requests waiting for the session", func(w *world) ending {
		w.signIn()
		release := w.hold("initialize")
		s := w.start()
		s.initialize()
		s.says(1, ours)
		s.write(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
		for range 1000 {
			s.call()
		}
		s.says(s.request("ping", "{}"), `"result":{}`) // is answered here, so that the others have been read
		return ending{session: s, release: release}
	}, []string{"tab=0", "refresh=0", "ok tools/call=1"}},

	{"requests waiting in the session", func(w *world) ending {
		s := signedIn(w, 1)[0]
		release := w.hold("tools/call")
		for range 1000 {
			s.call()
		}
		w.await("tools/call", 64)
		return ending{session: s, release: release}
	}, []string{"tab=0", "refresh=0", "ok tools/call=1"}},
}

// end ends a process, and looks for what is left of it.
func (w *world) end(e ending, end func(*session) (killed bool)) {
	w.t.Helper()
	began := time.Now()
	// A process that doesn't end says where it hangs.
	watchdog := time.AfterFunc(time.Minute, func() { e.cmd.Process.Signal(syscall.SIGABRT) })
	defer watchdog.Stop()
	killed := end(e.session)
	e.cmd.Wait() // and nobody reads what it writes
	if took := time.Since(began); took > 10*time.Second {
		w.t.Errorf("took %v", took)
	}
	e.over = true
	if status := e.cmd.ProcessState.ExitCode(); status != 0 && !killed {
		w.t.Errorf("exit status %d", status)
	}
	io.Copy(io.Discard, e.lines)
	e.out.Close()
	if said := e.stderr.String(); strings.Contains(said, errorPrefix) && !killed {
		w.t.Errorf("standard error tells of an error:\n%s", said)
	}
	if p := w.doing(w.URL + "/mcp"); len(p) > 0 {
		w.t.Errorf("left behind: %v", p)
	}
	if e.page != "" {
		w.wantClosed(w.callback(e.page))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.live) > 0 && !killed && !e.refused {
		w.t.Errorf("%d sessions are left at the server", len(w.live))
	}
}

// goOn has the next process do what the one that has ended could not.
func (w *world) goOn(e ending) {
	w.t.Helper()
	if e.page == "" && e.release != nil {
		e.release()
	}
	for _, p := range w.doing("renew") {
		p.await(w.t)
	}
	before := len(w.live)
	next := w.start()
	next.initialize()
	if e.page != "" {
		next.stderr.await(pageLine+e.page, 1)
		e.release()
	}
	next.opened()
	next.mustCall()
	next.end()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.live) > before {
		w.t.Error("the session of the next process is left at the server")
	}
}

// await waits for the end of a process that is to end within 30 seconds.
func (p process) await(t *testing.T) {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err == unix.ESRCH {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	until := time.Now().Add(30 * time.Second)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(until).Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if n == 0 || err != nil {
			t.Errorf("%q is still there: %v", p.args, err)
		}
		return
	}
}

// knows plays the part of the server that keeps sessions, if it is to keep any. It returns false if r belongs to none that it knows, and has been
// told so.
func (w *world) knows(rw http.ResponseWriter, r *http.Request, kind string) bool {
	if w.live == nil {
		return true
	}
	id := r.Header.Get("Mcp-Session-Id")
	if kind == "initialize" {
		id = w.next("session")
		rw.Header().Set("Mcp-Session-Id", id)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case kind == "initialize":
		w.live[id] = true
	case !w.live[id]:
		http.Error(rw, fmt.Sprintf("no session %q", id), http.StatusNotFound)
		return false
	case kind == http.MethodDelete:
		delete(w.live, id)
	}
	return true
}
