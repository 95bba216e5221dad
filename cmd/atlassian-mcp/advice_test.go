package main

import (
	"bytes"
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/auth"
	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
)

func TestAdvise(t *testing.T) {
	const (
		ip      = `"You don't have permission to connect from this IP address. Please ask your organization admin for access."`
		advice  = `"atlassian-mcp: Connect to the company's VPN, or have an organization admin add this computer's address to the IP allowlist (admin.atlassian.com, Security, IP allowlists)."`
		missing = `Invalid arguments for tool getJiraIssue: [{\"code\":\"invalid_type\",\"path\":[\"cloudId\"],\"message\":\"Required\"}]`
	)
	tests := []struct{ name, answer, want string }{
		{"refusal",
			`{"jsonrpc":"2.0", "id":1.0,"result":{"content":[{"type":"text","text":` + ip + `}],"isError":true ,"x":1e400}}`,
			`{"jsonrpc":"2.0", "id":1.0,"result":{"content":[{"type":"text","text":` + ip + `},{"type":"text","text":` + advice + `}],"isError":true ,"x":1e400}}`},
		{"an isError before it, and white space",
			`{"id":1,"result":{"structuredContent":{"isError":false},"isError" : true,"content":[{"type":"text","text":` + ip + `}]}}`,
			`{"id":1,"result":{"structuredContent":{"isError":false},"isError" : true,"content":[{"type":"text","text":` + ip + `},{"type":"text","text":` + advice + `}]}}`},
		{"refusal in a result that is none", `{"id":1,"result":{"content":[{"type":"text","text":` + ip + `}]}}`, ""},
		{"unknown refusal", `{"id":1,"result":{"content":[{"type":"text","text":"no"}],"isError":true}}`, ""},
		{"no content", `{"id":1,"result":{"isError":true}}`, ""},
		{"content that is no array", `{"id":1,"result":{"content":` + ip + `,"isError":true}}`, ""},
		{"error",
			`{"id":"a","error":{"code":-32602,"message":"` + missing + `"},"y":0}`,
			`{"id":"a","error":{"code":-32602,"message":"` + missing + ` (Pass cloudId: getAccessibleAtlassianResources tells it, and the site's host name will do.)"},"y":0}`},
		{"unknown error", `{"id":1,"error":{"code":-32602,"message":"no"}}`, ""},
		{"error without a message", `{"id":1,"error":{"code":-32602}}`, ""},
		{"long", `{"id":1,"result":{"content":[{"type":"text","text":` + ip + `},"` + strings.Repeat("x", maxRefusal) + `"],"isError":true}}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server, _ := url.Parse("https://mcp.atlassian.com/v1/mcp")
			var person bytes.Buffer
			a := &adviser{explain: (&signer{cfg: auth.Config{Server: server}}).explain, person: &person}
			m, err := jsonrpc.Parse([]byte(tt.answer))
			if err != nil {
				t.Fatal(err)
			}
			want, hints := tt.want, 1
			if want == "" {
				want, hints = tt.answer, 0
			}
			for range 2 {
				if got := a.advise(m); string(got.Raw) != want || got.ID != m.ID {
					t.Errorf("got  %s\nwant %s", got.Raw, want)
				}
			}
			if got := strings.Count(person.String(), "atlassian-mcp: hint: "); got != hints {
				t.Errorf("the person was told %d times, not %d:\n%s", got, hints, &person)
			}
		})
	}
}

// TestAdviceRelayed checks what the client and the person get when the server refuses somebody with an API token, who can't sign in anew.
func TestAdviceRelayed(t *testing.T) {
	tests := []struct {
		fault, answer, hint string
	}{
		{"ip-refused", "atlassian-mcp: Connect to the company's VPN", "certain IP addresses only"},
		{"api-token-disabled", "Rovo MCP server, Authentication", "does not allow API tokens"},
		{"connection-settings", "settings of the Rovo MCP server", "forbids the connection"},
		{"trouble", "Create an API token with all scopes", "lacks a scope"},
		{"verify-access", "Create a new API token", "has expired at Atlassian"},
		{"upstream-401=2", "Create a new API token", "has expired at Atlassian"},
		{"rate-limit=7", "fewer calls at a time", "too many calls"},
	}
	for _, tt := range tests {
		t.Run(tt.fault, func(t *testing.T) {
			server, err := sandbox.Start(sandbox.Config{Faults: []string{tt.fault}})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			ada := server.Org().People()[0]
			t.Setenv("HOME", t.TempDir())
			t.Setenv(emailEnv, ada.Email)
			t.Setenv(apiTokenEnv, server.Issuer().IssueAPIToken(ada.Account, "token"))
			for _, flags := range [][]string{nil, {"--no-advice"}} {
				name, value, _ := strings.Cut(tt.fault, "=")
				if err := server.SetFault(name, value); err != nil { // anew, for those that are over after some time
					t.Fatal(err)
				}
				call := `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"atlassianUserInfo","arguments":{}}}`
				input := initialize + "\n" + `{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n" + call + "\n" + strings.Replace(call, "2,", "3,", 1) + "\n"
				var stdout, stderr bytes.Buffer
				code := run(context.Background(), append([]string{server.Endpoint("/v1/mcp"), "--token-store=file"}, flags...), strings.NewReader(input), &stdout, &stderr)
				if code != exitOK {
					t.Errorf("exit status %d", code)
				}
				answers, hints := strings.Count(stdout.String(), tt.answer), strings.Count(stderr.String(), tt.hint)
				if flags == nil && (answers != 2 || hints != 1) {
					t.Errorf("%d answers with advice, and %d hints\n%s%s", answers, hints, &stdout, &stderr)
				}
				if flags != nil && answers+hints != 0 {
					t.Errorf("advice in spite of %v\n%s%s", flags, &stdout, &stderr)
				}
			}
		})
	}
}
