package rovo

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// This file finds what a CQL query asks for.

// cqlOrders are the fields by which results can be ordered.
var cqlOrders = []string{"created", "lastmodified", "title", "id", "space", "type", "creator"}

// Operators that fields understand.
const (
	cqlEqual = "= != IN NOT IN"
	cqlText  = "~ !~"
	cqlDate  = "= != < <= > >="
)

// cqlOperators returns the operators that a field understands, "" if there is no such field.
func cqlOperators(field string) string {
	switch field {
	case "type", "space", "space.key", "space.type", "label", "creator", "contributor", "ancestor", "parent", "id", "content":
		return cqlEqual
	case "title", "space.title":
		return cqlEqual + " " + cqlText
	case "text", "sitesearch", "creator.fullname", "contributor.fullname":
		return cqlText
	case "created", "lastmodified":
		return cqlDate
	}
	return ""
}

// valid reports whether a clause's field exists and goes with its operator and values.
func (n *cqlNode) valid() bool {
	if !strings.Contains(" "+cqlOperators(n.field)+" ", " "+n.operator+" ") {
		return false
	}
	for _, v := range n.values {
		switch {
		case cqlOperators(n.field) == cqlDate:
			if _, _, ok := v.time(time.Time{}); !ok {
				return false
			}
		case v.function && v.text != "currentuser", v.function && n.field != "creator" && n.field != "contributor", v.function && len(v.args) > 0:
			return false
		case strings.TrimSpace(v.text) == "":
			return false
		}
	}
	return true
}

// time returns the moment that a value means when it is now, and whether it means the whole day that begins then.
func (v cqlValue) time(now time.Time) (t time.Time, day, ok bool) {
	if !v.function {
		for _, layout := range []string{"2006-01-02", "2006/01/02"} {
			if t, err := time.Parse(layout, v.text); err == nil {
				return t, true, true
			}
		}
		for _, layout := range []string{"2006-01-02 15:04", "2006/01/02 15:04", "2006-01-02T15:04:05.000Z", time.RFC3339} {
			if t, err := time.Parse(layout, v.text); err == nil {
				return t, false, true
			}
		}
		return time.Time{}, false, false
	}
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	edge, end := strings.CutPrefix(v.text, "endof")
	if !end {
		edge = strings.TrimPrefix(v.text, "startof")
	}
	unit := edge[:min(1, len(edge))]
	switch edge {
	case "now":
		t, unit, end = now, "d", false
	case "day":
		t = midnight
	case "week":
		t = midnight.AddDate(0, 0, -int(now.Weekday()))
	case "month":
		t, unit = midnight.AddDate(0, 0, 1-now.Day()), "M"
	case "year":
		t = midnight.AddDate(0, 0, 1-now.YearDay())
	default:
		return time.Time{}, false, false
	}
	if edge != "now" && edge == v.text || len(v.args) > 1 {
		return time.Time{}, false, false
	}
	if len(v.args) == 1 {
		if t, ok = shifted(t, v.args[0], unit); !ok {
			return time.Time{}, false, false
		}
	}
	if end {
		next, _ := shifted(t, "1", unit)
		t = next.Add(-time.Millisecond)
	}
	return t, false, true
}

// shifted adds to a time what a text such as "-7d" says. A number alone counts units.
func shifted(t time.Time, by, unit string) (time.Time, bool) {
	digits := strings.TrimLeft(by, "+-")
	if len(by)-len(digits) > 1 {
		return t, false
	}
	digits = strings.TrimRight(digits, "yMwdhm")
	n, err := strconv.Atoi(digits)
	if err != nil || n > 100_000 {
		return t, false
	}
	if strings.HasPrefix(by, "-") {
		n = -n
	}
	if given := strings.TrimLeft(by, "+-0123456789"); given != "" {
		unit = given
	}
	switch unit {
	case "y":
		return t.AddDate(n, 0, 0), true
	case "M":
		return t.AddDate(0, n, 0), true
	case "w":
		return t.AddDate(0, 0, 7*n), true
	case "d":
		return t.AddDate(0, 0, n), true
	case "h":
		return t.Add(time.Duration(n) * time.Hour), true
	case "m":
		return t.Add(time.Duration(n) * time.Minute), true
	}
	return t, false
}

// A cqlItem is something that a query may find: a page with its space, a comment on it too, or a space alone.
type cqlItem struct {
	space   *Space
	page    *Page
	comment *Comment

	words []string // of all its text, when somebody has asked
	score int
}

func (m *cqlItem) kind() string {
	switch {
	case m.comment != nil:
		return "comment"
	case m.page != nil:
		return m.page.kind()
	}
	return "space"
}

func (m *cqlItem) id() int {
	switch {
	case m.comment != nil:
		return m.comment.ID
	case m.page != nil:
		return m.page.ID
	}
	return m.space.ID
}

func (m *cqlItem) title() string {
	switch {
	case m.comment != nil:
		return "Re: " + m.page.Title
	case m.page != nil:
		return m.page.Title
	}
	return m.space.Name
}

// text returns what an item says, without its title.
func (m *cqlItem) text() string {
	switch {
	case m.comment != nil:
		return adfText(m.comment.Body)
	case m.page != nil:
		return adfText(m.page.Body)
	}
	return m.space.Description
}

func (m *cqlItem) labels() []string {
	switch {
	case m.comment != nil:
		return nil
	case m.page != nil:
		return m.page.Labels
	}
	return m.space.Labels
}

func (m *cqlItem) creator() string {
	switch {
	case m.comment != nil:
		return m.comment.Author
	case m.page != nil:
		return m.page.Author
	}
	return m.space.Author
}

func (m *cqlItem) created() time.Time {
	switch {
	case m.comment != nil:
		return m.comment.Created
	case m.page != nil:
		return m.page.Created
	}
	return m.space.Created
}

func (m *cqlItem) modified() time.Time {
	if m.comment == nil && m.page != nil {
		return m.page.modified()
	}
	return m.created()
}

// A contentSearch finds content for somebody who calls a tool.
type contentSearch struct{ *call }

// everything returns all that the caller may see and a search considers.
func (c contentSearch) everything() []*cqlItem {
	f, account := c.site.Confluence, c.person.Account
	var items []*cqlItem
	for _, p := range f.visiblePages(account) {
		if p.status() == "current" {
			items = append(items, &cqlItem{space: f.space(account, p.Space), page: p})
		}
	}
	for _, m := range f.Comments {
		if p := f.page(account, m.Page); p != nil && p.status() == "current" && m.Status == "" {
			items = append(items, &cqlItem{space: f.space(account, p.Space), page: p, comment: m})
		}
	}
	for _, s := range f.Spaces {
		if s.Members.Has(account) && s.status() == "current" {
			items = append(items, &cqlItem{space: s})
		}
	}
	return items
}

// find returns what the query finds: in its order, or what fits best and then what is newest first.
func (c contentSearch) find(q *cqlQuery) []*cqlItem {
	found := slices.DeleteFunc(c.everything(), func(m *cqlItem) bool { return q.where != nil && !c.matches(q.where, m) })
	slices.SortStableFunc(found, func(a, b *cqlItem) int {
		for _, by := range q.order {
			n := 0
			switch by.field {
			case "created":
				n = a.created().Compare(b.created())
			case "lastmodified":
				n = a.modified().Compare(b.modified())
			case "title":
				n = cmp.Compare(strings.ToLower(a.title()), strings.ToLower(b.title()))
			case "id":
				n = a.id() - b.id()
			case "space":
				n = cmp.Compare(a.space.Key, b.space.Key)
			case "type":
				n = cmp.Compare(a.kind(), b.kind())
			case "creator":
				n = cmp.Compare(a.creator(), b.creator())
			}
			if by.desc {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		if len(q.order) > 0 {
			return 0
		}
		return cmp.Or(b.score-a.score, b.modified().Compare(a.modified()))
	})
	return found
}

func (c contentSearch) matches(n *cqlNode, m *cqlItem) bool {
	switch n.op {
	case "AND":
		for _, o := range n.operands {
			if !c.matches(o, m) {
				return false
			}
		}
		return true
	case "OR":
		any := false
		for _, o := range n.operands {
			any = c.matches(o, m) || any // all of them count for the score
		}
		return any
	case "NOT":
		return !c.matches(n.operands[0], m)
	}
	negated := n.operator == "!=" || n.operator == "!~" || n.operator == "NOT IN"
	return negated != slices.ContainsFunc(n.values, func(v cqlValue) bool { return c.has(n.field, n.operator, v, m) })
}

// has reports whether an item's field has a value, or stands to it as the operator says.
func (c contentSearch) has(field, operator string, v cqlValue, m *cqlItem) bool {
	contains := strings.HasSuffix(operator, "~")
	switch field {
	case "type":
		return strings.EqualFold(m.kind(), v.text)
	case "space", "space.key":
		return strings.EqualFold(m.space.Key, v.text)
	case "space.type":
		return strings.EqualFold(m.space.Type, v.text)
	case "space.title":
		return contains && saysAll(splitWords(m.space.Name), v.text) || !contains && strings.EqualFold(m.space.Name, v.text)
	case "title":
		return contains && m.says(splitWords(m.title()), v.text) || !contains && strings.EqualFold(m.title(), v.text)
	case "text", "sitesearch":
		if m.words == nil {
			m.words = splitWords(m.title() + "\n" + m.text() + "\n" + strings.Join(m.labels(), " "))
		}
		return m.says(m.words, v.text)
	case "label":
		return slices.ContainsFunc(m.labels(), func(l string) bool { return strings.EqualFold(l, v.text) })
	case "creator":
		return m.creator() == c.account(v)
	case "contributor":
		return m.creator() == c.account(v) || m.comment == nil && m.page != nil && slices.Contains(m.page.contributors(), c.account(v))
	case "creator.fullname":
		return c.named(m.creator(), v.text)
	case "contributor.fullname":
		return c.named(m.creator(), v.text) || m.comment == nil && m.page != nil &&
			slices.ContainsFunc(m.page.contributors(), func(account string) bool { return c.named(account, v.text) })
	case "id", "content":
		return strconv.Itoa(m.id()) == v.text
	case "parent":
		return m.comment == nil && m.page != nil && m.page.Parent != 0 && strconv.Itoa(m.page.Parent) == v.text
	case "ancestor":
		return m.comment == nil && m.page != nil &&
			slices.ContainsFunc(c.site.Confluence.ancestors(m.page), func(p *Page) bool { return strconv.Itoa(p.ID) == v.text })
	case "created":
		return c.compare(m.created(), operator, v)
	case "lastmodified":
		return c.compare(m.modified(), operator, v)
	}
	return false
}

// account returns the account that a value means.
func (c contentSearch) account(v cqlValue) string {
	if v.function {
		return c.person.Account
	}
	return v.text
}

func (c contentSearch) named(account, words string) bool {
	p := c.org.person(account)
	return p != nil && saysAll(splitWords(p.Name), words)
}

// compare reports whether a time stands to a value as the operator says. For !=, whose result is turned round, it is =.
func (c contentSearch) compare(t time.Time, operator string, v cqlValue) bool {
	at, day, _ := v.time(c.org.now())
	switch operator {
	case "<":
		return t.Before(at)
	case "<=":
		return !t.After(at)
	case ">":
		return t.After(at)
	case ">=":
		return !t.Before(at)
	}
	return day && !t.Before(at) && t.Before(at.AddDate(0, 0, 1)) || t.Equal(at)
}

// says is saysAll, and makes an item that says something count for more.
func (m *cqlItem) says(words []string, query string) bool {
	ok := saysAll(words, query)
	if ok {
		m.score++
		if saysAll(splitWords(m.title()), query) {
			m.score += 2
		}
	}
	return ok
}

// saysAll reports whether all words of a query are among words, in any order and as many forms as stem knows. Words within quotes must
// follow each other; * at a word's end stands for anything.
func saysAll(words []string, query string) bool {
	said := false
	for i, part := range strings.Split(query, `"`) {
		wanted := strings.FieldsFunc(strings.ToLower(part), func(c rune) bool { return !isWord(c) && c != '*' })
		said = said || len(wanted) > 0
		if i%2 == 1 {
			if len(wanted) > 0 && !saysPhrase(words, wanted) {
				return false
			}
			continue
		}
		for _, w := range wanted {
			if !slices.ContainsFunc(words, func(word string) bool { return sameWord(word, w) }) {
				return false
			}
		}
	}
	return said
}

func saysPhrase(words, wanted []string) bool {
	for i := 0; i+len(wanted) <= len(words); i++ {
		if slices.EqualFunc(words[i:i+len(wanted)], wanted, sameWord) {
			return true
		}
	}
	return false
}

func sameWord(word, wanted string) bool {
	if prefix, ok := strings.CutSuffix(wanted, "*"); ok {
		return strings.HasPrefix(word, prefix)
	}
	return word == wanted || stem(word) == stem(wanted)
}

// stem takes the commonest English endings off a word.
func stem(word string) string {
	for _, ending := range []string{"ing", "ed", "es", "s"} {
		if rest, ok := strings.CutSuffix(word, ending); ok && len(rest) > 3 {
			if len(rest) > 4 && rest[len(rest)-1] == rest[len(rest)-2] && rest[len(rest)-1] != 's' && rest[len(rest)-1] != 'l' {
				return rest[:len(rest)-1] // planning, plan
			}
			return strings.TrimSuffix(rest, "e")
		}
	}
	return strings.TrimSuffix(word, "e")
}

// splitWords returns the words of a text in lower case.
func splitWords(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
}
