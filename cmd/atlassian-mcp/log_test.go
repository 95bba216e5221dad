package main

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLogSecrets logs secrets in each way that comes to mind; none may get through.
func TestLogSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	var buf bytes.Buffer
	log, done, err := openLog(&buf, true, file)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse("https://me:canary-1@example.com/mcp?key=canary-2&flag&x=canary-3#canary-4")
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{
		"Authorization": {"Bearer canary-5"}, "Cookie": {"canary-6"}, "X-Api-Key": {"canary-7"},
		"Content-Type": {"application/json"},
	}
	log.Info("sent", "url", u, "header", header, "text", "to "+u.String()+" and on")
	log.With("url", u).WithGroup("request").Debug("sent", slog.Group("inner", "url", u, "authorization", "Bearer canary-8"))
	log.Error("sent", "err", &url.Error{Op: "Post", URL: u.String(), Err: errors.New("refused")}, "Set-Cookie", []string{"canary-9"})
	log.Warn("sent", "bad", "https://me:canary@[::1/mcp?key=canary")
	done()

	logged, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{buf.String(), string(logged)} {
		if strings.Contains(got, "canary") {
			t.Errorf("a secret is in the log:\n%s", got)
		}
		for _, want := range []string{"example.com/mcp?key=" + hidden + "&flag&x=" + hidden, "application/json", "X-Api-Key", "and on", "refused"} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not in the log:\n%s", want, got)
			}
		}
	}
}

func TestLogLevels(t *testing.T) {
	for _, debug := range []bool{false, true} {
		file := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(file, []byte("before\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var buf bytes.Buffer
		log, done, err := openLog(&buf, debug, file)
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("quiet")
		log.Warn("loud")
		done()
		if got := buf.String(); strings.Contains(got, "quiet") != debug || !strings.Contains(got, "loud") {
			t.Errorf("debug %t: standard error %q", debug, got)
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"before\n", "quiet", "loud", "pid="} {
			if !strings.Contains(string(got), want) {
				t.Errorf("debug %t: %q is not in the file: %q", debug, want, got)
			}
		}
	}
}

func TestPlain(t *testing.T) {
	tests := []struct {
		text, want string
	}{
		{"Grüße", "Grüße"},
		{"a\nb\x1b[31mc\u0085", "a b [31mc "},
		{`Post "https://example.com/?a=b": refused`, `Post "https://example.com/?a=` + hidden + `": refused`},
		{"https://example.com/mcp, twice", "https://example.com/mcp, twice"},
	}
	for _, tt := range tests {
		if got := plain(tt.text); got != tt.want {
			t.Errorf("plain(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}
