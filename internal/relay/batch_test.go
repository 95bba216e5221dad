package relay_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// wantBatch fails the test if the next line is not an array of these, in whatever order.
func (c *client) wantBatch(members ...string) {
	c.t.Helper()
	line := c.next()
	m := mustParse(c.t, line)
	var got []string
	for _, member := range jsonrpc.Split(m) {
		got = append(got, string(member.Raw))
	}
	slices.Sort(got)
	slices.Sort(members)
	if m.Kind != jsonrpc.Batch || !slices.Equal(got, members) {
		c.t.Errorf("client got %s, want [%s]", line, strings.Join(members, ","))
	}
}

func array(members ...string) string { return "[" + strings.Join(members, ", ") + "]" }

// TestBatch sends arrays, as a client of 2025-03-26 may.
func TestBatch(t *testing.T) {
	notification := `{"jsonrpc":"2.0","method":"notifications/x"}`
	for _, w := range wires {
		bubble(t, w.name, func(t *testing.T) {
			s := newServer(t, w.script(map[string]string{"x": `{"jsonrpc":"2.0","id":$ID,"result":9007199254740993}`}))
			c := connect(t, s)
			x := func(id string) string { return `{"jsonrpc":"2.0","id":` + id + `,"result":9007199254740993}` }

			c.write(array(call(1, "x"), notification, call(`"a"`, "x")))
			c.wantBatch(x(`1`), x(`"a"`))
			c.quiet()
			s.count("x", 2)
			s.count("notifications/x", 1)
			for _, r := range s.requests("x") {
				if r.body != call(r.m.ID, "x") {
					t.Errorf("server got %s", r.body)
				}
			}

			c.write(array(call(1, "x")))
			c.wantBatch(x(`1`))

			c.write(array(notification, notification))
			c.quiet()
			s.count("notifications/x", 3)

			c.write(array(call(1, "x"), `7`, call(2, "x"), `{"id":3}`))
			c.wantBatch(x(`1`), x(`2`),
				`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"not a JSON-RPC request, notification or response"}}`,
				`{"jsonrpc":"2.0","id":3,"error":{"code":-32600,"message":"not a JSON-RPC request, notification or response"}}`)

			c.write(array(call(1, "x"), call(1, "x"))) // the same id twice
			c.wantBatch(x(`1`), x(`1`))

			s.message(`{"jsonrpc":"2.0","id":5,"method":"roots/list"}`)
			c.want(`{"jsonrpc":"2.0","id":5,"method":"roots/list"}`)
			c.write(array(result(5, `{}`), call(5, "x")))
			c.wantBatch(x(`5`))
			synctest.Wait()
			wantBody(t, s, "response", result(5, `{}`))
			c.quiet()
			c.end()
			s.count("batch", 0)
		})
	}
}

// TestBatchSlow has one member be answered much later than another, and other requests in between.
func TestBatchSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := make(chan struct{})
		s := newServer(t, script{"slow": after(ready, answer(`"slow"`)), "bad": status(500, ""), "GET": listening("")})
		c := connect(t, s)
		c.write(array(call(1, "slow"), call(2, "x"), call(3, "bad")), call(4, "x"), array(call(5, "x"), call(6, "x")))
		line := c.next()
		if line == result(4, `{}`) {
			c.wantBatch(result(5, `{}`), result(6, `{}`))
		} else {
			c.want(result(4, `{}`))
		}
		s.message(`{"jsonrpc":"2.0","method":"n"}`)
		c.want(`{"jsonrpc":"2.0","method":"n"}`)
		c.quiet()
		close(ready)
		c.wantBatch(result(1, `"slow"`), result(2, `{}`),
			`{"jsonrpc":"2.0","id":3,"error":{"code":-31000,"message":"server answered 500 Internal Server Error","data":{"source":"atlassian-mcp","status":500}}}`)
		c.end()
	})
}

// TestBatchCancelled cancels members.
func TestBatchCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"slow": hang})
		c := connect(t, s)
		c.write(array(call(1, "slow"), call(2, "x"), call(3, "slow")))
		synctest.Wait()
		c.write(cancelled(1))
		c.quiet()
		c.write(array(cancelled(3)))
		c.wantBatch(result(2, `{}`))
		c.write(array(call(4, "slow"), call(5, "slow")))
		synctest.Wait()
		c.write(cancelled(4), cancelled(5))
		c.quiet()
		s.count("notifications/cancelled", 4)
		c.end()
	})
}

// TestBatchOpens has an array be the first thing that the client writes.
func TestBatchOpens(t *testing.T) {
	bubble(t, "works", func(t *testing.T) {
		s := newServer(t, nil)
		c := start(t, s.unhurried())
		c.write(array(initialize, initialized, call(1, "x"), call(2, "x"), `7`))
		c.wantBatch(welcomed, result(1, `{}`), result(2, `{}`), `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"not a JSON-RPC request, notification or response"}}`)
		c.end()
		s.count("initialize", 1)
	})
	bubble(t, "cancelled", func(t *testing.T) {
		ready := make(chan struct{})
		s := newServer(t, script{"initialize": after(ready, session("s1"))})
		c := start(t, s.unhurried())
		c.write(array(initialize, initialized, call(1, "x"), call(2, "x")), cancelled(2), array(cancelled(1)))
		synctest.Wait()
		close(ready)
		c.wantBatch(welcomed)
		c.end()
		s.count("x", 0)
	})
	bubble(t, "fails", func(t *testing.T) {
		s := newServer(t, script{"x": status(500, ""), "initialize": status(500, "")})
		c := start(t, s.unhurried())
		c.write(array(initialize, initialized, call(1, "x"), call(2, "x")))
		failed := `"error":{"code":-31000,"message":"server answered 500 Internal Server Error","data":{"source":"atlassian-mcp","status":500}}}`
		c.wantBatch(`{"jsonrpc":"2.0","id":0,`+failed, `{"jsonrpc":"2.0","id":1,`+failed, `{"jsonrpc":"2.0","id":2,`+failed)
		c.end()
	})
}

// TestBatchDeep has a member that is nested deeper than encoding/json reads.
func TestBatchDeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deep := fmt.Sprintf(`{"jsonrpc":"2.0","id":5,"method":"x","params":[%s%s]}`, strings.Repeat("[", 20000), strings.Repeat("]", 20000))
		s := newServer(t, nil)
		c := connect(t, s)
		c.write(array(call(4, "x"), deep, call(6, "x")))
		c.wantBatch(result(4, `{}`), result(5, `{}`), result(6, `{}`))
		c.end()
		s.count("x", 3)
	})
}
