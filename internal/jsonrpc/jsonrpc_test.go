package jsonrpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		raw    string
		kind   Kind
		id     ID
		method string
	}{
		{`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"id":2,"method":"x"}}`, Request, "1", "tools/call"},
		{`{"method":"a","id":"x"}`, Request, `"x"`, "a"},
		{`{"method":"a","id":null}`, Request, "null", "a"},
		{`{"method":"a","id":9007199254740993}`, Request, "9007199254740993", "a"},
		{`{"method":"a","id":1e400}`, Request, "1e400", "a"},
		{`{"method":"a","id":-0.5E+7 }`, Request, "-0.5E+7", "a"},
		{`{"method":"a","id":{"id":[1,{"method":2}]}}`, Request, `{"id":[1,{"method":2}]}`, "a"},
		{`{"method":"a","id":true}`, Request, "true", "a"},
		{`{"method":"a","ID":1}`, Notification, "", "a"},
		{`{"Method":"a","id":1}`, Invalid, "1", ""},
		{`{"\u006dethod":"\u0061","\u0069\u0064":1}`, Request, "1", "a"},
		{`{"id":1,"method":"a","id":2,"method":"b"}`, Request, "2", "b"},
		{`{"id":1,"method":"a","method":7}`, Invalid, "1", ""},
		{`{"id":1,"result":null}`, Response, "1", ""},
		{`{"id":1,"error":{"code":-32000.0}}`, Response, "1", ""},
		{`{"error":{}}`, Response, "", ""},
		{`{"RESULT":{},"id":1}`, Invalid, "1", ""},
		{"{\n \"id\" : 3 ,\r\n\t\"result\" : [ ] }", Response, "3", ""},
		{`[{"id":1,"method":"a"}]`, Batch, "", ""},
		{`[]`, Batch, "", ""},
		{`{}`, Invalid, "", ""},
		{`42`, Invalid, "", ""},
		{`"method"`, Invalid, "", ""},
	} {
		m, err := Parse([]byte(tt.raw))
		if err != nil || m.Kind != tt.kind || m.ID != tt.id || m.Method != tt.method || string(m.Raw) != tt.raw {
			t.Errorf("Parse(%s) = %v %q %q, %v; want %v %q %q", tt.raw, m.Kind, m.ID, m.Method, err, tt.kind, tt.id, tt.method)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, raw := range []string{
		``, ` `, `{`, `}`, `[1,]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `01`, `1.`, `.5`, `1e`, `+1`, `-`, `tru`, `nul1`, `{"a":1}}`, `1 2`,
		"\"\n\"", `"\x"`, `"\u12g4"`, `"`, `{'a':1}`, `{"a":1]`, `[1}`, "\ufeff{}", `NaN`, `{"a":1}x`,
	} {
		var syntax *SyntaxError
		if m, err := Parse([]byte(raw)); !errors.As(err, &syntax) {
			t.Errorf("Parse(%q) = %v, %v; want a SyntaxError", raw, m.Kind, err)
		}
	}
}

func TestParseDeep(t *testing.T) {
	const depth = 3 << 20
	raw := `{"id":1,"method":"a","params":` + strings.Repeat(`[`, depth) + strings.Repeat(`]`, depth) + `}`
	if m, err := Parse([]byte(raw)); err != nil || m.Kind != Request {
		t.Errorf("nesting of %d levels: %v, %v", depth, m.Kind, err)
	}
}

// FuzzParse compares the scanner with encoding/json, whole and in pieces.
func FuzzParse(f *testing.F) {
	for _, raw := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":[1,2.5e-7,true,null,"\u00e9"]}}`,
		`{"id":{"a":[{}]},"result":{}}`, `[1,[2],{"id":3}]`, `{"\u0069d":"a\\\"","me\u0074hod":"x"}`, "{\"id\":1\n,\"error\":0}", `-0.0e+1`,
		`{"id":1,"id":2,"method":"a","method":null}`, `{"` + strings.Repeat("k", 70) + `":1,"id":5,"method":"é"}`,
	} {
		f.Add([]byte(raw), uint64(1))
	}
	f.Fuzz(func(t *testing.T, raw []byte, seed uint64) {
		m, err := Parse(raw)
		var members map[string]json.RawMessage
		oracle := json.Unmarshal(raw, &members)
		if oracle != nil && strings.Contains(oracle.Error(), "max depth") {
			return
		}
		if valid := json.Valid(raw); valid != (err == nil) {
			t.Fatalf("Parse says %v, encoding/json says valid=%v", err, valid)
		}
		if err == nil && oracle == nil && members != nil {
			id, hasID := members["id"]
			var method *string
			if json.Unmarshal(members["method"], &method) != nil {
				method = nil
			}
			_, result := members["result"]
			_, fault := members["error"]
			_, named := members["method"]
			kind := Invalid
			switch {
			case method != nil && hasID:
				kind = Request
			case method != nil:
				kind = Notification
			case !named && (result || fault):
				kind = Response
			}
			if m.Kind != kind || string(m.ID) != string(id) || method != nil && m.Method != *method {
				t.Fatalf("Parse: %v %q %q; encoding/json: %v %q %v", m.Kind, m.ID, m.Method, kind, id, method)
			}
			if hasID && string(raw[m.idStart:m.idEnd]) != string(id) {
				t.Fatalf("id at %d:%d is %q, want %q", m.idStart, m.idEnd, raw[m.idStart:m.idEnd], id)
			}
		}

		random := rand.New(rand.NewPCG(seed, 0))
		var s scanner
		var inPieces error
		for rest := raw; len(rest) > 0 && inPieces == nil; {
			n := 1 + random.IntN(len(rest))
			if random.IntN(2) == 0 {
				n = 1
			}
			inPieces = s.write(bytes.Clone(rest[:n]))
			rest = rest[n:]
		}
		if inPieces == nil {
			inPieces = s.close()
		}
		if (inPieces == nil) != (err == nil) {
			t.Fatalf("whole: %v; in pieces: %v", err, inPieces)
		}
		if err == nil {
			if p := s.message(); p.Kind != m.Kind || p.ID != m.ID || p.Method != m.Method || p.idStart != m.idStart || p.idEnd != m.idEnd || p.lines != m.lines {
				t.Fatalf("whole: %v; in pieces: %v", m, p)
			}
			var line bytes.Buffer
			NewWriter(&line).Write(m)
			if n := bytes.IndexAny(line.Bytes(), "\r\n"); n != line.Len()-1 {
				t.Fatalf("written as %q", line.Bytes())
			}
			var want, got bytes.Buffer
			json.Compact(&want, raw)
			json.Compact(&got, line.Bytes())
			if !bytes.Equal(want.Bytes(), got.Bytes()) {
				t.Fatalf("written as %q, read as %q", line.Bytes(), raw)
			}
		}
	})
}

func TestKey(t *testing.T) {
	same := [][]ID{
		{`1`, `1.0`, `1e0`, `10e-1`, `0.1E+1`, `100E-2`},
		{`0`, `-0`, `0.0`, `0e5`, `-0.0e-9`},
		{`"a"`, `"\u0061"`},
		{`"é"`, `"\u00e9"`},
		{`9007199254740993`, `9007199254740993.0`},
		{`9007199254740992`},
		{`1e400`, `10e399`},
		{`-1`}, {`"1"`}, {`null`}, {`"null"`}, {`true`}, {`1e999999999999`}, {`1.5`, `15e-1`}, {`1200`, `1.2e3`}, {``},
	}
	seen := map[string]int{}
	for i, ids := range same {
		for _, id := range ids {
			if j, ok := seen[id.Key()]; ok && j != i {
				t.Errorf("%s has the key of %s", id, same[j][0])
			}
			seen[id.Key()] = i
			if id.Key() != ids[0].Key() {
				t.Errorf("%s and %s have the keys %s and %s", id, ids[0], id.Key(), ids[0].Key())
			}
		}
	}
}

func TestWithID(t *testing.T) {
	for _, tt := range []struct{ raw, want string }{
		{`{"id":null,"error":{"code":1.0}}`, `{"id":7,"error":{"code":1.0}}`},
		{`{"error":{"code":1.0}}`, `{"id":7,"error":{"code":1.0}}`},
		{` { }`, ` {"id":7 }`},
		{`{"x":1, "id" : "old" }`, `{"x":1, "id" : 7 }`},
	} {
		m, _ := Parse([]byte(tt.raw))
		if got := m.WithID("7"); string(got.Raw) != tt.want || got.ID != "7" {
			t.Errorf("%s with id 7 is %s, want %s", tt.raw, got.Raw, tt.want)
		}
	}
}

func TestErrorResponse(t *testing.T) {
	m := ErrorResponse("", Error{Code: CodeParse, Message: "a < b & \"c\"\n", Data: map[string]any{"status": 502}})
	if want := `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"a < b & \"c\"\n","data":{"status":502}}}`; string(m.Raw) != want {
		t.Errorf("got  %s\nwant %s", m.Raw, want)
	}
}

func TestReader(t *testing.T) {
	big := `{"params":"` + strings.Repeat("x", 300_000) + `","id":4,"method":"big"}`
	input := "\xef\xbb\xbf{\"id\":1,\"method\":\"a\"}\r\n\n  \r\n{bad\n[]\n" + big + "\n" +
		`{"params":"` + strings.Repeat("y", 400_000) + `","method":"huge","id":"late"}` + "\n" +
		strings.Repeat("z", 500_000) + "\n" + `{"id":5,"method":"last"}`
	r := NewReader(strings.NewReader(input), int64(len(big)))
	want := []string{"request 1 a", "syntax", "invalid", "request 4 big", `too long request "late" huge`, "too long invalid", "request 5 last", "EOF"}
	for _, w := range want {
		m, err := r.Read()
		var syntax *SyntaxError
		var long *TooLongError
		var got string
		switch {
		case errors.As(err, &syntax):
			got = "syntax"
		case errors.As(err, &long):
			got = strings.TrimSpace("too long " + brief(long.Message))
		case err != nil:
			got = err.Error()
		case m.Kind == Batch:
			got = "invalid"
		default:
			got = brief(m)
		}
		if got = strings.ReplaceAll(got, "invalid message", "invalid"); got != w {
			t.Errorf("got %q, want %q", got, w)
		}
	}
}

func brief(m Message) string {
	return strings.TrimSpace(strings.Join([]string{m.Kind.String(), string(m.ID), m.Method}, " "))
}

func TestReaderLimitIsExact(t *testing.T) {
	line := `{"id":1,"method":"abc"}`
	for _, end := range []string{"", "\n", "\r\n"} {
		if _, err := NewReader(strings.NewReader(line+end), int64(len(line))).Read(); err != nil {
			t.Errorf("a line of the length of the limit, ended by %q: %v", end, err)
		}
		var long *TooLongError
		if _, err := NewReader(strings.NewReader(line+end), int64(len(line)-1)).Read(); !errors.As(err, &long) {
			t.Errorf("a line of one byte more, ended by %q: %v", end, err)
		}
	}
}

func TestWriterKeepsBytes(t *testing.T) {
	raw := "{\n  \"id\": 1.0,\r\n  \"result\": \"<\\u2028&\\n>\", \"n\": 12345678901234567890\n}\n"
	m, err := Parse([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := NewWriter(&b).Write(m); err != nil {
		t.Fatal(err)
	}
	if want := `{  "id": 1.0,  "result": "<\u2028&\n>", "n": 12345678901234567890}` + "\n"; b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
}

func BenchmarkParse(b *testing.B) {
	for name, raw := range map[string]string{
		"call": `{"method":"tools/call","params":{"name":"getJiraIssue","arguments":{"cloudId":"11111111-2222","issueIdOrKey":"ALPHA-1"}},"jsonrpc":"2.0","id":12}`,
		"10MB": `{"id":1,"result":{"text":"` + strings.Repeat("lorem ipsum ", 800_000) + `"}}`,
		"rows": `{"id":1,"result":[` + strings.Repeat(`{"key":"A-1","n":123,"ok":true},`, 30_000) + `{}]}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				Parse([]byte(raw))
			}
		})
	}
}
