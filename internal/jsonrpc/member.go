package jsonrpc

import (
	"bytes"
	"encoding/json"
	"iter"
)

// This file finds members of a message where they stand. It is for JSON that Parse has found valid; of other bytes it
// makes nothing sensible, but no harm either. Names are matched exactly, after decoding escapes, where encoding/json would take
// "Name" for "name", and a value is never decoded to be passed over.

// A Span is where a value stands in a JSON text.
type Span struct{ Start, End int }

// Whole returns where raw stands in itself.
func Whole(raw []byte) Span { return Span{0, len(raw)} }

// Lookup returns the value at a path of member names, nil if there is none. Of members with the same name the last one
// counts, as it does for Parse.
func Lookup(raw []byte, path ...string) []byte {
	at, ok := Find(raw, path...)
	if !ok {
		return nil
	}
	return raw[at.Start:at.End]
}

// Find returns where the value is that Lookup returns, and whether there is one.
func Find(raw []byte, path ...string) (at Span, ok bool) {
	at = Whole(raw)
	for _, name := range path {
		ok = false
		for member, value := range Members(raw, at) {
			if member == name {
				at, ok = value, true
			}
		}
		if !ok {
			return Span{}, false
		}
	}
	return at, true
}

// Text returns the string that raw is.
func Text(raw []byte) (s string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	return s, json.Unmarshal(raw, &s) == nil
}

// Members yields the name and the value of each member of the object in raw, nothing if that is no object.
func Members(raw []byte, at Span) iter.Seq2[string, Span] {
	return func(yield func(string, Span) bool) {
		raw := raw[:at.End]
		i, ok := token(raw, at.Start, '{')
		for ok {
			name := valueAt(raw, i)
			value, colon := token(raw, name.End, ':')
			if !colon {
				return
			}
			text, _ := Text(raw[name.Start:name.End])
			v := valueAt(raw, value)
			if !yield(text, v) {
				return
			}
			i, ok = token(raw, v.End, ',')
		}
	}
}

// Elements yields each element of the array in raw, nothing if that is no array.
func Elements(raw []byte, at Span) iter.Seq[Span] {
	return func(yield func(Span) bool) {
		raw := raw[:at.End]
		i, ok := token(raw, at.Start, '[')
		for ok {
			v := valueAt(raw, i)
			if v.Start == v.End || !yield(v) { // [] has no first element
				return
			}
			i, ok = token(raw, v.End, ',')
		}
	}
}

// Strings yields each string in the value in raw, however deep, in its order. With one that is the name of a member comes where the member's value
// begins, with any other 0.
func Strings(raw []byte, at Span) iter.Seq2[Span, int] {
	return func(yield func(text Span, value int) bool) {
		raw := raw[:at.End]
		for i := at.Start; i < len(raw); {
			n := bytes.IndexByte(raw[i:], '"')
			if n < 0 {
				return
			}
			text := Span{i + n, stringEnd(raw, i+n) + 1}
			value, named := token(raw, text.End, ':')
			if value = space(raw, value); !named {
				value = 0
			}
			if !yield(text, value) {
				return
			}
			i = text.End
		}
	}
}

// token passes over white space and c. It returns false if c isn't there.
func token(raw []byte, i int, c byte) (int, bool) {
	i = space(raw, i)
	return i + 1, i < len(raw) && raw[i] == c
}

func space(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\t' || raw[i] == '\r' || raw[i] == '\n') {
		i++
	}
	return i
}

// valueAt returns where the value stands that begins at i or after the white space there.
func valueAt(raw []byte, i int) Span {
	start := space(raw, i)
	depth := 0
	for i = start; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i = stringEnd(raw, i)
			if depth == 0 {
				return Span{start, i + 1}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return Span{start, i}
			}
			if depth == 0 {
				return Span{start, i + 1}
			}
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 { // after a number or a word
				return Span{start, i}
			}
		}
	}
	return Span{start, len(raw)}
}

// stringEnd returns where the string that begins at i has its closing quote.
func stringEnd(raw []byte, i int) int {
	for end := i + 1; ; end++ {
		n := bytes.IndexByte(raw[end:], '"')
		if n < 0 {
			return len(raw) - 1
		}
		end += n
		escapes := 0
		for raw[end-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return end
		}
	}
}
