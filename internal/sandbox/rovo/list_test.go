package rovo

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The accounts of the seed.
const (
	ada  = "712020:5b6f0f3e-1c1d-4f0e-9a52-0b8a3f6d2c11"
	ben  = "712020:8d2a7c44-63b9-4d7b-8f0b-7f0f6a9d5e22"
	chen = "712020:c1e94b0a-2f7e-4f5c-b0d4-3b5a8e7c9f33"
	dana = "712020:f7a3d6e8-9b1c-4c2d-a3e5-6d4c2b1a0f44"

	acmeID = "3f2b1c9e-7a64-4d0e-9d5b-1f0c6a8e4b21"
	labsID = "a94e6d07-58c3-4b1f-8e72-c0d9b3f51a68"
)

func open(t *testing.T) *Org {
	t.Helper()
	o, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func names(tools []Tool) []string {
	var all []string
	for _, tool := range tools {
		all = append(all, tool.Name)
	}
	return all
}

// TestCaptured compares the tools with what mcp.atlassian.com listed in October 2025. Descriptions are in our own words, and wherever
// Atlassian's are: testdata has an empty one for each.
func TestCaptured(t *testing.T) {
	text, err := os.ReadFile("testdata/v1-tools.json")
	if err != nil {
		t.Fatal(err)
	}
	var captured []map[string]any
	if err := json.Unmarshal(text, &captured); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, tool := range open(t).Tools(Caller{Account: ada}, View{}) {
		i := slices.IndexFunc(captured, func(c map[string]any) bool { return c["name"] == tool.Name })
		if i < 0 {
			if !tool.Approximate || !strings.HasSuffix(tool.Description, "(Approximation.)") {
				t.Errorf("%s has not been seen, and doesn't say that it is an approximation", tool.Name)
			}
			continue
		}
		order = append(order, tool.Name)
		if tool.Approximate {
			t.Errorf("%s is no approximation", tool.Name)
		}
		ours, err := json.Marshal(tool)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(ours, &got); err != nil {
			t.Fatal(err)
		}
		if got = blank(got, tool.Name, t).(map[string]any); !reflect.DeepEqual(got, captured[i]) {
			want, _ := json.Marshal(captured[i])
			have, _ := json.Marshal(got)
			t.Errorf("%s is\n%s\nwhere Atlassian has\n%s", tool.Name, have, want)
		}
	}
	var want []string
	for _, c := range captured {
		want = append(want, c["name"].(string))
	}
	if !slices.Equal(order, want) {
		t.Errorf("the captured tools are\n%q\nwhere Atlassian has\n%q", order, want)
	}
}

// blank empties the descriptions in a tool, none of which may be empty already.
func blank(v any, path string, t *testing.T) any {
	switch v := v.(type) {
	case map[string]any:
		for k, member := range v {
			if text, ok := member.(string); ok && k == "description" {
				if text == "" {
					t.Errorf("%s has an empty description", path)
				}
				v[k] = ""
				continue
			}
			v[k] = blank(member, path+"."+k, t)
		}
	case []any:
		for i, member := range v {
			v[i] = blank(member, path, t)
		}
	}
	return v
}

// approximate are the tools that Atlassian documents, or users have seen, with whom one has to be signed in to have them.
var approximate = map[string][]string{
	"": {
		"addWorklogToJiraIssue", "getIssueLinkTypes", "createIssueLink", "getConfluenceCommentChildren", "getContentFormatGuide",
		"getTeamworkGraphContext", "getTeamworkGraphObject", "addTeamworkGraphContext",
	},
	"browser": {
		"getCompassComponent", "getCompassComponents", "getCompassCustomFieldDefinitions", "createCompassComponent",
		"createCompassComponentRelationship", "createCompassCustomFieldDefinition", "getCompassComponentActivityEvents",
		"getCompassComponentLabels", "getCompassComponentTypes", "getCompassComponentsOwnedByMyTeams",
	},
	"token": {
		"getJsmOpsAlerts", "getJsmOpsScheduleInfo", "getJsmOpsTeamInfo", "updateJsmOpsAlert",
		"bitbucketWorkspace", "bitbucketRepository", "bitbucketUser", "bitbucketDeployment", "bitbucketPullRequest",
		"bitbucketRepoContent", "bitbucketPipeline", "bitbucketEnvironment",
	},
}

func TestTools(t *testing.T) {
	o := open(t)
	text, err := os.ReadFile("testdata/v1-tools.json")
	if err != nil {
		t.Fatal(err)
	}
	var captured []Tool
	if err := json.Unmarshal(text, &captured); err != nil {
		t.Fatal(err)
	}
	for via, extra := range map[Via][]string{OAuth: approximate["browser"], APIToken: approximate["token"], ServiceKey: approximate["token"]} {
		want := slices.Concat(names(captured), approximate[""], extra)
		got := names(o.Tools(Caller{Account: ada, Via: via}, View{}))
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("via %q there are\n%q\nwant\n%q", via, got, want)
		}
	}
	for _, tt := range []struct {
		via          Via
		capabilities []string
		want         []string
	}{
		{UnscopedToken, nil, []string{"atlassianUserInfo", "getAccessibleAtlassianResources"}},
		{OAuth, []string{}, []string{"atlassianUserInfo", "getAccessibleAtlassianResources"}},
		{OAuth, []string{"SEARCH_JIRA", "SEARCH_ATLASSIAN"},
			[]string{"atlassianUserInfo", "getAccessibleAtlassianResources", "searchJiraIssuesUsingJql", "search", "fetch"}},
		{OAuth, []string{"WRITE_COMPASS", "WRITE_JSM"}, []string{"atlassianUserInfo", "getAccessibleAtlassianResources",
			"createCompassComponent", "createCompassComponentRelationship", "createCompassCustomFieldDefinition"}},
		{APIToken, []string{"WRITE_COMPASS", "WRITE_JSM"}, []string{"atlassianUserInfo", "getAccessibleAtlassianResources", "updateJsmOpsAlert"}},
	} {
		got := names(o.Tools(Caller{Account: ada, Via: tt.via}, View{Capabilities: tt.capabilities}))
		if !slices.Equal(got, tt.want) {
			t.Errorf("via %q %q has\n%q\nwant\n%q", tt.via, tt.capabilities, got, tt.want)
		}
	}
}

// TestDocumented compares tools that came after the capture with what is known of them: what they take, * where they can't do without.
func TestDocumented(t *testing.T) {
	const read, write = true, false
	for _, tt := range []struct {
		name, title string
		readOnly    bool
		takes       string
	}{
		{"addWorklogToJiraIssue", "Add or update worklog", write,
			"cloudId* issueIdOrKey* timeSpent* worklogId commentBody started visibility contentFormat"},
		{"getIssueLinkTypes", "Get issue link types", read, "cloudId*"},
		{"createIssueLink", "Create issue link", write, "cloudId* inwardIssue* outwardIssue* type* comment contentFormat"},
		{"getConfluenceCommentChildren", "Get comment replies", read, "cloudId* commentId* commentType* sort contentFormat limit cursor"},
		{"getContentFormatGuide", "Get content format guide", read, "cloudId toolName"},
	} {
		tool := toolNamed(v1(), tt.name)
		var s schema
		if err := json.Unmarshal(tool.InputSchema, &s); err != nil {
			t.Fatal(err)
		}
		var takes []string
		for _, p := range s.Properties {
			if slices.Contains(s.Required, p.name) {
				p.name += "*"
			}
			takes = append(takes, p.name)
		}
		if got := strings.Join(takes, " "); got != tt.takes || tool.Annotations != (Annotations{Title: tt.title, ReadOnlyHint: tt.readOnly, IdempotentHint: tt.readOnly}) {
			t.Errorf("%s takes %s, and is %+v", tt.name, got, tool.Annotations)
		}
	}
}

// TestReadOnly switches the permission groups off that write.
func TestReadOnly(t *testing.T) {
	o := open(t)
	asked := 0
	readOnly := func() bool { asked++; return true }
	for _, tt := range []struct {
		v2         bool
		call, args string
		group      string
		listed     []string // that write, in no group that can be switched off
	}{
		{false, "createJiraIssue", `{"cloudId":"acme.atlassian.net","projectKey":"ALPHA","issueTypeName":"Task","summary":"x"}`, "write_jira",
			[]string{"addTeamworkGraphContext"}},
		{true, "executeWrite", `{"name":"createConfluenceComment","cloudId":"acme.atlassian.net","inputs":{"content_id":"65602","body":"x"}}`,
			"write_confluence", []string{"addGraphContext", "executeDestructive", "executeWrite"}},
	} {
		view := View{V2: tt.v2, ReadOnly: readOnly}
		asked = 0
		var writing []string
		for _, tool := range o.Tools(Caller{Account: ada}, view) {
			if !tool.Annotations.ReadOnlyHint {
				writing = append(writing, tool.Name)
			}
		}
		if !slices.Equal(writing, tt.listed) || asked != 1 {
			t.Errorf("listed, having asked %d times, are %q", asked, writing)
		}
		before := o.Data()
		want := `{"error":true,"message":"The permission group ` + tt.group + ` is off. Ask your organization admin to turn it on.","statusCode":403}`
		if out := o.Call(Caller{Account: ada}, view, tt.call, json.RawMessage(tt.args)); !out.IsError || out.Text != want || !bytes.Equal(o.Data(), before) {
			t.Errorf("%s: %+v", tt.call, out)
		}
		asked = 0
		if out := o.Call(Caller{Account: ada}, view, "atlassianUserInfo", nil); out.IsError || asked != 0 {
			t.Errorf("reading, having asked %d times: %+v", asked, out)
		}
	}
	var found struct{ Tools []struct{ Name string } }
	play(t, o, Caller{Account: ada}, View{V2: true, ReadOnly: readOnly}, "discover", object{"query": "confluence comment"}, &found)
	for _, tool := range found.Tools {
		if strings.HasPrefix(tool.Name, "create") {
			t.Errorf("%s is discovered", tool.Name)
		}
	}
}

// TestSchemas reads every schema as check does, and looks for words of JSON Schema that check doesn't know.
func TestSchemas(t *testing.T) {
	for _, tool := range v1() {
		if got := check(tool, json.RawMessage(`{"no such thing":1}`)); !strings.Contains(got, "unrecognized_keys") {
			t.Errorf("%s takes anything: %s", tool.Name, got)
		}
		if kind, _, ok := strings.Cut(tool.Group, "_"); ok && tool.Annotations.ReadOnlyHint == (kind == "WRITE") {
			t.Errorf("%s is in %s; ReadOnlyHint is %v", tool.Name, tool.Group, tool.Annotations.ReadOnlyHint)
		}
	}
}
