package relay

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// This file answers the client while there is no session, and makes up for that when there is one.

const (
	// knownTimeout is how long after the start of the process a server may take for an answer that is known from last time. Codex leaves out
	// servers that take a second.
	knownTimeout = 500 * time.Millisecond

	// unknownTimeout is how long it may take for one that can only be guessed. Cline gives up after three seconds.
	unknownTimeout = 2 * time.Second

	// newestVersion is what we claim to speak to a client that asks for a version we don't know.
	newestVersion = "2025-11-25"
)

var legacyVersions = []string{"2024-11-05", "2025-03-26", "2025-06-18", newestVersion}

// everything is what a server may be able to do.
const everything = `{"tools":{"listChanged":true},"resources":{"listChanged":true},"prompts":{"listChanged":true},"logging":{}}`

// A hand is how far the handshake has come.
type hand struct {
	initialize waiting   // the client's; zero if there is none, or it was refused
	deadline   time.Time // when it is answered here; zero once it is answered
	told       []byte    // the result that it was answered with here; nil if it was not
	discover   waiting   // server/discover, which waits for its answer; zero if none does
	ready      bool      // the client has sent notifications/initialized
	piped      bool      // it has sent requests before it could have the answer to initialize or server/discover, as no host does

	capabilities []byte            // the server's, from its answer to initialize; nil if there is none
	lacking      map[string]string // what the client may ask for because of told, and the server doesn't have: method and result, "" for an error

	memory    Memory
	known     bool // memory has been looked for
	looking   bool // or is being
	recalling bool // and decides what comes next
	recalled  chan Memory
	lessons   []func(*Memory) // learnt before memory was known
	moved     bool            // somebody has signed in since it was last kept
}

// await takes a message that comes while there is no session.
func (r *relay) await(m jsonrpc.Message) {
	_, cancels := m.Cancels()
	switch {
	case m.Kind == jsonrpc.Response || cancels: // no session asks for anything, nor is it to do anything
		r.cfg.Log.Debug("message dropped: there is no session", "kind", m.Kind.String(), "method", m.Method)
	case m.Kind == jsonrpc.Notification && r.hand.initialize.Raw == nil && r.dialing == nil:
		r.cfg.Log.Debug("message dropped: there is no session", "kind", m.Kind.String(), "method", m.Method)
	case m.Method == "ping" && m.Kind == jsonrpc.Request:
		r.answerInBatch(jsonrpc.NewResponse(m.ID, []byte(`{}`)))
	case m.Method == "initialize" && m.Kind == jsonrpc.Request:
		r.begin(m)
	case m.Method == "server/discover" && m.Kind == jsonrpc.Request && r.hand.initialize.Raw == nil && r.hand.discover.Raw == nil && r.dialing == nil:
		r.hand.discover = waiting{m, time.Now()}
		r.hand.recalling = true
		if r.remind() {
			r.recall(r.hand.memory)
		}
	default:
		r.hold(m)
		if m.Kind == jsonrpc.Request {
			r.hand.piped = r.hand.piped || r.premature()
			r.fresh = true
			r.dial(false)
		}
	}
}

// premature reports whether the client can't have the answer to its first message yet.
func (r *relay) premature() bool { return !r.hand.deadline.IsZero() || r.hand.discover.Raw != nil }

// begin takes the client's initialize.
func (r *relay) begin(m jsonrpc.Message) {
	if !r.hand.deadline.IsZero() {
		r.greet() // a client that asks again has given up the first
	}
	r.forgoDiscover()
	if r.dialing != nil && opens(r.dialing.first.Message) {
		r.abandon()
	}
	r.hand.initialize, r.hand.told, r.hand.ready = waiting{m, time.Now()}, nil, false
	r.hand.deadline = r.timeToAnswer(r.hand.initialize, unknownTimeout)
	r.fresh = true
	r.dial(false)
	if r.remind() {
		r.recall(r.hand.memory)
	}
	r.personChanged()
}

// timeToAnswer returns when limit is over for m, which counts from the start of the process for those that come with it.
func (r *relay) timeToAnswer(m waiting, limit time.Duration) time.Time {
	if at := r.cfg.Started.Add(limit); m.since.Before(at) {
		return at
	}
	return m.since.Add(limit)
}

// askedVersion returns the protocol version that the client would like.
func askedVersion(initialize jsonrpc.Message) string {
	version, _ := jsonrpc.Text(jsonrpc.Lookup(initialize.Raw, "params", "protocolVersion"))
	return version
}

// unanswered reports whether the client's initialize is to be answered here if the server doesn't. A client that has begun with something else before
// gets the session that this leads to.
func (r *relay) unanswered() bool {
	return !r.hand.deadline.IsZero() && (r.dialing == nil || opens(r.dialing.first.Message))
}

// greet answers the client's initialize in place of the server.
func (r *relay) greet() {
	first := r.hand.initialize.Message
	version := askedVersion(first)
	r.hand.deadline = time.Time{}
	if r.hand.told = r.hand.memory.Answers[version]; r.hand.told == nil {
		r.hand.told = r.guess(version)
	}
	r.person.stale.Store(true)
	r.answerInBatch(jsonrpc.NewResponse(first.ID, r.hand.told))
}

// guess returns what a server of which nothing is known may answer to initialize.
func (r *relay) guess(version string) []byte {
	if !slices.Contains(legacyVersions, version) {
		version = newestVersion
	}
	capabilities := r.cfg.Capabilities
	if capabilities == nil {
		capabilities = []byte(everything)
	}
	result, err := json.Marshal(map[string]any{
		"protocolVersion": version,
		"capabilities":    json.RawMessage(capabilities),
		"serverInfo":      map[string]string{"name": "atlassian-mcp", "version": cmp.Or(r.cfg.Version, "0")},
		"instructions":    "The server is being reached. If there is a tool sign_in, the user has to sign in first: call it.",
	})
	if err != nil { // Capabilities is no JSON
		panic(err)
	}
	return result
}

// forgoDiscover answers server/discover as servers do that don't know it, which has the client go on to initialize.
func (r *relay) forgoDiscover() {
	r.hand.recalling = false
	m := r.hand.discover
	if m.Raw == nil {
		return
	}
	r.hand.discover = waiting{}
	if r.dialing != nil && r.dialing.first.Method == m.Method {
		r.abandon()
	}
	r.answerInBatch(jsonrpc.UnknownMethod(m.Message))
}

// welcome takes what a server has said until it has answered the client's initialize. It returns what of that is for the client.
func (r *relay) welcome(early []jsonrpc.Message) []jsonrpc.Message {
	first := r.hand.initialize.Message
	r.hand.deadline = time.Time{}
	i := slices.IndexFunc(early, func(m jsonrpc.Message) bool { return m.Kind == jsonrpc.Response && m.ID.Key() == first.ID.Key() })
	if i < 0 {
		return early
	}
	result := bytes.Clone(jsonrpc.Lookup(early[i].Raw, "result"))
	r.hand.capabilities = jsonrpc.Lookup(result, "capabilities")
	if isAnswer(result) {
		r.learn(func(m *Memory) {
			if m.Answers == nil {
				m.Answers = make(map[string]json.RawMessage)
			}
			m.Answers[askedVersion(first)] = result
		})
	}
	if r.hand.told == nil {
		return early
	}
	r.hand.lacking = lacking(jsonrpc.Lookup(r.hand.told, "capabilities"), r.hand.capabilities)
	held := r.held
	r.held, r.bytes = nil, 0
	for _, m := range held {
		if !r.ours(m.Message) {
			r.hold(m.Message)
		}
	}
	return slices.Delete(early, i, i+1)
}

// offers are what a client may ask a server for that has a capability, and what it gets from one that has not after all, "" for an error.
var offers = []struct{ capability, method, result string }{
	{"tools", "tools/list", `{"tools":[]}`},
	{"prompts", "prompts/list", `{"prompts":[]}`},
	{"resources", "resources/list", `{"resources":[]}`},
	{"resources", "resources/templates/list", `{"resourceTemplates":[]}`},
	{"resources", "resources/subscribe", ``},
	{"resources", "resources/unsubscribe", ``},
	{"logging", "logging/setLevel", `{}`},
	{"completions", "completion/complete", ``},
}

// lacking returns the methods that the client may believe in, because of what it was told, and that the server doesn't have.
func lacking(told, has []byte) map[string]string {
	methods := make(map[string]string)
	for _, o := range offers {
		if jsonrpc.Lookup(told, o.capability) != nil && jsonrpc.Lookup(has, o.capability) == nil {
			methods[o.method] = o.result
		}
	}
	return methods
}

// ours answers m if that is not for the server to do. It returns false otherwise.
func (r *relay) ours(m jsonrpc.Message) bool {
	if result, ok := r.hand.lacking[m.Method]; ok && m.Kind == jsonrpc.Request {
		if result == "" {
			r.answerInBatch(jsonrpc.UnknownMethod(m))
		} else {
			r.answerInBatch(jsonrpc.NewResponse(m.ID, []byte(result)))
		}
		return true
	}
	return r.aboutSignIn(m)
}

// announce tells a client that has been told something else that it should ask the session now.
func (r *relay) announce() {
	if r.conn == nil || !r.hand.ready || !r.person.stale.Swap(false) {
		return
	}
	for _, kind := range []string{"tools", "prompts", "resources"} {
		if jsonrpc.Lookup(r.hand.capabilities, kind) != nil {
			r.reply(jsonrpc.NewRequest("", "notifications/"+kind+"/list_changed", nil))
		}
	}
}

// due returns when expire has something to do, zero if nothing is in sight.
func (r *relay) due() (at time.Time) {
	sooner := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	sooner(r.person.due())
	if r.conn != nil {
		return at
	}
	if r.unanswered() {
		sooner(r.hand.deadline)
	}
	if r.hand.discover.Raw != nil {
		sooner(r.timeToAnswer(r.hand.discover, knownTimeout))
	}
	if d := r.dialing; d != nil && !opens(d.first.Message) {
		sooner(r.tire(d.first))
	}
	for _, m := range r.held {
		if m.Kind == jsonrpc.Request {
			sooner(r.tire(m))
		}
	}
	sooner(r.retryAt)
	return at
}

// expire does what it is time for.
func (r *relay) expire(now time.Time) {
	r.expireSignIn(now)
	if r.conn != nil {
		return
	}
	if r.unanswered() && !now.Before(r.hand.deadline) {
		r.greet()
	}
	if m := r.hand.discover; m.Raw != nil && !now.Before(r.timeToAnswer(m, knownTimeout)) {
		r.forgoDiscover()
		r.dial(false)
	}
	late := func(m waiting) bool { return m.Kind == jsonrpc.Request && !now.Before(r.tire(m)) }
	if d := r.dialing; d != nil && !opens(d.first.Message) && late(d.first) {
		r.abandon() // or it might still be carried out
		r.lack(d.first.Message)
		r.dial(false)
	}
	for {
		i := slices.IndexFunc(r.held, late)
		if i < 0 {
			break
		}
		r.lack(r.unhold(i).Message)
	}
	if at := r.retryAt; !at.IsZero() && !now.Before(at) {
		r.retryAt = time.Time{} // also if there is nothing to open a session with any more
		r.dial(r.idle())
	}
	r.leaveOff()
}

// end takes the end of the input. Nothing that takes longer than until last is worth waiting for, and then initialize at least can still be answered.
func (r *relay) end(last time.Time) {
	r.ended, r.retryAt = true, time.Time{}
	r.hand.recalling = false
	if r.unanswered() && last.Before(r.hand.deadline) {
		r.hand.deadline = last
	}
	r.endSignIn()
	if r.leaveOff() || r.conn != nil || r.dialing != nil {
		return
	}
	failed, ok := errors.AsType[*remote.OpenError](r.failure)
	if ok && !r.hand.deadline.IsZero() {
		r.refuse(r.hand.initialize.Message, failed)
		return
	}
	if r.failure == nil {
		r.dial(false)
	}
	if r.dialing == nil {
		r.failHeld()
	}
}

// leaveOff gives up opening a session for a client that has its answer to initialize and will not ask for anything else. It returns false if there
// is no reason to.
func (r *relay) leaveOff() bool {
	d := r.dialing
	if !r.ended || d == nil || d.first.Method != "initialize" || !r.idle() {
		return false
	}
	r.abandon()
	r.failHeld()
	return true
}

// lack answers a request for want of a session.
func (r *relay) lack(m jsonrpc.Message) {
	r.person.stale.Store(true)
	failed, ok := errors.AsType[*remote.OpenError](r.failure)
	switch {
	case m.Method == "server/discover":
		r.answerInBatch(jsonrpc.UnknownMethod(m))
	case r.person.needed && (!ok || r.person.page != "" || r.byPerson(failed)):
		r.person.offered.Store(true)
		r.person.tellPage()
		r.answerInBatch(withoutPerson(m, r.person.page, r.failure))
	case ok:
		r.answerInBatch(failed.AnswerTo(m))
	default:
		r.answerInBatch(remote.Failure(m.ID, fmt.Sprintf("the server has not answered within %v", r.cfg.Remote.HandshakeTimeout), nil))
	}
}
