//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
)

const (
	// streamable is the endpoint whose authorization server is strict: it has single-use refresh tokens, and takes the whole sign-in if one
	// is used twice.
	streamable = "/v1/mcp/authv2"

	// sse is the older way in, by HTTP+SSE, with an authorization server of its own.
	sse = "/v1/sse"
)

// serve is the process of the sandbox. What it does it says on standard output, before its clients hear of it, so that its death takes no count along.
func serve(args []string) error {
	var cfg sandbox.Config
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.StringVar(&cfg.Addr, "addr", "", "")
	flags.StringVar(&cfg.Origin, "origin", "", "")
	flags.StringVar(&cfg.Grants, "grants", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cfg.Log = slog.New(slog.NewJSONHandler(os.Stdout, nil))
	s, err := sandbox.Start(cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	cfg.Log.Info("ready")
	_, err = io.Copy(io.Discard, os.Stdin) // ends with whoever started it
	return err
}

// A server is the sandbox, through all of its deaths.
type server struct {
	command []string
	url     string // for us, past the proxy
	proxy   *proxy
	stderr  string

	life sync.Mutex // held while the process is started, killed or asked to do something
	cmd  *exec.Cmd
	in   io.Closer
	read chan struct{} // closed when its output has been read

	mu      sync.Mutex     // guards the rest
	marks   map[string]int // calls carried out
	events  map[string]int // of the issuer, by kind
	revoked int            // sign-ins that ended because we wanted it
}

func startServer(self string, p *proxy, grants, stderr string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	l.Close() // and take the port again, each time
	s := &server{
		command: []string{self, "server", "--addr", addr, "--origin", p.url, "--grants", grants},
		url:     "http://" + addr, proxy: p, stderr: stderr, marks: map[string]int{}, events: map[string]int{},
	}
	p.serve(addr)
	return s, s.begin()
}

// begin starts the process and waits until it listens. The caller holds life, if anybody else can have it.
func (s *server) begin() error {
	cmd := exec.Command(s.command[0], s.command[1:]...)
	stderr, err := os.OpenFile(s.stderr, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer stderr.Close()
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.in, s.read = cmd, in, make(chan struct{})
	ready := make(chan struct{})
	go s.listen(out, ready)
	select {
	case <-ready:
		return nil
	case <-s.read:
		return fmt.Errorf("the server does not start, see %s", s.stderr)
	}
}

// listen counts what the process says.
func (s *server) listen(out io.Reader, ready chan<- struct{}) {
	defer close(s.read)
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var said struct{ Msg, Kind, Detail, Status, Mark string }
		if json.Unmarshal(line, &said) != nil {
			continue
		}
		s.mu.Lock()
		switch said.Msg {
		case "ready":
			close(ready)
		case "sign-in":
			s.events[said.Kind]++
			if said.Kind == "revocation" && said.Detail == "all were revoked" { // not by a client, nor for the reuse of a token
				s.revoked++
			}
		case "call":
			if said.Status == "ok" || said.Status == "error" || said.Status == "invalid" {
				s.marks[said.Mark]++
			}
		}
		s.mu.Unlock()
	}
}

// restart kills the process, and starts it again after a while. Who wants to control it waits for that.
func (s *server) restart(down time.Duration) error {
	s.life.Lock()
	defer s.life.Unlock()
	s.killLocked()
	time.Sleep(down)
	var err error
	for range 20 { // somebody's connection may have got the port
		if err = s.begin(); err == nil {
			return nil
		}
		time.Sleep(250 * time.Millisecond)
	}
	return err
}

// kill kills the process.
func (s *server) kill() {
	s.life.Lock()
	defer s.life.Unlock()
	s.killLocked()
}

// killLocked kills the process, but not while the token endpoint answers. The caller holds life.
func (s *server) killLocked() {
	s.proxy.rotating.Lock()
	s.cmd.Process.Kill()
	s.proxy.rotating.Unlock()
	<-s.read
	s.cmd.Wait()
	s.in.Close()
	s.proxy.transport.CloseIdleConnections()
}

// control asks the server for something past the proxy. It decodes the answer into into, unless that is nil.
func (s *server) control(method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	s.life.Lock()
	defer s.life.Unlock()
	req, err := http.NewRequest(method, s.url+"/control/"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// expireTokens ends all access tokens.
func (s *server) expireTokens() error {
	s.proxy.expiry.Lock()
	defer s.proxy.expiry.Unlock()
	if err := s.control("POST", "tokens/expire", nil, nil); err != nil {
		return err
	}
	for _, endpoint := range []string{streamable, sse} {
		s.proxy.expired[endpoint] = true
	}
	return nil
}

// revokeTokens ends all sign-ins. Nobody can renew what they were good for.
func (s *server) revokeTokens() error {
	s.proxy.expiry.Lock()
	defer s.proxy.expiry.Unlock()
	clear(s.proxy.expired)
	return s.control("POST", "tokens/revoke", nil, nil)
}

// event returns how often the issuer has done something.
func (s *server) event(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events[kind]
}
