package relay_test

import (
	"testing"
	"testing/synctest"
)

func TestSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"GET": listening("")})
		c := connect(t, s)
		c.write(call(1, "tools/list"))
		c.want(result(1, `{}`))
		c.end()
		s.wantRequests("initialize", "notifications/initialized", "GET", "tools/list", "DELETE")
		for _, r := range s.requests() {
			id, version := "s1", "2025-06-18"
			if r.name == "initialize" {
				id, version = "", ""
			}
			if got := r.Header.Get("Mcp-Session-Id"); got != id {
				t.Errorf("%s has session id %q, want %q", r.name, got, id)
			}
			if got := r.Header.Get("Mcp-Protocol-Version"); got != version {
				t.Errorf("%s has protocol version %q, want %q", r.name, got, version)
			}
			if got := r.UserAgent(); got != "atlassian-mcp/1" {
				t.Errorf("%s has user agent %q", r.name, got)
			}
		}
	})
}
