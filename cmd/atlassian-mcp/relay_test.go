package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
)

// configOf returns what the bare command makes of args, and what it says on standard error.
func configOf(t *testing.T, args ...string) (cfg relay.Config, stderr string, err error) {
	t.Helper()
	var buf bytes.Buffer
	var f relayFlags
	cmd := f.command()
	cmd.SetFlagErrorFunc(flagError)
	cmd.SetArgs(append([]string{}, args...)) // nil means os.Args
	cmd.SetOut(io.Discard)
	cmd.SetErr(&buf)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		cfg, _, err = f.config(cmd, args, slog.New(slog.DiscardHandler))
		return err
	}
	err = cmd.Execute()
	return cfg, buf.String(), err
}

func TestConfig(t *testing.T) {
	t.Setenv("TOKEN", "s3cret")
	defaults := fmt.Sprintf("%s  10s:20s:%d map[]", atlassian.V1, 256<<20)
	with := func(old, new string) string { return strings.Replace(defaults, old, new, 1) }
	tests := []struct {
		args []string
		want string
	}{
		{nil, defaults},
		{[]string{"v1"}, defaults},
		{[]string{"authv2"}, with(atlassian.V1, atlassian.AuthV2)},
		{[]string{"v2"}, with(atlassian.V1, atlassian.V2)},
		{[]string{"https://example.com/x"}, with(atlassian.V1, "https://example.com/x")},
		{[]string{"--transport", "sse-only", "v1"}, with("  ", " sse-only ")},
		{[]string{"v1", "--transport=http-only"}, with("  ", " http-only ")},
		{[]string{"--header", "A: ${TOKEN}", "v1", "--header", "B: 2"}, with("[]", "[A:[s3cret] B:[2]]")},
		{[]string{"--handshake-timeout", "1m30s"}, with("20s", "1m30s")},
		{[]string{"--handshake-timeout", "90"}, with("20s", "1m30s")},
		{[]string{"--handshake-timeout", "0.5"}, with("20s", "500ms")},
		{[]string{"--max-message", "1GiB"}, with("268435456", "1073741824")},
		{[]string{"--max-message", "4096"}, with("268435456", "4096")},
		{[]string{"--allow-http", "http://example.com/"}, with(atlassian.V1, "http://example.com/")},
		{[]string{"http://example.com/", "--allow-http"}, with(atlassian.V1, "http://example.com/")},
	}
	for _, tt := range tests {
		cfg, stderr, err := configOf(t, tt.args...)
		if err != nil || stderr != "" {
			t.Errorf("%q: %v, standard error %q", tt.args, err, stderr)
			continue
		}
		r := cfg.Remote
		got := fmt.Sprintf("%s %s 10s:%s:%d %v", r.URL, r.Transport, r.HandshakeTimeout, r.MaxMessage, r.Header)
		if got != tt.want {
			t.Errorf("%q:\n got %s\nwant %s", tt.args, got, tt.want)
		}
		if r.Do == nil || r.Hint == nil || r.Log == nil || cfg.Log == nil || r.UserAgent == "" {
			t.Errorf("%q: a field of the configuration is not set: %+v", tt.args, cfg)
		}
	}
}

// TestFresh asks for new connections, which are those of the requests that follow, whatever lies between.
func TestFresh(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) }))
	defer server.Close()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("ATLASSIAN_MCP_TOKEN_STORE", "file")
	for _, flags := range [][]string{nil, {"--header=Authorization: x"}, {"--body-timeout=1m"}} {
		cfg, _, err := configOf(t, append(flags, server.URL)...)
		if err != nil {
			t.Fatal(err)
		}
		from := func() string {
			req, err := http.NewRequest(http.MethodGet, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := cfg.Remote.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			addr, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return string(addr)
		}
		first, same := from(), from()
		cfg.Remote.Fresh()
		if other := from(); same != first || other == first {
			t.Errorf("%q: requests came from %s and %s, then from %s", flags, first, same, other)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	tests := [][]string{
		{"--transport", "sse"},
		{"--transport", ""},
		{"--handshake-timeout", "0"},
		{"--handshake-timeout", "-1s"},
		{"--handshake-timeout", "soon"},
		{"--connect-timeout", "10x"},
		{"--max-message", "0"},
		{"--max-message", "-1"},
		{"--max-message", "1.5GiB"},
		{"--max-message", "9999999999GiB"},
		{"--max-message", "MiB"},
		{"--allow-http=perhaps"},
		{"--header-file", "no/such/file"},
		{"--ca-cert", "no/such/file"},
		{"--no-such-flag"},
		{"-x"},
		{"v1", "v2"},
		{"login"},
		{""},
	}
	for _, args := range tests {
		if _, _, err := configOf(t, args...); err == nil || exitCode(err) != exitUsage || hint(err) == "" {
			t.Errorf("%q: error %v, exit status %d, hint %q", args, err, exitCode(err), hint(err))
		}
	}
}

func TestConnectTimeout(t *testing.T) {
	tr := newTransport(3*time.Second, nil)
	if tr.TLSHandshakeTimeout != 3*time.Second || tr.ResponseHeaderTimeout != 0 {
		t.Errorf("TLS handshake %v, response header %v", tr.TLSHandshakeTimeout, tr.ResponseHeaderTimeout)
	}
}

func TestRetiredAddress(t *testing.T) {
	cfg, stderr, err := configOf(t, "https://mcp.atlassian.com/v1/sse")
	if err != nil || cfg.Remote.URL.String() != atlassian.V1 || !strings.HasPrefix(stderr, "atlassian-mcp: hint: ") {
		t.Errorf("URL %v, error %v, standard error %q", cfg.Remote.URL, err, stderr)
	}
}

func TestReporter(t *testing.T) {
	var buf bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	report := reporter(ctx, &buf)
	for _, text := range []string{"one", "one", "two", "two", "one"} {
		report(errors.New(text))
	}
	cancel()
	report(errors.New("three"))
	want := "atlassian-mcp: error: one\natlassian-mcp: error: two\natlassian-mcp: error: one\n"
	if got := buf.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestClosest(t *testing.T) {
	flags := []string{"header", "header-file", "allow-http", "transport", "ca-cert", "debug", "log-file"}
	tests := []struct {
		word, want string
	}{
		{"heder", "header"},
		{"haeder", "header"},
		{"headers", "header"},
		{"header-flie", "header-file"},
		{"Transport", "transport"},
		{"transprot", "transport"},
		{"allow", "allow-http"},
		{"cacert", "ca-cert"},
		{"debgu", "debug"},
		{"verbose", ""},
		{"x", ""},
		{"", ""},
	}
	for _, tt := range tests {
		if got := closest(tt.word, flags); got != tt.want {
			t.Errorf("closest(%q) = %q, want %q", tt.word, got, tt.want)
		}
	}
	for _, tt := range tests[:4] {
		if ab, ba := editDistance(tt.word, tt.want), editDistance(tt.want, tt.word); ab != ba || ab == 0 || ab > 2 {
			t.Errorf("distance of %q and %q is %d, the other way round %d", tt.word, tt.want, ab, ba)
		}
	}
}
