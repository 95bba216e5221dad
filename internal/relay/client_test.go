package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
)

const (
	initialize  = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"ide","version":"1"}}}`
	welcome     = `{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"s","version":"1"}}`
	welcomed    = `{"jsonrpc":"2.0","id":0,"result":` + welcome + `}`
	initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
)

// patience is how long a test waits for what must come. It is far more than anything takes, since only a failing test waits so long.
const patience = 3 * time.Minute

// A client is the host at the other end of the standard streams.
type client struct {
	t     *testing.T
	in    *io.PipeWriter
	lines chan string
	done  chan struct{} // closed when Run has returned
	err   error         // what it returned
	stop  context.CancelFunc
}

// start runs a relay.
func start(t *testing.T, cfg relay.Config) *client {
	in, w := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	c := &client{t: t, in: w, lines: make(chan string, 1<<16), done: make(chan struct{}), stop: stop}
	go func() {
		defer close(c.done)
		c.err = relay.Run(ctx, in, &lineWriter{lines: c.lines}, cfg)
	}()
	t.Cleanup(func() {
		stop()
		w.Close()
		<-c.done
	})
	return c
}

// connect runs a relay and has a session opened.
func connect(t *testing.T, s *server) *client {
	t.Helper()
	c := start(t, s.config())
	c.write(initialize, initialized)
	c.want(welcomed)
	synctest.Wait()
	return c
}

// write sends lines.
func (c *client) write(lines ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, strings.Join(lines, "\n")+"\n"); err != nil {
		c.t.Fatalf("writing to the relay: %v", err)
	}
}

// next returns the next line.
func (c *client) next() string {
	c.t.Helper()
	select {
	case line := <-c.lines:
		return line
	case <-time.After(patience):
		c.t.Fatal("nothing comes")
		return ""
	}
}

// want fails the test if the next lines are others.
func (c *client) want(lines ...string) {
	c.t.Helper()
	for _, want := range lines {
		if got := c.next(); got != want {
			c.t.Errorf("client got\n\t%s\nwant\n\t%s", got, want)
		}
	}
}

// wantAll fails the test if the next lines are others, in whatever order.
func (c *client) wantAll(lines ...string) {
	c.t.Helper()
	var got []string
	for range lines {
		got = append(got, c.next())
	}
	slices.Sort(got)
	slices.Sort(lines)
	if !slices.Equal(got, lines) {
		c.t.Errorf("client got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// wantError fails the test if the next line is not an error response to id with a code, and with a text somewhere in it.
func (c *client) wantError(id string, code int, text string) {
	c.t.Helper()
	line := c.next()
	if begin := fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":%d,`, id, code); !strings.HasPrefix(line, begin) || !strings.Contains(line, text) {
		c.t.Errorf("client got\n\t%s\nwant\n\t%s… with %q", line, begin, text)
	}
}

// quiet fails the test if there is a line, now that nothing moves any more. It is for bubbles.
func (c *client) quiet() {
	c.t.Helper()
	synctest.Wait()
	select {
	case line := <-c.lines:
		c.t.Errorf("client got %s, want nothing", line)
	default:
	}
}

// end closes the input and fails the test if there is another line before the relay ends, or an error.
func (c *client) end() {
	c.t.Helper()
	c.in.Close()
	select {
	case <-c.done:
	case <-time.After(patience):
		c.t.Fatal("relay doesn't end")
	}
	if c.err != nil {
		c.t.Errorf("relay ended with %v", c.err)
	}
	select {
	case line := <-c.lines:
		c.t.Errorf("client got %s, want nothing", line)
	default:
	}
}

// A lineWriter takes an output apart.
type lineWriter struct {
	lines chan<- string
	mu    sync.Mutex // guards part
	part  []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.part = append(w.part, p...)
	for {
		line, rest, ok := bytes.Cut(w.part, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		w.lines <- string(line)
		w.part = bytes.Clone(rest)
	}
}

// call returns a request.
func call(id any, method string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,"method":%q,"params":{}}`, id, method)
}

// cancelled returns the notification that cancels a request.
func cancelled(id any) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%v}}`, id)
}

// result returns a response.
func result(id any, value string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,"result":%s}`, id, value)
}

func mustParse(t *testing.T, raw string) jsonrpc.Message {
	t.Helper()
	m, err := jsonrpc.Parse([]byte(raw))
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return m
}
