package relay_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
)

// A wire is a way in which messages come from the server.
type wire struct {
	name   string
	script func(frames map[string]string) script // frames are the answers, by method
}

// wires are both transports, and both forms of an answer of Streamable HTTP.
var wires = []wire{
	{"json", func(frames map[string]string) script {
		sc := script{"GET": listening("")}
		for method, frame := range frames {
			sc[method] = body(frame)
		}
		return sc
	}},
	{"stream", func(frames map[string]string) script {
		sc := script{"GET": listening("")}
		for method, frame := range frames {
			sc[method] = events(data(frame))
		}
		return sc
	}},
	{"sse", func(frames map[string]string) script {
		sc := script{"/mcp initialize": status(http.StatusNotFound, ""), "/mcp GET": listening("event: endpoint\ndata: /messages\n\n"), "initialize": onStream(result("$ID", welcome))}
		for method, frame := range frames {
			sc[method] = onStream(frame)
		}
		return sc
	}},
}

// onStream accepts a POST and answers it on the newest stream of listening.
func onStream(frame string) reply {
	return func(s *server, w http.ResponseWriter, r request) {
		w.WriteHeader(http.StatusAccepted)
		s.say(data(strings.ReplaceAll(frame, "$ID", string(r.m.ID))))
	}
}

// data returns an event with a line of data for each line of text.
func data(text string) string {
	return "event: message\ndata: " + strings.ReplaceAll(text, "\n", "\ndata: ") + "\n\n"
}

// TestGoldenIDs sends a request with each id and has it answered.
func TestGoldenIDs(t *testing.T) {
	for _, id := range []string{
		`1`, `0`, `-1`, `-0`, `1.5`, `1e3`, `1E+3`, `10.0e-1`, `9007199254740993`, `-9007199254740993`, `123456789012345678901234567890`, `1e400`,
		`null`, `""`, `"1"`, `"a b"`, `"é"`, `"\u00e9"`, `"<>&"`, `"\u003c"`, `"\"\\"`, `"` + "\u2028" + `"`, `true`, `[1]`, `{"a":1}`,
	} {
		eachWire(t, id, map[string]string{"x": `{"id":$ID,"result":{},"jsonrpc":"2.0"}`}, func(t *testing.T, s *server, c *client) {
			c.write(`{"method":"x","id":` + id + `,"jsonrpc":"2.0"}`)
			c.want(`{"id":` + id + `,"result":{},"jsonrpc":"2.0"}`)
			wantBody(t, s, "x", `{"method":"x","id":`+id+`,"jsonrpc":"2.0"}`)
		})
	}
}

// TestGoldenNeighbours has requests open whose ids differ only in a way that many parsers don't see.
func TestGoldenNeighbours(t *testing.T) {
	ids := []string{`1`, `"1"`, `9007199254740992`, `9007199254740993`, `1e400`, `2e400`, `"a"`, `"A"`, `null`, `"null"`, `""`}
	eachWire(t, "ids", map[string]string{"x": `{"jsonrpc":"2.0","id":$ID,"result":{"of":$ID}}`}, func(t *testing.T, s *server, c *client) {
		var want []string
		for _, id := range ids {
			c.write(call(id, "x"))
			want = append(want, result(id, `{"of":`+id+`}`))
		}
		c.wantAll(want...)
	})
}

// values are JSON that doesn't survive a parser that is not careful.
var values = []string{
	`9007199254740993`, `-9007199254740993`, `12345678901234567890`, `1.0`, `-0`, `1e400`, `1E-7`, `0.1000`, `null`, `""`, `[]`, `{}`, `[[[]]]`,
	`{"z":1,"a":2,"z":3}`, `{"A":1,"a":2}`, `"<>&"`, `"\u003c\u003e\u0026"`, `"\/"`, `"/"`, `"\u00e9é"`, `"\ud83d\ude00😀"`, `"\ud800"`, `"\u2028` + "\u2028" + `"`,
	`"\n\r\t\b\f\u0000\u007f"`, `{ "spaced" : [ 1 , 2 ] }`, "{\t\"tab\":1}",
}

// requests are what a client may write as a request. %s is a value.
var requests = []string{
	`{"jsonrpc":"2.0","id":7,"method":"x","params":{"v":%s}}`,
	`{"jsonrpc":"2.0","id":7,"method":"x","params":%s}`,
	`{"params":[%s],"method":"x","id":7,"jsonrpc":"2.0"}`,
	`{"jsonrpc":"2.0","id":7,"method":"x","unknown":%s}`,
	`{"jsonrpc":"2.0","id":7,"method":"x","ID":%s,"Method":"y","RESULT":1,"Error":2}`,
	`{"jsonrpc":"2.0","id":1,"method":"y","v":%s,"method":"x","id":7}`,
	`  { "jsonrpc" : "2.0" , "id" : 7 , "method" : "x" , "params" : { "_meta" : %s } }  `,
	`{"jsonrpc":"2.0","id":7,"method":"\u0078","params":%s}`,
	`{"jsonrpc":"2.0","\u0069d":7,"method":"x","params":%s}`,
}

func TestGoldenRequests(t *testing.T) {
	for _, form := range requests {
		eachWire(t, form, map[string]string{"x": `{"jsonrpc":"2.0","id":7,"result":{}}`}, func(t *testing.T, s *server, c *client) {
			for _, value := range values {
				frame := fmt.Sprintf(form, value)
				c.write(frame)
				c.want(result(7, `{}`))
				wantBody(t, s, "x", frame)
			}
		})
	}
}

// answers are what a server may answer. %s is a value.
var answers = []string{
	`{"jsonrpc":"2.0","id":7,"result":%s}`,
	`{"result":{"v":%s},"id":7,"jsonrpc":"2.0"}`,
	`{"jsonrpc":"2.0","id":7,"result":{},"unknown":%s}`,
	`{"jsonrpc":"2.0","ID":8,"Result":%s,"result":{},"id":7}`,
	`{"jsonrpc":"2.0","id":8,"result":%s,"id":7}`,
	`{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"m","data":%s}}`,
	`{"jsonrpc":"2.0","id":7,"error":{"code":-32000.0,"message":"m","more":%s}}`,
	`{"jsonrpc":"2.0","id":7.0,"error":{"data":%s,"code":1,"message":"m"}}`,
}

func TestGoldenAnswers(t *testing.T) {
	for _, form := range answers {
		frames := make(map[string]string)
		for i, value := range values {
			frames[fmt.Sprint("x", i)] = fmt.Sprintf(form, value)
		}
		eachWire(t, form, frames, func(t *testing.T, s *server, c *client) {
			for method, frame := range frames {
				c.write(call(7, method))
				c.want(frame)
			}
		})
	}
}

// notifications are what either side may say without being answered. %s is a value.
var notifications = []string{
	`{"jsonrpc":"2.0","method":"notifications/x","params":%s}`,
	`{"jsonrpc":"2.0","method":"notifications/x","params":[%s]}`,
	`{"jsonrpc":"2.0","method":"notifications/x","params":{"_meta":%s}}`,
	`{"jsonrpc":"2.0","method":"notifications/x","more":%s}`,
	`{"method":"notifications/x","params":{"b":%s,"a":1},"jsonrpc":"2.0"}`,
	`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%s}}`,
	`{"jsonrpc":"2.0","method":"notifications/cancelled","params":%s}`,
	`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":1e400}}`,
}

func TestGoldenNotifications(t *testing.T) {
	for _, form := range notifications {
		eachWire(t, form, nil, func(t *testing.T, s *server, c *client) {
			for _, value := range values {
				frame := fmt.Sprintf(form, value)
				s.message(frame)
				c.want(frame)
				c.write(frame)
				synctest.Wait()
				all := s.requests()
				if got := all[len(all)-1].body; got != frame {
					t.Errorf("server got\n\t%s\nwant\n\t%s", got, frame)
				}
			}
			c.quiet()
		})
	}
}

// TestGoldenServerRequests has the server ask the client while a request with the same id is open in the other direction.
func TestGoldenServerRequests(t *testing.T) {
	for _, id := range []string{`1`, `9007199254740993`, `1e3`, `1.5`, `"1"`, `null`, `"\u0061"`} {
		for _, form := range []string{
			`{"jsonrpc":"2.0","id":` + id + `,"method":"ping"}`,
			`{"method":"elicitation/create","params":{"v":9007199254740993,"_meta":null},"id":` + id + `,"jsonrpc":"2.0","x":"<\u003c"}`,
		} {
			eachWire(t, form, nil, func(t *testing.T, s *server, c *client) {
				ready := make(chan struct{})
				then := answer(`{"mine":true}`)
				if s.script["initialize"] != nil {
					then = onStream(result("$ID", `{"mine":true}`))
				}
				s.script["slow"] = after(ready, then)
				c.write(call(id, "slow"))
				synctest.Wait()
				for _, frame := range []string{
					`{"jsonrpc":"2.0","id":` + id + `,"result":{"yours":9007199254740993}}`,
					`{"error":{"code":-1,"message":"no","data":1e400},"id":` + id + `,"jsonrpc":"2.0"}`,
				} {
					s.message(form)
					c.want(form)
					c.write(frame)
					c.quiet()
					wantBody(t, s, "response", frame)
				}
				close(ready)
				c.want(result(id, `{"mine":true}`))
			})
		}
	}
}

// TestGoldenShapes is about what a server writes in more than one line, more than one event, or more than one message.
func TestGoldenShapes(t *testing.T) {
	pretty := "{\n  \"jsonrpc\": \"2.0\",\r\n  \"id\": 7,\n  \"result\": {\n    \"text\": \"a\\nb\", \"n\": 1.0\n  }\n}"
	flat := `{  "jsonrpc": "2.0",  "id": 7,  "result": {    "text": "a\nb", "n": 1.0  }}`
	for _, test := range []struct {
		name  string
		reply reply
		want  []string
	}{
		{"pretty json", body(pretty), []string{flat}},
		{"pretty stream", events(data(pretty)), []string{`{  "jsonrpc": "2.0",  "id": 7,  "result": {    "text": "a\nb", "n": 1.0  }}`}},
		{"json with a mark and a parameter", body(result(7, `{}`), "Content-Type", "application/json; charset=utf-8"), []string{result(7, `{}`)}},
		{"one byte a line", events("data: {\"jsonrpc\":\"2.0\",\ndata:\"id\":7\ndata:,\ndata\ndata:\"result\"\ndata::{}}\n\n"), []string{`{"jsonrpc":"2.0","id":7,"result":{}}`}},
		{"CR, comments, unknown fields", events("\uFEFF: hi\rid: 1\rfoo: bar\rdata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\r\r"), []string{result(7, `{}`)}},
		{"CRLF", events("event: message\r\ndata:{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\r\n\r\n"), []string{result(7, `{}`)}},
		{"priming event", events("id: 1\ndata:\n\n" + "retry: 5\n\n" + data(result(7, `{}`))), []string{result(7, `{}`)}},
		{"other events", events("event: ping\ndata: {}\n\nevent: endpoint\ndata: /x\n\n" + data(result(7, `{}`))), []string{result(7, `{}`)}},
		{"notification first", events(data(`{"jsonrpc":"2.0","method":"n","params":[1]}`) + data(result(7, `{}`))), []string{`{"jsonrpc":"2.0","method":"n","params":[1]}`, result(7, `{}`)}},
		{"notification last", events(data(result(7, `{}`)) + data(`{"jsonrpc":"2.0","method":"n"}`)), []string{result(7, `{}`), `{"jsonrpc":"2.0","method":"n"}`}},
		{"twice", events(data(result(7, `1`)) + data(result(7, `2`))), []string{result(7, `1`)}},
		{"batch", body(`[{"jsonrpc":"2.0","method":"n"}, {"jsonrpc":"2.0","id":7,"result":{ }}]`), []string{`{"jsonrpc":"2.0","method":"n"}`, `{"jsonrpc":"2.0","id":7,"result":{ }}`}},
		{"batch on stream", events(data(`[{"jsonrpc":"2.0","method":"n"},{"jsonrpc":"2.0","id":7,"result":{}}]`)), []string{`{"jsonrpc":"2.0","method":"n"}`, result(7, `{}`)}},
		{"error without id", body(`{"jsonrpc":"2.0","error":{"code":-32000.0,"message":"<>"}}`), []string{`{"id":7,"jsonrpc":"2.0","error":{"code":-32000.0,"message":"<>"}}`}},
		{"error with id null", body(`{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}`), []string{`{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"m"}}`}},
		{"error with id null on stream", events(data(`{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}`)), []string{`{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"m"}}`}},
		{"error under HTTP status", status(400, `{"jsonrpc":"2.0","id":99,"error":{"code":-32602,"message":"m","data":9007199254740993}}`), []string{`{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"m","data":9007199254740993}}`}},
		{"pretty error under HTTP status", status(500, "{\n\"jsonrpc\":\"2.0\",\n\"error\":{\"code\":-32602,\"message\":\"m\"}\n}\n"), []string{`{"id":7,"jsonrpc":"2.0","error":{"code":-32602,"message":"m"}}`}},
	} {
		bubble(t, test.name, func(t *testing.T) {
			s := newServer(t, script{"x": test.reply})
			c := connect(t, s)
			c.write(call(7, "x"))
			c.want(test.want...)
			c.end()
		})
	}
}

// TestGoldenOtherID has a server answer one request where it should have answered another.
func TestGoldenOtherID(t *testing.T) {
	for name, form := range map[string]func(string) reply{
		"json":   func(frame string) reply { return body(frame) },
		"stream": func(frame string) reply { return events(data(frame)) },
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"slow": hang, "x": form(result(1, `"for 1"`)), "y": form(result(99, `"for nobody"`))})
			c := connect(t, s)
			c.write(call(1, "slow"))
			synctest.Wait()
			c.write(call(2, "x"))
			c.wantAll(result(1, `"for 1"`), lost(2, name))
			c.write(call(3, "y"))
			c.want(lost(3, name))
		})
	}
}

// lost returns the error for a request whose answer ended without a response to it.
func lost(id int, form string) string {
	message := "server accepted the request but sent no answer"
	if form == "stream" {
		message = "connection ended before the answer came; the request may have been carried out"
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"error":{"code":-31000,"message":%q,"data":{"source":"atlassian-mcp"}}}`, id, message)
}

// eachWire runs f with a session on each wire, in which the server answers as frames say.
func eachWire(t *testing.T, name string, frames map[string]string, f func(t *testing.T, s *server, c *client)) {
	for _, w := range wires {
		bubble(t, w.name+" "+name, func(t *testing.T) {
			s := newServer(t, w.script(frames))
			f(t, s, connect(t, s))
		})
	}
}

// bubble runs a subtest in a bubble of its own.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// wantBody fails the test if the last request of this name was not frame to the byte.
func wantBody(t *testing.T, s *server, name, frame string) {
	t.Helper()
	all := s.requests(name)
	if len(all) == 0 {
		t.Fatalf("server saw no %s: %q", name, s.names())
	}
	if got := all[len(all)-1].body; got != frame {
		t.Errorf("server got\n\t%s\nwant\n\t%s", got, frame)
	}
}
