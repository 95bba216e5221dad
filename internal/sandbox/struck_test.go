package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
)

// TestStruck meets each fault once, after something that it has nothing to do with, and reads how often it has struck.
func TestStruck(t *testing.T) {
	const (
		list = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
		page = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"getConfluencePage","arguments":{"cloudId":"acme.atlassian.net","pageId":"65601"}}}`
		find = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"searchJiraIssuesUsingJql",` +
			`"arguments":{"cloudId":"acme.atlassian.net","jql":"project = ALPHA"}}}`
	)
	type deed = func(t *testing.T, s *sandbox.Server, c *client) // c has an API token and a session, and both are older than the fault
	post := func(body string) deed {
		return func(_ *testing.T, _ *sandbox.Server, c *client) { c.post(body) }
	}
	get := func(path string) deed {
		return func(_ *testing.T, s *sandbox.Server, _ *client) { must(http.Get(s.Endpoint(path))).Body.Close() }
	}
	let := func(t *testing.T, s *sandbox.Server, _ *client) {
		c, _ := signIn(t, s, "/v1/mcp/authv2")
		c.initialize()
	}
	look := func(t *testing.T, s *sandbox.Server, _ *client) {
		must(http.Get(consentPage(t, s, "http://127.0.0.1:1/callback"))).Body.Close()
	}
	refuse := func(t *testing.T, s *sandbox.Server, _ *client) {
		t.Helper()
		if _, err := acceptAsAda(consentPage(t, s, "http://127.0.0.1:1/callback")); err == nil {
			t.Error("the consent page lets her in")
		}
	}
	tests := map[string]struct {
		arg         string
		spare, meet deed
	}{
		"token-expiry": {"60", let, func(t *testing.T, s *sandbox.Server, _ *client) {
			_, renew := signIn(t, s, "/v1/mcp")
			renew()
		}},
		"token-unavailable": {"", get("/.well-known/oauth-authorization-server"), func(t *testing.T, s *sandbox.Server, _ *client) {
			must(http.PostForm(s.Endpoint("/v1/token"), nil)).Body.Close()
		}},
		"issuer-mismatch":      {"", get("/"), get("/.well-known/oauth-authorization-server")},
		"root-metadata":        {"", get("/.well-known/oauth-authorization-server"), get("/.well-known/oauth-protected-resource")},
		"redirect-refused":     {"", get("/"), refuse},
		"domain-blocked":       {"", get("/"), refuse},
		"admin-must-authorize": {"", look, refuse},
		"api-token-disabled":   {"", post(list), post(whoAmI)},
		"unscoped-token":       {"", let, post(list)},
		"read-only":            {"", post(whoAmI), post(list)},
		"ip-refused":           {"", post(list), post(whoAmI)},
		"upstream-401":         {"", post(list), post(whoAmI)},
		"trouble":              {"1", post(list), post(whoAmI)},
		"connection-settings":  {"", post(list), post(whoAmI)},
		"verify-access":        {"", post(list), post(whoAmI)},
		"session-loss":         {"2", post(whoAmI), post(whoAmI)},
		"rate-limit":           {"3600", post(list), post(whoAmI)},
		"cut-stream":           {"", post(list), post(whoAmI)},
		"slow":                 {"1ms", post(list), post(whoAmI)},
		"sse-retired":          {"", post(list), get("/v1/sse")},
		"cloudflare":           {"", post(list), get("/")},
		"five-nodes":           {"", post(whoAmI), post(find)},
		"huge-page":            {"1", post(whoAmI), post(page)},
		"structured-array":     {"", post(list), post(whoAmI)},
		"modern-only": {"", post(whoAmI), func(t *testing.T, s *sandbox.Server, _ *client) {
			c, _ := signIn(t, s, "/mcp")
			c.do("POST", request("tools/list", meta), modern("tools/list", ""))
			c.post(initialize)
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			c := newClient(t, s)
			c.initialize()
			if err := s.SetFault(name, test.arg); err != nil {
				t.Fatal(err)
			}
			for want, do := range []deed{test.spare, test.meet} {
				do(t, s, c)
				for _, f := range s.Faults() {
					if met := f.Name == name; met && f.Struck != want || !met && f.Struck != 0 {
						t.Errorf("%s has struck %d times, want %d", f.Name, f.Struck, want)
					}
				}
			}
			s.ClearFault(name)
			if _, answer := control(t, s, "GET", "faults", "", nil); !strings.Contains(answer, `"struck":1`) {
				t.Errorf("/control/faults: %s", answer)
			}
			if _, _, live, _ := browse(t, s, "GET", "/", nil, nil); !strings.Contains(live, "It has struck 1 time.") {
				t.Errorf("the live page doesn't show it")
			}
		})
	}
	for _, f := range sandbox.Faults() {
		if _, ok := tests[f.Name]; !ok {
			t.Errorf("nobody meets %s", f.Name)
		}
	}
}

// consentPage returns the address of a page on which somebody may let a client in, and which leads back to redirect.
func consentPage(t *testing.T, s *sandbox.Server, redirect string) string {
	t.Helper()
	var registered struct {
		ID string `json:"client_id"`
	}
	body := strings.NewReader(`{"redirect_uris":["` + redirect + `"],"token_endpoint_auth_method":"none"}`)
	readJSON(t, must(http.Post(s.Endpoint("/v1/register"), "application/json", body)), &registered)
	return s.Endpoint("/v1/authorize?" + url.Values{"response_type": {"code"}, "client_id": {registered.ID}, "redirect_uri": {redirect}}.Encode())
}
