package relay_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
)

// slowly answers after d.
func slowly(d time.Duration, then reply) reply {
	return func(s *server, w http.ResponseWriter, r request) {
		select {
		case <-time.After(d):
			then(s, w, r)
		case <-r.Context().Done():
		}
	}
}

// TestEndInput closes the input in every state. Everything that is answered in time is written, and nothing is waited for longer.
func TestEndInput(t *testing.T) {
	for _, test := range []struct {
		name   string
		script script
		write  []string
		want   []string
		took   time.Duration // at most
	}{
		{"nothing", nil, nil, nil, 0},
		{"blank lines", nil, []string{"", "  ", "\r"}, nil, 0},
		{"no session", nil, []string{initialized, cancelled(1), result(1, `{}`)}, nil, 0},
		{"session", nil, []string{initialize, initialized}, []string{welcomed}, 0},
		{"listening", script{"GET": listening("")}, []string{initialize, initialized}, []string{welcomed}, 0},
		{"dialing", script{"initialize": slowly(time.Second, session("s1"))}, []string{initialize}, []string{welcomed}, time.Second},
		{"dialing, more to do", script{"initialize": slowly(time.Second, session("s1"))}, []string{initialize, initialized, call(1, "x")}, []string{welcomed, result(1, `{}`)}, time.Second},
		{"dialing, refused", script{"initialize": slowly(time.Second, body(`{"jsonrpc":"2.0","id":0,"error":{"code":1,"message":"no"}}`))}, []string{initialize}, []string{`{"jsonrpc":"2.0","id":0,"error":{"code":1,"message":"no"}}`}, time.Second},
		{"call", script{"x": slowly(time.Second, answer(`{}`))}, []string{initialize, initialized, call(1, "x"), call(2, "y")}, []string{welcomed, result(2, `{}`), result(1, `{}`)}, time.Second},
		{"hopeless call", script{"x": hang}, []string{initialize, initialized, call(1, "x")}, []string{welcomed}, 1600 * time.Millisecond},
		{"hopeless everything", script{"x": hang, "DELETE": hang}, []string{initialize, initialized, call(1, "x")}, []string{welcomed}, 2 * time.Second},
		{"notification", script{"notifications/x": slowly(time.Second, accepted)}, []string{initialize, initialized, `{"jsonrpc":"2.0","method":"notifications/x"}`}, []string{welcomed}, time.Second},
		{"waiting as asked", script{"tools/list": status(503, "", "Retry-After", "30")}, []string{initialize, initialized, call(1, "tools/list")}, []string{welcomed}, 1600 * time.Millisecond},
		{"resuming", script{"x": events("id: 1\nretry: 60000\n\n"), "GET": hang}, []string{initialize, initialized, call(1, "x")}, []string{welcomed}, 1600 * time.Millisecond},
		{"session lost", script{"x": status(404, ""), "initialize": inTurn(session("s1"), hang)}, []string{initialize, initialized, call(1, "x")}, []string{welcomed}, 1600 * time.Millisecond},
		{"malformed", nil, []string{"{"}, []string{`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"invalid JSON at byte 1: unexpected end"}}`}, 0},
		{"cancelled", script{"x": hang}, []string{initialize, initialized, call(1, "x"), cancelled(1)}, []string{welcomed}, 0},
	} {
		bubble(t, test.name, func(t *testing.T) {
			s := newServer(t, test.script)
			c := start(t, s.config())
			for _, line := range test.write {
				c.write(line)
				synctest.Wait() // as hosts do, who wait for the answer to initialize
			}
			c.in.Close()
			began := time.Now()
			<-c.done
			if took := time.Since(began); took > test.took {
				t.Errorf("took %v", took)
			}
			if c.err != nil {
				t.Errorf("relay ended with %v", c.err)
			}
			c.want(test.want...)
			c.quiet()
			if n := len(s.requests("initialize")); n > 0 && len(test.want) > 0 && strings.Contains(test.want[0], "result") {
				s.count("DELETE", 1)
			}
		})
		bubble(t, "done: "+test.name, func(t *testing.T) {
			s := newServer(t, test.script)
			c := start(t, s.config())
			if len(test.write) > 0 {
				c.write(test.write...)
			}
			synctest.Wait()
			c.stop()
			began := time.Now()
			<-c.done
			if took := time.Since(began); took > 500*time.Millisecond {
				t.Errorf("took %v", took)
			}
			if c.err != nil {
				t.Errorf("relay ended with %v", c.err)
			}
		})
	}
}

// A brokenPipe is an output that takes some lines and then no more.
type brokenPipe struct {
	lines int
	then  func() error
}

func (w *brokenPipe) Write(p []byte) (int, error) {
	if w.lines -= bytes.Count(p, []byte("\n")); w.lines < 0 {
		return 0, w.then()
	}
	return len(p), nil
}

// TestEndOutput has the client stop reading.
func TestEndOutput(t *testing.T) {
	broken := errors.New("broken pipe")
	for name, write := range map[string]struct {
		lines  int
		script script
		in     string
	}{
		"answer of ours":          {0, nil, "{no\n"},
		"answer to initialize":    {0, nil, initialize + "\n"},
		"refusal of initialize":   {0, script{"initialize": status(403, "")}, initialize + "\n"},
		"answer":                  {1, nil, initialize + "\n" + initialized + "\n" + call(1, "x") + "\n"},
		"message of the server":   {1, script{"GET": listening(data(`{"jsonrpc":"2.0","method":"n"}`))}, initialize + "\n" + initialized + "\n"},
		"while calls are hanging": {2, script{"x": hang}, initialize + "\n" + initialized + "\n" + call(1, "x") + "\n" + call(2, "y") + "\n" + call(3, "y") + "\n"},
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, write.script)
			in, w := io.Pipe()
			defer w.Close()
			go io.WriteString(w, write.in) // and no end
			began := time.Now()
			err := relay.Run(t.Context(), in, &brokenPipe{write.lines, func() error { return broken }}, s.config())
			if !errors.Is(err, broken) {
				t.Errorf("relay ended with %v", err)
			}
			if took := time.Since(began); took > 500*time.Millisecond {
				t.Errorf("took %v", took)
			}
			if name != "answer of ours" && name != "refusal of initialize" {
				s.count("DELETE", 1)
			}
		})
	}
}

// TestEndStuck has the client neither read nor close anything. Nothing can interrupt the write, but everything else ends.
func TestEndStuck(t *testing.T) {
	for name, in := range map[string]string{
		"answers of ours":      strings.Repeat("{no\n", 100),
		"answer":               initialize + "\n" + initialized + "\n" + call(1, "x") + "\n" + call(2, "x") + "\n",
		"messages of a server": initialize + "\n" + initialized + "\n",
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"GET": listening(strings.Repeat(data(`{"jsonrpc":"2.0","method":"n"}`), 1000))})
			ctx, stop := context.WithCancel(t.Context())
			r, w := io.Pipe()
			defer w.Close()
			unstick := make(chan struct{})
			defer close(unstick)
			go io.WriteString(w, in)
			done := make(chan error)
			go func() {
				done <- relay.Run(ctx, r, &brokenPipe{0, func() error { <-unstick; return errors.New("too late") }}, s.config())
			}()
			time.Sleep(time.Minute)
			stop()
			began := time.Now()
			if err := <-done; err != nil {
				t.Errorf("relay ended with %v", err)
			}
			if took := time.Since(began); took > 700*time.Millisecond {
				t.Errorf("took %v", took)
			}
			if name != "answers of ours" {
				s.count("DELETE", 1)
			}
		})
	}
}

// wantGone has the client go and fails the test if the relay doesn't end in time, or with an error.
func wantGone(t *testing.T, hungUp chan<- struct{}, done <-chan error) {
	t.Helper()
	began := time.Now()
	close(hungUp)
	if err := <-done; err != nil {
		t.Errorf("relay ended with %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestEndUnreadAnswers has a client that asks for ever and reads nothing: what it is owed must not fill the memory, and when it has gone the
// relay ends, though the end of its input is far away.
func TestEndUnreadAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		r, w := io.Pipe()
		unstick, hungUp := make(chan struct{}), make(chan struct{})
		defer close(unstick)
		cfg := s.config()
		cfg.HungUp = hungUp
		done := make(chan error)
		go func() {
			done <- relay.Run(t.Context(), r, &brokenPipe{0, func() error { <-unstick; return nil }}, cfg)
		}()
		lines := 0
		go func() {
			for ; ; lines++ {
				if _, err := io.WriteString(w, "{no\n"); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		if lines > 1100 {
			t.Errorf("%d lines were read", lines)
		}
		wantGone(t, hungUp, done)
		r.Close()
		w.Close()
	})
}

// TestEndBehindMany has more requests waiting than are read, all behind calls that hang.
func TestEndBehindMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"hang": hang})
		hungUp := make(chan struct{})
		cfg := s.config()
		cfg.HungUp = hungUp
		r, w := io.Pipe()
		done := make(chan error)
		go func() { done <- relay.Run(t.Context(), r, io.Discard, cfg) }()
		io.WriteString(w, initialize+"\n"+initialized+"\n")
		go func() {
			for i := range 5000 {
				if _, err := io.WriteString(w, call(i+10, "hang")+"\n"); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		wantGone(t, hungUp, done)
		r.Close()
		w.Close()
	})
}

// TestManyBadLines has a client that reads slowly what it is owed for many lines at once.
func TestManyBadLines(t *testing.T) {
	const lines = 20000
	s := newServer(t, nil)
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- relay.Run(t.Context(), strings.NewReader(strings.Repeat("{no\n", lines)), w, s.config())
		w.Close()
	}()
	got := 0
	for lines := bufio.NewScanner(r); lines.Scan(); got++ {
	}
	if err := <-done; err != nil || got != lines {
		t.Errorf("%d answers to %d lines, %v", got, lines, err)
	}
}

// TestBadLines sends what is no message. Each gets an error, and what follows works.
func TestBadLines(t *testing.T) {
	invalid := `"error":{"code":-32600,"message":"not a JSON-RPC request, notification or response"}}`
	for _, test := range []struct{ line, want string }{
		{`{"a":`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"`},
		{`hello`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"`},
		{`{"jsonrpc":"2.0","id":5,"method":"x"}}`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"`},
		{`{"jsonrpc":"2.0","id":5,"method":"x"} {"jsonrpc":"2.0","id":6,"method":"x"}`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"`},
		{"\xff\xfe{}", `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"`},
		{`  7`, `{"jsonrpc":"2.0","id":null,` + invalid},
		{`"x"`, `{"jsonrpc":"2.0","id":null,` + invalid},
		{`null`, `{"jsonrpc":"2.0","id":null,` + invalid},
		{`{}`, `{"jsonrpc":"2.0","id":null,` + invalid},
		{`{"id":5}`, `{"jsonrpc":"2.0","id":5,` + invalid},
		{`{"id":5,"Method":"x"}`, `{"jsonrpc":"2.0","id":5,` + invalid},
		{`[]`, `{"jsonrpc":"2.0","id":null,` + invalid},
		{`[1,{"id":7}]`, `[{"jsonrpc":"2.0","id":null,` + invalid + `,{"jsonrpc":"2.0","id":7,` + invalid + `]`},
		{`[[]]`, `[{"jsonrpc":"2.0","id":null,` + invalid + `]`},
	} {
		for name, before := range map[string]bool{" before the session": true, " in the session": false} {
			bubble(t, test.line+name, func(t *testing.T) {
				s := newServer(t, nil)
				c := start(t, s.config())
				if !before {
					c.write(initialize, initialized)
					c.want(welcomed)
				}
				c.write(test.line)
				if got := c.next(); !strings.HasPrefix(got, test.want) {
					t.Errorf("client got\n\t%s\nwant\n\t%s", got, test.want)
				}
				if before {
					c.write(initialize, initialized)
					c.want(welcomed)
				}
				c.write(call(5, "x"))
				c.want(result(5, `{}`))
				c.end()
				s.count("x", 1)
			})
		}
	}
}

// TestLongLines sends and receives messages at the limit and beyond it.
func TestLongLines(t *testing.T) {
	const limit = 10000
	pad := func(id string, n int) string {
		m := `{"jsonrpc":"2.0","id":` + id + `,"method":"x","params":{"pad":""}}`
		return strings.Replace(m, `""`, `"`+strings.Repeat("x", n-len(m))+`"`, 1)
	}
	for _, test := range []struct {
		name, line, want string
	}{
		{"at the limit", pad(`5`, limit), result(5, `{}`)},
		{"over", pad(`5`, limit+1), `{"jsonrpc":"2.0","id":5,"error":{"code":-32600,"message":"message is longer than the limit of 10000 bytes"}}`},
		{"far over", pad(`"long one"`, 50*limit), `{"jsonrpc":"2.0","id":"long one","error":{"code":-32600,"message":"message is longer than the limit of 10000 bytes"}}`},
		{"id at the end", `{"params":"` + strings.Repeat("x", limit) + `","method":"x","id":9007199254740993}`, `{"jsonrpc":"2.0","id":9007199254740993,"error":{"code":-32600,"message":"message is longer than the limit of 10000 bytes"}}`},
		{"not JSON", strings.Repeat("x", 2*limit), `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"message is longer than the limit of 10000 bytes"}}`},
		{"batch", `[` + pad(`5`, limit/2) + `,` + pad(`6`, limit/2) + `]`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"message is longer than the limit of 10000 bytes"}}`},
		{"notification", `{"method":"n","params":"` + strings.Repeat("x", limit) + `"}`, ``},
	} {
		bubble(t, test.name, func(t *testing.T) {
			s := newServer(t, nil)
			cfg := s.config()
			cfg.Remote.MaxMessage = limit
			c := start(t, cfg)
			c.write(initialize, initialized)
			c.want(welcomed)
			c.write(test.line)
			if test.want != "" {
				c.want(test.want)
			}
			c.write(call(6, "y"))
			c.want(result(6, `{}`))
			c.end()
		})
	}
	long := `{"jsonrpc":"2.0","id":5,"result":"` + strings.Repeat("x", limit) + `"}`
	for name, reply := range map[string]reply{"json": body(long), "flushed": flushed("application/json", long), "stream": events(data(long))} {
		bubble(t, "answer, "+name, func(t *testing.T) {
			s := newServer(t, script{"x": reply})
			cfg := s.config()
			cfg.Remote.MaxMessage = limit
			c := start(t, cfg)
			c.write(initialize, initialized)
			c.want(welcomed)
			c.write(call(5, "x"))
			c.wantError("5", -31000, "larger than the limit of 10000 bytes")
			c.write(call(6, "y"))
			c.want(result(6, `{}`))
			c.end()
		})
	}
}

// TestLarge passes 16 MiB each way.
func TestLarge(t *testing.T) {
	value := `"` + strings.Repeat("0123456789abcdef", 1<<20) + `"`
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			answer := result("1", value)
			s := newServer(t, w.script(map[string]string{"x": answer}))
			c := start(t, s.config())
			c.write(initialize, initialized)
			c.want(welcomed)
			frame := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"x","params":%s}`, value)
			c.write(frame)
			if got := c.next(); got != answer {
				t.Errorf("client got %d bytes, want %d", len(got), len(answer))
			}
			if got := s.requests("x")[0].body; got != frame {
				t.Errorf("server got %d bytes, want %d", len(got), len(frame))
			}
			c.end()
		})
	}
}
