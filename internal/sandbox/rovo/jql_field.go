package rovo

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A jqlField is a field as queries see it. Its values are words that don't depend on how somebody writes them: IDs, keys, times in UTC.
type jqlField struct {
	ordered bool // takes <, <=, > and >=
	empty   bool // takes EMPTY
	desc    bool // is sorted from the greatest to the smallest unless told otherwise
	values  func(*Issue) []string
	means   func(field string, v jqlValue) (value, wrong string)
	rank    func(value string) string // what orders values; nil if they do themselves
	words   func(*Issue) string       // what ~ looks through; nil if it can't
}

func (f *jqlField) takes(op string) bool {
	switch op {
	case "=", "!=", "in", "not in":
		return f.means != nil
	case "<", "<=", ">", ">=":
		return f.ordered
	case "is", "is not":
		return f.empty
	case "~":
		return f.words != nil
	case "!~":
		return f.words != nil && f.values != nil // all text at once can't be denied
	}
	return false
}

func (f *jqlField) key(value string) string {
	if f.rank != nil {
		return f.rank(value)
	}
	return value
}

func (f *jqlField) sortKey(i *Issue) string {
	values := f.values(i)
	if len(values) == 0 {
		return ""
	}
	return f.key(values[0])
}

// field returns the field of that name, nil if there is none.
func (s *jqlScope) field(name string) *jqlField {
	j := s.jira()
	switch strings.ToLower(name) {
	case "project":
		return s.named(func(i *Issue) string { return j.project(i.Key).ID }, s.projectNamed, nil)
	case "key", "issue", "issuekey", "id", "rank":
		return s.keys(func(i *Issue) []string { return []string{i.Key} }, false)
	case "parent", "epic link", "parentepic":
		return s.keys(func(i *Issue) []string { return some(i.Parent) }, true)
	case "issuetype", "type":
		return s.named(func(i *Issue) string { return i.Type }, func(text string) string {
			if t := j.issueType(text); t != nil {
				return t.Name
			}
			return ""
		}, nil)
	case "status":
		return s.named(func(i *Issue) string { return i.Status }, func(text string) string {
			if st := j.status(text); st != nil {
				return st.Name
			}
			return ""
		}, nil)
	case "statuscategory":
		return s.named(func(i *Issue) string { return j.category(i) }, statusCategoryNamed, func(key string) string {
			return strconv.Itoa(slices.IndexFunc(statusCategories[:], func(c statusCategory) bool { return c.Key == key }))
		})
	case "priority":
		f := s.named(func(i *Issue) string { return i.Priority }, func(text string) string {
			if p := j.priority(text); p != nil {
				return p.Name
			}
			return ""
		}, func(name string) string {
			at := slices.IndexFunc(j.Priorities, func(p *Priority) bool { return p.Name == name })
			return paddedNumber(strconv.Itoa(len(j.Priorities) - at))
		})
		f.ordered, f.empty, f.desc = true, true, true
		return f
	case "resolution":
		f := s.named(func(i *Issue) string { return i.Resolution }, func(text string) string {
			if r := j.resolution(text); r != nil {
				return r.Name
			}
			return ""
		}, nil)
		means := f.means
		f.empty, f.means = true, func(field string, v jqlValue) (string, string) {
			if !v.call && strings.EqualFold(v.text, "Unresolved") {
				return "", ""
			}
			return means(field, v)
		}
		return f
	case "assignee":
		return s.people(func(i *Issue) string { return i.Assignee })
	case "reporter":
		return s.people(func(i *Issue) string { return i.Reporter })
	case "creator":
		return s.people(func(i *Issue) string { return i.Creator })
	case "labels":
		f := s.named(nil, func(text string) string { return text }, nil)
		f.empty, f.values = true, func(i *Issue) []string { return i.Labels }
		return f
	case "created", "createddate":
		return s.times(func(i *Issue) time.Time { return i.Created })
	case "updated", "updateddate":
		return s.times(func(i *Issue) time.Time { return i.Updated })
	case "resolved", "resolutiondate":
		return s.times(func(i *Issue) time.Time { return i.Resolved })
	case "statuscategorychangeddate":
		return s.times(func(i *Issue) time.Time { return i.Moved })
	case "due", "duedate":
		return s.days(func(i *Issue) string { return i.Due })
	case "summary":
		return prosaic(func(i *Issue) string { return i.Summary })
	case "description":
		return prosaic(func(i *Issue) string { return i.Description.words() })
	case "comment":
		f := prosaic(s.commentWords)
		f.empty = false
		return f
	case "text":
		return &jqlField{words: s.allWords}
	}
	return s.custom(name)
}

// custom returns a field that somebody has added, by its name or as cf[10016].
func (s *jqlScope) custom(name string) *jqlField {
	if id, ok := strings.CutPrefix(name, "cf["); ok {
		name = "customfield_" + strings.TrimSuffix(id, "]")
	}
	c := firstOf(s.jira().Fields, func(f *IssueField) bool { return f.ID == name || strings.EqualFold(f.Name, name) })
	if c == nil {
		return nil
	}
	text := func(i *Issue) string { return fieldText(c, i.Fields[c.ID]) }
	switch c.Kind {
	case "number":
		return &jqlField{ordered: true, empty: true, values: func(i *Issue) []string { return some(text(i)) }, rank: sortableNumber,
			means: func(field string, v jqlValue) (string, string) {
				n, err := strconv.ParseFloat(v.text, 64)
				if err != nil || v.call {
					return "", fmt.Sprintf("Value '%s' for the '%s' field is not a valid number.", v.text, field)
				}
				return strconv.FormatFloat(n, 'f', -1, 64), ""
			}}
	case "date":
		return s.days(text)
	case "option":
		f := s.named(text, func(text string) string {
			i := slices.IndexFunc(c.Options, func(o string) bool { return strings.EqualFold(o, text) })
			if i < 0 {
				return ""
			}
			return c.Options[i]
		}, nil)
		f.empty = true
		return f
	}
	return prosaic(text)
}

// named returns a field with one of the values that lookup knows by their names and IDs.
func (s *jqlScope) named(get func(*Issue) string, lookup func(string) string, rank func(string) string) *jqlField {
	return &jqlField{rank: rank, values: func(i *Issue) []string { return some(get(i)) },
		means: func(field string, v jqlValue) (string, string) {
			value := ""
			if !v.call {
				value = lookup(v.text)
			}
			switch {
			case v.call:
				return "", fmt.Sprintf("A value provided by the function '%s' is invalid for the field '%s'.", v.text, field)
			case value != "":
				return value, ""
			case v.text != "" && strings.Trim(v.text, "0123456789") == "":
				return "", fmt.Sprintf("A value with ID '%s' does not exist for the field '%s'.", v.text, field)
			}
			return "", fmt.Sprintf("The value '%s' does not exist for the field '%s'.", v.text, field)
		}}
}

func (s *jqlScope) projectNamed(text string) string {
	p := firstOf(s.jira().Projects, func(p *Project) bool {
		return p.Members.Has(s.person.Account) && (p.ID == text || strings.EqualFold(p.Key, text) || strings.EqualFold(p.Name, text))
	})
	if p == nil {
		return ""
	}
	return p.ID
}

func (s *jqlScope) people(get func(*Issue) string) *jqlField {
	f := s.named(get, func(text string) string {
		p := firstOf(s.org.data.People, func(p *Person) bool {
			return p.Account == text || strings.EqualFold(p.Email, text) || strings.EqualFold(p.Name, text)
		})
		if p == nil || !s.site.Members.Has(p.Account) {
			return ""
		}
		return p.Account
	}, func(account string) string {
		if p := s.org.person(account); p != nil {
			return strings.ToLower(p.Name)
		}
		return account
	})
	means := f.means
	f.empty, f.means = true, func(field string, v jqlValue) (string, string) {
		if v.call && strings.EqualFold(v.text, "currentUser") {
			return s.person.Account, ""
		}
		return means(field, v)
	}
	return f
}

func (s *jqlScope) keys(get func(*Issue) []string, empty bool) *jqlField {
	return &jqlField{ordered: true, empty: empty, values: get,
		rank: func(key string) string {
			i := strings.LastIndexByte(key, '-')
			return key[:i+1] + paddedNumber(key[i+1:])
		},
		means: func(field string, v jqlValue) (string, string) {
			if v.call {
				return "", fmt.Sprintf("A value provided by the function '%s' is invalid for the field '%s'.", v.text, field)
			}
			if i := s.jira().issue(v.text); i != nil && s.jira().sees(s.person.Account, i) {
				return i.Key, ""
			}
			_, number, isKey := strings.Cut(v.text, "-")
			switch _, err := strconv.Atoi(number); {
			case strings.Trim(v.text, "0123456789") == "" && v.text != "":
				return "", fmt.Sprintf("A value with ID '%s' does not exist for the field '%s'.", v.text, field)
			case !isKey || err != nil:
				return "", fmt.Sprintf("The issue key '%s' for field '%s' is invalid.", v.text, field)
			}
			return "", fmt.Sprintf("An issue with key '%s' does not exist for field '%s'.", v.text, field)
		}}
}

// jqlTime is how moments are written to be compared.
const jqlTime = "2006-01-02T15:04:05.000"

func (s *jqlScope) times(get func(*Issue) time.Time) *jqlField {
	return &jqlField{ordered: true, empty: true, desc: true,
		values: func(i *Issue) []string {
			if get(i).IsZero() {
				return nil
			}
			return []string{get(i).UTC().Format(jqlTime)}
		},
		means: func(field string, v jqlValue) (string, string) {
			t, wrong := s.date(field, v)
			return t.UTC().Format(jqlTime), wrong
		}}
}

func (s *jqlScope) days(get func(*Issue) string) *jqlField {
	return &jqlField{ordered: true, empty: true, values: func(i *Issue) []string { return some(get(i)) },
		means: func(field string, v jqlValue) (string, string) {
			t, wrong := s.date(field, v)
			return t.In(s.zone).Format(time.DateOnly), wrong
		}}
}

func prosaic(words func(*Issue) string) *jqlField {
	return &jqlField{empty: true, words: words, values: func(i *Issue) []string { return some(strings.ToLower(words(i))) }}
}

// commentWords returns what the person may read of an issue's comments.
func (s *jqlScope) commentWords(i *Issue) string {
	var b strings.Builder
	for _, c := range i.Comments {
		if s.mayRead(i, c.Visibility) {
			b.WriteString(c.Body.words() + "\n")
		}
	}
	return b.String()
}

func (s *jqlScope) allWords(i *Issue) string {
	all := []string{i.Summary, i.Description.words(), s.commentWords(i)}
	for _, f := range s.jira().Fields {
		if f.Kind == "string" {
			all = append(all, fieldText(f, i.Fields[f.ID]))
		}
	}
	return strings.Join(all, "\n")
}

// fieldText returns the value of an added field in words, "" if it has none.
func fieldText(f *IssueField, value json.RawMessage) string {
	var option struct{ Value string }
	var number float64
	var text string
	switch {
	case f.Kind == "option" && json.Unmarshal(value, &option) == nil:
		return option.Value
	case f.Kind == "number" && len(value) > 0 && string(value) != "null" && json.Unmarshal(value, &number) == nil:
		return strconv.FormatFloat(number, 'f', -1, 64)
	case json.Unmarshal(value, &text) == nil:
		return text
	}
	return ""
}

func some(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// paddedNumber returns a whole number so that its order is that of its digits.
func paddedNumber(digits string) string { return fmt.Sprintf("%12s", digits) }

// sortableNumber returns a number so that its order is that of its digits.
func sortableNumber(text string) string {
	f, _ := strconv.ParseFloat(text, 64)
	bits := math.Float64bits(f)
	if f < 0 {
		bits = ^bits
	} else {
		bits |= 1 << 63
	}
	return fmt.Sprintf("%016x", bits)
}
