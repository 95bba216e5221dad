package era

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file asks the client what the server needs to know (MCP 2026-07-28, "Multi Round-Trip Requests"): an answer input_required becomes
// the requests that servers used to send, and their answers go back with the client's request, sent once more under another id.

// maxRounds is how often the server may ask for input for the same request.
const maxRounds = 10

var errGone = errors.New("server asked for input, and the client is gone")

// An input is something that the server needs for a request.
type input struct {
	id       jsonrpc.ID // under which the client is asked
	name     string     // which the server knows it by
	method   string
	response []byte // JSON; nil until the client has answered
}

// require asks the client for what m, the answer to r, says that the server needs.
func (c *conn) require(r *request, m jsonrpc.Message) {
	r.state = bytes.Clone(jsonrpc.Lookup(m.Raw, "result", "requestState"))
	r.rounds++
	switch {
	case !slices.Contains([]string{"tools/call", "prompts/get", "resources/read"}, r.m.Method):
		c.fail(r, "server asked for input for "+r.m.Method+", which takes none")
		return
	case r.rounds > maxRounds:
		c.fail(r, fmt.Sprintf("server asked for input more than %d times", maxRounds))
		return
	case c.closing:
		c.fail(r, errGone.Error())
		return
	}
	var asks []jsonrpc.Message
	requests, _ := jsonrpc.Find(m.Raw, "result", "inputRequests")
	for name, at := range jsonrpc.Members(m.Raw, requests) {
		method, _ := jsonrpc.Text(jsonrpc.Lookup(m.Raw[at.Start:at.End], "method"))
		params := jsonrpc.Lookup(m.Raw[at.Start:at.End], "params")
		if !c.client.offers(method, params) {
			c.fail(r, fmt.Sprintf("server asked for %.100q, which the client does not offer", method))
			return
		}
		in := input{id: c.newID(), name: name, method: method}
		ask := jsonrpc.NewRequest(in.id, method, params)
		if params := span(ask, "params"); isURL(ask) && jsonrpc.Lookup(ask.Raw, "params", "elicitationId") == nil {
			ask = add(ask, params, `"elicitationId":`+string(in.id)) // 2025-11-25 has one
		}
		r.inputs = append(r.inputs, in)
		asks = append(asks, ask)
	}
	switch {
	case asks != nil:
		c.asking = append(c.asking, r)
		c.say(asks...)
	case r.state != nil:
		c.retry(r) // it only wants to be asked again
	default:
		c.fail(r, "server asked for input without saying which")
	}
}

func span(m jsonrpc.Message, path ...string) jsonrpc.Span {
	at, _ := jsonrpc.Find(m.Raw, path...)
	return at
}

// isURL reports whether an elicitation sends the user to a page.
func isURL(m jsonrpc.Message) bool { return string(jsonrpc.Lookup(m.Raw, "params", "mode")) == `"url"` }

// offers reports whether the client has said that it takes a request.
func (c client) offers(method string, params []byte) bool {
	capability := map[string][]string{
		string(mcp.MethodElicitationCreate):     {"elicitation"},
		string(mcp.MethodSamplingCreateMessage): {"sampling"},
		string(mcp.MethodListRoots):             {"roots"},
	}[method]
	if mode, _ := jsonrpc.Text(jsonrpc.Lookup(params, "mode")); mode == "url" && capability != nil {
		capability = append(capability, mode)
	}
	return capability != nil && jsonrpc.Lookup(c.capabilities, capability...) != nil
}

// answered takes what the client says to a request of ours.
func (c *conn) answered(m jsonrpc.Message) {
	for _, r := range c.asking {
		i := slices.IndexFunc(r.inputs, func(in input) bool { return in.id.Key() == m.ID.Key() && in.response == nil })
		if i < 0 {
			continue
		}
		in := &r.inputs[i]
		in.response = bytes.Clone(jsonrpc.Lookup(m.Raw, "result"))
		if m.Failed && in.method == string(mcp.MethodElicitationCreate) {
			in.response = []byte(`{"action":"cancel"}`) // an answer has no place for an error
		} else if m.Failed {
			in.response = jsonrpc.Lookup(m.Raw, "error")
			c.fail(r, fmt.Sprintf("client refused %s, which the server needs: %.1000s", in.method, in.response))
			return
		}
		if !slices.ContainsFunc(r.inputs, func(in input) bool { return in.response == nil }) {
			c.withdraw(r)
			c.retry(r)
		}
		return
	}
	c.log.Debug("client answered what the server has not asked", "id", m.ID)
}

// withdraw takes r from what waits for the client, which need not answer any more.
func (c *conn) withdraw(r *request) {
	i := slices.Index(c.asking, r)
	if i < 0 {
		return
	}
	c.asking = slices.Delete(c.asking, i, i+1)
	for _, in := range r.inputs {
		if in.response == nil && !c.unsay(in.id) {
			c.say(jsonrpc.NewRequest("", string(mcp.MethodNotificationCancelled), []byte(`{"requestId":`+string(in.id)+`}`)))
		}
	}
}

// unsay takes back a request that the client has not received. It returns false if there is none.
func (c *conn) unsay(id jsonrpc.ID) bool {
	n := len(c.local)
	c.local = slices.DeleteFunc(c.local, func(m jsonrpc.Message) bool { return m.Kind == jsonrpc.Request && m.ID == id })
	return len(c.local) < n
}

// retry sends r again, as the new request that the specification makes of it, with what the client has answered.
func (c *conn) retry(r *request) {
	var members []string
	if r.inputs != nil {
		var responses []string
		for _, in := range r.inputs {
			responses = append(responses, jsonrpc.Quote(in.name)+":"+string(in.response))
		}
		members = append(members, `"inputResponses":{`+strings.Join(responses, ",")+`}`)
	}
	if r.state != nil {
		members = append(members, `"requestState":`+string(r.state))
	}
	r.at, r.inputs, r.state = c.newID(), nil, nil
	m := r.m.WithID(r.at)
	if params := span(m, "params"); m.Raw[params.Start] == '{' {
		m = add(m, params, strings.Join(members, ","))
	}
	if !c.send(r, m) {
		c.fail(r, "too many requests wait for the server")
	}
}
