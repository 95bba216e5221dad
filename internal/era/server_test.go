package era_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/era"
	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/memnet"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// A server is one of 2026-07-28 that plays its script, by methods. It is reached through memory alone, so that it works in a bubble of
// testing/synctest.
type server struct {
	t      *testing.T
	script script
	net    *memnet.Server

	mu      sync.Mutex // guards the rest
	seen    []string   // bodies, with our ids made short
	headers []http.Header
	listens []chan string // what say writes to, oldest first
	prefix  string        // of our ids
	over    []string      // ids of requests whose answers nobody reads any more
}

type script map[string]reply

// A reply answers one request, the nth of its method.
type reply func(s *server, w http.ResponseWriter, r *http.Request, m jsonrpc.Message, n int)

// found is what the server says of itself, unless the script does.
const found = `{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}},` +
	`"instructions":"Be \u006bind.","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1e400"}}}`

// acknowledged is the first message of every subscription, for all that is asked.
const acknowledged = `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":$FILTER,"_meta":{"io.modelcontextprotocol/subscriptionId":$ID}}}`

func newServer(t *testing.T, script script) *server {
	s := &server{t: t, script: script}
	var stop func()
	s.net, stop = memnet.Serve(s)
	t.Cleanup(stop)
	return s
}

func (s *server) config() remote.Config {
	transport := &http.Transport{DialContext: s.net.Dial}
	s.t.Cleanup(transport.CloseIdleConnections)
	return remote.Config{URL: &url.URL{Scheme: "http", Host: "server.test", Path: "/mcp"}, Do: remote.NewClient(transport).Do}
}

var ourIDs = regexp.MustCompile(`atlassian-mcp:[A-Z2-7]+:`)

// short returns text with our ids made short, and the same at each run.
func short(text string) string { return ourIDs.ReplaceAllString(text, "#") }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // cut off by the client
	}
	m, _ := jsonrpc.Parse(body)
	name := m.Method
	if r.Method != http.MethodPost {
		name = r.Method
	}
	s.mu.Lock()
	s.seen = append(s.seen, short(string(body)))
	n := len(s.bodies(name))
	s.prefix = cmp.Or(ourIDs.FindString(string(body)), s.prefix)
	s.headers = append(s.headers, r.Header)
	s.mu.Unlock()
	reply, ok := s.script[name]
	switch {
	case ok:
	case name == "server/discover":
		reply = result(found)
	case name == "subscriptions/listen":
		reply = listening(acknowledged)
	case m.Kind == jsonrpc.Request:
		reply = result(`{"resultType":"complete"}`)
	default:
		reply = status(http.StatusMethodNotAllowed, "")
	}
	reply(s, w, r, m, n)
}

func result(result string) reply {
	return status(http.StatusOK, `{"jsonrpc":"2.0","id":$ID,"result":`+result+`}`)
}

func failing(code int) reply {
	return status(http.StatusOK, fmt.Sprintf(`{"jsonrpc":"2.0","id":$ID,"error":{"code":%d,"message":"m"}}`, code))
}

// inTurn answers with one reply after the other, and then always with the last.
func inTurn(replies ...reply) reply {
	return func(s *server, w http.ResponseWriter, r *http.Request, m jsonrpc.Message, n int) {
		replies[min(n, len(replies))-1](s, w, r, m, n)
	}
}

// status answers with a status and a text, in which $ID stands for the id of the request.
func status(code int, text string) reply {
	return func(_ *server, w http.ResponseWriter, _ *http.Request, m jsonrpc.Message, _ int) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		io.WriteString(w, strings.ReplaceAll(text, "$ID", string(m.ID)))
	}
}

// events answers with a stream of messages.
func events(messages ...string) reply {
	return func(_ *server, w http.ResponseWriter, _ *http.Request, m jsonrpc.Message, _ int) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, message := range messages {
			io.WriteString(w, "data: "+strings.ReplaceAll(message, "$ID", string(m.ID))+"\n\n")
		}
	}
}

// hang answers nothing until nobody waits any more.
func hang(s *server, _ http.ResponseWriter, r *http.Request, m jsonrpc.Message, _ int) {
	<-r.Context().Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = append(s.over, short(string(m.ID)))
}

func broken(*server, http.ResponseWriter, *http.Request, jsonrpc.Message, int) {
	panic(http.ErrAbortHandler)
}

// listening opens a stream that begins with a message and goes on with what say says.
func listening(first string) reply {
	return func(s *server, w http.ResponseWriter, r *http.Request, m jsonrpc.Message, n int) {
		said := make(chan string)
		s.mu.Lock()
		s.listens = append(s.listens, said)
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.listens = slices.DeleteFunc(s.listens, func(c chan string) bool { return c == said })
		}()
		w.Header().Set("Content-Type", "text/event-stream")
		filter := string(jsonrpc.Lookup(m.Raw, "params", "notifications"))
		for text := first; ; {
			if text == "break" {
				panic(http.ErrAbortHandler)
			}
			if text != "" {
				io.WriteString(w, "data: "+strings.NewReplacer("$ID", string(m.ID), "$FILTER", filter).Replace(text)+"\n\n")
			}
			w.(http.Flusher).Flush()
			select {
			case text = <-said:
			case <-r.Context().Done():
				hang(s, w, r, m, n)
				return
			}
		}
	}
}

// say has the newest stream of listening say something.
func (s *server) say(text string) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	n := len(s.listens)
	if n == 0 {
		s.mu.Unlock()
		s.t.Fatal("no stream is open")
	}
	said := s.listens[n-1]
	s.mu.Unlock()
	said <- text
}

// bodies returns what came of a method, of all if that is "". s.mu is held.
func (s *server) bodies(method string) []string {
	return slices.DeleteFunc(slices.Clone(s.seen), func(body string) bool {
		return method != "" && !strings.Contains(body, `"method":"`+method+`"`)
	})
}

// wantSeen fails the test if the server has not seen just these messages of a method, as they are, or of all if that is "".
func (s *server) wantSeen(method string, want ...string) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := s.bodies(method); !slices.Equal(got, want) {
		s.t.Errorf("server saw\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// count returns how often the server has seen a method.
func (s *server) count(method string) int {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bodies(method))
}

// wantOver fails the test if the requests that nobody waits for any more are others.
func (s *server) wantOver(ids ...string) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.over, ids) {
		s.t.Errorf("given up at the server: %q, want %q", s.over, ids)
	}
}

// A client is one of 2025-11-25.
type client struct {
	t      *testing.T
	conn   remote.Conn
	prefix string // of our ids
	lines  chan string
	done   chan struct{} // closed when Receive has returned err
	err    error
}

const (
	initialize  = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{"listChanged":true},"tasks":{"list":{}}},"clientInfo":{"name":"ide","version":"1"}}}`
	initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	meta        = `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"ide","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}}`
	welcomed    = `{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}},"serverInfo":{"name":"s","version":"1e400"},"instructions":"Be \u006bind."}}`
)

// dial opens a session.
func dial(t *testing.T, cfg remote.Config, first string) *client {
	t.Helper()
	conn, err := era.Dial(t.Context(), cfg, parse(t, first))
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, conn: conn, lines: make(chan string, 1000), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		for {
			messages, err := conn.Receive(context.WithoutCancel(t.Context()))
			if err != nil {
				c.err = err
				return
			}
			for _, m := range messages {
				c.lines <- short(string(m.Raw))
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-c.done
	})
	return c
}

// connect opens a session with initialize and takes the answer.
func connect(t *testing.T, s *server) *client {
	t.Helper()
	c := dial(t, s.config(), initialize)
	c.want(welcomed)
	c.prefix = s.prefix
	return c
}

func (c *client) send(lines ...string) {
	c.t.Helper()
	for _, line := range lines {
		if !c.conn.Send(parse(c.t, line)) {
			c.t.Fatalf("no room for %s", line)
		}
		synctest.Wait()
	}
}

// want fails the test if the next lines are others, or there are more.
func (c *client) want(lines ...string) {
	c.t.Helper()
	synctest.Wait()
	var got []string
	for len(c.lines) > 0 {
		got = append(got, <-c.lines)
	}
	if !slices.Equal(got, lines) {
		c.t.Errorf("client got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// wantError fails the test if the next line is not an error response with a code and a text, or there are more.
func (c *client) wantError(id string, code int, text string) {
	c.t.Helper()
	synctest.Wait()
	if len(c.lines) != 1 {
		c.t.Fatalf("client got %d lines, want an error", len(c.lines))
	}
	line := <-c.lines
	if begin := fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":%d,`, id, code); !strings.HasPrefix(line, begin) || !strings.Contains(line, text) {
		c.t.Errorf("client got\n\t%s\nwant\n\t%s… with %q", line, begin, text)
	}
}

// end ends the session as the end of the input does.
func (c *client) end() {
	c.t.Helper()
	c.conn.CloseSend()
	select {
	case <-c.done:
	case <-time.After(time.Hour):
		c.t.Fatal("session does not end")
	}
	if !errors.Is(c.err, io.EOF) {
		c.t.Errorf("session ended with %v", c.err)
	}
}

func parse(t *testing.T, raw string) jsonrpc.Message {
	t.Helper()
	m, err := jsonrpc.Parse([]byte(raw))
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return m
}

// bubble runs a test in a bubble of testing/synctest.
func bubble(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}
