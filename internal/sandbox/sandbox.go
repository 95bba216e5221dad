// Package sandbox plays the Atlassian Rovo MCP Server on the loopback interface: its endpoints, its authorization servers, its
// tools over an organization that it makes up, and the ways in which the real one fails, on demand.
//
// A message visits the files in this order:
//
//	guard.go     is it from this machine, and no web page?      headers of every answer
//	post.go      one POST, and what is refused there            Streamable HTTP, 2025-11-25 and before; stream.go: its answer
//	session.go   what initialize opens; GET and DELETE          modern.go: 2026-07-28, which has neither
//	sse.go       the older way in                               HTTP with SSE, 2024-11-05
//	method.go    what a request asks for                        resource.go: the pages of its interactive tools
//	call.go      tools/call                                     fault.go: what goes wrong
//	record.go    what was done, and how often                   control.go: both from outside
//	page.go      the same for people, in a browser              audit.go: for administrators
//	tenant.go    the cloud IDs of its sites
//
// What the real server answers was seen on the wire or read from the open-source libraries that it is built with. See package
// [rovo] for the tools and package [issuer] for signing in.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/rovo"
)

// Config says what a [Server] is to be like. The zero value is a server on a free port, whose organization is kept in memory.
type Config struct {
	Addr   string       // a loopback address and a port, such as 127.0.0.1:7070; "" means a free port
	Origin string       // what clients call it if something stands before it, such as http://127.0.0.1:8080; "" means its own address
	Data   string       // the file that keeps the organization; "" means memory
	Grants string       // the file that keeps who is signed in; "" means memory
	User   string       // email, name or first name of whom the consent page takes for granted; "" lets the person choose
	Faults []string     // those that are on from the start: NAME or NAME=ARG
	Log    *slog.Logger // nil means nowhere

	// Command is what starts a relay, for the page that says what to put into the configuration of a client; "" means atlassian-mcp.
	Command string
}

// A Server is a running sandbox. Its methods may be used concurrently.
type Server struct {
	org    *rovo.Org
	issuer *issuer.Server
	log    *slog.Logger
	faults faults
	record record

	command string // see Config

	origin string
	http   http.Server
	ctx    context.Context // until Close
	stop   context.CancelFunc
	served sync.WaitGroup // the loop that accepts connections, and every connection

	clock atomic.Int64 // orders what time.Now may not: openings of sessions, renewals of tokens and switching of faults

	mu        sync.Mutex // guards the rest
	sessions  map[string]*session
	renewed   map[string]int64       // when each account last got a token, on clock
	listeners map[chan string]string // open streams from us, and what they want to hear of: "" for everything
}

// A ConfigError says what in a [Config] makes no sense.
type ConfigError struct{ what string }

func (e *ConfigError) Error() string { return e.what }

// Start starts a server. Its caller must close it.
func Start(cfg Config) (*Server, error) {
	addr := cfg.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	if err := checkLoopback(addr); err != nil {
		return nil, err
	}
	s := &Server{
		log:       cfg.Log,
		command:   cfg.Command,
		sessions:  map[string]*session{},
		renewed:   map[string]int64{},
		listeners: map[chan string]string{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for _, f := range cfg.Faults {
		if err := s.setFault(f); err != nil {
			return nil, &ConfigError{err.Error()}
		}
	}
	var err error
	if s.org, err = rovo.Open(cfg.Data); err != nil {
		return nil, err
	}
	if cfg.User != "" {
		person, err := s.named(cfg.User, func(p rovo.Person) bool { return !p.Service })
		if err != nil {
			return nil, &ConfigError{err.Error()}
		}
		cfg.User = person.Email
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	if s.origin = cfg.Origin; s.origin == "" {
		s.origin = "http://" + l.Addr().String()
	}
	s.issuer = issuer.New(issuer.Config{
		Origin: s.origin,
		People: s.people,
		User:   cfg.User,
		Fault:  s.faults.arg,
		Struck: s.faults.count,
		Event:  s.heard,
	})
	if cfg.Grants != "" {
		if err := s.issuer.Keep(cfg.Grants); err != nil {
			l.Close()
			return nil, err
		}
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.http = http.Server{
		Handler:           s.guard(s.routes()),
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ConnState:         s.track,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.served.Go(func() { s.http.Serve(l) }) // returns when closed
	return s, nil
}

// named returns whoever somebody means by name, of those who may be meant. The error says who they are.
func (s *Server) named(name string, may func(rovo.Person) bool) (rovo.Person, error) {
	var there []string
	for _, p := range s.org.People() {
		switch {
		case !may(p):
		case isCalled(p, name):
			return p, nil
		default:
			there = append(there, p.Name)
		}
	}
	return rovo.Person{}, fmt.Errorf("nobody in the organization is called %q, there are %s", name, strings.Join(there, ", "))
}

// isCalled reports whether somebody means p by name.
func isCalled(p rovo.Person, name string) bool {
	first, _, _ := strings.Cut(p.Name, " ")
	return strings.EqualFold(name, p.Email) || strings.EqualFold(name, p.Name) || strings.EqualFold(name, first)
}

// checkLoopback refuses an address that other machines could reach: what the sandbox issues is good for nothing else, but its
// control endpoint asks nobody who they are.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() || host == "localhost" {
		return nil
	}
	return fmt.Errorf("%q is not a loopback address, and the sandbox is for this machine only", addr)
}

// track keeps served: a connection that is closed has no handler at work any more.
func (s *Server) track(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.served.Add(1)
	case http.StateClosed:
		s.served.Done()
	}
}

// Close ends every session and stream, and waits until all is at rest.
func (s *Server) Close() {
	s.stop()
	// Streams may say that they end, for which they have a second.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		s.http.Close()
	}
	s.served.Wait()
}

// URL returns the origin of the server, such as http://127.0.0.1:7070.
func (s *Server) URL() string { return s.origin }

// Endpoint returns the URL of a path such as /v1/mcp.
func (s *Server) Endpoint(path string) string { return s.origin + path }

// Issuer returns what lets people in.
func (s *Server) Issuer() *issuer.Server { return s.issuer }

// Org returns the organization.
func (s *Server) Org() *rovo.Org { return s.org }

// An endpoint is a way to the tools.
type endpoint struct {
	path   string
	v2     bool // the tools of September 2026
	modern bool // speaks 2026-07-28 besides what came before it
}

var endpoints = []endpoint{
	{path: "/v1/mcp"},
	{path: "/v1/mcp/authv2"},
	{path: "/v2/mcp", v2: true},
	{path: "/mcp", modern: true},
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, ep := range endpoints {
		mux.Handle(ep.path, s.endpoint(ep, s.serveMCP))
	}
	mux.Handle(ssePath, s.endpoint(endpoint{path: ssePath}, s.serveSSE))
	mux.Handle(ssePath+"/message", s.endpoint(endpoint{path: ssePath}, s.serveSSEMessage))
	s.issuer.Register(mux)
	s.registerControl(mux)
	s.registerPages(mux)
	return s.tenants(mux)
}

// people tells the issuer who there is.
func (s *Server) people() []issuer.Person {
	var people []issuer.Person
	for _, p := range s.org.People() {
		person := issuer.Person{Account: p.Account, Email: p.Email, Name: p.Name, Service: p.Service}
		for _, place := range s.org.Places(p.Account) {
			person.Places = append(person.Places, issuer.Place(place))
		}
		people = append(people, person)
	}
	return people
}

// person returns the first of whom is is true, nil if there is nobody.
func (s *Server) person(is func(rovo.Person) bool) *rovo.Person {
	for _, p := range s.org.People() {
		if is(p) {
			return &p
		}
	}
	return nil
}

// heard is told what the issuer does.
func (s *Server) heard(e issuer.Event) {
	s.log.Info("sign-in", "kind", e.Kind, "account", e.Account, "client", e.Client, "detail", e.Detail)
	s.record.event(e)
	s.auditEvent(e)
	if e.Kind == "grant" || e.Kind == "refresh" {
		s.mu.Lock()
		s.renewed[e.Account] = s.clock.Add(1)
		s.mu.Unlock()
	}
}
