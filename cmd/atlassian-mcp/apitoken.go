package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/auth"
	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// This file is about API tokens, by which users and services of Atlassian sign in without a browser: in the environment, or kept
// for the origin of a server beside the sign-ins of package auth, which they take the place of.

// An apiToken is a token that the user made at id.atlassian.com, for a script or a service.
type apiToken struct {
	Email string `json:"email,omitempty"` // of the account; "" for a service account's token
	Token string `json:"token"`
}

// authorization returns the header that carries t: Basic (RFC 7617) with an email address, Bearer (RFC 6750) without.
func (t apiToken) authorization() string {
	switch {
	case t.Token == "":
		return ""
	case t.Email == "":
		return "Bearer " + t.Token
	}
	req := http.Request{Header: make(http.Header)}
	req.SetBasicAuth(t.Email, t.Token)
	return req.Header.Get("Authorization")
}

// check returns a *usageError if t, whose token is from there, can't be one that a header carries.
func (t apiToken) check(from string) error {
	isOdd := func(c rune) bool { return c <= ' ' || c > '~' }
	switch {
	case t.Email != "" && (!strings.Contains(t.Email, "@") || strings.ContainsFunc(t.Email, isOdd)):
		return &usageError{
			what:   "what is given as email address is no email address", // it may be the token
			advice: "give that of your Atlassian account, on the terminal or in " + emailEnv + ", and none with the token of a service account",
		}
	case strings.ContainsFunc(t.Token, isOdd):
		return &usageError{what: from + ": it has a space, a control character or a letter outside ASCII in it", advice: "copy it again, without line breaks"}
	}
	return nil
}

// try opens a session with cfg.Server as whoever t is.
func (t apiToken) try(ctx context.Context, cfg auth.Config) error {
	cfg.Authorization = t.authorization()
	client := auth.New(cfg)
	defer client.Close()
	c, err := dial(ctx, remote.Config{
		URL: cfg.Server, UserAgent: cfg.UserAgent, Do: withoutURL(client.Do), HandshakeTimeout: 20 * time.Second, Log: cfg.Log,
	})
	if err != nil {
		return err
	}
	return c.conn.Close()
}

// isRefusal reports whether err, of a request with a token, is a server's answer to somebody whom it does not let in, and not that of something in
// front of it.
func isRefusal(err error) bool {
	if _, ok := errors.AsType[*auth.StaticError](err); ok {
		return true
	}
	status, ok := errors.AsType[*remote.StatusError](err)
	return ok && status.Status == http.StatusForbidden && !isHTML(status.ContentType)
}

// A refusedTokenError says why an API token is not kept.
type refusedTokenError struct{ err error }

func (e *refusedTokenError) Error() string { return "the API token is not kept: " + e.err.Error() }
func (e *refusedTokenError) Unwrap() error { return e.err }

// environmentToken returns the header that carries the API token in the environment, "" if there is none or it is not for server.
func environmentToken(server *url.URL, say func(string)) (string, error) {
	t := apiToken{Email: os.Getenv(emailEnv), Token: os.Getenv(apiTokenEnv)}
	switch {
	case t.Token == "":
		return "", nil
	case !atlassian.TakesAPIToken(server):
		say(apiTokenEnv + " is ignored: it is for https://*.atlassian.com only, and this server is " + server.Host)
		return "", nil
	}
	return t.authorization(), t.check(apiTokenEnv)
}

const tokenPrefix = "api-token "

// tokenKey returns the key under which the API token for server is kept.
func tokenKey(server *url.URL, profile string) string {
	return tokenPrefix + server.Scheme + "://" + strings.ToLower(server.Host) + " " + profile
}

// parseTokenKey returns what went into a key that tokenKey has made.
func parseTokenKey(key string) (origin, profile string, ok bool) {
	rest, ok := strings.CutPrefix(key, tokenPrefix)
	if ok {
		origin, profile, ok = strings.Cut(rest, " ")
	}
	return origin, profile, ok
}

// storedToken returns the API token that is kept under key, the zero value if there is none.
func storedToken(ctx context.Context, store *keychain.Store, key string) (apiToken, error) {
	var t apiToken
	keys, err := store.List(ctx) // asks no keychain for what most users don't have
	if err != nil || !slices.Contains(keys, key) {
		return t, err
	}
	data, err := store.Get(ctx, key)
	if errors.Is(err, keychain.ErrNotFound) {
		return t, nil
	}
	if err == nil && json.Unmarshal(data, &t) != nil {
		err = errors.New("the API token that is kept can't be read; keep it again with 'atlassian-mcp login --api-token'")
	}
	return t, err
}

// forgetTokens deletes the API token that is kept under key, or all of them if key is empty.
func forgetTokens(ctx context.Context, store *keychain.Store, key string) error {
	keys, err := store.List(ctx)
	for _, k := range keys {
		if k == key || key == "" && strings.HasPrefix(k, tokenPrefix) {
			err = errors.Join(err, store.Delete(ctx, k))
		}
	}
	return err
}

// readToken reads an API token from cmd's standard input, asking for it if that is a terminal.
func readToken(ctx context.Context, cmd *cobra.Command) (t apiToken, err error) {
	t.Email = os.Getenv(emailEnv)
	if in, ok := terminal(cmd.InOrStdin()); ok {
		w := cmd.ErrOrStderr()
		if t.Email == "" {
			t.Email, err = ask(ctx, in, w, "Email address of your Atlassian account (empty for a service account): ", nil)
			if err == nil {
				err = t.check("")
			}
			if err != nil {
				return t, err
			}
		}
		t.Token, err = ask(ctx, in, w, "API token (not shown): ", hideInput)
		io.WriteString(w, "\n") // which wasn't shown either
	} else {
		var text []byte
		text, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), 64<<10))
		t.Token = strings.TrimSpace(string(text))
	}
	if err != nil {
		return t, err
	}
	if t.Token == "" {
		return t, &usageError{what: "there is no API token", advice: "make one at https://id.atlassian.com/manage-profile/security/api-tokens and give it on standard input"}
	}
	return t, t.check("API token")
}
