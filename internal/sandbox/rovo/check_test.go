package rovo

import (
	"encoding/json"
	"testing"
)

// TestCheck has messages as zod 3 writes them.
func TestCheck(t *testing.T) {
	tool := Tool{Name: "x", InputSchema: json.RawMessage(`{"type": "object", "properties": {
		"cloudId": {"type": "string", "pattern": "^[a-z]"},
		"limit": {"type": "number", "minimum": 1, "maximum": 250},
		"count": {"type": "integer", "exclusiveMinimum": 0},
		"kind": {"type": "string", "enum": ["a", "b"]},
		"labels": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
		"value": {"type": ["string", "null"]},
		"fields": {"type": "object", "additionalProperties": {}},
		"counts": {"type": "object", "additionalProperties": {"type": "number"}},
		"where": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"], "additionalProperties": false}
	}, "required": ["cloudId"], "additionalProperties": false}`)}
	for _, tt := range []struct{ args, want string }{
		{`{"cloudId":"c"}`, ""},
		{`{"cloudId":"c","limit":250,"count":1,"kind":"b","labels":["a"],"value":null,"fields":{"any":[1]},"counts":{"a":1},"where":{"id":"1"}}`, ""},
		{`{"cloudId":"c","labels":"a","value":"v"}`, ""},
		{`{}`, `{"code":"invalid_type","expected":"string","received":"undefined","path":["cloudId"],"message":"Required"}`},
		{`{"cloudId":null}`, `{"code":"invalid_type","expected":"string","received":"null","path":["cloudId"],"message":"Expected string, received null"}`},
		{`{"cloudId":"C"}`, `{"code":"invalid_string","validation":"regex","path":["cloudId"],"message":"Invalid"}`},
		{`{"cloudId":"c","limit":"9"}`, `{"code":"invalid_type","expected":"number","received":"string","path":["limit"],"message":"Expected number, received string"}`},
		{`{"cloudId":"c","limit":251}`, `{"code":"too_big","maximum":250,"type":"number","inclusive":true,"exact":false,"path":["limit"],"message":"Number must be less than or equal to 250"}`},
		{`{"cloudId":"c","limit":0}`, `{"code":"too_small","minimum":1,"type":"number","inclusive":true,"exact":false,"path":["limit"],"message":"Number must be greater than or equal to 1"}`},
		{`{"cloudId":"c","count":0}`, `{"code":"too_small","minimum":0,"type":"number","inclusive":false,"exact":false,"path":["count"],"message":"Number must be greater than 0"}`},
		{`{"cloudId":"c","count":1.5}`, `{"code":"invalid_type","expected":"integer","received":"float","path":["count"],"message":"Expected integer, received float"}`},
		{`{"cloudId":"c","kind":"c"}`, `{"code":"invalid_enum_value","received":"c","options":["a","b"],"path":["kind"],"message":"Invalid enum value. Expected 'a' | 'b', received 'c'"}`},
		{`{"cloudId":"c","kind":[]}`, `{"code":"invalid_type","expected":"'a' | 'b'","received":"array","path":["kind"],"message":"Expected 'a' | 'b', received array"}`},
		{`{"cloudId":"c","counts":{"a":"b"}}`, `{"code":"invalid_type","expected":"number","received":"string","path":["counts","a"],"message":"Expected number, received string"}`},
		{`{"cloudId":"c","where":{"<a>":1}}`, `{"code":"invalid_type","expected":"string","received":"undefined","path":["where","id"],"message":"Required"},` +
			`{"code":"unrecognized_keys","keys":["<a>"],"path":["where"],"message":"Unrecognized key(s) in object: '<a>'"}`},
		{`{"cloudId":"c","labels":[1]}`, `{"code":"invalid_union","unionErrors":[{"issues":[{"code":"invalid_type","expected":"string","received":"array","path":["labels"],` +
			`"message":"Expected string, received array"}],"name":"ZodError"},{"issues":[{"code":"invalid_type","expected":"string","received":"number","path":["labels",0],` +
			`"message":"Expected string, received number"}],"name":"ZodError"}],"path":["labels"],"message":"Invalid input"}`},
		{`[]`, `{"code":"invalid_type","expected":"object","received":"array","path":[],"message":"Expected object, received array"}`},
	} {
		want := tt.want
		if want != "" {
			want = "Invalid arguments for tool x: [" + want + "]"
		}
		if got := check(tool, json.RawMessage(tt.args)); !sameMessage(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", tt.args, got, want)
		}
	}
}

// sameMessage compares messages but for the order of keys, in which ours is not always zod's.
func sameMessage(a, b string) bool {
	const prefix = len("Invalid arguments for tool x: ")
	if len(a) < prefix || len(b) < prefix {
		return a == b
	}
	var x, y any
	if json.Unmarshal([]byte(a[prefix:]), &x) != nil || json.Unmarshal([]byte(b[prefix:]), &y) != nil {
		return a == b
	}
	return a[:prefix] == b[:prefix] && compactJSON(x) == compactJSON(y)
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"type":["object","string"],"properties":{"a":{"anyOf":[{"type":"string"}]}},"required":["a"]}`), []byte(`{"a":1}`))
	f.Fuzz(func(t *testing.T, text, args []byte) {
		var s schema
		if json.Unmarshal(text, &s) != nil || s.Pattern != "" {
			return // our own schemas are read by TestSchemas
		}
		check(Tool{InputSchema: text}, args)
	})
}
