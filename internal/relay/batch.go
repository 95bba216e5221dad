package relay

import (
	"bytes"
	"slices"
	"sync"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is JSON-RPC 2.0 §6: a client of MCP 2025-03-26 may write an array of messages. The server gets them one by one, and
// the client gets the responses in one array.

// batches are the arrays that are not fully answered. The zero value is empty.
type batches struct {
	mu   sync.Mutex // guards open
	open []*batch
}

// A batch is one array.
type batch struct {
	waiting []string // keys of the ids that are not answered
	answers [][]byte
}

// add takes the members of an array. It returns the answer to those that are no messages, if nothing else is to be waited for.
func (b *batches) add(members []jsonrpc.Message) []jsonrpc.Message {
	one := new(batch)
	for _, m := range members {
		switch m.Kind {
		case jsonrpc.Request:
			one.waiting = append(one.waiting, m.ID.Key())
		case jsonrpc.Invalid, jsonrpc.Batch:
			one.answers = append(one.answers, invalid(m).Raw)
		}
	}
	if len(one.waiting) == 0 {
		if m, ok := one.array(); ok {
			return []jsonrpc.Message{m}
		}
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = append(b.open, one)
	return nil
}

// collect returns what is to be written instead of messages: all that are of no batch, and an array of all the answers to one in place of the last of them.
// It may change messages.
func (b *batches) collect(messages []jsonrpc.Message) []jsonrpc.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.open) == 0 {
		return messages
	}
	out := messages[:0]
	for _, m := range messages {
		var one *batch
		if m.Kind == jsonrpc.Response {
			one = b.remove(m.ID)
		}
		if one != nil {
			one.answers = append(one.answers, m.Raw)
			var ok bool
			if m, ok = b.complete(one); !ok {
				continue
			}
		}
		out = append(out, m)
	}
	return out
}

// cancel takes a request out of its batch, if m cancels one that is in any. It returns the array if that was all it waited for.
func (b *batches) cancel(m jsonrpc.Message) (jsonrpc.Message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.open) == 0 {
		return m, false
	}
	id, ok := m.Cancels()
	if !ok {
		return m, false
	}
	one := b.remove(id)
	if one == nil {
		return m, false
	}
	return b.complete(one)
}

// remove returns the batch that waits for an answer to id, which it then no longer does; nil if there is none. b.mu is held.
func (b *batches) remove(id jsonrpc.ID) *batch {
	for _, one := range b.open {
		if i := slices.Index(one.waiting, id.Key()); i >= 0 {
			one.waiting = slices.Delete(one.waiting, i, i+1)
			return one
		}
	}
	return nil
}

// complete returns the array of a batch that waits for nothing any more. b.mu is held.
func (b *batches) complete(one *batch) (jsonrpc.Message, bool) {
	if len(one.waiting) > 0 {
		return jsonrpc.Message{}, false
	}
	b.open = slices.DeleteFunc(b.open, func(other *batch) bool { return other == one })
	return one.array()
}

// array returns the answers, if there are any.
func (one *batch) array() (jsonrpc.Message, bool) {
	if len(one.answers) == 0 {
		return jsonrpc.Message{}, false
	}
	m, err := jsonrpc.Parse(slices.Concat([]byte("["), bytes.Join(one.answers, []byte(",")), []byte("]")))
	return m, err == nil
}
