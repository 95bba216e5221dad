package ide

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// This file edits TOML 1.0 (https://toml.io/en/v1.0.0). An entry is a table with a header, in which each member has a line. What is
// written in another way is read and removed, but not changed.

// tomlSyntax is the syntax of TOML.
type tomlSyntax struct{}

// A tomlText is a text and what is in it.
type tomlText struct {
	text    string // without byte order mark
	mark    string // the byte order mark, if there is one
	exprs   []tomlExpr
	decoded map[string]any
}

// A tomlExpr is the header of a table, or a key with its value.
type tomlExpr struct {
	kind       unstable.Kind
	path       []string // from the root
	start, end int      // of the lines that it is on
	key, stop  int      // of the key and value themselves
}

func parseTOML(data []byte) (*tomlText, error) {
	text, marked := strings.CutPrefix(string(data), byteOrderMark)
	d := &tomlText{text: text}
	if marked {
		d.mark = byteOrderMark
	}
	// The decoder knows what must not be there twice; the parser knows where things are.
	if err := toml.Unmarshal([]byte(text), &d.decoded); err != nil {
		e := &syntaxError{line: 1, column: 1, what: "not TOML"}
		if decode, ok := errors.AsType[*toml.DecodeError](err); ok {
			e.line, e.column = decode.Position()
			e.what += ": " + strings.TrimPrefix(decode.Error(), "toml: ")
		}
		return nil, e
	}
	var p unstable.Parser
	p.Reset([]byte(text))
	var table []string
	for p.NextExpression() {
		node := p.Expression()
		e := tomlExpr{kind: node.Kind}
		for keys := node.Key(); keys.Next(); {
			if len(e.path) == 0 {
				e.key = int(keys.Node().Raw.Offset)
			}
			e.path = append(e.path, string(keys.Node().Data))
			e.stop = int(keys.Node().Raw.Offset + keys.Node().Raw.Length)
		}
		if node.Kind == unstable.KeyValue {
			e.key, e.stop = int(node.Raw.Offset), int(node.Raw.Offset+node.Raw.Length)
			e.path = slices.Concat(table, e.path)
		} else {
			table = e.path
		}
		e.start = strings.LastIndex(text[:e.key], "\n") + 1
		e.end = len(text)
		if i := strings.Index(text[e.stop:], "\n"); i >= 0 {
			e.end = e.stop + i + 1
		}
		d.exprs = append(d.exprs, e)
	}
	return d, p.Error()
}

// servers returns the table at path, nil if there is none.
func (d *tomlText) servers(path []string) (map[string]any, error) {
	table := d.decoded
	for _, name := range path {
		value, ok := table[name]
		if !ok {
			return nil, nil
		}
		if table, ok = value.(map[string]any); !ok {
			return nil, fmt.Errorf("%q is not a table", name)
		}
	}
	return table, nil
}

func (tomlSyntax) entries(text []byte, path []string) ([]entry, error) {
	d, err := parseTOML(text)
	if err != nil {
		return nil, err
	}
	servers, err := d.servers(path)
	if err != nil {
		return nil, err
	}
	var entries []entry
	for name, value := range servers {
		members, _ := value.(map[string]any)
		entries = append(entries, entry{name, members})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return entries, nil
}

func (s tomlSyntax) set(text []byte, path []string, name string, members []member, replace bool) ([]byte, error) {
	d, err := parseTOML(text)
	if err != nil {
		return nil, err
	}
	servers, err := d.servers(path)
	if err != nil {
		return nil, err
	}
	full := append(path[:len(path):len(path)], name)
	old, exists := servers[name]
	var out string
	switch table, isTable := old.(map[string]any); {
	case !exists:
		out = d.append(full, members)
	case replace || !isTable:
		if isTable && sameTable(table, members) {
			return text, nil
		}
		if text, err = s.remove(text, path, name); err != nil {
			return nil, err
		}
		return s.set(text, path, name, members, false)
	default:
		out, err = d.merge(full, table, members)
	}
	if err != nil {
		return nil, err
	}
	return d.checked(out)
}

// checked returns out as the text of a file, unless it would break it.
func (d *tomlText) checked(out string) ([]byte, error) {
	if _, err := parseTOML([]byte(out)); err != nil {
		return nil, errors.New("the servers there are written in a way that this program can't add to; add the entry by hand")
	}
	return []byte(d.mark + out), nil
}

func sameTable(table map[string]any, members []member) bool {
	if len(table) != len(members) {
		return false
	}
	for _, m := range members {
		inner, isTable := m.value.([]member)
		old, ok := table[m.name].(map[string]any)
		if isTable && (!ok || !sameTable(old, inner)) || !isTable && !equal(table[m.name], m.value) {
			return false
		}
	}
	return true
}

// append returns the text with a table at its end.
func (d *tomlText) append(path []string, members []member) string {
	eol := lineEnd(d.text)
	table := "[" + tomlKey(path...) + "]"
	for _, m := range members {
		table += eol + tomlLine(m)
	}
	switch {
	case d.text == "":
		return table + eol
	case strings.HasSuffix(d.text, "\n"):
		return d.text + eol + table + eol
	}
	return d.text + eol + eol + table
}

// merge returns the text in which the table at path, which is decoded in table, has the members.
func (d *tomlText) merge(path []string, table map[string]any, members []member) (string, error) {
	header := slices.IndexFunc(d.exprs, func(e tomlExpr) bool { return e.kind == unstable.Table && slices.Equal(e.path, path) })
	eol := lineEnd(d.text)
	var edits []edit
	for _, m := range members {
		old, exists := table[m.name]
		inner, isTable := m.value.([]member)
		oldTable, wasTable := old.(map[string]any)
		switch {
		case exists && (m.keep || !isTable && equal(old, m.value)):
			continue
		case isTable && wasTable:
			if inner = missingIn(oldTable, inner); len(inner) == 0 {
				continue
			}
			own := slices.IndexFunc(d.exprs, func(e tomlExpr) bool {
				return e.kind == unstable.Table && slices.Equal(e.path, append(path[:len(path):len(path)], m.name))
			})
			if own >= 0 {
				next, err := d.merge(d.exprs[own].path, oldTable, inner)
				if err != nil {
					return "", err
				}
				return d.mergeAgain(next, path, members)
			}
			m.value = append(tomlMembers(oldTable, inner), inner...)
		}
		at := slices.IndexFunc(d.exprs, func(e tomlExpr) bool {
			return e.kind == unstable.KeyValue && slices.Equal(e.path, append(path[:len(path):len(path)], m.name))
		})
		switch {
		case at >= 0:
			e := d.exprs[at]
			edits = append(edits, edit{e.key, e.stop, tomlLine(m)})
		case header < 0 || exists:
			return "", fmt.Errorf("[%s] is written in a way that this program can't change; change it by hand", tomlKey(path...))
		default:
			e := d.exprs[header]
			for _, next := range d.exprs[header+1:] {
				if next.kind != unstable.KeyValue {
					break
				}
				e = next
			}
			line := tomlLine(m) + eol
			if !strings.HasSuffix(d.text[:e.end], "\n") {
				line = eol + tomlLine(m)
			}
			edits = append(edits, edit{e.end, e.end, line})
		}
	}
	return d.splice(edits), nil
}

// mergeAgain goes on with merge in text.
func (d *tomlText) mergeAgain(text string, path []string, members []member) (string, error) {
	next, err := parseTOML([]byte(text))
	if err != nil {
		return "", err
	}
	table, err := next.servers(path)
	if err != nil {
		return "", err
	}
	return next.merge(path, table, members)
}

// missingIn returns the members that table doesn't have with their values.
func missingIn(table map[string]any, members []member) (missing []member) {
	for _, m := range members {
		if !equal(table[m.name], m.value) {
			missing = append(missing, m)
		}
	}
	return missing
}

// tomlMembers returns the text members of table, sorted, without those that are in except.
func tomlMembers(table map[string]any, except []member) (members []member) {
	for name, value := range table {
		text, ok := value.(string)
		if ok && !slices.ContainsFunc(except, func(m member) bool { return m.name == name }) {
			members = append(members, member{name: name, value: text})
		}
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return members
}

func (d *tomlText) splice(edits []edit) string {
	slices.SortStableFunc(edits, func(a, b edit) int { return a.start - b.start })
	out, last := "", 0
	for _, e := range edits {
		out += d.text[last:e.start] + e.text
		last = e.end
	}
	return out + d.text[last:]
}

func (tomlSyntax) remove(text []byte, path []string, name string) ([]byte, error) {
	d, err := parseTOML(text)
	if err != nil {
		return nil, err
	}
	full := append(path[:len(path):len(path)], name)
	within := func(e tomlExpr) bool { return len(e.path) >= len(full) && slices.Equal(e.path[:len(full)], full) }
	var edits []edit
	for i, e := range d.exprs {
		switch {
		case !within(e):
		case i > 0 && within(d.exprs[i-1]): // what is between them is ours too
			edits[len(edits)-1].end = e.end
		case e.kind == unstable.KeyValue:
			edits = append(edits, edit{e.start, e.end, ""})
		default:
			edits = append(edits, edit{d.afterBlank(e.start), e.end, ""})
		}
	}
	byHand := fmt.Errorf("[%s] is written in a way that this program can't remove; remove it by hand", tomlKey(full...))
	if len(edits) == 0 {
		if servers, err := d.servers(path); err != nil || servers[name] != nil { // in an inline table
			return nil, byHand
		}
		return text, nil
	}
	out := d.splice(edits)
	if last := edits[len(edits)-1]; last.end == len(d.text) && !strings.HasSuffix(d.text, "\n") {
		out = strings.TrimSuffix(strings.TrimSuffix(out, "\n"), "\r") // as append found it
	}
	if _, err := parseTOML([]byte(out)); err != nil {
		return nil, byHand
	}
	return []byte(d.mark + out), nil
}

// afterBlank returns start, or where the empty line before it starts.
func (d *tomlText) afterBlank(start int) int {
	before := []byte(d.text[:start])
	for _, eol := range []string{"\r\n", "\n"} {
		if rest, ok := bytes.CutSuffix(before, []byte(eol)); ok && (len(rest) == 0 || rest[len(rest)-1] == '\n') {
			return len(rest)
		}
	}
	return start
}

// tomlLine writes a member as "key = value".
func tomlLine(m member) string { return tomlKey(m.name) + " = " + tomlValue(m.value) }

func tomlValue(value any) string {
	switch value := value.(type) {
	case string:
		return tomlString(value)
	case []string:
		quoted := make([]string, len(value))
		for i, v := range value {
			quoted[i] = tomlString(v)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case []member:
		var lines []string
		for _, m := range value {
			lines = append(lines, tomlLine(m))
		}
		return "{ " + strings.Join(lines, ", ") + " }"
	}
	return fmt.Sprint(value)
}

// tomlKey writes a dotted key, quoted where it has to be.
func tomlKey(names ...string) string {
	keys := make([]string, len(names))
	for i, name := range names {
		if keys[i] = name; name == "" || strings.ContainsFunc(name, isNotBare) {
			keys[i] = tomlString(name)
		}
	}
	return strings.Join(keys, ".")
}

func isNotBare(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
}

// tomlString writes a literal string where that is possible, so that paths on Windows stay readable.
func tomlString(text string) string {
	if strings.Contains(text, `\`) && !strings.ContainsFunc(text, func(r rune) bool { return r == '\'' || r < ' ' || r == 0x7f }) {
		return "'" + text + "'"
	}
	return strings.ReplaceAll(quote(text), "\x7f", `\u007f`) // the rest of JSON's escapes are TOML's
}
