package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// TestOrder has 200 messages written at once, over connections of their own, and looks at the order in which they reach the network:
// from there on it is nobody's to keep.
func TestOrder(t *testing.T) {
	s := newServer(t, script{"slow": hang})
	listener := httptest.NewServer(s)
	t.Cleanup(listener.Close)
	var tap tap
	transport := &http.Transport{DialContext: remote.Watch(tap.dial)}
	t.Cleanup(transport.CloseIdleConnections)
	cfg := s.config()
	cfg.Remote.URL, _ = url.Parse(listener.URL)
	cfg.Remote.Do = remote.NewClient(transport).Do
	c := start(t, cfg)
	c.write(initialize, initialized)
	c.want(welcomed)

	var messages []string
	for i := range 200 {
		m := fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"n":"<%03d>"}}`, i)
		switch i % 10 {
		case 3:
			m = fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"slow","params":{"n":"<%03d>"}}`, i, i) // 20 of them
		case 7:
			m = fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"quick","params":{"n":"<%03d>","pad":"%05000d"}}`, i, i, 0)
		}
		messages = append(messages, m)
	}
	c.write(messages...)
	for range 20 {
		c.next()
	}
	c.write(call(1000, "ping"))
	c.want(result(1000, `{}`))
	var want []string
	for i := range 200 {
		want = append(want, fmt.Sprintf("<%03d>", i))
	}
	if got := tap.order(); !slices.Equal(got, want) {
		t.Errorf("written as %q", got)
	}
}

// A tap listens to what is written to the network.
type tap struct {
	mu      sync.Mutex // guards written
	written []byte
}

func (t *tap) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &tappedConn{conn, t}, nil
}

// order returns the marks of what was written, which are three digits in angle brackets.
func (t *tap) order() (marks []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := t.written; ; {
		i := bytes.IndexByte(rest, '<')
		if i < 0 {
			return marks
		}
		marks = append(marks, string(rest[i:i+5]))
		rest = rest[i+5:]
	}
}

type tappedConn struct {
	net.Conn
	tap *tap
}

func (c *tappedConn) Write(p []byte) (int, error) {
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.tap.written = append(c.tap.written, p...)
	return c.Conn.Write(p)
}

// TestOrderPiped writes as a script does: everything at once, then the end.
func TestOrderPiped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		c := start(t, s.config())
		c.write(initialize, initialized, call(1, "tools/list"))
		c.in.Close()
		c.want(welcomed, result(1, `{}`))
		c.end()
		s.count("initialize", 1)
		s.count("notifications/initialized", 1)
		s.count("tools/list", 1)
		s.count("DELETE", 1)
	})
}

// TestOrderLimit has the client call more at once than the server is asked at once.
func TestOrderLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := make(chan struct{})
		s := newServer(t, script{"slow": after(ready, answer(`{}`)), "GET": listening(data(`{"jsonrpc":"2.0","id":1,"method":"roots/list"}`))})
		c := connect(t, s)
		c.want(`{"jsonrpc":"2.0","id":1,"method":"roots/list"}`)
		var calls, want []string
		for i := 1; i <= 500; i++ {
			calls = append(calls, call(i, "slow"))
			want = append(want, result(i, `{}`))
		}
		c.write(calls...)
		synctest.Wait()
		s.count("slow", 64)
		// What others wait for goes ahead.
		c.write(result(1, `"yours"`), cancelled(3), cancelled(400))
		c.write(`{"jsonrpc":"2.0","method":"notifications/progress"}`)
		synctest.Wait()
		wantBody(t, s, "response", result(1, `"yours"`))
		s.count("notifications/cancelled", 1)
		wantBody(t, s, "notifications/cancelled", cancelled(3))
		s.count("notifications/progress", 0)
		s.count("slow", 65) // the one cancelled made room
		close(ready)
		want = slices.Delete(want, 399, 400)
		want = slices.Delete(want, 2, 3)
		c.wantAll(want...)
		c.quiet()
		s.count("notifications/progress", 1)
		s.count("slow", 499)
		c.end()
	})
}

// TestOrderFlood has more written than there is room for, in every place.
func TestOrderFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		c := start(t, s.config())
		lines := []string{initialize, initialized}
		want := []string{welcomed}
		for i := 1; i <= 2000; i++ {
			lines = append(lines, call(i, "x"))
			want = append(want, result(i, `{}`))
		}
		c.write(lines...)
		c.wantAll(want...)
		s.count("x", 2000)
		c.end()
	})
}
