package auth

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
)

// What the store holds for a user, where DIGEST hides who that is from those who may see the names:
//
//	server.DIGEST    which grant the last sign-in led to, under the server's URL and profile
//	grant.DIGEST     a grant, under issuer, resource and profile, so that what one authorization server issued is never
//	                 shown to another
//	pending.DIGEST   the sign-in that waits for the user, under the server's URL and profile; see pending.go
//
// Locks go by the same names. That of a grant is held while it is renewed or replaced, that of a pending sign-in for as
// long as a process waits for the user.
const (
	serverPrefix  = "server."
	grantPrefix   = "grant."
	pendingPrefix = "pending."
)

func grantKey(issuer, resource, profile string) string {
	return grantPrefix + digest(issuer, resource, profile)
}

func (g *grant) key() string { return grantKey(g.Issuer, g.Resource, g.Profile) }

// A pointer leads from a server to its grant, which can't be found otherwise before the server was asked.
type pointer struct {
	Issuer   string `json:"issuer"`
	Resource string `json:"resource"`
}

// serverKey identifies what Config is about. Two resources at one URL are two servers.
func (c *Client) serverKey() string {
	return digest(canonical(c.cfg.Server), c.cfg.Profile, c.cfg.Resource)
}

func (c *Client) pointerKey() string { return serverPrefix + c.serverKey() }

// latest reads the grant from the store, for another process may have renewed it, and adopts it unless the one in memory
// is newer, which is so when it could not be written. It returns nil if there is none.
func (c *Client) latest(ctx context.Context) (*grant, error) {
	g, err := c.stored(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if mem := c.grant; c.unsaved && mem != nil && (g == nil || mem.Issued.After(g.Issued)) {
		return mem, nil
	}
	c.loaded, c.grant, c.unsaved = true, g, false
	return g, nil
}

// stored returns the grant that the last sign-in at this server led to, nil if there is none that suits Config.
func (c *Client) stored(ctx context.Context) (*grant, error) {
	data, err := c.get(ctx, c.pointerKey())
	if data == nil || err != nil {
		return nil, err
	}
	var p pointer
	if err := json.Unmarshal(data, &p); err != nil {
		c.log.Warn("what is stored about the server is damaged")
		return nil, nil
	}
	g, err := c.read(ctx, grantKey(p.Issuer, p.Resource, c.cfg.Profile))
	switch {
	case g == nil || err != nil:
		return nil, err
	case c.cfg.ClientID != "" && g.ClientID != c.cfg.ClientID:
		return nil, nil // of another client, which Config has replaced
	case c.cfg.Scope != "" && !g.covers(strings.Fields(c.cfg.Scope)):
		return g.without(), nil // of less than Config now asks for
	}
	return g, nil
}

// read returns the grant under key, nil if there is none.
func (c *Client) read(ctx context.Context, key string) (*grant, error) {
	data, err := c.get(ctx, key)
	if data == nil || err != nil {
		return nil, err
	}
	g, err := decodeGrant(data)
	if err != nil {
		c.log.Warn("signed out", "err", err)
		return nil, nil
	}
	return g, nil
}

// get returns the secret under key, nil if there is none. A damaged one is none: the next sign-in replaces it. That the
// store can't be read is no reason to sign anybody in.
func (c *Client) get(ctx context.Context, key string) ([]byte, error) {
	data, err := c.cfg.Store.Get(ctx, key)
	var corrupt *keychain.CorruptError
	switch {
	case errors.Is(err, keychain.ErrNotFound):
		return nil, nil
	case errors.As(err, &corrupt):
		c.log.Warn("signed out", "err", err)
		return nil, nil
	}
	return data, err
}

// save keeps what a sign-in yielded, then adopts it. A store that can't be written does not undo a sign-in: the token is
// used from memory, and the user is told.
func (c *Client) save(ctx context.Context, g *grant) {
	err := c.keep(ctx, g)
	if err == nil {
		data, _ := json.Marshal(pointer{g.Issuer, g.Resource}) // two strings
		err = c.cfg.Store.Set(context.WithoutCancel(ctx), c.pointerKey(), data)
	}
	if err != nil {
		c.unkept(err)
	}
	c.adopt(g, err != nil)
}

// keep writes g to the store, after any renewal of its predecessor that is under way elsewhere. It is detached from ctx,
// because a token that has been issued must be kept even if nobody waits for it any more; the store has a limit of its own.
func (c *Client) keep(ctx context.Context, g *grant) error {
	return c.cfg.Store.Set(context.WithoutCancel(ctx), g.key(), g.encode())
}

// adopt makes g the grant that requests are sent with.
func (c *Client) adopt(g *grant, unsaved bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loaded, c.grant, c.unsaved = true, g, unsaved
}

func (c *Client) unkept(err error) {
	c.log.Warn("sign-in not stored", "err", err)
	c.tell("The sign-in could not be stored, so it ends with this process: " + err.Error())
}

// tell tells the user something.
func (c *Client) tell(s string) {
	if c.cfg.Progress != nil {
		c.cfg.Progress(s)
	}
}

// grants returns all grants in the store.
func (c *Client) grants(ctx context.Context) ([]*grant, error) {
	keys, err := c.cfg.Store.List(ctx)
	if err != nil {
		return nil, err
	}
	keys = slices.DeleteFunc(keys, func(k string) bool { return !strings.HasPrefix(k, grantPrefix) })
	slices.Sort(keys)
	var all []*grant
	for _, k := range keys {
		g, err := c.read(ctx, k)
		if err != nil {
			return nil, err
		}
		if g != nil {
			all = append(all, g)
		}
	}
	return all, nil
}
