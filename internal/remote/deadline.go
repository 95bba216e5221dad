package remote

import (
	"fmt"
	"slices"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is the deadline of requests (MCP 2025-11-25, "Lifecycle", "Timeouts"). A request has it from the moment at which Send takes it,
// as whoever waits for the answer counts.

// A TimeoutError says that Config.RequestTimeout is over.
type TimeoutError struct {
	limit time.Duration
	sent  bool // to the server
}

func (e *TimeoutError) Error() string {
	text := fmt.Sprintf("no answer and no progress for %v", e.limit)
	if e.sent {
		text += "; the request has been cancelled, but may have been carried out"
	}
	return text
}

// limit gives call its deadline. c.mu is held.
func (c *conn) limit(call *call) {
	if c.cfg.RequestTimeout == 0 || call.answer != nil || call.m.Method == "subscriptions/listen" { // which ends when its client says so
		return
	}
	call.deadline = time.Now().Add(c.cfg.RequestTimeout)
	if token := jsonrpc.Lookup(call.m.Raw, "params", "_meta", "progressToken"); token != nil {
		call.token = jsonrpc.ID(token).Key()
	}
}

// progress gives the request that m, a notification, reports progress of its whole time again. Only the server's word for it counts: whatever
// else comes on its stream says nothing about it.
func (c *conn) progress(m jsonrpc.Message) {
	if c.cfg.RequestTimeout == 0 || m.Method != "notifications/progress" {
		return
	}
	token := jsonrpc.Lookup(m.Raw, "params", "progressToken")
	if token == nil {
		return
	}
	key := jsonrpc.ID(token).Key()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, open := range c.open {
		for _, call := range open {
			if call.token == key && !call.deadline.IsZero() {
				call.deadline = time.Now().Add(c.cfg.RequestTimeout)
			}
		}
	}
}

// watchDeadlines ends requests whose time is over until the conn is closed.
func (c *conn) watchDeadlines() {
	for {
		overdue, next := c.overdue()
		for _, call := range overdue {
			c.expire(call)
		}
		if !sleep(c.ctx, next) {
			return
		}
	}
}

// overdue returns the requests whose time is over, and when to look again: no request that comes meanwhile can be due before that.
func (c *conn) overdue() (calls []*call, next time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next = c.cfg.RequestTimeout
	for _, open := range c.open {
		for _, call := range open {
			if call.settled || call.deadline.IsZero() {
				continue
			}
			if left := time.Until(call.deadline); left > 0 {
				next = min(next, left)
			} else {
				calls = append(calls, call)
			}
		}
	}
	slices.SortFunc(calls, func(a, b *call) int {
		if a.flying != b.flying { // those that wait first, or they would get the places of the others
			if b.flying {
				return -1
			}
			return 1
		}
		return a.deadline.Compare(b.deadline)
	})
	return calls, next
}

// expire answers call, whose time is over, and tells the server.
func (c *conn) expire(call *call) {
	c.mu.Lock()
	if call.settled {
		c.mu.Unlock()
		return
	}
	err := &TimeoutError{c.cfg.RequestTimeout, call.sent}
	call.expired = true
	c.unqueue(call)
	c.settleLocked(call)
	call.cause = err
	switch {
	case call.sent && !call.modern && call.m.Method != "initialize": // which a client must not cancel
		c.wait(call)
		params := `{"requestId":` + string(call.m.ID) + `,"reason":"no answer in time"}`
		c.enqueue(newCall(c.ctx, jsonrpc.NewRequest("", "notifications/cancelled", []byte(params))))
	default:
		call.cancel()
	}
	c.mu.Unlock()
	c.give(delivery{c.failure(call, err), call})
}
