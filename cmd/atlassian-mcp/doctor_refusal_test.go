package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestDoctorRefusals has a server refuse in each of the ways of Atlassian's that the sandbox has no fault for, or another one with the same meaning.
func TestDoctorRefusals(t *testing.T) {
	tool := func(text string) map[string]string {
		quoted, _ := json.Marshal(text) // a string
		return map[string]string{"tools/call": `{"content":[{"type":"text","text":` + string(quoted) + `}],"isError":true}`}
	}
	fails := func(method, answer string) map[string]string { return map[string]string{method: "error:" + answer} }
	const (
		token       = "with an API token"
		admin       = "organization admin"
		serverPage  = "admin.atlassian.com, Rovo, Rovo MCP server"
		tokenPage   = "id.atlassian.com, Security, API tokens"
		notFound    = `{"code":-32601,"message":"Method not found"}`
		tenantInfo  = `{"error":true,"message":"Failed to fetch tenant info for cloud ID: x. Status: 404"}`
		noCloudID   = `{"code":-32602,"message":"Invalid arguments for tool x: [{\"code\":\"invalid_type\",\"expected\":\"string\",\"received\":\"undefined\",\"path\":[\"cloudId\"],\"message\":\"Required\"}]"}`
		unavailable = `{"error":true,"message":"Authentication failed: {\"code\":401,\"message\":\"Unauthorized\"}"}`
	)
	for name, tt := range map[string]struct {
		answers        map[string]string
		as             string
		check, refusal string
		advice         []string
	}{
		"address":          {answers: tool("You don’t have permission to connect from this IP address. Please ask your admin for access."), check: "access", refusal: "ip-refused", advice: []string{"VPN", "admin.atlassian.com, Security, IP allowlists"}},
		"unauthorized":     {answers: tool(unavailable), check: "access", refusal: "sign-in-expired", advice: []string{"a relay renews it by itself", "run 'atlassian-mcp login http://"}},
		"token expired":    {answers: tool(unavailable), as: token, check: "access", refusal: "sign-in-expired", advice: []string{"create a new API token", tokenPage}},
		"token rejected":   {answers: fails("tools/call", `{"code":-32000,"message":"Authentication failed: {\"code\":401}"}`), as: token, check: "access", refusal: "sign-in-expired", advice: []string{"create a new API token", tokenPage}},
		"filter":           {answers: tool(`{"error":true,"message":"accessibleResources.filter is not a function"}`), check: "access", refusal: "sign-in-expired", advice: []string{"run 'atlassian-mcp login http://"}},
		"tenant info":      {answers: tool(tenantInfo), check: "access", refusal: "unknown-cloud-id", advice: []string{"getAccessibleAtlassianResources"}},
		"cloudId":          {answers: fails("tools/call", noCloudID), check: "access", refusal: "missing-cloud-id", advice: []string{"pass cloudId"}},
		"abort":            {answers: fails("tools/call", `{"code":-32001,"message":"AbortError"}`), check: "access", refusal: "timed-out", advice: []string{"ask for less"}},
		"300 seconds":      {answers: tool("request timeout after PT300S"), check: "access", refusal: "timed-out", advice: []string{"has changed"}},
		"scopes of a 3LO":  {answers: tool(`{"error":true,"message":"Failed to fetch accessible products: 401"}`), as: token, check: "access", refusal: "missing-scopes", advice: []string{tokenPage, "--api-token"}},
		"service account":  {answers: tool("Cloud id isn't explicitly granted"), as: token, check: "access", refusal: "cloud-id-not-granted", advice: []string{admin, "the service account"}},
		"token disabled":   {answers: tool("You don't have permission to connect via API token. Please ask your organization admin for access."), as: token, check: "access", refusal: "api-token-disabled", advice: []string{admin, serverPage + ", Authentication"}},
		"organization key": {answers: fails("tools/list", notFound), as: token, check: "tools", refusal: "organization-key", advice: []string{"API key of an organization", tokenPage}},
		"no such method":   {answers: fails("tools/list", notFound), check: "tools", advice: []string{"doctor --debug"}},
		"another failure":  {answers: tool("no luck today"), check: "access", advice: []string{"doctor --debug"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, address := startScripted(t, `{"name":"atlassianUserInfo"},{"name":"b"},{"name":"c"},{"name":"d"}`, tt.answers)
			u := newShell(t)
			if tt.as == token {
				u.env = append(u.env, apiTokenEnv+"=canary-token")
			}
			d, status := u.doctor(address)
			d.want(t, status, tt.check, tt.refusal, tt.advice...)
		})
	}
}

// TestDoctorStatus has something on the way to Atlassian's server, or the server, refuse all requests.
func TestDoctorStatus(t *testing.T) {
	for name, tt := range map[string]struct {
		status                 int
		contentType, body      string
		token                  bool
		check, refusal, advice string
	}{
		"user agent": {status: http.StatusForbidden, contentType: "text/plain", body: "error code: 1010", check: "session", refusal: "cloudflare", advice: "let https://mcp.atlassian.com through untouched"},
		"page":       {status: http.StatusForbidden, contentType: "text/html", body: "<title>Attention Required! | Cloudflare</title>", check: "session", refusal: "cloudflare", advice: "User-Agent"},
		"bad token":  {status: http.StatusUnauthorized, contentType: "application/json", body: `{"error":"invalid_token"}`, token: true, check: "session", advice: "check ATLASSIAN_EMAIL and ATLASSIAN_API_TOKEN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			}))
			defer srv.Close()
			u := newShell(t)
			if tt.token {
				u.env = append(u.env, apiTokenEnv+"=canary-token")
			}
			d, status := u.doctor(srv.URL + "/v1/mcp")
			d.want(t, status, tt.check, tt.refusal, tt.advice)
		})
	}
}

// TestDoctorLastFailure has the browser come back with what kept the person from signing in.
func TestDoctorLastFailure(t *testing.T) {
	s, u := startSandbox(t), newShell(t)
	address := s.Endpoint("/v1/mcp")
	login := u.command("login", "--no-browser", address, "--profile", "work")
	stderr, err := login.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := login.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(strings.TrimSpace(line), "Open this page to sign in: ")
	asked, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	q := url.Values{"state": {asked.Query().Get("state")}, "error": {"access_denied"}, "error_description": {"Your site admin must authorize this app"}}
	resp, err := http.Get(asked.Query().Get("redirect_uri") + "?" + q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	io.Copy(io.Discard, stderr)
	login.Wait() // has failed
	d, status := u.doctor(address, "--profile", "work")
	d.want(t, status, "sign-in", "admin-must-authorize", "have a site admin sign in with 'atlassian-mcp login "+address+" --profile work'", "admin.atlassian.com, Apps")
	if details := strings.Join(d.found(t, "sign-in").Details, "\n"); !strings.Contains(details, "it said: the last sign-in failed: ") || strings.Contains(details, "if the page") {
		t.Errorf("details %q", details)
	}
}

// TestDoctorPending has a page wait for a person: it is theirs to open, and its address is worth nothing without its query.
func TestDoctorPending(t *testing.T) {
	s, u := startSandbox(t), newShell(t)
	address := s.Endpoint("/v1/mcp")
	login := u.command("login", "--no-browser", address)
	stderr, err := login.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := login.Start(); err != nil {
		t.Fatal(err)
	}
	defer login.Wait()
	defer login.Process.Kill()
	for b := make([]byte, 1); b[0] != '\n'; { // there is a page
		if _, err := stderr.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	d, status := u.doctor(address)
	d.want(t, status, "sign-in", "", "run 'atlassian-mcp login "+address+"'", "--explain")
	details := d.found(t, "sign-in").Details
	if len(details) < 3 || !strings.Contains(details[0], "a page waits for a sign-in until ") || strings.Contains(details[0], "://") || !strings.Contains(details[2], "site admin must authorize") {
		t.Errorf("details %q", details)
	}
}
