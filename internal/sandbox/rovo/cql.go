package rovo

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// This file parses the Confluence Query Language as its documentation has it ("Advanced searching using CQL"): clauses with AND, OR, NOT and
// parentheses, and ORDER BY. cql_match.go says what the fields mean. It leaves out the fields of attachments, users, macros and watchers.

// A cqlQuery is a parsed query.
type cqlQuery struct {
	where *cqlNode // nil finds everything
	order []cqlOrder
}

// A cqlNode is a clause or a combination of others.
type cqlNode struct {
	op       string // AND, OR or NOT; "" is a clause
	operands []*cqlNode

	field    string // in lower case
	operator string // such as = or NOT IN
	values   []cqlValue
}

// A cqlValue is a literal, or a function.
type cqlValue struct {
	text     string // the literal, or the function's name in lower case
	function bool
	args     []string
}

// A cqlOrder is a field by which results are ordered.
type cqlOrder struct {
	field string
	desc  bool
}

// A cqlToken is a piece of a query.
type cqlToken struct {
	text   string
	quoted bool
}

// is reports whether the token is a keyword or a sign.
func (t cqlToken) is(word string) bool { return !t.quoted && strings.EqualFold(t.text, word) }

// maxClauses bounds parentheses and NOTs within each other.
const maxClauses = 100

// parseCQL parses a query. Confluence says nothing about what is wrong with one, so neither does this.
func parseCQL(query string) (*cqlQuery, bool) {
	tokens, ok := scanCQL(query)
	if !ok || len(tokens) == 0 {
		return nil, false
	}
	p := &cqlParser{tokens: tokens, ok: true}
	q := new(cqlQuery)
	if !p.peek().is("order") {
		q.where = p.or(0)
	}
	if p.accept("order") {
		p.expect("by")
		for more := true; more && p.ok; more = p.accept(",") {
			field := strings.ToLower(p.name())
			p.ok = p.ok && slices.Contains(cqlOrders, field)
			order := cqlOrder{field: field, desc: p.accept("desc")}
			if !order.desc {
				p.accept("asc")
			}
			q.order = append(q.order, order)
		}
	}
	return q, p.ok && len(p.tokens) == 0
}

// scanCQL splits a query into tokens.
func scanCQL(query string) ([]cqlToken, bool) {
	var tokens []cqlToken
	for query != "" {
		c, size := utf8.DecodeRuneInString(query)
		switch {
		case unicode.IsSpace(c):
			query = query[size:]
		case c == '"' || c == '\'':
			text, rest, ok := scanQuoted(query)
			if !ok {
				return nil, false
			}
			tokens, query = append(tokens, cqlToken{text, true}), rest
		case strings.ContainsRune("()=,~", c):
			tokens, query = append(tokens, cqlToken{text: query[:1]}), query[1:]
		case strings.ContainsRune("!<>", c):
			n := 1
			if len(query) > 1 && (query[1] == '=' || c == '!' && query[1] == '~') {
				n = 2
			}
			if c == '!' && n == 1 {
				return nil, false
			}
			tokens, query = append(tokens, cqlToken{text: query[:n]}), query[n:]
		default:
			end := strings.IndexFunc(query, func(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune("()=,~!<>\"'", c) })
			if end < 0 {
				end = len(query)
			}
			if strings.ContainsAny(query[:end], "+&|;{}[]^?$%#@*") && !strings.Contains(query[:end], ":") {
				return nil, false // reserved characters stand in quotes
			}
			tokens, query = append(tokens, cqlToken{text: query[:end]}), query[end:]
		}
	}
	return tokens, true
}

// scanQuoted reads a text in quotes, in which a backslash takes the meaning from the next character.
func scanQuoted(s string) (text, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == s[0]:
			return b.String(), s[i+1:], true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

type cqlParser struct {
	tokens []cqlToken
	ok     bool
}

func (p *cqlParser) peek() cqlToken {
	if len(p.tokens) == 0 {
		return cqlToken{}
	}
	return p.tokens[0]
}

func (p *cqlParser) next() cqlToken {
	t := p.peek()
	if len(p.tokens) == 0 {
		p.ok = false
		return t
	}
	p.tokens = p.tokens[1:]
	return t
}

func (p *cqlParser) accept(word string) bool {
	if len(p.tokens) == 0 || !p.peek().is(word) {
		return false
	}
	p.next()
	return true
}

func (p *cqlParser) expect(word string) {
	if !p.accept(word) {
		p.ok = false
	}
}

// name returns the next token, which is a word.
func (p *cqlParser) name() string {
	t := p.next()
	if t.quoted || strings.ContainsAny(t.text, "()=,~!<>") || slices.ContainsFunc([]string{"and", "or", "not", "in", "order", "by"}, t.is) {
		p.ok = false
	}
	return t.text
}

func (p *cqlParser) or(depth int) *cqlNode  { return p.combined("or", p.and, depth) }
func (p *cqlParser) and(depth int) *cqlNode { return p.combined("and", p.not, depth) }

// combined parses operands with an operator between them.
func (p *cqlParser) combined(word string, operand func(int) *cqlNode, depth int) *cqlNode {
	first := operand(depth)
	if !p.peek().is(word) {
		return first
	}
	n := &cqlNode{op: strings.ToUpper(word), operands: []*cqlNode{first}}
	for p.ok && p.accept(word) {
		n.operands = append(n.operands, operand(depth))
	}
	return n
}

func (p *cqlParser) not(depth int) *cqlNode {
	switch {
	case depth > maxClauses:
		p.ok = false
		return nil
	case p.accept("not"):
		return &cqlNode{op: "NOT", operands: []*cqlNode{p.not(depth + 1)}}
	case p.accept("("):
		n := p.or(depth + 1)
		p.expect(")")
		return n
	}
	return p.clause()
}

func (p *cqlParser) clause() *cqlNode {
	n := &cqlNode{field: strings.ToLower(p.name())}
	switch t := p.next(); {
	case t.is("not"):
		p.expect("in")
		n.operator = "NOT IN"
	case t.is("in"):
		n.operator = "IN"
	case !t.quoted && slices.Contains([]string{"=", "!=", "~", "!~", "<", "<=", ">", ">="}, t.text):
		n.operator = t.text
	default:
		p.ok = false
	}
	if strings.HasSuffix(n.operator, "IN") {
		if p.expect("("); p.ok {
			for more := true; more && p.ok; more = p.accept(",") {
				n.values = append(n.values, p.value())
			}
		}
		p.expect(")")
	} else if p.ok {
		n.values = []cqlValue{p.value()}
	}
	p.ok = p.ok && n.valid()
	return n
}

func (p *cqlParser) value() cqlValue {
	if p.peek().quoted {
		return cqlValue{text: p.next().text}
	}
	v := cqlValue{text: p.name()}
	if !p.accept("(") {
		return v
	}
	v.text, v.function = strings.ToLower(v.text), true
	if p.accept(")") {
		return v
	}
	for more := true; more && p.ok; more = p.accept(",") {
		v.args = append(v.args, p.next().text)
	}
	p.expect(")")
	return v
}
