// Package auth sends HTTP requests that one server will accept, asking the user when it must.
//
// A [Client] follows the authorization rules that the Model Context Protocol lays down for clients, in every version of
// them. Its files are in the order in which a first sign-in visits them:
//
//	Client.Do ── request with the grant's token ──▶ server                            client.go
//	   ▲              │ 401, or 403 insufficient_scope
//	   │              ▼
//	   │         one flight for all requests of this process                           flight.go
//	   │           ├─ WWW-Authenticate                            RFC 9110, RFC 6750    challenge.go
//	   │           ├─ a newer grant in the store? use it                               store.go, grant.go
//	   │           ├─ a refresh token? renew, in a process of its own                  renew.go, token.go
//	   │           └─ else sign in                                                     login.go
//	   │                ├─ wait for the sign-in of another process, or finish it       pending.go
//	   │                ├─ resource metadata ▸ server metadata    RFC 9728, RFC 8414    discovery.go, guard.go
//	   │                ├─ listen on 127.0.0.1                    RFC 8252              callback.go
//	   │                ├─ client ID: given ▸ document ▸ register RFC 7591              register.go
//	   │                ├─ PKCE, state, resource ▸ browser        RFC 7636, RFC 8707    login.go
//	   │                └─ callback ▸ iss ▸ code ▸ token          RFC 9207              callback.go, token.go
//	   └─ grant, kept before it is used ◀──┘
//
// Nothing here logs or returns a token, code, verifier or secret.
package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"os/exec"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
)

// Config says which server to sign in to and how. Server and Store are required; every other field may be left zero.
type Config struct {
	Server  *url.URL        // the MCP server; tokens go to its origin and nowhere else
	Profile string          // tells several accounts at one server apart
	Store   *keychain.Store // where grants outlive the process

	// OpenURL shows the user a page. It may last as long as the browser. Nil means that the page is only announced.
	OpenURL func(url string) error
	// Prompt asks for the address that the browser ended up at, for a browser on another machine that can't reach the
	// callback listener. It must return when ctx is done. Nil means that nobody is asked.
	Prompt func(ctx context.Context, page string) (callback string, err error)
	// Renewer returns a command that calls [Client.Renew] on its standard input and output with an equal Config. It is
	// started in a session of its own so that it survives this process. Nil renews in this process.
	Renewer func() *exec.Cmd

	Authorization string // a fixed Authorization header (an API token); "" means OAuth

	ClientID          string     // registered with the authorization server beforehand; "" means to obtain one
	ClientSecret      string     // of ClientID, if it has one
	ClientAuthMethod  string     // of ClientID at the token endpoint (RFC 7591 §2); "" means one that the server supports
	ClientMetadataURL string     // an https client ID metadata document, used where the server supports that
	ClientMetadata    Metadata   // added to what dynamic registration sends (RFC 7591 §2)
	Scope             string     // space-separated; overrides what the server asks for
	Resource          string     // overrides the resource indicator (RFC 8707)
	OmitResource      bool       // never sends a resource indicator, for servers that choke on it
	AuthorizeParams   url.Values // added to the authorization request; those that are [Reserved] are ignored
	PinnedIssuers     []PinnedIssuer

	DeviceCode        bool   // signs in by device code (RFC 8628) in place of a callback
	ClientCredentials bool   // signs in as ClientID itself (RFC 6749 §4.4); nobody is asked
	TokenEndpoint     string // where, for a server that doesn't say; "" means to ask it

	CallbackHost string        // in the redirect URI; "" means "127.0.0.1", the other choice is "localhost"
	CallbackPort int           // 0 means the port of the last registration, or else any
	CallbackPath string        // "" means "/callback"
	AuthTimeout  time.Duration // how long a sign-in page waits for the user; 0 means 5 minutes
	Patience     time.Duration // how long a request waits for the user while the page does, or 2 s if one has waited for it before; 0 means as long as the page
	ShowAgain    time.Duration // how long after a page was opened Login may open it again; 0 means at once
	AllowHTTP    bool          // permits http beyond loopback

	HTTPClient *http.Client    // for Server; nil means http.DefaultClient
	Transport  *http.Transport // copied for metadata, registration and tokens; nil means http.DefaultTransport
	UserAgent  string
	IPv4       bool // connects to authorization servers by IPv4 only

	Page     func(url string) // told the page that waits for the user, and "" once none does; must not block
	Changed  func()           // called when Page or Needed of the Client may have another answer; must not block
	Progress func(string)     // told what the user should know, one sentence at a time; nil means nobody is told
	Log      *slog.Logger     // nil means discard
}

// Metadata is a set of client metadata fields (RFC 7591 §2).
type Metadata map[string]any

// A PinnedIssuer excuses a known server whose metadata names another issuer than the one that was asked for, which
// RFC 8414 §3.3 forbids. It is accepted with a warning.
type PinnedIssuer struct {
	Asked    string // an issuer, or with a final slash every issuer below it
	Answered string // the issuer in its metadata
}

// ErrDenied means that the user, or the authorization server on their behalf, said no.
var ErrDenied = errors.New("authorization denied")

// ErrClosed is what waiting requests get when their Client is closed.
var ErrClosed = errors.New("closed")

// A SignInError means that nothing but a person's action can help, and that none was awaited or none came.
type SignInError struct {
	URL    string // the page that waits for the user; "" if none does
	Reason string
}

func (e *SignInError) Error() string { return "sign-in needed: " + e.Reason }

// A TransientError means that the authorization server could not be asked. Whoever was signed in still is; a later
// request may succeed.
type TransientError struct {
	RetryAfter time.Duration // as the server asked; 0 if it did not
	Err        error
}

func (e *TransientError) Error() string { return "authorization server unavailable: " + e.Err.Error() }
func (e *TransientError) Unwrap() error { return e.Err }

// A NoSignInError means that the server wants to know who asks and has no way to tell it by OAuth: it publishes no metadata, or none that names an
// authorization server, and there is nothing at the addresses that a server of MCP 2025-03-26 has without.
type NoSignInError struct {
	Server *url.URL
	Reason string
}

func (e *NoSignInError) Error() string {
	return "the server wants to know who you are, and there is no way to sign in: " + e.Reason
}

// A StaticError means that the server did not accept Config.Authorization.
type StaticError struct{ Status int }

func (e *StaticError) Error() string {
	return "the server refused the API token (" + http.StatusText(e.Status) + ")"
}

type interactiveKey struct{}

// Interactive marks the requests made with the returned context as awaited by a person: only these may open a browser.
func Interactive(ctx context.Context) context.Context {
	return context.WithValue(ctx, interactiveKey{}, true)
}

func isInteractive(ctx context.Context) bool {
	b, _ := ctx.Value(interactiveKey{}).(bool)
	return b
}
