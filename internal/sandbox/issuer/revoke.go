package issuer

import (
	"maps"
	"net/http"
	"net/url"
	"time"
)

// This file implements RFC 7009. The v1 server has it at its token endpoint.

func (a *authServer) serveRevoke(w http.ResponseWriter, r *http.Request) {
	if form, ok := readForm(w, r); ok {
		a.serveRevocation(w, r, form)
	}
}

// serveRevocation ends an access token, or all that came of a refresh token. A token that is not known is as good as revoked (§2.2).
func (a *authServer) serveRevocation(w http.ResponseWriter, r *http.Request, form url.Values) {
	s := a.s
	s.mu.Lock()
	defer s.unlock()
	c, err := a.authenticate(r, form)
	if err != nil {
		s.tell("refusal", "", "", "revocation: "+err.Description)
		writeUnauthenticated(w, err)
		return
	}
	if form.Get("token") == "" {
		writeError(w, http.StatusBadRequest, &oauthError{"invalid_request", "Token is required"})
		return
	}
	token := hash(form.Get("token"))
	g, access := s.refresh[token].grant, s.access[token]
	if access != nil {
		g = access.grant
	}
	switch {
	case g == nil || g.revoked:
	case g.clientID != c.id:
		writeError(w, http.StatusBadRequest, &oauthError{"invalid_grant", "Client ID mismatch"})
		return
	case access != nil:
		delete(s.access, token)
		s.counts.Revocations++
		s.tell("revocation", g.Account, c.name, "of an access token")
	default:
		s.revoke(g, "the client has asked for it")
	}
	w.WriteHeader(http.StatusOK)
}

// revoke ends g and all of its tokens. The caller holds mu.
func (s *Server) revoke(g *grant, why string) {
	if g.revoked {
		return
	}
	g.revoked = true
	delete(s.grants, g.ID)
	maps.DeleteFunc(s.access, func(_ digest, t *accessToken) bool { return t.grant == g })
	s.counts.Revocations++
	s.tell("revocation", g.Account, g.Client, why)
}

// sweep forgets what has expired. The caller holds mu.
func (s *Server) sweep() {
	now := s.now()
	maps.DeleteFunc(s.requests, func(_ string, r *request) bool { return now.After(r.expires) })
	maps.DeleteFunc(s.codes, func(_ digest, c *code) bool { return now.After(c.expires) })
	maps.DeleteFunc(s.access, func(_ digest, t *accessToken) bool { return !now.Before(t.expires) })
	maps.DeleteFunc(s.grants, func(_ string, g *grant) bool { return g.over(now) })
	maps.DeleteFunc(s.refresh, func(_ digest, t refreshToken) bool { return t.grant.over(now) })
}

// over reports whether no token of g's is good any more, nor ever will be.
func (g *grant) over(now time.Time) bool {
	if g.offline {
		return !g.refreshExpires.IsZero() && now.After(g.refreshExpires)
	}
	return !now.Before(g.expires)
}
