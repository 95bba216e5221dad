package relay_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
)

// TestRecoverSilentStream has the stream of the server fall silent, as when a connection is cut in two and neither half says so. One on which
// comments come is alive.
func TestRecoverSilentStream(t *testing.T) {
	for name, test := range map[string]struct {
		comments time.Duration // between them; 0 means none
		streams  int           // opened in 100 s
	}{
		"nothing":  {0, 2},
		"comments": {time.Minute, 1},
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"GET": listening("id: 7\n\n")})
			c := connect(t, s)
			began := time.Now()
			for time.Since(began) < 100*time.Second {
				if time.Sleep(time.Second); test.comments > 0 && time.Since(began)%test.comments == 0 {
					s.say(": still here\n\n")
				}
			}
			gets := s.requests("GET")
			if len(gets) != test.streams {
				t.Fatalf("%d streams, want %d", len(gets), test.streams)
			}
			if got := gets[len(gets)-1].Header.Get("Last-Event-ID"); test.streams == 2 && got != "7" {
				t.Errorf("resumed after %q", got)
			}
			s.message(`{"jsonrpc":"2.0","method":"n"}`)
			c.want(`{"jsonrpc":"2.0","method":"n"}`)
			s.count("initialize", 1)
			c.end()
		})
	}
}

// TestRecoverSlowClient has the client not read for an hour: the stream is not silent only because nobody listens, and what the server says meanwhile
// stays with it.
func TestRecoverSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages = 5000
		s := newServer(t, script{"GET": listening("")})
		in, w := io.Pipe()
		out, written := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- relay.Run(t.Context(), in, written, s.config()) }()
		lines := bufio.NewScanner(out)
		io.WriteString(w, initialize+"\n"+initialized+"\n")
		lines.Scan()
		synctest.Wait()
		var taken atomic.Int32
		go func() {
			for range messages {
				s.message(`{"jsonrpc":"2.0","method":"n","params":"` + strings.Repeat("x", 1000) + `"}`)
				taken.Add(1)
			}
		}()
		time.Sleep(time.Hour)
		if n := taken.Load(); n > 1000 {
			t.Errorf("%d messages were taken for a client that doesn't read", n)
		}
		s.count("GET", 1)
		for range messages {
			lines.Scan()
			if !strings.Contains(lines.Text(), `"n"`) {
				t.Fatalf("client got %q", lines.Text())
			}
		}
		w.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestRecoverSilentSSE has the event stream of HTTP+SSE fall silent, which is the session and must not be given up without need.
func TestRecoverSilentSSE(t *testing.T) {
	deaf := new(atomic.Bool) // nothing that the server says on the stream arrives
	alive := func(then reply) reply {
		return func(s *server, w http.ResponseWriter, r request) {
			if deaf.Load() {
				accepted(s, w, r)
			} else {
				then(s, w, r)
			}
		}
	}
	newDeaf := func(t *testing.T) *legacy {
		deaf.Store(false)
		s := newLegacy(t, nil)
		s.script["ping"] = alive(s.script["ping"])
		get := s.script["GET"]
		s.script["GET"] = func(s *server, w http.ResponseWriter, r request) {
			deaf.Store(false)
			get(s, w, r)
		}
		return s
	}
	bubble(t, "alive", func(t *testing.T) {
		s := newDeaf(t)
		c := s.connect()
		time.Sleep(time.Hour)
		s.count("GET", 1)
		if n := len(s.requests("ping")); n < 10 || n > 70 {
			t.Errorf("%d pings in an hour", n)
		}
		c.quiet()
		c.end()
	})
	bubble(t, "dead", func(t *testing.T) {
		s := newDeaf(t)
		c := s.connect()
		deaf.Store(true)
		time.Sleep(2 * time.Minute)
		s.count("GET", 2)
		s.message(`{"jsonrpc":"2.0","method":"n"}`)
		c.want(`{"jsonrpc":"2.0","method":"n"}`)
		c.end()
	})
	bubble(t, "one thing at a time", func(t *testing.T) {
		s := newDeaf(t)
		c := s.connect()
		c.write(call(1, "slow"))
		deaf.Store(true) // to pings, until it has done what it is at
		time.Sleep(20 * time.Minute)
		c.quiet()
		s.message(result(1, `{}`))
		c.want(result(1, `{}`))
		s.count("GET", 1)
		c.end()
	})
	bubble(t, "dead with a call", func(t *testing.T) {
		s := newDeaf(t)
		c := s.connect()
		c.write(call(1, "slow"))
		time.Sleep(5 * time.Minute) // in which the server answers pings
		c.quiet()
		deaf.Store(true)
		began := time.Now()
		c.wantError("1", -31000, "may have been carried out")
		if took := time.Since(began); took > 95*time.Second {
			t.Errorf("took %v", took)
		}
		c.write(call(2, "tools/call"))
		c.want(result(2, `{}`))
		s.count("slow", 1)
		c.end()
	})
	bubble(t, "forgotten", func(t *testing.T) {
		s := newDeaf(t)
		c := s.connect()
		s.opened.Add(1)
		time.Sleep(90 * time.Second)
		s.count("GET", 2)
		c.write(call(2, "tools/call"))
		c.want(result(2, `{}`))
		c.end()
	})
}

// TestRecoverOutage has the server be away for an hour in which nobody wants anything of it, and then be back.
func TestRecoverOutage(t *testing.T) {
	for name, gone := range map[string]reply{"502": status(502, ""), "broken": broken} {
		for _, wire := range []string{"http", "sse"} {
			bubble(t, wire+" "+name, func(t *testing.T) {
				down := new(atomic.Bool)
				var mu sync.Mutex
				var attempts []time.Time
				get := listening("")
				away := func(s *server, w http.ResponseWriter, r request) {
					if down.Load() {
						mu.Lock()
						attempts = append(attempts, time.Now())
						mu.Unlock()
						gone(s, w, r)
						return
					}
					get(s, w, r)
				}
				var s *server
				var c *client
				if wire == "sse" {
					l := newLegacy(t, nil)
					get = l.script["GET"]
					l.script["GET"] = away
					s, c = l.server, l.connect()
				} else {
					s = newServer(t, script{"GET": away})
					c = connect(t, s)
				}
				down.Store(true)
				s.hangUp()
				time.Sleep(time.Hour)
				mu.Lock()
				for i, at := range attempts[1:] {
					if pause := at.Sub(attempts[i]); i > 10 && pause < 30*time.Second {
						t.Errorf("attempt %d after %v", i+1, pause)
					}
				}
				if n := len(attempts); n < 60 {
					t.Errorf("%d attempts", n)
				}
				mu.Unlock()
				down.Store(false)
				before := len(s.requests("GET"))
				began := time.Now()
				c.write(call(1, "ping"))
				c.want(result(1, `{}`))
				for wire == "http" && len(s.requests("GET")) == before && time.Since(began) < time.Minute {
					time.Sleep(100 * time.Millisecond)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("back after %v", took)
				}
				synctest.Wait()
				s.message(`{"jsonrpc":"2.0","method":"n"}`)
				c.want(`{"jsonrpc":"2.0","method":"n"}`)
				c.end()
			})
		}
	}
}

// TestRecoverStreamOnly has everything work but the stream of the server. What works is no reason to ask for it all the time.
func TestRecoverStreamOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"GET": inTurn(listening(""), status(502, ""))})
		c := connect(t, s)
		s.hangUp()
		for i := range 3000 { // five minutes
			c.write(call(i, "ping"))
			c.want(result(i, `{}`))
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(s.requests("GET")); n > 30 {
			t.Errorf("%d GETs", n)
		}
		c.end()
	})
}

// TestRecoverSSECut has a server that cuts its stream every five minutes, with calls on it.
func TestRecoverSSECut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLegacy(t, nil)
		c := s.connect()
		id := 0
		for round := 1; round <= 12; round++ {
			time.Sleep(4*time.Minute + 10*time.Second)
			s.say(fmt.Sprintf("id: e%d\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"n%d\"}\n\n", round, round))
			c.want(fmt.Sprintf(`{"jsonrpc":"2.0","method":"n%d"}`, round))
			id += 3
			c.write(call(id, "slow"), call(id+1, "slow"))
			time.Sleep(50 * time.Second)
			s.hangUp()
			synctest.Wait()
			c.write(call(id+2, "tools/call"))
			answers := c.next() + c.next() + c.next()
			for i := range 3 {
				if n := strings.Count(answers, fmt.Sprintf(`"id":%d,`, id+i)); n != 1 {
					t.Errorf("%d was answered %d times: %s", id+i, n, answers)
				}
			}
			if n := int(s.executed.Load()); n > round {
				t.Errorf("%d calls executed of %d", n, round)
			}
			gets := s.requests("GET")
			if last := gets[len(gets)-1]; len(gets) != round+1 || last.Header.Get("Last-Event-ID") != fmt.Sprint("e", round) {
				t.Errorf("%d streams, the last after %q", len(gets), last.Header.Get("Last-Event-ID"))
			}
		}
		c.quiet()
		c.end()
	})
}

// TestRecoverSSELastEventID has a server that can do nothing with the Last-Event-ID that it caused.
func TestRecoverSSELastEventID(t *testing.T) {
	for name, odd := range map[string]reply{"400": status(400, "unknown event"), "no endpoint": listening(": hello\n\n"), "ended": events("")} {
		bubble(t, name, func(t *testing.T) {
			s := newLegacy(t, nil)
			get := s.script["GET"]
			s.script["GET"] = func(s *server, w http.ResponseWriter, r request) {
				if r.Header.Get("Last-Event-ID") != "" {
					odd(s, w, r)
				} else {
					get(s, w, r)
				}
			}
			c := s.connect()
			s.say("id: 1\ndata:\n\n")
			synctest.Wait()
			s.hangUp()
			synctest.Wait()
			c.write(call(1, "tools/call"))
			c.want(result(1, `{}`))
			s.count("GET", 3)
			c.end()
		})
	}
}

// TestRecoverByteOrderMark has JSON begin with what it must not begin with.
func TestRecoverByteOrderMark(t *testing.T) {
	const mark = "\uFEFF"
	chunked := func(pieces ...string) reply {
		return func(_ *server, w http.ResponseWriter, r request) {
			w.Header().Set("Content-Type", "application/json")
			for _, piece := range pieces {
				w.Write([]byte(strings.ReplaceAll(piece, "$ID", string(r.m.ID))))
				w.(http.Flusher).Flush()
				time.Sleep(time.Millisecond)
			}
		}
	}
	want := result(1, `{}`)
	for name, reply := range map[string]reply{
		"whole":    body(mark + want),
		"chunked":  chunked(mark, want),
		"in bytes": chunked(mark[:1], mark[1:2], mark[2:], want[:1], want[1:]),
		"refusal":  status(400, mark+want[:len(want)-len(`"result":{}}`)]+`"error":{"code":1,"message":"m"}}`),
		"none":     chunked(want[:1], want[1:]),
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"x": reply})
			c := connect(t, s)
			c.write(call(1, "x"))
			if name == "refusal" {
				c.wantError("1", 1, "m")
			} else {
				c.want(want)
			}
			c.end()
		})
	}
	bubble(t, "alone", func(t *testing.T) {
		s := newServer(t, script{"x": body(mark), "y": chunked(mark[:2])})
		c := connect(t, s)
		c.write(call(1, "x"))
		c.wantError("1", -31000, "can't be read")
		c.write(call(2, "y"))
		c.wantError("2", -31000, "can't be read")
		c.end()
	})
}
