package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/auth"
	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
)

func TestAPITokenAuthorization(t *testing.T) {
	tests := []struct {
		token apiToken
		want  string
	}{
		{apiToken{}, ""},
		{apiToken{Email: "me@example.com"}, ""},
		{apiToken{Token: "ATSTT3x"}, "Bearer ATSTT3x"},
		{apiToken{Email: "me@example.com", Token: "ATATT3x="}, "Basic bWVAZXhhbXBsZS5jb206QVRBVFQzeD0="},
	}
	for _, tt := range tests {
		if got := tt.token.authorization(); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.token, got, tt.want)
		}
	}
	for _, bad := range []apiToken{{Token: "two words"}, {Token: "x\r\nHost: y"}, {Token: "ü"}, {Email: "me @example.com", Token: "x"}, {Email: "me", Token: "x"}} {
		if err := bad.check("x"); exitCode(err) != exitUsage {
			t.Errorf("%q passes for a token: %v", bad, err)
		}
	}
}

func TestTokenKey(t *testing.T) {
	server := func(address string) *url.URL {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	key := tokenKey(server("https://MCP.Atlassian.com/v1/mcp"), "at work")
	if other := tokenKey(server("https://mcp.atlassian.com/v2/mcp?x"), "at work"); key != other {
		t.Errorf("%q and %q are for one origin", key, other)
	}
	origin, profile, ok := parseTokenKey(key)
	if origin != "https://mcp.atlassian.com" || profile != "at work" || !ok {
		t.Errorf("%q is for %q and %q, %t", key, origin, profile, ok)
	}
	if _, _, ok := parseTokenKey("grant.0123"); ok {
		t.Error("took a grant for an API token")
	}
}

// TestSignInHints checks the advice about what went wrong with a sign-in.
func TestSignInHints(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errRefused}
	tests := []struct {
		err    error
		want   string // part of the hint
		status int
	}{
		{&auth.SignInError{URL: "https://example.com/authorize?state=x&scope=y", Reason: "r"}, "open https://example.com/authorize?state=x&scope=y in", exitSignIn},
		{&auth.SignInError{Reason: "r"}, "'atlassian-mcp login'", exitSignIn},
		{&auth.Error{Code: "access_denied"}, "'atlassian-mcp login'", exitSignIn},
		{errSignedOut, "'atlassian-mcp login'", exitSignIn},
		{&auth.Error{Code: "access_denied", Description: "Your site admin must authorize this app"}, "have a site admin sign in", exitSignIn},
		{&auth.Error{Code: "invalid_scope"}, "--scope", exitFailure},
		{&auth.Error{Code: "invalid_target"}, "--resource", exitFailure},
		{&auth.Error{Code: "invalid_client"}, "--client-id", exitFailure},
		{&auth.Error{Code: "invalid_redirect_uri", Status: 400}, "--client-id", exitFailure},
		{&auth.Error{Status: 418}, "'atlassian-mcp doctor'", exitFailure},
		{&auth.TransientError{Err: refused}, "nothing listens", exitFailure},
		{&auth.TransientError{Err: &auth.Error{Status: 503}}, "still is", exitFailure},
		{&auth.StaticError{Status: http.StatusUnauthorized}, "check ATLASSIAN_EMAIL and ATLASSIAN_API_TOKEN", exitFailure},
		{&keychain.LockedError{Name: "k", Reason: "r"}, "unlock the keychain", exitFailure},
		{&keychain.TimeoutError{Doing: "reading", Limit: time.Second}, "does not answer", exitFailure},
		{&keychain.NoServiceError{Reason: "r"}, "--token-store file", exitFailure},
	}
	for _, tt := range tests {
		for _, err := range []error{tt.err, fmt.Errorf("signing in: %w", tt.err)} {
			var stderr bytes.Buffer
			printError(&stderr, err)
			if got := stderr.String(); !strings.Contains(got, "atlassian-mcp: hint: ") || !strings.Contains(got, tt.want) {
				t.Errorf("%v: standard error %q, want a hint with %q", err, got, tt.want)
			}
			if got := exitCode(err); got != tt.status {
				t.Errorf("%v: exit status %d, want %d", err, got, tt.status)
			}
		}
	}
}

// TestLoginAdvice has the way to the sign-in end where only whoever runs the server can mend it.
func TestLoginAdvice(t *testing.T) {
	s, u := startSandbox(t, "issuer-mismatch"), newShell(t)
	_, stderr, status := u.run("login", "--no-browser", s.Endpoint("/v1/mcp"))
	for _, want := range []string{"error: authorization server ", " calls itself ", "hint: 'atlassian-mcp doctor' shows"} {
		if status != exitFailure || !strings.Contains(stderr, want) {
			t.Errorf("exit status %d, standard error %q, want %q", status, stderr, want)
		}
	}
}

// TestRenewer checks that the process that renews is told what it needs, and no secret by its arguments.
func TestRenewer(t *testing.T) {
	t.Setenv(tokenStoreEnv, "file")
	var f relayFlags
	cmd := f.command()
	cmd.SetContext(t.Context())
	cmd.SetArgs([]string{"http://127.0.0.1:1/mcp", "--profile", "work", "--client-secret", "canary-1", "--header", "X-Key: canary-2",
		"--ca-cert=", "--resource", "https://example.com/", "--no-browser", "--transport", "sse-only"})
	var argv []string
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		server, err := f.connect(cmd, args, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		cfg, err := f.signInFlags.config(cmd, server, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		argv = cfg.Renewer().Args
		return nil
	}
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	want := []string{"renew", "http://127.0.0.1:1/mcp", "--ca-cert=", "--profile=work", "--resource=https://example.com/", "--token-store=file"}
	slices.Sort(argv[3:])
	if !slices.Equal(argv[1:], want) {
		t.Errorf("arguments %q, want %q", argv[1:], want)
	}
	// All that it is told is a flag of its own.
	root := newRootCommand()
	root.SetArgs(append(argv[1:], "--help"))
	root.SetOut(new(bytes.Buffer))
	if err := root.ExecuteContext(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestSignedIn(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	status := func(renewable bool, left time.Duration) accountStatus {
		return accountStatus{Status: auth.Status{SignedIn: true, Renewable: renewable, Expires: now.Add(left)}}
	}
	tests := []struct {
		status accountStatus
		want   string
	}{
		{accountStatus{}, "no"},
		{accountStatus{APIToken: "environment"}, "with an API token from the environment"},
		{accountStatus{Status: auth.Status{SignedIn: true}}, "yes"},
		{status(true, time.Hour), "yes; the token is good for 1h0m, and renewed after that"},
		{status(true, -time.Hour), "yes; the token is renewed when it is needed"},
		{status(false, 10*time.Minute), "yes, for 10m"},
		{status(false, 10*time.Second), "yes, for less than a minute"},
	}
	for _, tt := range tests {
		if got := tt.status.signedIn(now); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.status, got, tt.want)
		}
	}
}

// TestSignerShowsPageOnce checks that no model can have a page opened again that the person has left alone.
func TestSignerShowsPageOnce(t *testing.T) {
	user := newSigner(auth.Config{AuthTimeout: time.Hour}, time.Second)
	if user.cfg.ShowAgain != time.Hour {
		t.Errorf("a page is opened again after %v, which is good for an hour", user.cfg.ShowAgain)
	}
}
