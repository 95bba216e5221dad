//go:build linux

package main

import (
	"bytes"
	"html"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSignInBrowser signs in with Chromium: through a page of the authorization server that sends the browser back by itself, to the page
// of the program that tells how it went, which has to be true, and readable by day and by night.
//
// With -artifacts the screenshots are kept.
//
// It is skipped where Chromium is not installed, unless ATLASSIAN_MCP_PEERS is "required".
func TestSignInBrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		missing := t.Skip
		if os.Getenv("ATLASSIAN_MCP_PEERS") == "required" {
			missing = t.Fatal
		}
		missing("Chromium is not installed: apt-get install chromium")
	}
	program := peerProgram(t)
	for _, outcome := range []struct {
		name   string
		script func(*world)
		title  string
		says   []string
		ok     bool
	}{
		{
			name: "signed in", title: "Signed in", ok: true,
			says:   []string{"You are signed in to 127.0.0.1.", "You can close this tab"},
			script: func(*world) {},
		},
		{
			name: "denied", title: "Sign-in refused",
			says: []string{"You are not signed in to 127.0.0.1.", `"access_denied" (<b>no</b> & never)`},
			script: func(w *world) {
				w.refuse = url.Values{"error": {"access_denied"}, "error_description": {"<b>no</b> & never"}}
			},
		},
		{
			name: "exchange refused", title: "Sign-in failed",
			says: []string{"You are not signed in to 127.0.0.1.", `"invalid_grant" (the code has expired)`},
			script: func(w *world) {
				w.take["code"] = func(rw http.ResponseWriter, r *http.Request) {
					replyJSON(rw, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "the code has expired"})
				}
			},
		},
	} {
		for _, scheme := range []colorScheme{light, dark} {
			t.Run(outcome.name+"/"+scheme.name, func(t *testing.T) {
				w := newWorld(t, program)
				dom := make(chan string, 1)
				screenshot := filepath.Join(t.ArtifactDir(), "page.png")
				w.script(func() {
					outcome.script(w)
					w.take["authorize"] = w.authorizeByPage
					w.browse = func(page string) { dom <- showIn(t, chromium, page, scheme, screenshot) }
				})
				s := w.start()
				s.initialize()
				page := <-dom
				if outcome.ok {
					s.opened()
					s.mustCall()
				} else {
					s.wantError(s.call())
				}
				s.end()
				w.want("tab=1")
				for _, text := range append(outcome.says, "<h1>"+outcome.title+"</h1>", "<title>"+outcome.title) {
					if !strings.HasPrefix(text, "<") {
						text = html.EscapeString(text)
					}
					// Chromium writes quotes as they are.
					if !strings.Contains(page, strings.ReplaceAll(text, "&#34;", `"`)) {
						t.Errorf("the page does not say %q:\n%s", text, page)
					}
				}
				scheme.check(t, screenshot)
			})
		}
	}
}

// authorizeByPage is authorize with a page in between, whose script stands for the person.
func (w *world) authorizeByPage(rw http.ResponseWriter, r *http.Request) {
	answer := httptest.NewRecorder()
	w.authorize(answer, r)
	to := answer.Header().Get("Location")
	if to == "" {
		http.Error(rw, answer.Body.String(), answer.Code)
		return
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(rw, `<!doctype html><title>Allow?</title><a id="yes" href="`+html.EscapeString(to)+`">Yes</a><script>document.getElementById("yes").click()</script>`)
}

// A colorScheme is what the user has chosen for the desktop.
type colorScheme struct {
	name    string
	setting string // Chromium's number for it
	fits    func(brightness uint32) bool
}

var (
	light = colorScheme{"light", "1", func(b uint32) bool { return b > 0xd000 }}
	dark  = colorScheme{"dark", "0", func(b uint32) bool { return b < 0x3000 }}
)

// check checks that the page's own colors were used: its style sheet has passed its Content-Security-Policy, and it knows the scheme.
func (c colorScheme) check(t *testing.T, screenshot string) {
	t.Helper()
	file, err := os.Open(screenshot)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	corner := img.Bounds().Min
	r, g, b, _ := img.At(corner.X, corner.Y).RGBA()
	if !c.fits(r) || !c.fits(g) || !c.fits(b) {
		t.Errorf("the background is %04x %04x %04x", r, g, b)
	}
	if r == g && g == b { // as without a style sheet
		t.Errorf("the background is plain: %04x", r)
	}
}

// showIn opens page in a new Chromium, waits until nothing moves any more, and returns what it shows then.
func showIn(t *testing.T, chromium, page string, scheme colorScheme, screenshot string) string {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+profileDir(t),
		"--window-size=800,600", "--blink-settings=preferredColorScheme="+scheme.setting,
		"--virtual-time-budget=10000", "--dump-dom", "--screenshot="+screenshot, page)
	cmd.Stderr = &stderr
	dom, err := cmd.Output()
	if err != nil {
		t.Errorf("chromium: %v\n%s", err, &stderr)
	}
	return string(dom)
}

// profileDir returns a directory for a Chromium, some of whose processes write into it a moment longer than it lives.
func profileDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for end := time.Now().Add(time.Minute); os.RemoveAll(dir) != nil && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
	})
	return dir
}
