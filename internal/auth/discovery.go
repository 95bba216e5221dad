package auth

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// This file finds the authorization server of an MCP server: protected resource metadata (RFC 9728), then authorization
// server metadata (RFC 8414, OpenID Connect Discovery 1.0), with the fallback of MCP 2025-03-26 for servers that have
// neither. Signed metadata (RFC 9728 §2.2, RFC 8414 §2.1) is not supported.

// maxMetadata is the size in bytes of the largest document that is read.
const maxMetadata = 1 << 20

// resourceMetadata is what we use of RFC 9728 §2.
type resourceMetadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	ScopesSupported      []string `json:"scopes_supported"`
}

// serverMetadata is what we use of RFC 8414 §2, and of the documents that extend it.
type serverMetadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	RegistrationEndpoint  string   `json:"registration_endpoint"`         // RFC 7591
	RevocationEndpoint    string   `json:"revocation_endpoint"`           // RFC 7009
	DeviceEndpoint        string   `json:"device_authorization_endpoint"` // RFC 8628
	ScopesSupported       []string `json:"scopes_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"` // RFC 7636
	AuthMethods           []string `json:"token_endpoint_auth_methods_supported"`
	IssSupported          bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207
	DocumentSupported     bool     `json:"client_id_metadata_document_supported"`
}

// A place is where to sign in, and for what.
type place struct {
	issuer    string   // as the resource named it; what the server calls itself is as.Issuer
	published bool     // by the resource itself
	guessed   bool     // from the server's origin, for want of any metadata
	resource  string   // to be sent as resource indicator
	scopes    []string // that the resource knows
	as        serverMetadata
}

// discover finds the place that ch leads to, which is zero if the server's refusal said nothing.
func (c *Client) discover(ctx context.Context, ch challenge) (*place, error) {
	rm, err := c.resourceMetadata(ctx, ch.ResourceMetadata)
	if errors.Is(err, errNoDocument) {
		return c.discoverAtOrigin(ctx)
	}
	if err != nil {
		return nil, err
	}
	p := &place{published: true, resource: cmp.Or(c.cfg.Resource, rm.Resource), scopes: rm.ScopesSupported}
	if len(rm.AuthorizationServers) == 0 {
		return nil, &NoSignInError{c.cfg.Server, "its metadata names no authorization server"}
	}
	// Which one is up to us (RFC 9728 §7.6): the first that will do.
	for _, issuer := range rm.AuthorizationServers {
		as, e := c.serverMetadata(ctx, issuer)
		if e == nil {
			p.issuer, p.as = issuer, *as
			return p, nil
		}
		if err == nil {
			err = e
		}
	}
	return nil, err
}

// probe asks the server for a challenge, when there is no request that was refused.
func (c *Client) probe(ctx context.Context) challenge {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.cfg.Server.String(), nil)
	if err != nil {
		return challenge{}
	}
	req.Header.Set("Accept", "text/event-stream")
	if c.cfg.UserAgent != "" {
		req.Header.Set("User-Agent", c.cfg.UserAgent) // Cloudflare turns that of a library away
	}
	resp, err := c.server.Do(req)
	noteFetch(ctx, req.URL.String(), resp)
	if err != nil {
		return challenge{} // discovery will say it better
	}
	resp.Body.Close() // unread: it may be an endless stream
	if resp.StatusCode != http.StatusUnauthorized {
		return challenge{}
	}
	return parseChallenge(resp.Header)
}

// resourceMetadata fetches the document at advertised if the challenge named one; else at the well-known place for the
// server's path, else for its origin (RFC 9728 §3.1). It is errNoDocument if there is none.
func (c *Client) resourceMetadata(ctx context.Context, advertised string) (*resourceMetadata, error) {
	root := origin(c.cfg.Server)
	places := []string{root + "/.well-known/oauth-protected-resource"}
	if path := strings.TrimSuffix(c.cfg.Server.EscapedPath(), "/"); path != "" {
		places = slices.Insert(places, 0, places[0]+path)
	}
	if advertised != "" {
		// If there is nothing at that URL, the specification is silent; the others may still help.
		places = slices.Insert(slices.DeleteFunc(places, func(p string) bool { return p == advertised }), 0, advertised)
	}
	for _, u := range places {
		var rm resourceMetadata
		err := c.fetch(ctx, u, &rm)
		if errors.Is(err, errNoDocument) {
			c.log.Debug("no resource metadata", "err", err)
			continue
		}
		if err != nil {
			return nil, err
		}
		return &rm, c.checkResource(rm.Resource)
	}
	return nil, errNoDocument
}

// checkResource compares the resource that a document is about with the server (RFC 9728 §3.3). A document about the
// server's origin, or about a path above the server's, is about the server too: many servers publish one for all.
func (c *Client) checkResource(resource string) error {
	if c.cfg.Resource != "" || resource == c.cfg.Server.String() {
		return nil
	}
	u, err := url.Parse(resource)
	if err != nil || resource == "" {
		return fmt.Errorf("the server's metadata names the malformed resource %q", resource)
	}
	path, server := strings.TrimSuffix(u.EscapedPath(), "/"), strings.TrimSuffix(c.cfg.Server.EscapedPath(), "/")
	if !sameOrigin(u, c.cfg.Server) || server != path && !strings.HasPrefix(server, path+"/") {
		return fmt.Errorf("the server's metadata is about %q, which is another resource", resource)
	}
	c.log.Debug("resource is not the server's exact URL", "resource", resource)
	return nil
}

// serverMetadata fetches and checks the metadata of issuer (RFC 8414 §3, OpenID Connect Discovery 1.0 §4). The root
// document is never asked for about an issuer with a path: it is about someone else.
func (c *Client) serverMetadata(ctx context.Context, issuer string) (*serverMetadata, error) {
	u, err := checkURL(issuer, c.cfg.AllowHTTP)
	if err != nil {
		return nil, fmt.Errorf("authorization server: %w", err)
	}
	root, path := origin(u), strings.TrimSuffix(u.EscapedPath(), "/")
	places := []string{
		root + "/.well-known/oauth-authorization-server" + path,
		root + "/.well-known/openid-configuration" + path,
	}
	if path != "" {
		places = append(places, root+path+"/.well-known/openid-configuration")
	}
	for _, u := range places {
		var as serverMetadata
		err := c.fetch(ctx, u, &as)
		if errors.Is(err, errNoDocument) {
			c.log.Debug("no authorization server metadata", "err", err)
			continue
		}
		if err != nil {
			return nil, err
		}
		return &as, c.checkServer(&as, issuer)
	}
	return nil, fmt.Errorf("authorization server %s: %w", issuer, errNoDocument)
}

// checkServer reports why the metadata that issuer answered with must not be used.
func (c *Client) checkServer(as *serverMetadata, issuer string) error {
	if as.Issuer != issuer { // RFC 8414 §3.3: identical, code point by code point
		if !c.pinned(issuer, as.Issuer) {
			return fmt.Errorf("authorization server %s calls itself %q", issuer, as.Issuer)
		}
		c.log.Warn("known wrong issuer accepted", "asked", issuer, "answered", as.Issuer)
	}
	code := !c.cfg.ClientCredentials && !c.cfg.DeviceCode
	if code && !slices.Contains(as.ChallengeMethods, "S256") {
		return fmt.Errorf("authorization server %s does not support PKCE with S256", issuer)
	}
	for _, e := range []struct {
		name, url string
		required  bool
	}{
		{"authorization", as.AuthorizationEndpoint, code},
		{"token", as.TokenEndpoint, true},
		{"registration", as.RegistrationEndpoint, false},
		{"revocation", as.RevocationEndpoint, false},
		{"device authorization", as.DeviceEndpoint, c.cfg.DeviceCode},
	} {
		if e.url == "" && !e.required {
			continue
		}
		if _, err := checkURL(e.url, c.cfg.AllowHTTP); err != nil {
			return fmt.Errorf("authorization server %s: %s endpoint: %w", issuer, e.name, err)
		}
	}
	return nil
}

func (c *Client) pinned(asked, answered string) bool {
	return slices.ContainsFunc(c.cfg.PinnedIssuers, func(p PinnedIssuer) bool {
		return p.Answered == answered &&
			(p.Asked == asked || strings.HasSuffix(p.Asked, "/") && strings.HasPrefix(asked, p.Asked))
	})
}

// discoverAtOrigin follows MCP 2025-03-26 for a server without resource metadata: the server's origin is the issuer, and
// has endpoints of fixed names if it has no metadata. PKCE is used in either case, as that version requires of clients.
func (c *Client) discoverAtOrigin(ctx context.Context) (*place, error) {
	issuer := origin(c.cfg.Server)
	p := &place{issuer: issuer, resource: cmp.Or(c.cfg.Resource, canonical(c.cfg.Server))}
	as, err := c.serverMetadata(ctx, issuer)
	if errors.Is(err, errNoDocument) {
		p.guessed = true
		p.as = serverMetadata{
			Issuer:                issuer,
			AuthorizationEndpoint: issuer + "/authorize",
			TokenEndpoint:         issuer + "/token",
			RegistrationEndpoint:  issuer + "/register",
			AuthMethods:           []string{"none"},
		}
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	p.as = *as
	return p, nil
}

// canonical returns the resource identifier of a server that publishes none (RFC 8707 §2, MCP "Canonical Server URI").
func canonical(server *url.URL) string {
	path := server.EscapedPath()
	if path == "/" {
		path = ""
	}
	return origin(server) + path
}

// errNoDocument means that a server has no metadata at some place, so that the next place is to be asked.
var errNoDocument = errors.New("no metadata found")

// fetch gets the JSON document at raw. A refusal, or something other than JSON, is errNoDocument: many servers answer
// unknown paths with a page. A server that can't answer at all is a *TransientError, lest its absence be mistaken for
// that of the document.
func (c *Client) fetch(ctx context.Context, raw string, doc any) error {
	if _, err := checkURL(raw, c.cfg.AllowHTTP); err != nil {
		return fmt.Errorf("fetching metadata: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, raw, nil)
	if err != nil {
		return err
	}
	// Servers of 2025-03-26 may choose their metadata by it; newer ones don't read it here.
	req.Header.Set("MCP-Protocol-Version", "2025-03-26")
	resp, err := c.oauth.Do(req)
	noteFetch(ctx, raw, resp)
	if err != nil {
		return transient(err, 0)
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case mayPass(code):
		return transient(fmt.Errorf("%s answered %s", raw, resp.Status), retryAfter(resp.Header))
	case code != http.StatusOK:
		return fmt.Errorf("%w at %s: %s", errNoDocument, raw, resp.Status)
	}
	body, err := readAll(resp.Body)
	if err != nil {
		return fmt.Errorf("fetching %s: %w", raw, err)
	}
	if t, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); t == "text/html" || !looksLikeJSON(body) {
		return fmt.Errorf("%w at %s: not JSON", errNoDocument, raw)
	}
	if err := json.Unmarshal(body, doc); err != nil {
		return fmt.Errorf("fetching %s: malformed metadata", raw)
	}
	return nil
}

// errTooLarge means that a document exceeds maxMetadata.
var errTooLarge = errors.New("more than 1 MiB of it")

// readAll reads a body of at most maxMetadata bytes.
func readAll(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxMetadata+1))
	if err != nil {
		return nil, transient(err, 0)
	}
	if len(body) > maxMetadata {
		return nil, errTooLarge
	}
	return body, nil
}

func looksLikeJSON(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{"))
}
