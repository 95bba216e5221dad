package issuer

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// TestSignIn goes all the way at each endpoint, with a client library that knows nothing of ours.
func TestSignIn(t *testing.T) {
	for _, endpoint := range []string{"/v1/mcp", "/v1/mcp/authv2", "/v2/mcp", "/mcp"} {
		t.Run(endpoint, func(t *testing.T) {
			w := newWorld(t)
			in := w.registered(endpoint)
			answer := in.consent(Choice{})
			if want := in.resource != ""; want != (answer.Get("iss") == w.origin+"/identity/VCeDsk8Z") {
				t.Errorf("iss is %q", answer.Get("iss"))
			}
			tok, err := in.exchange(answer.Get("code"))
			if err != nil {
				t.Fatal(err)
			}
			lifetime, scope := 8*time.Hour, strings.Join(in.Scopes, " ")
			if in.resource == "" {
				lifetime = 55 * time.Minute
				parts := strings.Split(tok.AccessToken, ":")
				if len(parts) != 3 || parts[0] != "712020-0b9c6a52-ada" || len(parts[1]) != 16 || !strings.HasPrefix(parts[2], "canary-") {
					t.Errorf("the access token has the form of %q", tok.AccessToken)
				}
			}
			if got := time.Duration(tok.ExpiresIn) * time.Second; got != lifetime {
				t.Errorf("the access token lasts %v, want %v", got, lifetime)
			}
			if got, _ := tok.Extra("scope").(string); got != scope {
				t.Errorf("scope is %q, want %q", got, scope)
			}
			for _, e := range []string{"/v1/mcp", "/v1/sse", "/v1/mcp/authv2", "/v2/mcp", "/mcp"} {
				want := e == endpoint || endpoint == "/v1/mcp" && e == "/v1/sse"
				if got := w.passes(tok.AccessToken, e); got != want {
					t.Errorf("the token opens %s: %t", e, got)
				}
			}
			g, _ := w.check("bearer "+tok.AccessToken, endpoint)
			if g.Account != ada || g.Client != "Test Client" || g.ID == "" || g.Via != "" ||
				!slices.Equal(g.Sites, []string{"c-acme", "c-labs"}) || !slices.Equal(g.Products, products) || len(g.Scopes) == 0 {
				t.Errorf("got %+v", g)
			}
			infos := w.Grants()
			if len(infos) != 1 || infos[0].ID != g.ID || infos[0].Resource != strings.TrimPrefix(in.resource, w.origin) ||
				!infos[0].Expires.Equal(w.clock.Add(lifetime)) {
				t.Errorf("the grants are %+v", infos)
			}
			w.pass(lifetime - time.Second)
			if !w.passes(tok.AccessToken, endpoint) {
				t.Error("the token expired early")
			}
			w.pass(time.Second)
			if w.passes(tok.AccessToken, endpoint) {
				t.Error("the token did not expire")
			}
			status, renewed := in.refresh(tok.RefreshToken)
			if access, _ := renewed["access_token"].(string); status != 200 || !w.passes(access, endpoint) {
				t.Errorf("refreshing: %d %v", status, renewed)
			}
			want := Counts{Registrations: 1, Consents: 1, Accepted: 1, Grants: 1, Refreshes: 1, Live: 1}
			if got := w.Counts(); got != want {
				t.Errorf("counted %+v, want %+v", got, want)
			}
			told := slices.DeleteFunc(w.told(), func(k string) bool { return k == "refusal" })
			if !slices.Equal(told, []string{"registration", "consent", "grant", "refresh"}) {
				t.Errorf("told of %v", told)
			}
		})
	}
}

// retrieve returns the OAuth error of a failed exchange.
func retrieve(t *testing.T, err error) *oauth2.RetrieveError {
	t.Helper()
	var e *oauth2.RetrieveError
	if !errors.As(err, &e) {
		t.Fatalf("got %v instead of an OAuth error", err)
	}
	return e
}

func TestExchangeErrors(t *testing.T) {
	set := oauth2.SetAuthURLParam
	for _, tt := range []struct {
		name, endpoint    string
		prepare           func(*signIn)
		opts              []oauth2.AuthCodeOption
		code, description string
	}{
		{"verifier", "/v1/mcp", nil, []oauth2.AuthCodeOption{oauth2.VerifierOption("wrong")}, "invalid_grant", "Invalid PKCE code_verifier"},
		{"verifier", "/v2/mcp", nil, []oauth2.AuthCodeOption{oauth2.VerifierOption("wrong")}, "invalid_grant", "Invalid PKCE code_verifier"},
		{"no verifier", "/v1/mcp", nil, []oauth2.AuthCodeOption{set("code_verifier", "")}, "invalid_request", "code_verifier is required for PKCE"},
		{"redirect", "/v1/mcp", nil, []oauth2.AuthCodeOption{set("redirect_uri", "http://127.0.0.1:1/")}, "invalid_grant", "Invalid redirect URI"},
		{"redirect", "/v2/mcp", nil, []oauth2.AuthCodeOption{set("redirect_uri", "http://127.0.0.1:1/")}, "invalid_grant", "Invalid redirect URI"},
		{"code", "/v1/mcp", nil, []oauth2.AuthCodeOption{set("code", "other")}, "invalid_grant", "Grant not found"},
		{"late", "/v2/mcp", func(in *signIn) { in.pass(codeLifetime + 1) }, nil, "invalid_grant", "Authorization code expired"},
		{"unknown client", "/v1/mcp", func(in *signIn) { in.ClientID = "nobody" }, nil, "invalid_client", "Client not found"},
		{"no client", "/v1/mcp", func(in *signIn) { in.ClientID = "" }, nil, "invalid_client", "Client ID is required"},
		{"another client", "/v1/mcp", func(in *signIn) { in.ClientID = in.registered("/v1/mcp").ClientID }, nil, "invalid_grant", "Client ID mismatch"},
		{"another server's client", "/v2/mcp", func(in *signIn) { in.ClientID = in.registered("/v1/mcp").ClientID }, nil, "invalid_client", "Client not found"},
		{"wrong secret", "/v2/mcp", func(in *signIn) { in.ClientSecret = "wrong" }, nil, "invalid_client", "Client authentication failed: invalid client_secret"},
		{"no resource", "/v2/mcp", func(in *signIn) { in.resource = "" }, nil, "invalid_target", "resource is required"},
		{"another resource", "/v2/mcp", func(in *signIn) { in.resource = in.origin + "/mcp" }, nil, "invalid_target", "resource is not the one that was granted"},
		{"grant type", "/v2/mcp", nil, []oauth2.AuthCodeOption{set("grant_type", "password")}, "unsupported_grant_type", "Grant type not supported"},
	} {
		t.Run(tt.name+tt.endpoint, func(t *testing.T) {
			w := newWorld(t)
			in := w.registered(tt.endpoint)
			code := in.consent(Choice{}).Get("code")
			if tt.prepare != nil {
				tt.prepare(in)
			}
			_, err := in.exchange(code, tt.opts...)
			e := retrieve(t, err)
			if e.ErrorCode != tt.code || e.ErrorDescription != tt.description || (e.Response.StatusCode == 401) != (tt.code == "invalid_client") {
				t.Errorf("got %s %q %q, want %q %q", e.Response.Status, e.ErrorCode, e.ErrorDescription, tt.code, tt.description)
			}
			if got := w.Counts(); got.Grants != 0 || got.Live != 0 {
				t.Errorf("counted %+v", got)
			}
		})
	}
}

// TestSecret signs in with secrets: those that were asked for, and the one that the identity server gives without.
func TestSecret(t *testing.T) {
	for _, tt := range []struct {
		endpoint, method string
		style            oauth2.AuthStyle
	}{
		{"/v1/mcp", "client_secret_basic", oauth2.AuthStyleInHeader},
		{"/v1/mcp", "client_secret_post", oauth2.AuthStyleInParams},
		{"/v2/mcp", "client_secret_basic", oauth2.AuthStyleInHeader},
		{"/v2/mcp", "none", oauth2.AuthStyleInParams},
		{"/v2/mcp", "none", oauth2.AuthStyleInHeader},
	} {
		w := newWorld(t)
		in := w.registered(tt.endpoint)
		path := w.v1.register
		if in.resource != "" {
			path = w.identity.register
		}
		_, reg := w.post(w.origin+path, map[string]any{"redirect_uris": []string{in.Config.RedirectURL}, "token_endpoint_auth_method": tt.method})
		in.ClientID, in.ClientSecret = reg["client_id"].(string), reg["client_secret"].(string)
		in.Endpoint.AuthStyle = tt.style
		code := in.consent(Choice{}).Get("code")
		if tt.method != "none" {
			without := *in
			without.ClientSecret = ""
			without.Endpoint.AuthStyle = oauth2.AuthStyleInParams
			_, err := without.exchange(code)
			if e := retrieve(t, err); e.ErrorDescription != "Client authentication failed: missing client_secret" {
				t.Errorf("%+v: without the secret: %v", tt, err)
			}
		}
		if _, err := in.exchange(code); err != nil {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func TestCodeReuse(t *testing.T) {
	for _, endpoint := range []string{"/v1/mcp", "/v2/mcp"} {
		w := newWorld(t)
		in := w.registered(endpoint)
		code := in.consent(Choice{}).Get("code")
		tok, err := in.exchange(code)
		if err != nil {
			t.Fatal(err)
		}
		_, err = in.exchange(code)
		if e := retrieve(t, err); e.ErrorCode != "invalid_grant" || e.ErrorDescription != "Authorization code already used" {
			t.Errorf("%s: %v", endpoint, err)
		}
		if w.passes(tok.AccessToken, endpoint) {
			t.Errorf("%s: the token of a code that was used twice is still good", endpoint)
		}
		if got := w.Counts(); got.Reuses != 1 || got.Revocations != 1 || got.Live != 0 {
			t.Errorf("%s: counted %+v", endpoint, got)
		}
	}
}

// TestPlain signs in without PKCE and with its plain method, which the v1 server alone allows.
func TestPlain(t *testing.T) {
	w := newWorld(t)
	in := w.registered("/v1/mcp")
	plain := []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("code_challenge", in.verifier), oauth2.SetAuthURLParam("code_challenge_method", "plain")}
	if _, err := in.exchange(in.consent(Choice{}, plain...).Get("code")); err != nil {
		t.Error(err)
	}
	plain[1] = oauth2.SetAuthURLParam("code_challenge_method", "")
	if _, err := in.exchange(in.consent(Choice{}, plain...).Get("code")); err != nil {
		t.Error(err)
	}
	none := oauth2.SetAuthURLParam("code_challenge", "")
	code := in.consent(Choice{}, none).Get("code")
	_, err := in.exchange(code)
	if e := retrieve(t, err); e.ErrorDescription != "code_verifier provided for a flow that did not use PKCE" {
		t.Error(err)
	}
	noVerifier := oauth2.SetAuthURLParam("code_verifier", "")
	_, err = in.exchange(code, noVerifier, oauth2.SetAuthURLParam("redirect_uri", ""))
	if e := retrieve(t, err); e.ErrorDescription != "redirect_uri is required when not using PKCE" {
		t.Error(err)
	}
	if _, err := in.exchange(code, noVerifier); err != nil {
		t.Error(err)
	}
}

// TestRotationV1 uses refresh tokens in the order that the v1 server allows: the previous one is good until its successor is used.
func TestRotationV1(t *testing.T) {
	w := newWorld(t)
	in := w.registered("/v1/mcp")
	first := in.token(Choice{}).RefreshToken
	next := func(token string) string {
		t.Helper()
		status, got := in.refresh(token)
		if status != 200 {
			t.Fatalf("refreshing: %d %v", status, got)
		}
		return got["refresh_token"].(string)
	}
	second := next(first)
	again := next(first) // the answer got lost
	if status, got := in.refresh(second); status != 400 || got["error_description"] != "Invalid refresh token" {
		t.Errorf("a token that was replaced: %d %v", status, got)
	}
	third := next(again)
	if status, got := in.refresh(first); status != 400 || got["error"] != "invalid_grant" {
		t.Errorf("the token before the previous: %d %v", status, got)
	}
	next(third)
	if got := w.Counts(); got.Refreshes != 4 || got.Reuses != 0 || got.Live != 1 {
		t.Errorf("counted %+v", got)
	}
}

// TestRotationIdentity uses a refresh token twice, which ends the sign-in at the identity server.
func TestRotationIdentity(t *testing.T) {
	w := newWorld(t)
	in := w.registered("/v2/mcp")
	first := in.token(Choice{}).RefreshToken
	status, got := in.refresh(first)
	if status != 200 {
		t.Fatalf("refreshing: %d %v", status, got)
	}
	access, second := got["access_token"].(string), got["refresh_token"].(string)
	if status, got := in.refresh(first); status != 400 || got["error"] != "invalid_grant" || got["error_description"] != "refresh token was already used" {
		t.Errorf("using it again: %d %v", status, got)
	}
	if w.passes(access, "/v2/mcp") {
		t.Error("the access token is still good")
	}
	if status, got := in.refresh(second); status != 400 || got["error"] != "invalid_grant" {
		t.Errorf("the good token of the family: %d %v", status, got)
	}
	if got := w.Counts(); got.Refreshes != 1 || got.Reuses != 1 || got.Revocations != 1 || got.Live != 0 {
		t.Errorf("counted %+v", got)
	}
}

// TestRotationRace refreshes from many sides at once: one of them wins, and what it won is worth nothing once the others have come.
func TestRotationRace(t *testing.T) {
	w := newWorld(t)
	in := w.registered("/v2/mcp")
	token := in.token(Choice{}).RefreshToken
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { in.refresh(token) })
	}
	wg.Wait()
	if got := w.Counts(); got.Refreshes != 1 || got.Reuses != 1 || got.Live != 0 {
		t.Errorf("counted %+v", got)
	}
}

func TestRefreshErrors(t *testing.T) {
	w := newWorld(t)
	in := w.registered("/v2/mcp")
	token := in.token(Choice{}).RefreshToken
	form := func(more url.Values) url.Values {
		values := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "resource": {in.resource}}
		for k, v := range more {
			values[k] = v
		}
		return values
	}
	other := w.registered("/v2/mcp")
	for _, tt := range []struct {
		name   string
		in     *signIn
		more   url.Values
		status int
		code   string
	}{
		{"resource missing", in, url.Values{"resource": nil}, 400, "invalid_target"},
		{"another resource", in, url.Values{"resource": {w.origin + "/mcp"}}, 400, "invalid_target"},
		{"two resources", in, url.Values{"resource": {in.resource, in.resource}}, 400, "invalid_target"},
		{"more scope", in, url.Values{"scope": {"read:jira-work"}}, 400, "invalid_scope"},
		{"another token", in, url.Values{"refresh_token": {"x"}}, 400, "invalid_grant"},
		{"another client", other, nil, 400, "invalid_grant"},
	} {
		if status, got := tt.in.form(form(tt.more)); status != tt.status || got["error"] != tt.code {
			t.Errorf("%s: %d %v", tt.name, status, got)
		}
	}
	w.pass(90 * 24 * time.Hour)
	if status, got := in.refresh(token); status != 200 {
		t.Errorf("after 90 days: %d %v", status, got)
	} else {
		token = got["refresh_token"].(string)
	}
	w.pass(90*24*time.Hour + time.Second)
	if status, got := in.refresh(token); status != 400 || got["error"] != "invalid_grant" {
		t.Errorf("after more than 90 days: %d %v", status, got)
	}
	if got := w.Counts().Live; got != 0 {
		t.Errorf("%d grants are live", got)
	}
}

// TestOffline signs in without offline_access, which gives no refresh token.
func TestOffline(t *testing.T) {
	w := newWorld(t)
	in := w.registered("/v2/mcp")
	for _, scopes := range [][]string{nil, {"read:me", "read:jira:agent-interface", "unheard:of"}} {
		in.Scopes = scopes
		tok := in.token(Choice{})
		if tok.RefreshToken != "" {
			t.Errorf("%q got a refresh token", scopes)
		}
		if scopes != nil && tok.Extra("scope") != "read:me read:jira:agent-interface" {
			t.Errorf("%q became %q", scopes, tok.Extra("scope"))
		}
	}
	w.pass(8 * time.Hour)
	if got := w.Counts().Live; got != 0 {
		t.Errorf("%d grants are live", got)
	}
}

func TestTokenFaults(t *testing.T) {
	w := newWorld(t)
	in := w.registered("/v2/mcp")
	w.fault("token-expiry", "5")
	tok := in.token(Choice{})
	w.pass(4 * time.Second)
	if tok.ExpiresIn != 5 || !w.passes(tok.AccessToken, "/v2/mcp") {
		t.Errorf("expires_in is %d", tok.ExpiresIn)
	}
	w.pass(time.Second)
	if w.passes(tok.AccessToken, "/v2/mcp") {
		t.Error("the token did not expire")
	}
	w.fault("token-unavailable", "")
	if status, _ := in.refresh(tok.RefreshToken); status != 503 {
		t.Errorf("the token endpoint answered %d", status)
	}
}
