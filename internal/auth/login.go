package auth

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// This file tells how a person signs in: by authorization code with PKCE (RFC 6749 §4.1, RFC 7636), in a browser that comes
// back to loopback (RFC 8252), for one resource (RFC 8707). The implicit and password grants, pushed authorization requests
// (RFC 9126) and DPoP (RFC 9449) are not supported.

// signIn has the user sign in, once for all processes, and a second time if it turns out that the authorization server has
// forgotten this program meanwhile.
func (c *Client) signIn(ctx context.Context, n need) (*grant, error) {
	unlock, waited, err := c.awaitTurn(ctx, n)
	if err != nil {
		return nil, err
	}
	defer unlock()
	g, err := c.latest(ctx)
	if err != nil || n.metBy(g) && !g.expired(time.Now()) {
		return g, err // another process has been quicker
	}
	if waited && !n.login && (g == nil || g.AccessToken == "" || g.AccessToken == n.refused) {
		// The page of the other process is as good as ours. If nobody finished it in its time, ours would be one too many.
		if p, err := c.readPending(ctx); p == nil || err != nil {
			return nil, cmp.Or(err, c.ignored())
		}
	}
	login := c.login
	if c.cfg.DeviceCode {
		login = c.loginByDevice
	}
	g, err = login(ctx, n, false)
	if errors.Is(err, errStale) {
		c.log.Debug("registering again", "err", err)
		g, err = login(ctx, n, true)
	}
	return g, err
}

// login leads the user through one sign-in. With fresh, this program is registered anew.
func (c *Client) login(ctx context.Context, n need, fresh bool) (_ *grant, err error) {
	// A process that died may have left a page open, which this one can finish.
	p, l, err := c.resume(ctx, n)
	if err != nil {
		return nil, err
	}
	resumed := p != nil
	if !resumed {
		if p, l, err = c.prepare(ctx, n, fresh); err != nil {
			return nil, err
		}
	}
	// The page in the browser waits for the result of all that follows.
	defer func() { l.finish(ctx, outcome{Server: c.cfg.Server.Hostname(), Err: err}) }()
	l.serve(p.State)

	if p.Remembered && !resumed && n.scope == nil {
		if err := c.preflight(ctx, c.authorizeURL(&p.Grant, p.endpoint, oauth2.GenerateVerifier(), oauth2.GenerateVerifier())); err != nil {
			return nil, err
		}
	}
	switch {
	case !resumed:
		if c.opens() {
			p.Opened = time.Now()
		}
		c.keepPending(ctx, p)
		c.noteAsked(p.Grant.Requested)
		c.show(p.URL)
	case n.login:
		c.noteAsked(p.Grant.Requested)
		c.showAgain(p.URL)
	default:
		c.announce(p.URL)
	}
	defer c.announce("")

	g, err := c.complete(ctx, p, l)
	switch {
	case err == nil:
		c.dropPending(ctx)
		return g, nil
	case c.ctx.Err() != nil: // the page stays for the next process
		return nil, err
	case p.Remembered && stale(err):
		c.dropPending(ctx)
		return nil, fmt.Errorf("%w: %w", errStale, err)
	}
	c.closePending(ctx, p, err)
	return nil, err
}

// prepare does all that comes before the browser: it finds out where to sign in, takes a port, and makes this program known
// under it.
func (c *Client) prepare(ctx context.Context, n need, fresh bool) (*pending, *listener, error) {
	at, err := c.discover(ctx, n.challenge)
	if err != nil {
		return nil, nil, err
	}
	if !at.guessed {
		c.setNeeded(true) // there is where to sign in, and the client waits for nothing that takes longer
	}
	known, err := c.remembered(ctx, at, fresh)
	if err != nil {
		return nil, nil, err
	}
	port := c.cfg.CallbackPort
	if known != nil {
		port = portOf(known.RedirectURI)
	}
	l, err := c.listen(ctx, port)
	if err != nil && known != nil && c.cfg.CallbackPort == 0 {
		known = nil // its port is taken, and servers compare ports: another port means another registration
		l, err = c.listen(ctx, 0)
	}
	if err != nil {
		return nil, nil, err
	}
	var r registration
	if known != nil {
		r = *known
	} else if r, err = c.register(ctx, at, l.redirectURI); err != nil {
		l.ln.Close()
		return nil, nil, err
	}
	g := c.newGrant(at, r, c.scopes(n, at))
	p := &pending{
		Grant:       *g,
		Issuer:      at.as.Issuer,
		IssRequired: at.as.IssSupported,
		State:       oauth2.GenerateVerifier(), // 256 bits; any will do
		Verifier:    oauth2.GenerateVerifier(),
		Deadline:    time.Now().Add(c.cfg.AuthTimeout),
		Remembered:  known != nil,
		endpoint:    at.as.AuthorizationEndpoint,
	}
	p.URL = c.authorizeURL(g, p.endpoint, p.State, p.Verifier)
	return p, l, nil
}

// complete waits for the user's return and turns it into a grant, which is kept before it is used.
func (c *Client) complete(ctx context.Context, p *pending, l *listener) (*grant, error) {
	wait, cancel := context.WithDeadline(ctx, p.Deadline)
	defer cancel()
	if c.cfg.Prompt != nil {
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.prompt(wait, p, l)
		}()
		defer func() { cancel(); <-done }()
	}
	var q url.Values
	select {
	case q = <-l.arrived:
	case <-wait.Done():
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, c.ignored()
	}
	code, err := readCallback(q, p.Issuer, p.IssRequired)
	if err != nil {
		return nil, err
	}
	c.announce("") // nobody is waited for any more
	p.Spent = true
	c.keepPending(ctx, p)
	t, err := c.exchange(ctx, p, code)
	if err != nil {
		return nil, err
	}
	g := p.Grant.with(t, time.Now())
	c.save(ctx, g)
	return g, nil
}

// ignored is the error for a page that nobody finished.
func (c *Client) ignored() error {
	return &SignInError{Reason: fmt.Sprintf("nobody signed in within %v", c.cfg.AuthTimeout)}
}

// newGrant returns the grant, still without a token, that r will have at this place.
func (c *Client) newGrant(at *place, r registration, scope []string) *grant {
	return &grant{
		SignIn:             rand.Text(),
		Server:             canonical(c.cfg.Server),
		Profile:            c.cfg.Profile,
		Issuer:             at.issuer,
		Resource:           at.resource,
		registration:       r,
		TokenEndpoint:      at.as.TokenEndpoint,
		RevocationEndpoint: at.as.RevocationEndpoint,
		Requested:          scope,
	}
}

// remembered returns the registration of the last grant from this place, nil if there is none that can be used again.
// Registrations are never taken to another issuer.
func (c *Client) remembered(ctx context.Context, at *place, fresh bool) (*registration, error) {
	if _, ok := c.preset(&at.as); ok || fresh {
		return nil, nil
	}
	g, err := c.read(ctx, grantKey(at.issuer, at.resource, c.cfg.Profile))
	if g == nil || err != nil || !c.reusable(&g.registration) {
		return nil, err
	}
	return &g.registration, nil
}

// scopes returns what to ask for (MCP "Scope Selection Strategy"): what the user or the challenge says, else all that the
// resource knows, else nothing. Only a server that lists offline_access is asked for it.
func (c *Client) scopes(n need, at *place) []string {
	scope := n.scope
	if len(scope) == 0 {
		scope = strings.Fields(c.cfg.Scope)
	}
	if len(scope) == 0 {
		scope = strings.Fields(n.challenge.Scope)
	}
	if len(scope) == 0 {
		scope = slices.Clone(at.scopes)
	}
	// Alone it would turn "what you think right" into "nothing but that".
	if len(scope) > 0 && c.cfg.Scope == "" && slices.Contains(at.as.ScopesSupported, "offline_access") {
		scope = union(scope, []string{"offline_access"})
	}
	return scope
}

// authorizeURL returns the page that starts a sign-in (RFC 6749 §4.1.1).
func (c *Client) authorizeURL(g *grant, endpoint, state, verifier string) string {
	conf := oauthConfig(g)
	conf.Endpoint.AuthURL = pageURL(endpoint)
	conf.Scopes = g.Requested
	opts := append(c.resourceOption(g.Resource), oauth2.S256ChallengeOption(verifier))
	if slices.Contains(g.Requested, "offline_access") {
		opts = append(opts, oauth2.SetAuthURLParam("prompt", "consent")) // OpenID Connect Core 1.0 §11
	}
	for k, v := range c.cfg.AuthorizeParams {
		if !Reserved(k) && len(v) > 0 {
			opts = append(opts, oauth2.SetAuthURLParam(k, v[0]))
		}
	}
	return conf.AuthCodeURL(state, opts...)
}

// Reserved reports whether a parameter of the authorization request is ours to set: the rest of a sign-in depends on it.
func Reserved(param string) bool {
	switch param {
	case "client_id", "redirect_uri", "response_type", "response_mode", "state", "scope", "resource", "code_challenge", "code_challenge_method":
		return true
	}
	return false
}

// show announces a page and opens it in the browser.
func (c *Client) show(page string) {
	c.announce(page)
	if !c.opens() {
		return
	}
	c.noteOpened(time.Now())
	// Nobody waits for this goroutine: some launchers last as long as the browser that they start.
	go func() {
		if err := c.cfg.OpenURL(page); err != nil {
			c.tell("No browser could be opened (" + err.Error() + "). Open the page yourself.")
		}
	}()
}

// opens reports whether c opens pages in the browser.
func (c *Client) opens() bool { return c.cfg.OpenURL != nil && c.cfg.Prompt == nil }

// showAgain is show for a page that was shown before, and may be in front of the user still.
func (c *Client) showAgain(page string) {
	c.mu.Lock()
	recent := time.Since(c.opened).Abs() < c.cfg.ShowAgain // the clock may have been put back
	if !recent {
		c.opened = time.Now() // lest others that want the same do so too
	}
	c.mu.Unlock()
	if recent {
		c.announce(page)
		return
	}
	c.show(page)
}

// noteOpened notes that a page was opened in the browser.
func (c *Client) noteOpened(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.After(c.opened) {
		c.opened = at
	}
}

// announce tells the user which page waits for them, "" for none any more.
func (c *Client) announce(page string) {
	c.mu.Lock()
	changed := c.page != page
	c.page = page
	c.mu.Unlock()
	if !changed {
		return
	}
	if page != "" {
		c.setNeeded(true)
	}
	c.changed()
	if c.cfg.Page != nil {
		c.cfg.Page(page)
	}
	if page != "" {
		c.tell("Open this page to sign in: " + page)
	}
}

// prompt takes the address that the user pastes, as if the browser had come to us by it.
func (c *Client) prompt(ctx context.Context, p *pending, l *listener) {
	for {
		s, err := c.cfg.Prompt(ctx, p.URL)
		if err != nil || ctx.Err() != nil {
			return // the browser may still come by itself
		}
		u, err := url.Parse(strings.TrimSpace(s))
		if err != nil || !sameState(u.Query(), p.State) {
			c.tell("That is not the address that the browser ended up at: it has to begin with " + p.Grant.RedirectURI)
			continue
		}
		select {
		case l.arrived <- u.Query():
		default:
		}
		return
	}
}
