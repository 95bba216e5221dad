package auth

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// This file keeps the sign-in that waits for the user in the store, so that it belongs to all processes: while its owner
// lives the others wait for the lock that the owner holds, and if the owner dies the next one takes the same port and
// finishes the same page.

// A pending sign-in is a page shown to the user and all that is needed to make use of the answer.
type pending struct {
	Grant       grant     `json:"grant"`  // without a token
	Issuer      string    `json:"issuer"` // as the server calls itself (RFC 9207)
	IssRequired bool      `json:"iss_required"`
	State       string    `json:"state"`
	Verifier    string    `json:"verifier"`
	URL         string    `json:"url"`
	Deadline    time.Time `json:"deadline"`
	Opened      time.Time `json:"opened,omitzero"` // in the browser, for the first time
	Remembered  bool      `json:"remembered"`      // the client was registered by an earlier sign-in

	// Spent says that its code has been sent to the token endpoint. If the process that did so is gone, the code is too.
	Spent bool `json:"spent,omitempty"`

	// Closed says why the page can't be finished any more, "" if it can. Such a record keeps the user from being asked
	// again before Deadline.
	Closed string `json:"closed,omitempty"`

	endpoint string // authorization endpoint
}

// failure says why p has come to nothing, "" if it has not.
func (p *pending) failure() string {
	if p.waits() && time.Now().After(p.Deadline) {
		return "nobody finished the last sign-in" // nor the process that waited for it
	}
	return p.Closed
}

// waits reports whether p is a page that a person can still finish.
func (p *pending) waits() bool { return p.Closed == "" && !p.Spent }

func (c *Client) pendingKey() string { return pendingPrefix + c.serverKey() }

// awaitTurn waits until no other process has the user sign in. Meanwhile it announces the page of the one that has, and
// reports whether there was one. It waits no longer than for a page of its own: a process that was stopped, by Ctrl-Z for
// one, holds its locks for ever.
func (c *Client) awaitTurn(ctx context.Context, n need) (unlock func(), waited bool, err error) {
	defer c.announce("")
	all, cancel := context.WithTimeout(ctx, c.cfg.AuthTimeout)
	defer cancel()
	for look := 50 * time.Millisecond; ; look = time.Second {
		try, cancel := context.WithTimeout(all, look) // to look at the page now and then
		unlock, err = c.cfg.Store.Lock(try, c.pendingKey())
		late := try.Err() != nil
		cancel()
		switch {
		case err == nil:
			return unlock, waited, nil
		case ctx.Err() != nil:
			return nil, false, context.Cause(ctx)
		case all.Err() != nil:
			return nil, false, c.ignored()
		case !late:
			// A store that can't be written: there is nothing to share with other processes.
			c.log.Warn("signing in without a lock", "err", err)
			return func() {}, false, nil
		}
		if p, err := c.readPending(ctx); err == nil && p != nil && p.waits() {
			if n.login && !waited {
				c.showAgain(p.URL) // perhaps its tab was closed
			}
			c.announce(p.URL)
			waited = true
		}
	}
}

// resume takes over the page of a process that died. It returns nil if there is none, and a *SignInError if the user is
// not to be asked yet.
func (c *Client) resume(ctx context.Context, n need) (*pending, *listener, error) {
	p, err := c.readPending(ctx)
	if p == nil || err != nil {
		return nil, nil, err
	}
	if p.Closed != "" {
		if n.login {
			return nil, nil, nil
		}
		e := &SignInError{Reason: p.Closed + "; the user is asked again after " + p.Deadline.Local().Format(time.TimeOnly)}
		return nil, nil, e
	}
	if p.Spent || !p.Grant.covers(n.scope) || c.cfg.ClientID != "" && c.cfg.ClientID != p.Grant.ClientID {
		return nil, nil, nil
	}
	l, err := c.listen(ctx, portOf(p.Grant.RedirectURI))
	if err != nil {
		c.log.Debug("port of the pending sign-in is taken", "err", err)
		return nil, nil, nil
	}
	if l.redirectURI != p.Grant.RedirectURI {
		l.ln.Close()
		return nil, nil, nil
	}
	return p, l, nil
}

// readPending returns the pending sign-in, nil if there is none or its time is over.
func (c *Client) readPending(ctx context.Context) (*pending, error) {
	p, err := c.lastPending(ctx)
	if p == nil || err != nil || time.Now().After(p.Deadline) {
		return nil, err
	}
	c.noteOpened(p.Opened)
	return p, nil
}

// lastPending returns the last sign-in that has not succeeded, nil if there is none.
func (c *Client) lastPending(ctx context.Context) (*pending, error) {
	data, err := c.get(ctx, c.pendingKey())
	if data == nil || err != nil {
		return nil, err
	}
	p := decodePending(data)
	if p == nil {
		c.log.Warn("pending sign-in is damaged")
		return nil, nil
	}
	if _, err := checkURL(p.URL, c.cfg.AllowHTTP); err != nil {
		return nil, nil
	}
	return p, nil
}

// decodePending reads what keepPending has written. It returns nil if data is something else.
func decodePending(data []byte) *pending {
	var p pending
	if json.Unmarshal(data, &p) != nil || p.State == "" || p.Verifier == "" || p.Grant.ClientID == "" {
		return nil
	}
	return &p
}

// keepPending stores p, so that this process may die. If it can't be stored this process alone can finish it.
func (c *Client) keepPending(ctx context.Context, p *pending) {
	data, err := json.Marshal(p)
	if err == nil {
		err = c.cfg.Store.Set(ctx, c.pendingKey(), data)
	}
	if err != nil {
		c.log.Debug("pending sign-in not stored", "err", err)
	}
}

// closePending notes that p has failed with err, after the user was asked.
func (c *Client) closePending(ctx context.Context, p *pending, err error) {
	closed := *p
	reason := err.Error()
	if needed, ok := errors.AsType[*SignInError](err); ok {
		reason = needed.Reason
	}
	closed.Closed = "the last sign-in failed: " + reason
	c.keepPending(ctx, &closed)
}

// dropIdlePending deletes the pending sign-in under key, unless a process is waiting for it: that one is not over.
func (c *Client) dropIdlePending(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	unlock, err := c.cfg.Store.Lock(ctx, key)
	if err != nil {
		return
	}
	defer unlock()
	if err := c.cfg.Store.Delete(ctx, key); err != nil {
		c.log.Debug("pending sign-in not deleted", "err", err)
	}
}

func (c *Client) dropPending(ctx context.Context) {
	if err := c.cfg.Store.Delete(context.WithoutCancel(ctx), c.pendingKey()); err != nil {
		c.log.Debug("pending sign-in not deleted", "err", err)
	}
}
