package rovo

import (
	"html"
	"slices"
	"strings"
)

func (c *call) getVisibleJiraProjects() (any, error) {
	args := struct {
		SearchString        string
		StartAt, MaxResults int
		ExpandIssueTypes    bool
	}{MaxResults: 50, ExpandIssueTypes: true}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	var found []*Project // whoever may see a project may do anything in it, so that the action makes no difference
	for _, p := range c.jira().Projects {
		if p.Members.Has(c.person.Account) && (contains(p.Key, args.SearchString) || contains(p.Name, args.SearchString)) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b *Project) int { return strings.Compare(a.Name, b.Name) })
	shown := []any{}
	for _, p := range portion(found, args.StartAt, args.MaxResults) {
		o := c.showProject(p)
		o["expand"] = "description,lead,issueTypes,url,projectKeys,permissions,insight"
		o["isPrivate"], o["style"], o["properties"], o["description"] = len(p.Members) > 0, p.style(), object{}, p.Description
		if args.ExpandIssueTypes {
			o["issueTypes"] = c.showTypes(p)
		}
		shown = append(shown, o)
	}
	return object{"self": c.jiraURL("project/search"), "startAt": args.StartAt, "maxResults": args.MaxResults, "total": len(found),
		"isLast": args.StartAt+len(shown) >= len(found), "values": shown}, nil
}

// contains reports whether text contains what somebody looks for, in any case.
func contains(text, what string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(what))
}

// portion returns at most n of all, from start.
func portion[T any](all []T, start, n int) []T {
	start = min(max(start, 0), len(all))
	return all[start:min(start+max(n, 0), len(all))]
}

func (p *Project) style() string {
	if p.TeamManaged {
		return "next-gen"
	}
	return "classic"
}

func (c *call) showTypes(p *Project) []any {
	shown := []any{}
	for _, id := range p.Types {
		shown = append(shown, c.showType(c.jira().issueType(id)))
	}
	return shown
}

// projectWith returns a project that the person may see and an error in Jira's words if there is none.
func (c *call) projectWith(idOrKey string) (*Project, error) {
	p := c.findProject(idOrKey)
	switch {
	case p != nil:
		return p, nil
	case idOrKey != "" && strings.Trim(idOrKey, "0123456789") == "":
		return nil, failf(404, "No project could be found with id '%s'.", idOrKey)
	}
	return nil, failf(404, "No project could be found with key '%s'.", idOrKey)
}

func (c *call) getJiraProjectIssueTypesMetadata() (any, error) {
	args := struct {
		ProjectIDOrKey      string
		StartAt, MaxResults int
	}{MaxResults: 50}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	p, err := c.projectWith(args.ProjectIDOrKey)
	if err != nil {
		return nil, err
	}
	types := c.showTypes(p)
	return object{"startAt": args.StartAt, "maxResults": args.MaxResults, "total": len(types),
		"issueTypes": portion(types, args.StartAt, args.MaxResults)}, nil
}

func (c *call) getJiraIssueTypeMetaWithFields() (any, error) {
	args := struct {
		ProjectIDOrKey, IssueTypeID string
		RequiredFieldsOnly          bool
		StartAt, MaxResults         int
	}{MaxResults: 50}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	p, err := c.projectWith(args.ProjectIDOrKey)
	if err != nil {
		return nil, err
	}
	t := firstOf(c.jira().Types, func(t *IssueType) bool { return t.ID == args.IssueTypeID && slices.Contains(p.Types, t.ID) })
	if t == nil {
		return nil, failf(404, "Issue type with id '%s' could not be found in the project.", args.IssueTypeID)
	}
	fields := c.createFields(p, t)
	if args.RequiredFieldsOnly {
		fields = slices.DeleteFunc(fields, func(o object) bool { return o["required"] == false })
	}
	shown := portion(fields, args.StartAt, args.MaxResults)
	return object{"startAt": args.StartAt, "maxResults": args.MaxResults, "total": len(fields), "fields": append([]object{}, shown...)}, nil
}

// createFields describes the fields that a new issue can have.
func (c *call) createFields(p *Project, t *IssueType) []object {
	field := func(id, name, kind string, required, hasDefault bool) object {
		return object{"fieldId": id, "key": id, "name": name, "required": required, "hasDefaultValue": hasDefault, "operations": []string{"set"},
			"schema": object{"type": kind, "system": id}}
	}
	project, issueType := field("project", "Project", "project", true, false), field("issuetype", "Issue Type", "issuetype", true, false)
	project["allowedValues"], issueType["allowedValues"] = []any{c.showProject(p)}, []any{c.showType(t)}
	priority, labels := field("priority", "Priority", "priority", false, true), field("labels", "Labels", "array", false, false)
	allowed := []any{}
	for _, p := range c.jira().Priorities {
		allowed = append(allowed, c.showPriority(p.Name))
	}
	priority["allowedValues"], priority["defaultValue"] = allowed, c.showPriority(c.jira().defaultPriority())
	labels["operations"], labels["schema"] = []string{"add", "set", "remove"}, object{"type": "array", "items": "string", "system": "labels"}
	fields := []object{
		project, issueType, field("summary", "Summary", "string", true, false), field("parent", "Parent", "issuelink", t.Level < 0, false),
		field("description", "Description", "string", false, false), priority, labels, field("assignee", "Assignee", "user", false, false),
		field("reporter", "Reporter", "user", true, true), field("duedate", "Due date", "date", false, false),
	}
	for _, f := range c.jira().customFields(p) {
		custom := field(f.ID, f.Name, f.Kind, false, false)
		custom["schema"] = object{"type": f.Kind, "customId": strings.TrimPrefix(f.ID, "customfield_")}
		if f.Options != nil {
			custom["allowedValues"] = f.options()
		}
		fields = append(fields, custom)
	}
	return fields
}

func (c *call) lookupJiraAccountID() (any, error) {
	var args struct{ SearchString string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	what := strings.TrimSpace(args.SearchString)
	shown := []any{}
	for _, p := range c.org.data.People {
		if !c.site.Members.Has(p.Account) || what == "" || !contains(p.Name, what) && !contains(p.Email, what) {
			continue
		}
		kind := "atlassian"
		if p.Service {
			kind = "app"
		}
		shown = append(shown, object{"accountId": p.Account, "accountType": kind, "displayName": p.Name,
			"html":      highlight(p.Name, what) + " - " + highlight(p.Email, what),
			"avatarUrl": c.jiraURL("universal_avatar/view/type/user/avatar/" + p.Account)})
	}
	return object{"data": object{"users": object{"users": shown, "total": len(shown)}}}, nil
}

// highlight returns text as HTML, in which the first place with what somebody looks for is bold.
func highlight(text, what string) string {
	i := strings.Index(strings.ToLower(text), strings.ToLower(what))
	if i < 0 || i+len(what) > len(text) {
		return html.EscapeString(text)
	}
	return html.EscapeString(text[:i]) + "<strong>" + html.EscapeString(text[i:i+len(what)]) + "</strong>" + html.EscapeString(text[i+len(what):])
}
