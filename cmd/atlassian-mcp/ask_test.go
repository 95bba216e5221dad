package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

// A shell runs the program in a terminal that is none, with a home directory of their own.
type shell struct {
	t   *testing.T
	env []string
}

func newShell(t *testing.T) *shell {
	return &shell{t: t, env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LocalAppData=" + t.TempDir(), tokenStoreEnv + "=file",
		raceOptions[0] + "=" + raceOptions[1]}}
}

func (u *shell) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(u.t.Context(), "atlassian-mcp", args...)
	cmd.Env = u.env
	return cmd
}

// run runs the program with an empty standard input.
func (u *shell) run(args ...string) (stdout, stderr string, status int) {
	u.t.Helper()
	return u.runWith("", args...)
}

func (u *shell) runWith(stdin string, args ...string) (stdout, stderr string, status int) {
	u.t.Helper()
	cmd := u.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	cmd.Run()
	for _, text := range []string{out.String(), errs.String()} {
		if strings.Contains(text, "canary-") {
			u.t.Errorf("a secret was shown by %q: %s", args, text)
		}
		if strings.Contains(text, "\x1b") {
			u.t.Errorf("%q moved the cursor where no terminal is: %q", args, text)
		}
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// signIn signs in at a server of the sandbox. It returns what the page said if that refused, and ends login by Ctrl-C's signal then.
func (u *shell) signIn(address string, choice issuer.Choice, flags ...string) (refusal error) {
	u.t.Helper()
	cmd := u.command(append([]string{"login", "--no-browser", address}, flags...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		u.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	var said strings.Builder
	lines := bufio.NewScanner(io.TeeReader(stderr, &said))
	for lines.Scan() {
		if _, page, ok := strings.Cut(lines.Text(), "Open this page to sign in: "); ok {
			if _, refusal = issuer.Accept(u.t.Context(), nil, page, choice); refusal != nil {
				break
			}
		}
	}
	io.Copy(io.Discard, stderr) // until the program gives up
	if err := cmd.Wait(); err != nil && refusal == nil && !choice.Deny {
		u.t.Fatalf("login: %v: %s", err, said.String())
	}
	return refusal
}

// startSandbox starts the sandbox with these faults.
func startSandbox(t *testing.T, faults ...string) *sandbox.Server {
	t.Helper()
	s, err := sandbox.Start(sandbox.Config{Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// A scripted is an MCP server that answers each method with what the test says, and notes what it was asked. A method without an answer is not found.
type scripted struct {
	answers map[string]string // result, or an error that starts with "error:"
	asked   chan scriptedCall // has room
}

type scriptedCall struct {
	Method string          `json:"method"`
	ID     json.RawMessage `json:"id"`
	Params json.RawMessage `json:"params"`
}

// startScripted starts a server with tools, besides what answers has.
func startScripted(t *testing.T, tools string, answers map[string]string) (*scripted, string) {
	t.Helper()
	s := newScripted(tools, answers)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv.URL + "/mcp"
}

func newScripted(tools string, answers map[string]string) *scripted {
	s := &scripted{asked: make(chan scriptedCall, 100), answers: map[string]string{
		"initialize": `{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"resources":{},"prompts":{}},"serverInfo":{"name":"scripted","version":"1"}}`,
		"tools/list": `{"tools":[` + tools + `]}`,
		"tools/call": `{"content":[{"type":"text","text":"done"}]}`,
	}}
	for method, answer := range answers {
		s.answers[method] = answer
	}
	return s
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var m scriptedCall
	if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&m) != nil {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	s.answer(w, m)
}

func (s *scripted) answer(w http.ResponseWriter, m scriptedCall) {
	s.asked <- m
	if m.ID == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	answer, ok := s.answers[m.Method]
	failure, failed := strings.CutPrefix(answer, "error:")
	switch {
	case !ok:
		io.WriteString(w, `{"jsonrpc":"2.0","id":`+string(m.ID)+`,"error":{"code":-32601,"message":"Method not found"}}`)
	case failed:
		io.WriteString(w, `{"jsonrpc":"2.0","id":`+string(m.ID)+`,"error":`+failure+`}`)
	default:
		io.WriteString(w, `{"jsonrpc":"2.0","id":`+string(m.ID)+`,"result":`+answer+`}`)
	}
}

// called returns the arguments of the one tool call that was made, nil if there was none.
func (s *scripted) called() json.RawMessage {
	var params struct{ Arguments json.RawMessage }
	json.Unmarshal(s.params("tools/call"), &params)
	return params.Arguments
}

// params returns those of the first request of this method, nil if there was none.
func (s *scripted) params(method string) json.RawMessage {
	for {
		select {
		case m := <-s.asked:
			if m.Method == method {
				return m.Params
			}
		default:
			return nil
		}
	}
}
