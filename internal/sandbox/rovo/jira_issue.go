package rovo

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// formats is how a tool takes and gives prose: "adf" or "markdown". Left out it is Markdown in and ADF out.
type formats struct {
	ContentFormat         string
	ResponseContentFormat string
}

func (c *call) getJiraIssue() (any, error) {
	var args struct {
		formats
		IssueIDOrKey string
		Fields       []string
		Expand       string
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	i, err := c.findIssue(args.IssueIDOrKey)
	if err != nil {
		return nil, err
	}
	shown := c.showIssue(i, args.Fields, args.ResponseContentFormat)
	for _, part := range strings.Split(args.Expand, ",") {
		switch strings.TrimSpace(part) {
		case "names":
			shown.Names = object{}
			for _, f := range c.shownFields(i) {
				if _, ok := shown.Fields[f.id]; ok {
					shown.Names[f.id] = f.name
				}
			}
		case "changelog":
			shown.Changelog = c.showHistory(i)
		case "transitions":
			for _, t := range c.jira().transitions(i) {
				shown.Transitions = append(shown.Transitions, c.showTransition(t, false))
			}
		}
	}
	return shown, nil
}

func (c *call) editJiraIssue() (any, error) {
	var args struct {
		formats
		IssueIDOrKey string
		Fields       map[string]json.RawMessage
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	i, err := c.findIssue(args.IssueIDOrKey)
	if err != nil {
		return nil, err
	}
	e := c.edit(i, args.ContentFormat)
	e.setAll(args.Fields)
	if err := e.done(); err != nil {
		return nil, err
	}
	return c.showIssue(i, nil, args.ResponseContentFormat), nil
}

func (c *call) createJiraIssue() (any, error) {
	var args struct {
		formats
		ProjectKey       string
		IssueTypeName    string
		Summary          json.RawMessage
		Description      json.RawMessage
		Parent           json.RawMessage
		AssigneeID       json.RawMessage            `json:"assignee_account_id"`
		AdditionalFields map[string]json.RawMessage `json:"additional_fields"`
		Transition       struct{ ID string }
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	j := c.jira()
	p := c.findProject(args.ProjectKey)
	if p == nil {
		return nil, failf(400, "project: Specify a valid project ID or key")
	}
	t := j.issueType(args.IssueTypeName)
	if t == nil || !slices.Contains(p.Types, t.ID) {
		return nil, failf(400, "issuetype: Specify a valid issue type")
	}
	p.Last++
	now := c.org.now()
	i := &Issue{
		ID: strconv.Itoa(c.org.number()), Key: fmt.Sprintf("%s-%d", p.Key, p.Last), Type: t.Name, Status: j.workflow(p).Initial, Moved: now,
		Priority: j.defaultPriority(), Reporter: c.person.Account, Creator: c.person.Account, Created: now,
	}
	j.Issues = append(j.Issues, i)
	e := c.edit(i, args.ContentFormat)
	fields := make(map[string]json.RawMessage)
	maps.Copy(fields, args.AdditionalFields)
	for id, value := range map[string]json.RawMessage{
		"summary": args.Summary, "description": args.Description, "parent": args.Parent, "assignee": args.AssigneeID,
	} {
		if !isNull(value) { // what has a parameter of its own counts more
			fields[id] = value
		}
	}
	e.setAll(fields)
	if args.Transition.ID != "" {
		e.move(args.Transition.ID, nil)
	}
	e.items = nil // an issue's history begins after it was made
	if err := e.done(); err != nil {
		return nil, err
	}
	return struct {
		ID   string `json:"id"`
		Key  string `json:"key"`
		Self string `json:"self"`
	}{i.ID, i.Key, c.jiraURL("issue/" + i.ID)}, nil
}

// defaultPriority returns the name of the priority in the middle, "" if there are none.
func (j *Jira) defaultPriority() string {
	if len(j.Priorities) == 0 {
		return ""
	}
	return j.Priorities[len(j.Priorities)/2].Name
}

func (c *call) getTransitionsForJiraIssue() (any, error) {
	var args struct {
		IssueIDOrKey string
		Expand       string
		TransitionID string
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	i, err := c.findIssue(args.IssueIDOrKey)
	if err != nil {
		return nil, err
	}
	shown := []any{}
	for _, t := range c.jira().transitions(i) {
		if args.TransitionID == "" || args.TransitionID == t.ID {
			shown = append(shown, c.showTransition(t, strings.Contains(args.Expand, "transitions.fields")))
		}
	}
	return object{"expand": "transitions", "transitions": shown}, nil
}

func (c *call) transitionJiraIssue() (any, error) {
	var args struct {
		formats
		IssueIDOrKey string
		Transition   struct{ ID string }
		Fields       map[string]json.RawMessage
		Update       map[string][]map[string]json.RawMessage
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	i, err := c.findIssue(args.IssueIDOrKey)
	if err != nil {
		return nil, err
	}
	e := c.edit(i, args.ContentFormat)
	fields := make(map[string]json.RawMessage)
	maps.Copy(fields, args.Fields)
	for _, field := range slices.Sorted(maps.Keys(args.Update)) {
		for _, operation := range args.Update[field] {
			switch value, set := operation["set"]; {
			case field == "comment":
				e.addComment(operation["add"])
			case set:
				fields[field] = value
			default:
				e.wrong.add(field, fmt.Sprintf("Field '%s' cannot be set. It is not on the appropriate screen, or unknown.", field))
			}
		}
	}
	e.move(args.Transition.ID, fields)
	if err := e.done(); err != nil {
		return nil, err
	}
	return object{"success": true}, nil
}

// addComment adds the comment that a transition's update has.
func (e *issueEdit) addComment(operation json.RawMessage) {
	var comment struct{ Body Prose }
	if json.Unmarshal(operation, &comment) != nil || comment.Body.IsZero() {
		e.wrong.add("comment", "Comment body can not be empty!")
		return
	}
	e.issue.Comments = append(e.issue.Comments,
		&IssueComment{ID: strconv.Itoa(e.org.number()), Author: e.person.Account, Body: comment.Body, Created: e.org.now()})
}
