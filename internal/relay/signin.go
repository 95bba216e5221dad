package relay

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// This file is what the client gets while a person must act: the tool sign_in, and words about it. It serves before there is a session
// as well as in one whose sign-in has ended.

// A SignIn is the way to the person. Its functions may be called at any time, and only Open and Look may wait.
type SignIn struct {
	// State reports whether nothing but a person's action can help, and which page waits for them, "" if none does. Changed has a token when that
	// may be different.
	State   func() (page string, needed bool)
	Changed <-chan struct{}

	Caused func(error) bool                // whether it is for want of a person that something has failed
	Open   func(ctx context.Context) error // shows the person the page to sign in, again if need be, and waits until they have
	Look   func(ctx context.Context)       // looks whether they have signed in elsewhere; it is called every second while a person is needed
}

const (
	// askTimeout is how long a call of sign_in waits for the person. Hosts that set a limit for a call set a minute.
	askTimeout = 50 * time.Second

	// lookEvery is how often to look whether somebody has signed in elsewhere.
	lookEvery = time.Second

	// toldTimeout is how long a request waits for the session if the client has been told before it which page waits for the person. It is enough
	// for a look elsewhere; an agent that goes on without calling sign_in is not to lose more by each call.
	toldTimeout = 2 * time.Second
)

// A person is what is known of the one who must act.
type person struct {
	needed bool
	page   string // that waits for them
	told   string // the last page that an answer has named
	toldAt time.Time

	stale   atomic.Bool // the client was told something that the session would not say
	offered atomic.Bool // it has been told of sign_in

	asking   []*ask
	asked    chan error              // outcomes of SignIn.Open
	elicited map[string]*elicitation // by the key of the request's id
	prefix   string                  // of such ids
	ids      int
	lookAt   time.Time // zero while nobody is needed
	looking  bool
	looked   chan struct{}
}

// An elicitation is a request to show the person a page (MCP 2025-11-25, "URL Mode Elicitation Requests").
type elicitation struct {
	id       string // for the client, to be told when it is over
	page     string
	answered bool
	over     bool // the person has signed in, or won't
}

// An ask is a call of sign_in.
type ask struct {
	m     jsonrpc.Message
	until time.Time
	page  string // that the client was told
	steps int    // of its progress
}

// changed returns the channel of s.
func (p *person) changed(s *SignIn) <-chan struct{} {
	if s == nil {
		return nil
	}
	return s.Changed
}

// byPerson reports whether err is for want of a person.
func (r *relay) byPerson(err error) bool { return r.cfg.SignIn != nil && r.cfg.SignIn.Caused(err) }

// personChanged looks whether a person is needed, and does what follows from that.
func (r *relay) personChanged() {
	p := &r.person
	if r.cfg.SignIn == nil {
		return
	}
	p.page, p.needed = r.cfg.SignIn.State()
	if p.needed {
		if p.lookAt.IsZero() {
			p.lookAt = time.Now().Add(lookEvery)
		}
		if r.unanswered() {
			r.greet()
		}
		if r.hand.discover.Raw != nil {
			r.forgoDiscover()
		}
		for _, a := range p.asking {
			r.tell(a)
		}
		return
	}
	p.lookAt = time.Time{}
	for _, e := range p.elicited {
		if !e.over {
			e.over = true
			r.reply(jsonrpc.NewRequest("", "notifications/elicitation/complete", []byte(`{"elicitationId":`+jsonrpc.Quote(e.id)+`}`)))
		}
	}
	if len(p.asking) > 0 {
		r.answerAsking("The user is signed in. The server's tools are there now; ask for the list of tools if they are not shown.", false)
	}
	r.announce()
}

// tellPage notes that an answer names the page.
func (p *person) tellPage() {
	if p.told != p.page {
		p.told, p.toldAt = p.page, time.Now()
	}
}

// tire returns when m, which is held, has waited long enough for the session.
func (r *relay) tire(m waiting) time.Time {
	limit := r.cfg.Remote.HandshakeTimeout
	if p := &r.person; p.needed && p.page != "" && p.page == p.told && !m.since.Before(p.toldAt) {
		limit = min(limit, toldTimeout)
	}
	return m.since.Add(limit)
}

// resume opens the session that could not be opened for want of a person.
func (r *relay) resume() {
	if !r.person.needed && r.failure != nil && r.hand.initialize.Raw != nil && !r.ended {
		r.dial(r.idle())
	}
}

// due returns when expireSignIn has something to do, zero if nothing is in sight.
func (p *person) due() time.Time {
	at := p.lookAt
	if p.looking {
		at = time.Time{}
	}
	if len(p.asking) > 0 && (at.IsZero() || p.asking[0].until.Before(at)) {
		at = p.asking[0].until
	}
	return at
}

func (r *relay) expireSignIn(now time.Time) {
	p := &r.person
	for len(p.asking) > 0 && !now.Before(p.asking[0].until) {
		a := p.asking[0]
		p.asking = p.asking[1:]
		p.tellPage()
		r.answerInBatch(toolResult(a.m, "Nobody has signed in yet. Call sign_in again to go on waiting. "+r.invitation(), false))
	}
	if at := p.lookAt; !at.IsZero() && !p.looking && !now.Before(at) {
		p.lookAt = now.Add(lookEvery)
		if r.cfg.SignIn.Look == nil {
			p.lookAt = time.Time{}
			return
		}
		p.looking = true
		r.tasks.Go(func() {
			r.cfg.SignIn.Look(r.ctx)
			select {
			case p.looked <- struct{}{}:
			case <-r.ctx.Done():
			}
		})
	}
}

// aboutSignIn takes m if it is a call of sign_in, or the answer to a request of ours. It returns false otherwise.
func (r *relay) aboutSignIn(m jsonrpc.Message) bool {
	p := &r.person
	switch {
	case r.cfg.SignIn == nil:
		return false
	case m.Kind == jsonrpc.Response:
		e := p.elicited[m.ID.Key()]
		if e == nil {
			return false
		}
		e.answered = true
		if action, _ := jsonrpc.Text(jsonrpc.Lookup(m.Raw, "result", "action")); action == "decline" {
			e.over = true
			r.answerAsking("The user does not want to sign in now. "+r.invitation(), true)
		}
		return true
	case m.Kind != jsonrpc.Request || m.Method != "tools/call" || !p.needed && !p.offered.Load():
		return false
	}
	if name, _ := jsonrpc.Text(jsonrpc.Lookup(m.Raw, "params", "name")); name != "sign_in" {
		return false
	}
	if p.page, p.needed = r.cfg.SignIn.State(); !p.needed {
		r.answerInBatch(toolResult(m, "The user is signed in already.", false))
		return true
	}
	p.offered.Store(true) // or the client knows of it from before
	a := &ask{m: m, until: time.Now().Add(askTimeout)}
	p.asking = append(p.asking, a)
	r.tell(a)
	r.tasks.Go(func() {
		err := r.cfg.SignIn.Open(r.ctx)
		select {
		case p.asked <- err:
		case <-r.ctx.Done():
		}
	})
	return true
}

// signInEnded takes the outcome of having the person asked.
func (r *relay) signInEnded(err error) {
	r.personChanged()
	r.resume()
	if err != nil && r.person.needed {
		r.answerAsking("Signing in has not worked: "+err.Error()+". Call sign_in to try again.", true)
	}
}

// endSignIn answers the calls of sign_in because nobody waits any more.
func (r *relay) endSignIn() {
	r.answerAsking("Nobody has signed in yet. "+r.invitation(), true)
}

// answerAsking answers all calls of sign_in.
func (r *relay) answerAsking(text string, failed bool) {
	p := &r.person
	for _, a := range p.asking {
		r.answerInBatch(toolResult(a.m, text, failed))
	}
	p.asking = nil
}

// tell tells the client which page waits for the person, by all the ways that it has for that.
func (r *relay) tell(a *ask) {
	p := &r.person
	if p.page == "" || p.page == a.page {
		return
	}
	a.page = p.page
	if token := jsonrpc.Lookup(a.m.Raw, "params", "_meta", "progressToken"); token != nil {
		a.steps++
		text := jsonrpc.Quote("Open this page to sign in: " + p.page)
		r.reply(jsonrpc.NewRequest("", "notifications/progress", fmt.Appendf(nil, `{"progressToken":%s,"progress":%d,"message":%s}`, token, a.steps, text)))
	}
	if jsonrpc.Lookup(r.hand.initialize.Raw, "params", "capabilities", "elicitation", "url") == nil || isModern(a.m) {
		return
	}
	for _, e := range p.elicited {
		if e.page == p.page && !e.answered && !e.over {
			return // is still being shown
		}
	}
	if p.prefix == "" {
		p.prefix = "atlassian-mcp:sign-in:" + rand.Text() + ":" // no id of the server's is like this
	}
	p.ids++
	id := p.prefix + strconv.Itoa(p.ids)
	message := "Sign in to " + r.cfg.Remote.URL.Host + " in your browser."
	params := fmt.Appendf(nil, `{"mode":"url","elicitationId":"%s","url":%s,"message":%s}`, id, jsonrpc.Quote(p.page), jsonrpc.Quote(message))
	request := jsonrpc.NewRequest(jsonrpc.ID(strconv.Quote(id)), "elicitation/create", params)
	p.elicited[request.ID.Key()] = &elicitation{id: id, page: p.page}
	r.reply(request)
}

// invitation says what the person is to do.
func (r *relay) invitation() string { return invitation(r.person.page) }

func invitation(page string) string {
	if page == "" {
		return "The tool sign_in shows the user the page to sign in on."
	}
	return "The user signs in on this page: " + page
}

// instead answers a request that came to nothing in an open session, if that is for want of a person. It is remote.Config's, so it
// must not touch what is loop's.
func (r *relay) instead(m jsonrpc.Message, err error) (jsonrpc.Message, bool) {
	if m.Method == "initialize" || m.Method == "server/discover" || !r.byPerson(err) {
		return jsonrpc.Message{}, false
	}
	page, _ := r.cfg.SignIn.State()
	r.person.stale.Store(true)
	r.person.offered.Store(true)
	answer := withoutPerson(m, page, err)
	r.cfg.Tools.Edit(answer) // so that copy won't: sign_in is none of the tools that it is about
	return answer, true
}

// withoutPerson answers a request that only a person's action would help. err says why, if it is not nil.
func withoutPerson(m jsonrpc.Message, page string, err error) jsonrpc.Message {
	text := "."
	if err != nil && page == "" {
		text = " (" + err.Error() + ")."
	}
	switch m.Method {
	case "tools/list":
		return jsonrpc.NewResponse(m.ID, []byte(tools(m)))
	case "tools/call":
		return toolResult(m, "This tool needs the user to sign in"+text+" Call the tool sign_in, then repeat this call. "+invitation(page), true)
	}
	var data map[string]any
	if page != "" {
		data = map[string]any{"url": page}
	}
	return remote.Failure(m.ID, "the user has to sign in"+text+" "+invitation(page), data)
}

// tools returns the list of tools that there is without a session.
func tools(m jsonrpc.Message) string {
	const tool = `{"name":"sign_in","title":"Sign in","description":"Has the user sign in to the server, whose other tools are there after that. ` +
		`Shows the sign-in page in the user's browser and waits for up to 50 seconds. If it says that nobody has signed in yet, give ` +
		`the user the address that it names and call it again.","inputSchema":{"type":"object","properties":{},"additionalProperties":false},` +
		`"annotations":{"title":"Sign in","readOnlyHint":false,"destructiveHint":false,"idempotentHint":true,"openWorldHint":true}}`
	list := `{"tools":[` + tool + `]`
	if isModern(m) {
		list += `,"resultType":"complete","ttlMs":0,"cacheScope":"private"`
	}
	return list + `}`
}

// toolResult answers a tools/call with a text.
func toolResult(m jsonrpc.Message, text string, failed bool) jsonrpc.Message {
	result := `{"content":[{"type":"text","text":` + jsonrpc.Quote(text) + `}],"isError":` + strconv.FormatBool(failed)
	if isModern(m) {
		result += `,"resultType":"complete"`
	}
	return jsonrpc.NewResponse(m.ID, []byte(result+`}`))
}

// isModern reports whether m is of MCP 2026-07-28 or later, whose every request says so.
func isModern(m jsonrpc.Message) bool {
	return jsonrpc.Lookup(m.Raw, "params", "_meta", "io.modelcontextprotocol/protocolVersion") != nil
}
