package rovo

import (
	"fmt"
	"strings"
	"testing"
)

// TestLargePage counts what a block of a page costs, of which a page may have half a million.
func TestLargePage(t *testing.T) {
	const blocks = 2000
	for _, block := range []string{"# h\n", "- a\n", "a\n\n", "*a*\n\n"} {
		o := open(t)
		body := strings.Repeat(block, blocks)
		n := 0
		allocated := testing.AllocsPerRun(2, func() {
			n++
			wiki(t, o, ada, "createConfluencePage", args{"spaceId": "98306", "title": fmt.Sprint("Large ", n), "body": body}, nil)
		})
		if perBlock := allocated / blocks; perBlock > 60 {
			t.Errorf("%q takes %.0f allocations each", block, perBlock)
		}
	}
}

// TestWideTable reads a table that would have no end of cells if every row were as long as the longest.
func TestWideTable(t *testing.T) {
	const columns, rows = 2000, 2000
	text := strings.Repeat("|", columns) + "\n|-|\n" + strings.Repeat("|x|\n", rows)
	table := parseMarkdown(text)[0]
	cells := 0
	for _, row := range table.Content {
		cells += len(row.Content)
	}
	if table.Type != "table" || cells > columns+rows {
		t.Errorf("a %s of %d cells", table.Type, cells)
	}
	if written := writeMarkdown([]*adfNode{table}); len(written) > 10*len(text) {
		t.Errorf("%d bytes became %d", len(text), len(written))
	}
	if again := adfText(markdownToADF(writeMarkdown([]*adfNode{table}))); again != adfText(encodeADF([]*adfNode{table})) {
		t.Error("written and read again, the table says something else")
	}
}

// TestBackticks writes code that has many backticks.
func TestBackticks(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 10, 1000} {
		text := "a" + strings.Repeat("`", n) + "b`"
		if got := ticks(text); got != max(n, 1) {
			t.Errorf("%d backticks are %d", n, got)
		}
		for _, block := range []*adfNode{
			{Type: "codeBlock", Content: []*adfNode{{Type: "text", Text: text}}},
			paragraph(&adfNode{Type: "text", Text: text, Marks: []adfMark{{Type: "code"}}}),
		} {
			if got := parseMarkdown(writeMarkdown([]*adfNode{block})); len(got) != 1 || got[0].Type != block.Type || got[0].Content[0].Text != text {
				t.Errorf("a %s of %q came back as %s", block.Type, text, encodeADF(got))
			}
		}
	}
}
