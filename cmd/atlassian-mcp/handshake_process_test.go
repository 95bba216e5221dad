//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestHandshake runs the program as hosts do that wait for the answer to initialize for a second or three, and then never ask again.
func TestHandshake(t *testing.T) {
	program := peerProgram(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"server that is slow", testServerSlow},
		{"server that is known", testServerKnown},
		{"damaged memory", testMemoryDamaged},
		{"sign_in", testSignInTool},
		{"sign_in by elicitation", testSignInElicited},
		{"sign_in many times", testSignInToolsShareTab},
		{"sign-in by login", testSignInByLogin},
		{"API token by login", testAPITokenByLogin},
		{"sign-in ends in the middle of the day", testSignInEnds},
		{"one shot", testOneShot},
		{"one shot at a slow server", testOneShotSlow},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, newWorld(t, program))
		})
	}
}

// notified waits for a notification, and returns it.
func (s *session) notified(method string) string {
	s.w.t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			s.w.t.Fatalf("waiting for %s: %v", method, err)
		}
		var m struct {
			ID     json.RawMessage
			Method string
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			s.w.t.Fatalf("standard output has %q: %v", line, err)
		}
		switch m.Method {
		case method:
			return line
		case "":
			s.early[string(m.ID)] = line
		}
	}
}

// request sends a request and returns its ID.
func (s *session) request(method, params string) int {
	s.id++
	s.write(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, s.id, method, params))
	return s.id
}

// says fails the test if the answer to a request does not have each of the words in it. It returns the answer.
func (s *session) says(id int, words ...string) string {
	s.w.t.Helper()
	answer := s.answer(id)
	for _, word := range words {
		if !strings.Contains(answer, word) {
			s.w.t.Errorf("the answer to request %d does not say %q: %s", id, word, answer)
		}
	}
	return answer
}

const (
	listChanged = "notifications/tools/list_changed"
	ours        = `"serverInfo":{"name":"atlassian-mcp",`
	theirs      = `"name":"strict"`
	signInTool  = `"name":"sign_in"`
)

func testServerSlow(t *testing.T, w *world) {
	w.signIn()
	release := w.hold("initialize")
	s := w.start()
	s.initialize()
	s.says(1, ours, `"protocolVersion":"2025-11-25"`)
	s.write(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	id := s.call()
	w.want("initialize=1", "ok initialize=0")
	release()
	s.notified(listChanged)
	s.wantResult(id)
	s.end()
	w.want("initialize=1", "ok initialize=1", "ok notifications/initialized=1", "ok tools/call=1")
}

func testServerKnown(t *testing.T, w *world) {
	w.signIn()
	s := w.start()
	s.initialize()
	s.says(1, theirs)
	s.end()
	info, err := os.Stat(filepath.Join(w.state(), memoryFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}

	release := w.hold("initialize")
	s = w.start()
	s.initialize()
	s.says(1, theirs)
	w.want("ok initialize=1")
	release()
	s.write(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	s.notified(listChanged)
	s.mustCall()
	s.end()

	// Whoever signs in anew may see another server.
	w.signIn()
	release = w.hold("initialize")
	s = w.start()
	s.initialize()
	s.says(1, ours)
	release()
	s.end()
}

func testMemoryDamaged(t *testing.T, w *world) {
	w.signIn()
	file := filepath.Join(w.state(), memoryFile)
	for _, damage := range []string{"", "{", "null", "7", `{"x":{"answers":{"2025-11-25":7}}}`} {
		if err := os.WriteFile(file, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		s := w.start()
		s.initialize()
		s.opened()
		s.mustCall()
		s.end()
		if data, err := os.ReadFile(file); err != nil || !strings.Contains(string(data), theirs) {
			t.Errorf("after %q it has %s, %v", damage, data, err)
		}
	}
}

// startSignedOut starts a session of somebody who has not signed in and does not look at the browser. The program opens it by itself.
func (w *world) startSignedOut(args ...string) *session {
	w.t.Helper()
	w.script(func() { w.browse = nil })
	s := w.start(args...)
	s.initialize()
	s.says(1, ours)
	s.write(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return s
}

func testSignInTool(t *testing.T, w *world) {
	s := w.startSignedOut("--handshake-timeout=1s")
	page := w.tab(1).args[0]
	s.says(s.request("tools/list", "{}"), signInTool)
	s.wantError(s.call(), page)
	id := s.request("tools/call", `{"name":"sign_in","_meta":{"progressToken":"p"}}`)
	if line := s.notified("notifications/progress"); !strings.Contains(line, page) {
		t.Errorf("%s does not name %s", line, page)
	}
	w.visit(page)
	if answer := s.says(id, "signed in"); failed(answer) {
		t.Errorf("sign_in fails: %s", answer)
	}
	s.notified(listChanged)
	s.says(s.request("tools/list", "{}"), `"echo"`)
	s.mustCall()
	s.end()
	w.want("tab=1", "register=1", "code=1", "ok initialize=1", "ok tools/call=1") // the first is in front of the user
}

// testSignInToolsShareTab has the models of two clients call sign_in several times at once.
func testSignInToolsShareTab(t *testing.T, w *world) {
	clients := []*session{w.startSignedOut("--handshake-timeout=1s"), w.startSignedOut("--handshake-timeout=1s")}
	page := w.tab(1).args[0]
	ids := make(map[*session][]int)
	for _, s := range clients {
		s.wantError(s.call(), page)
		for range 4 {
			ids[s] = append(ids[s], s.request("tools/call", `{"name":"sign_in","_meta":{"progressToken":"p"}}`))
		}
		for range 4 {
			s.notified("notifications/progress")
		}
		s.says(s.request("ping", "{}"), "{}")
	}
	w.visit(page)
	for _, s := range clients {
		for _, id := range ids[s] {
			if answer := s.says(id, "signed in"); failed(answer) {
				t.Errorf("sign_in fails: %s", answer)
			}
		}
		s.mustCall()
		s.end()
	}
	w.want("tab=1", "register=1", "code=1", "ok tools/call=2")
}

func testSignInElicited(t *testing.T, w *world) {
	w.script(func() { w.browse = nil })
	s := w.start("--handshake-timeout=1s")
	s.id = 1
	s.write(strings.Replace(initialize, `"capabilities":{}`, `"capabilities":{"elicitation":{"url":{}}}`, 1))
	s.says(1, ours)
	s.write(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	page := w.tab(1).args[0]
	id := s.request("tools/call", `{"name":"sign_in"}`)
	line := s.notified("elicitation/create")
	var m struct {
		ID     json.RawMessage
		Params struct{ Mode, URL, ElicitationID string }
	}
	if err := json.Unmarshal([]byte(line), &m); err != nil || m.Params.Mode != "url" || m.Params.URL != page || m.Params.ElicitationID == "" {
		t.Errorf("client got %s", line)
	}
	s.write(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"action":"accept"}}`, m.ID))
	w.visit(page)
	s.says(id, "signed in")
	s.notified(listChanged)
	s.mustCall()
	s.end()
	w.want("ok initialize=1", "ok tools/call=1", "=0") // a response has no method
}

// testSignInByLogin has a tab ignored for its time. When the user has time they run login, in a shell.
func testSignInByLogin(t *testing.T, w *world) {
	s := w.startSignedOut("--auth-timeout=1s", "--handshake-timeout=2s")
	w.tab(1)
	s.stderr.await("nobody signed in within 1s", 1)
	w.script(func() { w.browse = w.visit })
	if out, err := w.run("login", w.URL+"/mcp"); err != nil {
		t.Fatalf("login: %v\n%s", err, out)
	}
	s.notified(listChanged)
	s.mustCall()
	s.end()
	w.want("tab=2", "code=1", "ok initialize=1", "ok tools/call=1")
}

// testAPITokenByLogin has the user give an API token in place of a sign-in while the page of that waits.
func testAPITokenByLogin(t *testing.T, w *world) {
	s := w.startSignedOut()
	page := w.tab(1).args[0]
	id := s.call()
	w.script(func() { w.access["canary-key"] = "a service" })
	login := exec.Command(w.program, "login", "--api-token", w.URL+"/mcp")
	login.Env = w.env
	login.Stdin = strings.NewReader("canary-key\n")
	if out, err := login.CombinedOutput(); err != nil {
		t.Fatalf("login: %v\n%s", err, out)
	}
	s.wantResult(id)
	s.mustCall()
	s.end()
	w.want("tab=1", "code=0", "ok initialize=2", "ok tools/call=2") // login has tried the token
	w.wantClosed(w.callback(page))
}

// testSignInEnds has the server forget the user in the middle of a session. Nothing needs to be started again.
func testSignInEnds(t *testing.T, w *world) {
	w.signIn()
	s := w.start("--handshake-timeout=1s")
	s.initialize()
	s.opened()
	s.mustCall()
	w.revoke()
	w.script(func() { w.browse = nil })
	s.wantError(s.call(), "sign_in")
	page := w.tab(1).args[0]
	s.says(s.request("tools/list", "{}"), signInTool)
	s.wantError(s.request("prompts/list", "{}"), page)
	w.visit(page)
	s.notified(listChanged)
	s.says(s.request("tools/list", "{}"), `"echo"`)
	s.mustCall()
	s.end()
	w.want("tab=1", "code=1", "ok initialize=1", "ok tools/call=2")

	// What the server said in that session is known to whoever comes next, though nobody has sent initialize since the sign-in.
	release := w.hold("initialize")
	s = w.start()
	s.initialize()
	s.says(1, theirs)
	release()
	s.end()
}

// testOneShot pipes everything in at once.
func testOneShot(t *testing.T, w *world) {
	w.signIn()
	cmd := exec.Command(w.program, w.URL+"/mcp")
	cmd.Env = w.env
	cmd.Stdin = strings.NewReader(initialize + `
{"jsonrpc":"2.0","method":"notifications/initialized"}
{"jsonrpc":"2.0","id":2,"method":"tools/list"}
`)
	out, err := cmd.Output()
	if err != nil {
		t.Error(err)
	}
	if text := string(out); !strings.Contains(text, theirs) || !strings.Contains(text, `"echo"`) || strings.Count(text, "\n") != 2 {
		t.Errorf("output:\n%s", out)
	}
}

// testOneShotSlow does so with a server that takes longer than a host would wait, first as a stranger and then as one that is known.
func testOneShotSlow(t *testing.T, w *world) {
	w.signIn()
	for _, from := range []string{ours, theirs} {
		release := w.hold("initialize")
		s := w.start()
		s.initialize()
		s.write(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
		id := s.call()
		s.stdin.Close()
		s.says(1, from)
		release()
		s.wantResult(id)
		s.wait(0)
	}
	w.want("ok initialize=2", "ok tools/call=2", "tab=0")
}
