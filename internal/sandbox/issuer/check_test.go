package issuer

import (
	"encoding/base64"
	"net/http/httptest"
	"strings"
	"testing"
)

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestRefusal(t *testing.T) {
	w := newWorld(t)
	for _, endpoint := range []string{"/v1/mcp", "/v1/sse", "/v1/mcp/authv2", "/v2/mcp", "/mcp"} {
		for authorization, description := range map[string]string{
			"":               "Missing or invalid access token",
			"Bearer":         "Missing or invalid access token",
			"Bearer unknown": "Invalid access token",
			"Basic ???":      "Invalid access token",
			"Digest x":       "Invalid access token",
		} {
			g, refusal := w.check(authorization, endpoint)
			if g != nil || refusal == nil {
				t.Fatalf("%s: %q got %v", endpoint, authorization, g)
			}
			rec := httptest.NewRecorder()
			refusal.ServeHTTP(rec, httptest.NewRequest("POST", endpoint, nil))
			metadata := ""
			if resourceAt(endpoint) != nil {
				metadata = `resource_metadata="` + w.origin + "/.well-known/oauth-protected-resource" + endpoint + `", `
			}
			want := `Bearer realm="OAuth", ` + metadata + `error="invalid_token", error_description="Missing or invalid access token"`
			if got := rec.Header().Get("WWW-Authenticate"); rec.Code != 401 || got != want {
				t.Errorf("%s: %q: %d %q, want %q", endpoint, authorization, rec.Code, got, want)
			}
			if want := `{"error":"invalid_token","error_description":"` + description + `"}`; rec.Body.String() != want {
				t.Errorf("%s: %q: %s, want %s", endpoint, authorization, rec.Body, want)
			}
		}
	}
}

func TestAPITokens(t *testing.T) {
	w := newWorld(t)
	for _, bad := range [][2]string{{"nobody", "token"}, {ada, "key"}, {bot, "token"}, {bot, "unscoped"}, {ada, "password"}, {ada, ""}} {
		if got := w.IssueAPIToken(bad[0], bad[1]); got != "" {
			t.Errorf("%v got a token", bad)
		}
	}
	token, classic, key := w.IssueAPIToken(ada, "token"), w.IssueAPIToken(ada, "unscoped"), w.IssueAPIToken(bot, "key")
	for _, secret := range []string{token, classic, key} {
		if !strings.Contains(secret, "canary-") {
			t.Errorf("got the token %q", secret)
		}
	}
	for _, tt := range []struct {
		name, authorization, endpoint string
		account, via                  string // "" if it is refused
	}{
		{"token", basic("ada@acme.example", token), "/v1/mcp", ada, "token"},
		{"capitals", basic("Ada@ACME.example", token), "/v1/mcp", ada, "token"},
		{"classic", basic("ada@acme.example", classic), "/v1/mcp", ada, "unscoped"},
		{"key", "Bearer " + key, "/v1/mcp", bot, "key"},
		{"another's email", basic("ben@acme.example", token), "/v1/mcp", "", ""},
		{"no email", basic("", token), "/v1/mcp", "", ""},
		{"wrong token", basic("ada@acme.example", "wrong"), "/v1/mcp", "", ""},
		{"no colon", "Basic " + base64.StdEncoding.EncodeToString([]byte(token)), "/v1/mcp", "", ""},
		{"token as bearer", "Bearer " + token, "/v1/mcp", "", ""},
		{"key as password", basic("bot@acme.example", key), "/v1/mcp", "", ""},
		{"token at v2", basic("ada@acme.example", token), "/v2/mcp", "", ""},
		{"key at authv2", "Bearer " + key, "/v1/mcp/authv2", "", ""},
		{"token at sse", basic("ada@acme.example", token), "/v1/sse", "", ""},
	} {
		g, refusal := w.check(tt.authorization, tt.endpoint)
		switch {
		case (g == nil) == (refusal == nil), (g == nil) != (tt.account == ""):
			t.Errorf("%s: got %v, %v", tt.name, g, refusal)
		case g != nil && (g.Account != tt.account || g.Via != tt.via || g.Sites != nil || g.Products != nil || g.ID == ""):
			t.Errorf("%s: got %+v", tt.name, g)
		}
	}
	w.fault("unscoped-token", "")
	if g, _ := w.check(basic("ada@acme.example", token), "/v1/mcp"); g == nil || g.Via != "unscoped" {
		t.Errorf("with the fault: %+v", g)
	}
	in := w.registered("/v1/mcp")
	if g, _ := w.check("Bearer "+in.token(Choice{}).AccessToken, "/v1/mcp"); g == nil || g.Via != "" {
		t.Errorf("a sign-in with the fault: %+v", g)
	}
}
