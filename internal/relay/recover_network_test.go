package relay_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// A gate is a load balancer in front of a real listener, which can do to connections what networks do.
type gate struct {
	t        *testing.T
	listener net.Listener
	to       string
	tasks    sync.WaitGroup

	mu    sync.Mutex // guards the rest
	conns map[*gateConn]bool
}

type gateConn struct {
	client, server net.Conn
	deaf           atomic.Bool // drops everything, and says nothing of it
}

func newGate(t *testing.T, to string) *gate {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{t: t, listener: listener, to: to, conns: make(map[*gateConn]bool)}
	g.tasks.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", g.to)
			if err != nil {
				client.Close()
				continue
			}
			c := &gateConn{client: client, server: server}
			g.mu.Lock()
			g.conns[c] = true
			g.mu.Unlock()
			g.tasks.Go(func() { c.copy(client, server) })
			g.tasks.Go(func() { c.copy(server, client) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		g.each(func(c *gateConn) { c.close() })
		g.tasks.Wait()
	})
	return g
}

func (c *gateConn) close() {
	c.client.Close()
	c.server.Close()
}

func (c *gateConn) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if c.deaf.Load() {
			n = 0
		}
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			if !c.deaf.Load() {
				c.close()
			}
			return
		}
	}
}

// each does f to every connection there has been.
func (g *gate) each(f func(*gateConn)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		f(c)
	}
}

// reset breaks all connections with RST.
func (g *gate) reset() {
	g.each(func(c *gateConn) {
		c.client.(*net.TCPConn).SetLinger(0)
		c.close()
	})
}

// deafen makes all present connections half-open.
func (g *gate) deafen() { g.each(func(c *gateConn) { c.deaf.Store(true) }) }

// throughGate runs a relay to s, over HTTP/2 or HTTP/1.1, behind a gate. An HTTP/2 connection is given up when a ping takes longer than ping; 0 is none.
func throughGate(t *testing.T, s *server, http2 bool, ping time.Duration) (*gate, *client) {
	t.Helper()
	listener := httptest.NewUnstartedServer(s)
	listener.EnableHTTP2 = http2
	if http2 {
		listener.StartTLS()
	} else {
		listener.Start()
	}
	t.Cleanup(listener.Close)
	g := newGate(t, listener.Listener.Addr().String())
	to, err := url.Parse(listener.URL + "/mcp")
	if err != nil {
		t.Fatal(err)
	}
	to.Host = g.listener.Addr().String()
	transport := listener.Client().Transport.(*http.Transport).Clone()
	transport.DialContext = remote.Watch(new(net.Dialer).DialContext)
	transport.ForceAttemptHTTP2 = http2
	transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: ping, PingTimeout: ping}
	pool := remote.NewPool(transport)
	t.Cleanup(pool.CloseIdleConnections)
	c := start(t, relay.Config{Remote: remote.Config{URL: to, Do: remote.NewClient(pool).Do, Fresh: pool.Fresh}})
	c.write(initialize, initialized)
	c.want(welcomed)
	return g, c
}

// counted answers calls and counts them by their id.
func counted(counts *sync.Map) reply {
	return func(s *server, w http.ResponseWriter, r request) {
		n, _ := counts.LoadOrStore(string(r.m.ID), new(atomic.Int32))
		n.(*atomic.Int32).Add(1)
		answer(`{}`)(s, w, r)
	}
}

// TestRecoverReset has all connections be reset again and again, with calls on them and without. Each call is answered once and executed at most
// once, and one that comes after the reset works.
func TestRecoverReset(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%t", http2), func(t *testing.T) {
			var counts sync.Map
			s := newServer(t, script{"tools/call": counted(&counts), "hang": hang, "GET": listening("id: 1\nretry: 1\nevent: other\ndata: x\n\n")})
			g, c := throughGate(t, s, http2, 0)
			const rounds = 5
			for round := range rounds {
				id := round * 100
				for i := range 8 {
					c.write(call(id+i, "hang"))
				}
				s.await("hang", 8*(round+1))
				s.await("stream", round+1)
				g.reset()
				for range 8 {
					if m := mustParse(t, c.next()); !m.Failed {
						t.Errorf("client got %s", m.Raw)
					}
				}
				// The end of a connection with nothing on it may not have come through yet.
				for again := 10; ; again++ {
					c.write(call(id+again, "tools/call"))
					line := c.next()
					if line == result(id+again, `{}`) {
						break
					}
					if !mustParse(t, line).Failed || again == 99 {
						t.Fatalf("client got %s", line)
					}
				}
			}
			counts.Range(func(id, n any) bool {
				if n := n.(*atomic.Int32).Load(); n > 1 {
					t.Errorf("%s was executed %d times", id, n)
				}
				return true
			})
			s.await("stream", rounds+1)
			s.message(`{"jsonrpc":"2.0","method":"n"}`)
			c.want(`{"jsonrpc":"2.0","method":"n"}`)
			s.count("hang", 8*rounds)
			s.count("initialize", 1)
			c.in.Close()
			<-c.done
		})
	}
}

// TestRecoverHalfOpen has connections of HTTP/2 lose their other end in silence. Its pings find out: calls are answered, the stream is opened again,
// and what comes later doesn't notice.
func TestRecoverHalfOpen(t *testing.T) {
	s := newServer(t, script{"hang": hang, "GET": inTurn(listening("id: 1\n"+data(`{"jsonrpc":"2.0","method":"first"}`)), listening(""))})
	g, c := throughGate(t, s, true, 2*time.Second) // a busy machine takes its time to answer a ping
	c.want(`{"jsonrpc":"2.0","method":"first"}`)
	c.write(call(1, "hang"))
	s.await("hang", 1)
	g.deafen()
	c.wantError("1", -31000, "may have been carried out")
	c.write(call(2, "ping"))
	c.want(result(2, `{}`))
	s.await("stream", 2)
	s.message(`{"jsonrpc":"2.0","method":"n"}`) // on the newest; the server doesn't know that the old one is dead
	c.want(`{"jsonrpc":"2.0","method":"n"}`)
	if got := s.requests("GET")[1].Header.Get("Last-Event-ID"); got != "1" {
		t.Errorf("resumed after %q", got)
	}
	s.count("hang", 1)
	c.in.Close()
	<-c.done
}

// TestRecoverGoAway has a server of HTTP/2 that wants another connection after every tenth call. No call is lost with the old one.
func TestRecoverGoAway(t *testing.T) {
	var counts sync.Map
	s := newServer(t, script{"tools/call": func(s *server, w http.ResponseWriter, r request) {
		if r.n%10 == 0 {
			w.Header().Set("Connection", "close") // net/http makes a GOAWAY of it
		}
		counted(&counts)(s, w, r)
	}})
	_, c := throughGate(t, s, true, 0)
	const calls = 200
	want := make([]string, calls)
	for i := range want {
		c.write(call(i+1, "tools/call"))
		want[i] = result(i+1, `{}`)
	}
	c.wantAll(want...)
	counts.Range(func(id, n any) bool {
		if n := n.(*atomic.Int32).Load(); n != 1 {
			t.Errorf("%s was executed %d times", id, n)
		}
		return true
	})
	c.end()
}

// TestRecoverRefusedStream has a server of HTTP/2 refuse calls without a look at them: they are made again, a few times.
func TestRecoverRefusedStream(t *testing.T) {
	for name, test := range map[string]struct{ refusals, tries int }{"twice": {2, 3}, "for ever": {1000, 5}} {
		t.Run(name, func(t *testing.T) {
			tries := 0
			raw := &rawHTTP2{fail: func(w io.Writer, stream uint32) {
				if tries++; tries <= test.refusals {
					writeFrame(w, frameReset, 0, stream, []byte{0, 0, 0, 0x7})
					return
				}
				writeFrame(w, frameHeaders, flagEndHeaders, stream, []byte("\x88\x0f\x10\x10application/json"))
				writeFrame(w, frameData, flagEndStream, stream, []byte(result(1, `{}`)))
			}}
			c := raw.connect(t)
			c.write(call(1, "tools/call"))
			if test.tries > test.refusals {
				c.want(result(1, `{}`))
			} else if line := c.next(); !mustParse(t, line).Failed || strings.Contains(line, "may have been") {
				t.Errorf("client got %s", line)
			}
			if n := raw.count("tools/call"); n != test.tries {
				t.Errorf("server saw the call %d times, want %d", n, test.tries)
			}
			c.end()
		})
	}
}

// TestRecoverRestart has the server be restarted at the same address, without its sessions.
func TestRecoverRestart(t *testing.T) {
	var generation atomic.Int32
	id := func() string { return fmt.Sprint("s", generation.Load()) }
	var counts sync.Map
	s := newServer(t, script{
		"initialize": func(s *server, w http.ResponseWriter, r request) { session(id())(s, w, r) },
		"tools/call": unlessSession(id, counted(&counts)),
		"hang":       unlessSession(id, hang),
		"GET":        unlessSession(id, listening("")),
	})
	serve := func(address string) (*http.Server, string) {
		listener, err := net.Listen("tcp", address)
		for late := time.Now().Add(patience); err != nil; listener, err = net.Listen("tcp", address) {
			if time.Now().After(late) {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // somebody else has the address for the moment, and nothing tells when that is over
		}
		h := &http.Server{Handler: s}
		go h.Serve(listener)
		return h, listener.Addr().String()
	}
	h, address := serve("127.0.0.1:0")
	transport := &http.Transport{DialContext: remote.Watch(new(net.Dialer).DialContext)}
	t.Cleanup(transport.CloseIdleConnections)
	c := start(t, relay.Config{Remote: remote.Config{URL: &url.URL{Scheme: "http", Host: address, Path: "/mcp"}, Do: remote.NewClient(transport).Do}})
	c.write(initialize, initialized)
	c.want(welcomed)
	for round := range 5 {
		s.await("stream", round+1)
		c.write(call(round*10+1, "hang"))
		s.await("hang", round+1)
		h.Close()
		c.wantError(fmt.Sprint(round*10+1), -31000, "may have been carried out")
		c.write(call(round*10+2, "tools/call"))
		c.wantError(fmt.Sprint(round*10+2), -31000, "refused")
		generation.Add(1)
		h, _ = serve(address)
		c.write(call(round*10+3, "tools/call"))
		c.want(result(round*10+3, `{}`))
	}
	s.count("initialize", 6)
	counts.Range(func(id, n any) bool {
		if n := n.(*atomic.Int32).Load(); n != 1 {
			t.Errorf("%s was executed %d times", id, n)
		}
		return true
	})
	c.in.Close()
	<-c.done
	h.Close()
}
