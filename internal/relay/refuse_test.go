package relay_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
)

// TestRefuse answers everything that is owed an answer.
func TestRefuse(t *testing.T) {
	refusal := `"error":{"code":-31000,"message":"unknown flag"}}`
	for _, test := range []struct{ line, want string }{
		{initialize, `{"jsonrpc":"2.0","id":0,` + refusal},
		{call(9007199254740993, "tools/list"), `{"jsonrpc":"2.0","id":9007199254740993,` + refusal},
		{discover, `{"jsonrpc":"2.0","id":"d","error":{"code":-32601,"message":"unknown flag"}}`},
		{initialized, ""},
		{result(1, `{}`), ""},
		{"", ""},
		{"hello", `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"invalid JSON at byte 0: a value must follow"}}`},
	} {
		bubble(t, test.line, func(t *testing.T) {
			in, w := io.Pipe()
			lines := make(chan string, 100)
			done := make(chan struct{})
			go func() {
				defer close(done)
				relay.Refuse(t.Context(), in, &lineWriter{lines: lines}, "unknown flag")
			}()
			c := &client{t: t, in: w, lines: lines, done: done}
			for range 3 {
				c.write(test.line)
				if test.want != "" {
					c.want(test.want)
				}
				c.quiet()
				time.Sleep(4 * time.Second)
			}
			c.end()
		})
	}
}

// TestRefuseEnds looks at how long it waits.
func TestRefuseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, w := io.Pipe()
		defer w.Close()
		began := time.Now()
		relay.Refuse(t.Context(), in, io.Discard, "no")
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
		in, w = io.Pipe() // the other is still being read, see relay.Refuse
		defer w.Close()
		go io.WriteString(w, initialize+"\n")
		began = time.Now()
		relay.Refuse(t.Context(), in, &brokenPipe{0, func() error { return errors.New("broken pipe") }}, "no")
		if took := time.Since(began); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

// TestRefuseBatch answers each request of a batch.
func TestRefuseBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, w := io.Pipe()
		c := &client{t: t, in: w, lines: make(chan string, 100), done: make(chan struct{})}
		go func() {
			defer close(c.done)
			relay.Refuse(t.Context(), in, &lineWriter{lines: c.lines}, "unknown flag")
		}()
		c.write(array(call(1, "x"), initialized, discover, call(`"b"`, "y"), result(3, `{}`)))
		for _, id := range []string{"1", `"d"`, `"b"`} {
			code := -31000
			if id == `"d"` {
				code = -32601
			}
			c.wantError(id, code, "unknown flag")
		}
		c.write(array(initialized))
		c.quiet()
		c.end()
	})
}

// TestRefuseLong answers a request that is longer than what is read, under its id.
func TestRefuseLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where reading takes no time
		var out strings.Builder
		parts := []io.Reader{strings.NewReader(`{"jsonrpc":"2.0","id":7,"method":"x","params":"`)}
		for chunk, n := strings.Repeat("x", 1<<20), 0; n < jsonrpc.MaxMessage; n += len(chunk) {
			parts = append(parts, strings.NewReader(chunk))
		}
		parts = append(parts, strings.NewReader("\"}\n"+call(8, "x")+"\n"))
		relay.Refuse(t.Context(), io.MultiReader(parts...), &out, "unknown flag")
		refusal := `"error":{"code":-31000,"message":"unknown flag"}}` + "\n"
		if want := `{"jsonrpc":"2.0","id":7,` + refusal + `{"jsonrpc":"2.0","id":8,` + refusal; out.String() != want {
			t.Errorf("client got\n%swant\n%s", out.String(), want)
		}
	})
}
