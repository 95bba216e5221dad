package sandbox

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// This file is what every request passes first. MCP 2025-11-25 ("Security Warning") and its successors demand that a server on
// loopback minds the Origin header; that of Host keeps a web page from coming in by a name that it has pointed here (DNS rebinding).

// guard answers what must not come further, and marks every answer as Atlassian's edge does.
func (s *Server) guard(next http.Handler) http.Handler {
	foreign := http.NewCrossOriginProtection()
	foreign.SetDenyHandler(http.HandlerFunc(refuseOrigin))
	next = foreign.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Counted before the client can know of it, so that it may rely on the counts.
		status := &statusWriter{ResponseWriter: w, begun: func(code int) { s.record.http(r.Method, r.URL.Path, code) }}
		if !isLoopbackHost(r.Host) {
			http.Error(status, "the sandbox answers to localhost and loopback addresses only", http.StatusForbidden)
			return
		}
		h := w.Header()
		if isLibrary(r.UserAgent()) && s.faults.strikes("cloudflare") {
			h.Set("Server", "cloudflare")
			h.Set("Content-Type", "text/plain; charset=UTF-8")
			status.WriteHeader(http.StatusForbidden)
			fmt.Fprint(status, "error code: 1010")
			return
		}
		h.Set("Server", "AtlassianEdge")
		h.Set("Atl-Traceid", randomHex(16))
		h.Set("Atl-Request-Id", randomUUID())
		next.ServeHTTP(status, r)
	})
}

// isLoopbackHost reports whether a Host header names this machine to itself.
func isLoopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

// sameOrigin reports whether a request comes from no web page, or from one of ours. [http.CrossOriginProtection] stops pages of others
// that would change something; this stops those too that only want to read.
func sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Scheme == "http" && strings.EqualFold(u.Host, r.Host)
}

func refuseOrigin(w http.ResponseWriter, _ *http.Request) {
	refuse(w, http.StatusForbidden, codeRefused, "Forbidden: Invalid Origin header")
}

// isLibrary reports whether a program has not said who it is: Cloudflare refuses many libraries' default User-Agent.
func isLibrary(agent string) bool {
	if agent == "" {
		return true
	}
	name, _, _ := strings.Cut(strings.ToLower(agent), "/")
	switch name {
	case "go-http-client", "python-urllib", "python-requests", "java", "libwww-perl", "okhttp":
		return true
	}
	return false
}

// A statusWriter tells begun the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	begun func(code int) // nil when it was told
}

func (w *statusWriter) WriteHeader(code int) {
	if w.begun != nil {
		w.begun(code)
		w.begun = nil
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.begun != nil {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func randomUUID() string {
	h := randomHex(16)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}
