package issuer

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// This file says where the authorization servers are: RFC 8414 for each of them, RFC 9728 for the resources that have it.

// An authServer is one of the two, with what is peculiar to it.
type authServer struct {
	s          *Server
	name       string // v1 or identity
	path       string // of the issuer, "" if it is the origin
	authorize  string // paths of the endpoints
	token      string
	register   string
	challenges []string      // methods of RFC 7636 §4.2
	lifetime   time.Duration // of an access token
	refreshFor time.Duration // of a refresh token; 0 means for good
	strict     bool          // resource and PKCE are required, a refresh token can be used once
}

const (
	revokePath = "/identity/oauth/revoke"
	errorPath  = "/identity/error"
)

func newV1(s *Server) *authServer {
	return &authServer{
		s: s, name: "v1", authorize: "/v1/authorize", token: "/v1/token", register: "/v1/register",
		challenges: []string{"plain", "S256"}, lifetime: 55 * time.Minute,
	}
}

func newIdentity(s *Server) *authServer {
	const path = "/identity/VCeDsk8Z" // Atlassian's is a name without meaning, too
	return &authServer{
		s: s, name: "identity", path: path, authorize: "/identity/authorize", token: "/identity/oauth/token", register: path + "/dcr/register",
		challenges: []string{"S256"}, lifetime: 8 * time.Hour, refreshFor: 90 * 24 * time.Hour, strict: true,
	}
}

// issuer returns what a calls itself, which under the fault issuer-mismatch is not where its metadata is found.
func (a *authServer) issuer() string {
	origin := a.s.cfg.Origin
	if !a.s.strikes("issuer-mismatch") {
		return origin + a.path
	}
	if a.strict {
		return origin // until September 2026 it was the host alone
	}
	return otherOrigin(origin) // until August 2026 it was a host behind mcp.atlassian.com
}

// otherOrigin returns another name of the same machine if there is one.
func otherOrigin(origin string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return origin
	}
	other := "cf." + u.Hostname()
	switch u.Hostname() {
	case "127.0.0.1":
		other = "localhost"
	case "localhost":
		other = "127.0.0.1"
	}
	return strings.Replace(origin, u.Hostname(), other, 1)
}

// resourceOf returns the resource that an indicator names (RFC 8707 §2), nil if none of ours.
func (s *Server) resourceOf(indicator string) *resource {
	path, ok := strings.CutPrefix(indicator, s.cfg.Origin)
	if !ok {
		return nil
	}
	return resourceAt(path)
}

const wellKnownResource = "/.well-known/oauth-protected-resource"

func (s *Server) registerMetadata(mux *http.ServeMux) {
	const wellKnown = "/.well-known/oauth-authorization-server"
	mux.HandleFunc("GET "+wellKnown, s.v1.serveMetadata)
	mux.HandleFunc("GET "+wellKnown+s.identity.path, s.identity.serveMetadata)
	mux.HandleFunc("GET "+s.identity.path+wellKnown, s.identity.serveMetadata)
	for _, res := range resources {
		mux.HandleFunc("GET "+wellKnownResource+res.path, func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusOK, resourceMetadata{s.cfg.Origin + res.path, []string{s.cfg.Origin + s.identity.path}, []string{"header"}, res.scopes})
		})
	}
	mux.HandleFunc("GET "+wellKnownResource, s.serveRoot)
	mux.HandleFunc("GET /.well-known/", notFound)
}

// resourceMetadata is RFC 9728 §2 as Atlassian uses it.
type resourceMetadata struct {
	Resource string   `json:"resource"`
	Servers  []string `json:"authorization_servers"`
	Methods  []string `json:"bearer_methods_supported"`
	Scopes   []string `json:"scopes_supported,omitempty"`
}

// serveRoot answers for the origin. It has no resource metadata, so that a client of /v1/mcp needs the fallback of MCP 2025-03-26,
// unless root-metadata is on: then it has some, and its resource ends in a slash that no endpoint has.
func (s *Server) serveRoot(w http.ResponseWriter, r *http.Request) {
	if !s.strikes("root-metadata") {
		notFound(w, r)
		return
	}
	writeJSON(w, http.StatusOK, resourceMetadata{Resource: s.cfg.Origin + "/", Servers: []string{s.cfg.Origin}, Methods: []string{"header"}})
}

// serveMetadata answers RFC 8414 §3.1. Atlassian's identity server names grants and methods besides that need no browser; none of them
// opens the MCP server, and none is here.
func (a *authServer) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	origin := a.s.cfg.Origin
	md := struct {
		Issuer           string   `json:"issuer"`
		Authorization    string   `json:"authorization_endpoint"`
		Token            string   `json:"token_endpoint"`
		Registration     string   `json:"registration_endpoint"`
		ResponseTypes    []string `json:"response_types_supported"`
		ResponseModes    []string `json:"response_modes_supported"`
		GrantTypes       []string `json:"grant_types_supported"`
		AuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
		Revocation       string   `json:"revocation_endpoint"`
		ChallengeMethods []string `json:"code_challenge_methods_supported"`
		Documents        bool     `json:"client_id_metadata_document_supported,omitempty"`
		Iss              bool     `json:"authorization_response_iss_parameter_supported,omitempty"` // RFC 9207
	}{
		Issuer:        a.issuer(),
		Authorization: origin + a.authorize, Token: origin + a.token, Registration: origin + a.register, Revocation: origin + a.token,
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query"},
		GrantTypes:       []string{"authorization_code", "refresh_token"},
		AuthMethods:      authMethods,
		ChallengeMethods: a.challenges,
		Documents:        a.strict, Iss: a.strict,
	}
	if a.strict {
		md.Revocation = origin + revokePath
		md.AuthMethods = []string{"none", "client_secret_post", "client_secret_basic"}
	}
	writeJSON(w, http.StatusOK, md)
}

// authMethods are the ways that a client may authenticate in (RFC 7591 §2).
var authMethods = []string{"client_secret_basic", "client_secret_post", "none"}

// notFound answers as Atlassian does for a well-known document that it does not have.
func notFound(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(http.StatusNotFound)
	io.WriteString(w, "404 Not Found")
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // can't be: only structs of ours come here
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(text)
}

// writeError answers with an error of RFC 6749 §5.2 or RFC 7591 §3.2.2.
func writeError(w http.ResponseWriter, status int, e *oauthError) {
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, e)
}

// An oauthError is what a client is told.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}
