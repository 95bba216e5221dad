package era

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// FuzzSplice puts _meta into messages and takes resultType out, and checks that nothing else has changed.
func FuzzSplice(f *testing.F) {
	for _, seed := range []string{
		`{"id":1,"method":"m"}`, `{"id":1,"method":"m","params":null}`, ` { "id" : 1 , "method":"m", "params" : { } } `, `{"id":1,"method":"m","params":[]}`,
		`{"params":{"_meta":[]},"id":1,"method":"m"}`, `{"id":1,"method":"m","params":{"_meta":{"a":1}},"params":{"_meta":{"b":2}}}`,
		`{"id":1,"result":{"resultType":"complete"}}`, `{"id":1,"result":{"a":[1] , "resultType":"x" , "b":{}}}`, `{"id":1,"result":{"resultType" : 1,"b":2}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := jsonrpc.Parse(bytes.Clone(raw))
		if err != nil {
			return
		}
		var want, got map[string]any
		if json.Unmarshal(raw, &want) != nil {
			return
		}
		switch m.Kind {
		case jsonrpc.Request:
			changed := withMeta(m, `"k":"v"`)
			params := jsonrpc.Lookup(raw, "params")
			if array := len(params) > 0 && params[0] != '{' && string(params) != "null"; array != (jsonrpc.Lookup(changed.Raw, "params", "_meta", "k") == nil) {
				t.Fatalf("%s\nis now\n%s", raw, changed.Raw)
			}
			if changed.ID != m.ID || changed.Method != m.Method || changed.Kind != m.Kind {
				t.Errorf("%s\nis now\n%s", raw, changed.Raw)
			}
		case jsonrpc.Response:
			if _, ok := jsonrpc.Find(raw, "result", "resultType"); !ok {
				return
			}
			changed := withoutResultType(m)
			if err := json.Unmarshal(changed.Raw, &got); err != nil {
				t.Fatalf("%s\nis now\n%s: %v", raw, changed.Raw, err)
			}
			result, _ := want["result"].(map[string]any)
			if left, _ := got["result"].(map[string]any); left["resultType"] == nil { // else it was there twice
				delete(result, "resultType")
			}
			if changed.ID != m.ID || !reflect.DeepEqual(got, want) {
				t.Errorf("%s\nis now\n%s", raw, changed.Raw)
			}
		}
	})
}
