package issuer

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestDocument signs in as a client that publishes what it is.
func TestDocument(t *testing.T) {
	w := newWorld(t)
	in := w.registered("/v2/mcp")
	published := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json; charset=utf-8")
		fmt.Fprintf(rw, `{"client_id": "http://%s/client.json", "client_name": "Published", "redirect_uris": [%q]}`, r.Host, in.Config.RedirectURL)
	}))
	defer published.Close()
	in.ClientID = published.URL + "/client.json"
	tok := in.token(Choice{})
	if g, _ := w.check("Bearer "+tok.AccessToken, "/v2/mcp"); g == nil || g.Client != "Published" {
		t.Errorf("got %+v", g)
	}
	if status, got := in.refresh(tok.RefreshToken); status != 200 {
		t.Errorf("refreshing: %d %v", status, got)
	}
	in.Endpoint.AuthURL = w.origin + "/v1/authorize"
	if status, _ := w.visit(in.authURL()); status != 500 {
		t.Errorf("the v1 server answered %d", status)
	}
}

func TestDocumentErrors(t *testing.T) {
	const good = `{"client_id": "ID", "client_name": "x", "redirect_uris": ["REDIRECT"]}`
	for _, tt := range []struct {
		name, kind, body string
		status           int
	}{
		{"not found", "application/json", good, 404},
		{"another client", "application/json", strings.Replace(good, "ID", "ID2", 1), 200},
		{"no redirects", "application/json", `{"client_id": "ID"}`, 200},
		{"other redirects", "application/json", strings.Replace(good, "REDIRECT", "http://127.0.0.1:1/", 1), 200},
		{"not JSON", "application/json", "<html>", 200},
		{"a page", "text/html", good, 200},
		{"a secret", "application/json", strings.Replace(good, "{", `{"client_secret": "x",`, 1), 200},
		{"a method", "application/json", strings.Replace(good, "{", `{"token_endpoint_auth_method": "client_secret_post",`, 1), 200},
		{"large", "application/json", good + strings.Repeat(" ", maxDocument), 200},
		{"redirect", "application/json", good, 302},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			in := w.registered("/v2/mcp")
			published := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Content-Type", tt.kind)
				status := tt.status
				if r.URL.Path == "/elsewhere" {
					status = 200
				}
				rw.Header().Set("Location", "/elsewhere")
				rw.WriteHeader(status)
				id := "http://" + r.Host + "/client.json"
				io.WriteString(rw, strings.NewReplacer("ID", id, "REDIRECT", in.Config.RedirectURL).Replace(tt.body))
			}))
			defer published.Close()
			in.ClientID = published.URL + "/client.json"
			if status, to := w.visit(in.authURL()); status != 302 || to.Path != "/identity/error" {
				t.Errorf("got %d %s", status, to)
			}
			if got := w.Counts().Consents; got != 0 {
				t.Errorf("%d pages were shown", got)
			}
		})
	}
}

func TestDocumentURL(t *testing.T) {
	for id, want := range map[string]bool{
		"https://editor.example/client.json":      true,
		"https://editor.example/a/b/":             true,
		"http://127.0.0.1:8080/client.json":       true,
		"http://[::1]:8080/client.json":           true,
		"http://localhost/client.json":            true,
		"http://editor.example/client.json":       false,
		"http://127.0.0.1.editor.example/x":       false,
		"https://editor.example":                  false,
		"https://editor.example/":                 false,
		"https://editor.example/a/../client.json": false,
		"https://editor.example/client.json#x":    false,
		"https://me:pw@editor.example/x":          false,
		"file:///etc/passwd":                      false,
		"ftp://editor.example/x":                  false,
		"https://":                                false,
		"://":                                     false,
	} {
		if err := checkDocumentURL(id); (err == nil) != want {
			t.Errorf("checkDocumentURL(%q) = %v", id, err)
		}
	}
}
