package issuer

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// This file implements the authorization endpoint: RFC 6749 §4.1.1 and §4.1.2, RFC 7636 §4.3, RFC 8707 §2.1, RFC 9207. What is wrong
// with the client or its redirect URI is told to the person, on an error page at the identity server; all else is told to the client.

// A request is an authorization request that a person is looking at.
type request struct {
	id        string // that the page's form has; whoever knows it may answer
	client    *client
	redirect  string
	state     string
	challenge string // "" without PKCE
	method    string // of the challenge
	resource  string // path of the endpoint; "" if none
	scopes    []string
	products  []string // that may be chosen; after the v1 server's first page, that have been
	step      int      // the page that is shown, from 1
	expires   time.Time
}

func (a *authServer) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		a.misled(w, r, "", &oauthError{"invalid_request", "Incorrect request parameters"})
		return
	}
	s := a.s
	c := a.find(r.Context(), q.Get("client_id"))
	if c == nil {
		a.misled(w, r, "", &oauthError{"invalid_request", "failed to retrieve client"})
		return
	}
	redirect := q.Get("redirect_uri")
	if redirect == "" && !a.strict && len(c.redirects) == 1 {
		redirect = c.redirects[0] // RFC 6749 §3.1.2.3
	}
	if !slices.Contains(c.redirects, redirect) { // the port too, whatever RFC 8252 §7.3 says
		a.misled(w, r, c.name, &oauthError{"unauthorized_client", "redirect_uri is not registered for client: " + redirect})
		return
	}
	req := &request{
		id: random(32), client: c, redirect: redirect, state: q.Get("state"), challenge: q.Get("code_challenge"), method: q.Get("code_challenge_method"),
		step: 1, products: products, expires: s.now().Add(codeLifetime),
	}
	if err := a.read(req, q); err != nil {
		s.refuse("", c.name, "authorization: "+err.Description)
		a.answer(w, req, url.Values{"error": {err.Code}, "error_description": {err.Description}})
		return
	}
	s.mu.Lock()
	s.sweep()
	s.requests[req.id] = req
	s.counts.Consents++
	s.tell("consent", "", c.name, a.name+" server "+req.resource)
	s.unlock()
	a.showConsent(w, r, req, "")
}

// find returns the client that an ID belongs to, nil if there is none.
func (a *authServer) find(ctx context.Context, id string) *client {
	s := a.s
	if a.strict && isDocument(id) {
		c, err := a.fetchDocument(ctx, id)
		if err != nil {
			s.refuse("", "", err.Error())
			return nil
		}
		s.mu.Lock()
		defer s.unlock()
		s.clients[id] = c
		s.counts.Registrations++
		s.tell("registration", "", c.name, "the document at "+id)
		return c
	}
	s.mu.Lock()
	defer s.unlock()
	if c := s.clients[id]; c != nil && c.server == a {
		return c
	}
	return nil
}

// read reads the rest of a request, and reports what is wrong with it.
func (a *authServer) read(req *request, q url.Values) *oauthError {
	if q.Get("response_type") != "code" {
		return &oauthError{"unsupported_response_type", "response_type must be code"}
	}
	switch {
	case req.challenge == "" && a.strict:
		return &oauthError{"invalid_request", "code_challenge is required"}
	case req.challenge == "":
		req.method = ""
	case req.method == "":
		req.method = "plain" // RFC 7636 §4.3
	}
	if req.method != "" && !slices.Contains(a.challenges, req.method) {
		return &oauthError{"invalid_request", "code_challenge_method is not supported"}
	}
	if !a.strict {
		return nil // it ignores resource and scope
	}
	indicators := q["resource"]
	if len(indicators) == 0 {
		return &oauthError{"invalid_target", "resource is required"}
	}
	res := a.s.resourceOf(indicators[0])
	if len(indicators) > 1 || res == nil {
		return &oauthError{"invalid_target", "resource is not known"}
	}
	req.resource = res.path
	req.scopes = wanted(q.Get("scope"), res.scopes)
	if len(req.scopes) == 0 {
		return &oauthError{"invalid_scope", "none of the scopes is known"}
	}
	req.products = offered(req.scopes, res.scopes)
	return nil
}

// misled tells the person that the client has sent them here wrongly. The v1 server has no words for it.
func (a *authServer) misled(w http.ResponseWriter, r *http.Request, client string, err *oauthError) {
	a.s.refuse("", client, "authorization: "+err.Description)
	if !a.strict {
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	a.s.redirectToError(w, r, err)
}

func (s *Server) redirectToError(w http.ResponseWriter, r *http.Request, err *oauthError) {
	q := url.Values{"error": {err.Code}, "error_description": {err.Description}}
	http.Redirect(w, r, s.cfg.Origin+errorPath+"?"+q.Encode(), http.StatusFound)
}

// answer sends the browser back to the client.
func (a *authServer) answer(w http.ResponseWriter, req *request, params url.Values) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", a.location(req, params))
	w.WriteHeader(http.StatusFound)
}

// location returns the address of the client with params.
func (a *authServer) location(req *request, params url.Values) string {
	u, err := url.Parse(req.redirect)
	if err != nil {
		panic(err) // can't be: it was checked when it was registered
	}
	q := u.Query()
	for k, v := range params {
		q[k] = v
	}
	if req.state != "" {
		q.Set("state", req.state)
	}
	if a.strict {
		q.Set("iss", a.issuer()) // RFC 9207
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// refuse tells of a refusal.
func (s *Server) refuse(account, client, detail string) {
	s.mu.Lock()
	defer s.unlock()
	s.tell("refusal", account, client, detail)
}
