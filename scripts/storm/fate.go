//go:build linux

package main

import (
	"bytes"
	"net/http"
	"strings"
	"time"
)

// networkFaults are those of the proxy.
var networkFaults = []string{"cut", "reset", "delay", "truncate", "repeat", "404", "429", "503", "gateway", "half-open"}

// A fate is what becomes of a request.
type fate struct {
	before, after time.Duration // that it is held up on the way to the server, and its answer on the way back
	status        int           // answered without the server
	late          int           // status in place of the server's answer
	cut           phase         // when the connection ends
	reset         bool          // and how: RST, not FIN
	stuck         phase         // when nothing passes any more, though the connection stays
	twice         bool          // events are repeated
}

// A phase is a point in the life of a request.
type phase int

const (
	never     phase = iota
	onTheWay        // the server has not seen the request
	unheard         // the server has begun to answer, and nothing of that has passed
	midAnswer       // half of the first part of the answer has passed
)

// isToken reports whether a request is to the token endpoint.
func isToken(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/token") }

// fate rolls the dice for a request.
func (p *proxy) fate(r *http.Request, body []byte) (f fate) {
	token := isToken(r)
	if strings.HasPrefix(r.UserAgent(), "Mozilla/") || token && bytes.Contains(body, []byte("authorization_code")) {
		return f // the person, who has troubles enough; and a code, which must not be sent twice (RFC 6749 §4.1.2)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	chance := func(percent int) bool { return p.dice.IntN(100) < percent }
	some := func(most time.Duration) time.Duration { return time.Duration(p.dice.Int64N(int64(most))) }
	at := func() phase {
		if token {
			return onTheWay
		}
		return onTheWay + phase(p.dice.IntN(3))
	}
	for _, name := range networkFaults { // in this order, so that the dice fall alike
		if p.faults[name] == 0 {
			continue
		}
		switch name {
		case "cut", "reset":
			if chance(50) {
				f.cut, f.reset = at(), name == "reset"
			}
		case "delay":
			f.before = 20*time.Millisecond + some(time.Second)
			f.after = some(time.Second)
		case "truncate":
			if chance(60) && !token {
				f.cut = midAnswer
			}
		case "repeat":
			f.twice = true
		case "404":
			if chance(30) && r.Header.Get(sessionHeader) != "" {
				f.status = http.StatusNotFound
			}
		case "429":
			if chance(60) {
				f.status = http.StatusTooManyRequests
			}
		case "503":
			if chance(60) {
				f.status = http.StatusServiceUnavailable
			}
		case "gateway":
			if chance(50) && !token {
				f.late = []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}[p.dice.IntN(3)]
			}
		case "half-open":
			f.stuck = at()
		}
	}
	return f
}
