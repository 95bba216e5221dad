package sandbox_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
)

func TestSetFault(t *testing.T) {
	s := start(t, "slow=3s", "cut-stream", "session-loss=2")
	on := map[string]string{}
	for _, f := range s.Faults() {
		if f.Imitates == "" || strings.Contains(f.Imitates, "\n") {
			t.Errorf("%s imitates %q", f.Name, f.Imitates)
		}
		if f.On {
			on[f.Name] = f.Value
		}
	}
	if len(on) != 3 || on["slow"] != "3s" || on["cut-stream"] != "1" || on["session-loss"] != "2" {
		t.Errorf("on: %v", on)
	}
	for name, arg := range map[string]string{
		"slow": "0s", "rate-limit": "soon", "token-expiry": "", "ip-refused": "1", "session-loss": "1", "huge-page": "100000", "nonsense": "",
	} {
		err := s.SetFault(name, arg)
		if err == nil || !strings.Contains(err.Error(), name) || name == "nonsense" && !strings.Contains(err.Error(), "cut-stream") {
			t.Errorf("%s=%s: %v", name, arg, err)
		}
	}
	for _, text := range []string{"slow=", "slow=7200", "slow=-1s", "slow=9999999999999"} {
		if s, err := sandbox.Start(sandbox.Config{Faults: []string{text}}); err == nil {
			s.Close()
			t.Errorf("%s was taken", text)
		}
	}
	if err := s.ClearFault("slow"); err != nil {
		t.Error(err)
	}
	if err := s.ClearFault("nonsense"); err == nil {
		t.Error("nonsense was switched off")
	}
	if slices.ContainsFunc(s.Faults(), func(f sandbox.FaultState) bool { return f.Name == "slow" && f.On }) {
		t.Error("slow is on still")
	}
}

// TestRefusals are faults that tools answer in words.
func TestRefusals(t *testing.T) {
	s := start(t)
	c := newClient(t, s)
	c.initialize()
	for name, want := range map[string]string{
		"ip-refused":          "You don't have permission to connect from this IP address. Please ask your organization admin for access.",
		"api-token-disabled":  "You don't have permission to connect via API token. Please ask your organization admin for access.",
		"connection-settings": "We couldn't verify your connection settings. Please contact your administrator for assistance.",
		"verify-access":       "We couldn't verify your access. Reconnecting and signing in again may resolve this issue.",
		"trouble":             `{"error":true,"message":"We are having trouble completing this action. Please try again shortly."}`,
		"upstream-401":        `{"error":true,"message":"Authentication failed: {\"code\":401,\"message\":\"Unauthorized\"}"}`,
	} {
		if err := s.SetFault(name, ""); err != nil {
			t.Fatal(err)
		}
		if text, isError := c.post(whoAmI).text(t); text != want || !isError {
			t.Errorf("%s: %s", name, text)
		}
		s.ClearFault(name)
	}
	if text, isError := c.post(whoAmI).text(t); isError {
		t.Errorf("in the end: %s", text)
	}
	if n := s.Counts(); n.Calls != 7 || n.Executed["2"] != 1 {
		t.Errorf("counts %+v", n)
	}
}

// TestUpstream401 is over for those who renew their token and then open a session.
func TestUpstream401(t *testing.T) {
	s := start(t)
	c, renew := signIn(t, s, "/v1/mcp")
	c.initialize()
	works := func(want bool, when string) {
		t.Helper()
		if text, isError := c.post(whoAmI).text(t); isError == want {
			t.Errorf("%s: %s", when, text)
		}
	}
	works(true, "at first")
	s.SetFault("upstream-401", "")
	works(false, "with the fault")
	c.initialize()
	works(false, "with the old token in a new session")
	renew()
	works(false, "with a new token in an old session")
	c.initialize()
	works(true, "with a new token in a newer session")
	renew()
	works(false, "after the next renewal")
	s.SetFault("upstream-401", "1")
	works(false, "once more")
	works(true, "after that")
}

func TestSessionLoss(t *testing.T) {
	s := start(t, "session-loss=2")
	c := newClient(t, s)
	c.initialize()
	for i, want := range []int{200, 404, 404} { // what is lost is lost
		if r := c.post(whoAmI); r.StatusCode != want {
			t.Errorf("call %d: %d", i, r.StatusCode)
		}
	}
	c.initialize()
	for i, want := range []int{200, 404} {
		if r := c.post(whoAmI); r.StatusCode != want {
			t.Errorf("call %d of the next session: %d", i, r.StatusCode)
		}
	}
	if n := s.Counts(); n.Executed["2"] != 2 || n.Open != 0 {
		t.Errorf("counts %+v", n)
	}
	if calls := s.Calls(); len(calls) != 4 || calls[0].Status != "404" || calls[0].Client != "test 1" || calls[3].Status != "ok" {
		t.Errorf("calls %+v", calls)
	}
}

func TestRateLimit(t *testing.T) {
	s := start(t, "rate-limit=3600")
	c := newClient(t, s)
	c.initialize()
	for range 2 {
		r := c.post(whoAmI)
		if r.StatusCode != 429 || r.Header.Get("Retry-After") == "" || r.body != "" {
			t.Errorf("%d %v %s", r.StatusCode, r.Header, r.body)
		}
	}
	if r := c.post(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`); r.StatusCode != 200 {
		t.Errorf("tools/list: %d", r.StatusCode)
	}
	if n := s.Counts(); len(n.Executed) != 0 {
		t.Errorf("counts %+v", n)
	}
}

func TestCutStream(t *testing.T) {
	s := start(t, "cut-stream")
	c := newClient(t, s)
	c.initialize()
	if r := c.post(whoAmI); r.err == nil || !strings.HasPrefix(r.body, "event: message\ndata: {") || strings.Contains(r.body, "\n\n") {
		t.Errorf("%v %s", r.err, r.body)
	}
	if n := s.Counts(); n.Executed["2"] != 1 {
		t.Errorf("counts %+v", n)
	}
	if r := c.post(whoAmI); r.err != nil || len(r.events()) != 1 {
		t.Errorf("the next one: %v %s", r.err, r.body)
	}
}

func TestCutSSE(t *testing.T) {
	s := start(t, "cut-stream")
	c, _ := signIn(t, s, "/v1/sse")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	events, body, messages := openSSE(t, ctx, c)
	defer body.Close()
	messages.post(whoAmI)
	if text, err := io.ReadAll(events); err == nil || strings.Contains(string(text), "\n\n") {
		t.Errorf("%v %s", err, text)
	}
	if n := s.Counts(); n.Executed["2"] != 1 {
		t.Errorf("counts %+v", n)
	}
}

// TestSlow sees a slow call report progress, and cancels another.
func TestSlow(t *testing.T) {
	s := start(t, "slow=50ms")
	c := newClient(t, s)
	c.initialize()
	r := c.post(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"atlassianUserInfo","_meta":{"progressToken":"é"}}}`)
	if events := r.events(); len(events) != 6 ||
		events[0] != `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":"é","total":5}}` {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}

	s.SetFault("slow", "3600")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	resp, err := c.open(ctx, "POST", whoAmI, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if r := c.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`); r.StatusCode != 202 {
		t.Errorf("cancelling: %d", r.StatusCode)
	}
	if text, err := io.ReadAll(resp.Body); err != nil || len(text) > 0 {
		t.Errorf("a cancelled call answers %q, %v", text, err)
	}
	if n := s.Counts(); n.Executed["2"] != 0 || n.Executed["5"] != 1 {
		t.Errorf("counts %+v", n)
	}
}

// TestAway sees that a client that goes has not cancelled anything, in the versions that have sessions.
func TestAway(t *testing.T) {
	s := start(t, "slow=200ms")
	c := newClient(t, s)
	c.initialize()
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := c.open(ctx, "POST", whoAmI, nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	resp.Body.Close()
	eventually(t, s, "the call was not carried out", func(n counts) bool { return n.Executed["2"] == 1 })
}

func TestCloudflare(t *testing.T) {
	s := start(t, "cloudflare")
	c := newClient(t, s)
	for agent, refused := range map[string]bool{
		"": true, "Go-http-client/1.1": true, "Python-urllib/3.12": true, "atlassian-mcp/1.0": false, "Mozilla/5.0": false,
	} {
		r := c.do("POST", initialize, http.Header{"User-Agent": {agent}})
		if refused != (r.StatusCode == 403) || refused && r.body != "error code: 1010" {
			t.Errorf("%q: %d %s", agent, r.StatusCode, r.body)
		}
	}
}

func TestStructuredArray(t *testing.T) {
	c := newClient(t, start(t, "structured-array"))
	c.initialize()
	if _, ok := c.post(whoAmI).result(t)["structuredContent"].([]any); !ok {
		t.Error("structuredContent is no array")
	}
}

// TestFiveNodes searches for more issues than the fault lets through.
func TestFiveNodes(t *testing.T) {
	s := start(t)
	c := newClient(t, s)
	c.initialize()
	const search = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"searchJiraIssuesUsingJql",` +
		`"arguments":{"cloudId":"acme.atlassian.net","jql":"project = ALPHA"}}}`
	all, _ := c.post(search).text(t)
	if strings.Contains(all, `"remainingCount"`) || strings.Count(all, `"ALPHA-`) <= 5 {
		t.Errorf("without the fault: %s", all)
	}
	s.SetFault("five-nodes", "")
	var found struct {
		TotalCount, RemainingCount int
		Nodes                      []any
		PageInfo                   struct{ HasNextPage bool }
	}
	text, _ := c.post(search).text(t)
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		t.Fatal(err)
	}
	if len(found.Nodes) != 5 || found.RemainingCount != found.TotalCount-5 || found.PageInfo.HasNextPage {
		t.Errorf("%s", text)
	}
}

func TestHugePage(t *testing.T) {
	s := start(t, "huge-page=3")
	c := newClient(t, s)
	c.initialize()
	r := c.post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"getConfluencePage",` +
		`"arguments":{"cloudId":"acme.atlassian.net","pageId":"65601"}}}`)
	if text, isError := r.text(t); isError || len(text) < 3<<20 {
		t.Errorf("%d bytes: %.200s", len(text), text)
	}
	if calls := s.Calls(); calls[0].Size < 3<<20 || !slices.Equal(calls[0].Arguments, []string{"cloudId", "pageId"}) || calls[0].Person != "Ada Marsh" {
		t.Errorf("calls %+v", calls)
	}
}

// TestUnscoped switches to classic tokens, which clients that listen are told.
func TestUnscoped(t *testing.T) {
	s := start(t)
	c := newClient(t, s)
	c.initialize()
	list := func() (n int) {
		t.Helper()
		tools, _ := c.post(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`).result(t)["tools"].([]any)
		return len(tools)
	}
	all := list()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	resp, err := c.open(ctx, "GET", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	s.SetFault("unscoped-token", "")
	if _, data := readEvent(t, bufio.NewReader(resp.Body)); data != `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}` {
		t.Errorf("event %s", data)
	}
	if few := list(); few > 3 || few >= all {
		t.Errorf("%d tools, and %d with the fault", all, few)
	}
}

// TestIssuerFaults only sees that the issuer is told: the effect is its own business.
func TestIssuerFaults(t *testing.T) {
	s := start(t, "token-expiry=77")
	_, renew := signIn(t, s, "/v1/mcp")
	renew()
	grants := s.Issuer().Grants()
	if len(grants) != 1 || !grants[0].Expires.Before(grants[0].Since.Add(patience+78e9)) {
		t.Errorf("grants %+v", grants)
	}
	s.SetFault("issuer-mismatch", "")
	var meta struct{ Issuer string }
	getJSON(t, s.URL()+"/.well-known/oauth-authorization-server", &meta)
	if meta.Issuer == s.URL() || meta.Issuer == "" {
		t.Errorf("issuer %q", meta.Issuer)
	}
}
