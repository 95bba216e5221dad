package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

// everyKind is a tool with arguments of all types.
const everyKind = `{"name":"every","description":"Takes all. And more.","inputSchema":{"type":"object","additionalProperties":false,"required":["text"],
	"$defs":{"site":{"type":"string"},"count":{"type":"integer"},"loop":{"$ref":"#/$defs/loop"}},
	"properties":{
		"text":{"type":"string"},"number":{"type":"number"},"whole":{"type":"integer"},"flag":{"type":"boolean"},
		"object":{"type":"object"},"list":{"type":"array","items":{"type":"string"}},"numbers":{"type":"array","items":{"type":"number"}},
		"either":{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"}}]},"maybe":{"type":["string","null"]},
		"count":{"anyOf":[{"type":"number"},{"type":"null"}]},"fields":{"anyOf":[{"type":"object"},{"type":"null"}]},
		"format":{"enum":["adf","markdown"]},"fixed":{"const":7},"all":{"allOf":[{"type":"string"}]},
		"site":{"$ref":"#/$defs/site"},"many":{"$ref":"#/$defs/count"},"loop":{"$ref":"#/$defs/loop"},
		"anything":{},"yes":true,"odd":{"type":7,"enum":"x"}}}}`

// TestCallArguments checks what becomes of the command line, by what the server got.
func TestCallArguments(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("two\nlines"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args  []string
		stdin string
		want  string // arguments, as JSON
		err   string // instead: part of standard error
	}{
		{args: []string{"text=5"}, want: `{"text":"5"}`},
		{args: []string{`text="quoted"`}, want: `{"text":"\"quoted\""}`},
		{args: []string{"text="}, want: `{"text":""}`},
		{args: []string{"text=a=b"}, want: `{"text":"a=b"}`},
		{args: []string{"text=@" + file}, want: `{"text":"two\nlines"}`},
		{args: []string{"text:=\"x\""}, want: `{"text":"x"}`},
		{args: []string{"text=x", "number=1e400"}, want: `{"text":"x","number":1e400}`},
		{args: []string{"text=x", "whole=12345678901234567890"}, want: `{"text":"x","whole":12345678901234567890}`},
		{args: []string{"text=x", "number=ten"}, err: `the argument "number" of the tool every has to be a number`},
		{args: []string{"text=x", "number=true"}, err: "has to be a number"},
		{args: []string{"text=x", "flag=true"}, want: `{"text":"x","flag":true}`},
		{args: []string{"text=x", "flag=yes"}, err: "has to be true or false"},
		{args: []string{"text=x", `object={"a":[1]}`}, want: `{"text":"x","object":{"a":[1]}}`},
		{args: []string{"text=x", `object={"a"`}, err: "has to be a JSON object"},
		{args: []string{"text=x", `list=["a","b"]`}, want: `{"text":"x","list":["a","b"]}`},
		{args: []string{"text=x", "list=a"}, want: `{"text":"x","list":["a"]}`},
		{args: []string{"text=x", "list=a", "list=5"}, want: `{"text":"x","list":["a","5"]}`},
		{args: []string{"text=x", "numbers=1", "numbers=2"}, want: `{"text":"x","numbers":[1,2]}`},
		{args: []string{"text=x", "numbers=one"}, err: "each element of it a number"},
		{args: []string{"text=x", "either=5"}, want: `{"text":"x","either":"5"}`},
		{args: []string{"text=x", `either=["a"]`}, want: `{"text":"x","either":["a"]}`},
		{args: []string{"text=x", "either=a", "either=b"}, want: `{"text":"x","either":["a","b"]}`},
		{args: []string{"text=x", "maybe=null"}, want: `{"text":"x","maybe":"null"}`},
		{args: []string{"text=x", "maybe:=null"}, want: `{"text":"x","maybe":null}`},
		{args: []string{"text=x", "count=null"}, want: `{"text":"x","count":null}`},
		{args: []string{"text=x", "fields=a"}, err: "a JSON object or null"},
		{args: []string{"text=x", "format=adf", "fixed=7", "all=1", "site=2", "many=3"}, want: `{"text":"x","format":"adf","fixed":7,"all":"1","site":"2","many":3}`},
		{args: []string{"text=x", "loop=1", "anything=2", "yes=3", "odd=4"}, want: `{"text":"x","loop":1,"anything":2,"yes":3,"odd":4}`},
		{args: []string{"text=x", "anything=some text"}, want: `{"text":"x","anything":"some text"}`},

		{args: []string{}, err: "the tool every needs text"},
		{args: []string{"flag=true"}, err: "hint: add text=…"},
		{args: []string{"text=a", "text=b"}, err: `the argument "text" is there twice`},
		{args: []string{"text=x", "numbr=1"}, err: "did you mean number?"},
		{args: []string{"text=x", "quite-another=1"}, err: "it takes all, anything, count"},
		{args: []string{"text"}, err: `"text" is not NAME=VALUE`},
		{args: []string{"=x"}, err: "is not NAME=VALUE"},
		{args: []string{"text:={"}, err: `the value of "text" is not JSON`},
		{args: []string{"text=@/no/such/file"}, err: `text:='"@…"'`},

		{args: []string{"--json", `{"text":1,"other":2}`}, want: `{"text":1,"other":2}`},
		{args: []string{"--json", "-"}, stdin: "\n {\"text\": 1e2}\n", want: `{"text":1e2}`},
		{args: []string{"--json", "-"}, err: "--json is not a JSON object"},
		{args: []string{"--json", ""}, err: "--json is not a JSON object"},
		{args: []string{"--json", "[1]"}, err: "--json is not a JSON object"},
		{args: []string{"--json", "{"}, err: "--json is not a JSON object"},
		{args: []string{"--json", "{}", "text=x"}, err: "both in --json and after it"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			s, address := startScripted(t, everyKind, nil)
			_, stderr, status := newShell(t).runWith(tt.stdin, append([]string{"call", "--server", address, "every"}, tt.args...)...)
			got := s.called()
			if tt.err != "" {
				if status != exitUsage || !strings.Contains(stderr, tt.err) || got != nil {
					t.Errorf("status %d, called with %s, standard error %q, want %q", status, got, stderr, tt.err)
				}
				return
			}
			if status != exitOK || stderr != "" || !sameJSON(t, got, tt.want) {
				t.Errorf("status %d, called with %s, want %s; standard error %q", status, got, tt.want, stderr)
			}
		})
	}
}

// sameJSON compares values with the digits of their numbers.
func sameJSON(t *testing.T, got json.RawMessage, want string) bool {
	t.Helper()
	var values [2]map[string]json.RawMessage
	for i, text := range []string{string(got), want} {
		if err := json.Unmarshal([]byte(text), &values[i]); err != nil {
			t.Errorf("%v in %q", err, text)
			return false
		}
	}
	same := len(values[0]) == len(values[1])
	for name, value := range values[1] {
		same = same && string(values[0][name]) == string(value)
	}
	return same
}

// TestCallResults checks what is shown of a tool's answer.
func TestCallResults(t *testing.T) {
	for name, tt := range map[string]struct {
		answer string
		flags  []string
		stdout string
		stderr []string // parts of it; none means that there is nothing
		status int
	}{
		"text":       {answer: `{"content":[{"type":"text","text":"a"},{"type":"text","text":"b\n"}]}`, stdout: "a\nb\n"},
		"none":       {answer: `{"content":[]}`, stdout: "\n"},
		"other":      {answer: `{"content":[{"type":"image","data":"AA==","mimeType":"image/png"},{"type":"hologram"},{"type":"resource","resource":{"uri":"x:y","text":"inside"}},{"type":"resource","resource":{"uri":"x:z","blob":"AA=="}},{"type":"resource_link","uri":"x:w"}]}`, stdout: "(image/png; --result has it)\n(hologram; --result has it)\ninside\n(the resource x:z, which is not text; --result has it)\nx:w\n"},
		"structured": {answer: `{"content":[],"structuredContent":{"n":1}}`, stdout: "{\"n\":1}\n"},
		"array":      {answer: `{"content":[{"type":"text","text":"a"}],"structuredContent":[1]}`, stdout: "a\n"},
		"result":     {answer: `{"content":[],"x":1e400,"y":"<"}`, flags: []string{"--result"}, stdout: "{\n  \"content\": [],\n  \"x\": 1e400,\n  \"y\": \"<\"\n}\n"},
		"malformed":  {answer: `{"content":"?"}`, stderr: []string{"can't be read", "--result"}, status: exitFailure},
		"failed": {answer: `{"content":[{"type":"text","text":"{\"error\":true,\"message\":\"Issue \\\"A-1\\\" not found\"}"}],"isError":true}`,
			stderr: []string{`atlassian-mcp: error: the tool has failed: Issue "A-1" not found`}, status: exitFailure},
		"failed result": {answer: `{"content":[{"type":"text","text":"no"}],"isError":true}`, flags: []string{"--result"},
			stdout: "{\n  \"content\": [\n    {\n      \"type\": \"text\",\n      \"text\": \"no\"\n    }\n  ],\n  \"isError\": true\n}\n", stderr: []string{"the tool has failed: no"}, status: exitFailure},
		"refused": {answer: `{"content":[{"type":"text","text":"You don’t have permission to connect from this IP address."}],"isError":true}`,
			stderr: []string{"permission to connect", "atlassian-mcp: hint: connect to the company's VPN", "IP allowlists"}, status: exitFailure},
		"error":       {answer: `error:{"code":-32602,"message":"Invalid arguments"}`, stderr: []string{"atlassian-mcp: error: Invalid arguments"}, status: exitFailure},
		"known error": {answer: `error:{"code":-32602,"message":"Invalid arguments for tool x: [{\"path\":[\"cloudId\"],\"message\":\"Required\"}]"}`, stderr: []string{"hint: pass cloudId"}, status: exitFailure},
		"no message":  {answer: `error:{"code":-1}`, stderr: []string{"error without a message"}, status: exitFailure},
		"escapes":     {answer: `error:{"code":-1,"message":"a\u001b[2Jb\nc\u009b"}`, stderr: []string{"error: a [2Jb c"}, status: exitFailure},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, address := startScripted(t, `{"name":"do","inputSchema":{"type":"object"}}`, map[string]string{"tools/call": tt.answer})
			stdout, stderr, status := newShell(t).run(append([]string{"call", "do", "--server", address}, tt.flags...)...)
			if status != tt.status || stdout != tt.stdout || len(tt.stderr) == 0 && stderr != "" {
				t.Errorf("status %d, standard output %q, standard error %q", status, stdout, stderr)
			}
			for _, part := range tt.stderr {
				if !strings.Contains(stderr, part) {
					t.Errorf("standard error %q has no %q", stderr, part)
				}
			}
		})
	}
}

// TestCallSandbox calls tools of the sandbox, who are signed in and who are not.
func TestCallSandbox(t *testing.T) {
	s, u := startSandbox(t), newShell(t)
	address := s.Endpoint("/v1/mcp")
	if _, stderr, status := u.run("call", "atlassianUserInfo", "--server", address); status != exitSignIn || !strings.Contains(stderr, "'atlassian-mcp login'") {
		t.Errorf("status %d, %q", status, stderr)
	}
	if got := s.Issuer().Counts(); got.Registrations != 0 {
		t.Errorf("a sign-in was begun: %+v", got)
	}
	u.signIn(address, issuer.Choice{})
	if stdout, stderr, status := u.run("call", "atlassianUserInfo", "--server", address); status != exitOK || !strings.Contains(stdout, s.Org().People()[0].Email) || stderr != "" {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
	if stdout, _, status := u.run("call", address, "atlassianUserInfo"); status != exitOK || !strings.Contains(stdout, s.Org().People()[0].Email) {
		t.Errorf("with the URL first: status %d, %q", status, stdout)
	}
	if _, stderr, status := u.run("call", "atlassianUserInfo", address); status != exitUsage || !strings.Contains(stderr, "hint: the URL of the server comes first, or after --server\n") {
		t.Errorf("with the URL last: status %d, %q", status, stderr)
	}
	if _, stderr, status := u.run("call", "atlassianUserInf", "--server", address); status != exitUsage || !strings.Contains(stderr, "did you mean atlassianUserInfo?") {
		t.Errorf("status %d, %q", status, stderr)
	}
	if _, stderr, status := u.run("call", "--server", address); status != exitUsage || !strings.Contains(stderr, "'atlassian-mcp tools' lists them") {
		t.Errorf("status %d, %q", status, stderr)
	}
	if err := s.SetFault("huge-page", "8"); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, status := u.run("call", "getConfluencePage", "cloudId=acme.atlassian.net", "pageId=65601", "--server", address)
	if status != exitOK || len(stdout) < 8<<20 || stderr != "" {
		t.Errorf("status %d, %d bytes, %q", status, len(stdout), stderr)
	}
	if err := s.SetFault("rate-limit", "60"); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := u.run("call", "atlassianUserInfo", "--server", address); status != exitFailure || stderr != "atlassian-mcp: error: server answered 429 Too Many Requests\natlassian-mcp: hint: wait as long as the answer says, and make fewer calls at a time\n" {
		t.Errorf("status %d, %q", status, stderr)
	}
	if err := errors.Join(s.ClearFault("rate-limit"), s.SetFault("cut-stream", "")); err != nil {
		t.Fatal(err)
	}
	_, stderr, status = u.run("call", "atlassianUserInfo", "--server", address)
	if words, advice, _ := strings.Cut(stderr, "\n"); status != exitFailure || !strings.Contains(words, "may have been carried out") || !strings.HasPrefix(advice, "atlassian-mcp: hint: the server, or a proxy") {
		t.Errorf("status %d, %q", status, stderr)
	}
	if got := s.Counts().Issuer.Consents; got != 1 {
		t.Errorf("%d consents", got)
	}
}

// TestCallStale calls a tool whose session is older than what it stands for at Atlassian: the next call works, without a new sign-in.
func TestCallStale(t *testing.T) {
	s, u := startSandbox(t), newShell(t)
	address := s.Endpoint("/v1/mcp")
	u.signIn(address, issuer.Choice{})
	if err := s.SetFault("upstream-401", ""); err != nil {
		t.Fatal(err)
	}
	_, stderr, status := u.run("call", address, "atlassianUserInfo")
	if want := "atlassian-mcp: hint: the sign-in has been renewed now: call the tool again\n"; status != exitFailure || !strings.HasSuffix(stderr, want) || strings.Count(stderr, "\n") != 2 {
		t.Errorf("status %d, %q, want %q", status, stderr, want)
	}
	if stdout, stderr, status := u.run("call", address, "atlassianUserInfo"); status != exitOK || stderr != "" {
		t.Errorf("the second time: status %d, %q, %q", status, stdout, stderr)
	}
	if got := s.Counts().Issuer; got.Consents != 1 {
		t.Errorf("counts %+v", got)
	}
	u = newShell(t) // with what can't be renewed
	u.env = append(u.env, apiTokenEnv+"="+s.Issuer().IssueAPIToken(s.Org().People()[0].Account, "token"), emailEnv+"="+s.Org().People()[0].Email)
	if _, stderr, status := u.run("call", address, "atlassianUserInfo"); status != exitOK {
		t.Errorf("with a token: status %d, %q", status, stderr)
	}
	if err := s.SetFault("verify-access", ""); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := u.run("call", address, "atlassianUserInfo"); status != exitFailure || !strings.Contains(stderr, "hint: create a new API token") {
		t.Errorf("with a token: status %d, %q", status, stderr)
	}
}

// TestComplete presses the tab key.
func TestComplete(t *testing.T) {
	s, u := startSandbox(t), newShell(t)
	address := s.Endpoint("/v1/mcp")
	if stdout, _, _ := u.run("__complete", "call", "--server", address, "se"); !strings.HasPrefix(stdout, ":4\n") {
		t.Errorf("signed out: %q", stdout)
	}
	u.signIn(address, issuer.Choice{})
	for _, tt := range []struct {
		words      []string
		want, none string
	}{
		{[]string{"se"}, "searchJiraIssuesUsingJql\t", "getJiraIssue"},
		{[]string{"searchJiraIssuesUsingJql", ""}, "cloudId=\njql=\n", "atlassianUserInfo"},
		{[]string{"searchJiraIssuesUsingJql", "cloudId=x", ""}, "jql=\n", "cloudId="},
		{[]string{"searchJiraIssuesUsingJql", "j"}, "jql=\n", "cloudId="},
		{[]string{"no-such-tool", ""}, ":4\n", "="},
		{[]string{"getVisibleJiraProjects", "action="}, "action=view\n", "cloudId"},
		{[]string{"getVisibleJiraProjects", "expandIssueTypes=t"}, "expandIssueTypes=true\n", "false"},
	} {
		stdout, _, status := u.run(append([]string{"__complete", "call", "--server", address}, tt.words...)...)
		if status != exitOK || !strings.Contains(stdout, tt.want) || strings.Contains(stdout, tt.none) {
			t.Errorf("%q: status %d, %q, want %q and no %q", tt.words, status, stdout, tt.want, tt.none)
		}
	}
}
