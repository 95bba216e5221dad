package main

import (
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
)

// TestDemoWaitsForPerson plays a relay that does not wait for the sign-in as long as the demo does.
func TestDemoWaitsForPerson(t *testing.T) {
	var answers strings.Builder
	for id, names := range []string{`{"name":"sign_in","inputSchema":{"type":"object"}}`, strings.Repeat(`,{"name":"t","inputSchema":{"type":"object"}}`, 45)[1:]} {
		fmt.Fprintf(&answers, `{"jsonrpc":"2.0","id":%d,"result":{"tools":[%s]}}`+"\n", id+1, names)
	}
	w := &demoWork{
		client: &demoClient{in: jsonrpc.NewReader(strings.NewReader(answers.String()), 0), out: jsonrpc.NewWriter(io.Discard)},
		person: new(demoPerson),
	}
	signedIn := false
	w.person.tasks.Go(func() { signedIn = true })
	got, err := w.listTools()
	if err != nil || got != "45 tools" || !signedIn {
		t.Errorf("%q, %v, signed in: %t", got, err, signedIn)
	}
}

// TestDemoFaults has each fault happen in a demo, which says what it is, meets it, and shows what comes of it.
func TestDemoFaults(t *testing.T) {
	const all = `15 of 15 steps worked(.*\n)*.* 0 of them twice`
	tests := []struct{ fault, shows, lacks string }{
		{"token-expiry=1", all, "renewals: 0"},
		{"token-unavailable", "1 of 15 steps worked", ""},
		// Where the server takes more than 2 s to say that, initialize is answered without it, and the next step shows it.
		{"issuer-mismatch", `FAIL .* (start, initialize|sign in, list the tools) +authorization server \S+ calls itself`, "already started|who am I"},
		{"root-metadata", all, "FAIL"},
		{"redirect-refused", "FAIL .*must authorize access from this redirect URL", "again, after"},
		{"domain-blocked", "FAIL .*Your admin has blocked this domain", "again, after"},
		{"admin-must-authorize", "FAIL .*Your site admin must authorize this app", "again, after"},
		{"api-token-disabled", "FAIL .*permission to connect via API token", "open bugs"},
		{"unscoped-token", "FAIL .*only these are listed: atlassianUserInfo, getAccessibleAtlassianResources", "who am I"},
		{"read-only", `FAIL .*The permission group write_jira is off(.*\n)*9 of 15 steps worked`, ""},
		{"ip-refused", `FAIL .*permission to connect from this IP address(.*\n)*2 of 15 steps worked(.*\n)*.* 0 carried out by the server`, "open bugs"},
		{"upstream-401", `FAIL .*Authentication failed: .*Unauthorized(.*\n)*` + all, "sessions opened: 1,"},
		{"upstream-401=1", `FAIL .*Authentication failed: .*Unauthorized(.*\n)*` + all, ""},
		{"trouble=1", `FAIL .*trouble completing this action(.*\n)*` + all, ""},
		{"connection-settings", "FAIL .*couldn't verify your connection settings", "open bugs"},
		{"verify-access", "FAIL .*couldn't verify your access", "open bugs"},
		{"session-loss=5", all, "atlassian-mcp: |sessions opened: 1,"},
		{"rate-limit=1", `FAIL(.*\n)*` + all, ""},
		{"cut-stream", `FAIL(.*\n)*` + all, ""},
		{"slow=1ms", all, "FAIL"},
		{"sse-retired", all, "FAIL"},
		{"cloudflare", `403 Forbidden, error code: 1010\n(.*\n)*16 of 16 steps worked`, "FAIL"},
		{"five-nodes", `FAIL .*5 are listed, and there is no way to 1 more(.*\n)*14 of 15 steps worked`, ""},
		{"huge-page=1", all, "FAIL"},
		{"structured-array", all, "FAIL"},
		{"modern-only", all, "FAIL"},
	}
	shown := map[string]bool{}
	for _, test := range tests {
		shown[faultName(test.fault)] = true
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			text, err := exec.Command("atlassian-mcp", "demo", "--fault", test.fault).CombinedOutput()
			want := []string{`Going wrong:  ` + test.fault + `: \S`, test.shows, `\nfault ` + test.fault + `: struck (once|\d+ times)\n`}
			if err != nil {
				want = append(want, "atlassian-mcp: error: the demo did not work; not every fault can be survived")
			}
			for _, want := range want {
				if !regexp.MustCompile(want).Match(text) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			if test.lacks != "" && regexp.MustCompile(test.lacks).Match(text) {
				t.Errorf("%q in\n%s", test.lacks, text)
			}
			if worked := regexp.MustCompile(`(15 of 15|16 of 16) steps worked`).Match(text); worked != (err == nil) {
				t.Errorf("it ends with %v:\n%s", err, text)
			}
		})
	}
	for _, f := range sandbox.Faults() {
		if !shown[f.Name] {
			t.Errorf("nobody is shown %s", f.Name)
		}
	}
}
