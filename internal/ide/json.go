package ide

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/tailscale/hujson"
)

// This file edits JSON as clients read it: with comments and trailing commas (hujson), which are kept. Nothing is encoded anew.
// The parser says where in the text things are, and edits are made there.

// jsonSyntax is the syntax of JSON.
type jsonSyntax struct{}

// A jsonText is a text and what is in it.
type jsonText struct {
	text string // without byte order mark
	mark string // the byte order mark, if there is one
	root hujson.Value
	// blank says that there is nothing but comments and space in the text. The root is not in it then.
	blank bool
}

// parseJSON takes a text that has nothing but comments in it for an empty object.
func parseJSON(data []byte) (*jsonText, error) {
	text, marked := strings.CutPrefix(string(data), byteOrderMark)
	d := &jsonText{text: text}
	if marked {
		d.mark = byteOrderMark
	}
	var err error
	if d.root, err = hujson.Parse([]byte(text + "\n{}")); err == nil {
		d.blank = true // or else there would be two values
		return d, nil
	}
	// The parser wants a comment in the last line to end, which offsets don't notice.
	if d.root, err = hujson.Parse([]byte(text + "\n")); err != nil {
		e := &syntaxError{line: 1, column: 1, what: "not JSON"}
		fmt.Sscanf(err.Error(), "hujson: line %d, column %d:", &e.line, &e.column)
		if cause := errors.Unwrap(err); cause != nil {
			// What precedes a colon is as good; what follows may be a secret out of the file.
			what, _, _ := strings.Cut(cause.Error(), ": ")
			e.what += ": " + what
		}
		return nil, e
	}
	if _, ok := d.root.Value.(*hujson.Object); !ok {
		return nil, syntaxErrorAt([]byte(text), d.root.StartOffset, "not an object")
	}
	return d, nil
}

// object returns v as an object, or an error that says that it should be one.
func (d *jsonText) object(v *hujson.Value, name string) (*hujson.Object, error) {
	obj, ok := v.Value.(*hujson.Object)
	if !ok {
		return nil, syntaxErrorAt([]byte(d.text), v.StartOffset, fmt.Sprintf("%q is not an object", name))
	}
	return obj, nil
}

// find returns the index of the member of a name, -1 if there is none. Of several the last one counts, as in JavaScript.
func find(obj *hujson.Object, name string) int {
	for i := len(obj.Members) - 1; i >= 0; i-- {
		if literal, ok := obj.Members[i].Name.Value.(hujson.Literal); ok && literal.String() == name {
			return i
		}
	}
	return -1
}

// walk follows path from the root as far as it goes. It returns the last value that is there and the names that are not, or are null.
func (d *jsonText) walk(path []string) (*hujson.Value, []string, error) {
	v, name := &d.root, ""
	for ; len(path) > 0; path = path[1:] {
		obj, err := d.object(v, name)
		if err != nil {
			return nil, nil, err
		}
		i := find(obj, path[0])
		if i < 0 || isNull(obj.Members[i].Value) {
			break
		}
		v, name = &obj.Members[i].Value, path[0]
	}
	_, err := d.object(v, name)
	return v, path, err
}

func isNull(v hujson.Value) bool {
	literal, ok := v.Value.(hujson.Literal)
	return ok && literal.Kind() == 'n'
}

// decode returns the value of v as encoding/json has it.
func decode(v hujson.Value) (decoded any) {
	v = v.Clone()
	v.Standardize()
	json.Unmarshal(v.Pack(), &decoded) // it has been parsed
	return decoded
}

func (jsonSyntax) entries(text []byte, path []string) ([]entry, error) {
	d, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	v, missing, err := d.walk(path)
	if err != nil || len(missing) > 0 {
		return nil, err
	}
	var entries []entry
	for _, m := range v.Value.(*hujson.Object).Members {
		members, _ := decode(m.Value).(map[string]any)
		entries = append(entries, entry{m.Name.Value.(hujson.Literal).String(), members})
	}
	return entries, nil
}

func (jsonSyntax) set(text []byte, path []string, name string, members []member, replace bool) ([]byte, error) {
	d, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	if d.blank {
		s := jsonStyle{eol: lineEnd(d.text), unit: "  ", colon: ": ", comma: ", "}
		comments := strings.TrimRight(d.text, " \t\r\n")
		if comments != "" {
			comments += s.eol
		}
		value := any(members)
		for _, name := range append([]string{name}, reversed(path)...) {
			value = []member{{name: name, value: value}}
		}
		return []byte(d.mark + comments + s.format(value, "", true) + s.eol), nil
	}
	v, missing, err := d.walk(append(path[:len(path):len(path)], name))
	if len(missing) == 0 && err != nil || len(missing) == 0 && replace {
		// The entry is not an object, or not the one to keep.
		v, _, err = d.walk(path)
		if err != nil {
			return nil, err
		}
		obj := v.Value.(*hujson.Object)
		i := find(obj, name)
		if reflect.DeepEqual(decode(obj.Members[i].Value), plainValue(members)) {
			return text, nil
		}
		return d.splice(d.exchange(v, i, members)), nil
	}
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		value := any(members)
		for _, name := range reversed(missing[1:]) {
			value = []member{{name: name, value: value}}
		}
		if i := find(v.Value.(*hujson.Object), missing[0]); i >= 0 { // null
			return d.splice(d.exchange(v, i, value)), nil
		}
		return d.splice(d.insert(v, missing[0], value)...), nil
	}
	return d.merge(v, members)
}

// merge makes the object v have the members.
func (d *jsonText) merge(v *hujson.Value, members []member) ([]byte, error) {
	obj := v.Value.(*hujson.Object)
	for _, m := range members {
		i := find(obj, m.name)
		if i >= 0 && m.keep {
			continue
		}
		var edits []edit
		if i < 0 {
			edits = d.insert(v, m.name, m.value)
		} else {
			old := &obj.Members[i].Value
			inner, isObject := m.value.([]member)
			if _, ok := old.Value.(*hujson.Object); ok && isObject {
				data, err := d.merge(old, inner)
				if err != nil {
					return nil, err
				}
				if string(data) != d.mark+d.text {
					return d.again(data, v, members)
				}
				continue
			}
			if equal(decode(*old), m.value) {
				continue
			}
			edits = []edit{d.exchange(v, i, m.value)}
		}
		return d.again(d.splice(edits...), v, members)
	}
	return []byte(d.mark + d.text), nil
}

// again goes on with merge in data, where something has been changed inside of v and offsets are others.
func (d *jsonText) again(data []byte, v *hujson.Value, members []member) ([]byte, error) {
	next, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	for candidate := range next.root.All() {
		if _, ok := candidate.Value.(*hujson.Object); ok && candidate.StartOffset == v.StartOffset {
			return next.merge(candidate, members)
		}
	}
	return nil, errors.New("the edit went wrong")
}

func (s jsonSyntax) remove(text []byte, path []string, name string) ([]byte, error) {
	d, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	v, missing, err := d.walk(path)
	if err != nil || len(missing) > 0 {
		return text, err
	}
	i := find(v.Value.(*hujson.Object), name)
	if i < 0 {
		return text, nil
	}
	return s.remove(d.splice(d.cut(v, i)...), path, name) // there may be two of a name
}

// An edit replaces what is between two offsets of a text.
type edit struct {
	start, end int
	text       string
}

// splice makes edits, which are in order and do not overlap.
func (d *jsonText) splice(edits ...edit) []byte {
	out := d.mark
	last := 0
	for _, e := range edits {
		out += d.text[last:e.start] + e.text
		last = e.end
	}
	return []byte(out + d.text[last:])
}

// exchange makes value that of member i of the object v.
func (d *jsonText) exchange(v *hujson.Value, i int, value any) edit {
	old := &v.Value.(*hujson.Object).Members[i].Value
	s := d.style(v)
	return edit{old.StartOffset, old.EndOffset, s.format(value, s.indent, s.lines)}
}

// insert adds a member at the end of the object v, after the comments there, in the style of its neighbours.
func (d *jsonText) insert(v *hujson.Value, name string, value any) []edit {
	obj := v.Value.(*hujson.Object)
	s := d.style(v)
	end := v.EndOffset - len("}")
	inside := end - len(obj.AfterExtra)
	kept := strings.TrimRight(string(obj.AfterExtra), " \t\r\n")
	at := inside + len(kept)

	member := quote(name) + s.colon + s.format(value, s.indent, s.lines)
	if s.lines {
		member = s.eol + s.indent + member
	}
	if len(obj.Members) == 0 {
		if s.lines {
			member += s.eol + s.outer
			return []edit{{at, end, member}}
		}
		return []edit{{at, end, member}}
	}
	last := obj.Members[len(obj.Members)-1].Value
	if last.AfterExtra != nil { // has a comma after it
		return []edit{{at, at, s.space() + member + ","}}
	}
	if at == last.EndOffset {
		return []edit{{at, at, "," + s.space() + member}}
	}
	return []edit{{last.EndOffset, last.EndOffset, ","}, {at, at, s.space() + member}}
}

// cut removes member i of the object v, and the comma that it leaves too many. It undoes insert. Comments are kept.
func (d *jsonText) cut(v *hujson.Value, i int) []edit {
	obj := v.Value.(*hujson.Object)
	m := &obj.Members[i]
	kept := strings.TrimRight(string(m.Name.BeforeExtra), " \t\r\n")
	start := m.Name.StartOffset - len(m.Name.BeforeExtra) + len(kept)
	end := m.Value.EndOffset
	isLast := i == len(obj.Members)-1
	var edits []edit
	switch {
	case !isLast || m.Value.AfterExtra != nil: // a comma follows, after comments
		comma := end + len(m.Value.AfterExtra)
		if strings.TrimSpace(string(m.Value.AfterExtra)) == "" {
			end = comma + 1
			edits = []edit{{start, end, ""}}
		} else {
			edits = []edit{{start, end, ""}, {comma, comma + 1, ""}}
		}
	case i > 0:
		prev := obj.Members[i-1].Value
		comma := prev.EndOffset + len(prev.AfterExtra)
		edits = []edit{{comma, comma + 1, ""}, {start, end, ""}}
	default:
		edits = []edit{{start, end, ""}}
	}
	after := d.text[end : v.EndOffset-1]
	if len(obj.Members) == 1 && kept == "" && strings.TrimSpace(strings.TrimPrefix(after, ",")) == "" {
		return []edit{{v.StartOffset + 1, v.EndOffset - 1, ""}}
	}
	// A comment to the end of the line must not take more with it.
	if line := kept[strings.LastIndex(kept, "\n")+1:]; strings.Contains(line, "//") && !startsLine(d.text[end:]) {
		for j := range edits {
			if edits[j].start == start {
				edits[j].text = lineEnd(d.text)
			}
		}
	}
	return edits
}

// startsLine reports whether nothing but space is before the end of the first line of text.
func startsLine(text string) bool {
	text = strings.TrimLeft(text, " \t\r")
	return strings.HasPrefix(text, "\n")
}

// A jsonStyle is how the members of an object are written.
type jsonStyle struct {
	eol    string
	unit   string // by which members are indented
	indent string // of the members
	outer  string // of the line that closes the object
	colon  string
	comma  string // between members on one line
	lines  bool   // each member has a line of its own
}

// space returns what follows a comma.
func (s jsonStyle) space() string {
	if s.lines {
		return ""
	}
	return strings.TrimPrefix(s.comma, ",")
}

// style returns how the members of v are written, or would be.
func (d *jsonText) style(v *hujson.Value) jsonStyle {
	s := jsonStyle{eol: lineEnd(d.text), unit: "  ", colon: ": ", comma: ", "}
	root := d.root.Value.(*hujson.Object)
	if len(root.Members) > 0 {
		first := root.Members[0]
		if in, ok := indentation(string(first.Name.BeforeExtra)); ok && in != "" {
			s.unit = in
		}
		if first.Value.BeforeExtra == nil {
			s.colon, s.comma = ":", ","
		}
	}
	line := d.text[strings.LastIndex(d.text[:v.StartOffset], "\n")+1 : v.StartOffset]
	s.outer = line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	s.indent = s.outer + s.unit
	obj := v.Value.(*hujson.Object)
	switch {
	case len(obj.Members) > 0:
		last := obj.Members[len(obj.Members)-1]
		in, ok := indentation(string(last.Name.BeforeExtra))
		if s.lines = ok; ok {
			s.indent = in
		}
		if strings.Contains(string(obj.AfterExtra), "//") { // to the end of its line
			s.lines = true
		}
	case len(root.Members) > 0:
		_, s.lines = indentation(string(root.Members[0].Name.BeforeExtra))
		s.lines = s.lines || strings.Contains(string(obj.AfterExtra), "//")
	default:
		s.lines = true
	}
	return s
}

// indentation returns the space after the last line end in extra, and whether there is one.
func indentation(extra string) (string, bool) {
	i := strings.LastIndex(extra, "\n")
	if i < 0 {
		return "", false
	}
	extra = extra[i+1:]
	return extra[:len(extra)-len(strings.TrimLeft(extra, " \t"))], true
}

// format writes a value, an object over several lines if lines is set. indent is that of the line on which it begins.
func (s jsonStyle) format(value any, indent string, lines bool) string {
	switch value := value.(type) {
	case string:
		return quote(value)
	case bool:
		return fmt.Sprint(value)
	case []string:
		quoted := make([]string, len(value))
		for i, v := range value {
			quoted[i] = quote(v)
		}
		return "[" + strings.Join(quoted, s.comma) + "]"
	}
	var b strings.Builder
	for i, m := range value.([]member) {
		switch {
		case lines && i > 0:
			b.WriteString("," + s.eol + indent + s.unit)
		case lines:
			b.WriteString(s.eol + indent + s.unit)
		case i > 0:
			b.WriteString(s.comma)
		}
		b.WriteString(quote(m.name) + s.colon + s.format(m.value, indent+s.unit, lines))
	}
	if lines {
		b.WriteString(s.eol + indent)
	}
	return "{" + b.String() + "}"
}

// quote writes text as a JSON string, without the escapes that only HTML needs. Any JSON string is one of YAML too.
func quote(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(text) // a string can be encoded, a Builder written to
	return strings.TrimSuffix(b.String(), "\n")
}

// plainValue returns a member's value as encoding/json would decode it.
func plainValue(value any) any {
	switch value := value.(type) {
	case []string:
		list := make([]any, len(value))
		for i, v := range value {
			list[i] = v
		}
		return list
	case []member:
		object := make(map[string]any)
		for _, m := range value {
			object[m.name] = plainValue(m.value)
		}
		return object
	}
	return value
}

func reversed(names []string) []string {
	out := make([]string, 0, len(names))
	for i := len(names) - 1; i >= 0; i-- {
		out = append(out, names[i])
	}
	return out
}
