//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"time"
)

// This file is what an agent says, and how it takes the answers.

// A request is one of an agent's.
type request struct {
	relay  string // the name of the one that is asked
	id     string // JSON
	frame  string // the beginning of it, for people
	mark   string // of a tools/call
	method string
	wants  string      // what a result has in it, JSON
	answer chan *frame // takes the first
	sent   time.Time

	// Guarded by counts.mu.
	answered  time.Time
	cancelled time.Time
	succeeded bool
	failed    string // what the answer complains of
	abandoned bool   // the host has ended the relay, which could not answer
}

// A frame is a message from the relay.
type frame struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	raw string
}

// refused is how IDs end that MCP forbids. The server refuses each request that has one.
const refused = ".5"

// shapeID returns an ID of some shape as JSON, the value of which no other n gives.
func shapeID(dice *rand.Rand, n int) string {
	switch dice.IntN(14) {
	case 0, 1, 2:
		return fmt.Sprint(n)
	case 3:
		return fmt.Sprint(int64(1)<<53 + 1 + int64(n))
	case 4:
		return fmt.Sprint(-n)
	case 5:
		return fmt.Sprintf("%d.0", n)
	case 6:
		return fmt.Sprintf("%de0", n)
	case 7:
		return fmt.Sprintf("1234567890123456789012345%d", n) // more digits than any integer has
	case 8:
		return fmt.Sprintf(`"%d"`, n)
	case 9:
		return fmt.Sprintf(`"\u00e9\n\"\\\/%d"`, n)
	case 10:
		return fmt.Sprintf(`"é漢字🙂 <&>%d"`, n)
	case 11:
		return fmt.Sprintf(`"%s%d"`, strings.Repeat("long ", 200), n)
	case 12:
		if dice.IntN(10) == 0 {
			return fmt.Sprint(n, refused)
		}
		return `""` // which ask gives only once
	default:
		return fmt.Sprintf(`"\ud83d\ude00-%d"`, n)
	}
}

const site = "https://acme.atlassian.net"

// params returns a method that an agent may call, parameters for it, and what a result of that has in it. Calls of tools carry mark.
func params(dice *rand.Rand, mark string) (method, params, wants string) {
	meta := fmt.Sprintf(`"_meta":{"sandbox/mark":%q}`, mark)
	if dice.IntN(4) == 0 {
		meta = fmt.Sprintf(`"_meta":{"sandbox/mark":%q,"progressToken":%q}`, mark, mark)
	}
	switch n := dice.IntN(100); {
	case n < 15:
		return "ping", "", `"result":{}`
	case n < 25:
		return "tools/list", "", `"name":"editJiraIssue"`
	case n < 27:
		return "resources/list", `{}`, `"resources":[`
	case n < 45:
		return "tools/call", fmt.Sprintf(`{"name":"atlassianUserInfo","arguments":{},%s}`, meta), `\"account_id\":`
	case n < 65:
		key := fmt.Sprintf("ALPHA-%d", 1+dice.IntN(7))
		return "tools/call", fmt.Sprintf(`{%s,"name":"getJiraIssue","arguments":{"cloudId":%q,"issueIdOrKey":%q}}`, meta, site, key), `\"key\":\"` + key + `\"`
	default:
		return "tools/call", fmt.Sprintf(`{"name":"editJiraIssue","arguments":{"cloudId":%q,"issueIdOrKey":"ALPHA-%d","fields":{"summary":"Storm %s"}},%s}`,
			site, 1+dice.IntN(7), mark, meta), `\"Storm ` + mark + `\"`
	}
}

// counts are what the agents have seen.
type counts struct {
	mu          sync.Mutex // guards the rest
	everything  []*request
	calls       map[string]*request // of tools, by mark
	faults      int
	orphans     int
	sessions    int // that were left
	results     int
	errors      map[string]int // answers that are errors, by what they say
	cancelled   int
	raced       int      // answers that crossed a cancellation
	progress    int      // notifications
	twice       []string // frames, as all of these
	strange     []string
	late        []string
	wrong       []string      // answers to something else
	slowest     time.Duration // answer
	handshake   time.Duration // slowest, from the start of the process
	recoveries  map[string][]time.Duration
	ends        []time.Duration
	lockWorst   time.Duration // slowest answer while the holder of the lock was stopped
	lockStopped bool
	problems    []string // promises that are judged when they are tried
}

// lateAfter is how long after its cancellation a request may still be answered: the answer may have been on its way. A relay that sleeps reads
// no cancellation before it wakes.
const lateAfter = 5 * time.Second

// take notes the answer to a request, from a relay that last woke up at some time.
func (c *counts) take(woke time.Time, req *request, f *frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !req.answered.IsZero() {
		c.twice = append(c.twice, fmt.Sprintf("%s: %s: %s", req.relay, req.frame, clip(f.raw)))
		return
	}
	req.answered = time.Now()
	if !req.cancelled.IsZero() {
		c.raced++
		if since := min(req.answered.Sub(req.cancelled), req.answered.Sub(woke)); since > lateAfter {
			c.late = append(c.late, fmt.Sprintf("%s: %s: %v after its cancellation: %s", req.relay, req.frame, since, clip(f.raw)))
		}
		return
	}
	c.slowest = max(c.slowest, req.answered.Sub(req.sent))
	if req.failed = f.failure(); req.failed != "" {
		c.errors[req.failed]++
		return
	}
	if !strings.Contains(f.raw, req.wants) {
		c.wrong = append(c.wrong, fmt.Sprintf("%s: %s: %s", req.relay, req.frame, clip(f.raw)))
	}
	req.succeeded = true
	c.results++
}

// failure returns what an answer complains of, without what differs from time to time; "" if it is a result.
func (f *frame) failure() string {
	if f.Error != nil {
		return anonymous(fmt.Sprintf("error %d: %s", f.Error.Code, f.Error.Message))
	}
	var result struct {
		Content []struct{ Text string }
		IsError bool
	}
	if json.Unmarshal(f.Result, &result) == nil && result.IsError && len(result.Content) > 0 {
		return anonymous("tool: " + result.Content[0].Text)
	}
	if f.wantsPerson() {
		return "tools/list: sign_in alone"
	}
	return ""
}

var digits = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`"?https?://[^ ]*|[0-9]{3,}`) })

func anonymous(text string) string {
	text = digits().ReplaceAllString(text, "…")
	return text[:min(len(text), 140)]
}

// wantsPerson reports whether an answer says that somebody has to sign in.
func (f *frame) wantsPerson() bool {
	var list struct {
		Tools   []struct{ Name string }
		Content []struct{ Text string }
		IsError bool
	}
	if json.Unmarshal(f.Result, &list) != nil {
		return false
	}
	return len(list.Tools) == 1 && list.Tools[0].Name == "sign_in" ||
		list.IsError && len(list.Content) > 0 && strings.Contains(list.Content[0].Text, "sign_in")
}

// clip shortens a frame for people.
func clip(text string) string {
	if len(text) > 300 {
		return text[:300] + "…"
	}
	return text
}
