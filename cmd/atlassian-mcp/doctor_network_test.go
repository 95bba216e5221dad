package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

// TestDoctorNetwork has something be wrong on the way to the server.
func TestDoctorNetwork(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><title>Log in</title>")
	}))
	t.Cleanup(page.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	t.Cleanup(proxy.Close)
	self := httptest.NewUnstartedServer(http.NotFoundHandler())
	self.Config.ErrorLog = discardLog
	self.StartTLS()
	t.Cleanup(self.Close)

	for name, tt := range map[string]struct {
		url, env string
		check    string
		text     string
		advice   []string
	}{
		"name":      {url: "https://mcp.invalid/mcp", check: "name", text: "mcp.invalid", advice: []string{"check its spelling", "HTTPS_PROXY"}},
		"closed":    {url: "http://" + closed.Addr().String() + "/mcp", check: "certificate", text: "refused", advice: []string{"nothing listens"}},
		"page":      {url: page.URL + "/mcp", check: "session", text: "text/html", advice: []string{"is the URL right?"}},
		"proxy":     {url: "https://mcp.atlassian.com/v1/mcp", env: "HTTPS_PROXY=" + strings.Replace(proxy.URL, "http://", "http://me:canary-password@", 1), check: "certificate", text: "407", advice: []string{"HTTPS_PROXY"}},
		"untrusted": {url: self.URL + "/mcp", check: "certificate", text: "unknown authority", advice: []string{"Acme Co", "--ca-cert"}},
		"encrypted": {url: strings.Replace(page.URL, "http://", "https://", 1) + "/mcp", check: "certificate", text: "TLS handshake", advice: []string{"does not speak TLS"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newShell(t)
			u.env = append(u.env, tt.env)
			d, status := u.doctor(tt.url)
			d.want(t, status, tt.check, "", tt.advice...)
			if found := d.found(t, tt.check); !strings.Contains(found.Text, tt.text) {
				t.Errorf("found %+v, want %q", found, tt.text)
			}
		})
	}
}

// TestDoctorInspection has a company's proxy read the traffic: doctor says whose certificate that is, trusted or not.
func TestDoctorInspection(t *testing.T) {
	authority, server := certificates(t, "mcp.atlassian.com")
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "mcp.atlassian.com:443" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		inside := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{server}})
		(&http.Server{Handler: http.NotFoundHandler(), ErrorLog: discardLog}).Serve(&oneConn{conn: inside})
	}))
	proxy.Config.ErrorLog = discardLog
	proxy.Start()
	t.Cleanup(proxy.Close)
	u := newShell(t)
	u.env = append(u.env, "HTTPS_PROXY="+proxy.URL)

	d, status := u.doctor()
	d.want(t, status, "certificate", "", `"Inspection CA"`, "TLS inspection", "--ca-cert")
	if details := strings.Join(d.found(t, "certificate").Details, "\n"); !strings.Contains(details, `"mcp.atlassian.com", by "Inspection CA" of "Example Corp"`) {
		t.Errorf("no chain in %q", details)
	}
	if found := d.found(t, "proxy"); !strings.Contains(found.Text, proxy.URL) {
		t.Errorf("no proxy in %+v", found)
	}

	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	d, _ = u.doctor("--ca-cert", file)
	found := d.found(t, "certificate")
	if found.Mark != markWarned || !strings.Contains(found.Text, `"Inspection CA" of "Example Corp"`) || !strings.Contains(found.Advice, "admin") || len(found.Details) != 2 {
		t.Errorf("found %+v", found)
	}
}

// A oneConn is a listener for one connection.
type oneConn struct{ conn net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, net.ErrClosed
	}
	conn := l.conn
	l.conn = nil
	return conn, nil
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return new(net.TCPAddr) }

// certificates returns the certificate of an authority and one that it has issued for host.
func certificates(t *testing.T, host string) (authority []byte, server tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Inspection CA", Organization: []string{"Example Corp"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
	}
	root, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root}), tls.Certificate{Certificate: [][]byte{issued}, PrivateKey: key}
}

// TestDoctorRedirect shows where the way to the sign-in leads.
func TestDoctorRedirect(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch origin := "http://" + r.Host; r.URL.Path {
		case "/mcp":
			w.WriteHeader(http.StatusUnauthorized)
		case "/.well-known/oauth-authorization-server":
			http.Redirect(w, r, "/there?key=canary-key", http.StatusFound)
		case "/there":
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"issuer":"`+origin+`","authorization_endpoint":"`+origin+`/a","token_endpoint":"`+origin+`/t","code_challenge_methods_supported":["S256"]}`)
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	d, _ := newShell(t).doctor(srv.URL + "/mcp")
	details := strings.Join(d.found(t, "metadata").Details, "\n")
	if want := srv.URL + "/.well-known/oauth-authorization-server -> " + srv.URL + "/there: 200 OK"; !strings.Contains(details, want) {
		t.Errorf("no %q in %q", want, details)
	}
	if found := d.found(t, "registration"); found.Mark != markFailed || !strings.Contains(found.Advice, "ask its admin for a client ID") {
		t.Errorf("found %+v", found)
	}
}

// TestDoctorVersions has a sign-in at v1, and asks v2.
func TestDoctorVersions(t *testing.T) {
	s, u := startSandbox(t), newShell(t)
	u.signIn(s.Endpoint("/v1/mcp"), issuer.Choice{})
	d, status := u.doctor(s.Endpoint("/v2/mcp"))
	d.want(t, status, "sign-in", "", "run 'atlassian-mcp login "+s.Endpoint("/v2/mcp")+"'")
	if details := strings.Join(d.found(t, "sign-in").Details, "\n"); !strings.Contains(details, s.Endpoint("/v1/mcp")+", which does not count here") {
		t.Errorf("no sign-in elsewhere in %q", details)
	}
	d, status = u.doctor(s.Endpoint("/v2/mcp"), "--header", "Authorization: Bearer canary-of-v1")
	d.want(t, status, "session", "token-of-v1", "'atlassian-mcp login v2'")
}

// TestDoctorFine checks what doctor says when nothing is wrong, for people too.
func TestDoctorFine(t *testing.T) {
	s, u := startSandbox(t), newShell(t)
	for _, path := range []string{"/v1/mcp", "/v1/sse", "/v1/mcp/authv2", "/v2/mcp", "/mcp"} {
		address := s.Endpoint(path)
		u.signIn(address, issuer.Choice{})
		d, status := u.doctor(address)
		if !d.OK || status != exitOK || len(d.wrong()) > 0 || d.Server != address || d.Version == "" || len(d.Checks) != len(inspections()) {
			t.Errorf("%s: status %d, %+v", path, status, d)
		}
		var checks []string
		for _, f := range d.Checks {
			checks = append(checks, f.Check)
		}
		if got := strings.Join(checks, " "); got != "name certificate proxy metadata registration keychain sign-in session tools access others log" {
			t.Errorf("checked %s", got)
		}
		if found := d.found(t, "keychain"); !strings.HasPrefix(found.Text, "tokens are in files in ") || !strings.Contains(found.Text, "atlassian-mcp, not encrypted") {
			t.Errorf("%s: found %+v", path, found)
		}
		if found := d.found(t, "access"); !strings.Contains(found.Text, s.Org().People()[0].Name) {
			t.Errorf("%s: found %+v", path, found)
		}
	}
	stdout, stderr, status := u.run("doctor", s.Endpoint("/v1/mcp"))
	if status != exitOK || stderr != "" || strings.Count(stdout, "\nok ") < 5 || !strings.HasPrefix(stdout, "-   name ") {
		t.Errorf("status %d, standard error %q, standard output:\n%s", status, stderr, stdout)
	}
	if got := s.Issuer().Counts(); got.Consents != 5 {
		t.Errorf("doctor asked for a sign-in: %+v", got)
	}
}

// TestDoctorUnknown checks a server that is not Atlassian's and wants no sign-in.
func TestDoctorUnknown(t *testing.T) {
	_, address := startScripted(t, `{"name":"add","inputSchema":{"type":"object"}}`, nil)
	d, status := newShell(t).doctor(address)
	if !d.OK || status != exitOK || d.found(t, "tools").Text != "1" || d.found(t, "sign-in").Mark != markSkipped {
		t.Errorf("status %d, %+v", status, d)
	}
}

// TestDoctorLog has the log of a relay say what went wrong.
func TestDoctorLog(t *testing.T) {
	_, address := startScripted(t, "", nil)
	u, log := newShell(t), filepath.Join(t.TempDir(), "log")
	if found := func() finding { d, _ := u.doctor(address); return d.found(t, "log") }(); found.Mark != markSkipped {
		t.Errorf("found %+v", found)
	}
	lines := "time=2026-01-01 level=WARN msg=first\ntime=2026-01-01 level=WARN msg=\"last of all\" url=https://example.com/?key=canary-key\ntime=2026-01-01 level=DEBUG msg=more\n"
	if err := os.WriteFile(log, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	d, _ := u.doctor(address, "--log-file", log)
	if details := strings.Join(d.found(t, "log").Details, "\n"); !strings.Contains(details, "last of all") || strings.Contains(details, "first") {
		t.Errorf("details %q", details)
	}
}

func TestDoctorExplain(t *testing.T) {
	u := newShell(t)
	for message, want := range map[string]string{
		"Your organization admin must authorize access from a domain to this site": "admin.atlassian.com, Rovo, Rovo MCP server, Domains",
		"Your site admin must authorize this app":                                  "admin.atlassian.com, Apps, the site, Connected apps",
		"Your organization admin must authorize access from this redirect URL":     "http://127.0.0.1:*/**",
		"error code: 1010":               "User-Agent",
		"429 Too Many Requests":          "fewer calls",
		"redirect_uri is not registered": "to register anew",
	} {
		stdout, stderr, status := u.run("doctor", "--explain", message)
		if status != exitOK || stderr != "" || !strings.Contains(stdout, want) {
			t.Errorf("%s: status %d, %q, %q", message, status, stdout, stderr)
		}
		stdout, _, status = u.run("doctor", "--json", "--explain", message)
		if status != exitOK || !strings.Contains(stdout, `"known": true`) || !strings.Contains(stdout, want) {
			t.Errorf("%s: status %d, %q", message, status, stdout)
		}
	}
	if _, stderr, status := u.run("doctor", "--explain", "no such thing"); status != exitUsage || !strings.Contains(stderr, "not among those that are known") {
		t.Errorf("status %d, %q", status, stderr)
	}
}
