package main

import (
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"golang.org/x/term"
)

// A table is rows of text in columns. On a terminal the last column is cut to fit into the line; elsewhere it is whole.
type table struct {
	rows [][]string
}

func (t *table) add(cells ...string) {
	for i, cell := range cells {
		cells[i] = unbroken(cell)
	}
	t.rows = append(t.rows, cells)
}

// print writes the table.
func (t *table) print(out io.Writer) error {
	const gap = 2
	if width, ok := terminalWidth(out); ok {
		widest := make(map[int]int)
		for _, row := range t.rows {
			for i, cell := range row {
				widest[i] = max(widest[i], utf8.RuneCountInString(cell))
			}
		}
		for _, row := range t.rows {
			room := width - 1
			for i := range len(row) - 1 {
				room -= widest[i] + gap
			}
			row[len(row)-1] = cut(row[len(row)-1], max(room, 10))
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, gap, ' ', 0)
	for _, row := range t.rows {
		if _, err := io.WriteString(w, strings.Join(row, "\t")+"\n"); err != nil {
			return err
		}
	}
	return w.Flush()
}

// cut shortens text to n characters.
func cut(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return strings.TrimRight(string(runes[:n-1]), " ,.;:") + "…"
}

// fitted returns text that comes after indent, or after as many other characters. On a terminal, lines are broken between words so that they fit, and
// begin with indent; elsewhere there is one line.
func fitted(out io.Writer, text, indent string) string {
	width, ok := terminalWidth(out)
	width -= len(indent) + 1
	if !ok || width < 20 {
		return text
	}
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case column > 0 && column+1+n > width:
			b.WriteString("\n" + indent)
			column = 0
		case column > 0:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// terminalWidth returns how many characters fit into a line of w, and whether w is a terminal at all.
func terminalWidth(w io.Writer) (int, bool) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	return width, err == nil && width > 0
}

// firstSentence returns what a list shows of a description.
func firstSentence(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if i := strings.Index(text, ". "); i >= 0 {
		text = text[:i+1]
	}
	return text
}
