package rovo

import (
	"encoding/json"
	"html"
	"slices"
	"strconv"
	"strings"
)

// This file converts documents to HTML, and HTML as editors and Confluence's storage format have it to documents. What HTML has no element for
// is written with its JSON in an attribute, by which it is known again. Storage's macros are not understood: of them the text remains.

// adfAttr is the attribute that has a node's JSON.
const adfAttr = "data-adf"

// htmlMarks are the elements of marks.
var htmlMarks = [][2]string{{"strong", "strong"}, {"em", "em"}, {"strike", "s"}, {"underline", "u"}, {"code", "code"}}

func writeHTMLBlocks(blocks []*adfNode) string {
	var b strings.Builder
	for _, n := range blocks {
		writeHTML(&b, n)
	}
	return b.String()
}

func writeHTML(b *strings.Builder, n *adfNode) {
	element := func(tag, attrs string) {
		b.WriteString("<" + tag + attrs + ">")
		for _, child := range n.Content {
			writeHTML(b, child)
		}
		b.WriteString("</" + tag + ">")
	}
	switch n.Type {
	case "text":
		writeHTMLText(b, n)
	case "paragraph":
		element("p", "")
	case "heading":
		element("h"+strconv.Itoa(n.number("level", 1, 6)), "")
	case "blockquote":
		element("blockquote", "")
	case "bulletList":
		element("ul", "")
	case "orderedList":
		element("ol", ` start="`+strconv.Itoa(n.number("order", 1, 999_999_999))+`"`)
	case "listItem":
		element("li", "")
	case "table":
		b.WriteString("<table><tbody>")
		for _, row := range n.Content {
			writeHTML(b, row)
		}
		b.WriteString("</tbody></table>")
	case "tableRow":
		element("tr", "")
	case "tableHeader":
		element("th", "")
	case "tableCell":
		element("td", "")
	case "codeBlock":
		var code strings.Builder
		for _, child := range n.Content {
			plain(&code, child)
		}
		b.WriteString("<pre><code")
		if language := n.attr("language"); language != "" {
			b.WriteString(` class="language-` + html.EscapeString(language) + `"`)
		}
		b.WriteString(">" + html.EscapeString(code.String()) + "</code></pre>")
	case "rule":
		b.WriteString("<hr>")
	case "hardBreak":
		b.WriteString("<br>")
	case "taskList":
		element("ul", ` class="inline-task-list"`)
	case "taskItem":
		class := ""
		if n.attr("state") == "DONE" {
			class = ` class="checked"`
		}
		element("li", class)
	case "inlineCard":
		url := html.EscapeString(n.attr("url"))
		b.WriteString(`<a href="` + url + `" data-card-appearance="inline">` + url + "</a>")
	default:
		tag := "span"
		if len(n.Content) > 0 {
			tag = "div"
		}
		text, err := json.Marshal(n)
		if err != nil {
			panic(err) // can't be: it came from JSON
		}
		var shown strings.Builder
		plain(&shown, n)
		b.WriteString("<" + tag + " " + adfAttr + `="` + html.EscapeString(string(text)) + `">`)
		b.WriteString(html.EscapeString(strings.TrimSpace(shown.String())) + "</" + tag + ">")
	}
}

func writeHTMLText(b *strings.Builder, n *adfNode) {
	var ends []string
	if href := n.href(); href != "" {
		b.WriteString(`<a href="` + html.EscapeString(href) + `">`)
		ends = append(ends, "</a>")
	}
	for _, m := range htmlMarks {
		if n.mark(m[0]) != nil {
			b.WriteString("<" + m[1] + ">")
			ends = append(ends, "</"+m[1]+">")
		}
	}
	b.WriteString(html.EscapeString(n.Text))
	for _, end := range slices.Backward(ends) {
		b.WriteString(end)
	}
}

// An htmlNode is an element, or text if it has no tag.
type htmlNode struct {
	tag      string
	attrs    map[string]string
	text     string
	children []*htmlNode
}

func parseHTMLBlocks(text string) []*adfNode {
	return new(htmlReader).blocks(parseHTML(strings.ToValidUTF8(text, "\uFFFD")).children, nil)
}

// maxElements is how deep elements may nest; deeper ones are taken for their contents.
const maxElements = 100

// parseHTML reads HTML as it comes: nothing is an error.
func parseHTML(text string) *htmlNode {
	root := &htmlNode{}
	open := []*htmlNode{root}
	end := func(tags ...string) { // ends the innermost of these elements, with all within
		for i := len(open) - 1; i > 0; i-- {
			if slices.Contains(tags, open[i].tag) {
				open = open[:i]
				return
			}
			if slices.Contains([]string{"ul", "ol", "table", "blockquote"}, open[i].tag) && len(tags) > 0 && tags[0] != open[i].tag {
				return // an item doesn't end what its list is in
			}
		}
	}
	add := func(n *htmlNode) { open[len(open)-1].children = append(open[len(open)-1].children, n) }
	for text != "" {
		before, after, tagged := strings.Cut(text, "<")
		if before != "" {
			add(&htmlNode{text: html.UnescapeString(before)})
		}
		if !tagged {
			break
		}
		switch {
		case strings.HasPrefix(after, "!--"):
			_, text, _ = strings.Cut(after, "-->")
			continue
		case strings.HasPrefix(after, "![CDATA["):
			var data string
			data, text, _ = strings.Cut(after[len("![CDATA["):], "]]>")
			add(&htmlNode{text: data})
			continue
		case after == "" || !strings.ContainsRune("/!?abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", rune(after[0])):
			add(&htmlNode{text: "<"})
			text = after
			continue
		}
		n, closing, empty, rest := parseTag(after)
		text = rest
		switch {
		case closing:
			end(n.tag)
			continue
		case n.tag == "":
			continue
		case n.tag == "li":
			end("li")
		case n.tag == "tr":
			end("tr")
		case n.tag == "td" || n.tag == "th":
			end("td", "th")
		case isBlock(n.tag):
			end("p")
		}
		add(n)
		if !empty && len(open) < maxElements && !slices.Contains([]string{"br", "hr", "img", "input", "meta", "link", "col"}, n.tag) {
			open = append(open, n)
		}
	}
	return root
}

// parseTag reads a tag after its <.
func parseTag(s string) (n *htmlNode, closing, empty bool, rest string) {
	s, closing = strings.CutPrefix(s, "/")
	size := strings.IndexAny(s, " \t\n\r/>")
	if size < 0 {
		size = len(s)
	}
	n = &htmlNode{tag: strings.ToLower(s[:size]), attrs: map[string]string{}}
	if strings.HasPrefix(n.tag, "!") || strings.HasPrefix(n.tag, "?") {
		n.tag = ""
	}
	for s = s[size:]; s != ""; {
		switch c := s[0]; {
		case c == '>':
			return n, closing, empty, s[1:]
		case c == '/':
			empty, s = strings.HasPrefix(s, "/>"), s[1:]
		case strings.IndexByte(" \t\n\r=\"'", c) >= 0:
			s = s[1:]
		default:
			size := strings.IndexAny(s, " \t\n\r/>=")
			if size < 0 {
				size = len(s)
			}
			name, value := strings.ToLower(s[:size]), ""
			s = s[size:]
			if after, ok := strings.CutPrefix(s, "="); ok {
				if after != "" && (after[0] == '"' || after[0] == '\'') {
					value, s, _ = strings.Cut(after[1:], after[:1])
				} else {
					size := strings.IndexAny(after, " \t\n\r>")
					if size < 0 {
						size = len(after)
					}
					value, s = after[:size], after[size:]
				}
			}
			n.attrs[name] = html.UnescapeString(value)
		}
	}
	return n, closing, empty, ""
}

func isBlock(tag string) bool {
	switch tag {
	case "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "pre", "blockquote", "hr", "div":
		return true
	}
	return false
}

type htmlReader struct{ tasks markdownReader }

// blocks makes elements blocks. Text among them becomes paragraphs.
func (r *htmlReader) blocks(nodes []*htmlNode, marks []adfMark) []*adfNode {
	var blocks, text []*adfNode
	flush := func() {
		if text = trimmed(text); len(text) > 0 {
			blocks = append(blocks, paragraph(text...))
		}
		text = nil
	}
	for _, n := range nodes {
		if node := restored(n); node != nil && n.tag == "div" {
			flush()
			blocks = append(blocks, node)
			continue
		}
		var block *adfNode
		switch n.tag {
		case "p":
			block = paragraph(trimmed(r.inline(n.children, marks))...)
		case "h1", "h2", "h3", "h4", "h5", "h6":
			block = &adfNode{Type: "heading", Attrs: map[string]any{"level": int(n.tag[1] - '0')}, Content: trimmed(r.inline(n.children, marks))}
		case "ul", "ol":
			block = r.list(n, marks)
		case "blockquote":
			block = &adfNode{Type: "blockquote", Content: r.blocksOr(n.children, marks)}
		case "table":
			block = r.table(n, marks)
		case "hr":
			block = &adfNode{Type: "rule"}
		case "pre":
			block = preformatted(n)
		case "script", "style", "head":
			continue
		case "div", "body", "html", "section", "article", "main", "header", "footer":
			flush()
			blocks = append(blocks, r.blocks(n.children, marks)...)
			continue
		default:
			if n.hasBlocks() {
				flush()
				blocks = append(blocks, r.blocks(n.children, r.marked(n, marks))...)
			} else {
				text = append(text, r.inline([]*htmlNode{n}, marks)...)
			}
			continue
		}
		flush()
		if block != nil {
			blocks = append(blocks, block)
		}
	}
	flush()
	return blocks
}

// blocksOr is blocks, or an empty paragraph where there must be something.
func (r *htmlReader) blocksOr(nodes []*htmlNode, marks []adfMark) []*adfNode {
	if blocks := r.blocks(nodes, marks); len(blocks) > 0 {
		return blocks
	}
	return []*adfNode{paragraph()}
}

func (n *htmlNode) hasBlocks() bool {
	return slices.ContainsFunc(n.children, func(child *htmlNode) bool { return isBlock(child.tag) || child.hasBlocks() })
}

// restored returns the node whose JSON an element has, nil if it has none.
func restored(n *htmlNode) *adfNode {
	text, ok := n.attrs[adfAttr]
	if !ok {
		return nil
	}
	var node adfNode
	if json.Unmarshal([]byte(text), &node) != nil || node.Type == "" || node.Type == "text" || node.Type == "doc" {
		return nil
	}
	prune(&node)
	return &node
}

func (r *htmlReader) list(n *htmlNode, marks []adfMark) *adfNode {
	list := &adfNode{Type: "bulletList"}
	tasks := strings.Contains(n.attrs["class"], "task-list")
	switch {
	case tasks:
		list.Type, list.Attrs = "taskList", r.tasks.localID()
	case n.tag == "ol":
		start, err := strconv.Atoi(n.attrs["start"])
		if err != nil || start < 0 {
			start = 1
		}
		list.Type, list.Attrs = "orderedList", map[string]any{"order": start}
	}
	for _, child := range n.children {
		switch {
		case child.tag == "" && strings.TrimSpace(child.text) == "":
		case !tasks && child.tag == "li":
			list.Content = append(list.Content, &adfNode{Type: "listItem", Content: r.blocksOr(child.children, marks)})
		case !tasks:
			list.Content = append(list.Content, &adfNode{Type: "listItem", Content: r.blocksOr([]*htmlNode{child}, marks)})
		case child.tag == "ul" && strings.Contains(child.attrs["class"], "task-list"):
			if inner := r.list(child, marks); inner != nil {
				list.Content = append(list.Content, inner)
			}
		default:
			attrs := r.tasks.localID()
			attrs["state"] = "TODO"
			if strings.Contains(child.attrs["class"], "checked") {
				attrs["state"] = "DONE"
			}
			list.Content = append(list.Content, &adfNode{Type: "taskItem", Attrs: attrs, Content: trimmed(r.inline([]*htmlNode{child}, marks))})
		}
	}
	if len(list.Content) == 0 {
		return nil
	}
	return list
}

func (r *htmlReader) table(n *htmlNode, marks []adfMark) *adfNode {
	table := &adfNode{Type: "table"}
	var rows func([]*htmlNode)
	rows = func(nodes []*htmlNode) {
		for _, child := range nodes {
			if child.tag != "tr" {
				rows(child.children)
				continue
			}
			row := &adfNode{Type: "tableRow"}
			for _, cell := range child.children {
				kind := map[string]string{"th": "tableHeader", "td": "tableCell"}[cell.tag]
				if kind != "" {
					row.Content = append(row.Content, &adfNode{Type: kind, Content: r.blocksOr(cell.children, marks)})
				}
			}
			if len(row.Content) > 0 {
				table.Content = append(table.Content, row)
			}
		}
	}
	rows(n.children)
	if len(table.Content) == 0 {
		return nil
	}
	return table
}

func preformatted(n *htmlNode) *adfNode {
	block := &adfNode{Type: "codeBlock"}
	var b strings.Builder
	var gather func(*htmlNode)
	gather = func(n *htmlNode) {
		if _, language, ok := strings.Cut(n.attrs["class"], "language-"); ok {
			language, _, _ = strings.Cut(language, " ")
			block.Attrs = map[string]any{"language": language}
		}
		b.WriteString(n.text)
		for _, child := range n.children {
			gather(child)
		}
	}
	gather(n)
	if b.Len() > 0 {
		block.Content = []*adfNode{{Type: "text", Text: b.String()}}
	}
	return block
}

// marked returns marks and the one that an element makes.
func (r *htmlReader) marked(n *htmlNode, marks []adfMark) []adfMark {
	switch n.tag {
	case "strong", "b":
		return addMark(marks, adfMark{Type: "strong"})
	case "em", "i":
		return addMark(marks, adfMark{Type: "em"})
	case "s", "del", "strike":
		return addMark(marks, adfMark{Type: "strike"})
	case "u":
		return addMark(marks, adfMark{Type: "underline"})
	case "code":
		return addMark(marks, adfMark{Type: "code"})
	case "a":
		if href := n.attrs["href"]; href != "" {
			return addMark(marks, adfMark{Type: "link", Attrs: map[string]any{"href": href}})
		}
	}
	return marks
}

func (r *htmlReader) inline(nodes []*htmlNode, marks []adfMark) []*adfNode {
	var text []*adfNode
	for _, n := range nodes {
		node := restored(n)
		switch {
		case node != nil:
			text = append(text, node)
		case n.tag == "a" && n.attrs["data-card-appearance"] != "" && n.attrs["href"] != "":
			text = append(text, &adfNode{Type: "inlineCard", Attrs: map[string]any{"url": n.attrs["href"]}})
		case n.tag == "br":
			text = append(text, &adfNode{Type: "hardBreak"})
		case n.tag == "script" || n.tag == "style":
		case n.tag != "":
			text = append(text, r.inline(n.children, r.marked(n, marks))...)
		default:
			if t := spaced(n.text); t != "" {
				text = append(text, &adfNode{Type: "text", Text: t, Marks: marks})
			}
		}
	}
	return text
}

// spaced makes each stretch of white space one space.
func spaced(text string) string {
	words := strings.Join(strings.Fields(text), " ")
	switch {
	case text == "":
		return ""
	case words == "":
		return " "
	}
	if strings.TrimLeft(text, " \t\r\n") != text {
		words = " " + words
	}
	if strings.TrimRight(text, " \t\r\n") != text {
		words += " "
	}
	return words
}

// trimmed takes the white space off the ends of a text.
func trimmed(text []*adfNode) []*adfNode {
	for len(text) > 0 && text[0].Type == "text" {
		if text[0].Text = strings.TrimLeft(text[0].Text, " "); text[0].Text != "" {
			break
		}
		text = text[1:]
	}
	for len(text) > 0 && text[len(text)-1].Type == "text" {
		last := text[len(text)-1]
		if last.Text = strings.TrimRight(last.Text, " "); last.Text != "" {
			break
		}
		text = text[:len(text)-1]
	}
	return text
}
