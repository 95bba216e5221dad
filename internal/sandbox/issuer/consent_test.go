package issuer

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestChoice chooses on the page, and finds it in the grant.
func TestChoice(t *testing.T) {
	for _, tt := range []struct {
		name, endpoint  string
		choice          Choice
		account         string
		sites, products []string
	}{
		{"v1 all", "/v1/mcp", Choice{}, ada, []string{"c-acme", "c-labs"}, products},
		{"v1 some", "/v1/mcp", Choice{Email: "ada@acme.example", Sites: []string{"acme-labs"}, Products: []string{"jira"}},
			ada, []string{"c-labs"}, []string{"jira"}},
		{"v1 another", "/v1/mcp", Choice{Email: "ben@acme.example"}, ben, []string{"c-acme"}, products},
		{"authv2 some", "/v1/mcp/authv2", Choice{Sites: []string{"c-acme"}, Products: []string{"jira", "compass"}},
			ada, []string{"c-acme"}, []string{"jira", "compass"}},
		{"v2 another", "/v2/mcp", Choice{Email: "BEN@acme.example", Sites: []string{"https://acme.atlassian.net", "acme-labs"}},
			ben, []string{"c-acme"}, products},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tok := w.registered(tt.endpoint).token(tt.choice)
			g, _ := w.check("Bearer "+tok.AccessToken, tt.endpoint)
			if g == nil || g.Account != tt.account || !slices.Equal(g.Sites, tt.sites) || !slices.Equal(g.Products, tt.products) {
				t.Fatalf("got %+v", g)
			}
			for _, s := range g.Scopes {
				if p := productOf(s); p != "" && !slices.Contains(tt.products, p) {
					t.Errorf("there is a scope %q", s)
				}
			}
			if !slices.ContainsFunc(g.Scopes, func(s string) bool { return productOf(s) == "jira" }) {
				t.Errorf("the scopes are %v", g.Scopes)
			}
		})
	}
}

// TestScopedProducts asks for the scopes of one product, so that no other can be chosen.
func TestScopedProducts(t *testing.T) {
	w := newWorld(t)
	in := w.registered("/v1/mcp/authv2")
	in.Scopes = []string{"read:jira-work", "offline_access"}
	g, _ := w.check("Bearer "+in.token(Choice{}).AccessToken, "/v1/mcp/authv2")
	if g == nil || !slices.Equal(g.Products, []string{"jira"}) {
		t.Errorf("got %+v", g)
	}
}

func TestDeny(t *testing.T) {
	for _, endpoint := range []string{"/v1/mcp", "/v2/mcp"} {
		w := newWorld(t)
		got := w.registered(endpoint).consent(Choice{Deny: true})
		if got.Get("error") != "access_denied" || got.Has("code") {
			t.Errorf("%s: got %v", endpoint, got)
		}
		if c := w.Counts(); c.Consents != 1 || c.Grants != 0 {
			t.Errorf("%s: counted %+v", endpoint, c)
		}
	}
}

// TestNotAccepted has the person see why they can't go on.
func TestNotAccepted(t *testing.T) {
	for _, tt := range []struct {
		name   string
		choice Choice
		want   string
	}{
		{"domain-blocked", Choice{}, "Access to this domain is restricted. Your admin has blocked this domain."},
		{"redirect-refused", Choice{}, "Your organization admin must authorize access from this redirect URL."},
		{"admin-must-authorize", Choice{}, "Your site admin must authorize this app."},
		{"no site", Choice{Email: "nil@acme.example"}, "Your account isn't associated with a supported site. " +
			"Rovo MCP connects with Atlassian sites that use apps like Jira or Confluence."},
		{"another's site", Choice{Email: "ben@acme.example", Sites: []string{"acme-labs"}}, "Choose a site that you belong to."},
		{"none of the sites", Choice{Sites: []string{}}, "Choose a site that you belong to."},
		{"none of the products", Choice{Products: []string{}}, "Choose a product at least."},
		{"a stranger", Choice{Email: "eve@acme.example"}, `the page does not offer to sign in as "eve@acme.example"`},
		{"a service account", Choice{Email: "bot@acme.example"}, `the page does not offer to sign in as "bot@acme.example"`},
	} {
		for _, endpoint := range []string{"/v1/mcp", "/v2/mcp"} {
			w := newWorld(t)
			w.fault(tt.name, "")
			in := w.registered(endpoint)
			if final, err := Accept(t.Context(), nil, in.authURL(), tt.choice); err == nil || err.Error() != "consenting: "+tt.want {
				t.Errorf("%s %s: the browser ended at %q: %v", endpoint, tt.name, final, err)
			}
			if got := w.Counts().Grants; got != 0 {
				t.Errorf("%s %s: %d grants", endpoint, tt.name, got)
			}
			if got := in.consent(Choice{Deny: true}); got.Get("error") != "access_denied" {
				t.Errorf("%s %s: cancelling: %v", endpoint, tt.name, got)
			}
		}
	}
}

// TestUnlisted registers where the organization lets nobody go back to.
func TestUnlisted(t *testing.T) {
	w := newWorld(t)
	in := w.registered("/v2/mcp")
	in.Config.RedirectURL = "https://tool.example/callback"
	_, reg := w.post(w.origin+w.identity.register, map[string]any{"redirect_uris": []string{in.Config.RedirectURL}})
	in.ClientID = reg["client_id"].(string)
	if _, err := Accept(t.Context(), nil, in.authURL(), Choice{}); err == nil || err.Error() != "consenting: invalid_request: Incorrect request parameters" {
		t.Errorf("got %v", err)
	}
}

// TestUser takes one person for granted.
func TestUser(t *testing.T) {
	w := newWorld(t)
	w.cfg.User = "Ben@acme.example"
	in := w.registered("/v2/mcp")
	if g, _ := w.check("Bearer "+in.token(Choice{}).AccessToken, "/v2/mcp"); g == nil || g.Account != ben {
		t.Errorf("got %+v", g)
	}
}

// TestForm posts the form of a browser, twice, late, and to the other server.
func TestForm(t *testing.T) {
	w := newWorld(t)
	in := w.registered("/v2/mcp")
	form := func() url.Values {
		_, p := w.get(in.authURL())
		return url.Values{"request": {p["request"].(string)}, "decision": {"accept"}, "email": {"ada@acme.example"}, "site": {"c-acme"}, "product": {"jira"}}
	}
	once := form()
	if status, got := w.postForm(in.Endpoint.AuthURL, once); status != 200 || got != nil { // of the client
		t.Errorf("the form: %d %v", status, got)
	}
	if status, _ := w.postForm(in.Endpoint.AuthURL, once); status != 400 {
		t.Errorf("the same form again: %d", status)
	}
	if status, _ := w.postForm(w.origin+"/v1/authorize", form()); status != 400 {
		t.Errorf("the form at the other server: %d", status)
	}
	late := form()
	w.pass(codeLifetime + 1)
	if status, _ := w.postForm(in.Endpoint.AuthURL, late); status != 400 {
		t.Errorf("the form too late: %d", status)
	}
}

// TestPage reads the page as a browser gets it.
func TestPage(t *testing.T) {
	w := newWorld(t)
	in := w.registered("/v2/mcp")
	_, reg := w.post(w.origin+w.identity.register, map[string]any{
		"redirect_uris": []string{in.Config.RedirectURL}, "client_name": "<script>alert(1)</script>", "token_endpoint_auth_method": "none",
	})
	in.ClientID = reg["client_id"].(string)
	resp, err := http.Get(in.authURL())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := string(body)
	for _, want := range []string{
		"not Atlassian", "&lt;script&gt;alert(1)", `name="email" value="ben@acme.example"`, `name="site" value="c-labs" checked`,
		`name="product" value="compass" checked`, `name="decision" value="accept"`, `name="decision" value="cancel"`,
		"form:has(#person1:checked) .site:not(.of1) { display: none; }", `class="site of0 of1"`, "read:jira:agent-interface",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, bad := range []string{"<script", "http-equiv", "//cdn", "src=", "ZgotmplZ", "bot@acme.example"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	csp := resp.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'none'; style-src 'nonce-") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("the policy is %q", csp)
	}
	if got := resp.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("the page is %q", got)
	}
}

// TestAcceptUnreachable has the client's address be gone; the code that was on its way there is not in the error.
func TestAcceptUnreachable(t *testing.T) {
	w := newWorld(t)
	in := w.registered("/v2/mcp")
	w.client.Close()
	_, err := Accept(t.Context(), nil, in.authURL(), Choice{})
	if err == nil || strings.Contains(err.Error(), "canary-") {
		t.Errorf("got %v", err)
	}
}
