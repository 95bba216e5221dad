package era

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// This file hears of changes for the client, by subscriptions/listen (MCP 2026-07-28, "Subscriptions"). What a listen is about can't be changed: another
// takes its place, and the old one ends when the new one has begun.

const (
	// ackTimeout is how long the server may take to say that it has begun.
	ackTimeout = 10 * time.Second

	// firstRetry and lastRetry are how long to wait before listening again, at first and at last.
	firstRetry = 500 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// A listening is what the server has been asked to tell.
type listening struct {
	uris     []string   // of the resources that the client has subscribed to
	current  jsonrpc.ID // the listen that has begun; "" if there is none
	next     jsonrpc.ID // the one that is to take its place; "" if there is none
	waiting  []wish     // what is answered when next has begun
	failures int        // in a row
}

// A wish is a request to be told of a resource, or not any more.
type wish struct {
	id  jsonrpc.ID
	uri string // "" if not any more
}

func (l *listening) begun() bool { return l.current != "" || l.next != "" }

// is reports whether id is that of a listen.
func (l *listening) is(id jsonrpc.ID) bool { return same(id, l.current) || same(id, l.next) }

// same reports whether two ids are the same, and not "".
func same(a, b jsonrpc.ID) bool { return a != "" && a.Key() == b.Key() }

// subscribe takes resources/subscribe or resources/unsubscribe.
func (c *conn) subscribe(m jsonrpc.Message) {
	l := &c.listening
	uri, ok := jsonrpc.Text(jsonrpc.Lookup(m.Raw, "params", "uri"))
	has := slices.Contains(l.uris, uri)
	w := wish{id: m.ID}
	switch {
	case !c.can("resources", "subscribe"):
		c.say(jsonrpc.UnknownMethod(m))
		return
	case !ok || uri == "":
		c.say(jsonrpc.ErrorResponse(m.ID, jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "uri is missing"}))
		return
	case has == (m.Method == string(mcp.MethodResourcesSubscribe)) && l.next == "":
		c.say(jsonrpc.NewResponse(m.ID, []byte(`{}`)))
		return
	case m.Method == string(mcp.MethodResourcesSubscribe):
		w.uri = uri
		if !has {
			l.uris = append(l.uris, uri)
		}
	default:
		l.uris = slices.DeleteFunc(l.uris, func(u string) bool { return u == uri })
	}
	l.waiting = append(l.waiting, w)
	c.listen()
}

// filter returns what the server is to tell, "" if there is nothing.
func (c *conn) filter() string {
	var members []string
	for _, kind := range []string{"tools", "prompts", "resources"} {
		if c.can(kind, "listChanged") {
			members = append(members, `"`+kind+`ListChanged":true`)
		}
	}
	var uris []string
	for _, uri := range c.listening.uris {
		uris = append(uris, jsonrpc.Quote(uri))
	}
	if uris != nil {
		members = append(members, `"resourceSubscriptions":[`+strings.Join(uris, ",")+`]`)
	}
	return strings.Join(members, ",")
}

// listen has the server tell what the client wants to know now.
func (c *conn) listen() {
	l := &c.listening
	c.hangUp(&l.next)
	filter := c.filter()
	if filter == "" || c.closing {
		c.hangUp(&l.current)
		c.grant(nil)
		return
	}
	id := c.newID()
	l.next = id
	m := withMeta(jsonrpc.NewRequest(id, string(mcp.MethodSubscriptionsListen), []byte(`{"notifications":{`+filter+`}}`)), c.meta())
	c.unattended = true // a subscription is no reason to open a browser
	sent := c.server.Send(m)
	c.unattended = false
	if !sent {
		c.deaf(id, remote.Failure(id, "too many requests wait for the server", nil))
		return
	}
	c.after(ackTimeout, func() {
		if l.next == id {
			c.abort(id)
			c.deaf(id, remote.Failure(id, "server does not say that it has begun to tell of changes", nil))
		}
	})
}

// hangUp ends a listen, if there is one.
func (c *conn) hangUp(id *jsonrpc.ID) {
	if *id != "" {
		c.abort(*id)
		*id = ""
	}
}

// deafen ends all listens.
func (c *conn) deafen() {
	c.hangUp(&c.listening.next)
	c.hangUp(&c.listening.current)
	c.grant(nil)
}

// news takes a notification of the server's.
func (c *conn) news(m jsonrpc.Message) {
	l := &c.listening
	switch m.Method {
	case string(mcp.MethodNotificationSubscriptionsAcknowledged):
		if id := jsonrpc.ID(jsonrpc.Lookup(m.Raw, "params", "_meta", mcp.MetaKeySubscriptionID)); same(id, l.next) {
			c.hangUp(&l.current)
			l.current, l.next, l.failures = l.next, "", 0
			c.grant(c.dishonoured(m))
		}
	case string(mcp.MethodNotificationCancelled): // the stream broke
		if id, _ := m.Cancels(); l.is(id) {
			c.deaf(id, remote.Failure(id, "connection to the server was lost", nil))
		}
	default:
		c.say(m)
	}
}

// dishonoured returns the resources that the server won't tell about, and forgets them.
func (c *conn) dishonoured(acknowledged jsonrpc.Message) (uris []string) {
	honoured := map[string]bool{}
	list := span(acknowledged, "params", "notifications", "resourceSubscriptions")
	for at := range jsonrpc.Elements(acknowledged.Raw, list) {
		uri, _ := jsonrpc.Text(acknowledged.Raw[at.Start:at.End])
		honoured[uri] = true
	}
	l := &c.listening
	l.uris = slices.DeleteFunc(l.uris, func(uri string) bool {
		if !honoured[uri] {
			uris = append(uris, uri)
		}
		return !honoured[uri]
	})
	return uris
}

// grant answers the wishes that wait, those for refused resources with an error.
func (c *conn) grant(refused []string) {
	waiting := c.listening.waiting
	c.listening.waiting = nil
	for _, w := range waiting {
		if w.uri != "" && slices.Contains(refused, w.uri) {
			c.say(remote.Failure(w.id, "server does not tell of changes to this resource", nil))
			continue
		}
		c.say(jsonrpc.NewResponse(w.id, []byte(`{}`)))
	}
}

// deaf takes the end of a listen that was not ended here. Answer is the server's, or says what has become of it.
func (c *conn) deaf(id jsonrpc.ID, answer jsonrpc.Message) {
	l := &c.listening
	if same(id, l.current) {
		l.current = ""
	} else {
		l.next = ""
		waiting := l.waiting
		l.waiting = nil
		for _, w := range waiting {
			if w.uri == "" || !answer.Failed {
				c.say(jsonrpc.NewResponse(w.id, []byte(`{}`)))
				continue
			}
			l.uris = slices.DeleteFunc(l.uris, func(uri string) bool { return uri == w.uri })
			c.say(answer.WithID(w.id))
		}
	}
	if l.begun() {
		return
	}
	switch code, _ := strconv.Atoi(string(jsonrpc.Lookup(answer.Raw, "error", "code"))); code {
	case jsonrpc.CodeMethodNotFound, jsonrpc.CodeInvalidParams: // it would say so again
		c.log.Warn("server does not tell of changes", "answer", string(answer.Raw))
		return
	}
	pause := min(lastRetry, firstRetry<<min(l.failures, 10))
	l.failures++
	c.after(pause/2+rand.N(pause/2), func() {
		if !l.begun() {
			c.listen()
		}
	})
}

// after calls f when d has passed, unless c is closed before. c.mu is held, now and then.
func (c *conn) after(d time.Duration, f func()) {
	if c.closing {
		return
	}
	c.tasks.Go(func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.ctx.Done():
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.closing {
			f()
		}
	})
}
