package atlassian

import (
	"net"
	"net/url"
	"strings"
)

// A PinnedIssuer is an authorization server of Atlassian's that has named another issuer in its metadata than the one that it
// was asked as (RFC 8414 §3.3 forbids that).
type PinnedIssuer struct{ Asked, Answered string }

// PinnedIssuers are all that have been seen. With a final slash, Asked stands for every issuer below it.
var PinnedIssuers = []PinnedIssuer{
	{"https://mcp.atlassian.com", "https://cf.mcp.atlassian.com"}, // until August 2026
	{"https://auth.atlassian.com/", "https://auth.atlassian.com"}, // July 2026
}

// TakesAPIToken reports whether an API token of Atlassian's may be sent to server: to Atlassian by https, and to this computer
// itself, for a stand-in.
func TakesAPIToken(server *url.URL) bool {
	host := strings.ToLower(server.Hostname())
	if host == "localhost" || net.ParseIP(host).IsLoopback() {
		return true
	}
	return server.Scheme == "https" && strings.HasSuffix(host, ".atlassian.com")
}
