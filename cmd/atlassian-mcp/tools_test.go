package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

// TestLists lists what a scripted server has.
func TestLists(t *testing.T) {
	const tools = `{"name":"read","description":"Reads\u001b[2J\u202e it. More.\nAnd more.","annotations":{"readOnlyHint":true}},{"name":"write"},{"name":7},
		{"name":"long","description":"0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789"}`
	none := map[string]string{"initialize": `{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"bare","version":"1"}}`}
	prompts := map[string]string{
		"prompts/list": `{"prompts":[{"name":"plan","description":"Plans.","arguments":[{"name":"goal","required":true},{"name":"style"}]},{"name":"other","title":"Another one"}]}`,
		"prompts/get":  `{"messages":[{"role":"user","content":{"type":"text","text":"do it"}},{"role":"assistant","content":{"type":"image","mimeType":"image/png"}}]}`,
	}
	for name, tt := range map[string]struct {
		tools          string
		answers        map[string]string
		args           []string // and the address, if it is not there as "URL"
		stdout, stderr string   // parts of them, "" for nothing
		status         int
		exact          bool // stdout is all of it
	}{
		"tools": {tools: tools, args: []string{"tools"},
			stdout: "read   reads   Reads [2J  it.\nwrite  writes  \nlong   writes  0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789\n"},
		"policy":        {tools: tools, args: []string{"tools", "--allow-tool", "re*"}, stdout: "write  not let through"},
		"tools as JSON": {tools: `{"name":"read","x":1e400}`, args: []string{"tools", "--json"}, stdout: "[\n  {\n    \"name\": \"read\",\n    \"x\": 1e400\n  }\n]\n"},
		"no tools":      {answers: none, args: []string{"tools"}, stderr: "atlassian-mcp: bare has no tools\n"},
		"none as JSON":  {answers: none, args: []string{"tools", "--json"}, stdout: "[]\n"},
		"no resources":  {answers: none, args: []string{"resources", "--server"}, stderr: "bare has no resources"},
		"no prompts":    {answers: none, args: []string{"prompts"}, stderr: "bare has no prompts"},
		"malformed":     {answers: map[string]string{"tools/list": `{"tools":7}`}, args: []string{"tools"}, stderr: "can't be read", status: exitFailure},
		"refused":       {answers: map[string]string{"tools/list": `error:{"code":-32000,"message":"not today"}`}, args: []string{"tools"}, stderr: "atlassian-mcp: error: not today\n", status: exitFailure},
		"resources": {answers: map[string]string{"resources/list": `{"resources":[{"uri":"x:a","name":"a","mimeType":"text/plain","description":"An A. Really."},{"uri":"x:b","name":"b"}]}`},
			args: []string{"resources", "--server"}, stdout: "x:a  text/plain  An A.\nx:b              b\n"},
		"resources of a URL":  {answers: map[string]string{"resources/list": `{"resources":[{"uri":"x:a","name":"a"}]}`}, args: []string{"resources", "URL"}, stdout: "x:a    a\n"},
		"resource of a URL":   {answers: map[string]string{"resources/read": `{"contents":[{"uri":"x:a","text":"some"}]}`}, args: []string{"resources", "URL", "x:a"}, stdout: "some\n"},
		"resource on the web": {answers: map[string]string{"resources/read": `{"contents":[{"uri":"x:a","text":"some"}]}`}, args: []string{"resources", "https://example.com/", "--server"}, stdout: "some\n"},
		"prompts":             {answers: prompts, args: []string{"prompts"}, stdout: "plan   goal=… [style=…]  Plans.\nother                    Another one\n"},
		"prompt":              {answers: prompts, args: []string{"prompts", "URL", "plan", "goal=5"}, stdout: "user:\ndo it\n\nassistant:\n(image/png; --json has it)\n"},
		"prompt by server":    {answers: prompts, args: []string{"prompts", "plan", "goal=5", "--json", "--server"}, stdout: "{\n  \"messages\": ["},
		"no such prompt":      {answers: prompts, args: []string{"prompts", "plam", "--server"}, stderr: "no prompt \"plam\" for you\natlassian-mcp: hint: did you mean plan?", status: exitUsage},
		"prompt of none":      {answers: none, args: []string{"prompts", "plan", "--server"}, stderr: "hint: 'atlassian-mcp prompts' lists them", status: exitUsage},
		"prompt lacks":        {answers: prompts, args: []string{"prompts", "plan", "style=x", "--server"}, stderr: "the prompt plan needs goal\natlassian-mcp: hint: add goal=…", status: exitUsage},
		"prompt knows not":    {answers: prompts, args: []string{"prompts", "plan", "gaol=x", "--server"}, stderr: "the prompt plan takes no argument \"gaol\"\natlassian-mcp: hint: did you mean goal?", status: exitUsage},
		"prompt by mistake":   {answers: prompts, args: []string{"prompts", "plan", "goal", "--server"}, stderr: "\"goal\" is not NAME=VALUE", status: exitUsage},
		"prompt of one":       {answers: map[string]string{"prompts/list": `{"prompts":[{"name":"p"}]}`, "prompts/get": `{"messages":[{"role":"user","content":{"type":"text","text":"go"}}]}`}, args: []string{"prompts", "p", "--server"}, stdout: "go\n", exact: true},
		"no server":           {args: []string{"tools", "getJiraIssue"}, stderr: "\"getJiraIssue\" is not the URL of a server\natlassian-mcp: hint: it starts with https://, or is one of v1, authv2, v2\n", status: exitUsage},
		"server misspelled":   {args: []string{"tools", "v3"}, stderr: "hint: did you mean v1?", status: exitUsage},
		"bad prompt":          {answers: map[string]string{"prompts/list": `{"prompts":[{"name":"p"}]}`, "prompts/get": `{"messages":7}`}, args: []string{"prompts", "p", "--server"}, stderr: "hint: --json writes it as it came", status: exitFailure},
		"resource": {answers: map[string]string{"resources/read": `{"contents":[{"uri":"x:a","text":"some\ntext"},{"uri":"x:a","blob":"AP8="}]}`},
			args: []string{"resources", "x:a", "--server"}, stdout: "some\ntext\n\x00\xff"},
		"resource as JSON": {answers: map[string]string{"resources/read": `{"contents":[]}`}, args: []string{"resources", "x:a", "--json", "--server"}, stdout: "{\n  \"contents\": []\n}\n"},
		"bad resource":     {answers: map[string]string{"resources/read": `{"contents":[{"blob":"?"}]}`}, args: []string{"resources", "x:a", "--server"}, stderr: "--json writes it as it came", status: exitFailure},
		"no resource":      {args: []string{"resources", "x:a", "--server"}, stderr: "Method not found\natlassian-mcp: hint: 'atlassian-mcp resources' lists what there is\n", status: exitFailure},
		"two resources":    {args: []string{"resources", "x:a", "x:b", "--server"}, stderr: "give one URI at a time", status: exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, address := startScripted(t, tt.tools, tt.answers)
			args := append(slices.Clone(tt.args), address)
			if i := slices.Index(args, "URL"); i >= 0 {
				args = slices.Replace(args[:len(args)-1], i, i+1, address)
			}
			stdout, stderr, status := newShell(t).run(args...)
			if status != tt.status || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) || (stdout == "") != (tt.stdout == "") || tt.exact && stdout != tt.stdout || (stderr == "") != (tt.stderr == "") {
				t.Errorf("status %d, standard output %q, want %q; standard error %q, want %q", status, stdout, tt.stdout, stderr, tt.stderr)
			}
		})
	}
}

// TestPromptArguments checks what the server is asked for: all arguments of prompts are text.
func TestPromptArguments(t *testing.T) {
	s, address := startScripted(t, "", map[string]string{
		"prompts/list": `{"prompts":[{"name":"plan","arguments":[{"name":"goal","required":true},{"name":"style"}]}]}`,
		"prompts/get":  `{"messages":[]}`,
	})
	if _, stderr, status := newShell(t).run("prompts", address, "plan", "goal=5", "style=[1]"); status != exitOK || stderr != "" {
		t.Errorf("status %d, %q", status, stderr)
	}
	if got := s.params("prompts/get"); !sameJSON(t, got, `{"name":"plan","arguments":{"goal":"5","style":"[1]"}}`) {
		t.Errorf("asked for %s", got)
	}
}

// TestPages follows cursors, and a server that goes round in circles.
func TestPages(t *testing.T) {
	next := map[string]string{"": "b", "b": "c", "c": "b"}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct {
			scriptedCall
			Params struct{ Cursor string } `json:"params"`
		}
		if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&m) != nil || m.ID == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		result := `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"x","version":"1"}}`
		if m.Method == "tools/list" {
			result = `{"tools":[{"name":"after-` + m.Params.Cursor + `"}],"nextCursor":"` + next[m.Params.Cursor] + `"}`
		}
		io.WriteString(w, `{"jsonrpc":"2.0","id":`+string(m.ID)+`,"result":`+result+`}`)
	}))
	defer srv.Close()
	stdout, _, status := newShell(t).run("tools", srv.URL+"/mcp")
	if status != exitOK || strings.Join(strings.Fields(stdout), " ") != "after- writes after-b writes after-c writes" {
		t.Errorf("status %d, %q", status, stdout)
	}
}

// TestModernServer asks a server that knows 2026-07-28 alone.
func TestModernServer(t *testing.T) {
	for name, refusal := range map[string]struct {
		status int
		answer string
	}{
		"version": {http.StatusBadRequest, `{"code":-32022,"message":"Unsupported protocol version","data":{"supported":["2026-07-28"],"requested":"2025-11-25"}}`},
		"method":  {http.StatusNotFound, `{"code":-32601,"message":"Method not found"}`},
		"by 200":  {http.StatusOK, `{"code":-32601,"message":"Method not found"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var m struct {
					scriptedCall
					Params struct {
						Meta struct {
							Version string          `json:"io.modelcontextprotocol/protocolVersion"`
							Client  json.RawMessage `json:"io.modelcontextprotocol/clientInfo"`
							Token   string          `json:"progressToken"`
						} `json:"_meta"`
					} `json:"params"`
				}
				if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&m) != nil {
					w.WriteHeader(http.StatusMethodNotAllowed)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				meta := m.Params.Meta
				result := map[string]string{
					"server/discover": `{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"modern","version":"3"}}}`,
					"tools/list":      `{"tools":[{"name":"do","inputSchema":{"type":"object"}}]}`,
					"tools/call":      `{"content":[{"type":"text","text":"did ` + meta.Token + `"}]}`,
				}[m.Method]
				if meta.Version != "2026-07-28" || meta.Client == nil || r.Header.Get("Mcp-Method") != m.Method || result == "" {
					w.WriteHeader(refusal.status)
					io.WriteString(w, `{"jsonrpc":"2.0","id":`+string(m.ID)+`,"error":`+refusal.answer+`}`)
					return
				}
				io.WriteString(w, `{"jsonrpc":"2.0","id":`+string(m.ID)+`,"result":`+result+`}`)
			}))
			defer srv.Close()
			u := newShell(t)
			if stdout, stderr, status := u.run("call", "do", "--server", srv.URL+"/mcp"); status != exitOK || stdout != "did call\n" {
				t.Errorf("status %d, %q, %q", status, stdout, stderr)
			}
			d, _ := u.doctor(srv.URL + "/mcp")
			if found := d.found(t, "session"); !strings.Contains(found.Text, "modern 3, protocol 2026-07-28") {
				t.Errorf("found %+v", found)
			}
		})
	}
}

// TestPolicyOfCalls checks that call goes by the flags too, also for what v2's tools run.
func TestPolicyOfCalls(t *testing.T) {
	s, u := startSandbox(t), newShell(t)
	u.signIn(s.Endpoint("/v2/mcp"), issuer.Choice{})
	run := []string{"executeRead", "name=listJiraProjects", "cloudId=acme.atlassian.net", "inputs={}"}
	for _, tt := range []struct {
		pattern string
		args    []string
		status  int
		stderr  string
	}{
		{"execute*", []string{"atlassianUserInfo"}, exitUsage, "atlassianUserInfo is not let through"},
		{"execute*", run, exitFailure, "\"listJiraProjects\" is not available\natlassian-mcp: hint: that is what --allow-tool"},
		{"*", run, exitOK, ""},
	} {
		_, stderr, status := u.run(append([]string{"call", "--server", s.Endpoint("/v2/mcp"), "--allow-tool", tt.pattern}, tt.args...)...)
		if status != tt.status || !strings.Contains(stderr, tt.stderr) {
			t.Errorf("%s, %q: status %d, %q", tt.pattern, tt.args, status, stderr)
		}
	}
	if got := s.Counts().Calls; got != 1 {
		t.Errorf("%d calls", got)
	}
}

// TestRunning has relays run while status and doctor look.
func TestRunning(t *testing.T) {
	_, address := startScripted(t, "", nil)
	u, log := newShell(t), filepath.Join(t.TempDir(), "log")
	relay := u.command(address+"?key=canary-key", "--log-file", log, "--profile", "work", "--site", "acme")
	stdin, err := relay.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := relay.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := relay.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(stdin, initialize+"\n")
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	var report struct {
		Running []struct {
			PID                        int
			Server, Profile, Site, Log string
		}
	}
	for len(report.Running) == 0 { // the relay joins when it gets round to it
		text, stderr, _ := u.run("status", "--json", address)
		if err := json.Unmarshal([]byte(text), &report); err != nil {
			t.Fatalf("%v in %q, %q", err, text, stderr)
		}
	}
	got := report.Running[0]
	if len(report.Running) != 1 || got.PID != relay.Process.Pid || !strings.HasPrefix(got.Server, address) || got.Log != log || got.Profile != "work" || got.Site != "acme.atlassian.net" {
		t.Errorf("running %+v", report.Running)
	}
	for profile, want := range map[string]string{"": "", "work": "acme.atlassian.net"} {
		var report struct{ Accounts []struct{ Sites []string } }
		text, _, _ := u.run("status", "--json", address, "--profile", profile)
		if err := json.Unmarshal([]byte(text), &report); err != nil || len(report.Accounts) != 1 || strings.Join(report.Accounts[0].Sites, " ") != want {
			t.Errorf("profile %q, %v, %+v, want %q", profile, err, report, want)
		}
	}
	text, _, _ := u.run("status", address, "--profile", "work")
	for _, want := range []string{`(?m)^Site +acme\.atlassian\.net, `, `(?m)^Running +process \d+ since .*, for ` + address + `\S*, profile work, at acme\.atlassian\.net`} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("status %q, want %q", text, want)
		}
	}
	d, _ := u.doctor(address)
	if found := d.found(t, "others"); found.Text != "one relay is running" || len(found.Details) != 1 {
		t.Errorf("found %+v", found)
	}
	if found := d.found(t, "log"); found.Mark != markFine {
		t.Errorf("found %+v", found)
	}
	stdin.Close()
	io.Copy(io.Discard, stdout)
	if err := relay.Wait(); err != nil {
		t.Error(err)
	}
	if text, _, _ := u.run("status", "--json", address); !strings.Contains(text, `"running": []`) {
		t.Errorf("status %q", text)
	}
}
