package auth

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// A web is all hosts there are: documents by URL. Anything else is 404.
type web struct {
	docs map[string]any // a string is sent as text/html, an int is a status, a map is JSON
	seen []string       // URLs, in order
}

func (w *web) RoundTrip(req *http.Request) (*http.Response, error) {
	u := req.URL.String()
	w.seen = append(w.seen, u)
	resp := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Request: req, Body: http.NoBody}
	switch d := w.docs[u].(type) {
	case nil:
		resp.StatusCode = 404
		resp.Body = io.NopCloser(strings.NewReader("404 Not Found"))
	case int:
		resp.StatusCode = d
	case error:
		return nil, d
	case string:
		resp.Header.Set("Content-Type", "text/html")
		resp.Body = io.NopCloser(strings.NewReader(d))
	case io.Reader:
		resp.Body = io.NopCloser(d)
	case url.URL:
		resp.StatusCode = 302
		resp.Header.Set("Location", d.String())
	default:
		data, err := json.Marshal(d)
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(strings.NewReader(string(data)))
	}
	return resp, nil
}

type doc = map[string]any

// server returns server metadata of issuer, changed by edit.
func server(issuer string, edit doc) doc {
	return merge(doc{
		"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token",
		"registration_endpoint": issuer + "/register", "code_challenge_methods_supported": []string{"plain", "S256"},
	}, edit)
}

func resource(id string, issuers ...string) doc {
	return doc{"resource": id, "authorization_servers": issuers}
}

func TestDiscovery(t *testing.T) {
	const (
		mcp     = "https://mcp.example/v1/mcp"
		prmPath = "https://mcp.example/.well-known/oauth-protected-resource/v1/mcp"
		prmRoot = "https://mcp.example/.well-known/oauth-protected-resource"
		own     = "https://mcp.example/.well-known/oauth-authorization-server"
		ownOIDC = "https://mcp.example/.well-known/openid-configuration"
		asDoc   = "https://as.example/.well-known/oauth-authorization-server"
		asOIDC  = "https://as.example/.well-known/openid-configuration"
		custom  = "https://mcp.example/custom.json"
	)
	pins := []PinnedIssuer{
		{Asked: "https://mcp.example", Answered: "https://cf.mcp.example"},
		{Asked: "https://auth.example/", Answered: "https://auth.example"},
	}
	for _, test := range []struct {
		name       string
		server     string // "" means mcp
		advertised string
		docs       map[string]any
		seen       []string
		token      string // the token endpoint found
		resource   string
		err        string // in the error; "" means none
	}{{
		name:       "advertised, and nothing else asked",
		advertised: custom,
		docs:       map[string]any{custom: resource(mcp, "https://as.example"), asDoc: server("https://as.example", nil)},
		seen:       []string{custom, asDoc},
		token:      "https://as.example/token", resource: mcp,
	}, {
		name:  "path before root",
		docs:  map[string]any{prmPath: resource(mcp, "https://as.example"), asOIDC: server("https://as.example", nil)},
		seen:  []string{prmPath, asDoc, asOIDC},
		token: "https://as.example/token", resource: mcp,
	}, {
		name:  "root, about the origin",
		docs:  map[string]any{prmRoot: resource("https://mcp.example/", "https://as.example"), asDoc: server("https://as.example", nil)},
		seen:  []string{prmPath, prmRoot, asDoc},
		token: "https://as.example/token", resource: "https://mcp.example/",
	}, {
		name:       "advertised but missing",
		advertised: custom,
		docs:       map[string]any{prmPath: resource(mcp, "https://as.example"), asDoc: server("https://as.example", nil)},
		seen:       []string{custom, prmPath, asDoc},
		token:      "https://as.example/token", resource: mcp,
	}, {
		name:   "server without a path",
		server: "https://mcp.example/",
		docs:   map[string]any{prmRoot: resource("https://mcp.example", "https://as.example"), asDoc: server("https://as.example", nil)},
		seen:   []string{prmRoot, asDoc},
		token:  "https://as.example/token", resource: "https://mcp.example",
	}, {
		name: "issuer with a path, at its third place, and never at the root",
		docs: map[string]any{
			prmPath: resource(mcp, "https://as.example/tenant1"),
			asDoc:   server("https://as.example", nil),
			"https://as.example/tenant1/.well-known/openid-configuration": server("https://as.example/tenant1", nil),
		},
		seen: []string{prmPath, asDoc + "/tenant1", asOIDC + "/tenant1",
			"https://as.example/tenant1/.well-known/openid-configuration"},
		token: "https://as.example/tenant1/token", resource: mcp,
	}, {
		name: "issuer with a path but no document",
		docs: map[string]any{prmPath: resource(mcp, "https://as.example/t"), asDoc: server("https://as.example", nil)},
		seen: []string{prmPath, asDoc + "/t", asOIDC + "/t", "https://as.example/t/.well-known/openid-configuration"},
		err:  "no metadata",
	}, {
		name: "second authorization server, when the first won't do",
		docs: map[string]any{
			prmPath: resource(mcp, "https://no.example", "https://as.example"),
			asDoc:   server("https://as.example", nil),
		},
		seen: []string{prmPath, "https://no.example/.well-known/oauth-authorization-server",
			"https://no.example/.well-known/openid-configuration", asDoc},
		token: "https://as.example/token", resource: mcp,
	}, {
		name:  "2025-03-26, with metadata",
		docs:  map[string]any{own: server("https://mcp.example", doc{"token_endpoint": "https://mcp.example/oauth/t"})},
		seen:  []string{prmPath, prmRoot, own},
		token: "https://mcp.example/oauth/t", resource: mcp,
	}, {
		name:  "2025-03-26, without metadata",
		seen:  []string{prmPath, prmRoot, own, ownOIDC},
		token: "https://mcp.example/token", resource: mcp,
	}, {
		name:  "pages in place of documents are none",
		docs:  map[string]any{prmPath: "<html>", prmRoot: "<html>", own: "<html>", ownOIDC: "<html>"},
		seen:  []string{prmPath, prmRoot, own, ownOIDC},
		token: "https://mcp.example/token", resource: mcp,
	}, {
		name:  "pinned issuer",
		docs:  map[string]any{own: server("https://mcp.example", doc{"issuer": "https://cf.mcp.example"})},
		seen:  []string{prmPath, prmRoot, own},
		token: "https://mcp.example/token", resource: mcp,
	}, {
		name: "pinned issuer below another",
		docs: map[string]any{prmPath: resource(mcp, "https://auth.example/tenant"),
			"https://auth.example/.well-known/oauth-authorization-server/tenant": server("https://auth.example/tenant", doc{"issuer": "https://auth.example"})},
		seen:  []string{prmPath, "https://auth.example/.well-known/oauth-authorization-server/tenant"},
		token: "https://auth.example/tenant/token", resource: mcp,
	}, {
		name: "wrong issuer",
		docs: map[string]any{prmPath: resource(mcp, "https://as.example"), asDoc: server("https://evil.example", nil)},
		seen: []string{prmPath, asDoc},
		err:  "calls itself",
	}, {
		name: "issuer that differs by a slash",
		docs: map[string]any{prmPath: resource(mcp, "https://as.example/"), asDoc: server("https://as.example", nil)},
		seen: []string{prmPath, asDoc},
		err:  "calls itself",
	}, {
		name: "resource of another origin",
		docs: map[string]any{prmPath: resource("https://evil.example/v1/mcp", "https://as.example"), asDoc: server("https://as.example", nil)},
		seen: []string{prmPath},
		err:  "another resource",
	}, {
		name: "resource of another path",
		docs: map[string]any{prmPath: resource("https://mcp.example/v1/m", "https://as.example"), asDoc: server("https://as.example", nil)},
		seen: []string{prmPath},
		err:  "another resource",
	}, {
		name: "no resource",
		docs: map[string]any{prmPath: doc{"authorization_servers": []string{"https://as.example"}}},
		seen: []string{prmPath},
		err:  "resource",
	}, {
		name: "no authorization server",
		docs: map[string]any{prmPath: resource(mcp)},
		seen: []string{prmPath},
		err:  "no authorization server",
	}, {
		name: "no PKCE",
		docs: map[string]any{prmPath: resource(mcp, "https://as.example"), asDoc: server("https://as.example", doc{"code_challenge_methods_supported": nil})},
		seen: []string{prmPath, asDoc},
		err:  "S256",
	}, {
		name: "plain PKCE only",
		docs: map[string]any{prmPath: resource(mcp, "https://as.example"), asDoc: server("https://as.example", doc{"code_challenge_methods_supported": []string{"plain"}})},
		seen: []string{prmPath, asDoc},
		err:  "S256",
	}, {
		name: "http issuer",
		docs: map[string]any{prmPath: resource(mcp, "http://as.example")},
		seen: []string{prmPath},
		err:  "not https",
	}, {
		name: "http token endpoint",
		docs: map[string]any{prmPath: resource(mcp, "https://as.example"), asDoc: server("https://as.example", doc{"token_endpoint": "http://as.example/token"})},
		seen: []string{prmPath, asDoc},
		err:  "token endpoint",
	}, {
		name: "javascript authorization endpoint",
		docs: map[string]any{prmPath: resource(mcp, "https://as.example"), asDoc: server("https://as.example", doc{"authorization_endpoint": "javascript:alert(1)"})},
		seen: []string{prmPath, asDoc},
		err:  "authorization endpoint",
	}, {
		name: "file authorization endpoint",
		docs: map[string]any{prmPath: resource(mcp, "https://as.example"), asDoc: server("https://as.example", doc{"authorization_endpoint": "file:///etc/passwd"})},
		seen: []string{prmPath, asDoc},
		err:  "authorization endpoint",
	}, {
		name:       "advertised with http",
		advertised: "http://mcp.example/custom.json",
		err:        "not https",
	}, {
		name: "redirect to http",
		docs: map[string]any{prmPath: url.URL{Scheme: "http", Host: "mcp.example", Path: "/x"}},
		seen: []string{prmPath},
		err:  "redirected to",
	}, {
		name: "redirect to https",
		docs: map[string]any{prmPath: url.URL{Scheme: "https", Host: "mcp.example", Path: "/x"},
			"https://mcp.example/x": resource(mcp, "https://as.example"), asDoc: server("https://as.example", nil)},
		seen:  []string{prmPath, "https://mcp.example/x", asDoc},
		token: "https://as.example/token", resource: mcp,
	}, {
		name: "document of 100 MB",
		docs: map[string]any{prmPath: io.LimitReader(repeat('{'), 100<<20)},
		seen: []string{prmPath},
		err:  "1 MiB",
	}, {
		name: "malformed document",
		docs: map[string]any{prmPath: strings.NewReader(`{"resource":`)},
		seen: []string{prmPath},
		err:  "malformed",
	}, {
		name: "server in trouble, which says nothing about the document",
		docs: map[string]any{prmPath: 503, prmRoot: resource(mcp, "https://as.example"), asDoc: server("https://as.example", nil)},
		seen: []string{prmPath},
		err:  "unavailable",
	}, {
		name: "network in trouble",
		docs: map[string]any{prmPath: resource(mcp, "https://as.example"), asDoc: errors.New("connection refused")},
		seen: []string{prmPath, asDoc},
		err:  "unavailable",
	}} {
		t.Run(test.name, func(t *testing.T) {
			if test.server == "" {
				test.server = mcp
			}
			u, err := url.Parse(test.server)
			if err != nil {
				t.Fatal(err)
			}
			c := newClient(t, Config{Server: u, PinnedIssuers: pins})
			w := &web{docs: test.docs}
			c.oauth.Transport = w
			p, err := c.discover(t.Context(), challenge{ResourceMetadata: test.advertised})
			if !slices.Equal(w.seen, test.seen) {
				t.Errorf("asked for\n%s\nwant\n%s", strings.Join(w.seen, "\n"), strings.Join(test.seen, "\n"))
			}
			switch {
			case test.err != "":
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got error %v, want one with %q", err, test.err)
				}
			case err != nil:
				t.Error(err)
			case p.as.TokenEndpoint != test.token || p.resource != test.resource:
				t.Errorf("got %s for %s, want %s for %s", p.as.TokenEndpoint, p.resource, test.token, test.resource)
			}
		})
	}
}

// repeat is a reader without end.
type repeat byte

func (r repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

func TestPinnedIssuerWarns(t *testing.T) {
	var log strings.Builder
	u := &url.URL{Scheme: "https", Host: "mcp.example", Path: "/mcp"}
	c := newClient(t, Config{Server: u, Log: slog.New(slog.NewTextHandler(&log, nil)),
		PinnedIssuers: []PinnedIssuer{{"https://mcp.example", "https://cf.mcp.example"}}})
	c.oauth.Transport = &web{docs: map[string]any{
		"https://mcp.example/.well-known/oauth-authorization-server": server("https://mcp.example", doc{"issuer": "https://cf.mcp.example"}),
	}}
	p, err := c.discover(t.Context(), challenge{})
	if err != nil {
		t.Fatal(err)
	}
	if p.issuer != "https://mcp.example" || p.as.Issuer != "https://cf.mcp.example" || !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("got %+v, log %q", p, log.String())
	}
}

// A public server must not send us to the user's own network.
func TestPrivateAddressesAreRefused(t *testing.T) {
	w := newWorld(t) // on 127.0.0.1
	for _, test := range []struct {
		server string
		want   bool // of success
	}{
		{"https://203.0.113.7/mcp", false},
		{"https://10.0.0.7/mcp", true}, // private itself
		{"http://127.0.0.1/mcp", true},
	} {
		u, err := url.Parse(test.server)
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, Config{Server: u})
		var rm resourceMetadata
		err = c.fetch(context.Background(), w.URL+"/.well-known/oauth-protected-resource/mcp", &rm)
		if (err == nil) != test.want || err != nil && !errors.Is(err, errPrivate) {
			t.Errorf("server %s: %v", test.server, err)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"resource":"https://mcp.example/mcp","authorization_servers":["https://mcp.example"],"scopes_supported":null}`))
	f.Add([]byte(`{"issuer":"https://mcp.example","token_endpoint":"https://mcp.example/t","authorization_endpoint":"https://mcp.example/a","code_challenge_methods_supported":["S256"]}`))
	f.Add([]byte(`{"resource":1,"issuer":[]}`))
	u := &url.URL{Scheme: "https", Host: "mcp.example", Path: "/mcp"}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := newClient(t, Config{Server: u})
		c.oauth.Transport = &web{docs: map[string]any{
			"https://mcp.example/.well-known/oauth-protected-resource/mcp": io.MultiReader(strings.NewReader(string(data))),
			"https://mcp.example/.well-known/oauth-authorization-server":   io.MultiReader(strings.NewReader(string(data))),
		}}
		p, err := c.discover(t.Context(), challenge{})
		if err != nil {
			return
		}
		for _, e := range []string{p.as.AuthorizationEndpoint, p.as.TokenEndpoint} {
			if _, err := checkURL(e, false); err != nil {
				t.Errorf("endpoint accepted: %v", err)
			}
		}
		if p.as.Issuer != p.issuer {
			t.Errorf("issuer %q accepted for %q", p.as.Issuer, p.issuer)
		}
	})
}
