package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// complete returns what the program answers the script of a shell.
func complete(t *testing.T, words ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), append([]string{cobra.ShellCompRequestCmd}, words...), strings.NewReader(""), &stdout, &stderr); code != exitOK {
		t.Errorf("%q: exit status %d: %s", words, code, &stderr)
	}
	return stdout.String()
}

// TestCompleteWords checks what is offered after words: first of it is what the answer begins with, and then whether files are (":0").
func TestCompleteWords(t *testing.T) {
	const servers = "v1\thttps://mcp.atlassian.com/v1/mcp\nauthv2\thttps://mcp.atlassian.com/v1/mcp/authv2\nv2\thttps://mcp.atlassian.com/v2/mcp\n"
	for _, tt := range []struct{ words, want string }{
		{"login ", servers + ":4\n"},
		{"logout ", servers + ":4\n"},
		{"status ", servers + ":4\n"},
		{"doctor ", servers + ":4\n"},
		{"tools ", servers + ":4\n"},
		{"prompts ", servers + ":4\n"},
		{"doctor a", "authv2\thttps://mcp.atlassian.com/v1/mcp/authv2\n:4\n"},
		{"login v1 ", ":4\n"},
		{"v1 ", ":4\n"},
		{"v1 --profile ", ":4\n"},
		{"resources ", servers + ":4\n"},
		{"resources --server ", servers + ":4\n"},
		{"version ", ":4\n"},
		{"v", "version\tPrint the version\nv1\thttps://mcp.atlassian.com/v1/mcp\nv2\thttps://mcp.atlassian.com/v2/mcp\n:4\n"},
		{"help insta", "install\tSet up MCP clients to use this program\n:4\n"},
		{"help compa", "compat\tAll other flags, and how to replace mcp-remote\n:4\n"},
		{"help install ", ":4\n"},
		{"install zed opencode ", "claude-desktop\n"},
		{"--transport ", "http-first\nsse-first\nhttp-only\nsse-only\n:4\n"},
		{"--token-store ", "auto\nkeychain\nfile\n:4\n"},
		{"--protocol ", "legacy\nauto\n:4\n"},
		{"sandbox --fault ", "token-expiry\taccess tokens "},
		{"--ca-cert ", ":0\n"},
		{"doctor --log-file ", ":0\n"},
		{"sandbox --data ", ":0\n"},
	} {
		if got := complete(t, strings.Split(tt.words, " ")...); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.words, got, tt.want)
		}
	}
}

// TestCompleteFlags checks that each flag that the help shows is offered with all that the help says of it, in one line.
func TestCompleteFlags(t *testing.T) {
	for _, cmd := range append(newRootCommand().Commands(), newRootCommand()) {
		if cmd.Hidden || cmd.Name() == compatTopic {
			continue
		}
		got := complete(t, append(strings.Fields(cmd.CommandPath())[1:], "--")...)
		if strings.Contains(got, "`") {
			t.Errorf("%s: there is a backquote in %q", cmd.CommandPath(), got)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			_, usage := pflag.UnquoteUsage(f)
			line := "--" + f.Name + "\t" + strings.Join(strings.Fields(usage), " ") + "\n"
			if !f.Hidden && !strings.Contains(got, line) {
				t.Errorf("%s: no %q in %q", cmd.CommandPath(), line, got)
			}
		})
	}
}
