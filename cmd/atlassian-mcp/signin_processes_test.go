//go:build linux

package main

import (
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestSignInProcesses runs the program as one user's clients do, several at a time: they share one sign-in and each of its
// renewals, whatever happens to any of them.
func TestSignInProcesses(t *testing.T) {
	program := peerProgram(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"8 calls share a renewal", testCallsShareRenewal},
		{"8 processes share a renewal", testProcessesShareRenewal},
		{"renewal of 8 calls killed", testRenewalOfCallsKilled},
		{"renewal of 8 processes killed", testRenewalOfProcessesKilled},
		{"5 cold processes share a sign-in", testProcessesShareSignIn},
		{"sign-in of a killed process", testSignInOfKilledProcess},
		{"renewal survives end of input", func(t *testing.T, w *world) { testRenewalSurvives(t, w, 0) }},
		{"renewal survives SIGTERM", func(t *testing.T, w *world) { testRenewalSurvives(t, w, syscall.SIGTERM) }},
		{"renewal survives SIGKILL", func(t *testing.T, w *world) { testRenewalSurvives(t, w, syscall.SIGKILL) }},
		{"end of input while a tab is open", testEndOfInputWhileTabIsOpen},
		{"stopped while its tab is open", testStoppedWhileTabIsOpen},
		{"killed with the code in its hands", testKilledWithCode},
		{"login while a tab is open", testLoginWhileTabIsOpen},
		{"browser outlives the program", testBrowserOutlives},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, newWorld(t, program))
		})
	}
}

// refuseTogether has the server refuse 8 calls of the sessions at once, and returns what waits for their results.
func refuseTogether(w *world, sessions []*session) (wait func()) {
	w.t.Helper()
	release := w.hold("tools/call")
	w.refuseTokens()
	wait = eightCalls(sessions)
	w.await("tools/call", 8)
	release()
	w.await("401", 8)
	return wait
}

// signedIn returns n open sessions of a user who has signed in.
func signedIn(w *world, n int) []*session {
	w.t.Helper()
	w.signIn()
	sessions := make([]*session, n)
	for i := range sessions {
		sessions[i] = w.start()
		sessions[i].initialize()
	}
	for _, s := range sessions {
		s.opened()
	}
	w.await("ok notifications/initialized", n) // lest these be refused in place of what a test is about
	w.await("ok GET", n)
	return sessions
}

// eightCalls sends 8 calls, from as many sessions as there are, and returns what waits for their results and then ends the sessions.
func eightCalls(sessions []*session) (wait func()) {
	var ids [8]int
	for i := range ids {
		ids[i] = sessions[i%len(sessions)].call()
	}
	return func() {
		for i, id := range ids {
			sessions[i%len(sessions)].wantResult(id)
		}
		for _, s := range sessions {
			s.end()
		}
	}
}

func testCallsShareRenewal(t *testing.T, w *world)     { shareRenewal(w, 1) }
func testProcessesShareRenewal(t *testing.T, w *world) { shareRenewal(w, 8) }

func shareRenewal(w *world, processes int) {
	sessions := signedIn(w, processes)
	refuseTogether(w, sessions)()
	w.want("refresh=1", "refreshed=1", "revoked=0", "tab=0", "ok tools/call=8", "register=0")
}

func testRenewalOfCallsKilled(t *testing.T, w *world)     { renewalKilled(w, 1) }
func testRenewalOfProcessesKilled(t *testing.T, w *world) { renewalKilled(w, 8) }

// renewalKilled kills the process that renews for all before the server has granted it anything.
func renewalKilled(w *world, processes int) {
	sessions := signedIn(w, processes)
	release := w.hold("refresh")
	wait := refuseTogether(w, sessions)
	w.await("refresh", 1)
	w.lockHolder().kill()
	w.await("lost refresh", 1)
	w.await("refresh", 2) // by the next, which had no other way to know that it has to
	release()
	wait()
	w.want("refresh=2", "refreshed=1", "revoked=0", "tab=0", "ok tools/call=8", "register=0")
}

func testProcessesShareSignIn(t *testing.T, w *world) {
	release := w.hold("initialize")
	sessions := make([]*session, 5)
	for i := range sessions {
		sessions[i] = w.start()
		sessions[i].initialize()
	}
	w.await("initialize", 5)
	release()
	for _, s := range sessions {
		s.opened()
		s.mustCall()
	}
	w.want("tab=1", "register=1", "code=1", "refresh=0", "ok initialize=5", "ok tools/call=5")
	for _, s := range sessions {
		s.end()
	}
}

// pageLine begins the line by which a process tells which page waits for the user.
const pageLine = "Open this page to sign in: "

// testSignInOfKilledProcess kills each process that has a tab open, until the last one finishes that of the first.
func testSignInOfKilledProcess(t *testing.T, w *world) {
	w.script(func() { w.browse = nil })
	owner := w.start()
	owner.initialize()
	page := w.tab(1).args[0]
	second := w.start()
	second.initialize()
	second.stderr.await(pageLine+page, 1) // waits for the first
	owner.signal(syscall.SIGKILL)
	second.stderr.await(pageLine+page, 2) // has taken it over
	third := w.start()
	third.initialize()
	third.stderr.await(pageLine+page, 1)
	second.signal(syscall.SIGKILL)
	third.stderr.await(pageLine+page, 2)
	w.visit(page)
	third.opened()
	third.mustCall()
	third.end()
	w.want("tab=1", "register=1", "authorize=1", "code=1", "ok tools/call=1")
	w.wantClosed(w.callback(page))
}

// testRenewalSurvives ends the client's processes when the server has granted a renewal but its answer is still on the way. Nothing
// waits for that answer, and nothing is lost. Signal 0 means the end of input.
func testRenewalSurvives(t *testing.T, w *world, sig syscall.Signal) {
	s := signedIn(w, 1)[0]
	release := w.hold("refreshed")
	w.refuseTokens()
	s.call()
	w.await("refreshed", 1)
	if sig == 0 {
		s.end()
	} else {
		s.signal(sig)
	}
	if p := w.doing("renew"); len(p) != 1 {
		t.Errorf("%d processes renew, want 1 still", len(p))
	} else if !slices.Contains(p[0].args, "--token-store=file") {
		t.Errorf("it may look for the token elsewhere: %q", p[0].args)
	}
	release()
	next := w.start()
	next.initialize()
	next.opened()
	next.mustCall()
	next.end()
	w.want("refresh=1", "refreshed=1", "revoked=0", "tab=0", "code=0", "ok tools/call=1")
}

func testEndOfInputWhileTabIsOpen(t *testing.T, w *world) {
	w.script(func() { w.browse = nil })
	s := w.start()
	s.initialize()
	page := w.tab(1).args[0]
	id := s.call()
	s.stderr.await(pageLine+page, 1)
	s.stdin.Close()
	s.wantError(id) // which is to say that nobody waits any more
	s.wait(0)
	if strings.Contains(s.stderr.String(), errorPrefix) {
		t.Errorf("standard error tells of an error:\n%s", &s.stderr)
	}
	w.wantClosed(w.callback(page))
	if p := slices.Concat(w.doing(w.URL+"/mcp"), w.doing("renew")); len(p) > 0 {
		t.Errorf("left behind: %v", p)
	}

	next := w.start()
	next.initialize()
	next.stderr.await(pageLine+page, 1)
	w.visit(page)
	next.opened()
	next.mustCall()
	next.end()
	w.want("tab=1", "register=1", "code=1")
}

// testStoppedWhileTabIsOpen stops the process that has the tab open, as Ctrl-Z does. It can't be helped, but others must not wait for ever.
func testStoppedWhileTabIsOpen(t *testing.T, w *world) {
	w.script(func() { w.browse = nil })
	owner := w.start("--auth-timeout=1s")
	owner.initialize()
	w.tab(1)
	if err := owner.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	other := w.start("--auth-timeout=1s")
	other.initialize()
	other.wantError(other.call())
	other.end()
	w.want("tab=1")
}

// testKilledWithCode kills the process to which the browser has come back. Nobody else can finish that tab, so there has to be another.
func testKilledWithCode(t *testing.T, w *world) {
	w.script(func() { w.browse = nil })
	owner := w.start()
	owner.initialize()
	page := w.tab(1).args[0]
	other := w.start()
	other.initialize()
	id := other.call()
	other.stderr.await(pageLine+page, 1)

	release := w.hold("code")
	w.visits.Go(func() { w.visit(page) })
	w.await("code", 1)
	owner.signal(syscall.SIGKILL)
	w.await("lost code", 1)
	release()
	w.await("dead end", 1)
	w.visit(w.tab(2).args[0])
	other.wantResult(id)
	other.end()
	w.want("tab=2", "code=2")
}

// testLoginWhileTabIsOpen has the user run login because the tab of another process is lost: it shows the same page again, and both are served.
func testLoginWhileTabIsOpen(t *testing.T, w *world) {
	w.script(func() { w.browse = nil })
	s := w.start()
	s.initialize()
	page := w.tab(1).args[0]
	w.script(func() { w.browse = w.visit })
	if out, err := w.run("login", w.URL+"/mcp"); err != nil {
		t.Errorf("login: %v\n%s", err, out)
	}
	if again := w.tab(2).args[0]; again != page {
		t.Errorf("login opens %s, want %s", again, page)
	}
	s.opened()
	s.mustCall()
	s.end()
	w.want("tab=2", "register=1", "code=1")
}

// testBrowserOutlives has a browser that stays, as one does that was not running before. It must not hold what the client waits for, the
// end of the program's output, and it must not end with the program's process group.
func testBrowserOutlives(t *testing.T, w *world) {
	release := w.hold("tab")
	defer release()
	w.script(func() { w.browse = nil })
	s := w.start()
	s.initialize()
	page := w.tab(1).args[0]
	s.signal(syscall.SIGKILL)
	if n := len(w.doing(page)); n != 1 {
		t.Errorf("%d browsers, want 1", n)
	}

	s = w.start()
	s.initialize()
	s.stderr.await(pageLine+page, 1)
	w.visit(page)
	s.opened()
	s.mustCall()
	s.end()
	if n := len(w.doing(page)); n != 1 {
		t.Errorf("%d browsers, want 1", n)
	}
	w.want("tab=1", "code=1")
}
