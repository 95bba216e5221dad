package relay_test

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/memnet"
	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// A server plays the remote side by its script, and keeps what it was sent. It is reached through memory alone, so that it works in a
// bubble of testing/synctest.
type server struct {
	t      *testing.T
	script script
	net    *memnet.Server

	mu      sync.Mutex // guards the rest
	seen    []request
	counts  map[string]int // by path and name
	streams []*openStream  // of listening, oldest first
	opened  int            // of these, in all
	changed chan struct{}  // closed when one of these has changed
}

// A script says what a request gets, by its name and, if there is one, by its path and name: "/sse GET". What it doesn't name gets an
// answer that suits it, see (*server).reply.
type script map[string]reply

// A reply answers one request.
type reply func(s *server, w http.ResponseWriter, r request)

// A request is one that the server has seen.
type request struct {
	*http.Request
	name string          // "GET", "DELETE", or of a POST the method of its message, "response" or "batch"
	body string          //
	m    jsonrpc.Message // what body is, if it is JSON
	n    int             // how many of this path and name there have been, with this one
}

// newServer returns a server that is there until the end of the test.
func newServer(t *testing.T, script script) *server {
	s := &server{t: t, script: script, counts: make(map[string]int), changed: make(chan struct{})}
	var stop func()
	s.net, stop = memnet.Serve(s)
	t.Cleanup(stop)
	return s
}

// config returns what relays to s.
func (s *server) config() relay.Config {
	transport := &http.Transport{DialContext: s.net.Dial}
	s.t.Cleanup(transport.CloseIdleConnections)
	return relay.Config{Remote: remote.Config{
		URL:       &url.URL{Scheme: "http", Host: "server.test", Path: "/mcp"},
		Do:        remote.NewClient(transport).Do,
		UserAgent: "atlassian-mcp/1",
	}}
}

// unhurried returns what relays to s for a host that waits for the server as long as it takes, and takes any failure for final: initialize gets what
// the server says, or what has become of it.
func (s *server) unhurried() relay.Config {
	cfg := s.config()
	cfg.Started = time.Now().Add(24 * time.Hour)
	cfg.Transient = func(error) bool { return false }
	return cfg
}

func (s *server) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	body, err := io.ReadAll(hr.Body)
	if err != nil {
		return // cut off by the client
	}
	r := request{Request: hr, name: hr.Method, body: string(body)}
	if hr.Method == http.MethodPost {
		r.m, _ = jsonrpc.Parse(body)
		if r.name = r.m.Method; r.name == "" {
			r.name = r.m.Kind.String()
		}
	}
	s.mu.Lock()
	s.counts[r.URL.Path+" "+r.name]++
	r.n = s.counts[r.URL.Path+" "+r.name]
	s.seen = append(s.seen, r)
	s.change()
	s.mu.Unlock()
	s.reply(r)(s, w, r)
}

// reply returns what r gets.
func (s *server) reply(r request) reply {
	for _, key := range []string{r.URL.Path + " " + r.name, r.URL.Path, r.name} {
		if reply, ok := s.script[key]; ok {
			return reply
		}
	}
	switch {
	case r.Method == http.MethodGet:
		return status(http.StatusMethodNotAllowed, "")
	case r.Method == http.MethodDelete:
		return status(http.StatusOK, "")
	case r.name == "initialize":
		return session("s1")
	case r.m.Kind == jsonrpc.Request:
		return answer(`{}`)
	}
	return accepted
}

// requests returns what came with one of names, in the order in which it came; everything if there are no names.
func (s *server) requests(names ...string) []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.seen), func(r request) bool { return len(names) > 0 && !slices.Contains(names, r.name) })
}

// names returns the names of what came.
func (s *server) names() []string {
	var names []string
	for _, r := range s.requests() {
		names = append(names, r.name)
	}
	return names
}

// wantRequests fails the test if what came so far is anything but names, in this order.
func (s *server) wantRequests(names ...string) {
	s.t.Helper()
	if got := s.names(); !slices.Equal(got, names) {
		s.t.Errorf("server saw %q, want %q", got, names)
	}
}

// count fails the test if there have not been n requests of this name.
func (s *server) count(name string, n int) {
	s.t.Helper()
	if got := len(s.requests(name)); got != n {
		s.t.Errorf("server saw %d × %s, want %d: %q", got, name, n, s.names())
	}
}

// change tells those who await something. s.mu is held.
func (s *server) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// await waits until so many requests of a name have come, or, of the name "stream", have led to a stream of listening.
func (s *server) await(name string, n int) {
	s.t.Helper()
	late := time.After(patience)
	for {
		s.mu.Lock()
		changed, got := s.changed, s.opened
		if name != "stream" {
			got = 0
			for _, r := range s.seen {
				if r.name == name {
					got++
				}
			}
		}
		s.mu.Unlock()
		if got >= n {
			return
		}
		select {
		case <-changed:
		case <-late:
			s.t.Fatalf("server never saw %d × %s: %q", n, name, s.names())
		}
	}
}

// say writes events on the newest stream of listening.
func (s *server) say(events string) {
	s.t.Helper()
	s.mu.Lock()
	if len(s.streams) == 0 {
		s.mu.Unlock()
		s.t.Fatal("no stream is open")
	}
	stream := s.streams[len(s.streams)-1]
	s.mu.Unlock()
	select {
	case stream.said <- events:
	case <-stream.gone:
	}
}

// An openStream is one that say can write on.
type openStream struct {
	said chan string
	gone <-chan struct{} // closed when nobody reads it any more
}

// message writes a message on the newest stream of listening.
func (s *server) message(m string) { s.t.Helper(); s.say("data: " + m + "\n\n") }

// hangUp ends the newest stream of listening.
func (s *server) hangUp() { s.t.Helper(); s.say("") }

// listening opens a stream that begins with events and goes on with what say says.
func listening(events string) reply {
	return func(s *server, w http.ResponseWriter, r request) {
		open := &openStream{make(chan string), r.Context().Done()}
		s.mu.Lock()
		s.streams = append(s.streams, open)
		s.opened++
		s.change()
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.streams = slices.DeleteFunc(s.streams, func(other *openStream) bool { return other == open })
		}()
		stream(w, r, events)
		for {
			select {
			case events := <-open.said:
				switch events {
				case "":
					return
				case "break":
					panic(http.ErrAbortHandler)
				}
				stream(w, r, events)
			case <-open.gone:
				return
			}
		}
	}
}

// stream writes events at once. $ID stands for the id of r's message.
func stream(w http.ResponseWriter, r request, events string) {
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, strings.ReplaceAll(events, "$ID", string(r.m.ID)))
	w.(http.Flusher).Flush()
}

// events answers with a whole stream.
func events(text string) reply {
	return func(_ *server, w http.ResponseWriter, r request) { stream(w, r, text) }
}

// cut answers with a stream that breaks.
func cut(text string) reply {
	return func(_ *server, w http.ResponseWriter, r request) {
		stream(w, r, text)
		panic(http.ErrAbortHandler)
	}
}

// broken breaks the connection instead of an answer.
func broken(*server, http.ResponseWriter, request) { panic(http.ErrAbortHandler) }

// hang answers when the client has gone.
func hang(_ *server, _ http.ResponseWriter, r request) { <-r.Context().Done() }

// status answers with a status, a text, and the headers that pairs of strings are.
func status(code int, text string, headers ...string) reply {
	return func(_ *server, w http.ResponseWriter, r request) {
		for pair := range slices.Chunk(headers, 2) {
			w.Header().Set(pair[0], pair[1])
		}
		w.WriteHeader(code)
		io.WriteString(w, strings.ReplaceAll(text, "$ID", string(r.m.ID)))
	}
}

func accepted(s *server, w http.ResponseWriter, r request) { w.WriteHeader(http.StatusAccepted) }

// body answers with JSON. $ID stands for the id of the request.
func body(text string, headers ...string) reply {
	return status(http.StatusOK, text, append(headers, "Content-Type", "application/json")...)
}

// answer answers with a result.
func answer(result string) reply { return body(`{"jsonrpc":"2.0","id":$ID,"result":` + result + `}`) }

// session answers initialize with a session.
func session(id string) reply {
	return body(`{"jsonrpc":"2.0","id":$ID,"result":`+welcome+`}`, "Mcp-Session-Id", id)
}

// inTurn answers with one reply after the other, and then always with the last.
func inTurn(replies ...reply) reply {
	return func(s *server, w http.ResponseWriter, r request) { replies[min(r.n, len(replies))-1](s, w, r) }
}

// after answers when ready is closed.
func after(ready <-chan struct{}, then reply) reply {
	return func(s *server, w http.ResponseWriter, r request) {
		select {
		case <-ready:
			then(s, w, r)
		case <-r.Context().Done():
		}
	}
}

// unlessSession refuses requests of any other session than current's with 404.
func unlessSession(current func() string, then reply) reply {
	return func(s *server, w http.ResponseWriter, r request) {
		if r.Header.Get("Mcp-Session-Id") != current() {
			status(http.StatusNotFound, `{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}`)(s, w, r)
			return
		}
		then(s, w, r)
	}
}

// breakOff breaks the newest stream of listening.
func (s *server) breakOff() { s.t.Helper(); s.say("break") }
