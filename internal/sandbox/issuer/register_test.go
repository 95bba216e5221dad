package issuer

import (
	"strings"
	"testing"
)

func TestRegister(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		path, method string
		idLength     int
		secret       string // how it begins; "" for none
	}{
		{"/v1/register", "none", 16, ""},
		{"/v1/register", "client_secret_post", 16, "canary-"},
		{"/v1/register", "", 16, "canary-"},
		{"/identity/VCeDsk8Z/dcr/register", "none", 32, "ATOA-canary-"},
		{"/identity/VCeDsk8Z/dcr/register", "client_secret_basic", 32, "ATOA-canary-"},
	} {
		status, got := w.post(w.origin+tt.path, map[string]any{
			"redirect_uris": []string{"http://127.0.0.1:3334/cb"}, "client_name": "Editor", "token_endpoint_auth_method": tt.method,
			"client_id": "mine", "client_secret": "mine", "client_uri": "https://editor.example",
		})
		if status != 201 || len(got["client_id"].(string)) != tt.idLength || got["client_name"] != "Editor" || got["client_uri"] != "https://editor.example" {
			t.Errorf("%s %s: %d %v", tt.path, tt.method, status, got)
		}
		if tt.method != "" && got["token_endpoint_auth_method"] != tt.method {
			t.Errorf("%s %s: the method is %v", tt.path, tt.method, got["token_endpoint_auth_method"])
		}
		secret, _ := got["client_secret"].(string)
		if !strings.HasPrefix(secret, tt.secret) || (secret == "") != (tt.secret == "") {
			t.Errorf("%s %s: the secret is %q", tt.path, tt.method, secret)
		}
		if expires, has := got["client_secret_expires_at"]; has != (secret != "") || has && expires != 0.0 {
			t.Errorf("%s %s: the secret expires at %v", tt.path, tt.method, expires)
		}
		management := any(nil)
		if tt.idLength == 16 {
			management = w.origin + tt.path + "/" + got["client_id"].(string)
		}
		if got["registration_client_uri"] != management {
			t.Errorf("%s %s: managed at %v", tt.path, tt.method, got["registration_client_uri"])
		}
		if got["client_id_issued_at"] != float64(w.clock.Unix()) {
			t.Errorf("%s %s: issued at %v", tt.path, tt.method, got["client_id_issued_at"])
		}
	}
	if got := w.Counts().Registrations; got != 5 {
		t.Errorf("%d registrations were counted", got)
	}
}

func TestRegisterErrors(t *testing.T) {
	w := newWorld(t)
	redirects := func(u string) any { return map[string]any{"redirect_uris": []string{u}} }
	for _, tt := range []struct {
		name   string
		body   any
		status int
		code   string
	}{
		{"no JSON", "redirect_uris=x", 400, "invalid_request"},
		{"an array", "[]", 400, "invalid_request"},
		{"redirects of the wrong type", `{"redirect_uris": "http://127.0.0.1/cb"}`, 400, "invalid_request"},
		{"too large", strings.Repeat(" ", maxBody+1), 413, "invalid_request"},
		{"no redirects", "{}", 400, "invalid_redirect_uri"},
		{"relative", redirects("/callback"), 400, "invalid_redirect_uri"},
		{"malformed", redirects("http://[::1/cb"), 400, "invalid_redirect_uri"},
		{"fragment", redirects("http://127.0.0.1/cb#"), 400, "invalid_redirect_uri"},
		{"script", redirects("JavaScript:alert(1)"), 400, "invalid_redirect_uri"},
		{"no host", redirects("https:///cb"), 400, "invalid_redirect_uri"},
		{"method", map[string]any{"redirect_uris": []string{"http://127.0.0.1/cb"}, "token_endpoint_auth_method": "private_key_jwt"}, 400, "invalid_client_metadata"},
		{"grant", map[string]any{"redirect_uris": []string{"http://127.0.0.1/cb"}, "grant_types": []string{"implicit"}}, 400, "invalid_client_metadata"},
		{"response", map[string]any{"redirect_uris": []string{"http://127.0.0.1/cb"}, "response_types": []string{"token"}}, 400, "invalid_client_metadata"},
	} {
		for _, path := range []string{"/v1/register", "/identity/VCeDsk8Z/dcr/register"} {
			status, got := w.post(w.origin+path, tt.body)
			if status != tt.status || got["error"] != tt.code || got["error_description"] == "" {
				t.Errorf("%s: %s: got %d %v, want %d %s", path, tt.name, status, got, tt.status, tt.code)
			}
		}
	}
	if got := w.Counts().Registrations; got != 0 {
		t.Errorf("%d registrations were counted", got)
	}
}

func TestListed(t *testing.T) {
	for redirect, want := range map[string]bool{
		"http://127.0.0.1:3334/cb":          true,
		"http://localhost:1/":               true,
		"https://localhost:1/":              false, // by Atlassian's own account
		"http://127.0.0.1.evil.example/cb":  false,
		"http://localhost@evil.example/":    false,
		"http://192.168.1.2:3334/cb":        false,
		"https://claude.ai/api/callback":    true,
		"https://claude.ai.evil.example/":   false,
		"https://evil.example/claude.ai":    false,
		"http://claude.ai/":                 false,
		"cursor://anysphere.cursor-mcp/cb":  true,
		"com.example.unknown:/cb":           false,
		"http://[::1]:3334/cb":              false,
		"https://vscode.dev:8443/redirect":  false,
		"http://127.0.0.1:99999999999/cb":   true,
		"http://127.0.0.1:notaport/":        false,
		"":                                  false,
		"https://chatgpt.com/connector/ret": true,
	} {
		if got := listed(redirect); got != want {
			t.Errorf("listed(%q) = %t", redirect, got)
		}
	}
}

func FuzzCheckRedirect(f *testing.F) {
	f.Add("http://127.0.0.1:1/cb?x=1")
	f.Add("cursor:x")
	f.Add("http://%zz")
	f.Fuzz(func(t *testing.T, raw string) {
		if checkRedirect(raw) != nil {
			return
		}
		// Whatever was registered can be sent back to, and is not taken for this machine when it is another.
		a := New(Config{Origin: "http://127.0.0.1:1"}).v1
		location := a.location(&request{redirect: raw, state: "s"}, nil)
		if strings.ContainsAny(location, "\r\n") || !strings.Contains(location, "state=s") {
			t.Errorf("%q became %q", raw, location)
		}
	})
}
