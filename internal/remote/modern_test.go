package remote

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

func parse(t testing.TB, raw string) jsonrpc.Message {
	t.Helper()
	m, err := jsonrpc.Parse([]byte(raw))
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return m
}

const modernMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

func TestModernVersion(t *testing.T) {
	for raw, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"method":"a","params":{` + modernMeta + `}}`:                                             "2026-07-28",
		`{"params":{"_meta":{"io.modelcontextprotocol\/protocolVersion" : "1900-01-01"}},"method":"a"}`:                   "1900-01-01",
		`{"method":"a","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"\u0032"}}}`:                          "2",
		`{"method":"a","params":{"_META":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`:                      "",
		`{"method":"a","Params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`:                      "",
		`{"method":"a","params":{"_meta":{"io.modelcontextprotocol/protocolversion":"2026-07-28"}}}`:                      "",
		`{"method":"a","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":20260728}}}`:                          "",
		`{"method":"a","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":null}}}`:                              "",
		`{"method":"a","params":{"_meta":[{"io.modelcontextprotocol/protocolVersion":"x"}]}}`:                             "",
		`{"method":"a","params":{"arguments":{"_meta":{"io.modelcontextprotocol/protocolVersion":"x"}}}}`:                 "",
		`{"method":"initialize","params":{"protocolVersion":"2025-11-25"}}`:                                               "",
		`{"method":"a","params":{"_meta":{}}}`:                                                                            "",
		`{"method":"a","params":[]}`:                                                                                      "",
		`{"method":"a"}`:                                                                                                  "",
		`[{"method":"a","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}]`:                    "",
		`{"method":"a","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"x"}},"params":{` + modernMeta + `}}`: "2026-07-28",
	} {
		if got := modernVersion(parse(t, raw)); got != want {
			t.Errorf("%s: got %q, want %q", raw, got, want)
		}
	}
}

// headersTool has an annotation of every kind that is allowed. Some schemas in it are true, which JSON Schema allows too.
const headersTool = `{"name":"query","inputSchema":{"type":"object","properties":{
	"region":{"type":"string","x-mcp-header":"Region"},
	"count":{"type":"integer","x-mcp-header":"Count"},
	"dry":{"type":["boolean"],"x-mcp-header":"dry-run"},
	"method":{"type":"string","x-mcp-header":"Method"},
	"x-mcp-header":{"type":"string","description":"an argument of this name"},
	"where":{"type":"object","properties":{"site":{"type":"object","properties":{"id":{"type":"string","x-mcp-header":"Site"}}},"any":true}},
	"rest":true},
	"additionalProperties":false}}`

// TestModernHeaders sends each message over HTTP and looks at what arrives there, as does mcp-go's validation of what the
// specification lets a server refuse.
func TestModernHeaders(t *testing.T) {
	call := func(arguments string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":` + arguments + `,` + modernMeta + `}}`
	}
	request := func(method, params string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{` + params + `,` + modernMeta + `}}`
	}
	query := func(headers ...string) []string {
		return append([]string{"Mcp-Method: tools/call", "Mcp-Name: query", "Mcp-Protocol-Version: 2026-07-28"}, headers...)
	}
	other := func(method string, headers ...string) []string {
		return append([]string{"Mcp-Method: " + method, "Mcp-Protocol-Version: 2026-07-28"}, headers...)
	}
	var tools toolHeaders
	tools.learn(parse(t, `{"jsonrpc":"2.0","id":1,"result":{"tools":[`+headersTool+`]}}`))
	var tool mcp.Tool
	if err := json.Unmarshal([]byte(`{"name":"query"}`), &tool); err != nil {
		t.Fatal(err)
	}
	tool.RawInputSchema = json.RawMessage(strings.ReplaceAll(headersTool[len(`{"name":"query","inputSchema":`):len(headersTool)-1], ":true", ":{}"))

	for _, test := range []struct {
		name, message string
		want          []string // Mcp- headers that arrive
		refused       bool     // by mcp-go, for what the body says: it wants integers within 2^53 and no objects
	}{
		// Appendix of the specification, "Value Encoding".
		{"plain", call(`{"region":"us-west1"}`), query("Mcp-Param-Region: us-west1"), false},
		{"not ASCII", call(`{"region":"Hello, 世界"}`), query("Mcp-Param-Region: =?base64?SGVsbG8sIOS4lueVjA==?="), false},
		{"not ASCII, escaped", call(`{"region":"Hello, \u4e16\u754c"}`), query("Mcp-Param-Region: =?base64?SGVsbG8sIOS4lueVjA==?="), false},
		{"padded", call(`{"region":" padded "}`), query("Mcp-Param-Region: =?base64?IHBhZGRlZCA=?="), false},
		{"two lines", call(`{"region":"line1\nline2"}`), query("Mcp-Param-Region: =?base64?bGluZTEKbGluZTI=?="), false},
		{"looks encoded", call(`{"region":"=?base64?literal?="}`), query("Mcp-Param-Region: =?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="), false},

		{"half encoded", call(`{"region":"=?base64?literal"}`), query("Mcp-Param-Region: =?base64?literal"), false},
		{"tab", call(`{"region":"a\tb"}`), query("Mcp-Param-Region: =?base64?YQli?="), false},
		{"DEL", call(`{"region":"a\u007fb"}`), query("Mcp-Param-Region: =?base64?YX9i?="), false},
		{"NUL", call(`{"region":"\u0000"}`), query("Mcp-Param-Region: =?base64?AA==?="), false},
		{"inner space", call(`{"region":"us west 1"}`), query("Mcp-Param-Region: us west 1"), false},
		{"quotes", call(`{"region":"\"a\" \\ b"}`), query(`Mcp-Param-Region: "a" \ b`), false},
		{"empty", call(`{"region":""}`), query("Mcp-Param-Region: "), false},
		{"null", call(`{"region":null}`), query(), false},
		{"absent", call(`{}`), query(), false},
		{"no arguments", request("tools/call", `"name":"query"`), query(), false},
		{"null arguments", call(`null`), query(), false},
		{"arguments that are a list", call(`["us-west1"]`), query(), false},
		{"other case", call(`{"Region":"us-west1"}`), query(), false},
		{"the last counts", call(`{"region":"a","region":"b"}`), query("Mcp-Param-Region: b"), false},
		{"escaped name", call(`{"\u0072egion":"a"}`), query("Mcp-Param-Region: a"), false},

		{"integer", call(`{"count":42}`), query("Mcp-Param-Count: 42"), false},
		{"negative", call(`{"count":-7}`), query("Mcp-Param-Count: -7"), false},
		{"zero", call(`{"count":0}`), query("Mcp-Param-Count: 0"), false},
		{"safe integer", call(`{"count":9007199254740991}`), query("Mcp-Param-Count: 9007199254740991"), false},
		{"big integer", call(`{"count":9007199254740993}`), query("Mcp-Param-Count: 9007199254740993"), true},
		{"bigger integer", call(`{"count":-123456789012345678901234567890}`), query("Mcp-Param-Count: -123456789012345678901234567890"), true},
		{"integer with a fraction", call(`{"count":42.0}`), query("Mcp-Param-Count: 42"), false},
		{"integer with an exponent", call(`{"count":1.5E3}`), query("Mcp-Param-Count: 1500"), false},
		{"no integer", call(`{"count":1.5}`), query("Mcp-Param-Count: 1.5"), true},
		{"enormous exponent", call(`{"count":1e999999999}`), query("Mcp-Param-Count: 1e999999999"), true},
		{"text for integer", call(`{"count":"42"}`), query("Mcp-Param-Count: 42"), false},

		{"true", call(`{"dry":true}`), query("Mcp-Param-Dry-Run: true"), false},
		{"false", call(`{"dry":false}`), query("Mcp-Param-Dry-Run: false"), false},
		{"list", call(`{"dry":[true]}`), query(), true},
		{"object", call(`{"region":{"a":1}}`), query(), true},

		{"nested", call(`{"where":{"site":{"id":"s1"}}}`), query("Mcp-Param-Site: s1"), false},
		{"nested null", call(`{"where":{"site":null}}`), query(), false},
		{"nested text", call(`{"where":"site"}`), query(), false},
		{"nested in a list", call(`{"where":{"site":[{"id":"s1"}]}}`), query(), false},
		{"all", call(` { "dry" : true , "where":{"any":[{"}":"]"}],"site":{"id":"\""}},"method":"m", "count":1,"x-mcp-header":"x" } `),
			query("Mcp-Param-Count: 1", "Mcp-Param-Dry-Run: true", "Mcp-Param-Method: m", `Mcp-Param-Site: "`), false},

		{"unknown tool", request("tools/call", `"name":"other","arguments":{"region":"a"}`), other("tools/call", "Mcp-Name: other"), false},
		{"tool name", request("tools/call", `"name":"größe"`), other("tools/call", "Mcp-Name: =?base64?Z3LDtsOfZQ==?="), false},
		{"not the name", request("tools/call", `"Name":"a","arguments":{"name":"b"},"name":"query"`), query(), false},
		{"prompt", request("prompts/get", `"name":"p","uri":"no"`), other("prompts/get", "Mcp-Name: p"), false},
		{"resource", request("resources/read", `"name":"no","uri":"file:///a b"`), other("resources/read", "Mcp-Name: file:///a b"), false},
		{"task", request("tasks/get", `"taskId":"t1","name":"no"`), other("tasks/get", "Mcp-Name: t1"), false},
		{"task update", request("tasks/update", `"taskId":"t1"`), other("tasks/update", "Mcp-Name: t1"), false},
		{"task cancel", request("tasks/cancel", `"taskId":" "`), other("tasks/cancel", "Mcp-Name: =?base64?IA==?="), false},
		{"no name", request("resources/list", `"name":"no","":"no"`), other("resources/list"), false},
		{"templates", request("resources/templates/list", `"uri":"no"`), other("resources/templates/list"), false},
		{"notification", `{"jsonrpc":"2.0","method":"notifications/progress"}`, []string{"Mcp-Method: notifications/progress"}, false},
		{"name that is no text", request("tools/call", `"name":1`), other("tools/call"), true},
		{"old version", `{"method":"server/discover","id":1,"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"1900-01-01"}}}`,
			[]string{"Mcp-Method: server/discover", "Mcp-Protocol-Version: 1900-01-01"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := parse(t, test.message)
			h, err := tools.headers(m)
			if err != nil {
				t.Fatal(err)
			}
			got := arrived(t, h)
			want := http.Header{}
			for _, line := range test.want {
				name, value, _ := strings.Cut(line, ": ")
				want.Set(name, value)
			}
			if !maps.EqualFunc(got, want, slices.Equal) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			params := json.RawMessage(jsonrpc.Lookup(m.Raw, "params"))
			err = mcp.ValidateStandardHeaders(got.Get, modernVersion(m), mcp.MCPMethod(m.Method), params)
			if err == nil && m.Method == "tools/call" && got.Get("Mcp-Name") == "query" {
				err = mcp.ValidateParamHeadersLookup(func(name string) (string, bool) {
					return got.Get(name), got.Values(name) != nil
				}, &tool, params)
			}
			if (err != nil) != test.refused {
				t.Errorf("mcp-go says of %q: %v", got, err)
			}
		})
	}
	for _, method := range []string{"größe", "a\\nb", " a", "a\\t", "\\u0000"} {
		m := parse(t, request(method, `"name":"a"`))
		if h, err := tools.headers(m); err == nil {
			t.Errorf("method %q got headers %q", m.Method, h)
		}
	}
}

// arrived returns the headers that begin with Mcp- as a server gets them.
func arrived(t *testing.T, h http.Header) http.Header {
	t.Helper()
	got := http.Header{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			if strings.HasPrefix(name, "Mcp-") {
				got[name] = values
			}
		}
	}))
	defer server.Close()
	req, err := http.NewRequest("POST", server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(req.Header, h)
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return got
}

// TestSchemaHeaders has schemas that break a rule of "Schema Extension", by the rule, and some that look as if they did.
func TestSchemaHeaders(t *testing.T) {
	property := func(s string) string { return `{"type":"object","properties":{"a":` + s + `}}` }
	for _, test := range []struct {
		schema, reason string // "" if valid
	}{
		{property(`{"type":"string","x-mcp-header":"A"}`), ""},
		{property(`{"x-mcp-header":"!#$%&'*+-.^_` + "`" + `|~09AZaz","type":["string","integer","boolean"]}`), ""},
		{property(`{"type":"string","X-Mcp-Header":""}`), ""},
		{property(`{"type":"object","properties":{"x-mcp-header":{"type":"number"}}}`), ""},
		{property(`{"type":"object","default":{"x-mcp-header":""},"const":{"x-mcp-header":1},"enum":[{"x-mcp-header":2}],"examples":[{"x-mcp-header":3}]}`), ""},
		{`{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"properties":{"c":{"type":"string","x-mcp-header":"B"}}}}}`, ""},
		{`true`, ""},
		{`["x-mcp-header"]`, ""},
		{`{"properties":["x-mcp-header"],"items":"x-mcp-header"}`, ""},

		{property(`{"type":"string","x-mcp-header":""}`), `"a" is "", which`},
		{property(`{"type":"string","x-mcp-header":null}`), `no name of a header`},
		{property(`{"type":"string","x-mcp-header":["A"]}`), `no name of a header`},
		{property(`{"type":"string","x-mcp-header":1}`), `no name of a header`},
		{property(`{"type":"string","x-mcp-header":"My Region"}`), `"My Region"`},
		{property(`{"type":"string","x-mcp-header":"Region:"}`), `no name of a header`},
		{property(`{"type":"string","x-mcp-header":"Région"}`), `no name of a header`},
		{property(`{"type":"string","x-mcp-header":"A\u0000"}`), `no name of a header`},
		{property(`{"type":"string","x-mcp-header":"A\r\nB: c"}`), `"A\r\nB: c"`},
		{property(`{"type":"string","x\u002dmcp-header":""}`), `no name of a header`},
		{property(`{"type":"number","x-mcp-header":"A"}`), `type "number"`},
		{property(`{"type":"object","x-mcp-header":"A"}`), `type "object"`},
		{property(`{"type":"array","items":{"type":"string"},"x-mcp-header":"A"}`), `type "array"`},
		{property(`{"type":"null","x-mcp-header":"A"}`), `type "null"`},
		{property(`{"type":["string","null"],"x-mcp-header":"A"}`), `type ["string","null"]`},
		{property(`{"type":[],"x-mcp-header":"A"}`), `type []`},
		{property(`{"x-mcp-header":"A"}`), `type null`},
		{`{"properties":{"a":{"type":"string","x-mcp-header":"Region"},"b":{"type":"string","x-mcp-header":"Region"}}}`, `"b" is "Region", which is there twice`},
		{`{"properties":{"a":{"type":"string","x-mcp-header":"Region"},"b":{"properties":{"c":{"type":"string","x-mcp-header":"rEGION"}}}}}`, `"b.c" is "rEGION"`},
		{`{"type":"string","x-mcp-header":"A"}`, "reachable"},
		{property(`{"type":"array","items":{"type":"string","x-mcp-header":"A"}}`), `at "a.items"`},
		{property(`{"type":"array","items":[{"type":"string"},{"type":"string","x-mcp-header":"A"}]}`), "reachable"},
		{property(`{"prefixItems":[{"type":"string","x-mcp-header":"A"}]}`), "reachable"},
		{property(`{"items":{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}}`), `"a.items.b"`},
		{`{"oneOf":[{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}]}`, `"oneOf.b"`},
		{`{"anyOf":[{},{"type":"string","x-mcp-header":"A"}]}`, "reachable"},
		{`{"allOf":[{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}]}`, "reachable"},
		{`{"not":{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}}`, "reachable"},
		{`{"if":{},"then":{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}}`, "reachable"},
		{`{"else":{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}}`, "reachable"},
		{`{"properties":{"a":{"$ref":"#/$defs/r"}},"$defs":{"r":{"type":"string","x-mcp-header":"A"}}}`, `"$defs.r"`},
		{`{"definitions":{"r":{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}}}`, "reachable"},
		{`{"patternProperties":{"^a":{"type":"string","x-mcp-header":"A"}}}`, "reachable"},
		{`{"additionalProperties":{"type":"string","x-mcp-header":"A"}}`, "reachable"},
		{`{"dependentSchemas":{"a":{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}}}`, "reachable"},
		{strings.Repeat(`{"items":`, 20000) + `{"x-mcp-header":"A"}` + strings.Repeat("}", 20000), "reading the input schema"},
	} {
		_, err := schemaHeaders([]byte(test.schema))
		if (err == nil) != (test.reason == "") || err != nil && !strings.Contains(err.Error(), test.reason) {
			t.Errorf("%.200s\ngot  %v\nwant %s", test.schema, err, test.reason)
		}
	}
}

// TestLearn puts invalid tools at every place of a list, with the white space that people and programs put there.
func TestLearn(t *testing.T) {
	tool := func(name, header string) string {
		return `{"name":"` + name + `","inputSchema":{"properties":{"a":{"type":"string","x-mcp-header":"` + header + `"}}},"n":1e400}`
	}
	plain, valid, bad, worse := `{"name":"plain"}`, tool("valid", "A"), tool("bad", ""), tool("worse", "b:c")
	list := func(tools string) string {
		return ` {"jsonrpc":"2.0", "id":9007199254740993,"result" : {"nextCursor":"x<","tools":` + tools + `,"z":[{},"]"]},"other":"\u0041" } `
	}
	for _, test := range []struct {
		name, tools, want string
		removed           []string
	}{
		{"empty", `[]`, `[]`, nil},
		{"empty with space", `[ ]`, `[ ]`, nil},
		{"valid", `[` + plain + `,` + valid + `]`, `[` + plain + `,` + valid + `]`, nil},
		{"first", `[` + bad + `,` + plain + `,` + valid + `]`, `[` + plain + `,` + valid + `]`, []string{"bad"}},
		{"middle", `[` + plain + `,` + bad + `,` + valid + `]`, `[` + plain + `,` + valid + `]`, []string{"bad"}},
		{"last", `[` + plain + `,` + valid + `,` + bad + `]`, `[` + plain + `,` + valid + `]`, []string{"bad"}},
		{"only", `[` + bad + `]`, `[]`, []string{"bad"}},
		{"all", `[` + bad + `,` + worse + `]`, `[]`, []string{"bad", "worse"}},
		{"first two", `[` + bad + `,` + worse + `,` + plain + `]`, `[` + plain + `]`, []string{"bad", "worse"}},
		{"last two", `[` + plain + `,` + bad + `,` + worse + `]`, `[` + plain + `]`, []string{"bad", "worse"}},
		{"both ends", `[` + bad + `,` + plain + `,` + worse + `]`, `[` + plain + `]`, []string{"bad", "worse"}},
		{"alternating", `[` + plain + `,` + bad + `,` + valid + `,` + worse + `,` + plain + `]`, `[` + plain + `,` + valid + `,` + plain + `]`, []string{"bad", "worse"}},
		{"spaced first", "[\n  " + bad + " ,\n\t" + plain + "\r\n]", "[\n  " + plain + "\r\n]", []string{"bad"}},
		{"spaced middle", "[ " + plain + " , " + bad + " ,  " + valid + " ]", "[ " + plain + " ,  " + valid + " ]", []string{"bad"}},
		{"spaced last", "[ " + plain + " ,\n" + bad + "\n]", "[ " + plain + "\n]", []string{"bad"}},
		{"spaced all", "[\n" + bad + " , " + worse + "\t]", "[\n\t]", []string{"bad", "worse"}},
		{"strange elements", `[null,1,"a",[` + bad + `],{},` + bad + `]`, `[null,1,"a",[` + bad + `],{}]`, []string{"bad"}},
		{"no list", bad, bad, nil},
		{"null", `null`, `null`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var tools toolHeaders
			m := parse(t, list(test.tools))
			got, removed := tools.learn(m)
			if want := list(test.want); string(got.Raw) != want {
				t.Errorf("got  %s\nwant %s", got.Raw, want)
			}
			if got.ID != m.ID || got.Kind != jsonrpc.Response {
				t.Errorf("the result is now a %v with id %s", got.Kind, got.ID)
			}
			var names []string
			for _, r := range removed {
				names = append(names, r.name)
				if r.reason == "" {
					t.Errorf("no reason to remove %q", r.name)
				}
			}
			if !slices.Equal(names, test.removed) {
				t.Errorf("removed %q, want %q", names, test.removed)
			}
		})
	}
	for _, raw := range []string{
		`{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"","data":{"tools":[` + bad + `]}}}`,
		`{"jsonrpc":"2.0","id":1,"Result":{"tools":[` + bad + `]},"result":{"Tools":[` + bad + `]}}`,
		`[{"jsonrpc":"2.0","id":1,"result":{"tools":[` + bad + `]}}]`,
	} {
		if got, removed := new(toolHeaders).learn(parse(t, raw)); string(got.Raw) != raw || removed != nil {
			t.Errorf("%s\nis now\n%s", raw, got.Raw)
		}
	}
	twice := `{"id":1,"result":{"tools":[` + bad + `]},"result":{"tools":[` + worse + `],"tools":[` + bad + `,` + plain + `]}}`
	if got, removed := new(toolHeaders).learn(parse(t, twice)); len(removed) != 3 || strings.Contains(string(got.Raw), "x-mcp") {
		t.Errorf("%s\nis now\n%s", twice, got.Raw)
	}
}

// TestLearnAgain checks that the last list counts, tool by tool: lists have pages.
func TestLearnAgain(t *testing.T) {
	var tools toolHeaders
	learn := func(properties string) {
		t.Helper()
		tools.learn(parse(t, `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"t","inputSchema":{"properties":`+properties+`}}]}}`))
	}
	expect := func(want string) {
		t.Helper()
		h, err := tools.headers(parse(t, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":"1","b":"2"}}}`))
		if got := fmt.Sprint(h["Mcp-Param-A"], h["Mcp-Param-B"]); err != nil || got != want {
			t.Errorf("got headers %s, %v, want %s", got, err, want)
		}
	}
	expect("[] []")
	learn(`{"a":{"type":"string","x-mcp-header":"A"}}`)
	expect("[1] []")
	learn(`{"a":{"type":"string"},"b":{"type":"string","x-mcp-header":"B"}}`)
	expect("[] [2]")
	learn(`{"b":{"type":"string","x-mcp-header":"A"}}`)
	expect("[2] []")
	tools.learn(parse(t, `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"u"}]}}`))
	expect("[2] []")
	learn(`{"a":{"type":"string","x-mcp-header":""}}`)
	expect("[] []")
	learn(`{"a":{"type":"string","x-mcp-header":"A"}}`)
	learn(`{}`)
	expect("[] []")
}

func TestModernError(t *testing.T) {
	for _, test := range []struct {
		status int
		raw    string
		want   bool
	}{
		{400, `{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"Unsupported protocol version","data":{"supported":["2026-07-28","2025-11-25"],"requested":"1900-01-01"}}}`, true},
		{400, `{"error":{"code":-32020,"message":"Header mismatch"}}`, true},
		{400, `{"error":{"code":-32021,"message":""},"id":null}`, true},
		{200, `{"id":1,"error":{"code":-32022,"message":""}}`, true},
		{400, `{"id":1,"error":{"code":-32020.0,"message":""}}`, true},
		{404, `{"id":1,"error":{"code":-32601,"message":"Method not found"}}`, true},
		{400, `{"id":1,"error":{"code":-32601,"message":"Method not found"}}`, false},
		{200, `{"id":1,"error":{"code":-32601,"message":"Method not found"}}`, false},
		{400, `{"id":1,"error":{"code":-32602,"message":"","data":{"supported":["2025-11-25"]}}}`, true},
		{400, `{"id":1,"error":{"code":-32602,"message":"","data":{"supported":[]}}}`, false},
		{400, `{"id":1,"error":{"code":-32602,"message":"","data":{"supported":[1]}}}`, false},
		{400, `{"id":1,"error":{"code":-32602,"message":"","data":{"supported":"2025-11-25"}}}`, false},
		{400, `{"id":1,"error":{"code":-32602,"message":"","data":null}}`, false},
		{400, `{"id":1,"error":{"code":-32602,"message":""}}`, false},
		{400, `{"id":1,"error":{"code":-32000,"message":"Bad Request: no session"}}`, false},
		{404, `{"id":1,"error":{"code":-32001,"message":"Session not found"}}`, false},
		{400, `{"id":1,"error":{"code":"-32020","message":""}}`, false},
		{400, `{"id":1,"error":{"Code":-32020,"message":""}}`, false},
		{400, `{"id":1,"error":"code -32020"}`, false},
		{400, `{"id":1,"result":{"code":-32020}}`, false},
		{404, `{"code":404,"message":"HTTP 404 Not Found"}`, false},
		{404, `"Not Found"`, false},
	} {
		if got := modernError(test.status, parse(t, test.raw)); got != test.want {
			t.Errorf("%d %s: got %v", test.status, test.raw, got)
		}
	}
	if modernError(404, jsonrpc.Message{}) {
		t.Error("no message is a modern error")
	}
}

// BenchmarkModernHeaders is for a call with an argument of 5 MiB.
func BenchmarkModernHeaders(b *testing.B) {
	var tools toolHeaders
	tools.learn(parse(b, `{"jsonrpc":"2.0","id":1,"result":{"tools":[`+headersTool+`]}}`))
	m := parse(b, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{"region":"a","text":"`+
		strings.Repeat(`0123456789 \"abcdef\" `, 5<<20/24)+`"},`+modernMeta+`}}`)
	b.SetBytes(int64(len(m.Raw)))
	b.ReportAllocs()
	for b.Loop() {
		if h, err := tools.headers(m); err != nil || len(h) != 4 {
			b.Fatal(h, err)
		}
	}
}
