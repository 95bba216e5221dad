package issuer

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// This file implements RFC 7591. Software statements (§2.3) and the management of registrations (RFC 7592) are not supported.

// A client is a program that somebody may sign in with.
type client struct {
	id, secret string // the secret is "" if there is none
	name       string
	method     string // token_endpoint_auth_method
	redirects  []string
	server     *authServer
	since      time.Time // when it registered
}

// registration is RFC 7591 §2 and §3.2.1, in the order in which the v1 server answers.
type registration struct {
	ID            string   `json:"client_id,omitempty"`
	Redirects     []string `json:"redirect_uris"`
	Name          string   `json:"client_name,omitempty"`
	LogoURI       string   `json:"logo_uri,omitempty"`
	URI           string   `json:"client_uri,omitempty"`
	PolicyURI     string   `json:"policy_uri,omitempty"`
	TermsURI      string   `json:"tos_uri,omitempty"`
	KeysURI       string   `json:"jwks_uri,omitempty"`
	Contacts      []string `json:"contacts,omitempty"`
	GrantTypes    []string `json:"grant_types"`
	ResponseTypes []string `json:"response_types"`
	Method        string   `json:"token_endpoint_auth_method"`
	Management    string   `json:"registration_client_uri,omitempty"`
	IssuedAt      int64    `json:"client_id_issued_at,omitempty"`
	Secret        string   `json:"client_secret,omitempty"`
	SecretExpires *int64   `json:"client_secret_expires_at,omitempty"` // 0 is never
}

// maxBody is the size in bytes of the largest request that is read.
const maxBody = 1 << 20

func (a *authServer) serveRegister(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		writeError(w, http.StatusRequestEntityTooLarge, &oauthError{"invalid_request", "Request payload too large, must be under 1 MiB"})
		return
	}
	var reg registration
	if err := json.Unmarshal(body, &reg); err != nil {
		writeError(w, http.StatusBadRequest, &oauthError{"invalid_request", "Invalid JSON payload"})
		return
	}
	if err := checkRegistration(&reg); err != nil {
		a.s.refuse("", clientName(reg.Name), "registration: "+err.Description)
		writeError(w, http.StatusBadRequest, err)
		return
	}
	c := a.enrol(&reg)
	a.s.mu.Lock()
	a.s.clients[c.id] = c
	a.s.counts.Registrations++
	a.s.tell("registration", "", c.name, a.name+" server, "+strings.Join(c.redirects, " "))
	a.s.unlock()
	writeJSON(w, http.StatusCreated, reg)
}

// checkRegistration reports what is wrong with what a client says of itself, and fills in what it leaves out.
func checkRegistration(reg *registration) *oauthError {
	if len(reg.Redirects) == 0 {
		return &oauthError{"invalid_redirect_uri", "At least one redirect URI is required"}
	}
	for _, u := range reg.Redirects {
		if err := checkRedirect(u); err != nil {
			return &oauthError{"invalid_redirect_uri", "Invalid redirect URI: " + err.Error()}
		}
	}
	reg.Method = cmp.Or(reg.Method, "client_secret_basic")
	if !slices.Contains(authMethods, reg.Method) {
		return &oauthError{"invalid_client_metadata", fmt.Sprintf("Unsupported token_endpoint_auth_method %q", reg.Method)}
	}
	if reg.GrantTypes == nil {
		reg.GrantTypes = []string{"authorization_code", "refresh_token"}
	}
	if reg.ResponseTypes == nil {
		reg.ResponseTypes = []string{"code"}
	}
	if !slices.Contains(reg.GrantTypes, "authorization_code") || !slices.Contains(reg.ResponseTypes, "code") {
		return &oauthError{"invalid_client_metadata", "grant_types needs authorization_code, and response_types needs code"}
	}
	return nil
}

// enrol makes reg the answer to itself, and returns the client.
func (a *authServer) enrol(reg *registration) *client {
	reg.IssuedAt = a.s.now().Unix()
	reg.Secret, reg.SecretExpires = "", nil
	if a.strict {
		// There is a secret even for method none. The client may use it or not.
		reg.ID, reg.Secret = random(32), "ATOA-canary-"+rand.Text()
	} else {
		reg.ID = random(16)
		reg.Management = a.s.cfg.Origin + a.register + "/" + reg.ID
		if reg.Method != "none" {
			reg.Secret = "canary-" + rand.Text()
		}
	}
	if reg.Secret != "" {
		reg.SecretExpires = new(int64)
	}
	return &client{id: reg.ID, secret: reg.Secret, name: clientName(reg.Name), method: reg.Method, redirects: reg.Redirects, server: a, since: a.s.now()}
}

// clientName returns what a client calls itself, made fit to be shown.
func clientName(name string) string {
	name = strings.Join(strings.Fields(strings.ToValidUTF8(name, "")), " ")
	return cmp.Or(clip(name, 100), "An unnamed client")
}

// random returns n random letters and digits.
func random(n int) string {
	var s strings.Builder
	for s.Len() < n {
		s.WriteString(rand.Text())
	}
	return s.String()[:n]
}

// checkRedirect reports what is wrong with a redirect URI (RFC 6749 §3.1.2, RFC 8252 §7).
func checkRedirect(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil, !u.IsAbs():
		return fmt.Errorf("%.200q is not an absolute URI", raw)
	case strings.Contains(raw, "#"):
		return errors.New("it has a fragment")
	case slices.Contains([]string{"javascript", "data", "vbscript", "file", "blob", "about"}, u.Scheme):
		return fmt.Errorf("its scheme is %q", u.Scheme)
	case (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() == "":
		return fmt.Errorf("%.200q has no host", raw)
	}
	return nil
}

// listed reports whether Atlassian lets every organization's people go back to a redirect URI: it allows http on loopback, and the
// domains of the clients that it supports. Whatever else is registered is refused when the person has agreed.
func listed(redirect string) bool {
	u, err := url.Parse(redirect)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "http":
		return u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1"
	case "https":
		return slices.Contains([]string{"chatgpt.com", "claude.ai", "claude.com", "vscode.dev"}, u.Host)
	}
	return slices.Contains([]string{"cursor", "vscode", "vscode-insiders"}, u.Scheme)
}
