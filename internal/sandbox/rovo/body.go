package rovo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

// The products keep what people write as ADF, the Atlassian Document Format: a tree of JSON objects. Tools take and give it as Markdown or HTML
// too. body_read.go reads Markdown, body_write.go writes it, body_html.go does both for HTML.
//
// Markdown has no words for some of ADF. A block that it can't say is written as JSON in a code block of the language "adf", something
// in a line of text as <custom data-type="…">; both are understood when they come back.

// An adfNode is a node of a document.
type adfNode struct {
	Type    string         `json:"type"`
	Attrs   map[string]any `json:"attrs,omitempty"`
	Content []*adfNode     `json:"content,omitempty"`
	Text    string         `json:"text,omitempty"`
	Marks   []adfMark      `json:"marks,omitempty"`
}

// An adfMark says how a text looks, or where it leads.
type adfMark struct {
	Type  string         `json:"type"`
	Attrs map[string]any `json:"attrs,omitempty"`
}

// An adfDoc is a whole document, which has a list of contents even if it is empty.
type adfDoc struct {
	Type    string     `json:"type"`
	Version int        `json:"version"`
	Content []*adfNode `json:"content"`
}

// encodeADF returns the document that consists of blocks.
func encodeADF(blocks []*adfNode) json.RawMessage {
	if blocks == nil {
		blocks = []*adfNode{}
	}
	text, err := json.Marshal(adfDoc{"doc", 1, blocks})
	if err != nil {
		panic(err) // can't be: attributes are strings and numbers, or came from JSON
	}
	return text
}

// decodeADF returns the blocks of a document. A JSON string, which old comments are, is a paragraph; what is no document has no blocks.
func decodeADF(doc json.RawMessage) []*adfNode {
	var text string
	if bytes.HasPrefix(bytes.TrimSpace(doc), []byte(`"`)) && json.Unmarshal(doc, &text) == nil {
		if text = strings.TrimSpace(text); text == "" {
			return nil
		}
		return []*adfNode{paragraph(&adfNode{Type: "text", Text: text})}
	}
	var root adfNode
	if json.Unmarshal(doc, &root) != nil {
		return nil
	}
	prune(&root)
	if root.Type != "doc" && root.Type != "" {
		return []*adfNode{&root}
	}
	return root.Content
}

// isADF reports whether text is a document in JSON.
func isADF(text string) bool {
	var root adfNode
	return json.Unmarshal([]byte(text), &root) == nil && root.Type == "doc"
}

// prune takes out what JSON has as null.
func prune(n *adfNode) {
	kept := n.Content[:0]
	for _, child := range n.Content {
		if child != nil {
			prune(child)
			kept = append(kept, child)
		}
	}
	n.Content = kept
}

// markdownToADF returns the document that Markdown says.
func markdownToADF(text string) json.RawMessage { return encodeADF(parseMarkdown(text)) }

// htmlToADF returns the document that HTML says.
func htmlToADF(text string) json.RawMessage { return encodeADF(parseHTMLBlocks(text)) }

// adfToHTML returns a document as HTML.
func adfToHTML(doc json.RawMessage) string { return writeHTMLBlocks(decodeADF(doc)) }

// adfToMarkdown returns a document as Markdown.
func adfToMarkdown(doc json.RawMessage) string { return writeMarkdown(decodeADF(doc)) }

// A document is one that is being worked with: it is read and written as Markdown once at most, for it may be large.
type document struct {
	text     json.RawMessage
	blocks   func() []*adfNode
	markdown func() string
}

// newDocument returns the document that is kept as text.
func newDocument(text json.RawMessage) document {
	return document{text: text, blocks: func() []*adfNode { return decodeADF(text) }}.once()
}

// writtenDocument returns the document that consists of blocks.
func writtenDocument(blocks []*adfNode) document {
	return document{text: encodeADF(blocks), blocks: func() []*adfNode { return blocks }}.once()
}

func (d document) once() document {
	d.blocks = sync.OnceValue(d.blocks)
	d.markdown = sync.OnceValue(func() string { return writeMarkdown(d.blocks()) })
	return d
}

// in returns the document in a format: adf, html or markdown, which is also "".
func (d document) in(format string) any {
	switch format {
	case "adf":
		return d.text
	case "html", "storage":
		return writeHTMLBlocks(d.blocks())
	}
	return d.markdown()
}

// adfText returns what a document says, without how it looks: a line for each block.
func adfText(doc json.RawMessage) string {
	var b strings.Builder
	for _, n := range decodeADF(doc) {
		plain(&b, n)
	}
	return strings.TrimSpace(b.String())
}

// isText reports whether a block of this type has text in it, rather than more blocks.
func isText(block string) bool {
	switch block {
	case "paragraph", "heading", "codeBlock", "taskItem", "decisionItem":
		return true
	}
	return false
}

func plain(b *strings.Builder, n *adfNode) {
	switch n.Type {
	case "text":
		b.WriteString(n.Text)
	case "hardBreak", "rule":
		b.WriteByte('\n')
	default:
		if len(n.Content) == 0 {
			b.WriteString(label(n))
		}
		for _, child := range n.Content {
			plain(b, child)
		}
	}
	if isText(n.Type) {
		b.WriteByte('\n')
	}
}

// label returns what a node without contents shows.
func label(n *adfNode) string {
	switch n.Type {
	case "date":
		var ms int64
		if _, err := fmt.Sscan(fmt.Sprint(n.Attrs["timestamp"]), &ms); err == nil {
			return time.UnixMilli(ms).UTC().Format(time.DateOnly)
		}
	case "emoji":
		if s := n.attr("text"); s != "" {
			return s
		}
		return n.attr("shortName")
	case "inlineCard", "blockCard", "embedCard":
		return n.attr("url")
	case "mention", "status":
		return n.attr("text")
	}
	return n.Text
}

// attr returns an attribute that is a string, "" otherwise.
func (n *adfNode) attr(name string) string {
	s, _ := n.Attrs[name].(string)
	return s
}

// number returns an attribute that is a whole number within bounds, or the nearest that is.
func (n *adfNode) number(name string, low, high int) int {
	f := float64(low)
	switch v := n.Attrs[name].(type) {
	case float64:
		f = v
	case int:
		f = float64(v)
	}
	return int(min(max(f, float64(low)), float64(high)))
}

// mark returns the mark of a type that a node has, nil if it has none.
func (n *adfNode) mark(kind string) *adfMark {
	for i := range n.Marks {
		if n.Marks[i].Type == kind {
			return &n.Marks[i]
		}
	}
	return nil
}

// href returns where a text leads, "" if nowhere.
func (n *adfNode) href() string {
	m := n.mark("link")
	if m == nil {
		return ""
	}
	s, _ := m.Attrs["href"].(string)
	return s
}

func paragraph(text ...*adfNode) *adfNode { return &adfNode{Type: "paragraph", Content: text} }
