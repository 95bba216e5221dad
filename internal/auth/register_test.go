package auth

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Which client is used, and how it authenticates (RFC 6749 §2.3, RFC 7591 §2).
func TestClientAuthentication(t *testing.T) {
	basic := func(id, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
	}
	for _, test := range []struct {
		name     string
		id       string // Config
		secret   string
		document string
		meta     map[string]any // of the server
		answer   map[string]any // of registration
		asked    string         // token_endpoint_auth_method of the registration; "" means no registration
		wantID   string         // in the form
		wantPost string         // secret in the form
		wantAuth string         // Authorization
	}{
		{name: "registered, public", asked: authNone, wantID: "client-1"},
		{name: "registered, nothing advertised", meta: map[string]any{"token_endpoint_auth_methods_supported": nil},
			asked: authNone, wantID: "client-1"},
		{name: "registered, basic", meta: map[string]any{"token_endpoint_auth_methods_supported": []string{authBasic}},
			answer: map[string]any{"client_secret": "s:1&"}, asked: authBasic, wantAuth: basic("client-1", "s:1&")},
		{name: "registered, post", meta: map[string]any{"token_endpoint_auth_methods_supported": []string{authPost}},
			answer: map[string]any{"client_secret": "s"}, asked: authPost, wantID: "client-1", wantPost: "s"},
		{name: "another method than asked for", answer: map[string]any{"client_secret": "s", "token_endpoint_auth_method": authPost},
			asked: authNone, wantID: "client-1", wantPost: "s"},
		{name: "a secret that is not for us", answer: map[string]any{"client_secret": "s"}, asked: authNone, wantID: "client-1"},
		{name: "a secret without a method", answer: map[string]any{"client_secret": "s", "token_endpoint_auth_method": nil},
			asked: authNone, wantAuth: basic("client-1", "s")},
		{name: "given", id: "mine", wantID: "mine"},
		{name: "given, with a secret", id: "mine", secret: "s", meta: map[string]any{"token_endpoint_auth_methods_supported": nil},
			wantAuth: basic("mine", "s")},
		{name: "given, post only", id: "mine", secret: "s", meta: map[string]any{"token_endpoint_auth_methods_supported": []string{authPost}},
			wantID: "mine", wantPost: "s"},
		{name: "given before document", id: "mine", document: "https://x.example/client.json",
			meta: map[string]any{"client_id_metadata_document_supported": true}, wantID: "mine"},
		{name: "document before registration", document: "https://x.example/client.json",
			meta: map[string]any{"client_id_metadata_document_supported": true}, wantID: "https://x.example/client.json"},
		{name: "document where it is not supported", document: "https://x.example/client.json", asked: authNone, wantID: "client-1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, b := newWorld(t), &browser{}
			w.script(func() { w.meta, w.register = test.meta, test.answer })
			w.taking(func(rw http.ResponseWriter, r *http.Request) bool { // knows all clients
				if r.URL.Path == "/authorize" {
					w.script(func() { w.clients[r.Form.Get("client_id")] = []string{r.Form.Get("redirect_uri")} })
				}
				return false
			})
			cfg := w.config(t.TempDir(), b)
			cfg.ClientID, cfg.ClientSecret, cfg.ClientMetadataURL = test.id, test.secret, test.document
			c := newClient(t, cfg)
			mustCall(t, c, "sign in")
			w.refuseAll()
			mustCall(t, c, "refresh")
			for _, kind := range []string{"token:authorization_code", "token:refresh_token"} {
				f := w.form(kind)
				if f.Get("client_id") != test.wantID || f.Get("client_secret") != test.wantPost || w.authorization(kind) != test.wantAuth {
					t.Errorf("%s: client_id %q, client_secret %q, Authorization %q", kind, f.Get("client_id"), f.Get("client_secret"), w.authorization(kind))
				}
			}
			if body := w.form("register").Get("body"); strings.Contains(body, `"token_endpoint_auth_method":"`+test.asked+`"`) != (test.asked != "") {
				t.Errorf("registration: %s", body)
			}
		})
	}
}

func TestRegistrationRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		meta   map[string]any
		answer func(rw http.ResponseWriter)
		want   string // in the error
	}{
		{"not offered", map[string]any{"registration_endpoint": nil}, nil, "--client-id"},
		{"refused", nil, func(rw http.ResponseWriter) {
			reply(rw, 400, map[string]any{"error": "invalid_redirect_uri", "error_description": "this domain\nis not allowed"})
		}, `"invalid_redirect_uri" (this domain is not allowed)`},
		{"refused by a page", nil, func(rw http.ResponseWriter) { http.Error(rw, "<h1>no</h1>", http.StatusForbidden) }, "403"},
		{"no client ID", nil, func(rw http.ResponseWriter) { reply(rw, 201, map[string]any{}) }, "no client ID"},
		{"unknown method", nil, func(rw http.ResponseWriter) {
			reply(rw, 201, map[string]any{"client_id": "x", "token_endpoint_auth_method": "private_key_jwt"})
		}, "private_key_jwt"},
		{"method without its secret", nil, func(rw http.ResponseWriter) {
			reply(rw, 201, map[string]any{"client_id": "x", "token_endpoint_auth_method": authBasic})
		}, "no secret"},
		{"redirected", nil, func(rw http.ResponseWriter) {
			rw.Header().Set("Location", "/register2")
			rw.WriteHeader(http.StatusTemporaryRedirect)
		}, "redirected"},
		{"in trouble", nil, func(rw http.ResponseWriter) { rw.WriteHeader(502) }, "unavailable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, b := newWorld(t), &browser{}
			w.script(func() { w.meta = test.meta })
			w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/register" {
					test.answer(rw)
				}
				return r.URL.Path == "/register"
			})
			_, _, err := call(Interactive(t.Context()), newClient(t, w.config(t.TempDir(), b)), "x")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			w.wantCounts("authorize=0", "register2=0")
		})
	}
}

func TestStale(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{&Error{Code: "invalid_client"}, true},
		{&Error{Code: "unauthorized_client"}, true},
		{&Error{Code: "invalid_request", Description: "redirect_uri is not registered for client: http://127.0.0.1:1"}, true},
		{&Error{Code: "invalid_request", Description: "failed to retrieve client"}, true},
		{&Error{Status: 422, Description: "Unrecognized client_id"}, true},
		{&Error{Code: "invalid_request", Description: "Incorrect request parameters"}, false},
		{&Error{Code: "access_denied", Description: "the client was refused"}, false},
		{&Error{Code: "invalid_grant", Description: "Client ID mismatch"}, false},
		{&TransientError{Err: errors.New("x")}, false},
		{errStale, true},
	} {
		if got := stale(test.err); got != test.want {
			t.Errorf("%v: %v", test.err, got)
		}
	}
}
