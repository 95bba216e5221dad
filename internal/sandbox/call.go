package sandbox

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/rovo"
)

// This file is tools/call.

type toolParams struct {
	Name      string                     `json:"name"`
	Arguments map[string]json.RawMessage `json:"arguments"`
	Meta      struct {
		ProgressToken json.RawMessage `json:"progressToken"`
		Mark          string          `json:"sandbox/mark"` // see Counts.Marked
	} `json:"_meta"`
}

// inner returns the tool that the execute tools of v2 are told to run.
func (p toolParams) inner() (name string) {
	if strings.HasPrefix(p.Name, "execute") {
		json.Unmarshal(p.Arguments["name"], &name) // if it isn't there, or no string, then there is none
	}
	return name
}

type toolResult struct {
	Content    []textContent   `json:"content"`
	Structured json.RawMessage `json:"structuredContent,omitempty"`
	IsError    bool            `json:"isError,omitempty"`
}

type textContent struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// callTool calls a tool, and notes that it was called.
func (c *call) callTool() (any, *rpcError) {
	var params toolParams
	if json.Unmarshal(c.Params, &params) != nil || params.Name == "" {
		return nil, invalid("Invalid request parameters")
	}
	noted := c.server.note(c.peer, c.message, params)
	var outcome rovo.Outcome
	if c.wait(params.Meta.ProgressToken) {
		if outcome.Text = c.refusal(); outcome.Text != "" {
			outcome.IsError = true
			noted.Status = "refused"
		} else {
			outcome = c.server.org.Call(c.peer.caller(), c.view(), params.Name, arguments(c.Params))
			noted.Status = "ok"
			switch {
			case outcome.Invalid != "":
				noted.Status = "invalid"
			case outcome.IsError:
				noted.Status = "error"
			}
			c.server.record.executed(params.Name, noted.ID, params.Meta.Mark)
		}
	} else {
		noted.Status = "cancelled"
	}
	noted.Size = len(outcome.Text) + len(outcome.Invalid)
	noted.Duration = time.Since(noted.Time)
	c.server.record.call(noted)
	c.server.log.Info("call", "tool", noted.Tool, "inner", noted.Inner, "person", noted.Person, "status", noted.Status, "mark", params.Meta.Mark)

	if outcome.Invalid != "" {
		return nil, invalid(outcome.Invalid)
	}
	result := toolResult{[]textContent{{mcp.ContentTypeText, outcome.Text}}, outcome.Structured, outcome.IsError}
	if c.server.faults.strikes("structured-array") {
		result.Structured = encode(result.Content)
	}
	return result, nil
}

// view returns what the peer gets to see while things go wrong.
func (c *call) view() rovo.View {
	v, f := c.peer.view, &c.server.faults
	v.ReadOnly = func() bool { return f.strikes("read-only") }
	v.FiveNodes = func() bool { return f.strikes("five-nodes") }
	v.HugePage = func() int { return f.number("huge-page") << 20 }
	return v
}

// note begins the note of a call.
func (s *Server) note(p peer, m message, params toolParams) Call {
	arguments := slices.Sorted(maps.Keys(params.Arguments))
	arguments = slices.Clone(arguments[:min(len(arguments), maxArguments)])
	for i, name := range arguments {
		arguments[i] = brief(name)
	}
	noted := Call{
		Time:      time.Now(),
		Account:   p.grant.Account,
		Client:    p.client,
		SignedIn:  p.grant.Client,
		Via:       p.grant.Via,
		Endpoint:  p.endpoint.path,
		Tool:      brief(params.Name),
		Inner:     brief(params.inner()),
		IP:        p.address,
		Arguments: arguments,
		ID:        brief(string(m.ID)),
		Trace:     p.trace,
	}
	if person := s.person(func(q rovo.Person) bool { return q.Account == p.grant.Account }); person != nil {
		noted.Person = person.Name
	}
	noted.Product = s.productOf(p.view, cmp.Or(noted.Inner, noted.Tool))
	var cloudID string
	if json.Unmarshal(params.Arguments["cloudId"], &cloudID) == nil { // else the tool will say what is wrong
		noted.Site = s.siteOf(p.grant.Account, cloudID)
	}
	if p.session != nil {
		noted.Client, noted.Session = p.session.name(), p.session.id[:8]
	}
	return noted
}

// arguments returns a tool's arguments as they came.
func arguments(params json.RawMessage) json.RawMessage {
	var raw struct {
		Arguments json.RawMessage `json:"arguments"`
	}
	json.Unmarshal(params, &raw) // has been done before, with success
	return raw.Arguments
}

// wait makes a slow call slow. It reports whether the call is still wanted, and is never so for one that was cancelled: what is cancelled in
// time is not carried out.
func (c *call) wait(progressToken json.RawMessage) bool {
	const steps = 5
	step := time.Duration(c.server.faults.number("slow")) * time.Millisecond / steps
	if step == 0 {
		return c.ctx.Err() == nil
	}
	tick := time.NewTicker(step)
	defer tick.Stop()
	for i := 1; i <= steps; i++ {
		select {
		case <-tick.C:
		case <-c.ctx.Done():
			return false
		}
		if progressToken != nil {
			c.notify(string(mcp.MethodNotificationProgress), map[string]any{"progressToken": progressToken, "progress": i, "total": steps})
		}
	}
	return true
}

// refusal returns what is said instead of the tool's answer, "" if nothing is.
func (c *call) refusal() string {
	f := &c.server.faults
	grant := c.peer.grant
	opened := c.server.clock.Load()
	if c.peer.session != nil {
		opened = c.peer.session.opened
	}
	var renewed int64
	if grant.Via == "" {
		c.server.mu.Lock()
		renewed = c.server.renewed[grant.Account]
		c.server.mu.Unlock()
	}
	switch {
	case grant.Via != "" && f.strikes("api-token-disabled"):
		return textAPIToken
	case f.strikes("ip-refused"):
		return textIP
	case f.stale(opened, renewed):
		return textUnauthorized
	case f.strikes("connection-settings"):
		return textSettings
	case f.strikes("verify-access"):
		return textAccess
	case f.take("trouble"):
		return textTrouble
	}
	return ""
}
