package atlassian

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	tests := []struct {
		url    string
		status int
		text   string
		want   string // "" for nothing
	}{
		{V1, 0, "You don't have permission to connect from this IP address. Please ask your organization admin for access.", "ip-refused"},
		{V1, 0, "You don’t have permission to connect from this IP address. Please ask your admin for access.", "ip-refused"},
		{V1, 0, "You don't have permission to connect via API token. Please ask your organization admin for access.", "api-token-disabled"},
		{V1, 0, "Your site admin must authorize this app", "admin-must-authorize"},
		{V1, 400, "Your organization admin must authorize access from a domain to this site", "domain-blocked"},
		{V1, 0, "Contact your organization admin to authorize access from domain 127.0.0.1 to site acme", "domain-blocked"},
		{V1, 0, "Your organization admin must authorize access from this redirect URL", "domain-blocked"},
		{V1, 0, "Access to this domain is restricted. Your admin has blocked this domain", "domain-blocked"},
		{V1, 0, "redirect_uri is not registered for client: http://127.0.0.1:4000", "redirect-refused"},
		{V1, 0, "Your account isn't associated with a supported site. Rovo MCP connects with Atlassian sites that use apps like Jira or Confluence", "no-site"},
		{V1, 0, "Something went wrong: Invalid context provided", "consent-expired"},
		{V1, 0, `{"error":true,"message":"Authentication failed: {\"code\":401,\"message\":\"Unauthorized\"}"}`, "sign-in-expired"},
		{V1, 0, `{"error":true,"message":"accessibleResources.filter is not a function"}`, "sign-in-expired"},
		{V1, 0, "We couldn't verify your access. Reconnecting and signing in again may resolve this issue.", "sign-in-expired"},
		{V1, 0, "We couldn't verify your connection settings. Please contact your administrator for assistance.", "connection-settings"},
		{V1, 0, `{"error":true,"message":"Failed to fetch tenant info for cloud ID: abc. Status: 404"}`, "unknown-cloud-id"},
		{V1, 0, `Invalid arguments for tool getJiraIssue: [{"code":"invalid_type","expected":"string","received":"undefined","path":["cloudId"],"message":"Required"}]`, "missing-cloud-id"},
		{V1, 0, `{"error":true,"message":"We are having trouble completing this action. Please try again shortly."}`, "trouble"},
		{V1, 0, `{"error":true,"message":"Request timeout after PT300S"}`, "timed-out"},
		{V1, 0, "AbortError: This operation was aborted", "timed-out"},
		{V1, 0, "Failed to fetch accessible products: 401", "missing-scopes"},
		{V1, 0, "Cloud id isn't explicitly granted", "cloud-id-not-granted"},
		{V1, 0, "failed to retrieve client", "client-unknown"},
		{V1, 0, "Incorrect request parameters", "redirect-refused"},
		{V1, 403, "<title>Attention Required! | Cloudflare</title>", "cloudflare"},
		{V1, 403, "error code: 1010", "cloudflare"},
		{V1, 0, "the build failed with error code: 1010", ""},
		{"https://mcp.atlassian.com/v1/sse", 404, "Not Found", "sse-retired"},
		{V1, 404, "Not Found", ""},
		{V2, 401, `{"error":"invalid_token"}`, "token-of-v1"},
		{V2 + "?tools=all", 401, "", "token-of-v1"},
		{V1, 401, `{"error":"invalid_token"}`, ""},
		{V1, 429, "", "rate-limited"},
		{V1, 0, "Issue does not exist or you do not have permission to see it.", ""},
		{V1, 0, "", ""},
	}
	for _, tt := range tests {
		r, ok := Explain(tt.url, tt.status, tt.text)
		if r.Name != tt.want || ok != (tt.want != "") {
			t.Errorf("Explain(%q, %d, %q) = %q, %t; want %q", tt.url, tt.status, tt.text, r.Name, ok, tt.want)
		}
	}
}

// TestPageRefusals checks which refusals are seen in the browser.
func TestPageRefusals(t *testing.T) {
	var names []string
	for _, r := range PageRefusals() {
		names = append(names, r.Name)
		if len(r.Quotes()) == 0 {
			t.Errorf("%s: nobody would know it again", r.Name)
		}
	}
	want := []string{"admin-must-authorize", "domain-blocked", "redirect-refused", "no-site"}
	if !slices.Equal(names, want) {
		t.Errorf("pages refuse by %q, want %q", names, want)
	}
}

// TestReadme checks that whoever looks in README for what Atlassian has said finds it there.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := plainly(string(readme))
	for _, r := range refusals() {
		if len(r.texts) > 0 && !slices.ContainsFunc(r.texts, func(s string) bool { return strings.Contains(text, plainly(s)) }) {
			t.Errorf("README has none of %q", r.texts)
		}
	}
}

// TestRefusals checks how they read: the cause goes on after a colon, the advice is a sentence.
func TestRefusals(t *testing.T) {
	names := make(map[string]bool)
	for _, r := range refusals() {
		if r.Name == "" || names[r.Name] {
			t.Errorf("%q is there twice, or nameless", r.Name)
		}
		names[r.Name] = true
		if strings.HasSuffix(r.Cause, ".") || r.Cause == "" {
			t.Errorf("%s: cause %q", r.Name, r.Cause)
		}
		if !strings.HasSuffix(r.Advice, ".") || strings.Contains(r.Advice, "\n") {
			t.Errorf("%s: advice %q", r.Name, r.Advice)
		}
		if r.Stale != (r.Name == "sign-in-expired") || r.ForToken().Stale {
			t.Errorf("%s: stale %t, for a token %t", r.Name, r.Stale, r.ForToken().Stale)
		}
		if advice := r.ForToken().Advice; !strings.HasSuffix(advice, ".") || strings.Contains(advice, "\n") || (advice != r.Advice) != (r.token != "") {
			t.Errorf("%s: advice for a token %q", r.Name, advice)
		}
	}
}
