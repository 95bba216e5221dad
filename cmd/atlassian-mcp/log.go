package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
)

// openLog returns a logger to w, of warnings or, if debug is set, of everything. If file is
// not empty, everything goes to that file as well; done closes it.
func openLog(w io.Writer, debug bool, file string) (log *slog.Logger, done func(), err error) {
	level := slog.LevelWarn // clients show what comes on standard error as errors
	if debug {
		level = slog.LevelDebug
	}
	handler := slog.Handler(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: redact}))
	if file == "" {
		return slog.New(handler), func() {}, nil
	}

	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, &usageError{
			what:   "--log-file: " + err.Error(),
			advice: "give a full path; the client decides in which directory this program starts",
		}
	}
	all := slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: redact})
	// Several processes may append to one file.
	log = slog.New(slog.NewMultiHandler(handler, all.WithAttrs([]slog.Attr{slog.Int("pid", os.Getpid())})))
	return log, func() { f.Close() }, nil
}

// redact keeps secrets out of every log, at any level: it is the last thing that an
// attribute passes. It hides the values of headers that authenticate and of query
// parameters; other text is up to whoever logs it.
func redact(_ []string, a slog.Attr) slog.Attr {
	if secretHeader(a.Key) {
		return slog.String(a.Key, hidden)
	}
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() {
	case slog.KindString:
		return slog.String(a.Key, scrub(a.Value.String()))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case http.Header:
			return slog.Any(a.Key, redactHeader(v))
		case error:
			return slog.String(a.Key, scrub(v.Error()))
		case *url.URL:
			return slog.String(a.Key, redactURL(v))
		}
	}
	return a
}

const hidden = "(hidden)"

// secretHeader reports whether the header of that name authenticates its sender.
func secretHeader(name string) bool {
	switch strings.ToLower(name) {
	case "authorization", "cookie", "set-cookie", "proxy-authorization":
		return true
	}
	return false
}

// redactHeader returns a copy of h with all values hidden but those known to be harmless:
// the names of the headers that a server takes its API keys from are countless.
func redactHeader(h http.Header) http.Header {
	c := make(http.Header, len(h))
	for name, values := range h {
		switch name {
		case "Accept", "Cache-Control", "Content-Encoding", "Content-Length", "Content-Type", "Date",
			"Mcp-Method", "Mcp-Protocol-Version", "Retry-After", "Server", "User-Agent", "Vary":
			c[name] = values
		default:
			c[name] = []string{hidden}
		}
	}
	return c
}

// redactURL returns u without password, query values and fragment.
func redactURL(u *url.URL) string {
	c := *u
	c.Fragment, c.RawFragment = "", ""
	if c.RawQuery != "" {
		pairs := strings.Split(c.RawQuery, "&")
		for i, p := range pairs {
			if name, _, ok := strings.Cut(p, "="); ok {
				pairs[i] = name + "=" + hidden
			}
		}
		c.RawQuery = strings.Join(pairs, "&")
	}
	return c.Redacted()
}

var anyURL = regexp.MustCompile(`https?://[^\s"'<>]+`)

// scrub redacts each URL in text. net/http puts them into its errors.
func scrub(text string) string {
	return anyURL.ReplaceAllStringFunc(text, func(s string) string {
		address := strings.TrimRight(s, ".,:;!?)]") // the sentence's, not the address's
		if !strings.ContainsAny(address, "?#@") {
			return s // nothing in it is hidden, so it may be malformed too: a pattern, for one
		}
		if u, err := url.Parse(address); err == nil {
			return redactURL(u) + s[len(address):]
		}
		return "(a malformed URL)"
	})
}
