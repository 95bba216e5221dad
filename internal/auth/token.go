package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// This file talks to token endpoints (RFC 6749 §5, RFC 8707) and revocation endpoints (RFC 7009). The code is exchanged by
// x/oauth2; renewal is a request of our own, because that of x/oauth2 sends neither resource nor scope and keeps a
// rotated refresh token to itself.

// A token is a successful token response (RFC 6749 §5.1).
type token struct {
	AccessToken  string
	RefreshToken string        // "" if there is none, or no new one
	Scope        string        // as granted, "" if as requested
	Lifetime     time.Duration // 0 if the server did not say
}

// An Error is a refusal by the authorization server (RFC 6749 §4.1.2.1 and §5.2, RFC 7591 §3.2.2).
type Error struct {
	Status      int    // of the HTTP response; 0 if it came by the browser
	Code        string // "" if there was none
	Description string // the server's words, without control characters and secrets, shortened
}

func (e *Error) Error() string {
	s := "the authorization server refused"
	switch {
	case e.Code != "":
		s += ": " + strconv.Quote(e.Code)
	case e.Status != 0:
		s += fmt.Sprintf(" with status %d", e.Status)
	}
	if e.Description != "" {
		s += " (" + e.Description + ")"
	}
	return s
}

// Is makes a refusal by the user ErrDenied.
func (e *Error) Is(target error) bool { return target == ErrDenied && e.Code == "access_denied" }

// exchange trades the code of a callback for a token (RFC 6749 §4.1.3, RFC 7636 §4.5). It tries again if the server said
// that it can't just now; a code that may have arrived is never sent twice (§4.1.2).
func (c *Client) exchange(ctx context.Context, p *pending, code string) (*token, error) {
	for wait := firstRetry; ; wait *= 2 {
		t, err := c.exchangeOnce(ctx, p, code)
		var said *Error
		if !isTransient(err) || !errors.As(err, &said) || wait > 4*firstRetry {
			return t, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (c *Client) exchangeOnce(ctx context.Context, p *pending, code string) (*token, error) {
	ctx, cancel := untilHeard(ctx)
	defer cancel()
	opts := append(c.resourceOption(p.Grant.Resource), oauth2.VerifierOption(p.Verifier))
	t, err := oauthConfig(&p.Grant).Exchange(context.WithValue(ctx, oauth2.HTTPClient, c.unlimited()), code, opts...)
	if err != nil {
		return nil, fmt.Errorf("exchanging the code: %w", translate(err, code, p.Verifier, p.Grant.ClientSecret))
	}
	return fromOAuth2(t, code, p.Verifier, p.Grant.ClientSecret)
}

// oauthConfig returns the x/oauth2 view of g, authenticating by the method that the server chose at registration. The
// style is never left to x/oauth2, which would find it out by sending a code twice.
func oauthConfig(g *grant) *oauth2.Config {
	conf := &oauth2.Config{
		ClientID:    g.ClientID,
		RedirectURL: g.RedirectURI,
		Endpoint:    oauth2.Endpoint{TokenURL: g.TokenEndpoint, AuthStyle: oauth2.AuthStyleInParams},
	}
	if g.AuthMethod != authNone {
		conf.ClientSecret = g.ClientSecret
	}
	if g.AuthMethod == authBasic {
		conf.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	}
	return conf
}

func (c *Client) resourceOption(resource string) []oauth2.AuthCodeOption {
	if c.cfg.OmitResource {
		return nil
	}
	return []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("resource", resource)}
}

func fromOAuth2(t *oauth2.Token, secrets ...string) (*token, error) {
	scope, _ := t.Extra("scope").(string)
	return newToken(t.AccessToken, t.TokenType, t.RefreshToken, scope, t.ExpiresIn, secrets...)
}

// newToken checks what a token endpoint issued for secrets, which its error does not show.
func newToken(access, kind, refresh, scope string, seconds int64, secrets ...string) (*token, error) {
	switch {
	case access == "":
		return nil, errors.New("the authorization server issued no access token")
	case kind != "" && !strings.EqualFold(kind, "bearer"): // RFC 6749 §7.1
		return nil, fmt.Errorf("the authorization server issued a token of the unsupported type %q", clip(redact(kind, append(secrets, access, refresh)...)))
	case !validToken(access), !validToken(refresh):
		return nil, errors.New("the authorization server issued a malformed token")
	}
	t := &token{AccessToken: access, RefreshToken: refresh, Scope: scope}
	if seconds > 0 {
		t.Lifetime = time.Duration(min(seconds, maxLifetime)) * time.Second
	}
	return t, nil
}

// maxLifetime, ten years in seconds, keeps nonsense from overflowing.
const maxLifetime = 10 * 365 * 24 * 3600

// refresh trades g's refresh token for another token (RFC 6749 §6), once.
func (c *Client) refresh(ctx context.Context, g *grant) (*token, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.RefreshToken}}
	if len(g.Requested) > 0 {
		form.Set("scope", strings.Join(g.Requested, " "))
	}
	return c.postToken(ctx, g, form)
}

// postToken posts form to g's token endpoint, with the resource, and as g's client.
func (c *Client) postToken(ctx context.Context, g *grant, form url.Values) (*token, error) {
	ctx, cancel := untilHeard(ctx)
	defer cancel()
	if !c.cfg.OmitResource {
		form.Set("resource", g.Resource)
	}
	resp, err := c.post(ctx, &g.registration, g.TokenEndpoint, form)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	secrets := []string{form.Get("refresh_token"), g.ClientSecret}
	if resp.StatusCode/100 != 2 {
		return nil, refusal(resp, secrets...)
	}
	var tr struct {
		AccessToken  string `json:"access_token"`
		TokenType    string `json:"token_type"`
		RefreshToken string `json:"refresh_token"`
		Scope        string `json:"scope"`
		ExpiresIn    int64  `json:"expires_in"` // tidy has made it one
		Error        string `json:"error"`
		Description  string `json:"error_description"`
	}
	body, err := readAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &tr); err != nil {
		return nil, errors.New("the token endpoint did not answer with a token")
	}
	if tr.Error != "" { // with status 200, as some do
		return nil, classify(resp, tr.Error, tr.Description, secrets...)
	}
	return newToken(tr.AccessToken, tr.TokenType, tr.RefreshToken, tr.Scope, tr.ExpiresIn, secrets...)
}

// post sends form as the client r (RFC 6749 §2.3.1).
func (c *Client) post(ctx context.Context, r *registration, endpoint string, form url.Values) (*http.Response, error) {
	if r.AuthMethod != authBasic {
		form.Set("client_id", r.ClientID)
	}
	if r.AuthMethod == authPost {
		form.Set("client_secret", r.ClientSecret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", formType)
	if r.AuthMethod == authBasic {
		req.SetBasicAuth(url.QueryEscape(r.ClientID), url.QueryEscape(r.ClientSecret))
	}
	resp, err := c.unlimited().Do(req)
	if err != nil {
		return nil, transient(err, 0)
	}
	return resp, nil
}

// answerGrace is how long an answer that has a token in it may still be read when the time for it is over.
const answerGrace = 2 * time.Second

// untilHeard returns a context for a request whose answer must not be lost, since what it presents can be used only once. It ends as ctx does, or
// fetchTimeout from now; but when a time has come it waits for answerGrace from the moment at which this process notices. One that was stopped
// meanwhile has the answer waiting for it, and would notice first that it is too late.
func untilHeard(ctx context.Context) (heard context.Context, cancel context.CancelFunc) {
	limit, release := context.WithTimeout(ctx, fetchTimeout)
	heard, end := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(limit, func() {
		if !errors.Is(limit.Err(), context.DeadlineExceeded) {
			end(context.Cause(limit))
			return
		}
		time.AfterFunc(answerGrace, func() { end(context.Cause(limit)) })
	})
	return heard, func() { stop(); release(); end(nil) }
}

// unlimited returns the client for requests whose context says how long they may take.
func (c *Client) unlimited() *http.Client {
	client := *c.oauth
	client.Timeout = 0
	return &client
}

const formType = "application/x-www-form-urlencoded"

// revoke tells the server that g is not needed any more (RFC 7009 §2). Revoking the refresh token ends the whole grant
// where the server supports that; the access token is revoked too, where it does not. A server that does so for one of
// them alone (§2.2.1) has done what it can.
func (c *Client) revoke(ctx context.Context, g *grant) error {
	if g.RevocationEndpoint == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	revoked := false
	var refused, unsupported error
	for _, t := range []struct{ hint, token string }{{"refresh_token", g.RefreshToken}, {"access_token", g.AccessToken}} {
		if t.token == "" {
			continue
		}
		resp, err := c.post(ctx, &g.registration, g.RevocationEndpoint, url.Values{"token": {t.token}, "token_type_hint": {t.hint}})
		if err != nil {
			return err
		}
		if resp.StatusCode/100 == 2 {
			revoked = true
		} else if err = refusal(resp, t.token, g.ClientSecret); isCode(err, "unsupported_token_type") {
			unsupported = err
		} else {
			refused = errors.Join(refused, err)
		}
		resp.Body.Close()
	}
	if refused == nil && !revoked {
		return unsupported
	}
	return refused
}

func isCode(err error, code string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// refusal returns the error that a response of another status than 2xx means, which is a *TransientError if a later
// attempt may fare better. It does not show the secrets, which a server may quote.
func refusal(resp *http.Response, secrets ...string) error {
	body, err := readAll(resp.Body)
	if err != nil {
		body = nil
	}
	var e struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(body, &e) // what is no JSON is a refusal too
	return classify(resp, e.Error, e.Description, secrets...)
}

func classify(resp *http.Response, code, description string, secrets ...string) error {
	e := &Error{Status: resp.StatusCode, Code: clip(redact(code, secrets...)), Description: clip(redact(description, secrets...))}
	if mayPass(e.Status) || e.Code == "temporarily_unavailable" || e.Code == "server_error" || e.Code == "slow_down" {
		return transient(e, retryAfter(resp.Header))
	}
	return e
}

// redact returns the words of a server without the secrets that it quotes.
func redact(words string, secrets ...string) string {
	for _, s := range secrets {
		if s != "" {
			words = strings.NewReplacer(s, "[redacted]", url.QueryEscape(s), "[redacted]").Replace(words)
		}
	}
	return words
}

// translate turns an error of x/oauth2, which may print a response body, into one of ours.
func translate(err error, secrets ...string) error {
	var re *oauth2.RetrieveError
	var ue *url.Error
	switch {
	case errors.As(err, &re):
		return classify(re.Response, re.ErrorCode, re.ErrorDescription, secrets...)
	case errors.As(err, &ue):
		return transient(err, 0)
	}
	return errors.New("the token endpoint did not answer with a token")
}

// clip makes the words of a server fit for a message: one line, no control characters, not too long.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= 0x202a && r <= 0x202e {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if r := []rune(s); len(r) > 300 {
		s = string(r[:300]) + "…"
	}
	return s
}

// mayPass reports whether a status is about the moment, not about the request.
func mayPass(status int) bool {
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

// transient wraps an error of the network, unless it says that the request must not be made.
func transient(err error, after time.Duration) error {
	err = withoutQuery(err)
	if errors.Is(err, errPrivate) || errors.Is(err, errRedirect) || errors.Is(err, errTooLarge) || isTransient(err) {
		return err
	}
	return &TransientError{Err: err, RetryAfter: after}
}

// withoutQuery takes the query out of the URL that net/http puts into its errors: it may be the target of a redirect, with
// all that we had posted.
func withoutQuery(err error) error {
	ue, ok := err.(*url.Error)
	if !ok {
		return err
	}
	at, _, _ := strings.Cut(ue.URL, "?")
	return &url.Error{Op: ue.Op, URL: at, Err: ue.Err}
}

func isTransient(err error) bool {
	var te *TransientError
	return errors.As(err, &te)
}

// retryAfter reads a Retry-After header (RFC 9110 §10.2.3), 0 if there is none.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.Atoi(v); err == nil && s > 0 {
		return time.Duration(min(s, maxLifetime)) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(t))
	}
	return 0
}

// tidy is the transport to authorization servers. It bounds what they answer to a form and makes it parseable, because
// x/oauth2 takes neither JSON that is labelled as text nor fractions in expires_in.
type tidy struct {
	base      http.RoundTripper
	userAgent string
}

func (t *tidy) RoundTrip(req *http.Request) (*http.Response, error) {
	r := req.Clone(req.Context())
	if t.userAgent != "" {
		r.Header.Set("User-Agent", t.userAgent)
	}
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", "application/json")
	}
	resp, err := t.base.RoundTrip(r)
	if err != nil || r.Header.Get("Content-Type") != formType {
		return resp, err
	}
	body, err := readAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	if looksLikeJSON(body) {
		resp.Header.Set("Content-Type", "application/json")
		body = plain(body)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	return resp, nil
}

// CloseIdleConnections makes http.Client's method of that name work.
func (t *tidy) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// plain returns a token response with expires_in as a whole number, without it if it was none or not positive, for then
// nothing is known; and without a scope that is not text.
func plain(body []byte) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return body
	}
	seconds := wholeNumber(members["expires_in"])
	delete(members, "expires_in")
	if seconds > 0 {
		members["expires_in"] = strconv.AppendInt(nil, min(seconds, maxLifetime), 10)
	}
	if !bytes.HasPrefix(members["scope"], []byte(`"`)) {
		delete(members, "scope")
	}
	tidied, err := json.Marshal(members)
	if err != nil {
		return body
	}
	return tidied
}

// wholeNumber reads a JSON number, or one in quotes; 0 if it is neither or has no place in an int64.
func wholeNumber(raw json.RawMessage) int64 {
	f, err := strconv.ParseFloat(strings.Trim(string(raw), `" `), 64)
	if err != nil || !(math.Abs(f) < 1<<62) {
		return 0
	}
	return int64(f)
}
