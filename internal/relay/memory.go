package relay

import (
	"bytes"
	"encoding/json"
	"maps"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// A Memory is what a server has said before, of which it will most likely say the same again.
type Memory struct {
	Legacy  bool                       `json:"legacy"`  // it didn't know server/discover, as no server does before MCP 2026-07-28
	Answers map[string]json.RawMessage `json:"answers"` // to initialize, by the protocol version that was asked for
}

// remind has the memory looked for, side by side with what is going on. It returns true if that has been done.
func (r *relay) remind() bool {
	switch {
	case r.cfg.Recall == nil:
		r.hand.known = true
	case !r.hand.looking:
		r.hand.looking = true
		r.tasks.Go(func() {
			m := r.cfg.Recall(r.ctx)
			select {
			case r.hand.recalled <- m:
			case <-r.ctx.Done():
			}
		})
	}
	return r.hand.known
}

// recall takes what was remembered.
func (r *relay) recall(m Memory) {
	if !r.hand.known {
		r.hand.known, r.hand.memory = true, m
		for _, lesson := range r.hand.lessons {
			r.learn(lesson)
		}
	}
	if r.hand.recalling {
		r.hand.recalling = false
		if m.Legacy {
			r.forgoDiscover()
		}
		r.dial(false)
	}
	if first := r.hand.initialize; !r.hand.deadline.IsZero() && r.hand.memory.Answers[askedVersion(first.Message)] != nil {
		r.hand.deadline = r.timeToAnswer(first, knownTimeout)
	}
}

// learn changes the memory.
func (r *relay) learn(lesson func(*Memory)) {
	if !r.hand.known {
		r.hand.lessons = append(r.hand.lessons, lesson)
		return
	}
	m := Memory{r.hand.memory.Legacy, maps.Clone(r.hand.memory.Answers)}
	lesson(&m)
	if m.Legacy == r.hand.memory.Legacy && maps.EqualFunc(m.Answers, r.hand.memory.Answers, sameJSON) && !r.hand.moved {
		return
	}
	r.hand.memory, r.hand.moved = m, false
	if r.cfg.Remember != nil {
		r.tasks.Go(func() { r.cfg.Remember(m) })
	}
}

// move has the memory kept anew because somebody has signed in, whom it is remembered for. What it says is true of the session that is open; if there
// is none, it waits for what the next is begun with.
func (r *relay) move() {
	if _, needed := r.cfg.SignIn.State(); needed {
		return
	}
	r.hand.moved = true
	if r.conn != nil && r.hand.capabilities != nil {
		r.learn(func(*Memory) {})
	}
}

// isAnswer reports whether result, that of initialize, has what every client expects, so that it can be said in the server's place.
func isAnswer(result []byte) bool {
	_, ok := jsonrpc.Text(jsonrpc.Lookup(result, "protocolVersion"))
	return ok && bytes.HasPrefix(jsonrpc.Lookup(result, "capabilities"), []byte("{"))
}

// sameJSON reports whether a and b are the same but for white space.
func sameJSON(a, b json.RawMessage) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}
