package atlassian

import (
	"net/url"
	"strings"
)

// Capabilities returns what the Atlassian Rovo MCP Server has answered to initialize as its capabilities since 2025, in JSON, if server is at Atlassian; nil if
// it is elsewhere.
func Capabilities(server *url.URL) []byte {
	if !strings.HasSuffix(strings.ToLower(server.Hostname()), ".atlassian.com") {
		return nil
	}
	return []byte(`{"logging":{},"tools":{"listChanged":true},"resources":{}}`)
}
