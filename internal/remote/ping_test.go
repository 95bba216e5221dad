package remote

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPing counts the pings that a server gets. Their answers are nothing to the client.
func TestPing(t *testing.T) {
	for _, transport := range []Transport{HTTPOnly, SSEOnly} {
		t.Run(string(transport), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startSleeper(t, transport, func(cfg *Config) { cfg.PingInterval = 20 * time.Second })
				defer s.conn.Close()
				time.Sleep(50 * time.Second)
				synctest.Wait()
				if n, _ := s.saw("POSTping"); n != 2 {
					t.Errorf("%d pings in 50 s, want 2", n)
				}
				if n := len(s.got); n != 0 {
					t.Errorf("the client received %d messages", n)
				}
				s.send("1", "tools/list")
				s.want("1")
			})
		})
	}
}
