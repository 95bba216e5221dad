package relay_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
)

// TestRecoverLimitPasses has as many calls hang as there may be, and looks at what goes on all the same.
func TestRecoverLimitPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"hang": hang, "subscriptions/listen": hang})
		c := connect(t, s)
		note := func(n int) string {
			return fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":%d}}`, n)
		}
		for i := range 63 {
			c.write(call(i, "hang"))
		}
		for i := range 10 {
			c.write(call(100+i, "subscriptions/listen")) // not counted
		}
		c.write(call(63, "hang"))
		synctest.Wait()
		s.count("hang", 64)
		s.count("subscriptions/listen", 10)

		c.write(note(1), call(110, "subscriptions/listen")) // nothing is before them
		synctest.Wait()
		wantBody(t, s, "notifications/progress", note(1))
		s.count("subscriptions/listen", 11)

		c.write(call(64, "hang"), note(2), call(200, "ping"))
		c.want(result(200, `{}`))
		synctest.Wait()
		s.count("hang", 64)
		s.count("notifications/progress", 1) // the second may be about the call before it
		c.write(cancelled(0))
		synctest.Wait()
		s.count("hang", 65)
		wantBody(t, s, "notifications/progress", note(2))
		c.in.Close()
		<-c.done
	})
}

// TestRecoverLimitPings has a server that answers pings as little as anything else.
func TestRecoverLimitPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"hang": hang, "ping": hang})
		c := connect(t, s)
		for i := range 100 {
			c.write(call(i, "hang"))
		}
		for i := range 100 {
			c.write(call(1000+i, "ping"))
		}
		synctest.Wait()
		s.count("hang", 64)
		s.count("ping", 8)
		c.in.Close()
		<-c.done
	})
}

// TestRecoverLimitReading has a client ask for ever while everything hangs. What waits has an end, and what has been read is not lost.
func TestRecoverLimitReading(t *testing.T) {
	for _, test := range []struct {
		name     string
		hangs    string // what the server doesn't answer yet
		size     int    // of a request, about
		calls    int
		min, max int32 // of them are read
	}{
		{"in the session", "x", 100, 5000, 64 + 1024, 64 + 1024 + 3},
		{"before the session", "initialize", 100, 5000, 1024, 1024 + 2},
		{"long, in the session", "x", 4 << 20, 64 + 20, 64 + 15, 64 + 16 + 3},
		{"long, before the session", "initialize", 4 << 20, 20, 15, 16 + 2},
	} {
		bubble(t, test.name, func(t *testing.T) {
			ready := make(chan struct{})
			then := answer(`{}`)
			if test.hangs == "initialize" {
				then = session("s1")
			}
			s := newServer(t, script{test.hangs: after(ready, then)})
			c := start(t, s.config())
			c.write(initialize, initialized)
			if test.hangs != "initialize" {
				c.want(welcomed)
				synctest.Wait()
			}
			var written atomic.Int32
			long := strings.Repeat("x", test.size)
			go func() {
				for i := range test.calls {
					pad := long
					if i < 64 && test.hangs == "x" { // is at the server soon, and need not be long
						pad = ""
					}
					c.write(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"x","params":{"pad":"%s"}}`, i+1, pad))
					written.Add(1)
				}
			}()
			synctest.Wait()
			if n := written.Load(); n < test.min || n > test.max {
				t.Errorf("%d requests were read", n)
			}
			close(ready)
			if test.hangs == "initialize" {
				c.want(welcomed)
			}
			answered := make(map[string]bool)
			for range test.calls {
				answered[c.next()] = true
			}
			if len(answered) != test.calls {
				t.Errorf("%d requests were answered", len(answered))
			}
			s.count("x", test.calls)
			c.end()
		})
	}
}

// TestRecoverLimitUnread has a client that asks for ever and reads nothing. The server is not asked for what nobody takes.
func TestRecoverLimitUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, reply := range map[string]reply{"json": answer(`{}`), "stream": events(data(result("$ID", `{}`)))} {
			s := newServer(t, script{"x": reply})
			in, w := io.Pipe()
			out, written := io.Pipe()
			done := make(chan error, 1)
			go func() { done <- relay.Run(t.Context(), in, written, s.config()) }()
			const calls = 5000
			go func() {
				lines := []string{initialize, initialized}
				for i := range calls {
					lines = append(lines, call(i+1, "x"))
				}
				io.WriteString(w, strings.Join(lines, "\n")+"\n")
			}()
			time.Sleep(time.Hour)
			if n := len(s.requests("x")); n > 600 {
				t.Errorf("%s: server was asked for %d answers", name, n)
			}
			text := make([]byte, 0, 1<<20)
			for strings.Count(string(text[max(0, len(text)-4096):]), "\n") == 0 || strings.Count(string(text), "\n") < calls+1 {
				buf := make([]byte, 64<<10)
				n, err := out.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				text = append(text, buf[:n]...)
			}
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			slices.Sort(lines)
			if n := len(slices.Compact(lines)); n != calls+1 {
				t.Errorf("%s: %d answers", name, n)
			}
			w.Close()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestRecoverLimitUnreadLong has all calls that there may be get long answers at the same time, which the client doesn't read. Most of each stays with the
// server, until the client reads.
func TestRecoverLimitUnreadLong(t *testing.T) {
	const calls, size = 64, 2 << 20
	for _, test := range []struct {
		name, before, after, media string
		sized                      bool // the length is told
	}{
		{"json", "", "", "application/json", true},
		{"json in pieces", "", "", "application/json", false},
		{"stream", "data: ", "\n\n", "text/event-stream", false},
	} {
		bubble(t, test.name, func(t *testing.T) {
			var said atomic.Int64
			piece := strings.Repeat("x", 32<<10)
			s := newServer(t, script{"x": func(_ *server, w http.ResponseWriter, r request) {
				begin, end := test.before+`{"jsonrpc":"2.0","id":`+string(r.m.ID)+`,"result":"`, `"}`+test.after
				w.Header().Set("Content-Type", test.media)
				if test.sized {
					w.Header().Set("Content-Length", fmt.Sprint(len(begin)+size+len(end)))
				}
				io.WriteString(w, begin)
				for range size / len(piece) {
					if _, err := io.WriteString(w, piece); err != nil {
						return
					}
					w.(http.Flusher).Flush()
					said.Add(int64(len(piece)))
				}
				io.WriteString(w, end)
			}})
			in, w := io.Pipe()
			out, written := io.Pipe()
			done := make(chan error, 1)
			go func() { done <- relay.Run(t.Context(), in, written, s.config()) }()
			lines := bufio.NewReaderSize(out, 8<<20)
			io.WriteString(w, initialize+"\n"+initialized+"\n")
			if line, err := lines.ReadString('\n'); line != welcomed+"\n" {
				t.Fatalf("client got %q, %v", line, err)
			}
			for i := range calls {
				io.WriteString(w, call(i+1, "x")+"\n")
			}
			time.Sleep(time.Hour)
			s.count("x", calls)
			if n := said.Load(); n > 48<<20 {
				t.Errorf("%d MiB have been taken for a client that doesn't read", n>>20)
			}
			answered := make(map[string]bool)
			for range calls {
				line, err := lines.ReadString('\n')
				if err != nil || len(line) < size {
					t.Fatalf("client got %d bytes, %v: %.200s", len(line), err, line)
				}
				answered[line[:50]] = true
			}
			if len(answered) != calls {
				t.Errorf("%d calls were answered", len(answered))
			}
			w.Close()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
