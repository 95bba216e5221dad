package auth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Status describes a sign-in, without its secrets.
type Status struct {
	Server      string    `json:"server"`
	Profile     string    `json:"profile,omitempty"`
	SignedIn    bool      `json:"signed_in"`
	Issuer      string    `json:"issuer,omitempty"`
	Resource    string    `json:"resource,omitempty"`
	ClientID    string    `json:"client_id,omitempty"`
	RedirectURI string    `json:"redirect_uri,omitempty"`
	Scopes      []string  `json:"scopes,omitempty"` // granted if the server said so, else requested
	Issued      time.Time `json:"issued,omitzero"`
	Expires     time.Time `json:"expires,omitzero"`  // of the access token; zero if the server did not say
	Renewable   bool      `json:"renewable"`         // without the user
	Pending     string    `json:"pending,omitempty"` // page that waits for the user
	PendingTill time.Time `json:"pending_till,omitzero"`

	// LastFailure says what came of the last sign-in, if nobody is signed in; "" if nothing is known to have gone wrong.
	LastFailure string `json:"last_failure,omitempty"`
}

func (g *grant) status() Status {
	scopes := g.Granted
	if len(scopes) == 0 {
		scopes = g.Requested
	}
	return Status{
		Server:      g.Server,
		Profile:     g.Profile,
		SignedIn:    g.AccessToken != "" && (!g.expired(time.Now()) || g.RefreshToken != ""),
		Issuer:      g.Issuer,
		Resource:    g.Resource,
		ClientID:    g.ClientID,
		RedirectURI: g.RedirectURI,
		Scopes:      slices.Clone(scopes),
		Issued:      g.Issued,
		Expires:     g.Expires,
		Renewable:   g.RefreshToken != "",
	}
}

// Status returns what the store says about Config.Server and Config.Profile. It asks no server.
func (c *Client) Status(ctx context.Context) (Status, error) {
	g, err := c.stored(ctx)
	if err != nil {
		return Status{}, err
	}
	s := Status{Server: canonical(c.cfg.Server), Profile: c.cfg.Profile}
	if g != nil {
		s = g.status()
	}
	p, err := c.lastPending(ctx)
	switch {
	case p == nil:
	case p.failure() == "" && p.waits():
		s.Pending, s.PendingTill = p.URL, p.Deadline
	case !s.SignedIn:
		s.LastFailure = p.failure()
	}
	return s, err
}

// StatusAll returns what the store says about every server and profile.
func (c *Client) StatusAll(ctx context.Context) ([]Status, error) {
	all, err := c.grants(ctx)
	if err != nil {
		return nil, err
	}
	var list []Status
	for _, g := range all {
		list = append(list, g.status())
	}
	return list, nil
}

// Logout revokes the grant for Config.Server and Config.Profile where the server supports that (RFC 7009), and deletes it
// with its registration. What is stored is deleted even if the server can't be told, which is an error all the same.
func (c *Client) Logout(ctx context.Context) error {
	g, err := c.stored(ctx)
	if err != nil {
		return err
	}
	c.dropIdlePending(ctx, c.pendingKey())
	if g != nil {
		err = c.forget(ctx, g.key()) // first: without the pointer nobody would find it again
	}
	err = errors.Join(err, c.cfg.Store.Delete(ctx, c.pointerKey()))
	c.unload()
	return err
}

// unload forgets what is in memory.
func (c *Client) unload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loaded, c.grant, c.unsaved = false, nil, false
}

// LogoutAll does what Logout does for every server and profile.
func (c *Client) LogoutAll(ctx context.Context) error {
	keys, err := c.cfg.Store.List(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		switch {
		case strings.HasPrefix(k, grantPrefix):
			err = errors.Join(err, c.forget(ctx, k))
		case strings.HasPrefix(k, serverPrefix):
			err = errors.Join(err, c.cfg.Store.Delete(ctx, k))
		case strings.HasPrefix(k, pendingPrefix):
			c.dropIdlePending(ctx, k)
		}
	}
	c.unload()
	return err
}

// forget revokes and deletes the grant under key. The lock keeps a renewal from bringing it back.
func (c *Client) forget(ctx context.Context, key string) error {
	unlock, err := c.cfg.Store.Lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	g, err := c.read(ctx, key)
	if err != nil {
		return err
	}
	var refused error
	if g != nil {
		refused = c.at(g.Server).revoke(ctx, g)
	}
	err = c.cfg.Store.Delete(ctx, key)
	if err == nil && refused != nil {
		return fmt.Errorf("signed out on this computer, but the server goes on taking the tokens until they expire: %w", refused)
	}
	return errors.Join(err, refused)
}

// at returns a client like c for another server, which decides whom it may talk to (see guard.go). It is only for requests that are over when
// the caller is.
func (c *Client) at(server string) *Client {
	u, err := url.Parse(server)
	if err != nil || canonical(u) == canonical(c.cfg.Server) {
		return c
	}
	cfg := c.cfg
	cfg.Server = u
	return New(cfg)
}

// Import keeps a sign-in that another program made at issuer, as if it had been made here. The authorization server must
// be the one that Config.Server names today.
func (c *Client) Import(ctx context.Context, s Imported) error {
	at, err := c.discover(ctx, c.probe(ctx))
	if err != nil {
		return err
	}
	if s.Issuer != "" && s.Issuer != at.issuer && s.Issuer != at.as.Issuer {
		return errors.New("importing a sign-in: it was made at another authorization server")
	}
	if s.ClientID == "" || s.RefreshToken == "" && s.AccessToken == "" || !validToken(s.AccessToken) || !validToken(s.RefreshToken) {
		return errors.New("importing a sign-in: it is incomplete")
	}
	r := registration{ClientID: s.ClientID, ClientSecret: s.ClientSecret, AuthMethod: s.AuthMethod, RedirectURI: s.RedirectURI}
	if r.AuthMethod == "" {
		r.AuthMethod = authNone
		if r.ClientSecret != "" {
			r.AuthMethod = authPost
		}
	}
	g := c.newGrant(at, r, s.Scopes)
	g.AccessToken, g.RefreshToken = s.AccessToken, s.RefreshToken
	g.Issued = time.Now()
	if s.Expires.Before(g.Issued.Add(maxLifetime * time.Second)) {
		g.Expires = s.Expires
	}
	c.save(ctx, g)
	return nil
}

// Imported is the sign-in of another program.
type Imported struct {
	Issuer       string // "" if unknown
	ClientID     string
	ClientSecret string
	AuthMethod   string // token_endpoint_auth_method; "" means none, or client_secret_post if there is a secret
	RedirectURI  string // "" if unknown
	Scopes       []string
	AccessToken  string
	RefreshToken string
	Expires      time.Time // of AccessToken; zero if unknown
}
