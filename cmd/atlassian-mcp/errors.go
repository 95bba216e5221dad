package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/auth"
	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// The rules for words on standard error:
//
//   - Every line starts with "atlassian-mcp: error: " or "atlassian-mcp: hint: ".
//   - No capital at the start, no full stop at the end.
//   - An error says what was being done and what came of it; a hint says what to do now,
//     with the corrected command where there is one.
//   - Nothing that may be a secret: no header values, no query values of a URL.

// Exit statuses. They are part of the manual in doc.go.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitSignIn  = 3 // refused, or needed
)

// exitCode returns the exit status that err calls for.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	_, needed := errors.AsType[*auth.SignInError](err)
	_, refused := errors.AsType[*refusedTokenError](err)
	if needed || refused || errors.Is(err, auth.ErrDenied) || errors.Is(err, errSignedOut) {
		return exitSignIn
	}
	return exitFailure
}

// An advisedError is an error with a hint of its own.
type advisedError struct {
	error
	advice string
}

func (e *advisedError) Unwrap() error { return e.error }

const errorPrefix = "atlassian-mcp: error: "

// printError tells the person at the terminal, or the reader of the client's log, about err.
func printError(w io.Writer, err error) {
	// One write, so that the lines of several goroutines do not mix.
	text := errorPrefix + plain(err.Error()) + "\n"
	if h := hint(err); h != "" {
		if _, ok := errors.AsType[*auth.SignInError](err); !ok { // the page to sign in on is worth nothing without its query
			h = scrub(h)
		}
		text += hintLine(h)
	}
	io.WriteString(w, text)
}

// hintLine returns advice as a line for standard error.
func hintLine(advice string) string {
	return "atlassian-mcp: hint: " + unbroken(advice) + "\n"
}

// sayer returns what tells the person something on w, a sentence at a time.
func sayer(w io.Writer) func(string) {
	return func(s string) { io.WriteString(w, "atlassian-mcp: "+unbroken(s)+"\n") }
}

// plain makes text that may come from a server fit for a terminal and for anybody's eyes:
// one line, no control characters, no query values.
func plain(text string) string { return scrub(unbroken(text)) }

// unbroken makes text one line without control characters.
func unbroken(text string) string {
	return strings.Map(func(r rune) rune {
		if moves(r) {
			return ' '
		}
		return r
	}, text)
}

// moves reports whether a terminal does something else for r than to show it where the cursor is: control characters, line separators, and those
// that turn the direction of writing, by which text can look like another.
func moves(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// hint returns what a person can do about err, or "" if there is nothing to say.
func hint(err error) string {
	var (
		usage       *usageError
		refused     *refusedError
		op          *net.OpError
		proxy       *proxyError
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		notTLS      tls.RecordHeaderError
		session     *remote.SessionError
		status      *remote.StatusError
		content     *remote.ContentError
		overdue     *remote.TimeoutError
		timeout     net.Error
		signIn      *auth.SignInError
		said        *auth.Error
		transient   *auth.TransientError
		static      *auth.StaticError
		noSignIn    *auth.NoSignInError
		locked      *keychain.LockedError
		slow        *keychain.TimeoutError
		none        *keychain.NoServiceError
		advised     *advisedError
	)
	if errors.As(err, &said) {
		if r, ok := atlassian.Explain("", 0, said.Description); ok {
			return clause(r.Advice)
		}
	}
	switch {
	case errors.As(err, &refused):
		return clause(refused.refusal.Advice)
	case errors.As(err, &signIn) && signIn.URL != "":
		return "open " + signIn.URL + " in a browser to sign in, then try again"
	case errors.As(err, &signIn), errors.Is(err, auth.ErrDenied), errors.Is(err, errSignedOut):
		return "sign in with 'atlassian-mcp login', and the same URL and --profile if you gave them"
	case errors.As(err, &transient) && said == nil && hint(transient.Err) != "":
		return hint(transient.Err)
	case errors.As(err, &transient):
		return "whoever is signed in still is: try again in a minute"
	case said != nil:
		return saidHint(said)
	case errors.As(err, &noSignIn):
		return keyHint(noSignIn.Server)
	case errors.As(err, &static):
		return "check ATLASSIAN_EMAIL and ATLASSIAN_API_TOKEN, or the token kept by 'atlassian-mcp login --api-token': it may have expired, or an admin may not allow API tokens for this server"
	case errors.As(err, &locked):
		return "unlock the keychain of your desktop and try again; on a machine without a desktop, --token-store file keeps tokens in files"
	case errors.As(err, &slow):
		return "the keychain does not answer: look for its window, or restart it; on a machine without a desktop, --token-store file keeps tokens in files"
	case errors.As(err, &none):
		return "--token-store file keeps tokens in files that only you can read"
	case errors.As(err, &usage):
		return usage.advice
	case errors.As(err, &advised):
		return advised.advice
	case errors.As(err, &proxy), errors.As(err, &op) && op.Op == "proxyconnect":
		return "this is about the HTTP proxy, not the server: check HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and the proxy's user name and password in them"
	case errors.As(err, &dns):
		return dnsHint(dns)
	case errors.As(err, &certificate):
		return certificateHint(certificate)
	case errors.As(err, &notTLS), errors.Is(err, http.ErrSchemeMismatch):
		return "the server does not speak TLS at this address; is the port right, or does the URL start with http://?"
	case errors.Is(err, errRefused):
		return "nothing listens at this address: is the server running, and is the port in the URL right?"
	case errors.Is(err, errNetUnreachable), errors.Is(err, errHostUnreachable):
		return "there is no route to the server: check the network connection and the VPN"
	case errors.As(err, &session) && errors.As(err, &status) && status.Status == http.StatusNotFound:
		return "the server has lost the session: try again"
	case errors.As(err, &overdue):
		return "--request-timeout, which is among the arguments of atlassian-mcp, allows for so much time"
	case errors.As(err, &status):
		return statusHint(status)
	case errors.As(err, &content):
		if isHTML(content.ContentType) {
			return "this is a web page, not an MCP server: is the URL right? A network that wants you to log in first answers like this too"
		}
		return "this is not how an MCP server answers: is the URL right? It often ends in /mcp, that of an older server in /sse"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time: check the network connection, the VPN and the proxy; --connect-timeout and --handshake-timeout allow for more time"
	case errors.Is(err, errReset), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server, or a proxy, VPN or firewall on the way to it, cut the connection"
	}
	return ""
}

// saidHint says what to do where an authorization server refuses otherwise than by the user (RFC 6749 §5.2, RFC 7591 §3.2.2, RFC 8707 §2).
func saidHint(said *auth.Error) string {
	switch said.Code {
	case "invalid_scope":
		return "leave --scope out, or correct it"
	case "invalid_target":
		return "leave --resource out, or correct it"
	case "invalid_client", "unauthorized_client":
		return "check --client-id and " + clientSecretEnv + "; without them, 'atlassian-mcp logout' and 'atlassian-mcp login' register this program anew"
	case "invalid_redirect_uri", "invalid_client_metadata":
		return "ask the server's administrator for a client ID and pass it with --client-id"
	}
	return "'atlassian-mcp doctor' shows each step of the way to the sign-in"
}

// keyHint says how to get in at a server that has no OAuth.
func keyHint(server *url.URL) string {
	advice := "get a token or a key for the server from its owner, and pass it with --header 'Authorization: Bearer …'"
	if atlassian.TakesAPIToken(server) {
		advice += "; Atlassian's API tokens go into " + apiTokenEnv
	}
	return advice
}

// clause returns a sentence as hints are written: without a capital and a full stop.
func clause(sentence string) string {
	return strings.ToLower(sentence[:1]) + strings.TrimSuffix(sentence[1:], ".")
}

// dnsHint tells a name that does not exist from a network that can't tell.
func dnsHint(err *net.DNSError) string {
	if err.IsNotFound {
		return fmt.Sprintf("there is no host %q: check its spelling; on a network that reaches the internet through a proxy only, set HTTPS_PROXY", err.Name)
	}
	return fmt.Sprintf("the address of %q could not be looked up: check the network connection and the VPN", err.Name)
}

// certificateHint names the issuer of a certificate that is not trusted, since that tells a
// company's TLS inspection from a server's own certificate.
func certificateHint(err *tls.CertificateVerificationError) string {
	var (
		wrongHost x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &wrongHost):
		return fmt.Sprintf("the certificate is for %s: is the host in the URL right?", certificateNames(wrongHost.Certificate))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		c := invalid.Cert
		return fmt.Sprintf("the certificate of %s is valid from %s to %s: is this computer's clock right? If it is, the server's owner must renew it",
			certificateNames(c), c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
	}
	issuer := "an unknown authority"
	if chain := err.UnverifiedCertificates; len(chain) > 0 {
		issuer = distinguishedName(chain[len(chain)-1].Issuer)
	}
	return fmt.Sprintf("the certificate was issued by %s, which this computer does not trust: "+
		"if that is your company's TLS inspection or your own server, put its CA certificate into a file and pass --ca-cert FILE", issuer)
}

// certificateNames returns the hosts that c is for, the first three of them.
func certificateNames(c *x509.Certificate) string {
	names := c.DNSNames
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	switch {
	case len(names) == 0:
		return distinguishedName(c.Subject)
	case len(names) > 3:
		return strings.Join(names[:3], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

// distinguishedName returns the part of n that people know it by, quoted.
func distinguishedName(n pkix.Name) string {
	name := n.String()
	if n.CommonName != "" {
		name = n.CommonName
	} else if len(n.Organization) > 0 {
		name = n.Organization[0]
	}
	return fmt.Sprintf("%q", name)
}

// statusHint explains an HTTP status (RFC 9110 §15).
func statusHint(err *remote.StatusError) string {
	switch code := err.Status; {
	case code == http.StatusUnauthorized:
		return "the server does not accept the sign-in: try again, then sign in anew with 'atlassian-mcp login'; if you pass a token yourself, it may have expired"
	case code == http.StatusForbidden && isHTML(err.ContentType):
		return "a firewall or gateway in front of the server refused the request; its web page says why"
	case code == http.StatusForbidden:
		return "the server knows who you are and refuses: your account, token or organization lacks a permission"
	case code == http.StatusNotFound:
		return "there is nothing at this path: is the URL right? It often ends in /mcp, that of an older server in /sse"
	case code == http.StatusMethodNotAllowed:
		return "this address takes no MCP messages: is the path of the URL right? It often ends in /mcp"
	case code == http.StatusProxyAuthRequired:
		return "the HTTP proxy wants a user name and a password: put them into HTTPS_PROXY, as http://user:password@host:port"
	case code == http.StatusTooManyRequests && err.RetryAfter > 0:
		return fmt.Sprintf("too many requests: wait for %v", err.RetryAfter)
	case code == http.StatusTooManyRequests:
		return "too many requests: wait a minute"
	case code/100 == 3:
		return "the server has moved: ask its owner for the new URL"
	case code/100 == 5:
		return "the server, or a gateway in front of it, is in trouble: try again later"
	}
	return ""
}

// isHTML reports whether a Content-Type is that of a web page.
func isHTML(contentType string) bool {
	return strings.HasPrefix(strings.ToLower(contentType), "text/html")
}
