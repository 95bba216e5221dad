package rovo

import (
	"strings"
)

// This file goes on with the grammar of JQL, below AND, OR and NOT.

// comparison reads a field, an operator and what the field is compared with.
func (p *jqlParser) comparison() (*jqlNode, error) {
	field, err := p.field()
	if err != nil {
		return nil, err
	}
	n := &jqlNode{field: field}
	if n.op, err = p.operator(); err != nil {
		return nil, err
	}
	if n.op == "was" || n.op == "changed" {
		return nil, failf(400, "The operator '%s' is not supported by the '%s' field.", n.op, field)
	}
	if n.list = p.peek().is("("); n.list {
		n.values, err = p.list(0)
		return n, err
	}
	v, err := p.value()
	n.values = []jqlValue{v}
	return n, err
}

// field reads the name of a field, of which cf[10016] is a form.
func (p *jqlParser) field() (string, error) {
	t := p.next()
	switch {
	case t.kind == 0:
		return "", jqlError("Expecting a field name at the end of the query.")
	case t.is("["):
		return "", t.errorf("Expecting a field name but got '['. Did you mean 'cf['?")
	case t.kind == 'p':
		return "", t.errorf("Expecting a field name but got '%s'. You must surround '%[1]s' in quotation marks to use it as a field name.", t.text)
	case t.text == "":
		return "", t.errorf("A field name cannot be empty.")
	case t.is("cf"):
		return p.customField()
	case t.kind == 'w' && isReserved(t.text):
		return "", t.errorf("'%s' is a reserved JQL word. You must surround it in quotation marks to use it in a query.", t.text)
	}
	return t.text, nil
}

func (p *jqlParser) customField() (string, error) {
	if !p.accept("[") {
		return "", p.peek().expecting("'['", "")
	}
	id := p.peek()
	if id.kind != 'w' || strings.Trim(id.text, "0123456789") != "" {
		return "", id.expecting("a custom field id (a positive number)", "")
	}
	p.next()
	if !p.accept("]") {
		return "", p.peek().expecting("']'", "")
	}
	return "cf[" + id.text + "]", nil
}

func (p *jqlParser) operator() (string, error) {
	t := p.peek()
	switch {
	case p.accept("=", "!=", "<", ">", "<=", ">=", "~", "!~", "in"):
		return strings.ToLower(t.text), nil
	case p.accept("is"):
		if p.accept("not", "!") {
			return "is not", nil
		}
		return "is", nil
	case p.accept("not"):
		if !p.accept("in") {
			return "", p.peek().expecting("'IN'", "")
		}
		return "not in", nil
	case p.accept("was", "changed"): // there is no history to search
		return strings.ToLower(t.text), nil
	}
	return "", t.expecting("operator", jqlOperators)
}

// list reads values in parentheses, which may hold more of them.
func (p *jqlParser) list(depth int) ([]jqlValue, error) {
	if depth > jqlDepth {
		return nil, p.peek().errorf("The query is nested too deeply.")
	}
	p.next()
	var values []jqlValue
	for {
		if p.peek().is("(") {
			more, err := p.list(depth + 1)
			if err != nil {
				return nil, err
			}
			values = append(values, more...)
		} else {
			v, err := p.value()
			if err != nil {
				return nil, err
			}
			values = append(values, v)
		}
		if !p.accept(",") {
			break
		}
	}
	if !p.accept(")") {
		return nil, p.peek().expecting("')'", "")
	}
	return values, nil
}

func (p *jqlParser) value() (jqlValue, error) {
	t := p.peek()
	switch {
	case t.kind == 0 || t.kind == 'p':
		hint := ""
		if t.kind == 'p' {
			hint = "You must surround '" + t.text + "' in quotation marks to use it as a value."
		}
		return jqlValue{}, t.expecting("either a value, list or function", hint)
	case p.accept("empty", "null"):
		return jqlValue{empty: true}, nil
	case t.kind == 'w' && isReserved(t.text):
		return jqlValue{}, t.errorf("'%s' is a reserved JQL word. You must surround it in quotation marks to use it in a query.", t.text)
	}
	p.next()
	v := jqlValue{text: t.text}
	if !p.accept("(") {
		return v, nil
	}
	if t.text == "" {
		return v, t.errorf("A function name cannot be empty.")
	}
	v.call = true
	if p.accept(")") {
		return v, nil
	}
	return v, p.arguments(&v)
}

func (p *jqlParser) arguments(v *jqlValue) error {
	for {
		t := p.peek()
		switch {
		case t.kind == 0 && len(v.args) == 0:
			return t.expecting("')'", "")
		case t.kind == 0:
			return jqlError("Expecting a function argument at the end of the query.")
		case t.is(")"):
			return t.errorf("Function argument must be specified.")
		case t.is(",") && len(v.args) == 0:
			return t.expecting("')'", "")
		case t.kind == 'p':
			return t.expecting("a function argument", "You must surround '"+t.text+"' in quotation marks to use it as an argument.")
		}
		v.args = append(v.args, p.next().text)
		if p.accept(")") {
			return nil
		}
		if t := p.peek(); t.kind == 0 {
			return t.expecting("')'", "")
		}
		if !p.accept(",") {
			return p.peek().expecting("')' or ','", "")
		}
	}
}

// order reads what follows ORDER.
func (p *jqlParser) order() ([]jqlOrder, error) {
	if !p.accept("by") {
		return nil, p.peek().expecting("'BY'", "")
	}
	var order []jqlOrder
	for {
		field, err := p.field()
		if err != nil {
			return nil, err
		}
		o := jqlOrder{field: field}
		if t := p.peek(); p.accept("asc", "desc") {
			o.direction = strings.ToLower(t.text)
		}
		order = append(order, o)
		if !p.accept(",") {
			return order, nil
		}
	}
}
