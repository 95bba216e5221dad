package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

func TestHint(t *testing.T) {
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: &os.SyscallError{Syscall: "connect", Err: err}}
	}
	tests := []struct {
		err  error
		want string // part of the hint; empty means that there is none
	}{
		{errors.New("something else"), ""},
		{context.Canceled, ""},
		{&usageError{what: "wrong", advice: "do it right"}, "do it right"},
		{&net.DNSError{Name: "mcp.invalid", IsNotFound: true}, `there is no host "mcp.invalid"`},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "mcp.invalid", IsTimeout: true}}, `address of "mcp.invalid" could not be looked up`},
		{dial(errRefused), "nothing listens"},
		{dial(errNetUnreachable), "no route"},
		{dial(errHostUnreachable), "no route"},
		{&net.OpError{Op: "proxyconnect", Err: dial(errRefused)}, "HTTP proxy"},
		{&net.OpError{Op: "proxyconnect", Err: &net.DNSError{Name: "proxy.invalid"}}, "HTTP proxy"},
		{&proxyError{"proxy:3128", "403 Forbidden"}, "HTTP proxy"},
		{dial(errReset), "cut the connection"},
		{io.EOF, "cut the connection"},
		{io.ErrUnexpectedEOF, "cut the connection"},
		{context.DeadlineExceeded, "no answer in time"},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, "no answer in time"},
		{http.ErrSchemeMismatch, "http://"},
		{&remote.StatusError{Status: 400}, ""},
		{&remote.StatusError{Status: 301}, "has moved"},
		{&remote.StatusError{Status: 401}, "sign in anew with 'atlassian-mcp login'"},
		{&remote.StatusError{Status: 403}, "lacks a permission"},
		{&remote.StatusError{Status: 403, ContentType: "text/html; charset=utf-8"}, "firewall"},
		{&remote.StatusError{Status: 404}, "is the URL right?"},
		{&remote.StatusError{Status: 405}, "is the path of the URL right?"},
		{&remote.SessionError{Err: &remote.StatusError{Status: 404}}, "has lost the session"},
		{&remote.SessionError{Err: &remote.StatusError{Status: 403}}, "refuses"},
		{&remote.StatusError{Status: 407}, "HTTPS_PROXY"},
		{&remote.StatusError{Status: 429}, "wait a minute"},
		{&remote.StatusError{Status: 429, RetryAfter: 90 * time.Second}, "wait for 1m30s"},
		{&remote.StatusError{Status: 503}, "try again later"},
		{&remote.ContentError{ContentType: "Text/HTML"}, "web page"},
		{&remote.ContentError{ContentType: "image/png"}, "is the URL right?"},
	}
	for _, tt := range tests {
		for _, err := range []error{tt.err, fmt.Errorf("opening the session: %w", tt.err)} {
			got := hint(err)
			if !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
				t.Errorf("hint(%v) = %q, want %q", err, got, tt.want)
			}
			if first := got[:min(1, len(got))]; first != strings.ToLower(first) || strings.HasSuffix(got, ".") {
				t.Errorf("hint(%v) = %q, with a capital or a full stop", err, got)
			}
		}
	}
}

// TestTLSHints makes the mistakes that a server can make with its certificate.
func TestTLSHints(t *testing.T) {
	now := time.Now()
	tests := []struct {
		name string
		cert x509.Certificate
		want string // part of the hint
	}{
		{"unknown issuer", x509.Certificate{
			Subject:   pkix.Name{CommonName: "Corp Inspection CA", Organization: []string{"Corp"}},
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}, `issued by "Corp Inspection CA"`},
		{"no name", x509.Certificate{
			Subject:   pkix.Name{Organization: []string{"Corp"}},
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}, `issued by "Corp"`},
		{"expired", x509.Certificate{
			NotBefore: now.AddDate(-2, 0, 0), NotAfter: now.AddDate(-1, 0, 0), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}, "the certificate of 127.0.0.1 is valid from " + now.AddDate(-2, 0, 0).UTC().Format(time.DateOnly)},
		{"wrong host", x509.Certificate{
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), DNSNames: []string{"a.example", "b.example", "c.example", "d.example"},
		}, "the certificate is for a.example, b.example, c.example and others"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cert := selfSigned(t, &tt.cert)
			srv := httptest.NewUnstartedServer(http.NotFoundHandler())
			srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
			srv.Config.ErrorLog = discardLog
			srv.StartTLS()
			defer srv.Close()

			var roots *x509.CertPool // the system's
			if !strings.Contains(tt.want, "issued by") {
				roots = x509.NewCertPool()
				roots.AddCert(cert)
			}
			_, err := get(newTransport(10*time.Second, roots), srv.URL)
			if err == nil || !strings.Contains(hint(err), tt.want) {
				t.Errorf("error %v, hint %q, want %q", err, hint(err), tt.want)
			}
		})
	}
}

var key, keyErr = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)

func selfSigned(t *testing.T, template *x509.Certificate) *x509.Certificate {
	t.Helper()
	if keyErr != nil {
		t.Fatal(keyErr)
	}
	template.SerialNumber = big.NewInt(1)
	template.IsCA, template.BasicConstraintsValid = true, true
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestNotTLS connects to a port that speaks HTTP, and to one that speaks something else.
func TestNotTLS(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepting sync.WaitGroup
	defer accepting.Wait()
	defer l.Close()
	accepting.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "220 mail.example ESMTP\r\n")
			conn.Close()
		}
	})
	for _, addr := range []net.Addr{srv.Listener.Addr(), l.Addr()} {
		_, err := get(newTransport(10*time.Second, nil), "https://"+addr.String())
		if err == nil || !strings.Contains(hint(err), "does not speak TLS") {
			t.Errorf("error %v, hint %q", err, hint(err))
		}
	}
}

func TestPrintError(t *testing.T) {
	var buf bytes.Buffer
	printError(&buf, &usageError{what: "first\nsecond \x1b[31m", advice: "see https://example.com/?key=canary"})
	want := "atlassian-mcp: error: first second  [31m\natlassian-mcp: hint: see https://example.com/?key=" + hidden + "\n"
	if got := buf.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
