package main

import "strings"

// A roff is a manual page in the making, in the language of man(7), which mandoc and groff both understand.
type roff struct {
	strings.Builder
	begun bool // the section has text
}

// roffEscapes keeps what would mean something to the formatter, or come out as a typographer's variant that no shell understands.
// They are pairs for [strings.NewReplacer].
var roffEscapes = []string{`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`}

func roffEscape(s string) string { return strings.NewReplacer(roffEscapes...).Replace(s) }

// title begins a page of section 1. The date, as 2006-01-02, is no text.
func (p *roff) title(name, date, source string) {
	p.WriteString(`.TH "` + roffEscape(name) + `" "1" "` + date + `" "` + roffEscape(source) + `" "General Commands Manual"` + "\n")
}

// macro writes a request. Its arguments are quoted.
func (p *roff) macro(name string, args ...string) {
	p.begun = name != "SH"
	p.WriteString("." + name)
	for _, arg := range args {
		p.WriteString(` "` + strings.ReplaceAll(roffEscape(arg), `"`, `\(dq`) + `"`)
	}
	p.WriteByte('\n')
}

// paragraph begins a paragraph.
func (p *roff) paragraph() {
	if p.begun {
		p.macro("PP")
	}
}

// text writes text that is filled, in lines that can be read as they are.
func (p *roff) text(s string) {
	for _, line := range filled(s, 70) {
		p.line(line)
	}
}

// bold writes a line of its own in bold.
func (p *roff) bold(s string) { p.macro("B", s) }

// line writes a line, and sees to it that it is none of the formatter's.
func (p *roff) line(s string) {
	p.begun = true
	s = roffEscape(s)
	if strings.HasPrefix(s, ".") {
		p.WriteString(`\&`)
	}
	p.WriteString(s + "\n")
}

// verbatim writes lines as they are.
func (p *roff) verbatim(lines []string) {
	p.paragraph()
	p.macro("RS", "4")
	p.macro("nf")
	for _, l := range lines {
		p.line(l)
	}
	p.macro("fi")
	p.macro("RE")
}

// plain writes the text of a help: paragraphs, and between them lines that are indented and stay as they are.
func (p *roff) plain(s string) {
	var run []string // of lines of one kind
	indented := false
	flush := func() {
		for len(run) > 0 && run[len(run)-1] == "" {
			run = run[:len(run)-1]
		}
		switch {
		case len(run) == 0:
		case indented:
			p.verbatim(unindented(run))
		default:
			p.paragraph()
			p.text(strings.Join(run, " "))
		}
		run = nil
	}
	for l := range strings.Lines(s) {
		l = strings.ReplaceAll(strings.TrimRight(l, " \n"), "\t", "    ")
		switch in := strings.HasPrefix(l, "  "); {
		case l == "" && indented && run != nil:
			run = append(run, "")
		case l == "":
			flush()
		default:
			if in != indented {
				flush()
			}
			indented, run = in, append(run, l)
		}
	}
	flush()
}

// unindented takes as many spaces from the beginning of each line as all of them have.
func unindented(lines []string) []string {
	least := len(lines[0])
	for _, l := range lines {
		if l != "" {
			least = min(least, len(l)-len(strings.TrimLeft(l, " ")))
		}
	}
	var cut []string
	for _, l := range lines {
		cut = append(cut, l[min(least, len(l)):])
	}
	return cut
}

// code writes what is indented in a Go comment: what has tabs before its later lines is a list of things that these explain, anything
// else stays as it is.
func (p *roff) code(s string) {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	if len(lines) < 2 || !strings.HasPrefix(lines[1], "\t") {
		for i, l := range lines {
			lines[i] = strings.ReplaceAll(l, "\t", "    ")
		}
		p.verbatim(lines)
		return
	}
	var about []string
	flush := func() {
		if about != nil {
			p.text(strings.Join(about, " "))
		}
		about = nil
	}
	for _, l := range lines {
		if strings.HasPrefix(l, "\t") {
			about = append(about, l)
			continue
		}
		flush()
		p.macro("TP")
		name, rest, ok := strings.Cut(l, "\t")
		p.bold(name)
		if ok {
			about = append(about, rest)
		}
	}
	flush()
}
