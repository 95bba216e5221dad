package rovo

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Jira is what Jira holds at a site. The files of it: jira_text.go is what people write, jira_fields.go changes an issue,
// jira_show.go shows one as Jira's REST API does, with the parts that jira_json.go has; the others are the tools by what they are about.
// jql.go and its neighbours search.
type Jira struct {
	Types       []*IssueType     `json:"types,omitempty"`
	Statuses    []*IssueStatus   `json:"statuses,omitempty"`
	Priorities  []*Priority      `json:"priorities,omitempty"` // the highest first
	Resolutions []*Resolution    `json:"resolutions,omitempty"`
	LinkTypes   []*IssueLinkType `json:"linkTypes,omitempty"`
	Fields      []*IssueField    `json:"fields,omitempty"`
	Workflows   []*Workflow      `json:"workflows,omitempty"`
	Projects    []*Project       `json:"projects,omitempty"`
	Issues      []*Issue         `json:"issues,omitempty"`
	Links       []*IssueLink     `json:"links,omitempty"`
}

// An IssueType is a kind of issue.
type IssueType struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Level       int    `json:"level,omitempty"` // in the hierarchy: 1 for epics, 0, -1 for subtasks
}

// An IssueStatus is where an issue stands.
type IssueStatus struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Category    string `json:"category"` // "new", "indeterminate" or "done"
	Description string `json:"description,omitempty"`
}

// A Priority says how urgent an issue is.
type Priority struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// A Resolution says why an issue is done.
type Resolution struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// An IssueLinkType is a relation of two issues: one "blocks" (outward) the other, which "is blocked by" (inward) it.
type IssueLinkType struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Inward  string `json:"inward"`
	Outward string `json:"outward"`
}

// An IssueField is a field that somebody has added to Jira's own.
type IssueField struct {
	ID       string   `json:"id"` // customfield_10016
	Name     string   `json:"name"`
	Kind     string   `json:"kind"` // "number", "string", "date" or "option"
	Options  []string `json:"options,omitempty"`
	Projects []string `json:"projects,omitempty"` // keys of those that have it; none means all
}

// A Workflow says which statuses there are and the ways between them.
type Workflow struct {
	Name        string        `json:"name"`
	Initial     string        `json:"initial"` // name of a status
	Transitions []*Transition `json:"transitions"`
}

// A Transition is a way from one status to another.
type Transition struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	From   []string `json:"from,omitempty"` // names of statuses; none means any
	To     string   `json:"to"`
	Screen bool     `json:"screen,omitempty"` // asks for a resolution
}

// A Project holds issues.
type Project struct {
	ID          string   `json:"id"`
	Key         string   `json:"key"`
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Lead        string   `json:"lead"` // account
	Kind        string   `json:"kind"` // "software", "business" or "service_desk"
	TeamManaged bool     `json:"teamManaged,omitempty"`
	Members     Audience `json:"members,omitempty"`
	Workflow    string   `json:"workflow"`
	Types       []string `json:"types"` // IDs
	Last        int      `json:"last"`  // number in the newest issue's key
}

// An Issue is one thing to do. Types, statuses, priorities and resolutions are kept by name, people by account, other issues by key.
type Issue struct {
	ID          string                     `json:"id"`
	Key         string                     `json:"key"`
	Type        string                     `json:"type"`
	Summary     string                     `json:"summary"`
	Description Prose                      `json:"description,omitzero"`
	Status      string                     `json:"status"`
	Moved       time.Time                  `json:"moved,omitzero"` // to the category of its status
	Priority    string                     `json:"priority,omitempty"`
	Labels      []string                   `json:"labels,omitempty"`
	Assignee    string                     `json:"assignee,omitempty"`
	Reporter    string                     `json:"reporter,omitempty"`
	Creator     string                     `json:"creator"`
	Parent      string                     `json:"parent,omitempty"`
	Created     time.Time                  `json:"created"`
	Updated     time.Time                  `json:"updated"`
	Due         string                     `json:"due,omitempty"` // 2026-06-30
	Resolution  string                     `json:"resolution,omitempty"`
	Resolved    time.Time                  `json:"resolved,omitzero"`
	Fields      map[string]json.RawMessage `json:"fields,omitempty"` // custom ones by ID
	Comments    []*IssueComment            `json:"comments,omitempty"`
	Worklogs    []*Worklog                 `json:"worklogs,omitempty"`
	RemoteLinks []*RemoteLink              `json:"remoteLinks,omitempty"`
	History     []*IssueChange             `json:"history,omitempty"`
}

// An IssueComment is what somebody says about an issue.
type IssueComment struct {
	ID         string      `json:"id"`
	Author     string      `json:"author"`
	Body       Prose       `json:"body"`
	Created    time.Time   `json:"created"`
	Updated    time.Time   `json:"updated,omitzero"`
	Visibility *Visibility `json:"visibility,omitempty"`
}

// A Visibility restricts a comment or a worklog to a group or a role.
type Visibility struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// A Worklog is time spent on an issue.
type Worklog struct {
	ID         string      `json:"id"`
	Author     string      `json:"author"`
	Comment    Prose       `json:"comment,omitzero"`
	Started    time.Time   `json:"started"`
	Seconds    int         `json:"seconds"`
	Created    time.Time   `json:"created"`
	Updated    time.Time   `json:"updated"`
	Visibility *Visibility `json:"visibility,omitempty"`
}

// An IssueLink relates two issues: Inward does to Outward what its type's outward name says.
type IssueLink struct {
	ID      string `json:"id"`
	Type    string `json:"type"` // name
	Inward  string `json:"inward"`
	Outward string `json:"outward"`
}

// A RemoteLink leads from an issue to something outside Jira.
type RemoteLink struct {
	ID           int    `json:"id"`
	GlobalID     string `json:"globalId,omitempty"`
	Relationship string `json:"relationship,omitempty"`
	URL          string `json:"url"`
	Title        string `json:"title"`
}

// An IssueChange is what somebody has changed at once.
type IssueChange struct {
	ID     string         `json:"id"`
	Author string         `json:"author"`
	Time   time.Time      `json:"time"`
	Items  []IssueChanged `json:"items"`
}

// IssueChanged is one field's part of an [IssueChange], in words.
type IssueChanged struct {
	Field string `json:"field"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
}

// plantJira reads what Jira holds and moves it on by age.
func (s *Site) plantJira(text json.RawMessage, age time.Duration) error {
	if err := json.Unmarshal(text, &s.Jira); err != nil {
		return err
	}
	move := func(times ...*time.Time) {
		for _, t := range times {
			if !t.IsZero() {
				*t = t.Add(age)
			}
		}
	}
	for _, i := range s.Jira.Issues {
		if i.Moved.IsZero() {
			i.Moved = i.Updated
		}
		move(&i.Created, &i.Updated, &i.Resolved, &i.Moved)
		if due, err := time.Parse(time.DateOnly, i.Due); err == nil {
			i.Due = due.Add(age).Format(time.DateOnly)
		}
		for _, c := range i.Comments {
			move(&c.Created, &c.Updated)
		}
		for _, w := range i.Worklogs {
			move(&w.Started, &w.Created, &w.Updated)
		}
		for _, h := range i.History {
			move(&h.Time)
		}
	}
	return nil
}

// jira returns what Jira holds at the call's site, which may be nothing.
func (c *call) jira() *Jira {
	if c.site == nil || c.site.Jira == nil {
		return new(Jira)
	}
	return c.site.Jira
}

// firstOf returns the first of all that is meant, nil if none is.
func firstOf[T any](all []*T, meant func(*T) bool) *T {
	if i := slices.IndexFunc(all, meant); i >= 0 {
		return all[i]
	}
	return nil
}

// project returns the project of an issue's key, or of a project's.
func (j *Jira) project(key string) *Project {
	if i := strings.LastIndexByte(key, '-'); i >= 0 {
		key = key[:i]
	}
	return firstOf(j.Projects, func(p *Project) bool { return strings.EqualFold(p.Key, key) })
}

// issue returns the issue with a key or an ID, whoever may see it.
func (j *Jira) issue(idOrKey string) *Issue {
	return firstOf(j.Issues, func(i *Issue) bool { return i.ID == idOrKey || strings.EqualFold(i.Key, idOrKey) })
}

// sees reports whether the account may see the issue.
func (j *Jira) sees(account string, i *Issue) bool {
	p := j.project(i.Key)
	return p != nil && p.Members.Has(account)
}

// issuesFor returns the issues that the account may see, in the order in which they were made.
func (j *Jira) issuesFor(account string) []*Issue {
	return slices.Collect(func(yield func(*Issue) bool) {
		for _, i := range j.Issues {
			if j.sees(account, i) && !yield(i) {
				return
			}
		}
	})
}

func (j *Jira) issueType(idOrName string) *IssueType {
	return firstOf(j.Types, func(t *IssueType) bool { return t.ID == idOrName || strings.EqualFold(t.Name, idOrName) })
}

func (j *Jira) status(idOrName string) *IssueStatus {
	return firstOf(j.Statuses, func(s *IssueStatus) bool { return s.ID == idOrName || strings.EqualFold(s.Name, idOrName) })
}

func (j *Jira) priority(idOrName string) *Priority {
	return firstOf(j.Priorities, func(p *Priority) bool { return p.ID == idOrName || strings.EqualFold(p.Name, idOrName) })
}

func (j *Jira) resolution(idOrName string) *Resolution {
	return firstOf(j.Resolutions, func(r *Resolution) bool { return r.ID == idOrName || strings.EqualFold(r.Name, idOrName) })
}

func (j *Jira) linkType(idOrName string) *IssueLinkType {
	return firstOf(j.LinkTypes, func(t *IssueLinkType) bool { return t.ID == idOrName || strings.EqualFold(t.Name, idOrName) })
}

func (j *Jira) workflow(p *Project) *Workflow {
	if w := firstOf(j.Workflows, func(w *Workflow) bool { return w.Name == p.Workflow }); w != nil {
		return w
	}
	return new(Workflow)
}

// customFields returns the added fields of a project.
func (j *Jira) customFields(p *Project) []*IssueField {
	return slices.DeleteFunc(slices.Clone(j.Fields), func(f *IssueField) bool {
		return len(f.Projects) > 0 && !slices.Contains(f.Projects, p.Key)
	})
}

// findIssue returns an issue that the person may see.
func (c *call) findIssue(idOrKey string) (*Issue, error) {
	if i := c.jira().issue(strings.TrimSpace(idOrKey)); i != nil && c.jira().sees(c.person.Account, i) {
		return i, nil
	}
	return nil, failf(404, "Issue does not exist or you do not have permission to see it.")
}

// findProject returns a project that the person may see.
func (c *call) findProject(idOrKey string) *Project {
	return firstOf(c.jira().Projects, func(p *Project) bool {
		return (p.ID == idOrKey || strings.EqualFold(p.Key, idOrKey)) && p.Members.Has(c.person.Account)
	})
}
