package rovo

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestTools2(t *testing.T) {
	o := open(t)
	want := []string{
		"addGraphContext", "addOrEditJiraIssueComment", "atlassianUserInfo", "createConfluenceContent", "createJiraIssue", "discover", "editJiraIssue",
		"executeDestructive", "executeRead", "executeWrite", "getAccessibleAtlassianResources", "getConfluenceContent", "getGraphContext", "getGraphObject",
		"getJiraIssue", "getLoomVideo", "search", "searchConfluence", "searchJiraIssuesUsingJql", "transitionJiraIssue", "updateConfluenceContent",
	}
	if got := names(o.Tools(Caller{Account: ada}, View{V2: true})); !slices.Equal(got, want) {
		t.Errorf("listed are\n%q\nwant\n%q", got, want)
	}
	all := o.Tools(Caller{Account: ada}, View{V2: true, All: true})
	flat := names(all)
	for _, name := range []string{"getJiraIssue", "listConfluenceSpaces", "deleteJiraIssue", "addOrEditJiraIssueWorklog"} {
		if !slices.Contains(flat, name) {
			t.Errorf("%s is not among all", name)
		}
	}
	for _, tool := range all {
		if tool.indirect() {
			t.Errorf("%s is among all", tool.Name)
		}
		if got := check(tool, json.RawMessage(`{"no such thing":1}`)); !strings.Contains(got, "unrecognized_keys") {
			t.Errorf("%s takes anything: %s", tool.Name, got)
		}
	}
	if len(flat) != len(want)-4+16 || !slices.IsSorted(flat) {
		t.Errorf("all %d: %q", len(flat), flat)
	}
}

func TestExecute(t *testing.T) {
	o, who := open(t), Caller{Account: ben}
	for _, tt := range []struct{ what, executor, args, text, invalid string }{
		{"a tool that there isn't", "executeRead", `{"name":"listEverything"}`, `Unknown tool \"listEverything\". Use discover`, ""},
		{"one that writes", "executeRead", `{"name":"createJiraIssueLink","cloudId":"acme.atlassian.net","inputs":{}}`, `Use executeWrite.`, ""},
		{"one that reads", "executeWrite", `{"name":"listJiraProjects","cloudId":"acme.atlassian.net","inputs":{}}`, `Use executeRead.`, ""},
		{"itself", "executeRead", `{"name":"executeRead","inputs":{}}`, `Unknown tool`, ""},
		{"too few inputs", "executeRead", `{"name":"listJiraIssueTransitions","cloudId":"acme.atlassian.net"}`, "",
			`Invalid arguments for tool listJiraIssueTransitions: [{"code":"invalid_type","expected":"string","received":"undefined","path":["issueIdOrKey"],"message":"Required"}]`},
		{"no such issue", "executeRead", `{"name":"listJiraIssueTransitions","cloudId":"acme.atlassian.net","inputs":{"issueIdOrKey":"ZZZ-1"}}`,
			`{"error":true,"message":"Issue \"ZZZ-1\" not found","statusCode":404}`, ""},
		{"deleting", "executeDestructive", `{"name":"deleteJiraIssue","cloudId":"acme.atlassian.net","inputs":{"issueIdOrKey":"ALPHA-1"}}`,
			`delete_jira and manage_jira are off by default`, ""},
	} {
		got := o.Call(who, View{V2: true}, tt.executor, json.RawMessage(tt.args))
		if got.Invalid != tt.invalid || got.IsError != (tt.text != "") || !strings.Contains(got.Text, tt.text) {
			t.Errorf("%s: %+v", tt.what, got)
		}
	}
	// An input that the tool doesn't know is dropped.
	play(t, o, who, View{V2: true}, "executeRead", object{"name": "listJiraProjects", "cloudId": acmeID, "inputs": object{"color": "blue"}}, nil)
}

func TestDelete(t *testing.T) {
	o := open(t)
	granted := Caller{Account: ben, Products: []string{"jira", "delete_jira"}}
	args := object{"name": "deleteJiraIssue", "cloudId": acmeID, "inputs": object{"issueIdOrKey": "ALPHA-1"}}
	play(t, o, granted, View{V2: true}, "executeDestructive", args, nil)
	out := o.Call(granted, View{V2: true}, "getJiraIssue", json.RawMessage(`{"cloudId":"acme.atlassian.net","issueIdOrKey":"ALPHA-1"}`))
	if !out.IsError || out.Text != `{"error":true,"message":"Issue \"ALPHA-1\" not found","statusCode":404}` {
		t.Errorf("it is still there: %+v", out)
	}
	if out := o.Call(granted, View{V2: true}, "executeDestructive", json.RawMessage(compactJSON(args))); !out.IsError {
		t.Errorf("deleting it again: %+v", out)
	}
}

func TestStructured(t *testing.T) {
	o := open(t)
	for name, args := range map[string]string{"atlassianUserInfo": `{}`, "getLoomVideo": `{"videoId":"x"}`} {
		out := o.Call(Caller{Account: ben}, View{V2: true}, name, json.RawMessage(args))
		var s structured
		if err := json.Unmarshal(out.Structured, &s); err != nil {
			t.Fatal(err)
		}
		if len(s.Content) != 1 || s.Content[0] != (textContent{"text", out.Text}) || s.IsError != out.IsError {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

func TestPage2(t *testing.T) {
	a := agent{t, open(t), View{V2: true}}
	var got struct{ Data object }
	a.use("getConfluenceContent", object{"content_id": "65602", "detail": "summary", "include_metadata": true}, &got)
	if got.Data["body"] != nil || got.Data["title"] != "Release Plan" || got.Data["status"] != "current" {
		t.Errorf("summary: %v", got.Data)
	}
	for _, dry := range []bool{true, false} {
		a.use("updateConfluenceContent", object{
			"content_id": "65602", "title": "Release Plan", "body": "<p>Not <em>yet</em>.</p>", "contentFormat": "html", "dryRun": dry,
		}, nil)
		a.use("getConfluenceContent", object{"content_id": "65602", "content_format": "html"}, &got)
		if changed := strings.Contains(got.Data["body"].(string), "Not <em>yet</em>."); changed == dry {
			t.Errorf("dry %v: the body is %v", dry, got.Data["body"])
		}
	}
	a.run("executeWrite", "comment on a confluence page", "createConfluenceComment", object{"content_id": "65602", "body": "When **then**?"}, nil)
	var comments struct {
		Data struct {
			Footer struct{ Results []json.RawMessage }
		}
	}
	a.run("executeRead", "list confluence comments", "listConfluenceComments", object{"content_id": "65602", "commentType": "footer"}, &comments)
	asks := func(r json.RawMessage) bool { return strings.Contains(string(r), "When **then**?") }
	if !slices.ContainsFunc(comments.Data.Footer.Results, asks) {
		t.Errorf("comments: %s", comments.Data.Footer.Results)
	}
}

func TestIssue2(t *testing.T) {
	a := agent{t, open(t), View{V2: true}}
	var possible struct{ Transitions []struct{ Name string } }
	a.run("executeRead", "issue transitions", "listJiraIssueTransitions", object{"issueIdOrKey": "ALPHA-1"}, &possible)
	a.use("transitionJiraIssue", object{"issueIdOrKey": "ALPHA-1", "transitionName": strings.ToUpper(possible.Transitions[0].Name)}, nil)
	fly := json.RawMessage(`{"cloudId":"acme.atlassian.net","issueIdOrKey":"ALPHA-1","transitionName":"Fly"}`)
	out := a.org.Call(Caller{Account: ben}, a.view, "transitionJiraIssue", fly)
	if !out.IsError || !strings.Contains(out.Text, `Transition \"Fly\" is not available`) {
		t.Errorf("another transition: %+v", out)
	}

	a.use("addOrEditJiraIssueComment", object{"issueIdOrKey": "ALPHA-1", "commentBody": "<p>It <strong>works</strong>.</p>", "contentFormat": "html"}, nil)
	var comments struct {
		Data struct {
			Total                int
			AppliedContentFormat string
			Comments             []struct{ ID, Body string }
		}
	}
	a.run("executeRead", "list jira comments", "listJiraIssueComments", object{"issueIdOrKey": "ALPHA-1"}, &comments)
	last := comments.Data.Comments[len(comments.Data.Comments)-1]
	if strings.TrimSpace(last.Body) != "It **works**." || comments.Data.AppliedContentFormat != "markdown" {
		t.Errorf("comments: %+v", comments)
	}
	n := comments.Data.Total
	a.use("addOrEditJiraIssueComment", object{"issueIdOrKey": "ALPHA-1", "commentBody": "It doesn't.", "commentId": last.ID}, nil)
	a.run("executeRead", "list jira comments", "listJiraIssueComments", object{"issueIdOrKey": "ALPHA-1", "responseContentFormat": "html"}, &comments)
	if comments.Data.Total != n || !strings.Contains(comments.Data.Comments[n-1].Body, "<p>It doesn") {
		t.Errorf("edited: %+v", comments)
	}
	var people any
	a.run("executeRead", "look up people by name", "lookupJiraAccountId", object{"query": "Chen"}, &people)
	if !strings.Contains(compactJSON(people), chen) {
		t.Errorf("people: %v", people)
	}
}
