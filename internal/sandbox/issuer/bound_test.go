package issuer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestBounds has clients come without end.
func TestBounds(t *testing.T) {
	w := newWorld(t)
	in := w.registered("/v1/mcp")
	first := in.token(Choice{})
	var req *request
	for i := range 1200 {
		w.pass(time.Millisecond)
		rec := httptest.NewRecorder()
		w.v1.serveRegister(rec, httptest.NewRequest("POST", w.v1.register, strings.NewReader(
			fmt.Sprintf(`{"client_name":"%d","redirect_uris":["http://127.0.0.1:1/"],"token_endpoint_auth_method":"none"}`, i))))
		if rec.Code != http.StatusCreated {
			t.Fatalf("registration %d: %d %s", i, rec.Code, rec.Body)
		}
		var answer registration
		if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		query := url.Values{"client_id": {answer.ID}, "response_type": {"code"}, "redirect_uri": {"http://127.0.0.1:1/"}}
		w.v1.serveAuthorize(httptest.NewRecorder(), httptest.NewRequest("GET", w.v1.authorize+"?"+query.Encode(), nil))
		w.Server.mu.Lock()
		for _, r := range w.requests {
			if r.client.id == answer.ID {
				req = r
			}
		}
		w.unlock()
		if i > 150 { // there remain a thousand pages that nobody answers, and as many codes that nobody uses
			w.v1.consented(req, w.cfg.People()[0], nil, nil)
			w.Server.mu.Lock()
			w.requests[req.id] = req
			w.unlock()
		}
		if w.IssueAPIToken(ada, "token") == "" {
			t.Fatal("no API token")
		}
	}
	w.Server.mu.Lock()
	g := &grant{Grant: Grant{Account: ada, ID: "g"}, server: w.v1, offline: true, since: w.now()}
	w.grants[g.ID] = g
	w.unlock()
	var last *tokenResponse
	for range 10_500 {
		w.pass(time.Millisecond)
		w.Server.mu.Lock()
		last = w.v1.issue(g, time.Hour)
		w.unlock()
	}
	w.Server.mu.Lock()
	defer w.unlock()
	for what, n := range map[string][2]int{
		"clients": {len(w.clients), 1000}, "requests": {len(w.requests), 1000}, "codes": {len(w.codes), 1000}, "API tokens": {len(w.keys), 1000},
		"access tokens": {len(w.access), 10_000}, "refresh tokens": {len(w.refresh), 10_000},
	} {
		if n[0] != n[1] {
			t.Errorf("there are %d %s, want %d", n[0], what, n[1])
		}
	}
	if w.clients[in.ClientID] != nil || w.refresh[hash(first.RefreshToken)].grant != nil || w.access[hash(first.AccessToken)] != nil {
		t.Error("it is not the oldest that are forgotten")
	}
	if w.clients[req.client.id] == nil || w.refresh[hash(last.Refresh)].grant != g || w.access[hash(last.Access)] == nil {
		t.Error("the newest are forgotten")
	}
}
