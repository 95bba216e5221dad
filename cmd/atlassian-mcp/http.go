package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// These bound the connections to the remote server.
const (
	// A laptop that wakes up, or a firewall that forgets, leaves connections on which
	// nothing ever arrives again. HTTP/2 pings find out.
	pingAfter   = 30 * time.Second
	pingTimeout = 15 * time.Second

	// net/http keeps two idle connections to an HTTP/1.1 server; a client that makes more
	// calls at a time would dial anew for most of them.
	maxIdleConns    = 256
	idleConnTimeout = 90 * time.Second
)

// newTransport returns the HTTP transport to the remote server. It goes through the proxy
// that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name, but never to this machine itself
// (http.ProxyFromEnvironment sees to that), and trusts roots, or if that is nil the
// certificates of the system. Connecting and the TLS handshake may take connectTimeout
// each. An exchange may take for ever: a tool can run for minutes, and a stream is open as
// long as the session.
func newTransport(connectTimeout time.Duration, roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: checkProxy,
		DialContext:            remote.Watch((&net.Dialer{Timeout: connectTimeout}).DialContext),
		TLSHandshakeTimeout:    connectTimeout,
		TLSClientConfig:        &tls.Config{RootCAs: roots},
		ForceAttemptHTTP2:      true, // not the default next to DialContext and TLSClientConfig
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		MaxIdleConnsPerHost:    maxIdleConns,
		IdleConnTimeout:        idleConnTimeout,
	}
}

// A tracer logs each exchange that next carries out, up to the headers of the answer.
type tracer struct {
	next http.RoundTripper
	log  *slog.Logger
}

func (t tracer) RoundTrip(req *http.Request) (*http.Response, error) {
	start := time.Now()
	res, err := t.next.RoundTrip(req)
	log := t.log.With("method", req.Method, "url", req.URL, "header", req.Header, "took", time.Since(start))
	if err != nil {
		log.Debug("no answer from the server", "err", err)
		return nil, err
	}
	log.Debug("answer from the server", "status", res.StatusCode, "answer", res.Header, "protocol", res.Proto)
	return res, nil
}

// CloseIdleConnections is what http.Client looks for.
func (t tracer) CloseIdleConnections() {
	if next, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// withoutURL returns do with errors that lack the URL. net/http puts it in front of each
// with its query, which may hold a secret, and the reader knows which server it is about.
func withoutURL(do func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		res, err := do(req)
		if e, ok := err.(*url.Error); ok {
			err = e.Err
		}
		return res, err
	}
}

// A proxyError is the refusal of an HTTP proxy to open a tunnel (RFC 9110 §9.3.6).
type proxyError struct {
	proxy  string // host and port
	status string // such as "407 Proxy Authentication Required"
}

func (e *proxyError) Error() string {
	return fmt.Sprintf("the HTTP proxy %s answered %q", e.proxy, e.status)
}

// checkProxy gives the refusal of a proxy a type; net/http would return its text alone.
func checkProxy(_ context.Context, proxy *url.URL, _ *http.Request, res *http.Response) error {
	if res.StatusCode != http.StatusOK {
		return &proxyError{proxy: proxy.Host, status: res.Status}
	}
	return nil
}

// certFileEnv names the variables by which people hand certificates to programs: OpenSSL's,
// which Go reads on some systems only, and that of Node, on which the predecessors of this
// program run.
var certFileEnv = []string{"SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"}

// rootCAs returns the certificates of the system and those in the file, which --ca-cert
// names, and in the files of certFileEnv. It returns nil, for the system's alone, if there
// are no such files: net/http then reads the system's when the first of them is needed.
func rootCAs(file string, env lookupEnv, log *slog.Logger) (*x509.CertPool, error) {
	var roots *x509.CertPool
	add := func(file string) error {
		pem, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if roots == nil {
			if roots, err = x509.SystemCertPool(); err != nil {
				log.Warn("no system certificates", "err", err)
				roots = x509.NewCertPool()
			}
		}
		if !roots.AppendCertsFromPEM(pem) {
			return fmt.Errorf("no certificate in %s", file)
		}
		return nil
	}

	if file != "" {
		if err := add(file); err != nil {
			return nil, &usageError{
				what:   "--ca-cert: " + err.Error(),
				advice: "give the full path of a file with certificates in PEM form (-----BEGIN CERTIFICATE-----)",
			}
		}
	}
	for _, name := range certFileEnv {
		if file, ok := env(name); ok && file != "" {
			// The variable may be meant for other programs, so a bad one is no reason to stop.
			if err := add(file); err != nil {
				log.Warn("certificates left out", "variable", name, "err", err)
			}
		}
	}
	return roots, nil
}
