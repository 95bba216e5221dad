package rovo

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// This file reads the blocks of Markdown, body_inline.go what is in a line of text. It is CommonMark as people and models write it, with the tables,
// tasks, alerts and bare links of GitHub. It leaves out indented code, underlined headings, reference links, entities and HTML.

// maxNesting is how deep quotes, lists and emphasis may nest. What is deeper is taken for text.
const maxNesting = 20

type markdownReader struct{ tasks int }

// lineEnds makes the ends of all lines \n.
var lineEnds = sync.OnceValue(func() *strings.Replacer { return strings.NewReplacer("\r\n", "\n", "\r", "\n") })

func parseMarkdown(text string) []*adfNode {
	text = lineEnds().Replace(strings.ToValidUTF8(text, "\uFFFD"))
	return new(markdownReader).blocks(strings.Split(text, "\n"), 0)
}

// blocks reads lines that are depth blocks deep.
func (r *markdownReader) blocks(lines []string, depth int) []*adfNode {
	var blocks []*adfNode
	for len(lines) > 0 {
		line := strings.TrimSpace(lines[0])
		var n *adfNode
		used := 1
		switch {
		case line == "":
		case fence(line) != "":
			n, used = codeBlock(lines)
		case headingLevel(line) > 0:
			level := headingLevel(line)
			text := strings.TrimSpace(line[level:])
			if closed := strings.TrimRight(text, "#"); closed == "" || strings.HasSuffix(closed, " ") {
				text = strings.TrimSpace(closed)
			}
			n = &adfNode{Type: "heading", Attrs: map[string]any{"level": level}, Content: inline(text)}
		case isRule(line):
			n = &adfNode{Type: "rule"}
		case line[0] == '>' && depth < maxNesting:
			n, used = r.quote(lines, depth)
		case isTable(lines):
			n, used = table(lines)
		case isItem(line) && depth < maxNesting:
			n, used = r.list(lines, depth)
		default:
			for used < len(lines) && !startsBlock(lines[used:], depth) {
				used++
			}
			n = paragraph(inline(strings.Join(lines[:used], "\n"))...)
		}
		if n != nil {
			blocks = append(blocks, n)
		}
		lines = lines[used:]
	}
	return blocks
}

// startsBlock reports whether the first of lines ends the paragraph before it.
func startsBlock(lines []string, depth int) bool {
	line := strings.TrimSpace(lines[0])
	return line == "" || fence(line) != "" || headingLevel(line) > 0 || isRule(line) || isTable(lines) ||
		depth < maxNesting && (line[0] == '>' || isItem(line))
}

// fence returns the ``` or ~~~ that a line begins with, "" if it is not the beginning of a code block.
func fence(line string) string {
	for _, mark := range []string{"`", "~"} {
		rest := strings.TrimLeft(line, mark)
		if n := len(line) - len(rest); n >= 3 && !strings.Contains(rest, "`") {
			return line[:n]
		}
	}
	return ""
}

func codeBlock(lines []string) (*adfNode, int) {
	open := strings.TrimLeft(lines[0], " \t")
	indent, mark := len(lines[0])-len(open), fence(strings.TrimSpace(lines[0]))
	language := strings.TrimSpace(strings.TrimSpace(open)[len(mark):])
	end := 1
	var text []string
	for ; end < len(lines); end++ {
		line := strings.TrimSpace(lines[end])
		if strings.HasPrefix(line, mark) && strings.Trim(line, mark[:1]) == "" {
			break
		}
		text = append(text, outdent(lines[end], indent))
	}
	code := strings.Join(text, "\n")
	if language == "adf" {
		var n adfNode
		if json.Unmarshal([]byte(code), &n) == nil && n.Type != "" && n.Type != "text" && n.Type != "doc" && n.Type != "hardBreak" {
			prune(&n)
			return &n, min(end+1, len(lines))
		}
	}
	n := &adfNode{Type: "codeBlock"}
	if language != "" {
		n.Attrs = map[string]any{"language": language}
	}
	if code != "" {
		n.Content = []*adfNode{{Type: "text", Text: code}}
	}
	return n, min(end+1, len(lines))
}

// outdent takes up to n columns of white space off a line.
func outdent(line string, n int) string {
	for column := 0; column < n && line != ""; line = line[1:] {
		switch line[0] {
		case ' ':
			column++
		case '\t':
			next := column + 4 - column%4
			if next > n {
				return strings.Repeat(" ", next-n) + line[1:]
			}
			column = next
		default:
			return line
		}
	}
	return line
}

// indentOf returns how many columns of white space a line begins with.
func indentOf(line string) int {
	column := 0
	for _, c := range line {
		switch c {
		case ' ':
			column++
		case '\t':
			column += 4 - column%4
		default:
			return column
		}
	}
	return column
}

func headingLevel(line string) int {
	level := len(line) - len(strings.TrimLeft(line, "#"))
	if level > 6 || level < len(line) && line[level] != ' ' && line[level] != '\t' {
		return 0
	}
	return level
}

func isRule(line string) bool {
	if line == "" || !strings.Contains("-*_", line[:1]) {
		return false
	}
	return strings.Count(line, line[:1]) >= 3 && strings.Trim(line, line[:1]+" \t") == ""
}

// alerts are GitHub's names for the kinds of panels.
var alerts = [][2]string{{"[!NOTE]", "info"}, {"[!IMPORTANT]", "note"}, {"[!TIP]", "success"}, {"[!WARNING]", "warning"}, {"[!CAUTION]", "error"}}

func (r *markdownReader) quote(lines []string, depth int) (*adfNode, int) {
	used := 0
	var inner []string
	for ; used < len(lines); used++ {
		rest, ok := strings.CutPrefix(strings.TrimSpace(lines[used]), ">")
		if !ok {
			break
		}
		inner = append(inner, strings.TrimPrefix(rest, " "))
	}
	n := &adfNode{Type: "blockquote"}
	for _, alert := range alerts {
		if strings.TrimSpace(inner[0]) == alert[0] {
			n.Type, n.Attrs, inner = "panel", map[string]any{"panelType": alert[1]}, inner[1:]
			break
		}
	}
	if n.Content = r.blocks(inner, depth+1); n.Content == nil {
		n.Content = []*adfNode{paragraph()}
	}
	return n, used
}

// marker returns how long the marker of a list's item is, with the space after it, and the number if it has one, -1 otherwise.
func marker(line string) (length, number int) {
	digits := len(line) - len(strings.TrimLeft(line, "0123456789"))
	number = -1
	switch {
	case digits > 9 || digits == len(line):
		return 0, 0
	case digits > 0 && (line[digits] == '.' || line[digits] == ')'):
		number, _ = strconv.Atoi(line[:digits])
	case digits > 0 || !strings.ContainsRune("-*+", rune(line[0])):
		return 0, 0
	}
	length = digits + 1
	rest := line[length:]
	text := strings.TrimLeft(rest, " \t")
	switch {
	case text == "":
		return length + 1, number
	case len(text) == len(rest):
		return 0, 0
	case indentOf(rest) > 4:
		return length + 1, number
	}
	return length + len(rest) - len(text), number
}

func isItem(line string) bool {
	if line == "" {
		return false
	}
	length, _ := marker(line)
	return length > 0
}

func (r *markdownReader) list(lines []string, depth int) (*adfNode, int) {
	outer := indentOf(lines[0])
	_, start := marker(strings.TrimSpace(lines[0]))
	n := &adfNode{Type: "bulletList"}
	if start >= 0 {
		n.Type, n.Attrs = "orderedList", map[string]any{"order": start}
	}
	tasks := start < 0
	var states []string
	used := 0
	for used < len(lines) {
		// Blank lines may stand between items.
		next := used
		for next < len(lines) && strings.TrimSpace(lines[next]) == "" {
			next++
		}
		if next == len(lines) {
			break
		}
		line := strings.TrimSpace(lines[next])
		if !isItem(line) || isRule(line) || indentOf(lines[next]) > outer+3 || indentOf(lines[next])+3 < outer {
			break
		}
		length, number := marker(line)
		if (number >= 0) != (start >= 0) {
			break
		}
		inner := indentOf(lines[next]) + length
		item := []string{line[min(length, len(line)):]}
		for used = next + 1; used < len(lines); used++ {
			blank := strings.TrimSpace(lines[used]) == ""
			indented := indentOf(lines[used]) >= inner
			lazy := !blank && strings.TrimSpace(lines[used-1]) != "" && !startsBlock(lines[used:], depth)
			if !blank && !indented && !lazy {
				break
			}
			item = append(item, outdent(lines[used], inner))
		}
		for len(item) > 1 && strings.TrimSpace(item[len(item)-1]) == "" {
			item = item[:len(item)-1] // belongs to what is after the item
			used--
		}
		state := taskState(item[0])
		tasks = tasks && state != ""
		states = append(states, state)
		content := r.blocks(item, depth+1)
		if len(content) == 0 {
			content = []*adfNode{paragraph()}
		}
		n.Content = append(n.Content, &adfNode{Type: "listItem", Content: content})
	}
	if tasks {
		if list := r.taskList(n, states); list != nil {
			return list, used
		}
	}
	return n, used
}

// taskState returns TODO or DONE if an item is a task.
func taskState(text string) string {
	switch {
	case strings.HasPrefix(text, "[ ] "):
		return "TODO"
	case strings.HasPrefix(text, "[x] "), strings.HasPrefix(text, "[X] "):
		return "DONE"
	}
	return ""
}

// taskList makes a list a list of tasks, unless there is something in it that tasks can't have.
func (r *markdownReader) taskList(list *adfNode, states []string) *adfNode {
	tasks := &adfNode{Type: "taskList", Attrs: r.localID()}
	for i, item := range list.Content {
		text := item.Content[0]
		if text.Type != "paragraph" || len(text.Content) == 0 || text.Content[0].Type != "text" || len(text.Content[0].Text) < 3 {
			return nil
		}
		for _, child := range item.Content[1:] {
			if child.Type != "taskList" {
				return nil
			}
		}
		attrs := r.localID()
		attrs["state"] = states[i]
		first := *text.Content[0]
		first.Text = strings.TrimLeft(first.Text[len("[ ]"):], " ")
		content := append([]*adfNode{&first}, text.Content[1:]...)
		if first.Text == "" {
			content = content[1:]
		}
		tasks.Content = append(tasks.Content, &adfNode{Type: "taskItem", Attrs: attrs, Content: content})
		tasks.Content = append(tasks.Content, item.Content[1:]...)
	}
	return tasks
}

func (r *markdownReader) localID() map[string]any {
	r.tasks++
	return map[string]any{"localId": fmt.Sprintf("00000000-0000-4000-8000-%012d", r.tasks)}
}

// isTable reports whether lines begin with a row and the line under a table's header.
func isTable(lines []string) bool {
	if len(lines) < 2 || !strings.Contains(lines[0], "|") {
		return false
	}
	under := strings.TrimSpace(lines[1])
	return strings.Contains(under, "-") && strings.Contains(under, "|") && strings.Trim(under, "|-: \t") == ""
}

// maxCells is how many cells a table may have for its short rows to be filled up: one long row, and many short ones, would be no end of them.
const maxCells = 100_000

func table(lines []string) (*adfNode, int) {
	n := &adfNode{Type: "table"}
	columns, used := 0, 0
	for ; used < len(lines) && strings.Contains(lines[used], "|"); used++ {
		if used == 1 {
			continue
		}
		kind, cells := "tableCell", splitCells(lines[used])
		if used == 0 {
			kind = "tableHeader"
		}
		columns = max(columns, len(cells))
		row := &adfNode{Type: "tableRow"}
		for _, cell := range cells {
			row.Content = append(row.Content, &adfNode{Type: kind, Content: []*adfNode{paragraph(inline(cell)...)}})
		}
		n.Content = append(n.Content, row)
	}
	for _, row := range n.Content {
		for len(row.Content) < columns && columns*len(n.Content) <= maxCells {
			row.Content = append(row.Content, &adfNode{Type: "tableCell", Content: []*adfNode{paragraph()}})
		}
	}
	return n, used
}

// splitCells splits a table's row. A | after a backslash belongs to its cell.
func splitCells(line string) []string {
	line = strings.TrimPrefix(strings.TrimSpace(line), "|")
	if !strings.HasSuffix(line, `\|`) {
		line = strings.TrimSuffix(line, "|")
	}
	var cells []string
	var cell strings.Builder
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '\\' && i+1 < len(line) && line[i+1] == '|':
			cell.WriteByte('|')
			i++
		case line[i] == '|':
			cells = append(cells, strings.TrimSpace(cell.String()))
			cell.Reset()
		default:
			cell.WriteByte(line[i])
		}
	}
	return append(cells, strings.TrimSpace(cell.String()))
}
