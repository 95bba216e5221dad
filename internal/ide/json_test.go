package ide

import "testing"

// TestJSONRemove checks that comments beside an entry stay when it goes, and that what is left is in order.
func TestJSONRemove(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`{"s":{"x":1}}`, `{"s":{}}`},
		{`{"s":{"x":1,}}`, `{"s":{}}`},
		{`{"s":{ "x" : 1 , "a":2}}`, `{"s":{ "a":2}}`},
		{`{"s":{"a":2,"x":1}}`, `{"s":{"a":2}}`},
		{`{"s":{"a":2,"x":1,}}`, `{"s":{"a":2,}}`},
		{`{"s":{"a":2 /*a*/, /*x*/ "x":1 /*z*/}}`, `{"s":{"a":2 /*a*/ /*x*/ /*z*/}}`},
		{"{\"s\": {\n  // about x\n  \"x\": 1\n}}", "{\"s\": {\n  // about x\n}}"},
		{"{\"s\": {\n  // about x\n  \"x\": 1}}", "{\"s\": {\n  // about x\n}}"},
		{"{\"s\": {\n  \"a\": 2, // about a\n  \"x\": 1 // about x\n}}", "{\"s\": {\n  \"a\": 2 // about a\n // about x\n}}"},
		{"{\"s\": {\n  \"x\": 1, // about x\n  \"a\": 2\n}}", "{\"s\": { // about x\n  \"a\": 2\n}}"},
		{`{"s":{"x":1,"a":2,"\u0078":3}}`, `{"s":{"a":2}}`},
		{`{"s":{"a":2}}`, `{"s":{"a":2}}`},
		{`{"t":{"x":2}}`, `{"t":{"x":2}}`},
		{`{"s":{"x":0},"s":{"x":1}}`, `{"s":{"x":0},"s":{}}`}, // the last one counts
	} {
		got, err := jsonSyntax{}.remove([]byte(tt.text), []string{"s"}, "x")
		if string(got) != tt.want || err != nil {
			t.Errorf("%s\nbecame\n%s\nnot\n%s\nerror %v", tt.text, got, tt.want, err)
		}
	}
}

// TestJSONSet checks the edits that the golden files don't have.
func TestJSONSet(t *testing.T) {
	members := []member{{name: "a", value: "b"}, {name: "c", value: []member{{name: "d", value: "<&>"}}}, {name: "e", value: true, keep: true}}
	for _, tt := range []struct {
		text    string
		replace bool
		want    string
	}{
		{`{"s":{"x":[1]}}`, false, `{"s":{"x":{"a":"b","c":{"d":"<&>"},"e":true}}}`},
		{`{"s": {"x": {"z": 1, "c": 7, "e": false}}}`, false, `{"s": {"x": {"z": 1, "c": {"d": "<&>"}, "e": false, "a": "b"}}}`},
		{`{"s": {"x": {"z": 1, "c": 7, "e": false}}}`, true, `{"s": {"x": {"a": "b", "c": {"d": "<&>"}, "e": true}}}`},
		{`{"s": {"x": {"e": true, "c": {"d": "<&>"}, "a": "b"}}}`, true, `{"s": {"x": {"e": true, "c": {"d": "<&>"}, "a": "b"}}}`},
		{`{"s": {"x": {"a": "b", "c": {"f": 1}, "e": 0}}}`, false, `{"s": {"x": {"a": "b", "c": {"f": 1, "d": "<&>"}, "e": 0}}}`},
		{`{"a": 1, "s": null}`, false, `{"a": 1, "s": {"x": {"a": "b", "c": {"d": "<&>"}, "e": true}}}`},
		{"{\n\t\"s\": null, // none\n}", false, "{\n\t\"s\": {\n\t\t\"x\": {\n\t\t\t\"a\": \"b\",\n\t\t\t\"c\": {\n\t\t\t\t\"d\": \"<&>\"\n\t\t\t},\n\t\t\t\"e\": true\n\t\t}\n\t}, // none\n}"},
		{`{"s": {"x": null}}`, false, `{"s": {"x": {"a": "b", "c": {"d": "<&>"}, "e": true}}}`},
		{"{\"s\": {} // to the end\n}", false, "{\"s\": {\"x\": {\"a\": \"b\", \"c\": {\"d\": \"<&>\"}, \"e\": true}} // to the end\n}"},
	} {
		got, err := jsonSyntax{}.set([]byte(tt.text), []string{"s"}, "x", members, tt.replace)
		if string(got) != tt.want || err != nil {
			t.Errorf("%s\nbecame\n%s\nnot\n%s\nerror %v", tt.text, got, tt.want, err)
		}
	}
}
