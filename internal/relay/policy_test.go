package relay_test

import (
	"testing"
	"testing/synctest"

	"github.com/atlassian-mcp/atlassian-mcp/internal/policy"
)

const (
	listedTools = `{"tools":[{"name":"get"},{"name":"delete"} , {"name":"put"}],"nextCursor":"2"}`
	leftTools   = `{"tools":[{"name":"get"} , {"name":"put"}],"nextCursor":"2"}`
)

func forbidden(id string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"error":{"code":-32603,"message":"Tool \"delete\" is not available"}}`
}

// TestTools has a tool that the client may neither see nor call: the server never hears of a call, whether it would open the session or not.
func TestTools(t *testing.T) {
	const callDelete = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"delete"}}`
	for name, list := range map[string]reply{"JSON": answer(listedTools), "events": events(data(result("$ID", listedTools)))} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"tools/list": list})
			cfg := s.config()
			cfg.Tools = &policy.Tools{Ignore: []string{"del*"}}
			c := start(t, cfg)
			c.write(initialize, initialized)
			c.want(welcomed)
			c.write(call(1, "tools/list"))
			c.want(result(1, leftTools))
			c.write(callDelete)
			c.want(forbidden("7"))
			c.write(`{"jsonrpc":"2.0","method":"tools/call","params":{"name":"delete"}}`) // wants no answer
			c.write(`[` + callDelete + `,` + call(2, "tools/list") + `]`)
			c.want(`[` + forbidden("7") + `,` + result(2, leftTools) + `]`)
			synctest.Wait()
			s.count("tools/call", 0)
			c.end()
		})
	}
	bubble(t, "first", func(t *testing.T) {
		s := newServer(t, script{"tools/list": answer(listedTools)})
		cfg := s.config()
		cfg.Tools = &policy.Tools{Ignore: []string{"del*"}}
		c := start(t, cfg)
		c.write(modern(1, "tools/call", `"name":"delete"`))
		c.want(forbidden("1"))
		s.wantRequests()
		c.write(modern(2, "tools/list", ""))
		c.want(result(2, leftTools))
		c.end()
	})
}
