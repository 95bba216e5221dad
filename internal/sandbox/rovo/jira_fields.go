package rovo

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An issueEdit changes an issue on behalf of a call. What is wrong with the changes is collected: done tells.
type issueEdit struct {
	*call
	issue   *Issue
	project *Project
	format  string   // of prose that comes as a string
	screen  []string // the only fields that may be set; nil means those that an issue has
	items   []IssueChanged
	wrong   refusals
}

func (c *call) edit(i *Issue, format string) *issueEdit {
	return &issueEdit{call: c, issue: i, project: c.jira().project(i.Key), format: format}
}

// changed notes the old and the new value of a field.
func (e *issueEdit) changed(field, from, to string) {
	if from != to {
		e.items = append(e.items, IssueChanged{field, from, to})
	}
}

// done ends the edit: it says what was wrong, or writes down what has changed.
func (e *issueEdit) done() error {
	e.checkHierarchy()
	if err := e.wrong.err(); err != nil {
		return err
	}
	now := e.org.now()
	e.issue.Updated = now
	if len(e.items) > 0 {
		e.issue.History = append(e.issue.History, &IssueChange{strconv.Itoa(e.org.number()), e.person.Account, now, e.items})
	}
	return nil
}

// checkHierarchy refuses a parent that an issue of this type can't have.
func (e *issueEdit) checkHierarchy() {
	t, parent := e.jira().issueType(e.issue.Type), e.jira().issue(e.issue.Parent)
	switch {
	case t == nil || len(e.wrong) > 0:
	case parent == nil && t.Level < 0:
		e.wrong.add("parent", "Issue type is a sub-task but parent issue key or id not specified.")
	case parent == nil:
	default:
		above := e.jira().issueType(parent.Type)
		if above == nil || above.Level != t.Level+1 || t.Level < 0 && e.jira().project(parent.Key) != e.project {
			e.wrong.add("parentId", "Given parent work item does not belong to appropriate hierarchy.")
		}
	}
}

// setAll sets fields by their IDs.
func (e *issueEdit) setAll(fields map[string]json.RawMessage) {
	for _, id := range slices.Sorted(maps.Keys(fields)) {
		e.set(id, fields[id])
	}
}

// set gives a field a value as the REST API takes it.
func (e *issueEdit) set(id string, value json.RawMessage) {
	i := e.issue
	if e.screen != nil && !slices.Contains(e.screen, id) {
		e.wrong.add(id, fmt.Sprintf("Field '%s' cannot be set. It is not on the appropriate screen, or unknown.", id))
		return
	}
	switch id {
	case "summary":
		e.setSummary(value)
	case "description":
		e.setDescription(value)
	case "issuetype":
		if t := e.jira().issueType(nameOrID(value)); t == nil || !slices.Contains(e.project.Types, t.ID) {
			e.wrong.add(id, "Specify a valid issue type")
		} else {
			e.changed("issuetype", i.Type, t.Name)
			i.Type = t.Name
		}
	case "priority":
		switch p := e.jira().priority(nameOrID(value)); {
		case p != nil:
			e.changed(id, i.Priority, p.Name)
			i.Priority = p.Name
		case isNull(value):
			e.wrong.add(id, "Priority is required.")
		default:
			e.wrong.add(id, fmt.Sprintf("Priority name '%s' is not valid", nameOrID(value)))
		}
	case "labels":
		e.setLabels(value)
	case "assignee":
		i.Assignee = e.user(id, i.Assignee, value)
	case "reporter":
		i.Reporter = e.user(id, i.Reporter, value)
	case "duedate":
		if day, ok := e.day(id, value); ok {
			e.changed(id, i.Due, day)
			i.Due = day
		}
	case "parent":
		e.setParent(value)
	case "resolution":
		if r := e.jira().resolution(nameOrID(value)); e.screen == nil {
			e.wrong.add(id, "Field 'resolution' cannot be set. It is not on the appropriate screen, or unknown.")
		} else if r == nil {
			e.wrong.add(id, fmt.Sprintf("Resolution name '%s' is not valid", nameOrID(value)))
		} else {
			e.changed(id, i.Resolution, r.Name)
			i.Resolution = r.Name
		}
	default:
		e.setCustom(id, value)
	}
}

// nameOrID returns what {"name": …}, {"id": …}, {"key": …}, {"value": …}, {"accountId": …} or a string names, "" for null.
func nameOrID(value json.RawMessage) string {
	var text string
	var number json.Number
	var ref struct{ ID, AccountID, Key, Name, Value string }
	switch {
	case json.Unmarshal(value, &text) == nil:
		return text
	case json.Unmarshal(value, &number) == nil:
		return number.String()
	case json.Unmarshal(value, &ref) != nil:
		return ""
	}
	for _, s := range []string{ref.AccountID, ref.ID, ref.Key, ref.Name, ref.Value} {
		if s != "" {
			return s
		}
	}
	return ""
}

func (e *issueEdit) setSummary(value json.RawMessage) {
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		e.wrong.add("summary", "Operation value must be a string")
		return
	}
	switch text = strings.TrimSpace(text); {
	case text == "":
		e.wrong.add("summary", "You must specify a summary of the issue.")
	case strings.ContainsAny(text, "\r\n"):
		e.wrong.add("summary", "The summary is invalid because it contains newline characters.")
	case len([]rune(text)) > 255:
		e.wrong.add("summary", "Summary must be less than 255 characters.")
	default:
		e.changed("summary", e.issue.Summary, text)
		e.issue.Summary = text
	}
}

func (e *issueEdit) setDescription(value json.RawMessage) {
	var text string
	var p Prose
	err := json.Unmarshal(value, &text)
	switch {
	case isNull(value):
		err = nil
	case err == nil:
		p, err = prose(text, e.format)
	case isADF(string(value)):
		err = p.UnmarshalJSON(value)
	}
	if err != nil {
		e.wrong.add("description", "Operation value must be an Atlassian Document (see the Atlassian Document Format)")
		return
	}
	e.changed("description", e.issue.Description.words(), p.words())
	e.issue.Description = p
}

func (e *issueEdit) setLabels(value json.RawMessage) {
	var labels []string
	if json.Unmarshal(value, &labels) != nil {
		e.wrong.add("labels", "data was not an array")
		return
	}
	slices.Sort(labels)
	labels = slices.Compact(labels)
	for _, l := range labels {
		if l == "" || strings.ContainsAny(l, " \t\r\n") {
			e.wrong.add("labels", fmt.Sprintf("The label '%s' contains spaces which is invalid.", l))
			return
		}
	}
	e.changed("labels", strings.Join(e.issue.Labels, " "), strings.Join(labels, " "))
	e.issue.Labels = labels
}

// user returns the account that a field with one person is to hold.
func (e *issueEdit) user(field, old string, value json.RawMessage) string {
	account := nameOrID(value)
	p := e.org.person(account)
	switch {
	case account == "" && field == "reporter":
		e.wrong.add(field, "Reporter is required.")
		return old
	case account != "" && (p == nil || !e.site.Members.Has(account)):
		e.wrong.add(field, fmt.Sprintf("User '%s' does not exist.", account))
		return old
	case account != "" && field == "assignee" && !e.project.Members.Has(account):
		e.wrong.add(field, fmt.Sprintf("User '%s' cannot be assigned issues.", account))
		return old
	}
	e.changed(field, e.nameOf(old), e.nameOf(account))
	return account
}

func (e *issueEdit) nameOf(account string) string {
	if p := e.org.person(account); p != nil {
		return p.Name
	}
	return ""
}

// day returns a date, "" for null, and whether it is one.
func (e *issueEdit) day(field string, value json.RawMessage) (string, bool) {
	var day string
	if isNull(value) {
		return "", true
	}
	if json.Unmarshal(value, &day) != nil {
		e.wrong.add(field, "Operation value must be a string")
		return "", false
	}
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		e.wrong.add(field, "Error parsing date string: "+day)
		return "", false
	}
	return day, true
}

func (e *issueEdit) setParent(value json.RawMessage) {
	key := nameOrID(value)
	if key != "" {
		parent, err := e.findIssue(key)
		if err != nil {
			e.wrong.add("parent", "Could not find issue by id or key.")
			return
		}
		key = parent.Key
	}
	e.changed("Parent", e.issue.Parent, key)
	e.issue.Parent = key
}

// setCustom sets a field that somebody has added.
func (e *issueEdit) setCustom(id string, value json.RawMessage) {
	f := firstOf(e.jira().customFields(e.project), func(f *IssueField) bool { return f.ID == id })
	if f == nil {
		e.wrong.add(id, fmt.Sprintf("Field '%s' cannot be set. It is not on the appropriate screen, or unknown.", id))
		return
	}
	var number float64
	var text string
	switch {
	case isNull(value):
		value = nil
	case f.Kind == "number":
		if json.Unmarshal(value, &number) != nil {
			e.wrong.add(id, "Operation value must be a number")
			return
		}
	case f.Kind == "date":
		if _, ok := e.day(id, value); !ok {
			return
		}
	case f.Kind == "option":
		at := slices.IndexFunc(f.options(), func(o fieldOption) bool { return o.ID == nameOrID(value) || o.Value == nameOrID(value) })
		if at < 0 {
			e.wrong.add(id, fmt.Sprintf("Specify a valid 'id' or 'name' for %s", f.Name))
			return
		}
		value, _ = json.Marshal(f.options()[at]) // can't fail: two strings
	case json.Unmarshal(value, &text) != nil:
		e.wrong.add(id, "Operation value must be a string")
		return
	}
	e.changed(f.Name, fieldText(f, e.issue.Fields[id]), fieldText(f, value))
	if value == nil {
		delete(e.issue.Fields, id)
		return
	}
	if e.issue.Fields == nil {
		e.issue.Fields = make(map[string]json.RawMessage)
	}
	e.issue.Fields[id] = value
}

// A fieldOption is a value that an added field may have.
type fieldOption struct {
	Value string `json:"value"`
	ID    string `json:"id"`
}

// options returns the values that the field may have. They are numbered after the field.
func (f *IssueField) options() []fieldOption {
	var options []fieldOption
	for n, o := range f.Options {
		options = append(options, fieldOption{o, fmt.Sprintf("%s%02d", strings.TrimPrefix(f.ID, "customfield_"), n)})
	}
	return options
}

// transitions returns the ways that lead from where an issue is.
func (j *Jira) transitions(i *Issue) []*Transition {
	return slices.DeleteFunc(slices.Clone(j.workflow(j.project(i.Key)).Transitions), func(t *Transition) bool {
		return len(t.From) > 0 && !slices.Contains(t.From, i.Status)
	})
}

// move takes an issue along a transition, setting fields of its screen.
func (e *issueEdit) move(id string, fields map[string]json.RawMessage) {
	t := firstOf(e.jira().transitions(e.issue), func(t *Transition) bool { return t.ID == id })
	if t == nil {
		e.wrong = append(e.wrong, fmt.Sprintf("Transition id '%s' is not valid for this issue.", id))
		return
	}
	i, before := e.issue, e.jira().category(e.issue)
	e.changed("status", i.Status, t.To)
	i.Status = t.To
	after := e.jira().category(i)
	if after != before {
		i.Moved = e.org.now()
	}
	resolution, resolved := "Done", i.Resolved
	switch {
	case after != "done":
		resolution, resolved = "", time.Time{}
	case before != "done":
		resolved = e.org.now()
	case i.Resolution != "":
		resolution = i.Resolution
	}
	i.Resolved = resolved
	if _, given := fields["resolution"]; !given {
		e.changed("resolution", i.Resolution, resolution)
		i.Resolution = resolution
	}
	e.screen = []string{}
	if t.Screen {
		e.screen = append(e.screen, "resolution")
	}
	e.setAll(fields)
	e.screen = nil
}
