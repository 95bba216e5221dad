package issuer

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// This file is the page on which a person lets a client in. The v1 server asks in two steps, first for the products, then for the
// site; the identity server asks on one page. Whoever prefers JSON to HTML gets what the page shows as JSON, and posts the same form:
//
//	request   as the page has it
//	decision  accept or cancel
//	email     whom to sign in as, unless the page takes that for granted
//	site      cloud ID, once for each site
//	product   jira, confluence or compass, once for each

// A page is what the person sees.
type page struct {
	Title    string       `json:"title"`
	Action   string       `json:"action"` // where the form goes
	Request  string       `json:"request"`
	Client   string       `json:"client"`
	Redirect string       `json:"redirect"` // where the answer goes
	Step     int          `json:"step"`
	Steps    int          `json:"steps"`
	People   []pagePerson `json:"people,omitempty"`
	Sites    []pageSite   `json:"sites,omitempty"`
	Products []string     `json:"products,omitempty"`
	Scopes   []string     `json:"scopes,omitempty"`
	Problem  string       `json:"problem,omitempty"` // what is to be corrected
	Blocked  string       `json:"blocked,omitempty"` // why it can't be accepted
	Error    string       `json:"error,omitempty"`   // of a page without form: its code
}

type pagePerson struct {
	Email string `json:"email"`
	Name  string `json:"name"`
}

type pageSite struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	URL     string `json:"url"`
	Members []int  `json:"members"` // indexes of people
}

// signers returns the people who can sign in here: all, or the one that the configuration names.
func (s *Server) signers() []Person {
	return slices.DeleteFunc(slices.Clone(s.cfg.People()), func(p Person) bool {
		return p.Service || s.cfg.User != "" && !strings.EqualFold(p.Email, s.cfg.User)
	})
}

const (
	domainBlocked   = "Access to this domain is restricted. Your admin has blocked this domain."
	redirectRefused = "Your organization admin must authorize access from this redirect URL."
	adminMust       = "Your site admin must authorize this app."
	noSite          = "Your account isn't associated with a supported site. " +
		"Rovo MCP connects with Atlassian sites that use apps like Jira or Confluence."
)

// showConsent shows the page of the step that req is at. Whoever is blocked can only cancel.
func (a *authServer) showConsent(w http.ResponseWriter, r *http.Request, req *request, problem string) {
	a.showBlocked(w, r, req, problem, a.s.blocked())
}

// blocked returns why nobody is let in from where the client is.
func (s *Server) blocked() string {
	switch {
	case s.strikes("domain-blocked"):
		return domainBlocked
	case s.strikes("redirect-refused"):
		return redirectRefused
	}
	return ""
}

func (a *authServer) showBlocked(w http.ResponseWriter, r *http.Request, req *request, problem, blocked string) {
	p := page{
		Title: req.client.name + " wants to use Rovo for you", Action: a.authorize, Request: req.id, Client: req.client.name, Redirect: req.redirect,
		Step: req.step, Steps: a.steps(), Problem: problem, Blocked: blocked,
	}
	if blocked != "" {
		a.s.refuse("", req.client.name, "consent: "+blocked)
	}
	if req.step == 1 {
		p.Products = req.products
	}
	if req.step == p.Steps {
		p.Scopes = a.scopesOf(req, req.products)
		for i, person := range a.s.signers() {
			p.People = append(p.People, pagePerson{person.Email, person.Name})
			for _, place := range person.Places {
				j := slices.IndexFunc(p.Sites, func(s pageSite) bool { return s.ID == place.ID })
				if j < 0 {
					j = len(p.Sites)
					p.Sites = append(p.Sites, pageSite{ID: place.ID, Name: place.Name, URL: place.URL})
				}
				p.Sites[j].Members = append(p.Sites[j].Members, i)
			}
		}
	}
	writePage(w, r, http.StatusOK, &p)
}

// steps returns how many pages the person sees.
func (a *authServer) steps() int {
	if a.strict {
		return 1
	}
	return 2
}

// scopesOf returns the scopes that a grant of the products has. The v1 server gives all that they have.
func (a *authServer) scopesOf(req *request, chosen []string) []string {
	if a.strict {
		return scopesFor(req.scopes, chosen)
	}
	return scopesFor(scopesV1, chosen)
}

// serveConsent takes the form.
func (a *authServer) serveConsent(w http.ResponseWriter, r *http.Request) {
	form, ok := readForm(w, r)
	if !ok {
		return
	}
	s := a.s
	s.mu.Lock()
	req := s.requests[form.Get("request")]
	s.unlock()
	if req == nil || req.client.server != a || s.now().After(req.expires) {
		s.refuse("", "", "consent: the form is not known, or too old")
		writePage(w, r, http.StatusBadRequest, &page{Title: "Something went wrong", Error: "invalid_request", Problem: "Invalid context provided"})
		return
	}
	if form.Get("decision") != "accept" {
		s.mu.Lock()
		delete(s.requests, req.id)
		s.counts.Cancelled++
		s.tell("refusal", "", req.client.name, "consent: the person has refused")
		s.unlock()
		a.answer(w, req, url.Values{"error": {"access_denied"}, "error_description": {"The user denied the request"}})
		return
	}
	a.accept(w, r, req, form)
}

// accept takes the form of a person who agrees: to the next page, or back to the client with a code.
func (a *authServer) accept(w http.ResponseWriter, r *http.Request, req *request, form url.Values) {
	s := a.s
	if blocked := s.blocked(); blocked != "" {
		a.showBlocked(w, r, req, "", blocked)
		return
	}
	chosen := req.products
	if req.step == 1 {
		chosen = keep(req.products, func(p string) bool { return slices.Contains(form["product"], p) })
		if len(chosen) == 0 {
			a.showConsent(w, r, req, "Choose a product at least.")
			return
		}
	}
	if req.step < a.steps() {
		next := *req // requests don't change: the same form may be coming twice
		next.step, next.products = req.step+1, chosen
		s.mu.Lock()
		s.requests[req.id] = &next
		s.unlock()
		a.showConsent(w, r, &next, "")
		return
	}
	person, sites, problem := s.choice(form)
	if problem != "" {
		a.showConsent(w, r, req, problem)
		return
	}
	if s.strikes("admin-must-authorize") {
		a.showBlocked(w, r, req, "", adminMust)
		return
	}
	if !listed(req.redirect) {
		s.refuse(person.Account, req.client.name, "consent: the domain is not allowed: "+req.redirect)
		s.redirectToError(w, r, &oauthError{"invalid_request", "Incorrect request parameters"})
		return
	}
	code, ok := a.consented(req, person, sites, chosen)
	if !ok {
		s.redirectToError(w, r, &oauthError{"invalid_request", "Invalid context provided"})
		return
	}
	a.answer(w, req, url.Values{"code": {code}})
}

// choice returns who the form is from and the sites that they have chosen, or what is wrong with it.
func (s *Server) choice(form url.Values) (person Person, sites []string, problem string) {
	people := s.signers()
	i := slices.IndexFunc(people, func(p Person) bool { return strings.EqualFold(p.Email, cmp.Or(s.cfg.User, form.Get("email"))) })
	if i < 0 {
		return Person{}, nil, "Choose who you are."
	}
	person = people[i]
	if len(person.Places) == 0 {
		return Person{}, nil, noSite
	}
	for _, place := range person.Places {
		if slices.Contains(form["site"], place.ID) {
			sites = append(sites, place.ID)
		}
	}
	if len(sites) == 0 {
		return Person{}, nil, "Choose a site that you belong to."
	}
	return person, sites, ""
}

// consented returns the code of a new grant. It is false if the request has been answered before.
func (a *authServer) consented(req *request, person Person, sites, chosen []string) (string, bool) {
	s := a.s
	g := &grant{
		Grant: Grant{
			Account: person.Account, Sites: sites, Products: chosen, Scopes: a.scopesOf(req, chosen), Client: req.client.name, ID: random(16),
		},
		server: a, clientID: req.client.id, resource: req.resource, since: s.now(),
		offline: !a.strict || slices.Contains(req.scopes, "offline_access"),
	}
	secret := "canary-" + rand.Text()
	s.mu.Lock()
	defer s.unlock()
	if _, ok := s.requests[req.id]; !ok {
		return "", false
	}
	delete(s.requests, req.id)
	s.codes[hash(secret)] = &code{req: req, grant: g, expires: s.now().Add(codeLifetime)}
	s.counts.Accepted++
	s.changed = true
	return secret, true
}

// serveError is id.atlassian.com/error: where a browser ends up that can't be sent back to the client.
func serveError(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	writePage(w, r, http.StatusBadRequest, &page{
		Title: "Something went wrong", Error: cmp.Or(q.Get("error"), "invalid_request"), Problem: q.Get("error_description"),
	})
}

// writePage shows p, as JSON to those who prefer it.
func writePage(w http.ResponseWriter, r *http.Request, status int, p *page) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept")
	if strings.HasPrefix(r.Header.Get("Accept"), "application/json") {
		writeJSON(w, status, p)
		return
	}
	nonce := rand.Text()
	h.Set("Content-Type", "text/html; charset=utf-8")
	// No form-action: browsers apply it to where the form's answer redirects to as well, which is the client.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+nonce+"'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	p.html(nonce).Render(w) // the browser may have gone
}
