package auth

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSurvey(t *testing.T) {
	w := newWorld(t)
	c := newClient(t, w.config(t.TempDir(), new(browser)))
	s, err := c.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !s.Published || s.Resource != w.URL+"/mcp" || s.Issuer != w.URL || s.Named != w.URL || s.Registers != "dynamic" || s.TokenAt != w.URL+"/token" {
		t.Errorf("%+v", s)
	}
	first, last := s.Fetched[0], s.Fetched[len(s.Fetched)-1]
	if first.URL != w.URL+"/mcp" || !strings.HasPrefix(first.Status, "401") {
		t.Errorf("began with %+v", first)
	}
	if last.URL != w.URL+"/.well-known/oauth-authorization-server" || !strings.HasPrefix(last.Status, "200") {
		t.Errorf("ended with %+v", last)
	}
	w.script(func() {
		if w.counts["register"] != 0 || w.counts["authorize"] != 0 {
			t.Errorf("it went the way itself: %v", w.counts)
		}
	})
}

// TestSurveyFails checks that what was found before the way ended is told.
func TestSurveyFails(t *testing.T) {
	w := newWorld(t)
	w.script(func() { w.meta["code_challenge_methods_supported"] = []string{"plain"} })
	c := newClient(t, w.config(t.TempDir(), new(browser)))
	s, err := c.Survey(t.Context())
	if err == nil || !strings.Contains(err.Error(), "PKCE") {
		t.Errorf("error %v", err)
	}
	if !slices.ContainsFunc(s.Fetched, func(f Fetched) bool { return strings.HasSuffix(f.URL, "/oauth-authorization-server") }) {
		t.Errorf("fetched %+v", s.Fetched)
	}
}

// TestLastFailure checks that the store knows why nobody is signed in, until somebody is.
func TestLastFailure(t *testing.T) {
	w := newWorld(t)
	cfg := w.config(t.TempDir(), new(browser))
	open := cfg.OpenURL
	cfg.OpenURL = func(string) error { return nil }
	cfg.AuthTimeout = time.Millisecond
	ignored := newClient(t, cfg)
	if err := ignored.Login(t.Context()); err == nil {
		t.Fatal("signed in")
	}
	if s, err := ignored.Status(t.Context()); err != nil || s.LastFailure != "the last sign-in failed: nobody signed in within 1ms" || s.Pending != "" {
		t.Errorf("%+v, %v", s, err)
	}
	cfg.OpenURL, cfg.AuthTimeout = open, time.Minute
	c := newClient(t, cfg)
	if err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, err := c.Status(t.Context()); err != nil || s.LastFailure != "" || !s.SignedIn {
		t.Errorf("%+v, %v", s, err)
	}
}
