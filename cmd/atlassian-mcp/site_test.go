package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

const siteID = "3f2b1c9e-7a64-4d0e-9d5b-1f0c6a8e4b21"

func TestSiteFlag(t *testing.T) {
	for text, want := range map[string]siteFlag{
		"acme":                                    {"acme.atlassian.net", "https://acme.atlassian.net"},
		" Acme.Atlassian.net/ ":                   {"acme.atlassian.net", "https://acme.atlassian.net"},
		"https://acme-labs.atlassian.net":         {"acme-labs.atlassian.net", "https://acme-labs.atlassian.net"},
		"http://acme.atlassian.net/jira/software": {"acme.atlassian.net", "https://acme.atlassian.net"},
		"http://127.0.0.1:8417":                   {"127.0.0.1:8417", "http://127.0.0.1:8417"},
		"http://localhost:8417/acme-labs/":        {"localhost:8417/acme-labs", "http://localhost:8417/acme-labs"},
		"http://[::1]:80":                         {"[::1]:80", "http://[::1]:80"},
		"":                                        {}, "-acme": {}, "acme.example.com": {}, "https://acme.example.com": {}, "https://u:p@acme.atlassian.net": {}, siteID: {},
		"https://acme.atlassian.net:8443": {}, "a.b.atlassian.net": {}, "acme.atlassian.net.": {}, "acme/../x": {}, "ftp://acme.atlassian.net": {}, "acmé": {}, "a c": {},
		"https://acme.atlassian.net@127.0.0.1": {}, ".atlassian.net": {}, "http://127.0.0.1:1/?x": {}, "file:///127.0.0.1": {},
	} {
		var got siteFlag
		if err := got.Set(text); got != want || (err == nil) != (want.name != "") {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

// TestSiteUsage gives names that are none.
func TestSiteUsage(t *testing.T) {
	for _, args := range [][]string{{"--site", "acme.example.com"}, {"call", "x", "--site", siteID}, {"--site", ""}, {"--site", "a", "--site", "b"}} {
		if _, stderr, status := newShell(t).run(args...); status != exitUsage || !strings.Contains(stderr, "--site") {
			t.Errorf("%q: status %d, %q", args, status, stderr)
		}
	}
}

// TestLocate asks what plays a site.
func TestLocate(t *testing.T) {
	var asked []string
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Host+r.URL.Path)
		if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" || !strings.HasPrefix(r.UserAgent(), "atlassian-mcp/") {
			t.Errorf("header %v", r.Header)
		}
		answers := map[string]func(){
			"acme": func() { fmt.Fprintf(w, `{"cloudId":%q,"more":1}`, siteID) },
			"moved": func() {
				http.Redirect(w, r, "https://acme.atlassian.net/_edge/tenant_info", http.StatusMovedPermanently)
			},
			"lost":     func() { http.Redirect(w, r, "https://acme.atlassian.net.example/_edge/tenant_info", http.StatusFound) },
			"plain":    func() { http.Redirect(w, r, "http://acme.atlassian.net/_edge/tenant_info", http.StatusFound) },
			"loop":     func() { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
			"busy":     func() { http.Error(w, "later", http.StatusServiceUnavailable) },
			"portal":   func() { fmt.Fprint(w, "<title>Log in</title>") },
			"odd":      func() { fmt.Fprint(w, `{"cloudId":"`+siteID+`\"x"}`) },
			"nameless": func() { fmt.Fprint(w, `{"cloudId":null}`) },
			"huge":     func() { fmt.Fprintf(w, `{"a":%q,"cloudId":%q}`, strings.Repeat("x", 1<<20), siteID) },
			"broken":   func() { panic(http.ErrAbortHandler) },
		}
		if answer := answers[strings.TrimSuffix(r.Host, siteDomain)]; answer != nil {
			answer()
		} else {
			http.NotFound(w, r)
		}
	}))
	defer site.Close()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, site.Listener.Addr().String())
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the certificate is for another name
	}
	defer transport.CloseIdleConnections()
	for _, name := range []string{"HOME", "LocalAppData"} {
		t.Setenv(name, t.TempDir())
	}
	locate := func(name string) (string, error) {
		var flag siteFlag
		if err := flag.Set(name); err != nil {
			t.Fatal(err)
		}
		return (&locator{flag, transport, slog.New(slog.DiscardHandler)}).locate(t.Context())
	}
	for name, want := range map[string]string{
		"acme": "", "moved": "", "lost": `"302 Found"`, "plain": `"302 Found"`, "loop": `"302 Found"`, "busy": `"503 Service Unavailable"`, "portal": "whether a proxy answers",
		"odd": "does not answer as", "nameless": "does not answer as", "huge": "does not answer as", "broken": "can't be reached", "nowhere": "there is no site nowhere.atlassian.net",
	} {
		asked = nil
		id, err := locate(name)
		if want == "" && (id != siteID || err != nil) || want != "" && (id != "" || err == nil || hint(err) == "" || !strings.Contains(err.Error()+", "+hint(err), want)) {
			t.Errorf("%s: %q, %v; want %q", name, id, err, want)
		}
		if len(asked) == 0 || len(asked) > 3 {
			t.Errorf("%s: asked %q", name, asked)
		}
		asked = nil
		if locate(name); (len(asked) > 0) != (want != "") {
			t.Errorf("%s: asked %q the second time", name, asked)
		}
	}

	dir, err := keychain.StateDir()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, sitesFile)
	for _, damaged := range []string{"", "{", "null", `{"acme.atlassian.net":5}`, `{"acme.atlassian.net":{"cloudId":"x"}}`,
		`{"acme.atlassian.net":{"cloudId":"` + siteID + `","at":"2020-01-01T00:00:00Z"}}`, `{"acme.atlassian.net":{"cloudId":"` + siteID + `","at":"2999-01-01T00:00:00Z"}}`} {
		if err := os.WriteFile(file, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		asked = nil
		if id, err := locate("acme"); id != siteID || err != nil || len(asked) != 1 {
			t.Errorf("with %s kept: %q, %v, asked %q", damaged, id, err, asked)
		}
	}
	many := make(knownSites)
	for i := range 2 * maxSites {
		many[fmt.Sprint(i)] = knownSite{}
	}
	if err := many.write(file); err != nil || len(many) != maxSites {
		t.Errorf("%d are kept, %v", len(many), err)
	}
}

// TestSitelessTools compares with the lists of the sandbox.
func TestSitelessTools(t *testing.T) {
	s := startSandbox(t)
	for _, path := range []string{"/v1/mcp", "/v2/mcp?tools=all"} {
		u := newShell(t)
		u.signIn(s.Endpoint(path), issuer.Choice{})
		stdout, stderr, _ := u.run("tools", s.Endpoint(path), "--json", "--site", s.URL())
		if !strings.Contains(stdout, `"cloudId"`) {
			t.Fatalf("%s%s", stdout, stderr)
		}
		for _, tool := range toolsOf(t, stdout) {
			schema := readSchema(tool.InputSchema)
			_, takes := schema.Properties["cloudId"]
			if siteless := slices.Contains(atlassian.SitelessTools(), tool.Name); takes == siteless && tool.Name != "search" { // it is in v2 that it takes one
				t.Errorf("%s: %s takes a cloudId: %t", path, tool.Name, takes)
			}
			if slices.Contains(schema.Required, "cloudId") {
				t.Errorf("%s: %s requires one: %s", path, tool.Name, tool.InputSchema)
			}
		}
	}
}

func toolsOf(t *testing.T, list string) (tools []callable) {
	t.Helper()
	if err := json.Unmarshal([]byte(list), &tools); err != nil {
		t.Fatalf("%v: %s", err, list)
	}
	return tools
}

// TestSiteCall calls tools at one site and at the other, and at none.
func TestSiteCall(t *testing.T) {
	s, u := startSandbox(t), newShell(t)
	u.signIn(s.Endpoint("/v2/mcp"), issuer.Choice{})
	acme, labs := s.Sites()[0], s.Sites()[1]
	for _, tt := range []struct {
		args   []string
		status int
		text   string // on standard output, or standard error
	}{
		{[]string{"executeRead", "name=listJiraProjects", "inputs={}", "--site", acme.Address}, exitOK, acme.ID},
		{[]string{"executeRead", "name=listJiraProjects", "inputs={}", "--site", labs.Address}, exitOK, labs.ID},
		{[]string{"executeRead", "name=listJiraProjects", "inputs={}", "cloudId=" + labs.ID, "--site", labs.Address}, exitOK, labs.ID},
		{[]string{"executeRead", "name=listJiraProjects", "inputs={}", "cloudId=" + acme.ID, "--site", labs.Address}, exitFailure, "call names another (\"" + acme.ID + "\")\natlassian-mcp: hint: leave out cloudId to work at " + strings.TrimPrefix(labs.Address, "http://") + ", or change --site\n"},
		{[]string{"executeRead", "name=listJiraProjects", "inputs={\"cloudId\":1}", "--site", labs.Address}, exitFailure, "cloudId is no string\natlassian-mcp: hint: correct the arguments"},
		{[]string{"atlassianUserInfo", "--site", s.Endpoint("/nowhere")}, exitOK, "account_id"},
		{[]string{"searchConfluence", "cql=type = page", "--site", s.Endpoint("/nowhere")}, exitFailure, "/nowhere\natlassian-mcp: hint: correct the name after --site\n"},
	} {
		stdout, stderr, status := u.run(append([]string{"call", "--server", s.Endpoint("/v2/mcp")}, tt.args...)...)
		if status != tt.status || !strings.Contains(stdout+stderr, tt.text) {
			t.Errorf("%q: status %d, %s%s", tt.args, status, stdout, stderr)
		}
	}
}

// TestSiteNowhere has a client call a tool at a site that is none: the model is told what its user has to do.
func TestSiteNowhere(t *testing.T) {
	s, u := startSandbox(t), newShell(t)
	u.signIn(s.Endpoint("/v1/mcp"), issuer.Choice{})
	stdin := initialize + "\n" + `{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n" +
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"getVisibleJiraProjects","arguments":{}}}` + "\n"
	stdout, _, _ := u.runWith(stdin, s.Endpoint("/v1/mcp"), "--site", s.Endpoint("/nowhere"))
	if !strings.Contains(stdout, "there is no site") || !strings.Contains(stdout, "; the user should correct the name after --site") {
		t.Errorf("standard output %s", stdout)
	}
}

// TestSiteDoctor asks doctor about the site.
func TestSiteDoctor(t *testing.T) {
	s, u := startSandbox(t), newShell(t)
	u.signIn(s.Endpoint("/v1/mcp"), issuer.Choice{Email: "dana@partner.example"})
	for address, want := range map[string]string{
		s.Sites()[0].Address:   "ok  site          calls are for ",
		s.Sites()[1].Address:   "NO  site          the sign-in has no access to ",
		s.Endpoint("/nowhere"): "NO  site          there is no site ",
	} {
		stdout, stderr, status := u.run("doctor", s.Endpoint("/v1/mcp"), "--site", address)
		if !strings.Contains(stdout, want) || (status == exitOK) != strings.HasPrefix(want, "ok") {
			t.Errorf("%s: status %d, %s%s", address, status, stdout, stderr)
		}
	}
}

// TestSiteProfiles has two relays of one user stand side by side, each with an account and a site of its own.
func TestSiteProfiles(t *testing.T) {
	s, u := startSandbox(t), newShell(t)
	address := s.Endpoint("/v1/mcp")
	acme, labs := s.Sites()[0], s.Sites()[1]
	u.signIn(address, issuer.Choice{Email: "dana@partner.example"}, "--profile", "partner")
	u.signIn(address, issuer.Choice{Email: "ben@acme.example"}, "--profile", "labs")
	call := func(id, name, arguments string) string {
		return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"` + name + `","arguments":{` + arguments + `}}}` + "\n"
	}
	stdin := initialize + "\n" + `{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n" + `{"jsonrpc":"2.0","id":2,"method":"tools/list"}` + "\n" +
		call("3", "getVisibleJiraProjects", "") + call("4", "atlassianUserInfo", "") +
		call("5", "getVisibleJiraProjects", `"cloudId":"`+acme.ID+`"`) + call("6", "getVisibleJiraProjects", `"cloudId":"`+labs.ID+`"`)
	outputs := make(map[string]string)
	var mu sync.Mutex // guards outputs
	var relays sync.WaitGroup
	for profile, site := range map[string]string{"partner": acme.Address, "labs": labs.Address} {
		relays.Go(func() {
			stdout, stderr, status := u.runWith(stdin, address, "--profile", profile, "--site", site)
			if status != exitOK || stderr != "" {
				t.Errorf("%s: status %d, %s", profile, status, stderr)
			}
			mu.Lock()
			defer mu.Unlock()
			outputs[profile] = stdout
		})
	}
	relays.Wait()
	for profile, want := range map[string]struct{ person, site, other, refused, passed string }{
		"partner": {"dana@partner.example", acme.ID, labs.ID, "6", "5"},
		"labs":    {"ben@acme.example", labs.ID, acme.ID, "5", "6"},
	} {
		answers := make(map[string]string)
		for line := range strings.Lines(outputs[profile]) {
			id, _, _ := strings.Cut(line[strings.Index(line, `"id":`)+len(`"id":`):], ",")
			answers[strings.TrimSuffix(strings.TrimSpace(id), "}")] = line
		}
		if ids := slices.Sorted(maps.Keys(answers)); !slices.Equal(ids, []string{"1", "2", "3", "4", "5", "6"}) {
			t.Errorf("%s: answers to %q: %s", profile, ids, outputs[profile])
		}
		for _, id := range []string{"3", want.passed} {
			if !strings.Contains(answers[id], want.site) || strings.Contains(answers[id], want.other) {
				t.Errorf("%s: %s", profile, answers[id])
			}
		}
		if !strings.Contains(answers["4"], want.person) {
			t.Errorf("%s: %s", profile, answers["4"])
		}
		if !strings.Contains(answers[want.refused], "this call names another") {
			t.Errorf("%s: %s", profile, answers[want.refused])
		}
	}
	got := make(map[string]int)
	for _, c := range s.Calls() {
		got[c.Person+" "+c.Tool+" "+c.Site]++
	}
	want := map[string]int{
		"Dana Ruiz getVisibleJiraProjects acme.atlassian.net": 2, "Ben Okafor getVisibleJiraProjects acme-labs.atlassian.net": 2,
		"Dana Ruiz atlassianUserInfo ": 1, "Ben Okafor atlassianUserInfo ": 1,
	}
	if !maps.Equal(got, want) {
		t.Errorf("the server carried out %v, want %v", got, want)
	}
}
