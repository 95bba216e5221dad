package relay_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestStreamResumed has the stream of a call end before the answer, where it can be taken up again.
func TestStreamResumed(t *testing.T) {
	for name, test := range map[string]struct {
		first  reply
		rest   reply
		ids    []string // Last-Event-ID of the GETs that take it up
		after  []time.Duration
		answer bool
	}{
		"polite end":        {events("id: 5\nretry: 3000\ndata:\n\n"), events(data(result(1, `{}`))), []string{"5"}, []time.Duration{3 * time.Second}, true},
		"end, no retry":     {events("id: 5\ndata:\n\n"), events(data(result(1, `{}`))), []string{"5"}, []time.Duration{time.Second}, true},
		"retry at once":     {events("id: 5\nretry: 0\ndata:\n\n"), events(data(result(1, `{}`))), []string{"5"}, []time.Duration{0}, true},
		"break":             {cut("id: 5\nretry: 200\ndata:\n\n"), events(data(result(1, `{}`))), []string{"5"}, []time.Duration{200 * time.Millisecond}, true},
		"inside event":      {cut("id: 5\nretry: 200\ndata:\n\nid: 6\ndata: {\"jsonrpc\""), events(data(result(1, `{}`))), []string{"5"}, []time.Duration{200 * time.Millisecond}, true},
		"twice":             {events("id: 5\nretry: 200\ndata:\n\n"), inTurn(events("id: 6\nretry: 300\n\n"), events(data(result(1, `{}`)))), []string{"5", "6"}, []time.Duration{200 * time.Millisecond, 300 * time.Millisecond}, true},
		"new id, old retry": {events("id: 5\nretry: 200\ndata:\n\n"), inTurn(cut("id: 6\n\n"), events(data(result(1, `{}`)))), []string{"5", "6"}, []time.Duration{200 * time.Millisecond, 200 * time.Millisecond}, true},
		"refused":           {events("id: 5\nretry: 200\ndata:\n\n"), status(405, ""), []string{"5"}, []time.Duration{200 * time.Millisecond}, false},
		"refused, 400":      {events("id: 5\nretry: 200\ndata:\n\n"), status(400, "no such event"), []string{"5"}, []time.Duration{200 * time.Millisecond}, false},
		"HTML":              {events("id: 5\nretry: 200\ndata:\n\n"), status(200, "<p>", "Content-Type", "text/html"), []string{"5"}, []time.Duration{200 * time.Millisecond}, false},
		"id taken back":     {events("id: 5\n\nid\n\n"), nil, nil, nil, false},
		"no id":             {events("retry: 200\ndata:\n\n"), nil, nil, nil, false},
		"no id, break":      {cut(": hello\n\n"), nil, nil, nil, false},
		"nothing at all":    {events(""), nil, nil, nil, false},
	} {
		bubble(t, name, func(t *testing.T) {
			rest := 0
			s := newServer(t, script{"tools/call": test.first, "GET": func(s *server, w http.ResponseWriter, r request) {
				if r.Header.Get("Last-Event-ID") == "" {
					hang(s, w, r)
					return
				}
				rest++
				r.n = rest
				test.rest(s, w, r)
			}})
			c := connect(t, s)
			began := time.Now()
			c.write(call(1, "tools/call"))
			if test.answer {
				c.want(result(1, `{}`))
			} else {
				c.wantError("1", -31000, "may have been carried out")
			}
			var wait time.Duration
			for _, d := range test.after {
				wait += d
			}
			if took := time.Since(began); took < wait || took > wait+100*time.Millisecond {
				t.Errorf("took %v, want %v", took, wait)
			}
			gets := s.requests("GET")[1:]
			if len(gets) != len(test.ids) {
				t.Fatalf("server saw %d more GETs, want %d", len(gets), len(test.ids))
			}
			for i, r := range gets {
				if got := r.Header.Get("Last-Event-ID"); got != test.ids[i] {
					t.Errorf("resumed after %q, want %q", got, test.ids[i])
				}
				if r.Header.Get("Mcp-Session-Id") != "s1" || r.Header.Get("Mcp-Protocol-Version") != "2025-06-18" {
					t.Errorf("resumed with %v", r.Header)
				}
			}
			s.count("tools/call", 1)
			c.write(call(2, "ping"))
			c.want(result(2, `{}`))
			c.end()
		})
	}
}

// TestStreamResumedLater has the server out of reach for a while, and for good.
func TestStreamResumedLater(t *testing.T) {
	for name, down := range map[string]reply{"502": status(502, ""), "broken": broken} {
		bubble(t, name, func(t *testing.T) {
			rest := inTurn(down, down, down, events(data(result(1, `{}`))))
			rests := 0
			s := newServer(t, script{"tools/call": events("id: 5\n\n"), "GET": func(s *server, w http.ResponseWriter, r request) {
				if r.Header.Get("Last-Event-ID") != "" {
					rests++
					r.n = rests
					rest(s, w, r)
				}
			}})
			c := connect(t, s)
			c.write(call(1, "tools/call"))
			c.want(result(1, `{}`))
			s.count("tools/call", 1)
		})
		bubble(t, name+" for ever", func(t *testing.T) {
			s := newServer(t, script{"tools/call": events("id: 5\n\n"), "GET": down})
			c := connect(t, s)
			began := time.Now()
			c.write(call(1, "tools/call"))
			c.wantError("1", -31000, "")
			if took := time.Since(began); took < time.Minute || took > 2*time.Minute {
				t.Errorf("given up after %v", took)
			}
			s.count("tools/call", 1)
		})
	}
}

// TestStreamOfServer breaks the stream that belongs to no request.
func TestStreamOfServer(t *testing.T) {
	for name, end := range map[string]func(*server){
		"end":   (*server).hangUp,
		"break": func(s *server) { s.say("id: 7\n\n"); s.breakOff() },
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"GET": inTurn(listening("id: 7\nretry: 2000\n\n"), status(503, ""), broken, listening(""), listening(""))})
			c := connect(t, s)
			end(s)
			began := time.Now()
			for len(s.requests("GET")) < 4 {
				time.Sleep(10 * time.Millisecond)
				if time.Since(began) > patience {
					t.Fatalf("%d GETs", len(s.requests("GET")))
				}
			}
			synctest.Wait()
			for _, r := range s.requests("GET")[1:] {
				if got := r.Header.Get("Last-Event-ID"); got != "7" {
					t.Errorf("resumed after %q", got)
				}
			}
			if took := time.Since(began); took < 2*time.Second {
				t.Errorf("resumed after %v", took)
			}
			s.message(`{"jsonrpc":"2.0","method":"n"}`)
			c.want(`{"jsonrpc":"2.0","method":"n"}`)
			c.quiet()
			c.end()
		})
	}
}

// TestStreamForEver has a server that ends each stream of its own as soon as it is open. It must not be asked all the time.
func TestStreamForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"GET": events("retry: 1\n\n")})
		connect(t, s)
		time.Sleep(time.Hour)
		if n := len(s.requests("GET")); n < 60 || n > 3600 {
			t.Errorf("%d GETs in an hour", n)
		}
	})
}

// TestStreamBad has the answer to a call be something else.
func TestStreamBad(t *testing.T) {
	for name, test := range map[string]struct {
		reply reply
		text  string
	}{
		"202":                    {accepted, "no answer"},
		"204":                    {status(204, ""), "no answer"},
		"empty 200":              {status(200, ""), ""},
		"empty 200 of JSON":      {body(""), ""},
		"200 of JSON, unflushed": {flushed("application/json", ""), ""},
		"HTML":                   {status(200, "<h1>Log in</h1>", "Content-Type", "text/html"), `"text":"<h1>Log in</h1>"`},
		"text":                   {status(200, "hello", "Content-Type", "text/plain"), `"text":"hello"`},
		"bad JSON":               {body(`{"jsonrpc":"2.0","id":1,"result":`), "can't be read"},
		"two values":             {body(`{"jsonrpc":"2.0","id":1,"result":1} {}`), "can't be read"},
		"no message":             {body(`{"id":1}`), ""},
		"bad JSON on stream":     {events("data: {\"jsonrpc\":\n\n" + data(result(1, `"late"`))), "can't be read"},
		"stream of nothing":      {events(""), ""},
		"cut inside":             {cut("data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n"), "may have been carried out"},
		"cut JSON":               {short(`{"jsonrpc":"2.0","id":1,"res`), "may have been carried out"},
		"broken":                 {broken, "may have been carried out"},
		"redirect":               {status(302, "", "Location", "/elsewhere"), `"status":302`},
		"redirect away":          {status(307, "", "Location", "http://evil.test/mcp"), `"status":307`},
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"tools/call": test.reply})
			c := connect(t, s)
			c.write(call(1, "tools/call"))
			c.wantError("1", -31000, test.text)
			c.quiet()
			c.write(call(2, "ping"))
			c.want(result(2, `{}`))
			s.count("tools/call", 1)
			s.count("initialize", 1)
			c.end()
		})
	}
}

// flushed answers with a body whose length isn't known.
func flushed(contentType, text string) reply {
	return func(_ *server, w http.ResponseWriter, r request) {
		w.Header().Set("Content-Type", contentType)
		w.(http.Flusher).Flush()
		io.WriteString(w, text)
	}
}

// short answers with the beginning of a body whose length is known.
func short(text string) reply {
	return func(_ *server, w http.ResponseWriter, r request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, text)
		panic(http.ErrAbortHandler)
	}
}

// TestStreamCrossed has answers come where they are not looked for.
func TestStreamCrossed(t *testing.T) {
	t.Run("on another request's stream", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, script{"slow": hang, "x": events(data(result(1, `"1"`)) + data(result(2, `"2"`)))})
			c := connect(t, s)
			c.write(call(1, "slow"))
			synctest.Wait()
			c.write(call(2, "x"))
			c.want(result(1, `"1"`), result(2, `"2"`))
			c.end()
		})
	})
	t.Run("on the server's stream", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, script{"slow": hang, "GET": listening("")})
			c := connect(t, s)
			c.write(call(1, "slow"))
			synctest.Wait()
			s.message(result(1, `"1"`))
			c.want(result(1, `"1"`))
			s.message(result(1, `"again"`))
			c.quiet()
			c.end()
		})
	})
	t.Run("after the stream ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, script{"x": events(""), "GET": listening("")})
			c := connect(t, s)
			c.write(call(1, "x"))
			c.wantError("1", -31000, "")
			s.message(result(1, `"late"`))
			c.quiet()
			c.end()
		})
	})
}

// TestStreamAsksClient has the server ask something in the middle of a call, and the person take a minute, or a day.
func TestStreamAsksClient(t *testing.T) {
	const question = `{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}`
	for _, person := range []time.Duration{time.Minute, 24 * time.Hour} {
		bubble(t, "on the call's stream "+person.String(), func(t *testing.T) {
			answered := make(chan struct{})
			s := newServer(t, script{
				"tools/call": func(s *server, w http.ResponseWriter, r request) {
					stream(w, r, data(question))
					<-answered
					stream(w, r, data(result(1, `"done"`)))
				},
				"response": func(s *server, w http.ResponseWriter, r request) {
					accepted(s, w, r)
					close(answered)
				},
			})
			c := connect(t, s)
			c.write(call(1, "tools/call"))
			c.want(question)
			time.Sleep(person)
			c.write(result(1, `{"action":"accept"}`))
			c.want(result(1, `"done"`))
			wantBody(t, s, "response", result(1, `{"action":"accept"}`))
			c.end()
		})
		bubble(t, "after the call's stream ended "+person.String(), func(t *testing.T) {
			s := newServer(t, script{"tools/call": events(data(question) + data(result(1, `"done"`)))})
			c := connect(t, s)
			c.write(call(1, "tools/call"))
			c.want(question, result(1, `"done"`))
			time.Sleep(person)
			c.write(result(1, `{"action":"accept"}`))
			synctest.Wait()
			wantBody(t, s, "response", result(1, `{"action":"accept"}`))
			c.end()
		})
	}
}

// TestStreamSilent has a tool be silent for ten minutes.
func TestStreamSilent(t *testing.T) {
	for name, form := range map[string]func(string) reply{
		"json":   func(text string) reply { return body(text) },
		"stream": func(text string) reply { return events(data(text)) },
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"tools/call": func(s *server, w http.ResponseWriter, r request) {
				time.Sleep(10 * time.Minute)
				form(result(1, `{}`))(s, w, r)
			}})
			c := connect(t, s)
			c.write(call(1, "tools/call"))
			time.Sleep(9 * time.Minute)
			c.quiet()
			c.write(call(2, "ping"))
			c.want(result(2, `{}`)) // it holds up nobody
			c.want(result(1, `{}`))
			c.end()
		})
	}
}

// TestStreamChatty has the server say more than anyone has room for before it answers, also at the very beginning.
func TestStreamChatty(t *testing.T) {
	for _, n := range []int{63, 64, 65, 1000} {
		bubble(t, "", func(t *testing.T) {
			chatter := strings.Repeat(data(`{"jsonrpc":"2.0","method":"notifications/message"}`), n)
			s := newServer(t, script{"initialize": events(chatter + data(result("$ID", welcome)) + chatter), "x": events(chatter + data(result("$ID", `{}`)))})
			c := start(t, s.config())
			c.write(initialize, initialized)
			for range n {
				c.want(`{"jsonrpc":"2.0","method":"notifications/message"}`)
			}
			c.want(welcomed)
			for range n {
				c.want(`{"jsonrpc":"2.0","method":"notifications/message"}`)
			}
			c.write(call(1, "x"))
			for range n {
				c.want(`{"jsonrpc":"2.0","method":"notifications/message"}`)
			}
			c.want(result(1, `{}`))
			c.end()
		})
	}
}

// TestStreamOffered has a gateway stand in for the server when its stream is opened again. That there is one is known by then.
func TestStreamOffered(t *testing.T) {
	for name, odd := range map[string]reply{
		"401": status(401, ""), "403": status(403, "no"), "405": status(405, ""), "520": status(520, ""), "530": status(530, ""),
		"HTML": status(200, "<html>", "Content-Type", "text/html"), "204": status(204, ""), "302": status(302, "", "Location", "http://login.test/"),
		"half of HTML": stall(200, "text/html"), "broken": broken,
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"GET": inTurn(listening(""), odd, odd, odd, listening(""))})
			c := connect(t, s)
			s.hangUp()
			time.Sleep(time.Minute)
			s.count("GET", 5)
			s.count("initialize", 1)
			s.message(`{"jsonrpc":"2.0","method":"n"}`)
			c.want(`{"jsonrpc":"2.0","method":"n"}`)
			c.end()
		})
	}
}

// TestStreamPaced has the server ask to come back at once, always. It is asked once a second in the end.
func TestStreamPaced(t *testing.T) {
	const again = "id: 5\nretry: 0\n\n"
	for name, s := range map[string]script{
		"call":              {"tools/call": events(again), "GET": events(again)},
		"call, broken":      {"tools/call": cut(again), "GET": cut(again)},
		"server":            {"tools/call": hang, "GET": events(again)},
		"server, an event":  {"tools/call": hang, "GET": events(again + data(`{"jsonrpc":"2.0","method":"n"}`))},
		"server, no retry":  {"tools/call": hang, "GET": cut("")},
		"call, with events": {"tools/call": events(again), "GET": events(again + data(`{"jsonrpc":"2.0","method":"n"}`))},
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, s)
			c := connect(t, s)
			c.write(call(1, "tools/call"))
			time.Sleep(10 * time.Minute)
			if n := len(s.requests("GET")); n < 10 || n > 2*700 { // two streams, and a few more in the first seconds
				t.Errorf("%d GETs in ten minutes", n)
			}
			s.count("tools/call", 1)
			c.in.Close()
			<-c.done
		})
	}
}

// TestStreamOfInitialize has the stream that answers initialize end before the answer. What takes it up again belongs to the session already.
func TestStreamOfInitialize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{
			"initialize": func(s *server, w http.ResponseWriter, r request) {
				w.Header().Set("Mcp-Session-Id", "s1")
				stream(w, r, "id: 5\nretry: 200\ndata:\n\n")
			},
			"GET": unlessSession(func() string { return "s1" }, inTurn(events(data(welcomed)), listening(""))),
		})
		c := connect(t, s)
		if got := s.requests("GET")[0].Header.Get("Last-Event-ID"); got != "5" {
			t.Errorf("resumed after %q", got)
		}
		s.message(`{"jsonrpc":"2.0","method":"n"}`)
		c.want(`{"jsonrpc":"2.0","method":"n"}`)
		c.end()
		s.wantRequests("initialize", "GET", "notifications/initialized", "GET", "DELETE")
	})
}
