package rovo

import (
	"encoding/json"
	"html"
	"strings"
	"unicode"
	"unicode/utf8"
)

// inline reads what is in a paragraph, a heading or a cell of Markdown.
func inline(text string) []*adfNode {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, strings.TrimLeft(line, " \t"))
	}
	r := inlineReader{text: strings.TrimRight(strings.Join(lines, "\n"), " \t"), missing: map[string]bool{}}
	r.read(nil, 0)
	return r.nodes
}

type inlineReader struct {
	text    string
	nodes   []*adfNode
	missing map[string]bool // what has been looked for to the end of text in vain
	plain   strings.Builder // text not yet in nodes
}

const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// read reads the text, which has marks and is within depth others.
func (r *inlineReader) read(marks []adfMark, depth int) {
	for i := 0; i < len(r.text); {
		n := 0
		switch c := r.text[i]; c {
		case '\\':
			n = r.escape(i, marks)
		case '\n', ' ':
			n = r.space(i, marks)
		case '`':
			n = r.code(i, marks)
		case '*', '_', '~':
			if depth < maxNesting {
				n = r.emphasis(i, marks, depth)
			}
		case '[':
			if depth < maxNesting {
				n = r.link(i, marks, depth)
			}
		case '<':
			n = r.angle(i, marks)
		case 'h':
			n = r.bare(i, marks)
		}
		if n == 0 {
			r.plain.WriteByte(r.text[i])
			n = 1
		}
		i += n
	}
	r.flush(marks)
}

func (r *inlineReader) flush(marks []adfMark) {
	if r.plain.Len() > 0 {
		r.nodes = append(r.nodes, &adfNode{Type: "text", Text: r.plain.String(), Marks: marks})
		r.plain.Reset()
	}
}

func (r *inlineReader) add(n *adfNode, marks []adfMark) {
	r.flush(marks)
	r.nodes = append(r.nodes, n)
}

// addMark returns marks and one more, unless it is there.
func addMark(marks []adfMark, more adfMark) []adfMark {
	for _, m := range marks {
		if m.Type == more.Type {
			return marks
		}
	}
	return append(marks[:len(marks):len(marks)], more)
}

// nested reads part of the text with one mark more.
func (r *inlineReader) nested(text string, marks []adfMark, more adfMark, depth int) {
	r.flush(marks)
	inner := inlineReader{text: text, missing: map[string]bool{}}
	inner.read(addMark(marks, more), depth+1)
	r.nodes = append(r.nodes, inner.nodes...)
}

func (r *inlineReader) escape(i int, marks []adfMark) int {
	if i+1 == len(r.text) {
		return 0
	}
	switch c := r.text[i+1]; {
	case c == '\n':
		r.add(&adfNode{Type: "hardBreak"}, marks)
	case strings.IndexByte(punctuation, c) >= 0:
		r.plain.WriteByte(c)
	default:
		return 0
	}
	return 2
}

// space makes two spaces and the end of a line a break, and the end of a line a space.
func (r *inlineReader) space(i int, marks []adfMark) int {
	rest := strings.TrimLeft(r.text[i:], " ")
	n := len(r.text) - i - len(rest)
	switch {
	case !strings.HasPrefix(rest, "\n"):
		r.plain.WriteString(r.text[i : i+n])
		return n
	case n >= 2:
		r.add(&adfNode{Type: "hardBreak"}, marks)
	default:
		r.plain.WriteByte(' ')
	}
	return n + 1
}

func (r *inlineReader) code(i int, marks []adfMark) int {
	rest := strings.TrimLeft(r.text[i:], "`")
	open := r.text[i : len(r.text)-len(rest)]
	end := r.closing(open, i+len(open), func(j int) bool { return true })
	if end < 0 {
		r.plain.WriteString(open)
		return len(open)
	}
	code := strings.ReplaceAll(r.text[i+len(open):end], "\n", " ")
	if len(code) > 2 && code[0] == ' ' && code[len(code)-1] == ' ' && strings.TrimSpace(code) != "" {
		code = code[1 : len(code)-1]
	}
	r.flush(marks)
	r.nodes = append(r.nodes, &adfNode{Type: "text", Text: code, Marks: addMark(marks, adfMark{Type: "code"})})
	return end + len(open) - i
}

// closing returns where the run of equal characters that open is occurs again from position i on, where ok agrees. It returns -1 if it doesn't.
func (r *inlineReader) closing(open string, i int, ok func(int) bool) int {
	if r.missing[open] {
		return -1
	}
	for i < len(r.text) {
		if open[0] != '`' && r.text[i] == '\\' {
			i += 2
			continue
		}
		if open[0] != '`' && r.text[i] == '`' { // emphasis doesn't end within code
			rest := strings.TrimLeft(r.text[i:], "`")
			ticks := r.text[i : len(r.text)-len(rest)]
			i += len(ticks)
			if end := r.closing(ticks, i, func(int) bool { return true }); end >= 0 {
				i = end + len(ticks)
			}
			continue
		}
		if r.text[i] != open[0] {
			i++
			continue
		}
		run := len(r.text) - i - len(strings.TrimLeft(r.text[i:], open[:1]))
		if (run == len(open) || run == 3 && len(open) < 3 && open[0] == '*') && ok(i) {
			return i
		}
		i += run
	}
	r.missing[open] = true
	return -1
}

func (r *inlineReader) emphasis(i int, marks []adfMark, depth int) int {
	rest := strings.TrimLeft(r.text[i:], r.text[i:i+1])
	open := r.text[i : len(r.text)-len(rest)]
	mark, more := adfMark{Type: "em"}, ""
	switch {
	case open[0] == '~' && len(open) == 2:
		mark.Type = "strike"
	case open[0] == '~' || len(open) > 3:
		r.plain.WriteString(open)
		return len(open)
	case len(open) == 2:
		mark.Type = "strong"
	case len(open) == 3:
		more = "strong"
	}
	start := i + len(open)
	before, _ := utf8.DecodeLastRuneInString(r.text[:i])
	after, _ := utf8.DecodeRuneInString(rest)
	if rest == "" || unicode.IsSpace(after) || open[0] == '_' && isWord(before) {
		r.plain.WriteString(open)
		return len(open)
	}
	end := r.closing(open, start, func(j int) bool {
		last, _ := utf8.DecodeLastRuneInString(r.text[start:j])
		next, _ := utf8.DecodeRuneInString(r.text[j+len(open):])
		return j > start && !unicode.IsSpace(last) && (open[0] != '_' || !isWord(next))
	})
	if end < 0 {
		r.plain.WriteString(open)
		return len(open)
	}
	// Of ** and then ***, the first * of the three belongs to something within.
	if run := len(r.text[end:]) - len(strings.TrimLeft(r.text[end:], open[:1])); run > len(open) {
		end += run - len(open)
	}
	if more != "" {
		r.flush(marks)
		r.nested(r.text[start:end], addMark(marks, adfMark{Type: more}), mark, depth)
	} else {
		r.nested(r.text[start:end], marks, mark, depth)
	}
	return end + len(open) - i
}

func isWord(c rune) bool { return c != utf8.RuneError && (unicode.IsLetter(c) || unicode.IsDigit(c)) }

// How long a link's text and address may be: without an end to them, many brackets take for ever.
const (
	maxLink    = 2000
	maxAddress = 4000
)

// link reads [text](address "title"). An image, which is a link after an exclamation mark, becomes one to what it shows.
func (r *inlineReader) link(i int, marks []adfMark, depth int) int {
	if !strings.Contains(r.text[i:min(len(r.text), i+maxLink+1)], "](") {
		return 0 // as fast as a page of nothing but brackets needs
	}
	level, end := 0, -1
	for j := i; j < len(r.text) && j < i+maxLink && end < 0; j++ {
		switch r.text[j] {
		case '\\':
			j++
		case '[':
			level++
		case ']':
			if level--; level == 0 {
				end = j
			}
		}
	}
	if end < 0 || !strings.HasPrefix(r.text[end+1:], "(") {
		return 0
	}
	address, n := linkAddress(r.text[end+2:])
	if n == 0 || address == "" {
		return 0
	}
	text := r.text[i+1 : end]
	if strings.TrimSpace(text) == "" {
		text = escapeInline(address)
	}
	r.nested(text, marks, adfMark{Type: "link", Attrs: map[string]any{"href": address}}, depth)
	return end + 2 + n - i
}

// linkAddress reads `address "title")` or `<address>)`, and returns how long it is, 0 if it is none.
func linkAddress(s string) (address string, n int) {
	s = s[:min(len(s), maxAddress)]
	rest := strings.TrimLeft(s, " \n")
	if after, ok := strings.CutPrefix(rest, "<"); ok {
		end := strings.IndexAny(after, ">\n")
		if end < 0 || after[end] == '\n' {
			return "", 0
		}
		address, rest = after[:end], after[end+1:]
	} else {
		level, end := 0, 0
	scan:
		for ; end < len(rest); end++ {
			switch rest[end] {
			case ' ', '\n', '\t', '<', '\\':
				break scan
			case '(':
				level++
			case ')':
				if level--; level < 0 {
					break scan
				}
			}
		}
		address, rest = rest[:end], rest[end:]
	}
	rest = strings.TrimLeft(rest, " \n")
	if strings.HasPrefix(rest, `"`) {
		end := strings.Index(rest[1:], `"`)
		if end < 0 {
			return "", 0
		}
		rest = strings.TrimLeft(rest[end+2:], " \n")
	}
	if !strings.HasPrefix(rest, ")") {
		return "", 0
	}
	return address, len(s) - len(rest) + 1
}

// angle reads <address>, <br> and <custom data-type="…">.
func (r *inlineReader) angle(i int, marks []adfMark) int {
	rest := r.text[i:]
	for _, br := range []string{"<br>", "<br/>", "<br />"} {
		if strings.HasPrefix(rest, br) {
			r.add(&adfNode{Type: "hardBreak"}, marks)
			return len(br)
		}
	}
	if strings.HasPrefix(rest, "<http://") || strings.HasPrefix(rest, "<https://") {
		end := strings.IndexAny(rest, "> \n\t")
		if end < 0 || rest[end] != '>' {
			return 0
		}
		r.add(&adfNode{Type: "inlineCard", Attrs: map[string]any{"url": rest[1:end]}}, marks)
		return end + 1
	}
	return r.custom(rest, marks)
}

const (
	customOpen  = `<custom data-type="`
	customAttrs = ` data-attrs="`
	customClose = `</custom>`
)

func (r *inlineReader) custom(rest string, marks []adfMark) int {
	inner, ok := strings.CutPrefix(rest, customOpen)
	if !ok || r.missing[customClose] {
		return 0
	}
	kind, inner, ok := strings.Cut(inner, `"`)
	if !ok || kind == "" || strings.ContainsAny(kind, "<>\n") {
		return 0
	}
	n := &adfNode{Type: html.UnescapeString(kind)}
	if after, ok := strings.CutPrefix(inner, customAttrs); ok {
		attrs, after, ok := strings.Cut(after, `"`)
		if !ok || json.Unmarshal([]byte(html.UnescapeString(attrs)), &n.Attrs) != nil {
			return 0
		}
		inner = after
	}
	inner, ok = strings.CutPrefix(inner, ">")
	if !ok {
		return 0
	}
	text, after, ok := strings.Cut(inner, customClose)
	if !ok {
		r.missing[customClose] = true
		return 0
	}
	if text = html.UnescapeString(text); n.Type == "text" {
		r.plain.WriteString(text)
	} else {
		if label(n) == "" && text != "" {
			n.Content = []*adfNode{{Type: "text", Text: text}}
		}
		r.add(n, marks)
	}
	return len(rest) - len(after)
}

// bare reads an address without anything around it, up to the punctuation that ends a sentence.
func (r *inlineReader) bare(i int, marks []adfMark) int {
	address := bareAddress(r.text[i:])
	if before, _ := utf8.DecodeLastRuneInString(r.text[:i]); address == "" || isWord(before) {
		return 0
	}
	r.flush(marks)
	link := adfMark{Type: "link", Attrs: map[string]any{"href": address}}
	r.nodes = append(r.nodes, &adfNode{Type: "text", Text: address, Marks: addMark(marks, link)})
	return len(address)
}

// bareAddress returns the web address that s begins with, "" if there is none.
func bareAddress(s string) string {
	if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
		return ""
	}
	if end := strings.IndexFunc(s, func(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune("<>\\`[]*|\"", c) }); end >= 0 {
		s = s[:end]
	}
	for s != "" {
		last := s[len(s)-1]
		if !strings.ContainsRune("?!.,:;_~')", rune(last)) || last == ')' && strings.Count(s, "(") >= strings.Count(s, ")") {
			break
		}
		s = s[:len(s)-1]
	}
	if strings.HasSuffix(s, ":/") || strings.HasSuffix(s, "://") || strings.HasSuffix(s, "http") || strings.HasSuffix(s, "https") {
		return ""
	}
	return s
}
