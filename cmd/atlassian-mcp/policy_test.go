package main

import (
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
)

// TestIndirectTools keeps tools from a client of the second generation's server, which has them found by one tool and called by others.
func TestIndirectTools(t *testing.T) {
	server, err := sandbox.Start(sandbox.Config{Addr: "127.0.0.1:0", User: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	const (
		discover = `{"name":"discover","arguments":{"query":"issue"}}`
		execute  = `{"name":"executeRead","arguments":{"name":"listJiraProjects","cloudId":"acme.atlassian.net","inputs":{}}}`
	)
	for _, test := range []struct {
		args        []string
		found, lost string // by discover
		refused     []string
	}{
		{nil, "deleteJiraIssue", "", nil},
		{[]string{"--ignore-tool", "delete*"}, "createJiraIssueLink", "deleteJiraIssue",
			[]string{`{"name":"executeDestructive","arguments":{"name":"deleteJiraIssue","inputs":{}}}`}},
		{[]string{"--allow-tool", "discover", "--allow-tool", "executeRead", "--allow-tool", "list*"}, "listJiraIssueComments", "deleteJiraIssue",
			[]string{`{"name":"executeDestructive","arguments":{"name":"listJiraProjects"}}`, `{"name":"executeRead","arguments":{"name":"lookupJiraAccountId"}}`, `{"name":"executeRead"}`, `{"name":"search"}`}},
	} {
		c := startWire(t, append([]string{server.URL() + "/v2/mcp", "--no-browser"}, test.args...)...)
		c.greet()
		found := c.ask("tools/call", discover)
		if !strings.Contains(found, test.found) || test.lost != "" && strings.Contains(found, test.lost) {
			t.Errorf("%q: found %s", test.args, found)
		}
		if answer := c.ask("tools/call", execute); !strings.Contains(answer, `"result"`) {
			t.Errorf("%q: %s", test.args, answer)
		}
		for _, call := range test.refused {
			if answer := c.ask("tools/call", call); !strings.Contains(answer, `"code":-32603`) || !strings.Contains(answer, "is not available") {
				t.Errorf("%q: %s: %s", test.args, call, answer)
			}
		}
		c.end()
	}
}
