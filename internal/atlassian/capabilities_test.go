package atlassian

import (
	"encoding/json"
	"net/url"
	"testing"
)

func TestCapabilities(t *testing.T) {
	for server, want := range map[string]bool{
		V1: true, "https://MCP.Atlassian.com/v2/mcp": true, "https://example.com/mcp": false, "http://127.0.0.1/mcp": false, "https://mcp.atlassian.com.example/": false,
	} {
		u, err := url.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		got := Capabilities(u)
		if (got != nil) != want || want && !json.Valid(got) {
			t.Errorf("%s: %s", server, got)
		}
	}
}
