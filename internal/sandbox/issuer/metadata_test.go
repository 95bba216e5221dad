package issuer

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// TestMetadata compares the documents with what Atlassian publishes; ORIGIN stands for where the server is.
func TestMetadata(t *testing.T) {
	const v1 = `{
		"issuer": "ORIGIN", "authorization_endpoint": "ORIGIN/v1/authorize", "token_endpoint": "ORIGIN/v1/token",
		"registration_endpoint": "ORIGIN/v1/register", "revocation_endpoint": "ORIGIN/v1/token",
		"response_types_supported": ["code"], "response_modes_supported": ["query"],
		"grant_types_supported": ["authorization_code", "refresh_token"], "code_challenge_methods_supported": ["plain", "S256"],
		"token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"]}`
	const identity = `{
		"issuer": "ORIGIN/identity/VCeDsk8Z", "authorization_endpoint": "ORIGIN/identity/authorize",
		"token_endpoint": "ORIGIN/identity/oauth/token", "registration_endpoint": "ORIGIN/identity/VCeDsk8Z/dcr/register",
		"revocation_endpoint": "ORIGIN/identity/oauth/revoke",
		"response_types_supported": ["code"], "response_modes_supported": ["query"],
		"grant_types_supported": ["authorization_code", "refresh_token"], "code_challenge_methods_supported": ["S256"],
		"token_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
		"client_id_metadata_document_supported": true, "authorization_response_iss_parameter_supported": true}`
	prm := func(path string, scopes []string) string {
		text, _ := json.Marshal(scopes)
		return `{"resource": "ORIGIN` + path + `", "authorization_servers": ["ORIGIN/identity/VCeDsk8Z"],
			"bearer_methods_supported": ["header"], "scopes_supported": ` + string(text) + `}`
	}
	const as, pr = "/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource"
	for _, tt := range []struct{ name, fault, path, want string }{
		{"v1", "", as, v1},
		{"identity by insertion", "", as + "/identity/VCeDsk8Z", identity},
		{"identity by appending", "", "/identity/VCeDsk8Z" + as, identity},
		{"authv2", "", pr + "/v1/mcp/authv2", prm("/v1/mcp/authv2", scopesV1)},
		{"v2", "", pr + "/v2/mcp", prm("/v2/mcp", scopesV2)},
		{"unversioned", "", pr + "/mcp", prm("/mcp", scopesV2)},
		{"no resource v1", "", pr + "/v1/mcp", ""},
		{"no resource sse", "", pr + "/v1/sse", ""},
		{"no root resource", "", pr, ""},
		{"no OpenID", "", "/.well-known/openid-configuration", ""},
		{"no OpenID at identity", "", "/.well-known/openid-configuration/identity/VCeDsk8Z", ""},
		{"root resource", "root-metadata", pr, `{"resource": "ORIGIN/", "authorization_servers": ["ORIGIN"], "bearer_methods_supported": ["header"]}`},
		{"v1 mismatch", "issuer-mismatch", as, strings.Replace(v1, `"issuer": "ORIGIN"`, `"issuer": "OTHER"`, 1)},
		{"identity mismatch", "issuer-mismatch", as + "/identity/VCeDsk8Z", strings.Replace(identity, `ORIGIN/identity/VCeDsk8Z"`, `ORIGIN"`, 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			if tt.fault != "" {
				w.fault(tt.fault, "")
			}
			resp, err := http.Get(w.origin + tt.path)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				if resp.StatusCode != 404 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") || string(body) != "404 Not Found" {
					t.Errorf("got %d %s %q", resp.StatusCode, resp.Header.Get("Content-Type"), body)
				}
				return
			}
			other := strings.Replace(w.origin, "127.0.0.1", "localhost", 1)
			var got, want any
			text := strings.NewReplacer("ORIGIN", w.origin, "OTHER", other).Replace(tt.want)
			if err := json.Unmarshal([]byte(text), &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(body, &got); err != nil || resp.StatusCode != 200 {
				t.Fatalf("%d, %v in %q", resp.StatusCode, err, body)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %s, want %s", body, text)
			}
		})
	}
}

func TestOtherOrigin(t *testing.T) {
	for origin, want := range map[string]string{
		"http://127.0.0.1:7070":  "http://localhost:7070",
		"http://localhost:7070":  "http://127.0.0.1:7070",
		"https://mcp.acme.test":  "https://cf.mcp.acme.test",
		"http://cf.test.example": "http://cf.cf.test.example",
	} {
		if got := otherOrigin(origin); got != want {
			t.Errorf("otherOrigin(%q) = %q, want %q", origin, got, want)
		}
	}
}
