package relay_test

import (
	"testing"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
)

// TestDiscoverHeld begins with server/discover, to which a legacy server would answer late. It never holds up what follows.
func TestDiscoverHeld(t *testing.T) {
	const unknown = `{"jsonrpc":"2.0","id":"d","error":{"code":-32601,"message":"server does not know the method server/discover"}}`
	bubble(t, "unknown", func(t *testing.T) {
		s := newServer(t, script{"server/discover": hang})
		c := start(t, s.config())
		began := time.Now()
		c.write(discover)
		c.want(unknown)
		wantAt(t, began, 500*time.Millisecond)
		c.write(initialize)
		c.want(welcomed)
		wantAt(t, began, 500*time.Millisecond)
		c.end()
		s.wantRequests("server/discover", "initialize", "DELETE")
	})
	bubble(t, "at once", func(t *testing.T) {
		s := newServer(t, script{"server/discover": hang})
		c := start(t, s.config())
		began := time.Now()
		c.write(discover, initialize)
		c.want(unknown, welcomed)
		wantAt(t, began, 0)
		c.end()
	})
	bubble(t, "legacy last time", func(t *testing.T) {
		var m memory
		s := newServer(t, script{"server/discover": status(400, "")})
		for i := range 3 {
			c := start(t, m.config(s.config()))
			began := time.Now()
			c.write(discover)
			c.want(unknown)
			c.write(initialize)
			c.want(welcomed)
			wantAt(t, began, 0)
			c.end()
			s.count("server/discover", 1)
			s.count("initialize", i+1)
		}
	})
	bubble(t, "modern last time", func(t *testing.T) {
		m := memory{m: relay.Memory{Legacy: true}, takes: 100 * time.Millisecond}
		s := newServer(t, script{"server/discover": body(found)})
		c := start(t, m.config(s.config()))
		began := time.Now()
		c.write(discover)
		c.want(unknown)
		wantAt(t, began, m.takes)
		c.end()
		m.m.Legacy = false
		c = start(t, m.config(s.config()))
		began = time.Now()
		c.write(discover, modern(1, "tools/list", ""))
		c.want(found, result(1, `{}`))
		wantAt(t, began, m.takes)
		time.Sleep(time.Hour)
		c.end()
		s.wantRequests("server/discover", "tools/list")
	})
	bubble(t, "network down", func(t *testing.T) {
		s := newServer(t, nil)
		n := newNetwork(t, s)
		n.down.Store(true)
		c := start(t, n.config(s))
		began := time.Now()
		c.write(discover)
		c.want(unknown)
		wantAt(t, began, 500*time.Millisecond)
		time.Sleep(time.Hour)
		c.quiet()
		n.down.Store(false)
		c.write(initialize)
		c.want(welcomed)
		c.end()
	})
	bubble(t, "memory never comes", func(t *testing.T) {
		m := memory{takes: 30 * time.Second}
		s := newServer(t, nil)
		c := start(t, m.config(s.config()))
		began := time.Now()
		c.write(discover)
		c.want(unknown)
		wantAt(t, began, 500*time.Millisecond)
		c.write(initialize)
		c.want(welcomed)
		c.end()
		s.wantRequests("initialize", "DELETE")
	})
}
