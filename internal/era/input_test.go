package era_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// required is a result that asks for input. State is JSON, "" for none.
func required(state string, requests ...string) string {
	result := `{"resultType":"input_required","inputRequests":{` + strings.Join(requests, ",") + `}`
	if state != "" {
		result += `,"requestState":` + state
	}
	return result + "}"
}

// asks is one of them.
func asks(name, method, params string) string {
	return fmt.Sprintf(`%q:{"method":%q,"params":{%s}}`, name, method, params)
}

const (
	call     = `"name":"t","arguments":{"n":1e400}`
	complete = `{"resultType":"complete","ok":1.0}`
)

// retried is a call of tools/call as the server sees it again.
func retried(id, added string) string {
	return request(id, "tools/call", call+`,"_meta":{`+meta+`},`+added)
}

// TestInput has the server ask for everything that there is, and the client answer.
func TestInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"tools/call": inTurn(
			result(required(`"\u0073tate"`, asks("who", "elicitation/create", `"message":"<who>"`), asks("say", "sampling/createMessage", `"maxTokens":1.0`), `"where":{"method":"roots/list"}`)),
			result(required("", asks("page", "elicitation/create", `"mode":"url","url":"https://a.example/"`))),
			result(`{"resultType":"input_required","requestState":"busy"}`),
			result(complete),
		)})
		c := connect(t, s)
		c.send(request(1, "tools/call", call))
		c.want(
			request(`"#2"`, "elicitation/create", `"message":"<who>"`), request(`"#3"`, "sampling/createMessage", `"maxTokens":1.0`),
			`{"jsonrpc":"2.0","id":"#4","method":"roots/list"}`)
		c.answer("3", `"result":{"model":"\u006d"}`)
		c.answer("3", `"result":{"model":"again"}`)
		c.answer("4", `"result":{"roots":[]}`)
		if n := s.count("tools/call"); n != 1 {
			t.Errorf("server was called %d times before all answers were there", n)
		}
		c.answer("2", `"error":{"code":-1,"message":"no"}`)
		c.want(request(`"#6"`, "elicitation/create", `"mode":"url","url":"https://a.example/","elicitationId":"#6"`))
		c.answer("6", `"result":{"action":"accept"}`)
		c.want(response(1, `{"ok":1.0}`))
		s.wantSeen("tools/call",
			request(1, "tools/call", call+`,"_meta":{`+meta+`}`),
			retried(`"#5"`, `"inputResponses":{"who":{"action":"cancel"},"say":{"model":"\u006d"},"where":{"roots":[]}},"requestState":"\u0073tate"`),
			retried(`"#7"`, `"inputResponses":{"page":{"action":"accept"}}`),
			retried(`"#8"`, `"requestState":"busy"`))
		c.end()
	})
}

// answer answers a request of ours.
func (c *client) answer(n, member string) {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":"%s%s",%s}`, c.prefix, n, member))
}

// TestInputRefused has input that there is no way to get.
func TestInputRefused(t *testing.T) {
	const noURL = `"capabilities":{"elicitation":{}}`
	for name, test := range map[string]struct{ capabilities, result, why string }{
		"elicitation": {`"capabilities":{}`, required("", asks("a", "elicitation/create", "")), `\"elicitation/create\", which the client does not offer`},
		"sampling":    {noURL, required("", asks("a", "sampling/createMessage", "")), "sampling"},
		"roots":       {noURL, required("", asks("b", "elicitation/create", ""), asks("a", "roots/list", "")), "roots"},
		"page":        {noURL, required("", asks("a", "elicitation/create", `"mode":"url"`)), "elicitation"},
		"unheard-of":  {noURL, required("", asks("a", "tasks/get", "")), "tasks/get"},
		"nothing":     {noURL, required(""), "without saying which"},
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"tools/call": result(test.result)})
			before, rest, _ := strings.Cut(initialize, `"capabilities":`)
			_, after, _ := strings.Cut(rest, `,"clientInfo"`)
			c := dial(t, s.config(), before+test.capabilities+`,"clientInfo"`+after)
			<-c.lines
			c.send(request(1, "tools/call", call))
			c.wantError("1", remote.CodeLocal, test.why)
			c.end()
		})
	}
	bubble(t, "by the client", func(t *testing.T) {
		s := newServer(t, script{"tools/call": result(required("", asks("a", "sampling/createMessage", ""), asks("b", "roots/list", "")))})
		c := connect(t, s)
		c.send(request(1, "tools/call", call))
		c.want(request(`"#2"`, "sampling/createMessage", ""), request(`"#3"`, "roots/list", ""))
		c.answer("2", `"error":{"code":-1,"message":"no model"}`)
		if line := <-c.lines; line != cancelled(`"#2"`) && line != cancelled(`"#3"`) {
			t.Error(line)
		}
		c.wantError("1", remote.CodeLocal, "no model")
		if n := s.count("tools/call"); n != 1 {
			t.Errorf("server was called %d times", n)
		}
	})
}

// TestRounds has a server that never has enough.
func TestRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"tools/call": result(`{"resultType":"input_required","requestState":"again"}`)})
		c := connect(t, s)
		c.send(request(1, "tools/call", call))
		c.wantError("1", remote.CodeLocal, "more than 10 times")
		if n := s.count("tools/call"); n != 11 {
			t.Errorf("server was called %d times, want once and ten times more", n)
		}
	})
}

// TestInputCancelled has the client cancel in each state of a request, and end.
func TestInputCancelled(t *testing.T) {
	ask := result(required("", asks("a", "roots/list", "")))
	bubble(t, "while it is asked", func(t *testing.T) {
		s := newServer(t, script{"tools/call": ask})
		c := connect(t, s)
		c.send(request(1, "tools/call", call))
		c.want(request(`"#2"`, "roots/list", ""))
		c.send(cancelled(1))
		c.want(cancelled(`"#2"`))
		c.answer("2", `"result":{"roots":[]}`)
		if n := s.count("tools/call"); n != 1 {
			t.Errorf("server was called %d times", n)
		}
		c.end()
	})
	bubble(t, "when it has answered", func(t *testing.T) {
		s := newServer(t, script{"tools/call": inTurn(ask, hang)})
		c := connect(t, s)
		c.send(request(1, "tools/call", call))
		c.want(request(`"#2"`, "roots/list", ""))
		c.answer("2", `"result":{"roots":[]}`)
		c.send(cancelled(1))
		s.wantOver(`"#3"`)
		c.want()
		c.end()
	})
	bubble(t, "end of the input", func(t *testing.T) {
		s := newServer(t, script{"tools/call": ask})
		c := connect(t, s)
		c.send(request(1, "tools/call", call))
		c.want(request(`"#2"`, "roots/list", ""))
		c.end()
		if line := <-c.lines; line != cancelled(`"#2"`) {
			t.Error(line)
		}
		c.wantError("1", remote.CodeLocal, "the client is gone")
	})
	bubble(t, "broken off", func(t *testing.T) {
		s := newServer(t, script{"tools/call": inTurn(ask, broken)})
		c := connect(t, s)
		c.send(request(1, "tools/call", call))
		c.want(request(`"#2"`, "roots/list", ""))
		c.answer("2", `"result":{"roots":[]}`)
		c.wantError("1", remote.CodeLocal, "may have been carried out")
		if n := s.count("tools/call"); n != 2 {
			t.Errorf("server was called %d times, want never again after a failure", n)
		}
	})
}
