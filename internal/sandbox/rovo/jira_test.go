package rovo

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// desk uses Jira's tools for somebody at acme.
type desk struct {
	*testing.T
	org     *Org
	account string
}

func (d desk) use(name string, args map[string]any, result any) {
	d.Helper()
	full := map[string]any{"cloudId": acmeID}
	maps.Copy(full, args)
	play(d.T, d.org, Caller{Account: d.account}, View{}, name, full, result)
}

// refused uses a tool that must fail, and returns what it says. Nothing may change.
func (d desk) refused(name string, args map[string]any) string {
	d.Helper()
	before := string(d.org.Data())
	full := map[string]any{"cloudId": acmeID}
	maps.Copy(full, args)
	out := d.org.Call(Caller{Account: d.account}, View{}, name, json.RawMessage(compactJSON(full)))
	if !out.IsError {
		d.Errorf("%s %v isn't refused: %s", name, args, out.Text)
	}
	if string(d.org.Data()) != before {
		d.Errorf("%s %v is refused and changes something", name, args)
	}
	var said struct {
		Error   bool
		Message string
	}
	if err := json.Unmarshal([]byte(out.Text), &said); err != nil || !said.Error {
		d.Errorf("%s: %s", name, out.Text)
	}
	return said.Message
}

// shown is an issue as tests read it.
type shown struct {
	ID, Key, Self string
	Fields        struct {
		Summary, DueDate, Updated, ResolutionDate string
		Description                               json.RawMessage
		Status, Priority, IssueType, Resolution   struct{ Name string }
		Assignee, Reporter                        struct{ AccountID, DisplayName string }
		Labels                                    []string
		Parent                                    struct{ Key string }
		Subtasks                                  []struct{ Key string }
		Points                                    float64                    `json:"customfield_10016"`
		Severity                                  struct{ Value, ID string } `json:"customfield_10041"`
		Comment                                   struct {
			Comments []struct{ Body json.RawMessage }
		}
		Worklog    struct{ Worklogs []struct{ TimeSpent string } }
		IssueLinks []struct {
			Type                      struct{ Name, Inward, Outward string }
			InwardIssue, OutwardIssue *struct{ Key string }
		}
	}
	Names       map[string]string
	Transitions []struct{ Name string }
	Changelog   struct {
		Histories []struct {
			Author struct{ DisplayName string }
			Items  []struct{ Field, FromString, ToString string }
		}
	}
}

func (d desk) get(key string, more ...string) shown {
	d.Helper()
	var i shown
	d.use("getJiraIssue", map[string]any{"issueIdOrKey": key, "expand": strings.Join(more, ",")}, &i)
	return i
}

func TestGetJiraIssue(t *testing.T) {
	d := desk{t, open(t), ben}
	i := d.get("alpha-16", "names", "changelog", "transitions")
	if i.Key != "ALPHA-16" || i.Self != "https://api.atlassian.com/ex/jira/"+acmeID+"/rest/api/3/issue/"+i.ID || i.Fields.Parent.Key != "ALPHA-2" ||
		i.Fields.Status.Name != "In Progress" || i.Fields.Assignee.DisplayName != "Ben Okafor" || len(i.Fields.Subtasks) != 2 ||
		len(i.Fields.Comment.Comments) != 2 || i.Names["duedate"] != "Due date" || i.Names["customfield_10016"] != "Story point estimate" ||
		len(i.Transitions) != 3 || i.Changelog.Histories[0].Items[0].ToString != "In Progress" || i.Fields.Worklog.Worklogs[0].TimeSpent != "5h" {
		t.Errorf("%+v", i)
	}
	if link := i.Fields.IssueLinks[0]; link.OutwardIssue.Key != "OPS-5" || link.InwardIssue != nil || link.Type.Outward != "blocks" {
		t.Errorf("%+v", link)
	}
	if !isADF(string(i.Fields.Description)) || !strings.Contains(adfText(i.Fields.Description), "second payment") {
		t.Errorf("%s", i.Fields.Description)
	}
	for _, tt := range []struct{ fields, want string }{
		{"summary,Due date", "duedate,summary"},
		{"*all,-comment,-worklog", "-"},
		{"-description", "-"},
		{"nonsense", ""},
	} {
		var got struct{ Fields map[string]json.RawMessage }
		d.use("getJiraIssue", map[string]any{"issueIdOrKey": i.ID, "fields": strings.Split(tt.fields, ",")}, &got)
		keys := strings.Join(slices.Sorted(maps.Keys(got.Fields)), ",")
		if tt.want != "-" && keys != tt.want {
			t.Errorf("%s gives %s", tt.fields, keys)
		}
		for f := range strings.SplitSeq(tt.fields, ",") {
			if _, ok := got.Fields[strings.TrimPrefix(f, "-")]; ok && f[0] == '-' {
				t.Errorf("%s gives %s", tt.fields, keys)
			}
		}
	}
}

func TestCreateAndEditJiraIssue(t *testing.T) {
	d := desk{t, open(t), ben}
	var made shown
	d.use("createJiraIssue", map[string]any{
		"projectKey": "ALPHA", "issueTypeName": "story", "summary": " Redesign onboarding ", "description": "As a **shop**\n\n* one\n* two", "parent": "ALPHA-4",
		"assignee_account_id": chen, "additional_fields": map[string]any{
			"priority": map[string]any{"name": "High"}, "labels": []string{"onboarding", "design"}, "duedate": "2031-07-01", "customfield_10016": 5,
		},
	}, &made)
	if made.Key != "ALPHA-25" || made.Fields.Summary != "" {
		t.Errorf("%+v", made)
	}
	f := d.get(made.ID).Fields
	if f.Summary != "Redesign onboarding" || f.Status.Name != "To Do" || f.Priority.Name != "High" || f.Parent.Key != "ALPHA-4" || f.Points != 5 ||
		!slices.Equal(f.Labels, []string{"design", "onboarding"}) || f.Assignee.AccountID != chen || f.Reporter.AccountID != ben || f.DueDate != "2031-07-01" {
		t.Errorf("%+v", f)
	}
	if got := adfToMarkdown(f.Description); !strings.Contains(got, "**shop**") {
		t.Errorf("description: %s", got)
	}
	document := map[string]any{"type": "doc", "version": 1, "content": []any{map[string]any{"type": "rule"}}}
	var edited shown
	d.use("editJiraIssue", map[string]any{"issueIdOrKey": made.Key, "fields": map[string]any{
		"summary": "Redesign the first hour", "assignee": nil, "description": document, "priority": map[string]any{"id": "1"}, "customfield_10016": nil, "duedate": nil,
		"issuetype": map[string]any{"name": "Task"}, "labels": []string{},
	}}, &edited)
	f = edited.Fields
	if f.Summary != "Redesign the first hour" || f.Assignee.AccountID != "" || f.Priority.Name != "Highest" || f.Points != 0 || f.DueDate != "" ||
		f.IssueType.Name != "Task" || len(f.Labels) != 0 || !strings.Contains(string(f.Description), `"rule"`) {
		t.Errorf("%+v", f)
	}
	history := d.get(made.Key, "changelog").Changelog.Histories
	if len(history) != 1 || history[0].Author.DisplayName != "Ben Okafor" || len(history[0].Items) < 6 {
		t.Errorf("%+v", history)
	}
	d.use("editJiraIssue", map[string]any{"issueIdOrKey": "OPS-2", "fields": map[string]any{"customfield_10041": map[string]any{"value": "S2"}}}, nil)
	if s := d.get("OPS-2").Fields.Severity; s.Value != "S2" || s.ID != "1004101" {
		t.Errorf("severity %+v", s)
	}
}

// TestJiraRefusals compares what is wrong with a call with what Jira says.
func TestJiraRefusals(t *testing.T) {
	d := desk{t, open(t), ben}
	create := func(more ...any) map[string]any {
		args := map[string]any{"projectKey": "ALPHA", "issueTypeName": "Task", "summary": "x"}
		for i := 0; i < len(more); i += 2 {
			args[more[i].(string)] = more[i+1]
		}
		return args
	}
	edit := func(key, field string, value any) map[string]any {
		return map[string]any{"issueIdOrKey": key, "fields": map[string]any{field: value}}
	}
	for _, tt := range []struct {
		tool string
		args map[string]any
		want string
	}{
		{"getJiraIssue", map[string]any{"issueIdOrKey": "ALPHA-999"}, "Issue does not exist or you do not have permission to see it."},
		{"createJiraIssue", create("summary", " "), "summary: You must specify a summary of the issue."},
		{"createJiraIssue", create("summary", "a\nb"), "summary: The summary is invalid because it contains newline characters."},
		{"createJiraIssue", create("summary", strings.Repeat("x", 256)), "summary: Summary must be less than 255 characters."},
		{"createJiraIssue", create("projectKey", "NOPE"), "project: Specify a valid project ID or key"},
		{"createJiraIssue", create("issueTypeName", "Incident"), "issuetype: Specify a valid issue type"},
		{"createJiraIssue", create("issueTypeName", "Subtask"), "parent: Issue type is a sub-task but parent issue key or id not specified."},
		{"createJiraIssue", create("parent", "ALPHA-6"), "parentId: Given parent work item does not belong to appropriate hierarchy."},
		{"createJiraIssue", create("parent", "ALPHA-999"), "parent: Could not find issue by id or key."},
		{"createJiraIssue", create("assignee_account_id", "nobody"), "assignee: User 'nobody' does not exist."},
		{"createJiraIssue", create("additional_fields", map[string]any{"priority": map[string]any{"name": "Urgent"}, "components": []string{}}),
			"components: Field 'components' cannot be set. It is not on the appropriate screen, or unknown. priority: Priority name 'Urgent' is not valid"},
		{"editJiraIssue", edit("ALPHA-6", "summary", 1), "summary: Operation value must be a string"},
		{"editJiraIssue", edit("ALPHA-6", "labels", []string{"two words"}), "labels: The label 'two words' contains spaces which is invalid."},
		{"editJiraIssue", edit("ALPHA-6", "duedate", "tomorrow"), "duedate: Error parsing date string: tomorrow"},
		{"editJiraIssue", edit("ALPHA-6", "status", "Done"), "status: Field 'status' cannot be set. It is not on the appropriate screen, or unknown."},
		{"editJiraIssue", edit("ALPHA-6", "customfield_10016", "5"), "customfield_10016: Operation value must be a number"},
		{"editJiraIssue", edit("ALPHA-6", "customfield_10041", nil), "customfield_10041: Field 'customfield_10041' cannot be set. It is not on the appropriate screen, or unknown."},
		{"editJiraIssue", edit("OPS-2", "customfield_10041", map[string]any{"value": "S9"}), "customfield_10041: Specify a valid 'id' or 'name' for Severity"},
		{"editJiraIssue", edit("ALPHA-6", "description", map[string]any{"type": "paragraph"}), "description: Operation value must be an Atlassian Document (see the Atlassian Document Format)"},
		{"transitionJiraIssue", map[string]any{"issueIdOrKey": "OPS-3", "transition": map[string]any{"id": "41"}}, "Transition id '41' is not valid for this issue."},
		{"transitionJiraIssue", map[string]any{"issueIdOrKey": "ALPHA-6", "transition": map[string]any{"id": "31"}, "fields": map[string]any{"resolution": map[string]any{"name": "Done"}}},
			"resolution: Field 'resolution' cannot be set. It is not on the appropriate screen, or unknown."},
		{"addCommentToJiraIssue", map[string]any{"issueIdOrKey": "ALPHA-6", "commentBody": " "}, "Comment body can not be empty!"},
		{"addCommentToJiraIssue", map[string]any{"issueIdOrKey": "ALPHA-6", "commentBody": "x", "commentVisibility": map[string]any{"type": "role", "value": "Friends"}}, "Role: 'Friends' does not exist."},
		{"addWorklogToJiraIssue", map[string]any{"issueIdOrKey": "ALPHA-6", "timeSpent": "long"}, "timeLogged: Invalid time duration entered."},
		{"addWorklogToJiraIssue", map[string]any{"issueIdOrKey": "ALPHA-6", "timeSpent": "1h", "worklogId": "1"}, "Cannot find worklog with id: '1'."},
		{"createIssueLink", map[string]any{"inwardIssue": "ALPHA-6", "outwardIssue": "ALPHA-7", "type": "Hates"}, "No issue link type with name 'Hates' found."},
		{"createIssueLink", map[string]any{"inwardIssue": "ALPHA-6", "outwardIssue": "ALPHA-6", "type": "Blocks"}, "You cannot link an issue to itself."},
		{"getJiraProjectIssueTypesMetadata", map[string]any{"projectIdOrKey": "NOPE"}, "No project could be found with key 'NOPE'."},
		{"searchJiraIssuesUsingJql", map[string]any{"jql": "ORDER BY created"}, "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."},
		{"searchJiraIssuesUsingJql", map[string]any{"jql": "project = ALPHA", "nextPageToken": "nonsense"}, "Invalid request payload. Refer to the REST API documentation and try again."},
	} {
		t.Run(fmt.Sprintf("%s %v", tt.tool, tt.args), func(t *testing.T) {
			if got := (desk{t, d.org, ben}).refused(tt.tool, tt.args); got != tt.want {
				t.Errorf("\ngot  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestHiddenProject looks for what only Ada may see, by all ways that there are.
func TestHiddenProject(t *testing.T) {
	o := open(t)
	d := desk{t, o, ben}
	if i := (desk{t, o, ada}).get("HR-2"); i.Fields.Summary == "" || len(i.Fields.IssueLinks) != 1 {
		t.Errorf("Ada sees %+v", i)
	}
	const gone = "Issue does not exist or you do not have permission to see it."
	args := map[string]any{"issueIdOrKey": "HR-2", "fields": map[string]any{"summary": "x"}, "transition": map[string]any{"id": "31"}, "commentBody": "x",
		"timeSpent": "1h", "inwardIssue": "HR-2", "outwardIssue": "ALPHA-1", "type": "Blocks"}
	for tool, names := range map[string][]string{
		"getJiraIssue": {"issueIdOrKey"}, "editJiraIssue": {"issueIdOrKey", "fields"}, "getTransitionsForJiraIssue": {"issueIdOrKey"},
		"transitionJiraIssue": {"issueIdOrKey", "transition"}, "addCommentToJiraIssue": {"issueIdOrKey", "commentBody"},
		"addWorklogToJiraIssue": {"issueIdOrKey", "timeSpent"}, "getJiraIssueRemoteIssueLinks": {"issueIdOrKey"}, "createIssueLink": {"inwardIssue", "outwardIssue", "type"},
	} {
		some := map[string]any{}
		for _, name := range names {
			some[name] = args[name]
		}
		if got := d.refused(tool, some); got != gone {
			t.Errorf("%s says %s", tool, got)
		}
	}
	if got := d.refused("createJiraIssue", map[string]any{"projectKey": "HR", "issueTypeName": "Task", "summary": "x"}); got != "project: Specify a valid project ID or key" {
		t.Error(got)
	}
	if got := d.refused("getJiraIssueTypeMetaWithFields", map[string]any{"projectIdOrKey": "10002", "issueTypeId": "10002"}); got != "No project could be found with id '10002'." {
		t.Error(got)
	}
	if i := d.get("OPS-10"); len(i.Fields.IssueLinks) != 0 {
		t.Errorf("OPS-10 shows its link to HR-2: %+v", i.Fields.IssueLinks)
	}
	for tool, args := range map[string]map[string]any{
		"getVisibleJiraProjects":   {},
		"searchJiraIssuesUsingJql": {"jql": `text ~ interviews OR summary ~ salary OR assignee = "Ada Marsh" ORDER BY key`, "maxResults": 100},
	} {
		args["cloudId"] = acmeID
		out := o.Call(Caller{Account: ben}, View{}, tool, json.RawMessage(compactJSON(args)))
		if out.IsError || strings.Contains(out.Text, "HR-") || strings.Contains(out.Text, "Human") {
			t.Errorf("%s shows Ben %s", tool, out.Text)
		}
	}
	c := asked(o, ben)
	for _, i := range c.jira().Issues {
		if c.showOther(i.Key) != nil && strings.HasPrefix(i.Key, "HR-") {
			t.Errorf("Ben sees %s", i.Key)
		}
	}
}
