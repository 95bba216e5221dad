package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// This file is what doctor looks at on the way to the server.

// name looks up the address of the server.
func (d *diagnosis) name(ctx context.Context) finding {
	host := d.server.url.Hostname()
	if proxy := d.proxyURL(); proxy != "" {
		return finding{Mark: markSkipped, Text: host + " is looked up by the HTTP proxy " + proxy}
	}
	if net.ParseIP(host) != nil {
		return finding{Mark: markSkipped, Text: host + " is an address already"}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		d.nameless = true
		return d.failure(err)
	}
	return finding{Mark: markFine, Text: host + " is " + strings.Join(addresses[:min(3, len(addresses))], ", ")}
}

// certificate connects, and looks at who vouches for the server.
func (d *diagnosis) certificate(ctx context.Context) finding {
	if d.nameless {
		return finding{Mark: markSkipped, Text: "the server's address is not known"}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, d.server.url.Scheme+"://"+d.server.url.Host+"/", nil)
	if err != nil {
		return d.failure(err)
	}
	req.Header.Set("User-Agent", userAgent())
	resp, err := withoutURL(d.server.transport.RoundTrip)(req)
	if err != nil {
		found := d.failure(err)
		if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			found.Details = chain(untrusted.UnverifiedCertificates)
		}
		return found
	}
	resp.Body.Close()
	d.reachable = true
	if resp.TLS == nil || len(resp.TLS.PeerCertificates) == 0 {
		return finding{Mark: markFine, Text: "connected to " + d.server.url.Host + ", without encryption"}
	}
	certificates := resp.TLS.PeerCertificates
	if verified := resp.TLS.VerifiedChains; len(verified) > 0 {
		certificates = verified[0]
	}
	leaf := certificates[0]
	found := finding{
		Mark:    markFine,
		Text:    fmt.Sprintf("connected to %s by %s; its certificate was issued by %s", d.server.url.Host, resp.Proto, issuerOf(leaf)),
		Details: chain(certificates),
	}
	if strings.HasSuffix(d.server.url.Hostname(), ".atlassian.com") && !public(leaf) {
		found.Mark = markWarned
		found.Advice = "this is no public authority: your company or a program on this computer reads the traffic (TLS inspection). " +
			"It works as long as this computer trusts its certificate; if tools fail all the same, have your network's admin let mcp.atlassian.com through untouched"
	}
	return found
}

// chain returns a line for each certificate, from the server's to the one that is trusted, or is not.
func chain(certificates []*x509.Certificate) []string {
	var lines []string
	for _, c := range certificates {
		lines = append(lines, fmt.Sprintf("%s, by %s, until %s", distinguishedName(c.Subject), issuerOf(c), c.NotAfter.Format(time.DateOnly)))
	}
	return lines
}

// issuerOf returns who issued c, with the organization, which is what tells a company's inspection from the public's.
func issuerOf(c *x509.Certificate) string {
	name := distinguishedName(c.Issuer)
	if org := c.Issuer.Organization; len(org) > 0 && org[0] != c.Issuer.CommonName {
		name += " of " + fmt.Sprintf("%q", org[0])
	}
	return name
}

// public reports whether c is from one of the authorities that issue the certificates of large sites.
func public(c *x509.Certificate) bool {
	issuer := strings.ToLower(c.Issuer.String())
	return slices.ContainsFunc([]string{"amazon", "digicert", "google trust", "let's encrypt", "sectigo", "globalsign", "cloudflare", "entrust", "ssl.com", "ssl corp"},
		func(name string) bool { return strings.Contains(issuer, name) })
}

// proxyURL returns the HTTP proxy on the way to the server, without password, "" if there is none.
func (d *diagnosis) proxyURL() string {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: d.server.url})
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.Redacted()
}

// proxy tells the HTTP proxy. That it works has been seen by then.
func (d *diagnosis) proxy(context.Context) finding {
	if _, err := http.ProxyFromEnvironment(&http.Request{URL: d.server.url}); err != nil {
		return finding{Mark: markFailed, Text: err.Error(), Advice: "correct HTTPS_PROXY: it looks like http://proxy.example.com:8080"}
	}
	if proxy := d.proxyURL(); proxy != "" {
		return finding{Mark: markFine, Text: "through " + proxy}
	}
	text := "none"
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		if os.Getenv(name) != "" {
			text = "none: " + name + " is set, and NO_PROXY or the address of this server makes an exception"
		}
	}
	return finding{Mark: markFine, Text: text}
}
