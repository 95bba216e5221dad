package auth

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestReadCallback(t *testing.T) {
	const as = "https://as.example"
	for _, test := range []struct {
		query    string
		required bool
		code     string
		err      string // in the error
	}{
		// RFC 9207 §2.4 and MCP "Authorization Response Validation", row by row.
		{"code=c&iss=https%3A%2F%2Fas.example", true, "c", ""},
		{"code=c", true, "", "does not name"},
		{"code=c&iss=https%3A%2F%2Fas.example", false, "c", ""},
		{"code=c&iss=https%3A%2F%2Fevil.example", false, "", "another authorization server"},
		{"code=c", false, "c", ""},
		// Simple string comparison.
		{"code=c&iss=https%3A%2F%2Fas.example%2F", true, "", "another authorization server"},
		{"code=c&iss=HTTPS%3A%2F%2Fas.example", true, "", "another authorization server"},
		{"code=c&iss=https%3A%2F%2Fas.example%3A443", true, "", "another authorization server"},
		{"code=c&iss=", false, "", "another authorization server"},
		// Errors are no exception, and are not shown.
		{"error=access_denied&error_description=evil&iss=https%3A%2F%2Fevil.example", true, "", "another authorization server"},
		{"error=access_denied&error_description=evil", true, "", "does not name"},
		{"error=access_denied&error_description=sorry", false, "", "sorry"},
		{"", false, "", "neither"},
		{"code=", false, "", "neither"},
		{"code=c&code=d", false, "", "more than once"},
		{"code=c&error=e", false, "", `"e"`},
	} {
		q, err := url.ParseQuery(test.query)
		if err != nil {
			t.Fatal(err)
		}
		code, err := readCallback(q, as, test.required)
		if code != test.code || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%q, required %v: %q, %v", test.query, test.required, code, err)
		}
		if err != nil && strings.Contains(err.Error(), "evil") {
			t.Errorf("%q: words of a stranger in %v", test.query, err)
		}
	}
}

// listening returns a listener for state "right", and its redirect URI.
func listening(t *testing.T) (*listener, string) {
	t.Helper()
	c := newClient(t, Config{Server: &url.URL{Scheme: "https", Host: "mcp.example"}})
	l, err := c.listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	l.serve("right")
	return l, l.redirectURI
}

func TestCallbackTurnsStrangersAway(t *testing.T) {
	l, uri := listening(t)
	defer l.finish(t.Context(), outcome{})
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	if u.Hostname() != "127.0.0.1" {
		t.Errorf("listening on %s", u.Host)
	}
	base := "http://" + u.Host
	for _, test := range []struct {
		name, method, url, host string
		want                    int
	}{
		{"no query", "GET", uri, "", 400},
		{"no state", "GET", uri + "?code=evil", "", 400},
		{"wrong state", "GET", uri + "?code=evil&state=wrong", "", 400},
		{"empty state", "GET", uri + "?code=evil&state=", "", 400},
		{"error without state", "GET", uri + "?error=access_denied", "", 400},
		{"two states", "GET", uri + "?code=evil&state=wrong&state=right", "", 400},
		{"malformed query", "GET", uri + "?state=right;%zz", "", 400},
		{"other path", "GET", base + "/favicon.ico?state=right", "", 404},
		{"longer path", "GET", uri + "/x?state=right", "", 404},
		{"POST", "POST", uri + "?code=evil&state=right", "", 405},
		{"HEAD", "HEAD", uri + "?code=evil&state=right", "", 405},
		{"other host", "GET", uri + "?code=evil&state=right", "evil.example", 403},
		{"localhost", "GET", uri + "?code=evil&state=right", "localhost:" + u.Port(), 403},
		{"1 MB of query", "GET", uri + "?state=right&code=" + strings.Repeat("x", 1<<20), "", 431},
	} {
		req, err := http.NewRequest(test.method, test.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = test.host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			// The server may hang up on a request that it does not want to read.
			if test.want != 431 {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != test.want {
			t.Errorf("%s: status %d, want %d", test.name, resp.StatusCode, test.want)
		}
	}
	select {
	case q := <-l.arrived:
		t.Errorf("arrived: %v", q)
	default:
	}
}

// The page waits for the result and tells it, also to a reload.
func TestCallbackPage(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		status int
		want   string
	}{
		{"success", nil, 200, "Signed in"},
		{"failure", errors.New(`<script>alert("x")</script>`), 400, "&lt;script&gt;"},
		{"refusal", &Error{Code: "access_denied", Description: "<b>no</b>"}, 400, "Sign-in refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, uri := listening(t)
			type answer struct {
				resp *http.Response
				body string
			}
			answers := make(chan answer)
			for range 2 {
				go func() {
					resp, err := http.Get(uri + "?code=c&state=right")
					if err != nil {
						answers <- answer{} // it came too late
						return
					}
					defer resp.Body.Close()
					body, _ := io.ReadAll(resp.Body)
					answers <- answer{resp, string(body)}
				}()
			}
			if q := <-l.arrived; q.Get("code") != "c" {
				t.Errorf("arrived: %v", q)
			}
			select {
			case <-answers:
				t.Error("page shown before the result was known")
			default:
			}
			l.finish(t.Context(), outcome{Server: "mcp.example", Err: test.err})
			pages := 0
			for range 2 {
				a := <-answers
				if a.resp == nil {
					continue
				}
				pages++
				h := a.resp.Header
				if a.resp.StatusCode != test.status || !strings.Contains(a.body, test.want) || strings.Contains(a.body, "<script") || strings.Contains(a.body, "<b>") {
					t.Errorf("%s: %s", a.resp.Status, a.body)
				}
				if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'; style-src 'nonce-") || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" {
					t.Errorf("headers: %v", h)
				}
				if strings.Contains(a.body, "src=") || strings.Contains(a.body, "href=") || strings.Contains(a.body, "url(") {
					t.Error("page loads something")
				}
			}
			if pages == 0 {
				t.Error("no page")
			}
			if resp, err := http.Get(uri); err == nil {
				resp.Body.Close()
				t.Error("port still open")
			}
		})
	}
}

func FuzzCallback(f *testing.F) {
	f.Add("code=c&state=right&iss=https%3A%2F%2Fas.example")
	f.Add("state=right&error=x&error_description=%0a%1b[31m")
	f.Add("state=wrong&state=right")
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		if sameState(q, "right") && (len(q["state"]) != 1 || q["state"][0] != "right") {
			t.Error("state accepted")
		}
		code, err := readCallback(q, "https://as.example", true)
		if err == nil && (code == "" || q.Get("iss") != "https://as.example") {
			t.Errorf("accepted %q", query)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\r\x1b") {
			t.Errorf("control characters in %q", err)
		}
	})
}
