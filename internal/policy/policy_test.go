package policy

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"delete*", "deleteTask", true},
		{"delete*", "delete", true},
		{"DELETE*", "deletetask", true},
		{"delete*", "undelete", false},
		{"*account", "getAccount", true},
		{"*account", "accounts", false},
		{"exactTool", "exacttool", true},
		{"exactTool", "exactTools", false},
		{"get*Issue*", "getJiraIssue", true},
		{"get*Issue*", "getJiraProject", false},
		{"*a*a*", "aa", true},
		{"*a*a*", "a", false},
		{"a*a", "a", false},
		{"*", "", true},
		{"**", "x", true},
		{"", "", true},
		{"", "x", false},
		{"a.c", "abc", false},
		{"a?c", "abc", false},
		{"[ab]", "a", false},
		{"tool.name/v1", "tool.name/v1", true},
	}
	for _, tt := range tests {
		if got := match(tt.pattern, tt.name); got != tt.want {
			t.Errorf("match(%q, %q) = %t", tt.pattern, tt.name, got)
		}
	}
}

// FuzzMatch compares with mcp-remote, which makes a regular expression of the pattern.
func FuzzMatch(f *testing.F) {
	f.Add("get*Issue*", "getJiraIssue")
	f.Add("*a*ab", "aaab")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if strings.ContainsFunc(pattern+name, func(r rune) bool { return r < ' ' || r > '~' }) {
			return // the two fold other alphabets differently
		}
		parts := strings.Split(pattern, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		want := regexp.MustCompile("(?i)^" + strings.Join(parts, ".*") + "$").MatchString(name)
		if got := match(pattern, name); got != want {
			t.Errorf("match(%q, %q) = %t", pattern, name, got)
		}
	})
}

func parse(t *testing.T, raw string) jsonrpc.Message {
	t.Helper()
	m, err := jsonrpc.Parse([]byte(raw))
	if err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return m
}

// rovo is a policy as it is for Atlassian's server.
func rovo(allow, ignore []string) *Tools {
	return &Tools{Allow: allow, Ignore: ignore, Finders: []string{"discover"}, Runners: []string{"executeRead", "executeWrite"}}
}

func TestRefuse(t *testing.T) {
	ignore := rovo(nil, []string{"delete*", "secret"})
	allow := rovo([]string{"get*", "execute*"}, []string{"getSecret"})
	call := func(params string) string {
		return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":` + params + `}`
	}
	tests := []struct {
		tools   *Tools
		message string
		refused string // the tool
		passes  bool
	}{
		{ignore, call(`{"name":"getIssue"}`), "", true},
		{ignore, call(`{"name":"deleteIssue"}`), "deleteIssue", false},
		{ignore, call(`{"name":"DeleteIssue","arguments":{"id":1}}`), "DeleteIssue", false},
		{ignore, call(`{"name":"\u0064eleteIssue"}`), "deleteIssue", false},
		{ignore, call(`{"name":"getIssue","name":"deleteIssue"}`), "deleteIssue", false},
		{ignore, call(`{"name":"deleteIssue","name":"getIssue"}`), "deleteIssue", false},
		{ignore, call(`{"name":"getIssue","Name":"deleteIssue"}`), "deleteIssue", false},
		{ignore, call(`{"name":"getIssue","arguments":{"name":"deleteIssue"}}`), "", true},
		{ignore, call(`{"name":"executeWrite","arguments":{"name":"deleteIssue","inputs":{}}}`), "deleteIssue", false},
		{ignore, call(`{"arguments":{"name":"deleteIssue"},"name":"executeWrite"}`), "deleteIssue", false},
		{ignore, call(`{"name":"executeWrite","arguments":{"name":"getIssue","NAME":"deleteIssue"}}`), "deleteIssue", false},
		{ignore, call(`{"name":"executeRead","arguments":{"name":"getIssue","inputs":{"name":"deleteIssue"}}}`), "", true},
		{ignore, call(`{"name":"executeRead","arguments":{}}`), "", true},
		{ignore, call(`{}`), "", true},
		{ignore, call(`{"name":5}`), "", true},
		{ignore, `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"deleteIssue"}}`, "", true},
		{ignore, `{"jsonrpc":"2.0","id":1,"result":{"method":"tools/call","params":{"name":"deleteIssue"}}}`, "", true},
		{ignore, `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"getIssue"}}`, "", true},
		{allow, call(`{"name":"getIssue"}`), "", true},
		{allow, call(`{"name":"GETISSUE"}`), "", true},
		{allow, call(`{"name":"getSecret"}`), "getSecret", false},
		{allow, call(`{"name":"createIssue"}`), "createIssue", false},
		{allow, call(`{"name":5}`), "", false},
		{allow, call(`{}`), "", false},
		{allow, `{"jsonrpc":"2.0","id":7,"method":"tools/call"}`, "", false},
		{allow, call(`{"name":"executeRead","arguments":{"name":"getIssue"}}`), "", true},
		{allow, call(`{"name":"executeRead","arguments":{"name":"listIssues"}}`), "listIssues", false},
		{allow, call(`{"name":"executeRead"}`), "", false},
		{new(Tools), call(`{"name":"x"}`), "", true},
		{nil, call(`{"name":"x"}`), "", true},
	}
	for _, tt := range tests {
		answer, refused := tt.tools.Refuse(parse(t, tt.message))
		if refused == tt.passes {
			t.Errorf("refused: %t: %s", refused, tt.message)
		}
		if !refused {
			continue
		}
		want := fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"Tool \"%s\" is not available"}}`, tt.refused)
		if string(answer.Raw) != want {
			t.Errorf("answer %s\nwant   %s", answer.Raw, want)
		}
	}
	if answer, refused := ignore.Refuse(parse(t, `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"deleteIssue"}}`)); !refused || answer.Raw != nil {
		t.Errorf("a call that wants no answer: refused: %t, answer %s", refused, answer.Raw)
	}
}

func TestEditList(t *testing.T) {
	ignore := rovo(nil, []string{"d*"})
	tests := []struct{ tools, want string }{
		{`[]`, `[]`},
		{`[ ]`, `[ ]`},
		{`[{"name":"a"},{"name":"b"}]`, `[{"name":"a"},{"name":"b"}]`},
		{`[{"name":"d"}]`, `[]`},
		{`[{"name":"d"},{"name":"D2"}]`, `[]`},
		{`[{"name":"d1"},{"name":"a"}]`, `[{"name":"a"}]`},
		{`[{"name":"a"},{"name":"d1"}]`, `[{"name":"a"}]`},
		{`[{"name":"a"},{"name":"d1"},{"name":"b"}]`, `[{"name":"a"},{"name":"b"}]`},
		{`[{"name":"d1"},{"name":"d2"},{"name":"a"},{"name":"d3"},{"name":"d4"},{"name":"b"},{"name":"d5"}]`, `[{"name":"a"},{"name":"b"}]`},
		{`[ {"x":1e400,"name":"a"} , {"name":"d1","x":"],"} , {"name":"b"} ]`, `[ {"x":1e400,"name":"a"} , {"name":"b"} ]`},
		{`[ {"name":"d1"} , {"name":"b"} ]`, `[ {"name":"b"} ]`},
		{`["d",5,{"no":"name"},{"name":"\u0064"}]`, `["d",5,{"no":"name"}]`},
		{`{"name":"d"}`, `{"name":"d"}`},
		{`null`, `null`},
	}
	for _, tt := range tests {
		ignore.Refuse(parse(t, `{"jsonrpc":"2.0","id":"\u0061","method":"tools/list"}`))
		got := ignore.Edit(parse(t, `{"jsonrpc":"2.0","id":"a","result":{"nextCursor":"d","tools":`+tt.tools+`,"x":12345678901234567890}}`))
		want := `{"jsonrpc":"2.0","id":"a","result":{"nextCursor":"d","tools":` + tt.want + `,"x":12345678901234567890}}`
		if string(got.Raw) != want {
			t.Errorf("%s:\n got %s\nwant %s", tt.tools, got.Raw, want)
		}
		if got.Kind != jsonrpc.Response || got.ID != `"a"` {
			t.Errorf("%s: kind %v, id %s", tt.tools, got.Kind, got.ID)
		}
	}
}

// TestEditWhat checks what is edited: the one answer to each tools/list, whatever else looks like it.
func TestEditWhat(t *testing.T) {
	const list = `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"d"}],"nextCursor":"2"}}`
	const cut = `{"jsonrpc":"2.0","id":1,"result":{"tools":[],"nextCursor":"2"}}`
	ignore := rovo(nil, []string{"d*"})
	edit := func(raw, want string) {
		t.Helper()
		if got := ignore.Edit(parse(t, raw)); string(got.Raw) != want {
			t.Errorf("got %s\nwant %s", got.Raw, want)
		}
	}
	request := func(method string) {
		ignore.Refuse(parse(t, `{"jsonrpc":"2.0","id":1,"method":"`+method+`"}`))
	}
	edit(list, list) // nobody has asked
	for range 2 {    // pages may have the same id, one after the other
		request("tools/list")
		edit(list, cut)
		edit(list, list)
	}
	request("tools/list")
	edit(`{"jsonrpc":"2.0","id":"1","result":{"tools":[{"name":"d"}]}}`, `{"jsonrpc":"2.0","id":"1","result":{"tools":[{"name":"d"}]}}`)
	edit(`{"jsonrpc":"2.0","method":"x","params":{"tools":[{"name":"d"}]}}`, `{"jsonrpc":"2.0","method":"x","params":{"tools":[{"name":"d"}]}}`)
	edit(`{"jsonrpc":"2.0","id":1.0,"result":{"tools":[{"name":"d"}]}}`, `{"jsonrpc":"2.0","id":1.0,"result":{"tools":[]}}`)
	request("tools/list")
	request("resources/list") // the client has given up the other one
	edit(list, list)
	request("tools/list")
	edit(`{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"","data":{"tools":[{"name":"d"}]}}}`, `{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"","data":{"tools":[{"name":"d"}]}}}`)
	edit(list, list)
	request("tools/list")
	edit(`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"d"}],"tools":[{"name":"d"},5]}}`, `{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[5]}}`)
	var none *Tools
	if got := none.Edit(parse(t, list)); string(got.Raw) != list {
		t.Errorf("without a policy: %s", got.Raw)
	}
}

// TestEditFindings checks that a tool that tells of others doesn't tell of those that may not be called.
func TestEditFindings(t *testing.T) {
	ignore := rovo(nil, []string{"delete*"})
	tests := []struct{ result, want string }{
		{`{"structuredContent":{"tools":[{"name":"getIssue","inputSchema":{"examples":[{"name":"deleteMe"}]}},{"name":"deleteIssue"}]}}`,
			`{"structuredContent":{"tools":[{"name":"getIssue","inputSchema":{"examples":[{"name":"deleteMe"}]}}]}}`},
		{`{"content":[{"type":"text","text":"{\"tools\":[{\"name\":\"deleteIssue\"},{\"name\":\"getIssue\",\"description\":\"a < b\"}]}"}],"isError":false}`,
			`{"content":[{"type":"text","text":"{\"tools\":[{\"name\":\"getIssue\",\"description\":\"a < b\"}]}"}],"isError":false}`},
		{`{"content":[{"type":"text","text":"[{\"name\":\"deleteIssue\"}]"}],"structuredContent":{"content":[{"type":"text","text":"[{\"name\":\"deleteIssue\"}]"}]}}`,
			`{"content":[{"type":"text","text":"[]"}],"structuredContent":{"content":[{"type":"text","text":"[]"}]}}`},
		{`{"content":[{"type":"text","text":"Use deleteIssue."},{"type":"resource_link","name":"deleted","uri":"x:y"}]}`,
			`{"content":[{"type":"text","text":"Use deleteIssue."},{"type":"resource_link","name":"deleted","uri":"x:y"}]}`},
		{`{"structuredContent":{"groups":[{"tools":[{"name":"deleteIssue"}]},[{"name":"deleteAll"}]]}}`,
			`{"structuredContent":{"groups":[{"tools":[]},[]]}}`},
	}
	for _, tt := range tests {
		ignore.Refuse(parse(t, `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"discover","arguments":{"query":"issues"}}}`))
		got := ignore.Edit(parse(t, `{"jsonrpc":"2.0","id":3,"result":`+tt.result+`}`))
		if want := `{"jsonrpc":"2.0","id":3,"result":` + tt.want + `}`; string(got.Raw) != want {
			t.Errorf("got  %s\nwant %s", got.Raw, want)
		}
	}
	ignore.Refuse(parse(t, `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"getIssue"}}`))
	const other = `{"jsonrpc":"2.0","id":3,"result":{"structuredContent":{"tools":[{"name":"deleteIssue"}]}}}`
	if got := ignore.Edit(parse(t, other)); string(got.Raw) != other {
		t.Errorf("the result of another tool: %s", got.Raw)
	}
}

// FuzzEdit checks that what is left of a list is JSON, and has nothing in it that may not be seen.
func FuzzEdit(f *testing.F) {
	f.Add(`[{"name":"a"},{"name":"d"},5]`, true)
	f.Add(`{"x":[{"name":"d"} , {"name":"d"}]}`, false)
	f.Add(`{"content":[{"text":"[{\"name\":\"d\"}]"}]}`, false)
	f.Fuzz(func(t *testing.T, value string, list bool) {
		request, response := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, `{"jsonrpc":"2.0","id":1,"result":{"tools":`+value+`}}`
		if !list {
			request, response = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"discover"}}`, `{"jsonrpc":"2.0","id":1,"result":`+value+`}`
		}
		m, err := jsonrpc.Parse([]byte(response))
		if err != nil || m.Kind != jsonrpc.Response || m.Failed {
			return
		}
		p := rovo(nil, []string{"d"})
		p.Refuse(parse(t, request))
		first := p.Edit(m)
		if first.Kind != jsonrpc.Response || first.Failed {
			t.Fatalf("%s became %s", m.Raw, first.Raw)
		}
		var seen struct {
			Result struct{ Tools []map[string]json.RawMessage }
		}
		if list && json.Unmarshal(first.Raw, &seen) == nil {
			for _, tool := range seen.Result.Tools {
				var name string
				if json.Unmarshal(tool["name"], &name) == nil && name == "d" {
					t.Errorf("%s became %s", m.Raw, first.Raw)
				}
			}
		}
		p.Refuse(parse(t, request))
		if again := p.Edit(first); string(again.Raw) != string(first.Raw) {
			t.Errorf("%s became %s, and then %s", m.Raw, first.Raw, again.Raw)
		}
	})
}
