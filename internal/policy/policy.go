// Package policy decides what may pass between a client and a server.
//
// [Tools] stands beside a session rather than around it, since the first message of a client, which opens the session, has to be judged as well:
// what the client sends goes through [Tools.Refuse], what the server sends through [Tools.Edit].
package policy

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// Tools says which of the server's tools the client may see and call. The patterns are names in which * stands for any text, whatever the case of the
// letters. Nil, like a Tools without patterns, lets everything pass.
//
// A call through one of Runners must be allowed twice: that tool, and the one that it is to run.
type Tools struct {
	Allow  []string // only what one of these matches passes; none means everything
	Ignore []string // what one of these matches doesn't pass, even if Allow has it

	Runners []string // tools that run others, which are named by the argument "name"
	Finders []string // tools that tell of others, in JSON

	mu   sync.Mutex        // guards open
	open map[string]string // the methods of requests whose answers may tell of tools, by the key of their id
}

// Permits reports whether the client may see and call a tool.
func (t *Tools) Permits(name string) bool {
	if t.idle() {
		return true
	}
	matches := func(pattern string) bool { return match(pattern, name) }
	return (len(t.Allow) == 0 || slices.ContainsFunc(t.Allow, matches)) && !slices.ContainsFunc(t.Ignore, matches)
}

func (t *Tools) idle() bool { return t == nil || len(t.Allow)+len(t.Ignore) == 0 }

// codeNotAvailable is what a call gets that isn't allowed. It is mcp-remote's, so that nobody who comes from there meets another.
const codeNotAvailable = jsonrpc.CodeInternal

// Refuse reports whether m, from the client, must not reach the server. If m is a request, answer is what the client gets instead.
func (t *Tools) Refuse(m jsonrpc.Message) (answer jsonrpc.Message, refused bool) {
	if t.idle() || m.Kind != jsonrpc.Request && m.Kind != jsonrpc.Notification {
		return jsonrpc.Message{}, false
	}
	var names []string
	if m.Method == "tools/call" {
		names = t.called(m.Raw)
		i := slices.IndexFunc(names, func(name string) bool { return !t.Permits(name) })
		if i >= 0 && m.Kind == jsonrpc.Request {
			answer = jsonrpc.ErrorResponse(m.ID, jsonrpc.Error{Code: codeNotAvailable, Message: `Tool "` + names[i] + `" is not available`})
		}
		if i >= 0 {
			return answer, true
		}
	}
	if m.Kind == jsonrpc.Request {
		t.expect(m, names)
	}
	return jsonrpc.Message{}, false
}

// called returns the tools that a call is about. There is at least one, "" if none is named. Some servers take "Name" for "name", and some the
// first of several members: all that could be meant are there.
func (t *Tools) called(raw []byte) (names []string) {
	each := func(object []byte, member string, f func(value []byte)) {
		for name, at := range jsonrpc.Members(object, jsonrpc.Whole(object)) {
			if strings.EqualFold(name, member) {
				f(object[at.Start:at.End])
			}
		}
	}
	named := func(value []byte) {
		name, _ := jsonrpc.Text(value)
		names = append(names, name)
	}
	each(raw, "params", func(params []byte) {
		outer := len(names)
		each(params, "name", named)
		if !slices.ContainsFunc(names[outer:], func(name string) bool { return slices.Contains(t.Runners, name) }) {
			return
		}
		inner := len(names)
		each(params, "arguments", func(arguments []byte) { each(arguments, "name", named) })
		if len(names) == inner {
			names = append(names, "")
		}
	})
	if len(names) == 0 {
		names = append(names, "")
	}
	return names
}

// expect notes that the answer to m may have names in it. What is noted of a request that is cancelled stays, lest its answer still comes.
func (t *Tools) expect(m jsonrpc.Message, called []string) {
	key := m.ID.Key()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, key)
	if m.Method == "tools/list" || slices.ContainsFunc(called, func(name string) bool { return slices.Contains(t.Finders, name) }) {
		if t.open == nil {
			t.open = make(map[string]string)
		}
		t.open[key] = m.Method
	}
}

// Edit returns m, from the server, without the tools that the client may not see. It changes no other byte.
func (t *Tools) Edit(m jsonrpc.Message) jsonrpc.Message {
	if t.idle() || m.Kind != jsonrpc.Response {
		return m
	}
	key := m.ID.Key()
	t.mu.Lock()
	listed := t.open[key]
	delete(t.open, key)
	t.mu.Unlock()
	if listed == "" || m.Failed {
		return m
	}
	var e editor
	e.answer(t, m.Raw, listed)
	if len(e.cuts) == 0 {
		return m
	}
	edited, err := jsonrpc.Parse(e.apply(m.Raw))
	if err != nil { // can't be, and what is not JSON any more says nothing to anybody
		return jsonrpc.ErrorResponse(m.ID, jsonrpc.Error{Code: jsonrpc.CodeInternal, Message: "the list of tools can't be read"})
	}
	return edited
}

// An editor takes pieces out of a JSON text.
type editor struct{ cuts []cut }

// A cut replaces what is at Span.
type cut struct {
	jsonrpc.Span
	with []byte
}

func (e *editor) apply(raw []byte) []byte {
	slices.SortFunc(e.cuts, func(a, b cut) int { return a.Start - b.Start })
	edited, from := make([]byte, 0, len(raw)), 0
	for _, c := range e.cuts {
		edited = append(append(edited, raw[from:c.Start]...), c.with...)
		from = c.End
	}
	return append(edited, raw[from:]...)
}

// answer cuts from the answer to a request with this method. Names may occur more than once, in which case all are looked at.
func (e *editor) answer(t *Tools, raw []byte, method string) {
	for name, result := range jsonrpc.Members(raw, jsonrpc.Whole(raw)) {
		switch {
		case name != "result":
		case method == "tools/call":
			e.anywhere(t, raw, result, 0)
		default:
			for name, list := range jsonrpc.Members(raw, result) {
				if name == "tools" {
					e.tools(t, raw, list)
				}
			}
		}
	}
}

// tools cuts the elements of the array at a place that are tools which the client may not see. It reports whether there are tools at all.
func (e *editor) tools(t *Tools, raw []byte, at jsonrpc.Span) (found bool) {
	e.elements(raw, at, func(element []byte) bool {
		name, named := jsonrpc.Text(jsonrpc.Lookup(element, "name"))
		found = found || named
		return named && !t.Permits(name)
	})
	return found
}

// elements cuts the elements of the array at a place that are unwanted, each with the comma that is then too much.
func (e *editor) elements(raw []byte, at jsonrpc.Span, unwanted func(element []byte) bool) {
	var last jsonrpc.Span // the last element that is kept
	var next bool         // there is one to cut up to the next element
	for element := range jsonrpc.Elements(raw, at) {
		if next {
			e.cuts[len(e.cuts)-1].End = element.Start
		}
		next = false
		switch {
		case !unwanted(raw[element.Start:element.End]):
			last = element
		case last.End > 0:
			// From the end of the element before, which has been cut as well if it is not the last that is kept.
			if n := len(e.cuts); n > 0 && e.cuts[n-1].Start == last.End {
				e.cuts[n-1].End = element.End
			} else {
				e.cuts = append(e.cuts, cut{Span: jsonrpc.Span{Start: last.End, End: element.End}})
			}
		default:
			e.cuts = append(e.cuts, cut{Span: element})
			next = true
		}
	}
}

// maxDepth is how deep an answer is searched for arrays of tools. Each level costs another look at all that is below it.
const maxDepth = 6

// anywhere cuts from each array of tools in the value at a place, and in the texts of content blocks, but not within tools, whose schemas may
// have names of other things.
func (e *editor) anywhere(t *Tools, raw []byte, at jsonrpc.Span, depth int) {
	if depth == maxDepth || at.Start == at.End {
		return
	}
	for name, member := range jsonrpc.Members(raw, at) {
		if name != "content" {
			e.anywhere(t, raw, member, depth+1)
			continue
		}
		for block := range jsonrpc.Elements(raw, member) {
			e.text(t, raw, block, depth+1)
		}
	}
	if raw[at.Start] == '[' && !e.tools(t, raw, at) {
		for element := range jsonrpc.Elements(raw, at) {
			e.anywhere(t, raw, element, depth+1)
		}
	}
}

// text cuts in the text of a content block, if that is JSON.
func (e *editor) text(t *Tools, raw []byte, block jsonrpc.Span, depth int) {
	for name, at := range jsonrpc.Members(raw, block) {
		text, ok := jsonrpc.Text(raw[at.Start:at.End])
		if name != "text" || !ok || !json.Valid([]byte(text)) {
			continue
		}
		var within editor
		within.anywhere(t, []byte(text), jsonrpc.Whole([]byte(text)), depth)
		if len(within.cuts) > 0 {
			e.cuts = append(e.cuts, cut{at, quote(within.apply([]byte(text)))})
		}
	}
}

// quote returns text as a JSON string.
func quote(text []byte) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.Encode(string(text))
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// match reports whether name is what pattern stands for: * is any text, all else is itself in upper or lower case.
func match(pattern, name string) bool {
	pattern, name = strings.ToLower(pattern), strings.ToLower(name)
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return name == first
	}
	name, ok := strings.CutPrefix(name, first)
	if !ok {
		return false
	}
	parts := strings.Split(rest, "*")
	last := parts[len(parts)-1]
	for _, part := range parts[:len(parts)-1] {
		if _, name, ok = strings.Cut(name, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(name, last)
}
