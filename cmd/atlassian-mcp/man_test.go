package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestShare checks that there is a page for each command, that all its flags are in it, and that completions are there.
func TestShare(t *testing.T) {
	dir := t.TempDir()
	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"share", dir}, strings.NewReader(""), &stderr, &stderr); code != exitOK || stderr.Len() > 0 {
		t.Fatalf("exit status %d: %s", code, &stderr)
	}
	read := func(elem ...string) string {
		data, err := os.ReadFile(filepath.Join(append([]string{dir}, elem...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	root := newRootCommand()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	pages := 0
	eachPage(root, func(cmd *cobra.Command) {
		pages++
		page := read("man", "man1", pageName(cmd)+".1")
		hasFlag := func(f *pflag.Flag) {
			if !strings.Contains(page, roffEscape("--"+f.Name)) {
				t.Errorf("%s.1 does not have --%s", pageName(cmd), f.Name)
			}
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden || !cmd.HasParent() {
				hasFlag(f)
			}
		})
		if cmd.Name() == compatTopic {
			compatFlags(root).VisitAll(hasFlag)
		}
		oneLine := func(text string) string { return strings.Join(strings.Fields(text), " ") }
		has := func(lines ...string) {
			for _, line := range lines {
				if line = roffEscape(oneLine(line)); !strings.Contains(oneLine(page)+" ", line+" ") {
					t.Errorf("%s.1 does not have %q", pageName(cmd), line)
				}
			}
		}
		has(pageName(cmd) + " - " + lowerFirst(cmd.Short))
		has(strings.Split(cmd.Example, "\n")...)
		if cmd.HasParent() && cmd.Name() != compatTopic {
			has(cmd.UseLine())
		}
		for _, c := range cmd.Commands() {
			if !isPublic(c) || cmd != root {
				continue
			}
			has(c.Short + ".")
			if !strings.Contains(page, roffEscape(pageName(c)+"(1)")) {
				t.Errorf("%s.1 does not name the page of %s", pageName(cmd), c.Name())
			}
		}
	})
	written, err := os.ReadDir(filepath.Join(dir, "man", "man1"))
	if err != nil || len(written) != pages {
		t.Errorf("there are %d pages, %v; want %d", len(written), err, pages)
	}
	for file, want := range map[string]string{
		"bash-completion/completions/atlassian-mcp":    "complete -o default -F __start_atlassian-mcp atlassian-mcp",
		"zsh/site-functions/_atlassian-mcp":            "#compdef atlassian-mcp",
		"fish/vendor_completions.d/atlassian-mcp.fish": "complete -k -c atlassian-mcp",
	} {
		if !strings.Contains(read(file), want) {
			t.Errorf("%s does not say %q", file, want)
		}
	}
}

// TestManPages has mandoc check the pages. It is skipped where that is not installed, unless ATLASSIAN_MCP_PEERS is "required".
func TestManPages(t *testing.T) {
	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		missingPeer(t, "mandoc is not installed: apt-get install mandoc")
	}
	dir := t.TempDir()
	if err := share(newRootCommand(), dir); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "man", "man1", "*.1"))
	if err != nil || pages == nil {
		t.Fatalf("no pages, %v", err)
	}
	if out, err := exec.Command(mandoc, append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("mandoc: %v\n%s", err, out)
	}
}

// TestRoff checks what would otherwise be taken for the formatter's language.
func TestRoff(t *testing.T) {
	for _, tt := range []struct {
		name  string
		write func(*roff)
		want  string
	}{
		{"request", func(p *roff) { p.text(".SH x") }, "\\&.SH x\n"},
		{"quote", func(p *roff) { p.text("'s' `x` ~ ^") }, "\\(aqs\\(aq \\(gax\\(ga \\(ti \\(ha\n"},
		{"backslash", func(p *roff) { p.text(`a\nb`) }, "a\\enb\n"},
		{"argument", func(p *roff) { p.bold(`--header "Name: value"`) }, ".B \"\\-\\-header \\(dqName: value\\(dq\"\n"},
		{"lines", func(p *roff) { p.text(strings.Repeat("word ", 20)) }, strings.Repeat("word ", 13) + "word\n" + strings.Repeat("word ", 5) + "word\n"},
		{"first paragraph", func(p *roff) { p.macro("SH", "A"); p.plain("b\n\nc") }, ".SH \"A\"\nb\n.PP\nc\n"},
		{"example", func(p *roff) { p.plain("Try\n  a\n\n    b\nNext") },
			"Try\n.PP\n.RS \"4\"\n.nf\na\n\n  b\n.fi\n.RE\n.PP\nNext\n"},
		{"list", func(p *roff) { p.code("--a\n\tOne\n\ttwo.\n--b\n\tThree.\n") }, ".TP\n.B \"\\-\\-a\"\nOne two.\n.TP\n.B \"\\-\\-b\"\nThree.\n"},
		{"table", func(p *roff) { p.code("0\tgood\n\tor so\n1\tbad\n") }, ".TP\n.B \"0\"\ngood or so\n.TP\n.B \"1\"\nbad\n"},
	} {
		var p roff
		if tt.write(&p); p.String() != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, p.String(), tt.want)
		}
	}
}
