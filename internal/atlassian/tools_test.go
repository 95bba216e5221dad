package atlassian

import (
	"net/url"
	"slices"
	"testing"
)

func TestIndirectTools(t *testing.T) {
	for server, want := range map[string]bool{V2: true, "http://127.0.0.1:8417/v2/mcp": true, "https://mcp.example.com/mcp": false} {
		u, err := url.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		finders, runners := IndirectTools(u)
		if slices.Contains(finders, "discover") != want || slices.Contains(runners, "executeDestructive") != want {
			t.Errorf("%s: %q, %q", server, finders, runners)
		}
	}
}
