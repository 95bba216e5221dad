package sandbox_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMethods are the requests that are not about tools.
func TestMethods(t *testing.T) {
	c := newClient(t, start(t))
	c.initialize()
	for method, test := range map[string]struct{ params, want string }{
		"ping":                     {`{}`, `"result":{}}`},
		"logging/setLevel":         {`{"level":"warning"}`, `"result":{}}`},
		"prompts/list":             {`{}`, `"result":{"prompts":[]}}`},
		"resources/templates/list": {`{}`, `"result":{"resourceTemplates":[]}}`},
		"completion/complete":      {`{}`, `"result":{"completion":{"hasMore":false,"total":0,"values":[]}}}`},
		"server/discover":          {`{}`, `"error":{"code":-32601,"message":"Method not found"}}`},
		"roots/list":               {`{}`, `"error":{"code":-32601,"message":"Method not found"}}`},
		"tools/call":               {`{}`, `"error":{"code":-32602,"message":"Invalid request parameters"}}`},
		"resources/read":           {`{"uri":"ui://x"}`, `"error":{"code":-32002,"message":"Resource not found","data":{"uri":"ui://x"}}}`},
	} {
		r := c.post(`{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + test.params + `}`)
		if want := "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1," + test.want + "\n\n"; r.body != want {
			t.Errorf("%s: %s\nwant %s", method, r.body, want)
		}
	}
	if r := c.post(`{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"loud"}}`); !strings.Contains(r.body, "-32602") {
		t.Errorf("setLevel: %s", r.body)
	}
}

// TestPages reads the page of each interactive tool.
func TestPages(t *testing.T) {
	c := newClient(t, start(t))
	c.initialize()
	var listed struct {
		Tools []struct {
			Name string
			Meta struct {
				UI struct{ ResourceURI string }
			} `json:"_meta"`
		}
	}
	decode(t, c.post(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`).result(t), &listed)
	pages := map[string]string{}
	for _, tool := range listed.Tools {
		uri := tool.Meta.UI.ResourceURI
		if uri == "" {
			continue
		}
		pages[tool.Name] = uri
		var read struct {
			Contents []struct{ URI, MIMEType, Text string }
		}
		decode(t, c.post(`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"`+uri+`"}}`).result(t), &read)
		if len(read.Contents) != 1 || read.Contents[0].URI != uri || !strings.HasPrefix(read.Contents[0].Text, "<!doctype html>") {
			t.Errorf("%s: %+v", tool.Name, read)
		}
	}
	want := map[string]string{"getJiraIssue": "ui://atlassian/jira-issue/view.html", "getConfluencePage": "ui://atlassian/confluence-page/view.html"}
	if !maps.Equal(pages, want) {
		t.Errorf("the pages are %v", pages)
	}
	var resources struct{ Resources []struct{ URI string } }
	decode(t, c.post(`{"jsonrpc":"2.0","id":1,"method":"resources/list"}`).result(t), &resources)
	if len(resources.Resources) != 2 {
		t.Errorf("resources %+v", resources)
	}
}

func decode(t *testing.T, from, to any) {
	t.Helper()
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestViews lists the tools of each endpoint, and of some URLs that ask for less or more.
func TestViews(t *testing.T) {
	s := start(t)
	list := func(path, query string) (names []string) {
		t.Helper()
		c, _ := signIn(t, s, path)
		c.url += query
		c.initialize()
		for cursor, params := "-", `{}`; cursor != ""; params = `{"cursor":"` + cursor + `"}` {
			var page struct {
				Tools      []struct{ Name string }
				NextCursor string
			}
			decode(t, c.post(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":`+params+`}`).result(t), &page)
			for _, tool := range page.Tools {
				names = append(names, tool.Name)
			}
			cursor = page.NextCursor
			if query == "?tools=all" && len(page.Tools) > 20 {
				t.Errorf("a page has %d tools", len(page.Tools))
			}
		}
		return names
	}
	v1 := list("/v1/mcp", "")
	if !slices.Contains(v1, "atlassianUserInfo") {
		t.Errorf("v1: %v", v1)
	}
	for _, path := range []string{"/v1/mcp/authv2", "/mcp"} {
		if names := list(path, ""); !slices.Equal(names, v1) {
			t.Errorf("%s: %v\nv1: %v", path, names, v1)
		}
	}
	if names := list("/v1/mcp", "?capabilities=SEARCH_JIRA"); slices.ContainsFunc(names, func(name string) bool {
		return strings.Contains(name, "Confluence") || name == "createJiraIssue"
	}) {
		t.Errorf("SEARCH_JIRA: %v", names)
	}
	v2, all := list("/v2/mcp", ""), list("/v2/mcp", "?tools=all")
	if names := list("/v2/mcp", "?capabilities=SEARCH_JIRA"); !slices.Equal(names, v2) {
		t.Errorf("v2 minds capabilities: %v", names)
	}
	if slices.Contains(v2, "getConfluencePage") || !slices.Contains(all, "updateConfluenceContent") || len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) {
		t.Errorf("v2: %v\nall: %v", v2, all)
	}
	if c := newClient(t, s); true {
		c.initialize()
		if r := c.post(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"x"}}`); !strings.Contains(r.body, "Invalid cursor") {
			t.Errorf("a made-up cursor: %s", r.body)
		}
	}
}

// TestReplacedStream opens a second stream for a session: the first ends, and the second remains.
func TestReplacedStream(t *testing.T) {
	s := start(t)
	c := newClient(t, s)
	c.initialize()
	first, err := c.open(t.Context(), "GET", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Body.Close()
	second, err := c.open(t.Context(), "GET", "", http.Header{})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Body.Close()
	if n, err := first.Body.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the first stream has %d, %v", n, err)
	}
	eventually(t, s, "both streams are open", func(n counts) bool { return n.Hearing == 1 })
	if sessions := s.Sessions(); len(sessions) != 1 || !sessions[0].Stream {
		t.Errorf("sessions %+v", sessions)
	}
	if r := c.do("DELETE", "", nil); r.StatusCode != 204 {
		t.Errorf("DELETE: %d", r.StatusCode)
	}
	if n, err := second.Body.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the second stream has %d, %v", n, err)
	}
}

// TestInner sees that what v2's execute tools run is noted.
func TestInner(t *testing.T) {
	s := start(t)
	c, _ := signIn(t, s, "/v2/mcp")
	c.initialize()
	r := c.post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"executeRead","arguments":{"name":"listJiraProjects",` +
		`"cloudId":"acme.atlassian.net","inputs":{}}}}`)
	if text, isError := r.text(t); isError || !strings.Contains(text, "ALPHA") {
		t.Errorf("%s", text)
	}
	if calls := s.Calls(); len(calls) != 1 || calls[0].Tool != "executeRead" || calls[0].Inner != "listJiraProjects" || calls[0].Endpoint != "/v2/mcp" {
		t.Errorf("calls %+v", calls)
	}
}

// TestSessionsEnd opens more sessions than there may be.
func TestSessionsEnd(t *testing.T) {
	s := start(t)
	c := newClient(t, s)
	c.initialize()
	first := c.session
	for range 1000 {
		c.initialize()
	}
	if n := s.Counts(); n.Open != 1000 || n.Opened != 1001 {
		t.Errorf("%d are open of %d", n.Open, n.Opened)
	}
	if r := c.post(whoAmI); r.StatusCode != 200 {
		t.Errorf("the last: %d", r.StatusCode)
	}
	c.session = first
	if r := c.post(whoAmI); r.StatusCode != 404 {
		t.Errorf("the first: %d", r.StatusCode)
	}
}

// TestPanic has a tool panic, which must be the end of that call and of nothing else.
func TestPanic(t *testing.T) {
	s := start(t)
	c := newClient(t, s)
	c.initialize()
	s.Org().Now = func() time.Time { panic("the clock is broken") }
	before := s.Org().Data()
	cloud := s.Org().Sites()[0].ID
	r := c.post(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"updateConfluencePage","arguments":{"cloudId":"` + cloud +
		`","pageId":"65602","title":"Half","body":"half"}}}`)
	if events := r.events(); len(events) != 1 || events[0] != `{"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"Internal error"}}` {
		t.Errorf("a tool that panics answers %d %q", r.StatusCode, r.body)
	}
	if !bytes.Equal(s.Org().Data(), before) {
		t.Error("half a change has remained")
	}
	if text, isError := c.post(whoAmI).text(t); isError {
		t.Errorf("then another says %q", text)
	}
}
