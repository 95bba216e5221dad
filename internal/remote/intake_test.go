package remote

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestIntake has messages come that nobody receives, until there is room for no more.
func TestIntake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConn(t.Context(), Config{}.withDefaults())
		defer c.cancel()
		read := func(ctx context.Context, i *intake) <-chan error {
			i.ctx = ctx
			done := make(chan error, 1)
			go func() { done <- i.await(maxUnread) }()
			synctest.Wait()
			return done
		}
		over := func(done <-chan error) bool {
			synctest.Wait()
			return len(done) > 0
		}
		var ins [4]*intake
		for n := range ins {
			ins[n] = c.newIntake(t.Context(), strings.NewReader(""))
		}
		fits, beyond, next, last := ins[0], ins[1], ins[2], ins[3]
		if !over(read(t.Context(), fits)) || !over(read(t.Context(), beyond)) {
			t.Fatal("one must fit, and another may be beyond that")
		}
		ctx, cancel := context.WithCancel(t.Context())
		unwanted, waiting := read(ctx, last), read(t.Context(), next)
		if over(unwanted) || over(waiting) {
			t.Fatal("there is room for more")
		}
		cancel()
		if !over(unwanted) || <-unwanted == nil {
			t.Error("what nobody wants waits for room")
		}
		last.done()

		// The one beyond goes on, and does not end.
		for range 3 {
			time.Sleep(intakeStall - time.Second)
			if over(waiting) || !over(read(t.Context(), beyond)) {
				t.Fatal("another has taken the place of one that goes on")
			}
		}
		time.Sleep(2 * intakeStall)
		if !over(waiting) {
			t.Fatal("all wait for one that does not go on")
		}
		waiting = read(t.Context(), beyond)
		if over(waiting) {
			t.Fatal("there are two beyond the limit")
		}
		next.done()
		if !over(waiting) {
			t.Error("there is no room after one has been received")
		}
		fits.done()
		beyond.done()
		if c.arriving != 0 || c.beyond != nil {
			t.Errorf("%d bytes arrive, beyond that %v", c.arriving, c.beyond)
		}
	})
}

// TestUnread has requests be answered in every way, after which nothing must count as unread any more.
func TestUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startSleeper(t, HTTPOnly, func(cfg *Config) { cfg.RequestTimeout = time.Second })
		s.send("1", "ping")
		s.want("1")
		s.send("2", "slow")
		if m := <-s.got; m.ID != "2" || !m.Failed {
			t.Errorf("got %s", m.Raw)
		}
		s.say(`{"jsonrpc":"2.0","method":"n"}`)
		<-s.got
		synctest.Wait()
		c := s.conn.(*conn)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.unread != 0 || c.arriving != 0 {
			t.Errorf("%d bytes are unread, %d arrive", c.unread, c.arriving)
		}
	})
}
