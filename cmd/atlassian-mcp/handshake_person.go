package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/auth"
	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// A signer sends requests as the user: with an API token that is kept for the server, or else as auth.Client does. Which of the two is found
// out by the first request, since a keychain may take its time, and again whenever a person is needed.
type signer struct {
	cfg     auth.Config
	given   bool          // requests say by themselves who the user is, and are not sent by this signer
	changed chan struct{} // has a token when the relay should look whether a person is needed

	mu     sync.Mutex // held while client is made or replaced
	client atomic.Pointer[auth.Client]

	looked, lookedAt time.Time // the state directory as it was at the last look, and when that was
}

// newSigner returns a signer whose requests wait for a person for as long as patience. A page is opened once: models call sign_in several times
// at once, again and again, and in each of their clients, and whoever has closed the tab has its address from the tool.
func newSigner(cfg auth.Config, patience time.Duration) *signer {
	s := &signer{cfg: cfg, changed: make(chan struct{}, 1)}
	s.cfg.Patience, s.cfg.ShowAgain = patience, cfg.AuthTimeout
	s.cfg.Changed = s.change
	return s
}

// change says that something is different.
func (s *signer) change() {
	select {
	case s.changed <- struct{}{}:
	default: // which it has been said to be
	}
}

// Do is remote.Config's.
func (s *signer) Do(req *http.Request) (*http.Response, error) {
	client, err := s.get(req.Context())
	if err != nil {
		return nil, err
	}
	return client.Do(req)
}

// get returns the client, which it makes if there is none yet.
func (s *signer) get(ctx context.Context) (*auth.Client, error) {
	if client := s.client.Load(); client != nil {
		return client, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if client := s.client.Load(); client != nil {
		return client, nil
	}
	cfg := s.cfg
	if cfg.Authorization == "" {
		var err error
		if cfg.Authorization, err = s.storedAuthorization(ctx); err != nil {
			return nil, err
		}
	}
	client := auth.New(cfg)
	s.client.Store(client)
	return client, nil
}

// storedAuthorization returns the header that carries the API token which is kept for the server, "" if none is.
func (s *signer) storedAuthorization(ctx context.Context) (string, error) {
	if !atlassian.TakesAPIToken(s.cfg.Server) {
		return "", nil
	}
	token, err := storedToken(ctx, s.cfg.Store, tokenKey(s.cfg.Server, s.cfg.Profile))
	return token.authorization(), err
}

// account returns a name for what the user has signed in as.
func (s *signer) account(ctx context.Context) (string, error) {
	client, err := s.get(ctx)
	if err != nil {
		return "", err
	}
	return client.Account(ctx)
}

// person returns how the relay has to do with the person.
func (s *signer) person() *relay.SignIn {
	return &relay.SignIn{State: s.state, Changed: s.changed, Caused: needsPerson, Open: s.open, Look: s.look}
}

// needsPerson reports whether err is for want of a person who signs in.
func needsPerson(err error) bool {
	_, ok := errors.AsType[*auth.SignInError](err)
	return ok || errors.Is(err, auth.ErrDenied)
}

// mayPass reports whether err may be over by itself.
func mayPass(err error) bool {
	_, transient := errors.AsType[*auth.TransientError](err)
	return transient || remote.Transient(err) || errors.Is(err, auth.ErrClosed) // as it is while an API token takes the place of a sign-in
}

func (s *signer) state() (page string, needed bool) {
	client := s.client.Load()
	if client == nil {
		return "", false
	}
	return client.Page(), client.Needed()
}

// open has the user sign in because they asked for it.
func (s *signer) open(ctx context.Context) error {
	client, err := s.get(ctx)
	if err != nil {
		return err
	}
	return client.Login(ctx)
}

// lookAnyway is how long a look into the store may be saved because its directory is as it was: some file systems tell the time in seconds.
const lookAnyway = 30 * time.Second

// look looks whether the user has signed in by another process, or has given an API token. It is for one goroutine.
func (s *signer) look(ctx context.Context) {
	dir, err := keychain.StateDir()
	if err != nil {
		return
	}
	info, err := os.Stat(dir)
	if err != nil || info.ModTime().Equal(s.looked) && time.Since(s.lookedAt) < lookAnyway {
		return
	}
	s.looked, s.lookedAt = info.ModTime(), time.Now()
	client, err := s.get(ctx)
	if err != nil {
		return
	}
	token, err := s.storedAuthorization(ctx)
	if err == nil && token != "" {
		cfg := s.cfg
		cfg.Authorization = token
		s.mu.Lock()
		s.client.Store(auth.New(cfg))
		s.mu.Unlock()
		s.change()
		client.Close() // whoever waits for the page waits no longer
		return
	}
	if err := errors.Join(err, client.Look(ctx)); err != nil {
		s.cfg.Log.Debug("looking for a sign-in", "err", err)
	}
}

// Leave stops waiting for a person who has a page to sign in on: whoever asked is gone. The page stays, for the next process. What needs nobody,
// such as a renewal, goes on.
func (s *signer) Leave() {
	if client := s.client.Load(); client != nil && client.Page() != "" {
		go client.Close() // Close waits for the same
	}
}

// closeGrace is how long the end of the program waits for the client to end. A call of the keychain's can't be interrupted and may
// wait for a person; what it is about is either stored or not, whether the program ends before or after it.
const closeGrace = 50 * time.Millisecond

// Close ends the client.
func (s *signer) Close() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.mu.Lock()
		defer s.mu.Unlock()
		if client := s.client.Load(); client != nil {
			client.Close()
		}
	}()
	select {
	case <-closed:
	case <-time.After(closeGrace):
	}
}
