package sandbox

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// This file knows what can go wrong on demand, and says it in the words that users have reported.

// A Fault is something that can go wrong.
type Fault struct {
	Name     string `json:"name"`
	Arg      string `json:"arg,omitempty"` // what its argument is: SECONDS; in brackets if it may be left out
	Imitates string `json:"imitates"`      // one line: what happens, and where it was seen
}

// A FaultState is a fault in a server.
type FaultState struct {
	Fault
	On     bool   `json:"on"`
	Value  string `json:"value,omitempty"` // of its argument
	Struck int    `json:"struck"`          // how often it has changed what would have happened, since the server was started
}

// Faults lists all faults that there are.
func Faults() []Fault {
	list := make([]Fault, len(faultKinds))
	for i, k := range faultKinds {
		list[i] = k.Fault
	}
	return list
}

// A faultKind is a fault with what its argument may be.
type faultKind struct {
	Fault
	unset    string // the argument when none is given
	min, max int    // numbers that it may be, or milliseconds if it is a DURATION
}

// parse returns the number that an argument stands for. The error says what would be one.
func (k faultKind) parse(value string) (int, error) {
	n, err := strconv.Atoi(value)
	wanted := fmt.Errorf("a number from %d to %d", k.min, k.max)
	if k.Arg == "[DURATION]" {
		wanted = fmt.Errorf("a number of seconds, or a time such as 1m30s or 200ms, up to %v", time.Duration(k.max)*time.Millisecond)
		var d time.Duration
		if err != nil {
			d, err = time.ParseDuration(value)
		} else {
			d = time.Duration(min(n, k.max)) * time.Second
		}
		n = int(d.Milliseconds())
	}
	if err != nil || n < k.min || n > k.max {
		return 0, wanted
	}
	return n, nil
}

// What an isError result says. Some of Atlassian's are JSON in text, some are bare.
const (
	textUnauthorized = `{"error":true,"message":"Authentication failed: {\"code\":401,\"message\":\"Unauthorized\"}"}`
	textTrouble      = `{"error":true,"message":"We are having trouble completing this action. Please try again shortly."}`
	textSettings     = "We couldn't verify your connection settings. Please contact your administrator for assistance."
	textAccess       = "We couldn't verify your access. Reconnecting and signing in again may resolve this issue."
	textIP           = "You don't have permission to connect from this IP address. Please ask your organization admin for access."
	textAPIToken     = "You don't have permission to connect via API token. Please ask your organization admin for access."
)

var faultKinds = []faultKind{
	{Fault: Fault{"token-expiry", "SECONDS", "access tokens that are issued from now on end after SECONDS"}, min: 1, max: 1e6},
	{Fault: Fault{"token-unavailable", "", "the token endpoint answers 503, as in an outage"}},
	{Fault: Fault{"issuer-mismatch", "", "metadata names another issuer than the one it is found at, as until August 2026"}},
	{Fault: Fault{"root-metadata", "", "the origin has resource metadata of its own, which leads away from the v1 server"}},
	{Fault: Fault{"redirect-refused", "", "the consent page says that the admin must authorize access from this redirect URL"}},
	{Fault: Fault{"domain-blocked", "", "the administrator has blocked the domain of the redirect URI"}},
	{Fault: Fault{"admin-must-authorize", "", "the consent page says that the site admin must authorize this app first"}},
	{Fault: Fault{"api-token-disabled", "", "tools tell those with an API token that they have no permission to connect by one"}},
	{Fault: Fault{"unscoped-token", "", "API tokens are classic ones without scopes: they sign in, and list hardly any tools"}},
	{Fault: Fault{"read-only", "", "the administrator allows no writing: tools that write are not listed, and refuse"}},
	{Fault: Fault{"ip-refused", "", "tools say that the address is not on the organization's IP allowlist"}},
	{Fault: Fault{"upstream-401", "[N]", "tools say Unauthorized in sessions older than the last token; with N, in the next N calls"}, min: 1, max: 1e6},
	{Fault: Fault{"trouble", "[N]", "tools say that there is trouble completing this action, always or in the next N calls"}, min: 1, max: 1e6},
	{Fault: Fault{"connection-settings", "", "tools say that the connection settings could not be verified"}},
	{Fault: Fault{"verify-access", "", "tools say that access could not be verified, and to sign in again"}},
	{Fault: Fault{"session-loss", "[N]", "every Nth tool call (3) finds its session gone: 404, Session not found"}, unset: "3", min: 2, max: 1e6},
	{Fault: Fault{"rate-limit", "[SECONDS]", "tool calls get 429 and Retry-After for SECONDS (2) from the first on"}, unset: "2", min: 1, max: 3600},
	{Fault: Fault{"cut-stream", "[N]", "the next N answers (1) to tool calls, which are carried out, are cut off"}, unset: "1", min: 1, max: 1e6},
	{Fault: Fault{"slow", "[DURATION]", "tool calls take DURATION (10s) longer, and report progress if asked to"}, unset: "10s", min: 1, max: 36e5},
	{Fault: Fault{"sse-retired", "", "/v1/sse is not found, as since the summer of 2026"}},
	{Fault: Fault{"cloudflare", "", "403 and error code 1010 for a library's default User-Agent, or none"}},
	{Fault: Fault{"five-nodes", "", "Jira searches answer five issues and no way to the rest, as v1 in mid-2026"}},
	{Fault: Fault{"huge-page", "[MIB]", "the body of every Confluence page has MIB (8) mebibytes"}, unset: "8", min: 1, max: 256},
	{Fault: Fault{"structured-array", "", "tool results have a structuredContent that is an array, which MCP forbids"}},
	{Fault: Fault{"modern-only", "", "/mcp speaks 2026-07-28 alone: no initialize, no sessions"}},
}

// faults are those of a server. The zero value has none.
type faults struct {
	mu     sync.Mutex // guards the rest
	active map[string]*fault
	struck map[string]int // see FaultState
}

// A fault is one that is on.
type fault struct {
	value string
	n     int       // what the argument stands for; 0 if there is none
	since int64     // on Server.clock
	calls int       // that have counted for it
	until time.Time // of rate-limit; zero before the first call
}

// state returns what has become of a fault.
func (f *faults) state(kind Fault) FaultState {
	f.mu.Lock()
	defer f.mu.Unlock()
	state := FaultState{Fault: kind, Struck: f.struck[kind.Name]}
	if a := f.active[kind.Name]; a != nil {
		state.On, state.Value = true, a.value
	}
	return state
}

// arg returns the argument of a fault, and whether it is on.
func (f *faults) arg(name string) (value string, on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a := f.active[name]; a != nil {
		return a.value, true
	}
	return "", false
}

// count counts that a fault has struck.
func (f *faults) count(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.add(name)
}

// add is count for a caller that holds mu.
func (f *faults) add(name string) {
	if f.struck == nil {
		f.struck = map[string]int{}
	}
	f.struck[name]++
}

// strikes reports whether a fault is on. If so it has struck: ask only where it changes what happens.
func (f *faults) strikes(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.strike(name) != nil
}

// number is strikes for a fault with an argument. It returns what that stands for, 0 if the fault is off.
func (f *faults) number(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a := f.strike(name); a != nil {
		return a.n
	}
	return 0
}

// strike returns a fault that is on, and has struck; nil if it is off. The caller holds mu.
func (f *faults) strike(name string) *fault {
	a := f.active[name]
	if a != nil {
		f.add(name)
	}
	return a
}

// take reports whether a fault that happens N times happens now. After the last time it is off; without N it stays on.
func (f *faults) take(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.strike(name)
	if a == nil {
		return false
	}
	if a.calls++; a.calls == a.n {
		delete(f.active, name)
	}
	return true
}

// every reports whether a fault that happens each Nth time happens now.
func (f *faults) every(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.active[name]
	if a == nil {
		return false
	}
	if a.calls++; a.calls%a.n != 0 {
		return false
	}
	f.add(name)
	return true
}

// limited returns after how many seconds a call that comes now may come again, 0 if it may come now. When the time is over the
// fault is off.
func (f *faults) limited(now time.Time) (seconds int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.active["rate-limit"]
	if a == nil {
		return 0
	}
	if a.until.IsZero() {
		a.until = now.Add(time.Duration(a.n) * time.Second)
	}
	if !now.Before(a.until) {
		delete(f.active, "rate-limit")
		return 0
	}
	f.add("rate-limit")
	return int((a.until.Sub(now) + time.Second - 1) / time.Second)
}

// stale reports whether upstream-401 hits a session that was opened at one time, by an account that last got a token at another. If
// there is none, because it is an API token, only the session must be new.
func (f *faults) stale(opened, renewed int64) bool {
	f.mu.Lock()
	a := f.active["upstream-401"]
	f.mu.Unlock()
	if a == nil {
		return false
	}
	if a.n > 0 {
		return f.take("upstream-401")
	}
	hit := opened < a.since || renewed != 0 && (renewed < a.since || opened < renewed)
	if hit {
		f.count("upstream-401")
	}
	return hit
}

// setFault switches a fault on that is written as NAME or NAME=ARG.
func (s *Server) setFault(text string) error {
	name, value, given := strings.Cut(text, "=")
	if given && value == "" {
		return fmt.Errorf("fault %q: there is nothing after the =", name)
	}
	return s.SetFault(name, value)
}

// SetFault switches a fault on, from the beginning if it is on already. The error of a name or an argument that makes no sense says
// which would.
func (s *Server) SetFault(name, value string) error {
	i := slices.IndexFunc(faultKinds, func(k faultKind) bool { return k.Name == name })
	if i < 0 {
		return fmt.Errorf("there is no fault %q, only %s", name, strings.Join(faultNames(), ", "))
	}
	kind := faultKinds[i]
	if value == "" {
		value = kind.unset
	}
	f := &fault{value: value, since: s.clock.Add(1)}
	switch {
	case value != "" && kind.Arg == "":
		return fmt.Errorf("fault %q takes no argument", name)
	case value != "":
		var err error
		if f.n, err = kind.parse(value); err != nil {
			return fmt.Errorf("fault %q: %s is %v, not %q", name, strings.Trim(kind.Arg, "[]"), err, value)
		}
	case kind.Arg != "" && !strings.HasPrefix(kind.Arg, "["):
		return fmt.Errorf("fault %q needs an argument: %s=%s", name, name, kind.Arg)
	}
	s.faults.mu.Lock()
	if s.faults.active == nil {
		s.faults.active = map[string]*fault{}
	}
	s.faults.active[name] = f
	s.faults.mu.Unlock()
	s.faultChanged(name)
	return nil
}

// ClearFault switches a fault off. The error of an unknown name says which are known.
func (s *Server) ClearFault(name string) error {
	if !slices.Contains(faultNames(), name) {
		return fmt.Errorf("there is no fault %q, only %s", name, strings.Join(faultNames(), ", "))
	}
	s.faults.mu.Lock()
	delete(s.faults.active, name)
	s.faults.mu.Unlock()
	s.faultChanged(name)
	return nil
}

// faultChanged tells clients of what they can't see otherwise.
func (s *Server) faultChanged(name string) {
	_, on := s.faults.arg(name)
	s.log.Info("fault", "name", name, "on", on)
	if name == "unscoped-token" || name == "read-only" {
		s.notifyToolsChanged()
	}
}

// Faults returns the state of all faults.
func (s *Server) Faults() []FaultState {
	states := make([]FaultState, len(faultKinds))
	for i, k := range faultKinds {
		states[i] = s.faults.state(k.Fault)
	}
	return states
}

func faultNames() []string {
	names := make([]string, len(faultKinds))
	for i, k := range faultKinds {
		names[i] = k.Name
	}
	return names
}
