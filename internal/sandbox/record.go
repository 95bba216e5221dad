package sandbox

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

// This file remembers what was done: the last calls one by one, and everything by numbers.

// maxCalls is how many calls are remembered, and as many of what the issuer does; maxKeys is how many different names are counted of a
// kind, maxKey how many bytes of each, and maxArguments how many of a call's arguments are named.
const (
	maxCalls     = 500
	maxKeys      = 10_000
	maxKey       = 200
	maxArguments = 100
)

// brief returns the beginning of what a client says, which is all that is remembered of it.
func brief(text string) string {
	if len(text) <= maxKey {
		return text
	}
	return strings.ToValidUTF8(strings.Clone(text[:maxKey]), "") // the rest must not be kept with it
}

// A Call is a tool call that was let in.
type Call struct {
	Number    int           `json:"number"` // from 1
	Time      time.Time     `json:"time"`
	Person    string        `json:"person"`
	Account   string        `json:"account"`
	Client    string        `json:"client"`   // name and version that the program gives itself in MCP
	SignedIn  string        `json:"signedIn"` // name that it has registered with, or the one of an API token
	Via       string        `json:"via,omitempty"`
	Endpoint  string        `json:"endpoint"`
	IP        string        `json:"ip"`
	Tool      string        `json:"tool"`
	Inner     string        `json:"inner,omitempty"` // what one of v2's execute tools ran
	Product   string        `json:"product,omitempty"`
	Site      string        `json:"site,omitempty"` // host name of the site that cloudId means
	Arguments []string      `json:"arguments"`      // their names, sorted
	Size      int           `json:"size"`           // of the answer's text, in bytes
	Status    string        `json:"status"`         // ok, error, invalid (arguments), refused (by a fault), cancelled, or the HTTP status that it met
	Duration  time.Duration `json:"duration"`       // in nanoseconds
	ID        string        `json:"id"`             // of the JSON-RPC request, as JSON
	Session   string        `json:"session"`        // the beginning of its ID; "" for 2026-07-28
	Trace     string        `json:"trace"`          // Atl-Traceid
}

// Counts are how often things have happened since the server was started.
type Counts struct {
	HTTP     map[string]int `json:"http"`     // answers by method, path and status: "POST /v1/mcp 200"
	Messages map[string]int `json:"messages"` // received, by JSON-RPC method; "" are responses
	Tools    map[string]int `json:"tools"`    // calls carried out, by name of the tool
	Executed map[string]int `json:"executed"` // calls carried out, by JSON text of the request's ID
	Marked   map[string]int `json:"marked"`   // calls carried out, by the string at "sandbox/mark" in _meta of the request
	Clients  map[string]int `json:"clients"`  // initialize, by the name that the client gives itself
	Calls    int            `json:"calls"`    // tool calls let in, carried out or not
	Opened   int            `json:"opened"`   // sessions
	Open     int            `json:"open"`     // of those, now
	Streams  int            `json:"streams"`  // opened by GET or subscriptions/listen
	Hearing  int            `json:"hearing"`  // of those, open now
	Refused  int            `json:"refused"`  // requests answered with 401 or 403
	Issuer   issuer.Counts  `json:"issuer"`
}

// A record is what has happened. The zero value is empty.
type record struct {
	mu     sync.Mutex     // guards the rest
	calls  []Call         // the last maxCalls
	events []issuer.Event // the last maxCalls
	counts Counts

	actions   []Action        // the last maxActions
	acted     int             // actions that there have been
	installed map[string]bool // sites that an OAuth client has been let see
}

// count adds one to m[key], unless m has too many keys already.
func count(m *map[string]int, key string) {
	if *m == nil {
		*m = map[string]int{}
	}
	key = brief(key)
	if _, ok := (*m)[key]; ok || len(*m) < maxKeys {
		(*m)[key]++
	}
}

func (r *record) http(method, path string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	count(&r.counts.HTTP, method+" "+path+" "+strconv.Itoa(status))
	if status == 401 || status == 403 {
		r.counts.Refused++
	}
}

func (r *record) message(method string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	count(&r.counts.Messages, method)
}

func (r *record) client(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	count(&r.counts.Clients, name)
}

func (r *record) executed(tool, id, mark string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	count(&r.counts.Tools, tool)
	count(&r.counts.Executed, id)
	if mark != "" {
		count(&r.counts.Marked, mark)
	}
}

func (r *record) call(c Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Calls++
	c.Number = r.counts.Calls
	r.calls = appendLast(r.calls, c, maxCalls)
	r.addAction(c.action())
}

func (r *record) event(e issuer.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = appendLast(r.events, e, maxCalls)
}

// appendLast appends v to list, whose first element makes room for it if there are n.
func appendLast[T any](list []T, v T, n int) []T {
	if len(list) == n {
		list = list[1:] // append moves the rest, once in a while
	}
	return append(list, v)
}

func (r *record) opened() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Opened++
}

// streamed notes that a stream was opened (1) or has ended (-1).
func (r *record) streamed(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Hearing += n
	r.counts.Streams += max(n, 0)
}

// Calls returns the last tool calls, newest first.
func (s *Server) Calls() []Call {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	calls := slices.Clone(s.record.calls)
	slices.Reverse(calls)
	return calls
}

// Events returns what the issuer did last, newest first.
func (s *Server) Events() []issuer.Event {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	events := slices.Clone(s.record.events)
	slices.Reverse(events)
	return events
}

// Counts returns what has been counted.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	open := len(s.sessions)
	s.mu.Unlock()
	s.record.mu.Lock()
	c := s.record.counts
	for _, m := range []*map[string]int{&c.HTTP, &c.Messages, &c.Tools, &c.Executed, &c.Marked, &c.Clients} {
		*m = maps.Clone(*m)
	}
	s.record.mu.Unlock()
	c.Open = open
	c.Issuer = s.issuer.Counts()
	return c
}
