package rovo

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// This file shows what Jira holds as Jira's REST API, version 3, does. Pictures are left out but for their addresses, which lead nowhere.

// object is a JSON object of the products' answers.
type object = map[string]any

// A statusCategory is one of the three kinds of status.
type statusCategory struct {
	ID        int    `json:"id"`
	Key       string `json:"key"`
	ColorName string `json:"colorName"`
	Name      string `json:"name"`
}

// statusCategories are in the order in which issues go through them.
var statusCategories = [...]statusCategory{
	{2, "new", "blue-gray", "To Do"},
	{4, "indeterminate", "yellow", "In Progress"},
	{3, "done", "green", "Done"},
}

// statusCategoryNamed returns the key of the category with a name, a key or an ID, "" if there is none.
func statusCategoryNamed(text string) string {
	for _, c := range statusCategories {
		if strings.EqualFold(c.Name, text) || strings.EqualFold(c.Key, text) || strconv.Itoa(c.ID) == text {
			return c.Key
		}
	}
	return ""
}

// category returns the key of the category of an issue's status.
func (j *Jira) category(i *Issue) string {
	if s := j.status(i.Status); s != nil {
		return s.Category
	}
	return ""
}

// jiraURL returns the address of something in the REST API.
func (c *call) jiraURL(path string) string {
	return "https://api.atlassian.com/ex/jira/" + c.site.ID + "/rest/api/3/" + path
}

// avatars returns the addresses of a picture in Jira's four sizes.
func (c *call) avatars(kind, id string) object {
	sizes := object{}
	for size, name := range map[string]string{"16x16": "xsmall", "24x24": "small", "32x32": "medium", "48x48": ""} {
		address := c.jiraURL("universal_avatar/view/type/" + kind + "/avatar/" + id)
		if name != "" {
			address += "?size=" + name
		}
		sizes[size] = address
	}
	return sizes
}

func (c *call) showUser(account string) any {
	p := c.org.person(account)
	if p == nil {
		return nil
	}
	kind := "atlassian"
	if p.Service {
		kind = "app"
	}
	return object{
		"self": c.jiraURL("user?accountId=" + url.QueryEscape(account)), "accountId": account, "accountType": kind, "active": true,
		"displayName": p.Name, "emailAddress": p.Email, "timeZone": cmp.Or(p.TimeZone, "Etc/UTC"),
		"avatarUrls": c.avatars("user", account[max(0, len(account)-4):]),
	}
}

func (c *call) showStatus(name string) any {
	s := c.jira().status(name)
	if s == nil {
		return nil
	}
	category := statusCategories[max(0, slices.IndexFunc(statusCategories[:], func(c statusCategory) bool { return c.Key == s.Category }))]
	return object{
		"self": c.jiraURL("status/" + s.ID), "description": s.Description, "iconUrl": "https://api.atlassian.com/images/icons/statuses/generic.png",
		"name": s.Name, "id": s.ID, "statusCategory": object{
			"self": c.jiraURL("statuscategory/" + strconv.Itoa(category.ID)), "id": category.ID, "key": category.Key,
			"colorName": category.ColorName, "name": category.Name,
		},
	}
}

func (c *call) showType(t *IssueType) any {
	if t == nil {
		return nil
	}
	return object{
		"self": c.jiraURL("issuetype/" + t.ID), "id": t.ID, "description": t.Description, "name": t.Name,
		"iconUrl": c.jiraURL("universal_avatar/view/type/issuetype/avatar/" + t.ID),
		"subtask": t.Level < 0, "hierarchyLevel": t.Level,
	}
}

func (c *call) showPriority(name string) any {
	p := c.jira().priority(name)
	if p == nil {
		return nil
	}
	icon := "https://api.atlassian.com/images/icons/priorities/" + strings.ToLower(p.Name) + ".svg"
	return object{"self": c.jiraURL("priority/" + p.ID), "iconUrl": icon, "name": p.Name, "id": p.ID}
}

func (c *call) showResolution(name string) any {
	r := c.jira().resolution(name)
	if r == nil {
		return nil
	}
	return object{"self": c.jiraURL("resolution/" + r.ID), "id": r.ID, "description": r.Description, "name": r.Name}
}

func (c *call) showProject(p *Project) object {
	return object{
		"self": c.jiraURL("project/" + p.ID), "id": p.ID, "key": p.Key, "name": p.Name, "projectTypeKey": p.Kind,
		"simplified": p.TeamManaged, "avatarUrls": c.avatars("project", p.ID),
	}
}

// showOther returns what an issue shows of another one: nil if the person may not see it.
func (c *call) showOther(key string) any {
	i := c.jira().issue(key)
	if i == nil || !c.jira().sees(c.person.Account, i) {
		return nil
	}
	return object{"id": i.ID, "key": i.Key, "self": c.jiraURL("issue/" + i.ID), "fields": object{
		"summary": i.Summary, "status": c.showStatus(i.Status), "priority": c.showPriority(i.Priority),
		"issuetype": c.showType(c.jira().issueType(i.Type)),
	}}
}

func (c *call) showLinkType(t *IssueLinkType) any {
	if t == nil {
		return nil
	}
	return object{"id": t.ID, "name": t.Name, "inward": t.Inward, "outward": t.Outward, "self": c.jiraURL("issueLinkType/" + t.ID)}
}

// showLinks returns an issue's links to issues that the person may see.
func (c *call) showLinks(i *Issue) []any {
	shown := []any{}
	for _, l := range c.jira().Links {
		o := object{"id": l.ID, "self": c.jiraURL("issueLink/" + l.ID), "type": c.showLinkType(c.jira().linkType(l.Type))}
		switch i.Key {
		case l.Inward:
			o["outwardIssue"] = c.showOther(l.Outward)
		case l.Outward:
			o["inwardIssue"] = c.showOther(l.Inward)
		default:
			continue
		}
		if o["outwardIssue"] != nil || o["inwardIssue"] != nil {
			shown = append(shown, o)
		}
	}
	return shown
}

func (c *call) showSubtasks(i *Issue) []any {
	shown := []any{}
	for _, other := range c.jira().Issues {
		if t := c.jira().issueType(other.Type); other.Parent == i.Key && t != nil && t.Level < 0 {
			shown = append(shown, c.showOther(other.Key))
		}
	}
	return shown
}

// showComments returns the comments of an issue that the person may read.
func (c *call) showComments(i *Issue, format string) object {
	shown := []any{}
	for _, comment := range i.Comments {
		if c.mayRead(i, comment.Visibility) {
			shown = append(shown, c.showComment(i, comment, format))
		}
	}
	return object{"comments": shown, "self": c.jiraURL("issue/" + i.ID + "/comment"), "maxResults": len(shown), "total": len(shown), "startAt": 0}
}

func (c *call) showComment(i *Issue, comment *IssueComment, format string) object {
	updated := comment.Updated
	if updated.IsZero() {
		updated = comment.Created
	}
	zone := c.person.zone()
	o := object{
		"self": c.jiraURL("issue/" + i.ID + "/comment/" + comment.ID), "id": comment.ID, "author": c.showUser(comment.Author),
		"body": comment.Body.show(format), "updateAuthor": c.showUser(comment.Author), "created": jiraTime(comment.Created, zone),
		"updated": jiraTime(updated, zone), "jsdPublic": true,
	}
	if comment.Visibility != nil {
		o["visibility"] = comment.Visibility
	}
	return o
}

func (c *call) showWorklogs(i *Issue, format string) object {
	shown := []any{}
	for _, w := range i.Worklogs {
		if c.mayRead(i, w.Visibility) {
			shown = append(shown, c.showWorklog(i, w, format))
		}
	}
	return object{"startAt": 0, "maxResults": 20, "total": len(shown), "worklogs": shown}
}

func (c *call) showWorklog(i *Issue, w *Worklog, format string) object {
	zone := c.person.zone()
	o := object{
		"self": c.jiraURL("issue/" + i.ID + "/worklog/" + w.ID), "id": w.ID, "issueId": i.ID, "author": c.showUser(w.Author),
		"updateAuthor": c.showUser(w.Author), "created": jiraTime(w.Created, zone), "updated": jiraTime(w.Updated, zone),
		"started": jiraTime(w.Started, zone), "timeSpent": durationText(w.Seconds), "timeSpentSeconds": w.Seconds,
	}
	if !w.Comment.IsZero() {
		o["comment"] = w.Comment.show(format)
	}
	if w.Visibility != nil {
		o["visibility"] = w.Visibility
	}
	return o
}

// mayRead reports whether the person may read something on an issue that is restricted so: project leads and the organization's admins
// are the role Administrators, admins are the group org-admins, and everybody is everything else.
func (c *call) mayRead(i *Issue, v *Visibility) bool {
	switch {
	case v == nil:
		return true
	case v.Type == "role" && strings.EqualFold(v.Value, "Administrators"):
		return c.person.Admin || c.jira().project(i.Key).Lead == c.person.Account
	case v.Type == "group" && strings.EqualFold(v.Value, "org-admins"):
		return c.person.Admin
	}
	return true
}
