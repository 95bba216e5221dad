package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func testEnv(name string) (string, bool) {
	value, ok := map[string]string{"TOKEN": "s3cret", "EMPTY": "", "LINES": "s3cret\n", "REF": "${TOKEN}"}[name]
	return value, ok
}

func TestReadHeaders(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		file  string
		want  map[string]string
	}{
		{"none", nil, "", map[string]string{}},
		{"plain", []string{"X-Key: a b"}, "", map[string]string{"X-Key": "a b"}},
		{"no space", []string{"x-key:v"}, "", map[string]string{"X-Key": "v"}},
		{"spaces", []string{" X-Key : \tv\t "}, "", map[string]string{"X-Key": "v"}},
		{"colons", []string{"X-Key: a: b"}, "", map[string]string{"X-Key": "a: b"}},
		{"empty", []string{"X-Key:"}, "", map[string]string{"X-Key": ""}},
		{"last one holds", []string{"X-Key: 1", "x-key: 2"}, "", map[string]string{"X-Key": "2"}},
		{"variable", []string{"Authorization: Bearer ${TOKEN}"}, "", map[string]string{"Authorization": "Bearer s3cret"}},
		{"variables", []string{"A: ${TOKEN}${EMPTY}-$TOKEN-${TOKEN}"}, "", map[string]string{"A": "s3cret-$TOKEN-s3cret"}},
		{"expanded once", []string{"A: ${REF}"}, "", map[string]string{"A": "${TOKEN}"}},
		{"not latin", []string{"A: Grüße"}, "", map[string]string{"A": "Grüße"}},
		{"what is sent anyway", []string{"content-type: application/json", "Accept: application/json, text/event-stream"}, "", map[string]string{}},
		{"odd name", []string{"!#$%&'*+-.^_`|~09az: v"}, "", map[string]string{"!#$%&'*+-.^_`|~09az": "v"}},
		{"file", nil, "\ufeff# comment\r\nA: 1\r\n\r\n  # comment\nB: ${TOKEN}", map[string]string{"A": "1", "B": "s3cret"}},
		{"flag before file", []string{"A: flag"}, "A: file\nB: 2\n", map[string]string{"A": "flag", "B": "2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header, err := readHeaders(tt.lines, headerFile(t, tt.file), testEnv)
			if err != nil {
				t.Fatal(err)
			}
			got := make(map[string]string)
			for name, values := range header {
				got[name] = strings.Join(values, " AND ")
			}
			if !maps.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReadHeadersErrors(t *testing.T) {
	tests := []struct {
		line string
		want string // of the error
	}{
		{"Authorization s3cret", "no colon"},
		{"", "no colon"},
		{": s3cret", "not the name of a header"},
		{"Bad Name: s3cret", "not the name of a header"},
		{"Ümlaut: s3cret", "not the name of a header"},
		{"s3cret(: v", "not the name of a header"},
		{"Host: s3cret", "Host can't be set"},
		{"content-length: 1", "Content-Length can't be set"},
		{"Accept: s3cret", "Accept can't be set"},
		{"Idempotency-Key: s3cret", "Idempotency-Key can't be set"},
		{"x-idempotency-key: s3cret", "X-Idempotency-Key can't be set"},
		{"mcp-session-id: s3cret", "Mcp-Session-Id can't be set"},
		{"MCP-Protocol-Version: s3cret", "Mcp-Protocol-Version can't be set"},
		{"A: s3cret ${MISSING}", `the environment variable "MISSING" is not set`},
		{"A: ${}", `the environment variable "" is not set`},
		{"A: ${LINES}x", "control character"},
		{"A: s3cret\rB: s3cret", "control character"},
		{"A: s3cret\x00", "control character"},
		{"A: s3cret\x7f", "control character"},
	}
	for _, tt := range tests {
		_, err := readHeaders([]string{"Fine: 1", tt.line}, nil, testEnv)
		checkHeaderError(t, tt.line, err, "--header number 2: ", tt.want)
		if tt.line != "" { // which a file may have
			_, err = readHeaders(nil, headerFile(t, "# comment\n\nFine: 1\n"+tt.line+"\n"), testEnv)
			checkHeaderError(t, tt.line, err, "headers.txt:4: ", tt.want)
		}
	}
}

// checkHeaderError checks that err, which line has led to, says so without showing a value.
func checkHeaderError(t *testing.T, line string, err error, where, want string) {
	t.Helper()
	if err == nil {
		t.Errorf("%q is taken", line)
		return
	}
	if got := err.Error(); !strings.Contains(got, where) || !strings.Contains(got, want) {
		t.Errorf("%q: error %q, want %q and %q", line, got, where, want)
	}
	if shown := err.Error() + hint(err); strings.Contains(shown, "s3cret") {
		t.Errorf("%q: the value is shown: %s", line, shown)
	}
	if hint(err) == "" || exitCode(err) != exitUsage {
		t.Errorf("%q: hint %q, exit status %d", line, hint(err), exitCode(err))
	}
}

// headerFile writes text into a file, none if it is empty, and returns the name of that.
func headerFile(t *testing.T, text string) []string {
	if text == "" {
		return nil
	}
	name := filepath.Join(t.TempDir(), "headers.txt")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{name}
}

func FuzzSetHeader(f *testing.F) {
	f.Add("Authorization: Bearer ${TOKEN}")
	f.Add("A:\x00")
	f.Fuzz(func(t *testing.T, line string) {
		header, err := readHeaders([]string{line}, nil, testEnv)
		if err != nil {
			return
		}
		for name, values := range header {
			// What is taken must be fit for the wire, on one line and without surprises.
			if !isToken(name) || len(values) != 1 || slices.ContainsFunc([]rune(values[0]), isHeaderControl) {
				t.Errorf("%q gives %q: %q", line, name, values)
			}
		}
	})
}
