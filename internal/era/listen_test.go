package era_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// listen is a subscription as the server sees it.
func listen(id, filter string) string {
	return request(id, "subscriptions/listen", `"notifications":{`+filter+`},"_meta":{`+meta+`}`)
}

const (
	changed = `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}}`
	updated = `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a"}}`
)

// TestListen follows a client through its subscriptions.
func TestListen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		c := connect(t, s)
		s.wantSeen("subscriptions/listen")
		c.send(initialized, initialized)
		s.say(changed)
		c.want(changed)
		c.send(request(1, "resources/subscribe", `"uri":"\u0061"`))
		c.want(response(1, `{}`))
		s.wantOver(`"#2"`)
		s.say(updated)
		c.want(updated)
		c.send(request(2, "resources/subscribe", `"uri":"a"`), request(3, "resources/subscribe", `"uri":"b"`), request(4, "resources/unsubscribe", `"uri":"a"`), request(5, "resources/unsubscribe", `"uri":"c"`))
		c.want(response(2, `{}`), response(3, `{}`), response(4, `{}`), response(5, `{}`))
		c.send(request(6, "resources/unsubscribe", `"uri":"b"`))
		c.want(response(6, `{}`))
		s.wantSeen("subscriptions/listen",
			listen(`"#2"`, `"toolsListChanged":true`),
			listen(`"#3"`, `"toolsListChanged":true,"resourceSubscriptions":["a"]`),
			listen(`"#4"`, `"toolsListChanged":true,"resourceSubscriptions":["a","b"]`),
			listen(`"#5"`, `"toolsListChanged":true,"resourceSubscriptions":["b"]`),
			listen(`"#6"`, `"toolsListChanged":true`))
		s.wantOver(`"#2"`, `"#3"`, `"#4"`, `"#5"`)
		c.end()
		s.wantOver(`"#2"`, `"#3"`, `"#4"`, `"#5"`, `"#6"`)
	})
}

// TestListenForNothing has a server that has nothing to tell but what the client subscribes to.
func TestListenForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"server/discover": result(`{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":false},"resources":{"subscribe":true}}}`)})
		c := dial(t, s.config(), initialize)
		<-c.lines
		c.send(initialized)
		s.wantSeen("subscriptions/listen")
		c.send(request(1, "resources/subscribe", `"uri":"a"`), request(2, "resources/unsubscribe", `"uri":"a"`))
		c.want(response(1, `{}`), response(2, `{}`))
		s.wantSeen("subscriptions/listen", listen(`"#2"`, `"resourceSubscriptions":["a"]`))
		s.wantOver(`"#2"`)
		c.end()
	})
}

// TestListenAgain has streams end that the client did not end.
func TestListenAgain(t *testing.T) {
	for name, ending := range map[string]string{"broken": "break", "at its end": `{"jsonrpc":"2.0","id":"#3","result":{"resultType":"complete"}}`} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, nil)
			c := connect(t, s)
			c.send(initialized, request(1, "resources/subscribe", `"uri":"a"`))
			c.want(response(1, `{}`))
			s.say(strings.Replace(ending, "#", c.prefix, 1))
			time.Sleep(time.Second)
			c.want()
			s.say(updated)
			c.want(updated)
			if n := s.count("subscriptions/listen"); n != 3 {
				t.Errorf("%d streams, want another", n)
			}
		})
	}
	bubble(t, "out of reach", func(t *testing.T) {
		s := newServer(t, script{"subscriptions/listen": inTurn(broken, status(http.StatusBadGateway, ""), failing(-32603), listening(acknowledged))})
		c := connect(t, s)
		c.send(initialized)
		time.Sleep(time.Minute)
		c.want()
		s.say(changed)
		c.want(changed)
	})
	bubble(t, "never", func(t *testing.T) {
		s := newServer(t, script{"subscriptions/listen": status(http.StatusBadGateway, "")})
		c := connect(t, s)
		c.send(initialized)
		time.Sleep(time.Hour)
		if n := s.count("subscriptions/listen"); n < 120 || n > 260 {
			t.Errorf("%d attempts in an hour", n)
		}
		c.end()
	})
	bubble(t, "not known", func(t *testing.T) {
		s := newServer(t, script{"subscriptions/listen": status(http.StatusNotFound, `{"jsonrpc":"2.0","id":$ID,"error":{"code":-32601,"message":"m"}}`)})
		c := connect(t, s)
		c.send(initialized)
		time.Sleep(time.Hour)
		if n := s.count("subscriptions/listen"); n != 1 {
			t.Errorf("%d attempts", n)
		}
		c.send(request(1, "resources/subscribe", `"uri":"a"`))
		c.wantError("1", -32601, "")
	})
}

// TestSubscribeFails has a server that can't tell of a resource, each in its way. The stream for the lists stays.
func TestSubscribeFails(t *testing.T) {
	for name, test := range map[string]struct {
		reply reply
		code  int
	}{
		"error":            {failing(-32602), -32602},
		"unavailable":      {status(http.StatusServiceUnavailable, ""), -31000},
		"not acknowledged": {listening(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{},"_meta":{"io.modelcontextprotocol/subscriptionId":$ID}}}`), -31000},
		"silence":          {hang, -31000},
		"silent stream":    {listening(""), -31000},
	} {
		bubble(t, name, func(t *testing.T) {
			s := newServer(t, script{"subscriptions/listen": inTurn(listening(acknowledged), test.reply, listening(acknowledged))})
			c := connect(t, s)
			c.send(initialized, request(1, "resources/subscribe", `"uri":"a"`))
			time.Sleep(10 * time.Second)
			c.wantError("1", test.code, "")
			s.say(changed)
			c.want(changed)
			c.send(request(2, "resources/subscribe", `"uri":"b"`))
			c.want(response(2, `{}`))
			s.wantSeen("subscriptions/listen",
				listen(`"#2"`, `"toolsListChanged":true`),
				listen(`"#3"`, `"toolsListChanged":true,"resourceSubscriptions":["a"]`),
				listen(`"#4"`, `"toolsListChanged":true,"resourceSubscriptions":["b"]`))
		})
	}
}

// TestSubscribeAtOnce has a client that doesn't wait for one answer before the next request, cancels one, and ends.
func TestSubscribeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, script{"subscriptions/listen": inTurn(hang, hang, hang, listening(acknowledged))})
		c := connect(t, s)
		c.send(request(1, "resources/subscribe", `"uri":"a"`), request(2, "resources/subscribe", `"uri":"b"`), request(3, "resources/subscribe", `"uri":"a"`))
		c.want()
		c.send(cancelled(2), request(4, "resources/unsubscribe", `"uri":"b"`))
		c.want(response(1, `{}`), response(3, `{}`), response(4, `{}`))
		s.wantOver(`"#2"`, `"#3"`, `"#4"`)
		c.end()
	})
}
