//go:build linux

package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A proxy is the network between the relays and the server.
type proxy struct {
	url       string
	listener  net.Listener
	server    http.Server
	served    sync.WaitGroup
	transport *http.Transport
	target    string         // host and port of the server
	rotating  sync.RWMutex   // held for reading while the token endpoint is asked, whose answer must not be lost
	tokens    chan struct{}  // nil, or closed when requests to the token endpoint may go on
	arrived   int            // such requests since tokens was set
	mu        sync.Mutex     // guards tokens, arrived and the rest
	dice      *rand.Rand     // which requests a fault meets
	faults    map[string]int // that are on, by name; how often
	released  chan struct{}  // closed when half-open connections are reset
	open      map[*exchange]bool
	sessions  map[string]*knownSession // by the beginning of their ID

	expiry  sync.Mutex      // guards the rest, and is held while tokens expire or are revoked
	expired map[string]bool // endpoints whose access tokens have expired, which nobody has been told
	met     int             // how often somebody was: the least of renewals that are possible
}

// An exchange is an answer that is being passed on. Its channel takes the name of a fault that it meets meanwhile.
type exchange struct{ hit chan string }

// A knownSession is one whose ID has reached a client.
type knownSession struct {
	excused bool // the proxy has said that it is gone, or has lost the client's word that it is to end
}

func newProxy(seed uint64) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &proxy{
		url: "http://" + l.Addr().String(), listener: l,
		transport: &http.Transport{MaxIdleConnsPerHost: 200, DisableCompression: true},
		dice:      rand.New(rand.NewPCG(seed, 1)),
		faults:    map[string]int{}, released: make(chan struct{}), open: map[*exchange]bool{}, sessions: map[string]*knownSession{}, expired: map[string]bool{},
	}, nil
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

func (p *proxy) serve(target string) {
	p.target = target
	p.server = http.Server{
		Handler:     p,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ErrorLog:    log.New(io.Discard, "", 0),
	}
	p.served.Go(func() { p.server.Serve(p.listener) })
}

func (p *proxy) close() {
	p.server.Close()
	p.served.Wait()
	p.transport.CloseIdleConnections()
}

const sessionHeader = "Mcp-Session-Id"

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.abort(r, false)
	}
	f := p.fate(r, body)
	if f != (fate{}) {
		p.excuse(r, f)
	}
	pause(r.Context(), f.before)
	switch {
	case f.cut == onTheWay:
		p.abort(r, f.reset)
	case f.stuck == onTheWay:
		p.stick(r)
	case f.status != 0:
		if f.status != http.StatusNotFound {
			w.Header().Set("Retry-After", "1")
		}
		http.Error(w, http.StatusText(f.status), f.status)
		return
	}
	if isToken(r) {
		if !p.admit(r) {
			p.abort(r, false)
		}
		p.rotating.RLock()
		defer p.rotating.RUnlock()
	}
	resp, err := p.forward(r, body)
	for err != nil && isToken(r) && r.Context().Err() == nil { // as a load balancer that knows no other server
		pause(r.Context(), 50*time.Millisecond)
		resp, err = p.forward(r, body)
	}
	if err != nil {
		p.abort(r, true) // the server is dead, or dies
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized && !isToken(r) { // who holds rotating must not wait for expiry
		p.unauthorized(r.URL.Path)
	}
	switch pause(r.Context(), f.after); {
	case f.cut == unheard:
		p.abort(r, f.reset)
	case f.stuck == unheard:
		p.stick(r)
	case f.late != 0:
		http.Error(w, http.StatusText(f.late), f.late)
		return
	}
	p.pass(w, r, resp, f)
}

// forward asks the server.
func (p *proxy) forward(r *http.Request, body []byte) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host = "http", p.target
	out.RequestURI = ""
	out.Body = io.NopCloser(bytes.NewReader(body))
	return p.transport.RoundTrip(out)
}

// pass passes the answer on.
func (p *proxy) pass(w http.ResponseWriter, r *http.Request, resp *http.Response, f fate) {
	x := &exchange{make(chan string, 8)}
	if !isToken(r) {
		p.mu.Lock()
		p.open[x] = true
		p.mu.Unlock()
		defer func() {
			p.mu.Lock()
			delete(p.open, x)
			p.mu.Unlock()
		}()
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	flush := http.NewResponseController(w).Flush
	flush()
	p.told(resp.Header.Get(sessionHeader))

	parts := make(chan []byte)
	var failed error
	go func() {
		defer close(parts)
		for {
			buf := make([]byte, 32<<10)
			n, err := resp.Body.Read(buf)
			if n > 0 {
				select {
				case parts <- buf[:n]:
				case <-r.Context().Done():
					return
				}
			}
			if err != nil {
				if err != io.EOF {
					failed = err
				}
				return
			}
		}
	}()
	var event []byte // that has not passed as a whole yet
	events := f.twice && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")
	for {
		select {
		case part, ok := <-parts:
			switch {
			case !ok && failed != nil:
				p.abort(r, true)
			case !ok:
				return
			case f.cut == midAnswer, f.stuck == midAnswer:
				w.Write(part[:len(part)/2])
				flush()
				if f.stuck == midAnswer {
					p.stick(r)
				}
				p.abort(r, f.reset)
			}
			w.Write(part)
			if event = append(event, part...); events && bytes.HasSuffix(event, []byte("\n\n")) {
				w.Write(event)
			}
			if bytes.HasSuffix(event, []byte("\n\n")) || !events {
				event = nil
			}
			flush()
		case name := <-x.hit:
			if name == "half-open" {
				p.stick(r)
			}
			p.abort(r, name == "reset")
		case <-r.Context().Done():
			return
		}
	}
}

// abort ends the connection of r.
func (p *proxy) abort(r *http.Request, reset bool) {
	if c, ok := r.Context().Value(connKey{}).(*net.TCPConn); ok && reset {
		c.SetLinger(0)
	}
	panic(http.ErrAbortHandler)
}

// stick keeps the connection of r open and silent until it is released, or the client has had enough.
func (p *proxy) stick(r *http.Request) {
	p.mu.Lock()
	released := p.released
	p.mu.Unlock()
	select {
	case <-released:
	case <-r.Context().Done():
	}
	p.abort(r, true)
}

// release resets the connections that are half open.
func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.released)
	p.released = make(chan struct{})
}

// begin switches a fault on. Some meet what is under way, too.
func (p *proxy) begin(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults[name]++
	for x := range p.open {
		if name == "half-open" || (name == "cut" || name == "reset") && p.dice.IntN(2) == 0 {
			select {
			case x.hit <- name:
			default:
			}
		}
	}
}

func (p *proxy) end(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults[name]--
}

// told notes that a client knows of a session.
func (p *proxy) told(id string) {
	if len(id) < 8 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sessions[id[:8]] == nil {
		p.sessions[id[:8]] = new(knownSession)
	}
}

// excuse notes that the client of r can't be blamed if its session stays.
func (p *proxy) excuse(r *http.Request, f fate) {
	id := r.Header.Get(sessionHeader)
	if len(id) < 8 || f.status != http.StatusNotFound && r.Method != http.MethodDelete {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sessions[id[:8]]; s != nil {
		s.excused = true
	}
}

// owed reports whether a client knows of a session and has no excuse for leaving it behind.
func (p *proxy) owed(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sessions[id]
	return s != nil && !s.excused
}

// unauthorized notes that somebody is told that an access token is not good any more.
func (p *proxy) unauthorized(path string) {
	p.expiry.Lock()
	defer p.expiry.Unlock()
	for endpoint := range p.expired {
		if strings.HasPrefix(path, endpoint) {
			delete(p.expired, endpoint)
			p.met++
		}
	}
}

// hold keeps requests to the token endpoint from reaching it until letGo, which returns how many came.
func (p *proxy) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens, p.arrived = make(chan struct{}), 0
}

func (p *proxy) letGo() (arrived int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.tokens)
	p.tokens = nil
	return p.arrived
}

func (p *proxy) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.arrived
}

// admit lets a request go on to the token endpoint. It returns false if the client has gone.
func (p *proxy) admit(r *http.Request) bool {
	p.mu.Lock()
	tokens := p.tokens
	if tokens != nil {
		p.arrived++
	}
	p.mu.Unlock()
	if tokens == nil {
		return true
	}
	select {
	case <-tokens:
		return r.Context().Err() == nil
	case <-r.Context().Done():
		return false
	}
}
