package policy

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

const (
	ours   = "3f2b1c9e-7a64-4d0e-9d5b-1f0c6a8e4b21"
	theirs = "a94e6d07-58c3-4b1f-8e72-c0d9b3f51a68"
)

func acme() *Site { return &Site{Name: "acme.atlassian.net", Siteless: []string{"search", "fetch"}} }

func TestSiteJudge(t *testing.T) {
	const id = `"cloudId":"` + ours + `"`
	tests := []struct{ params, want string }{ // what the params become, "" if they stay, or what the reason has after "no: "
		// What lacks the cloudId.
		{`{"name":"get","arguments":{"a":1e400}}`, `{"name":"get","arguments":{` + id + `,"a":1e400}}`},
		{`{"name":"get","arguments":{}}`, `{"name":"get","arguments":{` + id + `}}`},
		{`{"name":"get","arguments":{ }}`, `{"name":"get","arguments":{` + id + ` }}`},
		{`{"name":"get","arguments":null}`, `{"name":"get","arguments":{` + id + `}}`},
		{` { "name" : "get" } `, ` {"arguments":{` + id + `}, "name" : "get" } `},
		{`{"name":"get","arguments":{"cloudId":null,"a":"\u00e9"}}`, `{"name":"get","arguments":{` + id + `,"a":"\u00e9"}}`},
		{`{"name":"get","arguments":{"a":1,"cloudId" : ""}}`, `{"name":"get","arguments":{"a":1,"cloudId" : "` + ours + `"}}`},
		{`{"arguments":{"a":{"cloudId":""}},"name":"get"}`, `{"arguments":{` + id + `,"a":{"cloudId":""}},"name":"get"}`},
		{`{"name":"executeRead","arguments":{"name":"listJiraProjects","inputs":{}}}`, `{"name":"executeRead","arguments":{` + id + `,"name":"listJiraProjects","inputs":{}}}`},

		// What takes none.
		{`{"name":"search","arguments":{"query":"other.atlassian.net"}}`, ""},
		{`{"name":"search"}`, ""},
		{`{"name":"fetch","arguments":{"id":"ari:cloud:jira:` + ours + `:issue/1"}}`, ""},
		{`{"name":"fetch","arguments":{"id":"https://acme.atlassian.net/browse/A-1"}}`, ""},
		{`{"name":"fetch","arguments":{"id":"https://other.atlassian.net/browse/A-1"}}`, "no: names another"},
		{`{"name":"fetch","arguments":{"id":"https://Acme.atlassian.net@other.atlassian.net/"}}`, "no: names another"},
		{`{"name":"search","arguments":{"query":"https://acme.atlassian.net/browse/A-1 or like https://other.atlassian.net/browse/A-1"}}`, ""},
		{`{"name":"search","arguments":{"query":"HTTP or a.atlassian.net"}}`, ""},

		// What names our site.
		{`{"name":"get","arguments":{"cloudId":"` + ours + `"}}`, ""},
		{`{"name":"get","arguments":{"cloudId":"` + strings.ToUpper(ours) + `"}}`, ""},
		{`{"name":"get","arguments":{"cloudId":"acme.atlassian.net"}}`, ""},
		{`{"name":"get","arguments":{"cloudId":"ACME.atlassian.net/"}}`, ""},
		{`{"name":"get","arguments":{"cloudId":"https://acme.atlassian.net"}}`, ""},
		{`{"name":"get","arguments":{"cloudId":"https:\/\/acme.atlassian.net:443/wiki/home"}}`, ""},
		{`{"name":"get","arguments":{"cloudId":"acme.atlassian.net","id":"ari:cloud:jira:` + ours + `:issue/1"}}`, ""},
		{`{"name":"get","arguments":{"cloudId":"acme.atlassian.net","team":"ari:cloud:identity::team/` + theirs + `"}}`, ""},
		{`{"name":"get","arguments":{"cloudId":"acme.atlassian.net","body":"write ari:cloud:<product>:<cloudId>: there, or ari:cloud:, or ari:cloud:jira"}}`, ""},
		{`{"name":"get","arguments":{"cloudId":"acme.atlassian.net","body":"see https://other.atlassian.net/browse/A-1"}}`, ""},
		{`{"name":"get","arguments":{"cloudId":"acme.atlassian.net","inputs":"{no JSON"}}`, ""},

		// What names another.
		{`{"name":"get","arguments":{"cloudId":"` + theirs + `"}}`, "no: names another (\"" + theirs + `"). Leave out cloudId to work at acme.atlassian.net.`},
		{`{"name":"search","arguments":{"cloudId":"` + theirs + `"}}`, "no: names another"},
		{`{"name":"get","arguments":{"cloudId":"other.atlassian.net"}}`, "no: names another"},
		{`{"name":"get","arguments":{"cloudId":"https://other.atlassian.net"}}`, "no: names another"},
		{`{"name":"get","arguments":{"cloudId":"https://acme.atlassian.net@other.atlassian.net"}}`, "no: names another"},
		{`{"name":"get","arguments":{"cloudId":"https://acme.atlassian.net.example"}}`, "no: names another"},
		{`{"name":"get","arguments":{"cloudId":"https://other.atlassian.net\\@acme.atlassian.net"}}`, "no: names another"},
		{`{"name":"get","arguments":{"cloudId":"ftp://acme.atlassian.net"}}`, "no: names another"},
		{`{"name":"get","arguments":{"cloudId":"acme"}}`, "no: names another"},
		{`{"name":"get","arguments":{"cloudId":" "}}`, "no: names another"},
		{`{"name":"get","arguments":{"\u0063loudId":"` + theirs + `"}}`, "no: names another"},
		{`{"name":"executeRead","arguments":{"name":"x","inputs":{"cloudId":"` + theirs + `"}}}`, "no: names another"},
		{`{"name":"executeRead","arguments":{"name":"x","inputs":" {\"cloudId\":\"` + theirs + `\"}"}}`, "no: names another"},
		{`{"name":"get","arguments":{"objects":[{"id":"ari:cloud:jira:` + theirs + `:issue/1"}]}}`, "no: names another (\"ari:cloud:jira:" + theirs + `")`},
		{`{"name":"get","arguments":{"q":"ari:cloud:jira:` + ours + `:issue/1 ARI:Cloud:confluence:` + theirs + `:page/1"}}`, "no: names another"},
		{`{"name":"get","arguments":{"q":"https://x.example/?id=ari%3Acloud%3Ajira%3A` + theirs + `%3Aissue%2F1"}}`, "no: names another"},
		{`{"name":"get","arguments":{"q":"ari:cloud:platform::site/` + theirs + `"}}`, "no: names another"},
		{`{"name":"fetch","arguments":{"id":"ari:cloud:jira:` + theirs + `:issue/1"}}`, "no: names another"},
		{`{"name":"get","arguments":{"ari:cloud:jira:` + theirs + `:issue/1":true}}`, "no: names another"},

		// What servers may understand differently.
		{`{"name":"get","arguments":{"cloudId":"` + ours + `","cloudId":"` + theirs + `"}}`, `no: "cloudId" is there twice`},
		{`{"name":"get","arguments":{"CLOUDID":"` + ours + `"}}`, "no: in other letters"},
		{`{"name":"get","arguments":{},"Arguments":{}}`, `no: "arguments" is there twice`},
		{`{"name":"search","Name":"get"}`, `no: "name" is there twice`},
		{`{"name":"get","arguments":{"cloudId":5}}`, "no: cloudId is no string"},
		{`{"name":"get","arguments":{"cloudId":["` + theirs + `"]}}`, "no: cloudId is no string"},
		{`{"name":"get","arguments":"{}"}`, `no: "arguments" is no JSON object`},
		{`{"name":"search","arguments":[]}`, `no: "arguments" is no JSON object`},
		{`[]`, `no: "params" is no JSON object`},
	}
	for _, tt := range tests {
		before, after := `{"jsonrpc":"2.0" , "id":7,"method":"tools/call","params":`, `,"x":12345678901234567890}`
		m := parse(t, before+tt.params+after)
		got, verdict, why := acme().Judge(m, Place{CloudID: ours})
		if part, no := strings.CutPrefix(tt.want, "no: "); no {
			if verdict != Refused || !strings.Contains(why.Error(), part) || why.Site != "acme.atlassian.net" || !strings.Contains(why.Error(), why.Site) {
				t.Errorf("%s: verdict %v, %v, want %q", tt.params, verdict, why, part)
			}
			continue
		}
		want := before + tt.want + after
		if tt.want == "" {
			want = string(m.Raw)
		}
		if verdict != Passes || string(got.Raw) != want || got.Method != "tools/call" || got.ID != "7" {
			t.Errorf("verdict %v, %v, %s\nwant %s", verdict, why, got.Raw, want)
		}
	}
}

// TestSiteUnknown checks what becomes of calls when nobody knows the cloudId.
func TestSiteUnknown(t *testing.T) {
	for _, tt := range []struct {
		params string
		want   Verdict // as long as it is not known; then calls that depend on it are refused
	}{
		{`{"name":"get"}`, Undecided},
		{`{"name":"get","arguments":{"cloudId":"` + ours + `"}}`, Undecided},
		{`{"name":"search","arguments":{"cloudId":"` + theirs + `"}}`, Undecided},
		{`{"name":"fetch","arguments":{"id":"ari:cloud:jira:` + ours + `:issue/1"}}`, Undecided},
		{`{"name":"get","arguments":{"cloudId":"acme.atlassian.net"}}`, Passes},
		{`{"name":"search","arguments":{"query":"x"}}`, Passes},
		{`{"name":"get","arguments":{"cloudId":"other.atlassian.net"}}`, Refused},
		{`{"name":"get","arguments":{"cloudId":"other.atlassian.net","id":"ari:cloud:jira:` + ours + `:issue/1"}}`, Refused},
	} {
		m := parse(t, `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":`+tt.params+`}`)
		if got, verdict, _ := acme().Judge(m, Place{}); verdict != tt.want || string(got.Raw) != string(m.Raw) {
			t.Errorf("%s: %v, want %v", tt.params, verdict, tt.want)
		}
		cut := errors.New("the wire was cut")
		got, verdict, why := acme().Judge(m, Place{Err: cut})
		if verdict == Passes != (tt.want == Passes) || verdict == Undecided || string(got.Raw) != string(m.Raw) {
			t.Errorf("%s: %v", tt.params, verdict)
		}
		if tt.want == Undecided && (!strings.Contains(why.Error(), "the wire was cut") || !errors.Is(why, cut)) {
			t.Errorf("%s: %v", tt.params, why)
		}
	}
}

// TestSiteOthers checks that no other message is touched.
func TestSiteOthers(t *testing.T) {
	for _, raw := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"ari:cloud:jira:` + theirs + `:issue/1"}}`,
		`{"jsonrpc":"2.0","id":1,"result":{"method":"tools/call"}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
	} {
		if got, verdict, _ := acme().Judge(parse(t, raw), Place{}); verdict != Passes || string(got.Raw) != raw {
			t.Errorf("%v: %s became %s", verdict, raw, got.Raw)
		}
	}
	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get","arguments":{"cloudId":"other"}}}`
	if got, verdict, _ := (*Site)(nil).Judge(parse(t, call), Place{}); verdict != Passes || string(got.Raw) != call {
		t.Errorf("without a site: %v, %s", verdict, got.Raw)
	}
	if _, verdict, _ := acme().Judge(parse(t, strings.Replace(call, `"id":1,`, "", 1)), Place{}); verdict != Undecided {
		t.Errorf("a call that wants no answer: %v", verdict)
	}
}

// TestSiteEdit checks what is cut from lists of tools, and what is learnt from them.
func TestSiteEdit(t *testing.T) {
	s := acme()
	list := func(id, tools string) string {
		return `{"jsonrpc":"2.0","id":` + id + `,"result":{"tools":` + tools + `,"x":1e400}}`
	}
	for _, tt := range []struct{ tools, want string }{
		{`[{"name":"a","inputSchema":{"properties":{"cloudId":{}},"required":["cloudId"]}}]`, `[{"name":"a","inputSchema":{"properties":{"cloudId":{}},"required":[]}}]`},
		{`[{"inputSchema":{"required":[ "x" , "cloudId" , "y" ],"properties":{"cloudId":{"required":["cloudId"]}}},"name":"b"}]`, `[{"inputSchema":{"required":[ "x" , "y" ],"properties":{"cloudId":{"required":["cloudId"]}}},"name":"b"}]`},
		{`[{"name":"search","inputSchema":{"properties":{"cloudId":{},"q":{}},"required":["q"]}}]`, ""},
		{`[{"name":"c","inputSchema":{"properties":{"q":{}}},"outputSchema":{"required":["cloudId"]}}]`, ""},
		{`[5,{"name":"d","inputSchema":null},{"name":"e"}]`, ""},
		{`{"name":"f"}`, ""},
	} {
		if tt.want == "" {
			tt.want = tt.tools
		}
		s.Judge(parse(t, `{"jsonrpc":"2.0","id":"\u0061","method":"tools/list"}`), Place{})
		if got := s.Edit(parse(t, list(`"a"`, tt.tools))); string(got.Raw) != list(`"a"`, tt.want) || got.ID != `"a"` {
			t.Errorf("got %s\nwant %s", got.Raw, list(`"a"`, tt.want))
		}
		again := list(`"a"`, tt.tools) // which nobody has asked for
		if got := s.Edit(parse(t, again)); string(got.Raw) != again {
			t.Errorf("got %s\nwant %s", got.Raw, again)
		}
	}
	for tool, want := range map[string]bool{"a": true, "b": true, "search": true, "c": false, "d": false, "fetch": false, "other": true} {
		_, verdict, _ := s.Judge(parse(t, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+tool+`"}}`), Place{})
		if verdict == Undecided != want {
			t.Errorf("%s: %v", tool, verdict)
		}
	}
	if got := (*Site)(nil).Edit(parse(t, list("1", "[]"))); string(got.Raw) != list("1", "[]") {
		t.Errorf("without a site: %s", got.Raw)
	}
}

// FuzzSiteJudge checks that what passes differs from what came in the cloudId only, and passes again as it is.
func FuzzSiteJudge(f *testing.F) {
	f.Add(`{"a":[1,{"cloudId":null}]}`, false)
	f.Add(` { "cloudId" : "" , "b":"ari:cloud:x:y:z" } `, false)
	f.Add(`{"inputs":"{\"cloudId\":1}"}`, false)
	f.Add(`null`, false)
	f.Add(`{"name":"x","arguments":{}}`, true)
	f.Fuzz(func(t *testing.T, value string, params bool) {
		if !params {
			value = `{"name":"get","arguments":` + value + `}`
		}
		m, err := jsonrpc.Parse([]byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":` + value + `}`))
		if err != nil || m.Method != "tools/call" || m.Kind != jsonrpc.Request {
			return
		}
		got, verdict, why := acme().Judge(m, Place{CloudID: ours})
		if verdict == Undecided || (verdict == Refused) != (why != nil) {
			t.Fatalf("%s: verdict %v, %v", m.Raw, verdict, why)
		}
		if verdict == Refused {
			return
		}
		if again, verdict, why := acme().Judge(got, Place{CloudID: ours}); verdict != Passes || string(again.Raw) != string(got.Raw) {
			t.Errorf("%s became %s, and then %v, %v, %s", m.Raw, got.Raw, verdict, why, again.Raw)
		}
		var before, after map[string]any
		if json.Unmarshal(m.Raw, &before) != nil || json.Unmarshal(got.Raw, &after) != nil {
			return // numbers beyond float64
		}
		if !reflect.DeepEqual(withoutCloudID(before), withoutCloudID(after)) {
			t.Errorf("%s became %s", m.Raw, got.Raw)
		}
	})
}

// withoutCloudID returns a call without params.arguments.cloudId, and without arguments that have nothing else.
func withoutCloudID(call map[string]any) map[string]any {
	params, _ := call["params"].(map[string]any)
	arguments, _ := params["arguments"].(map[string]any)
	delete(arguments, "cloudId")
	if len(arguments) == 0 {
		delete(params, "arguments")
	}
	return call
}
