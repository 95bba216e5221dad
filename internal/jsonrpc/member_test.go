package jsonrpc

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// FuzzMembers compares with encoding/json what is found in valid JSON, and sees to it that nothing bad comes of other bytes.
func FuzzMembers(f *testing.F) {
	for _, text := range []string{
		`{"a":1,"b":[true,null,{"c":"}"}],"\u0061":"\"\\\\\"","":-1.5e3}`,
		" {\n} ", `[]`, ` [ ] `, `[[],{},"]",1 ,2]`, `{"a":{"a":{"a":[1]}}}`, `"a"`, `1`, ``, `{"a" : "\\" , "b":"\\\"" }`,
		`{"a"`, `{"a":`, `{"a":"`, `{"a":"\`, `[1,`, `[,]`, `{,}`, `{"a":]`, `}`, `{1:2}`, `{"a":1 2}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		whole := Whole(text)
		members := make(map[string]string)
		for name, at := range Members(text, whole) {
			members[name] = string(text[at.Start:at.End])
		}
		var elements []string
		for at := range Elements(text, whole) {
			elements = append(elements, string(text[at.Start:at.End]))
		}
		Lookup(text, "a", "a")
		if !json.Valid(text) || strings.ToValidUTF8(string(text), "") != string(text) {
			return
		}
		var wantMembers map[string]json.RawMessage
		if json.Unmarshal(text, &wantMembers) != nil {
			wantMembers = nil
		}
		if len(members) != len(wantMembers) {
			t.Errorf("%q has members %q, want %q", text, members, wantMembers)
		}
		for name, want := range wantMembers {
			if got := Lookup(text, name); string(got) != string(want) || members[name] != string(want) {
				t.Errorf("%q has %q: %s, want %s", text, name, got, want)
			}
			var s string
			isString := want[0] == '"' && json.Unmarshal(want, &s) == nil
			if got, ok := Text(want); ok != isString || got != s {
				t.Errorf("%s is the string %q, %v, want %q", want, got, ok, s)
			}
		}
		var wantElements []json.RawMessage
		if json.Unmarshal(text, &wantElements) != nil {
			wantElements = nil
		}
		if !slices.EqualFunc(elements, wantElements, func(a string, b json.RawMessage) bool { return a == string(b) }) {
			t.Errorf("%q has elements %q, want %q", text, elements, wantElements)
		}
	})
}
