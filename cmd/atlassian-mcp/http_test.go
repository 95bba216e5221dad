package main

import (
	"context"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// get returns the protocol of the answer to a GET through tr, whose connection is free again.
func get(tr http.RoundTripper, url string) (proto string, err error) {
	res, err := (&http.Client{Transport: tr}).Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	return res.Proto, nil
}

func TestTransportHTTP2(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	tr := newTransport(10*time.Second, roots)
	defer tr.CloseIdleConnections()
	if proto, err := get(tr, srv.URL); proto != "HTTP/2.0" || err != nil {
		t.Errorf("protocol %q, error %v", proto, err)
	}
}

// TestTransportReuse makes 64 calls at a time, twice: the second time the connections are
// there already.
func TestTransportReuse(t *testing.T) {
	const calls = 64
	var all sync.WaitGroup // of the calls of a round: none is answered before the last has come
	var dialed atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		all.Done()
		all.Wait()
	}))
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			dialed.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	tr := newTransport(10*time.Second, nil)
	defer tr.CloseIdleConnections()

	for round := range 2 {
		all.Add(calls)
		var group sync.WaitGroup
		for range calls {
			group.Go(func() {
				if _, err := get(tr, srv.URL); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		// A call may dial and then be served by another's connection, so there can be more.
		if round == 0 && dialed.Load() < calls {
			t.Fatalf("%d connections for %d calls at a time", dialed.Load(), calls)
		}
		if round == 0 {
			dialed.Store(0)
		}
	}
	if n := dialed.Load(); n > calls/2 {
		t.Errorf("%d new connections for the second %d calls", n, calls)
	}
}

// TestProxyRefusal checks that the words of a proxy that lets nobody through arrive, together
// with a hint that is about the proxy.
func TestProxyRefusal(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	defer proxy.Close()
	addr, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	tr := newTransport(10*time.Second, nil)
	tr.Proxy = http.ProxyURL(addr)
	_, err = get(tr, "https://mcp.invalid/mcp")
	if err == nil || !strings.Contains(err.Error(), `answered "407 Proxy Authentication Required"`) {
		t.Errorf("error %v", err)
	}
	if got := hint(err); !strings.Contains(got, "HTTPS_PROXY") {
		t.Errorf("hint %q", got)
	}
}

func TestWithoutURL(t *testing.T) {
	do := withoutURL(func(req *http.Request) (*http.Response, error) {
		return nil, &url.Error{Op: "Post", URL: req.URL.String(), Err: context.DeadlineExceeded}
	})
	req := httptest.NewRequest("POST", "https://mcp.invalid/mcp?key=canary", nil)
	if _, err := do(req); err != context.DeadlineExceeded {
		t.Errorf("error %v", err)
	}
}

func TestRootCAs(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	log := slog.New(slog.DiscardHandler)
	if roots, err := rootCAs("", none, log); roots != nil || err != nil {
		t.Errorf("without files: %v, %v; want nil, for the system's", roots, err)
	}
	// What a variable names is not this program's business alone.
	missing := func(string) (string, bool) { return "no/such/file", true }
	if _, err := rootCAs("", missing, log); err != nil {
		t.Errorf("with a variable that names no file: %v", err)
	}
	if _, err := rootCAs("http_test.go", none, log); exitCode(err) != exitUsage || hint(err) == "" {
		t.Errorf("with a file that has no certificates: %v", err)
	}
}

// TestTracer checks that the log of an exchange tells what happened and no secrets.
func TestTracer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "canary-1"})
		w.WriteHeader(http.StatusTeapot)
	}))
	defer srv.Close()
	var buf strings.Builder
	log, _, err := openLog(&buf, true, "")
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest("POST", srv.URL+"/mcp?key=canary-2", strings.NewReader("canary-3"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer canary-4")
	req.Header.Set("X-Key", "canary-5")
	res, err := tracer{http.DefaultTransport, log}.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	got := buf.String()
	if strings.Contains(got, "canary") || !strings.Contains(got, "status=418") || !strings.Contains(got, "/mcp?key=") {
		t.Errorf("log: %s", got)
	}
}
