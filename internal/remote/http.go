package remote

import (
	"context"
	"crypto/tls"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// This file is what all requests to the server have in common, whatever the transport.

// NewClient returns an HTTP client for one server, on top of rt; nil means [http.DefaultTransport].
//
// It keeps cookies in memory, for load balancers that find a session's backend by them. It follows a redirect only to the same
// origin and with the same method: messages and tokens are for the server that the user named, and a POST that a 302 turned into a GET would say
// nothing. Any other redirect is returned as it is. It sets no limit of time, since a person may be at the other end of a call.
func NewClient(rt http.RoundTripper) *http.Client {
	jar, _ := cookiejar.New(nil) // no options, no error
	if rt == nil {
		rt = http.DefaultTransport
	}
	return &http.Client{
		Transport: &transportOfClient{next: rt},
		Jar:       jar,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= 5 || req.Method != via[0].Method || !sameOrigin(req.URL, via[0].URL) {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// sameOrigin reports whether a and b have the same scheme, host and port (RFC 6454).
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// Watch returns dial with connections that let messages be written in their exact order: net/http says that a request is written
// when its last bytes are still in a buffer. A connection whose other end is gone breaks within two minutes. It is for
// http.Transport.DialContext.
func Watch(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		keepAlive(conn)
		return &watchedConnection{Conn: conn}, nil
	}
}

// A watchedConnection tells when something has been written to it.
type watchedConnection struct {
	net.Conn
	wrote atomic.Pointer[func()]
}

func (w *watchedConnection) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if f := w.wrote.Swap(nil); f != nil {
		(*f)()
	}
	return n, err
}

// afterWrite has f called after the next Write. w may be nil.
func (w *watchedConnection) afterWrite(f func()) {
	if w != nil {
		w.wrote.Store(&f)
	}
}

// watchedConn returns the connection of Watch's that conn is, or is on top of; nil if there is none.
func watchedConn(conn net.Conn) *watchedConnection {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	w, _ := conn.(*watchedConnection)
	return w
}

type patienceKey struct{}

// impatient returns a context for requests by a client of NewClient's: one whose answer has not begun limit after the request was handed to the
// network fails with errSilent. The time before that, and between a 401 and the request that follows it, may be that of a person who signs in.
func impatient(ctx context.Context, limit time.Duration) context.Context {
	return context.WithValue(ctx, patienceKey{}, limit)
}

// A transportOfClient heeds the limits of its requests, and repeats none over HTTP/2.
type transportOfClient struct {
	next  http.RoundTripper
	http2 atomic.Bool // the server has answered over HTTP/2
}

func (t *transportOfClient) RoundTrip(req *http.Request) (*http.Response, error) {
	strict := t.http2.Load() && req.GetBody != nil
	if strict {
		req = req.WithContext(req.Context())
		req.GetBody = nil
	}
	resp, err := t.limited(req)
	switch {
	case err != nil && strict:
		err = untouched(err)
	case err == nil && resp.ProtoMajor == 2 && !strict:
		t.http2.Store(true)
	}
	return resp, err
}

func (t *transportOfClient) limited(req *http.Request) (*http.Response, error) {
	limit, ok := req.Context().Value(patienceKey{}).(time.Duration)
	if !ok {
		return t.next.RoundTrip(req)
	}
	ctx, cancel := context.WithCancelCause(req.Context()) // ends with req's, at the latest when the body is closed; see do
	timer := time.AfterFunc(limit, func() { cancel(errSilent) })
	resp, err := t.next.RoundTrip(req.WithContext(ctx))
	timer.Stop()
	if err != nil && context.Cause(ctx) == errSilent {
		err = errSilent
	}
	return resp, err
}

// CloseIdleConnections is what http.Client looks for.
func (t *transportOfClient) CloseIdleConnections() {
	if next, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// An untouchedError says that a server of HTTP/2 has not looked at a request, so that it may be sent again (RFC 9113 §8.7).
type untouchedError struct {
	cause  error
	ending bool // only because the connection was about to end (§6.8); another takes it
}

func (e *untouchedError) Error() string { return "server has refused to look at the request" }
func (e *untouchedError) Unwrap() error { return e.cause }

// untouched returns err, net/http's, as an *untouchedError if it is about such a request. net/http would repeat more than those, and for a minute, so it
// is given nothing to repeat; why it would have done so is then in the text of its error, and nowhere else. If that text changes the request counts as
// lost.
func untouched(err error) error {
	text := err.Error()
	switch refused := strings.Contains(text, "cannot retry err ["); {
	case refused && strings.Contains(text, "REFUSED_STREAM"):
		return &untouchedError{cause: err}
	case refused && strings.Contains(text, "graceful shutdown GOAWAY]"),
		strings.Contains(text, "cannot rewind body"): // what is not repeatable is only rewound if its connection could not take it at all
		return &untouchedError{err, true}
	}
	return err
}

// do sends req within ctx. Its error does not name the URL, which may have a secret in its query.
func (c *conn) do(ctx context.Context, req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(ctx)
	resp, err := c.cfg.Do(req.WithContext(ctx))
	if err != nil {
		cancel()
		if e, ok := err.(*url.Error); ok {
			err = e.Err
		}
		return nil, err
	}
	resp.Body = &body{resp.Body, cancel}
	return resp, nil
}

// A body is that of a response, with the end of the exchange that it comes from.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.cancel()
	return err
}

// textTimeout is how long a body may take that is no message. It has been sent by the time that its status arrives, or never ends.
const textTimeout = 5 * time.Second

// hurry cuts the body of resp when textTimeout is over, unless stop is called before.
func hurry(resp *http.Response) (stop func() bool) {
	if b, ok := resp.Body.(*body); ok {
		return time.AfterFunc(textTimeout, b.cancel).Stop
	}
	return func() bool { return true }
}

// discard reads the rest of a body, so that its connection can be used again, unless there is too much of it.
func discard(resp *http.Response) {
	defer hurry(resp)()
	io.CopyN(io.Discard, resp.Body, 64<<10)
	resp.Body.Close()
}

// readText returns the beginning of a body that is no message, and closes it.
func readText(resp *http.Response, limit int64) string {
	defer hurry(resp)()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, limit))
	resp.Body.Close()
	return strings.ToValidUTF8(string(text), "")
}

// mediaType returns the media type of a response, without parameters.
func mediaType(resp *http.Response) string {
	value := resp.Header.Get("Content-Type")
	if value == "application/json" || value == "text/event-stream" {
		return value
	}
	media, _, err := mime.ParseMediaType(value)
	if err != nil {
		media, _, _ = strings.Cut(value, ";")
		media = strings.ToLower(strings.TrimSpace(media))
	}
	return media
}
