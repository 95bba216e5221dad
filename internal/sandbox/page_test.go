package sandbox_test

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
)

// browse sends a request as a browser does, without script. It returns where it is sent to, if anywhere.
func browse(t *testing.T, s *sandbox.Server, method, path string, form url.Values, header http.Header) (
	status int, location, page string, got http.Header,
) {
	t.Helper()
	req, err := http.NewRequest(method, s.Endpoint(path), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if host := header.Get("Host"); host != "" {
		req.Host = host
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Location"), string(text), resp.Header
}

// TestLivePage sees what a person sees.
func TestLivePage(t *testing.T) {
	s, err := sandbox.Start(sandbox.Config{Command: "/opt/relay", Faults: []string{"slow=1ms"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, none := range []string{"Nobody has signed in", "No session is open", "No tool has been called"} {
		if _, _, page, _ := browse(t, s, "GET", "/", nil, nil); !strings.Contains(page, none) {
			t.Errorf("at first: %s", page)
		}
	}
	c, _ := signIn(t, s, "/v1/mcp/authv2")
	c.initialize()
	c.post(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"<b>no</b>","arguments":{"cloudId":"secret","<i>":1}}}`)
	status, _, page, header := browse(t, s, "GET", "/", nil, nil)
	if status != 200 {
		t.Fatalf("status %d: %s", status, page)
	}
	text := html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, " "))
	for _, want := range []string{
		`"command": "/opt/relay"`, `"args": ["` + s.Endpoint("/v1/mcp") + `"]`, "It is not Atlassian’s", s.Endpoint("/v2/mcp?tools=all"),
		"Ada Marsh", "tester", "identity  /v1/mcp/authv2", "acme.atlassian.net", "test 1", "<b>no</b>", "<i>, cloudId", "invalid",
		"Expire all access tokens",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, f := range sandbox.Faults() {
		if !strings.Contains(text, f.Imitates) {
			t.Errorf("the page lacks %q", f.Imitates)
		}
	}
	for _, want := range []string{`id="arg-slow"[^>]* value="1ms" disabled`, `id="switch-slow"[^>]* aria-checked="true"`} {
		if !regexp.MustCompile(want).MatchString(page) {
			t.Errorf("the page doesn't have %s", want)
		}
	}
	for _, bad := range []string{"canary-", "secret", "<b>no</b>"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if got := header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %s", got)
	}
	if csp := header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; script-src 'self';") {
		t.Errorf("Content-Security-Policy: %s", csp)
	}
	for _, m := range regexp.MustCompile(`(?:src|href|action)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(m[1], "/") || strings.HasPrefix(m[1], "//") {
			t.Errorf("the page loads or leads to %q", m[1])
		}
		if status, _, _, _ := browse(t, s, "GET", m[1], nil, nil); status != 200 && m[1] != "/control/page" {
			t.Errorf("GET %s: %d", m[1], status)
		}
	}
}

// TestPageForms does without script what the live page offers.
func TestPageForms(t *testing.T) {
	s := start(t)
	for _, test := range []struct {
		form   url.Values
		status int
		want   string // part of the page
	}{
		{url.Values{"do": {"fault"}, "fault": {"slow"}, "arg": {" 200ms "}, "on": {"true"}}, 303, ""},
		{url.Values{"do": {"fault"}, "fault": {"ip-refused"}, "on": {"true"}}, 303, ""},
		{url.Values{"do": {"fault"}, "fault": {"ip-refused"}, "on": {"false"}}, 303, ""},
		{url.Values{"do": {"fault"}, "fault": {"token-expiry"}, "arg": {"<soon>"}, "on": {"true"}}, 400, `value="&lt;soon&gt;"`},
		{url.Values{"do": {"fault"}, "fault": {"token-expiry"}, "arg": {""}, "on": {"true"}}, 400, `needs an argument`},
		{url.Values{"do": {"fault"}, "fault": {"slow"}, "arg": {"for ever"}, "on": {"true"}}, 400, `not &#34;for ever&#34;`}, // it stays as it is
		{url.Values{"do": {"fault"}, "fault": {"earthquake"}, "on": {"true"}}, 400, ""},
		{url.Values{"do": {"sing"}}, 400, `"sing"`},
		{url.Values{"do": {"expire"}}, 303, ""},
		{url.Values{"do": {"revoke"}}, 303, ""},
		{url.Values{"do": {"kill"}}, 303, ""},
	} {
		status, location, page, _ := browse(t, s, "POST", "/control/page", test.form, http.Header{"Origin": {s.URL()}})
		if status != test.status || !strings.Contains(page, test.want) || status == 303 && location != "/" {
			t.Errorf("%v: %d %s %s", test.form, status, location, page)
		}
	}
	for _, f := range s.Faults() {
		if f.On != (f.Name == "slow") || f.On && f.Value != "200ms" {
			t.Errorf("fault %+v", f)
		}
	}
}

// TestPageForeign comes from other web pages, or by another name.
func TestPageForeign(t *testing.T) {
	s := start(t)
	for _, header := range []http.Header{
		{"Origin": {"https://attacker.example"}},
		{"Origin": {"null"}},
		{"Origin": {"http://localhost:1"}},
		{"Sec-Fetch-Site": {"cross-site"}},
		{"Sec-Fetch-Site": {"same-site"}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"script"}},
		{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"iframe"}},
		{"Host": {"attacker.example"}},
	} {
		for _, path := range []string{"/", "/audit", "/audit?format=json", "/data", "/page.js", "/control/faults"} {
			if status, _, page, _ := browse(t, s, "GET", path, nil, header); status != 403 {
				t.Errorf("%v GET %s: %d %s", header, path, status, page)
			}
		}
		for _, path := range []string{"/control/page", "/data"} {
			form := url.Values{"do": {"fault"}, "fault": {"cloudflare"}, "on": {"true"}}
			if status, _, page, _ := browse(t, s, "POST", path, form, header); status != 403 {
				t.Errorf("%v POST %s: %d %s", header, path, status, page)
			}
		}
	}
	link := http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}
	if status, _, _, _ := browse(t, s, "GET", "/", nil, link); status != 200 {
		t.Errorf("a link to the page: %d", status)
	}
	if status, _, _, _ := browse(t, s, "POST", "/control/page", url.Values{"do": {"kill"}}, link); status != 403 {
		t.Errorf("a form of another page: %d", status)
	}
	for _, f := range s.Faults() {
		if f.On {
			t.Errorf("%s is on", f.Name)
		}
	}
}

// TestDataPage edits the data without script.
func TestDataPage(t *testing.T) {
	s := start(t)
	data := string(s.Org().Data())
	base := regexp.MustCompile(`name="base" value="(\w+)"`)
	area := regexp.MustCompile(`(?s)<textarea[^>]*>\n(.*)</textarea>`)
	load := func(page string) (version, text string) {
		t.Helper()
		v, a := base.FindStringSubmatch(page), area.FindStringSubmatch(page)
		if v == nil || a == nil {
			t.Fatalf("the page is %s", page)
		}
		return v[1], html.UnescapeString(a[1])
	}
	_, _, page, _ := browse(t, s, "GET", "/data", nil, nil)
	version, text := load(page)
	if text != data {
		t.Errorf("the page has %d bytes, the data %d", len(text), len(data))
	}
	for _, test := range []struct{ text, problem string }{
		{"", "unexpected end"},
		{"{\r\n\r\n  \"name\": </textarea><script>alert(1)</script>", "line 3: invalid character"},
		{data + "}", "invalid character"},
		{`{"name":"no one"}`, "a site and a person"},
		{`{"colour":"blue"}`, "unknown field"},
		{"\n{\"name\":\n7}", "line 3: json: cannot unmarshal number"},
	} {
		status, _, page, _ := browse(t, s, "POST", "/data", url.Values{"data": {test.text}, "base": {version}}, nil)
		_, kept := load(page)
		if status != 400 || kept != test.text || !strings.Contains(html.UnescapeString(page), test.problem) {
			t.Errorf("%.50q: %d, keeps %.80q: %.2000s", test.text, status, kept, page)
		}
		if strings.Contains(page, "<script>alert") {
			t.Errorf("%.50q is not escaped", test.text)
		}
	}
	if string(s.Org().Data()) != data {
		t.Fatal("the data has changed")
	}

	save := func(name, version string) (status int, location, page string) {
		t.Helper()
		edited := strings.ReplaceAll(strings.Replace(data, "Ada Marsh", name, 1), "\n", "\r\n")
		status, location, page, _ = browse(t, s, "POST", "/data", url.Values{"data": {edited}, "base": {version}}, nil)
		return status, location, page
	}
	status, location, _ := save("Ada Swamp", version)
	if status != 303 {
		t.Fatalf("saving: %d", status)
	}
	if _, _, page, _ := browse(t, s, "GET", location, nil, nil); !strings.Contains(page, "Saved.") || !strings.Contains(page, "Ada Swamp") {
		t.Errorf("saved: %.2000s", page)
	}
	status, _, page = save("Ada Fen", version) // which was loaded before
	version, text = load(page)
	if status != 409 || !strings.Contains(text, "Ada Fen") || strings.Contains(string(s.Org().Data()), "Ada Fen") {
		t.Errorf("saving over a change: %d", status)
	}
	if status, _, _ = save("Ada Fen", version); status != 303 || !strings.Contains(string(s.Org().Data()), "Ada Fen") {
		t.Errorf("saving over it nevertheless: %d", status)
	}
}

// TestTokenPage makes an API token as a person does, and uses it.
func TestTokenPage(t *testing.T) {
	s := start(t)
	for _, p := range s.Org().People() {
		status, _, page, _ := browse(t, s, "POST", "/control/page", url.Values{"do": {"token"}, "person": {p.Email}}, nil)
		found := regexp.MustCompile(`Authorization: (B[a-z]+ [^<]+)<`).FindStringSubmatch(page)
		if status != 200 || found == nil {
			t.Fatalf("%s: %d %s", p.Email, status, page)
		}
		c := clientWith(t, s, "/v1/mcp", html.UnescapeString(found[1]))
		c.initialize()
		if text, isError := c.post(whoAmI).text(t); isError || !strings.Contains(text, p.Email) {
			t.Errorf("with the token of %s: %s", p.Email, text)
		}
	}
	if _, _, page, _ := browse(t, s, "GET", "/", nil, nil); strings.Contains(page, "canary-") || !strings.Contains(page, "Make an API token") {
		t.Errorf("the live page shows a token, or can't make one: %s", page)
	}
	for _, header := range []http.Header{{"Origin": {"http://evil.example"}}, {"Sec-Fetch-Site": {"cross-site"}}} {
		if status, _, _, _ := browse(t, s, "POST", "/control/page", url.Values{"do": {"token"}, "person": {"ada"}}, header); status != 403 {
			t.Errorf("%v gets %d", header, status)
		}
	}
	if status, _, _, _ := browse(t, s, "POST", "/control/page", url.Values{"do": {"token"}, "person": {"<nobody>"}}, nil); status != 400 {
		t.Errorf("a token of nobody: %d", status)
	}
}
