package remote

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/memnet"
)

// A sleeper is a conn on a computer that can be put to sleep, with a server that is reached through memory alone.
type sleeper struct {
	t      *testing.T
	conn   Conn
	asleep atomic.Int64  // by how much the wall clock is ahead
	finish chan struct{} // closed to have "slow" answered
	net    *memnet.Server
	said   chan string // on the newest stream
	got    chan jsonrpc.Message

	mu    sync.Mutex // guards the rest
	dials int
	seen  []*http.Request
	count map[string]int // by method of HTTP or of the message
}

func (s *sleeper) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	s.mu.Lock()
	s.dials++
	s.mu.Unlock()
	return s.net.Dial(ctx, network, addr)
}

func (s *sleeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	m, _ := jsonrpc.Parse(raw)
	s.mu.Lock()
	s.seen = append(s.seen, r)
	s.count[r.Method+m.Method]++
	n := s.count[r.Method+m.Method]
	s.mu.Unlock()
	sse := r.URL.Path != "/mcp"
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "text/event-stream")
		said := make(chan string, 100)
		s.mu.Lock()
		s.said = said // not to be taken by an older stream, of whose end the server hasn't heard yet
		s.mu.Unlock()
		fmt.Fprintf(w, "event: endpoint\nid: %d\ndata: /post\n\n", n)
		w.(http.Flusher).Flush()
		for {
			select {
			case text := <-said:
				fmt.Fprintf(w, "data: %s\n\n", text)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}
	if m.Kind != jsonrpc.Request {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	answer := string(jsonrpc.NewResponse(m.ID, []byte(`{"protocolVersion":"2025-06-18"}`)).Raw)
	if sse {
		w.WriteHeader(http.StatusAccepted)
		go func() {
			if m.Method == "slow" {
				<-s.finish
			}
			s.say(answer)
		}()
		return
	}
	if m.Method == "slow" {
		select {
		case <-s.finish:
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Mcp-Session-Id", "s1")
	io.WriteString(w, answer)
}

// startSleeper opens a session. It must be ended by end.
func startSleeper(t *testing.T, transport Transport, with ...func(*Config)) *sleeper {
	s := &sleeper{t: t, finish: make(chan struct{}), got: make(chan jsonrpc.Message, 100), count: make(map[string]int)}
	var stop func()
	s.net, stop = memnet.Serve(s)
	pool := NewPool(&http.Transport{DialContext: s.dial})
	cfg := Config{
		URL:       &url.URL{Scheme: "http", Host: "server.test", Path: "/mcp"},
		Transport: transport,
		Do:        NewClient(pool).Do,
		Fresh:     pool.Fresh,
		wall:      func() time.Time { return time.Now().Add(time.Duration(s.asleep.Load())) },
	}
	for _, f := range with {
		f(&cfg)
	}
	conn, err := Dial(t.Context(), cfg, jsonrpc.NewRequest("0", "initialize", []byte(`{}`)))
	if err != nil {
		t.Fatal(err)
	}
	s.conn = conn
	received := make(chan struct{})
	go func() {
		defer close(received)
		for {
			messages, err := conn.Receive(t.Context())
			if err != nil {
				return
			}
			for _, m := range messages {
				s.got <- m
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-received
		pool.CloseIdleConnections()
		stop()
	})
	s.send("", "notifications/initialized")
	synctest.Wait()
	<-s.got
	return s
}

// say sends text on the newest stream.
func (s *sleeper) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said <- text
}

func (s *sleeper) send(id jsonrpc.ID, method string) {
	s.conn.Send(jsonrpc.NewRequest(id, method, []byte(`{}`)))
}

// want fails the test if the next message is not the answer to id.
func (s *sleeper) want(id jsonrpc.ID) {
	s.t.Helper()
	if m := <-s.got; m.ID != id || m.Failed {
		s.t.Errorf("got %s, want the answer to %s", m.Raw, id)
	}
}

// saw returns how many requests of a name the server has seen, and how many connections.
func (s *sleeper) saw(name string) (requests, dials int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[name], s.dials
}

// TestAwake has the computer sleep while a call is under way.
func TestAwake(t *testing.T) {
	for _, test := range []struct {
		name      string
		transport Transport
		busy      bool
		streams   int // opened in all
	}{
		{"http", HTTPOnly, false, 2},
		{"http, busy", HTTPOnly, true, 2}, // on another stream
		{"sse", SSEOnly, false, 2},
		{"sse, busy", SSEOnly, true, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startSleeper(t, test.transport)
				if test.busy {
					s.send("1", "slow")
				}
				s.send("2", "ping")
				s.want("2")
				time.Sleep(50 * time.Second)
				synctest.Wait()
				if n, _ := s.saw("GET"); n != 1 {
					t.Errorf("%d streams before the sleep", n)
				}
				_, dials := s.saw("")
				s.asleep.Add(int64(time.Hour))
				time.Sleep(clockInterval + time.Second)
				synctest.Wait()
				if n, _ := s.saw("GET"); n != test.streams {
					t.Errorf("%d streams after the sleep, want %d", n, test.streams)
				}
				s.send("3", "ping")
				s.want("3")
				if _, n := s.saw(""); n == dials {
					t.Error("no new connection after the sleep")
				}
				close(s.finish)
				if test.busy {
					s.want("1")
				}
				s.say(string(jsonrpc.NewRequest("", "n", []byte(`{}`)).Raw))
				if m := <-s.got; m.Method != "n" {
					t.Errorf("got %s", m.Raw)
				}
				last := s.seen[len(s.seen)-1]
				for _, r := range s.seen {
					if r.Method == http.MethodGet {
						last = r
					}
				}
				if got := last.Header.Get("Last-Event-ID"); test.streams == 2 && got != "1" {
					t.Errorf("resumed after %q", got)
				}
			})
		})
	}
}

// TestAwakeAtOnce has a request be the first to notice: it goes over a new connection already.
func TestAwakeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startSleeper(t, HTTPOnly)
		s.send("1", "ping")
		s.want("1")
		_, before := s.saw("")
		s.asleep.Add(int64(time.Minute))
		s.send("2", "ping")
		s.want("2")
		synctest.Wait()
		_, after := s.saw("")
		if after == before {
			t.Errorf("%d connections before and after", before)
		}
		// A clock that is set back, or a little forward, is no sleep.
		s.asleep.Add(-int64(time.Hour))
		s.send("3", "ping")
		s.want("3")
		s.asleep.Add(int64(10 * time.Second))
		s.send("4", "ping")
		s.want("4")
		if _, last := s.saw(""); last != after {
			t.Errorf("%d connections, then %d", after, last)
		}
	})
}

// TestPoolHTTP2 has a stream keep a connection of HTTP/2 from being idle: what comes after Fresh goes over another, and the stream goes on.
func TestPoolHTTP2(t *testing.T) {
	say := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Proto+" "+r.RemoteAddr+"\n")
		w.(http.Flusher).Flush()
		if r.URL.Path == "/stream" {
			<-say
			io.WriteString(w, "there")
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	transport := server.Client().Transport.(*http.Transport)
	transport.ForceAttemptHTTP2 = true
	pool := NewPool(transport)
	defer pool.CloseIdleConnections()
	get := func(path string) (first string, rest io.ReadCloser) {
		resp, err := NewClient(pool).Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 200)
		n, _ := resp.Body.Read(line)
		return string(line[:n]), resp.Body
	}
	stream, rest := get("/stream")
	defer rest.Close()
	same, body := get("/")
	body.Close()
	pool.Fresh()
	other, body := get("/")
	body.Close()
	if stream != same || stream == other || other[:8] != "HTTP/2.0" {
		t.Errorf("requests came from %q, %q and %q", stream, same, other)
	}
	close(say)
	if text, err := io.ReadAll(rest); string(text) != "there" || err != nil {
		t.Errorf("stream went on with %q, %v", text, err)
	}
}
