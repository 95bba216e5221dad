package relay_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/policy"
	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
)

const (
	cloudID      = "3f2b1c9e-7a64-4d0e-9d5b-1f0c6a8e4b21"
	otherCloudID = "a94e6d07-58c3-4b1f-8e72-c0d9b3f51a68"
)

// tool returns a tools/call with arguments.
func tool(id any, name, arguments string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0" ,"id":%v,"method":"tools/call","params":{"name":%q,"arguments":{%s}}}`, id, name, arguments)
}

// A siteMap is what locates a site, when it is told to.
type siteMap struct {
	asked int
	found chan policy.Place
}

func (m *siteMap) locate(ctx context.Context) (string, error) {
	m.asked++
	select {
	case at := <-m.found:
		return at.CloudID, at.Err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// atSite returns what relays to s with one site.
func atSite(s *server, m *siteMap) relay.Config {
	m.found = make(chan policy.Place)
	cfg := s.config()
	cfg.Site, cfg.Locate = &policy.Site{Name: "acme.atlassian.net", Siteless: []string{"search"}}, m.locate
	return cfg
}

func connectAt(t *testing.T, s *server, m *siteMap) *client {
	t.Helper()
	c := start(t, atSite(s, m))
	c.write(initialize, initialized)
	c.want(welcomed)
	synctest.Wait()
	return c
}

// wantRefused fails the test if the next line is not the result of a tool that failed, with a text somewhere in it.
func (c *client) wantRefused(id any, text string) {
	c.t.Helper()
	line := c.next()
	if !strings.HasPrefix(line, fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,"result":{"content":[`, id)) || !strings.Contains(line, `"isError":true`) || !strings.Contains(line, text) {
		c.t.Errorf("client got\n\t%s\nwant a tool's failure with %q", line, text)
	}
}

// wantCalls fails the test if the calls that the server has got are others.
func wantCalls(t *testing.T, s *server, calls ...string) {
	t.Helper()
	var got []string
	for _, r := range s.requests("tools/call") {
		got = append(got, r.body)
	}
	if strings.Join(got, "\n") != strings.Join(calls, "\n") {
		t.Errorf("server got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(calls, "\n"))
	}
}

// TestSite has calls wait for the site to be looked up, and nothing else.
func TestSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newServer(t, script{"tools/list": answer(`{"tools":[{"name":"get","inputSchema":{"properties":{"cloudId":{}},"required":["cloudId","x"]}}]}`)}), new(siteMap)
		c := connectAt(t, s, m)
		c.write(call(1, "tools/list"))
		c.want(result(1, `{"tools":[{"name":"get","inputSchema":{"properties":{"cloudId":{}},"required":["x"]}}]}`))
		if c.quiet(); m.asked != 0 {
			t.Errorf("looked up %d times before anybody needs it", m.asked)
		}
		c.write(tool(2, "get", `"x":1`), tool(3, "get", `"cloudId":"`+otherCloudID+`"`), tool(4, "get", ``))
		c.quiet()
		c.write(call(5, "ping"), tool(6, "search", `"q":"x"`), tool(7, "get", `"cloudId":"other.atlassian.net"`), cancelled(4))
		c.wantAll(result(5, `{}`), result(6, `{}`), c.refusal(7, "other.atlassian.net"))
		c.quiet()
		m.found <- policy.Place{CloudID: cloudID}
		c.wantAll(result(2, `{}`), c.refusal(3, otherCloudID))
		c.write(tool(8, "get", ``))
		c.want(result(8, `{}`))
		c.end()
		if m.asked != 1 {
			t.Errorf("looked up %d times", m.asked)
		}
		wantCalls(t, s, tool(6, "search", `"q":"x"`), tool(2, "get", `"cloudId":"`+cloudID+`","x":1`), tool(8, "get", `"cloudId":"`+cloudID+`"`))
	})
}

// refusal returns what a call gets that names another site.
func (c *client) refusal(id any, other string) string {
	return result(id, `{"content":[{"type":"text","text":"Not called: the user lets atlassian-mcp work at the Atlassian site acme.atlassian.net only, `+
		`and this call names another (\"`+other+`\"). Leave out cloudId to work at acme.atlassian.net. To work at another site, the user has to change --site."}],"isError":true}`)
}

// TestSiteNotFound has the lookup fail, and succeed later.
func TestSiteNotFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newServer(t, nil), new(siteMap)
		c := connectAt(t, s, m)
		c.write(array(tool(1, "get", ``), call(2, "x")))
		c.quiet()
		m.found <- policy.Place{Err: errors.New("there is no such site")}
		line := c.next()
		if !strings.HasPrefix(line, "[") || !strings.Contains(line, "there is no such site") || !strings.Contains(line, result(2, `{}`)) {
			t.Errorf("client got %s", line)
		}
		c.write(tool(3, "get", `"cloudId":"`+cloudID+`"`))
		c.quiet()
		m.found <- policy.Place{}
		c.wantRefused(3, "can't be found out")
		c.write(tool(4, "get", ``))
		c.quiet()
		m.found <- policy.Place{CloudID: cloudID}
		c.want(result(4, `{}`))
		c.end()
		wantCalls(t, s, tool(4, "get", `"cloudId":"`+cloudID+`"`))
	})
}

// TestSiteHandshake checks that a site that nobody finds is in nobody's way.
func TestSiteHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s, m := newServer(t, nil), new(siteMap)
		c := start(t, atSite(s, m))
		c.write(initialize, initialized, tool(1, "get", ``))
		c.want(welcomed)
		c.write(call(2, "tools/list"))
		c.want(result(2, `{}`))
		wantAt(t, began, 0)
		c.in.Close()
		<-c.done
		if took := time.Since(began); took > time.Minute+2*time.Second {
			t.Errorf("ended after %v", took)
		}
		wantCalls(t, s)
	})
}

// TestSitePipe writes all there is to say at once, as printf does.
func TestSitePipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newServer(t, nil), new(siteMap)
		c := start(t, atSite(s, m))
		c.write(initialize, initialized, tool(1, "get", ``))
		c.in.Close()
		time.Sleep(5 * time.Second)
		m.found <- policy.Place{CloudID: cloudID}
		c.want(welcomed, result(1, `{}`))
		<-c.done
		wantCalls(t, s, tool(1, "get", `"cloudId":"`+cloudID+`"`))
	})
}

// TestSiteEnd ends while the site is looked up.
func TestSiteEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newServer(t, nil), new(siteMap)
		c := connectAt(t, s, m)
		c.write(tool(1, "get", ``))
		c.quiet()
		began := time.Now()
		c.end()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("ended after %v", took)
		}
		wantCalls(t, s)
	})
}
