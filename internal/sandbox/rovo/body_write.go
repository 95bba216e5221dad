package rovo

import (
	"encoding/json"
	"html"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// This file writes documents as Markdown, such as body_read.go reads.

func writeMarkdown(blocks []*adfNode) string { return strings.Join(blockLines(blocks, 0), "\n") }

// blockLines returns the lines of blocks that are depth blocks deep, with an empty line between blocks.
func blockLines(blocks []*adfNode, depth int) []string {
	var lines []string
	for i, n := range blocks {
		block := nodeLines(n, depth)
		if len(block) == 0 {
			continue
		}
		if len(lines) > 0 {
			lines = append(lines, "")
			if isList(n.Type) && isList(blocks[i-1].Type) { // or they would be one list
				block = fenced(n)
			}
		}
		lines = append(lines, block...)
	}
	return lines
}

func isList(block string) bool {
	return block == "bulletList" || block == "orderedList" || block == "taskList"
}

func nodeLines(n *adfNode, depth int) []string {
	if depth > maxNesting-2 {
		return fenced(n)
	}
	switch n.Type {
	case "paragraph":
		return textLines(n.Content, "")
	case "heading":
		level := n.number("level", 1, 6)
		text := strings.Join(textLines(n.Content, "<br>"), "")
		if strings.HasSuffix(text, "#") {
			text = text[:len(text)-1] + `\#`
		}
		return []string{strings.TrimSpace(strings.Repeat("#", level) + " " + text)}
	case "rule":
		return []string{"---"}
	case "codeBlock":
		return codeLines(n)
	case "blockquote":
		return prefixed(blockLines(n.Content, depth+1), "> ", "> ")
	case "panel":
		for _, alert := range alerts {
			if alert[1] == n.attr("panelType") && len(n.Content) > 0 {
				return append([]string{"> " + alert[0]}, prefixed(blockLines(n.Content, depth+1), "> ", "> ")...)
			}
		}
	case "bulletList", "orderedList":
		if all(n.Content, "listItem") {
			return listLines(n, depth)
		}
	case "taskList":
		if all(n.Content, "taskItem", "taskList") && n.Content[0].Type == "taskItem" {
			return taskLines(n, depth)
		}
	case "table":
		if all(n.Content, "tableRow") {
			if lines := tableLines(n); lines != nil {
				return lines
			}
		}
	case "text", "hardBreak", "inlineCard", "mention", "emoji", "status", "date":
		return textLines([]*adfNode{n}, "") // out of place
	}
	return fenced(n)
}

// all reports whether there are nodes, and all of them are of these types.
func all(nodes []*adfNode, types ...string) bool {
	for _, n := range nodes {
		ok := false
		for _, t := range types {
			ok = ok || n.Type == t
		}
		if !ok {
			return false
		}
	}
	return len(nodes) > 0
}

// fenced returns a block as JSON.
func fenced(n *adfNode) []string {
	text, err := json.Marshal(n)
	if err != nil {
		panic(err) // can't be: it came from JSON
	}
	return []string{"```adf", strings.ReplaceAll(string(text), "`", `\u0060`), "```"}
}

func prefixed(lines []string, first, others string) []string {
	for i, line := range lines {
		prefix := others
		if i == 0 {
			prefix = first
		}
		if line == "" {
			prefix = strings.TrimRight(prefix, " ")
		}
		lines[i] = prefix + line
	}
	if len(lines) == 0 {
		return []string{strings.TrimRight(first, " ")}
	}
	return lines
}

func codeLines(n *adfNode) []string {
	var b strings.Builder
	for _, child := range n.Content {
		plain(&b, child)
	}
	mark := strings.Repeat("`", max(3, ticks(b.String())+1))
	language := n.attr("language")
	if language == "adf" || strings.ContainsFunc(language, func(c rune) bool { return c == '`' || c == '~' || unicode.IsSpace(c) || unicode.IsControl(c) }) {
		language = ""
	}
	return append(append([]string{mark + language}, strings.Split(lineEnds().Replace(b.String()), "\n")...), mark)
}

func listLines(n *adfNode, depth int) []string {
	var lines []string
	number := n.number("order", 1, 999_999_999)
	for i, item := range n.Content {
		mark := "- "
		if n.Type == "orderedList" {
			mark = strconv.Itoa(min(number+i, 999_999_999)) + ". "
		}
		inner := blockLines(item.Content, depth+1)
		if len(item.Content) > 1 && item.Content[0].Type == "paragraph" && isList(item.Content[1].Type) && len(inner) > 1 && inner[1] == "" {
			inner = append(inner[:1], inner[2:]...) // a list within follows at once
		}
		if len(inner) > 0 && inner[0] == "" {
			inner = inner[1:]
		}
		lines = append(lines, prefixed(inner, mark, strings.Repeat(" ", len(mark)))...)
	}
	return lines
}

func taskLines(n *adfNode, depth int) []string {
	var lines []string
	for _, item := range n.Content {
		if item.Type == "taskList" {
			lines = append(lines, prefixed(nodeLines(item, depth+1), "  ", "  ")...)
			continue
		}
		mark := "- [ ] "
		if item.attr("state") == "DONE" {
			mark = "- [x] "
		}
		lines = append(lines, mark+strings.Join(textLines(item.Content, "<br>"), ""))
	}
	return lines
}

func tableLines(n *adfNode) []string {
	var lines []string
	columns := 0
	for _, row := range n.Content {
		columns = max(columns, len(row.Content))
	}
	if columns == 0 {
		return nil
	}
	for i, row := range n.Content {
		if !all(row.Content, "tableHeader", "tableCell") {
			return nil
		}
		var line strings.Builder
		line.WriteByte('|')
		for _, cell := range row.Content {
			line.WriteString(" " + strings.ReplaceAll(cellText(cell), "|", `\|`) + " |")
		}
		if i == 0 || columns*len(n.Content) <= maxCells {
			line.WriteString(strings.Repeat(" |", columns-len(row.Content)))
		}
		lines = append(lines, line.String())
		if i == 0 {
			lines = append(lines, "|"+strings.Repeat(" --- |", columns))
		}
	}
	return lines
}

// cellText returns a cell's blocks as one line. Of lists and the like only the text remains, as Markdown's tables know nothing of them.
func cellText(cell *adfNode) string {
	var parts []string
	for _, n := range cell.Content {
		content := n.Content
		if n.Type != "paragraph" && n.Type != "heading" {
			var b strings.Builder
			plain(&b, n)
			content = []*adfNode{{Type: "text", Text: strings.ReplaceAll(strings.TrimSpace(b.String()), "\n", " ")}}
		}
		parts = append(parts, strings.Join(textLines(content, "<br>"), ""))
	}
	return strings.Join(parts, "<br>")
}

// textLines returns a text with its marks. Its line breaks are written as br or, if that is empty, as new lines.
func textLines(nodes []*adfNode, br string) []string {
	text := writeInline(nodes, br, true)
	if marked(nodes) && visible(inline(text)) != visible(nodes) {
		text = writeInline(nodes, br, false) // marks lie so that Markdown can't tell them from text
	}
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		line = strings.TrimLeft(line, " \t")
		if strings.TrimRight(line, " ") != "" {
			lines = append(lines, escapeStart(line))
		}
	}
	return lines
}

// marked reports whether any of the nodes has marks.
func marked(nodes []*adfNode) bool {
	return slices.ContainsFunc(nodes, func(n *adfNode) bool { return len(n.Marks) > 0 })
}

// visible returns what can be seen of a text, with one space wherever there are some.
func visible(nodes []*adfNode) string {
	var b strings.Builder
	for _, n := range nodes {
		plain(&b, n)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// escapeStart keeps a line of text from being taken for the beginning of a block.
func escapeStart(line string) string {
	switch {
	case strings.ContainsRune("#>+-:|", rune(line[0])):
		return `\` + line
	case line[0] >= '0' && line[0] <= '9':
		digits := len(line) - len(strings.TrimLeft(line, "0123456789"))
		if digits < len(line) && (line[digits] == '.' || line[digits] == ')') {
			return line[:digits] + `\` + line[digits:]
		}
	}
	return line
}

// writeInline returns a text. Without styled it has no more marks than code and links.
func writeInline(nodes []*adfNode, br string, styled bool) string {
	w := inlineWriter{br: br, styled: styled}
	for i, n := range nodes {
		if n.Type == "text" {
			w.write(n, following(nodes[i+1:]))
			continue
		}
		w.to(nil)
		w.b.WriteString(inlineNode(n, br))
	}
	w.to(nil)
	return w.b.String()
}

// following returns the character after a text, for which marks must look out.
func following(nodes []*adfNode) rune {
	if len(nodes) == 0 || nodes[0].Type != "text" {
		return ' '
	}
	c, _ := utf8.DecodeRuneInString(nodes[0].Text)
	return c
}

func inlineNode(n *adfNode, br string) string {
	switch n.Type {
	case "hardBreak":
		if br != "" {
			return br
		}
		return "  \n"
	case "inlineCard":
		url := n.attr("url")
		if (strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://")) && !strings.ContainsFunc(url, unicode.IsSpace) &&
			!strings.ContainsAny(url, "<>|`") && len(n.Attrs) == 1 {
			return "<" + url + ">"
		}
	}
	var text strings.Builder
	plain(&text, n)
	tag := customOpen + html.EscapeString(n.Type) + `"`
	if len(n.Attrs) > 0 {
		attrs, err := json.Marshal(n.Attrs)
		if err != nil {
			panic(err) // can't be: it came from JSON
		}
		tag += customAttrs + html.EscapeString(string(attrs)) + `"`
	}
	return tag + ">" + html.EscapeString(strings.Join(strings.Fields(text.String()), " ")) + customClose
}

type inlineWriter struct {
	b      strings.Builder
	br     string
	styled bool
	open   []string // marks that have begun, as they are to end
	space  string   // between what has been written and what comes; marks end before it and begin after it
}

// to ends and begins marks so that those remain which are wanted.
func (w *inlineWriter) to(want []string) {
	same := 0
	for same < len(want) && same < len(w.open) && want[same] == w.open[same] {
		same++
	}
	for i := len(w.open) - 1; i >= same; i-- {
		w.b.WriteString(w.open[i])
	}
	w.b.WriteString(w.space)
	w.space = ""
	for _, mark := range want[same:] {
		w.b.WriteString(mark)
	}
	w.open = append(w.open[:0], want...)
}

func (w *inlineWriter) write(n *adfNode, next rune) {
	text := strings.ReplaceAll(lineEnds().Replace(n.Text), "\n", " ")
	href := n.href()
	if len(href) > maxAddress-len("<>)") {
		href = ""
	}
	var want []string
	if w.styled {
		for _, mark := range []struct{ kind, sign string }{{"strong", "**"}, {"strike", "~~"}, {"em", "*"}} {
			if n.mark(mark.kind) != nil {
				want = append(want, mark.sign)
			}
		}
	}
	core := strings.TrimSpace(text)
	if core == "" {
		w.space += text
		return
	}
	before, after, _ := strings.Cut(text, core)
	w.space += before
	w.to(want)
	switch code := n.mark("code") != nil; {
	case code && href != "":
		w.b.WriteString("[" + codeSpan(core) + "](" + address(href) + ")")
	case code:
		w.b.WriteString(codeSpan(core))
	case href != "" && href == core && bareAddress(core) == core && bareAddress(core+string(next)) == core:
		w.b.WriteString(core)
	case href != "":
		w.b.WriteString("[" + escapeInline(core) + "](" + address(href) + ")")
	default:
		w.b.WriteString(escapeInline(core))
	}
	w.space = after
}

// ticks returns how many backticks there are in a row at most.
func ticks(text string) (most int) {
	n := 0
	for i := range len(text) {
		if text[i] == '`' {
			n++
		} else {
			n = 0
		}
		most = max(most, n)
	}
	return most
}

func codeSpan(text string) string {
	mark := strings.Repeat("`", ticks(text)+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	return mark + text + mark
}

var addressEscapes = sync.OnceValue(func() *strings.Replacer { return strings.NewReplacer("\n", "", "\r", "", "<", "%3C", ">", "%3E") })

func address(href string) string {
	if a, n := linkAddress(href + ")"); a == href && n == len(href)+1 {
		return href
	}
	return "<" + addressEscapes().Replace(href) + ">"
}

func escapeInline(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if strings.IndexByte("\\`*_~[]<", text[i]) >= 0 && !(text[i] == '_' && insideWord(text, i)) {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// insideWord reports whether the character at i stands between letters or digits, where an underscore marks nothing.
func insideWord(text string, i int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:i])
	after, _ := utf8.DecodeRuneInString(text[i+1:])
	return isWord(before) && isWord(after)
}
