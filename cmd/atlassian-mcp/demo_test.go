package main

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
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
