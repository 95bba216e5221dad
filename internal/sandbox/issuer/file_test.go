package issuer

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKeep has a server begin where another has stopped in the middle of everything.
func TestKeep(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "grants")
	if err := w.Keep(file); err != nil {
		t.Fatal(err)
	}
	in := w.registered("/v2/mcp")
	first := in.token(Choice{})
	code := in.consent(Choice{}).Get("code")
	status, answer := in.refresh(first.RefreshToken)
	if status != http.StatusOK {
		t.Fatalf("refreshing: %d %v", status, answer)
	}

	restart := func() {
		t.Helper()
		next := New(w.cfg)
		if err := next.Keep(file); err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		next.Register(mux)
		server := httptest.NewServer(mux)
		t.Cleanup(server.Close)
		in.Endpoint.TokenURL = server.URL + next.identity.token // though its name is still the old one
		w.Server = next
	}
	restart()
	access, _ := answer["access_token"].(string)
	if !w.passes(access, "/v2/mcp") || !w.passes(first.AccessToken, "/v2/mcp") {
		t.Error("the access tokens are forgotten")
	}
	if tok, err := in.exchange(code); err != nil || !w.passes(tok.AccessToken, "/v2/mcp") {
		t.Errorf("the code is forgotten: %v", err)
	}
	if got := len(w.Grants()); got != 2 {
		t.Errorf("%d grants, want 2", got)
	}
	w.ExpireAccess()

	restart()
	if w.passes(access, "/v2/mcp") {
		t.Error("an expired token is good again")
	}
	refresh, _ := answer["refresh_token"].(string)
	if status, answer := in.refresh(refresh); status != http.StatusOK {
		t.Errorf("refreshing after a restart: %d %v", status, answer)
	}
	if status, _ := in.refresh(refresh); status == http.StatusOK || w.Counts().Reuses != 1 {
		t.Error("a refresh token was good twice")
	}

	restart()
	if got := len(w.Grants()); got != 1 {
		t.Errorf("%d grants after one was revoked, want 1", got)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{first.AccessToken, first.RefreshToken, access, refresh, code} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the file has %q in it", secret)
		}
	}
}
