package auth

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzToken has the token endpoint answer anything. What is taken for a token fits into a header and can be stored.
func FuzzToken(f *testing.F) {
	f.Add(200, []byte(`{"access_token":"a","token_type":"Bearer","expires_in":3600,"refresh_token":"r","scope":"x y"}`))
	f.Add(200, []byte(`{"access_token":"a","token_type":"bearer","expires_in":"3600.5","scope":["x"]}`))
	f.Add(200, []byte(`{"error":"invalid_grant","error_description":"secret-refresh is no good"}`))
	f.Add(400, []byte(`{"error":"secret-refresh"}`))
	f.Add(200, []byte(`{"access_token":"a","token_type":"secret-refresh"}`))
	f.Add(200, []byte(`access_token=a&token_type=bearer&expires_in=1e3`))
	const secret = "secret-refresh"
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		c := newClient(t, Config{Server: &url.URL{Scheme: "https", Host: "mcp.example", Path: "/mcp"}})
		const endpoint = "https://as.example/token"
		answer := &web{docs: map[string]any{endpoint: io.MultiReader(strings.NewReader(string(body)))}}
		c.oauth.Transport = &tidy{base: answering{answer, status}}
		g := &grant{Issuer: "https://as.example", Resource: "https://mcp.example/mcp", TokenEndpoint: endpoint, RefreshToken: secret,
			registration: registration{ClientID: "c"}}
		tok, err := c.refresh(t.Context(), g)
		if err != nil {
			if strings.Contains(err.Error(), secret) || strings.ContainsAny(err.Error(), "\r\x1b\x00") {
				t.Errorf("error %q", err)
			}
			return
		}
		if status/100 != 2 {
			t.Errorf("status %d is taken for success", status)
		}
		if !validToken(tok.AccessToken) || tok.AccessToken == "" || !validToken(tok.RefreshToken) || tok.Lifetime < 0 {
			t.Errorf("%s is taken for %+v", body, tok)
		}
		next := g.with(tok, time.Now())
		if again, err := decodeGrant(next.encode()); err != nil || again.AccessToken != tok.AccessToken || !again.Expires.Equal(next.Expires) {
			t.Errorf("%+v became %+v, %v", next, again, err)
		}
	})
}

// answering is a web of another status.
type answering struct {
	*web
	status int
}

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := a.web.RoundTrip(req)
	if resp != nil {
		resp.StatusCode = a.status
	}
	return resp, err
}

// FuzzPending reads sign-ins that wait for the user. What is taken for one can be finished, and stored again.
func FuzzPending(f *testing.F) {
	f.Add([]byte(`{"grant":{"issuer":"i","client_id":"c","token_endpoint":"t"},"state":"s","verifier":"v","url":"https://as.example/authorize","deadline":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"grant":{"client_id":"c"},"state":"s","verifier":"v","spent":true,"closed":"denied"}`))
	f.Add([]byte(`{"grant":null,"state":"s"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := decodePending(data)
		if p == nil {
			return
		}
		if p.waits() && (p.Spent || p.Closed != "") {
			t.Errorf("%s waits", data)
		}
		p.failure()
		portOf(p.Grant.RedirectURI)
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		again := decodePending(text)
		if again == nil || again.State != p.State || again.Verifier != p.Verifier || !again.Deadline.Equal(p.Deadline) {
			t.Errorf("%+v became %+v", p, again)
		}
	})
}
