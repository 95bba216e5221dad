package atlassian

import (
	"net/http"
	"slices"
	"strings"
)

// A Refusal is one of the ways in which Atlassian's servers say no, in words that don't say what to do.
type Refusal struct {
	Name   string // such as "ip-refused"
	Cause  string // what it means, a clause without a full stop
	Advice string // what to do about it, one sentence; names who must act, and the page if it is an admin's
	token  string // Advice for somebody with an API token, if that is another

	// Stale says that the session's sign-in has come to its end although the session has not: a new token and a new session help.
	Stale bool

	texts    []string // any of which says so, as people have reported them
	page     bool     // a page in the browser says so to somebody who signs in, and will again the next time
	statuses []int    // of the HTTP answer, one of which it has; none means that a text is enough
	path     string   // of the server's URL, which has to end in it
}

// Where an admin goes, and where anybody.
const (
	serverPage = "admin.atlassian.com, Rovo, Rovo MCP server"
	appsPage   = "admin.atlassian.com, Apps, the site, Connected apps"
	tokenPage  = "id.atlassian.com, Security, API tokens"
)

// refusals returns all that are known, the more particular first.
func refusals() []Refusal {
	return []Refusal{
		{
			Name:   "ip-refused",
			Cause:  "the organization allows certain IP addresses only, and this computer's is not one of them",
			Advice: "Connect to the company's VPN, or have an organization admin add this computer's address to the IP allowlist (admin.atlassian.com, Security, IP allowlists).",
			texts:  []string{"permission to connect from this IP address"},
		},
		{
			Name:   "api-token-disabled",
			Cause:  "the organization does not allow API tokens for the Rovo MCP server",
			Advice: "Have an organization admin allow API tokens (" + serverPage + ", Authentication), which can take hours to come into force; or leave the token out, and sign in with 'atlassian-mcp login'.",
			texts:  []string{"permission to connect via API token"},
		},
		{
			Name:   "admin-must-authorize",
			Cause:  "nobody has connected the app to this site before, and the first one must be an admin of the site",
			Advice: "Have a site admin sign in with 'atlassian-mcp login' once, or allow the app (" + appsPage + ").",
			texts:  []string{"site admin must authorize this app"},
			page:   true,
		},
		{
			Name:   "domain-blocked",
			Cause:  "the organization does not allow clients to be sent back to this address after signing in",
			Advice: "Have an organization admin allow http://127.0.0.1:*/** (" + serverPage + ", Domains).",
			texts: []string{
				"admin must authorize access from a domain", "admin to authorize access from domain",
				"admin must authorize access from this redirect", "Access to this domain is restricted",
			},
			page: true,
		},
		{
			Name:   "redirect-refused",
			Cause:  "the sign-in page came back to another address than the one that was registered",
			Advice: "Run 'atlassian-mcp logout' and 'atlassian-mcp login' to register anew; leave --callback-port out, or keep it the same.",
			texts:  []string{"redirect_uri is not registered", "Incorrect request parameters"},
			page:   true,
		},
		{
			Name:   "client-unknown",
			Cause:  "the authorization server does not know this program's registration any more",
			Advice: "Run 'atlassian-mcp logout' and 'atlassian-mcp login' to register anew.",
			texts:  []string{"failed to retrieve client"},
		},
		{
			Name:   "consent-expired",
			Cause:  "the page where you grant access had been open for too long, or was opened a second time",
			Advice: "Close it, run 'atlassian-mcp login' again, and accept within a few minutes.",
			texts:  []string{"Invalid context provided"},
		},
		{
			Name:   "no-site",
			Cause:  "this account belongs to no site that has Jira, Confluence or Compass",
			Advice: "Sign in with the account that you use at your company's site, with 'atlassian-mcp login'.",
			texts:  []string{"isn't associated with a supported site"},
			page:   true,
		},
		{
			Name:   "sign-in-expired",
			Cause:  "the sign-in behind this session has expired at Atlassian, although the session goes on",
			Advice: "Run 'atlassian-mcp login' to sign in anew.",
			token:  "Create a new API token with all scopes of the app \"Rovo MCP\" (" + tokenPage + ") and use it instead: yours may have expired, or been revoked.",
			Stale:  true,
			texts:  []string{`Authentication failed: {"code":401`, "accessibleResources.filter is not a function", "couldn't verify your access"},
		},
		{
			Name:   "connection-settings",
			Cause:  "a setting of the organization forbids the connection",
			Advice: "Have an organization admin look at the settings of the Rovo MCP server (" + serverPage + ").",
			texts:  []string{"couldn't verify your connection settings"},
		},
		{
			Name:   "unknown-cloud-id",
			Cause:  "there is no site with this cloudId, or it is not yours",
			Advice: "Call getAccessibleAtlassianResources for the cloudId of each of your sites, or pass the site's host name as the cloudId.",
			texts:  []string{"Failed to fetch tenant info for cloud ID"},
		},
		{
			Name:   "missing-scopes",
			Cause:  "the API token lacks the scopes read:me and read:account",
			Advice: "Create an API token with all scopes of the app \"Rovo MCP\" (" + tokenPage + "), and keep it with 'atlassian-mcp login --api-token'.",
			texts:  []string{"Failed to fetch accessible products: 401"},
		},
		{
			Name:   "cloud-id-not-granted",
			Cause:  "the service account has not been given this site",
			Advice: "Have an organization admin give the service account access to the site.",
			texts:  []string{"Cloud id isn't explicitly granted"},
		},
		{
			Name:   "missing-cloud-id",
			Cause:  "the tool needs the cloudId of a site, and got none",
			Advice: "Pass cloudId: getAccessibleAtlassianResources tells it, and the site's host name will do.",
			texts:  []string{`"path":["cloudId"],"message":"Required"`},
		},
		{
			Name:   "trouble",
			Cause:  "Atlassian's answer when a token lacks a scope, a product was not granted, or the site has no such product",
			Advice: "Run 'atlassian-mcp login' again and grant the site and the product; if it stays, have an organization admin look at the permissions of the Rovo MCP server (" + serverPage + ", Permissions).",
			token:  "Create an API token with all scopes of the app \"Rovo MCP\" (" + tokenPage + "); if it stays, have an organization admin look at the permissions of the Rovo MCP server (" + serverPage + ", Permissions).",
			texts:  []string{"We are having trouble completing this action"},
		},
		{
			Name:   "timed-out",
			Cause:  "the call took Atlassian's servers too long, who gave up on it; it may have been carried out",
			Advice: "See whether what the call was to change has changed; ask for less in one call, such as a smaller page or fewer fields.",
			texts:  []string{"request timeout after PT", "AbortError"},
		},
		{
			Name:     "cloudflare",
			Cause:    "the network in front of Atlassian's servers takes this program for an attacker",
			Advice:   "A proxy that changes requests, or removes the User-Agent header, is on the way: have whoever runs it let https://mcp.atlassian.com through untouched.",
			texts:    []string{"error code: 1010", "Attention Required! | Cloudflare"},
			statuses: []int{http.StatusForbidden},
		},
		{
			Name:     "sse-retired",
			Cause:    "Atlassian has retired its HTTP+SSE address",
			Advice:   "Use " + V1 + " (v1), or " + V2 + " (v2), instead.",
			statuses: []int{http.StatusNotFound, http.StatusGone},
			path:     "/v1/sse",
		},
		{
			Name:     "token-of-v1",
			Cause:    "a sign-in at v1 is not valid for v2, which is a resource of its own",
			Advice:   "Run 'atlassian-mcp login v2'.",
			token:    "Pass a token that was made for v2, or sign in with 'atlassian-mcp login v2'.",
			statuses: []int{http.StatusUnauthorized},
			path:     "/v2/mcp",
		},
		{
			Name:     "rate-limited",
			Cause:    "these were too many calls for the plan of the organization, or too many at a time",
			Advice:   "Wait as long as the answer says, and make fewer calls at a time.",
			statuses: []int{http.StatusTooManyRequests},
		},
	}
}

// PageRefusals returns the refusals that somebody who signs in sees in the browser and this program mostly does not hear of, but for those that are
// over with the next sign-in.
func PageRefusals() []Refusal {
	return slices.DeleteFunc(refusals(), func(r Refusal) bool { return !r.page })
}

// Quotes returns the words by which people know r again: parts of what the servers say, in any letters.
func (r Refusal) Quotes() []string { return r.texts }

// ForToken returns what r means for somebody who gets in with an API token. That can't be renewed, and nobody signs in anew.
func (r Refusal) ForToken() Refusal {
	if r.token != "" {
		r.Advice = r.token
	}
	r.Stale = false
	return r
}

// Explain returns what an answer of the server at url means: the status of an HTTP answer that is an error, or 0, and the text of a
// body, a JSON-RPC error or a tool's failure. It returns false if it means nothing that is known.
func Explain(url string, status int, text string) (Refusal, bool) {
	text = plainly(text)
	path, _, _ := strings.Cut(url, "?")
	for _, r := range refusals() {
		if len(r.statuses) > 0 && !slices.Contains(r.statuses, status) || !strings.HasSuffix(strings.TrimSuffix(path, "/"), r.path) {
			continue
		}
		if len(r.texts) == 0 || slices.ContainsFunc(r.texts, func(t string) bool { return strings.Contains(text, plainly(t)) }) {
			return r, true
		}
	}
	return Refusal{}, false
}

// plainly returns text as it is compared: tools quote JSON in JSON, and some of the apostrophes are typographic.
func plainly(text string) string {
	return strings.ToLower(strings.NewReplacer(`\`, "", "’", "'").Replace(text))
}
