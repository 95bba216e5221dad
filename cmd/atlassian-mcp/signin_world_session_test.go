//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// This file is about the processes in a world.

// A session is the program as a client starts it, in a process group of its own.
type session struct {
	w      *world
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	out    *os.File
	lines  *bufio.Reader // of out
	stdout transcript
	stderr transcript
	early  map[string]string // answers to other requests, by ID
	id     int               // of the last request
	over   bool              // waited for
}

// start starts the program, to relay to the server.
func (w *world) start(args ...string) *session {
	w.t.Helper()
	return w.startAs(func(*exec.Cmd) {}, args...)
}

// startAs is start with something different.
func (w *world) startAs(edit func(*exec.Cmd), args ...string) *session {
	w.t.Helper()
	r, out, err := os.Pipe()
	if err != nil {
		w.t.Fatal(err)
	}
	defer out.Close()
	s := &session{w: w, out: r, early: map[string]string{}}
	s.stdout.w, s.stderr.w = w, w
	s.lines = bufio.NewReader(io.TeeReader(r, &s.stdout))
	s.cmd = exec.Command(w.program, append([]string{w.URL + "/mcp", "--debug", "--log-file", w.log}, args...)...)
	s.cmd.Env = w.env
	s.cmd.Dir = "/"
	s.cmd.Stdout, s.cmd.Stderr = out, &s.stderr
	s.cmd.WaitDelay = 20 * time.Second // if somebody else has its standard error
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	edit(s.cmd)
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.sessions = append(w.sessions, s)
	return s
}

// initialize asks for a session. The answer may be the program's own.
func (s *session) initialize() {
	s.id = 1
	s.write(initialize)
}

// opened waits for the session that initialize has asked for.
func (s *session) opened() {
	s.w.t.Helper()
	s.wantResult(1)
	s.write(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
}

// call calls a tool and returns the ID of the request.
func (s *session) call() int {
	s.id++
	s.write(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo"}}`, s.id))
	return s.id
}

// mustCall calls a tool and wants its result.
func (s *session) mustCall() {
	s.w.t.Helper()
	s.wantResult(s.call())
}

func (s *session) write(line string) {
	s.w.t.Helper()
	if _, err := io.WriteString(s.stdin, line+"\n"); err != nil {
		s.w.t.Errorf("writing to the program: %v", err)
	}
}

// answer returns the answer to a request.
func (s *session) answer(id int) string {
	s.w.t.Helper()
	key := strconv.Itoa(id)
	watchdog := time.AfterFunc(time.Minute, func() { s.cmd.Process.Signal(syscall.SIGABRT) }) // it says where it hangs
	defer watchdog.Stop()
	for {
		if line, ok := s.early[key]; ok {
			delete(s.early, key)
			return line
		}
		line, err := s.lines.ReadString('\n')
		if err != nil {
			s.w.t.Fatalf("waiting for the answer to request %d: %v", id, err)
		}
		var m struct {
			ID     json.RawMessage
			Method string
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			s.w.t.Fatalf("standard output has %q: %v", line, err)
		}
		if m.Method == "" {
			s.early[string(m.ID)] = line
		}
	}
}

// wantResult wants the answer to be the server's.
func (s *session) wantResult(id int) {
	s.w.t.Helper()
	if got := s.answer(id); failed(got) {
		s.w.t.Errorf("the answer to request %d is %s", id, got)
	}
}

// failed reports whether an answer tells of an error.
func failed(answer string) bool {
	return strings.Contains(answer, `"error":`) || strings.Contains(answer, `"isError":true`)
}

// wantError wants the answer to be an error that has each of the words in it.
func (s *session) wantError(id int, words ...string) {
	s.w.t.Helper()
	got := s.answer(id)
	if !failed(got) {
		s.w.t.Errorf("the answer to request %d is no error: %s", id, got)
	}
	for _, word := range words {
		if !strings.Contains(got, word) {
			s.w.t.Errorf("the answer to request %d does not say %q: %s", id, word, got)
		}
	}
}

// end closes standard input, as a client does that is finished, and wants the program to end well.
func (s *session) end() {
	s.w.t.Helper()
	s.stdin.Close()
	s.wait(0)
}

// signal sends a signal to the process group, as some clients do, and waits for the end of the process.
func (s *session) signal(sig syscall.Signal) {
	s.w.t.Helper()
	if err := syscall.Kill(-s.cmd.Process.Pid, sig); err != nil {
		s.w.t.Fatal(err)
	}
	status := 0
	if sig == syscall.SIGKILL {
		status = -1
	}
	s.wait(status)
}

// wait waits until the process has ended, with the given exit status, and nobody has its standard error any more.
func (s *session) wait(status int) {
	s.w.t.Helper()
	watchdog := time.AfterFunc(time.Minute, func() { s.cmd.Process.Signal(syscall.SIGABRT) })
	defer watchdog.Stop()
	io.Copy(io.Discard, s.lines) // late answers
	if err := s.cmd.Wait(); errors.Is(err, exec.ErrWaitDelay) {
		s.w.t.Error("standard error is still open after the end of the program")
	}
	s.over = true
	s.out.Close()
	if got := s.cmd.ProcessState.ExitCode(); got != status {
		s.w.t.Errorf("exit status %d, want %d: %v", got, status, s.cmd.ProcessState)
	}
}

// kill ends a process that is still there at the end of a test.
func (s *session) kill() {
	if !s.over {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		s.out.Close()
	}
}

// A transcript keeps what a process says. It is guarded by the mutex of its world.
type transcript struct {
	w    *world
	text bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	defer t.w.changed.Broadcast()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	return t.text.String()
}

// await waits until the process has said text n times.
func (t *transcript) await(text string, n int) {
	t.w.t.Helper()
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	for strings.Count(t.text.String(), text) < n && !t.w.isLate {
		t.w.changed.Wait()
	}
	if strings.Count(t.text.String(), text) < n {
		t.w.t.Fatalf("waited for %q %d times", text, n)
	}
}

// A process is one of the program's, or a browser.
type process struct {
	pid     int
	args    []string
	environ string
}

func (p process) kill() {
	syscall.Kill(p.pid, syscall.SIGKILL)
}

// processes returns the processes of the world.
func (w *world) processes() []process {
	var all []process
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		w.t.Error(err)
	}
	for _, file := range files {
		environ, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(environ), "HOME="+w.home+"\x00") {
			continue
		}
		cmdline, err := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if err != nil {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		all = append(all, process{pid, strings.Split(strings.TrimSuffix(string(cmdline), "\x00"), "\x00"), string(environ)})
	}
	return all
}

// doing returns the processes for which the first argument says what they do: renew, browse, the server's URL, or a page's in a browser.
func (w *world) doing(what string) []process {
	return slices.DeleteFunc(w.processes(), func(p process) bool { return len(p.args) < 2 || !strings.HasPrefix(p.args[1], what) })
}

// lockHolder returns the process that renews while others wait for it.
func (w *world) lockHolder() process {
	w.t.Helper()
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		w.t.Fatal(err)
	}
	files := map[string]bool{} // inodes of the lock files
	entries, err := os.ReadDir(w.state())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && filepath.Ext(e.Name()) == ".lock" {
			files[strconv.FormatUint(info.Sys().(*syscall.Stat_t).Ino, 10)] = true
		}
	}
	renewals := w.doing("renew")
	var holders []process
	for line := range strings.Lines(string(locks)) { // 1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE 0 EOF
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" || !files[f[5][strings.LastIndex(f[5], ":")+1:]] {
			continue
		}
		for _, p := range renewals {
			if strconv.Itoa(p.pid) == f[4] {
				holders = append(holders, p)
			}
		}
	}
	if len(holders) != 1 {
		w.t.Fatalf("%d of %d processes that renew hold a lock, want 1:\n%s", len(holders), len(renewals), locks)
	}
	return holders[0]
}
