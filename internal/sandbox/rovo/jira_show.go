package rovo

import (
	"encoding/json"
	"slices"
	"strings"
)

// fieldNames are Jira's own fields by ID, with the names that people know them by.
var fieldNames = [...][2]string{
	{"summary", "Summary"}, {"description", "Description"}, {"issuetype", "Issue Type"}, {"project", "Project"}, {"status", "Status"},
	{"statuscategorychangedate", "Status Category Changed"}, {"priority", "Priority"}, {"labels", "Labels"}, {"assignee", "Assignee"},
	{"reporter", "Reporter"}, {"creator", "Creator"}, {"parent", "Parent"}, {"created", "Created"}, {"updated", "Updated"}, {"duedate", "Due date"},
	{"resolution", "Resolution"}, {"resolutiondate", "Resolved"}, {"issuelinks", "Linked Issues"}, {"subtasks", "Sub-tasks"}, {"comment", "Comment"},
	{"worklog", "Log Work"}, {"timespent", "Time Spent"},
}

// A shownIssue is an issue as tools show it.
type shownIssue struct {
	Expand      string `json:"expand,omitempty"`
	ID          string `json:"id"`
	Self        string `json:"self"`
	Key         string `json:"key"`
	WebURL      string `json:"webUrl,omitempty"`
	Fields      object `json:"fields,omitempty"`
	Names       object `json:"names,omitempty"`
	Transitions []any  `json:"transitions,omitempty"`
	Changelog   object `json:"changelog,omitempty"`
}

// showIssue returns the issue with these of its fields: IDs or names, *all, or -description to leave it out. None means all.
func (c *call) showIssue(i *Issue, fields []string, format string) shownIssue {
	shown := shownIssue{Expand: "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations",
		ID: i.ID, Self: c.jiraURL("issue/" + i.ID), Key: i.Key, Fields: object{}}
	for _, f := range c.shownFields(i) {
		if wants(fields, f.id, f.name) {
			shown.Fields[f.id] = f.show(format)
		}
	}
	return shown
}

// wants reports whether a field is among the fields that somebody asks for.
func wants(fields []string, id, name string) bool {
	wanted := len(fields) == 0 || strings.HasPrefix(fields[0], "-")
	for _, f := range fields {
		f = strings.TrimSpace(f)
		switch rest, not := strings.CutPrefix(f, "-"); {
		case not && strings.EqualFold(rest, id):
			return false
		case f == "*all", f == "*navigable" && id != "comment" && id != "worklog", strings.EqualFold(f, id), strings.EqualFold(f, name):
			wanted = true
		}
	}
	return wanted
}

// A shownField is a field of an issue, with how to show it.
type shownField struct {
	id, name string
	show     func(format string) any
}

// shownFields returns the fields that an issue has.
func (c *call) shownFields(i *Issue) []shownField {
	var all []shownField
	for _, f := range fieldNames {
		if f[0] == "parent" && c.showOther(i.Parent) == nil {
			continue // it isn't there, rather than null
		}
		all = append(all, shownField{f[0], f[1], func(format string) any { return c.showField(i, f[0], format) }})
	}
	for _, f := range c.jira().customFields(c.jira().project(i.Key)) {
		all = append(all, shownField{f.ID, f.Name, func(string) any { return i.Fields[f.ID] }})
	}
	return all
}

// showField returns the value of one of Jira's own fields.
func (c *call) showField(i *Issue, id, format string) any {
	j, zone := c.jira(), c.person.zone()
	switch id {
	case "summary":
		return i.Summary
	case "description":
		return i.Description.show(format)
	case "issuetype":
		return c.showType(j.issueType(i.Type))
	case "project":
		return c.showProject(j.project(i.Key))
	case "status":
		return c.showStatus(i.Status)
	case "statuscategorychangedate":
		return jiraTime(i.Moved, zone)
	case "priority":
		return c.showPriority(i.Priority)
	case "labels":
		return append([]string{}, i.Labels...)
	case "assignee":
		return c.showUser(i.Assignee)
	case "reporter":
		return c.showUser(i.Reporter)
	case "creator":
		return c.showUser(i.Creator)
	case "parent":
		return c.showOther(i.Parent)
	case "created":
		return jiraTime(i.Created, zone)
	case "updated":
		return jiraTime(i.Updated, zone)
	case "duedate":
		if i.Due == "" {
			return nil
		}
		return i.Due
	case "resolution":
		return c.showResolution(i.Resolution)
	case "resolutiondate":
		return jiraTime(i.Resolved, zone)
	case "issuelinks":
		return c.showLinks(i)
	case "subtasks":
		return c.showSubtasks(i)
	case "comment":
		return c.showComments(i, format)
	case "worklog":
		return c.showWorklogs(i, format)
	case "timespent":
		seconds := 0
		for _, w := range i.Worklogs {
			seconds += w.Seconds
		}
		if seconds > 0 {
			return seconds
		}
	}
	return nil
}

// showTransition returns a transition with the fields of its screen if somebody has asked to expand them.
func (c *call) showTransition(t *Transition, fields bool) any {
	o := object{
		"id": t.ID, "name": t.Name, "to": c.showStatus(t.To), "hasScreen": t.Screen, "isGlobal": len(t.From) == 0, "isInitial": false,
		"isAvailable": true, "isConditional": false, "isLooped": false,
	}
	if fields {
		screen := object{}
		if t.Screen {
			var allowed []any
			for _, r := range c.jira().Resolutions {
				allowed = append(allowed, c.showResolution(r.Name))
			}
			screen["resolution"] = object{"required": false, "schema": object{"type": "resolution", "system": "resolution"}, "name": "Resolution",
				"key": "resolution", "hasDefaultValue": true, "operations": []string{"set"}, "allowedValues": allowed}
		}
		o["fields"] = screen
	}
	return o
}

// showHistory returns an issue's changes, the newest first.
func (c *call) showHistory(i *Issue) object {
	histories := []any{}
	for _, h := range slices.Backward(i.History) {
		items := []any{}
		for _, item := range h.Items {
			items = append(items, object{"field": item.Field, "fieldtype": "jira", "fieldId": strings.ToLower(item.Field),
				"from": nil, "fromString": item.From, "to": nil, "toString": item.To})
		}
		histories = append(histories, object{"id": h.ID, "author": c.showUser(h.Author), "created": jiraTime(h.Time, c.person.zone()), "items": items})
	}
	return object{"startAt": 0, "maxResults": len(histories), "total": len(histories), "histories": histories}
}

// isNull reports whether a JSON value is null or missing.
func isNull(value json.RawMessage) bool {
	return len(value) == 0 || strings.TrimSpace(string(value)) == "null"
}
