//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

// newDesktop returns what desktopEnv is to be, and where the pages come that the desktop's browser is to open.
func newDesktop(t *testing.T) (env string, tabs <-chan string) {
	opened := make(chan string, 10)
	desktop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var args []string
		if err := json.NewDecoder(r.Body).Decode(&args); err != nil || len(args) != 1 {
			http.Error(w, fmt.Sprint("a desktop opens one page, not ", args, err), http.StatusBadRequest)
			return
		}
		opened <- args[0]
	}))
	t.Cleanup(desktop.Close)
	return desktop.URL, opened
}

// startDemo starts the demo at a terminal with a display.
func startDemo(t *testing.T) (p *person, tabs <-chan string) {
	t.Helper()
	desktop, tabs := newDesktop(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "xdg-open")); err != nil { // see desktopEnv
		t.Fatal(err)
	}
	env := []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "DISPLAY=:0", "SSH_CONNECTION=", desktopEnv + "=" + desktop}
	return sitDownAt(t, env, "demo"), tabs
}

// TestDemoPerson has a person at a terminal with a display sign in at the demo, in their browser: as each of those there are.
func TestDemoPerson(t *testing.T) {
	for email, name := range map[string]string{"ben@acme.example": "Ben Okafor", "chen@acme.example": "Chen Li", "dana@partner.example": "Dana Ruiz"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, tabs := startDemo(t)
			if _, err := issuer.Accept(t.Context(), nil, <-tabs, issuer.Choice{Email: email}); err != nil {
				t.Fatal(err)
			}
			p.leaves(exitOK)
			p.sees("Your browser shows the sign-in page. Accept there, or wait for 30 s.\r\n")
			p.sees("who am I, and where?                           " + name + ", at https://acme.atlassian.net")
			p.sees("15 of 15 steps worked")
			p.sees("registrations: 1, sign-ins: 1,")
		})
	}
}

// TestDemoDenied has the person refuse.
func TestDemoDenied(t *testing.T) {
	t.Parallel()
	p, tabs := startDemo(t)
	if _, err := issuer.Accept(t.Context(), nil, <-tabs, issuer.Choice{Deny: true}); err != nil {
		t.Fatal(err)
	}
	p.leaves(exitFailure)
	p.sees("FAIL")
	p.sees("sign in, list the tools                        the sign-in was cancelled in the browser")
	p.sees("1 of 15 steps worked")
	p.sees("sign-ins: 0,")
}

// TestDemoElsewhere has the person choose another site than the one that the demo knows.
func TestDemoElsewhere(t *testing.T) {
	t.Parallel()
	p, tabs := startDemo(t)
	if _, err := issuer.Accept(t.Context(), nil, <-tabs, issuer.Choice{Sites: []string{"acme-labs"}}); err != nil {
		t.Fatal(err)
	}
	p.leaves(exitFailure)
	p.sees("the site acme, where all the rest is done, was not chosen at the sign-in")
	p.sees("2 of 15 steps worked")
}

// TestDemoInterrupt ends the demo by Ctrl-C, in the middle of a step and at the sign-in.
func TestDemoInterrupt(t *testing.T) {
	t.Parallel()
	working := sitDown(t, "demo", "--no-browser", "--fault", "slow=3600")
	working.sees("sign in, list the tools")
	waiting, tabs := startDemo(t)
	<-tabs
	for _, p := range []*person{working, waiting} {
		p.types("\x03")
		p.leaves(exitFailure)
		if before := p.sees("atlassian-mcp: error: interrupt"); strings.Contains(before, "FAIL") || strings.Contains(before, "steps worked") {
			t.Errorf("it goes on with %s", before)
		}
	}
}

// TestDemoAlone has nobody look at the browser: the demo goes on without them.
func TestDemoAlone(t *testing.T) {
	t.Parallel()
	p, tabs := startDemo(t)
	p.leaves(exitOK)
	p.sees("Your browser shows the sign-in page. Accept there, or wait for 30 s.\r\n")
	p.sees("15 of 15 steps worked")
	p.sees("registrations: 1, sign-ins: 1,")
	if n := len(tabs); n != 1 {
		t.Errorf("%d tabs were opened", n)
	}
}

// TestDemoChromium has the person agree in Chromium. It is skipped as TestSignInBrowser is.
func TestDemoChromium(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		missingPeer(t, "Chromium is not installed: apt-get install chromium")
	}
	p, tabs := startDemo(t)
	page := <-tabs
	origin, _, _ := strings.Cut(page, "/v1/")
	var seen []string
	shown := showIn(t, chromium, strings.Replace(page, origin, consentProxy(t, origin, &seen).URL, 1), light, filepath.Join(t.ArtifactDir(), "signed-in.png"))
	if !strings.Contains(shown, "<h1>Signed in</h1>") {
		t.Errorf("the browser shows %s", shown)
	}
	p.leaves(exitOK)
	p.sees("Dana Ruiz, at https://acme.atlassian.net")
	p.sees("15 of 15 steps worked")
}
