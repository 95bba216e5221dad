package relay_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// stall answers with a status and a body that stops in the middle.
func stall(code int, contentType string) reply {
	return func(s *server, w http.ResponseWriter, r request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		io.WriteString(w, "so far")
		w.(http.Flusher).Flush()
		hang(s, w, r)
	}
}

// pour answers with a status and a body that goes on for ever.
func pour(code int, contentType string) reply {
	return func(s *server, w http.ResponseWriter, r request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("so far ", 1000)); err != nil {
				return
			}
		}
	}
}

// raw writes text on the connection, and nothing more.
func raw(text string) reply {
	return func(s *server, w http.ResponseWriter, r request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			s.t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, text)
		io.Copy(io.Discard, conn) // until the other side closes it
	}
}

// wantWithin fails the test if more than limit has gone by since began.
func wantWithin(t *testing.T, began time.Time, limit time.Duration) {
	t.Helper()
	if took := time.Since(began); took > limit {
		t.Errorf("took %v, want at most %v", took, limit)
	}
}

// TestSilenceOpening has the server begin its answer to initialize and not go on.
func TestSilenceOpening(t *testing.T) {
	tests := map[string]reply{
		"one byte":      raw("H"),
		"103":           raw("HTTP/1.1 103 Early Hints\r\n\r\n"),
		"status line":   raw("HTTP/1.1 200 OK\r\n"),
		"half of JSON":  stall(200, "application/json"),
		"half of HTML":  stall(200, "text/html"),
		"HTML for ever": pour(200, "text/html"),
		"half a stream": stall(200, "text/event-stream"),
		"202 and text":  stall(202, "text/plain"),
		"400 for ever":  pour(400, "text/plain"),
		"500 for ever":  pour(500, "text/plain"),
		"early hints":   func(s *server, w http.ResponseWriter, r request) { w.WriteHeader(103); hang(s, w, r) },
		"continue":      raw("HTTP/1.1 100 Continue\r\n\r\n"),
		"short 500":     raw("HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nhello"),
	}
	for _, code := range []int{302, 400, 401, 403, 404, 405, 429, 500, 502, 503, 599} {
		tests[fmt.Sprint("half of ", code)] = stall(code, "text/plain")
	}
	for name, silent := range tests {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"initialize": inTurn(silent, session("s1")), "GET": silent})
			c := start(t, s.unhurried())
			began := time.Now()
			c.write(initialize)
			c.wantError("0", -31000, "")
			wantWithin(t, began, 20*time.Second)
			c.write(initialize)
			c.want(welcomed)
			c.end()
		})
	}
}

// TestSilenceCalling has the server answer a call with a status that is no success, or no answer, and a body without an end.
func TestSilenceCalling(t *testing.T) {
	tests := map[string]reply{
		"202": stall(202, "text/plain"), "HTML": stall(200, "text/html"), "HTML for ever": pour(200, "text/html"),
		"202 for ever": pour(202, "text/plain"), "500 for ever": pour(500, "text/plain"),
	}
	for _, code := range []int{302, 400, 401, 403, 404, 429, 500, 503} {
		tests[fmt.Sprint(code)] = stall(code, "text/plain")
	}
	for name, silent := range tests {
		for wire, s := range map[string]script{
			"http": {"tools/call": silent, "initialize": answer(welcome)},
			"sse":  {"/mcp initialize": status(404, ""), "GET": listening("event: endpoint\ndata: /messages\n\n"), "initialize": onStream(result("$ID", welcome)), "tools/call": silent, "ping": onStream(result("$ID", `{}`))},
		} {
			if code := strings.Fields(name)[0]; wire == "sse" && (code == "202" || code == "HTML" || code == "404") {
				continue // the answer comes on the stream, and 404 means that it is lost
			}
			bubble(t, wire+" "+name, func(t *testing.T) {
				s := newServer(t, s)
				c := connect(t, s)
				began := time.Now()
				c.write(call(1, "tools/call"))
				c.wantError("1", -31000, "")
				wantWithin(t, began, 5*time.Second)
				c.write(call(2, "ping"))
				c.want(result(2, `{}`))
				s.count("tools/call", 1)
				c.end()
			})
		}
	}
}

// TestSilenceInitialized has the server not end its answer to notifications/initialized, which what follows waits for.
func TestSilenceInitialized(t *testing.T) {
	for name, test := range map[string]struct {
		silent reply
		limit  time.Duration
	}{
		"no answer":      {hang, 20 * time.Second},
		"one byte":       {raw("H"), 20 * time.Second},
		"half of 202":    {stall(202, "text/plain"), 0},
		"202 for ever":   {pour(202, "text/plain"), 0},
		"half of a 200":  {stall(200, "application/json"), 0},
		"an open stream": {stall(200, "text/event-stream"), 0},
		"half of a 500":  {stall(500, "text/plain"), 5 * time.Second},
	} {
		for _, transport := range []remote.Transport{remote.HTTPOnly, remote.SSEOnly} {
			bubble(t, string(transport)+" "+name, func(t *testing.T) {
				s := newServer(t, script{"notifications/initialized": test.silent})
				if transport == remote.SSEOnly {
					s = newLegacy(t, script{"notifications/initialized": test.silent}).server
				}
				cfg := s.config()
				cfg.Remote.Transport = transport
				c := start(t, cfg)
				c.write(initialize, initialized)
				c.want(welcomed)
				began := time.Now()
				c.write(call(1, "ping"), call(2, "tools/call"))
				c.wantAll(result(1, `{}`), result(2, `{}`))
				wantWithin(t, began, test.limit)
				c.end()
			})
		}
	}
}

// TestSilenceRenewing has the server forget the session and hang while the next one is being started.
func TestSilenceRenewing(t *testing.T) {
	gone := unlessSession(func() string { return "gone" }, answer(`{}`))
	for name, again := range map[string]script{
		"initialize":            {"initialize": inTurn(session("s1"), hang)},
		"initialize, one byte":  {"initialize": inTurn(session("s1"), raw("H"))},
		"initialize, half":      {"initialize": inTurn(session("s1"), stall(200, "application/json"))},
		"initialize, a stream":  {"initialize": inTurn(session("s1"), stall(200, "text/event-stream"))},
		"initialize, half 500":  {"initialize": inTurn(session("s1"), stall(500, "text/plain"))},
		"initialized":           {"notifications/initialized": inTurn(accepted, hang)},
		"initialized, half 202": {"notifications/initialized": inTurn(accepted, stall(202, "text/plain"))},
		"wish":                  {"logging/setLevel": inTurn(answer(`{}`), hang)},
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, merge(script{"tools/call": gone}, again))
			c := connect(t, s)
			c.write(call(1, "logging/setLevel"))
			c.want(result(1, `{}`))
			for _, id := range []int{2, 3} {
				began := time.Now()
				c.write(call(id, "tools/call"))
				if line := c.next(); !strings.Contains(line, `"error":`) {
					t.Errorf("client got %s", line)
				}
				wantWithin(t, began, 21*time.Second)
			}
			c.end()
		})
	}
}

// TestSilenceHeld has more requests than one wait for a session that can't be opened. They have the same answer at the same time.
func TestSilenceHeld(t *testing.T) {
	for name, silent := range map[string]reply{"hangs": hang, "one byte": raw("H"), "half": stall(200, "application/json"), "broken": broken, "500": status(500, "")} {
		bubble(t, name, func(t *testing.T) {
			written := make(chan struct{})
			s := newServer(t, script{"initialize": inTurn(after(written, silent), session("s1"))})
			cfg := s.unhurried()
			cfg.Remote.HandshakeTimeout = 7 * time.Second
			c := start(t, cfg)
			began := time.Now()
			c.write(initialize, initialized)
			for i := range 4 {
				c.write(call(i+1, "tools/list"))
			}
			synctest.Wait()
			close(written)
			var answered []string
			for range 5 {
				id, rest, _ := strings.Cut(strings.TrimPrefix(c.next(), `{"jsonrpc":"2.0","id":`), ",")
				if answered = append(answered, id); !strings.HasPrefix(rest, `"error":{"code":-31000`) {
					t.Errorf("request %s got %s", id, rest)
				}
			}
			slices.Sort(answered)
			if got := strings.Join(answered, " "); got != "0 1 2 3 4" {
				t.Errorf("answered %s", got)
			}
			wantWithin(t, began, 7*time.Second)
			s.wantRequests("initialize")
			c.write(initialize, initialized, call(1, "tools/list"))
			c.want(welcomed, result(1, `{}`))
			c.end()
		})
	}
	bubble(t, "server/discover, cancelled", func(t *testing.T) {
		s := newServer(t, script{"server/discover": hang, "initialize": hang})
		cfg := s.unhurried()
		cfg.Remote.HandshakeTimeout = 7 * time.Second
		c := start(t, cfg)
		c.write(discover)
		time.Sleep(3 * time.Second)
		began := time.Now()
		c.write(cancelled(`"d"`), initialize)
		c.wantError("0", -31000, "not answered in time")
		wantWithin(t, began, 7*time.Second)
		c.end()
		s.wantRequests("server/discover", "initialize")
	})
}

// TestSilenceUnread has the server answer a call without reading the rest of it. Others don't wait for that.
func TestSilenceUnread(t *testing.T) {
	for _, answer := range []string{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"} {
		bubble(t, answer, func(t *testing.T) {
			s := newServer(t, nil)
			var unread atomic.Bool // so is the next connection
			transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if !unread.CompareAndSwap(true, false) {
					return s.net.Dial(ctx, network, addr)
				}
				ours, theirs := net.Pipe()
				t.Cleanup(func() { theirs.Close() })
				go func() {
					r := textproto.NewReader(bufio.NewReaderSize(theirs, 16)) // a pipe holds nothing, so the rest stays with the writer
					r.ReadLine()
					r.ReadMIMEHeader()
					io.WriteString(theirs, answer)
				}()
				return ours, nil
			}}
			t.Cleanup(transport.CloseIdleConnections)
			cfg := s.config()
			cfg.Remote.Do = remote.NewClient(transport).Do
			c := start(t, cfg)
			c.write(initialize, initialized)
			c.want(welcomed)
			synctest.Wait()
			transport.CloseIdleConnections()
			unread.Store(true)
			c.write(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"` + strings.Repeat("x", 1<<20) + `"}`)
			synctest.Wait()
			began := time.Now()
			c.write(call(2, "ping"))
			c.want(result(2, `{}`))
			wantWithin(t, began, 0)
			c.in.Close()
			<-c.done
			s.count("tools/call", 0) // by the server that reads
		})
	}
}
