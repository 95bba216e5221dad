package sandbox

import (
	"encoding/json"
	"testing"
)

func FuzzParseBody(f *testing.F) {
	for _, text := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"ping"}`,
		` [ {"jsonrpc":"2.0","id":"a","method":"x","params":{}} , {"jsonrpc":"2.0","method":"n"} ] `,
		`{"jsonrpc":"2.0","id":1e3,"result":null}`,
		`{"jsonrpc":"2.0","error":{}}`,
		`{"jsonrpc":"2.0","id":null,"method":"x"}`,
		`{"JSONRPC":"2.0","ID":1,"Method":"x"}`,
		`[]`, `[[]]`, `null`, `"`, ``,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		messages, wrong := parseBody(text)
		if (wrong == "") != (len(messages) > 0) {
			t.Fatalf("%d messages and %q", len(messages), wrong)
		}
		if wrong != "" {
			return
		}
		for _, m := range messages {
			if m.ID != nil && !json.Valid(encode(response{"2.0", m.ID, struct{}{}, nil})) {
				t.Errorf("the answer to %s is no JSON", m.ID)
			}
			if m.isRequest() && (m.Method == "" || m.ID == nil) {
				t.Errorf("a request without ID or method: %+v", m)
			}
		}
	})
}
