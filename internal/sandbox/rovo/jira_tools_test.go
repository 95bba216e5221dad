package rovo

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestTransitionJiraIssue(t *testing.T) {
	d := desk{t, open(t), ben}
	list := func(key string) string {
		var got struct {
			Transitions []struct {
				ID, Name string
				To       struct {
					Name           string
					StatusCategory struct{ Key string }
				}
				HasScreen, IsGlobal bool
				Fields              map[string]struct{ AllowedValues []struct{ Name string } }
			}
		}
		d.use("getTransitionsForJiraIssue", map[string]any{"issueIdOrKey": key, "expand": "transitions.fields"}, &got)
		var all []string
		for _, tr := range got.Transitions {
			if tr.HasScreen != (len(tr.Fields["resolution"].AllowedValues) == 4) || tr.IsGlobal != strings.HasPrefix(key, "ALPHA") {
				t.Errorf("%s: %+v", key, tr)
			}
			all = append(all, tr.ID+" "+tr.Name+" -> "+tr.To.Name+" ("+tr.To.StatusCategory.Key+")")
		}
		return strings.Join(all, ", ")
	}
	move := func(key, id string, more map[string]any) shown {
		t.Helper()
		args := map[string]any{"issueIdOrKey": key, "transition": map[string]any{"id": id}}
		for k, v := range more {
			args[k] = v
		}
		d.use("transitionJiraIssue", args, nil)
		return d.get(key, "changelog")
	}
	if got, want := list("ALPHA-7"), "11 To Do -> To Do (new), 21 In Progress -> In Progress (indeterminate), 31 Done -> Done (done)"; got != want {
		t.Errorf("ALPHA-7: %s", got)
	}
	if got, want := list("OPS-3"), "11 Start work -> In Progress (indeterminate), 51 Close -> Done (done)"; got != want {
		t.Errorf("OPS-3: %s", got)
	}
	if i := move("ALPHA-7", "31", nil); i.Fields.Status.Name != "Done" || i.Fields.Resolution.Name != "Done" || i.Fields.ResolutionDate == "" ||
		len(i.Changelog.Histories[0].Items) != 2 {
		t.Errorf("%+v", i)
	}
	if i := move("ALPHA-7", "21", nil); i.Fields.Resolution.Name != "" || i.Fields.ResolutionDate != "" {
		t.Errorf("%+v", i)
	}
	comment := map[string]any{"add": map[string]any{"body": map[string]any{"type": "doc", "version": 1, "content": []any{}}}}
	i := move("OPS-3", "51", map[string]any{"fields": map[string]any{"resolution": map[string]any{"name": "Won't Do"}}, "update": map[string]any{"comment": []any{comment}}})
	if i.Fields.Resolution.Name != "Won't Do" || len(i.Fields.Comment.Comments) != 1 {
		t.Errorf("%+v", i)
	}
}

func TestJiraComments(t *testing.T) {
	d := desk{t, open(t), ben}
	var made struct {
		ID, Self, Created, Updated string
		Author                     struct{ AccountID string }
		Body                       struct{ Type string }
	}
	d.use("addCommentToJiraIssue", map[string]any{"issueIdOrKey": "ALPHA-10", "commentBody": "It is the *index*."}, &made)
	if made.Author.AccountID != ben || made.Body.Type != "doc" || made.Created != made.Updated || !strings.HasSuffix(made.Created, "+0100") {
		t.Errorf("%+v", made)
	}
	count := func(account string) int { return len(desk{t, d.org, account}.get("ALPHA-21").Fields.Comment.Comments) }
	if count(ben) != 0 || count(ada) != 1 {
		t.Errorf("Ben sees %d comments for administrators, Ada %d", count(ben), count(ada))
	}
	d.use("addCommentToJiraIssue", map[string]any{"issueIdOrKey": "ALPHA-21", "commentBody": "For all of us.", "commentVisibility": map[string]any{"type": "role", "value": "Member"}}, nil)
	if count(ben) != 1 || count(ada) != 2 {
		t.Errorf("Ben sees %d comments, Ada %d", count(ben), count(ada))
	}
	c := asked(d.org, ben) // as the tools of September 2026 do, who say which comment they mean
	c.args = []byte(`{"issueIdOrKey":"ALPHA-10","commentId":"` + made.ID + `","commentBody":"It was the index.","responseContentFormat":"markdown"}`)
	if got, err := c.addCommentToJiraIssue(); err != nil || got.(object)["body"] != "It was the index." {
		t.Errorf("%v %v", got, err)
	}
	c.person = d.org.person(chen)
	if _, err := c.addCommentToJiraIssue(); err == nil {
		t.Error("Chen changes what Ben has said")
	}
}

func TestJiraWorklogs(t *testing.T) {
	d := desk{t, open(t), ben}
	var made struct {
		ID, TimeSpent, Started string
		TimeSpentSeconds       int
	}
	args := map[string]any{"issueIdOrKey": "ALPHA-7", "timeSpent": "1d 2h 30m", "started": "2031-01-02T10:00:00.000+0100", "commentBody": "Looked *everywhere*"}
	d.use("addWorklogToJiraIssue", args, &made)
	if made.TimeSpentSeconds != 37800 || made.TimeSpent != "1d 2h 30m" || made.Started != "2031-01-02T10:00:00.000+0100" {
		t.Errorf("%+v", made)
	}
	d.use("addWorklogToJiraIssue", map[string]any{"issueIdOrKey": "ALPHA-7", "timeSpent": "45", "worklogId": made.ID}, &made)
	if w := d.get("ALPHA-7").Fields.Worklog.Worklogs; len(w) != 1 || w[0].TimeSpent != "45m" {
		t.Errorf("%+v", w)
	}
	other, theirs := desk{t, d.org, chen}, map[string]any{"issueIdOrKey": "ALPHA-7", "timeSpent": "1m", "worklogId": made.ID}
	if got := other.refused("addWorklogToJiraIssue", theirs); got != "Chen Li, you do not have permission to edit the specified worklog." {
		t.Errorf("Chen is told %q", got)
	}
	if w := d.get("ALPHA-7").Fields.Worklog.Worklogs; len(w) != 1 || w[0].TimeSpent != "45m" {
		t.Errorf("Chen has made it %+v", w)
	}
	desk{t, d.org, ada}.use("addWorklogToJiraIssue", theirs, &made)
	for text, want := range map[string]int{"1w": 144000, "1.5h": 5400, "0m": 0, "h": -1, "1x": -1, "": -1, "-1h": -1} {
		got, ok := parseDuration(text)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q is %d seconds, not %d", text, got, want)
		}
	}
}

func TestJiraLinks(t *testing.T) {
	d := desk{t, open(t), ben}
	var types struct{ IssueLinkTypes []IssueLinkType }
	d.use("getIssueLinkTypes", nil, &types)
	if len(types.IssueLinkTypes) != 4 || types.IssueLinkTypes[0].Inward != "is blocked by" {
		t.Errorf("%+v", types)
	}
	for range 2 { // the same link is made once
		d.use("createIssueLink", map[string]any{"inwardIssue": "ALPHA-12", "outwardIssue": "ALPHA-7", "type": "Blocks", "comment": "One after the other."}, nil)
	}
	blocker, blocked := d.get("ALPHA-12").Fields.IssueLinks, d.get("ALPHA-7").Fields
	if len(blocker) != 2 || blocker[1].OutwardIssue.Key != "ALPHA-7" || blocked.IssueLinks[0].InwardIssue.Key != "ALPHA-12" || len(blocked.Comment.Comments) != 4 {
		t.Errorf("%+v and %+v", blocker, blocked)
	}
}

func TestJiraRemoteLinks(t *testing.T) {
	d := desk{t, open(t), ben}
	type link struct {
		GlobalID, Relationship string
		Application            struct{ Type string }
		Object                 struct{ URL, Title string }
	}
	links := func(key string) []link {
		t.Helper()
		var got []link
		d.use("getJiraIssueRemoteIssueLinks", map[string]any{"issueIdOrKey": key}, &got)
		return got
	}
	site := d.org.data.Sites[0]
	page := site.URL + "/wiki/spaces/ENG/pages/65602/Release+Plan"
	body := "Before we ship: ALPHA-6, https://acme.atlassian.net/browse/ALPHA-7 and (ALPHA-12), not BETA-1, UTF-8 or ALPHA-6 again."
	site.linkMentions(ben, page, "Release", body)
	site.linkMentions(ben, page, "Release Plan", body)
	for _, key := range []string{"ALPHA-6", "ALPHA-7", "ALPHA-12"} {
		want := link{"appId=" + acmeID + "&pageId=65602", "mentioned in", struct{ Type string }{"com.atlassian.confluence"}, struct{ URL, Title string }{page, "Release Plan"}}
		if got := links(key); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %+v", key, got)
		}
	}
	var one link
	d.use("getJiraIssueRemoteIssueLinks", map[string]any{"issueIdOrKey": "ALPHA-6", "globalId": "appId=" + acmeID + "&pageId=65602"}, &one)
	if one.Object.Title != "Release Plan" {
		t.Errorf("%+v", one)
	}
	site.linkMentions(ben, "https://elsewhere.example/x", "Elsewhere", "ALPHA-6")
	if got := links("ALPHA-6"); len(got) != 2 || got[1].Application.Type != "" || got[1].GlobalID != "https://elsewhere.example/x" {
		t.Errorf("%+v", got)
	}
	hidden := slices.IndexFunc(site.Confluence.Pages, func(p *Page) bool { return site.Confluence.page(ben, p.ID) == nil })
	if hidden < 0 {
		t.Fatal("Ben sees all pages")
	}
	site.linkMentions(ada, fmt.Sprintf("%s/wiki/spaces/HR/pages/%d/x", site.URL, site.Confluence.Pages[hidden].ID), "Salaries", "ALPHA-9")
	if got := links("ALPHA-9"); len(got) != 0 {
		t.Errorf("Ben sees %+v", got)
	}
	wiki(t, d.org, ben, "createConfluencePage", args{"spaceId": "98306", "title": "Guesses", "body": "HR-1 and ALPHA-10"}, nil)
	if got := links("ALPHA-10"); len(got) != 1 {
		t.Errorf("ALPHA-10: %+v", got)
	}
	if i := site.Jira.issue("HR-1"); len(i.RemoteLinks) != 0 {
		t.Errorf("Ben, who can't see HR-1, has made it link to %+v", i.RemoteLinks[0])
	}
	if got := links("OPS-3"); len(got) != 1 || got[0].Object.Title != "api-gateway runbook" {
		t.Errorf("OPS-3: %+v", got)
	}
}

func TestJiraProjects(t *testing.T) {
	o := open(t)
	type projects struct {
		Total  int
		IsLast bool
		Values []struct {
			ID, Key, Name, Style string
			IsPrivate            bool
			IssueTypes           []struct {
				ID, Name string
				Subtask  bool
			}
		}
	}
	for _, tt := range []struct {
		account, site, search string
		want                  string
	}{
		{ada, acmeID, "", "HR OPS ALPHA"}, {ben, acmeID, "", "OPS ALPHA"}, {ben, acmeID, "alph", "ALPHA"}, {ben, acmeID, "human", ""}, {ben, "acme-labs.atlassian.net", "", "LAB"},
	} {
		var got projects
		play(t, o, Caller{Account: tt.account}, View{}, "getVisibleJiraProjects", map[string]any{"cloudId": tt.site, "searchString": tt.search}, &got)
		var keys []string
		for _, p := range got.Values {
			keys = append(keys, p.Key)
			if len(p.IssueTypes) < 2 {
				t.Errorf("%+v", p)
			}
		}
		if strings.Join(keys, " ") != tt.want || got.Total != len(keys) || !got.IsLast {
			t.Errorf("%s looks for %q at %s: %+v", tt.account, tt.search, tt.site, got)
		}
	}
	d := desk{t, o, ben}
	var got projects
	d.use("getVisibleJiraProjects", map[string]any{"maxResults": 1, "startAt": 1, "expandIssueTypes": false, "action": "view"}, &got)
	if len(got.Values) != 1 || got.Values[0].Key != "ALPHA" || got.Values[0].IssueTypes != nil || got.Values[0].Style != "next-gen" {
		t.Errorf("%+v", got)
	}
	var types struct {
		Total      int
		IssueTypes []struct{ ID, Name string }
	}
	d.use("getJiraProjectIssueTypesMetadata", map[string]any{"projectIdOrKey": "alpha", "maxResults": 2}, &types)
	if types.Total != 5 || len(types.IssueTypes) != 2 || types.IssueTypes[1].Name != "Story" {
		t.Errorf("%+v", types)
	}
	var meta struct {
		Fields []struct {
			FieldID       string
			Required      bool
			AllowedValues []struct{ Name, Value string }
		}
	}
	d.use("getJiraIssueTypeMetaWithFields", map[string]any{"projectIdOrKey": "OPS", "issueTypeId": "10005"}, &meta)
	required := map[string]bool{}
	for _, f := range meta.Fields {
		required[f.FieldID] = f.Required
		if f.FieldID == "priority" && len(f.AllowedValues) != 5 || f.FieldID == "customfield_10041" && f.AllowedValues[2].Value != "S3" {
			t.Errorf("%+v", f)
		}
	}
	if !required["summary"] || required["description"] || len(meta.Fields) != 12 {
		t.Errorf("%+v", meta)
	}
}

func TestLookupJiraAccountID(t *testing.T) {
	o := open(t)
	for _, tt := range []struct{ site, search, want string }{
		{acmeID, "chen", chen}, {acmeID, "DANA@partner", dana}, {acmeID, "nobody", ""}, {labsID, "chen", ""}, {labsID, "okafor", ben},
	} {
		var got struct {
			Data struct {
				Users struct {
					Users []struct{ AccountID, DisplayName, HTML string }
				}
			}
		}
		play(t, o, Caller{Account: ben}, View{}, "lookupJiraAccountId", map[string]any{"cloudId": tt.site, "searchString": tt.search}, &got)
		users := got.Data.Users.Users
		if len(users) > 1 || (len(users) == 1) != (tt.want != "") || len(users) == 1 && (users[0].AccountID != tt.want || !strings.Contains(users[0].HTML, "<strong>")) {
			t.Errorf("%q: %+v", tt.search, users)
		}
	}
}

func TestSearchJiraIssuesPages(t *testing.T) {
	d := desk{t, open(t), ben}
	type answer struct {
		Issues        []struct{ Key string }
		NextPageToken string
		IsLast        bool
	}
	args := map[string]any{"jql": "project = ALPHA ORDER BY key", "maxResults": 10, "fields": []string{"summary"}}
	var keys []string
	for range 5 {
		var got answer
		d.use("searchJiraIssuesUsingJql", args, &got)
		for _, i := range got.Issues {
			keys = append(keys, i.Key)
		}
		if args["nextPageToken"] = got.NextPageToken; got.IsLast != (got.NextPageToken == "") {
			t.Errorf("%+v", got)
		}
		if got.IsLast {
			break
		}
	}
	if len(keys) != 24 || keys[23] != "ALPHA-24" {
		t.Errorf("found %q", keys)
	}
	var fields struct {
		Issues []struct{ Fields map[string]any }
	}
	d.use("searchJiraIssuesUsingJql", map[string]any{"jql": "key = ALPHA-6"}, &fields)
	if f := fields.Issues[0].Fields; len(f) != 6 || f["summary"] != "Pay button is hidden behind the keyboard" {
		t.Errorf("%+v", f)
	}
}

// TestFiveNodes walks through a search as it was in mid-2026: of each page, the issues after the fifth are never shown.
func TestFiveNodes(t *testing.T) {
	o := open(t)
	type answer struct {
		TotalCount, RemainingCount int
		Nodes                      []struct {
			Key, WebURL string
			Fields      map[string]any
		}
		PageInfo struct {
			HasNextPage bool
			EndCursor   *string
		}
	}
	search := func(args map[string]any) answer {
		t.Helper()
		var got answer
		args["cloudId"], args["jql"], args["fields"] = acmeID, "project = ALPHA ORDER BY key", []string{"summary"}
		play(t, o, Caller{Account: ben}, View{FiveNodes: func() bool { return true }}, "searchJiraIssuesUsingJql", args, &got)
		return got
	}
	all := search(map[string]any{})
	if all.TotalCount != 24 || len(all.Nodes) != 5 || all.RemainingCount != 19 || all.PageInfo.HasNextPage || all.PageInfo.EndCursor != nil {
		t.Errorf("%+v", all)
	}
	if n := all.Nodes[0]; n.WebURL != "https://acme.atlassian.net/browse/ALPHA-1" || n.Fields["assignee"] == nil {
		t.Errorf("%+v", n)
	}
	first := search(map[string]any{"maxResults": 20})
	if len(first.Nodes) != 5 || first.RemainingCount != 15 || !first.PageInfo.HasNextPage || first.PageInfo.EndCursor == nil {
		t.Fatalf("%+v", first)
	}
	rest := search(map[string]any{"maxResults": 20, "nextPageToken": *first.PageInfo.EndCursor})
	if len(rest.Nodes) != 4 || rest.Nodes[0].Key != "ALPHA-21" || rest.PageInfo.HasNextPage {
		t.Errorf("%+v", rest)
	}
}
