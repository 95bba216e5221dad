package relay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
)

// TestEndPipe writes everything at once, as a shell does, and closes the input before there can be any answer.
func TestEndPipe(t *testing.T) {
	remembered := func(cfg *relay.Config) {
		cfg.Recall = func(context.Context) relay.Memory {
			return relay.Memory{Answers: map[string]json.RawMessage{"2025-06-18": json.RawMessage(welcome)}}
		}
	}
	answers := []string{welcomed, result(1, `{}`), result(2, `{}`)}
	for _, test := range []struct {
		name   string
		script script
		edit   func(*relay.Config)
		want   []string
		took   time.Duration // at most
	}{
		{"slow call", script{"x": slowly(10*time.Second, answer(`{}`))}, nil, answers, 11 * time.Second},
		{"slow session", script{"initialize": slowly(1900*time.Millisecond, session("s1"))}, nil, answers, 3 * time.Second},
		{"slow session, remembered", script{"initialize": slowly(10*time.Second, session("s1"))}, remembered, answers, 11 * time.Second},
		{"all slow", script{"initialize": slowly(10*time.Second, session("s1")), "x": slowly(10*time.Second, answer(`{}`))}, remembered, answers, 21 * time.Second},
		{"silent server", script{"initialize": hang}, remembered, []string{
			welcomed,
			`{"jsonrpc":"2.0","id":1,"error":{"code":-31000,"message":"the server has not answered within 20s","data":{"source":"atlassian-mcp"}}}`,
			`{"jsonrpc":"2.0","id":2,"error":{"code":-31000,"message":"the server has not answered within 20s","data":{"source":"atlassian-mcp"}}}`,
		}, 20 * time.Second},
		{"silent call", script{"x": hang}, nil, []string{welcomed, result(2, `{}`)}, 61 * time.Second},
	} {
		bubble(t, test.name, func(t *testing.T) {
			s := newServer(t, test.script)
			cfg := s.config()
			if test.edit != nil {
				test.edit(&cfg)
			}
			c := start(t, cfg)
			began := time.Now()
			c.write(initialize, initialized, call(1, "x"), call(2, "y"))
			c.in.Close()
			c.wantAll(test.want...)
			<-c.done
			if took := time.Since(began); took > test.took {
				t.Errorf("took %v", took)
			}
			if c.err != nil {
				t.Errorf("relay ended with %v", c.err)
			}
			c.quiet()
			if !strings.HasPrefix(test.name, "silent server") {
				s.count("DELETE", 1)
			}
		})
		bubble(t, "orphaned: "+test.name, func(t *testing.T) {
			s := newServer(t, test.script)
			orphaned := make(chan struct{})
			cfg := s.config()
			cfg.Orphaned = orphaned
			c := start(t, cfg)
			c.write(initialize, initialized, call(1, "x"), call(2, "y"))
			c.in.Close()
			synctest.Wait()
			close(orphaned) // nobody waits for the answers after all
			began := time.Now()
			<-c.done
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestEndUnanswered pipes initialize alone, as people do who try a server out, to one that does not answer before the process must end.
func TestEndUnanswered(t *testing.T) {
	for name, script := range map[string]script{"silent": {"initialize": hang}, "unreachable": {"initialize": broken}} {
		for end, lines := range map[string][]string{"": {initialize}, ", initialized": {initialize, initialized}} {
			bubble(t, name+end, func(t *testing.T) {
				s := newServer(t, script)
				c := start(t, s.config())
				c.write(lines...)
				synctest.Wait()
				c.in.Close()
				began := time.Now()
				if name == "silent" {
					c.wantGuess("2025-06-18")
				} else {
					c.wantError("0", -31000, "")
				}
				<-c.done
				if took := time.Since(began); took > 1600*time.Millisecond || c.err != nil {
					t.Errorf("relay ended after %v with %v", took, c.err)
				}
				c.quiet()
			})
		}
	}
}

// TestEndOrphaned leaves the input open, but there is nobody who would write to it.
func TestEndOrphaned(t *testing.T) {
	for name, script := range map[string]script{"idle": nil, "slow call": {"x": slowly(time.Second, answer(`{}`))}, "hopeless call": {"x": hang}} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script)
			orphaned := make(chan struct{})
			cfg := s.config()
			cfg.Orphaned = orphaned
			c := start(t, cfg)
			c.write(initialize, initialized)
			c.want(welcomed)
			if name != "idle" {
				c.write(call(1, "x"))
			}
			synctest.Wait()
			close(orphaned)
			began := time.Now()
			<-c.done
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
			if c.err != nil {
				t.Errorf("relay ended with %v", c.err)
			}
			if name == "slow call" {
				c.want(result(1, `{}`))
			}
			c.quiet()
			s.count("DELETE", 1)
		})
	}
}

// TestEndFlood has a server that says more than a client reads, which is nothing. What has been taken from the server waits in memory, so it must
// be little, however long each message is.
func TestEndFlood(t *testing.T) {
	for name, size := range map[string]int{"short": 100, "long": 1 << 20} {
		bubble(t, name, func(t *testing.T) {
			var said atomic.Int64
			message := data(fmt.Sprintf(`{"jsonrpc":"2.0","method":"n","params":"%s"}`, strings.Repeat("x", size)))
			s := newServer(t, script{"GET": func(s *server, w http.ResponseWriter, r request) {
				stream(w, r, "")
				for range 2000 {
					if _, err := io.WriteString(w, message); err != nil {
						return
					}
					w.(http.Flusher).Flush()
					said.Add(int64(len(message)))
				}
				<-r.Context().Done()
			}})
			in, w := io.Pipe()
			out, written := io.Pipe()
			done := make(chan error, 1)
			go func() { done <- relay.Run(t.Context(), in, written, s.config()) }()
			io.WriteString(w, initialize+"\n"+initialized+"\n")
			time.Sleep(time.Minute)
			if n := said.Load(); n > 40<<20 {
				t.Errorf("%d MiB have been taken", n>>20)
			}
			before := said.Load()
			io.CopyN(io.Discard, out, 40<<20*int64(size)>>20)
			synctest.Wait()
			if said.Load() == before {
				t.Error("nothing is taken after some has been read")
			}
			w.Close()
			go io.Copy(io.Discard, out)
			if err := <-done; err != nil {
				t.Errorf("relay ended with %v", err)
			}
			written.Close()
		})
	}
}
