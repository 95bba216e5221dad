package jsonrpc

import (
	"bytes"
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
		if at, ok := Find(text, "a", "a"); ok != (Lookup(text, "a", "a") != nil) || at.Start < 0 || at.End < at.Start || at.End > len(text) {
			t.Errorf("%q has a.a at %v, %v", text, at, ok)
		}
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
		var nested map[string]json.RawMessage
		if json.Unmarshal(wantMembers["a"], &nested) != nil {
			nested = nil
		}
		if got := Lookup(text, "a", "a"); string(got) != string(nested["a"]) {
			t.Errorf("%q has a.a: %s, want %s", text, got, nested["a"])
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

// FuzzStrings compares with the tokens of encoding/json.
func FuzzStrings(f *testing.F) {
	for _, text := range []string{
		`{"a":1,"b":[true,null,{"c" : "}"}],"\u0061":"\"\\\\\"","":-1.5e3}`, ` "a" `, `["a" ,"b:"]`, `{"a":{"a":{"a":["a",1]}}}`, `1`, ``, `"`, `{"a"`, `{"a":`, `{"a":"\`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got []string
		for at, value := range Strings(text, Whole(text)) {
			s, _ := Text(text[at.Start:at.End])
			if value > 0 {
				s += ":" + string(text[value:min(value+1, len(text))])
			}
			got = append(got, s)
		}
		if !json.Valid(text) || strings.ToValidUTF8(string(text), "") != string(text) {
			return
		}
		var want []string
		var inObject []bool
		named := false // the string before was a name
		decoder := json.NewDecoder(bytes.NewReader(text))
		for name := false; ; {
			token, err := decoder.Token()
			if err != nil {
				break
			}
			if delim, ok := token.(json.Delim); !named && ok && (delim == '}' || delim == ']') {
				inObject = inObject[:len(inObject)-1]
				name = len(inObject) > 0 && inObject[len(inObject)-1]
				continue
			}
			if named {
				want[len(want)-1] += ":" + first(token)
			}
			s, isString := token.(string)
			if named = isString && name; isString {
				want = append(want, s)
			}
			if delim, ok := token.(json.Delim); ok {
				inObject = append(inObject, delim == '{')
				name = delim == '{'
			} else {
				name = len(inObject) > 0 && inObject[len(inObject)-1] && !named
			}
		}
		if !slices.EqualFunc(got, want, func(a, b string) bool {
			return a == b || strings.HasSuffix(b, ":#") && strings.HasPrefix(a, b[:len(b)-1])
		}) {
			t.Errorf("%q has strings %q, want %q", text, got, want)
		}
	})
}

// first returns what a value of which this is the first token begins with, # for a number.
func first(token json.Token) string {
	switch token := token.(type) {
	case json.Delim:
		return token.String()
	case string:
		return `"`
	case bool:
		if token {
			return "t"
		}
		return "f"
	case nil:
		return "n"
	}
	return "#"
}
