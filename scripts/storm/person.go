//go:build linux

package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

// desktopEnv is where xdg-open reports to.
const desktopEnv = "STORM_DESKTOP"

// openTab is xdg-open: it tells the person.
func openTab(args []string) error {
	resp, err := http.Post(os.Getenv(desktopEnv), "text/plain", strings.NewReader(strings.Join(args, " ")))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// A person signs in on every tab that opens, and reloads the page if it doesn't load.
type person struct {
	log    *journal
	url    string // of the desktop
	server http.Server
	ctx    context.Context
	cancel context.CancelFunc
	visits sync.WaitGroup

	mu   sync.Mutex // guards tabs
	tabs int
}

func newPerson(log *journal) (*person, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &person{log: log, url: "http://" + l.Addr().String()}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.server.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		page, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
		if err != nil {
			return
		}
		p.mu.Lock()
		p.tabs++
		p.log.printf("tab %d opens", p.tabs)
		p.mu.Unlock()
		p.visits.Go(func() { p.signIn(string(page)) })
	})
	p.visits.Go(func() { p.server.Serve(l) })
	return p, nil
}

// patience is how long the person tries.
const patience = 2 * time.Minute

func (p *person) signIn(page string) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for ctx.Err() == nil {
		_, err := issuer.Accept(ctx, nil, page, issuer.Choice{})
		p.log.printf("the person has signed in: %v", err)
		if err == nil {
			return
		}
		pause(ctx, 500*time.Millisecond)
	}
}

func (p *person) opened() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tabs
}

func (p *person) close() {
	p.cancel()
	p.server.Close()
	p.visits.Wait()
}
