package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

// An ideSession is the program in the hands of an MCP client, which asks one thing after the other.
type ideSession struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr bytes.Buffer // to be read after end
	id     int
}

// ide starts the program as an MCP client does, and opens a session.
func (u *shell) ide(args ...string) *ideSession {
	u.t.Helper()
	s := &ideSession{t: u.t, cmd: u.command(args...)}
	stdout, err := s.cmd.StdoutPipe()
	if err == nil {
		s.stdin, err = s.cmd.StdinPipe()
	}
	if err != nil {
		u.t.Fatal(err)
	}
	s.stdout, s.cmd.Stderr = bufio.NewReader(stdout), &s.stderr
	if err := s.cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	s.id = 1
	s.write(initialize)
	s.answer()
	s.write(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return s
}

func (s *ideSession) write(line string) {
	s.t.Helper()
	if _, err := io.WriteString(s.stdin, line+"\n"); err != nil {
		s.t.Fatal(err)
	}
}

// answer returns the answer to the last request.
func (s *ideSession) answer() string {
	s.t.Helper()
	for {
		line, err := s.stdout.ReadString('\n')
		if err != nil {
			s.t.Fatalf("waiting for the answer to request %d: %v", s.id, err)
		}
		var m struct {
			ID     int
			Method string
		}
		if json.Unmarshal([]byte(line), &m) == nil && m.ID == s.id && m.Method == "" {
			return line
		}
	}
}

// call calls a tool with these params, and returns the answer.
func (s *ideSession) call(params string) string {
	s.t.Helper()
	s.id++
	s.write(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":%s}`, s.id, params))
	return s.answer()
}

// end ends the program and returns what it has said on standard error.
func (s *ideSession) end() string {
	s.t.Helper()
	s.stdin.Close()
	io.Copy(io.Discard, s.stdout)
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("the program ended with %v", err)
	}
	return s.stderr.String()
}

const whoAmI = `{"name":"atlassianUserInfo","arguments":{}}` // params of a call

// TestStaleSession has the sign-in end behind a session that goes on. The call that finds out is not sent again; the ones after it find a new session.
func TestStaleSession(t *testing.T) {
	for _, tt := range []struct {
		value   string // of upstream-401: how many calls it hits; "" means all of the session
		refused int
	}{{"", 1}, {"1", 1}, {"2", 2}} { // what a new token does not cure, another within a minute does not either
		t.Run("upstream-401="+tt.value, func(t *testing.T) {
			t.Parallel()
			server, u := startSandbox(t), newShell(t)
			address := server.Endpoint("/v1/mcp")
			if err := u.signIn(address, issuer.Choice{}); err != nil {
				t.Fatal(err)
			}
			s := u.ide(address)
			if err := server.SetFault("upstream-401", tt.value); err != nil {
				t.Fatal(err)
			}
			for i := range tt.refused + 1 {
				answer := s.call(whoAmI)
				if refused := i < tt.refused; strings.Contains(answer, `"isError":true`) != refused ||
					strings.Contains(answer, "Unauthorized") != refused || strings.Contains(answer, "Call the tool again in a few seconds") != refused {
					t.Errorf("call %d got %s", i+1, answer)
				}
			}
			n := server.Counts()
			if n.Calls != tt.refused+1 || n.Tools["atlassianUserInfo"] != 1 || n.Issuer.Refreshes != 1 || n.Issuer.Grants != 1 || n.Opened != 2 {
				t.Errorf("the server counted %d calls, %v, %d sessions and %+v", n.Calls, n.Tools, n.Opened, n.Issuer)
			}
			if stderr := s.end(); strings.Count(stderr, "hint:") != 1 || !strings.Contains(stderr, "atlassian-mcp: hint: the sign-in behind this session has expired") {
				t.Errorf("standard error %q", stderr)
			}
		})
	}
}

// TestStaleToken has an API token come to its end, however it was given: it can't be renewed, so that nothing is promised and no session opened again.
func TestStaleToken(t *testing.T) {
	for _, given := range []string{"in the environment", "by login", "as a header"} {
		t.Run(given, func(t *testing.T) {
			t.Parallel()
			server, u := startSandbox(t), newShell(t)
			address := server.Endpoint("/v1/mcp")
			ada := server.Org().People()[0]
			token := apiToken{Email: ada.Email, Token: server.Issuer().IssueAPIToken(ada.Account, "token")}
			var flags []string
			switch given {
			case "in the environment":
				u.env = append(u.env, emailEnv+"="+token.Email, apiTokenEnv+"="+token.Token)
			case "by login":
				login := u.command("login", "--api-token", address)
				login.Env = append(login.Env, emailEnv+"="+token.Email)
				login.Stdin = strings.NewReader(token.Token)
				if out, err := login.CombinedOutput(); err != nil {
					t.Fatalf("login: %v: %s", err, out)
				}
			default:
				flags = []string{"--header", "Authorization: " + token.authorization()}
			}
			s := u.ide(append([]string{address}, flags...)...)
			opened := server.Counts().Opened
			if err := server.SetFault("upstream-401", "1"); err != nil {
				t.Fatal(err)
			}
			if answer := s.call(whoAmI); !strings.Contains(answer, "Create a new API token") || strings.Contains(answer, "login") || strings.Contains(answer, "Call the tool again") {
				t.Errorf("got %s", answer)
			}
			if answer := s.call(whoAmI); !strings.Contains(answer, ada.Name) {
				t.Errorf("then got %s", answer)
			}
			if stderr := s.end(); strings.Count(stderr, "hint:") != 1 || strings.Contains(stderr, "level=") {
				t.Errorf("standard error %q", stderr)
			}
			if n := server.Counts(); n.Opened != opened || n.Issuer.Refreshes != 0 {
				t.Errorf("%d sessions, %d of them after the first call; %d renewals", n.Opened, n.Opened-opened, n.Issuer.Refreshes)
			}
		})
	}
}

// TestAdviceSignedIn checks what the client and the person get when the server refuses somebody who has signed in, by each way that it has.
func TestAdviceSignedIn(t *testing.T) {
	for _, tt := range []struct {
		name, path, fault, params string
		kind                      string // of the answer: an error, or a result that is one
		advice, hint              string
	}{
		{"result", "/v1/mcp", "trouble", whoAmI, `"isError":true`, "grant the site and the product", "lacks a scope"},
		{"error", "/v1/mcp", "", `{"name":"getVisibleJiraProjects","arguments":{}}`, `"error":`, "Pass cloudId: getAccessible", "the tool needs the cloudId of a site"},
		{"status of a call", "/v1/mcp", "rate-limit=3600", whoAmI, `"error":`, "make fewer calls at a time", "too many calls for the plan"},
		{"status of the session", "/v1/sse", "sse-retired", whoAmI, `"error":`, "https://mcp.atlassian.com/v1/mcp (v1)", "has retired its HTTP+SSE address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, u := startSandbox(t), newShell(t)
			address := server.Endpoint(tt.path)
			if err := u.signIn(address, issuer.Choice{}); err != nil {
				t.Fatal(err)
			}
			if name, value, _ := strings.Cut(tt.fault, "="); name != "" {
				if err := server.SetFault(name, value); err != nil {
					t.Fatal(err)
				}
			}
			for _, flags := range [][]string{nil, {"--no-advice"}} {
				s := u.ide(append([]string{address}, flags...)...)
				answers := s.call(tt.params) + s.call(tt.params)
				stderr := s.end()
				if strings.Count(answers, tt.kind) != 2 {
					t.Errorf("%q: answers %s", flags, answers)
				}
				inAnswers, hints := strings.Count(answers, tt.advice), strings.Count(stderr, tt.hint)
				if flags == nil && (inAnswers != 2 || hints != 1) || flags != nil && inAnswers+hints != 0 {
					t.Errorf("%q: advice %d times in %sand %d times in %q", flags, inAnswers, answers, hints, stderr)
				}
			}
		})
	}
}

// TestRequestTimeout checks what --request-timeout does to a call: without progress it has an end, with progress it goes on.
func TestRequestTimeout(t *testing.T) {
	for _, tt := range []struct {
		slow, limit, params, want string
	}{
		{"1m", "5", whoAmI, "allows for so much time"},
		// Progress comes every 1.2 s, which is a long way from 5. So is an answer that nothing delays.
		{"6s", "5", strings.Replace(whoAmI, "}}", `},"_meta":{"progressToken":1}}`, 1), `"result":`},
	} {
		t.Run(tt.slow, func(t *testing.T) {
			t.Parallel()
			server, u := startSandbox(t), newShell(t)
			ada := server.Org().People()[0]
			u.env = append(u.env, emailEnv+"="+ada.Email, apiTokenEnv+"="+server.Issuer().IssueAPIToken(ada.Account, "token"))
			s := u.ide(server.Endpoint("/v1/mcp"), "--request-timeout", tt.limit)
			if err := server.SetFault("slow", tt.slow); err != nil {
				t.Fatal(err)
			}
			if answer := s.call(tt.params); !strings.Contains(answer, tt.want) || strings.Contains(answer, "--request-timeout") != (tt.slow == "1m") {
				t.Errorf("got %s", answer)
			}
			server.ClearFault("slow")
			if answer := s.call(whoAmI); !strings.Contains(answer, ada.Name) {
				t.Errorf("then got %s", answer)
			}
			s.end()
		})
	}
}
