package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// This file obtains a client ID, in the order that MCP gives ("Client Registration Approaches"): one that the user was
// given, else a client ID metadata document, else dynamic registration (RFC 7591). Software statements (RFC 7591 §2.3) and
// the management of registrations (RFC 7592) are not supported.

// Token endpoint authentication methods (RFC 7591 §2).
const (
	authNone  = "none"
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
)

// preset returns the client that needs no registration at as, if there is one.
func (c *Client) preset(as *serverMetadata) (registration, bool) {
	switch {
	case c.cfg.ClientID != "":
		r := registration{ClientID: c.cfg.ClientID, ClientSecret: c.cfg.ClientSecret, AuthMethod: authNone}
		if r.ClientSecret != "" {
			r.AuthMethod = authBasic // the default of RFC 8414 §2
			if len(as.AuthMethods) > 0 && !slices.Contains(as.AuthMethods, authBasic) && slices.Contains(as.AuthMethods, authPost) {
				r.AuthMethod = authPost
			}
		}
		if m := c.cfg.ClientAuthMethod; m != "" && (len(as.AuthMethods) == 0 || slices.Contains(as.AuthMethods, m)) {
			r.AuthMethod = m
		}
		return r, true
	case c.cfg.ClientMetadataURL != "" && as.DocumentSupported:
		return registration{ClientID: c.cfg.ClientMetadataURL, AuthMethod: authNone}, true
	}
	return registration{}, false
}

// reusable reports whether r may serve another sign-in.
func (c *Client) reusable(r *registration) bool {
	if !r.Dynamic || !r.SecretExpires.IsZero() && time.Now().After(r.SecretExpires) {
		return false
	}
	u, err := url.Parse(r.RedirectURI)
	if err != nil || u.Port() == "" {
		return false
	}
	return u.Hostname() == c.callbackHost() && u.Path == c.callbackPath() &&
		(c.cfg.CallbackPort == 0 || u.Port() == fmt.Sprint(c.cfg.CallbackPort))
}

// register makes this program known at a place, which will send the user back to redirectURI ("" for a sign-in without).
func (c *Client) register(ctx context.Context, at *place, redirectURI string) (registration, error) {
	as := &at.as
	if r, ok := c.preset(as); ok {
		r.RedirectURI = redirectURI
		return r, nil
	}
	if as.RegistrationEndpoint == "" {
		return registration{}, fmt.Errorf("authorization server %s registers no clients by itself: "+
			"ask its administrator for a client ID and pass it with --client-id", as.Issuer)
	}
	r, err := c.registerDynamically(ctx, as, redirectURI)
	if at.guessed && err != nil && !isTransient(err) && !isCode(err, "invalid_redirect_uri") && !isCode(err, "invalid_client_metadata") { // RFC 7591 §3.2.2
		return registration{}, &NoSignInError{c.cfg.Server, "it has no OAuth metadata, and registers no clients at " + as.RegistrationEndpoint}
	}
	if err != nil {
		return registration{}, fmt.Errorf("registering at %s: %w", as.Issuer, err)
	}
	return r, nil
}

// registrationResponse is what we use of RFC 7591 §3.2.1.
type registrationResponse struct {
	ClientID      string          `json:"client_id"`
	ClientSecret  string          `json:"client_secret"`
	SecretExpires json.RawMessage `json:"client_secret_expires_at"` // seconds since 1970; 0 is never
	AuthMethod    string          `json:"token_endpoint_auth_method"`
}

func (c *Client) registerDynamically(ctx context.Context, as *serverMetadata, redirectURI string) (registration, error) {
	md := Metadata{
		"client_name":                "atlassian-mcp",
		"application_type":           "native", // else a server may refuse http on loopback
		"token_endpoint_auth_method": preferredMethod(as),
	}
	if redirectURI != "" {
		md["grant_types"] = []string{"authorization_code", "refresh_token"}
		md["response_types"] = []string{"code"}
		md["redirect_uris"] = []string{redirectURI}
	} else {
		md["grant_types"] = []string{deviceGrant, "refresh_token"}
	}
	maps.Copy(md, c.cfg.ClientMetadata)
	body, err := json.Marshal(md)
	if err != nil {
		return registration{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, as.RegistrationEndpoint, bytes.NewReader(body))
	if err != nil {
		return registration{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.oauth.Do(req)
	if err != nil {
		return registration{}, transient(err, 0)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return registration{}, refusal(resp)
	}
	if body, err = readAll(resp.Body); err != nil {
		return registration{}, err
	}
	var rr registrationResponse
	if err := json.Unmarshal(body, &rr); err != nil || rr.ClientID == "" {
		return registration{}, errors.New("the answer has no client ID")
	}
	r := registration{ClientID: rr.ClientID, RedirectURI: redirectURI, AuthMethod: rr.AuthMethod, Dynamic: true}
	if r.AuthMethod == "" {
		r.AuthMethod = authNone
		if rr.ClientSecret != "" {
			r.AuthMethod = authBasic // the default of RFC 7591 §2
		}
	}
	switch r.AuthMethod {
	case authNone: // some servers issue a secret even so, which must not be used
	case authBasic, authPost:
		if r.ClientSecret = rr.ClientSecret; r.ClientSecret == "" {
			return registration{}, fmt.Errorf("the answer asks for %s but has no secret", r.AuthMethod)
		}
		if s := wholeNumber(rr.SecretExpires); s > 0 {
			r.SecretExpires = time.Unix(min(s, 1<<33), 0)
		}
	default:
		return registration{}, fmt.Errorf("the answer asks for the unsupported method %q", r.AuthMethod)
	}
	return r, nil
}

// preferredMethod returns the method that a native application should ask for: none, as it can't keep a secret secret.
func preferredMethod(as *serverMetadata) string {
	for _, m := range []string{authNone, authBasic, authPost} {
		if slices.Contains(as.AuthMethods, m) {
			return m
		}
	}
	return authNone
}

// stale reports whether err says that the authorization server does not know the client, or not by this redirect URI.
// There is no code for the latter, so that servers put it into words.
func stale(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return errors.Is(err, errStale)
	}
	switch e.Code {
	case "invalid_client", "unauthorized_client":
		return true
	case "invalid_request", "invalid_redirect_uri", "":
		d := strings.ToLower(e.Description)
		return strings.Contains(d, "redirect") || strings.Contains(d, "client")
	}
	return false
}

var errStale = errors.New("the authorization server does not know this client any more")

// preflight asks the authorization endpoint whether it still knows the client of a remembered registration, for a browser
// that it sends to an error page never comes back to us. It returns errStale if not, and nil when in doubt: the
// request is like that of a browser, but not the browser's, and made out for nobody.
func (c *Client) preflight(ctx context.Context, authorize string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // the user is waiting for the tab
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, authorize, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/html")
	hc := *c.oauth
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := hc.Do(req)
	if err != nil {
		return nil
	}
	resp.Body.Close()
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code > http.StatusInternalServerError:
		return nil
	case code >= 400:
		return errStale
	}
	to, err := resp.Location()
	if err != nil || to.Query().Get("error") == "" {
		return nil
	}
	if e := (&Error{Code: to.Query().Get("error"), Description: to.Query().Get("error_description")}); stale(e) {
		return errStale
	}
	return nil
}
