package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// This file receives the browser when the authorization server sends it back (RFC 8252 §7.3): on loopback, under one
// path, for one state. The page that it shows is the result of the sign-in, so the browser is kept waiting for it.

// A listener waits for the callback of one sign-in.
type listener struct {
	ln          net.Listener
	redirectURI string

	srv     *http.Server
	served  chan struct{}   // closed when srv has ended
	arrived chan url.Values // the query of the callback; buffered
	done    chan struct{}   // closed when outcome is set
	outcome outcome
}

// An outcome is what the page tells.
type outcome struct {
	Server string // host name of the MCP server
	Err    error
}

func (c *Client) callbackHost() string {
	if c.cfg.CallbackHost != "" {
		return c.cfg.CallbackHost
	}
	return "127.0.0.1"
}

func (c *Client) callbackPath() string {
	if c.cfg.CallbackPath != "" {
		return c.cfg.CallbackPath
	}
	return "/callback"
}

// listen binds port of 127.0.0.1, any if it is 0. The port has to be ours before the redirect URI is told to anyone.
func (c *Client) listen(ctx context.Context, port int) (*listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("listening for the browser: %w", err)
	}
	_, bound, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		ln.Close()
		return nil, err
	}
	u := url.URL{Scheme: "http", Host: net.JoinHostPort(c.callbackHost(), bound), Path: c.callbackPath()}
	return &listener{
		ln:          ln,
		redirectURI: u.String(),
		served:      make(chan struct{}),
		arrived:     make(chan url.Values, 1),
		done:        make(chan struct{}),
	}, nil
}

// portOf returns the port of a redirect URI, 0 if it has none.
func portOf(redirectURI string) int {
	u, err := url.Parse(redirectURI)
	if err != nil {
		return 0
	}
	port, _ := strconv.Atoi(u.Port())
	return port
}

// serve answers the browser from now on. Only a callback with the given state arrives.
func (l *listener) serve(state string) {
	l.srv = &http.Server{
		Handler:           l.handler(state),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    64 << 10,                   // of which the query is a part
		ErrorLog:          log.New(io.Discard, "", 0), // it would quote what browsers send
	}
	go func() {
		defer close(l.served)
		l.srv.Serve(l.ln)
	}()
}

// finish shows the outcome in the browser, if it waits for it, and ends the listener.
func (l *listener) finish(ctx context.Context, o outcome) {
	l.outcome = o
	close(l.done)
	if l.srv == nil {
		l.ln.Close()
		return
	}
	// A page is written in no time; a browser's spare connections are not worth waiting for.
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if l.srv.Shutdown(ctx) != nil {
		l.srv.Close()
	}
	<-l.served
}

func (l *listener) handler(state string) http.Handler {
	want, _ := url.Parse(l.redirectURI)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host != want.Host: // a page that had its name resolve to 127.0.0.1
			http.Error(w, "wrong host", http.StatusForbidden)
		case r.URL.Path != want.Path:
			http.NotFound(w, r)
		case r.Method != http.MethodGet:
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "GET only", http.StatusMethodNotAllowed)
		default:
			l.callback(w, r, state)
		}
	})
}

// callback takes the user's return. Whoever does not know the state is turned away, and the right one is still awaited.
// A second right one, which a reload makes, sees the same page.
func (l *listener) callback(w http.ResponseWriter, r *http.Request, state string) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || !sameState(q, state) {
		writePage(w, http.StatusBadRequest, page{Title: "Not the sign-in we are waiting for",
			Text: "This address does not belong to the sign-in under way, so it was ignored. Finish in the tab that was opened for it."})
		return
	}
	select {
	case l.arrived <- q:
	default:
	}
	select {
	case <-l.done:
	case <-r.Context().Done():
		return
	}
	if err := l.outcome.Err; err != nil {
		p := page{Title: "Sign-in failed", Detail: err.Error(),
			Text: "You are not signed in to " + l.outcome.Server + ". To try again, run atlassian-mcp login."}
		if errors.Is(err, ErrDenied) {
			p.Title = "Sign-in refused"
		}
		writePage(w, http.StatusBadRequest, p)
		return
	}
	writePage(w, http.StatusOK, page{OK: true, Title: "Signed in",
		Text: "You are signed in to " + l.outcome.Server + ". You can close this tab and go back to your editor."})
}

func sameState(q url.Values, state string) bool {
	return len(q["state"]) == 1 && subtle.ConstantTimeCompare([]byte(q["state"][0]), []byte(state)) == 1
}

// readCallback returns the code of a callback with the right state. The issuer is compared before anything else in it is
// believed, an error included (RFC 9207 §2.4, MCP "Authorization Response Validation").
func readCallback(q url.Values, issuer string, issRequired bool) (code string, err error) {
	for _, k := range []string{"iss", "code", "error"} {
		if len(q[k]) > 1 { // RFC 6749 §3.1
			return "", fmt.Errorf("the authorization server sent %s more than once", k)
		}
	}
	switch iss := q.Get("iss"); {
	case !q.Has("iss") && issRequired:
		return "", errors.New("the answer does not name the authorization server it is from")
	case q.Has("iss") && iss != issuer:
		return "", errors.New("the answer is from another authorization server")
	case q.Get("error") != "":
		return "", &Error{Code: clip(q.Get("error")), Description: clip(q.Get("error_description"))}
	case q.Get("code") == "":
		return "", errors.New("the authorization server sent neither a code nor an error")
	}
	return q.Get("code"), nil
}
