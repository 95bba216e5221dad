package rovo

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// This file implements the grammar of JQL, the Jira Query Language, with Jira's words for what breaks it. History (WAS, CHANGED) and entity
// properties are left out. jql_match.go gives a query its meaning, jql_field.go knows the fields.

// A jqlQuery is a query.
type jqlQuery struct {
	where *jqlNode // nil if every issue is meant
	order []jqlOrder
}

// A jqlOrder is one field of ORDER BY.
type jqlOrder struct {
	field     string
	direction string // "asc", "desc" or ""
}

// A jqlNode is a clause: "and" or "or" of its kids, "not" of its only kid, or a comparison of a field.
type jqlNode struct {
	kind   string // "" for a comparison
	kids   []*jqlNode
	field  string
	op     string // lower case: =, !=, ~, !~, <, >, <=, >=, in, not in, is, is not
	values []jqlValue
	list   bool // values were in parentheses
}

// A jqlValue is what a field is compared with.
type jqlValue struct {
	text  string // or the function's name
	empty bool   // EMPTY or NULL
	call  bool   // a function of args
	args  []string
}

// String returns the value as Jira quotes it in its messages.
func (v jqlValue) String() string {
	switch {
	case v.empty:
		return "EMPTY"
	case v.call:
		return v.text + "(" + strings.Join(v.args, ", ") + ")"
	}
	return `"` + v.text + `"`
}

// A jqlError is what is wrong with the form of a query.
type jqlError string

func (e jqlError) Error() string { return "Error in the JQL Query: " + string(e) }

// jqlDepth is how deep clauses may be nested: far more than anybody writes, and few enough for the stack.
const jqlDepth = 200

const jqlOperators = "The valid operators are '=', '!=', '<', '>', '<=', '>=', '~', '!~', 'IN', 'NOT IN', 'IS' and 'IS NOT'."

// jqlReserved are the words that must be quoted to be used as values. Jira keeps most of them for SQL's sake.
const jqlReserved = ` abort access add after alias all alter and any are as asc at audit avg before begin between boolean break by byte catch cf
 char character check checkpoint collate collation column commit connect continue count create current date decimal declare decrement default
 defaults define delete delimiter desc difference distinct divide do double drop else empty encoding end equals escape exclusive exec execute
 exists explain false fetch file field first float for from function go goto grant greater group having identified if immediate in increment
 index initial inner inout input insert int integer intersect intersection into is isempty isnull join last left less like limit lock long max
 min minus mode modify modulo more multiply next noaudit not notin nowait null number object of on option or order outer output power previous
 prior privileges public raise raw remainder rename resource return returns revoke right row rowid rownum rows select session set share size
 sqrt start strict string subtract sum synonym table then to trans transaction trigger true uid union unique update user validate values view
 when whenever where while with `

func isReserved(word string) bool {
	return !strings.ContainsAny(word, " \n") && strings.Contains(strings.ReplaceAll(jqlReserved, "\n", ""), " "+strings.ToLower(word)+" ")
}

// A jqlToken is a word, a string in quotation marks, or a symbol.
type jqlToken struct {
	text         string
	kind         byte // 'w' for a word, 's' for a string, 'p' for a symbol, 0 at the end
	line, column int
}

// is reports whether the token is one of these words or symbols, which are in lower case.
func (t jqlToken) is(any ...string) bool {
	for _, s := range any {
		if (t.kind == 'w' || t.kind == 'p') && strings.EqualFold(t.text, s) {
			return true
		}
	}
	return false
}

func (t jqlToken) errorf(format string, args ...any) jqlError {
	return jqlError(fmt.Sprintf(format, args...) + fmt.Sprintf(" (line %d, character %d)", t.line, t.column))
}

// expecting returns the error that something else should have been there; hint follows it.
func (t jqlToken) expecting(what, hint string) jqlError {
	if hint != "" {
		hint = " " + hint
	}
	if t.kind == 0 {
		return jqlError("Expecting " + what + " before the end of the query." + hint)
	}
	return t.errorf("Expecting %s but got '%s'.%s", what, t.text, hint)
}

// scanJQL cuts a query into tokens. The last one has kind 0.
func scanJQL(text string) ([]jqlToken, error) {
	s := jqlScanner{rest: []rune(text), line: 1, column: 1}
	var tokens []jqlToken
	for {
		t, err := s.next()
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		if t.kind == 0 {
			return tokens, nil
		}
	}
}

type jqlScanner struct {
	rest         []rune
	line, column int
}

func (s *jqlScanner) skip(n int) {
	for _, r := range s.rest[:n] {
		s.column++
		if r == '\n' {
			s.line, s.column = s.line+1, 1
		}
	}
	s.rest = s.rest[n:]
}

func (s *jqlScanner) at(prefix string) bool {
	return len(s.rest) >= len(prefix) && string(s.rest[:len(prefix)]) == prefix
}

func (s *jqlScanner) next() (jqlToken, error) {
	for len(s.rest) > 0 && unicode.IsSpace(s.rest[0]) {
		s.skip(1)
	}
	t := jqlToken{line: s.line, column: s.column}
	if len(s.rest) == 0 {
		return t, nil
	}
	for _, symbol := range []string{"<=", ">=", "!=", "!~", "&&", "||", "=", "<", ">", "~", "!", "(", ")", ",", "[", "]", "&", "|"} {
		if s.at(symbol) {
			s.skip(len(symbol))
			t.kind, t.text = 'p', symbol
			return t, nil
		}
	}
	if quote := s.rest[0]; quote == '"' || quote == '\'' {
		t.kind = 's'
		return t, s.quoted(&t, quote)
	}
	t.kind = 'w'
	return t, s.word(&t)
}

func (s *jqlScanner) quoted(t *jqlToken, quote rune) error {
	s.skip(1)
	var b strings.Builder
	for len(s.rest) > 0 && s.rest[0] != quote {
		if err := s.one(&b); err != nil {
			return err
		}
	}
	t.text = b.String()
	if len(s.rest) == 0 {
		if t.text == "" {
			return t.errorf("The quoted string has not been completed.")
		}
		return t.errorf("The quoted string '%s' has not been completed.", t.text)
	}
	s.skip(1)
	return nil
}

func (s *jqlScanner) word(t *jqlToken) error {
	var b strings.Builder
	for len(s.rest) > 0 && !unicode.IsSpace(s.rest[0]) && !strings.ContainsRune(`=!<>~()[],&|"'`, s.rest[0]) {
		r, here := s.rest[0], jqlToken{line: s.line, column: s.column}
		switch {
		case strings.ContainsRune(`{}*/%+^$#@?;`, r):
			return here.errorf(`The character '%c' is a reserved JQL character. You must enclose it in a string or use the escape '\u%04x' instead.`, r, r)
		case unicode.IsControl(r) || r == unicode.ReplacementChar:
			return here.errorf(`The character '%c' must be escaped. Use the escape '\u%04x' instead.`, r, r)
		}
		if err := s.one(&b); err != nil {
			return err
		}
	}
	t.text = b.String()
	return nil
}

// one writes the next character, which may be an escape sequence.
func (s *jqlScanner) one(b *strings.Builder) error {
	here := jqlToken{line: s.line, column: s.column}
	if s.rest[0] != '\\' {
		b.WriteRune(s.rest[0])
		s.skip(1)
		return nil
	}
	const valid = `The valid escape sequences are \', \", \t, \n, \r, \\, '\ ' and \uXXXX.`
	if len(s.rest) == 1 {
		return here.errorf("The escape sequence has not been completed. %s", valid)
	}
	if s.rest[1] == 'u' && len(s.rest) >= 6 {
		if n, err := strconv.ParseUint(string(s.rest[2:6]), 16, 16); err == nil {
			b.WriteRune(rune(n))
			s.skip(6)
			return nil
		}
	}
	if i := strings.IndexRune(`'"tnr\ `, s.rest[1]); i >= 0 {
		b.WriteByte("'\"\t\n\r\\ "[i])
		s.skip(2)
		return nil
	}
	return here.errorf(`'\%c' is an illegal JQL escape sequence. %s`, s.rest[1], valid)
}

// parseJQL reads a query.
func parseJQL(text string) (*jqlQuery, error) {
	tokens, err := scanJQL(text)
	if err != nil {
		return nil, err
	}
	p := jqlParser{tokens: tokens}
	q := new(jqlQuery)
	if !p.peek().is("order") && p.peek().kind != 0 {
		if q.where, err = p.or(0); err != nil {
			return nil, err
		}
	}
	if p.accept("order") {
		if q.order, err = p.order(); err != nil {
			return nil, err
		}
		if t := p.peek(); t.kind != 0 {
			return nil, t.expecting("','", "")
		}
	}
	if t := p.peek(); t.kind != 0 {
		return nil, t.expecting("either 'OR' or 'AND'", "")
	}
	return q, nil
}

type jqlParser struct{ tokens []jqlToken }

func (p *jqlParser) peek() jqlToken { return p.tokens[0] }

func (p *jqlParser) next() jqlToken {
	t := p.tokens[0]
	if t.kind != 0 {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *jqlParser) accept(any ...string) bool {
	if !p.peek().is(any...) {
		return false
	}
	p.next()
	return true
}

// or reads clauses joined by OR, and of those joined by AND.
func (p *jqlParser) or(depth int) (*jqlNode, error) {
	return p.joined("or", []string{"or", "||", "|"}, func() (*jqlNode, error) {
		return p.joined("and", []string{"and", "&&", "&"}, func() (*jqlNode, error) { return p.not(depth) })
	})
}

func (p *jqlParser) joined(kind string, by []string, read func() (*jqlNode, error)) (*jqlNode, error) {
	n := &jqlNode{kind: kind}
	for {
		kid, err := read()
		if err != nil {
			return nil, err
		}
		n.kids = append(n.kids, kid)
		if !p.accept(by...) {
			break
		}
	}
	if len(n.kids) == 1 {
		return n.kids[0], nil
	}
	return n, nil
}

func (p *jqlParser) not(depth int) (*jqlNode, error) {
	if depth > jqlDepth {
		return nil, p.peek().errorf("The query is nested too deeply.")
	}
	if p.accept("not", "!") {
		kid, err := p.not(depth + 1)
		return &jqlNode{kind: "not", kids: []*jqlNode{kid}}, err
	}
	if !p.accept("(") {
		return p.comparison()
	}
	n, err := p.or(depth + 1)
	if err == nil && !p.accept(")") {
		err = p.peek().expecting("')'", "")
	}
	return n, err
}
