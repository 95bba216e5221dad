package issuer

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// This file judges requests to the MCP endpoints (RFC 6750 §2.1, §3).

// A Refusal is the answer to a request that must not pass.
type Refusal struct {
	Description string // that the body has
	Metadata    string // URL of the resource's metadata, "" if it has none
}

// ServeHTTP answers with 401. Only the resources of the identity server say where their metadata is (RFC 9728 §5.1).
func (f *Refusal) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	challenge := `Bearer realm="OAuth", `
	if f.Metadata != "" {
		challenge += `resource_metadata="` + f.Metadata + `", `
	}
	w.Header().Set("WWW-Authenticate", challenge+`error="invalid_token", error_description="Missing or invalid access token"`)
	writeJSON(w, http.StatusUnauthorized, &oauthError{"invalid_token", f.Description})
}

// Check judges the Authorization header of a request to endpoint, which is the path of an MCP endpoint without query. It returns a
// grant or else a refusal.
func (s *Server) Check(r *http.Request, endpoint string) (*Grant, *Refusal) {
	s.mu.Lock()
	defer s.unlock()

	refusal := &Refusal{Description: "Missing or invalid access token"}
	if resourceAt(endpoint) != nil {
		refusal.Metadata = s.cfg.Origin + wellKnownResource + endpoint
	}
	scheme, credentials, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	credentials = strings.TrimSpace(credentials)
	if credentials == "" {
		return nil, refusal
	}
	var g *Grant
	var why string
	switch strings.ToLower(scheme) {
	case "bearer":
		g, why = s.bearer(credentials, endpoint)
	case "basic":
		g, why = s.basic(credentials, endpoint)
	default:
		why = "the scheme is neither Bearer nor Basic"
	}
	if g == nil {
		s.tell("refusal", "", "", endpoint+": "+why)
		refusal.Description = "Invalid access token"
		return nil, refusal
	}
	if g.Via != "" && s.strikes("unscoped-token") {
		g.Via = "unscoped"
	}
	return g, nil
}

// bearer returns what an access token or the key of a service account is good for at endpoint, or why for nothing.
func (s *Server) bearer(token, endpoint string) (*Grant, string) {
	if k := s.keys[hash(token)]; k != nil {
		switch {
		case !k.Service:
			return nil, "a person's API token is for Basic"
		case endpoint != tokenEndpoint:
			return nil, "API keys are for " + tokenEndpoint
		}
		return k.grant(), ""
	}
	t := s.access[hash(token)]
	switch {
	case t == nil:
		return nil, "the access token is not known, or was revoked"
	case !s.now().Before(t.expires):
		t.grant.endedEarly(s)
		return nil, "the access token has expired"
	case t.grant.resource != endpoint && (t.grant.server.strict || endpoint != "/v1/mcp" && endpoint != "/v1/sse"):
		return nil, "the access token is for another resource"
	}
	g := t.grant.Grant
	return &g, ""
}

// basic returns what a person's API token is good for at endpoint, or why for nothing.
func (s *Server) basic(credentials, endpoint string) (*Grant, string) {
	text, err := base64.StdEncoding.DecodeString(credentials)
	email, token, ok := strings.Cut(string(text), ":")
	if err != nil || !ok {
		return nil, "malformed Basic credentials"
	}
	k := s.keys[hash(token)]
	switch {
	case k == nil || k.Service || !strings.EqualFold(k.Email, email):
		return nil, "the API token is not known, or another person's"
	case endpoint != tokenEndpoint:
		return nil, "API tokens are for " + tokenEndpoint
	}
	return k.grant(), ""
}
