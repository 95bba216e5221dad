package issuer

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"
)

// visit opens an address without following where it leads.
func (w *world) visit(address string) (status int, location *url.URL) {
	w.t.Helper()
	hc := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := hc.Get(address)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body.Close()
	if location, err = resp.Location(); err != nil {
		location = &url.URL{}
	}
	return resp.StatusCode, location
}

// TestMisled sends the person with a wrong client or redirect URI, which the client is not to be told.
func TestMisled(t *testing.T) {
	w := newWorld(t)
	v1, v2 := w.registered("/v1/mcp"), w.registered("/v2/mcp")
	port := "http://127.0.0.1:1/callback"
	for _, tt := range []struct {
		name              string
		in                *signIn
		key, value        string
		code, description string // at the identity server
	}{
		{"unknown client", v1, "client_id", "nobody", "", ""},
		{"no client", v1, "client_id", "", "", ""},
		{"another port", v1, "redirect_uri", port, "", ""},
		{"the other's client", v1, "client_id", v2.ClientID, "", ""},
		{"unknown client", v2, "client_id", "nobody", "invalid_request", "failed to retrieve client"},
		{"the other's client", v2, "client_id", v1.ClientID, "invalid_request", "failed to retrieve client"},
		{"another port", v2, "redirect_uri", port, "unauthorized_client", "redirect_uri is not registered for client: " + port},
		{"another path", v2, "redirect_uri", v2.RedirectURL + "/", "unauthorized_client", "redirect_uri is not registered for client: " + v2.RedirectURL + "/"},
		{"no redirect", v2, "redirect_uri", "", "unauthorized_client", "redirect_uri is not registered for client: "},
	} {
		address := tt.in.authURL(oauth2.SetAuthURLParam(tt.key, tt.value))
		status, to := w.visit(address)
		if tt.code == "" {
			if status != 500 {
				t.Errorf("v1: %s: %d", tt.name, status)
			}
			continue
		}
		q := to.Query()
		if status != 302 || to.Path != errorPath || q.Get("error") != tt.code || q.Get("error_description") != tt.description {
			t.Errorf("identity: %s: %d %s", tt.name, status, to)
		}
		if _, err := Accept(t.Context(), nil, address, Choice{}); err == nil || !strings.HasSuffix(err.Error(), tt.code+": "+tt.description) {
			t.Errorf("identity: %s: the person got %v", tt.name, err)
		}
	}
	if got := w.Counts().Consents; got != 0 {
		t.Errorf("%d pages were shown", got)
	}
	// The only redirect URI may be left out where OAuth 2.0 lets it.
	if status, _ := w.visit(v1.authURL(oauth2.SetAuthURLParam("redirect_uri", ""))); status != 200 {
		t.Errorf("v1 without redirect_uri: %d", status)
	}
}

// TestAuthorizeErrors asks for what can't be had, which the client is told.
func TestAuthorizeErrors(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct{ name, endpoint, key, value, code, description string }{
		{"type", "/v1/mcp", "response_type", "token", "unsupported_response_type", "response_type must be code"},
		{"type", "/v2/mcp", "response_type", "token", "unsupported_response_type", "response_type must be code"},
		{"challenge", "/v2/mcp", "code_challenge", "", "invalid_request", "code_challenge is required"},
		{"plain", "/v2/mcp", "code_challenge_method", "plain", "invalid_request", "code_challenge_method is not supported"},
		{"default method", "/v2/mcp", "code_challenge_method", "", "invalid_request", "code_challenge_method is not supported"},
		{"method", "/v1/mcp", "code_challenge_method", "S512", "invalid_request", "code_challenge_method is not supported"},
		{"unknown resource", "/v2/mcp", "resource", w.origin + "/v1/mcp", "invalid_target", "resource is not known"},
		{"slash", "/v2/mcp", "resource", w.origin + "/v2/mcp/", "invalid_target", "resource is not known"},
		{"another origin", "/v2/mcp", "resource", "https://mcp.atlassian.com/v2/mcp", "invalid_target", "resource is not known"},
		{"scope", "/v2/mcp", "scope", "unheard:of", "invalid_scope", "none of the scopes is known"},
	} {
		in := w.registered(tt.endpoint)
		got := in.consent(Choice{}, oauth2.SetAuthURLParam(tt.key, tt.value))
		if got.Get("error") != tt.code || got.Get("error_description") != tt.description || got.Has("code") {
			t.Errorf("%s %s: got %v", tt.endpoint, tt.name, got)
		}
	}
	in := w.registered("/v2/mcp")
	in.resource = ""
	if got := in.consent(Choice{}); got.Get("error") != "invalid_target" || got.Get("error_description") != "resource is required" {
		t.Errorf("without resource: %v", got)
	}
	in = w.registered("/v2/mcp")
	final, err := Accept(t.Context(), nil, in.authURL()+"&resource="+url.QueryEscape(in.resource), Choice{})
	if err != nil || !strings.Contains(final, "error=invalid_target") {
		t.Errorf("with two resources: %s, %v", final, err)
	}
	if got := w.Counts().Consents; got != 0 {
		t.Errorf("%d pages were shown", got)
	}
}
