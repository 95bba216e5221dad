package relay_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// A chaos is a server on which everything goes wrong now and then, in a way that depends on nothing but its seed.
type chaos struct {
	mu       sync.Mutex // guards the rest
	rand     *rand.Rand
	session  int
	executed map[string]int // calls, by id
}

// roll returns a number from 0 to n-1.
func (c *chaos) roll(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rand.IntN(n)
}

func (c *chaos) current() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint("s", c.session)
}

func (c *chaos) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session++
}

// doze waits for up to half a minute, most often not at all.
func (c *chaos) doze(r request) {
	if c.roll(3) == 0 {
		select {
		case <-time.After(time.Duration(c.roll(30000)) * time.Millisecond):
		case <-r.Context().Done():
		}
	}
}

// execute carries out a call, which may take its time, or refuses it, and returns false.
func (c *chaos) execute(s *server, w http.ResponseWriter, r request) bool {
	if c.roll(10) == 0 {
		status(503, "", "Retry-After", "2")(s, w, r)
		return false
	}
	c.mu.Lock()
	c.executed[string(r.m.ID)]++
	c.mu.Unlock()
	c.doze(r)
	return true
}

// call answers a call, or does something else with it.
func (c *chaos) call(s *server, w http.ResponseWriter, r request) {
	if r.Header.Get("Mcp-Session-Id") != c.current() || c.roll(20) == 0 {
		c.doze(r)
		c.renew()
		status(404, "Session not found")(s, w, r)
		return
	}
	if !c.execute(s, w, r) {
		return
	}
	id := string(r.m.ID)
	progress := data(`{"jsonrpc":"2.0","method":"notifications/progress"}`)
	ping := data(`{"jsonrpc":"2.0","id":` + id + `,"method":"ping"}`)
	prime := "id: " + id + "\nretry: 100\ndata:\n\n"
	done := data(result(id, `{}`))
	replies := []reply{
		answer(`{}`), answer(`{}`), answer(`{}`), events(done), events(progress + ping + done), events(prime + done + progress), events(done + done),
		events(prime + ping), cut(prime + progress), cut(prime + done[:10]), // to be resumed
		broken, cut(progress), events(progress), accepted, status(500, "oops"), status(200, "<html>", "Content-Type", "text/html"), short("{"), body("{"), events("data: {\n\n"),
	}
	replies[c.roll(len(replies))](s, w, r)
}

// get opens a stream of the server's own, or takes up that of a call.
func (c *chaos) get(s *server, w http.ResponseWriter, r request) {
	switch c.roll(6) {
	case 0:
		status(503, "")(s, w, r)
		return
	case 1:
		broken(s, w, r)
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" && r.Header.Get("Mcp-Session-Id") == c.current() {
		if c.roll(3) == 0 {
			events("id: "+id+"\n\n")(s, w, r)
		} else {
			events(data(result(id, `{}`)))(s, w, r)
		}
		return
	}
	if r.Header.Get("Mcp-Session-Id") != c.current() {
		status(404, "")(s, w, r)
		return
	}
	stream(w, r, data(`{"jsonrpc":"2.0","method":"notifications/progress"}`))
	c.doze(r)
	if c.roll(2) == 0 {
		broken(s, w, r)
	}
}

// TestChaos holds the promises in bad weather: every request gets one answer in bounded time, one that was cancelled gets one at most,
// no call is made twice, and it all ends.
func TestChaos(t *testing.T) {
	for seed := range uint64(10) {
		weather := &chaos{rand: rand.New(rand.NewPCG(seed, 0)), executed: make(map[string]int)}
		bubble(t, fmt.Sprint("http ", seed), func(t *testing.T) {
			weather.blow(t, remote.HTTPOnly, seed, script{
				"tools/call": weather.call,
				"GET":        weather.get,
				"initialize": func(s *server, w http.ResponseWriter, r request) {
					weather.renew()
					session(weather.current())(s, w, r)
				},
			})
		})
		weather = &chaos{rand: rand.New(rand.NewPCG(seed, 2)), executed: make(map[string]int)}
		bubble(t, fmt.Sprint("sse ", seed), func(t *testing.T) {
			weather.blow(t, remote.SSEOnly, seed, script{
				"tools/call": weather.callOnStream,
				"GET":        weather.getStream,
				"initialize": func(s *server, w http.ResponseWriter, r request) {
					weather.say(s, w, r, result("$ID", welcome))
				},
			})
		})
	}
}

// callOnStream is call with HTTP+SSE. What isn't answered ends with the stream.
func (c *chaos) callOnStream(s *server, w http.ResponseWriter, r request) {
	if r.URL.Query().Get("s") != c.current() || c.roll(40) == 0 {
		status(404, "no such session")(s, w, r)
		return
	}
	if !c.execute(s, w, r) {
		return
	}
	id := string(r.m.ID)
	switch c.roll(12) {
	case 0:
		accepted(s, w, r)
	case 1:
		broken(s, w, r)
	case 2:
		status(500, "oops")(s, w, r)
	case 3:
		c.say(s, w, r, `{"jsonrpc":"2.0","id":`+id+`,"method":"ping"}`)
	default:
		c.say(s, w, r, result(id, `{}`))
	}
}

// say accepts r and writes m on the newest stream, if there is one.
func (c *chaos) say(s *server, w http.ResponseWriter, r request, m string) {
	var open *openStream
	s.mu.Lock()
	if n := len(s.streams); n > 0 {
		open = s.streams[n-1]
	}
	s.mu.Unlock()
	accepted(s, w, r)
	if open == nil {
		return
	}
	w.(http.Flusher).Flush()
	select {
	case open.said <- data(strings.ReplaceAll(m, "$ID", string(r.m.ID))):
	case <-open.gone:
	}
}

// getStream opens a stream, which is a session.
func (c *chaos) getStream(s *server, w http.ResponseWriter, r request) {
	if r.n > 1 && c.roll(3) == 0 {
		c.doze(r)
		status(503, "")(s, w, r)
		return
	}
	c.renew()
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(1+c.roll(60))*time.Second)
	defer cancel()
	r.Request = r.WithContext(ctx)
	listening("event: endpoint\ndata: /messages?s="+c.current()+"\n\n")(s, w, r)
}

// blow relays to a server with this script, and checks what comes of it.
func (weather *chaos) blow(t *testing.T, transport remote.Transport, seed uint64, script script) {
	const calls = 150
	s := newServer(t, script)
	cfg := s.config()
	cfg.Remote.Transport = transport
	c := start(t, cfg)
	c.write(initialize, initialized)
	c.want(welcomed)

	cancels := rand.New(rand.NewPCG(seed, 1))
	cancelledIDs := make(map[string]bool)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := 1; i <= calls; i++ {
			c.write(call(i, "tools/call"))
			if cancels.IntN(4) == 0 {
				time.Sleep(time.Duration(cancels.IntN(2000)) * time.Millisecond)
				id := fmt.Sprint(1 + cancels.IntN(i))
				cancelledIDs[id] = true
				c.write(cancelled(id))
			}
		}
	}()
	defer func() { <-written }()

	answered := make(map[string]int)
	over := time.After(20 * time.Minute)
	for idle := false; !idle; {
		select {
		case line := <-c.lines:
			m := mustParse(t, line)
			switch m.Kind {
			case jsonrpc.Response:
				answered[string(m.ID)]++
			case jsonrpc.Request: // on a goroutine, since nobody reads meanwhile
				go io.WriteString(c.in, result(m.ID, `{}`)+"\n")
			}
		case <-over:
			idle = true
		}
	}
	<-written
	for i := 1; i <= calls; i++ {
		id := fmt.Sprint(i)
		if n := answered[id]; n > 1 || n == 0 && !cancelledIDs[id] {
			t.Errorf("%d was answered %d times", i, n)
		}
		if n := weather.executed[id]; n > 1 {
			t.Errorf("%d was executed %d times", i, n)
		}
	}
	if len(answered) > calls {
		t.Errorf("%d ids were answered, of %d", len(answered), calls)
	}
	synctest.Wait()
	began := time.Now()
	c.in.Close()
	<-c.done
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v to end", took)
	}
	if all := s.names(); transport == remote.HTTPOnly && all[len(all)-1] != "DELETE" {
		t.Errorf("ended with %q", all[len(all)-1])
	}
}
