package main

import (
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/ide"
)

// TestClientsHelp checks that the help and the manual name every client.
func TestClientsHelp(t *testing.T) {
	manual, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	words := func(text string) map[string]bool {
		found := make(map[string]bool)
		for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r != '-' && isNotNameRune(r) }) {
			found[word] = true
		}
		return found
	}
	inHelp, inManual := words(clientsHelp), words(string(manual))
	for _, name := range clientNames() {
		if !inHelp[name] || !inManual[name] {
			t.Errorf("%s: in the help %v, in the manual %v", name, inHelp[name], inManual[name])
		}
	}
}

// TestPassedOn checks which variables of the shell go into an entry: what the network needs, and no secrets.
func TestPassedOn(t *testing.T) {
	shell := map[string]string{
		"HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:1", "NO_PROXY": "", "SSL_CERT_FILE": "/ca.pem", "ATLASSIAN_API_TOKEN": "canary-token",
	}
	for goos, want := range map[string]map[string]string{
		"linux":   {"HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:1", "SSL_CERT_FILE": "/ca.pem"},
		"windows": {"HTTPS_PROXY": "http://a:1", "SSL_CERT_FILE": "/ca.pem"},
	} {
		got := passedOn(ide.Env{GOOS: goos, Getenv: func(name string) string { return shell[name] }})
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v", goos, got)
		}
	}
}

// TestShellLine checks that what is shown can be typed.
func TestShellLine(t *testing.T) {
	got := shellLine([]string{"/usr/bin/claude", "add", "", "it's", `{"a":1}`})
	if want := `/usr/bin/claude add '' 'it'\''s' '{"a":1}'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
