package auth

import (
	"context"
	"errors"
	"time"
)

// This file sees to it that any number of requests that lack a good token cause one renewal, or one sign-in.

// A need is what a request lacks.
type need struct {
	load  bool // only to know what the store has
	quiet bool // renewal ahead of time: nobody is to be asked
	login bool // the user's wish to sign in, whatever there is

	refused     string // access token that was not good enough; "" if there was none
	challenge   challenge
	scope       []string // asked for beyond what was granted, with all that was requested before
	interactive bool     // somebody waits, so a browser may be opened
}

// metBy reports whether g, which may be nil, is worth another try.
func (n *need) metBy(g *grant) bool {
	return g != nil && g.AccessToken != "" && g.AccessToken != n.refused && g.covers(n.scope)
}

// asks reports whether meeting n may involve the user.
func (n *need) asks() bool { return n.interactive && !n.quiet && !n.load }

// A flight is one attempt to meet a need, shared by all requests that have the same.
type flight struct {
	need  need
	done  chan struct{} // closed when grant and err are set
	grant *grant
	err   error
}

// obtain meets n: it joins the flight under way, or starts one, until one has met n or could not have done more.
// For a need to load it returns nil if there is no grant.
func (c *Client) obtain(ctx context.Context, n need) (*grant, error) {
	var impatient <-chan time.Time
	for {
		c.mu.Lock()
		if n.load && c.loaded || c.loaded && n.metBy(c.grant) {
			g := c.grant
			c.mu.Unlock()
			return g, nil
		}
		f, mine := c.flight, false
		if f == nil {
			f, mine = c.start(n), true
		}
		c.mu.Unlock()

		if impatient == nil && n.asks() && !n.login && c.cfg.Patience > 0 {
			timer := time.NewTimer(c.patience())
			defer timer.Stop()
			impatient = timer.C
		}
		if over, err := c.wait(ctx, f, impatient); !over {
			return nil, err
		}
		var idle *SignInError
		switch {
		case mine:
			return f.grant, f.err
		case f.err == nil, f.need.load, n.asks() && !f.need.asks() && errors.As(f.err, &idle):
			// Look again: it went well, or stopped at what only a request that asks may do.
		default:
			return nil, f.err
		}
	}
}

// toldPatience is how long a request waits for the user if another has waited in vain for the same page. Whoever made that knows what to do, and
// the page may just be being used.
const toldPatience = 2 * time.Second

// patience returns how long a request that comes now waits for the user.
func (c *Client) patience() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.page != "" && c.page == c.told {
		return min(c.cfg.Patience, toldPatience)
	}
	return c.cfg.Patience
}

// wait waits for f. It returns false and an error when that is not worth it any more: when ctx is done, or when impatient has fired and it is the
// user who is waited for.
func (c *Client) wait(ctx context.Context, f *flight, impatient <-chan time.Time) (over bool, err error) {
	var look <-chan time.Time // fires when it is time to look for a page again
	for {
		select {
		case <-f.done:
			return true, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-impatient:
		case <-look:
		}
		if page := c.Page(); page != "" {
			c.mu.Lock()
			c.told = page
			c.mu.Unlock()
			return false, &SignInError{URL: page, Reason: "the page waits for somebody to sign in"}
		}
		impatient, look = nil, time.After(time.Second)
	}
}

// start launches a flight. It lives as long as the Client, not as the request that started it, because others join it
// and because an answer that is already on its way (a rotated token, a person typing a password) must not be lost.
// The caller holds c.mu.
func (c *Client) start(n need) *flight {
	f := &flight{need: n, done: make(chan struct{})}
	if c.ctx.Err() != nil {
		f.err = ErrClosed
		close(f.done)
		return f
	}
	c.flight = f
	c.wg.Go(func() {
		g, err := c.meet(c.ctx, n)
		if err != nil && c.ctx.Err() != nil {
			err = ErrClosed
		}
		c.mu.Lock()
		f.grant, f.err = g, err
		c.flight = nil
		c.mu.Unlock()
		var signIn *SignInError
		switch {
		case err == nil && !n.load:
			c.setNeeded(false)
		case errors.As(err, &signIn) && !n.quiet, errors.Is(err, ErrDenied):
			c.setNeeded(true)
		}
		close(f.done)
	})
	return f
}

// meet meets n by the least that will do: what another process has stored, renewal, sign-in.
func (c *Client) meet(ctx context.Context, n need) (*grant, error) {
	g, err := c.latest(ctx)
	if err != nil {
		return nil, err
	}
	if n.load || n.metBy(g) && !g.expired(time.Now()) {
		return g, nil
	}
	if c.cfg.ClientCredentials && !n.quiet {
		return c.credentials(ctx, n)
	}
	if n.scope == nil && !n.login && c.renewable(g) && !c.inVain(n.refused) {
		renewed, err := c.renew(ctx, n, g)
		var gone *SignInError
		if err == nil || !errors.As(err, &gone) {
			return renewed, err
		}
		c.log.Debug("token can't be renewed", "err", err)
	}
	if !n.asks() {
		c.mu.Lock()
		defer c.mu.Unlock()
		return nil, &SignInError{URL: c.page, Reason: "the server does not accept this request without one"}
	}
	return c.signIn(ctx, n)
}

// renewable reports whether g can be renewed without the user.
func (c *Client) renewable(g *grant) bool {
	return g != nil && g.RefreshToken != ""
}

// inVain reports whether token is fresh from a renewal and was refused all the same, and so was the one before, as happens when the server has
// changed to another authorization server: renewing it again would change nothing.
func (c *Client) inVain(token string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return token != "" && token == c.untried && c.vain >= maxVain
}
