package auth

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"sync"
)

// A Survey is what a sign-in at the server would go through. It is for people who want to know why one doesn't work.
type Survey struct {
	Fetched   []Fetched // what was asked for, in order, beginning with the server itself
	Published bool      // the server has resource metadata (RFC 9728)
	Guessed   bool      // there is no metadata at all, so that what follows is but what servers of MCP 2025-03-26 have without
	Resource  string    // what a token would be for
	Issuer    string    // of the authorization server, as the server names it
	Named     string    // what that calls itself, which is the same but for known exceptions
	AuthorizeAt,
	TokenAt string // its endpoints
	Registers string // where this program would get a client ID: "given", "document", "dynamic", or "" for nowhere
}

// A Fetched is an answer to one of the requests that lead to the sign-in.
type Fetched struct {
	URL    string
	Status string   // of the answer, such as "404 Not Found"; "" if there was none
	Via    []string // where redirects led to before it, without queries
}

// Survey finds the way to the sign-in, and goes no step of it. What was found comes with the error too.
func (c *Client) Survey(ctx context.Context) (*Survey, error) {
	s := new(Survey)
	var mu sync.Mutex // guards s.Fetched
	ctx = context.WithValue(ctx, fetchedKey{}, func(f Fetched) {
		mu.Lock()
		defer mu.Unlock()
		s.Fetched = append(s.Fetched, f)
	})
	p, err := c.discover(ctx, c.probe(ctx))
	if err != nil {
		return s, err
	}
	s.Resource, s.Issuer, s.Named = p.resource, p.issuer, p.as.Issuer
	s.AuthorizeAt, s.TokenAt = p.as.AuthorizationEndpoint, p.as.TokenEndpoint
	s.Published, s.Guessed = p.published, p.guessed
	switch {
	case c.cfg.ClientID != "":
		s.Registers = "given"
	case p.as.DocumentSupported && c.cfg.ClientMetadataURL != "":
		s.Registers = "document"
	case p.as.RegistrationEndpoint != "":
		s.Registers = "dynamic"
	}
	return s, nil
}

type fetchedKey struct{}

// noteFetch tells a survey, if ctx is that of one, what came of a request. Resp is nil if there was no answer.
func noteFetch(ctx context.Context, url string, resp *http.Response) {
	tell, ok := ctx.Value(fetchedKey{}).(func(Fetched))
	if !ok {
		return
	}
	f := Fetched{URL: url}
	if resp != nil {
		f.Status = resp.Status
		for req := resp.Request; req != nil && req.Response != nil; req = req.Response.Request {
			f.Via = slices.Insert(f.Via, 0, bare(req.URL))
		}
		if to, err := resp.Location(); err == nil {
			f.Status += ", to " + bare(to)
		}
	}
	tell(f)
}

// bare returns u without what may be secret.
func bare(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
