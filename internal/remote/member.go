package remote

import (
	"bytes"
	"encoding/json"
	"iter"
)

// This file finds members of a message where they stand. It is for JSON that jsonrpc has already found valid; of other bytes it
// makes nothing sensible, but no harm either. Names are matched exactly, after decoding escapes, where encoding/json would take
// "Name" for "name", and a value is never decoded to be passed over.

// A jsonSpan is where a value stands in a JSON text.
type jsonSpan struct{ start, end int }

// jsonLookup returns the value at a path of member names, nil if there is none. Of members with the same name the last one
// counts, as it does in package jsonrpc.
func jsonLookup(raw []byte, path ...string) []byte {
	for _, name := range path {
		var value []byte
		for member, at := range jsonMembers(raw, jsonSpan{0, len(raw)}) {
			if member == name {
				value = raw[at.start:at.end]
			}
		}
		raw = value
	}
	return raw
}

// jsonString returns the string that raw is.
func jsonString(raw []byte) (s string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	return s, json.Unmarshal(raw, &s) == nil
}

// jsonMembers yields the name and the value of each member of the object in raw, nothing if that is no object.
func jsonMembers(raw []byte, at jsonSpan) iter.Seq2[string, jsonSpan] {
	return func(yield func(string, jsonSpan) bool) {
		raw := raw[:at.end]
		i, ok := jsonToken(raw, at.start, '{')
		for ok {
			name := jsonValue(raw, i)
			value, colon := jsonToken(raw, name.end, ':')
			if !colon {
				return
			}
			text, _ := jsonString(raw[name.start:name.end])
			v := jsonValue(raw, value)
			if !yield(text, v) {
				return
			}
			i, ok = jsonToken(raw, v.end, ',')
		}
	}
}

// jsonElements yields each element of the array in raw, nothing if that is no array.
func jsonElements(raw []byte, at jsonSpan) iter.Seq[jsonSpan] {
	return func(yield func(jsonSpan) bool) {
		raw := raw[:at.end]
		i, ok := jsonToken(raw, at.start, '[')
		for ok {
			v := jsonValue(raw, i)
			if v.start == v.end || !yield(v) { // [] has no first element
				return
			}
			i, ok = jsonToken(raw, v.end, ',')
		}
	}
}

// jsonToken passes over white space and c. It returns false if c isn't there.
func jsonToken(raw []byte, i int, c byte) (int, bool) {
	i = jsonSpace(raw, i)
	return i + 1, i < len(raw) && raw[i] == c
}

func jsonSpace(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\t' || raw[i] == '\r' || raw[i] == '\n') {
		i++
	}
	return i
}

// jsonValue returns where the value stands that begins at i or after the white space there.
func jsonValue(raw []byte, i int) jsonSpan {
	start := jsonSpace(raw, i)
	depth := 0
	for i = start; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i = jsonStringEnd(raw, i)
			if depth == 0 {
				return jsonSpan{start, i + 1}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return jsonSpan{start, i}
			}
			if depth == 0 {
				return jsonSpan{start, i + 1}
			}
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 { // after a number or a word
				return jsonSpan{start, i}
			}
		}
	}
	return jsonSpan{start, len(raw)}
}

// jsonStringEnd returns where the string that begins at i has its closing quote.
func jsonStringEnd(raw []byte, i int) int {
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
