package auth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// This file keeps what servers name in their metadata from leading us astray (RFC 9728 §7.7): plain http, another scheme,
// a redirect, or a host on the user's own network.

// fetchTimeout is what one request to an authorization server may take.
const fetchTimeout = 20 * time.Second

// checkURL parses a URL that a server named and reports why it must not be used: it has to be https, or http on loopback.
func checkURL(raw string, allowHTTP bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("malformed URL %q", raw)
	}
	switch {
	case u.Host == "" || u.Opaque != "":
		return nil, fmt.Errorf("URL without a host: %q", raw)
	case strings.Trim(u.Host, hostChars) != "":
		return nil, fmt.Errorf("URL with a malformed host: %q", raw)
	case u.User != nil:
		return nil, errors.New("URL with a user name in it")
	case u.Fragment != "":
		return nil, fmt.Errorf("URL with a fragment: %q", raw)
	case u.Scheme == "https", u.Scheme == "http" && (allowHTTP || isLoopback(u.Hostname())):
		return u, nil
	}
	return nil, fmt.Errorf("URL that is not https: %q", raw)
}

// hostChars is all that a host and port consist of, where net/url would let quotes and dollar signs pass.
const hostChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]"

// pageURL returns the URL of a page for a browser, given that checkURL has let it pass. What means something to a shell
// is encoded in it: launchers are scripts, on some systems.
func pageURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	var path strings.Builder
	for _, c := range []byte(u.EscapedPath()) {
		if strings.IndexByte("!$&'()*;", c) >= 0 {
			fmt.Fprintf(&path, "%%%02X", c)
			continue
		}
		path.WriteByte(c)
	}
	page := u.Scheme + "://" + u.Host + path.String()
	if u.RawQuery != "" {
		page += "?" + u.Query().Encode()
	}
	return page
}

// isLoopback reports whether host names this machine without asking anyone.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// newOAuthClient returns the client for metadata, registration and tokens. A POST is never redirected, for it carries a
// code or a secret; each hop of a GET is checked like the first. No connection is made to a private address, unless the
// MCP server has one itself or the user has named the host: the token endpoint, or an HTTP proxy, which makes the connection then.
func newOAuthClient(cfg Config) *http.Client {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if cfg.Transport != nil {
		t = cfg.Transport.Clone()
	} else if d, ok := http.DefaultTransport.(*http.Transport); ok {
		t = d.Clone()
	}
	g := &guard{server: cfg.Server.Hostname(), ipv4: cfg.IPv4}
	if u, err := url.Parse(cfg.TokenEndpoint); err == nil && u.Host != "" {
		g.chosen.Store(u.Hostname(), true)
	}
	if proxy := t.Proxy; proxy != nil {
		t.Proxy = func(req *http.Request) (*url.URL, error) {
			u, err := proxy(req)
			if u != nil {
				g.chosen.Store(u.Hostname(), true)
			}
			return u, err
		}
	}
	t.DialContext = g.dial
	return &http.Client{
		Timeout:   fetchTimeout,
		Transport: &tidy{base: t, userAgent: cfg.UserAgent},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if via[0].Method != http.MethodGet {
				return fmt.Errorf("%w, which a request with credentials must not be", errRedirect)
			}
			if len(via) >= 5 {
				return fmt.Errorf("%w more than 5 times", errRedirect)
			}
			if _, err := checkURL(req.URL.String(), cfg.AllowHTTP); err != nil {
				return fmt.Errorf("%w to a %w", errRedirect, err)
			}
			return nil
		},
	}
}

// A guard dials public addresses only.
type guard struct {
	server string   // host name
	ipv4   bool     // by IPv4 only
	chosen sync.Map // host names that the user has given: of HTTP proxies, of the token endpoint
}

var errRedirect = errors.New("redirected")

var errPrivate = errors.New("refusing to connect to a private address that a public server named")

func (g *guard) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	if g.ipv4 {
		network = "tcp4"
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if _, chosen := g.chosen.Load(host); !chosen {
		// Checked here, after the name was resolved, so that no second resolution can give another answer.
		d.Control = func(network, addr string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(addr)
			if err != nil {
				return err
			}
			if isPrivate(ap.Addr()) && !g.serverIsPrivate(ctx) {
				return errPrivate
			}
			return nil
		}
	}
	return d.DialContext(ctx, network, addr)
}

// serverIsPrivate reports whether the MCP server has a private address, in which case its authorization server may too.
func (g *guard) serverIsPrivate(ctx context.Context) bool {
	if isLoopback(g.server) {
		return true
	}
	if ip, err := netip.ParseAddr(g.server); err == nil {
		return isPrivate(ip)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", g.server)
	if err != nil {
		return false
	}
	for _, ip := range ips {
		if isPrivate(ip) {
			return true
		}
	}
	return false
}

// shared is the address space of carrier-grade NAT (RFC 6598), which net/netip does not count as private.
var shared = netip.MustParsePrefix("100.64.0.0/10")

func isPrivate(ip netip.Addr) bool {
	ip = ip.Unmap()
	return !ip.IsGlobalUnicast() || ip.IsPrivate() || shared.Contains(ip)
}
