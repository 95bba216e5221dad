package remote

import (
	"context"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// TestRoom fills the queue of a conn that sends nothing, by number and by size: Room must not say that there is room when Send finds none.
func TestRoom(t *testing.T) {
	big := strings.Repeat("x", 40<<20)
	for name, test := range map[string]struct {
		pad   string
		taken int
	}{
		"many": {"", maxWaiting},
		"big":  {big, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConn(context.Background(), Config{}.withDefaults())
			defer c.cancel()
			m := jsonrpc.NewRequest("", "x", []byte(`"`+test.pad+`"`)) // no request, of which not all would be let out
			taken := 0
			for c.Send(m) {
				taken++
			}
			if taken != test.taken {
				t.Errorf("%d were taken, want %d", taken, test.taken)
			}
			room := c.Room()
			select {
			case <-room:
				t.Error("there is said to be room")
			default:
			}
			if !c.Send(jsonrpc.NewRequest("", "notifications/cancelled", []byte(`{"requestId":2}`))) {
				t.Error("a cancellation was not taken")
			}
			c.next()
			select {
			case <-room:
			default:
				t.Error("nobody was told of the room")
			}
			for range c.queue {
				c.next()
			}
			<-c.Room()
			if !c.Send(m) {
				t.Error("an empty queue took nothing")
			}
		})
	}
}
