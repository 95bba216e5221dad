// Package issuer is how people and programs are let into the sandbox: it plays the two authorization servers that stand before the
// Atlassian Rovo MCP Server, and its API tokens. What either issues opens nothing but the sandbox, and has "canary-" in it so that
// tests can look for it where it should not be.
//
// The v1 server (/v1/mcp, /v1/sse) is known by the metadata of its origin alone; its tokens last 55 minutes. The identity server
// (/v1/mcp/authv2, /v2/mcp, /mcp) is known by the metadata of each resource, insists on S256 and on the resource, and its
// refresh tokens may be used once. A sign-in visits the files in this order:
//
//	metadata.go   who lets people in here           RFC 9728, RFC 8414
//	register.go   a program makes itself known      RFC 7591; document.go: client ID metadata documents
//	authorize.go  it sends a browser                RFC 6749 §4.1.1, RFC 7636, RFC 8707
//	consent.go    where a person agrees             accept.go plays that person
//	token.go      codes and refresh tokens          RFC 6749 §4.1.3, §6; revoke.go: RFC 7009
//	check.go      a token is shown                  RFC 6750; apitoken.go: those that need no browser
//
// file.go keeps all that over a restart.
package issuer

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Config says where a [Server] is and whom it knows. Fault, Struck, Now and Event may be nil.
type Config struct {
	Origin string          // of the sandbox, such as http://127.0.0.1:7070
	People func() []Person // who can sign in
	User   string          // email of whom the consent page takes for granted; "" lets the person choose

	// Fault returns whether a fault is on, and its argument: issuer-mismatch, domain-blocked, admin-must-authorize, redirect-refused,
	// root-metadata, token-expiry (seconds), token-unavailable or unscoped-token. Struck is told whenever one of them has changed what
	// would have happened.
	Fault  func(name string) (arg string, on bool)
	Struck func(name string)

	Now   func() time.Time // nil means time.Now
	Event func(Event)      // told of what happens, after it has happened
}

// A Person has an account.
type Person struct {
	Account, Email, Name string
	Service              bool // a service account, which has API keys and does not sign in
	Places               []Place
}

// A Place is a site that a person belongs to.
type Place struct{ ID, Name, URL string }

// An Event is something that happened. There are no secrets in it.
type Event struct {
	Time    time.Time
	Kind    string // registration, consent (shown), grant, refresh, reuse, revocation or refusal
	Account string // "" if it is not known
	Client  string // name of the OAuth client, "" if it is not known
	Detail  string
}

// A Grant is what the bearer of a token may do.
type Grant struct {
	Account  string
	Sites    []string // cloud IDs; nil means every site of the account
	Products []string // of jira, confluence and compass; nil means all
	Scopes   []string // nil for API tokens
	Via      string   // "" for a sign-in in a browser; token, key or unscoped for API tokens
	Client   string   // name of the OAuth client
	ID       string   // of the grant; it is not secret
}

// Counts are how often things have happened since the server was made.
type Counts struct {
	Registrations int `json:"registrations"` // of clients; documents that were fetched count too
	Consents      int `json:"consents"`      // pages shown
	Accepted      int `json:"accepted"`      // of those; a code was issued
	Cancelled     int `json:"cancelled"`     // of those, by the person
	Grants        int `json:"grants"`
	Refreshes     int `json:"refreshes"`
	Reuses        int `json:"reuses"` // of a code or refresh token that had been used
	Revocations   int `json:"revocations"`
	Live          int `json:"live"` // grants that are good now
}

// A GrantInfo is a [Grant] that is good, for people to look at.
type GrantInfo struct {
	Grant
	Server   string    // v1 or identity
	Resource string    // what the grant is bound to; "" if to nothing
	Since    time.Time // when the person agreed
	Expires  time.Time // when the newest access token ends
}

// A Server is both authorization servers. Its methods may be used concurrently.
type Server struct {
	cfg      Config
	v1       *authServer
	identity *authServer

	file string // see Keep; "" if nothing is kept

	mu       sync.Mutex // guards the rest; leave it by unlock
	changed  bool       // since file was written
	events   []Event    // to be told when mu is free
	counts   Counts
	clients  map[string]*client
	requests map[string]*request     // being consented to, by the ID that the page's form has
	codes    map[digest]*code        // used ones too, until they end
	access   map[digest]*accessToken // good ones
	refresh  map[digest]refreshToken // every one that a grant has had
	grants   map[string]*grant       // those in force, by ID
	keys     map[digest]*apiToken
	issued   int // API tokens
}

// How many there may be. Beyond that the oldest is forgotten: clients need not say that they have done.
const (
	maxClients  = 1000 // and as many pages that wait for consent, and codes
	maxTokens   = 10_000
	maxAPIKeys  = 1000
	maxSignedIn = 1000
)

// New returns a server for cfg.
func New(cfg Config) *Server {
	s := &Server{
		cfg:     cfg,
		clients: map[string]*client{}, requests: map[string]*request{}, codes: map[digest]*code{}, access: map[digest]*accessToken{},
		refresh: map[digest]refreshToken{}, grants: map[string]*grant{}, keys: map[digest]*apiToken{},
	}
	s.v1, s.identity = newV1(s), newIdentity(s)
	return s
}

// Register adds all of the server's paths to mux.
func (s *Server) Register(mux *http.ServeMux) {
	s.registerMetadata(mux)
	for _, a := range []*authServer{s.v1, s.identity} {
		mux.HandleFunc("POST "+a.register, a.serveRegister)
		mux.HandleFunc("GET "+a.authorize, a.serveAuthorize)
		mux.HandleFunc("POST "+a.authorize, a.serveConsent)
		mux.HandleFunc("POST "+a.token, a.serveToken)
	}
	mux.HandleFunc("POST "+revokePath, s.identity.serveRevoke)
	mux.HandleFunc("GET "+errorPath, serveError)
}

// Counts returns what has been counted.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.unlock()
	s.sweep()
	c := s.counts
	c.Live = len(s.grants)
	return c
}

// RevokeAll ends every sign-in, but no API token.
func (s *Server) RevokeAll() {
	s.mu.Lock()
	defer s.unlock()
	for _, g := range s.grants {
		s.revoke(g, "all were revoked")
	}
}

// ExpireAccess ends all access tokens. The refresh tokens remain.
func (s *Server) ExpireAccess() {
	s.mu.Lock()
	defer s.unlock()
	clear(s.access)
	for _, g := range s.grants {
		g.expires = s.now()
	}
	s.changed = true
}

// Grants returns the sign-ins that are good, oldest first. API tokens are none.
func (s *Server) Grants() []GrantInfo {
	s.mu.Lock()
	defer s.unlock()
	s.sweep()
	var infos []GrantInfo
	for _, g := range s.grants {
		infos = append(infos, GrantInfo{Grant: g.Grant, Server: g.server.name, Resource: g.resource, Since: g.since, Expires: g.expires})
	}
	slices.SortFunc(infos, func(a, b GrantInfo) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	return infos
}

func (s *Server) now() time.Time {
	if s.cfg.Now != nil {
		return s.cfg.Now()
	}
	return time.Now()
}

func (s *Server) fault(name string) (arg string, on bool) {
	if s.cfg.Fault == nil {
		return "", false
	}
	return s.cfg.Fault(name)
}

// strikes reports whether a fault is on. If so it has struck: ask only where it changes what happens.
func (s *Server) strikes(name string) bool {
	_, on := s.fault(name)
	if on {
		s.struck(name)
	}
	return on
}

func (s *Server) struck(name string) {
	if s.cfg.Struck != nil {
		s.cfg.Struck(name)
	}
}

// tell notes what has happened. The caller holds mu.
func (s *Server) tell(kind, account, client, detail string) {
	s.changed = s.changed || kind != "refusal" && kind != "consent"
	s.events = append(s.events, Event{Time: s.now(), Kind: kind, Account: account, Client: client, Detail: clip(detail, 300)})
}

// clip shortens what strangers have sent to n runes.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

// bound forgets the oldest of what there is too much of. The caller holds mu.
func (s *Server) bound() {
	forget(s.clients, maxClients, func(c *client) time.Time { return c.since })
	forget(s.requests, maxClients, func(r *request) time.Time { return r.expires })
	forget(s.codes, maxClients, func(c *code) time.Time { return c.expires })
	forget(s.access, maxTokens, func(t *accessToken) time.Time { return t.expires })
	forget(s.refresh, maxTokens, func(t refreshToken) time.Time { return t.since })
	forget(s.keys, maxAPIKeys, func(k *apiToken) time.Time { return k.since })
	for len(s.grants) > maxSignedIn {
		s.revoke(oldest(s.grants, func(g *grant) time.Time { return g.since }), "there are too many sign-ins")
	}
}

// forget takes the oldest out of m, until there are no more than most.
func forget[K comparable, V any](m map[K]V, most int, since func(V) time.Time) {
	for len(m) > most {
		first := since(oldest(m, since))
		maps.DeleteFunc(m, func(_ K, v V) bool { return len(m) > most && since(v).Equal(first) })
	}
}

// oldest returns the oldest value of m, which has some.
func oldest[K comparable, V any](m map[K]V, since func(V) time.Time) V {
	return slices.MinFunc(slices.Collect(maps.Values(m)), func(a, b V) int { return since(a).Compare(since(b)) })
}

// unlock frees mu, and then tells what has happened: whoever listens may ask the server something.
func (s *Server) unlock() {
	s.bound()
	if s.changed && s.file != "" {
		if err := s.save(); err != nil {
			s.tell("refusal", "", "", "sign-ins are not kept: "+err.Error())
		}
	}
	s.changed = false
	events := s.events
	s.events = nil
	s.mu.Unlock()
	if s.cfg.Event != nil {
		for _, e := range events {
			s.cfg.Event(e)
		}
	}
}
