package sandbox_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

// audit returns the audit log that a query finds, newest first.
func audit(t *testing.T, s *sandbox.Server, query string) (actions []sandbox.Action) {
	t.Helper()
	status, _, text, _ := browse(t, s, "GET", "/audit?format=json&"+query, nil, nil)
	if status != 200 || json.Unmarshal([]byte(text), &actions) != nil {
		t.Fatalf("%s: %d %s", query, status, text)
	}
	if strings.Contains(text, "canary-") {
		t.Errorf("%s: there are secrets in %s", query, text)
	}
	return actions
}

// summary is what matters of actions, oldest first.
func summary(actions []sandbox.Action) (lines []string) {
	for _, a := range slices.Backward(actions) {
		what := a.Action
		if a.Tool != "" {
			what = a.Tool
		}
		if a.Inner != "" {
			what += ">" + a.Inner
		}
		lines = append(lines, strings.Join([]string{a.Actor, a.ActorType, what, a.Product, a.Site, a.Client, a.Program, a.Outcome, a.IP}, "|"))
	}
	return lines
}

// TestAudit has people sign in by every way and use tools, and reads what an administrator would.
func TestAudit(t *testing.T) {
	s := start(t)
	use := func(c *client, tool, arguments string) {
		t.Helper()
		c.post(fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, arguments))
	}
	c, renew := signIn(t, s, "/v1/mcp")
	c.initialize()
	use(c, "getConfluenceSpaces", `{"cloudId":"https://acme.atlassian.net/wiki"}`)
	use(c, "createJiraIssue", `{"cloudId":"acme.atlassian.net"}`)
	use(c, "getJiraIssue", `{"cloudId":"acme.atlassian.net","issueIdOrKey":"NO-1"}`)
	use(c, "atlassianUserInfo", `{}`)
	renew() // nobody is told of it

	v2, _ := signIn(t, s, "/v2/mcp")
	v2.initialize()
	use(v2, "executeRead", `{"cloudId":"acme.atlassian.net","name":"listJiraProjects","inputs":{}}`)

	s.Issuer().RevokeAll()
	byToken := newClient(t, s)
	byToken.initialize()
	if err := s.SetFault("rate-limit", "60"); err != nil {
		t.Fatal(err)
	}
	use(byToken, "atlassianUserInfo", `{}`)
	if err := s.ClearFault("rate-limit"); err != nil {
		t.Fatal(err)
	}
	use(byToken, "bitbucketWorkspace", `{"action":"list"}`)
	for _, p := range s.Org().People() {
		if p.Service {
			key := clientWith(t, s, "/v1/mcp", "Bearer "+s.Issuer().IssueAPIToken(p.Account, "key"))
			key.initialize()
			use(key, "search", `{"query":"plan"}`)
		}
	}

	got := summary(audit(t, s, ""))
	want := []string{
		"Ada Marsh|user|OAuth install: first user of the site||acme.atlassian.net|tester||Success|",
		"Ada Marsh|user|OAuth install: first user of the site||acme-labs.atlassian.net|tester||Success|",
		"Ada Marsh|user|getConfluenceSpaces|Confluence|acme.atlassian.net|tester|test 1|Success|127.0.0.1",
		"Ada Marsh|user|createJiraIssue|Jira|acme.atlassian.net|tester|test 1|Failed: invalid arguments|127.0.0.1",
		"Ada Marsh|user|getJiraIssue|Jira|acme.atlassian.net|tester|test 1|Failed|127.0.0.1",
		"Ada Marsh|user|atlassianUserInfo|Atlassian||tester|test 1|Success|127.0.0.1",
		"Ada Marsh|user|OAuth grant: the user has authorized the app||acme.atlassian.net|tester||Success|",
		"Ada Marsh|user|OAuth grant: the user has authorized the app||acme-labs.atlassian.net|tester||Success|",
		"Ada Marsh|user|executeRead>listJiraProjects|Jira|acme.atlassian.net|tester|test 1|Success|127.0.0.1",
		"Ada Marsh|user|OAuth grant revoked|||tester||Success|",
		"Ada Marsh|user|OAuth grant revoked|||tester||Success|",
		"Ada Marsh|user|Created an API token|||||Success|",
		"Ada Marsh|API token|atlassianUserInfo|Atlassian|||test 1|Not carried out: HTTP 429|127.0.0.1",
		"Ada Marsh|API token|bitbucketWorkspace|Bitbucket|||test 1|",
		"|service account|Created an API token|||||Success|",
		"|service account|search|Atlassian|||test 1|Success|127.0.0.1",
	}
	if len(got) != len(want) {
		t.Fatalf("%d actions, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i, line := range want {
		if !strings.Contains(got[i], line) {
			t.Errorf("action %d is\n%s, want\n%s", i, got[i], line)
		}
	}
	for _, a := range audit(t, s, "") {
		if a.App != "Atlassian MCP" || a.Tool != "" && a.Category != "Rovo MCP User Actions" || a.Time.IsZero() || a.Account == "" {
			t.Errorf("action %+v", a)
		}
	}

	for query, n := range map[string]int{
		"tool=listjiraprojects": 1, "tool=JIRA&person=ada": 3, "tool=atlassianUserInfo": 2,
		"person=nobody": 0, "person=MARSH": 14, "person=%20": 16,
	} {
		if found := audit(t, s, query); len(found) != n {
			t.Errorf("%s finds %d, want %d:\n%s", query, len(found), n, strings.Join(summary(found), "\n"))
		}
	}
	_, _, page, _ := browse(t, s, "GET", "/audit?tool=listJira", nil, nil)
	if !strings.Contains(page, "1 of 1 shown") || strings.Contains(page, ">getJiraIssue<") {
		t.Errorf("page: %s", page)
	}
	if status, _, _, _ := browse(t, s, "GET", "/audit?format=xml", nil, nil); status != 400 {
		t.Errorf("as XML: %d", status)
	}
}

// TestAuditRefusals has a code be used twice, a person cancel, and a tool be refused.
func TestAuditRefusals(t *testing.T) {
	s := start(t)
	back := httptest.NewServer(http.NotFoundHandler())
	defer back.Close()
	page := consentPage(t, s, back.URL)
	final, err := acceptAsAda(page)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"grant_type": {"authorization_code"}}
	for _, address := range []string{page, final} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(form, u.Query())
	}
	for range 2 {
		must(http.PostForm(s.Endpoint("/v1/token"), form)).Body.Close()
	}
	if _, err := issuer.Accept(t.Context(), nil, page, issuer.Choice{Deny: true}); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, s)
	c.initialize()
	if err := s.SetFault("ip-refused", ""); err != nil {
		t.Fatal(err)
	}
	c.post(whoAmI)
	var got []string
	for _, line := range summary(audit(t, s, "")) {
		if !strings.HasSuffix(line, "|Success|") {
			got = append(got, line)
		}
	}
	want := []string{
		"Ada Marsh|user|OAuth grant revoked: a spent secret was used again|||An unnamed client||Refused: authorization code|",
		"|user|OAuth request|||An unnamed client||Refused: token: Authorization code already used|",
		"|user|OAuth request|||An unnamed client||Refused: consent: the person has refused|",
		"Ada Marsh|API token|atlassianUserInfo|Atlassian|||test 1|Refused|127.0.0.1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("refused were\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestAuditCSV has a stranger choose names that a spreadsheet would take for formulas.
func TestAuditCSV(t *testing.T) {
	s := start(t)
	c := newClient(t, s)
	opened := c.post(strings.Replace(initialize, `"name":"test"`, `"name":" @SUM(1)"`, 1))
	if c.session = opened.Header.Get("Mcp-Session-Id"); c.session == "" {
		t.Fatal("no session")
	}
	tools := []string{`=HYPERLINK("http://attacker.example","x")`, "+1", "-1", "@x", "\t=1", "x\n=1", `"=1`, "＝1", "plain", "a,b\"c"}
	for _, tool := range tools {
		text, err := json.Marshal(tool)
		if err != nil {
			t.Fatal(err)
		}
		c.post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":` + string(text) + `}}`)
	}
	status, _, text, header := browse(t, s, "GET", "/audit?format=csv&tool=", nil, nil)
	if kind := header.Get("Content-Type"); status != 200 || kind != "text/csv; charset=utf-8" {
		t.Errorf("%d %s", status, kind)
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	tool := slices.Index(rows[0], "Tool")
	var got []string
	for _, row := range slices.Backward(rows[1:]) {
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(strings.TrimLeft(cell, " \t\r\n\"")[:1], "=+-@") {
				t.Errorf("a spreadsheet would run %q", cell)
			}
		}
		if row[tool] != "" {
			got = append(got, row[tool])
		}
	}
	want := []string{`'=HYPERLINK("http://attacker.example","x")`, "'+1", "'-1", "'@x", "'=1", "x =1", `'"=1`, "'＝1", "plain", "a,b\"c"}
	if !slices.Equal(got, want) {
		t.Errorf("tools %q, want %q", got, want)
	}
}

// TestAuditBound does more than is remembered.
func TestAuditBound(t *testing.T) {
	s := start(t, "rate-limit=3600") // calls that are not carried out are quick
	c := newClient(t, s)
	c.initialize()
	const batch = 500
	one := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"nothing"}}`
	all := "[" + strings.Repeat(one+",", batch-1) + one + "]"
	for range 11 {
		c.post(all)
	}
	actions := audit(t, s, "")
	if n := len(actions); n != 5000 || actions[0].Number != 11*batch+1 || actions[n-1].Number != 11*batch+1-4999 {
		t.Errorf("%d actions, from %d to %d", n, actions[0].Number, actions[n-1].Number)
	}
	_, _, page, _ := browse(t, s, "GET", "/audit", nil, nil)
	if !strings.Contains(page, "200 of 5000 shown") {
		t.Errorf("the page has %d bytes", len(page))
	}
}
