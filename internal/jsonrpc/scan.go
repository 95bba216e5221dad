package jsonrpc

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"
)

// A SyntaxError says why bytes are not one JSON value (RFC 8259).
type SyntaxError struct {
	Offset int64 // of the offending byte
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Reason)
}

// A scanner reads one JSON value, in pieces of any size, and notes the members of the outermost object that make it a message.
// It uses no stack of its own beyond one bit a level, so that nesting of any depth is harmless, and it can go on after the bytes themselves
// have been thrown away, which is how a message over the limit still gets its answer.
type scanner struct {
	state   state
	text    string // inWord: the rest of true, false or null
	hex     int    // inHex: digits still to come
	key     bool   // inString: the string is a member's name
	base    int64  // offset of the piece being read
	depth   int    // open objects and arrays
	objects bitmap // bit i is set if the container at depth i+1 is an object
	first   byte   // first byte of the value
	field   field  // of the outermost member being read
	taking  taking // what for the token being read is kept
	from    int    // where it begins in this piece
	taken   []byte // what earlier pieces held of it

	id             string
	idStart, idEnd int64
	method         string
	has            [fields]bool
	lines          bool
}

// taking says whether a token is being kept.
type taking uint8

const (
	nothing taking = iota
	aName
	aValue
)

type state uint8

const (
	wantValue      state = iota // a value must follow
	wantValueOrEnd              // after [
	wantNameOrEnd               // after {
	wantName                    // after , in an object
	wantColon                   // after a name
	afterValue                  // , or the end of the container
	inString                    // after "
	inEscape                    // after \
	inHex                       // after \u
	inWord                      // in true, false, null
	afterMinus                  // number: a digit must follow
	afterZero                   // number: no digit may follow
	inInteger                   // number
	afterPoint                  // number: a digit must follow
	inFraction                  // number
	afterE                      // number: a sign or digit must follow
	afterSign                   // number: a digit must follow
	inExponent                  // number
)

// A field is a member of the outermost object that makes it a message.
type field uint8

const (
	other field = iota
	fieldID
	fieldMethod
	fieldResult
	fieldError
	fields
)

// longestName bounds what is kept of a member's name: "method" with every letter written as \u006d has 36 bytes and two quotes.
const longestName = 64

// write reads the next piece. After an error the scanner must not be used again.
func (s *scanner) write(p []byte) error {
	for i := 0; i < len(p); i++ {
		c := p[i]
		switch s.state {
		case inString:
			n := plain(p[i:])
			if i += n; i == len(p) {
				break
			}
			switch p[i] {
			case '"':
				if s.key {
					s.endName(p, i+1)
				} else {
					s.endValue(p, i+1)
				}
			case '\\':
				s.state = inEscape
			default:
				return s.fail(i, "control character in a string")
			}

		case wantValue, wantValueOrEnd:
			if s.blank(c) {
				continue
			}
			if c == ']' && s.state == wantValueOrEnd {
				s.leave(p, i)
				continue
			}
			if err := s.beginValue(c, i); err != nil {
				return err
			}

		case wantNameOrEnd, wantName:
			switch {
			case s.blank(c):
			case c == '"':
				s.state, s.key = inString, true
				if s.depth == 1 {
					s.take(aName, i)
				}
			case c == '}' && s.state == wantNameOrEnd:
				s.leave(p, i)
			default:
				return s.fail(i, "a member's name must follow")
			}

		case wantColon:
			switch {
			case s.blank(c):
			case c == ':':
				s.state = wantValue
			default:
				return s.fail(i, "a colon must follow")
			}

		case afterValue:
			if s.blank(c) {
				continue
			}
			if err := s.next(p, c, i); err != nil {
				return err
			}

		case inEscape:
			switch c {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				s.state = inString
			case 'u':
				s.state, s.hex = inHex, 4
			default:
				return s.fail(i, "unknown escape in a string")
			}

		case inHex:
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
				return s.fail(i, "four hexadecimal digits must follow \\u")
			}
			if s.hex--; s.hex == 0 {
				s.state = inString
			}

		case inWord:
			if c != s.text[0] {
				return s.fail(i, "unknown word")
			}
			if s.text = s.text[1:]; s.text == "" {
				s.endValue(p, i+1)
			}

		default:
			more, err := s.number(c, i)
			if err != nil {
				return err
			}
			if !more {
				s.endValue(p, i)
				i-- // c comes after the number
			}
		}
	}
	switch {
	case s.taking == aName && len(s.taken) > longestName:
		s.taking = nothing // no name of ours
	case s.taking != nothing:
		s.taken = append(s.taken, p[s.from:]...)
		s.from = 0
	}
	s.base += int64(len(p))
	return nil
}

// close says whether what was written is a whole value.
func (s *scanner) close() error {
	switch s.state {
	case afterZero, inInteger, inFraction, inExponent:
		s.endValue(nil, 0)
	}
	if s.state != afterValue || s.depth > 0 {
		return s.fail(0, "unexpected end")
	}
	return nil
}

// message returns what has been seen so far; Raw is for the caller to set.
func (s *scanner) message() Message {
	m := Message{ID: ID(s.id), idStart: int(s.idStart), idEnd: int(s.idEnd), lines: s.lines}
	name := len(s.method) > 0 && s.method[0] == '"'
	if name {
		m.Method = unquote(s.method)
	}
	switch {
	case s.first == '[':
		m.Kind = Batch
	case name && s.has[fieldID]:
		m.Kind = Request
	case name:
		m.Kind = Notification
	case !s.has[fieldMethod] && (s.has[fieldResult] || s.has[fieldError]):
		m.Kind, m.Failed = Response, s.has[fieldError]
	}
	return m
}

func (s *scanner) blank(c byte) bool {
	switch c {
	case '\n', '\r':
		s.lines = true
		return true
	case ' ', '\t':
		return true
	}
	return false
}

// beginValue reads the first byte of a value.
func (s *scanner) beginValue(c byte, i int) error {
	if s.depth == 0 {
		s.first = c
	}
	if s.depth == 1 && (s.field == fieldID || s.field == fieldMethod) {
		s.take(aValue, i)
		if s.field == fieldID {
			s.idStart = s.base + int64(i)
		}
	}
	switch {
	case c == '"':
		s.state, s.key = inString, false
	case c == '{':
		s.enter(true)
		s.state = wantNameOrEnd
	case c == '[':
		s.enter(false)
		s.state = wantValueOrEnd
	case c == 't':
		s.state, s.text = inWord, "rue"
	case c == 'f':
		s.state, s.text = inWord, "alse"
	case c == 'n':
		s.state, s.text = inWord, "ull"
	case c == '-':
		s.state = afterMinus
	case c == '0':
		s.state = afterZero
	case '1' <= c && c <= '9':
		s.state = inInteger
	default:
		return s.fail(i, "a value must follow")
	}
	return nil
}

// endValue is called when a value ends before p[i].
func (s *scanner) endValue(p []byte, i int) {
	s.state = afterValue
	if s.depth != 1 || s.field == other {
		return
	}
	s.has[s.field] = true
	switch s.field {
	case fieldID:
		s.id, s.idEnd = s.took(p, i), s.base+int64(i)
	case fieldMethod:
		s.method = s.took(p, i)
	}
	s.field = other
}

// endName is called when a member's name ends before p[i].
func (s *scanner) endName(p []byte, i int) {
	s.state = wantColon
	if s.depth != 1 || s.taking != aName {
		return
	}
	s.field = other
	if name := s.token(p, i); len(name) <= longestName {
		s.field = fieldOf(name)
	}
}

func fieldOf(name []byte) field {
	if bytes.IndexByte(name, '\\') >= 0 {
		name = []byte(`"` + unquote(string(name)) + `"`)
	}
	switch string(name) {
	case `"id"`:
		return fieldID
	case `"method"`:
		return fieldMethod
	case `"result"`:
		return fieldResult
	case `"error"`:
		return fieldError
	}
	return other
}

// next reads what follows a value.
func (s *scanner) next(p []byte, c byte, i int) error {
	switch {
	case s.depth == 0:
		return s.fail(i, "more than one value")
	case c == ',' && s.objects.get(s.depth-1):
		s.state = wantName
	case c == ',':
		s.state = wantValue
	case c == '}' && s.objects.get(s.depth-1), c == ']' && !s.objects.get(s.depth-1):
		s.leave(p, i)
	default:
		return s.fail(i, "a comma or the end must follow")
	}
	return nil
}

func (s *scanner) enter(object bool) {
	s.objects.set(s.depth, object)
	s.depth++
}

// leave is called at the end of an object or array, p[i].
func (s *scanner) leave(p []byte, i int) {
	s.depth--
	s.endValue(p, i+1)
}

// number reads c in a number; more is false if c comes after it.
func (s *scanner) number(c byte, i int) (more bool, err error) {
	digit := '0' <= c && c <= '9'
	switch {
	case s.state == afterMinus && c == '0':
		s.state = afterZero
	case s.state == afterMinus && digit:
		s.state = inInteger
	case (s.state == inInteger || s.state == inFraction || s.state == inExponent) && digit:
	case (s.state == afterZero || s.state == inInteger) && c == '.':
		s.state = afterPoint
	case s.state == afterPoint && digit:
		s.state = inFraction
	case (s.state == afterZero || s.state == inInteger || s.state == inFraction) && (c == 'e' || c == 'E'):
		s.state = afterE
	case s.state == afterE && (c == '+' || c == '-'):
		s.state = afterSign
	case (s.state == afterE || s.state == afterSign) && digit:
		s.state = inExponent
	case s.state == afterMinus || s.state == afterPoint || s.state == afterE || s.state == afterSign:
		return false, s.fail(i, "a digit must follow")
	default:
		return false, nil
	}
	return true, nil
}

// take begins to keep a token at p[i] of this piece.
func (s *scanner) take(what taking, i int) {
	s.taking, s.from, s.taken = what, i, s.taken[:0]
}

// token ends it before p[i]. Its bytes are good until the next take or write.
func (s *scanner) token(p []byte, i int) []byte {
	s.taking = nothing
	if len(s.taken) == 0 {
		return p[s.from:i]
	}
	s.taken = append(s.taken, p[min(s.from, i):i]...)
	return s.taken
}

// took is token for bytes that stay.
func (s *scanner) took(p []byte, i int) string {
	return string(s.token(p, i))
}

func (s *scanner) fail(i int, reason string) error {
	return &SyntaxError{Offset: s.base + int64(i), Reason: reason}
}

// unquote decodes a JSON string that is known to be valid.
func unquote(quoted string) string {
	for i := range len(quoted) {
		if c := quoted[i]; c == '\\' || c >= 0x80 {
			var text string
			json.Unmarshal([]byte(quoted), &text)
			return text
		}
	}
	return quoted[1 : len(quoted)-1]
}

// plain returns how many bytes p has before the first quote, control character or escape other than the two-byte ones, eight at a
// time: a message is mostly text. See "Bit Twiddling Hacks", hasless and haszero, for the arithmetic; the lowest bit that it finds is exact.
func plain(p []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for i+8 <= len(p) {
		w := binary.LittleEndian.Uint64(p[i:])
		found := ((w - ones*0x20) | ((w ^ ones*'"') - ones) | ((w ^ ones*'\\') - ones)) &^ w & highs
		if found == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(found) / 8
		if p[i] != '\\' || i+1 == len(p) || !short[p[i+1]] {
			return i
		}
		i += 2
	}
	for ; i < len(p); i++ {
		if c := p[i]; c == '"' || c == '\\' || c < 0x20 {
			break
		}
	}
	return i
}

// short is what may follow a backslash, but for u.
var short = [256]bool{'"': true, '\\': true, '/': true, 'b': true, 'f': true, 'n': true, 'r': true, 't': true}

// A bitmap is a set of integers. The first 64, which are all that most messages need, take no memory of their own.
type bitmap struct {
	first uint64
	more  []uint64
}

func (b *bitmap) get(i int) bool {
	if i < 64 {
		return b.first&(1<<i) != 0
	}
	return b.more[i/64-1]&(1<<(i%64)) != 0
}

func (b *bitmap) set(i int, v bool) {
	w := &b.first
	if i >= 64 {
		if i/64-1 == len(b.more) {
			b.more = append(b.more, 0)
		}
		w = &b.more[i/64-1]
	}
	if v {
		*w |= 1 << (i % 64)
	} else {
		*w &^= 1 << (i % 64)
	}
}
