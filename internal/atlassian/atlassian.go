// Package atlassian holds what is true of Atlassian only.
package atlassian

// The addresses of the Atlassian Rovo MCP Server. Each speaks Streamable HTTP.
const (
	V1     = "https://mcp.atlassian.com/v1/mcp"        // its own authorization server, or an API token
	AuthV2 = "https://mcp.atlassian.com/v1/mcp/authv2" // the tools of V1, with sign-in at auth.atlassian.com
	V2     = "https://mcp.atlassian.com/v2/mcp"        // the tools of 2026-09
)

// retiredSSE was the HTTP+SSE address. Atlassian ended its support on 2026-06-30, yet
// many configurations still name it.
const retiredSSE = "https://mcp.atlassian.com/v1/sse"

// EndpointNames are the short names that Endpoint knows, the default first.
var EndpointNames = []string{"v1", "authv2", "v2"}

// Endpoint returns the address that the user means by arg: one of EndpointNames, "" for the
// first of them, or any address, which it returns as it is. The address that Atlassian has
// retired becomes its successor, and advice says so; otherwise advice is empty.
func Endpoint(arg string) (url, advice string) {
	switch arg {
	case "", "v1":
		return V1, ""
	case "authv2":
		return AuthV2, ""
	case "v2":
		return V2, ""
	case retiredSSE, retiredSSE + "/":
		return V1, "Atlassian has retired " + retiredSSE + "; using " + V1 + " instead (change it in your configuration)"
	}
	return arg, ""
}
