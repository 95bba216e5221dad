package atlassian

import (
	"net/url"
	"testing"
)

func TestTakesAPIToken(t *testing.T) {
	for server, want := range map[string]bool{
		"https://mcp.atlassian.com/v1/mcp":      true,
		"https://MCP.Atlassian.com/v1/mcp":      true,
		"http://mcp.atlassian.com/v1/mcp":       false,
		"https://atlassian.com.example/mcp":     false,
		"https://evilatlassian.com/mcp":         false,
		"https://example.com/?x=.atlassian.com": false,
		"http://localhost:8080/mcp":             true,
		"http://127.0.0.1/mcp":                  true,
		"http://[::1]:1/mcp":                    true,
		"http://localhost.example.com/mcp":      false,
		"http://10.0.0.1/mcp":                   false,
	} {
		u, err := url.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		if got := TakesAPIToken(u); got != want {
			t.Errorf("TakesAPIToken(%s) = %t", server, got)
		}
	}
}
