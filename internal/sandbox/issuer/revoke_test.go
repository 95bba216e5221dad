package issuer

import (
	"net/url"
	"testing"
)

func TestRevoke(t *testing.T) {
	for _, endpoint := range []string{"/v1/mcp", "/v2/mcp"} {
		t.Run(endpoint, func(t *testing.T) {
			w := newWorld(t)
			in, other := w.registered(endpoint), w.registered(endpoint)
			address := w.origin + revokePath
			if in.resource == "" {
				address = in.Endpoint.TokenURL
			}
			revoke := func(id, token string) int {
				status, _ := w.postForm(address, url.Values{"client_id": {id}, "token": {token}})
				return status
			}
			tok := in.token(Choice{})
			if got := revoke(other.ClientID, tok.RefreshToken); got != 400 {
				t.Errorf("another client: %d", got)
			}
			if got := revoke("nobody", tok.RefreshToken); got != 401 {
				t.Errorf("no client: %d", got)
			}
			if got := revoke(in.ClientID, "unknown"); got != 200 {
				t.Errorf("an unknown token: %d", got)
			}
			if got := revoke(in.ClientID, ""); got != 400 {
				t.Errorf("no token: %d", got)
			}
			if !w.passes(tok.AccessToken, endpoint) {
				t.Fatal("the token is not good")
			}
			if got := revoke(in.ClientID, tok.AccessToken); got != 200 || w.passes(tok.AccessToken, endpoint) {
				t.Errorf("the access token: %d", got)
			}
			status, renewed := in.refresh(tok.RefreshToken)
			if status != 200 {
				t.Fatalf("refreshing: %d %v", status, renewed)
			}
			access, refresh := renewed["access_token"].(string), renewed["refresh_token"].(string)
			if got := revoke(in.ClientID, refresh); got != 200 || w.passes(access, endpoint) {
				t.Errorf("the refresh token: %d", got)
			}
			if status, got := in.refresh(refresh); status != 400 || got["error"] != "invalid_grant" || got["error_description"] != "Grant not found" {
				t.Errorf("refreshing: %d %v", status, got)
			}
			if got := revoke(in.ClientID, refresh); got != 200 {
				t.Errorf("again: %d", got)
			}
			if got := w.Counts(); got.Revocations != 2 || got.Live != 0 {
				t.Errorf("counted %+v", got)
			}
		})
	}
}

// TestEnd ends sign-ins from the inside.
func TestEnd(t *testing.T) {
	w := newWorld(t)
	v1, v2 := w.registered("/v1/mcp"), w.registered("/v2/mcp")
	a, b := v1.token(Choice{}), v2.token(Choice{})
	w.ExpireAccess()
	if w.passes(a.AccessToken, "/v1/mcp") || w.passes(b.AccessToken, "/v2/mcp") {
		t.Error("access tokens are still good")
	}
	if got := w.Counts().Live; got != 2 {
		t.Errorf("%d grants are live", got)
	}
	statusA, gotA := v1.refresh(a.RefreshToken)
	statusB, gotB := v2.refresh(b.RefreshToken)
	if statusA != 200 || statusB != 200 {
		t.Fatalf("refreshing: %d %d", statusA, statusB)
	}
	w.RevokeAll()
	if w.passes(gotA["access_token"].(string), "/v1/mcp") || w.passes(gotB["access_token"].(string), "/v2/mcp") {
		t.Error("access tokens are still good")
	}
	if status, got := v1.refresh(gotA["refresh_token"].(string)); status != 400 {
		t.Errorf("refreshing: %d %v", status, got)
	}
	if got := w.Counts(); got.Live != 0 || got.Revocations != 2 || len(w.Grants()) != 0 {
		t.Errorf("counted %+v", got)
	}
}
