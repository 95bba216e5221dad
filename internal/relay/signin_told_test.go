package relay_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// TestSignInTold has a client go on without a word about the page that it has been told of. Its requests wait for the person in vain once, not each time.
func TestSignInTold(t *testing.T) {
	begin := func(t *testing.T) (*person, *client) {
		s, p := newServer(t, script{"initialize": body(result("$ID", able))}), newPerson()
		c := start(t, p.config(s.config()))
		c.write(initialize, initialized)
		c.wantGuess("2025-06-18")
		return p, c
	}
	bubble(t, "by a request", func(t *testing.T) {
		p, c := begin(t)
		began := time.Now()
		c.write(call(1, "tools/list"))
		time.Sleep(5 * time.Second)
		c.write(call(2, "tools/call"))
		c.wantTools(1)
		wantAt(t, began, 20*time.Second)
		c.write(call(3, "tools/call"))
		time.Sleep(time.Second)
		c.write(call(4, "tools/list"))
		c.wantText(3, true, page)
		wantAt(t, began, 22*time.Second)
		c.wantTools(4)
		wantAt(t, began, 23*time.Second)
		c.wantText(2, true, page) // which came before anybody was told
		wantAt(t, began, 25*time.Second)

		began = time.Now()
		p.edit(func() { p.page += "&again" }) // the first was not used in time
		c.write(call(5, "tools/call"))
		c.wantText(5, true, page+"&again")
		wantAt(t, began, 20*time.Second)

		c.write(call(6, "tools/call"))
		time.Sleep(time.Second)
		p.signIn()
		c.wantAll(changed("tools"), changed("prompts"), result(6, `{}`))
		c.end()
	})
	bubble(t, "by sign_in", func(t *testing.T) {
		_, c := begin(t)
		c.write(callSignIn(1, ""))
		c.wantText(1, false, page)
		began := time.Now()
		c.write(call(2, "tools/call"))
		c.wantText(2, true, page)
		wantAt(t, began, 2*time.Second)
	})
}

// TestSignInMany has a client call sign_in for ever. What waits for the person has an end, like all that waits.
func TestSignInMany(t *testing.T) {
	for name, test := range map[string]struct{ calls, size, max int }{"short": {2000, 0, 1024 + 2}, "long": {14, 8 << 20, 8 + 2}} {
		bubble(t, name, func(t *testing.T) {
			s, p := newServer(t, script{"initialize": body(result("$ID", able))}), newPerson()
			c := start(t, p.config(s.config()))
			c.write(initialize, initialized)
			c.wantGuess("2025-06-18")
			var written atomic.Int32
			pad := `,"pad":"` + strings.Repeat("x", test.size) + `"`
			go func() {
				for i := range test.calls {
					c.write(callSignIn(i+1, pad))
					written.Add(1)
				}
			}()
			synctest.Wait()
			if n := int(written.Load()); n > test.max {
				t.Errorf("%d calls were read", n)
			}
			p.signIn()
			answered := make(map[jsonrpc.ID]bool)
			for len(answered) < test.calls {
				if m := mustParse(t, c.next()); m.Kind == jsonrpc.Response {
					answered[m.ID] = true
				}
			}
		})
	}
}
