//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
)

// agree is the person at the consent page: the last one of those offered, who says which sites they see, and accepts.
const agree = `<script>
const people = document.querySelectorAll('input[name=email]');
if (people.length) people[people.length - 1].click();
const seen = [...document.querySelectorAll('.site')].filter((site) => getComputedStyle(site).display !== 'none');
document.forms[0].action += '?' + new URLSearchParams(seen.map((site) => ['seen', site.querySelector('input').value]));
document.querySelector('button[value=accept]').click();
</script>`

// TestSandboxBrowser agrees on the sandbox's consent pages in Chromium. The pages have no script; the person is one that a proxy puts in.
//
// With -artifacts the screenshots are kept. It is skipped as TestSignInBrowser is.
func TestSandboxBrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		missing := t.Skip
		if os.Getenv("ATLASSIAN_MCP_PEERS") == "required" {
			missing = t.Fatal
		}
		missing("Chromium is not installed: apt-get install chromium")
	}
	for _, tt := range []struct {
		name, authorize, register, resource string
		scheme                              colorScheme
	}{
		{"v1", "/v1/authorize", "/v1/register", "", light},
		{"identity", "/identity/authorize", "/identity/VCeDsk8Z/dcr/register", "/v2/mcp", dark},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := sandbox.Start(sandbox.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprintf(w, "code=%t error=%s", r.FormValue("code") != "", r.FormValue("error"))
			}))
			defer back.Close()
			var seen []string // by the person, on the last page; read when the browser is gone
			proxy := consentProxy(t, s.URL(), &seen)

			id := registerAt(t, s.URL()+tt.register, back.URL+"/callback")
			q := url.Values{
				"response_type": {"code"}, "client_id": {id}, "redirect_uri": {back.URL + "/callback"}, "state": {"x"},
				"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
			}
			if tt.resource != "" {
				q.Set("resource", s.URL()+tt.resource)
			}
			screenshot := filepath.Join(t.ArtifactDir(), "consent.png")
			showIn(t, chromium, s.URL()+tt.authorize+"?"+q.Encode(), tt.scheme, screenshot)
			tt.scheme.check(t, screenshot)
			page := showIn(t, chromium, proxy.URL+tt.authorize+"?"+q.Encode(), tt.scheme, filepath.Join(t.ArtifactDir(), "back.png"))
			if !strings.Contains(page, "code=true error=<") {
				t.Errorf("the browser came to %s", page)
			}
			var want []string
			for _, p := range s.Org().People() {
				if !p.Service {
					want = nil
					for _, place := range s.Org().Places(p.Account) {
						want = append(want, place.ID)
					}
				}
			}
			if !slices.Equal(seen, want) {
				t.Errorf("the person saw the sites %q, want %q", seen, want)
			}
		})
	}
}

// consentProxy is before the sandbox, and has somebody agree on its pages.
func consentProxy(t *testing.T, origin string, seen *[]string) *httptest.Server {
	t.Helper()
	target, err := url.Parse(origin)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("Accept-Encoding")
			if r.In.Method == http.MethodPost {
				*seen = r.In.URL.Query()["seen"]
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
				return nil
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			body = append(body, agree...)
			resp.Body = io.NopCloser(bytes.NewReader(body))
			resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
			resp.Header.Set("Content-Security-Policy", resp.Header.Get("Content-Security-Policy")+"; script-src 'unsafe-inline'")
			return nil
		},
	}
	hs := httptest.NewServer(proxy)
	t.Cleanup(hs.Close)
	return hs
}

// registerAt registers a client, and returns its ID.
func registerAt(t *testing.T, endpoint, redirect string) string {
	t.Helper()
	body := fmt.Sprintf(`{"client_name": "An editor", "redirect_uris": [%q], "token_endpoint_auth_method": "none"}`, redirect)
	resp, err := http.Post(endpoint, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var reg struct {
		ID string `json:"client_id"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&reg); err != nil || reg.ID == "" {
		t.Fatalf("registering: %s, %v", resp.Status, err)
	}
	return reg.ID
}
