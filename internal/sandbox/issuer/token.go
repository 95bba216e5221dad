package issuer

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file implements the token endpoint: RFC 6749 §4.1.3 and §6, with RFC 7636 §4.6 and, at the identity server, RFC 8707 §2.2.

// A digest is what is kept of a secret. Finding one takes no time that tells anything of the secret.
type digest [sha256.Size]byte

func hash(secret string) digest { return sha256.Sum256([]byte(secret)) }

// A code is an authorization code.
type code struct {
	req     *request
	grant   *grant // what it is good for; not in force before the code is used
	expires time.Time
	used    bool
}

// codeLifetime is how long a code is good for, and how long a person may take to agree (RFC 6749 §4.1.2 recommends as much).
const codeLifetime = 10 * time.Minute

// A grant is a sign-in: the family of all the tokens that come of it.
type grant struct {
	Grant
	server   *authServer
	clientID string
	resource string // path of the endpoint; "" if bound to none
	since    time.Time
	expires  time.Time // of the newest access token
	short    bool      // it ends early, and nobody has noticed yet
	offline  bool      // there are refresh tokens
	revoked  bool

	refresh, previous digest    // those that may be used; previous only at the v1 server, where it is good until refresh has been used
	refreshExpires    time.Time // zero means never
}

type accessToken struct {
	grant   *grant
	expires time.Time
}

type refreshToken struct {
	grant *grant
	since time.Time // when it was issued
}

// tokenResponse is RFC 6749 §5.1.
type tokenResponse struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int64  `json:"expires_in"`
	Refresh string `json:"refresh_token,omitempty"`
	Scope   string `json:"scope"`
}

func (a *authServer) serveToken(w http.ResponseWriter, r *http.Request) {
	if a.s.strikes("token-unavailable") {
		http.Error(w, "Service Unavailable", http.StatusServiceUnavailable)
		return
	}
	form, ok := readForm(w, r)
	if !ok {
		return
	}
	if !a.strict && form.Get("grant_type") == "" && form.Has("token") {
		a.serveRevocation(w, r, form)
		return
	}
	lifetime := a.accessLifetime()
	a.s.mu.Lock()
	defer a.s.unlock()
	c, err := a.authenticate(r, form)
	if err != nil {
		a.s.tell("refusal", "", "", "token: "+err.Description)
		writeUnauthenticated(w, err)
		return
	}
	var resp *tokenResponse
	switch form.Get("grant_type") {
	case "authorization_code":
		resp, err = a.exchange(c, form, lifetime)
	case "refresh_token":
		resp, err = a.renew(c, form, lifetime)
	default:
		err = &oauthError{"unsupported_grant_type", "Grant type not supported"}
	}
	if err != nil {
		a.s.tell("refusal", "", c.name, "token: "+err.Description)
		writeError(w, http.StatusBadRequest, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, resp)
}

// readForm reads a form that was posted. It answers itself if there is none.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		writeError(w, http.StatusBadRequest, &oauthError{"invalid_request", "Malformed form"})
		return nil, false
	}
	return r.PostForm, true
}

// accessLifetime returns the lifetime of an access token issued now.
func (a *authServer) accessLifetime() time.Duration {
	if arg, on := a.s.fault("token-expiry"); on {
		if n, err := strconv.Atoi(arg); err == nil && n >= 0 {
			return time.Duration(n) * time.Second
		}
	}
	return a.lifetime
}

// authenticate returns the client that a request comes from (RFC 6749 §2.3.1).
func (a *authServer) authenticate(r *http.Request, form url.Values) (*client, *oauthError) {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok {
		user, err1 := url.QueryUnescape(user)
		password, err2 := url.QueryUnescape(password)
		if err1 != nil || err2 != nil || id != "" && id != user {
			return nil, &oauthError{"invalid_client", "Malformed client credentials"}
		}
		id, secret = user, password
	}
	if id == "" {
		return nil, &oauthError{"invalid_client", "Client ID is required"}
	}
	c := a.s.clients[id]
	if c == nil || c.server != a {
		return nil, &oauthError{"invalid_client", "Client not found"}
	}
	if c.method == "none" && (secret == "" || !a.strict) {
		return c, nil
	}
	if secret == "" {
		return nil, &oauthError{"invalid_client", "Client authentication failed: missing client_secret"}
	}
	if subtle.ConstantTimeCompare([]byte(secret), []byte(c.secret)) != 1 {
		return nil, &oauthError{"invalid_client", "Client authentication failed: invalid client_secret"}
	}
	return c, nil
}

// writeUnauthenticated refuses a client as RFC 6749 §5.2 says.
func writeUnauthenticated(w http.ResponseWriter, err *oauthError) {
	w.Header().Set("WWW-Authenticate", `Basic realm="OAuth"`)
	writeError(w, http.StatusUnauthorized, err)
}

// exchange takes a code for tokens. The caller holds mu.
func (a *authServer) exchange(c *client, form url.Values, lifetime time.Duration) (*tokenResponse, *oauthError) {
	s := a.s
	invalid := func(why string) (*tokenResponse, *oauthError) { return nil, &oauthError{"invalid_grant", why} }
	cd := s.codes[hash(form.Get("code"))]
	switch {
	case cd == nil || cd.grant.server != a:
		return invalid("Grant not found")
	case s.now().After(cd.expires):
		return invalid("Authorization code expired")
	case cd.grant.clientID != c.id:
		return invalid("Client ID mismatch")
	case cd.used:
		// Whoever has the code besides us may have come first (RFC 6749 §4.1.2).
		s.counts.Reuses++
		s.tell("reuse", cd.grant.Account, c.name, "authorization code")
		s.revoke(cd.grant, "its authorization code was used again")
		return invalid("Authorization code already used")
	}
	if err := cd.req.verify(form); err != nil {
		return nil, err
	}
	if err := a.checkResource(form, cd.grant); err != nil {
		return nil, err
	}
	cd.used = true
	g := cd.grant
	s.grants[g.ID] = g
	s.counts.Grants++
	s.tell("grant", g.Account, c.name, strings.TrimSpace(a.name+" server "+g.resource))
	return a.issue(g, lifetime), nil
}

// verify compares the request for tokens with the request for the code (RFC 6749 §4.1.3, RFC 7636 §4.6).
func (req *request) verify(form url.Values) *oauthError {
	redirect, verifier := form.Get("redirect_uri"), form.Get("code_verifier")
	switch {
	case redirect == "" && req.challenge == "":
		return &oauthError{"invalid_request", "redirect_uri is required when not using PKCE"}
	case redirect != "" && redirect != req.redirect:
		return &oauthError{"invalid_grant", "Invalid redirect URI"}
	case req.challenge == "" && verifier != "":
		return &oauthError{"invalid_request", "code_verifier provided for a flow that did not use PKCE"}
	case req.challenge != "" && verifier == "":
		return &oauthError{"invalid_request", "code_verifier is required for PKCE"}
	}
	got := verifier
	if req.method == "S256" {
		sum := sha256.Sum256([]byte(verifier))
		got = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if subtle.ConstantTimeCompare([]byte(got), []byte(req.challenge)) != 1 {
		return &oauthError{"invalid_grant", "Invalid PKCE code_verifier"}
	}
	return nil
}

// checkResource wants the resource that g is bound to.
func (a *authServer) checkResource(form url.Values, g *grant) *oauthError {
	switch got := form["resource"]; {
	case !a.strict:
	case len(got) == 0:
		return &oauthError{"invalid_target", "resource is required"}
	case len(got) > 1 || got[0] != a.s.cfg.Origin+g.resource:
		return &oauthError{"invalid_target", "resource is not the one that was granted"}
	}
	return nil
}

// renew takes a refresh token for new tokens. The caller holds mu.
func (a *authServer) renew(c *client, form url.Values, lifetime time.Duration) (*tokenResponse, *oauthError) {
	s := a.s
	invalid := func(why string) (*tokenResponse, *oauthError) { return nil, &oauthError{"invalid_grant", why} }
	token := hash(form.Get("refresh_token"))
	g := s.refresh[token].grant
	switch {
	case g == nil || g.server != a:
		return invalid("Invalid refresh token")
	case g.revoked:
		return invalid("Grant not found")
	case g.clientID != c.id:
		return invalid("Client ID mismatch")
	case token != g.refresh && a.strict:
		s.counts.Reuses++
		s.tell("reuse", g.Account, c.name, "refresh token")
		s.revoke(g, "a refresh token was used again")
		return invalid("refresh token was already used")
	case token != g.refresh && token != g.previous:
		return invalid("Invalid refresh token")
	case !g.refreshExpires.IsZero() && s.now().After(g.refreshExpires):
		return invalid("refresh token has expired")
	}
	if err := a.checkResource(form, g); err != nil {
		return nil, err
	}
	for _, scope := range strings.Fields(form.Get("scope")) {
		if a.strict && !slices.Contains(g.Scopes, scope) {
			return nil, &oauthError{"invalid_scope", "The scope was not granted"}
		}
	}
	g.previous = token
	g.endedEarly(s)
	s.counts.Refreshes++
	s.tell("refresh", g.Account, c.name, strings.TrimSpace(a.name+" server "+g.resource))
	return a.issue(g, lifetime), nil
}

// endedEarly notes that a client has come to know how short the life of its access token was. The caller holds mu.
func (g *grant) endedEarly(s *Server) {
	if g.short {
		g.short = false
		s.struck("token-expiry")
	}
}

// issue makes new tokens of g. The caller holds mu.
func (a *authServer) issue(g *grant, lifetime time.Duration) *tokenResponse {
	s := a.s
	g.expires, g.short = s.now().Add(lifetime), lifetime < a.lifetime
	resp := &tokenResponse{Access: a.newToken(g, "access"), Type: "bearer", Expires: int64(lifetime / time.Second)}
	s.access[hash(resp.Access)] = &accessToken{g, g.expires}
	if a.strict {
		resp.Type, resp.Scope = "Bearer", strings.Join(g.Scopes, " ")
	}
	if g.offline {
		resp.Refresh = a.newToken(g, "refresh")
		g.refresh = hash(resp.Refresh)
		s.refresh[g.refresh] = refreshToken{g, s.now()}
		if a.refreshFor > 0 {
			g.refreshExpires = s.now().Add(a.refreshFor)
		}
	}
	return resp
}

// newToken returns a token of g's. Those of the v1 server name the account and the grant.
func (a *authServer) newToken(g *grant, kind string) string {
	if a.strict {
		return "canary-" + kind + "-" + rand.Text() + rand.Text()
	}
	return strings.ReplaceAll(g.Account, ":", "-") + ":" + g.ID + ":canary-" + rand.Text() + rand.Text()
}
