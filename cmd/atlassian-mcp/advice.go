package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// An adviser says what to do where Atlassian only says no: the client gets one sentence more, and the person a line on standard error, once
// for each kind of refusal.
type adviser struct {
	explain explainer
	person  io.Writer
	told    sync.Map // names of the refusals that the person has been told of
}

// An explainer says what an answer of the server's means to this user, see atlassian.Explain.
type explainer func(status int, text string) (atlassian.Refusal, bool)

// advise adds advice to an answer that is a known refusal. Nothing else of it changes.
func (a *adviser) advise(m jsonrpc.Message) jsonrpc.Message {
	if len(m.Raw) > maxRefusal {
		return m
	}
	if !m.Failed {
		r, ok := toolRefusal(a.explain, m)
		if !ok {
			return m
		}
		if r.Stale { // which has package remote renew the session
			r.Advice = "Call the tool again in a few seconds, when the sign-in may have been renewed; if that does not help, " + clause(r.Advice) + "."
		}
		a.tell(r)
		text, _ := json.Marshal("atlassian-mcp: " + r.Advice) // a string
		return splice(m, fmt.Appendf(nil, `,{"type":"text","text":%s}`, text), "result", "content")
	}
	message, _ := jsonrpc.Text(jsonrpc.Lookup(m.Raw, "error", "message"))
	r, ok := a.explain(0, message)
	if !ok {
		return m
	}
	a.tell(r)
	more, _ := json.Marshal(" (" + r.Advice + ")") // a string
	return splice(m, more[1:len(more)-1], "error", "message")
}

// hint is the function hint, which knows the server's refusals too.
func (a *adviser) hint(err error) string {
	if status, ok := errors.AsType[*remote.StatusError](err); ok {
		if r, ok := a.explain(status.Status, status.Body); ok {
			a.tell(r)
			return r.Cause + ": " + clause(r.Advice)
		}
	}
	return hint(err)
}

// tell tells the person of a refusal, unless they know it.
func (a *adviser) tell(r atlassian.Refusal) {
	if _, known := a.told.LoadOrStore(r.Name, true); !known {
		io.WriteString(a.person, hintLine(r.Cause+": "+clause(r.Advice)))
	}
}

// splice returns m with text put in before the last byte of the value at path: a quote or a bracket.
func splice(m jsonrpc.Message, text []byte, path ...string) jsonrpc.Message {
	at, ok := jsonrpc.Find(m.Raw, path...)
	if !ok {
		return m
	}
	longer, err := jsonrpc.Parse(slices.Insert(bytes.Clone(m.Raw), at.End-1, text...))
	if err != nil {
		return m
	}
	return longer
}
