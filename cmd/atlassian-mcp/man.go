package main

import (
	"cmp"
	_ "embed"
	"fmt"
	"go/doc/comment"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The manual is in the package comment, where pkg.go.dev shows it too.
//
//go:embed doc.go
var manual string

// newShareCommand returns what a release is packed with.
func newShareCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "share DIR",
		Short:  "Write manual pages and completions, as they are in /usr/share, for packages",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(cmd *cobra.Command, args []string) error { return share(cmd.Root(), args[0]) },
	}
}

// share writes the manual pages and completions of root where systems look for them, under dir.
func share(root *cobra.Command, dir string) error {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	name := root.Name()
	files := map[string]func(string) error{
		"bash-completion/completions/" + name:         func(file string) error { return root.GenBashCompletionFileV2(file, true) },
		"fish/vendor_completions.d/" + name + ".fish": func(file string) error { return root.GenFishCompletionFile(file, true) },
		"zsh/site-functions/_" + name:                 root.GenZshCompletionFile,
	}
	eachPage(root, func(cmd *cobra.Command) {
		files["man/man1/"+pageName(cmd)+".1"] = func(file string) error { return os.WriteFile(file, []byte(manPage(cmd)), 0o644) }
	})
	for path, write := range files {
		file := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := write(file); err != nil {
			return err
		}
	}
	return nil
}

// eachPage calls f for cmd and all commands and topics below it that people should know of, but not for each shell of completion.
func eachPage(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, c := range cmd.Commands() {
		if isPublic(c) && cmd.Name() != "completion" {
			eachPage(c, f)
		}
	}
}

func isPublic(cmd *cobra.Command) bool {
	return cmd.IsAvailableCommand() || cmd.IsAdditionalHelpTopicCommand()
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage returns the manual page of cmd, in the language of man(7).
func manPage(cmd *cobra.Command) string {
	cmd.InitDefaultHelpFlag() // cobra adds it when a command runs
	var p roff
	p.title(strings.ToUpper(pageName(cmd)), buildDate(), "atlassian-mcp "+buildVersion())
	p.macro("SH", "NAME")
	p.text(pageName(cmd) + " - " + lowerFirst(cmd.Short))
	p.macro("SH", "SYNOPSIS")
	flags := cmd.LocalFlags()
	switch {
	case !cmd.HasParent():
		p.manual(manual)
		p.commands(cmd)
		flags = nil // the manual explains them, and those too that are hidden
	case cmd.Name() == compatTopic:
		p.text(cmd.Root().UseLine())
		p.macro("SH", "DESCRIPTION")
		p.plain(strings.TrimSuffix(compatLong, "\n\nFlags:\n"))
		flags = compatFlags(cmd.Root())
	default:
		p.text(cmd.UseLine())
		p.macro("SH", "DESCRIPTION")
		p.plain(cmp.Or(cmd.Long, cmd.Short+"."))
	}
	if flags != nil {
		p.flags(flags)
	}
	if cmd.HasParent() && cmd.HasAvailableSubCommands() {
		p.commands(cmd)
	}
	if cmd.HasExample() {
		p.macro("SH", "EXAMPLES")
		p.plain(cmd.Example)
	}
	p.macro("SH", "SEE ALSO")
	p.seeAlso(cmd)
	return p.String()
}

// buildDate returns the day of the commit, or today if the build does not know it.
func buildDate() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" { // RFC 3339
				day, _, _ := strings.Cut(s.Value, "T")
				return day
			}
		}
	}
	return time.Now().UTC().Format(time.DateOnly)
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// commands lists the commands and topics below cmd.
func (p *roff) commands(cmd *cobra.Command) {
	p.macro("SH", "COMMANDS")
	for _, c := range cmd.Commands() {
		if isPublic(c) {
			p.macro("TP")
			p.bold(strings.TrimPrefix(c.CommandPath(), cmd.Root().Name()+" "))
			p.text(c.Short + ".")
		}
	}
}

// flags explains flags in the words of the help.
func (p *roff) flags(flags *pflag.FlagSet) {
	p.macro("SH", "OPTIONS")
	flags.VisitAll(func(f *pflag.Flag) {
		if name, usage := flagUsage(f); name != "" {
			p.macro("TP")
			p.bold(name)
			p.text(usage)
		}
	})
}

// seeAlso names the pages above and below cmd.
func (p *roff) seeAlso(cmd *cobra.Command) {
	var pages []string
	if cmd.HasParent() {
		pages = append(pages, pageName(cmd.Parent())+"(1)")
	}
	eachPage(cmd, func(c *cobra.Command) {
		if c != cmd {
			pages = append(pages, pageName(c)+"(1)")
		}
	})
	p.text(strings.Join(pages, ", "))
}

// manual writes the package comment in source, a section for each of its headings. What stands under "Usage:" is the synopsis, which
// has been begun.
func (p *roff) manual(source string) {
	_, text, _ := strings.Cut(source, "/*\n")
	text, _, _ = strings.Cut(text, "*/")
	usage, text, _ := strings.Cut(text, "\nWithout a command ")
	what, usage, _ := strings.Cut(usage, "\nUsage:\n\n")
	for i, line := range strings.Split(strings.TrimSpace(usage), "\n") {
		if i > 0 {
			p.macro("br")
		}
		p.text(line)
	}
	p.macro("SH", "DESCRIPTION")
	var parser comment.Parser
	for _, block := range parser.Parse(what + "\nWithout a command " + text).Content {
		switch b := block.(type) {
		case *comment.Heading:
			p.macro("SH", strings.ToUpper(plainText(b.Text)))
		case *comment.Paragraph:
			p.paragraph()
			p.text(plainText(b.Text))
		case *comment.Code:
			p.code(b.Text)
		default:
			panic(fmt.Sprintf("the manual has a %T in it", b))
		}
	}
}

func plainText(text []comment.Text) string {
	var b strings.Builder
	for _, t := range text {
		switch t := t.(type) {
		case comment.Plain:
			b.WriteString(string(t))
		case comment.Italic:
			b.WriteString(string(t))
		case *comment.Link:
			b.WriteString(plainText(t.Text))
		case *comment.DocLink:
			b.WriteString(plainText(t.Text))
		default:
			panic(fmt.Sprintf("the manual has a %T in it", t))
		}
	}
	return b.String()
}
