package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// This file signs in without a callback: by device code (RFC 8628), for a machine without a browser, and by client
// credentials (RFC 6749 §4.4), for a service without a user.

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// loginByDevice has the user enter a code on a page that may be opened anywhere. The client is always registered anew.
func (c *Client) loginByDevice(ctx context.Context, n need, _ bool) (*grant, error) {
	at, err := c.discover(ctx, n.challenge)
	if err != nil {
		return nil, err
	}
	if at.as.DeviceEndpoint == "" {
		return nil, fmt.Errorf("authorization server %s has no sign-in by device code", at.as.Issuer)
	}
	r, err := c.register(ctx, at, "")
	if err != nil {
		return nil, err
	}
	g := c.newGrant(at, r, c.scopes(n, at))
	conf := oauthConfig(g)
	conf.Endpoint.DeviceAuthURL = at.as.DeviceEndpoint
	conf.Scopes = g.Requested
	octx := context.WithValue(ctx, oauth2.HTTPClient, c.oauth)
	da, err := conf.DeviceAuth(octx, c.resourceOption(g.Resource)...)
	if err != nil {
		return nil, fmt.Errorf("asking for a device code: %w", translate(err, g.ClientSecret))
	}
	if _, err := checkURL(da.VerificationURI, c.cfg.AllowHTTP); err != nil {
		return nil, fmt.Errorf("page for the device code: %w", err)
	}
	limit := time.Now().Add(c.cfg.AuthTimeout)
	if da.Expiry.IsZero() || da.Expiry.After(limit) {
		da.Expiry = limit
	}
	page := pageURL(da.VerificationURI)
	c.tell(fmt.Sprintf("Open %s on any device and enter the code %s", page, clip(da.UserCode)))
	c.announce(page)
	defer c.announce("")
	ot, err := conf.DeviceAccessToken(octx, da, c.resourceOption(g.Resource)...)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return nil, c.ignored()
	case err != nil:
		return nil, fmt.Errorf("waiting for the device code: %w", translate(err, da.DeviceCode, g.ClientSecret))
	}
	t, err := fromOAuth2(ot, da.DeviceCode, g.ClientSecret)
	if err != nil {
		return nil, err
	}
	g = g.with(t, time.Now())
	c.save(ctx, g)
	return g, nil
}

// credentials obtains a token for the client itself. There is nothing to rotate, so it is done here and now.
func (c *Client) credentials(ctx context.Context, n need) (*grant, error) {
	if c.cfg.ClientID == "" || c.cfg.ClientSecret == "" {
		return nil, errors.New("client credentials: both --client-id and a client secret are needed")
	}
	at, err := c.whereToAsk(ctx, n)
	if err != nil {
		return nil, err
	}
	r, err := c.register(ctx, at, "")
	if err != nil {
		return nil, err
	}
	g := c.newGrant(at, r, c.scopes(n, at))
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(g.Requested) > 0 {
		form.Set("scope", strings.Join(g.Requested, " "))
	}
	t, err := c.postToken(ctx, g, form)
	if err != nil {
		return nil, err
	}
	t.RefreshToken = "" // RFC 6749 §4.4.3: there should be none, and the secret is as good
	g = g.with(t, time.Now())
	c.save(ctx, g)
	return g, nil
}

// whereToAsk returns the place that Config names, or else the one that the server does.
func (c *Client) whereToAsk(ctx context.Context, n need) (*place, error) {
	if c.cfg.TokenEndpoint == "" {
		return c.discover(ctx, n.challenge)
	}
	u, err := checkURL(c.cfg.TokenEndpoint, c.cfg.AllowHTTP)
	if err != nil {
		return nil, fmt.Errorf("token endpoint: %w", err)
	}
	return &place{
		issuer:   origin(u),
		resource: cmp.Or(c.cfg.Resource, canonical(c.cfg.Server)),
		as:       serverMetadata{Issuer: origin(u), TokenEndpoint: c.cfg.TokenEndpoint},
	}, nil
}
