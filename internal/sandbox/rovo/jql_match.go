package rovo

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A jqlScope is what a query is asked of: the issues that somebody may see, now.
type jqlScope struct {
	*call
	now    time.Time
	zone   *time.Location // in which days begin
	issues []*Issue
	wrong  []string // with the query, in Jira's words
}

// A jqlTest reports whether an issue is meant.
type jqlTest func(*Issue) bool

// searchJQL returns the issues that the person may see and the query means, in its order.
func (c *call) searchJQL(text string) ([]*Issue, error) {
	q, err := parseJQL(text)
	if err != nil {
		return nil, failf(400, "%s", err)
	}
	s := &jqlScope{call: c, now: c.org.now(), zone: c.person.zone(), issues: c.jira().issuesFor(c.person.Account)}
	test := func(*Issue) bool { return true }
	if q.where != nil {
		test = s.test(q.where, false)
	}
	less := s.order(q.order)
	if s.wrong != nil {
		return nil, failf(400, "%s", strings.Join(s.wrong, " "))
	}
	var found []*Issue
	for _, i := range s.issues {
		if test(i) {
			found = append(found, i)
		}
	}
	slices.SortStableFunc(found, less)
	return found, nil
}

func (s *jqlScope) refuse(format string, args ...any) jqlTest {
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	return nil
}

// test returns what a clause means, or its contrary. As in Jira a NOT goes down to the comparisons and turns their operators: what a field
// that is empty isn't, it isn't either with NOT.
func (s *jqlScope) test(n *jqlNode, not bool) jqlTest {
	switch n.kind {
	case "":
		return s.compare(n, not)
	case "not":
		return s.test(n.kids[0], !not)
	}
	var tests []jqlTest
	for _, kid := range n.kids {
		tests = append(tests, s.test(kid, not))
	}
	all := (n.kind == "and") != not // De Morgan
	return func(i *Issue) bool {
		for _, test := range tests {
			if test(i) != all {
				return !all
			}
		}
		return all
	}
}

// contrary returns the operator that means the opposite.
func contrary(op string) string {
	pairs := [...]string{"=", "!=", "~", "!~", "in", "not in", "is", "is not", "<", ">=", ">", "<="}
	return pairs[slices.Index(pairs[:], op)^1]
}

func (s *jqlScope) compare(n *jqlNode, not bool) jqlTest {
	f := s.field(n.field)
	switch {
	case f == nil:
		return s.refuse("Field '%s' does not exist or you do not have permission to view it.", n.field)
	case !f.takes(n.op):
		return s.refuse("The operator '%s' is not supported by the '%s' field.", n.op, n.field)
	}
	switch isList := n.op == "in" || n.op == "not in"; {
	case isList && !n.list:
		return s.refuse("Operator '%s' does not support the non-list value '%s' for field '%s'.", n.op, n.values[0], n.field)
	case !isList && n.list:
		var quoted []string
		for _, v := range n.values {
			quoted = append(quoted, v.String())
		}
		return s.refuse("Operator '%s' does not support the list value '(%s)' for field '%s'.", n.op, strings.Join(quoted, ", "), n.field)
	}
	op := n.op
	if not {
		op = contrary(op)
	}
	if f.words != nil && (op == "~" || op == "!~") {
		return s.compareWords(n, f, op)
	}
	var wanted []string
	empty := false // is one of what is wanted
	for _, v := range n.values {
		switch value, wrong := s.meaning(n.field, f, n.op, v); {
		case wrong != "":
			s.refuse("%s", wrong)
		case value == "":
			empty = true
		default:
			wanted = append(wanted, value)
		}
	}
	return f.tester(op, wanted, empty)
}

// meaning returns the value that v stands for, "" for none, or what is wrong with it.
func (s *jqlScope) meaning(name string, f *jqlField, op string, v jqlValue) (value, wrong string) {
	switch {
	case v.empty && (op == "<" || op == ">" || op == "<=" || op == ">="):
		return "", fmt.Sprintf("The operator '%s' does not support searching for EMPTY values on the field '%s'.", op, name)
	case v.empty && !f.empty:
		return "", fmt.Sprintf("The field '%s' does not support searching for EMPTY values.", name)
	case v.empty:
		return "", ""
	case op == "is" || op == "is not":
		return "", fmt.Sprintf("Operator '%s' does not support the value '%s' for field '%s'; it takes EMPTY and NULL.", op, v, name)
	}
	if v.call {
		if wrong := checkFunction(v); wrong != "" {
			return "", wrong
		}
	}
	return f.means(name, v)
}

// tester returns the test of a field that has values.
func (f *jqlField) tester(op string, wanted []string, empty bool) jqlTest {
	has := func(i *Issue) bool {
		values := f.values(i)
		if len(values) == 0 {
			return empty
		}
		return slices.ContainsFunc(values, func(v string) bool { return slices.Contains(wanted, v) })
	}
	switch op {
	case "=", "in", "is":
		return has
	case "!=", "not in", "is not": // what is empty is neither equal nor different
		return func(i *Issue) bool { return !has(i) && len(f.values(i)) > 0 }
	}
	var limit string
	if len(wanted) > 0 {
		limit = f.key(wanted[0])
	}
	return func(i *Issue) bool {
		return slices.ContainsFunc(f.values(i), func(v string) bool {
			c := strings.Compare(f.key(v), limit)
			return c < 0 && op[0] == '<' || c > 0 && op[0] == '>' || c == 0 && len(op) == 2
		})
	}
}

func (s *jqlScope) compareWords(n *jqlNode, f *jqlField, op string) jqlTest {
	v := n.values[0]
	switch {
	case v.empty:
		return s.refuse("The field '%s' does not support searching for EMPTY values.", n.field)
	case v.call && checkFunction(v) != "":
		return s.refuse("%s", checkFunction(v))
	case v.call:
		return s.refuse("A value provided by the function '%s' is invalid for the field '%s'.", v.text, n.field)
	case strings.TrimSpace(v.text) == "":
		return s.refuse("The field '%s' does not support searching for an empty string.", n.field)
	}
	alternatives := strings.Split(v.text, " OR ")
	return func(i *Issue) bool {
		words := splitWords(f.words(i))
		says := slices.ContainsFunc(alternatives, func(text string) bool { return saysAll(words, strings.ReplaceAll(text, " AND ", " ")) })
		return len(words) > 0 && says == (op == "~")
	}
}

// order returns how the fields of ORDER BY order issues. What they don't decide comes newest first.
func (s *jqlScope) order(by []jqlOrder) func(a, b *Issue) int {
	type key struct {
		of   func(*Issue) string
		desc bool
	}
	var keys []key
	for _, o := range by {
		f := s.field(o.field)
		switch {
		case f == nil:
			s.refuse("Not able to sort using field '%s'.", o.field)
			continue
		case f.values == nil:
			s.refuse("Field '%s' does not support sorting.", o.field)
			continue
		}
		keys = append(keys, key{f.sortKey, o.direction == "desc" || o.direction == "" && f.desc})
	}
	return func(a, b *Issue) int {
		for _, k := range keys {
			x, y := k.of(a), k.of(b)
			switch {
			case x == y:
				continue
			case x == "" || y == "": // what has no value comes last either way
				return strings.Compare(y, x)
			case k.desc:
				return strings.Compare(y, x)
			}
			return strings.Compare(x, y)
		}
		return strings.Compare(paddedNumber(b.ID), paddedNumber(a.ID))
	}
}
